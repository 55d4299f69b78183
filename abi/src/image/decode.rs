//! The only way in: bytes of unknown origin to a [`ValidImage`].

use std::mem::size_of;

use super::agree::agree;
use super::encode::{decode_literals, decode_subjects, digests};
use super::lists::check_lists;
use super::packed::unpack;
use super::signature::signed;
use super::view::{NodeView, ValidImage};
use super::{Debug, HEADER_LEN, MAGIC, Reader, SECTION_LEN, SectionKind, VERSION};
use crate::layout::{
    ABI_VERSION, BLOB_MAGIC, Cell, Entry, FLAGS, MAX_BLOB, MAX_BRANCH, MAX_CHAIN, MAX_ITEMS, NODE_BRANCH,
    NODE_CHAIN, NODE_SINK, NODE_TABLE, Node, PolicyHeader, Test, fingerprint,
};
use crate::op::OpSet;

/// Why bytes are not an image that can be used here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// It ends too early.
    #[error("image is truncated: {have} bytes, {want} needed")]
    Truncated {
        /// Bytes there are.
        have: u64,
        /// Bytes there should be.
        want: u64,
    },
    /// It goes on after its end.
    #[error("image has {0} bytes after its end")]
    Trailing(u64),
    /// It is something else.
    #[error("not a policy image")]
    Magic,
    /// Another format.
    #[error("image format {0} is not supported, only format {VERSION}")]
    Version(u32),
    /// The same format on a machine of another kind.
    #[error("image has its numbers in big-endian order, only little-endian ones are read")]
    ByteOrder,
    /// Built for other tables.
    #[error(
        "image was built for another operation table or layout ({have:#010x}, this is {want:#010x}): build it again"
    )]
    Fingerprint {
        /// The image's.
        have: u32,
        /// Ours.
        want: u32,
    },
    /// The content is not what the hash says.
    #[error("image is damaged: the {0} do not match their hash")]
    Hash(&'static str),
    /// What is signed is not what is there.
    #[error("image is damaged or forged: its signature is not by the key it names")]
    Signature,
    /// A table or index is wrong.
    #[error("image is inconsistent: {0}")]
    Malformed(&'static str),
}

fn malformed(what: &'static str) -> ImageError {
    ImageError::Malformed(what)
}

/// Checks everything: afterwards no walk can leave a table.
///
/// # Errors
/// [`ImageError`], for the first thing found wrong.
pub fn decode(file: &[u8]) -> Result<ValidImage, ImageError> {
    let sections = sections(file)?;
    let section = |kind| sections.iter().find(|(have, _)| *have == kind).map(|(_, bytes)| *bytes);
    let signed = signed(&file[..HEADER_LEN], section(SectionKind::Release), section(SectionKind::Signature))?;
    let blob = section(SectionKind::Blob).ok_or(malformed("no blob"))?;
    let header = check_blob(blob)?;
    let subjects = section(SectionKind::Subjects)
        .and_then(|bytes| decode_subjects(bytes, header.class_count))
        .ok_or(malformed("subjects"))?;
    let literals = section(SectionKind::Literals)
        .and_then(unpack)
        .and_then(|bytes| decode_literals(&bytes))
        .ok_or(malformed("literals"))?;
    let cells: Vec<Cell> = (0..header.cell_count as usize).map(|index| cell(blob, &header, index)).collect();
    let debug = match section(SectionKind::Debug) {
        Some(bytes) => Some(
            unpack(bytes)
                .and_then(|bytes| Debug::decode(&bytes, header.class_count, &cells))
                .ok_or(malformed("debug section"))?,
        ),
        None => None,
    };
    if debug.as_ref().is_some_and(|debug| !agree(blob, &header, &debug.origins)) {
        return Err(malformed("the debug section speaks of other decisions"));
    }
    let id = super::view::bytes(file, 32);
    Ok(ValidImage::new(blob.to_vec(), header, id, subjects, literals, debug, signed))
}

/// The sections of a file whose container is sound and whose hashes hold.
///
/// # Errors
/// As [`decode`].
pub(super) fn sections(file: &[u8]) -> Result<Vec<(SectionKind, &[u8])>, ImageError> {
    let truncated = |want: u64| ImageError::Truncated { have: file.len() as u64, want };
    if !MAGIC.starts_with(&file[..file.len().min(MAGIC.len())]) {
        return Err(ImageError::Magic);
    }
    if file.len() < HEADER_LEN {
        return Err(truncated(HEADER_LEN as u64));
    }
    let u32_at = |at: usize| Reader(&file[at..]).number().expect("INVARIANT: within the header");
    let u64_at = |at: usize| u64::from(u32_at(at)) | u64::from(u32_at(at + 4)) << 32;
    if u32_at(8).swap_bytes() == VERSION {
        return Err(ImageError::ByteOrder);
    }
    if u32_at(8) != VERSION {
        return Err(ImageError::Version(u32_at(8)));
    }
    if u32_at(12) != fingerprint() {
        return Err(ImageError::Fingerprint { have: u32_at(12), want: fingerprint() });
    }
    let len = u64_at(16);
    if len > file.len() as u64 {
        return Err(truncated(len));
    }
    if len < file.len() as u64 {
        return Err(ImageError::Trailing(file.len() as u64 - len));
    }
    let count = u32_at(24) as usize;
    if count > SectionKind::ALL.len() || u32_at(28) != 0 {
        return Err(malformed("section count"));
    }
    let mut at = HEADER_LEN + count * SECTION_LEN;
    if file.len() < at {
        return Err(truncated(at as u64));
    }
    let mut sections = Vec::with_capacity(count);
    for index in 0..count {
        let line = HEADER_LEN + index * SECTION_LEN;
        let kind = SectionKind::ALL
            .into_iter()
            .find(|kind| *kind as u32 == u32_at(line))
            .ok_or(malformed("unknown section"))?;
        if sections.iter().any(|(have, _)| *have == kind) {
            return Err(malformed("a section comes twice"));
        }
        if sections.last().is_some_and(|(last, _)| *last > kind) || u32_at(line + 4) != 0 {
            return Err(malformed("order of sections"));
        }
        let len = usize::try_from(u64_at(line + 16)).map_err(|_| malformed("section length"))?;
        let offset = u64_at(line + 8);
        if offset < at as u64 {
            return Err(malformed("sections overlap"));
        }
        if offset > file.len() as u64 || len > file.len() - at {
            return Err(malformed("section outside the file"));
        }
        if offset > at as u64 {
            return Err(malformed("a gap between sections"));
        }
        sections.push((kind, &file[at..at + len]));
        let end = len.next_multiple_of(8).min(file.len() - at);
        if file[at + len..at + end].iter().any(|b| *b != 0) {
            return Err(malformed("padding between sections"));
        }
        at += end;
    }
    if at != file.len() || !at.is_multiple_of(8) {
        return Err(malformed("sections do not fill the file"));
    }
    let (id, rest) = digests(sections.iter().copied());
    if id[..] != file[32..64] {
        return Err(ImageError::Hash("rules"));
    }
    if rest[..] != file[64..96] {
        return Err(ImageError::Hash("notes for people"));
    }
    Ok(sections)
}

/// Checks a blob on its own, as [`decode`] does.
///
/// # Errors
/// [`ImageError::Malformed`] or [`ImageError::Truncated`].
fn check_blob(blob: &[u8]) -> Result<PolicyHeader, ImageError> {
    if blob.len() < size_of::<PolicyHeader>() {
        return Err(malformed("blob shorter than its header"));
    }
    let header: PolicyHeader = super::view::read(blob, 0);
    if header.magic != BLOB_MAGIC || header.version != ABI_VERSION {
        return Err(malformed("blob header"));
    }
    if header.blob_len as usize != blob.len()
        || blob.len() > MAX_BLOB as usize
        || !blob.len().is_multiple_of(8)
    {
        return Err(malformed("length of the blob"));
    }
    let all = OpSet::ALL.bits();
    if header.flags & !FLAGS != 0
        || (header.may_deny | header.may_depend | header.tests_args | header.accepted) & !all != 0
        || header.reserved2 != [0; 2]
    {
        return Err(malformed("blob header"));
    }
    if header.class_count == 0 || header.row_count == 0 || header.cell_count == 0 {
        return Err(malformed("an empty table"));
    }
    let words = header.text_count.div_ceil(32);
    let counted = [header.class_count, header.list_count, header.text_count, header.set_count];
    if counted.iter().any(|count| *count > MAX_ITEMS) {
        return Err(malformed("a count is out of range"));
    }
    if !header.nodes_len.is_multiple_of(8) {
        return Err(malformed("length of the nodes"));
    }
    check_places(
        blob,
        &[
            (header.nodes_off, (header.nodes_len / 8).into(), 8),
            (header.rows_off, u64::from(header.row_count) * u64::from(header.class_count), 4),
            (header.cells_off, header.cell_count.into(), size_of::<Cell>()),
            (header.entries_off, header.entry_count.into(), size_of::<Entry>()),
            (header.tests_off, header.test_count.into(), size_of::<Test>()),
            (header.sets_off, u64::from(header.set_count) * u64::from(words), 4),
            (header.gains_off, u64::from(header.list_count) * u64::from(header.list_count), 4),
        ],
    )?;
    // Path nodes are labelled with rows, text nodes with text classes; which of the two a node is follows from the start
    // it is reached from.
    let starts = [(1, header.path_start, header.row_count), (2, header.text_start, header.text_count)];
    let nodes = &blob[..header.nodes_off as usize + header.nodes_len as usize];
    let count = if header.text_start == 0 { 1 } else { 2 };
    check_nodes(nodes, header.nodes_off as usize, &starts[..count])?;
    check_lists(blob, &header)?;
    for index in 0..header.row_count as usize * header.class_count as usize {
        let cell: [u8; 4] = super::view::bytes(blob, header.rows_off as usize + index * 4);
        if u32::from_le_bytes(cell) >= header.cell_count {
            return Err(malformed("a row names a cell that is not there"));
        }
    }
    for index in 0..header.list_count as usize * header.list_count as usize {
        let ops: [u8; 4] = super::view::bytes(blob, header.gains_off as usize + index * 4);
        if u32::from_le_bytes(ops) & !all != 0 {
            return Err(malformed("the gain table names an operation that is not there"));
        }
    }
    Ok(header)
}

/// Tables, each with its place, how many lines it has and their bytes, fill the blob behind its header in this order; what
/// lies between two of them is less than 8 bytes, and zero.
fn check_places(blob: &[u8], tables: &[(u32, u64, usize)]) -> Result<(), ImageError> {
    let mut end = size_of::<PolicyHeader>();
    for &(offset, count, each) in tables {
        let start = end.next_multiple_of(8);
        if count > u64::from(MAX_ITEMS) {
            return Err(malformed("a count is out of range"));
        }
        let bytes = usize::try_from(count).ok().and_then(|count| count.checked_mul(each));
        let fits = bytes.filter(|bytes| offset as usize == start && *bytes <= blob.len() - start);
        let bytes = fits.ok_or(malformed("a table lies outside the blob, or not behind the one before"))?;
        if blob[end..start].iter().any(|byte| *byte != 0) {
            return Err(malformed("padding between tables"));
        }
        end = start + bytes;
    }
    if end.next_multiple_of(8) != blob.len() || blob[end..].iter().any(|byte| *byte != 0) {
        return Err(malformed("tables do not fill the blob"));
    }
    Ok(())
}

/// Nodes lie one behind the other from `start` to the end of `bytes`; every reference is to the begin of one. Each of
/// `from` has a bit, a node, and what the labels of all nodes that it leads to are below.
pub(super) fn check_nodes(bytes: &[u8], start: usize, from: &[(u8, u32, u32)]) -> Result<(), ImageError> {
    let blob = bytes;
    let len = bytes.len() - start;
    if !len.is_multiple_of(8) {
        return Err(malformed("length of the nodes"));
    }
    let mut starts = vec![false; len / 8];
    let mut at = 0;
    while at < len {
        if len - at < size_of::<Node>() {
            return Err(malformed("a node is cut off"));
        }
        let node: Node = super::view::read(blob, start + at);
        let bytes = (node.len as usize).next_multiple_of(8);
        let extra = match node.kind {
            NODE_CHAIN if (1..=MAX_CHAIN).contains(&node.len) => bytes,
            NODE_BRANCH if node.len <= MAX_BRANCH && node.next == 0 => {
                bytes + (node.len as usize * 4).next_multiple_of(8)
            }
            NODE_TABLE
                if node.len != 0 && u32::from(node.low) + u32::from(node.len) <= 256 && node.next == 0 =>
            {
                (node.len as usize * 4).next_multiple_of(8)
            }
            NODE_SINK if node.len == 0 && node.next == 0 && node.other as usize * 8 == start + at => 0,
            _ => return Err(malformed("a node is of no kind")),
        };
        let low_is_used = node.kind == NODE_TABLE;
        if !low_is_used && node.low != 0 || len - at - size_of::<Node>() < extra {
            return Err(malformed("a node is cut off"));
        }
        starts[at / 8] = true;
        at += size_of::<Node>() + extra;
    }
    let known = |reference: u32| {
        (reference as usize * 8).checked_sub(start).is_some_and(|at| starts.get(at / 8) == Some(&true))
    };
    // Which labels a node may have: bit 0 reached as a path, bit 1 as a text.
    let mut reached = vec![0u8; len / 8];
    for &(bit, from, bound) in from {
        if !known(from) {
            return Err(malformed("a start is no node"));
        }
        let mut todo = vec![from];
        while let Some(reference) = todo.pop() {
            let seen = &mut reached[(reference as usize * 8 - start) / 8];
            if *seen & bit != 0 {
                continue;
            }
            *seen |= bit;
            let view = NodeView::new(blob, reference);
            if view.node.label >= bound {
                return Err(malformed("a label is out of range"));
            }
            if view.listed().windows(2).any(|pair| pair[0] >= pair[1]) || !view.padding_is_zero() {
                return Err(malformed("edges of a node"));
            }
            for target in view.targets() {
                if !known(target) {
                    return Err(malformed("an edge leads to no node"));
                }
                todo.push(target);
            }
        }
    }
    let unreached = starts.iter().zip(&reached).any(|(is_start, reached)| *is_start && *reached == 0);
    if unreached { Err(malformed("a node that nothing leads to")) } else { Ok(()) }
}

fn cell(blob: &[u8], header: &PolicyHeader, index: usize) -> Cell {
    super::view::read(blob, header.cells_off as usize + index * size_of::<Cell>())
}
