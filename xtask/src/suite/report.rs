//! What has passed, failed and been left out, and how it is told at the end.

use std::fmt::{self, Write as _};

/// Something left out, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skip {
    /// How many cases.
    pub count: u64,
    /// Why, in one line.
    pub reason: String,
}

/// A count of outcomes. Every failure adds to `failed` and says so in `failures`, if only by a name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many passed.
    pub passed: u64,
    /// How many failed.
    pub failed: u64,
    /// What was left out.
    pub skips: Vec<Skip>,
    /// What each failure that has a name says, in its first line above all.
    pub failures: Vec<String>,
}

impl Tally {
    /// One thing that passed.
    #[must_use]
    pub fn pass() -> Self {
        Self { passed: 1, ..Self::default() }
    }

    /// One thing that failed.
    #[must_use]
    pub fn fail(what: impl Into<String>) -> Self {
        Self { failed: 1, failures: vec![what.into()], ..Self::default() }
    }

    /// One thing left out.
    #[must_use]
    pub fn skip(reason: impl Into<String>) -> Self {
        Self { skips: vec![Skip { count: 1, reason: reason.into() }], ..Self::default() }
    }

    /// How many were left out.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.skips.iter().map(|skip| skip.count).sum()
    }

    /// Counts `other` in.
    pub fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        for skip in other.skips {
            match self.skips.iter_mut().find(|known| known.reason == skip.reason) {
                Some(known) => known.count += skip.count,
                None => self.skips.push(skip),
            }
        }
        self.failures.extend(other.failures);
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped())
    }
}

/// Outcomes by step or engine, in the order they came.
#[derive(Debug, Default)]
pub struct Report {
    rows: Vec<(Row, Tally)>,
}

/// Whose outcomes a row counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Row {
    /// A step's.
    Step(String),
    /// An engine's.
    Engine(String),
}

impl Row {
    fn name(&self) -> &str {
        let (Self::Step(name) | Self::Engine(name)) = self;
        name
    }
}

impl Report {
    /// Counts `tally` in the row.
    pub fn add(&mut self, row: Row, tally: Tally) {
        match self.rows.iter_mut().find(|(known, _)| *known == row) {
            Some((_, known)) => known.add(tally),
            None => self.rows.push((row, tally)),
        }
    }

    /// All rows in one.
    #[must_use]
    pub fn total(&self) -> Tally {
        let mut total = Tally::default();
        for (_, tally) in &self.rows {
            total.add(tally.clone());
        }
        total
    }

    /// What failures say beyond their first line, the tables of steps and engines, the reasons, the failures in a line
    /// each and, as its last line, the totals.
    #[must_use]
    pub fn summary(&self) -> String {
        let mut text = String::new();
        for (name, failure) in self.failures().filter(|(_, failure)| failure.contains('\n')) {
            line(&mut text, format_args!("==== {name} failed: {failure}\n"));
        }
        let steps = self.rows.iter().filter_map(|(row, tally)| match row {
            Row::Step(name) => Some((name, tally)),
            Row::Engine(_) => None,
        });
        let engines = self.rows.iter().filter_map(|(row, tally)| match row {
            Row::Engine(name) => Some((name, tally)),
            Row::Step(_) => None,
        });
        table(&mut text, "step", steps);
        table(&mut text, "engine", engines);
        for (row, tally) in &self.rows {
            for skip in &tally.skips {
                line(&mut text, format_args!("skipped {}: {}: {}", row.name(), skip.count, skip.reason));
            }
        }
        // Last, for whoever sees only the end.
        for (name, failure) in self.failures() {
            line(&mut text, format_args!("FAILED {name}: {}", in_a_line(failure)));
        }
        line(&mut text, format_args!("{}", self.total()));
        text
    }

    /// Each failure, behind the name of its row.
    fn failures(&self) -> impl Iterator<Item = (&str, &str)> {
        self.rows
            .iter()
            .flat_map(|(row, tally)| tally.failures.iter().map(move |what| (row.name(), what.as_str())))
    }
}

/// The first and the last line of `text`.
fn in_a_line(text: &str) -> String {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let (first, last) = (lines.next().unwrap_or_default(), lines.next_back());
    last.map_or_else(|| first.to_owned(), |last| format!("{first} ... {last}"))
}

fn table<'a>(text: &mut String, title: &str, rows: impl Iterator<Item = (&'a String, &'a Tally)>) {
    let rows: Vec<_> = rows.collect();
    if rows.is_empty() {
        return;
    }
    line(text, format_args!("{title:<28} {:>8} {:>8} {:>8}", "passed", "failed", "skipped"));
    for (name, tally) in rows {
        let skipped = tally.skipped();
        line(text, format_args!("{name:<28} {:>8} {:>8} {skipped:>8}", tally.passed, tally.failed));
    }
    line(text, format_args!(""));
}

fn line(text: &mut String, arguments: fmt::Arguments<'_>) {
    writeln!(text, "{arguments}").expect("INVARIANT: writing to a string succeeds");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_is_the_total() {
        let mut report = Report::default();
        report.add(Row::Step("cargo fmt".into()), Tally::pass());
        report.add(Row::Engine("lsm (6.1)".into()), Tally::skip("no network"));
        report.add(Row::Engine("lsm (6.1)".into()), Tally::fail("case a"));
        report.add(Row::Step("cargo fmt".into()), Tally::fail("one\ntwo\n\nthree\n"));
        let summary = report.summary();
        let end = "\nskipped lsm (6.1): 1: no network\nFAILED cargo fmt: one ... three\nFAILED lsm (6.1): case a\n1 passed, 2 failed, 1 skipped\n";
        assert!(summary.ends_with(end), "{summary}");
        assert!(summary.starts_with("==== cargo fmt failed: one\ntwo\n\nthree\n"), "{summary}");
    }
}
