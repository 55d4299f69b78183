//! Rules in disjunctive normal form: from [`crate::model::Model`] by partial evaluation, to the automaton.
//!
//! A rule's columns are constants, so its matcher reduces to a disjunction of [`Term`]s over subject class, path,
//! operation, arguments and caller. Path conditions are boolean over a shared set of [`PathAtom`]s: the automaton
//! recognises atoms, and which terms hold follows from which atoms do.
//! This stage knows no state, no image and no plane.

pub use boesfs_abi::image::ClassId;
#[cfg(test)]
mod evaluate;
mod lower;
#[cfg(test)]
mod tests;

pub use lower::{
    BraceLimits, Limits, LowerError, PatternError, Problem, argument_language, lower, path_language,
};
pub(crate) use lower::{path_atoms, takes_the_same};

use std::sync::Arc;

use boesfs_abi::op::OpSet;
pub use boesfs_abi::subjects::SubjectLiteral;
use boesfs_abi::verdict::Effect;

use crate::model::{Annotations, Options, PolicyEffect, Shape};

/// A policy reduced to what decides.
#[derive(Clone, Debug)]
pub struct RuleSet {
    /// Casbin's or `BoesFS`'s layout.
    pub shape: Shape,
    /// How matching rules become a verdict.
    pub effect: PolicyEffect,
    /// The rules, in file order; [`RuleId`] indexes this.
    pub rules: Vec<Rule>,
    /// The path languages the rules speak of, without repetition; [`AtomId`] indexes this.
    pub atoms: Vec<PathAtom>,
    /// The byte languages path and text arguments are tested against, without repetition; [`TextId`] indexes this.
    pub texts: Vec<PathAtom>,
    /// Subjects and domains, and the classes they fall into.
    pub subjects: Subjects,
    /// For each class, the rules in the order in which the effect consults them (`priority`, `subjectPriority`);
    /// `None` is file order for every class.
    pub order: Option<Vec<Arc<[RuleId]>>>,
    /// `[options]`.
    pub options: Options,
}

impl RuleSet {
    /// The literal path that `rule` is about, or its pattern's literal directory, if it speaks of one.
    #[must_use]
    pub fn literal(&self, rule: &Rule) -> Option<Vec<u8>> {
        rule.terms.iter().find_map(|term| {
            let speaks = term.paths.iter().filter(|test| test.holds);
            match term.entry {
                Entry::Dir(_) if term.paths.is_empty() => Some(b"/".to_vec()),
                Entry::Dir(_) | Entry::File | Entry::Everywhere => {
                    speaks.map(|test| &self.atoms[test.atom.0 as usize]).find_map(lower::directory)
                }
            }
        })
    }
}

/// Index of a rule in [`RuleSet::rules`]: its place in file order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RuleId(pub u32);

/// Index of a path language in [`RuleSet::atoms`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AtomId(pub u32);

/// Index of a byte language in [`RuleSet::texts`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TextId(pub u32);

/// One rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// What it says.
    pub eft: Effect,
    /// When it matches: if any of these holds. Empty: never.
    pub terms: Vec<Term>,
    /// What `#@` comments said.
    pub annotations: Arc<Annotations>,
    /// Which source the rule stands in: 0 the policy, 1 the model.
    pub file: u32,
    /// Line in that source, from 1.
    pub line: u32,
    /// The line as written.
    pub text: Arc<str>,
}

/// A conjunction of conditions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    /// The classes it holds for, in increasing order. Never empty.
    pub classes: Arc<[ClassId]>,
    /// The path conditions; empty: every path.
    pub paths: Vec<PathTest>,
    /// The operations it holds for. May be empty only under `nearest` (`none`, `default`): then it only makes an entry.
    pub ops: OpSet,
    /// The conditions on arguments and caller, at most one [`Test`] of each literal; empty: none.
    pub tests: Vec<Test>,
    /// Under `nearest`: the entry it stands in. `Everywhere` otherwise, and where the matcher does not compare `obj`.
    pub entry: Entry,
}

/// One path condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PathTest {
    /// The language.
    pub atom: AtomId,
    /// Whether the path must lie in it, or outside.
    pub holds: bool,
}

/// The entry a term stands in, under `nearest` (LANGUAGE §7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Entry {
    /// The one entry that all rules form.
    Everywhere,
    /// The entry of exactly one path.
    File,
    /// The entry of what lies below a directory whose path has this many bytes (`/`: 1, so that it is the shallowest).
    Dir(u32),
}

/// A language over paths or texts.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PathAtom {
    /// Exactly these bytes.
    Literal(Vec<u8>),
    /// Strictly below this directory: its path, a `/` (not doubled after the root), and at least one byte.
    Below(Vec<u8>),
    /// These bytes and whatever follows.
    Prefix(Vec<u8>),
    /// A pattern's language.
    Pattern(Box<Regex>),
}

/// A regular expression over bytes, the common form of all path functions. Matches the whole input; unanchored
/// functions say so with [`Regex::any`] on either side.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Regex {
    /// The empty string.
    Empty,
    /// Nothing at all.
    Never,
    /// One byte of a set, as sorted, disjoint, inclusive ranges.
    Bytes(Vec<(u8, u8)>),
    /// One after the other.
    Concat(Vec<Regex>),
    /// Either.
    Alternate(Vec<Regex>),
    /// `min` or more, at most `max`, times.
    Repeat {
        /// What.
        of: Box<Regex>,
        /// At least.
        min: u32,
        /// At most; `None` is without limit.
        max: Option<u32>,
    },
    /// One byte of a set of bytes beyond ASCII, as sorted, disjoint, inclusive ranges, that is no part of a character:
    /// no well-formed UTF-8 sequence of the input holds it.
    ///
    /// INVARIANT(whole characters): all that can stand before it reads whole characters and such bytes.
    Lone(Vec<(u8, u8)>),
    /// The empty string, at the start of the input only.
    Start,
    /// The empty string, at the end of the input only.
    End,
}

impl Regex {
    /// Any bytes.
    #[must_use]
    pub fn any() -> Self {
        Self::Repeat { of: Box::new(Self::Bytes(vec![(0, 255)])), min: 0, max: None }
    }
}

/// One condition on an argument or on the caller. A `holds: false` test is its opposite, and holds for an absent
/// argument, for which every condition is false.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Test {
    /// What is tested.
    pub field: TestField,
    /// For what.
    pub condition: Condition,
    /// Whether the condition must hold, or must not.
    pub holds: bool,
}

/// What a [`Test`] looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TestField {
    /// The argument at this place of the operation's tuple.
    Arg(u8),
    /// The caller's file system uid.
    Uid,
    /// The caller's file system gid.
    Gid,
    /// The object's kind.
    Kind,
}

/// A condition of a [`Test`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Condition {
    /// The number, taken as unsigned, lies between these, both included. An interval of a signed argument that
    /// crosses zero is two tests or the opposite of one: `[min..-1]` lies above `[0..max]`.
    Between(u64, u64),
    /// The number has any of these bits.
    AnyBit(u64),
    /// The bytes lie in this language.
    Text(TextId),
    /// The kind is one of these: bit `1 << kind`.
    KindIn(u8),
}

/// Subjects and domains, and the classes they fall into.
///
/// A subject is looked up by its text: the group of the literal that is its path, or else of the one that is its base
/// name, or both at once; see [`Subjects::groups`]. Group 0 and domain 0 stand for every name the policy does not mention.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subjects {
    /// The literals subjects are told apart by.
    pub literals: Vec<SubjectLiteral>,
    /// Each group of subjects the policy tells apart, by (index of the literal that is its path, index of the literal
    /// that is its base name); sorted, first `(None, None)`.
    pub groups: Vec<(Option<u32>, Option<u32>)>,
    /// The domains the policy names; domain `i + 1` is `domains[i]`.
    pub domains: Vec<Vec<u8>>,
    /// `class[group * (domains.len() + 1) + domain]`
    pub classes: Vec<ClassId>,
    /// How many classes there are.
    pub class_count: u32,
    /// For each class, a (subject, domain) that falls into it, for witnesses.
    pub witnesses: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}
