//! Prototypes of LSM hooks, read off the kernel's type information: some differ from kernel to kernel.

const MAGIC: u16 = 0xeb9f;
const KIND_FUNC: u32 = 12;
const KIND_FUNC_PROTO: u32 = 13;

/// How many arguments the LSM hook called `hook` takes on the kernel whose BTF is `btf`; `None` if it has no such hook.
pub(super) fn argument_count(btf: &[u8], hook: &str) -> Option<u32> {
    let u32_at = |at: usize| Some(u32::from_le_bytes(btf.get(at..at + 4)?.try_into().ok()?));
    if u16::from_le_bytes(btf.get(..2)?.try_into().ok()?) != MAGIC {
        return None;
    }
    let (header, types, types_len, strings) = (u32_at(4)?, u32_at(8)?, u32_at(12)?, u32_at(16)?);
    let (mut at, strings) = ((header + types) as usize, (header + strings) as usize);
    let end = at + types_len as usize;
    let wanted = format!("bpf_lsm_{hook}\0");
    let mut starts = vec![0];
    let mut prototype = None;
    while at < end {
        starts.push(at);
        let (name, info) = (u32_at(at)?, u32_at(at + 4)?);
        let (kind, count) = (info >> 24 & 0x1f, info & 0xffff);
        if kind == KIND_FUNC && btf.get(strings + name as usize..)?.starts_with(wanted.as_bytes()) {
            prototype = Some(u32_at(at + 8)?);
        }
        at += 12 + following(kind, count)? as usize;
    }
    let at = *starts.get(prototype? as usize)?;
    let info = u32_at(at + 4)?;
    (info >> 24 & 0x1f == KIND_FUNC_PROTO).then_some(info & 0xffff)
}

/// Bytes behind a type's head, by its kind and count (`struct btf_type` of the kernel's headers).
fn following(kind: u32, count: u32) -> Option<u32> {
    Some(match kind {
        2 | 7..=12 | 16 | 18 => 0,
        1 | 14 | 17 => 4,
        3 => 12,
        4 | 5 | 15 | 19 => 12 * count,
        6 | KIND_FUNC_PROTO => 8 * count,
        _ => return None,
    })
}
