//! What every register must hold to.

use super::{Story, fault};
use crate::domain::{Claim, Code, Counts, Fingerprint, Kind, Known, Notes, Status};
use crate::ledger::{Entry, Ledger, NewFault, Numbers};

/// What is known after so many changes.
fn known(change: u8) -> Known {
    let status = [None, Some(Status::Booked), Some(Status::Cancelled)][usize::from(change) % 3];
    Known {
        fingerprint: Fingerprint([change; 16]),
        status,
        announced: change > 1,
        columns: 0,
        modified: u64::from(change),
    }
}

fn entries(kind: Kind, columns: u32, of: &[(&str, u8, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (id, change, kept) in of {
        let (id, kept) = (id.as_bytes(), kept.as_bytes());
        Entry { kind, id, known: Known { columns, ..known(*change) }, claims: &[], kept }
            .write(&mut out);
    }
    out
}

fn claim(value: u8) -> Claim {
    Claim { category: [7; 8], value: [value; 16] }
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

    /// Begins an extract that gives patients external IDs; a drop is open.
    fn claim(&mut self, of: &[(&str, &[u8])]) -> crate::ledger::ExtractId {
        let extract = self.extract();
        let id = self.ledger().begin_extract(&extract).unwrap();
        let mut entries = Vec::new();
        for (id, values) in of {
            let claims: Vec<Claim> = values.iter().map(|&value| claim(value)).collect();
            let (kind, id, known) = (Kind::Patient, id.as_bytes(), known(1));
            Entry { kind, id, known, claims: &claims, kept: b"" }.write(&mut entries);
        }
        self.ledger().remember(&entries).unwrap();
        id
    }

    fn owner(&mut self, kind: Kind, value: u8) -> Option<String> {
        let owner = self.ledger().owner(kind, &claim(value)).unwrap();
        owner.map(|id| String::from_utf8(id).unwrap())
    }

    fn known(&mut self, kind: Kind, id: &str) -> Option<Known> {
        let known = self.ledger().known(kind, id.as_bytes()).unwrap();
        known.map(|known| Known { columns: 0, ..known })
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

    pub(super) fn what_was_entered_later_is_further_on(&mut self) {
        let drop = |story: &mut Self, of: &[(&str, u8, &str)]| {
            let id = story.remember(Kind::Patient, of);
            let ledger = story.end(id);
            ledger.commit_drop(&[], &["test"], ledger.numbers().unwrap()).unwrap();
            story.reopen().end().unwrap()
        };
        let entered = |story: &mut Self, id: &str| {
            story.ledger().entered(Kind::Patient, id.as_bytes()).unwrap()
        };
        let first = drop(self, &[("late-1", 1, ""), ("late-2", 1, "x")]);
        assert!(["late-1", "late-2"].iter().all(|id| entered(self, id).unwrap() < first));
        let second = drop(self, &[("late-2", 2, "x")]);
        assert!(entered(self, "late-1").unwrap() < first);
        assert!((first..second).contains(&entered(self, "late-2").unwrap()));
        assert_eq!(entered(self, "late-3"), None);
    }

    pub(super) fn where_it_ended_is_known_of_extracts_with_faults(&mut self) {
        let good = self.remember(Kind::Patient, &[("end-1", 1, "")]);
        self.end(good);
        let ledger = self.ledger();
        ledger.commit_drop(&[], &["test"], ledger.numbers().unwrap()).unwrap();
        assert_eq!(self.reopen().end_of(good).unwrap(), None);
        let bad = self.remember(Kind::Patient, &[("end-2", 1, "")]);
        let fault = fault(1, Code::R001);
        self.ledger().queue_fault(bad, &NewFault::first(&fault, "")).unwrap();
        let counts = Counts { rows: 1, error: 1, ..Counts::default() };
        self.ledger().end_extract(bad, &counts, &Notes::default()).unwrap();
        let ledger = self.ledger();
        ledger.commit_drop(&[], &["test"], ledger.numbers().unwrap()).unwrap();
        let end = self.reopen().end().unwrap();
        assert_eq!(self.ledger().end_of(bad).unwrap(), Some(end));
        assert!(self.ledger().entered(Kind::Patient, b"end-2").unwrap().unwrap() < end);
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
        self.ledger().commit_drop(&[], &[], numbers).unwrap();
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
        self.end(id).commit_drop(&[], &[], Numbers { control, file }).unwrap();
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
        self.end(id).commit_drop(&[], &[], numbers).unwrap();
        self.reopen();
        for id in &ids {
            assert_eq!(self.known(Kind::Patient, id), Some(known(id.as_bytes()[5])), "{id}");
        }
        assert_eq!(self.kept("001999"), Some(long));
        let name = "n".repeat(500);
        assert_eq!(self.known(Kind::Patient, &name), None);
        let id = self.remember(Kind::Patient, &[(&name, 1, "")]);
        self.end(id).commit_drop(&[], &[], numbers).unwrap();
        assert_eq!(self.known(Kind::Patient, &name), Some(known(1)), "a long ID");
    }

    pub(super) fn an_external_id_is_whose_newest_entry_has_it(&mut self) {
        let numbers = self.ledger().numbers().unwrap();
        self.ledger().begin_drop().unwrap();
        let id = self.claim(&[("a", &[1, 2]), ("b", &[3])]);
        assert_eq!(self.owner(Kind::Patient, 1), None, "nothing before the extract ends");
        self.end(id);
        assert_eq!(self.owner(Kind::Patient, 1).as_deref(), Some("a"), "in the same drop");
        self.ledger().commit_drop(&[], &[], numbers).unwrap();
        self.reopen();
        assert_eq!(self.owner(Kind::Patient, 2).as_deref(), Some("a"));
        assert_eq!(self.owner(Kind::Patient, 3).as_deref(), Some("b"));
        assert_eq!(self.owner(Kind::Appointment, 3), None, "a kind has IDs of its own");
        assert_eq!(self.owner(Kind::Patient, 4), None);
        assert_eq!(self.ledger().claims(Kind::Patient, b"a").unwrap(), [claim(1), claim(2)]);
        assert_eq!(self.ledger().claims(Kind::Patient, b"nobody").unwrap(), []);
        // What is undone or abandoned gave nobody anything, and took nothing away.
        self.ledger().begin_drop().unwrap();
        let id = self.claim(&[("a", &[]), ("c", &[1])]);
        self.ledger().undo_extract(id).unwrap();
        let id = self.claim(&[("b", &[4])]);
        self.end(id);
        assert_eq!(self.owner(Kind::Patient, 3), None, "b gave it up");
        self.reopen();
        self.ledger().abandon_drop().unwrap();
        for (value, owner) in [(1, Some("a")), (3, Some("b")), (4, None)] {
            assert_eq!(self.owner(Kind::Patient, value).as_deref(), owner, "{value}");
        }
        // One gives it up, another one takes it.
        self.ledger().begin_drop().unwrap();
        let id = self.claim(&[("a", &[2])]);
        self.end(id);
        assert_eq!(self.owner(Kind::Patient, 1), None);
        let id = self.claim(&[("c", &[1])]);
        self.end(id).commit_drop(&[], &[], numbers).unwrap();
        self.reopen();
        assert_eq!(self.owner(Kind::Patient, 1).as_deref(), Some("c"));
        assert_eq!(self.owner(Kind::Patient, 2).as_deref(), Some("a"));
        let claims = vec![claim(9); 255];
        let mut entry = Vec::new();
        let (kind, id, known) = (Kind::Patient, "d".as_bytes(), known(2));
        Entry { kind, id, known, claims: &claims, kept: b"kept" }.write(&mut entry);
        self.ledger().begin_drop().unwrap();
        let extract = self.extract();
        let id = self.ledger().begin_extract(&extract).unwrap();
        self.ledger().remember(&entry).unwrap();
        self.end(id).commit_drop(&[], &[], numbers).unwrap();
        assert_eq!(self.ledger().claims(Kind::Patient, b"d").unwrap().len(), 255);
        let kept = self.ledger().kept(Kind::Patient, b"d").unwrap().unwrap();
        assert_eq!(kept.values, b"kept");
    }
}
