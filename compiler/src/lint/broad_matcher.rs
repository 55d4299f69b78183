//! The lint `broad-matcher`.

use super::Lint;

/// A matcher that does not compare `r.act`, or `r.obj`.
pub static BROAD_MATCHER: Lint = Lint {
    code: "W0307",
    name: "broad-matcher",
    finds: "a matcher that does not compare `r.act`, or `r.obj`",
    page: include_str!("broad_matcher.md"),
};
