//! Requests and answers in the numbers the C code takes and gives.

use boesfs_abi::image::{RuleRef, ValidImage};
use boesfs_abi::layout::{FIELD_GID, FIELD_KIND, FIELD_UID};
use boesfs_abi::map::Call;
use boesfs_abi::op::Op;
use boesfs_abi::request::{ArgValue, Request};
use boesfs_abi::verdict::{Reason, Verdict};

use crate::question::{Answer, Because, Outcome};

/// `request` in numbers; `text_class` says which class a path or text argument falls into.
pub(super) fn call<E>(
    image: &ValidImage,
    request: &Request,
    text_class: impl Fn(&[u8]) -> Result<u32, E>,
) -> Result<Call, E> {
    let mut call = Call {
        op: request.op() as u32,
        class: image.class_of(request.sub(), request.dom()).0,
        ..Call::default()
    };
    for (place, arg) in request.args().iter().enumerate() {
        match arg {
            ArgValue::Unknown => {}
            ArgValue::Absent => call.absent |= 1 << place,
            ArgValue::Number(number) => know(&mut call, place, *number),
            ArgValue::Bytes(text) => {
                let class = text_class(text)?;
                know(&mut call, place, class.into());
            }
        }
    }
    let fields = [
        (FIELD_UID, request.uid.map(u64::from)),
        (FIELD_GID, request.gid.map(u64::from)),
        (FIELD_KIND, request.kind.map(|kind| kind as u64)),
    ];
    for (field, value) in fields {
        if let Some(value) = value {
            know(&mut call, field.into(), value);
        }
    }
    Ok(call)
}

fn know(call: &mut Call, field: usize, value: u64) {
    call.known |= 1 << field;
    call.value[field] = value;
}

/// The answer in `call`.
pub(super) fn answer(image: &ValidImage, request: &Request, call: &Call) -> Outcome {
    let reason = u8::try_from(call.reason).ok().and_then(Reason::from_id);
    let (Some(reason), 0 | 1) = (reason, call.deny) else {
        return Outcome::Failed(format!("no answer: deny {}, reason {}", call.deny, call.reason));
    };
    let (op, _) = image.asked_as(request.op());
    let class = image.class_of(request.sub(), request.dom());
    let at = RuleRef { class, cell: call.cell, entry: call.entry, op: Op::decided_as(op) };
    let known = at.cell < image.header().cell_count;
    let because = match known.then(|| image.rule_index(request.obj(), at)).flatten() {
        Some(rule) => Because::Rule(rule),
        None if reason == Reason::Default => Because::Default,
        None => Because::Untold,
    };
    let verdict = if call.deny == 1 { Verdict::Deny } else { Verdict::Allow };
    Outcome::Answered(Answer { verdict, because, stopped_by: None })
}
