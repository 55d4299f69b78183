//! The lint `unanchored-regex`.

use super::Lint;
use super::findings::Findings;
use crate::diagnostic::Diagnostic;
use crate::model::PathFunction;

/// A `regexMatch` pattern that is looked for anywhere in the path.
pub static UNANCHORED_REGEX: Lint = Lint {
    code: "W0320",
    name: "unanchored-regex",
    finds: "a `regexMatch` pattern that is looked for anywhere in the path",
    page: include_str!("unanchored_regex.md"),
};

pub(super) fn check(found: &mut Findings<'_>) {
    found.each_pattern(|_, pattern| {
        if pattern.function != PathFunction::RegexMatch {
            return None;
        }
        let text = pattern.text.strip_prefix(b"(?s)").unwrap_or(pattern.text);
        let start = text.starts_with(b"^") || text.starts_with(b".*");
        let end = text.ends_with(b"$") || text.ends_with(b".*");
        let label = match (start, end) {
            (true, true) => return None,
            (true, false) => "anything may follow",
            (false, true) => "anything may stand before it",
            (false, false) => "anything may stand around it",
        };
        let shown = pattern.shown();
        let (before, after) = (if start { "" } else { "^" }, if end { "" } else { "$" });
        let mut diagnostic = Diagnostic::warning(
            &UNANCHORED_REGEX,
            format!("`{shown}` is looked for anywhere in the path"),
            pattern.span,
        )
        .label(label)
        .help("tie it to the path with `^` and `$`, or say `.*` where anything may stand");
        // A choice would have to be put in parentheses.
        if pattern.is_plain() && text.len() == pattern.text.len() && !text.contains(&b'|') {
            let whole = [before.as_bytes(), text, after.as_bytes()].concat();
            let title = format!("write `{before}{shown}{after}`");
            diagnostic = diagnostic.suggest(title, pattern.span, whole);
        }
        Some(diagnostic)
    });
}
