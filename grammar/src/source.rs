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

impl Span {
    /// The span from the start of `self` to the end of `other`, in the file of `self`.
    #[must_use]
    pub fn to(self, other: Self) -> Self {
        Self { file: self.file, start: self.start, end: other.end.max(self.start) }
    }

    /// The empty span after the last byte.
    #[must_use]
    pub fn after(self) -> Self {
        Self { file: self.file, start: self.end, end: self.end }
    }

    /// The `len` bytes that begin `offset` bytes into the span.
    #[must_use]
    pub fn part(self, offset: usize, len: usize) -> Self {
        let start = self.start + narrow(offset);
        Self { file: self.file, start, end: start + narrow(len) }
    }
}

/// A byte offset as spans hold it. Sources are limited to less than 4 GiB before anything is parsed.
pub(crate) fn narrow(offset: usize) -> u32 {
    u32::try_from(offset).expect("INVARIANT: sources are shorter than 4 GiB")
}

/// How many of the first bytes are byte order marks, which say nothing. Files that were joined may have several.
pub fn byte_order_marks(bytes: &[u8]) -> usize {
    const MARK: &[u8] = b"\xef\xbb\xbf";
    bytes.chunks_exact(MARK.len()).take_while(|bytes| *bytes == MARK).count() * MARK.len()
}

/// One file of policy text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// How diagnostics name it: its path as given.
    pub name: String,
    /// Its bytes, a byte order mark included.
    pub bytes: Vec<u8>,
}

impl Source {
    /// A source called `name` that holds `bytes`.
    pub fn new(name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self { name: name.into(), bytes: bytes.into() }
    }
}

/// How large the input may be. Each breach is an error that names the flag which raises the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes in one source, at most; never above [`Limits::MAX_BYTES`].
    pub bytes: usize,
    /// Policy lines, at most.
    pub rules: usize,
    /// Nested parentheses in a matcher or tuple, at most; never above [`Limits::MAX_NESTING`].
    pub nesting: usize,
    /// Bytes of one definition or one policy line that is not plain, at most.
    pub line: usize,
    /// Section headers and definitions in one source, at most.
    pub definitions: usize,
}

impl Limits {
    /// The most that [`Limits::bytes`] may be raised to: spans are 32 bits wide.
    pub const MAX_BYTES: usize = (u32::MAX - 1) as usize;
    /// The most that [`Limits::nesting`] may be raised to: the stack is finite.
    pub const MAX_NESTING: usize = 200;
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 256 << 20, rules: 2_000_000, nesting: 64, line: 1 << 20, definitions: 1000 }
    }
}
