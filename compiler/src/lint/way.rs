//! What one class of subjects gets to when every component of the way must be found.

use boesfs_abi::op::Op;

use super::automaton::Automaton;
use super::unreachable_allow::closed;
use crate::automaton::{Canonical, Form, NodeId};

/// The states of the paths below a directory whose components may all be looked up.
pub(super) struct Way<'p, 'a> {
    policy: &'p Automaton<'a>,
    /// For each row, whether `lookup` is denied.
    hidden: Vec<bool>,
    rows: Vec<bool>,
    seen: Vec<u8>,
    open: Vec<(NodeId, Canonical)>,
}

impl<'p, 'a> Way<'p, 'a> {
    /// Follows the automaton from `base` on, which itself is found.
    pub(super) fn new(policy: &'p Automaton<'a>, class: u32, base: &[u8]) -> Self {
        let compiled = policy.compiled;
        let hidden = compiled.rows.rows().map(|row| closed(compiled.cell(row, class), Op::Lookup)).collect();
        let mut way = Self {
            policy,
            hidden,
            rows: vec![false; compiled.rows.len()],
            seen: vec![0; compiled.paths.node_count()],
            open: Vec::new(),
        };
        let (node, read) = compiled.paths.node_of(compiled.paths.walk(base));
        let place = if base == b"/" { Canonical::Root } else { Canonical::Name };
        way.follow(node, read, place, true);
        while let Some((node, place)) = way.open.pop() {
            way.follow(node, 0, place, false);
        }
        way
    }

    /// The rows of what is found.
    pub(super) fn rows(&self) -> impl Iterator<Item = u32> + '_ {
        (0u32..).zip(&self.rows).filter(|(_, found)| **found).map(|(row, _)| row)
    }

    fn enter(&mut self, node: NodeId, place: Canonical) {
        let seen = &mut self.seen[node.index()];
        if place != Canonical::Dead && *seen >> place as u8 & 1 == 0 {
            *seen |= 1 << place as u8;
            self.open.push((node, place));
        }
    }

    /// Follows a node from the state on that `read` bytes lead to. At its first state one `is_base`.
    fn follow(&mut self, node: NodeId, read: usize, place: Canonical, is_base: bool) {
        let paths = &self.policy.compiled.paths;
        let node = paths.node(node);
        let row = node.label as usize;
        let hidden = self.hidden[row];
        match node.form {
            Form::Chain(bytes, next) => {
                let mut place = place;
                let mut left = None;
                for (index, byte) in bytes.iter().enumerate().skip(read) {
                    // A component ends here if a slash follows, and it must have been found.
                    let stays = hidden && !(is_base && index == read);
                    self.rows[row] |= place.is_path() && !stays;
                    let step = |byte: u8| match byte {
                        b'/' if stays && place.is_path() => Canonical::Dead,
                        byte => place.step(byte),
                    };
                    // A name's bytes are all left in the same ways.
                    let way = (place, stays, matches!(byte, b'/' | b'.' | b'x').then_some(*byte));
                    if left.replace(way) != Some(way) {
                        for other in [b'/', b'.', if *byte == b'x' { b'y' } else { b'x' }] {
                            if other != *byte {
                                self.enter(node.other, step(other));
                            }
                        }
                    }
                    place = step(*byte);
                    if place == Canonical::Dead {
                        return;
                    }
                }
                self.enter(next, place);
            }
            Form::Branch(edges) => {
                let stays = hidden && !is_base;
                self.rows[row] |= place.is_path() && !stays;
                let step = |byte: u8| match byte {
                    b'/' if stays && place.is_path() => Canonical::Dead,
                    byte => place.step(byte),
                };
                let listed = |byte: u8| edges.binary_search_by_key(&byte, |edge| edge.byte).is_ok();
                let plain = (1..=u8::MAX).find(|byte| !matches!(byte, b'/' | b'.') && !listed(*byte));
                for edge in edges {
                    self.enter(edge.to, step(edge.byte));
                }
                for other in [plain, Some(b'/'), Some(b'.')].into_iter().flatten() {
                    if !listed(other) {
                        self.enter(node.other, step(other));
                    }
                }
            }
        }
    }
}
