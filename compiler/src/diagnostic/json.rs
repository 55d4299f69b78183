//! Diagnostics for programs.

use boesfs_grammar::{Source, Span};
use serde_json::{Value, json};

use super::Diagnostic;

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
            let mut place = places.place(label.span)?;
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

/// Sources with the first byte of each of their lines.
struct Places<'s> {
    sources: Vec<(&'s Source, Vec<usize>)>,
}

impl<'s> Places<'s> {
    fn new(sources: &'s [Source]) -> Self {
        let starts = |source: &Source| {
            let ends = source.bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
            std::iter::once(0).chain(ends.map(|(at, _)| at + 1)).collect()
        };
        Self { sources: sources.iter().map(|source| (source, starts(source))).collect() }
    }

    /// File, bytes, line and column (from 1, in bytes) of `span`.
    fn place(&self, span: Span) -> Option<Value> {
        let (source, starts) = self.sources.get(usize::from(span.file))?;
        let start = span.start as usize;
        let line = starts.partition_point(|first| *first <= start);
        Some(json!({
            "file": source.name,
            "start": span.start,
            "end": span.end,
            "line": line,
            "column": start - starts[line - 1] + 1,
        }))
    }
}
