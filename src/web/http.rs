//! HTTP: the only file that knows the crate which speaks it. Requests become an [`Ask`],
//! a [`Reply`] becomes a response; in between works a thread that may block.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::multipart::{Field, Multipart};
use axum::extract::{
    ConnectInfo, DefaultBodyLimit, Form, FromRequest, Query, RawPathParams, Request,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::{MethodFilter, on};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{self, Sender};

use super::ask::{Ask, Files, Pairs, Part};
use super::office::Office;
use super::refusal::{self, Refusal, ServeError};
use super::reply::{Cookie, Reply};
use super::routes::{ROUTES, Route, Way};
use super::{gate, pages};
use crate::desk::Token;

/// What the browser is told with every answer: nothing from elsewhere, no script in the
/// page, in no frame, kept nowhere.
const HEADERS: [(&str, &str); 8] = [
    (
        "content-security-policy",
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
         connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=(), payment=()"),
    ("cache-control", "no-store"),
];

/// The most bytes of a form without files.
const FORM_MAX: usize = 2 * 1024 * 1024;

/// How much of a refused upload is read and thrown away, so that the browser shows the
/// answer and not a broken line.
const THROWN_MAX: u64 = 64 * 1024 * 1024;

/// Threads for pages; each may wait for the disk.
const THREADS: usize = 16;

/// Serves until a signal ends it.
pub fn serve(office: Office, ready: impl FnOnce(SocketAddr)) -> Result<(), ServeError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(THREADS)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let address = office.settings.serve.listen;
        let listener = TcpListener::bind(address).await;
        let listener = listener.map_err(|err| ServeError::Listen { address, err })?;
        ready(listener.local_addr()?);
        let router = router(&Arc::new(office));
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        Ok(axum::serve(listener, service).with_graceful_shutdown(stopped()?).await?)
    })
}

/// Returns what waits for the signal to stop.
fn stopped() -> std::io::Result<impl Future<Output = ()>> {
    let mut term = signal(SignalKind::terminate())?;
    let mut int = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! { _ = term.recv() => {} _ = int.recv() => {} }
    })
}

fn router(office: &Arc<Office>) -> Router {
    let mut router = Router::new();
    for route in ROUTES {
        let (filter, limit) = match route.way {
            Way::Get => (MethodFilter::GET, DefaultBodyLimit::max(0)),
            Way::Post => (MethodFilter::POST, DefaultBodyLimit::max(FORM_MAX)),
            Way::Upload => (MethodFilter::POST, DefaultBodyLimit::disable()),
        };
        let office = Arc::clone(office);
        let handler = move |ConnectInfo(peer): ConnectInfo<SocketAddr>,
                            args: RawPathParams,
                            request: Request| {
            let args = args.iter().map(|(name, value)| (name.to_string(), value.to_string()));
            let mut ask = asked(&office, peer, &request);
            ask.args = args.collect();
            answered(route, Arc::clone(&office), ask, request)
        };
        router = router.route(route.path, on(filter, handler).layer(limit));
    }
    let nothing = |office: &Arc<Office>| {
        let office = Arc::clone(office);
        move |ConnectInfo(peer): ConnectInfo<SocketAddr>, request: Request| {
            let mut ask = asked(&office, peer, &request);
            working(office, move |office| pages::nothing(office, &mut ask))
        }
    };
    router.fallback(nothing(office)).method_not_allowed_fallback(nothing(office))
}

/// Reads what the line and the headers say.
fn asked(office: &Office, peer: SocketAddr, request: &Request) -> Ask {
    let headers = request.headers();
    let query = Query::<Pairs>::try_from_uri(request.uri());
    let fetch_site = text(headers, "sec-fetch-site");
    let proxied = office.settings.serve.behind_proxy;
    Ask {
        path: request.uri().path_and_query().map_or_else(String::new, ToString::to_string),
        query: query.map(|Query(pairs)| pairs).unwrap_or_default(),
        token: cookie(headers, session_name(proxied)).and_then(|value| Token::shown(&value)),
        visitor: cookie(headers, visitor_name(proxied)).and_then(|value| Token::shown(&value)),
        address: address(headers, peer, proxied),
        live: headers.contains_key("x-live"),
        cross_site: !matches!(fetch_site, "" | "same-origin" | "none"),
        from_elsewhere: fetch_site == "cross-site" || fetch_site == "same-site",
        now: office.clock.unix(),
        ..Ask::default()
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let all = headers.get_all(header::COOKIE).into_iter();
    let mut pairs = all.filter_map(|value| value.to_str().ok()).flat_map(|text| text.split(';'));
    pairs.find_map(|pair| {
        let (key, value) = pair.trim().split_once('=')?;
        (key == name).then(|| value.to_string())
    })
}

/// Behind a proxy the one who asks is the last address that the proxy wrote; what stands
/// before it came from outside.
fn address(headers: &HeaderMap, peer: SocketAddr, proxied: bool) -> String {
    let last = headers.get_all("x-forwarded-for").into_iter().next_back();
    let last = last.and_then(|value| value.to_str().ok()?.rsplit(',').next());
    let told = last.and_then(|text| text.trim().parse::<std::net::IpAddr>().ok());
    told.filter(|_| proxied).unwrap_or_else(|| peer.ip()).to_string()
}

/// A name that begins with `__Host-` is taken by browsers over TLS only, and from this
/// host only.
const fn session_name(proxied: bool) -> &'static str {
    if proxied { "__Host-hl7drop" } else { "hl7drop" }
}

const fn visitor_name(proxied: bool) -> &'static str {
    if proxied { "__Host-hl7drop-visitor" } else { "hl7drop-visitor" }
}

async fn answered(
    route: &'static Route,
    office: Arc<Office>,
    mut ask: Ask,
    request: Request,
) -> Response {
    let refuse = |office: Arc<Office>, ask: Ask, refused: Refusal| {
        working(office, move |office| refusal::page(office, &ask, refused))
    };
    match route.way {
        Way::Get => {}
        Way::Post => match Form::<Pairs>::from_request(request, &()).await {
            Ok(Form(form)) => ask.form = form,
            Err(err) if err.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                let text = "the form is larger than 2 MiB".to_string();
                return refuse(office, ask, Refusal::Large(text)).await;
            }
            Err(_) => {
                let text = "the form cannot be read".to_string();
                return refuse(office, ask, Refusal::Bad(text)).await;
            }
        },
        Way::Upload => match Multipart::from_request(request, &()).await {
            Ok(form) => return upload(route, office, ask, form).await,
            Err(_) => {
                let text = "the upload cannot be read".to_string();
                return refuse(office, ask, Refusal::Bad(text)).await;
            }
        },
    }
    working(office, move |office| gate::answer(route, office, &mut ask)).await
}

/// Has a thread work that may block. A bug there is one answer, not the end of the page.
async fn working(
    office: Arc<Office>,
    work: impl FnOnce(&Office) -> Reply + Send + 'static,
) -> Response {
    let secure = office.settings.serve.behind_proxy;
    let reply = tokio::task::spawn_blocking(move || work(&office)).await;
    let reply = reply.unwrap_or_else(|_| bug());
    response(reply, secure)
}

/// Reads the fields before the files, then hands the files on as they come.
async fn upload(
    route: &'static Route,
    office: Arc<Office>,
    mut ask: Ask,
    mut form: Multipart,
) -> Response {
    let (sender, receiver) = mpsc::channel(4);
    let begin = |mut ask: Ask| {
        let office = Arc::clone(&office);
        tokio::spawn(working(office, move |office| gate::answer(route, office, &mut ask)))
    };
    ask.files = Some(Files(receiver));
    // What stands before the first file; the work begins with that.
    let mut waiting = Some(ask);
    let mut answer = None;
    let whole = loop {
        match form.next_field().await {
            Ok(None) => break true,
            Err(_) => break false,
            Ok(Some(field)) if field.file_name().is_some() => {
                if let Some(ask) = waiting.take() {
                    answer = Some(begin(ask));
                }
                if pumped(field, &sender).await.is_none() {
                    break false;
                }
            }
            Ok(Some(field)) => {
                let name = field.name().unwrap_or_default().to_string();
                match (short_text(field).await, &mut waiting) {
                    (Some(value), Some(ask)) => ask.form.push((name, value)),
                    _ => break false,
                }
            }
        }
    };
    if let Some(ask) = waiting {
        answer = Some(begin(ask));
    }
    if whole {
        // Whoever refused it does not listen any more.
        let _ = sender.send(Part::End).await;
    }
    drop(sender);
    match answer {
        Some(answer) => answer.await.unwrap_or_else(|_| response(bug(), false)),
        None => response(bug(), false),
    }
}

fn bug() -> Reply {
    log::error!("page: a request ended in a bug; please report it");
    let body = b"This is a bug in hl7drop; please report it.".to_vec();
    Reply { status: 500, kind: "text/plain; charset=utf-8", body, ..Reply::default() }
}

/// Fields are short; a long one is no form of ours.
async fn short_text(mut field: Field<'_>) -> Option<String> {
    let mut bytes = Vec::new();
    while let Some(chunk) = field.chunk().await.ok()? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > 64 * 1024 {
            return None;
        }
    }
    String::from_utf8(bytes).ok()
}

/// Hands a file on; none if it was cut off. What nobody takes is read and thrown away.
async fn pumped(mut field: Field<'_>, sender: &Sender<Part>) -> Option<()> {
    let name = field.file_name().unwrap_or_default().to_string();
    let mut thrown = 0;
    let mut wanted = sender.send(Part::File(name)).await.is_ok();
    while let Some(chunk) = field.chunk().await.ok()? {
        if wanted {
            wanted = sender.send(Part::Bytes(chunk.to_vec())).await.is_ok();
        } else {
            thrown += chunk.len() as u64;
            if thrown > THROWN_MAX {
                return None;
            }
        }
    }
    Some(())
}

fn response(reply: Reply, secure: bool) -> Response {
    let Reply { status, kind, headers, body, cookie } = reply;
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
    let mut all: Vec<(&'static str, String)> = vec![("content-type", kind.to_string())];
    let own = |name: &str| headers.iter().any(|(known, _)| *known == name);
    let common = HEADERS.into_iter().filter(|(name, _)| !own(name));
    all.extend(common.map(|(name, value)| (name, value.to_string())));
    let rules =
        format!("; Path=/; HttpOnly; SameSite=Strict{}", if secure { "; Secure" } else { "" });
    let (session, visitor) = (session_name(secure), visitor_name(secure));
    match cookie {
        Cookie::Same => {}
        Cookie::Session(token) => {
            all.push(("set-cookie", format!("{session}={}{rules}", token.secret())));
        }
        Cookie::Visitor(token) => {
            all.push(("set-cookie", format!("{visitor}={}{rules}", token.secret())));
        }
        Cookie::Gone => all.push(("set-cookie", format!("{session}={rules}; Max-Age=0"))),
    }
    all.extend(headers);
    for (name, value) in all {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().append(HeaderName::from_static(name), value);
        }
    }
    response
}
