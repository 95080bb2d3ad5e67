//! `support`: what somebody who helps from afar needs, and nothing about patients.
//!
//! Everything is picked key by key from checked values; no file is copied, and no text that
//! somebody else wrote is taken over: names of extracts and of other people's files, values
//! of records, reasons that people gave, mail addresses, web addresses. What is not picked
//! is not in it, so a value that is added to the ledger tomorrow is not either. One text may be
//! a server's or gpg's: why a delivery failed; without it a bundle would be of little help.

mod facts;
mod files;
mod standing;

use std::io::{self, Cursor, Write};
use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};
use zip::ZipWriter;
use zip::result::ZipError;
use zip::write::SimpleFileOptions;

use super::args::Cli;
use super::exit::{self, Exit};
use super::output::number;
use super::setup::{self, name};
use super::{Failure, Outcome};
use crate::clock::Clock;
use crate::config::settings::{Setting, settings};
use crate::disk;

/// `support`.
#[derive(Debug, Args)]
#[command(after_help = exit::help())]
pub struct Support {
    /// The file that is written, such as support.zip; it must not be there yet
    #[arg(value_name = "OUT")]
    pub out: PathBuf,
    /// Only of these interfaces [default: all of them]
    #[arg(long, value_name = "NAME")]
    pub interface: Vec<String>,
}

/// Settings whose values stay here: people, addresses, and what may hold a token.
const LEFT_OUT: [&str; 9] = [
    "contact.host",
    "contact.user",
    "contact.sender",
    "contact.to",
    "contact.url",
    "contact.command",
    "contact.name",
    "project.vendor",
    "project.practice",
];

/// Sections whose values stay here: people's names.
const LEFT_OUT_SECTIONS: [&str; 2] = ["providers", "columns"];

const READ_ME: &str = "Made by `hl7drop support` for whoever helps you. There is no patient data in it, no key, no\n\
password, no name of an extract and no reason that somebody gave. Read it before you send it:\n\
it names your servers, folders and settings.\n";

/// Writes the bundle.
pub fn support(cli: &Cli, args: &Support) -> Outcome {
    if args.out.extension().is_none_or(|end| end != "zip") {
        let text = "the bundle is a ZIP file; give it a name that ends in .zip";
        return Err(Failure::usage(text));
    }
    let setup = setup::setup(cli, &args.interface)?;
    let clock = Clock::System;
    let mut parts = vec![("README.txt".to_string(), READ_ME.to_string())];
    parts.push(("machine.json".to_string(), pretty(&facts::machine(&setup.program, &clock))));
    for path in &setup.interfaces {
        let name = name(path);
        let of = |what: &str| format!("{name}/{what}");
        parts.push((of("settings.json"), pretty(&settings_of(path)?)));
        match setup.open(path) {
            Err(failure) => {
                let wrong = json!({ "error": failure.text });
                parts.push((of("status.json"), pretty(&wrong)));
            }
            Ok(engine) => {
                parts.push((of("status.json"), pretty(&standing::standing(&engine))));
                parts.push((of("check.json"), pretty(&standing::checked(&engine))));
                parts.push((of("files.json"), pretty(&files::listed(&engine))));
            }
        }
    }
    let bytes = packed(&parts).map_err(|err| Failure {
        exit: Exit::LOCAL,
        text: format!("the bundle cannot be packed: {err}"),
    })?;
    let mut file = disk::create(&args.out)?;
    file.write(&bytes)?;
    file.finish()?;
    let mut out = io::stdout().lock();
    for (name, text) in &parts {
        writeln!(out, "{:>10}  {name}", number(text.len() as u64))?;
    }
    writeln!(
        out,
        "wrote {}; no patient data is in it. Read it before you send it",
        args.out.display()
    )?;
    Ok(Exit::DONE)
}

/// Returns every setting of an interface, also of a file with mistakes; its comments are not
/// among them.
fn settings_of(path: &std::path::Path) -> Result<Value, Failure> {
    let (text, _) = setup::text(path)?;
    let Ok(settings) = settings(&text) else {
        return Ok(json!({ "error": "the file is no TOML; `hl7drop check` says where" }));
    };
    Ok(settings.iter().map(shown).collect())
}

fn shown(setting: &Setting) -> Value {
    let (path, place) = (setting.path(), setting.place());
    // There the keys are people's own words, too.
    let foreign = place.split('.').next().is_some_and(|one| LEFT_OUT_SECTIONS.contains(&one));
    let kept = !foreign && !LEFT_OUT.contains(&path.as_str());
    // What tells contacts apart is their name.
    let whole = kept && place != "contact";
    let left_out = "(left out)";
    json!({
        "section": if whole { setting.section.clone() } else { place },
        "key": if foreign { left_out } else { setting.key.as_str() },
        "value": if kept { setting.value.as_str() } else { left_out },
        "default": setting.is_default,
    })
}

fn packed(parts: &[(String, String)]) -> Result<Vec<u8>, ZipError> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in parts {
        zip.start_file(name.as_str(), SimpleFileOptions::default().unix_permissions(0o600))?;
        zip.write_all(text.as_bytes())?;
    }
    Ok(zip.finish()?.into_inner())
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_else(|err| err.to_string()) + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_names_and_tokens_stay_here() {
        let text = "[[contact]]\nname = \"Bob\"\nmethod = \"webhook\"\nurl = \"https://x/TOKEN\"\n\
                    [providers.27]\nlastname = \"SEUSS\"\n[columns.patients]\n\"Doe, Ann\" = \"patientid\"\n\
                    [wire]\nhl7_version = \"2.5\"\n";
        let all: Vec<Value> = settings(text).unwrap().iter().map(shown).collect();
        let told = Value::Array(all).to_string();
        for secret in ["Bob", "TOKEN", "SEUSS", "Doe, Ann"] {
            assert!(!told.contains(secret), "{secret} in {told}");
        }
        assert!(told.contains("\\\"2.5\\\"") && told.contains("(left out)"), "{told}");
    }
}
