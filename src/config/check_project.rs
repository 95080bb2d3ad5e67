//! `[project]`, `[enable]` and `[wire]`: who, what is told, and the header constants.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use toml::Spanned;

use super::check::{Check, Place, open};
use super::raw;
use crate::domain::{
    Charset, Controls, Environment, Event, InterfaceName, Kind, LengthPolicy, LineEnding, Wire,
};

/// A control ID is `<number>M<context_id>` in ST(20), and the number may grow to
/// ten digits (`interface.md` MSH-10).
const CONTEXT_ID_MAX: usize = 20 - 10 - 1;

/// MSH-4 is HD(180): context ID, `^`, name.
const PRACTICE_MAX: usize = 180 - CONTEXT_ID_MAX - 1;

/// What `[project]` says.
pub(super) struct Project {
    pub interface: InterfaceName,
    pub context_id: String,
    pub practice: String,
    pub timezone: TimeZone,
    pub audit_timezone: TimeZone,
}

/// The versions on offer (`interface.md` 3), at the end of a refusal.
const SPOKEN: &str = "write \"2.3.1\", \"2.4\", \"2.5\" or \"2.5.1\"";

const CHARSETS: [(&str, Charset); 3] =
    [("utf-8", Charset::Utf8), ("8859/1", Charset::Latin1), ("ascii", Charset::Ascii)];
const CONTROLS: [(&str, Controls); 3] =
    [("drop", Controls::Drop), ("escape", Controls::Escape), ("refuse", Controls::Refuse)];
const LINE_ENDINGS: [(&str, LineEnding); 3] =
    [("cr", LineEnding::Cr), ("crlf", LineEnding::CrLf), ("lf", LineEnding::Lf)];
const LENGTH_POLICIES: [(&str, LengthPolicy); 3] = [
    ("warn", LengthPolicy::Warn),
    ("error", LengthPolicy::Error),
    ("ignore", LengthPolicy::Ignore),
];

impl Check<'_> {
    /// Checks `[project]`; the environment apart, as the endpoint hangs on it.
    pub fn project(
        &mut self,
        section: Option<Spanned<raw::Project>>,
    ) -> (Option<Environment>, Option<Project>) {
        let (place, project) = open("project", section);
        let words = [Environment::Test, Environment::Production].map(|word| (word.word(), word));
        let environment = self.word(place, "environment", project.environment, &words);
        let interface = self.interface_name(place, project.interface);
        let context_id = self.context_id(place, project.context_id);
        let example = "\"Lakeside Family Medicine\"";
        let practice = self.text(place, "practice", project.practice, example).and_then(|name| {
            self.fits("practice", name.span().start, name.into_inner(), PRACTICE_MAX)
        });
        let timezone = self.timezone(place, "timezone", project.timezone);
        let key = "audit_timezone";
        let audit_timezone = self.timezone(place, key, project.audit_timezone);
        // Kept in the file for people; no message carries them.
        let notes = [
            ("event_number", project.event_number),
            ("vendor", project.vendor),
            ("vendor_type", project.vendor_type),
        ];
        for (key, note) in notes {
            note.map(|note| self.one_line(key, note));
        }
        let assemble = || {
            Some(Project {
                interface: interface?,
                context_id: context_id?,
                practice: practice?,
                timezone: timezone?,
                audit_timezone: audit_timezone?,
            })
        };
        (environment, assemble())
    }

    fn interface_name(&mut self, place: Place, value: raw::Text) -> Option<InterfaceName> {
        let value = self.text(place, "interface", value, "\"ridge-hie\"")?;
        let name = InterfaceName::new(value.as_ref());
        if name.is_none() {
            let what = format!(
                "`{}` names folders; use letters, digits and `-`, at most 40, no `-` in front",
                value.as_ref()
            );
            self.problem(value.span().start, what);
        }
        name
    }

    fn context_id(&mut self, place: Place, value: raw::Text) -> Option<String> {
        let value = self.text(place, "context_id", value, "\"195900\"")?;
        let id = value.as_ref();
        if id.len() > CONTEXT_ID_MAX || !id.bytes().all(|byte| byte.is_ascii_digit()) {
            let what = format!(
                "`{id}` is no context_id; write at most {CONTEXT_ID_MAX} digits, \
                 as control IDs (number, M, context_id) must fit 20 characters"
            );
            self.problem(value.span().start, what);
            return None;
        }
        Some(value.into_inner())
    }

    fn timezone(&mut self, place: Place, key: &str, value: raw::Text) -> Option<TimeZone> {
        let value = self.text(place, key, value, "\"America/New_York\"")?;
        let zone = TimeZone::get(value.as_ref()).ok();
        if zone.is_none() {
            let what = format!(
                "`{}` is no {key}; write an IANA name such as \"America/New_York\"",
                value.as_ref()
            );
            self.problem(value.span().start, what);
        }
        zone
    }

    /// Checks `[enable]`: a yes or a no to each event. A switch left out could mean
    /// either, and a guess would send what was not agreed, or not send what was.
    pub fn enabled(
        &mut self,
        section: Option<Spanned<BTreeMap<Spanned<String>, bool>>>,
    ) -> Vec<Event> {
        let (place, switches) = open("enable", section);
        for key in switches.keys() {
            if !Event::ALL.iter().any(|event| event.telling().key == key.as_ref()) {
                self.no_event(key, &Event::ALL);
            }
        }
        let state = |event: &Event| {
            let key = event.telling().key;
            switches.iter().find(|(name, _)| name.as_ref() == key).map(|(_, on)| *on)
        };
        for event in Event::ALL {
            if state(&event).is_none() {
                self.missing(place, event.telling().key, "true or false");
            }
        }
        let mut enabled: Vec<Event> =
            Event::ALL.into_iter().filter(|event| state(event) == Some(true)).collect();
        enabled.sort();
        enabled
    }

    /// Checks `[appointments.status]`: SCH-25 by event.
    pub fn status(
        &mut self,
        section: BTreeMap<Spanned<String>, Spanned<String>>,
    ) -> BTreeMap<Event, String> {
        let events: Vec<Event> =
            Event::ALL.into_iter().filter(|event| event.kind() == Kind::Appointment).collect();
        let mut status = BTreeMap::new();
        for (key, value) in section {
            let event = events.iter().find(|event| event.telling().key == key.as_ref());
            let Some(&event) = event else {
                self.no_event(&key, &events);
                continue;
            };
            let place = Place { name: "appointments.status", start: value.span().start };
            let example = format!("{:?}", event.telling().status);
            let value = self.text(place, key.as_ref(), Some(value), &example);
            if let Some(value) = value.and_then(|value| self.st(key.as_ref(), value, 200)) {
                status.insert(event, value);
            }
        }
        status
    }

    /// Checks `[appointments]` no_show_status; empty where a no-show is no other status.
    pub fn no_show_status(&mut self, value: raw::Text) -> Option<String> {
        match value {
            Some(value) => self.st("no_show_status", value, 200),
            None => {
                self.missing(Place { name: "appointments", start: 0 }, "no_show_status", "\"\"");
                None
            }
        }
    }

    fn no_event(&mut self, key: &Spanned<String>, events: &[Event]) {
        let known: Vec<&str> = events.iter().map(|event| event.telling().key).collect();
        let what = format!("`{}` is no event here; write {}", key.as_ref(), known.join(", "));
        self.problem(key.span().start, what);
    }

    /// Checks `[wire]`. ST(15) and ST(20) are the limits of FHS-3 to FHS-6 up to 2.4.
    pub fn wire(&mut self, section: Option<Spanned<raw::Wire>>) -> Option<Wire> {
        let (place, wire) = open("wire", section);
        let hl7_version = self.hl7_version(place, wire.hl7_version);
        let key = "sending_application";
        let sending = self
            .text(place, key, wire.sending_application, "\"ATHENANET\"")
            .and_then(|value| self.st(key, value, 15));
        let key = "receiving_application";
        let receiving = self
            .text(place, key, wire.receiving_application, "\"the vendor's name for itself\"")
            .and_then(|value| self.st(key, value, 15));
        let key = "receiving_facility";
        let facility = match wire.receiving_facility {
            Some(value) => self.st(key, value, 20),
            None => {
                self.missing(place, key, "\"\"");
                None
            }
        };
        let operator = self.text(place, "default_operator", wire.default_operator, "\"HL7DROP\"");
        let charset = self.word(place, "charset", wire.charset, &CHARSETS);
        let key = "control_characters";
        let controls = self.word(place, key, wire.control_characters, &CONTROLS);
        let line_ending = self.word(place, "line_ending", wire.line_ending, &LINE_ENDINGS);
        let policy = self.word(place, "length_policy", wire.length_policy, &LENGTH_POLICIES);
        if wire.send_deletes.is_none() {
            self.missing(place, "send_deletes", "false");
        }
        Some(Wire {
            hl7_version: hl7_version?,
            sending_application: sending?,
            receiving_application: receiving?,
            receiving_facility: facility?,
            default_operator: operator?.into_inner(),
            charset: charset?,
            controls: controls?,
            line_ending: line_ending?,
            length_policy: policy?,
            send_deletes: wire.send_deletes?.into_inner(),
        })
    }

    fn hl7_version(&mut self, place: Place, value: raw::Text) -> Option<String> {
        let value = self.text(place, "hl7_version", value, "\"2.3.1\"")?;
        let version = value.as_ref();
        let what = match version.as_str() {
            "2.3.1" | "2.4" | "2.5" | "2.5.1" => return Some(value.into_inner()),
            "2.3" => format!("HL7 2.3 has no room for CDC codes in PID-10 and PID-22; {SPOKEN}"),
            "2.6" => format!("HL7 2.6 renames data types (CE to CWE, TS to DTM); {SPOKEN}"),
            "2.7" => format!("HL7 2.7 withdraws PID-2, PID-4, PD1-4 and SCH-11; {SPOKEN}"),
            _ => format!("`{version}` is no hl7_version; {SPOKEN}"),
        };
        self.problem(value.span().start, what);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{GOOD, added, changed, problems, scope};
    use super::*;

    #[test]
    fn a_project_is_read_as_agreed() {
        let text = changed("environment = \"test\"", "environment = \"test\"\nvendor = \"Ridge\"");
        let scope = scope(&text);
        assert_eq!(scope.interface.as_str(), "ridge-hie");
        assert_eq!(scope.context_id, "195900");
        assert_eq!(scope.practice, "Lakeside Family Medicine");
        assert_eq!(scope.environment, Environment::Test);
        assert_eq!(scope.timezone.iana_name(), Some("America/New_York"));
        assert_eq!(scope.wire.hl7_version, "2.3.1");
        assert_eq!(scope.wire.sending_application, "ATHENANET");
        assert_eq!(scope.wire.receiving_facility, "");
        assert_eq!(scope.wire.default_operator, "HL7DROP");
    }

    #[test]
    fn an_empty_file_is_told_all_it_needs() {
        assert_eq!(
            problems(""),
            [
                "line 1: `environment` is missing in [project]; write environment = \"test\" or \
                 \"production\"",
                "line 1: `interface` is missing in [project]; write interface = \"ridge-hie\"",
                "line 1: `context_id` is missing in [project]; write context_id = \"195900\"",
                "line 1: `practice` is missing in [project]; write practice = \"Lakeside Family \
                 Medicine\"",
                "line 1: `receiving_application` is missing in [wire]; write \
                 receiving_application = \"the vendor's name for itself\"",
            ]
        );
    }

    #[test]
    fn an_interface_name_that_names_no_folder_is_refused() {
        for name in ["../etc", "-a", "a_b", "a b", &"a".repeat(41)] {
            let text = changed("interface = \"ridge-hie\"", &format!("interface = \"{name}\""));
            let told = format!(
                "line 2: `{name}` names folders; use letters, digits and `-`, at most 40, no `-` \
                 in front"
            );
            assert_eq!(problems(&text), [told]);
        }
    }

    #[test]
    fn a_context_id_leaves_room_for_the_number_of_a_control_id() {
        let context =
            |id: &str| changed("context_id = \"195900\"", &format!("context_id = \"{id}\""));
        let longest = "123456789";
        assert_eq!(scope(&context(longest)).context_id, longest);
        assert_eq!(format!("1000000000M{longest}").len(), 20);
        for id in ["1234567890", "19x", "-1"] {
            let told = format!(
                "line 3: `{id}` is no context_id; write at most 9 digits, as control IDs \
                 (number, M, context_id) must fit 20 characters"
            );
            assert_eq!(problems(&context(id)), [told]);
        }
        let told = "line 3: `context_id` is empty; write context_id = \"195900\"";
        assert_eq!(problems(&context("")), [told]);
    }

    #[test]
    fn words_for_people_are_one_line_and_fit() {
        let practice = "practice = \"Lakeside Family Medicine\"";
        assert_eq!(
            problems(&changed(practice, "practice = \"a\\tb\"\nvendor_type = \"a\\nb\"")),
            [
                "line 4: `practice` holds a tab, a line break or another control character; \
                 remove it",
                "line 5: `vendor_type` holds a tab, a line break or another control character; \
                 remove it",
            ]
        );
        let long = format!("practice = \"{}\"", "a".repeat(171));
        assert_eq!(
            problems(&changed(practice, &long)),
            ["line 4: `practice` has 171 characters; shorten it, its field takes 170"]
        );
        assert_eq!(scope(&changed(practice, "practice = \"Smith & Son\"")).practice, "Smith & Son");
    }

    #[test]
    fn a_timezone_that_does_not_exist_is_refused() {
        let text = changed("environment = \"test\"", "environment = \"test\"\ntimezone = \"EDT\"");
        let told = "line 6: `EDT` is no timezone; write an IANA name such as \"America/New_York\"";
        assert_eq!(problems(&text), [told]);
    }

    #[test]
    fn without_switches_all_seven_events_are_told() {
        let mut all = Event::ALL.to_vec();
        all.sort();
        assert_eq!(scope(GOOD).enabled, all);
    }

    #[test]
    fn switches_say_yes_or_no_to_each_event() {
        let switch = |event: &Event| {
            let on = *event == Event::AppointmentCancelled;
            format!("{} = {on}\n", event.telling().key)
        };
        let switches: String = Event::ALL.iter().map(switch).collect();
        let text = added(&format!("[enable]\n{switches}"));
        assert_eq!(scope(&text).enabled, [Event::AppointmentCancelled]);
        assert_eq!(
            problems(&text.replace("patient_added = false", "patient_aded = false")),
            [
                "line 15: `patient_added` is missing in [enable]; write patient_added = true or \
                 false",
                "line 16: `patient_aded` is no event here; write patient_added, patient_updated, \
                 appointment_scheduled, appointment_updated, appointment_cancelled, \
                 appointment_checked_in, appointment_checked_out",
            ]
        );
        assert_eq!(
            problems(&text.replace("patient_added = false", "patient_added = \"no\"")),
            ["line 16: `patient_added`: invalid type: string \"no\", expected true or false"]
        );
    }

    #[test]
    fn a_status_goes_to_an_appointment_event() {
        let text = added("[appointments.status]\nappointment_cancelled = \"NOSHOW\"");
        let noshow = BTreeMap::from([(Event::AppointmentCancelled, "NOSHOW".to_string())]);
        assert_eq!(scope(&text).status, noshow);
        let text = "[appointments.status]\npatient_added = \"X\"\nappointment_updated = \"A^B\"\n\
                    appointment_scheduled = \"\"";
        assert_eq!(
            problems(&added(text)),
            [
                "line 16: `patient_added` is no event here; write appointment_scheduled, \
                 appointment_updated, appointment_cancelled, appointment_checked_in, \
                 appointment_checked_out",
                "line 17: `appointment_updated` holds `^`, an HL7 separator; leave it out",
                "line 18: `appointment_scheduled` is empty; write appointment_scheduled = \
                 \"BOOKED\"",
            ]
        );
    }

    #[test]
    fn only_a_version_that_is_there_is_taken() {
        let told = |version: &str| {
            let text = format!("[wire]\nhl7_version = \"{version}\"");
            problems(&changed("[wire]", &text)).remove(0)
        };
        let write = "write \"2.3.1\", \"2.4\", \"2.5\" or \"2.5.1\"";
        for (version, why) in [
            ("2.3", "HL7 2.3 has no room for CDC codes in PID-10 and PID-22"),
            ("2.6", "HL7 2.6 renames data types (CE to CWE, TS to DTM)"),
            ("2.7", "HL7 2.7 withdraws PID-2, PID-4, PD1-4 and SCH-11"),
            ("3.0", "`3.0` is no hl7_version"),
        ] {
            assert_eq!(told(version), format!("line 7: {why}; {write}"));
        }
        for version in ["2.3.1", "2.4", "2.5", "2.5.1"] {
            let text = format!("[wire]\nhl7_version = \"{version}\"");
            assert_eq!(scope(&changed("[wire]", &text)).wire.hl7_version, version);
        }
    }

    #[test]
    fn the_wire_is_as_hl7_says_unless_agreed() {
        let wire = scope(GOOD).wire;
        assert_eq!((wire.charset, wire.line_ending), (Charset::Utf8, LineEnding::Cr));
        assert_eq!((wire.length_policy, wire.send_deletes), (LengthPolicy::Warn, false));
        assert_eq!(wire.controls, Controls::Drop);
        let text = "[wire]\ncharset = \"8859/1\"\nline_ending = \"crlf\"\n\
                    length_policy = \"error\"\nsend_deletes = true";
        let wire = scope(&changed("[wire]", text)).wire;
        assert_eq!((wire.charset, wire.line_ending), (Charset::Latin1, LineEnding::CrLf));
        assert_eq!((wire.length_policy, wire.send_deletes), (LengthPolicy::Error, true));
        let text = "[wire]\ncharset = \"latin1\"\nline_ending = \"\"\nlength_policy = \"cut\"";
        assert_eq!(
            problems(&changed("[wire]", text)),
            [
                "line 7: `latin1` is no charset; write \"utf-8\" or \"8859/1\" or \"ascii\"",
                "line 8: `` is no line_ending; write \"cr\" or \"crlf\" or \"lf\"",
                "line 9: `cut` is no length_policy; write \"warn\" or \"error\" or \"ignore\"",
            ]
        );
    }

    #[test]
    fn header_constants_fit_their_fields() {
        let text = "[wire]\n\
                    sending_application = \"SIXTEEN-LETTERS-\"\n\
                    receiving_facility = \"TWENTY-ONE-CHARACTERS\"\n\
                    default_operator = \"a\\u0007\"";
        assert_eq!(
            problems(&changed("[wire]", text)),
            [
                "line 7: `sending_application` has 16 characters; shorten it, its field takes 15",
                "line 8: `receiving_facility` has 21 characters; shorten it, its field takes 20",
                "line 9: `default_operator` holds a tab, a line break or another control \
                 character; remove it",
            ]
        );
        let receiving = |name: &str| {
            let text = format!("receiving_application = \"{name}\"");
            problems(&changed("receiving_application = \"RIDGE\"", &text)).remove(0)
        };
        let told = "line 7: `receiving_application` holds `^`, an HL7 separator; leave it out";
        assert_eq!(receiving("RIDGE^1"), told);
        let told =
            "line 7: `receiving_application` has 16 characters; shorten it, its field takes 15";
        assert_eq!(receiving("SIXTEEN-LETTERS-"), told);
    }
}
