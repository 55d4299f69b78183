//! Sets of bytes.

use crate::rules::Regex;

/// A set of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ByteSet([u128; 2]);

impl ByteSet {
    pub(super) const EMPTY: Self = Self([0; 2]);

    pub(super) fn insert(&mut self, low: u8, high: u8) {
        for byte in low..=high {
            self.0[usize::from(byte >> 7)] |= 1 << (byte & 127);
        }
    }

    pub(super) fn remove(&mut self, byte: u8) {
        self.0[usize::from(byte >> 7)] &= !(1 << (byte & 127));
    }

    pub(super) fn complement(self) -> Self {
        Self([!self.0[0], !self.0[1]])
    }

    pub(super) fn contains(self, byte: u8) -> bool {
        self.0[usize::from(byte >> 7)] & 1 << (byte & 127) != 0
    }

    /// One byte of the set; [`Regex::Never`] if it is empty.
    pub(super) fn regex(self) -> Regex {
        let mut ranges: Vec<(u8, u8)> = Vec::new();
        for byte in (0..=255).filter(|byte| self.contains(*byte)) {
            match ranges.last_mut() {
                Some((_, high)) if u16::from(*high) + 1 == u16::from(byte) => *high = byte,
                _ => ranges.push((byte, byte)),
            }
        }
        if ranges.is_empty() { Regex::Never } else { Regex::Bytes(ranges) }
    }
}

/// Exactly this byte.
pub(super) fn byte(byte: u8) -> Regex {
    Regex::Bytes(vec![(byte, byte)])
}

/// Exactly these bytes.
pub(super) fn literal(text: &[u8]) -> impl Iterator<Item = Regex> {
    text.iter().map(|b| byte(*b))
}

/// One after the other, without needless nesting.
pub(super) fn concat(parts: Vec<Regex>) -> Regex {
    let mut flat = Vec::with_capacity(parts.len());
    for part in parts {
        match part {
            Regex::Empty => {}
            Regex::Never => return Regex::Never,
            Regex::Concat(inner) => flat.extend(inner),
            part => flat.push(part),
        }
    }
    match flat.len() {
        0 => Regex::Empty,
        1 => flat.swap_remove(0),
        _ => Regex::Concat(flat),
    }
}

/// Any one of these, without needless nesting or repetition.
pub(super) fn alternate(parts: Vec<Regex>) -> Regex {
    let mut flat = Vec::with_capacity(parts.len());
    for part in parts {
        match part {
            Regex::Never => {}
            Regex::Alternate(inner) => flat.extend(inner),
            part => flat.push(part),
        }
    }
    flat.sort();
    flat.dedup();
    match flat.len() {
        0 => Regex::Never,
        1 => flat.swap_remove(0),
        _ => Regex::Alternate(flat),
    }
}

/// `of`, or nothing.
pub(super) fn optional(of: Regex) -> Regex {
    Regex::Repeat { of: Box::new(of), min: 0, max: Some(1) }
}

/// Any bytes of `set`.
pub(super) fn any_of(set: ByteSet) -> Regex {
    Regex::Repeat { of: Box::new(set.regex()), min: 0, max: None }
}

/// The text that `regex` is, if it is just one.
pub(super) fn single_text(regex: &Regex) -> Option<Vec<u8>> {
    let (text, rest) = split_literal(regex);
    rest.is_none().then_some(text)
}

/// The bytes every text of `regex` begins with, as far as they stand there literally, and what follows them.
pub(super) fn split_literal(regex: &Regex) -> (Vec<u8>, Option<Regex>) {
    let parts = match regex {
        Regex::Empty => &[][..],
        Regex::Concat(parts) => parts,
        part => std::slice::from_ref(part),
    };
    let mut text = Vec::new();
    for (i, part) in parts.iter().enumerate() {
        match part {
            Regex::Bytes(ranges) if matches!(ranges.as_slice(), [(low, high)] if low == high) => {
                text.push(ranges[0].0);
            }
            _ => return (text, Some(concat(parts[i..].to_vec()))),
        }
    }
    (text, None)
}
