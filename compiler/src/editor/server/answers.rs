//! The answers to requests, each from the texts as they are now.

use std::io::Write;

use boesfs_grammar::{Limits, Line, SectionKind, Source, Span, format};
use lsp_server::ErrorCode;
use lsp_types as lsp;
use serde_json::{Value, json};

use super::convert::{Converter, token_type};
use super::documents::{Project, normal};
use super::{Failure, Server, read};
use crate::diagnostic::{Applicability, Diagnostic, Edit};
use crate::editor::completion::{Kind, complete};
use crate::editor::hover::hover;
use crate::editor::index::{Index, What};
use crate::editor::rename::{RenameError, definitions, references, rename, renameable};
use crate::model::Settings;
use crate::pipeline::{self, Outcome, Stage};

/// A policy as far as its names go, and the place in it that was asked about.
struct Seen {
    project: Project,
    outcome: Outcome,
    index: Index,
    /// Which of the sources the document is.
    file: u16,
    /// The byte of the place.
    offset: u32,
}

impl<W: Write> Server<W> {
    pub(super) fn answer(&self, method: &str, params: Value) -> Result<Value, Failure> {
        match method {
            "textDocument/hover" => self.hover(&read(params)?),
            "textDocument/completion" => self.completion(&read(params)?),
            "textDocument/definition" => {
                let params: lsp::GotoDefinitionParams = read(params)?;
                let seen = self.seen_at(&params.text_document_position_params)?;
                Ok(self.locations(&seen, &definitions(&seen.index, seen.file, seen.offset)))
            }
            "textDocument/references" => {
                let params: lsp::ReferenceParams = read(params)?;
                let seen = self.seen_at(&params.text_document_position)?;
                let declared = params.context.include_declaration;
                Ok(self.locations(&seen, &references(&seen.index, seen.file, seen.offset, declared)))
            }
            "textDocument/documentHighlight" => {
                let params: lsp::DocumentHighlightParams = read(params)?;
                let seen = self.seen_at(&params.text_document_position_params)?;
                let converter = self.converter(&seen);
                let places = references(&seen.index, seen.file, seen.offset, true);
                let here = places.iter().filter(|span| span.file == seen.file);
                Ok(here.map(|span| json!({"range": converter.range(*span)})).collect())
            }
            "textDocument/prepareRename" => self.prepare_rename(&read(params)?),
            "textDocument/rename" => self.rename(&read(params)?),
            "textDocument/documentSymbol" => self.symbols(&read(params)?),
            "textDocument/formatting" => self.formatting(&read(params)?),
            "textDocument/codeAction" => self.actions(&read(params)?),
            "textDocument/semanticTokens/full" => self.tokens(&read(params)?),
            other => Err(Failure {
                code: ErrorCode::MethodNotFound,
                message: format!("no method `{other}` is known here"),
            }),
        }
    }

    /// The first policy that `uri` is part of, with the place `at` in it.
    fn seen(&self, uri: &lsp::Uri, at: Option<lsp::Position>) -> Result<Seen, Failure> {
        let uri = normal(uri.as_str());
        let document =
            self.documents.open.get(&uri).ok_or_else(|| Failure::params(format!("`{uri}` is not open")))?;
        if document.lost {
            return Err(Failure {
                code: ErrorCode::ContentModified,
                message: format!("a change of `{uri}` did not fit: open it again"),
            });
        }
        let project = self
            .documents
            .projects(&uri)
            .into_iter()
            .next()
            .ok_or_else(|| Failure::request(format!("`{uri}` is no policy")))?;
        let offset = match at {
            None => 0,
            Some(position) => document
                .offset(position, self.client.encoding)
                .ok_or_else(|| Failure::params(format!("the text has no line {}", position.line)))?,
        };
        let file = u16::from(project.policy.as_deref() != Some(uri.as_str()));
        let sources = self.documents.sources(&project);
        let outcome =
            pipeline::run(sources, &Settings::default(), &pipeline::Limits::default(), Stage::Model);
        let index = Index::new(&outcome.tree);
        Ok(Seen { project, outcome, index, file, offset: u32::try_from(offset).unwrap_or(u32::MAX) })
    }

    fn seen_at(&self, place: &lsp::TextDocumentPositionParams) -> Result<Seen, Failure> {
        self.seen(&place.text_document.uri, Some(place.position))
    }

    fn converter<'s>(&'s self, seen: &'s Seen) -> Converter<'s> {
        Converter::new(&seen.outcome.tree.sources, &seen.project, &self.documents, self.client)
    }

    fn locations(&self, seen: &Seen, spans: &[Span]) -> Value {
        let converter = self.converter(seen);
        let place =
            |span: &Span| Some(json!({"uri": converter.uri(*span)?, "range": converter.range(*span)}));
        spans.iter().filter_map(place).collect()
    }

    fn hover(&self, params: &lsp::HoverParams) -> Result<Value, Failure> {
        let seen = self.seen_at(&params.text_document_position_params)?;
        let Outcome { tree, model, .. } = &seen.outcome;
        let Some((text, span)) = hover(tree, &seen.index, model.as_ref(), seen.file, seen.offset) else {
            return Ok(Value::Null);
        };
        let range = self.converter(&seen).range(span);
        Ok(json!({"contents": {"kind": "markdown", "value": text}, "range": range}))
    }

    fn completion(&self, params: &lsp::CompletionParams) -> Result<Value, Failure> {
        let seen = self.seen_at(&params.text_document_position)?;
        let converter = self.converter(&seen);
        let Some((text, _)) = converter.text(seen.file) else { return Ok(Value::Null) };
        let rules = seen.project.model.is_some() && seen.file == 0;
        let (replaced, offers) = complete(text, seen.offset as usize, rules, &seen.index);
        let start = u32::try_from(replaced.start).unwrap_or(u32::MAX);
        let range = converter.range(Span { file: seen.file, start, end: seen.offset });
        let items: Vec<Value> = offers
            .into_iter()
            .map(|offer| {
                let kind = match offer.kind {
                    Kind::Section => lsp::CompletionItemKind::MODULE,
                    Kind::Key => lsp::CompletionItemKind::PROPERTY,
                    Kind::Value => lsp::CompletionItemKind::VALUE,
                    Kind::Field => lsp::CompletionItemKind::FIELD,
                    Kind::Function => lsp::CompletionItemKind::FUNCTION,
                    Kind::Operation => lsp::CompletionItemKind::ENUM_MEMBER,
                    Kind::Group => lsp::CompletionItemKind::ENUM,
                    Kind::Subject => lsp::CompletionItemKind::CLASS,
                    Kind::Path => lsp::CompletionItemKind::FILE,
                    Kind::Lint => lsp::CompletionItemKind::CONSTANT,
                    Kind::Keyword => lsp::CompletionItemKind::KEYWORD,
                };
                json!({
                    "label": offer.text.trim_end(),
                    "kind": kind,
                    "documentation": {"kind": "markdown", "value": offer.doc},
                    "filterText": offer.text,
                    "textEdit": {"range": range, "newText": offer.text},
                })
            })
            .collect();
        Ok(json!({"isIncomplete": false, "items": items}))
    }

    fn prepare_rename(&self, params: &lsp::TextDocumentPositionParams) -> Result<Value, Failure> {
        let seen = self.seen_at(params)?;
        match renameable(&seen.index, seen.outcome.model.as_ref(), seen.file, seen.offset) {
            Ok(mark) => {
                let name = match &mark.what {
                    What::Subject(_, name) | What::ActionRole(name) | What::Column(_, name) => name.as_str(),
                    _ => "",
                };
                Ok(json!({"range": self.converter(&seen).range(mark.span), "placeholder": name}))
            }
            Err(error) => Err(Failure::request(error.to_string())),
        }
    }

    fn rename(&self, params: &lsp::RenameParams) -> Result<Value, Failure> {
        let seen = self.seen_at(&params.text_document_position)?;
        let Outcome { tree, model, .. } = &seen.outcome;
        let edits = rename(tree, &seen.index, model.as_ref(), (seen.file, seen.offset), &params.new_name)
            .map_err(|error| match error {
                RenameError::Unfit(..) => Failure::params(error.to_string()),
                RenameError::Fixed | RenameError::Taken(_) | RenameError::Opaque => {
                    Failure::request(error.to_string())
                }
            })?;
        // The policy with the new name has no error that it did not have before.
        let sources = applied(&tree.sources, &edits);
        let after = pipeline::run(sources, &Settings::default(), &pipeline::Limits::default(), Stage::Model);
        if seen.outcome.is_sound() && !after.is_sound() {
            let why = after.diagnostics.iter().find(|finding| finding.code.starts_with('E'));
            let why = why.map_or_else(String::new, |finding| format!(": {}", finding.message));
            return Err(Failure::request(format!("the policy would have an error{why}")));
        }
        self.converter(&seen)
            .workspace_edit(&edits)
            .ok_or_else(|| Failure::request("a place to be changed is in no document"))
    }

    fn symbols(&self, params: &lsp::DocumentSymbolParams) -> Result<Value, Failure> {
        let seen = self.seen(&params.text_document.uri, None)?;
        let converter = self.converter(&seen);
        let tree = &seen.outcome.tree;
        let symbol = |name: String, kind: lsp::SymbolKind, whole: Span, name_at: Span| {
            (
                whole,
                json!({
                    "name": if name.is_empty() { "?".to_owned() } else { name },
                    "kind": kind,
                    "range": converter.range(whole),
                    "selectionRange": converter.range(name_at),
                }),
            )
        };
        let text = |span: Span| String::from_utf8_lossy(tree.bytes(span)).into_owned();
        let mut leaves: Vec<(Span, Value)> = tree
            .definitions
            .iter()
            .map(|definition| {
                let kind = match definition.section {
                    SectionKind::Options => lsp::SymbolKind::PROPERTY,
                    SectionKind::Matchers => lsp::SymbolKind::FUNCTION,
                    _ => lsp::SymbolKind::STRUCT,
                };
                symbol(text(definition.span), kind, definition.span, definition.key.span)
            })
            .collect();
        leaves.extend(tree.lines.iter().map(|line: &Line| {
            let id = tree.annotations(line).iter().find(|annotation| annotation.key.text == "id");
            let name =
                id.map_or_else(|| text(line.span), |id| format!("{}: {}", id.value.text, text(line.span)));
            let head = tree.cells(line)[0].span;
            let kind = match tree.bytes(head).first() {
                Some(b'g') => lsp::SymbolKind::CLASS,
                Some(b'a') => lsp::SymbolKind::ENUM,
                _ => lsp::SymbolKind::EVENT,
            };
            symbol(name, kind, line.span, head)
        }));
        leaves.retain(|(span, _)| span.file == seen.file);
        leaves.sort_by_key(|(span, _)| span.start);
        let sections: Vec<_> =
            tree.sections.iter().filter(|section| section.span.file == seen.file).collect();
        if !self.client.nested_symbols {
            let uri = converter.uri(Span { file: seen.file, start: 0, end: 0 });
            let flat = leaves.into_iter().map(|(_, leaf)| {
                json!({
                    "name": leaf["name"],
                    "kind": leaf["kind"],
                    "location": {"uri": uri, "range": leaf["range"]},
                })
            });
            return Ok(flat.collect());
        }
        let first = sections.first().map_or(u32::MAX, |section| section.span.start);
        let mut shown: Vec<Value> =
            leaves.iter().filter(|(span, _)| span.start < first).map(|(_, leaf)| leaf.clone()).collect();
        for (place, section) in sections.iter().enumerate() {
            let end = sections.get(place + 1).map_or(u32::MAX, |next| next.span.start);
            let inside: Vec<&(Span, Value)> = leaves
                .iter()
                .filter(|(span, _)| span.start >= section.span.start && span.start < end)
                .collect();
            let whole = inside.last().map_or(section.span, |(span, _)| section.span.to(*span));
            let (_, mut header) =
                symbol(format!("[{}]", text(section.span)), lsp::SymbolKind::NAMESPACE, whole, section.span);
            header["children"] = inside.into_iter().map(|(_, leaf)| leaf.clone()).collect();
            shown.push(header);
        }
        Ok(shown.into())
    }

    fn formatting(&self, params: &lsp::DocumentFormattingParams) -> Result<Value, Failure> {
        let seen = self.seen(&params.text_document.uri, None)?;
        let converter = self.converter(&seen);
        let Some((bytes, _)) = converter.text(seen.file) else { return Ok(Value::Null) };
        let Ok(new) = format(&Source::new("policy", bytes), &Limits::default()) else {
            // What is not understood is left alone; the findings say why.
            return Ok(Value::Null);
        };
        if new == bytes {
            return Ok(json!([]));
        }
        // Only the lines that change are sent, so that the editor's places in the others stay.
        let common = |left: &mut dyn Iterator<Item = &[u8]>, right: &mut dyn Iterator<Item = &[u8]>| {
            left.zip(right)
                .take_while(|(left, right)| left == right)
                .map(|(line, _)| line.len())
                .sum::<usize>()
        };
        fn lines(text: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
            text.split_inclusive(|byte| *byte == b'\n')
        }
        let head = common(&mut lines(bytes), &mut lines(&new));
        let tail = common(&mut lines(&bytes[head..]).rev(), &mut lines(&new[head..]).rev());
        let narrow = |offset: usize| u32::try_from(offset).unwrap_or(u32::MAX);
        let span = Span { file: seen.file, start: narrow(head), end: narrow(bytes.len() - tail) };
        let Ok(text) = std::str::from_utf8(&new[head..new.len() - tail]) else {
            return Err(Failure::request("the lines to be changed are not UTF-8"));
        };
        Ok(json!([{"range": converter.range(span), "newText": text}]))
    }

    fn actions(&self, params: &lsp::CodeActionParams) -> Result<Value, Failure> {
        let seen = self.seen(&params.text_document.uri, Some(params.range.start))?;
        let uri = normal(params.text_document.uri.as_str());
        let document =
            self.documents.open.get(&uri).ok_or_else(|| Failure::params(format!("`{uri}` is not open")))?;
        let (start, end) = document
            .offsets(params.range, self.client.encoding)
            .ok_or_else(|| Failure::params("the range lies outside of the text"))?;
        let wanted = |kind: &str| {
            let asked = params.context.only.as_ref();
            asked.is_none_or(|only| {
                only.iter().any(|only| {
                    let only = only.as_str();
                    only.is_empty()
                        || kind == only
                        || kind.strip_prefix(only).is_some_and(|rest| rest.starts_with('.'))
                })
            })
        };
        let fresh;
        let findings = match self.told.get(&seen.project) {
            Some(told) if !self.dirty.contains(&uri) => &told.findings,
            _ => {
                let sources = seen.outcome.tree.sources.clone();
                let settings = self.documents.settings(&seen.project).unwrap_or_default();
                fresh =
                    pipeline::run(sources, &settings, &pipeline::Limits::default(), Stage::LAST).diagnostics;
                &fresh
            }
        };
        let converter = self.converter(&seen);
        let mut actions = Vec::new();
        let here = |finding: &&Diagnostic| {
            let span = finding.span();
            span.file == seen.file && (span.start as usize) <= end && (span.end as usize) >= start
        };
        for finding in findings.iter().filter(here).filter(|_| wanted("quickfix")) {
            let sure = |finding: &Diagnostic| {
                finding
                    .fixes
                    .iter()
                    .filter(|fix| fix.applicability == Applicability::MachineApplicable)
                    .count()
            };
            for fix in &finding.fixes {
                let preferred = fix.applicability == Applicability::MachineApplicable && sure(finding) == 1;
                actions.extend(action(&converter, &fix.title, &fix.edits, finding, preferred));
            }
            if let Some(edit) = allowing(&seen, &converter, finding) {
                let title = format!("allow `{}` on this rule", finding.lint.unwrap_or_default());
                actions.extend(action(&converter, &title, &[edit], finding, false));
            }
        }
        if wanted("source.fixAll.boesfsc") {
            let edits = sure_edits(findings, seen.file);
            if !edits.is_empty()
                && let Some(edit) = converter.workspace_edit(&edits)
            {
                actions.push(json!({
                    "title": "mend everything that is sure to be meant so",
                    "kind": "source.fixAll.boesfsc",
                    "edit": edit,
                }));
            }
        }
        Ok(actions.into())
    }

    fn tokens(&self, params: &lsp::SemanticTokensParams) -> Result<Value, Failure> {
        let seen = self.seen(&params.text_document.uri, None)?;
        let converter = self.converter(&seen);
        let mut data: Vec<u32> = Vec::new();
        let mut last = lsp::Position::default();
        let mut covered = 0;
        for mark in seen.index.marks.iter().filter(|mark| mark.span.file == seen.file) {
            let range = converter.range(mark.span);
            // A token of several lines, or one inside another, has no colour of its own.
            if range.start.line != range.end.line
                || mark.span.start < covered
                || mark.span.start == mark.span.end
            {
                continue;
            }
            covered = mark.span.end;
            let line = range.start.line - last.line;
            let start =
                if line == 0 { range.start.character - last.character } else { range.start.character };
            let length = range.end.character - range.start.character;
            data.extend([line, start, length, token_type(&mark.what), u32::from(mark.defines)]);
            last = range.start;
        }
        Ok(json!({"data": data}))
    }
}

fn action(
    converter: &Converter<'_>,
    title: &str,
    edits: &[Edit],
    finding: &Diagnostic,
    preferred: bool,
) -> Option<Value> {
    Some(json!({
        "title": title,
        "kind": "quickfix",
        "diagnostics": [converter.diagnostic(finding)],
        "isPreferred": preferred,
        "edit": converter.workspace_edit(edits)?,
    }))
}

/// The line that silences `finding` on its rule: nothing if it is of no lint, or of no rule.
fn allowing(seen: &Seen, converter: &Converter<'_>, finding: &Diagnostic) -> Option<Edit> {
    let lint = finding.lint?;
    let span = finding.span();
    let tree = &seen.outcome.tree;
    let rule = tree.lines.iter().find(|line| {
        line.span.file == span.file && line.span.start <= span.start && span.start <= line.span.end
    })?;
    if tree.bytes(tree.cells(rule)[0].span).first() != Some(&b'p') {
        return None;
    }
    let (bytes, lines) = converter.text(span.file)?;
    let line = lines.line_of(rule.span.start as usize);
    let start = u32::try_from(lines.line(bytes, line)?.start).ok()?;
    let indent = bytes.get(start as usize..rule.span.start as usize)?;
    let end: &[u8] = if bytes.windows(2).any(|pair| pair == b"\r\n") { b"\r\n" } else { b"\n" };
    let text = [indent, b"#@ allow=", lint.as_bytes(), end].concat();
    Some(Edit { span: Span { file: span.file, start, end: start }, text })
}

/// The edits of all fixes that are sure, of `file` alone, without those that overlap earlier ones.
fn sure_edits(findings: &[Diagnostic], file: u16) -> Vec<Edit> {
    let mut edits: Vec<Edit> = Vec::new();
    for finding in findings {
        let Some(fix) =
            finding.fixes.iter().find(|fix| fix.applicability == Applicability::MachineApplicable)
        else {
            continue;
        };
        let apart = |edit: &Edit| {
            edits.iter().all(|other| edit.span.end < other.span.start || other.span.end < edit.span.start)
        };
        if fix.edits.iter().all(|edit| edit.span.file == file && apart(edit)) {
            edits.extend(fix.edits.iter().cloned());
        }
    }
    edits
}

/// `sources` after `edits`, which do not overlap.
fn applied(sources: &[Source], edits: &[Edit]) -> Vec<Source> {
    let mut sources = sources.to_vec();
    let mut edits: Vec<&Edit> = edits.iter().collect();
    edits.sort_by_key(|edit| std::cmp::Reverse(edit.span.start));
    for edit in edits {
        if let Some(source) = sources.get_mut(usize::from(edit.span.file)) {
            source.bytes.splice(edit.span.start as usize..edit.span.end as usize, edit.text.iter().copied());
        }
    }
    sources
}
