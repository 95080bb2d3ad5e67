//! `convert`: extracts to one batch file on standard output; the first thing a
//! newcomer runs, and what the benchmark measures.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use jiff::civil::DateTime;

use super::args::Convert;
use super::exit::Exit;
use super::output::{complain, progress};
use super::queue::to_json;
use super::setup::scope;
use super::{Failure, Outcome};
use crate::batch::Envelope;
use crate::clock::Clock;
use crate::disk::{self, failed};
use crate::domain::{Counts, ExtractKind, Fault, Notes, Whose};
use crate::engine::{
    Accounts, Agreement, Conversion, EngineError, Explanation, Journal, Source, Wanted, Writer,
    selfcheck, workers,
};

/// Converts, or explains one record.
pub fn convert(args: &Convert) -> Outcome {
    let scope = scope(&args.interface)?;
    let agreement = Agreement::new(scope)?;
    let sources = args
        .extracts
        .iter()
        .map(|path| source(&agreement, path))
        .collect::<Result<Vec<Source>, Failure>>()?;
    let clock = args.clock.map_or(Clock::System, Clock::Fixed);
    let clock = clock.civil(&agreement.scope.timezone);
    let place = Place::choose(args.output.as_deref())?;
    let wanted = args.explain.zip(args.extracts.last());
    let mut wanted =
        wanted.map(|(record, path)| Wanted { path: path.clone(), record, found: None });
    let accounts = run(args, &agreement, sources, clock, &place, wanted.as_mut_slice())?;
    if let Some(wanted) = wanted {
        return show(&wanted);
    }
    let mut exit = Exit::DONE;
    for (source, account) in &accounts {
        match account {
            Ok(account) if account.counts.error > 0 => exit = exit.graver(Exit::WAITING),
            Ok(_) => {}
            Err(err) => {
                complain(&format!("{}: {err}; {}", source.name, err.hint()));
                exit = exit.graver(Exit::USAGE);
            }
        }
    }
    place.publish()?;
    Ok(exit)
}

fn source(agreement: &Agreement, path: &Path) -> Result<Source, Failure> {
    let name =
        path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let kinds = &agreement.scope.files;
    let kind = kinds.iter().find(|(_, patterns)| patterns.iter().any(|one| one.matches(&name)));
    let (kind, _) = kind.ok_or_else(|| {
        let text = format!("{}: what it holds cannot be told from its name", path.display());
        let known = kinds.iter().flat_map(|(kind, patterns)| {
            patterns.iter().map(move |one| format!("{one} ({})", kind.word()))
        });
        let known = known.collect::<Vec<_>>().join(", ");
        Failure::usage(text + "; give it a name that matches a pattern of [extract]: " + &known)
    })?;
    Source::unpromised(path, &name, *kind)
        .map_err(|err| Failure::usage(format!("cannot read {}: {err}", path.display())))
}

fn run(
    args: &Convert,
    agreement: &Agreement,
    sources: Vec<Source>,
    clock: DateTime,
    place: &Place,
    wanted: &mut [Wanted],
) -> Result<Accounts, Failure> {
    let pool = workers(args.workers)?;
    let envelope = Envelope::new(&agreement.scope, args.file_number, clock);
    let mut writer = Writer::create(&place.file, envelope, args.first_control_id)?;
    writer.is_unpromised();
    if place.output.is_none() {
        writer.is_scratch();
    }
    let silent = args.explain.is_some();
    let mut journal = Screen { json: args.json, silent, lines: Vec::new() };
    let accounts = Conversion {
        agreement,
        pool: &pool,
        clock,
        writer: &mut writer,
        journal: &mut journal,
        progress: progress(),
        scratch: &place.folder,
        wanted,
        part: false,
        guard: None,
        backfill: None,
    }
    .run(sources, &|_: ExtractKind| Ok(Vec::new()))?;
    let written = writer.finish(agreement.scope.batching.send_empty)?;
    selfcheck::around(&written)?;
    Ok(accounts)
}

fn show(wanted: &Wanted) -> Outcome {
    let mut out = io::stdout().lock();
    match &wanted.found {
        None => {
            let text = format!("{} has no record {}", wanted.path.display(), wanted.record);
            return Err(Failure::usage(text));
        }
        Some(Explanation::Fault(fault)) => {
            writeln!(out, "{fault}")?;
            writeln!(out, "what to do: {}", fault.code.hint())?;
            return Ok(Exit::WAITING);
        }
        Some(Explanation::Nothing(why)) => {
            writeln!(out, "this record tells nothing; it counts among: {}", why.text())?;
        }
        Some(Explanation::Messages(messages)) => {
            for (event, fields) in messages {
                let telling = event.telling();
                writeln!(out, "{}^{} ({})", telling.message, telling.trigger, telling.key)?;
                for field in fields {
                    writeln!(out, "  {:<7} {}", field.field.to_string(), field.value)?;
                    writeln!(out, "          from {}", field.rule)?;
                }
            }
        }
    }
    Ok(Exit::DONE)
}

/// Where the batch file is written before it is shown: whole, or not at all. A file
/// of its own lets an extract that turns out to be cut off be taken out again.
struct Place {
    folder: PathBuf,
    file: PathBuf,
    output: Option<PathBuf>,
}

/// Names the folder of a conversion; its process follows.
const SCRATCH: &str = ".hl7drop-";

impl Place {
    fn choose(output: Option<&Path>) -> Result<Place, Failure> {
        let folder = match output.and_then(Path::parent) {
            Some(folder) if !folder.as_os_str().is_empty() => folder.to_path_buf(),
            Some(_) => PathBuf::from("."),
            None => std::env::temp_dir(),
        };
        // It holds patient data.
        disk::sweep(&folder, |name| name.strip_prefix(SCRATCH));
        let folder = folder.join(format!("{SCRATCH}{}", std::process::id()));
        disk::folder(&folder)?;
        let file = folder.join("batch.hl7");
        Ok(Place { folder, file, output: output.map(Path::to_path_buf) })
    }

    /// Shows what was written, if anything was.
    fn publish(&self) -> Result<(), Failure> {
        if !self.file.exists() {
            return Ok(());
        }
        if let Some(output) = &self.output {
            return Ok(disk::shift(&self.file, output)?);
        }
        let mut file = File::open(&self.file).map_err(failed("open", &self.file))?;
        let mut out = io::stdout().lock();
        io::copy(&mut file, &mut out)?;
        Ok(out.flush()?)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Nothing is lost if it stays; it holds patient data, so it should not.
        if let Err(err) = disk::clear(&self.folder) {
            log::warn!("{err}");
        }
    }
}

/// Tells faults on standard error, an extract at a time, so that one that is read
/// twice, or not at all, tells nothing twice.
struct Screen {
    json: bool,
    /// One record is asked for; the others are not in question.
    silent: bool,
    lines: Vec<u8>,
}

impl Journal for Screen {
    fn begin(&mut self, _: &Source, _: &str) -> Result<(), EngineError> {
        self.lines.clear();
        Ok(())
    }

    fn fault(&mut self, fault: &Fault, _: &str, _: Whose) -> Result<(), EngineError> {
        let line = match self.json {
            true => to_json(fault).to_string(),
            false => format!("{fault}; {}", fault.code.hint()),
        };
        self.lines.extend_from_slice(line.as_bytes());
        self.lines.push(b'\n');
        Ok(())
    }

    fn end(&mut self, _: &Counts, _: &Notes) -> Result<(), EngineError> {
        if !self.silent {
            // Nobody reading it is no reason to fail.
            let _ = io::stderr().write_all(&self.lines);
        }
        self.lines.clear();
        Ok(())
    }

    fn undo(&mut self) -> Result<(), EngineError> {
        self.lines.clear();
        Ok(())
    }
}
