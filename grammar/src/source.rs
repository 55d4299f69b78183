//! Where a token stands.

/// A range of bytes in one source: `start <= end`, both within the source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// Which source: 0 is the policy, 1 the model of a two-file policy.
    pub file: u16,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}
