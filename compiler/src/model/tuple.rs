//! `(…)` to [`Tuple`].

use boesfs_abi::op::{ArgType, Op, OpSet};
use boesfs_abi::request::{is_canonical, parse_number};
use boesfs_grammar::Span;

use super::{CompareOp, Shape, Tuple, ValueTest};
use crate::diagnostic::Diagnostic;
use crate::lint::{ABNORMAL_PATH, BAD_TUPLE_VALUE};

impl Tuple {
    /// Whether it tests nothing.
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.0.iter().all(|test| *test == ValueTest::Any)
    }
}

/// What kind of values one place of a tuple takes, for all operations the tuple is on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Numbers; signed only if every operation's argument is.
    Number { signed: bool },
    /// Paths, and text if no operation's argument is a path.
    Bytes { path: bool },
    /// No operation at all: nothing is tested, anything is taken.
    Free,
}

/// The tuple in `text`, which stands at `span`, for a rule or role line on `ops`. Findings go to `out`; those about
/// values that match nothing are lints in `BoesFS` shape, errors in Casbin shape.
pub(super) fn tuple(text: &[u8], span: Span, ops: OpSet, shape: Shape, out: &mut Vec<Diagnostic>) -> Tuple {
    if text == b"*" {
        return Tuple(Vec::new());
    }
    let Some(inner) = text.strip_prefix(b"(").and_then(|rest| rest.strip_suffix(b")")) else {
        let shown = String::from_utf8_lossy(text);
        let help = match text.iter().rposition(|byte| *byte == b')') {
            Some(_) if text.starts_with(b"(") => "end it with its `)`: nothing may follow".to_owned(),
            _ => format!("write `({shown})`"),
        };
        out.push(
            Diagnostic::error("E0310", format!("`{shown}` is not a tuple"), span)
                .label("expected `(…)` or `*`")
                .help(help),
        );
        return Tuple(Vec::new());
    };
    // Spans of values are exact where the field stands in the source as it is.
    let verbatim = (span.end - span.start) as usize == text.len();
    let mut tests = Vec::new();
    let mut offset = 1;
    if inner.trim_ascii().is_empty() {
        out.push(
            Diagnostic::note("N0303", "an empty tuple tests nothing", span)
                .label("any arguments")
                .help("write `(*)`"),
        );
    } else {
        for (index, raw) in values(inner, shape).into_iter().enumerate() {
            let value = raw.trim_ascii();
            let lead = raw.len() - raw.trim_ascii_start().len();
            let at = if verbatim { span.part(offset + lead, value.len()) } else { span };
            offset += raw.len() + 1;
            tests.push(if value == b"*" {
                ValueTest::Any
            } else {
                match place(ops, index) {
                    Ok(place) => test(value, at, place, shape, out),
                    Err(problem) => {
                        out.push(problem.diagnostic(value, at));
                        break;
                    }
                }
            });
        }
    }
    while tests.last() == Some(&ValueTest::Any) {
        tests.pop();
    }
    Tuple(tests)
}

/// The values of a tuple: a comma between braces that are closed belongs to a pattern.
fn values(inner: &[u8], shape: Shape) -> Vec<&[u8]> {
    let plain = || inner.split(|b| *b == b',').collect();
    if shape == Shape::Boesfs || !inner.contains(&b'{') {
        return plain();
    }
    let mut values = Vec::new();
    let (mut start, mut at, mut depth) = (0, 0, 0_usize);
    while at < inner.len() {
        match inner[at] {
            b'\\' => at += 1,
            b'{' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                values.push(&inner[start..at]);
                start = at + 1;
            }
            _ => {}
        }
        at += 1;
    }
    values.push(&inner[start..]);
    if depth == 0 { values } else { plain() }
}

/// Why no value but `*` may stand at a place.
enum Misfit {
    Surplus(Op),
    Mixed(Op, Op),
}

impl Misfit {
    fn diagnostic(&self, value: &[u8], at: Span) -> Diagnostic {
        match self {
            Self::Surplus(op) => {
                let args = op.spec().args;
                let names: Vec<&str> = args.iter().map(|arg| arg.name).collect();
                let takes = match args.len() {
                    0 => "takes no arguments".to_owned(),
                    1 => format!("takes one argument: {}", names[0]),
                    n => format!("takes {n} arguments: {}", names.join(", ")),
                };
                Diagnostic::error("E0312", format!("`{op}` {takes}"), at)
                    .label("one value too many")
                    .help("remove it, or write `*`")
            }
            Self::Mixed(one, other) => Diagnostic::error(
                "E0313",
                format!("`{}` cannot fit both `{one}` and `{other}`", String::from_utf8_lossy(value)),
                at,
            )
            .label("a number for one of them, a path or text for the other")
            .help("write one rule for each operation"),
        }
    }
}

fn place(ops: OpSet, index: usize) -> Result<Place, Misfit> {
    let mut found: Option<(Op, Place)> = None;
    for op in ops.iter() {
        let Some(arg) = op.spec().args.get(index) else { return Err(Misfit::Surplus(op)) };
        let next = match arg.ty {
            ArgType::Unsigned => Place::Number { signed: false },
            ArgType::Signed => Place::Number { signed: true },
            ArgType::Path => Place::Bytes { path: true },
            ArgType::Text => Place::Bytes { path: false },
        };
        let merged = match (found, next) {
            (None, next) => next,
            (Some((_, Place::Number { signed: a })), Place::Number { signed: b }) => {
                Place::Number { signed: a && b }
            }
            (Some((_, Place::Bytes { path: a })), Place::Bytes { path: b }) => Place::Bytes { path: a || b },
            (Some((other, _)), _) => return Err(Misfit::Mixed(other, op)),
        };
        found = Some((op, merged));
    }
    Ok(found.map_or(Place::Free, |(_, place)| place))
}

fn test(value: &[u8], at: Span, place: Place, shape: Shape, out: &mut Vec<Diagnostic>) -> ValueTest {
    match (place, shape) {
        (Place::Free, _) => ValueTest::Any,
        (Place::Number { signed }, Shape::Boesfs) => {
            decimal(value, signed).map_or_else(|| no_decimal(value, at, out), ValueTest::Equals)
        }
        (Place::Number { signed }, Shape::Casbin) => match number_test(value, signed) {
            Ok(test) => test,
            Err(why) => {
                out.push(why.diagnostic(value, at));
                ValueTest::Nothing
            }
        },
        (Place::Bytes { path: true }, Shape::Boesfs) if !is_canonical(value) => {
            out.push(
                Diagnostic::denied(
                    &ABNORMAL_PATH,
                    format!("the path `{}` matches nothing", String::from_utf8_lossy(value)),
                    at,
                )
                .label("not absolute and normal")
                .help("write it from `/` on, without `//`, `.`, `..` and without a `/` at its end"),
            );
            ValueTest::Nothing
        }
        (Place::Bytes { .. }, Shape::Boesfs) => ValueTest::Literal(value.to_vec()),
        (Place::Bytes { path }, Shape::Casbin) => {
            if value.iter().any(|b| matches!(b, b'*' | b'?' | b'[' | b'{' | b'\\')) {
                return ValueTest::Pattern(value.to_vec());
            }
            if path && !is_canonical(value) {
                out.push(
                    Diagnostic::error(
                        "E0320",
                        format!("`{}` is not an absolute, normal path", String::from_utf8_lossy(value)),
                        at,
                    )
                    .label("matches no path")
                    .help("write it from `/` on, without `//`, `.`, `..` and without a `/` at its end"),
                );
            }
            ValueTest::Literal(value.to_vec())
        }
    }
}

fn decimal(value: &[u8], signed: bool) -> Option<u64> {
    let text = std::str::from_utf8(value).ok()?;
    let digits = if signed { text.strip_prefix('-').unwrap_or(text) } else { text };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    parse_number(text, if signed { ArgType::Signed } else { ArgType::Unsigned })
}

fn no_decimal(value: &[u8], at: Span, out: &mut Vec<Diagnostic>) -> ValueTest {
    out.push(
        Diagnostic::denied(
            &BAD_TUPLE_VALUE,
            format!("`{}` is not a decimal number and matches nothing", String::from_utf8_lossy(value)),
            at,
        )
        .label("a number stands here")
        .help("write it in decimal digits")
        .because("ranges, comparisons, masks and hexadecimal belong to policies with an `eft` column"),
    );
    ValueTest::Nothing
}

/// Why a value is no test of a number.
enum Wrong {
    Number { signed: bool },
    LeadingZero,
    EmptyRange,
}

impl Wrong {
    fn diagnostic(&self, value: &[u8], at: Span) -> Diagnostic {
        let shown = String::from_utf8_lossy(value);
        match self {
            Self::Number { signed } => {
                let kind = if *signed { "a signed 64-bit number" } else { "an unsigned 64-bit number" };
                Diagnostic::error("E0311", format!("`{shown}` is not {kind}"), at)
                    .label("a number stands here")
                    .help("write `7`, `0x1f`, `0o644`, `1..9`, `<=4096`, `!=0`, `&2` or `*`")
            }
            Self::LeadingZero => {
                let digits = shown.trim_start_matches(['<', '>', '=', '!', '&', '0']);
                Diagnostic::error("E0314", format!("`{shown}` begins with a zero"), at)
                    .label("octal or decimal?")
                    .help(format!("write `0o{digits}` if it is octal, `{digits}` if it is decimal"))
            }
            Self::EmptyRange => Diagnostic::error("E0315", format!("the range `{shown}` is empty"), at)
                .label("its start lies above its end")
                .help("swap the ends: both belong to the range"),
        }
    }
}

fn begins_with_zero(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    digits.len() > 1 && digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit())
}

/// What is wrong with the number `text` if it can be read as decimal and as octal.
pub(super) fn octal_or_decimal(text: &str, at: Span) -> Option<Diagnostic> {
    begins_with_zero(text).then(|| Wrong::LeadingZero.diagnostic(text.as_bytes(), at))
}

fn number_test(value: &[u8], signed: bool) -> Result<ValueTest, Wrong> {
    let text = std::str::from_utf8(value).map_err(|_| Wrong::Number { signed })?;
    let number = |text: &str| {
        let text = text.trim();
        if begins_with_zero(text) {
            return Err(Wrong::LeadingZero);
        }
        parse_number(text, if signed { ArgType::Signed } else { ArgType::Unsigned })
            .ok_or(Wrong::Number { signed })
    };
    if let Some((low, high)) = text.split_once("..") {
        let (low, high) = (number(low)?, number(high)?);
        #[expect(clippy::cast_possible_wrap, reason = "signed numbers are carried as two's complement")]
        let empty = if signed { low as i64 > high as i64 } else { low > high };
        return if empty { Err(Wrong::EmptyRange) } else { Ok(ValueTest::Range(low, high)) };
    }
    for (sign, op) in [
        ("<=", CompareOp::Le),
        (">=", CompareOp::Ge),
        ("!=", CompareOp::Ne),
        ("<", CompareOp::Lt),
        (">", CompareOp::Gt),
    ] {
        if let Some(rest) = text.strip_prefix(sign) {
            return Ok(ValueTest::Compare(op, number(rest)?));
        }
    }
    if let Some(rest) = text.strip_prefix('&') {
        return Ok(ValueTest::AnyBit(number(rest)?));
    }
    Ok(ValueTest::Equals(number(text)?))
}
