//! Who the server must be: the known_hosts file, in OpenSSH's form.
//!
//! A host may have several keys there. Plain and hashed names are understood,
//! patterns (`*.vendor.example`) and certificate authorities are not. Lines
//! that cannot be read are passed over, as OpenSSH does: they pin nothing.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use ssh2::{CheckResult, KnownHostFileKind, Session};

use crate::delivery::{DeliveryError, Result};

/// The port of which known_hosts lines do not speak.
const SSH_PORT: u16 = 22;

/// What a known_hosts file says about one server.
pub(super) struct KnownHosts {
    path: PathBuf,
    /// The name that a new line would have.
    name: String,
    pins: Vec<Pin>,
}

#[derive(Debug)]
struct Pin {
    /// Key type as on the line, `ssh-ed25519`.
    kind: String,
    /// Base64.
    key: String,
    /// False where the line names the host without the port: such a key is
    /// good, but another one then is unknown and not changed.
    names_port: bool,
    revoked: bool,
}

impl KnownHosts {
    /// Reads the lines about a server. A file that is not there has none.
    ///
    /// # Errors
    /// [`DeliveryError::Credentials`] if the file cannot be read.
    pub(super) fn read(
        path: &Path,
        host: &str,
        port: u16,
        session: &Session,
    ) -> Result<KnownHosts> {
        let text = match fs::read(path) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(err) if err.kind() == ErrorKind::NotFound => String::new(),
            Err(err) => {
                let what = format!("the known hosts cannot be read: {err}");
                return Err(DeliveryError::Credentials { path: path.display().to_string(), what });
            }
        };
        let host = host.to_ascii_lowercase();
        let with_port = format!("[{host}]:{port}");
        let (name, other) = if port == SSH_PORT { (host, with_port) } else { (with_port, host) };
        let mut pins = Vec::new();
        for line in text.lines().map(str::trim) {
            let (revoked, line) = match line.strip_prefix("@revoked") {
                Some(line) => (true, line.trim_start()),
                None => (false, line),
            };
            let mut words = line.split_ascii_whitespace().skip(1);
            let (Some(kind), Some(key)) = (words.next(), words.next()) else { continue };
            let names_port = is_about(session, line, &name);
            if names_port || is_about(session, line, &other) {
                let (kind, key) = (kind.to_string(), key.to_string());
                pins.push(Pin { kind, key, names_port, revoked });
            }
        }
        Ok(KnownHosts { path: path.to_path_buf(), name, pins })
    }

    /// Puts the algorithms of the keys we know in front: a server with several
    /// keys shows the one for the first algorithm that it has too.
    pub(super) fn pinned_first(&self, mut algorithms: Vec<&'static str>) -> Vec<&'static str> {
        let pinned = |algorithm: &str| {
            let kind = kind_of_algorithm(algorithm);
            self.pins.iter().any(|pin| pin.kind == kind && !pin.revoked)
        };
        algorithms.sort_by_key(|algorithm| !pinned(algorithm));
        algorithms
    }

    /// Returns the fingerprint of the key that the server showed, if it is known.
    ///
    /// # Errors
    /// [`DeliveryError::HostKeyUnknown`], [`DeliveryError::HostKeyChanged`].
    pub(super) fn check(&self, server: &str, shown: &[u8]) -> Result<String> {
        let key = base64(shown);
        let fingerprint = fingerprint(shown);
        let same = |pin: &&Pin| pin.key == key;
        let revoked = self.pins.iter().filter(same).any(|pin| pin.revoked);
        if !revoked && self.pins.iter().any(|pin| same(&pin)) {
            return Ok(fingerprint);
        }
        let (server, known_hosts) = (server.to_string(), self.path.display().to_string());
        if revoked || self.pins.iter().any(|pin| pin.names_port && !pin.revoked) {
            return Err(DeliveryError::HostKeyChanged { server, fingerprint, known_hosts });
        }
        let (_, _, line) = self.describe(shown);
        Err(DeliveryError::HostKeyUnknown { server, fingerprint, known_hosts, line })
    }

    /// Returns a key's kind, its fingerprint, and the line that would pin it.
    pub(super) fn describe(&self, shown: &[u8]) -> (String, String, String) {
        let kind = kind_of(shown);
        let line = format!("{} {kind} {}", self.name, base64(shown));
        (kind, fingerprint(shown), line)
    }
}

/// Returns the kind of key that an algorithm is for: an RSA key has several.
pub(super) fn kind_of_algorithm(algorithm: &str) -> &str {
    if algorithm.starts_with("rsa-sha2-") { "ssh-rsa" } else { algorithm }
}

/// True if a known_hosts line is about `name`. libssh2 knows about hashed names;
/// asked about a key that nobody has, it says "mismatch" where the name fits.
fn is_about(session: &Session, line: &str, name: &str) -> bool {
    let Ok(mut hosts) = session.known_hosts() else { return false };
    let read = hosts.read_str(line, KnownHostFileKind::OpenSSH).is_ok();
    read && matches!(hosts.check(name, b"nobody's"), CheckResult::Mismatch)
}

/// Returns the key type that a key begins with (RFC 4253, section 6.6).
fn kind_of(key: &[u8]) -> String {
    let length = key.first_chunk::<4>().map_or(0, |length| u32::from_be_bytes(*length) as usize);
    let name = key.get(4..4 + length.min(64)).unwrap_or_default();
    String::from_utf8_lossy(name).into_owned()
}

/// Returns a key's fingerprint as OpenSSH prints it.
fn fingerprint(key: &[u8]) -> String {
    format!("SHA256:{}", base64(&Sha256::digest(key)).trim_end_matches('='))
}

/// Base64 with padding (RFC 4648, section 4).
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let mut three = [0; 3];
        three[..group.len()].copy_from_slice(group);
        let bits = u32::from_be_bytes([0, three[0], three[1], three[2]]);
        for place in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * place) & 63) as usize];
            text.push(if place > group.len() { '=' } else { char::from(digit) });
        }
    }
    text
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests write their own files")]
mod tests {
    use super::*;

    /// Two keys that `ssh-keygen` made, and the fingerprint it printed for the first.
    const ED25519: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIIIpxywlLjxNjpaX2zYlL6LNVzAoFuozAW8xaUBU3UO+";
    const ECDSA: &str = "AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBEO2ImOyAftcGlfY2Wye\
                         gaPstk1HoMAuZIWAqbpz9j9EjdJSMtQ/qZv1Lb6iasEOHA1JxKoqaHAluRcFXrkkTo0=";
    const FINGERPRINT: &str = "SHA256:Fl/DMXd6ybG7F+IE5am31XRnrBsazZfT7s+yZPbZHXs";
    /// `ssh-keygen -H` over `[sftp.vendor.example]:2222`.
    const HASHED: &str = "|1|0s64goqGgJa+3PmatSosiungUpw=|tL+f4stdwFzmCgkKLwUE2mrj13o=";
    const NAME: &str = "[sftp.vendor.example]:2222";

    fn bytes(base64: &str) -> Vec<u8> {
        let digit = |byte| match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            _ => 63,
        };
        let mut bytes = Vec::new();
        let (mut bits, mut count) = (0_u32, 0);
        for byte in base64.bytes().filter(|byte| *byte != b'=') {
            bits = bits << 6 | u32::from(digit(byte));
            count += 6;
            if count >= 8 {
                count -= 8;
                bytes.push((bits >> count) as u8);
            }
        }
        bytes
    }

    fn known(text: &str, port: u16) -> KnownHosts {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        let session = Session::new().unwrap();
        KnownHosts::read(file.path(), "SFTP.vendor.example", port, &session).unwrap()
    }

    /// What the check of the first key says: ok, unknown or changed.
    fn verdict(text: &str, port: u16) -> &'static str {
        match known(text, port).check("server", &bytes(ED25519)) {
            Ok(fingerprint) => {
                assert_eq!(fingerprint, FINGERPRINT);
                "ok"
            }
            Err(DeliveryError::HostKeyUnknown { .. }) => "unknown",
            Err(DeliveryError::HostKeyChanged { .. }) => "changed",
            Err(_) => "?",
        }
    }

    #[test]
    fn a_key_is_good_that_a_line_names() {
        let good = format!("{NAME} ssh-ed25519 {ED25519}");
        let hashed = format!("{HASHED} ssh-ed25519 {ED25519}");
        let other = format!("{NAME} ecdsa-sha2-nistp256 {ECDSA}");
        for text in [
            good.clone(),
            format!("# vendor\r\n\r\n{good} since May\r\n"),
            hashed.clone(),
            format!("other.example,{good}"),
            format!("this line is odd\n{other}\n{good}"),
            format!("sftp.vendor.example ssh-ed25519 {ED25519}"),
        ] {
            assert_eq!(verdict(&text, 2222), "ok", "{text}");
        }
        assert_eq!(verdict(&hashed, 22), "unknown");
        assert_eq!(verdict(&format!("sftp.vendor.example ssh-ed25519 {ED25519}"), 22), "ok");
    }

    #[test]
    fn another_key_is_changed_only_if_one_was_known_for_that_port() {
        let other = format!("ecdsa-sha2-nistp256 {ECDSA}");
        assert_eq!(verdict(&format!("{NAME} {other}"), 2222), "changed");
        assert_eq!(verdict(&format!("sftp.vendor.example {other}"), 22), "changed");
        assert_eq!(verdict(&format!("sftp.vendor.example {other}"), 2222), "unknown");
        assert_eq!(verdict(&format!("{NAME} {other}"), 2223), "unknown");
        assert_eq!(
            verdict(&format!("@cert-authority {NAME} ssh-ed25519 {ED25519}"), 2222),
            "unknown"
        );
        assert_eq!(verdict("", 2222), "unknown");
    }

    #[test]
    fn a_revoked_key_is_not_good_though_another_line_names_it() {
        let good = format!("{NAME} ssh-ed25519 {ED25519}");
        assert_eq!(verdict(&format!("@revoked {good}\n{good}"), 2222), "changed");
    }

    #[test]
    fn the_line_to_add_is_the_one_that_makes_the_key_known() {
        for (port, name) in [(22, "sftp.vendor.example"), (2222, NAME)] {
            let err = known("", port).check("server", &bytes(ED25519)).unwrap_err();
            let DeliveryError::HostKeyUnknown { line, fingerprint, .. } = err else {
                panic!("{err}")
            };
            assert_eq!(line, format!("{name} ssh-ed25519 {ED25519}"));
            assert_eq!(fingerprint, FINGERPRINT);
            assert_eq!(verdict(&line, port), "ok");
        }
    }

    #[test]
    fn algorithms_of_pinned_keys_come_first() {
        let all = vec!["ssh-ed25519", "ecdsa-sha2-nistp256", "rsa-sha2-512", "rsa-sha2-256"];
        let first = |text: &str| known(text, 2222).pinned_first(all.clone());
        assert_eq!(first(""), all);
        assert_eq!(
            first(&format!("{NAME} ssh-rsa {ED25519}")),
            ["rsa-sha2-512", "rsa-sha2-256", "ssh-ed25519", "ecdsa-sha2-nistp256"]
        );
        assert_eq!(first(&format!("{HASHED} ecdsa-sha2-nistp256 {ECDSA}"))[0], all[1]);
    }

    #[test]
    fn a_file_that_cannot_be_read_is_not_an_empty_one() {
        let session = Session::new().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let read = KnownHosts::read(folder.path(), "host", 22, &session);
        assert!(matches!(read, Err(DeliveryError::Credentials { .. })));
    }

    #[test]
    fn base64_is_that_of_rfc_4648() {
        for (bytes, text) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
        assert_eq!(base64(&[0xfb, 0xff, 0xfe]), "+//+");
    }
}
