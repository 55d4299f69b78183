//! `boesfsc`: checks, compiles and asks policies.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
