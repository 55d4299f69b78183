//! From cells that differ at places to findings: what belongs together is put together.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use boesfs_abi::image::ClassId;
use boesfs_abi::op::{Op, OpSet};
use boesfs_abi::request::Request;
use hashbrown::{HashMap, HashSet};

use crate::automaton::{FieldBox, Inputs};

use super::answers::{Answer, Answers, By, Delta};
use super::candidates::{Candidates, Effort};
use super::condition;
use super::language::Language;
use super::patterns::{PatternTerm, Patterns, describe};
use super::product::Product;
use super::rules::{Anchor, Blamed, Side};
use super::who::{Everybody, Program, Who};
use super::{CompareError, Finding, Limits, Outcome, Part};

/// The rules that decided before and decide now.
type Rules = (Option<u32>, Option<u32>);

/// The cells that meet.
type Cells = (Option<u32>, Option<u32>);

/// What requests of one operation get, and which ones.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Sort {
    old: Option<Outcome>,
    new: Outcome,
    /// Number of the boxes.
    within: usize,
    arguments: Vec<&'static str>,
}

/// What one anchor is to blame for in one pair of cells.
#[derive(Debug)]
struct Share {
    anchor: Anchor,
    sorts: Vec<(Op, Sort)>,
    rules: BTreeSet<Rules>,
}

/// Puts findings together.
pub(super) struct Collector<'a, 'p> {
    pub(super) answers: Answers<'a>,
    pub(super) by: By,
    /// The classes that count, as indices into everybody's, with who in them.
    pub(super) who: Vec<(ClassId, ClassId, Vec<Who>)>,
    pub(super) everybody: &'p Everybody,
    pub(super) product: &'p Product<'a>,
    pub(super) policies: (&'p Side<'p>, &'p Side<'p>),
    pub(super) limits: Limits,
    effort: Effort,
    boxes: Vec<Vec<FieldBox>>,
    box_numbers: HashMap<Vec<FieldBox>, usize>,
}

/// Everything of one anchor.
#[derive(Default)]
struct Heap {
    rules: BTreeSet<Rules>,
    /// For a class and a share, the rows.
    rows: BTreeMap<(usize, usize), Vec<usize>>,
}

impl<'a, 'p> Collector<'a, 'p> {
    pub(super) fn new(
        answers: Answers<'a>,
        by: By,
        who: Vec<(ClassId, ClassId, Vec<Who>)>,
        everybody: &'p Everybody,
        product: &'p Product<'a>,
        policies: (&'p Side<'p>, &'p Side<'p>),
        limits: Limits,
    ) -> Self {
        let (boxes, box_numbers) = (Vec::new(), HashMap::new());
        let effort = Effort::new();
        Self { answers, by, who, everybody, product, policies, limits, effort, boxes, box_numbers }
    }

    /// The findings, and how many there are: of `differences` at every place that `counts`.
    pub(super) fn findings(
        &mut self,
        counts: impl Fn((u32, u32)) -> bool,
        mut differences: impl FnMut(
            &mut Answers<'a>,
            Option<u32>,
            Option<u32>,
        ) -> Result<Vec<(Op, Delta)>, CompareError>,
        anchor: impl Fn(Option<u32>, Option<u32>) -> Anchor,
    ) -> Result<(Vec<Finding>, usize), CompareError> {
        let mut shares: Vec<Share> = Vec::new();
        let mut cells: HashMap<Cells, Rc<[usize]>> = HashMap::new();
        let mut row_numbers: HashMap<(u32, u32), Option<usize>> = HashMap::new();
        let mut rows: Vec<Vec<u32>> = Vec::new();
        let mut heaps: BTreeMap<Anchor, Heap> = BTreeMap::new();
        for place in self.product.ends() {
            let labels = self.product.labels(place);
            if !counts(labels) {
                continue;
            }
            if let Some(row) = row_numbers.get(&labels) {
                if let Some(row) = row {
                    rows[*row].push(place);
                }
                continue;
            }
            let mut found = Vec::new();
            for class in 0..self.who.len() {
                let (left, right, _) = self.who[class];
                let pair = (self.answers.cell(0, labels.0, left), self.answers.cell(1, labels.1, right));
                let these = match cells.get(&pair) {
                    Some(these) => Rc::clone(these),
                    None => {
                        let deltas = differences(&mut self.answers, pair.0, pair.1)?;
                        let first = shares.len();
                        shares.extend(self.shares(&deltas, &anchor));
                        let these: Rc<[usize]> = (first..shares.len()).collect();
                        cells.insert(pair, Rc::clone(&these));
                        these
                    }
                };
                found.extend(these.iter().map(|share| (class, *share)));
            }
            if found.is_empty() {
                row_numbers.insert(labels, None);
                continue;
            }
            let row = rows.len();
            rows.push(vec![place]);
            row_numbers.insert(labels, Some(row));
            for (class, share) in found {
                let heap = heaps.entry(shares[share].anchor).or_default();
                heap.rules.extend(shares[share].rules.iter().copied());
                heap.rows.entry((class, share)).or_default().push(row);
            }
        }
        let count = heaps.len();
        let most = self.limits.findings;
        let mut wide = None;
        let findings = heaps
            .into_iter()
            .take(most)
            .map(|(anchor, heap)| self.finding(anchor, &heap, &shares, &rows, &mut wide));
        Ok((findings.collect(), count))
    }

    /// The deltas of one pair of cells by what is to blame for them.
    fn shares(
        &mut self,
        deltas: &[(Op, Delta)],
        anchor: &impl Fn(Option<u32>, Option<u32>) -> Anchor,
    ) -> Vec<Share> {
        type Boxes = BTreeMap<(Op, Option<Outcome>, Outcome), Vec<FieldBox>>;
        let mut by_anchor: BTreeMap<Anchor, (Boxes, BTreeSet<Rules>)> = BTreeMap::new();
        for (op, delta) in deltas {
            let rule = |answer: Option<Answer>| answer.and_then(|answer| answer.rule);
            let rules = (rule(delta.old), rule(delta.new));
            let (boxes, blamed) = by_anchor.entry(anchor(rules.0, rules.1)).or_default();
            blamed.insert(rules);
            let outcome = |answer: Answer| Outcome {
                verdict: answer.verdict,
                said: (self.by == By::Rule).then_some((answer.errno, answer.report)),
            };
            let Some(new) = delta.new.map(outcome) else { continue };
            let key = (*op, delta.old.map(outcome), new);
            boxes.entry(key).or_default().extend(delta.within.iter().cloned());
        }
        by_anchor
            .into_iter()
            .map(|(anchor, (boxes, rules))| {
                let sorts = boxes.into_iter().map(|((op, old, new), boxes)| {
                    let boxes = self.answers.simplified(&boxes, op);
                    let mut arguments: Vec<&str> =
                        boxes.iter().flat_map(|part| condition::arguments_of(part, op)).collect();
                    arguments.dedup();
                    (op, Sort { old, new, within: self.box_number(boxes), arguments })
                });
                Share { anchor, sorts: sorts.collect(), rules }
            })
            .collect()
    }

    fn box_number(&mut self, boxes: Vec<FieldBox>) -> usize {
        let fresh = self.boxes.len();
        *self.box_numbers.entry(boxes).or_insert_with_key(|boxes| {
            self.boxes.push(boxes.clone());
            fresh
        })
    }

    fn finding(
        &self,
        anchor: Anchor,
        heap: &Heap,
        shares: &[Share],
        rows: &[Vec<u32>],
        wide: &mut Option<Candidates>,
    ) -> Finding {
        // For each class, operation and sort the rows; then classes and operations with equal ones together.
        let mut single: BTreeMap<(usize, Op, &Sort), BTreeSet<usize>> = BTreeMap::new();
        for ((class, share), of) in &heap.rows {
            for (op, sort) in &shares[*share].sorts {
                single.entry((*class, *op, sort)).or_default().extend(of.iter().copied());
            }
        }
        let mut by_rows: BTreeMap<(BTreeSet<usize>, &Sort, Op), BTreeSet<usize>> = BTreeMap::new();
        for ((class, op, sort), rows) in single {
            by_rows.entry((rows, sort, op)).or_default().insert(class);
        }
        let mut parts: BTreeMap<(&Sort, BTreeSet<usize>, BTreeSet<usize>), OpSet> = BTreeMap::new();
        for ((rows, sort, op), classes) in by_rows {
            let ops = parts.entry((sort, classes, rows)).or_default();
            *ops = ops.with(op);
        }
        let blamed = |policy: &Side<'_>, first: Option<u32>, of: fn(&Rules) -> Option<u32>| {
            let mut indices: Vec<Option<u32>> = heap.rules.iter().map(of).collect();
            indices.sort_by_key(|index| (first.is_none() || *index != first, index.is_none(), *index));
            indices.dedup();
            let mut blamed: Vec<Blamed> = indices.into_iter().map(|index| policy.blamed(index)).collect();
            blamed.dedup();
            blamed
        };
        let first = anchor.rules();
        let old_rules = blamed(self.policies.0, first.0, |rules| rules.0);
        let new_rules = blamed(self.policies.1, first.1, |rules| rules.1);
        let texts = || {
            let rules = old_rules.iter().chain(&new_rules).filter_map(Blamed::rule);
            rules.map(|rule| rule.text.as_str())
        };
        let candidates = [Inputs::Paths, Inputs::All]
            .map(|inputs| Candidates::of_rules(texts().take(24), inputs, &self.effort));
        let part_count = parts.len();
        let parts = parts
            .into_iter()
            .take(self.limits.parts)
            .map(|((sort, classes, of), ops)| {
                let places: HashSet<u32> = of.iter().flat_map(|row| rows[*row].iter().copied()).collect();
                self.part(sort, &classes, &places, ops, &candidates, wide)
            })
            .collect();
        Finding { old_rules, new_rules, part_count, parts }
    }

    fn part(
        &self,
        sort: &Sort,
        classes: &BTreeSet<usize>,
        places: &HashSet<u32>,
        ops: OpSet,
        candidates: &[Candidates; 2],
        wide: &mut Option<Candidates>,
    ) -> Part {
        let subjects: Vec<Who> =
            classes.iter().flat_map(|class| self.who[*class].2.iter().cloned()).collect();
        let paths = match Language::of_places(self.product, places, Inputs::Paths) {
            Some(language) => {
                let first = describe(&language, &candidates[0]);
                if first.exact {
                    first
                } else {
                    // The rules to blame do not say it: perhaps some others do.
                    let wide = wide.get_or_insert_with(|| self.all_candidates());
                    let second = describe(&language, wide);
                    if second.exact { second } else { first }
                }
            }
            None => Patterns {
                terms: vec![PatternTerm { pattern: "/**".to_owned(), also: None, except: Vec::new() }],
                exact: false,
            },
        };
        let op = ops.iter().next().expect("INVARIANT: a part has an operation");
        let boxes = &self.boxes[sort.within];
        let arguments = self.answers.arguments;
        let words = |part| condition::words(part, op, arguments, &candidates[1]);
        let mut conditions: Vec<String> = boxes.iter().map(words).collect();
        if conditions.iter().any(String::is_empty) {
            conditions.clear();
        }
        let place = places.iter().min().copied().unwrap_or_default();
        let rank = |who: &&Who| {
            let program = match who.program {
                Program::Path(_) => 0,
                Program::Name(_) => 1,
                Program::Other => 2,
            };
            (who.domain.is_some(), program)
        };
        let who = subjects.iter().min_by_key(rank).expect("INVARIANT: a class has members");
        let mut witness = Request::new(&self.everybody.text(&who.program), &self.product.input(place), op)
            .expect("INVARIANT: places are led to by canonical paths");
        if let Some(domain) = &who.domain {
            witness = witness.in_domain(domain);
        }
        let filled = boxes.iter().find_map(|part| condition::fill(witness.clone(), part, arguments));
        Part {
            old: sort.old,
            new: sort.new,
            who: self.everybody.words(&subjects),
            subjects,
            ops,
            paths,
            conditions,
            witness: filled.unwrap_or(witness),
        }
    }

    /// Patterns of all rules, as far as there is room.
    fn all_candidates(&self) -> Candidates {
        let rules = [self.policies.0, self.policies.1]
            .into_iter()
            .filter_map(|policy| policy.image.debug())
            .flat_map(|debug| debug.rules.iter().map(|rule| rule.text));
        Candidates::of_rules(rules, Inputs::Paths, &self.effort)
    }
}
