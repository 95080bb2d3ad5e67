//! What a record tells that does not say so itself: the table of `interface.md`
//! section 7, the record against what was told of it before.

use crate::domain::{Event, EventRules, Fingerprint, Known, Status, WalkIn};

/// Returns the events of a patient's record, in order.
pub(super) fn of_patient(now: &Fingerprint, before: Option<&Known>) -> &'static [Event] {
    match before {
        None | Some(Known { fingerprint: Fingerprint::NONE, announced: false, .. }) => {
            &[Event::PatientAdded]
        }
        Some(known) if known.fingerprint == *now => &[],
        // Whose A28 was switched off was never announced, and yet is not new.
        Some(_) => &[Event::PatientUpdated],
    }
}

/// Returns the events of an appointment's record, in order.
pub(super) fn of_appointment(
    rules: &EventRules,
    status: Status,
    now: &Fingerprint,
    before: Option<&Known>,
) -> &'static [Event] {
    use Event::{
        AppointmentCancelled as Cancelled, AppointmentCheckedIn as In,
        AppointmentCheckedOut as Out, AppointmentScheduled as Scheduled,
        AppointmentUpdated as Updated,
    };
    let known = before.and_then(|known| Some((known.status?, known.fingerprint != *now)));
    let Some((was, differs)) = known.filter(|(was, _)| *was != Status::Cancelled) else {
        // New, or booked again under its old ID.
        let last = rules.walk_in == WalkIn::Last;
        return match status {
            Status::Booked => &[Scheduled],
            Status::CheckedIn if last => &[In],
            Status::CheckedIn => &[Scheduled, In],
            Status::CheckedOut if last => &[Out],
            Status::CheckedOut => &[Scheduled, In, Out],
            Status::Cancelled if rules.cancelled_unannounced && before.is_none() => {
                &[Scheduled, Cancelled]
            }
            Status::Cancelled | Status::Open => &[],
        };
    };
    match (was, status) {
        (_, Status::Open) => &[],
        // Of one that was never announced there is nothing to take back.
        (_, Status::Cancelled) if before.is_some_and(|known| known.announced) => &[Cancelled],
        (_, Status::Cancelled) => &[],
        (Status::Booked, Status::CheckedIn) if differs => &[Updated, In],
        (Status::Booked, Status::CheckedIn) => &[In],
        (Status::Booked, Status::CheckedOut) if differs => &[Updated, In, Out],
        (Status::Booked, Status::CheckedOut) => &[In, Out],
        (Status::CheckedIn, Status::CheckedOut) if differs => &[Updated, Out],
        (Status::CheckedIn, Status::CheckedOut) => &[Out],
        // A check-in or a check-out was undone.
        (was, is) if is < was => &[Updated],
        _ if differs => &[Updated],
        _ => &[],
    }
}

/// Returns what would be right instead of an event that the record names itself and that
/// contradicts what was told before; `None` if it does not.
pub(super) fn contradiction(
    rules: &EventRules,
    event: Event,
    before: Option<&Known>,
) -> Option<&'static [Event]> {
    let known = before.filter(|known| known.fingerprint != Fingerprint::NONE);
    let new = |status| of_appointment(rules, status, &Fingerprint::NONE, None);
    match (event, known) {
        (Event::PatientAdded, Some(_)) => Some(&[Event::PatientUpdated]),
        (Event::PatientUpdated, None) => Some(&[Event::PatientAdded]),
        (Event::AppointmentScheduled, Some(known)) if known.status != Some(Status::Cancelled) => {
            Some(&[Event::AppointmentUpdated])
        }
        (Event::AppointmentUpdated, None) => Some(new(Status::Booked)),
        (Event::AppointmentCheckedIn, None) => Some(new(Status::CheckedIn)),
        (Event::AppointmentCheckedOut, None) => Some(new(Status::CheckedOut)),
        // Nothing else could be told of it.
        (Event::AppointmentCancelled, None) => Some(&[Event::AppointmentCancelled]),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::MissingRows;
    use crate::domain::Status::*;

    const RULES: EventRules = EventRules {
        walk_in: WalkIn::All,
        cancelled_unannounced: false,
        missing_rows: MissingRows::Ignore,
        correct: false,
        older: false,
        freed_slots: false,
    };

    const OLD: Fingerprint = Fingerprint([1; 16]);
    const NEW: Fingerprint = Fingerprint([2; 16]);

    fn told(
        rules: &EventRules,
        status: Status,
        now: &Fingerprint,
        before: Option<(Status, bool)>,
    ) -> String {
        let known = before.map(|(status, announced)| Known {
            fingerprint: OLD,
            status: Some(status),
            announced,
            columns: 0,
            modified: 0,
        });
        let events = of_appointment(rules, status, now, known.as_ref()).iter();
        let words = events.map(|event| event.telling().status.to_string());
        words.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_patient_is_added_then_updated_when_something_changed() {
        let known =
            Known { fingerprint: OLD, status: None, announced: true, columns: 0, modified: 0 };
        assert_eq!(of_patient(&OLD, None), [Event::PatientAdded]);
        let held = Known { fingerprint: Fingerprint::NONE, announced: false, ..known };
        assert_eq!(of_patient(&OLD, Some(&held)), [Event::PatientAdded]);
        let back = Known { announced: true, ..held };
        assert_eq!(of_patient(&OLD, Some(&back)), [Event::PatientUpdated], "the vendor has one");
        assert_eq!(of_patient(&OLD, Some(&known)), []);
        assert_eq!(of_patient(&NEW, Some(&known)), [Event::PatientUpdated]);
    }

    #[test]
    fn each_row_of_the_table_holds() {
        let new: Option<(Status, bool)> = None;
        let was = |status| Some((status, true));
        for (status, now, before, expected) in [
            (Open, OLD, new, ""),
            (Booked, OLD, new, "BOOKED"),
            (CheckedIn, OLD, new, "BOOKED ARRIVED"),
            (CheckedOut, OLD, new, "BOOKED ARRIVED COMPLETED"),
            (Cancelled, OLD, new, ""),
            (Booked, OLD, was(Booked), ""),
            (Booked, NEW, was(Booked), "UPDATE"),
            (CheckedIn, OLD, was(Booked), "ARRIVED"),
            (CheckedIn, NEW, was(Booked), "UPDATE ARRIVED"),
            (CheckedOut, OLD, was(Booked), "ARRIVED COMPLETED"),
            (CheckedOut, NEW, was(Booked), "UPDATE ARRIVED COMPLETED"),
            (CheckedOut, OLD, was(CheckedIn), "COMPLETED"),
            (CheckedOut, NEW, was(CheckedIn), "UPDATE COMPLETED"),
            (CheckedOut, OLD, was(CheckedOut), ""),
            (CheckedOut, NEW, was(CheckedOut), "UPDATE"),
            (CheckedIn, NEW, was(CheckedIn), "UPDATE"),
            (Booked, OLD, was(CheckedIn), "UPDATE"),
            (Booked, OLD, was(CheckedOut), "UPDATE"),
            (CheckedIn, OLD, was(CheckedOut), "UPDATE"),
            (Cancelled, NEW, was(Booked), "CANCELLED"),
            (Cancelled, OLD, was(CheckedIn), "CANCELLED"),
            (Cancelled, OLD, was(CheckedOut), "CANCELLED"),
            (Cancelled, NEW, was(Cancelled), ""),
            (Booked, OLD, was(Cancelled), "BOOKED"),
            (CheckedIn, NEW, was(Cancelled), "BOOKED ARRIVED"),
            (Cancelled, OLD, Some((Booked, false)), ""),
        ] {
            assert_eq!(told(&RULES, status, &now, before), expected, "{before:?} -> {status:?}");
        }
    }

    #[test]
    fn what_is_new_and_not_booked_is_told_as_agreed() {
        let was = |status| Some((status, true));
        let other = EventRules { walk_in: WalkIn::Last, cancelled_unannounced: true, ..RULES };
        for (status, before, expected) in [
            (Booked, None, "BOOKED"),
            (CheckedIn, None, "ARRIVED"),
            (CheckedOut, None, "COMPLETED"),
            (Cancelled, None, "BOOKED CANCELLED"),
            // Not new: nothing is left out, nothing told twice.
            (CheckedOut, was(Booked), "ARRIVED COMPLETED"),
            (Cancelled, was(Cancelled), ""),
            (Cancelled, Some((Booked, false)), ""),
        ] {
            assert_eq!(told(&other, status, &OLD, before), expected, "{before:?} -> {status:?}");
        }
    }

    #[test]
    fn an_event_of_its_own_word_can_contradict_what_was_told() {
        use Event::*;
        let known =
            |status| Known { fingerprint: OLD, status, announced: true, columns: 0, modified: 0 };
        let held = Known {
            fingerprint: Fingerprint::NONE,
            status: None,
            announced: false,
            columns: 0,
            modified: 0,
        };
        let of = |event, before: Option<&Known>| contradiction(&RULES, event, before);
        assert_eq!(of(PatientAdded, None), None);
        assert_eq!(of(PatientAdded, Some(&held)), None);
        assert_eq!(of(PatientAdded, Some(&known(None))), Some(&[PatientUpdated][..]));
        assert_eq!(of(PatientUpdated, Some(&known(None))), None);
        assert_eq!(of(PatientUpdated, Some(&held)), Some(&[PatientAdded][..]));
        for (event, unknown) in [
            (AppointmentUpdated, &[AppointmentScheduled][..]),
            (AppointmentCheckedIn, &[AppointmentScheduled, AppointmentCheckedIn]),
            (AppointmentCancelled, &[AppointmentCancelled]),
        ] {
            assert_eq!(of(event, None), Some(unknown));
            assert_eq!(of(event, Some(&known(Some(Booked)))), None);
        }
        let booked_again = known(Some(Cancelled));
        assert_eq!(of(AppointmentScheduled, Some(&booked_again)), None);
        let twice = known(Some(CheckedIn));
        assert_eq!(of(AppointmentScheduled, Some(&twice)), Some(&[AppointmentUpdated][..]));
    }
}
