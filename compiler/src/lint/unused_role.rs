//! The lint `unused-role`.

use super::Lint;

/// A role that no rule speaks of.
pub static UNUSED_ROLE: Lint = Lint {
    code: "W0314",
    name: "unused-role",
    finds: "a role that no rule speaks of",
    page: include_str!("unused_role.md"),
};
