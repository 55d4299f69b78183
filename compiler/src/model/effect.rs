//! `e = …` to [`PolicyEffect`].

use boesfs_abi::verdict::Verdict;
use boesfs_grammar::{Span, Word};

use super::{BaseEffect, PolicyEffect};
use crate::diagnostic::{Diagnostic, Meant};

/// The forms that are taken, as an error lists them.
const FORMS: [&str; 6] = [
    "some(where (p.eft == allow))",
    "!some(where (p.eft == deny))",
    "some(where (p.eft == allow)) && !some(where (p.eft == deny))",
    "priority(p.eft) || deny",
    "subjectPriority(p.eft) || deny",
    "nearest(E) with E one of the first three",
];

/// The effect that `tokens`, which stand at `span`, spell, for the policy that each of `names` means. White space does
/// not matter.
pub(super) fn effect(tokens: &[Word], span: Span, names: &[&str]) -> Result<PolicyEffect, Box<Diagnostic>> {
    let is_type =
        |word: &str| word.strip_prefix('p').is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
    if let Some(other) =
        tokens.iter().find(|token| is_type(&token.text) && !names.contains(&token.text.as_str()))
    {
        return Err(Box::new(
            Diagnostic::error("E0203", format!("unknown name `{}`", other.text), other.span)
                .label("not the policy that this effect is of")
                .maybe_meant(Some(Meant::to_be(&other.text, names[0]))),
        ));
    }
    let words: Vec<&str> =
        tokens.iter().map(|token| if is_type(&token.text) { "p" } else { token.text.as_str() }).collect();
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
