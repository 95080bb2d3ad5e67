//! `[connectivity.test]`, `[connectivity.production]` and `[[endpoint]]`: the vendor's end.

use std::path::{Component, Path, PathBuf};

use toml::Spanned;

use super::check::{Check, Place, open};
use super::raw::{self, Number, Text};
use crate::domain::{
    Endpoint, Environment, Login, Method, OnDoubt, Protocol, Secret, Sftp, Upload, Verify,
};
use crate::secret::CREDENTIALS;

/// A day: later, "gone" proves nothing about our own rename.
const INFER_WINDOW_MAX_S: i64 = 24 * 3600;

/// Servers allow few sessions of one user, and OpenSSH drops logins from ten at once on.
const CONNECTIONS_MAX: i64 = 16;

#[derive(Clone, Copy)]
enum Kind {
    Sftp,
    Folder,
}

impl Check<'_> {
    /// Checks what is of the environment in force; the other may be half done.
    pub fn endpoints(
        &mut self,
        environment: Environment,
        section: raw::Connectivity,
        rows: Vec<Spanned<raw::Endpoint>>,
    ) -> Option<Vec<Endpoint>> {
        self.fence(&section, &rows);
        let (place, mut endpoint) = match environment {
            Environment::Test => open("connectivity.test", section.test),
            Environment::Production => open("connectivity.production", section.production),
        };
        for (key, value) in
            [("name", endpoint.name.take()), ("environment", endpoint.environment.take())]
        {
            if let Some(value) = value {
                let what = format!("`{key}` goes into [[endpoint]]; remove it here");
                self.problem(value.span().start, what);
            }
        }
        let mut endpoints = vec![self.endpoint(place, environment.word().to_string(), endpoint)];
        let mut names = vec!["test".to_string(), "production".to_string()];
        for row in rows {
            let (place, mut row) = open("endpoint", Some(row));
            let words = [("test", Environment::Test), ("production", Environment::Production)];
            let of = self.word(place, "environment", row.environment.take(), &words);
            let name = self.endpoint_name(place, row.name.take(), &mut names);
            if of.is_none_or(|of| of == environment) {
                endpoints.push(name.and_then(|name| self.endpoint(place, name, row)));
            }
        }
        endpoints.into_iter().collect()
    }

    /// Refuses one place for both environments (8.19): a vendor who gets test messages
    /// among the real ones books patients who do not exist. What is half done counts
    /// as far as it goes.
    fn fence(&mut self, section: &raw::Connectivity, rows: &[Spanned<raw::Endpoint>]) {
        let (test, production) = (section.test.as_ref(), section.production.as_ref());
        let sections = [("test", test), ("production", production)];
        let sections = sections.into_iter().filter_map(|(of, one)| Some((of.to_string(), one?)));
        let rows = rows.iter().filter_map(|row| {
            let of = row.as_ref().environment.as_ref()?;
            Some((of.as_ref().clone(), row))
        });
        let mut places: Vec<(String, String)> = Vec::new();
        for (of, endpoint) in sections.chain(rows) {
            let Some(place) = self.place_of(endpoint.as_ref()) else { continue };
            if let Some((other, _)) =
                places.iter().find(|(other, taken)| *other != of && *taken == place)
            {
                let what = format!(
                    "this is where files of {other} go, and those of {of} must not get among them; \
                     give it a folder or a user of its own"
                );
                self.problem(endpoint.span().start, what);
            }
            places.push((of, place));
        }
    }

    /// Returns what tells a place from every other, as far as the file can know it.
    fn place_of(&self, endpoint: &raw::Endpoint) -> Option<String> {
        let text = |value: &Text| value.as_ref().map(|value| value.as_ref().trim().to_string());
        let folder = text(&endpoint.folder)?;
        if text(&endpoint.method)? == "folder" {
            return Some(format!("folder {}", plain(&self.whole_path(&folder)).display()));
        }
        let port = endpoint.port.as_ref().map(|port| *port.as_ref());
        let host = text(&endpoint.host)?.to_ascii_lowercase();
        let (host, user) = (host.trim_end_matches('.'), text(&endpoint.user)?);
        Some(format!("sftp {host} {port:?} {user} {}", plain(Path::new(&folder)).display()))
    }

    /// A name stands in the ledger beside each batch file.
    fn endpoint_name(
        &mut self,
        place: Place,
        value: Text,
        taken: &mut Vec<String>,
    ) -> Option<String> {
        let value = self.text(place, "name", value, "\"archive\"")?;
        let start = value.span().start;
        let name = value.into_inner();
        let good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if !name.bytes().all(good) {
            let what = format!("`{name}` cannot name an endpoint: use letters, digits and `-`");
            self.problem(start, what);
            return None;
        }
        if taken.contains(&name) {
            self.problem(
                start,
                format!("there is another endpoint `{name}`; give each its own name"),
            );
            return None;
        }
        taken.push(name.clone());
        Some(name)
    }

    fn endpoint(
        &mut self,
        place: Place,
        name: String,
        mut endpoint: raw::Endpoint,
    ) -> Option<Endpoint> {
        let kinds = [("sftp", Kind::Sftp), ("folder", Kind::Folder)];
        let kind = self.word(place, "method", endpoint.method.take(), &kinds);
        let protocol = self.protocol(place, &mut endpoint);
        let windows = self.windows(place, endpoint.windows.take());
        let encryption = self.encryption(place, &mut endpoint);
        let ack = self.ack(place, &mut endpoint);
        let method = match kind? {
            Kind::Sftp => self.sftp(place, endpoint).map(Method::Sftp),
            Kind::Folder => self.folder(place, endpoint).map(Method::Folder),
        }?;
        let ack = ack?.map(|(ack, folder)| self.ack_at(ack, folder, &method));
        let (protocol, windows, encryption) = (protocol?, windows?, encryption?);
        Some(Endpoint { name, method, protocol, windows, encryption, ack })
    }

    fn protocol(&mut self, place: Place, endpoint: &mut raw::Endpoint) -> Option<Protocol> {
        let words = [("rename", Upload::Rename), ("direct", Upload::Direct)];
        let upload = self.word(place, "upload", endpoint.upload.take(), &words);
        let temp_name = self.temp_name(place, endpoint.temp_name.take());
        let words = [("size", Verify::Size), ("hash", Verify::Hash)];
        let verify = self.word(place, "verify", endpoint.verify.take(), &words);
        let words = [("keep", false), ("immediate", true)];
        let pickup = self.word(place, "pickup", endpoint.pickup.take(), &words);
        let key = "infer_window_seconds";
        let bounds = 0..=INFER_WINDOW_MAX_S;
        let window = self.number(place, key, endpoint.infer_window_seconds.take(), bounds);
        let words = [("accept", OnDoubt::Accept), ("hold", OnDoubt::Hold)];
        let on_inferred = self.word(place, "on_inferred", endpoint.on_inferred.take(), &words);
        let words = [("hold", OnDoubt::Hold), ("resend", OnDoubt::Resend)];
        let on_uncertain = self.word(place, "on_uncertain", endpoint.on_uncertain.take(), &words);
        let connections = self.connections(place, endpoint.connections.take(), upload);
        Some(Protocol {
            upload: upload?,
            temp_name: temp_name?,
            verify: verify?,
            pickup_immediate: pickup?,
            infer_window_s: window?,
            on_inferred: on_inferred?,
            on_uncertain: on_uncertain?,
            connections: connections?,
        })
    }

    /// What stands under its final name from its first byte on cannot be sent ahead.
    fn connections(
        &mut self,
        place: Place,
        value: Number,
        upload: Option<Upload>,
    ) -> Option<usize> {
        let start = value.as_ref().map_or(0, |value| value.span().start);
        let number = self.number(place, "connections", value, 1..=CONNECTIONS_MAX)?;
        if number > 1 && upload == Some(Upload::Direct) {
            let what = "`connections` goes with upload = \"rename\": without a rename files \
                        cannot appear in their order; write 1";
            self.problem(start, what.to_string());
            return None;
        }
        usize::try_from(number).ok()
    }

    fn temp_name(&mut self, place: Place, value: Text) -> Option<String> {
        let value = self.text(place, "temp_name", value, "\".{name}.{try}.part\"")?;
        if value.as_ref() == "{name}" {
            let what =
                "`temp_name` is the final name itself; add to it, as in \".{name}.{try}.part\"";
            self.problem(value.span().start, what.to_string());
            return None;
        }
        self.name_template("temp_name", value, &["name", "try"], "name")
    }

    fn folder(&mut self, place: Place, endpoint: raw::Endpoint) -> Option<PathBuf> {
        // A host that nothing connects to would look like a delivery to it.
        let others = [
            ("host", endpoint.host),
            ("user", endpoint.user),
            ("key_file", endpoint.key_file),
            ("passphrase_file", endpoint.passphrase_file),
            ("passphrase_env", endpoint.passphrase_env),
            ("password_file", endpoint.password_file),
            ("password_env", endpoint.password_env),
            ("known_hosts", endpoint.known_hosts),
        ];
        for (key, value) in others {
            if let Some(value) = value {
                let what = format!("`{key}` goes with method = \"sftp\"; remove one of the two");
                self.problem(value.span().start, what);
            }
        }
        let folder = self.text(place, "folder", endpoint.folder, "\"/mnt/vendor/inbound\"")?;
        self.path("folder", folder)
    }

    fn sftp(&mut self, place: Place, endpoint: raw::Endpoint) -> Option<Sftp> {
        let host = self.text(place, "host", endpoint.host, "\"sftp.vendor.example\"");
        let port = self.number(place, "port", endpoint.port, 1..=65535);
        let user = self.text(place, "user", endpoint.user, "\"the user name there\"");
        let known_hosts =
            self.text(place, "known_hosts", endpoint.known_hosts, "\"keys/known_hosts\"");
        let known_hosts = known_hosts.and_then(|path| self.path("known_hosts", path));
        let folder = self.text(place, "folder", endpoint.folder, "\"/inbound\"");
        let no_key = endpoint.key_file.is_none();
        let key_file = endpoint.key_file.map(|path| self.secret_file("key_file", path));
        let passphrase =
            self.secret("passphrase", endpoint.passphrase_file, endpoint.passphrase_env);
        let password = self.secret("password", endpoint.password_file, endpoint.password_env);
        if let (true, Some((start, _))) = (no_key, &passphrase) {
            self.problem(*start, "a passphrase without its key; write key_file too".to_string());
        }
        if no_key && password.is_none() {
            self.missing(
                place,
                "key_file",
                "\"keys/id_ed25519\", or password_file or password_env",
            );
        }
        Some(Sftp {
            host: host?.into_inner(),
            port: u16::try_from(port?).ok()?,
            user: user?.into_inner(),
            login: Login {
                key_file: key_file.map_or(Some(None), |path| path.map(Some))?,
                passphrase: passphrase.map_or(Some(None), |(_, secret)| secret.map(Some))?,
                password: password.map_or(Some(None), |(_, secret)| secret.map(Some))?,
            },
            known_hosts: known_hosts?,
            folder: folder?.into_inner(),
        })
    }

    /// Returns where a secret is, if it is given, with its place in the file. What
    /// stands there is never shown: it may be the secret itself.
    pub(super) fn secret(
        &mut self,
        name: &str,
        file: Text,
        env: Text,
    ) -> Option<(usize, Option<Secret>)> {
        match (file, env) {
            (None, None) => None,
            (Some(file), None) => {
                let start = file.span().start;
                Some((start, self.secret_file(&format!("{name}_file"), file).map(Secret::File)))
            }
            (None, Some(env)) => Some((env.span().start, self.variable(name, env))),
            (Some(_), Some(env)) => {
                let start = env.span().start;
                self.problem(start, format!("`{name}_file` and `{name}_env` both; keep one"));
                Some((start, None))
            }
        }
    }

    /// Returns the file of a secret. One that systemd hands over has its folder once the
    /// service runs, so it stands as it is written.
    fn secret_file(&mut self, key: &str, file: Spanned<String>) -> Option<PathBuf> {
        let written = PathBuf::from(file.as_ref());
        let whole = self.path(key, file)?;
        Some(if written.starts_with(CREDENTIALS) { written } else { whole })
    }

    fn variable(&mut self, name: &str, env: Spanned<String>) -> Option<Secret> {
        let start = env.span().start;
        let text = env.into_inner();
        let good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if text.is_empty() || text.as_bytes()[0].is_ascii_digit() || !text.bytes().all(good) {
            let what = format!(
                "`{name}_env` is no environment variable; write its name, such as \
                 VENDOR_{}, never the secret",
                name.to_uppercase()
            );
            self.problem(start, what);
            return None;
        }
        Some(Secret::Env(text))
    }
}

/// Returns a path without `.`, `..` and `/` at its end, as far as its text tells.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if plain.file_name().is_some() => {
                plain.pop();
            }
            part => plain.push(part),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::super::testing::{GOOD, added, changed, problems, scope};
    use super::*;

    fn sftp_of(text: &str) -> Sftp {
        match scope(text).endpoints.remove(0).method {
            Method::Sftp(sftp) => sftp,
            Method::Folder(folder) => panic!("{folder:?}"),
        }
    }

    #[test]
    fn a_login_is_read_with_its_defaults() {
        let endpoint = scope(GOOD).endpoints.remove(0);
        assert_eq!(endpoint.name, "test");
        let protocol = Protocol {
            upload: Upload::Rename,
            temp_name: ".{name}.{try}.part".to_string(),
            verify: Verify::Size,
            pickup_immediate: false,
            infer_window_s: 3600,
            on_inferred: OnDoubt::Accept,
            on_uncertain: OnDoubt::Hold,
            connections: 1,
        };
        assert_eq!(endpoint.protocol, protocol);
        let sftp = Sftp {
            host: "127.0.0.1".to_string(),
            port: 22,
            user: "ridge".to_string(),
            login: Login {
                key_file: Some("/etc/hl7drop/keys/ridge".into()),
                passphrase: None,
                password: None,
            },
            known_hosts: "/etc/hl7drop/keys/known_hosts".into(),
            folder: "/inbound".to_string(),
        };
        assert_eq!(endpoint.method, Method::Sftp(sftp));
    }

    #[test]
    fn secrets_are_files_or_variables() {
        let text = added("passphrase_file = \"/run/pass\"\npassword_env = \"RIDGE_PASSWORD\"");
        let login = sftp_of(&text).login;
        assert_eq!(login.passphrase, Some(Secret::File("/run/pass".into())));
        assert_eq!(login.password, Some(Secret::Env("RIDGE_PASSWORD".to_string())));
        let text = changed("key_file = \"keys/ridge\"", "password_file = \"keys/password\"");
        let login = sftp_of(&text).login;
        assert_eq!(login.key_file, None);
        assert_eq!(login.password, Some(Secret::File("/etc/hl7drop/keys/password".into())));
        let text = changed("\"keys/ridge\"", "\"$CREDENTIALS_DIRECTORY/ridge\"");
        assert_eq!(sftp_of(&text).login.key_file, Some("$CREDENTIALS_DIRECTORY/ridge".into()));
    }

    #[test]
    fn a_secret_where_its_place_should_stand_is_not_repeated() {
        let text = "password_env = \"hunter2!\"\npassphrase_file = \"-----BEGIN\\nhunter2\"";
        assert_eq!(
            problems(&added(text)),
            [
                "line 15: `password_env` is no environment variable; write its name, such as \
                 VENDOR_PASSWORD, never the secret",
                "line 16: `passphrase_file` is not a path; write where the file or folder is",
            ]
        );
    }

    #[test]
    fn a_login_without_its_parts_is_refused() {
        let text = "[project]\ninterface = \"a\"\ncontext_id = \"1\"\npractice = \"a\"\n\
                    environment = \"production\"\n[wire]\nreceiving_application = \"A\"\n\
                    [connectivity.production]\nmethod = \"sftp\"\npassphrase_env = \"A\"\n";
        assert_eq!(
            problems(text),
            [
                "line 8: `host` is missing in [connectivity.production]; write host = \
                 \"sftp.vendor.example\"",
                "line 8: `user` is missing in [connectivity.production]; write user = \"the user \
                 name there\"",
                "line 8: `known_hosts` is missing in [connectivity.production]; write \
                 known_hosts = \"keys/known_hosts\"",
                "line 8: `folder` is missing in [connectivity.production]; write folder = \
                 \"/inbound\"",
                "line 8: `key_file` is missing in [connectivity.production]; write key_file = \
                 \"keys/id_ed25519\", or password_file or password_env",
                "line 10: a passphrase without its key; write key_file too",
            ]
        );
    }

    #[test]
    fn one_secret_has_one_place() {
        let text = added("password_file = \"a\"\npassword_env = \"A\"");
        let told = "line 16: `password_file` and `password_env` both; keep one";
        assert_eq!(problems(&text), [told]);
    }

    #[test]
    fn the_section_of_the_environment_in_force_must_be_there_and_no_other() {
        let production = "environment = \"production\"";
        let told = "line 1: `method` is missing in [connectivity.production]; write method = \
                    \"sftp\" or \"folder\"";
        assert_eq!(problems(&changed("environment = \"test\"", production)), [told]);
        let text = added("[connectivity.production]\nmethod = \"sftp\"");
        assert_eq!(scope(&text).endpoints[0].name, "test");
    }

    #[test]
    fn a_folder_is_taken_from_where_the_file_is() {
        let text = GOOD.split("method").next().unwrap().to_string();
        let with = |lines: &str| format!("{text}method = \"folder\"\n{lines}");
        let method = scope(&with("folder = \"out\"")).endpoints.remove(0).method;
        assert_eq!(method, Method::Folder("/etc/hl7drop/out".into()));
        let told = "line 10: `folder` begins with `~`; write the whole path";
        assert_eq!(problems(&with("folder = \"~/out\"")), [told]);
        let told = "line 8: `folder` is missing in [connectivity.test]; write folder = \
                    \"/mnt/vendor/inbound\"";
        assert_eq!(problems(&with("")), [told]);
        assert_eq!(
            problems(&with("folder = \"out\"\nhost = \"a\"\npassword_env = \"A\"")),
            [
                "line 11: `host` goes with method = \"sftp\"; remove one of the two",
                "line 12: `password_env` goes with method = \"sftp\"; remove one of the two",
            ]
        );
    }

    #[test]
    fn further_endpoints_have_their_own_names_and_the_same_defaults() {
        let row = |name: &str, more: &str| {
            format!("[[endpoint]]\nname = \"{name}\"\nenvironment = \"test\"\n{more}\n")
        };
        let folder = "method = \"folder\"\nfolder = \"/copies\"";
        let other = row("later", "").replace("\"test\"", "\"production\"");
        let endpoints = scope(&added(&(row("copies", folder) + &other))).endpoints;
        let names: Vec<&str> = endpoints.iter().map(|endpoint| endpoint.name.as_str()).collect();
        assert_eq!(names, ["test", "copies"]);
        assert_eq!(endpoints[0].protocol, endpoints[1].protocol);
        assert_eq!(
            problems(&added(&(row("copies", folder) + &row("copies", folder) + &row("a/b", "")))),
            [
                "line 21: there is another endpoint `copies`; give each its own name",
                "line 26: `a/b` cannot name an endpoint: use letters, digits and `-`",
            ]
        );
        assert_eq!(
            problems(&added("name = \"x\"\n[[endpoint]]")),
            [
                "line 15: `name` goes into [[endpoint]]; remove it here",
                "line 16: `environment` is missing in [endpoint]; write environment = \"test\" or \
                 \"production\"",
                "line 16: `name` is missing in [endpoint]; write name = \"archive\"",
            ]
        );
    }

    #[test]
    fn test_and_production_do_not_end_at_one_place() {
        let told = |line: usize| {
            format!(
                "line {line}: this is where files of test go, and those of production must not \
                 get among them; give it a folder or a user of its own"
            )
        };
        let production =
            |login: &str| added(&format!("[connectivity.production]\nmethod = \"sftp\"\n{login}"));
        let login = "host = \"127.0.0.1.\"\nuser = \"ridge\"\nfolder = \"/inbound/\"";
        assert_eq!(problems(&production(login)), [told(15)]);
        for (one, other) in [("ridge", "ridge2"), ("/inbound/", "/live"), ("127", "10")] {
            scope(&production(&login.replacen(one, other, 1)));
        }
        scope(&production(&format!("{login}\nport = 2222")));
        // Nor the folders of further endpoints.
        let row = |environment: &str, folder: &str| {
            format!(
                "[[endpoint]]\nname = \"{environment}-copies\"\nenvironment = \"{environment}\"\n\
                 method = \"folder\"\nfolder = \"{folder}\"\n"
            )
        };
        let both = row("test", "../out") + &row("production", "../x/.././out/");
        assert_eq!(problems(&added(&both)), [told(20)]);
        scope(&added(&(row("test", "../out") + &row("production", "../live"))));
    }

    #[test]
    fn words_and_numbers_of_the_protocol_are_checked() {
        let text = "port = 0\nupload = \"append\"\nverify = \"md5\"\npickup = \"now\"\ninfer_window_seconds = -1\n\
                    on_inferred = \"resend\"\non_uncertain = \"accept\"";
        assert_eq!(
            problems(&added(text)),
            [
                "line 15: `port` is 0; write a number from 1 to 65535",
                "line 16: `append` is no upload; write \"rename\" or \"direct\"",
                "line 17: `md5` is no verify; write \"size\" or \"hash\"",
                "line 18: `now` is no pickup; write \"keep\" or \"immediate\"",
                "line 19: `infer_window_seconds` is -1; write a number from 0 to 86400",
                "line 20: `resend` is no on_inferred; write \"accept\" or \"hold\"",
                "line 21: `accept` is no on_uncertain; write \"hold\" or \"resend\"",
            ]
        );
        let told = "line 9: `ftp` is no method; write \"sftp\" or \"folder\"";
        assert_eq!(problems(&changed("method = \"sftp\"", "method = \"ftp\"")), [told]);
    }

    #[test]
    fn connections_are_few_and_go_with_a_rename() {
        assert_eq!(scope(&added("connections = 4")).endpoints[0].protocol.connections, 4);
        for bad in [0, 17, -1] {
            let told = format!("line 15: `connections` is {bad}; write a number from 1 to 16");
            assert_eq!(problems(&added(&format!("connections = {bad}"))), [told]);
        }
        let told = "line 16: `connections` goes with upload = \"rename\": without a rename files \
                    cannot appear in their order; write 1";
        assert_eq!(problems(&added("upload = \"direct\"\nconnections = 2")), [told]);
        scope(&added("upload = \"direct\"\nconnections = 1"));
    }

    #[test]
    fn a_temporary_name_is_another_name_for_each_file() {
        let told = |name: &str| problems(&added(&format!("temp_name = \"{name}\""))).remove(0);
        assert_eq!(
            told("{name}"),
            "line 15: `temp_name` is the final name itself; add to it, as in \
             \".{name}.{try}.part\""
        );
        assert_eq!(
            told("upload.part"),
            "line 15: `temp_name` does not hold {name}; add it, as it makes each name its own"
        );
        assert_eq!(
            told("{name}.{date}"),
            "line 15: {date} is no placeholder of `temp_name`; it takes {name}, {try}"
        );
        assert_eq!(
            told("tmp/{name}"),
            "line 15: `temp_name` holds '/'; use letters, digits, `.`, `_`, `-` and placeholders"
        );
        assert_eq!(
            told("{name}.{try"),
            "line 15: `temp_name` has a { without its }; write both or none"
        );
        let scope = scope(&added("temp_name = \"{name}.tmp\""));
        assert_eq!(scope.endpoints[0].protocol.temp_name, "{name}.tmp");
    }
}
