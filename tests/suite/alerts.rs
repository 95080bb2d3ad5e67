//! Incidents and who is told of them: a real mail server with TLS, a real listener, a real
//! command, and the real program; the clock of what takes hours is injected.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use hl7drop::clock::Clock;
use hl7drop::engine::incidents::{Ended, Keeper};
use hl7drop::engine::{Engine, Typed};
use serde_json::Value;

use crate::site::{NAME, Output, Site};

/// Names and birthdays that no alert may show.
const CANARIES: [&str; 3] = ["Zyxwvut", "Qwertzia", "/1903"];

/// As long as a slow machine needs, and far less than a hang.
const PATIENCE: Duration = Duration::from_secs(20);

const HEADER: &str = "event,patientid,lastname,firstname,dob,sex\n";

/// Good rows and bad ones, each with canaries.
fn patients(good: u32, bad: u32) -> String {
    let row = |id: u32, dob: &str| format!("add,{id},Zyxwvut,Qwertzia,{dob},F\n");
    let good = (0..good).map(|id| row(id, "02/14/1903"));
    let bad = (0..bad).map(|id| row(1000 + id, "02/31/1903"));
    HEADER.to_string() + &good.chain(bad).collect::<String>()
}

fn clean(text: &str) {
    for canary in CANARIES {
        assert!(!text.contains(canary), "{canary} in {text}");
    }
}

/// Adds to the interface file, in front of its other sections.
fn settings(site: &Site, text: &str) {
    let old = fs::read_to_string(site.interface_file()).unwrap();
    fs::write(site.interface_file(), old + text).unwrap();
}

/// Takes the vendor's folder away, which stops deliveries for a person; and gives it back.
fn vendor(site: &Site, there: bool) {
    let away = site.root().join("away");
    let (from, to) = if there { (&away, &site.partner) } else { (&site.partner, &away) };
    fs::rename(from, to).unwrap();
}

/// A command contact that puts each alert into a file of its own.
fn command(site: &Site, more: &str) -> PathBuf {
    let folder = site.root().join("told");
    fs::create_dir(&folder).unwrap();
    let script = format!(
        "cat > {0}/$$.part; n=$(ls {0} | grep -c json); mv {0}/$$.part {0}/$n.json",
        folder.display()
    );
    let row = format!(
        "\n[[contact]]\nname = \"pager\"\nmethod = \"command\"\ncommand = [\"/bin/sh\", \"-c\", \
         '{script}']\n{more}"
    );
    settings(site, &row);
    folder
}

/// Returns the alerts that a command was given, in order.
fn told(folder: &Path) -> Vec<Value> {
    let texts = (0..).map_while(|at| fs::read_to_string(folder.join(format!("{at}.json"))).ok());
    texts.inspect(|text| clean(text)).map(|text| serde_json::from_str(&text).unwrap()).collect()
}

fn words(alerts: &[Value]) -> Vec<String> {
    let word = |alert: &Value, key: &str| alert[key].as_str().unwrap().to_string();
    alerts.iter().map(|one| word(one, "occasion") + " " + &word(one, "cause")).collect()
}

fn run(site: &Site, args: &[&str]) -> Output {
    let output = site.run(args);
    clean(&output.out);
    clean(&output.err);
    output
}

/// Looks and tells at a civil time in New York, as a daemon does.
fn look_at(engine: &mut Engine, time: &str) {
    engine.clock = Clock::Fixed(time.parse().unwrap());
    let (keeper, typed) = (Keeper::of(engine, &[]), Typed::at(None, engine));
    engine.look(&keeper, &typed, Ended::Unknown);
    keeper.tell();
}

/// A mail server; killed when dropped.
struct Mails {
    place: tempfile::TempDir,
    child: Child,
    port: u16,
}

impl Mails {
    fn start(mood: &str) -> Mails {
        let place = tempfile::tempdir().unwrap();
        let (cert, key) = (place.path().join("cert.pem"), place.path().join("key.pem"));
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj"])
            .args(["/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
            .arg("-keyout")
            .arg(&key)
            .arg("-out")
            .arg(&cert)
            .output()
            .expect("openssl is installed");
        assert!(made.status.success(), "{made:?}");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/smtpd.py");
        let mut child = Command::new("python3")
            .arg(script)
            .args([place.path(), &cert, &key])
            .arg(mood)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Mails { place, child, port: line.trim().parse().unwrap() }
    }

    /// A contact that trusts this server, and logs in.
    fn contact(&self, site: &Site, security: &str) {
        let password = self.place.path().join("password");
        fs::write(&password, "hunter2\n").unwrap();
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(&password, private).unwrap();
        let ca = self.place.path().join("cert.pem");
        settings(
            site,
            &format!(
                "\n[[contact]]\nname = \"on-call\"\nmethod = \"mail\"\nhost = \"localhost\"\n\
                 port = {}\nsecurity = \"{security}\"\nuser = \"me\"\npassword_file = {password:?}\n\
                 sender = \"hl7drop@practice.example\"\nto = [\"a@practice.example\", \
                 \"b@practice.example\"]\nca_file = {ca:?}\n",
                self.port
            ),
        );
    }

    fn mails(&self) -> Vec<String> {
        let path = |at: u32| self.place.path().join(format!("{at}.mail"));
        let mails = (1..).map_while(|at| fs::read_to_string(path(at)).ok());
        mails.inspect(|mail| clean(mail)).collect()
    }
}

impl Drop for Mails {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_mail_says_what_is_wrong_and_what_to_type_once_and_that_it_is_over_once() {
    let (site, mails) = (Site::new(), Mails::start("starttls"));
    mails.contact(&site, "starttls");
    settings(&site, "\n[alerts]\ncalm_minutes = 0\n");
    vendor(&site, false);
    site.put("patients.csv", patients(20, 0));
    for _ in 0..3 {
        assert_eq!(run(&site, &["run"]).code, Some(4));
    }
    let [mail] = &mails.mails()[..] else { panic!("{:?}", mails.mails()) };
    let head = "secure=True login=me:hunter2 from=<hl7drop@practice.example>";
    assert!(mail.starts_with(head), "{mail}");
    assert!(mail.contains("to=<a@practice.example>,<b@practice.example>"), "{mail}");
    assert!(mail.contains("Subject: [hl7drop] clinic/test: delivery stopped (test)"), "{mail}");
    assert!(mail.contains("Auto-Submitted: auto-generated"), "{mail}");
    // What is to be typed names the file that this program was called with.
    let typed = mail.replace("=\r\n", "");
    assert!(typed.contains(&format!("run {NAME} --retry")), "{mail}");
    let standing = run(&site, &["status", "--json"]).json();
    assert_eq!(standing[0]["incidents"][0]["cause"], "delivery_stopped");
    assert_eq!(standing[0]["incidents"][0]["told"][0]["contact"], "on-call");
    assert!(run(&site, &["status"]).out.contains("GRAVE  delivery stopped (test)"));

    vendor(&site, true);
    assert_eq!(run(&site, &["run", "--retry"]).code, Some(0));
    assert_eq!(run(&site, &["run"]).code, Some(0));
    let [_, over] = &mails.mails()[..] else { panic!("{:?}", mails.mails()) };
    assert!(over.contains("recovered: delivery stopped"), "{over}");
    assert_eq!(run(&site, &["status", "--json"]).json()[0]["incidents"], serde_json::json!([]));
}

#[test]
fn a_mail_server_must_prove_who_it_is_and_is_never_told_a_password_without_tls() {
    let site = Site::new();
    let mails = Mails::start("tls");
    mails.contact(&site, "tls");
    let said = run(&site, &["contact", "test", NAME]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(mails.mails()[0].contains("a test, nothing is wrong"));

    let (site, other) = (Site::new(), Mails::start("starttls"));
    mails.contact(&site, "starttls");
    let text = fs::read_to_string(site.interface_file()).unwrap();
    let port = |mails: &Mails| format!("port = {}", mails.port);
    fs::write(site.interface_file(), text.replace(&port(&mails), &port(&other))).unwrap();
    let said = run(&site, &["contact", "test", NAME]);
    assert_eq!(said.code, Some(4), "{said:?}");
    assert!(said.out.contains("certificate"), "{said:?}");
    assert_eq!(other.mails().len(), 0);

    for mood in ["plain", "refuse"] {
        let (site, mails) = (Site::new(), Mails::start(mood));
        mails.contact(&site, "starttls");
        let said = run(&site, &["contact", "test", NAME]);
        assert_eq!(said.code, Some(4), "{mood} {said:?}");
        assert!(said.out.starts_with("WRONG  on-call: mail server localhost"), "{said:?}");
        assert!(!said.out.contains("hunter2"), "{said:?}");
        assert_eq!(mails.mails().len(), 0, "{mood}");
    }
}

/// An HTTP server that answers each request with the same code, and keeps them.
struct Hook {
    port: u16,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Hook {
    fn start(code: u16) -> Hook {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard: Arc<Mutex<Vec<String>>> = Arc::default();
        let keep = heard.clone();
        thread::spawn(move || {
            for line in listener.incoming() {
                let mut line = line.unwrap();
                let mut reader = BufReader::new(line.try_clone().unwrap());
                let (mut text, mut length) = (String::new(), 0);
                loop {
                    let mut head = String::new();
                    reader.read_line(&mut head).unwrap();
                    let lower = head.to_ascii_lowercase();
                    if let Some(bytes) = lower.strip_prefix("content-length:") {
                        length = bytes.trim().parse().unwrap();
                    }
                    text.push_str(&head);
                    if head.trim().is_empty() {
                        break;
                    }
                }
                let mut body = vec![0; length];
                reader.read_exact(&mut body).unwrap();
                text.push_str(&String::from_utf8(body).unwrap());
                clean(&text);
                keep.lock().unwrap().push(text);
                write!(line, "HTTP/1.1 {code} x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                    .unwrap();
            }
        });
        Hook { port, heard }
    }

    fn contact(&self, site: &Site, name: &str, more: &str) {
        settings(
            site,
            &format!(
                "\n[[contact]]\nname = \"{name}\"\nmethod = \"webhook\"\nurl = \
                 \"http://127.0.0.1:{}/token-in-path\"\n{more}\n",
                self.port
            ),
        );
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

fn secret(site: &Site, name: &str, text: &str) {
    let path = site.root().join("interfaces").join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
}

#[test]
fn a_webhook_gets_json_and_a_proof_that_it_is_us() {
    let (site, signed, bearer) = (Site::new(), Hook::start(200), Hook::start(204));
    secret(&site, "hmac", "key of both\n");
    secret(&site, "token", "sesame\n");
    signed.contact(&site, "signed", "hmac_file = \"hmac\"");
    bearer.contact(&site, "bearer", "bearer_file = \"token\"\nseverity = \"grave\"");
    site.put("patients.csv", patients(3, 5));
    site.put("patients-2.csv", "no header that anybody knows\n");
    assert_eq!(run(&site, &["run"]).code, Some(3));
    assert_eq!(bearer.heard().len(), 0, "nothing is grave");
    let heard = signed.heard();
    assert_eq!(heard.len(), 2, "{heard:?}");
    let mut causes = Vec::new();
    for text in &heard {
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let json: Value = serde_json::from_str(body).unwrap();
        causes.push(json["cause"].as_str().unwrap().to_string());
        assert_eq!((&json["interface"], &json["environment"]), (&NAME.into(), &"test".into()));
        // Signed by a library that is not ours.
        let script = "import hmac,sys;print(hmac.new(b'key of both',sys.stdin.buffer.read(),\
                      'sha256').hexdigest())";
        let mut python = Command::new("python3")
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        python.stdin.take().unwrap().write_all(body.as_bytes()).unwrap();
        let expected = String::from_utf8(python.wait_with_output().unwrap().stdout).unwrap();
        let head = head.to_ascii_lowercase();
        assert!(
            head.contains(&format!("x-hl7drop-signature: sha256={}", expected.trim())),
            "{head}"
        );
        assert!(head.contains("idempotency-key: clinic.test."), "{head}");
    }
    causes.sort();
    assert_eq!(causes, ["files_refused", "rows_waiting"]);
    vendor(&site, false);
    site.put("patients-3.csv", patients(1, 0));
    run(&site, &["run"]);
    assert!(bearer.heard()[0].to_ascii_lowercase().contains("authorization: bearer sesame"));
}

#[test]
fn who_cannot_be_told_changes_nothing_of_a_run_and_is_tried_again_later() {
    let (site, hook) = (Site::new(), Hook::start(500));
    hook.contact(&site, "chat", "");
    settings(
        &site,
        "\n[[contact]]\nname = \"gone\"\nmethod = \"command\"\ncommand = [\"/nonexistent/page\"]\n",
    );
    site.put("patients.csv", patients(3, 5));
    let said = run(&site, &["run"]);
    assert_eq!(said.code, Some(3), "{said:?}");
    assert!(said.err.contains("cannot tell chat: webhook at 127.0.0.1"), "{said:?}");
    assert!(said.err.contains("it answered 500"), "{said:?}");
    assert!(!said.err.contains("token-in-path"), "{said:?}");
    assert!(said.err.contains("cannot tell gone: /nonexistent/page"), "{said:?}");
    assert!(site.partner.join("99999-000001.hl7").exists());
    run(&site, &["run"]);
    assert_eq!(hook.heard().len(), 1, "not before a minute");
    let checked = run(&site, &["check", "--offline"]);
    assert_eq!(checked.code, Some(2), "{checked:?}");
    assert!(checked.out.contains("ok     contact chat"), "{checked:?}");
    assert!(checked.out.contains("WRONG  contact gone"), "{checked:?}");
    let told = &run(&site, &["status", "--json"]).json()[0]["incidents"][0]["told"];
    assert_eq!(told[0]["failure"], format!("webhook at 127.0.0.1:{}: it answered 500", hook.port));
}

#[test]
fn a_crash_between_telling_and_noting_tells_once_more_and_then_no_more() {
    let site = Site::new();
    let folder = command(&site, "");
    site.put("patients.csv", patients(3, 5));
    let list = site.command(["run"]).env("HL7DROP_FAULT", "list:0").output().unwrap();
    let places = String::from_utf8(list.stderr).unwrap();
    let place = places.lines().filter(|line| line.starts_with("place "));
    let at = place.clone().position(|line| line == "place tell.told").unwrap() + 1;
    assert_eq!(told(&folder).len(), 1);

    let site = Site::new();
    let folder = command(&site, "");
    site.put("patients.csv", patients(3, 5));
    let fault = format!("abort:{at}");
    let died = site.command(["run"]).env("HL7DROP_FAULT", fault).output().unwrap();
    assert!(String::from_utf8_lossy(&died.stderr).contains("fault at tell.told"), "{died:?}");
    assert_eq!(words(&told(&folder)), ["new rows_waiting"]);
    // Nobody knows yet that it was told; who had claimed it is waited for.
    assert_eq!(run(&site, &["run"]).code, Some(3));
    assert_eq!(told(&folder).len(), 1);
    let mut engine = site.engine();
    let utc = Clock::System.civil(&jiff::tz::TimeZone::UTC);
    for minutes in [11, 12, 13, 30] {
        let later = utc.checked_add(jiff::Span::new().minutes(minutes)).unwrap();
        look_at(&mut engine, &later.to_string());
    }
    assert_eq!(words(&told(&folder)), ["new rows_waiting", "new rows_waiting"]);
    let alerts = told(&folder);
    assert_eq!(alerts[0]["incident"], alerts[1]["incident"]);
}

#[test]
fn an_extract_that_is_late_is_told_by_the_clock_of_the_practice_and_stays_late_over_midnight() {
    let site = Site::new();
    let more = "quiet = \"20:00-07:00\"\n[[expect]]\nextract = \"patients\"\nby = \"06:30\"\n\
                [alerts]\nsilent_hours = 30\n";
    let folder = command(&site, more);
    let mut engine = site.engine();
    look_at(&mut engine, "2026-05-19T12:00:00");
    assert_eq!(told(&folder).len(), 0, "an interface without data is being set up");
    site.put("patients.csv", patients(3, 0));
    engine.clock = Clock::Fixed("2026-05-19T05:00:00".parse().unwrap());
    engine.run(None).unwrap();
    // 2026-05-20 is a Wednesday.
    for time in ["2026-05-19T06:31:00", "2026-05-19T20:00:00", "2026-05-20T06:29:00"] {
        look_at(&mut engine, time);
    }
    assert_eq!(told(&folder).len(), 0);
    look_at(&mut engine, "2026-05-20T06:31:00");
    assert_eq!(told(&folder).len(), 0, "a warning waits for the end of the quiet hours");
    look_at(&mut engine, "2026-05-20T07:00:00");
    assert_eq!(words(&told(&folder)), ["new late"]);
    let what = told(&folder)[0]["what"].as_str().unwrap().to_string();
    assert_eq!(what, "no patients extract came on 2026-05-20; one was expected by 06:30");
    look_at(&mut engine, "2026-05-20T11:00:00");
    assert_eq!(words(&told(&folder)), ["new late", "new silent"]);
    look_at(&mut engine, "2026-05-21T01:00:00");
    assert_eq!(told(&folder).len(), 2, "nothing came, so nothing is over");
    site.put("patients.csv", patients(4, 0));
    engine.clock = Clock::Fixed("2026-05-21T05:00:00".parse().unwrap());
    engine.run(None).unwrap();
    for time in ["2026-05-21T05:01:00", "2026-05-21T05:06:00", "2026-05-21T07:00:00"] {
        look_at(&mut engine, time);
    }
    let mut over = words(&told(&folder)[2..]);
    over.sort();
    assert_eq!(over, ["recovered late", "recovered silent"]);
}

#[test]
fn a_day_with_far_more_rows_than_usual_is_told() {
    let site = Site::new();
    let folder = command(&site, "[alerts]\nvolume_percent = 100\nrepeat_hours = 0\n");
    let mut engine = site.engine();
    for (day, rows) in [("04-29", 10), ("05-06", 11), ("05-13", 12), ("05-20", 24)] {
        site.put(&format!("patients-{day}.csv"), patients(rows, 0));
        engine.clock = Clock::Fixed(format!("2026-{day}T12:00:00").parse().unwrap());
        engine.run(None).unwrap();
        look_at(&mut engine, &format!("2026-{day}T12:01:00"));
    }
    assert_eq!(words(&told(&folder)), ["new volume"]);
    let what = told(&folder)[0]["what"].as_str().unwrap().to_string();
    assert_eq!(
        what,
        "far more patients than usual: 24 rows on 2026-05-20; that weekday usually has about 11"
    );
}

#[test]
fn a_ledger_that_is_damaged_is_told_though_nothing_can_be_noted_in_it() {
    let site = Site::new();
    let folder = command(&site, "");
    site.put("patients.csv", patients(3, 0));
    assert_eq!(run(&site, &["run"]).code, Some(0));
    let ledger = site.spool().ledger();
    for more in ["db-wal", "db-shm"] {
        let _ = fs::remove_file(ledger.with_extension(more));
    }
    let good = fs::read(&ledger).unwrap();
    fs::write(&ledger, "no ledger at all").unwrap();
    for _ in 0..2 {
        assert_eq!(run(&site, &["run"]).code, Some(5));
    }
    let alerts = told(&folder);
    assert!(!alerts.is_empty() && alerts.len() <= 2, "{alerts:?}");
    assert!(alerts.iter().all(|one| one["cause"] == "ledger" && one["severity"] == "grave"));
    fs::write(&ledger, good).unwrap();
    assert_eq!(run(&site, &["run"]).code, Some(0));
    let standing = run(&site, &["status", "--json"]).json();
    assert!(standing[0]["incidents"][0]["calm_since"].is_i64(), "{standing}");
}

#[test]
fn settings_that_cannot_be_read_are_told_to_the_contacts_of_the_program() {
    let site = Site::new();
    let folder = site.root().join("told");
    fs::create_dir(&folder).unwrap();
    let row = format!(
        "[[contact]]\nname = \"admin\"\nmethod = \"command\"\ncommand = [\"/bin/sh\", \"-c\", \
         'cat > {}/$$.json']\n",
        folder.display()
    );
    fs::write(site.root().join("hl7drop.toml"), row).unwrap();
    run(&site, &["run"]);
    let good = fs::read_to_string(site.interface_file()).unwrap();
    fs::write(site.interface_file(), good.replace("environment", "enviroment")).unwrap();
    for _ in 0..2 {
        assert_eq!(run(&site, &["run"]).code, Some(2));
    }
    let read = || -> Vec<Value> {
        let files = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        files
            .map(|path| serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap())
            .collect()
    };
    assert_eq!(words(&read()), ["new settings"]);
    assert_eq!(read()[0]["about"], NAME);
    fs::write(site.interface_file(), good).unwrap();
    assert_eq!(run(&site, &["run"]).code, Some(0));
    let mut all = words(&read());
    all.sort();
    assert_eq!(all, ["new settings", "recovered settings"]);
    let listed = run(&site, &["contact", "ls", "--json"]).json();
    assert_eq!(listed[0]["contact"], "hl7drop.toml/admin");
}

/// A program that is killed when the test ends, however it ends.
struct Killed(Child);

impl Killed {
    fn of(command: &mut Command) -> Killed {
        Killed(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_pass_of_the_daemon_that_is_killed_is_told_and_so_is_a_stopped_delivery() {
    let site = Site::new();
    let folder = command(&site, "[pickup]\nsettle_seconds = 0\n");
    let text = fs::read_to_string(site.interface_file()).unwrap();
    // The second [pickup] is the test's own; keep one.
    fs::write(site.interface_file(), text.replacen("[pickup]\nsettle_seconds = 0\n", "", 1))
        .unwrap();
    let text = "[watch]\nsweep_seconds = 1\n";
    fs::write(site.root().join("hl7drop.toml"), text).unwrap();
    vendor(&site, false);
    let daemon = Killed::of(&mut site.command(["watch"]));
    let until = |what: &str, holds: &dyn Fn() -> bool| {
        let start = Instant::now();
        while !holds() {
            assert!(start.elapsed() < PATIENCE, "{what}: {:?}", words(&told(&folder)));
            thread::sleep(Duration::from_millis(20));
        }
    };
    site.put("patients.csv", patients(3, 0));
    let has = |word: &'static str| move |folder: &Path| words(&told(folder)).contains(&word.into());
    until("stopped", &|| has("new delivery_stopped")(&folder));
    let children = format!("/proc/{0}/task/{0}/children", daemon.0.id());
    let hunted = Instant::now();
    while !has("new pass_killed")(&folder) {
        assert!(hunted.elapsed() < PATIENCE, "{:?}", words(&told(&folder)));
        site.put("patients-2.csv", patients(4000, 0));
        for child in fs::read_to_string(&children).unwrap_or_default().split_whitespace() {
            // Only a pass, never the pager.
            let line = fs::read_to_string(format!("/proc/{child}/cmdline")).unwrap_or_default();
            if line.ends_with("pass\0") {
                let _ = Command::new("kill").args(["-9", child]).status();
            }
        }
        thread::sleep(Duration::from_millis(5));
    }
    drop(daemon);
    let count = |word: &str| words(&told(&folder)).iter().filter(|one| *one == word).count();
    assert_eq!((count("new delivery_stopped"), count("new pass_killed")), (1, 1));
    let stopped = told(&folder).into_iter().find(|one| one["cause"] == "delivery_stopped").unwrap();
    assert!(stopped["what"].as_str().unwrap().contains("(S001)"), "{stopped}");
}

/// Asks the daemon; returns the code and the text.
fn asked(port: u16, path: &str) -> (u16, String) {
    let mut line = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(line, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    line.read_to_string(&mut text).unwrap();
    clean(&text);
    assert!(!text.contains("patients.csv") && !text.contains(".hl7"), "no name of a file: {text}");
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_string())
}

#[test]
fn metrics_count_what_is_there_and_health_says_why_not() {
    let site = Site::new();
    // Port 0: any that is free; the log says which.
    let text = "[watch]\nsweep_seconds = 1\nlisten = \"127.0.0.1:0\"\n";
    fs::write(site.root().join("hl7drop.toml"), text).unwrap();
    let mut command = site.command(["watch"]);
    let mut daemon = Killed(command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap());
    let mut lines = BufReader::new(daemon.0.stderr.take().unwrap()).lines();
    let line = lines.find(|line| line.as_ref().unwrap().contains("http://127.0.0.1:")).unwrap();
    let port: u16 = line.unwrap().rsplit(':').next().unwrap().parse().unwrap();
    // Read on, or the daemon would wait for us.
    thread::spawn(move || lines.for_each(drop));
    let until = |what: &str, path: &str, holds: &dyn Fn(&(u16, String)) -> bool| {
        let start = Instant::now();
        loop {
            let said = asked(port, path);
            if holds(&said) {
                return said.1;
            }
            assert!(start.elapsed() < PATIENCE, "{what}: {said:?}");
            thread::sleep(Duration::from_millis(20));
        }
    };
    assert_eq!(asked(port, "/healthz"), (200, "ok\n".to_string()));
    site.put("patients.csv", patients(3, 2));
    let text = until("delivered", "/metrics", &|(_, text)| {
        text.contains(
            "hl7drop_delivered_files_total{interface=\"clinic\",environment=\"test\"} 1\n",
        )
    });
    let of = "interface=\"clinic\",environment=\"test\"";
    for line in [
        format!("hl7drop_messages{{{of},state=\"PROCESSED\"}} 3"),
        format!("hl7drop_messages{{{of},state=\"ERROR\"}} 2"),
        format!("hl7drop_ledger_readable{{{of}}} 1"),
        "hl7drop_watched 1".to_string(),
    ] {
        assert!(text.contains(&format!("\n{line}\n")), "{line}: {text}");
    }
    assert!(text.ends_with("# EOF\n"), "{text}");
    vendor(&site, false);
    site.put("patients-2.csv", patients(4, 0));
    let said = until("stopped", "/healthz", &|(code, _)| *code == 503);
    assert_eq!(said, "clinic/test: delivery stopped (test)\n");
    let (_, text) = asked(port, "/metrics");
    let lines = [
        format!("hl7drop_undelivered_batches{{{of},endpoint=\"test\",stage=\"waiting\"}} 1"),
        format!("hl7drop_incidents{{{of},cause=\"delivery_stopped\",severity=\"grave\"}} 1"),
    ];
    for line in lines {
        assert!(text.contains(&format!("\n{line}\n")), "{line}: {text}");
    }
    // Every metric has its row in the page of the alerts.
    let page = include_str!("../../docs/alerts.md");
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let name = line.split(' ').next().unwrap();
        assert!(page.contains(&format!("`{name}")), "{name} is in no table");
    }
}

#[test]
fn a_drop_that_is_held_is_told_with_its_reason_and_its_way_out() {
    let site = Site::new();
    let folder = command(&site, "");
    let mut engine = site.engine();
    engine.clock = Clock::Fixed("2026-05-20T12:00:00".parse().unwrap());
    site.put("patients.csv", patients(4, 36));
    engine.run(None).unwrap();
    look_at(&mut engine, "2026-05-20T12:01:00");
    let release = ["held", NAME, "--release", "--why", "the practice knows"];
    assert_eq!(run(&site, &release).code, Some(0));
    engine.run(None).unwrap();
    for time in ["2026-05-20T12:02:00", "2026-05-20T12:07:00"] {
        look_at(&mut engine, time);
    }
    let alerts = told(&folder);
    // Once they were let go they wait as rows, which is another matter.
    assert_eq!(words(&alerts), ["new held", "new rows_waiting", "recovered held"]);
    let what = alerts[0]["what"].as_str().unwrap();
    assert!(what.contains("36 of its 40 rows are bad"), "{what}");
    assert_eq!(alerts[0]["severity"], "grave");
    assert!(alerts[0]["next"][0].as_str().unwrap().contains("hl7drop held"), "{alerts:?}");
}

#[test]
fn an_acknowledgement_that_is_overdue_is_told_until_it_comes() {
    let site = Site::new();
    // The fixed clock says one time in every zone; the answer names a time of ours.
    let text = fs::read_to_string(site.interface_file()).unwrap();
    let utc = "[project]\ntimezone = \"UTC\"";
    fs::write(site.interface_file(), text.replace("[project]", utc)).unwrap();
    settings(&site, "ack = \"batch\"\nack_within_minutes = 60\n");
    let folder = command(&site, "");
    let mut engine = site.engine();
    engine.clock = Clock::Fixed("2026-05-20T12:00:00".parse().unwrap());
    site.put("patients.csv", patients(3, 0));
    engine.run(None).unwrap();
    look_at(&mut engine, "2026-05-20T12:59:00");
    assert_eq!(told(&folder).len(), 0, "it has an hour");
    look_at(&mut engine, "2026-05-20T13:01:00");
    let batch = fs::read_to_string(site.partner.join("99999-000001.hl7")).unwrap();
    let reference = batch.split('|').nth(10).unwrap().split('\r').next().unwrap();
    fs::write(site.partner.join("1.ack"), crate::acks::response(reference, "", &[])).unwrap();
    engine.run(None).unwrap();
    for time in ["2026-05-20T13:02:00", "2026-05-20T13:07:00"] {
        look_at(&mut engine, time);
    }
    let alerts = told(&folder);
    let wanted = ["new acknowledgement_overdue", "recovered acknowledgement_overdue"];
    assert_eq!(words(&alerts), wanted);
    let what = "batch files without their acknowledgement: 1; that of 99999-000001.hl7 was due at \
                2026-05-20 13:00:00";
    assert_eq!(alerts[0]["what"], what);
}

#[test]
fn a_quota_that_will_be_used_up_is_told_before_it_is() {
    let site = Site::new();
    let more = "[retention]\nquota_mib = 12\n[alerts]\nrepeat_hours = 0\n";
    let folder = command(&site, more);
    let mut engine = site.engine();
    for day in 11..=15 {
        // Other bytes each day: the same ones would be taken in once.
        site.put("patients.csv", patients(4_000 + day, 0));
        engine.clock = Clock::Fixed(format!("2026-05-{day}T12:00:00").parse().unwrap());
        engine.run(None).unwrap();
        look_at(&mut engine, &format!("2026-05-{day}T12:01:00"));
        eprintln!(
            "{day} {:?} {:?}",
            engine.forecast(),
            fs::read_to_string(site.spool().root.join("usage.json"))
        );
        if day == 13 {
            assert_eq!(told(&folder).len(), 0, "two days tell nothing of the next");
        }
    }
    assert_eq!(words(&told(&folder)), ["new filling"]);
    let what = "the quota of this interface will be full within 14 days, as it goes now; then \
                nothing is taken in";
    assert_eq!(told(&folder)[0]["what"], what);
    // More is allowed: all is well.
    let settings = fs::read_to_string(site.interface_file()).unwrap();
    fs::write(site.interface_file(), settings.replace("= 12\n", "= 4000\n")).unwrap();
    let mut engine = site.engine();
    engine.clock = Clock::Fixed("2026-05-16T12:00:00".parse().unwrap());
    engine.run(None).unwrap();
    for time in ["2026-05-16T12:01:00", "2026-05-16T12:06:00"] {
        look_at(&mut engine, time);
    }
    assert_eq!(words(&told(&folder)), ["new filling", "recovered filling"]);
}
