//! The lsm plane where tasks are preempted anywhere in the kernel, in its programs and their helpers too: nothing is denied
//! or allowed for that.

use super::report::{Report, Tally};
use super::shared_engine::judge;
use super::{Requirements, machines};
use crate::binaries;
use crate::vm::{self, Clock, Job, KernelChoice, Preempt};
use crate::workspace::Workspace;
use std::time::Duration;

const SCRIPT: &str = include_str!("preempted.sh");
const TIMEOUT: Duration = Duration::from_secs(600);

/// Runs the script on each kernel, side by side, and reports it.
pub(super) fn run(workspace: &Workspace, requirements: &Requirements, report: &mut Report) {
    machines::on_each_kernel("preempted", report, |kernel| machine(workspace, kernel, requirements));
}

fn machine(workspace: &Workspace, kernel: KernelChoice, requirements: &Requirements) -> Tally {
    let job = Job {
        kernel,
        add: Vec::new(),
        binaries: binaries::built(workspace),
        clock: Clock::Wall,
        lsm: vm::LSM.into(),
        preempt: Preempt::Full,
        timeout: TIMEOUT,
        command: vec!["sh".into(), "-c".into(), SCRIPT.into()],
    };
    let mut output = Vec::new();
    match vm::run(workspace, &job, &mut output, &mut std::io::stderr()) {
        Ok(status) => judge(status, &String::from_utf8_lossy(&output)),
        Err(error) if error.no_kernel_here() && !requirements.has("lsm") => Tally::skip(error.to_string()),
        Err(error) => Tally::fail(error.to_string()),
    }
}
