//! Folders and files: what stands where, as `ls` shows it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use maud::{Markup, html};

use crate::engine::Engine;
use crate::spool::Spool;
use crate::web::ask::Ask;
use crate::web::frame::frame;
use crate::web::office::Office;
use crate::web::parts::{bytes, count, time};
use crate::web::refusal::Refusal;
use crate::web::reply::Answer;

/// Files of a folder that are listed, newest first.
const FILES: usize = 50;

/// A file.
struct Found {
    name: String,
    bytes: u64,
    modified: i64,
    /// What its why-file says.
    why: Option<String>,
}

/// The page.
pub fn list(office: &Office, ask: &mut Ask) -> Answer {
    let mut parts = Vec::new();
    for site in office.sites()? {
        let Ok(engine) = &site.engine else { continue };
        parts.push(html! {
            section.card {
                div.head { h2 { (site.name) } span.hint { (engine.spool.root.display()) } }
                (folders(engine)?)
            }
        });
    }
    let body = html! { h1 { "Folders and files" } @for part in parts { (part) } };
    Ok(frame(office, ask, "Folders and files", body))
}

fn folders(engine: &Engine) -> Result<Markup, Refusal> {
    let spool = &engine.spool;
    let all: [(&str, &Path, &str); 6] = [
        ("inbox", &spool.inbox, "dropped, not taken yet"),
        ("error", &spool.error, "could not be read; nothing of it was sent"),
        ("outbox", &spool.outbox, "promised, not delivered everywhere yet"),
        ("sent", &spool.sent, "delivered"),
        ("archive", &spool.archive, "extracts that were taken in"),
        ("reference", &spool.reference, "the providers and departments in force"),
    ];
    let zone = &engine.agreement.scope.timezone;
    let mut parts = Vec::new();
    for (name, folder, what) in all {
        let files = found(folder)?;
        let shown = files.iter().take(FILES);
        parts.push(html! {
            details open[matches!(name, "inbox" | "error") && !files.is_empty()] {
                summary { strong { (name) "/" } " " (count(files.len() as u64, "file", "files")) ", " (what) }
                @if !files.is_empty() {
                    div.wide tabindex="0" role="region" aria-label={ "Files in " (name) } { table {
                        thead { tr { th scope="col" { "File" } th scope="col" { "Size" } th scope="col" { "Written" } } }
                        tbody { @for file in shown { tr {
                            td { (file.name) @if let Some(why) = &file.why { pre { (why) } } }
                            td.number { (bytes(file.bytes)) } td { (time(file.modified, zone)) }
                        } } }
                    } }
                    @if files.len() > FILES { p.hint { "The newest " (FILES) " of them." } }
                }
            }
        });
    }
    Ok(html! { @for part in parts { (part) } })
}

/// Lists the files of a folder and of the days in it, newest first.
fn found(folder: &Path) -> Result<Vec<Found>, Refusal> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut paths: Vec<_> =
        Spool::list(folder)?.into_iter().map(|name| folder.join(name)).collect();
    paths.extend(Spool::list_shelf(folder)?);
    let mut files = Vec::new();
    for path in paths {
        let name = path.strip_prefix(folder).unwrap_or(&path).display().to_string();
        // A file can be gone between the listing and the look.
        let Ok(look) = path.symlink_metadata() else { continue };
        if name.ends_with(".why.toml") {
            continue;
        }
        let mut why = path.clone().into_os_string();
        why.push(".why.toml");
        let why = fs::read_to_string(Path::new(&why)).ok();
        files.push(Found { name, bytes: look.len(), modified: look.mtime(), why });
    }
    files.sort_by(|one, other| (other.modified, &other.name).cmp(&(one.modified, &one.name)));
    Ok(files)
}
