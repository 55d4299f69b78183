//! A deterministic byte automaton whose states carry a label and a default transition.
//!
//! Nearly all states of a large policy lie on the way from one branching to the next: they have one edge, and the
//! label and the default of their neighbours. Such a run is one node here, so that memory and time go with branchings
//! and not with bytes; a state is a place in a node.

use hashbrown::HashMap;

/// Index of a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StateId(pub(super) u32);

impl StateId {
    /// Its place among the states.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Index of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub(super) u32);

impl NodeId {
    /// Its place among the nodes.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }

    pub(super) fn new(index: usize) -> Self {
        Self(u32::try_from(index).expect("INVARIANT: nodes are limited far below 2^32"))
    }
}

/// One explicit transition of a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Edge {
    /// The byte read.
    pub byte: u8,
    /// Where it leads.
    pub to: StateId,
}

/// One explicit transition of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeEdge {
    /// The byte read.
    pub byte: u8,
    /// The node at whose first state it leads.
    pub to: NodeId,
}

/// A run of states with one label and one default.
#[derive(Clone, Copy, Debug)]
pub struct Node<'a> {
    /// What input that ends in one of the states comes to.
    pub label: u32,
    /// Where bytes without an edge lead.
    pub other: NodeId,
    /// The other ways out.
    pub form: Form<'a>,
}

/// The ways out of a node beside its default.
#[derive(Clone, Copy, Debug)]
pub enum Form<'a> {
    /// As many states as bytes, at least one: each leads by its byte to the next, the last one to a node.
    Chain(&'a [u8], NodeId),
    /// One state with these edges, in increasing order of bytes.
    Branch(&'a [NodeEdge]),
}

#[derive(Clone, Copy, Debug)]
struct Stored {
    label: u32,
    other: NodeId,
    /// Into `bytes` for a chain, into `edges` for a branch.
    first: u32,
    len: u32,
    /// Where a chain leads; [`NONE`] for a branch.
    next: NodeId,
}

const NONE: NodeId = NodeId(u32::MAX);

/// A total automaton: each state has edges for some bytes and one default for all others.
///
/// INVARIANT(edges): a state's edges are in increasing order of bytes, none leads to its default, and there are fewer
/// than 256.
#[derive(Clone, Debug)]
pub struct Dfa {
    nodes: Vec<Stored>,
    bytes: Vec<u8>,
    edges: Vec<NodeEdge>,
    start: NodeId,
    places: Places,
}

/// Which states belong to which node.
#[derive(Clone, Debug, Default)]
struct Places {
    /// The first state of each node.
    first: Vec<u32>,
    /// Bit `s % 64` of word `s / 64`: state `s` is the first of a node.
    heads: Vec<u64>,
    /// How many heads come before each word.
    before: Vec<u32>,
    states: usize,
}

/// Makes an automaton node by node; a node is named before it is filled.
#[derive(Debug, Default)]
pub(super) struct Builder {
    nodes: Vec<Stored>,
    bytes: Vec<u8>,
    edges: Vec<NodeEdge>,
}

/// The most states an automaton may have, so that each has a number.
pub(super) const MAX_STATES: usize = 1 << 31;

impl Builder {
    /// A new node, to be filled later.
    pub(super) fn reserve(&mut self) -> NodeId {
        let id = NodeId::new(self.nodes.len());
        self.nodes.push(Stored { label: 0, other: id, first: 0, len: 0, next: NONE });
        id
    }

    pub(super) fn chain(&mut self, id: NodeId, label: u32, other: NodeId, bytes: &[u8], next: NodeId) {
        if next == other && bytes.len() == 1 {
            return self.branch(id, label, other, &[]);
        }
        let (first, len) = (place(self.bytes.len()), place(bytes.len()));
        self.bytes.extend_from_slice(bytes);
        self.nodes[id.index()] = Stored { label, other, first, len, next };
    }

    /// Fills a node of one state. `edges` are in increasing order of bytes.
    pub(super) fn branch(&mut self, id: NodeId, label: u32, other: NodeId, edges: &[NodeEdge]) {
        let other = if edges.len() < 256 { other } else { majority(edges) };
        let first = self.edges.len();
        self.edges.extend(edges.iter().filter(|edge| edge.to != other));
        if let [edge] = self.edges[first..] {
            self.edges.truncate(first);
            return self.chain(id, label, other, &[edge.byte], edge.to);
        }
        let len = place(self.edges.len() - first);
        self.nodes[id.index()] = Stored { label, other, first: place(first), len, next: NONE };
    }

    pub(super) fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// How many explicit transitions there are, a chain counted as one.
    pub(super) fn edge_count(&self) -> usize {
        self.edges.len()
    }

    /// More than how many states there are.
    pub(super) fn most_states(&self) -> usize {
        self.bytes.len() + self.nodes.len()
    }

    pub(super) fn finish(mut self, start: NodeId) -> Dfa {
        self.nodes.shrink_to_fit();
        self.bytes.shrink_to_fit();
        self.edges.shrink_to_fit();
        let places = Places::new(&self.nodes);
        Dfa { nodes: self.nodes, bytes: self.bytes, edges: self.edges, start, places }
    }
}

fn place(index: usize) -> u32 {
    u32::try_from(index).expect("INVARIANT: states are limited below 2^32")
}

impl Places {
    fn new(nodes: &[Stored]) -> Self {
        let mut first = Vec::with_capacity(nodes.len());
        let mut states = 0;
        for node in nodes {
            first.push(place(states));
            states += if node.next == NONE { 1 } else { node.len as usize };
        }
        let mut heads = vec![0u64; states / 64 + 1];
        for state in &first {
            heads[*state as usize / 64] |= 1 << (state % 64);
        }
        let mut count = 0;
        let before = heads
            .iter()
            .map(|word| {
                count += word.count_ones();
                count - word.count_ones()
            })
            .collect();
        Self { first, heads, before, states }
    }

    /// The node of `state`, and how many of its states come before it.
    fn of(&self, state: StateId) -> (NodeId, usize) {
        let (word, bit) = (state.index() / 64, state.0 % 64);
        let up_to = self.heads[word] & (u64::MAX >> (63 - bit));
        let node = self.before[word] + up_to.count_ones() - 1;
        (NodeId(node), (state.0 - self.first[node as usize]) as usize)
    }
}

impl Dfa {
    /// The same automaton with each label replaced.
    #[must_use]
    pub fn relabelled(mut self, label: impl Fn(u32) -> u32) -> Self {
        self.relabel(label);
        self
    }

    /// Replaces each label.
    pub fn relabel(&mut self, label: impl Fn(u32) -> u32) {
        self.nodes.iter_mut().for_each(|node| node.label = label(node.label));
    }

    /// The automaton with one transition leading elsewhere, to show that a wrong automaton is found.
    #[must_use]
    pub fn with_edge_redirected(&self, edge: usize, to: StateId) -> Self {
        let mut builder = Builder::default();
        self.states().for_each(|_| {
            builder.reserve();
        });
        let node = |state: StateId| NodeId(state.0);
        let mut number = 0;
        for state in self.states() {
            let mut edges = Vec::new();
            for Edge { byte, to: old } in self.edges(state) {
                edges.push(NodeEdge { byte, to: node(if number == edge { to } else { old }) });
                number += 1;
            }
            builder.branch(node(state), self.label(state), node(self.other(state)), &edges);
        }
        builder.finish(node(self.start()))
    }

    /// The state before any byte.
    #[must_use]
    pub fn start(&self) -> StateId {
        self.first(self.start)
    }

    /// How many states there are.
    #[must_use]
    pub fn state_count(&self) -> usize {
        self.places.states
    }

    /// How many explicit transitions there are.
    #[must_use]
    pub fn edge_count(&self) -> usize {
        self.bytes.len() + self.edges.len()
    }

    /// All states, in order.
    pub fn states(&self) -> impl Iterator<Item = StateId> + use<> {
        (0..place(self.places.states)).map(StateId)
    }

    /// What the input that led here comes to.
    #[must_use]
    pub fn label(&self, state: StateId) -> u32 {
        self.nodes[self.places.of(state).0.index()].label
    }

    /// Where bytes without an edge lead.
    #[must_use]
    pub fn other(&self, state: StateId) -> StateId {
        self.first(self.nodes[self.places.of(state).0.index()].other)
    }

    /// The explicit transitions, in increasing order of bytes.
    pub fn edges(&self, state: StateId) -> impl ExactSizeIterator<Item = Edge> + '_ {
        let (node, inside) = self.places.of(state);
        let (bytes, edges): (&[u8], &[NodeEdge]) = match self.node(node).form {
            Form::Chain(bytes, _) => (&bytes[inside..=inside], &[]),
            Form::Branch(edges) => (&[], edges),
        };
        let one = bytes.first().map(|byte| Edge { byte: *byte, to: self.next(state, *byte) });
        Edges { dfa: self, one, edges: edges.iter() }
    }

    /// Where `byte` leads.
    #[must_use]
    pub fn next(&self, state: StateId, byte: u8) -> StateId {
        let (node, inside) = self.places.of(state);
        let node = self.node(node);
        match node.form {
            Form::Chain(bytes, _) if bytes[inside] == byte && inside + 1 < bytes.len() => {
                StateId(state.0 + 1)
            }
            Form::Chain(bytes, next) => self.first(if bytes[inside] == byte { next } else { node.other }),
            Form::Branch(edges) => self.first(edge(edges, byte).unwrap_or(node.other)),
        }
    }

    /// The state after `input`.
    #[must_use]
    pub fn walk(&self, input: &[u8]) -> StateId {
        let mut at = self.start;
        let mut input = input.iter();
        while let Some(byte) = input.next() {
            let node = self.node(at);
            at = match node.form {
                Form::Branch(edges) => edge(edges, *byte).unwrap_or(node.other),
                Form::Chain(bytes, next) => {
                    let rest = input.as_slice();
                    let same = if bytes[0] == *byte {
                        1 + bytes[1..].iter().zip(rest).take_while(|(a, b)| a == b).count()
                    } else {
                        0
                    };
                    if same == bytes.len() {
                        input = rest[same - 1..].iter();
                        next
                    } else if same == rest.len() + 1 {
                        return StateId(self.first(at).0 + place(same));
                    } else {
                        input = rest[same..].iter();
                        node.other
                    }
                }
            };
        }
        self.first(at)
    }

    /// Whether no byte leads away from `state`.
    #[must_use]
    pub fn is_sink(&self, state: StateId) -> bool {
        self.other(state) == state && self.edges(state).len() == 0
    }

    /// How many nodes there are.
    #[must_use]
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// All nodes, in order.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> + use<> {
        (0..place(self.nodes.len())).map(NodeId)
    }

    /// The node of the state before any byte.
    #[must_use]
    pub fn start_node(&self) -> NodeId {
        self.start
    }

    /// What a node is.
    #[must_use]
    pub fn node(&self, id: NodeId) -> Node<'_> {
        let Stored { label, other, first, len, next } = self.nodes[id.index()];
        let range = first as usize..first as usize + len as usize;
        let form = if next == NONE {
            Form::Branch(&self.edges[range])
        } else {
            Form::Chain(&self.bytes[range], next)
        };
        Node { label, other, form }
    }

    /// The first state of a node.
    #[must_use]
    pub fn first(&self, node: NodeId) -> StateId {
        StateId(self.places.first[node.index()])
    }

    /// The node of a state, and how many of its states come before it.
    #[must_use]
    pub fn node_of(&self, state: StateId) -> (NodeId, usize) {
        self.places.of(state)
    }
}

impl Node<'_> {
    /// The nodes it leads to: its default, then the others.
    pub fn targets(&self) -> impl DoubleEndedIterator<Item = NodeId> + '_ {
        let (edges, next): (&[NodeEdge], _) = match self.form {
            Form::Chain(_, next) => (&[], Some(next)),
            Form::Branch(edges) => (edges, None),
        };
        std::iter::once(self.other).chain(edges.iter().map(|edge| edge.to)).chain(next)
    }
}

fn edge(edges: &[NodeEdge], byte: u8) -> Option<NodeId> {
    edges.binary_search_by_key(&byte, |edge| edge.byte).ok().map(|found| edges[found].to)
}

/// See [`Dfa::edges`].
struct Edges<'a> {
    dfa: &'a Dfa,
    one: Option<Edge>,
    edges: std::slice::Iter<'a, NodeEdge>,
}

impl Iterator for Edges<'_> {
    type Item = Edge;

    fn next(&mut self) -> Option<Edge> {
        self.one
            .take()
            .or_else(|| self.edges.next().map(|edge| Edge { byte: edge.byte, to: self.dfa.first(edge.to) }))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let len = usize::from(self.one.is_some()) + self.edges.len();
        (len, Some(len))
    }
}

impl ExactSizeIterator for Edges<'_> {}

/// The node most of `edges` lead to; of several the smallest.
fn majority(edges: &[NodeEdge]) -> NodeId {
    let mut counts: HashMap<NodeId, usize> = HashMap::new();
    for edge in edges {
        *counts.entry(edge.to).or_default() += 1;
    }
    let most = counts.into_iter().max_by_key(|(to, count)| (*count, std::cmp::Reverse(*to)));
    most.expect("INVARIANT: called with 256 edges").0
}
