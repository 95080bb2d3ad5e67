//! The daemon, as the real program: what it notices, and how it ends.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::proxy::{Proxy, Way};
use crate::sftpd::server;
use crate::site::{NAME, Site, states};
use crate::web::{MAP_ENDO2, Page};

const BATCH: &str = "99999-000001.hl7";

/// As long as a slow machine needs, and far less than a hang.
const PATIENCE: Duration = Duration::from_secs(20);

fn patients(ids: std::ops::Range<u32>) -> String {
    let mut text = "event,patientid,lastname,firstname,dob,sex\n".to_string();
    for id in ids {
        text.push_str(&format!("add,{id},Doe{id},Ann,02/14/1987,F\n"));
    }
    text
}

/// A daemon; killed when dropped.
pub struct Daemon {
    child: Child,
    said: Arc<Mutex<String>>,
}

impl Daemon {
    /// Starts one, and waits until it watches.
    pub fn start(site: &Site) -> Daemon {
        let daemon = Daemon::of(site.command(["watch"]));
        daemon.until("it watches", || daemon.said("watching 1"));
        daemon
    }

    fn of(mut command: Command) -> Daemon {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let said: Arc<Mutex<String>> = Arc::default();
        let (errors, words) = (child.stderr.take().unwrap(), said.clone());
        thread::spawn(move || {
            for line in BufReader::new(errors).lines().map_while(Result::ok) {
                *words.lock().unwrap() += &(line + "\n");
            }
        });
        Daemon { child, said }
    }

    fn said(&self, words: &str) -> bool {
        self.said.lock().unwrap().contains(words)
    }

    /// Waits until something holds.
    pub fn until(&self, what: &str, holds: impl Fn() -> bool) {
        let start = Instant::now();
        while !holds() {
            assert!(start.elapsed() < PATIENCE, "{what}: {}", self.said.lock().unwrap());
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn signal(&self, signal: &str) {
        let mut kill = Command::new("kill");
        assert!(kill.arg(signal).arg(self.child.id().to_string()).status().unwrap().success());
    }

    /// Sends SIGTERM; returns what it ended with and how long that took.
    pub fn stop(mut self) -> (ExitStatus, Duration) {
        let start = Instant::now();
        self.signal("-TERM");
        (self.child.wait().unwrap(), start.elapsed())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A site whose every inbox is looked at once a second.
fn swept(site: Site, more: &str) -> Site {
    let text = format!("[run]\nworkers = 2\n[watch]\nsweep_seconds = 1\n{more}");
    fs::write(site.root().join("hl7drop.toml"), text).unwrap();
    site
}

/// Returns the patients that the vendor has, in the order of the files.
fn told(site: &Site) -> Vec<String> {
    let mut files: Vec<_> =
        fs::read_dir(&site.partner).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|end| end == "hl7"));
    files.sort();
    let texts = files.iter().map(|path| fs::read_to_string(path).unwrap());
    let names = texts.flat_map(|text| {
        let lines: Vec<String> = text.split('\r').map(str::to_string).collect();
        lines
    });
    let names = names.filter(|line| line.starts_with("PID|"));
    names.map(|line| line.split('|').nth(5).unwrap().to_string()).collect()
}

#[test]
fn a_dropped_file_is_delivered_and_a_signal_ends_it() {
    // So long a sweep that only an event can bring it.
    let site = Site::new();
    let text = "[watch]\nsweep_seconds = 3600\n";
    fs::write(site.root().join("hl7drop.toml"), text).unwrap();
    let daemon = Daemon::start(&site);
    let ledger = site.spool().ledger();
    daemon.until("the first pass", || ledger.exists());
    site.put("patients.csv.part", patients(0..3));
    let inbox = site.spool().inbox;
    fs::rename(inbox.join("patients.csv.part"), inbox.join("patients.csv")).unwrap();
    daemon.until("delivered", || site.partner.join(BATCH).exists());
    let sent = || site.run(["status", "--json"]).json()[0]["states"]["PROCESSED"] == 3;
    daemon.until("told", sent);
    assert_eq!(site.run(["run"]).code, Some(0), "people may run a pass beside it");
    let (status, took) = daemon.stop();
    assert_eq!(status.code(), Some(0));
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn without_events_the_sweep_finds_what_was_dropped() {
    let site = swept(Site::new(), "");
    let daemon = Daemon::start(&site);
    daemon.until("the first pass", || site.spool().ledger().exists());
    // An inbox that is made anew under the same name gives no events any more.
    let inbox = site.spool().inbox;
    fs::rename(&inbox, site.root().join("old")).unwrap();
    fs::create_dir(&inbox).unwrap();
    site.put("patients.csv", patients(0..1));
    daemon.until("delivered", || site.partner.join(BATCH).exists());
}

#[test]
fn a_second_daemon_says_that_the_first_one_is_there() {
    let site = Site::new();
    let _daemon = Daemon::start(&site);
    let said = site.run(["watch"]);
    assert_eq!(said.code, Some(10), "{said:?}");
    assert!(said.err.contains("it is watched already"), "{said:?}");
    assert!(said.err.contains("clinic/test"), "{said:?}");
}

#[test]
fn broken_settings_change_nothing_and_good_ones_do() {
    let site = Site::new();
    let daemon = Daemon::start(&site);
    let good = fs::read_to_string(site.interface_file()).unwrap();
    fs::write(site.interface_file(), "[project").unwrap();
    daemon.signal("-HUP");
    daemon.until("refused", || daemon.said("the settings stay as they were"));
    assert!(daemon.said("one mistake in the settings"));
    site.put("patients.csv", patients(0..1));
    daemon.until("delivered", || site.partner.join(BATCH).exists());

    let renamed = "[batch]\nfile_name = \"new-{file_number}.hl7\"\n[connectivity.test]";
    fs::write(site.interface_file(), good.replace("[connectivity.test]", renamed)).unwrap();
    daemon.signal("-HUP");
    daemon.until("read again", || daemon.said("settings read again; watching 1"));
    // A pass under way ends with the settings that it began with.
    daemon.until("idle", || site.spool().lock().unwrap().is_some());
    site.put("patients-2.csv", patients(1..2));
    daemon.until("delivered", || site.partner.join("new-000002.hl7").exists());
    assert_eq!(daemon.stop().0.code(), Some(0));
}

/// A site whose way to the vendor stalls in the middle of the first large file.
fn stalling() -> (Site, Proxy) {
    let site = swept(Site::over_sftp(server()), "");
    let proxy = Proxy::to(server().port);
    let settings = fs::read_to_string(site.interface_file()).unwrap();
    let (old, new) = (format!("port = {}", server().port), format!("port = {}", proxy.port));
    let known = fs::read_to_string(&server().known_hosts).unwrap();
    let known_hosts = site.root().join("known_hosts");
    let pinned = known.replace(&server().port.to_string(), &proxy.port.to_string());
    fs::write(&known_hosts, pinned).unwrap();
    let pins = format!("{:?}", server().known_hosts);
    let settings = settings.replace(&old, &new).replace(&pins, &format!("{known_hosts:?}"));
    fs::write(site.interface_file(), settings).unwrap();
    // An uploaded megabyte is past the login and within the file.
    proxy.stall_after(1 << 20, Way::ToServer);
    (site, proxy)
}

#[test]
fn a_signal_ends_it_in_the_middle_of_an_upload_that_stalls() {
    let (mut site, proxy) = stalling();
    let daemon = Daemon::start(&site);
    site.put("patients.csv", patients(0..20_000));
    daemon.until("the upload stalls", || proxy.is_stalled());
    let (status, took) = daemon.stop();
    assert_eq!(status.code(), Some(0));
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert_eq!(told(&site).len(), 0, "nothing is half published");

    proxy.cut();
    proxy.go_on();
    site = swept(site, "");
    let daemon = Daemon::start(&site);
    daemon.until("delivered", || site.partner.join(BATCH).exists());
    assert_eq!(told(&site).len(), 20_000);
    assert_eq!(daemon.stop().0.code(), Some(0));
}

#[test]
fn what_is_resubmitted_in_the_browser_while_the_daemon_sends_goes_out_behind_it() {
    let (site, proxy) = stalling();
    site.put("departments.csv", "departmentid,name\n12,RIVERBEND NORTH\n");
    let row = |id, department| format!("{id},Doe{id},Ann,02/14/1987,F,{department}\n");
    let header = "patientid,lastname,firstname,dob,sex,departmentid\n";
    let good: String = (0..20_000).map(|id| row(id, "12")).collect();
    let bad: String = (20_000..20_003).map(|id| row(id, "ENDO2")).collect();
    site.put("patients.csv", format!("{header}{good}{bad}"));
    let page = Page::of(site, "");
    page.user("anna", "view,map-messages");
    let (site, mut anna) = (&page.site, page.as_user("anna"));
    let daemon = Daemon::start(site);
    daemon.until("the upload stalls", || proxy.is_stalled());
    let answer = anna.post("/groups/clinic", &MAP_ENDO2);
    assert!(answer.status == 200 && answer.body.contains("carries this out"), "{answer:?}");
    let before = serde_json::json!({ "ERROR": 3, "PENDING": 20_000 });
    assert_eq!(states(site), before, "it is asked for, not done");
    assert!(proxy.is_stalled(), "the daemon was sending all the while");
    proxy.go_on();
    daemon.until("both are there", || site.partner.join("99999-000002.hl7").exists());
    daemon.until("and known to be", || states(site) == serde_json::json!({ "PROCESSED": 20_003 }));
    assert_eq!(daemon.stop().0.code(), Some(0));
    let told = told(site);
    assert_eq!(told.len(), 20_003, "each once");
    assert_eq!(told[20_000..], ["Doe20000^Ann", "Doe20001^Ann", "Doe20002^Ann"]);
    crate::mend::fits(site);
}

#[test]
fn a_daemon_that_is_killed_loses_nothing_and_doubles_nothing() {
    let site = swept(Site::new(), "");
    // Killed three times over one file it would call that poison, and rightly.
    let text = fs::read_to_string(site.interface_file()).unwrap();
    let text = text.replace("[pickup]\n", "[pickup]\npoison_after = 1000\n");
    assert!(text.contains("poison_after"), "{text}");
    fs::write(site.interface_file(), text).unwrap();
    let mut expected = Vec::new();
    for round in 0..6 {
        let ids = round * 300..round * 300 + 300;
        expected.extend(ids.clone().map(|id| format!("Doe{id}^Ann")));
        let mut daemon = Daemon::start(&site);
        site.put(&format!("patients-{round}.csv"), patients(ids));
        // At another moment of the pass each time.
        thread::sleep(Duration::from_millis(u64::from(round) * 60));
        daemon.child.kill().unwrap();
    }
    let daemon = Daemon::start(&site);
    daemon.until("all are there", || told(&site).len() >= expected.len());
    assert_eq!(daemon.stop().0.code(), Some(0));
    let said = site.run(["run"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.contains("nothing to do"), "{said:?}");
    let mut told = told(&site);
    told.sort();
    expected.sort();
    assert_eq!(told, expected);
}

#[test]
fn a_pass_that_breaks_down_touches_no_other_interface() {
    let site = swept(Site::new(), "");
    let text = fs::read_to_string(site.interface_file()).unwrap();
    let other = text.replace(NAME, "other").replace("../partner", "../others");
    fs::create_dir(site.root().join("others")).unwrap();
    fs::write(site.root().join("interfaces/other.toml"), other).unwrap();
    let ledger = site.spool().ledger();
    fs::create_dir_all(ledger.parent().unwrap()).unwrap();
    fs::write(&ledger, "this is no ledger").unwrap();
    let daemon = Daemon::of(site.command(["watch"]));
    daemon.until("told", || daemon.said("clinic: a pass ended: exit 5: this machine's disk or"));
    let inbox = site.root().join("spool/other/test/inbox");
    fs::write(inbox.join("patients.csv"), patients(0..1)).unwrap();
    let delivered = site.root().join("others").join(BATCH);
    daemon.until("the other one goes on", || delivered.exists());
    fs::remove_file(&ledger).unwrap();
    site.put("patients.csv", patients(0..1));
    daemon.until("it is tried again", || site.partner.join(BATCH).exists());
}

#[test]
fn a_delivery_that_waits_for_a_person_goes_on_after_the_decision() {
    let site = swept(Site::new(), "");
    let away = site.root().join("away");
    fs::rename(&site.partner, &away).unwrap();
    let daemon = Daemon::start(&site);
    site.put("patients.csv", patients(0..1));
    daemon.until("it waits", || daemon.said("there is no folder"));
    fs::rename(&away, &site.partner).unwrap();
    // The daemon may be at work on it just now.
    daemon.until("decided", || site.run(["delivery", BATCH, "--retry"]).code == Some(0));
    daemon.until("delivered", || site.partner.join(BATCH).exists());
}

/// Adds a line to `[pickup]`.
fn pickup(site: &Site, line: &str) {
    let text = fs::read_to_string(site.interface_file()).unwrap();
    fs::write(site.interface_file(), text.replace("[pickup]", &format!("[pickup]\n{line}")))
        .unwrap();
}

#[test]
fn a_file_waits_for_its_marker_and_the_marker_goes_with_it() {
    let site = Site::new();
    pickup(&site, "done_marker = \".ok\"");
    site.put("patients.csv", patients(0..2));
    let said = site.run(["run", "--json"]);
    assert_eq!(said.json()[0]["drops"], serde_json::json!([]), "{said:?}");
    site.put("patients.csv.ok", "");
    let said = site.run(["run"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(told(&site).len(), 2);
    assert_eq!(fs::read_dir(site.spool().inbox).unwrap().count(), 0);
}

#[test]
fn a_disk_that_is_nearly_full_takes_nothing_in_and_delivers() {
    let site = Site::new();
    let away = site.root().join("away");
    fs::rename(&site.partner, &away).unwrap();
    site.put("patients.csv", patients(0..1));
    assert_eq!(site.run(["run"]).code, Some(4));
    fs::rename(&away, &site.partner).unwrap();
    let settings = fs::read_to_string(site.interface_file()).unwrap();
    pickup(&site, "disk_floor_mib = 1073741824");
    site.put("patients-2.csv", patients(1..2));
    let said = site.run(["run", "--retry"]);
    assert_eq!(said.code, Some(5), "{said:?}");
    assert!(said.out.contains("nothing is taken in until there is more"), "{said:?}");
    assert_eq!(told(&site), ["Doe0^Ann"]);
    assert!(site.spool().inbox.join("patients-2.csv").exists());
    fs::write(site.interface_file(), settings).unwrap();
    assert_eq!(site.run(["run"]).code, Some(0));
    assert_eq!(told(&site).len(), 2);
}

#[test]
fn a_daemon_sends_nothing_of_an_unapproved_scope_and_goes_on_once_it_is_approved() {
    let site = swept(Site::new(), "");
    let text = fs::read_to_string(site.interface_file()).unwrap();
    let production = text
        .replace("\"test\"", "\"production\"")
        .replace("connectivity.test", "connectivity.production");
    fs::write(site.interface_file(), production).unwrap();
    let daemon = Daemon::start(&site);
    let inbox = site.root().join("spool").join(NAME).join("production/inbox");
    daemon.until("the inbox is made", || inbox.is_dir());
    fs::write(inbox.join("patients.csv"), patients(0..2)).unwrap();
    daemon.until("refused", || daemon.said("the scope is not approved: nobody has approved it"));
    assert!(inbox.join("patients.csv").exists() && told(&site).is_empty());
    let status = site.run(["status", "--json"]);
    assert_eq!(status.code, Some(11), "{status:?}");
    site.approve();
    daemon.until("delivered", || site.partner.join(BATCH).exists());
    assert_eq!(told(&site), ["Doe0^Ann", "Doe1^Ann"]);
    assert_eq!(daemon.stop().0.code(), Some(0));
}

#[test]
fn a_daemon_leaves_a_held_drop_and_what_comes_behind_it_to_a_person() {
    let site = swept(Site::new(), "");
    let text = fs::read_to_string(site.interface_file()).unwrap();
    fs::write(site.interface_file(), text + "[guard]\nrows_min = 2\n").unwrap();
    let daemon = Daemon::start(&site);
    let ledger = site.spool().ledger();
    daemon.until("the first pass", || ledger.exists());
    site.put("patients.csv", patients(0..3).replace("02/14/1987", "02/31/1987"));
    let held = || site.run(["held", "--json"]).json()[0]["files"].to_string();
    daemon.until("it is held", || held().contains("patients.csv"));
    site.put("patients-2.csv", patients(5..6));
    // It looks once a second: the one behind it has been seen by then.
    thread::sleep(Duration::from_millis(2500));
    assert!(site.spool().inbox.join("patients-2.csv").exists() && told(&site).is_empty());
    assert_eq!(site.run(["status"]).code, Some(3));
    // The daemon may be at work on it just now.
    let discard = ["held", NAME, "--discard", "--why", "bad export"];
    daemon.until("decided", || site.run(discard).code == Some(0));
    daemon.until("the next one is delivered", || site.partner.join(BATCH).exists());
    assert_eq!(told(&site), ["Doe5^Ann"]);
    assert_eq!(daemon.stop().0.code(), Some(0));
}

#[test]
fn a_daemon_sends_a_backfill_and_what_is_dropped_beside_it() {
    let site = swept(Site::new(), "");
    let text = fs::read_to_string(site.interface_file()).unwrap();
    let backfill = "[backfill]\nmessages_per_minute = 240\nmessages_per_file = 2\n";
    fs::write(site.interface_file(), format!("{text}{backfill}")).unwrap();
    let full = site.root().join("patients-full.csv");
    fs::write(&full, patients(1..7).replace("event,", "").replace("add,", "")).unwrap();
    let daemon = Daemon::start(&site);
    let start = ["backfill", "start", NAME, full.to_str().unwrap()];
    assert_eq!(site.run(start).code, Some(3));
    assert_eq!(site.run(["backfill", "release", NAME]).code, Some(0));
    daemon.until("it began", || !told(&site).is_empty());
    site.put("patients.csv", patients(9..10));
    daemon.until("all of it was sent", || told(&site).len() == 7);
    daemon.until("it is done", || {
        let status = site.run(["backfill", "status", NAME, "--json"]);
        status.json()[0]["stage"] == "done"
    });
    let told = told(&site);
    let backfilled: Vec<&String> = told.iter().filter(|name| !name.starts_with("Doe9")).collect();
    assert!(backfilled.is_sorted() && backfilled.len() == 6, "{told:?}");
}
