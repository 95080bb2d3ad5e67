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

use std::io::Read;

use crate::digest::Digest;
use crate::domain::{Endpoint, Method};

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

    /// Reads a file back and returns its digest.
    fn digest(&mut self, name: &str) -> Result<Digest>;

    /// Renames a file; the new name must be free ([`DeliveryError::Exists`], or
    /// [`DeliveryError::Refused`] where the other end gives no reason).
    fn rename(&mut self, from: &str, to: &str) -> Result<()>;

    /// Removes a file if it is there.
    fn remove(&mut self, name: &str) -> Result<()>;
}

/// Opens the vendor's end: connects, checks the host key, logs in, looks for the folder.
///
/// # Errors
/// [`DeliveryError`]; [`DeliveryError::again`] says whether to try again later.
pub fn open(endpoint: &Endpoint) -> Result<Box<dyn Delivery>> {
    Ok(match &endpoint.method {
        Method::Folder(path) => Box::new(Folder::open(path)?),
        Method::Sftp(sftp) => Box::new(Sftp::open(sftp, Limits::default())?),
    })
}
