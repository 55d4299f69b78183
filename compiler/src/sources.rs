//! Files to sources: the only place where the compiler reads policy text from disk.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use boesfs_grammar::{Limits, Source};

/// Which files a policy is read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sources {
    /// One file with the model's sections and `[policy]`.
    One(PathBuf),
    /// A model and a policy file, as Casbin splits them.
    Two {
        /// The model.
        model: PathBuf,
        /// The policy lines.
        policy: PathBuf,
    },
}

/// Why a file could not be read.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// There is no such file.
    #[error("`{0}` does not exist")]
    Missing(PathBuf),
    /// It is a directory.
    #[error("`{0}` is a directory, not a policy")]
    Directory(PathBuf),
    /// It is larger than allowed.
    #[error("`{path}` has more than {limit} bytes, the limit; `--max-bytes` raises it")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit.
        limit: usize,
    },
    /// Anything else.
    #[error("`{path}` cannot be read: {error}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

impl Sources {
    /// The sources: the policy first, then the model if there are two.
    ///
    /// # Errors
    /// The first [`LoadError`].
    pub fn load(&self, limits: &Limits) -> Result<Vec<Source>, LoadError> {
        match self {
            Self::One(policy) => Ok(vec![read(policy, limits)?]),
            Self::Two { model, policy } => Ok(vec![read(policy, limits)?, read(model, limits)?]),
        }
    }
}

fn read(path: &Path, limits: &Limits) -> Result<Source, LoadError> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => LoadError::Missing(path.to_owned()),
        io::ErrorKind::IsADirectory => LoadError::Directory(path.to_owned()),
        _ => LoadError::Unreadable { path: path.to_owned(), error },
    };
    let file = File::open(path).map_err(failed)?;
    if file.metadata().map_err(failed)?.is_dir() {
        return Err(LoadError::Directory(path.to_owned()));
    }
    // One byte more than allowed tells a file at the limit from one above it, whatever the metadata says.
    let limit = limits.bytes.min(Limits::MAX_BYTES);
    let mut bytes = Vec::new();
    file.take(limit as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > limit {
        return Err(LoadError::TooLarge { path: path.to_owned(), limit });
    }
    Ok(Source::new(path.display().to_string(), bytes))
}
