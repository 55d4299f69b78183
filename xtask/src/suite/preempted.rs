//! The lsm plane where tasks are preempted anywhere in the kernel, in its programs and their helpers too: nothing is denied
//! or allowed for that.

use super::Requirements;
use super::machines::{self, Script};
use super::report::Report;
use crate::vm::{self, Preempt, Processors, Traits};
use crate::workspace::Workspace;
use std::time::Duration;

/// Runs the script on each kernel, side by side, and reports it.
pub(super) fn run(workspace: &Workspace, requirements: &Requirements, report: &mut Report) {
    machines::on_each_kernel("preempted", report, |kernel| {
        let script = Script {
            text: include_str!("preempted.sh"),
            add: vec![vm::second(workspace)],
            traits: Traits {
                preempt: Preempt::Full,
                processors: Processors::SecondOff,
                ..Default::default()
            },
            timeout: Duration::from_secs(600),
        };
        script.run(workspace, kernel, requirements)
    });
}
