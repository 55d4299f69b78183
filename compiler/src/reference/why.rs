//! Why a rule does not match a request, and by which roles it does.

use boesfs_abi::request::Request;

use super::pattern::is_under;
use super::{Question, Reference};
use crate::model::{CompareOp, Expr, Node, Operand, RequestField, Scope, Shape};

use super::matcher::text_of;

/// A condition of the matcher that is not as a rule needs it.
#[derive(Clone, Copy, Debug)]
pub struct Obstacle<'m> {
    /// The condition, not taken apart further.
    pub node: &'m Node,
    /// Whether it should hold; it does the opposite.
    pub wanted: bool,
}

/// Lines of a role relation that lead from a member to a role; empty if the two are the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RolePath {
    /// Index into [`crate::model::Model::roles`].
    pub graph: usize,
    /// Indices into its edges, from the member on.
    pub edges: Vec<usize>,
}

impl<'m> Reference<'m> {
    /// The fewest conditions that would have to change for `rule` to match; none if it matches, or may match for some
    /// value of what is unknown.
    #[must_use]
    pub fn obstacles(&self, request: &Request, rule: usize) -> Vec<Obstacle<'m>> {
        let question = Question::new(self.model.shape, request);
        self.in_the_way(&self.model.matcher, rule, &question, true)
    }

    /// Whether `rule` matches `request`, or may for some value of what is unknown.
    #[must_use]
    pub fn may_match(&self, request: &Request, rule: usize) -> bool {
        !self.model.rules[rule].inert && self.obstacles(request, rule).is_empty()
    }

    fn in_the_way(
        &self,
        node: &'m Node,
        rule: usize,
        question: &Question<'_>,
        wanted: bool,
    ) -> Vec<Obstacle<'m>> {
        match &node.expr {
            Expr::Not(inner) => self.in_the_way(inner, rule, question, !wanted),
            Expr::And(parts) | Expr::Or(parts) => {
                let parts = parts.iter().map(|part| self.in_the_way(part, rule, question, wanted));
                if matches!(node.expr, Expr::And(_)) == wanted {
                    parts.flatten().collect()
                } else {
                    parts.min_by_key(Vec::len).unwrap_or_else(|| vec![Obstacle { node, wanted }])
                }
            }
            Expr::Eval(column) if self.model.rules[rule].fields[*column].eval.is_some() => {
                let inner = self.model.rules[rule].fields[*column].eval.as_deref();
                inner.map(|inner| self.in_the_way(inner, rule, question, wanted)).unwrap_or_default()
            }
            _ if self.condition_holds(node, rule, question) == Some(!wanted) => {
                vec![Obstacle { node, wanted }]
            }
            _ => Vec::new(),
        }
    }

    /// Whether a condition holds, where `dir` in a rule stands for what lies below its object.
    fn condition_holds(&self, node: &Node, rule: usize, question: &Question<'_>) -> Option<bool> {
        const OBJ: Operand = Operand::Request(RequestField::Obj);
        let line = &self.model.rules[rule];
        if let (Shape::Boesfs, Some(Scope::Dir), Expr::Compare(CompareOp::Eq, left, right)) =
            (self.model.shape, line.scope, &node.expr)
            && let Some(dir) = match (left, right) {
                (&OBJ, other) | (other, &OBJ) => text_of(other, line),
                _ => None,
            }
        {
            return Some(is_under(question.obj, dir) || dir == b"/");
        }
        self.holds(node, rule, question)
    }

    /// The roles by which `rule` matches `request`.
    #[must_use]
    pub fn role_paths(&self, request: &Request, rule: usize) -> Vec<RolePath> {
        let question = Question::new(self.model.shape, request);
        let mut paths = Vec::new();
        self.collect_paths(&self.model.matcher, rule, &question, &mut paths);
        paths
    }

    fn collect_paths(&self, node: &Node, rule: usize, question: &Question<'_>, paths: &mut Vec<RolePath>) {
        match &node.expr {
            Expr::And(parts) | Expr::Or(parts) => {
                parts.iter().for_each(|part| self.collect_paths(part, rule, question, paths));
            }
            Expr::Eval(column) => {
                if let Some(inner) = &self.model.rules[rule].fields[*column].eval {
                    self.collect_paths(inner, rule, question, paths);
                }
            }
            Expr::Role { graph, member, role, domain } => {
                let line = &self.model.rules[rule];
                let domain = match domain {
                    Some(Operand::Request(RequestField::Dom)) => question.dom,
                    Some(operand) => text_of(operand, line),
                    None => None,
                };
                let from = self.role_nodes(*graph, member, rule, question);
                let to = self.role_nodes(*graph, role, rule, question);
                if let Some(edges) = self.programs.path(*graph, &from, &to, domain) {
                    paths.push(RolePath { graph: *graph, edges });
                }
            }
            Expr::Const(_)
            | Expr::Not(_)
            | Expr::Compare(..)
            | Expr::In(..)
            | Expr::Path { .. }
            | Expr::Args(_)
            | Expr::ActionRole(_) => {}
        }
    }

    /// The nodes of a role graph that `operand` is, the program's own among them.
    fn role_nodes(
        &self,
        graph: usize,
        operand: &Operand,
        rule: usize,
        question: &Question<'_>,
    ) -> Vec<Vec<u8>> {
        let mut nodes = self.texts(operand, &self.model.rules[rule], question).unwrap_or_default();
        if *operand == Operand::Request(RequestField::Sub) {
            nodes = self.programs.nodes_of(graph, question.sub);
        }
        nodes
    }
}
