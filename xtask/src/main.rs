//! Repository tasks: `cargo xtask --help`.

use anyhow::{Context, bail};
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::fs::File;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;
use xtask::setup::{self, Purpose};
use xtask::suite::{self, Requirements};
use xtask::workspace::Workspace;
use xtask::{bench, binaries, codegen, demo, docs, process, tidy, verified, vm};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Repository tasks", arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Install what building, booting and fuzzing need, if it is missing
    Setup,
    /// Show a policy at work on a shell script that tries what it may and what it may not
    Demo(DemoArgs),
    /// Run every check and test, here and in virtual machines
    Test(TestArgs),
    /// Ask all engines about random policies, more of them than `test` does
    Random(RandomArgs),
    /// Run files of conformance cases on the engines
    Conformance(ConformanceArgs),
    /// Run a command inside a stock Debian cloud kernel
    Vm(VmArgs),
    /// Write the files that are generated from the tables of the abi crate
    Codegen(CodegenArgs),
    /// Write down how many instructions the kernels' verifiers look at for each program of the lsm plane
    Verified,
    /// Check the house rules that no compiler checks
    Tidy,
    /// Measure the compiler, or decisions, and write the results to docs/bench
    Bench(BenchArgs),
    /// Run one command and print what it took, for `bench`
    #[command(hide = true)]
    Measure(MeasureArgs),
    /// Run every command that README and docs show and compare what it prints; UPDATE_DOCS=1 writes it down instead
    Docs,
}

/// Exits with the sandboxed script's status, the number of surprises; 125 if it did not run.
#[derive(Args)]
struct DemoArgs {
    /// On the lsm plane of a virtual machine instead of the fuse plane here
    #[arg(long)]
    vm: bool,
}

#[derive(Args)]
#[command(after_help = "\
The last line is `N passed, N failed, N skipped`. With CI=true in the environment every engine is required.

Examples:
  cargo xtask test
  cargo xtask test --require lsm --require fuse")]
struct TestArgs {
    /// An engine whose being skipped is a failure
    #[arg(long, num_args = 1.., value_name = "ENGINE")]
    require: Vec<String>,
}

#[derive(Args)]
#[command(after_help = "\
A policy on which two engines differ is kept in testbench/tests/random/regressions.

Examples:
  cargo xtask random --policies 1000000 --seed 7")]
struct RandomArgs {
    /// How many policies
    #[arg(long, default_value = "100000", value_name = "N")]
    policies: u64,
    /// What they depend on
    #[arg(long, default_value = "1", value_name = "N")]
    seed: u64,
}

#[derive(Args)]
#[command(after_help = "\
The last line is `N passed, N failed, N skipped`.

Examples:
  cargo xtask conformance language-vectors.json
  cargo xtask conformance casbin-vectors.json --engine reference dfa")]
struct ConformanceArgs {
    /// Files of cases
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The engines to ask; all that need no sandbox if not given
    #[arg(long, num_args = 1.., value_name = "ENGINE")]
    engine: Vec<String>,
}

/// Exits with the command's status; 125 if the machine could not be made or did not come to the command's end.
#[derive(Args)]
#[command(after_help = "\
Examples:
  cargo xtask vm -- uname -r
  cargo xtask vm --kernel 6.1 -- boesfs probe
  cargo xtask vm --lsm landlock -- boesfs probe
  cargo xtask vm --add policy.bin --add tree -- boesfs run --dir /root/tree policy.bin -- ls tree")]
struct VmArgs {
    /// 6.1 or 6.12 (Debian's packages), or the path of a vmlinuz
    #[arg(long, default_value = "6.12")]
    kernel: vm::KernelChoice,
    /// Files and folders to put into the command's working directory
    #[arg(long, num_args = 1.., value_name = "FILE")]
    add: Vec<PathBuf>,
    /// Let guest time count instructions
    #[arg(long)]
    icount: bool,
    /// The security modules that are active
    #[arg(long, default_value = vm::LSM, value_name = "LIST")]
    lsm: String,
    /// Let tasks be preempted anywhere in the kernel
    #[arg(long)]
    preempt: bool,
    /// A second processor, off until the command says `echo 1 >/sys/devices/system/cpu/cpu1/online`; to be off again before
    /// programs are attached or detached, which the emulator does not get right with two
    #[arg(long, conflicts_with = "icount")]
    second: bool,
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

#[derive(Args)]
#[command(after_help = "\
Run it when nothing else runs: the load of the machine is written beside the results. `lsm` counts instructions in
virtual machines, so its numbers do not depend on that; asked for an operation, a depth or a setting alone, it prints what was
asked and writes nothing.

Examples:
  cargo xtask bench check compile
  cargo xtask bench fuzz --inputs 100000
  cargo xtask bench endure --part kills
  cargo xtask bench lsm --kernel 6.12 --operation open --depth 8 --setting baseline --setting confined:use-10")]
struct BenchArgs {
    /// What to measure, one after the other
    #[arg(value_enum, required = true, value_name = "NAME")]
    subjects: Vec<BenchSubject>,
    /// How many images `fuzz` changes
    #[arg(long, default_value = "10000000", value_name = "N")]
    inputs: u64,
    /// lsm, endure: this kernel alone
    #[arg(long)]
    kernel: Vec<vm::KernelChoice>,
    /// lsm: this operation alone, or `jobs`
    #[arg(long)]
    operation: Vec<String>,
    /// lsm: paths of so many names alone
    #[arg(long)]
    depth: Vec<usize>,
    /// lsm: this setting alone, as docs/bench/lsm.json calls them
    #[arg(long)]
    setting: Vec<String>,
    /// endure: this test alone, one of reloads, kills and crowd
    #[arg(long)]
    part: Vec<String>,
    /// lsm, endure: take the project's programs as they were last built
    #[arg(long)]
    no_build: bool,
    /// lsm: where an operation, depth or setting is chosen, put what is measured into docs/bench, too
    #[arg(long)]
    keep: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum BenchSubject {
    /// `boesfsc check` of up to 100 000 rules
    Check,
    /// `boesfsc build` of up to a million rules
    Compile,
    /// A decision in the kernel and elsewhere, beside other packings and other engines; takes a build of these
    Decide,
    /// A million calls during a thousand reloads, a hundred agents killed, ten thousand sandboxes at once: in a machine
    Endure,
    /// Ten million changed images, which are refused or read alike by Rust and C
    Fuzz,
    /// Operations and whole jobs on the lsm plane
    Lsm,
}

#[derive(Args)]
struct MeasureArgs {
    /// The command
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<String>,
}

#[derive(Args)]
struct CodegenArgs {
    /// Only say whether they are as they should be
    #[arg(long)]
    check: bool,
}

/// What is exited with when a task fails for a reason of its own: 125 where the status is otherwise a command's.
fn failure(task: &Task) -> u8 {
    match task {
        Task::Vm(_) | Task::Demo(_) => 125,
        Task::Setup
        | Task::Test(_)
        | Task::Random(_)
        | Task::Conformance(_)
        | Task::Codegen(_)
        | Task::Verified
        | Task::Tidy
        | Task::Docs
        | Task::Bench(_)
        | Task::Measure(_) => 1,
    }
}

fn main() -> ExitCode {
    let task = Cli::parse().task;
    let failure = failure(&task);
    match run(task) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {}", explain(&error));
            ExitCode::from(failure)
        }
    }
}

/// The error and its causes. Some say their cause themselves; that is not said twice.
fn explain(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

fn run(task: Task) -> anyhow::Result<ExitCode> {
    // Looking for the workspace runs cargo, which would be measured too.
    if let Task::Measure(args) = &task {
        return measure(args);
    }
    let workspace = Workspace::locate()?;
    match task {
        Task::Setup => {
            setup::ensure(&workspace, &[Purpose::Build, Purpose::Machines, Purpose::Fuzz])?;
            Ok(ExitCode::SUCCESS)
        }
        Task::Demo(args) => {
            let stage = if args.vm { demo::Stage::Guest } else { demo::Stage::Here };
            Ok(ExitCode::from(demo::run(&workspace, stage)?))
        }
        Task::Test(args) => run_tests(&workspace, args),
        Task::Random(args) => {
            suite::random(&workspace, args.policies, args.seed)?;
            Ok(ExitCode::SUCCESS)
        }
        Task::Conformance(args) => run_conformance(&workspace, &args),
        Task::Vm(args) => run_vm(&workspace, args),
        Task::Codegen(args) => {
            if args.check { codegen::check(&workspace.root) } else { codegen::write(&workspace.root) }?;
            Ok(ExitCode::SUCCESS)
        }
        Task::Verified => {
            setup::ensure(&workspace, &[Purpose::Build, Purpose::Machines])?;
            verified::write(&workspace)?;
            Ok(ExitCode::SUCCESS)
        }
        Task::Tidy => run_tidy(&workspace),
        Task::Docs => run_docs(&workspace),
        Task::Bench(args) => {
            args.subjects.iter().try_for_each(|subject| run_bench(&workspace, *subject, &args))?;
            Ok(ExitCode::SUCCESS)
        }
        Task::Measure(args) => measure(&args),
    }
}

fn run_tests(workspace: &Workspace, args: TestArgs) -> anyhow::Result<ExitCode> {
    let requirements = if std::env::var("CI").is_ok_and(|value| value == "true") {
        Requirements::everything()
    } else {
        Requirements::these(args.require).map_err(|name| {
            anyhow::anyhow!("no engine is named `{name}`; there are {}", Requirements::known())
        })?
    };
    let report = suite::run(workspace, &requirements);
    print!("{}", report.summary());
    Ok(if report.total().failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn run_conformance(workspace: &Workspace, args: &ConformanceArgs) -> anyhow::Result<ExitCode> {
    // A name mistyped is said before a build, not after.
    for file in &args.files {
        File::open(file).with_context(|| format!("`{}` cannot be read", file.display()))?;
    }
    setup::ensure(workspace, &[Purpose::Build])?;
    binaries::build(workspace)?;
    let mut command = Command::new(binaries::path(workspace, "boesfs-testbench"));
    command.arg("conformance").args(&args.files);
    for engine in &args.engine {
        command.args(["--engine", engine]);
    }
    let (status, _) = process::follow(&mut command)?;
    match status.code() {
        Some(code) => Ok(ExitCode::from(u8::try_from(code).unwrap_or(1))),
        None => bail!("the testbench died: {status}"),
    }
}

fn run_vm(workspace: &Workspace, args: VmArgs) -> anyhow::Result<ExitCode> {
    setup::ensure(workspace, &[Purpose::Machines])?;
    let binaries = if args.no_build {
        binaries::built(workspace)
    } else {
        setup::ensure(workspace, &[Purpose::Build])?;
        binaries::build(workspace).context("the project's programs for the guest")?
    };
    let job = vm::Job {
        kernel: args.kernel,
        add: args.add,
        binaries,
        traits: vm::Traits {
            clock: if args.icount { vm::Clock::Instructions } else { vm::Clock::Wall },
            lsm: args.lsm,
            preempt: if args.preempt { vm::Preempt::Full } else { vm::Preempt::AsBuilt },
            processors: if args.second { vm::Processors::SecondOff } else { vm::Processors::One },
        },
        timeout: Duration::from_secs(args.timeout),
        command: args.command,
    };
    Ok(ExitCode::from(vm::run(workspace, &job, &mut std::io::stdout(), &mut std::io::stderr())?))
}

fn run_tidy(workspace: &Workspace) -> anyhow::Result<ExitCode> {
    let findings = tidy::check(workspace)?;
    for finding in &findings {
        println!("{finding}");
    }
    codegen::check(&workspace.root)?;
    Ok(if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn measure(args: &MeasureArgs) -> anyhow::Result<ExitCode> {
    let mut command = Command::new(&args.command[0]);
    let run = bench::measure::here(command.args(&args.command[1..]).stderr(Stdio::null()))?;
    println!("{}", serde_json::to_string(&run)?);
    Ok(ExitCode::SUCCESS)
}

fn run_bench(workspace: &Workspace, subject: BenchSubject, args: &BenchArgs) -> anyhow::Result<()> {
    let subject = match subject {
        BenchSubject::Fuzz => {
            setup::ensure(workspace, &[Purpose::Build, Purpose::Fuzz])?;
            bench::fuzz::run(workspace, args.inputs)?;
            return Ok(());
        }
        BenchSubject::Check => bench::Subject::Check,
        BenchSubject::Compile => bench::Subject::Compile,
        BenchSubject::Decide => {
            setup::ensure(workspace, &[Purpose::Build, Purpose::Bench])?;
            bench::decide::run(workspace)?;
            return Ok(());
        }
        BenchSubject::Endure => {
            setup::ensure(workspace, &[Purpose::Build, Purpose::Machines])?;
            bench::endure::run(workspace, &args.kernel, &args.part, args.no_build)?;
            return Ok(());
        }
        BenchSubject::Lsm => {
            setup::ensure(workspace, &[Purpose::Build, Purpose::Machines])?;
            let choice = bench::lsm::Choice {
                kernels: args.kernel.clone(),
                operations: args.operation.clone(),
                depths: args.depth.clone(),
                settings: args.setting.clone(),
                built: args.no_build,
                kept: args.keep,
            };
            bench::lsm::run(workspace, &choice)?;
            return Ok(());
        }
    };
    setup::ensure(workspace, &[Purpose::Build, Purpose::Bench])?;
    bench::run(workspace, subject, &["measure", "--"])?;
    Ok(())
}

fn run_docs(workspace: &Workspace) -> anyhow::Result<ExitCode> {
    if !docs::is_inside() {
        setup::ensure(workspace, &[Purpose::Build])?;
        binaries::build(workspace)?;
    }
    let update = std::env::var("UPDATE_DOCS").is_ok_and(|value| value == "1");
    let difference = if update { docs::Difference::IsWritten } else { docs::Difference::Fails };
    let tally = docs::run(workspace, &binaries::folder(workspace), difference)?;
    for failure in &tally.failures {
        println!("{failure}");
    }
    println!("{} passed, {} failed", tally.passed, tally.failures.len());
    Ok(if tally.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
