//! `check`: everything that can be wrong before it goes wrong at night.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::Outcome;
use super::args::{Check, Cli};
use super::exit::Exit;
use super::setup::{name, setup};
use crate::engine::check::{Checked, folders, partner, settings, state};
use crate::engine::incidents::Keeper;
use crate::engine::{Engine, check_names, encrypt, probe};

/// What was found out about one interface.
#[derive(Default)]
struct Looked {
    checked: Vec<(Checked, Exit)>,
    /// Endpoints, each with what its administrator should know.
    paragraphs: Vec<(String, String)>,
}

/// Looks at every interface that was asked for.
pub fn check(cli: &Cli, args: &Check) -> Outcome {
    let setup = setup(cli, &args.named.interfaces)?;
    let mut exit = Exit::DONE;
    let mut all = Vec::new();
    for path in &setup.interfaces {
        let read = format!("settings {}", path.display());
        let looked = match setup.open(path) {
            Err(failure) => {
                let wrong = Checked { what: read, wrong: Some(failure.text), warns: false };
                Looked { checked: vec![(wrong, failure.exit)], ..Looked::default() }
            }
            Ok(engine) => {
                let good = Checked { what: read, wrong: None, warns: false };
                let mut looked = Looked { checked: vec![(good, Exit::DONE)], ..Looked::default() };
                looked.checked.extend(contacts(&Keeper::of(&engine, &setup.program.contacts)));
                look(&engine, args, looked)
            }
        };
        for (one, grave) in &looked.checked {
            if one.wrong.is_some() {
                exit = exit.graver(*grave);
            }
        }
        if args.named.json {
            all.extend(to_json(&name(path), &looked));
        } else {
            write(&looked, &mut io::stdout().lock())?;
        }
    }
    if args.named.json {
        writeln!(io::stdout().lock(), "{}", Value::Array(all))?;
    }
    Ok(exit)
}

/// Looks whether each contact can be told, as far as this machine knows.
fn contacts(keeper: &Keeper) -> Vec<(Checked, Exit)> {
    let ready = keeper.ready().into_iter().map(|(key, ready)| {
        let wrong = ready.err().map(|err| err.to_string());
        (Checked { what: format!("contact {key}"), wrong, warns: false }, Exit::USAGE)
    });
    ready.collect()
}

fn look(engine: &Engine, args: &Check, mut looked: Looked) -> Looked {
    let local = |one| (one, Exit::LOCAL);
    let unapproved = |one: Checked| match engine.standing.allows() {
        true => (one, Exit::LOCAL),
        false => (one, Exit::NOT_APPROVED),
    };
    looked.checked.extend(settings(engine).into_iter().map(unapproved));
    let names = check_names(engine).unwrap_or_else(|err| {
        vec![Checked { what: "reference/".to_string(), wrong: Some(err.to_string()), warns: false }]
    });
    looked.checked.extend(names.into_iter().map(|one| (one, Exit::USAGE)));
    looked.checked.extend(folders(engine).into_iter().map(local));
    let unsent = |one| (one, Exit::DELIVERY);
    looked.checked.extend(encrypt::check(engine).into_iter().map(unsent));
    let state = state(engine).unwrap_or_else(|err| {
        let what = format!("ledger {}", engine.spool.ledger().display());
        vec![Checked { what, wrong: Some(err.to_string()), warns: false }]
    });
    looked.checked.extend(state.into_iter().map(local));
    for endpoint in engine.agreement.scope.endpoints.iter().filter(|_| !args.offline) {
        let found = if args.partner {
            let probed = probe(engine, endpoint);
            let paragraph = probed.paragraph.map(|text| (endpoint.name.clone(), text));
            looked.paragraphs.extend(paragraph);
            probed.checked
        } else {
            partner(engine, endpoint)
        };
        looked.checked.extend(found.into_iter().map(|one| (one, Exit::DELIVERY)));
    }
    looked
}

fn to_json(interface: &str, looked: &Looked) -> Vec<Value> {
    let checked = looked.checked.iter().map(|(one, _)| {
        let ok = one.wrong.is_none();
        let (what, wrong, warns) = (&one.what, &one.wrong, one.warns);
        json!({ "interface": interface, "what": what, "ok": ok, "wrong": wrong, "warns": warns })
    });
    let paragraphs = looked.paragraphs.iter().map(|(endpoint, text)| {
        let what = format!("for the administrator of {endpoint}");
        json!({
            "interface": interface, "what": what, "ok": true, "wrong": null, "text": text,
        })
    });
    checked.chain(paragraphs).collect()
}

fn write(looked: &Looked, out: &mut dyn Write) -> io::Result<()> {
    looked.checked.iter().try_for_each(|(one, _)| write_one(one, out))?;
    for (endpoint, text) in &looked.paragraphs {
        writeln!(out, "\nFor the administrator at the other end of {endpoint}:\n")?;
        lines(text).iter().try_for_each(|line| writeln!(out, "    {line}"))?;
    }
    Ok(())
}

fn write_one(checked: &Checked, out: &mut dyn Write) -> io::Result<()> {
    match &checked.wrong {
        None if checked.warns => writeln!(out, "warn   {}", checked.what),
        None => writeln!(out, "ok     {}", checked.what),
        Some(wrong) => {
            writeln!(out, "WRONG  {}", checked.what)?;
            wrong.lines().try_for_each(|line| writeln!(out, "       {line}"))
        }
    }
}

/// Breaks a paragraph into lines that fit into a mail.
fn lines(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.len() + word.len() < 72 => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_string()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_paragraph_keeps_its_words_in_short_lines() {
        let text = "word ".repeat(60) + &"x".repeat(90);
        let lines = lines(&text);
        assert_eq!(lines.join(" "), text);
        assert!(lines.iter().all(|line| line.len() <= 72 || !line.contains(' ')), "{lines:?}");
    }
}
