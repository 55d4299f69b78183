//! The lint `deep-role`.

use std::collections::HashMap;

use super::Lint;
use super::findings::Findings;
use crate::diagnostic::Diagnostic;
use crate::model::RoleGraph;

/// A chain of roles longer than Casbin follows.
pub static DEEP_ROLE: Lint = Lint {
    code: "W0317",
    name: "deep-role",
    finds: "a chain of roles longer than Casbin follows",
    page: include_str!("deep_role.md"),
};

/// How many steps every Casbin follows.
const PORTABLE: usize = 9;

type Node<'g> = (Option<&'g [u8]>, &'g [u8]);

pub(super) fn check(found: &mut Findings<'_>) {
    let model = found.model;
    for graph in &model.roles {
        let Some((edge, depth)) = deepest(graph) else { continue };
        if depth > PORTABLE {
            let edge = &graph.edges[edge];
            found.push(
                Diagnostic::warning(
                    &DEEP_ROLE,
                    format!("`{}` stands {depth} steps below a role", String::from_utf8_lossy(&edge.member)),
                    edge.span,
                )
                .label("the longest chain begins here")
                .help(format!("shorten it to {PORTABLE} steps, so that Casbin follows it too")),
            );
        }
    }
}

/// The first edge of a longest chain, and how many edges that has. The graph is acyclic.
fn deepest(graph: &RoleGraph) -> Option<(usize, usize)> {
    if graph.edges.len() <= PORTABLE {
        return None;
    }
    let mut from: HashMap<Node<'_>, Vec<usize>> = HashMap::new();
    for (index, edge) in graph.edges.iter().enumerate() {
        from.entry((edge.domain.as_deref(), &edge.member)).or_default().push(index);
    }
    let mut depths: HashMap<Node<'_>, usize> = HashMap::new();
    for edge in &graph.edges {
        let mut stack: Vec<(Node<'_>, bool)> = vec![((edge.domain.as_deref(), &edge.member), false)];
        while let Some((node, ready)) = stack.pop() {
            if depths.contains_key(&node) {
                continue;
            }
            let next = from.get(&node).map_or(&[][..], Vec::as_slice);
            let targets = next.iter().map(|index| (node.0, graph.edges[*index].role.as_slice()));
            if ready {
                let depth = targets.map(|target| 1 + depths.get(&target).copied().unwrap_or(0)).max();
                depths.insert(node, depth.unwrap_or(0));
            } else {
                stack.push((node, true));
                stack.extend(targets.map(|target| (target, false)));
            }
        }
    }
    let depth = |index: usize| {
        let edge = &graph.edges[index];
        depths.get(&(edge.domain.as_deref(), edge.member.as_slice())).copied()
    };
    let index = (0..graph.edges.len()).rev().max_by_key(|index| depth(*index))?;
    Some((index, depth(index)?))
}
