//! The argument automaton: which languages a path or text argument lies in, as one class.

use boesfs_abi::layout::{
    CONDITION_ANY_BIT, CONDITION_BETWEEN, CONDITION_KIND, CONDITION_TEXT, FIELD_ARG0, FIELD_GID, FIELD_KIND,
    FIELD_UID, Test as WireTest,
};

use crate::rules::{Condition, PathAtom, Test, TestField};

use super::canonical::{Inputs, Witnesses};
use super::dfa::Dfa;
use super::fields::{ALL_KINDS, TextClasses, TextSet};
use super::limits::{AutomatonError, Input, Limits};
use super::minimise::minimise;
use super::subset::determinize;

/// The automaton over arguments, its labels text classes.
#[derive(Clone, Debug)]
pub struct Texts {
    /// The automaton, if a test looks at a text.
    pub dfa: Option<Dfa>,
    /// The classes.
    pub classes: TextClasses,
    /// For each language, the number of its set of classes.
    numbers: Vec<u32>,
}

impl Texts {
    /// The automaton of `languages`.
    ///
    /// # Errors
    /// [`AutomatonError`] if it would exceed `limits`.
    pub fn new(languages: &[PathAtom], limits: &Limits) -> Result<Self, AutomatonError> {
        if languages.is_empty() {
            return Ok(Self { dfa: None, classes: TextClasses::default(), numbers: Vec::new() });
        }
        let labelled = determinize(languages, Input::Texts, limits)?;
        let dfa = minimise(&labelled.dfa);
        // Label sets that no state has any more leave gaps; classes are numbered as states come.
        let mut class_of = vec![u32::MAX; labelled.sets.len()];
        let mut labels = Vec::new();
        for node in dfa.nodes() {
            let label = dfa.node(node).label;
            let class = &mut class_of[label as usize];
            if *class == u32::MAX {
                *class = u32::try_from(labels.len()).expect("INVARIANT: states are limited far below 2^32");
                labels.push(label);
            }
        }
        let dfa = dfa.relabelled(|label| class_of[label as usize]);

        let mut sets = vec![TextSet::empty(labels.len()); languages.len()];
        let mut of_texts = TextSet::empty(labels.len());
        for (class, label) in (0u32..).zip(&labels) {
            of_texts.insert(class);
            for language in labelled.sets.get(super::sets::SetId(*label)) {
                sets[*language as usize].insert(class);
            }
        }
        let mut of_paths = TextSet::empty(labels.len());
        for (state, _) in Witnesses::explore(&dfa, Inputs::Paths).states() {
            of_paths.insert(dfa.label(state));
        }
        let count = u32::try_from(labels.len()).expect("INVARIANT: states are limited far below 2^32");
        let mut classes = TextClasses::new(count, of_paths, of_texts);
        let numbers = sets.into_iter().map(|set| classes.number(set)).collect();
        Ok(Self { dfa: Some(dfa), classes, numbers })
    }

    /// The class of `text`.
    #[must_use]
    pub fn class_of(&self, text: &[u8]) -> u32 {
        self.dfa.as_ref().map_or(0, |dfa| dfa.label(dfa.walk(text)))
    }

    /// `test` as images have it.
    pub(crate) fn wire(&self, test: &Test) -> WireTest {
        let (condition, a, b, set) = match test.condition {
            Condition::Between(low, high) if low <= high => (CONDITION_BETWEEN, low, high, 0),
            // No number lies in it, and none has a bit of an empty mask.
            Condition::Between(..) => (CONDITION_ANY_BIT, 0, 0, 0),
            Condition::AnyBit(mask) => (CONDITION_ANY_BIT, mask, 0, 0),
            Condition::Text(text) => (CONDITION_TEXT, 0, 0, self.numbers[text.0 as usize]),
            Condition::KindIn(kinds) => (CONDITION_KIND, u64::from(kinds & ALL_KINDS), 0, 0),
        };
        let field = match test.field {
            TestField::Arg(place) => FIELD_ARG0 + place,
            TestField::Uid => FIELD_UID,
            TestField::Gid => FIELD_GID,
            TestField::Kind => FIELD_KIND,
        };
        WireTest { a, b, set, field, condition, holds: test.holds.into(), reserved: 0 }
    }
}
