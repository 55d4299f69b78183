//! Copies what comes out of a port up to the end mark, which the guest writes when all output is sent.
//!
//! Without the mark a guest that died would look like a command that had nothing more to say.

use std::io::{self, Read, Write};

/// How a port's stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StreamEnd {
    /// With the mark: everything has been copied.
    Marked,
    /// Without it: the guest stopped before the command's output was complete.
    Cut,
}

/// Copies `source` to `sink` as it comes, without the `mark` that ends it. Bytes after the mark are dropped.
///
/// # Errors
/// If `source` cannot be read or `sink` cannot be written.
pub(super) fn copy_to_mark(
    source: &mut dyn Read,
    sink: &mut dyn Write,
    mark: &[u8],
) -> io::Result<StreamEnd> {
    let mut pending = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let length = match source.read(&mut chunk) {
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => 0,
            Err(error) => return Err(error),
        };
        if length == 0 {
            sink.write_all(&pending)?;
            sink.flush()?;
            return Ok(StreamEnd::Cut);
        }
        pending.extend_from_slice(&chunk[..length]);
        if let Some(at) = pending.windows(mark.len()).position(|window| window == mark) {
            sink.write_all(&pending[..at])?;
            sink.flush()?;
            return Ok(StreamEnd::Marked);
        }
        let keep = (1..mark.len()).rev().find(|&n| pending.ends_with(&mark[..n])).unwrap_or(0);
        let settled = pending.len() - keep;
        sink.write_all(&pending[..settled])?;
        sink.flush()?;
        pending.drain(..settled);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives its pieces one read at a time.
    struct Pieces<'a>(std::slice::Iter<'a, &'a [u8]>);

    impl Read for Pieces<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let piece = self.0.next().copied().unwrap_or_default();
            buffer[..piece.len()].copy_from_slice(piece);
            Ok(piece.len())
        }
    }

    fn copied(pieces: &[&[u8]]) -> (Vec<u8>, StreamEnd) {
        let mut sink = Vec::new();
        let end = copy_to_mark(&mut Pieces(pieces.iter()), &mut sink, b"<END>").unwrap();
        (sink, end)
    }

    #[test]
    fn a_mark_in_pieces_ends_the_stream() {
        assert_eq!(copied(&[b"a<E", b"N", b"D>"]), (b"a".to_vec(), StreamEnd::Marked));
        assert_eq!(copied(&[b"a<END>b"]), (b"a".to_vec(), StreamEnd::Marked));
    }

    #[test]
    fn half_a_mark_is_output() {
        assert_eq!(copied(&[b"a<EN", b"x<E"]), (b"a<ENx<E".to_vec(), StreamEnd::Cut));
        assert_eq!(copied(&[]), (Vec::new(), StreamEnd::Cut));
    }
}
