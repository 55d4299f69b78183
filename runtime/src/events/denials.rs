//! Records on their way from the keeper to the supervisor, and the kill limit.

use std::io;
use std::num::NonZeroU64;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Event;
use crate::sys;

/// The first byte of a packet says what it is; the rest of an event is its line, of a loss the count.
const EVENT: u8 = b'E';
const LOST: u8 = b'L';
const LIMIT: u8 = b'K';

/// The longest packet: two arguments and a path of 4 096 bytes, each byte escaped, and a rule's text.
const PACKET: usize = 128 * 1024;

/// How long the kernel may take to pass the death of an init on to its pid namespace.
const PATIENCE: Duration = Duration::from_secs(1);

/// How often that is looked at.
const PAUSE: Duration = Duration::from_micros(50);

/// What the caller of [`Denials::report`] does with the call it judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Answer it.
    Answer,
    /// The sandbox has been killed, the calling process included: whatever is answered, nobody sees it.
    Killed,
}

/// Where engines in the keeper report what they judged. Cheap to clone, for use by many threads.
#[derive(Clone, Debug)]
pub struct Denials {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug)]
struct Shared {
    socket: OwnedFd,
    init: Option<OwnedFd>,
    pid_namespace: Option<sys::NamespaceId>,
    limit: Option<NonZeroU64>,
    counted: u64,
    lost: u64,
}

/// The supervisor's end.
#[derive(Debug)]
pub struct Channel {
    socket: OwnedFd,
}

/// A packet as the supervisor gets it.
#[derive(Debug, PartialEq, Eq)]
pub enum Packet {
    /// An event's line, newline included.
    Line(Vec<u8>),
    /// So many events were lost.
    Lost(u64),
    /// The kill limit is reached.
    Limit,
}

/// A channel for the records of one sandbox, which dies at its `limit`th counted denial.
///
/// # Errors
/// If no socket pair can be had.
pub fn channel(limit: Option<NonZeroU64>) -> io::Result<(Denials, Channel)> {
    let (keeper, supervisor) = sys::packet_pair()?;
    let shared = Shared { socket: keeper, init: None, pid_namespace: None, limit, counted: 0, lost: 0 };
    Ok((Denials { shared: Arc::new(Mutex::new(shared)) }, Channel { socket: supervisor }))
}

impl Denials {
    /// Says whom to kill at the limit: the init process by its pidfd, and tasks in its pid namespace.
    pub(crate) fn set_victim(&self, init: OwnedFd, pid_namespace: sys::NamespaceId) {
        let mut shared = self.lock();
        shared.init = Some(init);
        shared.pid_namespace = Some(pid_namespace);
    }

    /// Reports `event`. If it is the denial at which the sandbox dies, or a later one, its process and the whole
    /// sandbox have been killed when this returns: call it before answering the call.
    #[must_use = "a killed caller must not be answered as if it lived"]
    pub fn report(&self, event: &Event) -> Next {
        let mut shared = self.lock();
        let counts = event.counts();
        let Some(limit) = shared.limit.filter(|_| counts) else {
            shared.send_event(event);
            return Next::Answer;
        };
        if shared.counted < limit.get() {
            shared.counted += 1;
            shared.send_event(event);
            if shared.counted < limit.get() {
                return Next::Answer;
            }
            shared.send(&[LIMIT]);
        }
        shared.kill(event.pid);
        Next::Killed
    }

    /// Reports that `count` events could not be kept.
    pub fn lost(&self, count: u64) {
        let mut shared = self.lock();
        shared.lost += count;
        shared.send_lost();
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        // A thread that panicked while holding the lock left at worst one event unsent.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    fn send_event(&mut self, event: &Event) {
        let mut packet = vec![EVENT];
        packet.extend_from_slice(&event.line());
        if !self.send(&packet) {
            self.lost += 1;
        }
        self.send_lost();
    }

    fn send_lost(&mut self) {
        let mut packet = vec![LOST];
        packet.extend_from_slice(&self.lost.to_le_bytes());
        if self.lost > 0 && self.send(&packet) {
            self.lost = 0;
        }
    }

    fn send(&self, packet: &[u8]) -> bool {
        packet.len() <= PACKET && sys::send_packet(self.socket.as_fd(), packet, &[]).is_ok()
    }

    /// Kills the init, and with it everything in its pid namespace; returns when that has reached `caller`, which still
    /// waits for its answer: so nobody in the sandbox sees what comes of the call.
    ///
    /// The caller's id is used only while it names a task of the sandbox: one that is gone may have left it to
    /// somebody else.
    fn kill(&self, caller: u32) {
        let Some(init) = &self.init else { return };
        let _ = sys::pidfd_kill(init.as_fd(), libc::SIGKILL);
        let began = Instant::now();
        while sys::pid_namespace(caller).ok() == self.pid_namespace && !sys::is_being_killed(caller) {
            if began.elapsed() > PATIENCE {
                // A caller that died meanwhile is as dead as it is meant to be.
                let _ = sys::kill(caller, libc::SIGKILL);
                return;
            }
            std::thread::sleep(PAUSE);
        }
    }
}

impl Channel {
    /// The next packet, `None` if there is none yet or the keeper is gone.
    ///
    /// # Errors
    /// If the socket fails or the packet is not one.
    pub fn receive(&self) -> io::Result<Option<Packet>> {
        let mut buffer = vec![0; PACKET];
        let (length, _) = match sys::receive_packet(self.socket.as_fd(), &mut buffer, sys::Wait::No) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            other => other?,
        };
        buffer.truncate(length);
        let malformed = || io::Error::new(io::ErrorKind::InvalidData, "malformed packet of events");
        match buffer.first() {
            None => Ok(None),
            Some(&EVENT) => {
                buffer.remove(0);
                Ok(Some(Packet::Line(buffer)))
            }
            Some(&LOST) => {
                let count = buffer[1..].try_into().map_err(|_| malformed())?;
                Ok(Some(Packet::Lost(u64::from_le_bytes(count))))
            }
            Some(&LIMIT) => Ok(Some(Packet::Limit)),
            Some(_) => Err(malformed()),
        }
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
