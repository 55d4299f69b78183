//! `boesfsc.toml`: how a project's policies are checked.
//!
//! ```toml
//! [lints]
//! all = "deny"
//! base-name = "allow"
//!
//! [[policy]]
//! model = "model.conf"
//! policy = "policy.csv"
//! ```

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use boesfs_grammar::{Source, Span};
use serde::Deserialize;
use toml::Spanned;

use crate::diagnostic::{Diagnostic, suggestion};
use crate::levels::{Level, Which};
use crate::lint::{LINTS, lint};

/// The file's name.
pub const NAME: &str = "boesfsc.toml";
/// The largest configuration, in bytes.
const LARGEST: u64 = 1 << 20;

/// What a configuration says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// Where it stands; empty if there is none.
    pub path: PathBuf,
    /// `[lints]`.
    pub levels: Vec<(Which, Level)>,
    /// `[[policy]]`: two-file policies, their paths as they are to be opened.
    pub pairs: Vec<Pair>,
}

/// A two-file policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The model.
    pub model: PathBuf,
    /// The rules.
    pub policy: PathBuf,
}

/// Why a configuration cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ConfigError {
    /// It cannot be read.
    #[error("`{}` cannot be read: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// It makes no sense.
    #[error("`{}` is not a configuration", .0.name)]
    Malformed(Source, Vec<Diagnostic>),
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    lints: BTreeMap<Spanned<String>, Level>,
    #[serde(default)]
    policy: Vec<WrittenPair>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenPair {
    model: PathBuf,
    policy: PathBuf,
}

impl Config {
    /// The configuration of the project that `place`, a file or directory, belongs to: the nearest `boesfsc.toml` in its
    /// directory and those above.
    ///
    /// # Errors
    /// [`ConfigError`]; none if there is no such file.
    pub fn nearest(place: &Path) -> Result<Self, ConfigError> {
        let real = place.canonicalize().unwrap_or_else(|_| place.to_owned());
        let start = if real.is_dir() { Some(real.as_path()) } else { real.parent() };
        for dir in start.into_iter().flat_map(Path::ancestors) {
            let path = dir.join(NAME);
            if path.is_file() {
                return Self::read(&path);
            }
        }
        Ok(Self::default())
    }

    /// The configuration in the file at `path`.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let unreadable = |reason: String| ConfigError::Unreadable { path: path.to_owned(), reason };
        let metadata = std::fs::metadata(path).map_err(|error| unreadable(error.to_string()))?;
        if metadata.len() > LARGEST {
            return Err(unreadable(format!("it has more than {LARGEST} bytes")));
        }
        let bytes = std::fs::read(path).map_err(|error| unreadable(error.to_string()))?;
        Self::parse(path, bytes)
    }

    /// The configuration in `bytes`, which stand at `path`.
    ///
    /// # Errors
    /// [`ConfigError::Malformed`].
    pub fn parse(path: &Path, bytes: Vec<u8>) -> Result<Self, ConfigError> {
        let source = Source::new(path.display().to_string(), bytes);
        let Ok(text) = std::str::from_utf8(&source.bytes) else {
            let error = Diagnostic::error("E0701", "the configuration is not UTF-8", span(0..0));
            return Err(ConfigError::Malformed(source, vec![error]));
        };
        let written: Written = match toml::from_str(text) {
            Ok(written) => written,
            Err(error) => {
                let message = error.message().trim().replace('\n', ", ");
                let at = span(error.span().unwrap_or(0..0));
                let error = Diagnostic::error("E0701", message, at)
                    .help("`[lints]` gives names of lints `\"allow\"`, `\"warn\"` or `\"deny\"`; `[[policy]]` has a `model` and a `policy`");
                return Err(ConfigError::Malformed(source, vec![error]));
            }
        };
        let mut errors = Vec::new();
        let mut levels = Vec::new();
        for (name, level) in &written.lints {
            let text = name.get_ref().as_str();
            match (text, lint(text)) {
                ("all", _) => levels.push((Which::All, *level)),
                (_, Some(lint)) => levels.push((Which::Named(lint.name.to_owned()), *level)),
                (_, None) => errors.push(unknown(text, span(name.span()))),
            }
        }
        if !errors.is_empty() {
            return Err(ConfigError::Malformed(source, errors));
        }
        let dir = path.parent().unwrap_or_else(|| Path::new(""));
        let pairs = written
            .policy
            .into_iter()
            .map(|pair| Pair { model: dir.join(pair.model), policy: dir.join(pair.policy) })
            .collect();
        Ok(Self { path: path.to_owned(), levels, pairs })
    }

    /// The model of the rules at `policy`, if they are one of a pair.
    #[must_use]
    pub fn model_of(&self, policy: &Path) -> Option<&Path> {
        let real = |path: &Path| path.canonicalize().ok();
        let wanted = real(policy)?;
        self.pairs
            .iter()
            .find(|pair| real(&pair.policy).as_ref() == Some(&wanted))
            .map(|pair| pair.model.as_path())
    }
}

fn unknown(name: &str, at: Span) -> Diagnostic {
    let names = LINTS.iter().map(|lint| lint.name).chain(["all"]);
    Diagnostic::error("E0702", format!("unknown lint `{name}`"), at)
        .label("not a lint")
        .maybe_meant(suggestion(name, names, "lints"))
}

fn span(range: Range<usize>) -> Span {
    let narrow = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    Span { file: 0, start: narrow(range.start), end: narrow(range.end) }
}
