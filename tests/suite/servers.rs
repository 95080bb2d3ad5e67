//! Whole deliveries to servers in the moods that servers have, and what `check` and
//! `endpoint trust` say of them.

use std::fs;
use std::io::Write;
use std::process::Command;

use serde_json::Value;

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
