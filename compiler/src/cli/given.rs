//! The arguments that commands share: which policy, read how, within which limits.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use boesfs_abi::image::{MAGIC, ValidImage, decode};
use boesfs_compiler::diagnostic::{self, LINTS, closest};
use boesfs_compiler::model::{Allow, Compat, Settings};
use boesfs_compiler::pipeline::{self, Outcome, Stage};
use boesfs_compiler::{Sources, automaton, rules};
use boesfs_grammar::Source;
use clap::{Args, ValueEnum};

use super::{CommandError, Exit, Format, Screen};

/// How a policy is read.
#[derive(Debug, Args)]
pub(super) struct Reading {
    /// The model of a two-file policy: the policy is then its rules.
    #[arg(long, value_name = "MODEL")]
    pub(super) model: Option<PathBuf>,
    /// A lint whose errors are to be warnings; `all` for every one. May be repeated.
    #[arg(long, value_name = "LINT", value_parser = lint_name)]
    allow: Vec<String>,
    /// The policy type to compile, such as `p2`, instead of what `[options] use` says.
    #[arg(long = "use", value_name = "TYPE")]
    select: Option<String>,
    /// Imitate a Casbin where the two differ.
    #[arg(long, value_enum)]
    compat: Option<CompatArg>,
    /// How many diagnostics to print at most; all are counted.
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(super) max_errors: usize,
    #[command(flatten)]
    limits: LimitArgs,
}

/// Which Casbin to imitate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum CompatArg {
    /// casbin-rs.
    CasbinRs,
    /// Go Casbin.
    CasbinGo,
}

/// How large a policy may be.
#[derive(Debug, Args)]
#[command(next_help_heading = "Limits")]
struct LimitArgs {
    /// Bytes of one file.
    #[arg(long, value_name = "N", default_value_t = boesfs_grammar::Limits::default().bytes, hide_short_help = true)]
    max_bytes: usize,
    /// Policy lines.
    #[arg(long, value_name = "N", default_value_t = boesfs_grammar::Limits::default().rules, hide_short_help = true)]
    max_rules: usize,
    /// Nested parentheses, at most 256.
    #[arg(long, value_name = "N", default_value_t = boesfs_grammar::Limits::default().nesting, hide_short_help = true)]
    max_nesting: usize,
    /// Bytes of a matcher, or of a line with quotes or parentheses.
    #[arg(long, value_name = "N", default_value_t = boesfs_grammar::Limits::default().line, hide_short_help = true)]
    max_line: usize,
    /// Alternatives of one rule.
    #[arg(long, value_name = "N", default_value_t = rules::Limits::default().rule_terms, hide_short_help = true)]
    max_rule_terms: usize,
    /// Alternatives of all rules.
    #[arg(long, value_name = "N", default_value_t = rules::Limits::default().terms, hide_short_help = true)]
    max_terms: usize,
    /// Programs and domains told apart.
    #[arg(long, value_name = "N", default_value_t = rules::Limits::default().subjects, hide_short_help = true)]
    max_subjects: usize,
    /// States of the automaton before it is made minimal.
    #[arg(long, value_name = "N", default_value_t = automaton::Limits::default().states, hide_short_help = true)]
    max_states: usize,
    /// Transitions of the automaton before it is made minimal.
    #[arg(long, value_name = "N", default_value_t = automaton::Limits::default().transitions, hide_short_help = true)]
    max_transitions: usize,
    /// States of all patterns, repetitions written out.
    #[arg(long, value_name = "N", default_value_t = automaton::Limits::default().pattern_states, hide_short_help = true)]
    max_pattern_states: usize,
    /// Nesting of a pattern.
    #[arg(long, value_name = "N", default_value_t = automaton::Limits::default().nesting, hide_short_help = true)]
    max_pattern_nesting: usize,
    /// Items of all sets the automaton is built from.
    #[arg(long, value_name = "N", default_value_t = automaton::Limits::default().set_items, hide_short_help = true)]
    max_set_items: usize,
    /// Cells: sets of rules times subject classes.
    #[arg(long, value_name = "N", default_value_t = automaton::Limits::default().cells, hide_short_help = true)]
    max_cells: usize,
    /// Combinations the argument tests of one cell fall into.
    #[arg(long, value_name = "N", default_value_t = automaton::Limits::default().boxes, hide_short_help = true)]
    max_boxes: usize,
}

fn lint_name(text: &str) -> Result<String, String> {
    if text == "all" || diagnostic::lint(text).is_some() {
        return Ok(text.to_owned());
    }
    let names = || LINTS.iter().map(|lint| lint.name);
    Err(match closest(text, names()) {
        Some(name) => format!("unknown lint, did you mean `{name}`?"),
        None => format!("unknown lint; the lints are all, {}", names().collect::<Vec<_>>().join(", ")),
    })
}

/// What stands where a policy is expected.
pub(super) enum Subject {
    /// Policy text, as far as the stages came.
    Text(Box<Outcome>),
    /// An image.
    Image(Box<ValidImage>),
}

impl Reading {
    fn settings(&self) -> Settings {
        let allow = if self.allow.iter().any(|name| name == "all") {
            Allow::All
        } else {
            Allow::Named(self.allow.clone())
        };
        let compat = self.compat.map(|compat| match compat {
            CompatArg::CasbinRs => Compat::CasbinRs,
            CompatArg::CasbinGo => Compat::CasbinGo,
        });
        let limits = boesfs_grammar::Limits {
            bytes: self.limits.max_bytes,
            rules: self.limits.max_rules,
            nesting: self.limits.max_nesting.min(boesfs_grammar::Limits::MAX_NESTING),
            line: self.limits.max_line,
        };
        Settings { allow, select: self.select.clone(), compat, limits, word: None }
    }

    /// Combinations the argument tests of one cell may fall into.
    pub(super) fn max_boxes(&self) -> usize {
        self.limits.max_boxes
    }

    fn limits(&self) -> pipeline::Limits {
        let limits = &self.limits;
        pipeline::Limits {
            rules: rules::Limits {
                rule_terms: limits.max_rule_terms,
                terms: limits.max_terms,
                subjects: limits.max_subjects,
            },
            automaton: automaton::Limits {
                states: limits.max_states,
                transitions: limits.max_transitions,
                pattern_states: limits.max_pattern_states,
                set_items: limits.max_set_items,
                cells: limits.max_cells,
                boxes: limits.max_boxes,
                nesting: limits.max_pattern_nesting,
            },
        }
    }

    fn sources(&self, policy: &Path, model: Option<&Path>) -> Result<Vec<Source>, CommandError> {
        let sources = match model {
            Some(model) => Sources::Two { model: model.to_owned(), policy: policy.to_owned() },
            None => Sources::One(policy.to_owned()),
        };
        Ok(sources.load(&self.settings().limits)?)
    }

    /// What is in `policy`: an image, or text taken as far as `until`.
    pub(super) fn subject(&self, policy: &Path, until: Stage) -> Result<Subject, CommandError> {
        self.subject_of(policy, self.model.as_deref(), until)
    }

    /// What is in `policy`, if `model` is its model.
    pub(super) fn subject_of(
        &self,
        policy: &Path,
        model: Option<&Path>,
        until: Stage,
    ) -> Result<Subject, CommandError> {
        let sources = self.sources(policy, model)?;
        if sources[0].bytes.starts_with(&MAGIC) {
            if model.is_some() {
                return Err(CommandError::Usage(format!(
                    "`{}` is an image: it has no `--model`",
                    policy.display()
                )));
            }
            let image = decode(&sources[0].bytes)
                .map_err(|error| CommandError::World(format!("`{}`: {error}", policy.display())))?;
            return Ok(Subject::Image(Box::new(image)));
        }
        Ok(Subject::Text(Box::new(pipeline::run(sources, &self.settings(), &self.limits(), until))))
    }

    /// One file as it is.
    pub(super) fn source(&self, file: &Path) -> Result<Source, CommandError> {
        let mut sources = Sources::One(file.to_owned()).load(&self.settings().limits)?;
        Ok(sources.remove(0))
    }

    /// A policy under test: read as the command line says, and beside that as its suite does.
    pub(super) fn tested(
        &self,
        policy: &Path,
        model: Option<PathBuf>,
        allow: &[String],
        select: Option<&str>,
    ) -> Result<Outcome, CommandError> {
        let mut settings = self.settings();
        if let Allow::Named(names) = &mut settings.allow {
            names.extend(allow.iter().cloned());
            if allow.iter().any(|name| name == "all") {
                settings.allow = Allow::All;
            }
        }
        settings.select = settings.select.or_else(|| select.map(str::to_owned));
        let sources = match model {
            Some(model) => Sources::Two { model, policy: policy.to_owned() },
            None => Sources::One(policy.to_owned()),
        };
        let sources = sources.load(&settings.limits)?;
        if sources[0].bytes.starts_with(&MAGIC) {
            return Err(CommandError::Usage(format!(
                "`{}` is an image: tests are run on a policy's text",
                policy.display()
            )));
        }
        Ok(pipeline::run(sources, &settings, &self.limits(), Stage::LAST))
    }

    /// The policy of `outcome` once more, as one sees it who asks about `word`, which is no operation.
    pub(super) fn for_word(&self, outcome: &Outcome, word: &str) -> Outcome {
        let settings = Settings { word: Some(word.to_owned()), ..self.settings() };
        pipeline::run(outcome.tree.sources.clone(), &settings, &self.limits(), Stage::LAST)
    }

    /// Prints what there is to say about `outcome`, for people to the error stream, and says how it ends.
    pub(super) fn report(&self, outcome: &Outcome, screen: &Screen) -> Result<Exit, CommandError> {
        if screen.format == Format::Human && !outcome.diagnostics.is_empty() {
            let text = diagnostic::human::render(
                &outcome.diagnostics,
                &outcome.tree.sources,
                self.max_errors,
                screen.colour,
            );
            io::stderr().write_all(text.as_bytes())?;
        }
        Ok(if outcome.is_sound() {
            Exit::Fine
        } else if outcome.hit_limit() {
            Exit::World
        } else {
            Exit::Refused
        })
    }

    /// The diagnostics of `outcome` as a program reads them.
    pub(super) fn json(outcome: &Outcome) -> serde_json::Value {
        diagnostic::json::render(&outcome.diagnostics, &outcome.tree.sources)
    }
}
