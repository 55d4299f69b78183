//! Diagnostics for programs.

use boesfs_grammar::Source;
use serde_json::{Value, json};

use super::place::Places;
use super::{Applicability, Diagnostic, Fix};

/// `diagnostics` over `sources`, in order: all of them.
#[must_use]
pub fn render(diagnostics: &[Diagnostic], sources: &[Source]) -> Value {
    let places = Places::new(sources);
    diagnostics.iter().map(|diagnostic| shown(diagnostic, &places)).collect()
}

fn shown(diagnostic: &Diagnostic, places: &Places<'_>) -> Value {
    let labels: Vec<Value> = diagnostic
        .labels
        .iter()
        .filter_map(|label| {
            let (source, start, _) = places.of(label.span)?;
            Some(json!({
                "file": source.name,
                "start": label.span.start,
                "end": label.span.end,
                "line": start.line,
                "column": start.column,
                "primary": label.primary,
                "text": label.text,
            }))
        })
        .collect();
    json!({
        "code": diagnostic.code,
        "lint": diagnostic.lint,
        "severity": diagnostic.severity.name(),
        "message": diagnostic.message,
        "labels": labels,
        "helps": diagnostic.helps,
        "notes": diagnostic.notes,
        "more": diagnostic.more,
        "fixes": diagnostic.fixes.iter().map(|fix| shown_fix(fix, places)).collect::<Vec<_>>(),
    })
}

fn shown_fix(fix: &Fix, places: &Places<'_>) -> Value {
    let edits: Vec<Value> = fix
        .edits
        .iter()
        .filter_map(|edit| {
            let (source, start, _) = places.of(edit.span)?;
            Some(json!({
                "file": source.name,
                "start": edit.span.start,
                "end": edit.span.end,
                "line": start.line,
                "column": start.column,
                "text": String::from_utf8_lossy(&edit.text),
            }))
        })
        .collect();
    json!({
        "title": fix.title,
        "applicability": match fix.applicability {
            Applicability::MachineApplicable => "machine-applicable",
            Applicability::MaybeIncorrect => "maybe-incorrect",
        },
        "edits": edits,
    })
}
