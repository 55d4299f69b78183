//! `BoesFS`'s layout in Casbin's: what it implies, written out.
//!
//! `file|dir` becomes a column that the matcher looks at, base names stand as base names, the operations that are judged
//! as another stand beside it, and the members of an action role stand in the rules that name it.

use boesfs_abi::op::{ArgType, Op, OpSet};
use boesfs_abi::verdict::Effect;
use boesfs_grammar::{Line, SectionKind, Span, SyntaxTree, Value};

use crate::model::{
    BaseEffect, CompareOp, Expr, Model, Node, Operand, RequestField, Rule, Scope, Tuple, ValueTest,
};

use super::MigrateError;
use super::edits::{Edits, field};

/// Operations and the tuple they are tested with.
type Action = (OpSet, Tuple);

/// What the matcher compares, as columns of the model.
#[derive(Default)]
struct Compared {
    sub: Option<(usize, bool)>,
    obj: Option<usize>,
    act: Option<usize>,
    args: Option<usize>,
    roles: bool,
}

/// How the rules are laid out.
struct Layout {
    compared: Compared,
    /// Whether there are rules of both scopes.
    scope: bool,
    args: bool,
}

/// Rewrites the text of `tree` to Casbin's layout.
pub(super) fn rewrite(
    tree: &SyntaxTree,
    model: &Model,
    edits: &mut Edits,
    notes: &mut Vec<String>,
) -> Result<(), MigrateError> {
    let types = tree.definitions.iter().filter(|found| found.section == SectionKind::Policy).count();
    if types > 1 {
        return Err(MigrateError::Refused(
            "the policy has several types of rules, of which one is in BoesFS's layout: migrate each in a file of its own"
                .to_owned(),
        ));
    }
    let compared = compared(&model.matcher);
    let actions: Vec<Vec<Action>> = model.rules.iter().map(|rule| actions(rule, &compared, model)).collect();
    let scopes = |scope| model.rules.iter().any(|rule| rule.scope == Some(scope));
    let layout = Layout {
        scope: compared.obj.is_some() && scopes(Scope::File) && scopes(Scope::Dir),
        args: compared.args.is_some() || actions.iter().flatten().any(|(_, tuple)| !tuple.is_any()),
        compared,
    };
    definitions(tree, model, &layout, edits);
    for line in &tree.lines {
        match model.rules.iter().position(|rule| rule.span == line.span) {
            Some(index) => rule_line(tree, line, &model.rules[index], &actions[index], &layout, edits),
            None => other_line(tree, line, edits),
        }
    }
    if model.rules.iter().any(|rule| asks(rule, &layout.compared).contains(Op::Symlink)) {
        notes.push(
            "BoesFS judged a symbolic link by the object it leads to as well; from now on by its own name alone"
                .to_owned(),
        );
    }
    Ok(())
}

fn compared(matcher: &Node) -> Compared {
    let mut compared = Compared::default();
    let parts = match &matcher.expr {
        Expr::And(parts) => parts.as_slice(),
        _ => std::slice::from_ref(matcher),
    };
    for part in parts {
        match &part.expr {
            Expr::Compare(CompareOp::Eq, Operand::Request(request), Operand::Field(column))
            | Expr::Compare(CompareOp::Eq, Operand::Field(column), Operand::Request(request)) => {
                match request {
                    RequestField::Sub => compared.sub = Some((*column, false)),
                    RequestField::Obj => compared.obj = Some(*column),
                    RequestField::Act => compared.act = Some(*column),
                    _ => {}
                }
            }
            Expr::Role { role: Operand::Field(column), .. }
            | Expr::Role { member: Operand::Field(column), .. } => compared.sub = Some((*column, true)),
            Expr::Args(column) => compared.args = Some(*column),
            Expr::ActionRole(column) => (compared.act, compared.roles) = (Some(*column), true),
            _ => {}
        }
    }
    compared
}

/// The operations that `rule` is about.
fn asks(rule: &Rule, compared: &Compared) -> OpSet {
    compared.act.and_then(|column| rule.fields[column].ops).unwrap_or(OpSet::ALL)
}

/// What `rule` is about, in the operations and tuples of Casbin's layout.
fn actions(rule: &Rule, compared: &Compared, model: &Model) -> Vec<Action> {
    let mut written: Vec<Action> = Vec::new();
    let roles = compared.act.filter(|_| compared.roles).map(|column| &rule.fields[column].action_roles);
    match roles.filter(|roles| !roles.is_empty()) {
        Some(roles) => {
            let members = roles.iter().flat_map(|role| &model.action_roles[*role].members);
            written.extend(members.cloned());
        }
        None => {
            let tuple = compared.args.and_then(|column| rule.fields[column].tuple.as_deref().cloned());
            written.push((asks(rule, compared), tuple.unwrap_or(Tuple(Vec::new()))));
        }
    }
    let mut actions: Vec<Action> = Vec::new();
    let mut add = |ops: OpSet, tuple: Tuple| {
        if !ops.is_empty() {
            match actions.iter_mut().find(|(_, known)| tuple.is_any() && known.is_any()) {
                Some((known, _)) => *known = known.union(ops),
                None => actions.push((ops, tuple)),
            }
        }
    };
    for (ops, tuple) in written {
        // A value that matches nothing leaves an entry that names no operation.
        if tuple.0.contains(&ValueTest::Nothing) {
            continue;
        }
        let beside = [(Op::Open, Op::Exec), (Op::Setattr, Op::Ioctl)];
        let beside = beside.iter().filter(|(asked, _)| ops.contains(*asked));
        let beside = beside.fold(OpSet::EMPTY, |set, (_, judged)| set.with(*judged));
        if tuple.is_any() {
            add(ops.union(beside), Tuple(Vec::new()));
        } else {
            // Asked without arguments, these are denied where any arguments are, and allowed where all are.
            add(ops, tuple);
            if rule.eft == Effect::Deny {
                add(beside, Tuple(Vec::new()));
            }
        }
    }
    if actions.is_empty() {
        actions.push((OpSet::EMPTY, Tuple(Vec::new())));
    }
    actions
}

fn definitions(tree: &SyntaxTree, model: &Model, layout: &Layout, edits: &mut Edits) {
    let Compared { sub, obj, act, .. } = layout.compared;
    let mut columns = vec!["p"];
    let mut tests = Vec::new();
    if let Some((_, role)) = sub {
        columns.push("sub");
        tests.push(if role { "g(r.sub, p.sub)" } else { "r.sub == p.sub" });
    }
    if obj.is_some() {
        if layout.scope {
            columns.push("scope");
        }
        columns.push("obj");
        let below = model.rules.iter().any(|rule| rule.scope == Some(Scope::Dir));
        tests.push(match (layout.scope, below) {
            (true, _) => {
                "(p.scope == \"file\" && r.obj == p.obj || p.scope == \"dir\" && under(r.obj, p.obj))"
            }
            (false, true) => "under(r.obj, p.obj)",
            (false, false) => "r.obj == p.obj",
        });
    }
    if act.is_some() {
        columns.push("act");
        tests.push("r.act == p.act");
    }
    if layout.args {
        columns.push("args");
        tests.push("r.args == p.args");
    }
    columns.push("eft");
    let effect = match model.effect.base {
        BaseEffect::SomeAllow => "some(where (p.eft == allow))",
        BaseEffect::NoDeny => "!some(where (p.eft == deny))",
        _ => "some(where (p.eft == allow)) && !some(where (p.eft == deny))",
    };
    let relations = |found: &&boesfs_grammar::Definition| found.section == SectionKind::Role;
    let only_actions = tree.definitions.iter().filter(relations).all(|definition| definition.key.text == "a");
    for definition in &tree.definitions {
        let text = match (definition.section, definition.key.text.as_str()) {
            (SectionKind::Policy, _) => format!("p = {}", columns[1..].join(", ")),
            (SectionKind::Effect, _) => format!("e = nearest({effect})"),
            (SectionKind::Matchers, _) => format!("m = {}", tests.join(" && ")),
            (SectionKind::Request, _) => match &definition.value {
                Some(Value::Names(names)) if layout.args && names.iter().all(|name| name.text != "args") => {
                    let names: Vec<&str> = names.iter().map(|name| name.text.as_str()).collect();
                    format!("r = {}, args", names.join(", "))
                }
                _ => continue,
            },
            (SectionKind::Role, "a") => String::new(),
            _ => continue,
        };
        edits.replace(definition.span, text);
    }
    for section in tree.sections.iter().filter(|section| section.kind == Some(SectionKind::Role)) {
        if only_actions {
            let span = section.span;
            edits.replace(Span { start: span.start - 1, end: span.end + 1, ..span }, "");
        }
    }
}

fn rule_line(
    tree: &SyntaxTree,
    line: &Line,
    rule: &Rule,
    actions: &[Action],
    layout: &Layout,
    edits: &mut Edits,
) {
    let abnormal = layout.compared.obj.is_some_and(|column| {
        let text = rule.fields[column].text.as_slice();
        !boesfs_abi::request::is_canonical(text)
    });
    if abnormal {
        no_rule(tree, line, edits);
        return;
    }
    let mut out: Vec<u8> = Vec::new();
    for (number, (ops, tuple)) in actions.iter().enumerate() {
        if number > 0 {
            out.push(b'\n');
            out.extend_from_slice(&annotations(tree, line, number + 1));
        }
        out.extend_from_slice(b"p, ");
        let mut cell = |text: &[u8]| {
            out.extend_from_slice(&field(text));
            out.extend_from_slice(b", ");
        };
        if let Some((column, _)) = layout.compared.sub {
            cell(base_name(&rule.fields[column].text));
        }
        if let Some(column) = layout.compared.obj {
            if layout.scope {
                cell(if rule.scope == Some(Scope::Dir) { b"dir" } else { b"file" });
            }
            cell(&rule.fields[column].text);
        }
        if layout.compared.act.is_some() {
            cell(words(*ops).as_bytes());
        }
        if layout.args {
            cell(&tuple_text(*ops, tuple));
        }
        out.extend_from_slice(if rule.eft == Effect::Deny { b"deny" } else { b"allow" });
    }
    edits.replace(line.span, out);
}

/// The annotations of `line` for the rule that is the `number`th of those it becomes.
fn annotations(tree: &SyntaxTree, line: &Line, number: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for annotation in tree.annotations(line) {
        out.extend_from_slice(if out.is_empty() { b"#@ " } else { b" " });
        out.extend_from_slice(annotation.key.text.as_bytes());
        out.push(b'=');
        if annotation.key.text == "id" {
            out.extend_from_slice(format!("{}-{number}", annotation.value.text).as_bytes());
        } else {
            out.extend_from_slice(tree.bytes(annotation.value.span));
        }
    }
    if !out.is_empty() {
        out.push(b'\n');
    }
    out
}

/// A line that is not one of the rules.
fn other_line(tree: &SyntaxTree, line: &Line, edits: &mut Edits) {
    let cells = tree.cells(line);
    match (tree.text(cells[0]).as_ref(), &cells[1..]) {
        (b"a", [_, _, ..]) => edits.replace(line.span, ""),
        (b"g", [member, role]) => {
            let (member, role) = (tree.text(*member), tree.text(*role));
            let [member, role] = [member, role].map(|text| field(base_name(&text)));
            edits.replace(line.span, [b"g, ".as_slice(), &member, b", ", &role].concat());
        }
        _ => no_rule(tree, line, edits),
    }
}

/// Makes a comment of a line that decides nothing, and of its annotations.
fn no_rule(tree: &SyntaxTree, line: &Line, edits: &mut Edits) {
    edits.insert(line.span, "# matches nothing: ");
    let bytes = &tree.sources[usize::from(line.span.file)].bytes;
    for annotation in tree.annotations(line) {
        let before = &bytes[..annotation.key.span.start as usize];
        if let Some(at) = before.windows(2).rposition(|pair| pair == b"#@") {
            let start = annotation.key.span.start - u32::try_from(before.len() - at).unwrap_or(0);
            edits.replace(Span { start, end: start + 2, ..annotation.key.span }, "# was");
        }
    }
}

fn words(ops: OpSet) -> String {
    if ops == OpSet::ALL {
        return "*".to_owned();
    }
    let names: Vec<&str> = ops.iter().filter(|op| *op != Op::Lookup2).map(Op::name).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(" ") }
}

fn tuple_text(ops: OpSet, tuple: &Tuple) -> Vec<u8> {
    if tuple.is_any() {
        return b"*".to_vec();
    }
    let signed = |index: usize| {
        ops.iter().any(|op| op.spec().args.get(index).is_some_and(|arg| matches!(arg.ty, ArgType::Signed)))
    };
    let values: Vec<Vec<u8>> = tuple
        .0
        .iter()
        .enumerate()
        .map(|(index, test)| match test {
            ValueTest::Equals(number) if signed(index) => number.cast_signed().to_string().into_bytes(),
            ValueTest::Equals(number) => number.to_string().into_bytes(),
            ValueTest::Literal(text) => text
                .iter()
                .flat_map(|byte| {
                    let special = b"*?[{\\".contains(byte);
                    special.then_some(b'\\').into_iter().chain([*byte])
                })
                .collect(),
            // BoesFS's layout has no other tests.
            _ => b"*".to_vec(),
        })
        .collect();
    [b"(".as_slice(), &values.join(b", ".as_slice()), b")"].concat()
}

fn base_name(text: &[u8]) -> &[u8] {
    text.rsplit(|byte| *byte == b'/').next().unwrap_or(text)
}
