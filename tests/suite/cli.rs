//! The command line as people and scripts meet it: help, exit codes, messages, JSON.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use hl7drop::hl7::read::BatchFile;
use serde_json::Value;

use crate::sftpd::server;
use crate::site::{NAME, Output, Site, ended};

const GOLDEN: &str = "tests/cases/golden-v231/interface.toml";
const QUICKSTART: &str = "examples/quickstart/api";

/// The program, outside of any site.
fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hl7drop"));
    command.env_remove("HL7DROP_CONFIG").env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

fn run(args: &[&str]) -> Output {
    ended(program().args(args))
}

/// Runs `convert` over the quickstart's extracts.
fn convert(args: &[&str]) -> Output {
    let mut command = program();
    command.args(["convert", "--interface", GOLDEN, "--clock", "2026-05-20T11:00:00"]).args(args);
    for kind in ["providers", "departments", "patients", "appointments"] {
        command.arg(format!("{QUICKSTART}/{kind}.csv"));
    }
    ended(&mut command)
}

/// The verbs, as the help lists them.
fn verbs() -> Vec<String> {
    let help = run(&["--help"]).out;
    let list = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    list.lines().map(|line| line.split_whitespace().next().unwrap().to_string()).collect()
}

/// The keys of an object, which are a promise to scripts.
fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

/// What is told of a delivery.
const DELIVERY: [&str; 13] = [
    "batch",
    "bytes",
    "encrypted",
    "endpoint",
    "failure",
    "held_until",
    "made_at",
    "messages",
    "receipt",
    "sha256",
    "stage",
    "state",
    "tries",
];

const COUNTS: [&str; 6] = ["duplicate", "error", "filtered", "messages", "rows", "sent"];
const FAULT: [&str; 9] =
    ["code", "column", "field", "file", "line", "record", "state", "what", "what_to_do"];
const ROOM: [&str; 6] =
    ["bytes_per_day", "full_in_days", "left_bytes", "limit", "measured_at", "used_bytes"];
const EXTRACT: [&str; 7] =
    ["batch_number", "counts", "file", "kind", "notes", "sha256", "taken_at"];
const RECEIPT: [&str; 6] = ["at", "bytes", "evidence", "host_key", "path", "server"];

/// Sees that an account balances: `rows = sent + filtered + error + duplicate`.
fn balanced(extract: &Value) {
    let counts = &extract["counts"];
    assert_eq!(keys(counts), COUNTS);
    let of = |key: &str| counts[key].as_u64().unwrap();
    let ends: u64 = ["sent", "filtered", "error", "duplicate"].map(of).iter().sum();
    assert_eq!(of("rows"), ends, "{extract}");
}

#[test]
fn every_help_ends_with_the_exit_codes() {
    let verbs = verbs();
    for known in ["run", "convert", "check", "status", "queue", "init"] {
        assert!(verbs.iter().any(|verb| verb == known), "{known}");
    }
    let mut helps = vec![run(&["--help"]), run(&["-h"])];
    helps.extend(verbs.iter().map(|verb| run(&[verb, "--help"])));
    for said in helps {
        assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{said:?}");
        let (_, codes) = said.out.split_once("EXIT STATUS\n").unwrap();
        let numbers: Vec<u8> = codes
            .lines()
            .filter(|line| !line.is_empty())
            .map(|line| line.split_whitespace().next().unwrap().parse().unwrap())
            .collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4, 5, 6, 10, 11], "{codes}");
    }
    assert_eq!(run(&["--version"]).out, format!("hl7drop {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn shells_and_man_know_every_verb_and_nothing_that_is_hidden() {
    let verbs = verbs();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = run(&["completions", shell]);
        assert_eq!((script.code, script.err.as_str()), (Some(0), ""), "{script:?}");
        for verb in verbs.iter().map(String::as_str).chain(["mark-delivered", "dry-run"]) {
            assert!(script.out.contains(verb), "{shell} does not know {verb}");
        }
        assert!(!script.out.contains("One pass for"), "{shell} knows what is hidden");
    }
    let bash = run(&["completions", "bash"]).out;
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("hl7drop.bash");
    fs::write(&file, bash).unwrap();
    let typed = "source $0; COMP_WORDS=(hl7drop que); COMP_CWORD=1; \
                 _hl7drop hl7drop que hl7drop; echo ${COMPREPLY[@]}";
    let completed = ended(Command::new("bash").arg("-c").arg(typed).arg(&file));
    assert_eq!(completed.out, "queue\n", "{completed:?}");
    assert_eq!(run(&["completions", "csh"]).code, Some(2));

    let pages = place.path().join("man");
    assert_eq!(run(&["man", pages.to_str().unwrap()]).code, Some(0));
    let page = |name: &str| fs::read_to_string(pages.join(name)).unwrap();
    for verb in &verbs {
        let text = page(&format!("hl7drop-{verb}.1"));
        assert!(text.contains("EXIT STATUS"), "{verb}: {text}");
    }
    assert!(page("hl7drop.1").contains("hl7drop\\-run(1)"));
    assert!(page("hl7drop-queue-resubmit.1").contains(".SH SYNOPSIS"));
    assert!(!pages.join("hl7drop-pass.1").exists() && !pages.join("hl7drop-man.1").exists());
}

#[test]
fn wrong_usage_ends_with_2_and_says_how_to_go_on() {
    let patients = format!("{QUICKSTART}/patients.csv");
    let wrong: &[(&[&str], &str)] = &[
        (&[], "Usage: hl7drop"),
        (&["frobnicate"], "unrecognized subcommand"),
        (&["rum"], "similar subcommand exists: 'run'"),
        (&["run", "--bogus"], "unexpected argument"),
        (&["init"], "<NAME>"),
        (&["init", "../evil"], "cannot name an interface: use letters, digits and `-`"),
        (&["convert"], "--interface <FILE>"),
        (&["convert", "--interface", GOLDEN], "<EXTRACT>..."),
        (&["convert", "--interface", GOLDEN, "--clock", "noon", &patients], "invalid value 'noon'"),
        (&["convert", "--interface", "none.toml", &patients], "cannot read none.toml"),
        (&["convert", "--interface", GOLDEN, "none-patients.csv"], "cannot read none-patients.csv"),
        (&["convert", "--interface", GOLDEN, "Cargo.toml"], "give it a name that matches"),
        (&["--config", "none.toml", "run"], "cannot read none.toml"),
        (&["--config", "none.toml", "status"], "cannot read none.toml"),
        (&["explain", "Q999"], "`hl7drop explain` lists them all"),
    ];
    for (args, wanted) in wrong {
        let said = run(args);
        assert_eq!((said.code, said.out.as_str()), (Some(2), ""), "{args:?}: {said:?}");
        assert!(said.err.contains(wanted), "{args:?}: {said:?}");
    }
    let place = tempfile::tempdir().unwrap();
    let said = ended(program().arg("run").current_dir(place.path()));
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.err.contains("`hl7drop init NAME` makes one here"), "{said:?}");
    let site = Site::new();
    let said = site.run(["run", "nobody"]);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.err.contains("no interface `nobody`; there is: clinic"), "{said:?}");
}

#[test]
fn init_makes_what_check_accepts_and_overwrites_nothing() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path().join("site");
    let at = |args: &[&str]| {
        ended(program().args(args).arg("--dir").arg(&dir).current_dir(place.path()))
    };
    assert_eq!(at(&["init", "ridge"]).code, Some(0));
    for path in all(&dir) {
        let wanted = if path.is_dir() { 0o700 } else { 0o600 };
        let mode = path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, wanted, "{}", path.display());
    }
    let said = ended(program().args(["check", "ridge"]).current_dir(&dir));
    assert_eq!(said.code, Some(0), "{said:?}");
    let (warned, good): (Vec<&str>, Vec<&str>) =
        said.out.lines().partition(|line| line.starts_with("warn "));
    assert!(good.iter().all(|line| line.starts_with("ok ")), "{said:?}");
    let examples = ["context_id", "practice", "receiving_application", "folder"];
    assert_eq!(warned.len(), examples.len(), "{said:?}");
    for (line, example) in warned.iter().zip(examples) {
        assert!(line.contains(example) && line.ends_with("fill in what was agreed"), "{said:?}");
    }

    let interface = dir.join("interfaces/ridge.toml");
    fs::write(&interface, "mine").unwrap();
    let said = at(&["init", "ridge"]);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.err.contains("is there already; nothing was changed"), "{said:?}");
    assert_eq!(fs::read_to_string(&interface).unwrap(), "mine");

    // A second interface leaves the program's file as it is.
    let program_file = dir.join("hl7drop.toml");
    let text = fs::read_to_string(&program_file).unwrap() + "# mine\n";
    fs::write(&program_file, &text).unwrap();
    assert_eq!(at(&["init", "coast"]).code, Some(0));
    assert_eq!(fs::read_to_string(&program_file).unwrap(), text);
}

/// Everything below a folder, the folder itself included.
fn all(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![folder.to_path_buf()];
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(all(&path)) } else { found.push(path) }
    }
    found
}

#[test]
fn every_mistake_in_the_settings_is_told_with_its_line() {
    let site = Site::new();
    let text = fs::read_to_string(site.interface_file()).unwrap();
    let text = text
        .replace("\"99999\"", "\"nine\"")
        .replace("\"test\"", "\"tset\"")
        .replace("settle_seconds = 0", "settle_minutes = 0");
    fs::write(site.interface_file(), &text).unwrap();
    let file = site.interface_file().display().to_string();
    for verb in ["run", "check", "status", "queue"] {
        let said = site.run([verb]);
        assert_eq!(said.code, Some(2), "{verb}: {said:?}");
        let told = said.out + &said.err;
        assert!(told.contains("mistakes in the settings"), "{verb}: {told}");
        for (line, word) in [(3, "nine"), (5, "tset"), (9, "settle_minutes")] {
            let place = format!("{file}:{line}: ");
            let found = told.lines().find(|text| text.contains(&place));
            assert!(found.is_some_and(|text| text.contains(word)), "{verb}, {word}: {told}");
        }
    }
    assert!(!site.spool().root.join("ledger.db").exists(), "nothing was done");

    let program_file = site.root().join("hl7drop.toml");
    fs::write(&program_file, "[run]\nworkers = 2\nspeed = 9\n").unwrap();
    let said = site.run(["run"]);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.err.contains("hl7drop.toml:3: "), "{said:?}");
}

/// A site with the quickstart's extracts taken in and delivered.
fn quickstart() -> (Site, Output) {
    let site = Site::new();
    for kind in ["providers", "departments", "patients", "appointments"] {
        site.put(&format!("{kind}.csv"), fs::read(format!("{QUICKSTART}/{kind}.csv")).unwrap());
    }
    site.put("patients-cut.csv.gz", fs::read("examples/quickstart/patients-cut.csv.gz").unwrap());
    site.put("notes.txt", "x");
    let said = site.run(["run", "--json"]);
    (site, said)
}

#[test]
fn run_tells_machines_what_it_did() {
    let (_site, said) = quickstart();
    assert_eq!(said.code, Some(3), "{said:?}");
    let all = said.json();
    let [one] = all.as_array().unwrap().as_slice() else { panic!("{all}") };
    let wanted = [
        "acknowledgements",
        "deliveries",
        "drops",
        "environment",
        "held",
        "held_for_a_person",
        "interface",
        "left",
        "requests",
        "states",
    ];
    assert_eq!(keys(one), wanted);
    assert_eq!(keys(&one["left"]), ["files", "messages"]);
    assert_eq!(keys(&one["acknowledgements"]), ["failures", "overdue", "responses"]);
    assert_eq!((&one["interface"], &one["environment"]), (&NAME.into(), &"test".into()));
    let drop = &one["drops"][0];
    let wanted = ["batch", "batches", "duplicates", "extracts", "left_in_inbox", "refused"];
    assert_eq!(keys(drop), wanted);
    assert_eq!(drop["left_in_inbox"], serde_json::json!(["notes.txt"]));
    assert_eq!(keys(&drop["refused"][0]), ["file", "what", "what_to_do"]);
    assert_eq!(drop["refused"][0]["file"], "patients-cut.csv.gz");
    let extracts = drop["extracts"].as_array().unwrap();
    assert_eq!(extracts.len(), 4);
    for extract in extracts {
        let wanted = ["counts", "file", "kind", "notes", "sha256", "unknown_columns"];
        assert_eq!(keys(extract), wanted);
        balanced(extract);
    }
    let delivery = &one["deliveries"][0];
    assert_eq!(keys(delivery), ["batch", "endpoint", "failure", "messages", "receipt", "stage"]);
    assert_eq!(keys(&delivery["receipt"]), RECEIPT);
    assert_eq!(delivery["batch"], drop["batch"]);
    let told: u64 =
        extracts.iter().map(|extract| extract["counts"]["messages"].as_u64().unwrap()).sum();
    assert_eq!(delivery["messages"], told);
    assert_eq!(one["states"]["PROCESSED"], told);
}

#[test]
fn status_tells_machines_where_everything_stands() {
    let (site, _) = quickstart();
    let said = site.run(["status", "--json"]);
    assert_eq!((said.code, said.err.as_str()), (Some(3), ""), "{said:?}");
    let one = &said.json()[0];
    let wanted = [
        "actions",
        "approval",
        "approved",
        "awaited",
        "backfill",
        "delivered",
        "environment",
        "extracts",
        "folders",
        "held",
        "incidents",
        "interface",
        "last_drop",
        "left",
        "oldest_waiting",
        "room",
        "states",
        "undelivered",
    ];
    assert_eq!(keys(one), wanted);
    assert_eq!(keys(&one["room"]), ROOM);
    assert_eq!(one["incidents"][0]["cause"], "files_refused");
    let wanted = [
        "about",
        "calm_since",
        "cause",
        "count",
        "next",
        "number",
        "opened_at",
        "severity",
        "told",
        "what",
    ];
    assert_eq!(keys(&one["incidents"][0]), wanted);
    let folders = serde_json::json!({ "inbox": 1, "outbox": 0, "error": 1, "responses/odd": 0 });
    let state = &one["delivered"][0]["state"];
    assert_eq!((&one["folders"], state), (&folders, &"PROCESSED".into()));
    for extract in one["extracts"].as_array().unwrap() {
        assert_eq!(keys(extract), EXTRACT);
        balanced(extract);
    }
    assert_eq!(keys(&one["delivered"][0]), DELIVERY);
    let errors: u64 = one["extracts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|extract| extract["counts"]["error"].as_u64().unwrap())
        .sum();
    let waiting = |state: &str| one["states"][state].as_u64().unwrap_or(0);
    assert_eq!(waiting("ERROR") + waiting("CBOERROR") + waiting("ATHENAERROR"), errors);
}

#[test]
fn what_waits_for_delivery_is_told_to_machines() {
    let site = Site::new();
    fs::remove_dir(&site.partner).unwrap();
    site.put("patients.csv", "patientid,lastname,firstname,dob,sex\n1,Doe,Ann,02/14/1987,F\n");
    let said = site.run(["run", "--json"]);
    assert_eq!(said.code, Some(4), "{said:?}");
    let failure = &said.json()[0]["deliveries"][0]["failure"];
    assert!(failure["what"].as_str().unwrap().contains("there is no folder"), "{failure}");
    assert_eq!(failure["stopped"], true);
    let status = site.run(["status", "--json"]);
    assert_eq!(status.code, Some(4));
    let waiting = &status.json()[0]["undelivered"][0];
    assert_eq!(waiting["failure"], *failure);
    assert_eq!(waiting["receipt"], Value::Null);
}

#[test]
fn the_queue_is_told_in_the_same_shape_as_the_faults_of_convert() {
    let (site, _) = quickstart();
    let queue = site.run(["queue", "--json"]);
    assert_eq!(queue.code, Some(3), "{queue:?}");
    let said = convert(&["--json"]);
    assert_eq!(said.code, Some(3), "{said:?}");
    let faults: Vec<Value> =
        said.err.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut queued = queue.json().as_array().unwrap().clone();
    for row in &mut queued {
        let more: BTreeSet<&str> =
            FAULT.into_iter().chain(["at", "id", "interface", "since", "times"]).collect();
        assert_eq!(keys(row), more.into_iter().collect::<Vec<_>>());
        let row = row.as_object_mut().unwrap();
        for key in ["at", "id", "interface", "since", "times"] {
            row.remove(key);
        }
    }
    for fault in &faults {
        assert_eq!(keys(fault), FAULT);
        assert!(queued.contains(fault), "{fault}");
    }
    assert_eq!(queued.len(), faults.len());
    // Newest first, and no more than asked for.
    let few = site.run(["queue", "--json", "--limit", "2"]).json();
    assert_eq!(few.as_array().unwrap().len(), 2);
}

#[test]
fn convert_shows_the_good_rows_and_tells_the_bad_ones() {
    let said = convert(&[]);
    assert_eq!(said.code, Some(3));
    let read = BatchFile::read(said.out.as_bytes()).unwrap();
    assert_eq!(read.messages().count(), 488);
    let faults: Vec<&str> = said.err.lines().collect();
    assert_eq!(faults.len(), 15, "{}", said.err);
    // Place, code, column, field, what, and what to do.
    assert!(faults.iter().any(|line| {
        line.starts_with("patients.csv record ")
            && line.contains(": T001 dob (PID-7): not a date or time that exists; write dates as")
    }));
    // Into a file, whole or not at all; nothing else is left beside it.
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("out.hl7");
    let again = convert(&["--output", file.to_str().unwrap()]);
    assert_eq!((again.code, again.out.as_str()), (Some(3), ""));
    assert!(fs::read(&file).unwrap() == said.out.as_bytes());
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
}

#[test]
fn convert_leaves_out_a_file_that_cannot_be_read() {
    let cut = "examples/quickstart/patients-cut.csv.gz";
    let said = convert(&[cut]);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.err.contains("patients-cut.csv.gz: the gzip data is cut off"), "{}", said.err);
    assert!(said.err.contains("copy or export it again"), "{}", said.err);
    assert!(said.out == convert(&[]).out, "it left a trace");
}

#[test]
fn explain_shows_the_rule_of_each_field() {
    let patients = format!("{QUICKSTART}/patients.csv");
    let with = |record: &str| {
        let mut command = program();
        command.args(["convert", "--interface", GOLDEN, "--explain", record]);
        for kind in ["providers", "departments"] {
            command.arg(format!("{QUICKSTART}/{kind}.csv"));
        }
        ended(command.arg(&patients))
    };
    let said = with("1");
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{said:?}");
    assert!(said.out.contains("ADT^A28 (patient_added)"), "{}", said.out);
    let lines: Vec<&str> = said.out.lines().collect();
    let at = lines.iter().position(|line| line.trim_start().starts_with("PID-7 ")).unwrap();
    assert_eq!(lines[at + 1].trim(), "from {dob!:date}");
    let at = lines.iter().position(|line| line.trim_start().starts_with("PID-3 ")).unwrap();
    assert!(lines[at + 1].contains("{customfield_41}^^^MERCY^MR"), "{}", lines[at + 1]);

    let refused = convert(&["--json"]);
    let fault: Value = serde_json::from_str(refused.err.lines().next().unwrap()).unwrap();
    let said = with(&fault["record"].to_string());
    assert_eq!(said.code, Some(3), "{said:?}");
    assert!(said.out.contains(fault["code"].as_str().unwrap()), "{said:?}");
    assert!(said.out.contains("what to do: "), "{said:?}");

    let said = with("100000");
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.err.contains("has no record 100000"), "{said:?}");
}

#[test]
fn a_reader_that_goes_away_is_no_panic() {
    let mut command = program();
    command.args(["convert", "--interface", GOLDEN]);
    for kind in ["providers", "departments", "patients", "appointments"] {
        command.arg(format!("{QUICKSTART}/{kind}.csv"));
    }
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // More than a pipe holds is still to come when the reader goes.
    let mut first = [0; 10];
    let mut out = child.stdout.take().unwrap();
    out.read_exact(&mut first).unwrap();
    drop(out);
    assert_eq!(&first, b"FHS|^~\\&|A");
    let ended = child.wait_with_output().unwrap();
    let err = String::from_utf8(ended.stderr).unwrap();
    assert!(matches!(ended.status.code(), Some(0 | 3)), "{:?}: {err}", ended.status);
    assert!(!err.contains("panicked"), "{err}");
}

#[test]
fn a_reader_that_goes_away_does_not_stop_the_other_interfaces() {
    let site = Site::new();
    // `annex` and `bad` come before `clinic`: one tells its summary, one its mistakes.
    let text = fs::read_to_string(site.interface_file()).unwrap().replace(NAME, "annex");
    fs::write(site.root().join("interfaces/annex.toml"), text).unwrap();
    fs::write(site.root().join("interfaces/bad.toml"), "[projekt]\n").unwrap();
    site.put(
        "patients.csv",
        "patientid,lastname,firstname,dob,sex\n1,Doe,Ann,02/14/1987,F\n2,Doe,,,\n",
    );
    let mut command = site.command(["run"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop((child.stdout.take(), child.stderr.take()));
    // The settings of `bad`: graver than the record that waits.
    assert_eq!(child.wait().unwrap().code(), Some(2));
    assert!(site.partner.join("99999-000001.hl7").exists());
}

#[test]
fn check_says_what_is_wrong_and_how_grave_it_is() {
    let (site, _) = quickstart();
    assert_eq!(site.run(["check"]).code, Some(0));
    for what in site.run(["check", "--json"]).json().as_array().unwrap() {
        assert_eq!(keys(what), ["interface", "ok", "warns", "what", "wrong"]);
        assert_eq!(what["ok"], what["wrong"].is_null());
    }
    // The probe left nothing at the partner's end.
    assert_eq!(fs::read_dir(&site.partner).unwrap().count(), 1);

    let error = site.spool().error;
    fs::set_permissions(&error, fs::Permissions::from_mode(0o755)).unwrap();
    let said = site.run(["check"]);
    assert_eq!(said.code, Some(5), "{said:?}");
    assert!(said.out.contains("it holds patient data: chmod 700"), "{said:?}");
    fs::set_permissions(&error, fs::Permissions::from_mode(0o700)).unwrap();

    let sent = all(&site.spool().sent).into_iter().find(|path| path.is_file()).unwrap();
    let moved = site.root().join("moved.hl7");
    fs::rename(&sent, &moved).unwrap();
    let said = site.run(["check", "--offline"]);
    assert_eq!(said.code, Some(5), "{said:?}");
    assert!(said.out.contains("is in 0 folders instead of one"), "{said:?}");
    fs::rename(&moved, &sent).unwrap();

    fs::rename(&site.partner, site.root().join("gone")).unwrap();
    let said = site.run(["check"]);
    assert_eq!(said.code, Some(4), "{said:?}");
    assert!(said.out.contains("there is no folder"), "{said:?}");
    assert_eq!(site.run(["check", "--offline"]).code, Some(0));
}

#[test]
fn check_goes_to_a_real_server_and_leaves_nothing_there() {
    let site = Site::over_sftp(server());
    fs::remove_dir_all(site.spool().root).unwrap();
    let said = site.run(["check"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.contains("a probe file was written there"), "{said:?}");
    assert_eq!(fs::read_dir(&site.partner).unwrap().count(), 0);
    // It looks and makes nothing: no ledger, no folder.
    assert!(!site.spool().root.exists());
}

/// What comes out of the quickstart's extracts stands beside them; `HL7DROP_BLESS=1`
/// writes it anew.
#[test]
fn the_quickstart_comes_out_as_its_folder_shows() {
    for dialect in ["api", "report"] {
        let folder = format!("examples/quickstart/{dialect}");
        let interface = format!("examples/quickstart/example-{dialect}.toml");
        let mut command = program();
        command.args(["convert", "--clock", "2026-05-20T11:00:00", "--interface", &interface]);
        for kind in ["providers", "departments", "patients", "appointments"] {
            command.arg(format!("{folder}/{kind}.csv"));
        }
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(3), "some rows are bad");
        let shown = String::from_utf8(output.stdout).unwrap().replace('\r', "\n");
        let expected = format!("examples/quickstart/{dialect}.hl7.txt");
        if std::env::var_os("HL7DROP_BLESS").is_some() {
            fs::write(&expected, shown).unwrap();
        } else {
            assert!(fs::read_to_string(&expected).unwrap_or_default() == shown, "{expected}");
        }
    }
}

#[test]
fn a_killed_conversion_leaves_nothing_for_long() {
    let place = tempfile::tempdir().unwrap();
    let [old, living] = [u32::MAX, std::process::id()];
    let [old, living] = [old, living].map(|id| place.path().join(format!(".hl7drop-{id}")));
    for folder in [&old, &living] {
        fs::create_dir(folder).unwrap();
        fs::write(folder.join("batch.hl7"), "MSH").unwrap();
    }
    let mut command = program();
    command.env("TMPDIR", place.path()).args(["convert", "--interface", GOLDEN]);
    let output = ended(command.arg(format!("{QUICKSTART}/patients.csv")));
    assert_eq!(output.code, Some(3), "{output:?}");
    assert!(!old.exists() && living.exists(), "only what nobody works with goes");
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
}

#[test]
fn a_lone_stranger_in_the_inbox_is_told_once() {
    let site = Site::new();
    site.put("notes.txt", "x");
    let said = site.run(["run"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.contains("notes.txt: left in the inbox, it matches no pattern"), "{said:?}");
    assert!(!said.out.contains("nothing to do"), "{said:?}");
    assert_eq!(said.err.matches("notes.txt").count(), 1, "{said:?}");
}

#[test]
fn install_writes_a_unit_that_systemd_takes_and_starts_it() {
    let site = Site::new();
    let home = site.root().join("home");
    // There is no systemd of a user here; this one only keeps what it is told.
    let (bin, said) = (site.root().join("bin"), site.root().join("said"));
    fs::create_dir(&bin).unwrap();
    let script = format!("#!/bin/sh\necho \"$@\" >> {}\n", said.display());
    fs::write(bin.join("systemctl"), script).unwrap();
    fs::set_permissions(bin.join("systemctl"), PermissionsExt::from_mode(0o755)).unwrap();
    let install = |args: &[&str], path: &Path| {
        let mut command = site.command(["install"].iter().chain(args));
        command.env("HOME", &home).env_remove("XDG_CONFIG_HOME");
        ended(command.env("PATH", format!("{}:/usr/bin:/bin", path.display())))
    };
    let unit = home.join(".config/systemd/user/hl7drop.service");
    assert_eq!(install(&[], &bin).code, Some(2), "for the machine there is a page");
    let dry = install(&["--user", "--dry-run"], &bin);
    assert_eq!(dry.code, Some(0), "{dry:?}");
    assert!(dry.out.contains("run     systemctl --user restart hl7drop.service"), "{dry:?}");
    assert!(!unit.exists() && !said.exists(), "nothing was done");

    let done = install(&["--user"], &bin);
    assert_eq!(done.code, Some(0), "{done:?}");
    let text = fs::read_to_string(&unit).unwrap();
    let config = site.root().canonicalize().unwrap().join("hl7drop.toml");
    assert!(text.contains(&format!("--config \"{}\" watch\n", config.display())), "{text}");
    let told =
        "--user daemon-reload\n--user enable hl7drop.service\n--user restart hl7drop.service\n";
    assert_eq!(fs::read_to_string(&said).unwrap(), told);
    // systemd itself reads it, where it is installed.
    let verify = Command::new("systemd-analyze").arg("verify").arg(&unit).output();
    if let Ok(verify) = verify {
        let told = String::from_utf8_lossy(&verify.stderr).into_owned();
        assert!(!told.contains("hl7drop.service:"), "{told}");
    }
    assert!(install(&["--user"], &bin).out.starts_with("same "), "typed again");

    fs::write(&unit, "[Service]\n").unwrap();
    let refused = install(&["--user"], &bin);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.err.contains("none of ours"), "{refused:?}");
    assert_eq!(fs::read_to_string(&unit).unwrap(), "[Service]\n");
}
