//! Whether an image comes from someone who is trusted, and is not older than what ran before.
//!
//! From a checked image, the launcher's keys and its ledger to a go-ahead. The ledger is a JSON file that the launcher owns:
//! for each key and name of a release the newest revision that was run, and its policy.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use boesfs_abi::image::{KeyError, PublicKey, Signed, ValidImage};
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};

/// The version of the ledger's form.
const VERSION: u32 = 1;
/// The most bytes of a key.
const LONGEST_KEY: u64 = 1 << 16;
/// The most bytes of a ledger.
const LONGEST_LEDGER: u64 = 1 << 26;

/// Why an image is not trusted.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// A key cannot be read.
    #[error("cannot read key `{}`: {error}", path.display())]
    Unreadable {
        /// As it was given.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A file holds no key.
    #[error("key `{}`: {error}", path.display())]
    Key {
        /// As it was given.
        path: PathBuf,
        /// Why.
        error: KeyError,
    },
    /// Nobody vouches for the policy.
    #[error("the policy is not signed, and `--trust` asks for a signature")]
    Unsigned,
    /// Somebody else does.
    #[error("the policy is signed by another key than `--trust` names: {0}")]
    Stranger(String),
    /// The ledger cannot be read or written.
    #[error("ledger `{}`: {error}", path.display())]
    Ledger {
        /// As it was given.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A newer one has run.
    #[error("the policy is revision {have} of `{name}`, and revision {newest} has run before")]
    RolledBack {
        /// The name of the release.
        name: String,
        /// The image's revision.
        have: u64,
        /// The newest that was run.
        newest: u64,
    },
    /// Two policies share a revision.
    #[error("another policy has run as revision {revision} of `{name}`: {ran}")]
    Ambiguous {
        /// The name of the release.
        name: String,
        /// The revision of both.
        revision: u64,
        /// The id of the one that has run.
        ran: String,
    },
}

/// What was run last, by key and name.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Ledger {
    version: u32,
    releases: BTreeMap<String, BTreeMap<String, Newest>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Newest {
    revision: u64,
    policy: String,
}

/// The keys in the files at `paths`.
///
/// # Errors
/// [`TrustError::Unreadable`] and [`TrustError::Key`].
pub fn keys(paths: &[PathBuf]) -> Result<Vec<PublicKey>, TrustError> {
    let key = |path: &PathBuf| {
        let bytes = read_up_to(path, LONGEST_KEY, 0)
            .map_err(|error| TrustError::Unreadable { path: path.clone(), error })?;
        let text = String::from_utf8_lossy(&bytes);
        PublicKey::from_pem(&text).map_err(|error| TrustError::Key { path: path.clone(), error })
    };
    paths.iter().map(key).collect()
}

/// The file at `path`, opened with `flags` besides, which has `most` bytes at most: it may be anything, as a device that never ends.
fn read_up_to(path: &Path, most: u64, flags: i32) -> io::Result<Vec<u8>> {
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::Error::other(format!("longer than {most} bytes")));
    }
    Ok(bytes)
}

/// Who vouches for `image`, if it is one of `keys`.
///
/// # Errors
/// [`TrustError::Unsigned`] and [`TrustError::Stranger`].
pub fn vouched<'i>(image: &'i ValidImage, keys: &[PublicKey]) -> Result<&'i Signed, TrustError> {
    let signed = image.signed().ok_or(TrustError::Unsigned)?;
    if keys.contains(&signed.key) { Ok(signed) } else { Err(TrustError::Stranger(signed.key.to_hex())) }
}

/// Refuses an image that is older than what the ledger at `path` has seen. Changes nothing.
///
/// # Errors
/// [`TrustError::RolledBack`], [`TrustError::Ambiguous`] and [`TrustError::Ledger`].
pub fn check_revision(path: &Path, signed: &Signed, id: &str) -> Result<(), TrustError> {
    let failed = |error| TrustError::Ledger { path: path.to_owned(), error };
    admit(&mut read(path).map_err(failed)?, signed, id).map(|_| ())
}

/// As [`check_revision`], and writes the image down: from here on nothing older is accepted. A ledger that is not
/// there is begun. Several launchers may share one.
///
/// # Errors
/// As [`check_revision`].
pub fn record_revision(path: &Path, signed: &Signed, id: &str) -> Result<(), TrustError> {
    let failed = |error| TrustError::Ledger { path: path.to_owned(), error };
    let _held = lock(path).map_err(failed)?;
    let mut ledger = read(path).map_err(failed)?;
    if admit(&mut ledger, signed, id)? {
        write(path, &ledger).map_err(failed)?;
    }
    Ok(())
}

/// Whether the ledger changes.
fn admit(ledger: &mut Ledger, signed: &Signed, id: &str) -> Result<bool, TrustError> {
    let (name, have) = (signed.release.name(), signed.release.revision());
    let line = ledger.releases.entry(signed.key.to_hex()).or_default();
    match line.get(name) {
        Some(newest) if newest.revision > have => {
            return Err(TrustError::RolledBack { name: name.to_owned(), have, newest: newest.revision });
        }
        Some(newest) if newest.revision == have && newest.policy != id => {
            let ran = newest.policy.clone();
            return Err(TrustError::Ambiguous { name: name.to_owned(), revision: have, ran });
        }
        Some(newest) if newest.revision == have => return Ok(false),
        Some(_) | None => {}
    }
    line.insert(name.to_owned(), Newest { revision: have, policy: id.to_owned() });
    Ok(true)
}

/// Holds the ledger against other launchers until dropped. The lock is a file of its own, because the ledger is replaced.
/// No link is followed to ledger, lock or new ledger: who could plant one could have a file of the launcher's overwritten, or the
/// ledger read from where it is not written to.
fn lock(path: &Path) -> io::Result<Flock<File>> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW)
        .open(beside)?;
    Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, error)| error.into())
}

fn read(path: &Path) -> io::Result<Ledger> {
    let bytes = match read_up_to(path, LONGEST_LEDGER, libc::O_NOFOLLOW | libc::O_NONBLOCK) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(Ledger { version: VERSION, releases: BTreeMap::new() });
        }
        Err(error) => return Err(error),
    };
    let ledger: Ledger = serde_json::from_slice(&bytes)?;
    if ledger.version != VERSION {
        return Err(io::Error::other(format!("version {} is not known", ledger.version)));
    }
    Ok(ledger)
}

/// Replaces the ledger as a whole: it is never seen half written.
fn write(path: &Path, ledger: &Ledger) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW)
        .open(&beside)?;
    let replaced = serde_json::to_vec(ledger)
        .map_err(io::Error::from)
        .and_then(|bytes| file.write_all(&bytes))
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&beside, path));
    if replaced.is_err() {
        // What is left stands in nobody's way: the next one writes over it.
        let _ = fs::remove_file(&beside);
    }
    replaced?;
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use boesfs_abi::image::{Release, SecretKey};

    use super::*;

    fn signed(key: &SecretKey, revision: u64) -> Signed {
        Signed { release: Release::new("web", revision).expect("a release"), key: key.public() }
    }

    #[test]
    fn revisions_only_grow() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("ledger");
        let key = SecretKey::generate().expect("a key");
        record_revision(&path, &signed(&key, 3), "a").expect("the first");
        record_revision(&path, &signed(&key, 3), "a").expect("the same again");
        assert!(matches!(
            record_revision(&path, &signed(&key, 3), "b"),
            Err(TrustError::Ambiguous { revision: 3, .. })
        ));
        assert!(matches!(
            check_revision(&path, &signed(&key, 2), "c"),
            Err(TrustError::RolledBack { have: 2, newest: 3, .. })
        ));
        check_revision(&path, &signed(&key, 9), "d").expect("newer");
        record_revision(&path, &signed(&key, 4), "d").expect("a check writes nothing down");
        let other = SecretKey::generate().expect("a key");
        record_revision(&path, &signed(&other, 1), "e").expect("another key has its own line");
    }

    #[test]
    fn a_damaged_ledger_refuses() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("ledger");
        let key = SecretKey::generate().expect("a key");
        for text in ["", "{}", r#"{"version":2,"releases":{}}"#, r#"{"version":1,"releases":{},"x":1}"#] {
            fs::write(&path, text).expect("a ledger");
            assert!(
                matches!(record_revision(&path, &signed(&key, 1), "a"), Err(TrustError::Ledger { .. })),
                "{text}"
            );
            assert_eq!(fs::read_to_string(&path).expect("a ledger"), text);
        }
    }
}
