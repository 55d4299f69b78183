//! The lint `scope-without-obj`.

use super::Lint;

/// `file` or `dir` where the matcher does not compare `obj`.
pub static SCOPE_WITHOUT_OBJ: Lint = Lint {
    code: "W0308",
    name: "scope-without-obj",
    finds: "`file` or `dir` where the matcher does not compare `obj`",
    page: include_str!("scope_without_obj.md"),
};
