//! What lies in the folders of an interface: sizes, ages and modes of all files, names only
//! of those that have them from us.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde_json::{Value, json};

use crate::engine::Engine;
use crate::ledger::{Ledger, Sqlite};
use crate::spool::Spool;

/// No folder is listed further: the count of the rest follows.
const SHOWN: usize = 200;

/// Lists every folder of the interface, and one below it.
pub(super) fn listed(engine: &Engine) -> Value {
    let spool = &engine.spool;
    let ledger = Sqlite::peek(&spool.ledger(), &engine.owner()).ok().flatten();
    let is_batch =
        |name: &str| ledger.as_ref().and_then(|ledger| ledger.batch(name).ok().flatten()).is_some();
    let now = engine.clock.unix();
    let mut all = Vec::new();
    for folder in spool.folders() {
        let ours = |name: &str| {
            folder == spool.root
                || folder == spool.index
                || folder == spool.reference
                || is_batch(name)
        };
        all.push(list(&spool.root, folder, &ours, now));
        if folder == spool.sent || folder == spool.archive || folder == spool.processing {
            for day in Spool::days(folder).unwrap_or_default() {
                all.push(list(&spool.root, &day, &ours, now));
            }
        }
    }
    Value::Array(all)
}

fn list(root: &Path, folder: &Path, ours: &dyn Fn(&str) -> bool, now: i64) -> Value {
    let name = folder.strip_prefix(root).unwrap_or(folder).display().to_string();
    let Ok(entries) = fs::read_dir(folder) else {
        return json!({ "folder": name, "error": "cannot be listed" });
    };
    let mut files: Vec<(String, Metadata)> = entries
        .filter_map(Result::ok)
        .filter_map(|entry| {
            let found = entry.metadata().ok().filter(|found| !found.is_dir())?;
            Some((entry.file_name().to_string_lossy().into_owned(), found))
        })
        .collect();
    files.sort_by(|one, other| one.0.cmp(&other.0));
    let (count, bytes) = (files.len(), files.iter().map(|(_, found)| found.len()).sum::<u64>());
    let shown: Vec<Value> = files
        .into_iter()
        .rev()
        .take(SHOWN)
        .map(|(name, found)| {
            json!({
                "name": ours(&name).then_some(name),
                "bytes": found.len(),
                "age_seconds": now - found.mtime(),
                "mode": format!("{:o}", found.mode() & 0o7777),
            })
        })
        .collect();
    let mode = fs::metadata(folder).map_or(0, |found| found.mode() & 0o7777);
    json!({
        "folder": name, "mode": format!("{mode:o}"), "files": count, "bytes": bytes, "newest": shown,
    })
}
