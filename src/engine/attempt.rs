//! One try of one batch: the steps of `delivery.md` section 3, with their commits.
//!
//! What is done where a rename may have happened is in `doubt.rs`; what is sent before its
//! turn has come in `window.rs`.

use std::fs::File;
use std::sync::atomic::{AtomicBool, Ordering};

use super::behaviour;
use super::doubt::Look;
use super::error::EngineError;
use super::pass::Engine;
use crate::delivery::{Delivery, DeliveryError};
use crate::domain::{Endpoint, Upload, Verify};
use crate::ledger::{DeliveryRow, Ledger, Receipt, Stage, Temp};

/// How a try of one batch ended, where nothing broke.
pub enum End {
    /// Delivered; the evidence.
    Done(&'static str),
    /// A person must decide, or an operator act; the sentence, and the stage.
    Wait(String, Option<Stage>),
}

/// How a try of one batch ended, with the receipt of one that is delivered.
pub enum Ended {
    /// Delivered.
    Done(Receipt),
    /// As [`End::Wait`].
    Wait(String, Option<Stage>),
}

/// How far the bytes of a batch are when its turn comes.
pub enum Bytes {
    /// They are here, held to their digest.
    Here(File),
    /// They are at the other end, whole and verified, under the temporary name of the row;
    /// and its final name was free then.
    There,
}

/// What is done while the other end renames, with the place of this try and what it compares:
/// nothing in it may be about this batch. Nor may what goes wrong in it end this try: the answer
/// to the rename would be lost, and a file that is delivered in doubt.
pub type Meanwhile<'a> = dyn FnMut(&mut dyn Ledger, &str, Verify) + 'a;

/// Why a try of one batch broke off.
pub enum Broken {
    /// The other end.
    There(DeliveryError),
    /// This end: the pass is over.
    Here(EngineError),
}

impl From<DeliveryError> for Broken {
    fn from(err: DeliveryError) -> Broken {
        Broken::There(err)
    }
}

impl<E: Into<EngineError>> From<E> for Broken
where
    E: std::error::Error,
    EngineError: From<E>,
{
    fn from(err: E) -> Broken {
        Broken::Here(err.into())
    }
}

/// Tries one batch over `connection`, which is opened if there is none yet.
pub fn attempt(
    engine: &Engine,
    endpoint: &Endpoint,
    ledger: &mut dyn Ledger,
    row: &DeliveryRow,
    bytes: Bytes,
    connection: &mut Option<Box<dyn Delivery>>,
    meanwhile: &mut Meanwhile<'_>,
) -> Result<Ended, Broken> {
    let known = behaviour::known(engine, &endpoint.name);
    let there = match connection {
        Some(there) => there,
        None => {
            let there = (engine.open_delivery)(endpoint, &endpoint.method)?;
            if let Some(known) = &known {
                behaviour::notice(engine, &endpoint.name, known, &there.server());
            }
            connection.insert(there)
        }
    };
    let place = there.server().place;
    let there = there.as_mut();
    await_answer(endpoint, ledger, row)?;
    let known = known.filter(|known| known.place == place);
    let verify = match &known {
        // What it would publish is not what it was given.
        Some(known) if known.alters() => Verify::Hash,
        _ => endpoint.protocol.verify,
    };
    // Of a server that nobody probed it is not known.
    let overwrites = known.is_none_or(|known| known.overwrites());
    let seen = false;
    let mut attempt =
        Attempt { engine, endpoint, ledger, row, place, verify, there, seen, meanwhile };
    let end = match (row.stage, &row.temp, row.rename_at, bytes) {
        // A lane looked whether the name was free; that was a little while ago.
        (Stage::Sending, Some(temp), _, Bytes::There) if overwrites => {
            let found = attempt.there.size(row.name());
            attempt.publish_if_free(&temp.name, found)?
        }
        (Stage::Sending, Some(temp), _, Bytes::There) => attempt.whole_there(&temp.name)?,
        (Stage::Verified | Stage::Uncertain, Some(temp), Some(since), _) => {
            attempt.settle(&temp.name, since)?
        }
        (Stage::Uncertain, None, ..) => attempt.only_look()?,
        (.., Bytes::There) => return Err(EngineError::Worker.into()),
        (.., Bytes::Here(file)) if endpoint.protocol.upload == Upload::Direct => {
            attempt.send_directly(file)?
        }
        (.., Bytes::Here(file)) => attempt.send(file)?,
    };
    let evidence = match end {
        End::Done(evidence) => evidence.to_string(),
        End::Wait(what, stage) => return Ok(Ended::Wait(what, stage)),
    };
    let server = attempt.there.server();
    Ok(Ended::Done(Receipt {
        path: attempt.there.path(row.name()),
        bytes: row.bytes(),
        evidence,
        server: server.address,
        host_key: server.host_key,
        at: engine.clock.unix(),
    }))
}

/// Before a batch can be delivered: from then on its messages await their answer.
///
/// # Errors
/// The ledger's.
pub fn await_answer(
    endpoint: &Endpoint,
    ledger: &mut dyn Ledger,
    row: &DeliveryRow,
) -> Result<(), EngineError> {
    // Nobody acknowledges a list.
    let ack = endpoint.ack.as_ref().filter(|_| !row.batch.is_manifest());
    if let (None, Some(ack)) = (&row.wait, ack) {
        ledger.await_answer(row.batch.number, &endpoint.name, ack.within_s)?;
    }
    Ok(())
}

/// Returns the temporary name of the next try of a batch.
pub fn temp_name(endpoint: &Endpoint, row: &DeliveryRow) -> String {
    let pattern = &endpoint.protocol.temp_name;
    pattern.replace("{name}", row.name()).replace("{try}", &(row.tries + 1).to_string())
}

/// True of a batch that nothing was ever sent of: at the other end nothing can be of it.
pub fn is_untouched(row: &DeliveryRow) -> bool {
    row.stage == Stage::Waiting && row.temp.is_none() && row.tries == 0 && row.resent == 0
}

pub const ALTERED: &str = "the bytes read back are not those that were sent; nothing was published";

/// One try, with all it needs.
pub struct Attempt<'a> {
    pub engine: &'a Engine,
    pub endpoint: &'a Endpoint,
    pub ledger: &'a mut dyn Ledger,
    /// As it was before the try.
    pub row: &'a DeliveryRow,
    /// Where this try looks ([`crate::delivery::Server::place`]).
    pub place: String,
    /// What is compared before the rename.
    pub verify: Verify,
    pub there: &'a mut dyn Delivery,
    /// Whether this try saw its temporary file whole.
    pub seen: bool,
    pub meanwhile: &'a mut Meanwhile<'a>,
}

impl Attempt<'_> {
    /// Steps 3 to 9: nothing was renamed yet, by all we know.
    fn send(&mut self, mut bytes: File) -> Result<End, Broken> {
        let row = self.row;
        if !is_untouched(row) {
            self.tidy_last()?;
            let found = self.there.size(row.name());
            if let Some(end) = self.taken(found)? {
                return Ok(end);
            }
        }
        let temp = Temp { name: temp_name(self.endpoint, row), place: self.place.clone() };
        self.ledger.sending(row.batch.number, &self.endpoint.name, &temp)?;
        let stop = AtomicBool::new(false);
        let mut counted = Counted { file: &mut bytes, engine: self.engine, stop: &stop };
        let there = &mut self.there;
        let found = there.upload_and_look(&temp.name, &mut counted, row.bytes(), row.name())?;
        if self.verify == Verify::Hash && self.there.digest(&temp.name)? != row.digest() {
            self.tidy(&temp.name)?;
            return Ok(End::Wait(ALTERED.to_string(), None));
        }
        self.publish_if_free(&temp.name, found)
    }

    /// Some servers overwrite in a rename, so the name is looked at as late as can be.
    fn publish_if_free(
        &mut self,
        temp: &str,
        found: Result<Option<u64>, DeliveryError>,
    ) -> Result<End, Broken> {
        if let Some(end) = self.taken(found)? {
            self.tidy(temp)?;
            return Ok(end);
        }
        self.whole_there(temp)
    }

    /// Steps 8 to 10, of a temporary file that is whole and a name that is free.
    fn whole_there(&mut self, temp: &str) -> Result<End, Broken> {
        self.seen = true;
        let now = self.verified()?;
        self.rename(temp, now)
    }

    /// Step 3: returns the end of a try whose final name is there.
    fn taken(&mut self, found: Result<Option<u64>, DeliveryError>) -> Result<Option<End>, Broken> {
        Ok(match read(self.there, self.row, self.row.name(), found)? {
            Look::Absent | Look::Refused => None,
            Look::Ours => Some(End::Done("seen")),
            Look::Other => Some(self.conflict()),
        })
    }

    /// Step 8: the temporary file is whole and its rename begins now.
    pub fn verified(&mut self) -> Result<i64, Broken> {
        let now = self.engine.clock.unix();
        self.ledger.verified(self.row.batch.number, &self.endpoint.name, now)?;
        Ok(now)
    }

    /// Step 9 and 10: the rename, and a look at what it made.
    pub fn rename(&mut self, temp: &str, since: i64) -> Result<End, Broken> {
        let name = self.row.name();
        let mut meanwhile = || (self.meanwhile)(self.ledger, &self.place, self.verify);
        match self.there.publish(temp, name, &mut meanwhile) {
            Ok(found) => match self.published(found)? {
                Look::Ours | Look::Refused => Ok(End::Done("renamed")),
                Look::Absent if self.endpoint.protocol.pickup_immediate => Ok(End::Done("renamed")),
                Look::Absent => Ok(self.uncertain(
                    "the server renamed the file, and it is not there; if the vendor takes \
                     files away at once, set pickup = \"immediate\"",
                )),
                Look::Other => Ok(self.conflict()),
            },
            Err(DeliveryError::NotFound { .. }) => self.after_refusal(temp, since, true),
            Err(DeliveryError::Exists { .. } | DeliveryError::Refused { .. }) => {
                self.after_refusal(temp, since, false)
            }
            Err(err) => Err(err.into()),
        }
    }

    /// What the look that went along with a rename says.
    fn published(&mut self, found: Result<Option<u64>, DeliveryError>) -> Result<Look, Broken> {
        match sized(found, self.row)? {
            // A server that answers out of order looked before it renamed.
            Look::Absent if !self.endpoint.protocol.pickup_immediate => {
                self.look(self.row.name(), false)
            }
            look => Ok(look),
        }
    }

    /// As [`look`], at a name of this batch.
    pub fn look(&mut self, name: &str, read: bool) -> Result<Look, Broken> {
        Ok(look(self.there, self.row, name, read)?)
    }

    /// Removes what an earlier try left.
    fn tidy_last(&mut self) -> Result<(), Broken> {
        match &self.row.temp {
            Some(temp) if temp.place == self.place => self.tidy(&temp.name),
            // It is out of our reach, and under no name that anybody takes files by.
            Some(temp) => {
                log::warn!("{} may still lie at {}; it can be removed", temp.name, temp.place);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Removes a temporary name of ours; that it stays is no reason not to go on.
    pub fn tidy(&mut self, temp: &str) -> Result<(), Broken> {
        match self.there.remove(temp) {
            Err(err) if err.is_broken() => Err(err.into()),
            Err(err) => {
                log::warn!("{err}");
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }
}

/// Looks at a name: its size, and if `read`, its bytes where we may. Reading back costs a
/// second transfer, so it is done where a crash left a doubt, not after each rename.
///
/// # Errors
/// What is no answer.
pub fn look(
    there: &mut dyn Delivery,
    row: &DeliveryRow,
    name: &str,
    read: bool,
) -> Result<Look, DeliveryError> {
    let found = there.size(name);
    if read { self::read(there, row, name, found) } else { sized(found, row) }
}

/// As [`look`], where the size was asked for already: reads what has the size of ours.
///
/// # Errors
/// What is no answer.
pub fn read(
    there: &mut dyn Delivery,
    row: &DeliveryRow,
    name: &str,
    found: Result<Option<u64>, DeliveryError>,
) -> Result<Look, DeliveryError> {
    match sized(found, row)? {
        Look::Ours => {}
        look => return Ok(look),
    }
    match there.digest(name) {
        Ok(digest) if digest == row.digest() => Ok(Look::Ours),
        Ok(_) => Ok(Look::Other),
        Err(err) if err.is_broken() => Err(err),
        // Taken away between the two looks.
        Err(DeliveryError::NotFound { .. }) => Ok(Look::Absent),
        // Reading is not allowed: the size is what there is to go by.
        Err(_) => Ok(Look::Ours),
    }
}

fn sized(
    found: Result<Option<u64>, DeliveryError>,
    row: &DeliveryRow,
) -> Result<Look, DeliveryError> {
    match found {
        Ok(None) => Ok(Look::Absent),
        Ok(Some(bytes)) if bytes != row.bytes() => Ok(Look::Other),
        Ok(Some(_)) => Ok(Look::Ours),
        Err(DeliveryError::Denied { .. } | DeliveryError::Unsupported { .. }) => Ok(Look::Refused),
        Err(err) => Err(err),
    }
}

/// Tells the progress as bytes are read to be sent.
pub struct Counted<'a> {
    pub file: &'a mut File,
    pub engine: &'a Engine,
    /// Set once nobody wants them any more.
    pub stop: &'a AtomicBool,
}

impl std::io::Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(std::io::Error::other("it was given up"));
        }
        let count = self.file.read(buffer)?;
        self.engine.progress.advance(count as u64);
        Ok(count)
    }
}
