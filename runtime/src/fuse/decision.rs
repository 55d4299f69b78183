//! The seam between the file system and the policy: what is asked, by whom, and what came of it.

use boesfs_abi::image::ClassId;
use boesfs_abi::judge::{Caller, Intent};
use boesfs_abi::op::Op;
use boesfs_abi::request::{ArgValue, Kind};
use boesfs_abi::verdict::{Errno, Level, Verdict};

use crate::events::{Cause, EventErrno};

/// One object: where it is and what it is.
#[derive(Clone, Copy, Debug)]
pub struct Object<'a> {
    /// Canonical absolute path as seen in the sandbox.
    pub path: &'a [u8],
    /// What it is; `None` if it does not exist or is not known.
    pub kind: Option<Kind>,
}

/// What a rename does with the destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// There is nothing, and nothing may be replaced.
    Free,
    /// What is there is replaced.
    Replaced(Kind),
    /// What is there takes the old name.
    Exchanged(Kind),
}

/// What an effective decision came to.
#[derive(Clone, Debug)]
pub struct Ruling {
    /// Allowed or denied.
    pub verdict: Verdict,
    /// The error of a denial.
    pub errno: EventErrno,
    /// What decided.
    pub cause: Cause,
    /// How loud it is.
    pub level: Level,
    /// Whether it is to be told.
    pub report: bool,
    /// The operation that decided: the first that was denied, else the one asked about.
    pub op: Op,
    /// The object it was asked about.
    pub path: Vec<u8>,
    /// The tuple it was asked with.
    pub args: Vec<ArgValue>,
}

impl Ruling {
    /// Whether the call may go on.
    #[must_use]
    pub fn allows(&self) -> bool {
        self.verdict == Verdict::Allow
    }
}

/// Takes effective decisions (LANGUAGE §5): hidden names, the open that others need, and the rules for moves included.
pub trait Decide: Send + Sync {
    /// How many subject classes there are. Ids are dense below it.
    fn classes(&self) -> u32;

    /// The class of the program at `path`, as seen in the sandbox.
    fn class_of(&self, path: &[u8]) -> ClassId;

    /// Whether `lookup` can be denied at all.
    fn hides(&self) -> bool;

    /// Whether somebody may open and read a file somewhere that it may not map.
    fn reads_unmapped(&self) -> bool;

    /// One operation on one object.
    fn ask(&self, caller: &Caller, object: Object<'_>, op: Op, args: &[ArgValue]) -> Ruling;

    /// Opening `object` with `flags` for `intent`.
    fn open(&self, caller: &Caller, object: Object<'_>, flags: &ArgValue, intent: Intent) -> Ruling;

    /// Moving `old` to the path `new`.
    fn rename(&self, caller: &Caller, old: Object<'_>, new: &[u8], destination: Destination) -> Ruling;

    /// Making `new` another name of `old`.
    fn link(&self, caller: &Caller, old: Object<'_>, new: &[u8]) -> Ruling;

    /// Making a symbolic link at `link` with the text `target`.
    fn symlink(&self, caller: &Caller, link: &[u8], target: &[u8]) -> Ruling;
}

/// The number of `errno`, positive.
pub(crate) fn errno_number(errno: EventErrno) -> i32 {
    match errno {
        EventErrno::Policy(errno) => errno.number(),
        EventErrno::Xdev => libc::EXDEV,
    }
}

/// What is answered where the plane itself cannot tell what it would judge.
pub(crate) const UNRESOLVED: EventErrno = EventErrno::Policy(Errno::Acces);
