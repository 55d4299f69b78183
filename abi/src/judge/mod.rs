//! What a system call may do: the effective decision of LANGUAGE §5, composed from decisions.
//!
//! Used by `eval` and by the fuse plane; the C twin is `ebpf/bpf/judge.h`. Every question is asked in this order, and
//! the first denial is the outcome: is the object hidden; may the operation be done; is the `open` it needs there; may
//! what else it does be done; does the move give a right.

mod moves;

use crate::decide::{Decision, Fields};
use crate::image::{ClassId, RuleRef, State, ValidImage};
use crate::op::{Access, Op, OpSet};
use crate::request::{ArgValue, Kind};
use crate::verdict::{Errno, Reason, Verdict};

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The subject's class.
    pub class: ClassId,
    /// File system uid, as seen outside the sandbox.
    pub uid: Option<u32>,
    /// File system gid, as seen outside the sandbox.
    pub gid: Option<u32>,
}

/// What a call gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Allow or deny.
    pub verdict: Verdict,
    /// The error of a denial, as a positive number.
    pub errno: i32,
    /// Why.
    pub reason: Reason,
    /// The operation that decided: the one asked, or the first that stops it.
    pub op: Op,
    /// The object of that operation.
    pub path: Vec<u8>,
    /// The rule that decided, if one did.
    pub at: Option<RuleRef>,
    /// Whether it is reported as an event.
    pub report: bool,
    /// Whether the object lies outside the protected directory, and so was not judged.
    pub outside: bool,
}

impl Outcome {
    fn of(decision: &Decision, op: Op, path: &[u8]) -> Self {
        let denied = decision.verdict == Verdict::Deny;
        Self {
            verdict: decision.verdict,
            errno: if denied { decision.errno.number() } else { 0 },
            reason: decision.reason,
            op,
            path: path.to_vec(),
            at: decision.at,
            report: decision.report,
            outside: false,
        }
    }

    fn outside(op: Op, path: &[u8]) -> Self {
        Self {
            verdict: Verdict::Allow,
            errno: 0,
            reason: Reason::Default,
            op,
            path: path.to_vec(),
            at: None,
            report: false,
            outside: true,
        }
    }

    /// A denial that no rule decided.
    #[must_use]
    pub fn denied(reason: Reason, errno: i32, op: Op, path: &[u8]) -> Self {
        Self {
            verdict: Verdict::Deny,
            errno,
            reason,
            op,
            path: path.to_vec(),
            at: None,
            report: true,
            outside: false,
        }
    }

    /// Whether the call may go on.
    #[must_use]
    pub fn allowed(&self) -> bool {
        self.verdict == Verdict::Allow
    }
}

/// `EXDEV`: what a move gets that would cross the edge or give a right, so that `mv` falls back to copying.
pub const EXDEV: i32 = 18;

/// What an `open` is for, beside opening.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Intent {
    /// Operations among `read`, `write`, `iterate`, `exec`, denied where they are denied whatever their arguments.
    pub uses: OpSet,
    /// What becomes of a name that is not there.
    pub creates: Creates,
    /// Whether this is the kernel's own open of a program, which asks `exec` alone.
    pub by_kernel: bool,
}

/// Whether an `open` makes the name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Creates {
    /// The object is there, or the call fails.
    #[default]
    No,
    /// The name is new: `create` is asked, with this mode if it is known.
    New(Option<u32>),
}

/// `O_*` of Linux on every architecture we run on.
mod flag {
    pub(super) const ACCMODE: u64 = 3;
    pub(super) const WRONLY: u64 = 1;
    pub(super) const RDWR: u64 = 2;
    pub(super) const TRUNC: u64 = 0o1000;
    pub(super) const CREAT: u64 = 0o100;
    pub(super) const PATH: u64 = 0o10_000_000;
    pub(super) const MAP_TYPE: u64 = 0xf;
    pub(super) const MAP_PRIVATE: u64 = 2;
    pub(super) const PROT_WRITE: u64 = 2;
    pub(super) const PROT_EXEC: u64 = 4;
}

/// Judges calls by an image, within a protected directory.
#[derive(Clone, Debug)]
pub struct Judge<'a> {
    image: &'a ValidImage,
    dir: Vec<u8>,
}

/// Whether `path` is `dir` or below it.
#[must_use]
pub fn within(path: &[u8], dir: &[u8]) -> bool {
    dir == b"/" || path.strip_prefix(dir).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
}

impl<'a> Judge<'a> {
    /// A judge over what lies in `dir`, an absolute, normal path in the sandbox's view.
    #[must_use]
    pub fn new(image: &'a ValidImage, dir: &[u8]) -> Self {
        Self { image, dir: dir.to_vec() }
    }

    /// The image.
    #[must_use]
    pub fn image(&self) -> &'a ValidImage {
        self.image
    }

    /// The protected directory.
    #[must_use]
    pub fn dir(&self) -> &[u8] {
        &self.dir
    }

    fn fields(&self, caller: &Caller, kind: Option<Kind>, args: &[ArgValue]) -> Fields {
        Fields { uid: caller.uid, gid: caller.gid, kind, ..Fields::UNKNOWN }.with_args(self.image, args)
    }

    fn state(&self, path: &[u8]) -> State {
        self.image.walk(self.image.path_start(), path)
    }

    /// The components strictly below the protected directory, as lengths of `path`, the last one `path` itself.
    fn components<'p>(&self, path: &'p [u8]) -> impl Iterator<Item = &'p [u8]> + use<'p> {
        let from = if self.dir == b"/" { 1 } else { self.dir.len() + 1 };
        (from..=path.len())
            .filter(|end| *end == path.len() || path[*end] == b'/')
            .filter(move |end| *end > from)
            .map(|end| &path[..end])
    }

    /// The denial that hides `path`, if one does: `lookup` of it or of a directory on the way. `kind` is the object's.
    #[must_use]
    pub fn hidden(&self, caller: &Caller, path: &[u8], kind: Option<Kind>) -> Option<Outcome> {
        if !self.image.hides() || !within(path, &self.dir) {
            return None;
        }
        let mut state = self.image.path_start();
        let mut read = 0;
        for prefix in self.components(path) {
            state = self.image.walk(state, &path[read..prefix.len()]);
            read = prefix.len();
            let kind = if read == path.len() { kind } else { Some(Kind::Dir) };
            let decision =
                self.image.decide(state, caller.class, Op::Lookup, &self.fields(caller, kind, &[]));
            if decision.verdict == Verdict::Deny {
                let outcome = Outcome::of(&decision, Op::Lookup, prefix);
                return Some(Outcome { errno: Errno::Noent.number(), reason: Reason::Hidden, ..outcome });
            }
        }
        None
    }

    /// The decision about one operation alone, on an object that is not hidden.
    fn plain(&self, caller: &Caller, path: &[u8], kind: Option<Kind>, op: Op, args: &[ArgValue]) -> Outcome {
        if !within(path, &self.dir) || (op.decided_as() == Op::Lookup && path == self.dir) {
            return Outcome::outside(op, path);
        }
        let fields = self.fields(caller, kind, args);
        Outcome::of(&self.image.decide(self.state(path), caller.class, op, &fields), op, path)
    }

    /// The effective decision about `op` on the object at `path`. `args` are its arguments in order; missing ones are
    /// unknown.
    #[must_use]
    pub fn ask(
        &self,
        caller: &Caller,
        path: &[u8],
        kind: Option<Kind>,
        op: Op,
        args: &[ArgValue],
    ) -> Outcome {
        let bytes = |place: usize| match args.get(place) {
            Some(ArgValue::Bytes(bytes)) => Some(bytes.as_slice()),
            _ => None,
        };
        match (op, bytes(0)) {
            (Op::Rename, Some(new)) => return self.rename(caller, path, new, kind, None),
            (Op::Link, Some(new)) => return self.link(caller, path, new, kind),
            (Op::Symlink, Some(target)) => return self.linked(caller, path, kind, target),
            (Op::Open, _) => return self.open(caller, path, kind, args.first(), intent(args, kind)),
            _ => {}
        }
        let outcome = self.single(caller, path, kind, op, args);
        if !outcome.allowed() || outcome.outside {
            return outcome;
        }
        if OpSet::THROUGH_OPEN.contains(op)
            && let Some(denied) = self.none_gives(caller, path, kind, (Op::Open, op.access()))
        {
            return denied;
        }
        if op == Op::Mmap {
            for used in mapped_as(args).iter() {
                if let Some(denied) = self.never(caller, path, kind, used) {
                    return denied;
                }
            }
        }
        outcome
    }

    /// Hidden or not, and the operation itself.
    fn single(&self, caller: &Caller, path: &[u8], kind: Option<Kind>, op: Op, args: &[ArgValue]) -> Outcome {
        match self.hidden(caller, path, kind) {
            Some(hidden) => hidden,
            None => self.plain(caller, path, kind, op, args),
        }
    }

    /// The denial of `op` whatever its arguments, if it is.
    #[must_use]
    pub fn never(&self, caller: &Caller, path: &[u8], kind: Option<Kind>, op: Op) -> Option<Outcome> {
        self.none_gives(caller, path, kind, (op, Access::Any))
    }

    /// The denial of `op` whatever its arguments, if it is; of `open`, of each that gives the access.
    fn none_gives(
        &self,
        caller: &Caller,
        path: &[u8],
        kind: Option<Kind>,
        (op, access): (Op, Access),
    ) -> Option<Outcome> {
        if !within(path, &self.dir) {
            return None;
        }
        let fields = self.fields(caller, kind, &[]);
        let state = self.state(path);
        if !self.image.never_allowed_for_some(state, caller.class, (op, access), &fields) {
            return None;
        }
        let outcome = Outcome::of(&self.image.decide(state, caller.class, op, &fields), op, path);
        // No value of the arguments is allowed, so none has to be known.
        Some(if outcome.allowed() {
            Outcome::denied(Reason::Corrupt, Errno::Acces.number(), op, path)
        } else {
            outcome
        })
    }

    /// The effective decision about opening `path` with `flags` for `intent`.
    #[must_use]
    pub fn open(
        &self,
        caller: &Caller,
        path: &[u8],
        kind: Option<Kind>,
        flags: Option<&ArgValue>,
        intent: Intent,
    ) -> Outcome {
        if intent.by_kernel {
            return self.single(caller, path, kind, Op::Exec, &[]);
        }
        let args: Vec<ArgValue> = flags.cloned().into_iter().collect();
        let outcome = self.single(caller, path, kind, Op::Open, &args);
        if !outcome.allowed() || outcome.outside {
            return outcome;
        }
        if let Creates::New(mode) = intent.creates {
            let mode = mode.map_or(ArgValue::Unknown, |mode| ArgValue::Number(mode.into()));
            let made = self.plain(caller, path, Some(Kind::File), Op::Create, &[mode]);
            if !made.allowed() {
                return made;
            }
        }
        for used in intent.uses.iter() {
            if let Some(denied) = self.never(caller, path, kind, used) {
                return denied;
            }
        }
        outcome
    }

    /// The effective decision about making the symbolic link `link` with text `target`.
    #[must_use]
    pub fn symlink(&self, caller: &Caller, link: &[u8], target: &[u8]) -> Outcome {
        self.linked(caller, link, Some(Kind::Symlink), target)
    }

    /// As [`Judge::symlink`], of what is said to be of this kind.
    fn linked(&self, caller: &Caller, link: &[u8], kind: Option<Kind>, target: &[u8]) -> Outcome {
        let text = ArgValue::Bytes(target.to_vec());
        let outcome = self.single(caller, link, kind, Op::Symlink, &[text]);
        if !outcome.allowed() || !self.image.is_boesfs() || !within(link, &self.dir) {
            return outcome;
        }
        let object = absolute(link, target);
        let argument = ArgValue::Bytes(link.to_vec());
        let second = self.plain(caller, &object, None, Op::Symlink, &[argument]);
        if second.allowed() { outcome } else { second }
    }
}

/// What an `open` with these arguments is for, as far as they tell: nothing if the flags are not known.
fn intent(args: &[ArgValue], kind: Option<Kind>) -> Intent {
    let Some(ArgValue::Number(flags)) = args.first() else { return Intent::default() };
    intent_of(*flags, kind)
}

/// What an `open` with `flags` is for. A name of unknown kind may be new.
#[must_use]
pub fn intent_of(flags: u64, kind: Option<Kind>) -> Intent {
    if flags & flag::PATH != 0 {
        return Intent::default();
    }
    let access = flags & flag::ACCMODE;
    let mut uses = OpSet::EMPTY;
    if access != flag::WRONLY {
        if kind != Some(Kind::Dir) {
            uses = uses.with(Op::Read);
        }
        if kind.is_none_or(|kind| kind == Kind::Dir) {
            uses = uses.with(Op::Iterate);
        }
    }
    if access == flag::WRONLY || access == flag::RDWR || access == flag::ACCMODE || flags & flag::TRUNC != 0 {
        uses = uses.with(Op::Write);
    }
    let creates = if flags & flag::CREAT != 0 && kind.is_none() { Creates::New(None) } else { Creates::No };
    Intent { uses, creates, by_kernel: false }
}

/// What a mapping with these arguments is judged as besides. Unknown bits are taken as set.
#[must_use]
pub fn mapped_as(args: &[ArgValue]) -> OpSet {
    let number = |place: usize| match args.get(place) {
        Some(ArgValue::Number(number)) => Some(*number),
        _ => None,
    };
    let (prot, flags) = (number(2), number(3));
    let has = |bit: u64| prot.is_none_or(|prot| prot & bit != 0);
    let shared = flags.is_none_or(|flags| flags & flag::MAP_TYPE != flag::MAP_PRIVATE);
    let mut uses = OpSet::EMPTY.with(Op::Read);
    if shared && has(flag::PROT_WRITE) {
        uses = uses.with(Op::Write);
    }
    if has(flag::PROT_EXEC) {
        uses = uses.with(Op::Exec);
    }
    uses
}

/// The absolute path that `target` says from the directory of `link`, lexically.
fn absolute(link: &[u8], target: &[u8]) -> Vec<u8> {
    let mut parts: Vec<&[u8]> = Vec::new();
    if target.first() != Some(&b'/') {
        parts.extend(link.split(|b| *b == b'/').filter(|part| !part.is_empty()));
        parts.pop();
    }
    for part in target.split(|b| *b == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let mut path = Vec::new();
    for part in parts {
        path.push(b'/');
        path.extend_from_slice(part);
    }
    if path.is_empty() { b"/".to_vec() } else { path }
}
