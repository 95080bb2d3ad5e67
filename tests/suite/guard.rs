//! Drops that look wrong as a whole wait for a person (`delivery.md` section 2), and what
//! a full snapshot that lost rows may do.

use std::fs;

use crate::site::{self, Output, Site, ended, words};

const PATIENTS: &str = "patientid,lastname,firstname,dob,sex,city,lastmodified\n";
const APPOINTMENTS: &str = "appointmentid,patientid,departmentid,providerid,date,starttime,\
     duration,appointmentstatus,appointmenttype,lastmodified\n";

/// A site, with lines added to its interface file, whose guard looks at drops of two rows.
fn site(lines: &str) -> Site {
    let site = Site::new();
    let file = site.interface_file();
    let text = fs::read_to_string(&file).unwrap();
    let guard = "[provider_id]\nuse = \"athena\"\n[guard]\nrows_min = 2\n";
    fs::write(&file, format!("{text}{guard}{lines}\n")).unwrap();
    site
}

fn patient(id: u32, city: &str) -> String {
    let dob = if city == "bad" { "04/31/1987" } else { "04/30/1987" };
    format!("{id},Doe,Ann,{dob},F,{city},\n")
}

fn patients(cities: &[&str]) -> String {
    let rows: String = (1..).zip(cities).map(|(id, city)| patient(id, city)).collect();
    format!("{PATIENTS}{rows}")
}

/// Appointments of patient 1 that are booked in a year that nobody meets here.
fn appointments(ids: impl IntoIterator<Item = u32>) -> String {
    let row = |id| format!("{id},1,12,27,05/21/2126,10:00,15,f,Physical,\n");
    format!("{APPOINTMENTS}{}", ids.into_iter().map(row).collect::<String>())
}

/// Drops a file, runs, and returns a word for each new message.
fn dropped(site: &Site, name: &str, text: &str) -> (Vec<String>, Output) {
    let files = || fs::read_dir(&site.partner).unwrap().map(|one| one.unwrap().path());
    let before: Vec<_> = files().collect();
    if !text.is_empty() {
        site.put(name, text);
    }
    let said = site.run(["run"]);
    let mut new: Vec<_> = files().filter(|file| !before.contains(file)).collect();
    new.sort();
    let text: String = new.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    (words(&text), said)
}

fn names(site: &Site, folder: &str) -> Vec<String> {
    site::names(&site.spool().root.join(folder))
}

#[test]
fn a_drop_with_too_many_bad_rows_waits_until_it_is_released() {
    let site = site("");
    let (told, said) = dropped(&site, "patients.csv", &patients(&["a", "bad", "b", "bad"]));
    assert_eq!((told, said.code), (vec![], Some(3)), "{said:?}");
    let why = "2 of its 4 rows are bad, more than faults_percent_max = 20";
    assert!(said.out.contains(why) && said.out.contains("held clinic"), "{said:?}");
    assert_eq!(names(&site, "processing"), ["held.toml", "patients"]);
    // What comes later must not overtake it.
    let (told, said) = dropped(&site, "patients-later.csv", &patients(&["x", "a", "b", "c"]));
    assert_eq!((told, said.code), (vec![], Some(3)));
    assert_eq!(names(&site, "inbox"), ["patients-later.csv"]);
    let held = site.run(["held", "--json"]);
    assert_eq!(held.code, Some(3));
    let held = &held.json()[0];
    assert_eq!(held["faults"][0]["rows"], 2, "{held}");
    assert_eq!(
        (&held["faults"][0]["code"], &held["faults"][0]["column"]),
        (&"T001".into(), &"dob".into())
    );
    let status = site.run(["status", "--json"]);
    assert_eq!((status.code, &status.json()[0]["held"]["what"]), (Some(3), &held["what"]));
    assert_eq!(site.run(["held", "--release"]).code, Some(2), "no reason given");
    let released = site.run(["held", "--release", "--why", "the practice knows"]);
    assert_eq!(released.code, Some(0), "{released:?}");
    assert_eq!(site.run(["held", "--release", "--why", "again"]).code, Some(2), "once");
    // As it was judged, and then the later one, which is judged for itself.
    let (told, said) = dropped(&site, "", "");
    assert_eq!(told, ["A28 1", "A28 3", "A31 1", "A28 2", "A28 4"], "{said:?}");
    assert_eq!(names(&site, "processing"), ["patients"]);
    let status = site.run(["status", "--json"]).json()[0].take();
    // The later one has good rows of both records that were bad.
    assert_eq!((&status["held"], &status["states"]["ERROR"]), (&().into(), &().into()));
    let verbs = [0, 1].map(|at| status["actions"][at]["verb"].as_str().unwrap().to_string());
    assert_eq!(verbs, ["supersede", "release"]);
}

#[test]
fn a_drop_that_is_discarded_goes_to_error_and_a_better_one_out() {
    let site = site("");
    let (told, _) = dropped(&site, "patients.csv", &patients(&["a", "bad", "b", "bad"]));
    assert_eq!(told, [""; 0]);
    assert_eq!(site.run(["held"]).code, Some(3));
    let discarded = site.run(["held", "--discard", "--why", "half an export"]);
    assert_eq!(discarded.code, Some(0), "{discarded:?}");
    assert_eq!(names(&site, "error"), ["patients.csv", "patients.csv.why.toml"]);
    assert_eq!(site.run(["held"]).code, Some(0));
    let (told, said) = dropped(&site, "patients.csv", &patients(&["a", "b", "c", "d"]));
    assert_eq!(told, ["A28 1", "A28 2", "A28 3", "A28 4"], "{said:?}");
}

#[test]
fn too_many_changes_of_what_is_known_wait() {
    let site = site("");
    assert_eq!(dropped(&site, "patients.csv", &patients(&["a"; 6])).0.len(), 6, "new is no change");
    let (told, said) = dropped(&site, "patients.csv", &patients(&["b", "b", "a", "a", "a", "a"]));
    assert_eq!((told, said.code), (vec![], Some(3)), "{said:?}");
    let why = "2 updates and 0 cancellations of 6 patients that are known, more than \
               changes_percent_max = 20";
    assert!(said.out.contains(why), "{said:?}");
    site.run(["held", "--release", "--why", "they moved"]);
    assert_eq!(dropped(&site, "", "").0, ["A31 1", "A31 2"]);
}

#[test]
fn what_a_snapshot_lost_is_cancelled_unless_it_lost_too_much() {
    let lines = "[events]\nmissing_rows = \"cancel\"\n[extract.appointments]\nsnapshot = true";
    let site = site(lines);
    dropped(&site, "patients.csv", &patients(&["a"]));
    assert_eq!(dropped(&site, "appointments.csv", &appointments(1..=20)).0.len(), 20);
    let (told, said) = dropped(&site, "appointments.csv", &appointments(3..=20));
    assert_eq!(
        (told, said.code),
        (vec!["S15 1 CANCELLED".to_string(), "S15 2 CANCELLED".into()], Some(0)),
        "{said:?}"
    );
    assert!(said.out.contains("2 booked appointments that the snapshot does not have, told"));
    let sent = fs::read_dir(&site.partner).unwrap().map(|file| file.unwrap().path()).max().unwrap();
    let sent = fs::read_to_string(sent).unwrap();
    for part in
        ["SCH|1|1^ATHENANET", "^^^212605211000", "PID|1|1|1^^^ATHENA^PI|1|Doe^Ann", "|CANCELLED"]
    {
        assert!(sent.contains(part), "{part} in {sent}");
    }
    let checked = site.run(["check", "--offline"]);
    assert_eq!(checked.code, Some(0), "ledger, files and index fit: {checked:?}");
    // Once, and it can be booked again.
    assert_eq!(dropped(&site, "appointments.csv", &appointments(3..=20)).0, [""; 0]);
    assert_eq!(dropped(&site, "appointments.csv", &appointments(2..=20)).0, ["S12 2 BOOKED"]);
    let (told, said) = dropped(&site, "appointments.csv", &appointments(12..=20));
    assert_eq!((told, said.code), (vec![], Some(3)));
    let why = "10 of the 19 booked appointments are missing in it, more than \
               changes_percent_max = 20";
    assert!(said.out.contains(why), "{said:?}");
    site.run(["held", "--release", "--why", "a clinic closes"]);
    assert_eq!(dropped(&site, "", "").0.len(), 10);
}

#[test]
fn what_cannot_be_told_in_earnest_is_counted_and_not_cancelled() {
    let later = "[extract.appointments]\nsnapshot = true\n[events]\nmissing_rows = ";
    let site = site(&format!("{later}\"report\""));
    dropped(&site, "patients.csv", &patients(&["a"]));
    let past = "9,1,12,27,05/21/2016,10:00,15,f,Physical,\n";
    let text = appointments(1..=2) + past;
    assert_eq!(dropped(&site, "appointments.csv", &text).0.len(), 3);
    let file = site.interface_file();
    let settings = fs::read_to_string(&file).unwrap();
    fs::write(&file, settings.replace("\"report\"", "\"cancel\"")).unwrap();
    // Nothing was kept of 2, which was booked before this was agreed.
    let text = appointments(1..=1) + past;
    let (told, said) = dropped(&site, "appointments.csv", &text);
    assert_eq!(told, [""; 0], "{said:?}");
    assert!(
        said.out.contains("1 booked appointments that the snapshot does not have\n"),
        "{said:?}"
    );
    // 1 and 9 are known by now; the time of 9 has passed.
    site.run(["held", "--release", "--why", "let it"]);
    let (_, said) = dropped(&site, "appointments.csv", APPOINTMENTS);
    assert_eq!(said.code, Some(3), "three of three are missing: {said:?}");
    site.run(["held", "--release", "--why", "let it"]);
    let (told, said) = dropped(&site, "", "");
    assert_eq!(told, ["S15 1 CANCELLED"], "{said:?}");
    assert!(
        said.out.contains("2 booked appointments that the snapshot does not have\n"),
        "{said:?}"
    );
}

#[test]
fn a_crash_leaves_a_drop_held_or_not_yet_and_nothing_goes_out() {
    let mut place = String::new();
    for nth in 1.. {
        let site = site("");
        site.put("patients.csv", patients(&["a", "bad", "b", "bad"]));
        let mut command = site.command(["run"]);
        command.env("HL7DROP_FAULT", format!("abort:{nth}"));
        let said = ended(&mut command);
        let met = said.err.lines().find_map(|line| line.strip_prefix("fault at "));
        let Some(met) = met else {
            assert!(nth > 10 && said.code == Some(3), "{nth} places: {said:?}");
            break;
        };
        place = format!("place {nth}, {met}, after {place}");
        assert_eq!(site.run(["run"]).code, Some(3), "{place}");
        assert_eq!(names(&site, "processing"), ["held.toml", "patients"], "{place}");
        assert_eq!(fs::read_dir(&site.partner).unwrap().count(), 0, "{place}");
        let released = site.run(["held", "--release", "--why", "x"]);
        assert_eq!(released.code, Some(0), "{place}: {released:?}");
        let mut command = site.command(["run"]);
        ended(command.env("HL7DROP_FAULT", format!("abort:{nth}")));
        site.run(["run"]);
        let files = fs::read_dir(&site.partner).unwrap().map(|file| file.unwrap().path());
        let sent: String = files.map(|file| fs::read_to_string(file).unwrap()).collect();
        assert_eq!(words(&sent), ["A28 1", "A28 3"], "{place}");
        let left = names(&site, "processing");
        assert!(left.iter().all(|name| name == "patients"), "{place}: {left:?}");
        place = met.to_string();
    }
}
