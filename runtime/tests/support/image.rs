//! A policy image with one rule, made by hand: the compiler is no part of this crate.

use std::path::{Path, PathBuf};

use boesfs_abi::image::{ClassId, Debug, Literal, OriginCell, Origins, Parts, RuleInfo, encode};
use boesfs_abi::layout::{ABI_VERSION, BLOB_MAGIC, FLAG_HIDES, NODE_BRANCH, NODE_CHAIN, NODE_SINK};
use boesfs_abi::op::{Op, OpSet};
use boesfs_abi::subjects::Subjects;
use boesfs_abi::verdict::{Effect, Level};

const HEADER: u32 = 128;
const CELL: usize = 64;

/// The text of the rule in images of [`denying`].
pub(crate) const RULE: &str = "p, *, path, act, deny";

/// The line of that rule.
pub(crate) const LINE: u32 = 7;

/// An image that denies `ops` at exactly `path` to everybody, and allows all else.
pub(crate) fn denying(ops: &[Op], path: &Path) -> Vec<u8> {
    let path = path.to_str().unwrap();
    let ops = OpSet::of(ops);
    let rule = RuleInfo {
        id: "no-entry",
        line: LINE,
        file: 0,
        effect: Effect::Deny,
        level: Level::Warning,
        text: RULE,
        reason: "",
    };
    let parts = Parts {
        blob: blob(ops, path.as_bytes()),
        subjects: Subjects { groups: vec![(None, None)], classes: vec![ClassId(0)], ..Subjects::default() },
        literals: vec![Literal { effect: Effect::Deny, rule: 0, path: path.into() }],
        debug: Some(Debug { rules: [rule].into_iter().collect(), origins: origins(ops, path.as_bytes()) }),
    };
    encode(&parts).unwrap()
}

/// What decides: nothing but rule 0 in cell 1.
fn origins(ops: OpSet, path: &[u8]) -> Origins {
    // The start has to be the first of these nodes.
    let mut nodes = Vec::new();
    let chain = 16 + u32::try_from(path.len().next_multiple_of(8)).unwrap();
    let (end, sink) = (chain / 8, chain / 8 + 2);
    node(&mut nodes, [0, sink, end], u16::try_from(path.len()).unwrap(), NODE_CHAIN);
    nodes.extend_from_slice(path);
    nodes.resize(nodes.len().next_multiple_of(8), 0);
    node(&mut nodes, [1, sink, 0], 0, NODE_BRANCH);
    node(&mut nodes, [0, sink, 0], 0, NODE_SINK);
    Origins {
        nodes,
        base: vec![0],
        ends: vec![0, 1],
        differences: vec![(0, 1)],
        cells: vec![OriginCell { cell: 0, deciders: 0 }, OriginCell { cell: 1, deciders: 1 }],
        deciders: vec![0, 1, ops.bits(), 0],
    }
}

/// Such an image as a file in `dir`.
pub(crate) fn denying_file(dir: &Path, ops: &[Op], path: &Path) -> PathBuf {
    let file = dir.join("policy.bin");
    std::fs::write(&file, denying(ops, path)).unwrap();
    file
}

/// A sink that allows, a chain that spells `path`, and the node at its end.
fn blob(ops: OpSet, path: &[u8]) -> Vec<u8> {
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap();
    let mut nodes = Vec::new();
    let reference = |nodes: &[u8]| (HEADER + length(nodes)) / 8;
    let sink = reference(&nodes);
    node(&mut nodes, [0, sink, 0], 0, NODE_SINK);
    let end = reference(&nodes);
    node(&mut nodes, [1, sink, 0], 0, NODE_BRANCH);
    let start = reference(&nodes);
    node(&mut nodes, [0, sink, end], u16::try_from(path.len()).unwrap(), NODE_CHAIN);
    nodes.extend_from_slice(path);
    nodes.resize(nodes.len().next_multiple_of(8), 0);

    let rows = HEADER + length(&nodes);
    let cells = rows + 8;
    let end = cells + 2 * u32::try_from(CELL).unwrap();
    let flags = if ops.contains(Op::Lookup) { FLAG_HIDES } else { 0 };
    let mut words = vec![BLOB_MAGIC, ABI_VERSION, end, flags, ops.bits(), 0, 0, 1, 0, 0, start, 0];
    words.extend([HEADER, length(&nodes), rows, 2, cells, 2]);
    words.extend([end, 0, end, 0, end, 0, 0, end]);
    words.resize(HEADER as usize / 4, 0);
    let mut blob: Vec<u8> = words.into_iter().flat_map(u32::to_le_bytes).collect();
    blob.extend(nodes);
    blob.extend([0_u32, 1].into_iter().flat_map(u32::to_le_bytes));
    blob.extend([0; CELL]);
    // deny, depend, report, and nothing else: the rest is about defaults, errnos and arguments.
    let mut cell: Vec<u8> = [ops.bits(), 0, ops.bits()].into_iter().flat_map(u32::to_le_bytes).collect();
    cell.resize(CELL, 0);
    blob.extend(cell);
    blob
}

fn node(nodes: &mut Vec<u8>, words: [u32; 3], length: u16, kind: u8) {
    nodes.extend(words.into_iter().flat_map(u32::to_le_bytes));
    nodes.extend(length.to_le_bytes());
    nodes.extend([kind, 0]);
}
