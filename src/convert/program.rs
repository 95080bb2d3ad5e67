//! A compiled message: what is written for one record of one event.
//!
//! The hot path of the program. Everything that can be known before the record is
//! already bytes here; a record adds its values to one growing buffer.

use std::borrow::Cow;

use jiff::civil::DateTime;

pub(super) use super::column::{Blank, Column, Needs, Translating};
use super::functions::Function;
use super::outside::Outside;
use super::references::References;
use super::values::{date, date_time, time, write_minute};
use super::{charset, lengths};
use crate::domain::{Charset, Code, Controls, Event, LineEnding, Note, Notes, ProviderIds, Values};
use crate::hl7::{Path, is_plain, is_plain_between};

/// "Delete the value", on the wire.
const DELETE: &[u8] = b"\"\"";

/// A message type bound to a header, ready to be run for each record.
#[derive(Clone, Debug)]
pub struct Program {
    /// Every column that it may read.
    pub(super) columns: Vec<Column>,
    pub(super) segments: Vec<SegmentProgram>,
    pub(super) outside: Outside,
    pub(super) times: Option<Times>,
    pub(super) charset: Charset,
    pub(super) line_ending: LineEnding,
    pub(super) controls: Controls,
    /// Whether a field that is too long is a fault.
    pub(super) refuses_long: bool,
    pub(super) ids: ProviderIds,
}

#[derive(Clone, Debug)]
pub(super) struct SegmentProgram {
    pub name: [u8; 3],
    pub guard: Guard,
    /// The name and the first fields, as far as they are the same in every record.
    pub head: Vec<u8>,
    /// How many fields those are.
    pub constant: usize,
    pub fields: Vec<FieldProgram>,
}

/// Whether a segment is written for a record.
#[derive(Clone, Debug, Default)]
pub(super) struct Guard {
    pub when: Option<Vec<Column>>,
    pub unless: Vec<Column>,
    pub lone: Option<(Code, Vec<Column>)>,
    /// Fault if this segment is there, but the one before it in its count is not.
    pub after: Option<(Code, Vec<Column>)>,
}

#[derive(Clone, Debug)]
pub(super) struct FieldProgram {
    pub number: u8,
    pub path: Path,
    pub alternatives: Vec<Vec<RepetitionProgram>>,
    /// The field, if it is one value and nothing else, as most fields are. It stands
    /// here, not behind four lists, each a load that waits for the one before.
    pub lone: Option<Value>,
    /// Without these nothing is written, and nothing refused.
    pub needs: Option<Needs>,
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
pub(super) struct RepetitionProgram {
    pub steps: Vec<Step>,
    /// Written without any column giving a value.
    pub constant: bool,
}

#[derive(Clone, Debug)]
pub(super) enum Step {
    /// So many components begin.
    Next(usize),
    Bytes(Vec<u8>),
    Value(Value),
}

#[derive(Clone, Debug)]
pub(super) struct Value {
    pub sources: Vec<Source>,
    pub function: Function,
    pub required: Option<Code>,
    /// Without a value from its sources it writes nothing and refuses nothing.
    pub is_optional: bool,
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

/// The columns that say when an appointment is.
#[derive(Clone, Debug)]
pub(super) struct Times {
    pub date: Column,
    pub start: Column,
    pub both: Column,
    pub duration: Column,
}

/// A record: its own values and, for an appointment, its patient's.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// The record's values.
    pub own: Values<'a>,
    /// The patient's record, where it comes from a patients extract.
    pub patient: Option<Values<'a>>,
}

/// Messages as they are made, without their control numbers.
#[derive(Clone, Debug, Default)]
pub struct Output {
    /// The messages' bytes.
    pub bytes: Vec<u8>,
    /// Where the control number of each message goes, ascending.
    pub slots: Vec<usize>,
    /// Where each message begins and what it tells, for whoever calls
    /// [`Output::head`]; as long as `slots` then.
    pub heads: Vec<(usize, Event)>,
    /// What was noticed.
    pub notes: Notes,
}

/// A place in an [`Output`] to come back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    bytes: usize,
    slots: usize,
}

/// Why a record is refused; its position is added by whoever knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The reason.
    pub code: Code,
    /// The column, by its canonical name.
    pub column: Cow<'static, str>,
    /// The field that needs it.
    pub field: Option<Path>,
}

/// Separators that are written once something follows them: empty components and
/// fields at the end are not written (3.4), and most fields of most records are empty.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Owed {
    /// `|`
    pub fields: u8,
    /// `~`
    pub repetition: bool,
    /// `^`
    pub components: usize,
}

/// What a record's values are written with.
pub(super) struct Scene<'a> {
    pub input: Input<'a>,
    pub references: &'a References,
    pub ids: ProviderIds,
    pub start: Option<DateTime>,
    pub end: Option<DateTime>,
    pub set: u32,
    /// No byte of the record needs an escape: one look at the whole of it saves one
    /// at each value.
    pub plain: bool,
    pub line_ending: &'static [u8],
    pub controls: Controls,
    pub refuses_long: bool,
}

impl Output {
    /// Returns the place reached.
    pub fn mark(&self) -> Mark {
        Mark { bytes: self.bytes.len(), slots: self.slots.len() }
    }

    /// Goes back to a place: what was written since is forgotten.
    pub fn reset(&mut self, mark: Mark) {
        self.bytes.truncate(mark.bytes);
        self.slots.truncate(mark.slots);
        self.heads.truncate(mark.slots);
    }

    /// Says that a message of this event begins here.
    pub fn head(&mut self, event: Event) {
        self.heads.push((self.bytes.len(), event));
    }

    /// Makes it empty and keeps its buffers.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.slots.clear();
        self.heads.clear();
        self.notes = Notes::default();
    }

    /// Counts a note.
    pub fn note(&mut self, note: Note) {
        self.notes.note(note);
    }
}

impl Program {
    /// Appends the message of one record.
    ///
    /// # Errors
    /// [`Refusal`]: the first thing wrong with the record. What was written of it is
    /// still in `out`; the caller goes back to its mark.
    pub fn run(
        &self,
        input: Input<'_>,
        references: &References,
        out: &mut Output,
    ) -> Result<(), Refusal> {
        let mut scene = self.scene(input, references)?;
        let begin = out.bytes.len();
        let mut charset = None;
        let mut before = [0; 3];
        for segment in &self.segments {
            if segment.name != before {
                scene.set = 0;
                before = segment.name;
            }
            scene.set += 1;
            if !segment.guard.admits(input)? || !segment.write(&scene, &mut charset, out)? {
                scene.set -= 1;
            }
        }
        charset::finish(self.charset, begin, charset, out)
    }

    /// Returns the fields that are written as `""` where their columns are empty.
    pub(super) fn deletable(&self) -> impl Iterator<Item = Path> {
        let fields = self.segments.iter().flat_map(|segment| &segment.fields);
        fields.filter(|field| field.deletes).map(|field| field.path)
    }

    /// Returns when the appointment of a record begins, if it says so.
    pub fn starts(&self, input: Input<'_>) -> Option<DateTime> {
        self.times.as_ref()?.start(input).ok()
    }

    pub(super) fn scene<'a>(
        &self,
        input: Input<'a>,
        references: &'a References,
    ) -> Result<Scene<'a>, Refusal> {
        self.outside.check(input)?;
        let (start, end) = match &self.times {
            Some(times) => times.of(input).map(|(start, end)| (Some(start), Some(end)))?,
            None => (None, None),
        };
        let plain = std::iter::once(input.own).chain(input.patient).all(is_plain_record);
        let line_ending = self.line_ending.bytes();
        let (ids, controls, refuses_long) = (self.ids, self.controls, self.refuses_long);
        Ok(Scene {
            input,
            references,
            ids,
            start,
            end,
            set: 0,
            plain,
            line_ending,
            controls,
            refuses_long,
        })
    }
}

impl Guard {
    pub fn admits(&self, input: Input<'_>) -> Result<bool, Refusal> {
        let has =
            |columns: &[Column]| columns.iter().any(|column| !column.value(&input).is_empty());
        let Some(when) = &self.when else { return Ok(true) };
        if has(when) {
            return match &self.after {
                Some((code, columns)) if !has(columns) => Err(self.refusal(*code)),
                _ => Ok(!has(&self.unless)),
            };
        }
        match &self.lone {
            Some((code, columns)) if has(columns) => Err(self.refusal(*code)),
            _ => Ok(false),
        }
    }

    fn refusal(&self, code: Code) -> Refusal {
        let column = self.when.iter().flatten().next().map(|column| column.name.clone());
        Refusal { code, column: column.unwrap_or_default(), field: None }
    }
}

impl SegmentProgram {
    /// Writes the segment; says whether any field had a value, and if none had, the
    /// segment is not there.
    fn write(
        &self,
        scene: &Scene<'_>,
        charset: &mut Option<(usize, u8)>,
        out: &mut Output,
    ) -> Result<bool, Refusal> {
        let begin = out.mark();
        out.bytes.extend_from_slice(&self.head);
        let (constant, rest) = self.fields.split_at(self.constant);
        let first = if self.name == *b"MSH" { 2 } else { 0 };
        let mut last = constant.last().map_or(first, |field| field.number);
        for field in rest {
            if field.is_charset {
                *charset = Some((out.bytes.len(), last));
                continue;
            }
            if field.needs.as_ref().is_some_and(|needs| !needs.are_met(&scene.input)) {
                continue;
            }
            let before = out.bytes.len();
            let owed = field.number - last;
            if field.write(scene, owed, out)? {
                last = field.number;
                if out.bytes.len() - before > field.limit.saturating_add(owed.into()) {
                    field.check_length(before, scene, out)?;
                }
            }
        }
        if last == first {
            out.reset(begin);
            return Ok(false);
        }
        out.bytes.extend_from_slice(scene.line_ending);
        Ok(true)
    }
}

impl FieldProgram {
    /// Writes the first alternative that gives a value, after the separators that are
    /// owed before it; says whether one did.
    #[inline]
    pub fn write(&self, scene: &Scene<'_>, fields: u8, out: &mut Output) -> Result<bool, Refusal> {
        if let Some(value) = &self.lone
            && !self.deletes
        {
            return value.write(self.path, scene, Owed { fields, ..Owed::default() }, out);
        }
        self.write_parts(scene, fields, out)
    }

    fn write_parts(
        &self,
        scene: &Scene<'_>,
        fields: u8,
        out: &mut Output,
    ) -> Result<bool, Refusal> {
        for alternative in &self.alternatives {
            let mut owed = Owed { fields, ..Owed::default() };
            for repetition in alternative {
                if repetition.write(self.path, scene, owed, out)? {
                    owed = Owed { repetition: true, ..Owed::default() };
                }
            }
            if owed.repetition {
                return Ok(true);
            }
        }
        if self.deletes {
            Owed { fields, ..Owed::default() }.pay(&mut out.bytes);
            out.bytes.extend_from_slice(DELETE);
        }
        Ok(self.deletes)
    }

    /// Counts or refuses a field that may be too long: what was written since `before`.
    #[cold]
    fn check_length(
        &self,
        before: usize,
        scene: &Scene<'_>,
        out: &mut Output,
    ) -> Result<(), Refusal> {
        if lengths::has_longer(&out.bytes[before..], self.limit) {
            if scene.refuses_long {
                let column = Cow::default();
                return Err(Refusal { code: Code::F001, column, field: Some(self.path) });
            }
            out.note(Note::TooLong);
        }
        Ok(())
    }
}

impl RepetitionProgram {
    fn write(
        &self,
        path: Path,
        scene: &Scene<'_>,
        mut owed: Owed,
        out: &mut Output,
    ) -> Result<bool, Refusal> {
        let begin = out.mark();
        let mut gave = self.constant;
        for step in &self.steps {
            match step {
                Step::Next(count) => {
                    owed.components += count;
                    continue;
                }
                Step::Bytes(bytes) => {
                    owed.pay(&mut out.bytes);
                    out.bytes.extend_from_slice(bytes);
                }
                Step::Value(value) => {
                    if !value.write(path, scene, owed, out)? {
                        continue;
                    }
                    gave = true;
                }
            }
            owed = Owed::default();
        }
        if !gave {
            out.reset(begin);
        }
        // A control number's place is a value, though it is still empty.
        Ok(gave && out.mark() != begin)
    }
}

impl Owed {
    #[inline]
    fn pay(self, out: &mut Vec<u8>) {
        separators(b'|', self.fields.into(), out);
        if self.repetition {
            out.push(b'~');
        }
        separators(b'^', self.components, out);
    }
}

/// Writes so many: one as a rule, else sixteen at once and the rest taken back, since a
/// fixed number is one move and any other is a call.
#[inline]
fn separators(byte: u8, count: usize, out: &mut Vec<u8>) {
    match count {
        0 => {}
        1 => out.push(byte),
        2..=16 => {
            let end = out.len() + count;
            out.extend_from_slice(&[byte; 16]);
            out.truncate(end);
        }
        _ => out.resize(out.len() + count, byte),
    }
}

impl Value {
    /// Writes what is owed and the value; says whether there was one. If not, nothing
    /// is written.
    #[inline]
    fn write(
        &self,
        path: Path,
        scene: &Scene<'_>,
        owed: Owed,
        out: &mut Output,
    ) -> Result<bool, Refusal> {
        for source in &self.sources {
            if let Source::Column(column) = source {
                let value = column.value(&scene.input);
                if !value.is_empty() {
                    return self.write_value(value, column, path, scene, owed, out);
                }
            } else if source.write(scene, owed, out) {
                return Ok(true);
            }
        }
        // Two of three values are not there, and that is all there is to say.
        if self.is_optional { Ok(false) } else { self.write_without(path, scene, owed, out) }
    }

    #[inline]
    fn write_value(
        &self,
        value: &[u8],
        column: &Column,
        path: Path,
        scene: &Scene<'_>,
        owed: Owed,
        out: &mut Output,
    ) -> Result<bool, Refusal> {
        // The rule: plain text. Every other function may refuse, or write nothing.
        if scene.plain && matches!(self.function, Function::Text) {
            owed.pay(&mut out.bytes);
            out.bytes.extend_from_slice(value);
            return Ok(true);
        }
        self.write_otherwise(value, column, path, scene, owed, out)
    }

    #[inline(never)]
    fn write_otherwise(
        &self,
        value: &[u8],
        column: &Column,
        path: Path,
        scene: &Scene<'_>,
        owed: Owed,
        out: &mut Output,
    ) -> Result<bool, Refusal> {
        let begin = out.mark();
        owed.pay(&mut out.bytes);
        let written = self.function.write(value, scene, out);
        let written = written.map_err(|code| refusal(code, column.name.clone(), path))?;
        if !written {
            out.reset(begin);
        }
        Ok(written)
    }

    #[cold]
    fn write_without(
        &self,
        path: Path,
        scene: &Scene<'_>,
        owed: Owed,
        out: &mut Output,
    ) -> Result<bool, Refusal> {
        if let Some(code) = self.required {
            return Err(refusal(code, self.name.clone(), path));
        }
        let begin = out.mark();
        owed.pay(&mut out.bytes);
        let written = self.function.write_without(scene, out);
        let written = written.map_err(|code| refusal(code, self.name.clone(), path))?;
        if !written {
            out.reset(begin);
        }
        Ok(written)
    }
}

/// True if no value of a record needs an escape; one look at all of it.
fn is_plain_record(record: Values<'_>) -> bool {
    match record.stretch() {
        (bytes, Some(between)) => is_plain_between(bytes, between),
        (bytes, None) => is_plain(bytes),
    }
}

fn refusal(code: Code, column: Cow<'static, str>, path: Path) -> Refusal {
    Refusal { code, column, field: Some(path) }
}

impl Source {
    /// Writes what is owed and what does not come from a column, if there is any.
    fn write(&self, scene: &Scene<'_>, owed: Owed, out: &mut Output) -> bool {
        match self {
            Source::Column(_) => return false,
            Source::Bytes(bytes) if bytes.is_empty() => return false,
            Source::Bytes(bytes) => {
                owed.pay(&mut out.bytes);
                out.bytes.extend_from_slice(bytes);
            }
            Source::Control => {
                owed.pay(&mut out.bytes);
                out.slots.push(out.bytes.len());
            }
            Source::Set => {
                owed.pay(&mut out.bytes);
                out.bytes.extend_from_slice(scene.set.to_string().as_bytes());
            }
            Source::Start | Source::End => {
                let at = if matches!(self, Source::Start) { scene.start } else { scene.end };
                let Some(at) = at else { return false };
                owed.pay(&mut out.bytes);
                write_minute(at, &mut out.bytes);
            }
        }
        true
    }
}

impl Times {
    /// Returns its columns.
    pub fn columns(&self) -> [&Column; 4] {
        [&self.date, &self.start, &self.both, &self.duration]
    }

    /// Returns when the appointment begins and ends, the next day if need be (8.26).
    fn of(&self, input: Input<'_>) -> Result<(DateTime, DateTime), Refusal> {
        let start = self.start(input)?;
        let field = Path::of_field(*b"SCH", 9);
        let refusal = |code| Refusal { code, column: "duration".into(), field: Some(field) };
        let duration = self.duration.value(&input);
        if duration.is_empty() {
            return Err(refusal(Code::M001));
        }
        let minutes = super::functions::minutes(duration).ok_or_else(|| refusal(Code::N001))?;
        let span = jiff::SignedDuration::from_mins(i64::from(minutes));
        let end = start.checked_add(span).map_err(|_| refusal(Code::N001))?;
        Ok((start, end))
    }

    fn start(&self, input: Input<'_>) -> Result<DateTime, Refusal> {
        let field = Path::of_field(*b"SCH", 11);
        let refusal = |code, column: &Column| Refusal {
            code,
            column: column.name.clone(),
            field: Some(field),
        };
        let (day, clock) = (self.date.value(&input), self.start.value(&input));
        if day.is_empty() || clock.is_empty() {
            let both = self.both.value(&input);
            if both.is_empty() {
                let empty = if day.is_empty() { &self.date } else { &self.start };
                return Err(refusal(Code::M001, empty));
            }
            return match date_time(both) {
                Some((day, Some(clock))) => Ok(day.to_datetime(clock)),
                _ => Err(refusal(Code::T001, &self.both)),
            };
        }
        let day = date(day).ok_or_else(|| refusal(Code::T001, &self.date))?;
        let clock = time(clock).ok_or_else(|| refusal(Code::T001, &self.start))?;
        Ok(day.to_datetime(clock))
    }
}
