//! Cells and what they name: lists, tests and text sets, each kept once.

use hashbrown::HashMap;

use boesfs_abi::layout::{CONDITION_ANY_BIT, CONDITION_TEXT, Cell as WireCell, Entry, NO_RULE, Test};
use boesfs_abi::op::{Access, MAX_ARGS, OPEN_PATH, Op, OpSet};

use crate::automaton::{Cell, Compiled, Decisions, FieldBox, Line, TextSet};

use super::gains::{self, ListKey};

/// The tables of an image.
#[derive(Debug, Default)]
pub(super) struct Tables {
    pub(super) cells: Vec<WireCell>,
    pub(super) entries: Vec<Entry>,
    pub(super) tests: Vec<Test>,
    pub(super) sets: Vec<TextSet>,
    pub(super) gains: Vec<u32>,
    pub(super) list_count: u32,
    /// Operations one of whose arguments some test looks at.
    pub(super) tests_args: OpSet,
}

/// What was stored already, and where.
#[derive(Default)]
struct Stored {
    /// By which of a cell's lists they are: so that an entry's number says in which of them it stands.
    lists: HashMap<(List, Vec<Entry>), (u32, u32)>,
    tests: HashMap<Vec<Test>, (u32, u32)>,
    sets: HashMap<u32, u32>,
    numbers: HashMap<ListKey, u32>,
}

/// Which of a cell's lists.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum List {
    First,
    Denies,
    Allows,
}

impl Tables {
    pub(super) fn new(compiled: &Compiled, decisions: &Decisions) -> Self {
        let mut tables = Self::default();
        let mut stored = Stored::default();
        let mut lists: Vec<&Cell> = Vec::new();
        for cell in decisions.cells.iter().map(|cell| &compiled.cells[*cell as usize]) {
            let mut list = 0;
            if !cell.depend.is_empty() {
                let next = index(lists.len() + 1);
                list = *stored.numbers.entry(gains::key(cell)).or_insert(next);
                if list == next {
                    lists.push(cell);
                }
            }
            let wire = tables.cell(cell, list, compiled, &mut stored);
            tables.cells.push(wire);
        }
        if !lists.is_empty()
            && let Some(gains) = gains::table(&lists, &compiled.texts.classes)
        {
            tables.gains = gains;
            tables.list_count = index(lists.len() + 1);
        }
        tables
    }

    fn cell(&mut self, cell: &Cell, list: u32, compiled: &Compiled, stored: &mut Stored) -> WireCell {
        let (first, first_count) = self.list((List::First, &cell.first), compiled, stored);
        let (denies, denies_count) = self.list((List::Denies, &cell.denies), compiled, stored);
        let (allows, allows_count) = self.list((List::Allows, &cell.allows), compiled, stored);
        WireCell {
            deny: cell.deny.bits(),
            depend: cell.depend.bits(),
            report: cell.report.bits(),
            by_default: cell.by_default.bits(),
            errno_low: cell.errno_low.bits(),
            errno_high: cell.errno_high.bits(),
            first,
            first_count,
            denies,
            denies_count,
            allows,
            allows_count,
            list,
            reserved: 0,
            reserved2: 0,
        }
    }

    fn list(
        &mut self,
        (list, lines): (List, &[Line]),
        compiled: &Compiled,
        stored: &mut Stored,
    ) -> (u32, u32) {
        let entries: Vec<Entry> = lines
            .iter()
            .map(|line| {
                let (tests, test_count) = self.tests(line, compiled, stored);
                Entry {
                    ops: line.ops.bits(),
                    tests,
                    test_count,
                    by_default: u32::from(line.outcome.rule == NO_RULE),
                    deny: line.outcome.deny.into(),
                    errno: line.outcome.errno,
                    report: line.outcome.report.into(),
                    gives: gives(line, compiled),
                    reserved2: 0,
                }
            })
            .collect();
        if entries.is_empty() {
            return (0, 0);
        }
        let (from, all) = (self.entries.len(), &mut self.entries);
        *stored.lists.entry((list, entries)).or_insert_with_key(|(_, entries)| {
            all.extend_from_slice(entries);
            (index(from), index(entries.len()))
        })
    }

    fn tests(&mut self, line: &Line, compiled: &Compiled, stored: &mut Stored) -> (u32, u32) {
        let mut tests = line.tests.clone();
        for test in &mut tests {
            if usize::from(test.field) < MAX_ARGS {
                self.tests_args = self.tests_args.union(line.ops);
            }
            if test.condition == CONDITION_TEXT {
                let sets = &mut self.sets;
                test.set = *stored.sets.entry(test.set).or_insert_with_key(|set| {
                    sets.push(compiled.texts.classes.sets()[*set as usize].clone());
                    index(sets.len() - 1)
                });
            }
        }
        if tests.is_empty() {
            return (0, 0);
        }
        let (from, all) = (self.tests.len(), &mut self.tests);
        *stored.tests.entry(tests).or_insert_with_key(|tests| {
            all.extend_from_slice(tests);
            (index(from), index(tests.len()))
        })
    }
}

fn index(count: usize) -> u32 {
    u32::try_from(count).expect("INVARIANT: tables are limited far below 2^32")
}

/// What an `open` that `line` allows can be for.
fn gives(line: &Line, compiled: &Compiled) -> u8 {
    if line.outcome.deny || !line.ops.contains(Op::Open) {
        return 0;
    }
    let texts = &compiled.texts.classes;
    let Some(allowed) = FieldBox::default().with_all(&line.tests, Op::Open, texts) else { return 0 };
    let bits = |mask: u64, holds: bool| Test {
        a: mask,
        b: 0,
        set: 0,
        field: 0,
        condition: CONDITION_ANY_BIT,
        holds: holds.into(),
        reserved: 0,
    };
    let opened = bits(OPEN_PATH, false);
    let can = |access: Access| match access {
        Access::Any => true,
        Access::Use => allowed.with(&opened, Op::Open, texts).is_some(),
        // Not to write only, or both.
        Access::Read => [bits(1, false), bits(2, true)]
            .into_iter()
            .any(|mode| allowed.with_all(&[opened, mode], Op::Open, texts).is_some()),
        Access::Write => allowed.with_all(&[opened, bits(3, true)], Op::Open, texts).is_some(),
    };
    Access::ALL.into_iter().filter(|access| can(*access)).fold(0, |gives, access| gives | access as u8)
}
