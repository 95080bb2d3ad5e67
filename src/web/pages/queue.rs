//! The queue: the records that wait for a person, by their reason, and closing them.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::groups::{PATIENCE, asked, left, permitted};
use crate::domain::{Code, Permission, QueueState};
use crate::engine::{Asked, Engine, Selection, Task};
use crate::ledger::{FaultRow, Ledger};
use crate::web::ask::Ask;
use crate::web::frame::{frame, hidden};
use crate::web::office::{Office, peek};
use crate::web::parts::{count, escaped, number, reason, state, time};
use crate::web::refusal::Refusal;
use crate::web::reply::{Answer, Reply};

/// Records of a page.
const ROWS: usize = 100;

/// What waits in one interface, as it was asked for.
#[derive(Default)]
struct Waiting {
    /// How many of each reason and file.
    reasons: BTreeMap<Code, u64>,
    files: BTreeMap<String, u64>,
    /// The newest that were asked for, newest first.
    rows: Vec<FaultRow>,
    /// How many there are of those.
    found: u64,
}

/// What is asked for.
struct Wanted<'a> {
    code: Option<Code>,
    file: &'a str,
    before: i64,
}

/// The page.
pub fn list(office: &Office, ask: &mut Ask) -> Answer {
    let sites = office.sites()?;
    let chosen = ask.query("interface");
    let wanted = Wanted {
        code: Code::of_id(ask.query("code")),
        file: ask.query("file"),
        before: ask.query("before").parse().unwrap_or(i64::MAX),
    };
    let mut parts = Vec::new();
    for site in sites.iter().filter(|site| chosen.is_empty() || site.name == chosen) {
        match &site.engine {
            Ok(engine) => {
                let waiting = waiting(engine, &wanted)?;
                parts.push(section(ask, &site.name, engine, &waiting, &wanted));
            }
            Err(wrong) => parts.push(html! {
                section.card { h2 { (site.name) } p.notice.bad { "The interface file has mistakes: " (wrong) } }
            }),
        }
    }
    let body = html! {
        h1 { "Message queue" }
        p { a href="/groups" { "Errors by cause" } span.hint { ": map a value once, see what would change, resubmit" } }
        form.row method="get" action="/queue" role="search" aria-label="Records that wait" {
            div.field {
                label for="interface" { "Interface" }
                select #interface name="interface" {
                    option value="" { "all" }
                    @for site in &sites { option value=(site.name) selected[site.name == chosen] { (site.name) } }
                }
            }
            div.field {
                label for="code" { "Reason" }
                select #code name="code" {
                    option value="" { "every" }
                    @for code in Code::ALL {
                        option value=(code.id()) selected[wanted.code == Some(*code)] { (code.id()) " " (code.text()) }
                    }
                }
            }
            div.field { label for="file" { "File" } input #file name="file" value=(wanted.file); }
            button type="submit" { "Show" }
        }
        @for part in parts { (part) }
    };
    Ok(frame(office, ask, "Message queue", body))
}

fn waiting(engine: &Engine, wanted: &Wanted<'_>) -> Result<Waiting, Refusal> {
    let mut waiting = Waiting::default();
    let Some(ledger) = peek(engine)? else { return Ok(waiting) };
    let mut newest = std::collections::VecDeque::new();
    ledger.each_fault(&mut |row| {
        *waiting.reasons.entry(row.fault.code).or_default() += 1;
        *waiting.files.entry(row.fault.at.extract.to_string()).or_default() += 1;
        let code = wanted.code.is_none_or(|code| row.fault.code == code);
        let file = wanted.file.is_empty() || *row.fault.at.extract == *wanted.file;
        if code && file && row.id < wanted.before {
            waiting.found += 1;
            newest.push_back(row);
            if newest.len() > ROWS {
                newest.pop_front();
            }
        }
        Ok(())
    })?;
    waiting.rows = newest.into_iter().rev().collect();
    Ok(waiting)
}

fn section(
    ask: &Ask,
    name: &str,
    engine: &Engine,
    waiting: &Waiting,
    wanted: &Wanted<'_>,
) -> Markup {
    let zone = &engine.agreement.scope.timezone;
    let all: u64 = waiting.reasons.values().sum();
    html! {
        section.card aria-labelledby={ "queue-" (name) } {
            div.head {
                h2 id={ "queue-" (name) } { (name) }
                span.hint { (engine.owner()) ", " (count(all, "record waits", "records wait")) }
            }
            @if all == 0 {
                p { "Nothing waits for a person here." }
            } @else {
                ul.reasons {
                    @for (code, records) in &waiting.reasons {
                        li {
                            a href={ "/queue?interface=" (name) "&code=" (code.id()) } {
                                strong { (number(*records)) } " " (code.id()) ": " (code.text())
                            }
                            " " (state(code.owner().queue_state()))
                            br; span.hint { "What to do: " (code.hint()) }
                        }
                    }
                }
                @if let Some(code) = wanted.code.filter(|code| waiting.reasons.contains_key(code)) {
                    (close_all(ask, name, code, waiting.reasons[&code]))
                }
                (rows(ask, name, engine, waiting, zone))
                @if waiting.found > waiting.rows.len() as u64 && let Some(last) = waiting.rows.last() {
                    p { a href=(older(name, wanted, last.id)) { "Older" } " "
                        span.hint { "of " (number(waiting.found)) } }
                }
            }
        }
    }
}

fn older(name: &str, wanted: &Wanted<'_>, before: i64) -> String {
    let code = wanted.code.map_or("", Code::id);
    let file = escaped(wanted.file);
    format!("/queue?interface={name}&code={code}&file={file}&before={before}")
}

fn rows(
    ask: &Ask,
    name: &str,
    _engine: &Engine,
    waiting: &Waiting,
    zone: &jiff::tz::TimeZone,
) -> Markup {
    let may = ask.who.as_ref().is_some_and(|who| {
        who.may(Permission::MapMessages) || who.may(Permission::MapInsuranceMessages)
    });
    html! {
        form method="post" action={ "/queue/" (name) "/close" } {
            (hidden(ask))
            div.wide tabindex="0" role="region" aria-label={ "Records of " (name) } { table {
                thead { tr {
                    @if may { th scope="col" { span.unseen { "Choose" } } }
                    th scope="col" { "Nr." } th scope="col" { "Reason" } th scope="col" { "Where" }
                    th scope="col" { "Field" } th scope="col" { "Taken in" } th scope="col" { "Who acts" }
                } }
                tbody { @for row in &waiting.rows { tr {
                    @if may { td { input type="checkbox" name="id" value=(row.id)
                        aria-label={ "record " (row.id) }; } }
                    td.number { a href={ "/queue/" (name) "/record/" (row.id) } { (row.id) } }
                    td { (row.fault.code.id()) " " (row.fault.code.text()) }
                    td { (row.fault.at.extract) ", record " (row.fault.at.record) " (line " (row.fault.at.line) ")" }
                    td { (row.fault.column) @if let Some(field) = row.fault.field { " " code { (field) } } }
                    td { (time(row.at, zone)) @if row.times > 1 { ", " (count(row.times, "row", "rows")) " since " (time(row.since, zone)) } }
                    td { (state(row.fault.code.owner().queue_state())) }
                } } }
            } }
            @if may && !waiting.rows.is_empty() {
                (close_form(name, "Close the chosen records"))
                div.buttons { button type="submit" formaction={ "/queue/" (name) "/resubmit" } { "Resubmit the chosen records" } }
            }
        }
    }
}

fn close_all(ask: &Ask, name: &str, code: Code, records: u64) -> Markup {
    html! {
        @if ask.who.as_ref().is_some_and(|who| who.may(needed(code))) {
            details {
                summary { "Close all " (number(records)) " with " (code.id()) }
                form method="post" action={ "/queue/" (name) "/close" } {
                    (hidden(ask))
                    input type="hidden" name="code" value=(code.id());
                    (close_form(&format!("{name}-all"), &format!("Close all {}", number(records))))
                }
            }
        }
    }
}

fn close_form(name: &str, what: &str) -> Markup {
    let id = format!("why-{name}");
    html! {
        div.row {
            div.field.grow {
                label for=(id) { "Why; kept with your name, so name no patient" }
                input id=(id) name="why" required maxlength="500";
            }
            button.quiet type="submit" { (what) }
        }
    }
}

/// Returns the permission that mending a record with this reason needs.
pub fn needed(code: Code) -> Permission {
    match code.owner().queue_state() {
        QueueState::CboError => Permission::MapInsuranceMessages,
        _ => Permission::MapMessages,
    }
}

/// Closes records: those that were chosen, or all of a reason.
pub fn close(office: &Office, ask: &mut Ask) -> Answer {
    let name = ask.arg("interface").to_string();
    let engine = office.engine(&name)?;
    let why = reason(ask.field("why"))?;
    let sign = office.sign(ask, why);
    let (which, codes) = if ask.field("code").is_empty() {
        let ids = chosen(ask)?;
        let codes = codes(&engine, &ids)?;
        (Selection::of_ids(ids), codes)
    } else {
        let code = Code::of_id(ask.field("code"));
        let code = code.ok_or_else(|| Refusal::Bad("there is no such reason".to_string()))?;
        (Selection { code: Some(code.id().to_string()), ..Selection::default() }, vec![code])
    };
    for code in codes {
        permitted(ask, needed(code))?;
    }
    match engine.ask(&Task::Close(which), &sign, PATIENCE)? {
        Asked::Done(_) => Ok(Reply::go(format!("/queue?interface={name}"))),
        Asked::Left(_) => Ok(left(office, ask, &name)),
    }
}

/// Converts the records that were chosen again.
pub fn resubmit(office: &Office, ask: &mut Ask) -> Answer {
    let name = ask.arg("interface").to_string();
    let engine = office.engine(&name)?;
    let sign = office.sign(ask, reason(ask.field("why"))?);
    let ids = chosen(ask)?;
    for code in codes(&engine, &ids)? {
        permitted(ask, needed(code))?;
    }
    let (which, changed_id) = (Selection::of_ids(ids), ask.field("changed_id") == "yes");
    asked(office, ask, &name, &engine, &Task::Resubmit { which, changed_id }, &sign)
}

fn chosen(ask: &Ask) -> Result<Vec<i64>, Refusal> {
    let mut ids: Vec<i64> = ask.fields("id").filter_map(|id| id.parse().ok()).collect();
    ids.sort_unstable();
    ids.dedup();
    match ids.is_empty() {
        true => Err(Refusal::Bad("choose the records first".to_string())),
        false => Ok(ids),
    }
}

/// Returns the reasons of these records, whose numbers ascend.
fn codes(engine: &Engine, ids: &[i64]) -> Result<Vec<Code>, Refusal> {
    let mut codes = Vec::new();
    if let Some(ledger) = peek(engine)? {
        ledger.each_fault(&mut |row| {
            if ids.binary_search(&row.id).is_ok() {
                codes.push(row.fault.code);
            }
            Ok(())
        })?;
    }
    Ok(codes)
}
