//! Engine `image`: the serialised image, read back and walked; the only pure engine that judges whole calls.

use boesfs_abi::image::ValidImage;
use boesfs_abi::judge::{Caller, Judge};
use boesfs_abi::verdict::{Reason, Verdict};

use super::{Engine, Prepared, Unsupported};
use crate::policy::Policy;
use crate::question::{Answer, Because, Judged, Outcome, Question};

pub(super) struct Image;

impl Engine for Image {
    fn name(&self) -> &'static str {
        "image"
    }

    fn prepare<'p>(&self, policy: &'p Policy) -> Result<Box<dyn Prepared + 'p>, Unsupported> {
        Ok(Box::new(Decoded(policy.image())))
    }
}

struct Decoded<'p>(&'p ValidImage);

impl Prepared for Decoded<'_> {
    fn ask(&mut self, question: &Question) -> Outcome {
        let request = &question.request;
        let image = self.0;
        let because = |path: &[u8], at, reason| match (image.rule_index(path, at), reason) {
            (Some(rule), _) => Because::Rule(rule),
            (None, Reason::Default) => Because::Default,
            (None, _) => Because::Untold,
        };
        Outcome::Answered(match &question.judged {
            Judged::Decision => {
                let decision = image.decide_request(request);
                let because =
                    decision.at.map_or(Because::Untold, |at| because(request.obj(), at, decision.reason));
                Answer { verdict: decision.verdict, because, stopped_by: None }
            }
            Judged::Effective { dir } => {
                let class = image.class_of(request.sub(), request.dom());
                let caller = Caller { class, uid: request.uid, gid: request.gid };
                let judge = Judge::new(image, dir);
                let outcome = judge.ask(&caller, request.obj(), request.kind, request.op(), request.args());
                let itself =
                    outcome.op.decided_as() == request.op().decided_as() && outcome.path == request.obj();
                let stopped = outcome.verdict == Verdict::Deny && !itself;
                Answer {
                    verdict: outcome.verdict,
                    because: outcome
                        .at
                        .map_or(Because::Untold, |at| because(&outcome.path, at, outcome.reason)),
                    stopped_by: stopped.then_some((outcome.op, outcome.path)),
                }
            }
        })
    }
}
