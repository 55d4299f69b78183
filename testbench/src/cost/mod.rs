//! What system calls and whole programs cost, in nanoseconds: in a machine whose time counts instructions, those.
//!
//! One process measures one setting. What it is compared with is another process's business: [`setting`] makes what is
//! not made by starting it in a sandbox.

pub mod operation;
pub mod setting;
mod settle;

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use self::operation::Operation;

/// One thing measured in one setting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// What.
    pub what: String,
    /// How many names its path has; 0 for a program.
    pub depth: usize,
    /// Nanoseconds of each run; for an operation each is a mean over many.
    pub samples: Vec<f64>,
    /// How many batches went by until it was settled; none if it did not settle.
    pub settled: Option<usize>,
}

/// Measures `operation` at `depth` names below the root, on what [`operation::prepare`] made there.
///
/// # Errors
/// If one of its calls fails.
pub fn operation(operation: Operation, depth: usize, samples: usize) -> io::Result<Cost> {
    let (settled, samples) = settle::settle(samples, operation.at(depth)?)?;
    Ok(Cost { what: operation.name().to_owned(), depth, samples, settled })
}

/// Measures whole runs of `command`, before each of which `prepare` is run by the shell.
///
/// # Errors
/// If a command cannot be run or fails.
pub fn program(name: &str, prepare: Option<&str>, command: &str, samples: usize) -> io::Result<Cost> {
    let shell = |line: &str| -> io::Result<()> {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", line]).stdin(Stdio::null()).stdout(Stdio::null());
        let status = shell.status()?;
        if status.success() { Ok(()) } else { Err(io::Error::other(format!("`{line}`: {status}"))) }
    };
    let mut times = Vec::new();
    for _ in 0..=samples {
        if let Some(line) = prepare {
            shell(line)?;
        }
        let start = Instant::now();
        shell(command)?;
        times.push(start.elapsed().as_nanos() as f64);
    }
    // The first run fills caches.
    times.remove(0);
    Ok(Cost { what: name.to_owned(), depth: 0, samples: times, settled: Some(1) })
}

/// Whether `path` may be opened for reading.
#[must_use]
pub fn opens(path: &Path) -> bool {
    std::fs::File::open(path).is_ok()
}

/// The directory `depth` names below the root whose file is measured: what policies that are measured speak of.
#[must_use]
pub fn folder(depth: usize) -> PathBuf {
    let mut path = PathBuf::from("/");
    (1..depth).for_each(|level| path.push(format!("part-{level:03}")));
    path
}
