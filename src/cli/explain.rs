//! `explain`: what a code means, who must act, and what to do.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::args::Explain;
use super::exit::Exit;
use super::{Failure, Outcome};
use crate::domain::Code;

/// Explains one code, or lists them all.
pub fn explain(args: &Explain) -> Outcome {
    let codes = match &args.code {
        None => Code::ALL.to_vec(),
        Some(id) => vec![Code::of_id(&id.to_ascii_uppercase()).ok_or_else(|| {
            let text = format!("there is no code `{}`", id.escape_debug());
            Failure::usage(text + "; `hl7drop explain` lists them all")
        })?],
    };
    let mut out = io::stdout().lock();
    if args.json {
        let all: Vec<Value> = codes.iter().map(|code| to_json(*code)).collect();
        writeln!(out, "{}", Value::Array(all))?;
        return Ok(Exit::DONE);
    }
    for code in codes {
        let state = code.owner().queue_state();
        writeln!(out, "{} {state}: {}", code.id(), code.text())?;
        writeln!(out, "  what to do: {}", code.hint())?;
    }
    Ok(Exit::DONE)
}

fn to_json(code: Code) -> Value {
    json!({
        "code": code.id(),
        "state": code.owner().queue_state().to_string(),
        "what": code.text(),
        "what_to_do": code.hint(),
    })
}
