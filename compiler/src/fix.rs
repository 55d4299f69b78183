//! Mends what is sure to be meant: the machine-applicable changes that diagnostics carry, applied to the text.

use boesfs_grammar::Source;

use crate::diagnostic::{Applicability, Diagnostic, Edit, Severity};
use crate::model::Settings;
use crate::pipeline::{Limits, Outcome, Stage, run};

/// How often the text is looked at again: a mended line may show what was hidden.
const ROUNDS: usize = 16;

/// A policy after mending.
#[derive(Clone, Debug)]
pub struct Mended {
    /// What is to be said of the text as it is now; its sources are in the tree.
    pub outcome: Outcome,
    /// What was done: the file's place among the sources, and the change's title.
    pub done: Vec<(usize, String)>,
}

/// `outcome` of a policy, and after that of each text with what is sure to be meant applied, until nothing is left
/// to do. A change that would add errors is not made.
#[must_use]
pub fn mend(outcome: Outcome, settings: &Settings, limits: &Limits, until: Stage) -> Mended {
    let mut mended = Mended { outcome, done: Vec::new() };
    for _ in 0..ROUNDS {
        let (sources, done) = apply(&mended.outcome.diagnostics, &mended.outcome.tree.sources);
        if done.is_empty() {
            break;
        }
        let next = run(sources, settings, limits, until);
        if errors(&next) > errors(&mended.outcome) {
            break;
        }
        mended.outcome = next;
        mended.done.extend(done);
    }
    mended
}

fn errors(outcome: &Outcome) -> usize {
    let errors = outcome.diagnostics.iter().filter(|found| found.severity == Severity::Error);
    errors.map(|found| 1 + found.more).sum()
}

/// `sources` with the machine-applicable changes of `found` that do not touch each other, the first of each finding.
#[must_use]
pub fn apply(found: &[Diagnostic], sources: &[Source]) -> (Vec<Source>, Vec<(usize, String)>) {
    let mut chosen: Vec<&Edit> = Vec::new();
    let mut done = Vec::new();
    for diagnostic in found {
        let fix = diagnostic.fixes.iter().find(|fix| fix.applicability == Applicability::MachineApplicable);
        let Some(fix) = fix else { continue };
        let fits = |edit: &Edit| {
            let source = sources.get(usize::from(edit.span.file));
            source.is_some_and(|source| edit.span.end as usize <= source.bytes.len())
                && chosen.iter().all(|other| apart(edit, other))
        };
        let Some(first) = fix.edits.first().filter(|_| fix.edits.iter().all(fits)) else { continue };
        done.push((usize::from(first.span.file), fix.title.clone()));
        chosen.extend(&fix.edits);
    }
    // From the end, so that what stands before keeps its place.
    chosen.sort_by_key(|edit| std::cmp::Reverse((edit.span.file, edit.span.start, edit.span.end)));
    let mut sources = sources.to_vec();
    for edit in chosen {
        let range = edit.span.start as usize..edit.span.end as usize;
        sources[usize::from(edit.span.file)].bytes.splice(range, edit.text.iter().copied());
    }
    (sources, done)
}

/// Whether two edits touch different bytes and different gaps between bytes.
fn apart(one: &Edit, other: &Edit) -> bool {
    let (a, b) = (one.span, other.span);
    a.file != b.file
        || a.end < b.start
        || b.end < a.start
        || (a.end == b.start || b.end == a.start) && a != b && a.start != a.end && b.start != b.end
}
