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

/// How long the tree stays as it is after one change of every [`TURNS`] rounds: whoever opens names comes to run meanwhile.
const REST: Duration = Duration::from_millis(10);
const TURNS: u64 = 2;
/// Changes of a round: five at each level, and two directories exchanged.
const STEPS: u64 = 5 * LEVELS.len() as u64 + 1;

/// The changes that were made, and how many were tried.
#[derive(Default)]
struct Changes {
    made: u64,
    tried: u64,
}

impl Changes {
    /// Counts one, and rests after each in turn, so that every state of the tree is seen for a while.
    fn count<T>(&mut self, change: rustix::io::Result<T>) {
        self.made += u64::from(change.is_ok());
        let (round, step) = (self.tried / STEPS, self.tried % STEPS);
        self.tried += 1;
        if round.is_multiple_of(TURNS) && step == round / TURNS % STEPS {
            std::thread::sleep(REST);
        }
    }
}

/// Every so many rounds names are put right.
const MENDED: u64 = 8;

/// Gives files their names back that whoever opens them gave another, and was then denied to undo that.
fn mend(root: &Path) {
    let inner = ["pair-a", "pair-b"].map(|pair| root.join(pair).join("inner"));
    for here in (0..=LEVELS.len()).map(|depth| folder(root, depth)).chain(inner) {
        for path in FILES.map(|file| here.join(file)) {
            let (other, link) = other_names(&path);
            let _ = fs::renameat_with(CWD, &other, CWD, &path, RenameFlags::NOREPLACE);
            let _ = fs::unlink(&link);
        }
    }
}

/// Moves directories and files to and fro, exchanges directories, makes and removes hard links, for so long. Gives how
/// many changes were made. Names that others hold up are left for the next round.
#[must_use]
pub fn change(root: &Path, time: Duration) -> u64 {
    let start = Instant::now();
    let mut changes = Changes::default();
    while start.elapsed() < time {
        if (changes.tried / STEPS).is_multiple_of(MENDED) {
            mend(root);
        }
        for depth in (1..=LEVELS.len()).rev() {
            let here = folder(root, depth);
            let there = folder(root, depth - 1).join(MOVED);
            changes.count(fs::rename(&here, &there));
            changes.count(fs::rename(&there, &here));
            let (file, other) = (here.join(FILES[0]), here.join(FILES[2]));
            changes.count(fs::renameat_with(CWD, &file, CWD, &other, RenameFlags::EXCHANGE));
            let link = folder(root, depth - 1).join("linked.key");
            changes.count(fs::link(&file, &link));
            changes.count(fs::unlink(&link));
        }
        let (a, b) = (root.join("pair-a"), root.join("pair-b"));
        changes.count(fs::renameat_with(CWD, &a, CWD, &b, RenameFlags::EXCHANGE));
    }
    changes.made
}

/// The names that a file is moved and linked to.
fn other_names(path: &Path) -> (PathBuf, PathBuf) {
    (path.with_extension("moved"), path.with_extension("link"))
}

/// Changes times, and moves and links to another name in the directory: what else is answered by memos.
fn touch(path: &Path) {
    let now = Timespec { tv_sec: 0, tv_nsec: fs::UTIME_NOW };
    let _ =
        fs::utimensat(CWD, path, &Timestamps { last_access: now, last_modification: now }, AtFlags::empty());
    let (other, link) = other_names(path);
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
