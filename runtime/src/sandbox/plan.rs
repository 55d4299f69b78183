//! What is done to set up a sandbox, as data: made before anything is done, printed by `--dry-run`, carried out by
//! the process each step names.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::ids::{IdMap, Range, Setgroups};
use super::root::Root;
use crate::plane::{ExecGate, Plane};

/// Everything done to set up one sandbox, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// The steps.
    pub steps: Vec<Step>,
}

/// One step, under the process that takes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// In the caller's namespaces.
    Supervisor(SupervisorStep),
    /// In the sandbox's user namespace, outside its pid namespace.
    Keeper(KeeperStep),
    /// As the first process of the pid namespace.
    Init(InitStep),
    /// As the process that becomes the command.
    Entry(EntryStep),
}

/// What the supervisor does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SupervisorStep {
    /// Clone the keeper into new namespaces.
    CloneKeeper(Vec<Namespace>),
    /// Map its ids.
    MapIds(IdMap),
    /// Put the entry process under the policy.
    Attach(Plane),
}

/// What the keeper does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeeperStep {
    /// Die with the supervisor.
    DieWithSupervisor,
    /// Keep mounts from spreading either way.
    PrivateMounts,
    /// Open what the plane needs of the protected directory.
    OpenPlane(Plane, PathBuf),
    /// Shut itself to ptrace and to readers of its /proc files.
    Undumpable,
    /// Clone the init into new namespaces.
    CloneInit(Vec<Namespace>),
    /// Serve the plane.
    Serve(Plane),
}

/// What the init does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum InitStep {
    /// Die with the keeper.
    DieWithKeeper,
    /// Take copies of what will be mounted while the caller's root is still there.
    Collect(Vec<Fixture>),
    /// Make this the root directory and let the old one go.
    ChangeRoot(NewRoot),
    /// Put the plane's mount over the protected directory.
    Cover(PathBuf),
    /// Mount what was collected.
    Place(Fixture),
    /// Cover this directory of the runtime's own by an empty one, if it is there.
    Hide(PathBuf),
    /// Refuse a second mount that shows the protected directory's tree.
    CheckMounts(PathBuf),
    /// Make this the working directory.
    EnterDirectory(PathBuf),
    /// Give up every capability for good.
    DropCapabilities,
    /// Let no exec give a privilege.
    NoNewPrivileges,
    /// Shut itself to ptrace and to readers of its /proc files.
    Undumpable,
    /// Refuse system calls that could change what paths mean, or reach around the policy.
    FilterSystemCalls(Watches),
    /// Have the kernel write down nobody's memory, for it is not for programs of other rights.
    KeepNoCores,
    /// Clone the process that becomes the command.
    CloneEntry,
}

/// What becomes of inotify(7), of which no file system is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Watches {
    /// Watches are set; the plane judges them, or the policy denies nothing that they ask.
    Open,
    /// None is set: the policy denies some of what they ask, and the plane cannot tell which.
    Closed,
}

/// What the entry process does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum EntryStep {
    /// Close every descriptor but the standard three.
    CloseDescriptors,
    /// Become the command, let go as the plane needs it.
    Exec(Vec<String>, ExecGate),
}

/// A kind of namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Namespace {
    /// Ids and capabilities.
    User,
    /// Mounts.
    Mount,
    /// Process ids.
    Pid,
    /// System V IPC and POSIX message queues.
    Ipc,
    /// Host name.
    Uts,
}

/// What a sandbox has mounted of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Fixture {
    /// The processes of the sandbox; the files that configure the machine read-only, those that show it empty.
    Proc,
    /// The caller's, read-only.
    Sys,
    /// A new one with the harmless devices of the caller's, terminals and shared memory of its own.
    Dev,
}

/// What becomes the root directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum NewRoot {
    /// This directory.
    Directory(PathBuf),
    /// The plane's mount.
    Plane,
}

impl Fixture {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Proc, Self::Sys, Self::Dev];

    /// Those that a sandbox with this `root` has: a root without the directory for one goes without it.
    #[must_use]
    pub fn of(root: &Root) -> Vec<Self> {
        Self::ALL.into_iter().filter(|fixture| root.has_directory(Path::new(fixture.target()))).collect()
    }

    /// Where it is mounted.
    #[must_use]
    pub fn target(self) -> &'static str {
        match self {
            Self::Proc => "/proc",
            Self::Sys => "/sys",
            Self::Dev => "/dev",
        }
    }
}

/// Whether a plane puts a mount over the protected directory.
fn covers(plane: Plane) -> bool {
    match plane {
        Plane::Lsm => false,
        Plane::Fuse => true,
    }
}

/// What a plan is made of.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    /// Where the policy is enforced.
    pub plane: Plane,
    /// How the entry process is let go.
    pub gate: ExecGate,
    /// The sandbox's root.
    pub root: &'a Root,
    /// The protected directory, canonical, as seen inside.
    pub dir: &'a Path,
    /// The working directory, as seen inside.
    pub cwd: &'a Path,
    /// The command and its arguments.
    pub command: &'a [std::ffi::CString],
    /// The ids.
    pub ids: IdMap,
    /// Whether the policy denies some of what watching files asks.
    pub denies_watching: bool,
    /// Whether programs of the sandbox can have different rights.
    pub tells_programs_apart: bool,
}

impl Plan {
    /// The plan for a sandbox as `wanted`. A root without a `/proc`, `/sys` or `/dev` directory gets none.
    #[must_use]
    pub fn new(wanted: Wanted<'_>) -> Self {
        let Wanted { plane, gate, root, dir, cwd, command, ids, denies_watching, tells_programs_apart } =
            wanted;
        let watches = if covers(plane) && denies_watching { Watches::Closed } else { Watches::Open };
        let (inside_covers, at_root) = (covers(plane), dir == Path::new("/"));
        let fixtures = Fixture::of(root);
        let mut steps = vec![
            Step::Supervisor(SupervisorStep::CloneKeeper(vec![
                Namespace::User,
                Namespace::Mount,
                Namespace::Ipc,
                Namespace::Uts,
            ])),
            Step::Keeper(KeeperStep::DieWithSupervisor),
            Step::Supervisor(SupervisorStep::MapIds(ids)),
            Step::Keeper(KeeperStep::PrivateMounts),
            Step::Keeper(KeeperStep::Undumpable),
            Step::Keeper(KeeperStep::OpenPlane(plane, dir.to_owned())),
            Step::Keeper(KeeperStep::CloneInit(vec![Namespace::Mount, Namespace::Pid])),
            Step::Keeper(KeeperStep::Serve(plane)),
            Step::Init(InitStep::DieWithKeeper),
            Step::Init(InitStep::Collect(fixtures.clone())),
        ];
        if inside_covers && at_root {
            steps.push(Step::Init(InitStep::ChangeRoot(NewRoot::Plane)));
        } else if !root.is_shared() {
            steps.push(Step::Init(InitStep::ChangeRoot(NewRoot::Directory(root.path().to_owned()))));
        }
        if inside_covers && !at_root {
            steps.push(Step::Init(InitStep::Cover(dir.to_owned())));
        }
        steps.extend(fixtures.into_iter().map(|fixture| Step::Init(InitStep::Place(fixture))));
        if root.is_shared() {
            steps.push(Step::Init(InitStep::Hide(PathBuf::from(crate::tenants::ROOT))));
        }
        steps.extend(
            [
                InitStep::CheckMounts(dir.to_owned()),
                InitStep::EnterDirectory(cwd.to_owned()),
                InitStep::DropCapabilities,
                InitStep::NoNewPrivileges,
                InitStep::Undumpable,
                InitStep::FilterSystemCalls(watches),
            ]
            .map(Step::Init),
        );
        // Elsewhere programs are told apart against mistakes only.
        if plane == Plane::Lsm && tells_programs_apart {
            steps.push(Step::Init(InitStep::KeepNoCores));
        }
        steps.push(Step::Init(InitStep::CloneEntry));
        let command = command.iter().map(|word| crate::events::escape(word.to_bytes())).collect();
        steps.extend([
            Step::Supervisor(SupervisorStep::Attach(plane)),
            Step::Entry(EntryStep::CloseDescriptors),
            Step::Entry(EntryStep::Exec(command, gate)),
        ]);
        Self { steps }
    }
}

impl Namespace {
    /// The clone(2) flag.
    pub(crate) fn flag(self) -> libc::c_int {
        match self {
            Self::User => libc::CLONE_NEWUSER,
            Self::Mount => libc::CLONE_NEWNS,
            Self::Pid => libc::CLONE_NEWPID,
            Self::Ipc => libc::CLONE_NEWIPC,
            Self::Uts => libc::CLONE_NEWUTS,
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.steps {
            let (process, step): (_, &dyn fmt::Display) = match step {
                Step::Supervisor(step) => ("supervisor", step),
                Step::Keeper(step) => ("keeper", step),
                Step::Init(step) => ("init", step),
                Step::Entry(step) => ("entry", step),
            };
            writeln!(f, "{process:<10}  {step}")?;
        }
        Ok(())
    }
}

impl fmt::Display for SupervisorStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CloneKeeper(namespaces) => {
                write!(f, "clone the keeper in new namespaces: {}", list(namespaces))
            }
            Self::MapIds(ids) => {
                write!(
                    f,
                    "map users {} and groups {} to themselves",
                    Ranges(&ids.users),
                    Ranges(&ids.groups)
                )?;
                match ids.setgroups {
                    Setgroups::Allow => Ok(()),
                    Setgroups::Deny => f.write_str(", supplementary groups fixed"),
                }
            }
            Self::Attach(plane) => write!(f, "put the entry process under the policy on the {plane} plane"),
        }
    }
}

impl fmt::Display for KeeperStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DieWithSupervisor => f.write_str("die with the supervisor"),
            Self::PrivateMounts => f.write_str("make all mounts private"),
            Self::OpenPlane(plane, dir) => write!(f, "open the {plane} plane for `{}`", dir.display()),
            Self::Undumpable => f.write_str("become undumpable"),
            Self::CloneInit(namespaces) => {
                write!(f, "clone the init in new namespaces: {}", list(namespaces))
            }
            Self::Serve(plane) => write!(f, "serve the {plane} plane"),
        }
    }
}

impl fmt::Display for InitStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DieWithKeeper => f.write_str("die with the keeper"),
            Self::Collect(fixtures) => {
                let targets: Vec<_> = fixtures.iter().map(|fixture| fixture.target()).collect();
                write!(f, "collect what is to be mounted: {}", targets.join(" "))
            }
            Self::ChangeRoot(NewRoot::Directory(path)) => {
                write!(f, "change the root to `{}`", path.display())
            }
            Self::ChangeRoot(NewRoot::Plane) => f.write_str("change the root to the plane's mount"),
            Self::Cover(dir) => write!(f, "cover `{}` with the plane's mount", dir.display()),
            Self::Place(fixture) => write!(f, "mount `{}`", fixture.target()),
            Self::Hide(dir) => write!(f, "hide `{}`", dir.display()),
            Self::CheckMounts(dir) => write!(f, "check that no other mount shows `{}`", dir.display()),
            Self::EnterDirectory(dir) => write!(f, "enter `{}`", dir.display()),
            Self::DropCapabilities => f.write_str("drop all capabilities"),
            Self::NoNewPrivileges => f.write_str("set no_new_privs"),
            Self::Undumpable => f.write_str("become undumpable"),
            Self::FilterSystemCalls(Watches::Open) => f.write_str("filter system calls"),
            Self::FilterSystemCalls(Watches::Closed) => {
                f.write_str("filter system calls, inotify_add_watch among them")
            }
            Self::KeepNoCores => f.write_str("have no memory dumped"),
            Self::CloneEntry => f.write_str("clone the entry process"),
        }
    }
}

impl fmt::Display for EntryStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CloseDescriptors => f.write_str("close all descriptors but 0, 1 and 2"),
            Self::Exec(command, ExecGate::Open) => write!(f, "execute {}", command.join(" ")),
            Self::Exec(command, ExecGate::Stopped) => {
                write!(f, "execute {}, stopped until the plane is armed", command.join(" "))
            }
        }
    }
}

struct Ranges<'a>(&'a [Range]);

impl fmt::Display for Ranges<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, Range { first, count }) in self.0.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            match count {
                1 => write!(f, "{comma}{first}")?,
                _ => write!(f, "{comma}{first}..{}", u64::from(*first) + u64::from(*count) - 1)?,
            }
        }
        Ok(())
    }
}

fn list(namespaces: &[Namespace]) -> String {
    let names: Vec<&str> = namespaces
        .iter()
        .map(|namespace| match namespace {
            Namespace::User => "user",
            Namespace::Mount => "mount",
            Namespace::Pid => "pid",
            Namespace::Ipc => "ipc",
            Namespace::Uts => "uts",
        })
        .collect();
    names.join(" ")
}
