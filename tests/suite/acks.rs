//! Acknowledgements, from the vendor's response file to what people see.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;

use hl7drop::spool::Spool;
use serde_json::json;

use crate::sftpd::server;
use crate::site::{NAME, Output, Site, ended, names, states};

const BATCH: &str = "99999-000001.hl7";
/// Stands for a patient in what a vendor writes: must be seen nowhere but where asked for.
const CANARY: &str = "Zephyrine Quackenbush";

const PATIENTS: &str = "event,patientid,lastname,firstname,dob,sex\n\
                        add,1,Doe,Ann,02/14/1987,F\nadd,2,Roe,Bea,02/14/1987,F\n\
                        add,3,Poe,Cyd,02/14/1987,F\n";

fn settings(site: &Site, lines: &str) {
    let mut file = fs::File::options().append(true).open(site.interface_file()).unwrap();
    writeln!(file, "{lines}").unwrap();
}

/// A site whose vendor acknowledges, with three messages delivered.
fn delivered(site: Site, lines: &str) -> Site {
    settings(&site, &format!("ack = \"batch\"\n{lines}"));
    site.put("patients.csv", PATIENTS);
    let said = site.run(["run"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    site
}

/// FHS-11 of the batch file, and BHS-11 of its first batch.
fn references(site: &Site) -> (String, String) {
    let sent = Spool::list_shelf(&site.spool().sent).unwrap();
    let text = fs::read_to_string(&sent[0]).unwrap();
    let field = |name: &str| {
        let segment = text.split('\r').find(|segment| segment.starts_with(name)).unwrap();
        segment.split('|').nth(10).unwrap().to_string()
    };
    (field("FHS"), field("BHS"))
}

pub fn message(code: &str, control: u64, more: &str) -> String {
    format!(
        "MSH|^~\\&|CARESYNC||ATHENANET|99999|1||ACK^A28|{control}|T|2.3.1\rMSA|{code}|{control}M99999{more}\r"
    )
}

/// A response file to a file, in the form of the golden one.
pub fn response(file: &str, batch: &str, messages: &[String]) -> String {
    format!(
        "FHS|^~\\&|CARESYNC||ATHENANET|99999|1||ACK||1|{file}\rBHS|^~\\&|CARESYNC||ATHENANET|99999|1||ACK||2|{batch}\r{}BTS|{}\rFTS|1\r",
        messages.concat(),
        messages.len()
    )
}

fn answer(site: &Site, name: &str, text: &str) {
    fs::write(site.partner.join(name), text).unwrap();
}

/// Nothing of a patient in what a verb said.
fn clean(said: &Output) {
    assert!(!said.out.contains(CANARY) && !said.err.contains(CANARY), "{said:?}");
}

#[test]
fn a_batch_is_pending_until_the_receiver_says_which_messages_are_wrong() {
    let site = delivered(Site::over_sftp(server()), "");
    assert_eq!(states(&site), json!({ "PENDING": 3 }));
    let sent = fs::read_to_string(site.partner.join(BATCH)).unwrap();
    assert!(sent.contains("|2.3.1|||NE|ER\r"), "MSH-15 and MSH-16");
    let said = site.run(["status"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.contains("not acknowledged: 99999-000001.hl7 by test"), "{said:?}");

    let (file, batch) = references(&site);
    let refused = message("AE", 2, &format!("|{CANARY}")) + "ERR|PV1^1^3^103\r";
    answer(&site, "ACK-1.ack", &response(&file, &batch, &[refused]));
    let said = site.run(["run"]);
    assert_eq!(said.code, Some(3), "{said:?}");
    assert!(said.out.contains("0 accepted, 1 refused by name; about 99999-000001.hl7"), "{said:?}");
    clean(&said);
    assert_eq!(states(&site), json!({ "ERROR": 1, "PROCESSED": 2 }));
    assert_eq!(names(&site.partner), [BATCH], "it is removed at the vendor's end");
    let kept = Spool::list_shelf(&site.spool().responses).unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!(fs::metadata(&kept[0]).unwrap().permissions().mode() & 0o777, 0o600);

    let said = site.run(["acks"]);
    assert_eq!(said.code, Some(3), "{said:?}");
    let line = "2: 2M99999 refused by test (AE): PV1-3: table value not found (103)";
    assert!(said.out.contains(line), "{said:?}");
    clean(&said);
    let said = site.run(["acks", "--texts", "--json"]).json()[0]["rejected"][0].take();
    assert_eq!((&said["text"], &said["control_id"]), (&json!(CANARY), &json!("2M99999")));

    assert_eq!(site.run(["acks", NAME, "--close", "2"]).code, Some(2), "who closes says why");
    let close = |number| site.run(["acks", NAME, "--close", number, "--why", "mended there"]);
    assert_eq!(close("3").code, Some(2), "it was not refused");
    assert_eq!(close("2").code, Some(0));
    assert_eq!(states(&site), json!({ "DELETED": 1, "PROCESSED": 2 }));
    assert_eq!(site.run(["run"]).code, Some(0), "and nobody is bothered any more");
    assert_eq!(site.run(["check", "--offline"]).code, Some(0));
}

#[test]
fn an_empty_response_accepts_all_and_so_does_one_that_names_all() {
    type Form = fn(&str, &str) -> String;
    let forms: [(&str, Form); 6] = [
        ("empty", |file, batch| response(file, batch, &[])),
        ("of the file alone", |file, _| response(file, "", &[])),
        ("without FHS", |_, batch| format!("BHS|^~\\&|||||||||2|{batch}\rBTS|0\r")),
        ("file's ID in BHS-12", |file, _| format!("BHS|^~\\&|||||||||2|{file}\nBTS|0\n")),
        ("all by name", |file, batch| {
            response(file, batch, &[1, 2, 3].map(|at| message("AA", at, "")))
        }),
        ("bare", |_, _| [1, 2, 3].map(|at| message("CA", at, "")).concat()),
    ];
    for (what, form) in forms {
        let site = delivered(Site::new(), "");
        let (file, batch) = references(&site);
        answer(&site, "a.ack", &form(&file, &batch));
        let said = site.run(["run"]);
        assert_eq!(said.code, Some(0), "{what}: {said:?}");
        assert_eq!(states(&site), json!({ "PROCESSED": 3 }), "{what}");
        assert_eq!(names(&site.partner), [BATCH]);
    }
}

#[test]
fn who_names_what_is_accepted_must_name_all() {
    let site = delivered(Site::new(), "ack_after = \"rename\"");
    let (file, batch) = references(&site);
    answer(&site, "1.ack", &response(&file, &batch, &[message("AA", 3, "")]));
    assert_eq!(site.run(["run"]).code, Some(0));
    assert_eq!(states(&site), json!({ "PENDING": 2, "PROCESSED": 1 }));
    answer(&site, "2.ack", &response(&file, &batch, &[message("AR", 1, "")]));
    assert_eq!(site.run(["run"]).code, Some(3));
    assert_eq!(states(&site), json!({ "ERROR": 1, "PENDING": 1, "PROCESSED": 1 }));
    // The receiver takes the first one after all, under a name that was used before.
    answer(&site, "1.ack", &(message("AA", 1, "") + &message("AA", 2, "")));
    assert_eq!(site.run(["run"]).code, Some(0));
    assert_eq!(states(&site), json!({ "PROCESSED": 3 }));
    let left = [BATCH, "1.ack.done", "1.ack.done-2", "2.ack.done"].map(String::from);
    let mut expected = left.to_vec();
    expected.sort();
    assert_eq!(names(&site.partner), expected);
    assert_eq!(Spool::list_shelf(&site.spool().responses).unwrap().len(), 3);
}

#[test]
fn an_answer_to_one_batch_of_a_file_leaves_the_other_pending() {
    let site = Site::new();
    settings(&site, "ack = \"batch\"");
    site.put("providers.csv", "providerid,npi,lastname,firstname\n1,1234567893,Who,Cara\n");
    site.put("departments.csv", "departmentid,name\n1,Main\n");
    site.put("patients.csv", PATIENTS);
    site.put(
        "appointments.csv",
        "event,appointmentid,patientid,departmentid,providerid,date,starttime,duration,appointmenttypeid,appointmenttype\n\
         schedule,9,1,1,1,02/14/2031,09:00,15,8,Exam\n",
    );
    let said = site.run(["run"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(states(&site), json!({ "PENDING": 4 }));
    let (_, batch) = references(&site);
    assert!(batch.ends_with('1'));
    answer(&site, "a.ack", &format!("BHS|^~\\&|||||||||2|{batch}\rBTS|0\r"));
    assert_eq!(site.run(["run"]).code, Some(0));
    assert_eq!(states(&site), json!({ "PENDING": 1, "PROCESSED": 3 }));
    let second = format!("{}2", &batch[..batch.len() - 1]);
    answer(
        &site,
        "b.ack",
        &format!("BHS|^~\\&|||||||||2|{second}\r{}BTS|1\r", message("AE", 4, "")),
    );
    assert_eq!(site.run(["run"]).code, Some(3));
    assert_eq!(states(&site), json!({ "ERROR": 1, "PROCESSED": 3 }));
}

#[test]
fn what_cannot_be_used_is_kept_with_its_reason_and_changes_nothing() {
    let site = delivered(Site::new(), "");
    let (file, batch) = references(&site);
    let good = response(&file, &batch, &[message("AE", 2, &format!("|{CANARY}"))]);
    let odd = [
        ("cut.ack", good[..good.len() - 8].to_string(), "the file ends without"),
        (
            "stranger.ack",
            response("20200101000000000001", "", &[]),
            "nothing that it names was sent",
        ),
        ("other.ack", message("AE", 77, ""), "nothing that it names was sent"),
        ("nobody.ack", "MSH|^~\\&|||||||ACK\rMSA|AE|2M11111\r".into(), "nothing that it names"),
        (
            "ours.ack",
            fs::read_to_string(site.partner.join(BATCH)).unwrap(),
            "MSH-9 does not say ACK",
        ),
        ("silent.ack", "BHS|^~\\&|\rBTS|0\r".into(), "it names no file"),
        ("empty.ack", String::new(), "the file is empty"),
    ];
    for (name, text, _) in &odd {
        answer(&site, name, text);
    }
    answer(&site, "not an answer.txt", "x");
    let said = site.run(["run"]);
    assert_eq!(said.code, Some(3), "{said:?}");
    clean(&said);
    for (name, text, why) in &odd {
        let kept = site.spool().odd.join(name);
        assert_eq!(fs::read_to_string(&kept).unwrap(), *text, "{name}");
        assert_eq!(fs::metadata(&kept).unwrap().permissions().mode() & 0o777, 0o600);
        let told = fs::read_to_string(site.spool().odd.join(format!("{name}.why.toml"))).unwrap();
        assert!(told.contains(why) && !told.contains(CANARY), "{name}: {told}");
    }
    assert_eq!(states(&site), json!({ "PENDING": 3 }));
    assert_eq!(names(&site.partner), [BATCH, "not an answer.txt"]);
    let said = site.run(["status"]);
    assert_eq!(said.code, Some(3), "{said:?}");
    assert!(said.out.contains("responses/odd/"), "{said:?}");

    // One part of it fits: that counts, and the rest is told.
    answer(&site, "half.ack", &(message("AE", 2, "") + &message("AE", 99, "")));
    let said = site.run(["run"]);
    assert!(said.out.contains("1 of the messages that it names are none"), "{said:?}");
    assert_eq!(states(&site), json!({ "ERROR": 1, "PENDING": 2 }));
    // The same bytes again, under another name.
    answer(&site, "again.ack", &(message("AE", 2, "") + &message("AE", 99, "")));
    let said = site.run(["run", "--json"]).json()[0]["acknowledgements"].take();
    assert_eq!(said["responses"][0]["again"], true, "{said}");
    assert_eq!(states(&site), json!({ "ERROR": 1, "PENDING": 2 }));
    assert_eq!(names(&site.partner), [BATCH, "not an answer.txt"]);
}

#[test]
fn an_answer_that_does_not_come_is_told_and_a_person_can_end_the_wait() {
    let site = delivered(Site::new(), "ack_within_minutes = 1");
    let late = |site: &Site, verb: &str| {
        let mut command = site.command([verb, "--json"]);
        // The wait is a minute; the clock of the ledger is what counts.
        age(site);
        ended(&mut command)
    };
    assert_eq!(site.run(["status"]).code, Some(0));
    let said = late(&site, "status");
    assert_eq!(said.code, Some(4), "{said:?}");
    assert_eq!(said.json()[0]["awaited"][0]["overdue"], true);
    let said = site.run(["run"]);
    assert_eq!(said.code, Some(4), "{said:?}");
    assert!(said.out.contains("NOT acknowledged in time: 99999-000001.hl7 by test"), "{said:?}");
    assert!(site.run(["acks"]).out.contains("OVERDUE since"));
    let end = ["acks", NAME, "--acknowledged", BATCH, "--why", "they told me by telephone"];
    assert_eq!(site.run(end).code, Some(0));
    assert_eq!(site.run(end).code, Some(2), "it awaits nothing any more");
    assert_eq!(states(&site), json!({ "PROCESSED": 3 }));
    assert_eq!(site.run(["run"]).code, Some(0));
    let actions = site.run(["status", "--json"]).json()[0]["actions"].take();
    assert_eq!(actions[0]["verb"], "acknowledged");
}

/// Moves the delivery an hour into the past: the settings say within a minute, and no test
/// waits that long. Done through the ledger's own steps, on a copy of its row.
fn age(site: &Site) {
    let sql = rusqlite::Connection::open(site.spool().ledger()).unwrap();
    let columns = "batch, endpoint, stage, temp, place, rename_at, tries, resent, failures, failure, \
                   failure_stopped, failure_at, again_at, path, bytes, evidence, server, host_key, \
                   delivered_at, held_until, answer_within, answered_at, out_name, out_digest, \
                   out_bytes";
    sql.execute("UPDATE delivery SET delivered_at = delivered_at - 3600", []).unwrap();
    let sealed: String = sql
        .query_row(&format!("SELECT {columns} FROM delivery"), [], |row| {
            let mut text = String::new();
            for at in 0..25 {
                text += &match row.get_ref(at)? {
                    rusqlite::types::ValueRef::Integer(number) => format!("{number};"),
                    rusqlite::types::ValueRef::Text(bytes) => {
                        format!("{}:{};", bytes.len(), String::from_utf8_lossy(bytes))
                    }
                    _ => "-;".to_string(),
                };
            }
            let mut seal = hl7drop::digest::Digest::of(text.as_bytes()).to_string();
            seal.truncate(16);
            Ok(seal)
        })
        .unwrap();
    sql.execute("UPDATE delivery SET seal = $1", [sealed]).unwrap();
}

#[test]
fn a_folder_of_answers_that_cannot_be_looked_at_is_told_and_not_asked_for_ever() {
    let site = Site::new();
    settings(&site, "ack = \"batch\"\nack_folder = \"../answers\"");
    site.put("patients.csv", PATIENTS);
    let said = site.run(["run"]);
    assert_eq!(said.code, Some(4), "{said:?}");
    assert!(
        said.out.contains("no look for response files of test: there is no folder"),
        "{said:?}"
    );
    let folder = site.root().join("answers");
    fs::create_dir(&folder).unwrap();
    let (file, batch) = references(&site);
    fs::write(folder.join("a.ack"), response(&file, &batch, &[])).unwrap();
    assert_eq!(site.run(["run"]).code, Some(4), "it waits for whoever mends it");
    assert_eq!(names(&folder), ["a.ack"]);
    let said = site.run(["run", "--retry"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(names(&folder), [""; 0]);
    assert_eq!(states(&site), json!({ "PROCESSED": 3 }));
}

#[test]
fn an_answer_proves_a_delivery_that_nobody_could_tell() {
    let site = Site::new();
    settings(&site, "ack = \"batch\"\non_inferred = \"hold\"");
    site.put("patients.csv", PATIENTS);
    crate::doubt::aborted_at(&site, "ledger.verified.after");
    let temp = format!(".{BATCH}.1.part");
    fs::remove_file(site.partner.join(temp)).unwrap();
    assert_eq!(site.run(["run"]).code, Some(4));
    let outbox = fs::read_to_string(site.spool().outbox.join(BATCH)).unwrap();
    let file = &outbox.split('|').nth(10).unwrap()[..20];
    answer(&site, "a.ack", &response(file, "", &[message("AE", 3, "")]));
    let said = site.run(["run"]);
    assert_eq!(said.code, Some(4), "what was uncertain before the look is told: {said:?}");
    assert_eq!(states(&site), json!({ "ERROR": 1, "PROCESSED": 2 }));
    let status = site.run(["status", "--json"]).json()[0].take();
    assert_eq!(status["delivered"][0]["receipt"]["evidence"], "acknowledged");
    assert_eq!(names(&site.spool().outbox), [".staged"], "it went to sent/");
    assert_eq!(site.run(["check", "--offline"]).code, Some(0));
}

#[test]
fn a_crash_anywhere_loses_no_answer_and_counts_none_twice() {
    let mut places = Vec::new();
    for kind in ["abort", "error"] {
        for nth in 1.. {
            let site = delivered(Site::new(), "ack_after = \"rename\"");
            let (file, batch) = references(&site);
            let text = response(&file, &batch, &[message("AE", 2, "")]);
            answer(&site, "a.ack", &text);
            answer(&site, "b.ack", "MSH|no\r");
            let mut command = site.command(["run"]);
            let said = ended(command.env("HL7DROP_FAULT", format!("{kind}:{nth}")));
            let Some(place) = said.err.lines().find_map(|line| line.strip_prefix("fault at "))
            else {
                break;
            };
            places.push(place.to_string());
            let fault = format!("{kind}:{nth} at {place}");
            let said = site.run(["run", "--retry"]);
            assert_eq!(said.code, Some(3), "{fault}: {said:?}");
            assert_eq!(states(&site), json!({ "ERROR": 1, "PROCESSED": 2 }), "{fault}");
            // Once an answer is awaited again, what a crash left there is put away.
            site.put(
                "patients.csv",
                PATIENTS.split_once("add,2").unwrap().0.replace("add,1", "add,7"),
            );
            assert_eq!(site.run(["run"]).code, Some(3), "{fault}");
            let states = states(&site);
            assert_eq!(states, json!({ "ERROR": 1, "PENDING": 1, "PROCESSED": 2 }), "{fault}");
            let mut left = names(&site.partner);
            left.retain(|name| !name.ends_with(".hl7"));
            assert_eq!(left, ["a.ack.done", "b.ack.done"], "{fault}");
            let kept = Spool::list_shelf(&site.spool().responses).unwrap();
            let good = kept.iter().filter(|path| fs::read_to_string(path).unwrap() == text);
            assert!(good.count() >= 1, "{fault}: the answer is kept");
            let odd = Spool::list(&site.spool().odd).unwrap();
            assert!(odd.contains(&"b.ack".to_string()), "{fault}: {odd:?}");
            assert_eq!(site.run(["check", "--offline"]).code, Some(0), "{fault}");
        }
    }
    for place in ["acks.fetched", "acks.shelved", "ledger.respond.before", "acks.committed"] {
        assert!(places.iter().any(|met| met.starts_with(place)), "{place}: {places:?}");
    }
}
