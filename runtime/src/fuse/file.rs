//! Operations on files: opening, reading, writing and what else goes through a descriptor.
//!
//! A mapping sends no request. What can be told is a page fault's read: on a file opened past the page cache it is
//! the only read that names no lock owner (splice and sendfile read that way too). So a file that some
//! subject may not read, map or run is opened past the page cache, and such reads of it are judged as `mmap` and `exec`
//! as well: the mapping can be made, but touching it raises SIGBUS; a shared one is refused with
//! ENODEV where all subjects are one, or where some subject may read a file that it may not map. What remains: a page that another subject, who may, has mapped just then can be seen.

use std::cell::RefCell;
use std::ffi::CStr;
use std::fs::File;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use boesfs_abi::judge::{Creates, Intent, intent_of};
use boesfs_abi::op::{Op, OpSet};
use boesfs_abi::request::{ArgValue, Kind};
use fuse_backend_rs::api::filesystem::{Context, Entry, OpenOptions, ZeroCopyReader, ZeroCopyWriter};
use rustix::fs::{FallocateFlags, OFlags, SeekFrom};
use rustix::io::ReadWriteFlags;

use super::caller::act_as;
use super::decision::Object;
use super::gate::{FMODE_EXEC, Who};
use super::lower::{self, Lower};
use super::tree::{Handle, HandleMode, Target, Tree};

/// Flags of an open that the kernel keeps to itself, for a file that was there.
const LOST_AT_OPEN: [i32; 4] = [libc::O_CREAT, libc::O_EXCL, libc::O_NOCTTY, libc::O_CLOEXEC];

/// Flags of an open that the kernel keeps to itself, for a file that is to be made.
const LOST_AT_CREATE: [i32; 2] = [libc::O_NOCTTY, libc::O_CLOEXEC];

/// A request at least this long may be part of a longer call: the kernel cuts at 256 pages.
const MAY_BE_CUT: u32 = 255 * 4096;

/// What an open gives: the handle and how the kernel is to treat it.
pub(crate) type Opened = (u64, OpenOptions);

/// What a read or write says of its place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) offset: u64,
    pub(crate) size: u32,
}

/// One side of a copy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CopyEnd {
    pub(crate) node: u64,
    pub(crate) handle: u64,
    pub(crate) offset: u64,
}

/// Who sends the pages of a read or write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sender {
    /// The process, in the call that it makes.
    Call,
    /// The page cache, on behalf of somebody.
    Pages,
}

thread_local! {
    static PAGES: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl Tree {
    pub(crate) fn open_file(&self, context: &Context, node: u64, flags: u32) -> io::Result<Opened> {
        let _names = self.names_stay();
        let program = flags & FMODE_EXEC != 0;
        let op = if program { Op::Exec } else { Op::Open };
        let (who, path, kind) = self.caller(context, node, op)?;
        let target = self.reach(node, path, kind)?;
        self.open_reached(&who, node, &target, flags)
    }

    fn open_reached(&self, who: &Who, node: u64, target: &Target, flags: u32) -> io::Result<Opened> {
        if target.kind != Kind::File {
            return Err(io::Error::from_raw_os_error(libc::ENXIO));
        }
        if flags & FMODE_EXEC != 0 {
            let intent = Intent { uses: OpSet::of(&[Op::Exec]), creates: Creates::No, by_kernel: true };
            self.gate.open(who, target.judged(), flags, &[], intent)?;
            self.lower.access(target.object.as_fd(), libc::X_OK.cast_unsigned())?;
            let file = self.lower.open(target.object.as_fd(), OFlags::RDONLY)?;
            return Ok((self.keep(Handle::new(node, file, who, HandleMode::Program)), OpenOptions::empty()));
        }
        self.gate.open(who, target.judged(), flags, &LOST_AT_OPEN, intent(flags, Creates::No))?;
        let file = self.lower.open(target.object.as_fd(), lower_flags(flags))?;
        Ok(self.opened(who, node, target.judged(), file, flags))
    }

    fn opened(&self, who: &Who, node: u64, object: Object<'_>, file: File, flags: u32) -> Opened {
        // `getattr`: the page cache asks for the size when it is read to its end.
        let mut judged = vec![Op::Read, Op::Mmap, Op::Exec, Op::Getattr];
        if flags & OFlags::ACCMODE.bits() != 0 {
            // Past the page cache a write arrives as it was made, so that its tuple is known.
            judged.push(Op::Write);
        }
        let cached = self.gate.permits_all(object, &judged);
        let (mode, options) = if cached {
            (HandleMode::Cached, OpenOptions::empty())
        } else {
            (HandleMode::Direct, OpenOptions::DIRECT_IO)
        };
        (self.keep(Handle::new(node, file, who, mode)), options)
    }

    pub(crate) fn create_file(
        &self,
        context: &Context,
        parent: u64,
        name: &CStr,
        flags: u32,
        mode: u32,
    ) -> io::Result<(Entry, Opened)> {
        let _names = self.names_stay();
        let bytes = name.to_bytes();
        let (who, path) = self.caller_at(context, parent, bytes, Op::Create)?;
        let object = Object { path: &path, kind: Some(Kind::File) };
        let mode = (mode & 0o7777) | libc::S_IFREG;
        self.gate.open(&who, object, flags, &LOST_AT_CREATE, intent(flags, Creates::New(Some(mode))))?;
        let dir = self.directory(parent)?;
        match Lower::create(dir.as_fd(), bytes, lower_flags(flags), mode) {
            Ok(file) => {
                let stat = self.lower.stat(file.as_fd())?;
                let entry = self.entry(&who, parent, bytes, &path, &stat)?;
                let opened = self.opened(&who, entry.inode, object, file, flags);
                Ok((entry, opened))
            }
            // Somebody else was faster.
            Err(error) if error.raw_os_error() == Some(libc::EEXIST) && flags & O_EXCL == 0 => {
                let object = Lower::child(dir.as_fd(), bytes)?;
                let stat = self.lower.stat(object.as_fd())?;
                let target = Target { kind: lower::kind_of(stat.st_mode)?, object, path };
                let entry = self.entry(&who, parent, bytes, &target.path, &stat)?;
                match self.open_reached(&who, entry.inode, &target, flags) {
                    Ok(opened) => Ok((entry, opened)),
                    Err(error) => {
                        self.nodes().forget(entry.inode, 1);
                        Err(error)
                    }
                }
            }
            Err(error) => Err(error),
        }
    }

    /// Opens a file without a name, which is judged as if it were made under the name `#N`.
    pub(crate) fn create_unnamed(
        &self,
        context: &Context,
        parent: u64,
        flags: u32,
        mode: u32,
    ) -> io::Result<(Entry, Opened)> {
        let _names = self.names_stay();
        let (who, mut path, _) = self.caller(context, parent, Op::Create)?;
        let dir = self.directory(parent)?;
        let kept = lower_flags(flags) | OFlags::from_bits_retain(flags & O_EXCL);
        let file = self.lower.open_unnamed(dir.as_fd(), kept, mode)?;
        let stat = self.lower.stat(file.as_fd())?;
        super::node::push(&mut path, format!("#{}", stat.st_ino).as_bytes());
        let object = Object { path: &path, kind: Some(Kind::File) };
        let mode = (mode & 0o7777) | libc::S_IFREG;
        self.gate.open(&who, object, flags, &LOST_AT_CREATE, intent(flags, Creates::New(Some(mode))))?;
        let held = Arc::new(OwnedFd::from(file.try_clone()?));
        let node = self.nodes().enter_unnamed(path.clone(), lower::found(&stat)?, held);
        let entry = self.entry_of(&who, node, object, &stat);
        let opened = self.opened(&who, node, object, file, flags);
        Ok((entry, opened))
    }

    pub(crate) fn read_file(
        &self,
        context: &Context,
        handle: u64,
        to: &mut dyn ZeroCopyWriter,
        span: Span,
        sender: Sender,
    ) -> io::Result<usize> {
        let handle = self.handle(handle)?;
        self.judge_read(context, &handle, span, sender)?;
        PAGES.with_borrow_mut(|pages| {
            pages.resize(span.size as usize, 0);
            let mut done = 0;
            while done < pages.len() {
                match handle.file.read_at(&mut pages[done..], span.offset + done as u64) {
                    Ok(0) => break,
                    Ok(more) => done += more,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) if done == 0 => return Err(error),
                    Err(_) => break,
                }
            }
            to.write_all(&pages[..done])?;
            Ok(done)
        })
    }

    fn judge_read(&self, context: &Context, handle: &Handle, span: Span, sender: Sender) -> io::Result<()> {
        let (path, kind) = self.judged(handle.node)?;
        let object = Object { path: &path, kind: Some(kind) };
        match (handle.mode, sender) {
            (HandleMode::Program, _) => Ok(()),
            (HandleMode::Direct, Sender::Call) => {
                let who = self.gate.who(context, &path, Op::Read)?;
                self.gate.ask(&who, object, Op::Read, &exact(span))
            }
            (HandleMode::Direct, Sender::Pages) => {
                let who = self.gate.who_or(context, &handle.opener);
                let needed = [Op::Read, Op::Mmap, Op::Exec];
                if needed.into_iter().all(|op| self.gate.permits(&who, object, op)) {
                    return Ok(());
                }
                if handle.unmapped.swap(true, Ordering::Relaxed) {
                    return Err(io::Error::from_raw_os_error(libc::EACCES));
                }
                needed.into_iter().try_for_each(|op| self.gate.ask_any(&who, object, op))
            }
            (HandleMode::Cached, _) => {
                let who = self.gate.who_or(context, &handle.opener);
                self.gate.ask_any(&who, object, Op::Read)
            }
        }
    }

    pub(crate) fn write_file(
        &self,
        context: &Context,
        handle: u64,
        from: &mut dyn ZeroCopyReader,
        span: Span,
        flags: u32,
        sender: Sender,
    ) -> io::Result<usize> {
        let handle = self.handle(handle)?;
        let (path, kind) = self.judged(handle.node)?;
        let object = Object { path: &path, kind: Some(kind) };
        match (sender, handle.mode) {
            (Sender::Pages, _) => self.gate.ask_any(&handle.opener, object, Op::Write)?,
            (Sender::Call, mode) => {
                let who = self.gate.who(context, &path, Op::Write)?;
                match mode {
                    HandleMode::Direct => self.gate.ask(&who, object, Op::Write, &exact(span))?,
                    HandleMode::Cached | HandleMode::Program => self.gate.ask_any(&who, object, Op::Write)?,
                }
            }
        }
        let append = sender == Sender::Call && flags & libc::O_APPEND.cast_unsigned() != 0;
        PAGES.with_borrow_mut(|pages| {
            pages.resize(span.size as usize, 0);
            from.read_exact(pages)?;
            if append {
                let all = [IoSlice::new(pages)];
                return Ok(rustix::io::pwritev2(&handle.file, &all, span.offset, ReadWriteFlags::APPEND)?);
            }
            handle.file.write_at(pages, span.offset)
        })
    }

    pub(crate) fn sync(&self, context: &Context, handle: u64, datasync: bool) -> io::Result<()> {
        let handle = self.handle(handle)?;
        let (path, kind) = self.judged(handle.node)?;
        let who = self.gate.who(context, &path, Op::Fsync)?;
        let object = Object { path: &path, kind: Some(kind) };
        self.gate.ask(&who, object, Op::Fsync, &[ArgValue::Number(u64::from(datasync))])?;
        if datasync { handle.file.sync_data() } else { handle.file.sync_all() }
    }

    pub(crate) fn allocate(
        &self,
        context: &Context,
        handle: u64,
        mode: u32,
        offset: u64,
        length: u64,
    ) -> io::Result<()> {
        let handle = self.handle(handle)?;
        let (path, kind) = self.judged(handle.node)?;
        let who = self.gate.who(context, &path, Op::Write)?;
        self.gate.ask_any(&who, Object { path: &path, kind: Some(kind) }, Op::Write)?;
        let mode = FallocateFlags::from_bits_retain(mode);
        Ok(rustix::fs::fallocate(&handle.file, mode, offset, length)?)
    }

    pub(crate) fn seek(&self, context: &Context, handle: u64, offset: u64, whence: u32) -> io::Result<u64> {
        let handle = self.handle(handle)?;
        let (path, kind) = self.judged(handle.node)?;
        let who = self.gate.who(context, &path, Op::Llseek)?;
        let args = [ArgValue::Number(offset), ArgValue::Number(u64::from(whence))];
        self.gate.ask(&who, Object { path: &path, kind: Some(kind) }, Op::Llseek, &args)?;
        let place = match whence.cast_signed() {
            libc::SEEK_DATA => SeekFrom::Data(offset),
            libc::SEEK_HOLE => SeekFrom::Hole(offset),
            // The kernel does all others by itself.
            _ => return Err(io::Error::from_raw_os_error(libc::EINVAL)),
        };
        Ok(rustix::fs::seek(&handle.file, place)?)
    }

    pub(crate) fn copy(
        &self,
        context: &Context,
        from: CopyEnd,
        to: CopyEnd,
        length: u64,
    ) -> io::Result<usize> {
        let (source, sink) = (self.handle(from.handle)?, self.handle(to.handle)?);
        for (end, op) in [(from, Op::Read), (to, Op::Write)] {
            let (path, kind) = self.judged(end.node)?;
            let who = self.gate.who(context, &path, op)?;
            let args = [ArgValue::Number(length), ArgValue::Number(end.offset)];
            self.gate.ask(&who, Object { path: &path, kind: Some(kind) }, op, &args)?;
        }
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let (mut read_at, mut write_at) = (from.offset, to.offset);
        let copied = rustix::fs::copy_file_range(
            &source.file,
            Some(&mut read_at),
            &sink.file,
            Some(&mut write_at),
            length,
        );
        match copied {
            // The kernel would go on by splice, which cannot be told from a mapping.
            Err(rustix::io::Errno::XDEV | rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => PAGES
                .with_borrow_mut(|pages| {
                    pages.resize(length.min(MAY_BE_CUT as usize), 0);
                    let held = source.file.read_at(pages, from.offset)?;
                    sink.file.write_at(&pages[..held], to.offset)
                }),
            copied => Ok(copied?),
        }
    }
}

const O_EXCL: u32 = libc::O_EXCL.cast_unsigned();

/// What an open of a regular file with `flags` is for.
fn intent(flags: u32, creates: Creates) -> Intent {
    Intent { creates, ..intent_of(flags.into(), Some(Kind::File)) }
}

/// The flags with which a file that was opened with `flags` is opened beneath. Appending is said with each
/// write, for it can be changed later; the caller's memory is not there to be written to directly.
fn lower_flags(flags: u32) -> OFlags {
    let access = match flags & OFlags::ACCMODE.bits() {
        0 => OFlags::RDONLY,
        1 => OFlags::WRONLY,
        _ => OFlags::RDWR,
    };
    let kept = OFlags::TRUNC | OFlags::SYNC | OFlags::DSYNC | OFlags::NOATIME;
    access | (OFlags::from_bits_retain(flags) & kept)
}

/// The tuple of a read or write of `span` that reached us as it was made.
fn exact(span: Span) -> [ArgValue; 2] {
    let length =
        if span.size < MAY_BE_CUT { ArgValue::Number(u64::from(span.size)) } else { ArgValue::Unknown };
    [length, ArgValue::Number(span.offset)]
}

/// Truncation, by name or by an open file.
impl Tree {
    pub(crate) fn truncate(
        &self,
        context: &Context,
        target: &Target,
        handle: Option<u64>,
        size: u64,
    ) -> io::Result<()> {
        act_as(context.uid, context.gid)?;
        match handle {
            Some(handle) => Ok(rustix::fs::ftruncate(&self.handle(handle)?.file, size)?),
            None => {
                let file = self.lower.open(target.object.as_fd(), OFlags::WRONLY)?;
                Ok(rustix::fs::ftruncate(&file, size)?)
            }
        }
    }
}
