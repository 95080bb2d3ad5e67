//! The overview: of each interface what came, what went, and what waits for whom.
//! Counts only: whoever is signed in sees it.

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use maud::{Markup, html};

use crate::domain::QueueState;
use crate::engine::Engine;
use crate::engine::retention::usage::Forecast;
use crate::ledger::{DeliveryRow, ExtractRow, Ledger, Totals};
use crate::spool::{Spool, looked};
use crate::web::ask::Ask;
use crate::web::chart::{Day, bars};
use crate::web::frame::frame;
use crate::web::office::{Office, Site, peek};
use crate::web::parts::{ago, count, number, span, state, time, words};
use crate::web::refusal::Refusal;
use crate::web::reply::Answer;

/// Days of the charts.
const DAYS: i64 = 14;

/// Extracts and deliveries that are looked at for the charts.
const LOOKED: u64 = 2000;

/// What stands where in one interface.
struct Standing {
    zone: TimeZone,
    owner: String,
    totals: Totals,
    extracts: Vec<ExtractRow>,
    receipts: Vec<DeliveryRow>,
    undelivered: Vec<DeliveryRow>,
    inbox: usize,
    refused: usize,
    room: Option<Forecast>,
}

/// The page.
pub fn home(office: &Office, ask: &mut Ask) -> Answer {
    let sites = office.sites()?;
    let body = html! {
        h1 { "Overview" }
        @if sites.is_empty() {
            p { "There is no interface yet; " code { "hl7drop init NAME" } " makes one." }
        }
        div #interfaces data-live {
            @for site in &sites { (interface(ask, site)) }
        }
    };
    Ok(frame(office, ask, "Overview", body))
}

fn interface(ask: &Ask, site: &Site) -> Markup {
    let looked = match &site.engine {
        Ok(engine) => look(engine).map_err(|refused| match refused {
            Refusal::Trouble(text) => text,
            other => format!("{other:?}"),
        }),
        Err(wrong) => Err(format!("the interface file has mistakes: {wrong}")),
    };
    match looked {
        Ok(standing) => shown(ask, &site.name, &standing),
        Err(wrong) => html! {
            section.card.interface {
                h2 { (site.name) }
                p.notice.bad role="alert" { (crate::web::refusal::sentence(&wrong)) }
            }
        },
    }
}

fn look(engine: &Engine) -> Result<Standing, Refusal> {
    let mut standing = Standing {
        zone: engine.agreement.scope.timezone.clone(),
        owner: engine.owner(),
        totals: Totals::default(),
        extracts: Vec::new(),
        receipts: Vec::new(),
        undelivered: Vec::new(),
        inbox: 0,
        refused: 0,
        room: engine.forecast(),
    };
    let spool = &engine.spool;
    if spool.root.is_dir() {
        standing.inbox = looked(&spool.inbox)?.len();
        if spool.error.is_dir() {
            let names = Spool::list(&spool.error)?;
            standing.refused = names.iter().filter(|name| !name.ends_with(".why.toml")).count();
        }
    }
    if let Some(ledger) = peek(engine)? {
        standing.totals = ledger.totals()?;
        standing.extracts = ledger.extracts(LOOKED)?;
        standing.receipts = ledger.receipts(LOOKED)?;
        standing.undelivered = ledger.undelivered()?;
    }
    Ok(standing)
}

fn shown(ask: &Ask, name: &str, standing: &Standing) -> Markup {
    let Standing { zone, totals, .. } = standing;
    let of = |state| totals.states.get(&state).copied().unwrap_or(0);
    let waits: u64 =
        totals.states.iter().filter(|(state, _)| state.is_error()).map(|(_, n)| n).sum();
    html! {
        section.card.interface aria-labelledby={ "name-" (name) } {
            div.head {
                h2 id={ "name-" (name) } { (name) }
                span.hint { (standing.owner) }
                (verdict(standing, waits))
            }
            dl.figures {
                div { dt { "Last drop" } dd { @match totals.last_drop {
                    Some(at) => { (ago(at, ask.now)) " " span.hint { (time(at, zone)) } },
                    None => { "none yet" },
                } } }
                div { dt { "Delivered" } dd { (number(of(QueueState::Processed))) } }
                div { dt { "On the way" } dd {
                    (number(of(QueueState::New) + of(QueueState::Pending) + of(QueueState::Distributed) + of(QueueState::Scheduled)))
                    @if let Some(oldest) = totals.oldest_waiting {
                        " " span.hint { "oldest " (span((ask.now - oldest).max(0))) }
                    }
                } }
                div { dt { "Wait for a person" } dd { (number(waits)) } }
                div { dt { "In the inbox" } dd { (count(standing.inbox as u64, "file", "files")) } }
                div { dt { "Refused files" } dd { (number(standing.refused as u64)) } }
                @if let Some(room) = &standing.room {
                    @let text = room.text();
                    // How much is used is the figure; how long that goes well is said small.
                    @let (used, left) = text.split_once(", ").unwrap_or((&text, ""));
                    div { dt { "Room" } dd { (used) " " span.hint { (left) } } }
                }
            }
            @if !totals.states.is_empty() {
                ul.states {
                    @for (which, messages) in &totals.states {
                        li { (state(*which)) " " strong { (number(*messages)) } " " span.hint { (words(*which)) } }
                    }
                }
            }
            @for row in standing.undelivered.iter().filter(|row| row.failure.is_some()).take(5) {
                @if let Some(failure) = &row.failure {
                    p.notice.bad { strong { (row.batch.name) } " to " (row.endpoint) ": " (failure.what) }
                }
            }
            div.charts {
                (bars("Rows that came", &[("sent", "good"), ("filtered", "off"), ("error", "bad")], &came(standing, ask.now)))
                (bars("Messages delivered", &[("messages", "going")], &went(standing, ask.now)))
            }
        }
    }
}

fn verdict(standing: &Standing, waits: u64) -> Markup {
    let stopped = standing.undelivered.iter().any(|row| row.failure.is_some());
    html! {
        @if stopped { span.state.bad { "delivery has trouble" } }
        @else if waits > 0 || standing.refused > 0 { span.state.wait { "waits for a person" } }
        @else if standing.totals.last_drop.is_some() { span.state.good { "all is well" } }
        @else { span.state.off { "nothing came yet" } }
    }
}

fn came(standing: &Standing, now: i64) -> Vec<Day> {
    let rows = standing.extracts.iter().map(|row| {
        let counts = &row.counts;
        let values = vec![counts.sent, counts.filtered + counts.duplicate, counts.error];
        (row.extract.taken_at, values)
    });
    by_day(rows, 3, &standing.zone, now)
}

fn went(standing: &Standing, now: i64) -> Vec<Day> {
    let rows = standing
        .receipts
        .iter()
        .filter_map(|row| Some((row.receipt.as_ref()?.at, vec![row.batch.messages])));
    by_day(rows, 1, &standing.zone, now)
}

/// Adds up by the practice's days, the last of which is today.
fn by_day(
    rows: impl Iterator<Item = (i64, Vec<u64>)>,
    series: usize,
    zone: &TimeZone,
    now: i64,
) -> Vec<Day> {
    let date = |unix| {
        let stamp = Timestamp::from_second(unix).unwrap_or_default();
        zone.to_datetime(stamp).date()
    };
    let today = date(now);
    let dates: Vec<_> = (0..DAYS).rev().map(|back| today.saturating_sub(back.days())).collect();
    let mut days: Vec<Day> = dates
        .iter()
        .map(|date| Day { name: date.strftime("%b %-d").to_string(), values: vec![0; series] })
        .collect();
    for (at, values) in rows {
        if let Some(found) = dates.iter().position(|&known| known == date(at)) {
            let sums = days[found].values.iter_mut();
            sums.zip(values).for_each(|(sum, value)| *sum += value);
        }
    }
    days
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_the_practices_own() {
        let zone = TimeZone::get("America/New_York").unwrap();
        // May 20, 2026, 23:30 and May 21, 00:30 there, both of May 21 in UTC.
        let rows = [(1_779_334_200, vec![3]), (1_779_337_800, vec![4])];
        let days = by_day(rows.into_iter(), 1, &zone, 1_779_337_900);
        assert_eq!(days.len(), 14);
        let last: Vec<_> =
            days[12..].iter().map(|day| (day.name.as_str(), day.values[0])).collect();
        assert_eq!(last, [("May 20", 3), ("May 21", 4)]);
    }
}
