//! The words of a plain Casbin policy: objects that are no paths, actions that are no operations.
//!
//! Words are renamed one by one, in the rules alone, and no two to the same name; where they are only compared for
//! equality this changes nothing but the names.

use std::collections::BTreeMap;

use boesfs_abi::op::{GROUPS, Op, OpSet};
use boesfs_abi::request::is_canonical;
use boesfs_grammar::{Source, Span};

use crate::model::{Compat, Expr, Model, Node, Operand, RequestField, Settings};
use crate::pipeline::{Limits, Outcome, Stage, run};

use super::edits::{Edits, field};
use super::{MigrateError, Renaming};

/// `sources` with the words that stand for something else renamed.
pub(super) fn renamed(
    sources: Vec<Source>,
    settings: &Settings,
    limits: &Limits,
    renaming: &Renaming,
) -> Result<Vec<Source>, MigrateError> {
    let plain = run(sources.clone(), settings, limits, Stage::Model);
    let speaks_of_files = |model: &Model| model.words().is_empty();
    if plain.model.as_ref().is_some_and(speaks_of_files) {
        return Ok(sources);
    }
    let compat = settings.compat.or(Some(Compat::CasbinGo));
    let open = run(sources, &Settings { compat, ..settings.clone() }, limits, Stage::Model);
    let Some(model) = open.model.as_ref().filter(|model| !speaks_of_files(model)) else {
        return Err(MigrateError::Unsound(Box::new(plain)));
    };
    let mut edits = Edits::default();
    rename(&open, model, renaming, &mut edits)?;
    Ok((0_u16..)
        .zip(&open.tree.sources)
        .map(|(file, source)| Source::new(source.name.clone(), edits.applied(file, &source.bytes)))
        .collect())
}

fn rename(open: &Outcome, model: &Model, renaming: &Renaming, edits: &mut Edits) -> Result<(), MigrateError> {
    let refused = |reason: String| Err(MigrateError::Refused(reason));
    let spans: Vec<Span> = model.words().iter().map(|found| found.span()).collect();
    let fields = || model.rules.iter().flat_map(|rule| &rule.fields);
    if let Some(span) = spans.iter().find(|span| fields().all(|field| field.span != **span)) {
        let shown = String::from_utf8_lossy(open.tree.bytes(*span));
        return refused(format!("the matcher names a word that is no file or operation: `{shown}`"));
    }
    let patterns = compares_otherwise(&model.matcher);
    for known in fields().filter(|known| spans.contains(&known.span)) {
        let text = if known.ops.is_some() {
            actions(&known.text, renaming)?
        } else {
            let Some(dir) = &renaming.objects else {
                let shown = String::from_utf8_lossy(&known.text);
                return refused(format!(
                    "the object `{shown}` is no path: `--map-objects DIR` makes it a name in DIR"
                ));
            };
            if patterns {
                return refused("objects are compared by patterns, in which a word has no path".to_owned());
            }
            let path = [dir.trim_end_matches('/').as_bytes(), b"/", &known.text].concat();
            if !is_canonical(&path) || known.text.contains(&b'/') {
                let shown = String::from_utf8_lossy(&known.text);
                return refused(format!("the object `{shown}` is no name of a file in `{dir}`"));
            }
            let literal = |quote: u8| [&[quote][..], &path, &[quote]].concat();
            let quoted = [literal(b'"'), literal(b'\'')];
            let in_text = |source: &Source| {
                quoted.iter().any(|text| source.bytes.windows(text.len()).any(|part| part == text))
            };
            if fields().any(|other| other.text == path) || open.tree.sources.iter().any(in_text) {
                let shown = String::from_utf8_lossy(&path);
                return refused(format!("`{shown}` is an object of the policy already"));
            }
            path
        };
        edits.replace(known.span, field(&text));
    }
    distinct(model, renaming)
}

/// Each word of an action as the operations it stands for.
fn actions(text: &[u8], renaming: &Renaming) -> Result<Vec<u8>, MigrateError> {
    let text = String::from_utf8_lossy(text);
    let meant: Result<Vec<&str>, MigrateError> = words_of(&text).map(|word| meant(word, renaming)).collect();
    Ok(meant?.join(" ").into_bytes())
}

fn words_of(text: &str) -> impl Iterator<Item = &str> {
    text.split([' ', '\t']).filter(|word| !word.is_empty())
}

fn meant<'a>(word: &'a str, renaming: &'a Renaming) -> Result<&'a str, MigrateError> {
    let said = renaming.actions.iter().find(|(from, _)| from == word).map(|(_, ops)| ops.as_str());
    said.or_else(|| operations(word).ok().map(|_| word)).ok_or_else(|| {
        MigrateError::Refused(format!(
            "the action `{word}` is no operation: `--map-act {word}=OPERATIONS` says what it stands for"
        ))
    })
}

/// The operations of `text`; the error is a word that is none.
fn operations(text: &str) -> Result<OpSet, &str> {
    words_of(text).try_fold(OpSet::EMPTY, |ops, word| {
        let group = || GROUPS.iter().find(|(name, _)| *name == word).map(|(_, ops)| *ops);
        let all = || matches!(word, "*" | "any").then_some(OpSet::ALL);
        let op = Op::from_name(word).map(|op| OpSet::EMPTY.with(op.decided_as()));
        op.or_else(group).or_else(all).map(|more| ops.union(more)).ok_or(word)
    })
}

/// Words that are told apart must be so afterwards: no two may stand for the same operation.
fn distinct(model: &Model, renaming: &Renaming) -> Result<(), MigrateError> {
    let mut words: BTreeMap<String, OpSet> = BTreeMap::new();
    let mut texts = Vec::new();
    literals(&model.matcher, &mut texts);
    let fields = model.rules.iter().flat_map(|rule| &rule.fields).filter(|field| field.ops.is_some());
    texts.extend(fields.map(|field| field.text.as_slice()));
    for text in texts {
        for word in words_of(&String::from_utf8_lossy(text)) {
            let meant = meant(word, renaming)?;
            let ops = operations(meant)
                .map_err(|word| MigrateError::Refused(format!("`{word}` in `--map-act` is no operation")))?;
            words.insert(word.to_owned(), ops);
        }
    }
    words.retain(|_, ops| *ops != OpSet::ALL);
    let known = |word: &str| renaming.actions.iter().any(|(from, _)| from == word);
    for (one, ops) in words.iter().filter(|(word, _)| known(word)) {
        for (other, others) in words.iter().filter(|(word, _)| *word != one) {
            if let Some(op) = ops.iter().find(|op| others.contains(*op)) {
                return Err(MigrateError::Refused(format!(
                    "`{one}` and `{other}` would both stand for `{op}`, and are told apart now"
                )));
            }
        }
    }
    Ok(())
}

/// The actions that the matcher itself names.
fn literals<'m>(node: &'m Node, out: &mut Vec<&'m [u8]>) {
    match &node.expr {
        Expr::Not(inner) => literals(inner, out),
        Expr::And(parts) | Expr::Or(parts) => parts.iter().for_each(|part| literals(part, out)),
        Expr::Compare(_, left, right) => {
            for operand in [left, right] {
                if let Operand::Text { text, ops: Some(_) } = operand {
                    out.push(text);
                }
            }
        }
        Expr::In(_, list) => {
            for operand in list {
                if let Operand::Text { text, ops: Some(_) } = operand {
                    out.push(text);
                }
            }
        }
        _ => {}
    }
}

/// Whether objects are compared by anything but equality.
fn compares_otherwise(node: &Node) -> bool {
    let obj = Operand::Request(RequestField::Obj);
    match &node.expr {
        Expr::Not(inner) => compares_otherwise(inner),
        Expr::And(parts) | Expr::Or(parts) => parts.iter().any(compares_otherwise),
        Expr::Path { .. } | Expr::Eval(_) => true,
        Expr::Role { member, role, .. } => *member == obj || *role == obj,
        _ => false,
    }
}
