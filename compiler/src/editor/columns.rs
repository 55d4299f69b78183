//! What a policy's columns hold, told by how its matcher uses them.

use std::collections::HashMap;

use boesfs_grammar::{Expr, ExprKind, SectionKind, SyntaxTree, Value, Word};

/// What a column of a rule, or a text in the matcher, stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Use {
    /// A program or a member or role of this relation.
    Subject(String),
    /// A literal path.
    Path,
    /// A path pattern of this function.
    Pattern(String),
    /// Operations.
    Action,
    /// A tuple.
    Tuple,
    /// Text of a matcher.
    Expression,
    /// A domain.
    Domain,
    /// `allow` or `deny`.
    Eft,
    /// `file` or `dir`.
    Scope,
    /// A number or any other value.
    Value,
}

/// The columns of one policy type, in order.
#[derive(Clone, Debug, Default)]
pub struct Columns {
    /// Name and use of each, those that a rule of this layout really has.
    pub columns: Vec<(String, Use)>,
}

/// The columns of every policy type by its name (`p`, `p2`, …), as the definitions and matchers of `tree` have them.
#[must_use]
pub(super) fn columns(tree: &SyntaxTree) -> HashMap<String, Columns> {
    let mut types = HashMap::new();
    for definition in tree.definitions.iter().filter(|d| d.section == SectionKind::Policy) {
        let Some(Value::Names(names)) = &definition.value else { continue };
        let suffix = definition.key.text.get(1..).unwrap_or_default();
        let matcher = matcher(tree, suffix);
        types.insert(definition.key.text.clone(), of_type(names, matcher));
    }
    types
}

/// The matcher of the type with `suffix`, or the unnumbered one.
fn matcher<'t>(tree: &'t SyntaxTree, suffix: &str) -> Option<&'t Expr> {
    let matchers = || tree.definitions.iter().filter(|d| d.section == SectionKind::Matchers);
    let exact = matchers().find(|d| d.key.text.get(1..) == Some(suffix));
    match &exact.or_else(|| matchers().find(|d| d.key.text == "m"))?.value {
        Some(Value::Matcher(matcher)) => Some(matcher),
        _ => None,
    }
}

fn of_type(names: &[Word], matcher: Option<&Expr>) -> Columns {
    let mut uses: HashMap<String, Use> = HashMap::new();
    let mut roles = false;
    if let Some(matcher) = matcher {
        // A relation says more about a column than an equality does, wherever it stands.
        let mut note = |name: &str, what: Use, certain: bool| {
            if certain || !uses.contains_key(name) {
                uses.insert(name.to_owned(), what);
            }
        };
        walk(matcher, &mut |expr| {
            roles |= matches!(&expr.kind, ExprKind::Call(name, ..) if name.text == "a");
            meanings(expr, &mut |operand, what, certain| {
                if let Some(name) = column(operand) {
                    note(name, what, certain);
                }
            });
        });
    }
    let columns = names
        .iter()
        .filter(|word| !(roles && word.text == "args"))
        .map(|word| {
            let usual = match word.text.as_str() {
                "eft" => Some(Use::Eft),
                "priority" => Some(Use::Value),
                _ => None,
            };
            let by_name = || match word.text.as_str() {
                "sub" => Use::Subject("g".to_owned()),
                "obj" => Use::Path,
                "act" => Use::Action,
                "args" => Use::Tuple,
                "dom" => Use::Domain,
                _ => Use::Value,
            };
            let what = usual.or_else(|| uses.remove(&word.text)).unwrap_or_else(by_name);
            (word.text.clone(), what)
        })
        .collect();
    Columns { columns }
}

/// The name after `p.`, if `expr` is a column.
pub(super) fn column(expr: &Expr) -> Option<&str> {
    match &expr.kind {
        ExprKind::Field(words) => match words.as_slice() {
            [p, name] if p.text.starts_with('p') => Some(&name.text),
            _ => None,
        },
        _ => None,
    }
}

/// The name after `r.`, if `expr` is a field of the request.
fn request(expr: &Expr) -> Option<&str> {
    match &expr.kind {
        ExprKind::Field(words) if words.len() >= 2 && words[0].text.starts_with('r') => Some(&words[1].text),
        _ => None,
    }
}

/// Calls `visit` with `expr` and everything in it.
pub(super) fn walk<'e>(expr: &'e Expr, visit: &mut impl FnMut(&'e Expr)) {
    visit(expr);
    match &expr.kind {
        ExprKind::Text(_) | ExprKind::Number(_) | ExprKind::Word(_) | ExprKind::Field(_) => {}
        ExprKind::Not(inner) => walk(inner, visit),
        ExprKind::Call(_, parts, _) | ExprKind::And(parts) | ExprKind::Or(parts) => {
            for part in parts {
                walk(part, visit);
            }
        }
        ExprKind::Compare(_, left, right) => {
            walk(left, visit);
            walk(right, visit);
        }
        ExprKind::In(left, list) => {
            walk(left, visit);
            for item in list {
                walk(item, visit);
            }
        }
    }
}

/// Calls `note` with the operands of `expr` that it gives a meaning, and whether the meaning is certain.
pub(super) fn meanings<'e>(expr: &'e Expr, note: &mut impl FnMut(&'e Expr, Use, bool)) {
    match &expr.kind {
        ExprKind::Compare(_, left, right) => {
            for (field, other) in [(left, right), (right, left)] {
                if let Some(what) = compared_with(field) {
                    note(other, what, false);
                }
            }
        }
        ExprKind::In(left, list) => {
            if let Some(what) = compared_with(left) {
                for item in list {
                    note(item, what.clone(), false);
                }
            }
        }
        ExprKind::Call(name, args, _) => call(name, args, note),
        _ => {}
    }
}

fn compared_with(field: &Expr) -> Option<Use> {
    let name = request(field)?;
    Some(match name {
        "sub" => Use::Subject("g".to_owned()),
        "obj" => Use::Path,
        "act" => Use::Action,
        "args" if matches!(&field.kind, ExprKind::Field(words) if words.len() == 2) => Use::Tuple,
        "dom" => Use::Domain,
        _ => Use::Value,
    })
}

fn call<'e>(name: &Word, args: &'e [Expr], note: &mut impl FnMut(&'e Expr, Use, bool)) {
    match name.text.as_str() {
        "eval" => args.iter().for_each(|arg| note(arg, Use::Expression, true)),
        "a" => {
            if let Some(act) = args.get(1) {
                note(act, Use::Action, true);
            }
            if let Some(tuple) = args.get(3) {
                note(tuple, Use::Tuple, true);
            }
        }
        "under" | "within" => args.iter().skip(1).for_each(|arg| note(arg, Use::Path, true)),
        graph if is_graph(graph) => {
            for (place, arg) in args.iter().enumerate() {
                let what = if place < 2 { Use::Subject(graph.to_owned()) } else { Use::Domain };
                note(arg, what, true);
            }
        }
        function => args.iter().skip(1).for_each(|arg| note(arg, Use::Pattern(function.to_owned()), true)),
    }
}

/// Whether `name` is a role relation's: `g`, `g2`, ….
pub(super) fn is_graph(name: &str) -> bool {
    name.strip_prefix('g').is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()))
}
