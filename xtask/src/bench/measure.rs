//! One run of a program: what it took of the clock, the processor and memory, and how many instructions it has.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use nix::sys::resource::{UsageWho, getrusage};
use serde::{Deserialize, Serialize};

use crate::process::{self, ProcessError};

/// What one run took.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Seconds by the clock.
    pub wall: f64,
    /// Seconds of processor time, the kernel's for it included.
    pub processor: f64,
    /// The most memory it had at once, in MiB.
    pub memory: f64,
}

/// Why a run could not be measured.
#[derive(Debug, thiserror::Error)]
pub enum MeasureError {
    /// The program or what measures it could not be run, or failed.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// What was measured could not be read back.
    #[error("cannot read a measurement: {0}")]
    Answer(#[from] serde_json::Error),
    /// The system does not say what was used.
    #[error("cannot read what a program used: {0}")]
    Usage(#[from] nix::Error),
    /// callgrind ended without a count.
    #[error("callgrind did not say how many instructions `{command}` has: {said}")]
    NoCount {
        /// What it ran.
        command: String,
        /// What it said instead.
        said: String,
    },
}

/// Runs `command` and measures it. The system counts what all children of a process used together, so this is called
/// by a process that has no other: see [`apart`].
///
/// # Errors
/// [`MeasureError`] if it cannot be run or dies.
pub fn here(command: &mut Command) -> Result<Run, MeasureError> {
    let start = Instant::now();
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status();
    // A policy that is refused is a run as well; what dies is none.
    let status =
        status.map_err(|source| ProcessError::Start { program: process::command_line(command), source })?;
    if status.code().is_none() {
        let command = process::command_line(command);
        return Err(ProcessError::Failed { command, status, stderr: String::new() }.into());
    }
    let wall = start.elapsed().as_secs_f64();
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    Ok(Run {
        wall,
        processor: seconds(usage.user_time()) + seconds(usage.system_time()),
        memory: usage.max_rss() as f64 / 1024.0,
    })
}

/// Measures `command` in a process of its own, which `measurer` starts: this program with the words that lead to
/// [`here`].
///
/// # Errors
/// As [`here`].
pub fn apart(measurer: &[&str], command: &[&str]) -> Result<Run, MeasureError> {
    let program = std::env::current_exe()
        .map_err(|source| ProcessError::Start { program: "this program".to_owned(), source })?;
    let answer = process::capture(Command::new(program).args(measurer).args(command))?;
    Ok(serde_json::from_str(&answer)?)
}

/// How many instructions `command` has when it is run once, by callgrind, which may write to `folder`.
///
/// # Errors
/// [`MeasureError`] if it cannot be run or does not count.
pub fn instructions(command: &[&str], folder: &Path) -> Result<u64, MeasureError> {
    let file = folder.join("callgrind.out");
    let mut valgrind = Command::new("valgrind");
    valgrind.arg("--tool=callgrind").arg(format!("--callgrind-out-file={}", file.display())).args(command);
    process::capture(&mut valgrind)?;
    let said = std::fs::read_to_string(&file)
        .map_err(|source| ProcessError::Start { program: "valgrind".to_owned(), source })?;
    counted(&said).ok_or_else(|| MeasureError::NoCount {
        command: command.join(" "),
        said: said.lines().next_back().unwrap_or_default().to_owned(),
    })
}

/// The count in a file of callgrind's.
fn counted(file: &str) -> Option<u64> {
    let line = file.lines().find_map(|line| line.strip_prefix("totals:").or(line.strip_prefix("summary:")));
    line?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_counts() {
        assert_eq!(counted("version: 1\nfn=main\n1 2\ntotals: 265763246\n"), Some(265_763_246));
        assert_eq!(counted("summary: 12\n"), Some(12));
        assert_eq!(counted("version: 1\n"), None);
    }
}
