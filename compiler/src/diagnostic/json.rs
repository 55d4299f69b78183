//! Diagnostics for programs.

use boesfs_grammar::{Source, Span};
use serde_json::{Value, json};

use super::Diagnostic;

/// `diagnostics` over `sources` as one object, with `"version"`.
#[must_use]
pub fn render(diagnostics: &[Diagnostic], sources: &[Source]) -> Value {
    json!({
        "version": 1,
        "diagnostics": diagnostics.iter().map(|d| diagnostic(d, sources)).collect::<Vec<_>>(),
    })
}

/// One of them.
#[must_use]
pub fn diagnostic(diagnostic: &Diagnostic, sources: &[Source]) -> Value {
    let labels: Vec<Value> = diagnostic
        .labels
        .iter()
        .filter_map(|label| {
            let mut place = place(label.span, sources)?;
            let object = place.as_object_mut()?;
            object.insert("primary".to_owned(), label.primary.into());
            object.insert("text".to_owned(), label.text.clone().into());
            Some(place)
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
    })
}

/// File, bytes, line and column (from 1, in bytes) of `span`.
fn place(span: Span, sources: &[Source]) -> Option<Value> {
    let source = sources.get(usize::from(span.file))?;
    let before = &source.bytes[..(span.start as usize).min(source.bytes.len())];
    let line = before.iter().filter(|b| **b == b'\n').count() + 1;
    let column = before.len() - before.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1) + 1;
    Some(json!({
        "file": source.name,
        "start": span.start,
        "end": span.end,
        "line": line,
        "column": column,
    }))
}
