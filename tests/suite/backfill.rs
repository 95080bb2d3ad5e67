//! Backfills: all patients, then all appointments to come, beside the day's traffic
//! (`interface.md` 7, 8.20).

use std::fs;
use std::io::{Read, Write};
use std::process::{Command, Stdio};

use flate2::{Compression, write::GzEncoder};
use hl7drop::clock::{Clock, shown};
use hl7drop::engine::BackfillState;
use serde_json::Value;

use crate::crash::until_false;
use crate::doubt::aborted_at_nth;
use crate::site::{NAME, Output, Site, ended, names, words};

pub const PATIENTS: &str = "patientid,lastname,firstname,dob,sex,city,lastmodified\n";
pub const APPOINTMENTS: &str = "appointmentid,patientid,departmentid,providerid,date,starttime,\
     duration,appointmentstatus,appointmenttype,lastmodified\n";

/// A site whose backfills have two messages a file, and go as fast as they can.
fn site() -> Site {
    site_with("messages_per_minute = 0\nmessages_per_file = 2\n")
}

/// A site with lines in `[backfill]`, or behind it.
pub fn site_with(lines: &str) -> Site {
    let site = Site::new();
    let text = fs::read_to_string(site.interface_file()).unwrap();
    let more = "[provider_id]\nuse = \"athena\"\n[guard]\nrows_min = 2\n[backfill]\n";
    fs::write(site.interface_file(), format!("{text}{more}{lines}")).unwrap();
    site
}

/// Writes one of the settings otherwise.
pub fn set(site: &Site, from: &str, to: &str) {
    let text = fs::read_to_string(site.interface_file()).unwrap();
    assert!(text.contains(from), "{from} in {text}");
    fs::write(site.interface_file(), text.replace(from, to)).unwrap();
}

pub fn patient(id: u32, city: &str) -> String {
    let dob = if city == "bad" { "04/31/1987" } else { "04/30/1987" };
    format!("{id},Doe,Ann,{dob},F,{city},05/18/2026 08:00:00\n")
}

fn patients(ids: impl IntoIterator<Item = u32>) -> String {
    let rows: String = ids.into_iter().map(|id| patient(id, "Scranton")).collect();
    format!("{PATIENTS}{rows}")
}

pub fn appointment(id: u32, patient: &str, year: u32, status: &str) -> String {
    format!("{id},{patient},12,27,05/21/{year},10:00,15,{status},Physical,05/18/2026 08:00:00\n")
}

/// Five patients; of the appointments two are booked and to come.
fn appointments() -> String {
    let rows = [
        appointment(1, "1", 2126, "f"),
        appointment(2, "2", 2016, "f"),
        appointment(3, "3", 2016, "3"),
        appointment(4, "", 2126, "o"),
        appointment(5, "5", 2126, "f"),
        appointment(6, "4", 2126, "x"),
        appointment(7, "99", 2126, "f"),
    ];
    format!("{APPOINTMENTS}{}", rows.concat())
}

/// Puts full extracts beside the site's settings; returns their paths.
fn full(site: &Site, files: &[(&str, &[u8])]) -> Vec<String> {
    files
        .iter()
        .map(|(name, bytes)| {
            let path = site.root().join(name);
            fs::write(&path, bytes).unwrap();
            path.to_str().unwrap().to_string()
        })
        .collect()
}

pub fn start(site: &Site, files: &[(&str, &[u8])]) -> Output {
    let paths = full(site, files);
    let args = ["backfill", "start", NAME].map(String::from).into_iter().chain(paths);
    site.run(args.chain(["--json".to_string()]))
}

/// Starts a backfill of both extracts.
fn both(site: &Site) -> Output {
    let (patients, appointments) = (patients(1..=5), appointments());
    let files = [
        ("patients-full.csv", patients.as_bytes()),
        ("appointments-full.csv", appointments.as_bytes()),
    ];
    let said = start(site, &files);
    assert_eq!(said.code, Some(3), "{said:?}");
    said
}

fn release(site: &Site) {
    let said = site.run(["backfill", "release", NAME]);
    assert_eq!(said.code, Some(0), "{said:?}");
}

/// What the partner has, in the order of the files.
fn sent(site: &Site) -> Vec<String> {
    texts(site).iter().flat_map(|text| words(text)).collect()
}

pub fn texts(site: &Site) -> Vec<String> {
    let mut files: Vec<_> =
        fs::read_dir(&site.partner).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| fs::read_to_string(file).unwrap()).collect()
}

pub fn status(site: &Site) -> Value {
    site.run(["backfill", "status", NAME, "--json"]).json()[0].take()
}

/// The files below a folder of the spool.
fn files(site: &Site, folder: &str) -> Vec<String> {
    let folder = site.spool().root.join(folder);
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let files = entries.filter(|entry| entry.path().is_file());
    let mut names: Vec<String> =
        files.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

const ALL: [&str; 7] =
    ["A28 1", "A28 2", "A28 3", "A28 4", "A28 5", "S12 1 BOOKED", "S12 5 BOOKED"];

#[test]
fn all_patients_are_told_and_then_the_appointments_to_come() {
    let site = site();
    let said = both(&site).json();
    let prepared = &said["prepared"];
    assert_eq!((&said["stage"], &prepared["patients_as"]), (&"prepared".into(), &"A28".into()));
    let counts = |counts: &Value| {
        ["rows", "sent", "filtered", "error", "duplicate", "messages"]
            .map(|key| counts[key].as_u64().unwrap())
    };
    assert_eq!(counts(&prepared["patients"]), [5, 5, 0, 0, 0, 5]);
    // Open, past, over, cancelled; and one of a patient whom nobody knows.
    assert_eq!(counts(&prepared["appointments"]), [7, 2, 4, 1, 0, 2]);
    assert!(prepared["bytes"].as_u64().unwrap() > 1000);
    assert_eq!(prepared["notes"]["not_to_come"], 3);
    assert_eq!(prepared["faults"][0]["code"], "A001");
    assert_eq!(prepared["doubts"], Value::Array(Vec::new()));
    // Nothing leaves before a person says so.
    assert_eq!(site.run(["run"]).code, Some(0));
    assert_eq!(sent(&site), [""; 0]);
    let seen = site.run(["backfill", "preview", NAME, "--messages"]);
    assert!(seen.out.contains("MSH|^~\\&|ATHENANET|99999") && seen.out.contains("Doe^Ann"));
    assert_eq!(site.engine().views(9).unwrap()[0].what, "the first messages of a backfill");
    release(&site);
    let said = site.run(["run"]);
    assert_eq!(said.code, Some(3), "one appointment waits: {said:?}");
    assert_eq!(sent(&site), ALL);
    for text in texts(&site) {
        assert!(text.contains("|hl7drop backfill=Y env=T|") && text.contains("s backfill=Y|"));
    }
    let done = status(&site);
    let released = &done["released"];
    assert_eq!((&done["stage"], &done["prepared"]), (&"done".into(), &Value::Null));
    assert_eq!(counts(&released["patients"]), [5, 5, 0, 0, 0, 5]);
    assert_eq!(counts(&released["appointments"]), [7, 2, 4, 1, 0, 2]);
    assert_eq!((&released["rows"], &released["files_taken"]), (&12.into(), &7.into()));
    assert_eq!((files(&site, "backfill"), files(&site, "backfill/slices")), (vec![], vec![]));
    let status = site.run(["status", "--json"]).json()[0].take();
    let why = "12 rows = 7 sent + 4 filtered + 1 error + 0 duplicate";
    assert_eq!(
        (&status["actions"][0]["verb"], &status["actions"][0]["why"]),
        (&"backfill-done".into(), &why.into())
    );
    assert_eq!(site.run(["check"]).code, Some(0));
    // The register knows them now: the same extract, dropped, tells nothing.
    site.put("patients.csv", patients(1..=5));
    site.run(["run"]);
    assert_eq!(sent(&site), ALL);
}

#[test]
fn a_rate_holds_the_next_file_back_and_hours_hold_all_of_them() {
    let site = site_with("messages_per_minute = 2\nwindows = [\"20:00-06:00\"]\n");
    // As a clock that is fixed has it.
    set(&site, "[project]\n", "[project]\ntimezone = \"UTC\"\n");
    both(&site);
    let mut engine = site.engine();
    let mut at = |time: &str| {
        engine.clock = Clock::Fixed(time.parse().unwrap());
        let summary = engine.run(None).unwrap();
        let zone = &engine.agreement.scope.timezone;
        let due = summary.backfill_due.map(|due| shown(due, zone));
        (sent(&site).len(), due.unwrap_or_default())
    };
    assert_eq!(at("2026-05-20T12:00:00"), (0, String::new()), "not released");
    release(&site);
    assert_eq!(at("2026-05-20T12:00:00"), (0, "2026-05-20 20:00:00".into()));
    assert_eq!(at("2026-05-20T20:00:00"), (2, "2026-05-20 20:01:00".into()));
    assert_eq!(at("2026-05-20T20:00:59"), (2, "2026-05-20 20:01:00".into()));
    assert_eq!(at("2026-05-21T05:59:30"), (4, "2026-05-21 20:00:00".into()), "the night is over");
    assert_eq!(at("2026-05-21T12:00:00"), (4, "2026-05-21 20:00:00".into()));
    // One patient is left: half a minute. Then the files of appointments.
    assert_eq!(at("2026-05-21T20:00:00"), (5, "2026-05-21 20:00:30".into()));
    assert_eq!(at("2026-05-21T20:00:30"), (6, "2026-05-21 20:01:00".into()));
    let last = (7, "2026-05-21 20:01:30".into());
    assert_eq!(at("2026-05-21T20:01:00"), last, "a file without messages costs no time");
    assert_eq!(at("2026-05-21T20:01:30"), (7, String::new()));
    assert_eq!(status(&site)["stage"], "done");
}

#[test]
fn the_days_changes_go_first_and_nothing_older_overtakes_them() {
    // A file holds one message, and the next one waits for a minute.
    let site = site_with("messages_per_minute = 1\n");
    let said = start(&site, &[("patients-full.csv", patients(1..=3).as_bytes())]);
    assert_eq!(said.code, Some(3), "{said:?}");
    release(&site);
    site.run(["run"]);
    assert_eq!(sent(&site), ["A28 1"]);
    // 1 was told by the backfill, 2 and 4 were not.
    let newer = |id| patient(id, "Dunmore").replace("05/18/2026", "05/20/2026");
    site.put("patients.csv", format!("{PATIENTS}{}{}{}", newer(1), newer(2), newer(4)));
    let said = site.run(["run"]);
    assert_eq!(sent(&site), ["A28 1", "A31 1", "A28 2", "A28 4"], "{said:?}");
    set(&site, "messages_per_minute = 1", "messages_per_minute = 0");
    site.run(["run"]);
    // What the full extract says of 2 is older; 3 is news.
    assert_eq!(sent(&site), ["A28 1", "A31 1", "A28 2", "A28 4", "A28 3"]);
    let released = status(&site)["released"].take();
    assert_eq!(
        (&released["patients"]["sent"], &released["patients"]["filtered"]),
        (&2.into(), &1.into())
    );
    let last = texts(&site).pop().unwrap();
    assert!(last.contains("Scranton") && !texts(&site)[1].contains("Scranton"));
}

#[test]
fn how_long_it_takes_is_told_by_what_is_left_and_not_by_what_was_foreseen() {
    let site = site_with("messages_per_minute = 1\n");
    set(&site, "[project]\n", "[project]\ntimezone = \"UTC\"\n");
    let mut engine = site.engine();
    let zone = jiff::tz::TimeZone::UTC;
    let ten = zone.to_timestamp("2026-05-20T10:00:00".parse().unwrap()).unwrap();
    // In how many minutes from ten on the last message goes, and how many are to come.
    let mut at = |minute: i64, run: bool| {
        engine.clock =
            Clock::Fixed(zone.to_datetime(ten + jiff::SignedDuration::from_mins(minute)));
        if run {
            engine.run(None).unwrap();
        }
        let state = BackfillState::look(&engine).unwrap();
        (state.ends.map(|at| (at - ten.as_second()) / 60), state.left())
    };
    start(&site, &[("patients-full.csv", patients(1..=4).as_bytes())]);
    assert_eq!(at(0, false), (Some(3), Some(4)), "the last of four waits for three minutes");
    release(&site);
    assert_eq!(at(0, true), (Some(3), Some(3)));
    assert_eq!(at(10, false), (Some(12), Some(3)), "nobody was at work for ten minutes");
    site.put("patients.csv", format!("{PATIENTS}{}", patient(2, "Dunmore")));
    // The day tells the second; it is passed over, and the third goes at once.
    assert_eq!(at(10, true), (Some(11), Some(1)));
    assert_eq!(at(11, true), (None, None));
    assert_eq!(sent(&site), ["A28 1", "A28 2", "A28 3", "A28 4"]);
}

/// The program in a terminal of 80 columns.
fn in_a_terminal(site: &Site, args: &[&str]) -> Command {
    let command = site.command(args);
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<String> = words.map(|word| format!("'{}'", word.to_str().unwrap())).collect();
    let line = format!("stty cols 80 rows 24; exec {}", words.join(" "));
    let mut terminal = Command::new("script");
    terminal.args(["-qefc", &line, "/dev/null"]).env("TERM", "xterm").stdin(Stdio::null());
    terminal
}

#[test]
fn a_bar_on_a_terminal_says_how_far_it_is_until_it_waits_for_a_person() {
    let site = site_with("messages_per_minute = 1\n");
    both(&site);
    release(&site);
    assert_eq!(site.run(["run"]).code, Some(0));
    assert_eq!(sent(&site), ["A28 1"]);
    let args = ["backfill", "status", NAME, "--follow"];
    let before = status(&site)["ends_at"].as_i64().unwrap();
    let mut terminal = in_a_terminal(&site, &args).stdout(Stdio::piped()).spawn().unwrap();
    let (mut out, mut said) = (terminal.stdout.take().unwrap(), String::new());
    let mut bytes = [0; 4096];
    while !said.contains("not done before") {
        let read = out.read(&mut bytes).unwrap();
        assert!(read > 0, "it ended: {said}");
        said += &String::from_utf8_lossy(&bytes[..read]);
    }
    let after = status(&site)["ends_at"].as_i64().unwrap();
    assert_eq!(site.run(["backfill", "pause", NAME]).code, Some(0));
    out.read_to_string(&mut said).unwrap();
    assert_eq!(terminal.wait().unwrap().code(), Some(3), "{said:?}");
    assert!(said.contains("1/7 messages ["), "{said:?}");
    // The hour is whole, as are both ends of the line.
    let zone = site.engine().agreement.scope.timezone.clone();
    let mut told = (before..=after).map(|at| shown(at, &zone));
    assert!(told.any(|at| said.contains(&format!("not done before {at}"))), "{said:?}");
    assert!(said.contains("backfill 1 is paused, 1 of "), "{said:?}");
    // Where it is no terminal, nothing but the end is said.
    let said = site.run(args);
    assert!(said.code == Some(3) && said.err.is_empty() && !said.out.contains('['), "{said:?}");
}

#[test]
fn what_was_told_before_is_told_again_unless_it_was_newer() {
    let site = site();
    let newer = patient(2, "Dunmore").replace("05/18/2026", "05/20/2026");
    site.put("patients.csv", format!("{PATIENTS}{}{newer}", patient(1, "Scranton")));
    site.run(["run"]);
    start(&site, &[("patients-full.csv", patients(1..=3).as_bytes())]);
    release(&site);
    site.run(["run"]);
    assert_eq!(sent(&site), ["A28 1", "A28 2", "A28 1", "A28 3"]);
}

#[test]
fn the_vendor_may_have_patients_as_a31() {
    let site = site_with("patients = \"A31\"\nmessages_per_minute = 0\n");
    start(&site, &[("patients-full.csv", patients(1..=2).as_bytes())]);
    release(&site);
    site.run(["run"]);
    assert_eq!(sent(&site), ["A31 1", "A31 2"]);
}

#[test]
fn the_same_backfill_is_released_once() {
    let site = site();
    both(&site);
    release(&site);
    let said = site.run(["backfill", "release", NAME]);
    assert_eq!(said.code, Some(2), "{said:?}");
    site.run(["run"]);
    both(&site);
    let said = site.run(["backfill", "release", NAME]);
    assert_eq!(said.code, Some(2), "{said:?}");
    for part in ["the same extracts were released as backfill 1 by ", "is done: 12 rows = 7 sent"] {
        assert!(said.err.contains(part), "{said:?}");
    }
    site.run(["run"]);
    assert_eq!(sent(&site).len(), 7);
    let said = site.run(["backfill", "release", NAME, "--anyway"]);
    assert_eq!(said.code, Some(2), "no reason given");
    let args = ["backfill", "release", NAME, "--anyway", "--why", "the vendor lost its database"];
    let said = site.run(args);
    assert_eq!(said.code, Some(0), "{said:?}");
    site.run(["run"]);
    assert_eq!(sent(&site)[7..], ALL);
    assert_eq!(status(&site)["released"]["number"], 2);
}

#[test]
fn the_same_backfill_prepared_again_within_a_second_waits_for_its_release() {
    let site = site();
    let mut engine = site.engine();
    engine.clock = Clock::Fixed("2026-05-20T12:00:00".parse().unwrap());
    let file = full(&site, &[("patients-full.csv", patients(1..=5).as_bytes())]);
    let extracts = [std::path::PathBuf::from(&file[0])];
    engine.start_backfill(&extracts).unwrap();
    release(&site);
    engine.run(None).unwrap();
    assert_eq!(sent(&site).len(), 5);
    engine.start_backfill(&extracts).unwrap();
    // The pass must not take its slices for what is left of the one before.
    engine.run(None).unwrap();
    assert_eq!(files(&site, "backfill/slices").len(), 3);
    let args = ["backfill", "release", NAME, "--anyway", "--why", "the vendor lost its database"];
    let said = site.run(args);
    assert_eq!(said.code, Some(0), "{said:?}");
    engine.run(None).unwrap();
    assert_eq!(sent(&site).len(), 10);
}

#[test]
fn an_extract_that_lost_half_its_rows_is_held() {
    let site = site();
    start(&site, &[("patients-full.csv", patients(1..=40).as_bytes())]);
    release(&site);
    site.run(["run"]);
    let said = start(&site, &[("patients-full.csv", patients(1..=20).as_bytes())]);
    let doubts = said.json()["prepared"]["doubts"].take();
    let lost = "the extract has 20 patients and the last backfill had 40: did it lose rows?";
    assert!(doubts[0].as_str().unwrap().starts_with(lost), "{doubts}");
    assert!(doubts[1].as_str().unwrap().contains("the register knows 40"), "{doubts}");
    let said = site.run(["backfill", "release", NAME]);
    assert!(said.code == Some(2) && said.err.contains("is held"), "{said:?}");
    let told = site.run(["backfill", "status", NAME]);
    assert!(told.code == Some(3) && told.out.contains("HELD: the extract has 20"), "{told:?}");
    assert_eq!(sent(&site).len(), 40);
    let said = site.run(["backfill", "cancel", NAME, "--why", "half an export"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(files(&site, "backfill/slices"), [""; 0]);
    let said = start(&site, &[("patients-full.csv", patients(1..=41).as_bytes())]);
    assert_eq!(said.json()["prepared"]["doubts"], Value::Array(Vec::new()));
}

#[test]
fn external_ids_that_are_not_unique_are_listed_before_anything_leaves() {
    let site = site_with(
        "messages_per_minute = 0\nmessages_per_file = 2\n[[external_ids.patient]]\n\
         name = \"MRN\"\ncustom_field_id = \"21\"\ncategory = \"mrn\"\nfield = \"PID-3\"\n",
    );
    // 1 and 12 share one, and 3 comes twice: the newer row counts.
    let row = |id: u32, mrn: &str, when: u32| {
        format!("{id},Doe,Ann,04/30/1987,F,{mrn},05/{when}/2026 08:00:00\n")
    };
    let head = "patientid,lastname,firstname,dob,sex,customfield_21,lastmodified\n";
    let mut text = head.to_string();
    (1..=12).for_each(|id| {
        let mrn = if id == 12 { "0001".to_string() } else { format!("000{id}") };
        text += &row(id, &mrn, 18);
    });
    text += &row(3, "0003", 19);
    let said = start(&site, &[("patients-full.csv", text.as_bytes())]);
    let prepared = said.json()["prepared"].take();
    assert_eq!(prepared["extracts"][0]["together"], 4, "{prepared}");
    assert_eq!(prepared["not_unique_rows"], 2);
    let at =
        |one: usize| (&prepared["not_unique"][one]["file"], &prepared["not_unique"][one]["line"]);
    let last = Value::from("patients-full-backfill-000006.csv");
    assert_eq!((at(0), at(1)), ((&last, &2.into()), (&last, &4.into())), "{prepared}");
    let shown = site.run(["backfill", "preview", NAME]);
    assert!(shown.out.contains("2 rows have external IDs that others have too"), "{shown:?}");
    assert!(!shown.out.contains("0001"), "no value of a patient");
    let lies = fs::read_to_string(site.spool().slices.join(last.as_str().unwrap())).unwrap();
    assert_eq!(lies.lines().count(), 5, "a header, and the rows that share something");
    release(&site);
    site.run(["run"]);
    let sent = sent(&site);
    assert_eq!((sent.len(), sent.last().unwrap().as_str()), (10, "A28 3"));
    assert!(!sent.contains(&"A28 1".to_string()) && !sent.contains(&"A28 12".to_string()));
    let released = status(&site)["released"].take();
    let counts = &released["patients"];
    assert_eq!(
        (&counts["rows"], &counts["error"], &counts["duplicate"]),
        (&13.into(), &2.into(), &1.into())
    );
}

#[test]
fn a_backfill_is_paused_resumed_and_given_up() {
    let site = site_with("messages_per_minute = 1\n");
    start(&site, &[("patients-full.csv", patients(1..=4).as_bytes())]);
    for verb in ["pause", "resume"] {
        assert_eq!(site.run(["backfill", verb, NAME]).code, Some(2), "{verb}: not released yet");
    }
    release(&site);
    site.run(["run"]);
    let said = site.run(["backfill", "pause", NAME, "--why", "their server is slow"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(site.run(["status"]).code, Some(3));
    set(&site, "messages_per_minute = 1", "messages_per_minute = 0");
    site.run(["run"]);
    assert_eq!(sent(&site), ["A28 1"]);
    assert_eq!(site.run(["backfill", "pause", NAME]).code, Some(2), "it is paused");
    assert_eq!(site.run(["backfill", "resume", NAME]).code, Some(0));
    assert_eq!(site.run(["backfill", "cancel", NAME]).code, Some(2), "no reason given");
    let said = site.run(["backfill", "cancel", NAME, "--why", "another export comes"]);
    assert!(said.out.contains("is cancelled, 1 of 4 files"), "{said:?}");
    site.run(["run"]);
    assert_eq!((sent(&site), files(&site, "backfill/slices")), (vec!["A28 1".into()], vec![]));
    let said = site.run(["backfill", "run", NAME]);
    assert!(said.code == Some(2) && said.err.contains("no backfill was released"), "{said:?}");
}

#[test]
fn run_sends_all_of_it_where_there_is_no_daemon() {
    let site = site();
    both(&site);
    release(&site);
    let said = site.run(["backfill", "run", NAME]);
    assert!(said.out.contains("is done, 7 of 7 files taken in"), "{said:?}");
    assert_eq!(sent(&site), ALL);
}

#[test]
fn a_backfill_waits_as_long_as_something_of_the_day_does() {
    let site = site();
    both(&site);
    release(&site);
    // What is of today cannot be delivered.
    let away = site.root().join("away");
    fs::rename(&site.partner, &away).unwrap();
    site.put("patients.csv", patients(8..=9));
    site.run(["run"]);
    let mut engine = site.engine();
    engine.clock = Clock::System;
    assert_eq!(engine.run(None).unwrap().backfill_due, None, "a daemon must not try and try");
    let status = status(&site);
    assert_eq!(status["in_the_way"], "1 batch files are not delivered yet", "{status}");
    assert_eq!(status["released"]["files_taken"], 0);
    fs::rename(&away, &site.partner).unwrap();
    site.run(["run", "--retry"]);
    let sent = sent(&site);
    assert_eq!(
        (&sent[..2], &sent[2..]),
        (&["A28 8".into(), "A28 9".into()][..], &ALL.map(String::from)[..])
    );
}

#[test]
fn a_slice_that_breaks_the_process_down_pauses_its_backfill_and_the_day_goes_on() {
    let site = site();
    both(&site);
    release(&site);
    // The first slice goes out, the second breaks the process down each time it is read.
    for deaths in 1..=3 {
        aborted_at_nth(&site, "intake.reading", if deaths == 1 { 2 } else { 1 });
        assert_eq!(sent(&site), ["A28 1", "A28 2"], "after {deaths}");
        assert_eq!(status(&site)["stage"], "released");
    }
    site.put("patients.csv", patients(8..=8));
    let said = site.run(["run"]);
    assert_eq!((said.code, sent(&site)), (Some(0), all(&["A28 1", "A28 2", "A28 8"])), "{said:?}");
    let paused = status(&site);
    assert_eq!(paused["stage"], "paused");
    let why = paused["released"]["paused_because"].as_str().unwrap();
    assert!(why.contains("backfill-000002.csv: hl7drop broke down 3 times while"), "{why}");
    // It is not blamed for ever.
    assert_eq!(site.run(["backfill", "resume", NAME]).code, Some(0));
    site.run(["run"]);
    assert_eq!(status(&site)["stage"], "done");
    let told = sent(&site);
    assert_eq!(told[3..6], all(&["A28 3", "A28 4", "A28 5"]), "{told:?}");
    assert_eq!(names(&site.spool().backfill), ["slices"]);
}

fn all(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_string()).collect()
}

#[test]
fn what_cannot_go_on_is_paused_and_says_why() {
    let site = site();
    both(&site);
    release(&site);
    let slice = site.spool().slices.join("patients-full-backfill-000001.csv");
    let text = fs::read(&slice).unwrap();
    fs::remove_file(&slice).unwrap();
    let said = site.run(["run"]);
    assert_eq!((said.code, sent(&site).len()), (Some(0), 0), "{said:?}");
    let paused = status(&site);
    assert_eq!(paused["stage"], "paused");
    let incident = site.run(["status", "--json"]).json()[0]["incidents"][0].take();
    assert_eq!(incident["cause"], "backfill", "people are told");
    let why = paused["released"]["paused_because"].as_str().unwrap();
    assert!(why.ends_with("patients-full-backfill-000001.csv is not there any more"), "{why}");
    // A plan that cannot be read holds up nothing of the day.
    let plan = site.spool().backfill.join("plan.json");
    let good = fs::read(&plan).unwrap();
    fs::write(&plan, "{").unwrap();
    site.run(["backfill", "resume", NAME]);
    site.put("patients.csv", patients(8..=8));
    site.run(["run"]);
    assert_eq!(
        (sent(&site), status(&site)["stage"].take()),
        (vec!["A28 8".into()], "paused".into())
    );
    fs::write(&plan, good).unwrap();
    // Somebody wrote what no rehearsal saw: bad rows, too many of them.
    let text = String::from_utf8(text).unwrap() + &patient(9, "x");
    fs::write(&slice, text.replace("04/30", "04/31")).unwrap();
    site.run(["backfill", "resume", NAME]);
    set(&site, "rows_min = 2", "rows_min = 1\nfaults_percent_max = 0");
    site.run(["run"]);
    let why = status(&site)["released"]["paused_because"].take();
    let wanted = "3 rows are bad and the preview foresaw 1: what changed since?";
    assert!(why.as_str().unwrap().starts_with(wanted), "{why}");
    assert_eq!((sent(&site).len(), site.run(["queue"]).out.contains("T001")), (1, false));
}

#[test]
fn extracts_that_will_not_do_are_refused_with_what_to_do() {
    let site = site();
    let events = patients(1..=2).replace("patientid", "event").into_bytes();
    for (files, wanted) in [
        (&[("stuff.csv", &b"x"[..])][..], "give it a name that matches a pattern"),
        (&[("providers.csv", b"x")], "drop it into the inbox"),
        (&[("patients.csv", b"x"), ("patients-2.csv", b"y")], "put them into one file"),
        (&[("patients.csv", b"patientid\n1\n")], "the header has no column"),
        (&[("patients.csv", b"")], "the file is empty"),
        (&[("patients.csv", &events)], "patientid"),
    ] {
        let said = start(&site, files);
        assert_eq!(said.code, Some(2), "{wanted}: {said:?}");
        assert!(said.err.contains(wanted), "{wanted}: {said:?}");
        assert_eq!(status(&site)["stage"], Value::Null);
    }
    let named = patients(1..=2).replace(",city,", ",event,");
    let said = start(&site, &[("patients.csv", named.as_bytes())]);
    assert!(said.err.contains("its column `event` says what happened"), "{said:?}");
    both(&site);
    let said = start(&site, &[("patients-full.csv", patients(1..=2).as_bytes())]);
    assert!(said.code == Some(2) && said.err.contains("waits for its release"), "{said:?}");
}

#[test]
fn an_extract_may_be_compressed_or_of_objects() {
    let plain = site();
    both(&plain);
    release(&plain);
    plain.run(["run"]);
    let other = site();
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(patients(1..=5).as_bytes()).unwrap();
    let objects: String = appointments()
        .lines()
        .skip(1)
        .map(|line| {
            let values: Vec<&str> = line.split(',').collect();
            let names = APPOINTMENTS.trim_end().split(',');
            let object: serde_json::Map<String, Value> =
                names.zip(values).map(|(name, value)| (name.to_string(), value.into())).collect();
            format!("{}\n", Value::Object(object))
        })
        .collect();
    let packed = packed.finish().unwrap();
    let files =
        [("patients-full.csv.gz", &packed[..]), ("appointments-full.ndjson", objects.as_bytes())];
    assert_eq!(start(&other, &files).code, Some(3));
    release(&other);
    other.run(["run"]);
    let bare = |site: &Site| -> Vec<String> {
        let texts = texts(site).concat();
        let segments =
            texts.split('\r').filter(|line| !line.starts_with("MSH") && !line.contains("HS|"));
        segments.map(str::to_string).collect()
    };
    assert_eq!(bare(&other), bare(&plain));
}

/// A site for a sweep: in one file of each kind every step is met. The long form has two.
fn swept() -> Site {
    let long = std::env::var_os("HL7DROP_SWEEP").is_some_and(|form| form == "long");
    let rows = if long { 4 } else { 9 };
    site_with(&format!("messages_per_minute = 0\nmessages_per_file = {rows}\n"))
}

/// Runs the program with a fault; returns the place that it met.
fn struck(site: &Site, args: &[&str], nth: u32) -> Option<String> {
    let mut command = site.command(args);
    let said = ended(command.env("HL7DROP_FAULT", format!("abort:{nth}")));
    said.err.lines().find_map(|line| line.strip_prefix("fault at ")).map(str::to_string)
}

#[test]
fn power_lost_at_any_place_of_a_backfill_tells_each_once() {
    until_false(|nth| {
        let site = swept();
        both(&site);
        release(&site);
        let met = struck(&site, &["run"], nth);
        site.run(["run"]);
        assert_eq!(sent(&site), ALL, "place {nth}, {met:?}");
        assert_eq!(status(&site)["stage"], "done", "place {nth}, {met:?}");
        assert_eq!(site.run(["check"]).code, Some(0), "place {nth}, {met:?}");
        assert_eq!(files(&site, "backfill/slices"), [""; 0], "place {nth}, {met:?}");
        assert!(met.is_some() || nth > 100, "{nth} places are no sweep");
        met.is_some()
    });
}

#[test]
fn power_lost_while_it_is_prepared_or_decided_leaves_it_prepared_or_not() {
    until_false(|nth| {
        let site = swept();
        let (patients, appointments) = (patients(1..=5), appointments());
        let files = [
            ("patients-full.csv", patients.as_bytes()),
            ("appointments-full.csv", appointments.as_bytes()),
        ];
        let paths = full(&site, &files);
        let args = ["backfill", "start", NAME, &paths[0], &paths[1]];
        let begun = struck(&site, &args, nth);
        if status(&site)["stage"] == Value::Null {
            assert_eq!(site.run(args).code, Some(3), "place {nth}, {begun:?}");
        }
        let decided = struck(&site, &["backfill", "release", NAME], nth);
        if status(&site)["stage"] == "prepared" {
            release(&site);
        }
        site.run(["run"]);
        assert_eq!(sent(&site), ALL, "place {nth}, {begun:?}, {decided:?}");
        assert_eq!(status(&site)["stage"], "done", "place {nth}");
        assert!(begun.is_some() || nth > 20, "{nth} places are no sweep");
        begun.is_some()
    });
}
