//! Deciding in memory, before anything is packed.

use boesfs_abi::layout::{
    CONDITION_ANY_BIT, CONDITION_BETWEEN, CONDITION_KIND, FIELD_GID, FIELD_KIND, FIELD_UID, NO_RULE, Test,
};
use boesfs_abi::op::Op;
use boesfs_abi::request::{ArgValue, Request};
use boesfs_abi::verdict::{Errno, Verdict};

use crate::model::Shape;
use crate::rules::{ClassId, RuleId};

use super::Compiled;
use super::cell::{Cell, Line, Outcome};

/// What a request gets, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Allow or deny.
    pub verdict: Verdict,
    /// The rule that decided; `None` for a default. Where fields are unknown, the first in order that decides so for
    /// some completion.
    pub rule: Option<RuleId>,
    /// Denied, though some completion of what is unknown is allowed.
    pub unknown: bool,
    /// The error of a denial.
    pub errno: Errno,
    /// Whether it is reported.
    pub report: bool,
}

/// Whether a test holds, as far as is known.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Truth {
    Yes,
    No,
    Unknown,
}

#[derive(Clone, Copy)]
enum Value {
    Unknown,
    Absent,
    Number(u64),
    Text(u32),
}

/// The fields of a request, as tests look at them.
struct Fields {
    args: Vec<Value>,
    uid: Value,
    gid: Value,
    kind: Value,
}

impl Compiled {
    /// Decides `request`; `None` if its subject falls into no class.
    #[must_use]
    pub fn decide(&self, request: &Request) -> Option<Decision> {
        let ClassId(class) = self.subjects.class_of(request.sub(), request.dom());
        if class >= self.class_count {
            return None;
        }
        let (op, keeps_args) = match (self.shape, request.op().decided_as()) {
            (Shape::Boesfs, Op::Exec) => (Op::Open, false),
            (Shape::Boesfs, Op::Ioctl) => (Op::Setattr, false),
            (Shape::Boesfs | Shape::Casbin, op) => (op, true),
        };
        let known = |number: Option<u32>| number.map_or(Value::Unknown, |n| Value::Number(n.into()));
        let mut fields = Fields {
            args: vec![Value::Unknown; op.spec().args.len()],
            uid: known(request.uid),
            gid: known(request.gid),
            kind: known(request.kind.map(|kind| kind as u32)),
        };
        if keeps_args {
            fields.args = request.args().iter().map(|arg| self.value(arg)).collect();
        }
        let row = self.paths.label(self.paths.walk(request.obj()));
        Some(self.cell(row, class).decide(op, &fields, &self.texts))
    }

    fn value(&self, arg: &ArgValue) -> Value {
        match arg {
            ArgValue::Unknown => Value::Unknown,
            ArgValue::Absent => Value::Absent,
            ArgValue::Number(number) => Value::Number(*number),
            ArgValue::Bytes(bytes) => Value::Text(self.texts.class_of(bytes)),
        }
    }
}

impl Cell {
    fn decide(&self, op: Op, fields: &Fields, texts: &super::Texts) -> Decision {
        if !self.depend.contains(op) {
            let code = u8::from(self.errno_low.contains(op)) | u8::from(self.errno_high.contains(op)) << 1;
            return Decision::of(Outcome {
                rule: self.rules[op as usize],
                deny: self.deny.contains(op),
                errno: code,
                report: self.report.contains(op),
            });
        }
        let possible = |list: &[Line]| {
            list.iter()
                .find(|line| line.ops.contains(op) && line.truth(fields, texts) != Truth::No)
                .map(|line| line.outcome)
        };
        for line in self.first.iter().filter(|line| line.ops.contains(op)) {
            match line.truth(fields, texts) {
                Truth::No => {}
                Truth::Yes => return Decision::of(line.outcome),
                Truth::Unknown => {
                    let (denied, allowed) = (possible(&self.denies), possible(&self.allows));
                    let outcome = denied.or(allowed).expect("INVARIANT: boxes cover every request");
                    let unknown = denied.is_some() && allowed.is_some();
                    return Decision { unknown, ..Decision::of(outcome) };
                }
            }
        }
        unreachable!("INVARIANT: the last line of an operation has no test")
    }
}

impl Decision {
    fn of(outcome: Outcome) -> Self {
        Self {
            verdict: if outcome.deny { Verdict::Deny } else { Verdict::Allow },
            rule: (outcome.rule != NO_RULE).then_some(RuleId(outcome.rule)),
            unknown: false,
            errno: Errno::from_code(outcome.errno),
            report: outcome.report,
        }
    }
}

impl Line {
    fn truth(&self, fields: &Fields, texts: &super::Texts) -> Truth {
        let mut truth = Truth::Yes;
        for test in &self.tests {
            match holds(test, fields, texts) {
                Truth::Yes => {}
                Truth::No => return Truth::No,
                Truth::Unknown => truth = Truth::Unknown,
            }
        }
        truth
    }
}

fn holds(test: &Test, fields: &Fields, texts: &super::Texts) -> Truth {
    let value = match test.field {
        FIELD_UID => fields.uid,
        FIELD_GID => fields.gid,
        FIELD_KIND => fields.kind,
        place => fields.args.get(usize::from(place)).copied().unwrap_or(Value::Absent),
    };
    let condition = match value {
        Value::Unknown => return Truth::Unknown,
        Value::Absent => false,
        Value::Text(class) => texts.classes.sets()[test.set as usize].contains(class),
        Value::Number(number) => match test.condition {
            CONDITION_BETWEEN => (test.a..=test.b).contains(&number),
            CONDITION_ANY_BIT => number & test.a != 0,
            CONDITION_KIND => test.a >> number & 1 == 1,
            _ => unreachable!("INVARIANT: only tests of the field's type are kept"),
        },
    };
    if condition == (test.holds == 1) { Truth::Yes } else { Truth::No }
}
