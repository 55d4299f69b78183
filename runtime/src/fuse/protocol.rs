//! From the library's view of a request to the operation on the tree.

use std::ffi::CStr;
use std::io;
use std::time::Duration;

use fuse_backend_rs::abi::fuse_abi::{CreateIn, stat64};
use fuse_backend_rs::api::filesystem::{
    Context, DirEntry, Entry, FileSystem, GetxattrReply, ListxattrReply, OpenOptions, SetattrValid,
    ZeroCopyReader, ZeroCopyWriter,
};

use super::file::{Sender, Span};
use super::lower;
use super::names::Make;
use super::tree::Tree;

/// What the library has besides: no backing file of the kernel's own.
type Backing = Option<u32>;

impl FileSystem for Tree {
    type Inode = u64;
    type Handle = u64;

    fn lookup(&self, context: &Context, parent: u64, name: &CStr) -> io::Result<Entry> {
        self.find(context, parent, name)
    }

    fn forget(&self, _: &Context, inode: u64, count: u64) {
        self.nodes().forget(inode, count);
    }

    fn getattr(&self, context: &Context, inode: u64, handle: Option<u64>) -> io::Result<(stat64, Duration)> {
        let stat = self.attributes(context, inode, handle)?;
        Ok((lower::attributes(&stat), Duration::ZERO))
    }

    fn setattr(
        &self,
        context: &Context,
        inode: u64,
        attr: stat64,
        handle: Option<u64>,
        valid: SetattrValid,
    ) -> io::Result<(stat64, Duration)> {
        let stat = self.set_attributes(context, inode, &attr, handle, valid)?;
        Ok((lower::attributes(&stat), Duration::ZERO))
    }

    fn readlink(&self, context: &Context, inode: u64) -> io::Result<Vec<u8>> {
        self.link_text(context, inode)
    }

    fn symlink(&self, context: &Context, target: &CStr, parent: u64, name: &CStr) -> io::Result<Entry> {
        self.make_symlink(context, parent, name, target)
    }

    fn mknod(
        &self,
        context: &Context,
        parent: u64,
        name: &CStr,
        mode: u32,
        dev: u32,
        _umask: u32,
    ) -> io::Result<Entry> {
        self.make_node(context, parent, name, Make { mode, dev })
    }

    fn mkdir(
        &self,
        context: &Context,
        parent: u64,
        name: &CStr,
        mode: u32,
        _umask: u32,
    ) -> io::Result<Entry> {
        self.make_dir(context, parent, name, mode)
    }

    fn unlink(&self, context: &Context, parent: u64, name: &CStr) -> io::Result<()> {
        self.remove_name(context, parent, name)
    }

    fn rmdir(&self, context: &Context, parent: u64, name: &CStr) -> io::Result<()> {
        self.remove_dir(context, parent, name)
    }

    fn rename(
        &self,
        context: &Context,
        parent: u64,
        name: &CStr,
        new_parent: u64,
        new_name: &CStr,
        flags: u32,
    ) -> io::Result<()> {
        self.move_name(context, (parent, name), (new_parent, new_name), flags)
    }

    fn link(&self, context: &Context, inode: u64, parent: u64, name: &CStr) -> io::Result<Entry> {
        self.make_link(context, inode, parent, name)
    }

    fn open(
        &self,
        context: &Context,
        inode: u64,
        flags: u32,
        _fuse_flags: u32,
    ) -> io::Result<(Option<u64>, OpenOptions, Backing)> {
        let (handle, options) = self.open_file(context, inode, flags)?;
        Ok((Some(handle), options, None))
    }

    fn create(
        &self,
        context: &Context,
        parent: u64,
        name: &CStr,
        args: CreateIn,
    ) -> io::Result<(Entry, Option<u64>, OpenOptions, Backing)> {
        let (entry, (handle, options)) = self.create_file(context, parent, name, args.flags, args.mode)?;
        Ok((entry, Some(handle), options, None))
    }

    fn read(
        &self,
        context: &Context,
        _inode: u64,
        handle: u64,
        to: &mut dyn ZeroCopyWriter,
        size: u32,
        offset: u64,
        lock_owner: Option<u64>,
        _flags: u32,
    ) -> io::Result<usize> {
        let sender = if lock_owner.is_some() { Sender::Call } else { Sender::Pages };
        self.read_file(context, handle, to, Span { offset, size }, sender)
    }

    fn write(
        &self,
        context: &Context,
        _inode: u64,
        handle: u64,
        from: &mut dyn ZeroCopyReader,
        size: u32,
        offset: u64,
        _lock_owner: Option<u64>,
        delayed: bool,
        flags: u32,
        _fuse_flags: u32,
    ) -> io::Result<usize> {
        let sender = if delayed { Sender::Pages } else { Sender::Call };
        self.write_file(context, handle, from, Span { offset, size }, flags, sender)
    }

    fn fsync(&self, context: &Context, _inode: u64, datasync: bool, handle: u64) -> io::Result<()> {
        self.sync(context, handle, datasync)
    }

    fn fsyncdir(&self, context: &Context, _inode: u64, datasync: bool, handle: u64) -> io::Result<()> {
        self.sync(context, handle, datasync)
    }

    fn fallocate(
        &self,
        context: &Context,
        _inode: u64,
        handle: u64,
        mode: u32,
        offset: u64,
        length: u64,
    ) -> io::Result<()> {
        self.allocate(context, handle, mode, offset, length)
    }

    fn lseek(
        &self,
        context: &Context,
        _inode: u64,
        handle: u64,
        offset: u64,
        whence: u32,
    ) -> io::Result<u64> {
        self.seek(context, handle, offset, whence)
    }

    fn release(
        &self,
        _: &Context,
        _inode: u64,
        _flags: u32,
        handle: u64,
        _flush: bool,
        _flock_release: bool,
        _lock_owner: Option<u64>,
    ) -> io::Result<()> {
        self.close(handle);
        Ok(())
    }

    fn setxattr(
        &self,
        context: &Context,
        inode: u64,
        name: &CStr,
        value: &[u8],
        flags: u32,
    ) -> io::Result<()> {
        self.set_xattr(context, inode, name, value, flags)
    }

    fn getxattr(&self, context: &Context, inode: u64, name: &CStr, size: u32) -> io::Result<GetxattrReply> {
        self.xattr(context, inode, name, size)
    }

    fn listxattr(&self, context: &Context, inode: u64, size: u32) -> io::Result<ListxattrReply> {
        self.xattrs(context, inode, size)
    }

    fn removexattr(&self, context: &Context, inode: u64, name: &CStr) -> io::Result<()> {
        self.remove_xattr(context, inode, name)
    }

    fn opendir(&self, context: &Context, inode: u64, flags: u32) -> io::Result<(Option<u64>, OpenOptions)> {
        Ok((Some(self.open_dir(context, inode, flags)?), OpenOptions::empty()))
    }

    fn readdir(
        &self,
        context: &Context,
        _inode: u64,
        handle: u64,
        _size: u32,
        offset: u64,
        add: &mut dyn FnMut(DirEntry<'_>) -> io::Result<usize>,
    ) -> io::Result<()> {
        self.list(context, handle, offset, add)
    }

    fn releasedir(&self, _: &Context, _inode: u64, _flags: u32, handle: u64) -> io::Result<()> {
        self.close(handle);
        Ok(())
    }

    fn access(&self, context: &Context, inode: u64, mask: u32) -> io::Result<()> {
        self.may_access(context, inode, mask)
    }
}
