//! Policies past their last day (`interface.md` 9, I004): whose day counts, and how such a
//! record leaves the queue again.

use std::fs;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::site::{Site, ok, words};

const HEADER: &str = "patientid,lastname,firstname,dob,sex,insurancepackageid,expirationdate\n";

fn patient(last_day: &str) -> String {
    format!("{HEADER}7,TESTPATIENT,ANN,02/14/1987,F,982,{last_day}\n")
}

fn told(site: &Site, file: &str) -> Vec<String> {
    words(&fs::read_to_string(site.partner.join(file)).unwrap())
}

#[test]
fn an_expired_policy_waits_for_billing_until_its_row_comes_mended() {
    let site = Site::new();
    site.put("patients.csv", patient("12/31/2019"));
    let said = ok(site.run(["run"]), 3);
    assert!(said.out.contains("1 CBOERROR (billing)"), "{said:?}");
    let queue = site.run(["queue"]);
    for part in [
        "patients.csv record 1 (line 2)",
        "I004 CBOERROR: insurance1_expirationdate: an insurance whose policy has expired",
        "mark it as cancelled",
        "insurance.expired = \"send\"",
    ] {
        assert!(queue.out.contains(part), "{part}: {}", queue.out);
    }
    assert!(fs::read_dir(&site.partner).unwrap().next().is_none(), "something was sent");
    // The next day's extract has it again, and then with its new last day.
    site.put("patients.csv", patient("12/31/2019").replace('\n', "\r\n"));
    assert!(ok(site.run(["run"]), 3).out.contains("1 CBOERROR (billing)"));
    site.put("patients.csv", patient("12/31/2099"));
    ok(site.run(["run"]), 0);
    assert_eq!(told(&site, "99999-000001.hl7"), ["A28 7"]);
    assert_eq!(site.run(["queue"]).code, Some(0), "it still waits");
    let explained = ok(site.run(["explain", "i004"]), 0).out;
    assert!(explained.starts_with("I004 CBOERROR: an insurance whose policy has expired\n"));
    assert!(explained.contains("\n  what to do: mark it as cancelled"), "{explained}");
}

#[test]
fn an_expired_policy_is_sent_and_counted_where_that_was_agreed() {
    let site = Site::new();
    let text = fs::read_to_string(site.interface_file()).unwrap();
    let text = text.replace("[pickup]", "[insurance]\nexpired = \"send\"\n[pickup]");
    fs::write(site.interface_file(), text).unwrap();
    site.put("patients.csv", patient("12/31/2019"));
    let said = ok(site.run(["run"]), 0);
    assert!(said.out.contains("1 insurances whose policy has expired, sent"), "{said:?}");
    let status = site.run(["status", "--json"]).json();
    assert_eq!(status[0]["extracts"][0]["notes"]["expired_policy"], 1, "{status}");
    assert_eq!(told(&site, "99999-000001.hl7"), ["A28 7"]);
}

/// What is no news is not sent, so that its policy has expired since is none either.
#[test]
fn a_policy_that_expires_while_nothing_else_changes_holds_nobody() {
    let site = Site::new();
    let text = fs::read_to_string(site.interface_file()).unwrap();
    let sends = text.replace("[pickup]", "[insurance]\nexpired = \"send\"\n[pickup]");
    fs::write(site.interface_file(), sends).unwrap();
    site.put("patients.csv", patient("12/31/2019"));
    ok(site.run(["run"]), 0);
    fs::write(site.interface_file(), text).unwrap();
    site.put("patients.csv", patient("12/31/2019"));
    let said = ok(site.run(["run"]), 0);
    assert!(said.out.contains("1 records unchanged since they were told"), "{said:?}");
}

/// Between the two ends of the date line lie 26 hours: what is today at the one has been at
/// the other.
#[test]
fn the_last_day_is_held_against_today_at_the_practice() {
    let west = TimeZone::get("Etc/GMT+12").unwrap();
    let today = Timestamp::now().to_zoned(west).strftime("%m/%d/%Y").to_string();
    for (zone, code) in [("Etc/GMT+12", 0), ("Pacific/Kiritimati", 3)] {
        let site = Site::new();
        let text = fs::read_to_string(site.interface_file()).unwrap();
        let zoned = format!("environment = \"test\"\ntimezone = \"{zone}\"");
        let text = text.replace("environment = \"test\"", &zoned);
        fs::write(site.interface_file(), text).unwrap();
        site.put("patients.csv", patient(&today));
        ok(site.run(["run"]), code);
    }
}
