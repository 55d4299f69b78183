//! A matcher as written to [`Node`]: names bound, sides typed, and each use of a column noted, since a column's type
//! follows from its use.

mod calls;

use boesfs_abi::op::{ArgType, OPS};
use boesfs_abi::request::{Kind, is_canonical, parse_number};
use boesfs_grammar::{Comparison, Expr as Written, ExprKind, Span, Word};

use super::action::{action, has_tuple, known_words};
use super::functions::{path_function, unknown_function};
use super::opaque::Vocabulary;
use super::tuple::octal_or_decimal;
use super::{ActionRole, CompareOp, Expr, Node, Operand, PathFunction, RequestField, RoleGraph, Shape};
use crate::diagnostic::{Diagnostic, suggestion};

/// What a matcher may speak of.
pub(super) struct Names<'a> {
    /// What may stand before the dot of a request field.
    pub(super) request_keys: Vec<&'a str>,
    /// What may stand before the dot of a column.
    pub(super) policy_keys: Vec<&'a str>,
    /// The fields the request definition picks, and where.
    pub(super) request: &'a [Word],
    /// The columns of the policy definition, `eft` and `priority` among them.
    pub(super) policy: &'a [Word],
    /// The columns of the model.
    pub(super) columns: &'a [String],
    /// The role relations.
    pub(super) graphs: &'a [RoleGraph],
    /// The action roles.
    pub(super) action_roles: &'a [ActionRole],
    /// The policy's layout.
    pub(super) shape: Shape,
    /// What an action may hold; if any word, an object may be one too.
    pub(super) vocabulary: Vocabulary<'a>,
}

/// How a matcher uses a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// Compared with `r.sub`.
    Subject,
    /// Compared with `r.obj`.
    Path,
    /// The directory of `under` or `within`.
    Directory,
    /// The pattern of this function.
    Pattern(PathFunction),
    /// Compared with `r.act`: a set of operations.
    Action,
    /// The pattern of `regexMatch(r.act, …)`: a set of operations too.
    ActionPattern,
    /// The roles of `a(…)`.
    ActionRole,
    /// Compared with `r.args`.
    Tuple,
    /// Compared with a number of this type.
    Number(ArgType),
    /// Compared with a path argument.
    PathText,
    /// Compared with `r.kind`.
    Kind,
    /// Compared as text, or a node of a role relation.
    Text,
    /// The expression of `eval`.
    Eval,
}

/// A matcher that was bound, and what it asks of the columns.
pub(super) struct Bound {
    /// The matcher.
    pub(super) node: Node,
    /// The uses, by column.
    pub(super) uses: Vec<(usize, Use)>,
}

/// Binds `written`. Findings go to `out`; there is no matcher if there were errors.
pub(super) fn bind(written: &Written, names: &Names<'_>, out: &mut Vec<Diagnostic>) -> Option<Bound> {
    let mut binder = Binder { names, out, uses: Vec::new(), failed: false };
    let node = binder.condition(written);
    let Binder { uses, failed, .. } = binder;
    match node {
        Some(node) if !failed => Some(Bound { node, uses }),
        _ => None,
    }
}

struct Binder<'a, 'b> {
    names: &'a Names<'b>,
    out: &'a mut Vec<Diagnostic>,
    uses: Vec<(usize, Use)>,
    failed: bool,
}

/// One side of a comparison, before the other side gives it a type.
#[derive(Clone, Debug)]
enum Side {
    Request(RequestField),
    Args,
    Column(usize),
    Text(Vec<u8>),
    Number(String),
}

impl Binder<'_, '_> {
    fn fail<T>(&mut self, diagnostic: Diagnostic) -> Option<T> {
        self.out.push(diagnostic);
        self.failed = true;
        None
    }

    fn condition(&mut self, written: &Written) -> Option<Node> {
        let span = written.span;
        let expr = match &written.kind {
            ExprKind::And(parts) => Expr::And(self.conditions(parts)?),
            ExprKind::Or(parts) => Expr::Or(self.conditions(parts)?),
            ExprKind::Not(inner) => Expr::Not(Box::new(self.condition(inner)?)),
            ExprKind::Word(word) if word == "true" => Expr::Const(true),
            ExprKind::Word(word) if word == "false" => Expr::Const(false),
            ExprKind::Compare(op, left, right) => return self.compare(*op, left, right, span),
            ExprKind::In(left, items) => return self.membership(left, items, span),
            ExprKind::Call(name, args, semicolon) => return self.call(name, args, *semicolon, span),
            ExprKind::Word(word) => return self.bare_word(word, span),
            ExprKind::Text(_) | ExprKind::Number(_) | ExprKind::Field(_) => {
                return self.fail(
                    Diagnostic::error("E0403", "a value stands where a condition should", span)
                        .label("neither true nor false")
                        .help("compare it, for example with `==`"),
                );
            }
        };
        Some(Node { expr, span })
    }

    /// All of them are bound, so that each error is reported, even if one fails.
    fn conditions(&mut self, parts: &[Written]) -> Option<Vec<Node>> {
        let nodes: Vec<Option<Node>> = parts.iter().map(|part| self.condition(part)).collect();
        nodes.into_iter().collect()
    }

    fn bare_word<T>(&mut self, word: &str, span: Span) -> Option<T> {
        self.fail(
            Diagnostic::error("E0403", format!("`{word}` is not a value"), span)
                .label("a bare word")
                .help(format!("write `\"{word}\"` for the text, `r.{word}` or `p.{word}` for a field")),
        )
    }

    fn side(&mut self, written: &Written) -> Option<Side> {
        match &written.kind {
            ExprKind::Text(text) => Some(Side::Text(text.clone())),
            ExprKind::Number(number) => Some(Side::Number(number.clone())),
            ExprKind::Field(words) => self.field(words, written.span),
            ExprKind::Word(word) => self.bare_word(word, written.span),
            ExprKind::Call(name, ..) => match path_function(&name.text) {
                None if !self.is_relation(&name.text) => self.fail(unknown_function(name)),
                _ => self.not_a_value(written.span),
            },
            ExprKind::Not(_)
            | ExprKind::And(_)
            | ExprKind::Or(_)
            | ExprKind::Compare(..)
            | ExprKind::In(..) => self.not_a_value(written.span),
        }
    }

    fn not_a_value<T>(&mut self, span: Span) -> Option<T> {
        self.fail(
            Diagnostic::error("E0403", "a condition stands where a value should", span)
                .label("true or false, not a value")
                .help("`!` binds tighter than `==`: write `!(x == y)` or `x != y`"),
        )
    }

    fn is_relation(&self, name: &str) -> bool {
        name == "a" || name == "eval" || self.names.graphs.iter().any(|graph| graph.name == name)
    }

    fn field(&mut self, words: &[Word], span: Span) -> Option<Side> {
        let [key, name, rest @ ..] = words else { return self.bare_word("", span) };
        if self.names.request_keys.contains(&key.text.as_str()) {
            return self.request_field(name, rest, span);
        }
        if self.names.policy_keys.contains(&key.text.as_str()) {
            return self.column(key, name, rest, span);
        }
        let keys: Vec<&str> =
            self.names.request_keys.iter().chain(&self.names.policy_keys).copied().collect();
        self.fail(
            Diagnostic::error("E0203", format!("unknown name `{}`", key.text), key.span)
                .label("neither the request nor the policy of this matcher")
                .help(format!("fields begin with `{}.`", keys.join(".` or `"))),
        )
    }

    fn request_field(&mut self, name: &Word, rest: &[Word], span: Span) -> Option<Side> {
        if !self.names.request.iter().any(|field| field.text == name.text) {
            let known: Vec<&str> = self.names.request.iter().map(|field| field.text.as_str()).collect();
            let mut diagnostic =
                Diagnostic::error("E0203", format!("the request has no field `{}`", name.text), name.span)
                    .label("not in the request definition")
                    .maybe_meant(suggestion(&name.text, known, "its fields"));
            if let (Some(first), Some(last)) = (self.names.request.first(), self.names.request.last()) {
                diagnostic = diagnostic.secondary(first.span.to(last.span), "the request is defined here");
            }
            return self.fail(diagnostic);
        }
        let field = match (name.text.as_str(), rest) {
            ("args", []) => return Some(Side::Args),
            ("args", [arg]) => {
                let known = OPS.iter().flat_map(|spec| spec.args);
                match known.clone().find(|spec| spec.name == arg.text) {
                    Some(spec) => RequestField::Arg(spec.name, spec.ty),
                    None => {
                        let mut names: Vec<&str> = known.map(|spec| spec.name).collect();
                        names.sort_unstable();
                        names.dedup();
                        return self.fail(
                            Diagnostic::error(
                                "E0203",
                                format!("no operation has an argument `{}`", arg.text),
                                arg.span,
                            )
                            .label("not an argument")
                            .maybe_meant(suggestion(
                                &arg.text,
                                names,
                                "the arguments",
                            )),
                        );
                    }
                }
            }
            ("sub", []) => RequestField::Sub,
            ("obj", []) => RequestField::Obj,
            ("act", []) => RequestField::Act,
            ("dom", []) => RequestField::Dom,
            ("uid", []) => RequestField::Uid,
            ("gid", []) => RequestField::Gid,
            ("kind", []) => RequestField::Kind,
            (_, [attribute, ..]) => {
                return self.fail(
                    Diagnostic::error(
                        "E0401",
                        format!("nobody supplies the attribute `{}` of `{}`", attribute.text, name.text),
                        span,
                    )
                    .label("not in the kernel's request")
                    .help("a request has sub, dom, obj, act, args, uid, gid and kind; give the subject a role with `g` instead"),
                );
            }
            // The definition holds it, so it has been reported as a field that does not exist.
            (_, []) => {
                self.failed = true;
                return None;
            }
        };
        Some(Side::Request(field))
    }

    fn column(&mut self, key: &Word, name: &Word, rest: &[Word], span: Span) -> Option<Side> {
        if let [attribute, ..] = rest {
            return self.fail(
                Diagnostic::error("E0401", format!("a column has no attribute `{}`", attribute.text), span)
                    .label("columns are text"),
            );
        }
        if let Some(index) = self.names.columns.iter().position(|column| *column == name.text) {
            return Some(Side::Column(index));
        }
        if self.names.policy.iter().any(|column| column.text == name.text) {
            return self.fail(
                Diagnostic::error(
                    "E0203",
                    format!("`{}.{}` has no place in a matcher", key.text, name.text),
                    span,
                )
                .label(if name.text == "args" {
                    "the lines have no such column under `a(…)`"
                } else {
                    "it belongs to the effect"
                }),
            );
        }
        let known: Vec<&str> = self.names.columns.iter().map(String::as_str).collect();
        let mut diagnostic =
            Diagnostic::error("E0203", format!("the policy has no column `{}`", name.text), name.span)
                .label("not in the policy definition")
                .maybe_meant(suggestion(&name.text, known, "its columns"));
        if let (Some(first), Some(last)) = (self.names.policy.first(), self.names.policy.last()) {
            diagnostic = diagnostic.secondary(first.span.to(last.span), "the columns are defined here");
        }
        self.fail(diagnostic)
    }

    fn compare(&mut self, op: Comparison, left: &Written, right: &Written, span: Span) -> Option<Node> {
        let (first, second) = (self.side(left), self.side(right));
        let (first, second) = (first?, second?);
        let op = compare_op(op);
        let expr = match (first, second) {
            (Side::Request(_) | Side::Args, Side::Request(_) | Side::Args) => {
                return self.fail(
                    Diagnostic::error(
                        "E0401",
                        "two fields of the request cannot be compared with each other",
                        span,
                    )
                    .label("neither side is known when the policy is compiled")
                    .help("compare each with a column or a literal"),
                );
            }
            (Side::Args, other) => self.args(op, other, right.span, span)?,
            (other, Side::Args) => self.args(op, other, left.span, span)?,
            (Side::Request(field), other) => self.typed(op, field, other, right.span, span)?,
            (other, Side::Request(field)) => self.typed(flipped(op), field, other, left.span, span)?,
            (a, b) => self.constant(op, (a, left.span), (b, right.span), span)?,
        };
        Some(Node { expr, span })
    }

    fn membership(&mut self, left: &Written, items: &[Written], span: Span) -> Option<Node> {
        let first = self.side(left);
        let sides: Vec<Option<Side>> = items.iter().map(|item| self.side(item)).collect();
        let first = first?;
        let sides = sides.into_iter().collect::<Option<Vec<_>>>()?;
        let mut operands = Vec::new();
        match first {
            Side::Request(field) => {
                for (side, item) in sides.into_iter().zip(items) {
                    if matches!(side, Side::Request(_) | Side::Args) {
                        return self.fail(
                            Diagnostic::error(
                                "E0401",
                                "a field of the request cannot stand in the list",
                                item.span,
                            )
                            .label("not known when the policy is compiled"),
                        );
                    }
                    operands.push(self.operand(&field, side, item.span)?);
                }
                Some(Node { expr: Expr::In(Operand::Request(field), operands), span })
            }
            Side::Args => {
                let mut nodes = Vec::new();
                for (side, item) in sides.into_iter().zip(items) {
                    nodes.push(Node {
                        expr: self.args(CompareOp::Eq, side, item.span, span)?,
                        span: item.span,
                    });
                }
                Some(Node { expr: Expr::Or(nodes), span })
            }
            first => {
                let mut nodes = Vec::new();
                for (side, item) in sides.into_iter().zip(items) {
                    let expr = match side {
                        Side::Request(field) => {
                            self.typed(CompareOp::Eq, field, first.clone(), left.span, span)?
                        }
                        Side::Args => self.args(CompareOp::Eq, first.clone(), left.span, span)?,
                        side => {
                            self.constant(CompareOp::Eq, (first.clone(), left.span), (side, item.span), span)?
                        }
                    };
                    nodes.push(Node { expr, span: item.span });
                }
                Some(Node { expr: Expr::Or(nodes), span })
            }
        }
    }

    /// `r.args` compared with `other`.
    fn args(&mut self, op: CompareOp, other: Side, at: Span, span: Span) -> Option<Expr> {
        let Side::Column(column) = other else {
            return self.fail(
                Diagnostic::error("E0403", "`r.args` is compared with a column", at)
                    .label("not a column")
                    .help("compare one argument, such as `r.args.len`, with a literal"),
            );
        };
        self.uses.push((column, Use::Tuple));
        match op {
            CompareOp::Eq => Some(Expr::Args(column)),
            CompareOp::Ne => Some(Expr::Not(Box::new(Node { expr: Expr::Args(column), span }))),
            CompareOp::Lt | CompareOp::Le | CompareOp::Gt | CompareOp::Ge => {
                self.fail(only_numbers(op, span))
            }
        }
    }

    /// `field op other`, the type following from the field.
    fn typed(
        &mut self,
        op: CompareOp,
        field: RequestField,
        other: Side,
        at: Span,
        span: Span,
    ) -> Option<Expr> {
        let numeric = matches!(
            field,
            RequestField::Uid | RequestField::Gid | RequestField::Arg(_, ArgType::Unsigned | ArgType::Signed)
        );
        if !numeric && !matches!(op, CompareOp::Eq | CompareOp::Ne) {
            return self.fail(only_numbers(op, span));
        }
        let operand = self.operand(&field, other, at)?;
        Some(Expr::Compare(op, Operand::Request(field), operand))
    }

    /// `other` as something `field` can be compared with.
    fn operand(&mut self, field: &RequestField, other: Side, at: Span) -> Option<Operand> {
        let (number, how) = match field {
            RequestField::Sub => (None, Use::Subject),
            RequestField::Obj => (None, Use::Path),
            RequestField::Act => (None, Use::Action),
            RequestField::Dom | RequestField::Arg(_, ArgType::Text) => (None, Use::Text),
            RequestField::Kind => (None, Use::Kind),
            RequestField::Arg(_, ArgType::Path) => (None, Use::PathText),
            RequestField::Uid | RequestField::Gid => {
                (Some(ArgType::Unsigned), Use::Number(ArgType::Unsigned))
            }
            RequestField::Arg(_, ty) => (Some(*ty), Use::Number(*ty)),
        };
        if let Side::Number(text) = &other
            && let Some(wrong) = octal_or_decimal(text, at)
        {
            return self.fail(wrong);
        }
        match (other, number) {
            (Side::Column(column), _) => {
                self.uses.push((column, how));
                Some(Operand::Field(column))
            }
            (Side::Number(text), Some(ty)) => match parse_number(&text, ty) {
                Some(number) => Some(Operand::Number(number)),
                None => self.fail(
                    Diagnostic::error("E0311", format!("`{text}` is not a number this field can have"), at)
                        .label(match ty {
                            ArgType::Signed => "expected a signed 64-bit number",
                            _ => "expected an unsigned 64-bit number",
                        }),
                ),
            },
            (Side::Number(text), None) => self.fail(
                Diagnostic::error("E0403", "text cannot be compared with a number", at)
                    .label("a number")
                    .help(format!("write `\"{text}\"`")),
            ),
            (Side::Text(_), Some(_)) => self.fail(
                Diagnostic::error("E0403", "a number cannot be compared with text", at)
                    .label("text")
                    .help("write the number without quotes"),
            ),
            (Side::Text(text), None) => self.literal(field, text, at),
            (Side::Request(_) | Side::Args, _) => None,
        }
    }

    fn literal(&mut self, field: &RequestField, text: Vec<u8>, at: Span) -> Option<Operand> {
        let shown = String::from_utf8_lossy(&text).into_owned();
        match field {
            RequestField::Obj if self.names.vocabulary.open => Some(Operand::Text { text, ops: None }),
            RequestField::Obj | RequestField::Arg(_, ArgType::Path) if !is_canonical(&text) => self.fail(
                Diagnostic::error("E0320", format!("`{shown}` is not an absolute, normal path"), at)
                    .label("matches no path")
                    .help("compare with a path from `/` on, or match a pattern with `pathMatch`"),
            ),
            RequestField::Kind => match Kind::from_name(&shown) {
                Some(kind) => Some(Operand::Kind(kind)),
                None => self.fail(
                    Diagnostic::error("E0317", format!("unknown kind `{shown}`"), at)
                        .label("not a kind of object")
                        .maybe_meant(suggestion(&shown, Kind::ALL.map(Kind::name), "the kinds")),
                ),
            },
            RequestField::Act => {
                let roles = self.names.action_roles;
                // A literal holds words separated by blanks in either shape: `BoesFS` has none in its matchers.
                let meaning = action(&text, Shape::Casbin, roles, self.names.vocabulary);
                if let Some((_, word)) = meaning.unknown.first() {
                    return self.fail(
                        Diagnostic::error("E0301", format!("unknown operation `{word}`"), at)
                            .label("not an operation")
                            .maybe_meant(suggestion(
                                word,
                                known_words(Shape::Casbin, roles),
                                "the operations",
                            )),
                    );
                }
                if let Some(role) = meaning.roles.iter().find(|role| has_tuple(&roles[**role])) {
                    let name = &roles[*role].name;
                    return self.fail(
                        Diagnostic::error("E0407", format!("the action role `{name}` has tuples"), at)
                            .secondary(roles[*role].span, "defined here")
                            .help("name it in a column and call `a(r.act, p.act; r.args, p.args)`"),
                    );
                }
                Some(Operand::Text { text, ops: Some(meaning.ops) })
            }
            _ => Some(Operand::Text { text, ops: None }),
        }
    }

    /// A comparison without a request's field: a constant of each rule.
    fn constant(
        &mut self,
        op: CompareOp,
        (left, left_at): (Side, Span),
        (right, right_at): (Side, Span),
        span: Span,
    ) -> Option<Expr> {
        let numeric = matches!(left, Side::Number(_)) || matches!(right, Side::Number(_));
        let ordered = !matches!(op, CompareOp::Eq | CompareOp::Ne);
        let mut operand = |side: Side, at: Span| match side {
            Side::Column(column) => {
                self.uses.push((
                    column,
                    if numeric || ordered { Use::Number(ArgType::Unsigned) } else { Use::Text },
                ));
                Some(Operand::Field(column))
            }
            Side::Number(text) => match parse_number(&text, ArgType::Unsigned) {
                Some(number) => match octal_or_decimal(&text, at) {
                    Some(wrong) => self.fail(wrong),
                    None => Some(Operand::Number(number)),
                },
                None => self.fail(
                    Diagnostic::error("E0311", format!("`{text}` is not an unsigned 64-bit number"), at)
                        .label("expected a number from 0 on"),
                ),
            },
            Side::Text(text) if !numeric && !ordered => Some(Operand::Text { text, ops: None }),
            Side::Text(_) if numeric => self
                .fail(Diagnostic::error("E0403", "a number cannot be compared with text", at).label("text")),
            Side::Text(_) => self.fail(only_numbers(op, span)),
            Side::Request(_) | Side::Args => None,
        };
        let left = operand(left, left_at);
        let right = operand(right, right_at);
        Some(Expr::Compare(op, left?, right?))
    }
}

fn only_numbers(op: CompareOp, span: Span) -> Diagnostic {
    let sign = match op {
        CompareOp::Eq => "==",
        CompareOp::Ne => "!=",
        CompareOp::Lt => "<",
        CompareOp::Le => "<=",
        CompareOp::Gt => ">",
        CompareOp::Ge => ">=",
    };
    Diagnostic::error("E0403", format!("`{sign}` is for numbers"), span)
        .label("not numbers")
        .help("compare with `==` or `!=`")
}

fn compare_op(op: Comparison) -> CompareOp {
    match op {
        Comparison::Eq => CompareOp::Eq,
        Comparison::Ne => CompareOp::Ne,
        Comparison::Lt => CompareOp::Lt,
        Comparison::Le => CompareOp::Le,
        Comparison::Gt => CompareOp::Gt,
        Comparison::Ge => CompareOp::Ge,
    }
}

/// The operator that says the same with its sides exchanged.
fn flipped(op: CompareOp) -> CompareOp {
    match op {
        CompareOp::Eq => CompareOp::Eq,
        CompareOp::Ne => CompareOp::Ne,
        CompareOp::Lt => CompareOp::Gt,
        CompareOp::Le => CompareOp::Ge,
        CompareOp::Gt => CompareOp::Lt,
        CompareOp::Ge => CompareOp::Le,
    }
}
