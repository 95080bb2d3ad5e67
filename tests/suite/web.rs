//! The page by HTTP, against the real program: who may what, forms, sessions, lock-out,
//! headers, and what a page says when something is wrong.

#![allow(clippy::unwrap_used, reason = "a helper of tests is no test to clippy")]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use hl7drop::desk::{By, Desk, Limits, Token};
use hl7drop::domain::Permission;
use hl7drop::ledger::{Ledger, Sqlite};
use hl7drop::web::{Needs, ROUTES, Route, Way};

use crate::bad_input::Tiny;
use crate::site::{Output, Site, ended, states};

/// The password of everybody here.
pub const PASSWORD: &str = "correct horse battery";

/// A site whose page is served.
pub struct Page {
    /// Where its files are.
    pub site: Site,
    /// `http://127.0.0.1:PORT`.
    pub url: String,
    program: Child,
}

impl Drop for Page {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Name and value of each header.
    pub headers: Vec<(String, String)>,
    /// The body as text.
    pub body: String,
}

impl Answer {
    /// Returns a header; empty if there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    /// Returns the value of a cookie that it sets.
    fn cookie(&self, name: &str) -> Option<String> {
        let start = format!("{name}=");
        let set = self.headers.iter().filter(|(key, _)| key == "set-cookie");
        let mut set = set.filter_map(|(_, value)| value.strip_prefix(&start));
        set.next().map(|value| value.split(';').next().unwrap().to_string())
    }
}

/// A browser: keeps its cookies, and sends what forms of the page carry.
pub struct Browser {
    agent: ureq::Agent,
    url: String,
    /// Its session, if it has one.
    pub token: Option<Token>,
    visitor: Option<Token>,
    /// Other headers of each request.
    pub headers: Vec<(&'static str, String)>,
}

impl Browser {
    pub fn new(url: &str) -> Browser {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(Duration::from_secs(60)))
            .build();
        Browser {
            agent: config.into(),
            url: url.into(),
            token: None,
            visitor: None,
            headers: vec![],
        }
    }

    fn cookies(&self) -> String {
        let pair = |name: &str, token: &Option<Token>| {
            token.as_ref().map(|token| format!("{name}={}", token.secret()))
        };
        let pairs = [pair("hl7drop", &self.token), pair("hl7drop-visitor", &self.visitor)];
        pairs.into_iter().flatten().collect::<Vec<_>>().join("; ")
    }

    /// Returns what the forms that this browser is shown carry.
    pub fn form_token(&self) -> String {
        self.token.as_ref().or(self.visitor.as_ref()).map(Token::for_forms).unwrap_or_default()
    }

    fn kept(&mut self, response: ureq::http::Response<ureq::Body>) -> Answer {
        let (parts, mut body) = response.into_parts();
        let headers = parts.headers.iter();
        let headers = headers.map(|(k, v)| (k.to_string(), v.to_str().unwrap().to_string()));
        let answer = Answer {
            status: parts.status.as_u16(),
            headers: headers.collect(),
            body: body.read_to_string().unwrap_or_default(),
        };
        if let Some(value) = answer.cookie("hl7drop") {
            self.token = Token::shown(&value);
        }
        if let Some(value) = answer.cookie("hl7drop-visitor") {
            self.visitor = Token::shown(&value);
        }
        answer
    }

    pub fn get(&mut self, path: &str) -> Answer {
        let mut request = self.agent.get(format!("{}{path}", self.url));
        request = request.header("cookie", self.cookies());
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        let response = request.call().unwrap();
        self.kept(response)
    }

    /// Sends a form of the page: with the token that it carries.
    pub fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let token = self.form_token();
        let mut all = vec![("form", token.as_str())];
        all.extend(fields);
        self.post_raw(path, &all)
    }

    /// Sends these fields and no other.
    pub fn post_raw(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let mut request = self.agent.post(format!("{}{path}", self.url));
        request = request.header("cookie", self.cookies());
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        let response = request.send_form(fields.iter().copied()).unwrap();
        self.kept(response)
    }

    /// Sends a form with files, `(name, bytes)` each.
    pub fn upload(
        &mut self,
        path: &str,
        fields: &[(&str, &str)],
        files: &[(&str, &[u8])],
    ) -> Answer {
        let (token, edge) = (self.form_token(), "edge-of-a-part");
        let mut body = Vec::new();
        for (name, value) in std::iter::once(&("form", token.as_str())).chain(fields) {
            write!(
                body,
                "--{edge}\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
            )
            .unwrap();
        }
        for (name, bytes) in files {
            write!(
                body,
                "--{edge}\r\ncontent-disposition: form-data; name=\"files\"; filename=\"{name}\"\r\n\
                 content-type: text/csv\r\n\r\n"
            )
            .unwrap();
            body.extend_from_slice(bytes);
            body.extend_from_slice(b"\r\n");
        }
        write!(body, "--{edge}--\r\n").unwrap();
        let request = self.agent.post(format!("{}{path}", self.url));
        let request = request.header("cookie", self.cookies());
        let request =
            request.header("content-type", format!("multipart/form-data; boundary={edge}"));
        let response = request.send(&body).unwrap();
        self.kept(response)
    }

    /// Signs in through the form.
    pub fn sign_in(&mut self, user: &str, password: &str) -> Answer {
        self.get("/sign-in");
        self.post("/sign-in", &[("name", user), ("password", password)])
    }
}

impl Page {
    /// Serves the page of a site, whose settings get these lines in `[serve]`.
    pub fn of(site: Site, settings: &str) -> Page {
        let file = site.root().join("hl7drop.toml");
        let text = format!("[run]\nworkers = 2\n[serve]\nlisten = \"127.0.0.1:0\"\n{settings}");
        fs::write(file, text).unwrap();
        let mut command = site.command(["serve"]);
        let mut program = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(program.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listening on ").unwrap_or_else(|| panic!("{line:?}"));
        Page { url: url.to_string(), site, program }
    }

    pub fn new() -> Page {
        Page::of(Site::new(), "")
    }

    pub fn desk(&self) -> Desk {
        Desk::open(&self.site.root().join("spool/desk.db")).unwrap()
    }

    /// Makes a user through the shell, with the password of everybody.
    pub fn user(&self, name: &str, grants: &str) -> Output {
        let file = self.site.root().join("password");
        fs::write(&file, PASSWORD).unwrap();
        let mut command = self.site.command(["user", "add", name, "--grant", grants]);
        ended(command.arg("--password-file").arg(&file))
    }

    /// Returns a browser in which this user is signed in, without typing a password.
    pub fn as_user(&self, name: &str) -> Browser {
        let by = By { name: name.into(), address: "127.0.0.1".into(), at: now() };
        let token = self.desk().sign_in(&by, &LIMITS).unwrap();
        Browser { token: Some(token), ..self.browser() }
    }

    pub fn browser(&self) -> Browser {
        Browser::new(&self.url)
    }

    /// Returns what the trail says, oldest first, without numbers and times.
    pub fn trail(&self) -> Vec<String> {
        let trail = self.desk().trail(None, 1000).unwrap();
        assert!(trail.whole);
        let told = trail.deeds.into_iter().rev();
        told.map(|deed| format!("{}: {} {}", deed.by.name, deed.verb, deed.about)).collect()
    }
}

const LIMITS: Limits = Limits { idle: Duration::from_secs(900), whole: Duration::from_secs(43200) };

fn now() -> i64 {
    hl7drop::clock::Clock::System.unix()
}

/// Lets time pass for every session: they began and were used so many seconds earlier.
fn age(page: &Page, seconds: i64) {
    let conn = rusqlite::Connection::open(page.site.root().join("spool/desk.db")).unwrap();
    conn.execute("UPDATE session SET seen_at = seen_at - ?1", [seconds]).unwrap();
}

/// One user of each kind: with nothing, with each permission alone, with all.
fn kinds() -> Vec<(String, Vec<Permission>)> {
    let one = |permission: &Permission| (format!("only-{}", permission.word()), vec![*permission]);
    let mut kinds = vec![("nothing".to_string(), Vec::new())];
    kinds.extend(Permission::ALL.iter().map(one));
    kinds.push(("everything".to_string(), Permission::ALL.to_vec()));
    kinds
}

fn asked(browser: &mut Browser, route: &Route) -> Answer {
    let mut path = route.path.replace("{interface}", crate::site::NAME);
    while let Some((before, rest)) = path.split_once('{') {
        path = format!("{before}1{}", rest.split_once('}').unwrap().1);
    }
    match route.way {
        Way::Get => browser.get(&path),
        Way::Post => browser.post(&path, &[]),
        Way::Upload => browser.upload(&path, &[], &[]),
    }
}

#[test]
fn every_route_asks_every_kind_of_user_for_its_permission() {
    let page = Page::new();
    let by = By { name: "test".into(), address: String::new(), at: now() };
    for (name, may) in kinds() {
        page.desk().add(&name, "nobody signs in with this", &may, &by).unwrap();
    }
    for route in ROUTES {
        let told = format!("{:?} {}", route.way, route.path);
        let mut nobody = page.browser();
        nobody.get("/sign-in");
        let answer = asked(&mut nobody, route);
        match (route.needs, route.way) {
            (Needs::Nothing, _) => {
                assert!(
                    ![401, 403, 500].contains(&answer.status) || route.path == "/sign-in",
                    "{told}"
                );
            }
            (_, Way::Get) => {
                assert_eq!(answer.status, 303, "{told}");
                assert!(answer.header("location").starts_with("/sign-in"), "{told}");
            }
            _ => assert_eq!(answer.status, 401, "{told}: {answer:?}"),
        }
        for (name, may) in kinds() {
            let needed = match route.needs {
                Needs::OneOf(any) => any.iter().any(|one| may.contains(one)),
                _ => true,
            };
            let mut browser = page.as_user(&name);
            let answer = asked(&mut browser, route);
            assert!(answer.status < 500, "{told} as {name}: {answer:?}");
            if route.path != "/sign-in" {
                assert_ne!(answer.status, 401, "{told} as {name}");
            }
            assert_eq!(answer.status != 403, needed, "{told} as {name}: {}", answer.status);
        }
    }
}

#[test]
fn no_form_is_taken_without_its_token_or_from_another_site() {
    let page = Page::new();
    page.user("anna", "admin,view,upload,map-messages,map-insurance");
    for route in ROUTES.iter().filter(|route| route.way == Way::Post) {
        let path = route.path.replace("{interface}", crate::site::NAME).replace("{user}", "anna");
        let other = page.as_user("anna").form_token();
        for wrong in ["", "x", other.as_str()] {
            let answer = page.as_user("anna").post_raw(&path, &[("form", wrong)]);
            assert_eq!(answer.status, 403, "{path} with {wrong:?}");
        }
        assert_eq!(page.as_user("anna").post_raw(&path, &[]).status, 403, "{path} without");
        for site in ["cross-site", "same-site"] {
            let mut browser = page.as_user("anna");
            browser.headers.push(("sec-fetch-site", site.into()));
            assert_eq!(browser.post(&path, &[]).status, 403, "{path} from {site}");
        }
    }
    let users: Vec<String> =
        page.desk().users().unwrap().into_iter().map(|user| user.name).collect();
    assert_eq!(users, ["anna"]);
}

#[test]
fn a_user_signs_in_and_out_and_the_cookie_is_nobody_elses() {
    let page = Page::new();
    assert_eq!(page.user("anna", "view").out, "anna may sign in: View Message Queue\n");
    let mut browser = page.browser();
    let answer = browser.get("/account");
    assert_eq!((answer.status, answer.header("location")), (303, "/sign-in?then=/account"));
    assert_eq!(browser.sign_in("anna", "wrong").status, 401);
    let visitor = browser.form_token();
    let then = [("name", "Anna "), ("password", PASSWORD), ("then", "/account")];
    let answer = browser.post("/sign-in", &then);
    assert_eq!((answer.status, answer.header("location")), (303, "/account"));
    let cookie = answer.header("set-cookie");
    for rule in ["HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(rule), "{cookie}");
    }
    assert_ne!(browser.form_token(), visitor, "the session has a token of its own");
    assert!(browser.get("/account").body.contains("View Message Queue"));
    let mut copy = Browser { token: browser.token.clone(), ..page.browser() };
    assert_eq!(browser.post("/sign-out", &[]).status, 303);
    assert_eq!(copy.get("/account").status, 303, "the token is worth nothing any more");
    let trail = page.trail();
    assert!(trail.contains(&": sign in failed wrong password for anna".to_string()), "{trail:?}");
    assert!(
        trail.contains(&"anna: sign in ".to_string())
            && trail.contains(&"anna: sign out ".to_string())
    );
}

#[test]
fn who_guesses_passwords_waits_and_so_does_the_right_one() {
    let page = Page::new();
    page.user("anna", "view");
    let mut browser = page.browser();
    for _ in 0..5 {
        assert_eq!(browser.sign_in("anna", "a wrong password").status, 401);
    }
    let refused = browser.sign_in("anna", PASSWORD);
    assert_eq!(refused.status, 429);
    let wait: i64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=15).contains(&wait), "{wait}");
    // Who is nobody is answered like somebody.
    for _ in 0..5 {
        assert_eq!(browser.sign_in("nobody", "a wrong password").status, 401);
    }
    assert_eq!(browser.sign_in("nobody", "a wrong password").status, 429);
    let conn = rusqlite::Connection::open(page.site.root().join("spool/desk.db")).unwrap();
    conn.execute("UPDATE tries SET at = at - 60", []).unwrap();
    assert_eq!(browser.sign_in("anna", PASSWORD).status, 303, "later it is right again");
}

#[test]
fn a_session_ends_by_itself_and_what_was_typed_is_kept() {
    let page = Page::new();
    page.user("anna", "admin");
    let mut browser = page.browser();
    browser.sign_in("anna", PASSWORD);
    age(&page, 16 * 60);
    let fields = [("name", "bert<b>"), ("password", "never kept at all"), ("may", "view")];
    let answer = browser.post("/users/add", &fields);
    assert_eq!(answer.status, 401);
    assert!(answer.body.contains("nothing was done"), "{}", answer.body);
    assert!(answer.body.contains("name=\"kept-name\" value=\"bert&lt;b&gt;\""), "{}", answer.body);
    assert!(!answer.body.contains("never kept at all"));
    let again = [
        ("name", "anna"),
        ("password", PASSWORD),
        ("then", "/users/add"),
        ("kept-name", "bert"),
        ("kept-may", "view"),
    ];
    let answer = browser.post("/sign-in", &again);
    assert_eq!(answer.status, 200);
    assert!(
        answer.body.contains("action=\"/users/add\"") && answer.body.contains("value=\"bert\"")
    );
    assert_eq!(page.desk().users().unwrap().len(), 1, "nothing is done before it is sent again");
    // A page that refreshes itself keeps nobody signed in.
    browser.headers.push(("x-live", "1".into()));
    age(&page, 10 * 60);
    assert_eq!(browser.get("/").status, 200);
    age(&page, 6 * 60);
    assert_eq!(browser.get("/").status, 401);
}

#[test]
fn signing_out_everywhere_and_a_new_password_end_every_session() {
    let page = Page::new();
    page.user("anna", "view");
    let (mut one, mut two) = (page.as_user("anna"), page.as_user("anna"));
    assert_eq!(one.post("/account/sign-out-everywhere", &[]).status, 303);
    assert_eq!((one.get("/").status, two.get("/").status), (303, 303));
    let (mut one, mut two) = (page.as_user("anna"), page.as_user("anna"));
    let wrong = [("old-password", "wrong"), ("new-password", "another sentence")];
    assert_eq!(one.post("/account/password", &wrong).status, 400);
    let weak = [("old-password", PASSWORD), ("new-password", "short")];
    assert_eq!(one.post("/account/password", &weak).status, 409);
    let right = [("old-password", PASSWORD), ("new-password", "another sentence")];
    assert_eq!(one.post("/account/password", &right).status, 303);
    assert_eq!(two.get("/").status, 303);
    assert_eq!(page.browser().sign_in("anna", PASSWORD).status, 401);
    assert_eq!(page.browser().sign_in("anna", "another sentence").status, 303);
}

#[test]
fn every_answer_forbids_what_a_page_like_this_never_needs() {
    let page = Page::new();
    page.user("anna", "view,admin,upload");
    let mut browser = page.as_user("anna");
    for path in ["/", "/account", "/users", "/trail", "/sign-in", "/page.css", "/none", "/%00"] {
        let answer = browser.get(path);
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none';") && !policy.contains("unsafe"), "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("x-frame-options"), "DENY", "{path}");
        let page = answer.body;
        for never in ["<script>", " style=", " onclick", "javascript:", "http://", "https://"] {
            let found = page
                .match_indices(never)
                .find(|(at, _)| !page[*at..].starts_with("http://www.w3.org/2000/svg"));
            assert_eq!(found, None, "{path}");
        }
    }
    assert_eq!(browser.get("/").header("cache-control"), "no-store");
    assert_eq!(browser.get("/none").status, 404);
    assert_eq!(browser.get("/users/add").status, 404, "a form is sent, not looked at");
}

#[test]
fn users_are_managed_in_the_browser_by_who_may() {
    let page = Page::new();
    page.user("anna", "admin");
    let mut anna = page.as_user("anna");
    let bert = [("name", "Bert"), ("password", PASSWORD), ("may", "view"), ("may", "upload")];
    assert_eq!(anna.post("/users/add", &bert).status, 303);
    assert_eq!(anna.post("/users/add", &bert).status, 409);
    let list = page.site.run(["user", "list", "--json"]).json();
    assert_eq!(list[1]["permissions"], serde_json::json!(["view", "upload"]));
    let mut other = page.browser();
    assert_eq!(other.sign_in("bert", PASSWORD).status, 303);
    assert_eq!(other.get("/trail").status, 200);
    anna.post("/users/bert/permit", &[("may", "map-messages")]);
    assert_eq!(other.get("/trail").status, 403, "at once");
    anna.post("/users/bert/sign-out", &[]);
    assert_eq!(other.get("/").status, 303);
    assert_eq!(anna.post("/users/anna/permit", &[]).status, 409, "somebody manages users");
    assert_eq!(anna.post("/users/bert/remove", &[]).status, 303);
    assert_eq!(anna.post("/users/bert/remove", &[]).status, 404);
    assert!(page.trail().contains(&"bert: refused /trail".to_string()), "{:?}", page.trail());
}

#[test]
fn users_are_managed_in_the_shell_and_no_password_is_typed_there() {
    let site = Site::new();
    let told = site.run(["user", "list"]);
    assert!(told.out.starts_with("there is no user;"), "{told:?}");
    let secret = site.root().join("secret");
    fs::write(&secret, "a sentence of mine\n").unwrap();
    let file = secret.to_str().unwrap();
    let told = site.run(["user", "add", "anna", "--grant", "view,admin", "--password-file", file]);
    assert_eq!(told.out, "anna may sign in: View Message Queue, User Administration\n");
    for (args, code) in [
        (vec!["user", "add", "anna", "--password-file", file], 2),
        (vec!["user", "add", "x y", "--password-file", file], 2),
        (vec!["user", "add", "bert", "--password", "abc"], 2),
        (vec!["user", "add", "bert"], 2),
        (vec!["user", "grant", "anna", "everything"], 2),
        (vec!["user", "grant", "bert", "view"], 2),
        (vec!["user", "grant", "anna", "upload"], 0),
        (vec!["user", "revoke", "anna", "admin"], 0),
        (vec!["user", "passwd", "anna", "--password-file", file], 0),
        (vec!["user", "sign-out", "anna"], 0),
    ] {
        let told = site.run(&args);
        assert_eq!(told.code, Some(code), "{args:?}: {told:?}");
    }
    let list = site.run(["user", "list"]).out;
    assert_eq!(list, "anna: View Message Queue, File Upload Interface\n");
    assert_eq!(site.run(["user", "remove", "anna"]).code, Some(0));
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::metadata(site.root().join("spool/desk.db")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn the_page_is_served_to_this_machine_only_unless_a_proxy_is_said_to_be_there() {
    let site = Site::new();
    fs::write(site.root().join("hl7drop.toml"), "[serve]\nlisten = \"0.0.0.0:0\"\n").unwrap();
    let told = site.run(["serve"]);
    assert_eq!(told.code, Some(2), "{told:?}");
    assert!(told.err.contains("behind_proxy = true"), "{told:?}");
    let page = Page::of(site, "behind_proxy = true\n");
    page.user("anna", "view");
    let mut browser = page.browser();
    let cookie = browser.get("/sign-in").header("set-cookie").to_string();
    assert!(
        cookie.starts_with("__Host-hl7drop-visitor=") && cookie.ends_with("; Secure"),
        "{cookie}"
    );
    // What a stranger writes into the header is not believed; what the proxy adds is.
    let address = "1.2.3.4, 10.0.0.7".to_string();
    browser.headers.push(("x-forwarded-for", address));
    browser.headers.push(("cookie", cookie.split(';').next().unwrap().to_string()));
    let token = cookie.split(['=', ';']).nth(1).and_then(Token::shown).unwrap().for_forms();
    let fields = [("form", token.as_str()), ("name", "anna"), ("password", PASSWORD)];
    assert_eq!(browser.post_raw("/sign-in", &fields).status, 303);
    let deeds = page.desk().trail(None, 1).unwrap().deeds;
    assert_eq!((deeds[0].verb.as_str(), deeds[0].by.address.as_str()), ("sign in", "10.0.0.7"));
}

/// Patients of whom one is good, one has a name that wants to be markup, and two wait.
const PATIENTS: &str = "event,patientid,lastname,firstname,dob,sex,race\n\
    add,1,Doe,Ann,02/14/1987,F,\n\
    add,2,<script>alert(1)</script>,\"\"\"><img src=x onerror=alert(1)>\",02/14/1987,F,\n\
    add,3,javascript:alert(1),Eve,02/31/1987,F,\n\
    add,4,Roe,Max,02/14/1987,M,none\n";

/// A page over a site that ran once.
fn ran() -> Page {
    let page = Page::new();
    page.site.put("patients.csv", PATIENTS);
    assert_eq!(page.site.run(["run"]).code, Some(3));
    page.user("anna", "view,map-messages,upload");
    page
}

#[test]
fn an_upload_is_dropped_like_any_other_file_and_the_trail_says_by_whom() {
    let page = Page::new();
    page.user("anna", "upload");
    let mut anna = page.as_user("anna");
    let files: [(&str, &[u8]); 2] = [
        ("patients.csv", PATIENTS.as_bytes()),
        ("C:\\exports\\providers.csv", b"providerid\n27\n"),
    ];
    let answer = anna.upload("/upload/clinic", &[], &files);
    assert_eq!(answer.status, 200, "{answer:?}");
    let inbox = page.site.spool().inbox;
    assert_eq!(fs::read(inbox.join("patients.csv")).unwrap(), PATIENTS.as_bytes());
    assert_eq!(fs::read_dir(&inbox).unwrap().count(), 2, "and nothing besides");
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::metadata(inbox.join("patients.csv")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(page.site.run(["run"]).code, Some(3), "it is taken in");
    let trail = page.trail();
    let digest = hl7drop::digest::Digest::of(PATIENTS.as_bytes()).to_string();
    let told = format!(
        "anna: upload clinic: patients.csv, {} bytes, sha256 {}",
        PATIENTS.len(),
        &digest[..16]
    );
    assert!(trail.contains(&told), "{trail:?}");
    for (name, what) in [
        ("notes.txt", "no pattern of the interface"),
        ("patients.csv.part", "never taken"),
        (".patients.csv", "never taken"),
        ("", "hoose a file first"),
        ("..", "never taken"),
    ] {
        let answer = anna.upload("/upload/clinic", &[], &[(name, b"x\n1\n")]);
        assert_eq!(answer.status, 400, "{name}");
        assert!(answer.body.contains(what), "{name}: {}", answer.body);
    }
    assert_eq!(anna.upload("/upload/clinic", &[], &[]).status, 400);
    page.site.put("patients.csv", "waits");
    let answer = anna.upload("/upload/clinic", &[], &[("patients.csv", b"x")]);
    assert!(answer.status == 400 && answer.body.contains("is in the inbox already"), "{answer:?}");
    assert_eq!(fs::read(inbox.join("patients.csv")).unwrap(), b"waits");
    assert_eq!(fs::read_dir(&inbox).unwrap().count(), 1);
    assert_eq!(anna.upload("/upload/other", &[], &[("patients.csv", b"x")]).status, 404);
}

#[test]
fn an_upload_that_is_cut_off_or_too_large_leaves_nothing() {
    use std::io::Read;
    let page = Page::of(Site::new(), "upload_megabytes = 1\n");
    page.user("anna", "upload");
    let mut anna = page.as_user("anna");
    let (inbox, large) = (page.site.spool().inbox, vec![b'x'; 1_500_000]);
    let answer = anna.upload("/upload/clinic", &[], &[("patients.csv", &large)]);
    assert!(answer.status == 413 && answer.body.contains("upload_megabytes"), "{answer:?}");
    assert_eq!(fs::read_dir(&inbox).unwrap().count(), 0);
    let head = format!(
        "POST /upload/clinic HTTP/1.1\r\nhost: x\r\ncookie: {}\r\ncontent-length: 900000\r\n\
         content-type: multipart/form-data; boundary=edge\r\n\r\n\
         --edge\r\ncontent-disposition: form-data; name=\"form\"\r\n\r\n{}\r\n--edge\r\n\
         content-disposition: form-data; name=\"files\"; filename=\"patients.csv\"\r\n\r\n",
        anna.cookies(),
        anna.form_token()
    );
    let address = page.url.strip_prefix("http://").unwrap();
    let mut line = std::net::TcpStream::connect(address).unwrap();
    line.write_all(head.as_bytes()).unwrap();
    line.write_all(&vec![b'x'; 100_000]).unwrap();
    // It is being written, under a name that no pass takes.
    let names = || -> Vec<String> {
        let entries = fs::read_dir(&inbox).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    let until = |wanted: usize| {
        while names().len() != wanted {
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    until(1);
    assert!(names()[0].starts_with(".upload-") && names()[0].ends_with(".part"), "{:?}", names());
    line.shutdown(std::net::Shutdown::Write).unwrap();
    let mut told = String::new();
    let _ = line.read_to_string(&mut told);
    until(0);
}

/// Maps the department ENDO2 and resubmits its group.
pub const MAP_ENDO2: [(&str, &str); 7] = [
    ("code", "D001"),
    ("column", "departmentid"),
    ("value", "ENDO2"),
    ("becomes", "12"),
    ("whose", "one"),
    ("why", "moved in May"),
    ("then", "resubmit"),
];

/// Adds anna with these permissions, and signs her in.
fn signed_in(site: &Site, may: &[Permission]) -> Token {
    let by = By { name: "anna".into(), address: String::new(), at: now() };
    let mut desk = Desk::open(&site.root().join("spool/desk.db")).unwrap();
    desk.add("anna", "x", may, &by).unwrap();
    desk.sign_in(&by, &LIMITS).unwrap()
}

/// Serves with a fault at the so-manyeth place; where it listens all the same, lets `act` go
/// there. Then it is stopped; returns its log.
fn served_with(fault: &str, site: &Site, act: impl FnOnce(&str)) -> String {
    let log = fs::File::create(site.root().join("log")).unwrap();
    let mut command = site.command(["serve"]);
    command.env("HL7DROP_FAULT", fault).stdout(Stdio::piped()).stderr(log);
    let mut program = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(program.stdout.take().unwrap()).read_line(&mut line).unwrap();
    if let Some(url) = line.trim().strip_prefix("listening on ") {
        act(url);
    }
    let _ = program.kill();
    let _ = program.wait();
    fs::read_to_string(site.root().join("log")).unwrap()
}

/// Uploads to a page with a fault at the so-manyeth place; returns whether there was one.
fn upload_with(fault: &str, site: &Site) -> bool {
    let log = served_with(fault, site, |url| {
        let token = signed_in(site, &[Permission::FileUpload]);
        let anna = Browser { token: Some(token), ..Browser::new(url) };
        let body = format!(
            "--edge\r\ncontent-disposition: form-data; name=\"form\"\r\n\r\n{}\r\n--edge\r\n\
             content-disposition: form-data; name=\"files\"; filename=\"patients.csv\"\r\n\r\n\
             {PATIENTS}\r\n--edge--\r\n",
            anna.form_token()
        );
        let request = anna.agent.post(format!("{url}/upload/clinic"));
        let request = request.header("cookie", anna.cookies());
        let request = request.header("content-type", "multipart/form-data; boundary=edge");
        let answer = request.send(body.as_bytes());
        let there = site.spool().inbox.join("patients.csv").exists();
        if let Ok(answer) = answer {
            // Whoever is told that it is taken has it in the inbox.
            assert!(answer.status() != 200 || there, "{fault}");
        }
    });
    log.contains("fault at ")
}

#[test]
fn whatever_fails_during_an_upload_the_file_is_in_the_inbox_whole_or_not_at_all() {
    for kind in ["abort", "full"] {
        let mut met = 0;
        loop {
            let site = Site::new();
            let settings = "[serve]\nlisten = \"127.0.0.1:0\"\n";
            fs::write(site.root().join("hl7drop.toml"), settings).unwrap();
            let fault = format!("{kind}:{}", met + 1);
            let failed = upload_with(&fault, &site);
            let whole = |name: &str| {
                let found = fs::read(site.spool().inbox.join(name));
                found.map_or(true, |bytes| bytes == PATIENTS.as_bytes())
            };
            assert!(whole("patients.csv"), "{fault}");
            // The next start takes away what a crash left.
            let page = Page::of(site, "");
            let inbox = fs::read_dir(page.site.spool().inbox).unwrap();
            let names: Vec<_> = inbox.map(|entry| entry.unwrap().file_name()).collect();
            assert!(names.is_empty() || names == ["patients.csv"], "{fault}: {names:?}");
            if !failed {
                break;
            }
            met += 1;
        }
        assert!(met >= 12, "{kind}: only {met} places were met");
    }
}

#[test]
fn what_waits_is_seen_with_its_reason_and_no_name_is_markup() {
    let page = ran();
    let mut anna = page.as_user("anna");
    let list = anna.get("/queue").body;
    assert!(
        list.contains("2 records wait") && list.contains("T001") && list.contains("R001"),
        "{list}"
    );
    assert!(!list.contains("Roe"), "the list shows no patient");
    let only = anna.get("/queue?interface=clinic&code=R001").body;
    assert!(only.contains("/queue/clinic/record/2") && !only.contains("/queue/clinic/record/1\""));
    let record = anna.get("/queue/clinic/record/1");
    assert!(record.body.contains("javascript:alert(1)"), "as text: {}", record.body);
    assert!(!record.body.contains("href=\"javascript") && record.body.contains("record 3, line 4"));
    let batch = anna.get("/batches/clinic/99999-000001.hl7").body;
    assert!(batch.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "{batch}");
    let message = anna.get("/batches/clinic/99999-000001.hl7/1").body;
    for page in [&batch, &message, &record.body] {
        assert!(!page.contains("<script>") && !page.contains("<img src=x"), "{page}");
    }
    assert!(message.contains("<code>MSH-10</code></th><td>2M99999</td>"), "{message}");
    let raw = anna.get("/batches/clinic/99999-000001.hl7/0?raw=1");
    assert_eq!(raw.header("content-disposition"), "attachment; filename=\"1M99999.hl7\"");
    assert!(raw.body.starts_with("MSH|^~\\&|") && raw.body.ends_with('\r'));
    let trail = page.trail();
    for told in [
        "anna: view clinic: record 1 of the queue",
        "anna: view clinic: 99999-000001.hl7 messages from 1",
        "anna: view clinic: message 2M99999 of 99999-000001.hl7",
        "anna: download clinic: message 1M99999 of 99999-000001.hl7",
    ] {
        assert!(trail.contains(&told.to_string()), "{told}: {trail:?}");
    }
    assert!(!trail.iter().any(|told| told.contains("Doe") || told.contains("alert")));
    for path in [
        "/queue/clinic/record/9",
        "/queue/clinic/record/x",
        "/queue/none/record/1",
        "/batches/clinic/none.hl7",
        "/batches/clinic/99999-000001.hl7/7",
        "/batches/clinic/..%2Fx",
    ] {
        assert_eq!(anna.get(path).status, 404, "{path}");
    }
}

#[test]
fn records_are_closed_by_who_may_with_a_reason_and_once() {
    let page = ran();
    page.user("bill", "view,map-insurance");
    let why = ("why", "they moved away");
    let mut bill = page.as_user("bill");
    assert_eq!(bill.post("/queue/clinic/close", &[("id", "1"), why]).status, 403);
    let mut anna = page.as_user("anna");
    assert_eq!(anna.post("/queue/clinic/close", &[("id", "1")]).status, 400, "no reason");
    assert_eq!(anna.post("/queue/clinic/close", &[why]).status, 400, "no record");
    assert_eq!(anna.post("/queue/clinic/close", &[("id", "1"), why]).status, 303);
    assert_eq!(anna.post("/queue/clinic/close", &[("id", "1"), why]).status, 409, "it is closed");
    assert_eq!(anna.post("/queue/clinic/close", &[("code", "R001"), why]).status, 303);
    let status = page.site.run(["status", "--json"]).json();
    assert_eq!(status[0]["states"]["DELETED"], 2);
    assert_eq!(status[0]["actions"][0]["by"], "anna (page, 127.0.0.1)");
    assert!(anna.get("/trail").body.contains("they moved away"));
}

#[test]
fn a_delivery_that_stopped_is_decided_about_in_the_browser() {
    let page = Page::new();
    page.user("anna", "view,map-messages");
    page.user("vera", "view");
    fs::remove_dir(&page.site.partner).unwrap();
    page.site.put("patients.csv", PATIENTS.split_inclusive('\n').take(2).collect::<String>());
    assert_eq!(page.site.run(["run"]).code, Some(4));
    let mut anna = page.as_user("anna");
    assert!(anna.get("/").body.contains("delivery has trouble"));
    let here = "/batches/clinic/99999-000001.hl7";
    assert!(anna.get(here).body.contains("Decide about it"));
    assert!(!page.as_user("vera").get(here).body.contains("Decide about it"));
    let told = [("decision", "delivered"), ("why", "they have it"), ("endpoint", "test")];
    let decide = format!("{here}/decide");
    assert_eq!(page.as_user("vera").post(&decide, &told).status, 403);
    assert_eq!(anna.post(&decide, &[("decision", "burn"), ("why", "x")]).status, 400);
    assert_eq!(anna.post(&decide, &told).status, 303);
    assert_eq!(anna.post(&decide, &told).status, 409, "two people decide: the first did");
    assert!(anna.get(here).body.contains("told"), "the receipt says how we know");
}

#[test]
fn a_page_says_what_is_wrong_with_the_ledger_and_with_files() {
    let page = ran();
    let mut anna = page.as_user("anna");
    // A run is at work: what is decided is left for it to do.
    let lock = fs::File::open(page.site.spool().lock_file()).unwrap();
    lock.lock().unwrap();
    let close = [("id", "1"), ("why", "x")];
    let answer = anna.post("/queue/clinic/close", &close);
    assert!(answer.status == 200 && answer.body.contains("A run is at work"), "{answer:?}");
    assert_eq!(fs::read_dir(page.site.spool().requests).unwrap().count(), 1);
    drop(lock);
    // The batch file was removed by hand.
    let sent = hl7drop::spool::Spool::list_shelf(&page.site.spool().sent).unwrap();
    fs::rename(&sent[0], page.site.root().join("kept")).unwrap();
    let answer = anna.get("/batches/clinic/99999-000001.hl7");
    assert!(answer.status == 200 && answer.body.contains("removed by hand"), "{answer:?}");
    assert_eq!(anna.get("/batches/clinic/99999-000001.hl7/0").status, 409);
    fs::write(&sent[0], "FHS|other").unwrap();
    assert!(anna.get("/batches/clinic/99999-000001.hl7").body.contains("is not what was promised"));
    // The ledger is locked by another program.
    let conn = rusqlite::Connection::open(page.site.spool().ledger()).unwrap();
    conn.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE;").unwrap();
    let answer = anna.get("/queue");
    assert!(answer.status == 503 && answer.body.contains("ledger is locked"), "{answer:?}");
    let home = anna.get("/");
    assert!(home.status == 200 && home.body.contains("ledger is locked"), "the others are shown");
    drop(conn);
    assert_eq!(anna.get("/queue").status, 200);
    // The ledger is no ledger.
    fs::write(page.site.spool().ledger(), "rubbish").unwrap();
    assert_eq!(anna.get("/queue").status, 503);
    // The interface file has a mistake; then it is good again.
    let good = fs::read_to_string(page.site.interface_file()).unwrap();
    fs::write(page.site.interface_file(), "[project]\n").unwrap();
    assert!(anna.get("/").body.contains("file has mistakes"));
    fs::write(page.site.interface_file(), good).unwrap();
    assert!(!anna.get("/").body.contains("file has mistakes"));
}

/// Fills a disk to its last byte.
fn fill(folder: &Path) {
    let mut filler = fs::File::create(folder.join("filler")).unwrap();
    for size in [1 << 16, 1] {
        while filler.write(&vec![b'x'; size]).is_ok_and(|written| written > 0) {}
    }
}

#[test]
fn a_page_over_a_full_ledger_says_so_shows_what_it_may_and_changes_nothing() {
    let site = Site::new();
    // Here the disk is to get full, not nearly full.
    let text = fs::read_to_string(site.interface_file()).unwrap();
    let text = text.replace("[pickup]", "[pickup]\ndisk_floor_mib = 0");
    fs::write(site.interface_file(), text).unwrap();
    let folder = site.spool().root;
    let Some(tiny) = Tiny::mount(&folder, "2m") else { return };
    fs::create_dir(site.spool().inbox).unwrap();
    let page = Page::of(site, "");
    page.site.put("patients.csv", PATIENTS);
    assert_eq!(page.site.run(["run"]).code, Some(3));
    page.user("anna", "view,map-messages,upload");
    let mut anna = page.as_user("anna");
    fill(&folder);
    let before = (states(&page.site), page.trail().len());
    for path in ["/", "/queue", "/batches", "/groups", "/search?state=ERROR", "/trail"] {
        let answer = anna.get(path);
        assert_eq!(answer.status, 200, "{path} only looks: {answer:?}");
    }
    let why = ("why", "they moved away");
    let here = "/batches/clinic/99999-000001.hl7";
    let full = |answer: Answer, what: &str| {
        assert_eq!(answer.status, 503, "{what}: {answer:?}");
        assert!(answer.body.contains("is full; free some space"), "{what}: {}", answer.body);
        assert!(!answer.body.contains("Doe"), "{what}: no patient is shown unseen");
    };
    full(anna.get("/messages/clinic/1-m0"), "who saw it cannot be written down");
    full(anna.post("/queue/clinic/close", &[("id", "1"), why]), "close");
    full(anna.post("/queue/clinic/resubmit", &[("id", "1"), why]), "resubmit");
    full(anna.post(&format!("{here}/mend"), &[("verb", "rebuild"), why]), "rebuild");
    let large = vec![b'x'; 300_000];
    full(anna.upload("/upload/clinic", &[], &[("patients-2.csv", &large)]), "upload");
    assert_eq!(fs::read_dir(page.site.spool().inbox).unwrap().count(), 0, "nothing is left of it");
    // A run is at work: what is asked of it cannot be left there either.
    let lock = page.site.spool().lock().unwrap().unwrap();
    full(anna.post("/queue/clinic/close", &[("id", "1"), why]), "close, while a run is at work");
    drop(lock);
    assert_eq!(states(&page.site), before.0);
    assert_eq!(page.site.run(["status", "--json"]).json()[0]["actions"], serde_json::json!([]));
    tiny.grow("16m");
    crate::mend::fits(&page.site);
    assert_eq!(anna.get("/messages/clinic/1-m0").status, 200);
    assert_eq!(anna.post("/queue/clinic/close", &[("id", "1"), why]).status, 303);
    assert_eq!(states(&page.site)["DELETED"], 1);
    assert_eq!(anna.post(&format!("{here}/mend"), &[("verb", "rebuild"), why]).status, 200);
    page.site.run(["run"]);
    assert!(page.site.partner.join("99999-000002.hl7").exists());
    crate::mend::fits(&page.site);
}

/// Serves a site whose disk is full at the so-manyeth place, and has a batch made anew
/// there; returns the place, if one was met, and whether the page said that it is done.
fn rebuilt_with(fault: &str, site: &Site) -> (Option<String>, bool) {
    let settings = "[serve]\nlisten = \"127.0.0.1:0\"\n";
    fs::write(site.root().join("hl7drop.toml"), settings).unwrap();
    let token = signed_in(site, &[Permission::ViewMessageQueue, Permission::MapMessages]);
    let mut done = false;
    let log = served_with(fault, site, |url| {
        let mut anna = Browser { token: Some(token), ..Browser::new(url) };
        let form = [("verb", "rebuild"), ("why", "they lost it")];
        let answer = anna.post("/batches/clinic/99999-000001.hl7/mend", &form);
        done = answer.status == 200;
        assert!(done || answer.body.contains("is full; free some space"), "{answer:?}");
    });
    let mut places = log.lines().filter_map(|line| line.strip_prefix("fault at "));
    (places.next().map(str::to_string), done)
}

/// Places of moving a promised file into `outbox/`, which needs no room: whoever is told of
/// a fault there has what he asked for all the same, after the next run.
const MOVED: [&str; 4] =
    ["ledger.commit_rebuilt.after", "disk.shift", "disk.sync_folder", "disk.shifted"];

#[test]
fn wherever_the_disk_is_full_a_rebuild_in_the_browser_is_done_and_said_so_or_neither() {
    let mut met = 0;
    loop {
        let site = Site::new();
        site.put("patients.csv", PATIENTS);
        assert_eq!(site.run(["run"]).code, Some(3));
        let (place, done) = rebuilt_with(&format!("full:{}", met + 1), &site);
        let ledger = Sqlite::peek(&site.spool().ledger(), &site.engine().owner()).unwrap();
        let promised = ledger.unwrap().undelivered().unwrap().len();
        let place = place.as_deref();
        if promised == 0 || place.is_none_or(|place| !MOVED.contains(&place)) {
            assert_eq!(usize::from(done), promised, "{place:?}");
        }
        site.run(["run"]);
        assert_eq!(fs::read_dir(&site.partner).unwrap().count(), 1 + promised, "{place:?}");
        crate::mend::fits(&site);
        if place.is_none() {
            break;
        }
        met += 1;
    }
    assert!(met >= 30, "only {met} places were met");
}

#[test]
fn a_message_whose_files_were_taken_away_says_so_and_is_still_found() {
    let page = ran();
    let mut anna = page.as_user("anna");
    let here = "/messages/clinic/1-m0";
    fs::remove_dir_all(page.site.spool().archive).unwrap();
    let whole = anna.get(here);
    assert_eq!(whole.status, 200, "{whole:?}");
    assert!(
        whole.body.contains("The extract patients.csv is not in archive/ any more"),
        "{}",
        whole.body
    );
    assert!(whole.body.contains("MSH|^~\\&amp;|"), "the rest is shown");
    fs::remove_dir_all(page.site.spool().sent).unwrap();
    let whole = anna.get(here);
    assert_eq!(whole.status, 200, "{whole:?}");
    assert!(whole.body.contains("neither in outbox/ nor in sent/"), "{}", whole.body);
    assert!(whole.body.contains("partner/99999-000001.hl7"), "its receipt is shown");
    assert_eq!(anna.get(&format!("{here}?raw=1")).status, 404, "no text, no empty download");
    assert!(anna.get("/search?patient=1").body.contains("1M99999"));
    // What waits is converted from the text that was kept.
    let resubmit = [("id", "1"), ("why", "try")];
    assert_eq!(anna.post("/queue/clinic/resubmit", &resubmit).status, 200);
    assert_eq!(states(&page.site)["ERROR"], 2, "it waits as before");
}

#[test]
fn an_upload_whose_session_ended_says_so() {
    let page = Page::new();
    page.user("anna", "upload");
    let mut anna = page.as_user("anna");
    age(&page, 16 * 60);
    let answer = anna.upload("/upload/clinic", &[], &[("patients.csv", b"x")]);
    assert!(answer.status == 401 && answer.body.contains("choose the files again"), "{answer:?}");
    assert_eq!(fs::read_dir(page.site.spool().inbox).unwrap().count(), 0);
}

/// A page over a site whose queue has three records of ENDO2, of a department that nobody
/// knows, and one of another.
pub fn with_groups() -> Page {
    let page = Page::new();
    page.site.put("departments.csv", "departmentid,name\n12,RIVERBEND NORTH\n");
    page.site.put(
        "providers.csv",
        "providerid,npi,lastname,firstname\n27,1369497585,MCDERMOTT,DEONTAE\n",
    );
    let row = |(id, department)| format!("{id},Doe{id},Ann,02/14/1987,F,{department},27\n");
    let rows: String =
        [(1, "ENDO2"), (2, "12"), (3, "ENDO2"), (4, "N<b>"), (5, "ENDO2")].map(row).concat();
    let header = "patientid,lastname,firstname,dob,sex,departmentid,primaryproviderid\n";
    page.site.put("patients.csv", format!("{header}{rows}"));
    assert_eq!(page.site.run(["run"]).code, Some(3));
    page.user("anna", "view,map-messages");
    page
}

#[test]
fn a_value_is_mapped_once_previewed_and_its_records_leave() {
    let page = with_groups();
    let mut anna = page.as_user("anna");
    let groups = anna.get("/groups").body;
    assert!(
        groups.contains("<strong>3</strong>") && groups.contains("<code>ENDO2</code>"),
        "{groups}"
    );
    assert!(groups.contains("N&lt;b&gt;") && !groups.contains("Doe"), "{groups}");
    let group = "/groups/clinic?code=D001&column=departmentid&value=ENDO2";
    assert!(!anna.get(group).body.contains("What would change"), "first the value");
    let seen = anna.get(&format!("{group}&becomes=12")).body;
    assert!(seen.contains("<dt>Would go out</dt><dd>3</dd>"), "{seen}");
    assert!(seen.contains("PV1-3 12^RIVERBEND NORTH") && !seen.contains("Doe"), "{seen}");
    let states = |page: &Page| page.site.run(["status", "--json"]).json()[0]["states"].take();
    assert_eq!(states(&page)["ERROR"], 4, "a look changes nothing");
    page.user("vera", "view");
    page.user("bill", "view,map-insurance");
    assert_eq!(page.as_user("vera").post("/groups/clinic", &MAP_ENDO2).status, 403);
    assert_eq!(
        page.as_user("bill").post("/groups/clinic", &MAP_ENDO2).status,
        403,
        "not insurances"
    );
    let done = anna.post("/groups/clinic", &MAP_ENDO2);
    assert!(done.status == 200 && done.body.contains("99999-000002.hl7"), "{done:?}");
    assert_eq!(anna.post("/groups/clinic", &MAP_ENDO2).status, 404, "they wait no more");
    page.site.run(["run"]);
    assert_eq!(states(&page), serde_json::json!({ "ERROR": 1, "PROCESSED": 4 }));
    let arrived = fs::read_to_string(page.site.partner.join("99999-000002.hl7")).unwrap();
    assert_eq!(crate::site::words(&arrived), ["A28 1", "A28 3", "A28 5"]);
    let mappings = anna.get("/mappings").body;
    assert!(mappings.contains("moved in May") && mappings.contains("anna (page, 127.0.0.1)"));
    let csv = anna.get("/mappings/export").body;
    assert!(csv.contains("clinic,department,ENDO2,12,moved in May,"), "{csv}");
}

#[test]
fn a_mapping_is_seen_with_an_example_and_what_else_it_mends_before_it_takes_effect() {
    let page = Page::of(crate::mend::of_two_columns(), "");
    page.user("anna", "view");
    let mut anna = page.as_user("anna");
    let group = "/groups/clinic?code=D001&column=departmentid&value=ENDO2";
    let seen = anna.get(&format!("{group}&becomes=12")).body;
    for told in [
        "<dt>Would go out</dt><dd>2</dd>",
        "1 record would wait again: I001 insurance1_insurancepackageid: an insurance without",
        "For example <a href=\"/queue/clinic/record/1\">record 1</a>",
        "<dt>Now</dt><dd>departmentid <code>ENDO2</code>: waits (D001)</dd>\
         <dt>Then</dt><dd><code>PV1-3 12^RIVERBEND NORTH^^RIVERBEND NORTH</code></dd></dl>",
        "code=D001&amp;column=primarydepartmentid&amp;value=ENDO2&amp;becomes=12",
        "too: 1 would go out, 0 would wait again",
    ] {
        assert!(seen.contains(told), "{told}: {seen}");
    }
    assert!(!seen.contains("Doe") && !seen.contains("GOLD"), "{seen}");
    // Whose record it is stands on its own page, which takes down who looked.
    assert!(anna.get("/queue/clinic/record/1").body.contains("Doe"));
    let trail = page.trail();
    assert_eq!(trail.last().unwrap(), "anna: view clinic: record 1 of the queue");
    page.user("uwe", "upload");
    for path in [format!("{group}&becomes=12"), "/queue/clinic/record/1".to_string()] {
        assert_eq!(page.as_user("uwe").get(&path).status, 403, "{path}");
    }
}

#[test]
fn the_second_to_map_a_value_is_told_who_was_first_in_the_browser_too() {
    let page = with_groups();
    page.user("bert", "view,map-messages");
    let (mut anna, mut bert) = (page.as_user("anna"), page.as_user("bert"));
    let row = |becomes| {
        [
            ("interface", ""),
            ("kind", "department"),
            ("value", "X1"),
            ("becomes", becomes),
            ("why", "by phone"),
        ]
    };
    assert_eq!(anna.post("/mappings/add", &row("12")).status, 303);
    let second = bert.post("/mappings/add", &row("15"));
    assert!(second.status == 409 && second.body.contains("by anna"), "{second:?}");
    let insurance = [("kind", "insurance"), ("value", "1"), ("becomes", "2"), ("why", "x")];
    assert_eq!(bert.post("/mappings/add", &insurance).status, 403);
    let csv = [("csv", "kind,value,becomes\ndepartment,A,12\ninsurance,9,8\n"), ("why", "list")];
    assert_eq!(bert.post("/mappings/import", &csv).status, 403, "one needs more");
    assert!(!bert.get("/mappings").body.contains("<code>A</code>"), "all or none");
    let csv = [("csv", "kind,value,becomes\ndepartment,A,12\n"), ("why", "list")];
    assert_eq!(bert.post("/mappings/import", &csv).status, 303);
    assert_eq!(bert.post("/mappings/import", &[("csv", "a,b\n1,2\n"), ("why", "x")]).status, 409);
    let gone = [("kind", "department"), ("value", "X1"), ("interface", ""), ("why", "closed")];
    assert_eq!(bert.post("/mappings/remove", &gone).status, 303);
    assert_eq!(bert.post("/mappings/remove", &gone).status, 404);
}

#[test]
fn a_batch_is_sent_again_rebuilt_held_and_let_go_in_the_browser() {
    let page = with_groups();
    let mut anna = page.as_user("anna");
    let here = "/batches/clinic/99999-000001.hl7";
    let mend = format!("{here}/mend");
    assert!(anna.get(here).body.contains("Resend the same bytes"));
    assert_eq!(anna.post(&mend, &[("verb", "burn"), ("why", "x")]).status, 400);
    assert_eq!(anna.post(&mend, &[("verb", "hold"), ("why", "x")]).status, 409, "it is delivered");
    let again = [("verb", "resend"), ("endpoint", "test"), ("why", "they lost it")];
    let still = anna.post(&mend, &again);
    assert_eq!(still.status, 409, "{still:?}");
    fs::remove_file(page.site.partner.join("99999-000001.hl7")).unwrap();
    let sent = anna.post(&mend, &again);
    assert_eq!(sent.status, 200, "{sent:?}");
    assert!(anna.get(here).body.contains(">NEW<"), "it waits to go out once more");
    assert!(anna.get("/trail").body.contains("they lost it"));
    // A run is at work: it is left to it, and said so.
    let lock = fs::File::open(page.site.spool().lock_file()).unwrap();
    lock.lock().unwrap();
    let resubmit = [("id", "1"), ("why", "try")];
    let answer = anna.post("/queue/clinic/resubmit", &resubmit);
    assert!(answer.status == 200 && answer.body.contains("carries this out"), "{answer:?}");
    drop(lock);
    assert_eq!(anna.post("/queue/clinic/resubmit", &[("why", "x")]).status, 400);
}

#[test]
fn messages_are_found_by_patient_and_shown_whole_to_who_may() {
    let page = ran();
    let mut anna = page.as_user("anna");
    let found = anna.get("/search?patient=1").body;
    assert!(found.contains("1M99999") && found.contains("record 1, line 2"), "{found}");
    assert!(found.contains("partner/99999-000001.hl7") && !found.contains("2M99999"), "{found}");
    assert!(anna.get("/search?patient=nobody").body.contains("Nothing."));
    assert!(anna.get("/search?state=ERROR").body.contains("2 messages and rows"));
    assert_eq!(anna.get("/search?state=BURNT").status, 400);
    let whole = anna.get("/messages/clinic/1-m0").body;
    for part in ["Patient Identifier List", "add,1,Doe,Ann", "MSH|^~\\&amp;|"] {
        assert!(whole.contains(part), "{part}: {whole}");
    }
    assert_eq!(anna.get("/messages/clinic/9-m0").status, 404);
    assert_eq!(anna.get("/messages/clinic/rubbish").status, 404);
    let looks = page.site.engine().views(9).unwrap();
    assert_eq!((looks.len(), looks[0].what.as_str()), (1, "1-m0"), "{looks:?}");
    assert!(looks[0].sign.by.starts_with("anna (page"), "{looks:?}");
    let trail = page.trail();
    assert!(trail.contains(&"anna: search clinic: 1 found by patient ID".to_string()), "{trail:?}");
}
