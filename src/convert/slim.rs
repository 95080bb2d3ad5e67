//! What a header cannot fill is taken out of its program, and what never changes is
//! put together: most extracts have a third of the columns that the map knows, and a
//! field that can have no value should cost a record nothing.
//!
//! Nothing here changes what is written, or which fault comes first.

use super::column::{Column, Needs};
use super::draft::{FieldDraft, PartDraft, RepetitionDraft, SegmentDraft};
use super::functions::Function;
use super::value::{Source, Value};

impl SegmentDraft {
    /// Takes out what can never be written and puts together what always is; false if
    /// nothing is left.
    pub fn slim(&mut self) -> bool {
        self.fields.retain_mut(FieldDraft::slim);
        self.guard.can_speak() && !(self.fields.is_empty() && self.guard.cannot_refuse())
    }
}

impl FieldDraft {
    /// True if a column of the header feeds the field.
    pub fn can_vary(&self) -> bool {
        let there = |source: &Source| matches!(source, Source::Column(one) if one.is_there());
        self.values().any(|value| {
            value.rule.sources.iter().any(there) || value.rule.function.needs_no_value()
        })
    }

    fn slim(&mut self) -> bool {
        for alternative in &mut self.alternatives {
            alternative.retain_mut(RepetitionDraft::slim);
        }
        self.alternatives.retain(|alternative| !alternative.is_empty());
        self.is_charset || !self.alternatives.is_empty()
    }

    fn values(&self) -> impl Iterator<Item = &Value> {
        let parts = self.alternatives.iter().flatten().flat_map(|one| &one.parts);
        parts.filter_map(|part| match part {
            PartDraft::Value(_, value) => Some(value),
            PartDraft::Bytes(..) => None,
        })
    }

    /// Returns the cells without which the field writes nothing and refuses nothing.
    pub fn needs(&self) -> Option<Needs> {
        if self.deletes || self.alternatives.iter().flatten().any(|one| one.constant) {
            return None;
        }
        let mut columns = Vec::new();
        for value in self.values() {
            for source in &value.rule.sources {
                let Source::Column(column) = source else { return None };
                columns.push(column);
            }
            if !value.is_optional {
                return None;
            }
        }
        Needs::of(columns.into_iter())
    }

    /// Returns the repetition that the field is, if it is one and nothing else.
    pub fn only_repetition(&self) -> Option<&RepetitionDraft> {
        match self.alternatives.as_slice() {
            [alternative] if alternative.len() == 1 && !self.deletes => alternative.first(),
            _ => None,
        }
    }

    /// Returns the value that the field is, if it is one value and nothing else.
    pub fn only_value(&self) -> Option<&Value> {
        match self.only_repetition()? {
            RepetitionDraft { parts, constant: false } => match parts.as_slice() {
                [PartDraft::Value(0, value)] => Some(value),
                _ => None,
            },
            _ => None,
        }
    }

    /// Returns what is written for every record, if that is always the same.
    pub fn constant(&self) -> Option<&[u8]> {
        match self.alternatives.first()?.as_slice() {
            [RepetitionDraft { parts, constant: true }] => match parts.as_slice() {
                [PartDraft::Bytes(0, bytes)] => Some(bytes),
                _ => None,
            },
            _ => None,
        }
    }
}

impl RepetitionDraft {
    fn slim(&mut self) -> bool {
        let mut parts: Vec<PartDraft> = Vec::new();
        // Components begun since the last part that can write.
        let mut begun = 0;
        for part in std::mem::take(&mut self.parts) {
            let (carets, part) = match part {
                PartDraft::Bytes(carets, bytes) => (carets, Ok(bytes)),
                PartDraft::Value(carets, value) => (carets, Err(value)),
            };
            begun += carets;
            let bytes = match part {
                Ok(bytes) if bytes.is_empty() => continue,
                Ok(bytes) => bytes,
                Err(mut value) => {
                    if !value.slim() {
                        continue;
                    }
                    match value.rule.sources.first_mut() {
                        // A setting gives its repetition a value in every record.
                        Some(Source::Bytes(bytes)) => {
                            self.constant = true;
                            std::mem::take(bytes)
                        }
                        _ => {
                            parts.push(PartDraft::Value(std::mem::take(&mut begun), value));
                            continue;
                        }
                    }
                }
            };
            match parts.last_mut() {
                Some(PartDraft::Bytes(_, before)) => {
                    before.resize(before.len() + begun, b'^');
                    before.extend_from_slice(&bytes);
                }
                _ => parts.push(PartDraft::Bytes(begun, bytes)),
            }
            begun = 0;
        }
        self.parts = parts;
        let has_value = self.parts.iter().any(|part| matches!(part, PartDraft::Value(..)));
        has_value || self.constant && !self.parts.is_empty()
    }
}

impl Value {
    fn slim(&mut self) -> bool {
        let rule = &mut *self.rule;
        rule.sources.retain(|source| match source {
            Source::Column(column) => column.is_there(),
            Source::Bytes(bytes) => !bytes.is_empty(),
            Source::Start | Source::End | Source::Set | Source::Control => true,
        });
        self.is_optional = rule.required.is_none() && !rule.function.needs_no_value();
        self.place = match rule.sources.as_slice() {
            [Source::Column(column)] => column.lone_cell(),
            _ => None,
        };
        !rule.sources.is_empty() || !self.is_optional
    }
}

impl Function {
    /// True if something can be written, or refused, where no source has a value.
    pub fn needs_no_value(&self) -> bool {
        match self {
            Function::Code { default: Some(_), .. } => true,
            Function::Code { lookup, .. }
            | Function::Coded(lookup)
            | Function::Each { lookup, .. } => {
                lookup.declined.as_ref().is_some_and(|declined| declined.column.is_there())
            }
            Function::Person(columns) => {
                let names = [&columns.last, &columns.first, &columns.name];
                let mut all = names.into_iter().chain([&columns.id, &columns.npi]);
                all.any(Column::is_there)
            }
            _ => false,
        }
    }
}
