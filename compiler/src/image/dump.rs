//! An image as text: its nodes as a listing, its rows, cells and lists.

use std::fmt::{self, Write as _};

use boesfs_abi::image::ValidImage;
use boesfs_abi::layout::{Entry, NODE_BRANCH, NODE_CHAIN};
use boesfs_abi::op::{Op, OpSet};
use boesfs_abi::verdict::Errno;

use crate::automaton::{decided_ops, spelt_byte, spelt_ops, spelt_rule, spelt_test};
use crate::model::Shape;

use super::inspect::{Summary, nodes};

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
        let bytes = &tail[..usize::from(node.len)];
        write!(out, "  {reference}: label {}, ", node.label)?;
        match node.kind {
            NODE_CHAIN => {
                writeln!(out, "\"{}\" -> {}, else -> {}", bytes.escape_ascii(), node.next, node.other)?;
            }
            NODE_BRANCH => {
                let targets = &tail[bytes.len().next_multiple_of(8)..];
                for (byte, target) in bytes.iter().zip(targets.chunks_exact(4)) {
                    let target = u32::from_le_bytes(target.try_into().expect("INVARIANT: four bytes"));
                    write!(out, "{} -> {target}, ", spelt_byte(*byte))?;
                }
                writeln!(out, "else -> {}", node.other)?;
            }
            _ => writeln!(out, "stays")?,
        }
    }
    writeln!(out, "\nrows:")?;
    for row in 0..header.row_count {
        let at = header.rows_off as usize + row as usize * header.class_count as usize * 4;
        let cells = image.blob()[at..at + header.class_count as usize * 4].chunks_exact(4);
        let cells: Vec<String> = cells
            .map(|cell| u32::from_le_bytes(cell.try_into().expect("INVARIANT: four bytes")).to_string())
            .collect();
        writeln!(out, "  row {row}: cells {}", cells.join(" "))?;
    }
    writeln!(out, "\ncells:")?;
    for number in 0..header.cell_count {
        write_cell(out, image, number)?;
    }
    Ok(())
}

fn write_cell(out: &mut String, image: &ValidImage, number: u32) -> fmt::Result {
    let cell = image.cell(number);
    writeln!(out, "  cell {number}:")?;
    let denied = OpSet::from_bits(cell.deny);
    let shape = if image.is_boesfs() { Shape::Boesfs } else { Shape::Casbin };
    let allowed = decided_ops(shape).difference(denied).difference(OpSet::from_bits(cell.depend));
    writeln!(out, "    allows {}", spelt_ops(allowed))?;
    writeln!(out, "    denies {}", spelt_ops(denied))?;
    writeln!(out, "    denies by default {}", spelt_ops(OpSet::from_bits(cell.by_default)))?;
    writeln!(out, "    reports {}", spelt_ops(OpSet::from_bits(cell.report)))?;
    for code in 1..4u8 {
        let has = |op: &Op| {
            let bit = |mask: u32| u8::from(OpSet::from_bits(mask).contains(*op));
            bit(cell.errno_low) | bit(cell.errno_high) << 1 == code
        };
        let ops = denied.iter().filter(has).fold(OpSet::EMPTY, OpSet::with);
        if !ops.is_empty() {
            writeln!(out, "    {} for {}", Errno::from_code(code).name(), spelt_ops(ops))?;
        }
    }
    for (what, from, count) in [
        ("first", cell.first, cell.first_count),
        ("denied where", cell.denies, cell.denies_count),
        ("allowed where", cell.allows, cell.allows_count),
    ] {
        for (_, entry) in image.entries(from, count) {
            write!(out, "    {what} ")?;
            write_entry(out, image, &entry)?;
        }
    }
    Ok(())
}

fn write_entry(out: &mut String, image: &ValidImage, entry: &Entry) -> fmt::Result {
    let ops = OpSet::from_bits(entry.ops);
    write!(out, "{}", spelt_ops(ops))?;
    for test in image.tests(entry) {
        write!(out, " [{}]", spelt_test(&test, ops))?;
    }
    let verdict = if entry.deny == 1 { Errno::from_code(entry.errno).name() } else { "allow" };
    writeln!(out, ": {verdict} by {}", spelt_rule(image.entry_rule(entry).unwrap_or(entry.rule)))
}
