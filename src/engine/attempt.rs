//! One try of one batch: the steps of `delivery.md` section 3, with their commits.
//!
//! What is done where a rename may have happened is in `doubt.rs`.

use std::fs::File;

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

/// Tries one batch over `connection`, which is opened if there is none yet. The
/// receipt says what it is evidence of once the end is known.
pub fn attempt(
    engine: &Engine,
    endpoint: &Endpoint,
    ledger: &mut dyn Ledger,
    row: &DeliveryRow,
    bytes: File,
    connection: &mut Option<Box<dyn Delivery>>,
) -> Result<(End, Receipt), Broken> {
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
    // Nobody acknowledges a list.
    let ack = endpoint.ack.as_ref().filter(|_| !row.batch.is_manifest());
    if let (None, Some(ack)) = (&row.wait, ack) {
        // Before it can be delivered: from then on its messages await their answer.
        ledger.await_answer(row.batch.number, &endpoint.name, ack.within_s)?;
    }
    let verify = match known {
        // What it would publish is not what it was given.
        Some(known) if known.place == place && known.alters() => Verify::Hash,
        _ => endpoint.protocol.verify,
    };
    let mut attempt = Attempt { engine, endpoint, ledger, row, place, verify, there, seen: false };
    let end = match (row.stage, &row.temp, row.rename_at) {
        (Stage::Verified | Stage::Uncertain, Some(temp), Some(since)) => {
            attempt.settle(&temp.name, since)?
        }
        (Stage::Uncertain, None, _) => attempt.only_look()?,
        _ if endpoint.protocol.upload == Upload::Direct => attempt.send_directly(bytes)?,
        _ => attempt.send(bytes)?,
    };
    let server = attempt.there.server();
    let receipt = Receipt {
        path: attempt.there.path(row.name()),
        bytes: row.bytes(),
        evidence: String::new(),
        server: server.address,
        host_key: server.host_key,
        at: engine.clock.unix(),
    };
    Ok((end, receipt))
}

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
}

impl Attempt<'_> {
    /// Steps 3 to 9: nothing was renamed yet, by all we know.
    fn send(&mut self, mut bytes: File) -> Result<End, Broken> {
        let row = self.row;
        self.tidy_last()?;
        match self.look(row.name(), true)? {
            Look::Absent | Look::Refused => {}
            Look::Ours => return Ok(End::Done("seen")),
            Look::Other => return Ok(self.conflict()),
        }
        let pattern = &self.endpoint.protocol.temp_name;
        let name =
            pattern.replace("{name}", row.name()).replace("{try}", &(row.tries + 1).to_string());
        let temp = Temp { name, place: self.place.clone() };
        self.ledger.sending(row.batch.number, &self.endpoint.name, &temp)?;
        let mut counted = Counted { file: &mut bytes, engine: self.engine };
        self.there.upload(&temp.name, &mut counted, row.bytes())?;
        if self.verify == Verify::Hash && self.there.digest(&temp.name)? != row.digest() {
            self.tidy(&temp.name)?;
            let what = "the bytes read back are not those that were sent; nothing was published";
            return Ok(End::Wait(what.to_string(), None));
        }
        self.seen = true;
        let now = self.verified()?;
        self.rename(&temp.name, now)
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
        match self.there.rename(temp, name) {
            Ok(()) => match self.look(name, false)? {
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

    /// Looks at a name: its size, and if `read`, its bytes where we may. Reading back
    /// costs a second transfer, so it is done where a crash left a doubt, not after
    /// each rename.
    pub fn look(&mut self, name: &str, read: bool) -> Result<Look, Broken> {
        let row = self.row;
        match self.there.size(name) {
            Ok(None) => Ok(Look::Absent),
            Ok(Some(bytes)) if bytes != row.bytes() => Ok(Look::Other),
            Ok(Some(_)) if !read => Ok(Look::Ours),
            Ok(Some(_)) => match self.there.digest(name) {
                Ok(digest) if digest == row.digest() => Ok(Look::Ours),
                Ok(_) => Ok(Look::Other),
                Err(err) if err.is_broken() => Err(err.into()),
                // Taken away between the two looks.
                Err(DeliveryError::NotFound { .. }) => Ok(Look::Absent),
                // Reading is not allowed: the size is what there is to go by.
                Err(_) => Ok(Look::Ours),
            },
            Err(DeliveryError::Denied { .. } | DeliveryError::Unsupported { .. }) => {
                Ok(Look::Refused)
            }
            Err(err) => Err(err.into()),
        }
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

/// Tells the progress as bytes are read to be sent.
pub struct Counted<'a> {
    pub file: &'a mut File,
    pub engine: &'a Engine,
}

impl std::io::Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.engine.progress.advance(count as u64);
        Ok(count)
    }
}
