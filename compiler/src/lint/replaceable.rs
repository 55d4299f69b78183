//! The lint `replaceable`.

use boesfs_abi::op::{Op, OpSet};
use boesfs_abi::verdict::Effect;

use super::Lint;
use super::automaton::{Automaton, spelt};
use super::findings::Findings;
use crate::diagnostic::Diagnostic;
use crate::model::{Moves, Shape};
use crate::shown::shown;

/// A deny rule for `write` where the name can be given to another file.
pub static REPLACEABLE: Lint = Lint {
    code: "W0409",
    name: "replaceable",
    finds: "a deny rule for `write` where the name can be given to another file",
    page: include_str!("replaceable.md"),
};

pub(super) fn check(policy: &Automaton<'_>, found: &mut Findings<'_>) {
    let model = policy.model;
    for (index, rule) in model.rules.iter().enumerate() {
        if rule.eft != Effect::Deny || !policy.decides[index] {
            continue;
        }
        let open = policy.rules.rules[index].terms.iter().find_map(|term| {
            if !term.ops.contains(Op::Write) || !term.tests.is_empty() {
                return None;
            }
            let path = policy.path(term)?;
            let class = term.classes.first()?.0;
            let op = way(policy, class, &path)?;
            (policy.decider(class, Op::Write, &path) == Some(index)).then_some((class, op, path))
        });
        let Some((class, op, path)) = open else { continue };
        let Some(request) = policy.request(class, op, &path) else { continue };
        let words: Vec<&[u8]> = rule
            .fields
            .iter()
            .filter(|field| field.ops.is_some())
            .flat_map(|field| field.text.split(|byte| *byte == b' '))
            .collect();
        let field = rule.fields.iter().find(|field| field.ops.is_some_and(|ops| ops.contains(Op::Write)));
        let span = field.map_or(rule.span, |field| field.span);
        let path = shown(&path);
        let mut diagnostic = Diagnostic::warning(
            &REPLACEABLE,
            format!("`{path}` cannot be written, but another file can take its place"),
            span,
        )
        .label("denies `write` alone")
        .because(format!("for example {} is allowed", spelt(&request)));
        if let Some(allows) = policy.decider(class, op, request.obj()) {
            diagnostic = diagnostic.secondary(model.rules[allows].span, format!("allows `{op}`"));
        }
        if model.shape == Shape::Casbin {
            diagnostic = diagnostic.help("deny `@modify`, which holds `write` and what gives the name away");
            if let Some(field) =
                field.filter(|field| (field.span.end - field.span.start) as usize == field.text.len())
                && let [one] =
                    words.iter().filter(|word| matches!(**word, b"write" | b"@write")).collect::<Vec<_>>()[..]
            {
                let offset = one.as_ptr() as usize - field.text.as_ptr() as usize;
                let place = field.span.part(offset, one.len());
                diagnostic = diagnostic.suggest("write `@modify`", place, "@modify");
            }
        } else {
            diagnostic = diagnostic.help(format!("deny `{op}` as well"));
        }
        found.witness(&REPLACEABLE, index, &request, None);
        found.on_rule(index, diagnostic);
    }
}

/// The operation by which `class` takes the name of `path` away, if it can then give it to another file.
fn way(policy: &Automaton<'_>, class: u32, path: &[u8]) -> Option<Op> {
    let allows = |op| policy.allows(class, op, path);
    let makes = OpSet::of(&[Op::Create, Op::Symlink]).iter().any(allows);
    let removes = if policy.model.options.moves == Moves::Judged && allows(Op::Rename) {
        Some(Op::Rename)
    } else {
        allows(Op::Unlink).then_some(Op::Unlink)
    };
    removes.filter(|_| makes)
}
