//! Places that are alike for the rules and for the image: one of them answers for all.
//!
//! What is compared at a place depends on three things alone: what the rules see of its path ([`Alike`]), the blob's row
//! there, and which rule each cell of the row names. With rules told by their place among those that can match, a
//! million literal rules come to a few dozen sights, and asking about each sight once is asking about every place.

use std::borrow::Cow;

use hashbrown::HashSet;

use boesfs_abi::layout::NO_RULE;

use crate::jobs::in_chunks;

use super::{Reached, Shared};

/// What tells sights apart.
pub(super) struct Sights<'a> {
    shared: Shared<'a>,
    /// The rules that rows name where they say nothing of their own.
    everywhere: Vec<u32>,
}

/// A place that is unlike all before it among those that were looked at together.
struct Seen {
    /// Which of them.
    number: usize,
    /// How many rules can match there.
    rules: u64,
    /// What is seen there; `None` if that is like nothing else.
    sight: Option<Box<[u32]>>,
}

/// Between the parts of a sight.
const END: u32 = u32::MAX - 1;
/// The rule that an image names can not match the path: its number follows.
const STRANGER: u32 = u32::MAX - 2;

/// Places that one thread looks at sooner than two.
const SMALL: usize = 10_000;

impl<'a> Sights<'a> {
    pub(super) fn new(shared: Shared<'a>) -> Self {
        let named = shared.named;
        let mut everywhere: Vec<u32> =
            named.base().iter().flat_map(|cell| named.deciders(*cell)).map(|(_, rule)| rule).collect();
        everywhere.sort_unstable();
        everywhere.dedup();
        Self { shared, everywhere }
    }

    /// Which of `places` are like none before them, and how many rules can match there; `met` are the sights before, to
    /// which those of `places` are added. `at` says where a place is.
    pub(super) fn new_among<T: Sync>(
        &self,
        places: &[T],
        met: &mut HashSet<Box<[u32]>>,
        at: impl Fn(&T) -> (Reached, Cow<'_, [u8]>) + Sync,
    ) -> Vec<(usize, u64)> {
        let numbered: Vec<(usize, &T)> = places.iter().enumerate().collect();
        let chunks = in_chunks(&numbered, SMALL, |places| {
            let mut key = Vec::new();
            let mut met: HashSet<Box<[u32]>> = HashSet::new();
            let mut new = Vec::new();
            for (number, place) in places {
                let (reached, path) = at(place);
                let (rules, like_others) = self.see(reached, &path, &mut key);
                if !like_others {
                    new.push(Seen { number: *number, rules, sight: None });
                } else if !met.contains(key.as_slice()) {
                    met.insert(key.as_slice().into());
                    new.push(Seen { number: *number, rules, sight: Some(key.as_slice().into()) });
                }
            }
            new
        });
        let mut unlike = |seen: Seen| {
            let new = seen.sight.is_none_or(|sight| met.insert(sight));
            new.then_some((seen.number, seen.rules))
        };
        chunks.into_iter().flatten().filter_map(&mut unlike).collect()
    }

    /// Puts what is seen at a place into `key`. Returns how many rules can match there, and whether places of which the
    /// same is seen are alike.
    fn see(&self, at: Reached, path: &[u8], key: &mut Vec<u32>) -> (u64, bool) {
        let mut rules = self.shared.index.rules_at(path);
        key.clear();
        match self.shared.alike {
            Some(alike) => alike.see(path, &mut rules, key),
            // Where no rule can match, the rules say the same of every path.
            None if rules.is_empty() => {}
            None => return (rules.len() as u64, false),
        }
        let named = self.shared.named;
        key.extend([END, self.shared.image.label(at.state)]);
        self.everywhere.iter().for_each(|rule| add_rule(key, *rule, &rules));
        for (class, cell) in named.differences(at.row) {
            key.extend([END, *class, named.blob_cell(*cell)]);
            for (ops, rule) in named.deciders(*cell) {
                key.push(ops.bits());
                add_rule(key, rule, &rules);
            }
        }
        (rules.len() as u64, true)
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
