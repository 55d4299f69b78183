//! An image file apart in its sections, put together again with hashes that hold: of what `abi` writes nothing is used.

use miniz_oxide::deflate::compress_to_vec;
use miniz_oxide::inflate::decompress_to_vec;
use sha2::{Digest, Sha256};

/// Bytes before the table of sections.
const HEADER: usize = 96;
/// Bytes of a line in it.
const LINE: usize = 24;
/// The kind of the section that every decision reads.
pub(super) const BLOB: u32 = 1;
/// The section of programs and classes.
const SUBJECTS: u32 = 2;
/// The section that no hash covers.
const SIGNATURE: u32 = 6;

/// A section: its kind and its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) kind: u32,
    pub(super) bytes: Vec<u8>,
}

impl Section {
    /// What is deflated in it; `None` if nothing is.
    pub(super) fn inflated(&self) -> Option<Vec<u8>> {
        let (_, deflated) = self.bytes.split_at_checked(8)?;
        matches!(self.kind, 3 | 4).then(|| decompress_to_vec(deflated).ok())?
    }

    /// Puts `plain` in, deflated.
    pub(super) fn deflate(&mut self, plain: &[u8]) {
        self.bytes = (plain.len() as u64).to_le_bytes().to_vec();
        self.bytes.extend(compress_to_vec(plain, 1));
    }
}

/// A file in parts.
#[derive(Clone, Debug)]
pub(super) struct Apart {
    /// The first 32 bytes.
    head: [u8; 32],
    pub(super) sections: Vec<Section>,
}

fn number(file: &[u8], at: usize) -> usize {
    let word = file[at..at + 8].try_into().expect("eight bytes");
    usize::try_from(u64::from_le_bytes(word)).expect("a length in a file")
}

impl Apart {
    /// `file`, which is an image, in parts.
    pub(super) fn of(file: &[u8]) -> Self {
        let lines = file[HEADER..].chunks_exact(LINE).take(usize::from(file[24]));
        let section = |line: &[u8]| {
            let (offset, len) = (number(line, 8), number(line, 16));
            Section { kind: u32::from(line[0]), bytes: file[offset..offset + len].to_vec() }
        };
        Self { head: file[..32].try_into().expect("a header"), sections: lines.map(section).collect() }
    }

    /// What every decision reads; empty if it is gone.
    pub(super) fn blob(&self) -> &[u8] {
        self.sections.iter().find(|section| section.kind == BLOB).map_or(&[], |section| &section.bytes)
    }

    /// The file, with lengths and hashes that hold.
    pub(super) fn together(&self) -> Vec<u8> {
        let mut file = self.head.to_vec();
        let (id, rest) = self.hashes();
        file.extend(id);
        file.extend(rest);
        let mut at = HEADER + LINE * self.sections.len();
        for section in &self.sections {
            file.extend(u64::from(section.kind).to_le_bytes());
            file.extend((at as u64).to_le_bytes());
            file.extend((section.bytes.len() as u64).to_le_bytes());
            at += section.bytes.len().next_multiple_of(8);
        }
        for section in &self.sections {
            file.extend(&section.bytes);
            file.resize(file.len().next_multiple_of(8), 0);
        }
        let len = file.len() as u64;
        file[16..24].copy_from_slice(&len.to_le_bytes());
        file[24..32].copy_from_slice(&(self.sections.len() as u64).to_le_bytes());
        file
    }

    fn hashes(&self) -> ([u8; 32], [u8; 32]) {
        let mut hashes = [Sha256::new(), Sha256::new()];
        for section in self.sections.iter().filter(|section| section.kind != SIGNATURE) {
            let hash = &mut hashes[usize::from(!matches!(section.kind, BLOB | SUBJECTS))];
            hash.update(section.kind.to_le_bytes());
            hash.update((section.bytes.len() as u64).to_le_bytes());
            hash.update(&section.bytes);
        }
        let [id, rest] = hashes;
        (id.finalize().into(), rest.finalize().into())
    }
}
