//! A sandbox with the prober in it, kept for many calls.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat, openat};
use serde::Deserialize;

use super::call::Call;
use crate::engine::RealPlane;

/// How long a call may take before the sandbox counts as stuck, in seconds.
const PATIENCE: i64 = 180;
/// How long a sandbox may take to start. The first of a plane has the kernel verify every program: a minute of an emulated
/// processor's time, and more machines than processors are emulated at once.
const START_PATIENCE: i64 = 900;
/// How long an event may take after the call it tells of, in seconds.
const EVENT_PATIENCE: i64 = 3;

/// What a sandbox is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    /// The program that makes sandboxes.
    pub(crate) boesfs: &'a Path,
    /// Where the policy is enforced.
    pub(crate) plane: RealPlane,
    /// The image.
    pub(crate) image: &'a Path,
    /// The sandbox's root.
    pub(crate) root: &'a Path,
    /// The protected directory, as seen inside.
    pub(crate) dir: &'a std::ffi::OsStr,
    /// The sandbox's name.
    pub(crate) name: &'a str,
    /// The prober, as seen inside.
    pub(crate) program: &'a std::ffi::OsStr,
    /// Where the fifo for events may be made.
    pub(crate) events: &'a Path,
}

/// A running prober.
#[derive(Debug)]
pub(crate) struct Session {
    child: Child,
    /// `None` once the prober has been told to end.
    calls: Option<ChildStdin>,
    results: BufReader<ChildStdout>,
    complaints: OwnedFd,
    events: File,
    partial: Vec<u8>,
}

/// One event, as far as it is compared.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Event {
    /// The operation.
    pub(crate) op: Option<String>,
    /// The object, escaped.
    pub(crate) path: Option<String>,
    /// `allow`, `deny`, `kill`.
    pub(crate) verdict: String,
    /// The error's name.
    pub(crate) errno: Option<String>,
    /// The rule that decided.
    pub(crate) rule: Option<EventRule>,
    /// Why, where a rule does not say it all.
    pub(crate) reason: Option<String>,
    /// The subject.
    pub(crate) sub: String,
    /// Where it was decided.
    pub(crate) plane: String,
}

/// The rule in an event.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct EventRule {
    /// Its id.
    pub(crate) id: String,
    /// Its line.
    pub(crate) line: u32,
}

/// Why a sandbox does not answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SessionError {
    /// It could not be started.
    #[error("`boesfs` cannot be run: {0}")]
    NotStarted(io::Error),
    /// It ended before it should.
    #[error("the sandbox ended ({status}): {words}")]
    Ended {
        /// How.
        status: ExitStatus,
        /// What it said.
        words: String,
    },
    /// Nothing came in time.
    #[error("no answer within {0} s")]
    Stuck(i64),
    /// The pipes broke.
    #[error("talking to the sandbox: {0}")]
    Broken(#[from] io::Error),
    /// An event line is not one.
    #[error("not an event: `{line}`: {error}")]
    NotAnEvent {
        /// The line.
        line: String,
        /// What is wrong.
        error: serde_json::Error,
    },
}

impl Session {
    /// Starts the prober in a sandbox.
    ///
    /// # Errors
    /// If it does not come up.
    pub(crate) fn start(wanted: Wanted<'_>) -> Result<Self, SessionError> {
        mknodat(CWD, wanted.events, FileType::Fifo, Mode::from_raw_mode(0o600), 0)
            .map_err(io::Error::from)?;
        let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let events = openat(CWD, wanted.events, flags, Mode::empty()).map_err(io::Error::from)?;
        let mut child = Command::new(wanted.boesfs)
            .args(["run", "--plane", wanted.plane.name(), "--name", wanted.name, "--dir"])
            .arg(wanted.dir)
            // A limit that no test reaches, whatever the policy says.
            .args(["--kill-after", "1000000000", "--outside", "allow", "--root"])
            .arg(wanted.root)
            .arg("--events")
            .arg(wanted.events)
            .arg(wanted.image)
            .arg("--")
            .arg(wanted.program)
            .arg("prober")
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(SessionError::NotStarted)?;
        const PIPED: &str = "INVARIANT: all three are piped";
        let mut session = Self {
            calls: Some(child.stdin.take().expect(PIPED)),
            results: BufReader::new(child.stdout.take().expect(PIPED)),
            complaints: child.stderr.take().expect(PIPED).into(),
            events: File::from(events),
            partial: Vec::new(),
            child,
        };
        match session.line(START_PATIENCE)?.as_str() {
            "ready" => Ok(session),
            other => Err(io::Error::other(format!("the prober says `{other}`")).into()),
        }
    }

    /// Has `call` done. Gives its error number, 0 for none.
    ///
    /// # Errors
    /// If the sandbox does not answer.
    pub(crate) fn perform(&mut self, call: &Call) -> Result<i32, SessionError> {
        let mut line = serde_json::to_vec(call).map_err(io::Error::from)?;
        line.push(b'\n');
        let calls = self.calls.as_mut().ok_or_else(|| io::Error::from(io::ErrorKind::BrokenPipe))?;
        calls.write_all(&line)?;
        let answer = self.line(PATIENCE)?;
        answer.parse().map_err(|_| io::Error::other(format!("the prober says `{answer}`")).into())
    }

    /// Ends the sandbox and gives the events that are left.
    ///
    /// # Errors
    /// If it does not end well.
    pub(crate) fn finish(mut self) -> Result<Vec<Event>, SessionError> {
        self.calls = None;
        let status = self.child.wait()?;
        if !status.success() {
            return Err(SessionError::Ended { status, words: read_all(self.complaints.try_clone()?) });
        }
        read_events(&mut self.events, &mut self.partial)
    }

    /// One line of the prober's, each part of which comes within `patience` seconds.
    fn line(&mut self, patience: i64) -> Result<String, SessionError> {
        let mut line = Vec::new();
        loop {
            if self.results.buffer().is_empty() && !readable(self.results.get_ref(), patience)? {
                self.child.kill()?;
                return Err(SessionError::Stuck(patience));
            }
            let mut byte = [0];
            match self.results.read(&mut byte)? {
                0 => {
                    let status = self.child.wait()?;
                    let complaints = self.complaints.try_clone()?;
                    return Err(SessionError::Ended { status, words: read_all(complaints) });
                }
                _ if byte == *b"\n" => return Ok(String::from_utf8_lossy(&line).into_owned()),
                _ => line.push(byte[0]),
            }
        }
    }

    /// The events that have come by now.
    ///
    /// # Errors
    /// If a line is no event.
    pub(crate) fn events(&mut self) -> Result<Vec<Event>, SessionError> {
        read_events(&mut self.events, &mut self.partial)
    }

    /// Waits until there are more events.
    ///
    /// # Errors
    /// If none come in time.
    pub(crate) fn wait_for_events(&mut self) -> Result<(), SessionError> {
        if readable(&self.events, EVENT_PATIENCE)? {
            Ok(())
        } else {
            Err(SessionError::Stuck(EVENT_PATIENCE))
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // A sandbox that has ended is not there any more, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn readable(fd: impl AsFd, seconds: i64) -> Result<bool, SessionError> {
    let patience = Timespec { tv_sec: seconds, tv_nsec: 0 };
    let ready = poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&patience)).map_err(io::Error::from)?;
    Ok(ready > 0)
}

fn read_all(fd: OwnedFd) -> String {
    let mut bytes = Vec::new();
    // What could be read of it is told; the failure to read it is not what went wrong.
    let _ = File::from(fd).read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).trim().replace('\n', " | ")
}

fn read_events(from: &mut File, partial: &mut Vec<u8>) -> Result<Vec<Event>, SessionError> {
    let mut chunk = [0; 4096];
    loop {
        match from.read(&mut chunk) {
            Ok(0) => break,
            Ok(count) => partial.extend_from_slice(&chunk[..count]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) => return Err(error.into()),
        }
    }
    let mut events = Vec::new();
    while let Some(end) = partial.iter().position(|byte| *byte == b'\n') {
        let line: Vec<u8> = partial.drain(..=end).collect();
        events.push(serde_json::from_slice(&line).map_err(|error| SessionError::NotAnEvent {
            line: String::from_utf8_lossy(&line).trim().to_owned(),
            error,
        })?);
    }
    Ok(events)
}
