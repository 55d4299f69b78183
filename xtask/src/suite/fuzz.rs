//! A short run of every fuzz target: enough to see that it builds, starts and does not fall over at once.

use super::report::{Report, Row, Tally};
use crate::process;
use crate::setup;
use crate::workspace::{Workspace, WorkspaceError, cargo};
use std::process::Command;

/// How long each target runs.
const SECONDS: u32 = 20;
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Builds all targets, runs each and reports them.
pub(super) fn run(workspace: &Workspace, report: &mut Report) {
    match targets(workspace).map_err(|error| error.to_string()).and_then(|targets| {
        if targets.is_empty() {
            return Err("no fuzz targets".to_owned());
        }
        build(workspace).map(|()| targets).map_err(|error| error.to_string())
    }) {
        Err(reason) => report.add(Row::Step("fuzz".into()), Tally::fail(reason)),
        Ok(targets) => {
            for target in targets {
                let tally = match smoke(workspace, &target) {
                    Ok(()) => Tally::pass(),
                    Err(error) => Tally::fail(error.to_string()),
                };
                report.add(Row::Step(format!("fuzz {target}")), tally);
            }
        }
    }
}

fn targets(workspace: &Workspace) -> Result<Vec<String>, WorkspaceError> {
    let mut command = cargo();
    command.args(["metadata", "--no-deps", "--format-version", "1", "--manifest-path"]);
    let output = process::capture(command.arg(workspace.root.join("fuzz/Cargo.toml")))?;
    let fuzz: Workspace = serde_json::from_str(&output)?;
    let binaries = fuzz.packages.into_iter().flat_map(|package| package.targets);
    let is_binary = |kinds: &[String]| kinds.iter().any(|kind| kind == "bin");
    Ok(binaries.filter(|target| is_binary(&target.kind)).map(|target| target.name).collect())
}

/// Apart from the other builds, for everything is built with coverage counters.
fn build(workspace: &Workspace) -> Result<(), process::ProcessError> {
    process::run(
        Command::new(setup::cargo_fuzz(workspace))
            .args(["build", "--fuzz-dir", "fuzz", "--target", TARGET, "--sanitizer", "none", "--target-dir"])
            .arg(workspace.target.join("fuzz"))
            .current_dir(&workspace.root)
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_ENCODED_RUSTFLAGS"),
    )
}

/// New inputs go to a folder among what is built; the seeds are only read.
fn smoke(workspace: &Workspace, target: &str) -> anyhow::Result<()> {
    let folder = workspace.target.join("fuzz");
    let corpus = folder.join("corpus").join(target);
    std::fs::create_dir_all(&corpus)?;
    let mut command = Command::new(folder.join(TARGET).join("release").join(target));
    command.arg(format!("-max_total_time={SECONDS}")).arg("-rss_limit_mb=2048").arg("-verbosity=0");
    command.arg(format!("-artifact_prefix={}/", folder.display())).arg(&corpus);
    let seeds = workspace.root.join("fuzz/seeds").join(target);
    if seeds.is_dir() {
        command.arg(seeds);
    }
    process::capture(command.current_dir(&workspace.root))?;
    Ok(())
}
