//! Values that are not known: a request is denied if some completion of it is (LANGUAGE §5).

use std::collections::{BTreeMap, BTreeSet, HashSet};

use boesfs_abi::op::{Access, ArgType, OPEN_PATH, Op};
use boesfs_abi::request::{ArgValue, Kind, is_canonical};
use boesfs_abi::verdict::{Effect, Verdict};

use crate::model::{BaseEffect, CompareOp, Expr, Node, Operand, RequestField, Tuple, ValueTest};

use super::matcher::{Slot, text_of, value_test};
use super::nearest::{Conjunction, Leaf};
use super::value::Check;
use super::{Candidate, Condition, Decision, Question, Reference, speaks_for};

mod sample;

/// Decides among `candidates`, whatever `question` leaves open.
pub(super) fn decide<'m>(
    reference: &Reference<'m>,
    question: &mut Question<'_>,
    candidates: &[Candidate<'m>],
) -> Decision {
    let choices = choices(reference, &[(question, candidates)]);
    let mut search =
        Search { reference, candidates, choices: &choices, sought: Verdict::Deny, best: None, any: false };
    search.run(question, 0);
    let denied = search.best;
    search = Search { sought: Verdict::Allow, best: None, any: denied.is_some(), ..search };
    search.run(question, 0);
    let rule = |place: Option<usize>| place.map(|place| candidates[place].rule);
    match denied {
        Some(place) => Decision { verdict: Verdict::Deny, rule: rule(place), unknown: search.best.is_some() },
        None => Decision { verdict: Verdict::Allow, rule: rule(search.best.flatten()), unknown: false },
    }
}

/// Whether, whatever else is unknown, some arguments get the request allowed; of an `open`, such as give `access`.
pub(super) fn some_arguments(
    reference: &Reference<'_>,
    question: &mut Question<'_>,
    access: Option<Access>,
) -> bool {
    let candidates = reference.candidates(question, 0..reference.model.rules.len());
    let told = |mask| Check { test: ValueTest::AnyBit(mask), differs: false };
    let masks = access.map(|_| [1, 2, OPEN_PATH].map(|mask| (Slot::Arg(0), told(mask))));
    let choices = choices_and(reference, &[(question, &candidates)], masks.into_iter().flatten());
    let (arguments, caller): (Vec<_>, Vec<_>) =
        choices.into_iter().partition(|(slot, _)| matches!(slot, Slot::Arg(_)));
    let shut = each_completion(&mut [question], &caller, &mut |questions| {
        !each_completion(questions, &arguments, &mut |questions| {
            let gives = access.is_none_or(|access| match &questions[0].args[0] {
                ArgValue::Number(flags) => access.given_by(*flags),
                _ => unreachable!("INVARIANT: the flags were chosen"),
            });
            gives && reference.decide_question(questions[0]).verdict == Verdict::Allow
        })
    });
    !shut
}

/// Whether some request, asked about two paths, gets a pair of verdicts that is `sought`.
pub(super) fn some_request<'r>(
    reference: &Reference<'_>,
    one: &mut Question<'r>,
    other: &mut Question<'r>,
    sought: &dyn Fn(Verdict, Verdict) -> bool,
) -> bool {
    let rules = 0..reference.model.rules.len();
    let of_one = reference.candidates(one, rules.clone());
    let of_other = reference.candidates(other, rules);
    let choices = choices(reference, &[(one, &of_one), (other, &of_other)]);
    each_completion(&mut [one, other], &choices, &mut |questions| {
        let verdict = |question: &mut Question<'_>| reference.decide_question(question).verdict;
        let (first, second) = (verdict(questions[0]), verdict(questions[1]));
        sought(first, second)
    })
}

/// Whether `found` says yes for some completion, which all of `questions` share.
fn each_completion(
    questions: &mut [&mut Question<'_>],
    choices: &[(Slot, Vec<ArgValue>)],
    found: &mut dyn FnMut(&mut [&mut Question<'_>]) -> bool,
) -> bool {
    let Some(((slot, values), rest)) = choices.split_first() else { return found(questions) };
    let any = values.iter().any(|value| {
        questions.iter_mut().for_each(|question| question.set(*slot, value));
        each_completion(questions, rest, found)
    });
    questions.iter_mut().for_each(|question| question.set(*slot, &ArgValue::Unknown));
    any
}

/// A walk over all completions for those that get one verdict.
struct Search<'a, 'm> {
    reference: &'a Reference<'m>,
    candidates: &'a [Candidate<'m>],
    choices: &'a [(Slot, Vec<ArgValue>)],
    sought: Verdict,
    /// The first candidate that decides so for a completion seen; the inner `None`, the last of all, is a default.
    best: Option<Option<usize>>,
    /// Whether one completion is enough.
    any: bool,
}

/// What a partly known request can still get.
struct Outlook {
    /// Whether the sought verdict is possible.
    possible: bool,
    /// Whether it is certain which candidate decides.
    decided: bool,
    /// The first candidate that may decide so, or does.
    first: Option<usize>,
}

impl Search<'_, '_> {
    fn run(&mut self, question: &mut Question<'_>, next: usize) {
        let outlook = self.outlook(question);
        let worse = self.best.is_some_and(|best| self.any || rank(best) <= rank(outlook.first));
        if !outlook.possible || worse {
            return;
        }
        if outlook.decided {
            self.best = Some(outlook.first);
            return;
        }
        let (slot, values) = self.choices.get(next).expect("INVARIANT: a known request is decided");
        for value in values {
            question.set(*slot, value);
            self.run(question, next + 1);
        }
        question.set(*slot, &ArgValue::Unknown);
    }

    fn outlook(&self, question: &Question<'_>) -> Outlook {
        let effect = self.reference.model.effect.base;
        let mut maybe = [false; 2];
        let mut surely = [false; 2];
        let mut first = None;
        let mut decided = true;
        let mut first_applies = false;
        for (place, candidate) in self.candidates.iter().enumerate() {
            let applies = self.reference.applies(candidate, question);
            if applies == Some(false) {
                continue;
            }
            let eft = self.reference.model.rules[candidate.rule].eft;
            decided &= applies.is_some();
            maybe[eft as usize] = true;
            surely[eft as usize] |= applies == Some(true);
            if speaks_for(eft, self.sought) && first.is_none() {
                first = Some(place);
                first_applies = applies == Some(true);
            }
            let ordered = matches!(effect, BaseEffect::Priority(_) | BaseEffect::SubjectPriority(_));
            if ordered && applies == Some(true) {
                let possible =
                    maybe[if self.sought == Verdict::Deny { Effect::Deny } else { Effect::Allow } as usize];
                return Outlook { possible, decided, first };
            }
        }
        let (allow, deny) = (Effect::Allow as usize, Effect::Deny as usize);
        let possible = match (effect, self.sought) {
            (BaseEffect::SomeAllow, Verdict::Allow) => maybe[allow],
            (BaseEffect::SomeAllow, Verdict::Deny) => !surely[allow],
            (BaseEffect::NoDeny, Verdict::Allow) => !surely[deny],
            (BaseEffect::NoDeny, Verdict::Deny) => maybe[deny],
            (BaseEffect::AllowAndNoDeny, Verdict::Allow) => maybe[allow] && !surely[deny],
            (BaseEffect::AllowAndNoDeny, Verdict::Deny) => maybe[deny] || !surely[allow],
            (BaseEffect::Priority(default) | BaseEffect::SubjectPriority(default), sought) => {
                default == sought || first.is_some()
            }
        };
        // A rule that suffices by itself, the first that could, needs no word from the others.
        let suffices = match (effect, self.sought) {
            (BaseEffect::SomeAllow, Verdict::Allow)
            | (BaseEffect::NoDeny | BaseEffect::AllowAndNoDeny, Verdict::Deny) => first_applies,
            (BaseEffect::SomeAllow, Verdict::Deny)
            | (BaseEffect::NoDeny | BaseEffect::AllowAndNoDeny, Verdict::Allow)
            | (BaseEffect::Priority(_) | BaseEffect::SubjectPriority(_), _) => false,
        };
        Outlook { possible, decided: decided || suffices, first }
    }
}

fn rank(place: Option<usize>) -> usize {
    place.unwrap_or(usize::MAX)
}

impl Question<'_> {
    fn set(&mut self, slot: Slot, value: &ArgValue) {
        let id = match value {
            ArgValue::Number(number) => u32::try_from(*number).ok(),
            ArgValue::Unknown | ArgValue::Absent | ArgValue::Bytes(_) => None,
        };
        match slot {
            Slot::Arg(place) => self.args[place] = value.clone(),
            Slot::Uid => self.uid = id,
            Slot::Gid => self.gid = id,
            Slot::Kind => self.kind = id.and_then(|id| Kind::ALL.get(id as usize).copied()),
        }
    }
}

/// For each unknown value that a candidate tests, values that pass and fail those tests in every way they
/// can be. The questions are one request about several paths.
fn choices<'m>(
    reference: &Reference<'m>,
    asked: &[(&Question<'_>, &[Candidate<'m>])],
) -> Vec<(Slot, Vec<ArgValue>)> {
    choices_and(reference, asked, std::iter::empty())
}

/// As [`choices`], for these checks as well.
fn choices_and<'m>(
    reference: &Reference<'m>,
    asked: &[(&Question<'_>, &[Candidate<'m>])],
    checks_too: impl Iterator<Item = (Slot, Check)>,
) -> Vec<(Slot, Vec<ArgValue>)> {
    let Some((question, _)) = asked.first() else { return Vec::new() };
    let mut checks: BTreeMap<Slot, HashSet<Check>> = BTreeMap::new();
    let mut collect = |slot: Slot, check: Check| {
        if question.value(slot) == ArgValue::Unknown {
            checks.entry(slot).or_default().insert(check);
        }
    };
    checks_too.for_each(|(slot, check)| collect(slot, check));
    for candidate in asked.iter().flat_map(|(_, candidates)| *candidates) {
        let mut tests = Tests { reference, rule: candidate.rule, op: question.op, found: &mut collect };
        match &candidate.condition {
            Condition::Matcher(node) => tests.of_node(node),
            Condition::Terms(terms) => terms.iter().for_each(|term| tests.of_conjunction(term)),
        }
    }
    checks
        .into_iter()
        .map(|(slot, checks)| {
            let mut checks: Vec<Check> = checks.into_iter().collect();
            checks.sort_by_cached_key(|check| format!("{check:?}"));
            (slot, representatives(question, slot, &checks))
        })
        .collect()
}

/// One value for each way of passing and failing `checks`.
fn representatives(question: &Question<'_>, slot: Slot, checks: &[Check]) -> Vec<ArgValue> {
    let ty = question.slot_type(slot);
    let tests = checks.iter().map(|check| &check.test);
    let mut values: Vec<ArgValue> = match (slot, ty) {
        (Slot::Kind, _) => Kind::ALL.iter().map(|kind| ArgValue::Number(*kind as u64)).collect(),
        (Slot::Uid | Slot::Gid, _) => sample::numbers(tests, u64::from(u32::MAX)),
        (Slot::Arg(_), ArgType::Unsigned | ArgType::Signed) => sample::numbers(tests, u64::MAX),
        (Slot::Arg(_), ArgType::Text) => sample::texts(tests),
        (Slot::Arg(_), ArgType::Path) => {
            let mut paths = sample::texts(tests);
            paths.retain(|path| matches!(path, ArgValue::Bytes(path) if is_canonical(path)));
            paths
        }
    };
    if question.op == Op::Setattr && matches!(slot, Slot::Arg(_)) {
        values.push(ArgValue::Absent);
    }
    let mut seen = BTreeSet::new();
    values
        .retain(|value| seen.insert(checks.iter().map(|check| check.passes(value, ty)).collect::<Vec<_>>()));
    values
}

/// Collects the tests that a rule makes of single values.
struct Tests<'a, 'm> {
    reference: &'a Reference<'m>,
    rule: usize,
    op: Op,
    found: &'a mut dyn FnMut(Slot, Check),
}

impl Tests<'_, '_> {
    fn of_conjunction(&mut self, term: &Conjunction<'_>) {
        for (leaf, _) in term {
            match leaf {
                Leaf::Node(node) => self.of_node(node),
                Leaf::Equal(field, operand) => self.of_comparison(CompareOp::Eq, field, operand),
            }
        }
    }

    fn of_node(&mut self, node: &Node) {
        let model = self.reference.model;
        let line = &model.rules[self.rule];
        match &node.expr {
            Expr::Not(inner) => self.of_node(inner),
            Expr::And(parts) | Expr::Or(parts) => parts.iter().for_each(|part| self.of_node(part)),
            Expr::Eval(column) => {
                if let Some(inner) = &line.fields[*column].eval {
                    self.of_node(inner);
                }
            }
            Expr::Compare(op, left, right) => match (left, right) {
                (Operand::Request(field), operand) => self.of_comparison(*op, field, operand),
                (operand, Operand::Request(field)) => {
                    self.of_comparison(super::matcher::mirrored(*op), field, operand);
                }
                _ => {}
            },
            Expr::In(Operand::Request(field), list) => {
                list.iter().for_each(|operand| self.of_comparison(CompareOp::Eq, field, operand));
            }
            Expr::Args(column) => {
                if let Some(tuple) = &line.fields[*column].tuple {
                    self.of_tuple(tuple);
                }
            }
            Expr::ActionRole(column) => self.of_action(*column),
            Expr::Role { graph, member, role, .. } => {
                for (one, other) in [(member, role), (role, member)] {
                    let Operand::Request(field) = one else { continue };
                    let edges = model.roles[*graph].edges.iter();
                    let nodes = edges.flat_map(|edge| [edge.member.as_slice(), edge.role.as_slice()]);
                    for node in nodes.chain(text_of(other, line)) {
                        let text = Operand::Text { text: node.to_vec(), ops: None };
                        self.of_comparison(CompareOp::Eq, field, &text);
                    }
                }
            }
            Expr::Const(_) | Expr::In(..) | Expr::Path { .. } => {}
        }
    }

    fn of_comparison(&mut self, op: CompareOp, field: &RequestField, operand: &Operand) {
        if let (RequestField::Act, Operand::Field(column)) = (field, operand) {
            self.of_action(*column);
        }
        let line = &self.reference.model.rules[self.rule];
        if let Some((slot, check)) = value_test(op, field, operand, line, self.op) {
            (self.found)(slot, check);
        }
    }

    fn of_action(&mut self, column: usize) {
        let model = self.reference.model;
        for role in &model.rules[self.rule].fields[column].action_roles {
            for (_, tuple) in &model.action_roles[*role].members {
                self.of_tuple(tuple);
            }
        }
    }

    fn of_tuple(&mut self, tuple: &Tuple) {
        for (place, test) in tuple.0.iter().enumerate().take(self.op.spec().args.len()) {
            if !matches!(test, ValueTest::Any | ValueTest::Nothing) {
                (self.found)(Slot::Arg(place), Check::of(test.clone()));
            }
        }
    }
}
