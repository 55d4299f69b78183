//! The lint `dot-not-newline`.

use boesfs_abi::verdict::Effect;

use super::Lint;
use super::findings::Findings;
use crate::diagnostic::Diagnostic;
use crate::model::PathFunction;

/// `.*` in the `regexMatch` pattern of a deny rule, where `.` is no newline.
pub static DOT_NOT_NEWLINE: Lint = Lint {
    code: "W0321",
    name: "dot-not-newline",
    finds: "`.*` in the `regexMatch` pattern of a deny rule, where `.` is no newline",
    page: include_str!("dot_not_newline.md"),
};

pub(super) fn check(found: &mut Findings<'_>) {
    found.each_pattern(|model, pattern| {
        let rule = pattern.rule?;
        if pattern.function != PathFunction::RegexMatch
            || model.rules[rule].eft != Effect::Deny
            || pattern.text.starts_with(b"(?s)")
        {
            return None;
        }
        // At an end that is not tied to the path it does not matter how far `.*` reaches.
        let text = pattern.text.strip_suffix(b".*").unwrap_or(pattern.text);
        let at = dots(text)?;
        let mut diagnostic = Diagnostic::warning(
            &DOT_NOT_NEWLINE,
            format!("a name with a newline slips through `{}`", pattern.shown()),
            pattern.part(at, 2),
        )
        .label("`.` is no newline")
        .help("put `(?s)` in front");
        if pattern.is_plain() {
            let front = boesfs_grammar::Span { end: pattern.span.start, ..pattern.span };
            diagnostic = diagnostic.fix("put `(?s)` in front", front, "(?s)");
        }
        Some(diagnostic)
    });
}

/// The first `.*` or `.+` outside a class.
fn dots(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match byte {
            b'\\' => at += 1,
            b'[' => at += text[at..].iter().position(|byte| *byte == b']').unwrap_or(text.len()),
            b'.' if matches!(text.get(at + 1), Some(b'*' | b'+')) => return Some(at),
            _ => {}
        }
        at += 1;
    }
    None
}
