//! The process between the caller and the sandbox: in the sandbox's user namespace, where the plane is served, but
//! outside its pid namespace, where nothing inside can see it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::mount::{MsFlags, mount};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::{Pid, getppid};
use serde::{Deserialize, Serialize};

use super::init::{self, Birth};
use super::message::{self, Failure, Message};
use super::plan::{KeeperStep, Namespace, Step, SupervisorStep};
use super::{Session, clone_flags};
use crate::plane::Engine;
use crate::sys::{self, Cloned, NamespaceId, Wait};

/// What the init hears when it has asked to arm the plane.
#[derive(Serialize, Deserialize)]
enum Armed {
    Yes,
    No(String),
}

/// The life of the keeper process, a copy of `supervisor`.
pub(super) fn run(session: &Session, engine: &mut dyn Engine, supervisor: Pid) -> ! {
    let mut keeper = Keeper { session, engine, supervisor, cover: None, init: None };
    let status = match keeper.live() {
        Ok(()) => 0,
        Err(failure) => {
            // If nobody listens any more there is nobody to tell.
            let _ = message::send(session.control.as_fd(), &Message::Failed(failure), &[]);
            1
        }
    };
    sys::exit(status)
}

struct Keeper<'a> {
    session: &'a Session,
    engine: &'a mut dyn Engine,
    supervisor: Pid,
    cover: Option<OwnedFd>,
    init: Option<Child>,
}

/// The init, as the keeper knows it.
struct Child {
    pid: Pid,
    pidfd: OwnedFd,
    gate: OwnedFd,
}

impl Keeper<'_> {
    fn live(&mut self) -> Result<(), Failure> {
        for step in &self.session.plan.steps {
            match step {
                Step::Keeper(step) => self.apply(step).map_err(|error| Failure::setup(step, error))?,
                Step::Supervisor(SupervisorStep::MapIds(_)) => {
                    message::expect(&self.session.control, &Message::Mapped)
                        .map_err(|error| Failure::setup("wait for the ids", error))?;
                }
                Step::Supervisor(_) | Step::Init(_) | Step::Entry(_) => {}
            }
        }
        self.wait_for_init().map_err(|error| Failure::setup("wait for the init", error))
    }

    fn apply(&mut self, step: &KeeperStep) -> io::Result<()> {
        match step {
            KeeperStep::DieWithSupervisor => {
                sys::die_with_parent()?;
                if getppid() != self.supervisor {
                    return Err(io::Error::other("the supervisor is gone"));
                }
                Ok(())
            }
            KeeperStep::PrivateMounts => {
                let flags = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
                Ok(mount(None::<&str>, "/", None::<&str>, flags, None::<&str>)?)
            }
            KeeperStep::Undumpable => sys::set_undumpable(),
            KeeperStep::OpenPlane(_, dir) => {
                let root = std::fs::File::open(&self.session.root)?;
                let flags = libc::O_PATH | libc::O_DIRECTORY;
                let tree = sys::openat2(root.as_fd(), &sys::c_path(dir)?, flags, libc::RESOLVE_IN_ROOT)?;
                self.cover = self.engine.open(tree).map_err(io::Error::other)?;
                Ok(())
            }
            KeeperStep::CloneInit(namespaces) => self.clone_init(namespaces),
            KeeperStep::Serve(_) => self.engine.serve(self.session.denials.clone()).map_err(io::Error::other),
        }
    }

    fn clone_init(&mut self, namespaces: &[Namespace]) -> io::Result<()> {
        let (here, there) = sys::packet_pair()?;
        let birth = Birth {
            keeper: sys::pidfd_open(std::process::id().cast_signed())?,
            cover: self.cover.take(),
            gate: there,
        };
        let (pid, pidfd) = match sys::clone(clone_flags(namespaces))? {
            Cloned::Child => init::run(self.session, birth),
            Cloned::Parent(pid, pidfd) => (pid, pidfd),
        };
        drop(birth);
        self.session.denials.set_victim(sys::duplicate(&pidfd)?, hear_namespace(here.as_fd())?);
        message::send(self.session.control.as_fd(), &Message::Cloned, &[pidfd.as_fd()])?;
        sys::send_packet(here.as_fd(), b"!", &[])?;
        self.init = Some(Child { pid: Pid::from_raw(pid), pidfd, gate: here });
        Ok(())
    }

    /// Arms the plane when asked to, until the init is gone.
    fn wait_for_init(&mut self) -> io::Result<()> {
        let Some(init) = &self.init else { return Err(io::Error::other("the plan clones no init")) };
        let mut gate_open = true;
        loop {
            let mut waiting = vec![PollFd::new(init.pidfd.as_fd(), PollFlags::POLLIN)];
            if gate_open {
                waiting.push(PollFd::new(init.gate.as_fd(), PollFlags::POLLIN));
            }
            match poll(&mut waiting, PollTimeout::NONE) {
                Ok(_) | Err(nix::errno::Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
            if waiting[0].any().unwrap_or(false) {
                sys::waitpid(init.pid.as_raw())?;
                return Ok(());
            }
            if waiting.get(1).is_some_and(|gate| gate.any().unwrap_or(false)) {
                gate_open = answer(init.gate.as_fd(), self.engine)?;
            }
        }
    }
}

/// Tells the keeper at the other end of `gate` which pid namespace this process is in (it is not dumpable, so the
/// keeper cannot look for itself), and waits until the keeper has announced it to the supervisor.
pub(super) fn introduce(gate: BorrowedFd<'_>) -> io::Result<()> {
    sys::send_packet(gate, &sys::own_pid_namespace()?.to_bytes(), &[])?;
    match sys::receive_packet(gate, &mut [0], Wait::Yes)? {
        (0, _) => Err(io::Error::other("the keeper is gone")),
        _ => Ok(()),
    }
}

fn hear_namespace(gate: BorrowedFd<'_>) -> io::Result<NamespaceId> {
    let mut bytes = [0; NamespaceId::LENGTH];
    match sys::receive_packet(gate, &mut bytes, Wait::Yes)? {
        (NamespaceId::LENGTH, _) => Ok(NamespaceId::from_bytes(bytes)),
        _ => Err(io::Error::other("the init is gone")),
    }
}

/// Arms the plane for the init at the other end of `gate`; false if it has closed its end.
fn answer(gate: BorrowedFd<'_>, engine: &mut dyn Engine) -> io::Result<bool> {
    if sys::receive_packet(gate, &mut [0], Wait::Yes)?.0 == 0 {
        return Ok(false);
    }
    let armed = match engine.arm() {
        Ok(()) => Armed::Yes,
        Err(error) => Armed::No(error.to_string()),
    };
    sys::send_packet(gate, &serde_json::to_vec(&armed)?, &[])?;
    Ok(true)
}

/// Asks the keeper at the other end of `gate` to arm the plane, and waits until it has.
pub(super) fn ask_to_arm(gate: BorrowedFd<'_>) -> io::Result<()> {
    sys::send_packet(gate, b"?", &[])?;
    let mut buffer = [0; 4096];
    let (length, _) = sys::receive_packet(gate, &mut buffer, Wait::Yes)?;
    if length == 0 {
        return Err(io::Error::other("the keeper is gone"));
    }
    match serde_json::from_slice(&buffer[..length])? {
        Armed::Yes => Ok(()),
        Armed::No(reason) => Err(io::Error::other(reason)),
    }
}
