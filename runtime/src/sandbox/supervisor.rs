//! The process that stays outside: makes the keeper, [watches](Watch) the sandbox, and sees that nothing is left.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::{Pid, getpid};

use super::message::{self, Failure, Message};
use super::plan::{Step, SupervisorStep};
use super::watch::{Outcome, Watch};
use super::{Beginning, Config, Session, clone_flags, keeper, root};
use crate::events::{self, Channel, Log};
use crate::plane::{Engine, ExecGate};
use crate::sys::{self, Cloned};

/// Signals that are passed to the command. Job control is the terminal's affair, which speaks to the whole
/// process group; the others speak of faults of this process or cannot be caught.
const FORWARDED: [Signal; 9] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTERM,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGALRM,
    Signal::SIGWINCH,
    Signal::SIGIO,
];

/// Runs the sandbox `config` on `engine`, its events going to `log`, its command let begin by `beginning`, and waits for its
/// end. The caller must be single-threaded; nothing of the sandbox is left when this returns.
pub fn run(config: &Config, engine: &mut dyn Engine, log: &mut Log, beginning: Beginning<'_>) -> Outcome {
    let gate = beginning.gate(engine.exec_gate());
    let mut outcome = match start(config, engine, gate) {
        Ok(started) => Watch::new(config, engine, log, started, beginning).until_the_end(),
        Err(failure) => Outcome::Failed(failure),
    };
    if let Err(error) = engine.teardown()
        && matches!(outcome, Outcome::Ended(_))
    {
        outcome = Outcome::Killed(error.to_string());
    }
    outcome
}

/// A sandbox whose keeper lives.
pub(super) struct Started {
    pub(super) keeper: Pid,
    pub(super) keeper_fd: OwnedFd,
    pub(super) control: OwnedFd,
    pub(super) channel: Channel,
    pub(super) signals: SignalFd,
    pub(super) gate: ExecGate,
}

fn start(config: &Config, engine: &mut dyn Engine, gate: ExecGate) -> Result<Started, Failure> {
    let setup = |error: io::Error| Failure::setup("prepare the sandbox", error);
    let plan = config.plan(engine.plane(), gate).map_err(setup)?;
    let (control, inner) = sys::packet_pair().map_err(setup)?;
    let (denials, channel) = events::channel(config.kill_after).map_err(setup)?;
    let (signal_mask, signals) = block_signals().map_err(setup)?;
    let session = Session {
        plan,
        root: config.root.path().to_owned(),
        dir: config.dir.clone(),
        command: config.command.clone(),
        candidates: root::candidates(OsStr::from_bytes(config.command[0].to_bytes()), config.search_path()),
        environment: config.environment.clone(),
        signal_mask,
        control: inner,
        denials,
    };
    let mut keeper = None;
    for step in &session.plan.steps {
        let Step::Supervisor(step) = step else { continue };
        let failure = |error: io::Error| Failure::setup(step, error);
        match step {
            SupervisorStep::CloneKeeper(namespaces) => {
                let supervisor = getpid();
                match sys::clone(clone_flags(namespaces)).map_err(|error| failure(explain_clone(error)))? {
                    Cloned::Parent(pid, pidfd) => keeper = Some((Pid::from_raw(pid), pidfd)),
                    Cloned::Child => {
                        // A panic must not unwind into what the supervisor was doing when it was copied.
                        let _ = catch_unwind(AssertUnwindSafe(|| keeper::run(&session, engine, supervisor)));
                        sys::exit(1);
                    }
                }
            }
            SupervisorStep::MapIds(ids) => {
                let Some((pid, pidfd)) = &keeper else { continue };
                let mapped = ids
                    .write(pid.as_raw())
                    .and_then(|()| message::send(control.as_fd(), &Message::Mapped, &[]));
                if let Err(error) = mapped {
                    let _ = sys::pidfd_kill(pidfd.as_fd(), libc::SIGKILL);
                    let _ = sys::waitpid(pid.as_raw());
                    return Err(failure(error));
                }
            }
            // When the entry process is there.
            SupervisorStep::Attach(_) => {}
        }
    }
    let (keeper, keeper_fd) =
        keeper.ok_or_else(|| Failure::setup("clone the keeper", "the plan has no such step"))?;
    Ok(Started { keeper, keeper_fd, control, channel, signals, gate })
}

fn explain_clone(error: io::Error) -> io::Error {
    let hint = match error.raw_os_error() {
        Some(libc::EPERM) => {
            "user namespaces are not allowed here (see sysctl kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns)"
        }
        Some(libc::ENOSPC | libc::EUSERS) => {
            "no more user namespaces are allowed (see sysctl user.max_user_namespaces)"
        }
        _ => return error,
    };
    io::Error::new(error.kind(), format!("{error}: {hint}"))
}

/// Takes the forwarded signals from now on by a descriptor; with the mask there was before.
fn block_signals() -> io::Result<(SigSet, SignalFd)> {
    let taken: SigSet = FORWARDED.into_iter().collect();
    let mut before = SigSet::empty();
    sigprocmask(SigmaskHow::SIG_BLOCK, Some(&taken), Some(&mut before))?;
    Ok((before, SignalFd::with_flags(&taken, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?))
}
