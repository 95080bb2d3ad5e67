//! `testplan`: a plan of an interface's own settings, its unit phase against the test
//! endpoint, what people recorded, and what is missing before go-live.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use hl7drop::papers::testplan::{Plan, Results};
use serde_json::Value;

use crate::encrypt::{encrypting, vendor};
use crate::sftpd::server;
use crate::site::{NAME, Output, Site, ended, files_below, names};
use crate::watch::Daemon;

const PROVIDERS: &str = "providerid,npi,lastname,firstname,schedulingname\n\
    27,1234567893,SEUSS,DOROTHY,\"SEUSS, DOROTHY\"\n\
    34,1558598797,OKAFOR,ADA,\"OKAFOR, ADA\"\n\
    41,,ROOM,EXAM,EXAM ROOM\n";
const DEPARTMENTS: &str = "departmentid,name\n12,RIVERBEND MAIN\n15,RIVERBEND SOUTH\n19,OTHER\n";

/// Settings with something of each table of the package.
const RICH: &str = r#"
[enable]
patient_added = true
patient_updated = false
appointment_scheduled = true
appointment_updated = true
appointment_cancelled = true
appointment_checked_in = true
appointment_checked_out = true
[[external_ids.patient]]
name = "Ridge MRN"
custom_field_id = "21"
category = "MRN"
field = "PID-3"
authority = "RIDGE"
width = 8
[[external_ids.patient]]
name = "Chart"
custom_field_id = "22"
category = "Chart"
field = "PID-4"
[[external_ids.appointment]]
name = "Ridge appointment"
custom_field_id = "641"
category = "Appointment"
field = "SCH-1"
[[filter.patients]]
by = "department"
names = ["RIVERBEND MAIN", "15"]
[[filter.appointments]]
by = "provider"
names = ["SEUSS, DOROTHY"]
[codes.race]
unmapped = "hold"
"Caucasian" = "2106-3"
[codes.ethnicity]
declined = "ASKU^Asked but unknown"
[codes.language]
unmapped = "pass"
[codes.marital]
unmapped = "default"
default = "U"
[codes.status]
"Arrived" = "2"
[appointments]
no_show_status = "NOSHOW"
[appointments.status]
appointment_scheduled = "PLANNED"
"#;

/// A mapping is no setting: the messages change and the scope does not.
const MAP: [&str; 7] = ["queue", "map", "department", "12", "15", "--note", "moved"];

/// A site with more settings.
fn site(more: &str) -> Site {
    let site = Site::new();
    let text = fs::read_to_string(site.interface_file()).unwrap();
    fs::write(site.interface_file(), text + more).unwrap();
    site
}

/// A site with something of each table, and tables in force.
fn rich() -> Site {
    let site = site(RICH);
    site.put("providers.csv", PROVIDERS);
    site.put("departments.csv", DEPARTMENTS);
    let run = site.run(["run"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    site
}

fn folder(site: &Site) -> PathBuf {
    site.interface_file().with_extension("testplan")
}

fn plan(site: &Site) -> Plan {
    serde_json::from_slice(&fs::read(folder(site).join("plan.json")).unwrap()).unwrap()
}

fn results(site: &Site) -> Results {
    serde_json::from_slice(&fs::read(folder(site).join("results.json")).unwrap()).unwrap()
}

fn write(site: &Site) -> Output {
    site.run(["testplan", "write", NAME])
}

/// Writes a plan without any doubt.
fn written(site: &Site) -> Plan {
    let said = write(site);
    assert_eq!(said.code, Some(0), "{said:?}");
    plan(site)
}

/// Files of a plan, by their paths in its folder.
type Files = BTreeMap<PathBuf, Vec<u8>>;

/// As [`written`], for sites of the same settings once: a plan knows no path of its machine.
fn planned(site: &Site) -> Plan {
    static PLANS: Mutex<BTreeMap<String, Files>> = Mutex::new(BTreeMap::new());
    let settings = fs::read_to_string(site.interface_file()).unwrap();
    let mut plans = PLANS.lock().unwrap_or_else(PoisonError::into_inner);
    let files = plans.entry(settings).or_insert_with(|| {
        written(site);
        let mut files = Files::new();
        read_below(&folder(site), Path::new(""), &mut files);
        files
    });
    for (name, bytes) in files {
        let file = folder(site).join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, bytes).unwrap();
    }
    plan(site)
}

fn read_below(folder: &Path, within: &Path, files: &mut Files) {
    for entry in fs::read_dir(folder.join(within)).unwrap() {
        let name = within.join(entry.unwrap().file_name());
        if folder.join(&name).is_dir() {
            read_below(folder, &name, files);
        } else {
            files.insert(name.clone(), fs::read(folder.join(&name)).unwrap());
        }
    }
}

fn report(site: &Site) -> (Option<i32>, Value) {
    let said = site.run(["testplan", "report", NAME, "--format", "json"]);
    (said.code, said.json())
}

fn missing(report: &Value) -> Vec<&str> {
    report["missing"].as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect()
}

/// Returns the scenario of this name.
fn of<'a>(plan: &'a Plan, name: &str) -> &'a hl7drop::papers::testplan::Scenario {
    plan.scenarios.iter().find(|one| one.name == name).unwrap_or_else(|| {
        panic!("{name}: {:?}", plan.scenarios.iter().map(|one| &one.name).collect::<Vec<_>>())
    })
}

/// Changes a file of the plan.
fn change(file: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(file).unwrap();
    assert!(text.contains(from), "{from}\n{text}");
    fs::write(file, text.replacen(from, to, 1)).unwrap();
}

#[test]
fn a_plan_has_a_scenario_for_all_that_was_agreed_and_each_has_its_point() {
    let site = rich();
    let plan = planned(&site);
    let names: BTreeSet<&str> = plan.scenarios.iter().map(|one| one.name.as_str()).collect();
    for name in [
        "patient-added",
        "patient-updated",
        "appointment-scheduled",
        "appointment-updated",
        "appointment-cancelled",
        "appointment-checked-in",
        "appointment-checked-out",
        "no-show",
        "rescheduled",
        "filter-patients-department-inside",
        "filter-patients-department-outside",
        "filter-appointments-provider-inside",
        "filter-appointments-provider-outside",
        "id-21",
        "id-21-zeros",
        "id-22",
        "id-641",
        "codes",
        "codes-race-own",
        "codes-race-unknown",
        "codes-race-declined",
        "codes-race-newer",
        "codes-ethnicity-declined",
        "codes-language-unknown",
        "codes-marital-unknown",
        "codes-relationship-unknown",
        "status-word-1",
    ] {
        assert!(names.contains(name), "{name}: {names:?}");
    }
    let points = |name: &str| {
        let steps = of(&plan, name).steps.iter();
        let all = steps.flat_map(|step| &step.points);
        all.map(|one| format!("{} {} {}", one.message, one.field, one.value)).collect::<Vec<_>>()
    };
    for (name, point) in [
        ("appointment-scheduled", "2 SCH-25.1 PLANNED"),
        ("appointment-scheduled", "2 PV1-7.1 1234567893"),
        ("no-show", "1 SCH-25.1 NOSHOW"),
        ("codes-race-own", "1 PID-10.1 2106-3"),
        ("codes-ethnicity-declined", "1 PID-22 ASKU^Asked but unknown"),
        ("codes-marital-unknown", "1 PID-16 U"),
        ("id-21", "2 PID-3[*].4 RIDGE"),
        ("rescheduled", "1 MSH-9.2 S15"),
        ("rescheduled", "2 MSH-9.2 S12"),
    ] {
        assert!(points(name).iter().any(|one| one == point), "{name} {point}: {:?}", points(name));
    }
    assert_eq!(of(&plan, "patient-updated").steps[1].told, Vec::<String>::new(), "it is off");
    assert_eq!(of(&plan, "id-21-zeros").steps[0].waits, ["X003"]);
    assert_eq!(of(&plan, "codes-race-unknown").steps[0].waits, ["C002"]);
    for scenario in &plan.scenarios {
        let steps = &scenario.steps;
        let quiet = steps.iter().all(|step| step.told.is_empty());
        let pointed = steps
            .iter()
            .any(|step| !step.points.is_empty() || !step.waits.is_empty() || step.filtered > 0);
        assert!(quiet || pointed, "{scenario:?}");
        let sides = |checks: &[hl7drop::papers::testplan::Check]| {
            checks.iter().map(|one| one.side.clone()).collect::<Vec<_>>()
        };
        assert_eq!(sides(&scenario.unit), ["practice", "vendor"]);
        assert_eq!(sides(&scenario.end_user), ["practice", "vendor"]);
    }
}

#[test]
fn the_folder_holds_what_people_and_machines_need_and_nothing_real() {
    let site = rich();
    let plan = planned(&site);
    let folder = folder(&site);
    let step = &of(&plan, "appointment-cancelled").steps[1];
    let extract = fs::read_to_string(folder.join(&step.extracts[0].file)).unwrap();
    assert!(extract.starts_with("appointmentid,"), "{extract}");
    assert!(extract.contains(",PATIENT CANCELLED,"), "{extract}");
    let expected = fs::read_to_string(folder.join(&step.expected)).unwrap();
    assert!(expected.starts_with("MSH|^~\\&|ATHENANET|99999^Riverbend"), "{expected}");
    assert!(expected.contains("\nSCH|") && !expected.contains('\r'), "{expected}");
    for sample in [
        "A28-patient-added",
        "S12-appointment-scheduled",
        "S14-appointment-updated",
        "S15-appointment-cancelled",
        "S14-appointment-checked-in",
        "S14-appointment-checked-out",
    ] {
        let text = fs::read_to_string(folder.join(format!("samples/{sample}.hl7"))).unwrap();
        assert!(text.ends_with('\r') && !text.contains('\n'), "{sample}: {text:?}");
        assert!(text.contains(&format!("^{}|", &sample[..3])), "{sample}");
    }
    assert!(!folder.join("samples/A31-patient-updated.hl7").exists(), "it is off");
    let page = fs::read_to_string(folder.join("plan.html")).unwrap();
    let text = fs::read_to_string(folder.join("plan.md")).unwrap();
    for told in ["Unit phase", "End-user phase", "Appointment that is moved", "SCH-25.1"] {
        assert!(page.contains(told) && text.contains(told), "{told}");
    }
    for outside in ["http://", "https://", "src=", "<script", "<link"] {
        assert!(!page.contains(outside), "{outside}");
    }
    // Who drops an extract into production by mistake tells nobody of it.
    for (name, _) in plan.files.iter().filter(|(name, _)| name.contains("/patients")) {
        let text = fs::read_to_string(folder.join(name)).unwrap();
        let at = text.lines().next().unwrap().split(',').position(|one| one == "testpatientyn");
        assert!(at.is_some() && text.contains(",Y,"), "{name}: {text}");
    }
    let again = write(&site);
    assert_eq!(again.code, Some(2), "{again:?}");
    assert!(again.err.contains("is there already; --replace sets it aside"), "{again:?}");
}

#[test]
fn the_unit_phase_passes_and_can_be_run_again() {
    let site = rich();
    let plan = planned(&site);
    let said = site.run(["testplan", "run", NAME]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.ends_with(&format!("{} passed, 0 failed\n", plan.scenarios.len())));
    let status = site.run(["status", "--json"]);
    assert_eq!(status.code, Some(0), "nothing is left in the queue: {status:?}");
    let again = site.run(["testplan", "run", NAME, "--only", "02,03,09,14", "--json"]);
    assert_eq!(again.code, Some(0), "{again:?}");
    let ids: Vec<String> =
        again.json().as_array().unwrap().iter().map(|one| one["scenario"].to_string()).collect();
    assert_eq!(ids, ["\"02\"", "\"03\"", "\"09\"", "\"14\""]);
    let results = results(&site);
    assert_eq!(results.outcomes.len(), plan.scenarios.len() + 4);
    let tokens: BTreeSet<&str> = results.outcomes.iter().map(|one| one.token.as_str()).collect();
    assert_eq!(tokens.len(), 2, "each run has IDs of its own: {tokens:?}");
    let batches: Vec<&String> = results.outcomes.iter().flat_map(|one| &one.batches).collect();
    assert!(batches.len() > plan.scenarios.len());
    for batch in batches {
        assert!(site.partner.join(batch).exists(), "{batch}");
    }
    let strange = site.run(["testplan", "run", NAME, "--only", "77"]);
    assert_eq!(strange.code, Some(2), "{strange:?}");
}

#[test]
fn an_interface_without_tables_gets_some_of_the_plan_s_own() {
    for more in ["", "[provider_id]\nuse = \"athena\"\n"] {
        let site = site(more);
        let plan = planned(&site);
        assert_eq!(plan.tables.len(), 2);
        for _ in 0..2 {
            let said = site.run(["testplan", "run", NAME, "--only", "03"]);
            assert_eq!(said.code, Some(0), "{said:?}");
        }
        // What the practice brought since then is not put out of force.
        site.put("providers.csv", PROVIDERS);
        assert_eq!(site.run(["run"]).code, Some(0));
        let refused = site.run(["testplan", "run", NAME, "--only", "03"]);
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(refused.err.contains("has a table of providers now"), "{refused:?}");
    }
}

#[test]
fn what_goes_out_otherwise_than_it_was_frozen_fails_with_its_field() {
    let site = rich();
    let plan = planned(&site);
    let scenario = of(&plan, "appointment-scheduled");
    let mapped = site.run(MAP);
    assert_eq!(mapped.code, Some(0), "{mapped:?}");
    let said = site.run(["testplan", "run", NAME, "--only", &scenario.id]);
    assert_eq!(said.code, Some(3), "{said:?}");
    assert!(said.out.contains(&format!("{} FAILED", scenario.id)), "{said:?}");
    for told in [
        "message 2: PV1-3 is `15^RIVERBEND SOUTH^^RIVERBEND SOUTH`; `12^RIVERBEND MAIN^^RIVERBEND MAIN` was expected",
        "the department is that of the appointment: PV1-3.1 must be `12`, and is `15`",
    ] {
        assert!(said.out.contains(told), "{told}\n{}", said.out);
    }
    let outcome = results(&site).outcomes.pop().unwrap();
    assert!(!outcome.passed && outcome.differences.len() > 1, "{outcome:?}");
}

#[test]
fn a_point_is_seen_where_the_frozen_message_has_the_same_mistake() {
    let site = rich();
    let plan = planned(&site);
    let scenario = of(&plan, "appointment-cancelled");
    // As if the converter had always been wrong: point and message do not agree.
    let file = folder(&site).join("plan.json");
    change(
        &file,
        "PATIENT CANCELLED\",\n              \"say\"",
        "NOT SO\",\n              \"say\"",
    );
    let refused = site.run(["testplan", "run", NAME]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.err.contains("these are results of another plan.json"), "{refused:?}");
    let text = fs::read(&file).unwrap();
    let digest = hl7drop::digest::Digest::of(&text).to_string();
    let anew = Results { plan: digest, ..Results::default() };
    fs::write(folder(&site).join("results.json"), serde_json::to_vec(&anew).unwrap()).unwrap();
    let said = site.run(["testplan", "run", NAME, "--only", &scenario.id]);
    assert_eq!(said.code, Some(3), "{said:?}");
    let told = "SCH-6.2 must be `NOT SO`, and is `PATIENT CANCELLED`";
    assert!(said.out.contains(told), "{said:?}");
}

#[test]
fn where_the_converter_is_not_what_is_known_without_it_the_plan_says_so() {
    let site = rich();
    assert_eq!(site.run(MAP).code, Some(0));
    let said = write(&site);
    assert_eq!(said.code, Some(3), "{said:?}");
    let told = "the department is that of the appointment: PV1-3.1 must be `12`, and is `15`";
    assert!(said.out.contains(&format!("drop 1: {told}")), "{said:?}");
    assert!(fs::read_to_string(folder(&site).join("plan.html")).unwrap().contains(told));
    assert!(plan(&site).doubts.iter().any(|one| one.ends_with(told)));
}

#[test]
fn a_filter_that_cannot_be_resolved_refuses_the_plan() {
    for (name, told) in [
        ("NOWHERE", "is looked up in the departments extract, and there was none yet"),
        ("RIVERBEND", "`RIVERBEND` is"),
    ] {
        let more = format!("[[filter.patients]]\nby = \"department\"\nnames = [{name:?}]\n");
        let site = site(&more);
        if name == "RIVERBEND" {
            site.put("departments.csv", DEPARTMENTS);
            site.run(["run"]);
        }
        let refused = write(&site);
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(refused.err.contains("[[filter.patients]] by department"), "{refused:?}");
        assert!(refused.err.contains(told), "{refused:?}");
        assert!(!folder(&site).exists());
    }
}

#[test]
fn settings_that_changed_since_are_told_and_a_new_plan_keeps_the_old_one_s_results() {
    let site = site("");
    planned(&site);
    assert_eq!(site.run(["testplan", "run", NAME, "--only", "01"]).code, Some(0));
    let before = fs::read(folder(&site).join("results.json")).unwrap();
    change(&site.interface_file(), "CARESYNC", "CARESYNC2");
    let refused = site.run(["testplan", "run", NAME]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    let told = "[wire] receiving_application was \"CARESYNC\", and is \"CARESYNC2\"";
    assert!(refused.err.contains(told), "{refused:?}");
    let (code, told_too) = report(&site);
    assert_eq!(code, Some(3));
    assert!(missing(&told_too)[0].contains(told), "{told_too}");
    // How extracts are read is no part of the agreement, and of the plan.
    change(&site.interface_file(), "CARESYNC2", "CARESYNC");
    change(
        &site.interface_file(),
        "[pickup]",
        "[columns.patients]\n\"Chart\" = \"patientid\"\n[pickup]",
    );
    let refused = site.run(["testplan", "run", NAME]);
    assert!(refused.err.contains("columns.patients"), "{refused:?}");
    let again = site.run(["testplan", "write", NAME, "--replace"]);
    assert_eq!(again.code, Some(0), "{again:?}");
    let aside = folder(&site).with_extension("testplan-1");
    assert_eq!(fs::read(aside.join("results.json")).unwrap(), before);
    assert_eq!(site.run(["testplan", "run", NAME, "--only", "02"]).code, Some(0));
}

#[test]
fn a_file_that_was_changed_waits_for_a_review() {
    let site = site("");
    let plan = planned(&site);
    let file = folder(&site).join(&of(&plan, "patient-added").steps[0].expected);
    change(&file, "TESTPATIENT^JANELLE", "TESTPATIENT^JANE");
    let refused = site.run(["testplan", "run", NAME]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.err.contains("expected/01-patient-added-1.hl7"), "{refused:?}");
    let reviewed = site.run(["testplan", "review", NAME, "--by", "Ann Analyst"]);
    assert_eq!(reviewed.code, Some(0), "{reviewed:?}");
    assert!(reviewed.out.contains("with changes: expected/01-patient-added-1.hl7"));
    let said = site.run(["testplan", "run", NAME, "--only", "01"]);
    assert_eq!(said.code, Some(3), "{said:?}");
    assert!(said.out.contains("PID-5 is `TESTPATIENT^JANELLE"), "{said:?}");
    change(&file, "TESTPATIENT^JANE", "TESTPATIENT^JANELLE");
    assert_eq!(site.run(["testplan", "run", NAME]).code, Some(2), "not as it was reviewed");
}

#[test]
fn never_in_production_and_never_among_what_others_dropped() {
    let site = site("");
    planned(&site);
    site.put("patients-real.csv", "patientid,lastname,firstname,dob,sex\n1,A,B,01/01/2000,F\n");
    let refused = site.run(["testplan", "run", NAME]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.err.contains("in the inbox of the test environment"), "{refused:?}");
    let text = fs::read_to_string(site.interface_file()).unwrap();
    let text = text
        .replace("\"test\"", "\"production\"")
        .replace("connectivity.test", "connectivity.production");
    fs::write(site.interface_file(), text).unwrap();
    site.approve();
    for args in [["testplan", "run", NAME].as_slice(), &["testplan", "write", NAME, "--replace"]] {
        let refused = site.run(args);
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(refused.err.contains("a test plan is never of production"), "{refused:?}");
    }
    assert_eq!(fs::read_dir(&site.partner).unwrap().count(), 0);
}

#[test]
fn a_plan_that_is_written_takes_nothing_from_the_vendor() {
    let site = site("ack = \"batch\"\n");
    let theirs = site.partner.join("theirs.ack");
    fs::write(&theirs, "MSH|of no use\r").unwrap();
    written(&site);
    assert!(theirs.exists(), "a rehearsal took an answer that the vendor wrote");
}

#[test]
fn a_server_that_is_away_ends_the_run_and_is_no_difference_of_a_message() {
    let site = site("");
    planned(&site);
    let away = site.root().join("away");
    fs::rename(&site.partner, &away).unwrap();
    let said = site.run(["testplan", "run", NAME]);
    assert_eq!(said.code, Some(4), "{said:?}");
    assert!(said.err.contains("not gone on: "), "{said:?}");
    assert_eq!(results(&site).outcomes.len(), 1, "nothing behind it was tried");
    let refused = site.run(["testplan", "run", NAME]);
    assert!(refused.err.contains("is not delivered to test yet"), "{refused:?}");
    fs::rename(&away, &site.partner).unwrap();
    assert_eq!(site.run(["run", "--retry"]).code, Some(0));
    assert_eq!(site.run(["testplan", "run", NAME, "--only", "01,02"]).code, Some(0));
}

#[test]
fn the_report_says_what_is_missing_until_nothing_is() {
    let site = site("");
    change(
        &site.interface_file(),
        "[pickup]",
        "[connectivity.production]\nmethod = \"folder\"\nfolder = \"../partner2\"\n[pickup]",
    );
    let plan = planned(&site);
    let (code, told) = report(&site);
    assert_eq!(code, Some(3));
    let [reviewed, unit, user, production] = missing(&told)[..] else { panic!("{told}") };
    assert_eq!(reviewed, "nobody has reviewed the expected messages");
    assert!(unit.starts_with("unit phase, not tried: 01, 02"), "{unit}");
    assert!(user.starts_with("end-user phase, not tried: 01, 02"), "{user}");
    assert_eq!(production, "production: nobody has approved it");

    assert_eq!(site.run(["testplan", "review", NAME, "--by", "Ann Analyst"]).code, Some(0));
    assert_eq!(site.run(["testplan", "run", NAME]).code, Some(0));
    let record = |args: &[&str]| site.run([["testplan", "record", NAME].as_slice(), args].concat());
    assert_eq!(
        record(&["all", "--passed", "--by", "Uma User", "--date", "2026-05-21"]).code,
        Some(0)
    );
    let unsaid = record(&["03", "--failed", "--by", "Uma User"]);
    assert_eq!(unsaid.code, Some(2), "{unsaid:?}");
    let failed = record(&["03", "--failed", "--by", "Uma User", "--note", "booked an hour late"]);
    assert_eq!(failed.code, Some(0), "{failed:?}");
    site.approve();
    let (code, told) = report(&site);
    assert_eq!((code, missing(&told)), (Some(3), vec!["end-user phase, failed: 03"]));
    let shown = site.run(["testplan", "report", NAME]);
    assert!(shown.out.contains("booked an hour late"), "{shown:?}");
    let vendor = ["04", "--failed", "--by", "Ed", "--note", "not read", "--phase", "unit"];
    assert_eq!(record(&vendor).code, Some(0));
    assert_eq!(missing(&report(&site).1), ["unit phase, failed: 04", "end-user phase, failed: 03"]);
    assert_eq!(record(&["03", "--passed", "--by", "Uma User"]).code, Some(0));
    assert_eq!(site.run(["testplan", "run", NAME, "--only", "04"]).code, Some(0));
    let (code, told) = report(&site);
    assert_eq!((code, missing(&told).len()), (Some(0), 0), "{told}");
    assert_eq!(told["scenarios"].as_array().unwrap().len(), plan.scenarios.len());
    let page = site.run(["testplan", "report", NAME, "--format", "html"]);
    assert_eq!(page.code, Some(0));
    assert!(page.out.contains("Nothing is missing") && !page.out.contains("<script"));
}

#[test]
fn a_crash_leaves_results_as_they_were_or_as_they_are_to_be() {
    let site = site("");
    planned(&site);
    let mut met = 0;
    loop {
        let before = results(&site).outcomes.len();
        let mut command =
            site.command(["testplan", "record", NAME, "01", "--passed", "--by", "Uma"]);
        let struck = ended(command.env("HL7DROP_FAULT", format!("abort:{}", met + 1)));
        let after = results(&site).outcomes.len();
        if !struck.err.contains("fault at ") {
            assert_eq!((struck.code, after), (Some(0), before + 1), "{struck:?}");
            break;
        }
        met += 1;
        assert!(after == before || after == before + 1, "{struck:?}");
    }
    assert!(met > 4, "{met}");
    // Two at once are both kept.
    let begin = |who| site.command(["testplan", "record", NAME, "02", "--passed", "--by", who]);
    let all = ["A", "B", "C", "D"].map(|who| begin(who).spawn().unwrap());
    for mut one in all {
        assert!(one.wait().unwrap().success());
    }
    let named = results(&site).outcomes.into_iter().filter(|one| one.scenario == "02");
    assert_eq!(named.map(|one| one.by).collect::<BTreeSet<_>>().len(), 4);
}

/// Names beside the interface file that are of its plan.
fn plans(site: &Site) -> Vec<String> {
    let mut all = names(site.interface_file().parent().unwrap());
    all.retain(|name| name.contains("testplan"));
    all
}

#[test]
fn a_plan_that_was_killed_while_it_was_written_leaves_nothing_in_the_way() {
    let site = site("");
    // The folders of the spool are made once.
    written(&site);
    fs::remove_dir_all(folder(&site)).unwrap();
    let listed = ended(site.command(["testplan", "write", NAME]).env("HL7DROP_FAULT", "list:0"));
    assert_eq!(listed.code, Some(0), "{listed:?}");
    let places: Vec<&str> =
        listed.err.lines().filter_map(|line| line.strip_prefix("place ")).collect();
    let publish = places.iter().position(|place| *place == "testplan.publish.before").unwrap();
    let killed = |args: &[&str], nth: usize| {
        let fault = format!("abort:{}", nth + 1);
        let said = ended(site.command(args).env("HL7DROP_FAULT", fault));
        assert!(said.err.contains("fault at "), "{said:?}");
    };
    fs::remove_dir_all(folder(&site)).unwrap();
    // Some files lie there, all of them do, and all but its name.
    for nth in [publish - 20, publish - 1, publish] {
        killed(&["testplan", "write", NAME], nth);
        assert!(plans(&site).iter().any(|name| name.ends_with(".part")), "{:?}", plans(&site));
        let refused = site.run(["testplan", "run", NAME]);
        assert!(refused.err.contains("there is no test plan in"), "{refused:?}");
    }
    let before = written(&site);
    assert_eq!(plans(&site), ["clinic.testplan"], "what was left is swept");
    assert_eq!(
        site.run(["testplan", "record", NAME, "01", "--passed", "--by", "Uma"]).code,
        Some(0)
    );
    // The one before is set aside, and the new one has no name yet.
    let replace = ["testplan", "write", NAME, "--replace"];
    killed(&replace, publish + 1);
    let said = site.run(replace);
    assert_eq!(said.code, Some(0), "{said:?}");
    let aside = folder(&site).with_extension("testplan-1");
    let kept: Plan = serde_json::from_slice(&fs::read(aside.join("plan.json")).unwrap()).unwrap();
    assert_eq!(kept.files, before.files);
    assert!(fs::read_to_string(aside.join("results.json")).unwrap().contains("Uma"));
    assert!(!plans(&site).iter().any(|name| name.ends_with(".part")), "{:?}", plans(&site));
    assert_eq!(site.run(["testplan", "run", NAME, "--only", "01"]).code, Some(0));
}

#[test]
fn over_a_server_encrypted_and_beside_a_daemon_the_unit_phase_passes() {
    let site = encrypting(Site::over_sftp(server()));
    written(&site);
    let daemon = Daemon::start(&site);
    let said = site.run(["testplan", "run", NAME, "--only", "01,02,03,05,09"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let batches: Vec<String> =
        results(&site).outcomes.iter().flat_map(|one| one.batches.clone()).collect();
    assert!(batches.len() >= 5, "{batches:?}");
    let sent = files_below(&site.spool().sent);
    for batch in batches {
        let plain = sent.iter().find(|file| file.ends_with(&batch)).unwrap();
        let there = site.partner.join(format!("{batch}.pgp"));
        assert_eq!(vendor().decrypt(&there), fs::read(plain).unwrap(), "{batch}");
    }
    assert!(daemon.stop().0.success());
    assert_eq!(site.run(["status"]).code, Some(0));
}

#[test]
fn what_others_booked_is_not_cancelled_where_an_extract_is_all_there_is() {
    let site =
        site("[extract.appointments]\nsnapshot = true\n[events]\nmissing_rows = \"cancel\"\n");
    planned(&site);
    assert_eq!(site.run(["testplan", "run", NAME, "--only", "03"]).code, Some(0));
    let before = fs::read_dir(&site.partner).unwrap().count();
    // Scenario 05 has one appointment in its extract, and 03 has left another one booked.
    let said = site.run(["testplan", "run", NAME, "--only", "05"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(fs::read_dir(&site.partner).unwrap().count(), before + 2);
    let lock = site.spool().lock_watch().unwrap();
    assert!(lock.is_some());
    let refused = site.run(["testplan", "run", NAME, "--only", "05"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.err.contains("stop it first"), "{refused:?}");
}

#[test]
fn a_backfill_under_way_would_go_out_among_the_plan_s_drops() {
    let site = site("[provider_id]\nuse = \"athena\"\n");
    planned(&site);
    let full = site.root().join("patients-full.csv");
    let rows = "patientid,lastname,firstname,dob,sex,lastmodified\n\
        901,Doe,Ann,04/30/1987,F,05/18/2026 08:00:00\n\
        902,Doe,Ann,04/31/1987,F,05/18/2026 08:00:00\n";
    fs::write(&full, rows).unwrap();
    let said = site.run(["backfill", "start", NAME, full.to_str().unwrap()]);
    assert_eq!(said.code, Some(3), "{said:?}");
    let said = site.run(["backfill", "release", NAME, "--anyway", "--why", "it is a test"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let refused = site.run(["testplan", "run", NAME, "--only", "03"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.err.contains("`hl7drop backfill pause clinic`"), "{refused:?}");
    let sent = fs::read_dir(&site.partner).unwrap().count();
    assert_eq!(sent, 0, "nothing of either went out");
    let said = site.run(["backfill", "pause", NAME]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let said = site.run(["testplan", "run", NAME, "--only", "03"]);
    assert_eq!(said.code, Some(0), "{said:?}");
}

#[test]
fn the_digits_of_a_plan_stand_nowhere_in_the_tables() {
    let site = site("");
    let usual = ["7319", "6427", "8513", "5942", "4386", "3791", "1000"];
    let rows = usual.iter().enumerate().map(|(at, digits)| {
        format!("{},1234567893,DOE{digits},ANN,\"DOE{digits}, ANN\"\n", 27 + at)
    });
    let header = "providerid,npi,lastname,firstname,schedulingname\n".to_string();
    let providers = header + &rows.collect::<String>();
    site.put("providers.csv", &providers);
    site.put("departments.csv", DEPARTMENTS);
    assert_eq!(site.run(["run"]).code, Some(0));
    let token = written(&site).token;
    assert!(token.len() == 4 && !providers.contains(&token), "{token}");
    let said = site.run(["testplan", "run", NAME, "--only", "03"]);
    assert_eq!(said.code, Some(0), "{said:?}");
}
