//! The matcher over one rule and one request. `None` stands for "depends on what is unknown".

use boesfs_abi::op::{ArgType, Op, OpSet};
use boesfs_abi::request::{ArgValue, Kind};

use crate::model::{CompareOp, Expr, Node, Operand, RequestField, Rule, Tuple, ValueTest};

use super::value::{Check, compares, passes};
use super::{Question, Reference};

/// Whether all of `parts` hold.
pub(super) fn all(parts: impl IntoIterator<Item = Option<bool>>) -> Option<bool> {
    parts
        .into_iter()
        .try_fold(Some(true), |sum, part| match part {
            Some(false) => Err(()),
            Some(true) => Ok(sum),
            None => Ok(None),
        })
        .unwrap_or(Some(false))
}

/// Whether any of `parts` holds.
pub(super) fn any(parts: impl IntoIterator<Item = Option<bool>>) -> Option<bool> {
    all(parts.into_iter().map(|part| part.map(|part| !part))).map(|none| !none)
}

/// A value of the request that may be unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Slot {
    /// The argument at this place.
    Arg(usize),
    Uid,
    Gid,
    Kind,
}

impl Question<'_> {
    /// The value in `slot`, as a number or bytes.
    pub(super) fn value(&self, slot: Slot) -> ArgValue {
        let number = |id: Option<u32>| id.map_or(ArgValue::Unknown, |id| ArgValue::Number(id.into()));
        match slot {
            Slot::Arg(place) => self.args[place].clone(),
            Slot::Uid => number(self.uid),
            Slot::Gid => number(self.gid),
            Slot::Kind => number(self.kind.map(|kind| kind as u32)),
        }
    }

    /// How the values in `slot` are typed.
    pub(super) fn slot_type(&self, slot: Slot) -> ArgType {
        match slot {
            Slot::Arg(place) => self.op.spec().args[place].ty,
            Slot::Uid | Slot::Gid | Slot::Kind => ArgType::Unsigned,
        }
    }
}

impl<'m> Reference<'m> {
    /// Whether `node` holds of `rule` and the request.
    pub(super) fn holds(&self, node: &Node, rule: usize, question: &Question<'_>) -> Option<bool> {
        match &node.expr {
            Expr::Const(value) => Some(*value),
            Expr::Not(inner) => self.holds(inner, rule, question).map(|held| !held),
            Expr::And(parts) => all(parts.iter().map(|part| self.holds(part, rule, question))),
            Expr::Or(parts) => any(parts.iter().map(|part| self.holds(part, rule, question))),
            Expr::Eval(column) => self.model.rules[rule].fields[*column]
                .eval
                .as_ref()
                .map_or(Some(false), |inner| self.holds(inner, rule, question)),
            Expr::Compare(op, left, right) => match (left, right) {
                (Operand::Request(field), operand) => self.compare(*op, field, operand, rule, question),
                (operand, Operand::Request(field)) => {
                    self.compare(mirrored(*op), field, operand, rule, question)
                }
                (left, right) => Some(constants_compare(*op, left, right, &self.model.rules[rule])),
            },
            Expr::In(Operand::Request(field), list) => {
                any(list.iter().map(|operand| self.compare(CompareOp::Eq, field, operand, rule, question)))
            }
            Expr::In(operand, list) => Some(
                list.iter()
                    .any(|other| constants_compare(CompareOp::Eq, operand, other, &self.model.rules[rule])),
            ),
            Expr::Path { function, pattern, .. } => {
                let text = text_of(pattern, &self.model.rules[rule]).unwrap_or_default();
                let pattern = self.patterns.get(function).and_then(|known| known.get(text));
                Some(pattern.is_some_and(|pattern| pattern.matches(question.obj)))
            }
            Expr::Args(column) => match &self.model.rules[rule].fields[*column].tuple {
                Some(tuple) => tuple_holds(tuple, question),
                None => Some(true),
            },
            Expr::ActionRole(column) => self.action(*column, rule, question),
            Expr::Role { graph, member, role, domain } => {
                self.role(*graph, member, role, domain.as_ref(), rule, question)
            }
        }
    }

    /// Whether `r.FIELD op operand`.
    pub(super) fn compare(
        &self,
        op: CompareOp,
        field: &RequestField,
        operand: &Operand,
        rule: usize,
        question: &Question<'_>,
    ) -> Option<bool> {
        let rule_line = &self.model.rules[rule];
        let equal = match field {
            RequestField::Uid | RequestField::Gid | RequestField::Kind | RequestField::Arg(..) => {
                let Some((slot, test)) = value_test(op, field, operand, rule_line, question.op) else {
                    return Some(false);
                };
                return test.passes(&question.value(slot), question.slot_type(slot));
            }
            RequestField::Sub => {
                let text = text_of(operand, rule_line);
                Some(text.is_some_and(|text| self.programs.is_program(text, question.sub)))
            }
            RequestField::Obj => Some(text_of(operand, rule_line) == Some(question.obj)),
            RequestField::Dom => Some(question.dom.is_some() && text_of(operand, rule_line) == question.dom),
            RequestField::Act => match operand {
                Operand::Field(column) => self.action(*column, rule, question),
                Operand::Text { ops, .. } => Some(names(ops.unwrap_or_default(), question.op)),
                Operand::Request(_) | Operand::Number(_) | Operand::Kind(_) => Some(false),
            },
        };
        match op {
            CompareOp::Eq => equal,
            CompareOp::Ne => equal.map(|equal| !equal),
            CompareOp::Lt | CompareOp::Le | CompareOp::Gt | CompareOp::Ge => Some(false),
        }
    }

    /// Whether the operation is among those that the column names, or one that its roles hold with this tuple.
    fn action(&self, column: usize, rule: usize, question: &Question<'_>) -> Option<bool> {
        let field = &self.model.rules[rule].fields[column];
        let by_name = Some(names(field.ops.unwrap_or_default(), question.op));
        let members = field.action_roles.iter().flat_map(|role| &self.model.action_roles[*role].members);
        any([by_name].into_iter().chain(members.map(|(ops, tuple)| {
            if names(*ops, question.op) { tuple_holds(tuple, question) } else { Some(false) }
        })))
    }

    fn role(
        &self,
        graph: usize,
        member: &Operand,
        role: &Operand,
        domain: Option<&Operand>,
        rule: usize,
        question: &Question<'_>,
    ) -> Option<bool> {
        let rule_line = &self.model.rules[rule];
        let domain = match domain {
            Some(Operand::Request(RequestField::Dom)) => question.dom,
            Some(operand) => text_of(operand, rule_line),
            None => None,
        };
        let is_sub = |operand: &Operand| *operand == Operand::Request(RequestField::Sub);
        if let (true, Some(text)) = (is_sub(member), text_of(role, rule_line)) {
            return Some(self.programs.has_role(graph, question.sub, text, domain));
        }
        if let (true, Some(text)) = (is_sub(role), text_of(member, rule_line)) {
            return Some(self.programs.is_role_of(graph, question.sub, text, domain));
        }
        let members = self.texts(member, rule_line, question)?;
        let roles = self.texts(role, rule_line, question)?;
        Some(
            members
                .iter()
                .any(|member| roles.iter().any(|role| self.programs.reaches(graph, member, role, domain))),
        )
    }

    /// The nodes of a role graph that `operand` is; `None` if its value is unknown.
    pub(super) fn texts(
        &self,
        operand: &Operand,
        rule: &Rule,
        question: &Question<'_>,
    ) -> Option<Vec<Vec<u8>>> {
        let Operand::Request(field) = operand else {
            return Some(text_of(operand, rule).map(<[u8]>::to_vec).into_iter().collect());
        };
        let slot = match field {
            RequestField::Sub => return Some(vec![question.sub.to_vec()]),
            RequestField::Obj => return Some(vec![question.obj.to_vec()]),
            RequestField::Dom => return Some(question.dom.map(<[u8]>::to_vec).into_iter().collect()),
            RequestField::Act => {
                let alias = (question.op == Op::Lookup).then_some(Op::Lookup2);
                let ops = [question.op].into_iter().chain(alias);
                return Some(ops.map(|op| self.model.op_name(op).as_bytes().to_vec()).collect());
            }
            RequestField::Kind => {
                return question.kind.map(|kind| vec![kind.name().as_bytes().to_vec()]);
            }
            RequestField::Uid => Slot::Uid,
            RequestField::Gid => Slot::Gid,
            RequestField::Arg(..) => match field.arg_index(question.op) {
                Some(place) => Slot::Arg(place),
                None => return Some(Vec::new()),
            },
        };
        match question.value(slot) {
            ArgValue::Unknown => None,
            ArgValue::Absent => Some(Vec::new()),
            ArgValue::Bytes(bytes) => Some(vec![bytes]),
            ArgValue::Number(number) => Some(vec![match question.slot_type(slot) {
                ArgType::Signed => number.cast_signed().to_string().into_bytes(),
                ArgType::Unsigned | ArgType::Path | ArgType::Text => number.to_string().into_bytes(),
            }]),
        }
    }
}

/// The test that `r.FIELD op operand` makes of one value; `None` if the operation has no such argument.
pub(super) fn value_test(
    op: CompareOp,
    field: &RequestField,
    operand: &Operand,
    rule: &Rule,
    asked: Op,
) -> Option<(Slot, Check)> {
    let (slot, ty) = match field {
        RequestField::Uid => (Slot::Uid, ArgType::Unsigned),
        RequestField::Gid => (Slot::Gid, ArgType::Unsigned),
        RequestField::Arg(_, ty) => (Slot::Arg(field.arg_index(asked)?), *ty),
        RequestField::Kind => {
            let kind = match operand {
                Operand::Kind(kind) => Some(*kind),
                _ => text_of(operand, rule).and_then(kind_of),
            };
            let test = kind.map_or(ValueTest::Nothing, |kind| ValueTest::Equals(kind as u64));
            return Some((Slot::Kind, Check { test, differs: op == CompareOp::Ne }));
        }
        RequestField::Sub | RequestField::Obj | RequestField::Act | RequestField::Dom => return None,
    };
    Some((slot, Check::comparison(op, operand, rule, ty)))
}

fn kind_of(text: &[u8]) -> Option<Kind> {
    std::str::from_utf8(text).ok().and_then(Kind::from_name)
}

/// Whether `ops` names `op`, for which `lookup2` is another name of `lookup`.
fn names(ops: OpSet, op: Op) -> bool {
    ops.iter().any(|named| named.decided_as() == op)
}

fn tuple_holds(tuple: &Tuple, question: &Question<'_>) -> Option<bool> {
    all(tuple.0.iter().enumerate().map(|(place, test)| match question.op.spec().args.get(place) {
        Some(spec) => passes(test, &question.args[place], spec.ty),
        None => Some(*test == ValueTest::Any),
    }))
}

pub(super) fn mirrored(op: CompareOp) -> CompareOp {
    match op {
        CompareOp::Eq | CompareOp::Ne => op,
        CompareOp::Lt => CompareOp::Gt,
        CompareOp::Le => CompareOp::Ge,
        CompareOp::Gt => CompareOp::Lt,
        CompareOp::Ge => CompareOp::Le,
    }
}

/// The text of a field or a literal.
pub(super) fn text_of<'a>(operand: &'a Operand, rule: &'a Rule) -> Option<&'a [u8]> {
    match operand {
        Operand::Field(column) => Some(&rule.fields[*column].text),
        Operand::Text { text, .. } => Some(text),
        Operand::Kind(kind) => Some(kind.name().as_bytes()),
        Operand::Request(_) | Operand::Number(_) => None,
    }
}

/// Two values that the rule fixes: texts by equality, numbers by order.
fn constants_compare(op: CompareOp, left: &Operand, right: &Operand, rule: &Rule) -> bool {
    let numeric = matches!(left, Operand::Number(_))
        || matches!(right, Operand::Number(_))
        || !matches!(op, CompareOp::Eq | CompareOp::Ne);
    if numeric {
        match (constant_number(left, rule), constant_number(right, rule)) {
            (Some(left), Some(right)) => compares(op, &left, &right),
            _ => false,
        }
    } else {
        match (text_of(left, rule), text_of(right, rule)) {
            (Some(left), Some(right)) => compares(op, left, right),
            _ => false,
        }
    }
}

/// A number the rule fixes; literals are two's complement.
fn constant_number(operand: &Operand, rule: &Rule) -> Option<i128> {
    use boesfs_abi::request::parse_number;
    match operand {
        Operand::Number(number) => Some(number.cast_signed().into()),
        _ => {
            let text = std::str::from_utf8(text_of(operand, rule)?).ok()?;
            let signed = parse_number(text, ArgType::Signed).map(|number| number.cast_signed().into());
            signed.or_else(|| parse_number(text, ArgType::Unsigned).map(i128::from))
        }
    }
}
