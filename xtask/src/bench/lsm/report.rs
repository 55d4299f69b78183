//! The results for people and for programs.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use serde::Deserialize;

use super::super::BenchError;
use super::super::machine::Machine;
use super::{Cost, DEPTH, DEPTHS, RULES, Setting};

impl Cost {
    /// The middle run.
    pub(super) fn median(&self) -> f64 {
        let mut samples = self.samples.clone();
        samples.sort_by(f64::total_cmp);
        samples.get(samples.len() / 2).copied().unwrap_or_default()
    }
}

/// A setting's results, a line each.
pub(super) fn lines(setting: &Setting) -> String {
    let mut out = String::new();
    for cost in &setting.costs {
        let settled = if cost.settled.is_some() { "" } else { ", not settled" };
        let least = cost.samples.iter().copied().fold(f64::INFINITY, f64::min);
        // Writing to a string succeeds.
        let _ = writeln!(
            out,
            "{} {} {} depth {}: {:.0} (least {least:.0}{settled})",
            setting.kernel,
            setting.name,
            cost.what,
            cost.depth,
            cost.median()
        );
    }
    out
}

/// What the file at `path` has, if there is one.
pub(super) fn read(path: &Path) -> Result<Vec<Setting>, BenchError> {
    #[derive(Deserialize)]
    struct File {
        settings: Vec<Setting>,
    }
    match std::fs::read(path) {
        Ok(bytes) => Ok(serde_json::from_slice::<File>(&bytes)?.settings),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

pub(super) fn json(machine: &Machine, settings: &[Setting]) -> serde_json::Result<String> {
    let results = serde_json::json!({ "version": 1, "machine": machine, "settings": settings });
    Ok(serde_json::to_string(&results)?
        .replace("},{\"kernel\"", "},\n{\"kernel\"")
        .replace("},{\"what\"", "},\n {\"what\"")
        + "\n")
}

/// What was measured of one kernel.
struct Results<'a> {
    kernel: &'a str,
    settings: &'a [Setting],
}

impl Results<'_> {
    fn of(&self, setting: &str, what: &str, depth: usize) -> Option<f64> {
        let found = self.settings.iter().filter(|one| one.kernel == self.kernel && one.name == setting);
        let mut costs = found.flat_map(|one| &one.costs);
        costs.find(|cost| cost.what == what && cost.depth == depth).map(Cost::median)
    }

    /// What `setting` costs beyond `base`, and as a part of it.
    fn beyond(&self, base: &str, setting: &str, what: &str, depth: usize) -> String {
        match (self.of(base, what, depth), self.of(setting, what, depth)) {
            (Some(base), Some(with)) => {
                format!("{:+.0} ({:+.1} %)", with - base, (with - base) / base * 100.0)
            }
            _ => "–".to_owned(),
        }
    }

    fn absolute(&self, setting: &str, what: &str, depth: usize) -> String {
        self.of(setting, what, depth).map_or_else(|| "–".to_owned(), |cost| format!("{cost:.0}"))
    }

    /// What was measured at `depth`, in the order of measuring.
    fn subjects(&self, depth: usize) -> Vec<&str> {
        let mut seen = BTreeSet::new();
        let settings = self.settings.iter().filter(|one| one.kernel == self.kernel);
        let costs = settings.flat_map(|one| &one.costs).filter(|cost| cost.depth == depth);
        costs.map(|cost| cost.what.as_str()).filter(|what| seen.insert(*what)).collect()
    }
}

pub(super) fn markdown(machine: &Machine, settings: &[Setting]) -> String {
    let mut out = String::new();
    write(machine, settings, &mut out).expect("INVARIANT: writing to a string succeeds");
    out
}

fn write(machine: &Machine, settings: &[Setting], out: &mut String) -> std::fmt::Result {
    out.push_str(include_str!("introduction.md"));
    writeln!(
        out,
        "\nMachine: {}, {} processors, Linux {}, qemu's TCG with one processor; how busy it was does not show in counts.",
        machine.processor, machine.processors, machine.kernel
    )?;
    let mut kernels: Vec<&str> = settings.iter().map(|setting| setting.kernel.as_str()).collect();
    kernels.dedup();
    for kernel in kernels {
        let results = Results { kernel, settings };
        writeln!(out, "\n## Linux {kernel}")?;
        operations(&results, out)?;
        sizes(&results, out)?;
        metadata(&results, out)?;
        jobs(&results, out)?;
    }
    let unsettled: Vec<String> = settings
        .iter()
        .flat_map(|one| one.costs.iter().map(move |cost| (one, cost)))
        .filter(|(_, cost)| cost.settled.is_none())
        .map(|(one, cost)| format!("{} {} {} depth {}", one.kernel, one.name, cost.what, cost.depth))
        .collect();
    if !unsettled.is_empty() {
        writeln!(out, "\nNot settled: {}.", unsettled.join("; "))?;
    }
    Ok(())
}

fn operations(results: &Results<'_>, out: &mut String) -> std::fmt::Result {
    for depth in DEPTHS {
        // The parts that are measured last may be missing still.
        if results.subjects(depth).is_empty() {
            continue;
        }
        writeln!(out, "\n### Depth {depth}\n")?;
        writeln!(
            out,
            "| operation | baseline | filter | empty programs | not confined | confined, beyond the filter | confined in all | Landlock |"
        )?;
        writeln!(out, "|---|---:|---:|---:|---:|---:|---:|---:|")?;
        for what in results.subjects(depth) {
            writeln!(
                out,
                "| {what} | {} | {} | {} | {} | {} | {} | {} |",
                results.absolute("baseline", what, depth),
                results.beyond("baseline", "filter", what, depth),
                results.beyond("baseline", "empty:use-10", what, depth),
                results.beyond("baseline", "free:use-10", what, depth),
                results.beyond("filter", "confined:use-10", what, depth),
                results.beyond("baseline", "confined:use-10", what, depth),
                results.beyond("baseline", "landlock", what, depth),
            )?;
        }
    }
    Ok(())
}

fn sizes(results: &Results<'_>, out: &mut String) -> std::fmt::Result {
    writeln!(out, "\n### By the number of rules, depth {DEPTH}, confined\n")?;
    let names = RULES.map(|rules| format!("confined:use-{rules}"));
    writeln!(out, "| operation | 10 | 10 000 | 1 000 000 |\n|---|---:|---:|---:|")?;
    for what in results.subjects(DEPTH) {
        if results.of(&names[1], what, DEPTH).is_none() {
            continue;
        }
        let cells = names.iter().map(|name| results.absolute(name, what, DEPTH)).collect::<Vec<_>>();
        writeln!(out, "| {what} | {} |", cells.join(" | "))?;
    }
    Ok(())
}

fn metadata(results: &Results<'_>, out: &mut String) -> std::fmt::Result {
    writeln!(out, "\n### Other policies, depth {DEPTH}, beyond the baseline\n")?;
    writeln!(
        out,
        "| operation | not confined, in a mount namespace of its own | everything denied: empty | confined | lengths judged: empty | confined |"
    )?;
    writeln!(out, "|---|---:|---:|---:|---:|---:|")?;
    for what in results.subjects(DEPTH) {
        let beyond = |setting| results.beyond("baseline", setting, what, DEPTH);
        writeln!(
            out,
            "| {what} | {} | {} | {} | {} | {} |",
            beyond("elsewhere:use-10"),
            beyond("empty:everything-10"),
            beyond("confined:everything-10"),
            beyond("empty:lengths-10"),
            beyond("confined:lengths-10"),
        )?;
    }
    Ok(())
}

fn jobs(results: &Results<'_>, out: &mut String) -> std::fmt::Result {
    if results.subjects(0).is_empty() {
        return Ok(());
    }
    writeln!(out, "\n### Whole jobs\n")?;
    writeln!(
        out,
        "| job | baseline, instructions | filter | not confined | confined, beyond the filter | confined in all | everything denied | Landlock |\n|---|---:|---:|---:|---:|---:|---:|---:|"
    )?;
    for what in results.subjects(0) {
        writeln!(
            out,
            "| {what} | {} | {} | {} | {} | {} | {} | {} |",
            results.absolute("jobs:baseline", what, 0),
            results.beyond("jobs:baseline", "jobs:filter", what, 0),
            results.beyond("jobs:baseline", "jobs:free:use-10", what, 0),
            results.beyond("jobs:filter", "jobs:confined:use-10", what, 0),
            results.beyond("jobs:baseline", "jobs:confined:use-10", what, 0),
            results.beyond("jobs:baseline", "jobs:confined:everything-10", what, 0),
            results.beyond("jobs:baseline", "jobs:landlock", what, 0),
        )?;
    }
    Ok(())
}
