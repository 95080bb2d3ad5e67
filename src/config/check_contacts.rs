//! `[[contact]]`, `[alerts]` and `[[expect]]`: who is told of what, and what is watched for.

use jiff::civil::Weekday;
use toml::Spanned;

use super::check::{Check, Place, open};
use super::raw::{self, Text, Texts};
use crate::domain::{
    Alerts, Cause, Contact, Expect, ExtractKind, Mail, Proof, Quiet, Security, Severity, Way,
    Webhook, time_of_day,
};

const DAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
    ("sat", Weekday::Saturday),
    ("sun", Weekday::Sunday),
];

#[derive(Clone, Copy)]
enum Kind {
    Mail,
    Webhook,
    Command,
}

impl Check<'_> {
    /// Checks the people and programs that are told.
    pub fn contacts(&mut self, rows: Vec<Spanned<raw::Contact>>) -> Option<Vec<Contact>> {
        let mut names = Vec::new();
        let contacts: Vec<_> = rows.into_iter().map(|row| self.contact(row, &mut names)).collect();
        contacts.into_iter().collect()
    }

    fn contact(&mut self, row: Spanned<raw::Contact>, names: &mut Vec<String>) -> Option<Contact> {
        let (place, mut row) = open("contact", Some(row));
        let name = self.contact_name(place, row.name.take(), names);
        let words = [("warning", Severity::Warning), ("grave", Severity::Grave)];
        let from = self.word(place, "severity", row.severity.take(), &words);
        let causes = self.causes(row.causes.take());
        let quiet = self.quiet(place, row.quiet.take());
        let after = self.number(place, "after_minutes", row.after_minutes.take(), 0..=7 * 24 * 60);
        let timeout = self.number(place, "timeout_seconds", row.timeout_seconds.take(), 1..=300);
        let kinds = [("mail", Kind::Mail), ("webhook", Kind::Webhook), ("command", Kind::Command)];
        let kind = self.word(place, "method", row.method.take(), &kinds);
        let way = kind.and_then(|kind| {
            self.only_of(kind, &row);
            match kind {
                Kind::Mail => self.mail(place, row).map(Way::Mail),
                Kind::Webhook => self.webhook(place, row).map(Way::Webhook),
                Kind::Command => self.command(place, row.command).map(Way::Command),
            }
        });
        Some(Contact {
            name: name?,
            way: way?,
            from: from?,
            causes: causes?,
            quiet: quiet?,
            after_s: after? * 60,
            timeout_s: u64::try_from(timeout?).ok()?,
        })
    }

    fn contact_name(
        &mut self,
        place: Place,
        value: Text,
        taken: &mut Vec<String>,
    ) -> Option<String> {
        let value = self.text(place, "name", value, "\"on-call\"")?;
        let start = value.span().start;
        let name = value.into_inner();
        let good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if !name.bytes().all(good) {
            let what = format!("`{name}` cannot name a contact: use letters, digits and `-`");
            self.problem(start, what);
            return None;
        }
        if taken.contains(&name) {
            let what = format!("there is another contact `{name}`; give each its own name");
            self.problem(start, what);
            return None;
        }
        taken.push(name.clone());
        Some(name)
    }

    fn causes(&mut self, list: Texts) -> Option<Vec<Cause>> {
        let mut causes = Some(Vec::new());
        for word in list.map(Spanned::into_inner).unwrap_or_default() {
            let found = Cause::ALL.into_iter().find(|cause| cause.word() == word.as_ref());
            match (found, &mut causes) {
                (Some(cause), Some(causes)) => causes.push(cause),
                (Some(_), None) => {}
                (None, _) => {
                    let all: Vec<&str> = Cause::ALL.iter().map(|cause| cause.word()).collect();
                    let (word, start) = (word.as_ref(), word.span().start);
                    self.problem(start, format!("`{word}` is no cause; write {}", all.join(", ")));
                    causes = None;
                }
            }
        }
        causes
    }

    fn quiet(&mut self, place: Place, value: Text) -> Option<Option<Quiet>> {
        let Some(value) = value else {
            self.missing(place, "quiet", "\"22:00-06:30\"");
            return None;
        };
        if value.as_ref().is_empty() {
            return Some(None);
        }
        let quiet = Quiet::read(value.as_ref());
        if quiet.is_none() {
            let what = "`quiet` is no part of the day; write \"22:00-06:30\", or \"\" for never";
            self.problem(value.span().start, what.to_string());
            return None;
        }
        Some(quiet)
    }

    /// Refuses keys of the other methods: whoever wrote one expects something of it.
    fn only_of(&mut self, kind: Kind, row: &raw::Contact) {
        let (mail, webhook, command) = match kind {
            Kind::Mail => (true, false, false),
            Kind::Webhook => (false, true, false),
            Kind::Command => (false, false, true),
        };
        let start = |value: &Text| value.as_ref().map(|value| value.span().start);
        let list = |value: &Texts| value.as_ref().map(|value| value.span().start);
        for (key, at, fits, of) in [
            ("host", start(&row.host), mail, "mail"),
            ("port", row.port.as_ref().map(|port| port.span().start), mail, "mail"),
            ("user", start(&row.user), mail, "mail"),
            ("password_file", start(&row.password_file), mail, "mail"),
            ("password_env", start(&row.password_env), mail, "mail"),
            ("sender", start(&row.sender), mail, "mail"),
            ("to", list(&row.to), mail, "mail"),
            ("ca_file", start(&row.ca_file), mail || webhook, "mail"),
            ("url", start(&row.url), webhook, "webhook"),
            ("bearer_file", start(&row.bearer_file), webhook, "webhook"),
            ("bearer_env", start(&row.bearer_env), webhook, "webhook"),
            ("hmac_file", start(&row.hmac_file), webhook, "webhook"),
            ("hmac_env", start(&row.hmac_env), webhook, "webhook"),
            ("command", list(&row.command), command, "command"),
        ] {
            if let (Some(at), false) = (at, fits) {
                let what = format!("`{key}` goes with method = \"{of}\"; remove one of the two");
                self.problem(at, what);
            }
        }
    }

    fn mail(&mut self, place: Place, row: raw::Contact) -> Option<Mail> {
        let host = self.text(place, "host", row.host, "\"mail.practice.example\"");
        let words =
            [("starttls", Security::StartTls), ("tls", Security::Tls), ("none", Security::None)];
        let at = row.security.as_ref().map_or(place.start, |word| word.span().start);
        let security = self.word(place, "security", row.security, &words);
        let port = match (row.port, security) {
            (None, Some(Security::Tls)) => Some(465),
            (None, Some(Security::None)) => Some(25),
            (None, _) => Some(587),
            (port, _) => self.number(place, "port", port, 1..=65535),
        };
        let is_here = |host: &Spanned<String>| is_here(host.as_ref());
        if security == Some(Security::None) && !host.as_ref().is_some_and(is_here) {
            let what = "security = \"none\" is for a mail server on this machine (localhost); \
                        write \"starttls\" or \"tls\" for others";
            self.problem(at, what.to_string());
            return None;
        }
        let password = self.secret("password", row.password_file, row.password_env);
        let login = match (row.user, password) {
            (None, None) => Some(None),
            (Some(user), Some((_, secret))) => {
                let user = self.text(place, "user", Some(user), "\"hl7drop\"");
                user.and_then(|user| Some(Some((user.into_inner(), secret?))))
            }
            (Some(_), None) => {
                self.missing(place, "password_file", "\"keys/mail\", or password_env");
                None
            }
            (None, Some(_)) => {
                self.missing(place, "user", "\"hl7drop\"");
                None
            }
        };
        let sender = self.text(place, "sender", row.sender, "\"hl7drop@practice.example\"");
        let sender = sender.and_then(|sender| self.address("sender", sender));
        let to = self.texts(place, "to", row.to, "[\"on-call@practice.example\"]");
        let to: Option<Vec<String>> =
            to.and_then(|to| to.into_iter().map(|one| self.address("to", one)).collect());
        let ca_file = row.ca_file.map(|path| self.path("ca_file", path));
        Some(Mail {
            host: host?.into_inner(),
            port: u16::try_from(port?).ok()?,
            security: security?,
            login: login?,
            sender: sender?,
            to: to?,
            ca_file: ca_file.map_or(Some(None), |path| path.map(Some))?,
        })
    }

    /// An address, as far as settings can know it; a name before it is not for here.
    fn address(&mut self, key: &str, value: Spanned<String>) -> Option<String> {
        let text = value.as_ref();
        let parts = text.split_once('@');
        let good = parts.is_some_and(|(user, host)| {
            !user.is_empty()
                && !host.is_empty()
                && text.bytes().all(|byte| byte.is_ascii_graphic())
                && !text.contains(['<', '>', ',', '"'])
        });
        if !good {
            let what = format!("`{key}` holds {text:?}; write a mail address such as a@b.example");
            self.problem(value.span().start, what);
            return None;
        }
        Some(value.into_inner())
    }

    fn webhook(&mut self, place: Place, row: raw::Contact) -> Option<Webhook> {
        let url = self.text(place, "url", row.url, "\"https://chat.practice.example/hook\"");
        let url = url.and_then(|url| self.url(url));
        let bearer = self.secret("bearer", row.bearer_file, row.bearer_env);
        let hmac = self.secret("hmac", row.hmac_file, row.hmac_env);
        let proof = match (bearer, hmac) {
            (None, None) => Some(None),
            (Some((_, secret)), None) => secret.map(|secret| Some(Proof::Bearer(secret))),
            (None, Some((_, secret))) => secret.map(|secret| Some(Proof::Hmac(secret))),
            (Some(_), Some((start, _))) => {
                self.problem(start, "a bearer and an hmac both; keep one".to_string());
                None
            }
        };
        let ca_file = row.ca_file.map(|path| self.path("ca_file", path));
        Some(Webhook {
            url: url?,
            proof: proof?,
            ca_file: ca_file.map_or(Some(None), |path| path.map(Some))?,
        })
    }

    /// What is wrong with an address is told without it: there may be a token in it.
    fn url(&mut self, value: Spanned<String>) -> Option<String> {
        let url = value.as_ref();
        let (scheme, rest) = url.split_once("://").unwrap_or_default();
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let bare = match host.strip_prefix('[') {
            Some(rest) => rest.split(']').next().unwrap_or_default(),
            None => host.split(':').next().unwrap_or_default(),
        };
        let what = if !url.bytes().all(|byte| byte.is_ascii_graphic()) || bare.is_empty() {
            "`url` is no address; write one such as \"https://chat.practice.example/hook\""
        } else if host.contains('@') {
            "`url` holds a user or a password; give a secret with bearer_file or hmac_file"
        } else if scheme == "https" || scheme == "http" && is_here(bare) {
            return Some(value.into_inner());
        } else {
            "`url` is not encrypted; write https://, or http://localhost for this machine"
        };
        self.problem(value.span().start, what.to_string());
        None
    }

    fn command(&mut self, place: Place, list: Texts) -> Option<Vec<String>> {
        let words = self.texts(place, "command", list, "[\"/usr/local/bin/page\"]")?;
        let mut command = Vec::new();
        for (at, word) in words.into_iter().enumerate() {
            let whole = at > 0 || word.as_ref().starts_with('/');
            if !whole {
                let what = "`command` begins with no program; write its whole path, \"/usr/local/bin/page\"";
                self.problem(word.span().start, what.to_string());
                return None;
            }
            command.push(self.one_line("command", word)?.into_inner());
        }
        Some(command)
    }

    /// Returns a list that must be there and not empty.
    pub(super) fn texts(
        &mut self,
        place: Place,
        key: &str,
        list: Texts,
        example: &str,
    ) -> Option<Vec<Spanned<String>>> {
        let Some(list) = list else {
            self.missing(place, key, example);
            return None;
        };
        if list.as_ref().is_empty() {
            self.problem(list.span().start, format!("`{key}` is empty; write {key} = {example}"));
            return None;
        }
        Some(list.into_inner())
    }

    /// Checks what is watched for.
    pub fn alerts(
        &mut self,
        section: Option<Spanned<raw::Alerts>>,
        rows: Vec<Spanned<raw::Expect>>,
    ) -> Option<Alerts> {
        let (place, alerts) = open("alerts", section);
        let rows_waiting =
            self.number(place, "rows_waiting_percent", alerts.rows_waiting_percent, 0..=100);
        let silent = self.number(place, "silent_hours", alerts.silent_hours, 0..=24 * 366);
        let volume = self.number(place, "volume_percent", alerts.volume_percent, 0..=100_000);
        let calm = self.number(place, "calm_minutes", alerts.calm_minutes, 0..=24 * 60);
        let repeat = self.number(place, "repeat_hours", alerts.repeat_hours, 0..=24 * 366);
        let expects: Vec<_> = rows.into_iter().map(|row| self.expect(row)).collect();
        Some(Alerts {
            rows_waiting_percent: u64::try_from(rows_waiting?).ok()?,
            silent_hours: silent?,
            volume_percent: u64::try_from(volume?).ok()?,
            calm_s: calm? * 60,
            repeat_s: repeat? * 3600,
            expects: expects.into_iter().collect::<Option<_>>()?,
        })
    }

    fn expect(&mut self, row: Spanned<raw::Expect>) -> Option<Expect> {
        let (place, row) = open("expect", Some(row));
        let kinds = ExtractKind::ALL.map(|kind| (kind.word(), kind));
        let kind = self.word(place, "extract", row.extract, &kinds);
        let by = self.text(place, "by", row.by, "\"06:30\"");
        let by = by.and_then(|by| {
            let found = time_of_day(by.as_ref());
            if found.is_none() {
                let what = format!("`by` is {:?}; write a time of day, \"06:30\"", by.as_ref());
                self.problem(by.span().start, what);
            }
            found
        });
        let days = self.texts(place, "days", row.days, "[\"mon\", \"fri\"]");
        let days: Option<Vec<Weekday>> = days.and_then(|days| {
            days.into_iter().map(|day| self.word(place, "days", Some(day), &DAYS)).collect()
        });
        Some(Expect { kind: kind?, by: by?, days: days? })
    }
}

/// True of this very machine.
fn is_here(host: &str) -> bool {
    host == "localhost" || host.parse::<core::net::IpAddr>().is_ok_and(|at| at.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{GOOD, added, problems, scope};
    use super::*;

    const MAIL: &str = "[[contact]]\nname = \"on-call\"\nmethod = \"mail\"\n\
                        host = \"mail.example\"\nsender = \"a@b.example\"\nto = [\"c@d.example\"]\n";

    #[test]
    fn a_contact_has_its_defaults() {
        let scope = scope(&added(MAIL));
        let way = Way::Mail(Mail {
            host: "mail.example".into(),
            port: 587,
            security: Security::StartTls,
            login: None,
            sender: "a@b.example".into(),
            to: vec!["c@d.example".into()],
            ca_file: None,
        });
        let contact = Contact {
            name: "on-call".into(),
            way,
            from: Severity::Warning,
            causes: Vec::new(),
            quiet: None,
            after_s: 0,
            timeout_s: 30,
        };
        assert_eq!(scope.contacts, [contact]);
        let alerts = super::super::testing::scope(GOOD).alerts;
        assert_eq!((alerts.rows_waiting_percent, alerts.calm_s), (10, 300));
        assert_eq!((alerts.repeat_s, alerts.expects.len()), (24 * 3600, 0));
    }

    #[test]
    fn each_method_has_its_own_keys() {
        let hook = "[[contact]]\nname = \"chat\"\nmethod = \"webhook\"\n";
        let page = "[[contact]]\nname = \"page\"\nmethod = \"command\"\n";
        let read = scope(&added(&format!(
            "{hook}url = \"http://127.0.0.1:1/x\"\nhmac_file = \"keys/hook\"\n{page}command = \
             [\"/bin/page\", \"-x\"]\ncauses = [\"late\"]\nquiet = \"22:00-06:30\"\n\
             after_minutes = 30\n{MAIL}security = \"tls\"\nuser = \"u\"\npassword_env = \"P\""
        )));
        let [chat, pager, mail] = read.contacts.as_slice() else { panic!("{:?}", read.contacts) };
        let Way::Webhook(chat) = &chat.way else { panic!("{chat:?}") };
        let key = "/etc/hl7drop/keys/hook".into();
        assert_eq!(chat.proof, Some(Proof::Hmac(crate::domain::Secret::File(key))));
        assert_eq!(pager.way, Way::Command(vec!["/bin/page".into(), "-x".into()]));
        assert_eq!((pager.after_s, pager.causes.as_slice()), (1800, &[Cause::Late][..]));
        let Way::Mail(mail) = &mail.way else { panic!("{mail:?}") };
        assert_eq!((mail.port, mail.login.is_some()), (465, true));
    }

    #[test]
    fn what_is_no_contact_is_refused() {
        let hook = "[[contact]]\nname = \"a b\"\nmethod = \"webhook\"\n\
                    url = \"http://chat.example/hunter2\"\nhost = \"x\"\ncauses = [\"lte\"]\n\
                    quiet = \"22-6\"\n";
        let told = problems(&added(hook));
        let all: Vec<&str> = Cause::ALL.iter().map(|cause| cause.word()).collect();
        assert_eq!(
            told,
            [
                "line 16: `a b` cannot name a contact: use letters, digits and `-`".to_string(),
                "line 18: `url` is not encrypted; write https://, or http://localhost for this machine"
                    .into(),
                "line 19: `host` goes with method = \"mail\"; remove one of the two".into(),
                format!("line 20: `lte` is no cause; write {}", all.join(", ")),
                "line 21: `quiet` is no part of the day; write \"22:00-06:30\", or \"\" for never"
                    .into(),
            ]
        );
        let told = |lines: &str| problems(&added(&format!("{MAIL}{lines}"))).remove(0);
        assert!(told("security = \"none\"").contains("on this machine"));
        assert!(told("user = \"u\"").contains("`password_file` is missing in [contact]"));
        assert!(told(MAIL).contains("there is another contact `on-call`"));
        let page = "[[contact]]\nname = \"p\"\nmethod = \"command\"\ncommand = [\"page\"]";
        assert!(problems(&added(page))[0].contains("its whole path"));
        let bad = MAIL.replace("c@d.example", "Doe <c@d.example>");
        assert!(problems(&added(&bad))[0].contains("write a mail address"));
    }

    #[test]
    fn an_expected_extract_has_a_time_and_days() {
        let row = "[[expect]]\nextract = \"patients\"\nby = \"06:30\"\n";
        let expects = scope(&added(row)).alerts.expects;
        assert_eq!(expects[0].by, jiff::civil::time(6, 30, 0, 0));
        assert_eq!((expects[0].days.len(), expects[0].kind), (5, ExtractKind::Patients));
        let told = problems(&added("[[expect]]\nextract = \"x\"\nby = \"6:30\"\ndays = [\"m\"]"));
        assert_eq!(told.len(), 3, "{told:?}");
    }
}
