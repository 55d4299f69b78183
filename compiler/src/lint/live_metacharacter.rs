//! The lint `live-metacharacter`.

use super::Lint;
use super::findings::Findings;
use crate::diagnostic::Diagnostic;
use crate::model::PathFunction;

/// `.` or `+` in a `keyMatch2`, `keyMatch3` or `keyMatch5` pattern, where it is a metacharacter.
pub static LIVE_METACHARACTER: Lint = Lint {
    code: "W0319",
    name: "live-metacharacter",
    finds: "`.` or `+` in a `keyMatch2`, `keyMatch3` or `keyMatch5` pattern, where it is a metacharacter",
    page: include_str!("live_metacharacter.md"),
};

pub(super) fn check(found: &mut Findings<'_>) {
    found.each_pattern(|_, pattern| {
        let name = match pattern.function {
            PathFunction::KeyMatch2 => "keyMatch2",
            PathFunction::KeyMatch3 => "keyMatch3",
            PathFunction::KeyMatch5 => "keyMatch5",
            PathFunction::KeyMatch
            | PathFunction::GlobMatch
            | PathFunction::RegexMatch
            | PathFunction::PathMatch
            | PathFunction::Under
            | PathFunction::Within => return None,
        };
        let at = live(pattern.text, pattern.function)?;
        let byte = char::from(pattern.text[at]);
        let does = if byte == '.' { "matches any character" } else { "repeats what stands before it" };
        let place = pattern.part(at, 1);
        let mut diagnostic =
            Diagnostic::warning(&LIVE_METACHARACTER, format!("`{byte}` {does} in `{name}`"), place)
                .label("not taken as it is")
                .help(format!("write `\\{byte}`, or use `pathMatch`"));
        if pattern.is_plain() {
            diagnostic = diagnostic.fix(format!("write `\\{byte}`"), place, format!("\\{byte}"));
        }
        Some(diagnostic)
    });
}

/// The first `.` or `+` that is neither escaped nor part of a name, nor looks like a piece of a regular expression.
fn live(text: &[u8], function: PathFunction) -> Option<usize> {
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        let end = |close: u8| text[at..].iter().position(|b| *b == close).map_or(text.len(), |end| at + end);
        match byte {
            b'\\' => at += 1,
            b':' if function == PathFunction::KeyMatch2 => at = end(b'/'),
            b'{' if function != PathFunction::KeyMatch2 => at = end(b'}'),
            b'[' => at = end(b']'),
            b'.' if !matches!(text.get(at + 1), Some(b'*' | b'+' | b'?' | b'{')) => return Some(at),
            b'+' if at > 0 && !matches!(text[at - 1], b')' | b']' | b'.' | b'}') => return Some(at),
            _ => {}
        }
        at += 1;
    }
    None
}
