//! Two policies: what they decide differently.

use boesfs_abi::op::{Op, OpSet};

use crate::automaton::Inputs;

use super::answers::{Answer, Answers, By, Delta};
use super::arguments::Arguments;
use super::collect::Collector;
use super::product::{Product, paths_of};
use super::rules::{Edits, Side};
use super::who::Everybody;
use super::{CompareError, Finding, Limits};

/// What two policies do differently.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// Options.
    pub options: Vec<OptionChange>,
    /// Requests, by what is to blame; as many as were asked for.
    pub changes: Vec<Finding>,
    /// How many changes there are.
    pub change_count: usize,
    /// Pairs of states that were compared.
    pub places: usize,
}

impl Comparison {
    /// Whether it was proved that there is no difference.
    #[must_use]
    pub fn is_equal(&self) -> bool {
        self.options.is_empty() && self.change_count == 0
    }
}

/// An option that is set otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionChange {
    /// Its name in `[options]`, or `shape`.
    pub name: &'static str,
    /// What it was.
    pub old: String,
    /// What it is.
    pub new: String,
}

/// The operations that are decided in their own name.
pub(super) fn decided_ops() -> impl Iterator<Item = Op> {
    OpSet::ALL.iter().filter(|op| op.decided_as() == *op)
}

/// Compares what `old` and `new` decide, with `attribution` also what an event would say of it: the rule, its error and
/// its level.
///
/// # Errors
/// [`CompareError`] if a limit is exceeded.
pub fn compare(
    old: &Side<'_>,
    new: &Side<'_>,
    attribution: bool,
    limits: Limits,
) -> Result<Comparison, CompareError> {
    let images = [old.image, new.image];
    let options = options(old, new);
    // Equal ids are equal tables; who decided is beside them.
    let same_debug = images[0].debug() == images[1].debug();
    if images[0].id() == images[1].id() && (!attribution || same_debug) {
        return Ok(Comparison { options, changes: Vec::new(), change_count: 0, places: 0 });
    }
    let by = if attribution { By::Rule } else { By::Verdict };
    let arguments = Arguments::new(images, limits.places)?;
    let everybody = Everybody::new(images);
    let product = Product::explore(paths_of(images[0]), paths_of(images[1]), Inputs::Paths, limits.places)?;
    let edits = Edits::new(old, new);
    let answers = Answers::new(images, &arguments, by, limits);
    let who = everybody.classes.clone();
    let mut collector = Collector::new(answers, by, who, &everybody, &product, (old, new), limits);
    let same = |before: &Answer, after: &Answer| match by {
        By::Verdict => before.verdict == after.verdict,
        By::Rule => {
            let said = |answer: &Answer| (answer.verdict, answer.errno, answer.report);
            let rule = |policy: &Side<'_>, answer: &Answer| {
                let rule = answer.rule.and_then(|index| policy.identity(index));
                rule.map(|(name, level)| (name.to_owned(), level))
            };
            said(before) == said(after) && rule(old, before) == rule(new, after)
        }
    };
    let (changes, change_count) = collector.findings(
        |_| true,
        |answers: &mut Answers<'_>, before, after| {
            let mut deltas: Vec<(Op, Delta)> = Vec::new();
            for op in decided_ops() {
                deltas.extend(
                    answers.differences(before, after, op, same)?.into_iter().map(|delta| (op, delta)),
                );
            }
            Ok(deltas)
        },
        |before, after| edits.anchor(before, after),
    )?;
    Ok(Comparison { options, changes, change_count, places: product.places.len() })
}

fn options(old: &Side<'_>, new: &Side<'_>) -> Vec<OptionChange> {
    let said = |policy: &Side<'_>| {
        let image = policy.image;
        let word = |condition: bool, yes: &str, no: &str| if condition { yes } else { no }.to_owned();
        [
            ("subject", word(image.entry_subject(), "entry", "exe")),
            ("moves", word(image.moves_judged(), "judged", "no-gain")),
            (
                "kill_after",
                image.kill_after().map_or_else(|| "never".to_owned(), |number| number.to_string()),
            ),
            ("anonymous_exec", word(image.anonymous_exec(), "allow", "deny")),
            // In BoesFS's shape a symbolic link is judged by its target too.
            ("shape", word(image.is_boesfs(), "BoesFS", "Casbin")),
        ]
    };
    said(old)
        .into_iter()
        .zip(said(new))
        .filter(|(old, new)| old.1 != new.1)
        .map(|((name, old), (_, new))| OptionChange { name, old, new })
        .collect()
}
