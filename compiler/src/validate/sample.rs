//! Values to ask about where a decision depends on a request's fields: one point in each box, what lies beside it
//! across each test, and each of these with one field unknown.

use std::collections::HashMap;
use std::rc::Rc;

use boesfs_abi::image::{State, ValidImage};
use boesfs_abi::layout::{
    CONDITION_ANY_BIT, CONDITION_BETWEEN, CONDITION_KIND, Cell, FIELD_GID, FIELD_KIND, FIELD_UID, Test,
};
use boesfs_abi::op::{ArgType, MAX_ARGS, Op, OpSet};
use boesfs_abi::request::{ArgValue, Kind};

use crate::automaton::{Example, FieldBox, Inputs, TextClasses, TextSet, Witnesses, may_be_absent};

use super::ImageWalk;

/// Points asked of one cell and operation, at most; those in boxes come first.
const MAX_POINTS: usize = 512;

/// Values of a request's fields.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Point {
    pub(crate) args: Vec<ArgValue>,
    pub(crate) uid: Option<u32>,
    pub(crate) gid: Option<u32>,
    pub(crate) kind: Option<Kind>,
}

/// Finds points and keeps them.
pub(crate) struct Samples<'a> {
    image: &'a ValidImage,
    classes: TextClasses,
    /// For each set of the image its number in `classes`.
    sets: Vec<u32>,
    /// A path and a text of each class.
    paths: HashMap<u32, Vec<u8>>,
    texts: HashMap<u32, Vec<u8>>,
    known: HashMap<(u32, Op), Rc<[Point]>>,
}

impl<'a> Samples<'a> {
    pub(crate) fn new(image: &'a ValidImage) -> Self {
        let mut samples = Self {
            image,
            classes: TextClasses::default(),
            sets: Vec::new(),
            paths: HashMap::new(),
            texts: HashMap::new(),
            known: HashMap::new(),
        };
        let header = image.header();
        if header.text_start == 0 {
            return samples;
        }
        let walk = ImageWalk { image, start: State { node: header.text_start, inside: 0 } };
        let count = header.text_count as usize;
        let mut all = [TextSet::empty(count), TextSet::empty(count)];
        let found = [&mut samples.paths, &mut samples.texts];
        for ((inputs, set), found) in [Inputs::Paths, Inputs::All].into_iter().zip(&mut all).zip(found) {
            let witnesses = Witnesses::explore(&walk, inputs);
            for (state, number) in witnesses.states() {
                let class = image.label(state);
                set.insert(class);
                found.entry(class).or_insert_with(|| witnesses.input(number));
            }
        }
        let [of_paths, of_texts] = all;
        samples.classes = TextClasses::new(header.text_count, of_paths, of_texts);
        for number in 0..header.set_count {
            let mut set = TextSet(image.set_words(number).collect());
            if let (Some(last), used @ 1..) = (set.0.last_mut(), count % 32) {
                *last &= (1 << used) - 1;
            }
            samples.sets.push(samples.classes.number(set));
        }
        samples
    }

    /// Points that cell `number` tells apart for `op`.
    pub(crate) fn of(&mut self, number: u32, cell: &Cell, op: Op) -> Rc<[Point]> {
        if let Some(points) = self.known.get(&(number, op)) {
            return Rc::clone(points);
        }
        let mut tests = Vec::new();
        let mut points: Vec<Point> = Vec::new();
        let lists = [
            (cell.denies, cell.denies_count),
            (cell.allows, cell.allows_count),
            (cell.first, cell.first_count),
        ];
        for (from, count) in lists {
            for (_, entry) in self.image.entries(from, count) {
                if !OpSet::from_bits(entry.ops).contains(op) {
                    continue;
                }
                let mut these: Vec<Test> = self.image.tests(&entry).collect();
                for test in &mut these {
                    if let Some(set) = self.sets.get(test.set as usize) {
                        test.set = *set;
                    }
                }
                let inside = FieldBox::default().with_all(&these, op, &self.classes);
                points.extend(inside.map(|inside| self.within(&inside, op)));
                tests.extend(these);
            }
        }
        tests.sort_by_key(|test| (test.field, test.condition, test.a, test.b, test.set, test.holds));
        tests.dedup();
        let mut known = std::collections::HashSet::new();
        points.retain(|point| known.insert(point.clone()));
        points.truncate(MAX_POINTS);
        // Each point in a box has as many beside it as there are tests, most of which are others' too.
        for corner in 0..points.len() {
            for test in &tests {
                if points.len() >= MAX_POINTS {
                    break;
                }
                let corner = points[corner].clone();
                let beside = self.beside(&corner, test, op).chain([corner.without(test.field)]);
                points.extend(beside.filter(|point| known.insert(point.clone())).take(MAX_POINTS));
            }
        }
        points.truncate(MAX_POINTS);
        let points: Rc<[Point]> = points.into();
        self.known.insert((number, op), Rc::clone(&points));
        points
    }

    /// A point of a box.
    fn within(&self, inside: &FieldBox, op: Op) -> Point {
        let mut point = Point {
            args: op
                .spec()
                .args
                .iter()
                .map(|spec| match spec.ty {
                    ArgType::Unsigned | ArgType::Signed => ArgValue::Number(0),
                    ArgType::Path | ArgType::Text => ArgValue::Bytes(b"/".to_vec()),
                })
                .collect(),
            uid: Some(0),
            gid: Some(0),
            kind: Some(Kind::File),
        };
        for (field, set) in (0u8..).zip(&inside.0) {
            if let Some(example) = set.as_ref().and_then(|set| set.example()) {
                self.set(&mut point, field, example, op);
            }
        }
        point
    }

    /// `point` with the field of `test` on either side of its bounds.
    fn beside<'p>(&'p self, point: &'p Point, test: &'p Test, op: Op) -> impl Iterator<Item = Point> + 'p {
        let (mut few, mut texts) = (Vec::new(), 0..0);
        match test.condition {
            CONDITION_BETWEEN => {
                let around = [test.a.checked_sub(1), Some(test.a), Some(test.b), test.b.checked_add(1)];
                few.extend(around.into_iter().flatten().map(Example::Number));
            }
            CONDITION_ANY_BIT => {
                let lowest = test.a & test.a.wrapping_neg();
                few.extend([0, test.a, lowest, !test.a].map(Example::Number));
            }
            CONDITION_KIND => few.extend(Kind::ALL.into_iter().map(Example::Kind)),
            _ => texts = 0..self.classes.count,
        }
        let absent = (usize::from(test.field) < MAX_ARGS && may_be_absent(op)).then_some(Example::Absent);
        few.into_iter().chain(texts.map(Example::Text)).chain(absent).map(move |example| {
            let mut point = point.clone();
            self.set(&mut point, test.field, example, op);
            point
        })
    }

    /// Puts `example` into a field; what does not fit it leaves it as it is.
    fn set(&self, point: &mut Point, field: u8, example: Example, op: Op) {
        let id = |example: Example| match example {
            Example::Number(number) => u32::try_from(number).ok(),
            Example::Text(_) | Example::Kind(_) | Example::Absent => None,
        };
        match field {
            FIELD_UID => point.uid = id(example).or(point.uid),
            FIELD_GID => point.gid = id(example).or(point.gid),
            FIELD_KIND => {
                if let Example::Kind(kind) = example {
                    point.kind = Some(kind);
                }
            }
            place => {
                let Some(spec) = op.spec().args.get(usize::from(place)) else { return };
                let value = match (example, spec.ty) {
                    (Example::Number(number), ArgType::Unsigned | ArgType::Signed) => {
                        Some(ArgValue::Number(number))
                    }
                    (Example::Text(class), ArgType::Path) => {
                        self.paths.get(&class).cloned().map(ArgValue::Bytes)
                    }
                    (Example::Text(class), ArgType::Text) => {
                        self.texts.get(&class).cloned().map(ArgValue::Bytes)
                    }
                    (Example::Absent, _) => Some(ArgValue::Absent),
                    (Example::Number(_) | Example::Text(_) | Example::Kind(_), _) => None,
                };
                if let Some(value) = value {
                    point.args[usize::from(place)] = value;
                }
            }
        }
    }
}

impl Point {
    fn without(&self, field: u8) -> Self {
        let mut point = self.clone();
        match field {
            FIELD_UID => point.uid = None,
            FIELD_GID => point.gid = None,
            FIELD_KIND => point.kind = None,
            place => {
                if let Some(arg) = point.args.get_mut(usize::from(place)) {
                    *arg = ArgValue::Unknown;
                }
            }
        }
        point
    }
}
