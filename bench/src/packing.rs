//! The same automaton packed otherwise, to compare with: a full row for each state, and rows pushed into one another.

use std::collections::HashMap;

use boesfs_abi::image::{State, ValidImage};

/// More states than this are not made into either: their tables would not fit where a policy has to.
const MOST: usize = 4_000_000;

/// All states of the path automaton, and their edges by classes of bytes.
pub(crate) struct States {
    numbers: HashMap<State, u32>,
    labels: Vec<u32>,
    defaults: Vec<u32>,
    edges: Vec<Vec<(u8, u32)>>,
    classes: [u8; 256],
    class_count: usize,
}

/// A packed table, and where each state's row begins in it, in words.
pub(crate) struct Packed {
    pub(crate) bytes: Vec<u8>,
    rows: Vec<u32>,
}

/// Words before the first row: the start and the classes.
const HEADER: usize = 4 + 64;

impl States {
    /// `None` if they are too many.
    pub(crate) fn of(image: &ValidImage) -> Option<Self> {
        let start = image.path_start();
        let mut states = Self {
            numbers: HashMap::from([(start, 0)]),
            labels: Vec::new(),
            defaults: Vec::new(),
            edges: Vec::new(),
            classes: [0; 256],
            class_count: 1,
        };
        let mut order = vec![start];
        let mut at = 0;
        while at < order.len() {
            let state = order[at];
            at += 1;
            if order.len() > MOST {
                return None;
            }
            let (own, other) = image.edges(state);
            let mut number = |state: State| {
                let next = order.len() as u32;
                *states.numbers.entry(state).or_insert_with(|| {
                    order.push(state);
                    next
                })
            };
            states.defaults.push(number(other));
            states.edges.push(own.into_iter().map(|(byte, to)| (byte, number(to))).collect());
            states.labels.push(image.label(state));
        }
        // Every byte that some state lists is a class of its own; all others are one.
        for (byte, _) in states.edges.iter().flatten() {
            if states.classes[usize::from(*byte)] == 0 {
                states.classes[usize::from(*byte)] = states.class_count as u8;
                states.class_count += 1;
            }
        }
        Some(states)
    }

    pub(crate) fn count(&self) -> usize {
        self.labels.len()
    }

    pub(crate) fn class_count(&self) -> usize {
        self.class_count
    }

    fn packed(&self, words: &[u32], rows: Vec<u32>) -> Packed {
        let mut bytes = Vec::with_capacity(words.len() * 4);
        words.iter().for_each(|word| bytes.extend(word.to_le_bytes()));
        bytes[..4].copy_from_slice(&rows[0].to_le_bytes());
        bytes[16..272].copy_from_slice(&self.classes);
        Packed { bytes, rows }
    }

    /// A label and a reference for each class, state by state.
    pub(crate) fn dense(&self) -> Packed {
        let row = self.class_count + 1;
        let rows: Vec<u32> = (0..self.count()).map(|state| (HEADER + state * row) as u32).collect();
        let mut words = vec![0; HEADER];
        for ((label, other), edges) in self.labels.iter().zip(&self.defaults).zip(&self.edges) {
            let from = words.len();
            words.push(*label);
            words.resize(from + row, rows[*other as usize]);
            for (byte, to) in edges {
                words[from + 1 + usize::from(self.classes[usize::from(*byte)])] = rows[*to as usize];
            }
        }
        self.packed(&words, rows)
    }

    /// A label, a default and a displacement for each state; and behind all of them the teeth, each of them whose it is and
    /// its reference, in the first place where all of a state's teeth find gaps.
    pub(crate) fn comb(&self) -> Packed {
        let rows: Vec<u32> = (0..self.count()).map(|state| (HEADER + state * 3) as u32).collect();
        let teeth_from = HEADER + self.count() * 3;
        let mut teeth: Vec<(u32, u32)> = Vec::new();
        let mut places = vec![0usize; self.count()];
        let mut first_gap = 0;
        // Those with the most teeth first.
        let mut order: Vec<usize> =
            (0..self.count()).filter(|state| !self.edges[*state].is_empty()).collect();
        order.sort_by_key(|state| std::cmp::Reverse(self.edges[*state].len()));
        for state in order {
            let own: Vec<(usize, u32)> = self.edges[state]
                .iter()
                .map(|(byte, to)| (usize::from(self.classes[usize::from(*byte)]), rows[*to as usize]))
                .collect();
            let least = own.iter().map(|(class, _)| *class).min().unwrap_or(0);
            let free = |teeth: &[(u32, u32)], at: usize| teeth.get(at).is_none_or(|tooth| tooth.0 == 0);
            while !free(&teeth, first_gap) {
                first_gap += 1;
            }
            let mut place = first_gap.saturating_sub(least);
            while !own.iter().all(|(class, _)| free(&teeth, place + class)) {
                place += 1;
            }
            let needed = place + self.class_count;
            if teeth.len() < needed {
                teeth.resize(needed, (0, 0));
            }
            for (class, to) in own {
                teeth[place + class] = (rows[state], to);
            }
            places[state] = place;
        }
        teeth.resize(teeth.len().max(self.class_count), (0, 0));
        let mut words = vec![0; HEADER];
        for state in 0..self.count() {
            words.push(self.labels[state]);
            words.push(rows[self.defaults[state] as usize]);
            words.push((teeth_from + places[state] * 2) as u32);
        }
        words.extend(teeth.into_iter().flat_map(|(whose, to)| [whose, to]));
        self.packed(&words, rows)
    }
}

impl Packed {
    /// Where the walk of `state` begins.
    pub(crate) fn row(&self, states: &States, state: State) -> u32 {
        states.numbers.get(&state).map_or(0, |number| self.rows[*number as usize])
    }
}
