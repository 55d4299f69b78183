//! The lint `bad-tuple-value`.

use super::Lint;

/// A tuple value that is no decimal number where a number stands.
pub static BAD_TUPLE_VALUE: Lint = Lint {
    code: "W0306",
    name: "bad-tuple-value",
    finds: "a tuple value that is no decimal number where a number stands",
    page: include_str!("bad_tuple_value.md"),
};
