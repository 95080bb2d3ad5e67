//! What the program lets nobody else see or change: its files, its memory, its settings,
//! its secrets; and what others cannot make its log say.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus};

use crate::sftpd::server;
use crate::site::{NAME, Output, Site, ended, ok};

const PATIENTS: &str = "event,patientid,lastname,firstname,dob,sex\nadd,1,Doe,Ann,02/14/1987,F\n";

fn mode(path: &Path) -> u32 {
    path.symlink_metadata().unwrap().permissions().mode() & 0o777
}

/// Every file and folder below one, itself among them.
fn everything(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = vec![folder.to_path_buf()];
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(everything(&path)) } else { found.push(path) }
    }
    found
}

/// Runs the program from a shell that says something first.
fn after(site: &Site, says: &str, args: &[&str]) -> Command {
    let own = site.command(args);
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!("{says}; exec \"$0\" \"$@\"")).arg(own.get_program());
    shell.args(own.get_args()).env_remove("HL7DROP_FAULT").env_remove("RUST_LOG");
    shell
}

#[test]
fn what_is_made_is_ours_alone_and_what_is_handed_over_the_groups_whatever_the_umask() {
    for umask in ["000", "077"] {
        let site = Site::new();
        fs::remove_dir_all(site.root().join("spool")).unwrap();
        let run = || ok(ended(&mut after(&site, &format!("umask {umask}"), &["run"])), 0);
        run();
        site.put("patients.csv", PATIENTS);
        run();
        for path in everything(&site.root().join("spool")) {
            let own = if path.is_dir() { 0o700 } else { 0o600 };
            assert_eq!(mode(&path), own, "umask {umask}: {}", path.display());
        }
        assert_eq!(mode(&site.partner.join("99999-000001.hl7")), 0o640, "umask {umask}");
    }
}

fn dumps(says: &str) -> ExitStatus {
    Command::new("sh").arg("-c").arg(says).status().unwrap()
}

#[test]
fn a_process_that_dies_leaves_no_core_dump() {
    if !dumps("ulimit -c unlimited && cd /tmp && kill -ABRT $$").core_dumped() {
        eprintln!("skipped: this machine dumps no cores");
        return;
    }
    let site = Site::new();
    site.put("patients.csv", PATIENTS);
    let mut command = after(&site, "ulimit -c unlimited", &["run"]);
    command.current_dir(site.root()).env("HL7DROP_FAULT", "abort:9");
    let status = command.output().unwrap().status;
    assert_eq!(status.signal(), Some(6), "{status:?}");
    assert!(!status.core_dumped());
}

/// Nothing that a terminal acts on, and no line that is not ours.
fn tame(said: &Output) {
    assert!(!said.err.contains(['\u{1b}', '\u{202e}']), "{said:?}");
    assert!(!said.err.lines().any(|line| line.starts_with("FORGED")), "{said:?}");
}

#[test]
fn no_name_can_forge_a_line_of_the_log_or_act_on_a_terminal() {
    let site = Site::new();
    site.put("patients-\u{1b}[2J\nFORGED\u{202e}.csv", PATIENTS);
    fs::create_dir(site.spool().inbox.join("\u{1b}[2J\nFORGED")).unwrap();
    let said = ok(site.run(["run"]), 0);
    tame(&said);
    assert!(said.err.contains("is a folder, a link or a pipe"), "{said:?}");

    // A place of the settings, in the log: it may hold what turns the direction.
    let folder = site.root().join("part\u{202e}ner");
    fs::create_dir(&folder).unwrap();
    let settings = fs::read_to_string(site.interface_file()).unwrap();
    fs::write(site.interface_file(), settings.replace("../partner", "../part\u{202e}ner")).unwrap();
    site.put("patients.csv", PATIENTS.replace("add,1", "add,2"));
    let said = ok(site.run(["run"]), 0);
    tame(&said);
    assert!(said.err.contains("part\\u{202e}ner/99999-000002.hl7 (renamed)"), "{said:?}");

    // And in what is said without the log.
    let mut command = Command::new(env!("CARGO_BIN_EXE_hl7drop"));
    let said = ok(ended(command.args(["--config", "/\u{1b}[2J\nFORGED", "status"])), 2);
    assert!(!said.err.contains('\u{1b}') && said.err.contains("/\\u{1b}[2J"), "{said:?}");
}

#[test]
fn settings_that_others_can_change_are_refused_with_what_to_type() {
    for file in ["hl7drop.toml", "interfaces/clinic.toml"] {
        for bits in [0o620, 0o602, 0o666] {
            let site = Site::new();
            let path = site.root().join(file);
            fs::set_permissions(&path, Permissions::from_mode(bits)).unwrap();
            site.put("patients.csv", PATIENTS);
            let told = format!("run: chmod go-w {}", path.display());
            for verb in ["run", "check", "status"] {
                let said = site.run([verb]);
                assert_eq!(said.code, Some(2), "{verb} {bits:o}: {said:?}");
                assert!((said.err.clone() + &said.out).contains(&told), "{verb}: {said:?}");
            }
            assert_eq!(fs::read_dir(&site.partner).unwrap().count(), 0);
            fs::set_permissions(&path, Permissions::from_mode(bits & !0o022)).unwrap();
            ok(site.run(["run"]), 0);
        }
    }
    // Whoever only looks at a file may have it from anybody.
    let site = Site::new();
    fs::set_permissions(site.interface_file(), Permissions::from_mode(0o666)).unwrap();
    let interface = site.interface_file();
    let patients = site.root().join("patients.csv");
    fs::write(&patients, PATIENTS).unwrap();
    let args = [Path::new("convert"), Path::new("--interface"), &interface, &patients];
    ok(site.run(args), 0);
}

#[test]
fn a_secret_that_systemd_hands_over_is_found_and_may_be_the_groups() {
    let site = Site::over_sftp(server());
    let settings = fs::read_to_string(site.interface_file()).unwrap();
    let key = format!("{:?}", server().key_file);
    let settings = settings.replace(&key, "\"$CREDENTIALS_DIRECTORY/ridge-key\"");
    fs::write(site.interface_file(), settings).unwrap();
    site.put("patients.csv", PATIENTS);
    let said = ok(site.run(["run"]), 4);
    assert!(said.out.contains("LoadCredential=ridge-key:FILE"), "{said:?}");

    let handed = site.root().join("credentials");
    fs::create_dir(&handed).unwrap();
    fs::copy(&server().key_file, handed.join("ridge-key")).unwrap();
    // As systemd does it: an access list for the user shows as the group's bit.
    fs::set_permissions(handed.join("ridge-key"), Permissions::from_mode(0o440)).unwrap();
    let mut command = site.command(["run", "--retry", NAME]);
    let said = ok(ended(command.env("CREDENTIALS_DIRECTORY", &handed)), 0);
    assert!(site.partner.join("99999-000001.hl7").exists(), "{said:?}");
}
