//! What makes memos stale, and what would notice: names that move while others open them.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{self, AtFlags, CWD, Mode, OFlags, RenameFlags, Timespec, Timestamps};

/// Directories of the tree, each below the one before, and the name each is moved to and from.
const LEVELS: [&str; 4] = ["one", "two", "three", "four"];
const MOVED: &str = "moved";
/// What a policy denies, wherever it lies.
const FILES: [&str; 3] = ["plain.dat", "secret.key", "other.key"];

fn folder(root: &Path, depth: usize) -> PathBuf {
    root.join(LEVELS[..depth].join("/"))
}

/// Makes the tree below `root`.
///
/// # Errors
/// If a name cannot be made.
pub fn prepare(root: &Path) -> io::Result<()> {
    for depth in 0..=LEVELS.len() {
        std::fs::create_dir_all(folder(root, depth))?;
        for file in FILES {
            std::fs::write(folder(root, depth).join(file), file)?;
        }
    }
    std::fs::create_dir_all(root.join("pair-a/inner"))?;
    std::fs::create_dir_all(root.join("pair-b/inner"))?;
    std::fs::write(root.join("pair-a/inner/secret.key"), "a")?;
    std::fs::write(root.join("pair-b/inner/plain.dat"), "b")
}

/// Moves directories and files to and fro, exchanges directories, makes and removes hard links, for so long. Gives how
/// many changes were made. Names that others hold up are left for the next round.
#[must_use]
pub fn change(root: &Path, time: Duration) -> u64 {
    let start = Instant::now();
    let mut changes = 0;
    while start.elapsed() < time {
        for depth in (1..=LEVELS.len()).rev() {
            let here = folder(root, depth);
            let there = folder(root, depth - 1).join(MOVED);
            changes += u64::from(fs::rename(&here, &there).is_ok());
            changes += u64::from(fs::rename(&there, &here).is_ok());
            let (file, other) = (here.join(FILES[0]), here.join(FILES[2]));
            changes += u64::from(fs::renameat_with(CWD, &file, CWD, &other, RenameFlags::EXCHANGE).is_ok());
            let link = folder(root, depth - 1).join("linked.key");
            changes += u64::from(fs::link(&file, &link).is_ok());
            changes += u64::from(fs::unlink(&link).is_ok());
        }
        let (a, b) = (root.join("pair-a"), root.join("pair-b"));
        changes += u64::from(fs::renameat_with(CWD, &a, CWD, &b, RenameFlags::EXCHANGE).is_ok());
    }
    changes
}

/// Changes times, and moves and links to another name in the directory: what else is answered by memos.
fn touch(path: &Path) {
    let now = Timespec { tv_sec: 0, tv_nsec: fs::UTIME_NOW };
    let _ =
        fs::utimensat(CWD, path, &Timestamps { last_access: now, last_modification: now }, AtFlags::empty());
    let (other, link) = (path.with_extension("moved"), path.with_extension("link"));
    if fs::rename(path, &other).is_ok() {
        let _ = fs::rename(&other, path);
    }
    if fs::link(path, &link).is_ok() {
        let _ = fs::unlink(&link);
    }
}

/// Opens whatever may be there, and moves it about, for so long. Gives how many opens succeeded, and how many were denied.
#[must_use]
pub fn open(root: &Path, time: Duration) -> (u64, u64) {
    let start = Instant::now();
    let (mut opened, mut denied) = (0, 0);
    let mut paths = Vec::new();
    for depth in 0..=LEVELS.len() {
        let here = folder(root, depth);
        paths.push(here.clone());
        paths.push(here.join("linked.key"));
        paths.extend(FILES.map(|file| here.join(file)));
        paths.extend(FILES.map(|file| here.join(MOVED).join(file)));
    }
    for pair in ["pair-a", "pair-b"] {
        paths.extend(FILES.map(|file| root.join(pair).join("inner").join(file)));
    }
    while start.elapsed() < time {
        for path in &paths {
            match fs::openat(CWD, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()) {
                Ok(file) => {
                    opened += 1;
                    // A file that is open is still reached by a name.
                    let _ = fs::statat(&file, "", AtFlags::EMPTY_PATH);
                }
                Err(rustix::io::Errno::ACCESS) => denied += 1,
                Err(_) => {}
            }
            if path.extension().is_some() {
                touch(path);
            }
        }
    }
    (opened, denied)
}
