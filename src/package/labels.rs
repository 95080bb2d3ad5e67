//! The words of the package's tables, read as people vary them.

use super::document::Cell;
use crate::domain::Event;

/// Returns a label as it is compared: letters and digits in lower case, single blanks.
pub fn plain(text: &str) -> String {
    let text: String = text
        .chars()
        .map(|char| if char.is_alphanumeric() { char.to_ascii_lowercase() } else { ' ' })
        .collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// True if a label has one of these words, each as a whole word or words.
pub fn has(label: &str, words: &[&str]) -> bool {
    let label = format!(" {label} ");
    words.iter().any(|word| label.contains(&format!(" {word} ")))
}

/// Returns the event that a label names: its words, or else its trigger event.
pub fn event_of(label: &str) -> Option<Event> {
    let appointment = has(label, &["appt", "appts", "appointment", "appointments"]);
    let patient = has(label, &["patient", "patients"]) && !appointment;
    let says = |words: &[&str]| has(label, words);
    let done = ["checkout", "checked out", "check out", "checkedout", "completed", "check outs"];
    let here = ["checkin", "checked in", "check in", "checkedin", "arrived", "check ins"];
    let off = ["cancelled", "canceled", "cancel", "cancellation", "cancellations", "s15"];
    let changed = ["updated", "update", "updates", "modified", "changed"];
    match () {
        () if says(&["a28"]) => Some(Event::PatientAdded),
        () if says(&["a31"]) => Some(Event::PatientUpdated),
        () if says(&done) && !patient => Some(Event::AppointmentCheckedOut),
        () if says(&here) && !patient => Some(Event::AppointmentCheckedIn),
        () if says(&off) && !patient => Some(Event::AppointmentCancelled),
        () if patient && says(&changed) => Some(Event::PatientUpdated),
        () if patient && says(&["added", "add", "new", "registered"]) => Some(Event::PatientAdded),
        () if appointment && says(&changed) => Some(Event::AppointmentUpdated),
        () if says(&["scheduled", "booked", "s12"]) => Some(Event::AppointmentScheduled),
        () if appointment && says(&["new", "schedule", "added"]) => {
            Some(Event::AppointmentScheduled)
        }
        () => None,
    }
}

/// What a row says where yes or no was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// Yes.
    Yes,
    /// No, or a box that is empty.
    No,
    /// Both, neither, or something else.
    Unclear,
    /// Nothing to be answered stands there.
    Nothing,
}

/// Reads yes or no from the cells of a row: one box, boxes for yes and no, or words.
pub fn said<'a>(cells: impl IntoIterator<Item = &'a Cell>) -> Said {
    let (mut ticks, mut words) = (Vec::new(), Vec::new());
    for cell in cells {
        ticks.extend(cell.ticks());
        words.push(plain(&cell.text()));
    }
    let (mut yes, mut no, mut bare) = (None, None, Vec::new());
    for (on, label) in ticks {
        match word(&plain(&label)) {
            Said::Yes => yes = Some(on),
            Said::No => no = Some(on),
            _ => bare.push(on),
        }
    }
    match (yes, no, bare.as_slice()) {
        (Some(true), None | Some(false), _) => return Said::Yes,
        (Some(false) | None, Some(true), _) => return Said::No,
        (Some(_), _, _) | (_, Some(_), _) => return Said::Unclear,
        (None, None, [on]) => return if *on { Said::Yes } else { Said::No },
        (None, None, []) => {}
        // The columns of yes and no, whose heads say so: the first is yes.
        (None, None, [true, false]) => return Said::Yes,
        (None, None, [false, true]) => return Said::No,
        _ => return Said::Unclear,
    }
    let said: Vec<Said> =
        words.iter().map(|one| word(one)).filter(|said| *said != Said::Nothing).collect();
    match said.as_slice() {
        [one] => *one,
        [] => Said::Nothing,
        _ => Said::Unclear,
    }
}

fn word(text: &str) -> Said {
    match text.split(' ').next().unwrap_or_default() {
        "yes" | "y" | "x" | "true" | "on" | "enabled" | "enable" | "included" => Said::Yes,
        "no" | "n" | "false" | "off" | "disabled" | "none" | "excluded" => Said::No,
        _ => Said::Nothing,
    }
}
