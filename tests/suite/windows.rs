//! Delivery windows: what is made outside them waits as SCHEDULED and goes by itself when the
//! next one opens; what people hold, they hold.

use std::fs;
use std::time::Duration;

use hl7drop::clock::{Clock, shown};
use hl7drop::engine::{Asked, Engine, Task};
use hl7drop::ledger::{Ledger, Sign, Sqlite, Temp};

use crate::site::{Site, states};

const HEADER: &str = "event,patientid,lastname,firstname,dob,sex\n";

/// A site that sends at night, and its engine; a clock that is fixed has UTC.
fn night() -> (Site, Engine) {
    let site = Site::new();
    let text = fs::read_to_string(site.interface_file()).unwrap();
    let text = text.replace("[project]\n", "[project]\ntimezone = \"UTC\"\n");
    fs::write(site.interface_file(), text + "windows = [\"20:00-06:00\"]\n").unwrap();
    let engine = site.engine();
    (site, engine)
}

fn put(site: &Site, id: u32) {
    let row = format!("{HEADER}add,{id},Doe,Ann,02/14/1987,F\n");
    site.put(&format!("patients-{id}.csv"), row);
}

/// Runs at a time; returns how many files the partner has, and when the next one goes.
fn at(site: &Site, engine: &mut Engine, time: &str) -> (usize, String) {
    engine.clock = Clock::Fixed(time.parse().unwrap());
    let summary = engine.run(None).unwrap();
    let next = summary.release_at.map(|at| shown(at, &engine.agreement.scope.timezone));
    (fs::read_dir(&site.partner).unwrap().count(), next.unwrap_or_default())
}

fn ask(engine: &Engine, task: &Task) -> Result<Asked, String> {
    let (by, why) = ("anna".to_string(), "they called".to_string());
    let sign = Sign { by, why, at: engine.clock.unix() };
    engine.ask(task, &sign, Duration::ZERO).map_err(|err| err.to_string())
}

#[test]
fn what_is_made_by_day_waits_as_scheduled_and_goes_at_night() {
    let (site, mut engine) = night();
    let evening = "2026-05-20 20:00:00".to_string();
    put(&site, 1);
    assert_eq!(at(&site, &mut engine, "2026-05-20T12:00:00"), (0, evening.clone()));
    assert_eq!(states(&site)["SCHEDULED"], 1);
    put(&site, 2);
    assert_eq!(at(&site, &mut engine, "2026-05-20T19:59:59"), (0, evening));
    assert_eq!(states(&site)["SCHEDULED"], 2);
    assert_eq!(at(&site, &mut engine, "2026-05-20T20:00:00"), (2, String::new()));
    put(&site, 3);
    assert_eq!(at(&site, &mut engine, "2026-05-21T05:59:59"), (3, String::new()));
    assert_eq!(states(&site), serde_json::json!({ "PROCESSED": 3 }));
    let actions = site.run(["status", "--json"]).json()[0]["actions"].take();
    let steps: Vec<(&str, &str)> = actions
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["verb"].as_str().unwrap(), one["why"].as_str().unwrap()))
        .collect();
    let (hold, release) = (("hold", "outside its delivery windows"), ("release", "its time came"));
    assert_eq!(steps, [release, release, hold, hold], "each step has its line");
}

#[test]
fn nobody_lets_a_file_go_outside_its_window_and_what_is_held_longer_stays() {
    let (site, mut engine) = night();
    put(&site, 1);
    at(&site, &mut engine, "2026-05-20T12:00:00");
    let batch = Some("99999-000001.hl7".to_string());
    let release = Task::Release { batch: batch.clone() };
    let refused = ask(&engine, &release).unwrap_err();
    assert!(refused.contains("its delivery window opens at 2026-05-20 20:00:00"), "{refused}");
    // A person who holds it means the night too.
    ask(&engine, &Task::Hold { batch, until: None }).unwrap();
    assert_eq!(at(&site, &mut engine, "2026-05-20T21:00:00"), (0, String::new()));
    assert_eq!(states(&site)["SCHEDULED"], 1);
    engine.clock = Clock::Fixed("2026-05-21T12:00:00".parse().unwrap());
    let Asked::Done(done) = ask(&engine, &release).unwrap() else { panic!("nobody is at work") };
    assert_eq!(done.note.unwrap(), "its delivery window opens at 2026-05-21 20:00:00");
    let evening = "2026-05-21 20:00:00".to_string();
    assert_eq!(at(&site, &mut engine, "2026-05-21T12:01:00"), (0, evening));
    assert_eq!(at(&site, &mut engine, "2026-05-21T20:00:00"), (1, String::new()));
}

#[test]
fn an_interface_that_is_held_stays_held_when_its_window_opens() {
    let (site, mut engine) = night();
    put(&site, 1);
    at(&site, &mut engine, "2026-05-20T12:00:00");
    ask(&engine, &Task::Hold { batch: None, until: None }).unwrap();
    assert_eq!(at(&site, &mut engine, "2026-05-20T20:00:00"), (0, String::new()));
    ask(&engine, &Task::Release { batch: None }).unwrap();
    assert_eq!(at(&site, &mut engine, "2026-05-20T20:01:00"), (1, String::new()));
}

#[test]
fn what_is_half_sent_when_the_window_closes_goes_on_with_the_next_one() {
    let (site, mut engine) = night();
    for id in [1, 2] {
        put(&site, id);
        at(&site, &mut engine, "2026-05-20T12:00:00");
    }
    // The window opened, and a process died in its first upload.
    let mut ledger = Sqlite::open(&site.spool().ledger(), &engine.owner()).unwrap();
    let sign = Sign { by: "hl7drop".into(), why: "its time came".into(), at: 1 };
    ledger.release(1, "test", &sign).unwrap();
    let temp = Temp { name: ".99999-000001.hl7.1.part".into(), place: "elsewhere".into() };
    ledger.sending(1, "test", &temp).unwrap();
    drop(ledger);
    engine.clock = Clock::Fixed("2026-05-21T12:00:00".parse().unwrap());
    let tried = engine.run(None).unwrap().deliveries;
    let why = tried[0].outcome.as_ref().unwrap_err();
    assert_eq!((tried.len(), &*why.what), (1, "outside its delivery windows"));
    assert_eq!(why.again_at, next_evening(&engine));
    assert_eq!(states(&site), serde_json::json!({ "PENDING": 1, "SCHEDULED": 1 }));
    assert_eq!(at(&site, &mut engine, "2026-05-21T20:00:00"), (2, String::new()));
}

fn next_evening(engine: &Engine) -> Option<i64> {
    let evening: jiff::civil::DateTime = "2026-05-21T20:00:00".parse().unwrap();
    let zone = &engine.agreement.scope.timezone;
    Some(zone.to_timestamp(evening).unwrap().as_second())
}
