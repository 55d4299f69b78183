//! The patterns of an automaton as one nondeterministic automaton over byte ranges.
//!
//! Patterns share what they begin with, so that many patterns `**/name` cost what one search for many names costs.

mod settled;

use hashbrown::HashMap;

use crate::rules::{PathAtom, Regex};

use super::limits::{AutomatonError, Input, Limits};
use super::utf8::{Expected, expected_after};
pub(super) use settled::Settled;

/// A Thompson automaton. State 0 is the start of all patterns.
#[derive(Debug)]
pub(super) struct Nfa {
    states: Vec<State>,
    limit: usize,
}

#[derive(Debug, Default)]
struct State {
    edges: Vec<(Edge, u32)>,
    accepts: Vec<u32>,
    /// The first pattern that needed this state.
    owner: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Edge {
    Bytes(u8, u8),
    /// A byte that is no part of a character; gone once the automaton is settled.
    Lone(u8, u8),
    Empty,
    Start,
    End,
}

/// Where in the input a closure is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Before any byte.
    Start,
    /// After some byte.
    Within,
}

impl Nfa {
    /// The automaton of all atoms that are patterns.
    pub(super) fn new(atoms: &[PathAtom], input: Input, limits: &Limits) -> Result<Self, AutomatonError> {
        let mut nfa = Self { states: vec![State::default()], limit: limits.pattern_states };
        let mut shared: HashMap<(u32, &Regex), u32> = HashMap::new();
        for (atom, pattern) in atoms.iter().zip(0u32..) {
            let PathAtom::Pattern(regex) = atom else { continue };
            if depth(regex, limits.nesting).is_none() {
                return Err(AutomatonError::Nesting { limit: limits.nesting, pattern });
            }
            let too_large = || AutomatonError::Patterns { input, limit: limits.pattern_states, pattern };
            let mut items = Vec::new();
            flatten(regex, &mut items);
            let mut at = 0;
            for item in items {
                at = match shared.get(&(at, item)) {
                    Some(next) => *next,
                    None => {
                        let next = nfa.state(pattern).ok_or_else(too_large)?;
                        nfa.add(at, item, next, pattern).ok_or_else(too_large)?;
                        shared.insert((at, item), next);
                        next
                    }
                };
            }
            nfa.states[at as usize].accepts.push(pattern);
        }
        nfa.settle().map_err(|pattern| AutomatonError::Patterns {
            input,
            limit: limits.pattern_states,
            pattern,
        })?;
        Ok(nfa)
    }

    /// The pattern that first needed a state.
    pub(super) fn owner(&self, state: u32) -> u32 {
        self.states[state as usize].owner
    }

    /// The byte transitions of `state`: inclusive range and target.
    pub(super) fn byte_edges(&self, state: u32) -> impl Iterator<Item = (u8, u8, u32)> + '_ {
        self.states[state as usize].edges.iter().filter_map(|(edge, to)| match edge {
            Edge::Bytes(low, high) => Some((*low, *high, *to)),
            Edge::Lone(..) | Edge::Empty | Edge::Start | Edge::End => None,
        })
    }

    fn state(&mut self, owner: u32) -> Option<u32> {
        if self.states.len() >= self.limit {
            return None;
        }
        let id = u32::try_from(self.states.len()).ok()?;
        self.states.push(State { owner, ..State::default() });
        Some(id)
    }

    fn edge(&mut self, from: u32, edge: Edge, to: u32) {
        self.states[from as usize].edges.push((edge, to));
    }

    /// Adds what leads from `from` to `to` along `regex`; `None` if that takes too many states. Nothing added here
    /// comes back to `from`, so states may be shared by several continuations.
    fn add(&mut self, from: u32, regex: &Regex, to: u32, owner: u32) -> Option<()> {
        match regex {
            Regex::Never => {}
            Regex::Empty => self.edge(from, Edge::Empty, to),
            Regex::Start => self.edge(from, Edge::Start, to),
            Regex::End => self.edge(from, Edge::End, to),
            Regex::Bytes(ranges) => {
                for &(low, high) in ranges {
                    self.edge(from, Edge::Bytes(low, high), to);
                }
            }
            Regex::Lone(ranges) => {
                for &(low, high) in ranges {
                    self.edge(from, Edge::Lone(low, high), to);
                }
            }
            Regex::Concat(parts) => {
                let mut at = from;
                for part in parts {
                    let next = self.state(owner)?;
                    self.add(at, part, next, owner)?;
                    at = next;
                }
                self.edge(at, Edge::Empty, to);
            }
            Regex::Alternate(parts) => {
                for part in parts {
                    self.add(from, part, to, owner)?;
                }
            }
            Regex::Repeat { of, min, max } => {
                let mut at = from;
                for _ in 0..*min {
                    let next = self.state(owner)?;
                    self.add(at, of, next, owner)?;
                    at = next;
                }
                match max {
                    None => {
                        let ring = self.state(owner)?;
                        self.edge(at, Edge::Empty, ring);
                        self.add(ring, of, ring, owner)?;
                        at = ring;
                    }
                    Some(max) if max < min => return Some(()),
                    Some(max) => {
                        for _ in *min..*max {
                            let next = self.state(owner)?;
                            self.edge(at, Edge::Empty, to);
                            self.add(at, of, next, owner)?;
                            at = next;
                        }
                    }
                }
                self.edge(at, Edge::Empty, to);
            }
        }
        Some(())
    }

    /// Makes plain transitions of those by lone bytes. A byte that could begin a character is none of it only if what
    /// follows does not complete the character, so the states after it come once more, each with what must not follow.
    /// The error is the pattern at which it was too much.
    fn settle(&mut self) -> Result<(), u32> {
        let lone = |(edge, _): &(Edge, u32)| matches!(edge, Edge::Lone(..));
        if !self.states.iter().any(|state| state.edges.iter().any(lone)) {
            return Ok(());
        }
        let written: Vec<Vec<(Edge, u32)>> =
            self.states.iter_mut().map(|state| std::mem::take(&mut state.edges)).collect();
        let mut twins: HashMap<(u32, Expected), u32> = HashMap::new();
        let mut todo: Vec<(u32, Option<Expected>, u32)> =
            (0u32..).take(written.len()).map(|state| (state, None, state)).collect();
        while let Some((state, expected, twin)) = todo.pop() {
            let mut reach = |nfa: &mut Self, to: u32, expected: Option<Expected>| {
                let Some(expected) = expected else { return Ok::<u32, u32>(to) };
                if let Some(twin) = twins.get(&(to, expected)) {
                    return Ok(*twin);
                }
                let owner = nfa.states[to as usize].owner;
                let twin = nfa.state(owner).ok_or(owner)?;
                nfa.states[twin as usize].accepts = nfa.states[to as usize].accepts.clone();
                twins.insert((to, expected), twin);
                todo.push((to, Some(expected), twin));
                Ok(twin)
            };
            for &(edge, to) in &written[state as usize] {
                match edge {
                    Edge::Empty => {
                        let to = reach(self, to, expected)?;
                        self.edge(twin, Edge::Empty, to);
                    }
                    Edge::Start | Edge::End => self.edge(twin, edge, to),
                    Edge::Bytes(low, high) | Edge::Lone(low, high) => {
                        let (completing, others) = match expected {
                            Some(expected) => expected.split(low, high),
                            None => (None, [Some((low, high)), None]),
                        };
                        if let Some((low, high)) = completing
                            && let Some(next) = expected.and_then(Expected::next)
                        {
                            let to = reach(self, to, Some(next))?;
                            self.edge(twin, Edge::Bytes(low, high), to);
                        }
                        for (low, high) in others.into_iter().flatten() {
                            if let Edge::Bytes(..) = edge {
                                self.edge(twin, Edge::Bytes(low, high), to);
                                continue;
                            }
                            for (low, high, expected) in expected_after(low, high) {
                                let to = reach(self, to, expected)?;
                                self.edge(twin, Edge::Bytes(low, high), to);
                            }
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Adds the states reachable from `from` without reading a byte to `reached`: those that read a byte, accept or
    /// ask for the end.
    pub(super) fn closure(&self, from: &[u32], place: Place, marks: &mut Marks, reached: &mut Vec<u32>) {
        marks.clear(self.states.len());
        let mut stack: Vec<u32> = from.iter().copied().filter(|state| marks.mark(*state)).collect();
        while let Some(state) = stack.pop() {
            let mut keep = !self.states[state as usize].accepts.is_empty();
            for (edge, to) in &self.states[state as usize].edges {
                let follow = match edge {
                    Edge::Bytes(..) | Edge::Lone(..) | Edge::End => {
                        keep = true;
                        false
                    }
                    Edge::Empty => true,
                    Edge::Start => place == Place::Start,
                };
                if follow && marks.mark(*to) {
                    stack.push(*to);
                }
            }
            if keep {
                reached.push(state);
            }
        }
    }

    /// The patterns that match the whole input if it ends in `states`.
    pub(super) fn accepted(&self, states: &[u32], place: Place, marks: &mut Marks) -> Vec<u32> {
        marks.clear(self.states.len());
        let mut accepted = Vec::new();
        let mut stack: Vec<u32> = states.iter().copied().filter(|state| marks.mark(*state)).collect();
        while let Some(state) = stack.pop() {
            let state = &self.states[state as usize];
            accepted.extend_from_slice(&state.accepts);
            for (edge, to) in &state.edges {
                let follow = match edge {
                    Edge::Bytes(..) | Edge::Lone(..) => false,
                    Edge::Empty | Edge::End => true,
                    Edge::Start => place == Place::Start,
                };
                if follow && marks.mark(*to) {
                    stack.push(*to);
                }
            }
        }
        accepted
    }
}

/// Which states were met, cleared without touching them all.
#[derive(Debug, Default)]
pub(super) struct Marks {
    round: u32,
    seen: Vec<u32>,
}

impl Marks {
    fn clear(&mut self, states: usize) {
        self.seen.resize(states, 0);
        self.round = self.round.checked_add(1).unwrap_or_else(|| {
            self.seen.fill(0);
            1
        });
    }

    /// Marks `state`; whether it was not marked before.
    fn mark(&mut self, state: u32) -> bool {
        std::mem::replace(&mut self.seen[state as usize], self.round) != self.round
    }
}

/// `regex` as a sequence of parts that are no sequences themselves.
fn flatten<'a>(regex: &'a Regex, items: &mut Vec<&'a Regex>) {
    match regex {
        Regex::Concat(parts) => parts.iter().for_each(|part| flatten(part, items)),
        Regex::Empty => {}
        other => items.push(other),
    }
}

/// How deep `regex` nests, if not deeper than `limit`.
fn depth(regex: &Regex, limit: usize) -> Option<usize> {
    let below = limit.checked_sub(1)?;
    match regex {
        Regex::Empty | Regex::Never | Regex::Bytes(_) | Regex::Lone(_) | Regex::Start | Regex::End => Some(1),
        Regex::Concat(parts) | Regex::Alternate(parts) => {
            parts.iter().try_fold(0, |deepest, part| Some(deepest.max(depth(part, below)?))).map(|d| d + 1)
        }
        Regex::Repeat { of, .. } => depth(of, below).map(|d| d + 1),
    }
}
