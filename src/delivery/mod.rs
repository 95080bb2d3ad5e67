//! Ways to get a batch file to the vendor's end.
//!
//! A [`Delivery`] is a handful of verbs on names; it knows no batch and no
//! ledger. The order of the verbs, the commits between them and what to do
//! after a crash are `engine/deliver.rs`. To add one: write a file beside
//! `folder`, give it an arm in [`open`], and call [`conform::conform`] from its
//! test (`examples/own_delivery.rs` does so from outside this crate).

mod announced;
pub mod conform;
mod error;
mod folder;
mod sftp;

pub use error::DeliveryError;
pub use folder::Folder;
pub use sftp::{Limits, Sftp, ShownKey, Standing, pin, shown_keys};

use std::io::{Read, Write};

use crate::digest::Digest;
use crate::domain::Method;

/// The result of a delivery operation.
pub type Result<T> = std::result::Result<T, DeliveryError>;

/// Who is at the other end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// `host:port`, or the folder.
    pub address: String,
    /// What tells the place apart from every other that settings can name: the method,
    /// where it is, who logs in, the folder. What is not there is missed only there.
    pub place: String,
    /// `SHA256:...` of the host key; empty for a folder.
    pub host_key: String,
}

/// A place the vendor picks files up from, open and ready.
///
/// Names are plain file names in the endpoint's folder. After an error that says
/// [`DeliveryError::is_broken`] the value is dropped and opened again, never reused.
pub trait Delivery {
    /// Returns who is at the other end.
    fn server(&self) -> Server;

    /// Returns the full path of a name, as the other end knows it.
    fn path(&self, name: &str) -> String;

    /// Returns the size of a file, or `None` if there is none of that name.
    fn size(&mut self, name: &str) -> Result<Option<u64>>;

    /// Writes `bytes` bytes under a name that must be free (steps 4 to 7 of
    /// `delivery.md` section 3): exclusive create, large writes, sync where the
    /// other end can, size compared on the open handle, close checked.
    fn upload(&mut self, name: &str, from: &mut dyn Read, bytes: u64) -> Result<()>;

    /// As [`Delivery::upload`], and then looks at another name: the inner result is what
    /// [`Delivery::size`] says of it, asked after the last byte was sent. To be overridden
    /// where a request costs a round trip.
    fn upload_and_look(
        &mut self,
        name: &str,
        from: &mut dyn Read,
        bytes: u64,
        other: &str,
    ) -> Result<Result<Option<u64>>> {
        self.upload(name, from, bytes)?;
        Ok(self.size(other))
    }

    /// Reads a file back and returns its digest.
    fn digest(&mut self, name: &str) -> Result<Digest>;

    /// Renames a file; the new name must be free ([`DeliveryError::Exists`], or
    /// [`DeliveryError::Refused`] where the other end gives no reason).
    fn rename(&mut self, from: &str, to: &str) -> Result<()>;

    /// Renames a file to a name that the caller has just seen to be free, and looks at it
    /// there: the inner result is what [`Delivery::size`] says of the new name, asked after
    /// the rename was. `meanwhile` is done once, while the other end is at it where the way
    /// allows that. To be overridden where a request costs a round trip.
    fn publish(
        &mut self,
        from: &str,
        to: &str,
        meanwhile: &mut dyn FnMut(),
    ) -> Result<Result<Option<u64>>> {
        let renamed = self.rename(from, to);
        meanwhile();
        renamed?;
        Ok(self.size(to))
    }

    /// Removes a file if it is there.
    fn remove(&mut self, name: &str) -> Result<()>;

    /// Lists the plain files of the folder, in any order. Only what the vendor writes for
    /// us is listed; to look for one name, [`Delivery::size`] costs less and is allowed more
    /// often.
    fn list(&mut self) -> Result<Vec<Listed>>;

    /// Reads a file of at most `limit` bytes, and returns how many it had
    /// ([`DeliveryError::TooLarge`] where there are more).
    fn fetch(&mut self, name: &str, to: &mut dyn Write, limit: u64) -> Result<u64>;
}

/// A file in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// Its size, where the other end tells.
    pub bytes: Option<u64>,
    /// When it was changed last, unix seconds, where the other end tells.
    pub modified: Option<i64>,
}

/// Copies what is read, up to a limit; the errors of both ends stay apart.
fn copied(
    from: &mut dyn Read,
    to: &mut dyn Write,
    path: &str,
    limit: u64,
    failed: &dyn Fn(&std::io::Error) -> DeliveryError,
) -> Result<u64> {
    let (mut block, mut bytes) = (vec![0; 256 << 10], 0);
    loop {
        let count = match from.read(&mut block) {
            Ok(0) => return Ok(bytes),
            Ok(count) => count,
            Err(err) if err.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(err) => return Err(failed(&err)),
        };
        bytes += count as u64;
        if bytes > limit {
            return Err(DeliveryError::TooLarge { path: path.to_string(), limit });
        }
        to.write_all(&block[..count]).map_err(DeliveryError::Kept)?;
    }
}

/// Opens the vendor's end: connects, checks the host key, logs in, looks for the folder.
///
/// # Errors
/// [`DeliveryError`]; [`DeliveryError::again`] says whether to try again later.
pub fn open(method: &Method) -> Result<Box<dyn Delivery>> {
    Ok(match method {
        Method::Folder(path) => Box::new(Folder::open(path)?),
        Method::Sftp(sftp) => Box::new(Sftp::open(sftp, Limits::default())?),
    })
}

#[cfg(test)]
mod tests {
    use std::io::{self, ErrorKind};

    use super::*;
    use crate::testing::Pieces;

    fn fetched(pieces: Vec<io::Result<&'static [u8]>>, limit: u64) -> Result<Vec<u8>> {
        let mut to = Vec::new();
        let lost = |err: &io::Error| DeliveryError::Lost {
            server: "there".into(),
            step: "read",
            what: err.to_string(),
        };
        let bytes = copied(&mut Pieces(pieces), &mut to, "answers/1", limit, &lost)?;
        assert_eq!(bytes, to.len() as u64);
        Ok(to)
    }

    #[test]
    fn what_is_fetched_is_whole_up_to_its_limit_or_an_error() {
        let interrupted = || Err(ErrorKind::Interrupted.into());
        let pieces = || vec![Ok(&b"abc"[..]), interrupted(), Ok(&b"de"[..])];
        assert_eq!(fetched(pieces(), 5).unwrap(), b"abcde", "an interrupted read is read again");
        assert!(matches!(fetched(pieces(), 4), Err(DeliveryError::TooLarge { limit: 4, .. })));
        let broken = vec![Ok(&b"abc"[..]), Err(io::Error::other("the cable"))];
        let err = fetched(broken, 5).unwrap_err();
        assert_eq!(err.to_string(), "lost there while trying to read: the cable");
    }

    #[test]
    fn what_cannot_be_kept_here_is_not_the_other_ends_fault() {
        let mut from = &b"abc"[..];
        let failed = |_: &io::Error| unreachable!("it can be read");
        let mut full: &mut [u8] = &mut [0; 2];
        let err = copied(&mut from, &mut full, "answers/1", 5, &failed).unwrap_err();
        assert!(matches!(err, DeliveryError::Kept(_)), "{err}");
    }
}
