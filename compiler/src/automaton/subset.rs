//! The automaton of a set of languages, by subset construction over a trie of literals and the patterns' states.
//!
//! A state is a place in the trie or outside it, with the literal languages in force there, and the set of pattern
//! states. Default transitions keep a pattern that runs beside many literals from adding edges to each of them.

use std::collections::HashMap;

use crate::rules::PathAtom;

use super::dfa::{Dfa, Edge, StateId};
use super::limits::{AutomatonError, Input, Limits};
use super::nfa::{Marks, Nfa, Place};
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
        outside: HashMap::new(),
        todo: Vec::new(),
        input,
        limits,
    };
    let dfa = build.run()?;
    Ok(Labelled { dfa, sets: build.sets })
}

/// What a state stands for.
#[derive(Clone, Copy, Debug)]
struct Config {
    at: At,
    patterns: SetId,
}

#[derive(Clone, Copy, Debug)]
enum At {
    Node(NodeId),
    Outside(SetId),
}

struct Build<'a> {
    trie: &'a Trie,
    steps: Steps<'a>,
    /// Sets of atoms.
    sets: Sets,
    /// The states outside the trie. Those inside need no table: each node is reached once, from its parent.
    outside: HashMap<(SetId, SetId), StateId>,
    todo: Vec<Config>,
    input: Input,
    limits: &'a Limits,
}

impl Build<'_> {
    fn run(&mut self) -> Result<Dfa, AutomatonError> {
        let patterns = self.steps.start();
        let start = self.add(Config { at: At::Node(self.trie.root()), patterns });
        let mut dfa = Dfa::starting_at(start);
        let mut edges = Vec::new();
        let mut done = 0;
        while let Some(&config) = self.todo.get(done) {
            let place = if done == start.index() { Place::Start } else { Place::Within };
            let accepted = self.steps.accepted(config.patterns, place);
            let accepted = self.sets.intern(accepted);
            let (here, beyond) = match config.at {
                At::Node(node) => (self.trie.here(node), self.trie.beyond(node)),
                At::Outside(in_force) => (in_force, in_force),
            };
            let label = self.sets.union(here, accepted);

            self.steps.prepare(config.patterns);
            let step = self.steps.of(config.patterns).clone();
            let mut exceptions = step.exceptions.iter().copied().peekable();
            edges.clear();
            if let At::Node(node) = config.at {
                for (byte, child) in self.trie.children(node) {
                    while let Some((byte, patterns)) = exceptions.next_if(|next| next.0 < byte) {
                        edges.push(Edge { byte, to: self.leave(beyond, patterns) });
                    }
                    let patterns =
                        exceptions.next_if(|next| next.0 == byte).map_or(step.other, |next| next.1);
                    edges.push(Edge { byte, to: self.add(Config { at: At::Node(child), patterns }) });
                }
            }
            for (byte, patterns) in exceptions {
                edges.push(Edge { byte, to: self.leave(beyond, patterns) });
            }
            let other = self.leave(beyond, step.other);
            dfa.push(label.0, other, &edges);
            done += 1;
            self.check(dfa.edge_count())?;
        }
        Ok(dfa)
    }

    fn add(&mut self, config: Config) -> StateId {
        let id = StateId::new(self.todo.len());
        self.todo.push(config);
        id
    }

    fn leave(&mut self, in_force: SetId, patterns: SetId) -> StateId {
        if let Some(id) = self.outside.get(&(in_force, patterns)) {
            return *id;
        }
        let id = self.add(Config { at: At::Outside(in_force), patterns });
        self.outside.insert((in_force, patterns), id);
        id
    }

    fn check(&self, edges: usize) -> Result<(), AutomatonError> {
        let items = self.sets.items() + self.steps.sets.items();
        let (what, limit) = if self.todo.len() > self.limits.states {
            ("states", self.limits.states)
        } else if edges > self.limits.transitions {
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

/// The patterns' subset construction, each set's transitions computed once.
struct Steps<'a> {
    nfa: &'a Nfa,
    /// Sets of pattern states.
    sets: Sets,
    marks: Marks,
    steps: Vec<Option<Step>>,
    /// The closure of a set of targets, by the targets.
    closures: HashMap<Box<[u32]>, SetId>,
    accepted: HashMap<SetId, Vec<u32>>,
}

impl<'a> Steps<'a> {
    fn new(nfa: &'a Nfa) -> Self {
        Self {
            nfa,
            sets: Sets::default(),
            marks: Marks::default(),
            steps: Vec::new(),
            closures: HashMap::new(),
            accepted: HashMap::new(),
        }
    }

    fn start(&mut self) -> SetId {
        let mut reached = Vec::new();
        self.nfa.closure(&[0], Place::Start, &mut self.marks, &mut reached);
        self.sets.intern(reached)
    }

    fn accepted(&mut self, set: SetId, place: Place) -> Vec<u32> {
        if place == Place::Start {
            return self.nfa.accepted(self.sets.get(set), place, &mut self.marks);
        }
        if let Some(known) = self.accepted.get(&set) {
            return known.clone();
        }
        let accepted = self.nfa.accepted(self.sets.get(set), place, &mut self.marks);
        self.accepted.insert(set, accepted.clone());
        accepted
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
        let set = self.sets.intern(reached);
        self.closures.insert(targets.into_boxed_slice(), set);
        set
    }

    /// The patterns whose states are in most sets, at most three.
    fn busiest(&self) -> Vec<u32> {
        let mut counts: HashMap<u32, usize> = HashMap::new();
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
