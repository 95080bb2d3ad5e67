//! `[patients]`, `[insurance]` and `[fields]`: who is told, and which fields are written how.

use std::collections::{BTreeMap, BTreeSet};

use toml::Spanned;

use super::check::{Check, open};
use super::raw;
use crate::domain::{CHOICES, DeletedPatients, ExpiredPolicies};

impl Check<'_> {
    /// Checks `[patients]`.
    pub fn deleted_patients(
        &mut self,
        section: Option<Spanned<raw::Patients>>,
    ) -> Option<DeletedPatients> {
        let (place, patients) = open("patients", section);
        let words = [("refuse", DeletedPatients::Refuse), ("A31", DeletedPatients::Update)];
        self.word(place, "deleted", patients.deleted, &words)
    }

    /// Checks `[insurance]`.
    pub fn expired_policies(
        &mut self,
        section: Option<Spanned<raw::Insurance>>,
    ) -> Option<ExpiredPolicies> {
        let (place, insurance) = open("insurance", section);
        let words = [("hold", ExpiredPolicies::Hold), ("send", ExpiredPolicies::Send)];
        self.word(place, "expired", insurance.expired, &words)
    }

    /// Checks `[fields]`: one word of each choice, as `key=word`.
    pub fn fields(
        &mut self,
        section: Option<Spanned<BTreeMap<Spanned<String>, Spanned<raw::Word>>>>,
        hl7_version: Option<&str>,
    ) -> BTreeSet<String> {
        let (place, fields) = open("fields", section);
        let mut chosen = BTreeSet::new();
        for (key, value) in &fields {
            let Some((name, words)) = CHOICES.iter().find(|(name, _)| name == key.as_ref()) else {
                let known: Vec<&str> = CHOICES.iter().map(|(name, _)| *name).collect();
                let what =
                    format!("`{}` is no choice here; write {}", key.as_ref(), known.join(", "));
                self.problem(key.span().start, what);
                continue;
            };
            let word = value.as_ref().0.as_str();
            if !words.contains(&word) {
                let what = format!("`{word}` is no {name}; write {}", in_quotes(words));
                self.problem(value.span().start, what);
            } else if *name == "pid_33" && word == "true" && hl7_version == Some("2.3.1") {
                let what = "HL7 2.3.1 has no PID-33; write false, or another hl7_version";
                self.problem(value.span().start, what.to_string());
            }
            chosen.insert(format!("{name}={word}"));
        }
        for (name, words) in CHOICES {
            if !fields.keys().any(|key| key.as_ref() == name) {
                self.missing(place, name, &in_quotes(words));
            }
        }
        chosen
    }
}

/// Returns the words as the file writes them.
fn in_quotes(words: &[&str]) -> String {
    let quoted = |word: &&str| match *word {
        "true" | "false" => word.to_string(),
        _ => format!("{word:?}"),
    };
    words.iter().map(quoted).collect::<Vec<_>>().join(" or ")
}

#[cfg(test)]
mod tests {
    use super::super::testing::{GOOD, added, changed, problems, scope};
    use super::*;

    #[test]
    fn deleted_patients_wait_or_are_told_as_updates() {
        assert_eq!(scope(GOOD).deleted_patients, DeletedPatients::Refuse);
        let with = |word: &str| added(&format!("[patients]\ndeleted = \"{word}\""));
        assert_eq!(scope(&with("A31")).deleted_patients, DeletedPatients::Update);
        let told = "line 16: `A29` is no deleted; write \"refuse\" or \"A31\"";
        assert_eq!(problems(&with("A29")), [told]);
    }

    #[test]
    fn expired_policies_wait_or_are_sent() {
        assert_eq!(scope(GOOD).expired_policies, ExpiredPolicies::Hold);
        let with = |word: &str| added(&format!("[insurance]\nexpired = \"{word}\""));
        assert_eq!(scope(&with("send")).expired_policies, ExpiredPolicies::Send);
        let told = "line 16: `warn` is no expired; write \"hold\" or \"send\"";
        assert_eq!(problems(&with("warn")), [told]);
    }

    #[test]
    fn every_choice_has_its_first_word_as_default() {
        let chosen = scope(GOOD).fields;
        let first = CHOICES.iter().map(|(name, words)| format!("{name}={}", words[0]));
        assert_eq!(chosen, first.collect());
    }

    #[test]
    fn a_choice_takes_its_words_only() {
        let text = "[fields]\npid_33 = \"yes\"\npid_34 = true\n";
        let told = problems(&added(text));
        assert_eq!(told[0], "line 16: `yes` is no pid_33; write false or true");
        assert!(told[1].starts_with("line 17: `pid_34` is no choice here; write "), "{told:?}");
        let told = "line 16: `pid_33`: invalid type: integer `5`, expected true, false or a text \
                    in quotes";
        assert_eq!(problems(&added("[fields]\npid_33 = 5")), [told]);
    }

    #[test]
    fn a_field_that_the_version_does_not_have_is_refused() {
        let text = added("[fields]\npid_33 = true");
        let told = "line 16: HL7 2.3.1 has no PID-33; write false, or another hl7_version";
        assert_eq!(problems(&text), [told]);
        let newer = changed("[wire]", "[wire]\nhl7_version = \"2.4\"") + "[fields]\npid_33 = true";
        assert!(scope(&newer).fields.contains("pid_33=true"));
    }
}
