//! `cargo xtask demo`: the example policy on a shell script that tries what it allows and what it denies.

mod account;

use crate::binaries;
use crate::process::{self, ProcessError};
use crate::setup::{self, Purpose, SetupError};
use crate::vm::{self, Job, KernelChoice, VmError};
use crate::workspace::Workspace;
use std::fs;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The policy, from the workspace's root.
const POLICY: &str = "policies/examples/demo.conf";
/// The folder that the policy speaks of.
const FOLDER: &str = "/srv/demo";
const EVENTS: &str = "==== events\n";
const TIMEOUT: Duration = Duration::from_secs(300);

/// Why the demo did not come to the script's end.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// Something is missing on this machine.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// A program could not be built or failed.
    #[error(transparent)]
    Program(#[from] ProcessError),
    /// The machine did not run.
    #[error(transparent)]
    Machine(#[from] VmError),
    /// A file of the demo's could not be read or written.
    #[error("cannot prepare {path}: {source}")]
    Prepare {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The event file is not what it should be.
    #[error("cannot read the event file: {0}")]
    Events(#[from] serde_json::Error),
}

/// Where the demo runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// On this machine, on the fuse plane.
    Here,
    /// In a virtual machine, on the lsm plane.
    Guest,
}

/// Runs the demo, tells all on stdout, and gives the sandboxed script's exit status.
///
/// # Errors
/// [`DemoError`] if something on the way to it failed.
pub fn run(workspace: &Workspace, stage: Stage) -> Result<u8, DemoError> {
    setup::ensure(workspace, &[Purpose::Build])?;
    if stage == Stage::Guest {
        setup::ensure(workspace, &[Purpose::Machines])?;
    }
    eprintln!("building");
    binaries::build(workspace)?;
    let scratch = tempfile::Builder::new()
        .prefix("boesfs-demo-")
        .tempdir()
        .map_err(|source| DemoError::Prepare { path: std::env::temp_dir(), source })?;
    for (name, text) in [("tree.sh", include_str!("tree.sh")), ("attempts.sh", include_str!("attempts.sh"))] {
        write(&scratch.path().join(name), text)?;
    }
    match stage {
        Stage::Here => here(workspace, scratch.path()),
        Stage::Guest => guest(workspace, scratch.path()),
    }
}

fn here(workspace: &Workspace, scratch: &Path) -> Result<u8, DemoError> {
    let tree = scratch.join("demo");
    let policy = scratch.join("demo.conf");
    let source = workspace.root.join(POLICY);
    let text =
        fs::read_to_string(&source).map_err(|error| DemoError::Prepare { path: source, source: error })?;
    println!("# {POLICY}, with {} for {FOLDER}", tree.display());
    write(&policy, &text.replace(FOLDER, &tree.display().to_string()))?;
    let image = compile(workspace, &policy, scratch)?;
    process::run(Command::new("sh").arg(scratch.join("tree.sh")).arg(&tree))?;
    let events = scratch.join("events");
    let mut sandbox = Command::new(binaries::path(workspace, "boesfs"));
    sandbox.args(["run", "--plane", "fuse", "--dir"]).arg(&tree).args(["--outside", "allow", "--events"]);
    sandbox
        .arg(&events)
        .arg(&image)
        .args(["--", "/bin/sh"])
        .arg(scratch.join("attempts.sh"))
        .arg(&tree)
        .arg("fuse");
    println!("\n$ {}", shown(&sandbox));
    let (status, _) = process::follow(&mut sandbox)?;
    let lines = match fs::read_to_string(&events) {
        Ok(lines) => lines,
        // Nothing ran, as the status says.
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(source) => return Err(DemoError::Prepare { path: events, source }),
    };
    let status = status.code().or(status.signal().map(|signal| 128 + signal)).unwrap_or(125);
    tell(&lines, status)?;
    Ok(u8::try_from(status).unwrap_or(125))
}

fn guest(workspace: &Workspace, scratch: &Path) -> Result<u8, DemoError> {
    println!("# {POLICY}");
    let image = compile(workspace, &workspace.root.join(POLICY), scratch)?;
    let script = scratch.join("guest.sh");
    write(&script, include_str!("guest.sh"))?;
    let job = Job {
        kernel: KernelChoice::V6_12,
        add: vec![scratch.join("tree.sh"), scratch.join("attempts.sh"), script, image],
        binaries: binaries::built(workspace),
        traits: vm::Traits::default(),
        timeout: TIMEOUT,
        command: ["sh", "guest.sh"].map(String::from).into(),
    };
    println!("\n$ cargo xtask vm -- sh guest.sh    # boesfs run --plane lsm --dir {FOLDER} policy.bin -- …");
    let mut output = Vec::new();
    let status = vm::run(workspace, &job, &mut output, &mut io::stderr())?;
    let output = String::from_utf8_lossy(&output);
    let (said, lines) = output.split_once(EVENTS).unwrap_or((&output, ""));
    print!("{said}");
    tell(lines, status.into())?;
    Ok(status)
}

/// Checks and builds `policy`, and gives the image.
fn compile(workspace: &Workspace, policy: &Path, scratch: &Path) -> Result<PathBuf, DemoError> {
    let image = scratch.join("policy.bin");
    let compiler = binaries::path(workspace, "boesfsc");
    let mut check = Command::new(&compiler);
    check.arg("check").arg(policy);
    let mut build = Command::new(&compiler);
    build.arg("build").arg(policy).arg("-o").arg(&image);
    for mut command in [check, build] {
        println!("$ {}", shown(&command));
        process::run(&mut command)?;
    }
    Ok(image)
}

fn tell(lines: &str, status: i32) -> Result<(), DemoError> {
    println!("\n# What was told, and by which rule");
    print!("{}", account::table(lines)?);
    println!("\n# The event file\n{}", lines.trim_end());
    println!("\n# Exit status of the sandboxed command: {status}");
    Ok(())
}

/// The command line with the program's name for its path.
fn shown(command: &Command) -> String {
    let line = process::command_line(command);
    let program = command.get_program().to_string_lossy();
    let name = Path::new(&*program).file_name().unwrap_or_default().to_string_lossy();
    line.replacen(&*program, &name, 1)
}

fn write(path: &Path, text: &str) -> Result<(), DemoError> {
    fs::write(path, text).map_err(|source| DemoError::Prepare { path: path.into(), source })
}
