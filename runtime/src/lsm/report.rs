//! From the ring buffer's bytes to events.

use boesfs_abi::event::{self, Event as Raw};
use boesfs_abi::image::{ClassId, RuleRef as At};
use boesfs_abi::layout::{EVENT_KILLED, EVENT_PATH_TRUNCATED, EVENT_PERMISSIVE, NO_RULE};
use boesfs_abi::op::{ArgType, Op};
use boesfs_abi::request::ArgValue;
use boesfs_abi::verdict::{Errno, Level, Reason, Verdict};

use super::policies::Known;
use crate::events::{Cause, Event, EventErrno, Record, RuleRef};
use crate::plane::Plane;

/// What turns records of one sandbox into events.
pub(super) struct Translator<'a> {
    pub(super) sandbox: &'a str,
    /// Nanoseconds from 1970 to the boot clock's zero.
    pub(super) boot: u64,
}

impl Translator<'_> {
    /// Hands the records that `bytes` come to over to `sink`, naming rules by the `policy` of their generation; `false`
    /// if they are malformed.
    pub(super) fn translate<'k>(
        &self,
        bytes: &[u8],
        policy: impl FnOnce(u64) -> &'k Known,
        sink: &mut dyn FnMut(Record),
    ) -> bool {
        let Some(raw) = event::decode(bytes) else { return false };
        sink(Record::Event(Box::new(self.event(&raw, policy(raw.record.generation)))));
        if raw.record.flags & EVENT_KILLED != 0 {
            sink(Record::Limit);
        }
        true
    }

    fn event(&self, raw: &Raw<'_>, policy: &Known) -> Event {
        let record = &raw.record;
        let denied = record.deny == 1;
        let enforced = denied && record.flags & EVENT_PERMISSIVE == 0;
        // The event names the operation that was called, the cell that of which it is an alias.
        let (op, _) = policy.image.asked_as(raw.op);
        let class = ClassId(record.class);
        let is_told = record.cell != NO_RULE && !policy.is_stand_in;
        let at = is_told.then_some(At { class, cell: record.cell, entry: record.entry, op });
        let rule = at.and_then(|at| policy.image.rule(raw.path, at));
        let named = rule.map(|rule| RuleRef {
            id: if rule.id.is_empty() { rule.line.to_string() } else { rule.id.to_owned() },
            line: rule.line,
            text: rule.text.to_owned(),
        });
        Event {
            time: self.boot + record.time,
            sandbox: self.sandbox.to_owned(),
            policy: policy.id.clone(),
            generation: record.generation,
            pid: record.pid,
            uid: Some(record.uid),
            sub: policy.names.of(record.class, record.pid),
            op: Some(raw.op),
            path: (!raw.path.is_empty()).then(|| raw.path.to_vec()),
            path_truncated: record.flags & EVENT_PATH_TRUNCATED != 0,
            args: args(raw),
            verdict: if denied { Verdict::Deny } else { Verdict::Allow },
            errno: enforced.then(|| errno(record.errno)),
            level: rule.map_or(Level::Event, |rule| rule.level),
            cause: match (named, raw.reason) {
                (Some(rule), Reason::Rule) => Cause::Rule(rule),
                (Some(rule), reason) => Cause::RuleBecause(rule, reason),
                (None, reason) => Cause::Because(reason),
            },
            plane: Plane::Lsm,
            folded: record.reserved2[0],
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lsm::subject::ClassNames;
    use boesfs_abi::image::{ValidImage, decode};
    use boesfs_abi::layout::EventRecord;
    use boesfs_abi::request::Request;

    const IMAGE: &[u8] = include_bytes!("../../../abi/tests/images/boesfs.bin");
    const NAME: &[u8] = b"/bin/sh";

    /// What the ring buffer holds for the decision about `op` on `path`: the cell is that of the operation it is
    /// decided as, the operation the one that was called.
    fn record(image: &ValidImage, op: Op, path: &[u8]) -> Vec<u8> {
        let decision = image.decide_request(&Request::new(NAME, path, op).unwrap());
        let at = decision.at.expect("a rule decides");
        let mut bytes = Vec::new();
        let record = EventRecord {
            class: at.class.0,
            cell: at.cell,
            entry: at.entry,
            errno: u32::try_from(decision.errno.number()).unwrap(),
            path_len: u32::try_from(path.len()).unwrap(),
            op: op as u8,
            deny: u8::from(decision.verdict == Verdict::Deny),
            reason: decision.reason as u8,
            ..EventRecord::default()
        };
        bytes.extend([record.time, record.sandbox, record.generation].map(u64::to_le_bytes).concat());
        bytes.extend(record.args.map(u64::to_le_bytes).concat());
        let words = [record.pid, record.uid, record.class, record.cell, record.entry, record.errno];
        bytes.extend(words.map(u32::to_le_bytes).concat());
        bytes.extend([record.path_len, record.arg_len].map(u32::to_le_bytes).concat());
        bytes.extend([record.op, record.deny, record.reason, record.flags]);
        bytes.resize(size_of::<EventRecord>(), 0);
        bytes.extend(path);
        bytes
    }

    fn translated(image: &ValidImage, bytes: &[u8]) -> Option<Event> {
        let known = Known {
            id: "id".to_owned(),
            image: std::sync::Arc::new(image.clone()),
            names: ClassNames::Entry(NAME.to_vec()),
            is_stand_in: false,
        };
        let translator = Translator { sandbox: "box", boot: 5 };
        let mut events = Vec::new();
        let read = translator.translate(bytes, |_| &known, &mut |record| {
            if let Record::Event(event) = record {
                events.push(*event);
            }
        });
        read.then(|| events.remove(0))
    }

    #[test]
    fn an_event_names_the_call_and_the_rule_of_what_it_is_an_alias_of() {
        let image = decode(IMAGE).unwrap();
        for (op, path, id) in [
            (Op::Exec, &b"/srv/tool"[..], "not-opened"),
            (Op::Open, b"/srv/tool", "not-opened"),
            (Op::Ioctl, b"/srv/fixed/a", "not-changed"),
            (Op::Setattr, b"/srv/fixed/a", "not-changed"),
        ] {
            let event = translated(&image, &record(&image, op, path)).expect("a whole record");
            assert_eq!((event.op, event.path.as_deref()), (Some(op), Some(path)));
            assert_eq!((event.verdict, event.time), (Verdict::Deny, 5));
            let Cause::Rule(rule) = event.cause else { panic!("{op}: no rule decided") };
            assert_eq!(rule.id, id, "{op}");
        }
    }

    #[test]
    fn what_is_at_no_known_place_has_no_path() {
        let image = decode(IMAGE).unwrap();
        let mut bytes = record(&image, Op::Exec, b"/srv/tool");
        assert_eq!(translated(&image, &bytes).unwrap().path.as_deref(), Some(&b"/srv/tool"[..]));
        let length = std::mem::offset_of!(EventRecord, path_len);
        bytes[length..length + 4].fill(0);
        assert_eq!(translated(&image, &bytes).unwrap().path, None);
    }

    #[test]
    fn a_record_that_is_cut_is_no_event() {
        let image = decode(IMAGE).unwrap();
        let whole = record(&image, Op::Exec, b"/srv/tool");
        for end in 0..whole.len() {
            assert!(translated(&image, &whole[..end]).is_none(), "cut to {end} bytes");
        }
    }
}
