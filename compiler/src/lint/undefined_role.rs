//! The lint `undefined-role`.

use super::Lint;

/// A role that no `g` line defines.
pub static UNDEFINED_ROLE: Lint = Lint {
    code: "W0316",
    name: "undefined-role",
    finds: "a role that no `g` line defines",
    page: include_str!("undefined_role.md"),
};
