//! `key = value` lines to [`Definition`]s.

use crate::error::{Errors, SyntaxError};
use crate::expression::matcher;
use crate::pest_error::{run, span_of};
use crate::policy::Rule;
use crate::source::{Limits, Span};
use crate::tree::{Definition, SectionKind, Value, Word};

/// The definition in `text`, which stands at `span` in `section`. A broken value is reported and left out.
pub(crate) fn definition(
    text: &str,
    span: Span,
    section: SectionKind,
    limits: &Limits,
    errors: &mut Errors,
) -> Option<Definition> {
    let assignment = match run(Rule::assignment, text, span) {
        Ok(mut pairs) => pairs.next().expect("INVARIANT: an assignment was parsed"),
        Err(error) => {
            errors.push(error.help(format!("lines of `[{}]` read `key = value`", section.name())));
            return None;
        }
    };
    let length = assignment.as_str().len();
    let key = assignment.into_inner().next().expect("INVARIANT: an assignment has a key");
    let key = Word { text: key.as_str().to_owned(), span: span_of(&key, span) };
    let rest = text[length..].trim_end_matches([' ', '\t']);
    let at = span.part(length, rest.len());
    let whole = key.span.to(at);
    let value = if rest.trim_start_matches([' ', '\t']).is_empty() {
        Err(SyntaxError::new("E0101", format!("`{}` has no value", key.text), whole.after())
            .label("expected a value"))
    } else {
        value(rest, at, section, limits)
    };
    let value = match value {
        Ok(value) => Some(value),
        Err(error) => {
            errors.push(error);
            None
        }
    };
    Some(Definition { section, key, value, span: whole })
}

fn value(text: &str, span: Span, section: SectionKind, limits: &Limits) -> Result<Value, SyntaxError> {
    let word = |pair: pest::iterators::Pair<'_, Rule>| Word {
        text: pair.as_str().to_owned(),
        span: span_of(&pair, span),
    };
    let of = |rule: Rule, wanted: Rule| {
        Ok(run(rule, text, span)?
            .flat_map(pest::iterators::Pair::into_inner)
            .filter(move |pair| pair.as_rule() == wanted))
    };
    Ok(match section {
        SectionKind::Request | SectionKind::Policy => {
            Value::Names(of(Rule::names, Rule::field_name)?.map(word).collect())
        }
        SectionKind::Role => {
            let groups = of(Rule::signature, Rule::places)?.map(|places| {
                places
                    .into_inner()
                    .filter(|pair| pair.as_rule() == Rule::place)
                    .map(|pair| span_of(&pair, span))
                    .collect()
            });
            Value::Places(groups.collect(), span)
        }
        SectionKind::Effect => Value::Tokens(of(Rule::effect, Rule::effect_token)?.map(word).collect()),
        SectionKind::Matchers => Value::Matcher(matcher(text, span, limits)?),
        SectionKind::Options | SectionKind::Rules => {
            let trimmed = text.trim_start_matches([' ', '\t']);
            Value::Text(Word {
                text: trimmed.to_owned(),
                span: span.part(text.len() - trimmed.len(), trimmed.len()),
            })
        }
    })
}
