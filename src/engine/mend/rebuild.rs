//! A new batch file of messages that were delivered: new control IDs and file number, the
//! rest as it was, and FHS-12 and BHS-12 say what it was first (`interface.md` 3.5).
//!
//! The vendor gets what was true then; whoever asks for it knows what they have got since.

use super::earlier::earlier;
use super::{Mended, copies, refused};
use crate::batch::Envelope;
use crate::disk;
use crate::domain::drop_of_rebuilt;
use crate::engine::error::EngineError;
use crate::engine::pass::Engine;
use crate::engine::selfcheck;
use crate::engine::tracking;
use crate::engine::writer::Writer;
use crate::ledger::{BatchRow, DeliveryRow, Ledger, Sign, Stage};

/// Makes a new file of a delivered batch, or of some messages of it.
pub fn rebuild(
    engine: &Engine,
    ledger: &mut dyn Ledger,
    name: &str,
    messages: &[String],
    request: &str,
    sign: &Sign,
) -> Result<Mended, EngineError> {
    let (old, rows) = whole(ledger, name, request)?;
    let path = engine.whole_batch(&old)?;
    let numbers = ledger.numbers()?;
    let clock = engine.clock.civil(&engine.agreement.scope.timezone);
    let envelope = Envelope::new(&engine.agreement.scope, numbers.file, clock);
    let envelope = envelope.again(earlier(&path)?);
    let new = envelope.file_name().to_string();
    let staged = engine.spool.staged.join(&new);
    disk::remove(&staged)?;
    let mut writer = Writer::create(&staged, envelope, numbers.control)?;
    writer.hold_to(&engine.agreement.agreed);
    let missing = copies::copy(engine, ledger, &old, &path, messages, &mut writer)?;
    if missing > 0 {
        drop(writer);
        disk::remove(&staged)?;
        return refused(format!("{missing} of the control IDs are in no message of {name}"));
    }
    let index = writer.take_index();
    let Some(written) = writer.finish(false)?.pop() else {
        return refused(format!("{name} holds no message"));
    };
    selfcheck::around(std::slice::from_ref(&written))?;
    let batch = BatchRow {
        number: numbers.file,
        name: new.clone(),
        digest: written.digest.ok_or(EngineError::NoDigest)?,
        bytes: written.bytes,
        first_control: numbers.control,
        messages: written.messages,
        made_at: engine.clock.unix(),
    };
    let known = |name: &&str| engine.agreement.scope.endpoint(name).is_some();
    let endpoints: Vec<&str> = rows.iter().map(|row| row.endpoint.as_str()).filter(known).collect();
    if endpoints.is_empty() {
        return refused(format!("the settings know no endpoint that {name} went to any more"));
    }
    let drop = Some(drop_of_rebuilt(batch.number));
    tracking::end(&engine.spool, index, drop, Some(batch.number))?;
    ledger.commit_rebuilt(&batch, old.number, &endpoints, request, sign)?;
    disk::shift(&staged, &engine.spool.outbox.join(&new))?;
    Ok(Mended { records: batch.messages, batch: Some(new), ..Mended::default() })
}

/// Returns a batch all of which was delivered, with its deliveries.
fn whole(
    ledger: &dyn Ledger,
    name: &str,
    request: &str,
) -> Result<(BatchRow, Vec<DeliveryRow>), EngineError> {
    let Some(old) = ledger.batch(name)?.filter(|old| !old.is_manifest()) else {
        return refused(format!("there is no batch {name} that has messages"));
    };
    if let Some((made, ..)) = ledger.rebuilt()?.into_iter().find(|(.., asked)| asked == request) {
        return refused(format!("this request was carried out before, as batch {made}"));
    }
    let rows = ledger.deliveries(old.number)?;
    if let Some(row) = rows.iter().find(|row| row.stage != Stage::Delivered) {
        return refused(format!(
            "{name} to {} is {}: only what was delivered is made anew; see `hl7drop delivery`",
            row.endpoint, row.stage
        ));
    }
    Ok((old, rows))
}
