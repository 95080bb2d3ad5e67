//! `/metrics` and `/healthz` of the daemon, on this machine only.
//!
//! Each question is answered from the ledgers and books as they stand then; the daemon
//! itself only leaves word here: that it goes round, what it watches, how passes ended. No
//! name of a file or of a record is told.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::job::End;
use super::settings::{Settings, Watched};
use crate::cli::Failure;
use crate::cli::exit::Exit;
use crate::clock::Clock;
use crate::domain::Severity;
use crate::engine::incidents::{Incident, open_in};
use crate::engine::retention::usage;
use crate::ledger::{Ledger, Sqlite};
use crate::spool::{self, Spool};

type Labels = Vec<(&'static str, String)>;
type Gauges = Family<Labels, Gauge>;
type Counters = Family<Labels, Counter>;

/// How long the daemon may stand still beyond two sweeps before it counts as hung: a round
/// starts processes and reads settings, and does nothing that takes longer.
const STILL: Duration = Duration::from_secs(10);

/// What the daemon leaves word of.
pub struct Board {
    now: Mutex<Now>,
    passes: Counters,
    delivered_files: Counters,
    delivered_bytes: Counters,
}

struct Now {
    /// When the daemon went round last.
    beat: Instant,
    sweep: Duration,
    running: usize,
    /// By name: whose it is, and its folders.
    watched: BTreeMap<String, (String, Spool)>,
    /// Where all interfaces have their folders.
    spool: PathBuf,
}

impl Board {
    /// A board for what is watched.
    pub fn new(settings: &Settings) -> Board {
        let now = Now {
            beat: Instant::now(),
            sweep: settings.program.sweep,
            running: 0,
            watched: watched(settings),
            spool: settings.spool.clone(),
        };
        Board {
            now: Mutex::new(now),
            passes: Family::default(),
            delivered_files: Family::default(),
            delivered_bytes: Family::default(),
        }
    }

    /// The daemon goes round, with so many passes under way.
    pub fn beat(&self, running: usize) {
        let mut now = lock(&self.now);
        (now.beat, now.running) = (Instant::now(), running);
    }

    /// Other settings are in force.
    pub fn settings(&self, settings: &Settings) {
        let mut now = lock(&self.now);
        now.sweep = settings.program.sweep;
        now.watched = watched(settings);
        now.spool.clone_from(&settings.spool);
    }

    /// A pass ended.
    pub fn ended(&self, watched: &Watched, end: &End) {
        let of = labels(&watched.owner);
        let result = match end {
            End::Done(report) => {
                let (files, bytes) = report.delivered;
                self.delivered_files.get_or_create(&of).inc_by(files);
                self.delivered_bytes.get_or_create(&of).inc_by(bytes);
                "through"
            }
            End::Busy => "busy",
            End::Failed(..) => "failed",
            End::Killed(_) => "killed",
        };
        self.passes.get_or_create(&with(&of, "result", result)).inc();
    }

    /// Returns why somebody should look, a line each; nothing if all is well.
    fn wrong(&self) -> Vec<String> {
        let now = lock(&self.now);
        let mut wrong = Vec::new();
        let still = now.beat.elapsed();
        if still > now.sweep * 2 + STILL {
            wrong.push(format!("the daemon has not gone round for {} s", still.as_secs()));
        }
        let grave = |one: &Incident| {
            one.calm_since.is_none() && one.trouble.cause.severity() == Severity::Grave
        };
        let program = ("hl7drop".to_string(), now.spool.clone());
        let each = now.watched.values().map(|(owner, spool)| (owner.clone(), spool.root.clone()));
        for (owner, folder) in std::iter::once(program).chain(each) {
            for one in open_in(&folder).iter().filter(|one| grave(one)) {
                let about = &one.trouble.about;
                let about = if about.is_empty() { String::new() } else { format!(" ({about})") };
                wrong.push(format!("{owner}: {}{about}", one.trouble.cause.title()));
            }
        }
        wrong
    }

    /// Returns everything that can be counted, as Prometheus reads it.
    fn metrics(&self) -> Result<String, std::fmt::Error> {
        let mut registry = Registry::with_prefix("hl7drop");
        let all = Measured::register(&mut registry);
        {
            let now = lock(&self.now);
            all.heartbeat.set(whole(now.beat.elapsed().as_secs()));
            all.watched.set(whole(now.watched.len() as u64));
            all.running.set(whole(now.running as u64));
            for (owner, spool) in now.watched.values() {
                all.measure(owner, spool);
            }
        }
        for (name, help, family) in [
            ("passes", "Passes that ended, by result", &self.passes),
            ("delivered_files", "Batch files delivered", &self.delivered_files),
            ("delivered_bytes", "Bytes of them", &self.delivered_bytes),
        ] {
            registry.register(name, help, family.clone());
        }
        let mut text = String::new();
        encode(&mut text, &registry)?;
        Ok(text)
    }
}

/// What is measured when somebody asks.
#[derive(Default)]
struct Measured {
    heartbeat: Gauge,
    watched: Gauge,
    running: Gauge,
    readable: Gauges,
    messages: Gauges,
    batches: Gauges,
    bytes: Gauges,
    oldest: Gauges,
    last_drop: Gauges,
    files: Gauges,
    incidents: Gauges,
    untold: Gauges,
    used: Gauges,
    room: Gauges,
    full: Gauges,
}

impl Measured {
    fn register(registry: &mut Registry) -> Measured {
        let all = Measured::default();
        for (name, help, gauge) in [
            ("heartbeat_age_seconds", "Since the daemon went round last", &all.heartbeat),
            ("watched", "Interfaces that are watched", &all.watched),
            ("passes_running", "Passes under way", &all.running),
        ] {
            registry.register(name, help, gauge.clone());
        }
        for (name, help, family) in [
            ("ledger_readable", "1 if the ledger could be read, else 0", &all.readable),
            ("messages", "Messages by queue state", &all.messages),
            ("undelivered_batches", "Batch files not delivered, by stage", &all.batches),
            ("undelivered_bytes", "Bytes of them", &all.bytes),
            ("oldest_waiting_seconds", "Age of the oldest of them; 0 if none", &all.oldest),
            ("last_drop_timestamp_seconds", "When the last extract was taken in", &all.last_drop),
            ("files", "Files in inbox, outbox and error", &all.files),
            ("incidents", "Open incidents by cause", &all.incidents),
            ("alerts_failing", "Contacts that could not be told", &all.untold),
            ("used_bytes", "Bytes of the folders, measured once a day", &all.used),
            ("room_bytes", "Bytes left, of the quota or the disk", &all.room),
            ("full_in_days", "Until there is no room; absent if never", &all.full),
        ] {
            registry.register(name, help, family.clone());
        }
        all
    }

    fn measure(&self, owner: &str, spool: &Spool) {
        let of = labels(owner);
        let refused = Spool::list(&spool.error).unwrap_or_default();
        let refused = refused.iter().filter(|name| !name.ends_with(".why.toml")).count();
        for (folder, files) in [
            ("inbox", spool::looked(&spool.inbox).map_or(0, |seen| seen.len())),
            ("outbox", Spool::list(&spool.outbox).map_or(0, |names| names.len())),
            ("error", refused),
        ] {
            self.files.get_or_create(&with(&of, "folder", folder)).set(whole(files as u64));
        }
        let mut untold = 0;
        for one in open_in(&spool.root) {
            let cause = one.trouble.cause;
            let labels =
                with(&with(&of, "cause", cause.word()), "severity", cause.severity().word());
            self.incidents.get_or_create(&labels).inc();
            untold += one.told.values().filter(|told| told.failure.is_some()).count() as u64;
        }
        self.untold.get_or_create(&of).set(whole(untold));
        if let Some(forecast) = usage::forecast(&spool.root, Clock::System.unix()) {
            self.used.get_or_create(&of).set(whole(forecast.used));
            self.room.get_or_create(&of).set(whole(forecast.room));
            if let Some(days) = forecast.full_in {
                self.full.get_or_create(&of).set(whole(days));
            }
        }
        let read = self.measure_ledger(owner, &of, spool);
        self.readable.get_or_create(&of).set(i64::from(read.is_ok()));
    }

    fn measure_ledger(
        &self,
        owner: &str,
        of: &Labels,
        spool: &Spool,
    ) -> Result<(), crate::ledger::LedgerError> {
        let Some(ledger) = Sqlite::peek(&spool.ledger(), owner)? else { return Ok(()) };
        let totals = ledger.totals()?;
        for (state, count) in &totals.states {
            let labels = with(of, "state", &state.to_string());
            self.messages.get_or_create(&labels).set(whole(*count));
        }
        for row in ledger.undelivered()? {
            let at = with(of, "endpoint", &row.endpoint);
            let staged = with(&at, "stage", row.stage.word());
            self.batches.get_or_create(&staged).inc();
            self.bytes.get_or_create(&at).inc_by(whole(row.batch.bytes));
        }
        let age = totals.oldest_waiting.map_or(0, |at| Clock::System.unix() - at);
        self.oldest.get_or_create(of).set(age.max(0));
        if let Some(at) = totals.last_drop {
            self.last_drop.get_or_create(of).set(at);
        }
        Ok(())
    }
}

fn watched(settings: &Settings) -> BTreeMap<String, (String, Spool)> {
    let one =
        |(name, one): (&String, &Watched)| (name.clone(), (one.owner.clone(), one.spool.clone()));
    settings.watched.iter().map(one).collect()
}

fn labels(owner: &str) -> Labels {
    let (interface, environment) = owner.split_once('/').unwrap_or((owner, ""));
    vec![("interface", interface.to_string()), ("environment", environment.to_string())]
}

fn with(labels: &Labels, name: &'static str, value: &str) -> Labels {
    let mut labels = labels.clone();
    labels.push((name, value.to_string()));
    labels
}

fn whole(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn lock(now: &Mutex<Now>) -> MutexGuard<'_, Now> {
    now.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Answers at an address until the process ends; returns where.
///
/// # Errors
/// An address that is not to be had.
pub fn serve(address: SocketAddr, board: Arc<Board>) -> Result<SocketAddr, Failure> {
    let failed = |err: std::io::Error| {
        let text = format!("cannot listen at {address} ([watch] listen): {err}");
        Failure { exit: Exit::LOCAL, text }
    };
    let listener = TcpListener::bind(address).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let at = listener.local_addr().map_err(failed)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(failed)?;
    let pages = Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(health))
        .with_state(board);
    let work = move || {
        let served = runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            axum::serve(listener, pages).await
        });
        if let Err(err) = served {
            log::error!("no metrics any more: {err}");
        }
    };
    std::thread::Builder::new().name("metrics".into()).spawn(work).map_err(failed)?;
    Ok(at)
}

async fn metrics(State(board): State<Arc<Board>>) -> Response {
    let read = tokio::task::spawn_blocking(move || board.metrics()).await;
    match read {
        Ok(Ok(text)) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], text).into_response()
        }
        _ => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn health(State(board): State<Arc<Board>>) -> Response {
    let read = tokio::task::spawn_blocking(move || board.wrong()).await;
    let Ok(wrong) = read else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    if wrong.is_empty() {
        return "ok\n".into_response();
    }
    let mut text = String::new();
    for line in wrong {
        let _ = writeln!(text, "{line}");
    }
    (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
}
