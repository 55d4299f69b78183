//! What must hold for long: many calls while policies change, agents killed at any moment, many sandboxes at once.
//!
//! Everything here runs `boesfs` as a user would, as root, on a kernel where the lsm plane works, and fails if something
//! is not as it must be. What was seen is told as one JSON object.

pub mod crowd;
pub mod kills;
pub mod press;
mod refused;
pub mod reloads;
mod stage;
pub mod worker;

/// Why an endurance test failed.
#[derive(Debug, thiserror::Error)]
pub enum EndureError {
    /// A file, pipe or process.
    #[error("{what}: {source}")]
    Io {
        /// What was to be done.
        what: String,
        /// Why it could not.
        source: std::io::Error,
    },
    /// `boesfs` did not do what it was to do.
    #[error("`boesfs {command}` ended with {status}: {words}")]
    Boesfs {
        /// Its arguments.
        command: String,
        /// How it ended.
        status: std::process::ExitStatus,
        /// What it said.
        words: String,
    },
    /// What must hold did not.
    #[error("{0}")]
    Broken(String),
}

impl EndureError {
    fn io(what: impl ToString) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.to_string();
        move |source| Self::Io { what, source }
    }

    fn broken<T>(what: impl ToString) -> Result<T, Self> {
        Err(Self::Broken(what.to_string()))
    }
}
