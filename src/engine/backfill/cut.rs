//! An extract, however large, into slices that are small extracts of their own: plain text
//! under the header it had.
//!
//! It is looked over first, for rows that share an ID: of the record itself, where the newest
//! counts, or an external one, where none of them may go. Those are put together into the
//! last slice, where the line holds them against each other as it does in any extract. So
//! memory grows with them and with nothing else: the IDs of all rows are sorted on the disk.

use std::fs::File;

use crate::convert::Input;
use crate::crashpoint::crashpoint;
use crate::disk::{self, NewFile, failed};
use crate::domain::{BackfillRules, ExtractKind, Layout};
use crate::engine::claims::Claims;
use crate::engine::error::EngineError;
use crate::engine::key::{Key, id_cells, key};
use crate::engine::keys::{Keys, Sorted};
use crate::engine::mend::refused;
use crate::engine::pass::Engine;
use crate::engine::patients::PatientFile;
use crate::engine::plain::Plain;
use crate::engine::source::Source;
use crate::extract::Rows;

use super::plan::Part;

/// What a look over an extract found.
pub(super) struct Looked {
    pub source: Source,
    pub layout: Layout,
    pub rows: u64,
    /// Where rows begin that share an ID, ascending.
    together: Vec<u64>,
    keys: Sorted,
    plain: Option<Plain>,
}

/// Returns how many rows a slice has: no more than messages are allowed in a minute.
pub(super) fn rows_of_a_slice(rules: &BackfillRules) -> u64 {
    let BackfillRules { per_minute, per_file, .. } = *rules;
    if per_minute == 0 { per_file } else { per_minute.min(per_file) }
}

/// Looks over an extract. With `plain`, it is kept at hand as text, for look-ups.
pub(super) fn look(engine: &Engine, source: Source, plain: bool) -> Result<Looked, EngineError> {
    let (agreement, scratch) = (&engine.agreement, &engine.spool.backfill);
    let open = || source.open(&agreement.reading, Some(engine.progress.clone()));
    engine.progress.begin(&source.name, source.bytes);
    let (layout, mut blocks) = open().map_err(EngineError::Extract)?;
    if layout.has("event") {
        return refused(format!(
            "{}: its column `event` says what happened; a full extract says how things are: leave \
             the column out",
            source.name
        ));
    }
    let is_text = source.is_text(&agreement.reading).map_err(EngineError::Extract)?;
    let mut plain = (plain && !is_text).then(|| Plain::create(scratch)).transpose()?;
    let claims = Claims::open(agreement, &layout);
    let (id, when) = (id_cells(&layout), layout.cells("lastmodified"));
    let (mut keys, mut found, mut external) = (Keys::new(scratch), Vec::new(), Vec::new());
    let mut rows = 0;
    while let Some(block) = blocks.next_block().map_err(EngineError::Extract)? {
        if let Some(plain) = &mut plain {
            plain.add(block.offset, &block.bytes)?;
        }
        found.clear();
        let mut records = Rows::new(&block, &layout);
        while let Some(row) = records.next_row() {
            rows += 1;
            if row.fault.is_some() {
                continue;
            }
            let offset = block.offset + row.range.start as u64;
            found.extend(key(id, when, row.values, offset));
            if let Some(claims) = &claims {
                external.clear();
                claims.keys(Input { own: row.values, patient: None }, &mut external);
                found.extend(external.iter().map(|&hash| Key { hash, when: 0, offset }));
            }
        }
        keys.add(&found)?;
        blocks.reuse(block);
    }
    engine.progress.end();
    let keys = keys.sorted()?;
    let mut together = Vec::new();
    keys.groups(&mut |group| {
        if group.iter().any(|key| key.offset != group[0].offset) {
            together.extend(group.iter().map(|key| key.offset));
        }
    })?;
    together.sort_unstable();
    together.dedup();
    Ok(Looked { source, layout, rows, together, keys, plain })
}

impl Looked {
    /// Cuts it into slices, the first of which has this number.
    pub fn cut(&self, engine: &Engine, first: u64, rows: u64) -> Result<Part, EngineError> {
        let Looked { source, layout, .. } = self;
        let mut part = Part {
            kind: source.kind,
            name: source.name.to_string(),
            digest: source.digest()?.to_string(),
            bytes: source.bytes,
            rows: self.rows,
            header: layout.header.clone(),
            json: layout.json.is_some(),
            first,
            slices: 0,
            together: self.together.len() as u64,
        };
        let opened = source.open(&engine.agreement.reading, None);
        let (_, mut blocks) = opened.map_err(EngineError::Extract)?;
        let (mut open, mut last) = (None::<Cutting>, None::<Cutting>);
        let mut together = self.together.iter().peekable();
        while let Some(block) = blocks.next_block().map_err(EngineError::Extract)? {
            let mut records = Rows::new(&block, layout);
            while let Some(row) = records.next_row() {
                let offset = block.offset + row.range.start as u64;
                let text = &block.bytes[row.range.clone()];
                if together.next_if(|at| **at == offset).is_some() {
                    if last.is_none() {
                        last = Some(Cutting::begin(engine, ".together", layout)?);
                    }
                    last.as_mut().map_or(Ok(()), |last| last.add(text))?;
                    continue;
                }
                if open.is_none() {
                    open = Some(Cutting::begin(engine, &part.slice_name(part.next()), layout)?);
                }
                let Some(slice) = &mut open else { continue };
                slice.add(text)?;
                if slice.rows == rows {
                    open.take().map_or(Ok(()), Cutting::finish)?;
                    part.slices += 1;
                }
            }
            blocks.reuse(block);
        }
        if let Some(slice) = open {
            slice.finish()?;
            part.slices += 1;
        }
        if let Some(slice) = last {
            slice.finish()?;
            let (from, name) =
                (engine.spool.slices.join(".together"), part.slice_name(part.next()));
            disk::shift(&from, &engine.spool.slices.join(name))?;
            part.slices += 1;
        }
        crashpoint("backfill.cut").map_err(failed("cut below", &engine.spool.slices))?;
        Ok(part)
    }

    /// Returns it as appointments find their patients in it, with a copy that has to be kept
    /// as long as they do.
    pub fn patients(self) -> Result<(PatientFile, Sorted, Option<Plain>), EngineError> {
        let (path, base) = match &self.plain {
            Some(plain) => (&plain.path, plain.base.unwrap_or(0)),
            None => (&self.source.path, 0),
        };
        let file = File::open(path).map_err(failed("open", path))?;
        let (layout, withheld) = (self.layout, Vec::new());
        Ok((PatientFile { file, base, layout, withheld }, self.keys, self.plain))
    }

    /// True of the patients.
    pub fn is_of_patients(&self) -> bool {
        self.source.kind == ExtractKind::Patients
    }
}

impl Part {
    /// Returns the number of the slice that comes next.
    fn next(&self) -> u64 {
        self.first + self.slices
    }
}

/// A slice that is being written.
struct Cutting {
    file: NewFile,
    buffer: Vec<u8>,
    rows: u64,
}

impl Cutting {
    fn begin(engine: &Engine, name: &str, layout: &Layout) -> Result<Cutting, EngineError> {
        let path = engine.spool.slices.join(name);
        disk::remove(&path)?;
        let mut buffer = Vec::with_capacity(BUFFER);
        if layout.json.is_none() {
            buffer.extend_from_slice(layout.header.as_bytes());
            buffer.push(b'\n');
        }
        Ok(Cutting { file: disk::create(&path)?, buffer, rows: 0 })
    }

    fn add(&mut self, text: &[u8]) -> Result<(), EngineError> {
        let breaks = text.iter().rev().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        self.buffer.extend_from_slice(&text[..text.len() - breaks]);
        self.buffer.push(b'\n');
        self.rows += 1;
        if self.buffer.len() >= BUFFER {
            self.file.write(&self.buffer)?;
            self.buffer.clear();
        }
        Ok(())
    }

    fn finish(mut self) -> Result<(), EngineError> {
        self.file.write(&self.buffer)?;
        Ok(self.file.finish()?)
    }
}

/// Bytes gathered before a write.
const BUFFER: usize = 1 << 18;
