//! `[backfill]`: what is told, how fast, and when.

use toml::Spanned;

use super::check::{Check, Place, open};
use super::raw::{self, Texts};
use crate::domain::{BackfillRules, Event, Quiet};

/// More than any line carries; it only keeps sums from overflowing.
const PER_MINUTE_MAX: i64 = 1_000_000;

/// A file of some hundred megabytes; each is converted in one go.
const PER_FILE_MAX: i64 = 100_000;

impl Check<'_> {
    /// Checks `[backfill]`.
    pub fn backfill(&mut self, section: Option<Spanned<raw::Backfill>>) -> Option<BackfillRules> {
        let (place, backfill) = open("backfill", section);
        let words = [("A28", Event::PatientAdded), ("A31", Event::PatientUpdated)];
        let patients = self.word(place, "patients", backfill.patients, &words);
        let (key, bounds) = ("messages_per_minute", 0..=PER_MINUTE_MAX);
        let per_minute = self.number(place, key, backfill.messages_per_minute, bounds);
        let (key, bounds) = ("messages_per_file", 1..=PER_FILE_MAX);
        let per_file = self.number(place, key, backfill.messages_per_file, bounds);
        let windows = self.windows(place, backfill.windows);
        Some(BackfillRules {
            patients: patients?,
            per_minute: u64::try_from(per_minute?).ok()?,
            per_file: u64::try_from(per_file?).ok()?,
            windows: windows?,
        })
    }

    /// Reads parts of the day.
    pub(super) fn windows(&mut self, place: Place, list: Texts) -> Option<Vec<Quiet>> {
        let Some(list) = list else {
            self.missing(place, "windows", "[]");
            return None;
        };
        let mut windows = Some(Vec::new());
        for text in list.into_inner() {
            match (Quiet::read(text.as_ref()), &mut windows) {
                (Some(window), Some(windows)) => windows.push(window),
                (Some(_), None) => {}
                (None, _) => {
                    let what = "`windows` holds parts of the day such as \"20:00-06:00\"; write \
                                [] for all day";
                    self.problem(text.span().start, what.to_string());
                    windows = None;
                }
            }
        }
        windows
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{GOOD, added, problems, scope};
    use super::*;

    #[test]
    fn a_backfill_has_its_event_its_speed_and_its_hours() {
        let usual = BackfillRules {
            patients: Event::PatientAdded,
            per_minute: 1000,
            per_file: 5000,
            windows: Vec::new(),
        };
        assert_eq!(scope(GOOD).backfill, usual);
        let text = "[backfill]\npatients = \"A31\"\nmessages_per_minute = 0\n\
                    windows = [\"20:00-06:00\", \"12:30-13:00\"]";
        let read = scope(&added(text)).backfill;
        assert_eq!((read.patients, read.per_minute), (Event::PatientUpdated, 0));
        assert_eq!(read.windows.len(), 2);
        let noon = jiff::civil::time(12, 45, 0, 0);
        assert!(read.windows[1].covers(noon) && !read.windows[0].covers(noon));
    }

    #[test]
    fn hours_that_are_none_are_refused() {
        for windows in ["20-6", "20:00-20:00", "20:00-24:00", ""] {
            let told = problems(&added(&format!("[backfill]\nwindows = [{windows:?}]")));
            let what = "line 16: `windows` holds parts of the day such as \"20:00-06:00\"; write [] \
                        for all day";
            assert_eq!(told, [what], "{windows}");
        }
        let told = problems(&added("[backfill]\npatients = \"A08\""));
        assert_eq!(told, ["line 16: `A08` is no patients; write \"A28\" or \"A31\""]);
    }
}
