//! The trail: what people did and saw, here and in the ledgers.

use jiff::tz::TimeZone;
use maud::{Markup, html};

use crate::ledger::{Ledger, Sign};
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
    let (mut decisions, mut views) = (Vec::new(), Vec::new());
    for site in office.sites()? {
        let Ok(engine) = &site.engine else { continue };
        let seen = engine.views(VIEWS)?.into_iter();
        views.extend(seen.map(|view| Signed::new(&site.name, view.what, view.sign)));
        let Some(ledger) = peek(engine)? else { continue };
        let rows = ledger.actions(DECISIONS)?.into_iter();
        decisions.extend(
            rows.map(|row| {
                Signed::new(&site.name, format!("{} {}", row.verb, row.about), row.sign)
            }),
        );
    }
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
            @if decisions.is_empty() { p { "Nothing yet." } }
            @else { (signed("Decisions", ["What", "Why"], decisions, &zone)) }
        }
        section.card {
            h2 { "Who looked at messages, here and in the shell" }
            @if views.is_empty() { p { "Nobody yet." } }
            @else { (signed("Looks", ["Message", "How"], views, &zone)) }
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

/// Something that somebody did or saw.
struct Signed {
    interface: String,
    what: String,
    sign: Sign,
}

impl Signed {
    fn new(interface: &str, what: String, sign: Sign) -> Signed {
        Signed { interface: interface.to_string(), what, sign }
    }
}

/// Lists them, newest first, with what they say and why or how.
fn signed(label: &str, heads: [&str; 2], mut rows: Vec<Signed>, zone: &TimeZone) -> Markup {
    rows.sort_by_key(|row| std::cmp::Reverse(row.sign.at));
    html! {
        div.wide tabindex="0" role="region" aria-label=(label) { table {
            thead { tr { th scope="col" { "When" } th scope="col" { "Interface" } th scope="col" { "Who" }
                @for head in heads { th scope="col" { (head) } } } }
            tbody { @for row in &rows { tr {
                td { (time(row.sign.at, zone)) } td { (row.interface) } td { (row.sign.by) }
                td { (row.what) } td { (row.sign.why) }
            } } }
        } }
    }
}
