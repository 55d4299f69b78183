//! A request that a rule decides: found in the image, believed when the reference evaluator says the same.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use boesfs_abi::image::ValidImage;
use boesfs_abi::op::{OPS, Op, OpSet};
use boesfs_abi::request::Request;
use boesfs_abi::verdict::Verdict;

use super::report::request_fields;
use crate::automaton::{Inputs, Witnesses};
use crate::pipeline;
use crate::reference::Reference;
use crate::validate::{NamedWalk, Samples, everybody};

/// A request for a test.
#[derive(Clone, Debug)]
pub struct Suggestion {
    /// The request.
    pub request: Request,
    /// What it gets.
    pub verdict: Verdict,
}

impl Suggestion {
    /// The test's fields as RON has them.
    #[must_use]
    pub fn ron(&self) -> String {
        format!("({}, expect: {})", request_fields(&self.request), self.verdict)
    }
}

/// Requests that rules of `wanted` decide, as far as any are found: where the decision depends on arguments, only
/// values around the tests' bounds are tried.
pub(super) fn for_rules(policy: &pipeline::Outcome, wanted: &[usize]) -> BTreeMap<usize, Suggestion> {
    let mut found = BTreeMap::new();
    let (Some(model), Some(packed)) = (&policy.model, &policy.packed) else { return found };
    let image = &packed.image;
    let named = image.named();
    let mut wanted: BTreeSet<usize> = wanted.iter().copied().collect();
    if wanted.is_empty() {
        return found;
    }
    let reference = Reference::new(model);
    let witnesses = Witnesses::explore(&NamedWalk(named), Inputs::Paths);
    let who = everybody(image);
    let mut samples = Samples::new(image);
    let (mut rows, mut cells) = (HashSet::new(), HashSet::new());
    for (state, number) in witnesses.states() {
        if wanted.is_empty() {
            break;
        }
        if !rows.insert(named.label(state)) {
            continue;
        }
        let path = witnesses.input(number);
        for who in who.iter().filter(|who| who.first) {
            let Some(index) = named.cell_number(named.label(state), who.class) else { continue };
            let cell = named.cell(index);
            if !cells.insert(index) {
                continue;
            }
            for op in OPS.iter().map(|spec| spec.op) {
                let rules = rules_in(image, index, op);
                if rules.iter().all(|rule| !wanted.contains(rule)) {
                    continue;
                }
                let Ok(mut plain) = Request::new(&who.subject, &path, op) else { continue };
                if let Some(domain) = &who.domain {
                    plain = plain.in_domain(domain);
                }
                let (asked, keeps_args) = image.asked_as(op);
                let mut requests = vec![plain.clone()];
                if OpSet::from_bits(cell.depend).contains(asked) {
                    for point in samples.of(named.blob_cell(index), &cell, asked).iter() {
                        let mut request = plain.clone();
                        (request.uid, request.gid, request.kind) = (point.uid, point.gid, point.kind);
                        let args = if keeps_args { point.args.clone() } else { Vec::new() };
                        requests.extend(request.with_args(args));
                    }
                }
                for request in requests {
                    let decision = reference.decide(&request);
                    if let Some(rule) = decision.rule.filter(|rule| wanted.remove(rule)) {
                        found.insert(rule, Suggestion { request, verdict: decision.verdict });
                    }
                }
            }
        }
    }
    found
}

/// The rules that can decide `op` in a cell.
fn rules_in(image: &ValidImage, index: u32, op: Op) -> Vec<usize> {
    let (op, _) = image.asked_as(op);
    let named = image.named();
    let cell = named.cell(index);
    let of_entries = image
        .entries(cell.first, cell.first_count)
        .filter(|(_, entry)| OpSet::from_bits(entry.ops).contains(op))
        .filter_map(|(entry, _)| named.entry_rule(index, entry));
    let always = named.rule(index, op);
    of_entries.chain(always).map(|rule| rule as usize).collect()
}
