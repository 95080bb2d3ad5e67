//! Who looks at what, in words people of both sides use.

use super::Check;
use super::scenes::Scene;
use crate::domain::Event;

/// Returns what a person does in the practice, and what one sees at the vendor's.
pub fn of_event(event: Event) -> (&'static str, &'static str) {
    match event {
        Event::PatientAdded => (
            "Register a test patient with address, telephone, guarantor and insurance.",
            "The patient is there, with name, date of birth, address, telephone and insurance.",
        ),
        Event::PatientUpdated => {
            ("Change the address of a test patient.", "The patient has the new address.")
        }
        Event::AppointmentScheduled => (
            "Book an appointment for a test patient.",
            "The appointment is there, on its day and time, with provider and department.",
        ),
        Event::AppointmentUpdated => (
            "Change the duration or the provider of a booked appointment.",
            "The appointment shows the change, and is there once.",
        ),
        Event::AppointmentCancelled => {
            ("Cancel a booked appointment.", "The appointment is cancelled, with its reason.")
        }
        Event::AppointmentCheckedIn => {
            ("Check a test patient in.", "The appointment shows that the patient arrived.")
        }
        Event::AppointmentCheckedOut => {
            ("Check a test patient out.", "The appointment shows that the visit is over.")
        }
    }
}

fn check(side: &str, who: &str, what: String) -> Check {
    Check { side: side.to_string(), who: who.to_string(), what }
}

/// Returns who looks at what in the unit phase.
pub fn unit(scene: &Scene) -> Vec<Check> {
    let sent = scene.drops.iter().any(|drop| !drop.told.is_empty());
    let practice = "`hl7drop testplan run` drops the extracts, delivers, and compares what went \
                    out with what was expected, field by field";
    let vendor = match sent {
        true => {
            "the file arrives under its final name, is read without an error, and each \
                 message is taken; the points hold in what was stored"
        }
        false => "no file arrives",
    };
    vec![
        check("practice", "Interface analyst", practice.to_string()),
        check("vendor", "Interface engineer, at the test server", vendor.to_string()),
    ]
}

/// Returns who looks at what in the end-user phase.
pub fn end_user(scene: &Scene) -> Vec<Check> {
    vec![
        check("practice", "A user of athenaNet", scene.does.clone()),
        check("vendor", "A user of the vendor's application", scene.sees.clone()),
    ]
}
