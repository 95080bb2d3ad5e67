//! The page behind the proxies that `config/proxy` has examples for: the real nginx and
//! the real Caddy of Debian, each without rights, with the text of the example. What a
//! test puts in its place is the address, and the certificate, which is made here.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::site::{Site, names};
use crate::web::{Answer, PASSWORD, Page};

/// The name that both examples serve.
const NAME: &str = "queue.practice.example";

/// Where the browser is. The proxy asks from 127.0.0.1, so that the two can be told apart.
const BROWSER: &str = "127.0.0.2";

/// A proxy that its example configures.
struct Kind {
    package: &'static str,
    /// The example, below `config/proxy`.
    example: &'static str,
    /// Parts of the example, and what stands there in a test.
    instead: fn(&Path, port: u16) -> Vec<(&'static str, String)>,
    /// The text around the example.
    around: fn(&Path) -> (String, &'static str),
    command: fn(&Path) -> Command,
}

const NGINX: Kind = Kind {
    package: "nginx-light",
    example: "nginx.conf",
    instead: |place, port| {
        let at = |name: &str| place.join(name).display().to_string();
        vec![
            ("listen 443 ssl;", format!("listen 127.0.0.1:{port} ssl;")),
            ("/etc/ssl/certs/queue.pem", at("queue.pem")),
            ("/etc/ssl/private/queue.key", at("queue.key")),
        ]
    },
    // What Debian's nginx.conf is around a file of conf.d, for who may not write to /var.
    around: |place| {
        let at = |name: &str| place.join(name).display().to_string();
        let folders = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
        let folders = folders.map(|name| format!("{name}_temp_path {};\n", at(name))).concat();
        let head = format!("daemon off;\npid {};\nevents {{}}\nhttp {{\n", at("pid"));
        (format!("{head}access_log off;\n{folders}"), "}\n")
    },
    command: |place| {
        let mut command = Command::new("/usr/sbin/nginx");
        command.args(["-e", "stderr", "-p"]).arg(place).arg("-c").arg(place.join("config"));
        command
    },
};

const CADDY: Kind = Kind {
    package: "caddy",
    example: "Caddyfile",
    instead: |place, port| {
        let at = |name: &str| place.join(name).display().to_string();
        let tls = format!("tls {} {}", at("queue.pem"), at("queue.key"));
        let site = format!("https://{NAME}:{port} {{\n\tbind 127.0.0.1\n\t{tls}");
        vec![("queue.practice.example {", site)]
    },
    // No port 80, and no port for orders.
    around: |_| ("{\n\tadmin off\n\tauto_https disable_redirects\n}\n".to_string(), ""),
    command: |place| {
        let mut command = Command::new("caddy");
        command.args(["run", "--adapter", "caddyfile", "--config"]).arg(place.join("config"));
        command
    },
};

/// A page behind a running proxy, and a browser that knows its certificate.
struct Proxied {
    page: Page,
    port: u16,
    place: tempfile::TempDir,
    shell: Child,
}

impl Drop for Proxied {
    /// The shell ends the proxy when its standard input ends, and so when this process does.
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}

/// Makes a certificate that names the host.
fn certify(place: &Path) {
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj"]);
    openssl.args([format!("/CN={NAME}"), "-addext".into(), format!("subjectAltName=DNS:{NAME}")]);
    openssl.arg("-keyout").arg(place.join("queue.key")).arg("-out").arg(place.join("queue.pem"));
    assert!(openssl.stderr(Stdio::null()).status().unwrap().success());
}

/// Writes the example with what stands in a test; each part must be there to be replaced.
fn configure(kind: &Kind, place: &Path, port: u16, page: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/proxy").join(kind.example);
    let mut text = fs::read_to_string(path).unwrap();
    let page = page.strip_prefix("http://").unwrap().to_string();
    for (part, instead) in [("127.0.0.1:8024", page)].into_iter().chain((kind.instead)(place, port))
    {
        assert_eq!(text.matches(part).count(), 1, "{part} in {}", kind.example);
        text = text.replace(part, &instead);
    }
    let (head, foot) = (kind.around)(place);
    fs::write(place.join("config"), format!("{head}{text}{foot}")).unwrap();
}

/// Starts a proxy in its folder; where this is root, as nobody.
fn started(kind: &Kind, place: &Path) -> Child {
    let command = (kind.command)(place);
    let mut shell = Command::new("sh");
    shell.args(["-c", "\"$@\" & cat >/dev/null; kill $!; wait", "proxy"]);
    shell.arg(command.get_program()).args(command.get_args());
    if fs::metadata(place).unwrap().uid() == 0 {
        const NOBODY: u32 = 65534;
        for path in fs::read_dir(place).unwrap().map(|entry| entry.unwrap().path()) {
            chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
        chown(place, Some(NOBODY), Some(NOBODY)).unwrap();
        shell.uid(NOBODY).gid(NOBODY);
    }
    for home in ["HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"] {
        shell.env(home, place);
    }
    let log = fs::File::create(place.join("log")).unwrap();
    shell.current_dir(place).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(log);
    shell.process_group(0).spawn().unwrap()
}

impl Proxied {
    /// Starts the page and a proxy; none where it is not installed.
    fn start(kind: &Kind) -> Option<Proxied> {
        let look = ["--look", kind.package, "curl", "openssl"];
        let there = Command::new("scripts/packages.sh").args(look).status();
        if !there.unwrap().success() {
            assert!(std::env::var_os("CI").is_none(), "{} is missing", kind.package);
            println!("skipped: no {} here", kind.package);
            return None;
        }
        let page = Page::of(Site::new(), "behind_proxy = true\n");
        let place = tempfile::Builder::new().prefix("hl7drop-proxy-").tempdir().unwrap();
        certify(place.path());
        // Somebody else may take the port before the proxy does.
        let tries = (0..5).find_map(|_| {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            configure(kind, place.path(), port, &page.url);
            let mut shell = started(kind, place.path());
            let answers = (0..100).any(|_| {
                thread::sleep(Duration::from_millis(50));
                TcpStream::connect(("127.0.0.1", port)).is_ok()
            });
            if !answers {
                drop(shell.stdin.take());
                shell.wait().unwrap();
            }
            answers.then_some((port, shell))
        });
        let log = || fs::read_to_string(place.path().join("log")).unwrap();
        let (port, shell) = tries.unwrap_or_else(|| panic!("{}: {}", kind.package, log()));
        Some(Proxied { page, port, place, shell })
    }

    /// Returns a curl with the cookies of this browser, over TLS to the name.
    fn curl(&self, path: &str) -> Command {
        let (jar, port) = (self.place.path().join("cookies"), self.port);
        let mut curl = Command::new("curl");
        curl.args(["-sS", "--noproxy", "*", "--max-time", "60", "--interface", BROWSER]);
        curl.arg("--cacert").arg(self.place.path().join("queue.pem"));
        curl.arg("--resolve").arg(format!("{NAME}:{port}:127.0.0.1"));
        curl.arg("-b").arg(&jar).arg("-c").arg(&jar);
        curl.arg(format!("https://{NAME}:{port}{path}"));
        curl
    }

    fn ask(&self, path: &str, args: &[&str]) -> Answer {
        let mut curl = self.curl(path);
        answered(curl.args(args).args(["-w", "\n%{http_code}", "-D", "/dev/stderr"]))
    }

    /// Returns the token that the form of a page carries.
    fn token(&self, path: &str) -> String {
        let body = self.ask(path, &[]).body;
        let form = body.split_once("name=\"form\" value=\"").expect(&body).1;
        format!("form={}", form.split('"').next().unwrap())
    }

    fn sign_in(&self, more: &[&str]) -> Answer {
        let (token, password) = (self.token("/sign-in"), format!("password={PASSWORD}"));
        let form = ["-d", "name=anna", "--data-urlencode", &password, "-d", &token];
        self.ask("/sign-in", &[&form, more].concat())
    }
}

/// What curl got: the body and the status on standard output, the headers on standard error.
fn answered(curl: &mut Command) -> Answer {
    let output = curl.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let (out, err) = (text(output.stdout), text(output.stderr));
    let (body, status) = out.rsplit_once('\n').expect(&err);
    let headers = err.lines().filter_map(|line| line.split_once(": "));
    let headers = headers.map(|(name, value)| (name.to_lowercase(), value.trim().to_string()));
    let status = status.parse().unwrap();
    Answer { status, headers: headers.collect(), body: body.to_string() }
}

fn signs_in_and_sees_the_queue(proxied: &Proxied) {
    let answer = proxied.ask("/queue", &[]);
    assert_eq!((answer.status, answer.header("location")), (303, "/sign-in?then=/queue"));
    assert_eq!(answer.header("strict-transport-security"), "max-age=31536000");
    let answer = proxied.sign_in(&[]);
    assert_eq!((answer.status, answer.header("location")), (303, "/"), "{answer:?}");
    let cookie = answer.headers.iter().find(|(_, value)| value.starts_with("__Host-hl7drop="));
    let cookie = &cookie.unwrap_or_else(|| panic!("{answer:?}")).1;
    for rule in ["Secure", "HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(cookie.split("; ").any(|one| one == rule), "{rule}: {cookie}");
    }
    let answer = proxied.ask("/queue", &[]);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.header("content-security-policy").contains("default-src 'none'"), "{answer:?}");
    // The same page asked as plain HTTP by a stranger has no session.
    assert_eq!(proxied.page.browser().get("/queue").status, 303);
}

fn believes_no_address_that_the_browser_wrote(proxied: &Proxied) {
    fs::remove_file(proxied.place.path().join("cookies")).unwrap();
    let forged = ["-H", "X-Forwarded-For: 203.0.113.9", "-H", "X-Forwarded-Proto: http"];
    let elsewhere = ["-H", "X-Forwarded-Host: evil.example", "-H", "Forwarded: for=203.0.113.9"];
    let answer = proxied.sign_in(&[forged, elsewhere].concat());
    assert_eq!((answer.status, answer.header("location")), (303, "/"), "{answer:?}");
    assert!(answer.header("set-cookie").contains("Secure"), "{answer:?}");
    let deed = proxied.page.desk().trail(None, 1).unwrap().deeds.remove(0);
    assert_eq!((deed.verb.as_str(), deed.by.address.as_str()), ("sign in", BROWSER));
}

/// Each answer of the page has its policy: one without comes from the proxy.
fn passes_nothing_on_for_another_name(proxied: &Proxied) {
    let policy = |args: &[&str]| {
        let answer = proxied.ask("/sign-in", args);
        answer.header("content-security-policy").to_string()
    };
    assert_ne!(policy(&[]), "");
    assert_eq!(policy(&["-H", "Host: evil.example"]), "", "the page was asked by another name");
}

fn refuses_forms_of_other_sites(proxied: &Proxied) {
    let token = proxied.token("/account");
    for site in ["cross-site", "same-site"] {
        let from = format!("Sec-Fetch-Site: {site}");
        assert_eq!(proxied.ask("/sign-out", &["-d", &token, "-H", &from]).status, 403, "{site}");
    }
    assert_eq!(proxied.ask("/queue", &[]).status, 200, "and the session goes on");
}

/// What the script of the page asks for every five seconds.
fn keeps_the_page_fresh(proxied: &Proxied) {
    let live = || proxied.ask("/queue", &["-H", "X-Live: 1"]);
    let before = live();
    assert_eq!((before.status, before.header("cache-control")), (200, "no-store"), "{before:?}");
    let patients = "event,patientid,lastname,firstname,dob,sex\nadd,7,Doe,Ann,02/31/1987,F\n";
    proxied.page.site.put("patients.csv", patients);
    assert_eq!(proxied.page.site.run(["run"]).code, Some(3));
    let (waits, after) = ("1 record waits", live());
    assert!(!before.body.contains(waits) && after.body.contains(waits), "{after:?}");
    assert_eq!(proxied.page.site.run(["user", "sign-out", "anna"]).code, Some(0));
    assert_eq!(live().status, 401, "the script is told that the session ended");
}

/// A file larger than what a proxy takes if it is told nothing, handed on while it comes.
fn hands_uploads_on_as_they_come(proxied: &Proxied) {
    let text = "event,patientid,lastname,firstname,dob,sex\n".to_string() + &"x".repeat(3_000_000);
    let file = proxied.place.path().join("patients.csv");
    fs::write(&file, &text).unwrap();
    let (token, inbox) = (proxied.token("/upload"), proxied.page.site.spool().inbox);
    let mut curl = proxied.curl("/upload/clinic");
    curl.args(["--limit-rate", "1500k", "-H", "Expect:", "-w", "\n%{http_code}", "-F", &token]);
    curl.arg("-F").arg(format!("files=@{}", file.display()));
    let sent = thread::spawn(move || answered(&mut curl));
    let begun = || {
        let mut parts = fs::read_dir(&inbox).unwrap().map(|entry| entry.unwrap());
        parts.any(|part| part.file_name().to_string_lossy().starts_with(".upload-"))
    };
    let mut early = false;
    while !sent.is_finished() && !early {
        early = begun() && !sent.is_finished();
        thread::sleep(Duration::from_millis(5));
    }
    thread::sleep(Duration::from_millis(300));
    assert!(early && !sent.is_finished(), "the upload was kept back until it was whole");
    let answer = sent.join().unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(names(&inbox), ["patients.csv"]);
    assert_eq!(fs::read(inbox.join("patients.csv")).unwrap().len(), text.len());
    fs::remove_file(inbox.join("patients.csv")).unwrap();
}

fn serves_the_page(kind: &Kind) {
    let Some(proxied) = Proxied::start(kind) else { return };
    proxied.page.user("anna", "view,upload");
    signs_in_and_sees_the_queue(&proxied);
    believes_no_address_that_the_browser_wrote(&proxied);
    passes_nothing_on_for_another_name(&proxied);
    refuses_forms_of_other_sites(&proxied);
    hands_uploads_on_as_they_come(&proxied);
    keeps_the_page_fresh(&proxied);
}

#[test]
fn the_example_for_nginx_serves_the_page() {
    serves_the_page(&NGINX);
}

#[test]
fn the_example_for_caddy_serves_the_page() {
    serves_the_page(&CADDY);
}
