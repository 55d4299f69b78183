//! The gate every request passes: asks the policy, tells what came of it, and turns a denial into an error.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use boesfs_abi::image::ClassId;
use boesfs_abi::judge::{Caller, Intent};
use boesfs_abi::op::Op;
use boesfs_abi::request::ArgValue;
use boesfs_abi::verdict::{Level, Reason, Verdict};
use fuse_backend_rs::api::filesystem::Context;

use super::caller::Resolver;
use super::decision::{Decide, Destination, Object, Ruling, UNRESOLVED, errno_number};
use crate::events::{Cause, Denials, Event};
use crate::plane::Plane;

/// How long a path in an event can be.
const EVENT_PATH: usize = 4096;

/// Bits of open flags that the kernel adds for itself: `O_LARGEFILE`, `FMODE_EXEC`, `FMODE_NONOTIFY`.
const KERNEL_FLAGS: u32 = 0o100_000 | FMODE_EXEC | 0x400_0000;

/// The kernel opens a file to run it.
pub(crate) const FMODE_EXEC: u32 = 0x20;

/// What events say of the sandbox and its policy.
#[derive(Clone, Debug)]
pub struct Labels {
    /// The sandbox's name.
    pub sandbox: String,
    /// The policy's content id, in hexadecimal.
    pub policy: String,
    /// Which loading of a policy this is.
    pub generation: u64,
}

/// Who a request comes from, once that is known.
#[derive(Clone, Debug)]
pub(crate) struct Who {
    /// `None` until the sandbox is armed: what it does then is not judged.
    caller: Option<Caller>,
    sub: Vec<u8>,
    pid: u32,
}

impl Who {
    /// Its ids as the mount shows ids; those of root where nobody is judged.
    pub(crate) fn ids(&self) -> (u32, u32) {
        self.caller.map_or((0, 0), |caller| (caller.uid.unwrap_or(0), caller.gid.unwrap_or(0)))
    }
}

/// See the [module](self).
pub(crate) struct Gate {
    decide: Box<dyn Decide>,
    resolver: Resolver,
    denials: Denials,
    labels: Labels,
    armed: AtomicBool,
}

impl Gate {
    /// A gate that lets everything pass until it is [armed](Self::arm).
    pub(crate) fn new(decide: Box<dyn Decide>, resolver: Resolver, denials: Denials, labels: Labels) -> Self {
        Self { decide, resolver, denials, labels, armed: AtomicBool::new(false) }
    }

    /// Takes note that there is a file called `name` in the mount.
    pub(crate) fn note_name(&self, name: &[u8]) {
        self.resolver.note_name(name);
    }

    /// From here on every request is judged.
    pub(crate) fn arm(&self) {
        self.armed.store(true, Ordering::SeqCst);
    }

    /// Who a request about `path` comes from.
    ///
    /// # Errors
    /// `EACCES` if that cannot be told.
    pub(crate) fn who(&self, context: &Context, path: &[u8], op: Op) -> io::Result<Who> {
        self.identify(context).map_err(|_| {
            let who = Who { caller: None, sub: Vec::new(), pid: pid(context) };
            self.tell(&who, Some(context.uid), &unresolved(op, path, Reason::Unresolved));
            io::Error::from_raw_os_error(errno_number(UNRESOLVED))
        })
    }

    /// Who a request comes from, or `opener` if the request was not sent by a process that is still there: readahead
    /// and the write-back of mapped pages.
    pub(crate) fn who_or(&self, context: &Context, opener: &Who) -> Who {
        self.identify(context).unwrap_or_else(|_| opener.clone())
    }

    fn identify(&self, context: &Context) -> io::Result<Who> {
        let pid = pid(context);
        if !self.armed.load(Ordering::SeqCst) {
            return Ok(Who { caller: None, sub: Vec::new(), pid });
        }
        let (sub, class) = self.resolver.subject(&*self.decide, pid)?;
        Ok(Who { caller: Some(Caller { class, uid: Some(context.uid), gid: Some(context.gid) }), sub, pid })
    }

    /// Asks for one operation on one object.
    ///
    /// # Errors
    /// The denial.
    pub(crate) fn ask(&self, who: &Who, object: Object<'_>, op: Op, args: &[ArgValue]) -> io::Result<()> {
        self.settle(who, |caller| self.decide.ask(caller, object, op, args))
    }

    /// Asks for one operation whose tuple is not known.
    ///
    /// # Errors
    /// The denial.
    pub(crate) fn ask_any(&self, who: &Who, object: Object<'_>, op: Op) -> io::Result<()> {
        self.ask(who, object, op, &unknown(op))
    }

    /// Asks for a move.
    ///
    /// # Errors
    /// The denial.
    pub(crate) fn rename(&self, who: &Who, old: Object<'_>, new: &[u8], to: Destination) -> io::Result<()> {
        self.settle(who, |caller| self.decide.rename(caller, old, new, to))
    }

    /// Asks for another name.
    ///
    /// # Errors
    /// The denial.
    pub(crate) fn link(&self, who: &Who, old: Object<'_>, new: &[u8]) -> io::Result<()> {
        self.settle(who, |caller| self.decide.link(caller, old, new))
    }

    /// Asks for a symbolic link.
    ///
    /// # Errors
    /// The denial.
    pub(crate) fn symlink(&self, who: &Who, link: &[u8], target: &[u8]) -> io::Result<()> {
        self.settle(who, |caller| self.decide.symlink(caller, link, target))
    }

    /// Asks for an open with `flags` of which the bits in `lost` may have been set as well.
    ///
    /// # Errors
    /// The denial.
    pub(crate) fn open(
        &self,
        who: &Who,
        object: Object<'_>,
        flags: u32,
        lost: &[i32],
        intent: Intent,
    ) -> io::Result<()> {
        self.settle(who, |caller| {
            let known = u64::from(flags & !KERNEL_FLAGS);
            let ask = |flags| self.decide.open(caller, object, &flags, intent);
            let ruling = ask(ArgValue::Number(known));
            if !ruling.allows() || ask(ArgValue::Unknown).allows() {
                return ruling;
            }
            // Some flags make a difference: whichever the kernel did not pass on must not.
            for choice in 1..1u32 << lost.len() {
                let chosen = lost.iter().enumerate().filter(|(bit, _)| choice & 1 << bit != 0);
                let more = chosen.fold(0, |more, (_, flag)| more | flag.cast_unsigned());
                let denied = ask(ArgValue::Number(known | u64::from(more)));
                if !denied.allows() {
                    return because_unknown(denied);
                }
            }
            ruling
        })
    }

    /// Whether `who` would be allowed `op` on `object` with any tuple. Tells nobody.
    pub(crate) fn permits(&self, who: &Who, object: Object<'_>, op: Op) -> bool {
        who.caller.is_none_or(|caller| self.decide.ask(&caller, object, op, &unknown(op)).allows())
    }

    /// Whether every subject would be allowed each of `ops` on `object`, whatever its ids and with any tuple.
    pub(crate) fn permits_all(&self, object: Object<'_>, ops: &[Op]) -> bool {
        (0..self.decide.classes()).all(|class| {
            let caller = Caller { class: ClassId(class), uid: None, gid: None };
            ops.iter().all(|op| self.decide.ask(&caller, object, *op, &unknown(*op)).allows())
        })
    }

    /// Whether a shared mapping of a file that is opened past the page cache can be made: another subject may be
    /// allowed it. Not where somebody can open a file that it may not map: the kernel lets all map or none.
    pub(crate) fn shares_mappings(&self) -> bool {
        self.decide.classes() > 1 && !self.decide.reads_unmapped()
    }

    /// Whether `who` may see the name of `object` in a listing.
    pub(crate) fn shows(&self, who: &Who, object: Object<'_>) -> bool {
        !self.decide.hides() || self.permits(who, object, Op::Lookup)
    }

    /// Refuses `who` what no rule is asked about.
    pub(crate) fn refuse(&self, who: &Who, path: &[u8], op: Op, reason: Reason) -> io::Error {
        self.tell(who, who.caller.and_then(|caller| caller.uid), &unresolved(op, path, reason));
        io::Error::from_raw_os_error(errno_number(UNRESOLVED))
    }

    fn settle(&self, who: &Who, decide: impl FnOnce(&Caller) -> Ruling) -> io::Result<()> {
        let Some(caller) = &who.caller else { return Ok(()) };
        let ruling = decide(caller);
        if ruling.report {
            self.tell(who, caller.uid, &ruling);
        }
        match ruling.verdict {
            Verdict::Allow => Ok(()),
            Verdict::Deny => Err(io::Error::from_raw_os_error(errno_number(ruling.errno))),
        }
    }

    /// Reports `ruling`; a denial that is the last has killed the sandbox when this returns, whatever is
    /// answered then.
    fn tell(&self, who: &Who, uid: Option<u32>, ruling: &Ruling) {
        let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let kept = ruling.path.len().min(EVENT_PATH);
        let event = Event {
            time: u64::try_from(time.as_nanos()).unwrap_or(u64::MAX),
            sandbox: self.labels.sandbox.clone(),
            policy: self.labels.policy.clone(),
            generation: self.labels.generation,
            pid: who.pid,
            uid,
            sub: who.sub.clone(),
            op: Some(ruling.op),
            path: Some(ruling.path[..kept].to_vec()),
            path_truncated: kept < ruling.path.len(),
            args: ruling.args.clone(),
            verdict: ruling.verdict,
            errno: (ruling.verdict == Verdict::Deny).then_some(ruling.errno),
            level: ruling.level,
            cause: ruling.cause.clone(),
            plane: Plane::Fuse,
            folded: 0,
        };
        // Both ways of going on are the same here: a killed caller sees no answer.
        let _ = self.denials.report(&event);
    }
}

fn pid(context: &Context) -> u32 {
    u32::try_from(context.pid).unwrap_or(0)
}

/// The tuple of `op` of which nothing is known.
pub(crate) fn unknown(op: Op) -> Vec<ArgValue> {
    vec![ArgValue::Unknown; op.spec().args.len()]
}

fn unresolved(op: Op, path: &[u8], reason: Reason) -> Ruling {
    Ruling {
        verdict: Verdict::Deny,
        errno: UNRESOLVED,
        cause: Cause::Because(reason),
        level: Level::Event,
        report: true,
        op,
        path: path.to_vec(),
        args: unknown(op),
    }
}

/// `denied`, which holds for a value that the caller may not have passed.
fn because_unknown(mut denied: Ruling) -> Ruling {
    denied.cause = match denied.cause {
        Cause::Rule(rule) => Cause::RuleBecause(rule, Reason::UnknownArgs),
        other => other,
    };
    denied.args = unknown(denied.op);
    denied
}
