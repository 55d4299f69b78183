//! Memory that this process shares with the kernel and with others: the values of an array of maps.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr::{NonNull, null_mut};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

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
                // All of it is looked through at a sandbox's start; one page at a time that takes longer.
                libc::MAP_SHARED | libc::MAP_POPULATE,
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

/// A ring buffer of the kernel whose records say nothing: many processes wait for them, and whoever wakes takes all away.
#[derive(Debug)]
pub struct Bell {
    ring: OwnedFd,
    taken: SharedArray,
    put: NonNull<u8>,
}

const PAGE: usize = 4096;

impl Bell {
    /// The ring buffer `ring`.
    ///
    /// # Errors
    /// What mmap(2) says.
    pub fn new(ring: OwnedFd) -> io::Result<Self> {
        // The page of what is taken comes first, and may be written; then that of what is put, and the records.
        let taken = SharedArray::new(ring.as_fd(), PAGE, 1)?;
        let offset = PAGE as libc::off_t;
        // SAFETY: a new mapping at a place of the kernel's choice touches no memory of this process.
        let put = unsafe {
            libc::mmap(null_mut(), PAGE, libc::PROT_READ, libc::MAP_SHARED, ring.as_raw_fd(), offset)
        };
        if put == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let put = NonNull::new(put.cast()).ok_or(io::ErrorKind::AddrNotAvailable)?;
        Ok(Self { ring, taken, put })
    }

    /// Takes away whatever is there, for everybody.
    pub fn silence(&self) {
        // SAFETY: the word is the first of the mapping, which lives as long as `self`; the kernel writes it atomically.
        let put = unsafe { self.put.cast::<AtomicU64>().as_ref() };
        // Whoever does this at the same time with an older number wakes once more.
        self.taken.word(0, 0).store(put.load(Ordering::Acquire), Ordering::Release);
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ring.as_fd()
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's, and no reference into it outlives it.
        unsafe { libc::munmap(self.put.as_ptr().cast(), PAGE) };
    }
}

impl Drop for SharedArray {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's, and no reference into it outlives it.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.stride * self.count) };
    }
}
