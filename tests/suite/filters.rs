//! Whom the vendor is told of (scope package, table 6; `interface.md` 8.8 to 8.12).

use std::fs;

use crate::site::{Output, Site, words};

const DEPARTMENTS: &str = "departmentid,name\n12,RIVERBEND MAIN\n14,RIVERBEND WEST\n";
const PROVIDERS: &str = "providerid,npi,lastname,firstname,entitytype\n\
     27,1234567893,SEUSS,DOROTHY,Person\n28,1000000012,HALE,JO,Person\n29,,XRAY ROOM,,Non-Person\n";

fn site(settings: &str) -> Site {
    let site = Site::new();
    agree(&site, settings);
    site
}

/// Adds settings to those that every site has.
fn agree(site: &Site, settings: &str) {
    let file = site.interface_file();
    let text = fs::read_to_string(&file).unwrap();
    let text = text.split("# agreed\n").next().unwrap();
    fs::write(&file, format!("{text}# agreed\n{settings}\n")).unwrap();
}

/// A filter of appointments by provider 27, who may leave in a way.
fn of_27(on_leave: &str) -> String {
    format!(
        "[provider_id]\nuse = \"athena\"\n[filter]\non_leave_scope = \"{on_leave}\"\n\
         [[filter.appointments]]\nby = \"provider\"\nnames = [\"27\"]"
    )
}

fn patients(rows: &[&str]) -> String {
    let header = "patientid,lastname,firstname,dob,sex,departmentid,primarydepartmentid,\
                  primaryproviderid,city";
    format!("{header}\n{}\n", rows.join("\n"))
}

fn appointments(rows: &[(&str, &str, &str, &str)]) -> String {
    let rows = rows.iter().map(|(id, patient, provider, status)| {
        format!("{id},{patient},12,{provider},05/21/2026,10:00,15,{status}\n")
    });
    let header = "appointmentid,patientid,departmentid,providerid,date,starttime,duration,\
                  appointmentstatus\n";
    header.to_string() + &rows.collect::<String>()
}

/// Drops files and runs.
fn run(site: &Site, drop: &[(&str, &str)]) -> Output {
    for (name, text) in drop {
        site.put(name, text);
    }
    site.run(["run"])
}

/// Drops files and runs; returns what the batch file tells, a word for each message.
fn told(site: &Site, drop: &[(&str, &str)]) -> Vec<String> {
    let before = fs::read_dir(&site.partner).unwrap().count();
    let said = run(site, drop);
    assert_eq!(said.code, Some(0), "{said:?}");
    let files = fs::read_dir(&site.partner).unwrap().map(|one| one.unwrap().path());
    let mut files: Vec<_> = files.collect();
    files.sort();
    if files.len() == before {
        return Vec::new();
    }
    let text = fs::read_to_string(files.last().unwrap()).unwrap();
    words(&text)
}

/// Returns the notes of the extract that was taken in last.
fn notes(site: &Site, extract: &str) -> String {
    let status = site.run(["status", "--json"]);
    let told = status.json();
    let text = told.to_string();
    let at = text.find(&format!("\"{extract}\"")).unwrap_or_else(|| panic!("{text}"));
    // Keys are sorted, so the notes of an extract stand behind its name.
    text[at..].split("\"notes\":").nth(1).unwrap().split('}').next().unwrap().to_string()
}

#[test]
fn patients_outside_the_filter_are_counted_and_held_for_their_appointments() {
    let filter = "[provider_id]\nuse = \"athena\"\n[[filter.patients]]\nby = \"department\"\n\
                  names = [\"riverbend  main\"]\n[[filter.patients]]\nby = \"provider\"\nnames = [\"27\"]";
    let site = site(filter);
    let people = patients(&[
        "1,Doe,Ann,02/14/1987,F,14,12,27,Boston",
        "2,Roe,Bob,02/14/1988,M,12,14,27,Boston",
        "3,Poe,Cy,02/14/1989,M,12,,27,Boston",
        "4,Loe,Di,02/14/1989,F,12,12,28,Boston",
    ]);
    let tables = [("departments.csv", DEPARTMENTS), ("providers.csv", PROVIDERS)];
    let first = [tables[0], tables[1], ("patients.csv", &*people)];
    assert_eq!(told(&site, &first), ["A28 1", "A28 3"]);
    let found = notes(&site, "patients.csv");
    assert!(found.contains("\"other_department\":1"), "{found}");
    assert!(found.contains("\"other_provider\":1"), "{found}");
    // The filters of the two message types are independent (8.10).
    let booked = appointments(&[("50", "2", "27", "f"), ("51", "4", "28", "f")]);
    let drop = [("appointments.csv", &*booked)];
    assert_eq!(told(&site, &drop), ["S12 50 BOOKED", "S12 51 BOOKED"]);
    // One comes, one leaves, and one comes back: nobody is added twice.
    let moved = patients(&[
        "1,Doe,Ann,02/14/1987,F,14,14,27,Quincy",
        "2,Roe,Bob,02/14/1988,M,12,12,27,Boston",
    ]);
    assert_eq!(told(&site, &[("patients-2.csv", &moved)]), ["A28 2"]);
    let back = patients(&["1,Doe,Ann,02/14/1987,F,14,12,27,Quincy"]);
    assert_eq!(told(&site, &[("patients-3.csv", &back)]), ["A31 1"]);
    assert_eq!(
        told(&site, &[("patients-4.csv", &patients(&["4,Loe,Di,02/14/1989,F,12,12,28,"]))]),
        [""; 0]
    );
    let register = site.spool().ledger().with_extension("register");
    let bytes = fs::metadata(&register).unwrap().len();
    // Held as they were held: the register does not grow.
    let again = patients(&["4,Loe,Di,02/14/1989,F,12,12,28,", "4,Loe,Di,02/14/1989,F,12,12,28,"]);
    assert_eq!(told(&site, &[("patients-5.csv", &again)]), [""; 0]);
    assert_eq!(fs::metadata(&register).unwrap().len(), bytes);
}

#[test]
fn an_appointment_that_leaves_the_filter_is_told_once_more() {
    let people = patients(&["7,Doe,Ann,02/14/1987,F,12,12,27,"]);
    for (on_leave, leaves, back) in [
        ("update", &["S14 50 UPDATE"][..], &["S14 50 UPDATE"][..]),
        ("cancel", &["S15 50 CANCELLED"], &["S12 50 BOOKED"]),
        ("silent", &[], &[]),
    ] {
        let site = site(&of_27(on_leave));
        let drop = |at: usize, provider: &str, status: &str| {
            let name = format!("appointments-{at}.csv");
            let extract = appointments(&[("50", "7", provider, status), ("51", "7", "28", "f")]);
            told(&site, &[(&name, &extract)])
        };
        assert_eq!(told(&site, &[("patients.csv", &people)]), ["A28 7"]);
        assert_eq!(drop(1, "27", "f"), ["S12 50 BOOKED"], "{on_leave}");
        assert_eq!(drop(2, "28", "f"), leaves, "{on_leave}");
        let found = notes(&site, "appointments-2.csv");
        assert_eq!(found.contains("\"left_filter\":1"), !leaves.is_empty(), "{found}");
        assert_eq!(drop(3, "28", "2"), [""; 0], "{on_leave}: it is out");
        assert_eq!(drop(4, "27", "f"), back, "{on_leave}: it comes back");
        assert_eq!(drop(5, "27", "x"), ["S15 50 CANCELLED"], "{on_leave}");
        assert_eq!(drop(6, "28", "x"), [""; 0], "{on_leave}: nothing is left to take back");
    }
}

#[test]
fn a_filter_that_changes_takes_its_appointments_out_once() {
    let site = site("[provider_id]\nuse = \"athena\"");
    let people = patients(&["7,Doe,Ann,02/14/1987,F,12,12,27,"]);
    let extract = |city: &str| appointments(&[("50", "7", "28", "f")]) + city;
    let drop = [("patients.csv", &*people), ("appointments-1.csv", &*extract(""))];
    assert_eq!(told(&site, &drop), ["A28 7", "S12 50 BOOKED"]);
    agree(&site, &of_27("update"));
    // A blank line makes it another file of the same record.
    assert_eq!(told(&site, &[("appointments-2.csv", &extract("\n"))]), ["S14 50 UPDATE"]);
    assert_eq!(told(&site, &[("appointments-3.csv", &extract("\n\n"))]), [""; 0]);
}

#[test]
fn a_name_that_cannot_be_resolved_stops_the_interface() {
    let filter = |name: &str| {
        format!(
            "[provider_id]\nuse = \"athena\"\n[[filter.patients]]\nby = \"department\"\n\
             names = [\"{name}\"]"
        )
    };
    let site = site(&filter("RIVERBEND MAIN"));
    let people = patients(&["1,Doe,Ann,02/14/1987,F,12,,27,"]);
    let said = run(&site, &[("patients.csv", &people)]);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(
        said.err.contains("`RIVERBEND MAIN` is looked up in the departments extract"),
        "{said:?}"
    );
    // The table comes, and the patients that waited go out.
    assert_eq!(told(&site, &[("departments.csv", DEPARTMENTS)]), ["A28 1"]);
    agree(&site, &filter("RIVERBEND"));
    let more = patients(&["2,Roe,Bob,02/14/1988,M,12,,27,"]);
    let said = run(&site, &[("patients-2.csv", &more)]);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.err.contains("is no ID and no name in the departments extract"), "{said:?}");
    agree(&site, &filter("12"));
    assert_eq!(told(&site, &[]), ["A28 2"]);
}

#[test]
fn an_extract_without_the_column_of_the_filter_is_refused() {
    let site = site("[[filter.patients]]\nby = \"provider\"\nnames = [\"27\"]");
    let said = run(
        &site,
        &[("patients.csv", "patientid,lastname,firstname,dob,sex\n1,a,b,02/14/1987,F\n")],
    );
    assert_eq!(said.code, Some(3), "{said:?}");
    assert!(said.err.contains("the header has no column primaryproviderid"), "{said:?}");
}

#[test]
fn explain_says_why_a_record_is_told_to_nobody() {
    let site = site("[[filter.patients]]\nby = \"provider\"\nnames = [\"27\"]");
    let extract = site.root().join("patients.csv");
    fs::write(&extract, patients(&["4,Loe,Di,02/14/1989,F,12,12,28,"])).unwrap();
    let file = site.interface_file();
    let (file, extract) = (file.to_str().unwrap(), extract.to_str().unwrap());
    let said = site.run(["convert", "--interface", file, "--explain", "1", extract]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.contains("records of providers whom [[filter.*]] does not name"), "{said:?}");
}

#[test]
fn a_room_has_no_npi_and_goes_out_under_its_own_id() {
    let site = site("");
    let people = patients(&["7,Doe,Ann,02/14/1987,F,12,12,27,"]);
    let booked = appointments(&[("50", "7", "29", "f")]);
    let drop = [
        ("departments.csv", DEPARTMENTS),
        ("providers.csv", PROVIDERS),
        ("patients.csv", &*people),
        ("appointments.csv", &*booked),
    ];
    assert_eq!(told(&site, &drop), ["A28 7", "S12 50 BOOKED"]);
    let found = notes(&site, "appointments.csv");
    assert!(found.contains("\"npi_missing\":3"), "PV1-7, PV1-17, AIG-3: {found}");
}

#[test]
fn a_patient_who_was_never_sent_goes_before_his_first_appointment_where_that_is_agreed() {
    let of_27 = |first: &str| {
        format!(
            "[provider_id]\nuse = \"athena\"\n[filter]\npatients_of_appointments = \"{first}\"\n\
             [[filter.patients]]\nby = \"provider\"\nnames = [\"27\"]"
        )
    };
    let people =
        patients(&["8,Doe,Bea,02/14/1987,F,12,12,28,Boston", "9,Doe,Cid,02/14/1987,M,12,12,27,"]);
    let day = [("50", "8", "27", "f"), ("51", "9", "27", "f"), ("52", "8", "27", "f")];
    let visits = ["S12 50 BOOKED", "S12 51 BOOKED", "S12 52 BOOKED"];
    let own = "appointmentid,patientid,lastname,firstname,dob,sex,departmentid,providerid,date,\
               starttime,duration,appointmentstatus\n\
               60,70,Roe,Eve,02/14/1990,F,12,27,05/21/2026,10:00,15,f\n";
    for (first, before, alone) in
        [("first", &["A28 9", "A28 8"][..], &["A28 70"][..]), ("filtered", &["A28 9"], &[])]
    {
        let site = site(&of_27(first));
        let files = [("patients.csv", people.as_str()), ("appointments.csv", &appointments(&day))];
        assert_eq!(told(&site, &files), [before, &visits].concat(), "{first}");
        let again = [("53", "8", "27", "f")];
        let again = appointments(&again);
        assert_eq!(
            told(&site, &[("appointments-2.csv", &again)]),
            ["S12 53 BOOKED"],
            "{first}: once"
        );
        // Whom only the appointment names; and later he comes by himself, as an update.
        let all = [alone, &["S12 60 BOOKED"]].concat();
        assert_eq!(told(&site, &[("appointments-3.csv", own)]), all, "{first}");
        let later = patients(&["70,Roe,Eve,02/14/1990,F,12,12,27,Salem"]);
        let known = if alone.is_empty() { "A28 70" } else { "A31 70" };
        assert_eq!(told(&site, &[("patients-2.csv", &later)]), [known], "{first}");
        let checked = site.run(["check", "--offline"]);
        assert_eq!(checked.code, Some(0), "ledger, files and index agree: {checked:?}");
        let found =
            site.run(["queue", "search", "--patient", "8", "--event", "patient_added", "--json"]);
        let found = found.json()[0]["hits"].as_array().unwrap().len();
        assert_eq!(found, usize::from(first == "first"), "it is found by the patient's ID");
    }
}

#[test]
fn who_goes_first_is_told_whole_and_not_at_all_if_he_is_gone() {
    let site = site(
        "[provider_id]\nuse = \"athena\"\n[filter]\npatients_of_appointments = \"first\"\n\
         [[filter.patients]]\nby = \"provider\"\nnames = [\"27\"]",
    );
    let people = "patientid,lastname,firstname,dob,sex,primaryproviderid,status,nextkinname,\
                  insurance1_insurancepackageid,insurance1_insuranceplanname\n\
                  8,Doe,Bea,02/14/1987,F,28,active,\"RIVERA, LUZ\",982,AETNA\n\
                  9,Doe,Cid,02/14/1987,M,28,deleted,,,\n\
                  10,Doe,Dan,02/14/1987,M,28,active,,,AETNA\n";
    // They are known, and days later their appointments come.
    assert_eq!(told(&site, &[("patients.csv", people)]), [""; 0]);
    let day = appointments(&[("50", "8", "27", "f"), ("51", "9", "27", "f")]);
    let said = run(&site, &[("appointments.csv", &day)]);
    assert_eq!(said.code, Some(3), "{said:?}");
    let waits = site.run(["queue", "--json"]).json();
    assert_eq!((&waits[0]["code"], &waits[0]["record"]), (&"O001".into(), &2.into()), "{waits}");
    let batch = fs::read_dir(&site.partner).unwrap().next().unwrap().unwrap().path();
    let text = fs::read_to_string(batch).unwrap();
    assert_eq!(words(&text), ["A28 8", "S12 50 BOOKED"]);
    assert!(text.contains("NK1|1|RIVERA^LUZ|") && text.contains("IN1|1|982^AETNA|"), "{text}");
    let found = notes(&site, "appointments.csv");
    assert!(found.contains("\"patient_first\":1"), "{found}");
    // His insurance has no package, which is no matter to his appointment.
    let more = appointments(&[("52", "10", "27", "f")]);
    assert_eq!(run(&site, &[("appointments-2.csv", &more)]).code, Some(3));
    let found = notes(&site, "appointments-2.csv");
    assert!(found.contains("\"patient_not_first\":1"), "{found}");
}

#[test]
fn an_id_of_somebody_outside_the_filter_is_not_somebody_elses() {
    let site = site(
        "[provider_id]\nuse = \"athena\"\n[[filter.patients]]\nby = \"provider\"\n\
         names = [\"27\"]\n[[external_ids.patient]]\nname = \"MRN\"\ncustom_field_id = \"41\"\n\
         category = \"MRN\"\nfield = \"PID-4\"",
    );
    let people = |rows: &[&str]| {
        let header = "patientid,lastname,firstname,dob,sex,primaryproviderid,customfield_41";
        format!("{header}\n{}\n", rows.join("\n"))
    };
    let first = people(&["1,Doe,Ann,02/14/1987,F,27,4471"]);
    assert_eq!(told(&site, &[("patients-1.csv", &first)]), ["A28 1"]);
    // His appointments would carry her record number.
    let second = people(&["2,Roe,Bob,02/14/1988,M,28,4471", "3,Poe,Cy,02/14/1989,M,28,4472"]);
    let said = run(&site, &[("patients-2.csv", &second)]);
    assert_eq!(said.code, Some(3), "{said:?}");
    let waits = site.run(["queue", "--json"]).json();
    let waits = waits.as_array().unwrap();
    let one = (waits.len(), &waits[0]["code"], &waits[0]["record"]);
    assert_eq!(one, (1, &"X001".into(), &1.into()), "{waits:?}");
    let third = people(&["4,Loe,Di,02/14/1990,F,27,4472"]);
    let said = run(&site, &[("patients-3.csv", &third)]);
    assert_eq!(said.code, Some(3), "{said:?}");
    assert_eq!(site.run(["queue", "--json"]).json().as_array().unwrap().len(), 2);
}

#[test]
fn who_was_out_for_a_while_is_no_news_if_he_is_as_he_was_told() {
    let filter = "[provider_id]\nuse = \"athena\"\n[[filter.patients]]\nby = \"provider\"\n\
                  names = [\"27\"]";
    let site = site(filter);
    let of = |provider: &str, city: &str| {
        let header = "patientid,lastname,firstname,dob,sex,primaryproviderid,city,testpatientyn";
        format!("{header}\n1,Doe,Ann,02/14/1987,F,{provider},{city},\n")
    };
    let city = ["Boston", "Boston", "Boston", "Lynn", "Lynn"];
    let expected: [&[&str]; 5] = [&["A28 1"], &[], &[], &[], &["A31 1"]];
    for (at, provider) in ["27", "28", "27", "28", "27"].iter().enumerate() {
        let name = format!("patients-{at}.csv");
        assert_eq!(told(&site, &[(&name, &of(provider, city[at]))]), expected[at], "drop {at}");
    }
}

#[test]
fn check_says_whether_the_names_of_the_filter_stand_for_one() {
    let named = "[[filter.appointments]]\nby = \"department\"\nnames = [\"Riverbend Main\"]";
    let site = site(named);
    let said = site.run(["check", "--offline"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.contains("and there was none yet; drop one, or write the ID"), "{said:?}");
    run(&site, &[("departments.csv", DEPARTMENTS)]);
    let said = site.run(["check", "--offline"]);
    assert!(said.out.contains("each stands for one provider or department"), "{said:?}");
    agree(&site, &named.replace("Main", "Mian"));
    let said = site.run(["check", "--offline"]);
    assert!(said.code != Some(0) && said.out.contains("Riverbend Mian"), "{said:?}");
}
