//! Timing decisions in the kernel, by a program that reads the clock before and after a group of them.

use anyhow::{Context as _, Result, ensure};
use boesfs_ebpf::{SLACK, SizeClass};
use boesfs_runtime::lsm::BpfProgram;

use crate::policy::{OP, Question};

/// Requests that are timed together, as `bpf/time.bpf.c` has it.
const GROUP: usize = 32;
/// The longest path there.
const PATH: usize = 4096;

/// How the automaton is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packing {
    Nodes = 0,
    Dense = 1,
    Comb = 2,
}

/// What is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Nothing = 0,
    Walk = 1,
    Decision = 2,
}

/// The program, with a policy.
pub(crate) struct Kernel {
    program: BpfProgram,
    groups: usize,
}

/// What came of all requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sum {
    pub(crate) denied: u64,
    pub(crate) labels: u64,
}

impl Kernel {
    /// `None` if no room is large enough.
    pub(crate) fn load(packing: Packing, blob: &[u8]) -> Result<Option<Self>> {
        let Some(size) = SizeClass::of(blob) else { return Ok(None) };
        let file = format!("{}/time.{}.{}.o", env!("OUT_DIR"), packing as u32, size.bytes());
        let object = std::fs::read(&file).with_context(|| file.clone())?;
        let program = BpfProgram::load(&object, "boesfs_time_prog")?;
        let mut value = vec![0; size.bytes() + SLACK];
        value[..blob.len()].copy_from_slice(blob);
        program.set("blob", 0, &value)?;
        Ok(Some(Self { program, groups: 0 }))
    }

    /// Puts these questions in; `starts` says where their walks begin, a node and how far into it.
    pub(crate) fn ask(
        &mut self,
        questions: &[Question],
        start: impl Fn(&Question) -> (u32, u32),
    ) -> Result<()> {
        self.groups = questions.len() / GROUP;
        for (index, question) in (0u32..).zip(questions) {
            let path = &question.path[question.begun..];
            ensure!(path.len() <= PATH, "a path is too long");
            let (node, inside) = start(question);
            let mut value = Vec::with_capacity(24 + PATH);
            for word in [OP as u32, question.class.0, node, inside, path.len() as u32, 0] {
                value.extend(word.to_ne_bytes());
            }
            value.extend(path);
            value.resize(24 + PATH, 0);
            self.program.set("requests", index, &value)?;
        }
        Ok(())
    }

    /// Nanoseconds for each request, of one batch, and what came of them.
    pub(crate) fn time(&self, what: What) -> Result<(f64, Sum)> {
        let mut context = Vec::with_capacity(48);
        for word in [self.groups as u32, 1, what as u32, 0] {
            context.extend(word.to_ne_bytes());
        }
        context.resize(48, 0);
        let returned = self.program.run(&mut context)?;
        ensure!(returned == 0, "the program found no requests");
        let number =
            |at: usize| context[at..at + 8].iter().rev().fold(0u64, |sum, byte| sum << 8 | u64::from(*byte));
        ensure!(number(32) == 0, "{} requests could not be decided", number(32));
        let ns = number(16) as f64 / (self.groups * GROUP) as f64;
        Ok((ns, Sum { denied: number(24), labels: number(40) }))
    }
}
