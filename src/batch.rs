//! What stands around the messages of one batch file: names, control IDs, headers,
//! counts (`interface.md` 3.2 FHS to FTS, 3.5).

use std::collections::BTreeMap;

use jiff::civil::DateTime;

use crate::domain::{Kind, LineEnding, Scope, Wrappers};
use crate::hl7::envelope::{Header, Parties, header, trailer};

/// The envelope of one batch file.
#[derive(Clone, Debug)]
pub struct Envelope {
    parties: Parties,
    context_id: String,
    processing_id: &'static str,
    number: u64,
    /// The file name, but for its number.
    name_template: String,
    file_name: String,
    line_ending: LineEnding,
    wrappers: Wrappers,
    backfill: bool,
    earlier: Earlier,
}

/// The control IDs that a file and its batches had when they were transmitted first:
/// FHS-12 and BHS-12 (`interface.md` 3.5). Empty the first time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Earlier {
    /// FHS-11 then.
    pub file: String,
    /// BHS-11 then, of patients and of appointments.
    pub batches: BTreeMap<Kind, String>,
}

impl Envelope {
    /// Makes the envelope of file `number` at `clock`, civil time of the interface.
    pub fn new(scope: &Scope, number: u64, clock: DateTime) -> Envelope {
        let date = clock.strftime("%Y%m%d").to_string();
        let time = clock.strftime("%H%M%S").to_string();
        let name_template = scope
            .batching
            .file_name
            .replace("{context_id}", &scope.context_id)
            .replace("{interface}", scope.interface.as_str())
            .replace("{environment}", scope.environment.word())
            .replace("{date}", &date)
            .replace("{time}", &time);
        let parties = Parties {
            sending_application: scope.wire.sending_application.clone(),
            sending_facility: scope.context_id.clone(),
            receiving_application: scope.wire.receiving_application.clone(),
            receiving_facility: scope.wire.receiving_facility.clone(),
            created: date + &time,
        };
        Envelope {
            parties,
            context_id: scope.context_id.clone(),
            processing_id: scope.environment.processing_id(),
            number,
            file_name: numbered(&name_template, number),
            name_template,
            line_ending: scope.wire.line_ending,
            wrappers: scope.batching.wrappers,
            backfill: false,
            earlier: Earlier::default(),
        }
    }

    /// Says that what is in the file was transmitted before.
    pub fn again(self, earlier: Earlier) -> Envelope {
        Envelope { earlier, ..self }
    }

    /// Says that the file is part of a backfill (FHS-10, BHS-10; `interface.md` 7).
    pub fn of_backfill(self) -> Envelope {
        Envelope { backfill: true, ..self }
    }

    /// Returns the envelope of the next file of the same drop.
    pub fn next(&self) -> Envelope {
        let number = self.number + 1;
        Envelope { number, file_name: numbered(&self.name_template, number), ..self.clone() }
    }

    /// Returns the file's number.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Returns the file's name at the endpoint.
    pub fn file_name(&self) -> &str {
        &self.file_name
    }

    /// Returns what follows the ledger's number in MSH-10: `M99999`.
    pub fn control_suffix(&self) -> String {
        format!("M{}", self.context_id)
    }

    /// Writes FHS, where it was agreed.
    pub fn open_file(&self, out: &mut Vec<u8>) {
        if self.wrappers != Wrappers::File {
            return;
        }
        let name = format!("{}-{:06}", self.context_id, self.number);
        let backfill = if self.backfill { "Y" } else { "N" };
        let comment = format!("hl7drop backfill={backfill} env={}", self.processing_id);
        let control_id = self.control_id(self.number);
        let reference = &self.earlier.file;
        let fields = Header { name: &name, comment: &comment, control_id: &control_id, reference };
        header("FHS", &self.parties, &fields, out);
        self.end(out);
    }

    /// Writes, where it was agreed, BHS of the `index`th batch, counted from 1.
    pub fn open_batch(&self, kind: Kind, index: u64, out: &mut Vec<u8>) {
        let mark = if self.backfill { " backfill=Y" } else { "" };
        self.batch_header(kind, &format!("{}{mark}", comment(kind)), index, out);
    }

    /// Writes a batch of nothing, by agreement (3.5, zero messages).
    pub fn empty_batch(&self, out: &mut Vec<u8>) {
        self.batch_header(Kind::Patient, "no changes", 1, out);
        trailer("BTS", 0, "", out);
        self.end(out);
        if self.wrappers == Wrappers::File {
            trailer("FTS", 1, "", out);
            self.end(out);
        }
    }

    /// Writes, where it was agreed, BTS with its count of messages.
    pub fn close_batch(&self, kind: Kind, messages: u64, out: &mut Vec<u8>) {
        if self.wrappers != Wrappers::None {
            trailer("BTS", messages, comment(kind), out);
            self.end(out);
        }
    }

    /// Writes, where it was agreed, FTS with its count of batches.
    pub fn close_file(&self, batches: u64, messages: u64, out: &mut Vec<u8>) {
        if self.wrappers == Wrappers::File {
            trailer("FTS", batches, &format!("{messages} messages"), out);
            self.end(out);
        }
    }

    fn batch_header(&self, kind: Kind, comment: &str, index: u64, out: &mut Vec<u8>) {
        if self.wrappers == Wrappers::None {
            return;
        }
        let name = match kind {
            Kind::Patient => "ADT",
            Kind::Appointment => "SIU",
        };
        let control_id = self.control_id(self.number * 10 + index);
        let reference = self.earlier.batches.get(&kind).map_or("", String::as_str);
        let fields = Header { name, comment, control_id: &control_id, reference };
        header("BHS", &self.parties, &fields, out);
        self.end(out);
    }

    /// Puts the agreed line ending instead of the CR that HL7 asks for.
    fn end(&self, out: &mut Vec<u8>) {
        out.pop();
        out.extend_from_slice(self.line_ending.bytes());
    }

    /// Twenty characters, all that FHS-11 and BHS-11 can hold: the time of the run and
    /// six digits of the number, so it comes again after a million files at the
    /// earliest, and then with another time.
    fn control_id(&self, number: u64) -> String {
        format!("{}{:06}", self.parties.created, number % 1_000_000)
    }
}

fn numbered(template: &str, number: u64) -> String {
    template.replace("{file_number}", &format!("{number:06}"))
}

fn comment(kind: Kind) -> &'static str {
    match kind {
        Kind::Patient => "patients",
        Kind::Appointment => "appointments",
    }
}
