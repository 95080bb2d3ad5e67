//! The page in a real browser: Debian's Chromium, driven by `scripts/browser/drive.cjs`,
//! which `scripts/browser.sh` installs the rest for.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::site::Site;
use crate::web::{PASSWORD, Page};

/// Names that want to be markup, in every column that is shown.
const NASTY: &str = "event,patientid,lastname,firstname,dob,sex,race\n\
    add,1,Doe,Ann,02/14/1987,F,\n\
    add,2,<script>alert(1)</script>,\"\"\"><img src=x onerror=alert(2)>\",02/14/1987,F,\n\
    add,3,javascript:alert(3),<svg onload=alert(4)>,02/31/1987,F,\n\
    add,4,Roe,Max,02/14/1987,M,none\n";

/// Where the driver's packages are; none if they, or the browser, are not there. In CI
/// they must be.
fn driver() -> Option<(PathBuf, &'static str)> {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("browser");
    let chromium = "/usr/bin/chromium";
    let missing = if !place.join("installed").is_file() || !Path::new(chromium).exists() {
        "no browser: scripts/browser.sh installs it"
    } else if limited() {
        "a browser reserves more addresses than `ulimit -v` allows here"
    } else {
        return Some((place, chromium));
    };
    assert!(std::env::var_os("CI").is_none(), "{missing}");
    println!("not looked at: {missing}");
    None
}

/// True if addresses are limited: Chromium reserves terabytes that it never uses.
fn limited() -> bool {
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find(|line| line.starts_with("Max address space"));
    line.is_some_and(|line| !line.contains("unlimited"))
}

/// Has the browser go through a story; returns what it found. Nothing may have gone wrong.
fn told((place, chromium): &(PathBuf, &str), story: &Value) -> Vec<Value> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/browser/drive.cjs");
    let mut node = Command::new("node");
    node.arg(script).arg(place).arg(chromium).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut node = node.stderr(Stdio::piped()).spawn().unwrap();
    node.stdin.take().unwrap().write_all(story.to_string().as_bytes()).unwrap();
    let output = node.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["wrong"], json!([]));
    told["found"].as_array().unwrap().clone()
}

/// A page over a site that ran once, with something on every page.
fn page() -> Page {
    let page = Page::of(Site::new(), "");
    page.site.put("patients.csv", NASTY);
    page.site.put("providers.csv.gz", b"\x1f\x8bno gzip at all");
    page.site.run(["run"]);
    page.site.put("appointments.csv", "appointmentid\n");
    page.user("anna", "view,map-messages,map-insurance,upload,admin");
    page
}

/// Every page that can be looked at.
const PATHS: &[&str] = &[
    "/",
    "/queue",
    "/queue?interface=clinic&code=T001",
    "/queue/clinic/record/1",
    "/search?patient=2",
    "/messages/clinic/1-m1",
    "/groups",
    "/mappings",
    "/batches",
    "/batches/clinic/99999-000001.hl7",
    "/batches/clinic/99999-000001.hl7/1",
    "/folders",
    "/upload",
    "/trail",
    "/users",
    "/account",
];

#[test]
fn axe_finds_nothing_on_any_page_in_light_in_dark_and_on_a_phone() {
    let Some(driver) = driver() else { return };
    let page = page();
    // HL7DROP_PICTURES=DIR keeps what a person should look at.
    let pictures = std::env::var("HL7DROP_PICTURES").ok();
    for (scheme, phone) in [("light", false), ("dark", false), ("light", true)] {
        let mut steps = vec![json!(["go", "/sign-in"]), json!(["axe", "/sign-in"])];
        let mut story = json!({ "url": page.url, "scheme": scheme, "phone": phone });
        let picture = |steps: &mut Vec<Value>, at: usize| {
            if let Some(folder) = &pictures {
                let size = if phone { "phone" } else { "desk" };
                steps.push(json!(["picture", format!("{folder}/{at:02}-{scheme}-{size}.png")]));
            }
        };
        picture(&mut steps, 0);
        steps.push(json!(["fill", "Name", "anna"]));
        steps.push(json!(["fill", "Password", PASSWORD]));
        steps.push(json!(["click", "Sign in"]));
        steps.push(json!(["at", "/"]));
        for (at, path) in PATHS.iter().enumerate() {
            steps.push(json!(["go", path]));
            steps.push(json!(["axe", path]));
            steps.push(json!(["wide"]));
            picture(&mut steps, at + 1);
        }
        story["steps"] = steps.into();
        let found = told(&driver, &story);
        // Nothing is wider than the screen: nobody scrolls sideways to read.
        assert_eq!(found, vec![json!(0); PATHS.len()], "{scheme}, phone: {phone}");
    }
}

#[test]
fn an_analyst_signs_in_uploads_looks_closes_and_leaves() {
    let Some(driver) = driver() else { return };
    let page = page();
    let folder = page.site.root().join("mine");
    fs::create_dir(&folder).unwrap();
    let file = folder.join("patients-2.csv");
    fs::write(&file, "event,patientid,lastname,firstname,dob,sex\nadd,9,New,Ida,02/14/1987,F\n")
        .unwrap();
    let steps = json!([
        ["follow", "Queue"],
        ["sees", "2 records wait"],
        ["follow", "1"],
        ["sees", "javascript:alert(3)"],
        ["open", "Its text"],
        ["sees", "<svg onload=alert(4)>"],
        ["follow", "Batch files"],
        ["follow", "99999-000001.hl7"],
        ["sees", "<script>alert(1)</script>"],
        ["follow", "2M99999"],
        ["sees", "MSH-10"],
        ["count", "main script, main img, main svg[onload]"],
        ["follow", "Queue"],
        ["check", "record 1"],
        ["fill", "Why; kept with your name, so name no patient", "<b>moved</b> away"],
        ["click", "Close the chosen records"],
        ["sees", "1 record waits"],
        ["follow", "Trail"],
        ["sees", "<b>moved</b> away"],
        ["follow", "Upload"],
        ["files", "Drop files here, or choose them", file],
        ["click", "Upload to clinic"],
        ["sees", "1 file is in the inbox"],
        ["follow", "Folders"],
        ["sees", "patients-2.csv"],
        ["click", "Sign out"],
        ["at", "/sign-in"],
        ["go", "/queue"],
        ["sees", "Sign in"],
    ]);
    for script in [true, false] {
        let story = json!({
            "url": page.url, "user": "anna", "password": PASSWORD, "script": script,
            "steps": if script { steps.clone() } else { json!([["follow", "Queue"], ["sees", "1 record waits"],
                ["follow", "Batch files"], ["sees", "99999-000001.hl7"], ["click", "Sign out"], ["at", "/sign-in"]]) },
        });
        let found = told(&driver, &story);
        assert_eq!(found, if script { vec![json!(0)] } else { vec![] });
    }
    assert!(page.site.spool().inbox.join("patients-2.csv").exists());
}

#[test]
fn who_may_not_is_told_so_and_an_ended_session_keeps_what_was_typed() {
    let Some(driver) = driver() else { return };
    let page = page();
    page.user("uwe", "upload");
    let story = json!({ "url": page.url, "user": "uwe", "password": PASSWORD, "refused": true, "steps": [
        ["count", "nav a"],
        ["go", "/queue"],
        ["sees", "This needs the permission View Message Queue"],
        ["go", "/users"],
        ["sees", "This needs the permission User Administration"],
        ["go", "/none"],
        ["sees", "Not found"],
    ] });
    assert_eq!(told(&driver, &story), [json!(2)], "only what he may is offered");
    let story = json!({ "url": page.url, "user": "anna", "password": PASSWORD, "refused": true, "steps": [
        ["follow", "Queue"],
        ["check", "record 2"],
        ["fill", "Why; kept with your name, so name no patient", "typed before it ended"],
        ["run", env!("CARGO_BIN_EXE_hl7drop"), "--config", page.site.root().join("hl7drop.toml"),
            "user", "sign-out", "anna"],
        ["click", "Close the chosen records"],
        ["sees", "Your session ended before this was sent"],
        ["fill", "Name", "anna"],
        ["fill", "Password", PASSWORD],
        ["click", "Sign in"],
        ["sees", "You are signed in again"],
        ["click", "Send it"],
        ["sees", "1 record waits"],
        ["follow", "Trail"],
        ["sees", "typed before it ended"],
    ] });
    told(&driver, &story);
    let mut wrong = vec![json!(["go", "/sign-in"])];
    for _ in 0..6 {
        wrong.push(json!(["fill", "Name", "uwe"]));
        wrong.push(json!(["fill", "Password", "guessed"]));
        wrong.push(json!(["click", "Sign in"]));
        wrong.push(json!(["sees", "o"]));
        if wrong.len() < 20 {
            wrong.push(json!(["sees", "do not belong together"]));
        }
    }
    wrong.push(json!(["sees", "too many tries"]));
    told(&driver, &json!({ "url": page.url, "refused": true, "steps": wrong }));
}

#[test]
fn the_overview_keeps_itself_fresh() {
    let Some(driver) = driver() else { return };
    let page = page();
    let inbox = page.site.spool().inbox;
    let (from, to) = (inbox.join("appointments.csv"), inbox.join("appointments-2.csv"));
    let steps = json!([["sees", "1 file"], ["run", "cp", from, to], ["sees", "2 files"]]);
    told(
        &driver,
        &json!({ "url": page.url, "user": "anna", "password": PASSWORD, "steps": steps }),
    );
}

#[test]
fn an_analyst_maps_a_value_sees_what_would_change_and_watches_it_leave() {
    let Some(driver) = driver() else { return };
    let page = crate::web::with_groups();
    let config = page.site.root().join("hl7drop.toml");
    let steps = json!([
        ["follow", "Errors"],
        ["sees", "ENDO2"],
        ["axe", "/groups"],
        ["open", "Map and resubmit"],
        ["fill", "The department that is meant by ENDO2", "12"],
        ["click", "See what would change"],
        ["sees", "12^RIVERBEND NORTH"],
        ["axe", "/groups/clinic"],
        ["fill", "Why; kept with your name, so name no patient", "moved in May"],
        ["click", "Map and resubmit 3 records"],
        ["axe", "done"],
        ["follow", "Watch 99999-000002.hl7 leave"],
        ["sees", "waiting"],
        [
            "run",
            "sh",
            "-c",
            format!("{} --config {} run || true", env!("CARGO_BIN_EXE_hl7drop"), config.display())
        ],
        ["sees", "delivered"],
        ["follow", "Mappings"],
        ["sees", "moved in May"],
        ["axe", "/mappings"],
    ]);
    let story = json!({ "url": page.url, "user": "anna", "password": PASSWORD, "steps": steps });
    assert_eq!(told(&driver, &story), Vec::<Value>::new());
    assert!(page.site.partner.join("99999-000002.hl7").exists());
}

#[test]
fn an_analyst_types_a_patient_and_sees_every_message_with_its_way() {
    let Some(driver) = driver() else { return };
    let page = page();
    let steps = json!([
        ["follow", "Search"],
        ["fill", "Patient ID", "2"],
        ["key", "Enter"],
        ["sees", "1 message or row"],
        ["sees", "patients.csv"],
        ["sees", "record 2, line 3"],
        ["sees", "partner/99999-000001.hl7"],
        ["follow", "2M99999"],
        ["sees", "Patient Identifier List"],
        ["sees", "<script>alert(1)</script>"],
        ["follow", "Trail"],
        ["sees", "1-m1"],
    ]);
    told(
        &driver,
        &json!({ "url": page.url, "user": "anna", "password": PASSWORD, "steps": steps }),
    );
}
