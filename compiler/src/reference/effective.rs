//! What a system call may do (LANGUAGE §5): the decision, and whatever else the call needs.

mod moves;
#[cfg(test)]
mod tests;

use boesfs_abi::op::{Access, Op, OpSet};
use boesfs_abi::request::{ArgValue, Kind, Request};
use boesfs_abi::verdict::{Errno, Reason, Verdict};

use super::{Decision, Question, Reference, complete};
use crate::model::{Model, Shape};

/// What a call gets, and what stops it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    /// Whether it may go on.
    pub verdict: Verdict,
    /// The error of a denial, as a positive number; else 0.
    pub errno: i32,
    /// Why.
    pub reason: Reason,
    /// The first operation that stops it, and its object; `None` if nothing does.
    pub stopped_by: Option<(Op, Vec<u8>)>,
    /// Index into [`Model::rules`] of the rule that decided that operation, if one did.
    pub rule: Option<usize>,
    /// The object lies outside the protected directory, so nothing was judged.
    pub outside: bool,
}

/// The effective decision about one request where `dir` is protected.
///
/// A rename's destination is taken not to exist. Whether moving a directory gives a right below it is looked for
/// under names that the policy's own texts suggest; only the image's product walk proves that there is none.
#[must_use]
pub fn effective(model: &Model, dir: &[u8], request: &Request) -> Effective {
    Reference::new(model).effective(dir, request)
}

/// `EXDEV`
const EXDEV: i32 = 18;

/// `O_*`, `PROT_*` and `MAP_*` of Linux.
mod flag {
    pub(super) const ACCMODE: u64 = 3;
    pub(super) const RDONLY: u64 = 0;
    pub(super) const WRONLY: u64 = 1;
    pub(super) const CREAT: u64 = 0o100;
    pub(super) const TRUNC: u64 = 0o1000;
    pub(super) const PATH: u64 = 0o10_000_000;
    pub(super) const PROT_WRITE: u64 = 2;
    pub(super) const PROT_EXEC: u64 = 4;
    pub(super) const MAP_TYPE: u64 = 0xf;
    pub(super) const MAP_PRIVATE: u64 = 2;
}

impl Reference<'_> {
    /// The effective decision about one request where `dir` is protected; see [`effective`].
    #[must_use]
    pub fn effective(&self, dir: &[u8], request: &Request) -> Effective {
        Call { reference: self, dir, request }.judged()
    }
}

/// One call on its way through what it needs. `Err` holds the denial that ends it.
struct Call<'a, 'm> {
    reference: &'a Reference<'m>,
    dir: &'a [u8],
    request: &'a Request,
}

type Passed = Result<(), Effective>;

impl Call<'_, '_> {
    fn judged(&self) -> Effective {
        let (path, op) = (self.request.obj(), self.request.op().decided_as());
        let new = match (op, self.request.args().first()) {
            (Op::Rename | Op::Link, Some(ArgValue::Bytes(new))) => Some(new.as_slice()),
            _ => None,
        };
        let inside = self.within(path);
        if !inside && !new.is_some_and(|new| self.within(new)) {
            return allowed(true);
        }
        match self.every_need(path, op, new) {
            Ok(()) => allowed(false),
            Err(denied) => denied,
        }
    }

    fn every_need(&self, path: &[u8], op: Op, new: Option<&[u8]>) -> Passed {
        let kind = self.request.kind;
        self.visible(path, kind)?;
        if self.within(path) && !(op == Op::Lookup && path == self.dir) {
            self.decided(self.request)?;
        }
        if let Some(new) = new {
            return self.moved(path, new, kind, op);
        }
        match op {
            Op::Open => self.used_as(path, kind, self.request.args().first()),
            Op::Symlink => self.second_reading(path),
            op if OpSet::THROUGH_OPEN.contains(op) => self.opened(path, kind, op),
            _ => Ok(()),
        }
    }

    fn within(&self, path: &[u8]) -> bool {
        self.dir == b"/" || path.strip_prefix(self.dir).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
    }

    /// A request of the same caller.
    fn other(
        &self,
        path: &[u8],
        kind: Option<Kind>,
        op: Op,
        args: Vec<ArgValue>,
    ) -> Result<Request, Effective> {
        let request = Request::new(self.request.sub(), path, op).and_then(|request| request.with_args(args));
        let Ok(mut request) = request else {
            return Err(denied(Reason::Unresolved, Errno::Acces.number(), op, path, None));
        };
        if let Some(dom) = self.request.dom() {
            request = request.in_domain(dom);
        }
        (request.uid, request.gid, request.kind) = (self.request.uid, self.request.gid, kind);
        Ok(request)
    }

    /// The decision about `request` itself.
    fn decided(&self, request: &Request) -> Passed {
        let decision = self.reference.decide(request);
        if decision.verdict == Verdict::Allow {
            return Ok(());
        }
        let (op, path) = (request.op().decided_as(), request.obj());
        let default = if op == Op::Lookup { Errno::Noent } else { Errno::Acces };
        Err(denied(reason(&decision), self.errno(&decision, default), op, path, decision.rule))
    }

    fn errno(&self, decision: &Decision, default: Errno) -> i32 {
        let of_rule = decision.rule.and_then(|rule| self.reference.model.rules[rule].annotations.errno);
        of_rule.unwrap_or(default).number()
    }

    /// `lookup` of every component strictly below the protected directory, down to `path`.
    fn visible(&self, path: &[u8], kind: Option<Kind>) -> Passed {
        if !self.within(path) {
            return Ok(());
        }
        let ends = (1..=path.len()).filter(|end| *end == path.len() || path[*end] == b'/');
        for component in ends.map(|end| &path[..end]) {
            if component.len() <= self.dir.len() {
                continue;
            }
            let kind = if component == path { kind } else { Some(Kind::Dir) };
            let decision = self.reference.decide(&self.other(component, kind, Op::Lookup, Vec::new())?);
            if decision.verdict == Verdict::Deny {
                let errno = Errno::Noent.number();
                return Err(denied(Reason::Hidden, errno, Op::Lookup, component, decision.rule));
            }
        }
        Ok(())
    }

    /// `op` on `path` with some arguments: not denied whatever they are.
    fn ever(&self, path: &[u8], kind: Option<Kind>, op: Op) -> Passed {
        if !self.within(path) {
            return Ok(());
        }
        let request = self.other(path, kind, op, Vec::new())?;
        let mut question = Question::new(self.reference.model.shape, &request);
        if complete::some_arguments(self.reference, &mut question, None) {
            return Ok(());
        }
        self.decided(&request)
    }

    /// Whether some `open` that gives `access` is allowed.
    fn given(&self, path: &[u8], kind: Option<Kind>, access: Access) -> Passed {
        if !self.within(path) {
            return Ok(());
        }
        let request = self.other(path, kind, Op::Open, Vec::new())?;
        let mut question = Question::new(self.reference.model.shape, &request);
        if complete::some_arguments(self.reference, &mut question, Some(access)) {
            return Ok(());
        }
        self.decided(&request)
    }

    /// What an open with these flags is for, as far as it is known.
    fn used_as(&self, path: &[u8], kind: Option<Kind>, flags: Option<&ArgValue>) -> Passed {
        let Some(ArgValue::Number(flags)) = flags else { return Ok(()) };
        if flags & flag::PATH == 0 && flags & flag::CREAT != 0 && kind.is_none() {
            self.decided(&self.other(path, Some(Kind::File), Op::Create, Vec::new())?)?;
        }
        uses(*flags, kind).into_iter().try_for_each(|used| self.ever(path, kind, used))
    }

    /// Some open, for what goes through a descriptor; and for a mapping what it is for.
    fn opened(&self, path: &[u8], kind: Option<Kind>, op: Op) -> Passed {
        let number = |place: usize| match self.request.args().get(place) {
            Some(ArgValue::Number(number)) => Some(*number),
            _ => None,
        };
        let mut mapped = Vec::new();
        if op == Op::Mmap {
            let has = |bit: u64| number(2).is_none_or(|prot| prot & bit != 0);
            let shared = number(3).is_none_or(|flags| flags & flag::MAP_TYPE != flag::MAP_PRIVATE);
            mapped.push(Op::Read);
            mapped.extend((shared && has(flag::PROT_WRITE)).then_some(Op::Write));
            mapped.extend(has(flag::PROT_EXEC).then_some(Op::Exec));
        }
        self.given(path, kind, op.access())?;
        mapped.into_iter().try_for_each(|used| self.ever(path, kind, used))
    }

    /// `BoesFS`'s own reading of a symbolic link: the object is what it leads to, the argument the link.
    fn second_reading(&self, link: &[u8]) -> Passed {
        let Some(ArgValue::Bytes(target)) = self.request.args().first() else { return Ok(()) };
        if self.reference.model.shape != Shape::Boesfs {
            return Ok(());
        }
        let object = absolute(link, target);
        if !self.within(&object) {
            return Ok(());
        }
        self.decided(&self.other(&object, None, Op::Symlink, vec![ArgValue::Bytes(link.to_vec())])?)
    }

    /// What a rename or link asks of the new name, and that it gives nothing.
    fn moved(&self, old: &[u8], new: &[u8], kind: Option<Kind>, op: Op) -> Passed {
        if self.within(old) != self.within(new) {
            return Err(denied(Reason::CrossesEdge, EXDEV, op, old, None));
        }
        self.visible(new, kind)?;
        let made = match (op, kind) {
            (Op::Link, _) | (_, Some(Kind::File)) => vec![Op::Create],
            (_, Some(Kind::Dir)) => vec![Op::Mkdir],
            (_, Some(Kind::Symlink)) => vec![Op::Symlink],
            (_, Some(Kind::Fifo | Kind::Socket | Kind::Block | Kind::Char)) => vec![Op::Mknod],
            (_, None) => vec![Op::Create, Op::Mkdir, Op::Symlink, Op::Mknod],
        };
        for made in made {
            self.decided(&self.other(new, kind, made, Vec::new())?)?;
        }
        self.gains_nothing(old, new, kind, op)
    }
}

/// What an open with `flags` is judged as, beside `open`. An object of unknown kind may be a directory.
fn uses(flags: u64, kind: Option<Kind>) -> Vec<Op> {
    let mut uses = Vec::new();
    if flags & flag::PATH != 0 {
        return uses;
    }
    let access = flags & flag::ACCMODE;
    if access != flag::WRONLY {
        uses.extend((kind != Some(Kind::Dir)).then_some(Op::Read));
        uses.extend((kind.is_none() || kind == Some(Kind::Dir)).then_some(Op::Iterate));
    }
    if access != flag::RDONLY || flags & flag::TRUNC != 0 {
        uses.push(Op::Write);
    }
    uses
}

fn reason(decision: &Decision) -> Reason {
    match (decision.unknown, decision.rule) {
        (true, _) => Reason::UnknownArgs,
        (false, Some(_)) => Reason::Rule,
        (false, None) => Reason::Default,
    }
}

fn allowed(outside: bool) -> Effective {
    Effective {
        verdict: Verdict::Allow,
        errno: 0,
        reason: Reason::Default,
        stopped_by: None,
        rule: None,
        outside,
    }
}

fn denied(reason: Reason, errno: i32, op: Op, path: &[u8], rule: Option<usize>) -> Effective {
    let stopped_by = Some((op, path.to_vec()));
    Effective { verdict: Verdict::Deny, errno, reason, stopped_by, rule, outside: false }
}

/// Where `target` leads from the directory of `link`, by its text alone.
fn absolute(link: &[u8], target: &[u8]) -> Vec<u8> {
    let directory = link.iter().rposition(|byte| *byte == b'/').map_or(&b""[..], |slash| &link[..slash]);
    let whole =
        if target.first() == Some(&b'/') { target.to_vec() } else { [directory, b"/", target].concat() };
    let mut names: Vec<&[u8]> = Vec::new();
    for name in whole.split(|byte| *byte == b'/') {
        match name {
            b"" | b"." => {}
            b".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    [&b"/"[..], &names.join(&b'/')].concat()
}
