//! What was found in several policies, for the programs that collect findings: SARIF, GitHub's annotations, JUnit.

use std::collections::BTreeSet;

use boesfs_grammar::Source;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use serde_json::{Value, json};

use super::place::{Place, Places};
use super::{Applicability, Diagnostic, Severity};
use crate::lint::LINTS;

/// One policy and what was found in it.
pub struct Checked<'a> {
    /// The policy's name, as given.
    pub policy: &'a str,
    /// Its sources.
    pub sources: &'a [Source],
    /// What was found.
    pub diagnostics: &'a [Diagnostic],
    /// Why it could not be read, if so.
    pub error: Option<&'a str>,
}

/// The findings as one SARIF 2.1.0 log. Columns are in UTF-16 code units.
#[must_use]
pub fn sarif(checked: &[Checked<'_>]) -> Value {
    let codes: BTreeSet<&str> =
        checked.iter().flat_map(|policy| policy.diagnostics).map(|found| found.code).collect();
    let codes: Vec<&str> = codes.into_iter().collect();
    let rules: Vec<Value> = codes.iter().map(|code| sarif_rule(code)).collect();
    let mut results = Vec::new();
    for policy in checked {
        let places = Places::new(policy.sources);
        results.extend(policy.diagnostics.iter().map(|found| sarif_result(found, &codes, &places)));
    }
    let failures: Vec<Value> = checked
        .iter()
        .filter_map(|policy| {
            let error = policy.error?;
            let at = json!({"physicalLocation": {"artifactLocation": {"uri": uri(policy.policy)}}});
            Some(json!({"level": "error", "message": {"text": error}, "locations": [at]}))
        })
        .collect();
    json!({
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "boesfsc",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "informationUri": env!("CARGO_PKG_REPOSITORY"),
                "rules": rules,
            }},
            "columnKind": "utf16CodeUnits",
            "invocations": [{
                "executionSuccessful": failures.is_empty(),
                "toolExecutionNotifications": failures,
            }],
            "results": results,
        }],
    })
}

fn sarif_rule(code: &str) -> Value {
    let lint = LINTS.iter().find(|lint| lint.code == code);
    let mut rule = json!({
        "id": code,
        "helpUri": format!("{}/blob/main/docs/diagnostics.md", env!("CARGO_PKG_REPOSITORY")),
        "help": {"text": format!("`boesfsc check --explain {code}` says more")},
    });
    if let (Some(rule), Some(lint)) = (rule.as_object_mut(), lint) {
        rule.insert("name".to_owned(), lint.name.into());
        rule.insert("shortDescription".to_owned(), json!({"text": lint.finds}));
        rule.insert("help".to_owned(), json!({"text": lint.page, "markdown": lint.page}));
    }
    rule
}

fn sarif_result(found: &Diagnostic, codes: &[&str], places: &Places<'_>) -> Value {
    let location = |span, text: &str| {
        let (source, start, end) = places.of(span)?;
        let mut location = json!({
            "physicalLocation": {
                "artifactLocation": {"uri": uri(&source.name)},
                "region": region(start, end, span.start, span.end - span.start),
            },
        });
        if let (false, Some(object)) = (text.is_empty(), location.as_object_mut()) {
            object.insert("message".to_owned(), json!({"text": text}));
        }
        Some(location)
    };
    let of_kind = |primary| -> Vec<Value> {
        let labels = found.labels.iter().filter(|label| label.primary == primary);
        labels.filter_map(|label| location(label.span, &label.text)).collect()
    };
    let mut text = found.message.clone();
    for note in found.notes.iter().chain(&found.others()) {
        text.push_str(&format!("\nnote: {note}"));
    }
    for help in &found.helps {
        text.push_str(&format!("\nhelp: {help}"));
    }
    let fixes: Vec<Value> = found
        .fixes
        .iter()
        .filter(|fix| fix.applicability == Applicability::MachineApplicable)
        .filter_map(|fix| {
            let changes: Option<Vec<Value>> = fix
                .edits
                .iter()
                .map(|edit| {
                    let (source, start, end) = places.of(edit.span)?;
                    Some(json!({
                        "artifactLocation": {"uri": uri(&source.name)},
                        "replacements": [{
                            "deletedRegion": region(start, end, edit.span.start, edit.span.end - edit.span.start),
                            "insertedContent": {"text": String::from_utf8_lossy(&edit.text)},
                        }],
                    }))
                })
                .collect();
            Some(json!({"description": {"text": fix.title}, "artifactChanges": changes?}))
        })
        .collect();
    json!({
        "ruleId": found.code,
        "ruleIndex": codes.iter().position(|code| *code == found.code),
        "level": found.severity.name(),
        "message": {"text": text},
        "locations": of_kind(true),
        "relatedLocations": of_kind(false),
        "fixes": fixes,
    })
}

fn region(start: Place, end: Place, offset: u32, length: u32) -> Value {
    json!({
        "startLine": start.line,
        "startColumn": start.column_utf16,
        "endLine": end.line,
        "endColumn": end.column_utf16,
        "byteOffset": offset,
        "byteLength": length,
    })
}

/// A file's name as a reference that may stand in a URI.
fn uri(name: &str) -> String {
    let mut uri = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    // A first part with a colon would be a scheme; it is escaped above.
    uri
}

/// The findings as workflow commands, which GitHub shows beside the lines of a change.
#[must_use]
pub fn github(checked: &[Checked<'_>]) -> String {
    let mut out = String::new();
    for policy in checked {
        if let Some(error) = policy.error {
            out.push_str(&format!("::error file={}::{}\n", property(policy.policy), data(error)));
        }
        let places = Places::new(policy.sources);
        for found in policy.diagnostics {
            let command = match found.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
                Severity::Note => "notice",
            };
            let mut at = String::new();
            if let Some((source, start, end)) = places.of(found.span()) {
                at = format!("file={},line={},endLine={}", property(&source.name), start.line, end.line);
                // Columns of a range over several lines are not shown.
                if start.line == end.line {
                    at.push_str(&format!(",col={},endColumn={}", start.column_utf16, end.column_utf16));
                }
                at.push(',');
            }
            let title = match found.lint {
                Some(lint) => format!("{} {lint}", found.code),
                None => found.code.to_owned(),
            };
            let mut text = found.message.clone();
            if let Some(note) = found.others() {
                text.push_str(&format!("\nnote: {note}"));
            }
            for help in &found.helps {
                text.push_str(&format!("\nhelp: {help}"));
            }
            out.push_str(&format!("::{command} {at}title={}::{}\n", property(&title), data(&text)));
        }
    }
    out
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// The findings as a JUnit report: a suite for each policy, a case for each finding, or one that passed.
///
/// # Errors
/// The writer's; there are none for text.
pub fn junit(checked: &[Checked<'_>]) -> Result<String, quick_junit::SerializeError> {
    let mut report = Report::new("boesfsc check");
    for policy in checked {
        let mut suite = TestSuite::new(policy.policy);
        let places = Places::new(policy.sources);
        for found in policy.diagnostics.iter().filter(|found| found.severity != Severity::Note) {
            let at = places.of(found.span());
            let at = at.map_or_else(String::new, |(source, start, _)| {
                format!("{}:{}:{}", source.name, start.line, start.column)
            });
            let mut status = match found.severity {
                Severity::Error => TestCaseStatus::non_success(NonSuccessKind::Failure),
                Severity::Warning | Severity::Note => TestCaseStatus::success(),
            };
            if found.severity == Severity::Error {
                status.set_message(found.message.clone()).set_type(found.code);
                status.set_description(
                    std::iter::once(at.clone())
                        .chain(found.others())
                        .chain(found.helps.clone())
                        .collect::<Vec<_>>()
                        .join("\n"),
                );
            }
            let mut case = TestCase::new(format!("{} {at}", found.lint.unwrap_or(found.code)), status);
            case.set_classname(found.code);
            if found.severity == Severity::Warning {
                case.set_system_out(format!("warning: {}", found.message));
            }
            suite.add_test_case(case);
        }
        if let Some(error) = policy.error {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
            status.set_message(error);
            suite.add_test_case(TestCase::new("read", status));
        } else if suite.test_cases.is_empty() {
            suite.add_test_case(TestCase::new("check", TestCaseStatus::success()));
        }
        report.add_test_suite(suite);
    }
    report.to_string()
}
