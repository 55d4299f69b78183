//! The path functions by name, and why the others are none.

use boesfs_grammar::Word;

use super::PathFunction;
use crate::diagnostic::{Diagnostic, suggestion};

pub(super) const FUNCTIONS: [(&str, PathFunction); 9] = [
    ("keyMatch", PathFunction::KeyMatch),
    ("keyMatch2", PathFunction::KeyMatch2),
    ("keyMatch3", PathFunction::KeyMatch3),
    ("keyMatch5", PathFunction::KeyMatch5),
    ("globMatch", PathFunction::GlobMatch),
    ("regexMatch", PathFunction::RegexMatch),
    ("pathMatch", PathFunction::PathMatch),
    ("under", PathFunction::Under),
    ("within", PathFunction::Within),
];

/// The path function called `name`.
pub(super) fn path_function(name: &str) -> Option<PathFunction> {
    FUNCTIONS.iter().find(|(known, _)| *known == name).map(|(_, function)| *function)
}

impl PathFunction {
    /// Its name in matchers.
    #[must_use]
    pub fn name(self) -> &'static str {
        FUNCTIONS
            .iter()
            .find(|(_, function)| *function == self)
            .map(|(name, _)| *name)
            .expect("INVARIANT: every function has a name")
    }
}

/// Why there is no function `name`, and what to write instead.
pub(super) fn unknown_function(name: &Word) -> Diagnostic {
    let cannot = |why: &str, help: &str| {
        Diagnostic::error("E0401", format!("`{}` cannot be compiled", name.text), name.span)
            .label(why.to_owned())
            .help(help.to_owned())
    };
    match name.text.as_str() {
        "keyMatch4" => cannot(
            "equal names must match equal text, which no automaton can check",
            "use `keyMatch3`, whose names are independent",
        ),
        "keyGet" | "keyGet2" | "keyGet3" => cannot(
            "it gives a part of the request's path, which is not known when the policy is compiled",
            "match the whole path with `pathMatch` or `keyMatch2`",
        ),
        "ipMatch" => cannot("a file request has no address", "remove it"),
        other => Diagnostic::error("E0402", format!("unknown function `{other}`"), name.span)
            .label("not a function of the language")
            .maybe_meant(suggestion(other, FUNCTIONS.iter().map(|(name, _)| *name), "the functions"))
            .because("functions registered by code do not exist for a compiled policy"),
    }
}
