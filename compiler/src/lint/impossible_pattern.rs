//! The lint `impossible-pattern`.

use std::collections::HashMap;

use super::Lint;
use super::automaton::Automaton;
use super::findings::Findings;
use crate::diagnostic::Diagnostic;
use crate::rules::{PathAtom, path_atoms};

/// A pattern that matches no path.
pub static IMPOSSIBLE_PATTERN: Lint = Lint {
    code: "W0402",
    name: "impossible-pattern",
    finds: "a pattern that matches no path",
    page: include_str!("impossible_pattern.md"),
};

pub(super) fn check(policy: &Automaton<'_>, found: &mut Findings<'_>) {
    if policy.inhabited.iter().all(|inhabited| *inhabited) {
        return;
    }
    let atoms = policy.rules.atoms.iter().zip(&policy.inhabited);
    let empty: HashMap<&PathAtom, ()> =
        atoms.filter(|(_, inhabited)| !**inhabited).map(|(atom, _)| (atom, ())).collect();
    found.each_pattern(|model, pattern| {
        let atoms = path_atoms(pattern.function, pattern.text, model.options.compat)?;
        if !atoms.iter().all(|atom| empty.contains_key(atom)) {
            return None;
        }
        let relative = !pattern.text.starts_with(b"/");
        let label = if relative { "does not begin with `/`" } else { "paths have no `//`, `.` or `..`" };
        let found = Diagnostic::warning(
            &IMPOSSIBLE_PATTERN,
            format!("no path matches `{}`", pattern.shown()),
            pattern.span,
        )
        .label(label);
        Some(if relative { found.help("write the path from `/` on") } else { found })
    });
}
