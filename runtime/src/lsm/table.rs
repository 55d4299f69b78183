//! Tables of programs, which sandboxes share that have the same policy and see the same programs.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};

use boesfs_abi::map::{CALL_PATH, Program};

use super::subject::Programs;
use super::wire::Wire as _;
use crate::sys::bpf;

const ROOM: usize = size_of::<Program>() + CALL_PATH as usize;

fn rows(programs: &Programs) -> impl Iterator<Item = [u8; ROOM]> {
    programs.0.iter().map(|(program, text)| {
        let mut row = [0; ROOM];
        row[..size_of::<Program>()].copy_from_slice(&program.to_bytes());
        row[size_of::<Program>()..][..text.len()].copy_from_slice(text);
        row
    })
}

/// A table of `programs` that nobody can change.
pub(super) fn create(programs: &Programs) -> io::Result<OwnedFd> {
    let table = bpf::array_create(ROOM as u32, programs.0.len() as u32, true)?;
    for (at, row) in rows(programs).enumerate() {
        bpf::map_update(table.as_fd(), &(at as u32).to_ne_bytes(), &row)?;
    }
    bpf::map_freeze(table.as_fd())?;
    Ok(table)
}

/// Whether the table that the kernel knows by the number `id` has just `programs`.
pub(super) fn is_of(id: u32, programs: &Programs) -> bool {
    let Ok(table) = bpf::map_by_id(id) else { return false };
    // The number may be that of a map of another kind by now, with values of another length.
    let shape = (ROOM as u32, programs.0.len() as u32);
    if !bpf::array_shape(table.as_fd()).is_ok_and(|found| found == shape) {
        return false;
    }
    let mut row = [0; ROOM];
    rows(programs).enumerate().all(|(at, wanted)| {
        let read = bpf::map_lookup(table.as_fd(), &(at as u32).to_ne_bytes(), &mut row);
        matches!(read, Ok(true)) && row == wanted
    })
}
