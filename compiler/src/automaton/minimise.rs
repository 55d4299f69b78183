//! The smallest automaton with the same labels.
//!
//! What lies on no cycle and behind none (the trie of literal rules, nearly everything in a large policy) is taken from
//! its end: two states are one if they say the same and lead to the same, so each needs to be looked up once. A run of
//! states is looked up as a whole. What is left, the core, is refined (`refine`) first.

mod classes;
mod refine;

use super::dfa::{Builder, Dfa, Form, NodeEdge, NodeId};
use classes::{Class, Classes, Shape};

/// The smallest automaton that gives every input the label `dfa` gives it. Nodes are numbered in the order in which a
/// depth-first walk from the start meets them, so equal functions give equal automata.
#[must_use]
pub fn minimise(dfa: &Dfa) -> Dfa {
    minimise_by(dfa, |label| label)
}

/// The smallest automaton that gives every input what `label` makes of the label `dfa` gives it.
#[must_use]
pub fn minimise_by(dfa: &Dfa, label: impl Fn(u32) -> u32) -> Dfa {
    let (front, core) = divided(dfa);
    let (mut classes, mut class_of) = refine::core(dfa, &core, &label);
    let mut edges = Vec::new();
    for id in front.into_iter().rev() {
        let node = dfa.node(id);
        let other = class_of[node.other.index()];
        class_of[id.index()] = match node.form {
            Form::Chain(bytes, next) => classes.run(label(node.label), other, bytes, class_of[next.index()]),
            Form::Branch(of_node) => {
                edges.clear();
                edges.extend(of_node.iter().map(|edge| (edge.byte, class_of[edge.to.index()])));
                classes.state(label(node.label), other, &mut edges)
            }
        };
    }
    let start = class_of[dfa.start_node().index()];
    drop(class_of);
    quotient(classes, start)
}

/// The nodes that no cycle leads to, each before those it leads to, and all others.
fn divided(dfa: &Dfa) -> (Vec<NodeId>, Vec<NodeId>) {
    let mut ways_in = vec![0u32; dfa.node_count()];
    for id in dfa.nodes() {
        dfa.node(id).targets().for_each(|to| ways_in[to.index()] += 1);
    }
    let mut front: Vec<NodeId> = dfa.nodes().filter(|id| ways_in[id.index()] == 0).collect();
    let mut done = 0;
    while let Some(&id) = front.get(done) {
        for to in dfa.node(id).targets() {
            ways_in[to.index()] -= 1;
            if ways_in[to.index()] == 0 {
                front.push(to);
            }
        }
        done += 1;
    }
    let core = dfa.nodes().filter(|id| ways_in[id.index()] > 0).collect();
    (front, core)
}

/// The automaton of the classes that `start` leads to.
fn quotient(mut classes: Classes, start: u32) -> Dfa {
    let start = classes.share_ends(start);
    let ways_in = classes.ways_in(start);
    // Each node with the last class of its run, in the order of a walk that goes depth first.
    let mut order: Vec<(u32, u32)> = Vec::new();
    let mut number = vec![u32::MAX; classes.len()];
    let mut seen = vec![false; classes.len()];
    seen[start as usize] = true;
    let mut todo = vec![start];
    let mut targets = Vec::new();
    while let Some(first) = todo.pop() {
        let mut last = first;
        let Class { label, other, .. } = classes.get(first);
        while let Shape::Run(_, next) = classes.get(last).shape
            && next != start
            && ways_in[next as usize] == 1
            && let Class { label: next_label, other: next_other, shape: Shape::Run(..) } = classes.get(next)
            && (next_label, next_other) == (label, other)
        {
            last = next;
        }
        number[first as usize] = u32::try_from(order.len()).expect("INVARIANT: classes have 32-bit numbers");
        order.push((first, last));
        targets.clear();
        targets.push(other);
        match classes.get(last).shape {
            Shape::Run(_, next) => targets.push(next),
            Shape::Branch(edges) => targets.extend(edges.iter().rev().map(|(_, to)| *to)),
        }
        todo.extend(targets.iter().filter(|to| !std::mem::replace(&mut seen[**to as usize], true)));
    }
    drop((ways_in, seen));
    let mut builder = Builder::default();
    let ids: Vec<NodeId> = order.iter().map(|_| builder.reserve()).collect();
    let node = |class: u32| ids[number[class as usize] as usize];
    let mut bytes = Vec::new();
    let mut edges = Vec::new();
    for ((first, last), id) in order.into_iter().zip(&ids) {
        let Class { label, other, shape } = classes.get(first);
        match shape {
            Shape::Branch(of_class) => {
                edges.clear();
                edges.extend(of_class.iter().map(|(byte, to)| NodeEdge { byte: *byte, to: node(*to) }));
                builder.branch(*id, label, node(other), &edges);
            }
            Shape::Run(run, mut next) => {
                bytes.clear();
                bytes.extend_from_slice(run);
                let mut class = first;
                while class != last {
                    class = next;
                    let Shape::Run(run, then) = classes.get(class).shape else {
                        unreachable!("INVARIANT: only runs are joined")
                    };
                    bytes.extend_from_slice(run);
                    next = then;
                }
                builder.chain(*id, label, node(other), &bytes, node(next));
            }
        }
    }
    let start = node(start);
    builder.finish(start)
}
