//! The command line of the testbench.

use std::ffi::OsString;
use std::io::{BufWriter, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use boesfs_testbench::cost::operation::Operation;
use boesfs_testbench::engine::{NAMES, PURE, RealPlane};
use boesfs_testbench::escape::Ground;
use boesfs_testbench::report::Report;
use boesfs_testbench::synthetic::{Form, Synthetic};
use boesfs_testbench::{LEAVE, case, churn, conformance, cost, endure, escape, prober, suite};
use clap::{Parser, Subcommand};

/// One suite of cases, many engines.
#[derive(Parser)]
#[command(version, about, after_help = "Example:\n  boesfs-testbench run --engine image --engine fuse")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs every case on every engine.
    Run {
        /// Only these engines.
        #[arg(long = "engine", value_name = "ENGINE", value_parser = NAMES)]
        engines: Vec<String>,
        /// Engines that must not be left out.
        #[arg(long = "require", value_name = "ENGINE", value_parser = NAMES)]
        required: Vec<String>,
        /// The folder of cases; those this program was built with if not given.
        #[arg(long, value_name = "DIR")]
        cases: Option<PathBuf>,
        /// A folder of conformance files to run as well.
        #[arg(long, value_name = "DIR")]
        conformance: Option<PathBuf>,
        /// Only every Nth case, beginning with the Ith, from 1: so that several machines can share the work.
        #[arg(long, value_name = "I/N", default_value = "1/1")]
        share: Share,
    },
    /// Runs conformance files.
    Conformance {
        /// The files.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// On these engines; on all that need no sandbox if not given.
        #[arg(long = "engine", value_name = "ENGINE", value_parser = NAMES)]
        engines: Vec<String>,
        /// Engines that must not be left out.
        #[arg(long = "require", value_name = "ENGINE", value_parser = NAMES)]
        required: Vec<String>,
    },
    /// Prints a large policy that is made by a rule.
    Generate {
        /// What its rules speak of: tree, random, mixed-N (N rules of a thousand are patterns) or adversarial.
        #[arg(value_parser = form)]
        form: Form,
        /// How many rules.
        rules: usize,
        /// How many programs.
        #[arg(long, default_value_t = 3)]
        subjects: usize,
        /// What else it depends on.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Measures what operations or a program cost here, one JSON line for each.
    #[command(hide = true)]
    Cost(CostArguments),
    /// Tries every known way around a policy on a plane.
    Escape {
        /// The planes.
        #[arg(long = "plane", required = true, value_name = "PLANE", value_parser = ["lsm", "fuse"])]
        planes: Vec<String>,
        /// Also on an overlay, under a policy of many rules.
        #[arg(long)]
        overlay: bool,
        /// Having none of them here is a failure.
        #[arg(long)]
        require: bool,
    },
    /// Sees that what must hold for long does: one JSON object of what was seen.
    #[command(subcommand)]
    Endure(Endure),
    /// Prints how many instructions this kernel's verifier looks at for each program of the lsm plane: a JSON object.
    Verified,
    /// Works in a sandbox of `endure`.
    #[command(hide = true, subcommand)]
    EndureWorker(EndureWorker),
    /// Moves names about, or opens them, for a while.
    #[command(hide = true)]
    Churn {
        /// Makes the tree; else opens what is in it, unless it is to change it.
        #[arg(long)]
        prepare: bool,
        /// Changes the tree.
        #[arg(long)]
        change: bool,
        /// For so many seconds.
        #[arg(long, default_value_t = 10)]
        seconds: u64,
        /// The tree.
        root: PathBuf,
    },
    /// Does system calls in a sandbox, as told on the standard input.
    #[command(hide = true)]
    Prober,
    /// Ends at once: what is run to see whether it can be.
    #[command(hide = true, name = LEAVE)]
    Leave,
}

#[derive(Subcommand)]
enum Endure {
    /// Calls of several processes while their policy changes all the time.
    Reloads {
        /// How many calls at least.
        #[arg(long, default_value_t = 2_000)]
        operations: u64,
        /// Processes that make them.
        #[arg(long, default_value_t = 8)]
        processes: u8,
        /// How many reloads.
        #[arg(long, default_value_t = 20)]
        reloads: u64,
    },
    /// Agents killed at any moment.
    Kills {
        /// How many.
        #[arg(long, default_value_t = 10)]
        kills: u64,
        /// What the moments depend on.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Many sandboxes at once.
    Crowd {
        /// How many.
        #[arg(long, default_value_t = 200)]
        sandboxes: usize,
        /// How many policies they have.
        #[arg(long, default_value_t = 10)]
        policies: usize,
        /// How many of them have processes.
        #[arg(long, default_value_t = 5)]
        processes: usize,
    },
}

#[derive(Subcommand)]
enum EndureWorker {
    /// Makes another build of a program.
    RenameBuild { from: PathBuf, to: PathBuf, old: String, new: String },
    /// Measures an open and close for each byte it is given.
    Gauge { file: PathBuf },
    /// Starts workers that ask.
    AskTogether { dir: PathBuf, workers: usize },
    /// Asks and tells the answers.
    Ask { dir: PathBuf, index: u8 },
    /// Says which pinned objects of a directory it can open.
    Reach { dir: PathBuf },
    /// Says that it runs another program; fails if it is told that it may not.
    Pose { program: PathBuf },
    /// Runs a command and traces it.
    Trace {
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<OsString>,
    },
    /// Runs a command that is killed at a call of bpf(2); fails if it does not make so many.
    CutShort {
        calls: u64,
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<OsString>,
    },
    /// Has processes open `a` and `b` of a directory, and a program of another class open `b`, over and over; fails if `a`
    /// is ever denied, or `b` otherwise than with ENOENT and, by the program, EROFS.
    CrowdIn { dir: PathBuf, program: PathBuf, processes: usize, rounds: usize },
    /// The same, of one process.
    Press { dir: PathBuf, program: PathBuf, rounds: usize },
    /// Ends with the error number of opening a file.
    Look { file: PathBuf },
    /// Makes an empty directory one in which case does not count.
    FoldCase { dir: PathBuf },
    /// Fails if the file that is its standard input can be cut or opened by its name in /proc, or the one that is its standard
    /// output cannot be cut.
    Given,
    /// Fails if its standard input cannot be read.
    Read,
    /// Fails if its standard output cannot be cut.
    Cut,
    /// Fails unless attributes of the file that is its standard input are refused with EACCES.
    Label,
    /// Looks until it is killed.
    Watch { dir: PathBuf, pause: u64 },
}

/// Prints what was seen while enduring.
fn endure(what: &Endure) -> anyhow::Result<()> {
    let seen = match *what {
        Endure::Reloads { operations, processes, reloads } => {
            serde_json::to_string(&endure::reloads::run(operations, processes.into(), reloads)?)?
        }
        Endure::Crowd { sandboxes, policies, processes } => {
            serde_json::to_string(&endure::crowd::run(sandboxes, policies, processes)?)?
        }
        Endure::Kills { kills, seed } => serde_json::to_string(&endure::kills::run(kills, seed)?)?,
    };
    Ok(writeln!(std::io::stdout(), "{seen}")?)
}

fn endure_worker(what: &EndureWorker) -> anyhow::Result<()> {
    match what {
        EndureWorker::RenameBuild { from, to, old, new } => {
            endure::worker::rename_build(from, to, old, new)?;
        }
        EndureWorker::Gauge { file } => endure::worker::gauge(file)?,
        EndureWorker::AskTogether { dir, workers } => endure::worker::ask_together(dir, *workers)?,
        EndureWorker::Ask { dir, index } => endure::worker::ask(dir, *index)?,
        EndureWorker::Reach { dir } => endure::worker::reach(dir)?,
        EndureWorker::Pose { program } => endure::worker::pose(program)?,
        EndureWorker::Trace { command } => endure::worker::trace(command)?,
        EndureWorker::CutShort { calls, command } => {
            anyhow::ensure!(endure::worker::cut_short(*calls, command)?, "there are fewer calls");
        }
        EndureWorker::CrowdIn { dir, program, processes, rounds } => {
            endure::press::together(dir, program, *processes, *rounds)?;
        }
        EndureWorker::Press { dir, program, rounds } => endure::press::alone(dir, program, *rounds)?,
        EndureWorker::Look { file } => endure::press::look(file),
        EndureWorker::FoldCase { dir } => endure::worker::fold_case(dir)?,
        EndureWorker::Given => endure::worker::given()?,
        EndureWorker::Read => drop(std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?),
        EndureWorker::Cut => rustix::fs::ftruncate(std::io::stdout(), 0)?,
        EndureWorker::Label => endure::worker::label()?,
        EndureWorker::Watch { dir, pause } => {
            endure::worker::watch(dir, std::time::Duration::from_millis(*pause))?;
        }
    }
    Ok(())
}

#[derive(clap::Args)]
struct CostArguments {
    /// Makes what is measured and measures nothing.
    #[arg(long)]
    prepare: bool,
    /// Operations; all if none is given.
    #[arg(long = "operation", value_name = "NAME", value_delimiter = ',', value_parser = operation)]
    operations: Vec<Operation>,
    /// How many names the paths have.
    #[arg(long = "depth", value_name = "N", value_delimiter = ',', default_value = "8")]
    depths: Vec<usize>,
    /// How many results of each.
    #[arg(long, value_name = "N", default_value_t = 21)]
    samples: usize,
    /// First attach programs that do nothing wherever this policy would have one.
    #[arg(long, value_name = "IMAGE")]
    empty: Option<PathBuf>,
    /// First enter a Landlock layer that allows what is below DIR.
    #[arg(long, value_name = "DIR")]
    landlock: Option<PathBuf>,
    /// First enter the system call filter of a sandbox.
    #[arg(long)]
    filter: bool,
    /// Fail unless the secret of each depth can be opened, or cannot.
    #[arg(long, value_name = "BOOL")]
    denied: Option<bool>,
    /// Measure this line of shell instead, by the name before its `=`.
    #[arg(long, value_name = "NAME=LINE")]
    program: Option<String>,
    /// A line of shell to run before each run of the program.
    #[arg(long, value_name = "LINE")]
    before: Option<String>,
}

fn operation(name: &str) -> Result<Operation, String> {
    Operation::from_name(name).ok_or_else(|| "no such operation".to_owned())
}

/// Measures as `arguments` say.
fn measure(arguments: &CostArguments) -> anyhow::Result<()> {
    if arguments.prepare {
        return arguments.depths.iter().try_for_each(|depth| Ok(cost::operation::prepare(*depth)?));
    }
    let _attached = arguments.empty.as_deref().map(cost::setting::attach_empty).transpose()?;
    if let Some(dir) = &arguments.landlock {
        cost::setting::enter_landlock(dir)?;
    }
    if arguments.filter {
        cost::setting::enter_filter()?;
    }
    if let Some(denied) = arguments.denied {
        for depth in &arguments.depths {
            let secret = cost::folder(*depth).join(cost::operation::SECRET);
            anyhow::ensure!(cost::opens(&secret) != denied, "{}: denied is not {denied}", secret.display());
        }
    }
    let mut out = std::io::stdout().lock();
    let mut tell = |cost: &cost::Cost| -> anyhow::Result<()> {
        writeln!(out, "{}", serde_json::to_string(cost)?)?;
        Ok(out.flush()?)
    };
    if let Some(program) = &arguments.program {
        let (name, line) = program.split_once('=').context("a program is NAME=LINE")?;
        return tell(&cost::program(name, arguments.before.as_deref(), line, arguments.samples)?);
    }
    let operations =
        if arguments.operations.is_empty() { &Operation::ALL } else { &arguments.operations[..] };
    for depth in &arguments.depths {
        for operation in operations {
            let cost = cost::operation(*operation, *depth, arguments.samples)
                .with_context(|| format!("{} at depth {depth}", operation.name()))?;
            tell(&cost)?;
        }
    }
    Ok(())
}

fn form(name: &str) -> Result<Form, String> {
    Form::from_name(name).ok_or_else(|| "neither tree, random, mixed-N nor adversarial".to_owned())
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("boesfs-testbench: {error:#}");
            ExitCode::from(3)
        }
    }
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    let (cases, engines, required) = match command {
        Command::Prober => {
            prober::serve()?;
            return Ok(ExitCode::SUCCESS);
        }
        Command::Cost(arguments) => {
            measure(&arguments)?;
            return Ok(ExitCode::SUCCESS);
        }
        Command::Churn { prepare, change, seconds, root } => {
            let time = std::time::Duration::from_secs(seconds);
            if prepare {
                churn::prepare(&root)?;
            } else if change {
                println!("{} changes", churn::change(&root, time));
            } else {
                let (opened, denied) = churn::open(&root, time);
                println!("{opened} opened, {denied} denied");
            }
            return Ok(ExitCode::SUCCESS);
        }
        Command::Verified => {
            let counts = boesfs_runtime::lsm::verified::counts()?;
            writeln!(std::io::stdout(), "{}", serde_json::to_string(&counts)?)?;
            return Ok(ExitCode::SUCCESS);
        }
        Command::Leave => return Ok(ExitCode::SUCCESS),
        Command::Endure(what) => {
            endure(&what)?;
            return Ok(ExitCode::SUCCESS);
        }
        Command::EndureWorker(what) => {
            endure_worker(&what)?;
            return Ok(ExitCode::SUCCESS);
        }
        Command::Escape { planes, overlay, require } => {
            let mut report = Report::default();
            let grounds: &[Ground] =
                if overlay { &[Ground::Plain, Ground::Overlay] } else { &[Ground::Plain] };
            for plane in planes {
                let plane = if plane == "lsm" { RealPlane::Lsm } else { RealPlane::Fuse };
                for ground in grounds {
                    escape::run(plane, *ground, &mut report);
                    if require {
                        report.require(&[escape::engine(plane, *ground)]);
                    }
                }
            }
            print!("{report}");
            return Ok(if report.failed() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        Command::Generate { form, rules, subjects, seed } => {
            let policy = Synthetic { form, rules, subjects, seed };
            let mut out = BufWriter::new(std::io::stdout().lock());
            out.write_all(policy.model().as_bytes())?;
            for line in policy.lines() {
                writeln!(out, "{line}")?;
            }
            out.flush()?;
            return Ok(ExitCode::SUCCESS);
        }
        Command::Run { engines, required, cases, conformance, share } => {
            let mut cases = match cases {
                Some(folder) => case::below(&folder)?,
                None => case::embedded()?,
            };
            if let Some(folder) = conformance {
                let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)?
                    .map(|entry| entry.map(|entry| entry.path()))
                    .collect::<Result<_, _>>()?;
                files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
                files.sort();
                for file in files {
                    cases.extend(conformance::read(&file)?);
                }
            }
            (share.of(cases), or(engines, &NAMES), required)
        }
        Command::Conformance { files, engines, required } => {
            let mut cases = Vec::new();
            for file in files {
                cases.extend(conformance::read(&file)?);
            }
            (cases, or(engines, &PURE), required)
        }
    };
    let mut report = suite::run(&cases, &engines);
    report.require(&required);
    print!("{report}");
    Ok(if report.failed() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Which part of the cases this run is to do.
#[derive(Clone, Copy, Debug)]
struct Share {
    index: usize,
    count: usize,
}

impl std::str::FromStr for Share {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts =
            text.split_once('/').and_then(|(index, count)| Some((index.parse().ok()?, count.parse().ok()?)));
        match parts {
            Some((index, count)) if (1..=count).contains(&index) => Ok(Self { index, count }),
            _ => Err("a share is I/N, with I from 1 to N"),
        }
    }
}

impl Share {
    fn of<T>(self, cases: Vec<T>) -> Vec<T> {
        cases.into_iter().skip(self.index - 1).step_by(self.count).collect()
    }
}

fn or(engines: Vec<String>, all: &[&str]) -> Vec<String> {
    if engines.is_empty() { all.iter().map(|name| (*name).to_owned()).collect() } else { engines }
}
