//! Paths to states of a large automaton, at equal distances, without exploring it state by state.

use crate::automaton::{Canonical, Dfa, Form, NodeId};

/// How the first state of a node is led to from another node.
#[derive(Clone, Copy)]
struct Lead {
    from: NodeId,
    way: Way,
}

#[derive(Clone, Copy)]
enum Way {
    /// By all bytes of a chain.
    Whole,
    /// By one byte.
    Byte(u8),
}

/// Canonical paths to about `count` nodes of `dfa`, at equal distances in the order of a walk breadth first: to the first
/// state of each, and to one half-way through a chain. What ends with a directory's `/` goes on with a name.
pub(super) fn spread(dfa: &Dfa, count: usize) -> Vec<Vec<u8>> {
    let mut leads: Vec<Option<Lead>> = vec![None; dfa.node_count()];
    let start = dfa.start_node();
    let mut order = vec![start];
    let mut done = 0;
    while let Some(&from) = order.get(done) {
        done += 1;
        let node = dfa.node(from);
        let mut lead = |to: NodeId, way: Way| {
            if to != start && leads[to.index()].is_none() {
                leads[to.index()] = Some(Lead { from, way });
                order.push(to);
            }
        };
        let listed = |byte: u8| match node.form {
            Form::Chain(bytes, _) => bytes[0] == byte,
            Form::Branch(edges) => edges.binary_search_by_key(&byte, |edge| edge.byte).is_ok(),
        };
        match node.form {
            Form::Chain(_, next) => lead(next, Way::Whole),
            Form::Branch(edges) => edges.iter().for_each(|edge| lead(edge.to, Way::Byte(edge.byte))),
        }
        let plain =
            (b'a'..=b'z').chain(1..=u8::MAX).find(|byte| !matches!(byte, b'/' | b'.') && !listed(*byte));
        if let Some(byte) = plain {
            lead(node.other, Way::Byte(byte));
        }
    }
    let stride = order.len().div_ceil(count.max(1)).max(1);
    let mut paths = Vec::new();
    for node in order.into_iter().step_by(stride) {
        let path = input(dfa, &leads, node);
        if let Form::Chain(bytes, _) = dfa.node(node).form {
            paths.extend(canonical([path.as_slice(), &bytes[..bytes.len().div_ceil(2)]].concat()));
        }
        paths.extend(canonical(path));
    }
    paths
}

/// The bytes by which `node` is led to.
fn input(dfa: &Dfa, leads: &[Option<Lead>], mut node: NodeId) -> Vec<u8> {
    let mut input = Vec::new();
    while let Some(Lead { from, way }) = leads[node.index()] {
        match (way, dfa.node(from).form) {
            (Way::Byte(byte), _) => input.push(byte),
            (Way::Whole, Form::Chain(bytes, _)) => input.extend(bytes.iter().rev()),
            (Way::Whole, Form::Branch(_)) => unreachable!("INVARIANT: chains alone lead by all their bytes"),
        }
        node = from;
    }
    input.reverse();
    input
}

/// `path`, or a path that begins so; `None` if none is canonical.
fn canonical(mut path: Vec<u8>) -> Option<Vec<u8>> {
    let place = path.iter().fold(Canonical::Start, |place, byte| place.step(*byte));
    match place {
        Canonical::Dead => return None,
        Canonical::Start => path.push(b'/'),
        Canonical::Slash | Canonical::Dot | Canonical::DotDot => path.push(b'x'),
        Canonical::Root | Canonical::Name => {}
    }
    Some(path)
}
