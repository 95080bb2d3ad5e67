//! What a record tells that does not say so itself: the table of `interface.md`
//! section 7, the record against what was told of it before.

use crate::domain::{Event, Fingerprint, Known, Status};

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
        return match status {
            Status::Booked => &[Scheduled],
            Status::CheckedIn => &[Scheduled, In],
            Status::CheckedOut => &[Scheduled, In, Out],
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Status::*;

    const OLD: Fingerprint = Fingerprint([1; 16]);
    const NEW: Fingerprint = Fingerprint([2; 16]);

    fn told(status: Status, now: &Fingerprint, before: Option<(Status, bool)>) -> String {
        let known = before.map(|(status, announced)| Known {
            fingerprint: OLD,
            status: Some(status),
            announced,
        });
        let events = of_appointment(status, now, known.as_ref()).iter();
        let words = events.map(|event| event.telling().status.to_string());
        words.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_patient_is_added_then_updated_when_something_changed() {
        let known = Known { fingerprint: OLD, status: None, announced: true };
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
            assert_eq!(told(status, &now, before), expected, "{before:?} -> {status:?}");
        }
    }
}
