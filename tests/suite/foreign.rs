//! SFTP servers that are not OpenSSH, as Debian ships them: ProFTPD and rclone.
//!
//! Each is the real program on a free port of loopback, gone with its value; a shell ends
//! it even if this process is killed, since its standard input ends then.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use hl7drop::delivery::{Limits, Sftp, conform::conform};
use hl7drop::domain::{self, Login};

use crate::proxy::{Proxy, Way};
use crate::site::{Output, Site};

const BATCH: &str = "99999-000001.hl7";
const PATIENTS: &str = "event,patientid,lastname,firstname,dob,sex\nadd,1,Doe,Ann,02/14/1987,F\n";
const USER: &str = "practice";

/// A running server that serves the folder `in` of its place.
struct Foreign {
    place: tempfile::TempDir,
    port: u16,
    /// What the server calls the folder.
    folder: String,
    shell: Child,
}

/// The command that starts a server in a folder on a port; what is missing there is made.
type Start = fn(&Path, u16) -> Command;

impl Foreign {
    /// Starts a server; none where it is not installed.
    fn start(program: &str, package: &str, start: Start) -> Option<Foreign> {
        let there = Command::new("scripts/packages.sh").args(["--look", package]).status();
        if !there.unwrap().success() {
            assert!(std::env::var_os("CI").is_none(), "{package} is missing");
            println!("skipped: no {program} here (apt install {package})");
            return None;
        }
        // Somebody else may take the port before the server does.
        let tries = (0..5).find_map(|_| Foreign::try_start(start));
        Some(tries.unwrap_or_else(|| panic!("{program} does not start")))
    }

    fn try_start(start: Start) -> Option<Foreign> {
        let place = tempfile::Builder::new().prefix("hl7drop-foreign-").tempdir().unwrap();
        fs::create_dir(place.path().join("in")).unwrap();
        for key in ["host", "user"] {
            let mut keygen = Command::new("ssh-keygen");
            keygen.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(place.path().join(key));
            assert!(keygen.status().unwrap().success());
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let command = start(place.path(), port);
        let mut shell = Command::new("sh");
        shell.args(["-c", "\"$@\" & cat >/dev/null; kill $!; wait", "server"]);
        shell.arg(command.get_program()).args(command.get_args());
        shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let folder = "/in".to_string();
        let server = Foreign { place, port, folder, shell: shell.spawn().unwrap() };
        let answers = (0..100).any(|_| {
            thread::sleep(Duration::from_millis(50));
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        answers.then_some(server)
    }

    fn proftpd() -> Option<Foreign> {
        let mut server = Foreign::start("proftpd", "proftpd-mod-crypto", |place, port| {
            let at = |name: &str| place.join(name).display().to_string();
            let ids = |id: &str| {
                let said = Command::new("id").arg(id).output().unwrap().stdout;
                String::from_utf8(said).unwrap().trim().to_string()
            };
            let (uid, gid) = (ids("-u"), ids("-g"));
            let passwd = format!("{USER}:x:{uid}:{gid}::{}:/bin/false\n", place.display());
            fs::write(at("passwd"), passwd).unwrap();
            fs::write(at("group"), format!("{USER}:x:{gid}:{USER}\n")).unwrap();
            // ProFTPD wants keys as RFC 4716 writes them.
            let key = Command::new("ssh-keygen").args(["-e", "-f"]).arg(at("user.pub")).output();
            fs::write(at("keys"), key.unwrap().stdout).unwrap();
            let config = format!(
                "ServerName hl7drop\nServerType standalone\nDefaultAddress 127.0.0.1\n\
                 Port {port}\nSocketBindTight on\nUseIPv6 off\nUseReverseDNS off\n\
                 User {user}\nGroup {group}\nRootLogin on\nPidFile {pid}\n\
                 ScoreboardFile {score}\nSystemLog {log}\nTransferLog none\nWtmpLog off\n\
                 DelayEngine off\nRequireValidShell off\nAuthPAM off\n\
                 AuthOrder mod_auth_file.c\nAuthUserFile {passwd}\nAuthGroupFile {groups}\n\
                 AllowOverwrite off\nLoadModule mod_sftp.c\n<IfModule mod_sftp.c>\n\
                 SFTPEngine on\nSFTPLog {sftp_log}\nSFTPHostKey {host}\n\
                 SFTPAuthMethods publickey\nSFTPAuthorizedUserKeys file:{keys}\n</IfModule>\n",
                user = ids("-un"),
                group = ids("-gn"),
                pid = at("pid"),
                score = at("score"),
                log = at("log"),
                sftp_log = at("sftp.log"),
                passwd = at("passwd"),
                groups = at("group"),
                host = at("host"),
                keys = at("keys"),
            );
            fs::write(at("proftpd.conf"), config).unwrap();
            for name in ["passwd", "group", "proftpd.conf"] {
                Command::new("chmod").arg("600").arg(at(name)).status().unwrap();
            }
            let mut command = Command::new("proftpd");
            command.args(["-n", "-q", "-c"]).arg(at("proftpd.conf"));
            command
        })?;
        server.folder = server.place.path().join("in").display().to_string();
        Some(server)
    }

    fn rclone() -> Option<Foreign> {
        Foreign::start("rclone", "rclone", |place, port| {
            let mut command = Command::new("rclone");
            command.args(["serve", "sftp", "--config", "/dev/null", "--addr"]);
            command.arg(format!("127.0.0.1:{port}")).arg("--key").arg(place.join("host"));
            command.arg("--authorized-keys").arg(place.join("user.pub")).arg(place);
            command
        })
    }

    /// Settings by way of a port, which may be that of a proxy.
    fn settings(&self, port: u16) -> domain::Sftp {
        let key = fs::read_to_string(self.place.path().join("host.pub")).unwrap();
        let known_hosts = self.place.path().join(format!("known_hosts-{port}"));
        fs::write(&known_hosts, format!("[127.0.0.1]:{port} {key}")).unwrap();
        let key_file = Some(self.place.path().join("user"));
        domain::Sftp {
            host: "127.0.0.1".to_string(),
            port,
            user: USER.to_string(),
            login: Login { key_file, passphrase: None, password: None },
            known_hosts,
            folder: self.folder.clone(),
        }
    }

    /// A site that delivers there, by way of a port.
    fn site(&self, port: u16) -> Site {
        Site::at_sftp(&self.settings(port), self.place.path().join("in"))
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}

fn names(site: &Site) -> Vec<String> {
    let entries = fs::read_dir(&site.partner).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// One file, through lines that break in all kinds of places: at the end it is there once,
/// whole, and nothing of ours lies beside it.
fn delivers_through_breaks(server: &Foreign) {
    for (way, step) in [(Way::ToServer, 1409), (Way::ToClient, 907)] {
        let mut cut_at = 1500;
        loop {
            let proxy = Proxy::to(server.port);
            let site = server.site(proxy.port);
            site.put("patients.csv", PATIENTS);
            proxy.cut_after(cut_at, way);
            let first: Output = site.run(["run"]);
            let said = if first.code == Some(0) { first } else { site.run(["run", "--retry"]) };
            assert_eq!(said.code, Some(0), "cut after {cut_at} bytes {way:?}: {said:?}");
            assert_eq!(names(&site), [BATCH], "cut after {cut_at} bytes {way:?}");
            let sent = fs::read(site.partner.join(BATCH)).unwrap();
            let status = site.run(["status", "--json"]).json()[0]["delivered"][0].take();
            let digest = hl7drop::digest::Digest::of(&sent).to_string();
            assert_eq!(status["sha256"], digest);
            fs::remove_file(site.partner.join(BATCH)).unwrap();
            if cut_at > 12_000 {
                break;
            }
            cut_at += step;
        }
    }
}

/// What `check --partner` says of it, on one line.
fn probed(server: &Foreign) -> (Output, String) {
    let site = server.site(server.port);
    assert_eq!(site.run(["run"]).code, Some(0), "it makes the folders");
    let before = names(&site);
    let said = site.run(["check", "--partner"]);
    assert_eq!(names(&site), before, "no probe is left: {said:?}");
    let flat = said.out.split_whitespace().collect::<Vec<_>>().join(" ");
    (said, flat)
}

#[test]
fn proftpd_conforms_and_is_probed() {
    let Some(server) = Foreign::proftpd() else { return };
    let settings = server.settings(server.port);
    conform(&mut || Box::new(Sftp::open(&settings, Limits::default()).unwrap()));
    let (said, flat) = probed(&server);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(flat.contains("a name that is taken is refused"), "{flat}");
}

#[test]
fn proftpd_gets_each_file_once_through_every_break() {
    let Some(server) = Foreign::proftpd() else { return };
    delivers_through_breaks(&server);
}

/// It writes over a name that is taken, so it cannot conform; each try has its own name.
#[test]
fn rclone_is_probed_and_gets_a_file() {
    let Some(server) = Foreign::rclone() else { return };
    let (said, flat) = probed(&server);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(flat.contains("a name that is taken is overwritten: each try has its own"), "{flat}");
    let site = server.site(server.port);
    site.put("patients.csv", PATIENTS);
    let said = site.run(["run"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(names(&site), [BATCH]);
}
