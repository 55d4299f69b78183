//! Where the workspace is, what it builds and where cargo puts it: read once from `cargo metadata`.

use crate::process::{self, ProcessError};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Why the workspace could not be read.
#[derive(Debug, thiserror::Error)]
pub enum WorkspaceError {
    /// `cargo metadata` failed.
    #[error(transparent)]
    Cargo(#[from] ProcessError),
    /// `cargo metadata` answered something else than its documented form.
    #[error("cannot read the answer of cargo metadata: {0}")]
    Metadata(#[from] serde_json::Error),
}

/// The workspace as cargo sees it, without the packages it takes from elsewhere.
#[derive(Debug, Deserialize)]
pub struct Workspace {
    /// The folder of the root manifest.
    #[serde(rename = "workspace_root")]
    pub root: PathBuf,
    /// The folder cargo builds into.
    #[serde(rename = "target_directory")]
    pub target: PathBuf,
    /// The members.
    pub packages: Vec<Package>,
}

/// One member.
#[derive(Debug, Deserialize)]
pub struct Package {
    /// Its name, as in `--package`.
    pub name: String,
    /// Its manifest.
    pub manifest_path: PathBuf,
    /// What it depends on, of any kind.
    pub dependencies: Vec<Dependency>,
    /// What it builds.
    pub targets: Vec<Target>,
}

/// One line of a dependency table.
#[derive(Debug, Deserialize)]
pub struct Dependency {
    /// The package depended on.
    pub name: String,
    /// `None` for a normal one, else `dev` or `build`.
    pub kind: Option<String>,
}

/// One library, binary, test or the like.
#[derive(Debug, Deserialize)]
pub struct Target {
    /// Its name; a binary's is its file name.
    pub name: String,
    /// `bin`, `lib`, `test` and so on.
    pub kind: Vec<String>,
}

impl Workspace {
    /// Asks cargo about the workspace around the working directory.
    ///
    /// # Errors
    /// If cargo cannot be run, finds no workspace or answers in an unknown form.
    pub fn locate() -> Result<Self, WorkspaceError> {
        let output = process::capture(cargo().args(["metadata", "--no-deps", "--format-version", "1"]))?;
        Ok(serde_json::from_str(&output)?)
    }

    /// The package that builds binary `name`, if any does.
    #[must_use]
    pub fn package_of_binary(&self, name: &str) -> Option<&Package> {
        self.packages.iter().find(|package| {
            package
                .targets
                .iter()
                .any(|target| target.name == name && target.kind.iter().any(|kind| kind == "bin"))
        })
    }

    /// `path` as seen from the root, for messages.
    #[must_use]
    pub fn relative<'a>(&self, path: &'a Path) -> &'a Path {
        path.strip_prefix(&self.root).unwrap_or(path)
    }
}

/// The cargo that runs this task, or the one on PATH.
#[must_use]
pub fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}
