//! How the rules see a path, so that paths they see alike need to be asked about once.
//!
//! A decision depends on the object only through the conditions of the matcher that look at it. Two paths of which these
//! say the same, of rules that are the same but for the columns those conditions read, get the same decisions from the
//! same places in the list of rules, whatever else the requests hold. Which rules those are is all that differs.

use std::hash::Hash;

use boesfs_abi::op::Op;
use hashbrown::HashMap;

use crate::model::{Annotations, Expr, Field, Model, Node, Operand, RequestField, Rule};

use super::matcher::{all, any, text_of};
use super::nearest::{compares_obj, reads};
use super::pattern::is_under;
use super::{Question, Reference, for_each_expression};

/// What tells paths apart for the rules of a policy.
#[derive(Debug)]
pub(crate) struct Alike<'m> {
    reference: Reference<'m>,
    /// For each rule a number that it shares with those that are the same but for the paths they name.
    kind: Vec<u32>,
    compares_obj: bool,
}

/// A condition on the object says of a path: it holds, the operand is the path, the path is below the operand.
const HOLDS: u32 = 1;
const EQUAL: u32 = 2;
const BELOW: u32 = 4;

impl<'m> Alike<'m> {
    /// What tells paths apart for `model`; `None` if some condition compares the object with another part of the request.
    #[must_use]
    pub(crate) fn new(model: &'m Model) -> Option<Self> {
        let mut mixed = false;
        // Columns that say more of a rule than which paths it is about.
        let mut telling = vec![false; model.columns.len()];
        for_each_expression(model, &mut |expr, _| {
            let fields = reads(expr);
            if fields.contains(&&RequestField::Obj) {
                mixed |= fields.iter().any(|field| **field != RequestField::Obj);
            } else {
                columns(expr, &mut telling);
            }
        });
        if mixed {
            return None;
        }
        let mut kinds: HashMap<Kind<'_>, u32> = HashMap::new();
        let kind = |rule: &'m Rule| {
            let next = u32::try_from(kinds.len()).expect("INVARIANT: rules have 32-bit numbers");
            *kinds.entry(Kind::of(rule, &telling)).or_insert(next)
        };
        let kind = model.rules.iter().map(kind).collect();
        Some(Self { reference: Reference::new(model), kind, compares_obj: compares_obj(model) })
    }

    /// The rules, ready to be asked.
    pub(crate) fn reference(&self) -> &Reference<'m> {
        &self.reference
    }

    /// Takes from `rules`, all that can match `path`, those that cannot after all, and adds to `key` what is seen of
    /// `path` by the others.
    pub(crate) fn see(&self, path: &[u8], rules: &mut Vec<usize>, key: &mut Vec<u32>) {
        let question = Question::about_object(path);
        let nearest = self.reference.model.effect.nearest;
        // The lengths of the operands that cover the path, which say which entry is nearer, and where they stand.
        let mut lengths: Vec<(usize, usize)> = Vec::new();
        rules.retain(|rule| {
            let (start, lengths_before) = (key.len(), lengths.len());
            key.push(self.kind[*rule]);
            let may_hold =
                self.look(&self.reference.model.matcher, *rule, &question, key, &mut lengths) != Some(false);
            let keeps = if nearest { !self.compares_obj || lengths.len() > lengths_before } else { may_hold };
            if !keeps {
                key.truncate(start);
                lengths.truncate(lengths_before);
            }
            keeps
        });
        if nearest {
            let mut distinct: Vec<usize> = lengths.iter().map(|(length, _)| *length).collect();
            distinct.sort_unstable();
            distinct.dedup();
            for (length, at) in lengths {
                let rank = distinct.binary_search(&length).unwrap_or_else(|rank| rank);
                key[at] |= u32::try_from(rank).expect("INVARIANT: rules have 32-bit numbers") << 3;
            }
        }
    }

    /// Whether `node` holds of the rule where nothing but the object is known, with what each condition on it says.
    fn look(
        &self,
        node: &Node,
        rule: usize,
        question: &Question<'_>,
        key: &mut Vec<u32>,
        lengths: &mut Vec<(usize, usize)>,
    ) -> Option<bool> {
        let line = &self.reference.model.rules[rule];
        // All parts are looked at, also where one of them settles it.
        let mut each = |parts: &[Node]| -> Vec<Option<bool>> {
            parts.iter().map(|part| self.look(part, rule, question, key, lengths)).collect()
        };
        match &node.expr {
            Expr::Const(value) => Some(*value),
            Expr::And(parts) => all(each(parts)),
            Expr::Or(parts) => any(each(parts)),
            Expr::Not(inner) => self.look(inner, rule, question, key, lengths).map(|held| !held),
            Expr::Eval(column) => match &line.fields[*column].eval {
                Some(inner) => self.look(inner, rule, question, key, lengths),
                None => Some(false),
            },
            expr if reads(expr).contains(&&RequestField::Obj) => {
                let holds = self.reference.holds(node, rule, question);
                key.push(if holds == Some(true) { HOLDS } else { 0 });
                for text in operands(expr).filter_map(|operand| text_of(operand, line)) {
                    let path = question.obj;
                    let equal = if text == path { EQUAL } else { 0 };
                    let below = if is_under(path, text) || text == b"/" { BELOW } else { 0 };
                    if equal | below != 0 {
                        lengths.push((text.len(), key.len()));
                    }
                    key.push(equal | below);
                }
                holds
            }
            _ => None,
        }
    }
}

impl<'r> Question<'r> {
    /// One of which nothing but the object is known.
    fn about_object(obj: &'r [u8]) -> Self {
        Self { sub: b"", dom: None, obj, op: Op::Lookup, args: Vec::new(), uid: None, gid: None, kind: None }
    }
}

/// What decides about a rule beside the paths it is about.
#[derive(PartialEq, Eq, Hash)]
struct Kind<'m> {
    fields: Vec<&'m [u8]>,
    denies: bool,
    below: Option<bool>,
    priority: Option<i64>,
    errno: Option<u8>,
    audit: u8,
    inert: bool,
}

impl<'m> Kind<'m> {
    fn of(rule: &'m Rule, telling: &[bool]) -> Self {
        // Named one by one, so that whoever adds a part decides whether it belongs here.
        let Rule { fields, eft, scope, priority, annotations, span: _, line: _, file: _, text: _, inert } =
            rule;
        let Annotations { audit, errno, .. } = annotations.as_ref();
        let told = |(field, telling): (&'m Field, &bool)| telling.then_some(field.text.as_slice());
        Self {
            fields: fields.iter().zip(telling).filter_map(told).collect(),
            denies: *eft == boesfs_abi::verdict::Effect::Deny,
            below: scope.map(|scope| scope == crate::model::Scope::Dir),
            priority: *priority,
            errno: errno.map(|errno| errno as u8),
            audit: *audit as u8,
            inert: *inert,
        }
    }
}

/// The operands of a condition.
fn operands(expr: &Expr) -> impl Iterator<Item = &Operand> {
    let (pair, list): ([Option<&Operand>; 3], &[Operand]) = match expr {
        Expr::Compare(_, left, right) => ([Some(left), Some(right), None], &[]),
        Expr::In(left, list) => ([Some(left), None, None], list),
        Expr::Role { member, role, domain, .. } => ([Some(member), Some(role), domain.as_ref()], &[]),
        Expr::Path { pattern, .. } => ([Some(pattern), None, None], &[]),
        Expr::Const(_)
        | Expr::Not(_)
        | Expr::And(_)
        | Expr::Or(_)
        | Expr::Args(_)
        | Expr::ActionRole(_)
        | Expr::Eval(_) => ([None; 3], &[]),
    };
    pair.into_iter().flatten().chain(list)
}

/// Notes the columns that `expr` itself reads.
fn columns(expr: &Expr, read: &mut [bool]) {
    if let Expr::Args(column) | Expr::ActionRole(column) | Expr::Eval(column) = expr {
        read[*column] = true;
    }
    for operand in operands(expr) {
        if let Operand::Field(column) = operand {
            read[*column] = true;
        }
    }
}
