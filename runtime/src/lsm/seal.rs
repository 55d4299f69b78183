//! The seal: which maps and programs are the engine's, so that only the program that sealed it gets at them.

use std::fs;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::atomic::Ordering;

use boesfs_abi::map::EngineRecord;

use super::error::LoadError;
use super::record::{Records, word};
use crate::sys::bpf;

/// The map of what is sealed. Numbers that are no longer anything's stay until the engine goes: the kernel gives none again
/// before it has given all others.
#[derive(Debug)]
pub(super) struct Seals(pub(super) OwnedFd);

impl Seals {
    /// Has `object`, of one of the kinds `SEAL_*`, sealed.
    pub(super) fn add(&self, object: BorrowedFd<'_>, kind: u32) -> Result<(), LoadError> {
        let failed = |error| LoadError::map("seals", error);
        let id = bpf::id_of(object).map_err(failed)?;
        let key = u64::from(kind) << 32 | u64::from(id);
        bpf::map_update(self.0.as_fd(), &key.to_ne_bytes(), &1u32.to_ne_bytes()).map_err(failed)
    }
}

/// Whether the engine is sealed.
pub(super) fn is_sealed(records: &Records) -> bool {
    word!(records.engine, 0, EngineRecord.sealed).load(Ordering::Acquire) != 0
}

/// From here on it is.
pub(super) fn close(records: &Records) {
    word!(records.engine, 0, EngineRecord.sealed).store(1, Ordering::Release);
}

/// It no longer is: its end has come.
pub(super) fn open(records: &Records) {
    word!(records.engine, 0, EngineRecord.sealed).store(0, Ordering::Release);
}

/// Refuses a seal that somebody is behind: who traces a process of this program does with it as he likes. Nobody begins to once
/// there is a seal.
pub(super) fn check_untraced() -> Result<(), LoadError> {
    match traced() {
        Ok(None) => Ok(()),
        Ok(Some(process)) => Err(LoadError::Traced(process)),
        Err(_) => Err(LoadError::Seal),
    }
}

/// A process of this program that is traced. What cannot be looked at is an error: it might be one.
fn traced() -> io::Result<Option<u32>> {
    let program = |process: &Path| fs::metadata(process.join("exe")).map(|file| (file.dev(), file.ino()));
    let own = program(Path::new("/proc/self"))?;
    for entry in fs::read_dir("/proc")? {
        let process = entry?;
        let Some(number) = process.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let process = process.path();
        if unless_gone(program(&process))? == Some(own) && unless_gone(is_traced(&process))? == Some(true) {
            return Ok(Some(number));
        }
    }
    Ok(None)
}

/// What was found, or nothing if the process has ended; kernel threads never had a program.
pub(super) fn unless_gone<T>(found: io::Result<T>) -> io::Result<Option<T>> {
    match found {
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ESRCH)) => Ok(None),
        found => found.map(Some),
    }
}

/// Whether any thread of `process` is traced.
fn is_traced(process: &Path) -> io::Result<bool> {
    for thread in fs::read_dir(process.join("task"))? {
        let status = unless_gone(fs::read_to_string(thread?.path().join("status")))?.unwrap_or_default();
        let tracer = status.lines().find_map(|line| line.strip_prefix("TracerPid:"));
        if tracer.is_some_and(|tracer| tracer.trim() != "0") {
            return Ok(true);
        }
    }
    Ok(false)
}
