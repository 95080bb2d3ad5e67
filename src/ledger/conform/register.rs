//! What every register must hold to.

use super::Story;
use crate::domain::{Counts, Fingerprint, Kind, Known, Notes, Status};
use crate::ledger::{Entry, Ledger, Numbers};

/// What is known after so many changes.
fn known(change: u8) -> Known {
    let status = [None, Some(Status::Booked), Some(Status::Cancelled)][usize::from(change) % 3];
    Known { fingerprint: Fingerprint([change; 16]), status, announced: change > 1 }
}

fn entries(kind: Kind, columns: u32, of: &[(&str, u8, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (id, change, kept) in of {
        let (id, kept) = (id.as_bytes(), kept.as_bytes());
        Entry { kind, id, known: known(*change), columns, kept }.write(&mut out);
    }
    out
}

impl Story<'_> {
    /// Opens a drop with one extract, which remembers.
    fn remember(&mut self, kind: Kind, of: &[(&str, u8, &str)]) -> crate::ledger::ExtractId {
        let extract = self.extract();
        let ledger = self.ledger();
        ledger.begin_drop().unwrap();
        let id = ledger.begin_extract(&extract).unwrap();
        let columns = ledger.keep_columns(&["patientid".into(), "dob".into()]).unwrap();
        ledger.remember(&entries(kind, columns, of)).unwrap();
        id
    }

    fn known(&mut self, kind: Kind, id: &str) -> Option<Known> {
        self.ledger().known(kind, id.as_bytes()).unwrap()
    }

    fn kept(&mut self, id: &str) -> Option<String> {
        let kept = self.ledger().kept(Kind::Patient, id.as_bytes()).unwrap()?;
        let names = &self.ledger().columns().unwrap()[kept.columns as usize - 1].1;
        assert_eq!(*names, ["patientid", "dob"]);
        Some(String::from_utf8(kept.values).unwrap())
    }

    fn end(&mut self, id: crate::ledger::ExtractId) -> &mut dyn Ledger {
        let ledger = self.ledger();
        ledger.end_extract(id, &Counts::default(), &Notes::default()).unwrap();
        ledger
    }

    pub(super) fn what_is_remembered_is_found_once_its_extract_ends(&mut self) {
        let id =
            self.remember(Kind::Patient, &[("007", 1, "one"), ("7", 2, ""), ("007", 3, "two")]);
        assert_eq!(self.known(Kind::Patient, "007"), None, "nothing before the extract ends");
        self.end(id);
        assert_eq!(self.known(Kind::Patient, "007"), Some(known(3)), "the last of an ID counts");
        assert_eq!(self.known(Kind::Patient, "7"), Some(known(2)));
        assert_eq!(self.known(Kind::Appointment, "7"), None, "a kind has IDs of its own");
        for (kind, there) in [(Kind::Patient, &["007", "7"][..]), (Kind::Appointment, &[])] {
            let mut ids = Vec::new();
            let see = &mut |id: &[u8], _| ids.push(String::from_utf8(id.to_vec()).unwrap());
            self.ledger().each(kind, see).unwrap();
            ids.sort();
            assert_eq!(ids, there, "each is shown once");
        }
        let numbers = self.ledger().numbers().unwrap();
        self.ledger().commit_drop(None, &[], numbers).unwrap();
        self.reopen();
        assert_eq!(self.known(Kind::Patient, "007"), Some(known(3)));
        assert_eq!((self.kept("007").as_deref(), self.kept("7")), (Some("two"), None));
    }

    pub(super) fn what_is_undone_or_abandoned_was_never_remembered(&mut self) {
        let before = self.known(Kind::Patient, "007");
        let id = self.remember(Kind::Patient, &[("007", 5, "undone"), ("8", 5, "undone")]);
        self.ledger().undo_extract(id).unwrap();
        let extract = self.extract();
        let id = self.ledger().begin_extract(&extract).unwrap();
        let again = entries(Kind::Appointment, 0, &[("8", 4, "")]);
        self.ledger().remember(&again).unwrap();
        self.end(id);
        assert_eq!(
            (self.known(Kind::Patient, "007"), self.known(Kind::Patient, "8")),
            (before, None)
        );
        assert_eq!(self.known(Kind::Appointment, "8"), Some(known(4)));
        self.ledger().abandon_drop().unwrap();
        self.reopen();
        assert_eq!(self.known(Kind::Appointment, "8"), None);
        let id = self.remember(Kind::Appointment, &[("9", 1, "kept long enough to reach beyond")]);
        self.end(id);
        self.reopen();
        self.ledger().abandon_drop().unwrap();
        assert_eq!(self.known(Kind::Appointment, "9"), None);
        let id = self.remember(Kind::Appointment, &[("10", 1, "")]);
        let Numbers { control, file } = self.ledger().numbers().unwrap();
        self.end(id).commit_drop(None, &[], Numbers { control, file }).unwrap();
        self.reopen();
        assert_eq!(self.known(Kind::Appointment, "10"), Some(known(1)));
        assert_eq!(
            (self.known(Kind::Patient, "007"), self.kept("007")),
            (before, Some("two".into()))
        );
    }

    pub(super) fn many_records_are_remembered_and_each_is_found(&mut self) {
        let long = "x".repeat(3000);
        let ids: Vec<String> = (0..2000).map(|number| format!("{number:06}")).collect();
        let of: Vec<_> =
            ids.iter().map(|id| (id.as_str(), id.as_bytes()[5], long.as_str())).collect();
        let id = self.remember(Kind::Patient, &of);
        let numbers = self.ledger().numbers().unwrap();
        self.end(id).commit_drop(None, &[], numbers).unwrap();
        self.reopen();
        for id in &ids {
            assert_eq!(self.known(Kind::Patient, id), Some(known(id.as_bytes()[5])), "{id}");
        }
        assert_eq!(self.kept("001999"), Some(long));
        let name = "n".repeat(500);
        assert_eq!(self.known(Kind::Patient, &name), None);
        let id = self.remember(Kind::Patient, &[(&name, 1, "")]);
        self.end(id).commit_drop(None, &[], numbers).unwrap();
        assert_eq!(self.known(Kind::Patient, &name), Some(known(1)), "a long ID");
    }
}
