//! The words of an action: operations, aliases, groups and action roles.

use boesfs_abi::op::{GROUPS, OPS, Op, OpSet};

use super::{ActionRole, Shape};

/// What the words of one action stand for.
#[derive(Clone, Debug, Default)]
pub(super) struct Action {
    /// The operations, those of roles without tuples among them.
    pub(super) ops: OpSet,
    /// The roles named, as indices into the policy's action roles.
    pub(super) roles: Vec<usize>,
    /// Words that are nothing, with their offset in the text.
    pub(super) unknown: Vec<(usize, String)>,
    /// `default` is among them.
    pub(super) has_default: bool,
    /// `lookup2` is among them.
    pub(super) has_lookup2: bool,
}

/// Reads `text` as an action: in Casbin shape words separated by blanks, in `BoesFS` shape one word.
pub(super) fn action(text: &[u8], shape: Shape, roles: &[ActionRole]) -> Action {
    let text = String::from_utf8_lossy(text);
    let mut action = Action::default();
    let words: Vec<&str> = match shape {
        Shape::Casbin => text.split([' ', '\t']).filter(|word| !word.is_empty()).collect(),
        Shape::Boesfs => vec![text.as_ref()],
    };
    if words.is_empty() {
        action.unknown.push((0, String::new()));
    }
    for word in words {
        let offset = word.as_ptr() as usize - text.as_ptr() as usize;
        if let Some(role) = roles.iter().position(|role| role.name == word) {
            action.roles.push(role);
            if !has_tuple(&roles[role]) {
                action.ops =
                    roles[role].members.iter().fold(action.ops, |ops, (member, _)| ops.union(*member));
            }
            continue;
        }
        match (word, shape) {
            ("*" | "any", _) => action.ops = OpSet::ALL,
            ("none", _) => {}
            ("default", Shape::Boesfs) => action.has_default = true,
            (_, Shape::Boesfs) if matches!(Op::from_name(word), Some(Op::Exec | Op::Ioctl)) => {
                action.unknown.push((offset, word.to_owned()));
            }
            _ => match Op::from_name(word) {
                Some(op) => {
                    action.has_lookup2 |= op == Op::Lookup2;
                    action.ops = action.ops.union(twins(op));
                }
                None => match GROUPS.iter().find(|(name, _)| *name == word) {
                    Some((_, ops)) if shape == Shape::Casbin => action.ops = action.ops.union(*ops),
                    _ => action.unknown.push((offset, word.to_owned())),
                },
            },
        }
    }
    action
}

/// `op` and the operation that is decided as it: `lookup` and `lookup2` are one.
fn twins(op: Op) -> OpSet {
    match op.decided_as() {
        Op::Lookup => OpSet::of(&[Op::Lookup, Op::Lookup2]),
        op => OpSet::EMPTY.with(op),
    }
}

/// Whether `role` tests arguments, so that it is more than a set of operations.
pub(super) fn has_tuple(role: &ActionRole) -> bool {
    role.members.iter().any(|(_, tuple)| !tuple.is_any())
}

/// The words an action may hold, for "did you mean".
pub(super) fn known_words(shape: Shape, roles: &[ActionRole]) -> Vec<&str> {
    let ops = OPS.iter().map(|spec| spec.name);
    let mut words: Vec<&str> = match shape {
        Shape::Casbin => ops.chain(GROUPS.iter().map(|(name, _)| *name)).collect(),
        Shape::Boesfs => ops.filter(|name| !matches!(*name, "exec" | "ioctl")).collect(),
    };
    words.extend(roles.iter().map(|role| role.name.as_str()));
    words
}
