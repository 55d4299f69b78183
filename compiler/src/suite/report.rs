//! What came of suites, for people and for programs.

use std::fmt::Write as _;

use boesfs_abi::request::Request;
use boesfs_grammar::Source;
use serde_json::{Value, json};

use super::coverage::{Covered, Use};
use super::{Ran, Suite};
use crate::ask::{argument_words, question_json};
use crate::diagnostic::human::{Colour, render_only};
use crate::model::Model;
use crate::shown::shown;

/// What came of one suite.
#[derive(Clone, Debug)]
pub struct Result {
    /// The suite's file.
    pub file: String,
    /// The policy's.
    pub policy: String,
    /// What came of its tests.
    pub tests: Vec<Ran>,
    /// Why they were not run, as it was said to people.
    pub error: Option<String>,
}

impl Result {
    /// How many tests passed, and how many did not; a suite that could not be run counts as one that did not.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        let failed = self.tests.iter().filter(|test| !test.failures.is_empty()).count();
        (self.tests.len() - failed, failed + usize::from(self.error.is_some()))
    }
}

/// The tests of `result` for people; failures show what stands in the suite and in the policy's `sources`.
#[must_use]
pub fn human(result: &Result, suite: &Suite, sources: &[Source], most: usize, colour: Colour) -> String {
    let mut text = format!("{}: {}\n", result.file, result.policy);
    let sources = with_suite(sources, suite);
    for test in &result.tests {
        let plural = if test.asked == 1 { "" } else { "s" };
        let asked = test.asked;
        if test.failures.is_empty() {
            let _ = writeln!(text, "  ok    {} ({asked} request{plural})", test.name);
            continue;
        }
        let failed = test.failures.len();
        let _ = writeln!(text, "  FAIL  {} ({failed} of {asked} request{plural})", test.name);
        let shown: Vec<_> =
            test.failures.iter().take(most).map(|failure| failure.diagnostic.clone()).collect();
        text.push_str(&render_only(&shown, &sources, colour));
        if failed > most {
            let _ = writeln!(text, "{} more not shown, `--max-errors {failed}` shows all", failed - most);
        }
    }
    text
}

/// The sources a suite's diagnostics speak of: the policy, its model or nothing, the suite.
#[must_use]
pub fn with_suite(sources: &[Source], suite: &Suite) -> Vec<Source> {
    let mut all: Vec<Source> = sources.to_vec();
    all.resize(usize::from(Suite::FILE), Source::new("", Vec::new()));
    all.push(suite.source.clone());
    all
}

/// The tests of `result` for programs.
#[must_use]
pub fn json(result: &Result) -> Value {
    let tests = result.tests.iter().map(|test| {
        let failures = test.failures.iter().map(|failure| {
            let rule = failure.rule.as_ref();
            let texts = failure.mistakes.iter().map(|mistake| mistake.text(failure.decision, rule));
            json!({
                "request": question_json(&failure.request),
                "decision": failure.decision.to_string(),
                "rule": rule.map(|rule| json!({"id": rule.id, "file": rule.file, "line": rule.line})),
                "mistakes": texts.collect::<Vec<_>>(),
                "notes": failure.diagnostic.notes,
            })
        });
        json!({
            "name": test.name,
            "line": test.line,
            "requests": test.asked,
            "ok": test.failures.is_empty(),
            "failures": failures.collect::<Vec<_>>(),
        })
    });
    json!({
        "file": result.file,
        "policy": result.policy,
        "error": result.error,
        "tests": tests.collect::<Vec<_>>(),
    })
}

/// The rules that decided nothing, for people.
#[must_use]
pub fn idle_rules(rules: &[Covered], model: &Model) -> String {
    let mut text = String::new();
    for covered in rules.iter().filter(|covered| covered.used != Use::Decided) {
        let rule = &model.rules[covered.rule];
        let _ = writeln!(text, "  line {}, {}: {}", rule.line, covered.used.name(), rule.text);
        let _ = match &covered.suggestion {
            Some(suggestion) => writeln!(text, "    try {}", suggestion.ron()),
            None => writeln!(text, "    no request was found that it decides"),
        };
    }
    text
}

/// The rules and their use, for programs.
#[must_use]
pub fn rules_json(rules: &[Covered], model: &Model) -> Value {
    let rules = rules.iter().map(|covered| {
        let rule = &model.rules[covered.rule];
        json!({
            "id": rule.annotations.id.clone().unwrap_or_else(|| rule.line.to_string()),
            "line": rule.line,
            "text": rule.text,
            "use": covered.used.name(),
            "suggestion": covered.suggestion.as_ref().map(|suggestion| json!({
                "request": question_json(&suggestion.request),
                "decision": suggestion.verdict.to_string(),
                "ron": suggestion.ron(),
            })),
        })
    });
    rules.collect()
}

/// A request in words, whose operation the policy calls `op`.
pub(crate) fn request_text(request: &Request, op: &str) -> String {
    let mut text = format!("`{op}` of `{}` by `{}`", shown(request.obj()), shown(request.sub()));
    let known: Vec<String> = argument_words(request, |bytes| String::from_utf8_lossy(bytes).into_owned())
        .into_iter()
        .filter(|arg| arg != "?")
        .collect();
    if !known.is_empty() {
        let _ = write!(
            text,
            " with ({})",
            argument_words(request, |bytes| String::from_utf8_lossy(bytes).into_owned()).join(", ")
        );
    }
    for (name, value) in [("uid", request.uid), ("gid", request.gid)] {
        if let Some(value) = value {
            let _ = write!(text, ", {name} {value}");
        }
    }
    if let Some(kind) = request.kind {
        let _ = write!(text, ", kind {}", kind.name());
    }
    if let Some(dom) = request.dom() {
        let _ = write!(text, " in `{}`", shown(dom));
    }
    text
}

/// A request as the fields of a test.
pub(super) fn request_fields(request: &Request) -> String {
    let mut text = format!(
        "sub: {}, act: \"{}\", obj: {}",
        ron_bytes(request.sub()),
        request.op(),
        ron_bytes(request.obj())
    );
    let mut args = argument_words(request, |bytes| String::from_utf8_lossy(bytes).into_owned());
    while args.last().is_some_and(|last| last == "?") {
        args.pop();
    }
    if !args.is_empty() {
        let args: Vec<String> = args.iter().map(|arg| ron_bytes(arg.as_bytes())).collect();
        let _ = write!(text, ", args: [{}]", args.join(", "));
    }
    for (name, value) in [("uid", request.uid), ("gid", request.gid)] {
        if let Some(value) = value {
            let _ = write!(text, ", {name}: {value}");
        }
    }
    if let Some(kind) = request.kind {
        let _ = write!(text, ", kind: \"{}\"", kind.name());
    }
    if let Some(dom) = request.dom() {
        let _ = write!(text, ", dom: {}", ron_bytes(dom));
    }
    text
}

/// A string, or a byte string where it is not UTF-8.
fn ron_bytes(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(char::is_control) => {
            format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
        }
        _ => format!("b\"{}\"", bytes.escape_ascii()),
    }
}
