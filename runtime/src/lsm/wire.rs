//! The maps' structures as bytes.

use boesfs_abi::map::{Armed, Binding, Call, Label, Program};

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
    Armed { seq, slot, reserved }
    Binding {
        policy_class, policy_slot, dir_node, dir_inside, dir_text_node, dir_text_inside, dir_label, other_class,
        flags, table, program_count, reserved,
    }
    Call { known, absent, op, class, path_len, never, label, deny, cell, entry, reason, error, report, reserved }
    Label { slot, class, pending, flags, sandbox, generation, pending_generation, exec, pending_exec }
    Program { class, len, is_name, reserved }
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
