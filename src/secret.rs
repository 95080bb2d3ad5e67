//! Passwords, passphrases and tokens: where each is to be had, and the files they stand in.
//!
//! A secret stands in no settings, in no error and on no command line.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// More than any key or password; a wrong path may lead to something huge.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// What the path of a secret begins with that systemd hands over (`LoadCredential=`).
pub const CREDENTIALS: &str = "$CREDENTIALS_DIRECTORY";

/// Where a secret is to be had; never the secret itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Secret {
    /// The first line of a file.
    File(PathBuf),
    /// An environment variable.
    Env(String),
}

/// A secret that cannot be used; the text never holds any of it.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {what}")]
pub struct SecretError {
    /// The file or variable.
    pub place: String,
    /// What is wrong with it, and what to do.
    pub what: String,
}

type Result<T> = std::result::Result<T, SecretError>;

/// Returns a secret.
///
/// # Errors
/// [`SecretError`].
pub fn read(secret: &Secret) -> Result<String> {
    match secret {
        Secret::File(path) => {
            let file = File::read(path)?;
            file.check_private()?;
            match file.text.lines().next() {
                Some(line) if !line.is_empty() => Ok(line.to_string()),
                _ => Err(unusable(path, "its first line is empty; write the secret there")),
            }
        }
        Secret::Env(name) => match std::env::var(name) {
            Ok(secret) if !secret.is_empty() => Ok(secret),
            _ => Err(unusable(Path::new(name), "this environment variable is not set")),
        },
    }
}

/// A small text file that should be nobody else's business.
pub struct File<'a> {
    path: &'a Path,
    /// What stands in it.
    pub text: String,
    /// Whether others can get at it.
    exposed: bool,
}

impl File<'_> {
    /// Reads a file, whoever else can.
    ///
    /// # Errors
    /// [`SecretError`].
    pub fn read(path: &Path) -> Result<File<'_>> {
        let failed = |err: std::io::Error| match err.kind() {
            ErrorKind::NotFound => unusable(path, "there is no such file"),
            ErrorKind::PermissionDenied => unusable(path, "we are not allowed to read it"),
            ErrorKind::InvalidData => unusable(path, "it is not a text file"),
            _ => unusable(path, &format!("it cannot be read: {err}")),
        };
        let handed = handed_over(path)?;
        let at = handed.as_deref().unwrap_or(path);
        // Before it is opened: a pipe would let us wait.
        let found = fs::metadata(at).map_err(failed)?;
        if !found.is_file() || found.len() > FILE_BYTES_MAX {
            return Err(unusable(path, "it is not a small text file"));
        }
        let text = fs::read_to_string(at).map_err(failed)?;
        // Who may read what systemd hands over stands in access lists of systemd's, which
        // show as a mode for the group.
        let exposed = handed.is_none() && found.permissions().mode() & 0o077 != 0;
        Ok(File { path, text, exposed })
    }

    /// # Errors
    /// [`SecretError`] if others than its owner can read the file.
    pub fn check_private(&self) -> Result<()> {
        if !self.exposed {
            return Ok(());
        }
        let what = format!("others can get at it; run: chmod 600 {}", self.path.display());
        Err(unusable(self.path, &what))
    }
}

/// Returns where a secret lies that systemd hands over; nothing for any other path.
fn handed_over(path: &Path) -> Result<Option<PathBuf>> {
    let Ok(name) = path.strip_prefix(CREDENTIALS) else { return Ok(None) };
    // Nothing but a name: what lies elsewhere is held to its mode.
    if name.as_os_str().is_empty() || Some(name.as_os_str()) != path.file_name() {
        return Err(unusable(path, "it is not $CREDENTIALS_DIRECTORY/NAME"));
    }
    match std::env::var_os("CREDENTIALS_DIRECTORY") {
        Some(folder) => Ok(Some(Path::new(&folder).join(name))),
        None => {
            let name = name.display();
            let what = format!(
                "systemd hands nothing over here; run it as the service, whose unit says \
                 LoadCredential={name}:FILE"
            );
            Err(unusable(path, &what))
        }
    }
}

/// Says what is wrong with a file or a variable.
pub fn unusable(path: &Path, what: &str) -> SecretError {
    SecretError { place: path.display().to_string(), what: what.to_string() }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn file(text: &[u8], mode: u32) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text).unwrap();
        fs::set_permissions(file.path(), fs::Permissions::from_mode(mode)).unwrap();
        file
    }

    fn read_file(text: &[u8], mode: u32) -> std::result::Result<String, String> {
        let file = file(text, mode);
        let name = file.path().display().to_string();
        read(&Secret::File(file.path().to_path_buf()))
            .map_err(|err| err.to_string().replace(&name, "FILE"))
    }

    #[test]
    fn a_secret_is_the_first_line_of_its_file() {
        for text in ["pass word", "pass word\n", "pass word\r\n", "pass word\n# since May\n"] {
            assert_eq!(read_file(text.as_bytes(), 0o600).unwrap(), "pass word");
        }
        assert_eq!(read_file(b" blanks count \n", 0o400).unwrap(), " blanks count ");
    }

    #[test]
    fn a_secret_that_others_can_read_is_none() {
        for mode in [0o640, 0o604, 0o660] {
            let said = "FILE: others can get at it; run: chmod 600 FILE";
            assert_eq!(read_file(b"secret", mode).unwrap_err(), said);
        }
    }

    #[test]
    fn what_is_wrong_with_a_secret_is_told() {
        let said = |text: &[u8]| read_file(text, 0o600).unwrap_err();
        assert_eq!(said(b""), "FILE: its first line is empty; write the secret there");
        assert_eq!(said(b"\nsecret"), "FILE: its first line is empty; write the secret there");
        assert_eq!(said(b"\xff\xfe"), "FILE: it is not a text file");
        let absent = Secret::File("/nonexistent/password".into());
        let said = read(&absent).unwrap_err().to_string();
        assert_eq!(said, "/nonexistent/password: there is no such file");
        let outside = Secret::File("$CREDENTIALS_DIRECTORY/../shadow".into());
        let said = read(&outside).unwrap_err().what;
        assert_eq!(said, "it is not $CREDENTIALS_DIRECTORY/NAME");
        let said = read(&Secret::File("/dev/zero".into())).unwrap_err().to_string();
        assert_eq!(said, "/dev/zero: it is not a small text file");
        let said = read(&Secret::Env("HL7DROP_NOT_SET".into())).unwrap_err().to_string();
        assert_eq!(said, "HL7DROP_NOT_SET: this environment variable is not set");
    }

    #[test]
    fn a_variable_holds_a_secret() {
        let path = std::env::var("PATH").unwrap();
        assert_eq!(read(&Secret::Env("PATH".into())).unwrap(), path);
    }
}
