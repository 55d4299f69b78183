//! `#@` comments to [`Annotation`]s.

use crate::error::SyntaxError;
use crate::pest_error::{run, span_of};
use crate::policy::Rule;
use crate::source::Span;
use crate::tree::{Annotation, Word};

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
        }
        out.push(Annotation {
            key: Word { text: key.as_str().to_owned(), span: span_of(&key, span) },
            value: word,
        });
    }
    Ok(())
}
