//! What can still be decided at a path and below it: the facts of the state that the path leads to.

use std::collections::BTreeSet;

use boesfs_abi::image::{State, ValidImage};
use boesfs_abi::op::{Op, OpSet};
use hashbrown::HashSet;

use crate::automaton::Canonical;

use super::place::deciding;

/// What can be decided at a path and below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Below {
    /// Whether everything below is decided as the path itself, by everybody: the subtree is uniform.
    pub uniform: bool,
    /// The operations that somebody can be denied at the path or below it: which hooks are needed for what is there.
    pub may_deny: OpSet,
    /// The rules that decide something below the path, by index: those it is a prefix of. None if the image is
    /// stripped.
    pub rules: BTreeSet<u32>,
}

impl Below {
    /// Of `path`, which is canonical.
    #[must_use]
    pub fn of(image: &ValidImage, path: &[u8]) -> Self {
        let named = image.named();
        let state = named.walk(named.start(), path);
        let spelt = path.iter().fold(Canonical::Start, |spelt, byte| spelt.step(*byte));
        let mut found = Self { uniform: true, may_deny: OpSet::EMPTY, rules: BTreeSet::new() };
        let here = named.label(state);
        found.look(image, here, &mut HashSet::new(), false);
        let cells = |row: u32| {
            image.classes().map(move |class| Some(named.blob_cell(named.cell_number(row, class)?)))
        };
        let mut rows = HashSet::new();
        // What follows the name: a name below `/`, or a `/` and a name.
        let mut todo: Vec<(State, Canonical)> = Vec::new();
        if spelt == Canonical::Root {
            todo.push((state, spelt));
        } else {
            todo.push((named.step(state, b'/'), spelt.step(b'/')));
        }
        let mut seen: HashSet<(State, Canonical)> = todo.iter().copied().collect();
        let mut below = HashSet::new();
        while let Some((state, spelt)) = todo.pop() {
            let (own, other) = named.edges(state);
            let listed = |byte: u8| own.iter().any(|(own, _)| *own == byte);
            let ordinary = (1..=u8::MAX).find(|byte| !b"/.".contains(byte) && !listed(*byte));
            let unlisted = [b'/', b'.'].into_iter().filter(|byte| !listed(*byte)).chain(ordinary);
            for (byte, to) in own.iter().copied().chain(unlisted.map(|byte| (byte, other))) {
                let next = (to, spelt.step(byte));
                if next.1 == Canonical::Dead || !seen.insert(next) {
                    continue;
                }
                if next.1 == Canonical::Name && rows.insert(named.label(to)) {
                    found.look(image, named.label(to), &mut below, true);
                    found.uniform &= cells(here).eq(cells(named.label(to)));
                }
                todo.push(next);
            }
        }
        found
    }

    /// Adds what the cells of `row` say, each of them once.
    fn look(&mut self, image: &ValidImage, row: u32, seen: &mut HashSet<u32>, below: bool) {
        let named = image.named();
        for number in image.classes().filter_map(|class| named.cell_number(row, class)) {
            if !seen.insert(number) {
                continue;
            }
            let cell = named.cell(number);
            self.may_deny = self.may_deny.union(OpSet::from_bits(cell.deny | cell.depend));
            if below {
                self.rules.extend(deciding(image, number));
            }
        }
        // Those that are judged as another.
        let as_other: &[(Op, Op)] = if image.is_boesfs() {
            &[(Op::Lookup2, Op::Lookup), (Op::Exec, Op::Open), (Op::Ioctl, Op::Setattr)]
        } else {
            &[(Op::Lookup2, Op::Lookup)]
        };
        for (op, other) in as_other {
            if self.may_deny.contains(*other) {
                self.may_deny = self.may_deny.with(*op);
            }
        }
    }
}
