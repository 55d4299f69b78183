//! What a call must get, by the image: the effective decisions of LANGUAGE §5, in the order the call asks them.

use boesfs_abi::judge::{Caller, Judge, Outcome, intent_of};
use boesfs_abi::op::{Coverage, Op};
use boesfs_abi::request::{ArgValue, Kind};
use rustix::fs::{FileType, OFlags};

use super::call::{CAUTION, Call, GETFLAGS};
use crate::engine::RealPlane;

/// What a call must get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Expectation {
    /// With every value of the call known.
    pub(crate) exact: Outcome,
    /// Denials that the plane may give instead of allowing, because it does not know every value.
    pub(crate) stricter: Vec<Outcome>,
}

/// Whether a plane knows the values of a call.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Values {
    Known,
    Unknown,
}

/// What `call` on an object of `kind` must get on `plane`.
#[must_use]
pub(crate) fn expectation(
    judge: &Judge<'_>,
    caller: &Caller,
    call: &Call,
    kind: Option<Kind>,
    plane: RealPlane,
) -> Expectation {
    let asked = Asked { judge, caller, kind };
    let exact = asked.outcome(call, Values::Known);
    let mut stricter = Vec::new();
    if exact.allowed() {
        let ops = asks(call);
        if ops.iter().any(|op| matches!(plane.coverage(*op), Coverage::Approximate(_))) {
            stricter.push(asked.outcome(call, Values::Unknown));
        }
        // A mapping sends a FUSE server no request, so what it could do is judged when the file is opened.
        if plane == RealPlane::Fuse && ops.contains(&Op::Open) {
            for op in [Op::Exec, Op::Mmap] {
                stricter.extend(judge.never(caller, call.path(), kind, op));
            }
        }
        stricter.retain(|outcome| !outcome.allowed());
    }
    Expectation { exact, stricter }
}

/// The operations that `call` asks.
#[must_use]
pub(crate) fn asks(call: &Call) -> Vec<Op> {
    match call {
        Call::Reach { .. } => vec![Op::Lookup],
        Call::Stat { .. } => vec![Op::Getattr],
        Call::Open { .. } => vec![Op::Open],
        Call::Read { .. } => vec![Op::Open, Op::Read],
        Call::Write { .. } => vec![Op::Open, Op::Write],
        Call::Mknod { mode, .. } if FileType::from_raw_mode(*mode) == FileType::RegularFile => {
            vec![Op::Create]
        }
        Call::Mknod { .. } => vec![Op::Mknod],
        Call::Mkdir { .. } => vec![Op::Mkdir],
        Call::Rmdir { .. } => vec![Op::Rmdir],
        Call::Unlink { .. } => vec![Op::Unlink],
        Call::Link { .. } => vec![Op::Link],
        Call::Symlink { .. } => vec![Op::Symlink],
        Call::Rename { .. } => vec![Op::Rename],
        Call::Chmod { .. } | Call::Chown { .. } => vec![Op::Setattr],
        Call::Seek { .. } => vec![Op::Open, Op::Llseek],
        Call::Iterate { .. } => vec![Op::Open, Op::Iterate],
        Call::Map { .. } => vec![Op::Open, Op::Mmap],
        Call::Statfs { .. } => vec![Op::Statfs],
        Call::Fsync { .. } => vec![Op::Open, Op::Fsync],
        Call::Exec { .. } => vec![Op::Exec],
        Call::Ioctl { .. } => vec![Op::Open, Op::Ioctl],
    }
}

struct Asked<'j, 'i> {
    judge: &'j Judge<'i>,
    caller: &'j Caller,
    kind: Option<Kind>,
}

impl Asked<'_, '_> {
    fn outcome(&self, call: &Call, values: Values) -> Outcome {
        let path = call.path();
        let number = |value: u64| match values {
            Values::Known => ArgValue::Number(value),
            Values::Unknown => ArgValue::Unknown,
        };
        let opened = |flags: OFlags| number((flags | CAUTION).bits().into());
        match call {
            Call::Reach { .. } => match self.judge.hidden(self.caller, path, self.kind) {
                Some(hidden) => hidden,
                None => self.ask(path, Op::Lookup, &[]),
            },
            Call::Stat { .. } => self.ask(path, Op::Getattr, &[]),
            Call::Open { flags, .. } => self.open(path, u64::from(*flags), &number(u64::from(*flags))),
            Call::Read { len, offset, .. } => {
                let args = [number(*len), number(*offset)];
                self.through(path, OFlags::RDONLY, &opened(OFlags::RDONLY), Op::Read, &args)
            }
            Call::Write { len, offset, .. } => {
                let args = [number(*len), number(*offset)];
                self.through(path, OFlags::WRONLY, &opened(OFlags::WRONLY), Op::Write, &args)
            }
            Call::Mknod { mode, .. } => {
                let kind = FileType::from_raw_mode(*mode);
                let (kind, op, args) = match kind {
                    FileType::RegularFile => (Kind::File, Op::Create, vec![number((*mode).into())]),
                    FileType::Socket => (Kind::Socket, Op::Mknod, vec![number((*mode).into()), number(0)]),
                    _ => (Kind::Fifo, Op::Mknod, vec![number((*mode).into()), number(0)]),
                };
                self.judge.ask(self.caller, path, Some(kind), op, &args)
            }
            Call::Mkdir { mode, .. } => {
                self.judge.ask(self.caller, path, Some(Kind::Dir), Op::Mkdir, &[number((*mode).into())])
            }
            Call::Rmdir { .. } => self.ask(path, Op::Rmdir, &[]),
            Call::Unlink { .. } => self.ask(path, Op::Unlink, &[]),
            Call::Link { to, .. } => self.judge.link(self.caller, path, to, self.kind),
            Call::Rename { to, .. } => self.judge.rename(self.caller, path, to, self.kind, None),
            Call::Symlink { text, .. } => self.judge.symlink(self.caller, path, text),
            Call::Chmod { mode, .. } => {
                let kind =
                    if self.kind == Some(Kind::Dir) { FileType::Directory } else { FileType::RegularFile };
                let mode = number((kind.as_raw_mode() | mode).into());
                self.ask(path, Op::Setattr, &[mode, ArgValue::Absent, ArgValue::Absent])
            }
            Call::Chown { uid, gid, .. } => {
                let args = [ArgValue::Absent, number((*uid).into()), number((*gid).into())];
                self.ask(path, Op::Setattr, &args)
            }
            Call::Seek { offset, whence, .. } => {
                let args = [number(*offset), number((*whence).into())];
                self.through(path, OFlags::RDONLY, &opened(OFlags::RDONLY), Op::Llseek, &args)
            }
            Call::Iterate { .. } => {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY;
                self.through(path, flags, &opened(flags), Op::Iterate, &[])
            }
            Call::Map { writable, .. } => {
                let (flags, prot) = if *writable { (OFlags::RDWR, 3) } else { (OFlags::RDONLY, 1) };
                let args = [ArgValue::Unknown, ArgValue::Unknown, number(prot), number(1)];
                self.through(path, flags, &opened(flags), Op::Mmap, &args)
            }
            Call::Statfs { .. } => self.ask(path, Op::Statfs, &[]),
            Call::Fsync { data_only, .. } => {
                let args = [number(u64::from(*data_only))];
                self.through(path, OFlags::RDONLY, &opened(OFlags::RDONLY), Op::Fsync, &args)
            }
            Call::Exec { .. } => {
                let intent = boesfs_abi::judge::Intent { by_kernel: true, ..Default::default() };
                self.judge.open(self.caller, path, self.kind, None, intent)
            }
            Call::Ioctl { .. } => {
                let args = [number(GETFLAGS)];
                self.through(path, OFlags::RDONLY, &opened(OFlags::RDONLY), Op::Ioctl, &args)
            }
        }
    }

    fn ask(&self, path: &[u8], op: Op, args: &[ArgValue]) -> Outcome {
        self.judge.ask(self.caller, path, self.kind, op, args)
    }

    fn open(&self, path: &[u8], flags: u64, told: &ArgValue) -> Outcome {
        self.judge.open(self.caller, path, self.kind, Some(told), intent_of(flags, self.kind))
    }

    /// An open, and then `op` on what it gave.
    fn through(&self, path: &[u8], flags: OFlags, told: &ArgValue, op: Op, args: &[ArgValue]) -> Outcome {
        let opened = self.open(path, flags.bits().into(), told);
        if opened.allowed() { self.ask(path, op, args) } else { opened }
    }
}
