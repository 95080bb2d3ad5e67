//! Batch files that go out encrypted: by the real `gpg`, for keys that are made here.
//!
//! The vendor has the private keys; the site has a home with the public ones.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use hl7drop::hl7::read::BatchFile;

use crate::doubt::aborted_at;
use crate::sftpd;
use crate::site::{Output, Site, ended, names};

const BATCH: &str = "99999-000001.hl7";
const PATIENTS: &str = "event,patientid,lastname,firstname,dob,sex\nadd,1,Doe,Ann,02/14/1987,F\n";

/// Somebody with keys, one for each thing that can be wrong with one.
pub struct Vendor {
    home: PathBuf,
    good: String,
    watcher: Child,
}

/// Returns the vendor that the tests of this process share.
pub fn vendor() -> &'static Vendor {
    static SHARED: OnceLock<Vendor> = OnceLock::new();
    SHARED.get_or_init(Vendor::new)
}

impl Vendor {
    fn new() -> Vendor {
        let packages = Command::new("scripts/packages.sh").arg("gnupg").status().unwrap();
        assert!(packages.success(), "no gpg");
        let home = tempfile::Builder::new().prefix("hl7drop-gpg-").tempdir().unwrap().keep();
        // It ends what gpg starts to use a private key, also after a panic or a kill.
        let script = "cat >/dev/null; gpgconf --homedir \"$1\" --kill all; rm -rf \"$1\"";
        let watcher = Command::new("sh")
            .args(["-c", script, "watcher"])
            .arg(&home)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap();
        let mut vendor = Vendor { home, good: String::new(), watcher };
        vendor.key("good", "never", &[]);
        vendor.good = vendor.fingerprint("good");
        vendor.key("expired", "1y", &["--faked-system-time", "20200101T000000"]);
        vendor.gpg(&["--quick-generate-key", "signs-only", "ed25519", "sign", "never"]);
        vendor.key("revoked", "never", &[]);
        let revoked = vendor.home.join("openpgp-revocs.d").join(vendor.fingerprint("revoked"));
        let text = fs::read_to_string(revoked.with_extension("rev")).unwrap();
        let file = vendor.home.join("revocation");
        fs::write(&file, text.replace(":-----BEGIN", "-----BEGIN")).unwrap();
        vendor.gpg(&["--import", file.to_str().unwrap()]);
        vendor
    }

    fn key(&self, name: &str, lasts: &str, more: &[&str]) {
        let make = ["--quick-generate-key", name, "future-default", "default", lasts];
        self.gpg(&[more, make.as_slice()].concat());
    }

    fn gpg(&self, args: &[&str]) -> Vec<u8> {
        let output = Command::new("gpg")
            .arg("--homedir")
            .arg(&self.home)
            .args(["--batch", "--quiet", "--no-tty", "--passphrase", ""])
            .args(args)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(output.status.success(), "{args:?}: {output:?}");
        output.stdout
    }

    fn fingerprints(&self, name: &str) -> Vec<String> {
        let listed = self.gpg(&["--with-colons", "--list-keys", name]);
        let listed = String::from_utf8(listed).unwrap();
        let lines = listed.lines().filter(|line| line.starts_with("fpr:"));
        lines.map(|line| line.split(':').nth(9).unwrap().to_string()).collect()
    }

    fn fingerprint(&self, name: &str) -> String {
        self.fingerprints(name).remove(0)
    }

    /// Reads a file that was encrypted for the vendor.
    pub fn decrypt(&self, file: &Path) -> Vec<u8> {
        self.gpg(&["--decrypt", file.to_str().unwrap()])
    }
}

impl Drop for Vendor {
    fn drop(&mut self) {
        drop(self.watcher.stdin.take());
        let _ = self.watcher.wait();
    }
}

/// Gives a site the public keys, and lets its endpoint encrypt for one of them.
pub fn encrypting(site: Site) -> Site {
    encrypting_for(&site, &vendor().good);
    site
}

fn encrypting_for(site: &Site, fingerprint: &str) {
    let home = site.root().join("gnupg");
    fs::create_dir_all(&home).unwrap();
    fs::set_permissions(&home, fs::Permissions::from_mode(0o700)).unwrap();
    fs::copy(vendor().home.join("pubring.kbx"), home.join("pubring.kbx")).unwrap();
    let mut settings = fs::File::options().append(true).open(site.interface_file()).unwrap();
    writeln!(settings, "encrypt_to = [{fingerprint:?}]\nencrypt_home = \"../gnupg\"").unwrap();
}

/// Runs as where no gpg is installed.
fn without_gpg(site: &Site, args: &[&str]) -> Output {
    ended(site.command(args).env("PATH", site.root()))
}

#[test]
fn each_endpoint_gets_the_file_as_it_was_agreed_with_it() {
    let site = encrypting(Site::over_sftp(sftpd::server()));
    let archive = site.root().join("archive");
    fs::create_dir(&archive).unwrap();
    let mut settings = fs::File::options().append(true).open(site.interface_file()).unwrap();
    let endpoint = "[[endpoint]]\nname = \"archive\"\nenvironment = \"test\"\nmethod = \"folder\"\nfolder = \"../archive\"";
    writeln!(settings, "verify = \"hash\"\n{endpoint}").unwrap();
    assert_eq!(site.run(["run"]).code, Some(0), "it makes the folders");
    let said = site.run(["check"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let key = format!("encryption for endpoint test: key {}", vendor().good);
    assert!(said.out.contains(&key), "{said:?}");
    site.put("patients.csv", PATIENTS);
    let said = site.run(["run"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(names(&site.partner), [format!("{BATCH}.pgp")]);
    assert_eq!(names(&archive), [BATCH]);
    let (plain, file) =
        (fs::read(archive.join(BATCH)).unwrap(), site.partner.join("99999-000001.hl7.pgp"));
    assert_eq!(vendor().decrypt(&file), plain);
    let encrypted = fs::read(&file).unwrap();
    assert!(!encrypted.windows(3).any(|bytes| bytes == b"Doe"), "a name is in it");
    assert!(BatchFile::read(&plain).is_ok());
    // Ours is kept as it is; what was encrypted is of no more use.
    assert_eq!(names(&site.spool().outbox.join(".encrypted")), [""; 0]);
    let said = site.run(["status", "--json"]).json();
    let sent = said[0]["delivered"].as_array().unwrap();
    let path = |one: &serde_json::Value| one["receipt"]["path"].as_str().unwrap().to_string();
    assert!(sent.iter().any(|one| path(one).ends_with(".hl7.pgp")), "{said}");
    assert!(sent.iter().any(|one| one["encrypted"]["bytes"] == encrypted.len()), "{said}");
}

#[test]
fn a_retry_sends_the_same_encrypted_bytes() {
    let site = encrypting(Site::new());
    fs::remove_dir(&site.partner).unwrap();
    site.put("patients.csv", PATIENTS);
    assert_eq!(site.run(["run"]).code, Some(4));
    let frozen = site.spool().encrypted.join(format!("test.{BATCH}.pgp"));
    let bytes = fs::read(&frozen).unwrap();
    assert_eq!(frozen.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    fs::create_dir(&site.partner).unwrap();
    // Nothing is encrypted anew, so nothing is needed for it.
    let said = without_gpg(&site, &["run", "--retry"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(fs::read(site.partner.join(format!("{BATCH}.pgp"))).unwrap(), bytes);
    // Who asks for it again may have lost the key: then it is encrypted anew.
    fs::remove_file(site.partner.join(format!("{BATCH}.pgp"))).unwrap();
    let said = site.run(["queue", "resend", BATCH, "--why", "they lost it"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(site.run(["run"]).code, Some(0));
    let again = site.partner.join(format!("{BATCH}.pgp"));
    assert_ne!(fs::read(&again).unwrap(), bytes);
    assert!(BatchFile::read(&vendor().decrypt(&again)).is_ok());
}

#[test]
fn what_was_frozen_is_in_no_backup_and_a_person_decides_about_it_after_a_restore() {
    let site = encrypting(Site::new());
    fs::remove_dir(&site.partner).unwrap();
    site.put("patients.csv", PATIENTS);
    assert_eq!(site.run(["run"]).code, Some(4));
    let backup = site.root().join("backup");
    let backup = backup.to_str().unwrap();
    assert_eq!(site.run(["backup", backup]).code, Some(0));
    fs::write(site.spool().ledger(), "what a disk made of it").unwrap();
    let said = site.run(["restore", backup, "--why", "the disk"]);
    assert_eq!(said.code, Some(3), "{said:?}");
    fs::create_dir(&site.partner).unwrap();
    let said = site.run(["run"]);
    assert_eq!(said.code, Some(4), "{said:?}");
    assert_eq!(names(&site.partner), [""; 0]);
    let said = site.run(["delivery", BATCH, "--resend", "--why", "they never got it"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(site.run(["run"]).code, Some(0));
    assert_eq!(names(&site.partner), [format!("{BATCH}.pgp")]);
    let sent = site.partner.join(format!("{BATCH}.pgp"));
    assert!(BatchFile::read(&vendor().decrypt(&sent)).is_ok());
}

#[test]
fn a_flipped_byte_of_what_was_encrypted_is_never_sent() {
    let site = encrypting(Site::new());
    fs::remove_dir(&site.partner).unwrap();
    site.put("patients.csv", PATIENTS);
    assert_eq!(site.run(["run"]).code, Some(4));
    let frozen = site.spool().encrypted.join(format!("test.{BATCH}.pgp"));
    let whole = fs::read(&frozen).unwrap();
    let mut bytes = whole.clone();
    bytes[40] ^= 1;
    fs::write(&frozen, &bytes).unwrap();
    fs::create_dir(&site.partner).unwrap();
    let said = site.run(["check"]);
    assert!(said.out.contains("its bytes are not those that were frozen"), "{said:?}");
    let said = site.run(["run", "--retry"]);
    assert!(said.err.contains("does not have the digest"), "{said:?}");
    assert_eq!(names(&site.partner), [""; 0]);
    // Nor is one that is gone made anew: half of it may be there already.
    fs::remove_file(&frozen).unwrap();
    let said = site.run(["run", "--retry"]);
    assert!(said.err.contains("put it back from a backup"), "{said:?}");
    fs::write(&frozen, &whole).unwrap();
    assert_eq!(site.run(["run", "--retry"]).code, Some(0));
}

#[test]
fn what_is_wrong_with_a_key_is_told_and_nothing_goes_out() {
    let vendor = vendor();
    let subkey = vendor.fingerprints("good").remove(1);
    for (fingerprint, sentence) in [
        (vendor.fingerprint("expired"), "it has expired"),
        (vendor.fingerprint("revoked"), "it is revoked"),
        (vendor.fingerprint("signs-only"), "it has no subkey that can be used to encrypt"),
        (subkey, "it is a subkey"),
        ("0".repeat(40), "import the vendor's key"),
    ] {
        let site = Site::new();
        encrypting_for(&site, &fingerprint);
        assert_eq!(site.run(["run"]).code, Some(0), "it makes the folders");
        let said = site.run(["check", "--offline"]);
        assert_eq!(said.code, Some(4), "{said:?}");
        assert!(said.out.contains(sentence) && said.out.contains(&fingerprint), "{said:?}");
        site.put("patients.csv", PATIENTS);
        let said = site.run(["run"]);
        assert_eq!(said.code, Some(4), "{said:?}");
        assert!(said.out.contains(sentence), "{said:?}");
        assert_eq!(names(&site.partner), [""; 0], "{sentence}");
        // It waits for a person, and is there for the run after.
        let said = site.run(["status", "--json"]).json();
        let failure = &said[0]["undelivered"][0]["failure"];
        assert_eq!(failure["stopped"], true, "{said}");
    }
}

#[test]
fn without_gpg_or_with_a_home_that_others_can_get_at_nothing_goes_out() {
    let site = encrypting(Site::new());
    site.put("patients.csv", PATIENTS);
    let said = without_gpg(&site, &["run"]);
    assert_eq!(said.code, Some(4), "{said:?}");
    assert!(said.out.contains("apt install gnupg"), "{said:?}");
    let home = site.root().join("gnupg");
    fs::set_permissions(&home, fs::Permissions::from_mode(0o750)).unwrap();
    let said = site.run(["run", "--retry"]);
    assert!(said.out.contains("others can get at it; run: chmod 700"), "{said:?}");
    fs::set_permissions(&home, fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(names(&site.partner), [""; 0]);
    assert_eq!(site.run(["run", "--retry"]).code, Some(0));
    assert_eq!(names(&site.partner), [format!("{BATCH}.pgp")]);
}

#[test]
fn what_began_to_go_out_as_it_is_ends_so() {
    let site = Site::new();
    site.put("patients.csv", PATIENTS);
    aborted_at(&site, "ledger.verified.after");
    encrypting_for(&site, &vendor().good);
    assert_eq!(site.run(["run"]).code, Some(0));
    assert_eq!(names(&site.partner), [BATCH]);
}

#[test]
fn what_had_a_temporary_name_alone_goes_out_encrypted_and_what_had_its_own_as_it_is() {
    for (settings, arrives) in
        [("", format!("{BATCH}.pgp")), ("upload = \"direct\"\n", BATCH.into())]
    {
        let site = Site::new();
        let text = fs::read_to_string(site.interface_file()).unwrap();
        fs::write(site.interface_file(), text + settings).unwrap();
        site.put("patients.csv", PATIENTS);
        aborted_at(&site, "ledger.sending.after");
        encrypting_for(&site, &vendor().good);
        assert_eq!(site.run(["run"]).code, Some(0), "{settings}");
        assert_eq!(names(&site.partner), [arrives], "{settings}");
    }
}

#[test]
fn a_batch_file_that_changed_before_it_was_encrypted_is_not() {
    let site = encrypting(Site::new());
    site.put("patients.csv", PATIENTS);
    aborted_at(&site, "ledger.encrypted.before");
    assert_eq!(names(&site.spool().encrypted).len(), 1, "it is in no ledger");
    let flip = || {
        let path = site.spool().outbox.join(BATCH);
        let mut bytes = fs::read(&path).unwrap();
        bytes[40] ^= 1;
        fs::write(path, bytes).unwrap();
    };
    flip();
    let said = site.run(["run"]);
    let told = "does not have the digest that the ledger promised; it is not sent";
    assert!(said.code != Some(0) && said.err.contains(told), "{said:?}");
    assert_eq!(names(&site.spool().encrypted), [""; 0]);
    assert_eq!(names(&site.partner), [""; 0]);
    flip();
    assert_eq!(site.run(["run"]).code, Some(0));
    assert_eq!(names(&site.partner), [format!("{BATCH}.pgp")]);
}
