//! An image as text: its nodes as a listing, its rows, cells and lists.

use std::collections::{BTreeSet, HashMap};
use std::fmt::{self, Write as _};

use boesfs_abi::image::ValidImage;
use boesfs_abi::layout::{NODE_BRANCH, NODE_CHAIN, NODE_TABLE};
use boesfs_abi::op::OpSet;

use crate::automaton::{spelt_byte, spelt_ops};

use super::inspect::{Summary, nodes};
use super::place::{Decided, decided, decider, deciding, entry_words};

/// `image` as text.
#[must_use]
pub fn dump(image: &ValidImage) -> String {
    let mut out = Summary::of(image).to_string();
    write(&mut out, image).expect("INVARIANT: writing to a string succeeds");
    out
}

fn write(out: &mut String, image: &ValidImage) -> fmt::Result {
    let header = image.header();
    writeln!(out, "\nnodes (paths from {}, arguments from {}):", header.path_start, header.text_start)?;
    for (reference, node, tail) in nodes(image) {
        write!(out, "  {reference}: label {}, ", node.label)?;
        let targets = |from: usize| {
            let words = tail[from..].chunks_exact(4).take(usize::from(node.len));
            words.map(|word| u32::from_le_bytes(word.try_into().expect("INVARIANT: four bytes")))
        };
        match node.kind {
            NODE_CHAIN => {
                let bytes = &tail[..usize::from(node.len)];
                writeln!(out, "\"{}\" -> {}, else -> {}", bytes.escape_ascii(), node.next, node.other)?;
            }
            NODE_BRANCH => {
                let bytes = &tail[..usize::from(node.len)];
                for (byte, target) in bytes.iter().zip(targets(bytes.len().next_multiple_of(8))) {
                    write!(out, "{} -> {target}, ", spelt_byte(*byte))?;
                }
                writeln!(out, "else -> {}", node.other)?;
            }
            NODE_TABLE => {
                for (byte, target) in (node.low..=255).zip(targets(0)) {
                    if target != node.other {
                        write!(out, "{} -> {target}, ", spelt_byte(byte))?;
                    }
                }
                writeln!(out, "else -> {}", node.other)?;
            }
            _ => writeln!(out, "stays")?,
        }
    }
    writeln!(out, "\nrows:")?;
    let rules = rules_of_cells(image);
    for row in 0..header.row_count {
        let cells: Vec<u32> = image.classes().filter_map(|class| image.cell_number(row, class)).collect();
        let lines = lines_of(image, &rules, &cells);
        let cells: Vec<String> = cells.iter().map(u32::to_string).collect();
        writeln!(out, "  row {row}: cells {}{lines}", cells.join(" "))?;
    }
    let entries = rules_of_entries(image);
    writeln!(out, "\ncells:")?;
    for number in 0..header.cell_count {
        write_cell(out, image, number, (&rules[number as usize], &entries))?;
    }
    Ok(())
}

/// For each cell of the blob the rules that decide something in it, somewhere.
fn rules_of_cells(image: &ValidImage) -> Vec<BTreeSet<u32>> {
    let named = image.named();
    let mut rules = vec![BTreeSet::new(); image.header().cell_count as usize];
    for number in 0..named.cell_count() {
        rules[named.blob_cell(number) as usize].extend(deciding(image, number));
    }
    rules
}

/// For each entry of the blob the rules that decide by it, somewhere.
fn rules_of_entries(image: &ValidImage) -> HashMap<u32, BTreeSet<u32>> {
    let named = image.named();
    let mut rules: HashMap<u32, BTreeSet<u32>> = HashMap::new();
    for number in 0..named.cell_count() {
        let cell = named.cell(number);
        let lists = [
            (cell.first, cell.first_count),
            (cell.denies, cell.denies_count),
            (cell.allows, cell.allows_count),
        ];
        for (place, _) in lists.into_iter().flat_map(|(from, count)| image.entries(from, count)) {
            rules.entry(place).or_default().extend(named.entry_rule(number, place));
        }
    }
    rules
}

/// The lines that decide something in `cells`.
fn lines_of(image: &ValidImage, rules: &[BTreeSet<u32>], cells: &[u32]) -> String {
    let rules: BTreeSet<u32> = cells.iter().flat_map(|cell| rules[*cell as usize].iter().copied()).collect();
    spelt_lines(image, &rules)
}

/// The lines of `rules`.
fn spelt_lines(image: &ValidImage, rules: &BTreeSet<u32>) -> String {
    let Some(debug) = image.debug() else { return String::new() };
    let rules = rules.iter().copied().filter_map(|rule| debug.rules.get(rule as usize));
    let lines: Vec<String> = rules.map(|rule| rule.line.to_string()).collect();
    if lines.is_empty() { String::new() } else { format!(", lines {}", lines.join(" ")) }
}

/// How many rules are written out that decide in one cell.
const WRITTEN_OUT: usize = 3;

fn write_cell(
    out: &mut String,
    image: &ValidImage,
    number: u32,
    (rules, entries): (&BTreeSet<u32>, &HashMap<u32, BTreeSet<u32>>),
) -> fmt::Result {
    let cell = image.cell(number);
    writeln!(out, "  cell {number}:")?;
    for Decided { verdict, ops, errno, .. } in decided(image, &cell, |_| None) {
        let errno = errno.map(|errno| format!(" ({})", errno.name())).unwrap_or_default();
        writeln!(out, "    {verdict}{errno} {}", spelt_ops(ops))?;
    }
    writeln!(out, "    reports {}", spelt_ops(OpSet::from_bits(cell.report)))?;
    for (what, from, count) in [
        ("first", cell.first, cell.first_count),
        ("denied where", cell.denies, cell.denies_count),
        ("allowed where", cell.allows, cell.allows_count),
    ] {
        for (place, entry) in image.entries(from, count) {
            let lines = entries.get(&place).map(|rules| spelt_lines(image, rules)).unwrap_or_default();
            writeln!(out, "    {what} {}{lines}", entry_words(image, &entry))?;
        }
    }
    for rule in rules.iter().take(WRITTEN_OUT) {
        writeln!(out, "    {}", decider(image, Some(*rule)))?;
    }
    if let Some(more) = rules.len().checked_sub(WRITTEN_OUT + 1) {
        writeln!(out, "    and by {} more", more + 1)?;
    }
    Ok(())
}
