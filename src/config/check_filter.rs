//! `[filter]`, table 6: whom an interface tells of. What the names stand for is known
//! where the reference tables are: `convert/filter.rs`.

use toml::Spanned;

use super::check::{Check, Place, open};
use super::raw;
use crate::domain::{Event, Filter, FilterBy, Filters, OnLeave, PatientDepartment};

const BY: [(&str, FilterBy); 2] =
    [("provider", FilterBy::Provider), ("department", FilterBy::Department)];

impl Check<'_> {
    /// Checks `[filter]` and its rows.
    pub fn filters(&mut self, section: raw::Filters, enabled: &[Event]) -> Option<Filters> {
        let place = Place { name: "filter", start: 0 };
        let words = [
            ("current", PatientDepartment::Current),
            ("registration", PatientDepartment::Registration),
            ("either", PatientDepartment::Either),
        ];
        let key = "patient_department";
        let patient_department = self.word(place, key, section.patient_department, &words);
        let words =
            [("update", OnLeave::Update), ("cancel", OnLeave::Cancel), ("silent", OnLeave::Silent)];
        let on_leave = self.word(place, "on_leave_scope", section.on_leave_scope, &words);
        let words = [("filtered", false), ("first", true)];
        let key = "patients_of_appointments";
        let line = section.patients_of_appointments.as_ref().map_or(0, |one| one.span().start);
        let patients_first = self.word(place, key, section.patients_of_appointments, &words);
        if patients_first == Some(true) && !enabled.contains(&Event::PatientAdded) {
            let switch = Event::PatientAdded.telling().key;
            let what = format!("`{key}` sends patients as added; switch {switch} on in [enable]");
            self.problem(line, what);
        }
        let patients = self.filter("filter.patients", section.patients);
        let appointments = self.filter("filter.appointments", section.appointments);
        Some(Filters {
            patients,
            appointments,
            patient_department: patient_department?,
            on_leave: on_leave?,
            patients_first: patients_first?,
        })
    }

    fn filter(&mut self, name: &'static str, rows: Vec<Spanned<raw::Filter>>) -> Filter {
        let mut filter = Filter::new();
        for row in rows {
            let (place, row) = open(name, Some(row));
            let by = self.word(place, "by", row.by, &BY);
            let names = self.filter_names(place, row.names);
            let Some((by, names)) = by.zip(names) else { continue };
            if filter.insert(by, names).is_some() {
                let what = format!(
                    "there is another [[{name}]] by {}; write all names into one",
                    by.word()
                );
                self.problem(place.start, what);
            }
        }
        filter
    }

    /// A list without a name would let nobody through, which nobody agrees on.
    fn filter_names(
        &mut self,
        place: Place,
        names: Option<Spanned<Vec<Spanned<String>>>>,
    ) -> Option<Vec<String>> {
        let Some(names) = names else {
            self.missing(place, "names", "[\"Lakeside Main\"]");
            return None;
        };
        if names.as_ref().is_empty() {
            let what = "`names` is empty, so that nobody is told of; write a name or an ID";
            self.problem(names.span().start, what.to_string());
        }
        let names = names.into_inner().into_iter();
        let example = "[\"Lakeside Main\"]";
        let names: Vec<Option<String>> = names
            .map(|name| {
                let name = self.text(place, "names", Some(name), example)?;
                Some(name.as_ref().trim().to_string())
            })
            .collect();
        names.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{GOOD, added, problems, scope};
    use super::*;

    #[test]
    fn nobody_is_filtered_unless_agreed() {
        let filters = scope(GOOD).filters;
        assert!(filters.patients.is_empty() && filters.appointments.is_empty());
        assert_eq!(filters.patient_department, PatientDepartment::Current);
        assert_eq!((filters.on_leave, filters.patients_first), (OnLeave::Update, false));
    }

    #[test]
    fn rows_are_by_message_type_and_by_what_they_look_at() {
        let text = "[filter]\npatient_department = \"either\"\non_leave_scope = \"silent\"\n\
                    [[filter.patients]]\nby = \"department\"\nnames = [\" Lakeside Main \", \"14\"]\n\
                    [[filter.appointments]]\nby = \"provider\"\nnames = [\"27\"]\n\
                    [[filter.appointments]]\nby = \"department\"\nnames = [\"12\"]";
        let filters = scope(&added(text)).filters;
        let names = ["Lakeside Main", "14"].map(String::from).to_vec();
        assert_eq!(filters.patients, Filter::from([(FilterBy::Department, names)]));
        let by: Vec<FilterBy> = filters.appointments.into_keys().collect();
        assert_eq!(by, [FilterBy::Provider, FilterBy::Department]);
        assert_eq!(filters.patient_department, PatientDepartment::Either);
        assert_eq!(filters.on_leave, OnLeave::Silent);
        let first = added("[filter]\npatients_of_appointments = \"first\"");
        assert!(scope(&first).filters.patients_first);
    }

    #[test]
    fn patients_cannot_go_first_where_their_event_is_switched_off() {
        let text = "[filter]\npatients_of_appointments = \"first\"\n[enable]\n\
                    patient_added = false\npatient_updated = true\nappointment_scheduled = true\n\
                    appointment_updated = true\nappointment_cancelled = true\n\
                    appointment_checked_in = true\nappointment_checked_out = true";
        let told = problems(&added(text)).join("\n");
        assert_eq!(
            told,
            "line 16: `patients_of_appointments` sends patients as added; switch patient_added \
             on in [enable]"
        );
        let told = problems(&added("[filter]\npatients_of_appointments = \"all\"")).join("");
        assert!(told.ends_with("write \"filtered\" or \"first\""), "{told}");
    }

    #[test]
    fn a_filter_that_says_nothing_or_twice_is_refused() {
        let text = "[filter]\npatient_department = \"home\"\non_leave_scope = \"S15\"\n\
                    [[filter.patients]]\nby = \"office\"\nnames = []\n\
                    [[filter.patients]]\nby = \"provider\"\n\
                    [[filter.appointments]]\nby = \"provider\"\nnames = [\"27\", \" \"]\n\
                    [[filter.appointments]]\nby = \"department\"\nnames = [\"12\"]\n\
                    [[filter.appointments]]\nby = \"department\"\nnames = [\"14\"]";
        assert_eq!(
            problems(&added(text)),
            [
                "line 16: `home` is no patient_department; write \"current\" or \"registration\" \
                 or \"either\"",
                "line 17: `S15` is no on_leave_scope; write \"update\" or \"cancel\" or \"silent\"",
                "line 19: `office` is no by; write \"provider\" or \"department\"",
                "line 20: `names` is empty, so that nobody is told of; write a name or an ID",
                "line 21: `names` is missing in [filter.patients]; write names = [\"Lakeside Main\"]",
                "line 25: `names` is empty; write names = [\"Lakeside Main\"]",
                "line 29: there is another [[filter.appointments]] by department; write all names \
                 into one",
            ]
        );
    }
}
