//! The directory that becomes a sandbox's root: the program under its subject's name, and the objects of one call.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use boesfs_abi::request::Kind;
use rustix::fs::{CWD, FileType, Mode, mknodat};

/// What stands at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Object {
    /// Nothing; the directory it would be in is there.
    Absent,
    /// A file of some bytes.
    File,
    /// A file that can be executed.
    Program,
    /// An empty directory.
    Dir,
    /// A symbolic link that leads nowhere.
    Symlink,
    /// A fifo.
    Fifo,
    /// A socket.
    Socket,
}

impl Object {
    /// Its kind, if it is there.
    #[must_use]
    pub(crate) fn kind(self) -> Option<Kind> {
        match self {
            Self::Absent => None,
            Self::File | Self::Program => Some(Kind::File),
            Self::Dir => Some(Kind::Dir),
            Self::Symlink => Some(Kind::Symlink),
            Self::Fifo => Some(Kind::Fifo),
            Self::Socket => Some(Kind::Socket),
        }
    }
}

/// A root directory with one program in it.
#[derive(Debug)]
pub(crate) struct Tree {
    root: PathBuf,
    program: PathBuf,
    /// The protected directory, which stays the same directory while a sandbox runs.
    dir: PathBuf,
    original: PathBuf,
}

/// How long a file of some bytes is.
const LENGTH: usize = 2 * super::call::MAP_LEN;

impl Tree {
    /// Makes `root`, with the program `original` at `program` in it, and the protected directory `dir`.
    ///
    /// # Errors
    /// If it cannot be made there.
    pub(crate) fn new(root: PathBuf, original: &Path, program: &[u8], dir: &[u8]) -> io::Result<Self> {
        let tree = Self {
            program: inside(&root, program),
            dir: inside(&root, dir),
            root,
            original: original.to_owned(),
        };
        fs::create_dir_all(&tree.dir)?;
        tree.place_program()?;
        Ok(tree)
    }

    /// The root directory.
    #[must_use]
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    fn place_program(&self) -> io::Result<()> {
        if let Some(folder) = self.program.parent() {
            fs::create_dir_all(folder)?;
        }
        match fs::hard_link(&self.original, &self.program) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => Ok(()),
        }
    }

    /// Leaves nothing but the program and the protected directory, and then puts `objects` at their places.
    ///
    /// # Errors
    /// If an object cannot be made.
    pub(crate) fn arrange(&self, objects: &[(&[u8], Object)]) -> io::Result<()> {
        clear(&self.root, &[&self.program, &self.dir])?;
        self.place_program()?;
        for (path, object) in objects {
            let at = inside(&self.root, path);
            if let Some(folder) = at.parent() {
                fs::create_dir_all(folder)?;
            }
            if at != self.root && at != self.dir {
                self.put(&at, *object)?;
            } else if *object != Object::Dir {
                return Err(io::ErrorKind::IsADirectory.into());
            }
        }
        Ok(())
    }

    fn put(&self, at: &Path, object: Object) -> io::Result<()> {
        if at == self.program {
            return match object {
                Object::File | Object::Program => Ok(()),
                _ => Err(io::ErrorKind::AlreadyExists.into()),
            };
        }
        let special = |kind| Ok(mknodat(CWD, at, kind, Mode::from_raw_mode(0o644), 0)?);
        match object {
            Object::Absent if at.symlink_metadata().is_ok() => Err(io::ErrorKind::AlreadyExists.into()),
            Object::Absent => Ok(()),
            Object::File => fs::write(at, [b'x'; LENGTH]),
            Object::Program => {
                fs::copy(&self.original, at)?;
                fs::set_permissions(at, fs::Permissions::from_mode(0o755))
            }
            Object::Dir => fs::create_dir_all(at),
            Object::Symlink => symlink("nowhere", at),
            Object::Fifo => special(FileType::Fifo),
            Object::Socket => special(FileType::Socket),
        }
    }
}

fn inside(root: &Path, path: &[u8]) -> PathBuf {
    let relative = path.strip_prefix(b"/").unwrap_or(path);
    if relative.is_empty() { root.to_owned() } else { root.join(OsStr::from_bytes(relative)) }
}

/// Removes everything below `folder` but what is in `keep` and the directories on the way there.
fn clear(folder: &Path, keep: &[&Path]) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let is_dir = path.symlink_metadata()?.is_dir();
        if is_dir && keep.iter().any(|kept| kept.starts_with(&path)) {
            clear(&path, keep)?;
        } else if is_dir {
            fs::remove_dir_all(&path)?;
        } else if !keep.contains(&path.as_path()) {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}
