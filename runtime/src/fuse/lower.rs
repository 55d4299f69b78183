//! The tree beneath the mount: how an object is reached, and what is done to one that was reached.
//!
//! Everything starts at a descriptor of the protected directory that was taken before it was covered, and goes down
//! by names only: no `..`, no symbolic or magic link is followed. Objects are held by `O_PATH` descriptors; what
//! the kernel does not offer for those is done through the server's own `/proc/self/fd`.

use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, PoisonError};

use boesfs_abi::request::Kind;
use fuse_backend_rs::abi::fuse_abi::{Attr, stat64};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

use super::caller::{act_as, acting_as};
use super::node::{Found, Identity, Route, Start};

const BELOW: ResolveFlags =
    ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_MAGICLINKS);

/// How much of a route is walked by one system call: less than `PATH_MAX`.
const STRETCH: usize = 4000;

/// How often a walk is tried again that a rename elsewhere on the machine disturbed.
const TRIES: u32 = 64;

/// `FS_CASEFOLD_FL` of the kernel's `linux/fs.h`.
const CASEFOLD: u32 = 0x4000_0000;

/// File systems in which case does not count, or may be told not to, as statfs(2) numbers them.
const FAT: i64 = 0x4d44;
const EXFAT: i64 = 0x2011_bab0;
const NTFS: i64 = 0x7366_746e;
const HFS: i64 = 0x4244;
const HFS_PLUS: i64 = 0x482b;
const CIFS: i64 = 0xff53_4d42;
const SMB2: i64 = 0xfe53_4d42;
/// And those where a directory's flags tell.
const EXT4: i64 = 0xef53;
const F2FS: i64 = 0xf2f5_2010;
const BCACHEFS: i64 = 0xca45_1a4e;
const TMPFS: i64 = 0x0102_1994;
const OVERLAY: i64 = 0x794c_7630;

/// Below this many bits an inode number of another file system keeps its value.
const INO_BITS: u32 = 48;

/// The tree beneath the mount.
#[derive(Debug)]
pub(crate) struct Lower {
    root: OwnedFd,
    /// The server's `/proc/self/fd`.
    descriptors: OwnedFd,
    /// Devices seen, in order of appearance; the protected directory's is the first.
    devices: Mutex<HashMap<u64, u64>>,
    /// The ids there are in the server's user namespace.
    users: IdRanges,
    groups: IdRanges,
}

/// Ids, as ranges.
#[derive(Debug)]
struct IdRanges(Vec<(u32, u32)>);

impl IdRanges {
    /// The ids mapped by `file`, a `uid_map` or `gid_map`: what it calls them inside, and how many.
    fn read(file: &str) -> io::Result<Self> {
        let text = std::fs::read_to_string(file)?;
        let range = |line: &str| {
            let mut numbers = line.split_ascii_whitespace().map(|number| number.parse().ok());
            let (first, _, count) = (numbers.next()??, numbers.next()?, numbers.next()??);
            Some((first, count))
        };
        let ranges = text.lines().map(range).collect::<Option<_>>();
        ranges.map(Self).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, file.to_owned()))
    }

    fn contain(&self, id: u32) -> bool {
        self.0.iter().any(|(first, count)| id.checked_sub(*first).is_some_and(|above| above < *count))
    }
}

impl Lower {
    /// The tree at `root`, which may be an `O_PATH` descriptor.
    ///
    /// # Errors
    /// If `root` cannot be asked about, or there is no `/proc` with the server in it.
    pub(crate) fn new(root: OwnedFd) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let descriptors = rustix::fs::open("/proc/self/fd", flags, Mode::empty())?;
        let dev = rustix::fs::fstat(&root)?.st_dev;
        Ok(Self {
            root,
            descriptors,
            devices: Mutex::new(HashMap::from([(dev, 0)])),
            users: IdRanges::read("/proc/self/uid_map")?,
            groups: IdRanges::read("/proc/self/gid_map")?,
        })
    }

    /// The protected directory.
    pub(crate) fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// The server's `/proc/self/fd`.
    pub(crate) fn descriptors(&self) -> BorrowedFd<'_> {
        self.descriptors.as_fd()
    }

    /// The object at the end of `route`, which may be a symbolic link.
    pub(crate) fn reach(&self, route: &Route) -> io::Result<OwnedFd> {
        let start = match &route.start {
            Start::Root => self.root.as_fd(),
            Start::Orphan(object) => object.as_fd(),
        };
        let mut rest = &route.names[..];
        if rest.is_empty() {
            return start.try_clone_to_owned();
        }
        let mut above: Option<OwnedFd> = None;
        loop {
            let from = above.as_ref().map_or(start, AsFd::as_fd);
            if rest.len() <= STRETCH {
                return below(from, rest, OFlags::PATH | OFlags::NOFOLLOW, Mode::empty());
            }
            let cut = rest[..STRETCH].iter().rposition(|byte| *byte == b'/');
            let cut = cut.expect("INVARIANT: a name is shorter than a stretch");
            above = Some(below(from, &rest[..cut], OFlags::PATH | OFlags::DIRECTORY, Mode::empty())?);
            rest = &rest[cut + 1..];
        }
    }

    /// The child `name` of the directory `dir`, which may be a symbolic link.
    pub(crate) fn child(dir: BorrowedFd<'_>, name: &[u8]) -> io::Result<OwnedFd> {
        below(dir, name, OFlags::PATH | OFlags::NOFOLLOW, Mode::empty())
    }

    /// Makes and opens the regular file `name` in `dir`, which must not exist.
    pub(crate) fn create(dir: BorrowedFd<'_>, name: &[u8], flags: OFlags, mode: u32) -> io::Result<File> {
        let flags = flags | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::NOCTTY;
        below(dir, name, flags, Mode::from_raw_mode(mode & 0o7777)).map(File::from)
    }

    /// Opens what `object` holds. The caller's rights to it are checked as for any open.
    pub(crate) fn open(&self, object: BorrowedFd<'_>, flags: OFlags) -> io::Result<File> {
        let flags = flags | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&self.descriptors, link(object), flags, Mode::empty())?;
        Ok(File::from(file))
    }

    /// Whether a file in the directory `dir` answers to other spellings of its name too; `None` if neither the caller nor the
    /// directory's owner may know.
    ///
    /// # Errors
    /// If `dir` cannot be asked about.
    pub(crate) fn folds(&self, dir: BorrowedFd<'_>) -> io::Result<Option<bool>> {
        match rustix::fs::fstatfs(dir)?.f_type {
            FAT | EXFAT | NTFS | HFS | HFS_PLUS | CIFS | SMB2 => return Ok(Some(true)),
            EXT4 | F2FS | BCACHEFS | TMPFS | OVERLAY => {}
            _ => return Ok(Some(false)),
        }
        let opened = match self.open(dir, OFlags::DIRECTORY) {
            // Whoever may look up names may not be let read the directory; its owner may.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                let (stat, (user, group)) = (rustix::fs::fstat(dir)?, acting_as());
                let opened =
                    act_as(stat.st_uid, stat.st_gid).and_then(|()| self.open(dir, OFlags::DIRECTORY));
                act_as(user, group)?;
                match opened {
                    Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(None),
                    opened => opened,
                }
            }
            opened => opened,
        };
        match rustix::fs::ioctl_getflags(opened?) {
            Ok(flags) => Ok(Some(flags.bits() & CASEFOLD != 0)),
            // A file system that has no flags at all.
            Err(Errno::NOTTY | Errno::INVAL | Errno::OPNOTSUPP | Errno::NOSYS) => Ok(Some(false)),
            Err(error) => Err(error.into()),
        }
    }

    /// Opens a file without a name in the directory `dir`.
    pub(crate) fn open_unnamed(&self, dir: BorrowedFd<'_>, flags: OFlags, mode: u32) -> io::Result<File> {
        let flags = flags | OFlags::TMPFILE | OFlags::NOCTTY | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(mode & 0o7777);
        Ok(File::from(rustix::fs::openat(&self.descriptors, link(dir), flags, mode)?))
    }

    /// What `object` is, with an inode number that no other file of this mount has.
    ///
    /// The kernel lets nobody write to what belongs to an id that the mount's user namespace has not: so where the
    /// caller may write to such an object, it is shown as the caller's own.
    pub(crate) fn stat(&self, object: BorrowedFd<'_>) -> io::Result<Stat> {
        let mut stat = rustix::fs::fstat(object)?;
        stat.st_ino = self.ino(stat.st_dev, stat.st_ino);
        let strangers = (!self.users.contain(stat.st_uid), !self.groups.contain(stat.st_gid));
        if strangers != (false, false)
            && !FileType::from_raw_mode(stat.st_mode).is_symlink()
            && self.access(object, libc::W_OK.cast_unsigned()).is_ok()
        {
            let (user, group) = acting_as();
            stat.st_uid = if strangers.0 { user } else { stat.st_uid };
            stat.st_gid = if strangers.1 { group } else { stat.st_gid };
        }
        Ok(stat)
    }

    /// The inode number shown for number `ino` on device `dev`: itself on the protected directory's own device, and
    /// elsewhere something that tells two file systems' files apart, for the mount shows one device number for all.
    pub(crate) fn ino(&self, dev: u64, ino: u64) -> u64 {
        let mut devices = self.devices.lock().unwrap_or_else(PoisonError::into_inner);
        let count = devices.len() as u64;
        let number = *devices.entry(dev).or_insert(count);
        ino ^ (number << INO_BITS)
    }

    /// Whether the caller may access `object` in all ways of `mask` (`R_OK` and its kin).
    pub(crate) fn access(&self, object: BorrowedFd<'_>, mask: u32) -> io::Result<()> {
        let access = rustix::fs::Access::from_bits_truncate(mask);
        Ok(rustix::fs::accessat(&self.descriptors, link(object), access, AtFlags::EACCESS)?)
    }

    /// Makes `name` in `dir` another name of `object`.
    pub(crate) fn link(&self, object: BorrowedFd<'_>, dir: BorrowedFd<'_>, name: &CStr) -> io::Result<()> {
        Ok(rustix::fs::linkat(&self.descriptors, link(object), dir, name, AtFlags::SYMLINK_FOLLOW)?)
    }

    /// Sets the mode bits of `object`.
    pub(crate) fn chmod(&self, object: BorrowedFd<'_>, mode: u32) -> io::Result<()> {
        let mode = Mode::from_raw_mode(mode & 0o7777);
        Ok(rustix::fs::chmodat(&self.descriptors, link(object), mode, AtFlags::empty())?)
    }

    /// Sets the times of `object`.
    pub(crate) fn utimes(&self, object: BorrowedFd<'_>, times: &rustix::fs::Timestamps) -> io::Result<()> {
        Ok(rustix::fs::utimensat(&self.descriptors, link(object), times, AtFlags::empty())?)
    }
}

/// The name of `object` in the server's `/proc/self/fd`. Threads of the server have that as their working
/// directory, for the calls that take no directory descriptor.
pub(crate) fn link(object: BorrowedFd<'_>) -> CString {
    CString::new(object.as_raw_fd().to_string()).expect("INVARIANT: digits hold no NUL")
}

fn below(dir: BorrowedFd<'_>, names: &[u8], flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
    for _ in 0..TRIES {
        match rustix::fs::openat2(dir, names, flags | OFlags::CLOEXEC, mode, BELOW) {
            Err(Errno::AGAIN) => {}
            // A directory of the route has become a symbolic link: what the kernel knows is out of date.
            Err(Errno::LOOP) => return Err(io::Error::from_raw_os_error(libc::ESTALE)),
            other => return Ok(other?),
        }
    }
    Err(io::Error::from_raw_os_error(libc::EAGAIN))
}

/// The kind that the mode bits `mode` tell.
pub(crate) fn kind_of(mode: u32) -> io::Result<Kind> {
    Ok(match FileType::from_raw_mode(mode) {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Dir,
        FileType::Symlink => Kind::Symlink,
        FileType::Fifo => Kind::Fifo,
        FileType::Socket => Kind::Socket,
        FileType::BlockDevice => Kind::Block,
        FileType::CharacterDevice => Kind::Char,
        FileType::Unknown => return Err(io::Error::from_raw_os_error(libc::EIO)),
    })
}

/// What `stat` says was found.
pub(crate) fn found(stat: &Stat) -> io::Result<Found> {
    let identity = Identity { dev: stat.st_dev, ino: stat.st_ino };
    Ok(Found { identity, kind: kind_of(stat.st_mode)? })
}

/// `stat` as the protocol carries it.
pub(crate) fn attributes(stat: &Stat) -> stat64 {
    let truncate = |value: u64| u32::try_from(value & u64::from(u32::MAX)).expect("INVARIANT: it was masked");
    Attr {
        ino: stat.st_ino,
        size: stat.st_size.cast_unsigned(),
        blocks: stat.st_blocks.cast_unsigned(),
        atime: stat.st_atime.cast_unsigned(),
        mtime: stat.st_mtime.cast_unsigned(),
        ctime: stat.st_ctime.cast_unsigned(),
        atimensec: truncate(stat.st_atime_nsec),
        mtimensec: truncate(stat.st_mtime_nsec),
        ctimensec: truncate(stat.st_ctime_nsec),
        mode: stat.st_mode,
        nlink: truncate(stat.st_nlink),
        uid: stat.st_uid,
        gid: stat.st_gid,
        rdev: truncate(stat.st_rdev),
        blksize: truncate(stat.st_blksize.cast_unsigned()),
        flags: 0,
    }
    .into()
}
