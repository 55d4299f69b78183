//! Operations on names: lookup, and everything that makes, removes or moves one.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use boesfs_abi::op::Op;
use boesfs_abi::request::{ArgValue, Kind};
use fuse_backend_rs::api::filesystem::{Context, Entry};
use rustix::fs::{AtFlags, FileType, Mode, RenameFlags, Stat};

use super::decision::{Destination, Object};
use super::gate::Who;
use super::lower::{self, Lower};
use super::tree::Tree;

/// What a request to make a node says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Make {
    /// After umask, with type bits.
    pub(crate) mode: u32,
    /// For devices.
    pub(crate) dev: u32,
}

/// One side of a move.
struct Side {
    dir: OwnedFd,
    path: Vec<u8>,
    victim: Option<(OwnedFd, Stat, Kind)>,
}

impl Tree {
    pub(crate) fn find(&self, context: &Context, parent: u64, name: &CStr) -> io::Result<Entry> {
        let bytes = name.to_bytes();
        let _names = self.names_stay();
        if let Some(entry) = self.covered(parent, bytes) {
            return Ok(entry);
        }
        let (who, path) = self.caller_at(context, parent, bytes, Op::Lookup)?;
        let dir = self.directory(parent)?;
        self.refuse_processes(&who, parent, &path, dir.as_fd(), Op::Lookup)?;
        self.refuse_folding(&who, parent, &path, dir.as_fd(), Op::Lookup)?;
        let there = Lower::child(dir.as_fd(), bytes).and_then(|object| {
            let stat = self.lower.stat(object.as_fd())?;
            Ok((stat, lower::kind_of(stat.st_mode)?))
        });
        let kind = there.as_ref().ok().map(|(_, kind)| *kind);
        self.gate.ask_any(&who, Object { path: &path, kind }, Op::Lookup)?;
        let (stat, kind) = there?;
        self.ask_special(&who, Object { path: &path, kind: Some(kind) }, kind)?;
        self.entry(&who, parent, bytes, &path, &stat)
    }

    /// Fifos and sockets are opened and connected to by the kernel without a request: whoever may not do that
    /// does not get so far as to hold the name.
    fn ask_special(&self, who: &Who, object: Object<'_>, kind: Kind) -> io::Result<()> {
        let needed: &[Op] = match kind {
            Kind::Fifo => &[Op::Open, Op::Read, Op::Write],
            Kind::Socket => &[Op::Write],
            // The mount has no devices.
            Kind::File | Kind::Dir | Kind::Symlink | Kind::Block | Kind::Char => &[],
        };
        needed.iter().try_for_each(|op| self.gate.ask_any(who, object, *op))
    }

    pub(crate) fn make_dir(
        &self,
        context: &Context,
        parent: u64,
        name: &CStr,
        mode: u32,
    ) -> io::Result<Entry> {
        let _names = self.names_stay();
        let (who, path) = self.caller_at(context, parent, name.to_bytes(), Op::Mkdir)?;
        let mode = mode & 0o7777;
        let object = Object { path: &path, kind: Some(Kind::Dir) };
        self.gate.ask(&who, object, Op::Mkdir, &[ArgValue::Number(u64::from(mode))])?;
        let dir = self.directory(parent)?;
        rustix::fs::mkdirat(&dir, name, Mode::from_raw_mode(mode))?;
        self.made(&who, parent, name, &path, &dir)
    }

    pub(crate) fn make_node(
        &self,
        context: &Context,
        parent: u64,
        name: &CStr,
        make: Make,
    ) -> io::Result<Entry> {
        let _names = self.names_stay();
        let mode = if make.mode & libc::S_IFMT == 0 { make.mode | libc::S_IFREG } else { make.mode };
        let kind = lower::kind_of(mode)?;
        let op = if kind == Kind::File { Op::Create } else { Op::Mknod };
        let (who, path) = self.caller_at(context, parent, name.to_bytes(), op)?;
        let mut args = vec![ArgValue::Number(u64::from(mode))];
        if op == Op::Mknod {
            args.push(ArgValue::Number(u64::from(make.dev)));
        }
        self.gate.ask(&who, Object { path: &path, kind: Some(kind) }, op, &args)?;
        let dir = self.directory(parent)?;
        let bits = Mode::from_raw_mode(mode & 0o7777);
        rustix::fs::mknodat(&dir, name, FileType::from_raw_mode(mode), bits, u64::from(make.dev))?;
        self.made(&who, parent, name, &path, &dir)
    }

    pub(crate) fn make_symlink(
        &self,
        context: &Context,
        parent: u64,
        name: &CStr,
        target: &CStr,
    ) -> io::Result<Entry> {
        let _names = self.names_stay();
        let (who, path) = self.caller_at(context, parent, name.to_bytes(), Op::Symlink)?;
        self.gate.symlink(&who, &path, target.to_bytes())?;
        let dir = self.directory(parent)?;
        rustix::fs::symlinkat(target, &dir, name)?;
        self.made(&who, parent, name, &path, &dir)
    }

    pub(crate) fn make_link(
        &self,
        context: &Context,
        node: u64,
        parent: u64,
        name: &CStr,
    ) -> io::Result<Entry> {
        let _names = self.names_stay();
        let (who, path) = self.caller_at(context, parent, name.to_bytes(), Op::Link)?;
        let (old, kind) = self.judged(node)?;
        self.gate.link(&who, Object { path: &old, kind: Some(kind) }, &path)?;
        let target = self.reach(node, old, kind)?;
        let dir = self.directory(parent)?;
        self.lower.link(target.object.as_fd(), dir.as_fd(), name)?;
        self.made(&who, parent, name, &path, &dir)
    }

    /// The answer to the making of `name` in `parent`.
    fn made(&self, who: &Who, parent: u64, name: &CStr, path: &[u8], dir: &OwnedFd) -> io::Result<Entry> {
        let object = Lower::child(dir.as_fd(), name.to_bytes())?;
        let stat = self.lower.stat(object.as_fd())?;
        self.entry(who, parent, name.to_bytes(), path, &stat)
    }

    pub(crate) fn remove_name(&self, context: &Context, parent: u64, name: &CStr) -> io::Result<()> {
        self.remove(context, parent, name, Op::Unlink, AtFlags::empty())
    }

    pub(crate) fn remove_dir(&self, context: &Context, parent: u64, name: &CStr) -> io::Result<()> {
        self.remove(context, parent, name, Op::Rmdir, AtFlags::REMOVEDIR)
    }

    fn remove(&self, context: &Context, parent: u64, name: &CStr, op: Op, flags: AtFlags) -> io::Result<()> {
        let _names = self.names_change();
        let (who, path) = self.caller_at(context, parent, name.to_bytes(), op)?;
        let side = self.side(parent, name, path)?;
        let kind = side.victim.as_ref().map(|(_, _, kind)| *kind);
        self.gate.ask_any(&who, Object { path: &side.path, kind }, op)?;
        rustix::fs::unlinkat(&side.dir, name, flags)?;
        self.orphan(parent, name, side.victim);
        Ok(())
    }

    /// The node of `name` in `parent`, if there is one, has lost its name; `victim` is what it stood for.
    fn orphan(&self, parent: u64, name: &CStr, victim: Option<(OwnedFd, Stat, Kind)>) {
        let mut nodes = self.nodes();
        let Some(id) = nodes.named(parent, name.to_bytes()) else { return };
        let known = nodes.found(id).map(|found| found.identity).ok();
        let object = victim
            .filter(|(_, stat, _)| lower::found(stat).is_ok_and(|found| Some(found.identity) == known))
            .map(|(object, _, _)| Arc::new(object));
        nodes.orphan(id, object).expect("INVARIANT: a node with a name has a path");
    }

    fn side(&self, parent: u64, name: &CStr, path: Vec<u8>) -> io::Result<Side> {
        let dir = self.directory(parent)?;
        let victim = match Lower::child(dir.as_fd(), name.to_bytes()) {
            Ok(object) => {
                let stat = self.lower.stat(object.as_fd())?;
                Some((object, stat, lower::kind_of(stat.st_mode)?))
            }
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => None,
            Err(error) => return Err(error),
        };
        Ok(Side { dir, path, victim })
    }

    pub(crate) fn move_name(
        &self,
        context: &Context,
        (parent, name): (u64, &CStr),
        (new_parent, new_name): (u64, &CStr),
        flags: u32,
    ) -> io::Result<()> {
        let flags = RenameFlags::from_bits_retain(flags);
        if !(RenameFlags::EXCHANGE | RenameFlags::NOREPLACE).contains(flags) {
            return Err(io::Error::from_raw_os_error(libc::EINVAL));
        }
        let _names = self.names_change();
        let (who, path) = self.caller_at(context, parent, name.to_bytes(), Op::Rename)?;
        let (_, new_path) = self.caller_at(context, new_parent, new_name.to_bytes(), Op::Rename)?;
        let old = self.side(parent, name, path)?;
        let new = self.side(new_parent, new_name, new_path)?;
        let exchange = flags.contains(RenameFlags::EXCHANGE);
        let to = match &new.victim {
            None => Destination::Free,
            Some((_, _, kind)) if exchange => Destination::Exchanged(*kind),
            Some((_, _, kind)) => Destination::Replaced(*kind),
        };
        let kind = old.victim.as_ref().map(|(_, _, kind)| *kind);
        self.gate.rename(&who, Object { path: &old.path, kind }, &new.path, to)?;
        self.gate.note_name(name.to_bytes());
        self.gate.note_name(new_name.to_bytes());
        rustix::fs::renameat_with(&old.dir, name, &new.dir, new_name, flags)?;
        let here = (parent, name.to_bytes());
        let there = (new_parent, new_name.to_bytes());
        if exchange {
            self.nodes().exchange(here, there);
        } else if !same_file(&old, &new) {
            self.orphan(new_parent, new_name, new.victim);
            self.nodes().rename(here, there)?;
        }
        Ok(())
    }
}

/// Whether both names are hard links of one file: then a rename does nothing.
fn same_file(one: &Side, other: &Side) -> bool {
    match (&one.victim, &other.victim) {
        (Some((_, one, _)), Some((_, other, _))) => one.st_dev == other.st_dev && one.st_ino == other.st_ino,
        _ => false,
    }
}
