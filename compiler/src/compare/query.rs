//! One policy: who may do what where.

use boesfs_abi::op::{Op, OpSet};
use boesfs_abi::subjects::base_name;
use boesfs_abi::verdict::Verdict;

use crate::automaton::{self, Dfa, Input, Inputs, SetId, determinize};
use crate::model::{Compat, PathFunction};
use crate::rules::path_language;
use crate::shown::written;

use super::answers::{Answers as CellAnswers, By, Delta};
use super::arguments::Arguments;
use super::collect::Collector;
use super::diff::decided_ops;
use super::product::{Machine, Product, paths_of};
use super::rules::{Anchor, Side};
use super::who::{Everybody, Program, Who};
use super::{CompareError, Finding, Limits};

/// What is asked; what is left open is asked of everything.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// The programs, by path or base name; empty is any program.
    pub subjects: Vec<Vec<u8>>,
    /// The sandbox's name.
    pub domain: Option<Vec<u8>>,
    /// The operations; empty is any.
    pub ops: OpSet,
    /// The paths, as `pathMatch` takes them.
    pub paths: Option<Vec<u8>>,
    /// What they get; `None` is either.
    pub verdict: Option<Verdict>,
}

/// What answers a [`Query`].
#[derive(Clone, Debug)]
pub struct Answers {
    /// Requests, by the rule that decides them; as many as were asked for.
    pub answers: Vec<Finding>,
    /// How many there are.
    pub count: usize,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// The pattern cannot be compiled.
    #[error("the path pattern cannot be compiled: {0}")]
    Pattern(String),
    /// The pattern is of no path: that nothing is so would say nothing of the policy.
    #[error("no path matches `{0}`: paths begin with `/`, have no `//`, `.` or `..`, and do not end in `/`")]
    NoPath(String),
    /// A limit.
    #[error(transparent)]
    Limit(#[from] CompareError),
}

/// Whether `policy` tells the program `subject` from those that it does not name.
#[must_use]
pub fn is_named(policy: &Side<'_>, subject: &[u8]) -> bool {
    Everybody::new([policy.image, policy.image]).program_of(subject) != Program::Other
}

/// Asks `policy`.
///
/// # Errors
/// [`QueryError`] if the pattern cannot be compiled or matches no path, or if a limit is exceeded.
pub fn query(policy: &Side<'_>, query: &Query, limits: Limits) -> Result<Answers, QueryError> {
    let image = policy.image;
    let arguments = Arguments::new([image, image], limits.places)?;
    let everybody = Everybody::new([image, image]);
    let pattern = query.paths.as_deref().map(pattern).transpose()?.flatten();
    let machine = pattern.as_ref().map_or(Machine::Nothing, Machine::Pattern);
    let product = Product::explore(paths_of(image), machine, Inputs::Paths, limits.places)?;
    let meant = |(_, inside): (u32, u32)| pattern.is_none() || inside != 0;
    if let Some(paths) = &query.paths
        && !product.ends().any(|place| meant(product.labels(place)))
    {
        return Err(QueryError::NoPath(written(paths)));
    }
    let ops = if query.ops.is_empty() { OpSet::ALL } else { query.ops };
    let ops: Vec<Op> = decided_ops().filter(|op| ops.contains(*op)).collect();
    let classes = everybody
        .classes
        .iter()
        .map(|(left, right, who)| {
            let who = who.iter().filter_map(|who| asked(who, query, &everybody));
            let mut who: Vec<Who> = who.collect();
            who.dedup();
            (*left, *right, who)
        })
        .filter(|(_, _, who)| !who.is_empty())
        .collect();
    let cells = CellAnswers::new([image, image], &arguments, By::Verdict, limits);
    let mut collector =
        Collector::new(cells, By::Verdict, classes, &everybody, &product, (policy, policy), limits);
    let (answers, count) = collector.findings(
        meant,
        |cells: &mut CellAnswers<'_>, number, _| {
            let mut deltas: Vec<(Op, Delta)> = Vec::new();
            for op in &ops {
                let wanted = cells.all(number, *op, |answer| {
                    query.verdict.is_none_or(|verdict| verdict == answer.verdict)
                })?;
                deltas.extend(wanted.into_iter().map(|delta| (*op, delta)));
            }
            Ok(deltas)
        },
        |_, rule| Anchor::Both(None, rule),
    )?;
    Ok(Answers { answers, count })
}

/// `who`, if they are asked about, by the name they are asked about by.
fn asked(who: &Who, query: &Query, everybody: &Everybody) -> Option<Who> {
    let domain = match &query.domain {
        None => who.domain.clone(),
        Some(asked) => {
            if everybody.domain_of(asked) != who.domain {
                return None;
            }
            Some(asked.clone())
        }
    };
    if query.subjects.is_empty() {
        return Some(Who { program: who.program.clone(), domain });
    }
    let mut subjects = query.subjects.iter();
    let subject = subjects.find(|subject| everybody.program_of(subject) == who.program)?;
    let program = match (&who.program, subject.starts_with(b"/")) {
        (_, true) => Program::Path(subject.clone()),
        (_, false) => Program::Name(base_name(subject).to_vec()),
    };
    Some(Who { program, domain })
}

/// The automaton of a path pattern; `None` if it takes every path.
fn pattern(text: &[u8]) -> Result<Option<Dfa>, QueryError> {
    let atoms = path_language(PathFunction::PathMatch, text, Compat::Boesfs)
        .map_err(|error| QueryError::Pattern(error.to_string()))?;
    let Some(atoms) = atoms else { return Ok(None) };
    let limits = automaton::Limits::default();
    let labelled =
        determinize(&atoms, Input::Paths, &limits).map_err(|error| QueryError::Pattern(error.to_string()))?;
    let sets = labelled.sets;
    Ok(Some(labelled.dfa.relabelled(|label| u32::from(!sets.get(SetId(label)).is_empty()))))
}
