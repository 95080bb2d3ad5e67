//! A batch that is given up before anything of it was sent. What its messages told was
//! not told then: the register forgets it, or the next extract would count it as known.

use std::collections::BTreeMap;

use super::segments::{Segments, field, first};
use super::{Mended, refused};
use crate::disk;
use crate::domain::{Fingerprint, Kind, Known, Status};
use crate::engine::error::EngineError;
use crate::engine::pass::Engine;
use crate::ledger::{Entry, Ledger, Sign, Stage};

/// Gives a batch up.
pub fn delete(
    engine: &Engine,
    ledger: &mut dyn Ledger,
    name: &str,
    sign: &Sign,
) -> Result<Mended, EngineError> {
    let Some(batch) = ledger.batch(name)? else {
        return refused(format!("there is no batch {name}"));
    };
    for row in ledger.deliveries(batch.number)? {
        if row.tries > 0 || row.resent > 0 || row.stage.is_done() {
            return refused(format!(
                "{name} to {} is {} after {} tries: it may have been seen there, and is not \
                 deleted; see `hl7drop delivery`",
                row.endpoint, row.stage, row.tries
            ));
        }
        if row.stage != Stage::Held {
            return refused(format!("{name} is not held; hold it first, so that no run sends it"));
        }
    }
    let path = engine.whole_batch(&batch)?;
    let told = if batch.is_manifest() { Told::new() } else { told(&path)? };
    let (mut entries, mut unknown) = (Vec::new(), 0);
    for ((kind, candidates), added) in told {
        match forget(ledger, kind, &candidates, added, &mut entries)? {
            true => {}
            false => unknown += 1,
        }
    }
    ledger.delete_batch(batch.number, &entries, sign)?;
    disk::remove(&path)?;
    let note = (unknown > 0).then(|| {
        format!(
            "{unknown} of its patients and appointments could not be found in the register: what \
             was to be told of them counts as told"
        )
    });
    let batch_name = Some(name.to_string());
    Ok(Mended { records: batch.messages, batch: batch_name, note, ..Mended::default() })
}

/// Whom messages are about: the IDs that a message has, and whether it was their first.
type Told = BTreeMap<(Kind, Vec<Vec<u8>>), bool>;

/// Reads whom the messages of a batch file are about.
fn told(path: &std::path::Path) -> Result<Told, EngineError> {
    let (mut segments, mut segment) = (Segments::open(path)?, Vec::new());
    let (mut told, mut ids) = (Told::new(), Vec::new());
    let mut about = None::<(Kind, bool)>;
    let mut end = |about: &mut Option<(Kind, bool)>, ids: &mut Vec<Vec<u8>>| {
        if let Some((kind, added)) = about.take() {
            *told.entry((kind, std::mem::take(ids))).or_default() |= added;
        }
        ids.clear();
    };
    while segments.next(&mut segment)? {
        let patient = matches!(about, Some((Kind::Patient, _)));
        let mut take = |number: usize| {
            for repetition in field(&segment, number).split(|&byte| byte == b'~') {
                let id = first(repetition).to_vec();
                if !id.is_empty() && !ids.contains(&id) {
                    ids.push(id);
                }
            }
        };
        match segment.get(..3) {
            Some(b"MSH") => {
                end(&mut about, &mut ids);
                let kind = match field(&segment, 9).starts_with(b"SIU") {
                    true => Kind::Appointment,
                    false => Kind::Patient,
                };
                let trigger = field(&segment, 9).split(|&byte| byte == b'^').nth(1);
                about = Some((kind, matches!(trigger, Some(b"A28" | b"S12"))));
            }
            Some(b"PID") if patient => [3, 4, 2].into_iter().for_each(&mut take),
            Some(b"SCH") => [2, 1].into_iter().for_each(&mut take),
            Some(b"PV1") if !patient => [19, 50].into_iter().for_each(&mut take),
            Some(b"BTS" | b"FTS") => end(&mut about, &mut ids),
            _ => {}
        }
    }
    end(&mut about, &mut ids);
    Ok(told)
}

/// Appends what is known of a record once it was not told: whatever comes next is news.
/// Says whether the register knows one of its IDs.
fn forget(
    ledger: &dyn Ledger,
    kind: Kind,
    candidates: &[Vec<u8>],
    added: bool,
    entries: &mut Vec<u8>,
) -> Result<bool, EngineError> {
    for id in candidates {
        let Some(known) = ledger.known(kind, id)? else { continue };
        let (kept, claims) = (ledger.kept(kind, id)?, ledger.claims(kind, id)?);
        let status = match (kind, added) {
            (Kind::Patient, _) => None,
            // So it is booked anew.
            (Kind::Appointment, true) => Some(Status::Cancelled),
            (Kind::Appointment, false) => Some(Status::Booked),
        };
        let columns = kept.as_ref().map_or(known.columns, |kept| kept.columns);
        let announced = known.announced && !added;
        // Nor is anything that comes next older than it.
        let (fingerprint, modified) = (Fingerprint::NONE, 0);
        let known = Known { fingerprint, status, announced, columns, modified };
        let kept = kept.map_or_else(Vec::new, |kept| kept.values);
        Entry { kind, id, known, claims: &claims, kept: &kept }.write(entries);
        return Ok(true);
    }
    Ok(false)
}
