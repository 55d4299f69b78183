//! Sets of small numbers, each kept once.

use std::hash::BuildHasher as _;

use hashbrown::{DefaultHashBuilder, HashMap, HashTable};

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
    hasher: DefaultHashBuilder,
    ids: HashTable<SetId>,
    /// The members of all sets, one set after another.
    members: Vec<u32>,
    /// Where each set ends.
    ends: Vec<usize>,
    unions: HashMap<(SetId, SetId), SetId>,
}

impl Default for Sets {
    fn default() -> Self {
        let mut sets = Self {
            hasher: DefaultHashBuilder::default(),
            ids: HashTable::new(),
            members: Vec::new(),
            ends: Vec::new(),
            unions: HashMap::default(),
        };
        sets.intern(Vec::new());
        sets
    }
}

fn get<'a>(members: &'a [u32], ends: &[usize], id: SetId) -> &'a [u32] {
    let start = id.index().checked_sub(1).map_or(0, |before| ends[before]);
    &members[start..ends[id.index()]]
}

impl Sets {
    /// The set with `members`.
    pub fn intern(&mut self, mut members: Vec<u32>) -> SetId {
        members.sort_unstable();
        members.dedup();
        self.intern_sorted(&members)
    }

    /// The set with one member.
    pub fn single(&mut self, member: u32) -> SetId {
        self.intern_sorted(&[member])
    }

    fn intern_sorted(&mut self, set: &[u32]) -> SetId {
        let Self { hasher, ids, members, ends, .. } = self;
        let hash = hasher.hash_one(set);
        if let Some(id) = ids.find(hash, |id| get(members, ends, *id) == set) {
            return *id;
        }
        let id = SetId(u32::try_from(ends.len()).expect("INVARIANT: fewer sets than set items"));
        members.extend_from_slice(set);
        ends.push(members.len());
        ids.insert_unique(hash, id, |id| hasher.hash_one(get(members, ends, *id)));
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
        get(&self.members, &self.ends, id)
    }

    /// How many sets there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none: never, the empty set is always there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// How many members all sets have together, and one for each set.
    #[must_use]
    pub fn items(&self) -> usize {
        self.members.len() + self.ends.len()
    }
}
