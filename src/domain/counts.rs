//! What became of the rows of an extract, and what was noticed on the way.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The account of one extract: `rows = sent + filtered + error + duplicate`, always.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Records in the file, the header not counted.
    pub rows: u64,
    /// Records that became one or more messages.
    pub sent: u64,
    /// Records with nothing to tell: open slots, switched-off events, never announced.
    pub filtered: u64,
    /// Records that wait in the queue with a fault.
    pub error: u64,
    /// Records that a newer record of the same ID in the same file stands for.
    pub duplicate: u64,
    /// Messages made.
    pub messages: u64,
}

impl Counts {
    /// True if every row is accounted for.
    pub fn balanced(&self) -> bool {
        self.rows == self.sent + self.filtered + self.error + self.duplicate
    }

    /// Adds another account to this one.
    pub fn add(&mut self, other: &Counts) {
        self.rows += other.rows;
        self.sent += other.sent;
        self.filtered += other.filtered;
        self.error += other.error;
        self.duplicate += other.duplicate;
        self.messages += other.messages;
    }
}

/// As a log has it: `7 rows = 4 sent + 1 filtered + 2 error + 0 duplicate`.
impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts { rows, sent, filtered, error, duplicate, .. } = self;
        write!(
            f,
            "{rows} rows = {sent} sent + {filtered} filtered + {error} error + \
             {duplicate} duplicate"
        )
    }
}

/// Something worth knowing about a value that went out all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Note {
    /// A phone number that is not ten digits went to XTN-9 as it stands.
    PhoneUnformatted,
    /// A ZIP code got its leading zero back.
    ZipRestored,
    /// A field longer than HL7 says went out whole.
    TooLong,
    /// A message's characters were spelt out in ASCII.
    Transliterated,
    /// A patient declined to give a race, an ethnicity or a language.
    Declined,
    /// An audit time fell into the hour that comes twice when summer time ends, or into
    /// the one that does not come; the first was taken.
    AmbiguousTime,
    /// A control character was left out.
    ControlCharacter,
    /// A race or ethnicity code that our table does not have, with a good check digit.
    NewerCode,
    /// A word or a two-letter code was understood as the code it stands for.
    CodeFromWord,
    /// A value that its code table does not have went out as it stands, or as the text
    /// of another code.
    CodeUnknown,
    /// A social security number that is masked, or has not nine digits, was left out.
    SsnLeftOut,
    /// An NPI with a wrong check digit, where athenaNet's IDs were agreed.
    NpiCheckDigit,
    /// A provider without the NPI that was agreed went out under athenaNet's ID, or
    /// with the name alone.
    NpiMissing,
    /// An insurance whose policy has expired went out, as agreed.
    ExpiredPolicy,
    /// The check before publishing warned: a value too long, a code of the site's own.
    Remark,
    /// An external ID that is not the one sent before went out, as agreed.
    ExternalIdChanged,
    /// An appointment that was cancelled is booked again under its ID.
    Rebooked,
    /// An `event` that contradicts the register.
    Contradicts,
    /// A booked appointment that a full snapshot does not have.
    Missing,
    /// A booked appointment that a full snapshot does not have was cancelled, as agreed.
    MissingCancelled,
    /// A patient outside the filter was sent for his appointment, as agreed.
    PatientFirst,
    /// A patient who was to be sent for his appointment, and is not known well enough.
    PatientNotFirst,
    /// Nothing told: older than what was told last.
    Older,
    /// Nothing told: the slot of an appointment that the vendor has as booked is open.
    FreedSlot,
    /// Nothing told: as it was when it was told last.
    Unchanged,
    /// Nothing told: an open or blocked slot, nobody's appointment.
    OpenSlot,
    /// Nothing told: cancelled before the vendor ever heard of it.
    NeverAnnounced,
    /// Nothing told: its event is switched off.
    SwitchedOff,
    /// Nothing told: a test patient, in production.
    TestPatient,
    /// Nothing told: a provider's whom the filter does not name.
    OtherProvider,
    /// Nothing told: a department's that the filter does not name.
    OtherDepartment,
    /// An appointment that was announced left the filter, and was told once more.
    LeftFilter,
    /// Not told in a backfill: the day's traffic told of it since the extract was read.
    ToldSince,
    /// Not told in a backfill: an appointment that is not booked, or whose day has passed.
    NotToCome,
    /// Not told in a backfill: a patient who was deleted or merged.
    Gone,
}

impl Note {
    /// Returns the note as a sentence fragment.
    pub const fn text(self) -> &'static str {
        match self {
            Note::PhoneUnformatted => "phone numbers without ten digits, sent as they stand",
            Note::ZipRestored => "ZIP codes that got their leading zero back",
            Note::TooLong => "fields longer than HL7 says, sent whole",
            Note::Transliterated => "messages with characters spelt out in ASCII",
            Note::Declined => "races, ethnicities and languages that patients declined to give",
            Note::AmbiguousTime => "audit times in the hour when clocks change, the first taken",
            Note::ControlCharacter => "control characters left out",
            Note::NewerCode => "race or ethnicity codes newer than our table",
            Note::CodeFromWord => "code values understood from words",
            Note::CodeUnknown => "values without a code of their own, sent as text",
            Note::SsnLeftOut => "social security numbers masked or not nine digits, left out",
            Note::NpiCheckDigit => "NPIs with a wrong check digit, sent as they stand",
            Note::NpiMissing => "provider fields without the NPI that was agreed",
            Note::ExpiredPolicy => "insurances whose policy has expired, sent",
            Note::Remark => {
                "warnings of the check before publishing; `hl7drop validate` shows them"
            }
            Note::ExternalIdChanged => "external IDs that are not the ones sent before, sent",
            Note::Rebooked => "cancelled appointments booked again",
            Note::Contradicts => {
                "events that contradict what was told before, such as updates of somebody unknown"
            }
            Note::Missing => "booked appointments that the snapshot does not have",
            Note::MissingCancelled => {
                "booked appointments that the snapshot does not have, told as cancelled"
            }
            Note::PatientFirst => "patients sent before their appointments",
            Note::PatientNotFirst => {
                "patients who could not be sent before their appointments: too little is known"
            }
            Note::Older => "records older than what was told of them last",
            Note::FreedSlot => "booked appointments whose slot is open again, told to nobody",
            Note::Unchanged => "records unchanged since they were told last",
            Note::OpenSlot => "open slots, told to nobody",
            Note::NeverAnnounced => "appointments cancelled before they were announced",
            Note::SwitchedOff => "records whose event is switched off",
            Note::TestPatient => "records of test patients, which stay here in production",
            Note::OtherProvider => "records of providers whom [[filter.*]] does not name",
            Note::OtherDepartment => "records of departments that [[filter.*]] does not name",
            Note::LeftFilter => "appointments that left the filter, told once more",
            Note::ToldSince => "records that were told of since the full extract was read",
            Note::NotToCome => "appointments that are not booked, or not to come any more",
            Note::Gone => "patients who were deleted or merged, told to nobody",
        }
    }
}

/// How often each note was made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notes(pub BTreeMap<Note, u64>);

impl Notes {
    /// Counts one more.
    pub fn note(&mut self, note: Note) {
        self.note_often(note, 1);
    }

    /// Counts some more.
    pub fn note_often(&mut self, note: Note, times: u64) {
        if times > 0 {
            *self.0.entry(note).or_default() += times;
        }
    }

    /// Adds the counts of another.
    pub fn add(&mut self, other: &Notes) {
        for (note, count) in &other.0 {
            *self.0.entry(*note).or_default() += count;
        }
    }
}
