//! The smallest automaton with the same labels.
//!
//! Partition refinement by signatures: when a block splits, its largest part keeps the block's number, so a state is
//! looked at again only when one of its targets came into a part at most half as large. A default transition is one
//! edge here, not 256, so a state may be looked at once for each logarithm of the number of states.

use super::dfa::{Dfa, Edge, StateId};

/// The smallest automaton that gives every input the label `dfa` gives it. States are numbered in the order in which
/// a breadth-first walk from the start meets them, so equal functions give equal automata.
#[must_use]
pub fn minimise(dfa: &Dfa) -> Dfa {
    let mut refinement = Refinement::new(dfa);
    refinement.run();
    refinement.quotient()
}

struct Refinement<'a> {
    dfa: &'a Dfa,
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
    fn new(dfa: &'a Dfa) -> Self {
        let count = u32::try_from(dfa.state_count()).expect("INVARIANT: states are limited far below 2^32");
        let mut members: Vec<u32> = (0..count).collect();
        members.sort_by_key(|state| dfa.label(StateId(*state)));
        let mut block = vec![0; members.len()];
        let mut place = vec![0; members.len()];
        let mut ranges: Vec<(u32, u32)> = Vec::new();
        let mut previous = None;
        for (at, state) in (0u32..).zip(&members) {
            let label = dfa.label(StateId(*state));
            if previous != Some(label) {
                ranges.push((at, at));
                previous = Some(label);
            }
            let current = ranges.len() - 1;
            ranges[current].1 = at + 1;
            block[*state as usize] = id(current);
            place[*state as usize] = at;
        }
        Self {
            dfa,
            sources: Sources::new(dfa),
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
        let unchanged = (end - first) - id(changed.len());
        if unchanged == 0 && changed.len() == 1 {
            return;
        }
        signatures.clear();
        for state in changed {
            signatures.add(*state, self.dfa, &self.block);
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
                let fresh = id(self.ranges.len());
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

    fn quotient(&self) -> Dfa {
        const NEW: u32 = u32::MAX;
        let mut numbers = vec![NEW; self.ranges.len()];
        let mut order = vec![self.block[self.dfa.start().index()]];
        numbers[order[0] as usize] = 0;
        let mut quotient = Dfa::starting_at(StateId(0));
        let mut edges = Vec::new();
        let mut signature = Vec::new();
        let mut done = 0;
        while let Some(&block) = order.get(done) {
            let state = self.members[self.ranges[block as usize].0 as usize];
            signature.clear();
            sign(state, self.dfa, &self.block, &mut signature);
            let mut number = |block: u32| {
                if numbers[block as usize] == NEW {
                    numbers[block as usize] = id(order.len());
                    order.push(block);
                }
                StateId(numbers[block as usize])
            };
            edges.clear();
            edges.extend(signature[1..].iter().map(|word| {
                let (byte, to) = unpack(*word);
                Edge { byte, to: number(to) }
            }));
            let other = number(unpack(signature[0]).1);
            quotient.push(self.dfa.label(StateId(state)), other, &edges);
            done += 1;
        }
        quotient
    }
}

/// For each state, the states with a transition to it.
struct Sources {
    first: Vec<u32>,
    sources: Vec<u32>,
}

impl Sources {
    fn new(dfa: &Dfa) -> Self {
        let targets = |state: StateId| {
            dfa.edges(state).iter().map(|edge| edge.to).chain(std::iter::once(dfa.other(state)))
        };
        let mut first = vec![0u32; dfa.state_count() + 1];
        for state in dfa.states() {
            targets(state).for_each(|to| first[to.index() + 1] += 1);
        }
        for at in 1..first.len() {
            first[at] += first[at - 1];
        }
        let mut free = first.clone();
        let mut sources = vec![0; dfa.edge_count() + dfa.state_count()];
        for state in dfa.states() {
            for to in targets(state) {
                sources[free[to.index()] as usize] = state.0;
                free[to.index()] += 1;
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
    words: Vec<u64>,
    entries: Vec<(usize, usize, u32)>,
    grouped: Vec<u32>,
}

impl Signatures {
    fn clear(&mut self) {
        self.words.clear();
        self.entries.clear();
        self.grouped.clear();
    }

    fn add(&mut self, state: u32, dfa: &Dfa, block: &[u32]) {
        let first = self.words.len();
        sign(state, dfa, block, &mut self.words);
        self.entries.push((first, self.words.len(), state));
    }

    fn groups(&mut self) -> Vec<&[u32]> {
        let Self { words, entries, grouped } = self;
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

/// Appends where `state` leads, by blocks, in one form for equal functions: first the default, then the bytes that
/// lead elsewhere.
fn sign(state: u32, dfa: &Dfa, block: &[u32], words: &mut Vec<u64>) {
    let state = StateId(state);
    let other = block[dfa.other(state).index()];
    let first = words.len();
    words.push(pack(0, other));
    words.extend(
        dfa.edges(state)
            .iter()
            .map(|edge| (edge.byte, block[edge.to.index()]))
            .filter(|(_, to)| *to != other)
            .map(|(byte, to)| pack(byte, to)),
    );
    if words.len() - first <= 128 {
        // The default stands for more than half of all bytes: no other choice of it is as good.
        return;
    }
    let mut leads = [other; 256];
    for word in words.drain(first..).skip(1) {
        let (byte, to) = unpack(word);
        leads[usize::from(byte)] = to;
    }
    let mut sorted = leads;
    sorted.sort_unstable();
    let most = sorted
        .chunk_by(|a, b| a == b)
        .max_by_key(|run| {
            let at = leads.iter().position(|to| *to == run[0]);
            (run.len(), std::cmp::Reverse(at))
        })
        .expect("INVARIANT: 256 bytes lead somewhere")[0];
    words.push(pack(0, most));
    words.extend((0..=u8::MAX).zip(leads).filter(|(_, to)| *to != most).map(|(byte, to)| pack(byte, to)));
}

fn pack(byte: u8, block: u32) -> u64 {
    u64::from(byte) << 32 | u64::from(block)
}

fn unpack(word: u64) -> (u8, u32) {
    let [b0, b1, b2, b3, byte, ..] = word.to_le_bytes();
    (byte, u32::from_le_bytes([b0, b1, b2, b3]))
}

fn id(index: usize) -> u32 {
    u32::try_from(index).expect("INVARIANT: states are limited far below 2^32")
}
