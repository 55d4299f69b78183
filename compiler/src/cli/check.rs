//! `boesfsc check`.

use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use boesfs_abi::image::ValidImage;
use boesfs_abi::plane::Plane;
use boesfs_compiler::diagnostic::report::{Checked, github, junit, sarif};
use boesfs_compiler::diagnostic::{LINTS, closest, pages};
use boesfs_compiler::files::{policies_below, replace};
use boesfs_compiler::fix::Mended;
use boesfs_compiler::pipeline::{Outcome, Stage};
use boesfs_compiler::shown::shown;
use clap::Args;
use serde_json::{Value, json};

use super::fmt::unified;
use super::given::{Reading, Subject, is_input};
use super::{CommandError, Exit, Output, Screen};

/// Arguments of `check`.
#[derive(Debug, Args)]
#[command(after_help = "\
Below a directory, files called *.conf that hold sections of a policy are checked, and the two-file policies that
`boesfsc.toml` names. `--format sarif`, `github` and `junit` are for programs that collect findings.

Examples:
  boesfsc check policy.conf
  boesfsc check --model model.conf policy.csv
  boesfsc check --deny all --allow base-name policies/
  boesfsc check --target lsm,fuse policy.conf
  boesfsc check --format sarif policies/ > findings.sarif")]
pub(super) struct CheckArgs {
    /// Policies, images and directories; `-` is the standard input.
    #[arg(value_name = "POLICY", required_unless_present = "explain")]
    policies: Vec<PathBuf>,
    /// Mend what is sure to be meant, in place; say what is left.
    #[arg(long)]
    fix: bool,
    /// With `--fix`: change nothing, print what would change as a unified diff.
    #[arg(long, requires = "fix")]
    diff: bool,
    /// Say what a code or a lint means, such as `E0301` or `inert-rule`; `all` lists them.
    #[arg(long, value_name = "CODE", exclusive = true)]
    explain: Option<String>,
    #[command(flatten)]
    reading: Reading,
}

/// What became of a policy.
enum Found {
    Text(Box<Outcome>),
    Image(Box<ValidImage>),
    Error(String),
}

impl CheckArgs {
    /// The files it reads, as they were given: the policies, and the model if there is one.
    pub(super) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.policies.iter().chain(&self.reading.model).map(PathBuf::as_path)
    }

    /// That there is something to watch; the error says why not.
    pub(super) fn watched(&self) -> Result<(), String> {
        if self.explain.is_some() {
            return Err("a page does not change: `check --explain` prints it".to_owned());
        }
        if self.paths().any(is_input) {
            return Err("the standard input is read once: `check -` does".to_owned());
        }
        Ok(())
    }

    pub(super) fn run(&self, screen: &mut Screen) -> Result<Exit, CommandError> {
        if let Some(code) = &self.explain {
            return explain(code, screen);
        }
        let mut worst = Exit::Fine;
        let mut found = Vec::new();
        for (policy, error) in self.files()? {
            let name = policy.display().to_string();
            let subject = match error {
                Some(error) => Err(CommandError::World(error)),
                None => self.reading.subject(&policy, Stage::Dfa),
            };
            let (exit, result) = match subject {
                Ok(Subject::Text(outcome)) if self.fix => {
                    let outcome = self.mend(&policy, *outcome, screen)?;
                    (self.reading.report(&outcome, screen)?, Found::Text(Box::new(outcome)))
                }
                Ok(Subject::Image(_)) if self.fix => {
                    return Err(CommandError::Usage(format!("`{name}` is an image: it has no text to mend")));
                }
                Ok(Subject::Text(outcome)) => (self.reading.report(&outcome, screen)?, Found::Text(outcome)),
                Ok(Subject::Image(image)) => match unenforced(&image, &self.reading.targets()) {
                    None => (Exit::Fine, Found::Image(image)),
                    Some(error) => {
                        if screen.output != Output::Github {
                            let _ = writeln!(io::stderr(), "error: `{name}`: {error}");
                        }
                        (Exit::Refused, Found::Error(error))
                    }
                },
                // The other policies are checked all the same.
                Err(CommandError::World(error)) => {
                    if screen.output != Output::Github {
                        let _ = writeln!(io::stderr(), "error: {error}");
                    }
                    (Exit::World, Found::Error(error))
                }
                Err(error) => return Err(error),
            };
            worst = worst.max(exit);
            match screen.output {
                Output::Human => said(&name, &result, exit, screen)?,
                Output::Json => found.push((shown(policy.as_os_str().as_bytes()), result, exit)),
                Output::Sarif | Output::Github | Output::Junit => found.push((name, result, exit)),
            }
        }
        match screen.output {
            Output::Human => {}
            Output::Json => {
                let policies: Vec<Value> =
                    found.iter().map(|(name, found, exit)| value(name, found, *exit)).collect();
                screen.json(&json!({"version": 1, "policies": policies}))?;
            }
            Output::Sarif => screen.json(&sarif(&checked(&found)))?,
            Output::Github => write!(screen.out, "{}", github(&checked(&found)))?,
            Output::Junit => {
                let text = junit(&checked(&found)).map_err(|error| CommandError::World(error.to_string()))?;
                write!(screen.out, "{text}")?;
            }
        }
        Ok(worst)
    }

    /// Mends the files of `policy`, or prints what would change; what is to be said of the result.
    fn mend(&self, policy: &Path, outcome: Outcome, screen: &mut Screen) -> Result<Outcome, CommandError> {
        let before = outcome.tree.sources.clone();
        let Mended { outcome, done } = self.reading.mend(policy, outcome)?;
        for (file, (old, new)) in before.iter().zip(&outcome.tree.sources).enumerate() {
            let here = done.iter().filter(|(of, _)| *of == file).count();
            if self.diff {
                if screen.output == Output::Human {
                    screen.out.write_all(unified(old, &new.bytes).as_bytes())?;
                }
            } else if is_input(Path::new(&old.name)) {
                if screen.output == Output::Human {
                    screen.out.write_all(&new.bytes)?;
                }
            } else if here > 0 {
                replace(Path::new(&old.name), &new.bytes).map_err(|error| {
                    CommandError::World(format!("`{}` cannot be written: {error}", old.name))
                })?;
                if screen.output == Output::Human {
                    let plural = if here == 1 { "" } else { "s" };
                    writeln!(screen.out, "{}: {here} change{plural}", old.name)?;
                    for (_, title) in done.iter().filter(|(of, _)| *of == file) {
                        writeln!(screen.out, "  {title}")?;
                    }
                }
            }
        }
        Ok(outcome)
    }

    /// The policies that are meant, and why one of them cannot be checked if that is known already.
    fn files(&self) -> Result<Vec<(PathBuf, Option<String>)>, CommandError> {
        let mut files: Vec<(PathBuf, Option<String>)> = Vec::new();
        for path in &self.policies {
            if !path.is_dir() {
                files.push((path.clone(), None));
                continue;
            }
            let below = policies_below(path);
            let config = self.reading.config(path)?;
            let within = path.canonicalize().unwrap_or_else(|_| path.clone());
            let real = |path: &PathBuf| path.canonicalize().unwrap_or_else(|_| path.clone());
            // The model of a pair is no policy by itself.
            let models: Vec<PathBuf> = config.pairs.iter().map(|pair| real(&pair.model)).collect();
            let mut these: Vec<PathBuf> =
                below.policies.into_iter().filter(|file| !models.contains(&real(file))).collect();
            let rules = config.pairs.into_iter().map(|pair| pair.policy);
            these.extend(rules.filter(|file| real(file).starts_with(&within)));
            these.sort();
            these.dedup();
            files.extend(these.into_iter().map(|file| (file, None)));
            files.extend(below.errors.into_iter().map(|(path, error)| {
                let error = format!("`{}` cannot be read: {error}", path.display());
                (path, Some(error))
            }));
        }
        if files.is_empty() {
            return Err(CommandError::World("no policies are below the directories given".to_owned()));
        }
        Ok(files)
    }
}

/// Prints the page of `code`, a code or the name of a lint.
fn explain(code: &str, screen: &mut Screen) -> Result<Exit, CommandError> {
    if code == "all" {
        let pages: Vec<(&str, &str)> = pages::all().map(|page| (page.code, page.title())).collect();
        if screen.output == Output::Json {
            let pages: Vec<Value> =
                pages.iter().map(|(code, title)| json!({"code": code, "title": title})).collect();
            screen.json(&json!({"version": 1, "pages": pages}))?;
        } else {
            for (code, title) in pages {
                writeln!(screen.out, "{code}  {title}")?;
            }
        }
        return Ok(Exit::Fine);
    }
    let Some(page) = pages::page(code) else {
        let known = pages::all().map(|page| page.code).chain(LINTS.iter().map(|lint| lint.name));
        let known: Vec<&str> = known.collect();
        let hint = match closest(code, known.iter().copied()) {
            Some(name) => format!("did you mean `{name}`?"),
            None => "`--explain all` lists them".to_owned(),
        };
        return Err(CommandError::Usage(format!("nothing is called `{code}`: {hint}")));
    };
    if screen.output == Output::Json {
        screen.json(&json!({"version": 1, "code": page.code, "title": page.title(), "page": page.text}))?;
    } else {
        screen.out.write_all(page.text.as_bytes())?;
    }
    Ok(Exit::Fine)
}

/// What `image` denies that one of `planes` cannot enforce, and that its rules do not accept.
fn unenforced(image: &ValidImage, planes: &[Plane]) -> Option<String> {
    let unseen = planes.iter().flat_map(|plane| plane.unseen().map(move |(op, why)| (plane, op, why)));
    unseen.filter(|(_, op, _)| !image.accepted().contains(*op)).find_map(|(plane, op, why)| {
        if !image.denies_alone(op) {
            return None;
        }
        let rule = image.denials_alone(op).next();
        let rule = rule.and_then(|rule| image.debug()?.rules.get(rule as usize));
        let rule = rule.map_or_else(|| "a rule".to_owned(), |rule| format!("line {}", rule.line));
        Some(format!("{rule} denies `{op}`, which the `{plane}` plane cannot enforce: {why}"))
    })
}

fn rules_of(outcome: &Outcome) -> Option<usize> {
    outcome.model.as_ref().map(|model| model.rules.len())
}

/// A line for people on a policy that is fine.
fn said(name: &str, found: &Found, exit: Exit, screen: &mut Screen) -> io::Result<()> {
    match found {
        Found::Text(outcome) if exit == Exit::Fine => {
            let rules = rules_of(outcome).unwrap_or_default();
            let plural = if rules == 1 { "" } else { "s" };
            writeln!(screen.out, "{name}: ok, {rules} rule{plural}")
        }
        Found::Image(image) => writeln!(screen.out, "{name}: ok, image {}", image.id_hex()),
        Found::Text(_) | Found::Error(_) => Ok(()),
    }
}

fn value(name: &str, found: &Found, exit: Exit) -> Value {
    match found {
        Found::Text(outcome) => json!({
            "policy": name,
            "ok": exit == Exit::Fine,
            "rules": rules_of(outcome),
            "diagnostics": Reading::json(outcome),
        }),
        Found::Image(image) => json!({"policy": name, "ok": true, "id": image.id_hex(), "diagnostics": []}),
        Found::Error(error) => json!({"policy": name, "ok": false, "error": error}),
    }
}

fn checked<'f>(found: &'f [(String, Found, Exit)]) -> Vec<Checked<'f>> {
    let checked = |(name, found, _): &'f (String, Found, Exit)| match found {
        Found::Text(outcome) => Checked {
            policy: name,
            sources: &outcome.tree.sources,
            diagnostics: &outcome.diagnostics,
            error: None,
        },
        Found::Image(_) => Checked { policy: name, sources: &[], diagnostics: &[], error: None },
        Found::Error(error) => Checked { policy: name, sources: &[], diagnostics: &[], error: Some(error) },
    };
    found.iter().map(checked).collect()
}
