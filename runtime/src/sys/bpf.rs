//! bpf(2), for what the loading library does not cover.

use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, BorrowedFd};

use libc::c_long;

const BPF_MAP_UPDATE_ELEM: libc::c_int = 2;

#[repr(C)]
struct MapElement {
    map: u32,
    reserved: u32,
    key: u64,
    value: u64,
    flags: u64,
}

/// Sets the value of `key` in `map`. Both must have the length the map was made with.
///
/// # Errors
/// What bpf(2) says.
pub fn map_update(map: BorrowedFd<'_>, key: &[u8], value: &[u8]) -> io::Result<()> {
    let element = MapElement {
        map: map.as_raw_fd() as u32,
        reserved: 0,
        key: key.as_ptr() as u64,
        value: value.as_ptr() as u64,
        flags: 0,
    };
    // SAFETY: `element` and what it points to outlive the call; the kernel reads as many bytes as the map's key and
    // value have, which the caller answers for.
    let result: c_long = unsafe {
        libc::syscall(libc::SYS_bpf, BPF_MAP_UPDATE_ELEM, &raw const element, size_of::<MapElement>())
    };
    super::check(result).map(drop)
}
