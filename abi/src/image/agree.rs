//! Whether what names rules speaks of the cells that decide: both automata side by side, over every input.
//!
//! The one that names rules tells apart all that the one that decides does, so each of its states goes with one state of
//! the other, and looking at each once is enough.

use std::collections::{HashMap, HashSet};

use super::view::{NodeView, State, bytes};
use super::{ClassId, Origins};
use crate::layout::{MAX_CHAIN, NODE_CHAIN, PolicyHeader};

/// Whether at every path, for every class, the cell that `origins` names is the one that decides in `blob`.
pub(super) fn agree(blob: &[u8], header: &PolicyHeader, origins: &Origins) -> bool {
    let mut walk = Walk {
        blob,
        header,
        origins,
        // A node has 16 bytes at least, two units of a reference.
        states: vec![NONE; origins.nodes.len() / 16 + 1],
        todo: Vec::new(),
        rows: HashSet::new(),
        unlike_base: HashMap::new(),
    };
    if !walk.meet(0, State { node: header.path_start, inside: 0 }) {
        return false;
    }
    while let Some(node) = walk.todo.pop() {
        if !walk.node(node) {
            return false;
        }
    }
    true
}

/// No state: a chain is shorter.
const NONE: State = State { node: u32::MAX, inside: MAX_CHAIN + 1 };

struct Walk<'a> {
    blob: &'a [u8],
    header: &'a PolicyHeader,
    origins: &'a Origins,
    /// For each node that names rules the state that decides where its first state is.
    states: Vec<State>,
    todo: Vec<u32>,
    /// Pairs of rows that name the same cells.
    rows: HashSet<(u32, u32)>,
    /// For each row of the blob the classes whose cells are not those of the base row.
    unlike_base: HashMap<u32, Vec<u32>>,
}

impl Walk<'_> {
    /// Notes that some input leads to both; `false` if another led the node elsewhere.
    fn meet(&mut self, node: u32, state: State) -> bool {
        let known = &mut self.states[node as usize / 2];
        if *known == NONE {
            *known = state;
            self.todo.push(node);
        }
        *known == state
    }

    /// Looks at all states of a node.
    fn node(&mut self, reference: u32) -> bool {
        let mut state = self.states[reference as usize / 2];
        let view = NodeView::new(&self.origins.nodes, reference);
        let other = view.node.other;
        if view.node.kind != NODE_CHAIN {
            let (own, _) = view.ways(0);
            return self.rows_agree(view.node.label, state)
                && self.ways_agree(
                    own.into_iter().map(|(byte, to)| (byte, to.node)).collect(),
                    other,
                    state,
                );
        }
        let chain = view.chain();
        for (inside, byte) in chain.iter().enumerate() {
            if !self.rows_agree(view.node.label, state) {
                return false;
            }
            let deciding = NodeView::new(self.blob, state.node);
            let own = deciding.chain().get(state.inside as usize);
            let next = deciding.after(state.inside, *byte);
            let last = inside + 1 == chain.len();
            let agree = if own == Some(byte) {
                self.meet(other, State { node: deciding.node.other, inside: 0 })
            } else {
                // Of this byte the chain itself says where it leads.
                let (own, default) = deciding.ways(state.inside);
                own.into_iter().filter(|(listed, _)| listed != byte).all(|(_, to)| self.meet(other, to))
                    && self.meet(other, default)
            };
            if !agree || last && !self.meet(view.node.next, next) {
                return false;
            }
            state = next;
        }
        true
    }

    /// Whether bytes lead to nodes and states that go together.
    fn ways_agree(&mut self, own: Vec<(u8, u32)>, other: u32, state: State) -> bool {
        let deciding = NodeView::new(self.blob, state.node);
        let (theirs, default) = deciding.ways(state.inside);
        let listed = |byte: u8| own.binary_search_by_key(&byte, |(byte, _)| *byte).is_ok();
        let unlisted = theirs.iter().filter(|(byte, _)| !listed(*byte));
        let all = own.len() + unlisted.clone().count();
        unlisted.map(|(_, to)| *to).collect::<Vec<_>>().into_iter().all(|to| self.meet(other, to))
            && own.iter().all(|(byte, to)| self.meet(*to, deciding.after(state.inside, *byte)))
            && (all == 256 || self.meet(other, default))
    }

    /// Whether a row names the cells that decide in `state`.
    fn rows_agree(&mut self, row: u32, state: State) -> bool {
        let deciding = NodeView::new(self.blob, state.node).node.label;
        if self.rows.contains(&(row, deciding)) {
            return true;
        }
        let (header, origins) = (self.header, self.origins);
        let cell = |class: u32| {
            let at = deciding as usize * header.class_count as usize + class as usize;
            u32::from_le_bytes(bytes(self.blob, header.rows_off as usize + at * 4))
        };
        let named = |number: u32| origins.cells[number as usize].cell;
        let unlike = self.unlike_base.entry(deciding).or_insert_with(|| {
            let classes = (0u32..).zip(&origins.base);
            classes.filter(|(class, base)| named(**base) != cell(*class)).map(|(class, _)| class).collect()
        });
        let differences = origins.differences(row);
        let agree = differences.iter().all(|(class, number)| named(*number) == cell(*class))
            && unlike.len() <= differences.len()
            && unlike
                .iter()
                .all(|class| origins.cell_number(row, ClassId(*class)).map(named) == Some(cell(*class)));
        if agree {
            self.rows.insert((row, deciding));
        }
        agree
    }
}
