//! Denials that nothing else backs, where a plane cannot see the operation.

use std::collections::BTreeSet;

use boesfs_abi::layout::NO_RULE;
use boesfs_abi::op::Op;
use boesfs_abi::plane::stands_alone;
use boesfs_abi::verdict::Effect;

use super::Compiled;
use crate::lint::accepts_unenforced;
use crate::model::BaseEffect;
use crate::rules::{RuleSet, Term};

impl Compiled {
    /// Indices of the rules that deny `op` to somebody somewhere where nothing else keeps a process from it: what
    /// [`boesfs_abi::image::ValidImage::denials_alone`] finds in the image.
    #[must_use]
    pub fn denials_alone(&self, op: Op) -> BTreeSet<u32> {
        let mut rules = BTreeSet::new();
        for cell in self.cells.iter().filter(|cell| stands_alone(cell.deny)) {
            if cell.deny.contains(op) && !cell.by_default.contains(op) {
                rules.insert(cell.rules[op as usize]);
            }
            if cell.depend.contains(op) {
                let lines = cell.first.iter().filter(|line| line.ops.contains(op) && line.outcome.deny);
                rules.extend(lines.map(|line| line.outcome.rule));
            }
        }
        rules.remove(&NO_RULE);
        rules
    }

    /// Indices of the rules that must accept that `op` is left unjudged before it may be: those that deny it where nothing
    /// else does, and, where some of these accept it, those that may stand behind them.
    #[must_use]
    pub fn denials_to_accept(&self, rules: &RuleSet, op: Op) -> BTreeSet<u32> {
        let mut found = self.denials_alone(op);
        let accepts = |rule: &u32| accepts_unenforced(&rules.rules[*rule as usize].annotations);
        if !found.iter().any(accepts) {
            return found;
        }
        // A rule that denies `open` as well is no loss, unless one before it may have allowed that.
        let ordered = rules.effect.nearest
            || matches!(rules.effect.base, BaseEffect::Priority(_) | BaseEffect::SubjectPriority(_));
        let backs = |term: &Term| !ordered && term.tests.is_empty() && !stands_alone(term.ops);
        let behind = (0u32..).zip(&rules.rules).filter(|(_, rule)| {
            let mut denials = rule.terms.iter().filter(|term| term.ops.contains(op));
            rule.eft == Effect::Deny && denials.any(|term| !backs(term))
        });
        found.extend(behind.map(|(rule, _)| rule));
        found
    }
}
