//! Which patients and appointments an interface tells of (scope package, table 6).

use std::collections::BTreeMap;

/// `[filter]`: what was agreed, names and IDs as they stand in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filters {
    /// `[[filter.patients]]`.
    pub patients: Filter,
    /// `[[filter.appointments]]`.
    pub appointments: Filter,
    /// `[filter]` patient_department (8.8).
    pub patient_department: PatientDepartment,
    /// `[filter]` on_leave_scope (8.11).
    pub on_leave: OnLeave,
    /// `[filter]` patients_of_appointments (8.10): true sends the A28 of a patient who was
    /// never sent before his first appointment.
    pub patients_first: bool,
}

/// The rows of one kind: a record must satisfy each, by one of its names or IDs.
pub type Filter = BTreeMap<FilterBy, Vec<String>>;

/// What a row looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FilterBy {
    /// The patient's primary provider, the appointment's provider.
    Provider,
    /// The department.
    Department,
}

impl FilterBy {
    /// Returns the word of the interface file.
    pub const fn word(self) -> &'static str {
        match self {
            FilterBy::Provider => "provider",
            FilterBy::Department => "department",
        }
    }
}

/// Which department of a patient counts (8.8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PatientDepartment {
    /// The current one; of a patient who has none, that of the registration.
    #[default]
    Current,
    /// That of the registration.
    Registration,
    /// One of the two.
    Either,
}

/// What is told of an appointment that was announced and leaves the filter (8.11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnLeave {
    /// Its change, once.
    Update,
    /// That it is cancelled.
    Cancel,
    /// Nothing.
    Silent,
}
