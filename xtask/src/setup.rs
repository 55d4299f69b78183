//! What a fresh Debian machine with Rust still lacks: looked for first, installed only where missing.

use crate::process::{self, ProcessError};
use crate::workspace::{Workspace, cargo};
use std::path::PathBuf;
use std::process::Command;

/// What the tools are needed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Building the workspace: the BPF objects and the C decision code.
    Build,
    /// Booting kernels.
    Machines,
    /// Fuzzing.
    Fuzz,
    /// Counting instructions, and compilers to compare with.
    Bench,
}

/// The packages, each with the purpose it serves. What they pull in, as libelf's headers, is not named.
const PACKAGES: [(&str, Purpose); 10] = [
    ("clang", Purpose::Build),
    ("libbpf-dev", Purpose::Build),
    ("qemu-system-x86", Purpose::Machines),
    ("busybox-static", Purpose::Machines),
    ("cpio", Purpose::Machines),
    ("kmod", Purpose::Machines),
    ("e2fsprogs", Purpose::Machines),
    ("g++", Purpose::Fuzz),
    ("valgrind", Purpose::Bench),
    ("apparmor", Purpose::Bench),
];

/// Fixed, so that two machines fuzz alike.
const CARGO_FUZZ: &str = "0.13.2";

/// Why something is still missing.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// Packages are missing and this is no Debian.
    #[error(
        "cannot tell whether {packages} are installed: this is not Debian or one of its kin (no dpkg-query); install them by hand"
    )]
    NotDebian {
        /// The packages.
        packages: String,
    },
    /// Packages are missing and we may not install them.
    #[error("missing packages: {packages}; not root, so run `apt-get install {packages}` as root first")]
    NotRoot {
        /// The packages.
        packages: String,
    },
    /// The archive could not be reached or does not have them.
    #[error("missing packages: {packages}; they cannot be installed (no network?): {source}")]
    NotInstalled {
        /// The packages.
        packages: String,
        /// What apt-get said.
        source: ProcessError,
    },
    /// cargo-fuzz could not be built.
    #[error("cargo-fuzz {CARGO_FUZZ} is missing and cannot be installed (no network?): {source}")]
    NoCargoFuzz {
        /// What cargo said.
        source: ProcessError,
    },
    /// A tool that every system has is missing.
    #[error(transparent)]
    Tool(#[from] ProcessError),
}

/// Makes sure that what `purposes` need is installed; says on stderr what it installs.
///
/// # Errors
/// [`SetupError`], with what to do about it.
pub fn ensure(workspace: &Workspace, purposes: &[Purpose]) -> Result<(), SetupError> {
    let wanted: Vec<_> =
        PACKAGES.iter().filter(|(_, purpose)| purposes.contains(purpose)).map(|(name, _)| *name).collect();
    let missing = missing(&wanted)?;
    if !missing.is_empty() {
        install(&missing)?;
    }
    if purposes.contains(&Purpose::Fuzz) && !cargo_fuzz(workspace).is_file() {
        install_cargo_fuzz(workspace)?;
    }
    Ok(())
}

/// Where [`ensure`] puts cargo-fuzz: among what is built, so that the user's own tools stay as they are.
#[must_use]
pub fn cargo_fuzz(workspace: &Workspace) -> PathBuf {
    workspace.target.join("tools").join(format!("cargo-fuzz-{CARGO_FUZZ}")).join("bin/cargo-fuzz")
}

fn missing<'a>(wanted: &[&'a str]) -> Result<Vec<&'a str>, SetupError> {
    if !process::on_path("dpkg-query") {
        return Err(SetupError::NotDebian { packages: wanted.join(" ") });
    }
    // It fails when it does not know one of the packages, which says nothing about the others: its list counts.
    let output = Command::new("dpkg-query")
        .args(["--show", "--showformat", "${Package} ${db:Status-Status}\n"])
        .args(wanted)
        .output()
        .map_err(|source| ProcessError::Start { program: "dpkg-query".into(), source })?;
    Ok(not_installed(wanted, &String::from_utf8_lossy(&output.stdout)))
}

fn not_installed<'a>(wanted: &[&'a str], listing: &str) -> Vec<&'a str> {
    wanted
        .iter()
        .copied()
        .filter(|name| !listing.lines().any(|line| line.split_once(' ') == Some((*name, "installed"))))
        .collect()
}

fn install(packages: &[&str]) -> Result<(), SetupError> {
    let names = packages.join(" ");
    let user = process::capture(Command::new("id").arg("--user"))?;
    if user.trim() != "0" {
        return Err(SetupError::NotRoot { packages: names });
    }
    eprintln!("installing {names}");
    // A source of packages that cannot be reached may not be the one that is needed.
    let updated = process::capture(Command::new("apt-get").args(["update", "--error-on=any"]));
    let mut command = Command::new("apt-get");
    command.args(["install", "--yes", "--no-install-recommends"]).args(packages);
    match (process::capture(command.env("DEBIAN_FRONTEND", "noninteractive")), updated) {
        (Ok(_), _) => Ok(()),
        (Err(_), Err(source)) | (Err(source), Ok(_)) => {
            Err(SetupError::NotInstalled { packages: names, source })
        }
    }
}

fn install_cargo_fuzz(workspace: &Workspace) -> Result<(), SetupError> {
    eprintln!("installing cargo-fuzz {CARGO_FUZZ}");
    let tools = cargo_fuzz(workspace);
    let root = tools.ancestors().nth(2).expect("INVARIANT: cargo-fuzz is two folders below its root");
    let mut command = cargo();
    command
        .args(["install", "cargo-fuzz", "--locked", "--quiet", "--version", CARGO_FUZZ, "--root"])
        .arg(root);
    // Without debug information and optimisation it is built in a third of the time; it only starts others.
    command.args(["--debug"]).env("CARGO_PROFILE_DEV_DEBUG", "0");
    process::capture(&mut command).map(drop).map_err(|source| SetupError::NoCargoFuzz { source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_installed_counts() {
        let listing = "clang installed\ncpio config-files\nlibbpf-dev installed\n";
        assert_eq!(not_installed(&["clang", "cpio", "kmod"], listing), ["cpio", "kmod"]);
        assert!(not_installed(&[], "").is_empty());
    }
}
