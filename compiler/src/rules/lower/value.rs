//! Tests of single values to conditions on unsigned intervals and bits.

use boesfs_abi::op::{ArgType, OpSet};

use crate::model::{CompareOp, ValueTest};
use crate::rules::{Condition, Test, TestField, TextId};

use super::dnf::{Formula, Leaf};

/// Bit `1 << kind` for every kind.
pub(super) const EVERY_KIND: u8 = 0x7F;

/// What no request satisfies, but for the entry it makes.
pub(super) fn never() -> Formula {
    Formula::Leaf(Leaf::Ops(OpSet::EMPTY))
}

/// The opposite of `formula`; `None` if it speaks of an entry.
pub(super) fn negated(
    formula: &Formula,
    cells: &impl Fn(&super::cells::Cells) -> super::cells::Cells,
) -> Option<Formula> {
    let each = |parts: &[Formula]| parts.iter().map(|part| negated(part, cells)).collect::<Option<Vec<_>>>();
    Some(match formula {
        Formula::And(parts) => match parts.split_first() {
            // What is tested after the operation is known is tested of that operation only.
            Some((guard @ Formula::Leaf(Leaf::Ops(_)), rest)) if !rest.is_empty() => Formula::Or(vec![
                negated(guard, cells)?,
                Formula::And(vec![guard.clone(), Formula::Or(each(rest)?)]),
            ]),
            _ => Formula::Or(each(parts)?),
        },
        Formula::Or(parts) => Formula::And(each(parts)?),
        Formula::Leaf(leaf) => match leaf {
            Leaf::Cells(set) => Formula::Leaf(Leaf::Cells(cells(set))),
            Leaf::Path(test) => {
                Formula::Leaf(Leaf::Path(crate::rules::PathTest { holds: !test.holds, ..*test }))
            }
            Leaf::Ops(ops) => Formula::Leaf(Leaf::Ops(OpSet::ALL.difference(*ops))),
            Leaf::Test(test) => test_negated(test),
            Leaf::Place(..) => return None,
        },
    })
}

/// Ids and kinds are never absent: their opposites are said without a negation.
fn test_negated(test: &Test) -> Formula {
    match (test.field, &test.condition) {
        (TestField::Uid | TestField::Gid, Condition::Between(low, high)) => {
            let below = low.checked_sub(1).map(|last| (0, last));
            let above = (*high < u64::from(u32::MAX)).then(|| (high + 1, u64::MAX));
            within(test.field, &below.into_iter().chain(above).collect::<Vec<_>>())
        }
        (TestField::Kind, Condition::KindIn(mask)) => kinds(EVERY_KIND & !mask),
        (_, condition) => {
            Formula::Leaf(Leaf::Test(Test { field: test.field, condition: *condition, holds: !test.holds }))
        }
    }
}

/// The kind is one of `mask`.
pub(super) fn kinds(mask: u8) -> Formula {
    match mask {
        0 => never(),
        EVERY_KIND => Formula::truth(true),
        mask => leaf(TestField::Kind, Condition::KindIn(mask)),
    }
}

/// The bytes lie in a language.
pub(super) fn text(field: TestField, id: TextId) -> Formula {
    leaf(field, Condition::Text(id))
}

/// The formula that a number of type `ty` in `field` passes `test`.
pub(super) fn number(field: TestField, test: &ValueTest, ty: ArgType) -> Formula {
    match test {
        ValueTest::Any => Formula::truth(true),
        ValueTest::Nothing | ValueTest::Literal(_) | ValueTest::Pattern(_) => never(),
        ValueTest::AnyBit(0) => never(),
        ValueTest::AnyBit(mask) => leaf(field, Condition::AnyBit(*mask)),
        ValueTest::Equals(number) => within(field, &[(*number, *number)]),
        ValueTest::Range(low, high) => {
            let bias = bias(ty);
            within(field, &unbiased(low ^ bias, high ^ bias, bias))
        }
        ValueTest::Compare(op, than) => {
            let bias = bias(ty);
            let than = than ^ bias;
            let below = than.checked_sub(1).map(|last| (0, last));
            let above = than.checked_add(1).map(|first| (first, u64::MAX));
            let intervals: Vec<(u64, u64)> = match op {
                CompareOp::Eq => vec![(than, than)],
                CompareOp::Ne => below.into_iter().chain(above).collect(),
                CompareOp::Lt => below.into_iter().collect(),
                CompareOp::Le => vec![(0, than)],
                CompareOp::Gt => above.into_iter().collect(),
                CompareOp::Ge => vec![(than, u64::MAX)],
            };
            let intervals: Vec<(u64, u64)> =
                intervals.into_iter().flat_map(|(low, high)| unbiased(low, high, bias)).collect();
            within(field, &intervals)
        }
    }
}

/// Added to a number, it makes the order of signed numbers that of unsigned ones.
fn bias(ty: ArgType) -> u64 {
    match ty {
        ArgType::Signed => 1 << 63,
        ArgType::Unsigned | ArgType::Path | ArgType::Text => 0,
    }
}

/// The interval with `bias` taken off: two, if it crosses zero.
fn unbiased(low: u64, high: u64, bias: u64) -> Vec<(u64, u64)> {
    if low > high {
        Vec::new()
    } else if low < bias && bias <= high {
        vec![(low ^ bias, u64::MAX), (0, high ^ bias)]
    } else {
        vec![(low ^ bias, high ^ bias)]
    }
}

/// The number lies in one of `intervals`. Ids have 32 bits.
fn within(field: TestField, intervals: &[(u64, u64)]) -> Formula {
    let most = u64::from(u32::MAX);
    let id = matches!(field, TestField::Uid | TestField::Gid);
    let mut parts = Vec::with_capacity(intervals.len());
    for (low, high) in intervals {
        let high = if id { (*high).min(most) } else { *high };
        if *low == 0 && id && high == most {
            return Formula::truth(true);
        }
        if *low <= high {
            parts.push(leaf(field, Condition::Between(*low, high)));
        }
    }
    if parts.is_empty() { never() } else { Formula::Or(parts) }
}

fn leaf(field: TestField, condition: Condition) -> Formula {
    Formula::Leaf(Leaf::Test(Test { field, condition, holds: true }))
}
