//! A message as the map has it, bound to a header: segments, their fields, the
//! alternatives of these. `slim.rs` takes out what the header cannot fill, and
//! [`SegmentDraft::append`] makes of the rest the one list that a record is written by.

use super::guard::Guard;
use super::output::Constant;
use super::program::{Segment, Step};
use super::value::Value;
use crate::hl7::Path;

#[derive(Clone, Debug)]
pub(super) struct SegmentDraft {
    pub name: [u8; 3],
    pub guard: Guard,
    pub fields: Vec<FieldDraft>,
}

#[derive(Clone, Debug)]
pub(super) struct FieldDraft {
    pub path: Path,
    /// The first that gives a value wins.
    pub alternatives: Vec<Vec<RepetitionDraft>>,
    /// The most characters of a repetition.
    pub limit: usize,
    /// Written as `""` where no alternative gives a value.
    pub deletes: bool,
    /// MSH-18: decided when the message is whole.
    pub is_charset: bool,
    /// As the map writes it, for `--explain`.
    pub text: Vec<String>,
}

#[derive(Clone, Debug)]
pub(super) struct RepetitionDraft {
    pub parts: Vec<PartDraft>,
    /// Written without any column giving a value.
    pub constant: bool,
}

/// A piece of a repetition, after so many `^`.
#[derive(Clone, Debug)]
pub(super) enum PartDraft {
    Bytes(usize, Vec<u8>),
    Value(usize, Value),
}

/// The bytes of a segment that are the same in every record.
struct Head {
    bytes: Vec<u8>,
    /// How many fields those are.
    fields: usize,
    /// The last of them.
    last: u8,
}

impl SegmentDraft {
    /// Appends the steps that write it; `index` is that of its rules.
    pub fn append(self, index: usize, steps: &mut Vec<Step>) {
        let head = self.head();
        let opened = steps.len();
        let segment = Box::new(Segment {
            name: self.name,
            guard: self.guard,
            head: Constant::of(head.bytes),
            constant: head.last,
            has_constants: head.fields > 0,
        });
        steps.push(Step::Open { segment, past: 0 });
        self.fields.into_iter().skip(head.fields).for_each(|field| field.append(steps));
        steps.push(Step::Close { index });
        let end = steps.len();
        if let Some(Step::Open { past, .. }) = steps.get_mut(opened) {
            *past = end;
        }
    }

    /// Returns its fields as the map writes them.
    pub fn rules(&self) -> Vec<(Path, String)> {
        self.fields.iter().map(|field| (field.path, field.text.join("  or  "))).collect()
    }

    fn head(&self) -> Head {
        let mut head = Head { bytes: self.name.to_vec(), fields: 0, last: 0 };
        if self.name == *b"MSH" {
            head.bytes.extend_from_slice(b"|^~\\&");
            head.last = 2;
        }
        for field in &self.fields {
            let Some(bytes) = field.constant() else { break };
            let number = field.number();
            head.bytes.extend(std::iter::repeat_n(b'|', usize::from(number - head.last)));
            head.bytes.extend_from_slice(bytes);
            (head.fields, head.last) = (head.fields + 1, number);
        }
        head
    }
}

impl FieldDraft {
    fn number(&self) -> u8 {
        self.path.field() as u8
    }

    fn append(self, steps: &mut Vec<Step>) {
        let (number, limit) = (self.number(), self.limit);
        if self.is_charset {
            return steps.push(Step::Charset);
        }
        if let Some(value) = self.only_value().cloned() {
            return steps.push(match value.text() {
                Some(place) => Step::Text { number, limit, place, rule: value.rule },
                None => Step::Lone { number, limit, value },
            });
        }
        let begun = steps.len();
        steps.push(Step::Field { number, needs: self.needs(), past: 0 });
        match self.only_repetition().cloned() {
            Some(RepetitionDraft { parts, constant }) => {
                steps.extend(parts.into_iter().map(PartDraft::step));
                steps.push(Step::Whole { constant, limit });
            }
            None => self.append_all(steps),
        }
        let end = steps.len();
        if let Some(Step::Field { past, .. }) = steps.get_mut(begun) {
            *past = end;
        }
    }

    fn append_all(self, steps: &mut Vec<Step>) {
        let count = self.alternatives.len();
        let mut ors = Vec::new();
        for (at, alternative) in self.alternatives.into_iter().enumerate() {
            for RepetitionDraft { parts, constant } in alternative {
                steps.extend(parts.into_iter().map(PartDraft::step));
                steps.push(Step::Repetition { constant });
            }
            if at + 1 < count {
                ors.push(steps.len());
                steps.push(Step::Or { past: 0 });
            }
        }
        if self.deletes {
            steps.push(Step::Delete);
        }
        let end = steps.len();
        steps.push(Step::End { limit: self.limit });
        for or in ors {
            steps[or] = Step::Or { past: end };
        }
    }
}

impl PartDraft {
    fn step(self) -> Step {
        match self {
            PartDraft::Bytes(carets, bytes) => Step::Bytes { carets, bytes: Constant::of(bytes) },
            PartDraft::Value(carets, value) => match value.text() {
                Some(place) => Step::PartText { carets, place, rule: value.rule },
                None => Step::Part { carets, value },
            },
        }
    }
}
