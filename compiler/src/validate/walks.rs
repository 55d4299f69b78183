//! The automata that are walked to find what to ask: an image's, the one by which it names rules, and both beside that of the
//! languages.

use std::hash::{Hash, Hasher};

use boesfs_abi::image::{Named, State, ValidImage};

use crate::automaton::{Dfa, StateId, Walk};

/// The automaton of an image from one of its starts.
pub(crate) struct ImageWalk<'a> {
    pub(crate) image: &'a ValidImage,
    pub(crate) start: State,
}

impl Walk for ImageWalk<'_> {
    type State = State;

    fn start(&self) -> State {
        self.start
    }

    fn listed(&self, state: State, bytes: &mut Vec<u8>) {
        bytes.extend(self.image.edges(state).0.into_iter().map(|(byte, _)| byte));
    }

    fn step(&self, state: State, byte: u8) -> State {
        self.image.step(state, byte)
    }
}

/// The automaton over paths by which an image names rules.
pub(crate) struct NamedWalk<'a>(pub(crate) Named<'a>);

impl Walk for NamedWalk<'_> {
    type State = State;

    fn start(&self) -> State {
        self.0.start()
    }

    fn listed(&self, state: State, bytes: &mut Vec<u8>) {
        bytes.extend(self.0.edges(state).0.into_iter().map(|(byte, _)| byte));
    }

    fn step(&self, state: State, byte: u8) -> State {
        self.0.step(state, byte)
    }
}

/// Where a path leads in the languages' automaton, in the one that decides and in the one that names rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spot {
    pub(super) language: StateId,
    pub(super) state: State,
    pub(super) named: State,
}

impl Hash for Spot {
    /// In two words: a large policy has millions of these.
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let Self { language, state, named } = self;
        hasher.write_u64((language.index() as u64) << 32 | u64::from(state.node));
        let inside = u64::from(state.inside) << 16 | u64::from(named.inside);
        hasher.write_u64(u64::from(named.node) << 32 | inside);
    }
}

/// The languages' automaton and the image's side by side.
pub(super) struct Both<'a> {
    pub(super) languages: &'a Dfa,
    pub(super) image: ImageWalk<'a>,
    pub(super) named: NamedWalk<'a>,
}

impl Walk for Both<'_> {
    type State = Spot;

    fn start(&self) -> Spot {
        Spot { language: self.languages.start(), state: self.image.start, named: self.named.start() }
    }

    fn listed(&self, spot: Spot, bytes: &mut Vec<u8>) {
        bytes.extend(self.languages.edges(spot.language).map(|edge| edge.byte));
        self.image.listed(spot.state, bytes);
        self.named.listed(spot.named, bytes);
        bytes.sort_unstable();
        bytes.dedup();
    }

    fn step(&self, spot: Spot, byte: u8) -> Spot {
        Spot {
            language: self.languages.next(spot.language, byte),
            state: self.image.step(spot.state, byte),
            named: self.named.step(spot.named, byte),
        }
    }

    fn size(&self) -> usize {
        self.languages.state_count()
    }
}
