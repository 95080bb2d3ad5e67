//! The register: what was told before decides what is told now, from drop to drop.

use std::fs;
use std::os::unix::fs::FileExt;

use crate::site::{Site, ended, files_below, names, ok, words};

const PATIENTS: &str = "patientid,lastname,firstname,dob,sex,city,lastmodified\n";
const APPOINTMENTS: &str = "appointmentid,patientid,departmentid,providerid,date,starttime,\
     duration,appointmentstatus,appointmentreason\n";

fn patients(rows: &[&str]) -> String {
    format!("{PATIENTS}{}\n", rows.join("\n"))
}

fn appointment(id: &str, patient: &str, status: &str, reason: &str) -> String {
    format!("{id},{patient},12,27,05/21/2026,10:00,15,{status},{reason}")
}

fn appointments(rows: &[String]) -> String {
    format!("{APPOINTMENTS}{}\n", rows.join("\n"))
}

/// A site that needs no NPI.
fn site() -> Site {
    let site = Site::new();
    let file = site.interface_file();
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{text}[provider_id]\nuse = \"athena\"\n")).unwrap();
    site
}

/// Drops files and runs; returns what the batch file tells, a word for each message:
/// `A28 7`, `S14 33910 ARRIVED`. Empty if there is none.
fn told(site: &Site, drop: &[(&str, &str)]) -> Vec<String> {
    let before: Vec<_> =
        fs::read_dir(&site.partner).unwrap().map(|one| one.unwrap().path()).collect();
    for (name, text) in drop {
        site.put(name, text);
    }
    let said = site.run(["run"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let files = fs::read_dir(&site.partner).unwrap().map(|one| one.unwrap().path());
    let new: Vec<_> = files.filter(|file| !before.contains(file)).collect();
    assert!(new.len() < 2, "one drop is one batch file");
    let text = new.first().map_or(String::new(), |file| fs::read_to_string(file).unwrap());
    words(&text)
}

/// Returns a segment of the newest batch file.
fn segment(site: &Site, name: &str) -> String {
    let mut files: Vec<_> =
        fs::read_dir(&site.partner).unwrap().map(|one| one.unwrap().path()).collect();
    files.sort();
    let text = fs::read_to_string(files.last().unwrap()).unwrap();
    text.split('\r').rfind(|line| line.starts_with(name)).unwrap().to_string()
}

#[test]
fn a_patient_is_added_once_and_updated_when_something_changed() {
    let site = site();
    let first = patients(&["1,Doe,Ann,02/14/1987,F,Boston,05/20/2026", "2,Roe,Bob,02/14/1988,M,,"]);
    assert_eq!(told(&site, &[("patients-1.csv", &first)]), ["A28 1", "A28 2"]);
    // Touched, not changed; and in another order.
    let touched =
        patients(&["2,Roe,Bob,02/14/1988,M,,", "1,Doe,Ann,02/14/1987,F,Boston,05/21/2026"]);
    assert_eq!(told(&site, &[("patients-2.csv", &touched)]), [""; 0]);
    let changed = patients(&[
        "1,Doe,Ann,02/14/1987,F,Quincy,",
        "2,Roe,Bob,02/14/1988,M,,",
        "3,Poe,Cy,02/14/1989,M,,",
    ]);
    assert_eq!(told(&site, &[("patients-3.csv", &changed)]), ["A31 1", "A28 3"]);
    // The same people in other columns: the header is not what changed.
    let other = "Last Name,First Name,Patient ID,DOB,Sex,City\nDoe,Ann,1,1987-02-14,F,Quincy\n";
    let said = told(&site, &[("patients-4.csv", &other.replace("1987-02-14", "02/14/1987"))]);
    assert_eq!(said, [""; 0]);
    let status = site.run(["status"]);
    assert_eq!(status.code, Some(0), "{status:?}");
}

#[test]
fn an_appointment_is_told_by_what_changed_since() {
    let site = site();
    let people = patients(&["7,Doe,Ann,02/14/1987,F,,"]);
    let drops: [(&str, &str, &[&str]); 9] = [
        ("f", "Checkup", &["S12 50 BOOKED"]),
        ("f", "Physical", &["S14 50 UPDATE"]),
        ("2", "Physical", &["S14 50 ARRIVED"]),
        ("f", "Physical", &["S14 50 UPDATE"]),
        ("3", "Follow-up", &["S14 50 UPDATE", "S14 50 ARRIVED", "S14 50 COMPLETED"]),
        ("4", "Follow-up", &[]),
        ("x", "Follow-up", &["S15 50 CANCELLED"]),
        ("x", "Other", &[]),
        ("f", "Other", &["S12 50 BOOKED"]),
    ];
    assert_eq!(told(&site, &[("patients.csv", &people)]), ["A28 7"]);
    for (at, (status, reason, expected)) in drops.into_iter().enumerate() {
        let extract = appointments(&[appointment("50", "7", status, reason)]);
        let said = told(&site, &[(&format!("appointments-{at}.csv"), &extract)]);
        assert_eq!(said, expected, "drop {at}: {status} {reason}");
    }
}

#[test]
fn an_appointment_alone_has_its_patient_from_the_register() {
    let people = patients(&["007,Doe,Ann,02/14/1987,F,Boston,"]);
    let booked = appointments(&[appointment("50", "007", "f", "Checkup")]);
    let together = site();
    told(&together, &[("patients.csv", &people), ("appointments.csv", &booked)]);
    let apart = site();
    told(&apart, &[("patients.csv", &people)]);
    assert_eq!(told(&apart, &[("appointments.csv", &booked)]), ["S12 50 BOOKED"]);
    assert_eq!(segment(&apart, "PID"), segment(&together, "PID"));
    assert!(segment(&apart, "PID").contains("|007|007^^^ATHENA^PI|007|Doe^Ann||19870214|F|"));
    // The same patients file once more, beside new appointments: it is no news, and the
    // appointments do not miss it.
    let more = appointments(&[appointment("51", "007", "f", "Checkup")]);
    let drop = [("patients-again.csv", &*people), ("appointments-2.csv", &*more)];
    assert_eq!(told(&apart, &drop), ["S12 51 BOOKED"]);
}

#[test]
fn what_was_refused_was_not_told() {
    let site = site();
    site.put("patients.csv", patients(&["1,Doe,Ann,02/30/1987,F,,"]));
    assert_eq!(site.run(["run"]).code, Some(3));
    site.put("patients-2.csv", patients(&["1,Doe,Ann,02/14/1987,F,,"]));
    assert_eq!(site.run(["run"]).code, Some(0), "the good row takes the place of the bad one");
    assert!(segment(&site, "MSH").contains("ADT^A28"));
}

#[test]
fn of_two_extracts_in_one_drop_the_second_knows_the_first() {
    let site = site();
    let one = patients(&["1,Doe,Ann,02/14/1987,F,,", "2,Roe,Bob,02/14/1988,M,,"]);
    let two = patients(&["2,Roe,Rob,02/14/1988,M,,", "1,Doe,Ann,02/14/1987,F,,"]);
    let said = told(&site, &[("patients-1.csv", &one), ("patients-2.csv", &two)]);
    assert_eq!(said, ["A28 1", "A28 2", "A31 2"]);
}

#[test]
fn events_that_are_named_are_told_as_named_and_remembered() {
    let site = site();
    let event = |event: &str, city: &str| {
        format!("event,{PATIENTS}{event},1,Doe,Ann,02/14/1987,F,{city},\n")
    };
    assert_eq!(told(&site, &[("patients-1.csv", &event("add", "Boston"))]), ["A28 1"]);
    assert_eq!(told(&site, &[("patients-2.csv", &event("update", "Quincy"))]), ["A31 1"]);
    let now = patients(&["1,Doe,Ann,02/14/1987,F,Quincy,"]);
    assert_eq!(told(&site, &[("patients-3.csv", &now)]), [""; 0]);
}

#[test]
fn a_switched_off_event_is_not_taken_back_later() {
    let site = site();
    let file = site.interface_file();
    let text = fs::read_to_string(&file).unwrap();
    let on = ["patient_added", "patient_updated", "appointment_updated", "appointment_cancelled"]
        .into_iter()
        .chain(["appointment_checked_in", "appointment_checked_out"])
        .map(|event| format!("{event} = true\n"));
    let switches = format!("[enable]\nappointment_scheduled = false\n{}", on.collect::<String>());
    fs::write(&file, format!("{text}{switches}")).unwrap();
    let people = patients(&["7,Doe,Ann,02/14/1987,F,,"]);
    let drop = |status: &str| {
        appointments(&[appointment("50", "7", status, "a"), appointment("51", "7", "f", status)])
    };
    let first = told(&site, &[("patients.csv", &people), ("appointments-1.csv", &drop("f"))]);
    assert_eq!(first, ["A28 7"]);
    let then = told(&site, &[("appointments-2.csv", &drop("x"))]);
    assert_eq!(then, ["S14 51 UPDATE"], "50 was never announced");
}

#[test]
fn a_register_that_is_not_as_it_was_written_stops_the_interface() {
    let site = site();
    let first = patients(&["1,Doe,Ann,02/14/1987,F,,", "2,Roe,Bob,02/14/1988,M,,"]);
    told(&site, &[("patients-1.csv", &first)]);
    let path = site.spool().ledger().with_extension("register");
    let good = fs::read(&path).unwrap();
    let mut flipped = good.clone();
    flipped[21] ^= 1;
    for (what, bytes) in
        [("cut", Some(&good[..good.len() - 1])), ("flipped", Some(&flipped)), ("gone", None)]
    {
        match bytes {
            Some(bytes) => fs::write(&path, bytes).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        site.put("patients-2.csv", patients(&["1,Doe,Ann,02/14/1987,F,Boston,"]));
        let said = site.run(["run"]);
        assert_eq!(said.code, Some(5), "{what}: {said:?}");
        assert!(said.err.contains("the ledger is damaged"), "{what}: {said:?}");
        assert_eq!(fs::read_dir(&site.partner).unwrap().count(), 1, "{what}: nothing was sent");
        assert_eq!(site.run(["check", "--offline"]).code, Some(5), "{what}");
    }
    // What a crash left behind its end was never there.
    fs::write(&path, &good).unwrap();
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.write_all_at(b"half an entry", good.len() as u64).unwrap();
    assert_eq!(told(&site, &[]), ["A31 1"], "the drop still waits in processing");
    assert_eq!(site.run(["check", "--offline"]).code, Some(0));
}

#[test]
fn the_same_bytes_are_told_again_only_when_asked() {
    let site = site();
    let added = format!("event,{PATIENTS}add,1,Doe,Ann,02/14/1987,F,,\n");
    let updated = added.replace("add,", "update,");
    assert_eq!(told(&site, &[("patients-1.csv", &added)]), ["A28 1"]);
    assert_eq!(told(&site, &[("patients-2.csv", &updated)]), ["A31 1"]);
    assert_eq!(told(&site, &[("patients-3.csv", &added)]), [""; 0], "an event happens once");
    site.put("patients-4.csv", &added);
    let said = site.run(["run", "--again"]);
    assert!(said.out.contains("patients-4.csv: 1 row = 1 sent"), "{said:?}");
}

/// What a run was asked for outlives it: by then the files are out of the inbox.
#[test]
fn a_crash_at_any_place_does_not_forget_that_bytes_are_wanted_again() {
    let added = format!("event,{PATIENTS}add,1,Doe,Ann,02/14/1987,F,,\n");
    let mut claimed = 0;
    for nth in 1.. {
        let site = site();
        assert_eq!(told(&site, &[("patients-1.csv", &added)]), ["A28 1"]);
        site.put("patients-2.csv", &added);
        let mut command = site.command(["run", "--again"]);
        let said = ended(command.env("HL7DROP_FAULT", format!("abort:{nth}")));
        if !said.err.contains("fault at ") {
            assert!(claimed > 20, "{claimed} of {nth} places");
            break;
        }
        // Somebody else's run comes by; before the file was claimed, the person asks again.
        if names(&site.spool().inbox).is_empty() {
            claimed += 1;
            ok(site.run(["run"]), 0);
        } else {
            ok(site.run(["run", "--again"]), 0);
        }
        let files = files_below(&site.partner);
        let sent: String = files.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
        assert_eq!(words(&sent), ["A28 1", "A28 1"], "{nth}: {said:?}");
        assert_eq!(told(&site, &[("patients-3.csv", &added)]), [""; 0], "{nth}: wanted once");
        let left = names(&site.spool().processing);
        assert!(left.iter().all(|name| name == "patients"), "{nth}: {left:?}");
    }
}

#[test]
fn what_is_wanted_again_is_so_once_a_held_drop_is_released() {
    let site = site();
    let text = fs::read_to_string(site.interface_file()).unwrap();
    fs::write(site.interface_file(), format!("{text}[guard]\nrows_min = 2\n")).unwrap();
    let rows = |days: [&str; 4]| -> String {
        let row = |(at, day): (usize, &&str)| format!("update,{at},Doe,Ann,{day}/14/1987,F,,\n");
        format!("event,{PATIENTS}{}", days.iter().enumerate().map(row).collect::<String>())
    };
    let text = rows(["01", "02", "03", "04"]);
    site.put("patients-1.csv", &text);
    ok(site.run(["run"]), 0);
    site.put("patients-2.csv", &text);
    let said = ok(site.run(["run", "--again"]), 3);
    assert!(said.out.contains("of 4 patients that are known"), "{said:?}");
    ok(site.run(["held", "--release", "--why", "the vendor lost them"]), 0);
    let said = ok(site.run(["run"]), 0);
    assert!(said.out.contains("patients-2.csv: 4 rows = 4 sent"), "{said:?}");
}

/// Each of them, in the order of the file, and the register knows the new ones.
#[test]
fn all_that_is_known_may_change_at_once() {
    let site = site();
    let text = fs::read_to_string(site.interface_file()).unwrap();
    fs::write(site.interface_file(), format!("{text}[guard]\nchanges_percent_max = 100\n"))
        .unwrap();
    let count = 6000;
    let all = |city: &str| {
        let row = |at: usize| format!("{at},Doe,Ann,02/14/1987,F,{city},\n");
        format!("{PATIENTS}{}", (0..count).map(row).collect::<String>())
    };
    let each = |event: &str| (0..count).map(|at| format!("{event} {at}")).collect::<Vec<_>>();
    let drop = |file: &str, city: &str| told(&site, &[(file, &all(city))]);
    assert!(all("Boston").len() > 128 << 10, "more than one block");
    assert_eq!(drop("patients-1.csv", "Boston"), each("A28"));
    for (file, city) in [("patients-2.csv", "Salem"), ("patients-3.csv", "Lynn")] {
        assert_eq!(drop(file, city), each("A31"), "{city}");
        assert_eq!(drop(file, city), [""; 0], "{city} once more");
    }
    assert_eq!(site.run(["check", "--offline"]).code, Some(0));
    fs::write(site.interface_file(), text).unwrap();
    site.put("patients-4.csv", all("Boston"));
    let said = ok(site.run(["run"]), 3);
    let why = "6000 updates and 0 cancellations of 6000 patients that are known";
    assert!(said.out.contains(why), "{said:?}");
}

#[test]
fn reference_tables_stay_in_force_until_there_is_another_row() {
    let site = Site::new();
    let people = patients(&["7,Doe,Ann,02/14/1987,F,,"]);
    let (east, west) = (
        "providerid,npi,lastname\n27,1234567893,Seuss\n",
        "providerid,npi,lastname\n28,1000000012,Hale\n",
    );
    let departments = "departmentid,name\n12,MAIN\n";
    let first = [
        ("patients.csv", &*people),
        ("departments.csv", departments),
        ("providers-a.csv", east),
        ("providers-b.csv", west),
    ];
    assert_eq!(told(&site, &first), ["A28 7"]);
    let row = |id: &str, provider: &str| {
        appointment(id, "7", "f", "a").replace(",27,", &format!(",{provider},"))
    };
    let two = appointments(&[row("50", "27"), row("51", "28")]);
    // An export that went wrong takes no provider away.
    let second = [("providers.csv", "providerid,npi,lastname\n"), ("appointments-1.csv", &*two)];
    assert_eq!(told(&site, &second), ["S12 50 BOOKED", "S12 51 BOOKED"]);
    let third = appointments(&[row("52", "28")]);
    site.put("providers-c.csv", east.replace("Seuss", "Geisel"));
    site.put("appointments-2.csv", third);
    let said = site.run(["run"]);
    assert_eq!(said.code, Some(3), "the new table has no provider 28: {said:?}");
    // What cannot be read is not taken for nothing.
    let kept = site.spool().reference.join("providers");
    fs::remove_file(&kept).unwrap();
    fs::create_dir(&kept).unwrap();
    site.put("appointments-3.csv", appointments(&[row("53", "27")]));
    let said = site.run(["run"]);
    assert_eq!(said.code, Some(5), "{said:?}");
    assert!(said.err.contains("reference/providers"), "{said:?}");
}

#[test]
fn a_file_that_comes_back_out_of_the_archive_is_dropped_anew() {
    let site = site();
    let named = format!("event,{PATIENTS}add,1,Doe,Ann,02/14/1987,F,,\n");
    assert_eq!(told(&site, &[("patients-1.csv", &named)]), ["A28 1"]);
    let day = fs::read_dir(&site.spool().archive).unwrap().next().unwrap().unwrap().path();
    let back = || fs::rename(day.join("patients-1.csv"), site.spool().inbox.join("patients-1.csv"));
    back().unwrap();
    let said = site.run(["run"]);
    assert!(said.out.contains("the same bytes were taken in before"), "{said:?}");
    back().unwrap();
    let said = site.run(["run", "--again"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.contains("patients-1.csv: 1 row = 1 sent"), "{said:?}");
}

#[test]
fn what_was_in_the_way_may_be_mended_elsewhere() {
    let site = Site::new();
    let people = patients(&["7,Doe,Ann,02/14/1987,F,,"]);
    let booked = appointments(&[appointment("50", "7", "f", "a")]);
    for (name, text) in [
        ("providers-1.csv", "providerid,npi,lastname\n28,1000000012,Hale\n"),
        ("departments.csv", "departmentid,name\n12,MAIN\n"),
        ("patients.csv", &people),
        ("appointments.csv", &booked),
    ] {
        site.put(name, text);
    }
    assert_eq!(site.run(["run"]).code, Some(3), "provider 27 is nobody");
    site.put("providers-2.csv", "providerid,npi,lastname\n27,1234567893,Seuss\n");
    site.put("appointments.csv", &booked);
    let said = site.run(["run"]);
    assert!(said.out.contains("appointments.csv: 1 row = 1 sent"), "{said:?}");
    assert!(segment(&site, "MSH").contains("SIU^S12"));
}

#[test]
fn what_was_switched_off_is_told_once_it_is_on() {
    let site = site();
    let file = site.interface_file();
    let text = fs::read_to_string(&file).unwrap();
    let with_updates = |on: bool| {
        let others = ["patient_added", "appointment_scheduled", "appointment_updated"]
            .into_iter()
            .chain(["appointment_cancelled", "appointment_checked_in", "appointment_checked_out"])
            .map(|event| format!("{event} = true\n"));
        let switches = others.collect::<String>();
        fs::write(&file, format!("{text}[enable]\npatient_updated = {on}\n{switches}")).unwrap();
    };
    let city = |city: &str| patients(&[&format!("7,Doe,Ann,02/14/1987,F,{city},")]);
    with_updates(false);
    assert_eq!(told(&site, &[("patients-1.csv", &city("Boston"))]), ["A28 7"]);
    assert_eq!(told(&site, &[("patients-2.csv", &city("Quincy"))]), [""; 0]);
    // Appointments know it all the same.
    let booked = appointments(&[appointment("50", "7", "f", "a")]);
    assert_eq!(told(&site, &[("appointments.csv", &booked)]), ["S12 50 BOOKED"]);
    assert!(segment(&site, "PID").contains("^^Quincy"));
    with_updates(true);
    let again = format!("{}\n", city("Quincy"));
    assert_eq!(told(&site, &[("patients-3.csv", &again)]), ["A31 7"]);
}

#[test]
fn what_a_new_mapping_needs_of_a_patient_is_kept_with_the_next_extract() {
    let site = site();
    let people = |end: &str| {
        format!(
            "patientid,lastname,firstname,dob,sex,contactname\n7,Doe,Ann,02/14/1987,F,\"Roe, Bob\"\n{end}"
        )
    };
    assert_eq!(told(&site, &[("patients-1.csv", &people(""))]), ["A28 7"]);
    let file = site.interface_file();
    let text = fs::read_to_string(&file).unwrap();
    let mapping = "[[mapping]]\nfield = \"PID-6\"\nvalue = \"{contactname:name}\"\n";
    fs::write(&file, format!("{text}{mapping}")).unwrap();
    assert_eq!(told(&site, &[("patients-2.csv", &people("\n"))]), [""; 0]);
    let booked = appointments(&[appointment("50", "7", "f", "a")]);
    assert_eq!(told(&site, &[("appointments.csv", &booked)]), ["S12 50 BOOKED"]);
    assert!(segment(&site, "PID").contains("|Doe^Ann|Roe^Bob|"), "{}", segment(&site, "PID"));
}

#[test]
fn a_deleted_patient_is_told_once_as_an_update() {
    let site = site();
    let file = site.interface_file();
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{text}[patients]\ndeleted = \"A31\"\n")).unwrap();
    let people = |status: &str, end: &str| {
        format!(
            "patientid,lastname,firstname,dob,sex,status\n7,Doe,Ann,02/14/1987,F,{status}\n{end}"
        )
    };
    assert_eq!(told(&site, &[("patients-1.csv", &people("active", ""))]), ["A28 7"]);
    assert_eq!(told(&site, &[("patients-2.csv", &people("deleted", ""))]), ["A31 7"]);
    assert_eq!(told(&site, &[("patients-3.csv", &people("deleted", "\n"))]), [""; 0]);
    assert_eq!(told(&site, &[("patients-4.csv", &people("active", "\n"))]), ["A31 7"]);
}

#[test]
fn an_update_deletes_only_what_was_sent_before() {
    let site = Site::new();
    let file = site.interface_file();
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("[wire]\n", "[wire]\nsend_deletes = true\n")).unwrap();
    let drop = |at: u32, row: &str| {
        let header = "patientid,lastname,firstname,dob,sex,race,preferredname,maritalstatus,city";
        site.put(&format!("patients-{at}.csv"), format!("{header}\n{row}\n"));
        let said = site.run(["run"]);
        assert_eq!(said.code, Some(0), "{said:?}");
        let name = format!("99999-{at:06}.hl7");
        let sent = fs::read_to_string(site.partner.join(name)).unwrap();
        let pid =
            sent.split(['\r', '\n']).find(|line| line.starts_with("PID|")).unwrap().to_string();
        let field = |at: usize| pid.split('|').nth(at).unwrap_or_default().to_string();
        [field(9), field(10), field(16)].join("|")
    };
    assert_eq!(drop(1, "1,Doe,Ann,02/14/1987,F,2106-3,Annie,,Salem"), "Annie|2106-3^White^CDCREC|");
    // The race stays, the nickname goes, and nobody ever heard of a marital status.
    assert_eq!(drop(2, "1,Doe,Ann,02/14/1987,F,2106-3,,,Lynn"), "\"\"|2106-3^White^CDCREC|");
    // It is gone by now.
    assert_eq!(drop(3, "1,Doe,Ann,02/14/1987,F,,,M,Lynn"), "|\"\"|M");
    assert_eq!(drop(4, "1,Doe,Ann,02/14/1987,F,,,,Lynn"), "||\"\"");
}
