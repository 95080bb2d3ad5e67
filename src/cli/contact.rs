//! `contact`: who is told when something is wrong, and whether that arrives.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::args::{Cli, Contact as Args, ContactLs, ContactTest, ContactVerb};
use super::exit::Exit;
use super::setup::{name, one, setup};
use super::{Failure, Outcome};
use crate::domain::{Contact, Way};
use crate::engine::incidents::Keeper;

/// Does what was asked for.
pub fn contact(cli: &Cli, args: &Args) -> Outcome {
    match &args.verb {
        ContactVerb::Ls(args) => ls(cli, args),
        ContactVerb::Test(args) => test(cli, args),
    }
}

fn ls(cli: &Cli, args: &ContactLs) -> Outcome {
    let setup = setup(cli, &args.named.interfaces)?;
    let mut out = io::stdout().lock();
    let mut all = Vec::new();
    for path in &setup.interfaces {
        let engine = setup.open(path)?;
        let keeper = Keeper::of(&engine, &setup.program.contacts);
        if args.named.json {
            all.extend(keeper.contacts().map(|(key, one)| to_json(&name(path), key, one)));
            continue;
        }
        writeln!(out, "{}", engine.owner())?;
        if keeper.contacts().next().is_none() {
            writeln!(out, "  nobody is told; see [[contact]] in docs/alerts.md")?;
        }
        for (key, one) in keeper.contacts() {
            writeln!(out, "  {key}: {}", words(one))?;
        }
    }
    if args.named.json {
        writeln!(out, "{}", Value::Array(all))?;
    }
    Ok(Exit::DONE)
}

fn words(contact: &Contact) -> String {
    let mut text = place(&contact.way);
    text += &match contact.causes.is_empty() {
        true => format!(", {} and up", contact.from.word()),
        false => {
            let causes: Vec<&str> = contact.causes.iter().map(|cause| cause.word()).collect();
            format!(", {}", causes.join(" "))
        }
    };
    if let Some(quiet) = contact.quiet {
        text += &format!(", only grave ones {quiet}");
    }
    if contact.after_s > 0 {
        text += &format!(", when open for {} minutes", contact.after_s / 60);
    }
    text
}

/// Says where alerts go; the path of an address may hold a token.
fn place(way: &Way) -> String {
    match way {
        Way::Mail(to) => format!("mail to {} by {}:{}", to.to.join(", "), to.host, to.port),
        Way::Webhook(to) => {
            format!("webhook at {}", to.url.split('/').nth(2).unwrap_or_default())
        }
        Way::Command(command) => format!("command {}", command.first().map_or("", String::as_str)),
    }
}

fn to_json(interface: &str, key: &str, contact: &Contact) -> Value {
    let causes: Vec<&str> = contact.causes.iter().map(|cause| cause.word()).collect();
    json!({
        "interface": interface,
        "contact": key,
        "place": place(&contact.way),
        "severity": contact.from.word(),
        "causes": causes,
        "after_minutes": contact.after_s / 60,
    })
}

fn test(cli: &Cli, args: &ContactTest) -> Outcome {
    let (setup, path) = one(cli, &args.interface)?;
    let engine = setup.open(&path)?;
    let told = Keeper::of(&engine, &setup.program.contacts).test(args.contact.as_deref());
    if told.is_empty() {
        let text = match &args.contact {
            Some(name) => format!("there is no contact `{name}`; `hl7drop contact ls` lists them"),
            None => "there is no [[contact]] yet; docs/alerts.md shows how".to_string(),
        };
        return Err(Failure::usage(text));
    }
    let mut out = io::stdout().lock();
    let mut exit = Exit::DONE;
    let mut all = Vec::new();
    for (key, ended) in told {
        let wrong = ended.err().map(|err| err.to_string());
        if wrong.is_some() {
            exit = Exit::DELIVERY;
        }
        match (&wrong, args.json) {
            (_, true) => {
                all.push(json!({ "contact": key, "told": wrong.is_none(), "wrong": wrong }))
            }
            (None, false) => writeln!(out, "ok     {key} was told; ask whether it arrived")?,
            (Some(wrong), false) => writeln!(out, "WRONG  {key}: {wrong}")?,
        }
    }
    if args.json {
        writeln!(out, "{}", Value::Array(all))?;
    }
    Ok(exit)
}
