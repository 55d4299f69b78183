//! One system call, or an open and one call on what it gave.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;

use memmap2::MmapOptions;
use rustix::fs::{
    self, AtFlags, CWD, FileType, Gid, Mode, OFlags, RawDir, RawMode, RenameFlags, SeekFrom, Uid,
};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

/// A path's bytes.
pub(crate) type Bytes = Vec<u8>;

/// What is called, with everything it takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Call {
    /// `open(path, O_PATH)`: reach it and nothing more.
    Reach { path: Bytes },
    /// `lstat(path)`
    Stat { path: Bytes },
    /// `open(path, flags)`
    Open { path: Bytes, flags: u32 },
    /// `open(path, O_RDONLY)`, `pread(len, offset)`
    Read { path: Bytes, len: u64, offset: u64 },
    /// `open(path, O_WRONLY)`, `pwrite(len, offset)`
    Write { path: Bytes, len: u64, offset: u64 },
    /// `mknod(path, mode, 0)`; `mode` has type bits.
    Mknod { path: Bytes, mode: u32 },
    /// `mkdir(path, mode)`
    Mkdir { path: Bytes, mode: u32 },
    /// `rmdir(path)`
    Rmdir { path: Bytes },
    /// `unlink(path)`
    Unlink { path: Bytes },
    /// `link(path, to)`
    Link { path: Bytes, to: Bytes },
    /// `symlink(text, path)`
    Symlink { path: Bytes, text: Bytes },
    /// `rename(path, to)`
    Rename { path: Bytes, to: Bytes },
    /// `chmod(path, mode)`; `mode` is without type bits.
    Chmod { path: Bytes, mode: u32 },
    /// `chown(path, uid, gid)`
    Chown { path: Bytes, uid: u32, gid: u32 },
    /// `open(path, O_RDONLY)`, `lseek(offset, whence)`
    Seek { path: Bytes, offset: u64, whence: u32 },
    /// `open(path, O_RDONLY|O_DIRECTORY)`, `getdents`
    Iterate { path: Bytes },
    /// `open(path, …)`, `mmap(MAP_SHARED)` for reading, or for reading and writing.
    Map { path: Bytes, writable: bool },
    /// `statfs(path)`
    Statfs { path: Bytes },
    /// `open(path, O_RDONLY)`, `fsync` or `fdatasync`
    Fsync { path: Bytes, data_only: bool },
    /// `execve(path)`
    Exec { path: Bytes },
    /// `open(path, O_RDONLY)`, `ioctl(FS_IOC_GETFLAGS)`
    Ioctl { path: Bytes },
}

/// The number of `FS_IOC_GETFLAGS`.
pub(crate) const GETFLAGS: u64 = 0x8008_6601;
/// Bytes in a mapping.
pub(crate) const MAP_LEN: usize = 4096;
/// The argument with which the executed program leaves at once.
pub const LEAVE: &str = "leave";

fn os(path: &[u8]) -> &OsStr {
    OsStr::from_bytes(path)
}

/// What is added to an open that only serves another call: it neither follows links nor waits.
pub(crate) const CAUTION: OFlags = OFlags::NOFOLLOW.union(OFlags::NONBLOCK);

fn opened(path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    fs::openat(CWD, os(path), flags | CAUTION, Mode::empty())
}

impl Call {
    /// The object.
    #[must_use]
    pub(crate) fn path(&self) -> &[u8] {
        match self {
            Self::Reach { path }
            | Self::Stat { path }
            | Self::Open { path, .. }
            | Self::Read { path, .. }
            | Self::Write { path, .. }
            | Self::Mknod { path, .. }
            | Self::Mkdir { path, .. }
            | Self::Rmdir { path }
            | Self::Unlink { path }
            | Self::Link { path, .. }
            | Self::Symlink { path, .. }
            | Self::Rename { path, .. }
            | Self::Chmod { path, .. }
            | Self::Chown { path, .. }
            | Self::Seek { path, .. }
            | Self::Iterate { path }
            | Self::Map { path, .. }
            | Self::Statfs { path }
            | Self::Fsync { path, .. }
            | Self::Exec { path }
            | Self::Ioctl { path } => path,
        }
    }

    /// The same call on the same objects below `root`: how it is done outside a sandbox.
    #[must_use]
    pub(crate) fn below(&self, root: &Path) -> Self {
        let at = |path: &mut Bytes| *path = [root.as_os_str().as_bytes(), path].concat();
        let mut call = self.clone();
        match &mut call {
            Self::Link { path, to } | Self::Rename { path, to } => {
                at(path);
                at(to);
            }
            Self::Reach { path }
            | Self::Stat { path }
            | Self::Open { path, .. }
            | Self::Read { path, .. }
            | Self::Write { path, .. }
            | Self::Mknod { path, .. }
            | Self::Mkdir { path, .. }
            | Self::Rmdir { path }
            | Self::Unlink { path }
            | Self::Symlink { path, .. }
            | Self::Chmod { path, .. }
            | Self::Chown { path, .. }
            | Self::Seek { path, .. }
            | Self::Iterate { path }
            | Self::Map { path, .. }
            | Self::Statfs { path }
            | Self::Fsync { path, .. }
            | Self::Exec { path }
            | Self::Ioctl { path } => at(path),
        }
        call
    }

    /// Does it.
    ///
    /// # Errors
    /// The error number of the first system call that fails.
    pub(crate) fn perform(&self) -> Result<(), i32> {
        self.call().map_err(|errno| errno.raw_os_error())
    }

    fn call(&self) -> Result<(), Errno> {
        match self {
            Self::Reach { path } => {
                fs::openat(CWD, os(path), OFlags::PATH | OFlags::NOFOLLOW, Mode::empty()).map(drop)
            }
            Self::Stat { path } => fs::statat(CWD, os(path), AtFlags::SYMLINK_NOFOLLOW).map(drop),
            Self::Open { path, flags } => {
                fs::openat(CWD, os(path), OFlags::from_bits_retain(*flags), Mode::empty()).map(drop)
            }
            Self::Read { path, len, offset } => {
                let file = opened(path, OFlags::RDONLY)?;
                let mut buffer = vec![0_u8; usize::try_from(*len).map_err(|_| Errno::INVAL)?];
                rustix::io::pread(&file, buffer.as_mut_slice(), *offset).map(drop)
            }
            Self::Write { path, len, offset } => {
                let file = opened(path, OFlags::WRONLY)?;
                let bytes = vec![b'w'; usize::try_from(*len).map_err(|_| Errno::INVAL)?];
                rustix::io::pwrite(&file, &bytes, *offset).map(drop)
            }
            Self::Mknod { path, mode } => {
                let mode = RawMode::from(*mode);
                fs::mknodat(CWD, os(path), FileType::from_raw_mode(mode), Mode::from_raw_mode(mode), 0)
            }
            Self::Mkdir { path, mode } => fs::mkdirat(CWD, os(path), Mode::from_raw_mode(*mode)),
            Self::Rmdir { path } => fs::unlinkat(CWD, os(path), AtFlags::REMOVEDIR),
            Self::Unlink { path } => fs::unlinkat(CWD, os(path), AtFlags::empty()),
            Self::Link { path, to } => fs::linkat(CWD, os(path), CWD, os(to), AtFlags::empty()),
            Self::Symlink { path, text } => fs::symlinkat(os(text), CWD, os(path)),
            Self::Rename { path, to } => fs::renameat_with(CWD, os(path), CWD, os(to), RenameFlags::empty()),
            Self::Chmod { path, mode } => {
                fs::chmodat(CWD, os(path), Mode::from_raw_mode(*mode), AtFlags::empty())
            }
            Self::Chown { path, uid, gid } => {
                let owner = (Uid::from_raw(*uid), Gid::from_raw(*gid));
                fs::chownat(CWD, os(path), Some(owner.0), Some(owner.1), AtFlags::SYMLINK_NOFOLLOW)
            }
            Self::Seek { path, offset, whence } => {
                let file = opened(path, OFlags::RDONLY)?;
                let to = match whence {
                    0 => SeekFrom::Start(*offset),
                    1 => SeekFrom::Current(offset.cast_signed()),
                    2 => SeekFrom::End(offset.cast_signed()),
                    3 => SeekFrom::Data(*offset),
                    4 => SeekFrom::Hole(*offset),
                    _ => return Err(Errno::INVAL),
                };
                fs::seek(&file, to).map(drop)
            }
            Self::Iterate { path } => {
                let directory = opened(path, OFlags::RDONLY | OFlags::DIRECTORY)?;
                let mut buffer = Vec::with_capacity(4096);
                let mut entries = RawDir::new(&directory, buffer.spare_capacity_mut());
                while let Some(entry) = entries.next() {
                    entry?;
                }
                Ok(())
            }
            Self::Map { path, writable } => {
                let file = opened(path, if *writable { OFlags::RDWR } else { OFlags::RDONLY })?;
                let mut options = MmapOptions::new();
                let options = options.len(MAP_LEN);
                let mapped =
                    if *writable { options.map_raw(&file) } else { options.map_raw_read_only(&file) };
                mapped.map(drop).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
            }
            Self::Statfs { path } => fs::statfs(os(path)).map(drop),
            Self::Fsync { path, data_only } => {
                let file = opened(path, OFlags::RDONLY)?;
                if *data_only { fs::fdatasync(&file) } else { fs::fsync(&file) }
            }
            Self::Exec { path } => {
                let ended = Command::new(os(path)).arg(LEAVE).status();
                ended.map(drop).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
            }
            Self::Ioctl { path } => {
                let file = opened(path, OFlags::RDONLY)?;
                match fs::ioctl_getflags(&file) {
                    // The request has reached the file system, which does not have it.
                    Err(Errno::NOTTY | Errno::OPNOTSUPP) => Ok(()),
                    other => other.map(drop),
                }
            }
        }
    }
}
