//! The lint `not-a-rule`.

use super::Lint;

/// A line that is no rule, where BoesFS read on in silence.
pub static NOT_A_RULE: Lint = Lint {
    code: "W0301",
    name: "not-a-rule",
    finds: "a line that is no rule, where BoesFS read on in silence",
    page: include_str!("not_a_rule.md"),
};
