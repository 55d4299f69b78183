//! The suite: every case on every engine.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use boesfs_abi::op::Op;
use boesfs_abi::verdict::Verdict;

use crate::case::{Asked, Case, Cause, Expected};
use crate::engine::{Engine, PURE, Prepared, engine};
use crate::policy::{Policy, Refused};
use crate::question::{Answer, Because, Outcome, Question};
use crate::report::Report;

/// The row in which it is counted whether a policy was accepted or refused as it should be.
pub const COMPILER: &str = "compiler";

/// The topic whose cases deny and allow every operation on every plane that enforces it.
pub const PLANES: &str = "planes/";

/// Runs `cases` on the engines with these names.
#[must_use]
pub fn run(cases: &[Case], engines: &[String]) -> Report {
    let mut report = Report::default();
    report.row(COMPILER);
    let engines: Vec<Box<dyn Engine>> = engines.iter().filter_map(|name| engine(name)).collect();
    for engine in &engines {
        report.row(engine.name());
    }
    for case in cases {
        run_case(case, &engines, &mut report);
    }
    report
}

fn run_case(case: &Case, engines: &[Box<dyn Engine>], report: &mut Report) {
    let compiled = catch_unwind(AssertUnwindSafe(|| Policy::compile(&case.source)));
    let compiled = match compiled {
        Ok(compiled) => compiled,
        Err(panic) => {
            report.fail(COMPILER, &format!("{}: the compiler panicked: {}", case.name, words(&panic)));
            return;
        }
    };
    match (compiled, &case.expected) {
        (Ok(policy), Expected::Decides(asked)) => {
            report.pass(COMPILER);
            for engine in engines {
                ask_all(case, &policy, asked, engine.as_ref(), report);
            }
        }
        (Ok(_), Expected::AnyAnswer) => report.pass(COMPILER),
        (Ok(_), Expected::Refused { .. }) => {
            report.fail(COMPILER, &format!("{}: accepted, and must be refused", case.name));
        }
        (Err(refused), Expected::Decides(_)) => {
            report.fail(COMPILER, &format!("{}: refused: {refused}", case.name));
        }
        (Err(refused), Expected::AnyAnswer) => check_refusal(case, &refused, None, report),
        (Err(refused), Expected::Refused { code }) => {
            check_refusal(case, &refused, code.as_deref(), report);
        }
    }
}

/// A refusal says why, at a place, and with the code that is wanted.
fn check_refusal(case: &Case, refused: &Refused, code: Option<&str>, report: &mut Report) {
    if !refused.is_explained() {
        report.fail(COMPILER, &format!("{}: refused without a reason at a place", case.name));
    } else if let Some(code) = code
        && !refused.has_code(code)
    {
        report.fail(COMPILER, &format!("{}: refused without {code}: {refused}", case.name));
    } else {
        report.pass(COMPILER);
    }
}

fn ask_all(case: &Case, policy: &Policy, asked: &[Asked], engine: &dyn Engine, report: &mut Report) {
    let name = engine.name();
    let prepared = catch_unwind(AssertUnwindSafe(|| engine.prepare(policy)));
    let mut prepared = match prepared {
        Ok(Ok(prepared)) => prepared,
        Ok(Err(unsupported)) => {
            report.skip(name, &unsupported.0, asked.len() as u64);
            return;
        }
        Err(panic) => {
            report.fail(name, &format!("{}: preparing panicked: {}", case.name, words(&panic)));
            return;
        }
    };
    for asked in asked {
        match judge(policy, asked, prepared.as_mut()) {
            Judgement::Passed => report.pass(name),
            // These show that each operation is enforced, so on a plane that can be had none is left out.
            Judgement::Skipped(reason) if case.name.starts_with(PLANES) && !PURE.contains(&name) => {
                report.fail(name, &format!("{}: left out: {reason}", case.name));
            }
            Judgement::Skipped(reason) => report.skip(name, &reason, 1),
            Judgement::Failed(difference) => report.fail(name, &format!("{}: {difference}", case.name)),
        }
    }
    for complaint in prepared.finish() {
        report.fail(name, &format!("{}: {complaint}", case.name));
    }
}

enum Judgement {
    Passed,
    Skipped(String),
    Failed(String),
}

fn judge(policy: &Policy, asked: &Asked, prepared: &mut dyn Prepared) -> Judgement {
    let question = match &asked.question {
        Ok(question) => question,
        Err(error) => return Judgement::Failed(format!("no request: {error}")),
    };
    let answer = match catch_unwind(AssertUnwindSafe(|| prepared.ask(question))) {
        Ok(Outcome::Answered(answer)) => answer,
        Ok(Outcome::Skipped(reason)) => return Judgement::Skipped(reason),
        Ok(Outcome::Failed(reason)) => {
            return Judgement::Failed(format!("{}: {reason}", question.describe()));
        }
        Err(panic) => {
            return Judgement::Failed(format!("{}: panicked: {}", question.describe(), words(&panic)));
        }
    };
    match difference(policy, asked, &answer) {
        None => Judgement::Passed,
        Some(difference) => Judgement::Failed(format!("{}: {difference}", question.describe())),
    }
}

fn difference(policy: &Policy, asked: &Asked, answer: &Answer) -> Option<String> {
    if answer.verdict != asked.verdict {
        return Some(format!(
            "{} by {}, not {}",
            answer.verdict,
            policy.describe(answer.because),
            asked.verdict
        ));
    }
    let decided = match (&asked.because, answer.because) {
        (None, _) | (_, Because::Untold) | (Some(Cause::Default), Because::Default) => true,
        (Some(Cause::Rule(name)), Because::Rule(rule)) => policy.rule_is(rule, name),
        (Some(Cause::Rule(_)), Because::Default) | (Some(Cause::Default), Because::Rule(_)) => false,
    };
    if !decided {
        let wanted = match &asked.because {
            Some(Cause::Rule(name)) => format!("rule `{name}`"),
            Some(Cause::Default) | None => "the default".into(),
        };
        return Some(format!("decided by {}, not {wanted}", policy.describe(answer.because)));
    }
    match (&asked.stopped_by, &answer.stopped_by) {
        (Some(wanted), found) if Some(wanted) != found.as_ref() => {
            Some(format!("stopped by {}, not {}", stop(found.as_ref()), stop(Some(wanted))))
        }
        _ => None,
    }
}

fn stop(by: Option<&(Op, Vec<u8>)>) -> String {
    by.map_or_else(|| "nothing".into(), |(op, path)| format!("{op} of {}", String::from_utf8_lossy(path)))
}

fn words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".into())
}

/// The first two of `engines` that answer one of `questions` differently, in one line; and how many were decided by a
/// rule according to the first engine. Engines that cannot be had here are left out, and named.
///
/// # Errors
/// The difference.
pub fn agree(policy: &Policy, questions: &[Question], engines: &[&str]) -> Result<Agreement, String> {
    let mut agreement = Agreement::default();
    let mut first: HashMap<usize, (&str, Answer)> = HashMap::new();
    for name in engines {
        let known = engine(name).ok_or_else(|| format!("no engine `{name}`"))?;
        let mut prepared = match known.prepare(policy) {
            Ok(prepared) => prepared,
            Err(unsupported) => {
                agreement.left_out.push(format!("{name}: {unsupported}"));
                continue;
            }
        };
        for (index, question) in questions.iter().enumerate() {
            let answer = match prepared.ask(question) {
                Outcome::Answered(answer) => answer,
                Outcome::Skipped(_) => continue,
                Outcome::Failed(reason) => return Err(format!("{}: {name}: {reason}", question.describe())),
            };
            match first.get(&index) {
                None => {
                    let by_rule = matches!(answer.because, Because::Rule(_));
                    agreement.by_rule += u64::from(by_rule);
                    agreement.denied += u64::from(answer.verdict == Verdict::Deny);
                    agreement.asked += 1;
                    first.insert(index, (name, answer));
                }
                Some((other, theirs))
                    if theirs.verdict != answer.verdict || !theirs.because.agrees(answer.because) =>
                {
                    return Err(format!(
                        "{}: {other} says {} by {}, {name} says {} by {}",
                        question.describe(),
                        theirs.verdict,
                        policy.describe(theirs.because),
                        answer.verdict,
                        policy.describe(answer.because)
                    ));
                }
                Some(_) => {}
            }
        }
    }
    Ok(agreement)
}

/// What engines that agree have been asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Agreement {
    /// How many questions were answered.
    pub asked: u64,
    /// How many of them were decided by a rule.
    pub by_rule: u64,
    /// How many of them were denied.
    pub denied: u64,
    /// Engines that could not be asked, and why.
    pub left_out: Vec<String>,
}
