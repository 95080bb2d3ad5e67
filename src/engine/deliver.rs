//! From `outbox` to the vendor's end and `sent`: `delivery.md` section 3 as code.
//!
//! The temporary file is a token that a rename can use up only once. It is whole and
//! its being whole is committed before the first rename, so that after any crash the
//! question "did it happen?" is one that the server can answer: [`decide`].

use std::fs::File;

use super::error::EngineError;
use super::pass::Engine;
use crate::delivery::{self, Delivery, DeliveryError};
use crate::digest::Digest;
use crate::disk::failed;
use crate::domain::{Again, Endpoint, OnDoubt, Verify};
use crate::ledger::{DeliveryRow, Failure, Ledger, Receipt, Stage};

/// What became of one batch.
#[derive(Clone, Debug)]
pub struct Delivered {
    /// The batch file's name.
    pub file: String,
    /// Its messages.
    pub messages: u64,
    /// The evidence, or why it is not there yet.
    pub outcome: Result<Receipt, Failure>,
}

/// What a look at a name said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    Absent,
    /// There, and as far as can be seen ours.
    Ours,
    /// There, with other bytes.
    Other,
    /// The server does not let us look.
    Refused,
}

/// What to do about a batch whose rename may have happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Rename,
    /// Delivered; the evidence.
    Done(&'static str),
    /// Delivered, and our temporary name is to be removed.
    DoneAndRemove,
    Infer,
    /// Our temporary file is there, so nothing was renamed; it is not what it was.
    SendAgain,
    Conflict,
}

/// The decision table of `delivery.md` section 3: a look at the temporary and at the
/// final name.
fn decide(temp: Look, last: Look) -> Next {
    match (temp, last) {
        (_, Look::Other) => Next::Conflict,
        (Look::Ours | Look::Other, Look::Ours) => Next::DoneAndRemove,
        (Look::Refused | Look::Absent, Look::Ours) => Next::Done("seen"),
        (Look::Absent, Look::Absent) => Next::Infer,
        (Look::Other, _) => Next::SendAgain,
        (_, Look::Absent | Look::Refused) => Next::Rename,
    }
}

/// How a try of one batch ended, where nothing broke.
enum End {
    Done(&'static str),
    /// A person must decide, or an operator act; the sentence, and the stage.
    Wait(String, Option<Stage>),
}

/// Why a try of one batch broke off.
enum Broken {
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

/// Delivers what waits, in strict order, until the first that cannot go.
///
/// # Errors
/// What ends a pass; what happens at the other end is told in the outcomes.
pub fn deliver(engine: &Engine, ledger: &mut dyn Ledger) -> Result<Vec<Delivered>, EngineError> {
    let endpoint = &engine.agreement.scope.endpoint;
    let mut connection: Option<Box<dyn Delivery>> = None;
    let mut outcomes = Vec::new();
    for row in ledger.undelivered()? {
        let waits = waits_for_a_person(&row, endpoint);
        let outcome = match waits {
            Some(failure) => Err(failure),
            None => deliver_one(engine, ledger, &row, &mut connection)?,
        };
        let stop = outcome.is_err();
        let (file, messages) = (row.batch.name, row.batch.messages);
        match &outcome {
            Ok(receipt) => {
                log::info!("{file}: delivered to {} ({})", receipt.path, receipt.evidence)
            }
            Err(failure) => log::error!("{file}: {}", failure.what),
        }
        outcomes.push(Delivered { file, messages, outcome });
        if stop {
            // Order matters: an update must not overtake the patient it updates.
            break;
        }
    }
    Ok(outcomes)
}

fn waits_for_a_person(row: &DeliveryRow, endpoint: &Endpoint) -> Option<Failure> {
    let failure = row.failure.clone();
    match row.stage {
        Stage::Uncertain if endpoint.protocol.on_uncertain == OnDoubt::Resend => None,
        Stage::Uncertain => failure,
        _ => failure.filter(|failure| failure.stopped),
    }
}

/// One try of one batch. The inner result is for people: a receipt, or what waits.
fn deliver_one(
    engine: &Engine,
    ledger: &mut dyn Ledger,
    row: &DeliveryRow,
    connection: &mut Option<Box<dyn Delivery>>,
) -> Result<Result<Receipt, Failure>, EngineError> {
    let endpoint = &engine.agreement.scope.endpoint;
    let path = engine.spool.outbox.join(&row.batch.name);
    let bytes = whole(&path, row)?;
    let (number, name) = (row.batch.number, endpoint.name.as_str());
    engine.progress.begin(&row.batch.name, row.batch.bytes);
    let tried = try_one(engine, ledger, row, bytes, connection);
    engine.progress.end();
    let (failure, broken) = match tried {
        Ok((End::Done(evidence), receipt)) => {
            let receipt = Receipt { evidence: evidence.to_string(), ..receipt };
            ledger.delivered(number, name, &receipt)?;
            engine.spool.shelve_sent(&path, &engine.day())?;
            return Ok(Ok(receipt));
        }
        Ok((End::Wait(what, stage), _)) => {
            (Failure { what, stopped: true, stage, at: engine.clock.unix() }, false)
        }
        Err(Broken::Here(err)) => return Err(err),
        Err(Broken::There(err)) => {
            let stopped = err.again() == Again::Never;
            let failure =
                Failure { what: err.to_string(), stopped, stage: None, at: engine.clock.unix() };
            (failure, err.is_broken())
        }
    };
    if broken {
        *connection = None;
    }
    ledger.failed(number, name, &failure)?;
    Ok(Err(failure))
}

/// Opens the batch file and holds it to the digest it was promised with: a flipped
/// byte on our disk must not go out.
fn whole(path: &std::path::Path, row: &DeliveryRow) -> Result<File, EngineError> {
    let open = || File::open(path).map_err(failed("open", path));
    let (digest, bytes) = Digest::of_reader(&mut open()?).map_err(failed("read", path))?;
    if digest != row.batch.digest || bytes != row.batch.bytes {
        return Err(EngineError::Altered { file: row.batch.name.clone() });
    }
    Ok(open()?)
}

fn try_one(
    engine: &Engine,
    ledger: &mut dyn Ledger,
    row: &DeliveryRow,
    bytes: File,
    connection: &mut Option<Box<dyn Delivery>>,
) -> Result<(End, Receipt), Broken> {
    let endpoint = &engine.agreement.scope.endpoint;
    let there = match connection {
        Some(there) => there,
        None => connection.insert(delivery::open(endpoint)?),
    };
    let mut attempt = Attempt { engine, endpoint, ledger, row, there: there.as_mut() };
    let end = match (row.stage, &row.temp, row.rename_at) {
        (Stage::Verified, Some(temp), Some(since)) => attempt.settle(temp, since)?,
        _ => attempt.send(bytes)?,
    };
    let server = attempt.there.server();
    let receipt = Receipt {
        path: attempt.there.path(&row.batch.name),
        bytes: row.batch.bytes,
        evidence: String::new(),
        server: server.address,
        host_key: server.host_key,
        at: engine.clock.unix(),
    };
    Ok((end, receipt))
}

/// One try, with all it needs.
struct Attempt<'a> {
    engine: &'a Engine,
    endpoint: &'a Endpoint,
    ledger: &'a mut dyn Ledger,
    row: &'a DeliveryRow,
    there: &'a mut dyn Delivery,
}

impl Attempt<'_> {
    /// Steps 3 to 9: nothing was renamed yet, by all we know.
    fn send(&mut self, mut bytes: File) -> Result<End, Broken> {
        let batch = &self.row.batch;
        if let Some(temp) = &self.row.temp {
            self.tidy(temp)?;
        }
        match self.look(&batch.name, true)? {
            Look::Absent | Look::Refused => {}
            Look::Ours => return Ok(End::Done("seen")),
            Look::Other => return Ok(self.conflict()),
        }
        let temp = self
            .endpoint
            .protocol
            .temp_name
            .replace("{name}", &batch.name)
            .replace("{try}", &(self.row.tries + 1).to_string());
        self.ledger.sending(batch.number, &self.endpoint.name, &temp)?;
        let mut counted = Counted { file: &mut bytes, engine: self.engine };
        self.there.upload(&temp, &mut counted, batch.bytes)?;
        if self.endpoint.protocol.verify == Verify::Hash
            && self.there.digest(&temp)? != batch.digest
        {
            self.tidy(&temp)?;
            let what = "the bytes read back are not those that were sent; nothing was published";
            return Ok(End::Wait(what.to_string(), None));
        }
        let now = self.engine.clock.unix();
        self.ledger.verified(batch.number, &self.endpoint.name, now)?;
        self.rename(&temp, now)
    }

    /// Step 9 and 10: the rename, and a look at what it made.
    fn rename(&mut self, temp: &str, since: i64) -> Result<End, Broken> {
        let name = &self.row.batch.name;
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

    /// A rename that was refused: what do both names say now? Never renames again.
    fn after_refusal(&mut self, temp: &str, since: i64, gone: bool) -> Result<End, Broken> {
        let (before, last) = (self.look(temp, false)?, self.look(&self.row.batch.name, true)?);
        if before == Look::Refused || last == Look::Refused {
            if gone {
                return Ok(self.infer(since));
            }
            let what = "the server refused the rename and does not let us look";
            return Ok(self.uncertain(what));
        }
        match decide(before, last) {
            Next::Rename => Ok(End::Wait(
                "the server refused to rename the file; ask the vendor for that permission".into(),
                None,
            )),
            next => self.act(next, temp, since),
        }
    }

    /// A batch that was verified, and whose rename may have happened.
    fn settle(&mut self, temp: &str, since: i64) -> Result<End, Broken> {
        let next = decide(self.look(temp, false)?, self.look(&self.row.batch.name, true)?);
        self.act(next, temp, since)
    }

    fn act(&mut self, next: Next, temp: &str, since: i64) -> Result<End, Broken> {
        match next {
            Next::Rename => self.rename(temp, since),
            Next::Done(evidence) => Ok(End::Done(evidence)),
            Next::DoneAndRemove => {
                self.tidy(temp)?;
                Ok(End::Done("seen"))
            }
            Next::Infer => Ok(self.infer(since)),
            Next::SendAgain => {
                let path = self.there.path(temp);
                let what = format!(
                    "{path} changed after it was verified, so it was not published; ask the \
                     vendor what happened at the server, then send it again"
                );
                Ok(End::Wait(what, Some(Stage::Sending)))
            }
            Next::Conflict => Ok(self.conflict()),
        }
    }

    /// Both names are gone: only our own rename can have used the temporary one up,
    /// unless so much time has passed that somebody may have cleaned up there.
    fn infer(&mut self, since: i64) -> End {
        // In this try the only rename was refused, so it was not ours that took it.
        if self.row.stage != Stage::Verified {
            return self.uncertain("the temporary file was gone before it could be renamed");
        }
        let protocol = &self.endpoint.protocol;
        let age = self.engine.clock.unix() - since;
        if !(0..=protocol.infer_window_s).contains(&age) {
            return self.uncertain(
                "the file was taken or removed at the server, longer ago than can be told",
            );
        }
        match protocol.on_inferred {
            OnDoubt::Accept => End::Done("inferred"),
            _ => self.uncertain("the file was renamed and is gone again; on_inferred = \"hold\""),
        }
    }

    fn uncertain(&self, what: &str) -> End {
        let what = format!(
            "delivery uncertain: {what}. Ask the vendor whether they have it; \
             on_uncertain = \"resend\" sends the same bytes again"
        );
        End::Wait(what, Some(Stage::Uncertain))
    }

    fn conflict(&self) -> End {
        let path = self.there.path(&self.row.batch.name);
        let what = format!(
            "conflict: {path} exists with other bytes; it is not overwritten. \
             Ask the vendor where it came from"
        );
        End::Wait(what, Some(Stage::Conflict))
    }

    /// Looks at a name: its size, and if `read`, its bytes where we may. Reading back
    /// costs a second transfer, so it is done where a crash left a doubt, not after
    /// each rename.
    fn look(&mut self, name: &str, read: bool) -> Result<Look, Broken> {
        let batch = &self.row.batch;
        match self.there.size(name) {
            Ok(None) => Ok(Look::Absent),
            Ok(Some(bytes)) if bytes != batch.bytes => Ok(Look::Other),
            Ok(Some(_)) if !read => Ok(Look::Ours),
            Ok(Some(_)) => match self.there.digest(name) {
                Ok(digest) if digest == batch.digest => Ok(Look::Ours),
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

    /// Removes a temporary name of ours; that it stays is no reason not to go on.
    fn tidy(&mut self, temp: &str) -> Result<(), Broken> {
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
struct Counted<'a> {
    file: &'a mut File,
    engine: &'a Engine,
}

impl std::io::Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.engine.progress.advance(count as u64);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_decision_table_is_the_specification_s() {
        use Look::*;
        for (temp, last, next) in [
            (Ours, Absent, Next::Rename),
            (Absent, Ours, Next::Done("seen")),
            (Absent, Absent, Next::Infer),
            (Ours, Ours, Next::DoneAndRemove),
            (Ours, Other, Next::Conflict),
            (Absent, Other, Next::Conflict),
            (Other, Absent, Next::SendAgain),
            (Other, Refused, Next::SendAgain),
            (Other, Ours, Next::DoneAndRemove),
            (Refused, Refused, Next::Rename),
            (Refused, Absent, Next::Rename),
            (Ours, Refused, Next::Rename),
            (Refused, Ours, Next::Done("seen")),
            (Refused, Other, Next::Conflict),
        ] {
            assert_eq!(decide(temp, last), next, "{temp:?} {last:?}");
        }
    }
}
