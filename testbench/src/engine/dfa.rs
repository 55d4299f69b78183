//! Engine `dfa`: the automaton in memory, before anything is packed.

use boesfs_abi::verdict::Verdict;
use boesfs_compiler::automaton::Compiled;

use super::{Engine, Prepared, Unsupported, single_operations_only};
use crate::policy::Policy;
use crate::question::{Answer, Because, Judged, Outcome, Question};

pub(super) struct Dfa;

impl Engine for Dfa {
    fn name(&self) -> &'static str {
        "dfa"
    }

    fn prepare<'p>(&self, policy: &'p Policy) -> Result<Box<dyn Prepared + 'p>, Unsupported> {
        Ok(Box::new(Automaton(policy.compiled())))
    }
}

struct Automaton<'p>(&'p Compiled);

impl Prepared for Automaton<'_> {
    fn ask(&mut self, question: &Question) -> Outcome {
        if question.judged != Judged::Decision {
            return single_operations_only();
        }
        Outcome::Answered(match self.0.decide(&question.request) {
            Some(decision) => Answer {
                verdict: decision.verdict,
                because: decision.rule.map_or(Because::Default, |rule| Because::Rule(rule.0)),
                stopped_by: None,
            },
            None => Answer { verdict: Verdict::Deny, because: Because::Untold, stopped_by: None },
        })
    }
}
