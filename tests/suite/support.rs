//! The support bundle has what helps, and nothing about patients.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;
use zip::ZipArchive;

use crate::site::{NAME, Site, ok};

/// What stands for a patient: a name, an ID, an external ID, and what a file is called.
const MARKED: [&str; 4] = ["ZEPHYRINE", "77700017", "QX4471Z", "quackenbush"];

/// A site that has patients wherever one can get to.
fn full_of_patients() -> Site {
    let site = Site::new();
    let text = fs::read_to_string(site.interface_file()).unwrap();
    let more = "# asked for by ZEPHYRINE's mother, patient 77700017\n\
        [[external_ids.patient]]\nname = \"Ridge MRN\"\ncustom_field_id = \"21\"\n\
        category = \"MRN\"\nfield = \"PID-3\"\nauthority = \"RIDGE\"\n\
        [[contact]]\nname = \"chat\"\nmethod = \"webhook\"\n\
        url = \"https://chat.example.org/hook/SECRETTOKEN\"\n";
    fs::write(site.interface_file(), text + more).unwrap();
    let header = "patientid,lastname,firstname,dob,sex,race,customfield_21\n";
    let good = "77700017,ZEPHYRINE,Ann,02/14/1987,F,2106-3,QX4471Z\n";
    site.put("patients-quackenbush.csv", format!("{header}{good}"));
    ok(site.run(["run"]), 0);
    let bad: String =
        (0..3).map(|at| format!("7770001{at},ZEPHYRINE,Ann,13/13/1987,F,x,QX4471Z\n")).collect();
    site.put("patients-quackenbush-2.csv", format!("{header}{good}{bad}"));
    ok(site.run(["run"]), 3);
    ok(site.run(["queue", NAME, "--close", "1", "--why", "ZEPHYRINE moved away"]), 0);
    site.put("patients-quackenbush-3.csv.gz", "no gzip");
    site.put("quackenbush.xls", "ZEPHYRINE");
    site.run(["run"]);
    // A drop that is held: too many bad rows of it.
    let many: String =
        (0..40).map(|at| format!("777100{at},ZEPHYRINE,A,13/13/1987,F,,\n")).collect();
    site.put("patients-quackenbush-4.csv", format!("{header}{many}"));
    ok(site.run(["run"]), 3);
    fs::write(site.spool().odd.join("quackenbush.ack"), "ZEPHYRINE").unwrap();
    fs::write(site.spool().root.join("views.log"), "ZEPHYRINE 77700017\n").unwrap();
    ok(site.run(["queue", "search", "--patient", "77700017"]), 0);
    site
}

fn unpacked(site: &Site, name: &str) -> BTreeMap<String, String> {
    let mut zip = ZipArchive::new(File::open(site.root().join(name)).unwrap()).unwrap();
    let mut parts = BTreeMap::new();
    for at in 0..zip.len() {
        let mut part = zip.by_index(at).unwrap();
        let mut text = String::new();
        part.read_to_string(&mut text).unwrap();
        parts.insert(part.name().unwrap().to_string(), text);
    }
    parts
}

#[test]
fn nothing_about_patients_gets_into_a_support_bundle() {
    let site = full_of_patients();
    let out = site.root().join("support.zip");
    let said = ok(site.run(["support", out.to_str().unwrap()]), 0);
    assert!(said.out.contains("no patient data is in it"), "{said:?}");
    assert_eq!(out.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let parts = unpacked(&site, "support.zip");
    let names: Vec<&str> = parts.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "README.txt",
            "clinic/check.json",
            "clinic/files.json",
            "clinic/settings.json",
            "clinic/status.json",
            "machine.json"
        ]
    );
    for (name, text) in &parts {
        let lower = text.to_lowercase();
        for marked in MARKED.iter().chain(&["SECRETTOKEN", "moved away"]) {
            assert!(!lower.contains(&marked.to_lowercase()), "{marked} in {name}: {text}");
        }
    }
    // And what it is for is there.
    let of = |name: &str| -> Value { serde_json::from_str(&parts[name]).unwrap() };
    let status = of("clinic/status.json");
    assert_eq!(status["ledger"]["schema"], 4);
    assert_eq!(status["ledger"]["states"]["ERROR"], 2);
    let waiting = &status["ledger"]["waiting"][0];
    assert_eq!((&waiting["code"], &waiting["column"]), (&"T001".into(), &"dob".into()));
    assert_eq!(status["ledger"]["delivered"][0]["batch"], "99999-000001.hl7");
    assert_eq!(status["held"]["files"], 1);
    let causes: Vec<&str> = status["incidents"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["cause"].as_str().unwrap())
        .collect();
    assert!(causes.contains(&"files_refused") && causes.contains(&"held"), "{causes:?}");
    let files = parts["clinic/files.json"].as_str();
    assert!(files.contains("\"ledger.db\"") && files.contains("\"99999-000001.hl7\""), "{files}");
    let settings = parts["clinic/settings.json"].as_str();
    assert!(settings.contains("settle_seconds") && settings.contains("(left out)"), "{settings}");
    assert!(of("machine.json")["kernel"].is_string());
}

#[test]
fn a_bundle_of_a_site_with_mistakes_says_which() {
    let site = Site::new();
    ok(site.run(["run"]), 0);
    fs::write(site.spool().ledger(), "garbage").unwrap();
    let broken = site.root().join("interfaces/broken.toml");
    fs::write(&broken, "[project]\ninterface = \"broken\"\nbogus = 1\n").unwrap();
    let out = site.root().join("a.zip");
    ok(site.run(["support", out.to_str().unwrap()]), 0);
    let parts = unpacked(&site, "a.zip");
    assert!(parts["clinic/status.json"].contains("the ledger is damaged"), "{parts:?}");
    assert!(parts["broken/status.json"].contains("bogus"), "{parts:?}");
    let again = ok(site.run(["support", out.to_str().unwrap()]), 5);
    assert!(again.err.contains("File exists"), "nothing is overwritten: {again:?}");
    let said = ok(site.run(["support", "x.tar"]), 2);
    assert!(said.err.contains("ends in .zip"), "{said:?}");
    let one = site.root().join("b.zip");
    ok(site.run(["support", "--interface", NAME, one.to_str().unwrap()]), 0);
    assert!(!unpacked(&site, "b.zip").contains_key("broken/status.json"));
}
