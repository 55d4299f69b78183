//! The mount table, and whether it shows the protected directory's tree a second time.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use crate::sys;

/// One mount, as a line of mountinfo tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mount {
    pub(crate) id: u64,
    /// `major:minor` of the file system.
    pub(crate) device: Vec<u8>,
    /// What of the file system it shows.
    pub(crate) root: PathBuf,
    /// Where.
    pub(crate) target: PathBuf,
}

/// A directory of a file system that is protected, and the one place where it belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tree {
    device: Vec<u8>,
    path: PathBuf,
    location: PathBuf,
}

/// A second name of something protected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` shows what is at `{}` a second time, where no policy protects it: unmount it or use another `--root`", shown.display(), location.display())]
pub(crate) struct Alias {
    shown: PathBuf,
    location: PathBuf,
}

/// The mounts that `mountinfo` lists.
pub(crate) fn parse(mountinfo: &[u8]) -> io::Result<Vec<Mount>> {
    let malformed = || io::Error::new(io::ErrorKind::InvalidData, "mountinfo is not of the documented form");
    mountinfo
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| {
            let fields: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
            let [id, _, device, root, target, ..] = fields[..] else { return Err(malformed()) };
            let id = std::str::from_utf8(id).ok().and_then(|id| id.parse().ok()).ok_or_else(malformed)?;
            Ok(Mount { id, device: device.to_vec(), root: unescape(root), target: unescape(target) })
        })
        .collect()
}

/// The kernel writes blank, tab, newline and backslash as `\` and three octal digits.
fn unescape(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [first, tail @ ..] = rest {
        rest = tail;
        match (first, tail) {
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..]) => {
                bytes.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest = after;
            }
            _ => bytes.push(*first),
        }
    }
    std::ffi::OsString::from_vec(bytes).into()
}

/// What is protected when `dir` (a path outside) is, which is to be seen at `location`: it, and every mount below it.
pub(crate) fn protected(mounts: &[Mount], dir: &Path, location: &Path) -> io::Result<Vec<Tree>> {
    let id = mount_at(dir)?;
    let mut trees = Vec::new();
    for mount in mounts {
        if mount.id == id {
            let path = join(&mount.root, dir.strip_prefix(&mount.target).map_err(io::Error::other)?);
            trees.push(Tree { device: mount.device.clone(), path, location: location.to_owned() });
        } else if let Ok(below) = mount.target.strip_prefix(dir)
            && shows(mount, &mount.target)
        {
            let location = join(location, below);
            trees.push(Tree { device: mount.device.clone(), path: mount.root.clone(), location });
        }
    }
    Ok(trees)
}

/// The first of `mounts` that shows something of `trees` elsewhere than where it belongs. Mounts below `own` are
/// the sandbox's own and known to be harmless.
pub(crate) fn find_alias(trees: &[Tree], mounts: &[Mount], own: &[&str]) -> Option<Alias> {
    for mount in mounts.iter().filter(|mount| !own.iter().any(|own| mount.target.starts_with(own))) {
        for tree in trees.iter().filter(|tree| tree.device == mount.device) {
            let (shown, location) = if let Ok(rest) = tree.path.strip_prefix(&mount.root) {
                (join(&mount.target, rest), tree.location.clone())
            } else if let Ok(rest) = mount.root.strip_prefix(&tree.path) {
                (mount.target.clone(), join(&tree.location, rest))
            } else {
                continue;
            };
            if shown != location && shows(mount, &shown) {
                return Some(Alias { shown, location });
            }
        }
    }
    None
}

/// `base/rest` without the trailing slash that an empty `rest` would leave.
fn join(base: &Path, rest: &Path) -> PathBuf {
    if rest.as_os_str().is_empty() { base.to_owned() } else { base.join(rest) }
}

/// Whether looking at `path` meets `mount`, and not another one on top of it. Where that cannot be found out, it does; nobody
/// inside gets to what is not there, or not to be had by who is to be root there.
fn shows(mount: &Mount, path: &Path) -> bool {
    match mount_at(path) {
        Ok(id) => id == mount.id,
        Err(error) => !matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENOTDIR | libc::EACCES)),
    }
}

fn mount_at(path: &Path) -> io::Result<u64> {
    let here = std::fs::File::open(".")?;
    let file = sys::openat2(here.as_fd(), &sys::c_path(path)?, libc::O_PATH | libc::O_NOFOLLOW, 0)?;
    sys::mount_id(file.as_fd())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_mountinfo() {
        let text =
            b"22 27 0:21 / /proc rw - proc proc rw\n9 1 8:1 /a\\040b /mnt/x\\134y rw shared:1 - ext4 d rw\n";
        let mounts = parse(text).unwrap();
        assert_eq!(mounts.len(), 2);
        assert_eq!(mounts[1].device, b"8:1");
        assert_eq!(mounts[1].root, Path::new("/a b"));
        assert_eq!(mounts[1].target, Path::new("/mnt/x\\y"));
        assert!(parse(b"garbage\n").is_err());
    }
}
