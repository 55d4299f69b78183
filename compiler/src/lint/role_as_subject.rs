//! The lint `role-as-subject`.

use super::Lint;

/// A role in `p.sub` under a matcher that does not call `g` on it.
pub static ROLE_AS_SUBJECT: Lint = Lint {
    code: "W0310",
    name: "role-as-subject",
    finds: "a role in `p.sub` under a matcher that does not call `g` on it",
    page: include_str!("role_as_subject.md"),
};
