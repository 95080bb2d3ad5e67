//! When an appointment begins and ends.

use jiff::civil::DateTime;

use super::column::Column;
use super::program::{Input, Refusal};
use super::values::{date, date_time, time};
use crate::domain::Code;
use crate::hl7::Path;

/// The columns that say when an appointment is.
#[derive(Clone, Debug)]
pub(super) struct Times {
    pub date: Column,
    pub start: Column,
    pub both: Column,
    pub duration: Column,
}

impl Times {
    /// Returns its columns.
    pub fn columns(&self) -> [&Column; 4] {
        [&self.date, &self.start, &self.both, &self.duration]
    }

    /// Returns when the appointment begins and ends, the next day if need be (8.26).
    pub fn of(&self, input: Input<'_>) -> Result<(DateTime, DateTime), Refusal> {
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

    pub fn start(&self, input: Input<'_>) -> Result<DateTime, Refusal> {
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
