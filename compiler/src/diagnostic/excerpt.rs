//! Sources as they are shown: of a line that fills more than a screen only what a diagnostic speaks of.

use std::ops::Range;

use codespan_reporting::files::{Error, Files};

/// Bytes of a line that is shown whole.
const WHOLE: usize = 500;
/// Bytes that are shown on either side of a place in a longer one.
const AROUND: usize = 100;
/// What stands for the rest.
const LEFT_OUT: char = '…';

/// Sources, numbered as they come.
#[derive(Debug, Default)]
pub(super) struct Excerpts(Vec<Excerpt>);

/// One source.
#[derive(Debug)]
struct Excerpt {
    name: String,
    full: String,
    short: String,
    lines: Vec<Start>,
    pieces: Vec<Piece>,
}

/// Where a line begins.
#[derive(Clone, Copy, Debug)]
struct Start {
    full: usize,
    short: usize,
}

/// A stretch of the full text that the short one has as well.
#[derive(Clone, Copy, Debug)]
struct Piece {
    full: usize,
    short: usize,
    len: usize,
}

impl Excerpts {
    /// Adds the source called `name`, of which the places `marks`, in order, are to be seen.
    pub(super) fn add(&mut self, name: String, full: String, marks: &[usize]) {
        self.0.push(Excerpt::new(name, full, marks));
    }

    /// Where the piece of source `file` between two of its marks is in what is shown of it.
    pub(super) fn shown(&self, file: usize, full: Range<usize>) -> Range<usize> {
        self.0.get(file).map_or(0..0, |excerpt| excerpt.shown(full.start)..excerpt.shown(full.end))
    }
}

impl Excerpt {
    fn new(name: String, full: String, marks: &[usize]) -> Self {
        let mut excerpt =
            Self { name, full: String::new(), short: String::new(), lines: Vec::new(), pieces: Vec::new() };
        let mut marks = marks.iter().copied().peekable();
        let mut start = 0;
        for line in full.split_inclusive('\n') {
            excerpt.lines.push(Start { full: start, short: excerpt.short.len() });
            let end = start + line.len();
            if line.len() <= WHOLE {
                excerpt.keep(&full, start..end);
            } else {
                let text_end = end - usize::from(line.ends_with('\n'));
                let mut seen = start;
                let mut window = start..start;
                let mut any = false;
                while let Some(mark) = marks.next_if(|mark| *mark <= text_end) {
                    if mark < start {
                        continue;
                    }
                    any = true;
                    let from = full.floor_char_boundary(mark.saturating_sub(AROUND).max(start));
                    let to = full.ceil_char_boundary((mark + AROUND).min(text_end));
                    if from > window.end {
                        seen = excerpt.window(&full, seen, window);
                        window = from..to;
                    } else {
                        window.end = window.end.max(to);
                    }
                }
                if !any {
                    window = start..full.ceil_char_boundary(start + AROUND);
                }
                seen = excerpt.window(&full, seen, window);
                if seen < text_end {
                    excerpt.short.push(LEFT_OUT);
                }
                excerpt.keep(&full, text_end..end);
            }
            while marks.next_if(|mark| *mark < end).is_some() {}
            start = end;
        }
        // An empty last line, where what is missing at the end of a file is shown.
        if excerpt.lines.is_empty() || full.ends_with('\n') {
            excerpt.lines.push(Start { full: start, short: excerpt.short.len() });
        }
        excerpt.full = full;
        excerpt
    }

    /// Shows `window`, of which everything up to `seen` stands there already; up to where it is shown then.
    fn window(&mut self, full: &str, seen: usize, window: Range<usize>) -> usize {
        if window.is_empty() {
            return seen;
        }
        if window.start > seen {
            self.short.push(LEFT_OUT);
        }
        let end = window.end;
        self.keep(full, window);
        end
    }

    fn keep(&mut self, full: &str, range: Range<usize>) {
        let (start, len) = (range.start, range.len());
        let short = self.short.len();
        self.short.push_str(&full[range]);
        match self.pieces.last_mut() {
            Some(last) if last.full + last.len == start && last.short + last.len == short => last.len += len,
            _ => self.pieces.push(Piece { full: start, short, len }),
        }
    }

    fn shown(&self, full: usize) -> usize {
        let at = self.pieces.partition_point(|piece| piece.full <= full);
        let Some(piece) = at.checked_sub(1).map(|at| self.pieces[at]) else { return 0 };
        piece.short + (full - piece.full).min(piece.len)
    }

    /// The place in the full text of one in the short text.
    fn place(&self, short: usize) -> usize {
        let at = self.pieces.partition_point(|piece| piece.short <= short);
        let Some(piece) = at.checked_sub(1).map(|at| self.pieces[at]) else { return 0 };
        piece.full + (short - piece.short).min(piece.len)
    }
}

impl<'a> Files<'a> for Excerpts {
    type FileId = usize;
    type Name = &'a str;
    type Source = &'a str;

    fn name(&'a self, id: usize) -> Result<&'a str, Error> {
        self.0.get(id).map(|file| file.name.as_str()).ok_or(Error::FileMissing)
    }

    fn source(&'a self, id: usize) -> Result<&'a str, Error> {
        self.0.get(id).map(|file| file.short.as_str()).ok_or(Error::FileMissing)
    }

    fn line_index(&'a self, id: usize, byte: usize) -> Result<usize, Error> {
        let file = self.0.get(id).ok_or(Error::FileMissing)?;
        Ok(file.lines.partition_point(|line| line.short <= byte).saturating_sub(1))
    }

    fn column_number(&'a self, id: usize, line: usize, byte: usize) -> Result<usize, Error> {
        let file = self.0.get(id).ok_or(Error::FileMissing)?;
        let missing = Error::LineTooLarge { given: line, max: file.lines.len().saturating_sub(1) };
        let start = file.lines.get(line).ok_or(missing)?.full;
        let place = file.place(byte).max(start);
        Ok(file.full[start..file.full.floor_char_boundary(place)].chars().count() + 1)
    }

    fn line_range(&'a self, id: usize, line: usize) -> Result<Range<usize>, Error> {
        let file = self.0.get(id).ok_or(Error::FileMissing)?;
        let missing = Error::LineTooLarge { given: line, max: file.lines.len().saturating_sub(1) };
        let start = file.lines.get(line).ok_or(missing)?.short;
        Ok(start..file.lines.get(line + 1).map_or(file.short.len(), |next| next.short))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_line_the_marks_are_shown_and_columns_stay() {
        let full = format!("ab\n{}X{}\nlast", "-".repeat(5000), "é".repeat(5000));
        let mut files = Excerpts::default();
        files.add("f".to_owned(), full.clone(), &[5003, 5004]);
        let shown = files.shown(0, 5003..5004);
        let short = files.source(0).unwrap();
        assert_eq!(&short[shown.clone()], "X");
        assert!(short.len() < 1000, "{}", short.len());
        assert!(short.starts_with("ab\n…-") && short.ends_with("é…\nlast"), "{short}");
        assert_eq!(files.line_index(0, shown.start).unwrap(), 1);
        assert_eq!(files.column_number(0, 1, shown.start).unwrap(), 5001);
        assert_eq!(&short[files.line_range(0, 2).unwrap()], "last");
    }

    #[test]
    fn short_lines_are_shown_as_they_are() {
        let mut files = Excerpts::default();
        files.add("f".to_owned(), "a\nb\n".to_owned(), &[2]);
        files.add("empty".to_owned(), String::new(), &[0]);
        assert_eq!(files.source(0).unwrap(), "a\nb\n");
        assert_eq!(files.shown(0, 2..3), 2..3);
        assert_eq!(files.line_index(0, 4).unwrap(), 2);
        assert_eq!(files.line_range(1, 0).unwrap(), 0..0);
    }
}
