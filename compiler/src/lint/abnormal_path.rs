//! The lint `abnormal-path`.

use super::Lint;

/// A path that is not normal and so matches nothing.
pub static ABNORMAL_PATH: Lint = Lint {
    code: "W0305",
    name: "abnormal-path",
    finds: "a path that is not normal, or a subject without a base name, and so matches nothing",
    page: include_str!("abnormal_path.md"),
};
