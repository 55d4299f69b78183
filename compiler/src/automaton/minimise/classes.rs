//! States that are known to be different, each kept once by what it says and where it leads.

use std::hash::BuildHasher as _;

use hashbrown::{DefaultHashBuilder, HashMap, HashTable};

/// The longest run that is one class. Longer ones are cut at this distance from their end, so that equal ends are
/// equal classes and no byte is copied as often as its run is long.
const PIECE: usize = 64;

/// A class of states, or a run of classes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Class<'a> {
    pub(super) label: u32,
    pub(super) other: u32,
    pub(super) shape: Shape<'a>,
}

/// Where the bytes lead that a class does not leave to its default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Shape<'a> {
    /// Each byte leads on, the last one to a class. All states on the way have one label and one default.
    Run(&'a [u8], u32),
    /// Any other number of edges than one.
    Branch(&'a [(u8, u32)]),
}

#[derive(Clone, Copy, Debug)]
struct Stored {
    label: u32,
    other: u32,
    first: u32,
    len: u32,
    /// Where a run leads; [`NONE`] for a branch.
    next: u32,
}

const NONE: u32 = u32::MAX;

/// Classes by number; those of the core come first.
#[derive(Debug, Default)]
pub(super) struct Classes {
    hasher: DefaultHashBuilder,
    table: HashTable<(u64, u32)>,
    stored: Vec<Stored>,
    bytes: Vec<u8>,
    edges: Vec<(u8, u32)>,
    core: u32,
}

fn narrow(index: usize) -> u32 {
    u32::try_from(index).expect("INVARIANT: states are limited below 2^32")
}

impl Classes {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.stored.len()
    }

    /// The class with this number.
    pub(super) fn get(&self, class: u32) -> Class<'_> {
        let Stored { label, other, first, len, next } = self.stored[class as usize];
        let range = first as usize..first as usize + len as usize;
        let shape = if next == NONE {
            Shape::Branch(&self.edges[range])
        } else {
            Shape::Run(&self.bytes[range], next)
        };
        Class { label, other, shape }
    }

    fn hash(&self, class: &Class<'_>) -> u64 {
        self.hasher.hash_one((class.label, class.other, class.shape))
    }

    fn find(&self, hash: u64, class: &Class<'_>) -> Option<u32> {
        let same = |(_, id): &(u64, u32)| {
            let known = self.get(*id);
            (known.label, known.other, known.shape) == (class.label, class.other, class.shape)
        };
        self.table.find(hash, same).map(|(_, id)| *id)
    }

    fn push(&mut self, class: &Class<'_>) -> u32 {
        let Class { label, other, shape } = *class;
        let id = narrow(self.stored.len());
        let hash = self.hash(class);
        let (first, len, next) = match shape {
            Shape::Run(run, next) => {
                self.bytes.extend_from_slice(run);
                (self.bytes.len() - run.len(), run.len(), next)
            }
            Shape::Branch(edges) => {
                self.edges.extend_from_slice(edges);
                (self.edges.len() - edges.len(), edges.len(), NONE)
            }
        };
        self.stored.push(Stored { label, other, first: narrow(first), len: narrow(len), next });
        self.table.insert_unique(hash, (hash, id), |(hash, _)| *hash);
        id
    }

    fn intern(&mut self, class: &Class<'_>) -> u32 {
        let hash = self.hash(class);
        self.find(hash, class).unwrap_or_else(|| self.push(class))
    }

    /// Adds the next class of the core, which is like no other; all of them come before any other class. `edges` and
    /// `other` are in the form that [`canonical`] gives them.
    pub(super) fn add_core(&mut self, label: u32, other: u32, edges: &[(u8, u32)]) {
        let shape = match edges {
            [(byte, next)] => Shape::Run(std::slice::from_ref(byte), *next),
            edges => Shape::Branch(edges),
        };
        self.push(&Class { label, other, shape });
        self.core = narrow(self.stored.len());
    }

    /// The class of a state.
    pub(super) fn state(&mut self, label: u32, other: u32, edges: &mut Vec<(u8, u32)>) -> u32 {
        let other = canonical(other, edges);
        match edges.as_slice() {
            [(byte, next)] => self.run(label, other, &[*byte], *next),
            edges => self.intern(&Class { label, other, shape: Shape::Branch(edges) }),
        }
    }

    /// The class of the first of as many states as `bytes`, each of which leads to the next, the last one to `next`.
    pub(super) fn run(&mut self, label: u32, other: u32, bytes: &[u8], mut next: u32) -> u32 {
        let mut end = bytes.len();
        // What leads into the core may be like a state of it; a state whose only edge leads to its default has none.
        while end > 0 {
            if next == other {
                next = self.intern(&Class { label, other, shape: Shape::Branch(&[]) });
                end -= 1;
                continue;
            }
            if next >= self.core {
                break;
            }
            let last = Class { label, other, shape: Shape::Run(&bytes[end - 1..end], next) };
            match self.find(self.hash(&last), &last).filter(|class| *class < self.core) {
                Some(class) => {
                    next = class;
                    end -= 1;
                }
                None => break,
            }
        }
        if end == 0 {
            return next;
        }
        let Some(joined) = self.joined(label, other, next) else {
            if end <= PIECE {
                return self.intern(&Class { label, other, shape: Shape::Run(&bytes[..end], next) });
            }
            return self.pieces(label, other, bytes[..end].to_vec(), next);
        };
        let (rest, then) = joined;
        self.pieces(label, other, [&bytes[..end], &rest].concat(), then)
    }

    /// The bytes of the run `next` and where it leads, if what leads to it is a part of the same run.
    fn joined(&self, label: u32, other: u32, next: u32) -> Option<(Vec<u8>, u32)> {
        let class = self.get(next);
        let same = next >= self.core && (class.label, class.other) == (label, other);
        match class.shape {
            Shape::Run(rest, then) if same => Some((rest.to_vec(), then)),
            Shape::Run(..) | Shape::Branch(_) => None,
        }
    }

    fn pieces(&mut self, label: u32, other: u32, mut run: Vec<u8>, mut next: u32) -> u32 {
        while run.len() > PIECE {
            let piece = run.split_off(run.len() - PIECE);
            next = self.intern(&Class { label, other, shape: Shape::Run(&piece, next) });
        }
        self.intern(&Class { label, other, shape: Shape::Run(&run, next) })
    }

    /// Makes runs that end alike share the states of their ends; returns what `start` is then.
    pub(super) fn share_ends(&mut self, start: u32) -> u32 {
        let reached = self.reached(start);
        let key = |class: u32| match self.get(class) {
            Class { label, other, shape: Shape::Run(run, next) } if class >= self.core => {
                Some((label, other, next, run[run.len() - 1]))
            }
            Class { .. } => None,
        };
        let mut alike: HashMap<(u32, u32, u32, u8), u32> = HashMap::default();
        for class in &reached {
            if let Some(key) = key(*class) {
                *alike.entry(key).or_default() += 1;
            }
        }
        let sharing: Vec<u32> =
            reached.iter().copied().filter(|class| key(*class).is_some_and(|key| alike[&key] > 1)).collect();
        drop(alike);
        if sharing.is_empty() {
            return start;
        }
        let mut instead: Vec<u32> = (0..narrow(self.len())).collect();
        for class in sharing {
            let Class { label, other, shape: Shape::Run(run, mut next) } = self.get(class) else { continue };
            for byte in run.to_vec().iter().rev() {
                let shape = Shape::Run(std::slice::from_ref(byte), next);
                next = self.intern(&Class { label, other, shape });
            }
            instead[class as usize] = next;
        }
        let standing = |class: u32| instead.get(class as usize).copied().unwrap_or(class);
        for stored in &mut self.stored {
            stored.other = standing(stored.other);
            if stored.next != NONE {
                stored.next = standing(stored.next);
            }
        }
        self.edges.iter_mut().for_each(|(_, to)| *to = standing(*to));
        standing(start)
    }

    fn reached(&self, start: u32) -> Vec<u32> {
        let mut seen = vec![false; self.len()];
        seen[start as usize] = true;
        let mut reached = vec![start];
        let mut done = 0;
        while let Some(&class) = reached.get(done) {
            self.get(class).each_target(|to| {
                if !std::mem::replace(&mut seen[to as usize], true) {
                    reached.push(to);
                }
            });
            done += 1;
        }
        reached
    }

    /// How many ways lead into each class from those that `start` leads to.
    pub(super) fn ways_in(&self, start: u32) -> Vec<u32> {
        let mut ways_in = vec![0; self.len()];
        for class in self.reached(start) {
            self.get(class).each_target(|to| ways_in[to as usize] += 1);
        }
        ways_in
    }
}

impl Class<'_> {
    fn each_target(&self, mut with: impl FnMut(u32)) {
        with(self.other);
        match self.shape {
            Shape::Run(_, next) => with(next),
            Shape::Branch(edges) => edges.iter().for_each(|(_, to)| with(*to)),
        }
    }
}

/// Gives equal functions one form: the default stands for most bytes, of several such the one with the first byte, and
/// no edge leads to it. Returns the default.
pub(super) fn canonical(other: u32, edges: &mut Vec<(u8, u32)>) -> u32 {
    edges.retain(|(_, to)| *to != other);
    if edges.len() < 128 {
        // The default stands for more than half of all bytes: no other choice of it is as good.
        return other;
    }
    let mut leads = [other; 256];
    for (byte, to) in edges.drain(..) {
        leads[usize::from(byte)] = to;
    }
    let mut sorted = leads;
    sorted.sort_unstable();
    let most = sorted
        .chunk_by(|a, b| a == b)
        .max_by_key(|run| {
            let at = leads.iter().position(|to| *to == run[0]);
            (run.len(), std::cmp::Reverse(at))
        })
        .expect("INVARIANT: 256 bytes lead somewhere")[0];
    edges.extend((0..=u8::MAX).zip(leads).filter(|(_, to)| *to != most));
    most
}
