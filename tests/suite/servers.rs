//! Whole deliveries to servers in the moods that servers have, and what `check` and
//! `endpoint trust` say of them.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::doubt::aborted_at;
use crate::sftpd::Server;
use crate::site::{NAME, Output, Site};

const BATCH: &str = "99999-000001.hl7";
const PATIENTS: &str = "event,patientid,lastname,firstname,dob,sex\nadd,1,Doe,Ann,02/14/1987,F\n";

fn add_setting(site: &Site, line: &str) {
    let mut file = fs::File::options().append(true).open(site.interface_file()).unwrap();
    writeln!(file, "{line}").unwrap();
}

fn files(site: &Site) -> Vec<String> {
    let entries = fs::read_dir(&site.partner).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// A site over a server of this configuration, its folders made.
fn over(config: &str) -> (Server, Site) {
    let own = Server::start(config);
    let site = Site::over_sftp(&own);
    assert_eq!(site.run(["run"]).code, Some(0));
    (own, site)
}

/// Runs a drop, and returns what became of its one batch.
fn delivered(site: &Site) -> (Output, Value) {
    site.put("patients.csv", PATIENTS);
    let said = site.run(["run", "--json"]);
    let delivery = said.json()[0]["deliveries"][0].take();
    (said, delivery)
}

/// What was said, without its line breaks.
fn flat(said: &Output) -> String {
    said.out.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Takes away every file with a final name as soon as it is seen, until dropped.
struct Poller(std::process::Child);

impl Poller {
    fn start(site: &Site) -> Poller {
        let script = "while :; do rm -f \"$1\"/*.hl7; done";
        let mut command = Command::new("sh");
        Poller(command.args(["-c", script, "poller"]).arg(&site.partner).spawn().unwrap())
    }
}

impl Drop for Poller {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_box_that_only_takes_files_gets_them() {
    let (_own, site) = over("ForceCommand internal-sftp -P stat,lstat,fsync,remove,opendir,read");
    let said = site.run(["check", "--partner"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    for sentence in [
        "names cannot be looked at",
        "files cannot be read back",
        "files cannot be removed",
        "today was refused: look at names (stat), remove.",
    ] {
        assert!(flat(&said).contains(sentence), "{sentence}: {said:?}");
    }
    let (said, delivery) = delivered(&site);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(delivery["receipt"]["evidence"], "renamed");
    assert!(files(&site).contains(&BATCH.to_string()));

    add_setting(&site, "verify = \"hash\"");
    let said = site.run(["check", "--partner"]);
    assert_eq!(said.code, Some(4), "{said:?}");
    assert!(said.out.contains("files cannot be read back; set verify = \"size\""), "{said:?}");
}

#[test]
fn a_server_that_does_not_rename_stops_the_delivery_with_a_sentence() {
    let (_own, site) = over("ForceCommand internal-sftp -P rename,posix-rename");
    let said = site.run(["check"]);
    assert_eq!((said.code, files(&site).len()), (Some(4), 0), "{said:?}");
    assert!(said.out.contains("does not allow us to rename"), "{said:?}");
    let (said, delivery) = delivered(&site);
    assert_eq!(said.code, Some(4), "{said:?}");
    assert!(delivery["failure"]["what"].as_str().unwrap().contains("does not allow us to rename"));
    assert_eq!(delivery["failure"]["stopped"], true);
    assert!(!files(&site).contains(&BATCH.to_string()), "nothing is half published");
}

#[test]
fn a_vendor_that_takes_files_at_once_has_them_once() {
    let (_own, site) = over("");
    add_setting(&site, "pickup = \"immediate\"");
    let _poller = Poller::start(&site);
    let (said, delivery) = delivered(&site);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(delivery["receipt"]["evidence"], "renamed");
    let said = site.run(["run"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.contains("nothing to do"), "{said:?}");
}

#[test]
fn check_finds_out_what_a_server_can_and_writes_to_its_administrator() {
    let (_own, site) = over("");
    let said = site.run(["check", "--partner"]);
    assert_eq!((said.code, files(&site).len()), (Some(0), 0), "{said:?}");
    for sentence in [
        "it can be renamed",
        "names can be looked at",
        "files can be read back",
        "a name that is taken is refused",
        "files can be removed",
        "For the administrator at the other end of test:",
        "We deliver HL7 batch files as ",
        "refused nothing of this",
    ] {
        assert!(flat(&said).contains(sentence), "{sentence}: {said:?}");
    }
    assert!(said.out.lines().all(|line| !line.starts_with("    ") || line.len() < 160));
    let json = site.run(["check", "--partner", "--json"]).json();
    let last = json.as_array().unwrap().last().unwrap();
    assert_eq!(last["what"], "for the administrator of test");
    assert_eq!(site.run(["check", "--partner", "--offline"]).code, Some(2));
}

#[test]
fn a_key_is_pinned_when_it_is_the_one_that_the_vendor_told() {
    let place = tempfile::tempdir().unwrap();
    let rsa = place.path().join("rsa");
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-t", "rsa", "-b", "2048", "-N", "", "-f"]).arg(&rsa);
    assert!(command.status().unwrap().success());
    let (own, site) = over(&format!("HostKey {}", rsa.display()));
    let pins = site.root().join("known_hosts");
    let text = fs::read_to_string(site.interface_file()).unwrap();
    let known = format!("known_hosts = {:?}", own.known_hosts);
    assert!(text.contains(&known));
    let text = text.replace(&known, &format!("known_hosts = {pins:?}"));
    fs::write(site.interface_file(), text).unwrap();

    let shown = site.run(["endpoint", "trust", NAME]);
    assert_eq!(shown.code, Some(3), "{shown:?}");
    assert!(shown.out.contains("Ask the vendor for the fingerprint"), "{shown:?}");
    let told = |kind: &str| {
        let line = shown.out.lines().find(|line| line.contains(kind)).unwrap();
        line.split_whitespace().next().unwrap().to_string()
    };
    assert_ne!(told("ssh-ed25519"), told("ssh-rsa"), "both of its keys are shown");
    assert!(!pins.exists(), "nothing is pinned by looking");

    let trust = |told: &str| site.run(["endpoint", "trust", NAME, "--fingerprint", told]);
    let said = trust("SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    assert_eq!(said.code, Some(4), "{said:?}");
    assert!(said.err.contains("nothing was pinned. Ask the vendor"), "{said:?}");
    assert!(!pins.exists());
    let said = trust(&told("ssh-rsa"));
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(site.run(["check"]).code, Some(0), "the pinned one is asked for");
    assert!(trust(&told("ssh-rsa")).out.contains("is pinned already"));
    // The vendor changes to the other one: the new one stands beside the old.
    assert_eq!(trust(&told("ssh-ed25519")).code, Some(0));
    assert_eq!(fs::read_to_string(&pins).unwrap().lines().count(), 2);
    assert_eq!(site.run(["endpoint", "trust", NAME]).code, Some(0));
    assert_eq!(site.run(["endpoint", "trust", NAME, "--endpoint", "x"]).code, Some(2));
}

/// A server that lies; `tests/suite/liar.py` has the moods.
fn liar(mood: &str) -> (Server, Site) {
    let liar = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/liar.py");
    over(&format!("ForceCommand python3 {} {mood}", liar.display()))
}

/// The stage of the batch, and the names at the server.
fn stands(site: &Site) -> (Value, Vec<String>) {
    let status = site.run(["status", "--json"]).json()[0].take();
    let batch = status["undelivered"].get(0).unwrap_or(&status["delivered"][0]);
    (batch["stage"].clone(), files(site))
}

#[test]
fn bytes_that_change_on_the_way_are_never_published() {
    for (mood, settings, told) in [
        ("flips", "verify = \"hash\"", "the bytes read back are not those that were sent"),
        ("shortens", "", "bytes at 127.0.0.1"),
        ("shortens-and-hides-it", "verify = \"hash\"", "the bytes read back are not"),
    ] {
        let (_own, site) = liar(mood);
        add_setting(&site, settings);
        let (said, delivery) = delivered(&site);
        assert_eq!(said.code, Some(4), "{mood}: {said:?}");
        let what = delivery["failure"]["what"].as_str().unwrap();
        assert!(what.contains(told), "{mood}: {what}");
        assert_eq!(what.starts_with("S002 "), mood == "shortens", "{mood}: {what}");
        let (stage, names) = stands(&site);
        assert!(!names.contains(&BATCH.to_string()), "{mood}: {names:?}");
        assert_eq!(stage, "sending", "{mood}");
    }
    // `check` says so before the first file, and which setting guards against it.
    let (_own, site) = liar("flips");
    let said = site.run(["check"]);
    assert_eq!(said.code, Some(4), "{said:?}");
    assert!(flat(&said).contains("what is read back is not what was written"), "{said:?}");
}

#[test]
fn a_rename_that_was_only_said_is_no_delivery() {
    let (_own, site) = liar("renames-nothing");
    let (said, delivery) = delivered(&site);
    assert_eq!(said.code, Some(4), "{said:?}");
    let what = delivery["failure"]["what"].as_str().unwrap();
    assert!(what.contains("the server renamed the file, and it is not there"), "{what}");
    assert_eq!(stands(&site), ("uncertain".into(), vec![format!(".{BATCH}.1.part")]));
}

/// A server whose mood can change: a script is asked at each session.
struct Moody(tempfile::TempDir);

impl Moody {
    fn new() -> (Moody, Server, Site) {
        let moody = Moody(tempfile::tempdir().unwrap());
        moody.be("exec /usr/lib/openssh/sftp-server");
        let (own, site) =
            over(&format!("ForceCommand sh {}", moody.0.path().join("mood").display()));
        (moody, own, site)
    }

    fn be(&self, script: &str) {
        fs::write(self.0.path().join("mood"), script).unwrap();
    }
}

#[test]
fn what_a_probe_found_is_kept_and_makes_the_next_delivery_careful() {
    let (mood, _own, site) = Moody::new();
    let liar = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/liar.py");
    let flips = format!("exec python3 {} flips", liar.display());
    let kept = || fs::read_to_string(site.spool().root.join("partners.json")).unwrap();
    assert_eq!(site.run(["check"]).code, Some(0));
    assert!(kept().contains("\"bytes stay as they were sent\": true"), "{}", kept());

    mood.be(&flips);
    let said = site.run(["check", "--partner"]);
    assert_eq!(said.code, Some(4), "{said:?}");
    assert!(flat(&said).contains("bytes stay as they were sent: no, and before yes"), "{said:?}");
    // The settings compare sizes, which are right.
    let (said, delivery) = delivered(&site);
    assert_eq!(said.code, Some(4), "{said:?}");
    let what = delivery["failure"]["what"].as_str().unwrap();
    assert!(what.contains("the bytes read back are not those that were sent"), "{what}");
    assert!(!files(&site).contains(&BATCH.to_string()));

    mood.be("exec /usr/lib/openssh/sftp-server");
    let said = site.run(["check"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(flat(&said).contains("bytes stay as they were sent: yes, and before no"), "{said:?}");
    assert_eq!(site.run(["run", "--retry"]).code, Some(0));
    assert!(files(&site).contains(&BATCH.to_string()));
}

#[test]
fn another_server_than_the_one_that_was_probed_is_told() {
    let (_own, site) = over("");
    assert_eq!(site.run(["check"]).code, Some(0));
    let (said, _) = delivered(&site);
    assert!(!said.err.contains("is not the server that was probed"), "{said:?}");
    let folder = site.partner.join("moved");
    fs::create_dir(&folder).unwrap();
    let settings = fs::read_to_string(site.interface_file()).unwrap();
    let to = |path: &Path| format!("folder = {path:?}");
    fs::write(site.interface_file(), settings.replace(&to(&site.partner), &to(&folder))).unwrap();
    site.put("patients.csv", PATIENTS.replace("add,1", "add,2"));
    let said = site.run(["run"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.err.contains("test is not the server that was probed on"), "{said:?}");
}

#[test]
fn what_a_server_says_of_a_rename_is_not_all_that_counts() {
    for (mood, first) in [("renames-and-denies-it", Some(0)), ("renames-and-hangs-up", Some(4))] {
        let (_own, site) = liar(mood);
        let (said, _) = delivered(&site);
        assert_eq!(said.code, first, "{mood}: {said:?}");
        let said = site.run(["run", "--retry"]);
        assert_eq!(said.code, Some(0), "{mood}: {said:?}");
        assert_eq!(stands(&site), ("delivered".into(), vec![BATCH.to_string()]), "{mood}");
        let status = site.run(["status", "--json"]).json()[0].take();
        assert_eq!(status["delivered"][0]["receipt"]["evidence"], "seen", "{mood}");
    }
}

#[test]
fn a_server_that_overwrites_is_not_asked_to() {
    let (_own, site) = liar("overwrites");
    fs::write(site.partner.join(BATCH), "the vendor's own").unwrap();
    let (said, _) = delivered(&site);
    assert_eq!(said.code, Some(4), "{said:?}");
    assert_eq!(stands(&site), ("conflict".into(), vec![BATCH.to_string()]));
    assert_eq!(fs::read(site.partner.join(BATCH)).unwrap(), b"the vendor's own");
}

#[test]
fn a_server_that_cannot_rename_gets_files_under_their_final_names() {
    let (_own, site) = over("ForceCommand internal-sftp -P rename,posix-rename");
    add_setting(&site, "upload = \"direct\"\nverify = \"hash\"");
    let said = site.run(["check", "--partner"]);
    assert_eq!((said.code, files(&site).len()), (Some(0), 0), "{said:?}");
    let (said, delivery) = delivered(&site);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(delivery["receipt"]["evidence"], "written");
    assert_eq!(stands(&site), ("delivered".into(), vec![BATCH.to_string()]));
}

/// A try that breaks off in the middle of a file under its final name.
fn half_written(settings: &str) -> Site {
    let site = Site::new();
    add_setting(&site, &format!("upload = \"direct\"\n{settings}"));
    site.put("patients.csv", PATIENTS);
    aborted_at(&site, "ledger.sending.after");
    fs::write(site.partner.join(BATCH), "FHS|half").unwrap();
    assert_eq!(stands(&site).0, "sending");
    site
}

#[test]
fn half_a_file_of_ours_under_the_final_name_is_replaced_and_nobody_elses() {
    let site = half_written("");
    let promised = fs::read(site.spool().outbox.join(BATCH)).unwrap();
    let said = site.run(["run"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(fs::read(site.partner.join(BATCH)).unwrap(), promised);

    let site = Site::new();
    add_setting(&site, "upload = \"direct\"");
    fs::write(site.partner.join(BATCH), "the vendor's own").unwrap();
    let (said, _) = delivered(&site);
    assert_eq!((said.code, stands(&site).0), (Some(4), "conflict".into()), "{said:?}");
    assert_eq!(fs::read(site.partner.join(BATCH)).unwrap(), b"the vendor's own");
}

#[test]
fn what_was_taken_while_it_was_written_is_for_a_person() {
    let site = half_written("pickup = \"immediate\"");
    fs::remove_file(site.partner.join(BATCH)).unwrap();
    let said = site.run(["run"]);
    assert_eq!(said.code, Some(4), "{said:?}");
    assert!(said.out.contains("it may have been taken, half or whole"), "{said:?}");
    assert_eq!(stands(&site).0, "uncertain");
    assert_eq!(site.run(["run"]).code, Some(4), "it is not sent again by itself");
    assert_eq!(site.run(["delivery", BATCH, "--retry"]).code, Some(0));
    assert_eq!((site.run(["run"]).code, files(&site).len()), (Some(4), 0), "a look is a look");
    let why = ["--resend", "--why", "they got half of it"];
    assert_eq!(site.run(["delivery", BATCH].into_iter().chain(why)).code, Some(0));
    assert_eq!(site.run(["run"]).code, Some(0));
    assert_eq!(files(&site), [BATCH]);
}
