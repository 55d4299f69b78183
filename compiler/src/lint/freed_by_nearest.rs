//! The lint `freed-by-nearest`.

use std::collections::HashSet;

use boesfs_abi::verdict::Verdict;

use super::Lint;
use super::automaton::{Automaton, spelt};
use super::findings::Findings;
use crate::automaton::decided_ops;
use crate::diagnostic::Diagnostic;
use crate::rules::{Entry, PathAtom};
use boesfs_abi::op::OpSet;

/// An entry under `nearest` that frees what a shallower one denies.
pub static FREED_BY_NEAREST: Lint = Lint {
    code: "W0408",
    name: "freed-by-nearest",
    finds: "an entry under `nearest` that frees what a shallower one denies",
    page: include_str!("freed_by_nearest.md"),
};

pub(super) fn check(policy: &Automaton<'_>, found: &mut Findings<'_>) {
    let model = policy.model;
    if !model.effect.nearest || model.effect.base.default_verdict() != Verdict::Allow {
        return;
    }
    let mut said: HashSet<(&PathAtom, u32)> = HashSet::new();
    for (index, rule) in policy.rules.rules.iter().enumerate() {
        for term in &rule.terms {
            let Some(atom) = term.paths.iter().find(|test| test.holds).map(|test| test.atom) else {
                continue;
            };
            let atom = &policy.rules.atoms[atom.0 as usize];
            let path = match (atom, term.entry) {
                (PathAtom::Literal(path), Entry::File) => path.clone(),
                (PathAtom::Below(dir), Entry::Dir(_)) => fresh(dir),
                _ => continue,
            };
            let parent = match atom {
                PathAtom::Literal(path) | PathAtom::Below(path) => parent(path),
                PathAtom::Prefix(_) | PathAtom::Pattern(_) => None,
            };
            let Some(parent) = parent else { continue };
            let beside = fresh(parent);
            let freed = term.classes.iter().filter(|class| said.insert((atom, class.0))).find_map(|class| {
                let (here, there) = (policy.cell(class.0, &path), policy.cell(class.0, &beside));
                let by_default = |ops: OpSet| {
                    let none =
                        |op: &boesfs_abi::op::Op| here.rules[*op as usize] == boesfs_abi::layout::NO_RULE;
                    ops.iter().find(none)
                };
                let freed = there.deny.difference(here.deny).difference(here.depend);
                let op = by_default(freed.intersection(decided_ops(model.shape)))?;
                Some((class.0, op, there.rules[op as usize] as usize))
            });
            let Some((class, op, denier)) = freed else { continue };
            let Some(request) = policy.request(class, op, &path) else { continue };
            let rule = &model.rules[index];
            found.witness(&FREED_BY_NEAREST, index, &request, None);
            found.on_rule(
                index,
                Diagnostic::warning(
                    &FREED_BY_NEAREST,
                    format!("the entry frees `{op}`, which a shallower one denies"),
                    rule.span,
                )
                .label("only the nearest entry counts")
                .secondary(model.rules[denier].span, format!("denies `{op}`"))
                .because(format!("for example {} is allowed", spelt(&request)))
                .help(format!("deny `{op}` here as well, if it is not to be free")),
            );
            break;
        }
    }
}

/// A path below `dir` that no rule names.
fn fresh(dir: &[u8]) -> Vec<u8> {
    let mut path = dir.strip_suffix(b"/").unwrap_or(dir).to_vec();
    path.extend_from_slice(b"/\x7fnew");
    path
}

fn parent(path: &[u8]) -> Option<&[u8]> {
    match path.iter().rposition(|byte| *byte == b'/')? {
        0 if path.len() == 1 => None,
        0 => Some(b"/"),
        slash => Some(&path[..slash]),
    }
}
