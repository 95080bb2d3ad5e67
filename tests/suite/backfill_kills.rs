//! Backfills under `kill -9` at random moments, with the day going on beside them: at the
//! end every row of the full extracts was sent once, or filtered, is in the queue, or stood
//! behind a newer row of its ID; and nothing newer was overtaken.
//!
//! The test here kills a few times; `scripts/faults.sh` as often as it is told.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use hl7drop::engine::BackfillState;
use serde_json::Value;

use crate::backfill::{
    APPOINTMENTS, PATIENTS, appointment, patient, set, site_with, start, status, texts,
};
use crate::site::{NAME, Site, states};

/// Kills in a test run.
const KILLS: u64 = 6;
/// Patients of one backfill; a site has one after the other.
const COUNT: u32 = 36;
/// How many of them have an appointment, under their own number.
const BOOKED: u32 = 24;

/// Refused for a date of birth that is none.
fn is_bad(id: u32) -> bool {
    id % 12 == 5
}

/// Stands in its extract a second time, older.
fn is_twice(id: u32) -> bool {
    id % 12 == 7
}

/// Has an appointment that is over.
fn is_past(id: u32) -> bool {
    id % 9 == 4
}

/// What a message says of its record.
struct Told {
    /// Whether its file is of the backfill.
    backfill: bool,
    trigger: String,
    patient: u32,
    city: String,
    /// The appointment, and when it begins.
    slot: Option<(u32, String)>,
}

struct Trial {
    site: Site,
    random: u64,
    /// Changes of the day so far; each is newer than those before.
    day: u32,
    /// How long a run without work takes.
    idle: Duration,
    kills: u64,
    /// Rows that wait for a person, of all backfills.
    waiting: u64,
}

impl Trial {
    fn begin() -> Trial {
        let site = site_with("messages_per_minute = 0\nmessages_per_file = 3\n");
        // Killed three times over one file it would call that poison, and rightly.
        set(&site, "[pickup]\n", "[pickup]\npoison_after = 1000\n");
        // Half of the few patients that are known move in one drop.
        set(&site, "rows_min = 2", "rows_min = 1000");
        site.run(["run"]);
        let began = Instant::now();
        site.run(["run"]);
        let idle = began.elapsed();
        Trial { site, random: 88_172_645_463_325_252, day: 0, idle, kills: 0, waiting: 0 }
    }

    fn below(&mut self, end: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % end
    }

    /// A backfill of the patients from `first` on, from its start to its end.
    fn round(&mut self, first: u32) {
        self.prepare(first);
        while self.is_under_way() {
            if self.below(2) == 0 {
                self.somebody_moves(first);
            }
            self.run_and_kill();
        }
        let said = self.site.run(["run", "--retry"]);
        assert_eq!(said.code, Some(3), "bad rows wait: {said:?}");
        assert_eq!(self.site.run(["check"]).code, Some(0));
        self.reckon(first);
        for file in fs::read_dir(&self.site.partner).unwrap() {
            fs::remove_file(file.unwrap().path()).unwrap();
        }
    }

    fn prepare(&self, first: u32) {
        let older = |row: &str| row.replace("05/18/2026", "05/10/2026");
        let (mut patients, mut appointments) = (PATIENTS.to_string(), APPOINTMENTS.to_string());
        for id in first..first + COUNT {
            let row = patient(id, if is_bad(id) { "bad" } else { "Scranton" });
            if is_twice(id) {
                patients += &older(&row).replace("Scranton", "Zold");
            }
            patients += &row;
        }
        for id in first..first + BOOKED {
            let row = appointment(id, &id.to_string(), if is_past(id) { 2016 } else { 2126 }, "f");
            if is_twice(id) {
                appointments += &older(&row).replace("2126", "2999");
            }
            appointments += &row;
        }
        let files = [
            ("patients-full.csv", patients.as_bytes()),
            ("appointments-full.csv", appointments.as_bytes()),
        ];
        let said = start(&self.site, &files);
        assert_eq!(said.code, Some(3), "{said:?}");
        // It doubts bad rows, and patients that the extract of the backfill before had.
        let why = ["--anyway", "--why", "it is a test"];
        let said = self.site.run([["backfill", "release", NAME].as_slice(), &why].concat());
        assert_eq!(said.code, Some(0), "{said:?}");
    }

    fn is_under_way(&self) -> bool {
        let row = BackfillState::look(&self.site.engine()).unwrap().row.unwrap();
        assert_eq!(row.why, "", "it must never pause itself");
        !row.stage.is_over()
    }

    /// Drops a patient, and perhaps the appointment, as they are by now; whether the
    /// backfill was there or not.
    fn somebody_moves(&mut self, first: u32) {
        self.day += 1;
        let day = self.day;
        let id = loop {
            let id = first + u32::try_from(self.below(COUNT.into())).unwrap();
            if !is_bad(id) {
                break id;
            }
        };
        // A minute for each: a slow machine has hundreds of them, and no date is so far off.
        let minute = |hour: u32| format!("{:02}:{:02}", hour + day / 60, day % 60);
        let newer =
            |row: String| row.replace("05/18/2026 08:00", &format!("05/20/2026 {}", minute(8)));
        if id < first + BOOKED && !is_past(id) && self.below(2) == 0 {
            let row = appointment(id, &id.to_string(), 2126, "f").replace("10:00", &minute(10));
            self.site
                .put(&format!("appointments-{day}.csv"), format!("{APPOINTMENTS}{}", newer(row)));
        }
        let row = newer(patient(id, &format!("City{day:04}")));
        self.site.put(&format!("patients-{day}.csv"), format!("{PATIENTS}{row}"));
    }

    fn run_and_kill(&mut self) {
        let mut command = self.site.command(["run"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // Some live long enough to take in what has gathered.
        let most = u64::try_from(self.idle.as_micros()).unwrap() << self.below(5);
        std::thread::sleep(Duration::from_micros(self.below(most)));
        child.kill().unwrap();
        self.kills += u64::from(child.wait().unwrap().code().is_none());
    }

    /// Holds what the vendor has against the extracts, row by row, and against the account.
    fn reckon(&mut self, first: u32) {
        let told = told(&self.site);
        in_order(&told);
        let patients = first..first + COUNT;
        let good = patients.clone().filter(|id| !is_bad(*id));
        assert_eq!(once(&told, "A28", |one| one.patient), good.collect());
        let slots = first..first + BOOKED;
        let good = slots.clone().filter(|id| !is_bad(*id) && !is_past(*id));
        assert_eq!(once(&told, "S12", |one| one.slot.as_ref().unwrap().0), good.collect());

        let count = |rows: std::ops::Range<u32>, which: fn(u32) -> bool| {
            rows.filter(|id| which(*id)).count() as u64
        };
        let of_day = |trigger: &str| {
            let all = told.iter().filter(|one| one.trigger == trigger && !one.backfill);
            all.count() as u64
        };
        let (bad, twice) = (count(patients.clone(), is_bad), count(patients.clone(), is_twice));
        let rows = u64::from(COUNT) + twice;
        let filtered = of_day("A28");
        let account = [rows, rows - filtered - bad - twice, filtered, bad, twice];
        let released = status(&self.site)["released"].take();
        assert_eq!(counts(&released["patients"]), account);
        self.waiting += bad;

        let (bad, twice) = (count(slots.clone(), is_bad), count(slots.clone(), is_twice));
        let rows = u64::from(BOOKED) + twice;
        let filtered = of_day("S12") + count(slots, is_past);
        let account = [rows, rows - filtered - bad - twice, filtered, bad, twice];
        assert_eq!(counts(&released["appointments"]), account);
        self.waiting += bad;
        assert_eq!(states(&self.site)["ERROR"], self.waiting, "each bad row waits once");
    }
}

fn counts(of: &Value) -> [u64; 5] {
    ["rows", "sent", "filtered", "error", "duplicate"].map(|key| of[key].as_u64().unwrap())
}

/// What the partner has, in the order in which it came.
fn told(site: &Site) -> Vec<Told> {
    let (mut all, mut trigger, mut slot) = (Vec::new(), String::new(), None);
    for text in texts(site) {
        let backfill = text.contains("|hl7drop backfill=Y ");
        for line in text.split('\r') {
            let fields: Vec<&str> = line.split('|').collect();
            let part = |at: usize, nth: usize| fields[at].split('^').nth(nth).unwrap().to_string();
            match fields[0] {
                "MSH" => (trigger, slot) = (part(8, 1), None),
                "SCH" => slot = Some((part(2, 0).parse().unwrap(), part(11, 3))),
                "PID" => all.push(Told {
                    backfill,
                    trigger: trigger.clone(),
                    patient: part(3, 0).parse().unwrap(),
                    city: part(11, 2).replace("Scranton", ""),
                    slot: slot.take(),
                }),
                _ => {}
            }
        }
    }
    all
}

/// Nobody is named before he is told as new, no city and no time goes back, and the
/// backfill tells all patients before the first appointment.
fn in_order(told: &[Told]) {
    let (mut cities, mut times) = (BTreeMap::new(), BTreeMap::new());
    let mut appointments = false;
    for Told { backfill, trigger, patient, city, slot } in told {
        let before = cities.insert(patient, city);
        assert_eq!(before.is_none(), trigger == "A28", "{patient} is told as new first, and once");
        assert!(before <= Some(city), "{patient}: {before:?} was told before {city:?}");
        if let Some((id, time)) = slot {
            let before = times.insert(id, time);
            assert_eq!(before.is_none(), trigger == "S12", "{id} is told as new first, and once");
            assert!(before <= Some(time), "{id}: {before:?} was told before {time:?}");
        }
        appointments |= *backfill && slot.is_some();
        assert!(!(*backfill && appointments && slot.is_none()), "{patient} after appointments");
    }
}

/// Whom messages of a kind tell of; each once.
fn once(told: &[Told], trigger: &str, whom: fn(&Told) -> u32) -> BTreeSet<u32> {
    let all: Vec<u32> = told.iter().filter(|one| one.trigger == trigger).map(whom).collect();
    let set: BTreeSet<u32> = all.iter().copied().collect();
    assert_eq!(set.len(), all.len(), "{trigger} twice");
    set
}

#[test]
fn killed_at_random_with_the_day_going_on_every_row_is_accounted_for() {
    let wanted = std::env::var("HL7DROP_KILLS").map_or(KILLS, |text| text.parse().unwrap());
    let (began, mut trial, mut rounds) = (Instant::now(), Trial::begin(), 0);
    while trial.kills < wanted {
        assert!(u64::from(rounds) <= wanted, "only {} runs were killed", trial.kills);
        // Roles go by 36 numbers.
        trial.round(1 + rounds * 72);
        rounds += 1;
    }
    println!(
        "{} kills in {rounds} backfills of {} rows, {} changes of the day, none lost, doubled or \
         overtaken, {:.0?}",
        trial.kills,
        COUNT + BOOKED,
        trial.day,
        began.elapsed()
    );
}
