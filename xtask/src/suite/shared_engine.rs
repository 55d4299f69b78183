//! What the lsm plane's sandboxes share, in machines: policies, reloads, and that nothing is left when they are gone.

use super::Requirements;
use super::machines::{self, Script};
use super::report::{Report, Tally};
use crate::process;
use crate::vm::{KernelChoice, Traits};
use crate::workspace::Workspace;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

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
    let script = Script {
        text: include_str!("shared_engine.sh"),
        add: vec![image],
        traits: Traits::default(),
        timeout: TIMEOUT,
    };
    script.run(workspace, kernel, requirements)
}
