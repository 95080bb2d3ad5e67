//! `held`: drops that look wrong as a whole and wait for a person; and what was decided.

use std::io::{self, Write};

use clap::Args;
use serde_json::{Value, json};

use super::args::{Cli, Named};
use super::exit::{self, Exit};
use super::next::Typed;
use super::output::{number, time};
use super::setup::{name, setup};
use super::sign::{reason, sign};
use super::{Failure, Outcome};
use crate::domain::Code;
use crate::engine::{Engine, Hold};

/// `held`.
#[derive(Debug, Args)]
#[command(after_help = exit::help())]
pub struct Held {
    /// Interfaces and output
    #[command(flatten)]
    pub named: Named,
    /// The drop is right: the next run takes it in as it is; needs --why
    #[arg(long, conflicts_with = "discard")]
    pub release: bool,
    /// The drop is wrong: its extracts go to error/, and others may be dropped; needs --why
    #[arg(long)]
    pub discard: bool,
    /// Why; kept in the ledger with your name and the time, so name no patient
    #[arg(long, value_name = "TEXT")]
    pub why: Option<String>,
}

/// Lists the drops that are held, or decides about one.
pub fn held(cli: &Cli, args: &Held) -> Outcome {
    let setup = setup(cli, &args.named.interfaces)?;
    if args.release || args.discard {
        let [path] = setup.interfaces.as_slice() else {
            let names: Vec<String> = setup.interfaces.iter().map(|path| name(path)).collect();
            return Err(Failure::usage(format!("name one interface of: {}", names.join(", "))));
        };
        return decide(cli, args, &setup.open(path)?);
    }
    let (mut exit, mut all) = (Exit::DONE, Vec::new());
    let mut out = io::stdout().lock();
    for path in &setup.interfaces {
        let engine = setup.open(path)?;
        let hold = Hold::look(&engine)?;
        if hold.is_some() {
            exit = exit.graver(Exit::WAITING);
        }
        if args.named.json {
            let interface = engine.agreement.scope.interface.as_str();
            all.extend(hold.as_ref().map(|hold| to_json(interface, hold)));
            continue;
        }
        writeln!(out, "{}", engine.owner())?;
        match hold {
            Some(hold) => write(&Typed::new(cli, &engine), &engine, &hold, &mut out)?,
            None => writeln!(out, "  no drop is held")?,
        }
    }
    if args.named.json {
        writeln!(out, "{}", Value::Array(all))?;
    }
    Ok(exit)
}

fn decide(cli: &Cli, args: &Held, engine: &Engine) -> Outcome {
    let why = reason(args.why.as_deref())?;
    let hold = engine.decide_held(args.release, &sign(engine, why))?;
    let files = hold.files.join(", ");
    let mut out = io::stdout().lock();
    if args.release {
        writeln!(out, "{}: released, the next run takes it in: {files}", engine.owner())?;
        writeln!(out, "  {}", Typed::new(cli, engine).run(""))?;
    } else {
        writeln!(out, "{}: discarded, now in error/: {files}", engine.owner())?;
    }
    Ok(Exit::DONE)
}

/// Shows a drop that is held, and what to do.
pub fn write(typed: &Typed, engine: &Engine, hold: &Hold, out: &mut dyn Write) -> io::Result<()> {
    let zone = &engine.agreement.scope.timezone;
    writeln!(out, "  held since {}: {}", time(hold.at, zone), hold.what)?;
    for fault in &hold.faults {
        let text = Code::of_id(&fault.code).map_or("", Code::text);
        let column = if fault.column.is_empty() { "row" } else { &fault.column };
        writeln!(out, "    {} {} {column}: {text}", number(fault.rows), fault.code)?;
    }
    writeln!(out, "    if the drop is right: {}", typed.held("--release --why \"...\""))?;
    writeln!(out, "    if it is not:         {}", typed.held("--discard --why \"...\""))
}

/// Returns a drop that is held as machines read it.
pub fn to_json(interface: &str, hold: &Hold) -> Value {
    let fault = |fault: &crate::engine::HeldFault| json!({ "code": fault.code, "column": fault.column, "rows": fault.rows });
    json!({
        "interface": interface,
        "what": hold.what,
        "what_to_do": hold.what_to_do,
        "at": hold.at,
        "files": hold.files,
        "faults": hold.faults.iter().map(fault).collect::<Vec<_>>(),
    })
}
