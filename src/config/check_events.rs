//! `[events]`: what is told where there is a choice; `[guard]`: how much of it.

use std::collections::BTreeMap;

use toml::Spanned;

use super::check::{Check, open};
use super::raw;
use crate::domain::{EventRules, ExtractKind, Form, Guard, MissingRows, WalkIn};

impl Check<'_> {
    /// Checks `[events]`.
    pub fn events(
        &mut self,
        section: Option<Spanned<raw::Events>>,
        forms: &BTreeMap<ExtractKind, Form>,
    ) -> Option<EventRules> {
        let (place, events) = open("events", section);
        let words = [("all", WalkIn::All), ("last", WalkIn::Last)];
        let walk_in = self.word(place, "walk_in", events.walk_in, &words);
        let words = [("nothing", false), ("pair", true)];
        let key = "cancelled_unannounced";
        let cancelled_unannounced = self.word(place, key, events.cancelled_unannounced, &words);
        let words = [
            ("ignore", MissingRows::Ignore),
            ("report", MissingRows::Report),
            ("cancel", MissingRows::Cancel),
        ];
        let start = events.missing_rows.as_ref().map_or(place.start, |word| word.span().start);
        let missing_rows = self.word(place, "missing_rows", events.missing_rows, &words);
        let snapshot = forms.get(&ExtractKind::Appointments).is_some_and(|form| form.snapshot);
        if missing_rows.is_some_and(|rule| rule != MissingRows::Ignore) && !snapshot {
            let what = "nothing is missing in an extract that may be a part; write \
                        snapshot = true in [extract.appointments], or \"ignore\"";
            self.problem(start, what.to_string());
        }
        let words = [("keep", false), ("correct", true)];
        let correct = self.word(place, "on_contradiction", events.on_contradiction, &words);
        let words = [("skip", false), ("tell", true)];
        let older = self.word(place, "older_rows", events.older_rows, &words);
        let words = [("report", false), ("cancel", true)];
        let freed_slots = self.word(place, "freed_slots", events.freed_slots, &words);
        Some(EventRules {
            walk_in: walk_in?,
            cancelled_unannounced: cancelled_unannounced?,
            missing_rows: missing_rows?,
            correct: correct?,
            older: older?,
            freed_slots: freed_slots?,
        })
    }

    /// Checks `[guard]`.
    pub fn guard(&mut self, section: Option<Spanned<raw::Guard>>) -> Option<Guard> {
        let (place, guard) = open("guard", section);
        let percent = 0..=100;
        let faults = self.number(place, "faults_percent_max", guard.faults_percent_max, percent);
        let percent = 0..=100;
        let changes = self.number(place, "changes_percent_max", guard.changes_percent_max, percent);
        let rows_min = self.number(place, "rows_min", guard.rows_min, 1..=1_000_000);
        Some(Guard {
            faults_percent_max: u64::try_from(faults?).ok()?,
            changes_percent_max: u64::try_from(changes?).ok()?,
            rows_min: u64::try_from(rows_min?).ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{GOOD, added, problems, scope};
    use super::*;

    #[test]
    fn each_choice_has_its_default_and_its_other_word() {
        let usual = EventRules {
            walk_in: WalkIn::All,
            cancelled_unannounced: false,
            missing_rows: MissingRows::Ignore,
            correct: false,
            older: false,
            freed_slots: false,
        };
        assert_eq!(scope(GOOD).events, usual);
        let other = EventRules {
            walk_in: WalkIn::Last,
            cancelled_unannounced: true,
            missing_rows: MissingRows::Report,
            correct: true,
            older: true,
            freed_slots: true,
        };
        let text = "[extract.appointments]\nsnapshot = true\n[events]\nwalk_in = \"last\"\n\
                    cancelled_unannounced = \"pair\"\nmissing_rows = \"report\"\n\
                    on_contradiction = \"correct\"\n\
                     older_rows = \"tell\"\nfreed_slots = \"cancel\"";
        assert_eq!(scope(&added(text)).events, other);
    }

    #[test]
    fn a_choice_that_cannot_be_is_refused() {
        let told = problems(&added("[events]\nwalk_in = \"first\""));
        assert_eq!(told, ["line 16: `first` is no walk_in; write \"all\" or \"last\""]);
        let told = problems(&added("[events]\nmissing_rows = \"report\""));
        assert!(told[0].starts_with("line 16: nothing is missing in an extract"), "{told:?}");
        let told = problems(&added("[extract.patients]\nsnapshot = true"));
        let what = "line 16: `snapshot` is of [extract.appointments] only; leave it out";
        assert_eq!(told, [what]);
    }
}
