//! The guide is true: its commands are run, its tables are made of what the program knows,
//! its links lead somewhere.
//!
//! A block of `console` is a session: `$` begins a command, the lines below it are what it
//! says. `...` stands for any text, alone on a line for any lines; `# exit 3` behind a
//! command is its exit code, else 0. `<!-- run: ... -->` prepares what the page does not
//! show. `HL7DROP_BLESS=1` writes the pages that are made. A command that stands in no session
//! has its reason in `NOT_TYPED`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use hl7drop::config::settings::meaning;
use serde_json::Value;

use crate::sftpd::server;
use crate::site::{Output, Site, ended};

/// Stands between what two commands said; no program of ours writes it.
const MARK: &str = "\u{1e}";

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(project().join(path)).unwrap_or_else(|err| panic!("{path}: {err}"))
}

fn program(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hl7drop"));
    ended(command.args(args).env_remove("HL7DROP_CONFIG").stdin(Stdio::null()))
}

/// A command of a page, and what the page says of it.
#[derive(Debug, Default, PartialEq)]
struct Typed {
    line: usize,
    command: String,
    exit: i32,
    says: Vec<String>,
    shown: bool,
}

/// Reads the commands of a page, in order.
fn typed(page: &str) -> Vec<Typed> {
    let (mut all, mut inside, mut heredoc) = (Vec::<Typed>::new(), false, None::<String>);
    for (at, line) in page.lines().enumerate() {
        let line_number = at + 1;
        if let Some(hidden) = line.strip_prefix("<!-- run: ") {
            let command = hidden.trim_end_matches(" -->").to_string();
            all.push(Typed { line: line_number, command, ..Typed::default() });
        } else if line.starts_with("```") {
            inside = line == "```console";
        } else if !inside {
        } else if let Some(end) = &heredoc {
            let last = all.last_mut().unwrap();
            last.command += &format!("\n{line}");
            if line == end {
                heredoc = None;
            }
        } else if let Some(command) = line.strip_prefix("$ ") {
            let (command, exit) = match command.rsplit_once("    # exit ") {
                Some((command, exit)) => (command, exit.parse().unwrap()),
                None => (command, 0),
            };
            heredoc = command.split_once("<<'").map(|(_, end)| end.trim_end_matches('\'').into());
            let command = command.to_string();
            all.push(Typed { line: line_number, command, exit, shown: true, ..Typed::default() });
        } else {
            all.last_mut().expect("a block begins with a command").says.push(line.to_string());
        }
    }
    all
}

/// True if lines are what a page says of them.
fn fits(says: &[String], said: &[&str]) -> bool {
    match says.split_first() {
        None => said.is_empty(),
        Some((first, rest)) if first == "..." => {
            (0..=said.len()).any(|from| fits(rest, &said[from..]))
        }
        Some((first, rest)) => {
            said.split_first().is_some_and(|(line, more)| like(first, line) && fits(rest, more))
        }
    }
}

fn like(pattern: &str, line: &str) -> bool {
    let parts: Vec<&str> = pattern.split("...").collect();
    let [first, .., last] = parts.as_slice() else { return pattern == line };
    if line.len() < first.len() + last.len() || !line.starts_with(first) || !line.ends_with(last) {
        return false;
    }
    let mut rest = &line[first.len()..line.len() - last.len()];
    parts[1..parts.len() - 1].iter().all(|part| match rest.find(part) {
        Some(at) => {
            rest = &rest[at + part.len()..];
            true
        }
        None => false,
    })
}

/// Puts in what is the vendor's: a real server, a folder there, its fingerprint.
fn at_the_vendors(text: &str, folder: &str) -> String {
    let server = server();
    let shown = ended(Command::new("ssh-keygen").arg("-lf").arg(&server.known_hosts));
    let fingerprint = shown.out.split(' ').find(|word| word.starts_with("SHA256:")).unwrap();
    text.replace("/usr/share/doc/hl7drop/", &format!("{}/", project().display()))
        .replace("sftp.vendor.example", &server.host)
        .replace("port        = 22", &format!("port = {}", server.port))
        .replace("\"practice\"", &format!("{:?}", server.user))
        .replace("\"/inbound\"", &format!("{folder:?}"))
        .replace("SHA256:vendors-fingerprint", fingerprint)
}

/// Types a page's commands into one shell; says what is not as the page has it.
fn session(name: &str, commands: &[Typed]) -> Vec<String> {
    let home = tempfile::tempdir().unwrap();
    let folder = server().new_folder();
    let mut script = String::new();
    for one in commands {
        let command = at_the_vendors(&one.command, &folder);
        // In this shell, so that `cd` holds; a heredoc must end its line.
        write!(script, "{command}\nprintf '\\n{MARK}%d\\n' $?\n").unwrap();
    }
    let bin = Path::new(env!("CARGO_BIN_EXE_hl7drop")).parent().unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let mut shell = Command::new("bash");
    shell.arg("-c").arg(&script).current_dir(home.path()).env("HOME", home.path());
    shell.env("PATH", path).env("SFTP_KEY", &server().key_file).env("RUST_LOG", "off");
    shell.env_remove("HL7DROP_CONFIG").env_remove("HL7DROP_FAULT").stdin(Stdio::null());
    let said = ended(&mut shell);
    let mut parts = said.out.split(&format!("\n{MARK}")).collect::<Vec<_>>().into_iter();
    let mut out = parts.next().unwrap_or_default().to_string();
    let mut wrong = Vec::new();
    for one in commands {
        let Some(part) = parts.next() else {
            wrong.push(format!(
                "{name}:{}: {}: the shell ended: {}",
                one.line, one.command, said.err
            ));
            break;
        };
        let (exit, rest) = part.split_once('\n').unwrap_or((part, ""));
        let exit: i32 = exit.trim().parse().unwrap();
        let lines: Vec<&str> = out.trim_end_matches('\n').lines().collect();
        let as_told = !one.shown || one.says.is_empty() || fits(&one.says, &lines);
        if exit != one.exit || !as_told {
            wrong.push(format!(
                "docs/{name}.md:{}: {}\nexit {exit}, the page says {}\n{out}\n{}",
                one.line, one.command, one.exit, said.err
            ));
        }
        out = rest.to_string();
    }
    wrong
}

#[test]
fn every_command_of_the_guide_does_what_the_page_says() {
    let (mut run, mut wrong) = (0, Vec::new());
    for (path, text) in pages() {
        let name = path.file_stem().unwrap().to_str().unwrap().to_string();
        let commands = typed(&text);
        wrong.extend(session(&name, &commands));
        run += commands.iter().filter(|one| one.shown).count();
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(run > 120, "only {run} commands were found");
}

#[test]
fn a_page_that_is_not_true_is_found_out() {
    let page = "```console\n$ echo one; echo two\none\n...\n$ echo x\ny\n$ false    # exit 1\n\
                $ cat <<'END'\na\nEND\n...a\n$ true    # exit 3\n```\n";
    let wrong = session("x", &typed(page));
    assert_eq!(wrong.len(), 2, "{wrong:?}");
    assert!(wrong[0].contains("echo x") && wrong[1].contains("exit 0, the page says 3"));
    assert!(like("a...b...c", "a1b2c") && !like("a...b...c", "acb") && !like("aa...a", "aa"));
}

/// Every page, and the program's README.
fn pages() -> Vec<(PathBuf, String)> {
    let mut pages = vec![project().join("README.md")];
    let listed = fs::read_dir(project().join("docs")).unwrap();
    pages.extend(listed.map(|entry| entry.unwrap().path()));
    pages.retain(|path| path.extension().is_some_and(|end| end == "md"));
    pages.sort();
    pages.into_iter().map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

#[test]
fn every_page_is_in_the_index_and_every_link_leads_somewhere() {
    let index = read("docs/README.md");
    for (path, text) in pages() {
        let name = path.file_name().unwrap().to_str().unwrap().to_string();
        assert!(name == "README.md" || index.contains(&format!("({name})")), "{name}");
        for link in text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            let file = link.split('#').next().unwrap();
            if file.is_empty() || file.contains("://") || file.contains(' ') {
                continue;
            }
            assert!(path.parent().unwrap().join(file).exists(), "{name} links to {link}");
        }
    }
}

/// Adds the keys of a value, and of what is in it; states and notes are named by their tables.
fn keys(value: &Value, all: &mut BTreeSet<String>) {
    match value {
        Value::Array(values) => values.iter().for_each(|one| keys(one, all)),
        Value::Object(map) => map.iter().for_each(|(key, inner)| {
            all.insert(key.clone());
            if !["states", "notes"].contains(&key.as_str()) {
                keys(inner, all);
            }
        }),
        _ => {}
    }
}

#[test]
fn every_key_that_run_and_status_write_has_its_line() {
    let site = Site::new();
    site.put("patients.csv", "patientid,lastname,firstname,dob,sex\n1,Doe,Ann,02/14/1987,F\n");
    let mut all = BTreeSet::new();
    for verb in ["run", "status"] {
        keys(&site.run([verb, "--json"]).json(), &mut all);
    }
    assert!(all.len() > 40, "{all:?}");
    let pages = ["scripting", "retention", "backfill", "agreement", "queue"];
    let pages = pages.map(|name| read(&format!("docs/{name}.md"))).concat();
    let missing: Vec<_> = all.iter().filter(|key| !pages.contains(&format!("`{key}`"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// Returns the words of each `hl7drop ...` of a page, as far as they are options and verbs.
fn mentioned(text: &str) -> Vec<Vec<&str>> {
    let mut all = Vec::new();
    for line in text.lines() {
        for rest in line.split("hl7drop ").skip(1) {
            let end = rest.find(['`', '|', '#', ';', '(', '&']).unwrap_or(rest.len());
            all.push(rest[..end].split_whitespace().collect());
        }
    }
    all
}

/// What the verbs say with `--help`; each is asked once.
#[derive(Default)]
struct Helps(BTreeMap<String, Option<String>>);

impl Helps {
    fn of(&mut self, verbs: &[&str]) -> Option<String> {
        let ask = || {
            let said = program(&[verbs, &["--help"]].concat());
            (said.code == Some(0)).then_some(said.out)
        };
        self.0.entry(verbs.join(" ")).or_insert_with(ask).clone()
    }

    /// Splits the words behind `hl7drop` into its verbs and what is given to them.
    fn split<'a>(&mut self, words: &[&'a str]) -> Option<(Vec<&'a str>, Vec<&'a str>)> {
        let words = if words.first() == Some(&"--config") { words.get(2..)? } else { words };
        let (verb, rest) = words.split_first()?;
        if !verb.chars().all(|char| char.is_ascii_lowercase()) || self.of(&[verb]).is_none() {
            return None;
        }
        match rest.split_first() {
            Some((second, rest))
                if second.starts_with(|char: char| char.is_ascii_lowercase())
                    && self
                        .of(&[verb, second])
                        .is_some_and(|text| text.contains(&format!("hl7drop {verb} {second}"))) =>
            {
                Some((vec![verb, second], rest.to_vec()))
            }
            _ => Some((vec![verb], rest.to_vec())),
        }
    }
}

/// Returns what a page sets as code, since only that can be typed.
fn set_as_code(page: &str) -> String {
    page.split('`').skip(1).step_by(2).map(|one| format!("hl7drop-> {one}\n")).collect()
}

#[test]
fn every_verb_and_option_that_a_page_names_is_there() {
    let (mut helps, mut looked) = (Helps::default(), 0);
    for (path, text) in pages() {
        for words in mentioned(&set_as_code(&text)) {
            let Some((verbs, words)) = helps.split(&words) else { continue };
            let text = helps.of(&verbs).unwrap();
            for option in words.into_iter().filter(|word| word.starts_with("--")) {
                let option =
                    option.split(['=', ',', '.', '"']).next().unwrap().trim_end_matches(':');
                assert!(
                    option == "--" || text.contains(option),
                    "{}: hl7drop {} has no {option}",
                    path.display(),
                    verbs.join(" ")
                );
                looked += 1;
            }
        }
    }
    assert!(looked > 60, "only {looked} options were found");
}

/// Blocks of these are no commands.
const NO_COMMANDS: [&str; 3] = ["```console", "```toml", "```yaml"];

/// Commands in blocks that are no session: nobody types them here, and why.
const NOT_TYPED: [(&str, &str, &str); 12] = [
    ("README", "hl7drop run", QUICKSTART),
    ("README", "hl7drop queue", QUICKSTART),
    ("README", "hl7drop init ridge", START),
    ("README", "hl7drop endpoint trust ridge --fingerprint SHA256:...", START),
    ("README", "hl7drop check ridge", START),
    ("README", "hl7drop run ridge", START),
    ("README", "hl7drop status ridge", START),
    ("README", "hl7drop queue ridge", START),
    ("page", "hl7drop serve", "does not end by itself; web.rs starts it"),
    (
        "queue",
        "hl7drop queue resubmit ridge 12 --changed-id --why \"two numbers were merged\"",
        "needs an external ID that changed; external_ids.rs has one",
    ),
    ("running", "/usr/local/bin/hl7drop run >>run.log 2>&1", "a line for cron, which is root's"),
    ("service", "hl7drop install --user", "starts a service of whoever tests"),
];
const QUICKSTART: &str = "scripts/quickstart.sh types it, and scripts/check.sh runs that";
const START: &str = "start.md types it, against a server of ours";

/// Verbs that the guide names and no session types, and why.
const VERBS_NOT_TYPED: [(&str, &str); 2] = [
    ("serve", "does not end by itself; web.rs starts it"),
    ("watch", "does not end by itself; watch.rs starts it"),
];

/// Returns the commands of a page that begin with the program and are in no session.
fn outside_of_sessions(page: &str) -> Vec<&str> {
    let (mut all, mut fence) = (Vec::new(), None);
    for line in page.lines() {
        if line.starts_with("```") {
            fence = if fence.is_none() { Some(line) } else { None };
        } else if fence.map_or(line.starts_with("    "), |kind| !NO_COMMANDS.contains(&kind)) {
            let line = line.split(" # ").next().unwrap().trim().trim_start_matches("$ ");
            let parts = line.split("; ").flat_map(|part| part.split(" && "));
            let parts = parts.flat_map(|part| part.split(" | ")).map(str::trim);
            all.extend(parts.filter(|part| {
                let bare = part.trim_start_matches("sudo ");
                bare.split(' ').next().unwrap().rsplit('/').next() == Some("hl7drop")
            }));
        }
    }
    all
}

#[test]
fn a_command_that_is_not_run_has_its_reason() {
    let page = "```sh\nhl7drop one    # hl7drop no\ncd x && hl7drop two | less\n```\n\
                ```console\n$ hl7drop run\n```\n    /usr/bin/hl7drop three\ntext hl7drop no\n\
                ```\n$ hl7drop four\nFHS|hl7drop no\n```\n";
    let found = outside_of_sessions(page);
    assert_eq!(found, ["hl7drop one", "hl7drop two", "/usr/bin/hl7drop three", "hl7drop four"]);
    let found: BTreeSet<(String, String)> = pages()
        .iter()
        .flat_map(|(path, text)| {
            let name = path.file_stem().unwrap().to_str().unwrap();
            outside_of_sessions(text).into_iter().map(|one| (name.to_string(), one.to_string()))
        })
        .collect();
    let told = NOT_TYPED.iter().map(|(page, command, _)| (page.to_string(), command.to_string()));
    // A reason whose command is gone is as wrong as a command without one.
    assert_eq!(found, told.collect());
}

#[test]
fn every_verb_that_the_guide_names_is_run_by_it() {
    let (mut helps, mut named, mut run) =
        (Helps::default(), BTreeSet::<String>::new(), BTreeSet::new());
    for (_, text) in pages() {
        for words in mentioned(&set_as_code(&text)) {
            named.extend(helps.split(&words).map(|(verbs, _)| verbs.join(" ")));
        }
        for one in typed(&text).iter().filter(|one| one.shown) {
            for words in mentioned(&one.command) {
                let Some((verbs, _)) = helps.split(&words) else { continue };
                // `user` alone stands for all that begins so.
                run.extend([verbs[0].to_string(), verbs.join(" ")]);
            }
        }
    }
    let not_run: BTreeSet<_> = named.difference(&run).map(String::as_str).collect();
    assert_eq!(not_run, VERBS_NOT_TYPED.iter().map(|(verb, _)| *verb).collect());
}

/// A key as a file of settings shows it.
struct Key {
    key: String,
    /// `key = value`, as it can stand there.
    example: String,
    /// What is said behind or above it.
    about: String,
}

/// A section as a file of settings shows it.
struct Section {
    /// As it is written: `[[endpoint]]`.
    head: String,
    about: String,
    keys: Vec<Key>,
}

/// Reads a file of settings as text: sections, keys, and what is said of each. With
/// `above`, that stands above a key, else behind it.
fn sections(text: &str, above: bool) -> Vec<Section> {
    let (mut all, mut before) = (Vec::<Section>::new(), String::new());
    for line in text.lines() {
        let bare = match line.strip_prefix('#') {
            Some(rest)
                if rest.starts_with(|char: char| {
                    char.is_ascii_lowercase() || "[\"".contains(char)
                }) =>
            {
                rest
            }
            _ => line,
        };
        let (code, comment) = match bare.find("  #").or_else(|| bare.find(" # ")) {
            Some(at) => (bare[..at].trim_end(), bare[at..].trim_start_matches([' ', '#']).trim()),
            None => (bare.trim_end(), ""),
        };
        if let Some(text) = line.strip_prefix("# ") {
            write!(before, "{}{text}", if before.is_empty() { "" } else { " " }).unwrap();
        } else if code.starts_with('[') {
            let about =
                if comment.is_empty() { std::mem::take(&mut before) } else { comment.to_string() };
            before.clear();
            all.push(Section { head: code.to_string(), about, keys: Vec::new() });
        } else if code.trim().is_empty() {
            // What goes on from the line before; or nothing at all.
            match all.last_mut().and_then(|section| section.keys.last_mut()) {
                Some(key) if !comment.is_empty() && !above => {
                    write!(key.about, " {comment}").unwrap();
                }
                _ => before.clear(),
            }
        } else if let Some((key, _)) = code.split_once('=').filter(|(key, _)| !key.contains(',')) {
            let about = if above { std::mem::take(&mut before) } else { comment.to_string() };
            let example = code.split_whitespace().collect::<Vec<_>>().join(" ");
            let key = key.trim().trim_matches('"').to_string();
            all.last_mut().unwrap().keys.push(Key { key, example, about });
        } else if let Some(key) = all.last_mut().and_then(|section| section.keys.last_mut()) {
            write!(key.example, " {}", code.trim()).unwrap();
        }
    }
    all
}

fn default_of(defaults: &toml::Table, section: &str, key: &str) -> Option<String> {
    let mut table = defaults;
    for step in section.split('.') {
        table = match table.get(step)? {
            toml::Value::Table(table) => table,
            toml::Value::Array(rows) => rows.first()?.as_table()?,
            _ => return None,
        };
    }
    table.get(key).map(ToString::to_string)
}

/// Returns the keys of a section that have a default and no line in the template.
fn only_defaults(defaults: &toml::Table, section: &str, shown: &[Key]) -> Vec<(String, String)> {
    let mut table = defaults;
    for step in section.split('.') {
        table = match table.get(step) {
            Some(toml::Value::Table(table)) => table,
            _ => return Vec::new(),
        };
    }
    let plain = table.iter().filter(|(_, value)| !value.is_table());
    plain
        .filter(|(key, _)| !shown.iter().any(|one| one.key == **key))
        .map(|(key, value)| (key.clone(), value.to_string()))
        .collect()
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn code(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("`{}`", cell(text)) }
}

/// Begins a section of the page of settings.
fn head(page: &mut String, section: &Section, more: &str) {
    write!(page, "\n### `{}`{more}\n\n", section.head).unwrap();
    if !section.about.is_empty() {
        write!(page, "{}\n\n", section.about).unwrap();
    }
    page.push_str("| key | default | meaning | example |\n|---|---|---|---|\n");
}

/// Writes a line of the page of settings.
fn row(page: &mut String, key: &str, default: Option<String>, about: &str, example: &str) {
    let default = code(&default.unwrap_or_default());
    writeln!(page, "| `{key}` | {default} | {} | {example} |", cell(about)).unwrap();
}

/// Writes the page of all settings, from the files that are part of the program.
fn settings_page() -> String {
    let mut page = String::from(
        "# Every setting\n\n\
         Made from `config/interface.toml`, `config/defaults.toml`, `config/contact.toml` and\n\
         `config/hl7drop.toml`, which are part of the program; a test holds this page to them. `hl7drop init`\n\
         writes the first and the last as files to fill in. A key without a default is left out, or must be\n\
         said; `hl7drop check` says which.\n\n\
         ## The interface file: `interfaces/NAME.toml`\n",
    );
    let defaults: toml::Table = toml::from_str(&read("config/defaults.toml")).unwrap();
    let contact: toml::Table = toml::from_str(&read("config/contact.toml")).unwrap();
    let of_contact = sections(&read("config/contact.toml"), true);
    let mut seen = BTreeSet::new();
    for section in sections(&read("config/interface.toml"), false) {
        let place = section.head.trim_matches(['[', ']']).to_string();
        let again = !seen.insert(section.head.clone());
        head(&mut page, &section, if again { ", another one" } else { "" });
        for Key { key, example, about } in &section.keys {
            let own =
                of_contact.iter().flat_map(|section| &section.keys).find(|one| one.key == *key);
            let (default, told) = match own.filter(|_| place == "contact") {
                Some(own) => (default_of(&contact, &place, key), Some(own.about.clone())),
                None => (default_of(&defaults, &place, key), meaning(&place, key)),
            };
            // What the template says in short stands behind the example, where there is more.
            let (about, short) = match told {
                Some(told) => (told, about.as_str()),
                None => (about.clone(), ""),
            };
            let example = format!("{} {}", code(example), cell(short));
            row(&mut page, key, default, &about, example.trim_end());
        }
        for (key, value) in only_defaults(&defaults, &place, &section.keys) {
            let about = meaning(&place, &key).unwrap_or_default();
            let example = code(&format!("{key} = {value}"));
            row(&mut page, &key, Some(value), &about, &example);
        }
    }
    page.push_str("\n## The program's file: `hl7drop.toml`\n");
    let text = read("config/hl7drop.toml");
    let defaults: toml::Table = toml::from_str(&text).unwrap();
    for section in sections(&text, true) {
        let place = section.head.trim_matches(['[', ']']).to_string();
        head(&mut page, &section, "");
        for Key { key, example, about } in &section.keys {
            row(&mut page, key, default_of(&defaults, &place, key), about, &code(example));
        }
    }
    page
}

/// Writes the page of all codes, from what `explain` says.
fn codes_page() -> String {
    let mut page = String::from(
        "# Every code\n\n\
         Made from `hl7drop explain --json`; a test holds this page to it. Codes of the queue say who must\n\
         act by their state: ERROR the practice, CBOERROR billing, ATHENAERROR whoever runs the program. Rules of\n\
         `hl7drop validate` are an error or a warning. A code never changes its meaning.\n\n\
         | code | state | what | what to do |\n|---|---|---|---|\n",
    );
    for told in program(&["explain", "--json"]).json().as_array().unwrap() {
        let of = |key: &str| told[key].as_str().map(cell).unwrap_or_default();
        let (id, state) = (of("code"), of("state"));
        writeln!(page, "| `{id}` | {state} | {} | {} |", of("what"), of("what_to_do")).unwrap();
    }
    page
}

#[test]
fn the_pages_of_settings_and_codes_are_what_the_program_knows() {
    for (name, made) in [("settings", settings_page()), ("codes", codes_page())] {
        let path = project().join(format!("docs/{name}.md"));
        if std::env::var_os("HL7DROP_BLESS").is_some() {
            fs::write(&path, &made).unwrap();
        }
        let there = read(&format!("docs/{name}.md"));
        let differs = there.lines().zip(made.lines()).find(|(one, other)| one != other);
        assert!(
            there == made,
            "docs/{name}.md is not what is made of the program (HL7DROP_BLESS=1 writes it): {differs:?}"
        );
    }
}

#[test]
fn no_setting_and_no_code_is_missing_in_its_page() {
    let page = read("docs/settings.md");
    let known = |table: &str, mut seen: usize| {
        fn walk(table: &toml::Table, see: &mut dyn FnMut(&str)) {
            for (key, value) in table {
                match value {
                    toml::Value::Table(inner) => walk(inner, see),
                    toml::Value::Array(rows) if rows.iter().all(toml::Value::is_table) => {
                        rows.iter()
                            .filter_map(toml::Value::as_table)
                            .for_each(|row| walk(row, see));
                    }
                    _ => see(key),
                }
            }
        }
        let table: toml::Table = toml::from_str(&read(table)).unwrap();
        walk(&table, &mut |key| {
            assert!(page.contains(&format!("| `{key}` | `")), "{key} has no line with its default");
            seen += 1;
        });
        seen
    };
    let seen = ["config/defaults.toml", "config/contact.toml", "config/hl7drop.toml"]
        .iter()
        .fold(0, |seen, table| known(table, seen));
    assert!(seen > 100, "{seen}");
    let codes = read("docs/codes.md");
    let all: Value = program(&["explain", "--json"]).json();
    assert!(all.as_array().unwrap().len() > 40);
    for told in all.as_array().unwrap() {
        assert!(codes.contains(&format!("| `{}` |", told["code"].as_str().unwrap())));
    }
}
