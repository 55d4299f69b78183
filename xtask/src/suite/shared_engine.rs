//! What the lsm plane's sandboxes share, in machines: policies, reloads, and that nothing is left when they are gone.

use super::report::{Report, Tally};
use super::{Requirements, machines};
use crate::binaries;
use crate::process;
use crate::vm::{self, Clock, Job, KernelChoice};
use crate::workspace::Workspace;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const SCRIPT: &str = include_str!("shared_engine.sh");
/// What the script ends with.
const PASSED: &str = "passed: all";
const TIMEOUT: Duration = Duration::from_secs(1200);

/// Runs the script on each kernel, side by side, and reports it.
pub(super) fn run(workspace: &Workspace, requirements: &Requirements, report: &mut Report) {
    machines::on_each_kernel("shared engine", report, |kernel| machine(workspace, kernel, requirements));
}

/// A file system, in `folder`, that can have directories in which case does not count.
fn folding(folder: &Path) -> anyhow::Result<PathBuf> {
    let image = folder.join("fold.img");
    let mut make = Command::new("/usr/sbin/mkfs.ext4");
    make.args(["-q", "-O", "casefold,^has_journal", "-E", "encoding=utf8"]).arg(&image).arg("2M");
    process::capture(&mut make)?;
    Ok(image)
}

fn machine(workspace: &Workspace, kernel: KernelChoice, requirements: &Requirements) -> Tally {
    let made = tempfile::tempdir().map_err(anyhow::Error::from);
    let (_folder, image) = match made.and_then(|folder| Ok((folding(folder.path())?, folder))) {
        Ok((image, folder)) => (folder, image),
        Err(error) => return Tally::fail(format!("{error:#}")),
    };
    let job = Job {
        kernel,
        add: vec![image],
        binaries: binaries::built(workspace),
        clock: Clock::Wall,
        lsm: vm::LSM.into(),
        preempt: vm::Preempt::AsBuilt,
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

/// What a script comes to that says at its end that it has come there.
pub(super) fn judge(status: u8, output: &str) -> Tally {
    match output.trim_end().lines().next_back() {
        Some(PASSED) if status == 0 => Tally::pass(),
        last => Tally::fail(format!("status {status}: {}", last.unwrap_or("not a word"))),
    }
}

#[cfg(test)]
mod tests {
    use super::judge;

    #[test]
    fn only_the_script_that_came_to_its_end_passes() {
        assert_eq!(judge(0, "passed: 7 denials\npassed: all\n").passed, 1);
        assert_eq!(judge(0, "passed: 7 denials\n").failed, 1);
        assert_eq!(judge(1, "failed: gc left /run/boesfs\n").failed, 1);
        assert_eq!(judge(0, "").failed, 1);
    }
}
