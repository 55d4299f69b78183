//! The fuzz targets: building them and running one.
//!
//! All C in them is built with AddressSanitizer and UBSan; Rust is not, but what it allocates is known to AddressSanitizer, so
//! that C cannot leave it unseen.

use std::process::Command;

use crate::process::{self, ProcessError};
use crate::setup;
use crate::workspace::{Workspace, WorkspaceError, cargo};

const TARGET: &str = "x86_64-unknown-linux-gnu";
const SANITIZERS: &str = "-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer";
/// Rust links without the compiler's own libraries: these are named.
const LINKED: &str = "-Clink-arg=-lasan -Clink-arg=-lubsan";
/// Rust's threads and tables live as long as the program; the rest is for speed.
const RUNTIME: &str = "detect_leaks=0:malloc_context_size=8:quarantine_size_mb=32";
/// The most memory of a target, in MiB; AddressSanitizer holds back what was freed.
const MEMORY: u32 = 3072;

/// Why a target did not run to its end.
#[derive(Debug, thiserror::Error)]
pub enum FuzzError {
    /// It did not build, or an input made it fail: what it said is told.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// Its folders cannot be made.
    #[error("cannot make a folder for the inputs of a fuzz target: {0}")]
    Folder(#[from] std::io::Error),
    /// It does not say how many inputs it tried.
    #[error("fuzz target `{0}` does not say what it did")]
    Untold(String),
}

/// How much a target is to try.
#[derive(Clone, Copy, Debug)]
pub enum Amount {
    /// For so long.
    Seconds(u32),
    /// So many inputs.
    Inputs(u64),
}

/// A run of a target.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// Its name.
    pub target: &'a str,
    /// How much.
    pub amount: Amount,
    /// What the choice of inputs depends on.
    pub seed: u32,
}

/// What a run did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Ran {
    /// Inputs that were tried.
    pub inputs: u64,
    /// How long it took.
    pub seconds: u64,
    /// Branches of the program that some input came to.
    pub coverage: u64,
    /// Inputs that were kept, for each came to something new.
    pub kept: u64,
}

/// The names of all targets.
///
/// # Errors
/// If cargo does not know them.
pub fn targets(workspace: &Workspace) -> Result<Vec<String>, WorkspaceError> {
    let mut command = cargo();
    command.args(["metadata", "--no-deps", "--format-version", "1", "--manifest-path"]);
    let output = process::capture(command.arg(workspace.root.join("fuzz/Cargo.toml")))?;
    let fuzz: Workspace = serde_json::from_str(&output)?;
    let binaries = fuzz.packages.into_iter().flat_map(|package| package.targets);
    let is_binary = |kinds: &[String]| kinds.iter().any(|kind| kind == "bin");
    Ok(binaries.filter(|target| is_binary(&target.kind)).map(|target| target.name).collect())
}

/// Builds all targets, apart from the other builds, for everything is built with coverage counters.
///
/// # Errors
/// [`ProcessError`].
pub fn build(workspace: &Workspace) -> Result<(), ProcessError> {
    build_with(workspace, &[])
}

/// Builds a target that needs no compiler, without it.
///
/// # Errors
/// [`ProcessError`].
pub fn build_alone(workspace: &Workspace, target: &str) -> Result<(), ProcessError> {
    // Inputs say which number is changed how, so looking at what is compared with what finds little and takes long.
    let without = ["--no-trace-compares", "--no-default-features", "--features", "libfuzzer"];
    build_with(workspace, &[&without[..], &[target]].concat())
}

fn build_with(workspace: &Workspace, arguments: &[&str]) -> Result<(), ProcessError> {
    process::run(
        Command::new(setup::cargo_fuzz(workspace))
            .arg("build")
            .args(arguments)
            .args(["--fuzz-dir", "fuzz", "--target", TARGET, "--sanitizer", "none", "--target-dir"])
            .arg(workspace.target.join("fuzz"))
            .current_dir(&workspace.root)
            .env("CFLAGS", SANITIZERS)
            .env("RUSTFLAGS", LINKED)
            .env_remove("CARGO_ENCODED_RUSTFLAGS"),
    )
}

/// Makes a run. New inputs go to a folder among what is built; the seeds are only read.
///
/// # Errors
/// [`FuzzError`]
pub fn run(workspace: &Workspace, run: &Run<'_>) -> Result<Ran, FuzzError> {
    let folder = workspace.target.join("fuzz");
    let corpus = folder.join("corpus").join(run.target);
    std::fs::create_dir_all(&corpus)?;
    let mut command = Command::new(folder.join(TARGET).join("release").join(run.target));
    command.arg(match run.amount {
        Amount::Seconds(seconds) => format!("-max_total_time={seconds}"),
        Amount::Inputs(inputs) => format!("-runs={inputs}"),
    });
    command.arg(format!("-seed={}", run.seed)).arg(format!("-rss_limit_mb={MEMORY}"));
    command.arg("-print_final_stats=1").arg(format!("-artifact_prefix={}/", folder.display()));
    // It has to come before all other libraries, and Rust does not link it so.
    let library = process::capture(Command::new("cc").arg("-print-file-name=libasan.so"))?;
    command.env("LD_PRELOAD", library.trim()).env("ASAN_OPTIONS", RUNTIME).arg(&corpus);
    let seeds = workspace.root.join("fuzz/seeds").join(run.target);
    if seeds.is_dir() {
        command.arg(seeds);
    }
    let said = process::capture_errors(command.current_dir(&workspace.root))?;
    ran(&said).ok_or_else(|| FuzzError::Untold(run.target.to_owned()))
}

/// What a run said at its end.
fn ran(said: &str) -> Option<Ran> {
    let done = said.lines().rev().find(|line| line.starts_with('#') && line.contains("DONE"))?;
    let words: Vec<&str> = done.split_whitespace().collect();
    let after = |name: &str| words.iter().skip_while(|word| **word != name).nth(1).copied();
    let line = said.lines().rev().find_map(|line| line.strip_prefix("Done "))?;
    let numbers: Vec<u64> = line.split(' ').filter_map(|word| word.parse().ok()).collect();
    let [inputs, seconds] = numbers[..] else { return None };
    let kept = after("corp:")?.split('/').next()?.parse().ok()?;
    Some(Ran { inputs, seconds, coverage: after("cov:")?.parse().ok()?, kept })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_run_says_what_it_did() {
        let said = "INFO: Seed: 1\n#2\tINITED cov: 10 ft: 11 corp: 1/1b exec/s: 0 rss: 30Mb\n\
            #1000\tDONE   cov: 120 ft: 345 corp: 17/2050b lim: 4096 exec/s: 500 rss: 50Mb\nDone 1000 runs in 2 second(s)\n";
        assert_eq!(ran(said), Some(Ran { inputs: 1000, seconds: 2, coverage: 120, kept: 17 }));
        assert_eq!(ran("killed"), None);
    }
}
