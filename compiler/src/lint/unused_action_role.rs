//! The lint `unused-action-role`.

use std::collections::HashSet;

use super::Lint;
use super::findings::{Findings, visit};
use crate::diagnostic::Diagnostic;
use crate::model::{Expr, Operand};

/// An action role that no rule speaks of.
pub static UNUSED_ACTION_ROLE: Lint = Lint {
    code: "W0331",
    name: "unused-action-role",
    finds: "an action role that no rule speaks of",
    page: include_str!("unused_action_role.md"),
};

pub(super) fn check(found: &mut Findings<'_>) {
    let (model, tree) = (found.model, found.tree);
    if model.action_roles.is_empty() {
        return;
    }
    let mut used: HashSet<String> = HashSet::new();
    let words = |text: &[u8]| -> Vec<String> {
        String::from_utf8_lossy(text).split([' ', '\t']).map(str::to_owned).collect()
    };
    for rule in &model.rules {
        for role in rule.fields.iter().flat_map(|field| &field.action_roles) {
            if !used.contains(&model.action_roles[*role].name) {
                used.insert(model.action_roles[*role].name.clone());
            }
        }
    }
    visit(&model.matcher, &mut |node| {
        let sides: Vec<&Operand> = match &node.expr {
            Expr::Compare(_, left, right) => vec![left, right],
            Expr::In(left, items) => std::iter::once(left).chain(items).collect(),
            _ => return,
        };
        for side in sides {
            if let Operand::Text { text, .. } = side {
                used.extend(words(text));
            }
        }
    });
    // Roles of other types, and roles of roles.
    for line in &tree.lines {
        let cells = tree.cells(line);
        let kind = tree.text(cells[0]);
        let from = if kind.as_ref() == b"a" { 2 } else { 1 };
        if kind.as_ref() == b"p" {
            continue;
        }
        for cell in cells.iter().skip(from) {
            used.extend(words(&tree.text(*cell)));
        }
    }
    for role in &model.action_roles {
        if !used.contains(&role.name) {
            let message = format!("no rule speaks of the action role `{}`", role.name);
            found.push(
                Diagnostic::warning(&UNUSED_ACTION_ROLE, message, role.span)
                    .label("does nothing")
                    .help("remove its lines, or name it in a rule"),
            );
        }
    }
}
