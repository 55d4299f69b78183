//! Matcher text to [`Expr`].

use pest::iterators::Pair;

use crate::error::SyntaxError;
use crate::pest_error::{run, span_of};
use crate::policy::Rule;
use crate::source::{Limits, Span};
use crate::tree::{Comparison, Expr, ExprKind, Word};

/// The matcher in `text`, which stands at `span`.
pub(crate) fn matcher(text: &str, span: Span, limits: &Limits) -> Result<Expr, SyntaxError> {
    if text.len() > limits.line {
        return Err(SyntaxError::new(
            "E0124",
            format!("the matcher has {} bytes, the limit is {}", text.len(), limits.line),
            span,
        )
        .help("raise the limit with `--max-line`"));
    }
    bounded(text, span, limits)?;
    let expression = run(Rule::matcher, text, span)?
        .next()
        .and_then(|matcher| matcher.into_inner().next())
        .expect("INVARIANT: a matcher holds an expression");
    build(expression, span)
}

/// Checks quotes and nesting before anything recurses.
fn bounded(text: &str, span: Span, limits: &Limits) -> Result<(), SyntaxError> {
    // What is open, where, and how many `!` stand before it: they nest as well.
    let mut open: Vec<(u8, usize, usize)> = Vec::new();
    let mut bangs = 0_usize;
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            quote @ (b'"' | b'\'') => {
                let Some(len) = bytes[at + 1..].iter().position(|b| *b == quote) else {
                    return Err(SyntaxError::new("E0109", "the string is not closed", span.part(at, 1))
                        .label("opened here")
                        .help(format!("close it with `{}`", char::from(quote))));
                };
                at += len + 1;
            }
            byte @ (b'(' | b'[') => open.push((byte, at, bangs)),
            byte @ (b')' | b']') => match open.pop() {
                Some((start, _, before)) if matches!((start, byte), (b'(', b')') | (b'[', b']')) => {
                    bangs = before;
                }
                other => return Err(unpaired(byte, other.map(|(start, ..)| start), span.part(at, 1))),
            },
            b'!' if bytes.get(at + 1) != Some(&b'=') => bangs += 1,
            b'&' | b'|' | b',' | b';' => bangs = open.last().map_or(0, |(_, _, before)| *before),
            _ => {}
        }
        if open.len() + bangs > limits.nesting {
            return Err(too_deep(span.part(at, 1), limits));
        }
        at += 1;
    }
    match open.pop() {
        Some((byte, start, _)) => Err(SyntaxError::new(
            "E0101",
            format!("`{}` is not closed", char::from(byte)),
            span.part(start, 1),
        )
        .label("opened here")
        .help(format!("add `{}`", if byte == b'(' { ')' } else { ']' }))),
        None => Ok(()),
    }
}

/// `close` stands where nothing, or something else, is open.
fn unpaired(close: u8, open: Option<u8>, span: Span) -> SyntaxError {
    let close = char::from(close);
    match open.map(char::from) {
        Some(open) => SyntaxError::new("E0101", format!("`{open}` is closed by `{close}`"), span)
            .label(format!("expected the pair of `{open}`")),
        None => SyntaxError::new("E0101", format!("`{close}` closes nothing"), span)
            .help("remove it, or open it before"),
    }
}

pub(crate) fn too_deep(span: Span, limits: &Limits) -> SyntaxError {
    SyntaxError::new("E0121", format!("nested more than {} deep", limits.nesting), span)
        .label("this is one level too many")
        .help(format!(
            "simplify it, or raise the limit with `--max-nesting` (at most {})",
            Limits::MAX_NESTING
        ))
}

/// What stands between two operators, and the operators.
fn build(expression: Pair<'_, Rule>, base: Span) -> Result<Expr, SyntaxError> {
    let mut operands = Vec::new();
    let mut operators = Vec::new();
    for pair in expression.into_inner() {
        if pair.as_rule() == Rule::operator {
            operators.push((operator(pair.as_str(), span_of(&pair, base))?, span_of(&pair, base)));
        } else {
            operands.push(operand(pair, base)?);
        }
    }
    let mut alternatives = Vec::new();
    let mut conjunction = Vec::new();
    let mut comparison: Vec<Operand> = Vec::new();
    let mut pending: Option<Operator> = None;
    let mut rest = operators.into_iter();
    for next in operands {
        comparison.push(next);
        let operator = rest.next();
        match &operator {
            Some((op @ (Operator::Compare(_) | Operator::In), at)) => {
                if pending.is_some() {
                    return Err(SyntaxError::new("E0101", "comparisons do not chain", *at)
                        .label("a second comparison")
                        .help("join two comparisons with `&&`"));
                }
                pending = Some(*op);
            }
            Some((Operator::And | Operator::Or, _)) | None => {
                conjunction.push(compare(pending.take(), std::mem::take(&mut comparison))?);
                if !matches!(operator, Some((Operator::And, _))) {
                    alternatives.push(join(std::mem::take(&mut conjunction), ExprKind::And));
                }
            }
        }
    }
    Ok(join(alternatives, ExprKind::Or))
}

fn join(mut parts: Vec<Expr>, kind: fn(Vec<Expr>) -> ExprKind) -> Expr {
    if parts.len() == 1 {
        return parts.pop().expect("INVARIANT: one part");
    }
    let span = parts[0].span.to(parts[parts.len() - 1].span);
    Expr { kind: kind(parts), span }
}

#[derive(Clone, Copy)]
enum Operator {
    Or,
    And,
    Compare(Comparison),
    In,
}

fn operator(text: &str, span: Span) -> Result<Operator, SyntaxError> {
    let wrong = |help: &str| {
        Err(SyntaxError::new("E0125", format!("`{text}` is not an operator of matchers"), span)
            .help(help.to_owned()))
    };
    let meant = |operator: &str| {
        Err(SyntaxError::new("E0125", format!("`{text}` is not an operator of matchers"), span)
            .help(format!("try `{operator}`"))
            .instead(format!("write `{operator}`"), span, operator))
    };
    Ok(match text {
        "||" => Operator::Or,
        "&&" => Operator::And,
        "==" => Operator::Compare(Comparison::Eq),
        "!=" => Operator::Compare(Comparison::Ne),
        "<" => Operator::Compare(Comparison::Lt),
        "<=" => Operator::Compare(Comparison::Le),
        ">" => Operator::Compare(Comparison::Gt),
        ">=" => Operator::Compare(Comparison::Ge),
        "in" => Operator::In,
        "=" => return meant("=="),
        "&" | "and" => return meant("&&"),
        "|" | "or" => return meant("||"),
        "not" => return wrong("try `!`"),
        "=~" => return wrong("use `regexMatch(r.obj, p.obj)`"),
        "!~" => return wrong("use `!regexMatch(r.obj, p.obj)`"),
        _ => return wrong("arithmetic and conditionals are not in the language: write the value out"),
    })
}

/// An operand before its comparison is known: a list is a group unless `in` stands before it.
enum Operand {
    Plain(Expr),
    List(Vec<Expr>, Span, Option<Span>, usize),
}

fn operand(pair: Pair<'_, Rule>, base: Span) -> Result<Operand, SyntaxError> {
    let whole = span_of(&pair, base);
    let mut nots = Vec::new();
    for inner in pair.into_inner() {
        let span = span_of(&inner, base);
        let kind = match inner.as_rule() {
            Rule::not => {
                nots.push(span);
                continue;
            }
            Rule::text => {
                let text = inner.as_str();
                ExprKind::Text(text.as_bytes()[1..text.len() - 1].to_vec())
            }
            Rule::number => ExprKind::Number(inner.as_str().to_owned()),
            Rule::word => ExprKind::Word(inner.as_str().to_owned()),
            Rule::field => ExprKind::Field(dotted(inner.as_str(), span)),
            Rule::call => {
                let mut parts = inner.into_inner();
                let name = parts.next().expect("INVARIANT: a call has a name");
                let name = Word { text: name.as_str().to_owned(), span: span_of(&name, base) };
                let (items, semicolon) = list(parts.next().expect("INVARIANT: a call has a list"), base)?;
                ExprKind::Call(name, items, semicolon.map(|(after, _)| after))
            }
            _ => {
                let (items, semicolon) = list(inner, base)?;
                return Ok(Operand::List(items, whole, semicolon.map(|(_, at)| at), nots.len()));
            }
        };
        return Ok(Operand::Plain(negate(Expr { kind, span }, &nots)));
    }
    Err(SyntaxError::new("E0101", "expected a value", whole))
}

fn negate(mut expr: Expr, nots: &[Span]) -> Expr {
    for not in nots.iter().rev() {
        let span = not.to(expr.span);
        expr = Expr { kind: ExprKind::Not(Box::new(expr)), span };
    }
    expr
}

fn dotted(text: &str, span: Span) -> Vec<Word> {
    let mut offset = 0;
    let mut words = Vec::new();
    for part in text.split('.') {
        words.push(Word { text: part.to_owned(), span: span.part(offset, part.len()) });
        offset += part.len() + 1;
    }
    words
}

/// The items of a list, and after how many of them the first semicolon stands, and where.
#[expect(clippy::type_complexity, reason = "one use, read on the spot")]
fn list(pair: Pair<'_, Rule>, base: Span) -> Result<(Vec<Expr>, Option<(usize, Span)>), SyntaxError> {
    let mut items = Vec::new();
    let mut semicolon = None;
    for inner in pair.into_inner() {
        match inner.as_rule() {
            Rule::expression => items.push(build(inner, base)?),
            Rule::semicolon if semicolon.is_none() => semicolon = Some((items.len(), span_of(&inner, base))),
            _ => {}
        }
    }
    Ok((items, semicolon))
}

/// One comparison, or the single operand where there is none.
fn compare(operator: Option<Operator>, operands: Vec<Operand>) -> Result<Expr, SyntaxError> {
    let mut operands = operands.into_iter();
    let left = plain(operands.next().expect("INVARIANT: a comparison has a left side"))?;
    let Some(operator) = operator else { return Ok(left) };
    let right = operands.next().expect("INVARIANT: a comparison has a right side");
    let start = left.span;
    let (kind, end) = match operator {
        Operator::In => match right {
            Operand::List(items, span, None, 0) => (ExprKind::In(Box::new(left), items), span),
            other => {
                let right = plain(other)?;
                return Err(SyntaxError::new("E0101", "expected a list after `in`", right.span)
                    .help("write `in (\"a\", \"b\")`"));
            }
        },
        Operator::Compare(comparison) => {
            let right = plain(right)?;
            let end = right.span;
            (ExprKind::Compare(comparison, Box::new(left), Box::new(right)), end)
        }
        Operator::And | Operator::Or => return Ok(left),
    };
    Ok(Expr { kind, span: start.to(end) })
}

/// The operand as an expression: a list of one item is a group.
fn plain(operand: Operand) -> Result<Expr, SyntaxError> {
    match operand {
        Operand::Plain(expr) => Ok(expr),
        Operand::List(_, _, Some(semicolon), _) => {
            Err(SyntaxError::new("E0101", "expected `,` or `)`, found `;`", semicolon))
        }
        Operand::List(mut items, span, None, nots) if items.len() == 1 => {
            let inner = items.pop().expect("INVARIANT: one item");
            // The group's own span, so that a label covers its parentheses.
            let mut expr = Expr { kind: inner.kind, span };
            for _ in 0..nots {
                expr = Expr { kind: ExprKind::Not(Box::new(expr)), span };
            }
            Ok(expr)
        }
        Operand::List(items, span, None, _) => Err(SyntaxError::new(
            "E0101",
            if items.is_empty() {
                "nothing stands between the parentheses"
            } else {
                "a list stands where a value should"
            },
            span,
        )
        .help("lists belong after `in`")),
    }
}
