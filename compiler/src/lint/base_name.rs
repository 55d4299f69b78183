//! The lint `base-name`.

use super::Lint;

/// A program named by its base name.
pub static BASE_NAME: Lint = Lint {
    code: "W0311",
    name: "base-name",
    finds: "a program named by its base name",
    page: include_str!("base_name.md"),
};
