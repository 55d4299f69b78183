//! Policy lines to [`Cell`]s.
//!
//! A line without quotes and parentheses is split by hand: that is nearly every line of a large policy, and it costs
//! a tenth of the grammar's way. Every other line goes to the grammar; a property test holds the two equal.

use crate::error::SyntaxError;
use crate::expression::too_deep;
use crate::pest_error::{run, span_of};
use crate::policy::Rule;
use crate::source::{Limits, Span};
use crate::tree::Cell;

/// Pushes the cells of `line`, which stands at `span`; all of them or, on an error, none.
pub(crate) fn cells(
    line: &[u8],
    span: Span,
    limits: &Limits,
    out: &mut Vec<Cell>,
) -> Result<(), SyntaxError> {
    if line.iter().any(|b| matches!(b, b'"' | b'(')) {
        return by_grammar(line, span, limits, out);
    }
    by_hand(line, span, out);
    Ok(())
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

pub(crate) fn by_hand(line: &[u8], span: Span, out: &mut Vec<Cell>) {
    let mut end = line.len();
    let mut start = 0;
    let mut at = 0;
    while at < end {
        match line[at] {
            b',' => {
                out.push(trimmed(line, start, at, span));
                start = at + 1;
            }
            b'#' if at > 0 && is_blank(line[at - 1]) => end = at,
            _ => {}
        }
        at += 1;
    }
    out.push(trimmed(line, start, end, span));
}

/// The cell between `start` and `end` of `line`, without the blanks around it.
fn trimmed(line: &[u8], mut start: usize, mut end: usize, span: Span) -> Cell {
    while start < end && is_blank(line[end - 1]) {
        end -= 1;
    }
    while start < end && is_blank(line[start]) {
        start += 1;
    }
    Cell { span: span.part(start, end - start), quoted: false }
}

/// That a line of `len` bytes, which stands at `span`, is too long.
pub(crate) fn too_long(len: usize, span: Span, limits: &Limits) -> SyntaxError {
    let message = format!("the line has {len} bytes, the limit is {}", limits.line);
    SyntaxError::new("E0124", message, span).help("raise the limit with `--max-line`")
}

pub(crate) fn by_grammar(
    line: &[u8],
    span: Span,
    limits: &Limits,
    out: &mut Vec<Cell>,
) -> Result<(), SyntaxError> {
    if line.len() > limits.line {
        return Err(too_long(line.len(), span, limits));
    }
    let mut depth = 0_usize;
    for (at, byte) in line.iter().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > limits.nesting {
            return Err(too_deep(span.part(at, 1), limits));
        }
    }
    // The grammar reads text. A byte that is none is replaced by one that means nothing to it; the cell's bytes come
    // from the source, by its span.
    let text: String = match std::str::from_utf8(line) {
        Ok(text) => text.to_owned(),
        Err(_) => line.iter().map(|b| if b.is_ascii() { char::from(*b) } else { '\u{1a}' }).collect(),
    };
    let first = out.len();
    let pairs = run(Rule::rule_line, &text, span).map_err(|error| unclosed(line, span).unwrap_or(error))?;
    for pair in pairs.flat_map(pest::iterators::Pair::into_inner) {
        if pair.as_rule() != Rule::cell {
            continue;
        }
        let outer = pair.as_span();
        let quoted = pair.into_inner().find(|inner| inner.as_rule() == Rule::quoted);
        out.push(match quoted {
            Some(quoted) => Cell { span: span_of(&quoted, span), quoted: true },
            None => trimmed(line, outer.start(), outer.end(), span),
        });
    }
    debug_assert!(out.len() > first, "a line has a cell");
    Ok(())
}

/// Why the grammar refused `line`, if a quote or a parenthesis is not closed.
fn unclosed(line: &[u8], span: Span) -> Option<SyntaxError> {
    let mut at = 0;
    loop {
        while line.get(at).copied().is_some_and(is_blank) {
            at += 1;
        }
        match line.get(at)? {
            b'"' => {
                let start = at;
                at += 1;
                loop {
                    at += line[at..].iter().position(|b| *b == b'"').map_or(line.len(), |len| len + 1);
                    if at > line.len() {
                        return Some(
                            SyntaxError::new("E0109", "the quoted field is not closed", span.part(start, 1))
                                .label("opened here")
                                .help("close it with `\"`; a quote inside is written `\"\"`"),
                        );
                    }
                    if line.get(at) != Some(&b'"') {
                        break;
                    }
                    at += 1;
                }
            }
            b'(' => {
                let start = at;
                let mut depth = 0_usize;
                while at < line.len() {
                    match line[at] {
                        b'(' => depth += 1,
                        b')' => depth -= 1,
                        _ => {}
                    }
                    at += 1;
                    if depth == 0 {
                        break;
                    }
                }
                if depth > 0 {
                    return Some(
                        SyntaxError::new("E0111", "the parenthesis is not closed", span.part(start, 1))
                            .label("opened here")
                            .help("close the tuple with `)`, or quote a field that begins with `(`"),
                    );
                }
            }
            _ => {}
        }
        at += line.get(at..)?.iter().position(|b| *b == b',')? + 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::source::narrow;

    proptest! {
        #[test]
        fn splitting_by_hand_is_the_grammar(line in r"[a-z /,#\t.\x{e9}-]{0,40}") {
            let line = line.trim_matches([' ', '\t']).as_bytes();
            // Lines that are empty or comments do not come here.
            prop_assume!(!line.is_empty() && line[0] != b'#');
            let span = Span { file: 0, start: 7, end: 7 + narrow(line.len()) };
            let (mut hand, mut grammar) = (Vec::new(), Vec::new());
            by_hand(line, span, &mut hand);
            prop_assert!(by_grammar(line, span, &Limits::default(), &mut grammar).is_ok());
            prop_assert_eq!(hand, grammar);
        }
    }
}
