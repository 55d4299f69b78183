//! The seal: which maps and programs are the engine's, so that only the program that sealed it gets at them.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
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
