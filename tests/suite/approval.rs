//! `scope show`, `scope diff` and `scope approve`: what is shown is what is sent, and
//! production sends nothing that nobody approved.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;

use hl7drop::config::settings::settings;
use hl7drop::digest::Digest;
use hl7drop::package;
use hl7drop::papers::agreed::{NOT_AGREED, why_not};
use hl7drop::spool::Spool;
use rusqlite::Connection;

use crate::site::{NAME, Output, Site, ended};

const PATIENTS: &str = "event,patientid,lastname,firstname,dob,sex\nadd,1,Doe,Ann,02/14/1987,F\n";

/// Makes the site's interface one of production.
fn produce(site: &Site) {
    let text = fs::read_to_string(site.interface_file()).unwrap();
    let text = text
        .replace("\"test\"", "\"production\"")
        .replace("connectivity.test", "connectivity.production");
    fs::write(site.interface_file(), text).unwrap();
}

/// Changes the interface file.
fn change(site: &Site, from: &str, to: &str) {
    let text = fs::read_to_string(site.interface_file()).unwrap();
    assert!(text.contains(from), "{from}\n{text}");
    fs::write(site.interface_file(), text.replace(from, to)).unwrap();
}

fn drop_in_production(site: &Site, name: &str) {
    let spool = Spool::at(&site.root().join("spool").join(NAME).join("production"));
    spool.make().unwrap();
    fs::write(spool.inbox.join(name), PATIENTS).unwrap();
}

fn approvals_file(site: &Site) -> PathBuf {
    site.root().join("spool").join(NAME).join("approvals.db")
}

fn delivered(site: &Site) -> usize {
    fs::read_dir(&site.partner).unwrap().count()
}

fn shown(site: &Site, format: &str) -> Output {
    site.run(["scope", "show", NAME, "--format", format])
}

#[test]
fn production_sends_nothing_until_the_scope_is_approved_as_it_is() {
    let site = Site::new();
    produce(&site);
    drop_in_production(&site, "patients.csv");
    let refused = site.run(["run"]);
    assert_eq!(refused.code, Some(11), "{refused:?}");
    assert!(
        refused.err.contains("the scope is not approved: nobody has approved it"),
        "{refused:?}"
    );
    assert_eq!(delivered(&site), 0);
    let inbox = site.root().join("spool").join(NAME).join("production/inbox/patients.csv");
    assert!(inbox.exists(), "it waits where it was dropped");
    let status = site.run(["status", "--json"]);
    assert_eq!((status.code, &status.json()[0]["approved"]), (Some(11), &false.into()));
    let check = site.run(["check", "--offline"]);
    assert_eq!(check.code, Some(11), "{check:?}");
    assert!(check.out.contains("WRONG  scope approval"), "{check:?}");

    let approved =
        site.run(["scope", "approve", NAME, "--name", "Ann Example", "--date", "2026-05-20"]);
    assert_eq!(approved.code, Some(0), "{approved:?}");
    let run = site.run(["run"]);
    assert_eq!((run.code, delivered(&site)), (Some(0), 1), "{run:?}");
    let status = site.run(["status"]);
    assert!(
        status.out.contains("scope        approved by Ann Example on 2026-05-20"),
        "{status:?}"
    );
}

#[test]
fn what_changed_since_the_approval_is_told_and_approving_again_lets_it_go() {
    let site = Site::new();
    produce(&site);
    site.approve();
    change(&site, "receiving_application = \"CARESYNC\"", "receiving_application = \"CARESYNC2\"");
    drop_in_production(&site, "patients.csv");
    let refused = site.run(["run"]);
    assert_eq!((refused.code, delivered(&site)), (Some(11), 0), "{refused:?}");
    let told = "[wire] receiving_application was \"CARESYNC\", and is \"CARESYNC2\"";
    assert!(refused.err.contains(told), "{refused:?}");
    assert!(refused.err.contains(&format!("hl7drop scope approve {NAME} --name")), "{refused:?}");
    let again = site.approve();
    assert!(again.out.contains(told), "{again:?}");
    assert_eq!((site.run(["run"]).code, delivered(&site)), (Some(0), 1));
    // The audit trail has both, each with its scope.
    let trail = site.run(["scope", "approvals", NAME, "--json"]).json();
    let scope = |at: usize| trail[at]["scope"].as_str().unwrap().to_string();
    assert_eq!(trail.as_array().unwrap().len(), 2);
    assert!(scope(0).contains("\"CARESYNC\"\n") && scope(1).contains("\"CARESYNC2\"\n"));
    assert_eq!(trail[1]["digest"], Digest::of(scope(1).as_bytes()).to_string());
    let listed = site.run(["scope", "approvals", NAME]);
    assert_eq!(listed.out.matches("  Tess Ter\n  digest ").count(), 2, "{listed:?}");
}

#[test]
fn what_the_vendor_does_not_see_needs_no_new_approval() {
    let site = Site::new();
    change(
        &site,
        "[pickup]",
        "[connectivity.production]\nmethod = \"folder\"\nfolder = \"../partner\"\n[pickup]",
    );
    change(
        &site,
        "[connectivity.test]\nmethod = \"folder\"\nfolder = \"../partner\"",
        "[connectivity.test]\nmethod = \"folder\"\nfolder = \"../trial\"",
    );
    site.approve();
    // Approved while it was switched to test; what follows is local.
    change(&site, "environment = \"test\"", "environment = \"production\" # since today");
    change(&site, "settle_seconds = 0", "settle_seconds = 0\nempty_wait_seconds = 7");
    change(&site, "../trial", "../trial2");
    drop_in_production(&site, "patients.csv");
    let run = site.run(["run"]);
    assert_eq!((run.code, delivered(&site)), (Some(0), 1), "{run:?}");
}

#[test]
fn test_is_free_and_an_approval_needs_a_production_to_approve() {
    let site = Site::new();
    site.put("patients.csv", PATIENTS);
    assert_eq!(site.run(["run"]).code, Some(0));
    let refused = site.run(["scope", "approve", NAME, "--name", "Ann"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.err.contains("connectivity.production"), "{refused:?}");
    produce(&site);
    for bad in [["--name", " "], ["--name", "a\nb"]] {
        let refused = site.run([["scope", "approve", NAME].as_slice(), &bad].concat());
        assert_eq!(refused.code, Some(2), "{refused:?}");
    }
    let future = site.run(["scope", "approve", NAME, "--name", "Ann", "--date", "2999-01-01"]);
    assert_eq!(future.code, Some(2), "{future:?}");
    assert!(future.err.contains("is not there yet"), "{future:?}");
    assert!(!approvals_file(&site).exists());
}

#[test]
fn an_approval_that_was_changed_or_taken_out_is_noticed_and_nothing_is_sent() {
    for (spoil, told) in [
        (
            "UPDATE approval SET scope = replace(scope, 'CARESYNC', 'CARESINK') WHERE number = 2",
            "the row of a number was changed from outside",
        ),
        ("DELETE FROM approval WHERE number = 2", "one was taken out or put in from outside"),
        (
            "DELETE FROM approval WHERE number = 2; DELETE FROM action WHERE id = 2",
            "the counter actions says 2 and there are 1",
        ),
    ] {
        let site = Site::new();
        produce(&site);
        site.approve();
        site.approve();
        drop_in_production(&site, "patients.csv");
        Connection::open(approvals_file(&site)).unwrap().execute_batch(spoil).unwrap();
        let refused = site.run(["run"]);
        assert_eq!((refused.code, delivered(&site)), (Some(11), 0), "{spoil}: {refused:?}");
        assert!(refused.err.contains(told), "{spoil}: {refused:?}");
        let again = site.run(["scope", "approve", NAME, "--name", "Ann"]);
        assert_eq!(again.code, Some(5), "{spoil}: {again:?}");
    }
}

#[test]
fn a_crash_leaves_an_approval_made_or_not_and_the_next_one_goes_behind_it() {
    for fault in ["abort", "error"] {
        let mut met = 0;
        loop {
            let site = Site::new();
            produce(&site);
            let mut command = site.command(["scope", "approve", NAME, "--name", "Ann Example"]);
            command.env("HL7DROP_FAULT", format!("{fault}:{}", met + 1));
            let struck = ended(&mut command);
            if !struck.err.contains("fault at ") {
                assert_eq!(struck.code, Some(0), "{struck:?}");
                break;
            }
            met += 1;
            let trail = site.run(["scope", "approvals", NAME, "--json"]);
            let made = trail.json().as_array().unwrap().len();
            assert!(made <= 1, "{fault}:{met}: {trail:?}");
            let place = struck.err.lines().find(|line| line.contains("fault at ")).unwrap();
            assert_eq!(made == 1, place.ends_with("approval.add.after"), "{struck:?}");
            drop_in_production(&site, "patients.csv");
            let stands = if made == 1 { (Some(0), 1) } else { (Some(11), 0) };
            let run = site.run(["run"]);
            assert_eq!((run.code, delivered(&site)), stands, "{fault}:{met}: {run:?}");
            site.approve();
            let trail = site.run(["scope", "approvals", NAME, "--json"]).json();
            assert_eq!(trail.as_array().unwrap().len(), made + 1, "{fault}:{met}");
            assert_eq!(site.run(["run"]).code, Some(0), "{fault}:{met}");
        }
        assert!(met > 2, "{fault}: the places of an approval were not met");
    }
}

#[test]
fn approvals_at_the_same_instant_are_all_kept() {
    let site = Site::new();
    produce(&site);
    let names: Vec<String> = (0..8).map(|at| format!("Approver {at}")).collect();
    let begin = |name| {
        let mut command = site.command(["scope", "approve", NAME, "--name", name]);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    let all: Vec<_> = names.iter().map(|name| begin(name)).collect();
    for mut one in all {
        assert!(one.wait().unwrap().success());
    }
    let trail = site.run(["scope", "approvals", NAME, "--json"]);
    let trail = trail.json();
    let mut kept: Vec<&str> =
        trail.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    kept.sort_unstable();
    assert_eq!(kept, names);
    assert_eq!(site.run(["run"]).code, Some(0));
}

#[test]
fn the_document_shows_every_setting_and_every_field_and_no_secret() {
    let site = Site::new();
    let text = fs::read_to_string(site.interface_file()).unwrap();
    let text = text.replace("method = \"folder\"\nfolder = \"../partner\"\n", "")
        + "method = \"sftp\"\nhost = \"sftp.example.org\"\nuser = \"u\"\nkey_file = \"keys/hush\"\n\
           password_env = \"HUSH_HUSH\"\nknown_hosts = \"k\"\nfolder = \"/inbound\"\n\
           [[external_ids.patient]]\nname = \"Ridge MRN\"\ncustom_field_id = \"21\"\n\
           category = \"MRN\"\nfield = \"PID-3\"\nwidth = 8\n\
           [[filter.patients]]\nby = \"department\"\nnames = [\"14\"]\n";
    fs::write(site.interface_file(), &text).unwrap();
    let output = shown(&site, "md");
    assert_eq!(output.code, Some(0), "{output:?}");
    let plain = output.out.replace('\\', "");
    for setting in settings(&text).unwrap() {
        let row = format!("| {} | {} |", setting.section.replace('&', "&amp;"), setting.key);
        assert!(plain.contains(&row), "{row}");
    }
    for told in [
        "| PID-3 | Patient Identifier List | patientid, customfield_21 |  | 1000417^^^ATHENA^PI~00004471^^^^MR |",
        "| PID-10 | Race | race | race (CDCREC) | 2106-3^White^CDCREC |",
        "| SCH-25 | Filler Status Code | setting status |  | BOOKED |",
        "| Ridge MRN | customfield_21 | MRN | PID-3, beside athenaNet's |",
        "sftp://sftp.example.org:22 | /inbound | user u, key and password |",
        "| appointment checked out | SIU^S14 | yes |",
        "| FHS-3 | File Sending Application | ATHENANET |",
        "| patients | department | 14 |",
        "Nobody has approved this scope yet.",
    ] {
        assert!(plain.contains(told), "{told}\n{plain}");
    }
    for format in ["md", "html"] {
        let out = shown(&site, format).out;
        assert!(!out.contains("hush") && !out.contains("HUSH"), "{format}");
        assert!(!out.contains("http://") && !out.contains("<script"), "{format}");
    }
    let file = site.root().join("scope.docx");
    let written =
        site.run(["scope", "show", NAME, "--format", "docx", "-o", file.to_str().unwrap()]);
    assert_eq!(written.code, Some(0), "{written:?}");
    // It has the package's tables, so what we wrote reads as a filled package.
    let read = package::read(&fs::read(&file).unwrap()).unwrap();
    assert_eq!(read.text("project", "context_id"), Some("99999"));
    assert!(read.keys.iter().any(|one| one.key == "appointment_checked_out"));
}

#[test]
fn every_setting_is_agreed_or_stands_among_those_that_are_not() {
    let template = include_str!("../../config/interface.toml");
    let on: String = template
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if rest.starts_with(|first: char| first != ' ') => format!("{rest}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    let all = settings(&on).unwrap();
    for (name, _) in NOT_AGREED {
        let key = name.strip_prefix("*.");
        if key.is_some_and(|key| key.ends_with("_env")) {
            continue; // Stands in a comment of the template, beside the file of the same.
        }
        let used = all.iter().any(|one| {
            why_not(one).is_some()
                && match key {
                    Some(key) => one.key == key,
                    None => one.path().starts_with(name),
                }
        });
        assert!(used, "{name} is no setting any more");
    }
    let agreed = all.iter().filter(|one| why_not(one).is_none()).count();
    assert!(agreed > 60, "{agreed}");
}

#[test]
fn a_difference_is_said_in_words() {
    let site = Site::new();
    let old = fs::read_to_string(site.interface_file()).unwrap();
    let new = old
        .replace("CARESYNC", "CARESYNC2")
        .replace("settle_seconds = 0", "settle_seconds = 9")
        + "[enable]\npatient_added = true\npatient_updated = true\nappointment_scheduled = true\n\
           appointment_updated = true\nappointment_cancelled = false\n\
           appointment_checked_in = true\nappointment_checked_out = true\n\
           [fields]\nemit_ssn = true\n\
           [[external_ids.patient]]\nname = \"MRN\"\ncustom_field_id = \"21\"\ncategory = \"M\"\n\
           field = \"PID-4\"\n";
    let file = site.root().join("new.toml");
    fs::write(&file, new).unwrap();
    let output = site.run(["scope", "diff", NAME, file.to_str().unwrap()]);
    assert_eq!(output.code, Some(0), "{output:?}");
    for told in [
        "[wire] receiving_application was \"CARESYNC\", and is \"CARESYNC2\"\n",
        "appointment_cancelled (S15) is no longer sent\n",
        "[fields] emit_ssn was false, and is true\n",
        "new: PID-19 in ADT messages, filled by {ssn:ssn}\n",
        "new: external_ids.patient[21]: ",
        "PID-4 in SIU messages was filled by {patientid}, and is by {customfield_21}",
    ] {
        assert!(output.out.contains(told), "{told}\n{}", output.out);
    }
    assert!(!output.out.contains("settle"), "{}", output.out);
    let same = site.run(["scope", "diff", NAME, NAME]);
    assert!(same.out.starts_with("the same scope"), "{same:?}");
    let back = site.run(["scope", "diff", "--json", file.to_str().unwrap(), NAME]);
    let told = back.json();
    let told: Vec<&str> = told.as_array().unwrap().iter().filter_map(|one| one.as_str()).collect();
    assert!(told.contains(&"appointment_cancelled (S15) is sent now"), "{told:?}");
    assert!(
        told.iter().any(|one| one.starts_with("no longer: external_ids.patient[21]")),
        "{told:?}"
    );
}

#[test]
#[ignore = "needs LibreOffice; scripts/libreoffice.sh runs it"]
fn libreoffice_opens_the_document() {
    let site = Site::new();
    let file = site.root().join("scope.docx");
    let file = file.to_str().unwrap();
    assert_eq!(site.run(["scope", "show", NAME, "--format", "docx", "-o", file]).code, Some(0));
    let mut command = std::process::Command::new("soffice");
    command.args(["--headless", "--convert-to", "txt:Text (encoded):UTF8", "--outdir"]);
    let output = crate::site::ended(command.arg(site.root()).env("HOME", site.root()).arg(file));
    assert_eq!(output.code, Some(0), "{output:?}");
    let text = fs::read_to_string(site.root().join("scope.txt")).unwrap();
    for told in ["Table 7: SCH-25", "Patient Identifier List", "1000417^^^ATHENA^PI"] {
        assert!(text.contains(told), "{told}");
    }
}
