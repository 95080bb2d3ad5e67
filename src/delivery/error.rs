//! What a delivery can fail with: a class from birth, and a sentence that says
//! what to do.

use crate::domain::Again;
use crate::secret::SecretError;

/// A delivery operation that did not work. Texts name servers, paths and steps,
/// never a patient.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeliveryError {
    /// No connection came about.
    #[error("cannot reach {server}: {what}; check host, port and firewall")]
    Unreachable {
        /// `host:port`.
        server: String,
        /// What the system says.
        what: String,
    },
    /// The connection broke, or the server stopped answering, in the middle of a step.
    #[error("lost {server} while trying to {step}: {what}")]
    Lost {
        /// `host:port`.
        server: String,
        /// The step, as a verb.
        step: &'static str,
        /// What the library says.
        what: String,
    },
    /// The two ends have no algorithm in common, or the handshake failed otherwise.
    #[error("no SSH session with {server}: {what}")]
    Handshake {
        /// `host:port`.
        server: String,
        /// What is missing, in words.
        what: String,
    },
    /// The server's key is in no known_hosts line.
    #[error(
        "the host key of {server} ({fingerprint}) is not known; compare it with the vendor's, then pin it with `hl7drop endpoint trust`, or add this line to {known_hosts}:\n{line}"
    )]
    HostKeyUnknown {
        /// `host:port`.
        server: String,
        /// `SHA256:...`.
        fingerprint: String,
        /// The file to add the line to.
        known_hosts: String,
        /// The line.
        line: String,
    },
    /// The server shows another key than the one that is known.
    #[error(
        "the host key of {server} is {fingerprint}, not the one in {known_hosts}; ask the vendor whether they changed it before you change that file"
    )]
    HostKeyChanged {
        /// `host:port`.
        server: String,
        /// `SHA256:...`, as shown.
        fingerprint: String,
        /// The file with the known keys.
        known_hosts: String,
    },
    /// The login was refused; never tried again by itself.
    #[error("{server} refused the login of {user}: {what}")]
    LoginRefused {
        /// `host:port`.
        server: String,
        /// The user name.
        user: String,
        /// Which methods were tried and what to look at.
        what: String,
    },
    /// A key, a password or a known_hosts file of ours cannot be used.
    #[error("{path}: {what}")]
    Credentials {
        /// The file or variable.
        path: String,
        /// What is wrong with it and what to do.
        what: String,
    },
    /// The endpoint's folder is not there.
    #[error(
        "there is no folder {path} at {server}; ask the vendor to make it, or correct `folder`"
    )]
    NoFolder {
        /// `host:port` or the folder.
        server: String,
        /// The folder.
        path: String,
    },
    /// The file a step works on is not there.
    #[error("{path} is not there")]
    NotFound {
        /// Full path.
        path: String,
    },
    /// A name that must be free is taken.
    #[error("{path} exists already")]
    Exists {
        /// Full path.
        path: String,
    },
    /// The other end forbids a step.
    #[error("{server} does not allow us to {step} {path}; ask the vendor for that permission")]
    Denied {
        /// `host:port` or the folder.
        server: String,
        /// The step, as a verb.
        step: &'static str,
        /// Full path.
        path: String,
    },
    /// The other end cannot do a step at all.
    #[error("{server} cannot {step}: the server does not support it")]
    Unsupported {
        /// `host:port` or the folder.
        server: String,
        /// The step, as a verb.
        step: &'static str,
    },
    /// The other end failed a step without saying why (SFTP code 4): a full disk,
    /// a taken name, or anything else.
    #[error("{server} failed to {step} {path} without a reason; its disk may be full")]
    Refused {
        /// `host:port` or the folder.
        server: String,
        /// The step, as a verb.
        step: &'static str,
        /// Full path.
        path: String,
    },
    /// The other end has no room.
    #[error("no room at {server} for {path}; ask the vendor to free some")]
    Full {
        /// `host:port` or the folder.
        server: String,
        /// Full path.
        path: String,
    },
    /// The other end says it has another number of bytes than we gave it.
    #[error("S002 {path} has {found} bytes at {server}, not {expected}; its disk may be full")]
    WrongSize {
        /// `host:port` or the folder.
        server: String,
        /// Full path.
        path: String,
        /// Bytes we gave.
        expected: u64,
        /// Bytes it has.
        found: u64,
    },
    /// What is to be fetched is larger than anything that should be there.
    #[error("{path} has more than {limit} bytes, which is no response file; it is left there")]
    TooLarge {
        /// Full path.
        path: String,
        /// Bytes that it may have.
        limit: u64,
    },
    /// What was fetched could not be kept here.
    #[error("cannot keep what was fetched: {0}")]
    Kept(std::io::Error),
    /// What we were to send could not be read here.
    #[error("cannot read what is to be sent: {0}")]
    Source(std::io::Error),
}

impl From<SecretError> for DeliveryError {
    fn from(SecretError { place, what }: SecretError) -> DeliveryError {
        DeliveryError::Credentials { path: place, what }
    }
}

impl DeliveryError {
    /// Returns whether the same step may succeed later with nothing changed.
    pub fn again(&self) -> Again {
        use DeliveryError::*;
        match self {
            Unreachable { .. }
            | Lost { .. }
            | Refused { .. }
            | WrongSize { .. }
            | Source(_)
            | Kept(_) => Again::Later,
            Handshake { .. }
            | HostKeyUnknown { .. }
            | HostKeyChanged { .. }
            | LoginRefused { .. }
            | Credentials { .. }
            | NoFolder { .. }
            | NotFound { .. }
            | Exists { .. }
            | Denied { .. }
            | Unsupported { .. }
            | Full { .. }
            | TooLarge { .. } => Again::Never,
        }
    }

    /// True where the connection is of no more use.
    pub fn is_broken(&self) -> bool {
        use DeliveryError::*;
        matches!(self, Unreachable { .. } | Lost { .. } | Handshake { .. })
    }
}
