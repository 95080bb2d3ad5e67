//! `explain`: what a code means, who must act, and what to do.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::args::Explain;
use super::exit::Exit;
use super::{Failure, Outcome};
use crate::domain::Code;
use crate::validate::Rule;

/// A code, or a rule.
struct Told {
    id: &'static str,
    /// Where the record stands, or how grave the finding is.
    state: String,
    text: &'static str,
    hint: &'static str,
}

/// Explains one code or rule, or lists them all.
pub fn explain(args: &Explain) -> Outcome {
    let mut all: Vec<Told> = Code::ALL.iter().map(|code| of_code(*code)).collect();
    all.extend(Rule::ALL.iter().map(|rule| of_rule(*rule)));
    if let Some(id) = &args.code {
        all.retain(|told| told.id.eq_ignore_ascii_case(id));
        if all.is_empty() {
            let text = format!("there is no code `{}`", id.escape_debug());
            return Err(Failure::usage(text + "; `hl7drop explain` lists them all"));
        }
    }
    let mut out = io::stdout().lock();
    if args.json {
        let all: Vec<Value> = all.iter().map(to_json).collect();
        writeln!(out, "{}", Value::Array(all))?;
        return Ok(Exit::DONE);
    }
    for Told { id, state, text, hint } in all {
        writeln!(out, "{id} {state}: {text}")?;
        writeln!(out, "  what to do: {hint}")?;
    }
    Ok(Exit::DONE)
}

fn of_code(code: Code) -> Told {
    let state = code.owner().queue_state().to_string();
    Told { id: code.id(), state, text: code.text(), hint: code.hint() }
}

fn of_rule(rule: Rule) -> Told {
    let state = rule.severity().word().to_string();
    Told { id: rule.id(), state, text: rule.text(), hint: rule.hint() }
}

fn to_json(told: &Told) -> Value {
    json!({
        "code": told.id,
        "state": told.state,
        "what": told.text,
        "what_to_do": told.hint,
    })
}
