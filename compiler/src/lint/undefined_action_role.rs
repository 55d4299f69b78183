//! The lint `undefined-action-role`.

use super::Lint;

/// An action role that no `a` line defines.
pub static UNDEFINED_ACTION_ROLE: Lint = Lint {
    code: "W0302",
    name: "undefined-action-role",
    finds: "an action role that no `a` line defines",
    page: include_str!("undefined_action_role.md"),
};
