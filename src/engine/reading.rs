//! What a response file means for the batches it answers: read twice, once to understand
//! it and once to keep it, so that a million answers take no memory.
//!
//! HL7 knows two forms: every message is answered, or only those in error, where an empty
//! batch accepts all (`interface.md` 3.5). A file that accepts one message by name is of
//! the first form, and then only what it names is answered. Otherwise it stands for the
//! whole file that FHS-12 names, or without that, for the batch that BHS-12 names.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::ops::Range;
use std::path::Path;

use jiff::civil::DateTime;

use super::error::EngineError;
use super::pass::Engine;
use crate::ack::{AckError, Part, Parts};
use crate::disk::failed;
use crate::domain::{AckCode, Answer, ExtractKind};
use crate::ledger::{BatchRow, Ledger, Stage};

/// A conversion may take so long between the time in FHS-7 and the promise; and a time
/// zone may have changed its hour.
const MADE_WITHIN_S: std::ops::RangeInclusive<i64> = -3700..=26 * 3600;

/// FHS-11 and BHS-11 end in six digits of the file's number.
const NUMBERS: u64 = 1_000_000;

/// What a response file says, understood.
#[derive(Debug, Default)]
pub struct Reading {
    /// The batches it is about, by number.
    pub batches: BTreeMap<u64, Seen>,
    /// Messages of ours that it accepts and refuses by name.
    pub accepted: u64,
    /// As above.
    pub rejected: u64,
    /// Messages that it names and that are none of this endpoint's.
    pub strangers: u64,
    /// Whether it names a file or batch that is not known.
    pub stray: bool,
}

/// What a response file says of one batch.
#[derive(Debug)]
pub struct Seen {
    /// The batch.
    pub batch: BatchRow,
    /// Where its delivery stands; an answer proves that it arrived.
    pub stage: Stage,
    /// A bit for each message that is named.
    named: Vec<u64>,
    accepted: u64,
    /// The messages that the file stands for, named or not.
    stands_for: Option<Range<u64>>,
}

/// Why a response file is put aside.
pub enum Wrong {
    /// The file; what is wrong.
    Odd(String),
    /// This machine.
    Here(EngineError),
}

impl<E: Into<EngineError>> From<E> for Wrong
where
    E: std::error::Error,
    EngineError: From<E>,
{
    fn from(err: E) -> Wrong {
        Wrong::Here(err.into())
    }
}

impl Seen {
    fn controls(&self) -> Range<u64> {
        self.batch.first_control..self.batch.first_control + self.batch.messages
    }

    fn name(&mut self, control: u64) {
        let at = control - self.batch.first_control;
        if let Some(word) = self.named.get_mut((at / 64) as usize) {
            *word |= 1 << (at % 64);
        }
    }

    fn is_named(&self, control: u64) -> bool {
        let at = control - self.batch.first_control;
        self.named.get((at / 64) as usize).is_some_and(|word| word >> (at % 64) & 1 == 1)
    }

    fn all_named(&self) -> bool {
        let named: u64 = self.named.iter().map(|word| u64::from(word.count_ones())).sum();
        named == self.batch.messages
    }

    /// True if every message of the batch has its answer with this file.
    pub fn is_whole(&self) -> bool {
        self.stands_for.as_ref() == Some(&self.controls()) || self.all_named()
    }

    /// The messages that are accepted though nothing names them, and that are not all of
    /// the batch.
    fn unnamed(&self) -> impl Iterator<Item = u64> {
        let range = self.stands_for.clone().filter(|_| !self.is_whole()).unwrap_or(0..0);
        range.filter(|control| !self.is_named(*control))
    }
}

/// Reads and understands a response file of an endpoint.
///
/// # Errors
/// [`Wrong`].
pub fn understand(
    engine: &Engine,
    ledger: &dyn Ledger,
    endpoint: &str,
    path: &Path,
) -> Result<Reading, Wrong> {
    let mut it = Understand { engine, ledger, endpoint, reading: Reading::default(), file: None };
    let mut any = false;
    for part in parts(path)? {
        match part {
            Ok(Part::File(reference)) => it.file(&reference)?,
            Ok(Part::Batch(reference)) => it.batch(&reference)?,
            Ok(Part::Message(id, answer)) => it.message(&id, &answer)?,
            Err(AckError::Damaged { segment, what }) => {
                return Err(Wrong::Odd(format!("segment {segment}: {what}")));
            }
            Err(AckError::Read(err)) => return Err(failed("read", path)(err).into()),
        }
        any = true;
    }
    debug_assert!(any, "an empty file is damaged");
    it.conclude()
}

/// Gives the answers of a file that was understood, each with its number.
///
/// # Errors
/// The disk's.
pub fn answers<'a>(
    engine: &'a Engine,
    reading: &'a Reading,
    path: &Path,
) -> Result<impl Iterator<Item = Answer> + 'a, EngineError> {
    let named = parts(path)?.filter_map(move |part| match part {
        Ok(Part::Message(id, answer)) => {
            let control = control_of(engine, &id)?;
            let known = reading.batches.values().any(|seen| seen.controls().contains(&control));
            known.then_some(Answer { control, ..answer })
        }
        _ => None,
    });
    let unnamed = reading.batches.values().flat_map(Seen::unnamed).map(|control| Answer {
        control,
        code: AckCode::Aa,
        what: String::new(),
        said: String::new(),
    });
    Ok(named.chain(unnamed))
}

fn parts(path: &Path) -> Result<Parts<BufReader<File>>, EngineError> {
    Ok(Parts::of(BufReader::new(File::open(path).map_err(failed("open", path))?)))
}

/// Returns the number in a control ID of ours: `<number>M<context id>`.
fn control_of(engine: &Engine, id: &str) -> Option<u64> {
    let (number, context) = id.split_once('M')?;
    let ours = context == engine.agreement.scope.context_id;
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    (ours && digits && !number.starts_with('0')).then(|| number.parse().ok()).flatten()
}

struct Understand<'a> {
    engine: &'a Engine,
    ledger: &'a dyn Ledger,
    endpoint: &'a str,
    reading: Reading,
    /// The batch that FHS-12 names.
    file: Option<u64>,
}

impl Understand<'_> {
    /// FHS-12.
    fn file(&mut self, reference: &str) -> Result<(), Wrong> {
        if reference.is_empty() {
            return Ok(());
        }
        self.file = self.whole_file(reference)?;
        self.reading.stray |= self.file.is_none();
        Ok(())
    }

    fn whole_file(&mut self, reference: &str) -> Result<Option<u64>, Wrong> {
        let Some((time, tail)) = split(reference) else { return Ok(None) };
        let Some(number) = self.sent(tail, NUMBERS, time)? else { return Ok(None) };
        if let Some(seen) = self.reading.batches.get_mut(&number) {
            seen.stands_for = Some(seen.controls());
        }
        Ok(Some(number))
    }

    /// BHS-12: the file's number, and behind it which batch of the file.
    fn batch(&mut self, reference: &str) -> Result<(), Wrong> {
        if reference.is_empty() || self.file.is_some() {
            return Ok(());
        }
        let Some((time, tail)) = split(reference) else {
            self.reading.stray = true;
            return Ok(());
        };
        let index = tail % 10;
        if let Some(number) = self.sent(tail / 10, NUMBERS / 10, time)?
            && let Some(range) = self.range(number, index)?
        {
            if let Some(seen) = self.reading.batches.get_mut(&number) {
                let before = seen.stands_for.clone();
                // Both of its batches, one after the other, are all of it.
                seen.stands_for = Some(match before {
                    Some(before) if before.end == range.start => before.start..range.end,
                    Some(before) if range.end == before.start => range.start..before.end,
                    _ => range,
                });
            }
            return Ok(());
        }
        // Some write there what belongs into FHS-12.
        self.reading.stray |= self.whole_file(reference)?.is_none();
        Ok(())
    }

    /// Returns the batch that went to the endpoint and whose number ends so, made at that
    /// time.
    fn sent(&mut self, tail: u64, modulo: u64, time: DateTime) -> Result<Option<u64>, Wrong> {
        let next = self.ledger.numbers()?.file;
        let mut number = tail;
        let mut found = None;
        while number < next {
            let deliveries = self.ledger.deliveries(number)?;
            if let Some(row) = deliveries.iter().find(|row| row.endpoint == self.endpoint) {
                let zone = &self.engine.agreement.scope.timezone;
                let said = zone.to_timestamp(time).map_or(i64::MIN, |time| time.as_second());
                if MADE_WITHIN_S.contains(&row.batch.made_at.saturating_sub(said))
                    && self.see(&row.batch.clone())?
                {
                    found = Some(number);
                }
            }
            number += modulo;
        }
        Ok(found)
    }

    /// Takes a batch into the reading, if the endpoint can have it.
    fn see(&mut self, batch: &BatchRow) -> Result<bool, Wrong> {
        if self.reading.batches.contains_key(&batch.number) {
            return Ok(true);
        }
        let Some(row) = self.ledger.delivery(batch.number, self.endpoint)? else {
            return Ok(false);
        };
        if !matches!(row.stage, Stage::Delivered | Stage::Verified | Stage::Uncertain) {
            return Ok(false);
        }
        let named = vec![0; batch.messages.div_ceil(64) as usize];
        let (batch, stage) = (batch.clone(), row.stage);
        let seen = Seen { batch, stage, named, accepted: 0, stands_for: None };
        self.reading.batches.insert(seen.batch.number, seen);
        Ok(true)
    }

    /// Returns the messages of one batch of a file, counted from 1: patients come first.
    fn range(&self, number: u64, index: u64) -> Result<Option<Range<u64>>, Wrong> {
        let Some(seen) = self.reading.batches.get(&number) else { return Ok(None) };
        let mut kinds = [0, 0];
        for row in self.ledger.extracts(u64::MAX)? {
            if row.batch == Some(number) {
                kinds[usize::from(row.extract.kind == ExtractKind::Appointments)] +=
                    row.counts.messages;
            }
        }
        let mut from = seen.batch.first_control;
        let ranges: Vec<Range<u64>> = kinds
            .into_iter()
            .filter(|count| *count > 0)
            .map(|count| {
                from += count;
                from - count..from
            })
            .collect();
        let at = usize::try_from(index).ok().and_then(|index| index.checked_sub(1));
        Ok(at.and_then(|at| ranges.get(at).cloned()))
    }

    fn message(&mut self, id: &str, answer: &Answer) -> Result<(), Wrong> {
        let number = match control_of(self.engine, id) {
            Some(control) => self.ledger.batch_of(control)?.map(|batch| (control, batch)),
            None => None,
        };
        match number {
            Some((control, batch)) if self.see(&batch)? => {
                let Some(seen) = self.reading.batches.get_mut(&batch.number) else { return Ok(()) };
                seen.name(control);
                if answer.code.accepts() {
                    seen.accepted += 1;
                    self.reading.accepted += 1;
                } else {
                    self.reading.rejected += 1;
                }
            }
            _ => self.reading.strangers += 1,
        }
        Ok(())
    }

    /// Holds what was read against the two forms.
    fn conclude(mut self) -> Result<Reading, Wrong> {
        if self.reading.batches.is_empty() {
            let what = match (self.reading.strangers, self.reading.stray) {
                (0, false) => "it names no file (FHS-12), no batch (BHS-12) and no message (MSA-2)",
                _ => "nothing that it names was sent to this endpoint",
            };
            return Err(Wrong::Odd(what.to_string()));
        }
        for seen in self.reading.batches.values_mut() {
            let all = seen.accepted > 0;
            let controls = seen.controls();
            let before = |ledger: &dyn Ledger| -> Result<bool, EngineError> {
                let last = controls.end.saturating_sub(1);
                let rows = ledger.answers(controls.start, last)?;
                Ok(rows
                    .iter()
                    .any(|row| row.endpoint == self.endpoint && row.answer.code.accepts()))
            };
            // Who named one accepted message names them all.
            if all || seen.stands_for.is_some() && before(self.ledger)? {
                seen.stands_for = None;
            }
        }
        Ok(self.reading)
    }
}

/// Splits FHS-11 or BHS-11 into its time and its number.
fn split(reference: &str) -> Option<(DateTime, u64)> {
    if reference.len() != 20 || !reference.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (time, tail) = reference.split_at(14);
    let time = DateTime::strptime("%Y%m%d%H%M%S", time).ok()?;
    Some((time, tail.parse().ok()?))
}
