//! Policy files on disk: which ones there are, and how one is replaced.

use std::collections::HashSet;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, fchown};
use std::path::{Path, PathBuf};

use boesfs_grammar::{SectionKind, byte_order_marks};
use tempfile::NamedTempFile;

/// How much of a file is looked at to see whether it is a policy.
const LOOKED_AT: usize = 64 << 10;

/// What was found below a directory.
#[derive(Debug, Default)]
pub struct Found {
    /// Files that look like policies, in order of their names.
    pub policies: Vec<PathBuf>,
    /// Directories and files that could not be looked at.
    pub errors: Vec<(PathBuf, io::Error)>,
}

/// The policies below `dir`: files called `*.conf` with a section of ours at the start of a line. Names that begin with
/// a dot are passed over; symbolic links are followed, each directory once.
#[must_use]
pub fn policies_below(dir: &Path) -> Found {
    let mut found = Found::default();
    let mut seen = HashSet::new();
    let mut todo = vec![dir.to_owned()];
    while let Some(dir) = todo.pop() {
        let entries = fs::canonicalize(&dir).and_then(|real| {
            if !seen.insert(real) {
                return Ok(Vec::new());
            }
            fs::read_dir(&dir)?.map(|entry| entry.map(|entry| entry.path())).collect()
        });
        let entries = match entries {
            Ok(entries) => entries,
            Err(error) => {
                found.errors.push((dir, error));
                continue;
            }
        };
        for path in entries {
            if path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b".")) {
                continue;
            }
            // A link that leads nowhere is no policy.
            let Ok(kind) = fs::metadata(&path) else { continue };
            if kind.is_dir() {
                todo.push(path);
            } else if kind.is_file() && path.extension().is_some_and(|extension| extension == "conf") {
                match is_policy(&path) {
                    Ok(true) => found.policies.push(path),
                    Ok(false) => {}
                    Err(error) => found.errors.push((path, error)),
                }
            }
        }
    }
    found.policies.sort();
    found.errors.sort_by(|one, other| one.0.cmp(&other.0));
    found
}

/// Whether a section of ours begins in the first part of the file.
fn is_policy(path: &Path) -> io::Result<bool> {
    let mut start = Vec::new();
    io::Read::read_to_end(&mut io::Read::take(fs::File::open(path)?, LOOKED_AT as u64), &mut start)?;
    Ok(start.split(|byte| *byte == b'\n').any(|line| {
        let line = line[byte_order_marks(line)..].trim_ascii_start();
        SectionKind::ALL
            .into_iter()
            .any(|kind| line.strip_prefix(b"[").is_some_and(|line| line.starts_with(kind.name().as_bytes())))
    }))
}

/// Puts `bytes` in place of what the file at `path` holds, whole or not at all. Its permissions and its owner stay, and a
/// symbolic link stays one: the file it leads to is replaced.
///
/// # Errors
/// What the system says; the file is then as it was.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let real = fs::canonicalize(path)?;
    let metadata = fs::metadata(&real)?;
    if metadata.permissions().readonly() {
        return Err(io::Error::from(io::ErrorKind::PermissionDenied));
    }
    beside(&real, bytes, Some(&metadata))?.persist(&real)?;
    Ok(())
}

/// Puts a new file with `bytes` at `path`, whole or not at all. What is there already is replaced only if `force` says
/// so.
///
/// # Errors
/// What the system says; `AlreadyExists` among it.
pub fn create(path: &Path, bytes: &[u8], force: bool) -> io::Result<()> {
    if force && fs::symlink_metadata(path).is_ok() {
        return replace(path, bytes);
    }
    let file = beside(path, bytes, None)?;
    if force {
        file.persist(path)?;
    } else {
        file.persist_noclobber(path)?;
    }
    Ok(())
}

/// Puts `bytes` at `path`, whole or not at all. A file that is there leaves its permissions and its owner to the new one.
/// A symbolic link to a file is replaced, not followed; a device, a pipe or what a link in `/dev` or `/proc` leads to, as
/// `/dev/stderr` does, is written to, never replaced.
///
/// # Errors
/// What the system says; a file is then as it was.
pub fn put(path: &Path, bytes: &[u8]) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => return Err(io::Error::from(io::ErrorKind::IsADirectory)),
        Ok(found) if !found.is_file() => return OpenOptions::new().write(true).open(path)?.write_all(bytes),
        Ok(_) | Err(_) => {}
    }
    let before = fs::symlink_metadata(path).ok();
    let folder = path.parent().and_then(|folder| fs::canonicalize(folder).ok());
    if before.as_ref().is_some_and(fs::Metadata::is_symlink)
        && folder.is_some_and(|folder| folder.starts_with("/dev") || folder.starts_with("/proc"))
    {
        return OpenOptions::new().write(true).truncate(true).open(path)?.write_all(bytes);
    }
    let before = before.filter(fs::Metadata::is_file);
    beside(path, bytes, before.as_ref())?.persist(path)?;
    Ok(())
}

/// A file with `bytes` in the folder of `path`, to be moved there, with the permissions and the owner of `like`.
fn beside(path: &Path, bytes: &[u8], like: Option<&fs::Metadata>) -> io::Result<NamedTempFile> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    // Until it has its owner nobody else is to read it.
    let mode = if like.is_some() { 0o600 } else { 0o666 };
    // Opened and written by ourselves, it is not named by errors: nobody knows it by its passing name.
    let named = tempfile::Builder::new()
        .prefix(".boesfsc-")
        .make_in(dir, |path| OpenOptions::new().write(true).create_new(true).mode(mode).open(path))?;
    let mut file = named.as_file();
    file.write_all(bytes)?;
    if let Some(like) = like {
        let own = file.metadata()?;
        if (own.uid(), own.gid()) != (like.uid(), like.gid()) {
            // Only root can give a file away; for others the group stays, which the permissions speak of.
            fchown(file, Some(like.uid()), Some(like.gid()))
                .or_else(|_| fchown(file, None, Some(like.gid())))?;
        }
        file.set_permissions(like.permissions())?;
    }
    file.sync_all()?;
    Ok(named)
}
