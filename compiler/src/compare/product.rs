//! Several automata walked side by side, over canonical paths or over all texts.

use boesfs_abi::image::{Named, State, ValidImage};
use hashbrown::HashMap;

use crate::automaton::{Canonical, Dfa, Inputs, StateId, Walk as _};

use super::CompareError;

/// One automaton of a product.
#[derive(Clone, Copy, Debug)]
pub(super) enum Machine<'a> {
    /// That of an image over arguments, from its start.
    Image(&'a ValidImage, State),
    /// That of an image over paths.
    Named(Named<'a>),
    /// That of a pattern.
    Pattern(&'a Dfa),
    /// None: one state, which no byte leaves.
    Nothing,
}

/// Where a [`Machine`] stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum At {
    Image(State),
    Pattern(StateId),
    Nothing,
}

impl Machine<'_> {
    fn start(&self) -> At {
        match self {
            Self::Image(_, start) => At::Image(*start),
            Self::Named(image) => At::Image(image.start()),
            Self::Pattern(dfa) => At::Pattern(dfa.start()),
            Self::Nothing => At::Nothing,
        }
    }

    fn listed(&self, at: At, bytes: &mut Vec<u8>) {
        match (self, at) {
            (Self::Image(image, _), At::Image(state)) => {
                bytes.extend(image.edges(state).0.into_iter().map(|(byte, _)| byte));
            }
            (Self::Named(image), At::Image(state)) => {
                bytes.extend(image.edges(state).0.into_iter().map(|(byte, _)| byte));
            }
            (Self::Pattern(dfa), At::Pattern(state)) => dfa.listed(state, bytes),
            _ => {}
        }
    }

    fn step(&self, at: At, byte: u8) -> At {
        match (self, at) {
            (Self::Image(image, _), At::Image(state)) => At::Image(image.step(state, byte)),
            (Self::Named(image), At::Image(state)) => At::Image(image.step(state, byte)),
            (Self::Pattern(dfa), At::Pattern(state)) => At::Pattern(dfa.next(state, byte)),
            _ => At::Nothing,
        }
    }

    /// What the input that led to `at` comes to; 0 for no automaton.
    pub(super) fn label(&self, at: At) -> u32 {
        match (self, at) {
            (Self::Image(image, _), At::Image(state)) => image.label(state),
            (Self::Named(image), At::Image(state)) => image.label(state),
            (Self::Pattern(dfa), At::Pattern(state)) => dfa.label(state),
            _ => 0,
        }
    }
}

/// The path automaton of `image`, whose labels are rows that tell rules apart.
pub(super) fn paths_of(image: &ValidImage) -> Machine<'_> {
    Machine::Named(image.named())
}

/// The automaton over arguments of `image`.
pub(super) fn texts_of(image: &ValidImage) -> Machine<'_> {
    match image.header().text_start {
        0 => Machine::Nothing,
        node => Machine::Image(image, State { node, inside: 0 }),
    }
}

/// A place that some input leads to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// Where each automaton stands.
    pub(super) at: (At, At),
    /// How far a canonical path has been read; always [`Canonical::Name`] if all texts count.
    pub(super) spelt: Canonical,
    before: u32,
    byte: u8,
}

/// One way on from a place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    pub(super) byte: u8,
    /// The byte stands for all that have no way of their own.
    pub(super) others: bool,
    pub(super) to: u32,
}

/// All places of a product, in breadth-first order.
#[derive(Debug)]
pub(super) struct Product<'a> {
    machines: (Machine<'a>, Machine<'a>),
    pub(super) places: Vec<Place>,
    first_way: Vec<usize>,
    ways: Vec<Way>,
    ways_back: (Vec<usize>, Vec<u32>),
}

impl<'a> Product<'a> {
    /// Explores both automata together.
    pub(super) fn explore(
        left: Machine<'a>,
        right: Machine<'a>,
        inputs: Inputs,
        limit: usize,
    ) -> Result<Self, CompareError> {
        let from = match inputs {
            Inputs::Paths => Canonical::Start,
            Inputs::All => Canonical::Name,
        };
        let start = (left.start(), right.start());
        let mut product = Self {
            machines: (left, right),
            places: vec![Place { at: start, spelt: from, before: 0, byte: 0 }],
            first_way: Vec::new(),
            ways: Vec::new(),
            ways_back: (Vec::new(), Vec::new()),
        };
        let mut number: HashMap<((At, At), Canonical), u32> = HashMap::new();
        number.insert((start, from), 0);
        let mut listed = Vec::new();
        let mut next = 0;
        while let Some(&Place { at, spelt, .. }) = product.places.get(next) {
            product.first_way.push(product.ways.len());
            listed.clear();
            left.listed(at.0, &mut listed);
            right.listed(at.1, &mut listed);
            // Bytes without a way of their own lead to one state, but `/` and `.` are spelt differently.
            if inputs == Inputs::Paths {
                listed.extend([b'/', b'.']);
            }
            listed.sort_unstable();
            listed.dedup();
            let mut plain = (b'a'..=b'z').chain(b'0'..=b'9').chain(1..=u8::MAX);
            let others = plain.find(|byte| listed.binary_search(byte).is_err());
            let ways = listed.iter().map(|byte| (*byte, false)).chain(others.map(|byte| (byte, true)));
            for (byte, others) in ways {
                let spelt = match inputs {
                    Inputs::Paths => spelt.step(byte),
                    Inputs::All => spelt,
                };
                if spelt == Canonical::Dead || byte == 0 {
                    continue;
                }
                let to = (left.step(at.0, byte), right.step(at.1, byte));
                let count = product.places.len();
                let to = *number.entry((to, spelt)).or_insert_with(|| {
                    let before = u32::try_from(next).expect("INVARIANT: places are limited below 2^32");
                    product.places.push(Place { at: to, spelt, before, byte });
                    u32::try_from(count).expect("INVARIANT: places are limited below 2^32")
                });
                product.ways.push(Way { byte, others, to });
            }
            if product.places.len() > limit.min(u32::MAX as usize) {
                return Err(CompareError::Places { limit });
            }
            next += 1;
        }
        product.first_way.push(product.ways.len());
        product.ways_back = product.turned();
        Ok(product)
    }

    fn turned(&self) -> (Vec<usize>, Vec<u32>) {
        let mut first = vec![0usize; self.places.len() + 1];
        for way in &self.ways {
            first[way.to as usize + 1] += 1;
        }
        for at in 1..first.len() {
            first[at] += first[at - 1];
        }
        let mut fill = first.clone();
        let mut from = vec![0; self.ways.len()];
        for place in 0..self.places.len() {
            for way in self.ways(place as u32) {
                from[fill[way.to as usize]] = place as u32;
                fill[way.to as usize] += 1;
            }
        }
        (first, from)
    }

    /// The ways on from `place`; a byte without one leads where no input that counts leads.
    pub(super) fn ways(&self, place: u32) -> &[Way] {
        &self.ways[self.first_way[place as usize]..self.first_way[place as usize + 1]]
    }

    /// The places from which a way leads to `place`.
    pub(super) fn before(&self, place: u32) -> &[u32] {
        let (first, from) = &self.ways_back;
        &from[first[place as usize]..first[place as usize + 1]]
    }

    /// What both automata say of the inputs that lead to `place`.
    pub(super) fn labels(&self, place: u32) -> (u32, u32) {
        let at = self.places[place as usize].at;
        (self.machines.0.label(at.0), self.machines.1.label(at.1))
    }

    /// The places that an input which counts ends at, shortest input first.
    pub(super) fn ends(&self) -> impl Iterator<Item = u32> + '_ {
        (0u32..).zip(&self.places).filter(|(_, place)| place.spelt.is_path()).map(|(number, _)| number)
    }

    /// A shortest input that leads to `place`.
    pub(super) fn input(&self, mut place: u32) -> Vec<u8> {
        let mut input = Vec::new();
        while place != 0 {
            let step = &self.places[place as usize];
            input.push(step.byte);
            place = step.before;
        }
        input.reverse();
        input
    }
}
