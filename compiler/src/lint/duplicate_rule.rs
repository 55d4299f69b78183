//! The lint `duplicate-rule`.

use super::Lint;
use super::automaton::{Automaton, Why};
use super::findings::Findings;
use crate::diagnostic::Diagnostic;

/// A rule that says what an earlier one says.
pub static DUPLICATE_RULE: Lint = Lint {
    code: "W0403",
    name: "duplicate-rule",
    finds: "a rule that says what an earlier one says",
    page: include_str!("duplicate_rule.md"),
};

pub(super) fn check(policy: &Automaton<'_>, found: &mut Findings<'_>) {
    for idle in policy.idle() {
        let Why::Repeats(first) = &idle.why else { continue };
        let rule = &policy.model.rules[idle.rule];
        let mut diagnostic = Diagnostic::warning(&DUPLICATE_RULE, "an earlier rule says the same", rule.span)
            .label("decides nothing")
            .secondary(policy.model.rules[*first].span, "said first here")
            .help("remove it");
        diagnostic.fixes.extend(found.removal(rule.span));
        found.on_rule(idle.rule, diagnostic);
    }
}
