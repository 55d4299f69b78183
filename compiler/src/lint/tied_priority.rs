//! The lint `tied-priority`.

use std::collections::HashMap;

use boesfs_abi::verdict::Effect;

use super::Lint;
use super::automaton::{Automaton, spelt};
use super::findings::Findings;
use crate::diagnostic::Diagnostic;
use crate::model::BaseEffect;

/// Rules of one priority that contradict each other.
pub static TIED_PRIORITY: Lint = Lint {
    code: "W0413",
    name: "tied-priority",
    finds: "rules of one priority that contradict each other",
    page: include_str!("tied_priority.md"),
};

/// How many rules are tried.
const TRIED: usize = 5000;

pub(super) fn check(policy: &Automaton<'_>, found: &mut Findings<'_>) {
    let model = policy.model;
    if !matches!(model.effect.base, BaseEffect::Priority(_)) {
        return;
    }
    let mut efts: HashMap<i64, [bool; 2]> = HashMap::new();
    for rule in &model.rules {
        if let Some(priority) = rule.priority {
            efts.entry(priority).or_default()[usize::from(rule.eft == Effect::Deny)] = true;
        }
    }
    let mixed = |priority: Option<i64>| priority.is_some_and(|p| efts.get(&p) == Some(&[true, true]));
    let mut tried = 0;
    for (index, rule) in model.rules.iter().enumerate() {
        // What never decides is reported by itself.
        if !mixed(rule.priority) || !policy.decides[index] {
            continue;
        }
        tried += 1;
        if tried > TRIED {
            continue;
        }
        let tie = policy.requests(index).into_iter().find_map(|request| {
            let first = policy.decide(&request)?.rule?.0 as usize;
            let other = &model.rules[first];
            (first != index && other.priority == rule.priority && other.eft != rule.eft)
                .then_some((first, request))
        });
        let Some((first, request)) = tie else { continue };
        found.witness(&TIED_PRIORITY, index, &request, Some(first));
        found.on_rule(
            index,
            Diagnostic::warning(
                &TIED_PRIORITY,
                "a rule of the same priority says the opposite of the same request",
                rule.span,
            )
            .label("comes second, by the order of the lines")
            .secondary(model.rules[first].span, "decides")
            .because(format!("for example {} is {}", spelt(&request), policy.verdict(&request)))
            .help("give one of them another priority"),
        );
    }
    if tried > TRIED {
        found.cut(&TIED_PRIORITY, format!("{} rules more were not tried", tried - TRIED));
    }
}
