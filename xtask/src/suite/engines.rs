//! The testbench on every engine: those that run here, here; those that need another kernel, in machines.

use super::Requirements;
use super::report::{Report, Row, Skip, Tally};
use crate::binaries;
use crate::process::{self, Tee};
use crate::vm::{self, Job, KernelChoice};
use crate::workspace::Workspace;
use regex::Regex;
use std::process::Command;
use std::time::Duration;

/// Where engines run.
#[derive(Clone, Copy)]
enum Place {
    Here,
    Guest(fn() -> KernelChoice),
}

/// Every run of the testbench: where, and on which engines.
const RUNS: [(Place, &[&str]); 3] = [
    (Place::Here, &["reference", "dfa", "image", "native", "bpf", "fuse"]),
    (Place::Guest(|| KernelChoice::V6_1), &["lsm", "fuse", "bpf"]),
    (Place::Guest(|| KernelChoice::V6_12), &["lsm", "fuse", "bpf"]),
];

/// The folder of conformance files, where it stands beside the checkout; the testbench carries its own cases in itself.
const CONFORMANCE: &str = "../shared/conformance";
/// How many machines share the cases of one kernel: a sandbox of the lsm plane takes seconds to load and to
/// let go where the processor is emulated, half of which is waiting.
const SHARES: usize = 2;
/// How many differences of an engine the summary repeats.
const SHOWN: usize = 20;
const TIMEOUT: Duration = Duration::from_secs(1500);

/// Every engine that some run has.
pub(super) fn names() -> Vec<&'static str> {
    let mut names: Vec<_> = RUNS.iter().flat_map(|(_, engines)| engines.iter().copied()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Does every run and reports each engine. Machines run side by side, after what runs here.
pub(super) fn run(workspace: &Workspace, requirements: &Requirements, report: &mut Report) {
    let shares = |place: Place| match place {
        Place::Here => 1,
        Place::Guest(_) => SHARES,
    };
    let mut outputs: Vec<Vec<Result<String, NotRun>>> = RUNS.iter().map(|_| Vec::new()).collect();
    for (index, (place, engines)) in RUNS.iter().enumerate() {
        if let Place::Here = place {
            outputs[index].push(here(workspace, engines, requirements));
        }
    }
    std::thread::scope(|scope| {
        let mut machines = Vec::new();
        for (index, (place, engines)) in RUNS.iter().enumerate() {
            let Place::Guest(kernel) = place else { continue };
            for share in 1..=shares(*place) {
                let run = move || guest(workspace, kernel(), engines, requirements, share);
                machines.push((index, scope.spawn(run)));
            }
        }
        for (index, machine) in machines {
            let broken = |_| Err(NotRun::Broken("the thread that followed the machine panicked".into()));
            outputs[index].push(machine.join().unwrap_or_else(broken));
        }
    });
    for ((place, engines), outputs) in RUNS.iter().zip(&outputs) {
        let suffix = match place {
            Place::Here => String::new(),
            Place::Guest(kernel) => format!(" ({})", kernel().name()),
        };
        for output in outputs {
            for engine in *engines {
                let required = requirements.has(engine);
                report.add(Row::Engine(format!("{engine}{suffix}")), tally(output, engine, required));
            }
            let Ok(output) = output else { continue };
            for other in unasked(output, engines) {
                report.add(Row::Engine(format!("{other}{suffix}")), count(output, other));
            }
        }
    }
}

/// What `output` counts of `engine`, which may not be left out if it is `required`.
pub(super) fn tally(output: &Result<String, NotRun>, engine: &str, required: bool) -> Tally {
    match output {
        Ok(output) => count(output, engine),
        Err(NotRun::Unavailable(reason)) if required => {
            Tally::fail(format!("required and not run: {reason}"))
        }
        Err(NotRun::Unavailable(reason)) => Tally::skip(reason),
        Err(NotRun::Broken(reason)) => Tally::fail(reason),
    }
}

/// Why a run gave no counts.
pub(super) enum NotRun {
    /// The machine for it cannot be had here.
    Unavailable(String),
    /// It should have worked.
    Broken(String),
}

fn arguments(engines: &[&str], requirements: &Requirements) -> Vec<String> {
    let mut arguments = vec!["run".to_owned()];
    for engine in engines {
        arguments.extend(["--engine".into(), (*engine).into()]);
        if requirements.has(engine) {
            arguments.extend(["--require".into(), (*engine).into()]);
        }
    }
    arguments
}

fn here(workspace: &Workspace, engines: &[&str], requirements: &Requirements) -> Result<String, NotRun> {
    let mut command = Command::new(binaries::path(workspace, "boesfs-testbench"));
    command.args(arguments(engines, requirements)).current_dir(&workspace.root);
    if workspace.root.join(CONFORMANCE).is_dir() {
        command.args(["--conformance", CONFORMANCE]);
    }
    let (status, output) =
        process::follow(&mut command).map_err(|error| NotRun::Broken(error.to_string()))?;
    finished(status.code().unwrap_or(-1), output)
}

fn guest(
    workspace: &Workspace,
    kernel: KernelChoice,
    engines: &[&str],
    requirements: &Requirements,
    share: usize,
) -> Result<String, NotRun> {
    let mut command = vec!["boesfs-testbench".to_owned()];
    command.extend(arguments(engines, requirements));
    command.extend(["--share".into(), format!("{share}/{SHARES}")]);
    let job = Job {
        kernel,
        add: Vec::new(),
        binaries: binaries::built(workspace),
        traits: vm::Traits::default(),
        timeout: TIMEOUT,
        command,
    };
    counted_in(workspace, &job)
}

/// What the testbench says as the command of `job`, if it has counted.
pub(super) fn counted_in(workspace: &Workspace, job: &Job) -> Result<String, NotRun> {
    let mut tee = Tee::default();
    match vm::run(workspace, job, &mut tee, &mut std::io::stderr()) {
        Ok(status) => finished(status.into(), tee.text()),
        Err(error) if error.no_kernel_here() => Err(NotRun::Unavailable(error.to_string())),
        Err(error) => Err(NotRun::Broken(error.to_string())),
    }
}

/// The testbench exits with 0 or 1 when it has counted; anything else is no count.
pub(super) fn finished(status: i32, output: String) -> Result<String, NotRun> {
    match status {
        0 | 1 => Ok(output),
        status => Err(NotRun::Broken(format!("boesfs-testbench ended with status {status}"))),
    }
}

/// What the testbench counts beyond the engines asked for, as policies that the compiler must refuse.
fn unasked<'a>(output: &'a str, engines: &[&str]) -> Vec<&'a str> {
    let named = |line: &'a str| Some(line.strip_prefix("engine ")?.split_once(':')?.0);
    output.lines().filter_map(named).filter(|name| !engines.contains(name)).collect()
}

/// Reads `engine`'s line and the reasons below it. No line is a failure: an engine must not vanish.
fn count(output: &str, engine: &str) -> Tally {
    let heading = Regex::new(r"^engine (\S+): (\d+) passed, (\d+) failed, (\d+) skipped$")
        .expect("INVARIANT: the pattern is a regular expression");
    let reason =
        Regex::new(r"^  skipped (\d+): (.+)$").expect("INVARIANT: the pattern is a regular expression");
    let mut tally = None;
    let mut announced = 0;
    let mut inside = false;
    for line in output.lines().map(str::trim_end) {
        if let Some(captures) = heading.captures(line) {
            inside = &captures[1] == engine;
            if inside {
                let number = |index: usize| captures[index].parse().unwrap_or(u64::MAX);
                announced = number(4);
                tally = Some(Tally { passed: number(2), failed: number(3), ..Tally::default() });
            }
        } else if let (true, Some(tally), Some(captures)) = (inside, tally.as_mut(), reason.captures(line)) {
            let count = captures[1].parse().unwrap_or(u64::MAX);
            tally.skips.push(Skip { count, reason: captures[2].to_owned() });
        } else if inside && !line.starts_with("  ") {
            inside = false;
        }
    }
    let Some(mut tally) = tally else {
        return Tally::fail("the testbench said nothing of this engine");
    };
    let prefix = format!("difference {engine}: ");
    let differences: Vec<_> = output.lines().filter_map(|line| line.strip_prefix(&prefix)).collect();
    tally.failures.extend(differences.iter().take(SHOWN).map(ToString::to_string));
    if differences.len() > SHOWN {
        tally.failures.push(format!("and {} more, listed above", differences.len() - SHOWN));
    }
    if tally.skipped() != announced {
        let explained = tally.skipped();
        tally.add(Tally::fail(format!("{announced} skipped, but reasons for {explained}")));
    }
    if tally.passed == 0 && tally.failed == 0 && announced == 0 {
        tally.add(Tally::fail("no case was run"));
    }
    tally
}

#[cfg(test)]
mod tests {
    use super::{count, unasked};

    const OUTPUT: &str = "\
difference lsm: a/b: allowed
engine dfa: 10 passed, 0 failed, 0 skipped
engine lsm: 3 passed, 1 failed, 5 skipped
  skipped 2: needs llseek
  skipped 3: not by system calls
engine bpf: 1 passed, 0 failed, 2 skipped
engine fuse: 0 passed, 0 failed, 0 skipped
done
";

    #[test]
    fn lines_and_reasons_belong_together() {
        assert_eq!(count(OUTPUT, "dfa").passed, 10);
        let lsm = count(OUTPUT, "lsm");
        assert_eq!((lsm.passed, lsm.failed, lsm.skipped()), (3, 1, 5));
        assert_eq!(lsm.failures, ["a/b: allowed"]);
        assert_eq!(lsm.skips[1].reason, "not by system calls");
    }

    #[test]
    fn what_was_not_asked_for_counts_too() {
        assert_eq!(unasked(OUTPUT, &["dfa", "lsm", "fuse"]), ["bpf"]);
    }

    #[test]
    fn silence_is_a_failure() {
        assert_eq!(count(OUTPUT, "image").failed, 1, "no line");
        assert_eq!(count(OUTPUT, "bpf").failed, 1, "skips without reasons");
        assert_eq!(count(OUTPUT, "fuse").failed, 1, "nothing run");
    }
}
