//! Parse, call, exit.

use std::process::ExitCode;

fn main() -> ExitCode {
    hl7drop::cli::main()
}
