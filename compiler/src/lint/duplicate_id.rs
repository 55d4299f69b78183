//! The lint `duplicate-id`.

use std::collections::HashMap;

use super::Lint;
use super::findings::Findings;
use crate::diagnostic::Diagnostic;

/// An `id` that several rules have.
pub static DUPLICATE_ID: Lint = Lint {
    code: "W0324",
    name: "duplicate-id",
    finds: "an `id` that several rules have",
    page: include_str!("duplicate_id.md"),
};

pub(super) fn check(found: &mut Findings<'_>) {
    let model = found.model;
    let mut first: HashMap<&str, usize> = HashMap::new();
    for (index, rule) in model.rules.iter().enumerate() {
        let Some(id) = rule.annotations.id.as_deref() else { continue };
        let before = *first.entry(id).or_insert(index);
        if before != index {
            found.on_rule(
                index,
                Diagnostic::warning(&DUPLICATE_ID, format!("another rule has the id `{id}`"), rule.span)
                    .label("has it too")
                    .secondary(model.rules[before].span, format!("the first `{id}`"))
                    .help("give each rule an id of its own"),
            );
        }
    }
}
