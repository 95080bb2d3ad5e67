//! Errors by their cause: "212 records: department ENDO2 unknown". One maps the value
//! once, sees what would change, converts the records again and watches them leave.

use std::time::Duration;

use maud::{Markup, html};

use super::queue::needed;
use crate::domain::{Code, Counts, Mapped, Permission, wrong_value};
use crate::engine::mend::{Example, Group, Preview};
use crate::engine::{Asked, Engine, Mended, Selection, Task};
use crate::ledger::{MapRow, Maps, Put, Sign};
use crate::web::ask::Ask;
use crate::web::frame::{frame, hidden};
use crate::web::office::Office;
use crate::web::parts::{count, escaped, number, reason, state, time};
use crate::web::refusal::Refusal;
use crate::web::reply::{Answer, Reply};

/// How long a person waits for a run that is at work, before it carries the task out.
pub const PATIENCE: Duration = Duration::from_secs(2);

/// Records of a preview that are shown one by one.
const SHOWN: usize = 10;

/// The page of all.
pub fn list(office: &Office, ask: &mut Ask) -> Answer {
    let mut parts = Vec::new();
    for site in office.sites()? {
        let Ok(engine) = &site.engine else { continue };
        parts.push(section(&site.name, engine, &engine.groups()?));
    }
    let body = html! {
        h1 { "Errors by cause" }
        p { a href="/mappings" { "All mappings" } }
        div #groups data-live { @for part in parts { (part) } }
    };
    Ok(frame(office, ask, "Errors by cause", body))
}

fn section(name: &str, engine: &Engine, groups: &[Group]) -> Markup {
    let zone = &engine.agreement.scope.timezone;
    html! {
        section.card {
            div.head { h2 { (name) } span.hint { (engine.owner()) } }
            @if groups.is_empty() { p { "Nothing waits for a person here." } } @else {
                div.wide tabindex="0" role="region" aria-label={ "Groups of " (name) } { table {
                    thead { tr { th.number scope="col" { "Records" } th scope="col" { "Cause" }
                        th scope="col" { "Who acts" } th scope="col" { "Since" } th scope="col" { "Mend" } } }
                    tbody { @for group in groups { tr {
                        td.number { strong { (number(group.records)) } }
                        td { (cause(group)) br; span.hint { (group.code.id()) ": " (group.code.text()) } }
                        td { (state(group.code.owner().queue_state())) }
                        td { (time(group.since, zone)) }
                        td { a href=(address(name, group)) {
                            @if group.kind.is_some() { "Map and resubmit" } @else { "Look and resubmit" }
                            span.unseen { " " (cause_text(group)) }
                        } }
                    } } }
                } }
            }
        }
    }
}

fn cause(group: &Group) -> Markup {
    html! {
        @if group.column.is_empty() { "whole rows" } @else { (group.column) }
        @if let Some(value) = &group.value { " " code { @if value.is_empty() { "(empty)" } @else { (value) } } }
        @if let Some(field) = group.field { " " span.hint { (field) } }
    }
}

fn cause_text(group: &Group) -> String {
    let value = group.value.as_deref().unwrap_or_default();
    format!("{} {} {value}", group.code.id(), group.column)
}

fn address(name: &str, group: &Group) -> String {
    let value = group.value.as_ref().map(|value| format!("&value={}", escaped(value)));
    let (code, column) = (group.code.id(), escaped(&group.column));
    format!("/groups/{name}?code={code}&column={column}{}", value.unwrap_or_default())
}

/// Finds the group that is meant: by what names it, in the query or the form.
fn found(engine: &Engine, of: &dyn Fn(&str) -> Option<String>) -> Result<Group, Refusal> {
    let code = of("code").and_then(|code| Code::of_id(&code));
    let (column, value) = (of("column").unwrap_or_default(), of("value"));
    let mut groups = engine.groups()?.into_iter();
    let same =
        |group: &Group| Some(group.code) == code && group.column == column && group.value == value;
    groups.find(same).ok_or_else(|| {
        let text = "no record waits for that cause any more: it was mended or closed";
        Refusal::Nothing(text.to_string())
    })
}

fn in_pairs(pairs: &[(String, String)], name: &str) -> Option<String> {
    pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone())
}

fn selection(group: &Group) -> Selection {
    Selection {
        code: Some(group.code.id().to_string()),
        column: Some(group.column.clone()),
        value: group.value.clone(),
        ..Selection::default()
    }
}

/// The page of one group: the mapping, and what would come of it.
pub fn show(office: &Office, ask: &mut Ask) -> Answer {
    let name = ask.arg("interface").to_string();
    let engine = office.engine(&name)?;
    let group = found(&engine, &|key| in_pairs(&ask.query, key))?;
    let becomes = ask.query("becomes").to_string();
    let mapping = match (group.kind, &group.value) {
        (Some(kind), Some(value)) if !becomes.is_empty() => {
            checked(&becomes)?;
            let (interface, sign) = (Some(name.clone()), office.sign(ask, "preview"));
            Some(MapRow { interface, kind, value: value.clone(), becomes: becomes.clone(), sign })
        }
        _ => None,
    };
    let mappings: Vec<MapRow> = mapping.into_iter().collect();
    let looked = group.kind.is_none() || !mappings.is_empty();
    let preview =
        looked.then(|| engine.preview(&selection(&group), false, &mappings, SHOWN)).transpose()?;
    let others = others(&engine, &group, &mappings)?;
    let may = ask.who.as_ref().is_some_and(|who| who.may(needed(group.code)));
    let body = html! {
        p { a href="/groups" { "Errors by cause" } }
        h1 { (count(group.records, "record", "records")) ": " (cause(&group)) }
        p.notice.wait { strong { (group.code.id()) ": " (group.code.text()) ". " } "What to do: " (group.code.hint()) "." }
        @if let Some(kind) = group.kind { (map_form(&name, &group, kind, &becomes)) }
        @if let Some(preview) = &preview {
            (previewed(&name, preview))
            @for (other, records) in &others { p.notice { (other_group(&name, other, records, &becomes)) } }
            @if may { (do_form(ask, &name, &group, &becomes)) }
            @else { p.notice { "You may look. To do it needs the permission " (needed(group.code)) "." } }
        }
    };
    Ok(frame(office, ask, "Mend a group", body))
}

fn map_form(name: &str, group: &Group, kind: Mapped, becomes: &str) -> Markup {
    html! {
        section.card {
            h2 { "Map the value" }
            form.row method="get" action={ "/groups/" (name) } {
                input type="hidden" name="code" value=(group.code.id());
                input type="hidden" name="column" value=(group.column);
                input type="hidden" name="value" value=[group.value.as_deref()];
                div.field.grow {
                    label for="becomes" { "The " (kind.word()) " that is meant by " (group.value.as_deref().unwrap_or_default()) }
                    input #becomes name="becomes" value=(becomes) required maxlength="200" autocomplete="off";
                }
                button type="submit" { "See what would change" }
            }
        }
    }
}

/// Looks at the other groups that the mapping would mend, those of another column.
fn others(
    engine: &Engine,
    group: &Group,
    mappings: &[MapRow],
) -> Result<Vec<(Group, Counts)>, Refusal> {
    let Some(row) = mappings.first() else { return Ok(Vec::new()) };
    let others = engine.groups_of(row.kind, &row.value)?.into_iter();
    let others = others.filter(|other| (other.code, &other.column) != (group.code, &group.column));
    others
        .map(|other| {
            let counts = engine.preview(&selection(&other), false, mappings, 0)?.counts;
            Ok((other, counts))
        })
        .collect()
}

fn other_group(name: &str, other: &Group, counts: &Counts, becomes: &str) -> Markup {
    html! {
        "The mapping holds for " a href={ (address(name, other)) "&becomes=" (escaped(becomes)) } {
            (cause(other)) } " too: " (number(counts.sent)) " would go out, "
        (number(counts.error)) " would wait again. They are resubmitted on their own page."
    }
}

/// What waits now and what would be sent; the row itself has patient data, and its page
/// takes down who looked at it.
fn example(name: &str, example: &Example) -> Markup {
    let Example { id, code, column, value, fields } = example;
    html! {
        h3 { "For example " a href={ "/queue/" (name) "/record/" (id) } { "record " (id) } }
        dl.pairs {
            dt { "Now" } dd { (column) " " code { @if value.is_empty() { "(empty)" } @else { (value) } } ": waits (" (code) ")" }
            @for (field, value) in fields { dt { "Then" } dd { code { (field) " " (value) } } }
        }
    }
}

fn previewed(name: &str, preview: &Preview) -> Markup {
    let counts = &preview.counts;
    html! {
        section.card aria-live="polite" {
            h2 { "What would change" }
            dl.figures {
                div { dt { "Would go out" } dd { (number(counts.sent)) } }
                div { dt { "Would wait again" } dd { (number(counts.error)) } }
                div { dt { "Have nothing to tell" } dd { (number(counts.filtered + counts.duplicate)) } }
            }
            @for reason in preview.reasons() {
                p.notice.wait { (count(reason.records, "record", "records")) " would wait again: "
                    (reason.code.id()) " " (reason.column) ": " (reason.code.text()) }
            }
            @for (why, records) in &preview.skipped { p.notice.wait { (count(*records, "record", "records")) ": " (why) } }
            @if let Some(one) = &preview.example { (example(name, one)) }
            @if !preview.rows.is_empty() {
                div.wide tabindex="0" role="region" aria-label="The first records" { table {
                    thead { tr { th scope="col" { "Nr." } th scope="col" { "Where" } th scope="col" { "It would be" } } }
                    tbody { @for row in &preview.rows { tr {
                        td.number { a href={ "/queue/" (name) "/record/" (row.id) } { (row.id) } }
                        td { (row.at.extract) ", record " (row.at.record) }
                        td { @match &row.then {
                            Err(why) => { "nothing: " (why) },
                            Ok(events) => { @for (event, fields) in events {
                                strong { (event.telling().message) " " (event.telling().trigger) } " "
                                @for (field, value) in fields { code { (field) " " (value) } " " }
                                br;
                            } },
                        } }
                    } } }
                } }
                p.hint { "The first " (preview.rows.len()) ". Nothing is changed yet." }
            }
        }
    }
}

fn do_form(ask: &Ask, name: &str, group: &Group, becomes: &str) -> Markup {
    let maps = group.kind.is_some();
    html! {
        section.card {
            h2 { @if maps { "Map it and resubmit" } @else { "Resubmit" } }
            form method="post" action={ "/groups/" (name) } {
                (hidden(ask))
                input type="hidden" name="code" value=(group.code.id());
                input type="hidden" name="column" value=(group.column);
                @if let Some(value) = &group.value { input type="hidden" name="value" value=(value); }
                @if maps {
                    input type="hidden" name="becomes" value=(becomes);
                    fieldset {
                        legend { "Holds for" }
                        label.check { input type="radio" name="whose" value="one" checked; (name) }
                        label.check { input type="radio" name="whose" value="all"; "all interfaces" }
                    }
                }
                label for="why" { "Why; kept with your name, so name no patient" }
                input #why.full name="why" required maxlength="500";
                div.buttons {
                    button type="submit" name="then" value="resubmit" {
                        @if maps { "Map and resubmit " } @else { "Resubmit " } (count(group.records, "record", "records"))
                    }
                    @if maps { button.quiet type="submit" name="then" value="map" { "Map only" } }
                }
            }
        }
    }
}

/// Maps the value, if the group has one, and converts its records again.
pub fn mend(office: &Office, ask: &mut Ask) -> Answer {
    let name = ask.arg("interface").to_string();
    let engine = office.engine(&name)?;
    let why = reason(ask.field("why"))?.to_string();
    let group = found(&engine, &|key| in_pairs(&ask.form, key))?;
    permitted(ask, needed(group.code))?;
    let sign = office.sign(ask, &why);
    if let (Some(kind), Some(value)) = (group.kind, &group.value) {
        let becomes = ask.field("becomes").trim().to_string();
        checked(&becomes)?;
        let interface = (ask.field("whose") != "all").then(|| name.clone());
        let row = MapRow { interface, kind, value: value.clone(), becomes, sign: sign.clone() };
        put(&engine, &[row])?;
    }
    if ask.field("then") == "map" {
        return Ok(Reply::go("/mappings"));
    }
    asked(
        office,
        ask,
        &name,
        &engine,
        &Task::Resubmit { which: selection(&group), changed_id: false },
        &sign,
    )
}

/// Puts mappings in; the second to map a value is told who was first.
pub fn put(engine: &Engine, rows: &[MapRow]) -> Result<(), Refusal> {
    match Maps::open(&engine.maps)?.put(rows, false)? {
        Put::Done(_) => Ok(()),
        Put::Taken(first) => Err(Refusal::Now(format!(
            "{} {} is mapped to {} already, by {} ({}); nothing was changed. If yours is right, \
             remove theirs on the page Mappings first, and tell them",
            first.kind.word(),
            first.value,
            first.becomes,
            first.sign.by,
            first.sign.why
        ))),
    }
}

fn checked(becomes: &str) -> Result<(), Refusal> {
    match wrong_value(becomes) {
        Some(wrong) => Err(Refusal::Bad(format!("the value that is meant {wrong}"))),
        None => Ok(()),
    }
}

/// Refuses who has not this permission.
pub fn permitted(ask: &Ask, needed: Permission) -> Result<(), Refusal> {
    if ask.who.as_ref().is_some_and(|who| who.may(needed)) {
        return Ok(());
    }
    Err(match needed {
        Permission::MapInsuranceMessages => Refusal::May(&[Permission::MapInsuranceMessages]),
        _ => Refusal::May(&[Permission::MapMessages]),
    })
}

/// Asks the engine, and shows what came of it.
pub fn asked(
    office: &Office,
    ask: &Ask,
    name: &str,
    engine: &Engine,
    task: &Task,
    sign: &Sign,
) -> Answer {
    match engine.ask(task, sign, PATIENCE)? {
        Asked::Done(mended) => Ok(ended(office, ask, "Done", &done(name, &mended))),
        Asked::Left(_) => Ok(left(office, ask, name)),
    }
}

/// Says that a run which is at work was asked.
pub fn left(office: &Office, ask: &Ask, name: &str) -> Reply {
    let body = html! {
        h1 { "Asked for" }
        p.notice role="status" { "A run is at work on " (name) "; it carries this out as soon as it can. \
            The trail shows when it is done." }
    };
    ended(office, ask, "Asked for", &body)
}

fn ended(office: &Office, ask: &Ask, title: &str, body: &Markup) -> Reply {
    let body = html! {
        (body)
        div.buttons { a.button href="/groups" { "Errors by cause" } a.button.quiet href="/batches" { "Batch files" } }
    };
    frame(office, ask, title, body)
}

fn done(name: &str, mended: &Mended) -> Markup {
    html! {
        h1 { "Done" }
        p.notice.good role="status" {
            (mended.verb) " " (mended.about)
            @if mended.records > 0 { ": " (number(mended.records)) }
        }
        section.card {
            @if let Some(counts) = &mended.counts {
                dl.figures {
                    div { dt { "Went into a batch file" } dd { (number(counts.sent)) } }
                    div { dt { "Wait again" } dd { (number(counts.error)) } }
                    div { dt { "Have nothing to tell" } dd { (number(counts.filtered + counts.duplicate)) } }
                }
            }
            @for (why, records) in &mended.skipped { p.notice.wait { (count(*records, "record", "records")) ": " (why) } }
            @if let Some(note) = &mended.note { p { (note) } }
            @if let Some(batch) = &mended.batch {
                p { a href={ "/batches/" (name) "/" (batch) } { "Watch " (batch) " leave" }
                    span.hint { " The next run delivers it; if hl7drop watch runs, that is at once." } }
            }
        }
    }
}
