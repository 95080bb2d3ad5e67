//! Finding messages and rows, and one of them whole: through the real program.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use flate2::{Compression, write::GzEncoder};
use serde_json::Value;

use crate::site::{NAME, Output, Site};

const PATIENTS: &str = "event,patientid,lastname,firstname,dob,sex,race\n\
    add,7001,Doe,Ann,04/22/1987,F,\n\
    add,7002,Roe,\"Bob,\nB\",01/02/1950,M,\n\
    add,7003,Poe,Cid,03/03/1960,M,no such race\n";

const APPOINTMENTS: &str = "event,appointmentid,patientid,departmentid,appointmentstatus,date,\
    starttime,duration,providerid\n\
    schedule,500,7001,12,f,06/18/2026,13:05,60,27\n\
    ,501,,12,o,06/19/2026,09:00,15,27\n";

const PROVIDERS: &str = "providerid,npi,lastname,firstname\n27,1369497585,MCDERMOTT,DEONTAE\n";

const DEPARTMENTS: &str = "departmentid,name\n12,RIVERBEND NORTH\n";

/// A site whose drop made three messages, an error and an open slot.
fn site() -> Site {
    let site = Site::new();
    site.put("providers.csv", PROVIDERS);
    site.put("departments.csv", DEPARTMENTS);
    site.put("patients.csv", PATIENTS);
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(APPOINTMENTS.as_bytes()).unwrap();
    site.put("appointments.csv.gz", packed.finish().unwrap());
    let said = site.run(["run"]);
    assert_eq!(said.code, Some(3), "{said:?}");
    site
}

fn search(site: &Site, args: &[&str]) -> Vec<Value> {
    let mut all = vec!["queue", "search", "--json"];
    all.extend(args);
    let said = site.run(&all);
    assert_eq!(said.code, Some(0), "{args:?}: {said:?}");
    said.json()[0]["hits"].as_array().unwrap().clone()
}

/// Returns `state event record` of each hit.
fn told(hits: &[Value]) -> Vec<String> {
    let word = |value: &Value| value.as_str().unwrap_or("-").to_string();
    let one = |hit: &Value| {
        let what = if hit["event"].is_null() { &hit["reason"] } else { &hit["event"] };
        format!("{} {} {}", word(&hit["state"]), word(what), hit["record"])
    };
    hits.iter().map(one).collect()
}

fn show(site: &Site, hit: &Value) -> Output {
    let said = site.run(["queue", "show", hit["message"].as_str().unwrap(), "--json"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    said
}

#[test]
fn messages_and_rows_are_found_by_all_that_is_known_of_them() {
    let site = site();
    let ann = ["PROCESSED appointment_scheduled 1", "PROCESSED patient_added 1"];
    assert_eq!(told(&search(&site, &["--patient", "7001"])), ann);
    assert_eq!(told(&search(&site, &["--patient", "7001", "--event", "patient_added"])), ann[1..]);
    assert_eq!(told(&search(&site, &["--appointment", "500"])), ann[..1]);
    assert_eq!(told(&search(&site, &["--appointment", "500", "--patient", "7002"])), [""; 0]);
    let cid = ["ERROR R001 3"];
    assert_eq!(told(&search(&site, &["--patient", "7003"])), cid);
    assert_eq!(told(&search(&site, &["--state", "error"])), cid);
    assert_eq!(told(&search(&site, &["--reason", "R001", "--file", "patients.csv"])), cid);
    let slot = ["FILTERED open_slot 2"];
    assert_eq!(told(&search(&site, &["--appointment", "501"])), slot);
    assert_eq!(told(&search(&site, &["--state", "filtered"])), slot);
    assert_eq!(told(&search(&site, &["--reason", "open_slot"])), slot);
    assert_eq!(told(&search(&site, &["--patient", "700"])), [""; 0], "half an ID is none");
    let all = search(&site, &[]);
    assert_eq!(all.len(), 5, "{all:?}");
    assert_eq!(told(&search(&site, &["--state", "PROCESSED"])).len(), 3);
    assert_eq!(told(&search(&site, &["--state", "NEW"])), [""; 0]);
    let batch = all[0]["batch"].as_str().unwrap();
    assert_eq!(search(&site, &["--batch", batch]).len(), 3);
    assert_eq!(search(&site, &["--from", "2020-01-01", "--to", "2099-01-01"]).len(), 5);
    assert_eq!(search(&site, &["--to", "2020-01-01"]).len(), 0);
    let control = all[1]["control_id"].as_str().unwrap();
    for id in [control, control.trim_end_matches("M99999")] {
        assert_eq!(search(&site, &["--control", id]), [all[1].clone()], "{id}");
    }
    assert_eq!(search(&site, &["--control", "1M00000"]).len(), 0, "another practice's");
    let mut asked = site.command(["queue", "search", "--patient", "-"]);
    let mut asked = asked.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    asked.stdin.take().unwrap().write_all(b"7002\n").unwrap();
    let output = asked.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("1 hit\n") && !text.contains("7002"), "{text}");
}

#[test]
fn pages_go_on_where_the_one_before_ended_whatever_comes_in() {
    let site = site();
    let all = search(&site, &[]);
    let (mut seen, mut after): (Vec<Value>, Option<String>) = (Vec::new(), None);
    loop {
        let mut args = vec!["queue", "search", NAME, "--json", "--limit", "2"];
        args.extend(after.iter().flat_map(|after| ["--after", after.as_str()]));
        let page = site.run(&args).json()[0].take();
        seen.extend(page["hits"].as_array().unwrap().clone());
        match page["next"].as_str() {
            Some(next) => after = Some(next.to_string()),
            None => break,
        }
        // A drop between two pages comes before them.
        let id = 8000 + seen.len();
        site.put("more.csv", "");
        site.put("patients.csv", PATIENTS.replace("7001", &id.to_string()));
        site.run(["run"]);
    }
    // What comes in may take the place of a row that waits: which they are stays the same.
    let which = |hits: &[Value]| hits.iter().map(|hit| hit["message"].clone()).collect::<Vec<_>>();
    assert_eq!(which(&seen), which(&all));
}

#[test]
fn a_message_is_shown_whole_and_who_saw_it_is_kept() {
    let site = site();
    let found = search(&site, &["--patient", "7002"]);
    let whole = show(&site, &found[0]).json();
    let raw = whole["raw"]["text"].as_str().unwrap();
    assert!(raw.starts_with("MSH|") && raw.contains("Roe^Bob") && !raw.contains("BTS"), "{raw}");
    assert_eq!(whole["source_row"]["text"], "add,7002,Roe,\"Bob,\nB\",01/02/1950,M,");
    let fields = whole["fields"].as_array().unwrap();
    let family = fields.iter().find(|field| field["field"] == "PID-5").unwrap();
    assert_eq!(family["name"], "Patient Name");
    assert!(family["rule"].as_str().unwrap().contains("lastname"), "{family}");
    assert!(whole["deliveries"][0]["receipt"]["path"].is_string(), "{whole}");
    let name = found[0]["message"].as_str().unwrap();
    let said = site.run(["queue", "show", name]);
    for part in ["was taken in", "has it:", "Source row", "Message Control ID", "patients.csv"] {
        assert!(said.out.contains(part), "{part}: {said:?}");
    }
    assert_eq!(site.run(["queue", "show", name, "--raw"]).out, raw);
    // A gzip archive, and the row of the open slot.
    let slot = show(&site, &search(&site, &["--state", "filtered"])[0]).json();
    assert!(slot["raw"].is_null() && slot["source_row"]["text"].as_str().unwrap().contains("501"));
    let views = site.engine().views(9).unwrap();
    let seen: Vec<&str> = views.iter().map(|view| view.what.as_str()).collect();
    assert_eq!(seen[1..], [name, name, name], "newest first");
    assert!(views.iter().all(|view| view.sign.by.contains("uid")), "{views:?}");
    for (text, wanted) in [("99-m0", "there is no such message"), ("x", "names no message")] {
        let said = site.run(["queue", "show", text]);
        assert_eq!(said.code, Some(2), "{said:?}");
        assert!(said.err.contains(wanted), "{said:?}");
    }
    let log = site.spool().root.join("views.log");
    let text = fs::read_to_string(&log).unwrap();
    fs::write(&log, text.replacen(name, "1-m9", 1)).unwrap();
    assert!(site.engine().views(9).unwrap_err().to_string().contains("was changed"));
}

#[test]
fn what_somebody_took_away_is_told_in_a_sentence() {
    let site = site();
    let found = search(&site, &["--patient", "7002"]);
    fs::remove_dir_all(&site.spool().archive).unwrap();
    let whole = show(&site, &found[0]).json();
    let missing = whole["source_row"]["missing"].as_str().unwrap();
    assert!(missing.contains("patients.csv is not in archive/ any more"), "{missing}");
    assert!(whole["raw"]["text"].is_string(), "the rest is there");
    fs::remove_dir_all(&site.spool().sent).unwrap();
    let whole = show(&site, &found[0]).json();
    assert!(whole["raw"]["missing"].as_str().unwrap().contains("took it away"), "{whole}");
}

#[test]
fn a_lost_index_is_missed_told_and_made_anew() {
    let site = site();
    let before = search(&site, &[]);
    let index = fs::read_dir(&site.spool().index).unwrap().next().unwrap().unwrap().path();
    fs::write(&index, b"no index").unwrap();
    let checked = site.run(["check", "--offline"]);
    assert_eq!(checked.code, Some(5), "{checked:?}");
    assert!(checked.out.contains("is not as it was written"), "{checked:?}");
    fs::remove_file(&index).unwrap();
    let said = site.run(["queue", "search", "--patient", "7001"]);
    assert_eq!(said.code, Some(5), "{said:?}");
    assert!(said.err.contains("1 drop could not be searched"), "{said:?}");
    assert!(site.run(["check", "--offline"]).out.contains("is not there"));
    assert_eq!(site.run(["run"]).code, Some(3));
    assert_eq!(site.run(["check", "--offline"]).code, Some(0));
    let mut after = search(&site, &[]);
    for hit in &mut after {
        if hit["reason"] == "unknown" {
            (hit["reason"], hit["reason_text"]) =
                ("open_slot".into(), before[3]["reason_text"].clone());
        }
    }
    let sorted = |mut hits: Vec<Value>| {
        hits.sort_by_key(|hit| hit["file"].to_string() + &hit["record"].to_string());
        hits.into_iter()
            .map(|hit| {
                (
                    hit["control_id"].clone(),
                    hit["line"].clone(),
                    hit["state"].clone(),
                    hit["event"].clone(),
                )
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(sorted(after), sorted(before));
    assert_eq!(search(&site, &["--patient", "7001"]).len(), 2);
}

/// Returns `message state control` of each hit.
fn named(hits: &[Value]) -> Vec<String> {
    let word = |value: &Value| value.as_str().unwrap_or("-").to_string();
    let one = |hit: &Value| {
        format!("{} {} {}", word(&hit["message"]), word(&hit["state"]), word(&hit["control_id"]))
    };
    hits.iter().map(one).collect()
}

#[test]
fn what_was_made_anew_is_found_by_every_id_it_ever_had() {
    let site = site();
    let rebuild = |batch: &str, more: &[&str]| {
        let said =
            site.run(["queue", "rebuild", batch, "--why", "they lost it"].iter().chain(more));
        assert_eq!(said.code, Some(0), "{said:?}");
    };
    rebuild("99999-000001.hl7", &["--message", "2M99999,3M99999"]);
    assert_eq!(site.run(["run"]).code, Some(3));
    rebuild("99999-000002.hl7", &[]);
    let visit = ["b3-m1 NEW 7M99999", "b2-m1 PROCESSED 5M99999", "1-m2 PROCESSED 3M99999"];
    assert_eq!(named(&search(&site, &["--control", "3M99999"])), visit);
    assert_eq!(named(&search(&site, &["--control", "5"])), visit[..2]);
    assert_eq!(named(&search(&site, &["--control", "7M99999"])), visit[..1]);
    assert_eq!(named(&search(&site, &["--control", "7M1"])), [""; 0], "another practice's");
    assert_eq!(named(&search(&site, &["--appointment", "500"])), visit);
    let more = search(&site, &["--appointment", "500", NAME, "--after", "b3-m1", "--limit", "1"]);
    assert_eq!(named(&more), visit[1..2]);
    let new = ["b3-m1 NEW 7M99999", "b3-m0 NEW 6M99999"];
    assert_eq!(named(&search(&site, &["--state", "NEW"])), new);
    assert_eq!(named(&search(&site, &["--batch", "99999-000003.hl7"])), new);
    let hits = search(&site, &["--control", "7"]);
    assert_eq!(hits[0]["file"], "appointments.csv.gz");
    let whole = show(&site, &hits[0]).json();
    assert!(whole["raw"]["text"].as_str().unwrap().contains("|7M99999|"), "{whole}");
    assert!(whole["source_row"]["text"].as_str().unwrap().starts_with("schedule,500"), "{whole}");
    assert_eq!(site.run(["check"]).code, Some(0));
    // An index that is lost is made anew of the batch file and the rows of the first drop.
    let index = site.spool().index.join("b3.idx");
    fs::remove_file(&index).unwrap();
    assert_eq!(site.run(["run"]).code, Some(3));
    assert!(index.exists());
    let lines = search(&site, &["--patient", "7002"]);
    let wanted = ["b3-m0 PROCESSED 6M99999", "b2-m0 PROCESSED 4M99999", "1-m1 PROCESSED 2M99999"];
    assert_eq!(named(&lines), wanted);
    assert!(lines.iter().all(|hit| hit["record"] == 2), "{lines:?}");
}
