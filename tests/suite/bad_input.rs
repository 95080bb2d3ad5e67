//! Bad input and what it gets: each kind has a message that says what is wrong and
//! what to do, an exit code, and costs nobody else anything.
//!
//! Every patient here is called by one name that no real one has; it must never be
//! seen in what the program says, nor in a file's name ([`discreet`]).

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;
use hl7drop::hl7::read::BatchFile;
use rusqlite::Connection;

use crate::sftpd::server;
use crate::site::{NAME, Output, Site, ended};

const CANARY: &str = "ZYLOPHRAST";
const HEADER: &str = "patientid,lastname,firstname,dob,sex,race";

/// Two good patients, each a message.
fn good() -> String {
    format!("{HEADER}\n1,{CANARY},ANN,02/14/1987,F,\n2,{CANARY},BEN,03/15/1988,M,2106-3\n")
}

/// Sees that the patients' name is in nothing that a person or a log is shown.
fn discreet(site: &Site, said: &Output) {
    let hidden = |text: &str| !text.to_uppercase().contains(CANARY);
    assert!(hidden(&said.out) && hidden(&said.err), "{said:?}");
    for args in [&["status"][..], &["queue"], &["queue", "--json"], &["check", "--offline"]] {
        let said = site.run(args);
        assert!(hidden(&said.out) && hidden(&said.err), "{args:?}: {said:?}");
    }
    for path in files(site.root()) {
        let name = path.strip_prefix(site.root()).unwrap().to_str().unwrap().to_string();
        assert!(hidden(&name), "{name}");
        if name.ends_with(".why.toml") || name.ends_with("lock") {
            assert!(hidden(&fs::read_to_string(&path).unwrap()), "{name}");
        }
    }
}

/// All files below a folder, sorted.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let kind = path.symlink_metadata().unwrap().file_type();
        if kind.is_dir() {
            found.extend(files(&path));
        } else if kind.is_file() {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The messages that the partner has.
fn delivered(site: &Site) -> usize {
    let files = files(&site.partner);
    let count = |path: &PathBuf| {
        let bytes = fs::read(path).unwrap();
        BatchFile::read(&bytes).unwrap().messages().count()
    };
    files.iter().map(count).sum()
}

/// The counts of an extract as `status --json` tells them.
fn counts(site: &Site, file: &str) -> BTreeMap<String, u64> {
    let status = site.run(["status", "--json"]).json();
    let extracts = status[0]["extracts"].as_array().unwrap();
    let found = extracts.iter().find(|extract| extract["file"] == file);
    let counts: BTreeMap<String, u64> =
        serde_json::from_value(found.unwrap()["counts"].clone()).unwrap();
    let ends = ["sent", "filtered", "error", "duplicate"].map(|end| counts[end]);
    assert_eq!(counts["rows"], ends.iter().sum::<u64>(), "{counts:?}");
    counts
}

/// How many files there are in a folder of the spool.
fn count(folder: &Path) -> usize {
    files(folder).len()
}

#[test]
fn a_bad_row_waits_and_the_others_go_out() {
    let row = |text: &str| text.replace('@', CANARY).into_bytes();
    let rows: &[(&str, Vec<u8>, &str, &str)] = &[
        ("ragged", row("3,@,CAM,02/14/1987,F"), "V001", "delimiter inside a value"),
        ("too long", row("3,@,CAM,02/14/1987,F,,,"), "V001", "delimiter inside a value"),
        ("bad date", row("3,@,CAM,02/30/1987,F,"), "T001", "MM/DD/YYYY"),
        ("a name as date", row("3,CAM,02/14/1987,@,F,"), "T001", "MM/DD/YYYY"),
        ("bad race", row("3,@,CAM,02/14/1987,F,2106-4"), "R001", "CDC codes such as 2106-3"),
        ("a name as race", row("3,CAM,X,02/14/1987,F,@"), "R001", "CDC codes such as 2106-3"),
        ("a name as sex", row("3,CAM,X,02/14/1987,@,"), "C001", "a code of the table"),
        ("NUL", row("3,@,C\0AM,02/14/1987,F,"), "V003", "NUL characters come from"),
        ("not UTF-8", [&row("3,@,CAM")[..], b"\xcd,02/14/1987,F,"].concat(), "V002", "as UTF-8"),
        ("no ID", row(",@,CAM,02/14/1987,F,"), "M001", "fill it in at the source"),
    ];
    for (what, bad, code, hint) in rows {
        let site = Site::new();
        let mut text = good().into_bytes();
        // In the middle, so that what stands on both sides is seen to go out.
        let middle = text.iter().rposition(|byte| *byte == b'2').unwrap();
        let middle = text[..middle].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
        text.splice(middle..middle, [bad, &b"\n"[..]].concat());
        site.put("patients.csv", &text);
        let said = site.run(["run"]);
        assert_eq!(said.code, Some(3), "{what}: {said:?}");
        assert!(said.out.contains("1 ERROR (the practice)"), "{what}: {said:?}");
        assert!(said.out.contains("queue clinic"), "{what}: {said:?}");
        let queue = site.run(["queue"]);
        assert_eq!(queue.code, Some(3), "{what}");
        for part in [code, hint, "patients.csv record 2 (line 3)"] {
            assert!(queue.out.contains(part), "{what}: {part}: {}", queue.out);
        }
        assert_eq!(delivered(&site), 2, "{what}");
        let counts = counts(&site, "patients.csv");
        assert_eq!((counts["rows"], counts["sent"], counts["error"]), (3, 2, 1), "{what}");
        // As it was dropped, it is in the archive.
        let archived = files(&site.spool().archive);
        assert_eq!(fs::read(&archived[0]).unwrap(), text, "{what}");
        discreet(&site, &said);
    }
}

#[test]
fn a_bad_file_goes_to_error_and_the_others_go_out() {
    let text = good();
    let gzip = {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.repeat(50).as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let files_of: &[(&str, &str, Vec<u8>, &str, &str)] = &[
        (
            "a column missing",
            "patients-bad.csv",
            text.replace(",dob,sex", ",born,sex").into_bytes(),
            "the header has no column dob",
            "add the column to the export",
        ),
        ("empty", "patients-bad.csv", Vec::new(), "the file is empty", "export it again"),
        ("blank lines", "patients-bad.csv", b"\r\n\n".to_vec(), "the file is empty", "export it"),
        (
            "an open quote",
            "patients-bad.csv",
            text.replace("2,Z", "2,\"Z").into_bytes(),
            "a quote opened in the record that begins on line 3 is never closed",
            "export it again",
        ),
        (
            "a cut gzip",
            "patients-bad.csv.gz",
            gzip[..gzip.len() / 2].to_vec(),
            "the gzip data is cut off or damaged",
            "copy or export it again",
        ),
        ("UTF-16", "patients-bad.csv", utf16, "the file is UTF-16 text", "export it as UTF-8"),
        (
            "a header of other bytes",
            "patients-bad.csv",
            [&b"\xe9"[..], text.as_bytes()].concat(),
            "the header is not UTF-8 text",
            "export it as UTF-8",
        ),
    ];
    for (what, name, bytes, why, hint) in files_of {
        let site = Site::new();
        no_empty_wait(&site);
        site.put(name, bytes);
        site.put("patients.csv", good());
        let said = site.run(["run"]);
        assert_eq!(said.code, Some(3), "{what}: {said:?}");
        assert!(said.out.contains(why) && said.out.contains(hint), "{what}: {said:?}");
        assert!(said.out.contains("nothing of it was sent"), "{what}: {said:?}");
        let error = &site.spool().error;
        assert_eq!(&fs::read(error.join(name)).unwrap(), bytes, "{what}");
        let why_file = fs::read_to_string(error.join(format!("{name}.why.toml"))).unwrap();
        let why_file: toml::Table = why_file.parse().unwrap();
        assert!(why_file["what"].as_str().unwrap().contains(why), "{what}: {why_file}");
        assert!(why_file["what_to_do"].as_str().unwrap().contains(hint), "{what}: {why_file}");
        assert_eq!(count(error), 2, "{what}");
        assert_eq!(delivered(&site), 2, "{what}");
        assert_eq!(counts(&site, "patients.csv")["sent"], 2, "{what}");
        discreet(&site, &said);
        // It stays told until a person has taken it away.
        let status = site.run(["status"]);
        assert_eq!(status.code, Some(3), "{what}");
        assert_eq!(site.run(["run"]).code, Some(0), "{what}: nothing new");
    }
}

/// Appends to the interface file; it ends within `[connectivity.test]`.
fn settings(site: &Site, more: &str) {
    let text = fs::read_to_string(site.interface_file()).unwrap();
    fs::write(site.interface_file(), format!("{text}\n{more}")).unwrap();
}

fn no_empty_wait(site: &Site) {
    let text = fs::read_to_string(site.interface_file()).unwrap();
    let text = text.replace("settle_seconds = 0", "settle_seconds = 0\nempty_wait_seconds = 0");
    fs::write(site.interface_file(), text).unwrap();
}

#[test]
fn a_fresh_empty_file_is_left_to_be_written() {
    let site = Site::new();
    site.put("patients.csv", "");
    site.put("appointments.csv", "x");
    let said = site.run(["run"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    // The appointments wait for their patients too.
    assert_eq!(count(&site.spool().inbox), 2);
    assert_eq!(count(&site.spool().error), 0);
}

#[test]
fn an_unknown_column_is_told_once_and_not_used() {
    let site = Site::new();
    let text = good().replace("race\n", "race,Shoe Size\n").replace(",\n", ",,43\n");
    site.put("patients.csv", text.replace("2106-3\n", "2106-3,44\n"));
    let said = site.run(["run"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(said.out.matches("Shoe Size").count(), 1, "{said:?}");
    assert!(said.out.contains("not known and not used: Shoe Size"), "{said:?}");
    assert_eq!(delivered(&site), 2);
    discreet(&site, &said);
}

#[test]
fn a_header_alone_is_a_drop_without_rows() {
    let site = Site::new();
    site.put("patients.csv", HEADER);
    let said = site.run(["run"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.contains("0 rows = 0 sent"), "{said:?}");
    assert_eq!(counts(&site, "patients.csv")["rows"], 0);
    assert_eq!((count(&site.spool().archive), count(&site.partner)), (1, 0));
}

#[test]
fn the_same_bytes_again_are_archived_and_not_sent() {
    let site = Site::new();
    let events = good().replace("patientid", "event,patientid").replace("\n1,", "\nadd,1,");
    let events = events.replace("\n2,", "\nadd,2,");
    for name in ["patients.csv", "patients-again.csv"] {
        site.put(name, &events);
        assert_eq!(site.run(["run"]).code, Some(0));
    }
    site.put("patients.csv", &events);
    let said = site.run(["run"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.contains("the same bytes were taken in before"), "{said:?}");
    assert_eq!((delivered(&site), count(&site.spool().archive)), (2, 3));
    // Without events they say how things are, which is no news.
    for _ in 0..2 {
        site.put("patients.csv", good());
        let said = site.run(["run"]);
        assert!(said.out.contains("2 rows = 0 sent + 2 filtered"), "{said:?}");
    }
    assert_eq!((delivered(&site), count(&site.spool().archive)), (2, 5));
}

#[test]
fn what_is_no_regular_file_is_left_alone_and_told() {
    let site = Site::new();
    let inbox = site.spool().inbox;
    let elsewhere = site.root().join("elsewhere.csv");
    fs::write(&elsewhere, good()).unwrap();
    symlink(&elsewhere, inbox.join("patients-link.csv")).unwrap();
    fs::create_dir(inbox.join("patients-folder.csv")).unwrap();
    let fifo = inbox.join("patients-pipe.csv");
    // A FIFO hangs whoever opens it for reading: that this test ends is the test.
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    site.put("patients.csv", good());
    site.put("notes.txt", "x");
    let said = site.run(["run"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    for name in ["patients-link.csv", "patients-folder.csv", "patients-pipe.csv"] {
        assert!(inbox.join(name).symlink_metadata().is_ok(), "{name} is gone");
        assert!(said.err.contains(&format!("inbox/{name}")), "{name}: {}", said.err);
    }
    assert!(said.err.contains("inbox/notes.txt matches no pattern"), "{}", said.err);
    assert_eq!(delivered(&site), 2);
    assert_eq!(fs::read_to_string(elsewhere).unwrap(), good());
}

#[test]
fn a_file_that_must_not_be_read_goes_to_error() {
    let site = Site::new();
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true).mode(0o000);
    let path = site.spool().inbox.join("patients-shut.csv");
    options.open(path).unwrap().write_all(good().as_bytes()).unwrap();
    let me = site.root().metadata().unwrap().uid();
    let mut command = site.command(["run"]);
    if me == 0 {
        // The superuser may read all, so somebody else runs it: the inbox is theirs,
        // the file in it is not.
        command = site.command(["run"]);
        let program = site.root().join("hl7drop-copy");
        fs::copy(env!("CARGO_BIN_EXE_hl7drop"), &program).unwrap();
        let mut other = Command::new(program);
        other.args(command.get_args()).uid(65534).gid(65534).current_dir("/");
        other.env_remove("HL7DROP_CONFIG").env_remove("RUST_LOG");
        command = other;
        give_away(site.root());
    }
    let said = ended(&mut command);
    if me == 0 {
        assert_eq!(said.code, Some(3), "{said:?}");
        assert!(said.out.contains("the file cannot be read: Permission denied"), "{said:?}");
        assert!(said.out.contains("look at the file's permissions"), "{said:?}");
        let kept = fs::read_to_string(site.spool().error.join("patients-shut.csv"));
        assert_eq!(kept.unwrap(), good());
    } else {
        // It is ours, so the claim makes it readable.
        assert_eq!((said.code, delivered(&site)), (Some(0), 2), "{said:?}");
    }
}

/// Gives all folders and the settings to the user `nobody`, but not what lies in inboxes.
fn give_away(folder: &Path) {
    chown(folder, Some(65534), Some(65534)).unwrap();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            give_away(&path);
        } else if !folder.ends_with("inbox") {
            chown(&path, Some(65534), Some(65534)).unwrap();
        }
    }
}

/// A delivery that cannot be made: exit 4 with its sentence, nothing lost; once it is
/// mended, `run --retry` delivers what was promised.
fn stopped_then_mended(site: &Site, sentences: &[&str], mend: impl FnOnce()) {
    site.put("patients.csv", good());
    let said = site.run(["run"]);
    assert_eq!(said.code, Some(4), "{said:?}");
    assert!(said.out.contains("NOT delivered"), "{said:?}");
    for sentence in sentences {
        assert!(said.out.contains(sentence), "{sentence}: {said:?}");
    }
    discreet(site, &said);
    let outbox = files(&site.spool().outbox);
    assert_eq!((outbox.len(), count(&site.spool().archive)), (1, 1));
    let promised = fs::read(&outbox[0]).unwrap();
    assert_eq!(counts(site, "patients.csv")["sent"], 2);
    assert_eq!(site.run(["status"]).code, Some(4));
    // A person must act: the next run does not knock again by itself.
    let again = site.run(["run"]);
    assert_eq!(again.code, Some(4), "{again:?}");
    mend();
    let said = site.run(["run", "--retry"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let there: Vec<PathBuf> =
        files(&site.partner).into_iter().filter(|path| path.extension().is_some()).collect();
    assert_eq!(there.len(), 1, "{there:?}");
    assert_eq!(fs::read(&there[0]).unwrap(), promised, "other bytes");
    assert_eq!((count(&site.spool().outbox), count(&site.spool().sent)), (0, 1));
}

/// Changes a line of the interface file.
fn setting(site: &Site, key: &str, value: &Path) {
    let text = fs::read_to_string(site.interface_file()).unwrap();
    let line = text.lines().find(|line| line.starts_with(key)).unwrap();
    let text = text.replace(line, &format!("{key} = {:?}", value.to_str().unwrap()));
    fs::write(site.interface_file(), text).unwrap();
}

#[test]
fn no_host_key_is_no_connection_until_it_is_pinned() {
    let site = Site::over_sftp(server());
    let pins = site.root().join("known_hosts");
    fs::write(&pins, "").unwrap();
    setting(&site, "known_hosts", &pins);
    let wanted =
        ["is not known; compare it with the vendor's", "then pin it with `hl7drop endpoint trust`"];
    stopped_then_mended(&site, &wanted, || {
        fs::copy(&server().known_hosts, &pins).unwrap();
    });
}

#[test]
fn a_wrong_host_key_is_no_connection() {
    let site = Site::over_sftp(server());
    let pins = site.root().join("known_hosts");
    let other = keygen(site.root());
    let other = fs::read_to_string(other.with_extension("pub")).unwrap();
    let host = format!("[{}]:{}", server().host, server().port);
    fs::write(&pins, format!("{host} {other}")).unwrap();
    setting(&site, "known_hosts", &pins);
    let wanted = ["the host key of", "ask the vendor whether they changed it"];
    stopped_then_mended(&site, &wanted, || {
        fs::copy(&server().known_hosts, &pins).unwrap();
    });
}

/// Makes a key pair that nobody knows.
fn keygen(folder: &Path) -> PathBuf {
    let key = folder.join("other_key");
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-t", "ed25519", "-N", "", "-C", "", "-f"]).arg(&key);
    assert!(command.status().unwrap().success());
    key
}

#[test]
fn a_refused_login_waits_for_a_person() {
    let site = Site::over_sftp(server());
    let key = keygen(site.root());
    setting(&site, "key_file", &key);
    stopped_then_mended(&site, &["refused the login of"], || {
        fs::copy(&server().key_file, &key).unwrap();
    });
}

#[test]
fn a_missing_remote_folder_waits_for_a_person() {
    let site = Site::over_sftp(server());
    let folder = site.partner.clone();
    fs::remove_dir(&folder).unwrap();
    let wanted = ["there is no folder", "ask the vendor to make it, or correct `folder`"];
    stopped_then_mended(&site, &wanted, || fs::create_dir(&folder).unwrap());
}

#[test]
fn a_missing_folder_of_this_machine_waits_for_a_person() {
    let site = Site::new();
    fs::remove_dir(&site.partner).unwrap();
    let wanted = ["there is no folder"];
    stopped_then_mended(&site, &wanted, || fs::create_dir(&site.partner).unwrap());
}

#[test]
fn a_second_process_ends_while_the_first_holds_the_lock() {
    let site = Site::new();
    site.spool().make().unwrap();
    let held = site.spool().lock().unwrap().unwrap();
    site.put("patients.csv", good());
    let said = site.run(["run"]);
    assert_eq!(said.code, Some(10), "{said:?}");
    assert!(said.err.contains("another hl7drop is at work on clinic/test"), "{said:?}");
    assert!(said.err.contains("let it finish"), "{said:?}");
    assert_eq!(count(&site.spool().inbox), 1);
    drop(held);
    assert_eq!(site.run(["run"]).code, Some(0));
    assert_eq!(delivered(&site), 2);
}

#[test]
fn a_locked_ledger_is_told_and_the_next_run_finishes() {
    let site = Site::new();
    assert_eq!(site.run(["run"]).code, Some(0));
    let other = Connection::open(site.spool().ledger()).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    site.put("patients.csv", good());
    let said = site.run(["run"]);
    assert_eq!(said.code, Some(5), "{said:?}");
    let wanted = "the ledger is locked by another program; end it, or wait and run again";
    assert!(said.err.contains(wanted), "{said:?}");
    assert_eq!(delivered(&site), 0);
    other.execute_batch("ROLLBACK").unwrap();
    drop(other);
    assert_eq!(site.run(["run"]).code, Some(0));
    assert_eq!((delivered(&site), counts(&site, "patients.csv")["sent"]), (2, 2));
    discreet(&site, &said);
}

#[test]
fn a_damaged_ledger_sends_nothing_until_it_is_restored() {
    let site = Site::new();
    site.put("patients.csv", good());
    assert_eq!(site.run(["run"]).code, Some(0));
    let path = site.spool().ledger();
    let backup = fs::read(&path).unwrap();
    let head = [&b"not a database at all"[..], &backup[21..]].concat();
    let cut = backup[..backup.len() / 2].to_vec();
    for damaged in [head, cut, Vec::new()] {
        fs::write(&path, &damaged).unwrap();
        site.put("patients-2.csv", good().replace("\n1,", "\n11,"));
        let said = site.run(["run"]);
        assert_eq!(said.code, Some(5), "{said:?}");
        assert!(said.err.contains("S004 the ledger is damaged"), "{said:?}");
        assert!(said.err.contains("hl7drop restore"), "{said:?}");
        assert_eq!(delivered(&site), 2);
        assert_eq!(site.run(["check", "--offline"]).code, Some(5));
        // Nobody may have mended it behind our back.
        assert_eq!(fs::read(&path).unwrap(), damaged);
    }
    fs::write(&path, &backup).unwrap();
    assert_eq!(site.run(["run"]).code, Some(0));
    // One is new, the other as it was.
    assert_eq!(delivered(&site), 3);
}

#[test]
fn a_ledger_that_is_gone_is_not_begun_anew_beside_sent_files() {
    let site = Site::new();
    site.put("patients.csv", good());
    assert_eq!(site.run(["run"]).code, Some(0));
    let (path, backup) = (site.spool().ledger(), site.root().join("backup.db"));
    fs::rename(&path, &backup).unwrap();
    site.put("patients-2.csv", good().replace("\n1,", "\n11,"));
    let said = site.run(["run"]);
    assert_eq!(said.code, Some(5), "{said:?}");
    assert!(said.err.contains("holds files of earlier runs"), "{said:?}");
    assert!(said.err.contains("hl7drop restore"), "{said:?}");
    assert!(!path.exists() && delivered(&site) == 2);
    fs::rename(&backup, &path).unwrap();
    assert_eq!(site.run(["run"]).code, Some(0));
    // One is new, the other as it was.
    assert_eq!(delivered(&site), 3);
}

#[test]
fn a_flipped_byte_in_the_outbox_is_never_sent() {
    let site = Site::new();
    fs::remove_dir(&site.partner).unwrap();
    site.put("patients.csv", good());
    assert_eq!(site.run(["run"]).code, Some(4));
    fs::create_dir(&site.partner).unwrap();
    let batch = files(&site.spool().outbox).remove(0);
    let good = fs::read(&batch).unwrap();
    let mut bytes = good.clone();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&batch, &bytes).unwrap();
    let said = site.run(["run", "--retry"]);
    assert_eq!(said.code, Some(5), "{said:?}");
    assert!(said.err.contains("does not have the digest that the ledger promised"), "{said:?}");
    assert!(said.err.contains("Restore it from a backup"), "{said:?}");
    assert_eq!(count(&site.partner), 0);
    assert_eq!(site.run(["check", "--offline"]).code, Some(5));
    fs::write(&batch, good).unwrap();
    assert_eq!(site.run(["run", "--retry"]).code, Some(0));
    assert_eq!(delivered(&site), 2);
    discreet(&site, &said);
}

/// A tiny file system of its own; unmounted when dropped.
pub struct Tiny(PathBuf);

impl Tiny {
    /// Mounts one, if this machine lets us; CI must.
    pub fn mount(folder: &Path, size: &str) -> Option<Tiny> {
        fs::create_dir_all(folder).unwrap();
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", &format!("size={size},mode=700"), "none"]).arg(folder);
        let mounted = ended(&mut command);
        if mounted.code == Some(0) {
            return Some(Tiny(folder.to_path_buf()));
        }
        assert!(std::env::var_os("CI").is_none(), "CI must not skip this: {}", mounted.err);
        println!("no tmpfs can be mounted here: {}", mounted.err);
        None
    }

    pub fn grow(&self, size: &str) {
        let mut command = Command::new("mount");
        command.args(["-o", &format!("remount,size={size}")]).arg(&self.0);
        assert!(command.status().unwrap().success());
    }
}

impl Drop for Tiny {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_loses_nothing_and_the_next_run_finishes() {
    let site = Site::new();
    // Here the disk is to get full, not nearly full.
    let text = fs::read_to_string(site.interface_file()).unwrap();
    let text = text.replace("[pickup]", "[pickup]\ndisk_floor_mib = 0");
    fs::write(site.interface_file(), text).unwrap();
    let spool = site.spool().root;
    fs::remove_dir_all(&spool).unwrap();
    let Some(tiny) = Tiny::mount(&spool, "1500k") else { return };
    assert_eq!(site.run(["run"]).code, Some(0));
    // The extract fits; the batch file, some three times as long, does not.
    let rows: String =
        (0..10_000).map(|number| format!("{number},{CANARY},ANN,02/14/1987,F,2106-3\n")).collect();
    let text = format!("{HEADER}\n{rows}");
    site.put("patients.csv", &text);
    let said = site.run(["run"]);
    assert_eq!(said.code, Some(5), "{said:?}");
    assert!(said.err.contains("No space left on device"), "{said:?}");
    assert!(said.err.contains("free some space there and run again"), "{said:?}");
    assert_eq!(count(&site.partner), 0);
    let claimed = files(&site.spool().processing);
    let claimed: Vec<&PathBuf> =
        claimed.iter().filter(|path| path.ends_with("patients.csv")).collect();
    assert_eq!(fs::read_to_string(claimed[0]).unwrap(), text);
    // A second try changes nothing.
    assert_eq!(site.run(["run"]).code, Some(5));
    tiny.grow("32m");
    let done = site.run(["run"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert_eq!(delivered(&site), 10_000);
    assert_eq!(counts(&site, "patients.csv")["rows"], 10_000);
    assert_eq!((count(&site.spool().processing), count(&site.spool().outbox)), (0, 0));
    discreet(&site, &said);
}

#[test]
fn a_full_disk_at_the_other_end_loses_nothing() {
    let site = Site::new();
    let Some(tiny) = Tiny::mount(&site.partner, "64k") else { return };
    let rows: String =
        (0..1000).map(|number| format!("{number},{CANARY},ANN,02/14/1987,F,2106-3\n")).collect();
    site.put("patients.csv", format!("{HEADER}\n{rows}"));
    let said = site.run(["run"]);
    assert_eq!(said.code, Some(4), "{said:?}");
    assert!(said.out.contains("no room at"), "{said:?}");
    // Never anything under the final name.
    let names = files(&site.partner);
    assert!(names.iter().all(|path| path.extension().is_none_or(|end| end != "hl7")), "{names:?}");
    tiny.grow("8m");
    let done = site.run(["run", "--retry"]);
    assert_eq!((done.code, delivered(&site)), (Some(0), 1000), "{done:?}");
    discreet(&site, &said);
}

#[test]
fn one_bad_interface_does_not_stop_the_others() {
    let site = Site::new();
    fs::write(site.root().join("interfaces/broken.toml"), "[project]\ninterfaec = 1\n").unwrap();
    site.put("patients.csv", good());
    let said = site.run(["run"]);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.err.contains("broken.toml:2: "), "{said:?}");
    assert_eq!(delivered(&site), 2);
    let alone = site.run(["run", NAME]);
    assert_eq!(alone.code, Some(0), "{alone:?}");
}

#[test]
fn what_is_made_is_nobody_elses_to_read() {
    let site = Site::new();
    settings(&site, "");
    site.put("patients.csv", good());
    site.put("patients-bad.csv", format!("{HEADER}\n3,\"{CANARY}"));
    assert_eq!(site.run(["run"]).code, Some(3));
    let spool = site.spool();
    for folder in spool.folders() {
        let mode = folder.metadata().unwrap().permissions().mode() & 0o777;
        // The inbox was made by this test, as a site that shares it would.
        assert!(folder == spool.inbox || mode == 0o700, "{}: {mode:o}", folder.display());
    }
    for path in files(&spool.root) {
        let mode = path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", path.display());
    }
}
