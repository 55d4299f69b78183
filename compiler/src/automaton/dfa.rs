//! A deterministic byte automaton whose states carry a label and a default transition.

use std::collections::HashMap;

/// Index of a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StateId(pub(super) u32);

impl StateId {
    /// Its place among the states.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }

    pub(super) fn new(index: usize) -> Self {
        Self(u32::try_from(index).expect("INVARIANT: states are limited far below 2^32"))
    }
}

/// One explicit transition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Edge {
    /// The byte read.
    pub byte: u8,
    /// Where it leads.
    pub to: StateId,
}

#[derive(Clone, Copy, Debug)]
struct State {
    label: u32,
    other: StateId,
    first: usize,
    len: u16,
}

/// A total automaton: each state has edges for some bytes and one default for all others.
///
/// INVARIANT(edges): a state's edges are in increasing order of bytes, none leads to its default, and there are fewer
/// than 256.
#[derive(Clone, Debug)]
pub struct Dfa {
    states: Vec<State>,
    edges: Vec<Edge>,
    start: StateId,
}

impl Dfa {
    /// An automaton without states that will start in `start`.
    pub(super) fn starting_at(start: StateId) -> Self {
        Self { states: Vec::new(), edges: Vec::new(), start }
    }

    /// Adds the next state. `edges` are in increasing order of bytes.
    pub(super) fn push(&mut self, label: u32, other: StateId, edges: &[Edge]) {
        let first = self.edges.len();
        let other = if edges.len() < 256 { other } else { majority(edges) };
        self.edges.extend(edges.iter().filter(|edge| edge.to != other));
        let len = u16::try_from(self.edges.len() - first).expect("INVARIANT: at most 255 edges");
        self.states.push(State { label, other, first, len });
    }

    /// The same automaton with each label replaced.
    #[must_use]
    pub fn relabelled(&self, label: impl Fn(u32) -> u32) -> Self {
        let states = self.states.iter().map(|s| State { label: label(s.label), ..*s }).collect();
        Self { states, edges: self.edges.clone(), start: self.start }
    }

    /// The automaton with one transition leading elsewhere, to show that a wrong automaton is found.
    #[must_use]
    pub fn with_edge_redirected(&self, edge: usize, to: StateId) -> Self {
        let mut broken = self.clone();
        if let Some(edge) = broken.edges.get_mut(edge) {
            edge.to = to;
        }
        broken
    }

    /// The state before any byte.
    #[must_use]
    pub fn start(&self) -> StateId {
        self.start
    }

    /// How many states there are.
    #[must_use]
    pub fn state_count(&self) -> usize {
        self.states.len()
    }

    /// How many explicit transitions there are.
    #[must_use]
    pub fn edge_count(&self) -> usize {
        self.edges.len()
    }

    /// All states, in order.
    pub fn states(&self) -> impl Iterator<Item = StateId> + use<> {
        (0..self.states.len()).map(StateId::new)
    }

    /// What the input that led here comes to.
    #[must_use]
    pub fn label(&self, state: StateId) -> u32 {
        self.states[state.index()].label
    }

    /// Where bytes without an edge lead.
    #[must_use]
    pub fn other(&self, state: StateId) -> StateId {
        self.states[state.index()].other
    }

    /// The explicit transitions, in increasing order of bytes.
    #[must_use]
    pub fn edges(&self, state: StateId) -> &[Edge] {
        let state = &self.states[state.index()];
        &self.edges[state.first..state.first + usize::from(state.len)]
    }

    /// Where `byte` leads.
    #[must_use]
    pub fn next(&self, state: StateId, byte: u8) -> StateId {
        let edges = self.edges(state);
        match edges.binary_search_by_key(&byte, |edge| edge.byte) {
            Ok(found) => edges[found].to,
            Err(_) => self.other(state),
        }
    }

    /// The state after `input`.
    #[must_use]
    pub fn walk(&self, input: &[u8]) -> StateId {
        input.iter().fold(self.start, |state, byte| self.next(state, *byte))
    }

    /// Whether no byte leads away from `state`.
    #[must_use]
    pub fn is_sink(&self, state: StateId) -> bool {
        self.other(state) == state && self.edges(state).is_empty()
    }
}

/// The state most of `edges` lead to; of several the smallest.
fn majority(edges: &[Edge]) -> StateId {
    let mut counts: HashMap<StateId, usize> = HashMap::new();
    for edge in edges {
        *counts.entry(edge.to).or_default() += 1;
    }
    let most = counts.into_iter().max_by_key(|(to, count)| (*count, std::cmp::Reverse(*to)));
    most.expect("INVARIANT: called with 256 edges").0
}
