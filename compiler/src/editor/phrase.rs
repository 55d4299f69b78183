//! What one rule says, in words: the matcher with the rule's own values in it.

use boesfs_abi::op::{OPS, OpSet};
use boesfs_abi::verdict::Effect;

use crate::model::{
    CompareOp, Expr, Field, Model, Node, Operand, PathFunction, RequestField, Rule, Scope, Tuple, ValueTest,
};

/// What `rule` of `model` says, as Markdown.
#[must_use]
pub fn rule(model: &Model, rule: &Rule) -> String {
    let verb = match rule.eft {
        Effect::Allow => "**Allows**",
        Effect::Deny => "**Denies**",
    };
    let phrase = Phrase { model, rule };
    let mut text = format!("{verb} a request where {}", phrase.node(&model.matcher, false));
    match rule.scope {
        Some(Scope::File) => text.push_str(", for the object itself"),
        Some(Scope::Dir) => text.push_str(", for everything below the directory"),
        None => {}
    }
    text.push('.');
    if rule.inert {
        text.push_str("\n\nIt matches nothing.");
    } else if !model.effect.base.looks_at(rule.eft) {
        text.push_str("\n\nThe policy's effect does not look at rules of this kind: it changes nothing.");
    }
    if let Some(reason) = &rule.annotations.reason {
        text.push_str(&format!("\n\nReason: {reason}"));
    }
    text
}

/// The operations of `ops`, as words.
#[must_use]
pub fn operations(ops: OpSet) -> String {
    if ops == OpSet::ALL {
        return "any operation".to_owned();
    }
    let words: Vec<String> =
        OPS.iter().filter(|spec| ops.contains(spec.op)).map(|spec| format!("`{}`", spec.name)).collect();
    match words.as_slice() {
        [] => "no operation".to_owned(),
        [one] => one.clone(),
        [rest @ .., last] => format!("{} or {last}", rest.join(", ")),
    }
}

struct Phrase<'m> {
    model: &'m Model,
    rule: &'m Rule,
}

impl Phrase<'_> {
    fn node(&self, node: &Node, inner: bool) -> String {
        let join = |parts: &[Node], word: &str| {
            let text = parts.iter().map(|part| self.node(part, true)).collect::<Vec<_>>().join(word);
            if inner { format!("({text})") } else { text }
        };
        match &node.expr {
            Expr::Const(true) => "anything holds".to_owned(),
            Expr::Const(false) => "nothing holds".to_owned(),
            Expr::Not(part) => format!("not {}", self.node(part, true)),
            Expr::And(parts) => join(parts, " and "),
            Expr::Or(parts) => join(parts, " or "),
            Expr::Compare(op, left, right) => self.compare(*op, left, right),
            Expr::In(left, list) => {
                let list: Vec<String> = list.iter().map(|item| self.operand(item)).collect();
                format!("{} is one of {}", self.operand(left), list.join(", "))
            }
            Expr::Role { graph, member, role, domain } => {
                let relation = self.model.roles.get(*graph).map_or("g", |graph| &graph.name);
                let mut text = format!("{} is or has the role {}", self.operand(member), self.operand(role));
                if relation != "g" {
                    text.push_str(&format!(" by `{relation}`"));
                }
                if let Some(domain) = domain {
                    text.push_str(&format!(" in {}", self.operand(domain)));
                }
                text
            }
            Expr::Path { function, pattern, .. } => {
                let pattern = self.operand(pattern);
                match function {
                    PathFunction::Under => format!("the object is strictly below {pattern}"),
                    PathFunction::Within => format!("the object is {pattern} or below it"),
                    _ => format!("the object matches {pattern}"),
                }
            }
            Expr::Args(column) => match self.field(*column).and_then(|field| field.tuple.as_deref()) {
                Some(tuple) => self.tuple(tuple),
                None => "its arguments are any".to_owned(),
            },
            Expr::ActionRole(column) => {
                format!("the operation is in the action role {}", self.operand(&Operand::Field(*column)))
            }
            Expr::Eval(column) => match self.field(*column).and_then(|field| field.eval.as_ref()) {
                Some(node) => self.node(node, inner),
                None => "the condition in the rule holds".to_owned(),
            },
        }
    }

    fn field(&self, column: usize) -> Option<&Field> {
        self.rule.fields.get(column)
    }

    fn compare(&self, op: CompareOp, left: &Operand, right: &Operand) -> String {
        let (left, right, op) = match (left, right) {
            (Operand::Request(_), _) | (_, Operand::Field(_)) => (left, right, op),
            _ => (right, left, turned(op)),
        };
        let word = match op {
            CompareOp::Eq => "is",
            CompareOp::Ne => "is not",
            CompareOp::Lt => "is below",
            CompareOp::Le => "is at most",
            CompareOp::Gt => "is above",
            CompareOp::Ge => "is at least",
        };
        let right = match (left, right) {
            (Operand::Request(RequestField::Act), Operand::Field(column)) => self.action(*column),
            (Operand::Request(RequestField::Act), Operand::Text { ops: Some(ops), .. }) => operations(*ops),
            _ => self.operand(right),
        };
        format!("{} {word} {right}", self.operand(left))
    }

    /// The operations in `column`.
    fn action(&self, column: usize) -> String {
        let Some(field) = self.field(column) else { return "nothing".to_owned() };
        let roles = field.action_roles.iter().filter_map(|role| self.model.action_roles.get(*role));
        let mut words: Vec<String> = roles.map(|role| format!("one of role `{}`", role.name)).collect();
        if let Some(ops) = field.ops
            && (!ops.is_empty() || words.is_empty())
        {
            words.push(operations(ops));
        }
        words.join(" or ")
    }

    fn operand(&self, operand: &Operand) -> String {
        match operand {
            Operand::Request(RequestField::Sub) => "the program".to_owned(),
            Operand::Request(RequestField::Obj) => "the object".to_owned(),
            Operand::Request(RequestField::Act) => "the operation".to_owned(),
            Operand::Request(RequestField::Dom) => "the sandbox's name".to_owned(),
            Operand::Request(RequestField::Uid) => "the caller's user id".to_owned(),
            Operand::Request(RequestField::Gid) => "the caller's group id".to_owned(),
            Operand::Request(RequestField::Kind) => "the object's kind".to_owned(),
            Operand::Request(RequestField::Arg(name, _)) => format!("`{name}`"),
            Operand::Field(column) => match self.field(*column) {
                Some(field) => code(&field.text),
                None => "nothing".to_owned(),
            },
            Operand::Text { text, .. } => code(text),
            Operand::Number(number) => format!("`{number}`"),
            Operand::Kind(kind) => format!("`{}`", kind.name()),
        }
    }

    /// The tests of `tuple` by the names of the arguments, where all operations of the rule agree on them.
    fn tuple(&self, tuple: &Tuple) -> String {
        let ops = self.rule.fields.iter().find_map(|field| field.ops).unwrap_or(OpSet::ALL);
        let name = |place: usize| {
            let mut names: Vec<&str> = OPS
                .iter()
                .filter(|spec| ops.contains(spec.op))
                .filter_map(|spec| spec.args.get(place).map(|arg| arg.name))
                .collect();
            names.dedup();
            match names.as_slice() {
                [one] => format!("`{one}`"),
                _ => format!("argument {}", place + 1),
            }
        };
        let tests: Vec<String> = tuple
            .0
            .iter()
            .enumerate()
            .filter_map(|(place, test)| value(test).map(|text| format!("{} {text}", name(place))))
            .collect();
        if tests.is_empty() { "its arguments are any".to_owned() } else { tests.join(" and ") }
    }
}

fn turned(op: CompareOp) -> CompareOp {
    match op {
        CompareOp::Eq | CompareOp::Ne => op,
        CompareOp::Lt => CompareOp::Gt,
        CompareOp::Le => CompareOp::Ge,
        CompareOp::Gt => CompareOp::Lt,
        CompareOp::Ge => CompareOp::Le,
    }
}

/// What `test` asks of an argument; nothing if any value will do.
fn value(test: &ValueTest) -> Option<String> {
    Some(match test {
        ValueTest::Any => return None,
        ValueTest::Equals(number) => format!("is `{number}`"),
        ValueTest::Range(low, high) => format!("is from `{low}` to `{high}`"),
        ValueTest::Compare(op, number) => {
            let word = match op {
                CompareOp::Eq => "is",
                CompareOp::Ne => "is not",
                CompareOp::Lt => "is below",
                CompareOp::Le => "is at most",
                CompareOp::Gt => "is above",
                CompareOp::Ge => "is at least",
            };
            format!("{word} `{number}`")
        }
        ValueTest::AnyBit(mask) => format!("has a bit of `{mask:#x}`"),
        ValueTest::Literal(text) => format!("is {}", code(text)),
        ValueTest::Pattern(text) => format!("matches {}", code(text)),
        ValueTest::Nothing => "is no value it can have".to_owned(),
    })
}

/// `text` as Markdown shows it unread.
pub(super) fn code(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let text = text.replace(['\n', '\r'], " ");
    if text.contains('`') { format!("`` {text} ``") } else { format!("`{text}`") }
}
