//! Images that a sandbox cannot be given: each is refused with its own words, and everything is as before.

use std::path::{Path, PathBuf};

use super::EndureError;
use super::stage::{BOTH, Stage, boesfs};

#[path = "../../../abi/tests/support/bad_images.rs"]
mod bad_images;

/// What `boesfs reload` ends with when it changes nothing.
const FAILED: i32 = 1;
/// How many bits of a good image are flipped, one for each image.
const FLIPS: usize = 12;

/// An image that is refused.
#[derive(Debug)]
pub(super) struct Refused {
    path: PathBuf,
    /// What is said of it.
    words: String,
}

/// Images that the good one at `path` becomes, and one that is meant for another plane.
pub(super) fn images(stage: &Stage, path: &Path) -> Result<Vec<Refused>, EndureError> {
    let good = std::fs::read(path).map_err(EndureError::io(path.display()))?;
    let mut files: Vec<(String, Vec<u8>, String)> = bad_images::bad_images(&good)
        .into_iter()
        .map(|bad| (bad.name.replace(' ', "-"), bad.file, bad.words.to_owned()))
        .collect();
    files.extend((0..FLIPS).map(|flip| {
        let mut file = good.clone();
        file[flip * good.len() / FLIPS] ^= 1 << (flip % 8);
        (format!("flip-{flip}"), file, "image".to_owned())
    }));
    let mut refused = Vec::new();
    for (name, file, words) in files {
        let path = stage.file(&format!("{name}.bin"));
        std::fs::write(&path, file).map_err(EndureError::io(path.display()))?;
        refused.push(Refused { path, words });
    }
    for op in ["llseek", "fsync"] {
        let (path, _) = stage.policy_about(&format!("of-{op}"), 1, &[BOTH], op, "EACCES")?;
        let words = format!("denies `{op}` where `open` is allowed, and the lsm plane cannot enforce that: ");
        refused.push(Refused { path, words });
    }
    Ok(refused)
}

impl Refused {
    /// Has the sandbox called `name` be given it, which must fail.
    pub(super) fn try_on(&self, name: &str) -> Result<(), EndureError> {
        let path = self.path.display().to_string();
        match boesfs(&["reload", name, &path]) {
            Err(EndureError::Boesfs { status, words, .. })
                if status.code() == Some(FAILED) && words.contains(&self.words) =>
            {
                Ok(())
            }
            Err(error) => {
                EndureError::broken(format!("{path} was to be refused by `{}`: {error}", self.words))
            }
            Ok(told) => EndureError::broken(format!("{path} was taken: {told}")),
        }
    }
}
