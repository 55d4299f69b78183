//! Benchmarks of the compiler and of decisions: the same policies on any machine, what each run took, and how that grows.
//!
//! Results go to `docs/bench`: a table for people and every single run for programs.

mod apparmor;
pub mod decide;
pub mod endure;
pub mod fuzz;
pub mod lsm;
mod machine;
pub mod measure;
mod report;

use std::path::Path;
use std::process::Command;

use crate::binaries;
use crate::process::{self, ProcessError};
use crate::workspace::Workspace;
use machine::Machine;
use measure::{MeasureError, Run};
use report::{Results, Row};

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// `boesfsc check`.
    Check,
    /// `boesfsc build`, validation included.
    Compile,
}

/// Why a benchmark has no result.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// A program did not build or run.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// A run could not be measured.
    #[error(transparent)]
    Measure(#[from] MeasureError),
    /// A file could not be read or written.
    #[error("cannot read or write a file of the benchmark: {0}")]
    File(#[from] std::io::Error),
    /// An input failed, or the fuzz target did not run.
    #[error(transparent)]
    Fuzz(#[from] crate::fuzz::FuzzError),
    /// A machine could not be had.
    #[error(transparent)]
    Machine(#[from] crate::vm::VmError),
    /// What measures in the machine failed.
    #[error("what measures in the machine ended with status {status} after:\n{output}")]
    Guest {
        /// Its status.
        status: u8,
        /// What it had said.
        output: String,
    },
    /// The results could not be put into words.
    #[error("cannot write the results: {0}")]
    Results(#[from] serde_json::Error),
    /// A policy cannot be said in another language.
    #[error(transparent)]
    Policy(#[from] apparmor::NotSynthetic),
}

/// Policies of one form in several sizes.
struct Series {
    /// As `boesfs-testbench generate` calls it.
    form: &'static str,
    sizes: &'static [usize],
    /// The largest size whose instructions are counted, which takes fifty times as long as a run.
    counted: usize,
    /// The largest size that `AppArmor`'s compiler is given too: it takes more than ten times as long for ten times as
    /// many rules.
    compared: usize,
}

const SEED: u64 = 1;

const CHECK: [Series; 3] = [
    Series { form: "tree", sizes: &[1_000, 10_000, 100_000], counted: 100_000, compared: 0 },
    Series { form: "random", sizes: &[1_000, 10_000, 100_000], counted: 100_000, compared: 0 },
    Series { form: "mixed-10", sizes: &[1_000, 10_000, 100_000], counted: 100_000, compared: 0 },
];

const COMPILE: [Series; 5] = [
    Series {
        form: "tree",
        sizes: &[10, 100, 1_000, 10_000, 100_000, 1_000_000],
        counted: 100_000,
        compared: 10_000,
    },
    Series {
        form: "random",
        sizes: &[10, 100, 1_000, 10_000, 100_000, 1_000_000],
        counted: 100_000,
        compared: 10_000,
    },
    Series {
        form: "mixed-10",
        sizes: &[10, 100, 1_000, 10_000, 100_000, 1_000_000],
        counted: 100_000,
        compared: 1_000,
    },
    Series { form: "mixed-100", sizes: &[10, 100, 1_000, 10_000, 100_000], counted: 10_000, compared: 1_000 },
    Series { form: "adversarial", sizes: &[4, 8, 16, 64], counted: 0, compared: 0 },
];

/// How many runs are made of a policy with so many rules.
fn repeats(rules: usize) -> usize {
    match rules {
        0..=10_000 => 11,
        10_001..=100_000 => 7,
        _ => 3,
    }
}

/// Measures `subject` and writes down the results. `measurer` are the words by which this program measures one run.
///
/// # Errors
/// [`BenchError`]
pub fn run(workspace: &Workspace, subject: Subject, measurer: &[&str]) -> Result<(), BenchError> {
    binaries::build(workspace)?;
    let series: &[Series] = match subject {
        Subject::Check => &CHECK,
        Subject::Compile => &COMPILE,
    };
    let folder = tempfile::tempdir()?;
    let mut results = Results { machine: Machine::here(), rows: Vec::new() };
    for Series { form, sizes, counted, compared } in series {
        for &rules in *sizes {
            let policy = folder.path().join("policy.conf");
            generate(workspace, form, rules, &policy)?;
            let mut row = row(workspace, subject, measurer, form, rules, rules <= *counted, folder.path())?;
            if rules <= *compared {
                match by_apparmor(measurer, rules, folder.path())? {
                    Ok(runs) => row.apparmor = runs,
                    Err(words) => row.apparmor_refused = Some(words),
                }
            }
            eprintln!("{}", row.line());
            results.rows.push(row);
        }
    }
    let docs = workspace.root.join("docs/bench");
    std::fs::create_dir_all(&docs)?;
    let name = subject.name();
    std::fs::write(docs.join(format!("{name}.json")), results.json()?)?;
    std::fs::write(docs.join(format!("{name}.md")), results.markdown(subject))?;
    Ok(())
}

impl Subject {
    fn name(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Compile => "compile",
        }
    }
}

fn generate(workspace: &Workspace, form: &str, rules: usize, to: &Path) -> Result<(), BenchError> {
    let mut command = Command::new(binaries::path(workspace, "boesfs-testbench"));
    command.args(["generate", form, &rules.to_string(), "--seed", &SEED.to_string()]);
    std::fs::write(to, process::capture(&mut command)?)?;
    Ok(())
}

/// Runs of `AppArmor`'s compiler with the rules of the policy in `folder`; what it says if it refuses them.
fn by_apparmor(
    measurer: &[&str],
    rules: usize,
    folder: &Path,
) -> Result<Result<Vec<Run>, String>, BenchError> {
    let (profiles, to) = (folder.join("profiles"), folder.join("profiles.bin"));
    std::fs::write(&profiles, apparmor::profiles(&std::fs::read_to_string(folder.join("policy.conf"))?)?)?;
    let (profiles, to) = (profiles.to_string_lossy(), to.to_string_lossy());
    let command = apparmor::command(&profiles, &to);
    // What it refuses is no comparison.
    let outcome = Command::new(command[0]).args(&command[1..]).output()?;
    if !outcome.status.success() {
        let said = String::from_utf8_lossy(&outcome.stderr);
        return Ok(Err(said.lines().next_back().unwrap_or_default().to_owned()));
    }
    let runs = (0..repeats(rules).min(3)).map(|_| Ok(measure::apart(measurer, &command)?));
    runs.collect::<Result<_, BenchError>>().map(Ok)
}

fn row(
    workspace: &Workspace,
    subject: Subject,
    measurer: &[&str],
    form: &str,
    rules: usize,
    count: bool,
    folder: &Path,
) -> Result<Row, BenchError> {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let (program, policy, image) = (
        text(&binaries::path(workspace, "boesfsc")),
        text(&folder.join("policy.conf")),
        text(&folder.join("policy.bin")),
    );
    let command: Vec<&str> = match subject {
        Subject::Check => vec![&program, "check", &policy],
        Subject::Compile => vec![&program, "build", "--no-cache", &policy, "-o", &image],
    };
    let mut row = Row::new(form, rules, SEED, std::fs::metadata(&policy)?.len());
    // A policy that is refused is measured too: that takes time as well.
    let outcome = Command::new(command[0]).args(&command[1..]).output()?;
    if !outcome.status.success() {
        let said = String::from_utf8_lossy(&outcome.stderr);
        row.refused = Some(said.lines().next().unwrap_or_default().to_owned());
    }
    for _ in 0..repeats(rules) {
        let run: Run = measure::apart(measurer, &command)?;
        row.runs.push(run);
    }
    if count {
        row.instructions = Some(measure::instructions(&command, folder)?);
    }
    if subject == Subject::Compile && row.refused.is_none() {
        row.image = Some(std::fs::metadata(&image)?.len());
        let told = process::capture(Command::new(&program).args(["inspect", "--format", "json", &image]))?;
        let told: serde_json::Value = serde_json::from_str(&told)?;
        row.kernel = told["kernel_memory"]["bytes"].as_u64();
        std::fs::remove_file(&image)?;
        let stripped: Vec<&str> = command.iter().copied().chain(["--strip"]).collect();
        process::capture(Command::new(stripped[0]).args(&stripped[1..]))?;
        row.stripped = Some(std::fs::metadata(&image)?.len());
        std::fs::remove_file(&image)?;
    }
    Ok(row)
}
