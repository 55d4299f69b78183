//! The literal languages of an automaton (exact paths, subtrees, prefixes) as one trie.

use crate::rules::PathAtom;

use super::sets::{SetId, Sets};

/// Index of a trie node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NodeId(u32);

/// No node.
const NONE: u32 = u32::MAX;

/// A trie over the bytes of all literal atoms. Node 0 is the root, the empty input.
#[derive(Debug)]
pub(super) struct Trie {
    nodes: Vec<Node>,
}

#[derive(Clone, Copy, Debug)]
struct Node {
    byte: u8,
    first_child: u32,
    next_sibling: u32,
    /// Atoms that hold exactly here, those in force included.
    here: SetId,
    /// Atoms that hold for every input that goes on from here and leaves the trie at once.
    beyond: SetId,
}

/// What one atom says about the trie node its bytes lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    Exact,
    Beyond,
    From,
}

impl Trie {
    /// The trie of all atoms that are not patterns.
    pub(super) fn new(atoms: &[PathAtom], sets: &mut Sets) -> Self {
        let mut words: Vec<(Vec<u8>, Mark, u32)> = Vec::new();
        for (atom, id) in atoms.iter().zip(0u32..) {
            match atom {
                PathAtom::Literal(bytes) => words.push((bytes.clone(), Mark::Exact, id)),
                PathAtom::Prefix(bytes) => words.push((bytes.clone(), Mark::From, id)),
                PathAtom::Below(dir) => {
                    let mut bytes = dir.clone();
                    if bytes.last() != Some(&b'/') {
                        bytes.push(b'/');
                    }
                    words.push((bytes, Mark::Beyond, id));
                }
                PathAtom::Pattern(_) => {}
            }
        }
        words.sort_unstable_by(|a, b| (&a.0, a.2).cmp(&(&b.0, b.2)));

        let mut trie = Self { nodes: vec![Node::new(0)] };
        // The nodes from the root to the current word's end, each with its last child so far.
        let mut spine: Vec<(u32, u32)> = vec![(0, NONE)];
        let mut last: &[u8] = &[];
        let mut marks = words.iter().peekable();
        loop {
            let word: &[u8] = marks.peek().copied().map_or(&[], |word| &word.0);
            let shared = last.iter().zip(word).take_while(|(a, b)| a == b).count();
            spine.truncate(shared + 1);
            for &byte in &word[shared..] {
                let id = u32::try_from(trie.nodes.len()).expect("INVARIANT: literals are shorter than 4 GiB");
                let (parent, elder) = spine.last_mut().expect("INVARIANT: the root is never left");
                if *elder == NONE {
                    trie.nodes[*parent as usize].first_child = id;
                } else {
                    trie.nodes[*elder as usize].next_sibling = id;
                }
                *elder = id;
                let inherited = trie.nodes[*parent as usize].beyond;
                trie.nodes.push(Node { here: inherited, beyond: inherited, ..Node::new(byte) });
                spine.push((id, NONE));
            }
            let node = spine.last().expect("INVARIANT: the root is never left").0 as usize;
            let (mut here, mut beyond) = (Vec::new(), Vec::new());
            while let Some((_, mark, id)) = marks.next_if(|next| next.0 == word) {
                if *mark != Mark::Beyond {
                    here.push(*id);
                }
                if *mark != Mark::Exact {
                    beyond.push(*id);
                }
            }
            let (here, beyond) = (sets.intern(here), sets.intern(beyond));
            trie.nodes[node].here = sets.union(trie.nodes[node].here, here);
            trie.nodes[node].beyond = sets.union(trie.nodes[node].beyond, beyond);
            last = word;
            if marks.peek().is_none() {
                return trie;
            }
        }
    }

    /// The node of the empty input.
    pub(super) fn root(&self) -> NodeId {
        NodeId(0)
    }

    /// The atoms that hold of the node's own bytes.
    pub(super) fn here(&self, node: NodeId) -> SetId {
        self.nodes[node.0 as usize].here
    }

    /// The atoms that hold of the node's bytes and any more that the trie does not know.
    pub(super) fn beyond(&self, node: NodeId) -> SetId {
        self.nodes[node.0 as usize].beyond
    }

    /// The node's children by increasing byte.
    pub(super) fn children(&self, node: NodeId) -> impl Iterator<Item = (u8, NodeId)> + '_ {
        let mut next = self.nodes[node.0 as usize].first_child;
        std::iter::from_fn(move || {
            let child = self.nodes.get(next as usize)?;
            let id = NodeId(next);
            next = child.next_sibling;
            Some((child.byte, id))
        })
    }
}

impl Node {
    fn new(byte: u8) -> Self {
        Self { byte, first_child: NONE, next_sibling: NONE, here: SetId::EMPTY, beyond: SetId::EMPTY }
    }
}
