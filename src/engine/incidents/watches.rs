//! What should have come and did not, or came in unusual numbers.
//!
//! Days are those of the practice's time zone.

use std::collections::BTreeMap;

use jiff::civil::{Date, DateTime};
use jiff::{Span, Timestamp};

use crate::clock::shown;
use crate::domain::{Cause, Expect, ExtractKind, Trouble};
use crate::engine::backfill::is_slice;
use crate::engine::next::Typed;
use crate::engine::pass::Engine;
use crate::ledger::{ExtractRow, Ledger, LedgerError, Totals};

/// How many weeks back the usual volume of a weekday is taken from, and how many of
/// them must have had data.
const WEEKS: i64 = 8;
const DAYS_LEAST: usize = 3;
const DAY_S: i64 = 86_400;

/// Adds what is wrong.
pub(super) fn watch(
    engine: &Engine,
    typed: &Typed,
    ledger: &dyn Ledger,
    totals: &Totals,
    troubles: &mut Vec<Trouble>,
) -> Result<(), LedgerError> {
    let alerts = &engine.agreement.scope.alerts;
    // An interface that never had data is being set up.
    if totals.last_drop.is_none() {
        return Ok(());
    }
    let Some(last) = newest_of_the_day(ledger)? else { return Ok(()) };
    let zone = &engine.agreement.scope.timezone;
    let (now, clock) = (engine.clock.unix(), engine.clock.civil(zone));
    if alerts.silent_hours > 0 && now - last >= alerts.silent_hours * 3600 {
        troubles.push(Trouble {
            cause: Cause::Silent,
            about: String::new(),
            what: format!(
                "no extract came for {} hours; the last one was taken in at {}",
                alerts.silent_hours,
                shown(last, zone)
            ),
            next: look_at_exporter(engine, typed),
            count: 1,
        });
    }
    if alerts.expects.is_empty() && alerts.volume_percent == 0 {
        return Ok(());
    }
    let back = if alerts.volume_percent > 0 { WEEKS * 7 + 1 } else { 8 };
    let taken = since(ledger, now - back * DAY_S)?;
    let taken: Vec<(Date, &ExtractRow)> = taken
        .iter()
        .filter_map(|row| {
            let at = Timestamp::from_second(row.extract.taken_at).ok()?;
            Some((zone.to_datetime(at).date(), row))
        })
        .collect();
    for expect in &alerts.expects {
        troubles.extend(late(engine, typed, expect, clock, &taken));
    }
    if alerts.volume_percent > 0 {
        for kind in ExtractKind::ALL.into_iter().filter(|kind| kind.makes_messages()) {
            let days = days(kind, &taken);
            troubles.extend(volume(typed, kind, alerts.volume_percent, clock.date(), &days));
        }
    }
    Ok(())
}

/// Returns when the newest extract was taken that is no part of a backfill.
fn newest_of_the_day(ledger: &dyn Ledger) -> Result<Option<i64>, LedgerError> {
    let mut limit = 16;
    loop {
        let rows = ledger.extracts(limit)?;
        let found = rows.iter().find(|row| !is_slice(&row.extract.name));
        if found.is_some() || (rows.len() as u64) < limit {
            return Ok(found.map(|row| row.extract.taken_at));
        }
        limit *= 4;
    }
}

/// Returns the extracts of the day's traffic that were taken since a time, newest first.
fn since(ledger: &dyn Ledger, at: i64) -> Result<Vec<ExtractRow>, LedgerError> {
    let mut limit = 256;
    loop {
        let mut rows = ledger.extracts(limit)?;
        let all = (rows.len() as u64) < limit;
        if all || rows.last().is_some_and(|row| row.extract.taken_at < at) {
            rows.retain(|row| row.extract.taken_at >= at && !is_slice(&row.extract.name));
            return Ok(rows);
        }
        limit *= 4;
    }
}

fn look_at_exporter(engine: &Engine, typed: &Typed) -> Vec<String> {
    let inbox = engine.spool.inbox.display();
    vec![
        format!("look whether the export ran, and whether it wrote into {inbox}"),
        format!("what came: {}", typed.status()),
    ]
}

/// Returns that an extract is late: none of its kind came on the day of the last deadline
/// or since. So it stays late over midnight, until one comes.
fn late(
    engine: &Engine,
    typed: &Typed,
    expect: &Expect,
    clock: DateTime,
    taken: &[(Date, &ExtractRow)],
) -> Option<Trouble> {
    let day = last_deadline(expect, clock)?;
    let came = |(date, row): &(Date, &ExtractRow)| row.extract.kind == expect.kind && *date >= day;
    if taken.iter().any(came) {
        return None;
    }
    let word = expect.kind.word();
    Some(Trouble {
        cause: Cause::Late,
        about: word.to_string(),
        what: format!(
            "no {word} extract came on {day}; one was expected by {}",
            expect.by.strftime("%H:%M")
        ),
        next: look_at_exporter(engine, typed),
        count: 1,
    })
}

/// Returns the day of the last deadline that has passed.
fn last_deadline(expect: &Expect, clock: DateTime) -> Option<Date> {
    let back = |days: i64| clock.date().checked_sub(Span::new().days(days)).ok();
    let passed = |day: &Date| {
        expect.days.contains(&day.weekday()) && (*day < clock.date() || expect.by <= clock.time())
    };
    (0..=7).filter_map(back).find(passed)
}

/// Rows, and extracts, of one day.
type Days = BTreeMap<Date, (u64, u64)>;

fn days(kind: ExtractKind, taken: &[(Date, &ExtractRow)]) -> Days {
    let mut days = Days::new();
    for (date, row) in taken.iter().filter(|(_, row)| row.extract.kind == kind) {
        let (rows, extracts) = days.entry(*date).or_default();
        *rows += row.counts.rows;
        *extracts += 1;
    }
    days
}

/// Returns that a day is far from its weekday's usual. Today is surely too much at once,
/// and too little when as many extracts came as usual; until then yesterday counts.
fn volume(
    typed: &Typed,
    kind: ExtractKind,
    percent: u64,
    today: Date,
    days: &Days,
) -> Option<Trouble> {
    let yesterday = today.yesterday().ok()?;
    for day in [today, yesterday] {
        let Some(&(rows, extracts)) = days.get(&day) else { continue };
        let Some((usual, usual_extracts)) = usual(day, days) else { continue };
        let word = if rows * 100 > usual * (100 + percent) {
            "far more"
        } else if day == today && extracts < usual_extracts {
            continue;
        } else if rows * 100 < usual * 100_u64.saturating_sub(percent) {
            "far fewer"
        } else {
            return None;
        };
        let kind = kind.word();
        return Some(Trouble {
            cause: Cause::Volume,
            about: kind.to_string(),
            what: format!(
                "{word} {kind} than usual: {rows} rows on {day}; that weekday usually has about \
                 {usual}"
            ),
            next: vec![
                "look whether the export was changed, or filtered otherwise".to_string(),
                format!("what came: {}", typed.status()),
            ],
            count: 1,
        });
    }
    None
}

/// Returns the median rows and extracts of the same weekday in the weeks before.
fn usual(day: Date, days: &Days) -> Option<(u64, u64)> {
    let before = |weeks: i64| day.checked_sub(Span::new().days(weeks * 7)).ok();
    let weeks = (1..=WEEKS).filter_map(before);
    let (mut rows, mut extracts): (Vec<u64>, Vec<u64>) =
        weeks.filter_map(|day| days.get(&day).copied()).unzip();
    if rows.len() < DAYS_LEAST {
        return None;
    }
    rows.sort_unstable();
    extracts.sort_unstable();
    Some((rows[rows.len() / 2], extracts[extracts.len() / 2]))
}

#[cfg(test)]
mod tests {
    use jiff::civil::{Weekday, date, time};

    use super::*;

    #[test]
    fn a_deadline_is_the_last_one_that_has_passed() {
        let days = vec![Weekday::Monday, Weekday::Wednesday];
        let expect = Expect { kind: ExtractKind::Patients, by: time(6, 30, 0, 0), days };
        let day = |day, hour, minute| {
            last_deadline(&expect, date(2026, 5, day).at(hour, minute, 0, 0)).unwrap().day()
        };
        // 2026-05-18 is a Monday.
        assert_eq!(day(18, 6, 29), 13);
        assert_eq!(day(18, 6, 30), 18);
        assert_eq!(day(19, 23, 0), 18, "no deadline on Tuesday");
        assert_eq!(day(20, 6, 0), 18);
        assert_eq!(day(24, 1, 0), 20);
    }

    #[test]
    fn a_day_is_held_against_the_same_weekday() {
        let today = date(2026, 5, 20);
        let typed = Typed::plain("hl7drop", "ridge");
        let days = |rows: u64, extracts: u64| {
            let before = (1..=8).map(|week: i64| {
                let day = today.checked_sub(Span::new().days(week * 7)).unwrap();
                // One holiday, and other weekdays that are far from it.
                (day, if week == 3 { (9, 2) } else { (1000, 2) })
            });
            let other = date(2026, 5, 16);
            Days::from_iter(before.chain([(other, (5, 1)), (today, (rows, extracts))]))
        };
        let word = |rows, extracts| {
            volume(&typed, ExtractKind::Patients, 50, today, &days(rows, extracts))
                .map(|trouble| trouble.what.split(" patients").next().unwrap().to_string())
        };
        assert_eq!(word(1000, 2), None);
        assert_eq!(word(1500, 2), None);
        assert_eq!(word(1501, 1).unwrap(), "far more");
        assert_eq!(word(499, 1), None, "the second extract of the day may bring the rest");
        assert_eq!(word(499, 2).unwrap(), "far fewer");
        let few = Days::from_iter([(today, (1, 1)), (date(2026, 5, 13), (1000, 1))]);
        assert!(volume(&typed, ExtractKind::Patients, 50, today, &few).is_none());
    }
}
