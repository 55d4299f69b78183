//! What the shared engine endures, at full size, in a virtual machine: a million calls during a thousand reloads, a hundred
//! agents killed, ten thousand sandboxes at once.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::BenchError;
use super::machine::Machine;
use crate::binaries;
use crate::vm::{self, Clock, Job, KernelChoice, Processors};
use crate::workspace::Workspace;

const TIMEOUT: Duration = Duration::from_secs(7200);

/// One of the tests, at full size.
struct Part {
    name: &'static str,
    title: &'static str,
    /// What `boesfs-testbench endure` takes.
    arguments: &'static [&'static str],
    clock: Clock,
    processors: Processors,
    /// What each number says.
    numbers: &'static [(&'static str, &'static str)],
}

const PARTS: [Part; 3] = [
    Part {
        name: "reloads",
        title: "Calls while the policy changes",
        arguments: &["reloads", "--operations", "1000000", "--processes", "8", "--reloads", "1000"],
        clock: Clock::Wall,
        processors: Processors::SecondOff,
        numbers: &[
            ("operations", "calls"),
            ("processes", "processes that made them"),
            (
                "reloads",
                "reloads meanwhile, between two policies that deny different files with different errors",
            ),
            (
                "denials",
                "calls that were denied, each with its event: policy, rule, error and generation agree",
            ),
            ("seconds", "seconds"),
        ],
    },
    Part {
        name: "kills",
        title: "Agents killed with SIGKILL",
        arguments: &["kills", "--kills", "100"],
        clock: Clock::Wall,
        processors: Processors::One,
        numbers: &[
            ("kills", "agents killed, at moments by chance"),
            ("before", "supervisors before their command had run"),
            ("during", "supervisors while it ran"),
            ("reloads", "reloads"),
            ("clearings", "`boesfs gc` after a killed supervisor"),
            ("denied", "looks at a denied file by the commands of killed supervisors, all denied"),
            ("witnessed", "looks by a sandbox beside them, all denied"),
            ("seconds", "seconds"),
        ],
    },
    Part {
        name: "crowd",
        title: "Sandboxes at once",
        arguments: &["crowd", "--sandboxes", "10000", "--policies", "100", "--processes", "100"],
        clock: Clock::Instructions,
        processors: Processors::One,
        numbers: &[
            ("sandboxes", "sandboxes at once"),
            ("policies", "policies"),
            (
                "with_processes",
                "sandboxes that have processes; the others are in the engine and the list of sandboxes",
            ),
            (
                "enrolled",
                "µs for all that a supervisor does to have a sandbox in the engine, canary included",
            ),
            ("started", "µs of the processor for a supervisor until its command runs, user space and kernel"),
            (
                "started_in_user_space",
                "µs of that in user space, a mean by the kernel's account of all supervisors",
            ),
            ("map_bytes", "bytes of the engine's maps for each sandbox more"),
            (
                "slab_bytes",
                "bytes of the kernel's own allocations for each more: those maps, names below /run, open files",
            ),
            ("file_bytes", "bytes of pages that its record below /run takes"),
            ("open_alone", "ns for an open and close with one sandbox"),
            ("open_among_all", "ns for the same with all of them"),
            ("cleared", "seconds for `boesfs gc` to clear all away"),
        ],
    },
];

/// What was seen in one run.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Run {
    part: String,
    kernel: String,
    machine: String,
    /// Whether the guest had a second processor on.
    #[serde(default)]
    second: bool,
    seen: Value,
}

/// Runs `only` those tests, all if none, on `kernels`, 6.12 if none, and writes what was seen to `docs/bench`, in place of
/// what was seen of them there before.
///
/// # Errors
/// [`BenchError`]
pub fn run(
    workspace: &Workspace,
    kernels: &[KernelChoice],
    only: &[String],
    built: bool,
) -> Result<(), BenchError> {
    if !built {
        binaries::build(workspace)?;
    }
    let machine = Machine::here().to_string();
    let default = [KernelChoice::BOTH[1].clone()];
    let kernels = if kernels.is_empty() { &default[..] } else { kernels };
    let docs = workspace.root.join("docs/bench");
    std::fs::create_dir_all(&docs)?;
    let file = docs.join("endure.json");
    for kernel in kernels {
        for part in PARTS.iter().filter(|part| only.is_empty() || only.iter().any(|name| name == part.name)) {
            let seen = in_guest(workspace, kernel, part)?;
            eprintln!("{} {}: {seen}", kernel.name(), part.name);
            let run = Run {
                part: part.name.to_owned(),
                kernel: kernel.name(),
                machine: machine.clone(),
                second: part.processors == Processors::SecondOff,
                seen,
            };
            let mut runs: Vec<Run> = match std::fs::read(&file) {
                Ok(bytes) => serde_json::from_slice(&bytes)?,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
                Err(error) => return Err(error.into()),
            };
            runs.retain(|other| (&other.part, &other.kernel) != (&run.part, &run.kernel));
            runs.push(run);
            runs.sort_by(|a, b| (&a.kernel, &a.part).cmp(&(&b.kernel, &b.part)));
            std::fs::write(&file, serde_json::to_string_pretty(&runs)? + "\n")?;
            std::fs::write(docs.join("endure.md"), markdown(&runs))?;
        }
    }
    Ok(())
}

fn in_guest(workspace: &Workspace, kernel: &KernelChoice, part: &Part) -> Result<Value, BenchError> {
    let second: &[&str] = match part.processors {
        Processors::One => &[],
        Processors::SecondOff => &["sh", "second.sh", "endure.conf"],
    };
    let command = second.iter().chain(&["boesfs-testbench", "endure"]).chain(part.arguments);
    let job = Job {
        kernel: kernel.clone(),
        add: vec![vm::second(workspace), workspace.root.join("xtask/src/bench/endure.conf")],
        binaries: binaries::built(workspace),
        traits: vm::Traits { clock: part.clock, processors: part.processors, ..Default::default() },
        timeout: TIMEOUT,
        command: command.map(|word| (*word).to_owned()).collect(),
    };
    let mut output = Vec::new();
    let status = vm::run(workspace, &job, &mut output, &mut std::io::stderr())?;
    let output = String::from_utf8_lossy(&output).into_owned();
    if status != 0 {
        return Err(BenchError::Guest { status, output });
    }
    Ok(serde_json::from_str(output.trim())?)
}

/// The page.
fn markdown(runs: &[Run]) -> String {
    let mut page =
        "# What the shared engine endures\n\nMade by `cargo xtask bench endure`, in virtual machines, \
                    which writes this page and `endure.json`; each test fails where something is \
                    not as it must be. The suite runs the same tests smaller.\n"
            .to_owned();
    for part in &PARTS {
        for run in runs.iter().filter(|run| run.part == part.name) {
            page += &format!(
                "\n## {} ({})\n\n`boesfs-testbench endure {}` on {}, on {}{}\n\n| | |\n|---:|---|\n",
                part.title,
                run.kernel,
                part.arguments.join(" "),
                if run.second { "two emulated processors" } else { "one emulated processor" },
                run.machine,
                match part.clock {
                    Clock::Wall => "",
                    Clock::Instructions => " The machine's time counts instructions: one is a nanosecond.",
                }
            );
            for (field, what) in part.numbers {
                page += &format!("| {} | {what} |\n", shown(&run.seen[field]));
            }
        }
    }
    page
}

/// A number, or a spread: median, what nine of ten are below, most.
fn shown(value: &Value) -> String {
    let number = |value: &Value| match value.as_f64() {
        Some(number) if value.is_f64() && number < 100.0 => format!("{number:.1}"),
        Some(number) => format!("{number:.0}"),
        None => "–".to_owned(),
    };
    match value {
        Value::Object(spread) => {
            let part = |name: &str| spread.get(name).map_or_else(|| "–".to_owned(), number);
            format!("{} (nine of ten {}, most {})", part("median"), part("nine_of_ten"), part("most"))
        }
        other => number(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_and_spreads_are_shown() {
        assert_eq!(shown(&json!(1_000_000)), "1000000");
        assert_eq!(shown(&json!(1.25)), "1.2");
        let spread = json!({"median": 1.5, "nine_of_ten": 2.0, "most": 1234.5});
        assert_eq!(shown(&spread), "1.5 (nine of ten 2.0, most 1234)");
        assert_eq!(shown(&Value::Null), "–");
    }
}
