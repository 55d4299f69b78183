//! The lint `hidden-characters`.

use super::Lint;

/// Control or reordering characters in a field, which make it look like another.
pub static HIDDEN_CHARACTERS: Lint = Lint {
    code: "W0315",
    name: "hidden-characters",
    finds: "control or reordering characters in a field, which make it look like another",
    page: include_str!("hidden_characters.md"),
};
