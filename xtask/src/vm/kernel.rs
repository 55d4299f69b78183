//! Kernels: from the distribution's packages to an unpacked image with its modules, kept in a cache.

use crate::process::{self, ProcessError};
use crate::workspace::Workspace;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;

/// The modules the guest needs where they are not built in.
const MODULES: [&str; 5] = ["overlay", "loop", "virtio_blk", "fuse", "ext4"];

/// Which kernel to boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KernelChoice {
    /// Debian's 6.1 cloud kernel.
    V6_1,
    /// Debian's 6.12 cloud kernel.
    V6_12,
    /// A `vmlinuz`. Modules are taken from `../lib/modules` beside its folder, where a package puts them.
    Image(PathBuf),
}

impl KernelChoice {
    /// The two kernels everything is tried on.
    pub const BOTH: [Self; 2] = [Self::V6_1, Self::V6_12];

    /// The name it is chosen by.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::V6_1 => "6.1".into(),
            Self::V6_12 => "6.12".into(),
            Self::Image(path) => path.display().to_string(),
        }
    }
}

impl FromStr for KernelChoice {
    type Err = std::convert::Infallible;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Ok(match word {
            "6.1" => Self::V6_1,
            "6.12" => Self::V6_12,
            path => Self::Image(path.into()),
        })
    }
}

/// Why a kernel could not be had.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// The distribution's package lists name no such kernel.
    #[error(
        "no package of this distribution holds a {version} cloud kernel (looked for {looked_for}); Debian 12 has it"
    )]
    NotPackaged {
        /// The series, as `6.1`.
        version: String,
        /// The package names asked for.
        looked_for: String,
    },
    /// The package exists and could not be fetched.
    #[error("no network: cannot fetch {package}: {detail}")]
    Fetch {
        /// The package's name.
        package: String,
        /// What apt-get said.
        detail: String,
    },
    /// A path was given and no kernel is there.
    #[error("{path} cannot be booted: {reason}")]
    NoImage {
        /// The path.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A package without the files that a kernel package has.
    #[error("{package} unpacks to no {what}")]
    Unpacked {
        /// The package's name.
        package: String,
        /// What is missing.
        what: String,
    },
    /// A tool is missing or failed.
    #[error(transparent)]
    Tool(#[from] ProcessError),
    /// The cache cannot be written.
    #[error("cannot keep kernels in {path}: {source}")]
    Cache {
        /// The folder or file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// A kernel ready to boot.
#[derive(Debug)]
pub(super) struct Kernel {
    /// The `vmlinuz`.
    pub image: PathBuf,
    /// Module files in loading order.
    pub modules: Vec<PathBuf>,
}

/// Finds `choice` in the cache, or fetches and unpacks it.
///
/// # Errors
/// [`KernelError`]: not packaged here, no network, or a broken package or path.
pub(super) fn obtain(workspace: &Workspace, choice: &KernelChoice) -> Result<Kernel, KernelError> {
    match choice {
        KernelChoice::Image(path) => given(path),
        KernelChoice::V6_1 => packaged(workspace, "6.1"),
        KernelChoice::V6_12 => packaged(workspace, "6.12"),
    }
}

fn given(path: &Path) -> Result<Kernel, KernelError> {
    let no_image = |reason: String| KernelError::NoImage { path: path.into(), reason };
    let image = path.canonicalize().map_err(|error| no_image(error.to_string()))?;
    if !image.is_file() {
        return Err(no_image("not a file".into()));
    }
    let release = image.file_name().and_then(|name| name.to_str()?.strip_prefix("vmlinuz-"));
    let tree = image.parent().and_then(Path::parent);
    let modules = match (release, tree) {
        (Some(release), Some(tree)) if tree.join("lib/modules").join(release).is_dir() => {
            if !tree.join("lib/modules").join(release).join("modules.dep").is_file() {
                let tree = tree.display();
                return Err(no_image(format!(
                    "its modules are not indexed; run `depmod -b {tree} {release}`"
                )));
            }
            modules_of(tree, release)?
        }
        _ => Vec::new(),
    };
    Ok(Kernel { image, modules })
}

fn packaged(workspace: &Workspace, version: &str) -> Result<Kernel, KernelError> {
    let cache = cache_folder(workspace);
    let tree = cache.join(format!("kernel-{version}"));
    if !tree.is_dir() {
        fetch(&cache, &tree, version)?;
    }
    let (image, release) = image_in(&tree).ok_or_else(|| KernelError::Unpacked {
        package: tree.display().to_string(),
        what: "boot/vmlinuz-*".into(),
    })?;
    Ok(Kernel { image, modules: modules_of(&tree, &release)? })
}

fn cache_folder(workspace: &Workspace) -> PathBuf {
    match std::env::var_os("XDG_CACHE_HOME").filter(|value| !value.is_empty()) {
        Some(folder) => PathBuf::from(folder).join("boesfs"),
        None => workspace.target.join("vm"),
    }
}

/// Fetches and unpacks beside the final place and renames, so that a kernel in the cache is always whole.
fn fetch(cache: &Path, tree: &Path, version: &str) -> Result<(), KernelError> {
    let cannot_keep = |source| KernelError::Cache { path: cache.into(), source };
    std::fs::create_dir_all(cache).map_err(cannot_keep)?;
    let scratch = tempfile::Builder::new().prefix("fetch-").tempdir_in(cache).map_err(cannot_keep)?;
    let package = match image_package(version)? {
        Some(package) => package,
        None => {
            let refreshed = refresh_lists(version);
            match (image_package(version)?, refreshed) {
                (Some(package), _) => package,
                (None, Err(error)) => return Err(error),
                (None, Ok(())) => {
                    let looked_for = meta_packages(version).join(", ");
                    return Err(KernelError::NotPackaged { version: version.into(), looked_for });
                }
            }
        }
    };
    let archive = download(scratch.path(), &package)?;
    let unpacked = scratch.path().join("tree");
    process::run(Command::new("dpkg-deb").arg("--extract").arg(&archive).arg(&unpacked))?;
    let (_, release) = image_in(&unpacked)
        .ok_or_else(|| KernelError::Unpacked { package, what: "boot/vmlinuz-*".into() })?;
    process::run(Command::new(tool("depmod")).arg("--basedir").arg(&unpacked).arg(&release))?;
    match std::fs::rename(&unpacked, tree) {
        // Another process has put the same kernel there meanwhile.
        Err(_) if tree.is_dir() => Ok(()),
        other => other.map_err(cannot_keep),
    }
}

fn meta_packages(version: &str) -> [String; 2] {
    [format!("linux-image-{version}-cloud-amd64"), "linux-image-cloud-amd64".into()]
}

/// The package with the kernel itself, behind whichever meta-package has this series here.
fn image_package(version: &str) -> Result<Option<String>, KernelError> {
    for meta in meta_packages(version) {
        let Ok(fields) =
            process::capture(Command::new("apt-cache").args(["show", "--no-all-versions", &meta]))
        else {
            continue;
        };
        let field = |name: &str| fields.lines().find_map(|line| line.strip_prefix(name));
        let is_series = field("Version: ").is_some_and(|found| found.starts_with(&format!("{version}.")));
        let image = field("Depends: ").into_iter().flat_map(|list| list.split(", ")).find_map(|entry| {
            entry.split_whitespace().next().filter(|name| name.starts_with("linux-image-"))
        });
        if let (true, Some(image)) = (is_series, image) {
            return Ok(Some(image.to_owned()));
        }
    }
    Ok(None)
}

fn download(folder: &Path, package: &str) -> Result<PathBuf, KernelError> {
    let attempt =
        || process::capture(Command::new("apt-get").args(["download", package]).current_dir(folder));
    // Lists that are older than the archive name files that are no longer there.
    if attempt().is_err() {
        let refreshed = refresh_lists(package);
        if let Err(error) = attempt() {
            return Err(refreshed.err().unwrap_or_else(|| not_fetched(package, error)));
        }
    }
    let mut files = std::fs::read_dir(folder)
        .map_err(|source| KernelError::Cache { path: folder.into(), source })?
        .filter_map(|entry| Some(entry.ok()?.path()));
    files
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .ok_or_else(|| KernelError::Unpacked { package: package.into(), what: "archive".into() })
}

fn refresh_lists(package: &str) -> Result<(), KernelError> {
    process::capture(Command::new("apt-get").args(["update", "--error-on=any"]))
        .map(drop)
        .map_err(|error| not_fetched(package, error))
}

fn not_fetched(package: &str, error: ProcessError) -> KernelError {
    match error {
        ProcessError::Failed { stderr, .. } => KernelError::Fetch {
            package: package.into(),
            detail: stderr
                .lines()
                .filter(|line| line.starts_with("E:") || line.starts_with("W: Failed"))
                .collect::<Vec<_>>()
                .join("; "),
        },
        error @ ProcessError::Start { .. } => KernelError::Tool(error),
    }
}

/// The image of an unpacked package and its release.
fn image_in(tree: &Path) -> Option<(PathBuf, String)> {
    std::fs::read_dir(tree.join("boot")).ok()?.filter_map(Result::ok).find_map(|entry| {
        let release = entry.file_name().to_str()?.strip_prefix("vmlinuz-")?.to_owned();
        Some((entry.path(), release))
    })
}

/// The files to load, dependencies first. What is built in needs none.
fn modules_of(tree: &Path, release: &str) -> Result<Vec<PathBuf>, KernelError> {
    let mut files = Vec::new();
    for module in MODULES {
        let listing = process::capture(
            Command::new(tool("modprobe"))
                .args(["--show-depends", "--set-version", release, "--dirname"])
                .arg(tree)
                .arg(module),
        )?;
        for line in listing.lines() {
            if let Some(path) = line.strip_prefix("insmod ") {
                let path = PathBuf::from(path.trim());
                if !files.contains(&path) {
                    files.push(path);
                }
            }
        }
    }
    Ok(files)
}

/// Debian keeps the administrator's tools off the PATH of users.
fn tool(name: &str) -> PathBuf {
    if process::on_path(name) { name.into() } else { Path::new("/usr/sbin").join(name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_by_name_and_path() {
        assert_eq!("6.1".parse(), Ok(KernelChoice::V6_1));
        assert_eq!("6.12".parse(), Ok(KernelChoice::V6_12));
        assert_eq!("./vmlinuz".parse(), Ok(KernelChoice::Image("./vmlinuz".into())));
    }

    #[test]
    fn a_folder_is_no_image() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(given(folder.path()), Err(KernelError::NoImage { .. })));
        assert!(matches!(given(&folder.path().join("absent")), Err(KernelError::NoImage { .. })));
    }
}
