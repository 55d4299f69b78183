//! The debug section: which rule decided, for people.

use super::{Reader, Writer};
use crate::layout::NO_RULE;
use crate::op::Op;
use crate::verdict::{Effect, Level};

/// The debug section.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Debug {
    /// The rules, in file order.
    pub rules: Vec<RuleInfo>,
    /// `cell_rules[cell * Op::COUNT + op]` is the rule by which the cell's masks decide, or [`NO_RULE`].
    pub cell_rules: Vec<u32>,
    /// The rule behind each number by which list entries name one: what decides does not depend on places in a file.
    pub entry_rules: Vec<u32>,
}

/// A rule, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleInfo {
    /// Its `#@ id=`, or its line.
    pub id: String,
    /// Line in its source, from 1.
    pub line: u32,
    /// Which source: 0 the policy, 1 the model.
    pub file: u32,
    /// What it says.
    pub effect: Effect,
    /// Its `#@ level=`.
    pub level: Level,
    /// The line as written.
    pub text: String,
    /// Its `#@ reason=`, or empty.
    pub reason: String,
}

impl Debug {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut w = Writer::default();
        w.number(self.rules.len() as u32);
        for rule in &self.rules {
            w.number(rule.line);
            w.number(rule.file);
            w.number(u32::from(rule.effect == Effect::Deny) | (rule.level as u32) << 8);
            w.bytes(rule.id.as_bytes());
            w.bytes(rule.text.as_bytes());
            w.bytes(rule.reason.as_bytes());
        }
        w.number(self.cell_rules.len() as u32);
        for rule in &self.cell_rules {
            w.number(*rule);
        }
        w.number(self.entry_rules.len() as u32);
        for rule in &self.entry_rules {
            w.number(*rule);
        }
        w.0
    }

    /// Reads the section of an image with `cell_count` cells; `None` if it is malformed.
    pub(super) fn decode(bytes: &[u8], cell_count: u32) -> Option<Self> {
        let mut r = Reader(bytes);
        let count = r.count(24)?;
        let mut rules = Vec::with_capacity(count);
        for _ in 0..count {
            let line = r.number()?;
            let file = r.number()?;
            let bits = r.number()?;
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
            let mut text = || Some(std::str::from_utf8(r.bytes()?).ok()?.to_owned());
            rules.push(RuleInfo { id: text()?, text: text()?, reason: text()?, line, file, effect, level });
        }
        let count = r.count(4)?;
        if count != cell_count as usize * Op::COUNT {
            return None;
        }
        let mut cell_rules = Vec::with_capacity(count);
        for _ in 0..count {
            let rule = r.number()?;
            if rule != NO_RULE && rule as usize >= rules.len() {
                return None;
            }
            cell_rules.push(rule);
        }
        let count = r.count(4)?;
        let mut entry_rules = Vec::with_capacity(count);
        for _ in 0..count {
            entry_rules.push(r.number().filter(|rule| (*rule as usize) < rules.len())?);
        }
        r.finished().then_some(Self { rules, cell_rules, entry_rules })
    }
}
