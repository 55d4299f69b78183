//! Images that must be refused, each with what is said of it. Shared by the tests of all crates that read images.

use boesfs_abi::image::{HEADER_LEN, SECTION_LEN};

/// An image that is not one.
pub(crate) struct BadImage {
    /// What was done to it.
    pub(crate) name: &'static str,
    /// The file.
    pub(crate) file: Vec<u8>,
    /// What is said, without what goes with the bytes.
    pub(crate) words: &'static str,
}

#[derive(Clone)]
struct Line {
    kind: u32,
    offset: u64,
    len: u64,
}

fn number(file: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(file[at..at + 8].try_into().expect("eight bytes"))
}

/// The section table of `file`.
fn table(file: &[u8]) -> Vec<Line> {
    (0..file[24] as usize)
        .map(|index| HEADER_LEN + index * SECTION_LEN)
        .map(|at| Line {
            kind: number(file, at) as u32,
            offset: number(file, at + 8),
            len: number(file, at + 16),
        })
        .collect()
}

/// `file` with the table changed in place.
fn with_table(file: &[u8], change: impl FnOnce(&mut Vec<Line>)) -> Vec<u8> {
    let mut lines = table(file);
    change(&mut lines);
    let mut changed = file.to_vec();
    for (index, line) in lines.iter().enumerate() {
        let at = HEADER_LEN + index * SECTION_LEN;
        changed[at..at + 8].copy_from_slice(&u64::from(line.kind).to_le_bytes());
        changed[at + 8..at + 16].copy_from_slice(&line.offset.to_le_bytes());
        changed[at + 16..at + 24].copy_from_slice(&line.len.to_le_bytes());
    }
    changed
}

fn with_bytes(file: &[u8], at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut changed = file.to_vec();
    changed[at..at + bytes.len()].copy_from_slice(bytes);
    changed
}

/// The numbers of the header in the other order of bytes.
fn swapped(file: &[u8]) -> Vec<u8> {
    let mut changed = file.to_vec();
    for (at, len) in [(8, 4), (12, 4), (16, 8), (24, 4)] {
        changed[at..at + len].reverse();
    }
    changed
}

/// What `image`, which has at least three sections, becomes.
pub(crate) fn bad_images(image: &[u8]) -> Vec<BadImage> {
    let bad = |name, file, words| BadImage { name, file, words };
    let last = image.len() - 1;
    vec![
        bad("other magic", with_bytes(image, 5, b"X"), "not a policy image"),
        bad(
            "other version",
            with_bytes(image, 8, &7u32.to_le_bytes()),
            "image format 7 is not supported, only format",
        ),
        bad("other byte order", swapped(image), "image has its numbers in big-endian order"),
        bad(
            "other abi",
            with_bytes(image, 12, &[image[12] ^ 1]),
            "image was built for another operation table or layout",
        ),
        bad("cut in the header", image[..40].to_vec(), "image is truncated: 40 bytes, 96 needed"),
        bad("cut at the end", image[..last].to_vec(), "image is truncated"),
        bad("extended", [image, &[0; 3]].concat(), "image has 3 bytes after its end"),
        bad(
            "unknown section",
            with_table(image, |table| table[2].kind = 99),
            "inconsistent: unknown section",
        ),
        bad(
            "section twice",
            with_table(image, |table| table[2].kind = table[1].kind),
            "inconsistent: a section comes twice",
        ),
        bad(
            "other order",
            with_table(image, |table| (table[1].kind, table[2].kind) = (table[2].kind, table[1].kind)),
            "inconsistent: order of sections",
        ),
        bad(
            "overlap",
            with_table(image, |table| table[1].offset = table[0].offset),
            "inconsistent: sections overlap",
        ),
        bad("gap", with_table(image, |table| table[1].offset += 8), "inconsistent: a gap between sections"),
        bad(
            "section too long",
            with_table(image, |table| table[1].len = u64::MAX),
            "inconsistent: section outside the file",
        ),
        bad(
            "too many sections",
            with_bytes(image, 24, &u32::MAX.to_le_bytes()),
            "inconsistent: section count",
        ),
        bad("other rules", with_bytes(image, 32, &[!image[32]]), "image is damaged: the rules do not match"),
        bad("other notes", with_bytes(image, 64, &[!image[64]]), "image is damaged: the notes for people"),
    ]
}
