//! What happened in the practice, and what we say about it.
//!
//! To add an event: add a variant and its row. The compiler then leads you to
//! the one `match` in `convert/detect.rs`; a golden case proves the rest.

/// Which of the two message families an event is told in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Patients: ADT.
    Patient,
    /// Appointments: SIU.
    Appointment,
}

/// One thing that happened to one patient or appointment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Event {
    /// A patient was registered.
    PatientAdded,
    /// A patient's data changed.
    PatientUpdated,
    /// An appointment was booked.
    AppointmentScheduled,
    /// An appointment changed.
    AppointmentUpdated,
    /// An appointment was cancelled.
    AppointmentCancelled,
    /// The patient arrived.
    AppointmentCheckedIn,
    /// The visit is over.
    AppointmentCheckedOut,
}

/// How an event is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Telling {
    /// The switch in `[enable]`.
    pub key: &'static str,
    /// MSH-9.1, message code.
    pub message: &'static str,
    /// MSH-9.2, trigger event.
    pub trigger: &'static str,
    /// MSH-9.3, message structure (table 0354; from 2.4 on).
    pub structure: &'static str,
    /// SCH-25, for appointments; empty for patients.
    pub status: &'static str,
    /// SCH-6.1 and SCH-6.2, where the extract gives no reason.
    pub reason: (&'static str, &'static str),
    /// RGS-2, AIG-2, AIL-2: table 0206.
    pub action: &'static str,
}

impl Event {
    /// Every event, in the order of the scope package's table 3.
    pub const ALL: [Event; 7] = [
        Event::PatientAdded,
        Event::PatientUpdated,
        Event::AppointmentScheduled,
        Event::AppointmentUpdated,
        Event::AppointmentCancelled,
        Event::AppointmentCheckedIn,
        Event::AppointmentCheckedOut,
    ];

    /// Returns how this event is told (scope package tables 3 and 7, `interface.md` 3.2).
    #[rustfmt::skip]
    pub const fn telling(self) -> Telling {
        let (key, message, trigger, status, reason, action) = match self {
            Event::PatientAdded          => ("patient_added",           "ADT", "A28", "",          ("", ""), ""),
            Event::PatientUpdated        => ("patient_updated",         "ADT", "A31", "",          ("", ""), ""),
            Event::AppointmentScheduled  => ("appointment_scheduled",   "SIU", "S12", "BOOKED",    ("SCHEDULE", "Schedule appointment"), "A"),
            Event::AppointmentUpdated    => ("appointment_updated",     "SIU", "S14", "UPDATE",    ("UPDATE", "Update appointment"),     "U"),
            Event::AppointmentCancelled  => ("appointment_cancelled",   "SIU", "S15", "CANCELLED", ("CANCEL", "Cancel appointment"),     "D"),
            Event::AppointmentCheckedIn  => ("appointment_checked_in",  "SIU", "S14", "ARRIVED",   ("CHECKIN", "Check-in"),              "U"),
            Event::AppointmentCheckedOut => ("appointment_checked_out", "SIU", "S14", "COMPLETED", ("CHECKOUT", "Check-out"),            "U"),
        };
        let structure = if status.is_empty() { "ADT_A05" } else { "SIU_S12" };
        Telling { key, message, trigger, structure, status, reason, action }
    }

    /// Returns the message family.
    pub const fn kind(self) -> Kind {
        match self {
            Event::PatientAdded | Event::PatientUpdated => Kind::Patient,
            _ => Kind::Appointment,
        }
    }

    /// Reads the word of an `event` column, in any case (`interface.md` 5.3, 5.4).
    pub fn of_word(kind: Kind, word: &str) -> Option<Event> {
        let word = word.trim().to_ascii_lowercase().replace([' ', '_', '-'], "");
        let word = word.strip_prefix("appointment").unwrap_or(&word);
        let word = word.strip_prefix("appt").unwrap_or(word);
        let word = word.strip_prefix("patient").unwrap_or(word);
        let word = word.strip_prefix("newpatient").unwrap_or(word);
        match kind {
            Kind::Patient => match word {
                "add" | "added" | "a28" | "create" | "created" | "insert" | "new" => {
                    Some(Event::PatientAdded)
                }
                "update" | "updated" | "a31" | "modify" | "modified" | "change" | "changed" => {
                    Some(Event::PatientUpdated)
                }
                _ => None,
            },
            Kind::Appointment => match word {
                "schedule" | "scheduled" | "s12" | "create" | "created" | "book" | "booked"
                | "add" | "new" => Some(Event::AppointmentScheduled),
                "update" | "updated" | "s14" | "modify" | "modified" | "change" | "changed" => {
                    Some(Event::AppointmentUpdated)
                }
                "cancel" | "cancelled" | "canceled" | "s15" => Some(Event::AppointmentCancelled),
                "checkin" | "checkedin" | "arrived" => Some(Event::AppointmentCheckedIn),
                "checkout" | "checkedout" | "completed" => Some(Event::AppointmentCheckedOut),
                _ => None,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_goes_with_an_appointment_and_only_with_one() {
        for event in Event::ALL {
            let telling = event.telling();
            assert_eq!(!telling.status.is_empty(), telling.message == "SIU", "{event:?}");
            assert_eq!(event.kind() == Kind::Appointment, telling.message == "SIU");
        }
    }

    #[test]
    fn an_event_is_known_by_every_word_of_the_specification() {
        let read = |word| Event::of_word(Kind::Appointment, word);
        for word in ["schedule", "S12", "create", "booked", "Appt Scheduled"] {
            assert_eq!(read(word), Some(Event::AppointmentScheduled), "{word}");
        }
        for word in ["checkin", "Check-In", "arrived", "appointment_checked_in"] {
            assert_eq!(read(word), Some(Event::AppointmentCheckedIn), "{word}");
        }
        assert_eq!(read("A28"), None);
        assert_eq!(Event::of_word(Kind::Patient, " A28 "), Some(Event::PatientAdded));
        assert_eq!(Event::of_word(Kind::Patient, "Patient UPDATED"), Some(Event::PatientUpdated));
    }
}
