//! Which layout a policy type has (LANGUAGE §4), and what `BoesFS`'s layout asks of its definition and matcher.

use boesfs_grammar::{Comparison, Expr, ExprKind, Line, Span, SyntaxTree, Word};

use super::Shape;
use crate::diagnostic::Diagnostic;
use crate::lint::UNUSED_COLUMN;

/// `BoesFS`'s columns, in its order.
const COLUMNS: [&str; 4] = ["sub", "obj", "act", "args"];

/// The layout of the type whose definition is `policy` and whose lines are `lines`.
pub(super) fn recognise(
    tree: &SyntaxTree,
    policy: &[Word],
    lines: &[&Line],
    matcher: Option<&Expr>,
    out: &mut Vec<Diagnostic>,
) -> Shape {
    if lines.is_empty() || policy.iter().any(|column| column.text == "eft") {
        return Shape::Casbin;
    }
    let want = columns(policy, matcher).len() + 2;
    let (boesfs, casbin): (Vec<&Line>, Vec<&Line>) = lines
        .iter()
        .copied()
        .filter(|line| looks_like_boesfs(tree, line, want) || tree.cells(line).len() - 1 == policy.len())
        .partition(|line| looks_like_boesfs(tree, line, want));
    let Some(first) = boesfs.first() else { return Shape::Casbin };
    if let Some(other) = casbin.first() {
        let (odd, rest, odd_is) = if casbin.len() <= boesfs.len() {
            (other, first, "has no `file|dir` and `allow|deny`")
        } else {
            (first, other, "ends with `file|dir` and `allow|deny`")
        };
        out.push(
            Diagnostic::error("E0307", "the rules have two different layouts", odd.span)
                .label(format!("this one {odd_is}"))
                .secondary(rest.span, "this one is of the other layout")
                .help("give every rule the same columns"),
        );
    }
    Shape::Boesfs
}

fn looks_like_boesfs(tree: &SyntaxTree, line: &Line, want: usize) -> bool {
    let cells = tree.cells(line);
    let [.., scope, eft] = cells else { return false };
    let scope = matches!(tree.text(*scope).as_ref(), b"file" | b"dir");
    let eft = matches!(tree.text(*eft).as_ref(), b"allow" | b"deny");
    scope && eft || cells.len() - 1 == want && (scope || eft)
}

/// The columns the lines really have: without `args` under a matcher with `a(…)`.
pub(super) fn columns(policy: &[Word], matcher: Option<&Expr>) -> Vec<String> {
    let roles = matcher.is_some_and(calls_action_roles);
    policy.iter().map(|column| column.text.clone()).filter(|column| !(roles && column == "args")).collect()
}

fn calls_action_roles(matcher: &Expr) -> bool {
    match &matcher.kind {
        ExprKind::Call(name, ..) => name.text == "a",
        ExprKind::And(parts) | ExprKind::Or(parts) => parts.iter().any(calls_action_roles),
        ExprKind::Not(inner) => calls_action_roles(inner),
        _ => false,
    }
}

/// Checks that `policy` declares some of `BoesFS`'s columns in order; false if it does not.
pub(super) fn check_columns(policy: &[Word], line: &Line, out: &mut Vec<Diagnostic>) -> bool {
    let mut next = 0;
    for column in policy {
        let place = COLUMNS.iter().position(|known| *known == column.text);
        match place {
            Some(place) if place >= next => next = place + 1,
            _ => {
                let what = if place.is_some() { "out of order" } else { "not one of them" };
                out.push(
                    Diagnostic::error(
                        "E0208",
                        "rules with `file|dir` and `allow|deny` have the columns sub, obj, act, args, in this order",
                        column.span,
                    )
                    .label(what)
                    .secondary(line.span, "a rule of this layout")
                    .help("put them in order, or declare `eft` and use Casbin's layout"),
                );
                return false;
            }
        }
    }
    let has = |name: &str| policy.iter().any(|column| column.text == name);
    if let Some(args) = policy.iter().find(|column| column.text == "args" && !has("act")) {
        out.push(
            Diagnostic::error("E0208", "`args` needs `act`", args.span)
                .label("arguments of which operation?")
                .help("declare `act` before `args`"),
        );
        return false;
    }
    true
}

/// The conjuncts of a `BoesFS` matcher without the equalities that `g` and `a` replace. `None` if it has another
/// form, which is reported.
pub(super) fn conjuncts(matcher: &Expr, out: &mut Vec<Diagnostic>) -> Option<Expr> {
    let parts: Vec<&Expr> = flatten(matcher);
    let mut wrong = false;
    for part in &parts {
        if conjunct(part).is_none() {
            wrong = true;
            out.push(
                Diagnostic::error(
                    "E0406",
                    "a matcher of this layout is a conjunction of plain comparisons",
                    part.span,
                )
                .label("neither `r.x == p.x` nor `g(r.sub, p.sub)` nor `a(…)`")
                .help("declare an `eft` column and drop `file|dir`: Casbin's layout takes any matcher"),
            );
        }
    }
    if wrong {
        return None;
    }
    let has = |wanted: Conjunct<'_>| parts.iter().any(|part| conjunct(part) == Some(wanted));
    let (roles, actions) = (has(Conjunct::Role), has(Conjunct::Action));
    let kept: Vec<Expr> = parts
        .into_iter()
        .filter(|part| match conjunct(part) {
            Some(Conjunct::Equal("sub")) => !roles,
            Some(Conjunct::Equal("act" | "args")) => !actions,
            _ => true,
        })
        .cloned()
        .collect();
    Some(Expr { kind: ExprKind::And(kept), span: matcher.span })
}

/// Reports the columns of `policy` that `matcher`, of the checked form, does not use.
pub(super) fn unused(matcher: &Expr, policy: &[Word], out: &mut Vec<Diagnostic>) {
    let parts: Vec<Conjunct<'_>> = flatten(matcher).into_iter().filter_map(conjunct).collect();
    for column in policy {
        let used = parts.iter().any(|part| match part {
            Conjunct::Equal(name) => *name == column.text,
            Conjunct::Role => column.text == "sub",
            Conjunct::Action => column.text == "act" || column.text == "args",
        });
        if !used {
            unused_column(column, matcher.span, out);
        }
    }
}

/// Says that the matcher at `span` does not use `column`.
pub(super) fn unused_column(column: &Word, span: Span, out: &mut Vec<Diagnostic>) {
    out.push(
        Diagnostic::warning(
            &UNUSED_COLUMN,
            format!("the matcher does not use the column `{}`", column.text),
            column.span,
        )
        .label("declared here")
        .secondary(span, "not compared here")
        .help(format!("add `&& r.{0} == p.{0}`, or drop the column", column.text)),
    );
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Conjunct<'e> {
    /// `r.x == p.x`
    Equal(&'e str),
    /// `g(r.sub, p.sub)`
    Role,
    /// `a(…)`
    Action,
}

fn flatten(matcher: &Expr) -> Vec<&Expr> {
    match &matcher.kind {
        ExprKind::And(parts) => parts.iter().flat_map(flatten).collect(),
        _ => vec![matcher],
    }
}

fn conjunct(part: &Expr) -> Option<Conjunct<'_>> {
    match &part.kind {
        ExprKind::Compare(Comparison::Eq, left, right) => {
            let (ExprKind::Field(left), ExprKind::Field(right)) = (&left.kind, &right.kind) else {
                return None;
            };
            let ([a, left], [b, right]) = (left.as_slice(), right.as_slice()) else { return None };
            let crossed = a.text.starts_with('r') != b.text.starts_with('r');
            (crossed && left.text == right.text).then_some(Conjunct::Equal(&left.text))
        }
        ExprKind::Call(name, args, _) if name.text == "g" => match args.as_slice() {
            [member, role] => {
                (second(member) == Some("sub") && second(role) == Some("sub")).then_some(Conjunct::Role)
            }
            _ => None,
        },
        ExprKind::Call(name, ..) if name.text == "a" => Some(Conjunct::Action),
        _ => None,
    }
}

fn second(expr: &Expr) -> Option<&str> {
    match &expr.kind {
        ExprKind::Field(words) if words.len() == 2 => Some(&words[1].text),
        _ => None,
    }
}
