//! Listing directories. Names that may not be looked up are not shown.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::sync::PoisonError;

use boesfs_abi::judge::intent_of;
use boesfs_abi::op::Op;
use boesfs_abi::request::Kind;
use fuse_backend_rs::api::filesystem::{Context, DirEntry};
use rustix::fs::{FileType, OFlags, RawDir, SeekFrom};

use super::decision::Object;
use super::gate::Who;
use super::node::ROOT;
use super::tree::{Handle, HandleMode, Tree};

/// Flags of an open that the kernel keeps to itself.
const LOST: [i32; 4] = [libc::O_CREAT, libc::O_EXCL, libc::O_NOCTTY, libc::O_CLOEXEC];

/// Bytes of names read at a time.
const BUFFER: usize = 32 * 1024;

impl Tree {
    pub(crate) fn open_dir(&self, context: &Context, node: u64, flags: u32) -> io::Result<u64> {
        let _names = self.names_stay();
        let (who, path, kind) = self.caller(context, node, Op::Open)?;
        let target = self.reach(node, path, kind)?;
        self.gate.open(&who, target.judged(), flags, &LOST, intent_of(flags.into(), Some(Kind::Dir)))?;
        self.refuse_processes(&who, node, &target.path, target.object.as_fd(), Op::Open)?;
        let file = self.lower.open(target.object.as_fd(), OFlags::RDONLY | OFlags::DIRECTORY)?;
        Ok(self.keep(Handle::new(node, file, &who, HandleMode::Direct)))
    }

    /// Hands the names in directory `handle` from the position `offset` on to `add`, until that takes no more.
    pub(crate) fn list(
        &self,
        context: &Context,
        handle: u64,
        offset: u64,
        add: &mut dyn FnMut(DirEntry<'_>) -> io::Result<usize>,
    ) -> io::Result<()> {
        let handle = self.handle(handle)?;
        let (path, kind) = self.judged(handle.node)?;
        let who = self.gate.who(context, &path, Op::Iterate)?;
        self.gate.ask_any(&who, Object { path: &path, kind: Some(kind) }, Op::Iterate)?;
        let dev = rustix::fs::fstat(&handle.file)?.st_dev;
        let _position = handle.position.lock().unwrap_or_else(PoisonError::into_inner);
        rustix::fs::seek(&handle.file, SeekFrom::Start(offset))?;
        let mut buffer = vec![MaybeUninit::uninit(); BUFFER];
        let mut names = RawDir::new(&handle.file, &mut buffer);
        while let Some(entry) = names.next() {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            let kind = known_kind(entry.file_type());
            let mut ino = self.lower.ino(dev, entry.ino());
            if name == b".." && handle.node == ROOT {
                ino = self.lower.stat(self.lower.root())?.st_ino;
            } else if name != b"." && name != b".." && !self.shows(&who, &path, name, kind) {
                continue;
            }
            let type_ = kind.map_or(libc::DT_UNKNOWN, d_type);
            let entry = DirEntry { ino, offset: entry.next_entry_cookie(), type_: u32::from(type_), name };
            if add(entry)? == 0 {
                break;
            }
        }
        Ok(())
    }

    fn shows(&self, who: &Who, dir: &[u8], name: &[u8], kind: Option<Kind>) -> bool {
        let mut path = dir.to_vec();
        super::node::push(&mut path, name);
        self.gate.shows(who, Object { path: &path, kind })
    }
}

fn known_kind(file_type: FileType) -> Option<Kind> {
    match file_type {
        FileType::RegularFile => Some(Kind::File),
        FileType::Directory => Some(Kind::Dir),
        FileType::Symlink => Some(Kind::Symlink),
        FileType::Fifo => Some(Kind::Fifo),
        FileType::Socket => Some(Kind::Socket),
        FileType::BlockDevice => Some(Kind::Block),
        FileType::CharacterDevice => Some(Kind::Char),
        FileType::Unknown => None,
    }
}

fn d_type(kind: Kind) -> u8 {
    match kind {
        Kind::File => libc::DT_REG,
        Kind::Dir => libc::DT_DIR,
        Kind::Symlink => libc::DT_LNK,
        Kind::Fifo => libc::DT_FIFO,
        Kind::Socket => libc::DT_SOCK,
        Kind::Block => libc::DT_BLK,
        Kind::Char => libc::DT_CHR,
    }
}
