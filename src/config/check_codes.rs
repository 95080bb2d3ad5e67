//! `[codes.TABLE]`: an interface's own words for codes, and what becomes of a value
//! that a table does not have.

use std::collections::BTreeMap;

use toml::Spanned;

use super::check::{Check, Place};
use super::raw::Words;
use crate::codes::{Found, OwnWord, standard};
use crate::domain::{CodeRules, UnmappedRule};

/// The tables that can be changed; the ones whose codes go out alone, or not at all,
/// take no coding system.
const TABLES: [(&str, bool); 7] = [
    ("race", true),
    ("ethnicity", true),
    ("language", true),
    ("relationship", true),
    ("sex", false),
    ("marital", false),
    ("status", false),
];

/// CE-3 is ST; no coding system of table 0396 has more.
const SYSTEM_MAX: usize = 20;

impl Check<'_> {
    /// Checks every `[codes.TABLE]`.
    pub fn codes(
        &mut self,
        sections: BTreeMap<Spanned<String>, Spanned<Words>>,
    ) -> BTreeMap<String, CodeRules> {
        let mut all = BTreeMap::new();
        for (name, section) in sections {
            let known = TABLES.iter().find(|(known, _)| known == name.as_ref());
            let Some((table, coded)) = known else {
                let known: Vec<&str> = TABLES.iter().map(|(known, _)| *known).collect();
                let what =
                    format!("`{}` is no code table; write {}", name.as_ref(), known.join(", "));
                self.problem(name.span().start, what);
                continue;
            };
            let place = Place { name: table, start: section.span().start };
            let rules = self.code_rules(place, *coded, section.into_inner());
            all.insert((*table).to_string(), rules);
        }
        all
    }

    fn code_rules(&mut self, place: Place, coded: bool, mut words: Words) -> CodeRules {
        let mut take = |key: &str| words.remove(key);
        let (unmapped, default) = (take("unmapped"), take("default"));
        let (system, declined) = (take("system"), take("declined"));
        for key in [&system, &declined].into_iter().flatten().filter(|_| !coded) {
            let what = format!("the codes of `{}` go out without a coding system", place.name);
            self.problem(key.span().start, format!("{what}; leave this out"));
        }
        CodeRules {
            unmapped: self.unmapped(place, unmapped, default),
            system: system.and_then(|system| self.st("system", system, SYSTEM_MAX)),
            declined: declined.and_then(|declined| self.coded_text("declined", declined, 3)),
            words: words.into_iter().filter_map(|word| self.own_word(place, word)).collect(),
        }
    }

    fn unmapped(
        &mut self,
        place: Place,
        word: Option<Spanned<String>>,
        default: Option<Spanned<String>>,
    ) -> Option<UnmappedRule> {
        let start = word.as_ref().or(default.as_ref()).map_or(place.start, |key| key.span().start);
        let default = default.and_then(|code| {
            let found = self.code_of_table(place, &code);
            found.map(UnmappedRule::Default)
        });
        let words = [
            ("error", Some(UnmappedRule::Error)),
            ("hold", Some(UnmappedRule::Hold)),
            ("pass", Some(UnmappedRule::Pass)),
            ("default", None),
        ];
        // An appointment without a status that we know tells no event.
        let words = if place.name == "status" { &words[..2] } else { &words[..] };
        let Some(word) = word else { return default };
        let Some((_, rule)) = words.iter().find(|(known, _)| known == word.as_ref()) else {
            let known: Vec<String> = words.iter().map(|(known, _)| format!("{known:?}")).collect();
            let what = format!("`{}` is no unmapped; write {}", word.as_ref(), known.join(" or "));
            self.problem(start, what);
            return None;
        };
        match (rule, default) {
            (None, None) => {
                let what = "`unmapped` is \"default\"; write default = \"a code of the table\" too";
                self.problem(start, what.to_string());
                None
            }
            (Some(_), Some(_)) => {
                let what = "`default` needs unmapped = \"default\"; leave one of them out";
                self.problem(start, what.to_string());
                None
            }
            (Some(rule), None) => Some(rule.clone()),
            (None, default) => default,
        }
    }

    /// Returns the code as the table writes it.
    fn code_of_table(&mut self, place: Place, value: &Spanned<String>) -> Option<String> {
        let found = standard(place.name).and_then(|table| table.find(value.as_ref().as_bytes()));
        match found {
            Some((row, Found::Code)) => Some(row.code.clone()),
            _ => {
                let what = format!("`{}` is no code of table {}", value.as_ref(), place.name);
                self.problem(value.span().start, format!("{what}; write one, or \"CODE^Text\""));
                None
            }
        }
    }

    fn own_word(
        &mut self,
        place: Place,
        (word, code): (Spanned<String>, Spanned<String>),
    ) -> Option<OwnWord> {
        let taken = word.as_ref().trim();
        if taken.is_empty() || taken.len() > WORD_MAX {
            let what = format!(
                "a word of [codes.{}] is empty or has more than {WORD_MAX} bytes; write it shorter",
                place.name
            );
            self.problem(word.span().start, what);
            return None;
        }
        let new = place.name != "status" && code.as_ref().contains('^');
        let (code, text) = if new {
            let coded = self.coded_text(word.as_ref(), code, 2)?;
            let (code, text) = coded.split_once('^')?;
            (code.to_string(), Some(text.to_string()))
        } else {
            (self.code_of_table(place, &code)?, None)
        };
        Some(OwnWord { word: word.into_inner(), code, text })
    }

    /// Returns `CODE^Text`; with `^System` behind it where there may be three parts.
    fn coded_text(&mut self, key: &str, value: Spanned<String>, most: usize) -> Option<String> {
        let value = self.one_line(key, value)?;
        let text = value.as_ref();
        let parts = text.split('^').count();
        let whole =
            (1..=most).contains(&parts) && text.split('^').all(|part| !part.trim().is_empty());
        if !whole || text.contains(['|', '~', '\\', '&']) {
            let what = format!("`{key}` is no code; write it like \"NBR^Neighbour\"");
            self.problem(value.span().start, what);
            return None;
        }
        Some(value.into_inner())
    }
}

/// The longest input of a code table (`codes`).
const WORD_MAX: usize = 128;

#[cfg(test)]
mod tests {
    use super::super::testing::{GOOD, added, problems, scope};
    use super::*;

    #[test]
    fn a_table_takes_words_and_a_rule() {
        let text = "[codes.race]\nunmapped = \"hold\"\nsystem = \"\"\ndeclined = \"ASKU^Asked\"\n\
                    \"Caucasian\" = \"2106-3\"\n\"Klingon\" = \"KL^Klingon\"\n\
                    [codes.relationship]\ndefault = \"unk\"\n[codes.status]\n\"Here\" = \"2\"";
        let codes = scope(&added(text)).codes;
        let race = &codes["race"];
        assert_eq!(race.unmapped, Some(UnmappedRule::Hold));
        assert_eq!(
            (race.system.as_deref(), race.declined.as_deref()),
            (Some(""), Some("ASKU^Asked"))
        );
        let words: Vec<_> =
            race.words.iter().map(|own| (&*own.word, &*own.code, own.text.as_deref())).collect();
        assert_eq!(words, [("Caucasian", "2106-3", None), ("Klingon", "KL", Some("Klingon"))]);
        assert_eq!(codes["relationship"].unmapped, Some(UnmappedRule::Default("UNK".into())));
        assert_eq!(codes["status"].words.len(), 1);
        assert!(scope(GOOD).codes.is_empty());
    }

    #[test]
    fn what_a_table_cannot_take_is_told() {
        let text = "[codes.race]\nunmapped = \"guess\"\n\"x\" = \"2106-4\"\n\"y\" = \"^Text\"\n\
                    \"z\" = \"A^B^C\"\n\
                    [codes.sex]\nsystem = \"HL70001\"\n\
                    [codes.language]\nunmapped = \"default\"\n\
                    [codes.marital]\nunmapped = \"pass\"\ndefault = \"S\"\n\
                    [codes.status]\nunmapped = \"pass\"\n\
                    [codes.pets]\n\"cat\" = \"C\"";
        assert_eq!(
            problems(&added(text)),
            [
                "line 16: `guess` is no unmapped; write \"error\" or \"hold\" or \"pass\" or \
                 \"default\"",
                "line 17: `2106-4` is no code of table race; write one, or \"CODE^Text\"",
                "line 18: `y` is no code; write it like \"NBR^Neighbour\"",
                "line 19: `z` is no code; write it like \"NBR^Neighbour\"",
                "line 21: the codes of `sex` go out without a coding system; leave this out",
                "line 23: `unmapped` is \"default\"; write default = \"a code of the table\" too",
                "line 25: `default` needs unmapped = \"default\"; leave one of them out",
                "line 28: `pass` is no unmapped; write \"error\" or \"hold\"",
                "line 29: `pets` is no code table; write race, ethnicity, language, \
                 relationship, sex, marital, status",
            ]
        );
    }
}
