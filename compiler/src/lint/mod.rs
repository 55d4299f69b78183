//! Lints: findings with a name that reads after "allow", one file each, its page beside it.
//!
//! Some are found while names are bound, in [`crate::model`]; the others look at a policy that is sound, and at its
//! automaton where one could be built. A lint never changes what a policy means.

mod abnormal_path;
mod bad_tuple_value;
mod base_name;
mod broad_matcher;
mod hidden_characters;
mod inert_rule;
mod literal_star;
mod not_a_rule;
mod role_as_subject;
mod scope_without_obj;
mod set_comparison;
mod undefined_action_role;
mod unused_column;
mod unused_priority;
mod unused_role;

pub use abnormal_path::ABNORMAL_PATH;
pub use bad_tuple_value::BAD_TUPLE_VALUE;
pub use base_name::BASE_NAME;
pub use broad_matcher::BROAD_MATCHER;
pub use hidden_characters::HIDDEN_CHARACTERS;
pub use inert_rule::INERT_RULE;
pub use literal_star::LITERAL_STAR;
pub use not_a_rule::NOT_A_RULE;
pub use role_as_subject::ROLE_AS_SUBJECT;
pub use scope_without_obj::SCOPE_WITHOUT_OBJ;
pub use set_comparison::SET_COMPARISON;
pub use undefined_action_role::UNDEFINED_ACTION_ROLE;
pub use unused_column::UNUSED_COLUMN;
pub use unused_priority::UNUSED_PRIORITY;
pub use unused_role::UNUSED_ROLE;

/// A lint: a finding with a name that reads after "allow".
#[derive(Debug, PartialEq, Eq)]
pub struct Lint {
    /// `W0xxx`
    pub code: &'static str,
    /// `inert-rule`
    pub name: &'static str,
    /// What it finds, in one line.
    pub finds: &'static str,
    /// What `--explain` prints.
    pub page: &'static str,
}

/// Every lint, by code.
pub static LINTS: &[&Lint] = &[
    &NOT_A_RULE,
    &UNDEFINED_ACTION_ROLE,
    &UNUSED_COLUMN,
    &INERT_RULE,
    &ABNORMAL_PATH,
    &BAD_TUPLE_VALUE,
    &BROAD_MATCHER,
    &SCOPE_WITHOUT_OBJ,
    &UNUSED_PRIORITY,
    &ROLE_AS_SUBJECT,
    &BASE_NAME,
    &LITERAL_STAR,
    &SET_COMPARISON,
    &UNUSED_ROLE,
    &HIDDEN_CHARACTERS,
];

/// The lint called `name`, if there is one.
#[must_use]
pub fn lint(name: &str) -> Option<&'static Lint> {
    LINTS.iter().find(|lint| lint.name == name).copied()
}
