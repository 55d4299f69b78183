//! What a policy says about subjects and domains, before they are told apart.

use std::collections::BTreeSet;

use crate::model::{Expr, Model, Node, Operand, RequestField};

/// What the matcher says about subjects and domains.
#[derive(Default)]
pub(super) struct Mentions<'m> {
    pub(super) subjects: BTreeSet<&'m [u8]>,
    pub(super) domains: BTreeSet<&'m [u8]>,
    pub(super) of_programs: BTreeSet<usize>,
    pub(super) of_others: BTreeSet<usize>,
    pub(super) in_request_domain: BTreeSet<usize>,
    pub(super) column: Option<usize>,
    pub(super) domain_column: Option<usize>,
}

const SUB: Operand = Operand::Request(RequestField::Sub);
const DOM: Operand = Operand::Request(RequestField::Dom);

impl<'m> Mentions<'m> {
    /// Adds what `node` says, of `rule` where its columns matter.
    pub(super) fn walk(&mut self, model: &'m Model, node: &'m Node, rule: Option<usize>) {
        match &node.expr {
            Expr::Not(inner) => self.walk(model, inner, rule),
            Expr::And(parts) | Expr::Or(parts) => {
                parts.iter().for_each(|part| self.walk(model, part, rule));
            }
            Expr::Eval(column) => {
                if let Some(inner) = rule.and_then(|rule| model.rules[rule].fields[*column].eval.as_deref()) {
                    self.walk(model, inner, rule);
                }
            }
            Expr::Compare(_, left, right) => {
                for (one, other) in [(left, right), (right, left)] {
                    self.compared(model, one, other, rule);
                }
            }
            Expr::In(one, list) => {
                // A column in a list is no rule's subject: a rule has one, which `==` or `g` names.
                let (column, domain_column) = (self.column, self.domain_column);
                list.iter().for_each(|other| self.compared(model, one, other, rule));
                (self.column, self.domain_column) = (column, domain_column);
            }
            Expr::Role { graph, member, role, domain } => {
                if *member == SUB || *role == SUB {
                    self.of_programs.insert(*graph);
                } else {
                    self.of_others.insert(*graph);
                }
                for (one, other) in [(member, role), (role, member)] {
                    self.compared(model, one, other, rule);
                    if *one == DOM {
                        let edges = model.roles[*graph].edges.iter();
                        self.domains.extend(edges.flat_map(|edge| [edge.member.as_slice(), &edge.role]));
                    }
                }
                match domain {
                    Some(DOM) => {
                        self.in_request_domain.insert(*graph);
                    }
                    Some(Operand::Field(column)) => {
                        self.domain_column.get_or_insert(*column);
                    }
                    Some(_) | None => {}
                }
            }
            Expr::Const(_) | Expr::Path { .. } | Expr::Args(_) | Expr::ActionRole(_) => {}
        }
    }

    fn compared(&mut self, model: &'m Model, one: &Operand, other: &'m Operand, rule: Option<usize>) {
        let (texts, column) = match *one {
            SUB => (&mut self.subjects, &mut self.column),
            DOM => (&mut self.domains, &mut self.domain_column),
            _ => return,
        };
        match other {
            Operand::Field(field) => {
                column.get_or_insert(*field);
                texts.extend(rule.map(|rule| model.rules[rule].fields[*field].text.as_slice()));
            }
            Operand::Text { text, .. } => {
                texts.insert(text);
            }
            Operand::Request(_) | Operand::Number(_) | Operand::Kind(_) => {}
        }
    }
}
