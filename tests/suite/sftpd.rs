//! A real OpenSSH server for tests: one a test process, gone when the process is.
//!
//! `scripts/sftpd.sh` starts it, as the quickstart does. A watcher outside this
//! process ends it, so that none is left behind after a panic or a kill.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use hl7drop::domain::{Login, Sftp};

/// A running server that the current user logs in to.
pub struct Server {
    pub host: String,
    pub port: u16,
    pub user: String,
    pub key_file: PathBuf,
    pub known_hosts: PathBuf,
    /// The server's folder: its log, its keys, what it serves.
    pub root: PathBuf,
    /// The process ID of the server.
    pub pid: u32,
    watcher: Child,
    folders: AtomicU32,
}

/// Returns the server that the tests of this process share.
pub fn server() -> &'static Server {
    static SHARED: OnceLock<Server> = OnceLock::new();
    SHARED.get_or_init(|| Server::start(""))
}

impl Server {
    /// Starts a server of its own; `config` comes first in its sshd_config.
    pub fn start(config: &str) -> Server {
        let root = tempfile::Builder::new().prefix("hl7drop-sftpd-").tempdir().unwrap().keep();
        let said = Command::new("scripts/sftpd.sh")
            .arg("start")
            .arg(&root)
            .env("SFTPD_CONFIG", config)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        assert!(said.status.success(), "sftpd.sh: {}", text(&said.stderr));
        let said = text(&said.stdout);
        let values: BTreeMap<_, _> = said.lines().filter_map(|line| line.split_once('=')).collect();
        let value = |name| values[name].to_string();
        let watcher = watcher(&root);
        Server {
            host: value("HOST"),
            port: value("PORT").parse().unwrap(),
            user: value("USER"),
            key_file: value("KEY_FILE").into(),
            known_hosts: value("KNOWN_HOSTS").into(),
            pid: value("PID").parse().unwrap(),
            root,
            watcher,
            folders: AtomicU32::new(0),
        }
    }

    /// Makes a fresh folder that the server serves; the path is good on both sides.
    pub fn new_folder(&self) -> String {
        let number = self.folders.fetch_add(1, Ordering::Relaxed);
        let folder = self.root.join(format!("inbound/{number}"));
        fs::create_dir_all(&folder).unwrap();
        folder.to_str().unwrap().to_string()
    }

    /// Returns settings that deliver into `folder`.
    pub fn settings(&self, folder: &str) -> Sftp {
        Sftp {
            host: self.host.clone(),
            port: self.port,
            user: self.user.clone(),
            login: Login {
                key_file: Some(self.key_file.clone()),
                passphrase: None,
                password: None,
            },
            known_hosts: self.known_hosts.clone(),
            folder: folder.to_string(),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = Command::new("scripts/sftpd.sh").arg("stop").arg(&self.root).status();
        let _ = self.watcher.kill();
        let _ = self.watcher.wait();
        let _ = fs::remove_dir_all(&self.root);
    }
}

/// Starts a shell whose input ends when this process does, in whatever way; then
/// it cleans up. Its own process group keeps it from a Ctrl-C meant for the tests.
fn watcher(root: &Path) -> Child {
    Command::new("sh")
        .arg("-c")
        .arg("cat >/dev/null; scripts/sftpd.sh stop \"$1\"; rm -rf \"$1\"")
        .arg("watcher")
        .arg(root)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap()
}
