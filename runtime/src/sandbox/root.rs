//! The sandbox's root directory as the supervisor sees it, and what names mean below it.

use std::ffi::{CString, OsStr};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use crate::sys;

/// The directory that is `/` in the sandbox. Every path given to it is one seen in the sandbox.
#[derive(Debug)]
pub struct Root {
    path: PathBuf,
    fd: OwnedFd,
}

impl Root {
    /// The root at `path`, links followed.
    ///
    /// # Errors
    /// If it does not exist, is no directory or cannot be entered.
    pub fn open(path: &Path) -> io::Result<Self> {
        let path = path.canonicalize()?;
        let flags = libc::O_PATH | libc::O_DIRECTORY;
        let cwd = std::fs::File::open("/")?;
        let fd = sys::openat2(cwd.as_fd(), &sys::c_path(&path)?, flags, 0)?;
        Ok(Self { path, fd })
    }

    /// Its canonical path outside.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is the caller's own root.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.path == Path::new("/")
    }

    /// `path` with every link followed, none of them out of the root.
    ///
    /// # Errors
    /// What openat2(2) says.
    pub fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        let fd = self.open_path(path)?;
        let outside = std::fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd()))?;
        self.seen_inside(&outside).ok_or_else(|| {
            io::Error::new(io::ErrorKind::NotFound, "it has been moved out of the root meanwhile")
        })
    }

    /// How `outside`, a canonical path of the caller's, is seen in the sandbox, if it is below the root.
    #[must_use]
    pub fn seen_inside(&self, outside: &Path) -> Option<PathBuf> {
        outside.strip_prefix(&self.path).ok().map(|rest| Path::new("/").join(rest))
    }

    /// An `O_PATH` descriptor of what `path` leads to.
    ///
    /// # Errors
    /// What openat2(2) says.
    pub fn open_path(&self, path: &Path) -> io::Result<OwnedFd> {
        sys::openat2(self.fd.as_fd(), &sys::c_path(path)?, libc::O_PATH, libc::RESOLVE_IN_ROOT)
    }

    /// Whether `path` itself, not a link, is a directory.
    #[must_use]
    pub fn has_directory(&self, path: &Path) -> bool {
        self.canonical(path).is_ok_and(|found| found == path)
            && self.metadata(path).is_ok_and(|metadata| metadata.is_dir())
    }

    /// Metadata of what `path` leads to.
    ///
    /// # Errors
    /// What openat2(2) and fstat(2) say.
    pub fn metadata(&self, path: &Path) -> io::Result<std::fs::Metadata> {
        std::fs::File::from(self.open_path(path)?).metadata()
    }

    /// Whether `path`, whose directory is reached without links, is a symbolic link.
    #[must_use]
    pub fn is_link(&self, path: &Path) -> bool {
        let flags = libc::O_PATH | libc::O_NOFOLLOW;
        let opened = sys::c_path(path)
            .and_then(|path| sys::openat2(self.fd.as_fd(), &path, flags, libc::RESOLVE_IN_ROOT))
            .and_then(|fd| std::fs::File::from(fd).metadata());
        opened.is_ok_and(|metadata| metadata.is_symlink())
    }

    /// Where `path` leads, of which `link` is the first part that is a symbolic link, as far as it exists.
    #[must_use]
    pub fn leads_to(&self, path: &Path, link: &Path) -> PathBuf {
        let target = self.canonical(link).unwrap_or_else(|_| PathBuf::from("nowhere"));
        match path.strip_prefix(link) {
            Ok(rest) if !rest.as_os_str().is_empty() => target.join(rest),
            _ => target,
        }
    }

    /// The file that a command called `name` runs, canonical: searched for in `search` (the value of `PATH`) if
    /// it has no slash, else from `cwd`.
    #[must_use]
    pub fn find_command(&self, name: &OsStr, search: &OsStr, cwd: &Path) -> Option<PathBuf> {
        candidates(name, search)
            .into_iter()
            .map(|candidate| cwd.join(OsStr::from_bytes(candidate.as_bytes())))
            .find_map(|candidate| {
                let metadata = self.metadata(&candidate).ok()?;
                let special = metadata.file_type().is_char_device() || metadata.file_type().is_block_device();
                let runs = !metadata.is_dir() && !special && is_executable(&metadata);
                runs.then(|| self.canonical(&candidate).ok()).flatten()
            })
    }
}

fn is_executable(metadata: &std::fs::Metadata) -> bool {
    std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o111 != 0
}

/// The paths at which a command called `name` may be, in the order in which they are tried.
#[must_use]
pub fn candidates(name: &OsStr, search: &OsStr) -> Vec<CString> {
    let path = |bytes: Vec<u8>| CString::new(bytes).ok();
    if name.as_bytes().contains(&b'/') {
        return path(name.as_bytes().to_vec()).into_iter().collect();
    }
    if name.is_empty() {
        return Vec::new();
    }
    let directories = search.as_bytes().split(|byte| *byte == b':');
    directories
        .filter_map(|directory| {
            let directory = if directory.is_empty() { b"." } else { directory };
            path([directory, name.as_bytes()].join(&b'/'))
        })
        .collect()
}
