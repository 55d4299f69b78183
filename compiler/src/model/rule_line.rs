//! One `p` line to a [`Rule`].

mod arity;
mod column;
mod tested;

use std::borrow::Cow;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use boesfs_abi::op::OpSet;
use boesfs_abi::verdict::Effect;
use boesfs_grammar::{Cell, Limits, Line, Span, SyntaxTree, Word, parse_matcher};
use hashbrown::HashMap;
use smallvec::SmallVec;

use super::action::{Action, action, bad_action_pattern, has_tuple, known_words, matching};
use super::annotations::annotations;
use super::matcher::{Names, Use, bind};
use super::opaque::Vocabulary;
use super::tuple::tuple;
use super::{Annotations, Field, Node, PolicyEffect, Rule, Scope, Shape};
use crate::diagnostic::{Diagnostic, Meant, Severity, closest, human::hidden, suggestion};
use crate::lint::{
    ABNORMAL_PATH, BAD_TUPLE_VALUE, HIDDEN_CHARACTERS, INERT_RULE, UNDEFINED_ACTION_ROLE, UNUSED_PRIORITY,
};
use crate::shown::written;
use arity::arity;
use column::{boesfs_path, some_program, typed};
pub(super) use column::{names_program, normal};
pub(super) use tested::RelatedOps;
use tested::Said;

/// What all lines of one type share.
pub(super) struct LineContext<'a> {
    pub(super) tree: &'a SyntaxTree,
    pub(super) limits: &'a Limits,
    pub(super) names: &'a Names<'a>,
    pub(super) effect: PolicyEffect,
    pub(super) matcher: &'a Node,
    /// What the role relations say of operations.
    pub(super) related: &'a RelatedOps,
    /// What each field of a line is.
    pub(super) layout: &'a Layout,
    /// What columns that are used as actions mean, by their text: a large policy says the same few over and over.
    pub(super) actions: RefCell<HashMap<Vec<u8>, Rc<Action>>>,
    /// What is said of words that are no operations: a large policy has the same mistake over and over.
    pub(super) unknown: RefCell<HashMap<String, Diagnostic>>,
    /// What is said of rules of which nothing is said.
    pub(super) unsaid: Arc<Annotations>,
    /// On how many lines it has been looked which field was not quoted.
    pub(super) joined: std::cell::Cell<usize>,
}

/// What the fields of the lines of one type are, its type left out.
pub(super) struct Layout {
    /// What each field is called, in order.
    wanted: Vec<String>,
    /// Which fields are columns.
    columns: Vec<usize>,
    eft: Option<usize>,
    priority: Option<usize>,
    scope: Option<usize>,
    /// How the matcher uses each column.
    uses: Vec<Vec<Use>>,
}

impl Layout {
    /// The layout of lines whose columns the matcher has `uses` for.
    pub(super) fn new(names: &Names<'_>, uses: &[(usize, Use)]) -> Self {
        let mut wanted: Vec<String> = match names.shape {
            Shape::Casbin => names.policy.iter().map(|column| column.text.clone()).collect(),
            Shape::Boesfs => names.columns.to_vec(),
        };
        if names.shape == Shape::Boesfs {
            wanted.extend(["file|dir", "allow|deny"].map(str::to_owned));
        }
        let mut layout = Self {
            wanted: Vec::new(),
            columns: Vec::new(),
            eft: None,
            priority: None,
            scope: None,
            uses: Vec::new(),
        };
        for (place, name) in wanted.iter().enumerate() {
            match (name.as_str(), names.shape) {
                ("eft", Shape::Casbin) | ("allow|deny", Shape::Boesfs) => layout.eft = Some(place),
                ("priority", Shape::Casbin) => layout.priority = Some(place),
                ("file|dir", Shape::Boesfs) => layout.scope = Some(place),
                _ => layout.columns.push(place),
            }
        }
        let of_column =
            |index| uses.iter().filter(|(column, _)| *column == index).map(|(_, how)| *how).collect();
        layout.uses = (0..layout.columns.len()).map(of_column).collect();
        layout.wanted = wanted;
        layout
    }
}

/// The rule on `line`; `None` if it has errors. Findings go to `out`, without those the rule allows.
pub(super) fn rule(context: &LineContext<'_>, line: &Line, out: &mut Vec<Diagnostic>) -> Option<Rule> {
    let mut found = Vec::new();
    let annotations = match context.tree.annotations(line) {
        [] => Arc::clone(&context.unsaid),
        said => Arc::new(annotations(said, &mut found)),
    };
    let rule = fields(context, line, &context.tree.cells(line)[1..], Arc::clone(&annotations), &mut found);
    if found.is_empty() {
        return rule;
    }
    found.retain(|d| d.lint.is_none_or(|lint| !annotations.allow.iter().any(|name| name == lint)));
    let errors = found.iter().any(|d| d.severity == Severity::Error && d.lint.is_none());
    out.append(&mut found);
    if errors { None } else { rule }
}

fn fields(
    context: &LineContext<'_>,
    line: &Line,
    cells: &[Cell],
    annotations: Arc<Annotations>,
    out: &mut Vec<Diagnostic>,
) -> Option<Rule> {
    let names = context.names;
    let layout = context.layout;
    if cells.len() != layout.wanted.len() {
        out.push(arity(context, line, cells));
        return None;
    }
    let eft = match layout.eft {
        Some(place) => eft(context.tree, cells[place], out),
        None => Some(Effect::Allow),
    };
    let scope = match layout.scope {
        Some(place) => Some(scope(context.tree, cells[place], out)?),
        None => None,
    };
    let eft = eft?;
    let priority = layout.priority.and_then(|place| priority(context, cells[place], out));
    let (uses, mut evals) = with_evals(context, cells, out);
    let mut inert = false;
    let mut actions: SmallVec<[Option<Rc<Action>>; 8]> = SmallVec::new();
    for (place, uses) in layout.columns.iter().zip(uses.iter()) {
        actions.push(action_of(context, cells[*place], uses, eft, out));
    }
    let tuple_ops = tuple_ops(context, cells, &uses, &actions, &evals);
    let mut fields = Vec::with_capacity(layout.columns.len());
    for (column, (place, action)) in layout.columns.iter().zip(actions).enumerate() {
        let cell = cells[*place];
        let mut text = context.tree.text(cell).into_owned();
        out.extend(hidden_characters(&text, cell));
        if uses[column].iter().all(|how| *how == Use::Subject) && !uses[column].is_empty() {
            some_program(&text, cell.span, names, out);
        }
        for how in &uses[column] {
            match how {
                Use::Path | Use::Directory if names.shape == Shape::Boesfs => {
                    inert |= !boesfs_path(&mut text, cell, eft, out);
                }
                other => typed(&text, cell.span, *other, names, out),
            }
        }
        let tuple = uses[column]
            .contains(&Use::Tuple)
            .then(|| tuple(&text, cell.span, tuple_ops[column], names.shape, out).into());
        fields.push(Field {
            text,
            span: cell.span,
            ops: action.as_ref().map(|action| action.ops),
            action_roles: action.map(|action| action.roles.clone()).unwrap_or_default(),
            tuple,
            eval: evals.get_mut(column).and_then(Option::take).map(Box::new),
        });
    }
    if !context.effect.base.looks_at(eft) {
        out.push(inert_rule(eft, line, names.shape, layout.eft.map(|place| cells[place])));
    }
    // An allow rule that matches nothing leaves nothing unprotected.
    if eft == Effect::Allow && !out.is_empty() {
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
        text: written(context.tree.bytes(line.span)).into(),
        inert,
    })
}

/// For each column that is a tuple the operations it is tested on.
fn tuple_ops(
    context: &LineContext<'_>,
    cells: &[Cell],
    uses: &[Vec<Use>],
    actions: &[Option<Rc<Action>>],
    evals: &[Option<Node>],
) -> SmallVec<[OpSet; 8]> {
    let is_tuple = |column: &usize| uses[*column].contains(&Use::Tuple);
    let columns = &context.layout.columns;
    if !(0..columns.len()).any(|column| is_tuple(&column)) {
        return SmallVec::from_elem(OpSet::EMPTY, columns.len());
    }
    let said = Said {
        roles: context.names.action_roles,
        related: context.related,
        texts: columns.iter().map(|place| context.tree.text(cells[*place])).collect(),
        actions,
        evals,
    };
    let of_column = |column| {
        if is_tuple(&column) { said.tested(context.matcher, column, OpSet::ALL) } else { OpSet::EMPTY }
    };
    (0..columns.len()).map(of_column).collect()
}

fn hidden_characters(text: &[u8], cell: Cell) -> Option<Diagnostic> {
    if text.iter().all(|byte| matches!(byte, b' '..=b'~')) {
        return None;
    }
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

fn eft(tree: &SyntaxTree, cell: Cell, out: &mut Vec<Diagnostic>) -> Option<Effect> {
    match tree.text(cell).as_ref() {
        b"allow" => Some(Effect::Allow),
        b"deny" => Some(Effect::Deny),
        other => {
            let word = String::from_utf8_lossy(other);
            out.push(
                Diagnostic::error("E0303", format!("`{word}` is neither `allow` nor `deny`"), cell.span)
                    .label("expected `allow` or `deny`")
                    .maybe_meant(
                        closest(&word, ["allow", "deny"])
                            .or_else(|| ["allow", "deny"].into_iter().find(|known| word.starts_with(known)))
                            .map(|known| Meant::to_be(&word, known)),
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
                    .maybe_meant(closest(&word, ["file", "dir"]).map(|known| Meant::to_be(&word, known))),
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

/// The uses with those of each `eval`ed expression added, and these expressions; none, if no column is `eval`ed.
fn with_evals<'c>(
    context: &'c LineContext<'_>,
    cells: &[Cell],
    out: &mut Vec<Diagnostic>,
) -> (Cow<'c, [Vec<Use>]>, Vec<Option<Node>>) {
    let known = &context.layout.uses;
    if !known.iter().flatten().any(|how| *how == Use::Eval) {
        return (Cow::Borrowed(known), Vec::new());
    }
    let mut uses = known.clone();
    let mut evals = Vec::new();
    for (index, place) in context.layout.columns.iter().enumerate() {
        let cell = &cells[*place];
        if !uses[index].contains(&Use::Eval) {
            evals.push(None);
            continue;
        }
        let text = if cell.quoted {
            let written = context.tree.bytes(cell.span);
            Cow::Owned(in_place(&written[1..written.len() - 1]))
        } else {
            context.tree.text(*cell)
        };
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
    (Cow::Owned(uses), evals)
}

/// The expression in the quoted field `written`, each of its tokens where it stands there: a quote that is written twice
/// becomes one and a blank outside its text. Within `'…'` none can be put, there the blank follows the text.
fn in_place(written: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(written.len());
    let mut within = None;
    let mut owed = 0;
    let mut at = 0;
    while at < written.len() {
        let byte = written[at];
        let twice = byte == b'"' && written.get(at + 1) == Some(&b'"');
        at += if twice { 2 } else { 1 };
        match (byte, within) {
            (b'"', None) => {
                text.extend(if twice { b" \"".as_slice() } else { b"\"" });
                within = Some(byte);
            }
            (b'"', Some(b'"')) => {
                text.extend(if twice { b"\" ".as_slice() } else { b"\"" });
                within = None;
            }
            (b'\'', None) => {
                text.push(byte);
                within = Some(byte);
            }
            (b'\'', Some(b'\'')) => {
                text.push(byte);
                text.extend(std::iter::repeat_n(b' ', std::mem::take(&mut owed)));
                within = None;
            }
            _ => {
                text.push(byte);
                owed += usize::from(twice);
            }
        }
    }
    text
}

/// The operations whose names a pattern matches.
fn action_pattern(
    text: &[u8],
    at: Span,
    vocabulary: Vocabulary<'_>,
    out: &mut Vec<Diagnostic>,
) -> Option<Action> {
    match matching(text, vocabulary) {
        Ok(ops) => Some(Action { ops, ..Action::default() }),
        Err(error) => {
            out.push(bad_action_pattern(&error, at));
            None
        }
    }
}

fn action_of(
    context: &LineContext<'_>,
    cell: Cell,
    uses: &[Use],
    eft: Effect,
    out: &mut Vec<Diagnostic>,
) -> Option<Rc<Action>> {
    let (as_set, as_role) = (uses.contains(&Use::Action), uses.contains(&Use::ActionRole));
    if uses.contains(&Use::ActionPattern) {
        if as_set || as_role {
            out.push(
                Diagnostic::error(
                    "E0403",
                    "the column holds both operations and a pattern of them",
                    cell.span,
                )
                .label("used in both ways")
                .help("give each use a column of its own"),
            );
        }
        return action_pattern(&context.tree.text(cell), cell.span, context.names.vocabulary, out)
            .map(Rc::new);
    }
    if !as_set && !as_role {
        return None;
    }
    let names = context.names;
    let text = context.tree.text(cell);
    let known = context.actions.borrow().get(text.as_ref()).cloned();
    let meaning = known.unwrap_or_else(|| {
        let meaning = Rc::new(action(&text, names.shape, names.action_roles, names.vocabulary));
        context.actions.borrow_mut().insert(text.to_vec(), Rc::clone(&meaning));
        meaning
    });
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
                    .maybe_meant(closest(word, known).map(|known| Meant::to_be(word, known))),
            );
        } else {
            let mut unknown = context.unknown.borrow_mut();
            let said = unknown.entry(word.clone());
            let said = said.or_insert_with(|| unknown_operation(word, at, names.shape, &known));
            out.push(said.clone().moved(at));
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
        ("default", Shape::Casbin) => diagnostic.write("none"),
        (group, Shape::Boesfs) if group.starts_with('@') => {
            diagnostic.help("groups belong to Casbin's layout: write one rule for each operation")
        }
        _ => diagnostic.maybe_meant(suggestion(word, known.iter().copied(), "the operations")),
    }
}
