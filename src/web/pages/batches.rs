//! Batch files: on their way and delivered, and what a person decides about one.

use jiff::tz::TimeZone;
use maud::{Markup, html};

use super::groups::{PATIENCE, asked, left};
use crate::domain::Permission;
use crate::engine::{Asked, Engine, Task};
use crate::ledger::{BatchRow, Decision, DeliveryRow, Ledger, Stage};
use crate::web::ask::Ask;
use crate::web::frame::{frame, hidden};
use crate::web::office::{Office, peek};
use crate::web::pages::message;
use crate::web::parts::{bytes, count, number, reason, span, state, time};
use crate::web::refusal::Refusal;
use crate::web::reply::{Answer, Reply};

/// Delivered batches that are listed.
const ROWS: u64 = 100;

/// What is said of a batch file that was deleted, in place of its messages.
const GIVEN_UP: &str = "has no messages to show: it was deleted before it was sent, and its file \
                        with it; the trail says by whom";

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
    // What the page asks by itself is how far it is; messages are shown to who clicks.
    let mut messages = None;
    if !ask.live {
        let about = format!("{name}: {} messages from {}", batch.name, from + 1);
        office.desk()?.note(&ask.by(), "view", &about)?;
        messages = Some(match given_up(&deliveries) {
            true => message::Listed::Gone(format!("{} {GIVEN_UP}", batch.name)),
            false => message::of_batch(&engine, &batch, from)?,
        });
    }
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
        div #deliveries data-live { @for row in &deliveries { (delivery(ask, &name, row, zone)) } }
        @if let Some(messages) = &messages { (message::table(&name, &batch, messages, from)) }
    };
    Ok(frame(office, ask, &batch.name, body))
}

/// True of a batch that somebody deleted: its file is gone, and nobody took it away.
fn given_up(deliveries: &[DeliveryRow]) -> bool {
    !deliveries.is_empty() && deliveries.iter().all(|row| row.stage == Stage::Deleted)
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
                @if row.stage == Stage::Held {
                    dt { "Held until" }
                    dd { @match row.held_until { Some(at) => (time(at, zone)), None => "somebody releases it" } }
                }
                @if let Some(receipt) = &row.receipt {
                    dt { "Remote path" } dd { code { (receipt.path) } }
                    dt { "Server" } dd { (receipt.server) }
                    dt { "Delivered" } dd { (time(receipt.at, zone)) }
                    dt { "How we know" } dd { (receipt.evidence) ", " (bytes(receipt.bytes)) }
                    @if !receipt.host_key.is_empty() { dt { "Host key" } dd { code { (receipt.host_key) } } }
                }
            }
            @if ask.who.as_ref().is_some_and(|who| who.may(Permission::MapMessages)) { (verbs(ask, name, row)) }
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

/// What can be done with a batch file as it stands; the three that people mix up say
/// what they do.
fn verbs(ask: &Ask, name: &str, row: &DeliveryRow) -> Markup {
    let able: &[(&str, &str)] = match row.stage {
        Stage::Delivered => &[
            ("resend", "Resend the same bytes"),
            ("rebuild", "Rebuild: new control IDs, FHS-12 and BHS-12 filled"),
        ],
        Stage::Waiting => &[("hold", "Hold")],
        Stage::Held => &[("release", "Release"), ("delete", "Delete: nothing of it was sent")],
        _ => &[],
    };
    let id = format!("verb-{}", row.endpoint);
    html! {
        @if !able.is_empty() {
            details {
                summary { "Hold, release, send again" }
                form method="post" action={ "/batches/" (name) "/" (row.batch.name) "/mend" } {
                    (hidden(ask))
                    input type="hidden" name="endpoint" value=(row.endpoint);
                    label for=(id) { "Why; kept with your name, so name no patient" }
                    input.full id=(id) name="why" required maxlength="500";
                    div.buttons { @for (verb, title) in able {
                        button.quiet type="submit" name="verb" value=(verb) { (title) }
                    } }
                }
            }
        }
    }
}

/// Holds, releases, deletes, sends again or rebuilds.
pub fn mend(office: &Office, ask: &mut Ask) -> Answer {
    let (name, batch) = (ask.arg("interface").to_string(), ask.arg("batch").to_string());
    let engine = office.engine(&name)?;
    found(&engine, &batch)?;
    let endpoint = Some(ask.field("endpoint").to_string()).filter(|endpoint| !endpoint.is_empty());
    let task = match ask.field("verb") {
        "resend" => Task::Resend { batch, endpoint },
        "rebuild" => Task::Rebuild { batch, messages: Vec::new() },
        "hold" => Task::Hold { batch: Some(batch), until: None },
        "release" => Task::Release { batch: Some(batch) },
        "delete" => Task::Delete { batch },
        _ => return Err(Refusal::Bad("say what is to be done".to_string())),
    };
    let sign = office.sign(ask, reason(ask.field("why"))?);
    asked(office, ask, &name, &engine, &task, &sign)
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
    let (endpoint, sign) = (endpoint.map(str::to_string), office.sign(ask, why));
    let task = Task::Decide { batch: batch.clone(), endpoint, decision };
    match engine.ask(&task, &sign, PATIENCE)? {
        Asked::Done(_) => Ok(Reply::go(format!("/batches/{name}/{batch}"))),
        Asked::Left(_) => Ok(left(office, ask, &name)),
    }
}
