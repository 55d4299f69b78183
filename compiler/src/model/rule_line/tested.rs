//! On which operations a tuple is tested: those on which all that is said beside it can hold.

use std::borrow::Cow;
use std::rc::Rc;

use boesfs_abi::op::{OPS, OpSet};
use hashbrown::HashMap;
use smallvec::SmallVec;

use super::super::matcher::Names;
use super::super::opaque::{STAND_IN, Vocabulary};
use super::super::{ActionRole, CompareOp, Expr, Node, Operand, RequestField, RoleGraph};
use super::Action;

/// The operations that each node of the role relations is related with.
#[derive(Debug, Default)]
pub(in crate::model) struct RelatedOps {
    /// By relation: roles of operations, and members that operations are the roles of.
    graphs: Vec<(Related, Related)>,
}

type Related = HashMap<Vec<u8>, OpSet>;

impl RelatedOps {
    /// Those of the relations that `matcher` asks of `r.act`. Domains are left out of account: what one of them
    /// relates may be asked.
    pub(in crate::model) fn new(names: &Names<'_>, matcher: &Node) -> Self {
        let of_graph = |(index, graph): (usize, &RoleGraph)| {
            if !asked(matcher, index) {
                return (Related::new(), Related::new());
            }
            let up: Vec<(&[u8], &[u8])> =
                graph.edges.iter().map(|edge| (edge.member.as_slice(), edge.role.as_slice())).collect();
            let down: Vec<(&[u8], &[u8])> = up.iter().map(|(member, role)| (*role, *member)).collect();
            (related(&up, names.vocabulary), related(&down, names.vocabulary))
        };
        Self { graphs: names.graphs.iter().enumerate().map(of_graph).collect() }
    }
}

/// Whether `node` may ask the relation `index` of `r.act`: any column that is an expression may.
fn asked(node: &Node, index: usize) -> bool {
    let act = Operand::Request(RequestField::Act);
    match &node.expr {
        Expr::And(parts) | Expr::Or(parts) => parts.iter().any(|part| asked(part, index)),
        Expr::Not(inner) => asked(inner, index),
        Expr::Role { graph, member, role, .. } => *graph == index && (*member == act || *role == act),
        Expr::Eval(_) => true,
        Expr::Const(_)
        | Expr::Compare(..)
        | Expr::In(..)
        | Expr::Path { .. }
        | Expr::Args(_)
        | Expr::ActionRole(_) => false,
    }
}

/// What is reached from the name of each operation.
fn related(steps: &[(&[u8], &[u8])], vocabulary: Vocabulary<'_>) -> Related {
    let mut from: HashMap<&[u8], Vec<&[u8]>> = HashMap::new();
    for (start, end) in steps {
        from.entry(start).or_default().push(end);
    }
    let mut reached: HashMap<&[u8], OpSet> = HashMap::new();
    for spec in &OPS {
        let name = match vocabulary.word {
            Some(word) if spec.op == STAND_IN => word,
            _ => spec.name,
        };
        let mut open = vec![name.as_bytes()];
        while let Some(node) = open.pop() {
            let ops = reached.entry(node).or_default();
            if ops.contains(spec.op) {
                continue;
            }
            *ops = ops.with(spec.op);
            open.extend(from.get(node).into_iter().flatten());
        }
    }
    reached.into_iter().map(|(node, ops)| (node.to_vec(), ops)).collect()
}

/// One line, as far as it says which operations it is about.
pub(super) struct Said<'a> {
    pub(super) roles: &'a [ActionRole],
    pub(super) related: &'a RelatedOps,
    /// What the columns hold, and what they mean where they are actions or expressions.
    pub(super) texts: SmallVec<[Cow<'a, [u8]>; 8]>,
    pub(super) actions: &'a [Option<Rc<Action>>],
    pub(super) evals: &'a [Option<Node>],
}

/// The operations a condition can hold on, and those it can fail on.
#[derive(Clone, Copy)]
struct Outcomes {
    holds: OpSet,
    fails: OpSet,
}

impl Outcomes {
    const OPEN: Self = Self { holds: OpSet::ALL, fails: OpSet::ALL };

    /// It holds on `ops` and on no other.
    fn just(ops: OpSet) -> Self {
        Self { holds: ops, fails: OpSet::ALL.difference(ops) }
    }

    fn constant(holds: bool) -> Self {
        Self::just(if holds { OpSet::ALL } else { OpSet::EMPTY })
    }

    fn opposite(self) -> Self {
        Self { holds: self.fails, fails: self.holds }
    }

    fn and(self, other: Self) -> Self {
        Self { holds: self.holds.intersection(other.holds), fails: self.fails.union(other.fails) }
    }

    fn or(self, other: Self) -> Self {
        self.opposite().and(other.opposite()).opposite()
    }
}

impl Said<'_> {
    /// The operations on which the tuple in `column` is tested, where `node` is asked on `given`.
    pub(super) fn tested(&self, node: &Node, column: usize, given: OpSet) -> OpSet {
        match &node.expr {
            Expr::Args(found) if *found == column => given,
            Expr::Not(inner) => self.tested(inner, column, given),
            Expr::Or(parts) => {
                // Where another choice holds whatever the tuple is, it says nothing.
                let given =
                    parts.iter().map(|part| self.outcomes(part).fails).fold(given, OpSet::intersection);
                parts.iter().map(|part| self.tested(part, column, given)).fold(OpSet::EMPTY, OpSet::union)
            }
            Expr::And(parts) => {
                let given =
                    parts.iter().map(|part| self.outcomes(part).holds).fold(given, OpSet::intersection);
                parts.iter().map(|part| self.tested(part, column, given)).fold(OpSet::EMPTY, OpSet::union)
            }
            Expr::Eval(inner) => {
                self.eval(*inner).map_or(OpSet::EMPTY, |inner| self.tested(inner, column, given))
            }
            Expr::Const(_)
            | Expr::Compare(..)
            | Expr::In(..)
            | Expr::Role { .. }
            | Expr::Path { .. }
            | Expr::Args(_)
            | Expr::ActionRole(_) => OpSet::EMPTY,
        }
    }

    fn outcomes(&self, node: &Node) -> Outcomes {
        match &node.expr {
            Expr::Const(holds) => Outcomes::constant(*holds),
            Expr::Not(inner) => self.outcomes(inner).opposite(),
            Expr::And(parts) => {
                parts.iter().map(|part| self.outcomes(part)).fold(Outcomes::constant(true), Outcomes::and)
            }
            Expr::Or(parts) => {
                parts.iter().map(|part| self.outcomes(part)).fold(Outcomes::constant(false), Outcomes::or)
            }
            Expr::Compare(CompareOp::Eq, left, right) => self.equal(left, right),
            Expr::Compare(CompareOp::Ne, left, right) => self.equal(left, right).opposite(),
            Expr::Compare(..) | Expr::Path { .. } | Expr::Args(_) => Outcomes::OPEN,
            Expr::In(left, items) => {
                items.iter().map(|item| self.equal(left, item)).fold(Outcomes::constant(false), Outcomes::or)
            }
            Expr::Role { graph, member, role, domain } => {
                let act = Operand::Request(RequestField::Act);
                let Some((up, down)) = self.related.graphs.get(*graph) else { return Outcomes::OPEN };
                let related = match (self.text(member), self.text(role)) {
                    (None, Some(role)) if *member == act => up.get(role),
                    (Some(member), None) if *role == act => down.get(member),
                    _ => return Outcomes::OPEN,
                };
                let just = Outcomes::just(related.copied().unwrap_or_default());
                if domain.is_some() { Outcomes { fails: OpSet::ALL, ..just } } else { just }
            }
            Expr::ActionRole(column) => self.action(*column),
            Expr::Eval(column) => self.eval(*column).map_or(Outcomes::OPEN, |inner| self.outcomes(inner)),
        }
    }

    fn equal(&self, left: &Operand, right: &Operand) -> Outcomes {
        match (left, right) {
            (Operand::Request(RequestField::Act), other) | (other, Operand::Request(RequestField::Act)) => {
                match other {
                    Operand::Field(column) => self.action(*column),
                    Operand::Text { ops, .. } => ops.map_or(Outcomes::OPEN, Outcomes::just),
                    Operand::Request(_) | Operand::Number(_) | Operand::Kind(_) => Outcomes::OPEN,
                }
            }
            (left, right) => match (self.text(left), self.text(right)) {
                (Some(left), Some(right)) => Outcomes::constant(left == right),
                _ => Outcomes::OPEN,
            },
        }
    }

    /// The operations that the words of `column` name, those of roles among them, whose tuples may fail.
    fn action(&self, column: usize) -> Outcomes {
        let Some(Some(action)) = self.actions.get(column) else { return Outcomes::OPEN };
        let members = action.roles.iter().flat_map(|role| &self.roles[*role].members);
        let holds = members.fold(action.ops, |ops, (member, _)| ops.union(*member));
        Outcomes { holds, fails: OpSet::ALL.difference(action.ops) }
    }

    fn text<'o>(&'o self, operand: &'o Operand) -> Option<&'o [u8]> {
        match operand {
            Operand::Field(column) => self.texts.get(*column).map(AsRef::as_ref),
            Operand::Text { text, .. } => Some(text),
            Operand::Request(_) | Operand::Number(_) | Operand::Kind(_) => None,
        }
    }

    fn eval(&self, column: usize) -> Option<&Node> {
        self.evals.get(column).and_then(Option::as_ref)
    }
}
