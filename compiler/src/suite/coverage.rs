//! Which rules were put to the test.

use boesfs_abi::request::Request;

use super::witness::{self, Suggestion};
use crate::model::Model;
use crate::pipeline;
use crate::reference::{Index, Reference};

/// What tests made of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Use {
    /// It matched no request.
    Never,
    /// It matched some request, but another decided.
    Matched,
    /// It decided some request.
    Decided,
}

impl Use {
    /// The word in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Never => "never matched",
            Self::Matched => "matched, never decided",
            Self::Decided => "decided",
        }
    }
}

/// What the tests of one policy made of its rules.
#[derive(Clone, Debug)]
pub struct Coverage {
    index: Index<'static>,
    uses: Vec<Use>,
}

/// A rule and what tests made of it.
#[derive(Clone, Debug)]
pub struct Covered {
    /// Index into [`Model::rules`].
    pub rule: usize,
    /// What tests made of it.
    pub used: Use,
    /// A request that it decides; looked for only if no test has one.
    pub suggestion: Option<Suggestion>,
}

impl Coverage {
    /// Before any test of `model`.
    #[must_use]
    pub fn new(model: &Model) -> Self {
        Self { index: Index::new(model).into_owned(), uses: vec![Use::Never; model.rules.len()] }
    }

    /// Notes that `request` was asked, and what decided it.
    pub(super) fn note(&mut self, reference: &Reference<'_>, request: &Request, rule: Option<usize>) {
        if let Some(rule) = rule {
            self.decided(rule);
        }
        for rule in self.index.rules_at(request.obj()) {
            if self.uses[rule] == Use::Never && reference.may_match(request, rule) {
                self.uses[rule] = Use::Matched;
            }
        }
    }

    pub(super) fn decided(&mut self, rule: usize) {
        self.uses[rule] = Use::Decided;
    }

    /// How many rules decided a request, and how many there are.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        (self.uses.iter().filter(|used| **used == Use::Decided).count(), self.uses.len())
    }

    /// The share of rules that decided, in percent rounded down; 100 if there are none.
    #[must_use]
    pub fn percent(&self) -> usize {
        let (decided, all) = self.counts();
        (decided * 100).checked_div(all).unwrap_or(100)
    }

    /// Every rule of `policy`, whose tests these are, with a request for those that decided nothing.
    #[must_use]
    pub fn rules(&self, policy: &pipeline::Outcome) -> Vec<Covered> {
        let idle: Vec<usize> = (0..self.uses.len()).filter(|rule| self.uses[*rule] != Use::Decided).collect();
        let mut found = witness::for_rules(policy, &idle);
        (0..self.uses.len())
            .map(|rule| Covered { rule, used: self.uses[rule], suggestion: found.remove(&rule) })
            .collect()
    }
}
