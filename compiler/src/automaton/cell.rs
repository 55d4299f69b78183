//! What one class may do at one path: from rules in the order in which the effect consults them to a [`Cell`].

use std::collections::BTreeMap;

use hashbrown::HashMap;

use boesfs_abi::layout::{NO_RULE, Test};
use boesfs_abi::op::{Op, OpSet};
use boesfs_abi::verdict::{Audit, Effect, Errno, Verdict};

use crate::model::Annotations;
use crate::rules::RuleId;

use super::boxes::{Case, Region, split};
use super::fields::{TextClasses, relevant};
use super::limits::AutomatonError;

/// What one class may do at one path, as [`boesfs_abi::layout::Cell`] has it, with its lists.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Cell {
    /// Operations always denied.
    pub deny: OpSet,
    /// Operations whose decision, or whose deciding rule, depends on the request's fields.
    pub depend: OpSet,
    /// Operations not in `depend` whose decision is reported.
    pub report: OpSet,
    /// Operations in `deny` that no rule but the default denies.
    pub by_default: OpSet,
    /// Low bit of the errno code of each operation in `deny`.
    pub errno_low: OpSet,
    /// High bit of it.
    pub errno_high: OpSet,
    /// For each operation not in `depend`, the rule that decides; [`NO_RULE`] for the default.
    pub rules: [u32; Op::COUNT],
    /// The ordered list of the operations in `depend`.
    pub first: Vec<Line>,
    /// The boxes of what is denied. A line's rule is the one to name if fields are unknown and no box before it is
    /// possible.
    pub denies: Vec<Line>,
    /// The boxes of what is allowed; likewise.
    pub allows: Vec<Line>,
}

/// One line of a cell's lists.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Line {
    /// Operations it is about.
    pub ops: OpSet,
    /// Its tests.
    pub tests: Vec<Test>,
    /// What it does.
    pub outcome: Outcome,
}

/// What a deciding rule, or the default, comes to for one operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Outcome {
    /// Index of the rule, or [`NO_RULE`].
    pub rule: u32,
    /// Whether it denies.
    pub deny: bool,
    /// Error of a denial; 0 otherwise.
    pub errno: u8,
    /// Whether it is reported.
    pub report: bool,
}

impl Outcome {
    /// What a rule with this effect and these annotations comes to for `op`.
    #[must_use]
    pub fn of_rule(rule: RuleId, eft: Effect, annotations: &Annotations, op: Op) -> Self {
        let deny = eft == Effect::Deny;
        let errno = annotations.errno.unwrap_or_else(|| default_errno(op));
        Self {
            rule: rule.0,
            deny,
            errno: if deny { errno as u8 } else { 0 },
            report: match annotations.audit {
                Audit::Deny => deny,
                Audit::Always => true,
                Audit::Never => false,
            },
        }
    }

    /// What the effect's default comes to for `op`.
    #[must_use]
    pub fn of_default(verdict: Verdict, op: Op) -> Self {
        let deny = verdict == Verdict::Deny;
        Self { rule: NO_RULE, deny, errno: if deny { default_errno(op) as u8 } else { 0 }, report: deny }
    }
}

fn default_errno(op: Op) -> Errno {
    if op == Op::Lookup { Errno::Noent } else { Errno::Acces }
}

/// A rule's term, as a cell sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate<'a> {
    /// The rule.
    pub(super) rule: RuleId,
    /// Its effect.
    pub(super) eft: Effect,
    /// Its annotations.
    pub(super) annotations: &'a Annotations,
    /// The operations of the term.
    pub(super) ops: OpSet,
    /// Its tests.
    pub(super) tests: &'a [Test],
}

/// Builds cells.
#[derive(Debug)]
pub(super) struct CellBuilder<'a> {
    /// What every operation comes to where no candidate decides.
    pub(super) untouched: &'a Cell,
    /// The verdict where no candidate decides.
    pub(super) default: Verdict,
    /// The text classes; boxes may add sets.
    pub(super) texts: &'a mut TextClasses,
    /// How many boxes an operation's tests may be split into.
    pub(super) box_limit: usize,
}

/// The lines of a cell's lists with the place of their candidate, before lines of several operations are joined.
#[derive(Default)]
struct Lists {
    first: Vec<(usize, Line)>,
    denies: Vec<(usize, Line)>,
    allows: Vec<(usize, Line)>,
}

impl CellBuilder<'_> {
    /// The cell that `candidates`, in the order in which they are consulted, make.
    ///
    /// # Errors
    /// [`AutomatonError::Boxes`] if the tests of an operation split into too many boxes.
    pub(super) fn build(&mut self, candidates: &[Candidate<'_>]) -> Result<Cell, AutomatonError> {
        let mut cell = self.untouched.clone();
        let mut lists = Lists::default();
        let (mut decided, mut tested) = (OpSet::EMPTY, OpSet::EMPTY);
        for candidate in candidates {
            let ops = candidate.ops.difference(decided);
            if !candidate.tests.is_empty() {
                tested = tested.union(ops);
                continue;
            }
            for op in ops.difference(tested).iter() {
                cell.set(op, Outcome::of_rule(candidate.rule, candidate.eft, candidate.annotations, op));
            }
            decided = decided.union(ops);
        }
        for op in tested.iter() {
            self.add_op(op, candidates, &mut cell, &mut lists)?;
        }
        cell.first = joined(lists.first);
        cell.denies = joined(lists.denies);
        cell.allows = joined(lists.allows);
        Ok(cell)
    }

    fn add_op(
        &mut self,
        op: Op,
        candidates: &[Candidate<'_>],
        cell: &mut Cell,
        lists: &mut Lists,
    ) -> Result<(), AutomatonError> {
        let mut cases = Vec::new();
        let mut outcomes = Vec::new();
        let mut places = Vec::new();
        for (place, candidate) in candidates.iter().enumerate() {
            if !candidate.ops.contains(op) {
                continue;
            }
            let Some(tests) = relevant(candidate.tests, op) else { continue };
            let total = tests.is_empty();
            let outcome = Outcome::of_rule(candidate.rule, candidate.eft, candidate.annotations, op);
            cases.push(Case { tests, deny: outcome.deny });
            outcomes.push(outcome);
            places.push(place);
            if total {
                break;
            }
        }
        if cases.last().is_none_or(|case| !case.tests.is_empty()) {
            let outcome = Outcome::of_default(self.default, op);
            cases.push(Case { tests: Vec::new(), deny: outcome.deny });
            outcomes.push(outcome);
            places.push(candidates.len());
        }
        if cases.len() == 1 {
            cell.set(op, outcomes[0]);
            return Ok(());
        }
        let regions = split(&cases, op, self.texts, self.box_limit).ok_or_else(|| {
            let mut rules: Vec<RuleId> = outcomes
                .iter()
                .filter(|outcome| outcome.rule != NO_RULE)
                .map(|outcome| RuleId(outcome.rule))
                .collect();
            rules.dedup();
            AutomatonError::Boxes { op, limit: self.box_limit, rules }
        })?;
        let decider = outcomes[regions[0].case];
        if regions.iter().all(|region| outcomes[region.case] == decider) {
            cell.set(op, decider);
            return Ok(());
        }
        cell.clear(op);
        cell.depend = cell.depend.with(op);
        let mut deciding = vec![false; cases.len()];
        for Region { case, fields } in regions {
            deciding[case] = true;
            let outcome = outcomes[case];
            let line = Line { ops: OpSet::of(&[op]), tests: fields.tests(op, self.texts), outcome };
            let list = if outcome.deny { &mut lists.denies } else { &mut lists.allows };
            list.push((places[case], line));
        }
        let last = cases.len() - 1;
        for (index, case) in cases.into_iter().enumerate() {
            // What never decides need not be asked; but the list has to end.
            if deciding[index] || index == last {
                let line = Line { ops: OpSet::of(&[op]), tests: case.tests, outcome: outcomes[index] };
                lists.first.push((places[index], line));
            }
        }
        Ok(())
    }
}

impl Cell {
    /// A cell in which a default decides each of `ops`.
    pub(super) fn by_default(verdict: Verdict, ops: OpSet) -> Self {
        let mut cell = Self { rules: [NO_RULE; Op::COUNT], ..Self::default() };
        ops.iter().for_each(|op| cell.set(op, Outcome::of_default(verdict, op)));
        cell
    }

    /// Takes away what is said of `op`.
    fn clear(&mut self, op: Op) {
        self.rules[op as usize] = NO_RULE;
        let op = OpSet::of(&[op]);
        for set in [
            &mut self.deny,
            &mut self.report,
            &mut self.by_default,
            &mut self.errno_low,
            &mut self.errno_high,
        ] {
            *set = set.difference(op);
        }
    }

    fn set(&mut self, op: Op, outcome: Outcome) {
        self.clear(op);
        self.rules[op as usize] = outcome.rule;
        let add = |set: &mut OpSet, condition: bool| {
            if condition {
                *set = set.with(op);
            }
        };
        add(&mut self.deny, outcome.deny);
        add(&mut self.report, outcome.report);
        add(&mut self.by_default, outcome.deny && outcome.rule == NO_RULE);
        add(&mut self.errno_low, outcome.errno & 1 != 0);
        add(&mut self.errno_high, outcome.errno & 2 != 0);
    }
}

/// One list in the order of candidates, lines that differ only in their operation made one.
fn joined(mut lines: Vec<(usize, Line)>) -> Vec<Line> {
    if lines.is_empty() {
        return Vec::new();
    }
    lines.sort_by_key(|(place, _)| *place);
    let mut list: Vec<Line> = Vec::new();
    for group in lines.chunk_by(|a, b| a.0 == b.0) {
        let mut known: HashMap<(&[Test], Outcome), usize> = HashMap::new();
        for (_, line) in group {
            let at = *known.entry((&line.tests, line.outcome)).or_insert_with(|| {
                list.push(Line { ops: OpSet::EMPTY, ..line.clone() });
                list.len() - 1
            });
            list[at].ops = list[at].ops.union(line.ops);
        }
    }
    settled(list)
}

/// The same list in an order that does not tell how the rules of different operations were mixed: each operation has its
/// lines in their order, and of the lines that could come next the one with the smallest operations does.
fn settled(list: Vec<Line>) -> Vec<Line> {
    // For each operation its lines, the next one last.
    let mut waiting: Vec<Vec<usize>> = vec![Vec::new(); Op::COUNT];
    for (place, line) in list.iter().enumerate().rev() {
        line.ops.iter().for_each(|op| waiting[op as usize].push(place));
    }
    let first_of_all = |waiting: &[Vec<usize>], place: usize| {
        list[place].ops.iter().all(|op| waiting[op as usize].last() == Some(&place))
    };
    // Lines that are first for all their operations share none, so those tell them apart.
    let heads = waiting.iter().filter_map(|lines| lines.last().copied());
    let mut next: BTreeMap<u32, usize> = heads
        .filter(|place| first_of_all(&waiting, *place))
        .map(|place| (list[place].ops.bits(), place))
        .collect();
    let mut order = Vec::with_capacity(list.len());
    while let Some((_, place)) = next.pop_first() {
        order.push(place);
        for op in list[place].ops.iter() {
            waiting[op as usize].pop();
        }
        let heads = list[place].ops.iter().filter_map(|op| waiting[op as usize].last().copied());
        next.extend(
            heads.filter(|place| first_of_all(&waiting, *place)).map(|place| (list[place].ops.bits(), place)),
        );
    }
    let mut lines: Vec<Option<Line>> = list.into_iter().map(Some).collect();
    let line = |place: usize| lines[place].take().expect("INVARIANT: each line comes once");
    order.into_iter().map(line).collect()
}
