//! Writing a plan: the scenes get files, a rehearsal gives the expected messages, and where
//! these are not what is known without the converter, that is said.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::casting::cast;
use super::folder::Folder;
use super::perform::Performed;
use super::rehearse::Rehearsal;
use super::{Terms, refused, test_only};
use crate::digest::Digest;
use crate::domain::{Encoding, Event, ExtractKind, Scope};
use crate::engine::error::EngineError;
use crate::engine::pass::Engine;
use crate::ledger::Sign;
use crate::package::{html, markdown};
use crate::papers::testplan::cast::{extract, name_of};
use crate::papers::testplan::compare::{missed, readable, told};
use crate::papers::testplan::scenes::{Dropped, Scene, scenes};
use crate::papers::testplan::{self, Extract, FORM, Plan, Scenario, Step};

/// What was written.
#[derive(Debug)]
pub struct Written {
    /// The plan.
    pub plan: Plan,
    /// Where the one before it is now.
    pub aside: Option<PathBuf>,
}

/// Digits for the IDs, the first of them that stands nowhere else; then any that do not.
const TOKENS: [&str; 6] = ["7319", "6427", "8513", "5942", "4386", "3791"];

/// Writes the plan of an interface into a folder. `text` is its checked file; `each` is told
/// how many of how many scenarios were rehearsed.
///
/// # Errors
/// An interface of production; a filter that cannot be resolved; a folder that is there.
pub fn write(
    engine: &Engine,
    text: &str,
    path: &Path,
    replace: bool,
    sign: &Sign,
    each: &mut dyn FnMut(usize, usize),
) -> Result<Written, EngineError> {
    test_only(engine)?;
    let scope = &engine.agreement.scope;
    readable_encoding(scope)?;
    let cast = cast(engine)?;
    let terms = Terms::of(engine, text)?;
    let token = token(engine, &terms)?;
    let mut writer = Writer { scope, files: BTreeMap::new(), samples: BTreeMap::new() };
    let mut plan = Plan {
        form: FORM.to_string(),
        interface: scope.interface.as_str().to_string(),
        version: env!("CARGO_PKG_VERSION").to_string(),
        at: sign.at,
        by: sign.by.clone(),
        digest: terms.agreed.digest().to_string(),
        scope: terms.agreed.text(),
        reading: terms.reading.text(),
        token: token.clone(),
        tables: writer.tables(&cast.tables)?,
        scenarios: Vec::new(),
        doubts: Vec::new(),
        files: BTreeMap::new(),
    };
    let rehearsal = Rehearsal::of(engine)?;
    if !plan.tables.is_empty() {
        rehearsal.perform(&writer.to_drop(&plan.tables))?;
    }
    let scenes = scenes(scope, &cast, &token);
    for (at, scene) in scenes.iter().enumerate() {
        each(at, scenes.len());
        let scenario = writer.scenario(at + 1, scene, &rehearsal, &mut plan)?;
        plan.scenarios.push(scenario);
    }
    each(scenes.len(), scenes.len());
    finish(&mut plan, &mut writer, scope);
    let aside = Folder::write(path, &plan, &writer.files, replace)?;
    Ok(Written { plan, aside })
}

/// The extracts of a plan are plain ASCII.
fn readable_encoding(scope: &Scope) -> Result<(), EngineError> {
    let utf16 = scope.forms.iter().find(|(_, form)| form.encoding == Encoding::Utf16);
    match utf16 {
        None => Ok(()),
        Some((kind, _)) => Err(refused(format!(
            "[extract.{}] encoding = \"utf-16\" reads no extract of a test plan, which is plain \
             ASCII; use \"auto\", which reads both",
            kind.word()
        ))),
    }
}

/// Returns digits that stand nowhere but where the plan puts them, so that a run can put
/// others in their place.
fn token(engine: &Engine, terms: &Terms) -> Result<String, EngineError> {
    let mut texts = vec![terms.agreed.text(), terms.reading.text()];
    texts.push(include_str!("../../../config/samples.toml").to_string());
    for kind in [ExtractKind::Providers, ExtractKind::Departments] {
        for source in crate::engine::intake::saved(engine, kind)? {
            let bytes = std::fs::read(&source.path);
            let bytes = bytes.map_err(crate::disk::failed("read", &source.path))?;
            texts.push(String::from_utf8_lossy(&bytes).into_owned());
        }
    }
    let free = |token: &String| !texts.iter().any(|text| text.contains(token.as_str()));
    // Not 9999, which a run has where its own would be the plan's.
    let others = (1000..9999).map(|number: u32| number.to_string());
    let mut tokens = TOKENS.map(str::to_string).into_iter().chain(others);
    tokens.find(free).ok_or_else(|| {
        refused(
            "a test plan needs four digits of its own, and all there are stand somewhere in the \
             tables of providers and departments; drop shorter ones into the test environment",
        )
    })
}

struct Writer<'a> {
    scope: &'a Scope,
    /// The files of the folder, by path.
    files: BTreeMap<String, Vec<u8>>,
    /// A message of each event as it is on the wire.
    samples: BTreeMap<Event, String>,
}

impl Writer<'_> {
    fn tables(
        &mut self,
        tables: &[(ExtractKind, Vec<BTreeMap<String, String>>)],
    ) -> Result<Vec<Extract>, EngineError> {
        let files =
            tables.iter().map(|(kind, rows)| self.extract(*kind, rows, "00-tables", "tables"));
        files.collect()
    }

    /// Writes an extract; returns it.
    fn extract(
        &mut self,
        kind: ExtractKind,
        rows: &[BTreeMap<String, String>],
        folder: &str,
        word: &str,
    ) -> Result<Extract, EngineError> {
        let name = name_of(self.scope, kind, &format!("testplan-{word}")).ok_or_else(|| {
            refused(format!(
                "no name for an extract of {} can be made of [extract.{}] files; give it a \
                 pattern with *",
                kind.word(),
                kind.word()
            ))
        })?;
        let form = self.scope.forms.get(&kind);
        let delimiter = form.and_then(|form| form.delimiter).unwrap_or(b',');
        let text = extract(kind, rows, delimiter).map_err(refused)?;
        let file = format!("extracts/{folder}/{name}");
        self.files.insert(file.clone(), text.into_bytes());
        Ok(Extract { file })
    }

    fn to_drop(&self, extracts: &[Extract]) -> Vec<(String, Vec<u8>)> {
        let of = |one: &Extract| {
            (one.name().to_string(), self.files.get(&one.file).cloned().unwrap_or_default())
        };
        extracts.iter().map(of).collect()
    }

    /// Gives a scene its files, and rehearses it.
    fn scenario(
        &mut self,
        number: usize,
        scene: &Scene,
        rehearsal: &Rehearsal,
        plan: &mut Plan,
    ) -> Result<Scenario, EngineError> {
        let id = format!("{number:02}");
        let folder = format!("{id}-{}", scene.name);
        let mut steps = Vec::new();
        for (at, drop) in scene.drops.iter().enumerate() {
            let mut extracts = Vec::new();
            for (kind, rows) in &drop.rows {
                let within = format!("{folder}/{}", at + 1);
                let word = format!("{id}-{}", at + 1);
                extracts.push(self.extract(*kind, rows, &within, &word)?);
            }
            let performed = rehearsal.perform(&self.to_drop(&extracts))?;
            let expected = format!("expected/{folder}-{}.hl7", at + 1);
            let text = readable(&performed.went.messages);
            self.files.insert(expected.clone(), text.into_bytes());
            let step = step(drop, extracts, expected, &performed);
            let doubts = doubts(plan, drop, &step, &performed);
            let of = |doubt: String| format!("{id} {}, drop {}: {doubt}", scene.title, at + 1);
            plan.doubts.extend(doubts.into_iter().map(of));
            for (event, message) in drop.told.iter().zip(&performed.went.messages) {
                // The newest: that of the event's own scenario comes before all others.
                self.samples.entry(*event).or_insert_with(|| message.clone());
            }
            steps.push(step);
        }
        Ok(Scenario {
            id,
            name: scene.name.clone(),
            title: scene.title.clone(),
            about: scene.about.clone(),
            purpose: scene.purpose.clone(),
            steps,
            unit: testplan::unit(scene),
            end_user: testplan::end_user(scene),
        })
    }
}

fn step(drop: &Dropped, extracts: Vec<Extract>, expected: String, performed: &Performed) -> Step {
    let told = drop.told.iter().map(|event| {
        let telling = event.telling();
        format!("{}^{}", telling.message, telling.trigger)
    });
    Step {
        say: drop.say.clone(),
        extracts,
        focus: drop.focus.clone(),
        told: told.collect(),
        waits: drop.waits.clone(),
        filtered: drop.filtered.unwrap_or(performed.went.filtered),
        expected,
        points: drop.points.clone(),
    }
}

/// Says where the rehearsal is not what is known without the converter.
fn doubts(plan: &Plan, drop: &Dropped, step: &Step, performed: &Performed) -> Vec<String> {
    if let Some(what) = &performed.failed {
        return vec![what.clone()];
    }
    let went = &performed.went;
    let list = |all: &[String]| match all {
        [] => "nothing".to_string(),
        all => all.join(", "),
    };
    let mut doubts = Vec::new();
    let types: Vec<String> = went.messages.iter().map(|one| told(one)).collect();
    if types != step.told {
        doubts.push(format!("{} must be sent, and would be {}", list(&step.told), list(&types)));
    }
    if went.waits != drop.waits {
        let (wanted, found) = (list(&drop.waits), list(&went.waits));
        doubts.push(format!("{wanted} must wait for a person, and it would be {found}"));
    }
    if drop.filtered.is_some_and(|filtered| filtered != went.filtered) {
        doubts.push(format!(
            "{} records must be filtered, and {} would be",
            step.filtered, went.filtered
        ));
    }
    doubts.extend(missed(plan, step, &plan.token, &went.messages));
    doubts
}

/// Freezes the files, and writes the document.
fn finish(plan: &mut Plan, writer: &mut Writer<'_>, scope: &Scope) {
    let digest = |bytes: &Vec<u8>| Digest::of(bytes).to_string();
    plan.files = writer.files.iter().map(|(name, bytes)| (name.clone(), digest(bytes))).collect();
    let text = |name: &str| {
        let bytes = writer.files.get(name).map_or(&b""[..], Vec::as_slice);
        String::from_utf8_lossy(bytes).into_owned()
    };
    let paper = testplan::plan(plan, &scope.timezone, &text);
    let papers = [("plan.md", markdown(&paper)), ("plan.html", html(&paper))];
    for (event, message) in &writer.samples {
        let telling = event.telling();
        let name = telling.key.replace('_', "-");
        let file = format!("samples/{}-{name}.hl7", telling.trigger);
        let end = scope.wire.line_ending.bytes();
        let lines = message.lines().map(|line| [line.as_bytes(), end].concat());
        writer.files.insert(file, lines.collect::<Vec<_>>().concat());
    }
    for (name, text) in papers {
        writer.files.insert(name.to_string(), text.into_bytes());
    }
}
