//! The programs that a sandbox needs outside and inside.

use std::path::{Path, PathBuf};

/// Whether the ELF program in `bytes` needs a dynamic linker.
pub(super) fn has_interpreter(bytes: &[u8]) -> bool {
    const PT_INTERP: [u8; 4] = 3_u32.to_le_bytes();
    let number = |at: usize, len: usize| {
        let mut number = [0; 8];
        bytes.get(at..at + len).map(|part| {
            number[..len].copy_from_slice(part);
            u64::from_le_bytes(number) as usize
        })
    };
    let (Some(table), Some(size), Some(count)) = (number(0x20, 8), number(0x36, 2), number(0x38, 2)) else {
        return true;
    };
    (0..count).any(|index| bytes.get(table + index * size..).is_none_or(|row| row.starts_with(&PT_INTERP)))
}

/// The `boesfs` beside the program `this`, or on PATH.
pub(crate) fn find_boesfs(this: &Path) -> Option<PathBuf> {
    let beside = this.parent().map(|folder| folder.join("boesfs"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    beside
        .into_iter()
        .chain(std::env::split_paths(&path).map(|folder| folder.join("boesfs")))
        .find(|file| file.is_file())
}
