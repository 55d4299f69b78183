//! The lint `weaker-on-a-plane`.

use super::Lint;
use super::automaton::Automaton;
use super::findings::Findings;
use super::unenforceable_rule::{finding, for_each};
use crate::diagnostic::Diagnostic;

use boesfs_abi::plane::Plane;

/// A deny rule that one plane enforces and another cannot.
pub static WEAKER_ON_A_PLANE: Lint = Lint {
    code: "W0502",
    name: "weaker-on-a-plane",
    finds: "a deny rule that one plane enforces and another cannot",
    page: include_str!("weaker_on_a_plane.md"),
};

pub(super) fn check(policy: &Automaton<'_>, found: &mut Findings<'_>) {
    // Where planes are named, what they cannot do is an error, and the others do not matter.
    if !policy.targets.is_empty() {
        return;
    }
    let mut said = Vec::new();
    for_each(policy, |rule, op, blind| {
        if blind.len() < Plane::ALL.len() {
            said.push((rule, finding(policy, Diagnostic::warning, &WEAKER_ON_A_PLANE, (rule, op), blind)));
        }
    });
    for (rule, diagnostic) in said {
        found.on_rule(rule, diagnostic);
    }
}
