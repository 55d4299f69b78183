//! The lint `deny-by-program`.

use boesfs_abi::op::{Op, OpSet};
use boesfs_abi::verdict::Effect;

use super::Lint;
use super::automaton::{Automaton, spelt};
use super::findings::Findings;
use crate::diagnostic::Diagnostic;
use crate::model::SubjectMode;

/// A deny rule for one program, where its code can run under another name.
pub static DENY_BY_PROGRAM: Lint = Lint {
    code: "W0411",
    name: "deny-by-program",
    finds: "a deny rule for one program, where its code can run under another name",
    page: include_str!("deny_by_program.md"),
};

/// A path that no rule names.
const COPY: &[u8] = b"/\x7fcopy";

pub(super) fn check(policy: &Automaton<'_>, found: &mut Findings<'_>) {
    let model = policy.model;
    let others = policy.compiled.subjects.class_of(b"/\x7fcopy", None).0;
    if model.options.subject != SubjectMode::Exe || others >= policy.compiled.class_count {
        return;
    }
    let mut more = 0;
    let mut first = None;
    for (index, rule) in policy.rules.rules.iter().enumerate() {
        if rule.eft != Effect::Deny || !policy.decides[index] || found.allows(index, DENY_BY_PROGRAM.name) {
            continue;
        }
        if first.is_some() {
            let named = |term: &crate::rules::Term| term.classes.iter().all(|class| class.0 != others);
            more += usize::from(rule.terms.iter().all(named));
            continue;
        }
        first = rule.terms.iter().find_map(|term| {
            let class = term.classes.first()?.0;
            let named = term.classes.iter().all(|class| class.0 != others) && term.tests.is_empty();
            if !named || !policy.allows(class, Op::Exec, COPY) {
                return None;
            }
            let path = policy.path(term)?;
            let asked: OpSet = policy.asked(term.ops);
            let op = asked.iter().find(|op| {
                policy.decider(class, *op, &path) == Some(index) && policy.allows(others, *op, &path)
            })?;
            Some((index, policy.request(others, op, &path)?))
        });
    }
    let Some((index, request)) = first else { return };
    let rule = &model.rules[index];
    let mut diagnostic = Diagnostic::warning(
        &DENY_BY_PROGRAM,
        "the rule denies one program, and a copy of it is another",
        rule.span,
    )
    .label("`exec` is not limited")
    .because(format!("for example {} is allowed", spelt(&request)));
    if more > 0 {
        diagnostic = diagnostic.because(format!("so it is with {more} more"));
    }
    found.witness(&DENY_BY_PROGRAM, index, &request, None);
    found.on_rule(index, diagnostic.help("deny every program, or limit `exec`"));
}
