//! `check`: everything that can be wrong before it goes wrong at night.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::Outcome;
use super::args::{Check, Cli};
use super::exit::Exit;
use super::setup::{name, setup};
use crate::engine::check::{Checked, folders, partner, state};

/// Looks at every interface that was asked for.
pub fn check(cli: &Cli, args: &Check) -> Outcome {
    let setup = setup(cli, &args.named.interfaces)?;
    let mut exit = Exit::DONE;
    let mut all = Vec::new();
    for path in &setup.interfaces {
        let mut checked: Vec<(Checked, Exit)> = Vec::new();
        let settings = format!("settings {}", path.display());
        match setup.open(path) {
            Err(failure) => {
                let wrong = Checked { what: settings, wrong: Some(failure.text) };
                checked.push((wrong, failure.exit));
            }
            Ok(engine) => {
                checked.push((Checked { what: settings, wrong: None }, Exit::DONE));
                checked.extend(folders(&engine).into_iter().map(|one| (one, Exit::LOCAL)));
                match state(&engine) {
                    Ok(found) => checked.extend(found.into_iter().map(|one| (one, Exit::LOCAL))),
                    Err(err) => {
                        let what = format!("ledger {}", engine.spool.ledger().display());
                        let wrong = Checked { what, wrong: Some(err.to_string()) };
                        checked.push((wrong, Exit::LOCAL));
                    }
                }
                if !args.offline {
                    let endpoints = engine.agreement.scope.endpoints.iter();
                    let partners = endpoints.map(|endpoint| partner(&engine, endpoint));
                    checked.extend(partners.map(|one| (one, Exit::DELIVERY)));
                }
            }
        }
        for (one, grave) in checked {
            if one.wrong.is_some() {
                exit = exit.graver(grave);
            }
            if args.named.json {
                let ok = one.wrong.is_none();
                let interface = name(path);
                all.push(json!({
                    "interface": interface, "what": one.what, "ok": ok, "wrong": one.wrong,
                }));
            } else {
                write(&one, &mut io::stdout().lock())?;
            }
        }
    }
    if args.named.json {
        writeln!(io::stdout().lock(), "{}", Value::Array(all))?;
    }
    Ok(exit)
}

fn write(checked: &Checked, out: &mut dyn Write) -> io::Result<()> {
    match &checked.wrong {
        None => writeln!(out, "ok     {}", checked.what),
        Some(wrong) => {
            writeln!(out, "WRONG  {}", checked.what)?;
            wrong.lines().try_for_each(|line| writeln!(out, "       {line}"))
        }
    }
}
