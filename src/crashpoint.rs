//! Named places where the power may fail or the disk may refuse.
//!
//! `HL7DROP_FAULT=abort:7` ends the process at the seventh place it meets;
//! `error:7` makes that place return an error once instead; `full:7` makes it
//! say that the disk is full. Tests count up from one until a run meets no
//! fault, so a new place is swept for free. `list:0` fails nowhere and names every
//! place it meets. Unset, a place costs one load.

use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

#[derive(Clone, Copy)]
enum Kind {
    Abort,
    Error,
    Full,
    List,
}

static MET: AtomicU32 = AtomicU32::new(0);
static ASKED: OnceLock<Option<(Kind, u32)>> = OnceLock::new();

fn asked() -> Option<(Kind, u32)> {
    let fault = std::env::var("HL7DROP_FAULT").ok()?;
    let (kind, nth) = fault.split_once(':')?;
    let kind = match kind {
        "abort" => Kind::Abort,
        "error" => Kind::Error,
        "full" => Kind::Full,
        "list" => Kind::List,
        _ => return None,
    };
    Some((kind, nth.parse().ok()?))
}

/// Fails here if this is the place the test asked for.
///
/// # Errors
/// The error that was asked for, and none otherwise.
pub fn crashpoint(name: &str) -> io::Result<()> {
    let Some((kind, nth)) = *ASKED.get_or_init(asked) else { return Ok(()) };
    if let Kind::List = kind {
        eprintln!("place {name}");
        return Ok(());
    }
    if MET.fetch_add(1, Ordering::Relaxed) + 1 != nth {
        return Ok(());
    }
    eprintln!("fault at {name}");
    match kind {
        Kind::List => Ok(()),
        Kind::Abort => std::process::abort(),
        Kind::Error => Err(io::Error::other(format!("injected at {name}"))),
        Kind::Full => Err(io::Error::from(io::ErrorKind::StorageFull)),
    }
}
