//! `cargo xtask codegen`: from the tables of `boesfs-abi` to the files written from them, which are committed:
//! the C header that eBPF programs include and the table of operations for people.

use anyhow::{Context, bail};
use boesfs_abi::layout::{self, STRUCTS, StructSpec};
use boesfs_abi::map;
use boesfs_abi::memory;
use boesfs_abi::op::{Access, ArgType, Coverage, MAX_ARGS, OPS, Op, OpSet};
use boesfs_abi::request::Kind;
use boesfs_abi::verdict::{Errno, Reason};
use std::fmt::Write as _;
use std::path::Path;

/// The generated files: path from the workspace's root, and text.
#[must_use]
pub fn files() -> [(&'static str, String); 2] {
    [("ebpf/bpf/boesfs_abi.h", header()), ("docs/operations.md", operations())]
}

/// Writes every generated file below `root`.
///
/// # Errors
/// If one cannot be written.
pub fn write(root: &Path) -> anyhow::Result<()> {
    for (path, text) in files() {
        std::fs::write(root.join(path), text).with_context(|| format!("cannot write {path}"))?;
    }
    Ok(())
}

/// Compares every generated file below `root` with what it should be.
///
/// # Errors
/// If one is missing or stale.
pub fn check(root: &Path) -> anyhow::Result<()> {
    for (path, text) in files() {
        let found =
            std::fs::read_to_string(root.join(path)).with_context(|| format!("cannot read {path}"))?;
        if found != text {
            bail!("{path} is stale: run `cargo xtask codegen`");
        }
    }
    Ok(())
}

macro_rules! line {
    ($out:expr, $($arg:tt)*) => { writeln!($out, $($arg)*).expect("INVARIANT: writing to a string succeeds") };
}

/// Rust's intra-doc links as plain C names.
fn plain(doc: &str) -> String {
    doc.replace("[`", "`").replace("`]", "`").trim().to_owned()
}

fn comment(out: &mut String, indent: &str, doc: &str) {
    const WIDTH: usize = 100;
    let doc = plain(doc);
    let mut lines: Vec<String> = vec![String::new()];
    for word in doc.split_whitespace() {
        let last = lines.last_mut().expect("INVARIANT: there is always a line");
        if !last.is_empty() && indent.len() + last.len() + word.len() > WIDTH {
            lines.push(word.to_owned());
        } else {
            if !last.is_empty() {
                last.push(' ');
            }
            last.push_str(word);
        }
    }
    line!(out, "{indent}/* {} */", lines.join(&format!("\n{indent} * ")));
}

fn header() -> String {
    let mut out = String::new();
    line!(out, "/* SPDX-License-Identifier: GPL-2.0 */");
    line!(out, "/* Generated from abi/src by `cargo xtask codegen`; do not edit. */");
    line!(out, "#ifndef BOESFS_ABI_H\n#define BOESFS_ABI_H\n");
    line!(
        out,
        "typedef unsigned char __u8;\ntypedef unsigned short __u16;\ntypedef unsigned int __u32;\ntypedef unsigned long long __u64;\n"
    );
    constants(&mut out);
    enums(&mut out);
    for spec in STRUCTS.iter().chain(&map::STRUCTS) {
        structure(&mut out, spec);
    }
    line!(out, "#endif");
    out
}

fn constants(out: &mut String) {
    let numbers: [(&str, u64); 82] = [
        ("BLOB_MAGIC", layout::BLOB_MAGIC.into()),
        ("ABI_VERSION", layout::ABI_VERSION.into()),
        ("ABI_FINGERPRINT", layout::fingerprint().into()),
        ("MAX_BLOB", layout::MAX_BLOB.into()),
        ("MAX_PATH", layout::MAX_PATH.into()),
        ("MAX_ITEMS", layout::MAX_ITEMS.into()),
        ("MAX_ARGS", MAX_ARGS as u64),
        ("NO_RULE", layout::NO_RULE.into()),
        ("NO_CLASS", layout::NO_CLASS.into()),
        ("NODE_CHAIN", layout::NODE_CHAIN.into()),
        ("NODE_BRANCH", layout::NODE_BRANCH.into()),
        ("NODE_SINK", layout::NODE_SINK.into()),
        ("NODE_TABLE", layout::NODE_TABLE.into()),
        ("MAX_CHAIN", layout::MAX_CHAIN.into()),
        ("MAX_BRANCH", layout::MAX_BRANCH.into()),
        ("FLAG_BOESFS", layout::FLAG_BOESFS.into()),
        ("FLAG_ENTRY_SUBJECT", layout::FLAG_ENTRY_SUBJECT.into()),
        ("FLAG_MOVES_JUDGED", layout::FLAG_MOVES_JUDGED.into()),
        ("FLAG_ANONYMOUS_EXEC", layout::FLAG_ANONYMOUS_EXEC.into()),
        ("FLAG_HIDES", layout::FLAG_HIDES.into()),
        ("FIELD_ARG0", layout::FIELD_ARG0.into()),
        ("FIELD_UID", layout::FIELD_UID.into()),
        ("FIELD_GID", layout::FIELD_GID.into()),
        ("FIELD_KIND", layout::FIELD_KIND.into()),
        ("FIELD_COUNT", layout::FIELD_COUNT.into()),
        ("CONDITION_BETWEEN", layout::CONDITION_BETWEEN.into()),
        ("CONDITION_ANY_BIT", layout::CONDITION_ANY_BIT.into()),
        ("CONDITION_TEXT", layout::CONDITION_TEXT.into()),
        ("CONDITION_KIND", layout::CONDITION_KIND.into()),
        ("EVENT_PATH_TRUNCATED", layout::EVENT_PATH_TRUNCATED.into()),
        ("EVENT_KILLED", layout::EVENT_KILLED.into()),
        ("EVENT_PERMISSIVE", layout::EVENT_PERMISSIVE.into()),
        ("MAX_SANDBOXES", map::MAX_SANDBOXES.into()),
        ("SHORT_DIR", map::SHORT_DIR.into()),
        ("ROOM_SMALL", memory::BLOB_ROOMS[0] as u64),
        ("ROOM_MEDIUM", memory::BLOB_ROOMS[1] as u64),
        ("ROOM_LARGE", memory::BLOB_ROOMS[2] as u64),
        ("ROOM_HUGE", memory::BLOB_ROOMS[3] as u64),
        ("MAX_POLICIES_SMALL", map::MAX_POLICIES[0].into()),
        ("MAX_POLICIES_MEDIUM", map::MAX_POLICIES[1].into()),
        ("MAX_POLICIES_LARGE", map::MAX_POLICIES[2].into()),
        ("MAX_POLICIES_HUGE", map::MAX_POLICIES[3].into()),
        ("BLOB_SLACK", memory::BLOB_SLACK as u64),
        ("MAX_MOUNTS", map::MAX_MOUNTS.into()),
        ("MOUNTS_PIECE", map::MOUNTS_PIECE.into()),
        ("MAX_MOUNTS_PIECES", map::MAX_MOUNTS_PIECES.into()),
        ("WORKS_PER_CPU", map::WORKS_PER_CPU.into()),
        ("CALL_PATH", map::CALL_PATH.into()),
        ("CALL_TEXT", map::CALL_TEXT.into()),
        ("SANDBOX_KILLED", map::SANDBOX_KILLED.into()),
        ("SANDBOX_OVERLAY", map::SANDBOX_OVERLAY.into()),
        ("SANDBOX_USERNS", map::SANDBOX_USERNS.into()),
        ("SANDBOX_MOUNTS_FULL", map::SANDBOX_MOUNTS_FULL.into()),
        ("SANDBOX_PERMISSIVE", map::SANDBOX_PERMISSIVE.into()),
        ("SANDBOX_UNTOLD", map::SANDBOX_UNTOLD.into()),
        ("BINDING_CLASSES", map::BINDING_CLASSES.into()),
        ("BINDING_STRICT", map::BINDING_STRICT.into()),
        ("BINDING_TRANSFERS", map::BINDING_TRANSFERS.into()),
        ("MAX_FOLDS", map::MAX_FOLDS.into()),
        ("FOLD_WINDOW", map::FOLD_WINDOW.into()),
        ("LIMITS_RING", map::LIMITS_RING.into()),
        ("RECORD_DIR", map::RECORD_DIR.into()),
        ("RECORD_MOUNT", map::RECORD_MOUNT.into()),
        ("RECORD_TOOL", map::RECORD_TOOL.into()),
        ("RECORD_ENGINE", map::RECORD_ENGINE.into()),
        ("RECORD_ROOT", map::RECORD_ROOT.into()),
        ("SEAL_MAP", map::SEAL_MAP.into()),
        ("SEAL_PROGRAM", map::SEAL_PROGRAM.into()),
        ("MAX_SEALS", map::MAX_SEALS.into()),
        ("LABEL_ENTERING", map::LABEL_ENTERING.into()),
        ("LABEL_PENDING", map::LABEL_PENDING.into()),
        ("EXEC_ANY", map::EXEC_ANY),
        ("MAX_ORPHANS", map::MAX_ORPHANS.into()),
        ("MAX_ASKED", map::MAX_ASKED.into()),
        ("OP_COUNT", Op::COUNT as u64),
        ("OPS_ALL", OpSet::ALL.bits().into()),
        ("OPS_MAKING", OpSet::MAKING.bits().into()),
        ("OPS_THROUGH_OPEN", OpSet::THROUGH_OPEN.bits().into()),
        ("ACCESS_ANY", Access::Any as u64),
        ("ACCESS_USE", Access::Use as u64),
        ("ACCESS_READ", Access::Read as u64),
        ("ACCESS_WRITE", Access::Write as u64),
    ];
    for (name, value) in numbers {
        line!(out, "#define BOESFS_{name} {value:#x}u");
    }
    line!(out, "");
}

fn enums(out: &mut String) {
    line!(out, "/* An operation: its bit in masks and its id on the wire. */\nenum boesfs_op {{");
    for spec in &OPS {
        comment(out, "\t", spec.doc);
        line!(out, "\tBOESFS_OP_{} = {},", spec.name.to_uppercase(), spec.op as u32);
    }
    line!(out, "}};\n\n/* What kind of object: its bit in a kind test. */\nenum boesfs_kind {{");
    for kind in Kind::ALL {
        line!(out, "\tBOESFS_KIND_{} = {},", kind.name().to_uppercase(), kind as u32);
    }
    line!(out, "}};\n\n/* Why a call was denied. */\nenum boesfs_reason {{");
    for reason in (0..Reason::COUNT).filter_map(Reason::from_id) {
        line!(out, "\tBOESFS_REASON_{} = {},", reason.name().to_uppercase().replace('-', "_"), reason as u32);
    }
    line!(out, "}};\n\n/* Two-bit codes of error numbers. */\nenum boesfs_errno {{");
    for errno in (0..4).map(Errno::from_code) {
        line!(out, "\tBOESFS_{} = {},", errno.name(), errno as u32);
    }
    line!(out, "}};\n");
    for errno in (0..4).map(Errno::from_code) {
        line!(out, "#define BOESFS_{}_NUMBER {}", errno.name(), errno.number());
    }
    line!(
        out,
        "\n/* Operations by the type of the argument at a place: bit set if it is a path or a text. */"
    );
    for place in 0..MAX_ARGS {
        let texts = OPS.iter().filter(|spec| {
            spec.args.get(place).is_some_and(|arg| matches!(arg.ty, ArgType::Path | ArgType::Text))
        });
        let bits = texts.fold(0u32, |bits, spec| bits | 1 << spec.op as u32);
        line!(out, "#define BOESFS_OPS_TEXT_ARG{place} {bits:#x}u");
    }
    line!(out, "");
}

/// `PolicyHeader` as `boesfs_policy_header`.
fn c_name(rust: &str) -> String {
    let mut out = "boesfs".to_owned();
    for letter in rust.chars() {
        if letter.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}

fn c_field(ty: &str, name: &str) -> String {
    match ty.trim_start_matches('[').trim_end_matches(']').split_once(';') {
        Some((element, count)) => format!("__{} {name}[{}]", element.trim(), count.trim()),
        None => format!("__{ty} {name}"),
    }
}

fn structure(out: &mut String, spec: &StructSpec) {
    let name = c_name(spec.name);
    comment(out, "", spec.doc);
    line!(out, "struct {name} {{");
    for field in spec.fields {
        comment(out, "\t", field.doc);
        line!(out, "\t{};", c_field(field.ty, field.name));
    }
    line!(out, "}};");
    line!(out, "_Static_assert(sizeof(struct {name}) == {}, \"size of {name}\");", spec.size);
    for field in spec.fields {
        line!(
            out,
            "_Static_assert(__builtin_offsetof(struct {name}, {f}) == {}, \"{name}.{f}\");",
            field.offset,
            f = field.name
        );
    }
    line!(out, "");
}

fn coverage(coverage: Coverage) -> String {
    match coverage {
        Coverage::Exact => "exact".into(),
        Coverage::Approximate(how) => format!("never weaker: {how}"),
        Coverage::Partial(how) => format!("in part: {how}"),
        Coverage::Unenforceable(why) => format!("no: {why}"),
    }
}

fn operations() -> String {
    let mut out = String::new();
    line!(out, "<!-- Generated from abi/src/op.rs by `cargo xtask codegen`; do not edit. -->");
    line!(out, "# Operations\n");
    line!(out, "What a policy can allow or deny, with the tuple of each, and how each plane enforces it.\n");
    line!(out, "| operation | what it is | tuple | lsm plane | fuse plane |\n|---|---|---|---|---|");
    for spec in &OPS {
        let tuple: Vec<_> = spec.args.iter().map(|arg| format!("`{}`", arg.name)).collect();
        line!(
            out,
            "| `{}` | {} | {} | {} | {} |",
            spec.name,
            spec.doc,
            if tuple.is_empty() { "–".to_owned() } else { tuple.join(", ") },
            coverage(spec.lsm),
            coverage(spec.fuse)
        );
    }
    line!(out, "\n## Arguments\n\n| operation | argument | type | meaning |\n|---|---|---|---|");
    for spec in &OPS {
        for arg in spec.args {
            let ty = match arg.ty {
                ArgType::Unsigned => "unsigned",
                ArgType::Signed => "signed",
                ArgType::Path => "path",
                ArgType::Text => "text",
            };
            line!(out, "| `{}` | `{}` | {ty} | {} |", spec.name, arg.name, arg.doc);
        }
    }
    line!(out, "\n## Where each is judged\n\n| operation | LSM hooks | FUSE requests |\n|---|---|---|");
    for spec in &OPS {
        let list = |names: &[&str]| {
            if names.is_empty() {
                "–".to_owned()
            } else {
                names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
            }
        };
        line!(out, "| `{}` | {} | {} |", spec.name, list(spec.lsm_hooks), list(spec.fuse_ops));
    }
    line!(out, "\n## Groups\n\n| group | operations |\n|---|---|");
    for (name, ops) in boesfs_abi::op::GROUPS {
        let list: Vec<_> = ops.iter().map(|op| format!("`{op}`")).collect();
        line!(out, "| `{name}` | {} |", list.join(" "));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_files_are_fresh() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        if let Err(error) = check(&root) {
            panic!("{error:#}");
        }
    }
}
