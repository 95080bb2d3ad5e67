//! Writes extracts of a practice that does not exist, for the quickstart, the tests
//! and the bench: the same seed gives the same bytes, in both athenaNet dialects.
//!
//! `cargo run --example generate -- --rows 200 --seed 1 --dialect api --out DIR`
//!
//! Every person is made from the seed and a number, so a million of them need no
//! memory, and an appointment knows its patient without looking back. Phones are of
//! the 555-01xx kind that nobody has, mail goes to example.org.

mod columns;
mod draw;
mod practice;

use std::error::Error;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::{Parser, ValueEnum};
use csv::Terminator;

use columns::{Column, Damage};
use practice::{Practice, Visit};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Writes synthetic extracts: patients, appointments, providers, departments.
#[derive(Parser)]
struct Args {
    /// Patients.
    #[arg(long, default_value_t = 200)]
    rows: u64,
    /// What the practice grows from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Whose names and forms.
    #[arg(long, value_enum, default_value = "api")]
    dialect: Dialect,
    /// Where to; made if it is not there.
    #[arg(long)]
    out: PathBuf,
    /// With an `event` column: every step of an appointment is a row.
    #[arg(long)]
    events: bool,
    /// Bad rows in a hundred; their kinds take turns.
    #[arg(long, default_value_t = 0.0)]
    bad: f64,
    /// Appointments; with --events some are several rows. Default: as many as patients.
    #[arg(long)]
    appointments: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Dialect {
    /// The API's names, one flat row each.
    Api,
    /// Report Builder: title line, CRLF, blanks and doubles in the header.
    Report,
}

fn main() -> Result<()> {
    let args = Args::parse();
    if args.events && args.dialect == Dialect::Report {
        return Err("Report Builder has no event column; use --dialect api with --events".into());
    }
    if args.rows == 0 || !(0.0..=50.0).contains(&args.bad) {
        return Err("use --rows with 1 or more, and --bad with 0 to 50".into());
    }
    fs::create_dir_all(&args.out)?;
    let practice = Practice::of(args.seed, args.rows, args.bad);
    let report = args.dialect == Dialect::Report;
    let (provider, department) = match report {
        true => (columns::PROVIDER_REPORT, columns::DEPARTMENT_REPORT),
        false => (columns::PROVIDER_API, columns::DEPARTMENT_API),
    };
    let mut out = Extract::create(&args.out, "providers", report, provider)?;
    practice.providers.iter().try_for_each(|provider| out.row(provider))?;
    out.finish()?;
    let mut out = Extract::create(&args.out, "departments", report, department)?;
    practice.departments.iter().try_for_each(|department| out.row(department))?;
    out.finish()?;
    patients(&args, &practice)?;
    appointments(&args, &practice)
}

fn patients(args: &Args, practice: &Practice) -> Result<()> {
    let columns = match args.dialect {
        Dialect::Report => columns::PATIENT_REPORT,
        Dialect::Api if args.events => columns::PATIENT_API,
        Dialect::Api => &columns::PATIENT_API[1..],
    };
    let mut out = Extract::create(&args.out, "patients", args.dialect == Dialect::Report, columns)?;
    for number in 0..args.rows {
        let patient = practice.patient(number);
        match practice.is_bad_patient(number) {
            true => out.bad_row(&patient, columns::BAD_PATIENTS)?,
            false => out.row(&patient)?,
        }
    }
    out.finish()
}

fn appointments(args: &Args, practice: &Practice) -> Result<()> {
    let report = args.dialect == Dialect::Report;
    let columns = match args.dialect {
        Dialect::Report => columns::VISIT_REPORT,
        Dialect::Api if args.events => columns::VISIT_API,
        Dialect::Api => &columns::VISIT_API[1..],
    };
    let mut out = Extract::create(&args.out, "appointments", report, columns)?;
    for number in 0..args.appointments.unwrap_or(args.rows) {
        let story = practice.story(number);
        let rows: Vec<&Visit> = match args.events {
            true => story.iter().collect(),
            false => story.iter().filter(|visit| visit.last).collect(),
        };
        for (step, visit) in rows.into_iter().enumerate() {
            match step == 0 && practice.is_bad_appointment(number) {
                true => out.bad_row(visit, columns::BAD_VISITS)?,
                false => out.row(visit)?,
            }
        }
        if report && number % 30 == 0 {
            out.row(&practice.open_slot(number))?;
        }
    }
    out.finish()
}

/// One extract on its way to the disk.
struct Extract<T: 'static> {
    name: &'static str,
    columns: &'static [Column<T>],
    out: csv::Writer<File>,
    row: Vec<String>,
    rows: u64,
    bad: usize,
}

impl<T> Extract<T> {
    fn create(
        folder: &Path,
        name: &'static str,
        report: bool,
        columns: &'static [Column<T>],
    ) -> Result<Extract<T>> {
        let path = folder.join(name).with_extension("csv");
        // Not durable, and need not be: it can be made again.
        let mut file = File::options().write(true).create(true).truncate(true).open(path)?;
        let end = if report { Terminator::CRLF } else { Terminator::Any(b'\n') };
        if report {
            write!(file, "Report Name: {name}\r\n")?;
        }
        let mut csv = csv::WriterBuilder::new();
        let csv = csv.flexible(true).terminator(end).buffer_capacity(1 << 20);
        let mut out = csv.from_writer(file);
        out.write_record(columns.iter().map(|(header, _)| header))?;
        Ok(Extract { name, columns, out, row: vec![String::new(); columns.len()], rows: 0, bad: 0 })
    }

    fn fill(&mut self, item: &T) {
        self.rows += 1;
        for ((_, write), cell) in self.columns.iter().zip(&mut self.row) {
            cell.clear();
            write(item, cell);
        }
    }

    fn row(&mut self, item: &T) -> Result<()> {
        self.fill(item);
        Ok(self.out.write_record(&self.row)?)
    }

    fn bad_row(&mut self, item: &T, damages: &[Damage]) -> Result<()> {
        self.fill(item);
        let damage = damages[self.bad % damages.len()];
        self.bad += 1;
        for (names, value) in damage {
            for ((header, _), cell) in self.columns.iter().zip(&mut self.row) {
                if names.contains(header) {
                    *cell = value.to_string();
                }
            }
        }
        let cells = self.row.len() - usize::from(damage.is_empty());
        Ok(self.out.write_record(&self.row[..cells])?)
    }

    fn finish(mut self) -> Result<()> {
        self.out.flush()?;
        println!("{}.csv: {} rows, {} of them bad", self.name, self.rows, self.bad);
        Ok(())
    }
}
