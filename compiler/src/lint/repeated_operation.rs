//! The lint `repeated-operation`.

use std::collections::HashMap;

use boesfs_abi::op::{GROUPS, Op, OpSet};

use super::Lint;
use super::findings::Findings;
use crate::diagnostic::Diagnostic;

/// An operation that the other words of its field hold already.
pub static REPEATED_OPERATION: Lint = Lint {
    code: "W0332",
    name: "repeated-operation",
    finds: "an operation that the other words of its field hold already",
    page: include_str!("repeated_operation.md"),
};

pub(super) fn check(found: &mut Findings<'_>) {
    let model = found.model;
    let mut known: HashMap<&[u8], Option<(usize, usize)>> = HashMap::new();
    for (index, rule) in model.rules.iter().enumerate() {
        for field in rule.fields.iter().filter(|field| field.ops.is_some() && field.text.contains(&b' ')) {
            let Some((offset, len)) = *known.entry(&field.text).or_insert_with(|| repeated(&field.text))
            else {
                continue;
            };
            let word = String::from_utf8_lossy(&field.text[offset..offset + len]);
            let plain = (field.span.end - field.span.start) as usize == field.text.len();
            let place = if plain { field.span.part(offset, len) } else { field.span };
            let mut diagnostic = Diagnostic::warning(
                &REPEATED_OPERATION,
                format!("the other words hold `{word}` already"),
                place,
            )
            .label("adds nothing")
            .help("remove it");
            if plain {
                // The blank that divides it from its neighbour goes with it.
                let start = if offset == 0 { 0 } else { offset - 1 };
                diagnostic = diagnostic.fix(format!("remove `{word}`"), field.span.part(start, len + 1), "");
            }
            found.on_rule(index, diagnostic);
        }
    }
}

/// Where a word stands whose operations the others hold: the last one.
fn repeated(text: &[u8]) -> Option<(usize, usize)> {
    let text = std::str::from_utf8(text).ok()?;
    let words: Vec<(usize, &str, OpSet)> = text
        .split(' ')
        .filter(|word| !word.is_empty())
        .filter_map(|word| Some((word.as_ptr() as usize - text.as_ptr() as usize, word, ops(word)?)))
        .collect();
    if words.len() != text.split(' ').count() {
        return None;
    }
    let held = |at: usize| {
        let others = words.iter().enumerate().filter(|(other, _)| *other != at);
        let others = others.fold(OpSet::EMPTY, |ops, (_, (_, _, more))| ops.union(*more));
        words[at].2.difference(others).is_empty()
    };
    let at = (0..words.len()).rev().find(|at| held(*at))?;
    Some((words[at].0, words[at].1.len()))
}

fn ops(word: &str) -> Option<OpSet> {
    if matches!(word, "*" | "any") {
        return Some(OpSet::ALL);
    }
    let group = || GROUPS.iter().find(|(name, _)| *name == word).map(|(_, ops)| *ops);
    let ops = Op::from_name(word).map(|op| OpSet::EMPTY.with(op)).or_else(group)?;
    Some(ops.iter().fold(OpSet::EMPTY, |ops, op| ops.with(op.decided_as())))
}
