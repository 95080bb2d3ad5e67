//! `connections` of an endpoint: batches go over side by side and appear in their order,
//! over a real OpenSSH server, whatever breaks on the way.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use crate::sftpd::{Server, server};
use crate::site::{NAME, Site, names, ok, words};

/// A site whose endpoint has so many connections.
fn wide(site: Site, connections: u64, more: &str) -> Site {
    let text = fs::read_to_string(site.interface_file()).unwrap();
    let text = text.replace("[pickup]\n", "[pickup]\npoison_after = 1000\n");
    fs::write(site.interface_file(), format!("{text}connections = {connections}\n{more}")).unwrap();
    site
}

/// Makes so many batches that wait, of a patient each, from the number on.
fn waiting(site: &Site, from: u64, count: u64) {
    let at = ["--interface", NAME, "--why", "test"];
    if !site.spool().ledger().exists() {
        ok(site.run(["run"]), 0);
    }
    ok(site.run(["queue", "hold"].iter().chain(&at)), 0);
    for patient in from..from + count {
        let text = format!(
            "event,patientid,lastname,firstname,dob,sex\nadd,{patient},Doe,Ann,02/14/1987,F\n"
        );
        site.put(&format!("patients-{patient:04}.csv"), text);
        ok(site.run(["run"]), 0);
    }
    ok(site.run(["queue", "release"].iter().chain(&at)), 0);
}

fn name(number: u64) -> String {
    format!("99999-{number:06}.hl7")
}

/// The names that a vendor sees, in the order in which they appeared: a rename changes the
/// time of the inode.
fn appeared(folder: &Path) -> Vec<String> {
    let seen = |name: &String| !name.starts_with('.');
    let time = |name: &String| {
        let found = fs::metadata(folder.join(name)).unwrap();
        (found.ctime(), found.ctime_nsec())
    };
    let mut seen: Vec<String> = names(folder).into_iter().filter(seen).collect();
    seen.sort_by_key(time);
    seen
}

fn all(count: u64) -> Vec<String> {
    (1..=count).map(name).collect()
}

fn logins(server: &Server) -> usize {
    let log = fs::read_to_string(server.root.join("sshd.log")).unwrap();
    log.matches("Accepted publickey").count()
}

fn liar(mode: &str) -> String {
    let liar = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/liar.py");
    format!("ForceCommand python3 {} {mode}", liar.display())
}

#[test]
fn files_go_over_side_by_side_and_appear_in_their_order() {
    let own = Server::start("");
    for verify in ["size", "hash"] {
        let site = wide(Site::over_sftp(&own), 4, &format!("verify = \"{verify}\"\n"));
        waiting(&site, 1, 12);
        let before = logins(&own);
        ok(site.run(["run"]), 0);
        assert_eq!(logins(&own) - before, 4);
        assert_eq!(appeared(&site.partner), all(12));
        assert_eq!(names(&site.partner), all(12), "and nothing else is there");
        let status = site.run(["status", "--json"]).json()[0].take();
        for receipt in status["delivered"].as_array().unwrap() {
            assert_eq!(receipt["receipt"]["evidence"], "renamed");
        }
        assert_eq!(status["states"]["PROCESSED"], 12);
    }
}

#[test]
fn a_small_file_costs_four_round_trips() {
    let place = tempfile::tempdir().unwrap();
    let trips = place.path().join("trips");
    let own = Server::start(&liar(&format!("counts {}", trips.display())));
    let site = wide(Site::over_sftp(&own), 1, "");
    waiting(&site, 1, 10);
    ok(site.run(["run"]), 0);
    assert_eq!(names(&site.partner), all(10));
    // Two to begin with: the version, and the folder. Then open, write, the end, the rename;
    // on a busy machine two that go together may come apart now and then.
    let trips = fs::metadata(trips).unwrap().len();
    assert!((2 + 4 * 10..2 + 5 * 10).contains(&trips), "{trips}");
}

#[test]
fn one_file_takes_one_connection_however_many_there_may_be() {
    let own = Server::start("");
    let site = wide(Site::over_sftp(&own), 4, "");
    waiting(&site, 1, 1);
    ok(site.run(["run"]), 0);
    assert_eq!((logins(&own), names(&site.partner)), (1, all(1)));
}

#[test]
fn what_fails_stops_all_behind_it_and_leaves_nothing_of_it_there() {
    for over_sftp in [false, true] {
        let site = if over_sftp { Site::over_sftp(server()) } else { Site::new() };
        let site = wide(site, 4, "");
        waiting(&site, 1, 12);
        fs::write(site.partner.join(name(5)), "the vendor's own").unwrap();
        let said = ok(site.run(["run"]), 4);
        assert!(said.out.contains("conflict: "), "{said:?}");
        assert_eq!(names(&site.partner), all(5), "no temporary file stays");
        let content = fs::read(site.partner.join(name(5))).unwrap();
        assert_eq!(content, b"the vendor's own");
        // Nothing goes ahead of what waits for a person.
        ok(site.run(["run"]), 4);
        assert_eq!(names(&site.partner), all(5));
        fs::remove_file(site.partner.join(name(5))).unwrap();
        ok(site.run(["run", "--retry"]), 0);
        assert_eq!(names(&site.partner), all(12));
        assert_eq!(appeared(&site.partner), all(12));
    }
}

#[test]
fn a_server_that_takes_one_session_gets_all_over_it() {
    let place = tempfile::tempdir().unwrap();
    let lock = place.path().join("lock");
    let one = format!("ForceCommand flock -n {} /usr/lib/openssh/sftp-server", lock.display());
    let own = Server::start(&one);
    let site = wide(Site::over_sftp(&own), 3, "");
    waiting(&site, 1, 9);
    let said = ok(site.run(["run"]), 0);
    assert_eq!(appeared(&site.partner), all(9), "{said:?}");
    assert_eq!(names(&site.partner), all(9));
    assert_eq!(logins(&own), 2, "after one that was refused no other asks");
}

#[test]
fn a_connection_that_is_lost_takes_no_other_with_it() {
    let place = tempfile::tempdir().unwrap();
    let dropped = place.path().join("dropped");
    let own = Server::start(&liar(&format!("drops {}", dropped.display())));
    let site = wide(Site::over_sftp(&own), 4, "");
    waiting(&site, 1, 16);
    let said = ok(site.run(["run"]), 0);
    assert!(dropped.exists());
    assert_eq!(appeared(&site.partner), all(16), "{said:?}");
    assert_eq!(names(&site.partner), all(16), "the half file, too, is gone");
}

#[test]
fn killed_with_several_under_way_each_comes_once_and_in_order() {
    let place = tempfile::tempdir().unwrap();
    let victim = place.path().join("victim");
    fs::write(&victim, "0 0 never").unwrap();
    let own = Server::start(&liar(&format!("kills {}", victim.display())));
    let site = wide(Site::over_sftp(&own), 4, "infer_window_seconds = 86400\n");
    let (mut random, mut killed) = (88_172_645_463_325_252_u64, 0);
    let mut below = |end: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % end
    };
    let mut made = 0;
    for round in 0..6 {
        waiting(&site, made + 1, 6);
        made += 6;
        for _ in 0..2 {
            let mut command = site.command(["run"]);
            let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            if round % 2 == 0 {
                let (request, moment) = (1 + below(14), ["before", "after"][below(2) as usize]);
                let plan = victim.with_extension("new");
                fs::write(&plan, format!("{} {request} {moment}", child.id())).unwrap();
                fs::rename(plan, &victim).unwrap();
            } else {
                std::thread::sleep(Duration::from_millis(20 + below(300)));
                child.kill().unwrap();
            }
            killed += u64::from(child.wait().unwrap().code().is_none());
        }
        fs::write(&victim, "0 0 never").unwrap();
    }
    assert!(killed >= 6, "only {killed} runs were killed");
    ok(site.run(["run", "--retry"]), 0);
    assert_eq!(names(&site.partner), all(made), "each is there, and no temporary file");
    assert_eq!(appeared(&site.partner), all(made));
    for patient in 1..=made {
        let text = fs::read_to_string(site.partner.join(name(patient))).unwrap();
        assert_eq!(words(&text), [format!("A28 {patient}")]);
    }
    ok(site.run(["check"]), 0);
}

#[test]
fn what_goes_wrong_here_during_a_rename_leaves_no_delivered_file_in_doubt() {
    let site = wide(Site::new(), 3, "");
    waiting(&site, 1, 4);
    // The first file cannot go to `sent/`, which is found during the rename of the second.
    let day = site.spool().sent.join(site.engine().day());
    fs::create_dir_all(day.parent().unwrap()).unwrap();
    fs::write(&day, "no folder").unwrap();
    let said = site.run(["run"]);
    assert_eq!(said.code, Some(5), "{said:?}");
    let status = site.run(["status", "--json"]).json()[0].take();
    let stages = |of: &str| -> Vec<String> {
        let files = status[of].as_array().unwrap().iter();
        files.map(|file| format!("{} {}", file["batch"], file["stage"]).replace('"', "")).collect()
    };
    let done: Vec<String> = (1..=2).rev().map(|at| format!("{} delivered", name(at))).collect();
    assert_eq!(stages("delivered"), done, "{status}");
    assert_eq!(names(&site.partner).iter().filter(|name| !name.starts_with('.')).count(), 2);
    fs::remove_file(&day).unwrap();
    ok(site.run(["run"]), 0);
    assert_eq!(names(&site.partner), all(4));
    assert_eq!(appeared(&site.partner), all(4));
}
