//! Lints: findings with a name that reads after "allow", one file each, its page beside it.
//!
//! Some are found while names are bound, in [`crate::model`]; the others look at a policy that is sound, and at its
//! automaton where one could be built. A lint never changes what a policy means.

mod abnormal_path;
mod automaton;
mod bad_tuple_value;
mod base_name;
mod broad_matcher;
mod casbin_differs;
mod conflicting_rules;
mod deep_role;
mod deny_by_program;
mod dot_not_newline;
mod duplicate_id;
mod duplicate_rule;
mod empty_policy;
mod findings;
mod freed_by_nearest;
mod hasty_kill;
mod hidden_by_star;
mod hidden_characters;
mod id_out_of_range;
mod impossible_pattern;
mod impossible_rule;
mod impossible_value;
mod inert_exception;
mod inert_rule;
mod literal_star;
mod live_metacharacter;
mod mixed_scripts;
mod never_true;
mod not_a_rule;
mod reach;
mod repeated_operation;
mod replaceable;
mod role_as_subject;
mod scope_without_obj;
mod script_subject;
mod set_comparison;
mod shadowed_rule;
mod text_after_star;
mod tied_priority;
mod unanchored_regex;
mod undefined_action_role;
mod undefined_role;
mod unenforceable_rule;
mod unreachable_allow;
mod unused_action_role;
mod unused_column;
mod unused_priority;
mod unused_role;
mod useless_annotation;
mod way;
mod weaker_on_a_plane;
mod writable_subject;

pub use abnormal_path::ABNORMAL_PATH;
pub use bad_tuple_value::BAD_TUPLE_VALUE;
pub use base_name::BASE_NAME;
pub use broad_matcher::BROAD_MATCHER;
pub use casbin_differs::CASBIN_DIFFERS;
pub use conflicting_rules::CONFLICTING_RULES;
pub use deep_role::DEEP_ROLE;
pub use deny_by_program::DENY_BY_PROGRAM;
pub use dot_not_newline::DOT_NOT_NEWLINE;
pub use duplicate_id::DUPLICATE_ID;
pub use duplicate_rule::DUPLICATE_RULE;
pub use empty_policy::EMPTY_POLICY;
pub use freed_by_nearest::FREED_BY_NEAREST;
pub use hasty_kill::HASTY_KILL;
pub use hidden_by_star::HIDDEN_BY_STAR;
pub use hidden_characters::HIDDEN_CHARACTERS;
pub use id_out_of_range::ID_OUT_OF_RANGE;
pub use impossible_pattern::IMPOSSIBLE_PATTERN;
pub use impossible_rule::IMPOSSIBLE_RULE;
pub use impossible_value::IMPOSSIBLE_VALUE;
pub use inert_exception::INERT_EXCEPTION;
pub use inert_rule::INERT_RULE;
pub use literal_star::LITERAL_STAR;
pub use live_metacharacter::LIVE_METACHARACTER;
pub use mixed_scripts::MIXED_SCRIPTS;
pub use never_true::NEVER_TRUE;
pub use not_a_rule::NOT_A_RULE;
pub use repeated_operation::REPEATED_OPERATION;
pub use replaceable::REPLACEABLE;
pub use role_as_subject::ROLE_AS_SUBJECT;
pub use scope_without_obj::SCOPE_WITHOUT_OBJ;
pub use script_subject::SCRIPT_SUBJECT;
pub use set_comparison::SET_COMPARISON;
pub use shadowed_rule::SHADOWED_RULE;
pub use text_after_star::TEXT_AFTER_STAR;
pub use tied_priority::TIED_PRIORITY;
pub use unanchored_regex::UNANCHORED_REGEX;
pub use undefined_action_role::UNDEFINED_ACTION_ROLE;
pub use undefined_role::UNDEFINED_ROLE;
pub use unenforceable_rule::UNENFORCEABLE_RULE;
pub use unreachable_allow::UNREACHABLE_ALLOW;
pub use unused_action_role::UNUSED_ACTION_ROLE;
pub use unused_column::UNUSED_COLUMN;
pub use unused_priority::UNUSED_PRIORITY;
pub use unused_role::UNUSED_ROLE;
pub use useless_annotation::USELESS_ANNOTATION;
pub use weaker_on_a_plane::WEAKER_ON_A_PLANE;
pub use writable_subject::WRITABLE_SUBJECT;

use boesfs_abi::plane::Plane;
use boesfs_grammar::SyntaxTree;

use crate::automaton::Compiled;
use crate::diagnostic::Diagnostic;
use crate::model::{Annotations, Model, Settings};
use crate::rules::RuleSet;
use automaton::Automaton;
use findings::Findings;
pub use findings::Witness;

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
    &UNDEFINED_ROLE,
    &DEEP_ROLE,
    &TEXT_AFTER_STAR,
    &LIVE_METACHARACTER,
    &UNANCHORED_REGEX,
    &DOT_NOT_NEWLINE,
    &MIXED_SCRIPTS,
    &CASBIN_DIFFERS,
    &DUPLICATE_ID,
    &USELESS_ANNOTATION,
    &EMPTY_POLICY,
    &IMPOSSIBLE_VALUE,
    &ID_OUT_OF_RANGE,
    &HASTY_KILL,
    &UNUSED_ACTION_ROLE,
    &REPEATED_OPERATION,
    &SCRIPT_SUBJECT,
    &SHADOWED_RULE,
    &IMPOSSIBLE_PATTERN,
    &DUPLICATE_RULE,
    &CONFLICTING_RULES,
    &IMPOSSIBLE_RULE,
    &NEVER_TRUE,
    &UNREACHABLE_ALLOW,
    &FREED_BY_NEAREST,
    &REPLACEABLE,
    &HIDDEN_BY_STAR,
    &DENY_BY_PROGRAM,
    &WRITABLE_SUBJECT,
    &TIED_PRIORITY,
    &INERT_EXCEPTION,
    &UNENFORCEABLE_RULE,
    &WEAKER_ON_A_PLANE,
];

/// Whether a rule with these annotations takes it that a plane cannot enforce it.
#[must_use]
pub fn accepts_unenforced(annotations: &Annotations) -> bool {
    let names = [UNENFORCEABLE_RULE.name, WEAKER_ON_A_PLANE.name];
    annotations.allow.iter().any(|name| names.contains(&name.as_str()))
}

/// The lint called `name`, if there is one.
#[must_use]
pub fn lint(name: &str) -> Option<&'static Lint> {
    LINTS.iter().find(|lint| lint.name == name).copied()
}

/// The lints that look at a policy as it is written.
const MODEL: &[fn(&mut Findings<'_>)] = &[
    deep_role::check,
    text_after_star::check,
    live_metacharacter::check,
    unanchored_regex::check,
    dot_not_newline::check,
    mixed_scripts::check,
    casbin_differs::check,
    duplicate_id::check,
    useless_annotation::check,
    empty_policy::check,
    impossible_value::check,
    id_out_of_range::check,
    hasty_kill::check,
    unused_action_role::check,
    repeated_operation::check,
    script_subject::check,
];

/// What there is to say about a policy that is sound, as it is written.
#[must_use]
pub fn of_model(tree: &SyntaxTree, model: &Model, settings: &Settings) -> Vec<Diagnostic> {
    let mut found = Findings::new(tree, model);
    for check in MODEL {
        check(&mut found);
    }
    found.finish(settings)
}

/// The lints that look at a policy's automaton.
const AUTOMATON: &[fn(&Automaton<'_>, &mut Findings<'_>)] = &[
    shadowed_rule::check,
    impossible_pattern::check,
    duplicate_rule::check,
    conflicting_rules::check,
    impossible_rule::check,
    never_true::check,
    unreachable_allow::check,
    freed_by_nearest::check,
    replaceable::check,
    hidden_by_star::check,
    deny_by_program::check,
    writable_subject::check,
    tied_priority::check,
    inert_exception::check,
    unenforceable_rule::check,
    weaker_on_a_plane::check,
];

/// Adds what there is to say about a policy by its automaton. A finding that says more of the same takes another's place.
pub fn of_automaton(
    tree: &SyntaxTree,
    model: &Model,
    rules: &RuleSet,
    compiled: &Compiled,
    settings: &Settings,
    out: &mut Vec<Diagnostic>,
) {
    out.extend(judged(tree, model, rules, compiled, &settings.targets).finish(settings));
    inert_exception::replace(out);
}

/// The requests that show what [`of_automaton`] says.
#[must_use]
pub fn witnesses(tree: &SyntaxTree, model: &Model, rules: &RuleSet, compiled: &Compiled) -> Vec<Witness> {
    judged(tree, model, rules, compiled, &[]).into_witnesses()
}

fn judged<'a>(
    tree: &'a SyntaxTree,
    model: &'a Model,
    rules: &'a RuleSet,
    compiled: &'a Compiled,
    targets: &'a [Plane],
) -> Findings<'a> {
    let policy = Automaton::new(model, rules, compiled, targets);
    let mut found = Findings::new(tree, model);
    for check in AUTOMATON {
        check(&policy, &mut found);
    }
    found
}
