//! Programs that we start: their end, in time.
//!
//! Whoever starts one gives it a process group of its own (`process_group(0)`), so that
//! what it starts itself ends with it.

use std::io;
use std::process::{Child, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

/// How often its end is looked for.
const LOOK: Duration = Duration::from_millis(20);

/// Waits until a program has ended. After `limit` it is killed with its children; then
/// there is no status.
///
/// # Errors
/// The system's, where nothing can be said of its end.
pub fn wait(child: &mut Child, limit: Duration) -> io::Result<Option<ExitStatus>> {
    let end = Instant::now() + limit;
    // Short at first: most programs are done in less than a look.
    let mut look = Duration::from_millis(1);
    while Instant::now() < end {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        thread::sleep(look);
        look = (look * 2).min(LOOK);
    }
    kill(child);
    Ok(None)
}

fn kill(child: &mut Child) {
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    if let Some(group) = group {
        let _ = kill_process_group(group, Signal::KILL);
    }
    let _ = child.kill();
    let _ = child.wait();
}
