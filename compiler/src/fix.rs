//! Mends what is sure to be meant: the machine-applicable changes that diagnostics carry, applied to the text.

use std::collections::BTreeMap;

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
    // By place: what stands apart from its neighbours stands apart from all.
    let mut chosen: BTreeMap<(u16, u32, u32), &Edit> = BTreeMap::new();
    let mut done = Vec::new();
    for diagnostic in found {
        let fix = diagnostic.fixes.iter().find(|fix| fix.applicability == Applicability::MachineApplicable);
        let Some(fix) = fix else { continue };
        let fits = |edit: &Edit| {
            let source = sources.get(usize::from(edit.span.file));
            let before = chosen.range(..=place(edit)).next_back();
            let after = chosen.range(place(edit)..).next();
            source.is_some_and(|source| edit.span.end as usize <= source.bytes.len())
                && before.into_iter().chain(after).all(|(_, other)| apart(edit, other))
        };
        let Some(first) = fix.edits.first().filter(|_| fix.edits.iter().all(fits)) else { continue };
        done.push((usize::from(first.span.file), fix.title.clone()));
        chosen.extend(fix.edits.iter().map(|edit| (place(edit), edit)));
    }
    let mut mended = Vec::with_capacity(sources.len());
    for (file, source) in (0_u16..).zip(sources) {
        let mut bytes = Vec::with_capacity(source.bytes.len());
        let mut from = 0;
        for ((_, start, end), edit) in chosen.range((file, 0, 0)..=(file, u32::MAX, u32::MAX)) {
            bytes.extend_from_slice(&source.bytes[from..*start as usize]);
            bytes.extend_from_slice(&edit.text);
            from = *end as usize;
        }
        bytes.extend_from_slice(&source.bytes[from..]);
        mended.push(Source::new(source.name.clone(), bytes));
    }
    (mended, done)
}

fn place(edit: &Edit) -> (u16, u32, u32) {
    (edit.span.file, edit.span.start, edit.span.end)
}

/// Whether two edits touch different bytes and different gaps between bytes.
fn apart(one: &Edit, other: &Edit) -> bool {
    let (a, b) = (one.span, other.span);
    a.file != b.file
        || a.end < b.start
        || b.end < a.start
        || (a.end == b.start || b.end == a.start) && a != b && a.start != a.end && b.start != b.end
}
