//! The manifest of a day: what it says, and its own way to the vendor, once.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use hl7drop::clock::Clock;
use hl7drop::digest::Digest;
use hl7drop::engine::check;
use hl7drop::hl7::read::BatchFile;

use crate::site::{NAME, Site, ended};

const HEADER: &str = "interface,environment,day,endpoint,file,messages,first_control_id,\
    last_control_id,bytes,sha256,made_at,delivered_at\n";

fn patients(ids: std::ops::Range<u32>) -> String {
    let mut text = "event,patientid,lastname,firstname,dob,sex\n".to_string();
    for id in ids {
        text.push_str(&format!("add,{id},Secret{id},Ann,02/14/1987,F\n"));
    }
    text
}

/// A site whose manifests are delivered, or not.
fn site(deliver: &str) -> Site {
    let site = Site::new();
    let text = fs::read_to_string(site.interface_file()).unwrap();
    let text = text.replace("[pickup]", &format!("[manifest]\ndeliver = {deliver:?}\n[pickup]"));
    fs::write(site.interface_file(), text).unwrap();
    site
}

fn dropped(site: &Site, name: &str, ids: std::ops::Range<u32>) {
    site.put(name, patients(ids));
    let run = site.run(["run"]);
    assert_eq!(run.code, Some(0), "{run:?}");
}

/// Runs a pass as if it were this time at the practice.
fn run_at(site: &Site, time: &str) {
    let mut engine = site.engine();
    engine.clock = Clock::Fixed(time.parse().unwrap());
    let summary = engine.run(None).unwrap();
    assert!(summary.deliveries.iter().all(|one| one.outcome.is_ok()), "{summary:?}");
}

/// Returns the manifests that the vendor has, by name.
fn manifests(site: &Site) -> Vec<PathBuf> {
    let files = fs::read_dir(&site.partner).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        files.filter(|path| path.to_str().unwrap().contains("manifest")).collect();
    files.sort();
    files
}

fn names(site: &Site) -> Vec<String> {
    let name = |path: PathBuf| path.file_name().unwrap().to_str().unwrap().to_string();
    manifests(site).into_iter().map(name).collect()
}

#[test]
fn a_manifest_says_what_the_vendor_has_and_nothing_of_a_patient() {
    let site = Site::new();
    dropped(&site, "patients-1.csv", 0..3);
    dropped(&site, "patients-2.csv", 3..8);
    let said = site.run(["manifest", NAME, "--json"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let manifest = &said.json()[0];
    assert_eq!((&manifest["file_count"], &manifest["message_count"]), (&2.into(), &8.into()));
    for (line, messages, ids) in [
        (&manifest["files"][0], 3, ("1M99999", "3M99999")),
        (&manifest["files"][1], 5, ("4M99999", "8M99999")),
    ] {
        let bytes = fs::read(site.partner.join(line["file"].as_str().unwrap())).unwrap();
        let file = BatchFile::read(&bytes).unwrap();
        assert_eq!(line["messages"], messages);
        assert_eq!(line["messages"], file.messages().count());
        let of = |at: Option<&hl7drop::hl7::read::Message<'_>>| {
            String::from_utf8(at.unwrap().control_id().to_vec()).unwrap()
        };
        let found = (of(file.messages().next()), of(file.messages().last()));
        assert_eq!((found.0.as_str(), found.1.as_str()), ids);
        assert_eq!(
            (&line["first_control_id"], &line["last_control_id"]),
            (&ids.0.into(), &ids.1.into())
        );
        assert_eq!(
            (&line["bytes"], &line["sha256"]),
            (&bytes.len().into(), &Digest::of(&bytes).to_string().into())
        );
        assert_eq!(line["delivered_at"].as_str().unwrap().len(), "2026-05-20T11:00:00-04:00".len());
    }
    let csv = site.run(["manifest"]);
    assert_eq!(csv.code, Some(0), "{csv:?}");
    assert!(csv.out.starts_with(HEADER), "{csv:?}");
    assert_eq!(csv.out.lines().count(), 3);
    assert!(csv.out.contains(",99999-000002.hl7,5,4M99999,8M99999,"), "{csv:?}");
    assert!(!csv.out.contains("Secret") && !said.out.contains("Secret"));
    let before = site.run(["manifest", "--day", "2026-05-20"]);
    assert_eq!((before.code, before.out.as_str()), (Some(0), HEADER));
    let future = site.run(["manifest", "--day", "2999-01-01"]);
    assert_eq!(future.code, Some(2), "{future:?}");
    assert!(names(&site).is_empty(), "nothing is delivered unless that was agreed");
}

#[test]
fn each_day_that_is_over_has_one_manifest_at_the_vendor_s_and_batches_keep_their_numbers() {
    let site = site("csv");
    site.put("patients-1.csv", patients(0..3));
    run_at(&site, "2026-05-20T12:00:00");
    // The first one is yesterday's, whatever there was.
    assert_eq!(names(&site), ["99999-clinic-manifest-2026-05-19.csv"]);
    assert_eq!(fs::read_to_string(&manifests(&site)[0]).unwrap(), HEADER);
    for time in ["2026-05-20T23:00:00", "2026-05-21T00:00:00", "2026-05-21T08:00:00"] {
        run_at(&site, time);
    }
    assert_eq!(names(&site)[1..], ["99999-clinic-manifest-2026-05-20.csv"]);
    let told = fs::read_to_string(&manifests(&site)[1]).unwrap();
    assert!(told.starts_with(HEADER) && !told.contains("Secret"), "{told}");
    let row = told.lines().nth(1).unwrap();
    assert!(row.starts_with("clinic,test,2026-05-20,test,99999-000001.hl7,3,1M99999,3M99999,"));
    assert!(row.ends_with(",2026-05-20T08:00:00-04:00,2026-05-20T08:00:00-04:00"), "{row}");
    // Nothing ran for days, and only one of them had a file.
    site.put("patients-2.csv", patients(3..5));
    run_at(&site, "2026-05-22T10:00:00");
    run_at(&site, "2026-05-30T10:00:00");
    let names = names(&site);
    assert_eq!(
        names[2..],
        ["2026-05-21", "2026-05-22", "2026-05-29"]
            .map(|day| format!("99999-clinic-manifest-{day}.csv"))
    );
    assert!(site.partner.join("99999-000002.hl7").exists(), "no number of a batch was spent");
    for checked in check::state(&site.engine()).unwrap() {
        assert_eq!(checked.wrong, None, "{}", checked.what);
    }
    // A clock that goes back makes none twice.
    run_at(&site, "2026-05-21T10:00:00");
    assert_eq!(self::names(&site), names);
}

#[test]
fn a_manifest_survives_a_crash_at_any_place_and_is_there_once() {
    // Folders and ledger are there: how they are made is swept elsewhere.
    let made = site("none");
    assert_eq!(made.run(["run"]).code, Some(0));
    // Errors are those of batches: the sweep of `crash.rs` has them all.
    for (fault, step) in [("abort", 1), ("error", 7)] {
        let mut nth = 1;
        loop {
            let site = site("json");
            let mut copy = Command::new("cp");
            let copied = ended(copy.arg("-a").arg(made.root().join("spool")).arg(site.root()));
            assert_eq!(copied.code, Some(0), "{copied:?}");
            let fault = format!("{fault}:{nth}");
            let struck = ended(site.command(["run"]).env("HL7DROP_FAULT", &fault));
            let place = struck.err.lines().find(|line| line.starts_with("fault at "));
            let seen = manifests(&site)
                .into_iter()
                .filter(|path| !path.file_name().unwrap().to_str().unwrap().starts_with('.'));
            for path in seen {
                serde_json::from_slice::<serde_json::Value>(&fs::read(path).unwrap()).unwrap();
            }
            if place.is_none() {
                assert_eq!((struck.code, names(&site).len()), (Some(0), 1), "{struck:?}");
                break;
            }
            let again = site.run(["run", "--retry"]);
            assert_eq!(again.code, Some(0), "{fault} {place:?}: {again:?}");
            assert_eq!(names(&site).len(), 1, "{fault} {place:?}");
            for checked in check::state(&site.engine()).unwrap() {
                assert_eq!(checked.wrong, None, "{place:?}: {}", checked.what);
            }
            nth += step;
        }
        assert!(nth > 15, "{fault}: {nth}");
    }
}

#[test]
fn a_manifest_waits_behind_the_batches_and_holds_none_of_them_up() {
    let site = site("csv");
    let away = site.root().join("away");
    fs::rename(&site.partner, &away).unwrap();
    site.put("patients.csv", patients(0..2));
    assert_eq!(site.run(["run"]).code, Some(4));
    let listed = site.run(["delivery"]);
    assert!(listed.out.contains("99999-clinic-manifest-"), "{listed:?}");
    assert!(listed.out.find("99999-000001.hl7") < listed.out.find("manifest"), "{listed:?}");
    fs::rename(&away, &site.partner).unwrap();
    let run = site.run(["run", "--retry"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let manifest = names(&site).pop().unwrap();
    assert!(site.partner.join("99999-000001.hl7").exists());
    let refused = site.run(["queue", "rebuild", &manifest, "--why", "x"]);
    assert_ne!(refused.code, Some(0), "{refused:?}");
    assert!(refused.err.contains("there is no batch"), "{refused:?}");
    let status = site.run(["status", "--json"]);
    assert_eq!(status.json()[0]["states"], serde_json::json!({ "PROCESSED": 2 }), "{status:?}");
    assert!(!status.out.contains("manifest"), "what was delivered last are batches: {status:?}");
}

#[test]
fn nobody_acknowledges_a_manifest() {
    let site = site("csv");
    let text = fs::read_to_string(site.interface_file()).unwrap();
    fs::write(site.interface_file(), text + "ack = \"batch\"\n").unwrap();
    let run = site.run(["run"]);
    assert_eq!((run.code, names(&site).len()), (Some(0), 1), "{run:?}");
    let acks = site.run(["acks", "--json"]);
    assert_eq!(acks.code, Some(0), "{acks:?}");
    assert!(!acks.out.contains("manifest"), "{acks:?}");
    let wrong = fs::read_to_string(site.interface_file()).unwrap();
    fs::write(site.interface_file(), wrong.replace("\"csv\"", "\"xml\"")).unwrap();
    let refused = site.run(["run"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(
        refused.err.contains("`xml` is no deliver; write \"none\" or \"csv\" or \"json\""),
        "{refused:?}"
    );
}
