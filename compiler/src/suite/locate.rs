//! Which suite is about which policy: by their names, and by what a suite says.

use std::io;
use std::path::{Path, PathBuf};

/// How a suite's file name ends.
pub const SUFFIX: &str = ".test.ron";

/// How the files of policies end, in the order in which they are looked for.
const POLICIES: [&str; 3] = ["conf", "csv", "txt"];

/// Folders within folders that are searched for suites.
const MOST_FOLDERS: usize = 64;

/// Where the suite of `policy` is looked for: `policy.test.ron` beside `policy.conf`.
#[must_use]
pub fn suite_beside(policy: &Path) -> PathBuf {
    let mut name = policy.file_stem().unwrap_or_default().to_owned();
    name.push(SUFFIX);
    policy.with_file_name(name)
}

/// The policy that the suite in `file` is named for, or the name it would have.
///
/// # Errors
/// The name under which it was looked for first, if there is none.
pub fn policy_beside(file: &Path) -> Result<PathBuf, PathBuf> {
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let stem = name.strip_suffix(SUFFIX).unwrap_or(&name);
    let mut candidates = POLICIES.iter().map(|ending| file.with_file_name(format!("{stem}.{ending}")));
    candidates
        .find(|candidate| candidate.exists())
        .ok_or_else(|| file.with_file_name(format!("{stem}.{}", POLICIES[0])))
}

/// What was found below a folder.
#[derive(Debug, Default)]
pub struct Found {
    /// Suites, in the order of their names.
    pub suites: Vec<PathBuf>,
    /// Folders that could not be looked at.
    pub errors: Vec<(PathBuf, io::Error)>,
}

/// The suites in `folder` and below it. Hidden folders and links are left out.
#[must_use]
pub fn suites_below(folder: &Path) -> Found {
    let mut found = Found::default();
    let mut folders = vec![(folder.to_owned(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        let entries: io::Result<Vec<_>> = std::fs::read_dir(&folder).and_then(|entries| {
            entries.map(|entry| entry.and_then(|entry| Ok((entry.file_type()?, entry)))).collect()
        });
        let entries = match entries {
            Ok(entries) => entries,
            Err(error) => {
                found.errors.push((folder, error));
                continue;
            }
        };
        for (kind, entry) in entries {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let path = if folder == Path::new(".") { PathBuf::from(entry.file_name()) } else { entry.path() };
            if kind.is_dir() {
                if !name.starts_with('.') && depth < MOST_FOLDERS {
                    folders.push((path, depth + 1));
                }
            } else if name.ends_with(SUFFIX) {
                found.suites.push(path);
            }
        }
    }
    found.suites.sort();
    found.errors.sort_by(|one, other| one.0.cmp(&other.0));
    found
}
