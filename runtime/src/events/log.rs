//! Where events end up: a file or the standard output, one JSON object a line.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

/// The destination of a sandbox's events, with counts of what went there.
#[derive(Debug)]
pub struct Log {
    sink: Option<(PathBuf, File)>,
    written: u64,
    lost: u64,
    folded: u64,
    failure: Option<String>,
}

/// Events cannot be written where they were wanted.
#[derive(Debug, thiserror::Error)]
#[error("cannot write events to `{}`: {error}", path.display())]
pub struct LogError {
    path: PathBuf,
    error: io::Error,
}

impl Log {
    /// A log that only counts.
    #[must_use]
    pub fn counting() -> Self {
        Self { sink: None, written: 0, lost: 0, folded: 0, failure: None }
    }

    /// A log that is appended to `path`, made if it is not there; to the standard output if `path` is `-`.
    ///
    /// # Errors
    /// If the file cannot be made.
    pub fn open(path: &Path) -> Result<Self, LogError> {
        let file = if path == Path::new("-") {
            io::stdout().as_fd().try_clone_to_owned().map(File::from)
        } else {
            File::options().append(true).create(true).open(path)
        };
        let file = file.map_err(|error| LogError { path: path.to_owned(), error })?;
        Ok(Self { sink: Some((path.to_owned(), file)), ..Self::counting() })
    }

    /// Writes `line`, which ends in a newline. A line that cannot be written counts as lost.
    pub fn write(&mut self, line: &[u8]) {
        if let Some((path, file)) = &mut self.sink
            && let Err(error) = file.write_all(line)
        {
            self.lost += 1;
            self.failure.get_or_insert_with(|| LogError { path: path.clone(), error }.to_string());
            return;
        }
        self.written += 1;
    }

    /// Counts `count` events that never came.
    pub fn lose(&mut self, count: u64) {
        self.lost += count;
    }

    /// Counts `count` events that were folded into others of their kind.
    pub fn fold(&mut self, count: u64) {
        self.folded += count;
    }

    /// How many events were folded into others of their kind.
    #[must_use]
    pub fn folded(&self) -> u64 {
        self.folded
    }

    /// How many events were written, or would have been.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.written
    }

    /// What to tell the user at the end, if anything was lost.
    #[must_use]
    pub fn complaint(&self) -> Option<String> {
        match (&self.failure, self.lost) {
            (Some(failure), lost) => Some(format!("{failure} ({lost} events lost)")),
            (None, 0) => None,
            (None, lost) => Some(format!("{lost} events lost")),
        }
    }
}
