//! The lint `inert-exception`.

use boesfs_abi::verdict::{Effect, Verdict};

use super::Lint;
use super::automaton::{Automaton, spelt};
use super::findings::Findings;
use super::inert_rule::INERT_RULE;
use crate::automaton::{self, Compiled};
use crate::diagnostic::Diagnostic;
use crate::model::{BaseEffect, Model, PolicyEffect, Shape};
use crate::rules::{self, lower};

/// An inert allow rule that was meant as an exception.
pub static INERT_EXCEPTION: Lint = Lint {
    code: "W0414",
    name: "inert-exception",
    finds: "an inert allow rule that was meant as an exception",
    page: include_str!("inert_exception.md"),
};

/// How many rules are looked at.
const LOOKED_AT: usize = 500;

pub(super) fn check(policy: &Automaton<'_>, found: &mut Findings<'_>) {
    let model = policy.model;
    if model.effect.base != BaseEffect::NoDeny {
        return;
    }
    let known = |rule: usize| found.allows(rule, INERT_RULE.name) || found.allows(rule, INERT_EXCEPTION.name);
    let inert = |rule: &usize| {
        let of = &model.rules[*rule];
        of.eft == Effect::Allow && !of.inert && !known(*rule)
    };
    let indices: Vec<usize> = (0..model.rules.len()).filter(inert).collect();
    let more = indices.len().saturating_sub(LOOKED_AT);
    let indices = &indices[..indices.len() - more];
    if indices.is_empty() {
        return;
    }
    // The same rules as a policy in which they count show what they were to allow.
    let exceptions = Model {
        shape: model.shape,
        effect: PolicyEffect { base: BaseEffect::SomeAllow, nearest: model.effect.nearest },
        matcher: model.matcher.clone(),
        columns: model.columns.clone(),
        rules: indices.iter().map(|rule| model.rules[*rule].clone()).collect(),
        roles: model.roles.clone(),
        action_roles: model.action_roles.clone(),
        options: model.options.clone(),
        word: model.word.clone(),
    };
    let Ok(lowered) = lower(&exceptions, &rules::Limits::default()) else { return };
    let Ok(compiled) = Compiled::new(&lowered, &automaton::Limits::default()) else { return };
    let exceptions = Automaton::new(&exceptions, &lowered, &compiled, &[]);
    for (place, rule) in indices.iter().enumerate() {
        let denied = exceptions.requests(place).into_iter().find_map(|request| {
            let decision = policy.decide(&request).filter(|decision| decision.verdict == Verdict::Deny)?;
            Some((decision.rule?.0 as usize, request))
        });
        let Some((denier, request)) = denied else { continue };
        let mut diagnostic = Diagnostic::warning(
            &INERT_EXCEPTION,
            "the effect does not look at allow rules: this one is no exception",
            model.rules[*rule].span,
        )
        .label("allows nothing")
        .secondary(model.rules[denier].span, "denies it all the same")
        .because(format!("for example {} is denied", spelt(&request)));
        diagnostic = match model.shape {
            Shape::Casbin => diagnostic.help("put the exception first and use `priority(p.eft) || allow`"),
            Shape::Boesfs => diagnostic
                .help("declare an `eft` column, drop `file|dir`, and use `priority(p.eft) || allow`"),
        };
        found.witness(&INERT_EXCEPTION, *rule, &request, Some(denier));
        found.on_rule(*rule, diagnostic);
    }
    if more > 0 {
        found.cut(&INERT_EXCEPTION, format!("{more} rules more were not looked at"));
    }
}

/// Drops what was said of rules as inert that are known to be meant as exceptions.
pub(super) fn replace(diagnostics: &mut Vec<Diagnostic>) {
    let spans: Vec<_> =
        diagnostics.iter().filter(|one| one.code == INERT_EXCEPTION.code).map(Diagnostic::span).collect();
    if spans.is_empty() {
        return;
    }
    diagnostics.retain(|one| {
        let at = one.span();
        let within = |span: &boesfs_grammar::Span| {
            span.file == at.file && span.start <= at.start && at.end <= span.end
        };
        one.code != INERT_RULE.code || !spans.iter().any(within)
    });
}
