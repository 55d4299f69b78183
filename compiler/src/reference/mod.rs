//! The reference evaluator: a [`Model`] and a request to a [`Decision`], straight from the language's text.
//!
//! It reads rules one by one for every request and is right before it is fast. It shares no matching code with
//! lowering, automaton or image, so that they can be judged by it. It knows no state, no class and no plane.

mod alike;
mod complete;
mod effective;
mod index;
mod matcher;
mod nearest;
mod pattern;
mod regex;
mod subject;
mod value;
mod why;

use hashbrown::HashMap;

use boesfs_abi::op::Op;
use boesfs_abi::request::{ArgValue, Kind, Request};
use boesfs_abi::verdict::{Effect, Verdict};

use crate::model::{BaseEffect, Expr, Model, Node, Operand, PathFunction, Shape};
pub(crate) use alike::Alike;
pub use effective::{Effective, effective};
pub use index::Index;
use pattern::Pattern;
use subject::Programs;
pub use why::{Obstacle, RolePath};

/// What a request gets, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whether it may go on.
    pub verdict: Verdict,
    /// Index into [`Model::rules`] of the rule that decided; `None` if a default did. Where values are unknown: the
    /// first, in the order the effect consults them, that decides so for some completion.
    pub rule: Option<usize>,
    /// Denied, although some completion of its unknown values is allowed.
    pub unknown: bool,
}

/// Decides one request. For many requests of one policy, keep a [`Reference`].
#[must_use]
pub fn decide(model: &Model, request: &Request) -> Decision {
    Reference::new(model).decide(request)
}

/// A policy made ready to be asked: its patterns are compiled and its rules put in order, nothing else.
#[derive(Debug)]
pub struct Reference<'m> {
    model: &'m Model,
    patterns: HashMap<PathFunction, HashMap<Vec<u8>, Pattern>>,
    programs: Programs<'m>,
    /// Whether the matcher looks at the object at all.
    compares_obj: bool,
}

/// A request as it is judged: `lookup2` as `lookup`, in `BoesFS` shape `exec` as `open` and `ioctl` as `setattr`.
#[derive(Clone, Debug)]
struct Question<'r> {
    sub: &'r [u8],
    dom: Option<&'r [u8]>,
    obj: &'r [u8],
    op: Op,
    args: Vec<ArgValue>,
    uid: Option<u32>,
    gid: Option<u32>,
    kind: Option<Kind>,
}

/// One rule that the request's known values do not exclude, and what is left to be asked of it.
#[derive(Debug)]
struct Candidate<'m> {
    rule: usize,
    condition: Condition<'m>,
}

/// What is left to be asked of a rule.
#[derive(Debug)]
enum Condition<'m> {
    /// The whole matcher.
    Matcher(&'m Node),
    /// Under `nearest`: one of the terms that stand in the entry, each a conjunction.
    Terms(Vec<nearest::Conjunction<'m>>),
}

impl<'m> Reference<'m> {
    /// Makes `model` ready.
    ///
    /// A pattern that is not one matches nothing; resolving and lowering have refused it before.
    #[must_use]
    pub fn new(model: &'m Model) -> Self {
        let mut patterns: HashMap<PathFunction, HashMap<Vec<u8>, Pattern>> = HashMap::new();
        for_each_expression(model, &mut |expr, rule| {
            let Expr::Path { function, pattern, .. } = expr else { return };
            let text = match pattern {
                Operand::Field(column) => {
                    let Some(rule) = rule else { return };
                    &model.rules[rule].fields[*column].text
                }
                Operand::Text { text, .. } => text,
                Operand::Request(_) | Operand::Number(_) | Operand::Kind(_) => return,
            };
            let known = patterns.entry(*function).or_default();
            if !known.contains_key(text) {
                known.insert(text.clone(), Pattern::new(*function, text, model.options.compat));
            }
        });
        Self { model, patterns, programs: Programs::new(model), compares_obj: nearest::compares_obj(model) }
    }

    /// Decides one request.
    #[must_use]
    pub fn decide(&self, request: &Request) -> Decision {
        self.decide_by(request, 0..self.model.rules.len())
    }

    /// Decides one request by `rules` alone, which are in file order.
    #[must_use]
    pub fn decide_by(&self, request: &Request, rules: impl IntoIterator<Item = usize>) -> Decision {
        let mut question = Question::new(self.model.shape, request);
        let candidates = self.candidates(&question, rules);
        complete::decide(self, &mut question, &candidates)
    }

    /// Decides by all rules; afterwards `question` is as it was.
    fn decide_question(&self, question: &mut Question<'_>) -> Decision {
        let candidates = self.candidates(question, 0..self.model.rules.len());
        complete::decide(self, question, &candidates)
    }

    /// Those of `rules` that may match, in the order in which the effect consults them.
    fn candidates(
        &self,
        question: &Question<'_>,
        rules: impl IntoIterator<Item = usize>,
    ) -> Vec<Candidate<'m>> {
        let mut candidates = if self.model.effect.nearest {
            self.nearest_entry(question, rules)
        } else {
            let looked_at = |rule: usize| self.model.effect.base.looks_at(self.model.rules[rule].eft);
            rules
                .into_iter()
                .filter(|rule| looked_at(*rule) && !self.model.rules[*rule].inert)
                .map(|rule| Candidate { rule, condition: Condition::Matcher(&self.model.matcher) })
                .filter(|candidate| self.applies(candidate, question) != Some(false))
                .collect()
        };
        match self.model.effect.base {
            BaseEffect::SomeAllow | BaseEffect::NoDeny | BaseEffect::AllowAndNoDeny => {}
            BaseEffect::Priority(_) => {
                candidates.sort_by_key(|candidate| self.model.rules[candidate.rule].priority.unwrap_or(0));
            }
            BaseEffect::SubjectPriority(_) => {
                candidates.sort_by_key(|candidate| {
                    std::cmp::Reverse(self.programs.level(candidate.rule, question.dom))
                });
            }
        }
        candidates
    }

    /// Whether the rule matches; `None` if that depends on what is unknown.
    fn applies(&self, candidate: &Candidate<'m>, question: &Question<'_>) -> Option<bool> {
        match &candidate.condition {
            Condition::Matcher(node) => self.holds(node, candidate.rule, question),
            Condition::Terms(terms) => {
                matcher::any(terms.iter().map(|term| self.conjunction_holds(term, candidate.rule, question)))
            }
        }
    }
}

impl<'r> Question<'r> {
    fn new(shape: Shape, request: &'r Request) -> Self {
        let asked = request.op().decided_as();
        let (op, args) = match (shape, asked) {
            (Shape::Boesfs, Op::Exec) => (Op::Open, None),
            (Shape::Boesfs, Op::Ioctl) => (Op::Setattr, None),
            (Shape::Casbin | Shape::Boesfs, op) => (op, Some(request.args().to_vec())),
        };
        Self {
            sub: request.sub(),
            dom: request.dom(),
            obj: request.obj(),
            op,
            args: args.unwrap_or_else(|| vec![ArgValue::Unknown; op.spec().args.len()]),
            uid: request.uid,
            gid: request.gid,
            kind: request.kind,
        }
    }
}

/// Calls `visit` with every part of the matcher: once for each rule where the rule's fields matter, with its index.
fn for_each_expression<'m>(model: &'m Model, visit: &mut impl FnMut(&'m Expr, Option<usize>)) {
    fn walk<'m>(
        node: &'m Node,
        model: &'m Model,
        rule: Option<usize>,
        visit: &mut impl FnMut(&'m Expr, Option<usize>),
    ) {
        visit(&node.expr, rule);
        match &node.expr {
            Expr::Not(inner) => walk(inner, model, rule, visit),
            Expr::And(parts) | Expr::Or(parts) => {
                for part in parts {
                    walk(part, model, rule, visit);
                }
            }
            Expr::Eval(column) => {
                let inner = rule.and_then(|rule| model.rules[rule].fields[*column].eval.as_deref());
                if let Some(inner) = inner {
                    walk(inner, model, rule, visit);
                }
            }
            Expr::Const(_)
            | Expr::Compare(..)
            | Expr::In(..)
            | Expr::Role { .. }
            | Expr::Path { .. }
            | Expr::Args(_)
            | Expr::ActionRole(_) => {}
        }
    }
    walk(&model.matcher, model, None, visit);
    for rule in 0..model.rules.len() {
        walk(&model.matcher, model, Some(rule), visit);
    }
}

/// Whether `eft` speaks for `verdict`.
fn speaks_for(eft: Effect, verdict: Verdict) -> bool {
    Verdict::from(eft) == verdict
}

/// Whether `function` takes `path` for `pattern`.
#[cfg(test)]
pub(crate) fn path_function_holds(
    function: PathFunction,
    pattern: &[u8],
    compat: crate::model::Compat,
    path: &[u8],
) -> bool {
    Pattern::new(function, pattern, compat).matches(path)
}
