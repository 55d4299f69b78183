//! Whether an image can be made at all, told without making it.

use boesfs_abi::layout::{Cell as WireCell, Entry, MAX_BLOB, MAX_ITEMS, PolicyHeader, Test};

use crate::automaton::{Cell, Compiled, Decisions, Dfa};
use crate::rules::RuleSet;

use super::{PackError, blob, gains, nodes};

/// Whether [`super::pack`] will find room for `compiled`, which was made from `rules`. Of nearly every policy this is
/// seen from the sizes of its parts; of a large one its decisions are made, and returned, and only one that comes near the
/// limits is packed to find out.
///
/// # Errors
/// As [`super::pack`].
pub fn fits(compiled: &Compiled, rules: &RuleSet) -> Result<Option<Decisions>, PackError> {
    // No automaton of decisions has more of anything.
    if Parts::named(compiled).fit(compiled) {
        return Ok(None);
    }
    let decisions = Decisions::new(compiled);
    if !Parts::of(compiled, &decisions).fit(compiled) {
        blob(compiled, &decisions, rules).map(drop)?;
    }
    Ok(Some(decisions))
}

/// What the sizes of a blob go with.
struct Parts<'a> {
    paths: &'a Dfa,
    rows: usize,
    cells: usize,
    lists: usize,
    lines: (usize, usize),
}

/// The most bytes the blob can have. INVARIANT(room): none is larger.
pub(super) fn most(compiled: &Compiled, decisions: &Decisions) -> usize {
    Parts::of(compiled, decisions).most(compiled)
}

impl<'a> Parts<'a> {
    fn named(compiled: &'a Compiled) -> Self {
        Self::new(&compiled.paths, compiled.rows.len(), compiled.cells.iter())
    }

    fn of(compiled: &Compiled, decisions: &'a Decisions) -> Self {
        let cells = decisions.cells.iter().map(|cell| &compiled.cells[*cell as usize]);
        Self::new(&decisions.paths, decisions.rows.len(), cells)
    }

    fn new<'c>(paths: &'a Dfa, rows: usize, cells: impl ExactSizeIterator<Item = &'c Cell> + Clone) -> Self {
        let lists = cells.clone().filter(|cell| !cell.depend.is_empty()).count();
        Self { paths, rows, cells: cells.len(), lists, lines: lines(cells) }
    }

    /// Whether the blob is within all limits.
    fn fit(&self, compiled: &Compiled) -> bool {
        let items = [
            self.rows.saturating_mul(compiled.class_count as usize),
            self.rows,
            compiled.class_count as usize,
            self.cells,
            self.lines.0,
            self.lines.1,
            compiled.texts.classes.sets().len(),
            compiled.texts.classes.count as usize,
        ];
        self.most(compiled) <= MAX_BLOB as usize && items.into_iter().all(|count| count <= MAX_ITEMS as usize)
    }

    fn most(&self, compiled: &Compiled) -> usize {
        /// What padding to a multiple of 8 adds, once for each part.
        const PADDING: usize = 8 * 8;
        let texts = &compiled.texts;
        let sets: usize = texts.classes.sets().iter().map(|set| set.0.len() * 4).sum();
        [
            size_of::<PolicyHeader>(),
            nodes::size(self.paths),
            texts.dfa.as_ref().map_or(0, nodes::size),
            self.rows.saturating_mul(compiled.class_count as usize).saturating_mul(4),
            self.cells * size_of::<WireCell>(),
            self.lines.0 * size_of::<Entry>(),
            self.lines.1 * size_of::<Test>(),
            sets,
            gains::most_bytes(self.lists),
            PADDING,
        ]
        .into_iter()
        .fold(0, usize::saturating_add)
    }
}

/// How many lines all lists have together, and how many tests these.
fn lines<'c>(cells: impl Iterator<Item = &'c Cell>) -> (usize, usize) {
    let lists = cells.flat_map(|cell| [&cell.first, &cell.denies, &cell.allows]);
    lists.flatten().fold((0, 0), |(lines, tests), line| (lines + 1, tests + line.tests.len()))
}
