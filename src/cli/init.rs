//! `init`: a commented interface file, and the folders that go with it.

use std::io::Write;

use super::args::Init;
use super::exit::Exit;
use super::{Failure, Outcome};
use crate::config::{interface, template};
use crate::disk;
use crate::domain::InterfaceName;
use crate::engine::root_of;
use crate::spool::Spool;

/// Writes what is not there yet, and overwrites nothing.
pub fn init(args: &Init) -> Outcome {
    let name = InterfaceName::new(&args.name).ok_or_else(|| {
        let text = format!("`{}` cannot name an interface", args.name.escape_debug());
        Failure::usage(text + ": use letters, digits and `-`, at most 40")
    })?;
    disk::folder(&args.dir)?;
    let dir = args.dir.canonicalize().map_err(disk::failed("find", &args.dir))?;
    let program_file = dir.join("hl7drop.toml");
    let interface_file = dir.join("interfaces").join(format!("{}.toml", name.as_str()));
    if interface_file.exists() {
        let text = format!("{} is there already; nothing was changed", interface_file.display());
        return Err(Failure::usage(text));
    }
    let text = template::interface_file(name.as_str());
    let folder = dir.join("interfaces");
    let scope = interface::read(&text, &folder).map_err(|problems| {
        let text: Vec<String> = problems.iter().map(ToString::to_string).collect();
        Failure { exit: Exit::BUG, text: text.join("\n") }
    })?;
    if !program_file.exists() {
        disk::write(&program_file, template::program_file().as_bytes())?;
    }
    let program = super::setup::program(&program_file)?;
    disk::folder(&folder)?;
    disk::write(&interface_file, text.as_bytes())?;
    let spool = Spool::at(&root_of(&scope, &program.spool));
    spool.make()?;
    for endpoint in &scope.endpoints {
        let crate::domain::Method::Folder(path) = &endpoint.method else { continue };
        disk::folder(path)?;
    }
    let mut out = std::io::stdout().lock();
    writeln!(out, "wrote  {}", interface_file.display())?;
    writeln!(out, "inbox  {}", spool.inbox.display())?;
    writeln!(out, "next   fill in the interface file, then `hl7drop check {}`,", name.as_str())?;
    writeln!(out, "       drop extracts into the inbox, and `hl7drop run {}`", name.as_str())?;
    Ok(Exit::DONE)
}
