//! Lines with too few or too many fields: what is missing, and which field was not quoted.

use std::sync::Arc;

use boesfs_abi::verdict::Effect;
use boesfs_grammar::{Cell, Line};

use super::super::Shape;
use super::super::matcher::Use;
use super::{LineContext, fields};
use crate::diagnostic::{Diagnostic, Severity};

/// On how many lines of a policy one looks which field was not quoted.
const JOINED: usize = 1000;

/// How many fields of a line are listed; a policy with more has been given by mistake.
const LISTED: usize = 32;

fn listed(words: &[String]) -> String {
    match words.get(..LISTED) {
        Some(first) if words.len() > LISTED => format!("{}, …", first.join(", ")),
        _ => words.join(", "),
    }
}

/// Says what is missing on the line or too much.
pub(super) fn arity(context: &LineContext<'_>, line: &Line, cells: &[Cell]) -> Diagnostic {
    let wanted = &context.layout.wanted;
    let text = |cell: &Cell| String::from_utf8_lossy(&context.tree.text(*cell)).into_owned();
    let texts: Vec<String> = cells.iter().take(LISTED + 1).map(text).collect();
    let (span, label) = match cells.get(wanted.len()) {
        Some(first) => {
            let last = cells.last().map_or(first.span, |cell| cell.span);
            (first.span.to(last), "too much".to_owned())
        }
        None => (
            line.span.after(),
            format!(
                "expected {}",
                listed(
                    &wanted[cells.len()..]
                        .iter()
                        .take(LISTED + 1)
                        .map(|w| format!("`{w}`"))
                        .collect::<Vec<_>>()
                )
            ),
        ),
    };
    let mut diagnostic = Diagnostic::error(
        "E0302",
        format!("a rule has {} fields, this one has {}", wanted.len(), cells.len()),
        span,
    )
    .label(label)
    .because(format!("have: {}", listed(&texts)))
    .because(format!("want: {}", listed(wanted)));
    if let (Some(first), Some(last)) = (context.names.policy.first(), context.names.policy.last()) {
        diagnostic = diagnostic.secondary(first.span.to(last.span), "the columns are defined here");
    }
    if cells.len() > wanted.len() {
        let ends_boesfs = matches!(cells, [.., scope, eft]
            if matches!(text(scope).as_str(), "file" | "dir") && matches!(text(eft).as_str(), "allow" | "deny"));
        return if ends_boesfs && context.names.shape == Shape::Casbin {
            diagnostic.help("columns `file|dir` and `allow|deny` are BoesFS's: then declare no `eft`")
        } else {
            if context.layout.uses.iter().flatten().any(|how| *how == Use::Tuple) {
                diagnostic = diagnostic.help("a tuple of several values stands in parentheses: `(*, 0)`");
            }
            unquoted(context, line, cells, diagnostic.help("quote a field that holds a comma"))
        };
    }
    if layout_lacks_eft(context, cells) {
        // Which of the two is the author's to say, unless one of them would do nothing.
        let looks = |eft| context.effect.base.looks_at(eft);
        let only = match (looks(Effect::Allow), looks(Effect::Deny)) {
            (true, false) => Some("allow"),
            (false, true) => Some("deny"),
            _ => None,
        };
        if let Some(only) = only {
            return diagnostic.suggest(format!("add `{only}`"), line.span.after(), format!(", {only}"));
        }
    }
    diagnostic
}

/// Whether the line ends just before a last field that says `allow` or `deny`.
fn layout_lacks_eft(context: &LineContext<'_>, cells: &[Cell]) -> bool {
    let layout = &context.layout;
    cells.len() + 1 == layout.wanted.len()
        && layout.eft == Some(cells.len())
        && cells.last().is_some_and(|last| !matches!(context.tree.text(*last).as_ref(), b"allow" | b"deny"))
}

/// `diagnostic` with the change that quotes a field which was split at its commas, if there is one way only to join
/// fields so that the rule is without errors. A comma that no blank follows, where blanks follow the others, tells
/// which field it is.
fn unquoted(context: &LineContext<'_>, line: &Line, cells: &[Cell], diagnostic: Diagnostic) -> Diagnostic {
    let wanted = context.layout.wanted.len();
    let extra = cells.len().saturating_sub(wanted);
    let tried = context.joined.get();
    if extra == 0 || extra > 4 || wanted > LISTED || tried >= JOINED {
        return diagnostic;
    }
    context.joined.set(tried + 1);
    let tight = |pair: &[Cell]| pair[0].span.end + 1 == pair[1].span.start;
    let styled = cells.windows(2).filter(|pair| tight(pair)).count() == extra;
    let mut found = None;
    for first in 0..wanted {
        let split = &cells[first..=first + extra];
        if split.iter().any(|cell| cell.quoted) || styled && !split.windows(2).all(tight) {
            continue;
        }
        let span = split[0].span.to(split[extra].span);
        let mut joined = cells.to_vec();
        joined.splice(first..=first + extra, [Cell { span, quoted: false }]);
        let mut errors = Vec::new();
        let _ = fields(context, line, &joined, Arc::clone(&context.unsaid), &mut errors);
        if errors.iter().all(|error| error.severity != Severity::Error) && found.replace(span).is_some() {
            return diagnostic;
        }
    }
    let Some(span) = found else { return diagnostic };
    let mut text = vec![b'"'];
    for byte in context.tree.bytes(span) {
        text.extend(std::iter::repeat_n(*byte, if *byte == b'"' { 2 } else { 1 }));
    }
    text.push(b'"');
    diagnostic.fix("quote the field with the comma", span, text)
}
