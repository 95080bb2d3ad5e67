//! `endpoint trust`: a server's keys for comparison, and the pin of the one that the
//! vendor told the fingerprint of. Nothing is pinned because a server shows it.

use std::io::{self, Write};

use super::args::{Cli, Endpoint, EndpointVerb, Trust};
use super::exit::Exit;
use super::next::Typed;
use super::setup::one;
use super::{Failure, Outcome};
use crate::delivery::{Limits, ShownKey, Standing, pin, shown_keys};
use crate::domain::{self, Method, Scope};

/// Does what was asked for.
pub fn endpoint(cli: &Cli, args: &Endpoint) -> Outcome {
    match &args.verb {
        EndpointVerb::Trust(args) => trust(cli, args),
    }
}

fn trust(cli: &Cli, args: &Trust) -> Outcome {
    let (setup, path) = one(cli, &args.interface)?;
    let engine = setup.open(&path)?;
    let (name, server) = server(&engine.agreement.scope, args.endpoint.as_deref())?;
    let keys = shown_keys(server, Limits::default())
        .map_err(|err| Failure { exit: Exit::DELIVERY, text: err.to_string() })?;
    match &args.fingerprint {
        Some(told) => pin_told(server, &keys, told),
        None => {
            let command = Typed::new(cli, &engine).trust(&name);
            Ok(show(server, &keys, &command, &mut io::stdout().lock())?)
        }
    }
}

/// Returns the endpoint that is meant, which must be a server.
fn server<'a>(scope: &'a Scope, name: Option<&str>) -> Result<(String, &'a domain::Sftp), Failure> {
    let mut servers = Vec::new();
    for endpoint in &scope.endpoints {
        if let Method::Sftp(sftp) = &endpoint.method
            && name.is_none_or(|name| endpoint.name == name)
        {
            servers.push((endpoint.name.clone(), sftp));
        }
    }
    match servers.as_slice() {
        [_] => Ok(servers.remove(0)),
        [] => Err(Failure::usage("there is no such endpoint with method = \"sftp\"")),
        more => {
            let names: Vec<&str> = more.iter().map(|(name, _)| name.as_str()).collect();
            let text = format!("there are {}; say which with --endpoint", names.join(", "));
            Err(Failure::usage(text))
        }
    }
}

/// Pins the key of this fingerprint, if the server shows it.
fn pin_told(server: &domain::Sftp, keys: &[ShownKey], told: &str) -> Outcome {
    let told = told.trim().trim_end_matches('=');
    let told = told.strip_prefix("SHA256:").unwrap_or(told);
    let shown = |key: &&ShownKey| key.fingerprint.strip_prefix("SHA256:") == Some(told);
    let Some(key) = keys.iter().find(shown) else {
        let shown: Vec<String> =
            keys.iter().map(|key| format!("{} ({})", key.fingerprint, key.kind)).collect();
        let text = format!(
            "{}:{} does not show SHA256:{told}, but {}; nothing was pinned. Ask the vendor which \
             server that fingerprint is of",
            server.host,
            server.port,
            shown.join(", ")
        );
        return Err(Failure { exit: Exit::DELIVERY, text });
    };
    let file = server.known_hosts.display();
    let mut out = io::stdout().lock();
    if key.standing == Standing::Pinned {
        writeln!(out, "{} is pinned already in {file}", key.fingerprint)?;
        return Ok(Exit::DONE);
    }
    pin(&server.known_hosts, key)
        .map_err(|err| Failure { exit: Exit::LOCAL, text: err.to_string() })?;
    writeln!(out, "pinned {} ({}) in {file}", key.fingerprint, key.kind)?;
    if key.standing == Standing::Other {
        writeln!(out, "older keys of this server stay there; remove those that it gave up")?;
    }
    Ok(Exit::DONE)
}

fn show(
    server: &domain::Sftp,
    keys: &[ShownKey],
    command: &str,
    out: &mut dyn Write,
) -> io::Result<Exit> {
    writeln!(out, "{}:{} shows:", server.host, server.port)?;
    for key in keys {
        let standing = match key.standing {
            Standing::Pinned => "pinned",
            Standing::Unknown => "not pinned",
            Standing::Other => "NOT PINNED, but another key of this server is",
        };
        writeln!(out, "  {}  {}  {standing}", key.fingerprint, key.kind)?;
    }
    if keys.iter().any(|key| key.standing == Standing::Pinned) {
        return Ok(Exit::DONE);
    }
    writeln!(out, "Anybody on the way could show a key. Ask the vendor for the fingerprint, by")?;
    writeln!(out, "telephone or from their documents, and give it as they tell it:")?;
    writeln!(out, "  {command} --fingerprint SHA256:...")?;
    Ok(Exit::WAITING)
}
