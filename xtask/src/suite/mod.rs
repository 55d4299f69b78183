//! `cargo xtask test`: everything that must hold, step by step, with one account at the end.

mod cargo_steps;
mod engines;
mod escape;
mod fuzz;
mod machines;
mod memo;
mod preempted;
mod report;
mod shared_engine;
mod verified;
mod without_bpf;

pub use cargo_steps::random;
pub use report::{Report, Row, Skip, Tally};

use crate::binaries;
use crate::codegen;
use crate::demo::{self, DemoError, Stage};
use crate::docs;
use crate::setup::{self, Purpose};
use crate::tidy;
use crate::workspace::Workspace;
use std::path::Path;
use std::time::Instant;

/// The engines that must not be left out.
#[derive(Debug, Default)]
pub struct Requirements {
    engines: Vec<String>,
}

impl Requirements {
    /// No engine may be left out.
    #[must_use]
    pub fn everything() -> Self {
        Self { engines: engines::names().into_iter().map(String::from).collect() }
    }

    /// These may not.
    ///
    /// # Errors
    /// The name that no engine has.
    pub fn these(names: Vec<String>) -> Result<Self, String> {
        match names.iter().find(|name| !engines::names().contains(&name.as_str())) {
            Some(name) => Err(name.clone()),
            None => Ok(Self { engines: names }),
        }
    }

    /// Whether `engine` may not be left out.
    #[must_use]
    pub fn has(&self, engine: &str) -> bool {
        self.engines.iter().any(|name| name == engine)
    }

    /// The names of all engines.
    #[must_use]
    pub fn known() -> String {
        engines::names().join(", ")
    }
}

/// A step: a title, and what it does to the report.
type Step = (&'static str, fn(&Workspace, &Requirements, &mut Report, &str));

const STEPS: [Step; 17] = [
    ("set-up", |workspace, _, report, title| {
        let purposes = [Purpose::Build, Purpose::Machines, Purpose::Fuzz];
        report.add(step(title), passed(setup::ensure(workspace, &purposes)));
    }),
    ("cargo fmt", |workspace, _, report, title| {
        report.add(step(title), cargo_steps::passes(workspace, &["fmt", "--all", "--check"]));
    }),
    ("cargo clippy", |workspace, _, report, title| {
        let arguments = ["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"];
        report.add(step(title), cargo_steps::passes(workspace, &arguments));
    }),
    ("cargo test", |workspace, _, report, title| report.add(step(title), cargo_steps::tests(workspace))),
    ("codegen --check", |workspace, _, report, title| {
        report.add(step(title), passed(codegen::check(&workspace.root)));
    }),
    ("tidy", |workspace, _, report, title| report.add(step(title), house_rules(workspace))),
    ("machines", |workspace, requirements, report, _| machines::run(workspace, requirements, report)),
    ("engines", |workspace, requirements, report, title| match binaries::build(workspace) {
        Ok(_) => engines::run(workspace, requirements, report),
        Err(error) => report.add(step(title), Tally::fail(error.to_string())),
    }),
    ("shared engine", |workspace, requirements, report, _| {
        shared_engine::run(workspace, requirements, report);
    }),
    ("preempted", |workspace, requirements, report, _| preempted::run(workspace, requirements, report)),
    ("without BPF", |workspace, requirements, report, _| {
        without_bpf::run(workspace, requirements, report);
    }),
    ("verified", |workspace, requirements, report, _| verified::run(workspace, requirements, report)),
    ("memos", |workspace, requirements, report, _| memo::run(workspace, requirements, report)),
    ("escape", |workspace, requirements, report, title| match binaries::build(workspace) {
        Ok(_) => escape::run(workspace, requirements, report),
        Err(error) => report.add(step(title), Tally::fail(error.to_string())),
    }),
    ("docs", |workspace, _, report, title| report.add(step(title), pages(workspace))),
    ("demo", |workspace, requirements, report, _| {
        for (stage, plane) in [(Stage::Here, "fuse"), (Stage::Guest, "lsm")] {
            let tally = show(workspace, stage, requirements.has(plane));
            report.add(Row::Step(format!("demo ({plane})")), tally);
        }
    }),
    ("fuzz", |workspace, _, report, _| fuzz::run(workspace, report)),
];

/// Runs every step, whatever the others gave, and gives the report.
#[must_use]
pub fn run(workspace: &Workspace, requirements: &Requirements) -> Report {
    let mut report = Report::default();
    for (title, work) in STEPS {
        println!("==== {title}");
        let began = Instant::now();
        work(workspace, requirements, &mut report, title);
        println!("==== {title}: {} s", began.elapsed().as_secs());
    }
    report
}

fn step(title: &str) -> Row {
    Row::Step(title.to_owned())
}

fn passed<E: Into<anyhow::Error>>(result: Result<(), E>) -> Tally {
    match result {
        Ok(()) => Tally::pass(),
        Err(error) => Tally::fail(format!("{:#}", error.into())),
    }
}

/// Runs the demo, whose status is the number of things that went otherwise than its script expects.
fn show(workspace: &Workspace, stage: Stage, required: bool) -> Tally {
    if stage == Stage::Here && !required && !Path::new("/dev/fuse").exists() {
        return Tally::skip("no /dev/fuse here");
    }
    match demo::run(workspace, stage) {
        Ok(0) => Tally::pass(),
        Ok(status) => Tally::fail(format!("the sandboxed script ended with status {status}")),
        Err(DemoError::Machine(error)) if error.no_kernel_here() && !required => {
            Tally::skip(error.to_string())
        }
        Err(error) => Tally::fail(error.to_string()),
    }
}

/// Runs what the pages show, with the programs the engines' step has built.
fn pages(workspace: &Workspace) -> Tally {
    match docs::run(workspace, &binaries::folder(workspace), docs::Difference::Fails) {
        Ok(run) => {
            let mut tally = Tally { passed: run.passed, ..Tally::default() };
            for failure in run.failures {
                tally.add(Tally::fail(failure));
            }
            tally
        }
        Err(error) => Tally::fail(error.to_string()),
    }
}

fn house_rules(workspace: &Workspace) -> Tally {
    match tidy::check(workspace) {
        Ok(findings) if findings.is_empty() => Tally::pass(),
        Ok(findings) => {
            let mut tally = Tally::default();
            for finding in findings {
                tally.add(Tally::fail(finding.to_string()));
            }
            tally
        }
        Err(error) => Tally::fail(error.to_string()),
    }
}
