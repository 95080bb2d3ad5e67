//! What was made is held to HL7 and to the agreement before anybody is promised it
//! (`interface.md` 9, S003).
//!
//! The workers check their messages while these are still in the cache; the writer
//! reads back what it puts around them. An error ends the pass: a program that made one
//! wrong message is not to be believed about the others. Nothing was committed then, so
//! the extracts wait in `processing/` for the next run. Warnings are counted.

use std::sync::{Arc, Mutex};

use super::error::EngineError;
use super::source::Source;
use super::writer::Written;
use crate::domain::{Note, Notes, Position};
use crate::validate::{Agreed, Finding, MessageCheck, Rule, Severity};

/// What checks have learned of good messages, for the next block: learned anew for each,
/// it was a tenth of the check.
#[derive(Default)]
pub struct Learned(Mutex<Vec<MessageCheck>>);

/// Checks the messages of one block.
pub(super) struct SelfCheck<'a> {
    check: MessageCheck,
    learned: &'a Learned,
    /// The first error.
    wrong: Option<Wrong>,
}

/// An error in a message.
struct Wrong {
    /// Which record, and its line in the file.
    record: Number,
    line: u64,
    finding: Finding,
}

/// Which record it is, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Number {
    /// Of the block that it stands in.
    InBlock(u64),
    /// Of the extract, where it stands in another block.
    InFile(u64),
}

impl Number {
    /// Returns the number in the extract; `before` is the records before the block.
    pub fn after(self, before: u64) -> u64 {
        match self {
            Number::InBlock(number) => before + number,
            Number::InFile(number) => number,
        }
    }
}

/// What was found in a block.
#[derive(Default)]
pub struct Checked {
    warnings: u64,
    errors: u64,
    wrong: Option<Wrong>,
}

impl SelfCheck<'_> {
    /// For messages whose control IDs are still open.
    pub fn new<'a>(agreed: &Arc<Agreed>, learned: &'a Learned) -> SelfCheck<'a> {
        let known = learned.0.lock().ok().and_then(|mut checks| checks.pop());
        let check = known.unwrap_or_else(|| MessageCheck::before_numbers(agreed.clone()));
        SelfCheck { check, learned, wrong: None }
    }

    /// Checks the messages of one record.
    pub fn record(&mut self, messages: &[u8], record: Number, line: u64) {
        self.check.messages(messages);
        for finding in self.check.findings.take() {
            if finding.severity == Severity::Error && self.wrong.is_none() {
                self.wrong = Some(Wrong { record, line, finding });
            }
        }
    }

    /// Ends the block.
    pub fn finish(mut self) -> Checked {
        let findings = std::mem::take(&mut self.check.findings);
        let errors = findings.count(Severity::Error);
        let found = findings.by_rule().into_iter();
        // What is too long was counted where it was written, as `length_policy` says.
        let warnings = found
            .filter(|(rule, severity, _)| *severity == Severity::Warning && *rule != Rule::H203)
            .map(|(_, _, times)| times)
            .sum();
        if let Ok(mut checks) = self.learned.0.lock() {
            checks.push(self.check);
        }
        Checked { warnings, errors, wrong: self.wrong }
    }
}

impl Checked {
    /// Counts the warnings of a block that follows so many records.
    ///
    /// # Errors
    /// [`EngineError::NotConformant`] if there is an error among the findings.
    pub(super) fn settle(
        &self,
        source: &Source,
        records: u64,
        notes: &mut Notes,
    ) -> Result<(), EngineError> {
        notes.note_often(Note::Remark, self.warnings);
        let Some(Wrong { record, line, finding }) = &self.wrong else { return Ok(()) };
        let at =
            Position { extract: source.name.clone(), record: record.after(records), line: *line };
        let Finding { place, rule, .. } = finding;
        let first = format!("{at}, {place}: {} {}", rule.id(), rule.text());
        Err(EngineError::NotConformant { first, more: self.errors.saturating_sub(1) })
    }
}

/// Holds batch files to what their writer read back.
///
/// # Errors
/// [`EngineError::NotConformant`] names the first finding.
pub fn around(written: &[Written]) -> Result<(), EngineError> {
    let wrong = written.iter().find_map(|written| written.wrong.split_first());
    let Some((first, more)) = wrong else { return Ok(()) };
    Err(EngineError::NotConformant { first: first.to_string(), more: more.len() as u64 })
}
