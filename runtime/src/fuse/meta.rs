//! Operations on metadata: attributes, extended attributes, access, and the text of symbolic links.

use std::ffi::CStr;
use std::io;
use std::os::fd::AsFd;

use boesfs_abi::op::Op;
use boesfs_abi::request::ArgValue;
use fuse_backend_rs::abi::fuse_abi::stat64;
use fuse_backend_rs::api::filesystem::{Context, GetxattrReply, ListxattrReply, SetattrValid};
use rustix::fs::{AtFlags, Gid, Stat, StatVfs, Timespec, Timestamps, Uid, XattrFlags};

use super::decision::Object;
use super::lower;
use super::tree::{Target, Tree};

/// The longest value or list of names of extended attributes (`XATTR_SIZE_MAX`).
const XATTR_MAX: usize = 65536;

impl Tree {
    /// The object of node `id`, once `op`, which has no arguments, is allowed on it.
    fn allowed(&self, context: &Context, id: u64, op: Op) -> io::Result<Target> {
        let (who, path, kind) = self.caller(context, id, op)?;
        let target = self.reach(id, path, kind)?;
        self.gate.ask_any(&who, target.judged(), op)?;
        Ok(target)
    }

    pub(crate) fn attributes(&self, context: &Context, id: u64, handle: Option<u64>) -> io::Result<Stat> {
        let _names = self.names_stay();
        match handle {
            None => {
                let target = self.allowed(context, id, Op::Getattr)?;
                self.lower.stat(target.object.as_fd())
            }
            Some(handle) => {
                let handle = self.handle(handle)?;
                let (who, path, kind) = self.caller(context, id, Op::Getattr)?;
                let object = Object { path: &path, kind: Some(kind) };
                self.gate.ask_any(&who, object, Op::Getattr)?;
                self.lower.stat(handle.file.as_fd())
            }
        }
    }

    pub(crate) fn set_attributes(
        &self,
        context: &Context,
        id: u64,
        wanted: &stat64,
        handle: Option<u64>,
        valid: SetattrValid,
    ) -> io::Result<Stat> {
        let _names = self.names_stay();
        let ids = valid & (SetattrValid::UID | SetattrValid::GID);
        let times = valid
            & (SetattrValid::ATIME | SetattrValid::MTIME | SetattrValid::ATIME_NOW | SetattrValid::MTIME_NOW);
        let resizes = valid.contains(SetattrValid::SIZE);
        // Truncation touches the times; that is part of it.
        let marks = valid.contains(SetattrValid::MODE) || !ids.is_empty() || (!times.is_empty() && !resizes);
        let (who, path, kind) = self.caller(context, id, if marks { Op::Setattr } else { Op::Write })?;
        let target = self.reach(id, path, kind)?;
        if marks {
            let number = |flag, value: u32| match valid.contains(flag) {
                true => ArgValue::Number(u64::from(value)),
                false => ArgValue::Absent,
            };
            let args = [
                number(SetattrValid::MODE, wanted.st_mode),
                number(SetattrValid::UID, wanted.st_uid),
                number(SetattrValid::GID, wanted.st_gid),
            ];
            self.gate.ask(&who, target.judged(), Op::Setattr, &args)?;
        }
        if resizes {
            self.gate.ask_any(&who, target.judged(), Op::Write)?;
        }
        let object = target.object.as_fd();
        if valid.contains(SetattrValid::MODE) {
            self.lower.chmod(object, wanted.st_mode)?;
        }
        if !ids.is_empty() {
            let uid = valid.contains(SetattrValid::UID).then(|| Uid::from_raw(wanted.st_uid));
            let gid = valid.contains(SetattrValid::GID).then(|| Gid::from_raw(wanted.st_gid));
            rustix::fs::chownat(object, c"", uid, gid, AtFlags::EMPTY_PATH)?;
        }
        if resizes {
            self.truncate(context, &target, handle, wanted.st_size.cast_unsigned())?;
        }
        if !times.is_empty() && !resizes {
            self.lower.utimes(object, &timestamps(wanted, times))?;
        }
        Ok(self.shown(&who, target.judged(), &self.lower.stat(object)?))
    }

    pub(crate) fn link_text(&self, context: &Context, id: u64) -> io::Result<Vec<u8>> {
        let _names = self.names_stay();
        let target = self.allowed(context, id, Op::Getattr)?;
        Ok(rustix::fs::readlinkat(&target.object, c"", Vec::new())?.into_bytes())
    }

    pub(crate) fn may_access(&self, context: &Context, id: u64, mask: u32) -> io::Result<()> {
        let _names = self.names_stay();
        let target = self.allowed(context, id, Op::Getattr)?;
        self.lower.access(target.object.as_fd(), mask)
    }

    pub(crate) fn file_system(&self, context: &Context, id: u64) -> io::Result<StatVfs> {
        let _names = self.names_stay();
        let target = self.allowed(context, id, Op::Statfs)?;
        Ok(rustix::fs::fstatvfs(&target.object)?)
    }

    pub(crate) fn set_xattr(
        &self,
        context: &Context,
        id: u64,
        name: &CStr,
        value: &[u8],
        flags: u32,
    ) -> io::Result<()> {
        let target = self.changes_xattr(context, id)?;
        let flags = XattrFlags::from_bits_retain(flags);
        Ok(rustix::fs::setxattr(lower::link(target.object.as_fd()), name, value, flags)?)
    }

    pub(crate) fn remove_xattr(&self, context: &Context, id: u64, name: &CStr) -> io::Result<()> {
        let target = self.changes_xattr(context, id)?;
        Ok(rustix::fs::removexattr(lower::link(target.object.as_fd()), name)?)
    }

    fn changes_xattr(&self, context: &Context, id: u64) -> io::Result<Target> {
        let _names = self.names_stay();
        let (who, path, kind) = self.caller(context, id, Op::Setattr)?;
        let target = self.reach(id, path, kind)?;
        let args = [ArgValue::Absent, ArgValue::Absent, ArgValue::Absent];
        self.gate.ask(&who, target.judged(), Op::Setattr, &args)?;
        Ok(target)
    }

    pub(crate) fn xattr(
        &self,
        context: &Context,
        id: u64,
        name: &CStr,
        size: u32,
    ) -> io::Result<GetxattrReply> {
        let _names = self.names_stay();
        let target = self.allowed(context, id, Op::Getattr)?;
        let mut value = vec![0; XATTR_MAX];
        let length = rustix::fs::getxattr(lower::link(target.object.as_fd()), name, &mut value[..])?;
        value.truncate(length);
        match fit(length, size)? {
            Some(count) => Ok(GetxattrReply::Count(count)),
            None => Ok(GetxattrReply::Value(value)),
        }
    }

    pub(crate) fn xattrs(&self, context: &Context, id: u64, size: u32) -> io::Result<ListxattrReply> {
        let _names = self.names_stay();
        let target = self.allowed(context, id, Op::Getattr)?;
        let mut names = vec![0; XATTR_MAX];
        let length = rustix::fs::listxattr(lower::link(target.object.as_fd()), &mut names[..])?;
        names.truncate(length);
        match fit(length, size)? {
            Some(count) => Ok(ListxattrReply::Count(count)),
            None => Ok(ListxattrReply::Names(names)),
        }
    }
}

/// The count to answer where the caller asks for it by a `size` of 0; nothing where `length` bytes fit into `size`.
fn fit(length: usize, size: u32) -> io::Result<Option<u32>> {
    match (u32::try_from(length), size) {
        (Ok(length), 0) => Ok(Some(length)),
        (Ok(length), size) if length <= size => Ok(None),
        _ => Err(io::Error::from_raw_os_error(libc::ERANGE)),
    }
}

fn timestamps(wanted: &stat64, valid: SetattrValid) -> Timestamps {
    let time = |set, now, sec, nsec| {
        if valid.contains(now) {
            Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW }
        } else if valid.contains(set) {
            Timespec { tv_sec: sec, tv_nsec: nsec }
        } else {
            Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_OMIT }
        }
    };
    Timestamps {
        last_access: time(
            SetattrValid::ATIME,
            SetattrValid::ATIME_NOW,
            wanted.st_atime,
            wanted.st_atime_nsec,
        ),
        last_modification: time(
            SetattrValid::MTIME,
            SetattrValid::MTIME_NOW,
            wanted.st_mtime,
            wanted.st_mtime_nsec,
        ),
    }
}
