//! The page in a real browser: Debian's Chromium, driven by `scripts/browser/drive.cjs`,
//! which `scripts/browser.sh` installs the rest for.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::mend::fits;
use crate::site::{NAME, Site, ok};
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

/// The field of a batch's form that asks why.
const WHY: &str = "Why; kept with your name, so name no patient";

/// Steps that press a button of the form of a batch, and see that it was done.
fn pressed(batch: &str, button: &str, sees: &str) -> Vec<Value> {
    vec![
        json!(["go", format!("/batches/clinic/{batch}")]),
        json!(["open", "Hold, release, send again"]),
        json!(["fill", WHY, format!("because: {button}")]),
        json!(["click", button]),
        json!(["sees", sees]),
    ]
}

/// State and stage of the message with this control ID, by `queue show --json`.
fn shown(page: &Page, control: &str) -> (String, String) {
    let found = page.site.run(["queue", "search", "--control", control, "--json"]).json();
    // What was made anew is found by the number that it had first, too.
    let hits = found[0]["hits"].as_array().unwrap();
    let hit = hits.iter().find(|hit| hit["control_id"] == control).unwrap();
    let message = hit["message"].as_str().unwrap();
    let whole = page.site.run(["queue", "show", message, "--json"]).json();
    let text = |value: &Value| value.as_str().unwrap().to_string();
    (text(&whole["message"]["state"]), text(&whole["deliveries"][0]["stage"]))
}

fn is(state: &str, stage: &str) -> (String, String) {
    (state.to_string(), stage.to_string())
}

/// What somebody decided about batch files, oldest first: who, and what.
fn decided(page: &Page) -> Vec<String> {
    let actions = page.site.run(["status", "--json"]).json()[0]["actions"].take();
    let told = actions.as_array().unwrap().iter().rev().map(|action| {
        let text = |name: &str| action[name].as_str().unwrap().to_string();
        format!("{}: {} {}, {}", text("by"), text("verb"), text("about"), text("why"))
    });
    told.filter(|told| told.starts_with("anna")).collect()
}

/// A page whose second batch file waits: three records that were mapped and resubmitted.
fn with_a_waiting_batch() -> Page {
    let page = crate::web::with_groups();
    ok(page.site.run(["queue", "map", "department", "ENDO2", "12", "--note", "moved"]), 0);
    ok(page.site.run(["queue", "resubmit", NAME, "ALL", "--why", "mapped"]), 3);
    page
}

#[test]
fn a_batch_is_held_let_go_and_given_up_and_the_ledger_says_the_same() {
    let Some(driver) = driver() else { return };
    let page = with_a_waiting_batch();
    let batch = "99999-000002.hl7";
    let story = |steps: &[Value]| {
        let user = json!({ "url": page.url, "user": "anna", "password": PASSWORD, "steps": steps });
        told(&driver, &user)
    };
    assert_eq!(shown(&page, "2M99999"), is("NEW", "waiting"));
    let look = json!(["go", format!("/batches/clinic/{batch}")]);
    let mut steps = pressed(batch, "Hold", "hold 99999-000002.hl7: 3");
    steps.push(json!(["axe", "done"]));
    steps.extend([
        look.clone(),
        json!(["sees", "SCHEDULED"]),
        json!(["sees", "somebody releases it"]),
    ]);
    assert_eq!(story(&steps), Vec::<Value>::new());
    assert_eq!(shown(&page, "2M99999"), is("SCHEDULED", "held"));
    page.site.run(["run"]);
    assert!(!page.site.partner.join(batch).exists(), "what is held waits");

    let mut steps = pressed(batch, "Release", "release 99999-000002.hl7: 3");
    steps.extend([look.clone(), json!(["sees", "waiting"])]);
    story(&steps);
    assert_eq!(shown(&page, "2M99999"), is("NEW", "waiting"));

    let mut steps = pressed(batch, "Hold", "hold 99999-000002.hl7: 3");
    let delete = "Delete: nothing of it was sent";
    steps.extend(pressed(batch, delete, "delete 99999-000002.hl7: 3"));
    steps.extend([
        look,
        json!(["sees", "DELETED"]),
        json!(["count", "main form button[name=verb]"]),
    ]);
    steps.extend([json!(["sees", "it was deleted before it was sent"]), json!(["axe", "deleted"])]);
    assert_eq!(story(&steps), [json!(0)], "nothing is offered for what is given up");
    assert_eq!(shown(&page, "2M99999"), is("DELETED", "deleted"));
    page.site.run(["run"]);
    assert!(
        !page.site.partner.join(batch).exists() && !page.site.spool().outbox.join(batch).exists()
    );
    let anna = "anna (page, 127.0.0.1)";
    let verb = |(verb, button)| format!("{anna}: {verb} {batch} to test, because: {button}");
    let all = [("hold", "Hold"), ("release", "Release"), ("hold", "Hold"), ("delete", delete)];
    assert_eq!(decided(&page), all.map(verb));
    fits(&page.site);
}

#[test]
fn a_batch_is_made_anew_and_what_went_out_is_never_deleted() {
    let Some(driver) = driver() else { return };
    let page = crate::web::with_groups();
    let (first, second) = ("99999-000001.hl7", "99999-000002.hl7");
    let rebuild = "Rebuild: new control IDs, FHS-12 and BHS-12 filled";
    let mut steps = vec![json!(["go", format!("/batches/clinic/{first}")])];
    steps.push(json!(["count", "button[value=delete]"]));
    steps.extend(pressed(first, rebuild, "rebuild 99999-000001.hl7"));
    steps.extend([json!(["follow", "Watch 99999-000002.hl7 leave"]), json!(["sees", "waiting"])]);
    steps.extend(pressed(second, "Hold", "hold 99999-000002.hl7: 1"));
    // While the button is on the screen, it goes out.
    let mut late = pressed(second, "Delete: nothing of it was sent", "it may have been seen there");
    let program = format!(
        "{} --config {}",
        env!("CARGO_BIN_EXE_hl7drop"),
        page.site.root().join("hl7drop.toml").display()
    );
    let sent = format!("{program} queue release {second} --why now; {program} run || true");
    late.insert(3, json!(["run", "sh", "-c", sent]));
    steps.extend(late);
    steps.push(json!(["go", format!("/batches/clinic/{second}")]));
    steps.push(json!(["sees", "delivered"]));
    let found = told(
        &driver,
        &json!({ "url": page.url, "user": "anna", "password": PASSWORD, "refused": true, "steps": steps }),
    );
    assert_eq!(found, [json!(0)], "delete is not offered for what was delivered");
    let [old, new] =
        [first, second].map(|name| fs::read_to_string(page.site.partner.join(name)).unwrap());
    let field = |text: &str, number: usize| {
        text.split('\r').next().unwrap().split('|').nth(number - 1).unwrap_or_default().to_string()
    };
    assert_eq!(field(&new, 12), field(&old, 11), "FHS-12 says of which it was made");
    assert_eq!(crate::site::words(&new), crate::site::words(&old));
    assert_eq!(shown(&page, "1M99999"), is("PROCESSED", "delivered"));
    assert_eq!(shown(&page, "2M99999"), is("PROCESSED", "delivered"));
    let told = decided(&page);
    assert_eq!(told.len(), 2, "the refused one is no decision: {told:?}");
    assert!(
        told[0].ends_with(&format!("rebuild {first} as {second}, because: {rebuild}")),
        "{told:?}"
    );
    fits(&page.site);
}
