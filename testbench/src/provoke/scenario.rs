//! From a request to the objects and the call that provoke it.

use boesfs_abi::op::Op;
use boesfs_abi::request::{ArgValue, Kind, Request};
use rustix::fs::{FileType, OFlags};

use super::call::{Bytes, Call};
use super::tree::Object;
use crate::engine::RealPlane;

/// Objects, and a call on them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scenario {
    /// What stands where before the call, the call's object first.
    pub(crate) objects: Vec<(Bytes, Object)>,
    /// The call.
    pub(crate) call: Call,
}

/// Bytes that are read or written at most; more would only be slow.
const MOST: u64 = 1 << 20;

/// The call that provokes `request` on `plane`; values the request does not know are chosen.
///
/// # Errors
/// Why no call does.
pub(crate) fn scenario(request: &Request, plane: RealPlane) -> Result<Scenario, String> {
    let path = request.obj().to_vec();
    if path == b"/"
        && request.op() != Op::Iterate
        && request.op() != Op::Statfs
        && request.op() != Op::Getattr
    {
        return Err("the root directory cannot be made, removed or moved".into());
    }
    let args = Args(request);
    let kind = request.kind;
    let on = |object: Object, call: Call| Scenario { objects: vec![(path.clone(), object)], call };
    let anything = object(kind, Object::File)?;
    Ok(match request.op() {
        Op::Lookup | Op::Lookup2 => {
            args.leave_open()?;
            match plane {
                // Nothing in the kernel sees O_PATH on the last name, so there it is reached by a stat.
                RealPlane::Lsm => on(anything, Call::Stat { path: path.clone() }),
                RealPlane::Fuse => on(anything, Call::Reach { path: path.clone() }),
            }
        }
        Op::Getattr => {
            let object = if path == b"/" { Object::Dir } else { anything };
            on(object, Call::Stat { path: path.clone() })
        }
        Op::Open => {
            let flags = args.number(0, 0)?;
            let known = OFlags::from_bits(u32::try_from(flags).map_err(|_| "no such open flags")?);
            let flags = known.ok_or("no such open flags")?;
            if flags.intersects(OFlags::PATH | OFlags::TMPFILE | OFlags::CREATE | OFlags::DIRECT) {
                return Err(
                    "an open with these flags is another operation, or needs a file system for it".into()
                );
            }
            on(contents(kind)?, Call::Open { path: path.clone(), flags: flags.bits() })
        }
        Op::Read => {
            on(file(kind)?, Call::Read { path: path.clone(), len: args.length(0)?, offset: args.offset(1)? })
        }
        Op::Write => {
            on(file(kind)?, Call::Write { path: path.clone(), len: args.length(0)?, offset: args.offset(1)? })
        }
        Op::Create => {
            let mode = args.mode(0, FileType::RegularFile)?;
            made(kind, Kind::File)?;
            on(Object::Absent, Call::Mknod { path: path.clone(), mode })
        }
        Op::Mknod => {
            let wanted = match kind {
                None | Some(Kind::Fifo) => FileType::Fifo,
                Some(Kind::Socket) => FileType::Socket,
                Some(Kind::Block | Kind::Char) => {
                    return Err("device nodes cannot be made in a user namespace".into());
                }
                Some(Kind::File | Kind::Dir | Kind::Symlink) => {
                    return Err("mknod makes no object of this kind".into());
                }
            };
            let mode = args.mode(0, wanted)?;
            if args.number(1, 0)? != 0 {
                return Err("device nodes cannot be made in a user namespace".into());
            }
            on(Object::Absent, Call::Mknod { path: path.clone(), mode })
        }
        Op::Mkdir => {
            made(kind, Kind::Dir)?;
            let mode = args.permissions(0, 0o755)?;
            on(Object::Absent, Call::Mkdir { path: path.clone(), mode })
        }
        Op::Symlink => {
            made(kind, Kind::Symlink)?;
            let text = args.bytes(0)?.unwrap_or_else(|| b"nowhere".to_vec());
            if text.is_empty() {
                return Err("a symbolic link has a text".into());
            }
            on(Object::Absent, Call::Symlink { path: path.clone(), text })
        }
        Op::Rmdir => {
            made(kind, Kind::Dir)?;
            on(Object::Dir, Call::Rmdir { path: path.clone() })
        }
        Op::Unlink => {
            if anything == Object::Dir {
                return Err("unlink removes no directory".into());
            }
            on(anything, Call::Unlink { path: path.clone() })
        }
        Op::Link | Op::Rename => {
            let other = if request.op() == Op::Link { b".linked".as_slice() } else { b".moved" };
            let to = args.bytes(0)?.unwrap_or_else(|| [path.as_slice(), other].concat());
            if to == path || to.starts_with(&[path.as_slice(), b"/"].concat()) || to == b"/" {
                return Err("the new name is the object, or within it".into());
            }
            if request.op() == Op::Link && anything == Object::Dir {
                return Err("directories have no hard links".into());
            }
            let objects = vec![(path.clone(), anything), (to.clone(), Object::Absent)];
            let call = match request.op() {
                Op::Link => Call::Link { path: path.clone(), to },
                _ => Call::Rename { path: path.clone(), to },
            };
            Scenario { objects, call }
        }
        Op::Setattr => {
            if anything == Object::Symlink {
                return Err("attributes of a symbolic link are not set".into());
            }
            let known = |place| !matches!(request.args()[place], ArgValue::Unknown | ArgValue::Absent);
            if known(1) || known(2) {
                if known(0) {
                    return Err("no call sets both mode and owner".into());
                }
                let id = |place| {
                    u32::try_from(args.number(place, 0)?).map_err(|_| "no such user or group id".to_owned())
                };
                on(anything, Call::Chown { path: path.clone(), uid: id(1)?, gid: id(2)? })
            } else {
                if request.args()[0] == ArgValue::Absent {
                    return Err("a change that carries neither mode nor owner is not provoked".into());
                }
                let is = if anything == Object::Dir { FileType::Directory } else { FileType::RegularFile };
                let mode = args.mode(0, is)? & 0o7777;
                on(anything, Call::Chmod { path: path.clone(), mode })
            }
        }
        Op::Llseek => {
            let whence = u32::try_from(args.number(1, 3)?).map_err(|_| "no such whence")?;
            match plane {
                RealPlane::Fuse if !(3..=4).contains(&whence) => {
                    return Err("only SEEK_DATA and SEEK_HOLE reach a FUSE server".into());
                }
                RealPlane::Fuse | RealPlane::Lsm => {}
            }
            on(file(kind)?, Call::Seek { path: path.clone(), offset: args.number(0, 0)?, whence })
        }
        Op::Iterate => {
            made(kind, Kind::Dir)?;
            on(Object::Dir, Call::Iterate { path: path.clone() })
        }
        Op::Mmap => {
            if args.number(0, 0)? != 0 || args.number(1, 0)? != 0 {
                return Err("the address of a mapping is the kernel's choice".into());
            }
            let writable = match (args.number(2, 1)?, args.number(3, 1)?) {
                (1, 1) => false,
                (3, 1) => true,
                _ => return Err("only shared mappings for reading or writing are provoked".into()),
            };
            on(file(kind)?, Call::Map { path: path.clone(), writable })
        }
        Op::Statfs => {
            let object = if path == b"/" { Object::Dir } else { anything };
            if object == Object::Symlink {
                return Err("statfs follows symbolic links".into());
            }
            on(object, Call::Statfs { path: path.clone() })
        }
        Op::Fsync => {
            let data_only = match args.number(0, 0)? {
                0 => false,
                1 => true,
                _ => return Err("datasync is 0 or 1".into()),
            };
            on(file(kind)?, Call::Fsync { path: path.clone(), data_only })
        }
        Op::Exec => {
            file(kind)?;
            on(Object::Program, Call::Exec { path: path.clone() })
        }
        Op::Ioctl => {
            if args.number(0, super::call::GETFLAGS)? != super::call::GETFLAGS {
                return Err("only FS_IOC_GETFLAGS is provoked".into());
            }
            on(file(kind)?, Call::Ioctl { path: path.clone() })
        }
    })
}

/// The object of this kind, `default` if it is not known.
fn object(kind: Option<Kind>, default: Object) -> Result<Object, String> {
    Ok(match kind {
        None => default,
        Some(Kind::File) => Object::File,
        Some(Kind::Dir) => Object::Dir,
        Some(Kind::Symlink) => Object::Symlink,
        Some(Kind::Fifo) => Object::Fifo,
        Some(Kind::Socket) => Object::Socket,
        Some(Kind::Block | Kind::Char) => return Err("device nodes are not made for a test".into()),
    })
}

/// What can be opened.
fn contents(kind: Option<Kind>) -> Result<Object, String> {
    match object(kind, Object::File)? {
        object @ (Object::File | Object::Dir) => Ok(object),
        _ => Err("only files and directories are opened".into()),
    }
}

/// What has bytes.
fn file(kind: Option<Kind>) -> Result<Object, String> {
    match object(kind, Object::File)? {
        object @ Object::File => Ok(object),
        _ => Err("only files have contents".into()),
    }
}

fn made(kind: Option<Kind>, only: Kind) -> Result<(), String> {
    match kind {
        Some(kind) if kind != only => Err(format!("the call is about an object of kind {}", only.name())),
        _ => Ok(()),
    }
}

/// The request's tuple, with values chosen where it has none.
struct Args<'a>(&'a Request);

impl Args<'_> {
    fn number(&self, place: usize, default: u64) -> Result<u64, String> {
        match &self.0.args()[place] {
            ArgValue::Unknown => Ok(default),
            ArgValue::Number(number) => Ok(*number),
            ArgValue::Absent => Err("the call carries this argument".into()),
            ArgValue::Bytes(_) => Err("a number stands here".into()),
        }
    }

    fn bytes(&self, place: usize) -> Result<Option<Bytes>, String> {
        match &self.0.args()[place] {
            ArgValue::Unknown => Ok(None),
            ArgValue::Bytes(bytes) => Ok(Some(bytes.clone())),
            ArgValue::Absent => Err("the call carries this argument".into()),
            ArgValue::Number(_) => Err("a path or text stands here".into()),
        }
    }

    fn length(&self, place: usize) -> Result<u64, String> {
        match self.number(place, 1)? {
            0 => Err("nothing is read or written".into()),
            length if length > MOST => Err("more than is read or written in a test".into()),
            length => Ok(length),
        }
    }

    fn offset(&self, place: usize) -> Result<u64, String> {
        match self.number(place, 0)? {
            offset if offset > 1 << 40 => Err("an offset that file systems refuse".into()),
            offset => Ok(offset),
        }
    }

    fn permissions(&self, place: usize, default: u64) -> Result<u32, String> {
        match u32::try_from(self.number(place, default)?) {
            Ok(mode) if mode & !0o1777 == 0 => Ok(mode),
            _ => Err("no such mode".into()),
        }
    }

    /// A mode whose type bits are those of `kind`.
    fn mode(&self, place: usize, kind: FileType) -> Result<u32, String> {
        let bits = kind.as_raw_mode();
        match u32::try_from(self.number(place, (bits | 0o644).into())?) {
            Ok(mode) if mode & !0o7777 == bits => Ok(mode),
            _ => Err("a mode of another type".into()),
        }
    }

    fn leave_open(&self) -> Result<(), String> {
        match self.0.args().iter().all(|value| *value == ArgValue::Unknown) {
            true => Ok(()),
            false => Err("lookup flags are not known on any plane".into()),
        }
    }
}
