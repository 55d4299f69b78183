//! Whether the kernels' verifiers work about as hard as is written down.

use super::report::{Report, Tally};
use super::{Requirements, machines};
use crate::verified;
use crate::vm::{self, KernelChoice};
use crate::workspace::Workspace;

/// Asks both kernels, side by side, and reports each.
pub(super) fn run(workspace: &Workspace, requirements: &Requirements, report: &mut Report) {
    machines::on_each_kernel("verified", report, |kernel| machine(workspace, kernel, requirements));
}

fn machine(workspace: &Workspace, kernel: KernelChoice, requirements: &Requirements) -> Tally {
    let name = kernel.name();
    let written = verified::written(workspace, &name);
    let counted = verified::count(workspace, kernel);
    match counted.and_then(|counts| Ok((counts, written?))) {
        Ok((counts, written)) => {
            let differences = verified::differences(&counts, &written);
            let mut tally = Tally { passed: counts.len() as u64, ..Tally::default() };
            for difference in differences {
                tally.add(Tally::fail(difference));
            }
            tally
        }
        Err(error) if vm::lacks_kernel(&error) && !requirements.has("lsm") => Tally::skip(error.to_string()),
        Err(error) => Tally::fail(format!("{error:#}")),
    }
}
