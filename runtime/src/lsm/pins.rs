//! The engine's names on the bpf file system, and the lock of who changes them.

use std::collections::HashSet;
use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use boesfs_ebpf::ENGINE;

use super::error::LoadError;
use crate::tenants;

/// Where bpf file systems are mounted.
pub(super) const BPFFS: &str = "/sys/fs/bpf";
/// The directory of all engines, one below it for each build.
const ROOT: &str = "/sys/fs/bpf/boesfs";

/// The directory of this build's engine.
pub(super) fn directory() -> PathBuf {
    Path::new(ROOT).join(ENGINE)
}

/// Whoever has this may change the engine.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
    build: String,
}

/// The file that is locked for the engine of `build`.
fn lock_path(build: &str) -> PathBuf {
    Path::new(tenants::ROOT).join(format!("engine-{build}.lock"))
}

impl Lock {
    /// The lock of another build's engine, if nobody has it.
    fn try_of(build: &str) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(tenants::ROOT)?;
        let file = File::options().create(true).append(true).mode(0o600).open(lock_path(build))?;
        file.try_lock().map_err(io::Error::other)?;
        Ok(Self { file, build: build.to_owned() })
    }

    /// Waits until nobody else has it.
    pub(super) fn take() -> Result<Self, LoadError> {
        let root = Path::new(tenants::ROOT);
        let path = lock_path(ENGINE);
        let failed = |source| LoadError::read(path.clone(), source);
        loop {
            DirBuilder::new().recursive(true).mode(0o700).create(root).map_err(failed)?;
            let file = match File::options().create(true).append(true).mode(0o600).open(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                other => other.map_err(failed)?,
            };
            file.lock().map_err(failed)?;
            // Who has ended an engine takes the file away with everything else.
            let named = std::fs::metadata(&path);
            let opened = file.metadata().map_err(failed)?;
            if named.is_ok_and(|named| (named.dev(), named.ino()) == (opened.dev(), opened.ino())) {
                return Ok(Self { file, build: ENGINE.to_owned() });
            }
        }
    }
}

impl Lock {
    /// Takes away what there is of an engine that is not one.
    pub(super) fn forget_engine(&self) {
        let directory = directory();
        if !is_used(&directory) {
            destroy(&directory);
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Not before: whoever waits for it would take a new one while this one still changes things.
        if !Path::new(ROOT).join(&self.build).exists() {
            let _ = std::fs::remove_file(lock_path(&self.build));
            let _ = std::fs::remove_dir(tenants::ROOT);
        }
        // A child that was made meanwhile has the file too. Closing unlocks what this cannot.
        let _ = self.file.unlock();
    }
}

/// Takes away engines of other builds that no sandbox in `used` is in. Returns how many.
pub(super) fn destroy_unused(used: &HashSet<String>) -> usize {
    let entries = std::fs::read_dir(ROOT).into_iter().flatten().flatten();
    let unused = entries.filter(|entry| {
        let build = entry.file_name().to_string_lossy().into_owned();
        build != ENGINE && !used.contains(&build)
    });
    unused
        .filter(|entry| {
            let build = entry.file_name().to_string_lossy().into_owned();
            // Somebody who has the lock is about to use it.
            let Ok(_lock) = Lock::try_of(&build) else { return false };
            destroy(&entry.path());
            true
        })
        .count()
}

/// Takes all names of the engine in `directory` away, links first: what they name goes with them.
pub(super) fn destroy(directory: &Path) {
    let mut names: Vec<_> =
        std::fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    names.sort_by_key(|path| {
        !path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("link_"))
    });
    for name in names {
        let _ = std::fs::remove_file(name);
    }
    let _ = std::fs::remove_dir(directory);
    let _ = std::fs::remove_dir(ROOT);
}

/// Whether programs of the engine in `directory` are attached.
pub(super) fn is_used(directory: &Path) -> bool {
    let mut names = std::fs::read_dir(directory).into_iter().flatten().flatten();
    names.any(|entry| entry.file_name().to_string_lossy().starts_with("link_"))
}

/// Whether names can be made on the bpf file system.
pub(super) fn check_bpffs() -> Result<(), LoadError> {
    let magic = rustix::fs::statfs(BPFFS).map_or(0, |found| found.f_type as u64);
    if magic != 0xcafe_4a11 {
        return Err(LoadError::NoBpffs(BPFFS));
    }
    let flags = rustix::fs::statvfs(BPFFS).map(|found| found.f_flag);
    if flags.is_ok_and(|flags| flags.contains(rustix::fs::StatVfsMountFlags::RDONLY)) {
        return Err(LoadError::ReadOnlyBpffs(BPFFS));
    }
    Ok(())
}
