//! An [`Explanation`] for people and for programs.

use boesfs_abi::request::Request;
use boesfs_abi::verdict::{Reason, Verdict};
use serde_json::{Value, json};

use super::{Explanation, effect_span};
use crate::ask::Effective;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::human::{Colour, render_only};
use crate::model::{Model, Rule};
use crate::pipeline;
use crate::shown::shown;
use crate::suite::request_text;

/// The explanation of the answer to `request` for people, with `most` near misses.
#[must_use]
pub fn human(
    explanation: &Explanation<'_>,
    effective: &Effective,
    policy: &pipeline::Outcome,
    model: &Model,
    request: &Request,
    most: usize,
    colour: Colour,
) -> String {
    let decision = explanation.decision;
    let said = if decision.verdict == Verdict::Allow { "allowed" } else { "denied" };
    let message = format!("{} is {said}", request_text(request, model.op_name(request.op())));
    let mut first = match decision.rule.map(|rule| &model.rules[rule]) {
        Some(rule) => Diagnostic::note("", message, rule.span).label("this rule decides"),
        None => Diagnostic::note("", message, effect_span(&policy.tree, model))
            .label(format!("no rule decides, so the default does: {}", decision.verdict)),
    };
    for path in &explanation.roles {
        for edge in &path.edges {
            let edge = &model.roles[path.graph].edges[*edge];
            let text = format!("`{}` is `{}`", shown(&edge.member), shown(&edge.role));
            first = first.secondary(edge.span, text);
        }
    }
    if let Some(reason) = decision.rule.and_then(|rule| model.rules[rule].annotations.reason.as_ref()) {
        first = first.because(format!("reason: {reason}"));
    }
    if decision.unknown {
        first = first.because("some value of what the request leaves open is denied, so it is denied");
    }
    for text in effective_words(effective, request, decision.verdict) {
        first = first.because(text);
    }
    let mut all = vec![first];
    let verb = |rule: &Rule| Verdict::from(rule.eft);
    for other in explanation.others.iter().take(most) {
        let rule = &model.rules[other.rule];
        let message = format!("line {} matches as well, to {}", rule.line, verb(rule));
        all.push(Diagnostic::note("", message, rule.span).label(format!("but {}", other.why)));
    }
    for miss in explanation.decisive(model).take(most) {
        let rule = &model.rules[miss.rule];
        let message = format!("line {} would {}", rule.line, verb(rule));
        all.push(Diagnostic::note("", message, rule.span).label(format!("but {}", miss.why)));
    }
    let mut text = render_only(&all, &policy.tree.sources, colour);
    let more = [explanation.decisive(model).count(), explanation.others.len()]
        .into_iter()
        .map(|count| count.saturating_sub(most))
        .sum::<usize>();
    if more > 0 {
        text.push_str(&format!("{more} more rules match or nearly do; `--near N` shows N of each\n"));
    }
    text
}

/// What the effective decision is, and why it is not the decision.
fn effective_words(effective: &Effective, request: &Request, decision: Verdict) -> Vec<String> {
    if effective.outside {
        return vec!["effective: allow, because it lies outside `--dir`".to_owned()];
    }
    let Some((op, path, reason)) = &effective.stopped_by else {
        return vec![format!("effective: {}", effective.verdict)];
    };
    if decision == Verdict::Deny && *op == request.op().decided_as() && path == request.obj() {
        return vec![format!("effective: {}", effective.verdict)];
    }
    let path = shown(path);
    let why = match reason {
        Reason::Hidden => format!(
            "the way to the object is closed: lookup of `{path}` is denied, so it is as if it were not there"
        ),
        Reason::GainsRight => format!(
            "under its new name something would be allowed that is denied as `{path}`, so it may not move"
        ),
        Reason::CrossesEdge => "one name lies inside `--dir` and the other outside".to_owned(),
        Reason::Rule | Reason::Default | Reason::UnknownArgs => needed(request, op.name(), &path),
        other => format!("{op} of `{path}` is denied: {}", other.name()),
    };
    vec![format!("effective: {}, stopped by {op} of `{path}`", effective.verdict), why]
}

/// Why a call needs another operation as well.
fn needed(request: &Request, op: &str, path: &str) -> String {
    let asked = request.op().name();
    match op {
        "open" => format!("{asked} goes through a descriptor, and every open of `{path}` is denied"),
        "create" | "mkdir" | "symlink" | "mknod" => {
            format!("{asked} makes a name, and {op} of `{path}` is denied")
        }
        _ => format!("{asked} is judged as what it is for as well, and {op} of `{path}` is denied"),
    }
}

/// The explanation for programs.
#[must_use]
pub fn json(
    explanation: &Explanation<'_>,
    effective: &Effective,
    policy: &pipeline::Outcome,
    model: &Model,
    request: &Request,
    most: usize,
) -> Value {
    let decision = explanation.decision;
    let named = |rule: usize| {
        let rule = &model.rules[rule];
        let file = policy.tree.sources.get(rule.file as usize).map(|source| source.name.clone());
        json!({
            "id": rule.annotations.id.clone().unwrap_or_else(|| rule.line.to_string()),
            "file": file,
            "line": rule.line,
            "text": rule.text,
            "reason": rule.annotations.reason,
            "span": {"start": rule.span.start, "end": rule.span.end},
        })
    };
    let roles = explanation.roles.iter().flat_map(|path| {
        path.edges.iter().map(|edge| {
            let graph = &model.roles[path.graph];
            let edge = &graph.edges[*edge];
            json!({
                "relation": graph.name,
                "member": shown(&edge.member),
                "role": shown(&edge.role),
                "line": edge.line,
            })
        })
    });
    let others = explanation
        .others
        .iter()
        .take(most)
        .map(|other| json!({"rule": named(other.rule), "why": other.why}));
    let near = explanation.near.iter().take(most).map(|miss| {
        json!({
            "rule": named(miss.rule),
            "would": Verdict::from(model.rules[miss.rule].eft).to_string(),
            "field": miss.field,
            "why": miss.why,
        })
    });
    json!({
        "decision": decision.verdict.to_string(),
        "effective": effective.verdict.to_string(),
        "unknown_args": decision.unknown,
        "rule": decision.rule.map(named),
        "roles": roles.collect::<Vec<_>>(),
        "stopped_by": effective.stopped_by.as_ref().map(|(op, path, reason)| json!({
            "act": op.name(),
            "obj": shown(path),
            "reason": reason.name(),
        })),
        "why_effective": effective_words(effective, request, decision.verdict),
        "others": others.collect::<Vec<_>>(),
        "near": near.collect::<Vec<_>>(),
        "near_count": explanation.near.len(),
    })
}
