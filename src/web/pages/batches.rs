//! Batch files: on their way and delivered, and what a person decides about one.

use jiff::tz::TimeZone;
use maud::{Markup, html};

use crate::domain::Permission;
use crate::engine::Engine;
use crate::ledger::{BatchRow, Decision, DeliveryRow, Ledger};
use crate::web::ask::Ask;
use crate::web::frame::{frame, hidden};
use crate::web::office::{Office, peek};
use crate::web::pages::message;
use crate::web::parts::{bytes, count, number, reason, span, state, time};
use crate::web::refusal::Refusal;
use crate::web::reply::{Answer, Reply};

/// Delivered batches that are listed.
const ROWS: u64 = 100;

/// The page of all.
pub fn list(office: &Office, ask: &mut Ask) -> Answer {
    let mut parts = Vec::new();
    for site in office.sites()? {
        let Ok(engine) = &site.engine else { continue };
        let zone = &engine.agreement.scope.timezone;
        let (open, done) = match peek(engine)? {
            Some(ledger) => (ledger.undelivered()?, ledger.receipts(ROWS)?),
            None => Default::default(),
        };
        parts.push(html! {
            section.card {
                div.head { h2 { (site.name) } span.hint { (engine.owner()) } }
                @if open.is_empty() && done.is_empty() { p { "No batch file was made yet." } }
                @else { (table(&site.name, open.iter().chain(&done), zone, ask.now)) }
            }
        });
    }
    let body = html! {
        h1 { "Batch files" }
        div #batches data-live { @for part in parts { (part) } }
    };
    Ok(frame(office, ask, "Batch files", body))
}

fn table<'a>(
    name: &str,
    rows: impl Iterator<Item = &'a DeliveryRow>,
    zone: &TimeZone,
    now: i64,
) -> Markup {
    html! {
        div.wide tabindex="0" role="region" aria-label={ "Batch files of " (name) } { table {
            thead { tr { th scope="col" { "File" } th scope="col" { "Messages" } th scope="col" { "Endpoint" }
                th scope="col" { "State" } th scope="col" { "Made" } th scope="col" { "Delivered, or how old" } } }
            tbody { @for row in rows { tr {
                td { a href={ "/batches/" (name) "/" (row.batch.name) } { (row.batch.name) } }
                td.number { (number(row.batch.messages)) }
                td { (row.endpoint) }
                td { (state(row.stage.queue_state())) " " span.hint { (row.stage) } }
                td { (time(row.batch.made_at, zone)) }
                td { @match &row.receipt {
                    Some(receipt) => (time(receipt.at, zone)),
                    None => { (span((now - row.batch.made_at).max(0))) @if let Some(failure) = &row.failure {
                        br; span.hint { (failure.what) }
                    } },
                } }
            } } }
        } }
    }
}

/// The page of one.
pub fn show(office: &Office, ask: &mut Ask) -> Answer {
    let name = ask.arg("interface").to_string();
    let engine = office.engine(&name)?;
    let (batch, deliveries) = found(&engine, ask.arg("batch"))?;
    let zone = &engine.agreement.scope.timezone;
    let from = ask.query("from").parse().unwrap_or(0);
    let messages = message::of_batch(&engine, &batch, from)?;
    let about = format!("{name}: {} messages from {}", batch.name, from + 1);
    office.desk()?.note(&ask.by(), "view", &about)?;
    let body = html! {
        p { a href="/batches" { "Batch files" } }
        h1 { (batch.name) }
        section.card {
            dl.pairs {
                dt { "Interface" } dd { (engine.owner()) }
                dt { "Messages" } dd { (number(batch.messages)) ", MSH-10 from " code { (batch.first_control) } }
                dt { "Size" } dd { (bytes(batch.bytes)) }
                dt { "Made" } dd { (time(batch.made_at, zone)) }
                dt { "SHA-256" } dd { code { (batch.digest) } }
            }
        }
        @for row in &deliveries { (delivery(ask, &name, row, zone)) }
        (message::table(&name, &batch, &messages, from))
    };
    Ok(frame(office, ask, &batch.name, body))
}

/// Returns a batch with its deliveries.
pub fn found(engine: &Engine, name: &str) -> Result<(BatchRow, Vec<DeliveryRow>), Refusal> {
    let nothing = || Refusal::Nothing(format!("{} has no batch file of that name", engine.owner()));
    let ledger = peek(engine)?.ok_or_else(nothing)?;
    let batch = ledger.batch(name)?.ok_or_else(nothing)?;
    let deliveries = ledger.deliveries(batch.number)?;
    Ok((batch, deliveries))
}

fn delivery(ask: &Ask, name: &str, row: &DeliveryRow, zone: &TimeZone) -> Markup {
    html! {
        section.card {
            div.head { h2 { "To " (row.endpoint) } (state(row.stage.queue_state())) }
            @if let Some(failure) = row.failure.as_ref().filter(|_| row.receipt.is_none()) {
                p.notice.bad { (failure.what) }
            }
            dl.pairs {
                dt { "Stage" } dd { (row.stage) ", " (count(row.tries, "try", "tries"))
                    @if row.resent > 0 { ", sent again " (count(row.resent, "time", "times")) } }
                @if let Some(receipt) = &row.receipt {
                    dt { "Remote path" } dd { code { (receipt.path) } }
                    dt { "Server" } dd { (receipt.server) }
                    dt { "Delivered" } dd { (time(receipt.at, zone)) }
                    dt { "How we know" } dd { (receipt.evidence) ", " (bytes(receipt.bytes)) }
                    @if !receipt.host_key.is_empty() { dt { "Host key" } dd { code { (receipt.host_key) } } }
                }
            }
            @if row.receipt.is_none() && ask.who.as_ref().is_some_and(|who| who.may(Permission::MapMessages)) {
                (decisions(ask, name, row))
            }
        }
    }
}

fn decisions(ask: &Ask, name: &str, row: &DeliveryRow) -> Markup {
    let id = format!("why-{}", row.endpoint);
    html! {
        details {
            summary { "Decide about it" }
            form method="post" action={ "/batches/" (name) "/" (row.batch.name) "/decide" } {
                (hidden(ask))
                input type="hidden" name="endpoint" value=(row.endpoint);
                label for=(id) { "Why; kept with your name" }
                input.full id=(id) name="why" required maxlength="500";
                div.buttons {
                    button.quiet type="submit" name="decision" value="retry" { "Try again: the cause is mended" }
                    button.quiet type="submit" name="decision" value="resend" { "Send the same bytes again: the vendor lacks it" }
                    button.quiet type="submit" name="decision" value="delivered" { "Mark delivered by hand: the vendor has it" }
                }
            }
        }
    }
}

/// Records what was decided.
pub fn decide(office: &Office, ask: &mut Ask) -> Answer {
    let (name, batch) = (ask.arg("interface").to_string(), ask.arg("batch").to_string());
    let engine = office.engine(&name)?;
    found(&engine, &batch)?;
    let all = [Decision::Delivered, Decision::Resend, Decision::Retry];
    let decision = all.into_iter().find(|one| one.word() == ask.field("decision"));
    let decision = decision.ok_or_else(|| Refusal::Bad("say what is decided".to_string()))?;
    let why = reason(ask.field("why"))?;
    let endpoint = Some(ask.field("endpoint")).filter(|endpoint| !endpoint.is_empty());
    engine.decide(&batch, endpoint, decision, &office.sign(ask, why))?;
    Ok(Reply::go(format!("/batches/{name}/{batch}")))
}
