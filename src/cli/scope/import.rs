//! `scope import`: a filled Word scope package becomes a commented interface file.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use serde_json::json;

use crate::cli::args::Import;
use crate::cli::exit::Exit;
use crate::cli::output::count;
use crate::cli::{Failure, Outcome};
use crate::config::fill::filled;
use crate::disk;
use crate::domain::{Answers, InterfaceName, Question, Spot};
use crate::package;

/// Reads the document, writes the interface file, and tells what is open.
pub fn import(args: &Import) -> Outcome {
    if let Some(output) = args.output.as_ref().filter(|output| output.exists()) {
        let text = format!("{} is there already; nothing was changed", output.display());
        return Err(Failure::usage(text));
    }
    let bytes = read(&args.file)?;
    let mut answers = package::read(&bytes)
        .map_err(|err| Failure::usage(format!("{}: {err}", args.file.display())))?;
    let name = name(args.name.as_deref(), &mut answers)?;
    let folder = args.output.as_deref().and_then(Path::parent).unwrap_or(Path::new("."));
    let text = filled(name.as_str(), &mut answers, folder).map_err(|problems| {
        let text: Vec<String> = problems.iter().map(ToString::to_string).collect();
        Failure { exit: Exit::BUG, text: text.join("\n") }
    })?;
    match &args.output {
        Some(output) => disk::write(output, text.as_bytes())?,
        None => io::stdout().lock().write_all(text.as_bytes())?,
    }
    tell(args, &answers)?;
    Ok(if answers.questions.is_empty() { Exit::DONE } else { Exit::WAITING })
}

/// Reads a file that is no longer than a document may be.
fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |err: io::Error| Failure::usage(format!("cannot read {}: {err}", path.display()));
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(package::FILE_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > package::FILE_MAX {
        let mib = package::FILE_MAX >> 20;
        let text = format!("{}: over {mib} MiB; a scope package is far smaller", path.display());
        return Err(Failure::usage(text));
    }
    Ok(bytes)
}

/// Chooses the interface's name: the one that was given, else one of the document's words.
fn name(given: Option<&str>, answers: &mut Answers) -> Result<InterfaceName, Failure> {
    let bad = |name: &str| {
        let text = format!("`{}` cannot name an interface", name.escape_debug());
        Failure::usage(text + ": use letters, digits and `-`, at most 40")
    };
    let words = answers.text("project", "interface").map(str::to_string);
    answers.keys.retain(|answer| (answer.section, answer.key) != ("project", "interface"));
    if let Some(given) = given {
        return InterfaceName::new(given).ok_or_else(|| bad(given));
    }
    let spoken = words.as_deref().or(answers.text("project", "vendor")).unwrap_or("interface");
    let name = spelt(spoken);
    if words.as_deref() != Some(name.as_str()) {
        let what = format!("the interface needs a short name, and got `{name}`");
        let set = "change `interface` in [project] before anything was sent, or give --name";
        answers.ask(Spot::of("table 1"), what, set);
    }
    InterfaceName::new(&name).ok_or_else(|| bad(&name))
}

/// Spells words as a name: `Ridge Health Exchange` is `ridge-health-exchange`.
fn spelt(words: &str) -> String {
    let words = words.split(|char: char| !char.is_ascii_alphanumeric());
    let name = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-");
    let name: String = name.to_ascii_lowercase().chars().take(40).collect();
    let name = name.trim_end_matches('-');
    if name.is_empty() { "interface".to_string() } else { name.to_string() }
}

fn tell(args: &Import, answers: &Answers) -> io::Result<()> {
    let mut err = io::stderr().lock();
    if args.json {
        let row = |question: &Question| {
            json!({
                "table": question.spot.table, "row": question.spot.row,
                "what": question.what, "what_to_do": question.set,
            })
        };
        let questions: Vec<_> = answers.questions.iter().map(row).collect();
        let keys = answers.keys.len() + answers.rows.len();
        return writeln!(err, "{}", json!({ "answers": keys, "questions": questions }));
    }
    let read = count((answers.keys.len() + answers.rows.len()) as u64, "answer", "answers");
    let open = count(answers.questions.len() as u64, "question", "questions");
    writeln!(err, "{read} read, {open} open")?;
    for (at, question) in answers.questions.iter().enumerate() {
        writeln!(err, "{:>3}. {}: {}", at + 1, question.spot, question.what)?;
        writeln!(err, "     what to do: {}", question.set)?;
    }
    if let Some(output) = &args.output {
        writeln!(err, "{} is written; the questions stand at its head", output.display())?;
    }
    Ok(())
}
