//! The matcher of one rule to a formula: its columns are constants, so nothing of the rule is left.

use std::collections::{BTreeMap, BTreeSet};

use boesfs_abi::op::{ArgType, Op, OpSet};
use boesfs_abi::request::{Kind, parse_number};
use boesfs_grammar::Span;

use crate::model::{
    CompareOp, Expr, Model, Node, Operand, PathFunction, RequestField, Rule, Scope, Shape, Tuple, ValueTest,
};
use crate::rules::{AtomId, Entry, PathAtom, PathTest, TestField, TextId};

use super::atom::{Atoms, PathSet, path_set, text_atom};
use super::dnf::{Conjunction, Formula, Leaf};
use super::subjects::{Direction, DomainOf, Table};
use super::value::{self, never};
use super::{BraceLimits, Limits, LowerError, Problem};

/// What the rules of one policy share while they are lowered.
pub(super) struct Lowering<'m> {
    pub(super) model: &'m Model,
    pub(super) table: Table<'m>,
    pub(super) atoms: Atoms,
    pub(super) texts: Atoms,
    /// Some rule was no mere conjunction, so that it is not worth while to look whether others are.
    branches: bool,
    /// How many more wildcards patterns may have, and how many at all.
    wildcards: (usize, usize),
    /// How many braces one pattern may have.
    braces: BraceLimits,
}

impl<'m> Lowering<'m> {
    /// Nothing is lowered yet.
    pub(super) fn new(model: &'m Model, table: Table<'m>, limits: &Limits) -> Self {
        let (atoms, texts) = (Atoms::default(), Atoms::default());
        let wildcards = (limits.wildcards, limits.wildcards);
        Self { model, table, atoms, texts, branches: false, wildcards, braces: limits.braces }
    }

    /// The condition that the matcher is for `rule`, if it is nothing but a conjunction.
    pub(super) fn conjunction(&mut self, rule: &Rule) -> Result<Option<Conjunction>, LowerError> {
        if self.branches {
            return Ok(None);
        }
        let mut term = Conjunction::everything();
        term.ops = self.every_op();
        let whole = self.add(&self.model.matcher, rule, &mut term)?;
        self.branches = !whole;
        Ok(whole.then_some(term))
    }

    /// Adds the condition that `node` is for `rule`; false if it is more than a conjunction.
    fn add(&mut self, node: &Node, rule: &Rule, term: &mut Conjunction) -> Result<bool, LowerError> {
        if let Expr::And(parts) = &node.expr {
            for part in parts {
                if !self.add(part, rule, term)? {
                    return Ok(false);
                }
            }
            return Ok(true);
        }
        let formula = self.formula(node, rule)?;
        // Two places are an error to be found with the formula as a whole.
        Ok(term.add(&formula).unwrap_or(false))
    }

    /// Every operation that a request of this shape can be judged as.
    pub(super) fn every_op(&self) -> OpSet {
        match self.model.shape {
            Shape::Casbin => OpSet::ALL,
            Shape::Boesfs => OpSet::ALL.difference(OpSet::of(&[Op::Exec, Op::Ioctl])),
        }
    }

    /// The condition that `node` is for `rule`.
    pub(super) fn formula(&mut self, node: &Node, rule: &Rule) -> Result<Formula, LowerError> {
        match &node.expr {
            Expr::Const(value) => Ok(Formula::truth(*value)),
            Expr::Not(inner) => {
                let formula = self.formula(inner, rule)?;
                self.negated(&formula, node.span)
            }
            Expr::And(parts) => Ok(Formula::And(self.each(parts, rule)?)),
            Expr::Or(parts) => Ok(Formula::Or(self.each(parts, rule)?)),
            Expr::Eval(column) => match &rule.fields[*column].eval {
                Some(inner) => self.formula(inner, rule),
                None => Ok(Formula::truth(false)),
            },
            Expr::Compare(op, left, right) => match (left, right) {
                (Operand::Request(field), operand) => self.compare(*op, field, operand, rule, node.span),
                (operand, Operand::Request(field)) => {
                    self.compare(swapped(*op), field, operand, rule, node.span)
                }
                (left, right) => Ok(Formula::truth(constant(*op, left, right, rule))),
            },
            Expr::In(Operand::Request(field), list) => Ok(Formula::Or(
                list.iter()
                    .map(|operand| self.compare(CompareOp::Eq, field, operand, rule, node.span))
                    .collect::<Result<_, _>>()?,
            )),
            Expr::In(operand, list) => {
                let any = list.iter().any(|other| constant(CompareOp::Eq, operand, other, rule));
                Ok(Formula::truth(any))
            }
            Expr::Path { function, pattern, pattern_span } => {
                self.path(*function, pattern, rule, (node.span, *pattern_span))
            }
            Expr::Args(column) => match &rule.fields[*column].tuple {
                Some(tuple) => self.tuple(tuple, rule.fields[*column].span),
                None => Ok(Formula::truth(true)),
            },
            Expr::ActionRole(column) => self.action(*column, rule),
            Expr::Role { graph, member, role, domain } => {
                self.role(*graph, member, role, domain.as_ref(), rule, node.span)
            }
        }
    }

    fn each(&mut self, parts: &[Node], rule: &Rule) -> Result<Vec<Formula>, LowerError> {
        parts.iter().map(|part| self.formula(part, rule)).collect()
    }

    fn negated(&self, formula: &Formula, span: Span) -> Result<Formula, LowerError> {
        let complement = |cells: &_| self.table.complement(cells);
        value::negated(formula, &complement).ok_or(LowerError { span, problem: Problem::NoEntry })
    }

    /// `r.FIELD op operand`
    fn compare(
        &mut self,
        op: CompareOp,
        field: &RequestField,
        operand: &Operand,
        rule: &Rule,
        span: Span,
    ) -> Result<Formula, LowerError> {
        let text = text_of(operand, rule);
        let equal = match field {
            RequestField::Uid => return Ok(id_test(TestField::Uid, op, operand, rule)),
            RequestField::Gid => return Ok(id_test(TestField::Gid, op, operand, rule)),
            RequestField::Arg(_, ty) => return self.argument(op, field, *ty, operand, rule, span),
            RequestField::Kind => value::kinds(text.and_then(kind_bit).unwrap_or(0)),
            RequestField::Sub => match text {
                Some(text) => Formula::Leaf(Leaf::Cells(self.table.program(text))),
                None => Formula::truth(false),
            },
            RequestField::Dom => match text {
                Some(text) => Formula::Leaf(Leaf::Cells(self.table.domain(text))),
                None => Formula::truth(false),
            },
            RequestField::Obj => match text {
                Some(text) => self.object(text, rule),
                None => Formula::truth(false),
            },
            RequestField::Act => match operand {
                Operand::Field(column) => self.action(*column, rule)?,
                Operand::Text { ops, .. } => self.ops(ops.unwrap_or_default()),
                Operand::Request(_) | Operand::Number(_) | Operand::Kind(_) => never(),
            },
        };
        match op {
            CompareOp::Eq => Ok(equal),
            CompareOp::Ne => self.negated(&equal, span),
            CompareOp::Lt | CompareOp::Le | CompareOp::Gt | CompareOp::Ge => Ok(Formula::truth(false)),
        }
    }

    /// `r.obj == text`
    fn object(&mut self, text: &[u8], rule: &Rule) -> Formula {
        if self.model.effect.nearest {
            let dir = self.model.shape == Shape::Boesfs && rule.scope == Some(Scope::Dir);
            return if dir { self.dir_entry(text) } else { self.file_entry(text) };
        }
        self.path_test(PathAtom::Literal(text.to_vec()))
    }

    fn file_entry(&mut self, path: &[u8]) -> Formula {
        let atom = AtomId(self.atoms.id(PathAtom::Literal(path.to_vec())));
        Formula::Leaf(Leaf::Place(Some(atom), Entry::File))
    }

    fn dir_entry(&mut self, dir: &[u8]) -> Formula {
        let length = u32::try_from(dir.len()).unwrap_or(u32::MAX);
        let atom = (dir != b"/").then(|| AtomId(self.atoms.id(PathAtom::Below(dir.to_vec()))));
        Formula::Leaf(Leaf::Place(atom, Entry::Dir(length)))
    }

    fn path_test(&mut self, atom: PathAtom) -> Formula {
        Formula::Leaf(Leaf::Path(PathTest { atom: AtomId(self.atoms.id(atom)), holds: true }))
    }

    fn path(
        &mut self,
        function: PathFunction,
        pattern: &Operand,
        rule: &Rule,
        (span, pattern_span): (Span, Span),
    ) -> Result<Formula, LowerError> {
        let Some(text) = text_of(pattern, rule) else { return Ok(Formula::truth(false)) };
        if self.model.effect.nearest {
            return match function {
                PathFunction::Under => Ok(self.dir_entry(text)),
                PathFunction::Within => Ok(Formula::Or(vec![self.file_entry(text), self.dir_entry(text)])),
                PathFunction::KeyMatch
                | PathFunction::KeyMatch2
                | PathFunction::KeyMatch3
                | PathFunction::KeyMatch5
                | PathFunction::GlobMatch
                | PathFunction::RegexMatch
                | PathFunction::PathMatch => Err(LowerError { span, problem: Problem::NoEntry }),
            };
        }
        let place =
            if let Operand::Field(column) = pattern { rule.fields[*column].span } else { pattern_span };
        let wildcards = match function {
            PathFunction::KeyMatch | PathFunction::Under | PathFunction::Within => 0,
            _ => text.iter().filter(|byte| b"*?[{+|:".contains(byte)).count(),
        };
        let (left, limit) = self.wildcards;
        if wildcards > left {
            return Err(LowerError { span: place, problem: Problem::Wildcards { limit } });
        }
        match path_set(function, text, self.model.options.compat, self.braces) {
            Ok(PathSet::Every) => Ok(Formula::truth(true)),
            Ok(PathSet::Atom(atom)) => {
                let known = self.atoms.count();
                let test = self.path_test(atom);
                if self.atoms.count() > known {
                    self.wildcards.0 -= wildcards;
                }
                Ok(test)
            }
            Ok(PathSet::Within(dir)) => Ok(Formula::Or(vec![
                self.path_test(PathAtom::Literal(dir.clone())),
                self.path_test(PathAtom::Below(dir)),
            ])),
            Err(error) => Err(LowerError { span: place, problem: Problem::Pattern(error) }),
        }
    }

    /// The operation is one of `ops`, for which `lookup2` is another name of `lookup`.
    fn ops(&self, ops: OpSet) -> Formula {
        let lookup = OpSet::of(&[Op::Lookup, Op::Lookup2]);
        let ops = if ops.intersection(lookup).is_empty() { ops } else { ops.union(lookup) };
        Formula::Leaf(Leaf::Ops(ops.intersection(self.every_op())))
    }

    fn action(&mut self, column: usize, rule: &Rule) -> Result<Formula, LowerError> {
        let field = &rule.fields[column];
        let ops = self.ops(field.ops.unwrap_or_default());
        if field.action_roles.is_empty() {
            return Ok(ops);
        }
        let mut parts = vec![ops];
        for role in &field.action_roles {
            for (ops, tuple) in &self.model.action_roles[*role].members {
                let with = self.tuple(tuple, self.model.action_roles[*role].span)?;
                parts.push(Formula::And(vec![self.ops(*ops), with]));
            }
        }
        Ok(Formula::Or(parts))
    }

    /// The tuple as it is tested on each operation that it fits.
    fn tuple(&mut self, tuple: &Tuple, span: Span) -> Result<Formula, LowerError> {
        let tested: Vec<usize> =
            (0..tuple.0.len()).filter(|place| tuple.0[*place] != ValueTest::Any).collect();
        if tested.is_empty() {
            return Ok(Formula::truth(true));
        }
        let mut by_types: BTreeMap<Vec<u8>, (Vec<ArgType>, OpSet)> = BTreeMap::new();
        for op in self.every_op().iter() {
            let types: Option<Vec<ArgType>> =
                tested.iter().map(|place| op.spec().args.get(*place).map(|arg| arg.ty)).collect();
            if let Some(types) = types {
                let key = types.iter().map(|ty| *ty as u8).collect();
                let (_, ops) = by_types.entry(key).or_insert((types, OpSet::EMPTY));
                *ops = ops.with(op);
            }
        }
        let mut parts = vec![never()];
        for (types, ops) in by_types.into_values() {
            let mut all = vec![Formula::Leaf(Leaf::Ops(ops))];
            for (place, ty) in tested.iter().zip(types) {
                let field = TestField::Arg(u8::try_from(*place).unwrap_or(u8::MAX));
                all.push(self.value(field, &tuple.0[*place], ty, span)?);
            }
            parts.push(Formula::And(all));
        }
        Ok(Formula::Or(parts))
    }

    fn value(
        &mut self,
        field: TestField,
        test: &ValueTest,
        ty: ArgType,
        span: Span,
    ) -> Result<Formula, LowerError> {
        match ty {
            ArgType::Unsigned | ArgType::Signed => Ok(value::number(field, test, ty)),
            ArgType::Path | ArgType::Text => {
                let atom = match test {
                    ValueTest::Any => return Ok(Formula::truth(true)),
                    ValueTest::Literal(text) => PathAtom::Literal(text.clone()),
                    ValueTest::Pattern(pattern) => text_atom(pattern, self.braces)
                        .map_err(|error| LowerError { span, problem: Problem::Pattern(error) })?,
                    ValueTest::Equals(_)
                    | ValueTest::Range(..)
                    | ValueTest::Compare(..)
                    | ValueTest::AnyBit(_)
                    | ValueTest::Nothing => return Ok(never()),
                };
                Ok(value::text(field, TextId(self.texts.id(atom))))
            }
        }
    }

    /// `r.args.NAME op operand`, wherever operations have an argument of that name.
    fn argument(
        &mut self,
        op: CompareOp,
        field: &RequestField,
        ty: ArgType,
        operand: &Operand,
        rule: &Rule,
        span: Span,
    ) -> Result<Formula, LowerError> {
        let mut by_place: BTreeMap<u8, OpSet> = BTreeMap::new();
        for asked in self.every_op().iter() {
            if let Some(place) = field.arg_index(asked) {
                let ops = by_place.entry(u8::try_from(place).unwrap_or(u8::MAX)).or_default();
                *ops = ops.with(asked);
            }
        }
        let mut parts = vec![never()];
        for (place, ops) in by_place {
            let place = TestField::Arg(place);
            let test = match ty {
                ArgType::Unsigned | ArgType::Signed => match number_of(operand, rule, ty) {
                    Some(number) => value::number(place, &ValueTest::Compare(op, number), ty),
                    None => never(),
                },
                ArgType::Path | ArgType::Text => match (text_of(operand, rule), op) {
                    (Some(text), CompareOp::Eq) => {
                        self.value(place, &ValueTest::Literal(text.to_vec()), ty, span)?
                    }
                    (Some(text), CompareOp::Ne) => {
                        let equal = self.value(place, &ValueTest::Literal(text.to_vec()), ty, span)?;
                        let every = self.value(place, &ValueTest::Pattern(b"**".to_vec()), ty, span)?;
                        Formula::And(vec![every, self.negated(&equal, span)?])
                    }
                    _ => never(),
                },
            };
            parts.push(Formula::And(vec![Formula::Leaf(Leaf::Ops(ops)), test]));
        }
        Ok(Formula::Or(parts))
    }

    fn role(
        &mut self,
        graph: usize,
        member: &Operand,
        role: &Operand,
        domain: Option<&Operand>,
        rule: &Rule,
        span: Span,
    ) -> Result<Formula, LowerError> {
        let domain = match domain {
            None => DomainOf::None,
            Some(Operand::Request(RequestField::Dom)) => DomainOf::Request,
            Some(operand) => DomainOf::Fixed(text_of(operand, rule).unwrap_or_default().to_vec()),
        };
        let (field, text, direction) = match (member, role) {
            (Operand::Request(field), role) => (field, text_of(role, rule), Direction::Down),
            (member, Operand::Request(field)) => (field, text_of(member, rule), Direction::Up),
            (member, role) => {
                let (Some(member), Some(role)) = (text_of(member, rule), text_of(role, rule)) else {
                    return Ok(Formula::truth(false));
                };
                return self.by_domain(&domain, |lowering, place| {
                    let domain = lowering.table.domain_at(&domain, place);
                    let up = lowering.table.reachable_texts(graph, member, domain.as_deref(), Direction::Up);
                    Ok(Formula::truth(up.contains(role)))
                });
            }
        };
        let Some(text) = text else { return Err(LowerError { span, problem: Problem::TwoRequestFields }) };
        if *field == RequestField::Sub {
            return Ok(Formula::Leaf(Leaf::Cells(match direction {
                Direction::Down => self.table.has_role(graph, text, &domain),
                Direction::Up => self.table.role_of(graph, text, &domain),
            })));
        }
        if *field == RequestField::Obj && self.model.effect.nearest {
            return Err(LowerError { span, problem: Problem::NoEntry });
        }
        self.by_domain(&domain, |lowering, place| {
            let domain = lowering.table.domain_at(&domain, place);
            let nodes = lowering.table.reachable_texts(graph, text, domain.as_deref(), direction);
            lowering.is_one_of(field, &nodes, rule, span)
        })
    }

    /// `each` of the domains that the request may be in, if it matters.
    fn by_domain(
        &mut self,
        domain: &DomainOf,
        each: impl Fn(&mut Self, usize) -> Result<Formula, LowerError>,
    ) -> Result<Formula, LowerError> {
        if *domain != DomainOf::Request {
            return each(self, 0);
        }
        let mut parts = Vec::new();
        for place in 0..self.table.domain_count() {
            let here = Formula::Leaf(Leaf::Cells(self.table.domain_cells(place)));
            parts.push(Formula::And(vec![here, each(self, place)?]));
        }
        Ok(Formula::Or(parts))
    }

    /// The field's text is one of `nodes`.
    fn is_one_of(
        &mut self,
        field: &RequestField,
        nodes: &BTreeSet<Vec<u8>>,
        rule: &Rule,
        span: Span,
    ) -> Result<Formula, LowerError> {
        if *field == RequestField::Act {
            let named = |node: &Vec<u8>| self.model.op_named(std::str::from_utf8(node).ok()?);
            let ops = nodes.iter().filter_map(named);
            return Ok(self.ops(ops.fold(OpSet::EMPTY, OpSet::with)));
        }
        let mut parts = vec![never()];
        for node in nodes {
            let number = matches!(
                field,
                RequestField::Uid
                    | RequestField::Gid
                    | RequestField::Arg(_, ArgType::Unsigned | ArgType::Signed)
            );
            if number && !is_plain_decimal(node) {
                continue;
            }
            let operand = Operand::Text { text: node.clone(), ops: None };
            parts.push(self.compare(CompareOp::Eq, field, &operand, rule, span)?);
        }
        Ok(Formula::Or(parts))
    }
}

/// A number as it is written without frills, so that texts are equal where numbers are.
fn is_plain_decimal(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").filter(|rest| *rest != b"0").unwrap_or(text);
    digits.iter().all(u8::is_ascii_digit) && (digits == b"0" || digits.first().is_some_and(|d| *d != b'0'))
}

fn id_test(field: TestField, op: CompareOp, operand: &Operand, rule: &Rule) -> Formula {
    match number_of(operand, rule, ArgType::Unsigned) {
        Some(number) => value::number(field, &ValueTest::Compare(op, number), ArgType::Unsigned),
        None => never(),
    }
}

fn number_of(operand: &Operand, rule: &Rule, ty: ArgType) -> Option<u64> {
    match operand {
        Operand::Number(number) => Some(*number),
        operand => parse_number(std::str::from_utf8(text_of(operand, rule)?).ok()?, ty),
    }
}

fn kind_bit(text: &[u8]) -> Option<u8> {
    Kind::from_name(std::str::from_utf8(text).ok()?).map(|kind| 1 << kind as u8)
}

fn swapped(op: CompareOp) -> CompareOp {
    match op {
        CompareOp::Eq => CompareOp::Eq,
        CompareOp::Ne => CompareOp::Ne,
        CompareOp::Lt => CompareOp::Gt,
        CompareOp::Le => CompareOp::Ge,
        CompareOp::Gt => CompareOp::Lt,
        CompareOp::Ge => CompareOp::Le,
    }
}

fn text_of<'a>(operand: &'a Operand, rule: &'a Rule) -> Option<&'a [u8]> {
    match operand {
        Operand::Field(column) => Some(&rule.fields[*column].text),
        Operand::Text { text, .. } => Some(text),
        Operand::Kind(kind) => Some(kind.name().as_bytes()),
        Operand::Request(_) | Operand::Number(_) => None,
    }
}

/// A comparison that the rule decides: texts are equal or not, numbers have an order.
fn constant(op: CompareOp, left: &Operand, right: &Operand, rule: &Rule) -> bool {
    let ordered = !matches!(op, CompareOp::Eq | CompareOp::Ne);
    if ordered || [left, right].iter().any(|operand| matches!(operand, Operand::Number(_))) {
        let (Some(left), Some(right)) = (signed_number(left, rule), signed_number(right, rule)) else {
            return false;
        };
        return holds(op, left.cmp(&right));
    }
    match (text_of(left, rule), text_of(right, rule)) {
        (Some(left), Some(right)) => holds(op, left.cmp(right)),
        _ => false,
    }
}

fn holds(op: CompareOp, order: std::cmp::Ordering) -> bool {
    match op {
        CompareOp::Eq => order.is_eq(),
        CompareOp::Ne => order.is_ne(),
        CompareOp::Lt => order.is_lt(),
        CompareOp::Le => order.is_le(),
        CompareOp::Gt => order.is_gt(),
        CompareOp::Ge => order.is_ge(),
    }
}

/// A number of the rule; a literal is two's complement.
fn signed_number(operand: &Operand, rule: &Rule) -> Option<i128> {
    if let Operand::Number(number) = operand {
        return Some(number.cast_signed().into());
    }
    number_of(operand, rule, ArgType::Signed)
        .map(|number| number.cast_signed().into())
        .or_else(|| number_of(operand, rule, ArgType::Unsigned).map(i128::from))
}
