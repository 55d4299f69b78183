//! The lint `impossible-value`.

use boesfs_abi::op::{ArgType, OpSet};

use super::Lint;
use super::findings::Findings;
use crate::diagnostic::Diagnostic;
use crate::model::{CompareOp, ValueTest};

/// A tuple value that no argument has.
pub static IMPOSSIBLE_VALUE: Lint = Lint {
    code: "W0327",
    name: "impossible-value",
    finds: "a tuple value that no argument has",
    page: include_str!("impossible_value.md"),
};

pub(super) fn check(found: &mut Findings<'_>) {
    let model = found.model;
    for (index, rule) in model.rules.iter().enumerate() {
        for field in &rule.fields {
            let Some(tuple) = field.tuple.as_ref().filter(|tuple| !tuple.0.is_empty()) else { continue };
            let ops = rule.fields.iter().filter_map(|field| field.ops).fold(OpSet::EMPTY, OpSet::union);
            let signed = |place: usize| {
                ops.iter().any(|op| op.spec().args.get(place).is_some_and(|arg| arg.ty == ArgType::Signed))
            };
            let Some(why) = tuple.0.iter().enumerate().find_map(|(place, test)| why(test, signed(place)))
            else {
                continue;
            };
            let shown = String::from_utf8_lossy(&field.text);
            found.on_rule(
                index,
                Diagnostic::warning(
                    &IMPOSSIBLE_VALUE,
                    format!("no request has the arguments `{shown}`"),
                    field.span,
                )
                .label(why),
            );
        }
    }
}

/// Why nothing passes `test`, if that is so.
fn why(test: &ValueTest, signed: bool) -> Option<&'static str> {
    let after = |a: u64, b: u64| if signed { a.cast_signed() > b.cast_signed() } else { a > b };
    match test {
        ValueTest::Range(low, high) if after(*low, *high) => Some("the range ends before it begins"),
        ValueTest::AnyBit(0) => Some("the mask has no bit"),
        ValueTest::Compare(CompareOp::Lt, 0) if !signed => Some("nothing is less than 0"),
        ValueTest::Compare(CompareOp::Gt, u64::MAX) if !signed => Some("nothing is greater"),
        ValueTest::Any
        | ValueTest::Equals(_)
        | ValueTest::Range(..)
        | ValueTest::Compare(..)
        | ValueTest::AnyBit(_)
        | ValueTest::Literal(_)
        | ValueTest::Pattern(_)
        | ValueTest::Nothing => None,
    }
}
