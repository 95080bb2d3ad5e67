//! `[[external_ids.*]]`, `[[mapping]]` and `[provider_id]`: which value goes where.

use std::collections::{BTreeMap, BTreeSet};

use toml::Spanned;

use super::check::{Check, Place, open};
use super::raw::{self, Text};
use crate::domain::{ExternalId, MappingRow, NpiMissing, OnChange, ProviderIds, Target};
use crate::hl7::Path;

/// The fields that take an external ID (`interface.md` section 8, row 4).
const PATIENT_FIELDS: [&str; 4] = ["PID-2", "PID-3", "PID-4", "PID-18"];
const APPOINTMENT_FIELDS: [&str; 5] = ["SCH-1", "SCH-2", "PV1-19", "PV1-50", "PV1-5"];

/// The one field that repeats: an ID comes after athenaNet's, or with `!` instead.
const LIST_FIELD: &str = "PID-3";

/// CX and EI take 20 characters and more (2.3.1); more digits would not fit.
const WIDTH_MAX: i64 = 20;

/// What an ID of a table must not share with another one of it.
#[derive(Default)]
struct Taken {
    custom_fields: BTreeSet<String>,
    /// Fields, each with the category that has it.
    replaced: BTreeMap<String, String>,
}

impl Check<'_> {
    /// Checks tables 4 and 5: the IDs of patients and of appointments.
    pub fn external_ids(
        &mut self,
        section: raw::ExternalIds,
    ) -> (Vec<ExternalId>, Vec<ExternalId>) {
        let raw::ExternalIds { authority, id_type, patient, appointment, .. } = section;
        let mut table = |name, rows: Vec<_>, fields: &[&str]| {
            let mut taken = Taken::default();
            rows.into_iter()
                .filter_map(|row: Spanned<raw::ExternalId>| {
                    let (place, mut row) = open(name, Some(row));
                    row.authority = row.authority.or_else(|| authority.clone());
                    row.id_type = row.id_type.or_else(|| id_type.clone());
                    self.external_id(place, row, fields, &mut taken)
                })
                .collect()
        };
        (
            table("external_ids.patient", patient, &PATIENT_FIELDS),
            table("external_ids.appointment", appointment, &APPOINTMENT_FIELDS),
        )
    }

    /// Checks what becomes of an ID that changed.
    pub fn on_id_change(&mut self, value: Text) -> Option<OnChange> {
        let words = [("hold", OnChange::Hold), ("warn", OnChange::Warn), ("send", OnChange::Send)];
        self.word(Place { name: "external_ids", start: 0 }, "on_change", value, &words)
    }

    fn external_id(
        &mut self,
        place: Place,
        row: raw::ExternalId,
        fields: &[&str],
        taken: &mut Taken,
    ) -> Option<ExternalId> {
        let name = self.text(place, "name", row.name, "\"Ridge MRN\"");
        let custom_field_id = self.custom_field_id(place, row.custom_field_id, taken);
        let category = self.text(place, "category", row.category, "\"MRN\"");
        let of = category.as_ref().map(|category| category.as_ref().as_str());
        let target = self.target(place, row.field, (fields, of), taken);
        let authority = match row.authority {
            Some(authority) => self.st("authority", authority, 20),
            None => {
                self.missing(place, "authority", "\"\"");
                None
            }
        };
        let id_type = self
            .text(place, "type", row.id_type, "\"MR\"")
            .and_then(|id_type| self.st("type", id_type, 5));
        let width = row.width.map(|width| self.number(place, "width", Some(width), 1..=WIDTH_MAX));
        let width = width.map_or(Some(None), |width| width.map(Some));
        let zero_pad = row.zero_pad.as_ref().is_some_and(|pad| *pad.as_ref());
        if let (Some(pad), Some(None), true) = (&row.zero_pad, width, zero_pad) {
            let what = "`zero_pad` needs the width to which zeros are put back; write width = 8";
            self.problem(pad.span().start, what.to_string());
        }
        // A width that is agreed is one that zeros fill.
        let leading_zeros = row.leading_zeros.map(Spanned::into_inner);
        Some(ExternalId {
            name: name?.into_inner(),
            custom_field_id: custom_field_id?,
            category: category?.into_inner(),
            target: target?,
            authority: authority?,
            id_type: id_type?,
            width: width?.and_then(|width| usize::try_from(width).ok()),
            leading_zeros: leading_zeros.unwrap_or(matches!(width, Some(Some(_)))),
            zero_pad,
        })
    }

    fn custom_field_id(&mut self, place: Place, value: Text, taken: &mut Taken) -> Option<String> {
        let value = self.text(place, "custom_field_id", value, "\"41\"")?;
        let start = value.span().start;
        let id = value.into_inner();
        if !id.bytes().all(|byte| byte.is_ascii_digit()) {
            let what = format!(
                "`{id}` is no custom_field_id; write its digits: \"41\" for column customfield_41"
            );
            self.problem(start, what);
            return None;
        }
        if !taken.custom_fields.insert(id.clone()) {
            self.problem(
                start,
                format!("custom field {id} already is an external ID; remove one of the rows"),
            );
        }
        Some(id)
    }

    fn target(
        &mut self,
        place: Place,
        value: Text,
        (fields, category): (&[&str], Option<&str>),
        taken: &mut Taken,
    ) -> Option<Target> {
        let value = self.text(place, "field", value, &format!("{:?}", fields[0]))?;
        let start = value.span().start;
        let text = value.into_inner();
        let (name, marked) = match text.strip_suffix('!') {
            Some(name) => (name, true),
            None => (text.as_str(), false),
        };
        let field: Path = match name.parse() {
            Ok(field) => field,
            Err(err) => {
                self.problem(start, format!("{err}"));
                return None;
            }
        };
        let listed = fields.contains(&name);
        if PATIENT_FIELDS.iter().chain(&APPOINTMENT_FIELDS).any(|one| *one == name) && !listed {
            let what = format!("{name} takes no such ID; write one of {}", fields.join(", "));
            self.problem(start, what);
            return None;
        }
        if marked && listed && name != LIST_FIELD {
            let what = format!("{name} holds one ID and is replaced anyway; write {name:?}");
            self.problem(start, what);
            return None;
        }
        let appended = name == LIST_FIELD && !marked;
        if !appended {
            let category = category.unwrap_or_default().to_string();
            let before = taken.replaced.insert(name.to_string(), category.clone());
            // Of one category a record has one value, so the two never meet.
            if before.is_some_and(|before| before != category) {
                self.problem(start, format!("another external ID already replaces {name}; give one of them another field"));
            }
        }
        Some(Target { field, listed, replaces: marked || listed && !appended })
    }

    /// Checks `[[mapping]]`; its templates are checked where they are read.
    pub fn mapping(&mut self, rows: Vec<Spanned<raw::MappingRow>>) -> Vec<MappingRow> {
        let mut mapping: Vec<MappingRow> = Vec::new();
        for row in rows {
            let (place, row) = open("mapping", Some(row));
            let field = self.whole_field(place, row.field, &mapping);
            if row.value.is_none() {
                self.missing(place, "value", "\"a template\", or [] to leave the field empty");
            }
            if let (Some(field), Some(value)) = (field, row.value) {
                mapping.push(MappingRow { field, value: value.into_inner().0 });
            }
        }
        mapping
    }

    fn whole_field(&mut self, place: Place, value: Text, mapping: &[MappingRow]) -> Option<Path> {
        let value = self.text(place, "field", value, "\"PID-14\"")?;
        let what = match value.as_ref().parse::<Path>() {
            Err(err) => format!("{err}"),
            Ok(field) => match value.as_ref().split_once('.') {
                Some((whole, _)) => {
                    format!("{field} is a component; a row maps a whole field, write {whole}")
                }
                // What keeps test messages out of production is no matter of taste (8.19).
                None if field.segment() == "MSH" && field.field() == 11 => {
                    "MSH-11 says which environment a message is of; remove the row, [project] \
                     environment fills it"
                        .to_string()
                }
                None if mapping.iter().any(|row| row.field == field) => {
                    format!("{field} is already mapped; keep one row")
                }
                None => return Some(field),
            },
        };
        self.problem(value.span().start, what);
        None
    }

    /// Checks `[provider_id]`, table 8.
    pub fn provider_ids(
        &mut self,
        section: Option<Spanned<raw::ProviderId>>,
    ) -> (Option<ProviderIds>, Option<NpiMissing>) {
        let (place, provider_id) = open("provider_id", section);
        let words = [("npi", ProviderIds::Npi), ("athena", ProviderIds::Athena)];
        let ids = self.word(place, "use", provider_id.kind, &words);
        let words = [
            ("error", NpiMissing::Error),
            ("athena_id", NpiMissing::AthenaId),
            ("empty", NpiMissing::Empty),
        ];
        (ids, self.word(place, "npi_missing", provider_id.npi_missing, &words))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{GOOD, added, problems, scope};
    use super::*;

    fn row(table: &str, id: &str, category: &str, field: &str) -> String {
        format!(
            "[[external_ids.{table}]]\nname = \"x\"\ncustom_field_id = \"{id}\"\n\
             category = \"{category}\"\nfield = \"{field}\"\n"
        )
    }

    #[test]
    fn external_ids_are_read_with_their_defaults() {
        let text = row("patient", "41", "MRN", "PID-3") + "width = 8\n";
        let text = text + &row("appointment", "641", "MRN", "SCH-1") + "authority = \"A\"\n";
        let scope = scope(&added(&text));
        let mrn = ExternalId {
            name: "x".to_string(),
            custom_field_id: "41".to_string(),
            category: "MRN".to_string(),
            target: Target { field: "PID-3".parse().unwrap(), listed: true, replaces: false },
            authority: String::new(),
            id_type: "MR".to_string(),
            width: Some(8),
            leading_zeros: true,
            zero_pad: false,
        };
        assert_eq!(scope.patient_ids, [mrn]);
        assert_eq!(scope.appointment_ids[0].authority, "A");
        assert!(scope.appointment_ids[0].target.replaces);
        assert!(!scope.appointment_ids[0].leading_zeros);
    }

    #[test]
    fn an_id_goes_to_a_field_that_takes_one() {
        let told = |table, field| problems(&added(&row(table, "41", "MRN", field))).remove(0);
        assert_eq!(
            told("patient", "SCH-1"),
            "line 19: SCH-1 takes no such ID; write one of PID-2, PID-3, PID-4, PID-18"
        );
        assert_eq!(
            told("appointment", "PID-3"),
            "line 19: PID-3 takes no such ID; write one of SCH-1, SCH-2, PV1-19, PV1-50, PV1-5"
        );
        assert_eq!(
            told("patient", "PID3"),
            "line 19: `PID3` is not an HL7 field; write it like PID-3 or PID-5.1"
        );
        assert_eq!(
            told("patient", "PID-4!"),
            "line 19: PID-4 holds one ID and is replaced anyway; write \"PID-4\""
        );
    }

    #[test]
    fn an_id_may_go_elsewhere_which_the_map_looks_at() {
        let target = |field| scope(&added(&row("patient", "41", "MRN", field))).patient_ids;
        let field = "PID-24.2".parse().unwrap();
        let plain = Target { field, listed: false, replaces: false };
        assert_eq!(target("PID-24.2")[0].target, plain);
        assert_eq!(target("PID-24.2!")[0].target, Target { replaces: true, ..plain });
    }

    #[test]
    fn a_changed_id_is_held_warned_of_or_sent() {
        assert_eq!(scope(GOOD).on_id_change, OnChange::Hold);
        let with = |word: &str| added(&format!("[external_ids]\non_change = \"{word}\""));
        assert_eq!(scope(&with("warn")).on_id_change, OnChange::Warn);
        assert_eq!(scope(&with("send")).on_id_change, OnChange::Send);
        let told = "line 16: `drop` is no on_change; write \"hold\" or \"warn\" or \"send\"";
        assert_eq!(problems(&with("drop")), [told]);
    }

    #[test]
    fn two_ids_share_no_column_and_a_place_only_within_a_category() {
        let two = |first: (&str, &str, &str), second: (&str, &str, &str)| {
            let row = |(id, category, field)| row("patient", id, category, field);
            added(&(row(first) + &row(second)))
        };
        for field in ["PID-4", "PID-3"] {
            let same = two(("41", "MRN", "PID-4"), ("42", "MRN", field));
            assert_eq!(scope(&same).patient_ids.len(), 2, "the record may have one of them");
        }
        assert_eq!(
            problems(&two(("41", "MRN", "PID-4"), ("41", "B", "PID-3"))),
            ["line 22: custom field 41 already is an external ID; remove one of the rows"]
        );
        assert_eq!(
            problems(&two(("41", "MRN", "PID-3!"), ("42", "B", "PID-3!"))),
            ["line 24: another external ID already replaces PID-3; give one of them another field"]
        );
        assert_eq!(
            problems(&two(("41", "MRN", "PID-4"), ("42", "B", "PID-4"))),
            ["line 24: another external ID already replaces PID-4; give one of them another field"]
        );
        let both = scope(&two(("41", "MRN", "PID-3!"), ("42", "B", "PID-3"))).patient_ids;
        assert_eq!(both.iter().map(|id| id.target.replaces).collect::<Vec<_>>(), [true, false]);
    }

    #[test]
    fn an_id_is_told_what_it_lacks_and_what_does_not_fit() {
        let text = "[[external_ids.patient]]\ncustom_field_id = \"customfield_41\"\n\
                    field = \"PID-3\"\nauthority = \"A^B\"\ntype = \"MEDREC\"\nwidth = 0";
        let pad = row("patient", "41", "MRN", "PID-3") + "zero_pad = true";
        let told =
            "line 20: `zero_pad` needs the width to which zeros are put back; write width = 8";
        assert_eq!(problems(&added(&pad)), [told]);
        assert_eq!(
            problems(&added(text)),
            [
                "line 15: `name` is missing in [external_ids.patient]; write name = \"Ridge MRN\"",
                "line 15: `category` is missing in [external_ids.patient]; write category = \
                 \"MRN\"",
                "line 16: `customfield_41` is no custom_field_id; write its digits: \"41\" for \
                 column customfield_41",
                "line 18: `authority` holds `^`, an HL7 separator; leave it out",
                "line 19: `type` has 6 characters; shorten it, its field takes 5",
                "line 20: `width` is 0; write a number from 1 to 20",
            ]
        );
    }

    #[test]
    fn a_bad_default_for_many_rows_is_told_once() {
        let rows = row("patient", "41", "A", "PID-3") + &row("patient", "42", "B", "PID-4");
        let text = added(&format!("[external_ids]\ntype = \"A|B\"\n{rows}"));
        let told = "line 16: `type` holds `|`, an HL7 separator; leave it out";
        assert_eq!(problems(&text), [told]);
    }

    #[test]
    fn a_mapping_row_holds_one_template_or_more_or_none() {
        let text = "[[mapping]]\nfield = \"PID-14\"\nvalue = \"{workphone}\"\n\
                    [[mapping]]\nfield = \"PID-13\"\nvalue = [\"{homephone}\", \"{email}\"]\n\
                    [[mapping]]\nfield = \"PID-19\"\nvalue = []";
        let row = |field: &str, value: &[&str]| MappingRow {
            field: field.parse().unwrap(),
            value: value.iter().map(ToString::to_string).collect(),
        };
        let rows = [
            row("PID-14", &["{workphone}"]),
            row("PID-13", &["{homephone}", "{email}"]),
            row("PID-19", &[]),
        ];
        assert_eq!(scope(&added(text)).mapping, rows);
        assert_eq!(scope(GOOD).mapping, []);
    }

    #[test]
    fn a_mapping_row_is_for_a_whole_field_once() {
        let text = "[[mapping]]\nfield = \"PID-5.1\"\nvalue = \"a\"\n\
                    [[mapping]]\nfield = \"PID\"\nvalue = \"a\"\n\
                    [[mapping]]\nfield = \"PID-14\"\nvalue = \"a\"\n\
                    [[mapping]]\nfield = \"PID-14\"\nvalue = \"a\"\n\
                    [[mapping]]";
        assert_eq!(
            problems(&added(text)),
            [
                "line 16: PID-5.1 is a component; a row maps a whole field, write PID-5",
                "line 19: `PID` is not an HL7 field; write it like PID-3 or PID-5.1",
                "line 25: PID-14 is already mapped; keep one row",
                "line 27: `field` is missing in [mapping]; write field = \"PID-14\"",
                "line 27: `value` is missing in [mapping]; write value = \"a template\", or [] to \
                 leave the field empty",
            ]
        );
    }

    #[test]
    fn providers_go_by_npi_or_by_athenanets_id() {
        assert_eq!(scope(GOOD).provider_ids, ProviderIds::Npi);
        let with = |word: &str| added(&format!("[provider_id]\nuse = \"{word}\""));
        assert_eq!(scope(&with("athena")).provider_ids, ProviderIds::Athena);
        let told = "line 16: `NPI` is no use; write \"npi\" or \"athena\"";
        assert_eq!(problems(&with("NPI")), [told]);
        assert_eq!(scope(GOOD).npi_missing, NpiMissing::Error);
        let with = |word: &str| added(&format!("[provider_id]\nnpi_missing = \"{word}\""));
        assert_eq!(scope(&with("athena_id")).npi_missing, NpiMissing::AthenaId);
        assert_eq!(scope(&with("empty")).npi_missing, NpiMissing::Empty);
        let told =
            "line 16: `skip` is no npi_missing; write \"error\" or \"athena_id\" or \"empty\"";
        assert_eq!(problems(&with("skip")), [told]);
    }

    #[test]
    fn no_row_says_which_environment_a_message_is_of() {
        let text = "[[mapping]]\nfield = \"MSH-11\"\nvalue = \"P\"";
        let told = "line 16: MSH-11 says which environment a message is of; remove the row, \
                    [project] environment fills it";
        assert_eq!(problems(&added(text)), [told]);
    }
}
