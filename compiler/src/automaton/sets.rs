//! Sets of small numbers, each kept once.

use std::collections::HashMap;

/// Index of a set in [`Sets`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SetId(pub u32);

impl SetId {
    /// The empty set.
    pub const EMPTY: Self = Self(0);

    /// Its place in [`Sets`].
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Interned sets, as sorted lists without repetition. The first one is empty.
#[derive(Clone, Debug)]
pub struct Sets {
    ids: HashMap<Box<[u32]>, SetId>,
    sets: Vec<Box<[u32]>>,
    unions: HashMap<(SetId, SetId), SetId>,
    items: usize,
}

impl Default for Sets {
    fn default() -> Self {
        let mut sets = Self { ids: HashMap::new(), sets: Vec::new(), unions: HashMap::new(), items: 0 };
        sets.intern(Vec::new());
        sets
    }
}

impl Sets {
    /// The set with `members`.
    pub fn intern(&mut self, mut members: Vec<u32>) -> SetId {
        members.sort_unstable();
        members.dedup();
        if let Some(id) = self.ids.get(members.as_slice()) {
            return *id;
        }
        let id = SetId(u32::try_from(self.sets.len()).expect("INVARIANT: fewer sets than set items"));
        self.items += members.len() + 1;
        let members = members.into_boxed_slice();
        self.sets.push(members.clone());
        self.ids.insert(members, id);
        id
    }

    /// The set of what is in either.
    pub fn union(&mut self, a: SetId, b: SetId) -> SetId {
        if b == SetId::EMPTY || a == b {
            return a;
        }
        if a == SetId::EMPTY {
            return b;
        }
        let key = (a.min(b), a.max(b));
        if let Some(id) = self.unions.get(&key) {
            return *id;
        }
        let members = self.get(a).iter().chain(self.get(b)).copied().collect();
        let id = self.intern(members);
        self.unions.insert(key, id);
        id
    }

    /// Its members in increasing order.
    #[must_use]
    pub fn get(&self, id: SetId) -> &[u32] {
        &self.sets[id.index()]
    }

    /// How many sets there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sets.len()
    }

    /// Whether there is none: never, the empty set is always there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sets.is_empty()
    }

    /// How many members all sets have together, and one for each set.
    #[must_use]
    pub fn items(&self) -> usize {
        self.items
    }
}
