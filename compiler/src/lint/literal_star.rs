//! The lint `literal-star`.

use super::Lint;

/// `*` in `p.sub` that is compared as it is.
pub static LITERAL_STAR: Lint = Lint {
    code: "W0312",
    name: "literal-star",
    finds: "`*` in `p.sub` that is compared as it is",
    page: include_str!("literal_star.md"),
};
