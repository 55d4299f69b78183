//! The lint `hidden-by-star`.

use boesfs_abi::op::Op;
use boesfs_abi::verdict::Effect;

use super::Lint;
use super::automaton::Automaton;
use super::findings::Findings;
use crate::diagnostic::Diagnostic;
use crate::model::Shape;
use crate::shown::shown;

/// A deny rule whose `*` hides the object as well.
pub static HIDDEN_BY_STAR: Lint = Lint {
    code: "W0410",
    name: "hidden-by-star",
    finds: "a deny rule whose `*` hides the object as well",
    page: include_str!("hidden_by_star.md"),
};

pub(super) fn check(policy: &Automaton<'_>, found: &mut Findings<'_>) {
    let model = policy.model;
    for (index, rule) in model.rules.iter().enumerate() {
        if rule.eft != Effect::Deny || !policy.decides[index] {
            continue;
        }
        let star = |text: &[u8]| text.split(|byte| *byte == b' ').any(|word| word == b"*" || word == b"any");
        let Some(field) = rule.fields.iter().find(|field| field.ops.is_some() && star(&field.text)) else {
            continue;
        };
        let hides = policy.rules.rules[index].terms.iter().find_map(|term| {
            let path = policy.path(term)?;
            let class = term.classes.first()?.0;
            (policy.decider(class, Op::Lookup, &path) == Some(index)).then_some((class, path))
        });
        let Some((class, path)) = hides else { continue };
        let words = String::from_utf8_lossy(&field.text);
        let mut diagnostic =
            Diagnostic::warning(&HIDDEN_BY_STAR, format!("`{words}` hides the object as well"), field.span)
                .label("holds `lookup`")
                .because(format!("`{}` seems not to exist", shown(&path)));
        if model.shape == Shape::Casbin {
            diagnostic = diagnostic
                .help("write `@use` to refuse without hiding, or `lookup` to hide")
                .suggest("write `@use`", field.span, "@use");
        } else {
            diagnostic = diagnostic.help("name the operations to refuse without hiding, or `lookup` to hide");
        }
        if let Some(request) = policy.request(class, Op::Lookup, &path) {
            found.witness(&HIDDEN_BY_STAR, index, &request, Some(index));
        }
        found.on_rule(index, diagnostic);
    }
}
