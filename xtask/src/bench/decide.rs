//! What a decision costs: builds the programs that find out, each apart from the main workspace, and runs them.

use std::path::PathBuf;
use std::process::Command;

use super::BenchError;
use super::machine::Machine;
use crate::binaries;
use crate::process;
use crate::workspace::{Workspace, cargo};

/// Measures decisions and writes the results to `docs/bench`. Needs the right to load BPF programs.
///
/// # Errors
/// [`BenchError`]
pub fn run(workspace: &Workspace) -> Result<(), BenchError> {
    binaries::build(workspace)?;
    let bench = built(workspace, "bench", "boesfs-bench")?;
    let peers = built(workspace, "bench/peers", "boesfs-bench-peers")?;
    let docs = workspace.root.join("docs/bench");
    std::fs::create_dir_all(&docs)?;
    let compiler = binaries::path(workspace, "boesfsc");
    let machine = Machine::here().to_string();
    process::run(Command::new(bench).arg("decide").arg(docs).arg(machine).arg(compiler).arg(peers))?;
    Ok(())
}

/// The program `name` of the crate in `folder`, built.
fn built(workspace: &Workspace, folder: &str, name: &str) -> Result<PathBuf, BenchError> {
    let target = workspace.target.join("bench");
    let mut command = cargo();
    command.args(["build", "--quiet", "--release", "--locked", "--manifest-path"]);
    command.arg(workspace.root.join(folder).join("Cargo.toml")).arg("--target-dir").arg(&target);
    process::run(&mut command)?;
    Ok(target.join("release").join(name))
}
