//! Tests of single values: arguments, uid, gid (LANGUAGE §5).

use boesfs_abi::op::ArgType;
use boesfs_abi::request::{ArgValue, parse_number};

use crate::model::{CompareOp, Operand, Rule, ValueTest};

use super::pattern::path_match;

/// Whether `value` passes `test`; `None` if that is not known.
pub(super) fn passes(test: &ValueTest, value: &ArgValue, ty: ArgType) -> Option<bool> {
    match (test, value) {
        (ValueTest::Any, _) => Some(true),
        (ValueTest::Nothing, _) | (_, ArgValue::Absent) => Some(false),
        (_, ArgValue::Unknown) => None,
        (_, ArgValue::Number(number)) => Some(number_passes(test, *number, ty)),
        (_, ArgValue::Bytes(bytes)) => Some(match test {
            ValueTest::Literal(literal) => bytes == literal,
            ValueTest::Pattern(pattern) => path_match(pattern, bytes),
            ValueTest::Any
            | ValueTest::Nothing
            | ValueTest::Equals(_)
            | ValueTest::Range(..)
            | ValueTest::Compare(..)
            | ValueTest::AnyBit(_) => false,
        }),
    }
}

fn number_passes(test: &ValueTest, number: u64, ty: ArgType) -> bool {
    let order = |number: u64| match ty {
        ArgType::Signed => i128::from(number.cast_signed()),
        ArgType::Unsigned | ArgType::Path | ArgType::Text => i128::from(number),
    };
    match test {
        ValueTest::Equals(want) => number == *want,
        ValueTest::Range(low, high) => (order(*low)..=order(*high)).contains(&order(number)),
        ValueTest::Compare(op, than) => compares(*op, &order(number), &order(*than)),
        ValueTest::AnyBit(mask) => number & mask != 0,
        ValueTest::Any => true,
        ValueTest::Literal(_) | ValueTest::Pattern(_) | ValueTest::Nothing => false,
    }
}

/// Whether `left op right`.
pub(super) fn compares<T: Ord + ?Sized>(op: CompareOp, left: &T, right: &T) -> bool {
    match op {
        CompareOp::Eq => left == right,
        CompareOp::Ne => left != right,
        CompareOp::Lt => left < right,
        CompareOp::Le => left <= right,
        CompareOp::Gt => left > right,
        CompareOp::Ge => left >= right,
    }
}

/// A test of one value that must be passed, or must not be; an absent value does neither.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Check {
    /// What the value is held against.
    pub(super) test: ValueTest,
    /// Whether the value must fail the test.
    pub(super) differs: bool,
}

impl Check {
    pub(super) fn passes(&self, value: &ArgValue, ty: ArgType) -> Option<bool> {
        if *value == ArgValue::Absent && self.differs {
            return Some(false);
        }
        passes(&self.test, value, ty).map(|passed| passed != self.differs)
    }

    /// What comparing a value of type `ty` with `operand` amounts to.
    pub(super) fn comparison(op: CompareOp, operand: &Operand, rule: &Rule, ty: ArgType) -> Self {
        let text = match operand {
            Operand::Number(number) => return Self::of(ValueTest::Compare(op, *number)),
            Operand::Field(column) => &rule.fields[*column].text,
            Operand::Text { text, .. } => text,
            Operand::Request(_) | Operand::Kind(_) => return Self::of(ValueTest::Nothing),
        };
        match ty {
            ArgType::Unsigned | ArgType::Signed => Self::of(
                std::str::from_utf8(text)
                    .ok()
                    .and_then(|text| parse_number(text, ty))
                    .map_or(ValueTest::Nothing, |number| ValueTest::Compare(op, number)),
            ),
            ArgType::Path | ArgType::Text => {
                Self { test: ValueTest::Literal(text.clone()), differs: op == CompareOp::Ne }
            }
        }
    }

    pub(super) fn of(test: ValueTest) -> Self {
        Self { test, differs: false }
    }
}
