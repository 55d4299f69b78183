//! A policy's blob made by hand.

/// Bytes under construction.
pub(crate) struct Blob(pub(crate) Vec<u8>);

impl Blob {
    pub(crate) fn numbers(&mut self, numbers: &[u32]) {
        self.0.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    }

    /// A node, whose bytes are to follow; its reference.
    pub(crate) fn node(&mut self, label: u32, other: u32, next: u32, len: u16, kind: u8) -> u32 {
        let reference = self.0.len() as u32 / 8;
        self.numbers(&[label, other, next]);
        self.0.extend(len.to_le_bytes());
        self.0.extend([kind, 0]);
        reference
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend(bytes);
        self.0.resize(self.0.len().next_multiple_of(8), 0);
    }
}
