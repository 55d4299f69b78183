//! What was found, as the protocol says it.

use boesfs_grammar::{Source, Span};
use lsp_types as lsp;
use serde_json::{Value, json};

use super::Client;
use super::documents::{Documents, Project};
use crate::diagnostic::{Diagnostic, Edit, Severity};
use crate::editor::index::What;
use crate::editor::lines::Lines;

/// The kinds of words that editors colour, by the numbers [`token_type`] gives.
pub(super) const TOKEN_TYPES: [&str; 12] = [
    "namespace",
    "property",
    "parameter",
    "function",
    "keyword",
    "type",
    "enumMember",
    "string",
    "number",
    "decorator",
    "variable",
    "class",
];

/// The kind of word that `what` is.
pub(super) fn token_type(what: &What) -> u32 {
    match what {
        What::Section(_) => 0,
        What::Option(_) | What::Column(..) => 1,
        What::RequestField(_) | What::Argument(_) => 2,
        What::Function(_) | What::Relation(_) => 3,
        What::Effect(_) | What::Eft(_) | What::Scope(_) | What::Constant | What::PolicyType(_) => 4,
        What::Subject(..) => 5,
        What::Operation(_) | What::OptionValue(..) => 6,
        What::Path | What::Pattern(_) | What::Text | What::AnnotationValue(..) => 7,
        What::Number | What::Tuple => 8,
        What::Annotation(_) => 9,
        What::Key(_) | What::RequestType(_) | What::Domain(_) => 10,
        What::Group(_) | What::ActionRole(_) => 11,
    }
}

/// Turns places of one policy into places of the editor.
pub(super) struct Converter<'c> {
    files: Vec<(&'c [u8], Lines, Option<&'c str>)>,
    documents: &'c Documents,
    client: Client,
}

impl<'c> Converter<'c> {
    pub(super) fn new(
        sources: &'c [Source],
        project: &'c Project,
        documents: &'c Documents,
        client: Client,
    ) -> Self {
        let names = project.files();
        let files = sources
            .iter()
            .zip(names)
            .map(|(source, uri)| (source.bytes.as_slice(), Lines::new(&source.bytes), uri))
            .collect();
        Self { files, documents, client }
    }

    /// The document that holds `span`, if it is one.
    pub(super) fn uri(&self, span: Span) -> Option<&'c str> {
        self.files.get(usize::from(span.file))?.2
    }

    pub(super) fn position(&self, file: u16, offset: u32) -> lsp::Position {
        let Some((bytes, lines, _)) = self.files.get(usize::from(file)) else {
            return lsp::Position::default();
        };
        let (line, character) = lines.position(bytes, offset as usize, self.client.encoding);
        lsp::Position { line, character }
    }

    pub(super) fn range(&self, span: Span) -> lsp::Range {
        lsp::Range { start: self.position(span.file, span.start), end: self.position(span.file, span.end) }
    }

    /// The bytes and lines of source `file`.
    pub(super) fn text(&self, file: u16) -> Option<(&'c [u8], &Lines)> {
        self.files.get(usize::from(file)).map(|(bytes, lines, _)| (*bytes, lines))
    }

    pub(super) fn diagnostic(&self, finding: &Diagnostic) -> lsp::Diagnostic {
        let mut message = finding.message.clone();
        let label = &finding.labels[0].text;
        if !label.is_empty() {
            message.push_str(&format!(" ({label})"));
        }
        for help in &finding.helps {
            message.push_str(&format!("\nhelp: {help}"));
        }
        for note in &finding.notes {
            message.push_str(&format!("\nnote: {note}"));
        }
        let others = finding.labels.iter().skip(1);
        if !self.client.related {
            for label in others.clone().filter(|label| !label.text.is_empty()) {
                let at = self.position(label.span.file, label.span.start);
                message.push_str(&format!("\nline {}: {}", at.line + 1, label.text));
            }
        }
        let related: Vec<lsp::DiagnosticRelatedInformation> = others
            .filter(|_| self.client.related)
            .filter_map(|label| {
                let uri = self.uri(label.span)?.parse().ok()?;
                let location = lsp::Location { uri, range: self.range(label.span) };
                Some(lsp::DiagnosticRelatedInformation { location, message: label.text.clone() })
            })
            .collect();
        lsp::Diagnostic {
            range: self.range(finding.span()),
            severity: Some(match finding.severity {
                Severity::Error => lsp::DiagnosticSeverity::ERROR,
                Severity::Warning => lsp::DiagnosticSeverity::WARNING,
                Severity::Note => lsp::DiagnosticSeverity::INFORMATION,
            }),
            code: Some(lsp::NumberOrString::String(finding.code.to_owned())),
            source: Some("boesfsc".to_owned()),
            message,
            related_information: (!related.is_empty()).then_some(related),
            ..lsp::Diagnostic::default()
        }
    }

    /// `edits` as one change of the workspace; `None` if one of them is of no document, or is no text.
    pub(super) fn workspace_edit(&self, edits: &[Edit]) -> Option<Value> {
        let mut files: Vec<(&str, Vec<Value>)> = Vec::new();
        for edit in edits {
            let uri = self.uri(edit.span)?;
            let text = std::str::from_utf8(&edit.text).ok()?;
            let change = json!({"range": self.range(edit.span), "newText": text});
            match files.iter_mut().find(|(other, _)| *other == uri) {
                Some((_, changes)) => changes.push(change),
                None => files.push((uri, vec![change])),
            }
        }
        Some(if self.client.versioned_edits {
            let changes: Vec<Value> = files
                .into_iter()
                .map(|(uri, edits)| {
                    let version = self.documents.open.get(uri).map(|document| document.version);
                    json!({"textDocument": {"uri": uri, "version": version}, "edits": edits})
                })
                .collect();
            json!({"documentChanges": changes})
        } else {
            let changes: serde_json::Map<String, Value> =
                files.into_iter().map(|(uri, edits)| (uri.to_owned(), edits.into())).collect();
            json!({"changes": changes})
        })
    }
}
