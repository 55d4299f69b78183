//! What the processes of a sandbox say to each other while it is set up and run.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use serde::{Deserialize, Serialize};

use crate::sys::{self, Wait};

/// The longest message: a failure with two paths in it.
const LENGTH: usize = 32 * 1024;

/// What is said on the control socket, in this order unless something fails.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Message {
    /// Supervisor to keeper: the ids are mapped.
    Mapped,
    /// Keeper to supervisor: the init exists; carries its pidfd.
    Cloned,
    /// Init to supervisor: the entry process waits; carries its pidfd, the root and the protected directory.
    Ready,
    /// Supervisor to init: the entry process may exec.
    Go,
    /// Init to supervisor: it has become the command, is judged, and is held before its first instruction. Not said of an
    /// entry process that is let go by an open gate.
    Held,
    /// Supervisor to init: the command may begin.
    Begin,
    /// Init to supervisor: the command has begun.
    Started,
    /// Init to supervisor: the command has ended.
    Ended(Ending),
    /// Keeper or init to supervisor: this went wrong, and nothing has run.
    Failed(Failure),
}

/// How the command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ending {
    /// With this exit status.
    Exited(u8),
    /// By this signal.
    Signaled(i32),
}

/// Why the command did not run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Failure {
    /// A step of the set-up failed.
    #[error("cannot {step}: {reason}")]
    Setup {
        /// What was to be done.
        step: String,
        /// What came of it.
        reason: String,
    },
    /// A check of the set-up found what must not be.
    #[error("{reason}")]
    Refused {
        /// What.
        reason: String,
    },
    /// The command exists but could not be executed.
    #[error("cannot execute `{command}`: {reason}")]
    Exec {
        /// As it was named.
        command: String,
        /// What the kernel said.
        reason: String,
    },
    /// There is no such command.
    #[error("command `{command}` not found")]
    NotFound {
        /// As it was named.
        command: String,
    },
}

impl Failure {
    /// The failure of `step` for `reason`.
    pub(crate) fn setup(step: impl ToString, reason: impl ToString) -> Self {
        Self::Setup { step: step.to_string(), reason: reason.to_string() }
    }
}

/// Says `message` on `socket`, handing over copies of `fds`.
pub(super) fn send(socket: BorrowedFd<'_>, message: &Message, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut text = serde_json::to_vec(message)?;
    if text.len() > LENGTH {
        text = serde_json::to_vec(&Message::Failed(Failure::setup(
            "say what went wrong",
            "the message is too long",
        )))?;
    }
    sys::send_packet(socket, &text, fds)
}

/// What was said on `socket`; `None` if the other end is gone.
pub(super) fn receive(socket: BorrowedFd<'_>, wait: Wait) -> io::Result<Option<(Message, Vec<OwnedFd>)>> {
    let mut buffer = vec![0; LENGTH];
    match sys::receive_packet(socket, &mut buffer, wait)? {
        (0, _) => Ok(None),
        (length, fds) => Ok(Some((serde_json::from_slice(&buffer[..length])?, fds))),
    }
}

/// Waits for exactly `expected` on `socket`.
pub(super) fn expect(socket: impl AsFd, expected: &Message) -> io::Result<()> {
    match receive(socket.as_fd(), Wait::Yes)? {
        Some((message, _)) if message == *expected => Ok(()),
        Some((message, _)) => {
            Err(io::Error::new(io::ErrorKind::InvalidData, format!("unexpected {message:?}")))
        }
        None => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the supervisor is gone")),
    }
}
