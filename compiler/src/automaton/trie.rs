//! The literal languages of an automaton (exact paths, subtrees, prefixes) as one radix trie.

use std::borrow::Cow;

use crate::jobs;
use crate::rules::PathAtom;

use super::sets::{SetId, Sets};

/// Index of a trie node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NodeId(u32);

/// No node.
const NONE: u32 = u32::MAX;

/// A radix trie over the bytes of all literal atoms. Node 0 is the root, the empty input.
#[derive(Debug)]
pub(super) struct Trie<'a> {
    words: Vec<Word<'a>>,
    nodes: Vec<Node>,
}

#[derive(Clone, Copy, Debug)]
struct Node {
    /// The bytes that lead here from the parent are those of this word, from where the parent's end.
    word: u32,
    from: u32,
    to: u32,
    first_child: u32,
    next_sibling: u32,
    /// Atoms that hold exactly here, those in force included.
    here: SetId,
    /// Atoms that hold for every input that goes on from here and leaves the trie at once, and all the way to a child.
    beyond: SetId,
}

/// What one atom says about the trie node its bytes lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    Exact,
    Beyond,
    From,
}

#[derive(Debug)]
struct Word<'a> {
    bytes: Cow<'a, [u8]>,
    mark: Mark,
    atom: u32,
}

impl<'a> Trie<'a> {
    /// The trie of all atoms that are not patterns.
    pub(super) fn new(atoms: &'a [PathAtom], sets: &mut Sets) -> Self {
        let mut words: Vec<Word<'a>> = Vec::with_capacity(atoms.len());
        for (atom, id) in atoms.iter().zip(0u32..) {
            let (bytes, mark) = match atom {
                PathAtom::Literal(bytes) => (Cow::Borrowed(bytes.as_slice()), Mark::Exact),
                PathAtom::Prefix(bytes) => (Cow::Borrowed(bytes.as_slice()), Mark::From),
                PathAtom::Below(dir) if dir.last() == Some(&b'/') => {
                    (Cow::Borrowed(dir.as_slice()), Mark::Beyond)
                }
                PathAtom::Below(dir) => (Cow::Owned([dir, b"/".as_slice()].concat()), Mark::Beyond),
                PathAtom::Pattern(_) => continue,
            };
            words.push(Word { bytes, mark, atom: id });
        }
        jobs::sort_by(&mut words, |a, b| (&a.bytes, a.atom).cmp(&(&b.bytes, b.atom)));
        let mut trie = Self { words, nodes: vec![Node::new(0, 0, 0)] };
        trie.grow(sets);
        trie
    }

    /// Makes the nodes of the sorted words. A node is cut in two when a word leaves it half-way.
    fn grow(&mut self, sets: &mut Sets) {
        // The nodes from the root to the current word's end, and the last child of each so far.
        let mut spine: Vec<(u32, u32)> = vec![(0, NONE)];
        let mut at = 0;
        let mut shared = 0;
        while at < self.words.len() || at == 0 {
            let end = self.words[at..]
                .iter()
                .position(|word| word.bytes != self.words[at].bytes)
                .map_or(self.words.len(), |len| at + len);
            let len = self.words.get(at).map_or(0, |word| word.bytes.len());
            self.descend(shared, len, at, &mut spine);
            let node = spine.last().expect("INVARIANT: the root is never left").0 as usize;
            for word in &self.words[at..end] {
                let set = sets.single(word.atom);
                let node = &mut self.nodes[node];
                if word.mark != Mark::Beyond {
                    node.here = sets.union(node.here, set);
                }
                if word.mark != Mark::Exact {
                    node.beyond = sets.union(node.beyond, set);
                }
            }
            let Some(next) = self.words.get(end) else { return };
            shared = self.words[at].bytes.iter().zip(next.bytes.iter()).take_while(|(a, b)| a == b).count();
            at = end;
        }
    }

    /// Makes the spine end at a node for the first `len` bytes of `word`, of which `shared` are the last word's.
    fn descend(&mut self, shared: usize, len: usize, word: usize, spine: &mut Vec<(u32, u32)>) {
        let shared = narrow(shared);
        let mut cut = None;
        while let Some((node, _)) = spine.last().copied()
            && self.nodes[node as usize].to > shared
        {
            cut = Some(node);
            spine.pop();
        }
        let (parent, elder) = *spine.last().expect("INVARIANT: the root is never left");
        if let Some(lower) = cut
            && self.nodes[parent as usize].to < shared
        {
            // The last child keeps its number as the upper half, so that its elder and its parent still name it.
            debug_assert_eq!(lower, elder, "a spine goes by last children");
            let moved = narrow(self.nodes.len());
            let old = self.nodes[lower as usize];
            let in_force = self.nodes[parent as usize].beyond;
            self.nodes.push(Node { from: shared, ..old });
            self.nodes[lower as usize] =
                Node { to: shared, first_child: moved, here: in_force, beyond: in_force, ..old };
            spine.push((lower, moved));
        }
        let len = narrow(len);
        if len == shared {
            return;
        }
        let id = narrow(self.nodes.len());
        let (parent, elder) = spine.last_mut().expect("INVARIANT: the root is never left");
        if *elder == NONE {
            self.nodes[*parent as usize].first_child = id;
        } else {
            self.nodes[*elder as usize].next_sibling = id;
        }
        *elder = id;
        let in_force = self.nodes[*parent as usize].beyond;
        self.nodes.push(Node { here: in_force, beyond: in_force, ..Node::new(narrow(word), shared, len) });
        spine.push((id, NONE));
    }

    /// The node of the empty input.
    pub(super) fn root(&self) -> NodeId {
        NodeId(0)
    }

    /// The bytes that lead to the node from its parent.
    pub(super) fn bytes(&self, node: NodeId) -> &[u8] {
        let Node { word, from, to, .. } = self.nodes[node.0 as usize];
        self.words.get(word as usize).map_or(&[], |word| &word.bytes[from as usize..to as usize])
    }

    /// The atoms that hold of the node's own bytes.
    pub(super) fn here(&self, node: NodeId) -> SetId {
        self.nodes[node.0 as usize].here
    }

    /// The atoms that hold of the node's bytes and any more, as far as no child is reached.
    pub(super) fn beyond(&self, node: NodeId) -> SetId {
        self.nodes[node.0 as usize].beyond
    }

    /// The node's children, by increasing first byte.
    pub(super) fn children(&self, node: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        let mut next = self.nodes[node.0 as usize].first_child;
        std::iter::from_fn(move || {
            let child = self.nodes.get(next as usize)?;
            let id = NodeId(next);
            next = child.next_sibling;
            Some(id)
        })
    }
}

impl Node {
    fn new(word: u32, from: u32, to: u32) -> Self {
        Self {
            word,
            from,
            to,
            first_child: NONE,
            next_sibling: NONE,
            here: SetId::EMPTY,
            beyond: SetId::EMPTY,
        }
    }
}

fn narrow(index: usize) -> u32 {
    u32::try_from(index).expect("INVARIANT: literals are shorter than 4 GiB")
}
