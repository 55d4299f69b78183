//! From the set of path languages a path lies in to its row: a cell for each subject class.

use std::collections::HashMap;

use boesfs_abi::layout::Test;
use boesfs_abi::op::{Op, OpSet};
use boesfs_abi::verdict::Effect;

use crate::model::{BaseEffect, Shape};
use crate::rules::{ClassId, Entry, RuleId, RuleSet, Term};

use super::cell::{Candidate, Cell, CellBuilder};
use super::limits::{AutomatonError, Limits};
use super::texts::Texts;

/// Index of a term among all terms of all rules.
type TermIndex = u32;

/// The rows of an automaton's labels.
#[derive(Clone, Debug, Default)]
pub(super) struct Rows {
    /// For each row a cell number for each class.
    pub(super) rows: Vec<Vec<u32>>,
    /// The cells.
    pub(super) cells: Vec<Cell>,
}

/// The operations a policy of this shape decides in their own name: `lookup2` is `lookup`, and in `BoesFS` shape `exec`
/// is `open` and `ioctl` is `setattr`.
#[must_use]
pub fn decided_ops(shape: Shape) -> OpSet {
    let others = match shape {
        Shape::Casbin => OpSet::of(&[Op::Lookup2]),
        Shape::Boesfs => OpSet::of(&[Op::Lookup2, Op::Exec, Op::Ioctl]),
    };
    OpSet::ALL.difference(others)
}

/// Makes rows of label sets, one after another.
pub(super) struct RowBuilder<'a> {
    rules: &'a RuleSet,
    texts: &'a mut Texts,
    limits: &'a Limits,
    terms: Vec<FlatTerm<'a>>,
    /// For each atom, the terms that need it and are looked up by it.
    by_atom: Vec<Vec<TermIndex>>,
    /// For each atom, the terms looked up by no atom that it excludes.
    excluded: Vec<Vec<TermIndex>>,
    /// For each class, the terms looked up by no atom, in order.
    base: Vec<Vec<TermIndex>>,
    /// Under `nearest`, terms of an entry that are looked up by no atom.
    loose: Vec<TermIndex>,
    /// Classes with equal numbers have equal `base` and equal order.
    profile: Vec<u32>,
    /// For each class the place of each rule in its order, if the order is not the file's.
    places: Vec<Vec<u32>>,
    cell_ids: HashMap<Cell, u32>,
    by_candidates: HashMap<(u32, Vec<TermIndex>, Vec<TermIndex>), u32>,
    rows: Rows,
    row_ids: HashMap<Vec<u32>, u32>,
}

struct FlatTerm<'a> {
    rule: RuleId,
    term: &'a Term,
    ops: OpSet,
    tests: Vec<Test>,
}

impl<'a> RowBuilder<'a> {
    /// A builder of the rows of `rules`, whose arguments `texts` classifies.
    pub(super) fn new(rules: &'a RuleSet, texts: &'a mut Texts, limits: &'a Limits) -> Self {
        let classes = rules.subjects.class_count as usize;
        let mut terms = Vec::new();
        for (rule, id) in rules.rules.iter().zip(0u32..) {
            if !rules.effect.base.looks_at(rule.eft) {
                continue;
            }
            for term in &rule.terms {
                let ops = term.ops.iter().fold(OpSet::EMPTY, |ops, op| ops.with(op.decided_as()));
                let ops = ops.intersection(decided_ops(rules.shape));
                let tests = term.tests.iter().map(|test| texts.wire(test)).collect();
                terms.push(FlatTerm { rule: RuleId(id), term, ops, tests });
            }
        }
        let mut builder = Self {
            rules,
            texts,
            limits,
            by_atom: vec![Vec::new(); rules.atoms.len()],
            excluded: vec![Vec::new(); rules.atoms.len()],
            base: vec![Vec::new(); classes],
            loose: Vec::new(),
            profile: Vec::new(),
            places: places(rules),
            cell_ids: HashMap::new(),
            by_candidates: HashMap::new(),
            rows: Rows::default(),
            row_ids: HashMap::new(),
            terms,
        };
        builder.index();
        builder
    }

    fn index(&mut self) {
        let mut uses = vec![0usize; self.rules.atoms.len()];
        for flat in &self.terms {
            for test in flat.term.paths.iter().filter(|test| test.holds) {
                uses[test.atom.0 as usize] += 1;
            }
        }
        for (index, flat) in (0u32..).zip(&self.terms) {
            let rarest = flat
                .term
                .paths
                .iter()
                .filter(|test| test.holds)
                .map(|test| test.atom.0)
                .min_by_key(|atom| (uses[*atom as usize], *atom));
            if let Some(atom) = rarest {
                self.by_atom[atom as usize].push(index);
                continue;
            }
            if self.rules.effect.nearest && flat.term.entry != Entry::Everywhere {
                self.loose.push(index);
                continue;
            }
            for test in &flat.term.paths {
                self.excluded[test.atom.0 as usize].push(index);
            }
            for class in flat.term.classes.iter() {
                self.base[class.0 as usize].push(index);
            }
        }
        let mut profiles: HashMap<(Vec<TermIndex>, Vec<u32>), u32> = HashMap::new();
        for class in 0..self.base.len() {
            let mut base = std::mem::take(&mut self.base[class]);
            base.sort_by_key(|term| self.rank(*term, class));
            let places = self.places.get(class).cloned().unwrap_or_default();
            let next = u32::try_from(profiles.len()).expect("INVARIANT: classes have 32-bit ids");
            self.profile.push(*profiles.entry((base.clone(), places)).or_insert(next));
            self.base[class] = base;
        }
    }

    /// The place of a term in the order in which the effect consults rules for `class`.
    fn rank(&self, term: TermIndex, class: usize) -> (u32, TermIndex) {
        let rule = self.terms[term as usize].rule;
        let place = match self.rules.effect.base {
            BaseEffect::SomeAllow | BaseEffect::NoDeny => rule.0,
            // Any deny outweighs every allow; among equals the file's order counts.
            BaseEffect::AllowAndNoDeny => match self.eft(term) {
                Effect::Deny => 0,
                Effect::Allow => 1,
            },
            BaseEffect::Priority(_) | BaseEffect::SubjectPriority(_) => {
                self.places.get(class).map_or(rule.0, |places| places[rule.0 as usize])
            }
        };
        (place, term)
    }

    fn eft(&self, term: TermIndex) -> Effect {
        self.rules.rules[self.terms[term as usize].rule.0 as usize].eft
    }

    /// The number of the row of the paths that lie in exactly the languages `label`, which is sorted.
    ///
    /// # Errors
    /// [`AutomatonError`] if a limit is exceeded.
    pub(super) fn row(&mut self, label: &[u32]) -> Result<u32, AutomatonError> {
        let holds = |atom: u32| label.binary_search(&atom).is_ok();
        let mut found: Vec<TermIndex> = self.loose.clone();
        let mut excluded = Vec::new();
        for atom in label {
            found.extend_from_slice(&self.by_atom[*atom as usize]);
            excluded.extend_from_slice(&self.excluded[*atom as usize]);
        }
        excluded.sort_unstable();
        excluded.dedup();
        found.retain(|term| {
            self.terms[*term as usize].term.paths.iter().all(|test| holds(test.atom.0) == test.holds)
        });
        found.sort_unstable();
        let mut of_class: HashMap<ClassId, Vec<TermIndex>> = HashMap::new();
        for term in &found {
            for class in self.terms[*term as usize].term.classes.iter() {
                of_class.entry(*class).or_default().push(*term);
            }
        }
        let mut row = Vec::with_capacity(self.base.len());
        for class in 0..self.rules.subjects.class_count {
            let terms = of_class.remove(&ClassId(class)).unwrap_or_default();
            row.push(self.cell(class as usize, terms, &excluded)?);
        }
        if let Some(id) = self.row_ids.get(&row) {
            return Ok(*id);
        }
        let id = u32::try_from(self.rows.rows.len()).expect("INVARIANT: fewer rows than states");
        self.rows.rows.push(row.clone());
        self.row_ids.insert(row, id);
        if self.rows.rows.len().saturating_mul(self.base.len()) > self.limits.cells {
            return Err(AutomatonError::Cells {
                rows: self.rows.rows.len(),
                classes: self.base.len(),
                limit: self.limits.cells,
            });
        }
        Ok(id)
    }

    fn cell(
        &mut self,
        class: usize,
        mut terms: Vec<TermIndex>,
        excluded: &[TermIndex],
    ) -> Result<u32, AutomatonError> {
        let mut use_base = true;
        if self.rules.effect.nearest {
            let entry = |term: &TermIndex| self.terms[*term as usize].term.entry;
            if let Some(nearest) = terms.iter().map(entry).max_by_key(|entry| nearness(*entry)) {
                terms.retain(|term| entry(term) == nearest);
                use_base = nearest == Entry::Everywhere;
            }
        }
        terms.sort_by_key(|term| self.rank(*term, class));
        let profile = if use_base { self.profile[class] + 1 } else { 0 };
        let key = (profile, terms, if use_base { excluded.to_vec() } else { Vec::new() });
        if let Some(id) = self.by_candidates.get(&key) {
            return Ok(*id);
        }
        let (_, terms, excluded) = &key;
        let base: &[TermIndex] = if use_base { &self.base[class] } else { &[] };
        let candidates = self.candidates(class, terms, base, excluded);
        let mut cells = CellBuilder {
            ops: decided_ops(self.rules.shape),
            default: self.rules.effect.base.default_verdict(),
            texts: &mut self.texts.classes,
            box_limit: self.limits.boxes,
        };
        let candidates: Vec<Candidate<'_>> = candidates
            .into_iter()
            .map(|term| {
                let flat = &self.terms[term as usize];
                let rule = &self.rules.rules[flat.rule.0 as usize];
                Candidate {
                    rule: flat.rule,
                    eft: rule.eft,
                    annotations: &rule.annotations,
                    ops: flat.ops,
                    tests: &flat.tests,
                }
            })
            .collect();
        let cell = cells.build(&candidates)?;
        let next = u32::try_from(self.rows.cells.len()).expect("INVARIANT: cells are limited below 2^32");
        let id = *self.cell_ids.entry(cell).or_insert_with_key(|cell| {
            self.rows.cells.push(cell.clone());
            next
        });
        self.by_candidates.insert(key, id);
        Ok(id)
    }

    /// The terms of two sorted lists in order, as far as some operation is still undecided.
    fn candidates(
        &self,
        class: usize,
        terms: &[TermIndex],
        base: &[TermIndex],
        excluded: &[TermIndex],
    ) -> Vec<TermIndex> {
        let mut undecided = decided_ops(self.rules.shape);
        let mut candidates = Vec::new();
        let mut terms = terms.iter().peekable();
        let mut base = base.iter().filter(|term| excluded.binary_search(term).is_err()).peekable();
        while !undecided.is_empty() {
            let from_terms = match (terms.peek(), base.peek()) {
                (None, None) => break,
                (Some(_), None) => true,
                (None, Some(_)) => false,
                (Some(a), Some(b)) => self.rank(**a, class) < self.rank(**b, class),
            };
            let next = if from_terms { terms.next() } else { base.next() };
            let term = *next.expect("INVARIANT: peeked");
            let flat = &self.terms[term as usize];
            if flat.ops.intersection(undecided).is_empty() {
                continue;
            }
            candidates.push(term);
            if flat.tests.is_empty() {
                undecided = undecided.difference(flat.ops);
            }
        }
        candidates
    }

    /// The rows made so far.
    pub(super) fn finish(self) -> Rows {
        self.rows
    }
}

/// Entries in the order in which `nearest` prefers them.
fn nearness(entry: Entry) -> (u8, u32) {
    match entry {
        Entry::Everywhere => (0, 0),
        Entry::Dir(depth) => (1, depth),
        Entry::File => (2, 0),
    }
}

/// For each class the place of each rule in its order, if rules are not consulted in file order.
fn places(rules: &RuleSet) -> Vec<Vec<u32>> {
    let Some(order) = &rules.order else { return Vec::new() };
    order
        .iter()
        .map(|order| {
            // A rule the order leaves out comes after all it names, in file order.
            let named = u32::try_from(order.len()).expect("INVARIANT: rules have 32-bit ids");
            let mut places: Vec<u32> = (0..).take(rules.rules.len()).map(|rule: u32| named + rule).collect();
            for (place, rule) in (0u32..).zip(order) {
                places[rule.0 as usize] = place;
            }
            places
        })
        .collect()
}
