//! Pictures of a policy: its roles, its automaton, its subject classes, as DOT or SVG.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;

use boesfs_abi::image::{ClassId, State, ValidImage};
use boesfs_abi::layout::NO_RULE;
use boesfs_abi::op::OpSet;
use boesfs_abi::subjects::SubjectLiteral;
use hashbrown::HashMap;

use layout::backends::svg::SVGWriter;
use layout::core::base::Orientation;
use layout::core::geometry::{Point, get_size_for_str};
use layout::core::style::StyleAttr;
use layout::std_shapes::shapes::{Arrow, Element, ShapeKind};
use layout::topo::layout::VisualGraph;

use crate::model::Model;
use crate::shown::shown;

/// Boxes and arrows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Graph {
    /// The boxes: what stands in them.
    pub nodes: Vec<String>,
    /// The arrows: from where, to where, and what stands beside them.
    pub edges: Vec<(usize, usize, String)>,
}

/// The graph is larger than asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("E0511: the graph has {nodes} nodes or more, the limit is {limit}; `--max-nodes` raises it")]
pub struct TooLarge {
    /// How many nodes there are, or were when it was given up.
    pub nodes: usize,
    /// How many there may be.
    pub limit: usize,
}

impl Graph {
    /// The roles of `model`: who has which.
    ///
    /// # Errors
    /// [`TooLarge`] if there are more than `limit` nodes.
    pub fn roles(model: &Model, limit: usize) -> Result<Self, TooLarge> {
        let mut graph = Self::default();
        let mut known: BTreeMap<&[u8], usize> = BTreeMap::new();
        for relation in &model.roles {
            for edge in &relation.edges {
                let [member, role] = [&edge.member, &edge.role].map(|name| {
                    *known.entry(name).or_insert_with(|| {
                        graph.nodes.push(shown(name));
                        graph.nodes.len() - 1
                    })
                });
                let mut label = if relation.name == "g" { String::new() } else { relation.name.clone() };
                if let Some(domain) = &edge.domain {
                    label = format!("{label} in {}", shown(domain)).trim().to_owned();
                }
                graph.edges.push((member, role, label));
            }
        }
        graph.within(limit)
    }

    /// The programs and domains of `image`, and the classes they fall into.
    ///
    /// # Errors
    /// [`TooLarge`] if there are more than `limit` nodes.
    pub fn classes(image: &ValidImage, limit: usize) -> Result<Self, TooLarge> {
        let mut graph = Self::default();
        for class in image.classes().take(limit.saturating_add(1)) {
            graph.nodes.push(format!("class {}", class.0));
        }
        let subjects = image.subjects();
        for (path, name) in &subjects.groups {
            if graph.nodes.len() > limit {
                break;
            }
            let literal = |index: &u32| match &subjects.literals[*index as usize] {
                SubjectLiteral::Path(text) => shown(text),
                SubjectLiteral::Name(text) => format!("{} by base name", shown(text)),
            };
            graph.nodes.push(match (path, name) {
                (Some(path), _) => literal(path),
                (None, Some(name)) => literal(name),
                (None, None) => "any other program".to_owned(),
            });
            let domains = [None].into_iter().chain(subjects.domains.iter().map(Some));
            let mut classes: BTreeMap<ClassId, Vec<String>> = BTreeMap::new();
            for domain in domains {
                let class = subjects.class_of_group((*path, *name), domain.map(Vec::as_slice));
                let place = domain.map_or_else(|| "elsewhere".to_owned(), |domain| shown(domain));
                classes.entry(class.unwrap_or(ClassId(NO_RULE))).or_default().push(place);
            }
            let all = classes.len() == 1;
            for (class, places) in classes {
                let label = if all { String::new() } else { places.join(", ") };
                graph.edges.push((graph.nodes.len() - 1, class.0 as usize, label));
            }
        }
        graph.within(limit)
    }

    /// The path automaton of `image`: its states with the rules that meet there, runs of bytes as one arrow.
    ///
    /// # Errors
    /// [`TooLarge`] if there are more than `limit` nodes.
    pub fn automaton(image: &ValidImage, limit: usize) -> Result<Self, TooLarge> {
        let named = image.named();
        let mut graph = Self::default();
        let mut known: HashMap<State, usize> = HashMap::new();
        let start = named.start();
        let mut todo = VecDeque::from([start]);
        known.insert(start, 0);
        graph.nodes.push(format!("start\n{}", rules_at(image, start)));
        while let Some(state) = todo.pop_front() {
            let from = known[&state];
            let (own, other) = named.edges(state);
            let mut ways: BTreeMap<State, Vec<String>> = BTreeMap::new();
            let mut bytes: BTreeMap<State, Vec<u8>> = BTreeMap::new();
            for (byte, mut to) in own {
                let mut run = vec![byte];
                // Inside a run nothing else can happen but to leave it.
                while to.inside != 0 {
                    let (next, _) = named.edges(to);
                    let Some((byte, after)) = next.first() else { break };
                    run.push(*byte);
                    to = *after;
                }
                match run.as_slice() {
                    [byte] => bytes.entry(to).or_default().push(*byte),
                    run => ways.entry(to).or_default().push(shown(run)),
                }
            }
            for (to, bytes) in bytes {
                ways.entry(to).or_default().push(byte_words(&bytes));
            }
            if !named.is_sink(state) {
                ways.entry(other).or_default().push("else".to_owned());
            }
            for (to, words) in ways {
                let fresh = graph.nodes.len();
                let number = *known.entry(to).or_insert_with(|| {
                    todo.push_back(to);
                    graph.nodes.push(rules_at(image, to));
                    fresh
                });
                graph.edges.push((from, number, words.join(", ")));
            }
            if graph.nodes.len() > limit {
                return Err(TooLarge { nodes: graph.nodes.len(), limit });
            }
        }
        Ok(graph)
    }

    fn within(self, limit: usize) -> Result<Self, TooLarge> {
        let nodes = self.nodes.len();
        if nodes > limit { Err(TooLarge { nodes, limit }) } else { Ok(self) }
    }

    /// As DOT.
    #[must_use]
    pub fn dot(&self) -> String {
        let mut out = "digraph policy {\n  rankdir=LR;\n  node [shape=box];\n".to_owned();
        let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        for (number, label) in self.nodes.iter().enumerate() {
            let _ = writeln!(out, "  n{number} [label=\"{}\"];", quoted(label));
        }
        for (from, to, label) in &self.edges {
            let label =
                if label.is_empty() { String::new() } else { format!(" [label=\"{}\"]", quoted(label)) };
            let _ = writeln!(out, "  n{from} -> n{to}{label};");
        }
        out.push_str("}\n");
        out
    }

    /// As SVG.
    #[must_use]
    pub fn svg(&self) -> String {
        if self.nodes.is_empty() {
            return "<svg xmlns=\"http://www.w3.org/2000/svg\"/>\n".to_owned();
        }
        let mut picture = VisualGraph::new(Orientation::LeftToRight);
        let style = StyleAttr::simple();
        let handles: Vec<_> = self
            .nodes
            .iter()
            .map(|label| {
                let size = get_size_for_str(label, style.font_size);
                let size = Point::new(size.x + 20., size.y + 16.);
                let shape = ShapeKind::new_box(label);
                picture.add_node(Element::create(shape, style.clone(), Orientation::LeftToRight, size))
            })
            .collect();
        for (from, to, label) in &self.edges {
            picture.add_edge(Arrow::simple(label), handles[*from], handles[*to]);
        }
        let mut svg = SVGWriter::new();
        picture.do_it(false, false, false, &mut svg);
        svg.finalize()
    }
}

/// The rules that decide something where `state` is.
fn rules_at(image: &ValidImage, state: State) -> String {
    const MOST: usize = 6;
    let mut rules = BTreeSet::new();
    let named = image.named();
    for class in image.classes() {
        let Some(number) = named.cell_number(named.label(state), class) else { continue };
        let cell = named.cell(number);
        let masked = OpSet::ALL.difference(OpSet::from_bits(cell.depend));
        rules.extend(masked.iter().map(|op| named.rule(number, op)));
        let lines = image.entries(cell.first, cell.first_count);
        rules.extend(lines.map(|(entry, _)| named.entry_rule(number, entry)));
    }
    let lines = |rule: &u32| match image.debug().and_then(|debug| debug.rules.get(*rule as usize)) {
        Some(rule) => rule.id.to_owned(),
        None => format!("#{}", rule + 1),
    };
    let named: Vec<String> = rules.iter().flatten().map(lines).collect();
    match named.len() {
        0 => "default".to_owned(),
        count if count > MOST => format!("rules {} and {} more", named[..MOST].join(" "), count - MOST),
        1 => format!("rule {}", named[0]),
        _ => format!("rules {}", named.join(" ")),
    }
}

/// Bytes in increasing order, runs of them as ranges.
fn byte_words(bytes: &[u8]) -> String {
    let mut words = Vec::new();
    for run in bytes.chunk_by(|a, b| a + 1 == *b) {
        match run {
            [first, .., last] if run.len() > 2 => {
                words.push(format!("{}-{}", shown(&[*first]), shown(&[*last])))
            }
            run => words.extend(run.iter().map(|byte| shown(&[*byte]))),
        }
    }
    words.join(" ")
}
