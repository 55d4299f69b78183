//! What a policy says about places: literal paths, and denials outside a directory.

use std::collections::{HashSet, VecDeque};

use super::view::{RuleRef, State, ValidImage};
use crate::layout::NO_RULE;
use crate::op::OpSet;
use crate::spelling::Spelling;
use crate::verdict::Effect;

/// The literal path of a rule, or its pattern's literal directory: it must not run through a symbolic link where the
/// policy is loaded, or it does not name what it seems to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Literal {
    /// What the rule says.
    pub effect: Effect,
    /// The rule's index.
    pub rule: u32,
    /// The path.
    pub path: Vec<u8>,
}

/// A denial that can match outside a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outside {
    /// Some path outside at which it does.
    pub path: Vec<u8>,
    /// What denies there.
    pub at: RuleRef,
    /// Whether that is a rule, or the policy's default.
    pub by_default: bool,
}

impl ValidImage {
    /// A rule's denial that can match a path which is neither `dir` nor below it, or, if there is none and
    /// `defaults` asks for them, a denial by default there.
    #[must_use]
    pub fn denial_outside(&self, dir: &[u8], defaults: Defaults) -> Option<Outside> {
        if dir == b"/" {
            return None;
        }
        let mut fallback = None;
        let mut seen = HashSet::new();
        // The last of each is how much of `dir` has been spelt, while nothing else has.
        let mut todo = VecDeque::from([(self.path_start(), Spelling::Name, Some(0), Vec::new())]);
        while let Some((state, spelt, on_way, path)) = todo.pop_front() {
            if !seen.insert((state, spelt, on_way)) {
                continue;
            }
            let inside = on_way == Some(dir.len());
            let whole = (spelt == Spelling::Name && !path.is_empty()) || path == b"/";
            if whole && !inside {
                match self.denial_at(state, defaults) {
                    Some((at, false)) => return Some(Outside { path, at, by_default: false }),
                    Some((at, true)) if fallback.is_none() => {
                        fallback = Some(Outside { path: path.clone(), at, by_default: true });
                    }
                    _ => {}
                }
            }
            let follow = on_way.and_then(|at: usize| dir.get(at).copied());
            for (byte, next) in self.ways(state, follow) {
                let Some(spelt) = spelt.after(byte) else { continue };
                // A path begins with `/`; what follows all of `dir` and a `/` is inside.
                if (path.is_empty() && byte != b'/') || (inside && byte == b'/') {
                    continue;
                }
                let on_way = on_way.filter(|_| follow == Some(byte)).map(|at| at + 1);
                todo.push_back((next, spelt, on_way, [path.as_slice(), &[byte]].concat()));
            }
        }
        fallback
    }

    /// Every way out of `state`, with one byte for it; bytes that are special in paths, and `follow`, for themselves.
    fn ways(&self, state: State, follow: Option<u8>) -> Vec<(u8, State)> {
        let (mut ways, other) = self.edges(state);
        let listed: HashSet<u8> = ways.iter().map(|(byte, _)| *byte).collect();
        let ordinary = (b'a'..=255)
            .chain(1..b'a')
            .find(|byte| ![b'/', b'.'].contains(byte) && !listed.contains(byte) && follow != Some(*byte));
        let unlisted =
            [Some(b'/'), Some(b'.'), follow].into_iter().flatten().filter(|byte| !listed.contains(byte));
        let mut special: Vec<u8> = unlisted.chain(ordinary).collect();
        special.sort_unstable();
        special.dedup();
        ways.extend(special.into_iter().map(|byte| (byte, other)));
        ways
    }

    fn denial_at(&self, state: State, defaults: Defaults) -> Option<(RuleRef, bool)> {
        let mut fallback = None;
        for class in self.classes() {
            let Some((index, cell)) = self.cell_at(state, class) else { continue };
            let rules = OpSet::from_bits(cell.deny & !cell.by_default);
            if let Some(op) = rules.iter().next() {
                return Some((RuleRef { class, cell: index, entry: NO_RULE, op }, false));
            }
            for (number, entry) in self.entries(cell.first, cell.first_count) {
                let ops = OpSet::from_bits(entry.ops & cell.depend);
                if entry.deny == 1
                    && let Some(op) = ops.iter().next()
                {
                    let at = RuleRef { class, cell: index, entry: number, op };
                    if entry.by_default == 0 {
                        return Some((at, false));
                    }
                    fallback = Some((at, true));
                }
            }
            if let Some(op) = OpSet::from_bits(cell.by_default).iter().next() {
                fallback = Some((RuleRef { class, cell: index, entry: NO_RULE, op }, true));
            }
        }
        fallback.filter(|_| defaults == Defaults::Count)
    }
}

/// Whether denials by default are looked for too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defaults {
    /// They are.
    Count,
    /// Only those of rules.
    Ignore,
}
