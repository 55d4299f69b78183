//! An automaton to nodes: those of [`Dfa`], long chains cut.

use boesfs_abi::layout::{MAX_BRANCH, MAX_CHAIN, NODE_BRANCH, NODE_CHAIN, NODE_SINK, NODE_TABLE, Node};

use crate::automaton::{Dfa, Form, NodeEdge, NodeId};

use super::wire::Bytes;

/// The nodes of `dfa`, to stand at byte `at` of the blob. The first one is the start.
pub(super) fn pack(dfa: &Dfa, at: usize) -> Vec<u8> {
    let order = order(dfa);
    let mut offsets = vec![usize::MAX; dfa.node_count()];
    let mut size = 0;
    for id in &order {
        offsets[id.index()] = size;
        size += bytes_of(dfa, *id);
    }
    let reference = |offset: usize| {
        u32::try_from((at + offset) / 8).expect("INVARIANT: automata are limited far below 32 GiB")
    };
    let to = |id: NodeId| reference(offsets[id.index()]);
    let mut bytes = Bytes(Vec::with_capacity(size));
    for id in order {
        let node = dfa.node(id);
        let head = Node { label: node.label, other: to(node.other), ..Node::default() };
        match node.form {
            Form::Branch([]) if node.other == id => bytes.node(&Node { kind: NODE_SINK, ..head }),
            Form::Branch(edges) if let Some((low, len)) = table(edges) => {
                bytes.node(&Node { kind: NODE_TABLE, len, low, ..head });
                let mut edges = edges.iter().peekable();
                bytes.words((low..=255).take(len.into()).map(|byte| {
                    edges.next_if(|edge| edge.byte == byte).map_or(head.other, |edge| to(edge.to))
                }));
            }
            Form::Branch(edges) => {
                let len = u16::try_from(edges.len()).expect("INVARIANT: at most MAX_BRANCH");
                bytes.node(&Node { kind: NODE_BRANCH, len, ..head });
                bytes.0.extend(edges.iter().map(|edge| edge.byte));
                bytes.align();
                bytes.words(edges.iter().map(|edge| to(edge.to)));
            }
            Form::Chain(chain, next) => {
                let mut pieces = chain.chunks(usize::from(MAX_CHAIN)).peekable();
                while let Some(piece) = pieces.next() {
                    let len = u16::try_from(piece.len()).expect("INVARIANT: at most MAX_CHAIN");
                    let after = bytes.0.len() + chain_bytes(piece.len());
                    let next = if pieces.peek().is_some() { reference(after) } else { to(next) };
                    bytes.node(&Node { kind: NODE_CHAIN, next, len, ..head });
                    bytes.0.extend_from_slice(piece);
                    bytes.align();
                }
            }
        }
        bytes.align();
    }
    bytes.0
}

/// How many bytes the nodes of `dfa` have together.
pub(super) fn size(dfa: &Dfa) -> usize {
    dfa.nodes().map(|id| bytes_of(dfa, id)).sum()
}

/// The first byte and the length of the table that `edges` become, if they become one: where they are many, or lie so
/// close together that a table, which is read at once, takes hardly more room than a branch, which is searched.
fn table(edges: &[NodeEdge]) -> Option<(u8, u16)> {
    let (first, last) = (edges.first()?.byte, edges.last()?.byte);
    let len = u16::from(last - first) + 1;
    let many = edges.len() > usize::from(MAX_BRANCH);
    let room = if edges.len() <= 8 { 4 + 2 * edges.len() } else { 8 * edges.len() };
    (many || usize::from(len) <= room).then_some((first, len))
}

fn bytes_of(dfa: &Dfa, id: NodeId) -> usize {
    match dfa.node(id).form {
        Form::Branch(edges) if let Some((_, len)) = table(edges) => {
            size_of::<Node>() + (usize::from(len) * 4).next_multiple_of(8)
        }
        Form::Branch(edges) => {
            size_of::<Node>() + edges.len().next_multiple_of(8) + (edges.len() * 4).next_multiple_of(8)
        }
        Form::Chain(chain, _) => {
            chain.chunks(usize::from(MAX_CHAIN)).map(|piece| chain_bytes(piece.len())).sum()
        }
    }
}

fn chain_bytes(len: usize) -> usize {
    size_of::<Node>() + len.next_multiple_of(8)
}

/// The nodes that some input leads to, depth first, so that what lies together on a path lies together in memory.
fn order(dfa: &Dfa) -> Vec<NodeId> {
    let mut seen = vec![false; dfa.node_count()];
    seen[dfa.start_node().index()] = true;
    let mut todo = vec![dfa.start_node()];
    let mut order = Vec::with_capacity(dfa.node_count());
    while let Some(id) = todo.pop() {
        order.push(id);
        let node = dfa.node(id);
        let mut see = |to: NodeId| {
            if !std::mem::replace(&mut seen[to.index()], true) {
                todo.push(to);
            }
        };
        see(node.other);
        match node.form {
            Form::Chain(_, next) => see(next),
            Form::Branch(edges) => edges.iter().rev().for_each(|edge| see(edge.to)),
        }
    }
    order
}
