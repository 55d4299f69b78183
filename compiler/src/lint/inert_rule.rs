//! The lint `inert-rule`.

use super::Lint;

/// A rule whose eft the effect does not look at.
pub static INERT_RULE: Lint = Lint {
    code: "W0304",
    name: "inert-rule",
    finds: "a rule whose eft the effect does not look at",
    page: include_str!("inert_rule.md"),
};
