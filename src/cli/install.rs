//! `install --user`: the daemon as a service of systemd, for whoever calls this.
//!
//! A service of the machine is root's business: `config/systemd` and `docs/service.md`.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::args::{Cli, Install};
use super::exit::Exit;
use super::setup::{self, setup};
use super::{Failure, Outcome};
use crate::disk;

/// The unit, but for where things are.
const UNIT: &str = include_str!("../../config/systemd/hl7drop-user.service");
/// How a unit of ours begins; any other of that name is left alone.
const OURS: &str = "# hl7drop as a service of one user";
const NAME: &str = "hl7drop.service";

/// What systemd is told, in order.
const TOLD: [&[&str]; 3] =
    [&["--user", "daemon-reload"], &["--user", "enable", NAME], &["--user", "restart", NAME]];

/// Writes the unit and starts it; with `--dry-run` only says what it would do.
pub fn install(cli: &Cli, args: &Install) -> Outcome {
    if !args.user {
        let text = "this installs for one user: `hl7drop install --user`. For the machine see \
                    config/systemd/hl7drop.service and docs/service.md";
        return Err(Failure::usage(text));
    }
    // A service that cannot start is none.
    setup(cli, &[])?;
    let whole = |path: PathBuf| path.canonicalize().map_err(disk::failed("find", &path));
    let config = whole(setup::program_file(cli)?)?;
    let program = std::env::current_exe()?;
    let text = unit(&program, &config)?;
    let path = place()?;
    let before = fs::read_to_string(&path).ok();
    if before.as_ref().is_some_and(|before| !before.starts_with(OURS)) {
        let text = format!(
            "{} is there and is none of ours; it is left alone. Move it away, or put what you \
             changed into {}.d/",
            path.display(),
            path.display()
        );
        return Err(Failure::usage(text));
    }
    let mut out = io::stdout().lock();
    let same = before.as_ref() == Some(&text);
    writeln!(out, "{}  {}", if same { "same  " } else { "write " }, path.display())?;
    if args.dry_run {
        text.lines().try_for_each(|line| writeln!(out, "        {line}"))?;
    } else if !same {
        if let Some(folder) = path.parent() {
            disk::folder(folder)?;
        }
        disk::write(&path, text.as_bytes())?;
    }
    for words in TOLD {
        writeln!(out, "run     systemctl {}", words.join(" "))?;
        if !args.dry_run {
            systemctl(words)?;
        }
    }
    if args.dry_run {
        writeln!(out, "nothing was done: --dry-run")?;
    } else {
        writeln!(out, "it runs; what it says: journalctl --user -u hl7drop -f")?;
    }
    writeln!(out, "so that it runs while nobody is logged in: loginctl enable-linger")?;
    Ok(Exit::DONE)
}

/// Returns where a user's own units are.
fn place() -> Result<PathBuf, Failure> {
    let of = |variable| std::env::var_os(variable).filter(|value| !value.is_empty());
    let config = of("XDG_CONFIG_HOME").map(PathBuf::from);
    let config = config.or_else(|| of("HOME").map(|home| Path::new(&home).join(".config")));
    let config = config.filter(|path| path.is_absolute());
    let config = config.ok_or_else(|| Failure::usage("neither XDG_CONFIG_HOME nor HOME is set"))?;
    Ok(config.join("systemd/user").join(NAME))
}

/// Returns the unit for this program and these settings.
fn unit(program: &Path, config: &Path) -> Result<String, Failure> {
    let (program, config) = (quoted(program)?, quoted(config)?);
    let start = format!("ExecStart={program} --config {config} watch");
    let line = |line: &str| match line.starts_with("ExecStart=") {
        true => format!("{start}\n"),
        false => format!("{line}\n"),
    };
    Ok(UNIT.lines().map(line).collect())
}

/// Writes a path as systemd reads it: `%` and `$` mean something there.
fn quoted(path: &Path) -> Result<String, Failure> {
    let text = path.to_str().filter(|text| !text.chars().any(char::is_control));
    let text = text.ok_or_else(|| {
        Failure::usage(format!("{} cannot stand in a unit of systemd", path.display()))
    })?;
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    Ok(format!("\"{}\"", escaped.replace('%', "%%").replace('$', "$$")))
}

fn systemctl(words: &[&str]) -> Result<(), Failure> {
    let failed = |why: String| Failure {
        exit: Exit::LOCAL,
        text: format!(
            "systemctl {}: {why}. The unit is written; where a user has no systemd (a container, \
             su without a login) use cron or `hl7drop watch` in the foreground",
            words.join(" ")
        ),
    };
    let ended = Command::new("systemctl").args(words).output();
    let ended = ended.map_err(|err| failed(err.to_string()))?;
    match ended.status.success() {
        true => Ok(()),
        false => Err(failed(String::from_utf8_lossy(&ended.stderr).trim().to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_names_this_program_and_these_settings() {
        let unit = unit(Path::new("/opt/100% ours/hl7drop"), Path::new("/srv/x.toml")).unwrap();
        assert!(unit.starts_with(OURS));
        let start = "ExecStart=\"/opt/100%% ours/hl7drop\" --config \"/srv/x.toml\" watch\n";
        assert!(unit.contains(start), "{unit}");
        assert_eq!(unit.lines().count(), UNIT.lines().count());
        assert!(quoted(Path::new("/a\nb")).is_err());
    }
}
