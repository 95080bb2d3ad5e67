//! Deliveries that nobody can tell the end of, and the people who decide them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::sftpd::server;
use crate::site::{NAME, Output, Site, ended};

const BATCH: &str = "99999-000001.hl7";
const PATIENTS: &str = "event,patientid,lastname,firstname,dob,sex\nadd,1,Doe,Ann,02/14/1987,F\n";
const LATER: &str = "event,patientid,lastname,firstname,dob,sex\nadd,2,Roe,Bob,02/14/1988,M\n";

/// Ends the process at the first place of this name. A run that is undone again says
/// which number that place has.
pub fn aborted_at(site: &Site, place: &str) {
    aborted_at_nth(site, place, 1);
}

/// As [`aborted_at`], at the `time`th time that the run comes there.
pub fn aborted_at_nth(site: &Site, place: &str, time: usize) {
    let kept = tempfile::tempdir().unwrap();
    let copy = |from: &Path, to: &Path| {
        let copied = Command::new("cp").arg("-a").arg(from.join(".")).arg(to).status();
        assert!(copied.unwrap().success());
    };
    let spool = site.spool().root;
    let folders = [(&spool, kept.path().join("spool")), (&site.partner, kept.path().join("there"))];
    for (folder, kept) in &folders {
        copy(folder, kept);
    }
    let output = ended(site.command(["run"]).env("HL7DROP_FAULT", "list:0"));
    for (folder, kept) in &folders {
        // The folder itself stays: it is the place that files are missed in.
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.unwrap();
        }
        copy(kept, folder);
    }
    let places = output.err.lines().filter_map(|line| line.strip_prefix("place "));
    let mut met = (1..).zip(places).filter(|(_, met)| *met == place);
    let (nth, _) = met.nth(time - 1).unwrap();
    let output = ended(site.command(["run"]).env("HL7DROP_FAULT", format!("abort:{nth}")));
    assert!(output.err.contains(&format!("fault at {place}")), "{output:?}");
}

/// A site whose batch is verified, its rename done or not by the place.
fn broken_off(site: Site, place: &str) -> Site {
    site.put("patients.csv", PATIENTS);
    aborted_at(&site, place);
    site
}

fn files(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn temp(site: &Site) -> PathBuf {
    site.partner.join(format!(".{BATCH}.1.part"))
}

fn add_setting(site: &Site, line: &str) {
    let text = fs::read_to_string(site.interface_file()).unwrap();
    fs::write(site.interface_file(), format!("{text}{line}\n")).unwrap();
}

fn undelivered(site: &Site) -> Value {
    site.run(["status", "--json"]).json()[0]["undelivered"].take()
}

fn receipt(site: &Site) -> Value {
    site.run(["status", "--json"]).json()[0]["delivered"][0]["receipt"].take()
}

fn actions(site: &Site) -> Vec<Value> {
    site.run(["status", "--json"]).json()[0]["actions"].as_array().unwrap().clone()
}

/// Takes the commands that the program says can be typed, without the text.
fn told(said: &Output, decision: &str) -> Vec<String> {
    let wanted = format!("--{decision}");
    let line = said.out.lines().find(|line| line.contains(&wanted)).unwrap();
    let (_, command) = line.split_once("hl7drop --config").unwrap();
    let words = command.split_ascii_whitespace().skip(1);
    words.map(|word| word.replace("\"TEXT\"", "the vendor said so")).collect()
}

#[test]
fn another_endpoint_is_not_asked_what_became_of_the_file_at_the_first() {
    for over_sftp in [false, true] {
        let site = if over_sftp { Site::over_sftp(server()) } else { Site::new() };
        let site = broken_off(site, "ledger.verified.after");
        assert!(temp(&site).exists());
        let settings = fs::read_to_string(site.interface_file()).unwrap();
        let line = settings.lines().find(|line| line.starts_with("folder = ")).unwrap();
        let other = if over_sftp { server().new_folder() } else { "../other".to_string() };
        let elsewhere = site.root().join("interfaces").join(&other);
        let _ = fs::create_dir(&elsewhere);
        let changed = settings.replace(line, &format!("folder = {other:?}"));
        fs::write(site.interface_file(), changed).unwrap();

        let said = site.run(["run"]);
        assert_eq!(said.code, Some(4), "{said:?}");
        let what = "delivery uncertain: the file was on its way to";
        assert!(said.out.contains(what) && said.out.contains("the endpoint is now"), "{said:?}");
        assert_eq!(undelivered(&site)[0]["stage"], "uncertain");
        assert_eq!(files(&elsewhere), [""; 0]);

        // The settings were wrong and are right again: a look decides.
        fs::write(site.interface_file(), settings).unwrap();
        assert_eq!(site.run(["run"]).code, Some(4), "a person comes first");
        let said = site.run(told(&said, "retry"));
        assert_eq!(said.code, Some(0), "{said:?}");
        assert_eq!(site.run(["run"]).code, Some(0));
        assert_eq!(files(&site.partner), [BATCH]);
        assert_eq!(receipt(&site)["evidence"], "renamed");
    }
}

#[test]
fn a_share_that_is_not_mounted_has_taken_nothing() {
    let site = broken_off(Site::new(), "ledger.verified.after");
    // Its mount point is a folder of the same name, and empty.
    let share = site.root().join("share");
    fs::rename(&site.partner, &share).unwrap();
    fs::create_dir(&site.partner).unwrap();
    let said = site.run(["run"]);
    assert_eq!(said.code, Some(4), "{said:?}");
    assert!(said.out.contains("delivery uncertain: the file was on its way to"), "{said:?}");
    fs::remove_dir(&site.partner).unwrap();
    fs::rename(&share, &site.partner).unwrap();
    assert_eq!(site.run(told(&said, "retry")).code, Some(0));
    assert_eq!((site.run(["run"]).code, files(&site.partner)), (Some(0), vec![BATCH.to_string()]));
}

#[test]
fn a_temporary_file_is_read_back_again_before_it_is_published() {
    let site = Site::new();
    add_setting(&site, "verify = \"hash\"");
    let site = broken_off(site, "ledger.verified.after");
    let mut bytes = fs::read(temp(&site)).unwrap();
    bytes[40] ^= 1;
    fs::write(temp(&site), bytes).unwrap();
    let said = site.run(["run"]);
    assert_eq!(said.code, Some(4), "{said:?}");
    assert!(said.out.contains("changed after it was verified, so it was not published"));
    assert_eq!(undelivered(&site)[0]["stage"], "sending");
    let said = site.run(["run", "--retry"]);
    assert_eq!((said.code, files(&site.partner)), (Some(0), vec![BATCH.to_string()]), "{said:?}");
}

/// The vendor took the file, and so long ago that nothing can be inferred from it.
fn uncertain() -> (Site, Output) {
    let site = Site::new();
    add_setting(&site, "on_inferred = \"hold\"");
    let site = broken_off(site, "ledger.delivered.before");
    fs::remove_file(site.partner.join(BATCH)).unwrap();
    site.put("patients-later.csv", LATER);
    let said = site.run(["run"]);
    assert_eq!(said.code, Some(4), "{said:?}");
    assert_eq!(undelivered(&site)[0]["stage"], "uncertain");
    assert_eq!(files(&site.partner), [""; 0], "nothing overtakes it");
    (site, said)
}

#[test]
fn what_the_vendor_has_is_marked_with_the_very_command_that_was_told() {
    let (site, said) = uncertain();
    assert_eq!(site.run(["run", "--retry"]).code, Some(4), "it does not mend what is unknown");
    let words = told(&said, "delivered");
    let said = site.run(&words[..words.len() - 2]);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.err.contains("say why with --why"), "{said:?}");
    let mut command = site.command(&words);
    let said = ended(command.env("USER", "anna").env_remove("SUDO_USER"));
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(site.spool().newest_sent().unwrap().contains(&BATCH.to_string()));
    let done = receipt(&site);
    assert_eq!((&done["evidence"], &done["host_key"]), (&"told".into(), &"".into()));
    let action = actions(&site).remove(0);
    assert_eq!(action["verb"], "delivered");
    assert_eq!(action["about"], format!("{BATCH} to test"));
    assert_eq!(action["why"], "the vendor said so");
    assert!(action["by"].as_str().unwrap().starts_with("anna (uid "), "{action}");
    // What waited behind it goes; and there is nothing more to decide.
    assert_eq!(site.run(["run"]).code, Some(0));
    assert_eq!(files(&site.partner), ["99999-000002.hl7"]);
    let said = site.run(&words);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.err.contains("nothing there waits for a decision"), "{said:?}");
    assert_eq!(site.run(["check"]).code, Some(0));
}

#[test]
fn a_decision_is_made_whole_or_not_at_all() {
    for nth in 1.. {
        let (site, said) = uncertain();
        let words = told(&said, "delivered");
        let mut command = site.command(&words);
        let decided = ended(command.env("HL7DROP_FAULT", format!("abort:{nth}")));
        let committed = actions(&site).iter().any(|action| action["verb"] == "delivered");
        assert_eq!(undelivered(&site)[0]["batch"] == BATCH, !committed, "place {nth}");
        if !committed {
            assert_eq!(site.run(&words).code, Some(0), "place {nth}");
        }
        // Whatever is left of it, the next run does.
        assert_eq!(site.run(["run"]).code, Some(0), "place {nth}");
        assert_eq!(site.run(["check"]).code, Some(0), "place {nth}");
        assert_eq!(files(&site.spool().outbox), [".staged"], "place {nth}");
        assert_eq!(actions(&site).len(), 1, "place {nth}");
        if decided.code == Some(0) {
            return assert!(nth > 3, "{nth} places are no sweep");
        }
    }
}

#[test]
fn what_the_vendor_does_not_have_is_sent_again_with_the_same_bytes() {
    let (site, said) = uncertain();
    let promised = fs::read(site.spool().outbox.join(BATCH)).unwrap();
    assert_eq!(site.run(told(&said, "resend")).code, Some(0));
    assert_eq!(undelivered(&site)[0]["stage"], "sending");
    assert_eq!(site.run(["run"]).code, Some(0));
    assert_eq!(fs::read(site.partner.join(BATCH)).unwrap(), promised);
    assert_eq!(files(&site.partner).len(), 2);
}

#[test]
fn resend_by_the_settings_is_done_once_and_signed() {
    let site = Site::new();
    add_setting(&site, "on_inferred = \"hold\"\non_uncertain = \"resend\"");
    let site = broken_off(site, "ledger.delivered.before");
    fs::remove_file(site.partner.join(BATCH)).unwrap();
    assert_eq!(site.run(["run"]).code, Some(4));
    assert_eq!(undelivered(&site)[0]["stage"], "uncertain");
    // The vendor takes it again before we could note that it went out.
    aborted_at(&site, "ledger.delivered.before");
    fs::remove_file(site.partner.join(BATCH)).unwrap();
    for _ in 0..3 {
        let said = site.run(["run"]);
        assert_eq!((said.code, files(&site.partner).len()), (Some(4), 0), "{said:?}");
    }
    let resent: Vec<Value> =
        actions(&site).into_iter().filter(|action| action["verb"] == "resend").collect();
    assert_eq!(resent.len(), 1, "{resent:?}");
    assert_eq!(resent[0]["by"], "hl7drop");
}

#[test]
fn a_conflict_names_its_own_way_out() {
    let site = Site::new();
    fs::write(site.partner.join(BATCH), "the vendor's own").unwrap();
    site.put("patients.csv", PATIENTS);
    let said = site.run(["run"]);
    assert_eq!(said.code, Some(4), "{said:?}");
    assert!(said.out.contains("it is not overwritten") && !said.out.contains("--resend"));
    let listed = site.run(["delivery"]);
    assert_eq!(listed.code, Some(4), "{listed:?}");
    assert!(listed.out.contains("conflict, try 1"), "{listed:?}");
    fs::remove_file(site.partner.join(BATCH)).unwrap();
    assert_eq!(site.run(told(&listed, "retry")).code, Some(0));
    assert_eq!(site.run(["run"]).code, Some(0));
    assert_eq!(site.run(["delivery"]).code, Some(0));
}

#[test]
fn a_batch_of_two_interfaces_needs_its_interface() {
    let site = Site::new();
    let text = fs::read_to_string(site.interface_file()).unwrap().replace(NAME, "annex");
    fs::write(site.root().join("interfaces/annex.toml"), text).unwrap();
    let annex = site.root().join("spool/annex/test/inbox");
    fs::create_dir_all(&annex).unwrap();
    fs::write(annex.join("patients.csv"), PATIENTS).unwrap();
    site.put("patients.csv", PATIENTS);
    fs::remove_dir(&site.partner).unwrap();
    assert_eq!(site.run(["run"]).code, Some(4));
    let said = site.run(["delivery", BATCH, "--retry"]);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.err.contains("say which with --interface"), "{said:?}");
    let said = site.run(["delivery", BATCH, "--retry", "--interface", "annex"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    for (args, wanted) in [
        (&["delivery", "nothing.hl7", "--retry"][..], "nothing there waits for a decision"),
        (&["delivery", BATCH, "--retry", "--resend"], "cannot be used with"),
        (&["delivery", "--retry"], "<BATCH>"),
    ] {
        let said = site.run(args);
        assert_eq!(said.code, Some(2), "{said:?}");
        assert!(said.err.contains(wanted), "{said:?}");
    }
}

#[test]
fn records_that_need_no_mending_are_closed_and_count_as_deleted() {
    let site = Site::new();
    let rows = "1,Doe,,,\n2,Roe,,,\n3,Poe,,,\n4,Ann,A,no date,F\n5,Ann,A,no date,F\n";
    site.put("patients.csv", format!("patientid,lastname,firstname,dob,sex\n{rows}"));
    assert_eq!(site.run(["run"]).code, Some(3));
    let listed = site.run(["queue", "--limit", "2"]);
    assert!(listed.out.contains("5 records wait; the newest 2 are shown"), "{listed:?}");
    let all = site.run(["queue", "--json"]).json();
    assert_eq!(site.run(["queue", "ls", NAME, "--json"]).json(), all);
    let id = all[0]["id"].to_string();
    for (args, wanted) in [
        (&["queue", "--close", "999", "--why", "x"][..], "nothing there waits for a decision"),
        (&["queue", "--close", &id], "say why with --why"),
        (&["queue", "--why", "x"], "required arguments"),
        (&["queue", "ls", "--close", &id], "say why with --why"),
        (&["queue", "--close-all", "Z999", "--why", "x"], "there is no code"),
    ] {
        let said = site.run(args);
        assert_eq!(said.code, Some(2), "{said:?}");
        assert!(said.err.contains(wanted), "{said:?}");
    }
    let said = site.run(["queue", NAME, "--close", &id, "--why", "the practice knows"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.contains("1 record closed, now DELETED; 4 records wait"), "{said:?}");
    let code = all[1]["code"].as_str().unwrap();
    assert_eq!(site.run(["queue", "--close-all", code, "--why", "x"]).code, Some(0));
    assert_eq!(site.run(["run"]).code, Some(3), "some are left");
    let said = site.run(["queue", "--close-file", "patients.csv", "--why", "x"]);
    assert!(said.out.contains("; 0 records wait"), "{said:?}");
    for verb in ["run", "status", "queue", "check"] {
        let said = site.run([verb]);
        assert_eq!(said.code, Some(0), "{verb}: {said:?}");
    }
    let states = site.run(["status", "--json"]).json()[0]["states"].take();
    assert_eq!(states, serde_json::json!({ "DELETED": 5 }));
    let actions = actions(&site);
    assert_eq!(actions.len(), 3);
    // As it was asked for: ten thousand numbers would say less.
    let mut about: Vec<&str> = actions.iter().map(|row| row["about"].as_str().unwrap()).collect();
    about.sort();
    let wanted =
        [&format!("records {id}"), "records of patients.csv", &format!("records with {code}")];
    assert_eq!(about, wanted);
}

#[test]
fn an_older_ledger_is_noticed_though_nothing_waits() {
    let site = Site::new();
    site.put("patients.csv", PATIENTS);
    assert_eq!(site.run(["run"]).code, Some(0));
    let (ledger, old) = (site.spool().ledger(), site.root().join("old.db"));
    fs::copy(&ledger, &old).unwrap();
    site.put("patients-later.csv", LATER);
    assert_eq!(site.run(["run"]).code, Some(0));
    let newest = site.root().join("newest.db");
    fs::rename(&ledger, &newest).unwrap();
    fs::copy(&old, &ledger).unwrap();
    site.put("patients-third.csv", LATER.replace("Roe", "Poe"));
    let said = site.run(["run"]);
    assert_eq!(said.code, Some(5), "{said:?}");
    assert!(said.err.contains("sent/ holds 99999-000002.hl7"), "{said:?}");
    assert!(
        said.err.contains("Put the newest ledger.db back, or an older one with `hl7drop restore`"),
        "{said:?}"
    );
    assert_eq!(files(&site.partner).len(), 2, "no number is given twice");
    fs::rename(&newest, &ledger).unwrap();
    assert_eq!(site.run(["run"]).code, Some(0));
    assert_eq!(files(&site.partner).len(), 3);
}

#[test]
fn a_ledger_from_before_a_delivery_is_an_older_one() {
    let site = Site::new();
    site.put("patients.csv", PATIENTS);
    let partner = site.root().join("away");
    fs::rename(&site.partner, &partner).unwrap();
    assert_eq!(site.run(["run"]).code, Some(4));
    let (ledger, old) = (site.spool().ledger(), site.root().join("old.db"));
    fs::copy(&ledger, &old).unwrap();
    fs::rename(&partner, &site.partner).unwrap();
    assert_eq!(site.run(["run", "--retry"]).code, Some(0));
    fs::copy(&old, &ledger).unwrap();
    let said = site.run(["run", "--retry"]);
    assert_eq!(said.code, Some(5), "{said:?}");
    assert!(said.err.contains("it is an older one"), "{said:?}");
}

#[test]
fn each_endpoint_has_its_own_state_and_a_batch_is_distributed_until_all_have_it() {
    let site = Site::new();
    let copies = site.root().join("copies");
    let row = "[[endpoint]]\nname = \"copies\"\nenvironment = \"test\"\nmethod = \"folder\"\n\
               folder = \"../copies\"";
    add_setting(&site, row);
    site.put("patients.csv", PATIENTS);
    let said = site.run(["run"]);
    assert_eq!(said.code, Some(4), "{said:?}");
    assert!(said.out.contains("NOT delivered to copies: there is no folder"), "{said:?}");
    assert_eq!(files(&site.partner), [BATCH], "one does not wait for the other");
    assert!(site.spool().outbox.join(BATCH).exists());
    site.put("patients-later.csv", LATER);
    assert_eq!(site.run(["run"]).code, Some(4));
    assert_eq!(files(&site.partner).len(), 2);
    let status = site.run(["status", "--json"]).json()[0].take();
    assert_eq!(status["states"], serde_json::json!({ "DISTRIBUTED": 2 }));
    let waiting = status["undelivered"].as_array().unwrap();
    assert!(waiting.iter().all(|row| row["endpoint"] == "copies") && waiting.len() == 2);
    assert_eq!(site.run(["check", "--offline"]).code, Some(0));

    // The commands name the endpoint; the other one is not touched.
    let listed = site.run(["delivery"]);
    assert!(listed.out.contains("not delivered: 99999-000001.hl7 to copies"), "{listed:?}");
    fs::create_dir(&copies).unwrap();
    assert_eq!(site.run(["delivery", BATCH, "--endpoint", "test", "--retry"]).code, Some(2));
    assert_eq!(site.run(["delivery", BATCH, "--retry"]).code, Some(0));
    let said = site.run(["run"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(files(&copies), files(&site.partner));
    assert_eq!(files(&site.spool().outbox), [".staged"]);
    let states = site.run(["status", "--json"]).json()[0]["states"].take();
    assert_eq!(states, serde_json::json!({ "PROCESSED": 2 }));
}

#[test]
fn an_endpoint_that_left_the_settings_is_decided_about() {
    let site = Site::new();
    let settings = fs::read_to_string(site.interface_file()).unwrap();
    let row = "[[endpoint]]\nname = \"copies\"\nenvironment = \"test\"\nmethod = \"folder\"\n\
               folder = \"../copies\"";
    add_setting(&site, row);
    site.put("patients.csv", PATIENTS);
    assert_eq!(site.run(["run"]).code, Some(4));
    fs::write(site.interface_file(), settings).unwrap();
    let said = site.run(["run"]);
    assert_eq!(said.code, Some(4), "{said:?}");
    assert!(said.out.contains("the settings have no endpoint `copies` any more"), "{said:?}");
    let why = ["--delivered", "--why", "nobody takes copies any more"];
    assert_eq!(site.run(["delivery", BATCH].into_iter().chain(why)).code, Some(0));
    assert_eq!(site.run(["run"]).code, Some(0));
    assert_eq!(files(&site.spool().outbox), [".staged"]);
}

#[test]
fn a_lost_server_is_not_knocked_at_again_before_its_time() {
    let own = crate::sftpd::Server::start("");
    let site = Site::over_sftp(&own);
    assert!(
        Command::new("scripts/sftpd.sh").arg("stop").arg(&own.root).status().unwrap().success()
    );
    site.put("patients.csv", PATIENTS);
    let failure = |said: Output| said.json()[0]["deliveries"][0]["failure"].take();
    let mut last = failure(site.run(["run", "--json"]));
    for _ in 0..4 {
        let asked = failure(site.run(["run", "--json", "--retry"]));
        assert!(asked["what"].as_str().unwrap().starts_with("cannot reach"), "{asked}");
        last = asked;
    }
    // Each time that it is asked for it begins anew; by itself the wait grows.
    let first = last["again_at"].as_i64().unwrap() - last["at"].as_i64().unwrap();
    assert_eq!(first, 1);
    let mut waits = vec![first];
    while waits.len() < 4 {
        let next = failure(site.run(["run", "--json"]));
        if next["at"] == last["at"] {
            std::thread::sleep(std::time::Duration::from_millis(100));
            continue;
        }
        waits.push(next["again_at"].as_i64().unwrap() - next["at"].as_i64().unwrap());
        last = next;
    }
    assert!(waits.is_sorted() && waits[3] >= 8, "{waits:?}");
    let said = site.run(["run"]);
    assert_eq!(said.code, Some(4));
    assert!(said.out.contains("a run tries again from "), "{said:?}");
}

#[test]
fn what_was_promised_and_is_gone_and_what_nobody_promised_end_the_pass() {
    let site = broken_off(Site::new(), "ledger.sending.before");
    let (outbox, kept) = (site.spool().outbox.join(BATCH), site.root().join("kept"));
    fs::rename(&outbox, &kept).unwrap();
    site.put("patients-later.csv", LATER);
    let said = site.run(["run"]);
    assert_ne!(said.code, Some(0));
    let gone = format!("batch file {BATCH} is promised in the ledger and not in outbox/");
    assert!(said.err.contains(&gone) || said.out.contains(&gone), "{said:?}");
    fs::rename(&kept, &outbox).unwrap();
    let strange = site.spool().outbox.join("99999-000077.hl7");
    fs::copy(&outbox, &strange).unwrap();
    let said = site.run(["run"]);
    assert_ne!(said.code, Some(0));
    let not_ours = "outbox/ holds 99999-000077.hl7, which the ledger does not know; it is not sent";
    assert!(said.err.contains(not_ours) || said.out.contains(not_ours), "{said:?}");
    assert_eq!(files(&site.partner), [""; 0], "neither sends anything");
    fs::remove_file(strange).unwrap();
    assert_eq!(site.run(["run"]).code, Some(0));
    assert_eq!(files(&site.partner), [BATCH, "99999-000002.hl7"]);
}

#[test]
fn a_fault_that_is_misspelt_is_none() {
    let site = Site::new();
    site.put("patients.csv", PATIENTS);
    for fault in ["explode:1", "abort", "abort:", "abort:one"] {
        let said = ended(site.command(["run"]).env("HL7DROP_FAULT", fault));
        assert_eq!((said.code, said.err.contains("fault at")), (Some(0), false), "{said:?}");
    }
    assert_eq!(files(&site.partner), [BATCH]);
}
