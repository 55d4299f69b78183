//! Cells divided into classes: those that no set of cells tells apart.

use hashbrown::HashMap;

use super::cells::CellSet;

/// Cells divided into classes, in time that goes with what sets list.
pub(super) struct Division {
    class: Vec<u32>,
    /// How many cells each class has.
    sizes: Vec<u32>,
}

impl Division {
    /// Classes of cells with one tag.
    pub(super) fn new(count: usize, tag: impl Fn(usize) -> usize) -> Self {
        let mut ids: HashMap<usize, u32> = HashMap::default();
        let mut division = Self { class: Vec::with_capacity(count), sizes: Vec::new() };
        for cell in 0..count {
            let next = narrow(ids.len());
            let class = *ids.entry(tag(cell)).or_insert(next);
            if class == next && division.sizes.len() <= class as usize {
                division.sizes.push(0);
            }
            division.sizes[class as usize] += 1;
            division.class.push(class);
        }
        division
    }

    /// Divides the classes of which `set` holds a part.
    pub(super) fn split(&mut self, set: &CellSet) {
        let mut inside: HashMap<u32, u32> = HashMap::default();
        for cell in set.listed() {
            *inside.entry(self.class[*cell as usize]).or_default() += 1;
        }
        inside.retain(|class, count| *count < self.sizes[*class as usize]);
        // What is listed of each class that is divided gets a number of its own; which one does not matter.
        for (class, count) in &mut inside {
            self.sizes[*class as usize] -= *count;
            self.sizes.push(*count);
            *count = narrow(self.sizes.len() - 1);
        }
        for cell in set.listed() {
            let class = &mut self.class[*cell as usize];
            *class = inside.get(class).copied().unwrap_or(*class);
        }
    }

    /// The class of each cell, numbered by their first cells, and how many there are.
    pub(super) fn numbered(mut self) -> (Vec<u32>, u32) {
        const NEW: u32 = u32::MAX;
        let mut number = vec![NEW; self.sizes.len()];
        let mut next = 0;
        for class in &mut self.class {
            let number = &mut number[*class as usize];
            if *number == NEW {
                *number = next;
                next += 1;
            }
            *class = *number;
        }
        (self.class, next)
    }
}

fn narrow(count: usize) -> u32 {
    u32::try_from(count).expect("INVARIANT: cells are limited below 2^32")
}
