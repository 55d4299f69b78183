//! Which sets of path languages a canonical path lies in, and a path for each.

use crate::automaton::{Canonical, Dfa, Form, Inputs, NodeId};

/// No entry.
const NONE: u32 = u32::MAX;

/// The ways into the nodes of an automaton by canonical paths, breadth first.
#[derive(Debug)]
pub(super) struct Reach<'a> {
    dfa: &'a Dfa,
    inputs: Inputs,
    entries: Vec<Entry>,
    /// Which places each node was entered in, as bits.
    seen: Vec<u8>,
    /// For each label the entry, and how many bytes of its chain, that first come to it.
    first: Vec<(u32, u32)>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    node: NodeId,
    place: Canonical,
    before: u32,
    /// How many bytes of the chain of the node before were read.
    read: u32,
    /// The byte that led here from there.
    byte: u8,
}

impl<'a> Reach<'a> {
    /// Explores `dfa`, whose labels are below `labels`.
    pub(super) fn new(dfa: &'a Dfa, labels: usize, inputs: Inputs) -> Self {
        let mut reach = Self {
            dfa,
            inputs,
            entries: Vec::new(),
            seen: vec![0; dfa.node_count()],
            first: vec![(NONE, 0); labels],
        };
        reach.enter(dfa.start_node(), Canonical::Start, NONE, 0, 0);
        let mut at = 0u32;
        while let Some(entry) = reach.entries.get(at as usize).copied() {
            reach.leave(at, entry);
            at += 1;
        }
        reach
    }

    fn step(&self, place: Canonical, byte: u8) -> Canonical {
        match self.inputs {
            Inputs::Paths => place.step(byte),
            Inputs::All => Canonical::Start,
        }
    }

    fn is_end(&self, place: Canonical) -> bool {
        self.inputs == Inputs::All || place.is_path()
    }

    fn enter(&mut self, node: NodeId, place: Canonical, before: u32, read: u32, byte: u8) {
        if place == Canonical::Dead {
            return;
        }
        let seen = &mut self.seen[node.index()];
        let bit = 1 << place as u8;
        if *seen & bit == 0 {
            *seen |= bit;
            self.entries.push(Entry { node, place, before, read, byte });
        }
    }

    fn leave(&mut self, at: u32, entry: Entry) {
        let node = self.dfa.node(entry.node);
        match node.form {
            Form::Chain(bytes, next) => {
                let mut place = entry.place;
                let mut left = None;
                for (read, byte) in (0u32..).zip(bytes) {
                    // A name's bytes are all left in the same ways.
                    let way = (place, matches!(byte, b'/' | b'.' | b'x').then_some(*byte));
                    if left.replace(way) != Some(way) {
                        if self.is_end(place) {
                            self.label(node.label, at, read);
                        }
                        for other in [b'/', b'.', if *byte == b'x' { b'y' } else { b'x' }] {
                            if other != *byte {
                                self.enter(node.other, self.step(place, other), at, read, other);
                            }
                        }
                    }
                    place = self.step(place, *byte);
                    if place == Canonical::Dead {
                        return;
                    }
                }
                let read = u32::try_from(bytes.len() - 1).expect("INVARIANT: chains have 32-bit lengths");
                self.enter(next, place, at, read, bytes[bytes.len() - 1]);
            }
            Form::Branch(edges) => {
                if self.is_end(entry.place) {
                    self.label(node.label, at, 0);
                }
                let listed = |byte: u8| edges.binary_search_by_key(&byte, |edge| edge.byte).is_ok();
                let plain = (b'a'..=b'z').chain(b'0'..=b'9').chain(1..=u8::MAX);
                let plain = plain.filter(|byte| !matches!(byte, b'/' | b'.')).find(|byte| !listed(*byte));
                // What people can read comes first.
                for other in [plain, Some(b'/'), Some(b'.')].into_iter().flatten() {
                    if !listed(other) {
                        self.enter(node.other, self.step(entry.place, other), at, 0, other);
                    }
                }
                for edge in edges {
                    self.enter(edge.to, self.step(entry.place, edge.byte), at, 0, edge.byte);
                }
            }
        }
    }

    fn label(&mut self, label: u32, at: u32, read: u32) {
        let first = &mut self.first[label as usize];
        if first.0 == NONE {
            *first = (at, read);
        }
    }

    /// The labels that some path comes to.
    pub(super) fn labels(&self) -> impl Iterator<Item = u32> + '_ {
        (0u32..).zip(&self.first).filter(|(_, first)| first.0 != NONE).map(|(label, _)| label)
    }

    /// A path that comes to `label`, which has one; of few bytes, though not always the fewest.
    pub(super) fn path(&self, label: u32) -> Vec<u8> {
        let (mut at, mut read) = self.first[label as usize];
        let mut path = Vec::new();
        while at != NONE {
            let entry = self.entries[at as usize];
            if let Form::Chain(bytes, _) = self.dfa.node(entry.node).form {
                path.extend(bytes[..read as usize].iter().rev());
            }
            if entry.before != NONE {
                path.push(entry.byte);
            }
            (at, read) = (entry.before, entry.read);
        }
        path.reverse();
        path
    }
}
