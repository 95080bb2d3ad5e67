//! A record that waits: its reason, what to do, and the row as it was dropped. It shows
//! patient data, so who saw it is in the trail.

use maud::{Markup, html};

use crate::domain::Code;
use crate::ledger::{ExtractRow, FaultRow, Ledger, LedgerError};
use crate::web::ask::Ask;
use crate::web::frame::{frame, hidden};
use crate::web::office::{Office, peek};
use crate::web::pages::queue::needed;
use crate::web::parts::{state, time};
use crate::web::refusal::Refusal;
use crate::web::reply::Answer;

/// The page.
pub fn show(office: &Office, ask: &mut Ask) -> Answer {
    let name = ask.arg("interface").to_string();
    let engine = office.engine(&name)?;
    let nothing = || {
        let text = format!("no such record waits in {name}: it was mended or closed meanwhile");
        Refusal::Nothing(text)
    };
    let id: i64 = ask.arg("id").parse().map_err(|_| nothing())?;
    let ledger = peek(&engine)?.ok_or_else(nothing)?;
    let row = find(&ledger, id)?.ok_or_else(nothing)?;
    let extract = ledger.extract_row(row.extract)?;
    office.desk()?.note(&ask.by(), "view", &format!("{name}: record {id} of the queue"))?;
    let zone = &engine.agreement.scope.timezone;
    let code = row.fault.code;
    let body = html! {
        p { a href={ "/queue?interface=" (name) } { "Message queue of " (name) } }
        h1 { "Record " (id) " " (state(code.owner().queue_state())) }
        section.card {
            h2 { (code.id()) ": " (code.text()) }
            p.notice.wait { strong { "What to do: " } (code.hint()) }
            dl.pairs {
                dt { "File" } dd { (row.fault.at.extract) ", record " (row.fault.at.record) ", line " (row.fault.at.line) }
                @if !row.fault.column.is_empty() { dt { "Column" } dd { code { (row.fault.column) } } }
                @if let Some(field) = row.fault.field { dt { "HL7 field" } dd { code { (field) } } }
                dt { "Taken in" } dd { (time(row.at, zone)) }
                @if row.times > 1 {
                    dt { "At fault" } dd { "in " (row.times) " rows one after the other, since " (time(row.since, zone)) }
                }
                @if let Some(extract) = &extract {
                    dt { "SHA-256 of the file" } dd { code { (extract.extract.digest) } }
                }
            }
        }
        @if code == Code::X002 && ask.who.as_ref().is_some_and(|who| who.may(needed(code))) {
            section.card {
                h2 { "Send it with the new external ID" }
                form method="post" action={ "/queue/" (name) "/resubmit" } {
                    (hidden(ask))
                    input type="hidden" name="id" value=(id);
                    input type="hidden" name="changed_id" value="yes";
                    label for="why" { "Why; kept with your name, so name no patient" }
                    input #why.full name="why" required maxlength="500";
                    div.buttons { button type="submit" { "The new ID is right: send it" } }
                }
            }
        }
        section.card {
            h2 { "The row as it was dropped" }
            (source(&row, extract.as_ref()))
        }
    };
    Ok(frame(office, ask, &format!("Record {id}"), body))
}

fn find(ledger: &dyn Ledger, id: i64) -> Result<Option<FaultRow>, LedgerError> {
    let mut found = None;
    ledger.each_fault(&mut |row| {
        if row.id == id {
            found = Some(row);
        }
        Ok(())
    })?;
    Ok(found)
}

/// A table of columns and values where the row has as many as the header; its text in any
/// case.
fn source(row: &FaultRow, extract: Option<&ExtractRow>) -> Markup {
    let pairs = extract.and_then(|extract| pairs(&extract.extract.header, &row.source));
    html! {
        @if let Some(pairs) = pairs {
            div.wide tabindex="0" role="region" aria-label="Columns and values" { table {
                thead { tr { th scope="col" { "Column" } th scope="col" { "Value" } } }
                tbody { @for (column, value) in pairs.iter().filter(|(_, value)| !value.is_empty()) {
                    @let wrong = column.eq_ignore_ascii_case(&row.fault.column);
                    tr.wrong[wrong] { th scope="row" { (column) } td { (value) } }
                } }
            } }
            p.hint { (pairs.iter().filter(|(_, value)| value.is_empty()).count()) " columns are empty." }
        }
        details open[extract.is_none()] {
            summary { "Its text" }
            pre #source { (row.source) }
            button.quiet data-copy="source" hidden type="button" { "Copy" }
        }
    }
}

/// Returns columns and values, for whatever delimiter makes them as many of each.
fn pairs(header: &str, source: &str) -> Option<Vec<(String, String)>> {
    let cells = |text: &str, delimiter| {
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .delimiter(delimiter)
            .from_reader(text.as_bytes());
        let record = reader.records().next()?.ok()?;
        Some(record.iter().map(str::to_string).collect::<Vec<String>>())
    };
    b",\t|;".iter().find_map(|&delimiter| {
        let (names, values) = (cells(header, delimiter)?, cells(source, delimiter)?);
        let fits = names.len() > 1 && names.len() == values.len();
        fits.then(|| names.into_iter().zip(values).collect())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_stands_beside_its_header_whatever_parts_them() {
        let found = pairs("a|b\n", "1|\"x|y\"\n").unwrap();
        assert_eq!(found[1], ("b".to_string(), "x|y".to_string()));
        assert_eq!(pairs("a,b", "1,2,3"), None);
        assert_eq!(pairs("", "{\"a\": 1}"), None);
    }
}
