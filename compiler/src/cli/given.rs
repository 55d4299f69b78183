//! The arguments that commands share: which policy, read how, within which limits.

use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use boesfs_abi::image::{MAGIC, ValidImage, decode};
use boesfs_abi::plane::Plane;
use boesfs_compiler::config::{Config, ConfigError};
use boesfs_compiler::diagnostic::human::Colour;
use boesfs_compiler::diagnostic::{self, LINTS, closest};
use boesfs_compiler::fix::{Mended, mend};
use boesfs_compiler::levels::{Level, Levels, Which};
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
    #[command(flatten)]
    lints: LintArgs,
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

/// How seriously lints are taken.
#[derive(Debug, Args)]
#[command(next_help_heading = "Lints")]
struct LintArgs {
    /// Do not show the warnings of LINT, and make its errors warnings; `all` for every lint. May be repeated.
    #[arg(long, value_name = "LINT", value_parser = lint_name)]
    allow: Vec<String>,
    /// Make the findings of LINT warnings; `all` for every lint. May be repeated.
    #[arg(long, value_name = "LINT", value_parser = lint_name)]
    warn: Vec<String>,
    /// Make the findings of LINT errors; `all` or `warnings` for every lint. May be repeated.
    #[arg(long, value_name = "LINT", value_parser = lint_name)]
    deny: Vec<String>,
    /// Take levels and two-file policies from FILE instead of the nearest `boesfsc.toml` at or above the policy.
    #[arg(long, value_name = "FILE", conflicts_with = "no_config")]
    config: Option<PathBuf>,
    /// Look for no `boesfsc.toml`.
    #[arg(long)]
    no_config: bool,
    /// The planes the policy is meant for: a rule that one of them cannot enforce is an error.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "PLANE")]
    target: Vec<PlaneArg>,
}

/// A plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum PlaneArg {
    /// BPF programs in the kernel.
    Lsm,
    /// A FUSE mount.
    Fuse,
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
    /// Nested parentheses, at most 200.
    #[arg(long, value_name = "N", value_parser = nesting, default_value_t = boesfs_grammar::Limits::default().nesting, hide_short_help = true)]
    max_nesting: usize,
    /// Section headers and definitions of one file.
    #[arg(long, value_name = "N", default_value_t = boesfs_grammar::Limits::default().definitions, hide_short_help = true)]
    max_definitions: usize,
    /// Bytes of a definition, or of a line with quotes or parentheses.
    #[arg(long, value_name = "N", default_value_t = boesfs_grammar::Limits::default().line, hide_short_help = true)]
    max_line: usize,
    /// Braces of one pattern.
    #[arg(long, value_name = "N", default_value_t = rules::BraceLimits::default().braces, hide_short_help = true)]
    max_braces: usize,
    /// Patterns that the braces of one stand for.
    #[arg(long, value_name = "N", default_value_t = rules::BraceLimits::default().patterns, hide_short_help = true)]
    max_brace_patterns: usize,
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

/// Whether `path` stands for the standard input.
pub(super) fn is_input(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Whether `source` is an image, and no policy.
pub(super) fn is_image(source: &Source) -> bool {
    source.bytes.starts_with(&MAGIC)
}

/// The standard input, as far as the limits go.
pub(super) fn standard_input(limits: &boesfs_grammar::Limits) -> Result<Source, CommandError> {
    let mut bytes = Vec::new();
    let limit = limits.bytes.min(boesfs_grammar::Limits::MAX_BYTES);
    io::stdin()
        .lock()
        .take(limit as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| CommandError::World(format!("the standard input cannot be read: {error}")))?;
    if bytes.len() > limit {
        return Err(CommandError::World(format!(
            "the standard input has more than {limit} bytes, the limit; `--max-bytes` raises it"
        )));
    }
    Ok(Source::new("-", bytes))
}

fn nesting(text: &str) -> Result<usize, String> {
    let most = boesfs_grammar::Limits::MAX_NESTING;
    let nesting: usize = text.parse().map_err(|_| "not a number".to_owned())?;
    if nesting > most { Err(format!("at most {most} can be read")) } else { Ok(nesting) }
}

fn lint_name(text: &str) -> Result<String, String> {
    if matches!(text, "all" | "warnings") || diagnostic::lint(text).is_some() {
        return Ok(text.to_owned());
    }
    // A code is what a diagnostic shows first.
    if let Some(lint) = LINTS.iter().find(|lint| lint.code.eq_ignore_ascii_case(text)) {
        return Ok(lint.name.to_owned());
    }
    let names = || LINTS.iter().map(|lint| lint.name);
    Err(match closest(text, names()) {
        Some(name) => format!("unknown lint, did you mean `{name}`?"),
        None => format!("unknown lint; the lints are all, {}", names().collect::<Vec<_>>().join(", ")),
    })
}

/// A policy's text, and how it is read.
pub(super) struct Given {
    pub(super) sources: Vec<Source>,
    pub(super) settings: Settings,
}

/// What stands where a policy is expected.
pub(super) enum Subject {
    /// Policy text, as far as the stages came.
    Text(Box<Outcome>),
    /// An image.
    Image(Box<ValidImage>),
}

impl Reading {
    /// The configuration that goes with `policy`.
    pub(super) fn config(&self, policy: &Path) -> Result<Config, CommandError> {
        let config = match &self.lints.config {
            Some(path) => Config::read(path),
            None if self.lints.no_config => Ok(Config::default()),
            None => Config::nearest(if is_input(policy) { Path::new(".") } else { policy }),
        };
        config.map_err(|error| match &error {
            ConfigError::Malformed(source, errors) => {
                let shown = diagnostic::human::render(
                    errors,
                    std::slice::from_ref(source),
                    self.max_errors,
                    Colour::Never,
                );
                CommandError::World(format!("{error}\n{}", shown.trim_end()))
            }
            ConfigError::Unreadable { .. } => CommandError::World(error.to_string()),
        })
    }

    /// What the command line says of lints. Of several levels for one lint the strictest counts.
    fn levels(&self) -> Vec<(Which, Level)> {
        let which = |name: &String| match name.as_str() {
            "all" | "warnings" => Which::All,
            _ => Which::Named(name.clone()),
        };
        let of = |names: &[String], level| names.iter().map(which).map(move |which| (which, level)).collect();
        let levels: [Vec<_>; 3] = [
            of(&self.lints.allow, Level::Allow),
            of(&self.lints.warn, Level::Warn),
            of(&self.lints.deny, Level::Deny),
        ];
        levels.concat()
    }

    /// The planes the policy is meant for; none if that is not said.
    pub(super) fn targets(&self) -> Vec<Plane> {
        let plane = |target: &PlaneArg| match target {
            PlaneArg::Lsm => Plane::Lsm,
            PlaneArg::Fuse => Plane::Fuse,
        };
        self.lints.target.iter().map(plane).collect()
    }

    pub(super) fn settings(&self, config: &Config) -> Settings {
        let levels = Levels::default().and(config.levels.clone()).and(self.levels());
        let allow = LINTS.iter().map(|lint| lint.name);
        let allow = allow.filter(|name| matches!(levels.of(name), Some(Level::Allow | Level::Warn)));
        let allow = Allow::Named(allow.map(str::to_owned).collect());
        let compat = self.compat.map(|compat| match compat {
            CompatArg::CasbinRs => Compat::CasbinRs,
            CompatArg::CasbinGo => Compat::CasbinGo,
        });
        let limits = boesfs_grammar::Limits {
            bytes: self.limits.max_bytes,
            rules: self.limits.max_rules,
            nesting: self.limits.max_nesting,
            line: self.limits.max_line,
            definitions: self.limits.max_definitions,
        };
        Settings {
            allow,
            select: self.select.clone(),
            compat,
            limits,
            word: None,
            levels,
            targets: self.targets(),
        }
    }

    /// Combinations the argument tests of one cell may fall into.
    pub(super) fn max_boxes(&self) -> usize {
        self.limits.max_boxes
    }

    pub(super) fn limits(&self) -> pipeline::Limits {
        let limits = &self.limits;
        pipeline::Limits {
            rules: rules::Limits {
                rule_terms: limits.max_rule_terms,
                terms: limits.max_terms,
                subjects: limits.max_subjects,
                wildcards: limits.max_pattern_states,
                braces: rules::BraceLimits { braces: limits.max_braces, patterns: limits.max_brace_patterns },
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

    pub(super) fn sources(
        &self,
        policy: &Path,
        model: Option<&Path>,
        config: &Config,
    ) -> Result<Vec<Source>, CommandError> {
        let limits = self.settings(config).limits;
        let model = model.or_else(|| config.model_of(policy));
        if is_input(policy) {
            let mut sources = vec![standard_input(&limits)?];
            if let Some(model) = model {
                sources.extend(Sources::One(model.to_owned()).load(&limits)?);
            }
            return Ok(sources);
        }
        let sources = match model {
            Some(model) => Sources::Two { model: model.to_owned(), policy: policy.to_owned() },
            None => Sources::One(policy.to_owned()),
        };
        Ok(sources.load(&limits)?)
    }

    /// What is in `policy`, which must be text.
    pub(super) fn given(&self, policy: &Path) -> Result<Given, CommandError> {
        let config = self.config(policy)?;
        let sources = self.sources(policy, self.model.as_deref(), &config)?;
        if is_image(&sources[0]) {
            return Err(CommandError::Usage(format!("`{}` is an image already", policy.display())));
        }
        Ok(Given { sources, settings: self.settings(&config) })
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
        let config = self.config(policy)?;
        let sources = self.sources(policy, model, &config)?;
        if is_image(&sources[0]) {
            if model.is_some() {
                return Err(CommandError::Usage(format!(
                    "`{}` is an image: it has no `--model`",
                    policy.display()
                )));
            }
            if self.select.is_some() {
                return Err(CommandError::Usage(format!(
                    "`{}` is an image: `--use` was settled when it was built",
                    policy.display()
                )));
            }
            let image = decode(&sources[0].bytes)
                .map_err(|error| CommandError::World(format!("`{}`: {error}", policy.display())))?;
            return Ok(Subject::Image(Box::new(image)));
        }
        Ok(Subject::Text(Box::new(pipeline::run(sources, &self.settings(&config), &self.limits(), until))))
    }

    /// What can be mended of `policy` without asking, and what is to be said of it then.
    pub(super) fn mend(&self, policy: &Path, outcome: Outcome) -> Result<Mended, CommandError> {
        let config = self.config(policy)?;
        Ok(mend(outcome, &self.settings(&config), &self.limits(), Stage::Dfa))
    }

    /// One file as it is.
    pub(super) fn source(&self, file: &Path) -> Result<Source, CommandError> {
        let mut sources = Sources::One(file.to_owned()).load(&self.settings(&Config::default()).limits)?;
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
        let config = self.config(policy)?;
        let mut settings = self.settings(&config);
        settings.allow = match settings.allow {
            _ if allow.iter().any(|name| name == "all") => Allow::All,
            Allow::All => Allow::All,
            Allow::None => Allow::Named(allow.to_vec()),
            Allow::Named(mut names) => {
                names.extend(allow.iter().cloned());
                Allow::Named(names)
            }
        };
        settings.select = settings.select.or_else(|| select.map(str::to_owned));
        let model = model.or_else(|| config.model_of(policy).map(Path::to_owned));
        let sources = match model {
            Some(model) => Sources::Two { model, policy: policy.to_owned() },
            None => Sources::One(policy.to_owned()),
        };
        let sources = sources.load(&settings.limits)?;
        if is_image(&sources[0]) {
            return Err(CommandError::Usage(format!(
                "`{}` is an image: tests are run on a policy's text",
                policy.display()
            )));
        }
        Ok(pipeline::run(sources, &settings, &self.limits(), Stage::LAST))
    }

    /// The policy of `outcome` once more, as one sees it who asks about `word`, which is no operation.
    pub(super) fn for_word(&self, outcome: &Outcome, word: &str) -> Outcome {
        let name = outcome.tree.sources.first().map_or("", |source| source.name.as_str());
        // It could be read before; the policy is asked about again, not its configuration.
        let config = self.config(Path::new(name)).unwrap_or_default();
        let settings = Settings { word: Some(word.to_owned()), ..self.settings(&config) };
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
