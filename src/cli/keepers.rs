//! What `run` does about incidents: notes them after each interface, tells at the end.

use std::path::Path;

use super::Failure;
use super::args::Cli;
use super::next::Typed;
use super::setup::{Setup, name};
use crate::domain::{Cause, Contact, Trouble};
use crate::engine::incidents::{Ended, Keeper, of_error};
use crate::engine::{Engine, EngineError};

/// The keepers of a run.
pub struct Keepers<'a> {
    everywhere: &'a [Contact],
    program: Keeper,
    keepers: Vec<Keeper>,
}

impl<'a> Keepers<'a> {
    /// Those of a site.
    pub fn new(setup: &'a Setup) -> Keepers<'a> {
        let everywhere = &setup.program.contacts;
        let program = Keeper::of_program(&setup.program.spool, everywhere);
        Keepers { everywhere, program, keepers: Vec::new() }
    }

    /// Notes whether the settings of an interface could be used.
    pub fn opened(&self, path: &Path, failure: Option<&Failure>) {
        note_settings(&self.program, &name(path), failure);
    }

    /// Notes what is wrong with an interface after its run.
    pub fn ran(&mut self, cli: &Cli, engine: &Engine, err: Option<&EngineError>) {
        let (keeper, typed) = (Keeper::of(engine, self.everywhere), Typed::new(cli, engine));
        let ended = match err {
            None => Ended::Through,
            Some(err) => of_error(err, &typed).map_or(Ended::Unknown, Ended::Failed),
        };
        engine.look(&keeper, &typed, ended);
        self.keepers.push(keeper);
    }

    /// Tells whoever is to be told.
    pub fn tell(&self) {
        self.program.tell();
        for keeper in &self.keepers {
            keeper.tell();
        }
    }
}

/// Notes with the keeper of the program whether the settings of an interface can be used.
pub fn note_settings(program: &Keeper, interface: &str, failure: Option<&Failure>) {
    let trouble = failure.map(|failure| Trouble {
        cause: Cause::Settings,
        about: interface.to_string(),
        what: format!("{interface}: {}; nothing of it is taken in or sent", failure.text),
        next: vec![format!("mend the file, then: hl7drop check {interface}")],
        count: 1,
    });
    let of_it = |one: &Trouble| one.cause == Cause::Settings && one.about == interface;
    program.note(&of_it, trouble.into_iter().collect());
}
