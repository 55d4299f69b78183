//! From the set of path languages a path lies in to its row: a cell for each subject class.
//!
//! Most rows differ from what holds where no rule speaks of the path in a class or two, so a row is kept as these
//! differences: neither time nor memory goes with rows times classes.

use std::hash::BuildHasher as _;
use std::sync::Arc;

use hashbrown::{DefaultHashBuilder, HashMap, HashTable};

use boesfs_abi::layout::Test;
use boesfs_abi::op::{Op, OpSet};
use boesfs_abi::verdict::Effect;

use crate::model::{BaseEffect, Shape};
use crate::rules::{Entry, RuleId, RuleSet, Term};

use super::cell::{Candidate, Cell, CellBuilder};
use super::limits::{AutomatonError, Limits};
use super::row_table::RowTable;
use super::texts::Texts;

/// Index of a term among all terms of all rules.
type TermIndex = u32;

/// The rows of an automaton's labels.
#[derive(Clone, Debug)]
pub(super) struct Rows {
    /// For each row a cell number for each class.
    pub(super) rows: RowTable,
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
    by_atom: Lists,
    /// For each atom, the terms looked up by no atom that it excludes.
    excluded: Lists,
    /// For each class, the terms looked up by no atom, in order.
    base: Vec<Vec<TermIndex>>,
    /// Under `nearest`, terms of an entry that are looked up by no atom.
    loose: Vec<TermIndex>,
    /// Classes with equal numbers have equal `base` and equal order.
    profile: Vec<u32>,
    /// For each class the place of each rule in its order, if the order is not the file's.
    places: Vec<Arc<[u32]>>,
    /// What every operation comes to where no rule decides.
    untouched: Cell,
    cells: Vec<Cell>,
    hasher: DefaultHashBuilder,
    /// Hashes and numbers of cells.
    cell_ids: HashTable<(u64, u32)>,
    by_candidates: Known,
    /// For each term the profile of the classes that last had it alone, and their cell.
    alone: Vec<(u32, u32)>,
    rows: RowTable,
}

/// No profile.
const NONE: u32 = u32::MAX;

struct FlatTerm<'a> {
    rule: RuleId,
    term: &'a Term,
    ops: OpSet,
    tests: Vec<Test>,
}

/// Lists of terms, one for each atom.
struct Lists {
    ends: Vec<u32>,
    terms: Vec<TermIndex>,
}

impl Lists {
    /// The lists of `count` atoms; `pairs` has their terms in order.
    fn new(count: usize, pairs: &[(u32, TermIndex)]) -> Self {
        let mut ends = vec![0u32; count + 1];
        for (atom, _) in pairs {
            ends[*atom as usize + 1] += 1;
        }
        for atom in 0..count {
            ends[atom + 1] += ends[atom];
        }
        let mut terms = vec![0; pairs.len()];
        for (atom, term) in pairs {
            // Each list's end starts as its beginning, and moves on.
            let place = &mut ends[*atom as usize];
            terms[*place as usize] = *term;
            *place += 1;
        }
        Self { ends, terms }
    }

    fn of(&self, atom: u32) -> &[TermIndex] {
        let start = atom.checked_sub(1).map_or(0, |before| self.ends[before as usize]);
        &self.terms[start as usize..self.ends[atom as usize] as usize]
    }
}

/// Which cell was made of which candidates.
#[derive(Default)]
struct Known {
    hasher: DefaultHashBuilder,
    table: HashTable<Combination>,
    terms: Vec<TermIndex>,
}

#[derive(Clone, Copy)]
struct Combination {
    profile: u32,
    /// Where its terms are, and behind them those it excludes.
    start: usize,
    middle: usize,
    end: usize,
    cell: u32,
}

impl Known {
    fn hash(hasher: &DefaultHashBuilder, profile: u32, terms: &[TermIndex], excluded: &[TermIndex]) -> u64 {
        hasher.hash_one((profile, terms, excluded))
    }

    fn find(&self, profile: u32, terms: &[TermIndex], excluded: &[TermIndex]) -> Option<u32> {
        let hash = Self::hash(&self.hasher, profile, terms, excluded);
        let same = |known: &Combination| {
            known.profile == profile
                && self.terms[known.start..known.middle] == *terms
                && self.terms[known.middle..known.end] == *excluded
        };
        self.table.find(hash, same).map(|known| known.cell)
    }

    fn add(&mut self, profile: u32, terms: &[TermIndex], excluded: &[TermIndex], cell: u32) {
        let Self { hasher, table, terms: all } = self;
        let hash = Self::hash(hasher, profile, terms, excluded);
        let start = all.len();
        all.extend_from_slice(terms);
        let middle = all.len();
        all.extend_from_slice(excluded);
        let combination = Combination { profile, start, middle, end: all.len(), cell };
        table.insert_unique(hash, combination, |known| {
            Self::hash(hasher, known.profile, &all[known.start..known.middle], &all[known.middle..known.end])
        });
    }
}

impl<'a> RowBuilder<'a> {
    /// A builder of the rows of `rules`, whose arguments `texts` classifies.
    ///
    /// # Errors
    /// [`AutomatonError`] if a limit is exceeded.
    pub(super) fn new(
        rules: &'a RuleSet,
        texts: &'a mut Texts,
        limits: &'a Limits,
    ) -> Result<Self, AutomatonError> {
        let classes = rules.subjects.class_count as usize;
        let mut terms = Vec::with_capacity(rules.rules.len());
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
        let default = rules.effect.base.default_verdict();
        let mut builder = Self {
            rules,
            texts,
            limits,
            by_atom: Lists::new(0, &[]),
            excluded: Lists::new(0, &[]),
            base: vec![Vec::new(); classes],
            loose: Vec::new(),
            profile: Vec::new(),
            places: places(rules),
            untouched: Cell::by_default(default, decided_ops(rules.shape)),
            cells: Vec::new(),
            hasher: DefaultHashBuilder::default(),
            cell_ids: HashTable::new(),
            by_candidates: Known::default(),
            alone: vec![(NONE, 0); terms.len()],
            rows: RowTable::default(),
            terms,
        };
        builder.index();
        let mut base = Vec::with_capacity(classes);
        for class in 0..classes {
            base.push(builder.cell(class, &mut Vec::new(), &[])?);
        }
        builder.rows = RowTable::over(base);
        Ok(builder)
    }

    fn index(&mut self) {
        let atoms = self.rules.atoms.len();
        let mut uses = vec![0u32; atoms];
        for flat in &self.terms {
            for test in flat.term.paths.iter().filter(|test| test.holds) {
                uses[test.atom.0 as usize] += 1;
            }
        }
        let (mut by_atom, mut excluded) = (Vec::with_capacity(self.terms.len()), Vec::new());
        for (index, flat) in (0u32..).zip(&self.terms) {
            let rarest = flat
                .term
                .paths
                .iter()
                .filter(|test| test.holds)
                .map(|test| test.atom.0)
                .min_by_key(|atom| (uses[*atom as usize], *atom));
            if let Some(atom) = rarest {
                by_atom.push((atom, index));
                continue;
            }
            if self.rules.effect.nearest && flat.term.entry != Entry::Everywhere {
                self.loose.push(index);
                continue;
            }
            excluded.extend(flat.term.paths.iter().map(|test| (test.atom.0, index)));
            for class in flat.term.classes.iter() {
                self.base[class.0 as usize].push(index);
            }
        }
        self.by_atom = Lists::new(atoms, &by_atom);
        self.excluded = Lists::new(atoms, &excluded);
        let mut profiles: HashMap<(Vec<TermIndex>, Option<*const [u32]>), u32> = HashMap::default();
        for class in 0..self.base.len() {
            let mut base = std::mem::take(&mut self.base[class]);
            base.sort_by_key(|term| self.rank(*term, class));
            // Equal orders are one list.
            let places = self.places.get(class).map(Arc::as_ptr);
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
            found.extend_from_slice(self.by_atom.of(*atom));
            excluded.extend_from_slice(self.excluded.of(*atom));
        }
        excluded.sort_unstable();
        excluded.dedup();
        found.retain(|term| {
            self.terms[*term as usize].term.paths.iter().all(|test| holds(test.atom.0) == test.holds)
        });
        found.sort_unstable();
        let mut of_class: Vec<(u32, TermIndex)> = Vec::with_capacity(found.len());
        for term in &found {
            let classes = &self.terms[*term as usize].term.classes;
            of_class.extend(classes.iter().map(|class| (class.0, *term)));
        }
        of_class.sort_unstable();
        let mut differences = Vec::new();
        let mut terms = Vec::new();
        let mut rest = of_class.iter().peekable();
        let mut class = 0;
        while class < self.rules.subjects.class_count {
            // A class of which nothing is said here has the cell it has everywhere.
            match rest.peek() {
                Some((next, _)) if excluded.is_empty() => class = *next,
                None if excluded.is_empty() => break,
                Some(_) | None => {}
            }
            terms.clear();
            while let Some((_, term)) = rest.next_if(|next| next.0 == class) {
                terms.push(*term);
            }
            let cell = self.cell(class as usize, &mut terms, &excluded)?;
            if cell != self.rows.base(class) {
                differences.push((class, cell));
            }
            class += 1;
        }
        let row = self.rows.add(&differences);
        if self.rows.stored() > self.limits.cells {
            return Err(AutomatonError::Cells {
                rows: self.rows.len(),
                classes: self.base.len(),
                limit: self.limits.cells,
            });
        }
        Ok(row)
    }

    /// The cell of `class` where it has these terms beside those it has everywhere, of which some are `excluded`.
    fn cell(
        &mut self,
        class: usize,
        terms: &mut Vec<TermIndex>,
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
        terms.sort_unstable_by_key(|term| self.rank(*term, class));
        let profile = if use_base { self.profile[class] + 1 } else { 0 };
        let excluded = if use_base { excluded } else { &[] };
        // What a literal rule makes is asked for again only by the classes beside it.
        let alone = match (terms.as_slice(), excluded) {
            ([term], []) => Some(*term as usize),
            _ => None,
        };
        match alone {
            Some(term) if self.alone[term].0 == profile => return Ok(self.alone[term].1),
            Some(_) => {}
            None => {
                if let Some(id) = self.by_candidates.find(profile, terms, excluded) {
                    return Ok(id);
                }
            }
        }
        let base: &[TermIndex] = if use_base { &self.base[class] } else { &[] };
        let candidates: Vec<Candidate<'_>> = self
            .candidates(class, terms, base, excluded)
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
        let mut builder = CellBuilder {
            untouched: &self.untouched,
            default: self.rules.effect.base.default_verdict(),
            texts: &mut self.texts.classes,
            box_limit: self.limits.boxes,
        };
        let cell = builder.build(&candidates)?;
        let id = self.numbered(cell);
        match alone {
            Some(term) => self.alone[term] = (profile, id),
            None => self.by_candidates.add(profile, terms, excluded, id),
        }
        Ok(id)
    }

    /// The number of a cell.
    fn numbered(&mut self, cell: Cell) -> u32 {
        let Self { hasher, cell_ids, cells, .. } = self;
        let hash = hasher.hash_one(&cell);
        let same = |(known, id): &(u64, u32)| *known == hash && cells[*id as usize] == cell;
        if let Some((_, id)) = cell_ids.find(hash, same) {
            return *id;
        }
        let id = u32::try_from(cells.len()).expect("INVARIANT: cells are limited below 2^32");
        cells.push(cell);
        cell_ids.insert_unique(hash, (hash, id), |(hash, _)| *hash);
        id
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
        Rows { rows: self.rows, cells: self.cells }
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

/// For each class the place of each rule in its order, if rules are not consulted in file order. Classes with one order
/// share it.
fn places(rules: &RuleSet) -> Vec<Arc<[u32]>> {
    let Some(order) = &rules.order else { return Vec::new() };
    let mut known: HashMap<&[RuleId], Arc<[u32]>> = HashMap::default();
    let mut by_address: HashMap<*const [RuleId], Arc<[u32]>> = HashMap::default();
    order
        .iter()
        .map(|order| {
            let places = by_address.entry(Arc::as_ptr(order)).or_insert_with(|| {
                let places = known.entry(order).or_insert_with(|| places_in(order, rules.rules.len()));
                Arc::clone(places)
            });
            Arc::clone(places)
        })
        .collect()
}

/// The place of each of `count` rules in `order`. One that is left out comes after all others, in file order.
fn places_in(order: &[RuleId], count: usize) -> Arc<[u32]> {
    let named = u32::try_from(order.len()).expect("INVARIANT: rules have 32-bit ids");
    let mut places: Vec<u32> = (0..).take(count).map(|rule: u32| named + rule).collect();
    for (place, rule) in (0u32..).zip(order) {
        places[rule.0 as usize] = place;
    }
    places.into()
}
