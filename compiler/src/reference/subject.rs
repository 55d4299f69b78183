//! Who a program is: subjects, base names and roles, as LANGUAGE §3 has them.

use std::collections::BTreeSet;

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
}

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
        Self { model, roles, column, graph: of_programs.first().copied(), domain }
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
        let mut seen = vec![from];
        let mut next = 0;
        while let Some(node) = seen.get(next).copied() {
            if self.same_node(node, to) {
                return true;
            }
            for edge in &self.model.roles[graph].edges {
                let here = self.same_node(&edge.member, node)
                    && in_domain(&self.model.roles[graph], edge.domain.as_deref(), domain);
                if here && !seen.contains(&edge.role.as_slice()) {
                    seen.push(&edge.role);
                }
            }
            next += 1;
        }
        false
    }

    /// How deep the subject of `rule` stands in the tree of roles: the longest chain from it up.
    pub(super) fn level(&self, rule: usize, dom: Option<&[u8]>) -> usize {
        let (Some(column), Some(graph)) = (self.column, self.graph) else { return 0 };
        let fields = &self.model.rules[rule].fields;
        let domain = self.domain.map(|column| fields[column].text.as_slice()).or(dom);
        let subject = fields[column].text.as_slice();
        let base = [base_name(subject)].into_iter().filter(|base| !self.roles.contains(base));
        base.chain([subject]).map(|node| self.longest_chain(graph, node, domain)).max().unwrap_or(0)
    }

    fn longest_chain(&self, graph: usize, node: &[u8], domain: Option<&[u8]>) -> usize {
        let graph_edges = self.model.roles[graph].edges.iter();
        graph_edges
            .filter(|edge| {
                self.same_node(&edge.member, node)
                    && in_domain(&self.model.roles[graph], edge.domain.as_deref(), domain)
            })
            .map(|edge| 1 + self.longest_chain(graph, &edge.role, domain))
            .max()
            .unwrap_or(0)
    }

    fn nodes(&self, graph: usize) -> impl Iterator<Item = &'m [u8]> {
        self.model.roles[graph].edges.iter().flat_map(|edge| [edge.member.as_slice(), edge.role.as_slice()])
    }

    /// In `BoesFS` shape programs are compared by base name wherever they are written.
    fn same_node(&self, left: &[u8], right: &[u8]) -> bool {
        match self.model.shape {
            Shape::Casbin => left == right,
            Shape::Boesfs => {
                self.roles.contains(left) == self.roles.contains(right) && base_name(left) == base_name(right)
            }
        }
    }
}

fn in_domain(graph: &RoleGraph, edge: Option<&[u8]>, asked: Option<&[u8]>) -> bool {
    !graph.has_domain || edge.is_some() && edge == asked
}

/// What stands after the last `/`.
pub(super) fn base_name(text: &[u8]) -> &[u8] {
    text.rsplit(|byte| *byte == b'/').next().unwrap_or(text)
}
