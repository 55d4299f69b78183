//! Engine `reference`: the evaluator that reads rules one by one.

use boesfs_abi::op::Op;
use boesfs_abi::request::{Kind, Request};
use boesfs_abi::verdict::Verdict;
use boesfs_compiler::reference;

use super::{Engine, Prepared, Unsupported};
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
        if let Judged::Effective { dir } = &question.judged {
            return whole_call(&self.0.effective(dir, &question.request), &question.request);
        }
        let decision = self.0.decide(&question.request);
        let because = decision.rule.map_or(Because::Default, |rule| {
            Because::Rule(u32::try_from(rule).expect("INVARIANT: rules are fewer than 2^32"))
        });
        Outcome::Answered(Answer { verdict: decision.verdict, because, stopped_by: None })
    }
}

/// What a call gets. What moving a directory gives is only looked for here, so nothing is said where it could matter.
fn whole_call(found: &reference::Effective, request: &Request) -> Outcome {
    let moves = matches!(request.op(), Op::Rename | Op::Link);
    if moves && request.kind.is_none_or(|kind| kind == Kind::Dir) {
        return Outcome::Skipped("what a moved directory gives is proved by the image alone".to_owned());
    }
    let itself = |(op, path): &(Op, Vec<u8>)| *op == request.op().decided_as() && path == request.obj();
    let rule = found.rule.and_then(|rule| u32::try_from(rule).ok());
    Outcome::Answered(Answer {
        verdict: found.verdict,
        because: match (found.verdict, rule) {
            (Verdict::Deny, Some(rule)) => Because::Rule(rule),
            (Verdict::Deny | Verdict::Allow, _) => Because::Untold,
        },
        stopped_by: found.stopped_by.clone().filter(|stop| !itself(stop)),
    })
}
