//! The real program, killed again and again: at a random moment, and at a random request
//! of the SFTP server, before or after the server did it; by turns with a vendor who
//! takes files at once. One interface lives through all of it, and at the end every row
//! must have been told once.
//!
//! The test here kills a few dozen times; `scripts/faults.sh` as often as it is told.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::sftpd::Server;
use crate::site::{Site, words};

const KILLS: u64 = 24;

/// A vendor, what it took, and what we dropped.
struct Trial {
    _server: Server,
    site: Site,
    victim: std::path::PathBuf,
    taken: BTreeMap<String, String>,
    rows: u64,
    random: u64,
}

impl Trial {
    fn begin() -> Trial {
        let victims = tempfile::tempdir().unwrap().keep();
        let victim = victims.join("victim");
        fs::write(&victim, "0 0 never").unwrap();
        let liar = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/liar.py");
        let force = format!("ForceCommand python3 {} kills {}", liar.display(), victim.display());
        let server = Server::start(&force);
        let site = Site::over_sftp(&server);
        let settings = fs::read_to_string(site.interface_file()).unwrap();
        // A crash between a rename and its receipt is to be decided without a person.
        // Nor is an extract to blame that was being read at three kills.
        let settings = settings.replace("[pickup]\n", "[pickup]\npoison_after = 1000\n");
        let settings = format!("{settings}infer_window_seconds = 86400\n");
        fs::write(site.interface_file(), settings).unwrap();
        Trial { _server: server, site, victim, taken: BTreeMap::new(), rows: 0, random: 7 }
    }

    fn below(&mut self, end: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % end
    }

    fn drop_rows(&mut self) {
        let count = 1 + self.below(20);
        let mut text = "event,patientid,lastname,firstname,dob,sex\n".to_string();
        for _ in 0..count {
            self.rows += 1;
            text.push_str(&format!("add,{},Doe,Ann,02/14/1987,F\n", self.rows));
        }
        self.site.put(&format!("patients-{:06}.csv", self.rows), text);
    }

    /// The vendor takes what has a final name; never one it had before.
    fn take(&mut self) {
        for entry in fs::read_dir(&self.site.partner).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_string();
            if name.starts_with('.') {
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            assert!(text.ends_with('\r') && text.contains("\rFTS|"), "{name} is half of a file");
            fs::remove_file(path).unwrap();
            assert!(self.taken.insert(name.clone(), text).is_none(), "{name} came a second time");
        }
    }

    /// Runs the program and kills it on the way: by the server at one of its requests,
    /// or after a while of our own. Returns whether it died.
    fn killed(&mut self, by_server: bool, whole: Duration) -> bool {
        let mut command = self.site.command(["run"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        if by_server {
            let (request, moment) =
                (1 + self.below(24), ["before", "after"][self.below(2) as usize]);
            let plan = self.victim.with_extension("new");
            fs::write(&plan, format!("{} {request} {moment}", child.id())).unwrap();
            fs::rename(plan, &self.victim).unwrap();
        } else {
            let micros = self.below(whole.as_micros() as u64);
            std::thread::sleep(Duration::from_micros(micros));
            child.kill().unwrap();
        }
        child.wait().unwrap().code().is_none()
    }
}

fn kills() -> u64 {
    std::env::var("HL7DROP_KILLS").map_or(KILLS, |text| text.parse().unwrap())
}

#[test]
fn killed_at_any_moment_every_row_is_told_once() {
    let (began, wanted, mut trial) = (Instant::now(), kills(), Trial::begin());
    trial.drop_rows();
    let whole = Instant::now();
    assert_eq!(trial.site.run(["run"]).code, Some(0));
    let whole = whole.elapsed();
    let (mut died, mut tries) = ([0, 0], 0);
    while died[0] + died[1] < wanted {
        tries += 1;
        assert!(tries < wanted * 6 + 60, "only {died:?} of {tries} runs were killed");
        if trial.below(3) > 0 {
            trial.drop_rows();
        }
        let by_server = died[1] < died[0];
        died[usize::from(by_server)] += u64::from(trial.killed(by_server, whole));
        if trial.below(2) == 0 {
            trial.take();
        }
    }
    fs::write(&trial.victim, "0 0 never").unwrap();
    let said = trial.site.run(["run", "--retry"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    trial.take();
    let mut told = BTreeMap::<String, u64>::new();
    for word in trial.taken.values().flat_map(|text| words(text)) {
        *told.entry(word).or_default() += 1;
    }
    for row in 1..=trial.rows {
        assert_eq!(told.remove(&format!("A28 {row}")), Some(1), "patient {row}");
    }
    assert!(told.is_empty(), "told and never dropped: {told:?}");
    assert_eq!(trial.site.run(["check"]).code, Some(0));
    let status = trial.site.run(["status", "--json"]).json()[0].take();
    assert_eq!(status["undelivered"], Value::Array(Vec::new()));
    assert_eq!(status["states"]["PROCESSED"], trial.rows);
    println!(
        "{} kills by the clock, {} by requests, {} rows in {} files, none lost, doubled or \
         partial, {:.0?}",
        died[0],
        died[1],
        trial.rows,
        trial.taken.len(),
        began.elapsed()
    );
    let _ = fs::remove_dir_all(trial.victim.parent().unwrap());
}
