//! Physical lines to the logical lines of model sections: comments blanked, continuations joined.

use crate::error::{Errors, SyntaxError};
use crate::source::Span;
use crate::tree::SectionKind;

/// A cursor over the physical lines of one source.
pub(crate) struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Number of the line returned last, from 1.
    pub(crate) number: u32,
}

impl<'a> Lines<'a> {
    pub(crate) fn new(bytes: &'a [u8], start: usize) -> Self {
        Self { bytes, at: start, number: 0 }
    }

    /// Where the next line starts.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// Start and end of the next line, without its line feed and the carriage returns before that.
    pub(crate) fn next(&mut self) -> Option<(usize, usize)> {
        if self.at >= self.bytes.len() {
            return None;
        }
        let start = self.at;
        let rest = &self.bytes[start..];
        let len = rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
        self.at = start + len + 1;
        self.number += 1;
        let len = rest[..len].iter().rposition(|b| *b != b'\r').map_or(0, |last| last + 1);
        Some((start, start + len))
    }

    /// The logical line that begins with the line at `start..end`: its bytes from `start` on, with comments,
    /// continuation marks and line ends blanked, so that offsets stay those of the source.
    pub(crate) fn logical(
        &mut self,
        (start, mut end): (usize, usize),
        file: u16,
        section: SectionKind,
        errors: &mut Errors,
    ) -> Vec<u8> {
        let mut text = Vec::new();
        let mut quote = None;
        let mut from = start;
        loop {
            // What lies between two lines, then the line itself.
            text.resize(from - start, b' ');
            text.extend_from_slice(&self.bytes[from..end]);
            let line = &mut text[from - start..];
            let hashes = hashes(line, section == SectionKind::Matchers, &mut quote);
            if let Some(hash) = hashes.inside {
                let at = Span { file, start: 0, end: 0 }.part(from + hash, 1);
                errors.push(
                    SyntaxError::new("N0101", "`#` inside a word or a string is part of it", at)
                        .label("Casbin would cut the line here")
                        .help("put a blank before `#` to start a comment"),
                );
            }
            if let Some(hash) = hashes.comment {
                line[hash..].fill(b' ');
            }
            let trimmed = line.trim_ascii_end().len();
            line[trimmed..].fill(b' ');
            if trimmed == 0 || line[trimmed - 1] != b'\\' {
                return text;
            }
            line[trimmed - 1] = b' ';
            let Some(next) = self.next() else { return text };
            (from, end) = next;
        }
    }
}

/// The places of `#` in a line.
#[derive(Default)]
struct Hashes {
    /// Where the comment starts.
    comment: Option<usize>,
    /// The first that belongs to a word or a string.
    inside: Option<usize>,
}

/// Looks for `#`. Quotes hide it where they mean something; `quote` is the open one.
fn hashes(line: &[u8], quotes: bool, quote: &mut Option<u8>) -> Hashes {
    let mut found = Hashes::default();
    for (at, byte) in line.iter().enumerate() {
        match (*quote, *byte) {
            (None, b'#') if at == 0 || matches!(line[at - 1], b' ' | b'\t') => {
                found.comment = Some(at);
                return found;
            }
            (_, b'#') => found.inside = found.inside.or(Some(at)),
            (Some(open), byte) if open == byte => *quote = None,
            (None, b'"' | b'\'') if quotes => *quote = Some(*byte),
            (Some(_) | None, _) => {}
        }
    }
    found
}
