//! Which byte strings are canonical paths, and the shortest one to each state of an automaton.

use std::hash::Hash;

use hashbrown::HashSet;

/// How far a canonical path has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Canonical {
    /// Nothing yet.
    Start,
    /// `/`
    Root,
    /// A `/` after a name.
    Slash,
    /// Within a name.
    Name,
    /// A name that is `.` so far.
    Dot,
    /// A name that is `..` so far.
    DotDot,
    /// No continuation is canonical.
    Dead,
}

impl Canonical {
    /// After one more byte.
    #[must_use]
    pub fn step(self, byte: u8) -> Self {
        match (self, byte) {
            (_, 0) | (Self::Dead, _) => Self::Dead,
            (Self::Start, b'/') => Self::Root,
            (Self::Start, _) => Self::Dead,
            (Self::Name, b'/') => Self::Slash,
            (Self::Root | Self::Slash | Self::Dot | Self::DotDot, b'/') => Self::Dead,
            (Self::Root | Self::Slash, b'.') => Self::Dot,
            (Self::Dot, b'.') => Self::DotDot,
            (Self::Root | Self::Slash | Self::Name | Self::Dot | Self::DotDot, _) => Self::Name,
        }
    }

    /// Whether what was read is a canonical path.
    #[must_use]
    pub fn is_path(self) -> bool {
        matches!(self, Self::Root | Self::Name)
    }
}

/// An automaton that can be explored.
pub trait Walk {
    /// Its states.
    type State: Copy + Eq + Hash;
    /// The state before any byte.
    fn start(&self) -> Self::State;
    /// Puts the bytes that have a transition of their own into `bytes`; all others lead to one state.
    fn listed(&self, state: Self::State, bytes: &mut Vec<u8>);
    /// The state after `byte`.
    fn step(&self, state: Self::State, byte: u8) -> Self::State;
    /// About how many states there are, if that is known.
    fn size(&self) -> usize {
        0
    }
}

impl Walk for super::dfa::Dfa {
    type State = super::dfa::StateId;

    fn start(&self) -> Self::State {
        self.start()
    }

    fn listed(&self, state: Self::State, bytes: &mut Vec<u8>) {
        bytes.extend(self.edges(state).map(|edge| edge.byte));
    }

    fn step(&self, state: Self::State, byte: u8) -> Self::State {
        self.next(state, byte)
    }

    fn size(&self) -> usize {
        self.state_count()
    }
}

/// Which inputs count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inputs {
    /// Canonical paths.
    Paths,
    /// All byte strings.
    All,
}

/// A shortest input to each state that some input reaches, in breadth-first order.
#[derive(Clone, Debug)]
pub struct Witnesses<S> {
    steps: Vec<Step<S>>,
    found: Vec<usize>,
}

#[derive(Clone, Copy, Debug)]
struct Step<S> {
    state: S,
    before: usize,
    byte: u8,
}

impl<S: Copy + Eq + Hash> Witnesses<S> {
    /// None.
    #[must_use]
    pub fn none() -> Self {
        Self { steps: Vec::new(), found: Vec::new() }
    }

    /// Explores `automaton`.
    #[must_use]
    pub fn explore<A: Walk<State = S>>(automaton: &A, inputs: Inputs) -> Self {
        let mut seen: HashSet<(S, Canonical)> = HashSet::with_capacity(automaton.size());
        let mut answered: HashSet<S> = HashSet::with_capacity(automaton.size());
        let start = (automaton.start(), Canonical::Start);
        seen.insert(start);
        let mut places = vec![Canonical::Start];
        let mut witnesses =
            Self { steps: vec![Step { state: start.0, before: 0, byte: 0 }], found: Vec::new() };
        let mut listed = Vec::new();
        let mut at = 0;
        while let Some(&Step { state, .. }) = witnesses.steps.get(at) {
            let place = places[at];
            if (inputs == Inputs::All || place.is_path()) && answered.insert(state) {
                witnesses.found.push(at);
            }
            listed.clear();
            automaton.listed(state, &mut listed);
            // Bytes without a transition of their own lead to one state, but `/` and `.` do not mean the same.
            let own = listed.len();
            let plain = (b'a'..=b'z')
                .chain(b'0'..=b'9')
                .chain(1..=u8::MAX)
                .find(|byte| !matches!(byte, b'/' | b'.') && listed[..own].binary_search(byte).is_err());
            for extra in [Some(b'/'), Some(b'.'), plain].into_iter().flatten() {
                if listed[..own].binary_search(&extra).is_err() {
                    listed.push(extra);
                }
            }
            let others = listed.get(own).map(|byte| automaton.step(state, *byte));
            for (index, &byte) in listed.iter().enumerate() {
                let next = match others {
                    Some(others) if index >= own => others,
                    _ => automaton.step(state, byte),
                };
                let next_place = match inputs {
                    Inputs::Paths => place.step(byte),
                    Inputs::All => Canonical::Start,
                };
                if next_place != Canonical::Dead && seen.insert((next, next_place)) {
                    witnesses.steps.push(Step { state: next, before: at, byte });
                    places.push(next_place);
                }
            }
            at += 1;
        }
        witnesses
    }

    /// How many states some input reaches.
    #[must_use]
    pub fn len(&self) -> usize {
        self.found.len()
    }

    /// Whether no input counts.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Each state that is reached, with the number by which [`Witnesses::input`] knows it.
    pub fn states(&self) -> impl Iterator<Item = (S, usize)> + '_ {
        self.found.iter().map(|at| (self.steps[*at].state, *at))
    }

    /// A shortest input that leads to the state with this number.
    #[must_use]
    pub fn input(&self, mut number: usize) -> Vec<u8> {
        let mut input = Vec::with_capacity(64);
        while number != 0 {
            let step = &self.steps[number];
            input.push(step.byte);
            number = step.before;
        }
        input.reverse();
        input
    }
}
