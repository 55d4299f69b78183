//! What a cell answers, as boxes of requests, and where two cells answer differently.

use std::rc::Rc;

use boesfs_abi::image::{ClassId, ValidImage};
use boesfs_abi::layout::{Cell, Entry, Test};
use boesfs_abi::op::{MAX_ARGS, Op, OpSet};
use boesfs_abi::verdict::{Errno, Verdict};
use hashbrown::HashMap;

use crate::automaton::FieldBox;

use super::arguments::{Arguments, subtract};
use super::{CompareError, Limits};

/// What a request gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Answer {
    pub(super) verdict: Verdict,
    /// The rule by its index; `None` for a default, or in an image that names none.
    pub(super) rule: Option<u32>,
    /// Code of a denial's error.
    pub(super) errno: u8,
    pub(super) report: bool,
}

/// Requests of one operation that get one answer.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    pub(super) answer: Answer,
    pub(super) within: FieldBox,
}

/// Requests that get one answer before and another after, or whose only answer is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Delta {
    pub(super) old: Option<Answer>,
    pub(super) new: Option<Answer>,
    /// Boxes whose union they are.
    pub(super) within: Vec<FieldBox>,
}

/// How answers are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// By the verdict.
    Verdict,
    /// By everything an event would say: each box has one deciding rule.
    Rule,
}

/// Cuts cells into pieces and keeps them.
pub(super) struct Answers<'a> {
    images: [&'a ValidImage; 2],
    pub(super) arguments: &'a Arguments<'a>,
    by: By,
    limits: Limits,
    known: HashMap<(usize, Option<u32>, Op), Rc<[Piece]>>,
}

const UNRESOLVED: Answer =
    Answer { verdict: Verdict::Deny, rule: None, errno: Errno::Acces as u8, report: true };

impl<'a> Answers<'a> {
    pub(super) fn new(
        images: [&'a ValidImage; 2],
        arguments: &'a Arguments<'a>,
        by: By,
        limits: Limits,
    ) -> Self {
        Self { images, arguments, by, limits, known: HashMap::new() }
    }

    /// The number of the cell of `class` in row `row`, as finely as rules are told apart; `None` for a class that is not
    /// there.
    pub(super) fn cell(&self, side: usize, row: u32, class: ClassId) -> Option<u32> {
        self.images[side].named().cell_number(row, class)
    }

    /// The pieces of `op` in cell `number` of image `side`: together all its requests.
    pub(super) fn pieces(
        &mut self,
        side: usize,
        number: Option<u32>,
        op: Op,
    ) -> Result<Rc<[Piece]>, CompareError> {
        if let Some(pieces) = self.known.get(&(side, number, op)) {
            return Ok(Rc::clone(pieces));
        }
        let image = self.images[side];
        let pieces: Rc<[Piece]> = match number {
            None => vec![Piece { answer: UNRESOLVED, within: FieldBox::default() }].into(),
            Some(number) => {
                let cell = image.named().cell(number);
                let (asked, keeps_args) = image.asked_as(op);
                if !OpSet::from_bits(cell.depend).contains(asked) {
                    let answer = masked(image, number, &cell, asked);
                    vec![Piece { answer, within: FieldBox::default() }].into()
                } else if !keeps_args {
                    self.without_arguments(side, (number, &cell), asked, op)?.into()
                } else if self.by == By::Rule {
                    self.by_rule(side, number, &cell, op)?.into()
                } else {
                    self.by_verdict(side, number, &cell, op).into()
                }
            }
        };
        self.known.insert((side, number, op), Rc::clone(&pieces));
        Ok(pieces)
    }

    fn by_verdict(&self, side: usize, number: u32, cell: &Cell, op: Op) -> Vec<Piece> {
        let image = self.images[side];
        let lists = [(cell.denies, cell.denies_count), (cell.allows, cell.allows_count)];
        let mut pieces = Vec::new();
        for (from, count) in lists {
            for (place, entry) in image.entries(from, count) {
                if !OpSet::from_bits(entry.ops).contains(op) {
                    continue;
                }
                let tests = self.arguments.tests(side, image, &entry, op);
                let within = tests.and_then(|tests| self.boxed(&tests, op));
                pieces.extend(
                    within.map(|within| Piece { answer: answer(image, number, (place, &entry)), within }),
                );
            }
        }
        pieces
    }

    /// The ordered list as boxes of requests that each line decides.
    fn by_rule(&self, side: usize, number: u32, cell: &Cell, op: Op) -> Result<Vec<Piece>, CompareError> {
        let image = self.images[side];
        let mut pieces = Vec::new();
        let mut rest = vec![FieldBox::default()];
        for (place, entry) in image.entries(cell.first, cell.first_count) {
            if !OpSet::from_bits(entry.ops).contains(op) {
                continue;
            }
            let Some(tests) = self.arguments.tests(side, image, &entry, op) else { continue };
            let classes = &self.arguments.classes;
            let within = rest.iter().filter_map(|part| part.with_all(&tests, op, classes));
            pieces.extend(
                within.map(|within| Piece { answer: answer(image, number, (place, &entry)), within }),
            );
            rest = self.outside(rest, &tests, op)?;
        }
        Ok(pieces)
    }

    /// An operation that is judged as `asked` whatever its arguments: denied where some value is denied.
    fn without_arguments(
        &self,
        side: usize,
        (number, cell): (u32, &Cell),
        asked: Op,
        op: Op,
    ) -> Result<Vec<Piece>, CompareError> {
        let image = self.images[side];
        let mut pieces = Vec::new();
        let mut rest = vec![FieldBox::default()];
        let of = |test: &Test| usize::from(test.field) >= MAX_ARGS;
        for (place, entry) in image.entries(cell.denies, cell.denies_count) {
            if !OpSet::from_bits(entry.ops).contains(asked) {
                continue;
            }
            let Some(mut tests) = self.arguments.tests(side, image, &entry, asked) else { continue };
            if self.boxed(&tests, asked).is_none() {
                continue;
            }
            tests.retain(of);
            let within = self.boxed(&tests, op);
            pieces.extend(
                within.map(|within| Piece { answer: answer(image, number, (place, &entry)), within }),
            );
            rest = self.outside(rest, &tests, op)?;
        }
        for (place, entry) in image.entries(cell.allows, cell.allows_count) {
            if !OpSet::from_bits(entry.ops).contains(asked) {
                continue;
            }
            let Some(mut tests) = self.arguments.tests(side, image, &entry, asked) else { continue };
            tests.retain(of);
            let classes = &self.arguments.classes;
            let within = rest.iter().filter_map(|part| part.with_all(&tests, op, classes));
            pieces.extend(
                within.map(|within| Piece { answer: answer(image, number, (place, &entry)), within }),
            );
            rest = self.outside(rest, &tests, op)?;
        }
        Ok(pieces)
    }

    fn boxed(&self, tests: &[Test], op: Op) -> Option<FieldBox> {
        FieldBox::default().with_all(tests, op, &self.arguments.classes)
    }

    /// What of `rest` lies outside the conjunction of `tests`.
    fn outside(&self, rest: Vec<FieldBox>, tests: &[Test], op: Op) -> Result<Vec<FieldBox>, CompareError> {
        let mut left = Vec::with_capacity(rest.len());
        for part in rest {
            self.arguments.subtract(part, tests, op, &mut left);
            if left.len() > self.limits.boxes {
                return Err(CompareError::Boxes { op, limit: self.limits.boxes });
            }
        }
        Ok(left)
    }

    /// Where `op` is answered otherwise in cell `new` than in cell `old`.
    pub(super) fn differences(
        &mut self,
        old: Option<u32>,
        new: Option<u32>,
        op: Op,
        same: impl Fn(&Answer, &Answer) -> bool,
    ) -> Result<Vec<Delta>, CompareError> {
        let (before, after) = (self.pieces(0, old, op)?, self.pieces(1, new, op)?);
        if before.len().saturating_mul(after.len()) > self.limits.boxes.saturating_mul(self.limits.boxes) {
            return Err(CompareError::Boxes { op, limit: self.limits.boxes });
        }
        let mut deltas: Vec<Delta> = Vec::new();
        for old in before.iter() {
            for new in after.iter().filter(|new| !same(&old.answer, &new.answer)) {
                let Some(within) = self.arguments.meet(&old.within, &new.within, op) else { continue };
                add(&mut deltas, Some(old.answer), Some(new.answer), within);
            }
        }
        Ok(deltas)
    }

    /// What `op` gets in cell `number`, as far as it is `wanted`.
    pub(super) fn all(
        &mut self,
        number: Option<u32>,
        op: Op,
        wanted: impl Fn(&Answer) -> bool,
    ) -> Result<Vec<Delta>, CompareError> {
        let mut deltas = Vec::new();
        for piece in self.pieces(0, number, op)?.iter().filter(|piece| wanted(&piece.answer)) {
            add(&mut deltas, None, Some(piece.answer), piece.within.clone());
        }
        Ok(deltas)
    }

    /// `boxes`, or the one that holds every request if together they do.
    pub(super) fn simplified(&self, boxes: &[FieldBox], op: Op) -> Vec<FieldBox> {
        let mut rest = vec![FieldBox::default()];
        let mut texts = self.arguments.classes.clone();
        for part in boxes {
            let tests = part.tests(op, &mut texts);
            if tests.is_empty() {
                return vec![FieldBox::default()];
            }
            let mut left = Vec::new();
            for piece in rest {
                subtract(piece, &tests, op, &texts, &mut left);
            }
            rest = left;
            if rest.is_empty() {
                return vec![FieldBox::default()];
            }
            if rest.len() > self.limits.boxes {
                break;
            }
        }
        boxes.to_vec()
    }
}

fn add(deltas: &mut Vec<Delta>, old: Option<Answer>, new: Option<Answer>, within: FieldBox) {
    match deltas.iter_mut().find(|delta| delta.old == old && delta.new == new) {
        Some(delta) => delta.within.push(within),
        None => deltas.push(Delta { old, new, within: vec![within] }),
    }
}

fn answer(image: &ValidImage, number: u32, (place, entry): (u32, &Entry)) -> Answer {
    let denied = entry.deny == 1;
    Answer {
        verdict: if denied { Verdict::Deny } else { Verdict::Allow },
        rule: image.named().entry_rule(number, place),
        errno: if denied { entry.errno } else { 0 },
        report: entry.report == 1,
    }
}

fn masked(image: &ValidImage, number: u32, cell: &Cell, op: Op) -> Answer {
    let has = |mask: u32| OpSet::from_bits(mask).contains(op);
    let denied = has(cell.deny);
    let code = u8::from(has(cell.errno_low)) | u8::from(has(cell.errno_high)) << 1;
    Answer {
        verdict: if denied { Verdict::Deny } else { Verdict::Allow },
        rule: image.named().rule(number, op),
        errno: if denied { code } else { 0 },
        report: has(cell.report),
    }
}
