//! Which program goes to which LSM hook, and which policies need it there.

use boesfs_abi::image::ValidImage;
use boesfs_abi::op::{Op, OpSet};

/// When a program is attached.
#[derive(Clone, Copy, Debug)]
pub(super) enum Need {
    /// For every policy.
    Always,
    /// If the policy can deny one of these.
    AnyOf(OpSet),
    /// If the policy can deny one of these, or does not allow files without a name to be run.
    AnyOfOrAnonymous(OpSet),
}

/// One program of the object.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hook {
    /// The C function.
    pub(super) program: &'static str,
    /// The LSM hook.
    pub(super) hook: &'static str,
    /// When it is attached.
    pub(super) need: Need,
    /// Whether some of the supported kernels lack the hook, and are not weaker for it.
    pub(super) optional: bool,
}

const fn always(program: &'static str, hook: &'static str) -> Hook {
    Hook { program, hook, need: Need::Always, optional: false }
}

const fn any(program: &'static str, hook: &'static str, ops: &[Op]) -> Hook {
    Hook { program, hook, need: Need::AnyOf(OpSet::of(ops).with(Op::Lookup)), optional: false }
}

/// The program that notes places at set-up; it is attached only then.
pub(super) const RECORD: Hook = always("boesfs_record", "inode_getattr");

/// Every other program.
pub(super) const HOOKS: &[Hook] = &[
    always("boesfs_task_alloc", "task_alloc"),
    always("boesfs_bprm_committed_creds", "bprm_committed_creds"),
    always("boesfs_file_open", "file_open"),
];

impl Hook {
    /// Whether `image` needs it.
    pub(super) fn needed(&self, image: &ValidImage) -> bool {
        let denies = |ops: OpSet| !image.may_deny().intersection(ops).is_empty();
        match self.need {
            Need::Always => true,
            Need::AnyOf(ops) => denies(ops),
            Need::AnyOfOrAnonymous(ops) => denies(ops) || !image.anonymous_exec(),
        }
    }
}
