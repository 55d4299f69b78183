//! A running sandbox as the supervisor sees it: signals go in, events and the exit status come out.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{SystemTime, UNIX_EPOCH};

use boesfs_abi::verdict::{Level, Verdict};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;

use super::message::{self, Ending, Failure, Message};
use super::supervisor::Started;
use super::{Beginning, Config};
use crate::events::{Cause, Event, Log, Packet, Record};
use crate::plane::{Engine, ExecGate, Inside};
use crate::sys::{self, Wait};

/// How a sandbox ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// With its command.
    Ended(Ending),
    /// At its kill limit.
    KillLimit,
    /// Killed from outside, or because its machinery failed while the command ran.
    Killed(String),
    /// Before its command began.
    Failed(Failure),
}

/// Signals that end the set-up; later it is the command's to decide.
const ENDING: [Signal; 4] = [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM];

/// `ssi_code` of a signal the terminal sent: to the whole foreground process group, the command included.
const SI_KERNEL: i32 = 0x80;

pub(super) struct Watch<'a, 'b> {
    config: &'a Config,
    engine: &'a mut dyn Engine,
    log: &'a mut Log,
    started: Started,
    beginning: Beginning<'b>,
    stage: Stage,
    init: Option<OwnedFd>,
    entry: Option<(u32, OwnedFd)>,
    control_open: bool,
    engine_works: bool,
    ending: Option<Ending>,
    /// Why nothing has run.
    failure: Option<Failure>,
    /// Why what may have run was killed.
    broken: Option<String>,
    limit_reached: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Nothing of the command has run.
    SettingUp,
    /// The command may begin at any time.
    LetGo,
    /// It has.
    Running,
}

impl<'a, 'b> Watch<'a, 'b> {
    pub(super) fn new(
        config: &'a Config,
        engine: &'a mut dyn Engine,
        log: &'a mut Log,
        started: Started,
        beginning: Beginning<'b>,
    ) -> Self {
        Self {
            config,
            engine,
            log,
            started,
            beginning,
            stage: Stage::SettingUp,
            init: None,
            entry: None,
            control_open: true,
            engine_works: true,
            ending: None,
            failure: None,
            broken: None,
            limit_reached: false,
        }
    }

    pub(super) fn until_the_end(mut self) -> Outcome {
        loop {
            match self.turn() {
                Ok(true) => {}
                Ok(false) => break,
                Err(failure) => self.fail(failure),
            }
        }
        self.bury();
        self.outcome()
    }

    /// Waits for something to happen and deals with it; false once the keeper has ended.
    fn turn(&mut self) -> Result<bool, Failure> {
        let keeper_lives = !self.wait().map_err(|error| Failure::setup("wait for the sandbox", error))?;
        self.take_messages()?;
        self.take_events()?;
        self.take_signals().map_err(|error| Failure::setup("take signals", error))?;
        Ok(keeper_lives)
    }

    /// Waits until something can be taken; true if the keeper has ended.
    fn wait(&self) -> io::Result<bool> {
        let readable = |fd| PollFd::new(fd, PollFlags::POLLIN);
        let mut fds = vec![readable(self.started.keeper_fd.as_fd()), readable(self.started.signals.as_fd())];
        // The other end of the events stays open exactly as long as the keeper lives.
        fds.push(readable(self.started.channel.as_fd()));
        if self.control_open {
            fds.push(readable(self.started.control.as_fd()));
        }
        if self.engine_works {
            fds.extend(self.engine.poll_fd().map(readable));
        }
        match poll(&mut fds, PollTimeout::NONE) {
            Ok(_) => Ok(fds[0].any().unwrap_or(false)),
            Err(Errno::EINTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn take_messages(&mut self) -> Result<(), Failure> {
        let setup = |error| Failure::setup("hear from the sandbox", error);
        loop {
            match message::receive(self.started.control.as_fd(), Wait::No) {
                Ok(Some((message, fds))) => self.take_message(message, fds)?,
                Ok(None) => {
                    self.control_open = false;
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => {
                    self.control_open = false;
                    return Err(setup(error));
                }
            }
        }
    }

    fn take_message(&mut self, message: Message, fds: Vec<OwnedFd>) -> Result<(), Failure> {
        let mut fds = fds.into_iter();
        let mut next =
            || fds.next().ok_or_else(|| Failure::setup("hear from the sandbox", "a descriptor is missing"));
        match message {
            Message::Cloned => self.init = Some(next()?),
            Message::Ready => {
                let (entry, root, dir) = (next()?, next()?, next()?);
                self.let_go(entry, root, dir).map_err(|error| Failure::setup("attach", error))?;
            }
            Message::Held => self.let_begin()?,
            Message::Started => self.stage = Stage::Running,
            Message::Ended(ending) => self.ending = Some(ending),
            Message::Failed(failure) => {
                self.failure.get_or_insert(failure);
            }
            Message::Mapped | Message::Go | Message::Begin => {
                return Err(Failure::setup("hear from the sandbox", format!("unexpected {message:?}")));
            }
        }
        Ok(())
    }

    fn let_go(&mut self, entry: OwnedFd, root: OwnedFd, dir: OwnedFd) -> io::Result<()> {
        let init = self.init.as_ref().ok_or_else(|| io::Error::other("the init has not been announced"))?;
        let inside = Inside { init: sys::duplicate(init)?, entry: sys::duplicate(&entry)?, root, dir };
        self.engine.attach(&inside).map_err(io::Error::other)?;
        self.entry = Some((sys::pidfd_pid(entry.as_fd())?, entry));
        self.stage = match self.started.gate {
            ExecGate::Open => Stage::LetGo,
            ExecGate::Stopped => Stage::SettingUp,
        };
        message::send(self.started.control.as_fd(), &Message::Go, &[])
    }

    fn let_begin(&mut self) -> Result<(), Failure> {
        match &mut self.beginning {
            Beginning::Free => {}
            Beginning::After(last) => {
                let init = self.init.as_ref().ok_or_else(|| {
                    Failure::setup("let the command begin", "the init has not been announced")
                })?;
                last(init.as_fd())?;
            }
        }
        self.stage = Stage::LetGo;
        message::send(self.started.control.as_fd(), &Message::Begin, &[])
            .map_err(|error| Failure::setup("let the command begin", error))
    }

    fn take_events(&mut self) -> Result<(), Failure> {
        let failed = |error| Failure::setup("receive events", error);
        while let Some(packet) = self.started.channel.receive().map_err(failed)? {
            match packet {
                Packet::Line(line) => self.log.write(&line),
                Packet::Lost(count) => self.log.lose(count),
                Packet::Limit => self.reach_limit(),
            }
        }
        if !self.engine_works {
            return Ok(());
        }
        let mut records = Vec::new();
        let drained = self.engine.drain(&mut |record| records.push(record));
        for record in records {
            match record {
                Record::Event(event) => self.log.write(&event.line()),
                Record::Lost(count) => self.log.lose(count),
                Record::Folded(count) => self.log.fold(count),
                Record::Limit => self.reach_limit(),
            }
        }
        drained.map_err(|error| {
            self.engine_works = false;
            Failure::setup("receive events", error)
        })
    }

    fn take_signals(&mut self) -> io::Result<()> {
        while let Some(info) = self.started.signals.read_signal()? {
            let number = i32::try_from(info.ssi_signo).map_err(io::Error::other)?;
            match (&self.entry, self.stage) {
                (_, Stage::SettingUp) | (None, Stage::LetGo | Stage::Running) => {
                    if ENDING.iter().any(|ending| *ending as i32 == number) {
                        self.fail(Failure::setup("set up the sandbox", format!("ended by signal {number}")));
                    }
                }
                (Some((_, entry)), Stage::LetGo | Stage::Running) => {
                    if info.ssi_code != SI_KERNEL {
                        // A command that has ended needs no signal any more.
                        let _ = sys::pidfd_kill(entry.as_fd(), number);
                    }
                }
            }
        }
        Ok(())
    }

    /// The sandbox dies, and an event says so. The plane has killed the process that made the call.
    fn reach_limit(&mut self) {
        if !self.limit_reached {
            self.limit_reached = true;
            self.kill();
            let event = self.limit_event();
            self.log.write(&event.line());
        }
    }

    fn limit_event(&self) -> Event {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Event {
            time: u64::try_from(since.as_nanos()).unwrap_or(u64::MAX),
            sandbox: self.config.name.clone(),
            policy: self.config.policy.clone(),
            generation: 1,
            pid: self.entry.as_ref().map_or(0, |(pid, _)| *pid),
            uid: Some(nix::unistd::geteuid().as_raw()),
            sub: self.config.command[0].to_bytes().to_vec(),
            op: None,
            path: None,
            path_truncated: false,
            args: Vec::new(),
            verdict: Verdict::Deny,
            errno: None,
            level: Level::Alert,
            cause: Cause::KillLimit,
            plane: self.engine.plane(),
            folded: 0,
        }
    }

    fn fail(&mut self, failure: Failure) {
        match self.stage {
            Stage::SettingUp => {
                self.failure.get_or_insert(failure);
            }
            Stage::LetGo | Stage::Running => {
                self.broken.get_or_insert(failure.to_string());
            }
        }
        self.kill();
    }

    /// Kills everything in the sandbox. What cannot be killed any more is dead.
    fn kill(&self) {
        let victim = self.init.as_ref().unwrap_or(&self.started.keeper_fd);
        let _ = sys::pidfd_kill(victim.as_fd(), libc::SIGKILL);
    }

    /// Waits until no process is left, and takes what they have left to say.
    fn bury(&mut self) {
        let _ = sys::waitpid(self.started.keeper.as_raw());
        if let Some(init) = &self.init {
            // The keeper may have died first; the kernel then kills the init, and its pid namespace with it.
            let mut fds = [PollFd::new(init.as_fd(), PollFlags::POLLIN)];
            while poll(&mut fds, PollTimeout::NONE) == Err(Errno::EINTR) {}
        }
        for taken in [self.take_messages(), self.take_events()] {
            if let Err(failure) = taken {
                self.fail(failure);
            }
        }
    }

    fn outcome(self) -> Outcome {
        let killed = "the sandbox was killed";
        if self.limit_reached {
            return Outcome::KillLimit;
        }
        match (self.broken, self.failure, self.ending, self.stage) {
            (Some(reason), ..) => Outcome::Killed(reason),
            (None, Some(failure), ..) => Outcome::Failed(failure),
            (None, None, Some(ending), _) => Outcome::Ended(ending),
            (None, None, None, Stage::SettingUp) => {
                Outcome::Failed(Failure::setup("set up the sandbox", killed))
            }
            (None, None, None, Stage::LetGo | Stage::Running) => Outcome::Killed(killed.to_owned()),
        }
    }
}
