//! The stages one after the other: sources to syntax tree, model, rules, automaton and image, with what each has to say.

use boesfs_abi::image::{Parts, ValidImage, encode_read_back};
use boesfs_grammar::{Source, Span, SyntaxTree, parse};

use crate::automaton::{self, AutomatonError, Compiled, Decisions};
use crate::diagnostic::{Diagnostic, Severity};
use crate::image::{PackError, fits, parts};
use crate::jobs;
use crate::lint;
use crate::model::{Model, Settings, resolve};
use crate::rules::{self, LowerError, PatternError, Problem, RuleSet};
use crate::validate::{Effort, Mismatch, Prepared, Report};

/// How far to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// The syntax tree.
    Tree,
    /// Names bound and fields typed.
    Model,
    /// Rules as terms.
    Rules,
    /// The automaton; what passes has room in an image, so that nothing can be said of it later.
    Dfa,
    /// The image, packed and read back.
    Image,
}

impl Stage {
    /// The last stage: what has passed it can be written.
    pub const LAST: Self = Self::Image;
}

/// An image as it is written, and as it is read back.
#[derive(Clone, Debug)]
pub struct Packed {
    /// The bytes of the file.
    pub file: Vec<u8>,
    /// The same, decoded.
    pub image: ValidImage,
}

/// How large a policy may become, beside its text ([`Settings::limits`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// When rules are lowered.
    pub rules: rules::Limits,
    /// When the automaton is built.
    pub automaton: automaton::Limits,
}

/// What became of a policy. A stage is missing if it was not asked for, or if the one before has errors.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// The policy as written, with its sources.
    pub tree: SyntaxTree,
    /// Names bound and fields typed.
    pub model: Option<Model>,
    /// Rules as terms.
    pub rules: Option<RuleSet>,
    /// The automaton.
    pub dfa: Option<Compiled>,
    /// The image.
    pub packed: Option<Packed>,
    /// All there is to say, stage by stage.
    pub diagnostics: Vec<Diagnostic>,
}

impl Outcome {
    /// Makes the image of `parts`.
    fn pack(&mut self, parts: Option<Parts>, model: &Model) {
        match parts.map(|parts| encode_read_back(parts, jobs::count() > 1)) {
            Some(Ok((file, image))) => self.packed = Some(Packed { file, image }),
            Some(Err(error)) => self.diagnostics.push(no_room(&error.into(), model)),
            None => {}
        }
    }

    /// Notes that image and rules differ: an error from here on, with the request that shows it, and no image.
    fn differs(&mut self, model: &Model, mismatch: &Mismatch) {
        let rule = mismatch.rules.rule.or(mismatch.image.rule).and_then(|rule| model.rules.get(rule));
        let span = rule.map_or(model.matcher.span, |rule| rule.span);
        self.diagnostics.push(
            Diagnostic::error("E0601", format!("the image differs from the rules: {mismatch}"), span)
                .label("decides here, or should")
                .help("this is a defect of the compiler: please report it with the policy"),
        );
        self.packed = None;
    }

    /// Whether nothing is in the way of the stages asked for.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.diagnostics.iter().all(|diagnostic| diagnostic.severity != Severity::Error)
    }

    /// Whether a limit was hit, so that more room would help.
    #[must_use]
    pub fn hit_limit(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_limit)
    }
}

/// Takes `sources` (a policy, or a policy and its model) as far as `until`.
#[must_use]
pub fn run(sources: Vec<Source>, settings: &Settings, limits: &Limits, until: Stage) -> Outcome {
    let (mut outcome, model) = read(sources, settings, until);
    if let Some(model) = model {
        let parts = compile(&mut outcome, &model, settings, limits, until);
        outcome.pack(parts, &model);
        outcome.model = Some(model);
    }
    settings.levels.apply(&mut outcome.diagnostics);
    outcome
}

/// Takes `sources` to an image, and asks the image and the rules the same questions. A difference is an error, and there
/// is no image then. What was asked is `None` if there is no image.
///
/// Of the stages between model and image nothing is kept, so that a large policy needs less memory.
#[must_use]
pub fn build(
    sources: Vec<Source>,
    settings: &Settings,
    limits: &Limits,
    effort: Effort,
) -> (Outcome, Option<Report>) {
    let (mut outcome, model) = read(sources, settings, Stage::LAST);
    let mut report = None;
    if let Some(model) = model {
        // What validation has to know of the rules is found while they are compiled.
        let compiling = || compile(&mut outcome, &model, settings, limits, Stage::LAST);
        let (parts, prepared) = jobs::both(compiling, || Prepared::new(&model));
        outcome.rules = None;
        let languages = outcome.dfa.take().map(|dfa| dfa.languages);
        outcome.pack(parts, &model);
        if outcome.is_sound()
            && let (Some(packed), Some(languages)) = (&outcome.packed, languages)
        {
            match prepared.validate(&packed.image, &languages, effort) {
                Ok(asked) => report = Some(asked),
                Err(mismatch) => outcome.differs(&model, &mismatch),
            }
        }
        drop(prepared);
        outcome.model = Some(model);
    }
    settings.levels.apply(&mut outcome.diagnostics);
    (outcome, report)
}

/// Reads `sources`. There is a model if it was asked for and nothing is in its way.
fn read(sources: Vec<Source>, settings: &Settings, until: Stage) -> (Outcome, Option<Model>) {
    let parsed = parse(sources, &settings.limits);
    let mut outcome = Outcome {
        tree: parsed.tree,
        diagnostics: parsed.errors.into_iter().map(Diagnostic::from).collect(),
        ..Outcome::default()
    };
    if until == Stage::Tree {
        return (outcome, None);
    }
    let (model, findings) = resolve(&outcome.tree, settings);
    outcome.diagnostics.extend(findings);
    if let Some(model) = model.as_ref().filter(|_| outcome.is_sound()) {
        outcome.diagnostics.extend(lint::of_model(&outcome.tree, model, settings));
    }
    outcome.diagnostics.sort_by_key(|diagnostic| (diagnostic.span().file, diagnostic.span().start));
    let model = model.filter(|_| outcome.is_sound());
    (outcome, model)
}

/// Takes `model` as far as `until`; to what an image is made of, if that is to be one.
fn compile(
    outcome: &mut Outcome,
    model: &Model,
    settings: &Settings,
    limits: &Limits,
    until: Stage,
) -> Option<Parts> {
    if until >= Stage::Rules {
        match rules::lower(model, &limits.rules) {
            Ok(rules) => outcome.rules = Some(rules),
            Err(errors) => outcome.diagnostics.extend(errors.into_iter().map(Diagnostic::from)),
        }
    }
    let mut decisions = None;
    if until >= Stage::Dfa
        && let Some(rules) = &outcome.rules
    {
        match Compiled::new(rules, &limits.automaton) {
            Ok(dfa) => match fits(&dfa, rules) {
                Ok(made) => {
                    outcome.dfa = Some(dfa);
                    decisions = made;
                }
                Err(error) => outcome.diagnostics.push(no_room(&error, model)),
            },
            Err(error) => outcome.diagnostics.push(too_large(&error, rules, model)),
        }
    }
    let (Some(rules), Some(dfa)) = (&outcome.rules, &outcome.dfa) else { return None };
    let mut diagnostics = std::mem::take(&mut outcome.diagnostics);
    let mut looking = || {
        lint::of_automaton(&outcome.tree, model, rules, dfa, settings, &mut diagnostics);
        diagnostics.sort_by_key(|diagnostic| (diagnostic.span().file, diagnostic.span().start));
    };
    let parts = if until >= Stage::Image {
        let made = || parts(dfa, &decisions.unwrap_or_else(|| Decisions::new(dfa)), rules);
        Some(jobs::both(looking, made).1)
    } else {
        looking();
        None
    };
    let parts = parts.and_then(|made| made.map_err(|error| diagnostics.push(no_room(&error, model))).ok());
    outcome.diagnostics = diagnostics;
    parts
}

fn no_room(error: &PackError, model: &Model) -> Diagnostic {
    let help = match error {
        PackError::TooMany { what: "cells in rows", .. } => {
            "each program that has rights of its own adds a cell to every row: give programs roles in common, or divide \
             the policy into several"
        }
        PackError::TooLarge { .. } | PackError::TooMany { .. } | PackError::Refused(_) => {
            "divide it into several policies"
        }
    };
    Diagnostic::error("E0509", error.to_string(), model.matcher.span)
        .label("the policy is too large for an image")
        .help(help)
}

impl From<LowerError> for Diagnostic {
    fn from(error: LowerError) -> Self {
        let LowerError { span, problem } = error;
        match problem {
            Problem::RuleTerms { needed, limit } => Self::error(
                "E0501",
                format!("the rule falls into {needed} alternatives or more, the limit is {limit}"),
                span,
            )
            .label("too many ways to match")
            .help("split the rule or simplify the matcher, or raise the limit with `--max-rule-terms`"),
            Problem::Terms { needed, limit } => Self::error(
                "E0502",
                format!("the rules fall into {needed} alternatives or more, the limit is {limit}"),
                span,
            )
            .label("too much from here on")
            .help("simplify the matcher, or raise the limit with `--max-terms`"),
            Problem::Subjects { needed, limit } => Self::error(
                "E0503",
                format!("the policy tells {needed} subjects apart, the limit is {limit}"),
                span,
            )
            .help("name fewer programs and domains, or raise the limit with `--max-subjects`"),
            Problem::Wildcards { limit } => {
                Self::error("E0505", format!("the path patterns have more than {limit} wildcards"), span)
                    .label("too many from here on")
                    .help("simplify the patterns, or raise the limit with `--max-pattern-states`")
            }
            Problem::Pattern(error) => {
                let (code, flag) = match error {
                    PatternError::Wrong(_) => ("E0405", None),
                    PatternError::Braces { .. } => ("E0510", Some("--max-braces")),
                    PatternError::Patterns { .. } => ("E0510", Some("--max-brace-patterns")),
                };
                Self::error(code, format!("the pattern cannot be compiled: {error}"), span)
                    .label("in this pattern")
                    .maybe_help(flag.map(|flag| format!("simplify it, or raise the limit with `{flag}`")))
            }
            Problem::NoEntry => {
                Self::error("E0408", "under `nearest` each way to match needs one condition on `r.obj`", span)
                    .label("no entry")
                    .help(
                        "use `r.obj == p.x`, `under(r.obj, p.x)` or `within(r.obj, p.x)`, or drop `nearest`",
                    )
            }
            Problem::TwoEntries => {
                Self::error("E0408", "under `nearest` a way to match has two conditions on `r.obj`", span)
                    .label("two entries")
                    .help("keep one of them in each term")
            }
            Problem::TwoRequestFields => {
                Self::error("E0401", "two fields of the request cannot be compared with each other", span)
                    .label("neither side is known when the policy is compiled")
            }
        }
    }
}

/// A breach of the automaton's limits, at the rules that take most part in it.
fn too_large(error: &AutomatonError, rules: &RuleSet, model: &Model) -> Diagnostic {
    let of_atom = |atom: u32| {
        let names = |rule: &rules::Rule| {
            rule.terms.iter().flat_map(|term| &term.paths).any(|test| test.atom.0 == atom)
        };
        rules.rules.iter().position(names).and_then(|rule| model.rules.get(rule)).map(|rule| rule.span)
    };
    let (code, flag, culprits): (&'static str, &str, Vec<Option<Span>>) = match error {
        AutomatonError::TooLarge { what, patterns, .. } => {
            let flag = match *what {
                "states" => "--max-states",
                "transitions" => "--max-transitions",
                _ => "--max-set-items",
            };
            ("E0504", flag, patterns.iter().take(3).map(|atom| of_atom(*atom)).collect())
        }
        AutomatonError::Patterns { pattern, .. } => {
            ("E0505", "--max-pattern-states", vec![of_atom(*pattern)])
        }
        AutomatonError::Nesting { pattern, .. } => {
            ("E0506", "--max-pattern-nesting", vec![of_atom(*pattern)])
        }
        AutomatonError::Cells { .. } => ("E0507", "--max-cells", Vec::new()),
        AutomatonError::Boxes { rules, .. } => (
            "E0508",
            "--max-boxes",
            rules.iter().take(3).map(|rule| model.rules.get(rule.0 as usize).map(|rule| rule.span)).collect(),
        ),
    };
    let mut culprits = culprits.into_iter().flatten();
    let first = culprits.next().unwrap_or(model.matcher.span);
    let mut diagnostic = Diagnostic::error(code, error.to_string(), first)
        .label("takes most part in it")
        .help(format!("simplify the patterns, or raise the limit with `{flag}`"));
    for span in culprits {
        diagnostic = diagnostic.secondary(span, "and this");
    }
    diagnostic
}
