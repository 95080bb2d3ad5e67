//! Every way of delivery against its conformance suite, and SFTP against a real
//! OpenSSH server in the moods that servers have.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use hl7drop::delivery::{self, Delivery, DeliveryError, Limits, Sftp, conform::conform};
use hl7drop::domain::{self, Again, Method, Secret};
use tempfile::TempDir;

use crate::proxy::{Proxy, Way};
use crate::sftpd::{Server, server};

#[path = "../../examples/own_delivery.rs"]
mod own_delivery;

fn open(settings: &domain::Sftp) -> delivery::Result<Sftp> {
    Sftp::open(settings, Limits::default())
}

fn refusal(settings: &domain::Sftp) -> DeliveryError {
    open(settings).err().expect("it must not open")
}

fn put(place: &mut dyn Delivery, name: &str, content: &[u8]) -> delivery::Result<()> {
    place.upload(name, &mut &content[..], content.len() as u64)
}

/// Makes a file that only we can read.
fn private_file(folder: &TempDir, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}

/// Makes a key pair; the public half is beside it with `.pub`.
fn key_pair(folder: &TempDir, name: &str, more: &[&str]) -> PathBuf {
    let path = folder.path().join(name);
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-C", "hl7drop"]).args(more).arg("-f").arg(&path);
    assert!(command.status().unwrap().success());
    path
}

/// Lets the holder of a key log in to the shared server.
fn admit(key: &Path) {
    let line = fs::read(key.with_extension("pub")).unwrap();
    let path = server().root.join("authorized_keys");
    fs::OpenOptions::new().append(true).open(path).unwrap().write_all(&line).unwrap();
}

/// Runs `what` apart, so that a test that hangs fails.
fn without_hanging<T: Send + 'static>(what: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, result) = mpsc::channel();
    let apart = thread::spawn(move || done.send(what()));
    match result.recv_timeout(Duration::from_secs(25)) {
        Ok(result) => result,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("it hangs"),
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            std::panic::resume_unwind(apart.join().unwrap_err())
        }
    }
}

/// Gives zeros for ever, and does something on the way.
struct Midway<F: FnMut()> {
    after: u64,
    what: F,
}

impl<F: FnMut()> Read for Midway<F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let before = self.after;
        self.after = before.saturating_sub(buffer.len() as u64);
        if before > 0 && self.after == 0 {
            (self.what)();
        }
        buffer.fill(0);
        Ok(buffer.len())
    }
}

fn we_are_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

/// Some tests need root; where tests must count, that is no excuse.
fn cannot_run(why: &str) {
    assert!(std::env::var_os("CI").is_none(), "{why}");
    eprintln!("not run: {why}");
}

mod conformance {
    use super::*;

    #[test]
    fn a_folder_conforms() {
        let folder = tempfile::tempdir().unwrap();
        let place = Method::Folder(folder.path().to_path_buf());
        conform(&mut || delivery::open(&place).unwrap());
    }

    #[test]
    fn sftp_conforms() {
        let folder = server().new_folder();
        let place = Method::Sftp(server().settings(&folder));
        conform(&mut || delivery::open(&place).unwrap());
    }

    #[test]
    fn sftp_conforms_where_the_folder_ends_in_a_slash() {
        let folder = server().new_folder() + "/";
        let place = Method::Sftp(server().settings(&folder));
        conform(&mut || delivery::open(&place).unwrap());
    }

    /// FUSE knows no rename that refuses a taken name, as some shares do not.
    #[test]
    fn a_share_that_cannot_refuse_a_taken_name_conforms_and_a_taken_name_stays() {
        let place = tempfile::tempdir().unwrap();
        let (beneath, share) = (place.path().join("beneath"), place.path().join("share"));
        [&beneath, &share].into_iter().for_each(|folder| fs::create_dir(folder).unwrap());
        let Some(_mount) = crate::pickup::Mount::of(&beneath, &share) else {
            return cannot_run("no /dev/fuse or no bindfs here (apt install bindfs)");
        };
        conform(&mut || delivery::open(&Method::Folder(share.clone())).unwrap());
        let at = |name: &str| share.join(name);
        fs::write(at("1"), "1").unwrap();
        fs::write(at("2"), "2").unwrap();
        assert!(hl7drop::disk::shift_new(&at("1"), &at("2")).unwrap_err().is_exists());
        assert_eq!(fs::read(at("1")).unwrap(), b"1");
        assert_eq!(fs::read(at("2")).unwrap(), b"2");
        hl7drop::disk::shift_new(&at("1"), &at("3")).unwrap();
        assert_eq!((fs::read(at("3")).unwrap(), at("1").exists()), (b"1".to_vec(), false));
    }

    #[test]
    fn the_example_of_a_delivery_of_ones_own_conforms() {
        own_delivery::main();
    }
}

mod uploads {
    use super::*;

    #[test]
    fn a_file_that_came_to_another_size_there_is_an_error() {
        let place = tempfile::tempdir().unwrap();
        let folder = server().new_folder();
        let methods =
            [Method::Folder(place.path().to_path_buf()), Method::Sftp(server().settings(&folder))];
        for (method, folder) in methods.into_iter().zip([place.path(), Path::new(&folder)]) {
            let bytes = 1 << 20;
            let file = folder.join("a.part");
            let grow = || fs::File::options().write(true).open(&file).unwrap().set_len(bytes + 5);
            let mut source = Midway { after: 600 << 10, what: || grow().unwrap() }.take(bytes);
            let mut place = delivery::open(&method).unwrap();
            let err = place.upload("a.part", &mut source, bytes).unwrap_err();
            let DeliveryError::WrongSize { expected, found, .. } = err else { panic!("{err}") };
            assert_eq!((expected, found), (bytes, bytes + 5));
        }
    }
}

mod host_key {
    use super::*;

    #[test]
    fn an_unknown_one_ends_it_before_the_login_and_the_line_told_makes_it_known() {
        let place = tempfile::tempdir().unwrap();
        let mut settings = server().settings(&server().new_folder());
        settings.known_hosts = place.path().join("known_hosts");
        // A login would complain about this first.
        let key_file = settings.login.key_file.replace("/nonexistent/key".into());

        let err = refusal(&settings);
        let DeliveryError::HostKeyUnknown { line, .. } = &err else { panic!("{err}") };
        let known = fs::read_to_string(&server().known_hosts).unwrap();
        assert_eq!(line, known.trim_end());
        assert_eq!(err.again(), Again::Never);

        fs::write(&settings.known_hosts, format!("# our vendors\n{line}\n")).unwrap();
        settings.login.key_file = key_file;
        open(&settings).unwrap();
    }

    #[test]
    fn a_hashed_line_is_understood() {
        let place = tempfile::tempdir().unwrap();
        let mut settings = server().settings(&server().new_folder());
        settings.known_hosts = place.path().join("known_hosts");
        fs::copy(&server().known_hosts, &settings.known_hosts).unwrap();
        let mut command = Command::new("ssh-keygen");
        command.arg("-H").arg("-f").arg(&settings.known_hosts);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        assert!(command.status().unwrap().success());
        assert!(fs::read_to_string(&settings.known_hosts).unwrap().starts_with("|1|"));
        open(&settings).unwrap();
    }

    #[test]
    fn another_one_than_the_known_ends_it() {
        let place = tempfile::tempdir().unwrap();
        let other = key_pair(&place, "other", &["-t", "ed25519", "-N", ""]);
        let other = fs::read_to_string(other.with_extension("pub")).unwrap();
        let mut settings = server().settings(&server().new_folder());
        settings.known_hosts = place.path().join("known_hosts");
        fs::write(&settings.known_hosts, format!("[127.0.0.1]:{} {other}", server().port)).unwrap();

        let err = refusal(&settings);
        let DeliveryError::HostKeyChanged { fingerprint, .. } = &err else { panic!("{err}") };
        let shown = open(&server().settings(&server().new_folder())).unwrap().server().host_key;
        assert_eq!(*fingerprint, shown);
        assert!(shown.starts_with("SHA256:"));
    }

    #[test]
    fn each_of_several_can_be_the_known_one() {
        let place = tempfile::tempdir().unwrap();
        let rsa = key_pair(&place, "rsa", &["-t", "rsa", "-b", "2048", "-N", ""]);
        let ecdsa = key_pair(&place, "ecdsa", &["-t", "ecdsa", "-N", ""]);
        let own = Server::start(&format!("HostKey {}\nHostKey {}", rsa.display(), ecdsa.display()));
        let mut settings = own.settings(&own.new_folder());
        // The one of the script is ed25519, which is what both ends like best.
        let mut shown = vec![open(&settings).unwrap().server().host_key];
        for key in [&rsa, &ecdsa] {
            let key = fs::read_to_string(key.with_extension("pub")).unwrap();
            settings.known_hosts = place.path().join("known_hosts");
            fs::write(&settings.known_hosts, format!("[127.0.0.1]:{} {key}", own.port)).unwrap();
            shown.push(open(&settings).unwrap().server().host_key);
        }
        shown.dedup();
        assert_eq!(shown.len(), 3, "each time the key that was known");
    }
}

mod login {
    use super::*;

    #[test]
    fn a_key_that_the_server_does_not_know_is_refused_for_good() {
        let place = tempfile::tempdir().unwrap();
        let mut settings = server().settings(&server().new_folder());
        let key = key_pair(&place, "stranger", &["-t", "ed25519", "-N", ""]);
        settings.login.key_file = Some(key.clone());
        let err = refusal(&settings);
        assert_eq!(
            err.to_string(),
            format!(
                "127.0.0.1:{} refused the login of {}: the key {} is not accepted; it asks for \
                 publickey; check the user name and what the vendor has on file",
                server().port,
                server().user,
                key.display()
            )
        );
        assert_eq!(err.again(), Again::Never);
    }

    #[test]
    fn a_server_that_has_had_enough_of_us_is_a_refusal_and_no_lost_line() {
        let own = Server::start("MaxAuthTries 1");
        let place = tempfile::tempdir().unwrap();
        let mut settings = own.settings(&own.new_folder());
        settings.login.key_file = Some(key_pair(&place, "stranger", &["-t", "ed25519", "-N", ""]));
        let err = refusal(&settings);
        assert!(matches!(err, DeliveryError::LoginRefused { .. }), "{err}");
    }

    #[test]
    fn keys_of_every_kind_log_in() {
        let place = tempfile::tempdir().unwrap();
        let passphrase = private_file(&place, "passphrase", "correct horse\n");
        let kinds: [(&str, &[&str]); 4] = [
            ("rsa", &["-t", "rsa", "-b", "2048", "-N", ""]),
            ("ecdsa", &["-t", "ecdsa", "-b", "384", "-N", ""]),
            ("locked", &["-t", "ed25519", "-N", "correct horse"]),
            ("pem", &["-t", "rsa", "-b", "2048", "-m", "PEM", "-N", "correct horse"]),
        ];
        for (name, more) in kinds {
            let key = key_pair(&place, name, more);
            admit(&key);
            let mut settings = server().settings(&server().new_folder());
            settings.login.key_file = Some(key);
            settings.login.passphrase = Some(Secret::File(passphrase.clone()));
            open(&settings).unwrap_or_else(|err| panic!("{name}: {err}"));
        }
    }

    #[test]
    fn a_key_that_windows_wrote_logs_in() {
        let place = tempfile::tempdir().unwrap();
        let key = fs::read_to_string(&server().key_file).unwrap();
        let key = format!("\u{feff}{}", key.replace('\n', "\r\n"));
        let mut settings = server().settings(&server().new_folder());
        settings.login.key_file = Some(private_file(&place, "key", key));
        open(&settings).unwrap();
    }

    #[test]
    fn what_is_wrong_with_a_key_file_is_told() {
        let place = tempfile::tempdir().unwrap();
        let locked = key_pair(&place, "locked", &["-t", "ed25519", "-N", "correct horse"]);
        let wrong = private_file(&place, "wrong", "battery staple\n");
        let shared = private_file(&place, "shared", fs::read(&server().key_file).unwrap());
        fs::set_permissions(&shared, fs::Permissions::from_mode(0o640)).unwrap();
        let ppk = private_file(&place, "key.ppk", "PuTTY-User-Key-File-3: ssh-ed25519\r\n");
        let torn = fs::read_to_string(&server().key_file).unwrap();
        let torn = private_file(&place, "torn", &torn[..torn.len() / 2]);
        let wrong = Some(Secret::File(wrong));
        for (path, passphrase, said) in [
            (server().key_file.with_extension("pub"), None, "this is a public key"),
            (ppk, None, "this is a PuTTY key"),
            (locked.clone(), None, "this key has a passphrase"),
            (locked, wrong, "the passphrase does not open this key"),
            (shared, None, "others can get at it"),
            (torn, None, "this key is damaged"),
            (place.path().join("absent"), None, "there is no such file"),
            (place.path().to_path_buf(), None, "it is not a small text file"),
        ] {
            let mut settings = server().settings(&server().new_folder());
            settings.login.key_file = Some(path.clone());
            settings.login.passphrase = passphrase;
            let err = refusal(&settings).to_string();
            assert!(err.starts_with(&format!("{}: {said}", path.display())), "{err}");
        }
    }

    /// An account with a password, for as long as the value lives.
    struct Account {
        name: String,
    }

    const PASSWORD: &str = "pass word 1";

    impl Account {
        fn new(kind: &str) -> Option<Account> {
            if !we_are_root() {
                cannot_run("an account with a password takes root");
                return None;
            }
            let account = Account { name: format!("hl7drop-{kind}-{}", std::process::id()) };
            let mut command = Command::new("useradd");
            command.args(["--no-create-home", "--home-dir", "/", &account.name]);
            assert!(command.status().unwrap().success());
            let mut command = Command::new("chpasswd").stdin(Stdio::piped()).spawn().unwrap();
            let line = format!("{}:{PASSWORD}", account.name);
            command.stdin.take().unwrap().write_all(line.as_bytes()).unwrap();
            assert!(command.wait().unwrap().success());
            Some(account)
        }

        /// Starts a server for this account, and a folder there that belongs to it.
        fn server(&self, config: &str) -> (Server, domain::Sftp) {
            let own = Server::start(&format!("AllowUsers {}\n{config}", self.name));
            let folder = own.new_folder();
            for path in [own.root.as_path(), own.root.join("inbound").as_path()] {
                fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
            }
            assert!(Command::new("chown").args([&self.name, &folder]).status().unwrap().success());
            let keys = own.root.join("authorized_keys");
            fs::set_permissions(keys, fs::Permissions::from_mode(0o644)).unwrap();
            let mut settings = own.settings(&folder);
            settings.user = self.name.clone();
            (own, settings)
        }
    }

    impl Drop for Account {
        fn drop(&mut self) {
            let _ = Command::new("userdel").arg(&self.name).stderr(Stdio::null()).status();
        }
    }

    fn password(place: &TempDir, password: &str) -> Option<Secret> {
        Some(Secret::File(private_file(place, "password", format!("{password}\n"))))
    }

    #[test]
    fn a_password_logs_in_and_a_wrong_one_is_refused() {
        let Some(account) = Account::new("pw") else { return };
        let (_own, mut settings) = account.server("PasswordAuthentication yes");
        let place = tempfile::tempdir().unwrap();
        settings.login.key_file = None;
        settings.login.password = password(&place, PASSWORD);
        put(&mut open(&settings).unwrap(), "a.hl7", b"FHS").unwrap();

        settings.login.password = password(&place, "another");
        let err = refusal(&settings);
        let DeliveryError::LoginRefused { what, .. } = &err else { panic!("{err}") };
        assert!(what.starts_with("the password is not accepted"), "{what}");

        // A key that is refused is no reason to keep the password back.
        settings.login.key_file = Some(key_pair(&place, "stranger", &["-t", "ed25519", "-N", ""]));
        settings.login.password = password(&place, PASSWORD);
        open(&settings).unwrap();

        // A folder that belongs to someone else.
        settings.folder = format!("{}/..", settings.folder);
        let err = put(&mut open(&settings).unwrap(), "a.hl7", b"FHS").unwrap_err();
        assert!(matches!(err, DeliveryError::Denied { step: "create", .. }), "{err}");
    }

    #[test]
    fn a_server_that_wants_key_and_password_gets_both_in_its_order() {
        let Some(account) = Account::new("both") else { return };
        let place = tempfile::tempdir().unwrap();
        for order in ["publickey,password", "password,publickey"] {
            let (_own, mut settings) = account
                .server(&format!("PasswordAuthentication yes\nAuthenticationMethods {order}"));
            settings.login.password = password(&place, PASSWORD);
            open(&settings).unwrap_or_else(|err| panic!("{order}: {err}"));

            settings.login.password = password(&place, "another");
            let err = refusal(&settings).to_string();
            assert!(err.contains(": the password is not accepted; it asks for "), "{err}");
            settings.login.password = None;
            let err = refusal(&settings);
            assert!(err.to_string().contains(": it asks for password;"), "{err}");
        }
    }

    #[test]
    fn a_password_answers_a_server_that_asks_by_keyboard() {
        let Some(account) = Account::new("kbd") else { return };
        let (_own, mut settings) =
            account.server("UsePAM yes\nKbdInteractiveAuthentication yes\nPubkeyAuthentication no");
        let place = tempfile::tempdir().unwrap();
        settings.login.key_file = None;
        settings.login.password = password(&place, PASSWORD);
        open(&settings).unwrap();
        settings.login.password = password(&place, "another");
        let err = refusal(&settings);
        assert!(matches!(err, DeliveryError::LoginRefused { .. }), "{err}");
    }
}

mod servers {
    use super::*;

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let folder = server().new_folder();
        let settings = server().settings(&folder);
        let mut place = open(&settings).unwrap();
        fs::remove_dir(&folder).unwrap();
        let err = put(&mut place, "a.hl7", b"FHS").unwrap_err();
        assert!(matches!(err, DeliveryError::NoFolder { .. }), "gone since: {err}");

        let err = refusal(&settings);
        let told = format!("there is no folder {folder} at 127.0.0.1:{}", server().port);
        assert!(err.to_string().starts_with(&told), "{err}");
        fs::write(&folder, "a file").unwrap();
        assert!(matches!(refusal(&settings), DeliveryError::NoFolder { .. }));
    }

    #[test]
    fn a_server_that_only_lets_us_read_denies_by_name() {
        let own = Server::start("ForceCommand internal-sftp -R");
        let folder = own.new_folder();
        let mut place = open(&own.settings(&folder)).unwrap();
        let err = put(&mut place, "a.hl7", b"FHS").unwrap_err();
        let said = format!(
            "127.0.0.1:{} does not allow us to create {folder}/a.hl7; ask the vendor for that \
             permission",
            own.port
        );
        assert_eq!((err.to_string(), err.again()), (said, Again::Never));
        fs::write(format!("{folder}/a.hl7"), "FHS").unwrap();
        let err = place.rename("a.hl7", "b.hl7").unwrap_err();
        assert!(matches!(err, DeliveryError::Denied { step: "rename", .. }), "{err}");
        let err = place.remove("a.hl7").unwrap_err();
        assert!(matches!(err, DeliveryError::Denied { step: "remove", .. }), "{err}");
    }

    #[test]
    fn a_drop_box_that_tells_nothing_takes_files_all_the_same() {
        let own = Server::start("ForceCommand internal-sftp -P stat,lstat,fsync");
        let folder = own.new_folder();
        let mut place = open(&own.settings(&folder)).unwrap();
        put(&mut place, "a.part", b"FHS").unwrap();
        let err = place.size("a.part").unwrap_err();
        assert!(matches!(err, DeliveryError::Denied { .. }), "{err}");
        place.rename("a.part", "a.hl7").unwrap();
        assert_eq!(fs::read(format!("{folder}/a.hl7")).unwrap(), b"FHS");
        put(&mut place, "b.part", b"BHS").unwrap();
        let err = place.rename("b.part", "a.hl7").unwrap_err();
        assert!(matches!(err, DeliveryError::Refused { .. }), "{err}");
        assert_eq!(fs::read(format!("{folder}/a.hl7")).unwrap(), b"FHS");
    }

    /// Requests by their numbers in the protocol, for a server that answers them at will.
    const READ: u8 = 5;
    const WRITE: u8 = 6;
    const OPENDIR: u8 = 11;
    const REMOVE: u8 = 13;
    const RENAME: u8 = 18;
    /// `fsync@openssh.com` is one.
    const EXTENDED: u8 = 200;
    /// An answer: its size is left out.
    const ATTRS: u8 = 105;

    /// A server that answers what it is told, and the folder of its orders.
    struct Answering(TempDir, Server);

    impl Answering {
        fn new() -> Answering {
            let place = tempfile::tempdir().unwrap();
            let liar = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/liar.py");
            let orders = place.path().join("orders");
            let liar = format!("python3 {} answers {}", liar.display(), orders.display());
            let server = Server::start(&format!("ForceCommand {liar}"));
            let answering = Answering(place, server);
            answering.truly();
            answering
        }

        /// From now on it answers one kind of request with a status.
        fn answer(&self, request: u8, status: u32) {
            fs::write(self.0.path().join("orders"), format!("{request} {status}")).unwrap();
        }

        fn truly(&self) {
            fs::write(self.0.path().join("orders"), "").unwrap();
        }
    }

    fn class(err: &DeliveryError) -> &'static str {
        use DeliveryError::*;
        match err {
            Lost { .. } => "lost",
            NotFound { .. } => "not found",
            Denied { .. } => "denied",
            Refused { .. } => "refused",
            Unsupported { .. } => "unsupported",
            Exists { .. } => "exists",
            Full { .. } => "full",
            NoFolder { .. } => "no folder",
            _ => "another",
        }
    }

    #[test]
    fn each_status_has_its_class_and_what_is_there_stays() {
        let server = Answering::new();
        let folder = server.1.new_folder();
        let settings = server.1.settings(&folder);
        let mut there = open(&settings).unwrap();
        put(&mut there, "a.part", b"FHS").unwrap();
        for (status, expected) in [
            (2, "not found"),
            (3, "denied"),
            (4, "refused"),
            (5, "refused"),
            (8, "unsupported"),
            (10, "not found"),
            (11, "exists"),
            (12, "denied"),
            (14, "full"),
            (15, "full"),
            (6, "lost"),
            (7, "lost"),
            (9, "lost"),
        ] {
            server.answer(RENAME, status);
            let err = there.rename("a.part", "a.hl7").unwrap_err();
            assert_eq!(class(&err), expected, "{status}: {err}");
            if let DeliveryError::Exists { path } = &err {
                assert!(path.ends_with("/a.hl7"), "it is the new name that is taken: {path}");
            }
            assert_eq!(err.is_broken(), expected == "lost", "{status}");
            server.truly();
            if err.is_broken() {
                // Of no more use, whatever the server would answer.
                assert!(there.size("a.part").unwrap_err().is_broken(), "{status}");
                there = open(&settings).unwrap();
            }
            assert_eq!(there.size("a.part").unwrap(), Some(3), "{status}");
        }
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "nothing was renamed");
    }

    #[test]
    fn a_step_that_a_server_refuses_is_told_by_its_name_and_nothing_counts_as_sent() {
        let server = Answering::new();
        let folder = server.1.new_folder();
        fs::create_dir(format!("{folder}/below")).unwrap();
        let mut there = open(&server.1.settings(&folder)).unwrap();
        put(&mut there, "a", b"FHS").unwrap();
        let listed: Vec<_> = there.list().unwrap().into_iter().map(|file| file.name).collect();
        assert_eq!(listed, ["a"], "a folder is no file");
        let mut number = 0;
        let mut refused = |request: u8, status: u32| {
            server.answer(request, status);
            number += 1;
            let err = match request {
                WRITE | EXTENDED => put(&mut there, &format!("b{number}"), b"FHS").err(),
                READ => there.digest("a").err(),
                OPENDIR => there.list().err(),
                REMOVE => there.remove("a").err(),
                _ => unreachable!("{request}"),
            };
            server.truly();
            err.map(|err| (class(&err), err.to_string()))
        };
        for (request, status, expected, told) in [
            (WRITE, 4, "refused", "failed to write"),
            (WRITE, 14, "full", "no room"),
            (READ, 4, "refused", "failed to read"),
            (EXTENDED, 4, "refused", "failed to sync"),
            (OPENDIR, 2, "no folder", "there is no folder"),
            (OPENDIR, 3, "denied", "does not allow us to list"),
            (REMOVE, 4, "refused", "failed to remove"),
        ] {
            let (class, text) = refused(request, status).unwrap();
            assert_eq!(class, expected, "{request} {status}: {text}");
            assert!(text.contains(told), "{request} {status}: {text}");
        }
        // What is not there need not be removed, and who cannot sync does it in his own time.
        for (request, status) in [(REMOVE, 2), (EXTENDED, 8), (EXTENDED, 5), (EXTENDED, 3)] {
            assert_eq!(refused(request, status), None, "{request} {status}");
        }
        assert_eq!(fs::read(format!("{folder}/a")).unwrap(), b"FHS");
    }

    #[test]
    fn a_size_that_is_not_told_is_no_size() {
        let server = Answering::new();
        let mut there = open(&server.1.settings(&server.1.new_folder())).unwrap();
        put(&mut there, "a", b"FHS").unwrap();
        server.answer(ATTRS, 0);
        let err = there.size("a").unwrap_err();
        assert_eq!(class(&err), "unsupported", "{err}");
        let err = put(&mut there, "b", b"FHS").unwrap_err();
        assert_eq!(class(&err), "unsupported", "what was not compared is not sent: {err}");
    }

    #[test]
    fn a_user_without_sftp_is_told_so() {
        let own = Server::start("Subsystem another internal-sftp");
        let err = refusal(&own.settings(&own.new_folder()));
        assert_eq!(class(&err), "unsupported", "{err}");
        assert!(err.to_string().contains("cannot open SFTP for this user"), "{err}");
        assert_eq!(err.again(), Again::Never);
    }

    #[test]
    fn what_old_servers_lack_is_told_by_its_kind() {
        for (config, said) in [
            (
                "KexAlgorithms diffie-hellman-group14-sha1",
                "no key exchange in common, the server has only diffie-hellman-group14-sha1",
            ),
            ("HostKeyAlgorithms ssh-rsa", "no host key in common, the server has only ssh-rsa"),
            ("Ciphers aes128-cbc", "no cipher in common, the server has only aes128-cbc"),
            (
                "Ciphers aes128-ctr\nMACs hmac-sha1",
                "no integrity check (MAC) in common, the server has only hmac-sha1",
            ),
        ] {
            let place = tempfile::tempdir().unwrap();
            let rsa = key_pair(&place, "rsa", &["-t", "rsa", "-b", "2048", "-N", ""]);
            let own = Server::start(&format!("HostKey {}\n{config}", rsa.display()));
            let err = refusal(&own.settings(&own.new_folder()));
            let DeliveryError::Handshake { what, .. } = &err else { panic!("{config}: {err}") };
            assert!(what.starts_with(said), "{what}");
            assert_eq!(err.again(), Again::Never);
        }
    }

    #[test]
    fn a_full_disk_at_the_server_fails_the_upload() {
        if !we_are_root() {
            return cannot_run("a small disk takes root to mount");
        }
        let own = Server::start("");
        let folder = own.new_folder();
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", "size=256k", "tmpfs", &folder]);
        if !command.status().unwrap().success() {
            return cannot_run("this machine does not let us mount a small disk");
        }
        let mut local = delivery::Folder::open(Path::new(&folder)).unwrap();
        let locally = put(&mut local, "a.part", &[b'A'; 1 << 20]);
        local.remove("a.part").unwrap();
        let mut place = open(&own.settings(&folder)).unwrap();
        let failed = put(&mut place, "a.part", &[b'A'; 1 << 20]);
        let small = place.remove("a.part").and_then(|()| put(&mut place, "b.part", b"FHS"));
        let seen = place.size("a.part");
        assert!(Command::new("umount").arg(&folder).status().unwrap().success());
        let err = locally.unwrap_err();
        assert!(matches!(err, DeliveryError::Full { .. }), "{err}");
        let err = failed.unwrap_err();
        let told = matches!(
            err,
            DeliveryError::Refused { step: "write", .. } | DeliveryError::Full { .. }
        );
        assert!(told, "{err}");
        small.expect("the session goes on after a refusal");
        assert_eq!(seen.unwrap(), None);
    }
}

mod lines {
    use super::*;

    /// Settings that go through a proxy, and limits that tests can wait for.
    fn by_way_of(proxy: &Proxy, place: &TempDir) -> (domain::Sftp, Limits) {
        let mut settings = server().settings(&server().new_folder());
        let known = fs::read_to_string(&settings.known_hosts).unwrap();
        let known = known.replace(&server().port.to_string(), &proxy.port.to_string());
        settings.known_hosts = private_file(place, "known_hosts", known);
        settings.port = proxy.port;
        let limits = Limits { request: Duration::from_secs(2), ..Limits::default() };
        (settings, limits)
    }

    const BYTES: u64 = 64 << 20;

    #[test]
    fn a_line_that_is_cut_in_an_upload_is_lost_and_the_next_one_works() {
        without_hanging(|| {
            let (proxy, files) = (Proxy::to(server().port), tempfile::tempdir().unwrap());
            let (settings, limits) = by_way_of(&proxy, &files);
            let mut place = Sftp::open(&settings, limits).unwrap();
            let cut = proxy.clone();
            let mut source = Midway { after: 2 << 20, what: move || cut.cut() };
            let err = place.upload("a.part", &mut source, BYTES).unwrap_err();
            assert!(matches!(err, DeliveryError::Lost { .. }), "{err}");
            assert!(err.is_broken() && err.again() == Again::Later);
            drop(place);
            let mut place = Sftp::open(&settings, limits).unwrap();
            assert_ne!(place.size("a.part").unwrap(), Some(BYTES));
            place.remove("a.part").unwrap();
            put(&mut place, "a.part", b"the next try").unwrap();
        });
    }

    /// Everything that one file takes, and whether it is there then.
    fn deliver(settings: &domain::Sftp, limits: Limits) -> delivery::Result<Option<u64>> {
        let mut place = Sftp::open(settings, limits)?;
        place.remove("a.part")?;
        put(&mut place, "a.part", &[b'A'; 3000])?;
        place.rename("a.part", "a.hl7")?;
        place.size("a.hl7")
    }

    #[test]
    fn a_line_that_is_cut_anywhere_is_no_more_than_that() {
        without_hanging(|| {
            let (proxy, files) = (Proxy::to(server().port), tempfile::tempdir().unwrap());
            for way in [Way::ToServer, Way::ToClient] {
                let mut cut_at = 0;
                loop {
                    let (settings, limits) = by_way_of(&proxy, &files);
                    proxy.cut_after(cut_at, way);
                    match deliver(&settings, limits) {
                        Ok(found) => break assert_eq!(found, Some(3000)),
                        Err(err) => assert!(
                            err.is_broken() && err.again() == Again::Later,
                            "cut after {cut_at} bytes {way:?}: {err}"
                        ),
                    }
                    // Odd, so that all kinds of places are met.
                    cut_at += 283;
                }
                assert!(cut_at > 3000, "few places were met: {cut_at}");
                proxy.cut_after(u64::MAX, way);
            }
        });
    }

    #[test]
    fn a_line_that_stalls_in_an_upload_is_left() {
        without_hanging(|| {
            let (proxy, files) = (Proxy::to(server().port), tempfile::tempdir().unwrap());
            let (settings, limits) = by_way_of(&proxy, &files);
            let mut place = Sftp::open(&settings, limits).unwrap();
            let stall = proxy.clone();
            let mut source = Midway { after: 2 << 20, what: move || stall.stall() };
            let err = place.upload("a.part", &mut source, BYTES).unwrap_err();
            assert!(matches!(err, DeliveryError::Lost { step: "write", .. }), "{err}");
        });
    }

    #[test]
    fn a_line_that_stalls_before_any_other_step_is_left() {
        let steps: [fn(&mut Sftp) -> delivery::Result<()>; 5] = [
            |place| place.size("a.hl7").map(drop),
            |place| place.digest("a.hl7").map(drop),
            |place| place.rename("a.hl7", "b.hl7"),
            |place| place.remove("a.hl7"),
            |place| place.upload("c.hl7", &mut io::empty(), 0),
        ];
        for step in steps {
            without_hanging(move || {
                let (proxy, files) = (Proxy::to(server().port), tempfile::tempdir().unwrap());
                let (settings, limits) = by_way_of(&proxy, &files);
                let mut place = Sftp::open(&settings, limits).unwrap();
                put(&mut place, "a.hl7", b"FHS").unwrap();
                proxy.stall();
                let err = step(&mut place).unwrap_err();
                assert!(matches!(err, DeliveryError::Lost { .. }), "{err}");
            });
        }
    }

    #[test]
    fn a_line_that_stalls_in_the_login_is_left() {
        without_hanging(|| {
            let (proxy, files) = (Proxy::to(server().port), tempfile::tempdir().unwrap());
            let (settings, limits) = by_way_of(&proxy, &files);
            proxy.stall();
            let err = Sftp::open(&settings, limits).err().unwrap();
            assert!(matches!(err, DeliveryError::Lost { .. }), "{err}");
        });
    }

    #[test]
    fn a_server_that_is_killed_in_an_upload_is_lost_and_then_out_of_reach() {
        without_hanging(|| {
            let own = Server::start("");
            let settings = own.settings(&own.new_folder());
            let mut place = open(&settings).unwrap();
            let processes = family(own.pid);
            assert!(processes.len() > 1, "the server and our session");
            let kill = move || {
                let mut command = Command::new("kill");
                command.arg("-KILL").args(processes.iter().map(u32::to_string));
                assert!(command.status().unwrap().success());
            };
            let mut source = Midway { after: 2 << 20, what: kill };
            let err = place.upload("a.part", &mut source, BYTES).unwrap_err();
            assert!(matches!(err, DeliveryError::Lost { .. }), "{err}");
            // A killed listener takes connections until it is gone, and drops them.
            let mut refusals = (0..200).map(|_| {
                thread::sleep(Duration::from_millis(10));
                refusal(&settings)
            });
            let err = refusals.find(|err| !matches!(err, DeliveryError::Lost { .. })).unwrap();
            assert!(matches!(err, DeliveryError::Unreachable { .. }), "{err}");
        });
    }

    /// Returns a process and its descendants.
    fn family(pid: u32) -> Vec<u32> {
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
        let mut family = vec![pid];
        for child in children.split_ascii_whitespace() {
            family.extend(self::family(child.parse().unwrap()));
        }
        family
    }
}
