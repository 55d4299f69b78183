//! A long run of the fuzz target that changes images, written down.

use std::fmt::Write as _;

use serde::Serialize;

use super::BenchError;
use super::machine::Machine;
use crate::fuzz::{self, Amount, Ran, Run};
use crate::workspace::Workspace;

const TARGET: &str = "image_changed";
/// The run is in so many parts, each with a seed of its own, that go on from what those before have found.
const PARTS: u32 = 10;

/// What was tried.
#[derive(Serialize)]
struct Results {
    machine: Machine,
    target: &'static str,
    /// The content of the tree's last commit.
    commit: String,
    parts: Vec<Part>,
}

#[derive(Serialize)]
struct Part {
    seed: u32,
    #[serde(flatten)]
    ran: Ran,
}

/// Tries `inputs` changed images and writes down what that was, part by part. An input that fails ends the run.
///
/// # Errors
/// [`BenchError`]
pub fn run(workspace: &Workspace, inputs: u64) -> Result<(), BenchError> {
    fuzz::build_alone(workspace, TARGET)?;
    let machine = Machine::here();
    let commit = crate::process::capture(
        std::process::Command::new("git").args(["rev-parse", "HEAD"]).current_dir(&workspace.root),
    )?;
    let mut results =
        Results { machine, target: TARGET, commit: commit.trim().to_owned(), parts: Vec::new() };
    let docs = workspace.root.join("docs/bench");
    std::fs::create_dir_all(&docs)?;
    for seed in 1..=PARTS {
        let amount = Amount::Inputs(inputs.div_ceil(PARTS.into()));
        let ran = fuzz::run(workspace, &Run { target: TARGET, amount, seed })?;
        eprintln!("seed {seed}: {} inputs in {} s, {} branches", ran.inputs, ran.seconds, ran.coverage);
        results.parts.push(Part { seed, ran });
        // What was tried is known also of a run that is stopped.
        std::fs::write(docs.join("fuzz.json"), serde_json::to_string_pretty(&results)? + "\n")?;
        std::fs::write(docs.join("fuzz.md"), results.markdown())?;
    }
    Ok(())
}

impl Results {
    fn markdown(&self) -> String {
        let Self { machine, target, commit, parts } = self;
        let inputs: u64 = parts.iter().map(|part| part.ran.inputs).sum();
        let seconds: u64 = parts.iter().map(|part| part.ran.seconds).sum();
        let mut out = format!(
            "# Changed images\n\n\
            Made by `cargo xtask bench fuzz`, which writes this page and `fuzz.json`: fuzz target `{target}`, coverage-guided. An input\n\
            changes an image of one of five policies, whole, stripped or signed: words, records and lengths of its tables, what is deflated in\n\
            its other sections, or how sections stand; then lengths and hashes are made to hold again, but in one input of eight. What `decode`\n\
            takes is walked and asked by Rust and by the C decision headers, built with AddressSanitizer and UBSan, which have to agree in\n\
            verdict, cell, entry, reason, errno and row; under the old id it has to decide as the intact image does. What `decode`\n\
            refuses is given to the same C as it is. Any crash, access outside of a table, or difference ends the run.\n\n"
        );
        let _ = writeln!(
            out,
            "Machine: {}, {} processors, {} MiB, Linux {}; load before the first run: {}. Commit {commit}.\n",
            machine.processor, machine.processors, machine.memory, machine.kernel, machine.load
        );
        let _ = writeln!(out, "**{inputs} inputs in {seconds} s, none of which failed.**\n");
        let _ = writeln!(
            out,
            "| seed | inputs | seconds | branches come to | inputs kept |\n|---:|---:|---:|---:|---:|"
        );
        for Part { seed, ran } in parts {
            let _ = writeln!(
                out,
                "| {seed} | {} | {} | {} | {} |",
                ran.inputs, ran.seconds, ran.coverage, ran.kept
            );
        }
        out
    }
}
