//! The lint `never-true`.

use super::Lint;
use super::automaton::{Automaton, Why};
use super::findings::Findings;
use crate::diagnostic::Diagnostic;

/// A matcher that no request and no rule satisfy.
pub static NEVER_TRUE: Lint = Lint {
    code: "W0406",
    name: "never-true",
    finds: "a matcher that no request and no rule satisfy",
    page: include_str!("never_true.md"),
};

pub(super) fn check(policy: &Automaton<'_>, found: &mut Findings<'_>) {
    let model = policy.model;
    if policy.decides.iter().any(|decides| *decides) {
        return;
    }
    let looked_at =
        model.rules.iter().filter(|rule| !rule.inert && model.effect.base.looks_at(rule.eft)).count();
    let impossible = policy.idle().iter().filter(|idle| matches!(idle.why, Why::Impossible)).count();
    if looked_at > 1 && impossible == looked_at {
        found.push(
            Diagnostic::warning(&NEVER_TRUE, "the matcher is false for every rule", model.matcher.span)
                .label("no request satisfies it")
                .because(format!("the default decides everything: {looked_at} rules say nothing")),
        );
    }
}
