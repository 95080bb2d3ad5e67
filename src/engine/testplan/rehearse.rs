//! A rehearsal: the drops of a plan through the whole program, into a spool and to
//! endpoints that are thrown away. It makes the expected messages, once.

use std::path::PathBuf;
use std::sync::Arc;

use super::on_stage;
use super::perform::{Performed, perform};
use crate::clock::Clock;
use crate::delivery::{Delivery, Folder};
use crate::disk;
use crate::domain::{Endpoint, ExtractKind, Method};
use crate::engine::error::EngineError;
use crate::engine::intake::saved;
use crate::engine::mend::Scratch;
use crate::engine::pass::Engine;
use crate::engine::source::Silent;

/// An interface as it is, in folders of its own.
pub struct Rehearsal {
    engine: Engine,
    // Last: the folders go after the engine.
    _scratch: Scratch,
}

impl Rehearsal {
    /// Opens one, with the tables and mappings in force.
    ///
    /// # Errors
    /// Folders that cannot be made.
    pub fn of(real: &Engine) -> Result<Rehearsal, EngineError> {
        real.spool.make()?;
        let scratch = Scratch::new(&real.spool.processing)?;
        let mut scope = real.agreement.scope.clone();
        scope.pickup.done_marker = String::new();
        scope.pickup.disk_floor_mib = 0;
        // What goes out is looked at before it would be encrypted, and no list is sent.
        scope.endpoints.iter_mut().for_each(|endpoint| endpoint.encryption = None);
        scope.manifest = None;
        let mut engine = Engine::open(scope, &scratch.0, 1, Arc::new(Silent))?;
        on_stage(&mut engine);
        engine.maps.clone_from(&real.maps);
        engine.clock = Clock::Fixed(crate::papers::made_up_clock());
        let partners: PathBuf = scratch.0.join("partners");
        engine.open_delivery = Arc::new(move |endpoint: &Endpoint, _: &Method| {
            let folder = partners.join(&endpoint.name);
            // One that is not there is told when it is opened.
            let _ = disk::folder(&folder);
            Ok(Box::new(Folder::open(&folder)?) as Box<dyn Delivery>)
        });
        engine.spool.make()?;
        for kind in [ExtractKind::Providers, ExtractKind::Departments] {
            for source in saved(real, kind)? {
                if let Some(name) = source.path.file_name() {
                    disk::copy(&source.path, &engine.spool.reference.join(name))?;
                }
            }
        }
        Ok(Rehearsal { engine, _scratch: scratch })
    }

    /// Rehearses one drop.
    ///
    /// # Errors
    /// What ends a pass.
    pub fn perform(&self, files: &[(String, Vec<u8>)]) -> Result<Performed, EngineError> {
        perform(&self.engine, files)
    }
}
