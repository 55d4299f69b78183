//! The open documents, and which files make a policy.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use boesfs_grammar::{Limits, Source, byte_order_marks};
use lsp_types::{Position, Range, TextDocumentContentChangeEvent};

use crate::config::{Config, ConfigError};
use crate::diagnostic::LINTS;
use crate::editor::lines::{Encoding, Lines};
use crate::levels::{Level, Levels};
use crate::model::{Allow, Settings};
use crate::sources::Sources;

/// Names of a model beside a policy, tried in this order after `STEM.model`.
const MODELS: [&str; 4] = ["model.conf", "model.txt", "model.cfg", "model"];
/// Names of a policy beside a model.
const POLICIES: [&str; 4] = ["policy.csv", "policy.txt", "policy.conf", "policy"];

/// One open document.
#[derive(Clone, Debug)]
pub(super) struct Document {
    /// The number the editor gave this state.
    pub(super) version: i32,
    /// The text. Where the file on disk is not UTF-8 and the editor shows it with replacements, the file's bytes.
    pub(super) bytes: Vec<u8>,
    pub(super) lines: Lines,
    /// An edit did not fit: what the text is now is not known.
    pub(super) lost: bool,
}

impl Document {
    pub(super) fn new(uri: &str, version: i32, text: String) -> Self {
        let on_disk = path_of(uri)
            .filter(|_| text.contains(char::REPLACEMENT_CHARACTER))
            .and_then(|path| fs::read(path).ok())
            .filter(|bytes| String::from_utf8_lossy(bytes) == text);
        let bytes = on_disk.unwrap_or_else(|| text.into_bytes());
        let lines = Lines::new(&bytes);
        Self { version, bytes, lines, lost: false }
    }

    /// Applies `change`; false if it lies outside of the text.
    pub(super) fn change(&mut self, change: TextDocumentContentChangeEvent, encoding: Encoding) -> bool {
        match change.range {
            None => {
                self.bytes = change.text.into_bytes();
                self.lost = false;
            }
            Some(_) if self.lost => return true,
            Some(range) => {
                let Some((start, end)) = self.offsets(range, encoding) else {
                    self.lost = true;
                    return false;
                };
                self.bytes.splice(start..end, change.text.into_bytes());
            }
        }
        self.lines = Lines::new(&self.bytes);
        true
    }

    pub(super) fn offsets(&self, range: Range, encoding: Encoding) -> Option<(usize, usize)> {
        let (start, end) = (self.offset(range.start, encoding)?, self.offset(range.end, encoding)?);
        (start <= end).then_some((start, end))
    }

    pub(super) fn offset(&self, position: Position, encoding: Encoding) -> Option<usize> {
        self.lines.offset(&self.bytes, position.line, position.character, encoding)
    }
}

/// The files that make one policy, as the editor calls them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Project {
    /// The policy; `None` if there is only a model.
    pub(super) policy: Option<String>,
    /// The model of a two-file policy.
    pub(super) model: Option<String>,
}

impl Project {
    /// The files in the order of sources: the policy, then the model.
    pub(super) fn files(&self) -> [Option<&str>; 2] {
        [self.policy.as_deref(), self.model.as_deref()]
    }
}

/// What is open, by name.
#[derive(Clone, Debug, Default)]
pub(super) struct Documents {
    pub(super) open: BTreeMap<String, Document>,
    /// The model that two-file policies have unless one is found nearer, from the editor's settings.
    pub(super) model: Option<PathBuf>,
}

impl Documents {
    /// The policies that `uri` is part of. A policy without sections has the model beside it (`STEM.model`,
    /// `model.conf`, …), else the one of the settings; a text with sections and without `[policy]` is a model.
    pub(super) fn projects(&self, uri: &str) -> Vec<Project> {
        let Some(document) = self.open.get(uri) else { return Vec::new() };
        match shape(&document.bytes) {
            Shape::Whole => vec![Project { policy: Some(uri.to_owned()), model: None }],
            Shape::Rules => vec![Project { policy: Some(uri.to_owned()), model: self.model_of(uri) }],
            Shape::Model => {
                let mut projects: Vec<Project> = self
                    .open
                    .iter()
                    .filter(|(other, document)| *other != uri && shape(&document.bytes) == Shape::Rules)
                    .map(|(other, _)| Project { policy: Some(other.clone()), model: self.model_of(other) })
                    .filter(|project| project.model.as_deref() == Some(uri))
                    .collect();
                if projects.is_empty() {
                    let policy = self.policy_of(uri);
                    projects.push(Project { policy, model: Some(uri.to_owned()) });
                }
                projects
            }
        }
    }

    fn model_of(&self, uri: &str) -> Option<String> {
        let path = path_of(uri)?;
        if let Some(model) = Config::nearest(&path).ok().and_then(|config| config.model_of(&path).map(uri_of))
        {
            return Some(model);
        }
        let mut candidates = vec![path.with_extension("model")];
        if let Some(folder) = path.parent() {
            candidates.extend(MODELS.iter().map(|name| folder.join(name)));
            candidates.extend(self.model.iter().map(|model| folder.join(model)));
        }
        candidates.into_iter().filter(|model| *model != path).find_map(|model| {
            let name = uri_of(&model);
            (self.open.contains_key(&name) || model.is_file()).then_some(name)
        })
    }

    /// The policy beside the model `uri`, if it would take this model.
    fn policy_of(&self, uri: &str) -> Option<String> {
        let path = path_of(uri)?;
        let folder = path.parent()?;
        let mut candidates: Vec<PathBuf> = POLICIES.iter().map(|name| folder.join(name)).collect();
        candidates.extend(["conf", "csv", "txt", "policy"].map(|extension| path.with_extension(extension)));
        candidates.into_iter().filter(|policy| *policy != path).map(|policy| uri_of(&policy)).find(|policy| {
            let rules = self.bytes(policy).is_some_and(|bytes| shape(&bytes) == Shape::Rules);
            rules && self.model_of(policy).as_deref() == Some(uri)
        })
    }

    /// The text of `uri`: as it is in the editor, else on disk.
    pub(super) fn bytes(&self, uri: &str) -> Option<Vec<u8>> {
        if let Some(document) = self.open.get(uri) {
            return Some(document.bytes.clone());
        }
        let sources = Sources::One(path_of(uri)?).load(&Limits::default()).ok()?;
        sources.into_iter().next().map(|source| source.bytes)
    }

    /// How the project that `project` belongs to wants its lints taken.
    ///
    /// # Errors
    /// If its configuration cannot be used.
    pub(super) fn settings(&self, project: &Project) -> Result<Settings, ConfigError> {
        let place = project.files().into_iter().flatten().find_map(path_of);
        let config = place.map(|path| Config::nearest(&path)).transpose()?.unwrap_or_default();
        let levels = Levels::default().and(config.levels);
        let allowed = LINTS.iter().map(|lint| lint.name);
        let allowed = allowed.filter(|name| matches!(levels.of(name), Some(Level::Allow | Level::Warn)));
        let allow = Allow::Named(allowed.map(str::to_owned).collect());
        Ok(Settings { allow, levels, ..Settings::default() })
    }

    /// The sources of `project`. A policy or model that cannot be read is empty.
    pub(super) fn sources(&self, project: &Project) -> Vec<Source> {
        let source = |uri: Option<&str>| {
            let name = uri.map_or_else(String::new, |uri| {
                path_of(uri).map_or_else(|| uri.to_owned(), |path| path.display().to_string())
            });
            Source::new(name, uri.and_then(|uri| self.bytes(uri)).unwrap_or_default())
        };
        let mut sources = vec![source(project.policy.as_deref())];
        if let Some(model) = &project.model {
            sources.push(source(Some(model)));
        }
        sources
    }
}

/// What a text is by its sections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// Sections, `[policy]` among them; or nothing.
    Whole,
    /// Sections without `[policy]`.
    Model,
    /// Lines of rules and no section.
    Rules,
}

fn shape(bytes: &[u8]) -> Shape {
    let text = &bytes[byte_order_marks(bytes)..];
    let (mut sections, mut rules) = (false, false);
    for line in text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii) {
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        if line.starts_with(b"[policy]") {
            return Shape::Whole;
        }
        if line.starts_with(b"[") {
            sections = true;
        } else if !sections {
            rules = true;
        }
    }
    match (sections, rules) {
        (_, true) => Shape::Rules,
        (true, false) => Shape::Model,
        (false, false) => Shape::Whole,
    }
}

/// The file that `uri` names, if it names one.
pub(super) fn path_of(uri: &str) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStringExt as _;
    let rest = uri.strip_prefix("file://")?;
    let rest = rest.strip_prefix("localhost").unwrap_or(rest);
    if !rest.starts_with('/') {
        return None;
    }
    let mut bytes = Vec::with_capacity(rest.len());
    let mut input = rest.bytes();
    while let Some(byte) = input.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        let (high, low) = (digit(input.next())?, digit(input.next())?);
        bytes.push(u8::try_from(high * 16 + low).ok()?);
    }
    Some(PathBuf::from(std::ffi::OsString::from_vec(bytes)))
}

/// `path` as a URI.
pub(super) fn uri_of(path: &Path) -> String {
    let mut uri = "file://".to_owned();
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' => {
                uri.push(char::from(*byte))
            }
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}

/// `uri` in the spelling that names of documents are compared in: editors escape more or less.
pub(super) fn normal(uri: &str) -> String {
    path_of(uri).map_or_else(|| uri.to_owned(), |path| uri_of(&path))
}
