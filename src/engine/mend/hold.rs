//! Batches set aside, and let go again: one, or all of an interface.

use super::{Mended, refused};
use crate::clock::shown;
use crate::domain::QueueState;
use crate::engine::error::EngineError;
use crate::engine::pass::Engine;
use crate::ledger::{Act, DeliveryRow, Holding, Ledger, Sign, Stage};

/// Sets a batch aside, or all that waits and all that comes.
pub fn hold(
    engine: &Engine,
    ledger: &mut dyn Ledger,
    batch: Option<&str>,
    until: Option<i64>,
    sign: &Sign,
) -> Result<Mended, EngineError> {
    if until.is_some_and(|until| until <= engine.clock.unix()) {
        return refused("the time to hold until has passed");
    }
    let mut waiting = of_batch(ledger, batch, |row| {
        row.stage == Stage::Waiting || row.stage == Stage::Held && row.held_until.is_some()
    })?;
    // What waits for its hour already is held longer, never shorter.
    waiting.retain(|row| row.held_until.is_none_or(|at| until.is_none_or(|until| until > at)));
    match batch {
        Some(name) if waiting.is_empty() => {
            return refused(format!(
                "{name} cannot be held: only what waits, and of which no try has begun, can"
            ));
        }
        Some(_) => {}
        None => {
            let now = until.map_or(Holding::Open, Holding::Until);
            set(ledger, now, sign)?;
        }
    }
    for row in &waiting {
        if row.stage == Stage::Held {
            ledger.release(row.batch.number, &row.endpoint, sign)?;
        }
        ledger.hold(row.batch.number, &row.endpoint, until, sign)?;
    }
    Ok(mended(&waiting, batch))
}

/// Lets a batch go, or all that is held and all that comes.
pub fn release(
    engine: &Engine,
    ledger: &mut dyn Ledger,
    batch: Option<&str>,
    sign: &Sign,
) -> Result<Mended, EngineError> {
    let mut held = of_batch(ledger, batch, |row| row.stage == Stage::Held)?;
    let open = batch.is_none() && ledger.holding()? != Holding::No;
    let opens = |row: &DeliveryRow| {
        let endpoint = engine.agreement.scope.endpoint(&row.endpoint)?;
        engine.sends_from(endpoint, engine.clock.unix())
    };
    let window = held.iter().filter_map(opens).max();
    let zone = &engine.agreement.scope.timezone;
    let note = window.map(|at| format!("its delivery window opens at {}", shown(at, zone)));
    // The hours were agreed with the vendor: nobody lets it go before they come.
    held.retain(|row| opens(row).is_none_or(|at| row.held_until != Some(at)));
    if held.is_empty() && !open {
        let what = batch.unwrap_or("the interface");
        return refused(match note {
            Some(note) => format!("{what} is not held by anybody: {note}"),
            None => format!("{what} is not held"),
        });
    }
    if open {
        set(ledger, Holding::No, sign)?;
    }
    for row in &held {
        ledger.release(row.batch.number, &row.endpoint, sign)?;
    }
    Ok(Mended { note, ..mended(&held, batch) })
}

/// Lets go what was held until a time that has come.
///
/// # Errors
/// Those of the ledger.
pub fn release_due(engine: &Engine, ledger: &mut dyn Ledger) -> Result<(), EngineError> {
    let now = engine.clock.unix();
    let sign = Sign { by: "hl7drop".to_string(), why: "its time came".to_string(), at: now };
    if matches!(ledger.holding()?, Holding::Until(at) if at <= now) {
        set(ledger, Holding::No, &sign)?;
    }
    let due = |row: &DeliveryRow| row.held_until.is_some_and(|at| at <= now);
    for row in of_batch(ledger, None, |row| row.stage == Stage::Held)?.iter().filter(|it| due(it)) {
        ledger.release(row.batch.number, &row.endpoint, &sign)?;
    }
    Ok(())
}

/// Returns when the next of what is held goes on by itself (unix seconds).
///
/// # Errors
/// Those of the ledger.
pub fn next_release(ledger: &dyn Ledger) -> Result<Option<i64>, EngineError> {
    let held = of_batch(ledger, None, |row| row.stage == Stage::Held)?;
    Ok(held.iter().filter_map(|row| row.held_until).min())
}

fn set(ledger: &mut dyn Ledger, holding: Holding, sign: &Sign) -> Result<(), EngineError> {
    let word = |holding| match holding {
        Holding::No => QueueState::New.to_string(),
        _ => QueueState::Scheduled.to_string(),
    };
    let verb = if holding == Holding::No { "release" } else { "hold" };
    let was = word(ledger.holding()?);
    let act = Act { verb, about: "new batches".to_string(), was, now: word(holding) };
    Ok(ledger.set_holding(holding, &act, sign)?)
}

fn of_batch(
    ledger: &dyn Ledger,
    batch: Option<&str>,
    wanted: fn(&DeliveryRow) -> bool,
) -> Result<Vec<DeliveryRow>, EngineError> {
    let mut rows = ledger.undelivered()?;
    rows.retain(|row| wanted(row) && batch.is_none_or(|name| name == row.batch.name));
    Ok(rows)
}

fn mended(rows: &[DeliveryRow], batch: Option<&str>) -> Mended {
    let mut batches: Vec<(u64, u64)> =
        rows.iter().map(|row| (row.batch.number, row.batch.messages)).collect();
    batches.dedup();
    let records = batches.iter().map(|(_, messages)| messages).sum();
    Mended { records, batch: batch.map(str::to_string), ..Mended::default() }
}
