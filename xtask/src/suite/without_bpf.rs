//! What the lsm plane does on kernels that could run its programs and were not told to, in machines.

use super::Requirements;
use super::machines::{self, Script};
use super::report::Report;
use crate::vm::Traits;
use crate::workspace::Workspace;
use std::time::Duration;

/// Runs the script on each kernel, side by side, and reports it.
pub(super) fn run(workspace: &Workspace, requirements: &Requirements, report: &mut Report) {
    machines::on_each_kernel("without BPF", report, |kernel| {
        let script = Script {
            text: include_str!("without_bpf.sh"),
            add: Vec::new(),
            // Every security module of a machine but BPF.
            traits: Traits { lsm: "landlock".into(), ..Default::default() },
            timeout: Duration::from_secs(300),
        };
        script.run(workspace, kernel, requirements)
    });
}
