//! Engine `reference`: the evaluator that reads rules one by one.

use boesfs_compiler::reference;

use super::{Engine, Prepared, Unsupported, single_operations_only};
use crate::policy::Policy;
use crate::question::{Answer, Because, Judged, Outcome, Question};

pub(super) struct Reference;

impl Engine for Reference {
    fn name(&self) -> &'static str {
        "reference"
    }

    fn prepare<'p>(&self, policy: &'p Policy) -> Result<Box<dyn Prepared + 'p>, Unsupported> {
        Ok(Box::new(Rules(reference::Reference::new(policy.model()))))
    }
}

struct Rules<'p>(reference::Reference<'p>);

impl Prepared for Rules<'_> {
    fn ask(&mut self, question: &Question) -> Outcome {
        if question.judged != Judged::Decision {
            return single_operations_only();
        }
        let decision = self.0.decide(&question.request);
        let because = decision.rule.map_or(Because::Default, |rule| {
            Because::Rule(u32::try_from(rule).expect("INVARIANT: rules are fewer than 2^32"))
        });
        Outcome::Answered(Answer { verdict: decision.verdict, because, stopped_by: None })
    }
}
