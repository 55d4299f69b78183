//! Why a request gets its answer: the rule that decided and the roles that led to it, rules that match too, and rules
//! that nearly would.
//!
//! Everything here is asked of the reference evaluator, which knows the author's text; it knows no automaton.

mod report;
mod words;

pub use report::{human, json};

use std::cmp::Reverse;

use boesfs_abi::request::Request;
use boesfs_abi::verdict::Verdict;
use boesfs_grammar::{Source, Span};

use crate::model::{BaseEffect, Expr, Model, Operand, RequestField};
use crate::reference::{Decision, Obstacle, Reference, RolePath};

/// How many near misses are shown unless more are asked for.
pub const MOST_SHOWN: usize = 3;

/// Why a request gets its answer.
#[derive(Clone, Debug)]
pub struct Explanation<'m> {
    /// The decision, and the rule that decided.
    pub decision: Decision,
    /// The roles by which that rule matches.
    pub roles: Vec<RolePath>,
    /// Rules that match, or may, and do not decide.
    pub others: Vec<Other>,
    /// Rules that would match but for one condition: those that would change the answer first, then the likeliest.
    pub near: Vec<NearMiss<'m>>,
}

/// A rule that matches and does not decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Other {
    /// Index into [`Model::rules`].
    pub rule: usize,
    /// Why it does not, in words.
    pub why: String,
}

/// A rule that would match but for one condition.
#[derive(Clone, Debug)]
pub struct NearMiss<'m> {
    /// Index into [`Model::rules`].
    pub rule: usize,
    /// The condition.
    pub obstacle: Obstacle<'m>,
    /// Which field of the request it is about; `rule` if about none.
    pub field: &'static str,
    /// What is in the way, in words that follow "but".
    pub why: String,
}

impl<'m> Explanation<'m> {
    /// Near misses that would give the request the other answer.
    pub fn decisive<'a>(&'a self, model: &'m Model) -> impl Iterator<Item = &'a NearMiss<'m>> {
        let got = self.decision.verdict;
        self.near.iter().filter(move |miss| Verdict::from(model.rules[miss.rule].eft) != got)
    }
}

impl NearMiss<'_> {
    /// The near miss in one line.
    #[must_use]
    pub fn text(&self, model: &Model, sources: &[Source]) -> String {
        let rule = &model.rules[self.rule];
        let file = sources.get(rule.file as usize).map_or("", |source| source.name.as_str());
        let verdict = Verdict::from(rule.eft);
        format!("near miss: {file}:{} would {verdict}, but {}", rule.line, self.why)
    }
}

/// Explains the decision about `request` by the rules of `model`, of which `reference` is made.
#[must_use]
pub fn explain<'m>(reference: &Reference<'m>, model: &'m Model, request: &Request) -> Explanation<'m> {
    let decision = reference.decide(request);
    let roles = decision.rule.map(|rule| reference.role_paths(request, rule)).unwrap_or_default();
    let mut others = Vec::new();
    let mut near = Vec::new();
    for (number, rule) in model.rules.iter().enumerate() {
        if decision.rule == Some(number) || rule.inert {
            continue;
        }
        let obstacles = reference.obstacles(request, number);
        match obstacles.as_slice() {
            [] => others.push(Other { rule: number, why: passed_over(model, &decision, number) }),
            [obstacle] if model.effect.base.looks_at(rule.eft) => {
                let field = field(obstacle);
                let about_here = field != "obj" || shared(request, rule_path(obstacle, model, number)) > 1;
                if about_here {
                    let why = words::obstacle(*obstacle, model, number, request);
                    near.push(NearMiss { rule: number, obstacle: *obstacle, field, why });
                }
            }
            _ => {}
        }
    }
    near.sort_by_cached_key(|miss| {
        let same = Verdict::from(model.rules[miss.rule].eft) == decision.verdict;
        let closeness = Reverse(shared(request, rule_path(&miss.obstacle, model, miss.rule)));
        (same, RANK.iter().position(|field| *field == miss.field), closeness, miss.rule)
    });
    Explanation { decision, roles, others, near }
}

/// Fields in the order in which a mismatch is likeliest to be the one that matters.
const RANK: [&str; 9] = ["args", "kind", "uid", "gid", "act", "obj", "sub", "dom", "rule"];

/// The field of the request a condition is about.
fn field(obstacle: &Obstacle<'_>) -> &'static str {
    let of = |operand: &Operand| match operand {
        Operand::Request(field) => Some(match field {
            RequestField::Sub => "sub",
            RequestField::Obj => "obj",
            RequestField::Act => "act",
            RequestField::Dom => "dom",
            RequestField::Uid => "uid",
            RequestField::Gid => "gid",
            RequestField::Kind => "kind",
            RequestField::Arg(..) => "args",
        }),
        Operand::Field(_) | Operand::Text { .. } | Operand::Number(_) | Operand::Kind(_) => None,
    };
    match &obstacle.node.expr {
        Expr::Compare(_, left, right) => of(left).or(of(right)),
        Expr::In(left, _) => of(left),
        Expr::Role { member, role, .. } => of(member).or(of(role)),
        Expr::Path { .. } => Some("obj"),
        Expr::Args(_) => Some("args"),
        Expr::ActionRole(_) => Some("act"),
        Expr::Const(_) | Expr::Not(_) | Expr::And(_) | Expr::Or(_) | Expr::Eval(_) => None,
    }
    .unwrap_or("rule")
}

/// The path or pattern that a condition compares the object with.
fn rule_path<'m>(obstacle: &Obstacle<'m>, model: &'m Model, rule: usize) -> &'m [u8] {
    let text = |operand: &'m Operand| match operand {
        Operand::Field(column) => Some(model.rules[rule].fields[*column].text.as_slice()),
        Operand::Text { text, .. } => Some(text.as_slice()),
        Operand::Request(_) | Operand::Number(_) | Operand::Kind(_) => None,
    };
    match &obstacle.node.expr {
        Expr::Path { pattern, .. } => text(pattern),
        Expr::Compare(_, left, right) => text(left).or(text(right)),
        _ => None,
    }
    .unwrap_or_default()
}

/// How many bytes the request's object and `path` have in common from the start.
fn shared(request: &Request, path: &[u8]) -> usize {
    request.obj().iter().zip(path).take_while(|(left, right)| left == right).count()
}

/// Why a rule that matches does not decide.
fn passed_over(model: &Model, decision: &Decision, rule: usize) -> String {
    let this = &model.rules[rule];
    let verdict = Verdict::from(this.eft);
    if !model.effect.base.looks_at(this.eft) {
        return format!("the effect does not look at rules that {verdict}");
    }
    let Some(winner) = decision.rule.map(|winner| &model.rules[winner]) else {
        return "whether it matches depends on what the request leaves open, or a nearer entry is there"
            .into();
    };
    let line = winner.line;
    match model.effect.base {
        _ if model.effect.nearest && winner.eft == this.eft => {
            format!("the rule on line {line} stands in a nearer entry, or before it")
        }
        BaseEffect::AllowAndNoDeny if winner.eft != this.eft => {
            if decision.verdict == Verdict::Deny {
                format!("the deny on line {line} outweighs it")
            } else {
                "it stands in an entry that is not the nearest".to_owned()
            }
        }
        BaseEffect::Priority(_) => format!("the rule on line {line} has priority"),
        BaseEffect::SubjectPriority(_) => {
            format!("the subject of the rule on line {line} stands lower among the roles, or before it")
        }
        BaseEffect::SomeAllow | BaseEffect::NoDeny | BaseEffect::AllowAndNoDeny => {
            format!("the rule on line {line} says the same and stands before it")
        }
    }
}

/// Where the policy's effect is written, for what no rule decides.
fn effect_span(tree: &boesfs_grammar::SyntaxTree, model: &Model) -> Span {
    tree.definitions
        .iter()
        .find(|definition| definition.section == boesfs_grammar::SectionKind::Effect)
        .map_or(model.matcher.span, |definition| definition.key.span)
}
