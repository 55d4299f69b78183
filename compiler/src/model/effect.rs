//! `e = …` to [`PolicyEffect`].

use boesfs_abi::verdict::Verdict;
use boesfs_grammar::{Span, Word};

use super::{BaseEffect, PolicyEffect};
use crate::diagnostic::Diagnostic;

/// The forms that are taken, as an error lists them.
const FORMS: [&str; 6] = [
    "some(where (p.eft == allow))",
    "!some(where (p.eft == deny))",
    "some(where (p.eft == allow)) && !some(where (p.eft == deny))",
    "priority(p.eft) || deny",
    "subjectPriority(p.eft) || deny",
    "nearest(E) with E one of the first three",
];

/// The effect that `tokens`, which stand at `span`, spell. White space does not matter, nor which type's `eft` it is.
pub(super) fn effect(tokens: &[Word], span: Span) -> Result<PolicyEffect, Box<Diagnostic>> {
    let words: Vec<&str> = tokens
        .iter()
        .map(|token| {
            let digits = token.text.strip_prefix('p').unwrap_or("x");
            if digits.bytes().all(|b| b.is_ascii_digit()) { "p" } else { token.text.as_str() }
        })
        .collect();
    let nearest = words.first() == Some(&"nearest");
    let inner = match words.as_slice() {
        ["nearest", "(", inner @ .., ")"] => inner,
        other => other,
    };
    let base = base(inner).filter(|base| {
        !nearest || matches!(base, BaseEffect::SomeAllow | BaseEffect::NoDeny | BaseEffect::AllowAndNoDeny)
    });
    base.map(|base| PolicyEffect { base, nearest }).ok_or_else(|| {
        let mut diagnostic = Diagnostic::error("E0206", "the policy effect is none that is known", span)
            .label("not an effect");
        for form in FORMS {
            diagnostic = diagnostic.because(format!("known: `{form}`"));
        }
        Box::new(diagnostic.help(match words.as_slice() {
            ["some", ..] if words.contains(&"deny") => {
                "a policy that denies by rules and allows the rest is `!some(where (p.eft == deny))`"
            }
            ["!", ..] if words.contains(&"allow") => {
                "a policy that allows by rules and denies the rest is `some(where (p.eft == allow))`"
            }
            _ => "write one of the known effects",
        }))
    })
}

fn base(words: &[&str]) -> Option<BaseEffect> {
    const SOME_ALLOW: [&str; 11] = ["some", "(", "where", "(", "p", ".", "eft", "==", "allow", ")", ")"];
    const SOME_DENY: [&str; 11] = ["some", "(", "where", "(", "p", ".", "eft", "==", "deny", ")", ")"];
    let (some_allow, some_deny) = (SOME_ALLOW.as_slice(), SOME_DENY.as_slice());
    if words == some_allow {
        return Some(BaseEffect::SomeAllow);
    }
    if let ["!", rest @ ..] = words {
        return (rest == some_deny).then_some(BaseEffect::NoDeny);
    }
    if let Some(["&&", "!", deny @ ..]) = words.strip_prefix(some_allow) {
        return (deny == some_deny).then_some(BaseEffect::AllowAndNoDeny);
    }
    let default = |word: &str| match word {
        "allow" => Some(Verdict::Allow),
        "deny" => Some(Verdict::Deny),
        _ => None,
    };
    match words {
        ["priority", "(", "p", ".", "eft", ")", "||", word] => default(word).map(BaseEffect::Priority),
        ["subjectPriority", "(", "p", ".", "eft", ")", "||", "deny"] => {
            Some(BaseEffect::SubjectPriority(Verdict::Deny))
        }
        _ => None,
    }
}
