//! Formatting: done at once, without a comment less, and without another meaning.

use boesfs_compiler::diagnostic::Severity;
use boesfs_compiler::pipeline::{Outcome, Stage};
use boesfs_compiler::reference::Reference;
use boesfs_grammar::{Limits, Source, byte_order_marks, format};

use crate::near::requests_near;
use crate::texts::{PART, TEXT, outcome_within};

/// A text in canonical form may be longer than it was.
const WIDE: Limits = Limits { bytes: 4 * TEXT.bytes, line: 4 * TEXT.line, ..TEXT };

/// Text that parses has a canonical form: the same comments in the same order, the same mistakes, or the same image and
/// decisions; and it is its own canonical form. A zero byte parts a policy from its model.
pub fn fmt_round_trip(data: &[u8]) {
    let mut formatted: Vec<Vec<u8>> = Vec::new();
    for part in data.splitn(2, |byte| *byte == PART) {
        let Ok(once) = format(&Source::new("input", part), &TEXT) else { return };
        let twice = format(&Source::new("formatted", once.clone()), &WIDE);
        assert_eq!(twice.as_deref(), Ok(once.as_slice()), "formatting again changes the text");
        assert_eq!(comments(&once), comments(part), "comments");
        formatted.push(once);
    }
    let before = outcome_within(data, Stage::LAST, TEXT);
    if before.diagnostics.iter().any(|diagnostic| diagnostic.is_limit()) {
        return;
    }
    let after = outcome_within(&formatted.join(&PART), Stage::LAST, WIDE);
    assert_eq!(errors(&before), errors(&after), "errors before and after");
    let (Some(old), Some(new)) = (&before.model, &after.model) else { return };
    let id = |outcome: &Outcome| outcome.packed.as_ref().map(|packed| packed.image.id_hex());
    assert_eq!(id(&before), id(&after), "images");
    let (one, other) = (Reference::new(old), Reference::new(new));
    for request in requests_near(old, 60, 0) {
        let (one, other) = (one.decide(&request), other.decide(&request));
        assert_eq!((one.verdict, one.rule), (other.verdict, other.rule), "{request:?}");
    }
}

/// The codes of all errors, in order of their names.
fn errors(outcome: &Outcome) -> Vec<&str> {
    let errors = outcome.diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error);
    let mut codes: Vec<&str> = errors.map(|diagnostic| &*diagnostic.code).collect();
    codes.sort_unstable();
    codes
}

/// The comments of a source that parses, without their `#`, annotations apart, by the rule of the language: `#` starts one at the start of a
/// line and after a blank, outside of quotes, which matchers and the fields of rules have.
fn comments(text: &[u8]) -> Vec<&[u8]> {
    let text = &text[byte_order_marks(text)..];
    let rules_alone =
        !text.split(|byte| *byte == b'\n').any(|line| line.trim_ascii_start().starts_with(b"["));
    let mut section: &[u8] = if rules_alone { b"policy" } else { b"" };
    let mut quote = None;
    let mut continued = false;
    let mut comments = Vec::new();
    for line in text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii) {
        if !continued && line.starts_with(b"[") {
            let end = line.iter().position(|byte| *byte == b']').unwrap_or(line.len());
            section = line[1..end].trim_ascii();
        }
        let at = match section {
            b"policy" => comment_of_rule(line),
            b"matchers" => comment_of_matcher(line, &mut quote),
            _ => (0..line.len()).find(|at| starts_comment(line, *at)),
        };
        let (rest, comment) = line.split_at(at.unwrap_or(line.len()));
        let is_annotation = !continued && rest.is_empty() && comment.starts_with(b"#@");
        continued = section != b"policy" && rest.trim_ascii_end().ends_with(b"\\");
        if !continued {
            quote = None;
        }
        comments.extend(at.filter(|_| !is_annotation).map(|_| comment[1..].trim_ascii()));
    }
    comments
}

fn starts_comment(line: &[u8], at: usize) -> bool {
    line[at] == b'#' && (at == 0 || matches!(line[at - 1], b' ' | b'\t'))
}

/// Where the comment behind a part of a matcher begins. `quote`: the one that is open before the line, and after it.
fn comment_of_matcher(line: &[u8], quote: &mut Option<u8>) -> Option<usize> {
    for (at, byte) in line.iter().enumerate() {
        match *quote {
            Some(open) if open == *byte => *quote = None,
            Some(_) => {}
            None if starts_comment(line, at) => return Some(at),
            None if matches!(byte, b'"' | b'\'') => *quote = Some(*byte),
            None => {}
        }
    }
    None
}

/// Where the comment behind a rule begins. Quotes and parentheses are such only at the start of a field.
fn comment_of_rule(line: &[u8]) -> Option<usize> {
    let (mut fresh, mut quoted, mut depth) = (true, false, 0_usize);
    let mut at = 0;
    while at < line.len() {
        match line[at] {
            b'"' if quoted && line.get(at + 1) == Some(&b'"') => at += 1,
            b'"' if quoted => quoted = false,
            _ if quoted => {}
            b'(' if fresh || depth > 0 => depth += 1,
            b')' if depth > 0 => depth -= 1,
            _ if depth > 0 => {}
            _ if starts_comment(line, at) => return Some(at),
            b'"' if fresh => quoted = true,
            _ => {}
        }
        fresh = !quoted && depth == 0 && (line[at] == b',' || fresh && matches!(line[at], b' ' | b'\t'));
        at += 1;
    }
    None
}
