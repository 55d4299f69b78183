//! An image verified without its source: what can be proved of it from its own bytes, beyond what [`decode`] has to know
//! before anything is walked.
//!
//! [`decode`]: boesfs_abi::image::decode

mod lists;
mod names;
mod tables;

use boesfs_abi::image::{Signed, VERSION, ValidImage};
use boesfs_abi::layout::fingerprint;
use serde_json::{Value, json};

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// What.
    pub name: &'static str,
    /// What was found, or what is wrong.
    pub found: Result<String, String>,
}

/// Everything that can be proved of `image`, each with what was found.
#[must_use]
pub fn check(image: &ValidImage) -> Vec<Checked> {
    let file = format!("format {VERSION}, abi {:#010x}, both hashes hold", fingerprint());
    let signature = match image.signed() {
        None => "none".to_owned(),
        Some(Signed { release, key }) => {
            format!("holds, of `{}` revision {} by key {}", release.name(), release.revision(), key.to_hex())
        }
    };
    let checked = |name, found| Checked { name, found };
    vec![
        checked("file", Ok(file)),
        checked("signature", Ok(signature)),
        checked("states", tables::states(image)),
        checked("tables", tables::used(image)),
        checked("header", tables::header(image)),
        checked("lists", lists::agree(image)),
        checked("gains", lists::gains(image)),
        checked("rules", names::agree(image)),
    ]
}

impl Checked {
    /// The line as one JSON object.
    #[must_use]
    pub fn json(&self) -> Value {
        let (Ok(found) | Err(found)) = &self.found;
        json!({"name": self.name, "ok": self.found.is_ok(), "found": found})
    }
}

impl std::fmt::Display for Checked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.found {
            Ok(found) => writeln!(f, "{:<11} {found}", self.name),
            Err(wrong) => writeln!(f, "{:<11} wrong: {wrong}", self.name),
        }
    }
}
