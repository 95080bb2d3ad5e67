//! The manifest of a day: which files went out, so that the vendor can see that they have
//! them all; and its own way to the vendor, once a day.
//!
//! A file is of the day, at the practice, on which it counts as delivered. Nothing of a
//! patient stands in it: names of files, counts, numbers of ours, digests, times.

use jiff::civil::Date;
use serde::Serialize;

use super::error::EngineError;
use super::pass::Engine;
use crate::clock::stamped;
use crate::digest::Digest;
use crate::disk;
use crate::domain::{ManifestForm, Scope};
use crate::ledger::{BatchRow, DeliveryRow, Ledger, Manifests, Sqlite};

/// So many days are made up for where nothing ran.
const DAYS_MAX: i32 = 366;

/// One file that was delivered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// The endpoint that has it.
    pub endpoint: String,
    /// Its name there.
    pub file: String,
    /// How many messages it holds.
    pub messages: u64,
    /// MSH-10 of the first; empty where there is none.
    pub first_control_id: String,
    /// MSH-10 of the last; the numbers between have no gap.
    pub last_control_id: String,
    /// Its size.
    pub bytes: u64,
    /// SHA-256 of its bytes.
    pub sha256: String,
    /// When it was made, with the offset from UTC.
    pub made_at: String,
    /// When it counted as delivered.
    pub delivered_at: String,
}

/// The files of one day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Manifest {
    /// Whose.
    pub interface: String,
    /// `test` or `production`.
    pub environment: String,
    /// The practice's ID.
    pub context_id: String,
    /// The day, `2026-05-20`.
    pub day: String,
    /// How many files.
    pub file_count: u64,
    /// How many messages in them.
    pub message_count: u64,
    /// The files, in the order in which they were promised.
    pub files: Vec<Line>,
}

impl Manifest {
    /// Writes it as CSV, with a header.
    ///
    /// # Errors
    /// None that text has; as text.
    pub fn to_csv(&self) -> Result<Vec<u8>, EngineError> {
        let failed = |err: csv::Error| EngineError::Refused { what: err.to_string() };
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(COLUMNS).map_err(failed)?;
        for line in &self.files {
            let (messages, bytes) = (line.messages.to_string(), line.bytes.to_string());
            let cells = [
                &self.interface,
                &self.environment,
                &self.day,
                &line.endpoint,
                &line.file,
                &messages,
                &line.first_control_id,
                &line.last_control_id,
                &bytes,
                &line.sha256,
                &line.made_at,
                &line.delivered_at,
            ];
            writer.write_record(cells).map_err(failed)?;
        }
        writer.into_inner().map_err(|err| EngineError::Refused { what: err.to_string() })
    }

    /// Writes it as JSON.
    ///
    /// # Errors
    /// None that text has; as text.
    pub fn to_json(&self) -> Result<Vec<u8>, EngineError> {
        let text = serde_json::to_string_pretty(self);
        let text = text.map_err(|err| EngineError::Refused { what: err.to_string() })?;
        Ok((text + "\n").into_bytes())
    }
}

/// The columns of the CSV form.
pub const COLUMNS: [&str; 12] = [
    "interface",
    "environment",
    "day",
    "endpoint",
    "file",
    "messages",
    "first_control_id",
    "last_control_id",
    "bytes",
    "sha256",
    "made_at",
    "delivered_at",
];

impl Engine {
    /// Returns the manifest of a day, of all endpoints.
    ///
    /// # Errors
    /// Those of the ledger.
    pub fn manifest(&self, day: Date) -> Result<Manifest, EngineError> {
        let rows = match Sqlite::peek(&self.spool.ledger(), &self.owner())? {
            Some(ledger) => of_day(self, &ledger, day)?,
            None => Vec::new(),
        };
        Ok(manifest(&self.agreement.scope, day, &rows))
    }
}

/// Returns the deliveries of a day at the practice.
fn of_day(
    engine: &Engine,
    ledger: &dyn Manifests,
    day: Date,
) -> Result<Vec<DeliveryRow>, EngineError> {
    let from = begins(&engine.agreement.scope, day)?;
    let to = begins(&engine.agreement.scope, day.tomorrow().map_err(no_day)?)?;
    Ok(ledger.delivered_within(from, to)?)
}

/// Returns when a day begins at the practice, unix seconds: not always at midnight.
fn begins(scope: &Scope, day: Date) -> Result<i64, EngineError> {
    let begin = day.to_zoned(scope.timezone.clone()).map_err(no_day)?;
    Ok(begin.timestamp().as_second())
}

fn no_day(err: jiff::Error) -> EngineError {
    EngineError::Refused { what: format!("no day that there is: {err}") }
}

fn manifest(scope: &Scope, day: Date, rows: &[DeliveryRow]) -> Manifest {
    let files: Vec<Line> = rows.iter().map(|row| line(scope, row)).collect();
    Manifest {
        interface: scope.interface.as_str().to_string(),
        environment: scope.environment.word().to_string(),
        context_id: scope.context_id.clone(),
        day: day.to_string(),
        file_count: files.len() as u64,
        message_count: files.iter().map(|line| line.messages).sum(),
        files,
    }
}

fn line(scope: &Scope, row: &DeliveryRow) -> Line {
    let batch = &row.batch;
    let control = |number: u64| format!("{number}M{}", scope.context_id);
    let ids = (batch.messages > 0).then(|| {
        let last = batch.first_control + batch.messages - 1;
        (control(batch.first_control), control(last))
    });
    let (first_control_id, last_control_id) = ids.unwrap_or_default();
    // What the vendor has are the encrypted bytes, where that was agreed.
    let (file, bytes, digest) = match &row.encrypted {
        Some(encrypted) => (&encrypted.name, encrypted.bytes, encrypted.digest),
        None => (&batch.name, batch.bytes, batch.digest),
    };
    let delivered_at = row.receipt.as_ref().map_or(0, |receipt| receipt.at);
    Line {
        endpoint: row.endpoint.clone(),
        file: file.clone(),
        messages: batch.messages,
        first_control_id,
        last_control_id,
        bytes,
        sha256: digest.to_string(),
        made_at: stamped(batch.made_at, &scope.timezone),
        delivered_at: stamped(delivered_at, &scope.timezone),
    }
}

/// Promises the manifests of the days that are over and have none: yesterday's, and those of
/// earlier days on which something was delivered. They go to the first endpoint, and list what
/// that one has. Returns when the next one is due, unix seconds.
///
/// # Errors
/// What ends a pass.
pub fn promise_due(engine: &Engine, ledger: &mut dyn Ledger) -> Result<Option<i64>, EngineError> {
    let scope = &engine.agreement.scope;
    let (Some(form), Some(endpoint)) = (scope.manifest, scope.endpoints.first()) else {
        return Ok(None);
    };
    let today = engine.clock.civil(&scope.timezone).date();
    let due = Some(begins(scope, today.tomorrow().map_err(no_day)?)?);
    let yesterday = today.yesterday().map_err(no_day)?;
    let newest = ledger.newest_manifest()?.and_then(|row| row.manifest_day());
    let last = day_number(yesterday);
    // Where there is none yet, the first is yesterday's.
    let first = newest.map_or(last, |newest| i32::try_from(newest).unwrap_or(last) + 1);
    for number in first.max(last - DAYS_MAX)..=last {
        let day = Date::constant(1970, 1, 1)
            .checked_add(jiff::Span::new().days(number))
            .map_err(no_day)?;
        let mut rows = of_day(engine, &*ledger, day)?;
        rows.retain(|row| row.endpoint == endpoint.name);
        if !rows.is_empty() || number == last {
            promise(engine, ledger, &manifest(scope, day, &rows), (form, number))?;
        }
    }
    Ok(due)
}

/// Counts days from 1970-01-01.
fn day_number(day: Date) -> i32 {
    (day - Date::constant(1970, 1, 1)).get_days()
}

/// The commit point, and the move after it that makes the file visible: as of a batch.
fn promise(
    engine: &Engine,
    ledger: &mut dyn Ledger,
    manifest: &Manifest,
    (form, day): (ManifestForm, i32),
) -> Result<(), EngineError> {
    let scope = &engine.agreement.scope;
    let bytes = match form {
        ManifestForm::Csv => manifest.to_csv()?,
        ManifestForm::Json => manifest.to_json()?,
    };
    let (context, interface) = (&scope.context_id, scope.interface.as_str());
    let name = format!("{context}-{interface}-manifest-{}.{}", manifest.day, form.word());
    let staged = engine.spool.staged.join(&name);
    disk::write(&staged, &bytes)?;
    let row = BatchRow {
        number: BatchRow::manifest_number(day.unsigned_abs()),
        digest: Digest::of(&bytes),
        bytes: bytes.len() as u64,
        first_control: 0,
        messages: 0,
        made_at: engine.clock.unix(),
        name,
    };
    let endpoint = scope.endpoints.first().map(|endpoint| endpoint.name.as_str());
    let endpoints: Vec<&str> = endpoint.into_iter().collect();
    ledger.commit_manifest(&row, &endpoints)?;
    disk::shift(&staged, &engine.spool.outbox.join(&row.name))?;
    log::info!("{}: {} files of {} promised", row.name, manifest.file_count, manifest.day);
    Ok(())
}
