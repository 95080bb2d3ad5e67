//! A site that an earlier version of the program left goes on with this one.
//!
//! `tests/data/schema-3.tar.gz` was made by the program of commit 2ad24df, whose ledger
//! has schema 3: three batch files, the third not delivered; a record that waits and one
//! that somebody closed; patients 1, 2 and 5 told, with external IDs.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use hl7drop::digest::Digest;
use hl7drop::ledger::{Ledger, Sqlite};
use rusqlite::Connection;

use crate::site::{Output, ended, words};

/// The site of then, unpacked.
struct Old(tempfile::TempDir);

impl Old {
    fn new() -> Old {
        let place = tempfile::tempdir().unwrap();
        let packed = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/schema-3.tar.gz");
        let mut tar = Command::new("tar");
        let done = ended(tar.arg("-xzf").arg(packed).arg("-C").arg(place.path()));
        assert_eq!(done.code, Some(0), "{done:?}");
        Old(place)
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    fn ledger(&self) -> std::path::PathBuf {
        self.path("spool/clinic/test/ledger.db")
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hl7drop"));
        command.arg("--config").arg(self.path("hl7drop.toml")).args(args);
        command.env_remove("HL7DROP_FAULT").env_remove("HL7DROP_CONFIG").env_remove("RUST_LOG");
        command.stdin(Stdio::null());
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        ended(&mut self.command(args))
    }

    fn fits(&self) {
        let checked = self.run(&["check", "--offline"]);
        assert_eq!(checked.code, Some(0), "{checked:?}");
    }
}

/// The tables and indexes of a ledger, and its schema.
fn tables(path: &Path) -> (BTreeSet<(String, String)>, String) {
    let conn = Connection::open(path).unwrap();
    let mut query =
        conn.prepare("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").unwrap();
    let rows = query.query_map([], |row| {
        // How a name is quoted after a table was renamed means nothing.
        Ok((row.get(0)?, row.get::<_, String>(1)?.replace('"', "")))
    });
    let tables = rows.unwrap().map(Result::unwrap).collect();
    let sql = "SELECT value FROM meta WHERE name = 'schema'";
    (tables, conn.query_row(sql, [], |row| row.get(0)).unwrap())
}

#[test]
fn a_ledger_of_an_earlier_version_goes_on_where_it_stood() {
    let old = Old::new();
    let before = fs::read(old.ledger()).unwrap();
    let said = old.run(&["status"]);
    assert_eq!(said.code, Some(5), "{said:?}");
    assert!(said.err.contains("it has schema 3, of an earlier hl7drop; the next `hl7drop run`"));
    assert_eq!(Digest::of(&fs::read(old.ledger()).unwrap()), Digest::of(&before), "only looked at");

    let ran = old.run(&["run", "--retry"]);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    assert!(old.path("partner/99999-000003.hl7").exists(), "{ran:?}");
    old.fits();
    let new = tempfile::tempdir().unwrap();
    let fresh = new.path().join("ledger.db");
    drop(Sqlite::open(&fresh, "clinic/test").unwrap());
    assert_eq!(tables(&old.ledger()), tables(&fresh));
    // Half of the register's log is of no more use, and is known to be.
    let count = |sql: &str| -> i64 {
        let conn = Connection::open(old.ledger()).unwrap();
        conn.query_row(sql, [], |row| row.get(0)).unwrap()
    };
    let entries = count("SELECT value FROM counter WHERE name = 'register_entries'");
    let live = count("SELECT count(*) FROM register WHERE kind IN ('P', 'A')");
    assert!(live > 0 && entries >= 2 * live, "{entries} entries, {live} of use");
    let (_, kept) = tables(&old.path("spool/clinic/test/ledger.db.schema-3"));
    assert_eq!(kept, "3", "the way back");
    let status = old.run(&["status", "--json"]).json();
    assert_eq!(status[0]["states"]["PROCESSED"], 5);
    assert_eq!(status[0]["actions"][1]["why"], "they went elsewhere");

    // Who was told is known, and whose an external ID is.
    let drop = "patientid,lastname,firstname,dob,sex,race,customfield_21\n\
        1,Abel,Annie,04/22/1987,F,2106-3,M1\n2,Baker,Bob,01/02/1950,M,,M2\n\
        4,Dunn,Dee,04/04/1970,F,2106-3,M4\n9,Hall,Hal,08/08/1988,M,,M5\n";
    fs::write(old.path("spool/clinic/test/inbox/patients-4.csv"), drop).unwrap();
    let ran = old.run(&["run"]);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    let batch = fs::read_to_string(old.path("partner/99999-000004.hl7")).unwrap();
    assert_eq!(words(&batch), ["A31 1", "A28 4"]);
    assert!(old.run(&["queue"]).out.contains("X001"), "M5 is that of patient 5");
    let found = old.run(&["queue", "search", "--patient", "1", "--json"]).json();
    assert!(found.to_string().contains("99999-000001.hl7"), "{found}");
    old.fits();
}

#[test]
fn a_crash_in_an_upgrade_leaves_one_schema_or_the_other() {
    let mut struck = BTreeSet::new();
    for fault in 6.. {
        let old = Old::new();
        let mut command = old.command(&["run"]);
        let broke = ended(command.env("HL7DROP_FAULT", format!("abort:{fault}")));
        struck.extend(
            broke
                .err
                .split("fault at ")
                .skip(1)
                .map(|rest| rest.split_whitespace().next().unwrap_or_default().to_string()),
        );
        let (_, schema) = tables(&old.ledger());
        assert!(schema == "3" || schema == "4", "{schema}");
        assert_eq!(old.run(&["run", "--retry"]).code, Some(3), "{fault}");
        old.fits();
        assert_eq!(tables(&old.ledger()).1, "4");
        assert_eq!(tables(&old.path("spool/clinic/test/ledger.db.schema-3")).1, "3");
        let ledger = Sqlite::open(&old.ledger(), "clinic/test").unwrap();
        assert_eq!(ledger.numbers().unwrap().file, 4);
        if struck.contains("ledger.upgrade.after") {
            break;
        }
        assert_ne!(broke.code, Some(3), "no place was met: {struck:?}");
    }
    assert!(struck.contains("ledger.upgrade.before"), "{struck:?}");
}

#[test]
fn what_was_changed_from_outside_is_not_sealed_anew() {
    for (sql, told) in [
        ("UPDATE delivery SET stage = 'delivered' WHERE batch = 3", "was changed from outside"),
        ("UPDATE extract SET sent = sent + 1, error = 0 WHERE id = 3", "was changed from outside"),
        ("UPDATE action SET actor = 'nobody'", "was changed from outside"),
    ] {
        let old = Old::new();
        Connection::open(old.ledger()).unwrap().execute(sql, []).unwrap();
        let said = old.run(&["run"]);
        assert_eq!(said.code, Some(5), "{sql}: {said:?}");
        assert!(said.err.contains(told), "{sql}: {said:?}");
        assert_eq!(tables(&old.ledger()).1, "3");
    }
    let old = Old::new();
    let log = old.path("spool/clinic/test/ledger.register");
    let mut bytes = fs::read(&log).unwrap();
    let last = bytes.len() - 60;
    bytes[last] ^= 1;
    fs::write(&log, bytes).unwrap();
    let said = old.run(&["run"]);
    assert!(said.err.contains("an entry of its register is not as it was written"), "{said:?}");
    assert_eq!(tables(&old.ledger()).1, "3");
}
