//! Why something is not shown or done, and the page that says so.

use maud::html;

use super::ask::{Ask, Pairs};
use super::frame::frame;
use super::office::Office;
use super::reply::Reply;
use crate::desk::DeskError;
use crate::disk::DiskError;
use crate::domain::Permission;
use crate::engine::EngineError;
use crate::ledger::LedgerError;

/// Why the page cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address.
    #[error("cannot listen on {address}: {err}; is another hl7drop serving there?")]
    Listen {
        /// Which.
        address: std::net::SocketAddr,
        /// Why.
        err: std::io::Error,
    },
    /// The users' file.
    #[error(transparent)]
    Desk(#[from] DeskError),
    /// The machine.
    #[error("cannot serve: {0}")]
    Failed(#[from] std::io::Error),
}

/// Why a request is refused.
#[derive(Debug)]
pub enum Refusal {
    /// Nobody is signed in. What was typed into the form is kept.
    SignIn(Pairs),
    /// They may not; one of these would be needed.
    May(&'static [Permission]),
    /// There is no such thing.
    Nothing(String),
    /// The form is not ours, or older than the session.
    Stale,
    /// Something in the request cannot be so.
    Bad(String),
    /// It cannot be done as things stand.
    Now(String),
    /// It is more than is taken.
    Large(String),
    /// So many seconds nobody may try.
    Wait(i64),
    /// The machine: the ledger is locked, the disk is full.
    Trouble(String),
}

impl From<DeskError> for Refusal {
    fn from(err: DeskError) -> Refusal {
        match err {
            DeskError::Locked | DeskError::Full | DeskError::Damaged(_) | DeskError::Failed(_) => {
                Refusal::Trouble(err.to_string())
            }
            DeskError::Unknown(_) => Refusal::Nothing(err.to_string()),
            _ => Refusal::Now(err.to_string()),
        }
    }
}

impl From<LedgerError> for Refusal {
    fn from(err: LedgerError) -> Refusal {
        Refusal::Trouble(err.to_string())
    }
}

impl From<DiskError> for Refusal {
    fn from(err: DiskError) -> Refusal {
        if err.is_full() {
            // Which disk it is, is for who looks after the machine.
            log::error!("page: {err}");
            let text = "the disk of this machine is full; free some space and try again";
            return Refusal::Trouble(text.to_string());
        }
        Refusal::Trouble(err.to_string())
    }
}

impl From<EngineError> for Refusal {
    fn from(err: EngineError) -> Refusal {
        match err {
            EngineError::Busy { .. } => Refusal::Now(
                "a run is at work on this interface just now; nothing was changed. Try again in \
                 a moment"
                    .to_string(),
            ),
            EngineError::NothingWaits { .. } => Refusal::Now(
                "nothing there waits for a decision any more: it was delivered, or somebody \
                 decided before you"
                    .to_string(),
            ),
            EngineError::Refused { what } => Refusal::Now(what),
            EngineError::NoMessage { .. } => Refusal::Nothing(err.to_string()),
            EngineError::Disk(err) => err.into(),
            err => Refusal::Trouble(err.to_string()),
        }
    }
}

impl Refusal {
    fn status(&self) -> u16 {
        match self {
            Refusal::SignIn(_) => 401,
            Refusal::May(_) | Refusal::Stale => 403,
            Refusal::Nothing(_) => 404,
            Refusal::Bad(_) => 400,
            Refusal::Now(_) => 409,
            Refusal::Large(_) => 413,
            Refusal::Wait(_) => 429,
            Refusal::Trouble(_) => 503,
        }
    }

    fn title(&self) -> &'static str {
        match self {
            Refusal::SignIn(_) => "Please sign in",
            Refusal::May(_) => "Not permitted",
            Refusal::Nothing(_) => "Not found",
            Refusal::Stale => "Please send it once more",
            Refusal::Bad(_) => "That cannot be",
            Refusal::Now(_) => "Not now",
            Refusal::Large(_) => "Too large",
            Refusal::Wait(_) => "Please wait",
            Refusal::Trouble(_) => "Something is wrong on the server",
        }
    }

    fn text(&self) -> String {
        match self {
            Refusal::SignIn(_) => "You are not signed in, or your session has ended.".to_string(),
            Refusal::May(any) => {
                let titles: Vec<&str> = any.iter().map(|one| one.title()).collect();
                format!(
                    "This needs the permission {}. Ask somebody who manages users to give it to \
                     you.",
                    titles.join(" or ")
                )
            }
            Refusal::Stale => {
                "The form was made before you signed in, or not by this page. Nothing was done. \
                 Go back, load the page anew and send it once more."
                    .to_string()
            }
            Refusal::Wait(seconds) => format!(
                "There were too many tries with a wrong password. Wait {seconds} seconds and try \
                 again; until then the right one is refused too."
            ),
            Refusal::Nothing(text)
            | Refusal::Bad(text)
            | Refusal::Now(text)
            | Refusal::Large(text)
            | Refusal::Trouble(text) => sentence(text),
        }
    }
}

/// Returns what to show for a refusal.
pub fn page(office: &Office, ask: &Ask, refusal: Refusal) -> Reply {
    if let Refusal::Trouble(text) = &refusal {
        log::error!("page: {text}");
    }
    let body = html! {
        h1 { (refusal.title()) }
        p.notice.bad role="alert" { (refusal.text()) }
        p { a href="/" { "To the overview" } }
    };
    let mut reply = frame(office, ask, refusal.title(), body);
    reply.status = refusal.status();
    if let Refusal::Wait(seconds) = refusal {
        reply.headers.push(("retry-after", seconds.to_string()));
    }
    reply
}

/// Error texts are fragments; people read sentences.
pub fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string());
    let rest = letters.as_str();
    let stop = if rest.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{}{rest}{stop}", first.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fragment_becomes_a_sentence() {
        assert_eq!(sentence("the disk is full"), "The disk is full.");
        assert_eq!(sentence("Done."), "Done.");
        assert_eq!(sentence(""), ".");
    }
}
