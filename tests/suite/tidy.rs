//! Rules about the source itself, held by reading it as text. Each rule is shown a
//! text that breaks it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use hl7drop::domain::{Event, Kind};

use crate::site::ended;

/// Calls that make, move or remove files. Only `src/disk.rs` has them.
const HANDS: &[&str] = &[
    "fs::rename",
    "fs::write",
    "fs::copy",
    "fs::hard_link",
    "fs::create_dir",
    "fs::remove_",
    "fs::set_permissions",
    "File::create",
    "File::options",
    "DirBuilder",
    "OpenOptions",
    "symlink(",
    ".set_len(",
    "rustix::fs::rename",
    "rustix::fs::unlink",
];

/// ... but for these, each with its reason.
const ALLOWED: &[(&str, &str, &str)] = &[
    ("src/spool/mod.rs", "OpenOptions", "the lock, which holds no data"),
    ("src/spool/mod.rs", ".set_len(", "the lock, which holds no data"),
];

/// What ends with the process or the machine; nouns and pure verbs do without.
const WORLD: &[&str] = &["fs", "net", "env", "thread", "process"];

/// ... but for these.
const WORLDLY: &[(&str, &str, &str)] =
    &[("src/crashpoint.rs", "env", "asks which fault"), ("src/crashpoint.rs", "process", "aborts")];

/// Ways to ask what time it is.
const CLOCKS: &[&str] = &["SystemTime", "Timestamp::now", "Zoned::now"];

/// Lines of a file without its tests.
const LINES_MAX: usize = 500;

/// ... but for these, which are to be split.
const LONG: &[&str] = &[];

/// A source file: its path from the project's folder, and its text.
type File = (String, String);

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(project().join(path)).unwrap()
}

/// Reads every file below a folder whose name ends so, in order.
fn files(folder: &str, end: &str) -> Vec<File> {
    let mut found = Vec::new();
    for entry in fs::read_dir(project().join(folder)).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{folder}/{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&path, end));
        } else if path.ends_with(end) {
            found.push((path.clone(), read(&path)));
        }
    }
    found.sort();
    found
}

/// A source with one more file in it.
fn with(mut files: Vec<File>, path: &str, text: &str) -> Vec<File> {
    files.push((path.to_string(), text.to_string()));
    files
}

/// Returns a file's text before its tests, which are last.
fn without_tests(text: &str) -> &str {
    let tests = text.find("\nmod tests {").and_then(|at| text[..at].rfind("#[cfg(test)]"));
    &text[..tests.unwrap_or(text.len())]
}

/// Returns the lines that run: no tests, no comments.
fn code(text: &str) -> Vec<&str> {
    without_tests(text).lines().filter(|line| !line.trim_start().starts_with("//")).collect()
}

/// Returns the names that follow `root::` in the code, one by one where they stand
/// in braces.
fn named(text: &str, root: &str) -> Vec<String> {
    let code = code(text).join("\n");
    let mut names = Vec::new();
    for (at, _) in code.match_indices(&format!("{root}::")) {
        let own = code[..at].ends_with(|char: char| char.is_alphanumeric() || "_:".contains(char));
        let rest = &code[at + root.len() + 2..];
        match rest.strip_prefix('{') {
            _ if own => {}
            Some(group) => names.extend(of_group(group)),
            None => names.push(word(rest)),
        }
    }
    names
}

fn word(text: &str) -> String {
    text.trim_start().chars().take_while(|char| char.is_alphanumeric() || *char == '_').collect()
}

/// The first name of each item of a group, whose opening brace is read.
fn of_group(group: &str) -> Vec<String> {
    let mut names = vec![word(group)];
    let mut depth = 1;
    for (at, char) in group.char_indices() {
        match char {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => names.push(word(&group[at + 1..])),
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

/// Reads the floors off `src/lib.rs`: every `pub mod` stands under its floor.
fn floors(lib: &str) -> BTreeMap<String, usize> {
    let mut floors = BTreeMap::new();
    let mut floor = None;
    for line in lib.lines() {
        if let Some(number) = line.strip_prefix("// Floor ") {
            floor = number.split(':').next().unwrap().parse().ok();
        } else if let Some(module) = line.strip_prefix("pub mod ") {
            floors.insert(module.trim_end_matches(';').to_string(), floor.unwrap());
        }
    }
    floors
}

/// The module of a path: `src/ledger/rows.rs` is of `ledger`; of none, the crate's roots.
fn module(path: &str) -> Option<&str> {
    let path = path.strip_prefix("src/")?.trim_end_matches(".rs");
    let module = path.split('/').next()?;
    (module != "lib" && module != "main").then_some(module)
}

fn floor_faults(files: &[File], floors: &BTreeMap<String, usize>) -> Vec<String> {
    let mut faults = Vec::new();
    for (path, text) in files {
        let Some(own) = module(path) else { continue };
        let Some(floor) = floors.get(own) else {
            faults.push(format!("{path} is on no floor"));
            continue;
        };
        for import in named(text, "crate") {
            match floors.get(&import) {
                Some(lower) if lower < floor || import == own => {}
                _ => faults.push(format!("{path} (floor {floor}) imports {import}")),
            }
        }
    }
    faults
}

#[test]
fn imports_go_down() {
    let (src, floors) = (files("src", ".rs"), floors(&read("src/lib.rs")));
    assert_eq!(floor_faults(&src, &floors), Vec::<String>::new());
    assert!(floors.len() > 10 && floors["disk"] == 1, "{floors:?}");
    for (path, text, fault) in [
        ("src/digest.rs", "use crate::engine::pass;", "src/digest.rs (floor 0) imports engine"),
        ("src/ledger/x.rs", "use crate::spool::x;", "src/ledger/x.rs (floor 4) imports spool"),
        ("src/hl7/x.rs", "use crate::{hl7::y, disk};", "src/hl7/x.rs (floor 0) imports disk"),
        ("src/newcomer.rs", "", "src/newcomer.rs is on no floor"),
    ] {
        assert_eq!(floor_faults(&with(src.clone(), path, text), &floors), [fault]);
    }
}

/// Says which files have which of the words without leave, and which leave is unused.
fn word_faults(files: &[File], words: &[&str], home: &str, leave: &[(&str, &str)]) -> Vec<String> {
    let mut unused: BTreeSet<(&str, &str)> = leave.iter().copied().collect();
    let mut faults = Vec::new();
    for (path, text) in files.iter().filter(|(path, _)| path != home) {
        let code = code(text).join("\n");
        for word in words.iter().filter(|word| code.contains(**word)) {
            let allowed = leave.iter().find(|(at, what)| path == at && word_is(what, word));
            match allowed {
                Some(allowed) => drop(unused.remove(allowed)),
                None => faults.push(format!("{path} has {word}")),
            }
        }
    }
    faults.extend(unused.iter().map(|(path, word)| format!("{path} needs no leave for {word}")));
    faults
}

fn word_is(allowed: &str, word: &str) -> bool {
    allowed.starts_with(word)
}

#[test]
fn only_disk_makes_moves_and_removes_files() {
    let leave: Vec<(&str, &str)> = ALLOWED.iter().map(|(path, what, _)| (*path, *what)).collect();
    let faults = |files: &[File]| word_faults(files, HANDS, "src/disk.rs", &leave);
    let src = files("src", ".rs");
    assert_eq!(faults(&src), Vec::<String>::new());
    let sly = with(src.clone(), "src/spool/sly.rs", "fn f() { std::fs::rename(a, b); }");
    assert_eq!(faults(&sly), ["src/spool/sly.rs has fs::rename"]);
    let idle: Vec<File> = src.into_iter().filter(|(path, _)| path != "src/spool/mod.rs").collect();
    let needless = [".set_len(", "OpenOptions"];
    let needless = needless.map(|word| format!("src/spool/mod.rs needs no leave for {word}"));
    assert_eq!(faults(&idle), needless);
}

#[test]
fn only_the_clock_knows_the_time() {
    let faults = |files: &[File]| word_faults(files, CLOCKS, "src/clock.rs", &[]);
    let src = files("src", ".rs");
    assert_eq!(faults(&src), Vec::<String>::new());
    let sly = with(src, "src/engine/sly.rs", "let now = jiff::Timestamp::now();");
    assert_eq!(faults(&sly), ["src/engine/sly.rs has Timestamp::now"]);
}

fn world_faults(files: &[File], floors: &BTreeMap<String, usize>) -> Vec<String> {
    let mut faults = Vec::new();
    for (path, text) in files {
        let floor = module(path).and_then(|module| floors.get(module));
        if !floor.is_some_and(|floor| [0, 2, 3].contains(floor)) {
            continue;
        }
        for name in named(text, "std") {
            let leave = WORLDLY.iter().any(|(at, what, _)| path == at && *what == name);
            if WORLD.contains(&name.as_str()) && !leave {
                faults.push(format!("{path} uses std::{name}"));
            }
        }
    }
    faults
}

#[test]
fn words_nouns_and_pure_verbs_know_no_world() {
    let (src, floors) = (files("src", ".rs"), floors(&read("src/lib.rs")));
    assert_eq!(world_faults(&src, &floors), Vec::<String>::new());
    let sly = with(src.clone(), "src/convert/sly.rs", "use std::{collections, net::TcpStream};");
    assert_eq!(world_faults(&sly, &floors), ["src/convert/sly.rs uses std::net"]);
    let sly = with(src, "src/domain/sly.rs", "fn f() { let _ = std::env::var(\"X\"); }");
    assert_eq!(world_faults(&sly, &floors), ["src/domain/sly.rs uses std::env"]);
}

fn shape_faults(files: &[File]) -> Vec<String> {
    let mut faults = Vec::new();
    for (path, text) in files {
        if !text.starts_with("//! ") {
            faults.push(format!("{path} does not open with what it is for"));
        }
        let code = without_tests(text);
        let lines = code.lines().count();
        // The tests' own files are as long as what they test.
        let long = lines > LINES_MAX && !path.starts_with("tests/");
        if long != LONG.contains(&path.as_str()) {
            faults.push(format!("{path} has {lines} lines"));
        }
        // Values that are not ASCII stand in tests; in code they are escapes.
        if !code.is_ascii() {
            faults.push(format!("{path} is not plain ASCII"));
        }
    }
    faults
}

#[test]
fn every_file_says_what_it_is_for_and_is_short_and_plain() {
    let mut all = files("src", ".rs");
    all.extend(files("tests/suite", ".rs"));
    all.extend(files("examples", ".rs"));
    assert_eq!(shape_faults(&all), Vec::<String>::new());
    let long = "//! x\n".repeat(LINES_MAX + 1);
    for (text, fault) in [
        ("use std::io;\n", "src/x.rs does not open with what it is for"),
        (long.as_str(), "src/x.rs has 501 lines"),
        ("//! Gr\u{fc}n.\n", "src/x.rs is not plain ASCII"),
    ] {
        assert_eq!(shape_faults(&with(all.clone(), "src/x.rs", text)), [fault]);
    }
}

/// Says which events are told in no message of the cases.
fn untold(messages: &[File]) -> Vec<Event> {
    let told = |event: &Event| {
        let telling = event.telling();
        let header = format!("|{}^{}", telling.message, telling.trigger);
        messages.iter().flat_map(|(_, text)| text.split("MSH|")).any(|message| {
            let mut lines = message.lines();
            let head = lines.next().is_some_and(|line| line.contains(&header));
            let status = format!("|{}", telling.status);
            let sch = lines.find(|line| line.starts_with("SCH|"));
            head && (event.kind() == Kind::Patient || sch.is_some_and(|sch| sch.ends_with(&status)))
        })
    };
    Event::ALL.into_iter().filter(|event| !told(event)).collect()
}

#[test]
fn every_event_has_a_case() {
    let cases = files("tests/cases", "expect/messages.txt");
    assert_eq!(untold(&cases), []);
    let no_arrival = |(path, text): &File| (path.clone(), text.replace("|ARRIVED", "|OTHER"));
    let without: Vec<File> = cases.iter().map(no_arrival).collect();
    assert_eq!(untold(&without), [Event::AppointmentCheckedIn]);
}

/// Says which exit codes of the source a help text does not explain.
fn unexplained(source: &str, help: &str) -> Vec<u8> {
    let codes = source.split("Exit = Exit(").skip(1);
    let codes = codes.map(|rest| rest.split(')').next().unwrap().parse::<u8>().unwrap());
    codes.filter(|code| !help.contains(&format!("\n  {code:<3} "))).collect()
}

#[test]
fn every_exit_code_is_in_every_help() {
    let source = read("src/cli/exit.rs");
    for verb in ["", "run", "convert", "check", "status", "queue", "init"] {
        let mut program = Command::new(env!("CARGO_BIN_EXE_hl7drop"));
        program.args([verb, "--help"].into_iter().filter(|word| !word.is_empty()));
        let output = ended(&mut program);
        assert_eq!(output.code, Some(0), "{output:?}");
        assert_eq!(unexplained(&source, &output.out), [0; 0], "{verb} --help");
        assert_eq!(unexplained(&source, &output.out.replace("\n  10 ", "\n")), [10]);
    }
}

/// Says which test files no one calls.
fn forgotten(main: &str, files: &[File]) -> Vec<String> {
    let names = files.iter().map(|(path, _)| path.rsplit('/').next().unwrap());
    let names = names.map(|name| name.trim_end_matches(".rs")).filter(|name| *name != "main");
    names.filter(|name| !main.contains(&format!("\nmod {name};"))).map(str::to_string).collect()
}

#[test]
fn no_test_file_is_forgotten() {
    let (main, suite) = (read("tests/suite/main.rs"), files("tests/suite", ".rs"));
    assert_eq!(forgotten(&main, &suite), Vec::<String>::new());
    assert_eq!(forgotten(&main, &with(suite, "tests/suite/lost.rs", "")), ["lost"]);
    // Cargo takes no test from here by itself: `autotests = false`.
    let others = fs::read_dir(project().join("tests")).unwrap();
    let others = others.map(|entry| entry.unwrap().path());
    let stray: Vec<_> =
        others.filter(|path| path.extension().is_some_and(|end| end != "md")).collect();
    assert!(stray.is_empty(), "{stray:?}");
}

/// Returns what a table of rules names that is not there.
fn unheld(rules: &str, sources: &[File], cases: &[String]) -> Vec<String> {
    let mut missing = Vec::new();
    for row in rules.lines().filter(|line| line.starts_with("| ")) {
        let held = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        let parts: Vec<&str> = held.split('`').collect();
        for (at, name) in parts.iter().enumerate().filter(|(at, _)| at % 2 == 1) {
            let is_test = name.contains('_')
                && name.chars().all(|one| one == '_' || one.is_ascii_alphanumeric());
            let there = match parts[at - 1].ends_with("case ") {
                true => cases.iter().any(|case| case == name),
                false if is_test => {
                    sources.iter().any(|(_, text)| text.contains(&format!("fn {name}(")))
                }
                false => true,
            };
            if !there {
                missing.push((*name).to_string());
            }
        }
    }
    missing
}

#[test]
fn every_rule_names_tests_that_are_there() {
    let mut sources = files("src", ".rs");
    sources.extend(files("tests/suite", ".rs"));
    let cases = fs::read_dir(project().join("tests/cases")).unwrap();
    let cases: Vec<String> =
        cases.map(|case| case.unwrap().file_name().into_string().unwrap()).collect();
    let rules = read("tests/RULES.md");
    assert_eq!(unheld(&rules, &sources, &cases), [""; 0]);
    let broken = format!("{rules}| a rule | `no_such_test`, case `none`, `{}` |\n", "unheld");
    assert_eq!(unheld(&broken, &sources, &cases), ["no_such_test", "none"]);
}
