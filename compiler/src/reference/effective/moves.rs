//! Moves that give nothing (LANGUAGE §5, `moves`), by trying programs, operations, values and names.

use std::collections::BTreeSet;

use boesfs_abi::op::{Op, OpSet};
use boesfs_abi::request::{Kind, Request, is_canonical};
use boesfs_abi::verdict::{Reason, Verdict};

use super::{Call, EXDEV, Passed, denied};
use crate::model::{Expr, Model, Moves, Operand};
use crate::reference::{Question, complete, for_each_expression};

/// Operations that are denied below the new name and allowed below the old: forbidden names could be prepared.
const PREPARED: OpSet = OpSet::MAKING.with(Op::Write);

/// A program, and the domain it runs in.
type Caller = (Vec<u8>, Option<Vec<u8>>);

impl Call<'_, '_> {
    /// Denies the move if it gives somebody something.
    pub(super) fn gains_nothing(&self, old: &[u8], new: &[u8], kind: Option<Kind>, op: Op) -> Passed {
        if self.reference.model.options.moves == Moves::Judged || old == new {
            return Ok(());
        }
        // What is linked is no directory, unless it is said to be one.
        let deep = kind.map_or(op == Op::Rename, |kind| kind == Kind::Dir);
        let names = if deep { names_below(self.reference.model, old, new) } else { BTreeSet::new() };
        for caller in callers(self.reference.model) {
            let pair = |below: &[u8]| ([old, below].concat(), [new, below].concat());
            let gains = |from: &[u8], to: &[u8], kind: Option<Kind>, ops: OpSet| {
                ops.iter().any(|op| self.gains(&caller, op, (from, to), kind))
            };
            let contents = OpSet::ALL.difference(OpSet::MAKING);
            let found = gains(old, new, kind, contents)
                || names.iter().any(|below| {
                    let (from, to) = pair(below);
                    gains(&from, &to, None, contents) || gains(&to, &from, None, PREPARED)
                });
            if found {
                return Err(denied(Reason::GainsRight, EXDEV, op, old, None));
            }
        }
        Ok(())
    }

    /// Whether some request of this program is effectively denied at `from` and effectively allowed at `to`.
    fn gains(&self, (sub, dom): &Caller, op: Op, (from, to): (&[u8], &[u8]), kind: Option<Kind>) -> bool {
        let request = |path: &[u8]| {
            let request = Request::new(sub, path, op).ok()?;
            let mut request = if let Some(dom) = dom { request.in_domain(dom) } else { request };
            request.kind = kind;
            Some(request)
        };
        let (Some(at_from), Some(at_to)) = (request(from), request(to)) else { return false };
        let there = Call { reference: self.reference, dir: self.dir, request: &at_to };
        let here = Call { reference: self.reference, dir: self.dir, request: &at_from };
        let passable = |call: &Call<'_, '_>, path: &[u8]| {
            call.visible(path, kind)?;
            if OpSet::THROUGH_OPEN.contains(op) { call.ever(path, kind, Op::Open) } else { Ok(()) }
        };
        if passable(&there, to).is_err() {
            return false;
        }
        let shut = passable(&here, from).is_err();
        let shape = self.reference.model.shape;
        let (mut at_from, mut at_to) = (Question::new(shape, &at_from), Question::new(shape, &at_to));
        complete::some_request(self.reference, &mut at_from, &mut at_to, &|from, to| {
            (shut || from == Verdict::Deny) && to == Verdict::Allow
        })
    }
}

/// A program for each name the policy has, one for those it has not, each in every domain.
fn callers(model: &Model) -> Vec<Caller> {
    let mut texts: BTreeSet<&[u8]> = BTreeSet::new();
    for_each_expression(model, &mut |expr, rule| {
        let operands: Vec<&Operand> = match expr {
            Expr::Compare(_, left, right) => vec![left, right],
            Expr::In(left, list) => std::iter::once(left).chain(list).collect(),
            Expr::Role { member, role, domain, .. } => [member, role].into_iter().chain(domain).collect(),
            _ => return,
        };
        for operand in operands {
            match (operand, rule) {
                (Operand::Field(column), Some(rule)) => {
                    texts.insert(&model.rules[rule].fields[*column].text);
                }
                (Operand::Text { text, .. }, _) => {
                    texts.insert(text);
                }
                _ => {}
            }
        }
    });
    let edges = || model.roles.iter().flat_map(|graph| &graph.edges);
    texts.extend(edges().flat_map(|edge| [edge.member.as_slice(), &edge.role]));
    let mut subjects: BTreeSet<Vec<u8>> = [b"/~0/~1".to_vec()].into();
    for text in &texts {
        if text.contains(&b'/') {
            subjects.insert(text.to_vec());
        } else {
            subjects.insert([b"/~0/", *text].concat());
        }
    }
    let mut domains: BTreeSet<Option<Vec<u8>>> = [None].into();
    if reads_domain(model) {
        domains.extend(edges().map(|edge| edge.domain.clone()));
        domains.extend(texts.iter().map(|text| Some(text.to_vec())));
    }
    let pairs = subjects.iter().flat_map(|sub| domains.iter().map(|dom| (sub.clone(), dom.clone())));
    pairs.collect()
}

fn reads_domain(model: &Model) -> bool {
    use crate::model::RequestField;
    let mut found = false;
    for_each_expression(model, &mut |expr, _| {
        let is_dom = |operand: &Operand| *operand == Operand::Request(RequestField::Dom);
        found |= match expr {
            Expr::Compare(_, left, right) => is_dom(left) || is_dom(right),
            Expr::In(left, _) => is_dom(left),
            Expr::Role { member, role, domain, .. } => {
                is_dom(member) || is_dom(role) || domain.as_ref().is_some_and(is_dom)
            }
            _ => false,
        };
    });
    found
}

/// What names below a directory may end in: what the policy's texts say below either name, their components, and
/// names it does not mention.
fn names_below(model: &Model, old: &[u8], new: &[u8]) -> BTreeSet<Vec<u8>> {
    let mut names: BTreeSet<Vec<u8>> = [b"/~0".to_vec(), b"/~0/~1".to_vec()].into();
    let mut components: BTreeSet<&[u8]> = BTreeSet::new();
    let mut texts: BTreeSet<&[u8]> = BTreeSet::new();
    for rule in &model.rules {
        texts.extend(rule.fields.iter().map(|field| field.text.as_slice()));
    }
    for_each_expression(model, &mut |expr, _| {
        if let Expr::Path { pattern: Operand::Text { text, .. }, .. }
        | Expr::Compare(_, _, Operand::Text { text, .. })
        | Expr::Compare(_, Operand::Text { text, .. }, _) = expr
        {
            texts.insert(text);
        }
    });
    for text in texts.into_iter().filter(|text| text.contains(&b'/')) {
        components.extend(text.split(|byte| *byte == b'/').filter(|name| !name.is_empty()));
        for dir in [old, new] {
            let Some(rest) = text.strip_prefix(dir).filter(|rest| rest.first() == Some(&b'/')) else {
                continue;
            };
            for end in (1..=rest.len()).filter(|end| *end == rest.len() || rest[*end] == b'/') {
                names.insert(rest[..end].to_vec());
                names.insert([&rest[..end], b"/~0"].concat());
            }
        }
    }
    for name in components {
        let plain: Vec<u8> = name.iter().copied().filter(|byte| !b"*?[]{}\\^$".contains(byte)).collect();
        for name in [name, &plain] {
            names.insert([b"/", name].concat());
            names.insert([b"/~0/", name].concat());
            names.insert([b"/", name, b"/~0"].concat());
        }
    }
    names.retain(|name| is_canonical(name) && name != b"/");
    names
}
