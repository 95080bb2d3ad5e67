//! Named places where the power may fail or the disk may refuse.
//!
//! `HL7DROP_FAULT=abort:7` ends the process at the seventh place it meets;
//! `error:7` makes that place return an error once instead; `full:7` makes it
//! say that the disk is full. Tests count up from one until a run meets no
//! fault, so a new place is swept for free. `list:0` fails nowhere and names every
//! place it meets. Unset, a place costs two loads.
//!
//! A simulation that runs many passes in one process arms its own thread instead
//! ([`arm`]): there a process cannot end, so from the place of its [`Fault::Death`] on
//! every place fails, as nothing more reaches the disk of a process that is dead.

use std::cell::Cell;
use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// What happens at the place that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The process ends; in a simulation this place and all that follow fail.
    Death,
    /// The place fails once.
    Error,
    /// The place says once that the disk is full.
    Full,
    /// Every place is named and none fails.
    List,
}

thread_local! {
    /// What this thread was armed with, and how many places are left before it.
    static ARMED: Cell<Option<(Fault, u32)>> = const { Cell::new(None) };
}

static MET: AtomicU32 = AtomicU32::new(0);
static ASKED: OnceLock<Option<(Fault, u32)>> = OnceLock::new();

fn asked() -> Option<(Fault, u32)> {
    let fault = std::env::var("HL7DROP_FAULT").ok()?;
    let (kind, nth) = fault.split_once(':')?;
    let kind = match kind {
        "abort" => Fault::Death,
        "error" => Fault::Error,
        "full" => Fault::Full,
        "list" => Fault::List,
        _ => return None,
    };
    Some((kind, nth.parse().ok()?))
}

/// Lets the `nth` place that this thread meets from now on fail, or none. Returns true
/// if the fault that was armed before has struck.
pub fn arm(fault: Option<(Fault, u32)>) -> bool {
    matches!(ARMED.replace(fault), Some((_, 0)))
}

/// True where somebody counts the places: what depends on the moment must not be done then,
/// or they are others in the next run.
pub fn counted() -> bool {
    ARMED.get().is_some() || ASKED.get_or_init(asked).is_some()
}

/// Fails here if this is the place the test asked for.
///
/// # Errors
/// The error that was asked for, and none otherwise.
pub fn crashpoint(name: &str) -> io::Result<()> {
    if let Some((kind, left)) = ARMED.get() {
        return drilled(name, kind, left);
    }
    let Some((kind, nth)) = *ASKED.get_or_init(asked) else { return Ok(()) };
    if kind == Fault::List {
        eprintln!("place {name}");
        return Ok(());
    }
    if MET.fetch_add(1, Ordering::Relaxed) + 1 != nth {
        return Ok(());
    }
    eprintln!("fault at {name}");
    match kind {
        Fault::Death => std::process::abort(),
        _ => fails(name, kind),
    }
}

fn drilled(name: &str, kind: Fault, left: u32) -> io::Result<()> {
    ARMED.set(Some((kind, left.saturating_sub(1))));
    match (kind, left) {
        (Fault::Death, 0 | 1) | (_, 1) => fails(name, kind),
        _ => Ok(()),
    }
}

fn fails(name: &str, kind: Fault) -> io::Result<()> {
    match kind {
        Fault::List => Ok(()),
        Fault::Full => Err(io::Error::from(io::ErrorKind::StorageFull)),
        Fault::Death | Fault::Error => Err(io::Error::other(format!("injected at {name}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dead_stay_dead_and_an_error_comes_once() {
        let met = |fault| {
            arm(Some((fault, 2)));
            let met = [(); 4].map(|()| crashpoint("here").is_ok());
            (met, arm(None))
        };
        assert_eq!(met(Fault::Death), ([true, false, false, false], true));
        assert_eq!(met(Fault::Error), ([true, false, true, true], true));
        assert!(!arm(Some((Fault::Full, 9))) && !arm(None), "it has not struck");
        assert!(crashpoint("here").is_ok());
        assert_eq!(met(Fault::List), ([true; 4], true), "a place that is only named never fails");
    }
}
