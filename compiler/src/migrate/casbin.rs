//! Casbin's layout, made explicit: an `eft` column, and options that say what was implied.

use boesfs_grammar::{SectionKind, Span, SyntaxTree, Value};

use crate::model::{Compat, Model, Settings, SubjectMode};

use super::edits::Edits;

/// Adds the `eft` column to the types that have none.
pub(super) fn rewrite(tree: &SyntaxTree, edits: &mut Edits) {
    for definition in tree.definitions.iter().filter(|found| found.section == SectionKind::Policy) {
        let Some(Value::Names(columns)) = &definition.value else { continue };
        if columns.iter().any(|column| column.text == "eft") {
            continue;
        }
        edits.append(definition.span, ", eft");
        for line in &tree.lines {
            if tree.text(tree.cells(line)[0]).as_ref() == definition.key.text.as_bytes() {
                edits.append(line.span, ", allow");
            }
        }
    }
}

/// Writes into the text what its layout or the command line implied.
pub(super) fn options(tree: &SyntaxTree, model: &Model, settings: &Settings, edits: &mut Edits) {
    let stated = |key: &str| {
        let known = |found: &&boesfs_grammar::Definition| {
            found.section == SectionKind::Options && found.key.text == key
        };
        tree.definitions.iter().find(known).map(|found| found.span)
    };
    let mut lines = Vec::new();
    let mut say = |key: &str, value: &str, edits: &mut Edits| match stated(key) {
        Some(span) => edits.replace(span, format!("{key} = {value}")),
        None => lines.push(format!("{key} = {value}")),
    };
    let subject = match model.options.subject {
        SubjectMode::Exe => "exe",
        SubjectMode::Entry => "entry",
    };
    say("subject", subject, edits);
    if let Some(select) = &settings.select {
        say("use", select, edits);
    }
    match settings.compat {
        Some(Compat::CasbinRs) => say("compat", "casbin-rs", edits),
        Some(Compat::CasbinGo) => say("compat", "casbin-go", edits),
        Some(Compat::Boesfs) | None => {}
    }
    if lines.is_empty() {
        return;
    }
    let lines = lines.join("\n");
    let section = tree.sections.iter().find(|section| section.kind == Some(SectionKind::Options));
    let matcher = tree.definitions.iter().filter(|found| found.section == SectionKind::Matchers);
    if let Some(section) = section {
        edits.append(end_of_line(tree, section.span), format!("\n{lines}"));
    } else if let Some(last) = matcher.max_by_key(|found| found.span.start) {
        edits.append(end_of_line(tree, last.span), format!("\n\n[options]\n{lines}\n"));
    }
}

/// `span` up to the end of its line.
fn end_of_line(tree: &SyntaxTree, span: Span) -> Span {
    let bytes = &tree.sources[usize::from(span.file)].bytes;
    let rest = bytes[span.end as usize..].iter().take_while(|byte| **byte != b'\n').count();
    Span { end: span.end + u32::try_from(rest).unwrap_or(0), ..span }
}
