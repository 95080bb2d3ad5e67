//! What is done leaves with its time: the real engine, its clock set on by days.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hl7drop::clock::Clock;
use hl7drop::config::interface;
use hl7drop::crashpoint::{self, Fault};
use hl7drop::domain::QueueState;
use hl7drop::engine::{Engine, Locator, Query, Selection, Silent, Standing, Summary, Task, check};
use hl7drop::ledger::{Ledger, Retention, Sign, Sqlite};
use jiff::ToSpan;
use jiff::civil::DateTime;

use crate::site::{NAME, Site, files_below, names_below};

const FIRST: &str = "event,patientid,lastname,firstname,dob,sex,race\n\
    add,1,Doe,Ann,01/02/1980,F,2106-3\nadd,2,Roe,Bob,01/02/1980,M,no such race\n";
const SECOND: &str = "event,patientid,lastname,firstname,dob,sex\nadd,3,Poe,Cid,01/02/1980,M\n";
const THIRD: &str = "event,patientid,lastname,firstname,dob,sex\nadd,4,Low,Dee,01/02/1980,F\n";

/// A site whose messages stay for 30 days.
fn site(more: &str) -> Site {
    let site = Site::new();
    let text = fs::read_to_string(site.interface_file()).unwrap();
    let text = format!("{text}[retention]\nqueue_days = 30\n{more}");
    fs::write(site.interface_file(), text).unwrap();
    site
}

/// The interface of a site below `root`, so many days after the first.
fn at(root: &Path, day: i32) -> Engine {
    let file = root.join("interfaces").join(format!("{NAME}.toml"));
    let text = fs::read_to_string(&file).unwrap();
    let scope = interface::read(&text, file.parent().unwrap()).unwrap();
    let mut engine = Engine::open(scope, &root.join("spool"), 1, Arc::new(Silent)).unwrap();
    let first: DateTime = "2026-05-20T11:00:00".parse().unwrap();
    engine.clock = Clock::Fixed(first.checked_add(day.days()).unwrap());
    engine
}

fn run(site: &Site, day: i32) -> Summary {
    at(site.root(), day).run(None).unwrap()
}

/// Runs on two days, since nothing leaves on the first after a long sleep.
fn sweep(site: &Site, day: i32) -> Summary {
    run(site, day - 1);
    run(site, day)
}

fn sign(engine: &Engine) -> Sign {
    Sign { by: "anna".into(), why: "x".into(), at: engine.clock.unix() }
}

fn close(engine: &Engine, record: i64) {
    let task = Task::Close(Selection::of_ids(vec![record]));
    engine.ask(&task, &sign(engine), Duration::ZERO).unwrap();
}

fn is_whole(engine: &Engine) {
    for checked in check::state(engine).unwrap() {
        assert_eq!(checked.wrong, None, "{}", checked.what);
    }
}

fn peek(engine: &Engine) -> Sqlite {
    Sqlite::peek(&engine.spool.ledger(), &engine.owner()).unwrap().unwrap()
}

#[test]
fn what_is_done_leaves_after_its_days_and_what_waits_stays() {
    let site = site("");
    let spool = site.spool();
    site.put("patients-1.csv", FIRST);
    run(&site, 0);
    site.put("patients-2.csv", SECOND);
    run(&site, 10);
    assert_eq!(sweep(&site, 30).pruned.messages, 0, "30 days are not over");
    let left = run(&site, 31).pruned;
    assert_eq!((left.messages, left.files), (1, 2), "a batch file and an extract");
    let engine = at(site.root(), 31);
    is_whole(&engine);
    assert_eq!(names_below(&spool.sent), ["99999-000002.hl7"]);
    assert_eq!(names_below(&spool.archive), ["patients-2.csv"]);
    assert_eq!(fs::read_dir(&spool.archive).unwrap().count(), 1, "no empty day stays");
    assert_eq!(spool.indexes().unwrap().len(), 2, "by it the record that waits is found");
    let waits = Query { state: Some(Standing::In(QueueState::Error)), ..Query::default() };
    let found = engine.find(&waits, None, 9).unwrap();
    assert_eq!((found.hits.len(), found.unsearchable), (1, vec![]));
    let all = engine.find(&Query::default(), None, 9).unwrap().hits;
    assert_eq!(all.len(), 2, "the message of the second drop, and the record of the first");
    let by_patient = |id: &str| {
        let query = Query { patient: Some(id.into()), ..Query::default() };
        engine.find(&query, None, 9).unwrap().hits.len()
    };
    assert_eq!([by_patient("1"), by_patient("2"), by_patient("3")], [0, 1, 1]);
    let gone: Locator = "1-m0".parse().unwrap();
    assert!(engine.whole(gone).is_err());
    let totals = peek(&engine).totals().unwrap();
    assert_eq!((totals.states[&QueueState::Processed], totals.left), (1, 1));
    let record = peek(&engine).faults(1).unwrap().remove(0);
    close(&engine, record.id);
    assert_eq!(sweep(&site, 61).pruned.records, 0);
    assert_eq!(run(&site, 62).pruned.records, 1, "30 days after it was closed");
    assert_eq!(spool.indexes().unwrap().len(), 1);
    is_whole(&at(site.root(), 62));
}

#[test]
fn events_that_left_are_not_told_again_and_numbers_go_on() {
    let site = site("");
    for (day, text) in [(0, SECOND), (1, THIRD)] {
        site.put("patients.csv", text);
        run(&site, day);
    }
    assert_eq!(sweep(&site, 40).pruned.messages, 1);
    assert_eq!(names_below(&site.spool().sent), ["99999-000002.hl7"], "the newest stays");
    site.put("patients-again.csv", SECOND);
    let summary = run(&site, 40);
    assert_eq!(summary.drops[0].duplicates, ["patients-again.csv"]);
    site.put("patients-new.csv", SECOND.replace("add,3", "add,5"));
    assert_eq!(run(&site, 40).drops[0].batches[0].name, "99999-000003.hl7");
    let engine = at(site.root(), 40);
    let batch = peek(&engine).batch("99999-000003.hl7").unwrap().unwrap();
    assert_eq!(batch.first_control, 3);
    is_whole(&engine);
}

#[test]
fn files_may_leave_before_their_messages() {
    let site = site("sent_days = 5\narchive_days = 3\n");
    for (day, text) in [(0, SECOND), (1, THIRD)] {
        site.put(&format!("patients-{day}.csv"), text);
        run(&site, day);
    }
    let engine = at(site.root(), 6);
    assert_eq!(sweep(&site, 6).pruned.messages, 0);
    assert_eq!(names_below(&site.spool().sent), ["99999-000002.hl7"]);
    assert_eq!(names_below(&site.spool().archive), ["patients-1.csv"], "the newest drop's");
    is_whole(&engine);
    let found = engine.find(&Query::default(), None, 9).unwrap().hits;
    assert_eq!(found.len(), 2, "the message is still in the queue");
    let whole = engine.whole(found[1].locator).unwrap();
    assert!(whole.raw.unwrap().is_err() && whole.source.is_err() && !whole.deliveries.is_empty());
}

#[test]
fn nothing_leaves_on_the_day_of_a_clock_that_jumped() {
    let site = site("");
    for (day, text) in [(0, SECOND), (1, THIRD)] {
        site.put("patients.csv", text);
        run(&site, day);
    }
    assert_eq!(run(&site, 36_500).pruned.messages, 0, "a hundred years later");
    assert_eq!(run(&site, 2).pruned.messages, 0, "and back");
    assert_eq!(run(&site, 3).pruned.messages, 0);
    assert_eq!(names_below(&site.spool().sent).len(), 2);
    run(&site, 50);
    assert_eq!(run(&site, 51).pruned.messages, 1, "a day later it is believed");
}

#[test]
fn a_plan_says_what_leaves_when_and_changes_nothing() {
    let site = site("");
    site.put("patients-1.csv", FIRST);
    run(&site, 0);
    for (day, text) in [(10, SECOND), (11, THIRD)] {
        site.put("patients.csv", text);
        run(&site, day);
    }
    let before = files_below(&site.spool().root);
    let plan = at(site.root(), 35).plan().unwrap();
    assert_eq!((plan.now.drops, plan.now.messages, plan.now.waiting), (1, 1, 1));
    let days: Vec<(String, u64)> =
        plan.days.iter().map(|(day, one)| (day.to_string(), one.messages)).collect();
    assert_eq!(days, [("2026-06-30".to_string(), 1)]);
    assert_eq!(plan.open.drops, 1, "the newest");
    let after: Vec<PathBuf> =
        files_below(&site.spool().root).into_iter().filter(|path| before.contains(path)).collect();
    assert_eq!(after, before);
    let said = site.run(["prune", "--dry-run", "--json"]).json();
    assert_eq!(said[0]["left"], serde_json::Value::Null);
    let now = &said[0]["now"];
    assert_eq!(
        (&now["drops"], &now["messages"], &now["waiting"]),
        (&2.into(), &2.into(), &1.into())
    );
    let done = site.run(["prune"]);
    assert_eq!(done.code, Some(0), "{done:?}");
}

#[test]
fn a_quota_that_is_used_up_holds_what_is_dropped() {
    let site = site("quota_mib = 1\n");
    let rows: String = (1..=9000).map(|at| format!("add,{at},Doe,Ann,01/02/1980,F\n")).collect();
    site.put("patients.csv", format!("event,patientid,lastname,firstname,dob,sex\n{rows}"));
    assert!(run(&site, 0).held.is_none());
    site.put("patients-2.csv", THIRD);
    let held = run(&site, 1).held.unwrap();
    assert!(held.contains("quota_mib is used up"), "{held}");
    let forecast = at(site.root(), 1).forecast().unwrap();
    assert_eq!((forecast.room, forecast.full_in), (0, None), "one day tells nothing");
    let said = site.run(["status"]).out;
    assert!(said.contains("of the quota; when it is full is known after three days"), "{said}");
}

/// Copies a folder with all that is in it.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let to = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &to);
        } else {
            let mut file = fs::File::options().write(true).create_new(true).open(to).unwrap();
            file.write_all(&fs::read(&path).unwrap()).unwrap();
        }
    }
}

/// What is there once a sweep went through: every file, and what the ledger says.
fn settled(root: &Path) -> (BTreeSet<String>, String) {
    let engine = at(root, 75);
    is_whole(&engine);
    let spool = &engine.spool;
    let relative =
        |path: PathBuf| path.strip_prefix(&spool.root).unwrap().to_str().unwrap().to_string();
    let aside = |name: &String| name.starts_with("ledger.db-") || name.starts_with("incidents.");
    let files =
        files_below(&spool.root).into_iter().map(relative).filter(|name| !aside(name)).collect();
    let ledger = peek(&engine);
    let actions = ledger.actions(99).unwrap().len();
    let numbers = ledger.numbers().unwrap();
    let said = format!(
        "{:?} {numbers:?} {:?} {:?} {:?} {}",
        ledger.totals().unwrap(),
        ledger.newest().unwrap(),
        ledger.drop_numbers().unwrap(),
        ledger.swept().unwrap(),
        actions.min(1)
    );
    (files, said)
}

/// A site in which something of everything is due at day 75.
fn due() -> Site {
    let site = site("audit_days = 40\nresponses_days = 20\n");
    site.put("patients-1.csv", FIRST);
    run(&site, 0);
    let engine = at(site.root(), 1);
    let record = peek(&engine).faults(1).unwrap().remove(0);
    close(&engine, record.id);
    site.put("patients-2.csv", FIRST.replace("add,1", "add,7").replace("add,2", "add,8"));
    run(&site, 2);
    site.put("patients-2-again.csv", FIRST.replace("add,1", "add,7").replace("add,2", "add,8"));
    run(&site, 3);
    let responses = site.spool().responses.join("2026-05-21");
    fs::create_dir_all(&responses).unwrap();
    fs::write(responses.join("1.ack"), "MSA").unwrap();
    for (day, text) in [(4, SECOND), (73, THIRD)] {
        site.put("patients-3.csv", text);
        run(&site, day);
    }
    site
}

#[test]
fn a_sweep_that_breaks_off_anywhere_goes_on_with_the_next_one() {
    let site = due();
    let place = tempfile::tempdir().unwrap();
    let base = place.path().join("base");
    copy(site.root(), &base);
    let once = |nth: u32, kind: Fault| {
        let root = place.path().join("one");
        copy(&base, &root);
        crashpoint::arm(Some((kind, nth)));
        let ended = at(&root, 75).prune(&sign(&at(&root, 75)));
        let struck = crashpoint::arm(None);
        assert_eq!(struck, ended.is_err(), "{nth} {kind:?}");
        is_whole(&at(&root, 75));
        at(&root, 75).prune(&sign(&at(&root, 75))).unwrap();
        let settled = settled(&root);
        fs::remove_dir_all(&root).unwrap();
        (struck, settled)
    };
    let (_, expected) = once(u32::MAX, Fault::Error);
    for kind in [Fault::Death, Fault::Error] {
        let mut nth = 1;
        while {
            let (struck, settled) = once(nth, kind);
            assert_eq!(settled, expected, "{kind:?} at {nth}");
            nth += 1;
            struck
        } {}
        assert!(nth > 60, "{nth} places");
    }
}
