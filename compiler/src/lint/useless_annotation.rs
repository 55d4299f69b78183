//! The lint `useless-annotation`.

use boesfs_abi::verdict::{Audit, Effect, Level};

use super::Lint;
use super::findings::Findings;
use crate::diagnostic::Diagnostic;

/// An annotation that says nothing of its rule.
pub static USELESS_ANNOTATION: Lint = Lint {
    code: "W0325",
    name: "useless-annotation",
    finds: "an annotation that says nothing of its rule",
    page: include_str!("useless_annotation.md"),
};

pub(super) fn check(found: &mut Findings<'_>) {
    let model = found.model;
    for (index, rule) in model.rules.iter().enumerate() {
        let said = &rule.annotations;
        let allows = rule.eft == Effect::Allow;
        let silent = said.audit == Audit::Never || allows && said.audit == Audit::Deny;
        let (key, why) = if allows && said.errno.is_some() {
            ("errno", "an allow rule denies nothing")
        } else if silent && said.level != Level::default() {
            ("level", "the rule makes no event")
        } else {
            continue;
        };
        let written = found.line(rule.span).and_then(|(_, said)| said.iter().find(|one| one.key.text == key));
        let span = written.map_or(rule.span, |one| one.key.span.to(one.value.span));
        let mut diagnostic =
            Diagnostic::warning(&USELESS_ANNOTATION, format!("`{key}` says nothing of this rule"), span)
                .label(why)
                .secondary(rule.span, "of this rule");
        diagnostic = if key == "level" && allows {
            diagnostic.help("add `audit=always`, or remove it")
        } else {
            diagnostic.help("remove it")
        };
        found.on_rule(index, diagnostic);
    }
}
