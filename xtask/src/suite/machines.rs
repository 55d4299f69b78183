//! Whether machines do what the tests in them rest on: the right kernel, BPF among its LSMs, the status passed on.

use super::Requirements;
use super::report::{Report, Row, Tally};
use crate::binaries;
use crate::vm::{self, Job, KernelChoice, Traits};
use crate::workspace::Workspace;
use std::path::PathBuf;
use std::time::Duration;

/// A status that nothing else gives by chance.
const STATUS: u8 = 7;
const TIMEOUT: Duration = Duration::from_secs(180);

/// Boots each kernel once and reports it.
pub(super) fn run(workspace: &Workspace, requirements: &Requirements, report: &mut Report) {
    for kernel in KernelChoice::BOTH {
        let name = kernel.name();
        report.add(Row::Step(format!("machine ({name})")), boot(workspace, kernel, &name, requirements));
    }
}

/// Does `work` on each kernel, side by side, and reports it as `title`.
pub(super) fn on_each_kernel(title: &str, report: &mut Report, work: impl Fn(KernelChoice) -> Tally + Sync) {
    std::thread::scope(|scope| {
        let machines = KernelChoice::BOTH.map(|kernel| {
            let (title, work) = (format!("{title} ({})", kernel.name()), &work);
            (title, scope.spawn(move || work(kernel)))
        });
        for (title, machine) in machines {
            let broken = |_| Tally::fail("the thread that followed the machine panicked");
            report.add(Row::Step(title), machine.join().unwrap_or_else(broken));
        }
    });
}

/// A script that is run in machines, with the project's programs, and says at its end that it has come there.
pub(super) struct Script {
    pub(super) text: &'static str,
    /// Files for its working directory.
    pub(super) add: Vec<PathBuf>,
    /// What its machine is like.
    pub(super) traits: Traits,
    /// The longest its machine may run.
    pub(super) timeout: Duration,
}

impl Script {
    /// Runs it on `kernel`.
    pub(super) fn run(
        self,
        workspace: &Workspace,
        kernel: KernelChoice,
        requirements: &Requirements,
    ) -> Tally {
        let job = Job {
            kernel,
            add: self.add,
            binaries: binaries::built(workspace),
            traits: self.traits,
            timeout: self.timeout,
            command: vec!["sh".into(), "-c".into(), self.text.into()],
        };
        let mut output = Vec::new();
        match vm::run(workspace, &job, &mut output, &mut std::io::stderr()) {
            Ok(status) => passed_all(status, &String::from_utf8_lossy(&output)),
            Err(error) if error.no_kernel_here() && !requirements.has("lsm") => {
                Tally::skip(error.to_string())
            }
            Err(error) => Tally::fail(error.to_string()),
        }
    }
}

/// What a script ends with.
const PASSED: &str = "passed: all";

/// What a script comes to that says at its end that it has come there.
fn passed_all(status: u8, output: &str) -> Tally {
    match output.trim_end().lines().next_back() {
        Some(PASSED) if status == 0 => Tally::pass(),
        last => Tally::fail(format!("status {status}: {}", last.unwrap_or("not a word"))),
    }
}

fn boot(workspace: &Workspace, kernel: KernelChoice, version: &str, requirements: &Requirements) -> Tally {
    let script = format!("uname -r && cat /sys/kernel/security/lsm && exit {STATUS}");
    let job = Job {
        kernel,
        add: Vec::new(),
        binaries: Vec::new(),
        traits: Traits::default(),
        timeout: TIMEOUT,
        command: vec!["sh".into(), "-c".into(), script],
    };
    let mut output = Vec::new();
    match vm::run(workspace, &job, &mut output, &mut std::io::stderr()) {
        Ok(status) => judge(status, &String::from_utf8_lossy(&output), version),
        Err(error) if error.no_kernel_here() && !requirements.has("lsm") => Tally::skip(error.to_string()),
        Err(error) => Tally::fail(error.to_string()),
    }
}

fn judge(status: u8, output: &str, version: &str) -> Tally {
    let mut lines = output.lines();
    let release = lines.next().unwrap_or_default();
    let modules = lines.next().unwrap_or_default();
    if status != STATUS {
        Tally::fail(format!("status {status} came back for {STATUS}"))
    } else if !release.starts_with(&format!("{version}.")) {
        Tally::fail(format!("kernel {release} came up for {version}"))
    } else if !modules.split(',').any(|module| module == "bpf") {
        Tally::fail(format!("bpf is not among the active modules: {modules}"))
    } else {
        Tally::pass()
    }
}

#[cfg(test)]
mod tests {
    use super::{judge, passed_all};

    #[test]
    fn kernel_modules_and_status_are_looked_at() {
        assert_eq!(judge(7, "6.1.0-1-cloud\nlandlock,bpf", "6.1").passed, 1);
        assert_eq!(judge(7, "6.12.5\nlandlock,bpf", "6.1").failed, 1);
        assert_eq!(judge(7, "6.1.0-1-cloud\nlandlock", "6.1").failed, 1);
        assert_eq!(judge(0, "6.1.0-1-cloud\nbpf", "6.1").failed, 1);
    }

    #[test]
    fn only_the_script_that_came_to_its_end_passes() {
        assert_eq!(passed_all(0, "passed: 7 denials\npassed: all\n").passed, 1);
        assert_eq!(passed_all(0, "passed: 7 denials\n").failed, 1);
        assert_eq!(passed_all(1, "failed: gc left /run/boesfs\n").failed, 1);
        assert_eq!(passed_all(0, "").failed, 1);
    }
}
