//! The lint `text-after-star`.

use super::Lint;
use super::findings::Findings;
use crate::diagnostic::Diagnostic;
use crate::model::PathFunction;

/// What follows `*` in a `keyMatch` pattern, which ignores it.
pub static TEXT_AFTER_STAR: Lint = Lint {
    code: "W0318",
    name: "text-after-star",
    finds: "what follows `*` in a `keyMatch` pattern, which ignores it",
    page: include_str!("text_after_star.md"),
};

pub(super) fn check(found: &mut Findings<'_>) {
    found.each_pattern(|_, pattern| {
        if pattern.function != PathFunction::KeyMatch {
            return None;
        }
        let star = pattern.text.iter().position(|byte| *byte == b'*')?;
        let rest = &pattern.text[star + 1..];
        if rest.is_empty() {
            return None;
        }
        let shown = String::from_utf8_lossy(rest).into_owned();
        let place = pattern.part(star + 1, rest.len());
        let mut diagnostic =
            Diagnostic::warning(&TEXT_AFTER_STAR, format!("`keyMatch` ignores `{shown}` after `*`"), place)
                .label("not looked at");
        diagnostic = if rest.iter().all(|byte| *byte == b'*') && pattern.is_plain() {
            diagnostic.help("remove it").fix("remove what is ignored", place, "")
        } else {
            diagnostic.help("use `pathMatch`, where `*` stays inside a component and what follows counts")
        };
        Some(diagnostic)
    });
}
