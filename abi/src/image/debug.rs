//! The debug section: the rules, and which of them decided, for people.

use super::{Origins, Reader, Writer};
use crate::layout::Cell;
use crate::verdict::{Effect, Level};

/// The debug section.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Debug {
    /// The rules, in file order.
    pub rules: Rules,
    /// Which rule decides where.
    pub origins: Origins,
}

/// A rule, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleInfo<'a> {
    /// Its `#@ id=`, or its line.
    pub id: &'a str,
    /// Line in its source, from 1.
    pub line: u32,
    /// Which source: 0 the policy, 1 the model.
    pub file: u32,
    /// What it says.
    pub effect: Effect,
    /// Its `#@ level=`.
    pub level: Level,
    /// The line as written.
    pub text: &'a str,
    /// Its `#@ reason=`, or empty.
    pub reason: &'a str,
}

/// Rules, for people. All their texts are one, because there may be a million of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    rules: Vec<Stored>,
    texts: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stored {
    line: u32,
    file: u32,
    effect: Effect,
    level: Level,
    /// Where id, text and reason end.
    ends: [u32; 3],
}

impl Rules {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The rule with this index.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<RuleInfo<'_>> {
        let Stored { line, file, effect, level, ends } = *self.rules.get(index)?;
        let before = index.checked_sub(1).map_or(0, |before| self.rules[before].ends[2]);
        let text = |from: u32, to: u32| &self.texts[from as usize..to as usize];
        let (id, text, reason) = (text(before, ends[0]), text(ends[0], ends[1]), text(ends[1], ends[2]));
        Some(RuleInfo { id, line, file, effect, level, text, reason })
    }

    /// The rules, in order.
    pub fn iter(&self) -> impl Iterator<Item = RuleInfo<'_>> {
        (0..self.rules.len()).map_while(|index| self.get(index))
    }

    /// Adds a rule behind the others.
    pub fn push(&mut self, rule: &RuleInfo<'_>) {
        let ends = [rule.id, rule.text, rule.reason].map(|text| {
            self.texts.push_str(text);
            u32::try_from(self.texts.len()).expect("INVARIANT: the texts of a policy are below 4 GiB")
        });
        let RuleInfo { line, file, effect, level, .. } = *rule;
        self.rules.push(Stored { line, file, effect, level, ends });
    }

    fn encode(&self, w: &mut Writer) {
        let mut last = 0;
        w.numbers(
            self.rules.iter().map(|rule| rule.line.wrapping_sub(std::mem::replace(&mut last, rule.line))),
        );
        w.numbers(self.rules.iter().map(|rule| rule.file));
        w.numbers(
            self.rules.iter().map(|rule| u32::from(rule.effect == Effect::Deny) | (rule.level as u32) << 8),
        );
        let mut last = 0;
        let lengths: Vec<u32> = self
            .rules
            .iter()
            .flat_map(|rule| rule.ends)
            .map(|end| end - std::mem::replace(&mut last, end))
            .collect();
        w.numbers(lengths.into_iter());
        w.bytes(self.texts.as_bytes());
    }

    fn decode(r: &mut Reader<'_>) -> Option<Self> {
        let (lines, files, bits, lengths) = (r.numbers()?, r.numbers()?, r.numbers()?, r.numbers()?);
        let texts = std::str::from_utf8(r.bytes()?).ok()?.to_owned();
        if [files.len(), bits.len()] != [lines.len(); 2] || lengths.len() / 3 != lines.len() {
            return None;
        }
        let (lengths, []) = lengths.as_chunks::<3>() else { return None };
        let (mut line, mut end) = (0u32, 0u32);
        let mut rules = Vec::with_capacity(lines.len());
        for (((step, file), bits), lengths) in lines.into_iter().zip(files).zip(bits).zip(lengths) {
            let effect = match bits & 0xff {
                0 => Effect::Allow,
                1 => Effect::Deny,
                _ => return None,
            };
            let level = match bits >> 8 {
                0 => Level::Event,
                1 => Level::Warning,
                2 => Level::Alert,
                _ => return None,
            };
            line = line.wrapping_add(step);
            let mut ends = [0; 3];
            for (place, length) in ends.iter_mut().zip(lengths) {
                end = end.checked_add(*length)?;
                if !texts.is_char_boundary(end as usize) {
                    return None;
                }
                *place = end;
            }
            rules.push(Stored { line, file, effect, level, ends });
        }
        (end as usize == texts.len()).then_some(Self { rules, texts })
    }
}

impl<'a> FromIterator<RuleInfo<'a>> for Rules {
    fn from_iter<I: IntoIterator<Item = RuleInfo<'a>>>(rules: I) -> Self {
        let mut all = Self::default();
        rules.into_iter().for_each(|rule| all.push(&rule));
        all
    }
}

impl Debug {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut w = Writer::default();
        self.rules.encode(&mut w);
        self.origins.encode(&mut w);
        w.0
    }

    /// Reads the section of an image with these classes and cells; `None` if it is malformed.
    pub(super) fn decode(bytes: &[u8], class_count: u32, cells: &[Cell]) -> Option<Self> {
        let mut r = Reader(bytes);
        let rules = Rules::decode(&mut r)?;
        let origins = Origins::decode(&mut r)?;
        let sound = origins.is_sound(class_count, cells, rules.len());
        (sound && r.finished()).then_some(Self { rules, origins })
    }
}
