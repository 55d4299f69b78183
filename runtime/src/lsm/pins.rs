//! The engine's names on the bpf file system, and the lock of who changes them.

use std::cell::RefCell;
use std::fs::{DirBuilder, File};
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use boesfs_ebpf::ENGINE;

use super::error::LoadError;
use super::{Kept, living};
use crate::sys::{self, bpf};
use crate::tenants;

/// Where bpf file systems are mounted.
pub(super) const BPFFS: &str = "/sys/fs/bpf";
/// The directory of all engines, one below it for each build.
const ROOT: &str = "/sys/fs/bpf/boesfs";

/// The directory of this build's engine.
pub(super) fn directory() -> PathBuf {
    Path::new(ROOT).join(ENGINE)
}

/// Whoever has this may change the engine: nobody else does who shares what is below `/run`, or only the bpf file system.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
    /// The engine's directory, if there is one.
    directory: RefCell<Option<File>>,
    build: String,
}

/// The file that is locked for the engine of `build`.
fn lock_path(build: &str) -> PathBuf {
    Path::new(tenants::ROOT).join(format!("engine-{build}.lock"))
}

fn open_lock(path: &Path) -> io::Result<File> {
    DirBuilder::new().recursive(true).mode(0o700).create(tenants::ROOT)?;
    File::options().create(true).append(true).mode(0o600).open(path)
}

/// Opens `path` by `open` and waits until nobody else has it; `None` if it is not there.
fn wait_for(path: &Path, open: impl Fn(&Path) -> io::Result<File>) -> io::Result<Option<File>> {
    loop {
        let file = match open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        file.lock()?;
        // Who has ended an engine takes both away with everything else.
        if tenants::is_at(&file, path) {
            return Ok(Some(file));
        }
    }
}

impl Lock {
    /// The lock of another build's engine, if nobody has it.
    fn try_of(build: &str) -> io::Result<Self> {
        let (path, directory) = (lock_path(build), Path::new(ROOT).join(build));
        let (file, opened) = (open_lock(&path)?, File::open(&directory)?);
        for (file, path) in [(&file, &path), (&opened, &directory)] {
            file.try_lock().map_err(io::Error::other)?;
            if !tenants::is_at(file, path) {
                return Err(io::ErrorKind::NotFound.into());
            }
        }
        Ok(Self { file, directory: RefCell::new(Some(opened)), build: build.to_owned() })
    }

    /// Waits until nobody else has it.
    pub(super) fn take() -> Result<Self, LoadError> {
        let (path, directory) = (lock_path(ENGINE), directory());
        let file = loop {
            // Who takes the file away takes the directory it is in as well.
            let file = wait_for(&path, open_lock).map_err(|source| LoadError::read(path.clone(), source))?;
            if let Some(file) = file {
                break file;
            }
        };
        let opened = wait_for(&directory, |path| File::open(path));
        let opened = opened.map_err(|source| LoadError::Pin { path: directory, source })?;
        Ok(Self { file, directory: RefCell::new(opened), build: ENGINE.to_owned() })
    }

    /// Locks the engine's directory if it was made after this lock was taken, by somebody with another `/run`; whether it was.
    pub(super) fn catch_up(&self) -> Result<bool, LoadError> {
        if self.has_directory() {
            return Ok(false);
        }
        let path = directory();
        let found = wait_for(&path, |path| File::open(path));
        let found = found.map_err(|source| LoadError::Pin { path, source })?;
        let made = found.is_some();
        self.directory.replace(found);
        Ok(made)
    }

    fn has_directory(&self) -> bool {
        self.directory.borrow().as_ref().is_some_and(|held| tenants::is_at(held, &directory()))
    }

    /// Makes the engine's directory; whether nobody else has made an engine in it meanwhile.
    pub(super) fn make_directory(&self) -> Result<bool, LoadError> {
        let path = directory();
        if self.has_directory() {
            return Ok(true);
        }
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&path);
        made.map_err(|source| LoadError::Pin { path: path.clone(), source })?;
        Ok(self.catch_up()? && std::fs::read_dir(&path).is_ok_and(|mut names| names.next().is_none()))
    }

    /// Takes away the engine's names.
    pub(super) fn destroy_engine(&self) {
        if self.has_directory() {
            destroy(&directory());
        } else {
            let _ = std::fs::remove_dir(ROOT);
        }
    }

    /// Takes away what there is of an engine that is not one.
    pub(super) fn forget_engine(&self) {
        if !is_used(&directory()) {
            self.destroy_engine();
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
        for file in self.directory.get_mut().iter().chain([&self.file]) {
            let _ = file.unlock();
        }
    }
}

/// Takes away engines of other builds that are not used. Returns how many, and those that it left because that is not
/// certain.
pub(super) fn destroy_unused() -> (usize, Vec<Kept>) {
    let (mut destroyed, mut kept) = (0, Vec::new());
    for entry in std::fs::read_dir(ROOT).into_iter().flatten().flatten() {
        let build = entry.file_name().to_string_lossy().into_owned();
        // Somebody who has the lock is about to use it.
        let Some(_lock) =
            Some(&build).filter(|build| *build != ENGINE).and_then(|build| Lock::try_of(build).ok())
        else {
            continue;
        };
        match is_needed(&entry.path(), &build) {
            Ok(true) => {}
            Ok(false) => {
                destroy(&entry.path());
                destroyed += 1;
            }
            Err(unsure) => kept.push(unsure),
        }
    }
    (destroyed, kept)
}

/// Whether the engine of another `build` in `directory`, whose lock is held, has a sandbox, by what is written down and
/// by its own labels.
fn is_needed(directory: &Path, build: &str) -> Result<bool, Kept> {
    if !is_used(directory) {
        return Ok(false);
    }
    let unseen = |reason: String| Kept::EngineUnseen { build: build.to_owned(), reason };
    let written = tenants::all().map_err(|error| unseen(error.to_string()))?;
    if written.iter().any(|found| found.tenant.engine.as_ref().is_some_and(|place| place.build == build)) {
        return Ok(true);
    }
    let labels = sys::c_path(&directory.join("labels")).and_then(|path| bpf::pinned(&path));
    match labels.and_then(|labels| living::anybody(labels.as_fd())) {
        Ok(None) => Ok(false),
        Ok(Some(process)) => Err(Kept::Engine { build: build.to_owned(), process }),
        Err(error) => Err(unseen(error.to_string())),
    }
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
