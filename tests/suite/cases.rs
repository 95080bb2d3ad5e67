//! Golden cases: `tests/cases/<name>/` holds an interface file, a drop, and what comes
//! out of them. `HL7DROP_BLESS=1` writes `expect/` anew; git shows what changed.
//!
//! `expect/messages.txt` is the batch file with a line for each segment (no value can
//! hold a line feed, so nothing is hidden by that); `expect/account.txt` is what became
//! of each extract. A segment that ends otherwise than with CR shows how, and so does a
//! byte that is no UTF-8. The case `golden-v231` has neither: its drop and its bytes stand in
//! the specification.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use hl7drop::batch::Envelope;
use hl7drop::config::interface;
use hl7drop::domain::{Code, Counts, ExtractKind, Fault, Notes, Scope, Whose, Wrappers};
use hl7drop::engine::{Agreement, Conversion, EngineError, Journal, Silent, Source, Writer};
use hl7drop::hl7::read::BatchFile;

use crate::site::ended;

/// Where the golden texts of the specification stand; read in place.
const GOLDEN: &str = "../shared/spec/golden";
/// The clock of every case, and of the golden texts.
const CLOCK: &str = "2026-05-20T11:00:00";

/// What came out of a case.
#[derive(Debug, PartialEq)]
struct Outcome {
    /// The batch file, if there is one.
    file: Vec<u8>,
    /// What became of each extract, a line each, with its notes and faults.
    account: String,
}

#[test]
fn every_case_comes_out_as_blessed() {
    let bless = std::env::var_os("HL7DROP_BLESS").is_some();
    let mut wrong = Vec::new();
    for case in cases() {
        let one = convert(&case, 1);
        let three = convert(&case, 3);
        assert_eq!(one, three, "{}: the number of workers shows", case.display());
        sound(&case, &one);
        let expect = case.join("expect");
        let found = [("messages.txt", shown(&one.file)), ("account.txt", one.account)];
        for (name, text) in found {
            let path = expect.join(name);
            if bless {
                fs::create_dir_all(&expect).unwrap();
                fs::write(&path, text).unwrap();
            } else if fs::read_to_string(&path).unwrap_or_default() != text {
                wrong.push(format!("{}, where it now gives:\n{text}", path.display()));
            }
        }
    }
    let todo = "HL7DROP_BLESS=1 cargo test cases writes it anew";
    assert!(wrong.is_empty(), "not as blessed ({todo}):\n{}", wrong.join("\n"));
}

/// The cases with a drop of their own: all but the one of the specification.
fn cases() -> Vec<PathBuf> {
    let folders = fs::read_dir("tests/cases").unwrap();
    let mut cases: Vec<PathBuf> = folders.map(|entry| entry.unwrap().path()).collect();
    cases.retain(|case| !case.ends_with("golden-v231"));
    cases.sort();
    assert!(cases.len() > 20, "{} cases", cases.len());
    cases
}

/// What holds of every case, whatever was blessed (`interface.md` 3.4).
fn sound(case: &Path, outcome: &Outcome) {
    if outcome.file.is_empty() {
        return;
    }
    let wire = scope(case).wire;
    let file = with_cr(&outcome.file, wire.line_ending.bytes());
    assert!(!file.contains(&b'\n'), "{}: a line feed", case.display());
    let file = wrapped(file, scope(case).batching.wrappers);
    let read = BatchFile::read(&file).unwrap_or_else(|err| {
        panic!("{}: {err}", case.display());
    });
    for segment in read.messages().flat_map(|message| &message.segments) {
        let text = plain(segment.bytes());
        assert!(!text.ends_with('|'), "{}: {text}", case.display());
        for field in text.split('|').filter(|field| *field != "^~\\&" && !field.is_empty()) {
            for repetition in field.split('~') {
                let delete = repetition == "\"\"" && !wire.send_deletes;
                let bad = repetition.is_empty() || delete;
                let bad = bad || repetition.ends_with('^') || repetition.trim() != repetition;
                assert!(!bad, "{}: {field:?} in {text}", case.display());
            }
        }
    }
}

/// Returns a file with all wrappers, for the reader.
fn wrapped(file: Vec<u8>, wrappers: Wrappers) -> Vec<u8> {
    let count = |name: &[u8]| {
        file.split(|&byte| byte == b'\r').filter(|segment| segment.starts_with(name)).count()
    };
    let (batches, messages) = (count(b"BHS|"), count(b"MSH|"));
    match wrappers {
        Wrappers::File => file,
        Wrappers::Batch => [b"FHS|^~\\&\r", &*file, format!("FTS|{batches}\r").as_bytes()].concat(),
        Wrappers::None => {
            let end = format!("BTS|{messages}\rFTS|1\r");
            [b"FHS|^~\\&\rBHS|^~\\&\r", &*file, end.as_bytes()].concat()
        }
    }
}

/// Returns a file with CR at the end of each segment.
fn with_cr(file: &[u8], ending: &[u8]) -> Vec<u8> {
    let mut segments = Vec::new();
    let mut rest = file;
    while let Some(at) = rest.windows(ending.len()).position(|bytes| bytes == ending) {
        segments.extend_from_slice(&rest[..at]);
        segments.push(b'\r');
        rest = &rest[at + ending.len()..];
    }
    [segments, rest.to_vec()].concat()
}

/// Returns text, with `<E9>` for a byte that is no UTF-8.
fn plain(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        chunk.invalid().iter().for_each(|byte| text.push_str(&format!("<{byte:02X}>")));
    }
    text
}

fn shown(file: &[u8]) -> String {
    let text = plain(file);
    let text = text.replace("\r\n", "<CR><LF>\r").replace('\n', "<LF>\r");
    text.replace('\r', "\n")
}

fn scope(case: &Path) -> Scope {
    let text = fs::read_to_string(case.join("interface.toml")).unwrap();
    interface::read(&text, case).unwrap_or_else(|problems| {
        panic!("{}: {problems:?}", case.display());
    })
}

/// Converts the drop of a case as `hl7drop convert` does.
fn convert(case: &Path, workers: usize) -> Outcome {
    let agreement = Agreement::new(scope(case)).unwrap();
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("batch.hl7");
    let clock = CLOCK.parse().unwrap();
    let mut writer = Writer::create(&path, Envelope::new(&agreement.scope, 1, clock), 1).unwrap();
    let mut journal = Faults::default();
    let accounts = Conversion {
        agreement: &agreement,
        pool: &rayon::ThreadPoolBuilder::new().num_threads(workers).build().unwrap(),
        clock,
        writer: &mut writer,
        journal: &mut journal,
        progress: Arc::new(Silent),
        scratch: place.path(),
        wanted: &mut [],
        part: false,
        guard: None,
        backfill: None,
    }
    .run(sources(&agreement, case), &|_| Ok(Vec::new()))
    .unwrap();
    writer.finish(agreement.scope.batching.send_empty).unwrap();
    let mut account = String::new();
    for (source, read) in &accounts {
        let name = &source.name;
        match read {
            Err(err) => account += &format!("{name}: refused: {err}; {}\n", err.hint()),
            Ok(read) => {
                let Counts { rows, sent, filtered, error, duplicate, messages } = read.counts;
                assert!(read.counts.balanced(), "{name}: {:?}", read.counts);
                account += &format!("{name}: {rows} rows = {sent} sent + {filtered} filtered");
                account += &format!(" + {error} error + {duplicate} duplicate");
                account += &format!("; {messages} messages\n");
                for (note, times) in &read.notes.0 {
                    account += &format!("  {times} {}\n", note.text());
                }
                for column in &read.unknown {
                    account += &format!("  unknown column {column}\n");
                }
            }
        }
    }
    for fault in journal.kept {
        account += &format!("{} {fault}\n", fault.code.owner().queue_state());
    }
    Outcome { file: fs::read(&path).unwrap_or_default(), account }
}

fn sources(agreement: &Agreement, case: &Path) -> Vec<Source> {
    let mut names: Vec<String> = fs::read_dir(case.join("drop"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let kind = |name: &str| -> ExtractKind {
        let mut kinds = agreement.scope.files.iter();
        let found = kinds.find(|(_, patterns)| patterns.iter().any(|one| one.matches(name)));
        *found.unwrap_or_else(|| panic!("{}: {name}", case.display())).0
    };
    let source =
        |name: &String| Source::of(&case.join("drop").join(name), name, kind(name), false).unwrap();
    names.iter().map(source).collect()
}

/// Keeps the faults of the extracts that were read to their end.
#[derive(Default)]
struct Faults {
    kept: Vec<Fault>,
    open: Vec<Fault>,
}

impl Journal for Faults {
    fn begin(&mut self, _: &Source, _: &str) -> Result<(), EngineError> {
        self.open.clear();
        Ok(())
    }

    fn fault(&mut self, fault: &Fault, _: &str, _: Whose) -> Result<(), EngineError> {
        self.open.push(fault.clone());
        Ok(())
    }

    fn end(&mut self, _: &Counts, _: &Notes) -> Result<(), EngineError> {
        self.kept.append(&mut self.open);
        Ok(())
    }

    fn undo(&mut self) -> Result<(), EngineError> {
        self.open.clear();
        Ok(())
    }
}

fn golden(name: &str) -> Vec<u8> {
    let path = Path::new(GOLDEN).join(name);
    fs::read(&path).unwrap_or_else(|err| panic!("{}: {err}", path.display()))
}

/// Runs `hl7drop convert` over the example extracts of the specification.
fn convert_golden(workers: &str) -> Vec<u8> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hl7drop"));
    command.args(["convert", "--interface", "tests/cases/golden-v231/interface.toml"]);
    command.args(["--clock", CLOCK, "--first-control-id", "1000001", "--file-number", "42"]);
    command.args(["--workers", workers]);
    for kind in ["patients", "appointments", "providers", "departments"] {
        command.arg(format!("{GOLDEN}/example_{kind}.csv"));
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[test]
fn the_golden_batch_file_comes_out_byte_for_byte() {
    let wanted = golden("v231_9_batch_file.hl7");
    for workers in ["1", "2", "8"] {
        assert!(convert_golden(workers) == wanted, "with {workers} workers");
    }
}

#[test]
fn each_golden_message_stands_in_the_batch_file() {
    let file = convert_golden("0");
    let read = BatchFile::read(&file).unwrap();
    let names = [
        "1_A28_add",
        "2_A31_update",
        "3_S12_booked",
        "4_S14_update",
        "5_S14_arrived",
        "6_S14_completed",
        "7_S15_cancelled",
        "8a_resched_S15_old",
        "8b_resched_S12_new",
    ];
    let messages: Vec<Vec<u8>> = read
        .messages()
        .map(|message| {
            let segments = message.segments.iter();
            segments.flat_map(|segment| [segment.bytes(), b"\r"].concat()).collect()
        })
        .collect();
    assert_eq!(messages.len(), names.len());
    for (name, message) in names.iter().zip(&messages) {
        assert!(*message == golden(&format!("v231_{name}.hl7")), "{name}");
    }
}

#[test]
fn the_golden_empty_batch_file_comes_out_of_a_drop_without_news() {
    let place = tempfile::tempdir().unwrap();
    let settings = fs::read_to_string("tests/cases/golden-v231/interface.toml").unwrap();
    let settings = format!("{settings}\n[batch]\nsend_empty = true\n");
    let interface = place.path().join("golden-v231.toml");
    fs::write(&interface, settings).unwrap();
    let header = golden("example_patients.csv");
    let header = header.split(|&byte| byte == b'\n').next().unwrap();
    let extract = place.path().join("patients.csv");
    fs::write(&extract, [header, b"\n"].concat()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_hl7drop"));
    command.arg("convert").arg("--interface").arg(&interface);
    command.args(["--clock", CLOCK, "--file-number", "43"]).arg(&extract);
    let output = ended(&mut command);
    assert_eq!(output.code, Some(0), "{output:?}");
    assert!(output.out.as_bytes() == golden("v231_10_empty_batch_file.hl7"), "{}", output.out);
}

#[test]
fn the_golden_acknowledgement_is_read_and_names_our_control_id() {
    let file = golden("v231_11_batch_ack.hl7");
    let read = BatchFile::read(&file).unwrap();
    let [acknowledged] = read.batches[0].messages.as_slice() else { panic!("not one message") };
    let msa = acknowledged.segment("MSA").unwrap();
    assert_eq!((msa.field(1), msa.field(2)), (&b"AE"[..], &b"1000002M99999"[..]));
    // What it refers to is FHS-11 and BHS-11 of the golden batch file.
    let sent = convert_golden("0");
    let sent = BatchFile::read(&sent).unwrap();
    assert_eq!(read.header.field(12), sent.header.field(11));
    assert_eq!(read.batches[0].header.field(12), sent.batches[0].header.field(11));
    assert_eq!(sent.batches[0].messages[1].control_id(), msa.field(2));
}

/// Every reason for which a row can be refused is met by a case, and told with the row and
/// the column or field. Others come from several drops, or are of no row.
#[test]
fn each_code_is_met_by_a_row_and_told_with_its_place() {
    // Told in `external_ids.rs`: X001, X002; of batch files, deliveries and the ledger: S.
    let elsewhere = [Code::X001, Code::X002, Code::S001, Code::S002, Code::S003, Code::S004];
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let accounts: String = fs::read_dir(folder)
        .unwrap()
        .filter_map(|case| fs::read_to_string(case.unwrap().path().join("expect/account.txt")).ok())
        .collect();
    for code in Code::ALL.iter().filter(|code| !elsewhere.contains(code)) {
        let (id, state) = (code.id(), code.owner().queue_state());
        let told = accounts.lines().find_map(|line| {
            let (place, what) = line.strip_prefix(&format!("{state} "))?.split_once(": ")?;
            let named = what.strip_prefix(&format!("{id} "))?.strip_suffix(code.text())?;
            Some((place, named))
        });
        let (place, named) = told.unwrap_or_else(|| panic!("no case has {id}"));
        assert!(place.contains(" record ") && place.contains(" (line "), "{id}: {place}");
        // A row of another width has no column to blame.
        assert_eq!(named.is_empty(), *code == Code::V001, "{id}: {named}");
    }
}
