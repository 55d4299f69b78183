//! Calls in a matcher: path functions, role relations, action roles and `eval`.

use boesfs_abi::request::is_canonical;
use boesfs_grammar::{Expr as Written, ExprKind, Span, Word};

use super::super::action::{bad_action_pattern, matching};
use super::super::functions::{path_function, unknown_function};
use super::super::{CompareOp, Expr, Node, Operand, PathFunction, RequestField, Shape};
use super::{Binder, Side, Use};
use crate::diagnostic::Diagnostic;

impl Binder<'_, '_> {
    pub(super) fn call(
        &mut self,
        name: &Word,
        args: &[Written],
        semicolon: Option<usize>,
        span: Span,
    ) -> Option<Node> {
        if name.text == "a" {
            return self.action_roles(name, args, span);
        }
        if semicolon.is_some() {
            return self.fail(
                Diagnostic::error("E0404", format!("`{}` takes no `;`", name.text), span)
                    .label("only `a(…)` has two parts")
                    .help("separate the arguments with `,`"),
            );
        }
        if name.text == "eval" {
            return self.eval(args, span);
        }
        if let Some(graph) = self.names.graphs.iter().position(|graph| graph.name == name.text) {
            return self.role(graph, args, span);
        }
        let Some(function) = path_function(&name.text) else {
            let is_graph = name.text.strip_prefix('g').is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit()));
            if is_graph {
                return self.fail(
                    Diagnostic::error(
                        "E0402",
                        format!("no role relation `{}` is defined", name.text),
                        name.span,
                    )
                    .label("not defined")
                    .help(format!("add `{} = _, _` to `[role_definition]`", name.text)),
                );
            }
            return self.fail(unknown_function(name));
        };
        let [key, pattern] = args else {
            return self.fail(arity(&name.text, "a path and a pattern", 2, args.len(), span));
        };
        let (key_side, pattern_side) = (self.side(key), self.side(pattern));
        match key_side? {
            Side::Request(RequestField::Obj) => {}
            Side::Request(RequestField::Act) if function == PathFunction::RegexMatch => {
                return self.action_pattern(pattern_side?, pattern.span, span);
            }
            Side::Request(RequestField::Sub) => {
                return self.fail(
                    Diagnostic::error("E0401", "a pattern over `r.sub` cannot be compiled", key.span)
                        .label("subjects are compared by name")
                        .help("give the programs a role with `g` lines and call `g(r.sub, p.sub)`"),
                );
            }
            Side::Request(_) | Side::Args => {
                return self.fail(
                    Diagnostic::error("E0401", format!("`{}` matches `r.obj` only", name.text), key.span)
                        .label("not a path the automaton walks")
                        .help("compare an argument with `==`, or put a pattern into the rule's tuple"),
                );
            }
            Side::Column(_) | Side::Text(_) | Side::Number(_) => {
                return self.fail(
                    Diagnostic::error(
                        "E0401",
                        format!("the first argument of `{}` is `r.obj`", name.text),
                        key.span,
                    )
                    .label("not `r.obj`")
                    .help("the path comes first, the pattern second"),
                );
            }
        }
        let how = match function {
            PathFunction::Under | PathFunction::Within => Use::Directory,
            other => Use::Pattern(other),
        };
        let operand = match pattern_side? {
            Side::Column(column) => {
                self.uses.push((column, how));
                Operand::Field(column)
            }
            Side::Text(text) => {
                if how == Use::Directory && !is_canonical(&text) {
                    return self.fail(
                        Diagnostic::error(
                            "E0320",
                            format!("`{}` is not an absolute, normal path", String::from_utf8_lossy(&text)),
                            pattern.span,
                        )
                        .label("no directory has this path"),
                    );
                }
                Operand::Text { text, ops: None }
            }
            Side::Number(_) => {
                return self
                    .fail(Diagnostic::error("E0403", "a pattern is text", pattern.span).label("a number"));
            }
            Side::Request(_) | Side::Args => {
                return self.fail(
                    Diagnostic::error("E0401", "a pattern cannot come from the request", pattern.span)
                        .label("not known when the policy is compiled")
                        .help("take the pattern from a column or write it out"),
                );
            }
        };
        let pattern_span = pattern.span;
        Some(Node { expr: Expr::Path { function, pattern: operand, pattern_span }, span })
    }

    /// `regexMatch(r.act, pattern)`: the operations are known, so it is a set of them.
    fn action_pattern(&mut self, pattern: Side, at: Span, span: Span) -> Option<Node> {
        let operand = match pattern {
            Side::Column(column) => {
                self.uses.push((column, Use::ActionPattern));
                Operand::Field(column)
            }
            Side::Text(text) => match matching(&text, self.names.vocabulary) {
                Ok(ops) => Operand::Text { text, ops: Some(ops) },
                Err(reason) => return self.fail(bad_action_pattern(&reason, at)),
            },
            Side::Number(_) | Side::Request(_) | Side::Args => {
                return self.fail(Diagnostic::error("E0403", "a pattern is text", at).label("not text"));
            }
        };
        let act = Operand::Request(RequestField::Act);
        Some(Node { expr: Expr::Compare(CompareOp::Eq, act, operand), span })
    }

    fn role(&mut self, graph: usize, args: &[Written], span: Span) -> Option<Node> {
        let relation = &self.names.graphs[graph];
        let want = if relation.has_domain { 3 } else { 2 };
        if args.len() != want {
            let what = if relation.has_domain { "member, role and domain" } else { "member and role" };
            let name = relation.name.clone();
            return self.fail(arity(&name, what, want, args.len(), span));
        }
        let sides: Vec<Option<Side>> = args.iter().map(|arg| self.side(arg)).collect();
        let sides = sides.into_iter().collect::<Option<Vec<_>>>()?;
        if matches!((&sides[0], &sides[1]), (Side::Request(_), Side::Request(_))) {
            return self.fail(
                Diagnostic::error("E0401", "member and role both come from the request", span)
                    .label("one of them must be known when the policy is compiled"),
            );
        }
        let mut operands = Vec::new();
        for (side, arg) in sides.into_iter().zip(args) {
            operands.push(match side {
                Side::Request(
                    field @ (RequestField::Sub
                    | RequestField::Obj
                    | RequestField::Act
                    | RequestField::Dom
                    | RequestField::Kind),
                ) => Operand::Request(field),
                Side::Column(column) => {
                    self.uses.push((column, Use::Text));
                    Operand::Field(column)
                }
                Side::Text(text) => Operand::Text { text, ops: None },
                Side::Request(_) | Side::Args | Side::Number(_) => {
                    return self.fail(
                        Diagnostic::error("E0403", "a role relation is over text", arg.span)
                            .label("a number or a tuple"),
                    );
                }
            });
        }
        let mut operands = operands.into_iter();
        let (member, role) = (operands.next()?, operands.next()?);
        Some(Node { expr: Expr::Role { graph, member, role, domain: operands.next() }, span })
    }

    fn eval(&mut self, args: &[Written], span: Span) -> Option<Node> {
        let [arg] = args else { return self.fail(arity("eval", "a column", 1, args.len(), span)) };
        let Side::Column(column) = self.side(arg)? else {
            return self.fail(
                Diagnostic::error("E0401", "`eval` takes a column", arg.span)
                    .label("not a column")
                    .help("write the condition itself"),
            );
        };
        self.uses.push((column, Use::Eval));
        Some(Node { expr: Expr::Eval(column), span })
    }

    /// `a(r.act, p.act; r.args, p.args)`.
    fn action_roles(&mut self, name: &Word, args: &[Written], span: Span) -> Option<Node> {
        let form = "write `a(r.act, p.act; r.args, p.args)`";
        let [act, role, tuple, values] = args else {
            return self.fail(
                arity("a", "an action, its roles, a tuple and its column", 4, args.len(), span).help(form),
            );
        };
        let (act_side, role_side, tuple_side) = (self.side(act)?, self.side(role)?, self.side(tuple)?);
        match (act_side, role_side, tuple_side) {
            (Side::Request(RequestField::Act), Side::Column(column), Side::Args) => {
                self.uses.push((column, Use::ActionRole));
                let of_role = Node { expr: Expr::ActionRole(column), span };
                // `BoesFS`'s lines have no column for the tuple; others may have, and then it counts too.
                let has = |column: &str| self.names.columns.iter().any(|name| name == column);
                let has_values = matches!(&values.kind, ExprKind::Field(words)
                    if words.get(1).is_some_and(|word| has(&word.text)));
                if self.names.shape == Shape::Boesfs || !has_values {
                    return Some(of_role);
                }
                let Side::Column(values) = self.side(values)? else {
                    return self.fail(
                        Diagnostic::error("E0404", "`a` compares `r.args` with a column", values.span)
                            .label("not a column")
                            .help(form),
                    );
                };
                self.uses.push((values, Use::Tuple));
                let of_line = Node { expr: Expr::Args(values), span };
                Some(Node { expr: Expr::And(vec![of_role, of_line]), span })
            }
            _ => self.fail(
                Diagnostic::error(
                    "E0404",
                    "`a` relates `r.act` and `r.args` with a column",
                    name.span.to(span),
                )
                .label("not the form of `a`")
                .help(form),
            ),
        }
    }
}

fn arity(name: &str, what: &str, want: usize, have: usize, span: Span) -> Diagnostic {
    Diagnostic::error("E0404", format!("`{name}` takes {what}, {want} arguments; here are {have}"), span)
        .label(format!("expected {want} arguments"))
}
