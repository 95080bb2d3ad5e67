//! Every write and move of a run is on the disk before the next step: the program
//! under strace, its log under `scripts/fsync-audit.py`.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::crash::dropped;
use crate::site::{Output, Site, ended};

/// The system calls that the audit reads.
const CALLS: &str = "trace=openat,open,creat,write,writev,pwrite64,pwritev,pwritev2,ftruncate,\
    fallocate,copy_file_range,sendfile,fsync,fdatasync,rename,renameat,renameat2,link,linkat,\
    unlink,unlinkat,mkdir,mkdirat";

/// Folders in which each single sync is needed, and the audit must see it go.
const NEEDED: [&str; 7] =
    ["inbox", "outbox", ".staged", "sent", "archive", "processing/patients", "partner/"];

/// Runs a whole drop under strace; none if this machine has no strace that works.
/// In CI it must have one.
fn traced(site: &Site) -> Option<String> {
    let works = Command::new("strace").args(["-e", "trace=none", "true"]).output();
    if !works.is_ok_and(|output| output.status.success()) {
        assert!(std::env::var_os("CI").is_none(), "no strace, or no right to trace");
        println!("not audited: no strace, or no right to trace");
        return None;
    }
    let log = site.root().join("log");
    let program = site.command(["run"]);
    let mut strace = Command::new("strace");
    strace.args(["-f", "-y", "-s", "0", "-e", CALLS, "-o"]).arg(&log);
    strace.arg(program.get_program()).args(program.get_args()).env_remove("HL7DROP_FAULT");
    let output = ended(&mut strace);
    assert_eq!(output.code, Some(3), "{output:?}");
    Some(fs::read_to_string(log).unwrap())
}

fn audited(options: &[&str], log: &str, folder: &Path) -> Output {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), log).unwrap();
    let script = "scripts/fsync-audit.py";
    ended(Command::new("python3").arg(script).args(options).arg(file.path()).arg(folder))
}

#[test]
fn nothing_is_done_before_what_came_before_it_is_on_the_disk() {
    let site = dropped(Site::new());
    let Some(log) = traced(&site) else { return };
    let output = audited(&[], &log, site.root());
    assert_eq!(output.code, Some(0), "{}", output.out);
    assert!(output.out.ends_with(" syncs: 0 faults\n"), "{}", output.out);

    // The audit sees each single sync go, but for those that another one stands for.
    let output = audited(&["--each"], &log, site.root());
    let root = site.root().display().to_string();
    let unmissed: Vec<&str> = output.out.lines().filter(|line| !line.is_empty()).collect();
    assert!(unmissed.iter().all(|line| line.contains(&root)), "{output:?}");
    for needed in NEEDED {
        let at = |line: &&&str| line.contains(&format!("/{needed}"));
        assert_eq!(unmissed.iter().find(at), None, "the audit does not see it go");
        assert!(log.lines().any(|line| line.contains("sync(") && at(&&line)), "{needed}");
    }
}

#[test]
fn syncs_that_are_left_out_are_faults() {
    let site = dropped(Site::new());
    let Some(log) = traced(&site) else { return };
    let without = |sync: &str| -> Output {
        let stays = |line: &&str| !line.contains("sync(") || !line.contains(sync);
        let doctored: Vec<&str> = log.lines().filter(stays).collect();
        assert!(doctored.len() < log.lines().count(), "{sync}");
        audited(&[], &doctored.join("\n"), site.root())
    };
    for (sync, says) in [
        ("/.staged/99999-000001.hl7>", "the bytes of"),
        ("/.staged>", "the name of"),
        ("/.99999-000001.hl7.1.part>", "the bytes of"),
        ("/partner>", "the name of"),
        ("/archive/", "moved to"),
        ("/ledger.db>", "ledger.db was never synced"),
    ] {
        let output = without(sync);
        assert_eq!(output.code, Some(1), "{sync}: {output:?}");
        assert!(output.out.contains(says), "{sync}: {}", output.out);
    }
    let output = audited(&[], "1 write(1</dev/null>, \"\"..., 5) = 5\n", site.root());
    assert_eq!(output.code, Some(2), "a log that says nothing proves nothing");
}
