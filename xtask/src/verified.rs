//! `cargo xtask verified`: how many instructions each kernel's verifier looks at for each program of the lsm plane. The
//! counts are committed: a change that makes the verifier work much harder is seen before a kernel refuses the program.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;

use crate::binaries;
use crate::vm::{self, Job, KernelChoice};
use crate::workspace::Workspace;

const FILE: &str = "ebpf/tests/verified.json";
/// How many hundredths more than written down a program may take.
const MORE: u64 = 25;
/// Below so many instructions a program is too small for that to say anything.
const SMALL: u64 = 400;
const TIMEOUT: Duration = Duration::from_secs(600);
/// On two processors programs are loaded two at a time. None is attached, so the second may be on.
const COMMAND: &str = "echo 1 >/sys/devices/system/cpu/cpu1/online && exec boesfs-testbench verified";

/// Instructions, by the name of the program.
type Counts = BTreeMap<String, u64>;

fn path(workspace: &Workspace) -> PathBuf {
    workspace.root.join(FILE)
}

/// Asks `kernel`.
///
/// # Errors
/// [`vm::VmError`] if the machine does not run to its end, others if it says something else than counts.
pub(crate) fn count(workspace: &Workspace, kernel: KernelChoice) -> anyhow::Result<Counts> {
    let job = Job {
        kernel,
        add: Vec::new(),
        binaries: binaries::built(workspace),
        traits: vm::Traits { processors: vm::Processors::SecondOff, ..Default::default() },
        timeout: TIMEOUT,
        command: ["sh", "-c", COMMAND].map(str::to_owned).to_vec(),
    };
    let mut output = Vec::new();
    let status = vm::run(workspace, &job, &mut output, &mut std::io::stderr())?;
    let output = String::from_utf8_lossy(&output);
    anyhow::ensure!(status == 0, "status {status}: {output}");
    serde_json::from_str(output.trim()).with_context(|| format!("no counts: {output}"))
}

/// What is written down of `kernel`.
///
/// # Errors
/// If the file cannot be read or says nothing of it.
pub(crate) fn written(workspace: &Workspace, kernel: &str) -> anyhow::Result<Counts> {
    let text = std::fs::read_to_string(path(workspace)).with_context(|| format!("cannot read {FILE}"))?;
    let mut all: BTreeMap<String, Counts> = serde_json::from_str(&text)?;
    all.remove(kernel).with_context(|| format!("{FILE} says nothing of {kernel}"))
}

/// In which programs `counts` are not what is `written`, a line each.
pub(crate) fn differences(counts: &Counts, written: &Counts) -> Vec<String> {
    let mut lines = Vec::new();
    for (program, count) in counts {
        match written.get(program) {
            None => lines.push(format!("{program} is not in {FILE}: run `cargo xtask verified`")),
            Some(before) if *count > SMALL.max(before + before * MORE / 100) => lines.push(format!(
                "{program}: the verifier looked at {count} instructions, {before} before: \
                 if that has to be, run `cargo xtask verified`"
            )),
            Some(_) => {}
        }
    }
    let gone = written.keys().filter(|program| !counts.contains_key(*program));
    lines.extend(gone.map(|program| format!("{program} is gone: run `cargo xtask verified`")));
    lines
}

/// Asks both kernels and writes down what they say.
///
/// # Errors
/// If one cannot be asked or the file cannot be written.
pub fn write(workspace: &Workspace) -> anyhow::Result<()> {
    binaries::build(workspace)?;
    let mut all = BTreeMap::new();
    for kernel in KernelChoice::BOTH {
        all.insert(kernel.name(), count(workspace, kernel)?);
    }
    let text = serde_json::to_string_pretty(&all)? + "\n";
    std::fs::write(path(workspace), text).with_context(|| format!("cannot write {FILE}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(of: &[(&str, u64)]) -> Counts {
        of.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
    }

    #[test]
    fn a_program_may_take_a_quarter_more() {
        let before = counts(&[("a", 1000), ("b", 10)]);
        assert_eq!(differences(&counts(&[("a", 1250), ("b", 400)]), &before), [""; 0]);
        assert_eq!(differences(&counts(&[("a", 1251), ("b", 1)]), &before).len(), 1);
        assert_eq!(differences(&counts(&[("a", 1), ("b", 401)]), &before).len(), 1);
    }

    #[test]
    fn programs_that_come_and_go_are_told() {
        let said = differences(&counts(&[("new", 1)]), &counts(&[("old", 1)]));
        assert!(said[0].starts_with("new is not in"), "{said:?}");
        assert!(said[1].starts_with("old is gone"), "{said:?}");
    }
}
