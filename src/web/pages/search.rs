//! Search: every message about a patient, an appointment, an ID; or by state, file and
//! event. Who searched is in the trail.

use std::collections::BTreeMap;

use maud::{Markup, html};

use crate::domain::{Event, QueueState};
use crate::engine::{Engine, Found, Hit, Query, Standing};
use crate::ledger::{DeliveryRow, Ledger};
use crate::web::ask::Ask;
use crate::web::frame::frame;
use crate::web::office::{Office, peek};
use crate::web::parts::{count, state, time};
use crate::web::refusal::Refusal;
use crate::web::reply::Answer;

/// Messages of a page.
const ROWS: usize = 50;

/// What can be typed: the name in the address, and for people.
const IDS: [(&str, &str); 4] = [
    ("patient", "Patient ID"),
    ("appointment", "Appointment ID"),
    ("control", "MSH-10"),
    ("external", "External ID"),
];

/// A hit with the deliveries of its batch.
struct Shown {
    hit: Hit,
    deliveries: Vec<DeliveryRow>,
}

/// The page.
pub fn search(office: &Office, ask: &mut Ask) -> Answer {
    let sites = office.sites()?;
    let chosen = ask.query("interface").to_string();
    let query = query(ask)?;
    let mut parts = Vec::new();
    if query != Query::default() {
        let about = what(&query);
        for site in sites.iter().filter(|site| chosen.is_empty() || site.name == chosen) {
            let Ok(engine) = &site.engine else { continue };
            let after = ask.query("after").parse().ok().filter(|_| !chosen.is_empty());
            let found = engine.find(&query, after, ROWS)?;
            let told = format!("{}: {} found by {about}", site.name, found.hits.len());
            office.desk()?.note(&ask.by(), "search", &told)?;
            parts.push(section(ask, &site.name, engine, found)?);
        }
    }
    let names: Vec<&str> = sites.iter().map(|site| site.name.as_str()).collect();
    let body = html! {
        h1 { "Search" }
        (form(ask, &names, &chosen))
        @for part in parts { (part) }
    };
    Ok(frame(office, ask, "Search", body))
}

fn query(ask: &Ask) -> Result<Query, Refusal> {
    let given = |name: &str| Some(ask.query(name).to_string()).filter(|text| !text.is_empty());
    let bad = |what: String| Refusal::Bad(what);
    let state = given("state").map(|word| word.parse::<Standing>()).transpose();
    let event = given("event").map(|word| {
        let mut events = Event::ALL.into_iter();
        events
            .find(|event| event.telling().key == word)
            .ok_or_else(|| bad(format!("{word} is no event")))
    });
    Ok(Query {
        patient: given("patient"),
        appointment: given("appointment"),
        control: given("control"),
        external: given("external"),
        file: given("file"),
        batch: given("batch"),
        state: state.map_err(|wrong| bad(format!("that {wrong}")))?,
        reason: given("reason"),
        event: event.transpose()?,
        ..Query::default()
    })
}

/// Returns by what was searched, without what: that may be a patient's.
fn what(query: &Query) -> String {
    let Query {
        patient, appointment, control, external, file, batch, state, reason, event, ..
    } = query;
    let given = [
        (patient.is_some(), "patient ID"),
        (appointment.is_some(), "appointment ID"),
        (control.is_some(), "MSH-10"),
        (external.is_some(), "external ID"),
        (file.is_some(), "file"),
        (batch.is_some(), "batch file"),
        (state.is_some(), "state"),
        (reason.is_some(), "reason"),
        (event.is_some(), "event"),
    ];
    let given: Vec<&str> = given.into_iter().filter(|(is, _)| *is).map(|(_, name)| name).collect();
    given.join(", ")
}

fn form(ask: &Ask, names: &[&str], chosen: &str) -> Markup {
    let states = QueueState::ALL.map(|state| state.to_string());
    let states = states.iter().map(String::as_str).chain(["FILTERED"]);
    html! {
        form.card method="get" action="/search" role="search" {
            div.row {
                @for (name, title) in IDS {
                    div.field { label for=(name) { (title) }
                        input id=(name) name=(name) value=(ask.query(name)) autocomplete="off" spellcheck="false"; }
                }
                button type="submit" { "Search" }
            }
            details open[["state", "file", "event", "interface"].iter().any(|name| !ask.query(name).is_empty())] {
                summary { "More" }
                div.row {
                    div.field { label for="interface" { "Interface" } select #interface name="interface" {
                        option value="" { "all" }
                        @for name in names { option value=(name) selected[*name == chosen] { (name) } }
                    } }
                    div.field { label for="state" { "State" } select #state name="state" {
                        option value="" { "any" }
                        @for word in states { option value=(word) selected[ask.query("state") == word] { (word) } }
                    } }
                    div.field { label for="event" { "Event" } select #event name="event" {
                        option value="" { "any" }
                        @for event in Event::ALL { option value=(event.telling().key) selected[ask.query("event") == event.telling().key] { (event.telling().key) } }
                    } }
                    div.field { label for="file" { "Extract" } input #file name="file" value=(ask.query("file")); }
                    div.field { label for="batch" { "Batch file" } input #batch name="batch" value=(ask.query("batch")); }
                }
            }
        }
    }
}

fn section(ask: &Ask, name: &str, engine: &Engine, found: Found) -> Result<Markup, Refusal> {
    let ledger = peek(engine)?;
    // Most messages of a page are of one batch.
    let mut known: BTreeMap<String, Vec<DeliveryRow>> = BTreeMap::new();
    let mut rows = Vec::new();
    for hit in found.hits {
        let mut deliveries = Vec::new();
        if let (Some(ledger), Some(name)) = (&ledger, &hit.batch) {
            if !known.contains_key(name) {
                let batch = ledger.batch(name)?;
                let all = batch.map(|batch| ledger.deliveries(batch.number)).transpose()?;
                known.insert(name.clone(), all.unwrap_or_default());
            }
            deliveries.extend(known.get(name).into_iter().flatten().cloned());
        }
        rows.push(Shown { hit, deliveries });
    }
    let zone = &engine.agreement.scope.timezone;
    Ok(html! {
        section.card {
            div.head { h2 { (name) } span.hint { (count(rows.len() as u64, "message or row", "messages and rows"))
                @if found.next.is_some() { ", and more" } ", newest first" } }
            @if !found.unsearchable.is_empty() {
                p.notice.bad { (count(found.unsearchable.len() as u64, "drop", "drops"))
                    " could not be searched: their indexes are damaged or not there. The next run makes them anew." }
            }
            @if rows.is_empty() { p { "Nothing." } } @else { (table(name, &rows, zone)) }
            @if let Some(next) = found.next {
                p { a href=(further(ask, name, &next.to_string())) { "Further messages of " (name) } }
            }
        }
    })
}

fn further(ask: &Ask, name: &str, after: &str) -> String {
    let other = |key: &str| key != "after" && key != "interface";
    let kept = ask.query.iter().filter(|(key, value)| other(key) && !value.is_empty());
    let kept = kept.map(|(key, value)| format!("&{key}={}", crate::web::parts::escaped(value)));
    format!("/search?interface={name}{}&after={after}", kept.collect::<String>())
}

/// Returns a standing by its word.
pub fn standing(of: Standing) -> Markup {
    match of {
        Standing::In(known) => state(known),
        other => html! { span.state.off { (other) } },
    }
}

fn table(name: &str, rows: &[Shown], zone: &jiff::tz::TimeZone) -> Markup {
    html! {
        div.wide tabindex="0" role="region" aria-label={ "Messages of " (name) } { table {
            thead { tr { th scope="col" { "Message" } th scope="col" { "State" } th scope="col" { "Source" }
                th scope="col" { "Batch file" } th scope="col" { "At the vendor" } th scope="col" { "Taken in" } } }
            tbody { @for Shown { hit, deliveries } in rows { tr {
                td { a href={ "/messages/" (name) "/" (hit.locator) } {
                    @match &hit.control { Some(control) => (control), None => "row" }
                } @if let Some(event) = hit.event { br; span.hint { (event.telling().message) " " (event.telling().trigger) " " (event.telling().key) } } }
                td { (standing(hit.state)) @if let Some((_, why)) = &hit.reason { br; span.hint { (why) } } }
                td { (hit.file.as_deref().unwrap_or("not known any more")) br; span.hint { "record " (hit.record) ", line " (hit.line) } }
                td { @if let Some(batch) = &hit.batch { a href={ "/batches/" (name) "/" (batch) } { (batch) } } }
                td { @for delivery in deliveries { @if let Some(receipt) = &delivery.receipt {
                    code { (receipt.path) } br; span.hint { (receipt.evidence) ", " (time(receipt.at, zone)) } br;
                } @else { span.hint { (delivery.endpoint) ": " (delivery.stage) } br; } } }
                td { (time(hit.at, zone)) }
            } } }
        } }
    }
}
