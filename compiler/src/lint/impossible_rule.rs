//! The lint `impossible-rule`.

use super::Lint;
use super::automaton::{Automaton, Why};
use super::findings::Findings;
use crate::diagnostic::Diagnostic;

/// A rule that no request matches.
pub static IMPOSSIBLE_RULE: Lint = Lint {
    code: "W0405",
    name: "impossible-rule",
    finds: "a rule that no request matches",
    page: include_str!("impossible_rule.md"),
};

pub(super) fn check(policy: &Automaton<'_>, found: &mut Findings<'_>) {
    let model = policy.model;
    // What words match, no operation needs to.
    if model.takes_words() {
        return;
    }
    let impossible = || policy.idle().iter().filter(|idle| matches!(idle.why, Why::Impossible));
    let looked_at = || model.rules.iter().filter(|rule| !rule.inert && model.effect.base.looks_at(rule.eft));
    // Then it is the matcher's fault.
    if impossible().count() > 1 && impossible().count() == looked_at().count() {
        return;
    }
    for idle in impossible() {
        let empty = |test: &crate::rules::PathTest| test.holds && !policy.inhabited[test.atom.0 as usize];
        let terms = &policy.rules.rules[idle.rule].terms;
        if !terms.is_empty() && terms.iter().all(|term| term.paths.iter().any(empty)) {
            continue;
        }
        let rule = &model.rules[idle.rule];
        // A value that no argument has is reported by itself.
        let of_values =
            |field: &crate::model::Field| field.tuple.as_ref().is_some_and(|tuple| !tuple.0.is_empty());
        let label = if rule.fields.iter().any(of_values) {
            "no request has these fields and arguments"
        } else {
            "no request has these fields"
        };
        found.on_rule(
            idle.rule,
            Diagnostic::warning(&IMPOSSIBLE_RULE, "no request matches the rule", rule.span)
                .label(label)
                .secondary(model.matcher.span, "by this matcher"),
        );
    }
}
