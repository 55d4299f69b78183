//! How seriously each lint is taken: by default, by the project's configuration, by the command line.

use serde::Deserialize;

use crate::diagnostic::{Diagnostic, Severity};

/// How seriously a lint is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Its warnings are not shown; its errors are warnings, because what they say is never nothing.
    Allow,
    /// All its findings are warnings.
    Warn,
    /// All its findings are errors.
    Deny,
}

/// Which lints a level is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// Every one.
    All,
    /// The one of this name.
    Named(String),
}

/// Levels by origin: what comes later in the order of origins wins; within one, a name wins over all, and then
/// the later over the earlier.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Levels {
    origins: Vec<Vec<(Which, Level)>>,
}

impl Levels {
    /// With the levels of one more origin, which wins over those before it.
    #[must_use]
    pub fn and(mut self, levels: Vec<(Which, Level)>) -> Self {
        self.origins.push(levels);
        self
    }

    /// The level of the lint called `name`, if any is given.
    #[must_use]
    pub fn of(&self, name: &str) -> Option<Level> {
        let in_origin = |levels: &Vec<(Which, Level)>| {
            let named =
                levels.iter().rev().find(|(which, _)| matches!(which, Which::Named(of) if of == name));
            named
                .or_else(|| levels.iter().rev().find(|(which, _)| *which == Which::All))
                .map(|(_, level)| *level)
        };
        self.origins.iter().rev().find_map(in_origin)
    }

    /// Gives each finding its level, and drops what is not to be shown.
    pub fn apply(&self, found: &mut Vec<Diagnostic>) {
        if self.origins.iter().all(Vec::is_empty) {
            return;
        }
        found.retain_mut(|diagnostic| {
            let Some(level) = diagnostic.lint.and_then(|lint| self.of(lint)) else { return true };
            let severity = match (level, diagnostic.severity) {
                (Level::Deny, _) => Severity::Error,
                (Level::Warn, _) | (Level::Allow, Severity::Error) => Severity::Warning,
                (Level::Allow, Severity::Warning | Severity::Note) => return false,
            };
            diagnostic.severity = severity;
            true
        });
    }
}
