//! The automaton of a set of languages, by subset construction over a trie of literals and the patterns' states.
//!
//! A state is a place in the trie or outside it, with the literal languages in force there, and the set of pattern
//! states. Default transitions keep a pattern that runs beside many literals from adding edges to each of them; what
//! lies between two branchings of the trie becomes one node as long as the patterns see no difference.

use hashbrown::HashMap;

use crate::rules::PathAtom;

use super::dfa::{Builder, Dfa, MAX_STATES, NodeEdge, NodeId as Target};
use super::limits::{AutomatonError, Input, Limits};
use super::nfa::{Marks, Nfa, Place, Settled};
use super::sets::{SetId, Sets};
use super::trie::{NodeId, Trie};

/// An automaton whose labels are [`SetId`]s of indices into the languages it was made of.
#[derive(Clone, Debug)]
pub struct Labelled {
    /// The automaton; a label is the number of a set in `sets`.
    pub dfa: Dfa,
    /// The sets of languages.
    pub sets: Sets,
}

/// The automaton that tells for every byte string in which of `atoms` it lies.
///
/// # Errors
/// [`AutomatonError`] if it would exceed `limits`.
pub fn determinize(atoms: &[PathAtom], input: Input, limits: &Limits) -> Result<Labelled, AutomatonError> {
    let mut sets = Sets::default();
    let trie = Trie::new(atoms, &mut sets);
    let nfa = Nfa::new(atoms, input, limits)?;
    let mut build = Build {
        trie: &trie,
        steps: Steps::new(&nfa),
        sets,
        dfa: Builder::default(),
        accepted: Vec::new(),
        outside: HashMap::default(),
        todo: Vec::new(),
        input,
        limits,
    };
    let start = build.run()?;
    let Build { dfa, sets, .. } = build;
    Ok(Labelled { dfa: dfa.finish(start), sets })
}

/// What a state stands for.
#[derive(Clone, Copy, Debug)]
struct Config {
    id: Target,
    at: At,
    patterns: SetId,
}

#[derive(Clone, Copy, Debug)]
enum At {
    Node(NodeId),
    Outside(SetId),
}

struct Build<'a> {
    trie: &'a Trie<'a>,
    steps: Steps<'a>,
    /// Sets of atoms.
    sets: Sets,
    dfa: Builder,
    /// What each set of pattern states accepts after some byte, as a set of atoms.
    accepted: Vec<Option<SetId>>,
    /// The states outside the trie. Those inside need no table: each node is reached once, from its parent.
    outside: HashMap<(SetId, SetId), Target>,
    todo: Vec<Config>,
    input: Input,
    limits: &'a Limits,
}

impl Build<'_> {
    fn run(&mut self) -> Result<Target, AutomatonError> {
        let patterns = self.steps.start();
        let start = self.add(At::Node(self.trie.root()), patterns);
        let mut edges = Vec::new();
        while let Some(config) = self.todo.pop() {
            let place = if config.id == start { Place::Start } else { Place::Within };
            let (here, beyond) = match config.at {
                At::Node(node) => (self.trie.here(node), self.trie.beyond(node)),
                At::Outside(in_force) => (in_force, in_force),
            };
            let label = self.label(here, config.patterns, place);
            let other = self.steps.of(config.patterns).other;
            edges.clear();
            let mut next_exception = 0;
            if let At::Node(node) = config.at {
                for child in self.trie.children(node) {
                    let byte = self.trie.bytes(child)[0];
                    while let Some((byte, patterns)) =
                        self.steps.of(config.patterns).exception(next_exception).filter(|next| next.0 < byte)
                    {
                        next_exception += 1;
                        edges.push(NodeEdge { byte, to: self.leave(beyond, patterns) });
                    }
                    let own = self.steps.of(config.patterns).exception(next_exception);
                    let patterns = match own.filter(|next| next.0 == byte) {
                        Some((_, patterns)) => {
                            next_exception += 1;
                            patterns
                        }
                        None => other,
                    };
                    edges.push(NodeEdge { byte, to: self.enter(child, beyond, patterns)? });
                }
            }
            while let Some((byte, patterns)) = self.steps.of(config.patterns).exception(next_exception) {
                next_exception += 1;
                edges.push(NodeEdge { byte, to: self.leave(beyond, patterns) });
            }
            let other = self.leave(beyond, other);
            self.dfa.branch(config.id, label.0, other, &edges);
            self.check()?;
        }
        Ok(start)
    }

    /// What a state says, and its patterns' transitions made ready.
    fn label(&mut self, here: SetId, patterns: SetId, place: Place) -> SetId {
        self.steps.prepare(patterns);
        let accepted = if place == Place::Start {
            let accepted = self.steps.accepted(patterns, place);
            self.sets.intern(accepted)
        } else {
            if self.accepted.len() <= patterns.index() {
                self.accepted.resize(patterns.index() + 1, None);
            }
            match self.accepted[patterns.index()] {
                Some(known) => known,
                None => {
                    let accepted = self.steps.accepted(patterns, place);
                    let accepted = self.sets.intern(accepted);
                    self.accepted[patterns.index()] = Some(accepted);
                    accepted
                }
            }
        };
        self.sets.union(here, accepted)
    }

    /// The first state of the way to `child`, its first byte read, which led the patterns to `patterns`. The atoms in
    /// force on the way are `beyond`.
    fn enter(&mut self, child: NodeId, beyond: SetId, mut patterns: SetId) -> Result<Target, AutomatonError> {
        let trie = self.trie;
        let bytes = &trie.bytes(child)[1..];
        let mut id = if bytes.is_empty() {
            return Ok(self.add(At::Node(child), patterns));
        } else {
            self.dfa.reserve()
        };
        let first = id;
        let mut at = 0;
        while at < bytes.len() {
            let begin = at;
            let label = self.label(beyond, patterns, Place::Within);
            let default = self.steps.of(patterns).other;
            let other = self.leave(beyond, default);
            if self.steps.of(patterns).turns_aside(bytes[at]) {
                let step = self.steps.of(patterns).clone();
                patterns = step.lead(bytes[at]);
                at += 1;
                let next = self.onward(at == bytes.len(), child, patterns);
                let mut edges = vec![NodeEdge { byte: bytes[begin], to: next }];
                for (byte, to) in step.exceptions.into_iter().filter(|(byte, _)| *byte != bytes[begin]) {
                    edges.push(NodeEdge { byte, to: self.leave(beyond, to) });
                }
                edges.sort_unstable();
                self.dfa.branch(id, label.0, other, &edges);
                id = next;
            } else {
                // One node for as long as nothing but the place changes.
                loop {
                    let before = patterns;
                    patterns = self.steps.of(patterns).lead(bytes[at]);
                    at += 1;
                    let Some(byte) = bytes.get(at) else { break };
                    let same = patterns == before
                        || self.label(beyond, patterns, Place::Within) == label
                            && self.steps.of(patterns).other == default;
                    if !same || self.steps.of(patterns).turns_aside(*byte) {
                        break;
                    }
                }
                let next = self.onward(at == bytes.len(), child, patterns);
                self.dfa.chain(id, label.0, other, &bytes[begin..at], next);
                id = next;
            }
            self.check()?;
        }
        Ok(first)
    }

    /// The state that a way to `child` comes to: its end, or what is still to be made.
    fn onward(&mut self, end: bool, child: NodeId, patterns: SetId) -> Target {
        if end { self.add(At::Node(child), patterns) } else { self.dfa.reserve() }
    }

    fn add(&mut self, at: At, patterns: SetId) -> Target {
        let id = self.dfa.reserve();
        self.todo.push(Config { id, at, patterns });
        id
    }

    fn leave(&mut self, in_force: SetId, patterns: SetId) -> Target {
        if let Some(id) = self.outside.get(&(in_force, patterns)) {
            return *id;
        }
        let id = self.add(At::Outside(in_force), patterns);
        self.outside.insert((in_force, patterns), id);
        id
    }

    fn check(&self) -> Result<(), AutomatonError> {
        let items = self.sets.items() + self.steps.sets.items();
        let (what, limit) = if self.dfa.node_count() > self.limits.states {
            ("states", self.limits.states)
        } else if self.dfa.most_states() > MAX_STATES {
            ("bytes on the way between states", MAX_STATES)
        } else if self.dfa.edge_count() > self.limits.transitions {
            ("transitions", self.limits.transitions)
        } else if items > self.limits.set_items {
            ("set members", self.limits.set_items)
        } else {
            return Ok(());
        };
        Err(AutomatonError::TooLarge { input: self.input, what, limit, patterns: self.steps.busiest() })
    }
}

/// Where a set of pattern states leads: by default, and for single bytes that lead elsewhere.
#[derive(Clone, Debug)]
struct Step {
    other: SetId,
    exceptions: Vec<(u8, SetId)>,
}

impl Step {
    /// The exception at this place.
    fn exception(&self, place: usize) -> Option<(u8, SetId)> {
        self.exceptions.get(place).copied()
    }

    /// Where `byte` leads.
    fn lead(&self, byte: u8) -> SetId {
        let own = self.exceptions.binary_search_by_key(&byte, |next| next.0);
        own.map_or(self.other, |own| self.exceptions[own].1)
    }

    /// Whether any byte but `byte` leads elsewhere than by default.
    fn turns_aside(&self, byte: u8) -> bool {
        match self.exceptions.as_slice() {
            [] => false,
            [(only, _)] => *only != byte,
            _ => true,
        }
    }
}

/// The patterns' subset construction, each set's transitions computed once.
struct Steps<'a> {
    nfa: &'a Nfa,
    settled: Settled,
    /// Sets of pattern states.
    sets: Sets,
    marks: Marks,
    steps: Vec<Option<Step>>,
    /// The closure of a set of targets, by the targets.
    closures: HashMap<Box<[u32]>, SetId>,
}

impl<'a> Steps<'a> {
    fn new(nfa: &'a Nfa) -> Self {
        Self {
            nfa,
            settled: Settled::new(nfa),
            sets: Sets::default(),
            marks: Marks::default(),
            steps: Vec::new(),
            closures: HashMap::default(),
        }
    }

    fn start(&mut self) -> SetId {
        let mut reached = Vec::new();
        self.nfa.closure(&[0], Place::Start, &mut self.marks, &mut reached);
        self.sets.intern(reached)
    }

    fn accepted(&mut self, set: SetId, place: Place) -> Vec<u32> {
        self.nfa.accepted(self.sets.get(set), place, &mut self.marks)
    }

    fn of(&self, set: SetId) -> &Step {
        self.steps[set.index()].as_ref().expect("INVARIANT: prepared before")
    }

    fn prepare(&mut self, set: SetId) {
        if self.steps.len() < self.sets.len() {
            self.steps.resize(self.sets.len(), None);
        }
        if self.steps[set.index()].is_some() {
            return;
        }
        let edges: Vec<(u8, u8, u32)> =
            self.sets.get(set).iter().flat_map(|state| self.nfa.byte_edges(*state)).collect();
        // Between two cuts all bytes lead to the same states.
        let mut cuts = [false; 256];
        cuts[0] = true;
        for &(low, high, _) in &edges {
            cuts[usize::from(low)] = true;
            if high < u8::MAX {
                cuts[usize::from(high) + 1] = true;
            }
        }
        let mut segment_of = [0usize; 256];
        let mut segments = 0;
        for (segment, cut) in segment_of.iter_mut().zip(cuts) {
            segments += usize::from(cut);
            *segment = segments - 1;
        }
        let mut targets: Vec<Vec<u32>> = vec![Vec::new(); segments];
        for (low, high, to) in edges {
            for segment in &mut targets[segment_of[usize::from(low)]..=segment_of[usize::from(high)]] {
                segment.push(to);
            }
        }
        let leads: Vec<SetId> = targets.into_iter().map(|targets| self.close(targets)).collect();

        let mut weights: Vec<(SetId, usize)> = Vec::new();
        for segment in segment_of {
            weights.push((leads[segment], 1));
        }
        weights.sort_unstable();
        weights.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            kept.1 += if same { next.1 } else { 0 };
            same
        });
        let most = weights.iter().max_by_key(|(set, weight)| (*weight, std::cmp::Reverse(*set)));
        let other = most.expect("INVARIANT: 256 bytes lead somewhere").0;
        let exceptions = (0..=u8::MAX)
            .map(|byte| (byte, leads[segment_of[usize::from(byte)]]))
            .filter(|(_, to)| *to != other)
            .collect();
        self.steps[set.index()] = Some(Step { other, exceptions });
    }

    fn close(&mut self, mut targets: Vec<u32>) -> SetId {
        targets.sort_unstable();
        targets.dedup();
        if let Some(set) = self.closures.get(targets.as_slice()) {
            return *set;
        }
        let mut reached = Vec::new();
        self.nfa.closure(&targets, Place::Within, &mut self.marks, &mut reached);
        self.settled.forget(self.nfa, &mut reached);
        let set = self.sets.intern(reached);
        self.closures.insert(targets.into_boxed_slice(), set);
        set
    }

    /// The patterns whose states are in most sets, at most three.
    fn busiest(&self) -> Vec<u32> {
        let mut counts: HashMap<u32, usize> = HashMap::default();
        for index in 0..self.sets.len() {
            let set = self.sets.get(SetId(u32::try_from(index).expect("INVARIANT: set ids are 32 bits")));
            let mut owners: Vec<u32> = set.iter().map(|state| self.nfa.owner(*state)).collect();
            owners.sort_unstable();
            owners.dedup();
            for owner in owners {
                *counts.entry(owner).or_default() += 1;
            }
        }
        let mut counts: Vec<(u32, usize)> = counts.into_iter().collect();
        counts.sort_unstable_by_key(|(owner, count)| (std::cmp::Reverse(*count), *owner));
        counts.into_iter().take(3).map(|(owner, _)| owner).collect()
    }
}
