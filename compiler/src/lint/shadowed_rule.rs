//! The lint `shadowed-rule`.

use super::Lint;
use super::automaton::{Automaton, Why, spelt};
use super::findings::Findings;
use crate::diagnostic::Diagnostic;

/// A rule that never decides, because others like it always do.
pub static SHADOWED_RULE: Lint = Lint {
    code: "W0401",
    name: "shadowed-rule",
    finds: "a rule that never decides, because others like it always do",
    page: include_str!("shadowed_rule.md"),
};

pub(super) fn check(policy: &Automaton<'_>, found: &mut Findings<'_>) {
    for idle in policy.idle() {
        let Why::Covered { by, request, decider } = &idle.why else { continue };
        if policy.is_contradicted(idle.rule, by) {
            continue;
        }
        let rule = &policy.model.rules[idle.rule];
        let mut diagnostic =
            Diagnostic::warning(&SHADOWED_RULE, "the rule never decides anything", rule.span)
                .label("other rules decide all it matches");
        for other in by.iter().take(3) {
            let label = if other == decider { "decides the example" } else { "decides some of it" };
            diagnostic = diagnostic.secondary(policy.model.rules[*other].span, label);
        }
        diagnostic = diagnostic
            .because(format!("for example {}", spelt(request)))
            .help("remove it, or put it where it counts");
        diagnostic.fixes.extend(found.removal(rule.span));
        found.witness(&SHADOWED_RULE, idle.rule, request, Some(*decider));
        found.on_rule(idle.rule, diagnostic);
    }
}
