//! `#@` comments to [`Annotation`]s.

use crate::error::SyntaxError;
use crate::pest_error::{run, span_of};
use crate::policy::Rule;
use crate::source::Span;
use crate::tree::{Annotation, Word};

/// The comma in a value behind which another setting stands.
fn setting_behind_comma(value: &str) -> Option<usize> {
    let is_setting = |rest: &str| {
        let key = rest.split('=').next().unwrap_or(rest);
        key.len() < rest.len() && !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphabetic())
    };
    value.match_indices(',').map(|(at, _)| at).find(|at| is_setting(&value[at + 1..]))
}

/// Pushes what `text`, the part of a comment after `#@`, says.
pub(crate) fn annotations(text: &str, span: Span, out: &mut Vec<Annotation>) -> Result<(), SyntaxError> {
    let pairs = run(Rule::annotation, text, span)
        .map_err(|error| error.help("an annotation reads `#@ id=no-keys level=alert reason=\"…\"`"))?;
    for setting in pairs.flat_map(pest::iterators::Pair::into_inner) {
        if setting.as_rule() != Rule::setting {
            continue;
        }
        let mut parts = setting.into_inner();
        let key = parts.next().expect("INVARIANT: a setting has a key");
        let value = parts.nth(1).and_then(|value| value.into_inner().next());
        let value = value.expect("INVARIANT: a setting has a value");
        let mut word = Word { text: value.as_str().to_owned(), span: span_of(&value, span) };
        if value.as_rule() == Rule::quoted {
            word.text = word.text[1..word.text.len() - 1].replace("\"\"", "\"");
        } else if let Some(comma) = setting_behind_comma(&word.text) {
            return Err(SyntaxError::new("E0101", "expected a blank, found `,`", word.span.part(comma, 1))
                .label("annotations are separated by blanks")
                .help("write a blank, or quotes around a value that holds the comma"));
        }
        out.push(Annotation {
            key: Word { text: key.as_str().to_owned(), span: span_of(&key, span) },
            value: word,
        });
    }
    Ok(())
}
