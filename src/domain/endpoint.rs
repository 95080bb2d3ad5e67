//! The vendor's end: where files go, how they get there, and what comes back.

use std::path::PathBuf;

use super::contact::Quiet;
use crate::secret::Secret;

/// The vendor's end in one environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// `test` or `production`; of an `[[endpoint]]`, its name.
    pub name: String,
    /// How files get there.
    pub method: Method,
    /// What both methods have in common.
    pub protocol: Protocol,
    /// The parts of the day in which files go there, in the practice's time zone; none: all day.
    pub windows: Vec<Quiet>,
    /// For whom its files are encrypted; none: they go as they are.
    pub encryption: Option<Encryption>,
    /// Whether it acknowledges what it gets; none: it does not.
    pub ack: Option<Ack>,
}

/// OpenPGP encryption of each file before it leaves, by `gpg`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encryption {
    /// The home of `gpg`, with the public keys; nobody else's.
    pub home: PathBuf,
    /// Who can read the file: whole fingerprints of their keys, in upper case.
    pub recipients: Vec<String>,
    /// The name of an encrypted file: `{name}` is that of the batch file.
    pub name: String,
}

/// How an endpoint acknowledges (`interface.md` 8.22): in response files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ack {
    /// Where the files are: the method of the endpoint, with a folder of its own.
    pub method: Method,
    /// Their names.
    pub files: glob::Pattern,
    /// What becomes of a file that was read: its new name, with `{name}` for the old one;
    /// none: it is removed.
    pub renamed: Option<String>,
    /// Seconds after a delivery in which its acknowledgement should come.
    pub within_s: i64,
    /// Seconds between two looks of a daemon, while one is awaited.
    pub poll_s: i64,
}

/// How files get to an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Method {
    /// A local or mounted folder.
    Folder(PathBuf),
    /// SFTP.
    Sftp(Sftp),
}

/// An SFTP server and how to log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sftp {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// User name.
    pub user: String,
    /// How to log in; at least one of the two is given.
    pub login: Login,
    /// OpenSSH known_hosts file with the server's keys.
    pub known_hosts: PathBuf,
    /// Folder as the server writes it, used as it stands.
    pub folder: String,
}

/// Key, password, or both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// Private key file.
    pub key_file: Option<PathBuf>,
    /// Its passphrase.
    pub passphrase: Option<Secret>,
    /// Password.
    pub password: Option<Secret>,
}

/// The parts of the delivery protocol that an endpoint may differ in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protocol {
    /// Whether a file is renamed into place.
    pub upload: Upload,
    /// Temporary name: `{name}` is the final one, `{try}` counts the tries.
    pub temp_name: String,
    /// How much is compared before the rename.
    pub verify: Verify,
    /// True where the vendor takes files away at once, so that a file that is
    /// gone after its rename is no surprise.
    pub pickup_immediate: bool,
    /// Seconds after the start of a rename in which "both names gone" proves it.
    pub infer_window_s: i64,
    /// What to do with such a proof.
    pub on_inferred: OnDoubt,
    /// What to do where nothing can be proved.
    pub on_uncertain: OnDoubt,
    /// How many connections files go over at once; they get their final names in order all
    /// the same.
    pub connections: usize,
}

/// How a file gets its final name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upload {
    /// Written under a temporary name, then renamed.
    Rename,
    /// Written under its final name: for servers that cannot rename.
    Direct,
}

/// How much is compared before the rename.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verify {
    /// The size that the server tells.
    Size,
    /// The SHA-256 of the bytes read back.
    Hash,
}

/// What to do when the server cannot say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnDoubt {
    /// Go on as if delivered.
    Accept,
    /// Wait for a person.
    Hold,
    /// Send the same bytes again.
    Resend,
}
