//! One `p` line to a [`Rule`].

mod column;

use boesfs_abi::op::OpSet;
use boesfs_abi::verdict::Effect;
use boesfs_grammar::{Cell, Limits, Line, Span, SyntaxTree, Word, parse_matcher};

use super::action::{Action, action, has_tuple, known_words};
use super::annotations::annotations;
use super::matcher::{Names, Use, bind};
use super::tuple::tuple;
use super::{Annotations, Field, Node, PolicyEffect, Rule, Scope, Shape};
use crate::diagnostic::{
    ABNORMAL_PATH, BAD_TUPLE_VALUE, Diagnostic, HIDDEN_CHARACTERS, INERT_RULE, Severity,
    UNDEFINED_ACTION_ROLE, UNUSED_PRIORITY, closest, human::hidden, suggestion,
};
use column::{boesfs_path, typed};

/// What all lines of one type share.
pub(super) struct LineContext<'a> {
    pub(super) tree: &'a SyntaxTree,
    pub(super) limits: &'a Limits,
    pub(super) names: &'a Names<'a>,
    pub(super) uses: &'a [(usize, Use)],
    pub(super) effect: PolicyEffect,
    /// The operations the matcher itself restricts a tuple to, where no column holds them.
    pub(super) literal_ops: OpSet,
}

/// The rule on `line`; `None` if it has errors. Findings go to `out`, without those the rule allows.
pub(super) fn rule(context: &LineContext<'_>, line: &Line, out: &mut Vec<Diagnostic>) -> Option<Rule> {
    let mut found = Vec::new();
    let annotations = annotations(context.tree.annotations(line), &mut found);
    let rule = fields(context, line, annotations.clone(), &mut found);
    found.retain(|d| d.lint.is_none_or(|lint| !annotations.allow.iter().any(|name| name == lint)));
    let errors = found.iter().any(|d| d.severity == Severity::Error && d.lint.is_none());
    out.append(&mut found);
    if errors { None } else { rule }
}

/// Where each part of a line stands.
struct Parts {
    columns: Vec<Cell>,
    eft: Option<Cell>,
    priority: Option<Cell>,
    scope: Option<Cell>,
}

fn fields(
    context: &LineContext<'_>,
    line: &Line,
    annotations: Annotations,
    out: &mut Vec<Diagnostic>,
) -> Option<Rule> {
    let names = context.names;
    let parts = parts(context, line, out)?;
    let eft = match parts.eft {
        Some(cell) => eft(context.tree, cell, out),
        None => Some(Effect::Allow),
    };
    let scope = match parts.scope {
        Some(cell) => Some(scope(context.tree, cell, out)?),
        None => None,
    };
    let eft = eft?;
    let priority = parts.priority.and_then(|cell| priority(context, cell, out));
    let uses: Vec<Vec<Use>> = (0..parts.columns.len())
        .map(|index| {
            context.uses.iter().filter(|(column, _)| *column == index).map(|(_, how)| *how).collect()
        })
        .collect();
    let (uses, evals) = with_evals(context, &parts.columns, uses, out);
    let mut inert = false;
    let mut actions = Vec::new();
    for (cell, uses) in parts.columns.iter().zip(&uses) {
        actions.push(action_of(context, *cell, uses, eft, out));
    }
    let ops = match actions.iter().flatten().map(|action| action.ops).reduce(OpSet::union) {
        Some(ops) => ops,
        None => context.literal_ops,
    };
    let mut fields = Vec::new();
    for (((cell, uses), action), eval) in parts.columns.iter().zip(&uses).zip(actions).zip(evals) {
        let mut text = context.tree.text(*cell).into_owned();
        out.extend(hidden_characters(&text, *cell));
        for how in uses {
            match how {
                Use::Path | Use::Directory if names.shape == Shape::Boesfs => {
                    inert |= !boesfs_path(&mut text, *cell, eft, out);
                }
                other => typed(&text, cell.span, *other, names, out),
            }
        }
        let tuple = uses.contains(&Use::Tuple).then(|| tuple(&text, cell.span, ops, names.shape, out));
        let action = action.map(|action| (action.ops, action.roles));
        fields.push(Field {
            text,
            span: cell.span,
            ops: action.as_ref().map(|(ops, _)| *ops),
            action_roles: action.map(|(_, roles)| roles).unwrap_or_default(),
            tuple,
            eval: eval.map(Box::new),
        });
    }
    if !context.effect.base.looks_at(eft) {
        out.push(inert_rule(eft, line, names.shape, parts.eft));
    }
    // An allow rule that matches nothing leaves nothing unprotected.
    if eft == Effect::Allow {
        let about_matching = [ABNORMAL_PATH.name, BAD_TUPLE_VALUE.name];
        for finding in out.iter_mut().filter(|d| d.lint.is_some_and(|lint| about_matching.contains(&lint))) {
            finding.severity = Severity::Warning;
        }
    }
    Some(Rule {
        fields,
        eft,
        scope,
        priority,
        annotations,
        span: line.span,
        line: line.line,
        file: u32::from(line.span.file),
        text: String::from_utf8_lossy(context.tree.bytes(line.span)).into_owned(),
        inert,
    })
}

fn hidden_characters(text: &[u8], cell: Cell) -> Option<Diagnostic> {
    let text = std::str::from_utf8(text).ok()?;
    let odd = text.chars().find(|c| *c != '\t' && hidden(*c))?;
    Some(
        Diagnostic::denied(
            &HIDDEN_CHARACTERS,
            format!("the field holds the invisible character U+{:04X}", u32::from(odd)),
            cell.span,
        )
        .label("looks like something else")
        .help("remove it, unless the name really holds it"),
    )
}

fn inert_rule(eft: Effect, line: &Line, shape: Shape, cell: Option<Cell>) -> Diagnostic {
    let span = cell.map_or(line.span, |cell| cell.span);
    match eft {
        Effect::Deny => {
            let message = "the effect does not look at deny rules: this one protects nothing";
            let diagnostic = if shape == Shape::Boesfs {
                Diagnostic::denied(&INERT_RULE, message, span)
            } else {
                Diagnostic::warning(&INERT_RULE, message, span)
            };
            diagnostic
                .label("never looked at")
                .help("to let it count, add `&& !some(where (p.eft == deny))` to the effect")
        }
        Effect::Allow => Diagnostic::warning(
            &INERT_RULE,
            "the effect does not look at allow rules: this one allows nothing that was not allowed",
            span,
        )
        .label("never looked at")
        .help("for exceptions, put them first and use `priority(p.eft) || allow`"),
    }
}

/// Cuts the line into its columns, or says what is missing or too much.
fn parts(context: &LineContext<'_>, line: &Line, out: &mut Vec<Diagnostic>) -> Option<Parts> {
    let cells = &context.tree.cells(line)[1..];
    let names = context.names;
    let mut wanted: Vec<&str> = match names.shape {
        Shape::Casbin => names.policy.iter().map(|column| column.text.as_str()).collect(),
        Shape::Boesfs => names.columns.iter().map(String::as_str).collect(),
    };
    if names.shape == Shape::Boesfs {
        wanted.extend(["file|dir", "allow|deny"]);
    }
    if cells.len() != wanted.len() {
        out.push(arity(context, line, cells, &wanted));
        return None;
    }
    let mut parts = Parts { columns: Vec::new(), eft: None, priority: None, scope: None };
    for (cell, name) in cells.iter().zip(&wanted) {
        match (*name, names.shape) {
            ("eft", Shape::Casbin) | ("allow|deny", Shape::Boesfs) => parts.eft = Some(*cell),
            ("priority", Shape::Casbin) => parts.priority = Some(*cell),
            ("file|dir", Shape::Boesfs) => parts.scope = Some(*cell),
            _ => parts.columns.push(*cell),
        }
    }
    Some(parts)
}

fn arity(context: &LineContext<'_>, line: &Line, cells: &[Cell], wanted: &[&str]) -> Diagnostic {
    let texts: Vec<String> =
        cells.iter().map(|cell| String::from_utf8_lossy(&context.tree.text(*cell)).into_owned()).collect();
    let (span, label) = match cells.get(wanted.len()) {
        Some(first) => {
            let last = cells.last().map_or(first.span, |cell| cell.span);
            (first.span.to(last), "too much".to_owned())
        }
        None => (
            line.span.after(),
            format!(
                "expected {}",
                wanted[cells.len()..].iter().map(|w| format!("`{w}`")).collect::<Vec<_>>().join(", ")
            ),
        ),
    };
    let mut diagnostic = Diagnostic::error(
        "E0302",
        format!("a rule has {} fields, this one has {}", wanted.len(), cells.len()),
        span,
    )
    .label(label)
    .because(format!("have: {}", texts.join(", ")))
    .because(format!("want: {}", wanted.join(", ")));
    if let (Some(first), Some(last)) = (context.names.policy.first(), context.names.policy.last()) {
        diagnostic = diagnostic.secondary(first.span.to(last.span), "the columns are defined here");
    }
    if cells.len() > wanted.len() {
        let ends_boesfs = texts.len() >= 2
            && matches!(texts[texts.len() - 2].as_str(), "file" | "dir")
            && matches!(texts[texts.len() - 1].as_str(), "allow" | "deny");
        return if ends_boesfs && context.names.shape == Shape::Casbin {
            diagnostic.help("columns `file|dir` and `allow|deny` are BoesFS's: then declare no `eft`")
        } else {
            diagnostic.help("quote a field that holds a comma")
        };
    }
    diagnostic
}

fn eft(tree: &SyntaxTree, cell: Cell, out: &mut Vec<Diagnostic>) -> Option<Effect> {
    match tree.text(cell).as_ref() {
        b"allow" => Some(Effect::Allow),
        b"deny" => Some(Effect::Deny),
        other => {
            let word = String::from_utf8_lossy(other);
            out.push(
                Diagnostic::error("E0303", format!("`{word}` is neither `allow` nor `deny`"), cell.span)
                    .label("expected `allow` or `deny`")
                    .maybe_help(
                        closest(&word, ["allow", "deny"])
                            .or_else(|| ["allow", "deny"].into_iter().find(|known| word.starts_with(known)))
                            .map(|known| format!("did you mean `{known}`?")),
                    ),
            );
            None
        }
    }
}

fn scope(tree: &SyntaxTree, cell: Cell, out: &mut Vec<Diagnostic>) -> Option<Scope> {
    match tree.text(cell).as_ref() {
        b"file" => Some(Scope::File),
        b"dir" => Some(Scope::Dir),
        other => {
            let word = String::from_utf8_lossy(other);
            out.push(
                Diagnostic::error("E0304", format!("`{word}` is neither `file` nor `dir`"), cell.span)
                    .label("expected `file` (the object itself) or `dir` (what is below it)")
                    .maybe_help(
                        closest(&word, ["file", "dir"]).map(|known| format!("did you mean `{known}`?")),
                    ),
            );
            None
        }
    }
}

fn priority(context: &LineContext<'_>, cell: Cell, out: &mut Vec<Diagnostic>) -> Option<i64> {
    let text = context.tree.text(cell);
    let number = std::str::from_utf8(&text).ok().and_then(|text| text.parse::<i64>().ok());
    let sorts = matches!(context.effect.base, super::BaseEffect::Priority(_));
    if number.is_none() && sorts {
        out.push(
            Diagnostic::error(
                "E0305",
                format!("`{}` is not a priority", String::from_utf8_lossy(&text)),
                cell.span,
            )
            .label("expected a signed number; smaller goes first"),
        );
    }
    number
}

/// Reports, once, a priority column under an effect that does not sort.
pub(super) fn unused_priority(column: &Word, out: &mut Vec<Diagnostic>) {
    out.push(
        Diagnostic::warning(&UNUSED_PRIORITY, "the effect does not look at priorities", column.span)
            .label("not used")
            .help("use `priority(p.eft) || deny`, or drop the column"),
    );
}

/// The uses with those of each `eval`ed expression added, and these expressions.
fn with_evals(
    context: &LineContext<'_>,
    columns: &[Cell],
    mut uses: Vec<Vec<Use>>,
    out: &mut Vec<Diagnostic>,
) -> (Vec<Vec<Use>>, Vec<Option<Node>>) {
    let mut evals = Vec::new();
    for (index, cell) in columns.iter().enumerate() {
        if !uses[index].contains(&Use::Eval) {
            evals.push(None);
            continue;
        }
        let text = context.tree.text(*cell);
        let span = if cell.quoted { cell.span.part(1, text.len()) } else { cell.span };
        let parsed = match std::str::from_utf8(&text) {
            Ok(text) => parse_matcher(text, span, context.limits).map_err(Diagnostic::from),
            Err(_) => Err(Diagnostic::error("E0108", "an expression is UTF-8", cell.span)),
        };
        evals.push(match parsed {
            Ok(written) => {
                let bound = bind(&written, context.names, out);
                bound.and_then(|bound| {
                    if bound.uses.iter().any(|(_, how)| *how == Use::Eval) {
                        out.push(
                            Diagnostic::error(
                                "E0401",
                                "an expression in a column cannot call `eval`",
                                cell.span,
                            )
                            .help("write the inner condition out"),
                        );
                        return None;
                    }
                    for (column, how) in bound.uses {
                        uses[column].push(how);
                    }
                    Some(bound.node)
                })
            }
            Err(error) => {
                out.push(error);
                None
            }
        });
    }
    (uses, evals)
}

fn action_of(
    context: &LineContext<'_>,
    cell: Cell,
    uses: &[Use],
    eft: Effect,
    out: &mut Vec<Diagnostic>,
) -> Option<Action> {
    let (as_set, as_role) = (uses.contains(&Use::Action), uses.contains(&Use::ActionRole));
    if !as_set && !as_role {
        return None;
    }
    let names = context.names;
    let text = context.tree.text(cell);
    let meaning = action(&text, names.shape, names.action_roles);
    let base = if cell.quoted { 1 } else { 0 };
    for (offset, word) in &meaning.unknown {
        let at = cell.span.part(base + offset, word.len());
        let known = known_words(names.shape, names.action_roles);
        if as_role && names.shape == Shape::Boesfs {
            let message = format!("no `a` line defines the action role `{word}`: the rule matches nothing");
            let lint = match eft {
                Effect::Deny => Diagnostic::denied(&UNDEFINED_ACTION_ROLE, message, at),
                Effect::Allow => Diagnostic::warning(&UNDEFINED_ACTION_ROLE, message, at),
            };
            out.push(
                lint.label("not defined")
                    .maybe_help(closest(word, known).map(|known| format!("did you mean `{known}`?"))),
            );
        } else {
            out.push(unknown_operation(word, at, names.shape, &known));
        }
    }
    if meaning.has_default {
        out.push(
            Diagnostic::note("N0301", "`default` is BoesFS's word for no operation", cell.span)
                .label("an entry that names no operation")
                .help("write `none`"),
        );
    }
    if meaning.has_lookup2 {
        out.push(
            Diagnostic::note("N0302", "`lookup2` is decided as `lookup`", cell.span).help("write `lookup`"),
        );
    }
    if as_set && let Some(role) = meaning.roles.iter().find(|role| has_tuple(&names.action_roles[**role])) {
        let role = &names.action_roles[*role];
        out.push(
            Diagnostic::error("E0407", format!("the action role `{}` has tuples", role.name), cell.span)
                .label("compared without its tuples")
                .secondary(role.span, "defined here")
                .help("call `a(r.act, p.act; r.args, p.args)` in the matcher"),
        );
    }
    Some(meaning)
}

fn unknown_operation(word: &str, at: Span, shape: Shape, known: &[&str]) -> Diagnostic {
    let diagnostic =
        Diagnostic::error("E0301", format!("unknown operation `{word}`"), at).label("not an operation");
    match (word, shape) {
        ("exec", Shape::Boesfs) => {
            diagnostic.help("in this layout running a file is judged as `open`; Casbin's layout has `exec`")
        }
        ("ioctl", Shape::Boesfs) => {
            diagnostic.help("in this layout ioctl is judged as `setattr`; Casbin's layout has `ioctl`")
        }
        ("default", Shape::Casbin) => diagnostic.help("write `none`"),
        (group, Shape::Boesfs) if group.starts_with('@') => {
            diagnostic.help("groups belong to Casbin's layout: write one rule for each operation")
        }
        _ => diagnostic.maybe_help(suggestion(word, known.iter().copied(), "the operations")),
    }
}
