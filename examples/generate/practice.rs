//! The practice that does not exist: its people, and what happens to them.

use std::rc::Rc;

use fake::Fake;
use fake::faker::address::en::StreetName;
use hl7drop::codes::npi_check_digit;
use jiff::ToSpan;
use jiff::civil::{Date, DateTime, date};

use super::draw::Draw;

/// The morning the extracts are from.
const TODAY: Date = date(2026, 11, 23);

/// City, state, ZIP code, area code.
pub type Place = (&'static str, &'static str, &'static str, &'static str);
/// Package ID, plan, company ID.
pub type Plan = (u32, &'static str, u32);
/// Type ID, short name, name, minutes.
pub type Type = (u32, &'static str, &'static str, i64);

/// Some ZIP codes begin with zero, as they do.
#[rustfmt::skip]
const PLACES: [Place; 12] = [
    ("Boston", "MA", "02134", "617"), ("Springfield", "MA", "01103", "413"),
    ("Worcester", "MA", "01608", "508"), ("Portland", "ME", "04101", "207"),
    ("Nashua", "NH", "03060", "603"), ("Burlington", "VT", "05401", "802"),
    ("Providence", "RI", "02903", "401"), ("Hartford", "CT", "06103", "860"),
    ("Newark", "NJ", "07102", "973"), ("Albany", "NY", "12207", "518"),
    ("Scranton", "PA", "18503", "570"), ("Omaha", "NE", "68114", "402"),
];
#[rustfmt::skip]
const TYPES: [Type; 8] = [
    (8, "PE20", "Physical Exam 20", 20), (2, "OV", "Office Visit", 15), (3, "FU", "Follow-up", 15),
    (11, "NP40", "New Patient 40", 40), (14, "WELL", "Well Child Visit", 30),
    (21, "TELE", "Telehealth", 20), (30, "PROC", "Office Procedure", 60), (62, "FLU", "Flu Shot", 5),
];
#[rustfmt::skip]
const REASONS: [&str; 7] =
    ["Annual physical", "Back pain", "Cough & fever", "Diabetes check", "Medication review", "Rash", ""];
/// What an escape has to stand up to.
const NOTES: [&str; 5] = [
    "Bring & sign forms; copay 25|",
    "Interpreter: see chart \\ front desk",
    "Call ^ home first, ~10 minutes before",
    "Fasting.\nNo water after midnight",
    "Says \"needs a ramp\", door B",
];
const CANCELS: [(u32, &str); 4] = [
    (22, "CAR PROBLEMS"),
    (12, "PATIENT CANCELLED"),
    (40, "WEATHER / \"ACT OF GOD\""),
    (5, "PROVIDER UNAVAILABLE"),
];
const USERS: [&str; 4] = ["jsmith", "aspatel", "frontdesk2", "PORTAL"];

// Weights in a hundred, and what they weigh.
const RACES: [(u32, &str); 9] = [
    (62, "2106-3"),
    (14, "2054-5"),
    (8, "2028-9"),
    (5, "2131-1"),
    (2, "1002-5"),
    (3, "2106-3;2028-9"),
    (1, "1019-9;2106-3"),
    (3, "declined"),
    (2, ""),
];
const ETHNICITIES: [(u32, &str); 6] =
    [(76, "2186-5"), (13, "2135-2"), (3, "2148-5"), (3, "2180-8"), (3, "declined"), (2, "")];
/// Code, and the word that Report Builder writes.
type Coded = (&'static str, &'static str);
const LANGUAGES: [(u32, Coded); 9] = [
    (80, ("eng", "English")),
    (9, ("spa", "Spanish")),
    (3, ("por", "Portuguese")),
    (2, ("zho", "Chinese")),
    (2, ("hat", "Haitian Creole")),
    (1, ("vie", "Vietnamese")),
    (1, ("rus", "Russian")),
    (1, ("declined", "declined")),
    (1, ("", "")),
];
const MARITALS: [(u32, Coded); 8] = [
    (41, ("M", "MARRIED")),
    (33, ("S", "SINGLE")),
    (11, ("D", "DIVORCED")),
    (6, ("W", "WIDOWED")),
    (2, ("X", "SEPARATED")),
    (2, ("P", "PARTNER")),
    (2, ("U", "UNKNOWN")),
    (3, ("", "")),
];

pub struct Practice {
    seed: u64,
    rows: u64,
    /// Bad rows in a hundred.
    bad: f64,
    pub providers: Vec<Rc<Provider>>,
    pub departments: Vec<Rc<Department>>,
}

pub struct Department {
    pub id: usize,
    pub name: String,
}

pub struct Provider {
    pub id: usize,
    pub npi: String,
    pub last: String,
    pub first: String,
    pub department: Rc<Department>,
}

pub struct Patient {
    pub event: &'static str,
    pub id: u64,
    pub last: String,
    pub first: &'static str,
    pub middle: String,
    pub suffix: &'static str,
    pub nick: &'static str,
    pub born: Date,
    pub sex: &'static str,
    pub marital: Coded,
    pub race: &'static str,
    pub ethnicity: &'static str,
    pub language: Coded,
    pub street: String,
    pub unit: String,
    pub place: Place,
    pub home: Phone,
    pub mobile: Phone,
    pub work: Phone,
    pub email: String,
    pub died: Option<Date>,
    pub provider: Rc<Provider>,
    pub kin: Option<Kin>,
    pub contact: Option<Kin>,
    pub guarantor: Option<Guarantor>,
    pub insurances: [Option<Insurance>; 2],
    pub mrn: String,
    pub changed: DateTime,
    pub by: &'static str,
}

/// Area code and the last two digits of 555-01xx, if there is a phone.
#[derive(Clone, Copy)]
pub struct Phone(pub Option<(&'static str, u8)>);

pub struct Kin {
    pub last: String,
    pub first: &'static str,
    pub relationship: &'static str,
    pub phone: Phone,
}

pub struct Guarantor {
    pub last: String,
    pub first: &'static str,
    pub born: Date,
    pub phone: Phone,
    /// What the patient is to the guarantor: athenaNet's number.
    pub relationship: u8,
}

pub struct Insurance {
    pub plan: Plan,
    pub member: String,
    pub group: String,
    pub since: Date,
}

/// An appointment, as it stands after one event.
#[derive(Clone)]
pub struct Visit {
    pub event: &'static str,
    /// Code, and what Report Builder writes.
    pub status: Coded,
    /// True for how it stands now.
    pub last: bool,
    pub id: u64,
    pub patient: Option<Rc<Patient>>,
    pub provider: Rc<Provider>,
    pub start: DateTime,
    pub minutes: i64,
    pub kind: Type,
    pub reason: &'static str,
    pub note: &'static str,
    pub scheduled: DateTime,
    pub cancel: Option<(u32, &'static str)>,
    pub no_show: bool,
    pub moved_to: Option<u64>,
    pub check_in: Option<DateTime>,
    pub check_out: Option<DateTime>,
    pub changed: DateTime,
    pub by: &'static str,
    pub scheduled_by: &'static str,
}

#[derive(Clone, Copy, PartialEq)]
enum When {
    Coming,
    Today,
    Over,
}

impl Practice {
    pub fn of(seed: u64, rows: u64, bad: f64) -> Practice {
        let mut practice =
            Practice { seed, rows, bad, providers: Vec::new(), departments: Vec::new() };
        let departments = (rows / 2_000).clamp(4, 40) as usize;
        let kinds = ["FAMILY MEDICINE", "PEDIATRICS", "INTERNAL MEDICINE", "WOMEN'S HEALTH"];
        for number in 0..departments {
            let place = PLACES[number % PLACES.len()].0.to_uppercase();
            let name = format!("{place} {}", kinds[number % kinds.len()]);
            practice.departments.push(Rc::new(Department { id: number + 12, name }));
        }
        for number in 0..departments * 3 {
            let mut draw = practice.draw("provider", number as u64);
            practice.providers.push(Rc::new(Provider {
                id: number + 27,
                npi: npi(&mut draw),
                last: draw.last_name().to_uppercase(),
                first: draw.first_name().to_uppercase(),
                department: practice.departments[number % departments].clone(),
            }));
        }
        practice
    }

    fn draw(&self, of: &str, number: u64) -> Draw {
        Draw::new(self.seed, of, number)
    }

    pub fn is_bad_patient(&self, number: u64) -> bool {
        self.draw("bad patient", number).percent() < self.bad
    }

    pub fn is_bad_appointment(&self, number: u64) -> bool {
        self.draw("bad appointment", number).percent() < self.bad
    }

    pub fn patient(&self, number: u64) -> Patient {
        let mut draw = self.draw("patient", number);
        let (last, first) = (draw.last_name(), draw.first_name());
        let place = draw.of(&PLACES);
        let born = TODAY.saturating_sub(draw.up_to(33_000).days());
        let child = born > date(2008, 11, 23);
        let id = 10_000 + number;
        let guarantor = draw.guarantor(child, &last, place);
        let insurances = draw.insurances(id);
        let mail = format!("{first}.{last}{id}@example.org").replace([' ', '\''], "");
        Patient {
            event: if draw.chance(15.0) { "update" } else { "add" },
            id,
            middle: if draw.chance(45.0) { draw.initial() } else { String::new() },
            suffix: if draw.chance(4.0) { draw.of(&["JR", "SR", "II", "III"]) } else { "" },
            nick: if draw.chance(5.0) { draw.first_name() } else { "" },
            born,
            sex: draw.weighted(&[(50, "F"), (48, "M"), (1, "N"), (1, "U")]),
            marital: if child { ("S", "SINGLE") } else { draw.weighted(&MARITALS) },
            race: draw.weighted(&RACES),
            ethnicity: draw.weighted(&ETHNICITIES),
            language: draw.weighted(&LANGUAGES),
            street: format!(
                "{} {}",
                draw.up_to(990) + 1,
                StreetName().fake_with_rng::<String, _>(&mut draw.0)
            ),
            unit: if draw.chance(20.0) {
                format!("Apt {}", draw.up_to(80) + 1)
            } else {
                String::new()
            },
            place,
            home: draw.phone(45.0, place),
            mobile: draw.phone(80.0, place),
            work: draw.phone(if child { 0.0 } else { 10.0 }, place),
            email: if mail.is_ascii() && draw.chance(50.0) {
                mail.to_lowercase()
            } else {
                String::new()
            },
            died: draw.chance(0.5).then(|| date(2026, 10, 1).saturating_add(draw.up_to(40).days())),
            provider: draw.of(&self.providers),
            kin: draw.chance(15.0).then(|| draw.kin(&last, place)),
            contact: draw.chance(10.0).then(|| draw.kin(&last, place)),
            guarantor,
            insurances,
            mrn: if draw.chance(60.0) { format!("{:08}", number + 3_001) } else { String::new() },
            changed: TODAY.at(0, 0, 0, 0).saturating_sub((draw.up_to(3 * 86_400) + 1).seconds()),
            by: draw.of(&USERS),
            last,
            first,
        }
    }

    /// Returns a patient whose row is good.
    fn good_patient(&self, draw: &mut Draw) -> Rc<Patient> {
        let start = draw.up_to(self.rows as i64) as u64;
        let all = (start..self.rows).chain(0..start);
        let number = all.into_iter().find(|&number| !self.is_bad_patient(number));
        Rc::new(self.patient(number.unwrap_or(start)))
    }

    /// Returns all that happens to one appointment, in order; a move gives a second one.
    pub fn story(&self, number: u64) -> Vec<Visit> {
        let mut draw = self.draw("appointment", number);
        let end = draw.percent();
        let when = match end {
            ..72.0 => When::Coming,
            ..80.0 => When::Today,
            _ => When::Over,
        };
        let mut visit = self.booked(&mut draw, number, when);
        let mut story = vec![visit.clone()];
        if draw.chance(15.0) {
            visit = visit.then("update", ("f", "Filled"), &mut draw);
            visit.minutes += 15;
            story.push(visit.clone());
        }
        match end {
            ..55.0 => {}
            ..63.0 => story.push(visit.cancelled(&mut draw)),
            ..66.0 => {
                let cancelled = visit.cancelled(&mut draw);
                let cancel = Some((9, "PATIENT NO SHOW"));
                story.push(Visit { no_show: true, cancel, ..cancelled });
            }
            ..72.0 => story.extend(visit.moved(&mut draw)),
            _ => {
                story.push(visit.came());
                if end >= 80.0 {
                    story.push(visit.came().left(if end < 92.0 { "3" } else { "4" }));
                }
            }
        }
        for index in 1..story.len() {
            story[index - 1].last = story[index].id != story[index - 1].id;
        }
        story
    }

    /// Returns an appointment that was just booked.
    fn booked(&self, draw: &mut Draw, number: u64, when: When) -> Visit {
        let patient = self.good_patient(draw);
        let kind = draw.of(&TYPES);
        let day = match when {
            When::Coming => weekday(TODAY.saturating_add((draw.up_to(120) + 1).days())),
            When::Today => TODAY,
            When::Over => weekday(date(2026, 11, 2).saturating_add(draw.up_to(18).days())),
        };
        let hour = 8 + draw.up_to(if when == When::Today { 3 } else { 9 }) as i8;
        let before = draw.up_to(15 * 86_400) + 86_400;
        let scheduled = day.min(TODAY).at(0, 0, 0, 0).saturating_sub(before.seconds());
        Visit {
            event: "schedule",
            status: ("f", "Filled"),
            last: true,
            id: 500_000 + 2 * number,
            provider: match draw.chance(85.0) {
                true => patient.provider.clone(),
                false => draw.of(&self.providers),
            },
            patient: Some(patient),
            start: day.at(hour, 5 * draw.up_to(12) as i8, 0, 0),
            minutes: kind.3,
            kind,
            reason: draw.of(&REASONS),
            note: if draw.chance(8.0) { draw.of(&NOTES) } else { "" },
            scheduled,
            cancel: None,
            no_show: false,
            moved_to: None,
            check_in: None,
            check_out: None,
            changed: scheduled,
            by: draw.of(&USERS),
            scheduled_by: draw.of(&USERS),
        }
    }

    /// Returns time that nobody has taken.
    pub fn open_slot(&self, number: u64) -> Visit {
        let mut draw = self.draw("slot", number);
        let mut slot = self.booked(&mut draw, number, When::Coming);
        slot.id += 400_000_000;
        (slot.status, slot.patient) = (("o", "Open Slot"), None);
        slot
    }
}

impl Visit {
    pub fn end(&self) -> DateTime {
        self.start.saturating_add(self.minutes.minutes())
    }

    /// Returns what becomes of the appointment through one more event.
    fn then(&self, event: &'static str, status: Coded, draw: &mut Draw) -> Visit {
        let changed = self.changed.saturating_add((60 + draw.up_to(20_000)).seconds());
        Visit { event, status, changed, note: "", by: draw.of(&USERS), ..self.clone() }
    }

    fn cancelled(&self, draw: &mut Draw) -> Visit {
        let cancel = Some(draw.of(&CANCELS));
        Visit { cancel, ..self.then("cancel", ("x", "Cancelled"), draw) }
    }

    /// Returns the cancelled appointment and the one in its place.
    fn moved(&self, draw: &mut Draw) -> [Visit; 2] {
        let id = self.id + 1;
        let cancel = Some((31, "PATIENT RESCHEDULED"));
        let old = self.then("cancel", ("x", "Cancelled"), draw);
        let (start, scheduled) = (self.start.saturating_add(7.days()), old.changed);
        let (event, status) = ("schedule", ("f", "Filled"));
        let new =
            Visit { event, status, id, start, scheduled, scheduled_by: old.by, ..old.clone() };
        [Visit { cancel, moved_to: Some(id), ..old }, new]
    }

    fn came(&self) -> Visit {
        let time = self.start.saturating_sub(8.minutes());
        let (event, status) = ("checkin", ("2", "Checked In"));
        Visit { event, status, check_in: Some(time), changed: time, note: "", ..self.clone() }
    }

    fn left(&self, status: &'static str) -> Visit {
        let check_out = self.start.saturating_add((self.minutes + 9).minutes());
        let word = if status == "3" { "Checked Out" } else { "Charge Entered" };
        let (event, status) = ("checkout", (status, word));
        Visit { event, status, check_out: Some(check_out), changed: check_out, ..self.clone() }
    }
}

/// Returns the day, or the Monday after a Saturday or Sunday.
fn weekday(day: Date) -> Date {
    let over = i64::from(day.weekday().to_monday_zero_offset()) - 4;
    if over > 0 { day.saturating_add((3 - over).days()) } else { day }
}

/// Returns an NPI whose check digit is right.
fn npi(draw: &mut Draw) -> String {
    let number = format!("1{:08}", draw.up_to(100_000_000));
    let all = (0..10).map(|check| format!("{number}{check}"));
    all.into_iter().find(|npi| npi_check_digit(npi)).unwrap_or(number)
}
