//! The lint `unused-priority`.

use super::Lint;

/// A `priority` column under an effect that does not sort.
pub static UNUSED_PRIORITY: Lint = Lint {
    code: "W0309",
    name: "unused-priority",
    finds: "a `priority` column under an effect that does not sort",
    page: include_str!("unused_priority.md"),
};
