//! Whether an image can be made at all, told without making it.

use boesfs_abi::layout::{Cell, Entry, MAX_BLOB, MAX_ITEMS, PolicyHeader, Test};

use crate::automaton::Compiled;
use crate::rules::RuleSet;

use super::tables::Tables;
use super::{PackError, blob, gains, nodes};

/// Whether [`super::pack`] will find room for `compiled`, which was made from `rules`. Of nearly every policy this is
/// seen from the sizes of its parts; only one that comes near the limits is packed to find out.
///
/// # Errors
/// As [`super::pack`].
pub fn fits(compiled: &Compiled, rules: &RuleSet) -> Result<(), PackError> {
    let items = [
        compiled.rows.len().saturating_mul(compiled.class_count as usize),
        compiled.rows.len(),
        compiled.class_count as usize,
        compiled.cells.len(),
        lines(compiled).0,
        lines(compiled).1,
        compiled.texts.classes.sets().len(),
        compiled.texts.classes.count as usize,
    ];
    if most(compiled) <= MAX_BLOB as usize && items.into_iter().all(|count| count <= MAX_ITEMS as usize) {
        return Ok(());
    }
    blob(compiled, &Tables::new(compiled), rules).map(drop)
}

/// The most bytes the blob can have. INVARIANT(room): none is larger.
pub(super) fn most(compiled: &Compiled) -> usize {
    /// What padding to a multiple of 8 adds, once for each part.
    const PADDING: usize = 8 * 8;
    let texts = &compiled.texts;
    let rows = compiled.rows.len().saturating_mul(compiled.class_count as usize).saturating_mul(4);
    let (lines, tests) = lines(compiled);
    let lists = compiled.cells.iter().filter(|cell| !cell.depend.is_empty()).count();
    let sets: usize = texts.classes.sets().iter().map(|set| set.0.len() * 4).sum();
    [
        size_of::<PolicyHeader>(),
        nodes::size(&compiled.paths),
        texts.dfa.as_ref().map_or(0, nodes::size),
        rows,
        compiled.cells.len() * size_of::<Cell>(),
        lines * size_of::<Entry>(),
        tests * size_of::<Test>(),
        sets,
        gains::most_bytes(lists),
        PADDING,
    ]
    .into_iter()
    .fold(0, usize::saturating_add)
}

/// How many lines all lists have together, and how many tests these.
fn lines(compiled: &Compiled) -> (usize, usize) {
    let lists = compiled.cells.iter().flat_map(|cell| [&cell.first, &cell.denies, &cell.allows]);
    lists.flatten().fold((0, 0), |(lines, tests), line| (lines + 1, tests + line.tests.len()))
}
