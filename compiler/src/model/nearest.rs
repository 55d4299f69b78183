//! What `nearest(…)` asks of a matcher in Casbin shape: exactly one condition on `obj` in each term, and one that
//! says whether it makes a file entry or a dir entry (LANGUAGE §7).

use std::collections::BTreeSet;

use boesfs_grammar::Span;

use super::{CompareOp, Expr, Node, Operand, PathFunction, RequestField};
use crate::diagnostic::Diagnostic;

/// Reports the terms of `matcher` that have no entry.
pub(super) fn check(matcher: &Node, out: &mut Vec<Diagnostic>) {
    let before = out.len();
    let counts = counts(matcher, out);
    if out.len() > before || counts.len() == 1 && counts.iter().all(|count| *count < 2) {
        return;
    }
    let (message, help) = if counts.contains(&2) {
        ("a term of the matcher has more than one condition on `r.obj`", "keep one of them in each term")
    } else {
        (
            "some terms of the matcher have a condition on `r.obj` and some have none",
            "add `under(r.obj, \"/\")` to the terms without one",
        )
    };
    out.push(Diagnostic::error("E0408", message, matcher.span).label("no entry is nearest then").help(help));
}

/// How many conditions on `obj` the terms of `node` have: 0, 1, or 2 for more.
fn counts(node: &Node, out: &mut Vec<Diagnostic>) -> BTreeSet<u8> {
    match &node.expr {
        Expr::And(parts) => parts.iter().fold(BTreeSet::from([0]), |sum, part| {
            let next = counts(part, out);
            sum.iter().flat_map(|a| next.iter().map(move |b| (a + b).min(2))).collect()
        }),
        Expr::Or(parts) => parts.iter().flat_map(|part| counts(part, out)).collect(),
        Expr::Not(inner) => {
            if mentions_path(inner) {
                out.push(no_entry(node.span, "everything but a path is no entry"));
            }
            BTreeSet::from([0])
        }
        Expr::Compare(op, left, _) if *left == Operand::Request(RequestField::Obj) => {
            if *op != CompareOp::Eq {
                out.push(no_entry(node.span, "everything but a path is no entry"));
            }
            BTreeSet::from([1])
        }
        Expr::In(left, _) if *left == Operand::Request(RequestField::Obj) => BTreeSet::from([1]),
        Expr::Path { function, .. } => {
            if !matches!(function, PathFunction::Under | PathFunction::Within) {
                out.push(no_entry(node.span, "a pattern has no depth"));
            }
            BTreeSet::from([1])
        }
        Expr::Role { member, role, .. } => {
            if [member, role].iter().any(|side| **side == Operand::Request(RequestField::Obj)) {
                out.push(no_entry(node.span, "a relation has no depth"));
                return BTreeSet::from([1]);
            }
            BTreeSet::from([0])
        }
        Expr::Const(_)
        | Expr::Compare(..)
        | Expr::In(..)
        | Expr::Args(_)
        | Expr::ActionRole(_)
        | Expr::Eval(_) => BTreeSet::from([0]),
    }
}

fn mentions_path(node: &Node) -> bool {
    let obj = Operand::Request(RequestField::Obj);
    match &node.expr {
        Expr::And(parts) | Expr::Or(parts) => parts.iter().any(mentions_path),
        Expr::Not(inner) => mentions_path(inner),
        Expr::Compare(_, left, _) | Expr::In(left, _) => *left == obj,
        Expr::Path { .. } => true,
        Expr::Role { member, role, .. } => *member == obj || *role == obj,
        Expr::Const(_) | Expr::Args(_) | Expr::ActionRole(_) | Expr::Eval(_) => false,
    }
}

fn no_entry(span: Span, why: &str) -> Diagnostic {
    Diagnostic::error("E0408", "this condition makes no entry, so `nearest` has nothing to compare", span)
        .label(why.to_owned())
        .help("use `r.obj == p.x`, `under(r.obj, p.x)` or `within(r.obj, p.x)`, or drop `nearest`")
}
