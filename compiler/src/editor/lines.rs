//! Places in a text as an editor counts them: lines, and units within a line.

use std::ops::Range;

/// In what units an editor counts within a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// Bytes.
    Utf8,
    /// UTF-16 code units, the protocol's default.
    #[default]
    Utf16,
    /// Characters.
    Utf32,
}

impl Encoding {
    fn units(self, character: char) -> usize {
        match self {
            Self::Utf8 => character.len_utf8(),
            Self::Utf16 => character.len_utf16(),
            Self::Utf32 => 1,
        }
    }
}

/// Where the lines of a text start.
///
/// A line ends at `\n`, `\r\n` or `\r`, as the protocol has it. Bytes that are no character count as the replacement
/// character an editor shows for them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    starts: Vec<usize>,
    len: usize,
}

impl Lines {
    /// The lines of `text`.
    #[must_use]
    pub fn new(text: &[u8]) -> Self {
        let mut starts = vec![0];
        for (at, byte) in text.iter().enumerate() {
            if *byte == b'\n' || *byte == b'\r' && text.get(at + 1) != Some(&b'\n') {
                starts.push(at + 1);
            }
        }
        Self { starts, len: text.len() }
    }

    /// How many lines there are: at least one.
    #[must_use]
    pub fn count(&self) -> usize {
        self.starts.len()
    }

    /// Line and unit, both from 0, of the byte at `offset` of `text`.
    #[must_use]
    pub fn position(&self, text: &[u8], offset: usize, encoding: Encoding) -> (u32, u32) {
        let offset = offset.min(self.len);
        let line = self.starts.partition_point(|start| *start <= offset) - 1;
        let mut units = 0;
        for chunk in text[self.starts[line]..offset].utf8_chunks() {
            units += chunk.valid().chars().map(|character| encoding.units(character)).sum::<usize>();
            if !chunk.invalid().is_empty() {
                units += encoding.units(char::REPLACEMENT_CHARACTER);
            }
        }
        (narrow(line), narrow(units))
    }

    /// The byte at `unit` of `line` of `text`; a unit beyond the line is its end. `None` if there is no such line.
    #[must_use]
    pub fn offset(&self, text: &[u8], line: u32, unit: u32, encoding: Encoding) -> Option<usize> {
        let Range { start, end } = self.line(text, line as usize)?;
        let mut left = unit as usize;
        let mut at = start;
        for chunk in text[start..end].utf8_chunks() {
            for character in chunk.valid().chars() {
                let units = encoding.units(character);
                if units > left {
                    return Some(at);
                }
                left -= units;
                at += character.len_utf8();
            }
            if !chunk.invalid().is_empty() {
                let units = encoding.units(char::REPLACEMENT_CHARACTER);
                if units > left {
                    return Some(at);
                }
                left -= units;
                at += chunk.invalid().len();
            }
        }
        Some(at)
    }

    /// The bytes of line `line`, without what ends it.
    #[must_use]
    pub fn line(&self, text: &[u8], line: usize) -> Option<Range<usize>> {
        let start = *self.starts.get(line)?;
        let mut end = self.starts.get(line + 1).copied().unwrap_or(self.len);
        if line + 1 < self.starts.len() {
            end -= 1;
            if text[end] == b'\n' && end > start && text[end - 1] == b'\r' {
                end -= 1;
            }
        }
        Some(start..end)
    }

    /// The line that holds the byte at `offset`, from 0.
    #[must_use]
    pub fn line_of(&self, offset: usize) -> usize {
        self.starts.partition_point(|start| *start <= offset) - 1
    }
}

/// A count as the protocol has it; texts are below 4 GiB.
fn narrow(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_end_as_the_protocol_says() {
        let text = b"a\r\nb\rc\n\nd";
        let lines = Lines::new(text);
        assert_eq!(lines.count(), 5);
        let shown: Vec<&[u8]> =
            (0..5).filter_map(|n| lines.line(text, n)).map(|range| &text[range]).collect();
        assert_eq!(shown, [&b"a"[..], b"b", b"c", b"", b"d"]);
        assert_eq!(lines.position(text, 3, Encoding::Utf16), (1, 0));
    }

    #[test]
    fn units_are_the_editors() {
        let text = "a\u{e9}\u{1f600}b".as_bytes();
        let lines = Lines::new(text);
        for (encoding, unit) in [(Encoding::Utf8, 7), (Encoding::Utf16, 4), (Encoding::Utf32, 3)] {
            assert_eq!(lines.position(text, 7, encoding), (0, unit));
            assert_eq!(lines.offset(text, 0, unit, encoding), Some(7));
        }
        // The second half of a pair is no place of its own.
        assert_eq!(lines.offset(text, 0, 3, Encoding::Utf16), Some(3));
        assert_eq!(lines.offset(text, 0, 99, Encoding::Utf16), Some(8));
        assert_eq!(lines.offset(text, 1, 0, Encoding::Utf16), None);
    }

    #[test]
    fn bytes_that_are_no_text_count_as_they_are_shown() {
        let text = b"a\xff\xfeb";
        let lines = Lines::new(text);
        assert_eq!(lines.position(text, 3, Encoding::Utf16), (0, 3));
        assert_eq!(lines.offset(text, 0, 3, Encoding::Utf16), Some(3));
    }

    proptest! {
        #[test]
        fn there_and_back(text in "[a\u{e9}\u{1f600}\r\n]{0,20}") {
            let lines = Lines::new(text.as_bytes());
            for (offset, _) in text.char_indices() {
                for encoding in [Encoding::Utf8, Encoding::Utf16, Encoding::Utf32] {
                    let (line, unit) = lines.position(text.as_bytes(), offset, encoding);
                    let back = lines.offset(text.as_bytes(), line, unit, encoding);
                    // What ends a line is one place for an editor.
                    let end = lines.line(text.as_bytes(), line as usize).map(|range| range.end);
                    prop_assert!(back == Some(offset) || back == end && Some(offset) >= end);
                }
            }
        }
    }
}
