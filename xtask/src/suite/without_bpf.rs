//! What the lsm plane does on kernels that could run its programs and were not told to, in machines.

use super::report::{Report, Tally};
use super::{Requirements, machines, shared_engine};
use crate::binaries;
use crate::vm::{self, Clock, Job, KernelChoice};
use crate::workspace::Workspace;
use std::time::Duration;

const SCRIPT: &str = include_str!("without_bpf.sh");
/// Every security module of a machine but BPF.
const LSM: &str = "landlock";
const TIMEOUT: Duration = Duration::from_secs(300);

/// Runs the script on each kernel, side by side, and reports it.
pub(super) fn run(workspace: &Workspace, requirements: &Requirements, report: &mut Report) {
    machines::on_each_kernel("without BPF", report, |kernel| machine(workspace, kernel, requirements));
}

fn machine(workspace: &Workspace, kernel: KernelChoice, requirements: &Requirements) -> Tally {
    let job = Job {
        kernel,
        add: Vec::new(),
        binaries: binaries::built(workspace),
        clock: Clock::Wall,
        lsm: LSM.into(),
        preempt: vm::Preempt::AsBuilt,
        timeout: TIMEOUT,
        command: vec!["sh".into(), "-c".into(), SCRIPT.into()],
    };
    let mut output = Vec::new();
    match vm::run(workspace, &job, &mut output, &mut std::io::stderr()) {
        Ok(status) => shared_engine::judge(status, &String::from_utf8_lossy(&output)),
        Err(error) if error.no_kernel_here() && !requirements.has("lsm") => Tally::skip(error.to_string()),
        Err(error) => Tally::fail(error.to_string()),
    }
}
