//! The forms of extracts: the same records give the same messages however they are
//! written, and what a spreadsheet or a wrong encoding spoiled never goes out.

use std::fs;
use std::io::{Cursor, Write as _};
use std::path::Path;
use std::sync::Arc;

use encoding_rs::WINDOWS_1252;
use flate2::Compression;
use flate2::write::GzEncoder;
use hl7drop::batch::Envelope;
use hl7drop::config::interface;
use hl7drop::domain::{Counts, Encoding, ExtractKind, Fault, Notes, Scope, Whose};
use hl7drop::engine::{Agreement, Conversion, EngineError, Journal, Silent, Source, Writer};
use hl7drop::extract::{Blocks, ExtractError, Limits, Reading, Rows, Text, Vocabulary};
use proptest::prelude::*;

/// What became of a drop.
pub struct Converted {
    /// The batch file.
    pub file: Vec<u8>,
    /// The counts of each extract, or why it was refused; in the order they were read.
    pub extracts: Vec<Result<Counts, String>>,
    /// Columns that nobody knows.
    pub unknown: Vec<String>,
    /// The faults, as they are told.
    pub faults: Vec<String>,
}

/// Keeps what is told.
#[derive(Default)]
struct Told(Vec<String>);

impl Journal for Told {
    fn begin(&mut self, _: &Source, _: &str) -> Result<(), EngineError> {
        Ok(())
    }

    fn fault(&mut self, fault: &Fault, _: &str, _: Whose) -> Result<(), EngineError> {
        self.0.push(fault.to_string());
        Ok(())
    }

    fn end(&mut self, _: &Counts, _: &Notes) -> Result<(), EngineError> {
        Ok(())
    }

    fn undo(&mut self) -> Result<(), EngineError> {
        self.0.clear();
        Ok(())
    }
}

/// Converts extracts within this process, by a plain interface with `settings`
/// added to it.
pub fn convert(settings: &str, drop: &[(ExtractKind, &[u8])]) -> Converted {
    let text = fs::read_to_string("tests/cases/gzip/interface.toml").unwrap();
    convert_by(interface::read(&(text + settings), Path::new("/etc/hl7drop")).unwrap(), drop)
}

fn convert_by(scope: Scope, drop: &[(ExtractKind, &[u8])]) -> Converted {
    let agreement = Agreement::new(scope).unwrap();
    let place = tempfile::tempdir().unwrap();
    let sources = drop.iter().zip(0..).map(|((kind, bytes), number)| {
        let path = place.path().join(format!("{number}"));
        fs::write(&path, bytes).unwrap();
        Source::of(&path, kind.word(), *kind, false).unwrap()
    });
    let path = place.path().join("batch.hl7");
    let clock = "2026-05-20T11:00:00".parse().unwrap();
    let mut writer = Writer::create(&path, Envelope::new(&agreement.scope, 1, clock), 1).unwrap();
    let mut told = Told::default();
    let accounts = Conversion {
        agreement: &agreement,
        pool: &rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap(),
        clock,
        writer: &mut writer,
        journal: &mut told,
        progress: Arc::new(Silent),
        scratch: place.path(),
        wanted: &mut [],
        part: false,
        guard: None,
        backfill: None,
    }
    .run(sources.collect(), &|_| Ok(Vec::new()))
    .unwrap();
    writer.finish(false).unwrap();
    let counts = accounts.iter().map(|(_, read)| match read {
        Ok(read) => Ok(read.counts),
        Err(err) => Err(format!("{err}; {}", err.hint())),
    });
    let unknown = accounts.iter().filter_map(|(_, read)| read.as_ref().ok());
    Converted {
        file: fs::read(&path).unwrap_or_default(),
        extracts: counts.collect(),
        unknown: unknown.flat_map(|account| account.unknown.clone()).collect(),
        faults: told.0,
    }
}

/// Converts one patients extract.
fn patients(settings: &str, bytes: &[u8]) -> Converted {
    convert(settings, &[(ExtractKind::Patients, bytes)])
}

/// A section for each kind with one setting.
fn everywhere(setting: &str) -> String {
    let section = |kind: &ExtractKind| format!("[extract.{}]\n{setting}\n", kind.word());
    ExtractKind::ALL.iter().map(section).collect()
}

/// The extracts of a folder, as they are.
fn drop_of(folder: &str) -> Vec<(ExtractKind, Vec<u8>)> {
    let read = |kind: ExtractKind| fs::read(format!("{folder}/{}.csv", kind.word())).unwrap();
    ExtractKind::ALL.iter().map(|kind| (*kind, read(*kind))).collect()
}

fn convert_all(settings: &str, drop: &[(ExtractKind, Vec<u8>)]) -> Converted {
    let drop: Vec<(ExtractKind, &[u8])> =
        drop.iter().map(|(kind, bytes)| (*kind, bytes.as_slice())).collect();
    convert(settings, &drop)
}

/// Writes records anew with another delimiter.
fn delimited(csv: &[u8], delimiter: u8) -> Vec<u8> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(csv);
    let mut writer =
        csv::WriterBuilder::new().delimiter(delimiter).flexible(true).from_writer(Vec::new());
    for record in reader.byte_records() {
        writer.write_byte_record(&record.unwrap()).unwrap();
    }
    writer.into_inner().unwrap()
}

fn utf16(text: &[u8], unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
    let text = std::str::from_utf8(text).unwrap();
    std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(unit).collect()
}

#[test]
fn real_extracts_give_the_same_file_in_every_form() {
    for dialect in ["api", "report"] {
        let drop = drop_of(&format!("../shared/data/{dialect}"));
        let wanted = convert_all("", &drop);
        assert!(wanted.file.len() > 1 << 20, "{dialect}");
        let same = |what: &str, settings: &str, form: &dyn Fn(&[u8]) -> Vec<u8>| {
            let drop: Vec<(ExtractKind, Vec<u8>)> =
                drop.iter().map(|(kind, bytes)| (*kind, form(bytes))).collect();
            let found = convert_all(settings, &drop);
            assert_eq!(found.extracts, wanted.extracts, "{dialect} as {what}");
            assert!(found.file == wanted.file, "{dialect} as {what}");
        };
        for delimiter in [b'\t', b'|', b';'] {
            same(&format!("{:?}", char::from(delimiter)), "", &|csv| delimited(csv, delimiter));
        }
        let tabs = everywhere("delimiter = \"tab\"");
        same("TSV by its setting", &tabs, &|csv| delimited(csv, b'\t'));
        same("UTF-8 with its mark", "", &|csv| [b"\xef\xbb\xbf", csv].concat());
        same("UTF-16", "", &|csv| utf16(csv, u16::to_le_bytes));
        let agreed = everywhere("encoding = \"utf-16\"");
        same("UTF-16 without a mark", &agreed, &|csv| utf16(csv, u16::to_be_bytes)[2..].to_vec());
        let windows = everywhere("encoding = \"windows-1252\"");
        same("Windows-1252", &windows, &|csv| {
            let text = std::str::from_utf8(csv).unwrap();
            let (bytes, _, lost) = WINDOWS_1252.encode(text);
            assert!(!lost);
            bytes.into_owned()
        });
    }
}

const HEADER: &str = "patientid,lastname,firstname,dob,sex";

/// One patient of a few cells, below the header.
fn patient(cells: [&str; 5]) -> Vec<u8> {
    format!("{HEADER}\n{}\n", cells.join(",")).into_bytes()
}

#[test]
fn what_a_spreadsheet_spoiled_never_goes_out() {
    let good = ["4471", "TESTPATIENT", "ANN", "02/14/1987", "F"];
    assert_eq!(patients("", &patient(good)).faults, [""; 0]);
    let spoiled: &[(usize, &str, &str)] = &[
        (0, "4.471E+03", "X003 patientid"),
        (0, "4471.0", "X003 patientid"),
        (0, "\"4471.0 \"", "X003 patientid"),
        (0, "3-Mar", "X003 patientid"),
        (3, "31821", "T001 dob (PID-7)"),
        (3, "14-Feb-87", "T001 dob (PID-7)"),
        (3, "Feb-87", "T001 dob (PID-7)"),
        (3, "2/14/87", "T001 dob (PID-7)"),
    ];
    for (at, value, told) in spoiled {
        let mut cells = good;
        cells[*at] = value;
        let found = patients("", &patient(cells));
        assert!(found.file.is_empty(), "{value}");
        let [fault] = found.faults.as_slice() else { panic!("{value}: {:?}", found.faults) };
        let place = format!("patients record 1 (line 2): {told}: ");
        assert!(fault.starts_with(&place), "{value}: {fault}");
        assert!(!fault.contains(value.trim_matches('"')), "{fault}");
    }
    // A code that became a date, an ID in a column of an insurance, and in a table.
    let table = |column: &str, value: &str| {
        let header = format!("{HEADER},{column}\n1,TESTPATIENT,ANN,02/14/1987,F,{value}\n");
        patients("", header.as_bytes()).faults
    };
    for (column, value) in
        [("race", "Mar-06"), ("insurance2_insuranceidnumber", "1.23457E+11"), ("pcpnpi", "1E+09")]
    {
        let found = table(column, value);
        assert!(found[0].contains(&format!("X003 {column}: ")), "{found:?}");
    }
    let npi = b"providerid,npi\n27,1.23457E+09\n";
    let found = convert("", &[(ExtractKind::Providers, npi)]);
    assert!(found.faults[0].starts_with("providers record 1 (line 2): X003 npi: "));
    // Free text is text.
    assert_eq!(table("preferredname", "3-Mar"), [""; 0]);
}

#[test]
fn lost_zeros_are_put_back_only_where_that_is_agreed() {
    let with = |settings: &str, value: &str| {
        let id = "[[external_ids.patient]]\nname = \"x\"\ncustom_field_id = \"77\"\n\
                  category = \"x\"\nfield = \"PID-18\"\nwidth = 7\n";
        let text = format!("{HEADER},customfield_77\n1,TESTPATIENT,ANN,02/14/1987,F,{value}\n");
        let found = patients(&format!("{id}{settings}"), text.as_bytes());
        (String::from_utf8(found.file).unwrap().contains("|0004471^^^"), found.faults)
    };
    assert_eq!(with("", "0004471"), (true, vec![]));
    assert_eq!(with("zero_pad = true", "4471"), (true, vec![]));
    for settings in ["", "zero_pad = false", "leading_zeros = true"] {
        let (sent, faults) = with(settings, "4471");
        assert!(!sent && faults[0].contains("X003 customfield_77 (PID-18)"), "{faults:?}");
    }
    for value in ["4471.0", "4.471E+03", "447l"] {
        let (sent, faults) = with("zero_pad = true", value);
        assert!(!sent && faults[0].contains("X003 customfield_77"), "{value}: {faults:?}");
    }
}

#[test]
fn what_cannot_be_decoded_is_told_with_its_row_and_byte() {
    let file = b"patientid,lastname,firstname,dob,sex\n1,A,ANN,02/14/1987,F\n\
                 2,NU\xd1EZ,ANN,02/14/1987,F\n3,C,ANN,02/14/1987,F\n";
    let found = patients("", file);
    let counts = found.extracts[0].clone().unwrap();
    assert_eq!((counts.sent, counts.error), (2, 1));
    let at = file.iter().position(|byte| *byte == 0xd1).unwrap();
    assert_eq!(
        found.faults,
        [format!(
            "patients record 2 (line 3): V002 lastname, byte {at} of the file: bytes that \
             cannot be decoded"
        )]
    );
    let windows = patients("[extract.patients]\nencoding = \"windows-1252\"", file);
    assert!(String::from_utf8(windows.file).unwrap().contains("NU\u{d1}EZ"));
    // A byte that the agreed encoding does not have.
    let file = String::from_utf8_lossy(file).replace('\u{fffd}', "N\u{81}");
    let (bytes, ..) = WINDOWS_1252.encode(&file);
    let latin = patients("[extract.patients]\nencoding = \"latin-1\"", &bytes);
    assert!(latin.faults[0].contains("V002 lastname, byte "), "{:?}", latin.faults);
    assert!(latin.faults[0].contains(" of the file as UTF-8: "), "{:?}", latin.faults);
    assert_eq!(latin.extracts[0].clone().unwrap().sent, 2);
}

#[test]
fn files_that_are_no_text_of_the_agreed_kind_are_refused() {
    let good = patient(["1", "TESTPATIENT", "ANN", "02/14/1987", "F"]);
    let refused = |settings: &str, bytes: &[u8]| {
        let found = patients(settings, bytes);
        assert!(found.file.is_empty());
        found.extracts[0].clone().unwrap_err()
    };
    let told = refused("[extract.patients]\nencoding = \"utf-8\"", &utf16(&good, u16::to_le_bytes));
    assert!(told.starts_with("the file is UTF-16 text; export it as UTF-8, or set"), "{told}");
    let told = refused("", &utf16(&good, u16::to_be_bytes)[2..]);
    assert!(told.starts_with("the file is UTF-16 text; "), "{told}");
    let told = refused("[extract.patients]\nencoding = \"utf-16\"", &good);
    assert!(told.starts_with("the file is not UTF-16 text; set encoding = \"auto\""), "{told}");
    let told = refused("[extract.patients]\ndelimiter = \"tab\"", &good);
    assert!(told.starts_with("the header has no column patientid, lastname, "), "{told}");
}

#[test]
fn a_site_names_its_columns_and_what_nobody_knows_is_told_once() {
    let text = b"Chart No,Family,firstname,dob,sex,Room,Shoe Size,shoe_size,Shoe Size,\n\
                 1,TESTPATIENT,ANN,02/14/1987,F,7,42,42,42,\n\
                 2,TESTPATIENT,BEN,02/14/1987,M,7,42,42,42,\n";
    assert!(patients("", text).extracts[0].is_err());
    let settings = "[columns.patients]\n\"Chart No\" = \"patientid\"\nfamily = \"lastname\"\n\
                    \"ROOM\" = \"\"\n[provider_id]\nuse = \"athena\"\n";
    let found = patients(settings, text);
    assert_eq!(found.extracts[0].clone().unwrap().sent, 2);
    assert_eq!(found.unknown, ["Shoe Size", "shoe_size"]);
    // A patient's column in an appointments extract goes by the patients' names.
    let text = b"appointmentid,patientid,departmentid,providerid,appointmentstatus,date,starttime,\
                 duration,Family,patient firstname,patientdob\n7,1,12,27,f,05/20/2026,10:00,15,\
                 TESTPATIENT,ANN,02/14/1987\n";
    let tables = "[providers.27]\nnpi = \"1234567893\"\n";
    let found = convert(&format!("{settings}{tables}"), &[(ExtractKind::Appointments, text)]);
    assert_eq!((found.faults, found.unknown), (vec![], vec![]));
    let file = String::from_utf8(found.file).unwrap();
    assert!(file.contains("|TESTPATIENT^ANN"), "{file}");
    let text = fs::read_to_string("tests/cases/gzip/interface.toml").unwrap();
    let text = text + "[columns.patients]\nx = \"lastnam\"\n";
    let scope = interface::read(&text, Path::new("/etc/hl7drop")).unwrap();
    let told = Agreement::new(scope).err().unwrap().to_string();
    assert!(told.starts_with("columns: patients: `lastnam`, which `x` is to mean, is no column"));
}

/// A text and the records that are in it.
type Cells = (&'static str, &'static [u8], &'static [&'static [&'static str]]);

/// The edge cases of `csv-spectrum` (BSD-2-Clause) and of RFC 4180, as records below a
/// header of ours, with the cells that must be read from them.
const CSV: &[Cells] = &[
    ("simple", b"1,2,3\n", &[&["1", "2", "3"]]),
    ("simple_crlf", b"1,2,3\r\n", &[&["1", "2", "3"]]),
    ("no line end at the end", b"1,2,3", &[&["1", "2", "3"]]),
    (
        "comma_in_quotes",
        b"120 any st.,\"Anytown, WW\",08123",
        &[&["120 any st.", "Anytown, WW", "08123"]],
    ),
    ("empty", b"1,\"\",\"\"\n2,3,4", &[&["1", "", ""], &["2", "3", "4"]]),
    ("empty_crlf", b"1,\"\",\"\"\r\n2,3,4", &[&["1", "", ""], &["2", "3", "4"]]),
    ("empty cells", b",,\n", &[&["", "", ""]]),
    (
        "escaped_quotes",
        b"1,\"ha \"\"ha\"\" ha\",x\n3,4,5\n",
        &[&["1", "ha \"ha\" ha", "x"], &["3", "4", "5"]],
    ),
    ("nothing but quotes", b"\"\"\"\",\"\"\"\"\"\",x\n", &[&["\"", "\"\"", "x"]]),
    (
        "json",
        b"1,\"{\"\"type\"\": \"\"Point\"\", \"\"coordinates\"\": [102.0, 0.5]}\",x\n",
        &[&["1", "{\"type\": \"Point\", \"coordinates\": [102.0, 0.5]}", "x"]],
    ),
    (
        "newlines",
        b"1,2,3\n\"Once upon \na time\",5,6\n7,8,9\n",
        &[&["1", "2", "3"], &["Once upon \na time", "5", "6"], &["7", "8", "9"]],
    ),
    (
        "newlines_crlf",
        b"1,2,3\r\n\"Once upon \r\na time\",5,6\r\n7,8,9\r\n",
        &[&["1", "2", "3"], &["Once upon \r\na time", "5", "6"], &["7", "8", "9"]],
    ),
    (
        "quotes_and_newlines",
        b"1,\"ha \n\"\"ha\"\" \nha\",x\n3,4,5\n",
        &[&["1", "ha \n\"ha\" \nha", "x"], &["3", "4", "5"]],
    ),
    ("utf8", b"4,5,\xca\xa4", &[&["4", "5", "\u{2a4}"]]),
    (
        "location_coordinates",
        b"2095257564,\"37\xc2\xb036'37.8\"\"N\",Modesto",
        &[&["2095257564", "37\u{b0}36'37.8\"N", "Modesto"]],
    ),
    ("a quote within a value", b"5\" NAIL,37'37.8\"N,x\n", &[&["5\" NAIL", "37'37.8\"N", "x"]]),
    ("text behind a closing quote", b"\"a\"b,c,d\n", &[&["ab", "c", "d"]]),
    ("blanks count", b" a , \"b\" ,c\n", &[&[" a ", " \"b\" ", "c"]]),
    (
        "blank lines are no records",
        b"\n1,2,3\n\r\n\n4,5,6\n\n",
        &[&["1", "2", "3"], &["4", "5", "6"]],
    ),
    ("line ends of old Macs", b"1,2,3\r4,5,6\r", &[&["1", "2", "3"], &["4", "5", "6"]]),
    ("other delimiters are text", b"a;b,c|d,e\tf\n", &[&["a;b", "c|d", "e\tf"]]),
];

/// Reads records below a header, in blocks as small as they come.
fn cells(records: &[u8], block_bytes: usize) -> Result<Vec<Vec<String>>, ExtractError> {
    let file = [b"departmentid,name,x\n", records].concat();
    let reading =
        Reading::new(&Vocabulary::standard().unwrap(), &std::collections::BTreeMap::new()).unwrap();
    let text = Text::of(Cursor::new(file), Encoding::Auto)?;
    let limits = Limits { block_bytes, record_bytes_max: 1 << 16 };
    let (header, mut blocks) = Blocks::open(text, &reading, ExtractKind::Departments, limits)?;
    let layout = header.unwrap();
    let mut found = Vec::new();
    while let Some(block) = blocks.next_block()? {
        let mut rows = Rows::new(&block, &layout);
        while let Some(row) = rows.next_row() {
            assert_eq!(row.fault, None);
            let text = |value: &[u8]| String::from_utf8(value.to_vec()).unwrap();
            found.push(row.values.iter().map(text).collect());
        }
    }
    Ok(found)
}

#[test]
fn the_edge_cases_of_csv_are_read_cell_by_cell() {
    for (what, records, wanted) in CSV {
        for block_bytes in [24, 40, 1 << 12] {
            assert_eq!(cells(records, block_bytes).unwrap(), *wanted, "{what}");
        }
    }
    for open in ["1,\"2,3\n", "1,2,\"", "\"1\n2\n3\n"] {
        let err = cells(open.as_bytes(), 24).unwrap_err();
        assert!(matches!(err, ExtractError::OpenQuote { line: 2 }), "{open}: {err}");
    }
}

/// Any text of characters that Windows-1252 has.
fn windows_text() -> impl Strategy<Value = String> {
    "[ -~\u{a0}-\u{ff}\u{20ac}\u{2019}\u{160}\t\r\n]{0,12}"
}

/// A patients extract of a few records.
fn any_patients() -> impl Strategy<Value = Vec<u8>> {
    let record = proptest::collection::vec(windows_text(), 4);
    proptest::collection::vec(record, 1..5).prop_map(|records| {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let header = ["patientid", "dob", "sex", "lastname", "firstname", "address1", "city"];
        writer.write_record(header).unwrap();
        for (record, id) in records.iter().zip(1..) {
            let id = id.to_string();
            let known = [id.as_str(), "02/14/1987", "F"];
            writer
                .write_record(known.into_iter().chain(record.iter().map(String::as_str)))
                .unwrap();
        }
        writer.into_inner().unwrap()
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 24, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn the_delimiter_and_the_encoding_change_no_byte(csv in any_patients()) {
        let wanted = patients("", &csv);
        let wanted = (&wanted.file, &wanted.faults);
        for delimiter in [b'\t', b'|', b';'] {
            let found = patients("", &delimited(&csv, delimiter));
            prop_assert_eq!((&found.file, &found.faults), wanted);
        }
        for unit in [u16::to_le_bytes, u16::to_be_bytes] {
            let found = patients("", &utf16(&csv, unit));
            prop_assert_eq!((&found.file, &found.faults), wanted);
        }
        let (windows, _, lost) = WINDOWS_1252.encode(std::str::from_utf8(&csv).unwrap());
        prop_assert!(!lost);
        let found = patients("[extract.patients]\nencoding = \"windows-1252\"", &windows);
        prop_assert_eq!((&found.file, &found.faults), wanted);
    }
}

/// Writes a delimited extract as NDJSON in the API's nesting; empty cells are left out
/// but for every third record, where they are null.
fn ndjson(csv: &[u8]) -> Vec<u8> {
    use serde_json::{Map, Value, json};
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(csv);
    let header = reader.headers().unwrap().clone();
    let mut out = Vec::new();
    for (record, at) in reader.records().zip(0..) {
        let record = record.unwrap();
        let (mut flat, mut insurances) = (Map::new(), vec![Map::new(); 3]);
        let mut custom = Vec::new();
        for (name, value) in header.iter().zip(&record) {
            let number = name.strip_prefix("insurance").and_then(|rest| rest.split_once('_'));
            let value = match name {
                _ if value.is_empty() && at % 3 > 0 => continue,
                _ if value.is_empty() => Value::Null,
                "race" => value.split(';').collect(),
                "appointmentnotes" => json!([{ "noteid": at, "notetext": value }]),
                "duration" => json!(value.parse::<u32>().unwrap()),
                _ => json!(value),
            };
            if let Some((number, name)) = number {
                let number: usize = number.parse().unwrap();
                insurances[number - 1].insert(name.to_string(), value);
            } else if let Some(id) = name.strip_prefix("customfield_") {
                let key = if at % 2 == 0 { "customfieldvalue" } else { "optionid" };
                custom.push(json!({ "customfieldid": id, key: value }));
            } else {
                flat.insert(name.to_string(), value);
            }
        }
        let numbered = insurances.into_iter().zip(1..4).map(|(mut insurance, number)| {
            insurance.insert("sequencenumber".to_string(), json!(number));
            Value::Object(insurance)
        });
        // Their numbers count, not their order.
        flat.insert("insurances".to_string(), numbered.rev().collect());
        flat.insert("customfields".to_string(), custom.into());
        serde_json::to_writer(&mut out, &flat).unwrap();
        out.extend_from_slice(if at % 2 == 0 { b"\n" } else { b"\r\n\n" });
    }
    out
}

#[test]
fn ndjson_of_the_same_records_gives_the_same_file() {
    for (folder, prefix) in [("data/api", ""), ("spec/golden", "example_")] {
        let read = |kind: &ExtractKind| {
            let path = format!("../shared/{folder}/{prefix}{}.csv", kind.word());
            (*kind, fs::read(path).unwrap())
        };
        let drop: Vec<(ExtractKind, Vec<u8>)> = ExtractKind::ALL.iter().map(read).collect();
        let wanted = convert_all("", &drop);
        let json: Vec<(ExtractKind, Vec<u8>)> =
            drop.iter().map(|(kind, bytes)| (*kind, ndjson(bytes))).collect();
        let found = convert_all("", &json);
        assert_eq!(found.extracts, wanted.extracts, "{folder}");
        assert!(found.file == wanted.file && found.file.len() > 10_000, "{folder}");
        let packed: Vec<(ExtractKind, Vec<u8>)> = json
            .iter()
            .map(|(kind, bytes)| {
                let text = std::str::from_utf8(bytes).unwrap();
                (*kind, utf16(text.as_bytes(), u16::to_le_bytes))
            })
            .collect();
        assert!(convert_all("", &packed).file == wanted.file, "{folder} in UTF-16");
    }
}

/// A good record, to be spoiled.
const RECORD: &str =
    r#"{"patientid": 1, "lastname": "A", "firstname": "B", "dob": "02/14/1987", "sex": "F"}"#;

#[test]
fn a_bad_line_is_told_with_its_place_and_costs_nothing_beside_it() {
    let with = |member: &str| RECORD.replace("\"sex\"", &format!("{member}, \"sex\""));
    let bad: &[(&str, String, &str)] = &[
        ("cut off", RECORD[..40].to_string(), "V005 character 40 of the line: "),
        ("no object", "[1, 2]".into(), "V005 character "),
        ("two on a line", format!("{RECORD} {RECORD}"), "V005 character 86 of the line: "),
        ("a number without quotes", with("\"zip\": 02134"), "V005 character "),
        ("a tab in a text", with("\"city\": \"a\tb\""), "V005 character "),
        ("a name twice", with("\"dob\": \"02/14/1987\""), "V006 dob: "),
        ("nonsense twice", with("\"x\": 1, \"x\": 1"), "V006 a name stands twice"),
        ("a list of insurances twice", with("\"insurances\": [], \"insurances\": []"), "V006 ins"),
        (
            "two insurances of one number",
            with("\"insurances\": [{\"ircid\": 1}, {\"sequencenumber\": \"1\", \"ircid\": 1}]"),
            "V006 insurance1_ircid: ",
        ),
        (
            "two custom fields of one ID",
            with(
                "\"customfields\": [{\"customfieldid\": 7, \"optionid\": 1}, \
                 {\"customfieldid\": \"7\"}]",
            ),
            "V006 customfield_7: ",
        ),
        (
            "two values of one custom field",
            with("\"customfields\": [{\"customfieldid\": 7, \"optionid\": 1, \"optionid\": 2}]"),
            "V006 customfields: ",
        ),
        ("a list", with("\"city\": [\"a\"]"), "V007 city: "),
        ("an object", with("\"city\": {}"), "V007 city: "),
        ("a list in a list", with("\"race\": [[\"2106-3\"]]"), "V007 race: "),
        ("a custom field without ID", with("\"customfields\": [{}]"), "V007 customfields: "),
        ("a custom field that is none", with("\"customfields\": [7]"), "V007 customfields: "),
        (
            "an insurance of no number",
            with("\"insurances\": [{\"sequencenumber\": \"first\"}]"),
            "V007 insurances: ",
        ),
        ("NUL", with("\"city\": \"a\\u0000b\""), "V003 city: "),
        ("half a pair", with("\"city\": \"a\\ud83db\""), "V002 city: "),
        ("a fraction", RECORD.replace("1,", "4471.0,"), "X003 patientid: "),
        ("a power of ten", RECORD.replace("1,", "4.471e3,"), "X003 patientid: "),
        ("a spreadsheet's text", RECORD.replace("1,", "\"4.471E+03\","), "X003 patientid: "),
        ("nobody", RECORD.replace("1,", "null,"), "M001 patientid (PID-3): "),
    ];
    for (what, line, told) in bad {
        let text = format!("{RECORD}\n\r\n{line}\n{}\n", RECORD.replace("1,", "\"2\","));
        let found = patients("", text.as_bytes());
        let counts = found.extracts[0].clone().unwrap();
        assert_eq!((counts.rows, counts.sent, counts.error), (3, 2, 1), "{what}");
        let place = format!("patients record 2 (line 3): {told}");
        assert!(found.faults[0].starts_with(&place), "{what}: {:?}", found.faults);
    }
    // Bytes that are not UTF-8, and where they are.
    let line = RECORD.replace("\"A\"", "\"NU?EZ\"").into_bytes();
    let line: Vec<u8> =
        line.into_iter().map(|byte| if byte == b'?' { 0xd1 } else { byte }).collect();
    let text = [RECORD.as_bytes(), b"\n", &line].concat();
    let at = text.iter().position(|byte| *byte == 0xd1).unwrap();
    let told = format!("patients record 2 (line 2): V002 byte {at} of the file: ");
    let found = patients("", &text);
    assert!(found.faults[0].starts_with(&told), "{:?}", found.faults);
    let windows = patients("[extract.patients]\nencoding = \"windows-1252\"", &text);
    assert!(String::from_utf8(windows.file).unwrap().contains("NU\u{d1}EZ"));
}

#[test]
fn a_json_number_is_an_id_unless_its_zeros_count() {
    let id = "[[external_ids.patient]]\nname = \"x\"\ncustom_field_id = \"77\"\n\
              category = \"x\"\nfield = \"PID-18\"\n";
    let with = |settings: &str, value: &str| {
        let field = format!("\"customfields\": [{{\"customfieldid\": 77, {value}}}]");
        let record = RECORD.replace("\"sex\"", &format!("{field}, \"sex\""));
        let found = patients(&format!("{id}{settings}"), record.as_bytes());
        (String::from_utf8(found.file).unwrap(), found.faults)
    };
    for value in ["\"customfieldvalue\": 4471", "\"customfieldvalue\": \"\", \"optionid\": 4471"] {
        let (file, faults) = with("", value);
        assert!(file.contains("|4471^^^") && faults.is_empty(), "{value}: {faults:?}");
        let (file, faults) = with("leading_zeros = true", value);
        assert!(file.is_empty() && faults[0].contains("X003 customfield_77: "), "{faults:?}");
        let (file, faults) = with("width = 7\nzero_pad = true", value);
        assert!(file.is_empty() && faults[0].contains("X003 customfield_77: "), "{faults:?}");
    }
    let (file, faults) = with("width = 7", "\"customfieldvalue\": \"0004471\"");
    assert!(file.contains("|0004471^^^") && faults.is_empty(), "{faults:?}");
    // More digits than a float holds.
    let record = RECORD.replace("1,", "123456789012345678901234567890,");
    let file = String::from_utf8(patients("", record.as_bytes()).file).unwrap();
    assert!(file.contains("|123456789012345678901234567890^^^ATHENA^PI|"), "{file}");
}

#[test]
fn what_is_no_record_a_line_is_refused_with_what_to_do() {
    let refused = |text: &str| {
        let found = patients("", text.as_bytes());
        assert!(found.file.is_empty());
        found.extracts[0].clone().unwrap_err()
    };
    for text in ["{\n  \"patientid\": 1\n}", "[\n{}]", &format!("[{RECORD}]"), "[ {", "[]"] {
        let told = refused(text);
        assert!(told.starts_with("the file is one JSON document, not a JSON object"), "{told}");
        assert!(told.ends_with("jq -c '.patients[]'"), "{told}");
    }
    let told = refused(&format!("{{\"patients\": [{RECORD}], \"totalcount\": 1}}"));
    assert!(told.starts_with("no record has a patientid, a lastname, a firstname, "), "{told}");
    let told = refused("{\"patientid\": 1\n{\"patientid\": 2\n");
    assert!(told.starts_with("no record has a patientid, "), "{told}");
    assert!(refused(" \n").starts_with("the header has no column"));
    let values: Vec<String> = (0..5000).map(|id| format!("{{\"{id}\": \"x\"}}\n")).collect();
    let told = refused(&format!("{RECORD}\n{}", values.concat()));
    assert!(told.contains("have more than 4096 different names; names must be those of"), "{told}");
    let long = RECORD.replace("\"A\"", &format!("\"{}\"", "A".repeat(5 << 20)));
    let told = refused(&format!("{RECORD}\n{long}\n"));
    assert!(told.starts_with("the record that begins on line 2 is longer than "), "{told}");
}

fn gzipped(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// Each reason of [`ExtractError`]: which file has it, the settings, and what is told.
const UNREADABLE: &[(&str, &str, &str)] = &[
    ("empty", "", "the file is empty; export it again; an empty export often means a failed query"),
    (
        "UTF-16",
        "[extract.patients]\nencoding = \"utf-8\"",
        "the file is UTF-16 text; export it as UTF-8, or set encoding = \"utf-16\" in its section \
         of [extract]",
    ),
    (
        "good",
        "[extract.patients]\nencoding = \"utf-16\"",
        "the file is not UTF-16 text; set encoding = \"auto\" in its section of [extract]",
    ),
    (
        "bomb",
        "",
        "the gzip data grows more than 400-fold; no extract does; ask whoever made the file what \
         it is",
    ),
    (
        "columns",
        "",
        "the header has no column firstname, dob, sex; add the column to the export, or name it \
         as `hl7drop` knows it (config/columns.toml lists every name)",
    ),
    (
        "names",
        "",
        "no record has a lastname, a firstname, a dob; add it to the export, or name it as \
         `hl7drop` knows it (config/columns.toml lists every name); each line is one patient or \
         appointment, not a list of them",
    ),
    (
        "many names",
        "",
        "the records up to line 5003 have more than 4096 different names; names must be those of \
         columns, not values such as IDs: export it as the API does",
    ),
    (
        "document",
        "",
        "the file is one JSON document, not a JSON object on each line; write a record a line, for \
         example with jq -c '.patients[]'",
    ),
    (
        "header",
        "",
        "the header is not UTF-8 text; export it as UTF-8, or set encoding = \"windows-1252\" in \
         its section of [extract]",
    ),
    (
        "open quote",
        "",
        "a quote opened in the record that begins on line 3 is never closed; the file was probably \
         cut off while it was written: export it again",
    ),
    (
        "long record",
        "",
        "the record that begins on line 2 is longer than 4194304 bytes; look for a quote that is \
         never closed, or a file that is neither CSV nor NDJSON",
    ),
    (
        "large",
        "[pickup]\nfile_mib_max = 1\n",
        "the file has more than 1 MiB of text; ask whoever made it what it is; if it is right, \
         raise file_mib_max in [pickup]",
    ),
    (
        "cut off",
        "",
        "the gzip data is cut off or damaged after 0 decompressed bytes; the file was probably cut \
         off: copy or export it again",
    ),
];

/// Returns the bytes of one of those files.
fn unreadable(what: &str) -> Vec<u8> {
    let good = patient(["1", "TESTPATIENT", "ANN", "02/14/1987", "F"]);
    let names = |text: String| format!("{RECORD}\n{text}\n").into_bytes();
    match what {
        "empty" => Vec::new(),
        "UTF-16" => utf16(&good, u16::to_le_bytes),
        "bomb" => gzipped(&[&good[..], &vec![b'\n'; 40 << 20]].concat()),
        "columns" => b"patientid,lastname\n1,A\n".to_vec(),
        "names" => b"{\"patientid\": 1, \"sex\": \"F\"}\n".to_vec(),
        "many names" => names((0..5000).map(|id| format!("{{\"{id}\": 1}}\n")).collect()),
        "document" => format!("[{RECORD}]").into_bytes(),
        "header" => [&b"\xe9"[..], &good].concat(),
        "open quote" => [&good[..], b"2,\"A,B,02/14/1987,F\n"].concat(),
        "long record" => names(RECORD.replace("\"A\"", &format!("\"{}\"", "A".repeat(5 << 20)))),
        "large" => [&good[..], &b"2,A,B,02/14/1987,F\n".repeat(80_000)].concat(),
        "cut off" => gzipped(&good)[..12].to_vec(),
        _ => good,
    }
}

#[test]
fn every_reason_to_refuse_a_file_is_told_with_what_to_do() {
    for (what, settings, told) in UNREADABLE {
        let found = patients(settings, &unreadable(what));
        assert_eq!(found.extracts[0], Err((*told).to_string()), "{what}");
    }
    let source = fs::read_to_string("src/extract/mod.rs").unwrap();
    let (_, source) = source.split_once("pub enum ExtractError").unwrap();
    let mut left = crate::settings::sentences(source);
    left.retain(|text| !UNREADABLE.iter().any(|(.., told)| crate::settings::became(text, told)));
    // By `a_file_that_must_not_be_read_goes_to_error`.
    let unread = ["the file cannot be read: {0}", "look at the file's permissions and at the disk"];
    assert_eq!(left, unread);
}

#[test]
fn words_of_json_mean_what_they_say() {
    let with = |member: &str| {
        let text = RECORD.replace("\"sex\"", &format!("{member}, \"sex\""));
        let settings = "[columns.patients]\nmrn = \"patientid\"\n";
        let text = text.replace("\"patientid\"", "\"MRN\"");
        let found = patients(settings, format!("\u{feff}{text}").as_bytes());
        assert_eq!(found.faults, [""; 0], "{member}");
        String::from_utf8(found.file).unwrap()
    };
    assert!(with("\"deceased\": true").contains("|Y\r"));
    for nothing in ["\"deceased\": false", "\"deceased\": null", "\"deceased\": \"\""] {
        assert!(!with(nothing).contains("|Y\r"), "{nothing}");
    }
    assert!(with("\"race\": [\"2106-3\", \"declined\", \"1002-5\"]").contains("|2106-3^White"));
    assert!(with("\"race\": \"2106-3\\t1002-5\"").contains("CDCREC~1002-5^"));
    assert!(with("\"race\": []").contains("|F\r"));
    assert!(
        with("\"city\": \"\\u00c5ngstr\\u00f6m \\ud83d\\ude00 a\\/b\"")
            .contains("\u{c5}ngstr\u{f6}m \u{1f600} a/b")
    );
    assert!(with("\"zip\": 2134, \"state\": \"MA\"").contains("^MA^02134"));
    // An insurance that is cancelled is not told, one that is not is.
    let insurance = |cancelled: &str| {
        let insurance =
            format!("\"insurancepackageid\": 982, \"ircname\": \"X\", \"cancelled\": {cancelled}");
        with(&format!("\"insurances\": [{{{insurance}}}]")).contains("\rIN1|1|982|")
    };
    assert!(insurance("false") && insurance("null") && !insurance("\"01/01/2026\""));
}

#[test]
fn a_test_patient_of_json_stays_in_production() {
    let text = fs::read_to_string("tests/cases/test-patients/interface.toml").unwrap();
    assert!(text.contains("\"production\""), "the case that this test borrows");
    for (word, left) in [("true", 1), ("\"true\"", 1), ("\"Y\"", 1), ("false", 0), ("\"N\"", 0)] {
        let record = RECORD.replace("\"sex\"", &format!("\"testpatientyn\": {word}, \"sex\""));
        let scope = interface::read(&text, Path::new("/etc/hl7drop")).unwrap();
        let found = convert_by(scope, &[(ExtractKind::Patients, record.as_bytes())]);
        assert_eq!(found.extracts[0].clone().unwrap().filtered, left, "{word}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn any_text_comes_out_of_ndjson_as_out_of_csv(csv in any_patients()) {
        let (wanted, found) = (patients("", &csv), patients("", &ndjson(&csv)));
        prop_assert_eq!(found.file, wanted.file);
        prop_assert_eq!(found.extracts, wanted.extracts);
    }

    #[test]
    fn no_bytes_bring_a_reader_of_ndjson_down(
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let good = fs::read("../shared/spec/golden/example_patients.csv").unwrap();
        let mut bytes = ndjson(&good);
        for (place, byte) in edits {
            let at = place.index(bytes.len());
            match byte % 3 {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, b"\"\\{}[]:,\n\0\xff"[usize::from(byte) % 10]),
                _ => drop(bytes.remove(at)),
            }
        }
        bytes.truncate(cut.index(bytes.len() * 2).min(bytes.len()));
        let found = patients("", &bytes);
        if let Ok(counts) = &found.extracts[0] {
            prop_assert!(counts.balanced(), "{counts:?}");
            prop_assert_eq!(counts.error, found.faults.len() as u64);
        }
    }
}
