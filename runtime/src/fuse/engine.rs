//! The fuse plane as the sandbox sees it, and the image as the plane sees it.

use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;

use boesfs_abi::image::{ClassId, ValidImage};
use boesfs_abi::judge::{Caller, Intent, Judge, Outcome};
use boesfs_abi::op::{Op, OpSet};
use boesfs_abi::request::ArgValue;
use boesfs_abi::verdict::{Errno, Level, Reason};

use super::caller::Subjects;
use super::decision::{Decide, Destination, Object, Ruling};
use super::gate::Labels;
use super::session::{Served, Session, mount};
use crate::events::{Cause, Denials, EventErrno, RuleRef};
use crate::plane::{Engine, EngineError, Plane, Setup};

/// The plane for the sandbox of `setup`.
///
/// # Errors
/// None as yet; what the machine lacks is met when the sandbox is made.
pub fn engine(setup: Setup) -> Result<Box<dyn Engine>, EngineError> {
    Ok(Box::new(FuseEngine::new(setup)))
}

/// The fuse plane at work on one sandbox.
pub struct FuseEngine {
    setup: Setup,
    stage: Stage,
}

enum Stage {
    New,
    Mounted(Session),
    Served(Served),
}

impl FuseEngine {
    /// An engine for the sandbox of `setup`. Nothing is opened yet.
    #[must_use]
    pub fn new(setup: Setup) -> Self {
        Self { setup, stage: Stage::New }
    }
}

impl Engine for FuseEngine {
    fn plane(&self) -> Plane {
        Plane::Fuse
    }

    fn open(&mut self, tree: OwnedFd) -> Result<Option<OwnedFd>, EngineError> {
        let dir = self.setup.dir.as_os_str().as_bytes().to_vec();
        let (session, mount) = mount(tree, dir).map_err(|error| EngineError::new(Plane::Fuse, error))?;
        self.stage = Stage::Mounted(session);
        Ok(Some(mount))
    }

    fn serve(&mut self, denials: Denials) -> Result<(), EngineError> {
        let Stage::Mounted(session) = std::mem::replace(&mut self.stage, Stage::New) else {
            return Err(EngineError::new(Plane::Fuse, "there is no mount to serve"));
        };
        let setup = &self.setup;
        let subjects = if setup.image.entry_subject() {
            let class = setup.image.class_of(&setup.entry.named, Some(setup.name.as_bytes()));
            Subjects::Entry { name: setup.entry.named.clone(), class }
        } else {
            Subjects::Exe
        };
        let labels = Labels { sandbox: setup.name.clone(), policy: setup.image.id_hex(), generation: 1 };
        let decide = Box::new(Policy { setup: setup.clone() });
        let served = session
            .serve(decide, subjects, labels, denials, &setup.mounts)
            .map_err(|error| EngineError::new(Plane::Fuse, error))?;
        self.stage = Stage::Served(served);
        Ok(())
    }

    fn arm(&mut self) -> Result<(), EngineError> {
        match &self.stage {
            Stage::Served(served) => {
                served.arm();
                Ok(())
            }
            Stage::New | Stage::Mounted(_) => Err(EngineError::new(Plane::Fuse, "nobody serves the mount")),
        }
    }
}

/// Decides by the image of a sandbox.
struct Policy {
    setup: Setup,
}

impl Policy {
    fn image(&self) -> &ValidImage {
        &self.setup.image
    }

    fn judge(&self) -> Judge<'_> {
        Judge::new(self.image(), self.setup.dir.as_os_str().as_bytes())
    }

    /// What `outcome` comes to, given that `args` are the tuple of `asked`.
    fn ruling(&self, outcome: Outcome, asked: Op, args: Vec<ArgValue>) -> Ruling {
        let rule = outcome.at.and_then(|at| self.image().rule(&outcome.path, at));
        let named = rule.map(|rule| RuleRef {
            id: if rule.id.is_empty() { rule.line.to_string() } else { rule.id.to_owned() },
            line: rule.line,
            text: rule.text.to_owned(),
        });
        Ruling {
            verdict: outcome.verdict,
            errno: errno(outcome.errno),
            level: rule.map_or(Level::Event, |rule| rule.level),
            cause: match (named, outcome.reason) {
                (Some(rule), Reason::Rule) => Cause::Rule(rule),
                (Some(rule), reason) => Cause::RuleBecause(rule, reason),
                (None, reason) => Cause::Because(reason),
            },
            report: outcome.report,
            args: if outcome.op == asked { args } else { super::gate::unknown(outcome.op) },
            op: outcome.op,
            path: outcome.path,
        }
    }
}

fn errno(number: i32) -> EventErrno {
    let policy = (0..4).map(Errno::from_code).find(|errno| errno.number() == number);
    policy.map_or(EventErrno::Xdev, EventErrno::Policy)
}

impl Decide for Policy {
    fn classes(&self) -> u32 {
        u32::try_from(self.image().classes().count())
            .expect("INVARIANT(valid): classes are counted by 32 bits")
    }

    fn class_of(&self, path: &[u8]) -> ClassId {
        self.setup.subjects.class_of(path)
    }

    fn hides(&self) -> bool {
        self.image().hides()
    }

    fn reads_unmapped(&self) -> bool {
        let needed = [Op::Lookup, Op::Open, Op::Read];
        (0..self.image().header().cell_count).any(|index| {
            let cell = self.image().cell(index);
            let denied = OpSet::from_bits(cell.deny);
            OpSet::from_bits(cell.deny | cell.depend).contains(Op::Mmap)
                && !needed.into_iter().any(|op| denied.contains(op))
        })
    }

    fn ask(&self, caller: &Caller, object: Object<'_>, op: Op, args: &[ArgValue]) -> Ruling {
        self.ruling(self.judge().ask(caller, object.path, object.kind, op, args), op, args.to_vec())
    }

    fn open(&self, caller: &Caller, object: Object<'_>, flags: &ArgValue, intent: Intent) -> Ruling {
        let outcome = self.judge().open(caller, object.path, object.kind, Some(flags), intent);
        self.ruling(outcome, Op::Open, vec![flags.clone()])
    }

    fn rename(&self, caller: &Caller, old: Object<'_>, new: &[u8], to: Destination) -> Ruling {
        let judge = self.judge();
        let outcome = match to {
            Destination::Free => judge.rename(caller, old.path, new, old.kind, None),
            Destination::Replaced(kind) => judge.rename(caller, old.path, new, old.kind, Some(kind)),
            Destination::Exchanged(kind) => judge.exchange(caller, (old.path, old.kind), (new, Some(kind))),
        };
        self.ruling(outcome, Op::Rename, vec![ArgValue::Bytes(new.to_vec())])
    }

    fn link(&self, caller: &Caller, old: Object<'_>, new: &[u8]) -> Ruling {
        let outcome = self.judge().link(caller, old.path, new, old.kind);
        self.ruling(outcome, Op::Link, vec![ArgValue::Bytes(new.to_vec())])
    }

    fn symlink(&self, caller: &Caller, link: &[u8], target: &[u8]) -> Ruling {
        self.ruling(
            self.judge().symlink(caller, link, target),
            Op::Symlink,
            vec![ArgValue::Bytes(target.to_vec())],
        )
    }
}
