//! An alert to a program of the site's own: JSON on standard input, no shell.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::{Alert, Result, TellError};
use crate::child;
use crate::secret::unusable;

/// Looks whether there is such a program.
///
/// # Errors
/// [`TellError::Secret`], which names it.
pub fn find(command: &[String]) -> Result<()> {
    let path = Path::new(command.first().map_or("", String::as_str));
    let wrong = |what: &str| TellError::from(unusable(path, what));
    let found = std::fs::metadata(path).map_err(|err| wrong(&err.to_string()))?;
    match found.is_file() && found.permissions().mode() & 0o111 != 0 {
        true => Ok(()),
        false => Err(wrong("it is no program that can be run; chmod +x")),
    }
}

/// Runs it to its end; what takes too long is killed, with its children.
///
/// # Errors
/// [`TellError`].
pub fn run(command: &[String], alert: &Alert, limit: Duration) -> Result<()> {
    find(command)?;
    let place = command.first().cloned().unwrap_or_default();
    let failed = |what: String| TellError::There { place: place.clone(), what };
    let json = serde_json::to_string(alert).map_err(|err| failed(err.to_string()))?;
    let mut child = Command::new(&place)
        .args(&command[1..])
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .map_err(|err| failed(err.to_string()))?;
    let input = child.stdin.take();
    // In a thread: one that reads nothing must not hold us up. A program that needs no
    // input may end before it was given any.
    std::thread::spawn(move || input.map(|mut input| writeln!(input, "{json}")));
    match child::wait(&mut child, limit) {
        Ok(Some(status)) if status.success() => Ok(()),
        Ok(Some(status)) => Err(failed(match (status.code(), status.signal()) {
            (Some(code), _) => format!("it ended with {code}"),
            (None, signal) => format!("signal {} ended it", signal.unwrap_or(0)),
        })),
        Ok(None) => {
            Err(failed(format!("it did not end within {} s and was killed", limit.as_secs())))
        }
        Err(err) => Err(failed(format!("its end is not known: {err}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::alert::example;
    use super::*;

    fn told(script: &str, limit: Duration) -> std::result::Result<(), String> {
        let command: Vec<String> =
            ["/bin/sh", "-c", script].iter().map(ToString::to_string).collect();
        run(&command, &example(), limit).map_err(|err| err.to_string())
    }

    #[test]
    fn a_program_gets_the_alert_on_its_standard_input() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("told");
        let long = Duration::from_secs(20);
        told(&format!("cat > {}", file.display()), long).unwrap();
        let read: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        assert_eq!(read["incident"], "ridge/test#7");
        assert_eq!(read["cause"], "delivery_stopped");
        assert_eq!(told("exit 3", long).unwrap_err(), "/bin/sh: it ended with 3");
        told("exit 0", long).unwrap();
    }

    #[test]
    fn a_program_that_hangs_is_killed_with_its_children() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("late");
        let script = format!("(sleep 1; touch {}) & sleep 60", file.display());
        let said = told(&script, Duration::from_millis(300)).unwrap_err();
        assert!(said.contains("was killed"), "{said}");
        std::thread::sleep(Duration::from_millis(1300));
        assert!(!file.exists(), "a child of it lived on");
    }

    #[test]
    fn what_is_no_program_is_told_before_anything_is_wrong() {
        for bad in ["/nonexistent/page", "/etc/passwd", "/tmp"] {
            assert!(find(&[bad.to_string()]).is_err(), "{bad}");
        }
    }
}
