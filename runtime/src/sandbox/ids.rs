//! Which user and group ids exist in a sandbox.

use std::io;
use std::path::PathBuf;

use serde::Serialize;

/// Consecutive ids, mapped to themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Range {
    /// The first.
    pub first: u32,
    /// How many.
    pub count: u32,
}

/// Whether processes in the sandbox may change their supplementary groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Setgroups {
    /// As far as their capabilities allow.
    Allow,
    /// Never: dropping a group could widen what a user may do.
    Deny,
}

/// The ids of a sandbox. Every id is mapped to itself, so that files made inside belong to the ids seen inside,
/// and policies and events speak of the same numbers as the host does.
///
/// A caller that may map ids (root) gives the sandbox every id it has itself; any other gives its own alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct IdMap {
    /// User ids.
    pub users: Vec<Range>,
    /// Group ids.
    pub groups: Vec<Range>,
    /// Supplementary groups.
    pub setgroups: Setgroups,
}

/// CAP_SETGID, CAP_SETUID, and CAP_SETFCAP without which uid 0 cannot be mapped.
const MAPPING: u64 = 1 << 6 | 1 << 7 | 1 << 31;

impl IdMap {
    /// The map for a sandbox of this process.
    ///
    /// # Errors
    /// If /proc does not tell what this process may do.
    pub fn of_caller() -> io::Result<Self> {
        if effective_capabilities()? & MAPPING == MAPPING {
            return Ok(Self {
                users: own_ranges("/proc/self/uid_map")?,
                groups: own_ranges("/proc/self/gid_map")?,
                setgroups: Setgroups::Allow,
            });
        }
        let only = |id| vec![Range { first: id, count: 1 }];
        Ok(Self {
            users: only(nix::unistd::geteuid().as_raw()),
            groups: only(nix::unistd::getegid().as_raw()),
            setgroups: Setgroups::Deny,
        })
    }

    /// Gives the user namespace of `pid` these ids.
    ///
    /// # Errors
    /// What the kernel says to the map, with the file it was written to.
    pub fn write(&self, pid: i32) -> io::Result<()> {
        let write = |name: &str, text: &str| {
            let path = PathBuf::from(format!("/proc/{pid}/{name}"));
            std::fs::OpenOptions::new()
                .write(true)
                .open(&path)
                .and_then(|mut file| io::Write::write_all(&mut file, text.as_bytes()))
                .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
        };
        if self.setgroups == Setgroups::Deny {
            write("setgroups", "deny")?;
        }
        // Users last: until then the namespace has no owner that could use the groups.
        write("gid_map", &text(&self.groups))?;
        write("uid_map", &text(&self.users))
    }
}

fn text(ranges: &[Range]) -> String {
    ranges.iter().map(|range| format!("{0} {0} {1}\n", range.first, range.count)).collect()
}

/// The ids that exist in this process's own user namespace.
fn own_ranges(path: &str) -> io::Result<Vec<Range>> {
    let malformed = || io::Error::new(io::ErrorKind::InvalidData, format!("{path} is not a map of ids"));
    std::fs::read_to_string(path)?
        .lines()
        .map(|line| {
            let mut numbers = line.split_whitespace().map(|word| word.parse().map_err(|_| malformed()));
            let (first, _, count) = (numbers.next(), numbers.next(), numbers.next());
            Ok(Range { first: first.ok_or_else(malformed)??, count: count.ok_or_else(malformed)?? })
        })
        .collect()
}

/// The effective capabilities of this process, bit `n` for capability `n`.
///
/// # Errors
/// If /proc does not tell.
pub fn effective_capabilities() -> io::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    status
        .lines()
        .find_map(|line| u64::from_str_radix(line.strip_prefix("CapEff:")?.trim(), 16).ok())
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "/proc/self/status has no CapEff line"))
}
