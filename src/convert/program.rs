//! A compiled message: one flat list of steps, run for each record.
//!
//! The hot path of the program. Everything that can be known before the record is
//! already bytes here; a record adds its values to one growing buffer. Separators are
//! written as they come, and the empty components and fields at an end are taken back
//! there (3.4): that is one number to remember, where separators that wait for a value
//! would be counted at each of them.

use std::borrow::Cow;

use jiff::civil::DateTime;

use super::charset;
use super::column::{Column, Needs, Tidier};
use super::guard::Guard;
use super::lengths::has_longer;
use super::output::{Constant, Output, separators};
use super::outside::Outside;
use super::references::References;
use super::scene::{Odd, Place, Scene, odd_bytes};
use super::times::Times;
use super::value::{Rule, Value};
use crate::domain::{Charset, Code, Controls, LineEnding, Note, ProviderIds, Spans, Values};
use crate::hl7::Path;

/// "Delete the value", on the wire.
pub(super) const DELETE: &[u8] = b"\"\"";

/// A message type bound to a header, ready to be run for each record.
#[derive(Clone, Debug)]
pub struct Program {
    /// Every column that it may read.
    pub(super) columns: Vec<Column>,
    /// What is done to the values of the record and of the patient's.
    pub(super) tidiers: [Tidier; 2],
    pub(super) steps: Vec<Step>,
    /// The fields of each segment, as the map writes them: for people.
    pub(super) rules: Vec<Vec<(Path, String)>>,
    /// The fields that are written as `""` where their columns are empty.
    pub(super) deletable: Vec<Path>,
    pub(super) outside: Outside,
    pub(super) times: Option<Times>,
    pub(super) charset: Charset,
    pub(super) line_ending: LineEnding,
    pub(super) controls: Controls,
    /// Whether a field that is too long is a fault.
    pub(super) refuses_long: bool,
    pub(super) ids: ProviderIds,
}

/// What is done next.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// A segment begins; where its guard keeps it out, it goes on at `past`.
    Open { segment: Box<Segment>, past: usize },
    /// A field that is the text of one cell and nothing else, as most are.
    Text { number: u8, limit: usize, place: Place, rule: Box<Rule> },
    /// A field that is another value and nothing else.
    Lone { number: u8, limit: usize, value: Value },
    /// A field of several parts begins; where none of the cells that it needs has a
    /// value, it goes on at `past`.
    Field { number: u8, needs: Option<Needs>, past: usize },
    /// The text of a cell, after so many `^`.
    PartText { carets: usize, place: Place, rule: Box<Rule> },
    /// Another value, after so many `^`.
    Part { carets: usize, value: Value },
    /// A constant, after so many `^`.
    Bytes { carets: usize, bytes: Constant },
    /// A field of one repetition ends; it stands if one of its values does, or in any case.
    Whole { constant: bool, limit: usize },
    /// One of several repetitions ends.
    Repetition { constant: bool },
    /// An alternative ends; if it gave a value, those that follow do not count.
    Or { past: usize },
    /// The field is deleted at the receiver's, if it has no value.
    Delete,
    /// A field of several parts ends.
    End { limit: usize },
    /// MSH-18 stands here: decided when the message is whole.
    Charset,
    /// A segment ends, of those that have rules the one with this index.
    Close { index: usize },
}

#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub name: [u8; 3],
    pub guard: Guard,
    /// The name and the first fields, as far as they are the same in every record.
    pub head: Constant,
    /// The last of those fields.
    pub constant: u8,
    /// There is one with a value.
    pub has_constants: bool,
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
        self.run_seen(input, references, out, &mut |_, _| {})
    }

    /// The same; `seen` is given each segment that was written, with its index and without
    /// its end.
    pub(super) fn run_seen(
        &self,
        input: Input<'_>,
        references: &References,
        out: &mut Output,
        seen: &mut impl FnMut(usize, &[u8]),
    ) -> Result<(), Refusal> {
        let mut scratch = std::mem::take(&mut out.scratch);
        let done = self.scene(input, references, &mut scratch).and_then(|scene| {
            self.write(scene, out, seen).map_err(|refusal| self.blamed(*refusal, &input))
        });
        out.scratch = scratch;
        done
    }

    fn write(
        &self,
        mut scene: Scene<'_>,
        out: &mut Output,
        seen: &mut impl FnMut(usize, &[u8]),
    ) -> Result<(), Box<Refusal>> {
        let begin = out.bytes.len();
        let mut pen = Pen::default();
        let from = |step: usize| self.steps.get(step..).unwrap_or_default().iter();
        let mut steps = from(0);
        while let Some(step) = steps.next() {
            match step {
                Step::Text { number, limit, place, rule } => {
                    pen.bars(*number, out);
                    if rule.write_text(*place, &scene, out)? {
                        self.fits(pen.fill(out), *limit, &pen, out)?;
                    }
                }
                Step::Lone { number, limit, value } => {
                    pen.bars(*number, out);
                    if value.write(&scene, out)? {
                        self.fits(pen.fill(out), *limit, &pen, out)?;
                    }
                }
                Step::PartText { carets, place, rule } => {
                    separators(b'^', *carets, &mut out.bytes);
                    let wrote = rule.write_text(*place, &scene, out)?;
                    pen.part(wrote, out);
                }
                Step::Part { carets, value } => {
                    separators(b'^', *carets, &mut out.bytes);
                    let wrote = value.write(&scene, out)?;
                    pen.part(wrote, out);
                }
                Step::Bytes { carets, bytes } => pen.constant(*carets, bytes, out),
                Step::Field { needs: Some(needs), past, .. } if !needs.are_met(&scene) => {
                    steps = from(*past);
                }
                Step::Field { number, .. } => pen.begin_field(*number, out),
                Step::Whole { constant, limit } => {
                    let length = pen.end_only(*constant, out);
                    self.fits(length, *limit, &pen, out)?;
                }
                Step::Repetition { constant } => pen.end_repetition(*constant, out),
                Step::Or { past } if pen.given => steps = from(*past),
                Step::Delete if !pen.given => pen.delete(out),
                Step::End { limit } if pen.given => {
                    let longest = pen.end_all(out);
                    self.fits(longest, *limit, &pen, out)?;
                }
                // Of a field with a value, or without one.
                Step::Or { .. } | Step::Delete | Step::End { .. } => {}
                Step::Charset => pen.charset = Some((pen.end, pen.last)),
                Step::Open { segment, past } => {
                    if !pen.open(segment, &mut scene, out)? {
                        steps = from(*past);
                    }
                }
                Step::Close { index } => {
                    if pen.close(&mut scene, out) {
                        seen(*index, &out.bytes[pen.start..]);
                        out.bytes.extend_from_slice(self.line_ending.bytes());
                    }
                }
            }
        }
        Ok(charset::finish(self.charset, begin, pen.charset, out)?)
    }

    /// Looks at the field that ends here, if it may be too long.
    #[inline(always)]
    fn fits(
        &self,
        length: usize,
        limit: usize,
        pen: &Pen,
        out: &mut Output,
    ) -> Result<(), Box<Refusal>> {
        if length > limit { self.check_length(pen, limit, out) } else { Ok(()) }
    }

    /// Counts or refuses a field that is too long.
    #[cold]
    fn check_length(&self, pen: &Pen, limit: usize, out: &mut Output) -> Result<(), Box<Refusal>> {
        if has_longer(&out.bytes[pen.field..], limit) {
            if self.refuses_long {
                let field = Some(Path::of_field(pen.name, pen.number));
                return Err(Box::new(Refusal { code: Code::F001, column: "".into(), field }));
            }
            out.note(Note::TooLong);
        }
        Ok(())
    }

    /// Returns when the appointment of a record begins, if it says so.
    pub fn starts(&self, input: Input<'_>) -> Option<DateTime> {
        self.times.as_ref()?.start(input).ok()
    }

    fn scene<'a>(
        &self,
        input: Input<'a>,
        references: &'a References,
        scratch: &'a mut [Spans; 2],
    ) -> Result<Scene<'a>, Refusal> {
        self.outside.check(input)?;
        let [own, patient] = scratch;
        let tidy = [
            self.tidiers[0].tidy(input.own, own),
            input.patient.map_or(Values::NONE, |record| self.tidiers[1].tidy(record, patient)),
        ];
        let (start, end) = match &self.times {
            Some(times) => times.of(input).map(|(start, end)| (Some(start), Some(end)))?,
            None => (None, None),
        };
        let odd = [odd_bytes(input.own), input.patient.map_or(Odd::NONE, odd_bytes)];
        let plain = odd == [Odd::NONE; 2];
        let (ids, controls) = (self.ids, self.controls);
        Ok(Scene { raw: input, tidy, references, ids, start, end, set: 0, plain, odd, controls })
    }
}

/// Where in a message the program is.
#[derive(Default)]
struct Pen {
    /// The segment, and where it begins.
    name: [u8; 3],
    start: usize,
    /// Behind the last field with a value, and which that is. What follows are
    /// separators.
    end: usize,
    last: u8,
    /// The field, and where its values begin.
    number: u8,
    field: usize,
    /// A repetition of it has a value; the last of those ends here.
    given: bool,
    stands: usize,
    /// The bytes of the longest.
    longest: usize,
    /// Where the repetition begins, and ends but for its separators.
    repetition: usize,
    filled: usize,
    /// A column gave it a value.
    value: bool,
    /// Where MSH-18 goes, and the field before it.
    charset: Option<(usize, u8)>,
}

impl Pen {
    /// Begins a segment; says whether the record has it.
    fn open(
        &mut self,
        segment: &Segment,
        scene: &mut Scene<'_>,
        out: &mut Output,
    ) -> Result<bool, Box<Refusal>> {
        scene.set = if segment.name == self.name { scene.set + 1 } else { 1 };
        self.name = segment.name;
        if !segment.guard.admits(scene, out)? {
            scene.set -= 1;
            return Ok(false);
        }
        self.start = out.bytes.len();
        segment.head.put(&mut out.bytes);
        (self.number, self.last) = (segment.constant, segment.constant);
        self.end = if segment.has_constants { out.bytes.len() } else { self.start };
        Ok(true)
    }

    /// Takes back what stands behind the last value; says whether there is any. If not, the
    /// segment is not there.
    fn close(&mut self, scene: &mut Scene<'_>, out: &mut Output) -> bool {
        out.bytes.truncate(self.end);
        let is_there = self.end > self.start;
        scene.set -= u32::from(!is_there);
        is_there
    }

    #[inline(always)]
    fn bars(&mut self, number: u8, out: &mut Output) {
        separators(b'|', usize::from(number - self.number), &mut out.bytes);
        self.number = number;
        self.field = out.bytes.len();
    }

    fn begin_field(&mut self, number: u8, out: &mut Output) {
        self.bars(number, out);
        (self.repetition, self.filled) = (self.field, self.field);
        (self.given, self.value, self.longest) = (false, false, 0);
    }

    #[inline(always)]
    fn constant(&mut self, carets: usize, bytes: &Constant, out: &mut Output) {
        separators(b'^', carets, &mut out.bytes);
        bytes.put(&mut out.bytes);
        self.filled = out.bytes.len();
    }

    /// Ends a repetition, and begins another one; if it has no value, in its place.
    fn end_repetition(&mut self, constant: bool, out: &mut Output) {
        if constant || self.value {
            out.bytes.truncate(self.filled);
            self.longest = self.longest.max(self.filled - self.repetition);
            (self.given, self.stands) = (true, self.filled);
            out.bytes.push(b'~');
            self.repetition = out.bytes.len();
        } else {
            out.bytes.truncate(self.repetition);
        }
        (self.filled, self.value) = (self.repetition, false);
    }

    #[inline(always)]
    fn part(&mut self, wrote: bool, out: &Output) {
        if wrote {
            (self.value, self.filled) = (true, out.bytes.len());
        }
    }

    /// Ends the one repetition of a field; returns how long that is.
    #[inline(always)]
    fn end_only(&mut self, constant: bool, out: &mut Output) -> usize {
        if constant || self.value {
            out.bytes.truncate(self.filled);
            return self.fill(out);
        }
        out.bytes.truncate(self.field);
        0
    }

    /// Ends a field of several repetitions; returns how long the longest is.
    fn end_all(&mut self, out: &mut Output) -> usize {
        out.bytes.truncate(self.stands);
        self.fill(out);
        self.longest
    }

    fn delete(&mut self, out: &mut Output) {
        out.bytes.extend_from_slice(DELETE);
        self.filled = out.bytes.len();
        self.end_repetition(true, out);
    }

    /// The field has a value, which ends here; returns how long it is.
    #[inline(always)]
    fn fill(&mut self, out: &Output) -> usize {
        (self.end, self.last) = (out.bytes.len(), self.number);
        self.end - self.field
    }
}
