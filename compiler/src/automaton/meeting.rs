//! Which rules are about a path.

use crate::rules::RuleSet;

use super::{Compiled, SetId};

impl Compiled {
    /// The rules, by index, some alternative of which holds at `path` for somebody: those that decide there and those that
    /// others overrule.
    #[must_use]
    pub fn rules_at(&self, rules: &RuleSet, path: &[u8]) -> Vec<u32> {
        let languages = &self.languages;
        let set = languages.dfa.label(languages.dfa.walk(path));
        let atoms = languages.sets.get(SetId(set));
        let about = |rule: &crate::rules::Rule| {
            rule.terms
                .iter()
                .any(|term| term.paths.iter().all(|test| atoms.contains(&test.atom.0) == test.holds))
        };
        (0u32..).zip(&rules.rules).filter(|(_, rule)| about(rule)).map(|(index, _)| index).collect()
    }
}
