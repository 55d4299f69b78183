//! The rules of an image by their texts, and what became of each in another.

use boesfs_abi::image::{RuleInfo, ValidImage};
use hashbrown::{HashMap, HashSet};

/// An image with the names of its sources.
#[derive(Clone, Debug)]
pub struct Side<'a> {
    /// The image.
    pub image: &'a ValidImage,
    /// The names of the policy and, if there is one, of its model.
    pub files: Vec<String>,
}

/// A rule, for people.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Decider {
    /// What `#@ id=` said, else its line.
    pub id: String,
    /// The name of its source.
    pub file: String,
    /// Line in that source, from 1.
    pub line: u32,
    /// The line as written.
    pub text: String,
    /// Its level.
    pub level: &'static str,
}

/// What decides.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Blamed {
    /// A rule.
    Rule(Decider),
    /// No rule: the effect's default.
    Default,
    /// A rule or the default: the image does not say.
    Unnamed,
}

impl Blamed {
    /// The rule, if it is one.
    #[must_use]
    pub fn rule(&self) -> Option<&Decider> {
        match self {
            Self::Rule(rule) => Some(rule),
            Self::Default | Self::Unnamed => None,
        }
    }
}

impl Side<'_> {
    /// What decides, if it has this index.
    pub(super) fn blamed(&self, index: Option<u32>) -> Blamed {
        match (index, self.image.debug()) {
            (_, None) => Blamed::Unnamed,
            (None, Some(_)) => Blamed::Default,
            (Some(index), Some(_)) => self.rule(index).map_or(Blamed::Unnamed, Blamed::Rule),
        }
    }

    fn rule(&self, index: u32) -> Option<Decider> {
        let info = self.info(index)?;
        Some(Decider {
            id: info.id.to_owned(),
            file: self.files.get(info.file as usize).cloned().unwrap_or_default(),
            line: info.line,
            text: info.text.to_string(),
            level: info.level.name(),
        })
    }

    fn info(&self, index: u32) -> Option<RuleInfo<'_>> {
        self.image.debug()?.rules.get(index as usize)
    }

    /// What a rule is known by from one version of a policy to the next: its id, or its text.
    pub(super) fn identity(&self, index: u32) -> Option<(&str, &'static str)> {
        let info = self.info(index)?;
        let named = info.id != info.line.to_string();
        Some((if named { info.id } else { info.text }, info.level.name()))
    }

    fn texts(&self) -> Vec<&str> {
        self.image.debug().map_or_else(Vec::new, |debug| debug.rules.iter().map(|rule| rule.text).collect())
    }
}

/// Which rules are in one policy only, and which of these are one line before and after an edit.
pub(super) struct Edits {
    removed: HashMap<u32, Option<u32>>,
    added: HashMap<u32, Option<u32>>,
}

/// What is to blame for a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Anchor {
    /// A line that reads otherwise now.
    Edited(u32, u32),
    /// A new line.
    Added(u32),
    /// A line that is gone.
    Removed(u32),
    /// Lines that both have, or defaults.
    Both(Option<u32>, Option<u32>),
}

impl Anchor {
    /// The rules of both policies that are to blame.
    pub(super) fn rules(self) -> (Option<u32>, Option<u32>) {
        match self {
            Self::Edited(old, new) => (Some(old), Some(new)),
            Self::Added(new) => (None, Some(new)),
            Self::Removed(old) => (Some(old), None),
            Self::Both(old, new) => (old, new),
        }
    }
}

impl Edits {
    pub(super) fn new(old: &Side<'_>, new: &Side<'_>) -> Self {
        const MOST: usize = 1_000;
        let (before, after) = (old.texts(), new.texts());
        let only = |list: &[&str], other: &[&str]| -> Vec<u32> {
            let other: HashSet<&str> = other.iter().copied().collect();
            (0u32..).zip(list).filter(|(_, text)| !other.contains(*text)).map(|(index, _)| index).collect()
        };
        let (gone, come) = (only(&before, &after), only(&after, &before));
        let mut edits = Self {
            removed: gone.iter().map(|index| (*index, None)).collect(),
            added: come.iter().map(|index| (*index, None)).collect(),
        };
        // What stands between the same neighbours is the same line, edited.
        let same = before.iter().zip(&after).take_while(|(a, b)| a == b).count();
        let rest = before.len().min(after.len()) - same;
        let tail = before.iter().rev().zip(after.iter().rev()).take(rest).take_while(|(a, b)| a == b).count();
        let (middle, other) = (&before[same..before.len() - tail], &after[same..after.len() - tail]);
        if middle.len() <= MOST && other.len() <= MOST {
            for op in similar::capture_diff_slices(similar::Algorithm::Myers, middle, other) {
                if let similar::DiffOp::Replace { old_index, old_len, new_index, new_len } = op {
                    for at in 0..old_len.min(new_len) {
                        let (old, new) = ((same + old_index + at) as u32, (same + new_index + at) as u32);
                        if edits.removed.contains_key(&old) && edits.added.contains_key(&new) {
                            edits.removed.insert(old, Some(new));
                            edits.added.insert(new, Some(old));
                        }
                    }
                }
            }
        }
        edits
    }

    /// What is to blame where `old` decided and `new` decides.
    pub(super) fn anchor(&self, old: Option<u32>, new: Option<u32>) -> Anchor {
        if let Some(index) = new
            && let Some(before) = self.added.get(&index)
        {
            return before.map_or(Anchor::Added(index), |before| Anchor::Edited(before, index));
        }
        if let Some(index) = old
            && let Some(after) = self.removed.get(&index)
        {
            return after.map_or(Anchor::Removed(index), |after| Anchor::Edited(index, after));
        }
        Anchor::Both(old, new)
    }
}
