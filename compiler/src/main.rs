//! `boesfsc`: checks, compiles and asks policies.

mod cli;

use std::process::ExitCode;

/// A large policy is millions of small pieces: allocating them is a fifth of what checking it takes with the system's
/// allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::main()
}
