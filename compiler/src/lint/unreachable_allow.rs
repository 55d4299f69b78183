//! The lint `unreachable-allow`.

use boesfs_abi::op::{Op, OpSet};
use boesfs_abi::request::Request;
use boesfs_abi::verdict::Effect;

use super::Lint;
use super::automaton::{Automaton, deciders, spelt};
use super::findings::Findings;
use super::way::Way;
use crate::automaton::{Cell, Form, NodeId, SetId, decided_ops};
use crate::diagnostic::Diagnostic;
use crate::model::{Compat, Shape};
use crate::rules::Term;
use crate::shown::shown;

/// An allow rule that no call gets to, because `lookup` or `open` on the way is denied.
pub static UNREACHABLE_ALLOW: Lint = Lint {
    code: "W0407",
    name: "unreachable-allow",
    finds: "an allow rule that no call gets to, because `lookup` or `open` on the way is denied",
    page: include_str!("unreachable_allow.md"),
};

/// Operations that ask `open` first.
const OPENED: [Op; 7] = [Op::Read, Op::Write, Op::Llseek, Op::Iterate, Op::Mmap, Op::Fsync, Op::Ioctl];

/// How many states of the automaton are looked at, for all classes together.
const LOOKED_AT: usize = 4_000_000;

pub(super) fn check(policy: &Automaton<'_>, found: &mut Findings<'_>) {
    let model = policy.model;
    let compiled = policy.compiled;
    let allows = |rule: &usize| model.rules[*rule].eft == Effect::Allow && policy.decides[*rule];
    if model.options.compat != Compat::Boesfs || !(0..model.rules.len()).any(|rule| allows(&rule)) {
        return;
    }
    let on_the_way = OpSet::of(&[Op::Lookup, Op::Open]);
    if compiled.cells.iter().all(|cell| cell.deny.intersection(on_the_way).is_empty()) {
        return;
    }
    let effort = compiled.paths.state_count().saturating_mul(compiled.class_count as usize);
    if effort > LOOKED_AT {
        found.cut(&UNREACHABLE_ALLOW, "too many programs and paths".to_owned());
        return;
    }
    let base = base(policy);
    let opened = OpSet::of(&OPENED);
    let mut effective = vec![false; model.rules.len()];
    for class in 0..compiled.class_count {
        for row in Way::new(policy, class, &base).rows() {
            let cell = compiled.cell(row, class);
            let ops = decided_ops(compiled.shape);
            let open = !closed(cell, Op::Open);
            for rule in deciders(cell, if open { ops } else { ops.difference(opened) }) {
                effective[rule] = true;
            }
        }
    }
    for index in (0..model.rules.len()).filter(allows).filter(|rule| !effective[*rule]) {
        if found.is_full(&UNREACHABLE_ALLOW) {
            found.count(&UNREACHABLE_ALLOW, index);
            continue;
        }
        let Some((class, request, obstacles)) = obstacles(policy, index, &base) else { continue };
        let rule = &model.rules[index];
        let (op, path) = &obstacles[0];
        let at = shown(path);
        let mut diagnostic = Diagnostic::warning(
            &UNREACHABLE_ALLOW,
            format!("no call gets to this rule: `{op}` of `{at}` is denied"),
            rule.span,
        )
        .label("allows what is never asked for")
        .because(format!("for example {}", spelt(&request)));
        match policy.decider(class, *op, path) {
            Some(denier) => {
                diagnostic = diagnostic
                    .secondary(model.rules[denier].span, format!("denies `{op}`"))
                    .help("make that rule narrower");
            }
            None => {
                let word = if model.shape == Shape::Casbin { "@base" } else { op.name() };
                diagnostic = diagnostic.help(format!("allow `{word}` on the way as well"));
                if let Some(line) = line(found, index, &obstacles, &request) {
                    let title = format!("add `{}`", line.trim_start());
                    diagnostic = diagnostic.suggest(title, rule.span.after(), line);
                }
            }
        }
        found.witness(&UNREACHABLE_ALLOW, index, &request, Some(index));
        found.on_rule(index, diagnostic);
    }
}

/// Whether `cell` denies `op` whatever the arguments.
pub(super) fn closed(cell: &Cell, op: Op) -> bool {
    cell.deny.contains(op) && !cell.depend.contains(op)
}

/// The directory that all rules' paths lie in.
fn base(policy: &Automaton<'_>) -> Vec<u8> {
    let everywhere = |term: &Term| !term.paths.iter().any(|test| test.holds);
    if policy.rules.rules.iter().flat_map(|rule| &rule.terms).any(everywhere) {
        return b"/".to_vec();
    }
    let languages = &policy.compiled.languages;
    let is_empty = |label: u32| languages.sets.get(SetId(label)).is_empty();
    // Once a path has left what all languages begin with, none of them takes it.
    let is_dead = |id: NodeId| {
        let node = languages.dfa.node(id);
        is_empty(node.label) && node.other == id && matches!(node.form, Form::Branch([]))
    };
    let mut shared = Vec::new();
    let mut at = languages.dfa.start_node();
    loop {
        let node = languages.dfa.node(at);
        match node.form {
            Form::Chain(bytes, next) if is_empty(node.label) && is_dead(node.other) => {
                shared.extend_from_slice(bytes);
                at = next;
            }
            Form::Chain(..) | Form::Branch(_) => break,
        }
    }
    match shared.iter().rposition(|byte| *byte == b'/') {
        None | Some(0) => b"/".to_vec(),
        Some(slash) => shared[..slash].to_vec(),
    }
}

type Obstacles = Vec<(Op, Vec<u8>)>;

/// A request that `rule` allows, and what is in its way.
fn obstacles(policy: &Automaton<'_>, rule: usize, base: &[u8]) -> Option<(u32, Request, Obstacles)> {
    policy.requests(rule).into_iter().find_map(|request| {
        if policy.decide(&request)?.rule?.0 as usize != rule {
            return None;
        }
        let class = policy.compiled.subjects.class_of(request.sub(), request.dom()).0;
        let path = request.obj();
        let start = if base == b"/" { 1 } else { base.len() + 1 };
        let ends = (start..path.len()).filter(|at| path[*at] == b'/').chain([path.len()]);
        let mut obstacles: Obstacles = ends
            .map(|end| &path[..end])
            .filter(|path| path.len() > base.len() && closed(policy.cell(class, path), Op::Lookup))
            .map(|path| (Op::Lookup, path.to_vec()))
            .collect();
        if OPENED.contains(&request.op()) && closed(policy.cell(class, path), Op::Open) {
            obstacles.push((Op::Open, path.to_vec()));
        }
        (!obstacles.is_empty()).then_some((class, request, obstacles))
    })
}

/// The lines to add after the rule so that its operations are asked for; `None` if they cannot be made of its own line.
fn line(found: &Findings<'_>, index: usize, obstacles: &Obstacles, request: &Request) -> Option<String> {
    let (model, tree) = (found.model, found.tree);
    let rule = &model.rules[index];
    let (line, _) = found.line(rule.span)?;
    let acts: Vec<_> = rule.fields.iter().filter(|field| field.ops.is_some()).collect();
    let paths: Vec<_> = (0..rule.fields.len())
        .filter(|column| found.takes_paths(*column))
        .map(|column| &rule.fields[column])
        .collect();
    let ([act], [path]) = (acts.as_slice(), paths.as_slice()) else { return None };
    if model.shape != Shape::Casbin || model.effect.nearest {
        return None;
    }
    let mut lines = String::new();
    let mut own = false;
    for (_, at) in obstacles {
        let at = std::str::from_utf8(at).ok()?;
        let is_own = at.as_bytes() == request.obj();
        if is_own && std::mem::replace(&mut own, true) {
            continue;
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
        if !is_own && !at.chars().all(plain) {
            return None;
        }
        let cells = tree.cells(line).iter().map(|cell| {
            let written = String::from_utf8_lossy(tree.bytes(cell.span)).into_owned();
            match cell.span {
                span if span == act.span => "@base".to_owned(),
                span if span == path.span && !is_own => at.to_owned(),
                span if rule.fields.iter().any(|field| field.tuple.is_some() && field.span == span) => {
                    "*".to_owned()
                }
                _ => written,
            }
        });
        lines.push('\n');
        lines.push_str(&cells.collect::<Vec<_>>().join(", "));
    }
    Some(lines)
}
