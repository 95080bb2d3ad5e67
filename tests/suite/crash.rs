//! Cut the power at every named place, or let it fail, and look at the wreck.
//!
//! Every run is the real program. A run without a fault says what must come out;
//! after a fault and a clean run it must be the same, to the file and the message.
//! `scripts/sweep.sh` runs the long form.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime};

use flate2::{Compression, write::GzEncoder};
use hl7drop::digest::Digest;
use hl7drop::disk;
use hl7drop::engine::check;
use hl7drop::hl7::read::BatchFile;
use hl7drop::ledger::{Ledger, Sqlite, Stage};
use serde_json::Value;

use crate::encrypt::{encrypting, vendor};
use crate::sftpd;
use crate::site::{NAME, Output, Site, files_below, names_below};

const PROVIDERS: &str = "providerid,npi,lastname,firstname\n\
    27,1369497585,MCDERMOTT,DEONTAE\n34,1234567893,OKAFOR,ADA\n";

const DEPARTMENTS: &str = "departmentid,name\n12,RIVERBEND NORTH\n15,RIVERBEND SOUTH\n";

/// No `event` column: 3 is there twice, and 4 has no race that anybody knows.
const PATIENTS: &str = "patientid,lastname,firstname,dob,sex,race,primaryproviderid,lastmodified\n\
    1,Abel,Ann,04/22/1987,F,2106-3,27,05/18/2026 08:00:00\n\
    2,Baker,Bob,01/02/1950,M,,34,05/18/2026 08:01:00\n\
    3,Cole,Cid,03/03/1960,M,,27,05/18/2026 08:02:00\n\
    4,Dunn,Dee,04/04/1970,F,no such race,27,05/18/2026 08:03:00\n\
    3,Cole,Cyd,03/03/1960,F,,27,05/18/2026 09:02:00\n\
    5,Egan,Eve,05/05/1980,F,2028-9,34,05/18/2026 08:04:00\n";

const PACKED: &str = "event,patientid,lastname,firstname,dob,sex,lastmodified\n\
    add,6,Ford,Fay,06/06/1990,F,05/18/2026 08:05:00\n\
    update,7,Gray,Guy,07/07/2000,M,05/18/2026 08:06:00\n";

/// Patients of both files, one of nobody, and an open slot.
const APPOINTMENTS: &str = "event,appointmentid,patientid,departmentid,providerid,appointmentstatus,date,starttime,\
    duration,appointmenttype,lastmodified\n\
    schedule,500,1,12,27,f,06/18/2026,13:05,60,Physical,05/18/2026 10:00:00\n\
    cancel,501,6,15,34,x,06/19/2026,09:00,15,Follow Up,05/18/2026 10:01:00\n\
    checkin,502,7,12,27,2,05/18/2026,10:30,15,Follow Up,05/18/2026 10:31:00\n\
    schedule,503,99,12,27,f,06/20/2026,11:00,15,Follow Up,05/18/2026 10:03:00\n\
    ,504,,12,27,o,06/21/2026,11:15,15,,05/18/2026 10:04:00\n";

/// Dropped once all is settled: its numbers must follow those given before.
const LATER: &str = "event,patientid,lastname,firstname,dob,sex,lastmodified\n\
    add,8,Hall,Hal,08/08/1988,M,05/19/2026 08:00:00\n";

/// How a fault strikes.
#[derive(Clone, Copy)]
struct Strike {
    /// `abort`, `error`, `full`.
    kind: &'static str,
    /// The verb: one run, or two in one process.
    verb: &'static [&'static str],
    /// Whether the vendor takes away what it sees before the next run.
    taken: bool,
}

const ABORT: Strike = Strike { kind: "abort", verb: &["run"], taken: false };
const ERROR: Strike = Strike { kind: "error", ..ABORT };
const FULL: Strike = Strike { kind: "full", ..ABORT };
/// The process goes on: the interface that failed is run once more.
const ERROR_GO_ON: Strike = Strike { kind: "error", verb: &["run", NAME, NAME], taken: false };

/// What a site has come to.
#[derive(Debug, PartialEq)]
struct Settled {
    /// Every file of the spool; days are `DAY`.
    files: BTreeSet<String>,
    /// What the partner has.
    delivered: Vec<String>,
    /// Every message there, in order; only MSH-7 is left out.
    messages: Vec<String>,
    /// Rows by extract, and messages by state.
    accounts: Value,
}

/// Returns the site as it is before the fault: all extracts in the inbox, one
/// second apart, since the older of two comes first.
pub fn dropped(site: Site) -> Site {
    let extracts = [
        ("providers.csv", PROVIDERS.as_bytes()),
        ("departments.csv", DEPARTMENTS.as_bytes()),
        ("patients.csv", PATIENTS.as_bytes()),
        ("patients-packed.csv.gz", &packed(PACKED)),
        ("patients-cut.csv.gz", &packed(&PACKED.repeat(9))[..60]),
        ("appointments.csv", APPOINTMENTS.as_bytes()),
    ];
    for (at, (name, bytes)) in extracts.into_iter().enumerate() {
        site.put(name, bytes);
        let file = fs::File::options().append(true).open(site.spool().inbox.join(name)).unwrap();
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_779_274_800 + at as u64);
        file.set_modified(at).unwrap();
    }
    site
}

fn packed(text: &str) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(text.as_bytes()).unwrap();
    packed.finish().unwrap()
}

/// Runs with the `nth` place failing; returns the name of that place, if it was met.
fn struck(site: &Site, strike: Strike, nth: u32) -> Option<String> {
    let mut command = site.command(strike.verb);
    command.env("HL7DROP_FAULT", format!("{}:{nth}", strike.kind));
    let output = crate::site::ended(&mut command);
    let place = output.err.lines().find_map(|line| line.strip_prefix("fault at "));
    match (place, strike.kind) {
        (None, _) => finished(&output),
        (Some(_), "abort") => assert_eq!(output.code, None, "{output:?}"),
        // An error that is told: delivery, this machine, or not durable; or one that
        // only a copy of ours was lost to, and what waits is told as ever.
        (Some(_), _) => assert!(matches!(output.code, Some(3..=6)), "{output:?}"),
    }
    if strike.taken {
        take(site);
    }
    place.map(str::to_string)
}

/// The vendor takes what has a final name, and is never given a name twice.
fn take(site: &Site) {
    let taken = site.root().join("taken");
    disk::folder(&taken).unwrap();
    for path in files_below(&site.partner) {
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(!taken.join(name).exists(), "{name} came a second time");
        if !name.starts_with('.') {
            fs::rename(&path, taken.join(name)).unwrap();
        }
    }
}

/// Lists what came to the partner, whether the vendor took it or not, by name.
fn arrived(site: &Site) -> Vec<(String, PathBuf)> {
    let mut found = files_below(&site.partner);
    found.extend(files_below(&site.root().join("taken")));
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_string();
    let mut found: Vec<_> = found.into_iter().map(|path| (name(&path), path)).collect();
    found.sort();
    found
}

/// A run that met no fault ends with the records that wait, and nothing worse.
fn finished(output: &Output) {
    assert_eq!(output.code, Some(3), "{output:?}");
}

fn sha(path: &Path) -> Digest {
    Digest::of_reader(&mut fs::File::open(path).unwrap()).unwrap().0
}

/// The digests of what was dropped, by name.
fn extracts(site: &Site) -> BTreeMap<String, Digest> {
    let inbox = site.spool().inbox;
    names_below(&inbox).into_iter().map(|name| (name.clone(), sha(&inbox.join(name)))).collect()
}

/// True of every state that a crash may leave; nothing is changed by looking.
fn always(site: &Site, extracts: &BTreeMap<String, Digest>) {
    let (engine, spool) = (site.engine(), site.spool());
    for checked in check::state(&engine).unwrap() {
        assert_eq!(checked.wrong, None, "{}", checked.what);
    }
    let ledger = Sqlite::peek(&spool.ledger(), &engine.owner()).unwrap();
    partner(site, ledger.as_ref());
    let mut found: BTreeMap<Digest, Vec<PathBuf>> = BTreeMap::new();
    for folder in [&spool.inbox, &spool.processing, &spool.archive, &spool.error] {
        for path in files_below(folder) {
            found.entry(sha(&path)).or_default().push(path);
        }
    }
    for (name, digest) in extracts {
        let paths = found.remove(digest).unwrap_or_default();
        let [path] = paths.as_slice() else { panic!("{name} is at {paths:?}") };
        let ledger = ledger.as_ref();
        let promised = ledger.is_some_and(|ledger| ledger.extract(digest).unwrap().is_some());
        assert!(promised || !path.starts_with(&spool.archive), "{name} shelved, not promised");
        if path.starts_with(&spool.error) {
            assert!(!promised, "{name} is promised and in error/");
            let why = fs::read_to_string(format!("{}.why.toml", path.display())).unwrap();
            let why: toml::Table = why.parse().unwrap();
            assert!(why["what"].is_str() && why["what_to_do"].is_str(), "{why:?}");
        }
    }
}

/// What the partner sees is whole, promised, and verified before it got its name;
/// and what the ledger says it has, it has.
fn partner(site: &Site, ledger: Option<&Sqlite>) {
    let seen: BTreeMap<String, PathBuf> =
        arrived(site).into_iter().filter(|(name, _)| !name.starts_with('.')).collect();
    let Some(ledger) = ledger else { return assert_eq!(seen, BTreeMap::new(), "no ledger yet") };
    let endpoint = &site.engine().agreement.scope.endpoints[0].name;
    for (name, path) in &seen {
        let batch = ledger.batch(name.trim_end_matches(".pgp")).unwrap();
        let batch = batch.unwrap_or_else(|| panic!("{name} not promised"));
        let delivery = ledger.delivery(batch.number, endpoint).unwrap().unwrap();
        assert_eq!(sha(path), delivery.digest(), "{name} is half made");
        let stage = delivery.stage;
        assert!(matches!(stage, Stage::Verified | Stage::Delivered), "{name} is {stage:?}");
    }
    for batch in ledger.batches().unwrap() {
        let row = ledger.delivery(batch.number, endpoint).unwrap().unwrap();
        let there = seen.contains_key(row.name());
        assert!(row.stage != Stage::Delivered || there, "{} said", row.name());
    }
}

/// Brings a site to rest: one clean run, and one more with `--retry` if a delivery
/// waits for a person. Then another drop, whose numbers must go on, and one that
/// says nothing new: the register must know all that was told, and no more.
fn settle(site: &Site) -> Settled {
    let output = site.run(["run"]);
    if output.code == Some(4) {
        finished(&site.run(["run", "--retry"]));
    } else {
        finished(&output);
    }
    site.put("patients-later.csv", LATER);
    finished(&site.run(["run"]));
    site.put("patients-again.csv", format!("{PATIENTS}\n"));
    finished(&site.run(["run"]));
    settled(site)
}

/// Looks at a site at rest.
fn settled(site: &Site) -> Settled {
    let (engine, spool) = (site.engine(), site.spool());
    for checked in check::folders(&engine) {
        assert_eq!(checked.wrong, None, "{}", checked.what);
    }
    let relative = |path: PathBuf| {
        let parts = path.strip_prefix(&spool.root).unwrap().iter();
        let is_day = |part: &str| part.len() == 10 && part.starts_with("20");
        let parts = parts.map(|part| part.to_str().unwrap());
        parts.map(|part| if is_day(part) { "DAY" } else { part }).collect::<Vec<_>>().join("/")
    };
    // A look at the ledger leaves two empty files beside it; incidents are another matter,
    // since a fault is one.
    let aside = |name: &String| name.starts_with("incidents.") || name.starts_with("ledger.db-");
    let files = files_below(&spool.root).into_iter().map(relative);
    let files = files.filter(|name| !aside(name)).collect();
    let status = site.run(["status", "--json"]).json()[0].take();
    let rows = |extract: &Value| (extract["file"].to_string(), extract["counts"].clone());
    let extracts = status["extracts"].as_array().unwrap().iter().map(rows);
    let rows: BTreeMap<String, Value> = extracts.collect();
    let accounts = serde_json::json!({ "rows": rows, "states": status["states"] });
    let (mut delivered, mut messages) = (Vec::new(), Vec::new());
    for (name, path) in arrived(site) {
        delivered.push(name);
        let encrypted = path.extension().is_some_and(|extension| extension == "pgp");
        let bytes = if encrypted { vendor().decrypt(&path) } else { fs::read(path).unwrap() };
        for message in BatchFile::read(&bytes).unwrap().messages() {
            let segments = message.segments.iter();
            let lines = segments.map(|segment| String::from_utf8_lossy(segment.bytes()));
            let mut lines: Vec<String> = lines.map(String::from).collect();
            let mut header: Vec<&str> = lines[0].split('|').collect();
            header[6] = "";
            lines[0] = header.join("|");
            messages.push(lines.join("\n"));
        }
    }
    Settled { files, delivered, messages, accounts }
}

/// What must come out, whatever happens on the way; held to figures made by hand.
fn without_fault() -> Settled {
    let site = dropped(Site::new());
    let extracts = extracts(&site);
    finished(&site.run(["run"]));
    always(&site, &extracts);
    let settled = settle(&site);
    assert_eq!(settled.delivered, ["99999-000001.hl7", "99999-000002.hl7"]);
    let ids = settled.messages.iter().map(|message| message.split('|').nth(9).unwrap());
    let risen: Vec<String> = (1..=10).map(|number| format!("{number}M99999")).collect();
    assert_eq!(ids.collect::<Vec<_>>(), risen);
    let figures = [
        ("appointments.csv", [5, 3, 1, 1, 0]),
        ("departments.csv", [2, 2, 0, 0, 0]),
        ("patients-again.csv", [6, 0, 4, 1, 1]),
        ("patients-later.csv", [1, 1, 0, 0, 0]),
        ("patients-packed.csv.gz", [2, 2, 0, 0, 0]),
        ("patients.csv", [6, 4, 0, 1, 1]),
        ("providers.csv", [2, 2, 0, 0, 0]),
    ];
    let rows = settled.accounts["rows"].as_object().unwrap();
    assert_eq!(rows.len(), figures.len(), "{rows:?}");
    for (name, figures) in figures {
        let counts = &rows[&format!("{name:?}")];
        let names = ["rows", "sent", "filtered", "error", "duplicate"];
        assert_eq!(names.map(|name| counts[name].as_u64().unwrap()), figures, "{name}");
    }
    let expected = [
        "archive/DAY/appointments.csv",
        "archive/DAY/departments.csv",
        "archive/DAY/patients-again.csv",
        "archive/DAY/patients-later.csv",
        "archive/DAY/patients-packed.csv.gz",
        "archive/DAY/patients.csv",
        "archive/DAY/providers.csv",
        "error/patients-cut.csv.gz",
        "error/patients-cut.csv.gz.why.toml",
        "index/000000000001.idx",
        "index/000000000006.idx",
        "index/000000000007.idx",
        "ledger.db",
        "ledger.register",
        "lock",
        "reference/departments",
        "reference/providers",
        "sent/DAY/99999-000001.hl7",
        "sent/DAY/99999-000002.hl7",
        "usage.json",
    ];
    assert_eq!(settled.files, expected.map(String::from).into());
    settled
}

/// One fault at one place, in a fresh site. Returns the place; none if it is not met.
fn once(make: &dyn Fn() -> Site, strike: Strike, nth: u32, expected: &Settled) -> Option<String> {
    let site = dropped(make());
    let extracts = extracts(&site);
    let place = struck(&site, strike, nth);
    always(&site, &extracts);
    let settled = settle(&site);
    always(&site, &extracts);
    assert_eq!(&settled, expected, "{}:{nth}", strike.kind);
    place
}

/// Names every place of a run without a fault, in order.
fn places(make: &dyn Fn() -> Site, strike: Strike) -> Vec<String> {
    let site = dropped(make());
    let mut command = site.command(strike.verb);
    let output = crate::site::ended(command.env("HL7DROP_FAULT", "list:0"));
    finished(&output);
    let places = output.err.lines().filter_map(|line| line.strip_prefix("place "));
    places.map(str::to_string).collect()
}

/// Works `what` off in parallel, for 1, 2, 3 ... until it says false, or panics.
pub fn until_false(what: impl Fn(u32) -> bool + Sync) {
    let (next, failed) = (AtomicU32::new(1), AtomicBool::new(false));
    let one = || {
        let nth = next.fetch_add(1, Ordering::Relaxed);
        let done = catch_unwind(AssertUnwindSafe(|| what(nth)));
        failed.fetch_or(done.is_err(), Ordering::Relaxed);
        done.unwrap_or_else(|_| panic!("the sweep ends at {nth}"))
    };
    let work = || {
        let mut more = true;
        while more && !failed.load(Ordering::Relaxed) {
            more = one();
        }
    };
    let workers = std::thread::available_parallelism().map_or(2, NonZero::get) * 2;
    std::thread::scope(|scope| (0..workers).for_each(|_| drop(scope.spawn(work))));
}

/// Sweeps one fault over every place that is `wanted`; goes on until none is met.
fn sweep(title: &str, make: &(dyn Fn() -> Site + Sync), strike: Strike, wanted: fn(&str) -> bool) {
    sweep_to(without_fault(), title, make, strike, wanted);
}

/// Sweeps one fault over every place that is `wanted`, after each of which the site must
/// come to what is `expected`.
fn sweep_to(
    expected: Settled,
    title: &str,
    make: &(dyn Fn() -> Site + Sync),
    strike: Strike,
    wanted: fn(&str) -> bool,
) {
    let (began, places) = (Instant::now(), places(make, strike));
    // Before the first try the vendor has nothing to take.
    let first_try = places.iter().position(|place| place == "ledger.sending.before").unwrap();
    let from = if strike.taken { first_try } else { 0 };
    let count = AtomicU32::new(0);
    until_false(|nth| {
        let at = nth as usize - 1;
        let place = places.get(at);
        if place.is_some_and(|place| at < from || !wanted(place)) {
            return true;
        }
        let met = blamed(&format!("{title}, place {nth} {place:?}"), || {
            once(make, strike, nth, &expected)
        });
        assert_eq!(met.as_ref(), place, "the places are not the same in every run");
        count.fetch_add(u32::from(met.is_some()), Ordering::Relaxed);
        met.is_some()
    });
    let count = count.into_inner();
    assert!(count > 9, "{title}: {count} places are no sweep");
    println!("{title}: {count} places, {:.0?}", began.elapsed());
}

/// Sweeps one fault over the places that are `wanted`, and after each a second one
/// over every place of the run that comes next.
fn sweep_pairs(
    title: &str,
    make: &(dyn Fn() -> Site + Sync),
    strike: Strike,
    wanted: fn(&str) -> bool,
) {
    let (began, expected, places) = (Instant::now(), without_fault(), places(make, strike));
    let pairs = AtomicU32::new(0);
    until_false(|first| {
        let Some(place) = places.get(first as usize - 1) else { return false };
        for second in (1..).take_while(|_| wanted(place)) {
            let site = dropped(make());
            let extracts = extracts(&site);
            let met = blamed(&format!("{title}, {place} {first}, then {second}"), || {
                assert_eq!(struck(&site, strike, first).as_ref(), Some(place));
                let met = struck(&site, strike, second);
                always(&site, &extracts);
                assert_eq!(settle(&site), expected);
                always(&site, &extracts);
                met
            });
            if met.is_none() {
                break;
            }
            pairs.fetch_add(1, Ordering::Relaxed);
        }
        true
    });
    let pairs = pairs.into_inner();
    assert!(pairs > 100, "{title}: {pairs} pairs are no sweep");
    println!("{title}: {pairs} pairs, {:.0?}", began.elapsed());
}

/// Says which run it was, if `work` panics.
fn blamed<T>(which: &str, work: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| panic!("{which}: see above"))
}

fn all(_: &str) -> bool {
    true
}

/// The places at the other end, and the commits between them.
fn of_the_line(place: &str) -> bool {
    place.starts_with("sftp.") || place.starts_with("ledger.")
}

/// The quick form leaves to the folder's sweep what is the same there.
fn of_the_server(place: &str) -> bool {
    of_the_line(place) || std::env::var_os("HL7DROP_SWEEP").is_some_and(|form| form == "long")
}

/// A site whose files are read back before they get their names.
fn over_sftp() -> Site {
    let site = Site::over_sftp(sftpd::server());
    let mut settings = fs::File::options().append(true).open(site.interface_file()).unwrap();
    writeln!(settings, "verify = \"hash\"").unwrap();
    site
}

#[test]
fn power_lost_once() {
    sweep("folder, abort", &Site::new, ABORT, all);
}

/// A site whose drops become a file of ADT and one of SIU.
fn two_files() -> Site {
    let site = Site::new();
    let mut settings = fs::File::options().append(true).open(site.interface_file()).unwrap();
    writeln!(settings, "[batch]\nfile_per = \"type\"").unwrap();
    site
}

/// The places where two files differ from one.
fn of_files(place: &str) -> bool {
    ["disk.create", "disk.sync", "disk.shift", "disk.remove", "ledger.commit_drop", "ledger.deli"]
        .iter()
        .any(|one| place.starts_with(one))
}

#[test]
fn power_lost_once_between_the_files_of_a_drop() {
    let site = dropped(two_files());
    finished(&site.run(["run"]));
    let (expected, one_file) = (settle(&site), without_fault());
    assert_eq!(expected.messages, one_file.messages, "in the order of their files");
    assert_eq!(expected.accounts, one_file.accounts);
    let names: Vec<String> = (1..=3).map(|number| format!("99999-00000{number}.hl7")).collect();
    assert_eq!(expected.delivered, names);
    sweep_to(expected, "two files, abort", &two_files, ABORT, of_files);
}

/// The places around an encryption, and those of the line behind it.
fn of_the_encryption(place: &str) -> bool {
    place.starts_with("openpgp.") || place.starts_with("ledger.") && !place.contains("_drop")
}

#[test]
fn power_lost_once_or_the_disk_full_around_an_encryption() {
    let make = || encrypting(Site::new());
    let expected = || {
        let site = dropped(make());
        finished(&site.run(["run"]));
        let (settled, plain) = (settle(&site), without_fault());
        assert_eq!(settled.messages, plain.messages, "what was encrypted is what was promised");
        assert_eq!((&settled.accounts, &settled.files), (&plain.accounts, &plain.files));
        assert_eq!(settled.delivered, ["99999-000001.hl7.pgp", "99999-000002.hl7.pgp"]);
        settled
    };
    sweep_to(expected(), "encrypted, abort", &make, ABORT, of_the_encryption);
    let early = |place: &str| of_the_encryption(place) && !place.contains(".delivered");
    sweep_to(expected(), "encrypted, full", &make, FULL, early);
}

#[test]
fn disk_refuses_once() {
    sweep("folder, error", &Site::new, ERROR, all);
}

#[test]
fn disk_refuses_once_and_the_process_goes_on() {
    sweep("folder, error and on", &Site::new, ERROR_GO_ON, all);
}

#[test]
fn disk_full_once() {
    sweep("folder, full", &Site::new, FULL, all);
}

#[test]
fn power_lost_once_and_the_vendor_takes_what_it_sees() {
    sweep("folder, abort, taken", &Site::new, Strike { taken: true, ..ABORT }, all);
}

#[test]
fn line_lost_once_over_sftp_and_the_vendor_takes_what_it_sees() {
    sweep("sftp, error, taken", &over_sftp, Strike { taken: true, ..ERROR }, of_the_server);
}

#[test]
fn power_lost_once_over_sftp() {
    sweep("sftp, abort", &over_sftp, ABORT, of_the_server);
}

#[test]
fn line_lost_once_over_sftp() {
    sweep("sftp, error", &over_sftp, ERROR, of_the_server);
}

#[test]
fn line_lost_once_over_sftp_and_the_process_goes_on() {
    sweep("sftp, error and on", &over_sftp, ERROR_GO_ON, of_the_server);
}

#[test]
#[ignore = "takes long: scripts/sweep.sh"]
fn power_lost_twice() {
    sweep_pairs("folder, abort twice", &Site::new, ABORT, all);
}

#[test]
#[ignore = "takes long: scripts/sweep.sh"]
fn power_lost_twice_over_sftp() {
    sweep_pairs(
        "sftp, abort twice, taken",
        &over_sftp,
        Strike { taken: true, ..ABORT },
        of_the_line,
    );
}

#[test]
#[ignore = "takes long: scripts/sweep.sh"]
fn line_lost_twice_over_sftp() {
    sweep_pairs("sftp, error twice", &over_sftp, ERROR, of_the_line);
}
