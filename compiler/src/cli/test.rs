//! `boesfsc test`.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use boesfs_compiler::diagnostic::Diagnostic;
use boesfs_compiler::diagnostic::human::{Colour, render, render_only};
use boesfs_compiler::pipeline::Outcome;
use boesfs_compiler::suite::{self, Coverage, SUFFIX, Suite};
use boesfs_grammar::Source;
use clap::Args;
use serde_json::json;

use super::destination::{Destination, apart};
use super::given::Reading;
use super::{CommandError, Exit, Format, Screen};

/// Arguments of `test`.
#[derive(Debug, Args)]
#[command(after_help = "\
The tests of `policy.conf` stand beside it in `policy.test.ron`:

  (
      defaults: (sub: \"/usr/bin/agent\"),
      tests: [
          (name: \"reads sources\", act: \"read\", obj: \"/repo/src/a.rs\", expect: allow),
          (
              name: \"secrets stay closed\",
              act: [\"read\", \"write\"],
              obj: [\"/repo/.env\", \"/repo/a/.env\"],
              expect: deny,
              rule: \"no-env\",
          ),
      ],
  )

Examples:
  boesfsc test                          every suite below the working directory
  boesfsc test policy.conf --coverage   and which rules no test decides by
  boesfsc test policies --threshold 80 --junit report.xml")]
pub(super) struct TestArgs {
    /// Policies, suites (`*.test.ron`), or folders with suites in them.
    #[arg(value_name = "POLICY|DIR", default_value = ".")]
    of: Vec<PathBuf>,
    /// Say which rules decided no tested request, with a request that they decide.
    #[arg(long)]
    coverage: bool,
    /// Fail if fewer rules of a policy than this decided a tested request, in percent.
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    threshold: Option<u8>,
    /// Write what came of the tests as JUnit's XML too.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Run only tests with this in their name.
    #[arg(long, value_name = "NAME")]
    filter: Option<String>,
    #[command(flatten)]
    reading: Reading,
}

/// What is known of a policy while its suites are run.
struct Tested {
    outcome: Outcome,
    coverage: Option<Coverage>,
}

impl TestArgs {
    pub(super) fn run(&self, screen: &mut Screen) -> Result<Exit, CommandError> {
        let mut exit = Exit::Fine;
        let mut policies: BTreeMap<String, Tested> = BTreeMap::new();
        let mut results = Vec::new();
        let mut matched = 0;
        for (file, policy) in self.suites(&mut exit)? {
            let (result, of_suite) = self.run_suite(&file, policy.as_deref(), &mut policies, screen)?;
            exit = exit.max(of_suite);
            matched += result.tests.len() + usize::from(result.error.is_some());
            results.push(result);
        }
        if let Some(filter) = self.filter.as_ref().filter(|_| matched == 0) {
            return Err(CommandError::Usage(format!("no test has `{filter}` in its name")));
        }
        if results.iter().any(|result| result.counts().1 > 0) {
            exit = exit.max(Exit::Refused);
        }
        let covered = self.cover(&policies, &mut exit, screen)?;
        if let Some(file) = &self.junit {
            let sources = policies.values().flat_map(|tested| &tested.outcome.tree.sources);
            let suites = results.iter().map(|result| Path::new(&result.file));
            apart(file, sources.map(|source| Path::new(&source.name)).chain(suites))?;
            let report = suite::junit(&results).map_err(|error| CommandError::World(error.to_string()))?;
            Destination::of(file).write(report.as_bytes(), screen)?;
        }
        let (passed, failed) =
            results.iter().map(suite::Result::counts).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        match screen.format {
            Format::Human => writeln!(screen.out, "{passed} passed, {failed} failed")?,
            Format::Json => screen.json(&json!({
                "version": 1,
                "suites": results.iter().map(suite::json).collect::<Vec<_>>(),
                "policies": covered,
                "passed": passed,
                "failed": failed,
            }))?,
        }
        Ok(exit)
    }

    /// The suites to run, each with the policy that was given for it, if one was; `exit` tells of folders that could not
    /// be read.
    fn suites(&self, exit: &mut Exit) -> Result<Vec<(PathBuf, Option<PathBuf>)>, CommandError> {
        let mut all = Vec::new();
        for of in &self.of {
            if of.is_dir() {
                let found = suite::suites_below(of);
                // The other suites are run all the same.
                for (folder, error) in &found.errors {
                    let _ = writeln!(io::stderr(), "error: `{}` cannot be read: {error}", folder.display());
                    *exit = Exit::World;
                }
                if found.suites.is_empty() && found.errors.is_empty() {
                    return Err(CommandError::World(format!(
                        "there is no suite in `{}`: tests of `policy.conf` stand beside it in `policy{SUFFIX}`",
                        of.display()
                    )));
                }
                all.extend(found.suites.into_iter().map(|file| (file, None)));
            } else if of.as_os_str().to_string_lossy().ends_with(SUFFIX) {
                all.push((of.clone(), None));
            } else {
                all.push((suite::suite_beside(of), Some(of.clone())));
            }
        }
        all.dedup();
        Ok(all)
    }

    fn run_suite(
        &self,
        file: &Path,
        given: Option<&Path>,
        policies: &mut BTreeMap<String, Tested>,
        screen: &mut Screen,
    ) -> Result<(suite::Result, Exit), CommandError> {
        let source = self.reading.source(file)?;
        let mut result = suite::Result {
            file: file.display().to_string(),
            policy: String::new(),
            tests: Vec::new(),
            error: None,
        };
        let suite = match Suite::read(source.clone()) {
            Ok(suite) => suite,
            Err(found) => {
                let mut sources = vec![Source::new("", Vec::new()); usize::from(Suite::FILE)];
                sources.push(source);
                result.error = Some(refuse(&found, &sources, self.reading.max_errors, screen));
                return Ok((result, Exit::Refused));
            }
        };
        let beside = |name: &String| file.parent().unwrap_or(Path::new("")).join(name);
        let policy = match (given, &suite.policy) {
            (given, Some(named)) => {
                let named = beside(named);
                let same = |given: &Path| given.canonicalize().ok() == named.canonicalize().ok();
                if given.is_some_and(|given| !same(given)) {
                    return Err(CommandError::Usage(format!(
                        "`{}` tests `{}`",
                        file.display(),
                        named.display()
                    )));
                }
                named
            }
            (Some(given), None) => given.to_owned(),
            (None, None) => suite::policy_beside(file).map_err(|missing| {
                CommandError::World(format!(
                    "`{}` is named for `{}`, which does not exist: say `policy: \"…\"` in it",
                    file.display(),
                    missing.display()
                ))
            })?,
        };
        let model = self.reading.model.clone().or_else(|| suite.model.as_ref().map(beside));
        result.policy = policy.display().to_string();
        let key = format!("{}\0{model:?}{:?}{:?}", result.policy, suite.allow, suite.select);
        if !policies.contains_key(&key) {
            let outcome = self.reading.tested(&policy, model, &suite.allow, suite.select.as_deref())?;
            let coverage = outcome.model.as_ref().map(Coverage::new);
            policies.insert(key.clone(), Tested { outcome, coverage });
        }
        let tested = policies.get_mut(&key).expect("INVARIANT: it was put there");
        let sources = &tested.outcome.tree.sources;
        if !tested.outcome.is_sound() {
            let exit = self.reading.report(&tested.outcome, screen)?;
            let (found, most) = (&tested.outcome.diagnostics, self.reading.max_errors);
            result.error = Some(render_only(&found[..found.len().min(most)], sources, Colour::Never));
            return Ok((result, exit));
        }
        let coverage = tested.coverage.as_mut().expect("INVARIANT: a sound policy has a model");
        let wanted = |name: &str| self.filter.as_ref().is_none_or(|filter| name.contains(filter));
        match suite::run(&suite, &tested.outcome, &wanted, coverage) {
            Ok(outcome) => result.tests = outcome.tests,
            Err(found) => {
                result.error = Some(refuse(
                    &found,
                    &suite::with_suite(sources, &suite),
                    self.reading.max_errors,
                    screen,
                ));
                return Ok((result, Exit::Refused));
            }
        }
        if screen.format == Format::Human {
            let most = self.reading.max_errors;
            let text = suite::human(&result, &suite, sources, most, screen.colour);
            screen.out.write_all(text.as_bytes())?;
        }
        Ok((result, Exit::Fine))
    }

    /// Says which rules the tests decided by, and whether that is enough.
    fn cover(
        &self,
        policies: &BTreeMap<String, Tested>,
        exit: &mut Exit,
        screen: &mut Screen,
    ) -> Result<Vec<serde_json::Value>, CommandError> {
        let mut shown = Vec::new();
        for tested in policies.values() {
            let (Some(coverage), Some(model)) = (&tested.coverage, &tested.outcome.model) else { continue };
            let name = tested.outcome.tree.sources.first().map_or("", |source| source.name.as_str());
            let ((decided, all), percent) = (coverage.counts(), coverage.percent());
            let enough = self.threshold.is_none_or(|threshold| percent >= usize::from(threshold));
            if !enough {
                *exit = (*exit).max(Exit::Refused);
            }
            let listed = self.coverage || !enough;
            let rules = if listed { coverage.rules(&tested.outcome) } else { Vec::new() };
            if screen.format == Format::Human && listed {
                let wanted = match self.threshold {
                    Some(threshold) if !enough => format!(", the threshold is {threshold} %"),
                    _ => String::new(),
                };
                writeln!(
                    screen.out,
                    "{name}: {decided} of {all} rules decided a tested request ({percent} %){wanted}"
                )?;
                screen.out.write_all(suite::idle_rules(&rules, model).as_bytes())?;
            }
            shown.push(json!({
                "policy": name,
                "decided": decided,
                "rules_count": all,
                "percent": percent,
                "enough": enough,
                "rules": suite::rules_json(&rules, model),
            }));
        }
        Ok(shown)
    }
}

/// Says what is wrong with a suite, at most `most` mistakes of it, and returns it without colours.
fn refuse(found: &[Diagnostic], sources: &[Source], most: usize, screen: &Screen) -> String {
    let text = |colour| {
        if found.len() > most {
            render(found, sources, most, colour)
        } else {
            render_only(found, sources, colour)
        }
    };
    if screen.format == Format::Human {
        // Nothing can be done if even this cannot be written.
        let _ = io::stderr().write_all(text(screen.colour).as_bytes());
    }
    text(Colour::Never)
}
