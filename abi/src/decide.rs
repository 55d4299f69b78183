//! Deciding one operation on one object, on an image.
//!
//! The C twin is `ebpf/bpf/decide.h`; both follow the lists of [`crate::layout`] and must agree on every request.

use crate::image::{ClassId, RuleRef, State, ValidImage};
use crate::layout::{
    CONDITION_ANY_BIT, CONDITION_BETWEEN, CONDITION_KIND, Cell, Entry, FIELD_GID, FIELD_KIND, FIELD_UID,
    NO_RULE, Test,
};
use crate::op::{Access, MAX_ARGS, Op, OpSet};
use crate::request::{ArgValue, Kind, Request};
use crate::verdict::{Errno, Reason, Verdict};

/// What is known of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldValue {
    /// Nothing.
    Unknown,
    /// The call does not carry it.
    Absent,
    /// A number, or the text class of a path or text.
    Known(u64),
}

/// What is known of a request's fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fields {
    /// The operation's arguments, in order.
    pub args: [FieldValue; MAX_ARGS],
    /// The caller's uid.
    pub uid: Option<u32>,
    /// The caller's gid.
    pub gid: Option<u32>,
    /// The object's kind.
    pub kind: Option<Kind>,
}

impl Fields {
    /// Nothing known.
    pub const UNKNOWN: Self =
        Self { args: [FieldValue::Unknown; MAX_ARGS], uid: None, gid: None, kind: None };

    /// The same without arguments.
    #[must_use]
    pub fn without_args(self) -> Self {
        Self { args: [FieldValue::Unknown; MAX_ARGS], ..self }
    }

    /// The same with `args` for its arguments; paths and texts by their class.
    #[must_use]
    pub fn with_args(mut self, image: &ValidImage, args: &[ArgValue]) -> Self {
        self.args = [FieldValue::Unknown; MAX_ARGS];
        for (field, arg) in self.args.iter_mut().zip(args) {
            *field = match arg {
                ArgValue::Unknown => FieldValue::Unknown,
                ArgValue::Absent => FieldValue::Absent,
                ArgValue::Number(number) => FieldValue::Known(*number),
                ArgValue::Bytes(text) => FieldValue::Known(image.text_class(text).into()),
            };
        }
        self
    }

    fn value(&self, field: u8) -> FieldValue {
        let known = |value: Option<u32>| value.map_or(FieldValue::Unknown, |v| FieldValue::Known(v.into()));
        match field {
            FIELD_UID => known(self.uid),
            FIELD_GID => known(self.gid),
            FIELD_KIND => known(self.kind.map(|kind| kind as u32)),
            place => self.args[place as usize],
        }
    }
}

/// The decision about one operation on one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Allow or deny.
    pub verdict: Verdict,
    /// What decided.
    pub at: Option<RuleRef>,
    /// [`Reason::Rule`], [`Reason::Default`], [`Reason::UnknownArgs`], or [`Reason::Unresolved`] for a class that is
    /// not there.
    pub reason: Reason,
    /// The error of a denial.
    pub errno: Errno,
    /// Whether it is reported as an event.
    pub report: bool,
}

/// The truth of a conjunction of tests, some of whose fields may be unknown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Truth {
    Yes,
    No,
    Unknown,
}

impl ValidImage {
    /// The operation that is asked in the place of `op`, and whether its arguments count.
    #[must_use]
    pub fn asked_as(&self, op: Op) -> (Op, bool) {
        match op {
            Op::Lookup2 => (Op::Lookup, true),
            Op::Exec if self.is_boesfs() => (Op::Open, false),
            Op::Ioctl if self.is_boesfs() => (Op::Setattr, false),
            op => (op, true),
        }
    }

    /// Decides `request` by the texts of its subject and domain.
    #[must_use]
    pub fn decide_request(&self, request: &Request) -> Decision {
        let fields = Fields { uid: request.uid, gid: request.gid, kind: request.kind, ..Fields::UNKNOWN }
            .with_args(self, request.args());
        let class = self.class_of(request.sub(), request.dom());
        self.decide(self.walk(self.path_start(), request.obj()), class, request.op(), &fields)
    }

    /// Decides `op` by `class` on the object whose path led to `state`.
    #[must_use]
    pub fn decide(&self, state: State, class: ClassId, op: Op, fields: &Fields) -> Decision {
        let (op, keeps_args) = self.asked_as(op);
        let fields = if keeps_args { *fields } else { fields.without_args() };
        let Some((index, cell)) = self.cell_at(state, class) else {
            return Decision {
                verdict: Verdict::Deny,
                at: None,
                reason: Reason::Unresolved,
                errno: Errno::Acces,
                report: true,
            };
        };
        let at = |entry| Some(RuleRef { class, cell: index, entry, op });
        if !OpSet::from_bits(cell.depend).contains(op) {
            return static_decision(&cell, op, at(NO_RULE));
        }
        for (number, entry) in self.entries(cell.first, cell.first_count) {
            if !OpSet::from_bits(entry.ops).contains(op) {
                continue;
            }
            match self.holds(&entry, &fields) {
                Truth::No => {}
                Truth::Yes => {
                    return Decision {
                        verdict: if entry.deny == 1 { Verdict::Deny } else { Verdict::Allow },
                        at: at(number),
                        reason: if entry.by_default == 1 { Reason::Default } else { Reason::Rule },
                        errno: Errno::from_code(entry.errno),
                        report: entry.report == 1,
                    };
                }
                Truth::Unknown => return self.decide_unknown(at, &cell, op, &fields),
            }
        }
        unreachable!("INVARIANT(valid): the last entry of an operation has no test")
    }

    /// Denies if some completion of the unknown fields is denied. The box that says so stands for the rule.
    fn decide_unknown(
        &self,
        at: impl Fn(u32) -> Option<RuleRef>,
        cell: &Cell,
        op: Op,
        fields: &Fields,
    ) -> Decision {
        let denying = self.first_box(cell.denies, cell.denies_count, op, fields);
        let denied = denying.is_some();
        let named = denying.or_else(|| self.first_box(cell.allows, cell.allows_count, op, fields));
        Decision {
            verdict: if denied { Verdict::Deny } else { Verdict::Allow },
            at: named.and_then(|(number, _)| at(number)),
            reason: if denied { Reason::UnknownArgs } else { Reason::Rule },
            errno: named.map_or(Errno::Acces, |(_, entry)| Errno::from_code(entry.errno)),
            report: named.map_or(denied, |(_, entry)| entry.report == 1),
        }
    }

    /// Whether `op` is denied whatever its arguments, the rest of `fields` as given: nothing is left to allow. Of `open`
    /// only what gives `access` counts.
    #[must_use]
    pub fn never_allowed(
        &self,
        state: State,
        class: ClassId,
        (op, access): (Op, Access),
        fields: &Fields,
    ) -> bool {
        let (op, _) = self.asked_as(op);
        let fields = fields.without_args();
        let Some((_, cell)) = self.cell_at(state, class) else { return true };
        if OpSet::from_bits(cell.depend).contains(op) {
            let gives = |entry: &Entry| op != Op::Open || entry.gives & access as u8 != 0;
            let entries = self.entries(cell.allows, cell.allows_count);
            return !entries
                .filter(|(_, entry)| OpSet::from_bits(entry.ops).contains(op) && gives(entry))
                .any(|(_, entry)| self.holds(&entry, &fields) != Truth::No);
        }
        OpSet::from_bits(cell.deny).contains(op)
    }

    /// As [`ValidImage::never_allowed`], for some caller and kind of object where these are not known: values on either
    /// side of every test stand for all.
    #[must_use]
    pub fn never_allowed_for_some(
        &self,
        state: State,
        class: ClassId,
        (op, access): (Op, Access),
        fields: &Fields,
    ) -> bool {
        let known = |fields: &Fields| fields.uid.is_some() && fields.gid.is_some() && fields.kind.is_some();
        let depends = |cell: &Cell| OpSet::from_bits(cell.depend).contains(self.asked_as(op).0);
        let cell = match self.cell_at(state, class) {
            Some((_, cell)) if depends(&cell) && !known(fields) => cell,
            _ => return self.never_allowed(state, class, (op, access), fields),
        };
        let tests: Vec<Test> = self
            .entries(cell.allows, cell.allows_count)
            .flat_map(|(_, entry)| self.tests(&entry).collect::<Vec<_>>())
            .collect();
        let ids = |known: Option<u32>, field: u8| -> Vec<u32> {
            let bounds = tests
                .iter()
                .filter(|test| test.field == field && test.condition == CONDITION_BETWEEN)
                .flat_map(|test| [Some(test.a), test.b.checked_add(1)])
                .flatten()
                .filter_map(|bound| u32::try_from(bound).ok());
            match known {
                Some(known) => vec![known],
                None => std::iter::once(0).chain(bounds).collect(),
            }
        };
        let kinds = fields.kind.map_or_else(|| Kind::ALL.to_vec(), |kind| vec![kind]);
        let (uids, gids) = (ids(fields.uid, FIELD_UID), ids(fields.gid, FIELD_GID));
        uids.iter().any(|uid| {
            gids.iter().any(|gid| {
                kinds.iter().any(|kind| {
                    let fields = Fields { uid: Some(*uid), gid: Some(*gid), kind: Some(*kind), ..*fields };
                    self.never_allowed(state, class, (op, access), &fields)
                })
            })
        })
    }

    fn first_box(&self, from: u32, count: u32, op: Op, fields: &Fields) -> Option<(u32, Entry)> {
        self.entries(from, count)
            .filter(|(_, entry)| OpSet::from_bits(entry.ops).contains(op))
            .find(|(_, entry)| self.holds(entry, fields) != Truth::No)
    }

    fn holds(&self, entry: &Entry, fields: &Fields) -> Truth {
        let mut truth = Truth::Yes;
        for test in self.tests(entry) {
            match self.test(&test, fields.value(test.field)) {
                Truth::Yes => {}
                Truth::No => return Truth::No,
                Truth::Unknown => truth = Truth::Unknown,
            }
        }
        truth
    }

    fn test(&self, test: &Test, value: FieldValue) -> Truth {
        let condition = match value {
            FieldValue::Unknown => return Truth::Unknown,
            FieldValue::Absent => false,
            FieldValue::Known(value) => match test.condition {
                CONDITION_BETWEEN => (test.a..=test.b).contains(&value),
                CONDITION_ANY_BIT => value & test.a != 0,
                CONDITION_KIND => test.a & (1 << value) != 0,
                _ => self.set_contains(test.set, value as u32),
            },
        };
        if condition == (test.holds == 1) { Truth::Yes } else { Truth::No }
    }
}

fn static_decision(cell: &Cell, op: Op, at: Option<RuleRef>) -> Decision {
    let has = |mask: u32| OpSet::from_bits(mask).contains(op);
    let code = u8::from(has(cell.errno_low)) | u8::from(has(cell.errno_high)) << 1;
    let denied = has(cell.deny);
    Decision {
        verdict: if denied { Verdict::Deny } else { Verdict::Allow },
        at,
        reason: if has(cell.by_default) { Reason::Default } else { Reason::Rule },
        errno: Errno::from_code(code),
        report: has(cell.report),
    }
}
