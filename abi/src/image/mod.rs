//! The image file: a header, a section table, and sections.
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 8 | magic `BOESIMG` and a zero |
//! | 8 | 4 | format version, [`VERSION`] |
//! | 12 | 4 | [`crate::layout::fingerprint`] |
//! | 16 | 8 | length of the file |
//! | 24 | 4 | number of sections |
//! | 28 | 4 | zero |
//! | 32 | 32 | SHA-256 of the sections that decide: the policy's id |
//! | 64 | 32 | SHA-256 of the other sections, but for the signature |
//! | 96 | 24 each | sections: kind (4), zero (4), offset (8), length (8) |
//!
//! Sections follow in the table's order without gaps, each padded with zeros to a multiple of 8. Numbers are
//! little-endian. There is no timestamp and no path of the machine that built it: equal policies are equal bytes.

mod agree;
mod debug;
mod decode;
mod encode;
mod facts;
mod lists;
mod named;
mod origins;
mod packed;
mod settled;
mod signature;
pub(crate) mod view;

pub use debug::{Debug, RuleInfo, Rules};
pub use decode::{ImageError, decode};
pub use encode::{Parts, encode, encode_read_back, strip};
pub use facts::{Defaults, Literal, Outside};
pub use named::Named;
pub use origins::{OriginCell, Origins};
pub use signature::{KeyError, PublicKey, Release, SecretKey, Signed, sign};
pub use view::{ClassId, RuleRef, State, ValidImage};

/// The version of the file's format.
pub const VERSION: u32 = 3;
/// The first bytes.
pub const MAGIC: [u8; 8] = *b"BOESIMG\0";
/// Bytes before the section table.
pub const HEADER_LEN: usize = 96;
/// Bytes of one section's line in the table.
pub const SECTION_LEN: usize = 24;

/// What a section holds. The number is its kind in the table; sections come in this order, each at most once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u32)]
pub enum SectionKind {
    /// The blob of [`crate::layout`]. Required; decides.
    Blob = 1,
    /// Subjects, domains and classes. Required; decides.
    Subjects = 2,
    /// Literal paths of rules, to be checked against symbolic links where the policy is loaded. Required.
    Literals = 3,
    /// Rule ids, lines and texts, and which of them decides at which path. Optional.
    Debug = 4,
    /// The name and revision under which the image is signed. Optional; with a signature only.
    Release = 5,
    /// An ed25519 public key and its signature over the header's hashes. Optional; in no hash.
    Signature = 6,
}

impl SectionKind {
    const ALL: [Self; 6] =
        [Self::Blob, Self::Subjects, Self::Literals, Self::Debug, Self::Release, Self::Signature];

    /// Whether the section is part of the policy's id.
    #[must_use]
    pub fn decides(self) -> bool {
        match self {
            Self::Blob | Self::Subjects => true,
            Self::Literals | Self::Debug | Self::Release | Self::Signature => false,
        }
    }

    /// Whether one of the header's hashes covers the section: all but the one that signs them.
    fn is_hashed(self) -> bool {
        self != Self::Signature
    }
}

/// Appends little-endian values.
#[derive(Default)]
struct Writer(Vec<u8>);

impl Writer {
    fn number(&mut self, value: u32) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(u32::try_from(bytes.len()).expect("INVARIANT: a text of a policy is below 4 GiB"));
        self.0.extend_from_slice(bytes);
    }
}

impl Writer {
    fn numbers(&mut self, numbers: impl ExactSizeIterator<Item = u32>) {
        self.number(u32::try_from(numbers.len()).expect("INVARIANT: a policy has fewer items than 2^32"));
        self.0.reserve(numbers.len() * 4);
        numbers.for_each(|number| self.number(number));
    }
}

/// Takes little-endian values; `None` at the end of the input.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(head)
    }

    fn number(&mut self) -> Option<u32> {
        self.take(4).map(|bytes| u32::from_le_bytes(bytes.try_into().expect("INVARIANT: four bytes")))
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = self.number()?;
        self.take(len as usize)
    }

    fn numbers(&mut self) -> Option<Vec<u32>> {
        let count = self.count(4)?;
        let (words, _) = self.take(count * 4)?.as_chunks();
        Some(words.iter().map(|word| u32::from_le_bytes(*word)).collect())
    }

    /// A count of things that take at least `each` bytes, so that no list is allocated beyond the input.
    fn count(&mut self, each: usize) -> Option<usize> {
        let count = self.number()? as usize;
        (count.checked_mul(each)? <= self.0.len()).then_some(count)
    }

    fn finished(&self) -> bool {
        self.0.is_empty()
    }
}
