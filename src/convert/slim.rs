//! What a header cannot fill is taken out of its program, and what never changes is
//! put together: most extracts have a third of the columns that the map knows, and a
//! field that can have no value should cost a record nothing.
//!
//! Nothing here changes what is written, or which fault comes first.

use super::column::Any;
use super::functions::Function;
use super::program::{
    Column, FieldProgram, Guard, Needs, RepetitionProgram, SegmentProgram, Source, Step, Value,
};

impl SegmentProgram {
    /// Takes out what can never be written and puts together what always is; false if
    /// nothing is left.
    pub fn slim(&mut self) -> bool {
        self.fields.retain_mut(FieldProgram::slim);
        let mut last = 0;
        self.head = self.name.to_vec();
        if self.name == *b"MSH" {
            self.head.extend_from_slice(b"|^~\\&");
            last = 2;
        }
        self.constant = 0;
        for field in &self.fields {
            let Some(bytes) = field.constant() else { break };
            self.head.extend(std::iter::repeat_n(b'|', usize::from(field.number - last)));
            self.head.extend_from_slice(bytes);
            self.constant += 1;
            last = field.number;
        }
        self.guard.can_speak() && !(self.fields.is_empty() && self.guard.cannot_refuse())
    }
}

impl Guard {
    /// True if a record can be let through, or refused.
    fn can_speak(&self) -> bool {
        let any = |columns: &Any| columns.columns().iter().any(Column::is_there);
        match &self.when {
            Some(when) => any(when) || self.lone.as_ref().is_some_and(|(_, columns)| any(columns)),
            None => true,
        }
    }

    fn cannot_refuse(&self) -> bool {
        self.lone.is_none() && self.after.is_none()
    }
}

impl FieldProgram {
    /// True if a column of the header feeds the field.
    pub fn can_vary(&self) -> bool {
        let steps = self.alternatives.iter().flatten().flat_map(|repetition| &repetition.steps);
        steps.into_iter().any(|step| match step {
            Step::Value(value) => {
                let there =
                    |source: &Source| matches!(source, Source::Column(column) if column.is_there());
                value.sources.iter().any(there) || value.function.needs_no_value()
            }
            _ => false,
        })
    }

    fn slim(&mut self) -> bool {
        for alternative in &mut self.alternatives {
            alternative.retain_mut(RepetitionProgram::slim);
        }
        self.alternatives.retain(|alternative| !alternative.is_empty());
        self.lone = self.only_value().cloned();
        self.needs = self.needs();
        self.is_charset || !self.alternatives.is_empty()
    }

    /// Returns the cells without which the field writes nothing and refuses nothing.
    fn needs(&self) -> Option<Needs> {
        let mut columns = Vec::new();
        let repetitions = || self.alternatives.iter().flatten();
        if self.deletes || self.is_charset || repetitions().any(|one| one.constant) {
            return None;
        }
        for step in repetitions().flat_map(|one| &one.steps) {
            let Step::Value(value) = step else { continue };
            for source in &value.sources {
                let Source::Column(column) = source else { return None };
                columns.push(column);
            }
            if !value.is_optional {
                return None;
            }
        }
        Needs::of(columns.into_iter())
    }

    /// Returns the value that the field is, if it is one value and nothing else.
    fn only_value(&self) -> Option<&Value> {
        let [alternative] = self.alternatives.as_slice() else { return None };
        let [one] = alternative.as_slice() else { return None };
        match one.steps.as_slice() {
            [Step::Value(value)] if !one.constant => Some(value),
            _ => None,
        }
    }

    /// Returns what is written for every record, if that is always the same.
    fn constant(&self) -> Option<&[u8]> {
        let [one] = self.alternatives.first()?.as_slice() else { return None };
        match one.steps.as_slice() {
            [Step::Bytes(bytes)] if one.constant => Some(bytes),
            _ => None,
        }
    }
}

impl RepetitionProgram {
    fn slim(&mut self) -> bool {
        let mut steps: Vec<Step> = Vec::new();
        // Components begun since the last step that can write.
        let mut begun = 0;
        for mut step in std::mem::take(&mut self.steps) {
            match &mut step {
                Step::Next(count) => {
                    begun += *count;
                    continue;
                }
                Step::Value(value) => {
                    if !value.slim() {
                        continue;
                    }
                    if let Some(Source::Bytes(bytes)) = value.sources.first_mut() {
                        // A setting gives its repetition a value in every record.
                        self.constant = true;
                        step = Step::Bytes(std::mem::take(bytes));
                    }
                }
                Step::Bytes(bytes) if bytes.is_empty() => continue,
                Step::Bytes(_) => {}
            }
            match (steps.last_mut(), &step) {
                (Some(Step::Bytes(before)), Step::Bytes(bytes)) => {
                    before.resize(before.len() + begun, b'^');
                    before.extend_from_slice(bytes);
                }
                _ => {
                    steps.extend((begun > 0).then_some(Step::Next(begun)));
                    steps.push(step);
                }
            }
            begun = 0;
        }
        self.steps = steps;
        self.constant && !self.steps.is_empty()
            || self.steps.iter().any(|step| matches!(step, Step::Value(_)))
    }
}

impl Value {
    fn slim(&mut self) -> bool {
        self.sources.retain(|source| match source {
            Source::Column(column) => column.is_there(),
            Source::Bytes(bytes) => !bytes.is_empty(),
            Source::Start | Source::End | Source::Set | Source::Control => true,
        });
        self.is_optional = self.required.is_none() && !self.function.needs_no_value();
        self.cell = match self.sources.as_slice() {
            [Source::Column(column)] => column.lone_cell(),
            _ => None,
        };
        !self.sources.is_empty() || !self.is_optional
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
