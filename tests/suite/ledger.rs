//! The ledger: every store conforms, and the durable one fails loudly.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use hl7drop::digest::Digest;
use hl7drop::domain::{Code, Counts, ExtractKind, Fault, Notes, Position, QueueState};
use hl7drop::ledger::{
    BatchRow, Decision, ExtractId, Ledger, LedgerError, Memory, NewExtract, NewFault, Numbers,
    Receipt, Result, Sign, Sqlite, Stage, Temp, conform::conform,
};

const OWNER: &str = "ridge-hie/test";
const SHORT: Duration = Duration::from_millis(20);

/// Stands for a patient: must never be seen in an error.
const CANARY: &str = "Zephyrine Quackenbush";

#[test]
fn memory_conforms() {
    conform(false, &mut || Box::new(Memory::default()));
}

#[test]
fn sqlite_conforms() {
    let place = Place::new();
    conform(true, &mut || Box::new(place.open().unwrap()));
}

#[test]
fn a_ledger_is_ours_alone_and_so_is_what_lies_beside_it() {
    let place = Place::new();
    let mut ledger = place.open().unwrap();
    drop_of(&mut ledger, "a.csv", 3).unwrap();
    let mut names: Vec<String> = Vec::new();
    for entry in fs::read_dir(place.path.parent().unwrap()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{entry:?}");
        names.push(entry.file_name().into_string().unwrap());
    }
    names.sort();
    assert_eq!(names, ["ledger.db", "ledger.db-shm", "ledger.db-wal"]);
}

#[test]
fn a_ledger_that_is_locked_says_so() {
    let place = Place::new();
    let mut ledger = Sqlite::open_within(&place.path, OWNER, SHORT).unwrap();
    let other = rusqlite::Connection::open(&place.path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let err = ledger.begin_drop().unwrap_err();
    let text = "the ledger is locked by another program; end it, or wait and run again";
    assert_eq!(err.to_string(), text);
    assert!(matches!(ledger.retry_stopped(&sign()), Err(LedgerError::Locked)));
    assert_eq!(ledger.numbers().unwrap(), Numbers::default(), "reading goes on");
    other.execute_batch("ROLLBACK").unwrap();
    ledger.begin_drop().unwrap();
    let second = Sqlite::open_within(&place.path, OWNER, SHORT).unwrap().begin_drop();
    assert!(matches!(second, Err(LedgerError::Locked)));
}

#[test]
fn peeking_changes_nothing_and_waits_for_nobody() {
    let place = Place::new();
    assert!(Sqlite::peek(&place.path, OWNER).unwrap().is_none());
    assert!(!place.path.exists());
    let mut ledger = place.open().unwrap();
    let batch = drop_of(&mut ledger, "a.csv", 3).unwrap();
    ledger.begin_drop().unwrap();
    begin(&mut ledger, "b.csv");
    let before = place.bytes();

    let mut peek = Sqlite::peek(&place.path, OWNER).unwrap().unwrap();
    assert_eq!(peek.batches().unwrap(), [batch]);
    assert_eq!(peek.integrity().unwrap(), [""; 0]);
    assert_eq!(peek.totals().unwrap().states.get(&QueueState::New), Some(&3));
    let refused = peek.sending(1, "test", &temp()).unwrap_err().to_string();
    assert!(refused.contains("readonly"), "{refused}");
    drop(peek);
    assert_eq!(place.bytes(), before);

    ledger.abandon_drop().unwrap();
    drop(ledger);
    let before = fs::read(&place.path).unwrap();
    let mut peek = Sqlite::peek(&place.path, OWNER).unwrap().unwrap();
    assert_eq!(peek.batches().unwrap().len(), 1);
    peek.begin_drop().unwrap();
    let id = begin(&mut peek, "b.csv");
    let refused =
        peek.queue_fault(id, &NewFault::first(&fault(1), CANARY)).unwrap_err().to_string();
    assert!(refused.contains("readonly") && !refused.contains(CANARY), "{refused}");
    drop(peek);
    assert_eq!(fs::read(&place.path).unwrap(), before);
    place.open().unwrap();
    assert_eq!(fs::read_dir(place.path.parent().unwrap()).unwrap().count(), 1, "all put away");
}

#[test]
fn another_owner_schema_or_program_is_refused() {
    let place = Place::new();
    drop(place.open().unwrap());
    let said = |owner: &str| {
        let peek = Sqlite::peek(&place.path, owner).err().unwrap().to_string();
        let open = Sqlite::open(&place.path, owner).err().unwrap().to_string();
        assert_eq!(peek, open);
        open
    };
    assert_eq!(
        said("ridge-hie/production"),
        "the ledger does not fit: it belongs to ridge-hie/test, not to ridge-hie/production"
    );
    let sql = rusqlite::Connection::open(&place.path).unwrap();
    sql.execute("UPDATE meta SET value = '5' WHERE name = 'schema'", []).unwrap();
    assert_eq!(
        said(OWNER),
        "the ledger does not fit: it has schema 5 and this program knows 4; \
         use the hl7drop that wrote it"
    );
    sql.execute("DROP TABLE meta", []).unwrap();
    assert_eq!(
        said(OWNER),
        "the ledger does not fit: it is a database of another program; \
         give its file another name"
    );
}

#[test]
fn what_is_no_ledger_any_more_is_damaged() {
    let place = Place::new();
    let mut ledger = place.open().unwrap();
    drop_of(&mut ledger, "a.csv", 3).unwrap();
    drop(ledger);
    let whole = fs::read(&place.path).unwrap();
    let mut scrambled = whole.clone();
    scrambled.iter_mut().step_by(2).for_each(|byte| *byte ^= 0x55);
    let text = b"last,first\nDoe,Jane\n".repeat(500);
    for damaged in [&b""[..], &scrambled, &text, &whole[..whole.len() / 2]] {
        place.write(damaged);
        let said = read_all(&place).unwrap_err();
        assert!(matches!(said, LedgerError::Damaged(_)), "{said}");
        let said = said.to_string();
        assert!(said.ends_with("until it is restored from a backup: hl7drop restore"), "{said}");
        assert_eq!(fs::read(&place.path).unwrap(), damaged, "nothing is made good in silence");
    }
}

/// Whatever byte changes, a ledger never tells another story: it refuses, or it
/// tells the same, or `check` says what is missing.
#[test]
fn a_flipped_byte_is_noticed_or_does_not_matter() {
    let place = Place::new();
    let mut ledger = place.open().unwrap();
    for number in 1..=4 {
        drop_of(&mut ledger, &format!("{number}.csv"), number).unwrap();
        ledger.sending(number, "test", &temp()).unwrap();
        ledger.verified(number, "test", 50).unwrap();
        if number % 2 == 0 {
            ledger.delivered(number, "test", &receipt()).unwrap();
        }
    }
    drop(ledger);
    let whole = fs::read(&place.path).unwrap();
    let truth = read_all(&place).unwrap();
    let (mut noticed, mut missing) = (0, 0);
    // Free space is most of the file; a stride that is prime to the page size
    // meets every kind of byte.
    for at in (0..whole.len()).filter(|at| whole[*at] != 0).step_by(5) {
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << (at % 8);
        place.write(&flipped);
        match read_all(&place) {
            Err(_) => noticed += 1,
            Ok(told) if told == truth => {}
            Ok(told) => {
                missing += 1;
                let found = place.open().unwrap().integrity();
                assert!(found.is_err() || found.is_ok_and(|all| !all.is_empty()), "{at}: {told}");
            }
        }
    }
    assert!(noticed > 100, "{noticed} noticed, {missing} left to check");
}

#[test]
fn a_decision_cannot_be_taken_back_or_forged_from_outside() {
    let forge = [
        "UPDATE action SET why = 'another' WHERE id = 2",
        "DELETE FROM action WHERE id = 3",
        "DELETE FROM action WHERE id = 2",
        "UPDATE action SET id = 4 WHERE id = 3",
        "INSERT INTO action SELECT 4, verb, about, was, now, actor, why, at, before, seal FROM action \
         WHERE id = 3",
    ];
    for sql in forge {
        let place = Place::new();
        let mut ledger = place.open().unwrap();
        for number in 1..=3 {
            drop_of(&mut ledger, &format!("{number}.csv"), 1).unwrap();
            ledger.decide(number, "test", Decision::Delivered, &sign()).unwrap();
        }
        assert_eq!(ledger.integrity().unwrap(), [""; 0]);
        drop(ledger);
        let other = rusqlite::Connection::open(&place.path).unwrap();
        assert_eq!(other.execute(sql, []).unwrap(), 1, "{sql}");
        drop(other);
        let found = place.open().unwrap().integrity();
        assert!(found.is_err() || found.is_ok_and(|all| !all.is_empty()), "{sql}");
    }
}

#[test]
fn fifty_thousand_faults_are_counted_and_listed() {
    let place = Place::new();
    let mut ledger = place.open().unwrap();
    ledger.begin_drop().unwrap();
    let id = begin(&mut ledger, "a.csv");
    for record in 1..=50_000 {
        let code = if record % 5 == 0 { Code::I001 } else { Code::M001 };
        ledger.queue_fault(id, &NewFault::first(&Fault { code, ..fault(record) }, CANARY)).unwrap();
    }
    let counts = Counts { rows: 50_000, error: 50_000, ..Counts::default() };
    ledger.end_extract(id, &counts, &Notes::default()).unwrap();
    ledger.commit_drop(&[], &[], Numbers::default()).unwrap();
    let ledger = place.open().unwrap();
    let states = ledger.totals().unwrap().states;
    assert_eq!(states.get(&QueueState::Error), Some(&40_000));
    assert_eq!(states.get(&QueueState::CboError), Some(&10_000));
    let newest: Vec<u64> =
        ledger.faults(3).unwrap().iter().map(|row| row.fault.at.record).collect();
    assert_eq!(newest, [50_000, 49_999, 49_998]);
    assert_eq!(ledger.integrity().unwrap(), [""; 0]);
}

#[test]
fn a_full_disk_says_so_and_takes_nothing_away() {
    let place = Place::new();
    let folder = place.path.parent().unwrap();
    let mount = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=512k,mode=0700", "tmpfs"])
        .arg(folder)
        .output();
    if !mount.is_ok_and(|mount| mount.status.success()) {
        // The unit test with a page limit has to do where we may not mount.
        eprintln!("not allowed to mount a small disk");
        return;
    }
    let _umount = Unmount(folder);
    let mut ledger = place.open().unwrap();
    drop_of(&mut ledger, "a.csv", 3).unwrap();
    let truth = read_all(&place).unwrap();
    let flood = |ledger: &mut Sqlite| -> Result<()> {
        ledger.begin_drop()?;
        let id = begin(ledger, "b.csv");
        (1..100_000)
            .try_for_each(|record| ledger.queue_fault(id, &NewFault::first(&fault(record), CANARY)))
    };
    let err = flood(&mut ledger).unwrap_err();
    assert_eq!(err.to_string(), "the disk under the ledger is full; free some space and run again");
    drop(ledger);
    assert_eq!(read_all(&place).unwrap(), truth);
    let mut ledger = place.open().unwrap();
    assert_eq!(ledger.integrity().unwrap(), [""; 0]);
    drop_of(&mut ledger, "c.csv", 3).unwrap();
}

/// Ends or refuses a real process at each place that a commit passes.
#[test]
fn a_commit_is_whole_or_not_there_wherever_the_process_ends() {
    let mut places = 0;
    for kind in ["abort", "error", "full"] {
        for nth in 1.. {
            let place = Place::new();
            let child = child(&place.path, &format!("{kind}:{nth}"));
            let said = String::from_utf8_lossy(&child.stderr).into_owned();
            if child.status.success() {
                assert!(nth > 10, "few places were met: {nth}");
                assert_eq!(place.open().unwrap().totals().unwrap().states.len(), 2);
                break;
            }
            places += 1;
            assert!(said.contains("fault at "), "{kind}:{nth}: {said}");
            assert!(!said.contains(CANARY), "{said}");
            let met = said.lines().find(|line| line.starts_with("fault at ")).unwrap();
            // Not made yet is a whole state too.
            let stage = |ledger: &Sqlite| {
                assert_eq!(ledger.integrity().unwrap(), [""; 0], "{met}");
                ledger.undelivered().unwrap().first().map(|row| row.stage)
            };
            let peeked = Sqlite::peek(&place.path, OWNER).unwrap().map(|peek| stage(&peek));
            let mut ledger = place.open().unwrap();
            assert_eq!(stage(&ledger), peeked.flatten(), "{met}");
            go_on(&mut ledger).unwrap();
            let totals = ledger.totals().unwrap();
            assert_eq!(totals.states.get(&QueueState::Processed), Some(&3), "{met}");
            assert_eq!(totals.states.get(&QueueState::Error), Some(&1), "{met}");
            assert_eq!(ledger.integrity().unwrap(), [""; 0], "{met}");
        }
    }
    assert!(places > 30, "{places} places");
}

/// The child of the sweep, in a process of its own; run by name only.
#[test]
#[ignore = "started by the sweep above, which sets its environment"]
fn child_of_the_sweep() {
    let path = PathBuf::from(std::env::var_os("LEDGER_OF_CHILD").unwrap());
    let done = Sqlite::open(&path, OWNER).and_then(|mut ledger| go_on(&mut ledger));
    if let Err(err) = done {
        eprintln!("{err}");
        std::process::exit(3);
    }
}

fn child(path: &Path, fault: &str) -> Output {
    Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "ledger::child_of_the_sweep", "--nocapture"])
        .env("LEDGER_OF_CHILD", path)
        .env("HL7DROP_FAULT", fault)
        .output()
        .unwrap()
}

/// A drop and its delivery, from wherever they stand.
fn go_on(ledger: &mut dyn Ledger) -> Result<()> {
    if ledger.extract(&Digest::of(b"a.csv"))?.is_none() {
        ledger.begin_drop()?;
        let id = begin(ledger, "a.csv");
        ledger.queue_fault(id, &NewFault::first(&fault(4), CANARY))?;
        let counts = Counts { rows: 4, sent: 3, error: 1, messages: 3, ..Counts::default() };
        ledger.end_extract(id, &counts, &Notes::default())?;
        ledger.commit_drop(
            std::slice::from_ref(&batch(1, 1, 3)),
            &["test"],
            Numbers { control: 4, file: 2 },
        )?;
    }
    for row in ledger.undelivered()? {
        if row.stage != Stage::Verified {
            ledger.sending(row.batch.number, "test", &temp())?;
            ledger.verified(row.batch.number, "test", 50)?;
        }
        ledger.delivered(row.batch.number, "test", &receipt())?;
    }
    Ok(())
}

struct Place {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

impl Place {
    fn new() -> Place {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.db");
        Place { _folder: folder, path }
    }

    fn open(&self) -> Result<Sqlite> {
        Sqlite::open(&self.path, OWNER)
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        PathBuf::from(format!("{}{suffix}", self.path.display()))
    }

    /// The ledger and its log, byte for byte.
    fn bytes(&self) -> [Vec<u8>; 2] {
        ["", "-wal"].map(|suffix| fs::read(self.beside(suffix)).unwrap())
    }

    /// Puts these bytes in the ledger's place, as damage does: no log beside it.
    fn write(&self, bytes: &[u8]) {
        for suffix in ["-wal", "-shm"] {
            let _ = fs::remove_file(self.beside(suffix));
        }
        hl7drop::disk::write(&self.path, bytes).unwrap();
    }
}

struct Unmount<'a>(&'a Path);

impl Drop for Unmount<'_> {
    fn drop(&mut self) {
        // Lazily: a test that failed may have files open there.
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

/// Returns everything a pass relies on, as text.
fn read_all(place: &Place) -> Result<String> {
    let ledger = place.open()?;
    let mut known = Vec::new();
    for number in 1..=4 {
        known.push(ledger.extract(&Digest::of(format!("{number}.csv").as_bytes()))?.is_some());
    }
    Ok(format!(
        "{:?} {known:?} {:?} {:?} {:?} {:?}",
        ledger.numbers()?,
        ledger.batches()?,
        ledger.undelivered()?,
        ledger.receipts(99)?,
        ledger.totals()?,
    ))
}

fn begin(ledger: &mut dyn Ledger, name: &str) -> ExtractId {
    let extract = NewExtract {
        digest: Digest::of(name.as_bytes()),
        name: name.to_string(),
        kind: ExtractKind::Patients,
        inode: 1,
        bytes: 100,
        header: "patientid,lastname".to_string(),
        taken_at: 10,
    };
    ledger.begin_extract(&extract).unwrap()
}

fn batch(number: u64, first_control: u64, messages: u64) -> BatchRow {
    let name = format!("{number}.hl7");
    let digest = Digest::of(name.as_bytes());
    BatchRow { number, name, digest, bytes: 900, first_control, messages, made_at: 20 }
}

fn drop_of(ledger: &mut dyn Ledger, name: &str, messages: u64) -> Result<BatchRow> {
    let now = ledger.numbers()?;
    let batch = batch(now.file, now.control, messages);
    ledger.begin_drop()?;
    let id = begin(ledger, name);
    let counts = Counts { rows: messages, sent: messages, messages, ..Counts::default() };
    ledger.end_extract(id, &counts, &Notes::default())?;
    let next = Numbers { control: now.control + messages, file: now.file + 1 };
    ledger.commit_drop(std::slice::from_ref(&batch), &["test"], next)?;
    Ok(batch)
}

fn fault(record: u64) -> Fault {
    let at = Position { extract: "a.csv".into(), record, line: record + 1 };
    Fault { at, code: Code::M001, column: "lastname".into(), field: "PID-5".parse().ok() }
}

fn temp() -> Temp {
    Temp { name: ".part".to_string(), place: "localhost".to_string() }
}

fn sign() -> Sign {
    Sign { by: "anna (uid 1000)".to_string(), why: "they said so".to_string(), at: 80 }
}

fn receipt() -> Receipt {
    Receipt {
        path: "/in/1.hl7".to_string(),
        bytes: 900,
        evidence: "renamed".to_string(),
        server: "localhost:22".to_string(),
        host_key: "SHA256:abc".to_string(),
        at: 70,
    }
}
