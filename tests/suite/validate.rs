//! `hl7drop validate`: each rule is shown a file that breaks it; and the same check
//! before a batch is promised.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use hl7drop::spool::Spool;
use hl7drop::validate::{FileCheck, Rule, Severity};
use serde_json::Value;

use crate::site::{Output, Site, ended};

const GOLDEN: &str = "../shared/spec/golden";

/// A batch of one ADT and one SIU message that breaks no rule.
const GOOD: &str = "FHS|^~\\&|ATHENANET|99999|CARESYNC|MERCY|20260520110000||99999-000042|x|F1\r\
BHS|^~\\&|ATHENANET|99999|CARESYNC|MERCY|20260520110000||ADT|patients|B1\r\
MSH|^~\\&|ATHENANET|99999|CARESYNC|MERCY|20260520110000||ADT^A28|1M99999|T|2.3.1|||NE|NE\r\
EVN|A28|20260520091512|||jsmith\r\
PID|1|7|7^^^ATHENA^PI~004^^^MERCY^MR|7|DOE^ANN||19870214|F||2106-3^White^CDCREC|12 Elm St^^Boston^MA^02134^USA||(617)555-0101^PRN^PH^^1^617^5550101||eng^English^ISO6392|M\r\
NK1|1|DOE^PAT|SPO^Spouse^HL70063||(617)555-0110||N^Next-of-Kin^HL70131\r\
PV1|1|O|12^MAIN^^MAIN\r\
IN1|1|982^PLAN|123|Plan||||||||20260101||||DOE^ANN|SEL^Self^HL70063|19870214||||1\r\
BTS|1|patients\r\
BHS|^~\\&|ATHENANET|99999|CARESYNC|MERCY|20260520110000||SIU|appointments|B2\r\
MSH|^~\\&|ATHENANET|99999|CARESYNC|MERCY|20260520110000||SIU^S12|2M99999|T|2.3.1|||NE|NE\r\
SCH|33910|33910^ATHENANET||||SCHEDULE^Schedule|Physical|PE20^Physical|15|minutes|^^^202605201000^202605201015|||||jsmith||||jsmith|||||BOOKED\r\
NTE|1||Bring \\T\\ sign\\.br\\forms\r\
PID|1|7|7^^^ATHENA^PI|7|DOE^ANN\r\
PV1|1|O\r\
RGS|1|A\r\
AIG|1|A|12^DOE|PROVIDER^Provider||||202605201000|||15|minutes\r\
BTS|1|appointments\r\
FTS|2|2 messages\r";

/// Rules, places, how grave; of a file fed in pieces of a size.
fn found_in_pieces(bytes: &[u8], size: usize) -> Vec<String> {
    let mut check = FileCheck::new(None);
    bytes.chunks(size).for_each(|piece| check.feed(piece));
    check.finish();
    let found = check.findings().take();
    found.iter().map(|one| format!("{} {} {}", one.rule.id(), one.at, one.place)).collect()
}

fn found(bytes: impl AsRef<[u8]>) -> Vec<String> {
    let bytes = bytes.as_ref();
    let whole = found_in_pieces(bytes, bytes.len().max(1));
    // Where the pieces end must not be seen.
    for size in [1, 7, 100] {
        let pieces = found_in_pieces(bytes, size);
        assert!(pieces == whole || bytes.starts_with(b"\xef\xbb\xbf"), "{pieces:?} {whole:?}");
    }
    whole
}

/// The good batch with one text for another, which it must have once.
fn with(from: &str, to: &str) -> String {
    assert_eq!(GOOD.matches(from).count(), 1, "{from}");
    GOOD.replace(from, to)
}

/// A rule, a file that breaks it, and what is found in it.
type Breach = (Rule, Vec<u8>, Vec<&'static str>);

fn breaches(rows: Vec<(Rule, String, Vec<&'static str>)>) -> Vec<Breach> {
    rows.into_iter().map(|(rule, text, found)| (rule, text.into_bytes(), found)).collect()
}

/// The good batch in 2.5.1, with one text for another.
fn newer(from: &str, to: &str) -> String {
    let newer = GOOD.replace("|2.3.1|", "|2.5.1|").replace("^A28|", "^A28^ADT_A05|");
    newer.replace("^S12|", "^S12^SIU_S12|").replacen(from, to, 1)
}

fn of_files() -> Vec<Breach> {
    use Rule::*;
    let marked = [b"\xef\xbb\xbf", GOOD.as_bytes()].concat();
    let mut all = breaches(vec![
        (H001, String::new(), vec!["H001 0 "]),
        (H001, "hello world\r".into(), vec!["H001 0 ", "H014 1 "]),
        (H003, format!("\u{b}{GOOD}\u{1c}\r"), vec!["H003 0 ", "H003 19 "]),
        (H003, with("DOE^PAT", "DOE\u{1c}^PAT"), vec!["H003 6 NK1-2.1"]),
        (H004, GOOD.replace('\r', "\n"), vec!["H004 0 "]),
        (H004, GOOD.replace('\r', "\r\n"), vec!["H004 1 "]),
        (H005, GOOD.trim_end().into(), vec!["H005 19 "]),
        (H006, with("BTS|1|p", "\rBTS|1|p"), vec!["H006 9 "]),
        (H007, with("BTS|1|patients\r", ""), vec!["H007 9 BTS"]),
        (H007, with("FTS|2|2 messages\r", ""), vec!["H007 18 FTS"]),
        (H008, format!("{GOOD}BTS|1\r"), vec!["H008 20 BTS"]),
        (H008, with("BTS|1|patients\r", "BTS|1|patients\rPID|1||1||A\r"), vec!["H008 9 PID"]),
        (H009, with("BTS|1|p", "BTS|2|p"), vec!["H009 9 BTS-1"]),
        (H010, with("FTS|2|", "FTS|3|"), vec!["H010 19 FTS-1"]),
        (H011, with("BTS|1|p", "BTS||p"), vec!["H011 9 BTS-1"]),
        (H012, with("2M99999", "1M99999"), vec!["H012 11 MSH-10"]),
        (H013, with("|B2", "|B1"), vec!["H013 10 BHS-11"]),
        (H014, with("PV1|1|O|12", "line\rPV1|1|O|12"), vec!["H014 7 "]),
        (H015, with("DOE^PAT", &"A".repeat(2 << 20)), vec!["H015 5 ", "H203 6 NK1-2"]),
    ]);
    all.push((H002, marked, vec!["H002 0 "]));
    all
}

fn of_messages() -> Vec<Breach> {
    use Rule::*;
    breaches(vec![
        (
            H101,
            with(
                "MSH|^~\\&|ATHENANET|99999|CARESYNC|MERCY|20260520110000||SIU",
                "MSH|^^\\&|ATHENANET|99999|CARESYNC|MERCY|20260520110000||SIU",
            ),
            vec!["H101 11 MSH-2"],
        ),
        (
            H102,
            GOOD.replace('^', "$"),
            vec!["H102 1 FHS-2", "H102 2 BHS-2", "H102 3 MSH-2", "H102 10 BHS-2", "H102 11 MSH-2"],
        ),
        (H103, GOOD.replacen("2.3.1", "2.8", 1), vec!["H103 3 MSH-12", "H104 3 MSH-9"]),
        (H104, with("ADT^A28", "ADT^A08"), vec!["H104 3 MSH-9", "H109 4 EVN-1"]),
        (H105, with("PV1|1|O|12^MAIN^^MAIN\r", ""), vec!["H105 7 PV1"]),
        (H106, with("PV1|1|O|12", "AIG|1||1|P\rPV1|1|O|12"), vec!["H106 7 AIG"]),
        (H107, with("PV1|1|O|12", "ZPD|1\rPV1|1|O|12"), vec!["H107 7 ZPD"]),
        (H108, with("ADT^A28", "ADT^A28^ADT_A05"), vec!["H108 3 MSH-9.3", "H203 3 MSH-9"]),
        (H109, with("EVN|A28", "EVN|A31"), vec!["H109 4 EVN-1"]),
    ])
}

fn of_values() -> Vec<Breach> {
    use Rule::*;
    let mut all = breaches(vec![
        (H201, with("PID|1|7|7^^^ATHENA^PI~004^^^MERCY^MR|", "PID|1|7||"), vec!["H201 5 PID-3"]),
        (H201, with("PID|1|7|7^^^ATHENA^PI|7|DOE^ANN\r", "PID|1|7|7\r"), vec!["H201 14 PID-5"]),
        (H202, with("|19870214|F|", "|19870214|F~M|"), vec!["H202 5 PID-8"]),
        (H203, with("2M99999|", "2M9999999999999999999|"), vec!["H203 11 MSH-10"]),
        (H204, with("PV1|1|O\r", &format!("PV1|1|O{}x\r", "|".repeat(60))), vec!["H204 15 PV1-62"]),
        (H205, with("RGS|1|A\r", "RGS|1|A|a^b^c^d^e^f^g\r"), vec!["H205 16 RGS-3.7"]),
        (H206, newer("7^^^ATHENA^PI~", "^^^ATHENA^PI~"), vec!["H206 5 PID-3.1"]),
        (H207, with("|15|minutes|^", "|15^1|minutes|^"), vec!["H207 12 SCH-9.2"]),
        (H301, with("NK1|1|", "NK1|one|"), vec!["H301 6 NK1-1"]),
        (H302, with("|15|minutes\r", "|15m|minutes\r"), vec!["H302 17 AIG-11"]),
        (H303, with("|20260101|", "|20261301|"), vec!["H303 8 IN1-12"]),
        (H304, newer("NTE|1|", "TQ1|1|||1060\rNTE|1|"), vec!["H304 13 TQ1-4"]),
        (H305, with("|19870214|F|", "|19870230|F|"), vec!["H305 5 PID-7.1"]),
        (H305, with("^202605201015|", "^10:15|"), vec!["H305 12 SCH-11.5"]),
        (H306, with("(617)555-0110|", "617-555-0110|"), vec!["H306 6 NK1-5.1"]),
        (H307, with("NK1|1|", "NK1|3|"), vec!["H307 6 NK1-1"]),
        (H401, with("RGS|1|A", "RGS|1|Q"), vec!["H401 16 RGS-2"]),
        (H402, with("|19870214|F|", "|19870214|X|"), vec!["H402 5 PID-8"]),
        (H501, with("DOE^PAT", "D\\OE^PAT"), vec!["H501 6 NK1-2.1"]),
        (H501, with("DOE^PAT", "D\\Q\\OE^PAT"), vec!["H501 6 NK1-2.1"]),
        (H502, with("DOE^PAT", "D\\.br\\OE^PAT"), vec!["H502 6 NK1-2.1"]),
        (H503, with("DOE^PAT", "D\u{d6}E^PAT"), vec!["H503 6 NK1"]),
        (H505, GOOD.replacen("NE|NE", "NE|NE||UNICODE", 1), vec!["H505 3 MSH-18"]),
        (H506, with("DOE^PAT", "DOE\u{7}^PAT"), vec!["H506 6 NK1-2.1"]),
        (H507, with("|patients|", "|pati\u{e9}nts|"), vec!["H507 2 BHS"]),
    ]);
    let utf8 = GOOD.replacen("NE|NE", "NE|NE||UNICODE UTF-8", 1);
    let (before, after) = utf8.split_once("DOE^PAT").unwrap();
    let broken = [before.as_bytes(), b"D\xd6E^PAT", after.as_bytes()].concat();
    all.push((H504, broken, vec!["H504 6 NK1"]));
    all
}

#[test]
fn a_good_batch_breaks_no_rule() {
    assert_eq!(found(GOOD), [""; 0]);
    let utf8 = GOOD.replacen("NE|NE", "NE|NE||UNICODE UTF-8", 1).replacen("DOE^PAT", "D\u{d6}E", 1);
    assert_eq!(found(utf8), [""; 0]);
    // Messages without an envelope, and `""`, which asks to delete.
    let bare = &GOOD[GOOD.find("MSH|").unwrap()..GOOD.find("BTS|").unwrap()];
    assert_eq!(found(bare.replace("|19870214|F|", "|\"\"|\"\"|")), [""; 0]);
}

#[test]
fn every_rule_is_broken_by_a_file_and_named_with_its_place() {
    let (mut broken, mut wrong) = (BTreeSet::new(), Vec::new());
    for (rule, bytes, places) in [of_files(), of_messages(), of_values()].concat() {
        let found = found(&bytes);
        if found != places {
            wrong.push((rule, found, places.clone()));
        }
        assert!(places.iter().any(|place| place.starts_with(rule.id())), "{rule:?}");
        broken.insert(rule);
    }
    assert!(wrong.is_empty(), "found, and to be found: {wrong:#?}");
    // H110 needs an agreement.
    broken.insert(Rule::H110);
    let all: BTreeSet<Rule> = Rule::ALL.iter().copied().collect();
    assert_eq!(broken, all);
}

/// The program, outside of any site, fed from a text.
fn validate(args: &[&str], input: &[u8]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hl7drop"));
    command.arg("validate").args(args).stdin(Stdio::piped());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let ended = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Output { code: ended.status.code(), out: text(ended.stdout), err: text(ended.stderr) }
}

#[test]
fn the_golden_texts_break_no_rule() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join(GOLDEN);
    if !golden.is_dir() {
        assert!(std::env::var_os("CI").is_none(), "{GOLDEN} is missing");
        println!("{GOLDEN} is not here");
        return;
    }
    let files = fs::read_dir(golden).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|one| one == "hl7")).collect();
    assert_eq!(files.len(), 12);
    for file in files {
        assert_eq!(found(fs::read(&file).unwrap()), [""; 0], "{}", file.display());
    }
}

#[test]
fn every_case_s_batch_breaks_no_rule() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut messages = 0;
    for case in fs::read_dir(cases).unwrap() {
        let case = case.unwrap();
        // Their lines end otherwise, by agreement, and two have MSH-9.3 by agreement.
        let name = case.file_name().into_string().unwrap();
        if name.starts_with("line-ending") || name.starts_with("fields-") {
            continue;
        }
        let Ok(text) = fs::read(case.path().join("expect/messages.txt")) else { continue };
        let bytes: Vec<u8> =
            text.iter().map(|byte| if *byte == b'\n' { b'\r' } else { *byte }).collect();
        let mut check = FileCheck::new(None);
        check.feed(&bytes);
        check.finish();
        if !bytes.is_empty() {
            assert_eq!(check.findings().count(Severity::Error), 0, "{:?}", check.findings().take());
        }
        messages += check.read().messages;
    }
    assert!(messages > 100, "{messages}");
}

#[test]
fn the_verb_says_what_where_and_what_to_do() {
    let bad = with("NK1|1|DOE", "NK1|one|DOE");
    let said = validate(&["-"], bad.as_bytes());
    assert_eq!(said.code, Some(3), "{said:?}");
    let place = "-: message 1 (1M99999), segment 6, NK1-1: H301 error: not a sequence ID (SI)\n";
    assert!(said.out.starts_with(place), "{}", said.out);
    assert!(said.out.contains("-: H301 error, 1 time: write a whole number"), "{}", said.out);
    assert!(
        said.out.ends_with("-: 2 messages, 19 segments: 1 error, 0 warnings\n"),
        "{}",
        said.out
    );
    // A value never shows.
    assert!(!said.out.contains("one") && !said.out.contains("DOE"), "{}", said.out);
    let said = validate(&["-"], with("|19870214|F|", "|19870214|X|").as_bytes());
    assert_eq!(said.code, Some(0), "warnings are no error: {said:?}");
    let said = validate(&["/no/such/file"], b"");
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.err.contains("cannot read /no/such/file"), "{said:?}");
}

#[test]
fn machines_get_json_with_every_count_and_the_first_findings() {
    let bad = GOOD.replace("|F||", "|X||").replace("20260520", "2026-520");
    let said = validate(&["--json", "--limit", "2", "-", "-"], bad.as_bytes());
    assert_eq!(said.code, Some(3));
    let json = said.json();
    let first = &json[0];
    let keys: Vec<&str> = first.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = ["errors", "file", "findings", "messages", "rules", "segments", "warnings"];
    assert_eq!(keys, expected);
    assert_eq!(first["findings"].as_array().unwrap().len(), 2);
    assert_eq!(first["findings"][0]["message"], Value::Null);
    assert_eq!(first["findings"][0]["field"], "FHS-7.1");
    let sum: u64 =
        first["rules"].as_array().unwrap().iter().map(|one| one["count"].as_u64().unwrap()).sum();
    let of = |key: &str| first[key].as_u64().unwrap();
    assert_eq!(sum, of("errors") + of("warnings"));
    assert!(of("errors") > 5 && of("warnings") == 1, "{first}");
    // Standard input is read once; the second time it is empty.
    assert_eq!(json[1]["rules"][0]["rule"], "H001");
}

#[test]
fn explain_knows_every_rule() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hl7drop"));
    let all = ended(command.args(["explain", "--json"])).json();
    for rule in Rule::ALL {
        let told = all.as_array().unwrap().iter().find(|told| told["code"] == rule.id()).unwrap();
        assert_eq!(told["state"], rule.severity().word());
        assert_eq!(
            (&told["what"], &told["what_to_do"]),
            (&rule.text().into(), &rule.hint().into())
        );
    }
    assert!(all.as_array().unwrap().iter().any(|told| told["code"] == "S003"));
}

const PATIENTS: &str = "event,patientid,lastname,firstname,dob,sex\nadd,7,Doe,Ann,02/14/1987,F\n";

#[test]
fn a_batch_is_held_to_what_its_interface_agreed_on() {
    let site = Site::new();
    site.put("patients.csv", PATIENTS);
    assert_eq!(site.run(["run"]).code, Some(0));
    let file = fs::read_dir(&site.partner).unwrap().next().unwrap().unwrap().path();
    let interface = site.interface_file();
    let args = ["--interface", interface.to_str().unwrap(), file.to_str().unwrap()];
    let said = validate(&args, b"");
    assert_eq!((said.code, said.out.lines().count()), (Some(0), 1), "{said:?}");
    // The same file under another agreement.
    let text = fs::read_to_string(&interface).unwrap();
    fs::write(&interface, text.replace("CARESYNC", "OTHER")).unwrap();
    let said = validate(&args, b"");
    assert_eq!(said.code, Some(3));
    for place in ["FHS-5: H110 error", "BHS-5: H110 error", "MSH-5: H110 error"] {
        assert!(said.out.contains(place), "{place}: {}", said.out);
    }
    // What a row of the mapping says was agreed on too.
    let text = fs::read_to_string(&interface).unwrap();
    fs::write(&interface, text + "\n[[mapping]]\nfield = \"PV1-2\"\nvalue = []\n").unwrap();
    let bare = fs::read_to_string(&file)
        .unwrap()
        .replace("PV1|1|O", "PV1|1|")
        .replace("CARESYNC", "OTHER");
    let said = validate(&["--interface", interface.to_str().unwrap(), "-"], bare.as_bytes());
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.contains("PV1-2: H201 warning: a required field is empty"), "{}", said.out);
}

/// A mapping that makes ADT messages say they are SIU, which no receiver could read.
const WRONG: &str = "\n[[mapping]]\nfield = \"MSH-9\"\nvalue = \"SIU^S12\"\n";

#[test]
fn a_batch_that_is_not_conformant_is_not_published() {
    let site = Site::new();
    let right = fs::read_to_string(site.interface_file()).unwrap();
    fs::write(site.interface_file(), format!("{right}{WRONG}")).unwrap();
    site.put("patients.csv", PATIENTS);
    for turn in 0..2 {
        let said = site.run(["run"]);
        assert_eq!(said.code, Some(1), "turn {turn}: {said:?}");
        assert!(said.err.contains("S003"), "{said:?}");
        assert!(said.err.contains("patients.csv record 1 (line 2), EVN: H106"), "{said:?}");
        assert!(!said.err.contains("Doe"), "{said:?}");
        let spool = site.spool();
        let is_empty = |folder: &Path| fs::read_dir(folder).unwrap().next().is_none();
        let outbox = Spool::list(&spool.outbox).unwrap();
        assert!(outbox.is_empty() && is_empty(&site.partner), "turn {turn}: {outbox:?}");
        assert!(spool.processing.join("patients/patients.csv").is_file(), "turn {turn}");
    }
    // `convert` shows nothing either.
    let place = tempfile::tempdir().unwrap();
    let extract = place.path().join("patients.csv");
    fs::write(&extract, PATIENTS).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_hl7drop"));
    command.arg("convert").arg("--interface").arg(site.interface_file()).arg(&extract);
    let said = ended(&mut command);
    assert_eq!((said.code, said.out.as_str()), (Some(1), ""), "{said:?}");
    // Mended, the same extract goes out; no number was spent on the tries.
    fs::write(site.interface_file(), right).unwrap();
    let said = site.run(["run", "--json"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let file = fs::read_dir(&site.partner).unwrap().next().unwrap().unwrap().path();
    let text = fs::read_to_string(file).unwrap();
    assert!(text.contains("|ADT^A28|1M99999|") && text.contains("|99999-000001|"), "{text}");
}

#[test]
fn warnings_are_counted_and_stop_nothing() {
    let site = Site::new();
    let file = site.interface_file();
    let text = fs::read_to_string(&file).unwrap();
    let odd = "[[mapping]]\nfield = \"PID-8\"\nvalue = \"Z\"\n";
    fs::write(&file, format!("{text}{odd}")).unwrap();
    site.put("patients.csv", PATIENTS);
    let said = site.run(["run", "--json"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.contains("\"remark\":"), "{}", said.out);
    assert_eq!(fs::read_dir(&site.partner).unwrap().count(), 1);
}

#[test]
fn a_required_value_of_control_characters_is_a_bad_record_and_no_bad_batch() {
    let site = Site::new();
    let rows = "add,8,\u{1}\u{2},\u{7},02/14/1987,F\nadd,\u{1} ,Roe,Max,02/14/1987,M\n";
    site.put("patients.csv", format!("{PATIENTS}{rows}"));
    let said = site.run(["run"]);
    assert_eq!(said.code, Some(3), "{said:?}");
    let queue = site.run(["queue", "--json"]);
    assert_eq!(queue.out.matches("M001").count(), 2, "{queue:?}");
    assert_eq!(fs::read_dir(&site.partner).unwrap().count(), 1);
}
