//! Showing a server's host keys to a person, and pinning the one they compared.
//!
//! A server may have a key of each kind, and a vendor tells the fingerprint of one of
//! them: each kind that both ends know is asked for, on a connection of its own that
//! ends before any login.

use std::path::Path;

use super::line::{self, Line};
use super::{Limits, offer};
use crate::delivery::{DeliveryError, Result};
use crate::disk;
use crate::domain;

/// A host key that a server shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownKey {
    /// As in known_hosts: `ssh-ed25519`.
    pub kind: String,
    /// `SHA256:...`
    pub fingerprint: String,
    /// The line that pins it.
    pub line: String,
    /// What known_hosts says of it.
    pub standing: Standing,
}

/// What a known_hosts file says of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is pinned.
    Pinned,
    /// No key of this server is.
    Unknown,
    /// Another key of this server is, or this one is revoked.
    Other,
}

/// Asks a server for its host keys.
///
/// # Errors
/// Unreachable, lost, or no kind in common.
pub fn shown_keys(to: &domain::Sftp, limits: Limits) -> Result<Vec<ShownKey>> {
    let mut keys = vec![shown(to, limits, None)?];
    for kind in offered(to, limits) {
        if keys.iter().all(|key| key.kind != kind)
            && let Ok(key) = shown(to, limits, Some(&kind))
        {
            keys.push(key);
        }
    }
    Ok(keys)
}

/// Pins a key, beside those that are.
///
/// # Errors
/// [`DeliveryError::Credentials`] where the file cannot be written.
pub fn pin(known_hosts: &Path, key: &ShownKey) -> Result<()> {
    let path = known_hosts.canonicalize().unwrap_or_else(|_| known_hosts.to_path_buf());
    let failed = |what: String| {
        let path = path.display().to_string();
        DeliveryError::Credentials { path, what: format!("the key cannot be pinned: {what}") }
    };
    let mut bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(err) if err.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(err) => return Err(failed(err.to_string())),
    };
    if bytes.last().is_some_and(|last| *last != b'\n') {
        bytes.push(b'\n');
    }
    bytes.extend_from_slice(key.line.as_bytes());
    bytes.push(b'\n');
    let mut new = path.clone().into_os_string();
    new.push(".new");
    let new = Path::new(&new);
    let written = disk::write(new, &bytes).and_then(|()| disk::shift(new, &path));
    written.map_err(|err| failed(err.to_string()))
}

fn shown(to: &domain::Sftp, limits: Limits, only: Option<&str>) -> Result<ShownKey> {
    let (line, known_hosts) = Line::greet(to, limits, only)?;
    let key = line.host_key();
    let standing = match known_hosts.check(&line.server, &key) {
        Ok(_) => Standing::Pinned,
        Err(DeliveryError::HostKeyUnknown { .. }) => Standing::Unknown,
        Err(_) => Standing::Other,
    };
    let (kind, fingerprint, line) = known_hosts.describe(&key);
    Ok(ShownKey { kind, fingerprint, line, standing })
}

/// The kinds of keys that the server says it has, as known_hosts names them.
fn offered(to: &domain::Sftp, limits: Limits) -> Vec<String> {
    let addresses = line::addresses(&to.host, to.port, limits.connect).unwrap_or_default();
    let lists = addresses.iter().find_map(|address| offer::ask(address, limits.connect));
    // The lists come in the order of `offer::KINDS`.
    let keys = lists.and_then(|mut lists| (lists.len() > 1).then(|| lists.swap_remove(1)));
    let mut kinds: Vec<String> = Vec::new();
    for name in keys.unwrap_or_default() {
        let kind = if name.starts_with("rsa-sha2-") { "ssh-rsa".to_string() } else { name };
        if offer::is_ours(&kind) && !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    kinds
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests write their own files")]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_pin_stands_on_a_line_of_its_own_behind_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("known_hosts");
        let key = |line: &str| ShownKey {
            kind: "ssh-ed25519".into(),
            fingerprint: "SHA256:x".into(),
            line: line.into(),
            standing: Standing::Unknown,
        };
        pin(&path, &key("one ssh-ed25519 AAAA")).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "one ssh-ed25519 AAAA\n");
        fs::write(&path, "# ours\nold ssh-rsa BBBB").unwrap();
        pin(&path, &key("two ssh-ed25519 AAAA")).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text, "# ours\nold ssh-rsa BBBB\ntwo ssh-ed25519 AAAA\n");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
        let nowhere = folder.path().join("absent/known_hosts");
        assert!(matches!(pin(&nowhere, &key("x")), Err(DeliveryError::Credentials { .. })));
        let err = pin(folder.path(), &key("x")).unwrap_err();
        assert!(err.to_string().contains("the key cannot be pinned"), "a folder: {err}");
    }
}
