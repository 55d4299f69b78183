//! The lint `casbin-differs`.

use super::Lint;
use super::findings::Findings;
use crate::diagnostic::Diagnostic;
use crate::model::{Compat, PathFunction};
use crate::rules::takes_the_same;

/// A pattern that casbin-rs and Go Casbin do not read alike.
pub static CASBIN_DIFFERS: Lint = Lint {
    code: "W0323",
    name: "casbin-differs",
    finds: "a pattern that casbin-rs and Go Casbin do not read alike",
    page: include_str!("casbin_differs.md"),
};

/// How many patterns are compared; each is compiled twice for it.
const COMPARED: usize = 500;

pub(super) fn check(found: &mut Findings<'_>) {
    if found.model.options.compat != Compat::Boesfs {
        return;
    }
    let compared = std::cell::Cell::new(0);
    found.each_pattern(|_, pattern| {
        let name = match pattern.function {
            PathFunction::KeyMatch2 => "keyMatch2",
            PathFunction::KeyMatch3 => "keyMatch3",
            PathFunction::KeyMatch5 => "keyMatch5",
            PathFunction::GlobMatch => "globMatch",
            PathFunction::KeyMatch
            | PathFunction::RegexMatch
            | PathFunction::PathMatch
            | PathFunction::Under
            | PathFunction::Within => return None,
        };
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'_' | b'-' | b'.');
        if pattern.text.iter().all(plain) || compared.replace(compared.get() + 1) > COMPARED {
            return None;
        }
        if takes_the_same(pattern.function, pattern.text, [Compat::CasbinRs, Compat::CasbinGo]) {
            return None;
        }
        Some(
            Diagnostic::warning(
                &CASBIN_DIFFERS,
                format!("casbin-rs and Go Casbin read `{}` differently", pattern.shown()),
                pattern.span,
            )
            .label(format!("a pattern for `{name}`"))
            .help("use `pathMatch`, or say `compat = casbin-rs` or `compat = casbin-go` under `[options]`"),
        )
    });
    let more = compared.get().saturating_sub(COMPARED);
    if more > 0 {
        found.cut(&CASBIN_DIFFERS, format!("{more} patterns more were not compared"));
    }
}
