//! Engine `bpf`: the C decision code as the kernel's verifier takes it, run in the kernel on single requests.

use std::cell::RefCell;

use boesfs_runtime::lsm::BpfPolicy;

use super::call::{answer, call};
use super::{Engine, Prepared, Unsupported, single_operations_only};
use crate::policy::Policy;
use crate::question::{Judged, Outcome, Question};

thread_local! {
    /// Programs that are loaded and not in use: loading one takes longer than asking it much.
    static IDLE: RefCell<Vec<BpfPolicy>> = const { RefCell::new(Vec::new()) };
}

pub(super) struct Bpf;

impl Engine for Bpf {
    fn name(&self) -> &'static str {
        "bpf"
    }

    fn prepare<'p>(&self, policy: &'p Policy) -> Result<Box<dyn Prepared + 'p>, Unsupported> {
        let idle = IDLE.with_borrow_mut(Vec::pop);
        let refilled = idle.and_then(|mut program| program.refill(policy.image()).is_ok().then_some(program));
        let program = match refilled {
            Some(program) => program,
            None => BpfPolicy::load(policy.image()).map_err(|error| Unsupported(error.to_string()))?,
        };
        Ok(Box::new(Kernel { policy, program: Some(program) }))
    }
}

struct Kernel<'p> {
    policy: &'p Policy,
    /// There until it is dropped.
    program: Option<BpfPolicy>,
}

impl Prepared for Kernel<'_> {
    fn ask(&mut self, question: &Question) -> Outcome {
        if question.judged != Judged::Decision {
            return single_operations_only();
        }
        let Some(program) = &self.program else { return Outcome::Failed("no program".to_owned()) };
        let request = &question.request;
        let image = self.policy.image();
        let asked = call(image, request, |text| program.text_class(text));
        match asked.and_then(|call| program.decide(call, request.obj())) {
            Ok(call) => answer(image, request, &call),
            Err(error) => Outcome::Failed(error.to_string()),
        }
    }
}

impl Drop for Kernel<'_> {
    fn drop(&mut self) {
        if let Some(program) = self.program.take() {
            // At the end of a thread there may be no list any more; then the program goes too.
            let _ = IDLE.try_with(|idle| idle.borrow_mut().push(program));
        }
    }
}
