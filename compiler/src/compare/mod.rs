//! What two policies decide differently, and what one decides: exactly, by their automata.
//!
//! Both images are walked side by side over canonical paths, for every class of subjects that either tells apart. Where
//! two cells meet they are compared as functions of the request's fields: boxes against boxes. Nothing is sampled: no
//! difference found means that there is none. What is found is put together by the rules that are to blame, and said
//! in patterns that were proved to say exactly it.
//!
//! This room works on images and knows no policy text but what they carry for people.

mod answers;
mod arguments;
mod candidates;
mod collect;
mod condition;
mod diff;
mod language;
mod patterns;
mod product;
mod query;
mod rules;
mod who;
mod words;

pub use diff::{Comparison, OptionChange, compare};
pub use patterns::{PatternTerm, Patterns};
pub use query::{Answers, Query, QueryError, is_named, query};
pub use rules::{Blamed, Decider, Side};
pub(crate) use who::Names;
pub use who::{Program, Who};

use boesfs_abi::op::{Op, OpSet};
use boesfs_abi::request::Request;
use boesfs_abi::verdict::{Errno, Verdict};

/// How much a comparison may take, and how much of it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Pairs of states that one path leads to.
    pub places: usize,
    /// Boxes that the tests of one cell and operation are cut into.
    pub boxes: usize,
    /// Changes, or answers, that are described; all are counted.
    pub findings: usize,
    /// Parts of one of them that are described; all are counted.
    pub parts: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { places: 16_000_000, boxes: 4_096, findings: 100, parts: 16 }
    }
}

/// A breach of [`Limits`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompareError {
    /// The automata are too different to be walked side by side.
    #[error("E0510: one path leads to more than {limit} pairs of states, `--max-pairs` raises the limit")]
    Places {
        /// How many there may be.
        limit: usize,
    },
    /// The tests are too many.
    #[error(
        "E0508: the tests on `{op}` split into more than {limit} combinations, `--max-boxes` raises the limit"
    )]
    Boxes {
        /// The operation.
        op: Op,
        /// How many there may be.
        limit: usize,
    },
}

/// What a class of requests gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Outcome {
    /// Allow or deny.
    pub verdict: Verdict,
    /// The error of a denial, and whether it is reported: told apart only if asked for.
    pub said: Option<(u8, bool)>,
}

impl Outcome {
    /// The error of a denial, if it was asked for.
    #[must_use]
    pub fn errno(&self) -> Option<Errno> {
        self.said.filter(|_| self.verdict == Verdict::Deny).map(|(code, _)| Errno::from_code(code))
    }
}

/// Requests that belong together: the same rules decide them.
#[derive(Clone, Debug)]
pub struct Finding {
    /// What decided before; what is to blame first.
    pub old_rules: Vec<Blamed>,
    /// What decides now; what is to blame first.
    pub new_rules: Vec<Blamed>,
    /// How many parts there are.
    pub part_count: usize,
    /// The parts: subjects, operations, paths and conditions that make a full product.
    pub parts: Vec<Part>,
}

/// Subjects times operations times paths, under a condition.
#[derive(Clone, Debug)]
pub struct Part {
    /// What they got; `None` if nothing is compared.
    pub old: Option<Outcome>,
    /// What they get.
    pub new: Outcome,
    /// Who asks.
    pub subjects: Vec<Who>,
    /// The same in words.
    pub who: Vec<String>,
    /// The operations.
    pub ops: OpSet,
    /// The paths.
    pub paths: Patterns,
    /// Under any of these conditions; empty: always.
    pub conditions: Vec<String>,
    /// One of these requests.
    pub witness: Request,
}
