//! What was built of what: so that `build` of a policy that did not change does nothing.
//!
//! What an output file says of itself is believed of nothing: it may be old, damaged or somebody else's. So the user's
//! cache keeps, for each text read with the same options by the same compiler, the hash of the file that came of it, and
//! only a file with that hash counts. What is in the cache counts only if nobody else can write there.

use std::fmt::{Debug, Write as _};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use boesfs_abi::layout::fingerprint;
use boesfs_grammar::Source;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Entries that are kept; the oldest go first.
const MOST: usize = 512;

/// What is known of a file that was built.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Made {
    /// The hash of all its bytes.
    hash: String,
    /// The policy's id.
    pub(super) id: String,
    /// How many bytes it has.
    pub(super) bytes: usize,
    /// Questions asked when it was validated.
    pub(super) questions: u64,
    /// Whether these were all there are.
    pub(super) complete: bool,
    /// Whether nothing at all was to be said, notes included.
    pub(super) silent: bool,
}

/// The place in the cache for one text and everything else that an output depends on.
#[derive(Debug)]
pub(super) struct Slot(PathBuf);

impl Slot {
    /// The slot of what `sources` come to with `options`; `None` if there is no cache that can be trusted.
    pub(super) fn of(sources: &[Source], options: &impl Debug) -> Option<Self> {
        let dir = directory()?;
        let mut hash = Sha256::new();
        let mut add = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        add(compiler()?.as_bytes());
        add(format!("{options:?}").as_bytes());
        sources.iter().for_each(|source| add(&source.bytes));
        Some(Self(dir.join(hexadecimal(&hash.finalize()))))
    }

    /// What `output` is, if it is what was built here before.
    pub(super) fn made(&self, output: &Path) -> Option<Made> {
        if !is_private(&self.0) {
            return None;
        }
        let made: Made = serde_json::from_slice(&fs::read(&self.0).ok()?).ok()?;
        let metadata = fs::metadata(output).ok()?;
        if !metadata.is_file() || metadata.len() != made.bytes as u64 {
            return None;
        }
        (hash_of(&fs::read(output).ok()?) == made.hash).then_some(made)
    }

    /// Notes what was built. A cache that cannot be written is none.
    pub(super) fn keep(&self, file: &[u8], made: Made) {
        let made = Made { hash: hash_of(file), ..made };
        let Some(dir) = self.0.parent() else { return };
        let Ok(text) = serde_json::to_vec(&made) else { return };
        let written = tempfile::NamedTempFile::new_in(dir)
            .and_then(|file| fs::write(file.path(), text).map(|()| file))
            .is_ok_and(|file| file.persist(&self.0).is_ok());
        if written {
            prune(dir);
        }
    }
}

impl Made {
    /// What is known of a file of so many bytes.
    pub(super) fn new(id: String, bytes: usize, questions: u64, complete: bool, silent: bool) -> Self {
        Self { hash: String::new(), id, bytes, questions, complete, silent }
    }
}

/// The user's cache directory for us, made if it is not there.
fn directory() -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
    let dir = base.join("boesfsc");
    fs::create_dir_all(&dir).ok()?;
    is_private(&dir).then_some(dir)
}

/// Whether what is at `path` belongs to who runs this, and nobody else may write there.
fn is_private(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| {
        !metadata.is_symlink()
            && metadata.uid() == rustix::process::geteuid().as_raw()
            && metadata.mode() & 0o022 == 0
    })
}

/// What tells this compiler from every other.
fn compiler() -> Option<String> {
    let metadata = fs::metadata(std::env::current_exe().ok()?).ok()?;
    let mut text = format!("{} {:08x}", env!("CARGO_PKG_VERSION"), fingerprint());
    let (seconds, nanoseconds) = (metadata.mtime(), metadata.mtime_nsec());
    write!(text, " {} {} {seconds}.{nanoseconds}", metadata.ino(), metadata.len()).ok()?;
    Some(text)
}

fn hash_of(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Takes away the oldest entries above [`MOST`].
fn prune(dir: &Path) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    let mut entries: Vec<(SystemTime, PathBuf)> = entries
        .flatten()
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    if entries.len() <= MOST {
        return;
    }
    entries.sort();
    let surplus = entries.len() - MOST;
    for (_, path) in entries.into_iter().take(surplus) {
        // Somebody else may have been quicker.
        let _ = fs::remove_file(path);
    }
}
