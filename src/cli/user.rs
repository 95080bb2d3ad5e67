//! `user`: who may use the page. Passwords come from the terminal, a file or standard
//! input, never from the command line, where every process of the machine reads them.

use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::path::Path;

use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use serde_json::{Value, json};

use super::args::{Cli, NewPassword, User, UserVerb};
use super::exit::Exit;
use super::output::count;
use super::setup::program_of;
use super::sign::person;
use super::{Failure, Outcome};
use crate::clock::Clock;
use crate::desk::{self, By, Desk, DeskError, Secret, good_name};
use crate::domain::Permission;

/// No password is longer.
const FILE_BYTES_MAX: u64 = 1024;

/// Manages users.
pub fn user(cli: &Cli, args: &User) -> Outcome {
    let program = program_of(cli)?;
    let mut desk = Desk::open(&program.spool.join(desk::FILE)).map_err(failure)?;
    let by = By { name: person(), address: String::new(), at: Clock::System.unix() };
    let done = match &args.verb {
        UserVerb::Add(add) => {
            let name = good_name(&add.name).map_err(failure)?;
            let may = permissions(&add.grant)?;
            if desk.users().map_err(failure)?.iter().any(|user| user.name == name) {
                return Err(failure(DeskError::Exists(name)));
            }
            let kept = new_password(&add.password, &name)?;
            desk.add(&name, &kept, &may, &by).map_err(failure)?;
            format!("{name} may sign in{}", list(&may))
        }
        UserVerb::Passwd(passwd) => {
            let name = known(&desk, &passwd.name)?;
            let kept = new_password(&passwd.password, &name)?;
            desk.passwd(&name, &kept, &by).map_err(failure)?;
            format!("{name} has a new password; all of their sessions ended")
        }
        UserVerb::Grant(change) => {
            let name = known(&desk, &change.name)?;
            let mut may = desk.permissions(&name).map_err(failure)?;
            may.extend(permissions(&change.permissions)?);
            desk.permit(&name, &may, &by).map_err(failure)?;
            format!("{name} may now{}", list(&desk.permissions(&name).map_err(failure)?))
        }
        UserVerb::Revoke(change) => {
            let name = known(&desk, &change.name)?;
            let taken = permissions(&change.permissions)?;
            let mut may = desk.permissions(&name).map_err(failure)?;
            may.retain(|permission| !taken.contains(permission));
            desk.permit(&name, &may, &by).map_err(failure)?;
            format!("{name} may now{}", list(&may))
        }
        UserVerb::SignOut(named) => {
            let name = known(&desk, &named.name)?;
            let ended = desk.sign_out_everywhere(&name, &by).map_err(failure)?;
            format!("{name}: {} ended", count(ended, "session", "sessions"))
        }
        UserVerb::Remove(named) => {
            let name = known(&desk, &named.name)?;
            desk.remove(&name, &by).map_err(failure)?;
            format!("{name} is removed; what they did stays in the trail")
        }
        UserVerb::List(list) => return show(&desk, list.json),
    };
    writeln!(io::stdout().lock(), "{done}")?;
    Ok(Exit::DONE)
}

fn show(desk: &Desk, as_json: bool) -> Outcome {
    let users = desk.users().map_err(failure)?;
    let mut out = io::stdout().lock();
    if as_json {
        let rows = users.iter().map(|user| {
            let may: Vec<&str> = user.permissions.iter().map(|one| one.word()).collect();
            json!({
                "name": user.name, "permissions": may, "made_at": user.made_at,
                "seen_at": user.seen_at, "sessions": user.sessions,
            })
        });
        writeln!(out, "{}", Value::Array(rows.collect()))?;
        return Ok(Exit::DONE);
    }
    if users.is_empty() {
        writeln!(out, "there is no user; `hl7drop user add NAME --grant admin` makes one")?;
    }
    for user in &users {
        writeln!(out, "{}{}", user.name, list(&user.permissions))?;
    }
    Ok(Exit::DONE)
}

fn list(may: &[Permission]) -> String {
    if may.is_empty() {
        return ": only the overview".to_string();
    }
    let titles: Vec<&str> = may.iter().map(|permission| permission.title()).collect();
    format!(": {}", titles.join(", "))
}

fn known(desk: &Desk, name: &str) -> Result<String, Failure> {
    let name = good_name(name).map_err(failure)?;
    desk.kept(&name).map_err(failure)?;
    Ok(name)
}

fn permissions(words: &[String]) -> Result<Vec<Permission>, Failure> {
    let read = |word: &String| {
        Permission::of_word(word).ok_or_else(|| {
            let known: Vec<&str> = Permission::ALL.iter().map(|one| one.word()).collect();
            Failure::usage(format!("`{word}` is no permission; there is: {}", known.join(", ")))
        })
    };
    words.iter().map(read).collect()
}

/// Returns what is kept of a password, from where it was said to come.
fn new_password(from: &NewPassword, user: &str) -> Result<String, Failure> {
    let text = match &from.password_file {
        Some(path) if path == Path::new("-") => first_line(&mut io::stdin().lock())?,
        Some(path) => {
            let file = std::fs::File::open(path);
            let cannot = |err| Failure::usage(format!("cannot read {}: {err}", path.display()));
            first_line(&mut io::BufReader::new(file.map_err(cannot)?))?
        }
        None if io::stdin().is_terminal() => {
            let (one, two) = (ask("New password: ")?, ask("The same again: ")?);
            if one != two {
                return Err(Failure::usage("the two are not the same; nothing was changed"));
            }
            one
        }
        None => first_line(&mut io::stdin().lock())?,
    };
    Secret::new(&text, user).and_then(|secret| secret.hash()).map_err(failure)
}

fn first_line(from: &mut dyn BufRead) -> Result<String, Failure> {
    let mut line = String::new();
    let read = from.take(FILE_BYTES_MAX).read_line(&mut line);
    read.map_err(|err| Failure::usage(format!("cannot read the password: {err}")))?;
    Ok(line.trim_end_matches(['\r', '\n']).to_string())
}

/// Asks at the terminal, which shows nothing of the answer.
fn ask(what: &str) -> Result<String, Failure> {
    let stdin = io::stdin();
    let cannot = |err: io::Error| Failure::usage(format!("cannot ask for a password: {err}"));
    let before = tcgetattr(&stdin).map_err(|err| cannot(err.into()))?;
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    let _ = write!(io::stderr(), "{what}");
    tcsetattr(&stdin, OptionalActions::Flush, &silent).map_err(|err| cannot(err.into()))?;
    let line = first_line(&mut stdin.lock());
    let shown = tcsetattr(&stdin, OptionalActions::Flush, &before);
    let _ = writeln!(io::stderr());
    shown.map_err(|err| cannot(err.into()))?;
    line
}

fn failure(err: DeskError) -> Failure {
    let exit = match err {
        DeskError::Locked | DeskError::Full | DeskError::Damaged(_) | DeskError::Failed(_) => {
            Exit::LOCAL
        }
        _ => Exit::USAGE,
    };
    Failure { exit, text: err.to_string() }
}
