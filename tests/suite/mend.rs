//! People mend what waits: stories with the real program, a real ledger, a real folder at
//! the other end.

use std::fs;
use std::process::{Command, Stdio};

use hl7drop::engine::check;
use hl7drop::hl7::read::BatchFile;
use serde_json::Value;

use crate::site::{NAME, Site, ok, states, words};

const DEPARTMENTS: &str = "departmentid,name\n12,RIVERBEND NORTH\n15,RIVERBEND SOUTH\n";
const PROVIDERS: &str = "providerid,npi,lastname,firstname\n27,1369497585,MCDERMOTT,DEONTAE\n";
const HEADER: &str = "patientid,lastname,firstname,dob,sex,departmentid,primaryproviderid\n";

/// A patient of a department.
fn patient(id: u32, department: &str) -> String {
    format!("{id},Doe{id},Ann,02/14/1987,F,{department},27\n")
}

/// A site whose queue has three records of ENDO2 and one of NEW, and that sent one.
fn waiting() -> Site {
    let site = Site::new();
    site.put("departments.csv", DEPARTMENTS);
    site.put("providers.csv", PROVIDERS);
    let rows = [(1, "ENDO2"), (2, "12"), (3, "ENDO2"), (4, "NEW"), (5, "ENDO2")];
    let rows: String = rows.iter().map(|(id, department)| patient(*id, department)).collect();
    site.put("patients.csv", format!("{HEADER}{rows}"));
    assert_eq!(site.run(["run"]).code, Some(3));
    site
}

/// What came to the partner, file by file.
fn arrived(site: &Site) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = fs::read_dir(&site.partner)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let text = fs::read_to_string(entry.path()).unwrap();
            (entry.file_name().into_string().unwrap(), text)
        })
        .collect();
    found.sort();
    found
}

/// Nothing of the ledger and the folders contradicts itself.
pub fn fits(site: &Site) {
    let engine = site.engine();
    for checked in check::state(&engine).unwrap().into_iter().chain(check::folders(&engine)) {
        assert_eq!(checked.wrong, None, "{}", checked.what);
    }
}

fn field(text: &str, segment: &str, number: usize) -> String {
    let line = text.split('\r').find(|line| line.starts_with(segment)).unwrap();
    line.split('|').nth(number - 1).unwrap_or_default().to_string()
}

#[test]
fn an_unknown_department_is_mapped_once_and_its_records_leave() {
    let site = waiting();
    let groups = ok(site.run(["queue", "group", "--json"]), 3).json();
    let told: Vec<(u64, &str)> = groups
        .as_array()
        .unwrap()
        .iter()
        .map(|group| (group["records"].as_u64().unwrap(), group["value"].as_str().unwrap()))
        .collect();
    assert_eq!(told, [(3, "ENDO2"), (1, "NEW")]);
    assert_eq!((&groups[0]["code"], &groups[0]["mapping"]), (&"D001".into(), &"department".into()));
    let text = ok(site.run(["queue", "group"]), 3).out;
    assert!(text.contains("3 records: departmentid ENDO2"), "{text}");
    assert!(!text.contains("Doe"), "a patient's name is shown: {text}");

    let map = ["queue", "map", "department", "ENDO2", "12"];
    let seen = ok(site.run(map.iter().chain(&["--preview", "--interface", NAME])), 0).out;
    assert!(seen.contains("3 would go out"), "{seen}");
    assert!(seen.contains("PV1-3   12^RIVERBEND NORTH^^RIVERBEND NORTH"), "{seen}");
    assert!(!seen.contains("Doe") && seen.contains("nothing was changed"), "{seen}");
    assert_eq!(states(&site)["ERROR"], 4, "a look changes nothing");
    fits(&site);

    ok(site.run(map.iter().chain(&["--note", "moved in May"])), 0);
    let which = ["queue", "resubmit", NAME, "--code", "D001", "--column", "departmentid"];
    let more = ["--value", "ENDO2", "--why", "mapped", "--json"];
    let done = ok(site.run(which.iter().chain(&more)), 0).json();
    assert_eq!(done["done"]["counts"]["sent"], 3, "{done}");
    fits(&site);
    ok(site.run(["run"]), 3);
    let files = arrived(&site);
    assert_eq!(words(&files[1].1), ["A28 1", "A28 3", "A28 5"]);
    assert_eq!(field(&files[1].1, "PV1", 4), "12^RIVERBEND NORTH^^RIVERBEND NORTH");
    // FHS-12: what the file was that these rows were dropped for.
    assert_eq!(field(&files[1].1, "FHS", 12), field(&files[0].1, "FHS", 11));
    assert_eq!(field(&files[1].1, "BHS", 12), field(&files[0].1, "BHS", 11));
    assert_eq!(states(&site), serde_json::json!({ "ERROR": 1, "PROCESSED": 4 }));
    let actions = site.run(["status", "--json"]).json()[0]["actions"].take();
    let newest = &actions[0];
    assert_eq!((&newest["verb"], &newest["from"]), (&"resubmit".into(), &"ERROR".into()));
    fits(&site);
    // The same file again is no news, and the map holds for it.
    let rows: String = [1, 3, 5].iter().map(|id| patient(*id, "ENDO2")).collect();
    site.put("patients-again.csv", format!("{HEADER}{rows}"));
    ok(site.run(["run"]), 3);
    assert_eq!(arrived(&site).len(), 2);
}

#[test]
fn what_is_still_at_fault_waits_again_where_it_was_dropped() {
    let site = waiting();
    let before = ok(site.run(["queue", "--json"]), 3).json();
    let done = ok(site.run(["queue", "resubmit", NAME, "ALL", "--why", "try", "--json"]), 3).json();
    assert_eq!(
        (&done["done"]["counts"]["error"], &done["done"]["batch"]),
        (&4.into(), &Value::Null)
    );
    let after = ok(site.run(["queue", "--json"]), 3).json();
    let places = |queue: &Value| -> Vec<(Value, Value, Value)> {
        let rows = queue.as_array().unwrap().iter();
        rows.map(|row| (row["file"].clone(), row["record"].clone(), row["line"].clone())).collect()
    };
    assert_eq!(places(&after), places(&before));
    assert_eq!(states(&site)["ERROR"], 4);
    fits(&site);
    for nothing in [["9999", "--why"], ["--file", "nobody.csv"], ["all", "--why"]] {
        let args = ["queue", "resubmit", NAME].iter().chain(&nothing).chain(&["x"]);
        let said = site.run(args.copied().chain((nothing[0] == "--file").then_some("--why")));
        assert_eq!(said.code, Some(2), "{said:?}");
    }
    assert_eq!(ok(site.run(["queue", "resubmit", NAME, "--why", "x"]), 2).out, "");
}

#[test]
fn the_second_to_map_a_value_is_told_who_was_first() {
    let site = waiting();
    let map = |becomes: &str, more: &[&str]| {
        let mut command = site.command(["queue", "map", "department", "NEW", becomes]);
        command.args(["--note", "by phone"]).args(more).env("USER", "bob").env_remove("SUDO_USER");
        crate::site::ended(&mut command)
    };
    ok(map("15", &[]), 0);
    let said = ok(map("12", &[]), 2).err;
    assert!(said.contains("is mapped to 15 for all interfaces already, by bob"), "{said}");
    ok(map("12", &["--replace"]), 0);
    let csv = ok(site.run(["queue", "map", "--export"]), 0).out;
    assert!(csv.contains(",department,NEW,12,by phone,bob"), "{csv}");
    let mut import = site.command(["queue", "map", "--import", "-", "--note", "again", "--json"]);
    import.stdin(Stdio::from(fs::File::open(written(&site, &csv)).unwrap()));
    assert_eq!(ok(crate::site::ended(&mut import), 0).json()["changed"], 0);
    ok(site.run(["queue", "map", "department", "NEW", "--remove", "--note", "wrong"]), 0);
    let log = ok(site.run(["queue", "map", "--log"]), 0).out;
    assert_eq!(log.lines().count(), 3, "{log}");
    assert!(ok(site.run(["queue", "map"]), 0).out.contains("nothing is mapped"));
}

fn written(site: &Site, text: &str) -> std::path::PathBuf {
    let path = site.root().join("maps.csv");
    fs::write(&path, text).unwrap();
    path
}

#[test]
fn an_insurance_is_mapped_by_its_package_or_by_the_name_of_its_plan() {
    let site = Site::new();
    let header = "patientid,lastname,firstname,dob,sex,insurancepackageid,insuranceplanname,\
                  insuranceidnumber\n";
    let row =
        |id, package: &str, plan: &str| format!("{id},Doe,Ann,02/14/1987,F,{package},{plan},77\n");
    let rows = [row(1, "", "AETNA PPO"), row(2, "OLD9", "AETNA HMO")].concat();
    site.put("patients.csv", format!("{header}{rows}"));
    ok(site.run(["run"]), 3);
    let groups = ok(site.run(["queue", "group", "--json"]), 3).json();
    assert_eq!(
        (&groups[0]["state"], &groups[0]["value"]),
        (&"CBOERROR".into(), &"AETNA PPO".into())
    );
    for (value, becomes) in [("AETNA PPO", "982"), ("OLD9", "0")] {
        ok(site.run(["queue", "map", "insurance", value, becomes, "--note", "as billing says"]), 0);
    }
    ok(site.run(["queue", "resubmit", NAME, "ALL", "--why", "mapped"]), 0);
    ok(site.run(["run"]), 0);
    let files = arrived(&site);
    assert_eq!(field(&files[1].1, "IN1", 3), "982^AETNA PPO");
    // A package that is none takes the insurance away.
    site.put("patients-2.csv", format!("{header}3,Doe,Ann,02/14/1987,F,OLD9,,\n"));
    ok(site.run(["run"]), 0);
    let last = arrived(&site).pop().unwrap().1;
    assert!(last.contains("PID|") && !last.contains("IN1|"), "{last}");
}

#[test]
fn a_batch_is_made_anew_whole_or_in_part() {
    let site = waiting();
    let first = "99999-000001.hl7";
    let rebuild = |more: &[&str]| {
        let args = ["queue", "rebuild", first, "--why", "they lost it", "--json"];
        site.run(args.iter().chain(more))
    };
    let done = ok(rebuild(&[]), 0).json();
    assert_eq!(done["done"]["batch"], "99999-000002.hl7", "{done}");
    let missing = ok(rebuild(&["--message", "1M99999,77M99999"]), 2);
    assert!(missing.err.contains("1 of the control IDs"), "{missing:?}");
    ok(rebuild(&["--message", "1M99999"]), 0);
    fits(&site);
    ok(site.run(["run"]), 3);
    let files = arrived(&site);
    assert_eq!(files.len(), 3);
    let [old, new, part] = [0, 1, 2].map(|at| files[at].1.as_str());
    for again in [new, part] {
        let id = field(old, "FHS", 11);
        assert_eq!(field(again, "FHS", 12), id);
        assert_ne!(field(again, "FHS", 11), id);
        assert_eq!(field(again, "BHS", 12), field(old, "BHS", 11));
        assert_eq!(field(again, "PID", 4), field(old, "PID", 4));
        let msh = |text| (field(text, "MSH", 7), field(text, "MSH", 9));
        assert_eq!(msh(again), msh(old), "when and what it was");
    }
    let ids = [old, new, part].map(|text| field(text, "MSH", 10));
    assert_eq!(ids, ["1M99999", "2M99999", "3M99999"]);
    // What was made of one that was made anew says what it was first.
    ok(site.run(["queue", "rebuild", "99999-000002.hl7", "--why", "again"]), 0);
    ok(site.run(["run"]), 3);
    let last = arrived(&site).pop().unwrap().1;
    assert_eq!(field(&last, "FHS", 12), field(old, "FHS", 11));
    BatchFile::read(last.as_bytes()).unwrap();
    assert_eq!(states(&site)["PROCESSED"], 4);
    fits(&site);
    // A batch that is kept no more cannot be made anew.
    let day = fs::read_dir(site.spool().sent).unwrap().next().unwrap().unwrap().path();
    fs::remove_file(day.join(first)).unwrap();
    let gone = ok(rebuild(&[]), 2);
    assert!(gone.err.contains("is kept no more"), "{gone:?}");
}

#[test]
fn the_same_bytes_go_out_again_only_where_their_name_is_free() {
    let site = waiting();
    let name = "99999-000001.hl7";
    let resend = || site.run(["queue", "resend", name, "--why", "they lost it"]);
    let stands = ok(resend(), 2);
    assert!(stands.err.contains("still stands at"), "{stands:?}");
    let bytes = fs::read(site.partner.join(name)).unwrap();
    fs::remove_file(site.partner.join(name)).unwrap();
    ok(resend(), 0);
    assert_eq!(states(&site)["NEW"], 1);
    fits(&site);
    assert_eq!(ok(resend(), 2).out, "", "it is on its way already");
    ok(site.run(["run"]), 3);
    assert_eq!(fs::read(site.partner.join(name)).unwrap(), bytes);
    assert_eq!(states(&site)["PROCESSED"], 1);
    fits(&site);
}

#[test]
fn what_is_held_waits_and_what_is_behind_it_too() {
    let site = waiting();
    ok(site.run(["queue", "hold", "--interface", NAME]), 0);
    site.put("patients-2.csv", format!("{HEADER}{}", patient(8, "12")));
    ok(site.run(["run"]), 3);
    assert_eq!(states(&site)["SCHEDULED"], 1);
    assert_eq!(arrived(&site).len(), 1);
    let batch = "99999-000002.hl7";
    ok(site.run(["delivery", batch, "--resend", "--why", "no"]), 2);
    ok(site.run(["queue", "release", batch]), 0);
    assert_eq!(ok(site.run(["queue", "release", batch]), 2).out, "", "released once");
    ok(site.run(["queue", "hold", batch, "--until", "2099-01-01T00:00"]), 0);
    ok(site.run(["queue", "hold", batch, "--until", "2001-01-01T00:00"]), 2);
    ok(site.run(["run"]), 3);
    assert_eq!(states(&site)["SCHEDULED"], 1, "its time has not come");
    ok(site.run(["queue", "release", "--interface", NAME]), 0);
    ok(site.run(["run"]), 3);
    assert_eq!(arrived(&site).len(), 2);
    site.put("patients-3.csv", format!("{HEADER}{}", patient(9, "12")));
    ok(site.run(["run"]), 3);
    assert_eq!(arrived(&site).len(), 3, "new ones go out as they are made");
    fits(&site);
}

#[test]
fn what_is_deleted_before_it_was_sent_is_news_again() {
    let site = waiting();
    ok(site.run(["queue", "hold", "--interface", NAME]), 0);
    let row = format!("{HEADER}{}", patient(8, "12"));
    site.put("patients-2.csv", &row);
    ok(site.run(["run"]), 3);
    let (sent, held) = ("99999-000001.hl7", "99999-000002.hl7");
    let refused = ok(site.run(["queue", "delete", sent, "--why", "no"]), 2);
    assert!(refused.err.contains("it may have been seen there"), "{refused:?}");
    ok(site.run(["queue", "delete", held, "--why", "wrong extract"]), 0);
    assert_eq!(states(&site)["DELETED"], 1);
    assert!(!site.spool().outbox.join(held).exists());
    fits(&site);
    ok(site.run(["queue", "release", "--interface", NAME]), 0);
    site.put("patients-3.csv", format!("{row}\n"));
    ok(site.run(["run"]), 3);
    assert_eq!(words(&arrived(&site)[1].1), ["A28 8"]);
    fits(&site);
}

#[test]
fn what_is_asked_while_a_pass_is_at_work_is_done_by_it() {
    let site = waiting();
    let lock = site.spool().lock().unwrap().unwrap();
    ok(site.run(["queue", "map", "department", "ENDO2", "12", "--note", "moved"]), 0);
    let args = ["queue", "resubmit", NAME, "ALL", "--why", "mapped", "--wait", "0"];
    let left = ok(site.run(args), 0).out;
    assert!(left.contains("a pass is at work"), "{left}");
    ok(site.run(["queue", "rebuild", "99999-000009.hl7", "--why", "x", "--wait", "0"]), 2);
    let none = ["queue", "delete", "99999-000001.hl7", "--why", "no", "--wait", "0"];
    ok(site.run(none), 0);
    assert_eq!(fs::read_dir(site.spool().requests).unwrap().count(), 2);
    fs::write(site.spool().requests.join("0-broken.json"), "{").unwrap();
    assert_eq!(states(&site)["ERROR"], 4);
    drop(lock);
    ok(site.run(["run"]), 3);
    assert_eq!(states(&site), serde_json::json!({ "ERROR": 1, "PROCESSED": 4 }));
    assert_eq!(fs::read_dir(site.spool().requests).unwrap().count(), 0);
    assert!(site.spool().error.join("0-broken.json.why.toml").exists());
    let actions = site.run(["status", "--json"]).json()[0]["actions"].take();
    let verbs: Vec<&str> = [0, 1].map(|at| actions[at]["verb"].as_str().unwrap()).into();
    assert_eq!(verbs, ["refused", "resubmit"], "who asked in vain can read why");
    fits(&site);
}

/// Records that wait, and somebody asked for them while a pass was at work.
fn asked() -> Site {
    let site = waiting();
    ok(site.run(["queue", "map", "department", "ENDO2", "12", "--note", "moved"]), 0);
    let lock = site.spool().lock().unwrap().unwrap();
    let args = ["queue", "resubmit", NAME, "ALL", "--why", "mapped", "--wait", "0"];
    ok(site.run(args), 0);
    drop(lock);
    site
}

#[test]
fn a_request_that_breaks_the_process_down_goes_to_error_and_the_day_goes_on() {
    let site = asked();
    site.put("patients-2.csv", format!("{HEADER}{}", patient(9, "12")));
    for _ in 1..=3 {
        crate::doubt::aborted_at(&site, "mend.gathered");
        assert_eq!(crate::site::names(&site.spool().error), [""; 0]);
        assert_eq!(fs::read_dir(site.spool().requests).unwrap().count(), 1);
    }
    ok(site.run(["run"]), 3);
    assert_eq!(words(&arrived(&site)[1].1), ["A28 9"]);
    assert_eq!(states(&site)["ERROR"], 4, "they wait as before");
    let error = crate::site::names(&site.spool().error);
    let why = fs::read_to_string(site.spool().error.join(&error[1])).unwrap();
    assert!(why.contains("broke down 3 times while it carried this out"), "{why}");
    let actions = site.run(["status", "--json"]).json()[0]["actions"].take();
    assert_eq!(actions[0]["verb"], "refused", "who asked in vain can read why");
    // Asked again it is like any other.
    ok(site.run(["queue", "resubmit", NAME, "ALL", "--why", "mended"]), 3);
    ok(site.run(["run"]), 3);
    assert_eq!(states(&site)["ERROR"], 1);
    fits(&site);
}

#[test]
fn power_lost_anywhere_while_records_are_converted_again_tells_each_once() {
    /// All messages that arrived, sorted, and where all records stand.
    fn came_of(site: &Site) -> (Vec<String>, Value) {
        let texts = arrived(site).into_iter();
        let mut told: Vec<String> = texts.flat_map(|(_, text)| words(&text)).collect();
        told.sort();
        (told, states(site))
    }
    let site = asked();
    let listed = crate::site::ended(site.command(["run"]).env("HL7DROP_FAULT", "list:0"));
    let places = listed.err.lines().filter_map(|line| line.strip_prefix("place "));
    let places: Vec<String> = places.map(str::to_string).collect();
    let at = |name: &str| places.iter().position(|place| place == name).unwrap();
    let (first, last) = (at("mend.gathered"), at("mend.carried_out"));
    assert!(last > first + 10, "{places:?}");
    let expected = came_of(&site);
    assert_eq!(expected.1, serde_json::json!({ "ERROR": 1, "PROCESSED": 4 }));
    let mut promised = 0;
    let commit = at("ledger.commit_drop.after").max(first);
    for nth in (first..=last).filter(|nth| *nth >= commit || (nth - first) % 3 == 0) {
        let site = asked();
        let fault = format!("abort:{}", nth + 1);
        let died = crate::site::ended(site.command(["run"]).env("HL7DROP_FAULT", &fault));
        assert!(died.err.contains(&format!("fault at {}", places[nth])), "{fault}: {died:?}");
        let again = site.spool().again();
        let there = again.is_dir() && fs::read_dir(&again).unwrap().count() > 0;
        // The places of the commit come after the request's file and before its end.
        let committed = places[first..=nth].iter().any(|place| place == "ledger.commit_drop.after");
        promised += u32::from(there && committed);
        let said = site.run(["run"]);
        assert!(matches!(said.code, Some(0 | 3)), "{fault}: {said:?}");
        assert_eq!(came_of(&site), expected, "{fault} at {}", places[nth]);
        let left = again.is_dir() && fs::read_dir(&again).unwrap().count() > 0;
        assert!(!left, "{fault} at {}", places[nth]);
        fits(&site);
    }
    assert!(promised > 0, "no place lies between the promise and the shelf");
}

#[test]
fn the_kept_text_is_enough_where_the_archived_extract_is_gone() {
    let site = waiting();
    for day in fs::read_dir(site.spool().archive).unwrap() {
        fs::remove_dir_all(day.unwrap().path()).unwrap();
    }
    ok(site.run(["queue", "map", "department", "ENDO2", "12", "--note", "moved"]), 0);
    ok(site.run(["queue", "resubmit", NAME, "ALL", "--why", "mapped"]), 3);
    ok(site.run(["run"]), 3);
    assert_eq!(states(&site), serde_json::json!({ "ERROR": 1, "PROCESSED": 4 }));
    fits(&site);
}

#[test]
fn what_was_kept_is_read_as_it_was_dropped_in_every_form() {
    let cases: [(&str, Vec<u8>); 3] = [
        (
            "patients.tsv",
            [HEADER.replace(',', "\t"), patient(1, "ENDO2").replace(',', "\t")].concat().into(),
        ),
        (
            "patients.ndjson",
            b"{\"patientid\":\"1\",\"lastname\":\"Doe1\",\"firstname\":\"Ann\",\"sex\":\"F\",\
              \"departmentid\":\"ENDO2\",\"primaryproviderid\":\"27\",\"dob\":\"02/14/1987\"}\n"
                .to_vec(),
        ),
        ("patients.csv", format!("{HEADER}{}", patient(1, "ENDO2")).into()),
    ];
    for (name, bytes) in cases {
        let site = Site::new();
        site.put("departments.csv", DEPARTMENTS);
        site.put("providers.csv", PROVIDERS);
        site.put(name, bytes);
        ok(site.run(["run"]), 3);
        ok(site.run(["queue", "map", "department", "ENDO2", "12", "--note", "moved"]), 0);
        ok(site.run(["queue", "resubmit", NAME, "ALL", "--why", "mapped"]), 0);
        ok(site.run(["run"]), 0);
        assert_eq!(words(&arrived(&site)[0].1), ["A28 1"], "{name}");
        fits(&site);
    }
}

/// What waits: `R001 patients-2.csv 1 times 2`.
fn queue(site: &Site) -> Vec<String> {
    let rows = site.run(["queue", "--json"]).json();
    let rows = rows.as_array().unwrap().iter().rev().map(|row| {
        let word = |key: &str| row[key].as_str().unwrap().to_string();
        format!("{} {} {} times {}", word("code"), word("file"), row["record"], row["times"])
    });
    rows.collect()
}

#[test]
fn a_record_that_comes_again_good_or_bad_has_one_entry_in_the_queue() {
    let site = Site::new();
    let drop = |at: u32, rows: &[&str]| {
        let header = "patientid,lastname,firstname,dob,sex,race,lastmodified";
        site.put(&format!("patients-{at}.csv"), format!("{header}\n{}\n", rows.join("\n")));
        site.run(["run"])
    };
    let bad = ["1,Doe,Ann,02/14/1987,F,none,05/20/2026", "2,Doe,Bob,,M,,05/20/2026"];
    ok(drop(1, &[bad[0], bad[1], "3,Doe,Cy,02/14/1987,M,"]), 3);
    let first = ["R001 patients-1.csv 1 times 1", "M001 patients-1.csv 2 times 1"];
    assert_eq!(queue(&site), [first[0], first[1], "V001 patients-1.csv 3 times 1"]);
    let since = site.run(["queue", "--json"]).json()[2]["since"].clone();
    // One is good by now, one is bad still, and one is the very same row that nobody can
    // tell the ID of. Somebody new is bad too.
    let good = "2,Doe,Bob,02/14/1988,M,,05/21/2026";
    let new = "4,Doe,Di,02/14/1987,F,none,05/20/2026";
    ok(drop(2, &[good, bad[0], new, "3,Doe,Cy,02/14/1987,M,"]), 3);
    let second = ["R001 patients-2.csv 2 times 2", "R001 patients-2.csv 3 times 1"];
    assert_eq!(queue(&site), [second[0], second[1], "V001 patients-2.csv 4 times 2"]);
    assert_eq!(site.run(["queue", "--json"]).json()[2]["since"], since);
    let said = site.run(["queue"]).out;
    assert!(said.contains("record 2 (line 3), PID-10; 2 rows since "), "{said}");
    assert_eq!(states(&site)["ERROR"], 3);
    let gone = site.run(["queue", "search", "--state", "SUPERSEDED", "--json"]).json();
    assert_eq!(gone[0]["hits"].as_array().unwrap().len(), 3, "{gone}");
    let newest = site.run(["status", "--json"]).json()[0]["actions"][0].take();
    assert_eq!((&newest["verb"], &newest["by"]), (&"supersede".into(), &"hl7drop".into()));
    fits(&site);
    // What is older than what waits says nothing about it; a switch of the file does not
    // matter to a record that nothing is told of.
    ok(drop(3, &["1,Doe,Ann,02/14/1987,F,,05/19/2026"]), 3);
    assert_eq!(queue(&site)[0], second[0]);
    ok(drop(4, &["1,Doe,Ann,02/14/1987,F,,05/22/2026", "4,Doe,Di,02/14/1987,F,,"]), 3);
    assert_eq!(queue(&site), ["V001 patients-2.csv 4 times 2"]);
    fits(&site);
    ok(site.run(["queue", NAME, "--close-all", "V001", "--why", "the export is mended"]), 0);
    assert_eq!(site.run(["run"]).code, Some(0));
}

#[test]
fn rows_that_are_events_and_rows_of_tables_stand_for_themselves() {
    let site = Site::new();
    let drop = |at: u32, rows: &[&str]| {
        let header = "event,patientid,lastname,firstname,dob,sex,race";
        site.put(&format!("patients-{at}.csv"), format!("{header}\n{}\n", rows.join("\n")));
        site.run(["run"])
    };
    // An update that is good does not make up for an addition that never was.
    let bad = "add,1,Doe,Ann,02/14/1987,F,none";
    ok(drop(1, &[bad]), 3);
    ok(drop(2, &["update,1,Doe,Ann,02/14/1987,F,", "add,2,Doe,Bob,02/14/1987,M,"]), 3);
    assert_eq!(queue(&site), ["R001 patients-1.csv 1 times 1"]);
    ok(drop(3, &[bad, "add,3,Doe,Cy,02/14/1987,M,"]), 3);
    assert_eq!(queue(&site), ["R001 patients-3.csv 1 times 2"]);
    ok(site.run(["queue", NAME, "--close-all", "R001", "--why", "seen"]), 0);
    site.put("departments-1.csv", "departmentid,name\n12,\n15,SOUTH\n");
    ok(site.run(["run"]), 3);
    site.put("departments-2.csv", "departmentid,name\n15,SOUTH\n12,\n");
    ok(site.run(["run"]), 3);
    assert_eq!(queue(&site), ["M001 departments-2.csv 2 times 2"]);
    site.put("departments-3.csv", "departmentid,name\n12,NORTH\n15,SOUTH\n");
    ok(site.run(["run"]), 0);
    assert_eq!(queue(&site), [""; 0]);
    fits(&site);
}

/// Events of patients, each with what a column more says of it.
fn events(more: &str, rows: &[(&str, u32, &str, &str)]) -> String {
    let row = |(event, id, race, own): &(&str, u32, &str, &str)| {
        format!("{event},{id},Doe,Ann,02/14/1987,F,{race},{own}\n")
    };
    let rows: String = rows.iter().map(row).collect();
    format!("event,patientid,lastname,firstname,dob,sex,race,{more}\n{rows}")
}

/// A site where ENDO2 waits in two columns; one of its records has another fault behind it.
pub fn of_two_columns() -> Site {
    let site = Site::new();
    site.put("departments.csv", "departmentid,name\n12,RIVERBEND NORTH\n");
    let providers = "providerid,npi,lastname,firstname\n27,1369497585,MCDERMOTT,DEONTAE\n";
    site.put("providers.csv", providers);
    let header = "patientid,lastname,firstname,dob,sex,departmentid,primarydepartmentid,\
        primaryproviderid,insurance1_insuranceplanname\n";
    // 2 has a plan without its package as well; 4 has the value in another column.
    let rows = "1,Doe,Ann,02/14/1987,F,ENDO2,,27,\n2,Doe,Eve,02/14/1987,F,ENDO2,,27,GOLD\n\
        3,Doe,Eva,02/14/1987,F,ENDO2,,27,\n4,Doe,Max,02/14/1987,M,12,ENDO2,27,\n";
    site.put("patients.csv", format!("{header}{rows}"));
    ok(site.run(["run"]), 3);
    site
}

#[test]
fn a_preview_says_of_each_group_what_goes_out_what_does_not_and_why() {
    let site = of_two_columns();
    let map = ["queue", "map", "department", "ENDO2", "12", "--preview", "--interface", NAME];
    let seen = ok(site.run(map), 3).out;
    for told in [
        "departmentid of value ENDO2: 2 would go out, 0 would have nothing to tell, 1 would wait",
        "\n  1 record would wait again: I001 insurance1_insurancepackageid: an insurance without",
        "\n  for example record 1 of the queue\n      now     departmentid ENDO2: waits (D001)\n      \
         then    PV1-3 12^RIVERBEND NORTH^^RIVERBEND NORTH\n  1: ",
        "primarydepartmentid of value ENDO2: 1 would go out",
        "\n  for example record 4 of the queue\n      now     primarydepartmentid ENDO2: waits",
    ] {
        assert!(seen.contains(told), "{told}: {seen}");
    }
    assert_eq!(seen.matches("would wait again:").count(), 1, "{seen}");
    let lines = ok(site.run(map.iter().chain(&["--json"])), 3).out;
    let first: serde_json::Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    let reason = &first["reasons"][0];
    assert_eq!((&reason["code"], &reason["records"]), (&"I001".into(), &1.into()), "{first}");
    let field =
        serde_json::json!([{ "field": "PV1-3", "value": "12^RIVERBEND NORTH^^RIVERBEND NORTH" }]);
    assert_eq!((&first["example"]["id"], &first["example"]["fields"]), (&1.into(), &field));
    // To a department that nobody knows either nothing would go out.
    let map = ["queue", "map", "department", "ENDO2", "13", "--preview", "--interface", NAME];
    let none = ok(site.run(map), 3).out;
    assert!(none.contains("\n  3 records would wait again: D001 departmentid: "), "{none}");
    assert!(!none.contains("for example"), "{none}");
    for patient in ["Doe", "Ann", "Eve", "Eva", "Max", "GOLD", "1987"] {
        assert!(
            !(seen.clone() + &lines + &none).contains(patient),
            "{patient}: {seen}{lines}{none}"
        );
    }
}

#[test]
fn a_record_that_waited_never_overtakes_what_was_told_since() {
    let site = Site::new();
    let rows = [("add", 1, "none", "a"), ("add", 2, "none", "b"), ("add", 3, "none", "c")];
    // 3 is told behind its bad row, in the same extract; 4 before it.
    let more = [("add", 3, "", "newer"), ("add", 4, "", "older"), ("update", 4, "none", "d")];
    site.put("patients-1.csv", events("address1", &[rows, more].concat()));
    ok(site.run(["run"]), 3);
    site.put("patients-2.csv", events("address1", &[("update", 1, "", "newer")]));
    ok(site.run(["run"]), 3);
    let text = fs::read_to_string(site.interface_file()).unwrap();
    let text = text.replace("[wire]", "[codes.race]\n\"none\" = \"2106-3\"\n[wire]");
    fs::write(site.interface_file(), text).unwrap();
    let resubmit = ["queue", "resubmit", NAME, "ALL"];
    let seen = ok(site.run(resubmit.iter().chain(&["--preview"])), 3).out;
    assert!(seen.contains("2 would go out"), "{seen}");
    let done = ok(site.run(resubmit.iter().chain(&["--why", "mended"])), 3).out;
    assert!(done.contains("2 records left as they are: newer rows of some were told"), "{done}");
    ok(site.run(["run"]), 3);
    assert_eq!(words(&arrived(&site)[2].1), ["A28 2", "A31 4"]);
    assert_eq!(
        queue(&site),
        ["R001 patients-1.csv 1 times 1", "R001 patients-1.csv 3 times 1"],
        "what is older waits on, for a person"
    );
    ok(site.run(resubmit.iter().chain(&["--why", "again"])), 2);
    fits(&site);
}

#[test]
fn lastmodified_says_which_of_two_events_is_newer_whenever_they_came() {
    let site = Site::new();
    let rows =
        [("add", 1, "none", "05/20/2026 10:00:00"), ("add", 2, "none", "05/20/2026 10:00:00")];
    site.put("patients-1.csv", events("lastmodified", &rows));
    ok(site.run(["run"]), 3);
    let rows = [("update", 1, "", "05/20/2026 11:00:00"), ("update", 2, "", "05/20/2026 09:00:00")];
    site.put("patients-2.csv", events("lastmodified", &rows));
    ok(site.run(["run"]), 3);
    let text = fs::read_to_string(site.interface_file()).unwrap();
    let text = text.replace("[wire]", "[codes.race]\n\"none\" = \"2106-3\"\n[wire]");
    fs::write(site.interface_file(), text).unwrap();
    ok(site.run(["queue", "resubmit", NAME, "ALL", "--why", "mended"]), 3);
    ok(site.run(["run"]), 3);
    assert_eq!(words(&arrived(&site)[1].1), ["A28 2"]);
    assert_eq!(queue(&site), ["R001 patients-1.csv 1 times 1"]);
}

#[test]
fn decisions_about_records_and_deliveries_are_left_to_a_pass_that_is_at_work() {
    let site = waiting();
    ok(site.run(["queue", "hold", "--interface", NAME]), 0);
    site.put("patients-2.csv", format!("{HEADER}{}", patient(8, "12")));
    ok(site.run(["run"]), 3);
    let lock = site.spool().lock().unwrap().unwrap();
    let now = ["--why", "they called", "--wait", "0"];
    let left = |args: &[&str]| {
        let said = ok(site.run(args.iter().chain(&now)), 0).out;
        assert!(said.contains("a pass is at work"), "{said}");
    };
    left(&["queue", "--close-all", "D001"]);
    left(&["delivery", "99999-000002.hl7", "--delivered"]);
    assert_eq!(states(&site), serde_json::json!({ "ERROR": 4, "PROCESSED": 1, "SCHEDULED": 1 }));
    drop(lock);
    ok(site.run(["run"]), 0);
    assert_eq!(states(&site), serde_json::json!({ "DELETED": 4, "PROCESSED": 2 }));
    assert_eq!(arrived(&site).len(), 1, "they had it, so nothing is sent");
    ok(site.run(["queue", "--close", "1,2"].iter().chain(&now)), 2);
    fits(&site);
}

#[test]
fn rows_of_reference_extracts_are_not_converted_alone() {
    let site = Site::new();
    site.put("departments.csv", "departmentid,name\n12,NORTH\n,NOWHERE\n");
    ok(site.run(["run"]), 3);
    let said = ok(site.run(["queue", "resubmit", NAME, "ALL", "--why", "x"]), 2);
    assert!(said.err.contains("dropping their extract again"), "{said:?}");
    fits(&site);
}

#[test]
fn every_verb_says_how_it_is_used() {
    for verb in [
        "group",
        "map",
        "resubmit",
        "resend",
        "rebuild",
        "hold",
        "release",
        "delete",
        "mark-delivered",
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hl7drop"));
        let said = crate::site::ended(command.args(["queue", verb, "--help"]));
        let said = ok(said, 0).out;
        assert!(said.contains("EXIT STATUS") && said.contains("--json"), "{verb}: {said}");
    }
}
