//! Thousands of interfaces, each with a fate of its own: a seed decides what is dropped
//! and when the process dies, the disk refuses, the clock jumps, the line is lost before
//! or after the server acted, and the vendor takes files. The engine and the ledger are
//! the real ones; the server is simulated, and looks at every step. Connections beside the
//! first one work in turns that the seed decides.
//!
//! What must hold whatever happens stands in [`Seen`] and in [`Life::at_rest`]. A seed
//! that fails is printed; `HL7DROP_SEED=N cargo test simulate` lives it again.
//! `scripts/faults.sh` runs as many as it is told.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hl7drop::clock::Clock;
use hl7drop::crashpoint::{self, Fault, crashpoint};
use hl7drop::delivery::{Delivery, DeliveryError, Listed, Result as Delivered, Server};
use hl7drop::digest::Digest;
use hl7drop::domain::{Endpoint, Method};
use hl7drop::engine::{BackfillState, BackfillTask, Engine, EngineError, SideBySide, Task};
use hl7drop::hl7::read::BatchFile;
use hl7drop::ledger::{Answers, Decision, Ledger, Sign, Sqlite, Stage};
use hl7drop::spool::Spool;
use jiff::ToSpan;
use jiff::civil::DateTime;

use crate::answering::Answering;
use crate::site::{Site, words};

/// Lives in a test run; `scripts/faults.sh` asks for more.
const LIVES: u64 = 200;

/// SplitMix64: the same fate for the same seed, on every machine and for ever.
pub struct Fate(u64);

impl Fate {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub fn one_in(&mut self, many: u64) -> bool {
        self.below(many) == 0
    }
}

/// What was seen so far, by whoever looks; each look holds it to what came before.
#[derive(Default)]
struct Seen {
    /// Batch files by name: what was promised never changes.
    promised: BTreeMap<String, Digest>,
    /// What the vendor took, in order; a name comes once.
    taken: Vec<(String, Vec<u8>)>,
    /// Messages by control ID: one ID never means two contents.
    controls: BTreeMap<Vec<u8>, Digest>,
}

impl Seen {
    fn promise(&mut self, name: &str, bytes: &[u8]) {
        let digest = Digest::of(bytes);
        let before = self.promised.entry(name.to_string()).or_insert(digest);
        assert_eq!(*before, digest, "{name} has other bytes than before");
        for message in BatchFile::read(bytes).unwrap().messages() {
            let segments = message.segments.iter();
            let text: Vec<u8> = segments.flat_map(|one| one.bytes().iter().copied()).collect();
            let id = message.control_id().to_vec();
            let before = self.controls.entry(id).or_insert(Digest::of(&text));
            assert_eq!(*before, Digest::of(&text), "one control ID has two contents");
        }
    }
}

/// The vendor's end: its folder, its moods, and what it sees of us.
struct Vendor {
    files: BTreeMap<String, Vec<u8>>,
    fate: Fate,
    /// One step in so many goes wrong; 0: none.
    trouble: u64,
    /// Whether it takes away at once what has a final name.
    takes: bool,
    /// Whether it answers questions about names.
    answers: bool,
    seen: Seen,
    /// What it says of what it took.
    answering: Answering,
    spool: PathBuf,
    owner: String,
}

impl Vendor {
    fn ledger(&self) -> Sqlite {
        let ledger = Spool::at(&self.spool).ledger();
        Sqlite::peek(&ledger, &self.owner).unwrap().expect("bytes leave, and there is no ledger")
    }

    /// Takes what has a final name: whole, as promised, and never a second time.
    fn take(&mut self) {
        let names = self.files.keys().filter(|name| !name.starts_with('.'));
        for name in names.cloned().collect::<Vec<_>>() {
            let bytes = self.files.remove(&name).unwrap();
            assert!(self.seen.taken.iter().all(|(taken, _)| *taken != name), "{name} came twice");
            self.seen.promise(&name, &bytes);
            self.answering.took(&bytes);
            self.seen.taken.push((name, bytes));
        }
    }

    /// What it has or had of this name.
    fn has(&self, name: &str) -> bool {
        self.files.contains_key(name) || self.seen.taken.iter().any(|(taken, _)| taken == name)
    }

    /// No byte leaves before its batch file and its row are durable.
    fn look_at_upload(&self, temp: &str, bytes: &[u8]) {
        let name = temp.trim_start_matches('.').rsplitn(3, '.').last().unwrap();
        let batch = self.ledger().batch(name).unwrap().expect("not promised and sent");
        let here = fs::read(Spool::at(&self.spool).outbox.join(name)).unwrap();
        assert_eq!(Digest::of(&here), batch.digest, "the outbox is not what was promised");
        assert_eq!(Digest::of(bytes), batch.digest, "other bytes are sent than were promised");
    }

    /// No rename before VERIFIED is durable, nor before all before it are told.
    fn look_at_rename(&self, name: &str) {
        let ledger = self.ledger();
        let batch = ledger.batch(name).unwrap().unwrap();
        let stage = ledger.deliveries(batch.number).unwrap()[0].stage;
        assert_eq!(stage, Stage::Verified, "{name} is renamed");
        let first = &ledger.undelivered().unwrap()[0];
        assert_eq!(first.batch.name, name, "it overtakes one that is not delivered");
    }
}

/// A folder of the vendor's.
#[derive(Clone, Copy)]
enum Folder {
    /// Of our files.
    Inbound,
    /// Of its answers.
    Answers,
}

/// A connection to it.
struct Line(Arc<Mutex<Vendor>>, Folder);

impl Line {
    /// Does a step at the vendor's end, or loses the line before it or after it.
    fn step<T>(&self, work: impl FnOnce(&mut Vendor) -> Delivered<T>) -> Delivered<T> {
        let lost = |step| DeliveryError::Lost { server: "sim".into(), step, what: "cut".into() };
        // A process that is dead asks nothing any more.
        crashpoint("simulated.before").map_err(|_| lost("ask"))?;
        let mut vendor = self.0.lock().unwrap();
        let trouble = vendor.trouble;
        if trouble > 0 && vendor.fate.one_in(trouble) {
            return Err(lost("ask"));
        }
        let done = work(&mut vendor);
        if vendor.takes {
            vendor.take();
        }
        if trouble > 0 && vendor.fate.one_in(trouble) {
            return Err(lost("answer"));
        }
        crashpoint("simulated.after").map_err(|_| lost("answer"))?;
        done
    }

    fn folder<'a>(&self, vendor: &'a mut Vendor) -> &'a mut BTreeMap<String, Vec<u8>> {
        match self.1 {
            Folder::Inbound => &mut vendor.files,
            Folder::Answers => &mut vendor.answering.files,
        }
    }

    fn question<T>(
        &self,
        ask: impl FnOnce(&BTreeMap<String, Vec<u8>>) -> Delivered<T>,
    ) -> Delivered<T> {
        self.step(|vendor| match vendor.answers {
            true => ask(self.folder(vendor)),
            false => Err(DeliveryError::Denied {
                server: "sim".into(),
                step: "look at",
                path: String::new(),
            }),
        })
    }
}

impl Delivery for Line {
    fn server(&self) -> Server {
        let sim = "sim".to_string();
        Server { address: sim.clone(), place: sim, host_key: String::new() }
    }

    fn path(&self, name: &str) -> String {
        format!("/in/{name}")
    }

    fn size(&mut self, name: &str) -> Delivered<Option<u64>> {
        self.question(|files| Ok(files.get(name).map(|bytes| bytes.len() as u64)))
    }

    fn upload(&mut self, name: &str, from: &mut dyn Read, bytes: u64) -> Delivered<()> {
        let mut text = Vec::new();
        from.read_to_end(&mut text).map_err(DeliveryError::Source)?;
        assert_eq!(text.len() as u64, bytes);
        self.step(|vendor| {
            vendor.look_at_upload(name, &text);
            if vendor.files.contains_key(name) {
                return Err(DeliveryError::Exists { path: name.to_string() });
            }
            // A line that is lost in the middle leaves half a file.
            if vendor.trouble > 0 && vendor.fate.one_in(vendor.trouble) {
                text.truncate(text.len() / 2);
                vendor.files.insert(name.to_string(), std::mem::take(&mut text));
                let (server, what) = ("sim".to_string(), "cut".to_string());
                return Err(DeliveryError::Lost { server, step: "write", what });
            }
            vendor.files.insert(name.to_string(), std::mem::take(&mut text));
            Ok(())
        })
    }

    fn digest(&mut self, name: &str) -> Delivered<Digest> {
        self.question(|files| match files.get(name) {
            Some(bytes) => Ok(Digest::of(bytes)),
            None => Err(DeliveryError::NotFound { path: name.to_string() }),
        })
    }

    fn rename(&mut self, from: &str, to: &str) -> Delivered<()> {
        self.step(|vendor| {
            if matches!(self.1, Folder::Inbound) {
                vendor.look_at_rename(to);
            }
            let files = self.folder(vendor);
            if files.contains_key(to) {
                return Err(DeliveryError::Exists { path: to.to_string() });
            }
            let Some(bytes) = files.remove(from) else {
                return Err(DeliveryError::NotFound { path: from.to_string() });
            };
            files.insert(to.to_string(), bytes);
            Ok(())
        })
    }

    fn remove(&mut self, name: &str) -> Delivered<()> {
        self.step(|vendor| {
            self.folder(vendor).remove(name);
            Ok(())
        })
    }

    fn list(&mut self) -> Delivered<Vec<Listed>> {
        self.question(|files| {
            let listed = files.iter().map(|(name, content)| Listed {
                name: name.clone(),
                bytes: Some(content.len() as u64),
                modified: None,
            });
            Ok(listed.collect())
        })
    }

    fn fetch(&mut self, name: &str, to: &mut dyn Write, limit: u64) -> Delivered<u64> {
        let content = self.question(|files| match files.get(name) {
            Some(content) => Ok(content.clone()),
            None => Err(DeliveryError::NotFound { path: name.to_string() }),
        })?;
        let bytes = content.len() as u64;
        if bytes > limit {
            return Err(DeliveryError::TooLarge { path: name.to_string(), limit });
        }
        to.write_all(&content).map_err(DeliveryError::Kept)?;
        Ok(bytes)
    }
}

/// One interface and all that happens to it.
struct Life {
    site: Site,
    fate: Fate,
    vendor: Arc<Mutex<Vendor>>,
    now: DateTime,
    /// Digests of all that was dropped, each as often as it was.
    dropped: BTreeMap<Digest, usize>,
    /// Rows that say "add", by patient; the bad ones are false.
    added: BTreeMap<u64, bool>,
    /// The newest version of each patient of the lists.
    versions: BTreeMap<u64, u64>,
    /// Texts of files that say "add".
    adding: Vec<String>,
    files: u64,
    /// The patients of a full extract, where there is one; the bad ones are false.
    full: Vec<bool>,
    /// How many connections files go over at once.
    connections: u64,
}

/// The first patient of a full extract; those of lists are below, those that are added above.
const FULL: u64 = 500;

impl Life {
    fn begin(seed: u64) -> Life {
        let mut fate = Fate(seed);
        let site = Site::new();
        let mut settings = fs::read_to_string(site.interface_file()).unwrap();
        for line in ["verify = \"hash\"\n", "pickup = \"immediate\"\n", "on_inferred = \"hold\"\n"]
        {
            if fate.one_in(2) {
                settings.push_str(line);
            }
        }
        let connections = [1, 1, 2, 4][fate.below(4) as usize];
        settings.push_str(&format!("connections = {connections}\n"));
        let answers = fate.one_in(2);
        if answers {
            settings.push_str("ack = \"batch\"\nack_folder = \"../answers\"\n");
            // An answer names a file by its time; the fixed clock says one in every zone.
            settings = settings.replace("[project]", "[project]\ntimezone = \"UTC\"");
            if fate.one_in(2) {
                settings.push_str("ack_after = \"rename\"\n");
            }
        }
        settings.push_str("[backfill]\nmessages_per_minute = 0\nmessages_per_file = 2\n");
        fs::write(site.interface_file(), settings).unwrap();
        let engine = site.engine();
        let vendor = Vendor {
            files: BTreeMap::new(),
            fate: Fate(fate.next()),
            trouble: 0,
            takes: fate.one_in(2),
            answers: true,
            seen: Seen::default(),
            answering: Answering::new(answers, Fate(fate.next())),
            spool: engine.spool.root.clone(),
            owner: engine.owner(),
        };
        Life {
            site,
            fate,
            vendor: Arc::new(Mutex::new(vendor)),
            now: "2026-05-20T11:00:00".parse().unwrap(),
            dropped: BTreeMap::new(),
            added: BTreeMap::new(),
            versions: BTreeMap::new(),
            adding: Vec::new(),
            files: 0,
            full: Vec::new(),
            connections,
        }
    }

    /// The whole of it: trouble, then peace, then the reckoning.
    fn live(mut self) {
        let beside = self.connections > 1;
        let steps = 2 + self.fate.below(5) + if beside { 3 } else { 0 };
        // Batches pile up behind a vendor who is away, and go out side by side.
        let away = u64::from(beside);
        if self.fate.one_in(3) {
            self.full = (0..=self.fate.below(7)).map(|_| !self.fate.one_in(4)).collect();
        }
        for _ in 0..steps {
            for _ in 0..self.fate.below(3) {
                self.drop_something();
            }
            let minutes = [0, 0, 1, 20, 500, -90][self.fate.below(6) as usize];
            self.now = self.now.checked_add(minutes.minutes()).unwrap();
            {
                let mut vendor = self.vendor.lock().unwrap();
                vendor.trouble = [0, away, 12, 4][self.fate.below(4) as usize];
                vendor.answers = !self.fate.one_in(6);
                vendor.answering.write(false);
            }
            if !self.full.is_empty() {
                let fault = self.fault();
                self.backfill(fault);
            }
            let fault = self.fault();
            self.pass(fault, None);
            if self.fate.one_in(3) {
                self.vendor.lock().unwrap().take();
            }
            self.close_something();
            self.always();
        }
        self.peace();
        self.at_rest();
    }

    fn fault(&mut self) -> Option<(Fault, u32)> {
        let kind = [Fault::Death, Fault::Death, Fault::Error, Fault::Full];
        let place = 1 + self.fate.below(90) as u32;
        let fault = (kind[self.fate.below(4) as usize], place);
        (!self.fate.one_in(4)).then_some(fault)
    }

    fn engine(&self) -> Engine {
        let mut engine = self.site.engine();
        engine.clock = Clock::Fixed(self.now);
        let vendor = self.vendor.clone();
        engine.open_delivery = Arc::new(move |endpoint: &Endpoint, place: &Method| {
            let ours = *place == endpoint.method;
            let folder = if ours { Folder::Inbound } else { Folder::Answers };
            Ok(Box::new(Line(vendor.clone(), folder)) as Box<dyn Delivery>)
        });
        let vendor = self.vendor.clone();
        let choose = move |below| vendor.lock().unwrap().fate.below(below as u64) as usize;
        engine.side_by_side = SideBySide::InTurn(Arc::new(choose));
        engine
    }

    /// One run, with or without a fault; what it says must fit what happened.
    fn pass(&self, fault: Option<(Fault, u32)>, retry: Option<&Sign>) -> Option<EngineError> {
        let engine = self.engine();
        let (ended, struck) = patiently(|| {
            crashpoint::arm(fault);
            let ended = engine.run(retry);
            (ended, crashpoint::arm(None))
        });
        if ended.is_err() {
            assert!(struck, "a run ended by itself: {:?}", ended.err());
        }
        ended.err()
    }

    /// Starts the backfill or lets it go, whichever comes next; without a fault it must work.
    fn backfill(&self, fault: Option<(Fault, u32)>) {
        let engine = self.engine();
        let state = BackfillState::look(&engine).unwrap();
        if state.row.is_some() {
            return;
        }
        let extract = self.site.root().join("patients-full.csv");
        let mut text = "patientid,lastname,firstname,dob,sex\n".to_string();
        for (patient, good) in (FULL..).zip(&self.full) {
            let dob = if *good { "01/02/1980" } else { "02/31/1980" };
            text.push_str(&format!("{patient},V0,Ann,{dob},F\n"));
        }
        fs::write(&extract, text).unwrap();
        // It has no `lastmodified`, so a person must say that it is right.
        let release = Task::Backfill(BackfillTask::Release { anyway: true });
        let sign = Sign { by: "a person".into(), why: "it is new".into(), at: engine.clock.unix() };
        let (ended, struck) = patiently(|| {
            crashpoint::arm(fault);
            let ended = match state.plan {
                None => engine.start_backfill(std::slice::from_ref(&extract)).map(|_| ()),
                Some(_) => engine.ask(&release, &sign, Duration::from_secs(9)).map(|_| ()),
            };
            (ended, crashpoint::arm(None))
        });
        if ended.is_err() {
            assert!(struck, "a backfill ended by itself: {:?}", ended.err());
        }
    }

    /// True once there is nothing of the backfill to come.
    fn is_backfilled(&self) -> bool {
        let state = BackfillState::look(&self.engine()).unwrap();
        assert_eq!(state.row.as_ref().map_or("", |row| &row.why), "", "it never pauses itself");
        self.full.is_empty() || state.row.is_some_and(|row| row.stage.is_over())
    }

    fn drop_something(&mut self) {
        self.files += 1;
        let list = self.fate.one_in(2);
        let (mut text, mut name) = (String::new(), format!("patients-{:03}.csv", self.files));
        if list {
            text.push_str("patientid,lastname,firstname,dob,sex\n");
            let (known, full) = (self.fate.below(5), self.moved());
            for patient in (1..=known).chain(full) {
                let version = self.versions.entry(patient).or_default();
                *version += self.fate.below(2);
                text.push_str(&format!("{patient},V{version},Ann,01/02/1980,F\n"));
            }
            // A list that says the same again is a file of its own.
            text.push_str(&"\n".repeat(self.files as usize));
        } else {
            text.push_str("event,patientid,lastname,firstname,dob,sex,race\n");
            for _ in 0..=self.fate.below(4) {
                let patient = 1000 + self.added.len() as u64;
                let good = !self.fate.one_in(4);
                let race = if good { "2106-3" } else { "none" };
                text.push_str(&format!("add,{patient},Doe,Ann,01/02/1980,F,{race}\n"));
                self.added.insert(patient, good);
            }
            self.adding.push(text.clone());
            // The same bytes under another name tell nothing new, now or much later.
            if self.fate.one_in(3) {
                let old = self.fate.below(self.adding.len() as u64) as usize;
                let old = self.adding[old].clone();
                self.put(&format!("patients-{:03}-again.csv", self.files), &old);
            }
        }
        if self.fate.one_in(8) {
            name = format!("other-{:03}.txt", self.files);
            return self.site.put(&name, "no extract of ours");
        }
        self.put(&name, &text);
    }

    /// Patients of the full extract, once it was read, of whom the day says something too.
    fn moved(&mut self) -> Vec<u64> {
        let state = BackfillState::look(&self.engine()).unwrap();
        if state.plan.is_none() && state.row.is_none() {
            return Vec::new();
        }
        let good = (FULL..).zip(&self.full).filter(|(_, good)| **good);
        let good: Vec<u64> = good.map(|(patient, _)| patient).collect();
        good.into_iter().filter(|_| self.fate.one_in(3)).collect()
    }

    fn put(&mut self, name: &str, text: &str) {
        self.site.put(name, text);
        *self.dropped.entry(Digest::of(text.as_bytes())).or_default() += 1;
    }

    /// Holds at any time: every source is in one folder, promised bytes stay what they are.
    fn always(&self) {
        let spool = self.site.spool();
        let mut found: BTreeMap<Digest, usize> = BTreeMap::new();
        for folder in [&spool.inbox, &spool.processing, &spool.archive, &spool.error] {
            for path in below(folder) {
                *found.entry(Digest::of(&fs::read(path).unwrap())).or_default() += 1;
            }
        }
        for (digest, count) in &self.dropped {
            assert_eq!(found.get(digest), Some(count), "a source is lost, or there twice");
        }
        let mut vendor = self.vendor.lock().unwrap();
        vendor.answering.always(&spool);
        for folder in [&spool.outbox, &spool.sent] {
            for path in below(folder).into_iter().filter(|path| !path.starts_with(&spool.staged)) {
                let name = path.file_name().unwrap().to_str().unwrap().to_string();
                vendor.seen.promise(&name, &fs::read(path).unwrap());
            }
        }
    }

    /// No more trouble: runs until all is delivered; a person who asks the vendor decides
    /// what nobody else can tell.
    fn peace(&mut self) {
        {
            let mut vendor = self.vendor.lock().unwrap();
            (vendor.trouble, vendor.answers) = (0, true);
        }
        // Few seeds need more than ten; in one of a thousand the person looks again thrice
        // at each of four batches before asking.
        for _ in 0..60 {
            self.now = self.now.checked_add(16.minutes()).unwrap();
            if !self.full.is_empty() {
                self.backfill(None);
            }
            let by = |why: &str, at| Sign { by: "a person".into(), why: why.into(), at };
            let engine = self.engine();
            let at = engine.clock.unix();
            let peek = || Sqlite::peek(&engine.spool.ledger(), &engine.owner()).unwrap();
            // Who mended the cause says so.
            let stopped = peek().is_some_and(|ledger| ledger.look("test").unwrap().is_some());
            let mended = by("mended", at);
            assert!(self.pass(None, stopped.then_some(&mended)).is_none());
            let Some(ledger) = peek() else { return };
            let waiting = ledger.undelivered().unwrap();
            let awaited = !ledger.awaited().unwrap().is_empty();
            drop(ledger);
            let Some(first) = waiting.first() else {
                if !awaited && self.is_backfilled() {
                    return;
                }
                let mut vendor = self.vendor.lock().unwrap();
                vendor.take();
                vendor.answering.write(true);
                continue;
            };
            assert_ne!(first.stage, Stage::Conflict, "nobody else writes there");
            let decision = match first.stage {
                // Some look again before they ask.
                Stage::Uncertain if self.fate.one_in(3) => Decision::Retry,
                Stage::Uncertain if self.vendor.lock().unwrap().has(&first.batch.name) => {
                    Decision::Delivered
                }
                Stage::Uncertain => Decision::Resend,
                _ => Decision::Retry,
            };
            let sign = by("asked", at);
            let (batch, endpoint) = (first.batch.name.clone(), None);
            let task = Task::Decide { batch, endpoint, decision };
            let decide = || (engine.ask(&task, &sign, Duration::ZERO), false);
            patiently(decide).0.unwrap();
        }
        panic!("it does not come to rest");
    }

    /// Somebody closes a message that the vendor refused: that counts for ever.
    fn close_something(&self) {
        let engine = self.engine();
        let mut vendor = self.vendor.lock().unwrap();
        let Some(ledger) = Sqlite::peek(&engine.spool.ledger(), &engine.owner()).unwrap() else {
            return;
        };
        let Some(control) = vendor.answering.wants_closed(&ledger) else { return };
        drop(ledger);
        let sign = Sign { by: "a person".into(), why: "mended".into(), at: engine.clock.unix() };
        let task = Task::CloseRejected(vec![control]);
        patiently(|| (engine.ask(&task, &sign, Duration::ZERO), false)).0.unwrap();
        vendor.answering.closed(control);
    }

    /// What must have come out of it all.
    fn at_rest(self) {
        self.vendor.lock().unwrap().take();
        self.always();
        let spool = self.site.spool();
        assert_eq!(below(&spool.processing), Vec::<PathBuf>::new());
        assert_eq!(below(&spool.outbox), Vec::<PathBuf>::new());
        assert_eq!(below(&spool.backfill), Vec::<PathBuf>::new());
        let vendor = self.vendor.lock().unwrap();
        let names: Vec<&String> = vendor.seen.taken.iter().map(|(name, _)| name).collect();
        assert!(names.is_sorted(), "batches came out of order: {names:?}");
        let sent: BTreeSet<&String> = vendor.seen.promised.keys().collect();
        assert_eq!(sent, names.into_iter().collect(), "promised and not there, or the reverse");
        let mut told: BTreeMap<u64, Vec<(String, String)>> = BTreeMap::new();
        for (_, bytes) in &vendor.seen.taken {
            let text = String::from_utf8(bytes.clone()).unwrap();
            let versions = text.split('\r').filter(|line| line.starts_with("PID|"));
            let versions = versions.map(|line| line.split('|').nth(5).unwrap().to_string());
            for (word, version) in words(&text).into_iter().zip(versions) {
                let (event, patient) = word.split_once(' ').unwrap();
                let all = told.entry(patient.parse().unwrap()).or_default();
                all.push((event.to_string(), version));
            }
        }
        drop(vendor);
        self.reckon(&told);
    }

    /// Each good row told once, each bad one waiting once, each list's patient as he is.
    fn reckon(&self, told: &BTreeMap<u64, Vec<(String, String)>>) {
        let engine = self.engine();
        let ledger = Sqlite::peek(&engine.spool.ledger(), &engine.owner()).unwrap();
        if let Some(ledger) = &ledger {
            self.vendor.lock().unwrap().answering.at_rest(ledger);
        }
        let faults = ledger.map_or(0, |ledger| ledger.faults(10_000).unwrap().len());
        let mut good = 0;
        for (patient, messages) in told.iter().filter(|(patient, _)| **patient >= 1000) {
            assert_eq!(self.added.get(patient), Some(&true), "{patient} was told and never added");
            assert_eq!(messages.len(), 1, "{patient} was told more than once");
            good += 1;
        }
        let taken = self.taken_in();
        let added = |wanted: bool| {
            let rows = self.added.iter().filter(|(patient, good)| {
                **good == wanted && taken.contains(&format!("add,{patient},"))
            });
            rows.count()
        };
        assert_eq!(good, added(true), "a good row is lost");
        let bad = self.full.iter().filter(|good| !**good).count();
        assert_eq!(faults, added(false) + bad, "a bad row is lost, or waits twice");
        self.reckon_backfill(told);
        for (patient, version) in &self.versions {
            let Some(all) = told.get(patient) else {
                assert!(!taken.contains(&format!("\n{patient},V")), "{patient} was never told");
                continue;
            };
            assert_eq!(all[0].0, "A28");
            assert!(all[1..].iter().all(|(event, _)| event == "A31"), "{patient} added twice");
            assert!(all.windows(2).all(|two| two[0].1 != two[1].1), "{patient} told twice");
            // A list may have lain in the inbox under a name that nobody takes.
            let newest =
                (0..=*version).rev().find(|one| taken.contains(&format!("\n{patient},V{one},")));
            assert_eq!(all.last().unwrap().1, format!("V{}^Ann", newest.unwrap()));
        }
    }

    /// Each row of the full extract told as new, once and by either lane, or waiting.
    fn reckon_backfill(&self, told: &BTreeMap<u64, Vec<(String, String)>>) {
        for (patient, good) in (FULL..).zip(&self.full) {
            let all = told.get(&patient);
            assert_eq!(all.is_some(), *good, "{patient} is lost, or was told and is bad");
            let new = all.map_or(0, |all| all.iter().filter(|(event, _)| event == "A28").count());
            assert_eq!(new, usize::from(*good), "{patient} is told as new once");
        }
        let Some(row) = BackfillState::look(&self.engine()).unwrap().row else { return };
        let (counts, rows) = (row.counts(), self.full.len() as u64);
        assert_eq!((row.rows, counts.rows), (rows, rows));
        let bad = self.full.iter().filter(|good| !**good).count() as u64;
        assert_eq!((counts.sent + counts.filtered, counts.error), (rows - bad, bad));
    }

    /// The text of all that was taken in.
    fn taken_in(&self) -> String {
        let files = below(&self.site.spool().archive);
        files.into_iter().map(|path| fs::read_to_string(path).unwrap()).collect()
    }
}

/// Does it again while the lock of the pass before is still held: a test beside us that
/// starts a process holds all our files for the moment between its fork and its exec.
fn patiently<T>(
    work: impl Fn() -> (Result<T, EngineError>, bool),
) -> (Result<T, EngineError>, bool) {
    loop {
        match work() {
            (Err(EngineError::Busy { .. }), _) => std::thread::sleep(Duration::from_millis(5)),
            done => return done,
        }
    }
}

/// Lists the files below a folder, why-files not among them.
pub fn below(folder: &std::path::Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(below(&path));
        } else if !path.to_str().unwrap().ends_with(".why.toml") {
            found.push(path);
        }
    }
    found
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

#[test]
fn whatever_happens_nothing_is_lost_and_nothing_doubled() {
    if let Some(seed) = number("HL7DROP_SEED") {
        return Life::begin(seed).live();
    }
    let from = number("HL7DROP_FIRST_SEED").unwrap_or(1);
    let end = from + number("HL7DROP_LIVES").unwrap_or(LIVES);
    let (began, next) = (Instant::now(), AtomicU64::new(from));
    let failed = Mutex::new(Vec::new());
    let live = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end || !failed.lock().unwrap().is_empty() {
                return;
            }
            if catch_unwind(AssertUnwindSafe(|| Life::begin(seed).live())).is_err() {
                crashpoint::arm(None);
                failed.lock().unwrap().push(seed);
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(live))));
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "live it again with HL7DROP_SEED={}", failed[0]);
    println!("{} lives, nothing lost, doubled or changed, {:.0?}", end - from, began.elapsed());
}
