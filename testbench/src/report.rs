//! What has passed, failed and been left out, per engine, and how it is printed.

use std::collections::BTreeMap;
use std::fmt;

/// Outcomes of one engine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many passed.
    pub passed: u64,
    /// How many failed.
    pub failed: u64,
    /// How many were left out, by reason.
    pub skipped: BTreeMap<String, u64>,
}

impl Tally {
    /// How many were left out.
    #[must_use]
    pub fn skips(&self) -> u64 {
        self.skipped.values().sum()
    }
}

/// Outcomes of every engine, and a line for each difference.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    rows: Vec<(String, Tally)>,
    differences: Vec<String>,
}

impl Report {
    /// The row of `engine`, made if it is not there.
    pub fn row(&mut self, engine: &str) -> &mut Tally {
        let at = self.rows.iter().position(|(name, _)| name == engine).unwrap_or_else(|| {
            self.rows.push((engine.to_owned(), Tally::default()));
            self.rows.len() - 1
        });
        &mut self.rows[at].1
    }

    /// Counts one that passed.
    pub fn pass(&mut self, engine: &str) {
        self.row(engine).passed += 1;
    }

    /// Counts one that failed, and says how in one line.
    pub fn fail(&mut self, engine: &str, difference: &str) {
        self.row(engine).failed += 1;
        self.differences.push(format!("{engine}: {}", difference.replace('\n', " | ")));
    }

    /// Counts `count` that were left out for `reason`.
    pub fn skip(&mut self, engine: &str, reason: &str, count: u64) {
        if count > 0 {
            *self.row(engine).skipped.entry(reason.to_owned()).or_default() += count;
        }
    }

    /// Fails each of `engines` that has answered nothing.
    pub fn require(&mut self, engines: &[String]) {
        for engine in engines {
            let tally = self.row(engine);
            if tally.passed + tally.failed == 0 {
                let reasons: Vec<String> = tally.skipped.keys().cloned().collect();
                self.fail(engine, &format!("required, and nothing was run on it: {}", reasons.join("; ")));
            }
        }
    }

    /// The rows, in the order engines were first counted.
    #[must_use]
    pub fn rows(&self) -> &[(String, Tally)] {
        &self.rows
    }

    /// A line for each failure.
    #[must_use]
    pub fn differences(&self) -> &[String] {
        &self.differences
    }

    /// How many failed, on any engine.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.rows.iter().map(|(_, tally)| tally.failed).sum()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for difference in &self.differences {
            writeln!(f, "difference {difference}")?;
        }
        let (mut passed, mut skipped) = (0, 0);
        for (engine, tally) in &self.rows {
            passed += tally.passed;
            skipped += tally.skips();
            writeln!(
                f,
                "engine {engine}: {} passed, {} failed, {} skipped",
                tally.passed,
                tally.failed,
                tally.skips()
            )?;
            for (reason, count) in &tally.skipped {
                writeln!(f, "  skipped {count}: {reason}")?;
            }
        }
        writeln!(f, "{passed} passed, {} failed, {skipped} skipped", self.failed())
    }
}

#[cfg(test)]
mod tests {
    use super::Report;

    #[test]
    fn lines_are_as_the_tasks_read_them() {
        let mut report = Report::default();
        report.pass("dfa");
        report.skip("lsm", "no BPF LSM", 2);
        report.fail("dfa", "a/b: read /x:\nallow, not deny");
        report.require(&["lsm".into()]);
        assert_eq!(
            report.to_string(),
            "difference dfa: a/b: read /x: | allow, not deny\n\
             difference lsm: required, and nothing was run on it: no BPF LSM\n\
             engine dfa: 1 passed, 1 failed, 0 skipped\n\
             engine lsm: 0 passed, 1 failed, 2 skipped\n  skipped 2: no BPF LSM\n\
             1 passed, 2 failed, 2 skipped\n"
        );
    }
}
