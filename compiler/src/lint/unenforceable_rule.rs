//! The lint `unenforceable-rule`.

use boesfs_abi::op::Op;
use boesfs_abi::plane::Plane;

use super::automaton::Automaton;
use super::findings::Findings;
use super::{Lint, accepts_unenforced};
use crate::diagnostic::Diagnostic;

/// A deny rule that a plane cannot enforce.
pub static UNENFORCEABLE_RULE: Lint = Lint {
    code: "W0501",
    name: "unenforceable-rule",
    finds: "a deny rule that a plane it is meant for cannot enforce",
    page: include_str!("unenforceable_rule.md"),
};

pub(super) fn check(policy: &Automaton<'_>, found: &mut Findings<'_>) {
    let meant: &[Plane] = if policy.targets.is_empty() { &Plane::ALL } else { policy.targets };
    let mut said = Vec::new();
    for_each(policy, |rule, op, blind| {
        let missed: Vec<_> = blind.iter().filter(|(plane, _)| meant.contains(plane)).copied().collect();
        let all_planes = missed.len() == Plane::ALL.len();
        // Without planes that are meant, one that can enforce the rule is enough.
        if missed.is_empty() || policy.targets.is_empty() && !all_planes {
            return;
        }
        let build = if policy.targets.is_empty() { Diagnostic::warning } else { Diagnostic::denied };
        said.push((rule, finding(policy, build, &UNENFORCEABLE_RULE, (rule, op), &missed)));
    });
    for (rule, diagnostic) in said {
        found.on_rule(rule, diagnostic);
    }
}

/// A plane, and why it cannot see an operation.
pub(super) type Blind = (Plane, &'static str);

/// Tells `tell` of each rule whose denial of an operation nothing else backs and that does not accept that, with the
/// planes that cannot see the operation.
pub(super) fn for_each(policy: &Automaton<'_>, mut tell: impl FnMut(usize, Op, &[Blind])) {
    let blind = |op| {
        Plane::ALL.into_iter().filter_map(move |plane| {
            plane.unseen().find(|(unseen, _)| *unseen == op).map(|(_, why)| (plane, why))
        })
    };
    for op in policy.compiled.may_deny().iter() {
        let blind: Vec<Blind> = blind(op).collect();
        if !blind.is_empty() {
            for rule in policy.compiled.denials_to_accept(policy.rules, op) {
                if !accepts_unenforced(&policy.model.rules[rule as usize].annotations) {
                    tell(rule as usize, op, &blind);
                }
            }
        }
    }
}

/// What is said of `op` in `rule`, which the planes of `missed` cannot see.
pub(super) fn finding(
    policy: &Automaton<'_>,
    build: fn(&'static Lint, String, boesfs_grammar::Span) -> Diagnostic,
    lint: &'static Lint,
    (rule, op): (usize, Op),
    missed: &[Blind],
) -> Diagnostic {
    let names = |planes: Vec<Plane>| {
        planes.iter().map(|plane| format!("`{plane}`")).collect::<Vec<_>>().join(" and ")
    };
    let can: Vec<Plane> =
        Plane::ALL.into_iter().filter(|plane| missed.iter().all(|(other, _)| other != plane)).collect();
    let cannot = names(missed.iter().map(|(plane, _)| *plane).collect());
    let plural = if missed.len() == 1 { "" } else { "s" };
    let mut diagnostic = build(
        lint,
        format!("the plane{plural} {cannot} cannot enforce the denial of `{op}`"),
        policy.model.rules[rule].span,
    )
    .label(format!("denies `{op}` where `open` is allowed"));
    for (plane, why) in missed {
        diagnostic = diagnostic.because(format!("on `{plane}`: {why}"));
    }
    if !can.is_empty() {
        diagnostic = diagnostic.because(format!("{} can", names(can)));
    }
    diagnostic.help("deny `open` as well, or write `#@ allow=unenforceable-rule` to do without there")
}
