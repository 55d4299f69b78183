//! Which rule decides where, for people: [`Compiled`]'s own automaton, beside the decisions.

use boesfs_abi::image::{OriginCell, Origins};
use boesfs_abi::layout::NO_RULE;
use boesfs_abi::op::OpSet;

use crate::automaton::{Cell, Compiled, Decisions};

use super::nodes;

/// The rules that decide in the image of `compiled`, whose cells `decisions` numbers.
pub(super) fn origins(compiled: &Compiled, decisions: &Decisions) -> Origins {
    let mut differences = Vec::new();
    let ends = compiled.rows.rows().map(|row| {
        differences.extend_from_slice(compiled.rows.differences(row));
        index(differences.len())
    });
    let ends = ends.collect();
    let mut deciders = Vec::with_capacity(compiled.cells.len() * 3);
    let cells = compiled.cells.iter().zip(&decisions.cell_of).map(|(cell, number)| {
        let at = index(deciders.len());
        let of_blob = &compiled.cells[decisions.cells[*number as usize] as usize];
        if lines(cell) == lines(of_blob) {
            add(cell, &mut deciders);
        } else {
            // No state has the cell, so its number is any: it has as many lines as the cell of that number.
            deciders.push(0);
            deciders.extend(std::iter::repeat_n(NO_RULE, lines(of_blob)));
        }
        OriginCell { cell: *number, deciders: at }
    });
    Origins {
        nodes: nodes::pack(&compiled.paths, 0),
        base: (0..compiled.class_count).map(|class| compiled.rows.base(class)).collect(),
        ends,
        differences,
        cells: cells.collect(),
        deciders,
    }
}

fn lines(cell: &Cell) -> usize {
    cell.first.len() + cell.denies.len() + cell.allows.len()
}

/// Adds what decides in `cell`: by its masks, then by its lists.
fn add(cell: &Cell, deciders: &mut Vec<u32>) {
    let at = deciders.len();
    deciders.push(0);
    let masked = OpSet::ALL.difference(cell.depend);
    for op in masked.iter() {
        let rule = cell.rules[op as usize];
        if rule == NO_RULE {
            continue;
        }
        let known = deciders[at + 1..].chunks_exact_mut(2).find(|pair| pair[1] == rule);
        match known {
            Some(pair) => pair[0] |= OpSet::of(&[op]).bits(),
            None => {
                deciders.extend([OpSet::of(&[op]).bits(), rule]);
                deciders[at] += 1;
            }
        }
    }
    let lines = cell.first.iter().chain(&cell.denies).chain(&cell.allows);
    deciders.extend(lines.map(|line| line.outcome.rule));
}

fn index(count: usize) -> u32 {
    u32::try_from(count).expect("INVARIANT: tables are limited far below 2^32")
}
