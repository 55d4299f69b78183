//! Changes to a text, by place; and how a field is written.

use boesfs_grammar::Span;

/// Replacements, in no order; no two overlap.
#[derive(Clone, Debug, Default)]
pub(super) struct Edits(Vec<(Span, Vec<u8>)>);

impl Edits {
    /// Puts `text` in the place of what stands at `span`.
    pub(super) fn replace(&mut self, span: Span, text: impl Into<Vec<u8>>) {
        self.0.push((span, text.into()));
    }

    /// Puts `text` before `span`.
    pub(super) fn insert(&mut self, before: Span, text: impl Into<Vec<u8>>) {
        self.replace(Span { end: before.start, ..before }, text);
    }

    /// Puts `text` after `span`.
    pub(super) fn append(&mut self, after: Span, text: impl Into<Vec<u8>>) {
        self.replace(Span { start: after.end, ..after }, text);
    }

    /// The text of the source `file` with its changes.
    pub(super) fn applied(&self, file: u16, bytes: &[u8]) -> Vec<u8> {
        let mut edits: Vec<_> = self.0.iter().filter(|(span, _)| span.file == file).collect();
        edits.sort_by_key(|(span, _)| (span.start, span.end));
        edits.dedup();
        let mut out = Vec::with_capacity(bytes.len());
        let mut at = 0;
        for (span, text) in edits {
            let start = (span.start as usize).max(at);
            out.extend_from_slice(&bytes[at..start]);
            out.extend_from_slice(text);
            at = start.max(span.end as usize);
        }
        out.extend_from_slice(&bytes[at..]);
        out
    }
}

/// `text` as a field: in quotes unless it is surely the same without.
pub(super) fn field(text: &[u8]) -> Vec<u8> {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-+@:* ".contains(byte);
    let tuple = text.strip_prefix(b"(").and_then(|rest| rest.strip_suffix(b")"));
    let inner = tuple.unwrap_or(text);
    let inside = |byte: &u8| plain(byte) || tuple.is_some() && b",&<>=!".contains(byte);
    if !text.is_empty() && inner.iter().all(inside) && inner.trim_ascii() == inner {
        return text.to_vec();
    }
    let mut quoted = vec![b'"'];
    for byte in text {
        quoted.push(*byte);
        if *byte == b'"' {
            quoted.push(b'"');
        }
    }
    quoted.push(b'"');
    quoted
}
