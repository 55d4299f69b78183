//! The device's side: requests in, answers out, and those requests that the library does not know or not well enough.

use std::io::{self, Write};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::abort;
use std::sync::Arc;

use boesfs_abi::op::Op;
use boesfs_abi::request::ArgValue;
use fuse_backend_rs::abi::fuse_abi::{
    CopyFileRangeIn, CreateIn, EntryOut, FsOptions, InHeader, InitIn, InitIn2, InitOut, IoctlIn, IoctlOut,
    KERNEL_MINOR_VERSION, KERNEL_VERSION, Kstatfs, Opcode, OpenOut, OutHeader, WriteOut,
};
use fuse_backend_rs::api::filesystem::Context;
use fuse_backend_rs::api::server::Server;
use fuse_backend_rs::transport::{FuseBuf, FuseDevWriter, Reader, Writer};
use nix::sched::{CloneFlags, unshare};
use rustix::fs::{IFlags, Mode};

use super::caller::leave_capabilities;
use super::decision::Object;
use super::file::CopyEnd;
use super::tree::Tree;

/// Pages of data in one request, and bytes of everything else.
const PAGES: u16 = 256;
const HEADERS: usize = 0x1000;
const BUFFER: usize = PAGES as usize * 4096 + HEADERS;

/// `FUSE_TMPFILE`, which is younger than the library.
const TMPFILE: u32 = 51;

/// `FUSE_DIRECT_IO_ALLOW_MMAP`, which is younger than the library.
const DIRECT_IO_ALLOW_MMAP: u64 = 1 << 36;

/// Bytes of the header of every answer.
const OUT_HEADER: usize = 16;

/// Inode flags: what chattr(1) asks for.
const GETFLAGS: [u32; 2] = [0x8008_6601, 0x8004_6601];
const SETFLAGS: [u32; 2] = [0x4008_6602, 0x4004_6602];
const SETXFLAGS: u32 = 0x401c_5820;

/// What is answered to a request: `body` makes up what follows the header.
type Body<'a> = dyn FnOnce(&mut FuseDevWriter<'_>) -> io::Result<()> + 'a;

/// Serves requests for `tree` from `device` until the mount is gone.
///
/// # Errors
/// If the thread cannot be made ready, or the device fails.
pub(crate) fn serve(device: BorrowedFd<'_>, tree: &Arc<Tree>) -> io::Result<()> {
    prepare(tree)?;
    let server = Server::new(Arc::clone(tree));
    let mut request = vec![0; BUFFER];
    let mut answer = vec![0; BUFFER];
    loop {
        let length = match rustix::io::read(device, &mut request[..]) {
            Ok(length) => length,
            // ENOENT: the request was taken back before it could be read.
            Err(rustix::io::Errno::INTR | rustix::io::Errno::NOENT | rustix::io::Errno::AGAIN) => continue,
            Err(rustix::io::Errno::NODEV) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let handled = catch_unwind(AssertUnwindSafe(|| {
            handle(device, tree, &server, &mut request[..length], &mut answer)
        }));
        if handled.is_err() {
            // The table may be inconsistent and the caller waits for ever: end the mount, and with it the sandbox.
            abort();
        }
    }
}

/// Makes this thread's working directory, umask and rights its own.
fn prepare(tree: &Tree) -> io::Result<()> {
    unshare(CloneFlags::CLONE_FS)?;
    rustix::process::fchdir(tree.lower.descriptors())?;
    rustix::process::umask(Mode::empty());
    leave_capabilities()
}

fn handle(
    device: BorrowedFd<'_>,
    tree: &Arc<Tree>,
    server: &Server<Arc<Tree>>,
    request: &mut [u8],
    answer: &mut [u8],
) {
    let mut reader = match Reader::<()>::from_fuse_buffer(FuseBuf::new(request)) {
        Ok(reader) => reader,
        Err(_) => return,
    };
    let Ok(header) = reader.read_obj::<InHeader>() else { return };
    let Some(own) = own(header.opcode) else {
        let reader = Reader::from_fuse_buffer(FuseBuf::new(request));
        let writer = FuseDevWriter::<()>::new(device.as_raw_fd(), answer);
        let (Ok(reader), Ok(writer)) = (reader, writer) else { return };
        if server.handle_message(reader, Writer::from(writer), None, None).is_err()
            && is_answered(header.opcode)
        {
            // If it was answered after all, the kernel knows of no such request and says so.
            let _ = reply_error(device, answer, header.unique, libc::EIO);
        }
        return;
    };
    let error = match own(tree, &header, &mut reader) {
        Ok(body) => match reply(device, answer, header.unique, body) {
            Ok(()) => return,
            Err(_) => libc::EIO,
        },
        Err(error) => error.raw_os_error().unwrap_or(libc::EIO),
    };
    // The kernel takes no answer from us only if the caller no longer waits for one.
    let _ = reply_error(device, answer, header.unique, error);
}

fn is_answered(opcode: u32) -> bool {
    opcode != Opcode::Forget as u32
        && opcode != Opcode::BatchForget as u32
        && opcode != Opcode::Interrupt as u32
}

fn reply(device: BorrowedFd<'_>, answer: &mut [u8], unique: u64, body: Box<Body<'_>>) -> io::Result<()> {
    let failed = |error| io::Error::other(format!("{error}"));
    let mut head = FuseDevWriter::<()>::new(device.as_raw_fd(), answer).map_err(failed)?;
    let mut rest = head.split_at(OUT_HEADER).map_err(failed)?;
    body(&mut rest)?;
    let length = u32::try_from(OUT_HEADER + rest.bytes_written()).map_err(io::Error::other)?;
    head.write_obj(OutHeader { len: length, error: 0, unique })?;
    head.commit(Some(&Writer::from(rest)))?;
    Ok(())
}

fn reply_error(device: BorrowedFd<'_>, answer: &mut [u8], unique: u64, error: i32) -> io::Result<()> {
    let mut head = FuseDevWriter::<()>::new(device.as_raw_fd(), answer)
        .map_err(|error| io::Error::other(format!("{error}")))?;
    head.write_obj(OutHeader { len: 16, error: -error, unique })
}

type Own = fn(&Arc<Tree>, &InHeader, &mut Reader<'_>) -> io::Result<Box<Body<'static>>>;

/// The way a request is handled that the library is not asked about.
fn own(opcode: u32) -> Option<Own> {
    const INIT: u32 = Opcode::Init as u32;
    const STATFS: u32 = Opcode::Statfs as u32;
    const IOCTL: u32 = Opcode::Ioctl as u32;
    const COPY_FILE_RANGE: u32 = Opcode::CopyFileRange as u32;
    match opcode {
        INIT => Some(init),
        STATFS => Some(statfs),
        IOCTL => Some(ioctl),
        COPY_FILE_RANGE => Some(copy_file_range),
        TMPFILE => Some(tmpfile),
        _ => None,
    }
}

/// Not asked for: `READDIRPLUS` (every name is looked up anyway), locks (the kernel's own do, within the sandbox), the
/// write-back cache (writes would come without their caller), and `default_permissions` (its
/// check asks for attributes by a request that is no different from stat's).
fn init(tree: &Arc<Tree>, _: &InHeader, reader: &mut Reader<'_>) -> io::Result<Box<Body<'static>>> {
    let InitIn { major, minor: _, max_readahead, flags } = reader.read_obj()?;
    if major < KERNEL_VERSION {
        return Err(io::Error::from_raw_os_error(libc::EPROTO));
    }
    let mut offered = u64::from(flags);
    if offered & FsOptions::INIT_EXT.bits() != 0 {
        let InitIn2 { flags2, .. } = reader.read_obj()?;
        offered |= u64::from(flags2) << 32;
    }
    let wanted = FsOptions::ASYNC_READ
        | FsOptions::ATOMIC_O_TRUNC
        | FsOptions::BIG_WRITES
        | FsOptions::HAS_IOCTL_DIR
        | FsOptions::ASYNC_DIO
        | FsOptions::PARALLEL_DIROPS
        | FsOptions::MAX_PAGES
        | FsOptions::HANDLE_KILLPRIV_V2
        | FsOptions::INIT_EXT;
    let mut enabled = offered & wanted.bits();
    if tree.gate.shares_mappings() {
        enabled |= offered & DIRECT_IO_ALLOW_MMAP;
    }
    let low = |bits: u64| u32::try_from(bits & u64::from(u32::MAX)).expect("INVARIANT: it was masked");
    let out = InitOut {
        major: KERNEL_VERSION,
        minor: KERNEL_MINOR_VERSION,
        max_readahead,
        flags: low(enabled),
        flags2: low(enabled >> 32),
        max_background: 64,
        congestion_threshold: 48,
        max_write: u32::from(PAGES) * 4096,
        max_pages: PAGES,
        time_gran: 1,
        ..InitOut::default()
    };
    Ok(Box::new(move |body| body.write_obj(out)))
}

fn statfs(tree: &Arc<Tree>, header: &InHeader, _: &mut Reader<'_>) -> io::Result<Box<Body<'static>>> {
    let stat = tree.file_system(&Context::from(header), header.nodeid)?;
    let short = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
    let out = Kstatfs {
        blocks: stat.f_blocks,
        bfree: stat.f_bfree,
        bavail: stat.f_bavail,
        files: stat.f_files,
        ffree: stat.f_ffree,
        bsize: short(stat.f_bsize),
        namelen: short(stat.f_namemax),
        frsize: short(stat.f_frsize),
        ..Kstatfs::default()
    };
    Ok(Box::new(move |body| body.write_obj(out)))
}

/// Inode flags are passed on; nothing else is known to be safe for a server to do in its own name.
fn ioctl(tree: &Arc<Tree>, header: &InHeader, reader: &mut Reader<'_>) -> io::Result<Box<Body<'static>>> {
    let IoctlIn { fh, cmd, in_size, .. } = reader.read_obj()?;
    let context = Context::from(header);
    let handle = tree.handle(fh)?;
    let (path, kind) = tree.judged(handle.node)?;
    let who = tree.gate.who(&context, &path, Op::Ioctl)?;
    let object = Object { path: &path, kind: Some(kind) };
    tree.gate.ask(&who, object, Op::Ioctl, &[ArgValue::Number(u64::from(cmd))])?;
    if SETFLAGS.contains(&cmd) || cmd == SETXFLAGS {
        tree.gate.ask(&who, object, Op::Setattr, &[ArgValue::Absent, ArgValue::Absent, ArgValue::Absent])?;
    }
    super::caller::act_as(context.uid, context.gid)?;
    let flags = if GETFLAGS.contains(&cmd) {
        Some(rustix::fs::ioctl_getflags(&handle.file)?.bits())
    } else if SETFLAGS.contains(&cmd) && in_size >= 4 {
        let flags: u32 = reader.read_obj()?;
        rustix::fs::ioctl_setflags(&handle.file, IFlags::from_bits_retain(flags))?;
        tree.forget_folding();
        None
    } else {
        return Err(io::Error::from_raw_os_error(libc::ENOTTY));
    };
    Ok(Box::new(move |body| {
        body.write_obj(IoctlOut::default())?;
        flags.map_or(Ok(()), |flags| body.write_all(&flags.to_ne_bytes()))
    }))
}

fn copy_file_range(
    tree: &Arc<Tree>,
    header: &InHeader,
    reader: &mut Reader<'_>,
) -> io::Result<Box<Body<'static>>> {
    let copy: CopyFileRangeIn = reader.read_obj()?;
    if copy.flags != 0 {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    let from = CopyEnd { node: header.nodeid, handle: copy.fh_in, offset: copy.offset_in };
    let to = CopyEnd { node: copy.nodeid_out, handle: copy.fh_out, offset: copy.offset_out };
    // The answer has room for no more.
    let length = copy.len.min(u64::from(u32::MAX) & !4095);
    let size = tree.copy(&Context::from(header), from, to, length)?;
    let size = u32::try_from(size).expect("INVARIANT: no more was copied than asked for");
    Ok(Box::new(move |body| body.write_obj(WriteOut { size, padding: 0 })))
}

fn tmpfile(tree: &Arc<Tree>, header: &InHeader, reader: &mut Reader<'_>) -> io::Result<Box<Body<'static>>> {
    let CreateIn { flags, mode, .. } = reader.read_obj()?;
    let (entry, (fh, options)) = tree.create_unnamed(&Context::from(header), header.nodeid, flags, mode)?;
    Ok(Box::new(move |body| {
        body.write_obj(EntryOut::from(entry))?;
        body.write_obj(OpenOut { fh, open_flags: options.bits(), passthrough: 0 })
    }))
}
