//! Backups that are taken while a pass is at work, and older ledgers that send nothing twice.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use hl7drop::digest::Digest;
use hl7drop::disk;
use hl7drop::engine::check;
use hl7drop::hl7::read::BatchFile;
use hl7drop::ledger::{History, Ledger, Sqlite};
use hl7drop::spool::Spool;
use serde_json::Value;

use crate::site::{NAME, Output, Site, ended, ok, words};

const HEADER: &str = "patientid,lastname,firstname,dob,sex\n";

fn patients(ids: std::ops::Range<u32>) -> String {
    let rows = ids.map(|id| format!("{id},Doe{id},Ann,02/14/1987,F\n"));
    std::iter::once(HEADER.to_string()).chain(rows).collect()
}

/// What lies at the partner, by name.
fn arrived(partner: &Path) -> BTreeSet<String> {
    let listed = fs::read_dir(partner).unwrap();
    listed.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// The control IDs of a batch file.
fn control_ids(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    let heads = text.split('\r').filter(|line| line.starts_with("MSH|"));
    heads.map(|line| line.split('|').nth(9).unwrap().to_string()).collect()
}

/// Every file and folder below one.
fn all(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![folder.to_path_buf()];
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(all(&path)) } else { found.push(path) }
    }
    found
}

fn copied(from: &Path, to: &Path) {
    ok(ended(Command::new("cp").arg("-a").arg(from).arg(to)), 0);
}

/// The program with the settings at a place that is no site's.
fn at(root: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hl7drop"));
    command.arg("--config").arg(root.join("hl7drop.toml")).args(args);
    command.env_remove("HL7DROP_FAULT").env_remove("HL7DROP_CONFIG").env_remove("RUST_LOG");
    ended(command.stdin(Stdio::null()))
}

/// A site with a backup, and with a ledger that went bad after more was done: file 1 was
/// delivered before it, file 2 waited then and went out since, file 3 was made since. The
/// vendor took 2 and 3 away.
struct Ruined {
    site: Site,
    backup: PathBuf,
    /// What the vendor got, file by file.
    got: Vec<PathBuf>,
}

fn ruined() -> Ruined {
    let site = Site::new();
    let root = site.root().to_path_buf();
    site.put("patients-a.csv", patients(1..4));
    ok(site.run(["run"]), 0);
    let away = root.join("away");
    fs::rename(&site.partner, &away).unwrap();
    site.put("patients-b.csv", patients(4..6));
    ok(site.run(["run"]), 4);
    let backup = root.join("backup");
    let said = ok(site.run(["backup", backup.to_str().unwrap()]), 0);
    assert!(said.out.contains("clinic/test: batch file 2, message 5"), "{said:?}");
    fs::rename(&away, &site.partner).unwrap();
    ok(site.run(["run", "--retry"]), 0);
    site.put("patients-c.csv", patients(6..9));
    ok(site.run(["run"]), 0);
    let inbound = root.join("vendor");
    fs::create_dir(&inbound).unwrap();
    let mut got = vec![site.partner.join("99999-000001.hl7")];
    for name in ["99999-000002.hl7", "99999-000003.hl7"] {
        got.push(inbound.join(name));
        fs::rename(site.partner.join(name), inbound.join(name)).unwrap();
    }
    let ledger = site.spool().ledger();
    fs::write(&ledger, "what a disk made of it").unwrap();
    Ruined { site, backup, got }
}

#[test]
fn an_older_ledger_sends_nothing_twice() {
    let Ruined { site, backup, got } = ruined();
    let dir = backup.to_str().unwrap();
    let said = ok(site.run(["run"]), 5);
    assert!(said.err.contains("hl7drop restore"), "{said:?}");
    let before: Vec<PathBuf> = all(site.root());
    let said = ok(site.run(["restore", dir, "--dry-run"]), 0);
    for told in ["damaged", "99999-000003.hl7", "patients-c.csv", "nothing was changed"] {
        assert!(said.out.contains(told), "{told}: {said:?}");
    }
    assert_eq!(all(site.root()), before);
    let said = ok(site.run(["restore", dir]), 2);
    assert!(said.err.contains("--why"), "{said:?}");

    let told = ok(site.run(["restore", dir, "--why", "bad disk", "--json"]), 3).json();
    let one = &told[0];
    assert_eq!(one["sent_since"][0], "99999-000003.hl7");
    assert_eq!(one["delivered"][0], "99999-000002.hl7");
    assert_eq!(one["uncertain"], serde_json::json!([]));
    assert_eq!(one["extracts_since"][0], "patients-c.csv");
    let aside = PathBuf::from(one["aside"].as_str().unwrap());
    assert_eq!(fs::read(aside.join("ledger.db")).unwrap(), b"what a disk made of it");

    // A run sends nothing, and what is dropped again makes a batch that is held.
    let there = arrived(&site.partner);
    ok(site.run(["run"]), 0);
    let again = all(&aside.join("archive"));
    let again = again.iter().find(|path| path.ends_with("patients-c.csv")).unwrap();
    site.put("patients-c.csv", fs::read(again).unwrap());
    let ran = ok(site.run(["run", "--json"]), 0).json();
    let batch = ran[0]["drops"][0]["batch"].as_str().unwrap().to_string();
    assert_eq!(ran[0]["states"]["SCHEDULED"], 3);
    let number: u64 = batch[6..batch.len() - 4].parse().unwrap();
    assert!(number > 1000 && number == one["next_file"].as_u64().unwrap(), "{batch}");
    assert_eq!(arrived(&site.partner), there);
    let held = fs::read_to_string(site.spool().outbox.join(&batch)).unwrap();
    assert_eq!(words(&held), words(&fs::read_to_string(&got[2]).unwrap()), "what they had");
    ok(site.run(["queue", "mark-delivered", &batch, "--why", "sent as 99999-000003.hl7"]), 0);
    ok(site.run(["queue", "release", "--interface", NAME, "--why", "all of it is known"]), 0);

    // From here on it goes as always, behind every number that was given.
    site.put("patients-d.csv", patients(1..11));
    ok(site.run(["run"]), 0);
    let new: Vec<String> = arrived(&site.partner).difference(&there).cloned().collect();
    assert_eq!(new.len(), 1, "{new:?}");
    let last = site.partner.join(&new[0]);
    assert_eq!(words(&fs::read_to_string(&last).unwrap()), ["A28 9", "A28 10"]);
    BatchFile::read(&fs::read(&last).unwrap()).unwrap();
    let mut ids: Vec<String> =
        got.iter().chain([&last]).flat_map(|path| control_ids(path)).collect();
    let given = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!((ids.len(), given), (10, 10), "each control ID is given once");
    let engine = site.engine();
    for checked in check::state(&engine).unwrap() {
        assert_eq!(checked.wrong, None, "{}", checked.what);
    }
    let actions = site.run(["status", "--json"]).json()[0]["actions"].take();
    let verbs: Vec<&str> =
        actions.as_array().unwrap().iter().map(|act| act["verb"].as_str().unwrap()).collect();
    for verb in ["restore", "delivered", "release"] {
        assert!(verbs.contains(&verb), "{verbs:?}");
    }
    // The same backup once more: what is there knows more now.
    let said = ok(site.run(["restore", dir, "--why", "again"]), 2);
    assert!(said.err.contains("knows more than the backup"), "{said:?}");
    assert!(ok(site.run(["restore", dir, "--dry-run"]), 2).err.contains("newer"));
}

#[test]
fn approvals_and_users_come_back_and_what_is_there_stays() {
    let site = Site::new();
    let text = fs::read_to_string(site.interface_file()).unwrap();
    let live = text
        .replace("environment = \"test\"", "environment = \"production\"")
        .replace("[connectivity.test]", "[connectivity.production]");
    fs::write(site.interface_file(), live).unwrap();
    site.approve();
    let password = site.root().join("password");
    fs::write(&password, "correct horse battery\n").unwrap();
    let add = ["user", "add", "anna", "--password-file", password.to_str().unwrap()];
    ok(site.run(add), 0);
    disk::folder(&Spool::at(&site.root().join("spool/clinic/production")).inbox).unwrap();
    ok(site.run(["run"]), 0);
    let dir = site.root().join("backup");
    ok(site.run(["backup", dir.to_str().unwrap()]), 0);
    let new = tempfile::tempdir().unwrap();
    fs::create_dir(new.path().join("partner")).unwrap();
    ok(at(new.path(), &["restore", dir.to_str().unwrap(), "--why", "new machine"]), 3);
    assert_eq!(at(new.path(), &["user", "list", "--json"]).json()[0]["name"], "anna");
    let said = at(new.path(), &["status", "--json"]).json();
    assert_eq!(said[0]["approved"], true, "{said}");
    // Once more: the ledger is ahead by its own restore, so nothing is touched.
    ok(at(new.path(), &["user", "remove", "anna"]), 0);
    ok(at(new.path(), &["restore", dir.to_str().unwrap(), "--why", "again"]), 2);
    assert_eq!(at(new.path(), &["user", "list", "--json"]).json(), serde_json::json!([]));
}

#[test]
fn where_the_machine_is_lost_a_person_says_what_was_sent() {
    let Ruined { site, backup, got } = ruined();
    // The vendor agreed to have what is uncertain sent again; this is another matter.
    let text = fs::read_to_string(site.interface_file()).unwrap();
    let saved = backup.join("settings/interfaces/clinic.toml");
    assert_eq!(fs::read_to_string(&saved).unwrap(), text);
    let place = tempfile::tempdir().unwrap();
    let root = place.path().join("new");
    fs::create_dir_all(root.join("interfaces")).unwrap();
    fs::create_dir(root.join("partner")).unwrap();
    fs::write(root.join("interfaces/clinic.toml"), text + "on_uncertain = \"resend\"\n").unwrap();
    let dir = backup.to_str().unwrap();
    let told = ok(at(&root, &["restore", dir, "--why", "the machine is lost", "--json"]), 3).json();
    assert_eq!(told[0]["was"], "there was none");
    assert_eq!(told[0]["uncertain"][0], serde_json::json!(["99999-000002.hl7", "test"]));
    assert_eq!(fs::read_to_string(root.join("hl7drop.toml")).unwrap(), "[run]\nworkers = 2\n");
    for args in [&["run"][..], &["run", "--retry"], &["run"]] {
        ok(at(&root, args), 4);
        assert_eq!(arrived(&root.join("partner")).len(), 0, "{args:?}");
    }
    let said = ok(at(&root, &["delivery"]), 4);
    assert!(said.out.contains("may have been sent since. Ask the vendor"), "{said:?}");
    assert!(said.out.contains("--delivered --why"), "{said:?}");
    // To look once more sends nothing either: nobody can tell who took it.
    ok(at(&root, &["delivery", "99999-000002.hl7", "--retry"]), 0);
    ok(at(&root, &["run"]), 4);
    assert_eq!(arrived(&root.join("partner")).len(), 0);
    ok(at(&root, &["delivery", "99999-000002.hl7", "--resend", "--why", "they lost it"]), 0);
    ok(at(&root, &["run"]), 0);
    let sent = fs::read(root.join("partner/99999-000002.hl7")).unwrap();
    assert_eq!(Digest::of(&sent), Digest::of(&fs::read(&got[1]).unwrap()), "the same bytes");
}

#[test]
fn a_restore_that_broke_off_is_gone_on_with_by_the_same_command() {
    let Ruined { site, backup, .. } = ruined();
    let place = tempfile::tempdir().unwrap();
    let dir = backup.to_str().unwrap();
    let mut faults = 0;
    // Every third place; the steps between them are the same for each file.
    for fault in (1..).step_by(3) {
        let root = place.path().join(fault.to_string());
        copied(site.root(), &root);
        let there = arrived(&root.join("partner"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_hl7drop"));
        command.arg("--config").arg(root.join("hl7drop.toml"));
        command
            .args(["restore", dir, "--why", "bad disk"])
            .env("HL7DROP_FAULT", format!("abort:{fault}"));
        let broke = ended(&mut command);
        if broke.code == Some(3) {
            break;
        }
        faults += 1;
        // Until it is done nothing runs; what was there is whole or away, never half.
        let ledger = root.join("spool/clinic/test/ledger.db");
        if fault % 5 == 0 {
            let ran = at(&root, &["run"]);
            let done = ledger.exists() && ran.code == Some(0);
            assert!(done || ran.code == Some(5), "{fault}: {ran:?}");
        }
        let again = at(&root, &["restore", dir, "--why", "bad disk"]);
        // Done before the fault: then it knows more than the backup.
        assert!(matches!(again.code, Some(3 | 2)), "{fault}: {again:?}");
        if fault % 5 == 0 {
            ok(at(&root, &["run"]), 0);
            assert_eq!(arrived(&root.join("partner")), there, "{fault}");
        }
        let ledger = Sqlite::open(&ledger, "clinic/test").unwrap();
        assert_eq!(ledger.integrity().unwrap(), [""; 0], "{fault}");
        let numbers = ledger.numbers().unwrap();
        assert!(numbers.file > 1003 && numbers.control > 1_000_008, "{fault}: {numbers:?}");
        drop(ledger);
        fs::remove_dir_all(&root).unwrap();
    }
    assert!(faults > 20, "only {faults} places were met");
}

#[test]
fn a_backup_that_is_not_as_it_was_written_is_refused_and_nothing_is_changed() {
    let Ruined { site, backup, .. } = ruined();
    let dir = backup.to_str().unwrap();
    let full = ok(site.run(["backup", dir]), 2);
    assert!(full.err.contains("is not empty; give a folder that is new"), "{full:?}");
    let manifest = fs::read_to_string(backup.join("manifest.json")).unwrap();
    let before = all(site.root());
    let refused = |why: &str| {
        let said = ok(site.run(["restore", dir, "--why", "x"]), 2);
        assert!(said.err.contains(why), "{why}: {said:?}");
        assert_eq!(all(site.root()), before);
    };
    let file = backup.join("spool/clinic/test/ledger.db");
    let whole = fs::read(&file).unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    fs::write(&file, flipped).unwrap();
    refused("spool/clinic/test/ledger.db is not as it was written");
    fs::write(&file, whole).unwrap();
    for (from, to, why) in [
        ("\"format\": 1", "\"format\": 2", "use the hl7drop that wrote it"),
        ("settings/hl7drop.toml", "../../etc/hl7drop.toml", "a path leads out of it"),
        ("\"interface\": \"clinic\"", "\"interface\": \"../x\"", "an interface has no name"),
        ("{", "", "no manifest of ours"),
    ] {
        fs::write(backup.join("manifest.json"), manifest.replacen(from, to, 1)).unwrap();
        refused(why);
    }
    fs::write(backup.join("manifest.json"), &manifest).unwrap();
    let said = ok(site.run(["restore", dir, "nobody", "--why", "x"]), 2);
    assert!(said.err.contains("the backup has no `nobody`; it has clinic/test"), "{said:?}");
    fs::rename(backup.join("manifest.json"), site.root().join("m.json")).unwrap();
    let said = ok(site.run(["restore", dir, "--why", "x"]), 2);
    assert!(said.err.contains("this is no backup, or it broke off"), "{said:?}");
}

#[test]
fn a_backup_taken_while_a_pass_is_at_work_is_of_one_moment() {
    let site = Site::new();
    let root = site.root();
    site.put("providers.csv", "providerid,npi,lastname,firstname\n27,1369497585,MOTT,DEE\n");
    site.put("patients-a.csv", patients(1..50));
    ok(site.run(["run"]), 0);
    let mut taken: Vec<PathBuf> = Vec::new();
    for round in 0..3 {
        let first = 100 + round * 3000;
        site.put(&format!("patients-{round}.csv"), patients(first..first + 3000));
        let mut running = site.command(["run"]);
        let mut running = running.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        while running.try_wait().unwrap().is_none() {
            let dir = root.join(format!("backup-{}", taken.len()));
            ok(site.run(["backup", dir.to_str().unwrap()]), 0);
            taken.push(dir);
        }
    }
    assert!(taken.len() >= 3, "no pass was at work meanwhile");
    let last = root.join("backup-last");
    let manifest = ok(site.run(["backup", last.to_str().unwrap(), "--json"]), 0).json();
    assert_eq!(manifest["ledgers"][0]["control"], 49 + 9000 + 1);
    taken.push(last);
    for dir in &taken {
        for path in all(dir) {
            let wanted = if path.is_dir() { 0o700 } else { 0o600 };
            let mode = path.metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, wanted, "{}", path.display());
        }
        let manifest: Value =
            serde_json::from_slice(&fs::read(dir.join("manifest.json")).unwrap()).unwrap();
        let named: BTreeSet<PathBuf> = manifest["files"]
            .as_array()
            .unwrap()
            .iter()
            .map(|file| dir.join(file["path"].as_str().unwrap()))
            .chain([dir.join("manifest.json")])
            .collect();
        let there: BTreeSet<PathBuf> = all(dir).into_iter().filter(|path| path.is_file()).collect();
        assert_eq!(there, named, "nothing else lies there");
        let new = tempfile::tempdir().unwrap();
        let at = at(new.path(), &["restore", dir.to_str().unwrap(), "--why", "a test"]);
        ok(at, 3);
        let spool = new.path().join("spool/clinic/test");
        let ledger = Sqlite::open(&spool.join("ledger.db"), "clinic/test").unwrap();
        assert_eq!(ledger.integrity().unwrap(), [""; 0]);
        assert!(spool.join("reference/providers").exists());
        for drop in ledger.drops_with_rows().unwrap() {
            assert!(spool.join(format!("index/{drop:012}.idx")).exists(), "index of {drop}");
        }
        for row in ledger.undelivered().unwrap() {
            let bytes = fs::read(spool.join("outbox").join(&row.batch.name)).unwrap();
            assert_eq!(Digest::of(&bytes), row.batch.digest);
        }
    }
}
