//! Who a program is: subjects, base names and roles, as LANGUAGE §3 has them.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

use crate::model::{Expr, Model, Operand, RequestField, RoleGraph, Shape};

use super::for_each_expression;

/// What has to be known of a policy to compare programs.
#[derive(Debug)]
pub(super) struct Programs<'m> {
    model: &'m Model,
    /// Bare words that some line makes a role of programs.
    roles: BTreeSet<&'m [u8]>,
    /// The column that holds a rule's subject.
    column: Option<usize>,
    /// The relation that programs stand in.
    graph: Option<usize>,
    /// The column that holds a rule's domain.
    domain: Option<usize>,
    /// For each relation, its lines by member.
    edges: Vec<HashMap<Key, Vec<usize>>>,
}

/// A node of a relation: whether it is a role's word, and what it is compared by.
type Key = (bool, Vec<u8>);

impl<'m> Programs<'m> {
    pub(super) fn new(model: &'m Model) -> Self {
        const SUB: Operand = Operand::Request(RequestField::Sub);
        const DOM: Operand = Operand::Request(RequestField::Dom);
        let (mut column, mut domain) = (None, None);
        let mut of_programs = BTreeSet::new();
        let mut of_others = BTreeSet::new();
        for_each_expression(model, &mut |expr, _| match expr {
            Expr::Compare(_, left, right) => {
                for (one, other) in [(left, right), (right, left)] {
                    let Operand::Field(field) = other else { continue };
                    if *one == SUB {
                        column.get_or_insert(*field);
                    } else if *one == DOM {
                        domain.get_or_insert(*field);
                    }
                }
            }
            Expr::Role { graph, member, role, domain: place } => {
                if *member == SUB || *role == SUB {
                    of_programs.insert(*graph);
                    for operand in [member, role] {
                        if let Operand::Field(field) = operand {
                            column.get_or_insert(*field);
                        }
                    }
                } else {
                    of_others.insert(*graph);
                }
                if let Some(Operand::Field(field)) = place {
                    domain.get_or_insert(*field);
                }
            }
            Expr::Const(_)
            | Expr::Not(_)
            | Expr::And(_)
            | Expr::Or(_)
            | Expr::In(..)
            | Expr::Path { .. }
            | Expr::Args(_)
            | Expr::ActionRole(_)
            | Expr::Eval(_) => {}
        });
        let plain = model.roles.iter().position(|graph| graph.name == "g");
        if let Some(plain) = plain.filter(|plain| !of_others.contains(plain)) {
            of_programs.insert(plain);
        }
        let roles = of_programs
            .iter()
            .flat_map(|graph| &model.roles[*graph].edges)
            .map(|edge| edge.role.as_slice())
            .filter(|role| !role.contains(&b'/'))
            .collect();
        let mut programs =
            Self { model, roles, column, graph: of_programs.first().copied(), domain, edges: Vec::new() };
        programs.edges = model.roles.iter().map(|graph| programs.by_member(graph)).collect();
        programs
    }

    /// The lines of `graph` by the node whose roles they say.
    fn by_member(&self, graph: &RoleGraph) -> HashMap<Key, Vec<usize>> {
        let mut edges: HashMap<Key, Vec<usize>> = HashMap::new();
        for (number, edge) in graph.edges.iter().enumerate() {
            edges.entry(self.node(&edge.member)).or_default().push(number);
        }
        edges
    }

    /// Whether `text`, as it would stand in a rule, means the program `sub`.
    pub(super) fn is_program(&self, text: &[u8], sub: &[u8]) -> bool {
        if self.roles.contains(text) {
            return false;
        }
        match self.model.shape {
            Shape::Boesfs => base_name(text) == base_name(sub),
            Shape::Casbin if text.contains(&b'/') => text == sub,
            Shape::Casbin => text == base_name(sub),
        }
    }

    /// Whether `text` is a role that the program `sub` has, or means the program itself.
    pub(super) fn has_role(&self, graph: usize, sub: &[u8], text: &[u8], domain: Option<&[u8]>) -> bool {
        self.is_program(text, sub)
            || self
                .nodes(graph)
                .any(|node| self.is_program(node, sub) && self.reaches(graph, node, text, domain))
    }

    /// Whether the program `sub`, taken as a role, is one that `text` has.
    pub(super) fn is_role_of(&self, graph: usize, sub: &[u8], text: &[u8], domain: Option<&[u8]>) -> bool {
        self.is_program(text, sub)
            || self
                .nodes(graph)
                .any(|node| self.is_program(node, sub) && self.reaches(graph, text, node, domain))
    }

    /// Whether `to` is `from` or can be reached from it, in `domain` where the relation has domains.
    pub(super) fn reaches(&self, graph: usize, from: &[u8], to: &[u8], domain: Option<&[u8]>) -> bool {
        let to = self.node(to);
        let mut seen = HashSet::from([self.node(from)]);
        let mut todo = vec![self.node(from)];
        while let Some(node) = todo.pop() {
            if node == to {
                return true;
            }
            todo.extend(self.roles_of(graph, &node, domain).filter(|role| seen.insert(role.clone())));
        }
        false
    }

    /// The nodes of `graph` that the program `sub` is.
    pub(super) fn nodes_of(&self, graph: usize, sub: &[u8]) -> Vec<Vec<u8>> {
        self.nodes(graph).filter(|node| self.is_program(node, sub)).map(<[u8]>::to_vec).collect()
    }

    /// The fewest lines of `graph` that lead from one of `from` to one of `to`, if any do.
    pub(super) fn path(
        &self,
        graph: usize,
        from: &[Vec<u8>],
        to: &[Vec<u8>],
        domain: Option<&[u8]>,
    ) -> Option<Vec<usize>> {
        let goals: HashSet<Key> = to.iter().map(|text| self.node(text)).collect();
        let mut before: HashMap<Key, Option<(Key, usize)>> =
            from.iter().map(|text| (self.node(text), None)).collect();
        let mut todo: VecDeque<Key> = from.iter().map(|text| self.node(text)).collect();
        let relation = &self.model.roles[graph];
        while let Some(node) = todo.pop_front() {
            if goals.contains(&node) {
                let mut edges = Vec::new();
                let mut at = &node;
                while let Some(Some((earlier, edge))) = before.get(at) {
                    edges.push(*edge);
                    at = earlier;
                }
                edges.reverse();
                return Some(edges);
            }
            for number in self.edges[graph].get(&node).into_iter().flatten() {
                let edge = &relation.edges[*number];
                let role = self.node(&edge.role);
                if in_domain(relation, edge.domain.as_deref(), domain) && !before.contains_key(&role) {
                    before.insert(role.clone(), Some((node.clone(), *number)));
                    todo.push_back(role);
                }
            }
        }
        None
    }

    /// The nodes one step up from `node`.
    fn roles_of<'a>(
        &'a self,
        graph: usize,
        node: &Key,
        domain: Option<&'a [u8]>,
    ) -> impl Iterator<Item = Key> + 'a {
        let relation = &self.model.roles[graph];
        let edges = self.edges[graph].get(node).into_iter().flatten();
        edges
            .map(|edge| &relation.edges[*edge])
            .filter(move |edge| in_domain(relation, edge.domain.as_deref(), domain))
            .map(|edge| self.node(&edge.role))
    }

    /// How deep the subject of `rule` stands in the tree of roles: the longest chain from it up.
    pub(super) fn level(&self, rule: usize, dom: Option<&[u8]>) -> usize {
        let (Some(column), Some(graph)) = (self.column, self.graph) else { return 0 };
        let fields = &self.model.rules[rule].fields;
        let domain = self.domain.map(|column| fields[column].text.as_slice()).or(dom);
        let subject = fields[column].text.as_slice();
        let base = [base_name(subject)].into_iter().filter(|base| !self.roles.contains(base));
        let mut known = HashMap::new();
        let length = |node: &[u8]| self.longest_chain(graph, self.node(node), domain, &mut known);
        base.chain([subject]).map(length).max().unwrap_or(0)
    }

    fn longest_chain(
        &self,
        graph: usize,
        node: Key,
        domain: Option<&[u8]>,
        known: &mut HashMap<Key, usize>,
    ) -> usize {
        let mut todo = vec![node.clone()];
        while let Some(next) = todo.last() {
            let above: Vec<Key> = self.roles_of(graph, next, domain).collect();
            let unknown: Vec<Key> = above.iter().filter(|role| !known.contains_key(*role)).cloned().collect();
            if unknown.is_empty() {
                let longest = above.iter().map(|role| known[role] + 1).max().unwrap_or(0);
                known.extend(todo.pop().map(|node| (node, longest)));
            } else {
                todo.extend(unknown);
            }
        }
        known[&node]
    }

    fn nodes(&self, graph: usize) -> impl Iterator<Item = &'m [u8]> {
        self.model.roles[graph].edges.iter().flat_map(|edge| [edge.member.as_slice(), edge.role.as_slice()])
    }

    /// What `text` is compared by as a node: in `BoesFS` shape programs are their base names wherever they are written.
    fn node(&self, text: &[u8]) -> Key {
        let role = self.roles.contains(text);
        let base_names = self.model.shape == Shape::Boesfs && !role;
        (role, if base_names { base_name(text) } else { text }.to_vec())
    }
}

fn in_domain(graph: &RoleGraph, edge: Option<&[u8]>, asked: Option<&[u8]>) -> bool {
    !graph.has_domain || edge.is_some() && edge == asked
}

/// What stands after the last `/`.
pub(super) fn base_name(text: &[u8]) -> &[u8] {
    text.rsplit(|byte| *byte == b'/').next().unwrap_or(text)
}
