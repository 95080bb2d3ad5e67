//! Archived extracts under other settings: what a change will do before it does it.

use std::fs;

use serde_json::Value;

use crate::site::{NAME, Output, Site};

const PATIENTS: &str =
    "patientid,lastname,firstname,dob,sex,race,primarydepartmentid,lastmodified\n";
const APPOINTMENTS: &str = "appointmentid,patientid,departmentid,providerid,date,starttime,\
     duration,appointmentstatus,appointmenttype,lastmodified\n";

/// A site that sent four patients and two appointments; a fifth patient waits.
fn site() -> (Site, [String; 2]) {
    let site = Site::new();
    let text = fs::read_to_string(site.interface_file()).unwrap();
    let more = "[provider_id]\nuse = \"athena\"\n[guard]\nrows_min = 99\n";
    fs::write(site.interface_file(), format!("{text}{more}")).unwrap();
    let patient = |id: u32, race: &str| {
        format!("{id},Doe,Ann,04/30/1987,F,{race},{},05/18/2026 08:00:00\n", 10 + id % 2)
    };
    let rows: String = (1..=4).map(|id| patient(id, "2106-3")).collect();
    site.put("patients.csv", format!("{PATIENTS}{rows}{}", patient(5, "Martian")));
    let appointment =
        |id: u32| format!("{id},{id},12,27,05/21/2126,10:00,15,f,Physical,05/18/2026 08:00:00\n");
    site.put("appointments.csv", format!("{APPOINTMENTS}{}{}", appointment(1), appointment(2)));
    assert_eq!(site.run(["run"]).code, Some(3));
    let day = fs::read_dir(&site.spool().archive).unwrap().next().unwrap().unwrap().path();
    let files = ["patients.csv", "appointments.csv"];
    let paths = files.map(|name| day.join(name).to_str().unwrap().to_string());
    (site, paths)
}

/// Replays the archive under the interface's settings with one thing otherwise.
fn replayed(site: &Site, paths: &[String], from: &str, to: &str, more: &[&str]) -> Output {
    let text = fs::read_to_string(site.interface_file()).unwrap();
    assert!(text.contains(from), "{text}");
    let new = site.root().join("interfaces/new.toml.draft");
    fs::write(&new, text.replace(from, to)).unwrap();
    let new = new.to_str().unwrap();
    let mut args = vec!["replay", "--interface", new];
    args.extend(more);
    args.extend(paths.iter().map(String::as_str));
    site.run(args)
}

#[test]
fn the_same_settings_make_the_same_messages() {
    let (site, paths) = site();
    let said = replayed(&site, &paths, "[guard]", "[guard]", &["--json"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let said = said.json();
    assert_eq!(
        (&said["messages"], &said["same"], &said["changed"]),
        (&6.into(), &6.into(), &0.into())
    );
    assert_eq!(
        (&said["fields"], &said["not_made"]),
        (&Value::Array(vec![]), &serde_json::json!({}))
    );
    let others = said["other_rows"].as_object().unwrap();
    assert_eq!(others.values().collect::<Vec<_>>(), [&Value::from(1)], "{others:?}");
    assert!(others.keys().all(|why| why.starts_with("R001 race: ")), "{others:?}");
}

#[test]
fn a_change_is_told_by_field_with_how_often() {
    let (site, paths) = site();
    let to = "[codes.race]\n\"Martian\" = \"2131-1\"\n[wire]\nhl7_version = \"2.4\"\n";
    let said = replayed(&site, &paths, "[wire]\n", to, &["--json"]).json();
    assert_eq!(
        (&said["messages"], &said["same"], &said["changed"]),
        (&6.into(), &0.into(), &6.into())
    );
    assert_eq!(said["other_rows"], serde_json::json!({ "would be sent now": 1 }));
    let fields = said["fields"].as_array().unwrap();
    let version = fields.iter().find(|field| field["field"] == "MSH-12").unwrap();
    assert_eq!((&version["changed"], &version["name"]), (&6.into(), &"Version ID".into()));
    assert!(fields.iter().all(|field| field.get("examples").is_none()), "{fields:?}");
    // MSH-9 gets its third component; nothing of a patient is otherwise.
    assert!(fields.iter().all(|field| !field["field"].as_str().unwrap().starts_with("PID")));
    assert!(site.engine().views(9).unwrap().is_empty());
}

#[test]
fn what_would_not_be_sent_any_more_is_told_with_its_reason() {
    let (site, paths) = site();
    let to = "[enable]\npatient_added = true\npatient_updated = true\n\
              appointment_scheduled = false\nappointment_updated = true\n\
              appointment_cancelled = true\nappointment_checked_in = true\n\
              appointment_checked_out = true\n[departments]\n\"10\" = \"North\"\n\
              [[filter.patients]]\nby = \"department\"\nnames = [\"10\"]\n[guard]\n";
    let said = replayed(&site, &paths, "[guard]\n", to, &["--json"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let said = said.json();
    // Those of the department have its new name now.
    assert_eq!((&said["messages"], &said["changed"]), (&6.into(), &2.into()));
    let expected = serde_json::json!({
        "records of departments that [[filter.*]] does not name": 2,
        "records whose event is switched off": 2,
    });
    assert_eq!(said["not_made"], expected);
}

#[test]
fn values_are_shown_on_request_and_the_look_is_kept() {
    let (site, paths) = site();
    let to = "[[mapping]]\nfield = \"PID-8\"\nvalue = []\n[guard]\n";
    let bare = replayed(&site, &paths, "[guard]\n", to, &[]);
    assert!(
        bare.out.contains("PID-8") && bare.out.contains("0 changed, 0 new, 6 gone"),
        "{bare:?}"
    );
    assert!(!bare.out.contains("->"), "{bare:?}");
    let shown = replayed(&site, &paths, "[guard]\n", to, &["--examples", "1"]);
    assert_eq!(shown.out.matches("\"F\" -> \"\"").count(), 1, "{shown:?}");
    let views = site.engine().views(9).unwrap();
    assert_eq!(views[0].what, "a replay of patients, appointments");
    assert_eq!(views.len(), 1);
    // Nothing was sent, kept or left behind.
    assert_eq!(site.run(["check", NAME]).code, Some(0));
    let left = fs::read_dir(&site.spool().processing).unwrap().map(|entry| entry.unwrap());
    assert!(left.into_iter().all(|entry| !entry.file_name().to_str().unwrap().starts_with('.')));
}

#[test]
fn a_file_that_was_never_taken_in_is_refused() {
    let (site, _) = site();
    let other = site.root().join("patients.csv");
    fs::write(&other, PATIENTS).unwrap();
    let paths = [other.to_str().unwrap().to_string()];
    let said = replayed(&site, &paths, "[guard]", "[guard]", &[]);
    assert!(said.code == Some(2) && said.err.contains("no such extract"), "{said:?}");
    let said = replayed(&site, &paths, "interface = \"clinic\"", "interface = \"elsewhere\"", &[]);
    assert!(said.code == Some(2) && said.err.contains("never took anything in"), "{said:?}");
}

#[test]
fn an_appointment_without_its_patient_s_name_waits_as_it_did() {
    let (site, _) = site();
    let header = APPOINTMENTS.trim_end().to_string()
        + ",patientlastname,patientfirstname,patientdob,patientsex\n";
    let row = |id: u32, names: &str| {
        format!("{id},{id},12,27,05/21/2126,10:00,15,f,Physical,05/18/2026 08:00:00,{names}\n")
    };
    let (named, nameless) = (row(71, "Doe,Ann,04/30/1987,F"), row(72, ",,04/30/1987,F"));
    site.put("appointments-own.csv", format!("{header}{named}{nameless}"));
    assert_eq!(site.run(["run"]).code, Some(3));
    let day = fs::read_dir(&site.spool().archive).unwrap().next().unwrap().unwrap().path();
    let paths = [day.join("appointments-own.csv").to_str().unwrap().to_string()];
    let said = replayed(&site, &paths, "[guard]", "[guard]", &["--json"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let said = said.json();
    assert_eq!((&said["messages"], &said["same"]), (&1.into(), &1.into()), "{said}");
    let others = said["other_rows"].as_object().unwrap();
    assert_eq!(others.values().collect::<Vec<_>>(), [&Value::from(1)], "{others:?}");
    assert!(others.keys().all(|why| why.starts_with("A001 patientid: ")), "{others:?}");
}
