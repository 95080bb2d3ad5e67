//! Every invariant of an interface's folders and ledger, looked at and never mended.
//!
//! A checker that repairs hides what it should show. `hl7drop check` and the fault
//! sweep both call this.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use super::encrypt;
use super::error::EngineError;
use super::pass::Engine;
use super::probe::probe;
use super::tracking;
use crate::config::template::left_as_example;
use crate::digest::Digest;
use crate::disk::failed;
use crate::domain::Endpoint;
use crate::ledger::{Ledger, Sqlite, Stage};
use crate::papers::approval::Standing;
use crate::spool::{Spool, name_of};

/// One thing that was looked at.
#[derive(Clone, Debug)]
pub struct Checked {
    /// What was looked at.
    pub what: String,
    /// What is wrong with it, and what to do; none if nothing is.
    pub wrong: Option<String>,
    /// True if nothing is wrong, and yet somebody should know.
    pub warns: bool,
}

impl Checked {
    pub(super) fn good(what: impl Into<String>) -> Checked {
        Checked { what: what.into(), wrong: None, warns: false }
    }

    pub(super) fn wrong(what: impl Into<String>, wrong: impl Into<String>) -> Checked {
        Checked { what: what.into(), wrong: Some(wrong.into()), warns: false }
    }
}

/// Looks for what was agreed and is unusual.
pub fn settings(engine: &Engine) -> Vec<Checked> {
    let scope = &engine.agreement.scope;
    let ids = scope.patient_ids.iter().chain(&scope.appointment_ids);
    let elsewhere = ids.filter(|id| !id.target.listed).map(|id| {
        let field = id.target.field;
        let what = format!(
            "external ID {}: {field} is no usual place for one; ask the vendor to look for it there",
            id.name
        );
        Checked { warns: true, ..Checked::good(what) }
    });
    let approval = match &engine.standing {
        Standing::Free => None,
        standing if standing.allows() => Some(Checked::good(format!("scope: {standing}"))),
        standing => {
            let todo = "`hl7drop scope show` is what to sign, `hl7drop scope approve` says it was";
            Some(Checked::wrong("scope approval", format!("{standing}\n{todo}")))
        }
    };
    let examples = left_as_example(scope).into_iter().map(|(key, value)| {
        let what = format!("{key} is {value}, an example; fill in what was agreed");
        Checked { warns: true, ..Checked::good(what) }
    });
    elsewhere.chain(approval).chain(examples).collect()
}

/// Looks at the room: how much is left, and for how long.
pub fn room(engine: &Engine) -> Option<Checked> {
    let (forecast, keep) = (engine.forecast()?, engine.agreement.scope.retention);
    let soon = forecast.full_in.zip(keep.full_days).filter(|(full, told)| *full < u64::from(*told));
    let what = format!("room: {}", forecast.text());
    Some(match (forecast.full_in, soon) {
        (Some(0), _) => Checked::wrong(what, "nothing is taken in; see `hl7drop prune --dry-run`"),
        (_, Some(_)) => Checked { warns: true, ..Checked::good(what) },
        _ => Checked::good(what),
    })
}

/// Looks at the folders: that they are there, and nobody else's to read.
pub fn folders(engine: &Engine) -> Vec<Checked> {
    let spool = &engine.spool;
    if !spool.root.is_dir() {
        let what = format!("folders below {}", spool.root.display());
        return vec![Checked::good(format!("{what}: none yet, the first run makes them"))];
    }
    let mut checked = Vec::new();
    let began = spool.ledger().exists();
    for folder in spool.folders() {
        let what = format!("folder {}", folder.display());
        // Another user who drops files must get through to the inbox, and no more.
        let forbidden = if folder == spool.root { 0o066 } else { 0o077 };
        match fs::metadata(folder) {
            // Somebody made the inbox and dropped something; the first run makes the others.
            Err(err) if !began && err.kind() == io::ErrorKind::NotFound => {}
            Err(err) => checked.push(Checked::wrong(what, format!("{err}; a run makes it again"))),
            // The inbox belongs to the exporter too, if the site wants it so.
            Ok(found) if found.permissions().mode() & forbidden != 0 && folder != spool.inbox => {
                let todo = "others may look into it, and it holds patient data: chmod 700";
                checked.push(Checked::wrong(what, todo));
            }
            Ok(_) => {}
        }
    }
    if checked.is_empty() {
        checked.push(Checked::good(format!("folders below {}", spool.root.display())));
    }
    checked
}

/// Looks at the ledger, and at it and the folders together.
///
/// # Errors
/// What keeps it from looking.
pub fn state(engine: &Engine) -> Result<Vec<Checked>, EngineError> {
    let path = engine.spool.ledger();
    let what = format!("ledger {}", path.display());
    let Some(ledger) = Sqlite::peek(&path, &engine.owner())? else {
        return Ok(vec![Checked::good(format!("{what}: none yet, the first run makes it"))]);
    };
    let mut checked: Vec<Checked> =
        ledger.integrity()?.into_iter().map(|wrong| Checked::wrong(&what, wrong)).collect();
    checked.extend(batches(engine, &ledger)?);
    checked.extend(tracking::check(engine, &ledger)?);
    if checked.is_empty() {
        checked.push(Checked::good(what));
    }
    Ok(checked)
}

/// Each batch is in exactly one folder with the bytes that were promised, and no
/// folder holds a batch that was not.
fn batches(engine: &Engine, ledger: &dyn Ledger) -> Result<Vec<Checked>, EngineError> {
    let spool = &engine.spool;
    let mut places: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    let mut found: Vec<PathBuf> = Spool::list_shelf(&spool.sent)?;
    for folder in [&spool.outbox, &spool.staged] {
        found.extend(Spool::list(folder)?.into_iter().map(|name| folder.join(name)));
    }
    for path in found {
        places.entry(name_of(&path)).or_default().push(path);
    }
    let (mut wrong, undelivered) = (Vec::new(), ledger.undelivered()?);
    for batch in ledger.batches()? {
        let files = places.remove(&batch.name).unwrap_or_default();
        let what = format!("batch {}", batch.name);
        let deliveries = ledger.deliveries(batch.number)?;
        if !deliveries.is_empty() && deliveries.iter().all(|row| row.stage == Stage::Deleted) {
            // Given up; a crash may have left its file in the outbox, and a run removes it.
            continue;
        }
        if files.is_empty() && ledger.is_aged(batch.number)? {
            // It left with its time, before its messages do.
            continue;
        }
        let [file] = files.as_slice() else {
            let count = files.len();
            wrong.push(Checked::wrong(what, format!("is in {count} folders instead of one")));
            continue;
        };
        let (digest, _) = File::open(file)
            .and_then(|mut opened| Digest::of_reader(&mut opened))
            .map_err(failed("read", file))?;
        if digest != batch.digest {
            let todo = "its bytes are not those that were promised: restore it from a backup";
            wrong.push(Checked::wrong(&what, todo));
        }
        for row in undelivered.iter().filter(|row| row.batch.number == batch.number) {
            let Some(name) = encrypt::local_name(row) else { continue };
            let found = File::open(spool.encrypted.join(&name))
                .and_then(|mut opened| Digest::of_reader(&mut opened));
            if !found.is_ok_and(|(digest, _)| digest == row.digest()) {
                let todo = "its bytes are not those that were frozen: restore it from a backup";
                wrong.push(Checked::wrong(format!("encrypted file {name}"), todo));
            }
        }
        let waits = undelivered.iter().any(|row| row.batch.number == batch.number);
        if file.starts_with(&spool.sent) && waits {
            wrong.push(Checked::wrong(&what, "is in sent/ and was not delivered"));
        }
    }
    for (name, files) in places {
        // A staged file without a promise is what a crash may leave; a run removes it.
        if files.iter().any(|file| !file.starts_with(&spool.staged)) {
            wrong.push(Checked::wrong(format!("batch {name}"), "is in no ledger"));
        }
    }
    Ok(wrong)
}

/// Goes to the vendor's end: logs in, writes a probe file, renames and removes it.
/// Tells what is wrong there, or that nothing is; [`probe`] tells all.
pub fn partner(engine: &Engine, endpoint: &Endpoint) -> Vec<Checked> {
    let probed = probe(engine, endpoint);
    let told = |checked: &Checked| checked.wrong.is_some() || checked.warns;
    let mut told: Vec<Checked> = probed.checked.into_iter().filter(told).collect();
    if told.iter().all(|checked| checked.wrong.is_none()) {
        let what =
            format!("endpoint {}: a probe file was written there and removed", endpoint.name);
        told.push(Checked::good(what));
    }
    told
}
