//! Policy tests: requests beside a policy, with what must come of them, and which rules they put to the test.
//!
//! A suite is a RON file, `policy.test.ron` beside `policy.conf`. [`read`](Suite::read) makes tests of its text,
//! [`run`](fn@run) asks them of the reference evaluator and of the image, [`Coverage`] says which rules decided.

mod coverage;
mod fields;
mod junit;
mod locate;
mod read;
mod report;
mod run;
mod witness;

pub use coverage::{Coverage, Covered, Use};
pub use junit::junit;
pub use locate::{Found, SUFFIX, policy_beside, suite_beside, suites_below};
pub(crate) use report::request_text;
pub use report::{Result, human, idle_rules, json, rules_json, with_suite};
pub use run::{Failure, Mistake, Outcome, Ran, run};
pub use witness::Suggestion;

use boesfs_abi::op::Op;
use boesfs_abi::request::Request;
use boesfs_abi::verdict::Verdict;
use boesfs_grammar::{Source, Span};

/// A file of tests.
#[derive(Clone, Debug)]
pub struct Suite {
    /// The file. Spans of tests point into it, with [`Suite::FILE`] as their file.
    pub source: Source,
    /// The policy it is about, relative to its own folder; `None` is the policy it is named for.
    pub policy: Option<String>,
    /// The model of a two-file policy, relative to its own folder.
    pub model: Option<String>,
    /// Lints that are allowed.
    pub allow: Vec<String>,
    /// The policy type to test, such as `p2`.
    pub select: Option<String>,
    /// The tests, in file order.
    pub tests: Vec<Test>,
}

impl Suite {
    /// The file of spans that point into a suite's source: behind the policy and its model.
    pub const FILE: u16 = 2;
}

/// A named group of requests that must be answered as expected.
#[derive(Clone, Debug)]
pub struct Test {
    /// Its name, unlike the others of its suite.
    pub name: String,
    /// Where it stands.
    pub span: Span,
    /// Its first line, from 1.
    pub line: u32,
    /// What is asked.
    pub asks: Vec<Ask>,
}

/// One request and its answer.
#[derive(Clone, Debug)]
pub struct Ask {
    /// What is asked.
    pub request: Request,
    /// The protected directory, for the effective decision.
    pub dir: Vec<u8>,
    /// What must come of it.
    pub expected: Expected,
    /// Where it stands.
    pub span: Span,
}

/// What must come of a request. At least one of the first two, or a rule, is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// The decision.
    pub decision: Option<Verdict>,
    /// The effective decision.
    pub effective: Option<Verdict>,
    /// What must decide.
    pub rule: Option<Cause>,
    /// The operation and object that must stop the call.
    pub stopped_by: Option<(Op, Vec<u8>)>,
}

/// What must decide a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The rule with this id; `default` means that none decides, unless a rule is called so.
    Id(String),
    /// The rule on this line.
    Line(u32),
}
