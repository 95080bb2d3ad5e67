//! `validate`: holds batch files, our own or anybody's, to HL7 and to an agreement.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use super::args::Validate;
use super::exit::Exit;
use super::output::count;
use super::setup::scope;
use super::{Failure, Outcome};
use crate::validate::{Agreed, FileCheck, Finding, Severity};

/// Read at a time.
const PIECE_BYTES: usize = 1 << 20;

/// What is said of one file.
struct Shown {
    name: String,
    findings: Vec<Value>,
    /// Findings that can still be shown.
    room: usize,
}

/// Validates every file.
pub fn validate(args: &Validate) -> Outcome {
    let agreed = match &args.interface {
        None => None,
        Some(path) => Some(Arc::new(Agreed::of(&scope(path)?))),
    };
    let mut exit = Exit::DONE;
    let mut all = Vec::new();
    for path in &args.files {
        let mut check = FileCheck::new(agreed.clone());
        let mut shown = Shown {
            name: if path == Path::new("-") { "-".into() } else { path.display().to_string() },
            findings: Vec::new(),
            room: args.limit,
        };
        let read = feed(path, &mut check, &mut |finding| shown.show(args.json, finding))?;
        if let Err(err) = read {
            return Err(Failure::usage(format!("cannot read {}: {err}", shown.name)));
        }
        check.finish();
        for finding in check.findings().take() {
            shown.show(args.json, &finding)?;
        }
        if check.findings().count(Severity::Error) > 0 {
            exit = Exit::WAITING;
        }
        match args.json {
            true => all.push(shown.into_json(&mut check)),
            false => shown.sum(&mut check)?,
        }
    }
    if args.json {
        writeln!(io::stdout().lock(), "{}", Value::Array(all))?;
    }
    Ok(exit)
}

/// Feeds a file; the inner result is that of reading, the outer that of showing.
fn feed(
    path: &Path,
    check: &mut FileCheck,
    show: &mut dyn FnMut(&Finding) -> io::Result<()>,
) -> io::Result<io::Result<()>> {
    let opened: io::Result<Box<dyn Read>> = match path == Path::new("-") {
        true => Ok(Box::new(io::stdin().lock())),
        false => File::open(path).map(|file| Box::new(file) as Box<dyn Read>),
    };
    let mut file = match opened {
        Ok(file) => file,
        Err(err) => return Ok(Err(err)),
    };
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        match file.read(&mut piece) {
            Ok(0) => return Ok(Ok(())),
            Ok(bytes) => check.feed(&piece[..bytes]),
            Err(err) if err.kind() == io::ErrorKind::Interrupted => continue,
            Err(err) => return Ok(Err(err)),
        }
        for finding in check.findings().take() {
            show(&finding)?;
        }
    }
}

impl Shown {
    fn show(&mut self, as_json: bool, finding: &Finding) -> io::Result<()> {
        if self.room == 0 {
            return Ok(());
        }
        self.room -= 1;
        if as_json {
            self.findings.push(to_json(finding));
            return Ok(());
        }
        let mut out = io::stdout().lock();
        writeln!(out, "{}: {finding}", self.name)
    }

    /// The last lines of a file: what to do about each rule, and the account.
    fn sum(&self, check: &mut FileCheck) -> io::Result<()> {
        let mut out = io::stdout().lock();
        let (read, findings) = (check.read(), check.findings());
        for (rule, severity, times) in findings.by_rule() {
            let times = count(times, "time", "times");
            writeln!(out, "{}: {} {severity}, {times}: {}", self.name, rule.id(), rule.hint())?;
        }
        let errors = count(findings.count(Severity::Error), "error", "errors");
        let warnings = count(findings.count(Severity::Warning), "warning", "warnings");
        let messages = count(read.messages, "message", "messages");
        let segments = count(read.segments, "segment", "segments");
        writeln!(out, "{}: {messages}, {segments}: {errors}, {warnings}", self.name)
    }

    fn into_json(self, check: &mut FileCheck) -> Value {
        let (read, findings) = (check.read(), check.findings());
        let rules: Vec<Value> = findings
            .by_rule()
            .into_iter()
            .map(|(rule, severity, count)| {
                json!({ "rule": rule.id(), "severity": severity.word(), "count": count })
            })
            .collect();
        json!({
            "file": self.name,
            "messages": read.messages,
            "segments": read.segments,
            "errors": findings.count(Severity::Error),
            "warnings": findings.count(Severity::Warning),
            "rules": rules,
            "findings": self.findings,
        })
    }
}

fn to_json(finding: &Finding) -> Value {
    let in_message = finding.message > 0;
    json!({
        "rule": finding.rule.id(),
        "severity": finding.severity.word(),
        "message": in_message.then_some(finding.message),
        "control_id": in_message.then_some(&finding.control_id),
        "segment": finding.at,
        "field": finding.place.to_string(),
        "what": finding.rule.text(),
        "what_to_do": finding.rule.hint(),
    })
}
