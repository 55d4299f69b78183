//! Rows by what they differ in.

use std::hash::BuildHasher as _;

use hashbrown::{DefaultHashBuilder, HashTable};

/// A cell number for each row and class. A row is kept as the classes whose cells are not those of a base row.
#[derive(Clone, Debug, Default)]
pub struct RowTable {
    base: Vec<u32>,
    /// Where the differences of each row end.
    ends: Vec<usize>,
    /// (class, cell), by class.
    differences: Vec<(u32, u32)>,
    hasher: DefaultHashBuilder,
    known: HashTable<u32>,
}

fn differences<'t>(all: &'t [(u32, u32)], ends: &[usize], row: u32) -> &'t [(u32, u32)] {
    let row = row as usize;
    let start = row.checked_sub(1).map_or(0, |before| ends[before]);
    &all[start..ends[row]]
}

impl RowTable {
    /// No rows yet, to differ from `base`.
    #[must_use]
    pub(super) fn over(base: Vec<u32>) -> Self {
        Self { base, ..Self::default() }
    }

    /// The number of the row with these differences, in increasing order of classes, none of which is none.
    pub(super) fn add(&mut self, row: &[(u32, u32)]) -> u32 {
        let Self { ends, differences: all, hasher, known, .. } = self;
        let hash = hasher.hash_one(row);
        if let Some(id) = known.find(hash, |id| differences(all, ends, *id) == row) {
            return *id;
        }
        let id = u32::try_from(ends.len()).expect("INVARIANT: fewer rows than states");
        all.extend_from_slice(row);
        ends.push(all.len());
        known.insert_unique(hash, id, |id| hasher.hash_one(differences(all, ends, *id)));
        id
    }

    /// The cell of `class` in rows that say nothing else of it.
    pub(crate) fn base(&self, class: u32) -> u32 {
        self.base[class as usize]
    }

    /// How many cell numbers are kept.
    pub(super) fn stored(&self) -> usize {
        self.base.len() + self.differences.len()
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The cell of `class` in `row`.
    #[must_use]
    pub fn cell(&self, row: u32, class: u32) -> u32 {
        let row = self.differences(row);
        match row.binary_search_by_key(&class, |(class, _)| *class) {
            Ok(found) => row[found].1,
            Err(_) => self.base[class as usize],
        }
    }

    /// Where `row` has other cells than most rows: class and cell, by class.
    #[must_use]
    pub fn differences(&self, row: u32) -> &[(u32, u32)] {
        differences(&self.differences, &self.ends, row)
    }

    /// The cells of `row`, class by class.
    pub fn row(&self, row: u32) -> impl Iterator<Item = u32> + '_ {
        let mut differences = self.differences(row).iter().peekable();
        (0u32..).zip(&self.base).map(move |(class, base)| {
            differences.next_if(|next| next.0 == class).map_or(*base, |(_, cell)| *cell)
        })
    }

    /// The numbers of all rows.
    pub fn rows(&self) -> impl Iterator<Item = u32> + use<> {
        (0u32..).take(self.ends.len())
    }

    /// The table with two rows in each other's place, to show that a wrong table is found.
    #[must_use]
    pub fn with_swapped(&self, a: u32, b: u32) -> Self {
        let order = self.rows().map(|row| {
            if row == a {
                b
            } else if row == b {
                a
            } else {
                row
            }
        });
        self.reordered(order)
    }

    /// The rows in `order`, and no others.
    fn reordered(&self, order: impl Iterator<Item = u32>) -> Self {
        let mut table = Self::over(self.base.clone());
        for row in order {
            table.differences.extend_from_slice(self.differences(row));
            table.ends.push(table.differences.len());
        }
        table
    }

    /// The rows in `order` with the cells numbered as they come, row by row and class by class. Returns the old numbers
    /// of the cells. Cells that no row has are left out; their place in the base is taken by the first.
    pub(super) fn renumbered(&self, order: &[u32], cells: usize) -> (Self, Vec<u32>) {
        const NEW: u32 = u32::MAX;
        let mut table = self.reordered(order.iter().copied());
        let mut number = vec![NEW; cells];
        let mut old = Vec::new();
        let mut numbered = |cell: u32| {
            let number = &mut number[cell as usize];
            if *number == NEW {
                *number = u32::try_from(old.len()).expect("INVARIANT: cells are limited below 2^32");
                old.push(cell);
            }
            *number
        };
        // Classes of whose base cell no row has been seen yet.
        let mut open: Vec<u32> = (0u32..).take(self.base.len()).collect();
        let mut base = vec![0; self.base.len()];
        let mut start = 0;
        for end in &table.ends {
            let mut still_open = Vec::new();
            let mut waiting = open.iter().copied().peekable();
            for (class, cell) in &mut table.differences[start..*end] {
                while let Some(before) = waiting.next_if(|next| next < class) {
                    base[before as usize] = numbered(self.base[before as usize]);
                }
                still_open.extend(waiting.next_if(|next| next == class));
                *cell = numbered(*cell);
            }
            for class in waiting {
                base[class as usize] = numbered(self.base[class as usize]);
            }
            open = still_open;
            start = *end;
        }
        table.base = base;
        (table, old)
    }
}
