//! Spans to lines and columns.

use boesfs_grammar::{Source, Span};

/// Sources with the first byte of each of their lines.
pub struct Places<'s> {
    sources: Vec<(&'s Source, Vec<usize>)>,
}

/// Where something begins or ends. Lines and columns count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column in bytes.
    pub column: usize,
    /// The column in UTF-16 code units, a byte that is not UTF-8 being one.
    pub column_utf16: usize,
}

impl<'s> Places<'s> {
    /// The places of `sources`.
    #[must_use]
    pub fn new(sources: &'s [Source]) -> Self {
        let starts = |source: &Source| {
            let ends = source.bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
            std::iter::once(0).chain(ends.map(|(at, _)| at + 1)).collect()
        };
        Self { sources: sources.iter().map(|source| (source, starts(source))).collect() }
    }

    /// The source of `span`, and where the span begins and ends in it; `None` if it stands in none.
    #[must_use]
    pub fn of(&self, span: Span) -> Option<(&'s Source, Place, Place)> {
        let (source, starts) = self.sources.get(usize::from(span.file))?;
        let place = |at: u32| {
            let at = (at as usize).min(source.bytes.len());
            let line = starts.partition_point(|first| *first <= at);
            let first = starts[line - 1];
            let before = String::from_utf8_lossy(&source.bytes[first..at]);
            Place { line, column: at - first + 1, column_utf16: before.encode_utf16().count() + 1 }
        };
        Some((source, place(span.start), place(span.end)))
    }
}
