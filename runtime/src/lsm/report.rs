//! From the ring buffer's bytes to events.

use boesfs_abi::event::{self, Event as Raw};
use boesfs_abi::image::{RuleRef as At, ValidImage};
use boesfs_abi::layout::{EVENT_KILLED, EVENT_PATH_TRUNCATED, NO_RULE};
use boesfs_abi::op::{ArgType, Op};
use boesfs_abi::request::ArgValue;
use boesfs_abi::verdict::{Errno, Level, Reason, Verdict};

use super::subject::ClassNames;
use crate::events::{Cause, Event, EventErrno, Record, RuleRef};
use crate::plane::Plane;

/// What turns records of one sandbox into events.
pub(super) struct Translator<'a> {
    pub(super) image: &'a ValidImage,
    pub(super) policy: &'a str,
    pub(super) sandbox: &'a str,
    pub(super) names: &'a ClassNames,
    /// Nanoseconds from 1970 to the boot clock's zero.
    pub(super) boot: u64,
}

impl Translator<'_> {
    /// Hands the records that `bytes` come to over to `sink`; `false` if they are malformed.
    pub(super) fn translate(&self, bytes: &[u8], sink: &mut dyn FnMut(Record)) -> bool {
        let Some(raw) = event::decode(bytes) else { return false };
        sink(Record::Event(Box::new(self.event(&raw))));
        if raw.record.flags & EVENT_KILLED != 0 {
            sink(Record::Limit);
        }
        true
    }

    fn event(&self, raw: &Raw<'_>) -> Event {
        let record = &raw.record;
        let denied = record.deny == 1;
        // The event names the operation that was called, the cell that of which it is an alias.
        let (op, _) = self.image.asked_as(raw.op);
        let at = (record.cell != NO_RULE).then_some(At { cell: record.cell, entry: record.entry, op });
        let rule = at.and_then(|at| self.image.rule(at));
        let named = rule.map(|rule| RuleRef {
            id: if rule.id.is_empty() { rule.line.to_string() } else { rule.id.clone() },
            line: rule.line,
            text: rule.text.clone(),
        });
        Event {
            time: self.boot + record.time,
            sandbox: self.sandbox.to_owned(),
            policy: self.policy.to_owned(),
            generation: record.generation,
            pid: record.pid,
            uid: Some(record.uid),
            sub: self.names.of(record.class, record.pid),
            op: Some(raw.op),
            path: Some(raw.path.to_vec()),
            path_truncated: record.flags & EVENT_PATH_TRUNCATED != 0,
            args: args(raw),
            verdict: if denied { Verdict::Deny } else { Verdict::Allow },
            errno: denied.then(|| errno(record.errno)),
            level: rule.map_or(Level::Event, |rule| rule.level),
            cause: match (named, raw.reason) {
                (Some(rule), Reason::Rule) => Cause::Rule(rule),
                (Some(rule), reason) => Cause::RuleBecause(rule, reason),
                (None, reason) => Cause::Because(reason),
            },
            plane: Plane::Lsm,
        }
    }
}

fn errno(number: u32) -> EventErrno {
    (0..4)
        .map(Errno::from_code)
        .find(|errno| u32::try_from(errno.number()) == Ok(number))
        .map_or(EventErrno::Xdev, EventErrno::Policy)
}

/// The tuple, as far as it was known; a path or text stands behind the record's path.
fn args(raw: &Raw<'_>) -> Vec<ArgValue> {
    let specs = raw.op.spec().args;
    let two_names = matches!(raw.op, Op::Rename | Op::Link | Op::Symlink);
    let value = |(place, ty): (usize, ArgType)| match ty {
        ArgType::Path | ArgType::Text if two_names => ArgValue::Bytes(raw.argument.to_vec()),
        _ if raw.record.args_absent >> place & 1 == 1 => ArgValue::Absent,
        _ if raw.record.args_known >> place & 1 == 1 => ArgValue::Number(raw.record.args[place]),
        _ => ArgValue::Unknown,
    };
    specs.iter().enumerate().map(|(place, spec)| value((place, spec.ty))).collect()
}
