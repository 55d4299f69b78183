//! The first process of a sandbox's pid namespace: builds what the sandbox sees, locks itself down, makes the
//! process that becomes the command, reaps, and takes everything with it when the command ends.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::mount::{MntFlags, umount2};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::ptrace;
use nix::unistd::{Pid, chdir, execve, fchdir, pivot_root};

use super::fixtures::Collection;
use super::keeper;
use super::message::{self, Ending, Failure, Message};
use super::mounts::{self, Tree};
use super::plan::{EntryStep, Fixture, InitStep, NewRoot, Step};
use super::{Session, seccomp};
use crate::plane::ExecGate;
use crate::sys::{self, Change, Cloned, Depth, Wait};

/// What the init is given by the keeper.
#[derive(Debug)]
pub(super) struct Birth {
    /// A pidfd of the keeper.
    pub(super) keeper: OwnedFd,
    /// The plane's mount, to be put over the protected directory.
    pub(super) cover: Option<OwnedFd>,
    /// The init's end of the socket on which the plane is armed.
    pub(super) gate: OwnedFd,
}

/// The life of the init process.
pub(super) fn run(session: &Session, birth: Birth) -> ! {
    let mut init =
        Init { session, birth, collection: None, trees: Vec::new(), outer_root: PathBuf::from("/") };
    let status = match init.live() {
        Ok(ending) => {
            let ended = Message::Ended(ending);
            i32::from(message::send(session.control.as_fd(), &ended, &[]).is_err())
        }
        Err(failure) => {
            // If nobody listens any more there is nobody to tell.
            let _ = message::send(session.control.as_fd(), &Message::Failed(failure), &[]);
            1
        }
    };
    sys::exit(status)
}

struct Init<'a> {
    session: &'a Session,
    birth: Birth,
    collection: Option<Collection>,
    trees: Vec<Tree>,
    /// The sandbox's root, as seen before it is changed to.
    outer_root: PathBuf,
}

impl Init<'_> {
    fn live(&mut self) -> Result<Ending, Failure> {
        let mut entry = None;
        for step in &self.session.plan.steps {
            if let Step::Init(step) = step {
                match step {
                    InitStep::CloneEntry => {
                        entry = Some(self.clone_entry().map_err(|e| Failure::setup(step, e))?)
                    }
                    InitStep::CheckMounts(_) => self.check_mounts(step)?,
                    step => self.apply(step).map_err(|error| Failure::setup(step, error))?,
                }
            }
        }
        let entry =
            entry.ok_or_else(|| Failure::setup("clone the entry process", "the plan has no such step"))?;
        let ended = self.let_go(&entry)?;
        message::send(self.session.control.as_fd(), &Message::Started, &[])
            .map_err(|error| Failure::setup("report the start", error))?;
        match ended {
            Some(ending) => Ok(ending),
            None => {
                reap_until_ended(entry.pid).map_err(|error| Failure::setup("wait for the command", error))
            }
        }
    }

    fn apply(&mut self, step: &InitStep) -> io::Result<()> {
        match step {
            InitStep::DieWithKeeper => {
                self.let_go_of_the_keepers_files()?;
                sys::die_with_parent()?;
                let mut keeper = [PollFd::new(self.birth.keeper.as_fd(), PollFlags::POLLIN)];
                if poll(&mut keeper, PollTimeout::ZERO)? > 0 {
                    return Err(io::Error::other("the keeper is gone"));
                }
                // Whoever waits from here on does so with that death before it.
                keeper::introduce(self.birth.gate.as_fd())
            }
            InitStep::Collect(fixtures) => self.collect(fixtures),
            InitStep::ChangeRoot(NewRoot::Directory(path)) => {
                change_root(&sys::clone_mount(&sys::c_path(path)?, Depth::Recursive)?)
            }
            InitStep::ChangeRoot(NewRoot::Plane) => change_root(self.cover()?),
            InitStep::Cover(dir) => sys::move_mount(self.cover()?.as_fd(), &sys::c_path(dir)?),
            InitStep::Place(fixture) => self.collected()?.place(*fixture),
            InitStep::Hide(path) => hide(path),
            InitStep::EnterDirectory(path) => Ok(chdir(path)?),
            InitStep::DropCapabilities => sys::drop_capabilities(),
            InitStep::NoNewPrivileges => sys::set_no_new_privileges(),
            InitStep::Undumpable => sys::set_undumpable(),
            InitStep::FilterSystemCalls(watches) => seccomp::install(*watches),
            InitStep::KeepNoCores => seccomp::keep_no_cores(),
            InitStep::CheckMounts(_) | InitStep::CloneEntry => Ok(()),
        }
    }

    fn check_mounts(&mut self, step: &InitStep) -> Result<(), Failure> {
        let table = self.collected().and_then(|collection| collection.mount_table());
        let table = table.map_err(|error| Failure::setup(step, error))?;
        let own = [Fixture::Proc.target(), Fixture::Dev.target()];
        mounts::find_alias(&self.trees, &table, &own)
            .map_or(Ok(()), |alias| Err(Failure::Refused { reason: alias.to_string() }))
    }

    /// Above all the plane's: a request of this process that the keeper cannot answer any more must fail, and it only
    /// does once nobody is left who could.
    fn let_go_of_the_keepers_files(&self) -> io::Result<()> {
        let mut keep = vec![self.session.control.as_fd(), self.birth.keeper.as_fd(), self.birth.gate.as_fd()];
        keep.extend(self.birth.cover.as_ref().map(AsFd::as_fd));
        sys::close_all_but(&keep)
    }

    fn cover(&self) -> io::Result<&OwnedFd> {
        let cover = self.birth.cover.as_ref().ok_or_else(|| io::Error::other("the plane gave no mount"))?;
        // Until the kernel has asked who owns it, it takes the mount's root for one of uid 0's, which there may not be
        // here: then nobody could write in it.
        nix::sys::stat::fstat(cover)?;
        Ok(cover)
    }

    fn collected(&mut self) -> io::Result<&mut Collection> {
        self.collection.as_mut().ok_or_else(|| io::Error::other("nothing has been collected"))
    }

    fn collect(&mut self, fixtures: &[Fixture]) -> io::Result<()> {
        let collection = Collection::new(fixtures)?;
        self.outer_root.clone_from(&self.session.root);
        let inside = &self.session.dir;
        let outside = self.outer_root.join(inside.strip_prefix("/").unwrap_or(inside));
        let outside = if inside == Path::new("/") { self.outer_root.clone() } else { outside };
        self.trees = mounts::protected(&collection.mount_table()?, &outside, inside)?;
        self.collection = Some(collection);
        Ok(())
    }
}

/// Covers the directory `path`, if there is one, by an empty one that nobody can write.
fn hide(path: &Path) -> io::Result<()> {
    if !path.is_dir() {
        return Ok(());
    }
    let attributes = libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;
    let empty = sys::new_mount(c"tmpfs", &[(c"mode", Some(c"0"))], attributes)?;
    sys::move_mount(empty.as_fd(), &sys::c_path(path)?)
}

/// Makes `mount`, which is nowhere yet, the root directory, and lets everything else go.
fn change_root(mount: &OwnedFd) -> io::Result<()> {
    sys::move_mount(mount.as_fd(), c"/")?;
    fchdir(mount)?;
    pivot_root(".", ".").map_err(|error| match error {
        Errno::EINVAL => io::Error::other("pivot_root: EINVAL (is the caller's root an initramfs?)"),
        other => io::Error::from(other),
    })?;
    umount2(".", MntFlags::MNT_DETACH)?;
    Ok(chdir("/")?)
}

/// The process that becomes the command, while it waits.
struct Entry {
    pid: Pid,
    /// Closing it, or saying anything on it, lets the process go; it says here what went wrong.
    socket: OwnedFd,
    gate: ExecGate,
    /// The protected directory. A plane knows it by where the kernel has it, which must not change while anything lives
    /// in the sandbox, whoever else has died.
    _dir: OwnedFd,
}

impl Init<'_> {
    fn exec_step(&self) -> io::Result<ExecGate> {
        self.session
            .plan
            .steps
            .iter()
            .find_map(|step| match step {
                Step::Entry(EntryStep::Exec(_, gate)) => Some(*gate),
                Step::Entry(EntryStep::CloseDescriptors)
                | Step::Supervisor(_)
                | Step::Keeper(_)
                | Step::Init(_) => None,
            })
            .ok_or_else(|| io::Error::other("the plan executes nothing"))
    }

    fn clone_entry(&mut self) -> io::Result<Entry> {
        let gate = self.exec_step()?;
        let (here, there) = sys::packet_pair()?;
        let (pid, pidfd) = match sys::clone(0)? {
            Cloned::Child => become_command(self.session, gate, &there),
            Cloned::Parent(pid, pidfd) => (Pid::from_raw(pid), pidfd),
        };
        drop(there);
        let place = |path: &Path| {
            let cwd = std::fs::File::open("/")?;
            sys::openat2(cwd.as_fd(), &sys::c_path(path)?, libc::O_PATH | libc::O_DIRECTORY, 0)
        };
        let (root, dir) = (place(Path::new("/"))?, place(&self.session.dir)?);
        let carried = [pidfd.as_fd(), root.as_fd(), dir.as_fd()];
        message::send(self.session.control.as_fd(), &Message::Ready, &carried)?;
        drop((pidfd, root));
        let keep = [self.session.control.as_fd(), self.birth.gate.as_fd(), here.as_fd(), dir.as_fd()];
        sys::close_all_but(&keep)?;
        Ok(Entry { pid, socket: here, gate, _dir: dir })
    }

    /// Lets the entry process exec. If it is to be stopped then, arms the plane and asks the supervisor between its exec and
    /// its first instruction; how it ended, if a signal was faster.
    fn let_go(&self, entry: &Entry) -> Result<Option<Ending>, Failure> {
        let setup = |error| Failure::setup("let the command go", error);
        message::expect(&self.session.control, &Message::Go).map_err(setup)?;
        message::send(entry.socket.as_fd(), &Message::Go, &[]).map_err(setup)?;
        if let Some((Message::Failed(failure), _)) =
            message::receive(entry.socket.as_fd(), Wait::Yes).map_err(setup)?
        {
            return Err(failure);
        }
        match entry.gate {
            ExecGate::Open => Ok(None),
            ExecGate::Stopped => {
                let ended = self.arm(entry).map_err(|error| Failure::setup("arm the plane", error))?;
                if ended.is_none() {
                    self.begin(entry).map_err(setup)?;
                }
                Ok(ended)
            }
        }
    }

    fn arm(&self, entry: &Entry) -> io::Result<Option<Ending>> {
        loop {
            match sys::waitpid(entry.pid.as_raw())?.1 {
                Change::Stopped(libc::SIGTRAP) => break,
                // Sent by somebody meanwhile; it is passed on.
                Change::Stopped(signal) => sys::ptrace_continue(entry.pid.as_raw(), signal)?,
                other => {
                    if let Some(ending) = ending(other) {
                        return Ok(Some(ending));
                    }
                }
            }
        }
        keeper::ask_to_arm(self.birth.gate.as_fd())?;
        Ok(None)
    }

    fn begin(&self, entry: &Entry) -> io::Result<()> {
        message::send(self.session.control.as_fd(), &Message::Held, &[])?;
        message::expect(&self.session.control, &Message::Begin)?;
        Ok(ptrace::detach(entry.pid, None)?)
    }
}

/// Reaps every process that ends until `entry` does.
fn reap_until_ended(entry: Pid) -> io::Result<Ending> {
    loop {
        let (child, change) = sys::waitpid(-1)?;
        if child == entry.as_raw()
            && let Some(ending) = ending(change)
        {
            return Ok(ending);
        }
    }
}

fn ending(change: Change) -> Option<Ending> {
    match change {
        Change::Exited(status) => Some(Ending::Exited(status)),
        Change::Signaled(signal) => Some(Ending::Signaled(signal)),
        Change::Stopped(_) | Change::Continued => None,
    }
}

/// The life of the entry process up to its exec.
fn become_command(session: &Session, gate: ExecGate, socket: &OwnedFd) -> ! {
    let failure = match wait_and_exec(session, gate, socket) {
        Ok(never) => match never {},
        Err(failure) => failure,
    };
    let _ = message::send(socket.as_fd(), &Message::Failed(failure), &[]);
    sys::exit(1)
}

fn wait_and_exec(
    session: &Session,
    gate: ExecGate,
    socket: &OwnedFd,
) -> Result<std::convert::Infallible, Failure> {
    let setup = |error| Failure::setup("prepare the command", error);
    message::expect(socket, &Message::Go).map_err(setup)?;
    sys::close_all_but(&[socket.as_fd()]).map_err(setup)?;
    sys::restore_signals(&session.signal_mask).map_err(setup)?;
    match gate {
        ExecGate::Open => {}
        ExecGate::Stopped => ptrace::traceme().map_err(|error| {
            Failure::setup("be stopped at exec", format!("{error} (see kernel.yama.ptrace_scope)"))
        })?,
    }
    Err(exec(&session.candidates, session))
}

/// How often an exec is tried that the kernel says is to be tried again.
const EXEC_TRIES: u32 = 100_000;

/// Executes the first of `candidates` that is there; returns why none could be.
fn exec(candidates: &[CString], session: &Session) -> Failure {
    let command = crate::events::escape(session.command[0].to_bytes());
    let mut found = None;
    for candidate in candidates {
        match execute(candidate, session) {
            // There, but its interpreter is not.
            Errno::ENOENT if exists(candidate) => {
                return Failure::Exec { command, reason: "its interpreter does not exist".into() };
            }
            Errno::ENOENT | Errno::ENOTDIR => {}
            Errno::EACCES => found = Some(Errno::EACCES),
            error => return Failure::Exec { command, reason: error.desc().to_lowercase() },
        }
    }
    match found {
        Some(error) => Failure::Exec { command, reason: error.desc().to_lowercase() },
        None => Failure::NotFound { command },
    }
}

/// Executes `candidate`; returns why it cannot be. The lsm plane may ask to try again.
fn execute(candidate: &CString, session: &Session) -> Errno {
    for _ in 0..EXEC_TRIES {
        match execve(candidate, &session.command, &session.environment) {
            Ok(never) => match never {},
            Err(Errno::EAGAIN) => {
                let _ = nix::sched::sched_yield();
            }
            Err(error) => return error,
        }
    }
    Errno::EAGAIN
}

fn exists(path: &CString) -> bool {
    use std::os::unix::ffi::OsStrExt;
    Path::new(std::ffi::OsStr::from_bytes(path.as_bytes())).exists()
}
