//! A short run of every fuzz target: enough to see that it builds, starts and does not fall over at once.

use super::report::{Report, Row, Tally};
use crate::fuzz::{self, Amount, Run};
use crate::workspace::Workspace;

/// How long each target runs.
const SECONDS: u32 = 20;

/// How many run at a time.
const SIDE_BY_SIDE: usize = 2;

/// Builds all targets, runs each and reports them.
pub(super) fn run(workspace: &Workspace, report: &mut Report) {
    match fuzz::targets(workspace).map_err(|error| error.to_string()).and_then(|targets| {
        if targets.is_empty() {
            return Err("no fuzz targets".to_owned());
        }
        fuzz::build(workspace).map(|()| targets).map_err(|error| error.to_string())
    }) {
        Err(reason) => report.add(Row::Step("fuzz".into()), Tally::fail(reason)),
        Ok(targets) => {
            for targets in targets.chunks(SIDE_BY_SIDE) {
                std::thread::scope(|scope| {
                    let runs: Vec<_> = targets
                        .iter()
                        .map(|target| (target, scope.spawn(move || short(workspace, target))))
                        .collect();
                    for (target, run) in runs {
                        let broken = |_| Tally::fail("the thread that followed it panicked");
                        let tally = run.join().unwrap_or_else(broken);
                        report.add(Row::Step(format!("fuzz {target}")), tally);
                    }
                });
            }
        }
    }
}

fn short(workspace: &Workspace, target: &str) -> Tally {
    match fuzz::run(workspace, &Run { target, amount: Amount::Seconds(SECONDS), seed: 1 }) {
        Ok(_) => Tally::pass(),
        Err(error) => Tally::fail(error.to_string()),
    }
}
