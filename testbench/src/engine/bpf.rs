//! Engine `bpf`: the C decision code as the kernel's verifier takes it, run in the kernel on single requests.

use boesfs_runtime::lsm::BpfPolicy;

use super::call::{answer, call};
use super::{Engine, Prepared, Unsupported, single_operations_only};
use crate::policy::Policy;
use crate::question::{Judged, Outcome, Question};

pub(super) struct Bpf;

impl Engine for Bpf {
    fn name(&self) -> &'static str {
        "bpf"
    }

    fn prepare<'p>(&self, policy: &'p Policy) -> Result<Box<dyn Prepared + 'p>, Unsupported> {
        let program = BpfPolicy::load(policy.image()).map_err(|error| Unsupported(error.to_string()))?;
        Ok(Box::new(Kernel { policy, program }))
    }
}

struct Kernel<'p> {
    policy: &'p Policy,
    program: BpfPolicy,
}

impl Prepared for Kernel<'_> {
    fn ask(&mut self, question: &Question) -> Outcome {
        if question.judged != Judged::Decision {
            return single_operations_only();
        }
        let request = &question.request;
        let image = self.policy.image();
        let asked = call(image, request, |text| self.program.text_class(text));
        match asked.and_then(|call| self.program.decide(call, request.obj())) {
            Ok(call) => answer(image, request, &call),
            Err(error) => Outcome::Failed(error.to_string()),
        }
    }
}
