//! Which program of the lsm plane goes to which hook, and which policies need it there.

use crate::image::ValidImage;
use crate::op::{Op, OpSet};

/// When a program is attached.
#[derive(Clone, Copy, Debug)]
pub enum Need {
    /// For every policy.
    Always,
    /// If the policy can deny one of these.
    AnyOf(OpSet),
    /// If the policy can deny one of these otherwise than by denying the open that they need.
    BeyondOpen(OpSet),
    /// If the policy can deny one of these, or the open that they need to some programs and not to others, which can take over
    /// each other's descriptors.
    AnyOfOrInherited(OpSet),
    /// If the policy can deny one of these, or does not allow files without a name to be run.
    AnyOfOrAnonymous(OpSet),
}

/// One program of the object.
#[derive(Clone, Copy, Debug)]
pub struct Hook {
    /// The C function.
    pub program: &'static str,
    /// The LSM hook.
    pub hook: &'static str,
    /// When it is attached.
    pub need: Need,
    /// Whether some of the supported kernels lack the hook, and are not weaker for it.
    pub optional: bool,
}

const fn always(program: &'static str, hook: &'static str) -> Hook {
    Hook { program, hook, need: Need::Always, optional: false }
}

const fn any(program: &'static str, hook: &'static str, ops: &[Op]) -> Hook {
    Hook { program, hook, need: Need::AnyOf(OpSet::of(ops).with(Op::Lookup)), optional: false }
}

const fn inherited(program: &'static str, hook: &'static str, ops: &[Op]) -> Hook {
    Hook { need: Need::AnyOfOrInherited(OpSet::of(ops).with(Op::Lookup)), ..any(program, hook, ops) }
}

const fn optional(hook: Hook) -> Hook {
    Hook { optional: true, ..hook }
}

/// What a mapping is judged as.
const MAPPING: OpSet = OpSet::of(&[Op::Mmap, Op::Read, Op::Write, Op::Exec, Op::Open, Op::Lookup]);

/// Every program that stands at a hook.
pub const HOOKS: &[Hook] = &[
    always("boesfs_task_alloc", "task_alloc"),
    always("boesfs_bprm_creds_from_file", "bprm_creds_from_file"),
    always("boesfs_bprm_committed_creds", "bprm_committed_creds"),
    always("boesfs_file_open", "file_open"),
    any("boesfs_path_mknod", "path_mknod", &[Op::Create, Op::Mknod]),
    any("boesfs_path_mkdir", "path_mkdir", &[Op::Mkdir]),
    any("boesfs_path_rmdir", "path_rmdir", &[Op::Rmdir]),
    any("boesfs_path_unlink", "path_unlink", &[Op::Unlink]),
    any("boesfs_path_symlink", "path_symlink", &[Op::Symlink]),
    // What denies anything anywhere can be evaded by a move.
    always("boesfs_path_link", "path_link"),
    always("boesfs_path_rename", "path_rename"),
    // Counts: what is remembered of directories ends with a move.
    always("boesfs_inode_rename", "inode_rename"),
    Hook {
        program: "boesfs_file_permission",
        hook: "file_permission",
        need: Need::BeyondOpen(OpSet::of(&[Op::Read, Op::Write, Op::Iterate])),
        optional: false,
    },
    inherited("boesfs_path_truncate", "path_truncate", &[Op::Write]),
    optional(inherited("boesfs_file_truncate", "file_truncate", &[Op::Write])),
    Hook {
        program: "boesfs_mmap_file",
        hook: "mmap_file",
        need: Need::AnyOfOrAnonymous(MAPPING),
        optional: false,
    },
    Hook {
        program: "boesfs_file_mprotect",
        hook: "file_mprotect",
        need: Need::AnyOfOrAnonymous(MAPPING),
        optional: false,
    },
    inherited("boesfs_file_ioctl", "file_ioctl", &[Op::Ioctl, Op::Setattr]),
    optional(inherited("boesfs_file_ioctl_compat", "file_ioctl_compat", &[Op::Ioctl, Op::Setattr])),
    any("boesfs_path_chmod", "path_chmod", &[Op::Setattr]),
    any("boesfs_path_chown", "path_chown", &[Op::Setattr]),
    any("boesfs_inode_setattr", "inode_setattr", &[Op::Setattr]),
    any("boesfs_inode_setxattr", "inode_setxattr", &[Op::Setattr]),
    any("boesfs_inode_removexattr", "inode_removexattr", &[Op::Setattr]),
    // Before these hooks were, ACLs were extended attributes like others.
    optional(any("boesfs_inode_set_acl", "inode_set_acl", &[Op::Setattr])),
    optional(any("boesfs_inode_remove_acl", "inode_remove_acl", &[Op::Setattr])),
    any("boesfs_inode_getattr", "inode_getattr", &[Op::Getattr]),
    any("boesfs_inode_readlink", "inode_readlink", &[Op::Getattr]),
    any("boesfs_inode_getxattr", "inode_getxattr", &[Op::Getattr]),
    any("boesfs_inode_listxattr", "inode_listxattr", &[Op::Getattr]),
    optional(any("boesfs_inode_get_acl", "inode_get_acl", &[Op::Getattr])),
    any("boesfs_inode_permission", "inode_permission", &[Op::Getattr]),
    any("boesfs_inode_follow_link", "inode_follow_link", &[]),
    any("boesfs_sb_statfs", "sb_statfs", &[Op::Statfs]),
    any("boesfs_path_notify", "path_notify", &[Op::Iterate, Op::Getattr]),
    any("boesfs_unix_stream_connect", "unix_stream_connect", &[Op::Write]),
    any("boesfs_unix_may_send", "unix_may_send", &[Op::Write]),
    always("boesfs_file_receive", "file_receive"),
    always("boesfs_sb_mount", "sb_mount"),
    always("boesfs_sb_umount", "sb_umount"),
    always("boesfs_sb_remount", "sb_remount"),
    always("boesfs_sb_pivotroot", "sb_pivotroot"),
    always("boesfs_move_mount", "move_mount"),
    always("boesfs_path_chroot", "path_chroot"),
    always("boesfs_bpf", "bpf"),
    always("boesfs_userns_create", "userns_create"),
    always("boesfs_ptrace_access_check", "ptrace_access_check"),
    always("boesfs_ptrace_traceme", "ptrace_traceme"),
];

/// Programs that stand at a hook as long as the engine is sealed, whatever policies there are.
pub const SEAL: &[Hook] = &[
    always("boesfs_seal_map", "bpf_map"),
    always("boesfs_seal_prog", "bpf_prog"),
    always("boesfs_seal_create", "inode_create"),
    always("boesfs_seal_symlink", "inode_symlink"),
    always("boesfs_seal_link", "inode_link"),
    always("boesfs_seal_unlink", "inode_unlink"),
    always("boesfs_seal_rmdir", "inode_rmdir"),
    always("boesfs_seal_rename", "inode_rename"),
    always("boesfs_seal_umount", "sb_umount"),
    always("boesfs_seal_remount", "sb_remount"),
    always("boesfs_seal_ptrace", "ptrace_access_check"),
    always("boesfs_seal_exec", "bprm_creds_from_file"),
    always("boesfs_seal_prctl", "task_prctl"),
];

impl Hook {
    /// Whether `image` needs it.
    #[must_use]
    pub fn needed(&self, image: &ValidImage) -> bool {
        let denies = |ops: OpSet| !image.may_deny().intersection(ops).is_empty();
        match self.need {
            Need::Always => true,
            Need::AnyOf(ops) => denies(ops),
            Need::BeyondOpen(ops) => {
                denies(ops.with(Op::Open).with(Op::Lookup)) && !image.settled_at_open(ops)
            }
            Need::AnyOfOrInherited(ops) => {
                denies(ops) || denies(OpSet::of(&[Op::Open])) && !image.settled_at_open(ops)
            }
            Need::AnyOfOrAnonymous(ops) => denies(ops) || !image.anonymous_exec(),
        }
    }

    /// Whether `image` needs it where descriptors can be open that another policy let be opened, as after a reload.
    #[must_use]
    pub fn needed_after_another(&self, image: &ValidImage) -> bool {
        match self.need {
            Need::BeyondOpen(ops) => {
                !image.may_deny().intersection(ops.with(Op::Lookup)).is_empty() || self.needed(image)
            }
            _ => self.needed(image),
        }
    }
}
