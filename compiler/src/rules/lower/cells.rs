//! Sets of cells: a program and the domain it runs in, of as many as a policy tells apart.

use std::rc::Rc;

/// A set that is shared.
pub(super) type Cells = Rc<CellSet>;

/// A set of the numbers below a count, kept as what is in it or as what is not, whichever is less: most rules are about one
/// program of thousands, or about all but one.
///
/// INVARIANT(least): at most half of all numbers are listed; if it is just the half, those in the set are.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct CellSet {
    count: u32,
    /// Whether what is listed is left out.
    all_but: bool,
    /// In increasing order.
    listed: Vec<u32>,
}

impl CellSet {
    /// The set of these of `count` numbers, in any order.
    pub(super) fn new(count: usize, mut listed: Vec<u32>) -> Self {
        listed.sort_unstable();
        listed.dedup();
        let count = u32::try_from(count).expect("INVARIANT: cells are limited below 2^32");
        Self { count, all_but: false, listed }.least()
    }

    fn least(self) -> Self {
        let (listed, count) = (self.listed.len() * 2, self.count as usize);
        if listed < count || listed == count && !self.all_but {
            return self;
        }
        let mut listed = self.listed.iter().copied().peekable();
        let others = (0..self.count).filter(|number| listed.next_if_eq(number).is_none()).collect();
        Self { count: self.count, all_but: !self.all_but, listed: others }
    }

    /// The numbers that are told apart from all others: those in the set, or those that are not.
    pub(super) fn listed(&self) -> &[u32] {
        &self.listed
    }

    /// Whether what is [listed](Self::listed) is what is not in the set.
    pub(super) fn is_all_but(&self) -> bool {
        self.all_but
    }

    pub(super) fn is_empty(&self) -> bool {
        !self.all_but && self.listed.is_empty()
    }

    /// What is not in the set.
    pub(super) fn complement(&self) -> Self {
        Self { all_but: !self.all_but, ..self.clone() }.least()
    }

    fn lists(&self, number: &u32) -> bool {
        self.listed.binary_search(number).is_ok()
    }

    fn contains(&self, number: &u32) -> bool {
        self.lists(number) != self.all_but
    }

    /// What is in both.
    pub(super) fn intersection(&self, other: &Self) -> Self {
        let (few, many) = if self.all_but { (other, self) } else { (self, other) };
        let (all_but, listed) = if few.all_but {
            let mut listed = [few.listed.as_slice(), &many.listed].concat();
            listed.sort_unstable();
            listed.dedup();
            (true, listed)
        } else {
            (false, few.listed.iter().copied().filter(|number| many.contains(number)).collect())
        };
        Self { count: self.count, all_but, listed }.least()
    }

    pub(super) fn is_subset(&self, other: &Self) -> bool {
        match (self.all_but, other.all_but) {
            (false, _) => self.listed.iter().all(|number| other.contains(number)),
            (true, true) => other.listed.iter().all(|number| self.lists(number)),
            // What lists the least of itself and all others is no subset of less than that.
            (true, false) => self.intersection(other) == *self,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::CellSet;

    fn members(set: &CellSet) -> BTreeSet<u32> {
        (0..set.count).filter(|number| set.contains(number)).collect()
    }

    #[test]
    fn sets_are_what_they_are_made_of() {
        const COUNT: u32 = 6;
        let of_bits = |bits: u32| (0..COUNT).filter(|number| bits >> number & 1 == 1).collect::<Vec<u32>>();
        let sets: Vec<CellSet> =
            (0..1 << COUNT).map(|bits| CellSet::new(COUNT as usize, of_bits(bits))).collect();
        for (bits, set) in (0..1u32 << COUNT).zip(&sets) {
            assert_eq!(members(set), of_bits(bits).into_iter().collect());
            assert_eq!(set.is_empty(), bits == 0);
            assert_eq!(set.complement(), sets[(!bits & 63) as usize]);
            for (others, other) in (0..1u32 << COUNT).zip(&sets) {
                assert_eq!(set.intersection(other), sets[(bits & others) as usize]);
                assert_eq!(set.is_subset(other), bits & !others == 0);
            }
        }
    }
}
