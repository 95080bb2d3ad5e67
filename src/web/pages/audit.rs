//! The trail: what people did and saw, here and in the ledgers.

use maud::html;

use crate::ledger::Ledger;
use crate::web::ask::Ask;
use crate::web::frame::frame;
use crate::web::office::{Office, peek};
use crate::web::parts::time;
use crate::web::reply::Answer;

/// Rows of a page.
const ROWS: u64 = 100;

/// Decisions of each interface that are shown.
const DECISIONS: u64 = 50;

/// Looks at messages of each interface that are shown.
const VIEWS: usize = 50;

/// The page.
pub fn trail(office: &Office, ask: &mut Ask) -> Answer {
    let before = ask.query("before").parse().ok();
    let trail = office.desk()?.trail(before, ROWS)?;
    let zone = office.zone();
    let mut decisions = Vec::new();
    for site in office.sites()? {
        let Ok(engine) = &site.engine else { continue };
        let Some(ledger) = peek(engine)? else { continue };
        let rows = ledger.actions(DECISIONS)?.into_iter();
        decisions.extend(rows.map(|row| (site.name.clone(), row)));
    }
    let mut views = Vec::new();
    for site in office.sites()? {
        let Ok(engine) = &site.engine else { continue };
        let rows = engine.views(VIEWS)?.into_iter();
        views.extend(rows.map(|view| (site.name.clone(), view)));
    }
    views.sort_by_key(|(_, view)| std::cmp::Reverse(view.sign.at));
    decisions.sort_by_key(|(_, row)| std::cmp::Reverse(row.sign.at));
    let body = html! {
        h1 { "Trail" }
        @if trail.whole {
            p.notice.good { "The chain of the rows below is whole: none was changed or taken out." }
        } @else {
            p.notice.bad role="alert" { "The chain of the rows below is broken: somebody changed \
                the users' file outside of hl7drop. Restore it from a backup and look who has access." }
        }
        section.card {
            h2 { "What was decided about messages and batch files" }
            @if decisions.is_empty() { p { "Nothing yet." } } @else {
                div.wide tabindex="0" role="region" aria-label="Decisions" { table {
                    thead { tr { th scope="col" { "When" } th scope="col" { "Interface" } th scope="col" { "Who" }
                        th scope="col" { "What" } th scope="col" { "Why" } } }
                    tbody { @for (name, row) in &decisions { tr {
                        td { (time(row.sign.at, &zone)) } td { (name) } td { (row.sign.by) }
                        td { (row.verb) " " (row.about) } td { (row.sign.why) }
                    } } }
                } }
            }
        }
        section.card {
            h2 { "Who looked at messages, here and in the shell" }
            @if views.is_empty() { p { "Nobody yet." } } @else {
                div.wide tabindex="0" role="region" aria-label="Looks" { table {
                    thead { tr { th scope="col" { "When" } th scope="col" { "Interface" } th scope="col" { "Who" }
                        th scope="col" { "Message" } th scope="col" { "How" } } }
                    tbody { @for (name, view) in &views { tr {
                        td { (time(view.sign.at, &zone)) } td { (name) } td { (view.sign.by) }
                        td { (view.what) } td { (view.sign.why) }
                    } } }
                } }
            }
        }
        section.card {
            h2 { "What people did and saw on this page" }
            div.wide tabindex="0" role="region" aria-label="Deeds" { table {
                thead { tr { th scope="col" { "Nr." } th scope="col" { "When" } th scope="col" { "Who" }
                    th scope="col" { "From" } th scope="col" { "What" } } }
                tbody { @for deed in &trail.deeds { tr {
                    td.number { (deed.id) } td { (time(deed.by.at, &zone)) } td { (deed.by.name) }
                    td { @if deed.by.address.is_empty() { "shell" } @else { (deed.by.address) } }
                    td { (deed.verb) " " (deed.about) }
                } } }
            } }
            @if let Some(last) = trail.deeds.last().filter(|deed| deed.id > 1) {
                p { a href={ "/trail?before=" (last.id) } { "Older" } }
            }
        }
    };
    Ok(frame(office, ask, "Trail", body))
}
