//! The results of a benchmark, for people and for programs.

use std::fmt::Write as _;

use serde::Serialize;

use super::Subject;
use super::machine::Machine;
use super::measure::Run;

/// Everything that was measured.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Results {
    pub(super) machine: Machine,
    pub(super) rows: Vec<Row>,
}

/// One policy.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Row {
    form: String,
    rules: usize,
    seed: u64,
    /// Bytes of its text.
    bytes: u64,
    pub(super) runs: Vec<Run>,
    /// How many instructions one run has.
    pub(super) instructions: Option<u64>,
    /// Bytes of the image.
    pub(super) image: Option<u64>,
    /// Bytes of the image without what is there for people.
    pub(super) stripped: Option<u64>,
    /// Bytes that the kernel needs for it, as `boesfsc inspect` says.
    pub(super) kernel: Option<u64>,
    /// What was said, if the policy was refused.
    pub(super) refused: Option<String>,
    /// Runs of `AppArmor`'s compiler with the same rules.
    pub(super) apparmor: Vec<Run>,
    /// What that compiler said, if it refused them.
    pub(super) apparmor_refused: Option<String>,
}

/// Least, middle and most of several numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Spread {
    least: f64,
    median: f64,
    most: f64,
}

impl Spread {
    fn of(numbers: impl Iterator<Item = f64>) -> Self {
        let mut numbers: Vec<f64> = numbers.collect();
        numbers.sort_by(f64::total_cmp);
        let at = |place: usize| numbers.get(place).copied().unwrap_or_default();
        Self { least: at(0), median: at(numbers.len() / 2), most: at(numbers.len().saturating_sub(1)) }
    }
}

impl Row {
    pub(super) fn new(form: &str, rules: usize, seed: u64, bytes: u64) -> Self {
        Self {
            form: form.to_owned(),
            rules,
            seed,
            bytes,
            runs: Vec::new(),
            instructions: None,
            image: None,
            stripped: None,
            kernel: None,
            refused: None,
            apparmor: Vec::new(),
            apparmor_refused: None,
        }
    }

    fn wall(&self) -> Spread {
        Spread::of(self.runs.iter().map(|run| run.wall))
    }

    fn processor(&self) -> Spread {
        Spread::of(self.runs.iter().map(|run| run.processor))
    }

    fn memory(&self) -> Spread {
        Spread::of(self.runs.iter().map(|run| run.memory))
    }

    /// The row in one line, while the benchmark runs.
    pub(super) fn line(&self) -> String {
        let refused = self.refused.as_deref().unwrap_or_default();
        let (wall, processor, memory) = (self.wall(), self.processor(), self.memory());
        format!(
            "{} {}: {:.3} s by the clock, {:.3} s of processor, {:.0} MiB {refused}",
            self.form, self.rules, wall.median, processor.median, memory.median
        )
    }
}

impl Results {
    pub(super) fn json(&self) -> serde_json::Result<String> {
        let mut text = serde_json::to_string_pretty(&serde_json::json!({
            "version": 1,
            "machine": self.machine,
            "rows": self.rows,
        }))?;
        text.push('\n');
        Ok(text)
    }

    pub(super) fn markdown(&self, subject: Subject) -> String {
        let mut text = String::new();
        self.write(subject, &mut text).expect("INVARIANT: writing to a string succeeds");
        text
    }

    fn write(&self, subject: Subject, out: &mut String) -> std::fmt::Result {
        let name = subject.name();
        let (title, what) = match subject {
            Subject::Check => ("Time of `boesfsc check`", "Each run is one `boesfsc check policy.conf`."),
            Subject::Compile => (
                "Time of `boesfsc build`",
                "Each run is one `boesfsc build policy.conf -o policy.bin`, validation included.",
            ),
        };
        writeln!(out, "# {title}\n")?;
        writeln!(
            out,
            "Made by `cargo xtask bench {name}`, which writes this page and every single run to `{name}.json`. {what}"
        )?;
        writeln!(
            out,
            "A policy of form FORM with N rules is what `boesfs-testbench generate FORM N` prints; its first line of code \
             says what the forms are. Instructions are callgrind's.\n"
        )?;
        writeln!(out, "Machine: {}\n", self.machine)?;
        writeln!(out, "Seconds are medians, with the least and the most of all runs.\n")?;
        writeln!(
            out,
            "| form | rules | by the clock | of the processor | memory, MiB | instructions | a rule | image, bytes | stripped | in the kernel |"
        )?;
        writeln!(out, "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|")?;
        let shown = |number: Option<u64>| number.map_or_else(|| "–".to_owned(), |number| number.to_string());
        for row in &self.rows {
            let (wall, processor) = (row.wall(), row.processor());
            let a_rule = row.instructions.map(|count| count / u64::try_from(row.rules.max(1)).unwrap_or(1));
            writeln!(
                out,
                "| {} | {} | {:.3} ({:.3}–{:.3}) | {:.3} ({:.3}–{:.3}) | {:.0} | {} | {} | {} | {} | {} |",
                row.form,
                row.rules,
                wall.median,
                wall.least,
                wall.most,
                processor.median,
                processor.least,
                processor.most,
                row.memory().median,
                shown(row.instructions),
                shown(a_rule),
                shown(row.image),
                shown(row.stripped),
                shown(row.kernel),
            )?;
        }
        let refused: Vec<&Row> = self.rows.iter().filter(|row| row.refused.is_some()).collect();
        if !refused.is_empty() {
            writeln!(out, "\nRefused, and how long that took is above:\n")?;
            for row in refused {
                writeln!(
                    out,
                    "* {} {}: `{}`",
                    row.form,
                    row.rules,
                    row.refused.as_deref().unwrap_or_default()
                )?;
            }
        }
        self.write_apparmor(out)?;
        writeln!(
            out,
            "\nHow it grows: the slope of the line through the logarithms, from 1000 rules on; 1 is linear.\n"
        )?;
        writeln!(out, "| form | processor time | memory | instructions |")?;
        writeln!(out, "|---|---:|---:|---:|")?;
        let mut forms: Vec<&str> = self.rows.iter().map(|row| row.form.as_str()).collect();
        forms.dedup();
        for form in forms {
            let rows = || self.rows.iter().filter(move |row| row.form == form && row.rules >= 1000);
            let slope = |of: &dyn Fn(&Row) -> Option<f64>| {
                let points: Vec<(f64, f64)> =
                    rows().filter_map(|row| Some((row.rules as f64, of(row)?))).collect();
                slope(&points).map_or_else(|| "–".to_owned(), |slope| format!("{slope:.2}"))
            };
            writeln!(
                out,
                "| {form} | {} | {} | {} |",
                slope(&|row| Some(row.processor().median)),
                slope(&|row| Some(row.memory().median)),
                slope(&|row| row.instructions.map(|count| count as f64)),
            )?;
        }
        Ok(())
    }
}

impl Results {
    /// What `AppArmor`'s compiler took of the same rules, where it was asked.
    fn write_apparmor(&self, out: &mut String) -> std::fmt::Result {
        let compared: Vec<&Row> = self
            .rows
            .iter()
            .filter(|row| !row.apparmor.is_empty() || row.apparmor_refused.is_some())
            .collect();
        if compared.is_empty() {
            return Ok(());
        }
        writeln!(
            out,
            "\nBeside it, in the same run, `apparmor_parser --skip-kernel-load --skip-cache` with the same paths: a \
             profile for each program, a line for each rule. Processor time:\n"
        )?;
        writeln!(out, "| form | rules | `boesfsc build` | `apparmor_parser` | times |")?;
        writeln!(out, "|---|---:|---:|---:|---:|")?;
        for row in compared {
            if let Some(words) = &row.apparmor_refused {
                writeln!(
                    out,
                    "| {} | {} | {:.3} | refused: {words} | – |",
                    row.form,
                    row.rules,
                    row.processor().median
                )?;
                continue;
            }
            let (ours, theirs) = (row.processor(), Spread::of(row.apparmor.iter().map(|run| run.processor)));
            writeln!(
                out,
                "| {} | {} | {:.3} | {:.3} ({:.3}–{:.3}) | {:.1} |",
                row.form,
                row.rules,
                ours.median,
                theirs.median,
                theirs.least,
                theirs.most,
                theirs.median / ours.median
            )?;
        }
        Ok(())
    }
}

/// The slope of the line through the logarithms of `points` that is nearest to them; `None` of fewer than two.
fn slope(points: &[(f64, f64)]) -> Option<f64> {
    let logs: Vec<(f64, f64)> =
        points.iter().filter(|(x, y)| *x > 0.0 && *y > 0.0).map(|(x, y)| (x.ln(), y.ln())).collect();
    let count = logs.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| logs.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|p| p.0), mean(|p| p.1));
    let (over, under) = logs
        .iter()
        .fold((0.0, 0.0), |(over, under), p| (over + (p.0 - x) * (p.1 - y), under + (p.0 - x) * (p.0 - x)));
    (logs.len() > 1 && under > 0.0).then(|| over / under)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_straight_line_has_its_slope() {
        let points: Vec<(f64, f64)> = [10.0, 100.0, 1000.0].map(|x: f64| (x, 3.0 * x.powf(1.5))).to_vec();
        let slope = slope(&points).expect("three points");
        assert!((slope - 1.5).abs() < 1e-9, "{slope}");
    }

    #[test]
    fn one_point_has_no_slope() {
        assert_eq!(slope(&[(1.0, 2.0)]), None);
    }

    #[test]
    fn the_middle_run_counts() {
        let spread = Spread::of([5.0, 1.0, 2.0].into_iter());
        assert_eq!(spread, Spread { least: 1.0, median: 2.0, most: 5.0 });
    }
}
