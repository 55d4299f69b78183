//! The path and text arguments two policies tell apart together: pairs of their text classes.

use std::collections::HashMap;

use boesfs_abi::image::ValidImage;
use boesfs_abi::layout::{CONDITION_TEXT, Entry, Test};
use boesfs_abi::op::{ArgType, MAX_ARGS, Op};

use crate::automaton::{FieldBox, FieldSet, Inputs, TextClasses, TextSet, domain, relevant};

use super::CompareError;
use super::product::{Product, texts_of};

/// Joint text classes and where they come from.
pub(super) struct Arguments<'a> {
    pub(super) classes: TextClasses,
    /// For each image and each of its sets the number in `classes`.
    sets: [Vec<u32>; 2],
    /// The product over canonical paths, and over all texts, with the joint class of each place.
    pub(super) paths: Inventory<'a>,
    pub(super) texts: Inventory<'a>,
}

/// The places of a product, by joint class.
pub(super) struct Inventory<'a> {
    pub(super) product: Product<'a>,
    pub(super) class_of: HashMap<u32, u32>,
    /// A shortest text of each class.
    example: HashMap<u32, u32>,
}

impl Inventory<'_> {
    /// A shortest text of `class`.
    pub(super) fn example(&self, class: u32) -> Option<Vec<u8>> {
        self.example.get(&class).map(|place| self.product.input(*place))
    }
}

impl<'a> Arguments<'a> {
    pub(super) fn new(images: [&'a ValidImage; 2], limit: usize) -> Result<Self, CompareError> {
        let [left, right] = images.map(texts_of);
        let mut number: HashMap<(u32, u32), u32> = HashMap::new();
        let mut inventory = |inputs| -> Result<Inventory<'a>, CompareError> {
            let product = Product::explore(left, right, inputs, limit)?;
            let (mut class_of, mut example) = (HashMap::new(), HashMap::new());
            for place in product.ends() {
                let fresh = u32::try_from(number.len()).expect("INVARIANT: places are limited below 2^32");
                let class = *number.entry(product.labels(place)).or_insert(fresh);
                class_of.insert(place, class);
                example.entry(class).or_insert(place);
            }
            Ok(Inventory { product, class_of, example })
        };
        let (paths, texts) = (inventory(Inputs::Paths)?, inventory(Inputs::All)?);
        let count = number.len();
        let all_of = |inventory: &Inventory<'_>| {
            let mut set = TextSet::empty(count);
            inventory.class_of.values().for_each(|class| set.insert(*class));
            set
        };
        let joint = u32::try_from(count).expect("INVARIANT: places are limited below 2^32");
        let mut classes = TextClasses::new(joint, all_of(&paths), all_of(&texts));
        let mut sets = [Vec::new(), Vec::new()];
        for (side, image) in images.into_iter().enumerate() {
            for set in 0..image.header().set_count {
                let mut joint = TextSet::empty(count);
                for (pair, class) in &number {
                    let own = if side == 0 { pair.0 } else { pair.1 };
                    if own < image.header().text_count && image.set_contains(set, own) {
                        joint.insert(*class);
                    }
                }
                sets[side].push(classes.number(joint));
            }
        }
        Ok(Self { classes, sets, paths, texts })
    }

    /// The tests of an entry of one of the images as tests over joint classes, as far as they say something about
    /// `op`; `None` if they never hold of it.
    pub(super) fn tests(&self, side: usize, image: &ValidImage, entry: &Entry, op: Op) -> Option<Vec<Test>> {
        let mut tests: Vec<Test> = image.tests(entry).collect();
        for test in &mut tests {
            if test.condition == CONDITION_TEXT {
                test.set = *self.sets[side].get(test.set as usize)?;
            }
        }
        relevant(&tests, op)
    }

    /// What both boxes hold; `None` if that is nothing.
    pub(super) fn meet(&self, left: &FieldBox, right: &FieldBox, op: Op) -> Option<FieldBox> {
        let mut both = left.clone();
        for (slot, other) in both.0.iter_mut().zip(&right.0) {
            match (slot.as_mut(), other) {
                (Some(set), Some(other)) => set.intersect(other),
                (None, Some(other)) => *slot = Some(other.clone()),
                (_, None) => {}
            }
            if slot.as_ref().is_some_and(|set| set.is_empty(op)) {
                return None;
            }
        }
        Some(both)
    }

    /// What of `part` lies outside the conjunction of `tests`, in disjoint boxes.
    pub(super) fn subtract(&self, part: FieldBox, tests: &[Test], op: Op, left: &mut Vec<FieldBox>) {
        subtract(part, tests, op, &self.classes, left);
    }

    /// Everything the argument at `place` of `op`, or another field, can be.
    pub(super) fn domain(&self, op: Op, field: u8) -> Option<FieldSet> {
        domain(op, field, &self.classes)
    }

    /// The inventory of a text argument's values.
    pub(super) fn inventory(&self, op: Op, field: u8) -> Option<(&Inventory<'a>, Inputs)> {
        if usize::from(field) >= MAX_ARGS {
            return None;
        }
        match op.spec().args.get(usize::from(field))?.ty {
            ArgType::Path => Some((&self.paths, Inputs::Paths)),
            ArgType::Text => Some((&self.texts, Inputs::All)),
            ArgType::Unsigned | ArgType::Signed => None,
        }
    }
}

/// What of `part` lies outside the conjunction of `tests`, in disjoint boxes.
pub(super) fn subtract(
    part: FieldBox,
    tests: &[Test],
    op: Op,
    classes: &TextClasses,
    left: &mut Vec<FieldBox>,
) {
    let mut inside = part;
    for test in tests {
        let opposite = Test { holds: 1 - test.holds, ..*test };
        left.extend(inside.with(&opposite, op, classes));
        match inside.with(test, op, classes) {
            Some(rest) => inside = rest,
            None => return,
        }
    }
}
