//! The lint `empty-policy`.

use boesfs_abi::verdict::Verdict;
use boesfs_grammar::SectionKind;

use super::Lint;
use super::findings::Findings;
use crate::diagnostic::Diagnostic;

/// A policy without rules.
pub static EMPTY_POLICY: Lint = Lint {
    code: "W0326",
    name: "empty-policy",
    finds: "a policy without rules",
    page: include_str!("empty_policy.md"),
};

pub(super) fn check(found: &mut Findings<'_>) {
    let model = found.model;
    if !model.rules.is_empty() {
        return;
    }
    let what = match model.effect.base.default_verdict() {
        Verdict::Allow => "allowed",
        Verdict::Deny => "denied",
    };
    let section = found.tree.sections.iter().find(|section| section.kind == Some(SectionKind::Policy));
    let span = section.map_or(model.matcher.span, |section| section.span);
    found.push(
        Diagnostic::warning(&EMPTY_POLICY, format!("there is no rule: everything is {what}"), span)
            .label("nothing but the effect decides"),
    );
}
