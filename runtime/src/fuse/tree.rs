//! The file system the kernel talks to: the tables that the operations share, and the way from a request to
//! what it is about.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use boesfs_abi::op::Op;
use boesfs_abi::request::Kind;
use boesfs_abi::verdict::Reason;
use fuse_backend_rs::api::filesystem::{Context, Entry};
use rustix::fs::Stat;

use super::caller::act_as;
use super::decision::Object;
use super::gate::{Gate, Who};
use super::lower::{self, Lower};
use super::node::{Identity, Nodes, Route, Stale, Start};

/// Of how many directories it is remembered whether case counts there.
const FOLDING: usize = 1 << 16;

/// A file or directory the kernel has opened.
#[derive(Debug)]
pub(crate) struct Handle {
    /// What was opened.
    pub(crate) node: u64,
    /// Beneath the mount.
    pub(crate) file: File,
    /// Who opened it.
    pub(crate) opener: Who,
    /// How it is read and written.
    pub(crate) mode: HandleMode,
    /// Held while the position of an open directory matters.
    pub(crate) position: Mutex<()>,
    /// Whether a mapping of it has been refused. That is told once: a fault is tried several times, and is no call.
    pub(crate) unmapped: AtomicBool,
}

impl Handle {
    pub(crate) fn new(node: u64, file: File, opener: &Who, mode: HandleMode) -> Self {
        let (position, unmapped) = (Mutex::new(()), AtomicBool::new(false));
        Self { node, file, opener: opener.clone(), mode, position, unmapped }
    }
}

/// How an open file is read and written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HandleMode {
    /// Through the kernel's page cache: every subject may read and map it.
    Cached,
    /// Past the page cache: requests are as the process made them, and a mapping's faults can be told from reads.
    Direct,
    /// The kernel's own open of a program that may be run.
    Program,
}

/// See the [module](self).
pub(crate) struct Tree {
    pub(crate) lower: Lower,
    pub(crate) gate: Gate,
    nodes: Mutex<Nodes>,
    handles: RwLock<HashMap<u64, Arc<Handle>>>,
    next_handle: AtomicU64,
    /// Held to write while names change beneath, to read while a path is walked there: so the path that was judged is
    /// the path that is walked, and the table says what is beneath.
    names: RwLock<()>,
    root_dev: u64,
    /// Whether case does not count in directories where names were looked up.
    folding: Mutex<HashMap<Identity, bool>>,
    /// What is beneath the sandbox's own mounts, by path. The kernel lets go of a mount if its name is once not found, or
    /// found to be something else: so the answer is always the same, whoever asks, and needs nothing that could fail.
    covered: HashMap<Vec<u8>, Stat>,
}

/// What a request is about.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) path: Vec<u8>,
    pub(crate) kind: Kind,
    pub(crate) object: OwnedFd,
}

impl Target {
    pub(crate) fn judged(&self) -> Object<'_> {
        Object { path: &self.path, kind: Some(self.kind) }
    }
}

impl From<Stale> for io::Error {
    fn from(_: Stale) -> Self {
        Self::from_raw_os_error(libc::ESTALE)
    }
}

impl Tree {
    /// The tree at `lower`, shown at `dir`; the sandbox mounts something of its own at the paths `covered`.
    ///
    /// # Errors
    /// If the protected directory or one of those paths cannot be asked about.
    pub(crate) fn new(lower: Lower, dir: Vec<u8>, gate: Gate, covered: &[PathBuf]) -> io::Result<Self> {
        let root = lower::found(&lower.stat(lower.root())?)?;
        let mut places = HashMap::new();
        for path in covered {
            let Ok(below) = path.strip_prefix(OsStr::from_bytes(&dir)) else { continue };
            let route = Route { start: Start::Root, names: below.as_os_str().as_bytes().to_vec() };
            let stat = lower.stat(lower.reach(&route)?.as_fd())?;
            places.insert(path.as_os_str().as_bytes().to_vec(), stat);
        }
        Ok(Self {
            lower,
            gate,
            nodes: Mutex::new(Nodes::new(dir, root.identity)),
            handles: RwLock::default(),
            next_handle: AtomicU64::new(1),
            names: RwLock::new(()),
            root_dev: root.identity.dev,
            folding: Mutex::default(),
            covered: places,
        })
    }

    pub(crate) fn nodes(&self) -> MutexGuard<'_, Nodes> {
        // A panic ends the server: nobody meets a poisoned lock for long.
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps names as they are.
    pub(crate) fn names_stay(&self) -> RwLockReadGuard<'_, ()> {
        self.names.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps everybody else from names while they change.
    pub(crate) fn names_change(&self) -> RwLockWriteGuard<'_, ()> {
        self.names.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The path and kind of node `id`.
    pub(crate) fn judged(&self, id: u64) -> io::Result<(Vec<u8>, Kind)> {
        let nodes = self.nodes();
        Ok((nodes.path(id)?, nodes.found(id)?.kind))
    }

    /// The caller of a request about node `id`, and its path and kind, acting as the caller from here on.
    pub(crate) fn caller(&self, context: &Context, id: u64, op: Op) -> io::Result<(Who, Vec<u8>, Kind)> {
        let (path, kind) = self.judged(id)?;
        let who = self.gate.who(context, &path, op)?;
        act_as(context.uid, context.gid)?;
        Ok((who, path, kind))
    }

    /// The object of node `id`, which is judged as `path` and `kind`.
    pub(crate) fn reach(&self, id: u64, path: Vec<u8>, kind: Kind) -> io::Result<Target> {
        let route = self.nodes().route(id)?;
        let object = self.lower.reach(&route).map_err(stale)?;
        // What is there may have been replaced since the kernel looked it up. Its identity is compared where it is
        // used beyond this request; here it is only judged as what it is.
        let kind = match lower::kind_of(rustix::fs::fstat(&object)?.st_mode)? {
            now if now == kind => now,
            _ => return Err(io::Error::from_raw_os_error(libc::ESTALE)),
        };
        Ok(Target { path, kind, object })
    }

    /// The directory node `id` as a place for names.
    pub(crate) fn directory(&self, id: u64) -> io::Result<OwnedFd> {
        let route = self.nodes().route(id)?;
        self.lower.reach(&route).map_err(stale)
    }

    /// The path of `name` in the directory `parent`, and the caller of a request about it, acting as the caller from
    /// here on.
    pub(crate) fn caller_at(
        &self,
        context: &Context,
        parent: u64,
        name: &[u8],
        op: Op,
    ) -> io::Result<(Who, Vec<u8>)> {
        if name.is_empty() || name == b"." || name == b".." || name.contains(&b'/') {
            return Err(io::Error::from_raw_os_error(libc::EINVAL));
        }
        let path = self.nodes().child_path(parent, name)?;
        let who = self.gate.who(context, &path, op)?;
        act_as(context.uid, context.gid)?;
        Ok((who, path))
    }

    /// The answer that `name` in `parent` is what `stat` says, with one more reference to its node.
    pub(crate) fn entry(
        &self,
        who: &Who,
        parent: u64,
        name: &[u8],
        path: &[u8],
        stat: &Stat,
    ) -> io::Result<Entry> {
        self.gate.note_name(name);
        let found = lower::found(stat)?;
        let inode = self.nodes().enter(parent, name, found)?;
        Ok(self.entry_of(who, inode, Object { path, kind: Some(found.kind) }, stat))
    }

    /// The answer that node `inode` is what `stat` says.
    pub(crate) fn entry_of(&self, who: &Who, inode: u64, object: Object<'_>, stat: &Stat) -> Entry {
        entry(inode, &self.shown(who, object, stat))
    }

    /// What of `stat` is told where the attributes of `object` were not what was asked for.
    ///
    /// No answer is valid for any time, but statx(2) can be told not to ask again: so where `getattr` is
    /// denied, it is no more than the kernel needs to go on.
    pub(crate) fn shown(&self, who: &Who, object: Object<'_>, stat: &Stat) -> Stat {
        let mut stat = *stat;
        if !self.gate.permits(who, object, Op::Getattr) {
            stat.st_mode |= 0o777;
            stat.st_mode &= !0o7000;
            stat.st_nlink = 1;
            (stat.st_uid, stat.st_gid) = who.ids();
            (stat.st_atime, stat.st_mtime, stat.st_ctime) = (0, 0, 0);
            (stat.st_atime_nsec, stat.st_mtime_nsec, stat.st_ctime_nsec) = (0, 0, 0);
            if !self.gate.permits(who, object, Op::Read) && !self.gate.permits(who, object, Op::Exec) {
                (stat.st_size, stat.st_blocks) = (0, 0);
            }
        }
        stat
    }

    /// The answer that `name` in `parent` is a place that the sandbox has mounted something over, if it is.
    pub(crate) fn covered(&self, parent: u64, name: &[u8]) -> Option<Entry> {
        if self.covered.is_empty() {
            return None;
        }
        let mut nodes = self.nodes();
        let stat = self.covered.get(&nodes.child_path(parent, name).ok()?)?;
        let inode = nodes.enter(parent, name, lower::found(stat).ok()?).ok()?;
        Some(entry(inode, stat))
    }

    /// Keeps `handle` for the kernel.
    pub(crate) fn keep(&self, handle: Handle) -> u64 {
        let id = self.next_handle.fetch_add(1, Ordering::Relaxed);
        self.handles.write().unwrap_or_else(PoisonError::into_inner).insert(id, Arc::new(handle));
        id
    }

    /// The open file or directory `id`.
    ///
    /// # Errors
    /// `EBADF` if there is none.
    pub(crate) fn handle(&self, id: u64) -> io::Result<Arc<Handle>> {
        let handles = self.handles.read().unwrap_or_else(PoisonError::into_inner);
        handles.get(&id).cloned().ok_or_else(|| io::Error::from_raw_os_error(libc::EBADF))
    }

    /// Closes `id`.
    pub(crate) fn close(&self, id: u64) {
        let handle = self.handles.write().unwrap_or_else(PoisonError::into_inner).remove(&id);
        drop(handle);
    }

    /// Refuses what lies in `dir`, the directory of node `node` at `path`, if that is on a process file system beneath the
    /// mount: it would show the server's view, not the caller's.
    pub(crate) fn refuse_processes(
        &self,
        who: &Who,
        node: u64,
        path: &[u8],
        dir: BorrowedFd<'_>,
        op: Op,
    ) -> io::Result<()> {
        let dev = self.nodes().found(node)?.identity.dev;
        if dev == self.root_dev || rustix::fs::fstatfs(dir)?.f_type != libc::PROC_SUPER_MAGIC {
            return Ok(());
        }
        Err(self.gate.refuse(who, path, op, Reason::Confined))
    }

    /// Refuses what lies in `dir`, the directory of node `node`, at `path`, if a file there answers to other spellings of its
    /// name too: a rule about one of them would say nothing of the others.
    pub(crate) fn refuse_folding(
        &self,
        who: &Who,
        node: u64,
        path: &[u8],
        dir: BorrowedFd<'_>,
        op: Op,
    ) -> io::Result<()> {
        let identity = self.nodes().found(node)?.identity;
        let known = self.folding().get(&identity).copied();
        let folds = match known {
            Some(folds) => Some(folds),
            None => {
                let folds = self.lower.folds(dir)?;
                let mut folding = self.folding();
                if folding.len() >= FOLDING {
                    folding.clear();
                }
                folding.extend(folds.map(|folds| (identity, folds)));
                folds
            }
        };
        match folds {
            Some(false) => Ok(()),
            Some(true) | None => Err(self.gate.refuse(who, path, op, Reason::FoldsCase)),
        }
    }

    /// The flags of a directory have changed: what was known of them is forgotten.
    pub(crate) fn forget_folding(&self) {
        self.folding().clear();
    }

    fn folding(&self) -> MutexGuard<'_, HashMap<Identity, bool>> {
        self.folding.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Node `inode`, which is what `stat` says, for no time at all.
fn entry(inode: u64, stat: &Stat) -> Entry {
    Entry {
        inode,
        generation: 0,
        attr: lower::attributes(stat),
        attr_flags: 0,
        attr_timeout: Duration::ZERO,
        entry_timeout: Duration::ZERO,
    }
}

/// A route that ends nowhere was true when the kernel looked it up.
fn stale(error: io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(libc::ENOENT | libc::ENOTDIR) => io::Error::from_raw_os_error(libc::ESTALE),
        _ => error,
    }
}
