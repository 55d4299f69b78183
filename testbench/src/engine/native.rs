//! Engine `native`: the C decision code, built for the host, over the same blob the kernel gets.

use boesfs_ebpf::native::NativePolicy;

use super::call::{answer, call};
use super::{Engine, Prepared, Unsupported, single_operations_only};
use crate::policy::Policy;
use crate::question::{Judged, Outcome, Question};

pub(super) struct Native;

impl Engine for Native {
    fn name(&self) -> &'static str {
        "native"
    }

    fn prepare<'p>(&self, policy: &'p Policy) -> Result<Box<dyn Prepared + 'p>, Unsupported> {
        Ok(Box::new(Host { policy, native: NativePolicy::new(policy.image()) }))
    }
}

struct Host<'p> {
    policy: &'p Policy,
    native: NativePolicy,
}

impl Prepared for Host<'_> {
    fn ask(&mut self, question: &Question) -> Outcome {
        if question.judged != Judged::Decision {
            return single_operations_only();
        }
        let request = &question.request;
        let image = self.policy.image();
        let asked = call(image, request, |text| self.native.text_class(text));
        match asked.and_then(|call| self.native.decide(call, request.obj())) {
            Ok(call) => answer(image, request, &call),
            Err(error) => Outcome::Failed(error.to_string()),
        }
    }
}
