//! The maps' structures as bytes.

use boesfs_abi::map::{Call, Label, Mount, Program, Recording, Sandbox};

/// A structure whose fields are written one after the other: `repr(C)` without padding.
macro_rules! bytes_of {
    ($($ty:ident { $($field:ident),* $(,)? })*) => {$(
        impl Wire<{ size_of::<$ty>() }> for $ty {
            fn to_bytes(&self) -> [u8; size_of::<Self>()] {
                let mut bytes = [0; size_of::<Self>()];
                $({
                    let at = std::mem::offset_of!($ty, $field);
                    let field = self.$field.to_ne_bytes();
                    bytes[at..at + field.len()].copy_from_slice(&field);
                })*
                bytes
            }
        }
    )*};
}

/// Has a fixed form in a map.
pub(super) trait Wire<const N: usize> {
    /// The bytes the kernel reads.
    fn to_bytes(&self) -> [u8; N];
}

bytes_of! {
    Call { known, absent, op, class, path_len, never, label, deny, cell, entry, reason, error, report, reserved }
    Label { slot, class, pending, flags }
    Mount { mount, root, superblock }
    Program { class, len, is_name, reserved }
    Recording { thread, slot, what, count }
    Sandbox {
        id, generation, kill_after, denials, dropped, anchor_mount, anchor_dentry, mount_namespace, flags,
        mount_namespace_id, dir_node, dir_inside, dir_text_node, dir_text_inside, dir_label, dir_len,
        mount_count, other_class, program_count, reserved,
    }
}

/// The field of `$ty` called `$field` in `bytes`.
macro_rules! field {
    ($bytes:expr, $ty:ident.$field:ident: $kind:ty) => {{
        let at = std::mem::offset_of!($ty, $field);
        <$kind>::from_ne_bytes(
            $bytes[at..at + size_of::<$kind>()].try_into().expect("INVARIANT: a slice of the number's size"),
        )
    }};
}
pub(super) use field;
