//! Files that are hard to take in: those that break the process down, those that are too
//! large, thousands at once, and an inbox on a file system that tells nothing.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use flate2::{Compression, write::GzEncoder};

use crate::doubt::aborted_at_nth;
use crate::site::{Site, ended, names, ok, words};

const HEAD: &str = "event,patientid,lastname,firstname,dob,sex\n";

fn patient(id: u32) -> String {
    format!("{HEAD}add,{id},Doe,Ann,02/14/1987,F\n")
}

/// Returns what the vendor was told, over all batch files.
fn told(site: &Site) -> Vec<String> {
    let files = names(&site.partner).into_iter().filter(|name| !name.starts_with('.'));
    let texts = files.map(|name| fs::read_to_string(site.partner.join(name)).unwrap());
    let mut told: Vec<String> = texts.flat_map(|text| words(&text)).collect();
    told.sort();
    told
}

fn set(site: &Site, line: &str) {
    let file = site.interface_file();
    let text = fs::read_to_string(&file).unwrap();
    fs::write(file, text.replace("[pickup]\n", &format!("[pickup]\n{line}\n"))).unwrap();
}

#[test]
fn what_breaks_the_process_down_goes_to_error_and_the_others_go_on() {
    let site = Site::new();
    for id in 1..=3 {
        site.put(&format!("patients-{id}.csv"), patient(id));
    }
    // Each time while the second of them is read; the first time that cannot be known.
    for deaths in 1..=3 {
        aborted_at_nth(&site, "intake.reading", 2);
        let error = names(&site.spool().error);
        assert_eq!(error, [""; 0], "after {deaths}");
        assert_eq!(told(&site), [""; 0]);
    }
    let said = site.run(["run"]);
    assert_eq!(said.code, Some(3), "{said:?}");
    assert_eq!(told(&site), ["A28 1", "A28 3"]);
    let error = site.spool().error;
    assert_eq!(names(&error), ["patients-2.csv", "patients-2.csv.why.toml"]);
    let why = fs::read_to_string(error.join("patients-2.csv.why.toml")).unwrap();
    assert!(why.contains("broke down 3 times while it read this file"), "{why}");
    assert_eq!(names(&site.spool().processing), ["patients"]);
    // It is not blamed for ever: dropped again, it is read like any other.
    fs::remove_file(error.join("patients-2.csv.why.toml")).unwrap();
    fs::rename(error.join("patients-2.csv"), site.spool().inbox.join("patients-2.csv")).unwrap();
    assert_eq!(site.run(["run"]).code, Some(0));
    assert_eq!(told(&site), ["A28 1", "A28 2", "A28 3"]);
}

#[test]
fn the_same_bytes_twice_go_on_where_one_of_them_goes_to_error() {
    let site = Site::new();
    site.put("patients-1.csv", patient(1));
    site.put("patients-2.csv", patient(1));
    site.put("patients-3.csv", patient(3));
    for _ in 1..=3 {
        aborted_at_nth(&site, "intake.reading", 1);
    }
    assert_eq!(site.run(["run"]).code, Some(3));
    assert_eq!(names(&site.spool().error), ["patients-1.csv", "patients-1.csv.why.toml"]);
    assert_eq!(told(&site), ["A28 1", "A28 3"]);
    // And where none of them can be read, none of them is put where what was taken in is.
    site.put("patients-4.csv.gz", "no gzip");
    site.put("patients-5.csv.gz", "no gzip");
    assert_eq!(site.run(["run"]).code, Some(3));
    let error = names(&site.spool().error);
    let refused = ["patients-4.csv.gz", "patients-5.csv.gz"];
    assert!(refused.iter().all(|name| error.contains(&(*name).to_string())), "{error:?}");
}

#[test]
fn deaths_over_one_extract_each_blame_nobody() {
    let site = Site::new();
    for id in 1..=3 {
        site.put(&format!("patients-{id}.csv"), patient(id));
    }
    for nth in [1, 2, 3, 1] {
        aborted_at_nth(&site, "intake.reading", nth);
    }
    assert_eq!(site.run(["run"]).code, Some(0));
    assert_eq!(told(&site), ["A28 1", "A28 2", "A28 3"]);
    assert!(!site.spool().processing.join("tries.toml").exists());
}

#[test]
fn a_file_that_is_too_large_or_grows_too_large_goes_to_error() {
    let site = Site::new();
    set(&site, "file_mib_max = 1");
    let row = format!("add,7,{},Ann,02/14/1987,F\n", "x".repeat(90));
    let large = format!("{HEAD}{}", row.repeat(1 + (1 << 20) / row.len()));
    site.put("patients-large.csv", &large);
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(large.as_bytes()).unwrap();
    let packed = packed.finish().unwrap();
    assert!(packed.len() < 1 << 19, "{}", packed.len());
    site.put("patients-packed.csv.gz", packed);
    site.put("patients.csv", patient(1));
    let said = site.run(["run"]);
    assert_eq!(said.code, Some(3), "{said:?}");
    assert_eq!(told(&site), ["A28 1"]);
    for name in ["patients-large.csv", "patients-packed.csv.gz"] {
        let why = site.spool().error.join(format!("{name}.why.toml"));
        let why = fs::read_to_string(why).unwrap();
        assert!(why.contains("more than 1 MiB") && why.contains("file_mib_max"), "{name}: {why}");
    }
}

#[test]
fn hundreds_of_files_at_once_are_told_once_each() {
    let site = Site::new();
    let count = 300;
    for id in 1..=count {
        site.put(&format!("patients-{id:05}.csv"), patient(id));
    }
    let said = site.run(["run"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let mut expected: Vec<String> = (1..=count).map(|id| format!("A28 {id}")).collect();
    expected.sort();
    assert_eq!(told(&site), expected);
    let day = fs::read_dir(site.spool().archive).unwrap().next().unwrap().unwrap().path();
    assert_eq!(names(&day).len(), count as usize);
}

/// A folder that is seen through FUSE under another name: a move out of it crosses file
/// systems, and what happens in it is told to nobody. Its end is the mount's.
pub struct Mount(std::path::PathBuf);

impl Mount {
    /// None where this machine has no FUSE.
    pub fn of(folder: &Path, at: &Path) -> Option<Mount> {
        let mut bindfs = Command::new("bindfs");
        bindfs.args(["--no-allow-other"]).arg(folder).arg(at);
        let mounted = bindfs.stdout(Stdio::null()).stderr(Stdio::null()).status();
        mounted.is_ok_and(|status| status.success()).then(|| Mount(at.to_path_buf()))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("fusermount").args(["-u", "-z"]).arg(&self.0).status();
    }
}

/// What a header compiles to is kept for the next extract that has it, up to sixteen of them.
#[test]
fn each_of_many_extracts_is_read_under_its_own_header() {
    let site = Site::new();
    let columns = ["lastname", "firstname", "dob", "sex"];
    for id in 0..60_usize {
        // Four headers by turns, and every third one that nothing else has.
        let mut order = columns;
        order.rotate_left(id % 4);
        let (own, of_own) = match id % 3 {
            0 => (format!(",unknown{id}"), ",x"),
            _ => (String::new(), ""),
        };
        let value = |column| match column {
            "lastname" => format!("Last{id}"),
            "firstname" => format!("First{id}"),
            "dob" => "02/14/1987".to_string(),
            _ => "F".to_string(),
        };
        let (head, row) = (order.join(","), order.map(value).join(","));
        let text = format!("event,patientid,{head}{own}\nadd,{},{row}{of_own}\n", id + 1);
        site.put(&format!("patients-{id:02}.csv"), text);
    }
    ok(site.run(["run"]), 0);
    let batches = names(&site.partner);
    let batch: Vec<_> = batches.iter().filter(|name| !name.starts_with('.')).collect();
    let [name] = batch[..] else { panic!("{batch:?}") };
    let text = fs::read_to_string(site.partner.join(name)).unwrap();
    for id in 0..60 {
        let pid = text.split('\r').find(|line| line.contains(&format!("|Last{id}^First{id}")));
        let pid = pid.unwrap_or_else(|| panic!("Last{id}: {text}"));
        assert!(
            pid.contains(&format!("|{}|", id + 1)) || pid.contains(&format!("|{}^", id + 1)),
            "{pid}"
        );
        assert!(pid.contains("|19870214|F"), "{pid}");
    }
}

#[test]
fn an_inbox_on_a_share_is_found_by_sweeps_and_emptied_by_copies() {
    let site = Site::new();
    let share = site.root().join("share");
    fs::create_dir(&share).unwrap();
    let Some(_mount) = Mount::of(&share, &site.spool().inbox) else {
        println!("skipped: no /dev/fuse or no bindfs here (apt install bindfs)");
        return;
    };
    let text = "[run]\nworkers = 2\n[watch]\nsweep_seconds = 1\n";
    fs::write(site.root().join("hl7drop.toml"), text).unwrap();
    let daemon = crate::watch::Daemon::start(&site);
    // Beneath the mount: no event comes of it.
    for id in 1..=3 {
        fs::write(share.join(format!("patients-{id}.csv")), patient(id)).unwrap();
    }
    daemon.until("they are told", || told(&site).len() == 3);
    daemon.until("the share is empty", || names(&share).is_empty());
    assert!(daemon.stop().0.success());
    assert_eq!(told(&site), ["A28 1", "A28 2", "A28 3"]);
    let day = fs::read_dir(site.spool().archive).unwrap().next().unwrap().unwrap().path();
    assert_eq!(names(&day), ["patients-1.csv", "patients-2.csv", "patients-3.csv"]);
    // Power lost between the copy and the removal: both are there, and it is told once.
    let dropped = |id: u32, fault: &str| {
        fs::write(share.join(format!("patients-{id}.csv")), patient(id)).unwrap();
        ended(site.command(["run"]).env("HL7DROP_FAULT", fault))
    };
    let listed = dropped(4, "list:0");
    let mut places = listed.err.lines().filter_map(|line| line.strip_prefix("place "));
    let nth = places.position(|place| place == "disk.shifted").unwrap() + 1;
    let died = dropped(5, &format!("abort:{nth}"));
    assert!(died.err.contains("fault at disk.shifted"), "{died:?}");
    assert_eq!(names(&share), ["patients-5.csv"]);
    assert_eq!(site.run(["run"]).code, Some(0));
    assert_eq!((told(&site).len(), names(&share)), (5, vec![]));
}

#[test]
fn all_tables_of_one_drop_are_in_force_until_the_next_ones_come() {
    let site = Site::new();
    let table = |id: u32| format!("providerid,npi,lastname,firstname\n{id},1369497585,Doe,Ann\n");
    let kept = |site: &Site| {
        let found = names(&site.spool().reference).into_iter();
        let mut texts: Vec<String> = found
            .map(|name| fs::read_to_string(site.spool().reference.join(name)).unwrap())
            .collect();
        texts.sort();
        texts
    };
    for id in [1, 2, 3] {
        site.put(&format!("providers-{id}.csv"), table(id));
    }
    ok(site.run(["run"]), 0);
    assert_eq!(kept(&site), [table(1), table(2), table(3)]);
    site.put("providers-4.csv", table(4));
    ok(site.run(["run"]), 0);
    assert_eq!(kept(&site), [table(4)], "what is newer stands for all before it");
}
