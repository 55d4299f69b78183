//! An automaton to nodes: states with one way out become chains, others branches or sinks.

use boesfs_abi::layout::{MAX_CHAIN, NODE_BRANCH, NODE_CHAIN, NODE_SINK, Node};

use crate::automaton::{Dfa, StateId};

use super::wire::Bytes;

/// The nodes of `dfa`, to stand at byte `at` of the blob. The first one is the start.
pub(super) fn pack(dfa: &Dfa, at: usize) -> Vec<u8> {
    let plan = Plan::new(dfa);
    let reference = |state: StateId| {
        let offset = plan.offsets[state.index()].expect("INVARIANT: every target is the head of a node");
        u32::try_from((at + offset) / 8).expect("INVARIANT: automata are limited far below 32 GiB")
    };
    let mut bytes = Bytes::default();
    for head in &plan.heads {
        let state = head.state;
        let node = Node { label: dfa.label(state), other: reference(dfa.other(state)), ..Node::default() };
        match &head.form {
            Form::Sink => bytes.node(&Node { kind: NODE_SINK, ..node }),
            Form::Chain { chain, next } => {
                let len = u16::try_from(chain.len()).expect("INVARIANT: at most MAX_CHAIN");
                bytes.node(&Node { kind: NODE_CHAIN, next: reference(*next), len, ..node });
                bytes.0.extend_from_slice(chain);
            }
            Form::Branch => {
                let edges = dfa.edges(state);
                let len = u16::try_from(edges.len()).expect("INVARIANT(edges): fewer than 256");
                bytes.node(&Node { kind: NODE_BRANCH, len, ..node });
                bytes.0.extend(edges.iter().map(|edge| edge.byte));
                bytes.align();
                bytes.words(edges.iter().map(|edge| reference(edge.to)));
            }
        }
        bytes.align();
    }
    bytes.0
}

/// Which states begin a node, and where.
struct Plan {
    heads: Vec<Head>,
    /// For each state that begins a node, its offset from the first node.
    offsets: Vec<Option<usize>>,
}

struct Head {
    state: StateId,
    form: Form,
}

enum Form {
    Sink,
    Chain { chain: Vec<u8>, next: StateId },
    Branch,
}

impl Plan {
    fn new(dfa: &Dfa) -> Self {
        let mut ways_in = vec![0u32; dfa.state_count()];
        for state in dfa.states() {
            let edges = dfa.edges(state).iter().map(|edge| edge.to);
            edges
                .chain([dfa.other(state)])
                .for_each(|to| ways_in[to.index()] = ways_in[to.index()].saturating_add(1));
        }
        let mut plan = Self { heads: Vec::new(), offsets: vec![None; dfa.state_count()] };
        let mut seen = vec![false; dfa.state_count()];
        seen[dfa.start().index()] = true;
        // Depth first, so that what lies together on a path lies together in memory.
        let mut todo = vec![dfa.start()];
        let mut offset = 0;
        while let Some(state) = todo.pop() {
            plan.offsets[state.index()] = Some(offset);
            let form = form(dfa, state, &ways_in);
            offset += size_of::<Node>();
            let mut targets = vec![dfa.other(state)];
            match &form {
                Form::Sink => {}
                Form::Chain { chain, next } => {
                    offset += chain.len().next_multiple_of(8);
                    targets.push(*next);
                }
                Form::Branch => {
                    let edges = dfa.edges(state);
                    offset += edges.len().next_multiple_of(8) + (edges.len() * 4).next_multiple_of(8);
                    targets.extend(edges.iter().rev().map(|edge| edge.to));
                }
            }
            plan.heads.push(Head { state, form });
            todo.extend(targets.into_iter().filter(|to| !std::mem::replace(&mut seen[to.index()], true)));
        }
        plan
    }
}

fn form(dfa: &Dfa, state: StateId, ways_in: &[u32]) -> Form {
    if dfa.is_sink(state) {
        return Form::Sink;
    }
    let [edge] = dfa.edges(state) else { return Form::Branch };
    let (label, other) = (dfa.label(state), dfa.other(state));
    let mut chain = vec![edge.byte];
    let mut next = edge.to;
    // A state with another way in begins a node of its own.
    while let [edge] = dfa.edges(next)
        && chain.len() < usize::from(MAX_CHAIN)
        && next != dfa.start()
        && ways_in[next.index()] == 1
        && dfa.label(next) == label
        && dfa.other(next) == other
    {
        chain.push(edge.byte);
        next = edge.to;
    }
    Form::Chain { chain, next }
}
