//! Memory that this process shares with the kernel and with others: the values of an array of maps.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::{NonNull, null_mut};
use std::sync::atomic::{AtomicU32, AtomicU64};

/// An array map's values. Whoever has it too may change any word at any time, so there are only atomic words.
#[derive(Debug)]
pub struct SharedArray {
    base: NonNull<u8>,
    stride: usize,
    count: usize,
}

impl SharedArray {
    /// The `count` values of the array `map`, `stride` bytes each, a multiple of 8.
    ///
    /// # Errors
    /// What mmap(2) says.
    pub fn new(map: BorrowedFd<'_>, stride: usize, count: usize) -> io::Result<Self> {
        if !stride.is_multiple_of(8) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        // SAFETY: a new mapping at a place of the kernel's choice touches no memory of this process.
        let base = unsafe {
            libc::mmap(
                null_mut(),
                stride * count,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                map.as_raw_fd(),
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let base = NonNull::new(base.cast()).ok_or(io::ErrorKind::AddrNotAvailable)?;
        Ok(Self { base, stride, count })
    }

    /// How many values there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// The 64-bit word at byte `offset` of value `index`. Both must be in range, the offset a multiple of 8.
    #[must_use]
    pub fn word(&self, index: usize, offset: usize) -> &AtomicU64 {
        let word = self.at(index, offset, 8).cast::<AtomicU64>();
        // SAFETY: the word lies in the mapping, which lives as long as `self`, and is aligned; everyone who shares it
        // only does so by atomic accesses or in the kernel.
        unsafe { word.as_ref() }
    }

    /// The 32-bit word at byte `offset` of value `index`. Both must be in range, the offset a multiple of 4.
    #[must_use]
    pub fn half(&self, index: usize, offset: usize) -> &AtomicU32 {
        let word = self.at(index, offset, 4).cast::<AtomicU32>();
        // SAFETY: as in `word`.
        unsafe { word.as_ref() }
    }

    fn at(&self, index: usize, offset: usize, len: usize) -> NonNull<u8> {
        assert!(index < self.count && offset + len <= self.stride && offset.is_multiple_of(len));
        // SAFETY: this is no further than the end of the mapping.
        unsafe { self.base.add(index * self.stride + offset) }
    }
}

impl Drop for SharedArray {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's, and no reference into it outlives it.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.stride * self.count) };
    }
}
