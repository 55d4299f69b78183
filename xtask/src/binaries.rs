//! The project's programs as static binaries: one build, used natively and inside virtual machines.

use crate::process::{self, ProcessError};
use crate::workspace::{Workspace, cargo};
use std::path::PathBuf;

/// Named so that build scripts and procedural macros, which cannot be static, are built apart.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// The programs this project is about.
pub const NAMES: [&str; 3] = ["boesfs", "boesfsc", "boesfs-testbench"];

/// Builds every program that the workspace has and gives the files.
///
/// # Errors
/// If one does not build.
pub fn build(workspace: &Workspace) -> Result<Vec<PathBuf>, ProcessError> {
    let names = existing(workspace);
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let mut command = cargo();
    command
        .args(["build", "--quiet", "--release", "--target", TARGET])
        .current_dir(&workspace.root)
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env("RUSTFLAGS", "-C target-feature=+crt-static");
    for name in names {
        let package = workspace.package_of_binary(name).map_or(name, |package| &package.name);
        command.args(["--package", package, "--bin", name]);
    }
    process::run(&mut command)?;
    Ok(built(workspace))
}

/// The programs that have been built before, whatever has changed since.
#[must_use]
pub fn built(workspace: &Workspace) -> Vec<PathBuf> {
    existing(workspace).into_iter().map(|name| path(workspace, name)).filter(|path| path.is_file()).collect()
}

/// Where [`build`] puts program `name`.
#[must_use]
pub fn path(workspace: &Workspace, name: &str) -> PathBuf {
    folder(workspace).join(name)
}

/// The folder [`build`] puts programs into.
#[must_use]
pub fn folder(workspace: &Workspace) -> PathBuf {
    workspace.target.join(TARGET).join("release")
}

fn existing(workspace: &Workspace) -> Vec<&'static str> {
    NAMES.into_iter().filter(|name| workspace.package_of_binary(name).is_some()).collect()
}
