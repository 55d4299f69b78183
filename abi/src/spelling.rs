//! Spelling canonical paths byte by byte, for searches over an automaton: others are never asked.

/// How far a path has been spelt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Spelling {
    /// Nothing yet, or a path that may end here.
    Name,
    /// It ends in `/`.
    Slash,
    /// Its last component is `.` so far.
    Dot,
    /// Its last component is `..` so far.
    DotDot,
}

impl Spelling {
    /// After one more byte; `None` if no canonical path continues so.
    #[must_use]
    pub fn after(self, byte: u8) -> Option<Self> {
        match (self, byte) {
            (_, 0) => None,
            (Self::Name, b'/') => Some(Self::Slash),
            (_, b'/') => None,
            (Self::Slash, b'.') => Some(Self::Dot),
            (Self::Dot, b'.') => Some(Self::DotDot),
            _ => Some(Self::Name),
        }
    }
}
