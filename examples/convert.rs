//! The library without its program: `cargo run --example convert -- INTERFACE.toml
//! BATCH.hl7 EXTRACT.csv...` turns extracts into one batch file, without ledger,
//! folders or network. Bad rows are told on standard error.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use hl7drop::batch::Envelope;
use hl7drop::clock::Clock;
use hl7drop::config::interface;
use hl7drop::domain::{Counts, Fault, Notes, Whose};
use hl7drop::engine::{
    Agreement, Conversion, EngineError, Journal, Silent, Source, Writer, workers,
};

fn main() -> Result<(), Box<dyn Error>> {
    let paths: Vec<String> = std::env::args().skip(1).collect();
    let [settings, batch, extracts @ ..] = paths.as_slice() else {
        return Err("which interface file, which batch file, which extracts?".into());
    };
    // What was agreed: read, checked, and compiled into a map.
    let scope = interface::read(&std::fs::read_to_string(settings)?, Path::new("."))
        .map_err(|problems| problems.iter().map(|one| format!("{one}\n")).collect::<String>())?;
    let agreement = Agreement::new(scope)?;
    let clock = Clock::System.civil(&agreement.scope.timezone);
    // The first file number and the first control number; a ledger would give them.
    let mut writer =
        Writer::create(Path::new(batch), Envelope::new(&agreement.scope, 1, clock), 1)?;
    let sources = extracts.iter().map(|path| source(&agreement, path)).collect::<Result<_, _>>()?;
    let accounts = Conversion {
        agreement: &agreement,
        pool: &workers(0)?,
        clock,
        writer: &mut writer,
        journal: &mut Told,
        progress: Arc::new(Silent),
        scratch: &std::env::temp_dir(),
        wanted: &mut [],
        part: false,
        guard: None,
        backfill: None,
    }
    .run(sources, &|_| Ok(Vec::new()))?;
    for (source, account) in accounts {
        println!("{}: {:?}", source.name, account?.counts);
    }
    println!("{:?}", writer.finish(false)?);
    Ok(())
}

/// Looks at a file; what it holds is told by the patterns of the interface.
fn source(agreement: &Agreement, path: &str) -> Result<Source, Box<dyn Error>> {
    let path = Path::new(path);
    let name = path.file_name().ok_or("no file name")?.to_string_lossy();
    let files = &agreement.scope.files;
    let kind = files.iter().find(|(_, patterns)| patterns.iter().any(|one| one.matches(&name)));
    let (kind, _) = kind.ok_or("a name that matches no pattern of [extract]")?;
    Ok(Source::of(path, &name, *kind, true)?)
}

/// Takes down what becomes of the rows; in the program this is the ledger.
struct Told;

impl Journal for Told {
    fn begin(&mut self, _: &Source, _: &str) -> Result<(), EngineError> {
        Ok(())
    }

    fn fault(&mut self, fault: &Fault, _: &str, _: Whose) -> Result<(), EngineError> {
        eprintln!("{fault}");
        Ok(())
    }

    fn end(&mut self, _: &Counts, _: &Notes) -> Result<(), EngineError> {
        Ok(())
    }

    fn undo(&mut self) -> Result<(), EngineError> {
        Ok(())
    }
}
