//! The steps that are cargo's work, and what its test harness says.

use super::report::Tally;
use crate::process::{self, ProcessError};
use crate::workspace::{Workspace, cargo};
use regex::Regex;

/// How many random policies the engines are compared on, unless the environment says otherwise.
const POLICIES: (&str, &str) = ("BOESFS_POLICIES", "10000");
/// What they depend on.
const SEED: &str = "BOESFS_SEED";

/// Runs cargo with `arguments`; passes if it does.
pub(super) fn passes(workspace: &Workspace, arguments: &[&str]) -> Tally {
    match process::run(cargo().args(arguments).current_dir(&workspace.root)) {
        Ok(()) => Tally::pass(),
        Err(error) => Tally::fail(error.to_string()),
    }
}

/// Runs every test of the workspace and counts them.
pub(super) fn tests(workspace: &Workspace) -> Tally {
    let mut command = cargo();
    command.args(["test", "--workspace", "--no-fail-fast"]).current_dir(&workspace.root);
    if std::env::var_os(POLICIES.0).is_none() {
        command.env(POLICIES.0, POLICIES.1);
    }
    match process::follow(&mut command) {
        Ok((status, output)) => count(&output, status.success()),
        Err(error) => Tally::fail(error.to_string()),
    }
}

/// Compares all engines that need no sandbox on random policies.
///
/// # Errors
/// [`ProcessError`] if they differ, or nothing could be run.
pub fn random(workspace: &Workspace, policies: u64, seed: u64) -> Result<(), ProcessError> {
    let mut command = cargo();
    command
        .args(["test", "--release", "--package", "boesfs-testbench", "--test", "random", "--"])
        .args(["--nocapture", "engines_agree_on_many_policies_of_the_whole_language"])
        .current_dir(&workspace.root)
        .env(POLICIES.0, policies.to_string())
        .env(SEED, seed.to_string());
    process::run(&mut command)
}

/// Counts the tests in what the harness wrote. If cargo failed beyond what is counted, as when something does not
/// build, that is a failure by itself.
fn count(output: &str, success: bool) -> Tally {
    let result = regex(r"^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored;");
    let failed = regex(r"^test (.+) \.\.\. FAILED$");
    let skipped = regex(r"^test .+ \.\.\. ignored, (.+)$");
    let mut unexplained = 0;
    let mut tally = Tally::default();
    for line in output.lines() {
        if let Some(counts) = result.captures(line) {
            let number =
                |index| counts.get(index).and_then(|digits| digits.as_str().parse().ok()).unwrap_or(0);
            tally.passed += number(1);
            tally.failed += number(2);
            unexplained += number(3);
        } else if let Some(name) = failed.captures(line).and_then(|captures| captures.get(1)) {
            tally.failures.push(name.as_str().to_owned());
        } else if let Some(reason) = skipped.captures(line).and_then(|captures| captures.get(1)) {
            tally.add(Tally::skip(reason.as_str()));
        }
    }
    let unexplained = unexplained.saturating_sub(tally.skipped());
    if unexplained > 0 {
        let mut ignored = Tally::skip("marked to be ignored");
        ignored.skips[0].count = unexplained;
        tally.add(ignored);
    }
    if !success && tally.failed == 0 {
        tally.add(Tally::fail("cargo test failed before all tests had run"));
    } else if success && tally.passed == 0 {
        tally.add(Tally::fail("cargo test ran no test"));
    }
    tally
}

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("INVARIANT: the patterns of this file are regular expressions")
}

#[cfg(test)]
mod tests {
    use super::count;

    const OUTPUT: &str = "\
running 3 tests
test a::b ... ok
test a::c ... FAILED
test result: FAILED. 1 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s
test result: ok. 4 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
";

    #[test]
    fn results_are_summed() {
        let tally = count(OUTPUT, false);
        assert_eq!((tally.passed, tally.failed, tally.skipped()), (5, 1, 1));
        assert_eq!(tally.failures, ["a::c"]);
    }

    #[test]
    fn a_skip_keeps_its_reason() {
        let output = "\
test a ... ok
test b ... ignored, there is no file
test c ... ignored
test result: ok. 1 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.00s
";
        let tally = count(output, true);
        let reasons: Vec<&str> = tally.skips.iter().map(|skip| skip.reason.as_str()).collect();
        assert_eq!(reasons, ["there is no file", "marked to be ignored"]);
        assert_eq!(tally.skipped(), 2);
    }

    #[test]
    fn no_results_are_no_success() {
        assert_eq!(count("", false).failed, 1);
        assert_eq!(count("", true).failed, 1);
    }
}
