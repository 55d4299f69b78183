//! Who is in the machine: one directory for each sandbox, by its name, below `/run/boesfs`.
//!
//! A directory's own lock is held by the sandbox's supervisor and keeper for as long as one of them lives, however they end.
//! So a lock that can be taken means that the sandbox is gone, and what is left of it is to be cleared away.

use std::fs::{File, TryLockError};
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::poll::{PollFd, PollFlags, poll};
use serde::{Deserialize, Serialize};

use crate::plane::Plane;

/// Whether this process can list its sandboxes, and those of others.
#[must_use]
pub fn can_list() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Where everything is.
pub const ROOT: &str = "/run/boesfs";
/// The longest name.
const LONGEST: usize = 200;
/// The longest name that it may have as a file.
const LONGEST_FILE: usize = 255;
const RECORD: &str = "sandbox.json";
/// How long a killed process may take to be gone.
const PATIENCE: u16 = 10_000;
/// How long a look at a lock may take.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(5);
const GENERATIONS: &str = "generations";

/// What is written down of a sandbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tenant {
    /// Of this form.
    pub version: u32,
    /// Its name.
    pub name: String,
    /// The plane.
    pub plane: TenantPlane,
    /// The supervisor.
    pub pid: u32,
    /// Its first process, once there is one, as the supervisor sees it.
    pub init: Option<u32>,
    /// The inode number of its mount namespace, once there is one.
    pub mount_namespace: Option<u32>,
    /// The protected directory, as seen inside.
    pub dir: PathBuf,
    /// Its root, as seen outside.
    pub root: PathBuf,
    /// The command it was started with, as it was named.
    pub command: Vec<u8>,
    /// The content id of the policy it was started with.
    pub policy: String,
    /// What it has of an engine.
    pub engine: Option<Place>,
    /// The limit of denials it was started with on the command line, which no policy changes.
    #[serde(default)]
    pub kill_after: Option<u64>,
}

/// A plane, as it is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TenantPlane {
    /// [`Plane::Lsm`].
    Lsm,
    /// [`Plane::Fuse`].
    Fuse,
}

impl From<TenantPlane> for Plane {
    fn from(plane: TenantPlane) -> Self {
        match plane {
            TenantPlane::Lsm => Self::Lsm,
            TenantPlane::Fuse => Self::Fuse,
        }
    }
}

/// Where in an engine a sandbox is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The engine's build.
    pub build: String,
    /// The slot.
    pub slot: usize,
    /// The sandbox's number.
    pub id: u64,
}

/// Why a name cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// Some other sandbox has it.
    #[error("a sandbox called `{0}` is running: choose another --name")]
    InUse(String),
    /// What is left of another one has it.
    #[error("a sandbox called `{0}` is gone and not cleared away: boesfs gc")]
    Left(String),
    /// It cannot be a name.
    #[error(
        "`{0}` cannot be a sandbox's name: it is empty, longer than {LONGEST} bytes, or longer than {LONGEST_FILE} if all bytes but letters, digits, `-` and `_` count three times"
    )]
    Bad(String),
    /// The directory cannot be made or read.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A name that is held: nobody else can have it until this value and its copies in other processes are gone.
#[derive(Debug)]
pub struct Claim {
    directory: PathBuf,
    #[expect(dead_code, reason = "held for its lock")]
    lock: File,
}

/// What is in the way of a name, or the name.
#[derive(Debug)]
pub enum Claimed {
    /// Nobody had it.
    New(Claim),
    /// A sandbox that is gone had it, and what is left must be cleared away first.
    Left(Claim, Option<Box<Tenant>>),
}

/// `name`, if it can be a sandbox's.
///
/// # Errors
/// [`ClaimError::Bad`].
pub fn parse_name(name: &str) -> Result<String, ClaimError> {
    directory(name).map(|_| name.to_owned())
}

/// The directory of the sandbox called `name`.
///
/// # Errors
/// [`ClaimError::Bad`].
pub fn directory(name: &str) -> Result<PathBuf, ClaimError> {
    if name.is_empty() || name.len() > LONGEST {
        return Err(ClaimError::Bad(name.to_owned()));
    }
    let mut file = String::new();
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => file.push(char::from(byte)),
            other => file.push_str(&format!("%{other:02x}")),
        }
    }
    if file.len() > LONGEST_FILE {
        return Err(ClaimError::Bad(name.to_owned()));
    }
    Ok(sandboxes().join(file))
}

fn sandboxes() -> PathBuf {
    Path::new(ROOT).join("sandboxes")
}

/// Takes `name`.
///
/// # Errors
/// If somebody has it, or the directory cannot be made.
pub fn claim(name: &str) -> Result<Claimed, ClaimError> {
    let directory = directory(name)?;
    let failed = |source| ClaimError::File { path: directory.clone(), source };
    let mut patience = 3;
    loop {
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory);
        let opened = made.and_then(|()| File::open(&directory));
        let lock = match opened {
            // Cleared away meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            other => other.map_err(failed)?,
        };
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) if patience > 0 => {
                // Somebody may only be looking whether it is taken.
                patience -= 1;
                std::thread::sleep(PAUSE);
                continue;
            }
            Err(TryLockError::WouldBlock) => return Err(ClaimError::InUse(name.to_owned())),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        if !is_at(&lock, &directory) {
            continue;
        }
        let claim = Claim { directory: directory.clone(), lock };
        return Ok(if directory.join(RECORD).exists() {
            let left = read(&directory).ok().map(Box::new);
            Claimed::Left(claim, left)
        } else {
            Claimed::New(claim)
        });
    }
}

/// A sandbox that is written down until this is dropped.
#[derive(Debug)]
pub struct Held {
    claim: Claim,
    tenant: Tenant,
}

impl Held {
    /// Writes down which its first process is.
    ///
    /// # Errors
    /// If the process cannot be looked at, or it cannot be written.
    pub fn set_init(&mut self, init: BorrowedFd<'_>) -> io::Result<()> {
        let pid = crate::sys::pidfd_pid(init)?;
        let namespace = std::fs::metadata(mount_namespace(pid))?.ino();
        self.tenant.init = Some(pid);
        self.tenant.mount_namespace = Some(u32::try_from(namespace).map_err(io::Error::other)?);
        self.claim.write(&self.tenant)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // What is left stands in nobody's way but this name's.
        let _ = self.claim.clear();
    }
}

/// The file of the mount namespace that task `pid` is in.
fn mount_namespace(pid: u32) -> String {
    format!("/proc/{pid}/ns/mnt")
}

/// Clears away sandboxes that are gone and were in no engine. What cannot be removed stands in nobody's way but its name's.
pub fn clear_away_unbound() {
    for (claim, tenant) in left() {
        if let Some(tenant) = tenant.filter(|tenant| tenant.engine.is_none()) {
            see_the_end(&tenant);
            let _ = claim.clear();
        }
    }
}

/// Takes the name of `tenant` and writes it down, for a sandbox that is in no engine.
///
/// # Errors
/// As [`claim`].
pub fn hold(tenant: Tenant) -> Result<Held, ClaimError> {
    let claim = match claim(&tenant.name)? {
        Claimed::New(claim) => claim,
        // One of an engine's must be cleared away by who knows engines.
        Claimed::Left(_, Some(left)) if left.engine.is_some() => return Err(ClaimError::Left(left.name)),
        Claimed::Left(claim, _) => claim,
    };
    let failed = |source| ClaimError::File { path: claim.directory.clone(), source };
    claim.write(&tenant).map_err(failed)?;
    Ok(Held { claim, tenant })
}

/// Whether `file` is what `path` names.
pub(crate) fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(file), Ok(named)) => (file.dev(), file.ino()) == (named.dev(), named.ino()),
        _ => false,
    }
}

fn read(directory: &Path) -> io::Result<Tenant> {
    Ok(serde_json::from_slice(&std::fs::read(directory.join(RECORD))?)?)
}

/// A sandbox that is written down.
#[derive(Debug)]
pub struct Found {
    /// What is written.
    pub tenant: Tenant,
    /// Its directory.
    pub directory: PathBuf,
}

impl Found {
    /// Whether its supervisor or keeper lives.
    #[must_use]
    pub fn runs(&self) -> bool {
        File::open(&self.directory).is_ok_and(|lock| lock.try_lock_shared().is_err())
    }

    /// What is written of it now; nothing once neither its supervisor nor its keeper lives.
    fn running(&self) -> Option<Tenant> {
        if !self.runs() {
            return None;
        }
        match read(&self.directory) {
            // Somebody else has the name by now.
            Ok(now) => (now.pid == self.tenant.pid).then_some(now),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(_) => Some(self.tenant.clone()),
        }
    }

    /// Kills its processes and waits until they are gone; whether they are.
    #[must_use]
    pub fn kill(&self) -> bool {
        // A supervisor gives up setting up at the first, and dies of the second when it does nothing any more.
        [libc::SIGTERM, libc::SIGKILL].into_iter().any(|signal| self.end(signal))
    }

    /// Kills its first process. Without one only its supervisor can end it, at `signal`.
    fn end(&self, signal: libc::c_int) -> bool {
        let began = std::time::Instant::now();
        let mut tenant = self.tenant.clone();
        if first_process(&tenant).is_none() && self.running().is_some() {
            let _ = crate::sys::kill(tenant.pid, signal);
        }
        // The supervisor has the last events to write and its place to clear, or a first process to make known.
        while let Some(now) = self.running()
            && began.elapsed().as_millis() < PATIENCE.into()
        {
            tenant = now;
            see_the_end(&tenant);
            std::thread::sleep(PAUSE);
        }
        see_the_end(&tenant);
        self.running().is_none() && first_process(&tenant).is_none()
    }
}

/// The sandbox called `name`, if it is written down.
///
/// # Errors
/// If the name is none, or what is written cannot be read.
pub fn find(name: &str) -> Result<Option<Found>, ClaimError> {
    let directory = directory(name)?;
    match read(&directory) {
        Ok(tenant) => Ok(Some(Found { tenant, directory })),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ClaimError::File { path: directory, source }),
    }
}

/// Every sandbox that is written down, by name. One whose record is damaged is not.
///
/// # Errors
/// If the list or a record cannot be looked at.
pub fn all() -> Result<Vec<Found>, ClaimError> {
    let list = sandboxes();
    let failed = |source| ClaimError::File { path: list.clone(), source };
    let entries = match std::fs::read_dir(&list) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(failed)?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let directory = entry.map_err(failed)?.path();
        match read(&directory) {
            Ok(tenant) => found.push(Found { tenant, directory }),
            Err(error) if error.raw_os_error().is_none_or(|number| number == libc::ENOENT) => {}
            Err(source) => return Err(ClaimError::File { path: directory, source }),
        }
    }
    found.sort_by(|a, b| a.tenant.name.cmp(&b.tenant.name));
    Ok(found)
}

/// Takes what is left of sandboxes that are gone.
#[must_use]
pub fn left() -> Vec<(Claim, Option<Tenant>)> {
    let entries = std::fs::read_dir(sandboxes()).into_iter().flatten().flatten();
    let taken = entries.filter_map(|entry| {
        let directory = entry.path();
        let lock = File::open(&directory).ok()?;
        lock.try_lock().ok()?;
        let tenant = match read(&directory) {
            // That it cannot be read now says nothing of what is written.
            Err(error) if error.raw_os_error().is_some_and(|code| code != libc::ENOENT) => return None,
            read => read.ok(),
        };
        is_at(&lock, &directory).then(|| (Claim { directory: directory.clone(), lock }, tenant))
    });
    taken.collect()
}

/// Waits until no process is left in the sandbox `tenant`, whose supervisor is gone: what it had must not be taken
/// from under what still runs.
pub fn see_the_end(tenant: &Tenant) {
    let Some(init) = first_process(tenant) else { return };
    let _ = crate::sys::pidfd_kill(init.as_fd(), libc::SIGKILL);
    let mut waiting = [PollFd::new(init.as_fd(), PollFlags::POLLIN)];
    // Nothing in the kernel holds a killed process for as long as this, but for what cannot be helped.
    let _ = poll(&mut waiting, PATIENCE);
}

/// A pidfd of the first process of `tenant`, if that lives.
#[must_use]
pub fn first_process(tenant: &Tenant) -> Option<OwnedFd> {
    let pid = tenant.init?;
    let init = crate::sys::pidfd_open(pid.cast_signed()).ok()?;
    // The number may be somebody else's by now.
    let namespace = std::fs::metadata(mount_namespace(pid)).ok()?.ino();
    (tenant.mount_namespace.map(u64::from) == Some(namespace)).then_some(init)
}

impl Claim {
    /// Writes `tenant` down, in place of what was there.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, tenant: &Tenant) -> io::Result<()> {
        let (path, next) = (self.directory.join(RECORD), self.directory.join("sandbox.json.next"));
        std::fs::write(&next, serde_json::to_vec(tenant)?)?;
        std::fs::rename(next, path)
    }

    /// The directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Clears the directory away.
    ///
    /// # Errors
    /// If something in it cannot be removed.
    pub fn clear(&self) -> io::Result<()> {
        let mut policies = Vec::new();
        for entry in std::fs::read_dir(self.directory.join("policies")).into_iter().flatten().flatten() {
            policies.push(entry.file_name());
        }
        std::fs::remove_dir_all(&self.directory)?;
        for file in policies {
            let path = shared_policies().join(file);
            // The last name of a policy that nobody else has.
            if std::fs::metadata(&path).is_ok_and(|file| file.nlink() == 1) {
                let _ = std::fs::remove_file(path);
            }
        }
        // Nobody left: neither shall be anything.
        for directory in [shared_policies(), sandboxes(), PathBuf::from(ROOT)] {
            let _ = std::fs::remove_dir(directory);
        }
        Ok(())
    }
}

fn shared_policies() -> PathBuf {
    Path::new(ROOT).join("policies")
}

/// Keeps the `image` of the policy called `id` for the sandbox in `directory`, one file for all who have it, and writes
/// down that it is to be generation `generation`.
///
/// # Errors
/// If it cannot be written.
pub fn keep_policy(directory: &Path, generation: u64, id: &str, image: &[u8]) -> io::Result<()> {
    let shared = shared_policies();
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&shared)?;
    let own = directory.join("policies");
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&own)?;
    let (shared, own) = (shared.join(id), own.join(id));
    if !own.exists() {
        // Named for who writes it: another may write the same at the same time.
        let next = directory.join("policy.next");
        match std::fs::hard_link(&shared, &own) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                std::fs::write(&next, image)?;
                std::fs::hard_link(&next, &own)?;
                match std::fs::hard_link(&own, &shared) {
                    Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                    Ok(()) | Err(_) => {}
                }
                std::fs::remove_file(next)?;
            }
            other => other?,
        }
    }
    let mut log = File::options().create(true).append(true).mode(0o600).open(directory.join(GENERATIONS))?;
    log.write_all(format!("{generation} {id}\n").as_bytes())
}

/// The generations of the sandbox in `directory` from byte `from` of what is written on, each with its policy's id;
/// and where to go on reading.
///
/// # Errors
/// If they cannot be read.
pub fn generations(directory: &Path, from: u64) -> io::Result<(Vec<(u64, String)>, u64)> {
    use std::io::{Read, Seek};
    let mut file = File::open(directory.join(GENERATIONS))?;
    file.seek(io::SeekFrom::Start(from))?;
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    // What is still being written has no end yet.
    let whole = text.rfind('\n').map_or(0, |end| end + 1);
    let lines = text[..whole].lines().filter_map(|line| {
        let (generation, id) = line.split_once(' ')?;
        Some((generation.parse().ok()?, id.to_owned()))
    });
    Ok((lines.collect(), from + whole as u64))
}

/// The file in which the image of policy `id` is kept for the sandbox in `directory`.
#[must_use]
pub fn policy_file(directory: &Path, id: &str) -> PathBuf {
    directory.join("policies").join(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_a_directory_of_its_own() {
        let file = |name: &str| directory(name).unwrap().file_name().unwrap().to_owned();
        assert_eq!(file("web-1_a"), "web-1_a");
        assert_eq!(file("../a b"), "%2e%2e%2fa%20b");
        assert_ne!(file("%2e"), file("."));
        assert!(directory("").is_err());
        assert!(directory(&"x".repeat(201)).is_err());
        assert_eq!(file(&".".repeat(85)).len(), 255);
        assert!(directory(&".".repeat(86)).is_err());
        assert!(directory(&"é".repeat(43)).is_err());
    }
}
