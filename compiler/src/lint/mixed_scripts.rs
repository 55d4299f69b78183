//! The lint `mixed-scripts`.

use super::Lint;
use super::findings::Findings;
use crate::diagnostic::Diagnostic;

/// A name that mixes letters of scripts that look alike.
pub static MIXED_SCRIPTS: Lint = Lint {
    code: "W0322",
    name: "mixed-scripts",
    finds: "a name that mixes letters of scripts that look alike",
    page: include_str!("mixed_scripts.md"),
};

pub(super) fn check(found: &mut Findings<'_>) {
    let mut all = Vec::new();
    for (index, rule) in found.model.rules.iter().enumerate() {
        for field in rule.fields.iter().filter(|field| !field.text.is_ascii()) {
            let Ok(text) = std::str::from_utf8(&field.text) else { continue };
            let Some((letter, name)) = text.split(['/', ' ']).find_map(mixed) else { continue };
            let message =
                format!("`{name}` mixes scripts: U+{:04X} only looks like a Latin letter", u32::from(letter));
            let diagnostic = if text.contains('/') {
                Diagnostic::denied(&MIXED_SCRIPTS, message, field.span)
            } else {
                Diagnostic::warning(&MIXED_SCRIPTS, message, field.span)
            };
            all.push((index, diagnostic.label("looks like something else").help("type the name anew")));
        }
    }
    for (rule, diagnostic) in all {
        found.on_rule(rule, diagnostic);
    }
}

/// The first letter of `name` that is Greek, Cyrillic, Armenian, Cherokee or wide, if there are Latin ones too.
fn mixed(name: &str) -> Option<(char, &str)> {
    let latin = name.chars().any(|c| c.is_ascii_alphabetic());
    let alike = |c: char| matches!(u32::from(c), 0x370..=0x3ff | 0x400..=0x52f | 0x530..=0x58f | 0x13a0..=0x13ff | 0xff01..=0xff5e);
    name.chars().find(|c| latin && alike(*c)).map(|letter| (letter, name))
}
