//! Repository tasks: `cargo xtask --help`.

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use xtask::workspace::Workspace;
use xtask::{binaries, codegen, vm};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Repository tasks", arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Write the files that are generated from the tables in `abi`
    Codegen(CodegenArgs),
    /// Run a command inside a stock Debian cloud kernel
    Vm(VmArgs),
}

#[derive(Args)]
struct CodegenArgs {
    /// Only say whether they are fresh
    #[arg(long)]
    check: bool,
}

/// Exits with the command's status; 125 if the machine could not be made or did not come to the command's end.
#[derive(Args)]
#[command(after_help = "\
Examples:
  cargo xtask vm -- uname -r
  cargo xtask vm --kernel 6.1 -- boesfs probe
  cargo xtask vm --add policy.bin --add tree -- boesfs run --dir /root/tree policy.bin -- ls tree")]
struct VmArgs {
    /// 6.1 or 6.12 (Debian's packages), or the path of a vmlinuz
    #[arg(long, default_value = "6.12")]
    kernel: vm::KernelChoice,
    /// Files and folders to put into the command's working directory
    #[arg(long, num_args = 1.., value_name = "FILE")]
    add: Vec<PathBuf>,
    /// Let guest time count instructions, on one processor
    #[arg(long)]
    icount: bool,
    /// Take the project's programs as they were last built, if they were
    #[arg(long)]
    no_build: bool,
    /// The longest the machine may run
    #[arg(long, default_value = "900", value_name = "SECONDS")]
    timeout: u64,
    /// The command; the project's programs and busybox are on PATH
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<String>,
}

fn main() -> ExitCode {
    match run(Cli::parse().task) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::from(125)
        }
    }
}

fn run(task: Task) -> anyhow::Result<ExitCode> {
    let workspace = Workspace::locate()?;
    match task {
        Task::Codegen(args) => {
            if args.check {
                codegen::check(&workspace.root)?;
            } else {
                codegen::write(&workspace.root)?;
            }
            Ok(ExitCode::SUCCESS)
        }
        Task::Vm(args) => run_vm(&workspace, args),
    }
}

fn run_vm(workspace: &Workspace, args: VmArgs) -> anyhow::Result<ExitCode> {
    let binaries = if args.no_build {
        binaries::built(workspace)
    } else {
        binaries::build(workspace).context("the project's programs for the guest")?
    };
    let job = vm::Job {
        kernel: args.kernel,
        add: args.add,
        binaries,
        clock: if args.icount { vm::Clock::Instructions } else { vm::Clock::Wall },
        timeout: Duration::from_secs(args.timeout),
        command: args.command,
    };
    Ok(ExitCode::from(vm::run(workspace, &job, &mut std::io::stdout(), &mut std::io::stderr())?))
}
