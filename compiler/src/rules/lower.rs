//! [`Model`] to [`RuleSet`]: each rule's matcher, its columns filled in, as a disjunction of terms.

mod atom;
mod bytes;
mod cells;
mod division;
mod dnf;
mod expression;
mod few;
mod glob;
mod matcher;
mod mentions;
mod subjects;
#[cfg(test)]
mod tests;
mod value;

use hashbrown::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

use boesfs_grammar::Span;

use super::{ClassId, Entry, PathAtom, PathTest, Rule, RuleId, RuleSet, Subjects, Term};
use crate::model::{BaseEffect, Compat, Model, PathFunction};
pub(super) use atom::directory;
use atom::{PathSet, path_set, text_atom};
pub(crate) use atom::{path_atoms, takes_the_same};
use cells::{CellSet, Cells};
use dnf::{Conjunction, DnfError, Formula, Normaliser, Unsatisfiable};
pub use glob::{BraceLimits, PatternError};
use matcher::Lowering;
use subjects::Table;

/// The languages whose union `function` takes for `text`; `None` is every path.
///
/// # Errors
/// Why it cannot be compiled.
pub fn path_language(
    function: PathFunction,
    text: &[u8],
    compat: Compat,
) -> Result<Option<Vec<PathAtom>>, PatternError> {
    Ok(match path_set(function, text, compat, BraceLimits::default())? {
        PathSet::Every => None,
        PathSet::Atom(atom) => Some(vec![atom]),
        PathSet::Within(dir) => Some(vec![PathAtom::Literal(dir.clone()), PathAtom::Below(dir)]),
    })
}

/// The language that a path pattern in a tuple takes.
///
/// # Errors
/// Why it cannot be compiled.
pub fn argument_language(pattern: &[u8]) -> Result<PathAtom, PatternError> {
    text_atom(pattern, BraceLimits::default())
}

/// How large a policy may become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Terms of one rule.
    pub rule_terms: usize,
    /// Terms of all rules.
    pub terms: usize,
    /// Programs the policy tells apart times domains it tells apart.
    pub subjects: usize,
    /// Wildcards, repetitions and alternatives of all patterns for paths, each pattern once. Each becomes a state or
    /// more, so that the automaton's limit is known to be hit before the patterns fill the memory.
    pub wildcards: usize,
    /// Braces of one pattern.
    pub braces: BraceLimits,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            rule_terms: 4096,
            terms: 8 << 20,
            subjects: 4 << 20,
            wildcards: 1_000_000,
            braces: BraceLimits::default(),
        }
    }
}

/// Why a policy has no [`RuleSet`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct LowerError {
    /// The rule or the part of the matcher that is to blame.
    pub span: Span,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A rule's matcher has too large a disjunctive form.
    #[error("the rule needs {needed} terms or more, limit is {limit}")]
    RuleTerms {
        /// How many were counted before giving up.
        needed: usize,
        /// [`Limits::rule_terms`]
        limit: usize,
    },
    /// All rules together do.
    #[error("the policy needs {needed} terms or more, limit is {limit}")]
    Terms {
        /// How many were counted before giving up.
        needed: usize,
        /// [`Limits::terms`]
        limit: usize,
    },
    /// The policy names too many programs and domains.
    #[error("the policy tells {needed} subjects apart, limit is {limit}")]
    Subjects {
        /// Programs times domains.
        needed: usize,
        /// [`Limits::subjects`]
        limit: usize,
    },
    /// The patterns have too many wildcards.
    #[error("the path patterns have more than {limit} wildcards")]
    Wildcards {
        /// [`Limits::wildcards`]
        limit: usize,
    },
    /// A pattern is no regular language of ours, or none at all.
    #[error("the pattern does not compile: {0}")]
    Pattern(PatternError),
    /// Under `nearest`, a term has another condition on `r.obj` than `==`, `under` or `within`, or none.
    #[error("under `nearest` each way to match needs exactly one of `r.obj == …`, `under` and `within`")]
    NoEntry,
    /// Under `nearest`, a term has two conditions on `r.obj`.
    #[error("under `nearest` a way to match has two conditions on `r.obj`")]
    TwoEntries,
    /// A role relation between two fields of the request.
    #[error("both sides are fields of the request, so there is nothing to compile")]
    TwoRequestFields,
}

/// Reduces `model` to what decides.
///
/// # Errors
/// Every rule that cannot be reduced, with the reason; at most one error for each.
pub fn lower(model: &Model, limits: &Limits) -> Result<RuleSet, Vec<LowerError>> {
    let table = Table::new(model);
    let needed = table.cell_count();
    let limit = limits.subjects.min(u32::MAX as usize);
    if needed > limit {
        let problem = Problem::Subjects { needed, limit };
        return Err(vec![LowerError { span: model.matcher.span, problem }]);
    }
    let mut lowering = Lowering::new(model, table, limits);
    let mut terms: Vec<Vec<Conjunction>> = Vec::with_capacity(model.rules.len());
    let mut errors: Vec<LowerError> = Vec::new();
    let mut total = 0;
    for rule in &model.rules {
        match rule_terms(&mut lowering, rule, limits) {
            Ok(of_rule) => {
                total += of_rule.len();
                terms.push(of_rule);
            }
            // What the matcher holds is said for every rule; of rules with mistakes of their own there may be many.
            Err(error) if errors.iter().rev().take(64).any(|known| *known == error) => {}
            Err(error) => errors.push(error),
        }
        if total > limits.terms {
            let problem = Problem::Terms { needed: total, limit: limits.terms };
            errors.push(LowerError { span: rule.span, problem });
            break;
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let (subjects, order) = classes(&lowering.table, model, &terms);
    let mut finisher = Finisher { subjects: &subjects, known: HashMap::new() };
    let rules = model
        .rules
        .iter()
        .zip(terms)
        .map(|(rule, terms)| Rule {
            eft: rule.eft,
            terms: terms.into_iter().map(|term| finisher.term(term)).collect(),
            annotations: Arc::clone(&rule.annotations),
            file: rule.file,
            line: rule.line,
            text: rule.text.clone(),
        })
        .collect();
    Ok(RuleSet {
        shape: model.shape,
        effect: model.effect,
        rules,
        atoms: lowering.atoms.into_list(),
        texts: lowering.texts.into_list(),
        subjects,
        order,
        options: model.options.clone(),
    })
}

/// The terms of one rule; none, if the effect does not look at it.
fn rule_terms(
    lowering: &mut Lowering<'_>,
    rule: &crate::model::Rule,
    limits: &Limits,
) -> Result<Vec<Conjunction>, LowerError> {
    let model = lowering.model;
    if rule.inert || !model.effect.base.looks_at(rule.eft) {
        return Ok(Vec::new());
    }
    // In a large policy nearly every rule is a conjunction, of which no formula need be made.
    let conjunction = lowering.conjunction(rule)?;
    let formula = match conjunction {
        Some(_) => Formula::truth(true),
        None => {
            let formula = lowering.formula(&model.matcher, rule)?;
            Formula::And(vec![Formula::Leaf(dnf::Leaf::Ops(lowering.every_op())), formula])
        }
    };
    let normaliser = Normaliser {
        limit: limits.rule_terms,
        unsatisfiable: if model.effect.nearest { Unsatisfiable::KeepEntry } else { Unsatisfiable::Drop },
        disjoint: &|one, other| lowering.atoms.disjoint(one, other),
    };
    let terms = match conjunction {
        Some(conjunction) => Ok(normaliser.term(conjunction).into_iter().collect()),
        None => normaliser.terms(&formula),
    };
    let mut terms: Vec<Conjunction> = terms.map_err(|error| match error {
        DnfError::TooManyTerms(needed) => {
            LowerError { span: rule.span, problem: Problem::RuleTerms { needed, limit: limits.rule_terms } }
        }
        DnfError::TwoPlaces => LowerError { span: model.matcher.span, problem: Problem::TwoEntries },
    })?;
    if model.effect.nearest {
        let placed = terms.iter().filter(|term| term.place.is_some()).count();
        if placed == 0 {
            terms.iter_mut().for_each(|term| term.place = Some((None, Entry::Everywhere)));
        } else if placed < terms.len() {
            return Err(LowerError { span: model.matcher.span, problem: Problem::NoEntry });
        }
    }
    Ok(terms)
}

/// The classes that the terms tell apart, and the order of the rules in each.
fn classes(
    table: &Table<'_>,
    model: &Model,
    terms: &[Vec<Conjunction>],
) -> (Subjects, Option<Vec<Arc<[RuleId]>>>) {
    // Rules share most of their sets, so they are compared by address first.
    let mut met: HashSet<*const CellSet> = HashSet::new();
    let all = terms.iter().flatten().filter_map(|term| term.cells.as_ref());
    let mut sets: Vec<Cells> = all.filter(|cells| met.insert(Rc::as_ptr(cells))).cloned().collect();
    sets.sort();
    sets.dedup();
    let domains = table.domain_count();
    let ids = || (0..).map(RuleId).take(model.rules.len());
    let file_order: Vec<RuleId> = ids().collect();
    let orders: Vec<Vec<RuleId>> = match model.effect.base {
        BaseEffect::SomeAllow | BaseEffect::NoDeny | BaseEffect::AllowAndNoDeny => {
            vec![file_order.clone(); domains]
        }
        BaseEffect::Priority(_) => {
            let mut order = file_order.clone();
            order.sort_by_key(|id| model.rules[id.0 as usize].priority.unwrap_or(0));
            vec![order; domains]
        }
        BaseEffect::SubjectPriority(_) => (0..domains)
            .map(|place| {
                let levels = table.levels(place);
                let mut order = file_order.clone();
                order.sort_by_key(|id| std::cmp::Reverse(levels[id.0 as usize]));
                order
            })
            .collect(),
    };
    let tags: Vec<usize> = {
        let mut tags: HashMap<&[RuleId], usize> = HashMap::new();
        let mut tag = |order| {
            let next = tags.len();
            *tags.entry(order).or_insert(next)
        };
        orders.iter().map(|order| tag(order.as_slice())).collect()
    };
    let subjects = table.classes(&sets, &tags);
    if orders.iter().all(|order| *order == file_order) {
        return (subjects, None);
    }
    let orders: Vec<Arc<[RuleId]>> = orders.into_iter().map(Arc::from).collect();
    let mut by_class: Vec<Option<Arc<[RuleId]>>> = vec![None; subjects.class_count as usize];
    for (cell, class) in subjects.classes.iter().enumerate() {
        by_class[class.0 as usize].get_or_insert_with(|| Arc::clone(&orders[cell % domains]));
    }
    let by_class = by_class.into_iter().map(|order| order.expect("INVARIANT: a class has a cell"));
    (subjects, Some(by_class.collect()))
}

/// Puts classes in the place of cells.
struct Finisher<'s> {
    subjects: &'s Subjects,
    /// What was found of each set of cells met, by its address.
    known: HashMap<*const CellSet, Met>,
}

/// The classes of a set of cells.
struct Met {
    /// The set is kept, so that no other comes to stand at its address.
    _cells: Option<Cells>,
    classes: Arc<[ClassId]>,
}

impl Finisher<'_> {
    fn classes(&mut self, cells: Option<Cells>) -> Arc<[ClassId]> {
        let subjects = self.subjects;
        let at = cells.as_ref().map_or(std::ptr::null(), Rc::as_ptr);
        let met = self.known.entry(at).or_insert_with(|| {
            // A class lies in a set whole or not at all.
            let mut classes: Vec<ClassId> = match &cells {
                None => Vec::new(),
                Some(cells) => cells.listed().iter().map(|cell| subjects.classes[*cell as usize]).collect(),
            };
            classes.sort_unstable();
            classes.dedup();
            if cells.as_ref().is_none_or(|cells| cells.is_all_but()) {
                let every = (0..subjects.class_count).map(ClassId);
                classes = every.filter(|class| classes.binary_search(class).is_err()).collect();
            }
            Met { _cells: cells, classes: classes.into() }
        });
        Arc::clone(&met.classes)
    }

    fn term(&mut self, term: Conjunction) -> Term {
        let (atom, entry) = term.place.unwrap_or((None, Entry::Everywhere));
        let place = atom.map(|atom| PathTest { atom, holds: true });
        Term {
            classes: self.classes(term.cells),
            paths: term.paths.into_iter().chain(place).collect(),
            ops: term.ops,
            tests: term.tests.into_iter().collect(),
            entry,
        }
    }
}
