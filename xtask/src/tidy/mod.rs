//! The house rules that a compiler does not check, as findings with a place.

mod code;
mod error_text;
mod files;
mod layers;
mod words;

use crate::process::{self, ProcessError};
use crate::workspace::Workspace;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// One broken rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The file, from the workspace's root.
    pub path: PathBuf,
    /// The line, from 1; 0 for the file as a whole.
    pub line: usize,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match self.line {
            0 => write!(f, "{path}: {}", self.message),
            line => write!(f, "{path}:{line}: {}", self.message),
        }
    }
}

/// Why the rules could not be checked.
#[derive(Debug, thiserror::Error)]
pub enum TidyError {
    /// git did not list the files.
    #[error("cannot list the files: {0}")]
    List(#[from] ProcessError),
    /// A listed file could not be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// A file of the project.
struct File {
    /// From the workspace's root.
    path: PathBuf,
    bytes: Vec<u8>,
}

impl File {
    /// Its text, if it is Rust.
    fn rust(&self) -> Option<&str> {
        let rust = self.path.extension().is_some_and(|extension| extension == "rs");
        rust.then(|| std::str::from_utf8(&self.bytes).ok()).flatten()
    }
}

/// Checks every rule on every file that git tracks or would track, and gives what is broken.
///
/// # Errors
/// If the files cannot be listed or read.
pub fn check(workspace: &Workspace) -> Result<Vec<Finding>, TidyError> {
    let mut findings = layers::check(workspace);
    for file in files(&workspace.root)? {
        findings.extend(files::check(&file.path, &file.bytes, &workspace.root));
        if let Some(source) = file.rust() {
            findings.extend(words::check(&file.path, source));
            findings.extend(error_text::check(&file.path, source));
        }
    }
    findings.sort_by(|a, b| (&a.path, a.line).cmp(&(&b.path, b.line)));
    Ok(findings)
}

fn files(root: &Path) -> Result<Vec<File>, TidyError> {
    let mut git = Command::new("git");
    git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).current_dir(root);
    let listing = process::capture(&mut git)?;
    let mut files = Vec::new();
    for path in listing.split('\0').filter(|path| !path.is_empty()).map(PathBuf::from) {
        let full = root.join(&path);
        // Deleted and not yet committed, or a link, whose target is listed by itself if it is ours.
        if !full.symlink_metadata().is_ok_and(|metadata| metadata.is_file()) {
            continue;
        }
        let bytes = std::fs::read(&full).map_err(|source| TidyError::Read { path: full, source })?;
        files.push(File { path, bytes });
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tidy() {
        let findings = check(&Workspace::locate().unwrap()).unwrap();
        let list: Vec<_> = findings.iter().map(ToString::to_string).collect();
        assert!(findings.is_empty(), "{}", list.join("\n"));
    }
}
