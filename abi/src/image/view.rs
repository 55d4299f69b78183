//! Reading a valid image: walking its automata and looking at its cells. Nothing here can fail, because
//! [`super::decode`] has checked every offset.

use std::mem::size_of;

use super::{Debug, Literal, Named, RuleInfo, Signed};
use crate::layout::{
    Cell, Entry, EventRecord, FLAG_ANONYMOUS_EXEC, FLAG_BOESFS, FLAG_ENTRY_SUBJECT, FLAG_HIDES,
    FLAG_MOVES_JUDGED, NODE_BRANCH, NODE_CHAIN, NODE_SINK, NODE_TABLE, Node, PolicyHeader, Test,
};
use crate::op::{Op, OpSet};
use crate::subjects::Subjects;

/// Index of a subject class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClassId(pub u32);

/// What decided: a cell by its masks, or one of its entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RuleRef {
    /// The class that asked.
    pub class: ClassId,
    /// The cell.
    pub cell: u32,
    /// The entry, or [`NO_RULE`] if the cell's masks decided.
    pub entry: u32,
    /// The operation that was decided.
    pub op: Op,
}

/// Where a walk stands: a node, and how many bytes into its chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct State {
    /// Node reference.
    pub node: u32,
    /// Bytes of the chain already read; 0 elsewhere.
    pub inside: u16,
}

/// An image that has been checked.
///
/// INVARIANT(valid): every check of [`super::decode`] has passed on exactly these bytes.
#[derive(Clone, Debug)]
pub struct ValidImage {
    blob: Vec<u8>,
    header: PolicyHeader,
    id: [u8; 32],
    subjects: Subjects,
    literals: Vec<Literal>,
    debug: Option<Debug>,
    signed: Option<Signed>,
}

/// Structures that are plain bytes: every bit pattern is a value.
pub(crate) trait Plain: Sized {
    fn from_bytes(bytes: &[u8]) -> Self;
}

macro_rules! plain {
    ($ty:ident { $($field:ident: $kind:ident),* $(,)? }) => {
        impl Plain for $ty {
            fn from_bytes(bytes: &[u8]) -> Self {
                Self { $($field: plain!(@ $kind bytes, std::mem::offset_of!($ty, $field)),)* }
            }
        }
    };
    (@ u8 $bytes:ident, $at:expr) => { $bytes[$at] };
    (@ u16 $bytes:ident, $at:expr) => { u16::from_le_bytes(bytes($bytes, $at)) };
    (@ u32 $bytes:ident, $at:expr) => { u32::from_le_bytes(bytes($bytes, $at)) };
    (@ u64 $bytes:ident, $at:expr) => { u64::from_le_bytes(bytes($bytes, $at)) };
    (@ words $bytes:ident, $at:expr) => {
        std::array::from_fn(|index| u64::from_le_bytes(bytes($bytes, $at + index * 8)))
    };
}

plain!(PolicyHeader {
    magic: u32,
    version: u32,
    blob_len: u32,
    flags: u32,
    may_deny: u32,
    may_depend: u32,
    tests_args: u32,
    class_count: u32,
    kill_after: u64,
    path_start: u32,
    text_start: u32,
    nodes_off: u32,
    nodes_len: u32,
    rows_off: u32,
    row_count: u32,
    cells_off: u32,
    cell_count: u32,
    entries_off: u32,
    entry_count: u32,
    tests_off: u32,
    test_count: u32,
    sets_off: u32,
    set_count: u32,
    text_count: u32,
    gains_off: u32,
    list_count: u32,
    accepted: u32,
    reserved2: words,
});
plain!(Node { label: u32, other: u32, next: u32, len: u16, kind: u8, low: u8 });
plain!(Cell {
    deny: u32,
    depend: u32,
    report: u32,
    by_default: u32,
    errno_low: u32,
    errno_high: u32,
    first: u32,
    first_count: u32,
    denies: u32,
    denies_count: u32,
    allows: u32,
    allows_count: u32,
    list: u32,
    reserved: u32,
    reserved2: u64,
});
plain!(Entry {
    ops: u32,
    tests: u32,
    test_count: u32,
    by_default: u32,
    deny: u8,
    errno: u8,
    report: u8,
    gives: u8,
    reserved2: u32,
});
plain!(EventRecord {
    time: u64,
    sandbox: u64,
    generation: u64,
    args: words,
    pid: u32,
    uid: u32,
    class: u32,
    cell: u32,
    entry: u32,
    errno: u32,
    path_len: u32,
    arg_len: u32,
    op: u8,
    deny: u8,
    reason: u8,
    flags: u8,
    args_known: u8,
    args_absent: u8,
    reserved: u16,
    denials: u64,
    reserved2: words,
});
plain!(Test { a: u64, b: u64, set: u32, field: u8, condition: u8, holds: u8, reserved: u8 });

pub(crate) fn bytes<const N: usize>(blob: &[u8], at: usize) -> [u8; N] {
    blob[at..at + N].try_into().expect("INVARIANT: a slice of N bytes")
}

pub(crate) fn read<T: Plain>(blob: &[u8], at: usize) -> T {
    T::from_bytes(&blob[at..at + size_of::<T>()])
}

/// One node and its bytes.
pub(super) struct NodeView<'a> {
    pub(super) node: Node,
    reference: u32,
    tail: &'a [u8],
}

impl<'a> NodeView<'a> {
    pub(super) fn new(blob: &'a [u8], reference: u32) -> Self {
        let at = reference as usize * 8;
        Self { node: read(blob, at), reference, tail: &blob[at + size_of::<Node>()..] }
    }

    pub(super) fn chain(&self) -> &'a [u8] {
        if self.node.kind == NODE_CHAIN { &self.tail[..self.node.len as usize] } else { &[] }
    }

    /// The bytes that a branch lists.
    pub(super) fn listed(&self) -> &'a [u8] {
        if self.node.kind == NODE_BRANCH { &self.tail[..self.node.len as usize] } else { &[] }
    }

    /// How many references follow the node.
    fn reference_count(&self) -> usize {
        if matches!(self.node.kind, NODE_BRANCH | NODE_TABLE) { self.node.len as usize } else { 0 }
    }

    /// The reference at a place among those that follow the node.
    fn reference_at(&self, index: usize) -> u32 {
        let from = self.listed().len().next_multiple_of(8);
        u32::from_le_bytes(bytes(self.tail, from + index * 4))
    }

    /// Every node an edge leads to, the default's first.
    pub(super) fn targets(&self) -> impl Iterator<Item = u32> + '_ {
        let next = (self.node.kind == NODE_CHAIN).then_some(self.node.next);
        let own = (0..self.reference_count()).map(|index| self.reference_at(index));
        std::iter::once(self.node.other).chain(next).chain(own)
    }

    pub(super) fn padding_is_zero(&self) -> bool {
        let len = if self.node.kind == NODE_TABLE { 0 } else { self.node.len as usize };
        let mut padding = self.tail[len..len.next_multiple_of(8)].iter();
        let count = self.reference_count();
        padding.all(|b| *b == 0) && (count.is_multiple_of(2) || self.reference_at(count) == 0)
    }

    pub(super) fn after(&self, inside: u16, byte: u8) -> State {
        let to = |node| State { node, inside: 0 };
        match self.node.kind {
            NODE_TABLE => match usize::from(byte.wrapping_sub(self.node.low)) {
                index if index < self.node.len as usize => to(self.reference_at(index)),
                _ => to(self.node.other),
            },
            NODE_SINK => to(self.reference),
            NODE_CHAIN if self.chain()[inside as usize] != byte => to(self.node.other),
            NODE_CHAIN if inside + 1 == self.node.len => to(self.node.next),
            NODE_CHAIN => State { node: self.reference, inside: inside + 1 },
            _ => match self.listed().binary_search(&byte) {
                Ok(index) => to(self.reference_at(index)),
                Err(_) => to(self.node.other),
            },
        }
    }

    /// The state after as much of `input`, which is not empty, as the node reads at once, and how much that is.
    fn after_some(&self, inside: u16, input: &[u8]) -> (State, usize) {
        match self.node.kind {
            NODE_SINK => (State { node: self.reference, inside: 0 }, input.len()),
            NODE_CHAIN => {
                let left = &self.chain()[inside as usize..];
                let same = left.iter().zip(input).take_while(|(have, want)| have == want).count();
                if same == left.len() {
                    (State { node: self.node.next, inside: 0 }, same)
                } else if same == input.len() {
                    (State { node: self.reference, inside: inside + same as u16 }, same)
                } else if same == 0 && inside == 0 && self.node.other == self.reference {
                    let begins = input.iter().position(|byte| *byte == left[0]);
                    (State { node: self.reference, inside: 0 }, begins.unwrap_or(input.len()))
                } else {
                    (State { node: self.node.other, inside: 0 }, same + 1)
                }
            }
            _ => (self.after(inside, input[0]), 1),
        }
    }
}

impl NodeView<'_> {
    /// The bytes that lead somewhere of their own, this far into a chain, in order, and where all others lead.
    pub(super) fn ways(&self, inside: u16) -> (Vec<(u8, State)>, State) {
        let to = |node| State { node, inside: 0 };
        let own = match self.node.kind {
            NODE_CHAIN => {
                let byte = self.chain()[inside as usize];
                vec![(byte, self.after(inside, byte))]
            }
            NODE_TABLE => (self.node.low..=255)
                .zip((0..self.reference_count()).map(|index| self.reference_at(index)))
                .filter(|(_, node)| *node != self.node.other)
                .map(|(byte, node)| (byte, to(node)))
                .collect(),
            _ => {
                let nodes = (0..self.reference_count()).map(|index| self.reference_at(index));
                self.listed().iter().copied().zip(nodes.map(to)).collect()
            }
        };
        (own, to(self.node.other))
    }
}

impl ValidImage {
    pub(super) fn new(
        blob: Vec<u8>,
        header: PolicyHeader,
        id: [u8; 32],
        subjects: Subjects,
        literals: Vec<Literal>,
        debug: Option<Debug>,
        signed: Option<Signed>,
    ) -> Self {
        Self { blob, header, id, subjects, literals, debug, signed }
    }

    /// The decision part, as the kernel gets it.
    #[must_use]
    pub fn blob(&self) -> &[u8] {
        &self.blob
    }

    /// The start of the blob.
    #[must_use]
    pub fn header(&self) -> &PolicyHeader {
        &self.header
    }

    /// The policy's id: a hash of everything that decides.
    #[must_use]
    pub fn id(&self) -> [u8; 32] {
        self.id
    }

    /// The policy's id in hexadecimal.
    #[must_use]
    pub fn id_hex(&self) -> String {
        self.id.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Subjects, domains and classes.
    #[must_use]
    pub fn subjects(&self) -> &Subjects {
        &self.subjects
    }

    /// Literal paths of rules.
    #[must_use]
    pub fn literals(&self) -> &[Literal] {
        &self.literals
    }

    /// What is there for people, unless it was stripped.
    #[must_use]
    pub fn debug(&self) -> Option<&Debug> {
        self.debug.as_ref()
    }

    /// Who vouches for the image, if it is signed: the signature is good, its key may be anyone's.
    #[must_use]
    pub fn signed(&self) -> Option<&Signed> {
        self.signed.as_ref()
    }

    /// Whether `flag` (one of `FLAG_*`) is set.
    #[must_use]
    pub fn has(&self, flag: u32) -> bool {
        self.header.flags & flag != 0
    }

    /// Whether the policy has `BoesFS`'s shape.
    #[must_use]
    pub fn is_boesfs(&self) -> bool {
        self.has(FLAG_BOESFS)
    }

    /// Whether the subject is the program the sandbox was started with.
    #[must_use]
    pub fn entry_subject(&self) -> bool {
        self.has(FLAG_ENTRY_SUBJECT)
    }

    /// Whether a move may give rights.
    #[must_use]
    pub fn moves_judged(&self) -> bool {
        self.has(FLAG_MOVES_JUDGED)
    }

    /// Whether a file without a name may be executed.
    #[must_use]
    pub fn anonymous_exec(&self) -> bool {
        self.has(FLAG_ANONYMOUS_EXEC)
    }

    /// Whether names can be hidden.
    #[must_use]
    pub fn hides(&self) -> bool {
        self.has(FLAG_HIDES)
    }

    /// The sandbox is killed at this many denials.
    #[must_use]
    pub fn kill_after(&self) -> Option<u64> {
        (self.header.kill_after != 0).then_some(self.header.kill_after)
    }

    /// Operations that can be denied to somebody somewhere.
    #[must_use]
    pub fn may_deny(&self) -> OpSet {
        OpSet::from_bits(self.header.may_deny)
    }

    /// Operations one of whose arguments some rule tests.
    #[must_use]
    pub fn tests_args(&self) -> OpSet {
        OpSet::from_bits(self.header.tests_args)
    }

    /// The class of the program `sub` in the sandbox `dom`, by their texts.
    #[must_use]
    pub fn class_of(&self, sub: &[u8], dom: Option<&[u8]>) -> ClassId {
        self.subjects.class_of(sub, dom)
    }

    /// Every class.
    pub fn classes(&self) -> impl Iterator<Item = ClassId> + use<> {
        (0..self.header.class_count).map(ClassId)
    }

    /// Where a walk over a path starts, before its first `/`.
    #[must_use]
    pub fn path_start(&self) -> State {
        State { node: self.header.path_start, inside: 0 }
    }

    /// The state after `input`.
    #[must_use]
    pub fn walk(&self, mut state: State, mut input: &[u8]) -> State {
        while !input.is_empty() {
            let (after, read) = NodeView::new(&self.blob, state.node).after_some(state.inside, input);
            state = after;
            input = &input[read..];
        }
        state
    }

    /// The state after `byte`.
    #[must_use]
    pub fn step(&self, state: State, byte: u8) -> State {
        NodeView::new(&self.blob, state.node).after(state.inside, byte)
    }

    /// The bytes that lead somewhere of their own from `state`, in order, and where all others lead.
    #[must_use]
    pub fn edges(&self, state: State) -> (Vec<(u8, State)>, State) {
        NodeView::new(&self.blob, state.node).ways(state.inside)
    }

    /// Whether no input leaves `state`: everything below has its row.
    #[must_use]
    pub fn is_sink(&self, state: State) -> bool {
        NodeView::new(&self.blob, state.node).node.kind == NODE_SINK
    }

    /// What the input that led to `state` comes to: a row for a path.
    #[must_use]
    pub fn label(&self, state: State) -> u32 {
        NodeView::new(&self.blob, state.node).node.label
    }

    /// The cell of `class` in the row of `state`; everything is denied to a class that is not there.
    #[must_use]
    pub fn cell_at(&self, state: State, class: ClassId) -> Option<(u32, Cell)> {
        let cell = self.cell_number(self.label(state), class)?;
        Some((cell, self.cell(cell)))
    }

    /// The number of the cell of `class` in `row`, which some state has; `None` for a class that is not there.
    #[must_use]
    pub fn cell_number(&self, row: u32, class: ClassId) -> Option<u32> {
        if class.0 >= self.header.class_count {
            return None;
        }
        let index = row as usize * self.header.class_count as usize + class.0 as usize;
        Some(u32::from_le_bytes(bytes(&self.blob, self.header.rows_off as usize + index * 4)))
    }

    /// Cell `index`, which is below the header's count.
    #[must_use]
    pub fn cell(&self, index: u32) -> Cell {
        read(&self.blob, self.header.cells_off as usize + index as usize * size_of::<Cell>())
    }

    /// Entries `from..from + count`, with their numbers.
    pub fn entries(&self, from: u32, count: u32) -> impl Iterator<Item = (u32, Entry)> + '_ {
        (from..from + count).map(|index| {
            (index, read(&self.blob, self.header.entries_off as usize + index as usize * size_of::<Entry>()))
        })
    }

    /// The tests of `entry`.
    pub fn tests(&self, entry: &Entry) -> impl Iterator<Item = Test> + '_ {
        (entry.tests..entry.tests + entry.test_count).map(|index| {
            read(&self.blob, self.header.tests_off as usize + index as usize * size_of::<Test>())
        })
    }

    /// The class of a path or text argument.
    #[must_use]
    pub fn text_class(&self, text: &[u8]) -> u32 {
        if self.header.text_start == 0 {
            return 0;
        }
        self.label(self.walk(State { node: self.header.text_start, inside: 0 }, text))
    }

    /// Whether text class `class` is in text set `set`.
    #[must_use]
    pub fn set_contains(&self, set: u32, class: u32) -> bool {
        let words = self.header.text_count.div_ceil(32) as usize;
        let word = set as usize * words + class as usize / 32;
        let bits = u32::from_le_bytes(bytes(&self.blob, self.header.sets_off as usize + word * 4));
        bits & (1 << (class % 32)) != 0
    }

    /// The words of text set `set`: bit `class % 32` of word `class / 32` says whether a class is in it.
    pub fn set_words(&self, set: u32) -> impl Iterator<Item = u32> + '_ {
        let words = self.header.text_count.div_ceil(32) as usize;
        let first = self.header.sets_off as usize + set as usize * words * 4;
        (0..words).map(move |word| u32::from_le_bytes(bytes(&self.blob, first + word * 4)))
    }

    /// Operations that some request is denied under list `from` and allowed under list `to`; `None` if the image does not
    /// have the table. List 0 denies everything as `from` and allows everything as `to`.
    #[must_use]
    pub fn list_gains(&self, from: u32, to: u32) -> Option<OpSet> {
        let count = self.header.list_count;
        if from >= count || to >= count {
            return None;
        }
        let at = self.header.gains_off as usize + (from as usize * count as usize + to as usize) * 4;
        Some(OpSet::from_bits(u32::from_le_bytes(bytes(&self.blob, at))))
    }

    /// The index of the rule that decided at `path`; `None` for a default, in a stripped image, or if what decided
    /// there is not `at`.
    #[must_use]
    pub fn rule_index(&self, path: &[u8], at: RuleRef) -> Option<u32> {
        let named = self.named();
        named.decider(named.label(named.walk(named.start(), path)), at)
    }

    /// The rule that decided at `path`; `None` as of [`ValidImage::rule_index`].
    #[must_use]
    pub fn rule(&self, path: &[u8], at: RuleRef) -> Option<RuleInfo<'_>> {
        self.debug.as_ref()?.rules.get(self.rule_index(path, at)? as usize)
    }

    /// The image with the rules that decide, as far as it tells them.
    #[must_use]
    pub fn named(&self) -> Named<'_> {
        Named::new(self)
    }
}
