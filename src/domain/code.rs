//! The reasons a record can be refused for: one stable code each.
//!
//! To add a reason: add a variant and its row in [`Code::row`]. `interface.md`
//! section 9 fixes the codes that stand there; `V` and `E` codes are ours.

use super::queue::QueueState;

/// Who must act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The practice: a missing provider, an unknown department.
    Client,
    /// Billing: an insurance that maps to nothing.
    Billing,
    /// Whoever runs this program: configuration, keys, disk, network.
    Operator,
    /// Us: a broken promise of the program's own.
    Program,
}

impl Owner {
    /// Returns the queue state of a message that waits for this owner.
    pub fn queue_state(self) -> QueueState {
        match self {
            Owner::Client => QueueState::Error,
            Owner::Billing => QueueState::CboError,
            Owner::Operator | Owner::Program => QueueState::AthenaError,
        }
    }
}

macro_rules! codes {
    ($($code:ident $owner:ident $text:literal $hint:literal)*) => {
        /// Why a record did not become a message.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code { $(#[doc = $text] $code,)* }

        impl Code {
            /// Every code, in the order of this table.
            pub const ALL: &[Code] = &[$(Code::$code,)*];

            /// Returns the code as it is written: `R001`.
            pub const fn id(self) -> &'static str {
                match self { $(Code::$code => stringify!($code),)* }
            }

            const fn row(self) -> (Owner, &'static str, &'static str) {
                match self { $(Code::$code => (Owner::$owner, $text, $hint),)* }
            }
        }
    };
}

codes! {
    M001 Client "a required value is empty"
        "fill it in at the source and export the row again"
    T001 Client "not a date or time that exists"
        "write dates as MM/DD/YYYY or YYYY-MM-DD, times as HH:MM or HH:MM AM; 31821 or Jan-87 is what a spreadsheet makes of a date"
    N001 Client "not a whole number of minutes above zero"
        "write the duration as minutes, for example 15"
    C001 Client "not in its code table"
        "use a code of the table, or add a row to it"
    C002 Operator "not in its code table, and held until somebody maps it"
        "map the value in the interface file, [codes.TABLE], or correct it at the source; then drop the row again"
    R001 Client "not a CDC race or ethnicity code of this kind"
        "use CDC codes such as 2106-3; ethnicity codes belong in ethnicitycode, race codes in race"
    L001 Client "not an ISO 639-2 language"
        "use a three-letter code such as eng or spa"
    D001 Client "the department is not in the departments extract"
        "add it to departments.csv or to [departments], or correct the row; then drop both again"
    P001 Client "the provider is not in the providers extract"
        "add it to providers.csv or to [providers.ID], or correct the row; then drop both again"
    P002 Client "the provider has no NPI, or one whose check digit is wrong"
        "give the provider its NPI in providers.csv, or set provider_id.use = \"athena\""
    A001 Client "the patient of this appointment is not known"
        "drop a patients extract with this patient, and mend the patient's row if it is in the queue; then drop the appointment again"
    E001 Client "the event is not one of the agreed words"
        "patients: add, update; appointments: schedule, update, cancel, checkin, checkout"
    E002 Client "the appointment status is not one we know"
        "use o, f, x, 2, 3, 4 or their names"
    O001 Client "out of scope: merge/delete"
        "tell the vendor another way: no agreed message takes a patient away; or set patients.deleted = \"A31\""
    O002 Client "out of scope: the row is another practice's"
        "export this practice only: contextid must be project.context_id"
    F001 Client "longer than its HL7 field takes"
        "shorten it at the source; nothing is cut, as half a name or number is worse than none"
    W001 Client "a character that the agreed character set does not have"
        "write it otherwise at the source, or agree on wire.charset = \"utf-8\""
    W002 Client "a control character"
        "remove it at the source, or agree on wire.control_characters = \"drop\""
    V001 Client "the row has not as many values as the header"
        "look for a delimiter inside a value without quotes, or a quote that is never closed"
    V002 Client "bytes that cannot be decoded"
        "export the file as UTF-8, or say what it is: encoding = \"windows-1252\" in [extract.patients] or another [extract]"
    V003 Client "a NUL character"
        "export the file as UTF-8 text; NUL characters come from UTF-16 or from damage"
    V004 Client "a column that stands in the header more than once has different values"
        "remove one of the columns, or make them agree"
    V005 Client "not a JSON object on one line"
        "write each record as one JSON object on a line of its own"
    V006 Client "a name stands twice in a JSON object"
        "keep one of them; two custom fields of one ID and two insurances of one number count too"
    V007 Client "a JSON value that this column cannot hold"
        "write a text, a number, true, false or null; only race, appointmentnotes, insurances and customfields may be lists"
    X001 Client "an external ID that is not the only one, or not this record's only one"
        "one value belongs to one patient or appointment, which has one value in each category: correct it at the source and drop the rows again"
    X002 Client "an external ID that is not the one sent before"
        "correct it at the source; if the new value is right, `hl7drop queue resubmit INTERFACE RECORD --changed-id --why ...` sends this record with it"
    X003 Client "an ID that lost its leading zeros, or that a spreadsheet changed"
        "export it again with the column as text, and open it in no spreadsheet: 0004471 turns into 4471, 4471.0, 4.471E+03 or a date there"
    I001 Billing "an insurance without its package ID"
        "IN1-2 and IN1-3 are required: give the insurance its package ID, or clear its columns"
    I002 Billing "a secondary insurance without a primary"
        "give the primary insurance, or move the secondary to its place"
    I003 Billing "the relationship to the insured is not one we know"
        "use athenaNet's relationship number or its name"
    I004 Billing "an insurance whose policy has expired"
        "mark it as cancelled, which leaves it out, or clear its columns; give it the new last day where it goes on; or set insurance.expired = \"send\""
    S001 Operator "a batch file could not be written or delivered, and trying again did not help"
        "`hl7drop delivery` lists what waits, each with why and the commands to type; once the cause is mended: hl7drop run --retry"
    S002 Operator "a file does not have the size at the vendor's end that was sent"
        "nothing was published under its final name, and the next run sends it again; if it happens again, ask the vendor whether their disk is full"
    S003 Program "the batch that was made is not conformant and was not published"
        "run `hl7drop explain` with the rule that was named; if no [[mapping]] row fills the field, report a bug: the extracts are kept and the next run converts them again"
    S004 Operator "the ledger is damaged"
        "nothing is taken in or sent until it is restored: `hl7drop check` says what is wrong with it, `hl7drop restore DIR --why ...` puts a backup back"
    G001 Billing "a guarantor without a name"
        "GT1-3 is required: give the guarantor's name, or clear the guarantor's columns"
}

impl Code {
    /// Reads a code as it is written.
    pub fn of_id(id: &str) -> Option<Code> {
        Code::ALL.iter().copied().find(|code| code.id() == id)
    }

    /// Returns who must act.
    pub const fn owner(self) -> Owner {
        self.row().0
    }

    /// Returns what is wrong, as a fragment; it never holds a value of the record.
    pub const fn text(self) -> &'static str {
        self.row().1
    }

    /// Returns what to do about it.
    pub const fn hint(self) -> &'static str {
        self.row().2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_read_back_and_bill_what_is_billing() {
        for &code in Code::ALL {
            assert_eq!(Code::of_id(code.id()), Some(code));
            assert!(!code.hint().is_empty() && !code.text().ends_with('.'), "{code:?}");
        }
        // Those of `interface.md` section 9.
        for id in [
            "P001", "P002", "D001", "R001", "L001", "X001", "X002", "X003", "T001", "M001", "A001",
            "F001", "I001", "I002", "I003", "I004", "G001", "S001", "S002", "S003", "S004",
        ] {
            assert!(Code::of_id(id).is_some(), "{id}");
        }
        assert_eq!(Code::S004.owner().queue_state(), QueueState::AthenaError);
        assert_eq!(Code::I001.owner().queue_state(), QueueState::CboError);
        assert_eq!(Code::R001.owner().queue_state(), QueueState::Error);
    }
}
