//! `cargo xtask vm`: one command inside a stock Debian cloud kernel under qemu.
//!
//! From a kernel (packages of the distribution, cached) and an initramfs (static busybox, the project's static
//! binaries, the caller's files) to the command's output on our stdout and stderr and its exit status as ours.

mod boot;
mod initramfs;
mod kernel;
mod stream;

pub use boot::{BootError, Clock};
pub use initramfs::InitramfsError;
pub use kernel::{KernelChoice, KernelError};

use crate::workspace::Workspace;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

/// Why there is no exit status of the command to pass on.
#[derive(Debug, thiserror::Error)]
pub enum VmError {
    /// The kernel could not be had.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// The initramfs could not be made.
    #[error(transparent)]
    Initramfs(#[from] InitramfsError),
    /// The machine did not run to the command's end.
    #[error(transparent)]
    Boot(#[from] BootError),
}

impl VmError {
    /// Whether it says that this machine cannot have the kernel, rather than that something is wrong.
    #[must_use]
    pub fn no_kernel_here(&self) -> bool {
        matches!(self, Self::Kernel(KernelError::NotPackaged { .. } | KernelError::Fetch { .. }))
    }
}

/// Whether `error` says that this machine cannot have the kernel.
#[must_use]
pub fn lacks_kernel(error: &anyhow::Error) -> bool {
    error.downcast_ref::<VmError>().is_some_and(VmError::no_kernel_here)
}

/// The security modules of a machine in which the lsm plane works.
pub const LSM: &str = "landlock,bpf";

/// Where the kernel lets a task be preempted that runs in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preempt {
    /// Where it was built for.
    AsBuilt,
    /// Anywhere.
    Full,
}

/// The processors of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Processors {
    /// One.
    One,
    /// A second one, too, which is off until the guest turns it on.
    SecondOff,
}

/// A script that runs a command with the second processor on: `sh second.sh POLICY COMMAND`, where what the command's
/// sandboxes attach is no more than what `POLICY`, a file, needs.
#[must_use]
pub fn second(workspace: &Workspace) -> PathBuf {
    workspace.root.join("xtask/src/vm/second.sh")
}

/// What a machine is like.
#[derive(Clone, Debug)]
pub struct Traits {
    /// How guest time passes.
    pub clock: Clock,
    /// The security modules that are active, separated by commas.
    pub lsm: String,
    /// Where tasks are preempted.
    pub preempt: Preempt,
    /// How many processors it has.
    pub processors: Processors,
}

impl Default for Traits {
    /// One in which the lsm plane works.
    fn default() -> Self {
        Self { clock: Clock::Wall, lsm: LSM.into(), preempt: Preempt::AsBuilt, processors: Processors::One }
    }
}

/// What is to run inside, and on what.
#[derive(Debug)]
pub struct Job {
    /// The kernel to boot.
    pub kernel: KernelChoice,
    /// Files and folders to put into the command's working directory.
    pub add: Vec<PathBuf>,
    /// Programs to put on PATH.
    pub binaries: Vec<PathBuf>,
    /// What the machine is like.
    pub traits: Traits,
    /// The longest the machine may run.
    pub timeout: Duration,
    /// Program and arguments, not empty.
    pub command: Vec<String>,
}

/// Boots a machine, runs `job`'s command in it with its output copied to `stdout` and `stderr` as it comes, and gives
/// the exit status: the command's own, 128 + n if signal n ended it.
///
/// # Errors
/// If the machine cannot be made or the command does not come to an end in it: [`VmError`].
pub fn run(
    workspace: &Workspace,
    job: &Job,
    stdout: &mut (dyn Write + Send),
    stderr: &mut (dyn Write + Send),
) -> Result<u8, VmError> {
    let kernel = kernel::obtain(workspace, &job.kernel)?;
    let scratch = tempfile::Builder::new()
        .prefix("boesfs-vm-")
        .tempdir()
        .map_err(|source| InitramfsError::Scratch { source })?;
    let initramfs = initramfs::make(scratch.path(), &kernel, job)?;
    let machine =
        boot::Machine { kernel: kernel.image, initramfs, traits: job.traits.clone(), timeout: job.timeout };
    Ok(boot::boot(scratch.path(), &machine, stdout, stderr)?)
}
