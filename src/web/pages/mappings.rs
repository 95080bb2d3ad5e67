//! The mappings that people keep: value in, value out, note, who, when; as CSV in and out.

use maud::{Markup, html};

use super::groups::{permitted, put};
use crate::domain::{Mapped, Permission, wrong_value};
use crate::engine::Engine;
use crate::engine::mend::{maps_to_csv, read_maps_csv};
use crate::ledger::{MapRow, Maps};
use crate::web::ask::Ask;
use crate::web::frame::{frame, hidden};
use crate::web::office::Office;
use crate::web::parts::{reason, time};
use crate::web::refusal::Refusal;
use crate::web::reply::{Answer, Reply};

/// Returns the permission that a mapping of this kind needs.
fn needs(kind: Mapped) -> Permission {
    match kind {
        Mapped::Insurance => Permission::MapInsuranceMessages,
        _ => Permission::MapMessages,
    }
}

fn rows(office: &Office) -> Result<Vec<MapRow>, Refusal> {
    match Maps::peek(&office.maps())? {
        Some(maps) => Ok(maps.rows()?),
        None => Ok(Vec::new()),
    }
}

/// The page.
pub fn list(office: &Office, ask: &mut Ask) -> Answer {
    let rows = rows(office)?;
    let names: Vec<String> = office.sites()?.into_iter().map(|site| site.name).collect();
    let may = ask.who.as_ref().is_some_and(|who| {
        who.may(Permission::MapMessages) || who.may(Permission::MapInsuranceMessages)
    });
    let body = html! {
        p { a href="/groups" { "Errors by cause" } }
        h1 { "Mappings" }
        section.card {
            h2 { "What is mapped" }
            @if rows.is_empty() { p { "Nothing yet." } } @else { (table(office, ask, &rows)) }
            p { a href="/mappings/export" { "Export as CSV" } }
        }
        @if may { (forms(ask, &names)) }
    };
    Ok(frame(office, ask, "Mappings", body))
}

fn table(office: &Office, ask: &Ask, rows: &[MapRow]) -> Markup {
    let zone = office.zone();
    let may = |kind| ask.who.as_ref().is_some_and(|who| who.may(needs(kind)));
    html! {
        div.wide tabindex="0" role="region" aria-label="Mappings" { table {
            thead { tr { th scope="col" { "For" } th scope="col" { "Kind" } th scope="col" { "Value" }
                th scope="col" { "Is meant" } th scope="col" { "Why" } th scope="col" { "Who, when" }
                th scope="col" { span.unseen { "Remove" } } } }
            tbody { @for row in rows { tr {
                td { (row.interface.as_deref().unwrap_or("all")) } td { (row.kind.word()) }
                td { code { (row.value) } } td { code { (row.becomes) } }
                td { (row.sign.why) } td { (row.sign.by) br; (time(row.sign.at, &zone)) }
                td { @if may(row.kind) { (remove_form(ask, row)) } }
            } } }
        } }
    }
}

fn remove_form(ask: &Ask, row: &MapRow) -> Markup {
    html! {
        details {
            summary { "Remove" span.unseen { " " (row.kind.word()) " " (row.value) } }
            form method="post" action="/mappings/remove" {
                (hidden(ask))
                input type="hidden" name="interface" value=[row.interface.as_deref()];
                input type="hidden" name="kind" value=(row.kind.word());
                input type="hidden" name="value" value=(row.value);
                input.full name="why" required maxlength="500" placeholder="why"
                    aria-label={ "Why " (row.kind.word()) " " (row.value) " is mapped no more" };
                button.danger type="submit" { "Remove" }
            }
        }
    }
}

fn whose(names: &[String], id: &str) -> Markup {
    html! {
        div.field {
            label for=(id) { "For" }
            select id=(id) name="interface" {
                option value="" { "all interfaces" }
                @for name in names { option value=(name) { (name) } }
            }
        }
    }
}

fn forms(ask: &Ask, names: &[String]) -> Markup {
    html! {
        section.card {
            h2 { "A new mapping" }
            form.row method="post" action="/mappings/add" {
                (hidden(ask))
                (whose(names, "for-one"))
                div.field { label for="kind" { "Kind" } select #kind name="kind" {
                    @for kind in Mapped::ALL { option value=(kind.word()) { (kind.word()) } }
                } }
                div.field { label for="value" { "Value" } input #value name="value" required maxlength="200"; }
                div.field { label for="becomes" { "Is meant" } input #becomes name="becomes" required maxlength="200"; }
                div.field.grow { label for="why" { "Why" } input #why name="why" required maxlength="500"; }
                button type="submit" { "Map it" }
            }
            p.hint { "It counts from the next conversion on. Records that wait for it: Errors by cause." }
        }
        section.card {
            h2 { "Many at once" }
            form method="post" action="/mappings/import" {
                (hidden(ask))
                label for="csv" { "CSV with the columns kind, value, becomes, and interface if they are not for all" }
                textarea #csv.full name="csv" rows="6" required spellcheck="false" {}
                div.row {
                    div.field.grow { label for="why-many" { "Why" } input #why-many name="why" required maxlength="500"; }
                    button type="submit" { "Import" }
                }
            }
        }
    }
}

/// Returns the interface that a form names, if it names one; it must be there.
fn interface(office: &Office, ask: &Ask) -> Result<Option<String>, Refusal> {
    let name = ask.field("interface");
    if name.is_empty() {
        return Ok(None);
    }
    office.engine(name)?;
    Ok(Some(name.to_string()))
}

fn kind(ask: &Ask) -> Result<Mapped, Refusal> {
    let kind = Mapped::of_word(ask.field("kind"));
    let kind = kind.ok_or_else(|| Refusal::Bad("there is no such kind of mapping".to_string()))?;
    permitted(ask, needs(kind))?;
    Ok(kind)
}

/// Any interface: mappings are in one file.
fn some_engine(office: &Office) -> Result<std::sync::Arc<Engine>, Refusal> {
    let mut sites = office.sites()?.into_iter();
    let engine = sites.find_map(|site| site.engine.ok());
    engine.ok_or_else(|| Refusal::Now("there is no interface yet".to_string()))
}

/// Puts one in.
pub fn add(office: &Office, ask: &mut Ask) -> Answer {
    let kind = kind(ask)?;
    let (value, becomes) = (ask.field("value").trim(), ask.field("becomes").trim());
    for (which, value) in [("the value", value), ("what is meant", becomes)] {
        if let Some(wrong) = wrong_value(value) {
            return Err(Refusal::Bad(format!("{which} {wrong}")));
        }
    }
    let sign = office.sign(ask, reason(ask.field("why"))?);
    let (value, becomes) = (value.to_string(), becomes.to_string());
    let row = MapRow { interface: interface(office, ask)?, kind, value, becomes, sign };
    put(&*some_engine(office)?, &[row])?;
    Ok(Reply::go("/mappings"))
}

/// Takes one out.
pub fn remove(office: &Office, ask: &mut Ask) -> Answer {
    let kind = kind(ask)?;
    let sign = office.sign(ask, reason(ask.field("why"))?);
    let whose = Some(ask.field("interface")).filter(|name| !name.is_empty());
    let mut maps = Maps::open(&office.maps())?;
    match maps.remove(whose, kind, ask.field("value"), &sign)? {
        Some(_) => Ok(Reply::go("/mappings")),
        None => Err(Refusal::Nothing("it is not mapped any more".to_string())),
    }
}

/// All of them as CSV.
pub fn export(office: &Office, _: &mut Ask) -> Answer {
    let text = maps_to_csv(&rows(office)?)?;
    Ok(Reply::download("mappings.csv", text.into_bytes()))
}

/// Puts many in, all or none.
pub fn import(office: &Office, ask: &mut Ask) -> Answer {
    let sign = office.sign(ask, reason(ask.field("why"))?);
    let rows = read_maps_csv(ask.field("csv").as_bytes(), None, &sign)?;
    for row in &rows {
        permitted(ask, needs(row.kind))?;
        if let Some(name) = &row.interface {
            office.engine(name)?;
        }
    }
    put(&*some_engine(office)?, &rows)?;
    Ok(Reply::go("/mappings"))
}
