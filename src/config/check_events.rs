//! `[events]`: what is told where there is a choice.

use std::collections::BTreeMap;

use toml::Spanned;

use super::check::{Check, open};
use super::raw;
use crate::domain::{EventRules, ExtractKind, Form, MissingRows, WalkIn};

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
        let words = [("ignore", MissingRows::Ignore), ("report", MissingRows::Report)];
        let start = events.missing_rows.as_ref().map_or(place.start, |word| word.span().start);
        let missing_rows = self.word(place, "missing_rows", events.missing_rows, &words);
        let snapshot = forms.get(&ExtractKind::Appointments).is_some_and(|form| form.snapshot);
        if missing_rows == Some(MissingRows::Report) && !snapshot {
            let what = "nothing is missing in an extract that may be a part; write \
                        snapshot = true in [extract.appointments], or \"ignore\"";
            self.problem(start, what.to_string());
        }
        let words = [("keep", false), ("correct", true)];
        let correct = self.word(place, "on_contradiction", events.on_contradiction, &words);
        Some(EventRules {
            walk_in: walk_in?,
            cancelled_unannounced: cancelled_unannounced?,
            missing_rows: missing_rows?,
            correct: correct?,
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
        };
        assert_eq!(scope(GOOD).events, usual);
        let other = EventRules {
            walk_in: WalkIn::Last,
            cancelled_unannounced: true,
            missing_rows: MissingRows::Report,
            correct: true,
        };
        let text = "[extract.appointments]\nsnapshot = true\n[events]\nwalk_in = \"last\"\n\
                    cancelled_unannounced = \"pair\"\nmissing_rows = \"report\"\n\
                    on_contradiction = \"correct\"";
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
