//! Partition refinement by signatures, for states that cycles lead to.
//!
//! When a block splits, its largest part keeps the block's number, so a state is looked at again only when one of its
//! targets came into a part at most half as large. A default transition is one edge here, not 256, so a state may be
//! looked at once for each logarithm of the number of states.

use super::super::dfa::{Dfa, Form, NodeId};
use super::classes::{Classes, canonical};

/// The states that cycles lead to, each with its own transitions. None of these leads elsewhere.
#[derive(Default)]
struct Core {
    states: Vec<State>,
    edges: Vec<(u8, u32)>,
}

struct State {
    label: u32,
    other: u32,
    first: u32,
    len: u32,
}

impl Core {
    /// The states of `nodes`, and for each node of `dfa` the first of its states, if it is one of these.
    fn new(dfa: &Dfa, nodes: &[NodeId], label: &impl Fn(u32) -> u32) -> (Self, Vec<u32>) {
        let mut first = vec![u32::MAX; dfa.node_count()];
        let mut count = 0;
        for id in nodes {
            first[id.index()] = count;
            count += match dfa.node(*id).form {
                Form::Chain(bytes, _) => narrow(bytes.len()),
                Form::Branch(_) => 1,
            };
        }
        let mut core = Self::default();
        for id in nodes {
            let node = dfa.node(*id);
            let other = first[node.other.index()];
            match node.form {
                Form::Branch(edges) => {
                    let edges = edges.iter().map(|edge| (edge.byte, first[edge.to.index()]));
                    core.push(label(node.label), other, edges);
                }
                Form::Chain(bytes, next) => {
                    for byte in &bytes[..bytes.len() - 1] {
                        let next = narrow(core.states.len()) + 1;
                        core.push(label(node.label), other, std::iter::once((*byte, next)));
                    }
                    let last = (bytes[bytes.len() - 1], first[next.index()]);
                    core.push(label(node.label), other, std::iter::once(last));
                }
            }
        }
        (core, first)
    }

    fn push(&mut self, label: u32, other: u32, edges: impl Iterator<Item = (u8, u32)>) {
        let first = self.edges.len();
        self.edges.extend(edges);
        let len = narrow(self.edges.len() - first);
        self.states.push(State { label, other, first: narrow(first), len });
    }

    fn edges(&self, state: u32) -> &[(u8, u32)] {
        let State { first, len, .. } = self.states[state as usize];
        &self.edges[first as usize..(first + len) as usize]
    }
}

/// The classes of the states of `nodes`, which lead to nothing but these, and for each node of `dfa` its class, if it
/// is one of these.
pub(super) fn core(dfa: &Dfa, nodes: &[NodeId], label: &impl Fn(u32) -> u32) -> (Classes, Vec<u32>) {
    let (core, mut class_of) = Core::new(dfa, nodes, label);
    let mut refinement = Refinement::new(&core);
    refinement.run();
    for id in nodes {
        let class = &mut class_of[id.index()];
        *class = refinement.block[*class as usize];
    }
    (refinement.classes(), class_of)
}

struct Refinement<'a> {
    core: &'a Core,
    sources: Sources,
    block: Vec<u32>,
    /// All states, those of one block side by side.
    members: Vec<u32>,
    /// Where each state stands in `members`.
    place: Vec<u32>,
    /// First and one past the last place of each block.
    ranges: Vec<(u32, u32)>,
    dirty: Vec<bool>,
    queue: Vec<u32>,
}

impl<'a> Refinement<'a> {
    fn new(core: &'a Core) -> Self {
        let count = narrow(core.states.len());
        let label_of = |state: u32| core.states[state as usize].label;
        let mut members: Vec<u32> = (0..count).collect();
        members.sort_by_key(|state| label_of(*state));
        let mut block = vec![0; members.len()];
        let mut place = vec![0; members.len()];
        let mut ranges: Vec<(u32, u32)> = Vec::new();
        let mut previous = None;
        for (at, state) in (0u32..).zip(&members) {
            let label = label_of(*state);
            if previous != Some(label) {
                ranges.push((at, at));
                previous = Some(label);
            }
            let current = ranges.len() - 1;
            ranges[current].1 = at + 1;
            block[*state as usize] = narrow(current);
            place[*state as usize] = at;
        }
        Self {
            core,
            sources: Sources::new(core),
            block,
            members,
            place,
            ranges,
            dirty: vec![true; count as usize],
            queue: (0..count).collect(),
        }
    }

    fn run(&mut self) {
        let mut signatures = Signatures::default();
        while !self.queue.is_empty() {
            let mut queue = std::mem::take(&mut self.queue);
            queue.sort_unstable_by_key(|state| (self.block[*state as usize], *state));
            // Blocks split while others wait, but a waiting state's own block only when its turn comes.
            for part in queue
                .chunk_by(|a, b| self.block[*a as usize] == self.block[*b as usize])
                .map(<[u32]>::to_vec)
                .collect::<Vec<_>>()
            {
                self.split(&part, &mut signatures);
            }
        }
    }

    /// Splits the block of `changed`, states whose targets changed, by signature. The block's other states have one
    /// signature that none of `changed` has: each of these has a target in a part that is new since.
    fn split(&mut self, changed: &[u32], signatures: &mut Signatures) {
        for state in changed {
            self.dirty[*state as usize] = false;
        }
        let block = self.block[changed[0] as usize];
        let (first, end) = self.ranges[block as usize];
        let unchanged = (end - first) - narrow(changed.len());
        if unchanged == 0 && changed.len() == 1 {
            return;
        }
        signatures.clear();
        for state in changed {
            signatures.add(*state, self.core, &self.block);
        }
        let groups = signatures.groups();
        if unchanged == 0 && groups.len() == 1 {
            return;
        }
        // Changed states go to the end of the block's range, group by group.
        let mut parts = Vec::with_capacity(groups.len() + 1);
        let mut free = end;
        for group in groups.iter().rev() {
            let part_end = free;
            for state in *group {
                free -= 1;
                self.swap(self.place[*state as usize], free);
            }
            parts.push((free, part_end));
        }
        if unchanged > 0 {
            parts.push((first, free));
        }
        let largest = (0..parts.len())
            .max_by_key(|part| (parts[*part].1 - parts[*part].0, std::cmp::Reverse(*part)))
            .expect("INVARIANT: a block is not empty");
        self.ranges[block as usize] = parts[largest];
        for (index, range) in parts.into_iter().enumerate() {
            if index != largest {
                let fresh = narrow(self.ranges.len());
                self.ranges.push(range);
                self.renumber(range, fresh);
            }
        }
    }

    fn swap(&mut self, a: u32, b: u32) {
        self.members.swap(a as usize, b as usize);
        self.place[self.members[a as usize] as usize] = a;
        self.place[self.members[b as usize] as usize] = b;
    }

    fn renumber(&mut self, range: (u32, u32), fresh: u32) {
        for at in range.0..range.1 {
            let state = self.members[at as usize];
            self.block[state as usize] = fresh;
            for &source in self.sources.of(state) {
                if !std::mem::replace(&mut self.dirty[source as usize], true) {
                    self.queue.push(source);
                }
            }
        }
    }

    /// The classes, one for each block, and nothing else.
    fn classes(&self) -> Classes {
        let mut classes = Classes::default();
        let mut edges = Vec::new();
        for (first, _) in &self.ranges {
            let state = self.members[*first as usize];
            let other = sign(state, self.core, &self.block, &mut edges);
            classes.add_core(self.core.states[state as usize].label, other, &edges);
        }
        classes
    }
}

/// For each state, the states with a transition to it.
struct Sources {
    first: Vec<u32>,
    sources: Vec<u32>,
}

impl Sources {
    fn new(core: &Core) -> Self {
        let targets = |state: u32| {
            let edges = core.edges(state).iter().map(|(_, to)| *to);
            edges.chain(std::iter::once(core.states[state as usize].other))
        };
        let states = 0..narrow(core.states.len());
        let mut first = vec![0u32; core.states.len() + 1];
        for state in states.clone() {
            targets(state).for_each(|to| first[to as usize + 1] += 1);
        }
        for at in 1..first.len() {
            first[at] += first[at - 1];
        }
        let mut free = first.clone();
        let mut sources = vec![0; core.edges.len() + core.states.len()];
        for state in states {
            for to in targets(state) {
                sources[free[to as usize] as usize] = state;
                free[to as usize] += 1;
            }
        }
        Self { first, sources }
    }

    fn of(&self, state: u32) -> &[u32] {
        &self.sources[self.first[state as usize] as usize..self.first[state as usize + 1] as usize]
    }
}

/// The signatures of some states, to be grouped.
#[derive(Default)]
struct Signatures {
    words: Vec<(u8, u32)>,
    edges: Vec<(u8, u32)>,
    entries: Vec<(usize, usize, u32)>,
    grouped: Vec<u32>,
}

impl Signatures {
    fn clear(&mut self) {
        self.words.clear();
        self.entries.clear();
        self.grouped.clear();
    }

    fn add(&mut self, state: u32, core: &Core, block: &[u32]) {
        let first = self.words.len();
        let other = sign(state, core, block, &mut self.edges);
        self.words.push((0, other));
        self.words.extend_from_slice(&self.edges);
        self.entries.push((first, self.words.len(), state));
    }

    fn groups(&mut self) -> Vec<&[u32]> {
        let Self { words, entries, grouped, .. } = self;
        let words = &*words;
        let word = |entry: &(usize, usize, u32)| &words[entry.0..entry.1];
        entries.sort_unstable_by(|a, b| word(a).cmp(word(b)).then(a.2.cmp(&b.2)));
        grouped.extend(entries.iter().map(|entry| entry.2));
        let mut groups = Vec::new();
        let mut at = 0;
        for group in entries.chunk_by(|a, b| word(a) == word(b)) {
            groups.push(&grouped[at..at + group.len()]);
            at += group.len();
        }
        groups
    }
}

/// Puts where `state` leads, by blocks, into `edges`, in one form for equal functions; returns the default.
fn sign(state: u32, core: &Core, block: &[u32], edges: &mut Vec<(u8, u32)>) -> u32 {
    edges.clear();
    edges.extend(core.edges(state).iter().map(|(byte, to)| (*byte, block[*to as usize])));
    canonical(block[core.states[state as usize].other as usize], edges)
}

fn narrow(index: usize) -> u32 {
    u32::try_from(index).expect("INVARIANT: states are limited below 2^32")
}
