//! Messages of a batch file: a page of them, one of them whole. They are patient data, so
//! who saw them is in the trail.

use std::fs;
use std::path::PathBuf;

use maud::{Markup, html};

use crate::digest::Digest;
use crate::engine::Engine;
use crate::hl7::read::{BatchFile, Message};
use crate::ledger::BatchRow;
use crate::spool::Spool;
use crate::web::ask::Ask;
use crate::web::frame::frame;
use crate::web::office::Office;
use crate::web::pages::batches::found;
use crate::web::parts::number;
use crate::web::refusal::Refusal;
use crate::web::reply::{Answer, Reply};

/// Messages of a page.
const ROWS: usize = 50;

/// A message in a list.
pub struct Line {
    /// Its place in the file, from 0.
    at: usize,
    control: String,
    kind: String,
    patient: String,
    name: String,
}

/// What a batch file holds, or why it cannot be read.
pub enum Listed {
    /// So many of its messages.
    Lines(Vec<Line>),
    /// The file is not where it should be, or not what it was.
    Gone(String),
}

/// Reads a page of messages of a batch file.
pub fn of_batch(engine: &Engine, batch: &BatchRow, from: usize) -> Result<Listed, Refusal> {
    let bytes = match bytes_of(engine, batch) {
        Ok(bytes) => bytes,
        Err(Refusal::Now(text)) => return Ok(Listed::Gone(text)),
        Err(other) => return Err(other),
    };
    let file = read(&bytes)?;
    let messages = all(&file).enumerate().skip(from).take(ROWS);
    Ok(Listed::Lines(messages.map(|(at, message)| line(at, &message)).collect()))
}

fn read(bytes: &[u8]) -> Result<BatchFile<'_>, Refusal> {
    BatchFile::read(bytes).map_err(|err| Refusal::Trouble(format!("the batch file: {err}")))
}

fn all<'a>(file: &'a BatchFile<'a>) -> impl Iterator<Item = Message<'a>> {
    file.batches.iter().flat_map(|batch| batch.messages.iter().cloned())
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8_lossy(&bytes).into_owned()
}

fn line(at: usize, message: &Message<'_>) -> Line {
    let of = |segment: &str, field, component| {
        message
            .segment(segment)
            .map_or_else(String::new, |one| text(one.component(field, component)))
    };
    let name = [of("PID", 5, 1), of("PID", 5, 2)].join(", ");
    Line {
        at,
        control: text(message.control_id().to_vec()),
        kind: format!("{} {}", of("MSH", 9, 1), of("MSH", 9, 2)),
        patient: of("PID", 3, 1),
        name,
    }
}

/// Finds the file of a batch, and holds it to its digest.
fn bytes_of(engine: &Engine, batch: &BatchRow) -> Result<Vec<u8>, Refusal> {
    let spool = &engine.spool;
    let mut places: Vec<PathBuf> = vec![spool.outbox.join(&batch.name)];
    if spool.sent.is_dir() {
        let named = |path: &PathBuf| path.file_name().is_some_and(|name| *name == *batch.name);
        places.extend(Spool::list_shelf(&spool.sent)?.into_iter().filter(named));
    }
    let Some(path) = places.into_iter().find(|path| path.is_file()) else {
        return Err(Refusal::Now(format!(
            "the file of batch {} is neither in outbox/ nor in sent/: it was removed by hand, or \
             aged out. The ledger still knows what it was; a backup has its text",
            batch.name
        )));
    };
    let bytes = fs::read(&path)
        .map_err(|err| Refusal::Trouble(format!("cannot read {}: {err}", path.display())))?;
    if Digest::of(&bytes) != batch.digest {
        return Err(Refusal::Now(format!(
            "the file of batch {} is not what was promised: its SHA-256 is another one. It is not \
             shown; restore it from a backup",
            batch.name
        )));
    }
    Ok(bytes)
}

/// Returns the messages as a table.
pub fn table(name: &str, batch: &BatchRow, listed: &Listed, from: usize) -> Markup {
    let here = format!("/batches/{name}/{}", batch.name);
    html! {
        section.card {
            h2 { "Messages" }
            @match listed {
                Listed::Gone(text) => p.notice.bad role="alert" { (crate::web::refusal::sentence(text)) },
                Listed::Lines(lines) => {
                    div.wide tabindex="0" role="region" aria-label="Messages" { table {
                        thead { tr { th scope="col" { "MSH-10" } th scope="col" { "Message" }
                            th scope="col" { "Patient ID" } th scope="col" { "Name" } } }
                        tbody { @for line in lines { tr {
                            td { a href={ (here) "/" (line.at) } { (line.control) } }
                            td { (line.kind) } td { (line.patient) } td { (line.name) }
                        } } }
                    } }
                    div.buttons {
                        @if from > 0 { a.button.quiet href={ (here) "?from=" (from.saturating_sub(ROWS)) } { "Before" } }
                        @if from + lines.len() < batch.messages as usize {
                            a.button.quiet href={ (here) "?from=" (from + ROWS) } { "Next" }
                        }
                        span.hint { (number(from as u64 + 1)) " to " (number((from + lines.len()) as u64))
                            " of " (number(batch.messages)) }
                    }
                },
            }
        }
    }
}

/// One message, whole.
pub fn show(office: &Office, ask: &mut Ask) -> Answer {
    let name = ask.arg("interface").to_string();
    let engine = office.engine(&name)?;
    let (batch, _) = found(&engine, ask.arg("batch"))?;
    let nothing = || Refusal::Nothing(format!("{} has no such message", batch.name));
    let at: usize = ask.arg("at").parse().map_err(|_| nothing())?;
    let bytes = bytes_of(&engine, &batch)?;
    let file = read(&bytes)?;
    let message = all(&file).nth(at).ok_or_else(nothing)?;
    let control = text(message.control_id().to_vec());
    let about = format!("{name}: message {control} of {}", batch.name);
    office.desk()?.note(&ask.by(), "view", &about)?;
    let raw: Vec<String> = message.segments.iter().map(|one| text(one.bytes().to_vec())).collect();
    if ask.query("raw") == "1" {
        office.desk()?.note(&ask.by(), "download", &about)?;
        let mut body = raw.join("\r").into_bytes();
        body.push(b'\r');
        return Ok(Reply::download(&format!("{control}.hl7"), body));
    }
    let here = format!("/batches/{name}/{}/{at}", batch.name);
    let body = html! {
        p { a href={ "/batches/" (name) "/" (batch.name) } { (batch.name) } }
        h1 { "Message " (control) }
        section.card {
            h2 { "Raw HL7" }
            pre #raw { @for segment in &raw { (segment) "\n" } }
            div.buttons {
                button.quiet data-copy="raw" hidden type="button" { "Copy" }
                a.button.quiet href={ (here) "?raw=1" } { "Download" }
            }
        }
        (fields(&message))
    };
    Ok(frame(office, ask, &format!("Message {control}"), body))
}

fn fields(message: &Message<'_>) -> Markup {
    html! {
        section.card {
            h2 { "Fields" }
            div.wide tabindex="0" role="region" aria-label="Fields" { table {
                thead { tr { th scope="col" { "Field" } th scope="col" { "Value" } } }
                tbody { @for segment in &message.segments {
                    @let name = text(segment.name().to_vec());
                    @for number in 1..=segment.bytes().iter().filter(|&&byte| byte == b'|').count() + 1 {
                        @let value = segment.field(number);
                        @if !value.is_empty() {
                            tr { th scope="row" { code { (name) "-" (number) } } td { (text(value.to_vec())) } }
                        }
                    }
                } }
            } }
        }
    }
}
