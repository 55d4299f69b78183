//! Every known way around a policy: on the fuse plane here, on the lsm plane in machines of both kernels, with two processors,
//! so that what races is won.

use std::process::Command;
use std::time::Duration;

use super::Requirements;
use super::engines::{NotRun, counted_in, finished, tally};
use super::report::{Report, Row};
use crate::binaries;
use crate::process;
use crate::vm::{self, Job, KernelChoice, Processors, Traits};
use crate::workspace::Workspace;

const TIMEOUT: Duration = Duration::from_secs(900);

/// Makes the attempts in all places, machines side by side, and reports each.
pub(super) fn run(workspace: &Workspace, requirements: &Requirements, report: &mut Report) {
    add(report, "escape (fuse)", "escape-fuse", &here(workspace, requirements), requirements.has("fuse"));
    std::thread::scope(|scope| {
        let machines = KernelChoice::BOTH
            .map(|kernel| (kernel.name(), scope.spawn(move || guest(workspace, kernel, requirements))));
        for (kernel, machine) in machines {
            let broken = |_| Err(NotRun::Broken("the thread that followed the machine panicked".into()));
            let (output, required) = (machine.join().unwrap_or_else(broken), requirements.has("lsm"));
            add(report, &format!("escape (lsm, {kernel})"), "escape-lsm", &output, required);
            add(report, &format!("escape (overlay, {kernel})"), "escape-lsm-overlay", &output, required);
        }
    });
}

fn add(report: &mut Report, name: &str, engine: &str, output: &Result<String, NotRun>, required: bool) {
    report.add(Row::Step(name.to_owned()), tally(output, engine, required));
}

fn arguments(plane: &str, requirements: &Requirements) -> Vec<String> {
    let mut arguments = vec!["escape".to_owned(), "--plane".into(), plane.into()];
    if requirements.has(plane) {
        arguments.push("--require".into());
    }
    arguments
}

fn here(workspace: &Workspace, requirements: &Requirements) -> Result<String, NotRun> {
    let mut command = Command::new(binaries::path(workspace, "boesfs-testbench"));
    command.args(arguments("fuse", requirements)).current_dir(&workspace.root);
    let (status, output) =
        process::follow(&mut command).map_err(|error| NotRun::Broken(error.to_string()))?;
    finished(status.code().unwrap_or(-1), output)
}

fn guest(workspace: &Workspace, kernel: KernelChoice, requirements: &Requirements) -> Result<String, NotRun> {
    let mut command = ["sh", "second.sh", "policy.conf", "boesfs-testbench"].map(str::to_owned).to_vec();
    command.extend(arguments("lsm", requirements));
    command.push("--overlay".into());
    let job = Job {
        kernel,
        add: vec![vm::second(workspace), workspace.root.join("testbench/escape/policy.conf")],
        binaries: binaries::built(workspace),
        traits: Traits { processors: Processors::SecondOff, ..Default::default() },
        timeout: TIMEOUT,
        command,
    };
    counted_in(workspace, &job)
}
