//! `[role_definition]`, `g` lines and `a` lines to [`RoleGraph`]s and [`ActionRole`]s.

use std::collections::BTreeMap;

use hashbrown::{HashMap, HashSet};

use boesfs_abi::op::OpSet;
use boesfs_grammar::{Line, SectionKind, SyntaxTree, Value};

use super::action::{action, known_words};
use super::opaque::Vocabulary;
use super::tuple::tuple;
use super::{ActionRole, RoleEdge, RoleGraph, Shape, Tuple};
use crate::diagnostic::{Diagnostic, suggestion};

/// The relations the policy declares, still without lines.
#[derive(Clone, Debug, Default)]
pub(super) struct Declared {
    /// `g`, `g2`, …
    pub(super) graphs: Vec<RoleGraph>,
    /// Whether `a` is declared.
    pub(super) actions: bool,
}

impl Declared {
    /// Reads `[role_definition]`. Duplicates have been reported already.
    pub(super) fn read(tree: &SyntaxTree, out: &mut Vec<Diagnostic>) -> Self {
        let mut declared = Self::default();
        for definition in tree.definitions.iter().filter(|d| d.section == SectionKind::Role) {
            let Some(Value::Places(groups, span)) = &definition.value else { continue };
            let counts: Vec<usize> = groups.iter().map(Vec::len).collect();
            let name = &definition.key.text;
            match (name.as_str(), counts.as_slice()) {
                ("a", [2] | [2, 2]) => declared.actions = true,
                ("a", _) => out.push(
                    Diagnostic::error("E0207", "`a` relates actions with tuples", *span)
                        .label("not the form of `a`")
                        .help("write `a = _, _; _, _`"),
                ),
                (_, [2 | 3]) if declared.graphs.iter().all(|graph| graph.name != *name) => {
                    let has_domain = counts == [3];
                    declared.graphs.push(RoleGraph { name: name.clone(), has_domain, edges: Vec::new() });
                }
                (_, [2 | 3]) => {}
                _ => out.push(
                    Diagnostic::error(
                        "E0207",
                        format!("`{name}` has {} places", counts.iter().sum::<usize>()),
                        *span,
                    )
                    .label("expected two, or three with a domain")
                    .help(format!("write `{name} = _, _` or `{name} = _, _, _`"))
                    .because(
                        "more places, conditions and matching functions need code that a policy cannot carry",
                    ),
                ),
            }
        }
        declared
    }
}

/// Adds the edge of `line` to `graph`.
pub(super) fn edge(tree: &SyntaxTree, line: &Line, graph: &mut RoleGraph, out: &mut Vec<Diagnostic>) {
    let cells = &tree.cells(line)[1..];
    let want = if graph.has_domain { 3 } else { 2 };
    if cells.len() != want {
        let places = if graph.has_domain { "member, role, domain" } else { "member, role" };
        out.push(
            Diagnostic::error(
                "E0331",
                format!("a `{}` line has {want} fields, this one has {}", graph.name, cells.len()),
                line.span,
            )
            .label(format!("expected `{}, {places}`", graph.name)),
        );
        return;
    }
    let mut texts = cells.iter().map(|cell| tree.text(*cell).into_owned());
    let (member, role) = (texts.next().unwrap_or_default(), texts.next().unwrap_or_default());
    graph.edges.push(RoleEdge {
        member,
        role,
        domain: texts.next(),
        member_span: cells[0].span,
        role_span: cells[1].span,
        span: line.span,
        line: line.line,
    });
}

/// Reports a shortest cycle of `graph` for each domain that has one.
pub(super) fn cycles(graph: &RoleGraph, out: &mut Vec<Diagnostic>) {
    let mut domains: BTreeMap<Option<&[u8]>, Vec<usize>> = BTreeMap::new();
    for (index, edge) in graph.edges.iter().enumerate() {
        domains.entry(edge.domain.as_deref()).or_default().push(index);
    }
    for edges in domains.values() {
        let mut from: HashMap<&[u8], Vec<usize>> = HashMap::new();
        for index in edges {
            from.entry(graph.edges[*index].member.as_slice()).or_default().push(*index);
        }
        let Some(suspect) = any_cycle(graph, edges, &from) else { continue };
        let cycle = shortest(graph, suspect, &from);
        let names: Vec<String> =
            cycle.iter().map(|i| String::from_utf8_lossy(&graph.edges[*i].member).into_owned()).collect();
        let first = &graph.edges[cycle[0]];
        let shown = format!("{} -> {}", names.join(" -> "), names[0]);
        let mut diagnostic = Diagnostic::error("E0330", format!("roles form a cycle: {shown}"), first.span)
            .label(format!("1: `{}` gets `{}`", names[0], String::from_utf8_lossy(&first.role)));
        for (step, index) in cycle.iter().enumerate().skip(1) {
            let edge = &graph.edges[*index];
            let text =
                format!("{}: `{}` gets `{}`", step + 1, names[step], String::from_utf8_lossy(&edge.role));
            diagnostic = diagnostic.secondary(edge.span, text);
        }
        out.push(diagnostic.help("remove one of these lines"));
    }
}

/// An edge that lies on a cycle, if there is one: depth first, without recursion.
fn any_cycle(graph: &RoleGraph, edges: &[usize], from: &HashMap<&[u8], Vec<usize>>) -> Option<usize> {
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        Open,
        Done,
    }
    let mut marks: HashMap<&[u8], Mark> = HashMap::new();
    for start in edges {
        let start = graph.edges[*start].member.as_slice();
        if marks.contains_key(start) {
            continue;
        }
        marks.insert(start, Mark::Open);
        let mut stack = vec![(start, 0)];
        while let Some((node, next)) = stack.last_mut() {
            let Some(index) = from.get(node).and_then(|out| out.get(*next)).copied() else {
                marks.insert(node, Mark::Done);
                stack.pop();
                continue;
            };
            *next += 1;
            let role = graph.edges[index].role.as_slice();
            match marks.get(role) {
                Some(Mark::Open) => return Some(index),
                Some(Mark::Done) => {}
                None => {
                    marks.insert(role, Mark::Open);
                    stack.push((role, 0));
                }
            }
        }
    }
    None
}

/// The shortest cycle through `edge`, as edges from it on: breadth first from its role back to its member.
fn shortest(graph: &RoleGraph, edge: usize, from: &HashMap<&[u8], Vec<usize>>) -> Vec<usize> {
    let goal = graph.edges[edge].member.as_slice();
    let start = graph.edges[edge].role.as_slice();
    let mut came: HashMap<&[u8], usize> = HashMap::new();
    let mut queue = std::collections::VecDeque::from([start]);
    while let Some(node) = queue.pop_front() {
        if node == goal {
            break;
        }
        for index in from.get(node).into_iter().flatten() {
            let role = graph.edges[*index].role.as_slice();
            if role != start && !came.contains_key(role) {
                came.insert(role, *index);
                queue.push_back(role);
            }
        }
    }
    let mut back = Vec::new();
    let mut node = goal;
    while node != start {
        let Some(index) = came.get(node) else { break };
        back.push(*index);
        node = graph.edges[*index].member.as_slice();
    }
    back.push(edge);
    back.reverse();
    back
}

/// Adds the line `a, ROLE, ACT, (ARGS)` to `roles`. An action may name roles only in Casbin shape, and only those
/// that stand before it.
pub(super) fn action_line(
    tree: &SyntaxTree,
    line: &Line,
    shape: Shape,
    vocabulary: Vocabulary<'_>,
    roles: &mut Vec<ActionRole>,
    out: &mut Vec<Diagnostic>,
) {
    let cells = &tree.cells(line)[1..];
    let (role, act, args) = match (cells, shape) {
        ([role, act, args], _) => (role, act, Some(args)),
        ([role, act], Shape::Casbin) => (role, act, None),
        _ => {
            out.push(
                Diagnostic::error(
                    "E0331",
                    format!("an `a` line has 3 fields, this one has {}", cells.len()),
                    line.span,
                )
                .label("expected `a, role, operation, (args)`")
                .help("a tuple that tests nothing is `(*)`"),
            );
            // The role is known all the same, so that rules that name it are not reported too.
            if let Some(role) = cells.first() {
                let name = String::from_utf8_lossy(&tree.text(*role)).into_owned();
                roles.push(ActionRole { name, members: Vec::new(), span: line.span });
            }
            return;
        }
    };
    let name = String::from_utf8_lossy(&tree.text(*role)).into_owned();
    if name.is_empty() {
        out.push(Diagnostic::error("E0308", "the role has no name", role.span).label("a name stands here"));
        return;
    }
    let text = tree.text(*act);
    let known = if shape == Shape::Casbin { roles.as_slice() } else { &[] };
    let meaning = action(&text, shape, known, vocabulary);
    for (offset, word) in &meaning.unknown {
        out.push(
            Diagnostic::error(
                "E0301",
                format!("unknown operation `{word}`"),
                act.span.part(*offset, word.len()),
            )
            .label("not an operation")
            .maybe_meant(suggestion(word, known_words(shape, known), "the operations")),
        );
    }
    let mut members = Vec::new();
    let test =
        args.map_or_else(Tuple::default, |args| tuple(&tree.text(*args), args.span, meaning.ops, shape, out));
    let inherited: Vec<(OpSet, Tuple)> = meaning
        .roles
        .iter()
        .filter(|role| super::action::has_tuple(&known[**role]))
        .flat_map(|role| known[*role].members.clone())
        .collect();
    // Of operations alone a tuple may fit none and so test nothing: what is written counts.
    let restricts = args.is_some_and(|args| {
        let text = tree.text(*args);
        text.iter().any(|byte| !matches!(byte, b'(' | b')' | b'*' | b',' | b' ' | b'\t'))
    });
    if !inherited.is_empty() && restricts {
        out.push(
            Diagnostic::error("E0316", "a role with tuples cannot be given another tuple", line.span)
                .help("repeat its operations here, with the tuple"),
        );
    }
    if !meaning.ops.is_empty() || inherited.is_empty() {
        members.push((meaning.ops, test));
    }
    let place = roles.iter().position(|existing| existing.name == name).unwrap_or_else(|| {
        roles.push(ActionRole { name, members: Vec::new(), span: line.span });
        roles.len() - 1
    });
    let existing = &mut roles[place].members;
    if inherited.is_empty() {
        existing.append(&mut members);
        return;
    }
    // Roles of roles of roles: each member once, or ten lines a level make a number with as many digits as levels.
    let mut known: HashSet<(OpSet, Tuple)> = existing.iter().cloned().collect();
    existing.extend(members.into_iter().chain(inherited).filter(|member| known.insert(member.clone())));
}
