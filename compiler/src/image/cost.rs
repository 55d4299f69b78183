//! What the dearest decision costs.

use boesfs_abi::image::{State, ValidImage};
use boesfs_abi::op::OpSet;
use hashbrown::{HashMap, HashSet};

use crate::automaton::Canonical;

/// What the dearest decision costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cost {
    /// The most nodes that a path reads which comes to none twice.
    pub nodes: usize,
    /// Such a path.
    pub path: Vec<u8>,
    /// Whether a path can come to a node twice: a longer one may then read one more node for each byte.
    pub loops: bool,
    /// The most lines of lists that one decision looks at, if nothing is known of the request's fields.
    pub lines: usize,
    /// The tests of these lines.
    pub tests: usize,
    /// The cell whose lists they are; `None` if no decision looks at a list.
    pub cell: Option<u32>,
}

/// A node, and how far the canonical path that leads to it is spelt.
type Key = (u32, Canonical);

/// A place of the search.
struct Visit {
    key: Key,
    /// The most nodes from here on, as far as that is known.
    nodes: usize,
    /// The place that is next on the way to them.
    best: Option<usize>,
    /// Whether everything that follows was visited.
    done: bool,
}

impl Cost {
    /// Of `image`.
    #[must_use]
    pub fn of(image: &ValidImage) -> Self {
        let (nodes, path, loops) = deepest(image);
        let (lines, tests, cell) = longest(image);
        Self { nodes, path, loops, lines, tests, cell }
    }
}

/// The longest way from the start, depth first; what leads back to a place on the way is a loop, and left out.
fn deepest(image: &ValidImage) -> (usize, Vec<u8>, bool) {
    let start = (image.path_start().node, Canonical::Start);
    let visit = |key| Visit { key, nodes: 1, best: None, done: false };
    let mut visits = vec![visit(start)];
    let mut numbers: HashMap<Key, usize> = HashMap::from_iter([(start, 0)]);
    let mut way = vec![(0, following(image, start))];
    let mut loops = false;
    while let Some((at, rest)) = way.last_mut() {
        let at = *at;
        let Some(&next) = rest.last() else {
            visits[at].done = true;
            way.pop();
            continue;
        };
        match numbers.get(&next) {
            Some(known) => {
                let (done, nodes) = (visits[*known].done, visits[*known].nodes + 1);
                loops |= !done;
                if done && nodes > visits[at].nodes {
                    (visits[at].nodes, visits[at].best) = (nodes, Some(*known));
                }
                rest.pop();
            }
            // It is looked at again when it is done.
            None => {
                numbers.insert(next, visits.len());
                way.push((visits.len(), following(image, next)));
                visits.push(visit(next));
            }
        }
    }
    (visits[0].nodes, spelt(image, &visits), loops)
}

/// The path that leads along the best of each place.
fn spelt(image: &ValidImage, visits: &[Visit]) -> Vec<u8> {
    let mut path = Vec::new();
    let mut at = &visits[0];
    while let Some(best) = at.best {
        let best = &visits[best];
        let way = ways(image, at.key).into_iter().find(|(_, to)| *to == best.key);
        path.extend(way.expect("INVARIANT: the best follows").0);
        at = best;
    }
    match at.key.1 {
        Canonical::Start => path.push(b'/'),
        spelt if !spelt.is_path() => path.push(b'x'),
        _ => {}
    }
    path
}

fn following(image: &ValidImage, from: Key) -> Vec<Key> {
    ways(image, from).into_iter().map(|(_, to)| to).collect()
}

/// Every way from one node to another, with bytes that lead there; of those that are spelt alike, one.
fn ways(image: &ValidImage, (node, mut spelt): Key) -> Vec<(Vec<u8>, Key)> {
    let mut ways: Vec<(Vec<u8>, Key)> = Vec::new();
    let mut state = State { node, inside: 0 };
    let mut read = Vec::new();
    if image.is_sink(state) {
        return ways;
    }
    loop {
        let (own, other) = image.edges(state);
        let listed = |byte: u8| own.iter().any(|(own, _)| *own == byte);
        let ordinary = (b'a'..=b'z').chain(1..=u8::MAX).find(|byte| !b"/.".contains(byte) && !listed(*byte));
        let unlisted = [b'/', b'.'].into_iter().filter(|byte| !listed(*byte)).chain(ordinary);
        let mut inside = None;
        for (byte, to) in own.iter().copied().chain(unlisted.map(|byte| (byte, other))) {
            let after = spelt.step(byte);
            if after == Canonical::Dead {
                continue;
            }
            if to.inside > 0 {
                inside = Some((byte, to, after));
            } else if !ways.iter().any(|(_, known)| *known == (to.node, after)) {
                ways.push(([read.as_slice(), &[byte]].concat(), (to.node, after)));
            }
        }
        // The next byte of a chain.
        let Some((byte, to, after)) = inside else { return ways };
        read.push(byte);
        (state, spelt) = (to, after);
    }
}

/// The lists that take longest to look through.
fn longest(image: &ValidImage) -> (usize, usize, Option<u32>) {
    let (mut most, mut seen) = ((0, 0, None), HashSet::new());
    for number in 0..image.header().cell_count {
        let cell = image.cell(number);
        let ranges = [
            (cell.first, cell.first_count),
            (cell.denies, cell.denies_count),
            (cell.allows, cell.allows_count),
        ];
        if cell.depend == 0 || !seen.insert(ranges) {
            continue;
        }
        let lines = ranges.iter().map(|(_, count)| *count as usize).sum();
        let mut tests = [0usize; boesfs_abi::op::Op::COUNT];
        for (_, entry) in ranges.into_iter().flat_map(|(from, count)| image.entries(from, count)) {
            for op in OpSet::from_bits(entry.ops).iter() {
                tests[op as usize] += entry.test_count as usize;
            }
        }
        let tests = tests.into_iter().max().unwrap_or(0);
        if lines + tests > most.0 + most.1 {
            most = (lines, tests, Some(number));
        }
    }
    most
}
