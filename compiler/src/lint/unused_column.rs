//! The lint `unused-column`.

use super::Lint;

/// A declared column that the matcher does not use.
pub static UNUSED_COLUMN: Lint = Lint {
    code: "W0303",
    name: "unused-column",
    finds: "a declared column that the matcher does not use",
    page: include_str!("unused_column.md"),
};
