//! What a mapping would change, before it takes effect: which records that wait would go
//! out, which would not and why, and what the fields would be that it feeds.
//!
//! The records are converted for real, against the register as it stands, into a folder
//! that is thrown away. Nothing of the ledger changes and no lock is taken.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::resubmit::{Again, gather};
use super::{Selection, refused};
use crate::batch::Envelope;
use crate::disk;
use crate::domain::{Code, Counts, Event, Fault, Mapped, OnChange, Position};
use crate::engine::drop::{Conversion, Explanation, Wanted};
use crate::engine::error::EngineError;
use crate::engine::intake;
use crate::engine::look::Look;
use crate::engine::pass::Engine;
use crate::engine::source::Silent;
use crate::engine::writer::Writer;
use crate::hl7::Path as Field;
use crate::ledger::{Ledger, MapRow, Maps, Numbers, Sqlite};

/// What would come of records that wait.
#[derive(Debug, Default)]
pub struct Preview {
    /// What would become of them.
    pub counts: Counts,
    /// Those that would wait again: what they are at fault for then, by code and column.
    pub faults: Vec<Fault>,
    /// Records that cannot be converted again: why, and how many.
    pub skipped: Vec<(String, u64)>,
    /// The first records, one by one.
    pub rows: Vec<Previewed>,
    /// What waits now and would go out, with the fields that a mapping feeds.
    pub example: Option<Example>,
}

/// One field before and after.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    /// Its number in the queue.
    pub id: i64,
    /// The reason for which it waits.
    pub code: String,
    /// The column, and the value that is at fault there; no patient's.
    pub column: String,
    /// See `column`.
    pub value: String,
    /// The fields that would be.
    pub fields: Vec<(Field, String)>,
}

/// Why records would wait again.
#[derive(Clone, Debug, PartialEq)]
pub struct Reason {
    /// What would be wrong.
    pub code: Code,
    /// The column that would be; empty for whole rows.
    pub column: String,
    /// How many records.
    pub records: u64,
}

/// Events with their fields, or why there would be none.
pub type Then = Result<Vec<(Event, Vec<(Field, String)>)>, String>;

/// One record, as it waits and as it would be.
#[derive(Debug)]
pub struct Previewed {
    /// Its number in the queue.
    pub id: i64,
    /// Where it stands in the extract that was dropped.
    pub at: Position,
    /// What it would be: its events with the fields that a mapping feeds (no patient
    /// data), or why nothing would be sent.
    pub then: Then,
}

/// Records that are looked at one by one for one that would go out.
const LOOKED: usize = 100;

/// The columns that mappings are of, as the field map writes them.
const MAPPED: [&str; 7] = [
    "{providerid",
    "{primaryproviderid",
    "departmentid",
    ":person ",
    "_insurancepackageid",
    "_insuranceplanname",
    "{referringproviderid",
];

impl Preview {
    /// Says why records would wait again, the most frequent reason first.
    pub fn reasons(&self) -> Vec<Reason> {
        let mut counts: BTreeMap<(Code, &str), u64> = BTreeMap::new();
        for fault in &self.faults {
            *counts.entry((fault.code, fault.column.as_ref())).or_default() += 1;
        }
        let told = counts.into_iter();
        let mut told: Vec<Reason> = told
            .map(|((code, column), records)| Reason { code, column: column.into(), records })
            .collect();
        told.sort_by_key(|reason| std::cmp::Reverse(reason.records));
        told
    }
}

impl Engine {
    /// Shows what would come of the records that are meant, were these mappings put in;
    /// of the first `limit` one by one. `changed_id` as of [`Task::Resubmit`](super::Task).
    ///
    /// # Errors
    /// [`EngineError::NothingWaits`], and what ends a pass.
    pub fn preview(
        &self,
        which: &Selection,
        changed_id: bool,
        mappings: &[MapRow],
        limit: usize,
    ) -> Result<Preview, EngineError> {
        let nothing = || EngineError::NothingWaits { what: which.about() };
        let mut ledger = Sqlite::peek(&self.spool.ledger(), &self.owner())?.ok_or_else(nothing)?;
        if which.is_empty() {
            return refused("say which records: by number, group or filter, or ALL");
        }
        let scratch = Scratch::new(&self.spool.processing)?;
        let again = gather(self, &ledger, which, changed_id, &scratch.0)?;
        let mut preview = Preview { skipped: again.skipped(), ..Preview::default() };
        if again.sources.is_empty() {
            return if preview.skipped.is_empty() { Err(nothing()) } else { Ok(preview) };
        }
        let looked = limit.max(LOOKED);
        let mut wanted = again.first(looked);
        self.converted(&again, mappings, &mut ledger, &scratch.0, &mut wanted, &mut preview)?;
        for (wanted, (path, at)) in wanted.into_iter().zip(again.firsts(looked)) {
            let Some(origin) = again.origins.get(&path).and_then(|all| all.get(at)) else {
                continue;
            };
            let name = again.sources.iter().find(|source| source.path == path);
            let extract = name.map_or_else(|| Arc::from(""), |source| source.name.clone());
            let at = Position { extract, record: origin.record, line: origin.line };
            if preview.example.is_none() {
                preview.example = example(which, origin.fault, wanted.found.as_ref());
            }
            preview.rows.push(Previewed { id: origin.fault, at, then: then(wanted.found) });
        }
        preview.rows.truncate(limit);
        Ok(preview)
    }

    fn converted(
        &self,
        again: &Again,
        mappings: &[MapRow],
        ledger: &mut Sqlite,
        scratch: &Path,
        wanted: &mut [Wanted],
        preview: &mut Preview,
    ) -> Result<(), EngineError> {
        let interface = self.agreement.scope.interface.as_str();
        let mut translations =
            Maps::peek(&self.maps)?.map(|maps| maps.of(interface)).transpose()?.unwrap_or_default();
        for row in mappings {
            translations.add(row.kind, &row.value, &row.becomes);
        }
        let mut agreement = self.agreement.translated(translations);
        if again.changed_id {
            agreement.scope.on_id_change = OnChange::Warn;
        }
        let clock = self.clock.civil(&agreement.scope.timezone);
        let Numbers { control, file } = ledger.numbers()?;
        let envelope = Envelope::new(&agreement.scope, file, clock);
        let mut writer = Writer::create(&scratch.join("batch"), envelope, control)?;
        writer.is_unpromised();
        writer.is_scratch();
        let mut journal = Look::at(ledger);
        let accounts = Conversion {
            agreement: &agreement,
            pool: self.pool()?,
            clock,
            writer: &mut writer,
            journal: &mut journal,
            progress: Arc::new(Silent),
            scratch,
            wanted,
            part: true,
            guard: None,
            backfill: None,
        }
        .run(again.sources.clone(), &|kind| intake::saved(self, kind))?;
        preview.faults = journal.faults;
        for (source, account) in accounts {
            match account {
                Ok(account) => preview.counts.add(&account.counts),
                Err(err) => {
                    let count = again.origins.get(&source.path).map_or(0, Vec::len) as u64;
                    preview.skipped.push((format!("{}: {err}", source.name), count));
                }
            }
        }
        Ok(())
    }
}

/// Takes a record that would go out as the example of its group.
fn example(which: &Selection, id: i64, found: Option<&Explanation>) -> Option<Example> {
    let Some(Explanation::Messages(messages)) = found else { return None };
    let (code, column, value) = (which.code.clone()?, which.column.clone()?, which.value.clone()?);
    Mapped::of_column(&column)?;
    let stem = stem(&column);
    let fields = messages.iter().flat_map(|(_, fields)| fields);
    let fed = fields.filter(|field| is_of_mapping(&field.rule) && field.rule.contains(stem));
    let fields: Vec<_> = fed.map(|field| (field.field, field.value.clone())).collect();
    (!fields.is_empty()).then_some(Example { id, code, column, value, fields })
}

/// Returns what rules call a column by: `pcp` of `pcpid`, and of any insurance the same.
fn stem(column: &str) -> &str {
    let own = column.split_once('_').map_or(column, |(_, own)| own);
    own.strip_suffix("id").unwrap_or(own)
}

fn is_of_mapping(rule: &str) -> bool {
    MAPPED.iter().any(|column| rule.contains(column))
}

/// Returns what a record would be, without the values of its patient.
fn then(found: Option<Explanation>) -> Then {
    match found {
        Some(Explanation::Messages(messages)) => Ok(messages
            .into_iter()
            .map(|(event, fields)| {
                let fields = fields.into_iter().filter(|field| is_of_mapping(&field.rule));
                (event, fields.map(|field| (field.field, field.value)).collect())
            })
            .collect()),
        Some(Explanation::Fault(fault)) => {
            Err(format!("{} {}: {}", fault.code.id(), fault.column, fault.code.text()))
        }
        Some(Explanation::Nothing(note)) => Err(format!("nothing: {}", note.text())),
        None => Err("it could not be read".to_string()),
    }
}

/// Names the folder of a preview; its process follows.
const SCRATCH: &str = ".preview-";

/// A folder that goes with the preview: it holds patient data.
pub(in crate::engine) struct Scratch(pub PathBuf);

impl Scratch {
    pub fn new(within: &Path) -> Result<Scratch, EngineError> {
        disk::sweep(within, |name| name.strip_prefix(SCRATCH)?.split('-').next());
        let mut bytes = [0; 4];
        getrandom::fill(&mut bytes)
            .map_err(|err| EngineError::Refused { what: format!("no random number: {err}") })?;
        let (process, random) = (std::process::id(), u32::from_le_bytes(bytes));
        let folder = within.join(format!("{SCRATCH}{process}-{random:08x}"));
        disk::folder(&folder)?;
        Ok(Scratch(folder))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(err) = disk::clear(&self.0) {
            log::warn!("{err}");
        }
    }
}

impl Again {
    /// Returns the places of the first records: their file, and which of it, from 0.
    fn firsts(&self, limit: usize) -> Vec<(PathBuf, usize)> {
        let places = self.sources.iter().flat_map(|source| {
            let count = self.origins.get(&source.path).map_or(0, Vec::len);
            (0..count).map(|at| (source.path.clone(), at))
        });
        places.take(limit).collect()
    }

    fn first(&self, limit: usize) -> Vec<Wanted> {
        let places = self.firsts(limit).into_iter();
        places.map(|(path, at)| Wanted { path, record: at as u64 + 1, found: None }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// True where a mapping of this kind is looked for in the rule of a field.
    fn is_covered(kind: Mapped, rule: &str) -> bool {
        let of_kind = match kind {
            Mapped::Provider => ["provider", "person", "resource"].as_slice(),
            Mapped::Department => &["departmentid"],
            Mapped::Insurance => &["insurancepackageid"],
        };
        !of_kind.iter().any(|word| rule.contains(word))
            || MAPPED.iter().any(|one| rule.contains(one))
    }

    #[test]
    fn every_column_that_is_mapped_has_a_field_for_its_example() {
        let map = include_str!("../../../config/mapping.toml");
        for column in [
            "providerid",
            "primaryproviderid",
            "pcpid",
            "referringproviderid",
            "departmentid",
            "primarydepartmentid",
            "insurance1_insurancepackageid",
            "insurance2_insurancepackageid",
        ] {
            assert!(Mapped::of_column(column).is_some(), "{column}");
            let mut rules = map.lines().filter(|line| line.starts_with(char::is_numeric));
            let fed = rules.any(|rule| is_of_mapping(rule) && rule.contains(stem(column)));
            assert!(fed, "{column}");
        }
    }

    #[test]
    fn every_field_that_a_mapping_feeds_is_shown() {
        let map = include_str!("../../../config/mapping.toml");
        for line in map.lines().filter(|line| line.starts_with(char::is_numeric)) {
            for kind in Mapped::ALL {
                assert!(is_covered(kind, line), "{line}");
            }
        }
    }
}
