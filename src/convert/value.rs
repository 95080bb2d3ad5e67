//! One value on its way from its columns into a field.

use std::borrow::Cow;

use super::column::Column;
use super::functions::Function;
use super::output::{Output, put};
use super::program::Refusal;
use super::scene::{Place, Scene};
use super::values::write_minute;
use crate::domain::Code;
use crate::hl7::Path;

/// Whether something was written, or the reason not to; in a box, since every value of a
/// record hands it up, and it is hardly ever there.
pub(super) type Wrote = Result<bool, Box<Refusal>>;

/// A value, with what most need beside it.
#[derive(Clone, Debug)]
pub(super) struct Value {
    /// Its source, where that is one cell and nothing else: nearly always.
    pub place: Option<Place>,
    /// Without a value from its sources it writes nothing and refuses nothing.
    pub is_optional: bool,
    pub rule: Box<Rule>,
}

/// Where a value comes from, what is done to it, and what is said without one.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub sources: Vec<Source>,
    pub function: Function,
    pub required: Option<Code>,
    /// The field it goes into.
    pub path: Path,
    /// Named in the fault of a value that is not there.
    pub name: Cow<'static, str>,
}

#[derive(Clone, Debug)]
pub(super) enum Source {
    Column(Column),
    Bytes(Vec<u8>),
    Start,
    End,
    Set,
    Control,
}

impl Value {
    /// Takes a rule; `slim.rs` finds out the rest.
    pub fn of(rule: Rule) -> Value {
        Value { place: None, is_optional: false, rule: Box::new(rule) }
    }

    /// Returns the cell of a value that is its text and nothing else.
    pub fn text(&self) -> Option<Place> {
        self.place.filter(|_| matches!(self.rule.function, Function::Text))
    }

    /// Writes the value; says whether there was one. If not, nothing is written.
    #[inline(always)]
    pub fn write(&self, scene: &Scene<'_>, out: &mut Output) -> Wrote {
        let Some(place) = self.place else { return self.write_first(scene, out) };
        match scene.reach(place) {
            (_, 0) if self.is_optional => Ok(false),
            (_, 0) => self.rule.write_without(scene, out),
            (text, length) => self.rule.write(&text[..length], None, scene, out),
        }
    }

    /// Writes the first of the sources that gives something.
    #[inline(never)]
    fn write_first(&self, scene: &Scene<'_>, out: &mut Output) -> Wrote {
        for source in &self.rule.sources {
            if let Source::Column(column) = source {
                let value = column.tidy(scene);
                if !value.is_empty() {
                    return self.rule.write(value, Some(column), scene, out);
                }
            } else if source.write(scene, out) {
                return Ok(true);
            }
        }
        if self.is_optional { Ok(false) } else { self.rule.write_without(scene, out) }
    }
}

impl Rule {
    /// Writes the text of a cell, which is all that is done to it.
    #[inline(always)]
    pub fn write_text(&self, place: Place, scene: &Scene<'_>, out: &mut Output) -> Wrote {
        let (text, length) = scene.reach(place);
        if length == 0 {
            return if self.required.is_none() {
                Ok(false)
            } else {
                self.write_without(scene, out)
            };
        }
        if scene.plain || scene.is_plain(place) {
            put((text, length), &mut out.bytes);
            return Ok(true);
        }
        self.write(&text[..length], None, scene, out)
    }

    #[inline(always)]
    fn write(
        &self,
        value: &[u8],
        column: Option<&Column>,
        scene: &Scene<'_>,
        out: &mut Output,
    ) -> Wrote {
        let before = out.bytes.len();
        match self.function.write(value, scene, out) {
            Ok(()) => Ok(out.bytes.len() > before),
            Err(code) => Err(self.refusal_of(code, column)),
        }
    }

    #[cold]
    fn refusal_of(&self, code: Code, column: Option<&Column>) -> Box<Refusal> {
        // Of the columns that it may come from, the one that the header has.
        let there = || {
            self.sources.iter().find_map(|source| match source {
                Source::Column(column) if column.is_there() => Some(column),
                _ => None,
            })
        };
        let column = column.or_else(there);
        self.refusal(code, column.map_or(&self.name, |column| &column.name).clone())
    }

    #[inline(never)]
    fn write_without(&self, scene: &Scene<'_>, out: &mut Output) -> Wrote {
        if let Some(code) = self.required {
            return Err(self.refusal(code, self.name.clone()));
        }
        let written = self.function.write_without(scene, out);
        written.map_err(|code| self.refusal(code, self.name.clone()))
    }

    #[cold]
    fn refusal(&self, code: Code, column: Cow<'static, str>) -> Box<Refusal> {
        Box::new(Refusal { code, column, field: Some(self.path) })
    }
}

impl Source {
    /// Writes what does not come from a column, if there is any.
    fn write(&self, scene: &Scene<'_>, out: &mut Output) -> bool {
        match self {
            Source::Column(_) => return false,
            Source::Bytes(bytes) => out.bytes.extend_from_slice(bytes),
            Source::Control => out.slots.push(out.bytes.len()),
            Source::Set => match scene.set {
                set @ ..10 => out.bytes.push(b'0' + set as u8),
                set => out.bytes.extend_from_slice(set.to_string().as_bytes()),
            },
            Source::Start | Source::End => {
                let at = if matches!(self, Source::Start) { scene.start } else { scene.end };
                let Some(at) = at else { return false };
                write_minute(at, &mut out.bytes);
            }
        }
        true
    }
}
