//! The rehearsal: every slice is converted as it will be, against the register as it
//! stands, and nothing is kept but what it comes to. Patients who are not in the register
//! yet are found in their extract.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::plan::{Foreseen, NotUnique, Part, Plan};
use super::told::Backfilling;
use crate::batch::Envelope;
use crate::disk::{self, failed};
use crate::domain::{Code, ExtractKind, Fault};
use crate::engine::agreement::Agreement;
use crate::engine::drop::Conversion;
use crate::engine::error::EngineError;
use crate::engine::intake::saved;
use crate::engine::look::Look;
use crate::engine::pass::Engine;
use crate::engine::source::{Silent, Source};
use crate::engine::writer::Writer;
use crate::ledger::Ledger;

/// Rows with external IDs that are not unique that are listed; the others are counted.
const LISTED: usize = 1000;
/// Messages of each kind that are kept to be shown.
const FIRST: usize = 3;
/// The batch file of the rehearsal.
const BATCH: &str = ".rehearsal";

/// One rehearsal.
pub(super) struct Rehearsal<'a> {
    engine: &'a Engine,
    /// What people mapped is in it.
    agreement: Agreement,
    /// It is only looked at.
    ledger: Box<dyn Ledger>,
    backfilling: Backfilling<'a>,
    foreseen: Foreseen,
    faults: BTreeMap<(Code, String), u64>,
}

impl<'a> Rehearsal<'a> {
    /// Begins with nothing foreseen.
    pub fn new(
        engine: &'a Engine,
        ledger: Box<dyn Ledger>,
        backfilling: Backfilling<'a>,
    ) -> Result<Rehearsal<'a>, EngineError> {
        let (agreement, faults) = (engine.translated()?.into_owned(), BTreeMap::new());
        let foreseen = Foreseen::default();
        Ok(Rehearsal { engine, agreement, ledger, backfilling, foreseen, faults })
    }

    /// Converts the slices of an extract.
    pub fn run(&mut self, part: &Part) -> Result<(), EngineError> {
        let engine = self.engine;
        let slices = &engine.spool.slices;
        let sizes = (part.first..part.first + part.slices)
            .filter_map(|number| fs::metadata(slices.join(part.slice_name(number))).ok());
        let bytes = sizes.map(|found| found.len()).sum();
        engine.progress.begin(&format!("rehearsal of {}", part.name), bytes);
        for number in part.first..part.first + part.slices {
            let name = part.slice_name(number);
            let path = slices.join(&name);
            let source = Source::unpromised(&path, &name, part.kind);
            let source = source.map_err(failed("open", &path))?;
            let bytes = source.bytes;
            let layout = part.layout(&engine.agreement.reading)?;
            self.slice(source.is_kept(&layout), part.kind)?;
            engine.progress.advance(bytes);
        }
        engine.progress.end();
        Ok(())
    }

    /// Returns what it came to.
    pub fn end(self) -> Foreseen {
        let row = |((code, column), rows): ((Code, _), _)| (code.id().to_string(), column, rows);
        Foreseen { faults: self.faults.into_iter().map(row).collect(), ..self.foreseen }
    }

    fn slice(&mut self, source: Source, kind: ExtractKind) -> Result<(), EngineError> {
        let engine = self.engine;
        let clock = engine.clock.civil(&self.agreement.scope.timezone);
        let envelope = Envelope::new(&self.agreement.scope, 1, clock).of_backfill();
        let batch = engine.spool.backfill.join(BATCH);
        disk::remove(&batch)?;
        let mut writer = Writer::create(&batch, envelope, 1)?;
        writer.is_unpromised();
        writer.is_scratch();
        let mut journal = Look::at(&mut *self.ledger);
        let accounts = Conversion {
            agreement: &self.agreement,
            pool: engine.pool()?,
            clock,
            writer: &mut writer,
            journal: &mut journal,
            progress: Arc::new(Silent),
            scratch: &engine.spool.backfill,
            wanted: &mut [],
            part: true,
            guard: None,
            backfill: Some(self.backfilling),
        }
        .run(vec![source], &|kind| saved(engine, kind))?;
        let faults = journal.faults;
        let written = writer.finish(false)?;
        for (_, account) in accounts {
            let account = account.map_err(EngineError::Extract)?;
            let counts = match kind {
                ExtractKind::Patients => &mut self.foreseen.patients,
                _ => &mut self.foreseen.appointments,
            };
            counts.add(&account.counts);
            for (note, times) in account.notes.0 {
                *self.foreseen.notes.entry(note).or_default() += times;
            }
        }
        self.foreseen.bytes += written.iter().map(|one| one.bytes).sum::<u64>();
        self.note(faults);
        if !written.is_empty() {
            keep_first(&batch, &Plan::first_messages(engine, kind))?;
        }
        Ok(disk::remove(&batch)?)
    }

    fn note(&mut self, faults: Vec<Fault>) {
        for fault in faults {
            if fault.code == Code::X001 {
                self.foreseen.not_unique_rows += 1;
                if self.foreseen.not_unique.len() < LISTED {
                    self.foreseen.not_unique.push(NotUnique {
                        file: fault.at.extract.to_string(),
                        record: fault.at.record,
                        line: fault.at.line,
                        column: fault.column.to_string(),
                    });
                }
            }
            *self.faults.entry((fault.code, fault.column.to_string())).or_default() += 1;
        }
    }
}

/// Keeps the first messages of a batch file, unless some were kept before.
fn keep_first(batch: &Path, to: &Path) -> Result<(), EngineError> {
    if to.exists() {
        return Ok(());
    }
    let text = fs::read(batch).map_err(failed("read", batch))?;
    let (mut first, mut messages) = (Vec::new(), 0);
    for segment in text.split_inclusive(|byte| matches!(byte, b'\r' | b'\n')) {
        let name = segment.trim_ascii_start().get(..3).unwrap_or_default();
        messages += usize::from(name == b"MSH");
        if messages > FIRST || name == b"BTS" {
            break;
        }
        if messages > 0 {
            first.extend_from_slice(segment);
        }
    }
    Ok(disk::write(to, &first)?)
}
