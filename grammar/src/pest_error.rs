//! What pest says, in the author's language.

use pest::Parser;
use pest::error::{Error, ErrorVariant, InputLocation};
use pest::iterators::Pairs;

use crate::error::SyntaxError;
use crate::policy::{Policy, Rule};
use crate::source::Span;

/// Bounds the work on one line; far above what any line within the length limit needs, unless it backtracks.
const CALL_LIMIT: usize = 64_000_000;

/// Parses `text`, which stands at `span`, as `rule`.
pub(crate) fn run(rule: Rule, text: &str, span: Span) -> Result<Pairs<'_, Rule>, SyntaxError> {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| pest::set_call_limit(std::num::NonZeroUsize::new(CALL_LIMIT)));
    Policy::parse(rule, text).map_err(|error| explain(rule, &error, text, span))
}

/// The span of `pair` in a text that stands at `span`.
pub(crate) fn span_of(pair: &pest::iterators::Pair<'_, Rule>, span: Span) -> Span {
    span.part(pair.as_span().start(), pair.as_str().len())
}

fn explain(rule: Rule, error: &Error<Rule>, text: &str, span: Span) -> SyntaxError {
    let at = match error.location {
        InputLocation::Pos(at) => at,
        InputLocation::Span((start, _)) => start,
    };
    let ErrorVariant::ParsingError { positives, .. } = &error.variant else {
        return SyntaxError::new("E0123", "the line takes too many steps to parse", span)
            .help("split it into simpler lines");
    };
    let mut wanted: Vec<&str> = positives.iter().filter_map(|rule| name(*rule)).collect();
    wanted.sort_unstable();
    wanted.dedup();
    let wanted = match wanted.as_slice() {
        [] => "something else".to_owned(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    };
    let rest = text[at..].trim_start_matches([' ', '\t']);
    let start = text.len() - rest.len();
    if rule == Rule::annotation && start > at && (rest.starts_with('=') || text[..at].ends_with('=')) {
        return SyntaxError::new("E0101", "a blank stands beside `=`", span.part(at, start - at))
            .label("no blank here");
    }
    let found = token(rest);
    if found.is_empty() {
        let end = text.trim_end_matches([' ', '\t']).len();
        return SyntaxError::new(
            "E0101",
            format!("expected {wanted}, the line ends here"),
            span.part(end, 0),
        )
        .label(format!("expected {wanted}"));
    }
    SyntaxError::new("E0101", format!("expected {wanted}, found `{found}`"), span.part(start, found.len()))
        .label(format!("expected {wanted}"))
}

/// The first token of `text`: a word, or one character.
fn token(text: &str) -> &str {
    let word = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    if word > 0 {
        &text[..word]
    } else {
        text.get(..text.chars().next().map_or(0, char::len_utf8)).unwrap_or("")
    }
}

/// What the author calls `rule`; `None` for rules that are noise in "expected one of".
fn name(rule: Rule) -> Option<&'static str> {
    Some(match rule {
        Rule::EOI => "the end of the line",
        Rule::section => "a section name",
        Rule::end_bracket => "`]`",
        Rule::key | Rule::assignment => "a key",
        Rule::equals | Rule::setting_is => "`=`",
        Rule::field_name => "a field name",
        Rule::place | Rule::places => "`_`",
        Rule::comma => "`,`",
        Rule::effect_token => "an effect",
        Rule::expression
        | Rule::operand
        | Rule::text
        | Rule::number
        | Rule::call
        | Rule::list
        | Rule::field => "a value",
        Rule::operator => "an operator",
        Rule::close => "`)`",
        Rule::setting | Rule::setting_key => "`key=value`",
        Rule::setting_value | Rule::bare | Rule::quoted => "a value",
        _ => return None,
    })
}
