//! Questions to an image, answered by the Rust and by the C that read it.

use boesfs_abi::decide::{FieldValue, Fields};
use boesfs_abi::image::{ClassId, ValidImage};
use boesfs_abi::layout::{FIELD_GID, FIELD_KIND, FIELD_UID, NO_CLASS, NO_RULE};
use boesfs_abi::map::Call;
use boesfs_abi::op::{Access, ArgType, OPS, Op, OpSpec};
use boesfs_abi::request::Kind;
use boesfs_abi::verdict::{Errno, Reason, Verdict};
use boesfs_ebpf::native::NativePolicy;

use crate::draw::Draw;

/// Numbers that policies test for, and others.
const NUMBERS: [u64; 10] = [0, 1, 2, 64, 100, 101, 1 << 31, 1 << 32, i64::MAX as u64, u64::MAX];
const IDS: [u32; 5] = [0, 1, 1000, 65534, u32::MAX];

/// A question in numbers.
pub(super) struct Question<'p> {
    pub(super) path: &'p [u8],
    class: ClassId,
    op: &'static OpSpec,
    args: Vec<Arg<'p>>,
    uid: Option<u32>,
    gid: Option<u32>,
    kind: Option<Kind>,
}

enum Arg<'p> {
    Unknown,
    Absent,
    Number(u64),
    Text(&'p [u8]),
}

impl<'p> Question<'p> {
    /// One about a path of `paths`, by any of so many classes or by none.
    pub(super) fn draw(paths: &'p [Vec<u8>], classes: u32, draw: &mut Draw) -> Self {
        let op = &OPS[draw.below(Op::COUNT)];
        let args = op.args.iter().map(|arg| match (draw.below(6), arg.ty) {
            (0, _) => Arg::Unknown,
            (1, _) => Arg::Absent,
            (_, ArgType::Unsigned | ArgType::Signed) => Arg::Number(*draw.of(&NUMBERS)),
            (_, ArgType::Path | ArgType::Text) => Arg::Text(draw.of::<Vec<u8>>(paths)),
        });
        let args = args.collect();
        let mut id = || (draw.below(3) > 0).then(|| *draw.of(&IDS));
        let (uid, gid) = (id(), id());
        let kind = (draw.below(3) > 0).then(|| *draw.of(&Kind::ALL));
        let class = u32::try_from(draw.below(classes as usize + 1)).unwrap_or(NO_CLASS);
        let class = ClassId(if class == classes { NO_CLASS } else { class });
        Self { path: draw.of::<Vec<u8>>(paths), class, op, args, uid, gid, kind }
    }

    /// What C is asked, if it reads the same classes of texts.
    fn call(&self, native: &NativePolicy) -> Option<Call> {
        let mut call = Call { op: self.op.op as u32, class: self.class.0, ..Call::default() };
        let know = |call: &mut Call, field: usize, value: u64| {
            call.known |= 1 << field;
            call.value[field] = value;
        };
        for (place, arg) in self.args.iter().enumerate() {
            match arg {
                Arg::Unknown => {}
                Arg::Absent => call.absent |= 1 << place,
                Arg::Number(number) => know(&mut call, place, *number),
                Arg::Text(text) => know(&mut call, place, native.text_class(text).ok()?.into()),
            }
        }
        let fields = [
            (FIELD_UID, self.uid.map(u64::from)),
            (FIELD_GID, self.gid.map(u64::from)),
            (FIELD_KIND, self.kind.map(|kind| kind as u64)),
        ];
        for (field, value) in fields {
            if let Some(value) = value {
                know(&mut call, field.into(), value);
            }
        }
        Some(call)
    }

    /// The answers of C, which may be that it cannot answer.
    fn native(&self, native: &NativePolicy) -> Option<(Answer, bool, u32)> {
        let call = self.call(native)?;
        let said = native.decide(call, self.path).ok()?;
        let never = native.decide(Call { never: 1, ..call }, self.path).ok()?;
        let answer = Answer {
            verdict: if said.deny == 1 { Verdict::Deny } else { Verdict::Allow },
            at: (said.cell != NO_RULE).then_some((said.cell, said.entry)),
            reason: u8::try_from(said.reason).ok().and_then(Reason::from_id)?,
            errno: Errno::from_code(u8::try_from(said.error).ok().filter(|code| *code < 4)?),
            report: said.report == 1,
        };
        Some((answer, never.deny == 1, said.label))
    }

    /// Asks C about a policy that is none: whatever it says, it reads nothing outside.
    pub(super) fn attempt(&self, native: &NativePolicy) {
        let _ = self.native(native);
    }

    /// The answer of the Rust that reads `image`.
    pub(super) fn decide(&self, image: &ValidImage) -> Answer {
        let decision = image.decide(
            image.walk(image.path_start(), self.path),
            self.class,
            self.op.op,
            &self.fields(image),
        );
        Answer {
            verdict: decision.verdict,
            at: decision.at.map(|at| (at.cell, at.entry)),
            reason: decision.reason,
            errno: decision.errno,
            report: decision.report,
        }
    }

    fn fields(&self, image: &ValidImage) -> Fields {
        let mut fields = Fields { uid: self.uid, gid: self.gid, kind: self.kind, ..Fields::UNKNOWN };
        for (field, arg) in fields.args.iter_mut().zip(&self.args) {
            *field = match arg {
                Arg::Unknown => FieldValue::Unknown,
                Arg::Absent => FieldValue::Absent,
                Arg::Number(number) => FieldValue::Known(*number),
                Arg::Text(text) => FieldValue::Known(image.text_class(text).into()),
            };
        }
        fields
    }

    /// Asks both, which agree; also whether the operation is denied whatever its arguments.
    pub(super) fn agreed(&self, image: &ValidImage, native: &NativePolicy) -> (Answer, bool) {
        let state = image.walk(image.path_start(), self.path);
        let answer = self.decide(image);
        let asked = (self.op.op, Access::Any);
        let never = image.never_allowed(state, self.class, asked, &self.fields(image));
        let rust = Some((answer, never, image.label(state)));
        let c = self.native(native);
        assert_eq!(c, rust, "C and Rust on {:?} by {:?} of {:?}", self.op.op, self.class, self.path);
        (answer, never)
    }
}

/// What is decided, and by what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    verdict: Verdict,
    at: Option<(u32, u32)>,
    reason: Reason,
    errno: Errno,
    report: bool,
}
