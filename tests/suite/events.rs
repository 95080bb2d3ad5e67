//! Events over drops (`interface.md` section 7): choices, order within one ID, moved
//! appointments, events that contradict the register, snapshots.

use std::fs;

use crate::site::{Output, Site, words};

const PATIENTS: &str = "patientid,lastname,firstname,dob,sex,city,lastmodified\n";
const APPOINTMENTS: &str = "appointmentid,patientid,departmentid,providerid,date,starttime,\
     duration,appointmentstatus,appointmentreason,rescheduledappointmentid,lastmodified\n";

fn appointment(id: &str, status: &str, reason: &str, moved_to: &str) -> String {
    format!("{id},7,12,27,05/21/2026,10:00,15,{status},{reason},{moved_to},")
}

fn appointments(rows: &[String]) -> String {
    format!("{APPOINTMENTS}{}\n", rows.join("\n"))
}

/// An appointment of an extract with an `event` column; `at` is its lastmodified.
fn event(word: &str, id: &str, at: &str) -> String {
    format!("{word},{id},7,12,27,05/21/2026,10:00,15,,,,{at}")
}

fn events(rows: &[String]) -> String {
    format!("event,{APPOINTMENTS}{}\n", rows.join("\n"))
}

/// A site that knows patient 7, with lines added to its interface file.
fn site(lines: &str) -> Site {
    let site = Site::new();
    let file = site.interface_file();
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{text}[provider_id]\nuse = \"athena\"\n{lines}\n")).unwrap();
    let seven = format!("{PATIENTS}7,Doe,Ann,02/14/1987,F,,\n");
    assert_eq!(told(&site, "patients.csv", &seven), ["A28 7"]);
    site
}

/// Drops a file and runs.
fn run(site: &Site, name: &str, bytes: impl AsRef<[u8]>) -> (Vec<String>, Output) {
    let files = || fs::read_dir(&site.partner).unwrap().map(|one| one.unwrap().path());
    let before: Vec<_> = files().collect();
    site.put(name, bytes);
    let said = site.run(["run"]);
    let new = files().find(|file| !before.contains(file));
    let text = new.map_or(String::new(), |file| fs::read_to_string(file).unwrap());
    let words = words(&text);
    assert!(!words.iter().any(|word| word.starts_with("S13")), "S13 is never sent: {words:?}");
    (words, said)
}

/// Drops a file whose rows are all good, and returns a word for each message.
fn told(site: &Site, name: &str, bytes: impl AsRef<[u8]>) -> Vec<String> {
    let (words, said) = run(site, name, bytes);
    assert_eq!(said.code, Some(0), "{said:?}");
    words
}

#[test]
fn a_moved_appointment_is_cancelled_just_before_the_new_one() {
    let f = |id: &str| appointment(id, "f", "a", "");
    let moved = |id: &str, to: &str| appointment(id, "x", "a", to);
    let drops: [(&[String], &[&str]); 7] = [
        // Wherever the two stand.
        (&[moved("50", "60"), f("51"), f("60")], &["S12 51", "S15 50", "S12 60"]),
        (&[f("60"), f("51"), moved("50", "60")], &["S15 50", "S12 60", "S12 51"]),
        // Two that became one.
        (&[f("60"), moved("50", "60"), moved("52", "60")], &["S15 50", "S15 52", "S12 60"]),
        // One that was moved twice: the one between was never announced.
        (&[f("61"), moved("60", "61"), moved("50", "60")], &["S12 61", "S15 50"]),
        // The other is not there, is not new, or is no booking: both where they stand.
        (&[f("51"), moved("50", "99")], &["S12 51", "S15 50"]),
        (&[f("52"), f("51"), moved("50", "52")], &["S12 51", "S15 50"]),
        (
            &[f("51"), appointment("60", "2", "a", ""), moved("50", "60")],
            &["S12 51", "S12 60", "S14 60", "S15 50"],
        ),
    ];
    for (at, (rows, expected)) in drops.into_iter().enumerate() {
        let site = site("");
        let said = told(&site, "appointments-1.csv", appointments(&[f("50"), f("52")]));
        assert_eq!(said, ["S12 50 BOOKED", "S12 52 BOOKED"]);
        let mut said = told(&site, "appointments-2.csv", appointments(rows));
        said.iter_mut().for_each(|word| word.truncate(6));
        assert_eq!(said, expected, "drop {at}");
        assert_eq!(told(&site, "appointments-3.csv", appointments(rows) + "\n"), [""; 0], "{at}");
    }
}

#[test]
fn moved_appointments_are_told_alike_whatever_the_form_and_the_workers() {
    // Some blocks long, the old ones at the end.
    let mut rows: Vec<String> =
        (0..4000).map(|id| appointment(&format!("n{id}"), "f", "a", "")).collect();
    let first: Vec<String> =
        (0..40).map(|id| appointment(&format!("o{id}"), "f", "a", "")).collect();
    rows.extend(
        (0..40)
            .map(|id| appointment(&format!("o{id}"), "x", "a", &format!("n{}", (id * 997) % 4000))),
    );
    let extract = appointments(&rows);
    let utf16: Vec<u8> = "\u{feff}".encode_utf16().chain(extract.encode_utf16()).fold(
        Vec::new(),
        |mut bytes, unit| {
            bytes.extend(unit.to_le_bytes());
            bytes
        },
    );
    let mut all = Vec::new();
    for (workers, bytes) in
        [(1, extract.clone().into_bytes()), (5, extract.into_bytes()), (2, utf16)]
    {
        // Forty of forty are moved: nobody is to be asked here.
        let site = site("[guard]\nchanges_percent_max = 100");
        let program = site.root().join("hl7drop.toml");
        fs::write(program, format!("[run]\nworkers = {workers}\n")).unwrap();
        told(&site, "appointments-1.csv", appointments(&first));
        all.push(told(&site, "appointments-2.csv", bytes));
    }
    for id in 0..40 {
        let at = all[0].iter().position(|word| *word == format!("S15 o{id} CANCELLED")).unwrap();
        assert_eq!(all[0][at + 1], format!("S12 n{} BOOKED", (id * 997) % 4000));
    }
    assert_eq!(all[0].len(), 4040);
    assert!(all[1] == all[0] && all[2] == all[0]);
}

#[test]
fn a_moved_row_that_waits_is_named_by_its_own_place() {
    let site = site("");
    let f = |id: &str| appointment(id, "f", "a", "");
    told(&site, "appointments-1.csv", appointments(&[f("50")]));
    let bad = appointment("50", "x", "a", "60").replace("05/21/2026", "05/41/2026");
    let rows = [f("60"), f("51"), bad];
    let (words, said) = run(&site, "appointments-2.csv", appointments(&rows));
    assert_eq!((words, said.code), (vec!["S12 60 BOOKED".into(), "S12 51 BOOKED".into()], Some(3)));
    let queue = site.run(["queue"]);
    assert!(queue.out.contains("appointments-2.csv record 3 (line 4)"), "{queue:?}");
    assert!(said.out.contains("3 rows = 2 sent + 0 filtered + 1 error"), "{said:?}");
}

#[test]
fn events_of_one_appointment_go_by_lastmodified_then_as_they_stand() {
    let (one, two, three) = ("05/20/2026 10:00", "05/20/2026 11:00", "05/20/2026 12:00");
    for (rows, expected) in [
        (
            [event("cancel", "50", three), event("add", "51", two), event("add", "50", one)],
            ["S12 50 BOOKED", "S12 51 BOOKED", "S15 50 CANCELLED"],
        ),
        (
            [event("add", "50", one), event("cancel", "50", one), event("add", "51", one)],
            ["S12 50 BOOKED", "S15 50 CANCELLED", "S12 51 BOOKED"],
        ),
        // One that does not say when cannot be put between the others.
        (
            [event("add", "50", two), event("check-in", "50", ""), event("check-out", "50", one)],
            ["S12 50 BOOKED", "S14 50 ARRIVED", "S14 50 COMPLETED"],
        ),
    ] {
        let site = site("");
        let (words, said) = run(&site, "appointments.csv", events(&rows));
        assert_eq!(words, expected);
        assert!(!said.out.contains("contradict"), "each was right when it came: {said:?}");
    }
}

#[test]
fn without_an_event_column_only_the_newest_row_of_an_appointment_counts() {
    // As Report Builder writes one appointment on two rows, with one parent.
    let header = "apptid,prnt apptid,patientid,svcdeptid,appt schdlng prvdrid,apptdate,\
                  apptstarttime,apptduration,apptslotstatus\n";
    let row = |status: &str| format!("50,49,7,12,27,05/21/2026,10:00 AM,15,{status}\n");
    let site = site("");
    let extract = format!("{header}{}{}", row("f - Filled"), row("2 - Checked In"));
    let (words, said) = run(&site, "appointments.csv", extract);
    assert_eq!(words, ["S12 50 BOOKED", "S14 50 ARRIVED"]);
    assert!(said.out.contains("2 rows = 1 sent + 0 filtered + 0 error + 1 duplicate"), "{said:?}");
}

#[test]
fn an_event_that_contradicts_what_was_told_is_kept_and_counted() {
    let people = |word: &str, id: &str| format!("event,{PATIENTS}{word},{id},A,B,02/14/1987,F,,\n");
    for (lines, known, unknown, again, update, arrived) in [
        ("", "A28 7", "A31 8", "S12 50", "S14 51", &["S14 52"][..]),
        (
            "[events]\non_contradiction = \"correct\"",
            "A31 7",
            "A28 8",
            "S14 50",
            "S12 51",
            &["S12 52", "S14 52"],
        ),
    ] {
        let site = site(lines);
        let mut drop = 0;
        let mut one = |kind: &str, text: String| {
            drop += 1;
            let (mut words, said) = run(&site, &format!("{kind}-{drop}.csv"), text);
            words.iter_mut().for_each(|word| word.truncate(6));
            (words.join(" "), said.out.contains("1 events that contradict"))
        };
        let mut two = |word: &str, id: &str| one("appointments", events(&[event(word, id, "")]));
        assert_eq!(two("add", "50"), ("S12 50".into(), false));
        assert_eq!(two("add", "50 "), (again.into(), true));
        assert_eq!(two("update", "50"), ("S14 50".into(), false));
        assert_eq!(two("update", "51"), (update.into(), true));
        assert_eq!(two("checkin", "52"), (arrived.join(" "), true));
        assert_eq!(two("cancel", "53"), ("S15 53".into(), true));
        assert_eq!(one("patients", people("add", "7")).0, known);
        assert_eq!(one("patients", people("update", "8")), (unknown.into(), true));
        assert_eq!(one("patients", people("update", "8") + "\n"), ("A31 8".into(), false));
    }
}

#[test]
fn several_events_of_one_id_are_judged_by_the_one_before() {
    let rows = |one: &str, two: &str| {
        let row = |word: &str, dob: &str| format!("{word},8,A,B,{dob},F,,\n");
        format!("event,{PATIENTS}{}{}", row("add", one), row("update", two))
    };
    let site = site("[events]\non_contradiction = \"correct\"");
    let good = "02/14/1988";
    assert_eq!(told(&site, "patients-1.csv", rows(good, good)), ["A28 8", "A31 8"]);
    // An addition that waits was not told, and so its update is one.
    let other = rows("02/30/1988", good).replace(",8,", ",9,");
    let (words, said) = run(&site, "patients-2.csv", other);
    assert_eq!((words, said.code), (vec!["A28 9".into()], Some(3)));
    // What is known in the end is what the last one said, be it as it was in the beginning.
    let there_and_back =
        format!("event,{PATIENTS}update,8,A,B,{good},F,Quincy,\nupdate,8,A,B,{good},F,,\n");
    let (words, _) = run(&site, "patients-3.csv", there_and_back);
    assert_eq!(words, ["A31 8", "A31 8"]);
    let now = format!("{PATIENTS}8,A,B,{good},F,,\n");
    assert_eq!(run(&site, "patients-4.csv", now).0, [""; 0]);
}

#[test]
fn what_is_new_and_not_booked_is_told_as_agreed() {
    let rows = ["f", "2", "3", "4", "x"].map(|status| appointment(status, status, "a", ""));
    let usual = site("");
    assert_eq!(
        told(&usual, "appointments.csv", appointments(&rows)),
        [
            "S12 f BOOKED",
            "S12 2 BOOKED",
            "S14 2 ARRIVED",
            "S12 3 BOOKED",
            "S14 3 ARRIVED",
            "S14 3 COMPLETED",
            "S12 4 BOOKED",
            "S14 4 ARRIVED",
            "S14 4 COMPLETED"
        ]
    );
    let other = site("[events]\nwalk_in = \"last\"\ncancelled_unannounced = \"pair\"");
    assert_eq!(
        told(&other, "appointments-1.csv", appointments(&rows)),
        [
            "S12 f BOOKED",
            "S14 2 ARRIVED",
            "S14 3 COMPLETED",
            "S14 4 COMPLETED",
            "S12 x BOOKED",
            "S15 x CANCELLED"
        ]
    );
    let again = appointments(&rows) + "\n";
    assert_eq!(told(&other, "appointments-2.csv", again), [""; 0], "a pair is told once");
}

#[test]
fn an_appointment_booked_again_under_its_id_is_counted() {
    let site = site("");
    for (at, (status, expected, counted)) in [
        ("f", "S12 50 BOOKED", false),
        ("x", "S15 50 CANCELLED", false),
        ("f", "S12 50 BOOKED", true),
        ("x", "S15 50 CANCELLED", false),
    ]
    .into_iter()
    .enumerate()
    {
        let extract = appointments(&[appointment("50", status, "a", "")]) + &"\n".repeat(at);
        let (words, said) = run(&site, &format!("appointments-{at}.csv"), extract);
        assert_eq!(words, [expected]);
        let found = said.out.contains("1 cancelled appointments booked again");
        assert_eq!(found, counted, "{said:?}");
    }
}

#[test]
fn what_a_snapshot_does_not_have_is_counted_and_never_cancelled_by_itself() {
    let lines = "[events]\nmissing_rows = \"report\"\n[extract.appointments]\nsnapshot = true";
    let row = |id: &str, status: &str| appointment(id, status, "a", "");
    let all = [row("50", "f"), row("51", "f"), row("52", "2"), row("53", "f")];
    for (lines, counted) in [(lines, true), ("", false)] {
        let site = site(lines);
        let (words, said) = run(&site, "appointments-1.csv", appointments(&all));
        assert_eq!(words.len(), 5);
        assert!(!said.out.contains("the snapshot does not have"), "{said:?}");
        let (words, said) = run(&site, "appointments-2.csv", appointments(&[row("50", "f")]));
        assert_eq!(words, [""; 0]);
        let found = said.out.contains("2 booked appointments that the snapshot does not have");
        assert_eq!(found, counted, "{said:?}");
    }
}

#[test]
fn an_older_row_does_not_overtake_a_newer_one() {
    let row = |at: &str, city: &str| format!("{PATIENTS}8,Doe,Bea,02/14/1987,F,{city},{at}\n");
    let (noon, later) = ("05/20/2026 12:00:00", "05/20/2026 13:00:00");
    for (lines, skipped) in [("", true), ("[events]\nolder_rows = \"tell\"", false)] {
        let site = site(lines);
        assert_eq!(told(&site, "patients-2.csv", row(later, "new")), ["A28 8"]);
        let (words, said) = run(&site, "patients-1.csv", row(noon, "old"));
        let counted = said.out.contains("1 records older than what was told of them last");
        assert_eq!((words.is_empty(), counted), (skipped, skipped), "{said:?}");
        // What does not say when it was changed is told; and time goes on from there.
        assert_eq!(told(&site, "patients-3.csv", row("", "undated")), ["A31 8"]);
        let again = told(&site, "patients-4.csv", row(later, "again"));
        assert_eq!(again, ["A31 8"], "as new as the newest");
    }
}

#[test]
fn a_slot_that_is_open_again_is_counted_or_cancelled_by_what_the_register_keeps() {
    let booked = appointments(&[appointment("50", "f", "a", "")]);
    let open = appointments(&["50,,12,27,05/21/2026,10:00,15,o,,,".to_string()]);
    let site = site("");
    assert_eq!(told(&site, "appointments-1.csv", &booked), ["S12 50 BOOKED"]);
    let (words, said) = run(&site, "appointments-2.csv", &open);
    assert_eq!(words, [""; 0]);
    assert!(said.out.contains("1 booked appointments whose slot is open again"), "{said:?}");
    let other = self::site("[events]\nfreed_slots = \"cancel\"");
    assert_eq!(told(&other, "appointments-1.csv", &booked), ["S12 50 BOOKED"]);
    assert_eq!(told(&other, "appointments-2.csv", &open), ["S15 50 CANCELLED"]);
    assert_eq!(told(&other, "appointments-3.csv", format!("{open}\n")), [""; 0], "once");
    assert_eq!(told(&other, "appointments-4.csv", format!("{booked}\n")), ["S12 50 BOOKED"]);
}
