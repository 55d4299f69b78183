//! Running other programs, with errors that name them.

use std::io::{self, Write};
use std::process::{Command, ExitStatus, Stdio};

/// Why another program's work could not be had.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// It could not be started.
    #[error("cannot run `{program}`: {source}")]
    Start {
        /// What was to be run.
        program: String,
        /// Why it did not.
        source: io::Error,
    },
    /// It ran and failed.
    #[error("`{command}` failed ({status}){}", detail(.stderr))]
    Failed {
        /// The whole command line.
        command: String,
        /// How it ended.
        status: ExitStatus,
        /// What it wrote to stderr, empty if that went elsewhere.
        stderr: String,
    },
}

/// Runs `command` with our own stdout and stderr and no stdin.
///
/// # Errors
/// If it cannot be started or does not exit with 0.
pub fn run(command: &mut Command) -> Result<(), ProcessError> {
    let status = command.stdin(Stdio::null()).status().map_err(|source| not_started(command, source))?;
    succeeded(command, status, String::new())
}

/// Runs `command` and gives what it wrote to stdout; its stderr is kept for the error.
///
/// # Errors
/// If it cannot be started or does not exit with 0.
pub fn capture(command: &mut Command) -> Result<String, ProcessError> {
    let output = command.stdin(Stdio::null()).output().map_err(|source| not_started(command, source))?;
    succeeded(command, output.status, String::from_utf8_lossy(&output.stderr).into_owned())?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs `command` and gives what it wrote to stderr, which is kept for the error too; its stdout is dropped.
///
/// # Errors
/// If it cannot be started or does not exit with 0.
pub fn capture_errors(command: &mut Command) -> Result<String, ProcessError> {
    let output = command.stdin(Stdio::null()).output().map_err(|source| not_started(command, source))?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    succeeded(command, output.status, said.clone())?;
    Ok(said)
}

/// What is written to it goes to our stdout at once and is kept.
#[derive(Debug, Default)]
pub struct Tee {
    kept: Vec<u8>,
}

impl Tee {
    /// What has been written so far, as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.kept).into_owned()
    }
}

impl Write for Tee {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        io::stdout().write_all(bytes)?;
        self.kept.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stdout().flush()
    }
}

/// Runs `command` with its stdout both shown and given back, beside how it ended; failing is an answer too.
///
/// # Errors
/// If it cannot be started or followed.
pub fn follow(command: &mut Command) -> Result<(ExitStatus, String), ProcessError> {
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().map_err(|source| not_started(command, source))?;
    let failed = |source| not_started(command, source);
    let mut tee = Tee::default();
    if let Some(mut output) = child.stdout.take() {
        io::copy(&mut output, &mut tee).and_then(|_| tee.flush()).map_err(failed)?;
    }
    let status = child.wait().map_err(failed)?;
    Ok((status, tee.text()))
}

/// Whether `program` can be found on PATH.
#[must_use]
pub fn on_path(program: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(program).is_file()))
}

/// `command` as it would be typed, near enough to be read.
#[must_use]
pub fn command_line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

fn not_started(command: &Command, source: io::Error) -> ProcessError {
    ProcessError::Start { program: command.get_program().to_string_lossy().into_owned(), source }
}

fn succeeded(command: &Command, status: ExitStatus, stderr: String) -> Result<(), ProcessError> {
    if status.success() {
        return Ok(());
    }
    Err(ProcessError::Failed { command: command_line(command), status, stderr })
}

fn detail(stderr: &str) -> String {
    if stderr.trim().is_empty() { String::new() } else { format!(": {}", stderr.trim()) }
}
