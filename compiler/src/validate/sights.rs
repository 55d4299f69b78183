//! Places that are alike for the rules and for the image: one of them answers for all.
//!
//! What is compared at a place depends on three things alone: what the rules see of its path ([`Alike`]), the blob's row
//! there, and which rule each cell of the row names. With rules told by their place among those that can match, a
//! million literal rules come to a few dozen sights, and asking about each sight once is asking about every place.

use hashbrown::HashSet;

use boesfs_abi::layout::NO_RULE;

use crate::reference::Alike;

use super::{Reached, Shared};

/// The sights met so far.
pub(super) struct Sights<'a> {
    shared: Shared<'a>,
    alike: Option<Alike<'a>>,
    /// The rules that rows name where they say nothing of their own.
    everywhere: Vec<u32>,
    met: HashSet<Box<[u32]>>,
    key: Vec<u32>,
}

/// Between the parts of a sight.
const END: u32 = u32::MAX - 1;
/// The rule that an image names can not match the path: its number follows.
const STRANGER: u32 = u32::MAX - 2;

impl<'a> Sights<'a> {
    pub(super) fn new(shared: Shared<'a>) -> Self {
        let named = shared.named;
        let mut everywhere: Vec<u32> =
            named.base().iter().flat_map(|cell| named.deciders(*cell)).map(|(_, rule)| rule).collect();
        everywhere.sort_unstable();
        everywhere.dedup();
        Self { shared, alike: Alike::new(shared.model), everywhere, met: HashSet::new(), key: Vec::new() }
    }

    /// How many rules can match at a place that is unlike all before; `None` if it is like one of them.
    pub(super) fn new_at(&mut self, at: Reached, path: &[u8]) -> Option<u64> {
        let mut rules = self.shared.index.rules_at(path);
        self.key.clear();
        match &self.alike {
            Some(alike) => alike.see(path, &mut rules, &mut self.key),
            // Where no rule can match, the rules say the same of every path.
            None if rules.is_empty() => {}
            None => return Some(rules.len() as u64),
        }
        let named = self.shared.named;
        self.key.extend([END, self.shared.image.label(at.state)]);
        self.everywhere.iter().for_each(|rule| add_rule(&mut self.key, *rule, &rules));
        for (class, cell) in named.differences(at.row) {
            self.key.extend([END, *class, named.blob_cell(*cell)]);
            for (ops, rule) in named.deciders(*cell) {
                self.key.push(ops.bits());
                add_rule(&mut self.key, rule, &rules);
            }
        }
        if self.met.contains(self.key.as_slice()) {
            return None;
        }
        self.met.insert(self.key.as_slice().into());
        Some(rules.len() as u64)
    }
}

/// Adds `rule` by its place among `rules`.
fn add_rule(key: &mut Vec<u32>, rule: u32, rules: &[usize]) {
    match rules.binary_search(&(rule as usize)) {
        _ if rule == NO_RULE => key.push(NO_RULE),
        Ok(place) => key.push(u32::try_from(place).expect("INVARIANT: rules have 32-bit numbers")),
        Err(_) => key.extend([STRANGER, rule]),
    }
}
