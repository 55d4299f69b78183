//! Moves: link, rename and exchange must not give an object a right it did not have (LANGUAGE §5, `moves`).

use std::collections::HashSet;

use super::{Caller, EXDEV, Judge, Outcome, within};
use crate::image::{ClassId, State};
use crate::layout::Cell;
use crate::op::{Op, OpSet};
use crate::request::{ArgValue, Kind};
use crate::spelling::Spelling;
use crate::verdict::Reason;

/// How many pairs of states a directory's move may need before it is denied for being too much to prove.
const MAX_PAIRS: usize = 1 << 20;

/// The list of cells that depend on nothing: in the gain table, as what denies everything or as what allows everything.
const NO_LIST: u32 = 0;

/// Operations that ask about names or `write`: prepared elsewhere and moved in, they would evade a denial.
const PREPARED: OpSet = OpSet::MAKING.with(Op::Write);

/// One side of a comparison: where the walk stands, and whether names from here on are hidden.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Side {
    state: State,
    /// Hidden for some request.
    may_hide: bool,
    /// Hidden for every request.
    hides: bool,
}

impl Judge<'_> {
    /// The effective decision about moving `old` to `new`; `replaced` is the kind of what it replaces, if something.
    #[must_use]
    pub fn rename(
        &self,
        caller: &Caller,
        old: &[u8],
        new: &[u8],
        kind: Option<Kind>,
        replaced: Option<Kind>,
    ) -> Outcome {
        let outcome = self.moved(caller, old, new, kind, Op::Rename);
        if !outcome.allowed() || outcome.outside {
            return outcome;
        }
        if let Some(replaced) = replaced {
            let removal = if replaced == Kind::Dir { Op::Rmdir } else { Op::Unlink };
            let removed = self.single(caller, new, Some(replaced), removal, &[]);
            if !removed.allowed() {
                return removed;
            }
        }
        self.no_gain(old, new, kind, Op::Rename).unwrap_or(outcome)
    }

    /// The effective decision about exchanging `one` and `two`.
    #[must_use]
    pub fn exchange(
        &self,
        caller: &Caller,
        one: (&[u8], Option<Kind>),
        two: (&[u8], Option<Kind>),
    ) -> Outcome {
        let there = self.moved(caller, one.0, two.0, one.1, Op::Rename);
        if !there.allowed() || there.outside {
            return there;
        }
        let back = self.moved(caller, two.0, one.0, two.1, Op::Rename);
        if !back.allowed() {
            return back;
        }
        self.no_gain(one.0, two.0, one.1, Op::Rename)
            .or_else(|| self.no_gain(two.0, one.0, two.1, Op::Rename))
            .unwrap_or(there)
    }

    /// The effective decision about making `new` a hard link of `old`.
    #[must_use]
    pub fn link(&self, caller: &Caller, old: &[u8], new: &[u8], kind: Option<Kind>) -> Outcome {
        let outcome = self.moved(caller, old, new, kind, Op::Link);
        if !outcome.allowed() || outcome.outside {
            return outcome;
        }
        // A hard link of a directory cannot be made, so only the object itself can gain.
        self.no_gain(old, new, Some(kind.unwrap_or(Kind::File)), Op::Link).unwrap_or(outcome)
    }

    /// The operation on the old name and the making of the new one.
    fn moved(&self, caller: &Caller, old: &[u8], new: &[u8], kind: Option<Kind>, op: Op) -> Outcome {
        let inside = (within(old, &self.dir), within(new, &self.dir));
        if inside == (false, false) {
            return Outcome::outside(op, old);
        }
        let outcome = self.single(caller, old, kind, op, &[ArgValue::Bytes(new.to_vec())]);
        if !outcome.allowed() {
            return outcome;
        }
        if inside.0 != inside.1 {
            return Outcome::denied(Reason::CrossesEdge, EXDEV, op, old);
        }
        if let Some(hidden) = self.hidden(caller, new, kind) {
            return hidden;
        }
        for made in makings(kind, op) {
            let made = self.plain(caller, new, kind, made, &[]);
            if !made.allowed() {
                return made;
            }
        }
        outcome
    }

    /// The denial of a move that would give a right.
    fn no_gain(&self, old: &[u8], new: &[u8], kind: Option<Kind>, op: Op) -> Option<Outcome> {
        if self.image().moves_judged() || !self.gains(old, new, kind) {
            return None;
        }
        Some(Outcome::denied(Reason::GainsRight, EXDEV, op, old))
    }

    /// Whether moving the object at `old` to `new` gives some class an operation on it, or on a name below it, that it
    /// did not have. An object of unknown kind may be a directory.
    #[must_use]
    pub fn gains(&self, old: &[u8], new: &[u8], kind: Option<Kind>) -> bool {
        let deep = kind.is_none_or(|kind| kind == Kind::Dir);
        let mut pairs = 0;
        self.image().classes().any(|class| {
            let old = self.side(class, old);
            let new = self.side(class, new);
            self.cell_gains(class, old, new)
                || (deep && !self.same_below(old, new) && self.gains_below(class, old, new, &mut pairs))
        })
    }

    fn side(&self, class: ClassId, path: &[u8]) -> Side {
        let mut side = Side { state: self.image().path_start(), may_hide: false, hides: false };
        let mut read = 0;
        for prefix in self.components(path) {
            side.state = self.image().walk(side.state, &path[read..prefix.len()]);
            read = prefix.len();
            side = self.hide(class, side);
        }
        side.state = self.image().walk(side.state, &path[read..]);
        side
    }

    /// The side after its component's own lookup has been judged.
    fn hide(&self, class: ClassId, side: Side) -> Side {
        let Some((_, cell)) = self.image().cell_at(side.state, class) else { return side };
        let lookup = |mask| OpSet::from_bits(mask).contains(Op::Lookup);
        Side {
            hides: side.hides || lookup(cell.deny),
            may_hide: side.may_hide || lookup(cell.deny | cell.depend),
            ..side
        }
    }

    /// Whether nothing below can differ.
    fn same_below(&self, old: Side, new: Side) -> bool {
        old.state == new.state && old.hides == new.hides && old.may_hide == new.may_hide && !old.may_hide
    }

    /// Operations that are denied to every request, and to some, at one side. Nothing is decided as `lookup2`.
    fn masks(&self, side: Side, cell: &Cell) -> (OpSet, OpSet) {
        const ALL: OpSet = OpSet::ALL.difference(OpSet::of(&[Op::Lookup2]));
        if side.hides {
            return (ALL, ALL);
        }
        let closed = |ops: OpSet| if ops.contains(Op::Open) { ops.union(OpSet::THROUGH_OPEN) } else { ops };
        let always = closed(OpSet::from_bits(cell.deny));
        let some = if side.may_hide { ALL } else { always.union(OpSet::from_bits(cell.depend)) };
        (always, some)
    }

    /// Whether the class has, at the new side, an operation on this very object that it lacks at the old one.
    fn cell_gains(&self, class: ClassId, old: Side, new: Side) -> bool {
        !self.gained(class, old, new).difference(OpSet::MAKING).is_empty()
    }

    /// Operations that some request is denied at `old` and allowed at `new`.
    fn gained(&self, class: ClassId, old: Side, new: Side) -> OpSet {
        let (Some((from, a)), Some((to, b))) =
            (self.image().cell_at(old.state, class), self.image().cell_at(new.state, class))
        else {
            return OpSet::ALL;
        };
        if from == to && (old.hides, old.may_hide) == (new.hides, new.may_hide) && !old.may_hide {
            return OpSet::EMPTY;
        }
        let (always_a, some_a) = self.masks(old, &a);
        let (always_b, _) = self.masks(new, &b);
        let candidates = some_a.difference(always_b);
        if old.may_hide && !old.hides {
            return candidates;
        }
        // Where a side depends on the request's fields, the table says whether some request tells the sides apart.
        let (on_a, on_b) = (OpSet::from_bits(a.depend).difference(always_a), OpSet::from_bits(b.depend));
        let told = |from, to, ops: OpSet| {
            if ops.is_empty() || from == to {
                return OpSet::EMPTY;
            }
            self.image().list_gains(from, to).unwrap_or(OpSet::ALL).intersection(ops)
        };
        let depends = [
            (a.list, b.list, on_a.intersection(on_b)),
            (a.list, NO_LIST, on_a.difference(on_b)),
            (NO_LIST, b.list, on_b.intersection(always_a)),
        ];
        depends.into_iter().fold(candidates, |found, (from, to, ops)| {
            found.difference(ops).union(candidates.intersection(told(from, to, ops)))
        })
    }

    /// Whether a name below gains, or a forbidden name can be prepared at the old side and moved in.
    fn gains_below(&self, class: ClassId, old: Side, new: Side, pairs: &mut usize) -> bool {
        let mut seen = HashSet::new();
        let mut todo = vec![self.open_directory(old, new)];
        while let Some((old, new, spelt)) = todo.pop() {
            if !seen.insert((old, new, spelt)) {
                continue;
            }
            *pairs += 1;
            if *pairs > MAX_PAIRS {
                return true;
            }
            if spelt == Spelling::Name {
                let (old, new) = (self.hide(class, old), self.hide(class, new));
                if self.cell_gains(class, old, new)
                    || !self.gained(class, new, old).intersection(PREPARED).is_empty()
                {
                    return true;
                }
                if !self.same_below(old, new) {
                    todo.push(self.open_directory(old, new));
                }
            }
            for (byte, old, new) in self.ways(old, new) {
                if let Some(spelt) = spelt.after(byte) {
                    todo.push((old, new, spelt));
                }
            }
        }
        false
    }

    /// Both sides after the `/` that opens the directory; its component is yet to be spelt.
    fn open_directory(&self, old: Side, new: Side) -> (Side, Side, Spelling) {
        (self.step(old, b'/'), self.step(new, b'/'), Spelling::Slash)
    }

    fn step(&self, side: Side, byte: u8) -> Side {
        Side { state: self.image().step(side.state, byte), ..side }
    }

    /// Every pair of ways out by a byte of a name, one byte for each.
    fn ways(&self, old: Side, new: Side) -> Vec<(u8, Side, Side)> {
        let (own_old, _) = self.image().edges(old.state);
        let (own_new, _) = self.image().edges(new.state);
        let mut bytes: Vec<u8> = own_old.iter().chain(&own_new).map(|(byte, _)| *byte).collect();
        bytes.push(b'.');
        bytes.sort_unstable();
        bytes.dedup();
        if let Some(other) = (1..=255).find(|byte| *byte != b'/' && bytes.binary_search(byte).is_err()) {
            bytes.push(other);
        }
        bytes.retain(|byte| *byte != 0 && *byte != b'/');
        bytes.into_iter().map(|byte| (byte, self.step(old, byte), self.step(new, byte))).collect()
    }
}

/// The operations that would make an object of `kind` at the new name.
fn makings(kind: Option<Kind>, op: Op) -> Vec<Op> {
    if op == Op::Link {
        return vec![Op::Create];
    }
    match kind {
        Some(Kind::File) => vec![Op::Create],
        Some(Kind::Dir) => vec![Op::Mkdir],
        Some(Kind::Symlink) => vec![Op::Symlink],
        Some(Kind::Fifo | Kind::Socket | Kind::Block | Kind::Char) => vec![Op::Mknod],
        None => vec![Op::Create, Op::Mkdir, Op::Symlink, Op::Mknod],
    }
}
