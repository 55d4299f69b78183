//! The lint `conflicting-rules`.

use super::Lint;
use super::automaton::{Automaton, Why, spelt};
use super::findings::Findings;
use crate::diagnostic::Diagnostic;
use crate::model::BaseEffect;
use boesfs_abi::verdict::Effect;

/// A rule that never counts, because rules of the other effect decide what it says.
pub static CONFLICTING_RULES: Lint = Lint {
    code: "W0404",
    name: "conflicting-rules",
    finds: "a rule that never counts, because rules of the other effect decide what it says",
    page: include_str!("conflicting_rules.md"),
};

pub(super) fn check(policy: &Automaton<'_>, found: &mut Findings<'_>) {
    for idle in policy.idle() {
        let Why::Covered { by, request, decider } = &idle.why else { continue };
        if !policy.is_contradicted(idle.rule, by) {
            continue;
        }
        let rule = &policy.model.rules[idle.rule];
        let (word, does) = match rule.eft {
            Effect::Allow => ("allow", "denies"),
            Effect::Deny => ("deny", "allows"),
        };
        let why = match policy.model.effect.base {
            BaseEffect::SomeAllow | BaseEffect::NoDeny | BaseEffect::AllowAndNoDeny => {
                "a deny rule outweighs every allow rule"
            }
            BaseEffect::Priority(_) => "the first rule that matches decides",
            BaseEffect::SubjectPriority(_) => "the rule of the lowest role decides",
        };
        let mut diagnostic = Diagnostic::warning(
            &CONFLICTING_RULES,
            format!("`{word}` never counts here: other rules decide the same requests"),
            rule.span,
        )
        .label("never decides");
        for other in by.iter().take(3) {
            let like = policy.model.rules[*other].eft == rule.eft;
            let label = if like { "says the same" } else { does };
            diagnostic = diagnostic.secondary(policy.model.rules[*other].span, label);
        }
        let example = format!("for example {} is {}", spelt(request), policy.verdict(request));
        diagnostic =
            diagnostic.because(example).because(why).help("remove one of them, or make one narrower");
        found.witness(&CONFLICTING_RULES, idle.rule, request, Some(*decider));
        found.on_rule(idle.rule, diagnostic);
    }
}
