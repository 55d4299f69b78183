//! Structures of [`boesfs_abi::layout`] to bytes, in the order of their fields.

use boesfs_abi::layout::{Cell, Entry, Node, PolicyHeader, Test};

/// Bytes under construction.
#[derive(Debug, Default)]
pub(super) struct Bytes(pub(super) Vec<u8>);

macro_rules! put {
    ($bytes:expr, $($value:expr),* $(,)?) => { $($bytes.0.extend_from_slice(&$value.to_le_bytes());)* };
}

impl Bytes {
    pub(super) fn words(&mut self, words: impl IntoIterator<Item = u32>) {
        for word in words {
            put!(self, word);
        }
    }

    pub(super) fn align(&mut self) {
        self.0.resize(self.0.len().next_multiple_of(8), 0);
    }

    pub(super) fn node(&mut self, n: &Node) {
        put!(self, n.label, n.other, n.next, n.len, n.kind, n.low);
    }

    pub(super) fn cell(&mut self, c: &Cell) {
        put!(self, c.deny, c.depend, c.report, c.by_default, c.errno_low, c.errno_high);
        put!(self, c.first, c.first_count, c.denies, c.denies_count, c.allows, c.allows_count);
        put!(self, c.list, c.reserved, c.reserved2);
    }

    pub(super) fn entry(&mut self, e: &Entry) {
        put!(
            self,
            e.ops,
            e.tests,
            e.test_count,
            e.by_default,
            e.deny,
            e.errno,
            e.report,
            e.gives,
            e.reserved2
        );
    }

    pub(super) fn test(&mut self, t: &Test) {
        put!(self, t.a, t.b, t.set, t.field, t.condition, t.holds, t.reserved);
    }

    pub(super) fn header(&mut self, h: &PolicyHeader) {
        put!(self, h.magic, h.version, h.blob_len, h.flags, h.may_deny, h.may_depend, h.tests_args);
        put!(self, h.class_count, h.kill_after, h.path_start, h.text_start, h.nodes_off, h.nodes_len);
        put!(self, h.rows_off, h.row_count, h.cells_off, h.cell_count, h.entries_off, h.entry_count);
        put!(self, h.tests_off, h.test_count, h.sets_off, h.set_count, h.text_count, h.gains_off);
        put!(self, h.list_count, h.accepted, h.reserved2[0], h.reserved2[1]);
    }
}
