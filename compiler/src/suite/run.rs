//! A [`Suite`] and a policy to what came of each test.

use std::collections::HashMap;

use boesfs_abi::op::Op;
use boesfs_abi::request::Request;
use boesfs_abi::verdict::{Reason, Verdict};
use boesfs_grammar::Span;

use super::coverage::Coverage;
use super::report::request_text;
use super::{Ask, Cause, Suite, Test};
use crate::ask::{Decider, Effective, EngineKind, Panel};
use crate::diagnostic::{Diagnostic, closest};
use crate::explain;
use crate::model::Model;
use crate::pipeline;
use crate::reference::Reference;
use crate::shown::shown;

/// What came of a suite.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What came of each test that was run, in file order.
    pub tests: Vec<Ran>,
}

/// What came of a test.
#[derive(Clone, Debug)]
pub struct Ran {
    /// Its name.
    pub name: String,
    /// Its first line.
    pub line: u32,
    /// How many requests it asked.
    pub asked: usize,
    /// Those that were answered otherwise than expected.
    pub failures: Vec<Failure>,
}

/// A request that was answered otherwise than expected.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The request.
    pub request: Request,
    /// What is wrong; never empty.
    pub mistakes: Vec<Mistake>,
    /// The decision it got.
    pub decision: Verdict,
    /// The rule that decided; `None` if a default did.
    pub rule: Option<Decider>,
    /// The same for people, at its place in the suite and in the policy.
    pub diagnostic: Diagnostic,
}

/// One way in which an answer is not what was expected.
#[derive(Clone, Debug)]
pub enum Mistake {
    /// The decision is the other one.
    Decision {
        /// What was expected.
        expected: Verdict,
    },
    /// The effective decision is the other one.
    Effective {
        /// What was expected.
        expected: Verdict,
        /// What stops the call, if it is denied.
        stopped_by: Option<(Op, Vec<u8>)>,
    },
    /// Another rule decided, or none.
    Rule {
        /// What was expected to decide.
        expected: Cause,
    },
    /// Something else stops the call, or nothing.
    StoppedBy {
        /// What was expected to.
        expected: (Op, Vec<u8>),
        /// What does.
        actual: Option<(Op, Vec<u8>)>,
    },
    /// Reference evaluator and image give different answers: a defect of the compiler.
    Engines {
        /// What the reference says.
        reference: String,
        /// What the image says.
        image: String,
    },
}

impl Mistake {
    /// What is wrong, in words; `decision` and `rule` are what the request got.
    #[must_use]
    pub fn text(&self, decision: Verdict, rule: Option<&Decider>) -> String {
        match self {
            Self::Decision { expected } => format!("expected {expected}, the decision is {decision}"),
            Self::Effective { expected, stopped_by: Some((op, path)) } => {
                format!(
                    "expected {expected}, the effective decision is deny: stopped by {op} of `{}`",
                    shown(path)
                )
            }
            Self::Effective { expected, stopped_by: None } => {
                let actual = if *expected == Verdict::Allow { Verdict::Deny } else { Verdict::Allow };
                format!("expected {expected}, the effective decision is {actual}")
            }
            Self::Rule { expected } => {
                let expected = match expected {
                    Cause::Id(id) if id == DEFAULT => "the default".to_owned(),
                    Cause::Id(id) => format!("rule `{id}`"),
                    Cause::Line(line) => format!("the rule on line {line}"),
                };
                match rule {
                    Some(rule) => format!("expected {expected} to decide, rule `{}` does", rule.id),
                    None => format!("expected {expected} to decide, the effect's default does"),
                }
            }
            Self::StoppedBy { expected: (op, path), actual } => {
                let actual = actual.as_ref().map_or_else(
                    || "nothing does".to_owned(),
                    |(op, path)| format!("{op} of `{}` does", shown(path)),
                );
                format!("expected {op} of `{}` to stop it, {actual}", shown(path))
            }
            Self::Engines { reference, image } => {
                format!("the rules say {reference}, the image says {image}: a defect of the compiler")
            }
        }
    }
}

/// The word for "no rule decides".
const DEFAULT: &str = "default";

/// Asks the tests of `suite` whose name `wanted` takes, of the rules of `policy` and of its image; `coverage` notes
/// what decided. A policy that did not pass all stages has no tests that could be run.
///
/// # Errors
/// Mistakes of the suite that show only beside the policy: rules it does not have.
pub fn run(
    suite: &Suite,
    policy: &pipeline::Outcome,
    wanted: &dyn Fn(&str) -> bool,
    coverage: &mut Coverage,
) -> Result<Outcome, Vec<Diagnostic>> {
    let Some(model) = &policy.model else { return Ok(Outcome { tests: Vec::new() }) };
    let tests: Vec<&Test> = suite.tests.iter().filter(|test| wanted(&test.name)).collect();
    let mut wrong = Vec::new();
    for ask in tests.iter().flat_map(|test| &test.asks) {
        wrong.extend(unknown_rule(ask, model));
    }
    wrong.dedup_by_key(|problem| (problem.message.clone(), problem.span()));
    if !wrong.is_empty() {
        return Err(wrong);
    }
    let mut bench = Bench { policy, model, reference: Reference::new(model), panels: HashMap::new() };
    let tests = tests
        .into_iter()
        .map(|test| Ran {
            name: test.name.clone(),
            line: test.line,
            asked: test.asks.len(),
            failures: test.asks.iter().filter_map(|ask| bench.failure(ask, coverage)).collect(),
        })
        .collect();
    Ok(Outcome { tests })
}

/// The mistake of naming a rule that `model` does not have.
fn unknown_rule(ask: &Ask, model: &Model) -> Option<Diagnostic> {
    let ids = || model.rules.iter().filter_map(|rule| rule.annotations.id.as_deref());
    let span = Span { end: ask.span.end, ..ask.span };
    match ask.expected.rule.as_ref()? {
        Cause::Id(id) if id == DEFAULT || ids().any(|known| known == id) => None,
        Cause::Id(id) => {
            let help = closest(id, ids()).map(|id| format!("did you mean `{id}`?"));
            let help =
                help.unwrap_or_else(|| "give a rule an id with `#@ id=…`, or write its line".to_owned());
            Some(Diagnostic::error("", format!("the policy has no rule `{id}`"), span).help(help))
        }
        Cause::Line(line) if model.rules.iter().any(|rule| rule.line == *line) => None,
        Cause::Line(line) => {
            let nearest = model.rules.iter().map(|rule| rule.line).min_by_key(|known| known.abs_diff(*line));
            let help = nearest.map(|nearest| format!("the nearest rule is on line {nearest}"));
            Some(
                Diagnostic::error("", format!("the policy has no rule on line {line}"), span)
                    .maybe_help(help),
            )
        }
    }
}

/// A policy under test.
struct Bench<'p> {
    policy: &'p pipeline::Outcome,
    model: &'p Model,
    reference: Reference<'p>,
    /// The reference and the image, for each protected directory.
    panels: HashMap<Vec<u8>, Option<[Panel<'p>; 2]>>,
}

impl<'p> Bench<'p> {
    fn failure(&mut self, ask: &Ask, coverage: &mut Coverage) -> Option<Failure> {
        let policy = self.policy;
        let panels = self.panels.entry(ask.dir.clone()).or_insert_with(|| {
            let of = |engine| Panel::of_text(policy, engine, &ask.dir);
            Some([of(EngineKind::Reference)?, of(EngineKind::Image)?])
        });
        let [reference, image] = panels.as_ref()?;
        let request = &ask.request;
        let expected = &ask.expected;
        let mut mistakes = Vec::new();

        let (decision, rule, unknown) = reference.decide(request);
        let (of_image, rule_of_image, _) = image.decide(request);
        let line = |rule: &Option<Decider>| rule.as_ref().map(|rule| rule.line);
        if (decision, line(&rule)) != (of_image, line(&rule_of_image)) {
            mistakes.push(Mistake::Engines {
                reference: answer_text(decision, rule.as_ref()),
                image: answer_text(of_image, rule_of_image.as_ref()),
            });
        }
        coverage.note(&self.reference, request, rule.as_ref().and_then(|rule| rule.index));
        if let Some(expected) = expected.decision.filter(|expected| *expected != decision) {
            mistakes.push(Mistake::Decision { expected });
        }
        if let Some(cause) = expected.rule.as_ref().filter(|cause| !decides(cause, rule.as_ref())) {
            mistakes.push(Mistake::Rule { expected: cause.clone() });
        }
        if expected.effective.is_some() || expected.stopped_by.is_some() {
            let effective = image.effective(request);
            let of_rules = reference.effective(request);
            // Only the image proves that a directory's move gives nothing; it may deny what the rules did not find.
            let proved = matches!(&effective.stopped_by, Some((_, _, Reason::GainsRight)));
            if effective.verdict != of_rules.verdict && !proved {
                mistakes.push(Mistake::Engines {
                    reference: format!("{} for the call", of_rules.verdict),
                    image: format!("{} for the call", effective.verdict),
                });
            }
            mistakes.extend(effective_mistakes(ask, &effective));
            let whole = self.reference.effective(&ask.dir, request);
            if whole.verdict == Verdict::Deny
                && let Some(rule) = whole.rule
            {
                coverage.decided(rule);
            }
        }
        if mistakes.is_empty() {
            return None;
        }
        let diagnostic = self.diagnostic(ask, decision, unknown, rule.as_ref(), &mistakes);
        Some(Failure { request: request.clone(), mistakes, decision, rule, diagnostic })
    }

    fn diagnostic(
        &self,
        ask: &Ask,
        decision: Verdict,
        unknown: bool,
        rule: Option<&Decider>,
        mistakes: &[Mistake],
    ) -> Diagnostic {
        let texts: Vec<String> = mistakes.iter().map(|mistake| mistake.text(decision, rule)).collect();
        let message = format!("{}: {}", request_text(&ask.request, ask.request.op().name()), texts[0]);
        let mut diagnostic = Diagnostic::error("", message, ask.span).label("asked here");
        let decided = rule.and_then(|rule| rule.index).and_then(|rule| self.model.rules.get(rule));
        match decided {
            Some(rule) => {
                diagnostic = diagnostic.secondary(rule.span, format!("this decides: {decision}"));
            }
            None => diagnostic = diagnostic.because("no rule decides, the effect's default does"),
        }
        for text in &texts[1..] {
            diagnostic = diagnostic.because(text.clone());
        }
        if unknown {
            diagnostic = diagnostic.because("some value of what the request leaves open is denied");
        }
        let explained = explain::explain(&self.reference, self.model, &ask.request);
        let other_rule = mistakes.iter().any(|mistake| matches!(mistake, Mistake::Rule { .. }));
        let near: Vec<_> = if other_rule {
            explained.near.iter().collect()
        } else {
            explained.decisive(self.model).collect()
        };
        for miss in near.into_iter().take(explain::MOST_SHOWN) {
            diagnostic = diagnostic.because(miss.text(self.model, &self.policy.tree.sources));
        }
        diagnostic
    }
}

fn effective_mistakes(ask: &Ask, effective: &Effective) -> Vec<Mistake> {
    let stopped = effective.stopped_by.as_ref().map(|(op, path, _)| (*op, path.clone()));
    let mut mistakes = Vec::new();
    if let Some(expected) = ask.expected.effective.filter(|expected| *expected != effective.verdict) {
        mistakes.push(Mistake::Effective { expected, stopped_by: stopped.clone() });
    }
    if let Some(expected) = &ask.expected.stopped_by
        && stopped.as_ref() != Some(expected)
    {
        mistakes.push(Mistake::StoppedBy { expected: expected.clone(), actual: stopped });
    }
    mistakes
}

fn decides(cause: &Cause, rule: Option<&Decider>) -> bool {
    match (cause, rule) {
        (Cause::Id(id), Some(rule)) => rule.id == *id,
        (Cause::Id(id), None) => id == DEFAULT,
        (Cause::Line(line), rule) => rule.is_some_and(|rule| rule.line == *line),
    }
}

fn answer_text(verdict: Verdict, rule: Option<&Decider>) -> String {
    match rule {
        Some(rule) => format!("{verdict} by line {}", rule.line),
        None => format!("{verdict} by default"),
    }
}
