//! One message, whole: raw, its fields by HL7's names with the rule that made each, the
//! row it came from, its history, its batch and receipts. Who saw it is written down first.

use maud::{Markup, html};

use super::search::standing;
use crate::engine::{Engine, Locator, Whole};
use crate::ledger::Sign;
use crate::web::ask::Ask;
use crate::web::frame::frame;
use crate::web::office::Office;
use crate::web::parts::time;
use crate::web::refusal::Refusal;
use crate::web::reply::{Answer, Reply};

/// The page.
pub fn show(office: &Office, ask: &mut Ask) -> Answer {
    let name = ask.arg("interface").to_string();
    let engine = office.engine(&name)?;
    let bad = |_| Refusal::Nothing("there is no such message".to_string());
    let locator: Locator = ask.arg("message").parse().map_err(bad)?;
    let whole = engine.whole(locator)?;
    let raw = ask.query("raw") == "1";
    let sign =
        Sign { why: if raw { "download" } else { "view" }.to_string(), ..office.sign(ask, "") };
    engine.viewed(&locator.to_string(), &sign)?;
    let control = whole.hit.control.clone().unwrap_or_else(|| format!("row {locator}"));
    if raw {
        return match &whole.raw {
            Some(Ok(text)) => {
                Ok(Reply::download(&format!("{control}.hl7"), text.clone().into_bytes()))
            }
            _ => Err(Refusal::Nothing("there is no text of it to download".to_string())),
        };
    }
    let body = html! {
        p { a href="/search" { "Search" } }
        h1 { @if whole.hit.control.is_some() { "Message " } (control) " " (standing(whole.hit.state)) }
        (facts(&name, &engine, &whole))
        (raw_text(&name, locator, &whole))
        @if !whole.fields.is_empty() { (fields(&whole)) }
        section.card {
            h2 { "The row it came from" }
            @match &whole.source {
                Ok(text) => {
                    pre #source { (text) }
                    button.quiet data-copy="source" hidden type="button" { "Copy" }
                },
                Err(why) => p.notice.wait { (crate::web::refusal::sentence(why)) },
            }
        }
        (history(&engine, &whole))
    };
    Ok(frame(office, ask, &control, body))
}

fn facts(name: &str, engine: &Engine, whole: &Whole) -> Markup {
    let (hit, zone) = (&whole.hit, &engine.agreement.scope.timezone);
    html! {
        section.card {
            dl.pairs {
                @if let Some((code, why)) = &hit.reason { dt { "Why" } dd { (code) ": " (why)
                    @if let Some(fault) = hit.fault { " " a href={ "/queue/" (name) "/record/" (fault) } { "record " (fault) " of the queue" } } } }
                dt { "Source" } dd { (hit.file.as_deref().unwrap_or("not known any more")) ", record " (hit.record) ", line " (hit.line) }
                dt { "Taken in" } dd { (time(hit.at, zone)) }
                @if let Some(batch) = &hit.batch { dt { "Batch file" } dd { a href={ "/batches/" (name) "/" (batch) } { (batch) } } }
                @for delivery in &whole.deliveries {
                    dt { "To " (delivery.endpoint) }
                    dd { @match &delivery.receipt {
                        Some(receipt) => { code { (receipt.path) } " at " (receipt.server) ", " (time(receipt.at, zone)) ", " (receipt.evidence) },
                        None => { (delivery.stage) @if let Some(failure) = &delivery.failure { ": " (failure.what) } },
                    } }
                }
                @for answer in &whole.answers { dt { "Answer of " (answer.answer.code.word()) } dd { (answer.answer.what) } }
            }
        }
    }
}

fn raw_text(name: &str, locator: Locator, whole: &Whole) -> Markup {
    html! {
        @match &whole.raw {
            None => {},
            Some(Err(why)) => p.notice.bad role="alert" { (crate::web::refusal::sentence(why)) },
            Some(Ok(text)) => section.card {
                h2 { "Raw HL7" }
                pre #raw { @for segment in text.split('\r').filter(|one| !one.is_empty()) { (segment) "\n" } }
                div.buttons {
                    button.quiet data-copy="raw" hidden type="button" { "Copy" }
                    a.button.quiet href={ "/messages/" (name) "/" (locator) "?raw=1" } { "Download" }
                }
            },
        }
    }
}

fn fields(whole: &Whole) -> Markup {
    html! {
        section.card {
            h2 { "Fields" }
            div.wide tabindex="0" role="region" aria-label="Fields" { table {
                thead { tr { th scope="col" { "Field" } th scope="col" { "HL7's name" } th scope="col" { "Value" } th scope="col" { "Rule" } } }
                tbody { @for field in &whole.fields { tr {
                    th scope="row" { code { (field.path) } } td { (field.name) } td { (field.value) }
                    td { @if let Some(rule) = &field.rule { code { (rule) } } }
                } } }
            } }
        }
    }
}

fn history(engine: &Engine, whole: &Whole) -> Markup {
    let zone = &engine.agreement.scope.timezone;
    html! {
        section.card {
            h2 { "What people decided about it" }
            @if whole.actions.is_empty() { p { "Nothing." } } @else {
                ul { @for action in &whole.actions {
                    li { (time(action.sign.at, zone)) " " strong { (action.sign.by) } ": " (action.verb) " " (action.about) ", " (action.sign.why) }
                } }
            }
        }
    }
}
