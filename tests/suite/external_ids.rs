//! External IDs are unique and do not change: in one extract, over the files of a drop,
//! and over drops (`interface.md` 8.4 to 8.7).

use std::fs;

use crate::site::{Output, Site};

const PATIENTS: &str = "patientid,lastname,firstname,dob,sex,city,customfield_41\n";
const APPOINTMENTS: &str = "appointmentid,patientid,departmentid,providerid,date,starttime,\
     duration,appointmentstatus,appointmentreason,customfield_641\n";

const IDS: &str = "[[external_ids.patient]]\nname = \"Ridge MRN\"\ncustom_field_id = \"41\"\n\
     category = \"MRN\"\nfield = \"PID-4\"\n\
     [[external_ids.appointment]]\nname = \"Visit\"\ncustom_field_id = \"641\"\n\
     category = \"Visit\"\nfield = \"SCH-1\"\n";

fn patient(id: &str, city: &str, mrn: &str) -> String {
    format!("{id},Doe,Ann,02/14/1987,F,{city},{mrn}\n")
}

fn patients(rows: &[(&str, &str, &str)]) -> String {
    let rows: String = rows.iter().map(|(id, city, mrn)| patient(id, city, mrn)).collect();
    format!("{PATIENTS}{rows}")
}

fn appointments(rows: &[(&str, &str, &str, &str)]) -> String {
    let row = |(id, patient, reason, visit): &(&str, &str, &str, &str)| {
        format!("{id},{patient},12,27,05/21/2026,10:00,15,f,{reason},{visit}\n")
    };
    format!("{APPOINTMENTS}{}", rows.iter().map(row).collect::<String>())
}

/// A site with a table of IDs, and other lines before it.
fn site_with(settings: &str) -> Site {
    let site = Site::new();
    let file = site.interface_file();
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{text}[provider_id]\nuse = \"athena\"\n{settings}")).unwrap();
    site
}

fn site() -> Site {
    site_with(IDS)
}

/// What a drop told, and what was refused of it.
#[derive(Debug, PartialEq)]
struct Told {
    /// `A28 7 4471`: the patient's ID and PID-4; `S12 50 V1 4471`: SCH-2, SCH-1, PID-4.
    messages: Vec<String>,
    /// `X001 patients.csv 2 customfield_41`.
    faults: Vec<String>,
}

fn told(messages: &[&str], faults: &[&str]) -> Told {
    let texts = |all: &[&str]| all.iter().map(ToString::to_string).collect();
    Told { messages: texts(messages), faults: texts(faults) }
}

/// Drops files and runs; what earlier drops left in the queue is closed first.
fn drop_in(site: &Site, drop: &[(&str, &str)]) -> Told {
    for code in ["X001", "X002", "X003", "A001", "M001"] {
        site.run(["queue", "clinic", "--close-all", code, "--why", "seen"]);
    }
    let list = || -> Vec<_> {
        let mut files: Vec<_> =
            fs::read_dir(&site.partner).unwrap().map(|one| one.unwrap().path()).collect();
        files.sort();
        files
    };
    let before = list();
    for (name, text) in drop {
        site.put(name, text);
    }
    let said = site.run(["run"]);
    assert!(matches!(said.code, Some(0 | 3)), "{said:?}");
    let new: Vec<_> = list().into_iter().filter(|file| !before.contains(file)).collect();
    assert!(new.len() < 2, "one drop is one batch file");
    let text = new.first().map_or(String::new(), |file| fs::read_to_string(file).unwrap());
    Told { messages: messages(&text), faults: faults(&site.run(["queue", "--json"])) }
}

fn messages(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for line in text.split('\r') {
        let field = |at: usize| line.split('|').nth(at).unwrap_or_default();
        let first = |at: usize| field(at).split('^').next().unwrap_or_default();
        match (field(0), words.last_mut()) {
            ("MSH", _) => words.push(field(8).split('^').nth(1).unwrap().to_string()),
            ("PID", Some(word)) if word.starts_with('A') => {
                *word = format!("{word} {} {}", first(3), first(4));
            }
            ("PID", Some(word)) => *word = format!("{word} {}", first(4)),
            ("SCH", Some(word)) => *word = format!("{word} {} {}", first(2), first(1)),
            _ => {}
        }
    }
    words
}

fn faults(said: &Output) -> Vec<String> {
    let rows = said.json();
    let rows = rows.as_array().unwrap().iter().rev().map(|row| {
        let word = |key: &str| row[key].as_str().unwrap().to_string();
        format!("{} {} {} {}", word("code"), word("file"), row["record"], word("column"))
    });
    rows.collect()
}

#[test]
fn an_id_of_two_patients_in_one_extract_is_refused_for_both() {
    let site = site();
    let three = patients(&[("1", "", "4471"), ("2", "", "5500"), ("3", "", "4471")]);
    assert_eq!(
        drop_in(&site, &[("patients-1.csv", &three)]),
        told(
            &["A28 2 5500"],
            &["X001 patients-1.csv 1 customfield_41", "X001 patients-1.csv 3 customfield_41"]
        )
    );
    // Nobody has it, so whoever is right gets it.
    let mended = patients(&[("1", "", "4471"), ("3", "", "4472")]);
    let said = drop_in(&site, &[("patients-2.csv", &mended)]);
    assert_eq!(said, told(&["A28 1 4471", "A28 3 4472"], &[]));
    assert_eq!(site.run(["check", "--offline"]).code, Some(0));
}

#[test]
fn an_id_that_another_patient_was_sent_with_is_refused() {
    let site = site();
    let first = patients(&[("1", "", "4471"), ("2", "", "5500")]);
    drop_in(&site, &[("patients-1.csv", &first)]);
    let second = patients(&[("3", "", "4471"), ("4", "", "")]);
    assert_eq!(
        drop_in(&site, &[("patients-2.csv", &second)]),
        told(&["A28 4 4"], &["X001 patients-2.csv 1 customfield_41"])
    );
    // The same in two files of one drop, the second of which knows the first.
    let (one, two) = (patients(&[("5", "", "77")]), patients(&[("6", "", "77")]));
    assert_eq!(
        drop_in(&site, &[("patients-3.csv", &one), ("patients-4.csv", &two)]),
        told(&["A28 5 77"], &["X001 patients-4.csv 1 customfield_41"])
    );
    // The owner goes on with it.
    let again = patients(&[("1", "Boston", "4471")]);
    assert_eq!(drop_in(&site, &[("patients-5.csv", &again)]), told(&["A31 1 4471"], &[]));
}

#[test]
fn a_changed_id_waits_until_it_is_agreed_and_then_somebody_else_may_have_it() {
    let site = site();
    drop_in(&site, &[("patients-1.csv", &patients(&[("1", "", "100"), ("2", "", "200")]))]);
    for (at, changed) in ["101", ""].into_iter().enumerate() {
        let (name, text) =
            (format!("patients-2{at}.csv"), patients(&[("1", "", changed), ("2", "", "200")]));
        let fault = format!("X002 {name} 1 customfield_41");
        assert_eq!(drop_in(&site, &[(&name, &text)]), told(&[], &[&fault]), "{changed:?}");
    }
    // It is the old one's until then.
    let taken = patients(&[("3", "", "100")]);
    let held = told(&[], &["X001 patients-3.csv 1 customfield_41"]);
    assert_eq!(drop_in(&site, &[("patients-3.csv", &taken)]), held);
    let file = site.interface_file();
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{text}\n[external_ids]\non_change = \"send\"\n")).unwrap();
    let given = [
        ("patients-4.csv", &*patients(&[("1", "", "101"), ("2", "", "200")])),
        ("patients-5.csv", &*patients(&[("3", "Boston", "100")])),
    ];
    assert_eq!(drop_in(&site, &given), told(&["A31 1 101", "A28 3 100"], &[]));
    fs::write(&file, text).unwrap();
    let later = patients(&[("1", "", "101"), ("3", "Boston", "100"), ("2", "", "200")]);
    assert_eq!(drop_in(&site, &[("patients-6.csv", &later)]), told(&[], &[]));
    let back = patients(&[("1", "", "100")]);
    assert_eq!(
        drop_in(&site, &[("patients-7.csv", &back)]),
        told(&[], &["X001 patients-7.csv 1 customfield_41"])
    );
}

#[test]
fn a_changed_id_may_be_sent_with_a_note() {
    let site = site_with(&format!("[external_ids]\non_change = \"warn\"\n{IDS}"));
    drop_in(&site, &[("patients-1.csv", &patients(&[("1", "", "100"), ("2", "", "")]))]);
    site.put("patients-2.csv", patients(&[("1", "", "101"), ("2", "", "200")]));
    let said = site.run(["run"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(
        said.out.contains("1 external IDs that are not the ones sent before, sent"),
        "a first ID is no change: {said:?}"
    );
}

#[test]
fn an_extract_without_the_column_changes_nothing() {
    let site = site();
    drop_in(&site, &[("patients-1.csv", &patients(&[("1", "", "100")]))]);
    let without = "patientid,lastname,firstname,dob,sex,city\n1,Doe,Ann,02/14/1987,F,Quincy\n";
    assert_eq!(drop_in(&site, &[("patients-2.csv", without)]), told(&["A31 1 1"], &[]));
    let other = patients(&[("2", "", "100"), ("1", "", "101")]);
    assert_eq!(
        drop_in(&site, &[("patients-3.csv", &other)]).faults,
        ["X001 patients-3.csv 1 customfield_41", "X002 patients-3.csv 2 customfield_41"]
    );
}

#[test]
fn rows_that_are_events_are_held_against_each_other() {
    let site = site();
    let row = |event: &str, id: &str, mrn: &str| format!("{event},{}", patient(id, "", mrn));
    let text = format!("event,{PATIENTS}{}{}", row("add", "1", "100"), row("update", "1", "100"));
    let text = text + &row("update", "1", "101") + &row("add", "2", "300");
    assert_eq!(
        drop_in(&site, &[("patients-1.csv", &text)]),
        told(&["A28 1 100", "A31 1 100", "A28 2 300"], &["X002 patients-1.csv 3 customfield_41"])
    );
}

#[test]
fn only_the_newest_row_of_a_record_has_an_id() {
    let site = site();
    let head = PATIENTS.replace("customfield_41", "customfield_41,lastmodified");
    let text = format!(
        "{head}1,Doe,Ann,02/14/1987,F,,100,05/20/2026\n2,Roe,Bo,02/14/1988,M,,100,05/20/2026\n\
         1,Doe,Ann,02/14/1987,F,,101,05/21/2026\n"
    );
    let said = drop_in(&site, &[("patients-1.csv", &text)]);
    assert_eq!(said, told(&["A28 2 100", "A28 1 101"], &[]));
}

#[test]
fn no_appointment_carries_what_was_refused_of_its_patient() {
    let site = site();
    drop_in(&site, &[("patients-1.csv", &patients(&[("1", "", "100")]))]);
    let changed = patients(&[("1", "", "101"), ("2", "", "55"), ("3", "", "55")]);
    let booked = appointments(&[("50", "1", "a", "V1"), ("51", "2", "a", "V2")]);
    assert_eq!(
        drop_in(&site, &[("patients-2.csv", &changed), ("appointments-2.csv", &booked)]),
        told(
            &["S12 50 V1 100"],
            &[
                "X002 patients-2.csv 1 customfield_41",
                "X001 patients-2.csv 2 customfield_41",
                "X001 patients-2.csv 3 customfield_41",
                "A001 appointments-2.csv 2 patientid",
            ]
        )
    );
}

#[test]
fn appointments_have_ids_of_their_own_which_go_in_siu_only() {
    let site = site();
    let people = patients(&[("1", "", "V1"), ("2", "", "100")]);
    let first =
        appointments(&[("50", "1", "a", "V1"), ("51", "2", "a", ""), ("52", "1", "a", "V3")]);
    let said = drop_in(&site, &[("patients-1.csv", &people), ("appointments-1.csv", &first)]);
    let expected = ["A28 1 V1", "A28 2 100", "S12 50 V1 V1", "S12 51 51 100", "S12 52 V3 V1"];
    assert_eq!(said, told(&expected, &[]));
    let second = appointments(&[
        ("50", "1", "b", "V1"),
        ("51", "2", "b", "V3"),
        ("52", "1", "b", "V4"),
        ("53", "2", "a", "V9"),
        ("54", "2", "a", "V9"),
    ]);
    assert_eq!(
        drop_in(&site, &[("appointments-2.csv", &second)]),
        told(
            &["S14 50 V1 V1"],
            &[
                "X001 appointments-2.csv 2 customfield_641",
                "X002 appointments-2.csv 3 customfield_641",
                "X001 appointments-2.csv 4 customfield_641",
                "X001 appointments-2.csv 5 customfield_641",
            ]
        )
    );
}

#[test]
fn a_record_has_one_id_of_a_category_wherever_it_stands() {
    let both = IDS.replace(
        "[[external_ids.appointment]]",
        "[[external_ids.patient]]\nname = \"Old MRN\"\ncustom_field_id = \"42\"\n\
         category = \"MRN\"\nfield = \"PID-4\"\n[[external_ids.appointment]]",
    );
    let site = site_with(&both);
    let head = PATIENTS.replace("customfield_41", "customfield_41,customfield_42");
    let rows = [("1", "100,"), ("2", ",200"), ("3", "300,300"), ("4", "400,401"), ("5", ",100")];
    let rows: String = rows.iter().map(|(id, ids)| patient(id, "", ids)).collect();
    assert_eq!(
        drop_in(&site, &[("patients-1.csv", &format!("{head}{rows}"))]),
        told(
            &["A28 2 200", "A28 3 300"],
            &[
                "X001 patients-1.csv 1 customfield_41",
                "X001 patients-1.csv 4 customfield_42",
                "X001 patients-1.csv 5 customfield_41",
            ]
        )
    );
    // From one column to the other it is still the same.
    let moved = format!("{head}{}", patient("2", "", "200,"));
    assert_eq!(drop_in(&site, &[("patients-2.csv", &moved)]).faults, [""; 0]);
}

#[test]
fn zeros_at_the_front_count_in_every_target_and_in_every_form() {
    for field in ["PID-2", "PID-3", "PID-3!", "PID-4", "PID-18", "PID-23", "PID-21.1"] {
        let ids =
            |more: &str| IDS.replace("\"PID-4\"\n", &format!("\"{field}\"\nwidth = 7\n{more}"));
        for (more, value, sent) in [
            ("", "0004471", Some("0004471")),
            ("", "4471", None),
            ("zero_pad = true\n", "4471", Some("0004471")),
        ] {
            let json = format!(
                "{{\"patientid\":\"1\",\"lastname\":\"Doe\",\"firstname\":\"Ann\",\
                 \"dob\":\"02/14/1987\",\"sex\":\"F\",\"customfields\":[{{\"customfieldid\":\"41\",\
                 \"customfieldvalue\":\"{value}\"}}]}}\n"
            );
            for (name, text) in
                [("patients.csv", patients(&[("1", "", value)])), ("patients.ndjson", json)]
            {
                let site = site_with(&ids(more));
                let said = drop_in(&site, &[(name, &text)]);
                let place = format!("{field} {name} {value}");
                let file = fs::read_dir(&site.partner).unwrap().next();
                match sent {
                    Some(sent) => {
                        let path = file.unwrap_or_else(|| panic!("{place}: {said:?}"));
                        let text = fs::read_to_string(path.unwrap().path()).unwrap();
                        let pid = text.split('\r').find(|line| line.starts_with("PID")).unwrap();
                        assert!(pid.contains(sent), "{place}: {pid}");
                    }
                    None => {
                        assert!(file.is_none(), "{place}");
                        assert_eq!(said.faults, [format!("X003 {name} 1 customfield_41")]);
                    }
                }
            }
        }
    }
}

#[test]
fn zeros_that_were_put_back_count_when_ids_are_compared() {
    let padded = "\"PID-4\"\nwidth = 7\nzero_pad = true\n";
    let site = site_with(&IDS.replace("\"PID-4\"\n", padded));
    drop_in(&site, &[("patients-1.csv", &patients(&[("1", "", "4471")]))]);
    let second = patients(&[("1", "Boston", "0004471"), ("2", "", "04471")]);
    assert_eq!(
        drop_in(&site, &[("patients-2.csv", &second)]).faults,
        ["X001 patients-2.csv 1 customfield_41", "X001 patients-2.csv 2 customfield_41"]
    );
    let third = patients(&[("1", "Boston", "0004471")]);
    assert_eq!(drop_in(&site, &[("patients-3.csv", &third)]), told(&["A31 1 0004471"], &[]));
}

#[test]
fn an_id_goes_elsewhere_only_where_nothing_stands() {
    let at = |field: &str| IDS.replace("\"PID-4\"", &format!("{field:?}"));
    let site = site_with(&at("PID-20.2"));
    drop_in(&site, &[("patients.csv", &patients(&[("1", "", "100")]))]);
    let said = site.run(["check", "--offline"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let warned = "warn   external ID Ridge MRN: PID-20.2 is no usual place for one";
    assert!(said.out.contains(warned), "{said:?}");
    let batch = fs::read_dir(&site.partner).unwrap().next().unwrap().unwrap().path();
    let text = fs::read_to_string(batch).unwrap();
    assert!(text.contains("|||^100\r"), "{text}");
    for field in ["PID-5", "PID-11.1", "MSH-8", "NK1-4", "ZPD-1"] {
        let said = site_with(&at(field)).run(["check", "--offline"]);
        assert_ne!(said.code, Some(0), "{field}: {said:?}");
        assert!(said.out.contains(&format!("mapping of {field}: ")), "{said:?}");
    }
    let site = site_with(&at("PID-9!"));
    let instead = patients(&[("1", "", "100")]);
    assert_eq!(drop_in(&site, &[("patients.csv", &instead)]), told(&["A28 1 1"], &[]));
}

#[test]
fn one_record_goes_out_with_its_changed_id_once_somebody_says_that_it_is_right() {
    let site = site();
    let first = patients(&[("1", "", "100"), ("2", "", "200"), ("3", "", "300")]);
    drop_in(&site, &[("patients-1.csv", &first)]);
    let second = patients(&[("1", "", "111"), ("2", "", "222"), ("3", "Lynn", "300")]);
    let faults = ["X002 patients-2.csv 1 customfield_41", "X002 patients-2.csv 2 customfield_41"];
    assert_eq!(drop_in(&site, &[("patients-2.csv", &second)]), told(&["A31 3 300"], &faults));
    let waits = site.run(["queue", "--json"]).json();
    let waits = waits.as_array().unwrap();
    let id = waits.iter().find(|row| row["record"] == 1).unwrap()["id"].to_string();
    let args = ["queue", "resubmit", "clinic", &id, "--why", "the EHR merged two numbers"];
    // Without a word about the ID it waits as before, and is one entry.
    let said = site.run(args);
    assert_eq!(said.code, Some(3), "{said:?}");
    let waits = site.run(["queue", "--json"]).json();
    let one = waits.as_array().unwrap().iter().find(|row| row["record"] == 1).unwrap().clone();
    assert_eq!(waits.as_array().unwrap().len(), 2, "{waits}");
    let id = one["id"].to_string();
    let said = site.run(["queue", "resubmit", "clinic", &id, "--changed-id", "--preview"]);
    assert!(said.out.contains("1 would go out"), "{said:?}");
    let args = ["queue", "resubmit", "clinic", &id, "--changed-id", "--why", "two numbers merged"];
    let said = site.run(args);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(drop_in(&site, &[]), told(&["A31 1 111"], &[]), "sent, and the other was closed");
    let actions = site.run(["status", "--json"]).json().to_string();
    assert!(actions.contains("with changed external IDs"), "{actions}");
    // From now on it is the one that counts; that of the others is not.
    let third = patients(&[("1", "Salem", "111"), ("2", "", "222")]);
    let faults = ["X002 patients-3.csv 2 customfield_41"];
    assert_eq!(drop_in(&site, &[("patients-3.csv", &third)]), told(&["A31 1 111"], &faults));
    // Nothing else goes out by that way.
    let bad = patients(&[("4", "", "400")]).replace("02/14/1987", "");
    drop_in(&site, &[("patients-4.csv", &bad)]);
    let said = site.run(["queue", "resubmit", "clinic", "ALL", "--changed-id", "--why", "x"]);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.err.contains("some do not wait for a changed external ID (X002)"), "{said:?}");
}
