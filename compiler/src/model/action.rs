//! The words of an action: operations, aliases, groups and action roles.

use boesfs_abi::op::{GROUPS, OPS, Op, OpSet};

use boesfs_grammar::Span;

use super::opaque::{STAND_IN, Vocabulary};
use super::{ActionRole, Shape};
use crate::diagnostic::Diagnostic;

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
pub(super) fn action(text: &[u8], shape: Shape, roles: &[ActionRole], vocabulary: Vocabulary<'_>) -> Action {
    let text = String::from_utf8_lossy(text);
    let mut action = Action::default();
    let words: Vec<&str> = match shape {
        Shape::Casbin => text.split([' ', '\t']).filter(|word| !word.is_empty()).collect(),
        Shape::Boesfs => vec![text.as_ref()],
    };
    if words.is_empty() && !vocabulary.open {
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
        if vocabulary.word == Some(word) {
            action.ops = action.ops.with(STAND_IN);
            continue;
        }
        let meant = |ops: OpSet| {
            if vocabulary.word.is_some() { ops.difference(OpSet::EMPTY.with(STAND_IN)) } else { ops }
        };
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
                    action.ops = action.ops.union(meant(twins(op)));
                }
                None => match GROUPS.iter().find(|(name, _)| *name == word) {
                    Some((_, ops)) if shape == Shape::Casbin => action.ops = action.ops.union(meant(*ops)),
                    _ if vocabulary.open && shape == Shape::Casbin => {}
                    _ => action.unknown.push((offset, word.to_owned())),
                },
            },
        }
    }
    action
}

/// The operations whose names `pattern` is found in, as `regexMatch` finds it. The error says why it cannot be told.
pub(super) fn matching(pattern: &[u8], vocabulary: Vocabulary<'_>) -> Result<OpSet, String> {
    let pattern = std::str::from_utf8(pattern).map_err(|_| "it is not UTF-8".to_owned())?;
    let search = regex::Regex::new(pattern).map_err(|error| match error {
        regex::Error::CompiledTooBig(limit) => format!("it needs more than {limit} bytes"),
        _ => "it is no regular expression".to_owned(),
    })?;
    let name = |op: Op| match vocabulary.word {
        Some(word) if op == STAND_IN => word,
        _ => op.name(),
    };
    let found = OpSet::ALL.iter().filter(|op| search.is_match(name(*op)));
    let ops = found.fold(OpSet::EMPTY, |ops, op| ops.union(twins(op)));
    if ops.is_empty() && !vocabulary.open {
        return Err("it matches no operation".to_owned());
    }
    Ok(ops)
}

/// Why a pattern of operations is none.
pub(super) fn bad_action_pattern(reason: &str, at: Span) -> Diagnostic {
    Diagnostic::error("E0405", format!("the pattern cannot be compiled: {reason}"), at)
        .label("in this pattern")
        .help("name the operations: `r.act == p.act` takes several, separated by blanks")
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
