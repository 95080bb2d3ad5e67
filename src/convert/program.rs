//! A compiled message: what is written for one record of one event.
//!
//! The hot path of the program. Everything that can be known before the record is
//! already bytes here; a record adds its values to one growing buffer.

use std::borrow::Cow;

use jiff::civil::DateTime;

use super::column::{Any, Tidier};
pub(super) use super::column::{Blank, Column, Needs, Translating};
use super::functions::Function;
use super::outside::Outside;
use super::references::References;
use super::values::{date, date_time, time, write_minute};
use super::{charset, lengths};
use crate::domain::{
    Charset, Code, Controls, Event, LineEnding, Note, Notes, ProviderIds, Spans, Values,
};
use crate::hl7::{Path, is_plain, is_plain_between};

/// "Delete the value", on the wire.
pub(super) const DELETE: &[u8] = b"\"\"";

/// A message type bound to a header, ready to be run for each record.
#[derive(Clone, Debug)]
pub struct Program {
    /// Every column that it may read.
    pub(super) columns: Vec<Column>,
    /// What is done to the values of the record and of the patient's.
    pub(super) tidiers: [Tidier; 2],
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
    pub when: Option<Any>,
    pub unless: Any,
    pub lone: Option<(Code, Any)>,
    /// Fault if this segment is there, but the one before it in its count is not.
    pub after: Option<(Code, Any)>,
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
    /// The row and the cell of its source, where that is all there is: nearly always.
    pub cell: Option<(usize, usize)>,
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

impl<'a> Input<'a> {
    /// Returns the record itself for row 0, and else its patient's, if there is one.
    #[inline(always)]
    pub(super) fn of_row(&self, row: usize) -> Option<&Values<'a>> {
        if row == 0 { Some(&self.own) } else { self.patient.as_ref() }
    }
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
    /// Where the tidied values of the record at hand stand, and its patient's.
    pub(super) scratch: [Spans; 2],
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

/// What is written is nothing, something, or the reason not to; in a box, since it is handed
/// up through five calls for every value of a record, and is hardly ever there.
type Wrote = Result<bool, Box<Refusal>>;

/// What a record's values are written with.
pub(super) struct Scene<'a> {
    /// As they were dropped.
    pub raw: Input<'a>,
    /// Trimmed, and without what means "no value".
    pub tidy: Input<'a>,
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
        let mut scratch = std::mem::take(&mut out.scratch);
        let done = self
            .scene(input, references, &mut scratch)
            .and_then(|scene| self.write(scene, out).map_err(|refusal| *refusal));
        out.scratch = scratch;
        done
    }

    fn write(&self, mut scene: Scene<'_>, out: &mut Output) -> Result<(), Box<Refusal>> {
        let begin = out.bytes.len();
        let mut charset = None;
        let mut before = [0; 3];
        for segment in &self.segments {
            if segment.name != before {
                scene.set = 0;
                before = segment.name;
            }
            scene.set += 1;
            if !segment.guard.admits(&scene)? || !segment.write(&scene, &mut charset, out)? {
                scene.set -= 1;
            }
        }
        Ok(charset::finish(self.charset, begin, charset, out)?)
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
        scratch: &'a mut [Spans; 2],
    ) -> Result<Scene<'a>, Refusal> {
        self.outside.check(input)?;
        let [own, patient] = scratch;
        let tidy = Input {
            own: self.tidiers[0].tidy(input.own, own),
            patient: input.patient.map(|record| self.tidiers[1].tidy(record, patient)),
        };
        let (start, end) = match &self.times {
            Some(times) => times.of(input).map(|(start, end)| (Some(start), Some(end)))?,
            None => (None, None),
        };
        let plain = std::iter::once(input.own).chain(input.patient).all(is_plain_record);
        let line_ending = self.line_ending.bytes();
        let (ids, controls, refuses_long) = (self.ids, self.controls, self.refuses_long);
        Ok(Scene {
            raw: input,
            tidy,
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

impl Scene<'_> {
    /// Returns the text from the value of a cell on, and how long the value is.
    #[inline(always)]
    fn reach(&self, (row, cell): (usize, usize)) -> (&[u8], usize) {
        self.tidy.of_row(row).map_or((&[], 0), |record| record.reach(cell))
    }
}

impl Guard {
    pub fn admits(&self, scene: &Scene<'_>) -> Wrote {
        let Some(when) = &self.when else { return Ok(true) };
        if when.has_value(scene) {
            return match &self.after {
                Some((code, columns)) if !columns.has_value(scene) => {
                    Err(Box::new(self.refusal(*code)))
                }
                _ => Ok(!self.unless.has_value(scene)),
            };
        }
        match &self.lone {
            Some((code, columns)) if columns.has_value(scene) => Err(Box::new(self.refusal(*code))),
            _ => Ok(false),
        }
    }

    fn refusal(&self, code: Code) -> Refusal {
        let columns = self.when.iter().flat_map(Any::columns);
        let column = columns.map(|column| column.name.clone()).next();
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
    ) -> Wrote {
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
            if field.needs.as_ref().is_some_and(|needs| !needs.are_met(scene)) {
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
    pub fn write(&self, scene: &Scene<'_>, fields: u8, out: &mut Output) -> Wrote {
        if let Some(value) = &self.lone
            && !self.deletes
        {
            return value.write(self.path, scene, Owed { fields, ..Owed::default() }, out);
        }
        self.write_parts(scene, fields, out)
    }

    fn write_parts(&self, scene: &Scene<'_>, fields: u8, out: &mut Output) -> Wrote {
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
    ) -> Result<(), Box<Refusal>> {
        if lengths::has_longer(&out.bytes[before..], self.limit) {
            if scene.refuses_long {
                let column = Cow::default();
                let field = Some(self.path);
                return Err(Box::new(Refusal { code: Code::F001, column, field }));
            }
            out.note(Note::TooLong);
        }
        Ok(())
    }
}

impl RepetitionProgram {
    fn write(&self, path: Path, scene: &Scene<'_>, mut owed: Owed, out: &mut Output) -> Wrote {
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
    #[inline(always)]
    fn pay(self, out: &mut Vec<u8>) {
        match self {
            Owed { fields: 1, repetition: false, components: 0 } => out.push(b'|'),
            Owed { fields: 0, repetition: false, components: 1 } => out.push(b'^'),
            _ => self.pay_more(out),
        }
    }

    #[inline(never)]
    fn pay_more(self, out: &mut Vec<u8>) {
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

/// Writes a value that begins a text: sixteen bytes at once and the rest taken back, as
/// above.
#[inline(always)]
fn put((text, length): (&[u8], usize), out: &mut Vec<u8>) {
    match text.first_chunk::<16>() {
        Some(bytes) if length <= 16 => {
            let end = out.len() + length;
            out.extend_from_slice(bytes);
            out.truncate(end);
        }
        _ => out.extend_from_slice(&text[..length]),
    }
}

impl Value {
    /// Writes what is owed and the value; says whether there was one. If not, nothing
    /// is written.
    #[inline(always)]
    fn write(&self, path: Path, scene: &Scene<'_>, owed: Owed, out: &mut Output) -> Wrote {
        let Some(cell) = self.cell else { return self.write_first(path, scene, owed, out) };
        let (text, length) = scene.reach(cell);
        if length == 0 {
            // Two of three values are not there, and that is all there is to say.
            return match self.is_optional {
                true => Ok(false),
                false => self.write_without(path, scene, owed, out),
            };
        }
        // The rule: plain text. Every other function may refuse, or write nothing.
        if scene.plain && matches!(self.function, Function::Text) {
            owed.pay(&mut out.bytes);
            put((text, length), &mut out.bytes);
            return Ok(true);
        }
        self.write_otherwise(&text[..length], None, path, scene, owed, out)
    }

    /// Writes the first of the sources that gives something.
    #[inline(never)]
    fn write_first(&self, path: Path, scene: &Scene<'_>, owed: Owed, out: &mut Output) -> Wrote {
        for source in &self.sources {
            if let Source::Column(column) = source {
                let value = column.tidy(scene);
                if !value.is_empty() {
                    return self.write_otherwise(value, Some(column), path, scene, owed, out);
                }
            } else if source.write(scene, owed, out) {
                return Ok(true);
            }
        }
        if self.is_optional { Ok(false) } else { self.write_without(path, scene, owed, out) }
    }

    #[inline(never)]
    fn write_otherwise(
        &self,
        value: &[u8],
        column: Option<&Column>,
        path: Path,
        scene: &Scene<'_>,
        owed: Owed,
        out: &mut Output,
    ) -> Wrote {
        let begin = out.mark();
        owed.pay(&mut out.bytes);
        let written = self.function.write(value, scene, out);
        // Of the columns that it may come from, the one that the header has.
        let there = || {
            self.sources.iter().find_map(|source| match source {
                Source::Column(column) if column.is_there() => Some(column),
                _ => None,
            })
        };
        let name = || column.or_else(there).map_or(&self.name, |column| &column.name).clone();
        let written = written.map_err(|code| refusal(code, name(), path))?;
        if !written {
            out.reset(begin);
        }
        Ok(written)
    }

    #[cold]
    fn write_without(&self, path: Path, scene: &Scene<'_>, owed: Owed, out: &mut Output) -> Wrote {
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

#[cold]
fn refusal(code: Code, column: Cow<'static, str>, path: Path) -> Box<Refusal> {
    Box::new(Refusal { code, column, field: Some(path) })
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
                match scene.set {
                    set @ ..10 => out.bytes.push(b'0' + set as u8),
                    set => out.bytes.extend_from_slice(set.to_string().as_bytes()),
                }
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
