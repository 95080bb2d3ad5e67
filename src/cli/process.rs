//! What the process may leave behind: no file that others can get at, and no core dump.

use rustix::fs::Mode;
use rustix::process::{DumpableBehavior, Resource, Rlimit};
use rustix::process::{set_dumpable_behavior, setrlimit, umask};

/// Whatever makes a file from here on (SQLite, gpg, a command that is told of an incident)
/// makes it ours alone; and a crash leaves no memory with patients in it, not on the disk
/// and not in a collector of dumps, which the limit alone does not keep away.
pub fn keep_to_itself() {
    umask(Mode::RWXG | Mode::RWXO);
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    // Lowering a limit is always allowed; where it is not, a dump is no reason not to deliver.
    let _ = setrlimit(Resource::Core, none);
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}
