//! Sets of paths (or texts) as small automata that can be joined, compared and spelt.

use std::collections::VecDeque;

use hashbrown::{HashMap, HashSet};

use crate::automaton::{Canonical, Dfa, Inputs};

use super::CompareError;
use super::product::{Machine, Product};

/// Node number: every input that goes on from here is in.
pub(super) const ALL: u32 = 0;
/// Node number: none is.
pub(super) const NONE: u32 = 1;
/// Node number: no input that counts goes on so.
pub(super) const DEAD: u32 = u32::MAX;

/// A state from which some inputs are in and some are not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) spelt: Canonical,
    /// Whether the input that ends here is in.
    pub(super) ends: bool,
    /// Bytes with a target of their own, in increasing order.
    pub(super) edges: Vec<(u8, u32)>,
    /// Where all others lead.
    pub(super) other: u32,
}

/// A set of inputs: the smallest automaton of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Language {
    /// The nodes; the first two are placeholders for [`ALL`] and [`NONE`].
    pub(super) nodes: Vec<Node>,
    pub(super) start: u32,
    pub(super) inputs: Inputs,
}

/// What is known of a node: its class, and those it leads to.
type Form = (u32, Vec<(u8, u32)>, u32);

/// The most nodes an automaton is made smallest with.
const MAX_NODES: usize = 50_000;

fn placeholder() -> Node {
    Node { spelt: Canonical::Dead, ends: false, edges: Vec::new(), other: DEAD }
}

impl Language {
    /// Every input.
    pub(super) fn every(inputs: Inputs) -> Self {
        Self { nodes: vec![placeholder(), placeholder()], start: ALL, inputs }
    }

    /// Those that lead to one of `within`; `None` if their automaton is too large to be described.
    pub(super) fn of_places(product: &Product<'_>, within: &HashSet<u32>, inputs: Inputs) -> Option<Self> {
        // All places from which one of them can be reached: nothing else matters.
        let mut reaching: HashSet<u32> = within.clone();
        let mut todo: Vec<u32> = within.iter().copied().collect();
        while let Some(place) = todo.pop() {
            for before in product.before(place) {
                if reaching.insert(*before) {
                    todo.push(*before);
                }
            }
        }
        // Of these the ones from which something else can be reached too.
        let mut mixed: HashSet<u32> = HashSet::new();
        for place in &reaching {
            let spelt = product.places[*place as usize].spelt;
            let leaves = product.ways(*place).iter().any(|way| !reaching.contains(&way.to));
            if leaves || spelt.is_path() && !within.contains(place) {
                mixed.insert(*place);
                todo.push(*place);
            }
        }
        while let Some(place) = todo.pop() {
            for before in product.before(place) {
                if reaching.contains(before) && mixed.insert(*before) {
                    todo.push(*before);
                }
            }
        }
        if mixed.len() > MAX_NODES {
            return None;
        }
        let mut order: Vec<u32> = mixed.into_iter().collect();
        order.sort_unstable();
        let number: HashMap<u32, u32> = order.iter().copied().zip(2..).collect();
        let target = |place: u32| match number.get(&place) {
            Some(number) => *number,
            None if reaching.contains(&place) => ALL,
            None => NONE,
        };
        let mut nodes = vec![placeholder(), placeholder()];
        for place in &order {
            let spelt = product.places[*place as usize].spelt;
            let mut node = Node { spelt, ends: within.contains(place), edges: Vec::new(), other: DEAD };
            for way in product.ways(*place) {
                match way.others {
                    true => node.other = target(way.to),
                    false => node.edges.push((way.byte, target(way.to))),
                }
            }
            if inputs == Inputs::Paths {
                for byte in [b'/', b'.'] {
                    if let Err(at) = node.edges.binary_search_by_key(&byte, |edge| edge.0) {
                        node.edges.insert(at, (byte, DEAD));
                    }
                }
            }
            nodes.push(node);
        }
        Some(Self { nodes, start: target(0), inputs }.smallest())
    }

    /// What the automaton of a pattern takes.
    pub(super) fn of_dfa(dfa: &Dfa, inputs: Inputs, limit: usize) -> Result<Option<Self>, CompareError> {
        let product = Product::explore(Machine::Pattern(dfa), Machine::Nothing, inputs, limit)?;
        let within = product.ends().filter(|place| product.labels(*place).0 != 0).collect();
        Ok(Self::of_places(&product, &within, inputs))
    }

    /// The inputs for whose membership here and in `other` `keep` is true; `None` if there are too many states.
    pub(super) fn with(&self, other: &Self, keep: impl Fn(bool, bool) -> bool) -> Option<Self> {
        let truth = |target: u32| match target {
            ALL => Some(true),
            NONE => Some(false),
            _ => None,
        };
        let mut nodes = vec![placeholder(), placeholder()];
        let mut number: HashMap<(u32, u32), u32> = HashMap::new();
        let mut todo = VecDeque::new();
        let mut visit = |pair: (u32, u32), todo: &mut VecDeque<(u32, u32)>, count: &mut u32| {
            if pair.0 == DEAD || pair.1 == DEAD {
                return DEAD;
            }
            if let (Some(left), Some(right)) = (truth(pair.0), truth(pair.1)) {
                return if keep(left, right) { ALL } else { NONE };
            }
            *number.entry(pair).or_insert_with(|| {
                todo.push_back(pair);
                *count += 1;
                *count - 1
            })
        };
        let mut count = 2;
        let start = visit((self.start, other.start), &mut todo, &mut count);
        while let Some((left, right)) = todo.pop_front() {
            if nodes.len() > MAX_NODES {
                return None;
            }
            let (here, there) = (self.node(left), other.node(right));
            let spelt = here.or(there).map_or(Canonical::Dead, |node| node.spelt);
            let mut bytes: Vec<u8> =
                [here, there].into_iter().flatten().flat_map(|node| node.edges.iter().map(|e| e.0)).collect();
            bytes.sort_unstable();
            bytes.dedup();
            let ends = |target, node: Option<&Node>| node.map_or(target == ALL, |node| node.ends);
            let to = |node: Option<&Node>, target, byte| node.map_or(target, |node| node.after(byte));
            let edges = bytes
                .iter()
                .map(|byte| {
                    let pair = (to(here, left, *byte), to(there, right, *byte));
                    (*byte, visit(pair, &mut todo, &mut count))
                })
                .collect();
            let others = (here.map_or(left, |node| node.other), there.map_or(right, |node| node.other));
            nodes.push(Node {
                spelt,
                ends: spelt.is_path() && keep(ends(left, here), ends(right, there)),
                edges,
                other: visit(others, &mut todo, &mut count),
            });
        }
        Some(Self { nodes, start, inputs: self.inputs }.smallest())
    }

    fn node(&self, number: u32) -> Option<&Node> {
        (number != ALL && number != NONE).then(|| &self.nodes[number as usize])
    }

    /// Whether nothing is in.
    pub(super) fn is_empty(&self) -> bool {
        self.start == NONE
    }

    /// A shortest input that is in.
    pub(super) fn shortest(&self) -> Option<Vec<u8>> {
        let first = |spelt| match (self.inputs, spelt) {
            (Inputs::Paths, Canonical::Start) => Some(b"/".to_vec()),
            (Inputs::Paths, Canonical::Root | Canonical::Name) | (Inputs::All, _) => Some(Vec::new()),
            (Inputs::Paths, _) => Some(b"a".to_vec()),
        };
        if self.start == ALL {
            return first(if self.inputs == Inputs::Paths { Canonical::Start } else { Canonical::Name });
        }
        let mut seen: HashSet<u32> = HashSet::new();
        seen.insert(self.start);
        let mut todo = VecDeque::from([(self.start, Vec::new())]);
        while let Some((at, text)) = todo.pop_front() {
            let Some(node) = self.node(at) else { continue };
            if node.ends {
                return Some(text);
            }
            for (byte, to) in node.ways() {
                let longer = [text.as_slice(), &[byte]].concat();
                if to == ALL {
                    let spelt = if self.inputs == Inputs::Paths { node.spelt.step(byte) } else { node.spelt };
                    return first(spelt).map(|rest| [longer, rest].concat());
                }
                if to != NONE && to != DEAD && seen.insert(to) {
                    todo.push_back((to, longer));
                }
            }
        }
        None
    }

    /// The same language as the smallest automaton, its nodes numbered as a walk from the start meets them.
    fn smallest(self) -> Self {
        let count = self.nodes.len();
        let mut before: Vec<Vec<u32>> = vec![Vec::new(); count];
        let (mut some_in, mut some_out) = (vec![false; count], vec![false; count]);
        let (mut ins, mut outs) = (Vec::new(), Vec::new());
        for (number, node) in (0u32..).zip(&self.nodes).skip(2) {
            let targets = node.edges.iter().map(|edge| edge.1).chain([node.other]);
            let (mut has_in, mut has_out) =
                (node.spelt.is_path() && node.ends, node.spelt.is_path() && !node.ends);
            for to in targets.filter(|to| *to != DEAD) {
                has_in |= to == ALL;
                has_out |= to == NONE;
                before[to as usize].push(number);
            }
            if has_in {
                ins.push(number);
            }
            if has_out {
                outs.push(number);
            }
        }
        for (marks, todo) in [(&mut some_in, &mut ins), (&mut some_out, &mut outs)] {
            todo.iter().for_each(|number| marks[*number as usize] = true);
            while let Some(number) = todo.pop() {
                for &from in &before[number as usize] {
                    if !std::mem::replace(&mut marks[from as usize], true) {
                        todo.push(from);
                    }
                }
            }
        }
        // Classes of nodes that are the same as far as is known; refined until nothing changes.
        let mut class: Vec<u32> = (0..count)
            .map(|number| match (number, some_in[number], some_out[number]) {
                (0, ..) => ALL,
                (1, ..) => NONE,
                (_, _, false) => ALL,
                (_, false, true) => NONE,
                (number, true, true) => {
                    2 + 2 * self.nodes[number].spelt as u32 + u32::from(self.nodes[number].ends)
                }
            })
            .collect();
        let mut known = 0;
        loop {
            let mut numbers: HashMap<Form, u32> = HashMap::new();
            let of = |to: u32, class: &[u32]| if to == DEAD { DEAD } else { class[to as usize] };
            let next: Vec<u32> = (0..count)
                .map(|number| {
                    if class[number] <= NONE {
                        return class[number];
                    }
                    let node = &self.nodes[number];
                    let other = of(node.other, &class);
                    let edges = node.edges.iter().map(|(byte, to)| (*byte, of(*to, &class)));
                    let key = (class[number], edges.filter(|edge| edge.1 != other).collect(), other);
                    let fresh = 2 + numbers.len() as u32;
                    *numbers.entry(key).or_insert(fresh)
                })
                .collect();
            let found = numbers.len();
            class = next;
            if found == known {
                break;
            }
            known = found;
        }
        let mut smallest =
            Self { nodes: vec![placeholder(), placeholder()], start: NONE, inputs: self.inputs };
        let mut number: HashMap<u32, u32> = HashMap::new();
        let mut todo = VecDeque::new();
        let mut sample: HashMap<u32, usize> = HashMap::new();
        for (at, class) in class.iter().enumerate().skip(2) {
            sample.entry(*class).or_insert(at);
        }
        let mut visit = |to: u32, todo: &mut VecDeque<u32>| {
            if to == DEAD {
                return DEAD;
            }
            let class = class[to as usize];
            if class <= NONE {
                return class;
            }
            let fresh = 2 + number.len() as u32;
            *number.entry(class).or_insert_with(|| {
                todo.push_back(class);
                fresh
            })
        };
        smallest.start = visit(self.start, &mut todo);
        while let Some(at) = todo.pop_front() {
            let node = &self.nodes[sample[&at]];
            let other = visit(node.other, &mut todo);
            let mut edges: Vec<(u8, u32)> =
                node.edges.iter().map(|(byte, to)| (*byte, visit(*to, &mut todo))).collect();
            edges.retain(|edge| edge.1 != other);
            smallest.nodes.push(Node { spelt: node.spelt, ends: node.ends, edges, other });
        }
        smallest
    }
}

impl Node {
    /// Where `byte` leads.
    pub(super) fn after(&self, byte: u8) -> u32 {
        match self.edges.binary_search_by_key(&byte, |edge| edge.0) {
            Ok(found) => self.edges[found].1,
            Err(_) => self.other,
        }
    }

    /// Each way on, with one byte for all that have none of their own.
    fn ways(&self) -> impl Iterator<Item = (u8, u32)> + '_ {
        let mut plain = (b'a'..=b'z').chain(b'0'..=b'9').chain(1..=u8::MAX);
        let free = plain.find(|byte| {
            !matches!(byte, b'/' | b'.') && self.edges.binary_search_by_key(byte, |edge| edge.0).is_err()
        });
        let own = self.edges.iter().copied();
        own.chain(free.map(|byte| (byte, self.other))).filter(|way| way.1 != DEAD)
    }
}
