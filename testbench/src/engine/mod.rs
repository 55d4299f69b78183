//! Engines: everything that decides a request, behind one trait.
//!
//! `reference`, `dfa`, `image`, `native` and `bpf` decide by themselves; `fuse` and `lsm` are asked by real system calls
//! in a sandbox. Each is given the same policy, and all must agree.

mod bpf;
mod call;
mod dfa;
mod image;
mod native;
mod plane;
mod programs;
mod reference;

pub use plane::RealPlane;
pub(crate) use programs::find_boesfs;

use crate::policy::Policy;
use crate::question::{Outcome, Question};

/// Something that decides requests.
pub trait Engine {
    /// Its name on the command line and in reports.
    fn name(&self) -> &'static str;

    /// Makes `policy` ready to be asked.
    ///
    /// # Errors
    /// Why this engine cannot be asked here, or not about this policy.
    fn prepare<'p>(&self, policy: &'p Policy) -> Result<Box<dyn Prepared + 'p>, Unsupported>;
}

/// A policy in an engine.
pub trait Prepared {
    /// Asks one question.
    fn ask(&mut self, question: &Question) -> Outcome;

    /// Ends it, and says what only shows at the end.
    fn finish(self: Box<Self>) -> Vec<String> {
        Vec::new()
    }
}

/// Why an engine cannot be asked; one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unsupported(pub String);

/// The names of all engines, cheapest first.
pub const NAMES: [&str; 7] = ["reference", "dfa", "image", "native", "bpf", "fuse", "lsm"];

/// The names of those that need no system call of the sandbox.
pub const PURE: [&str; 5] = ["reference", "dfa", "image", "native", "bpf"];

/// The engine called `name`, if there is one.
#[must_use]
pub fn engine(name: &str) -> Option<Box<dyn Engine>> {
    Some(match name {
        "reference" => Box::new(reference::Reference),
        "dfa" => Box::new(dfa::Dfa),
        "image" => Box::new(image::Image),
        "native" => Box::new(native::Native),
        "bpf" => Box::new(bpf::Bpf),
        "fuse" => Box::new(plane::PlaneEngine::new(RealPlane::Fuse)),
        "lsm" => Box::new(plane::PlaneEngine::new(RealPlane::Lsm)),
        _ => return None,
    })
}

/// What a question about a whole call gets from an engine that decides single operations.
fn single_operations_only() -> Outcome {
    Outcome::Skipped("decides single operations; what a call needs besides is composed elsewhere".into())
}
