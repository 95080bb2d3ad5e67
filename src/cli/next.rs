//! How this program was called, so that what it says can be typed.

use super::args::Cli;
use crate::engine::Engine;
pub use crate::engine::{Typed, next_steps};

impl Typed {
    /// Takes the settings' file from the command line, if it stood there.
    pub fn new(cli: &Cli, engine: &Engine) -> Typed {
        Typed::at(cli.config.as_deref(), engine)
    }
}
