//! Whether the tests, entries and cells of a blob fit each other.
//!
//! Of a table, two cells or entries name the same part or parts that have nothing in common, and together all of it. So
//! each line is looked at once, however many name it.

use std::mem::size_of;

use super::ImageError;
use super::view::read;
use crate::layout::{
    CONDITION_ANY_BIT, CONDITION_BETWEEN, CONDITION_KIND, CONDITION_TEXT, Cell, Entry, FIELD_COUNT,
    FIELD_GID, FIELD_KIND, FIELD_UID, FLAG_HIDES, PolicyHeader, Test,
};
use crate::op::{ArgType, MAX_ARGS, Op, OpSet};

fn malformed(what: &'static str) -> ImageError {
    ImageError::Malformed(what)
}

/// Checks the tests, entries and cells of a blob, whose tables lie within it.
///
/// # Errors
/// [`ImageError::Malformed`].
pub(super) fn check_lists(blob: &[u8], header: &PolicyHeader) -> Result<(), ImageError> {
    let tests = check_tests(blob, header)?;
    let entries = check_entries(blob, header, &tests)?;
    check_cells(blob, header, &entries)
}

/// The parts of a table.
struct Parts {
    /// The length of the part that begins at a line; 0 if none does.
    lengths: Vec<u32>,
}

impl Parts {
    fn of(count: u32) -> Self {
        Self { lengths: vec![0; count as usize] }
    }

    /// Notes the part of `count` lines from `from` on; `None` if there is none, or one of another length.
    fn name(&mut self, from: u32, count: u32) -> Option<()> {
        if count == 0 {
            return (from == 0).then_some(());
        }
        let end = from.checked_add(count)?;
        let known = self.lengths.get_mut(from as usize).filter(|known| **known == 0 || **known == count)?;
        *known = count;
        (end as usize <= self.lengths.len()).then_some(())
    }

    /// The parts in their order; `None` if they do not lie one behind the other over the whole table.
    fn in_order(&self) -> Option<Vec<(usize, usize)>> {
        let mut end = 0;
        let begun = self.lengths.iter().enumerate().filter(|(_, length)| **length > 0);
        let parts = begun.map(|(at, length)| {
            let start = std::mem::replace(&mut end, at + *length as usize);
            (start == at).then_some((at, at + *length as usize))
        });
        let parts: Vec<_> = parts.collect::<Option<_>>()?;
        (end == self.lengths.len()).then_some(parts)
    }
}

/// For each test the operations that have its field, with values of the type it is about.
fn check_tests(blob: &[u8], header: &PolicyHeader) -> Result<Vec<OpSet>, ImageError> {
    let mut fitting = Vec::with_capacity(header.test_count as usize);
    for index in 0..header.test_count as usize {
        let test: Test = read(blob, header.tests_off as usize + index * size_of::<Test>());
        let fits = match test.condition {
            CONDITION_BETWEEN => test.a <= test.b && test.set == 0 && test.field != FIELD_KIND,
            CONDITION_ANY_BIT => test.b == 0 && test.set == 0 && test.field != FIELD_KIND,
            CONDITION_TEXT => {
                test.a == 0
                    && test.b == 0
                    && test.set < header.set_count
                    && header.text_start != 0
                    && (test.field as usize) < MAX_ARGS
            }
            CONDITION_KIND => test.b == 0 && test.set == 0 && test.a < 128 && test.field == FIELD_KIND,
            _ => false,
        };
        if !fits || test.field >= FIELD_COUNT || test.holds > 1 || test.reserved != 0 {
            return Err(malformed("a test"));
        }
        fitting.push(OpSet::ALL.iter().filter(|op| has_field(*op, &test)).fold(OpSet::EMPTY, OpSet::with));
    }
    Ok(fitting)
}

/// Whether requests of `op` have the field of `test`, and it is a text if the test is about a text.
fn has_field(op: Op, test: &Test) -> bool {
    if [FIELD_UID, FIELD_GID, FIELD_KIND].contains(&test.field) {
        return true;
    }
    let Some(spec) = op.spec().args.get(test.field as usize) else { return false };
    match spec.ty {
        ArgType::Unsigned | ArgType::Signed => test.condition != CONDITION_TEXT,
        ArgType::Path | ArgType::Text => test.condition == CONDITION_TEXT,
    }
}

/// What counts of an entry where cells name it.
struct Named {
    ops: u32,
    deny: bool,
    tested: bool,
}

fn check_entries(blob: &[u8], header: &PolicyHeader, tests: &[OpSet]) -> Result<Vec<Named>, ImageError> {
    let entry =
        |index: usize| -> Entry { read(blob, header.entries_off as usize + index * size_of::<Entry>()) };
    let mut parts = Parts::of(header.test_count);
    for index in 0..header.entry_count as usize {
        let entry = entry(index);
        if entry.ops & !OpSet::ALL.bits() != 0
            || entry.deny > 1
            || entry.errno > 3
            || entry.report > 1
            || entry.by_default > 1
            || (entry.gives > 15 || entry.deny == 1 && entry.gives != 0)
            || entry.reserved2 != 0
            || parts.name(entry.tests, entry.test_count).is_none()
        {
            return Err(malformed("an entry"));
        }
    }
    // For each part, where it begins: the operations that have all of its fields.
    let mut fitting = vec![OpSet::ALL; tests.len()];
    for (from, to) in parts.in_order().ok_or(malformed("tests that no entry names, or two name in part"))? {
        fitting[from] = tests[from..to].iter().fold(OpSet::ALL, |all, ops| all.intersection(*ops));
    }
    let named = (0..header.entry_count as usize).map(entry).map(|entry| {
        let fits = entry.test_count == 0 || entry.ops & !fitting[entry.tests as usize].bits() == 0;
        let named = Named { ops: entry.ops, deny: entry.deny == 1, tested: entry.test_count > 0 };
        fits.then_some(named).ok_or(malformed("a test of a field that an operation does not have"))
    });
    named.collect()
}

/// Which of a cell's lists.
#[derive(Clone, Copy, PartialEq, Eq)]
enum List {
    First,
    Denies,
    Allows,
}

fn check_cells(blob: &[u8], header: &PolicyHeader, entries: &[Named]) -> Result<(), ImageError> {
    let cell = |index: usize| -> Cell { read(blob, header.cells_off as usize + index * size_of::<Cell>()) };
    let lookup = OpSet::of(&[Op::Lookup, Op::Lookup2]).bits();
    let mut parts = Parts::of(header.entry_count);
    // For each part, where it begins: which list it is.
    let mut lists = vec![None; entries.len()];
    for index in 0..header.cell_count as usize {
        let cell = cell(index);
        let masks =
            cell.deny | cell.depend | cell.report | cell.by_default | cell.errno_low | cell.errno_high;
        if masks & !OpSet::ALL.bits() != 0
            || cell.deny & cell.depend != 0
            || cell.by_default & !cell.deny != 0
            || cell.reserved != 0
            || cell.reserved2 != 0
            // Without a table, lists are still told apart.
            || (cell.list >= header.list_count && header.list_count != 0)
        {
            return Err(malformed("a cell"));
        }
        if (cell.deny | cell.depend) & !header.may_deny != 0 || cell.depend & !header.may_depend != 0 {
            return Err(malformed("a cell denies what the header says is never denied"));
        }
        if (cell.deny | cell.depend) & lookup != 0 && header.flags & FLAG_HIDES == 0 {
            return Err(malformed("a cell hides, and the header says that none does"));
        }
        for (list, from, count) in [
            (List::First, cell.first, cell.first_count),
            (List::Denies, cell.denies, cell.denies_count),
            (List::Allows, cell.allows, cell.allows_count),
        ] {
            parts.name(from, count).ok_or(malformed("a cell names an entry that is not there"))?;
            if count > 0 && *lists[from as usize].get_or_insert(list) != list {
                return Err(malformed("a list that is two"));
            }
        }
    }
    // For each part, where it begins: the operations that it decides of every request.
    let mut total = vec![0; entries.len()];
    for (from, to) in parts.in_order().ok_or(malformed("entries that no cell names, or two name in part"))? {
        let fits = entries[from..to].iter().all(|entry| match lists[from] {
            Some(List::Denies) => entry.deny,
            Some(List::Allows) => !entry.deny,
            Some(List::First) | None => true,
        });
        if !fits {
            return Err(malformed("a box of what is not so"));
        }
        let untested = entries[from..to].iter().filter(|entry| !entry.tested);
        total[from] = untested.fold(0, |ops, entry| ops | entry.ops);
    }
    for index in 0..header.cell_count as usize {
        let cell = cell(index);
        let decided = if cell.first_count == 0 { 0 } else { total[cell.first as usize] };
        if cell.depend & !decided != 0 {
            return Err(malformed("a list that leaves a request undecided"));
        }
    }
    Ok(())
}
