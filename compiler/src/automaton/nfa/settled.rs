//! Which states of a set say nothing more, because their pattern matches whatever follows.

use super::{Edge, Nfa};

/// What is known of each state for good.
#[derive(Debug)]
pub(in crate::automaton) struct Settled {
    /// The patterns that match from this state on, however much follows.
    always: Vec<Vec<u32>>,
    /// What can still match from this state on.
    ahead: Vec<Ahead>,
}

/// The patterns that some input leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ahead {
    None,
    One(u32),
    /// Several, or none that may be left out.
    Several,
}

impl Settled {
    pub(in crate::automaton) fn new(nfa: &Nfa) -> Self {
        let numbers = || (0u32..).take(nfa.states.len());
        let always = numbers().map(|state| nfa.always(state)).collect();
        let mut into: Vec<Vec<u32>> = vec![Vec::new(); nfa.states.len()];
        for state in numbers() {
            for (_, to) in &nfa.states[state as usize].edges {
                into[*to as usize].push(state);
            }
        }
        let own = |state: u32| match nfa.states[state as usize].accepts.as_slice() {
            [] => Ahead::None,
            [only] => Ahead::One(*only),
            _ => Ahead::Several,
        };
        let mut ahead: Vec<Ahead> = numbers().map(own).collect();
        let mut todo: Vec<u32> = numbers().filter(|state| ahead[*state as usize] != Ahead::None).collect();
        while let Some(state) = todo.pop() {
            for before in &into[state as usize] {
                let known = ahead[*before as usize];
                let now = match (known, ahead[state as usize]) {
                    (Ahead::None, next) => next,
                    (known, next) if known == next => known,
                    _ => Ahead::Several,
                };
                if now != known {
                    ahead[*before as usize] = now;
                    todo.push(*before);
                }
            }
        }
        Self { always, ahead }
    }

    /// Leaves out of `states`, which are a closure, those that only a pattern needs which matches all that follows.
    pub(in crate::automaton) fn forget(&self, nfa: &Nfa, states: &mut Vec<u32>) {
        let settled: Vec<u32> =
            states.iter().flat_map(|state| &self.always[*state as usize]).copied().collect();
        if settled.is_empty() {
            return;
        }
        states.retain(|state| {
            let Ahead::One(pattern) = self.ahead[*state as usize] else { return true };
            let keeps = !self.always[*state as usize].is_empty() || nfa.may_end(*state);
            keeps || !settled.contains(&pattern)
        });
    }
}

impl Nfa {
    /// The patterns that match at `state` and after every byte from there on, as far as its own ring shows.
    fn always(&self, state: u32) -> Vec<u32> {
        if !self.states[state as usize].edges.contains(&(Edge::Bytes(0, u8::MAX), state)) {
            return Vec::new();
        }
        let mut met = vec![state];
        let mut at = 0;
        while let Some(state) = met.get(at).copied() {
            at += 1;
            for (edge, to) in &self.states[state as usize].edges {
                if *edge == Edge::Empty && !met.contains(to) {
                    met.push(*to);
                }
            }
        }
        met.iter().flat_map(|state| self.states[*state as usize].accepts.iter().copied()).collect()
    }

    /// Whether a pattern matches, or may match, where the input ends in `state`.
    fn may_end(&self, state: u32) -> bool {
        let state = &self.states[state as usize];
        !state.accepts.is_empty() || state.edges.iter().any(|(edge, _)| *edge == Edge::End)
    }
}
