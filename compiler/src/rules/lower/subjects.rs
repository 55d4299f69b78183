//! Subjects and domains: the finitely many a policy tells apart, and roles closed over them.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use hashbrown::HashMap;

use crate::model::{Model, Shape};
use crate::rules::{ClassId, SubjectLiteral, Subjects};

use super::cells::{CellSet, Cells};
use super::division::Division;
use super::mentions::Mentions;

/// A program, and a domain if it takes one.
type Witness = (Vec<u8>, Option<Vec<u8>>);

/// A node of a role graph: whether it is a role's word, and what it is compared by.
type NodeKey = (bool, Vec<u8>);

/// The subjects and domains of one policy.
#[derive(Debug)]
pub(super) struct Table<'m> {
    model: &'m Model,
    literals: Vec<SubjectLiteral>,
    groups: Vec<(Option<u32>, Option<u32>)>,
    /// For each literal the groups it is the path or the base name of.
    groups_of: Vec<Vec<u32>>,
    domains: Vec<Vec<u8>>,
    roles: BTreeSet<&'m [u8]>,
    graph: Option<usize>,
    column: Option<usize>,
    domain_column: Option<usize>,
    edges: Vec<Vec<Edge>>,
    /// For each graph its edges by either end.
    by_member: Vec<HashMap<NodeKey, Vec<usize>>>,
    by_role: Vec<HashMap<NodeKey, Vec<usize>>>,
    sets: HashMap<Target, HashMap<Vec<u8>, Cells>>,
}

#[derive(Debug)]
struct Edge {
    member: NodeKey,
    role: NodeKey,
    domain: Option<Vec<u8>>,
}

/// What a cached set of cells is of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Target {
    Program,
    Domain,
    Has(usize, DomainOf),
    RoleOf(usize, DomainOf),
}

/// In which domain a role is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum DomainOf {
    /// The relation has none.
    None,
    /// The request's.
    Request,
    /// This one.
    Fixed(Vec<u8>),
}

/// Which way edges are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// From member to role.
    Up,
    /// From role to member.
    Down,
}

impl<'m> Table<'m> {
    pub(super) fn new(model: &'m Model) -> Self {
        let mut mentions = Mentions::default();
        for index in 0..model.rules.len() {
            mentions.walk(model, &model.matcher, Some(index));
        }
        mentions.walk(model, &model.matcher, None);
        let plain = model.roles.iter().position(|graph| graph.name == "g");
        mentions.of_programs.extend(plain.filter(|plain| !mentions.of_others.contains(plain)));
        let mut roles = BTreeSet::new();
        for graph in &mentions.of_programs {
            for edge in &model.roles[*graph].edges {
                mentions.subjects.extend([edge.member.as_slice(), &edge.role]);
                if !edge.role.contains(&b'/') {
                    roles.insert(edge.role.as_slice());
                }
            }
        }
        for graph in &mentions.in_request_domain {
            let named = model.roles[*graph].edges.iter().filter_map(|edge| edge.domain.as_deref());
            mentions.domains.extend(named);
        }
        let mut table = Self {
            model,
            literals: Vec::new(),
            groups: Vec::new(),
            groups_of: Vec::new(),
            domains: mentions.domains.iter().map(|domain| domain.to_vec()).collect(),
            roles,
            graph: mentions.of_programs.first().copied(),
            column: mentions.column,
            domain_column: mentions.domain_column,
            edges: Vec::new(),
            by_member: Vec::new(),
            by_role: Vec::new(),
            sets: HashMap::default(),
        };
        table.edges = model
            .roles
            .iter()
            .map(|graph| {
                graph
                    .edges
                    .iter()
                    .map(|edge| Edge {
                        member: table.key(&edge.member),
                        role: table.key(&edge.role),
                        domain: edge.domain.clone().filter(|_| graph.has_domain),
                    })
                    .collect()
            })
            .collect();
        table.by_member = table.edges.iter().map(|edges| by_end(edges, |edge| &edge.member)).collect();
        table.by_role = table.edges.iter().map(|edges| by_end(edges, |edge| &edge.role)).collect();
        table.group(&mentions.subjects);
        table
    }

    /// Makes the literals of `subjects` and the groups they divide programs into.
    fn group(&mut self, subjects: &BTreeSet<&[u8]>) {
        let literals: BTreeSet<SubjectLiteral> = subjects
            .iter()
            .filter(|text| !self.roles.contains(**text))
            .map(|text| self.literal(text))
            .collect();
        self.literals = literals.into_iter().collect();
        let mut groups = BTreeSet::from([(None, None)]);
        for (id, literal) in (0_u32..).zip(&self.literals) {
            groups.insert(match literal {
                SubjectLiteral::Path(path) => {
                    (Some(id), self.id(&SubjectLiteral::Name(base_name(path).to_vec())))
                }
                SubjectLiteral::Name(_) => (None, Some(id)),
            });
        }
        self.groups = groups.into_iter().collect();
        self.groups_of = vec![Vec::new(); self.literals.len()];
        for (group, (path, name)) in (0u32..).zip(&self.groups) {
            for literal in [path, name].into_iter().flatten() {
                self.groups_of[*literal as usize].push(group);
            }
        }
    }

    fn literal(&self, text: &[u8]) -> SubjectLiteral {
        match self.model.shape {
            Shape::Casbin if text.contains(&b'/') => SubjectLiteral::Path(text.to_vec()),
            Shape::Casbin => SubjectLiteral::Name(text.to_vec()),
            Shape::Boesfs => SubjectLiteral::Name(base_name(text).to_vec()),
        }
    }

    fn id(&self, literal: &SubjectLiteral) -> Option<u32> {
        self.literals.binary_search(literal).ok().and_then(|id| u32::try_from(id).ok())
    }

    fn key(&self, text: &[u8]) -> NodeKey {
        let role = self.roles.contains(text);
        match self.model.shape {
            Shape::Boesfs if !role => (false, base_name(text).to_vec()),
            Shape::Boesfs | Shape::Casbin => (role, text.to_vec()),
        }
    }

    /// The cells whose programs `text` means.
    pub(super) fn program(&mut self, text: &[u8]) -> Cells {
        if let Some(cells) = self.known(&Target::Program, text) {
            return cells;
        }
        if self.roles.contains(text) {
            return self.cells(Vec::new());
        }
        let cells = match self.id(&self.literal(text)) {
            Some(id) => self.cells(self.everywhere(&self.groups_of[id as usize])),
            None => self.cells(Vec::new()),
        };
        self.keep(Target::Program, text, &cells);
        cells
    }

    fn known(&self, target: &Target, text: &[u8]) -> Option<Cells> {
        self.sets.get(target)?.get(text).cloned()
    }

    fn keep(&mut self, target: Target, text: &[u8], cells: &Cells) {
        self.sets.entry(target).or_default().insert(text.to_vec(), cells.clone());
    }

    /// The cells of the domain called `text`.
    pub(super) fn domain(&mut self, text: &[u8]) -> Cells {
        if let Some(cells) = self.known(&Target::Domain, text) {
            return cells;
        }
        let place = self.domains.binary_search_by(|domain| domain.as_slice().cmp(text));
        let cells = match place {
            Ok(place) => self.domain_cells(place + 1),
            Err(_) => self.cells(Vec::new()),
        };
        self.keep(Target::Domain, text, &cells);
        cells
    }

    /// The cells whose programs have the role `text`, or are what it means.
    pub(super) fn has_role(&mut self, graph: usize, text: &[u8], domain: &DomainOf) -> Cells {
        self.related(Target::Has(graph, domain.clone()), graph, text, domain, Direction::Down)
    }

    /// The cells whose programs, taken as roles, `text` has.
    pub(super) fn role_of(&mut self, graph: usize, text: &[u8], domain: &DomainOf) -> Cells {
        self.related(Target::RoleOf(graph, domain.clone()), graph, text, domain, Direction::Up)
    }

    fn related(
        &mut self,
        target: Target,
        graph: usize,
        text: &[u8],
        domain: &DomainOf,
        direction: Direction,
    ) -> Cells {
        if let Some(cells) = self.known(&target, text) {
            return cells;
        }
        let cells = if *domain == DomainOf::Request {
            let mut members = Vec::new();
            for place in 0..self.domain_count() {
                let groups = self.related_groups(graph, text, self.domain_at(domain, place), direction);
                members.extend(groups.into_iter().map(|group| self.cell(group, place)));
            }
            self.cells(members)
        } else {
            let groups = self.related_groups(graph, text, self.domain_at(domain, 0), direction);
            self.cells(self.everywhere(&groups))
        };
        self.keep(target, text, &cells);
        cells
    }

    /// The groups of programs that are nodes reachable from `text`.
    fn related_groups(
        &self,
        graph: usize,
        text: &[u8],
        domain: Option<Vec<u8>>,
        direction: Direction,
    ) -> Vec<u32> {
        let nodes = self.reachable(graph, text, domain.as_deref(), direction);
        let programs = nodes.iter().filter(|(role, _)| !role);
        let literals = programs.filter_map(|(_, text)| self.id(&self.literal(text)));
        literals.flat_map(|literal| self.groups_of[literal as usize].iter().copied()).collect()
    }

    /// The name of the domain that `domain` means where the request's is the one at `place`.
    pub(super) fn domain_at(&self, domain: &DomainOf, place: usize) -> Option<Vec<u8>> {
        match domain {
            DomainOf::None => None,
            DomainOf::Fixed(name) => Some(name.clone()),
            DomainOf::Request => place.checked_sub(1).map(|place| self.domains[place].clone()),
        }
    }

    /// How many domains there are, the unnamed one included.
    pub(super) fn domain_count(&self) -> usize {
        self.domains.len() + 1
    }

    /// How many cells there are.
    pub(super) fn cell_count(&self) -> usize {
        self.groups.len() * self.domain_count()
    }

    /// The cells of the domain at `place`.
    pub(super) fn domain_cells(&self, place: usize) -> Cells {
        self.cells((0u32..).take(self.groups.len()).map(|group| self.cell(group, place)).collect())
    }

    /// The texts that stand for nodes reachable from `text`, itself included.
    pub(super) fn reachable_texts(
        &self,
        graph: usize,
        text: &[u8],
        domain: Option<&[u8]>,
        direction: Direction,
    ) -> BTreeSet<Vec<u8>> {
        self.reachable(graph, text, domain, direction).into_iter().map(|(_, text)| text).collect()
    }

    fn reachable(
        &self,
        graph: usize,
        text: &[u8],
        domain: Option<&[u8]>,
        direction: Direction,
    ) -> BTreeSet<NodeKey> {
        let has_domain = self.model.roles[graph].has_domain;
        let from = match direction {
            Direction::Up => &self.by_member[graph],
            Direction::Down => &self.by_role[graph],
        };
        let mut seen = BTreeSet::from([self.key(text)]);
        let mut open: Vec<NodeKey> = seen.iter().cloned().collect();
        while let Some(node) = open.pop() {
            for edge in from.get(&node).into_iter().flatten().map(|edge| &self.edges[graph][*edge]) {
                if has_domain && (edge.domain.is_none() || edge.domain.as_deref() != domain) {
                    continue;
                }
                let next = match direction {
                    Direction::Up => &edge.role,
                    Direction::Down => &edge.member,
                };
                if seen.insert(next.clone()) {
                    open.push(next.clone());
                }
            }
        }
        seen
    }

    pub(super) fn complement(&self, cells: &Cells) -> Cells {
        Rc::new(cells.complement())
    }

    fn cells(&self, listed: Vec<u32>) -> Cells {
        Rc::new(CellSet::new(self.cell_count(), listed))
    }

    /// The cell of `group` in the domain at `place`.
    fn cell(&self, group: u32, place: usize) -> u32 {
        // Until the limit is looked at, there may be more than fit.
        u32::try_from(group as usize * self.domain_count() + place).unwrap_or(u32::MAX)
    }

    /// The cells of `groups` in every domain.
    fn everywhere(&self, groups: &[u32]) -> Vec<u32> {
        let places = 0..self.domain_count();
        groups.iter().flat_map(|group| places.clone().map(|place| self.cell(*group, place))).collect()
    }

    /// How long the longest chain of roles above each rule's subject is, where the request's domain is at `place`.
    pub(super) fn levels(&self, place: usize) -> Vec<usize> {
        let (Some(graph), Some(column)) = (self.graph, self.column) else {
            return vec![0; self.model.rules.len()];
        };
        let asked = self.domain_at(&DomainOf::Request, place);
        let mut known: BTreeMap<(NodeKey, Option<Vec<u8>>), usize> = BTreeMap::new();
        self.model
            .rules
            .iter()
            .map(|rule| {
                let domain = self.domain_column.map(|column| rule.fields[column].text.clone());
                let domain = domain.or_else(|| asked.clone()).filter(|_| self.model.roles[graph].has_domain);
                let subject = &rule.fields[column].text;
                let base = base_name(subject);
                let base = (!self.roles.contains(base)).then_some(base);
                base.into_iter()
                    .chain([subject.as_slice()])
                    .map(|node| self.chain(graph, self.key(node), domain.as_ref(), &mut known))
                    .max()
                    .unwrap_or(0)
            })
            .collect()
    }

    fn chain(
        &self,
        graph: usize,
        node: NodeKey,
        domain: Option<&Vec<u8>>,
        known: &mut BTreeMap<(NodeKey, Option<Vec<u8>>), usize>,
    ) -> usize {
        let has_domain = self.model.roles[graph].has_domain;
        let above = |node: &NodeKey| -> Vec<NodeKey> {
            let here = |edge: &&Edge| !has_domain || edge.domain.is_some() && edge.domain.as_ref() == domain;
            let edges = self.by_member[graph].get(node).into_iter().flatten();
            edges.map(|edge| &self.edges[graph][*edge]).filter(here).map(|edge| edge.role.clone()).collect()
        };
        let mut todo = vec![node.clone()];
        while let Some(next) = todo.pop() {
            let roles = above(&next);
            let key = |node: &NodeKey| (node.clone(), domain.cloned());
            let open: Vec<NodeKey> =
                roles.iter().filter(|role| !known.contains_key(&key(role))).cloned().collect();
            if open.is_empty() {
                let longest = roles.iter().map(|role| known[&key(role)] + 1).max().unwrap_or(0);
                known.insert(key(&next), longest);
            } else {
                todo.push(next);
                todo.extend(open);
            }
        }
        known[&(node, domain.cloned())]
    }

    /// Divides the cells into classes: those that `sets` never tell apart, and whose domains have the same `tags`.
    pub(super) fn classes(&self, sets: &[Cells], tags: &[usize]) -> Subjects {
        let domains = self.domain_count();
        let count = self.groups.len() * domains;
        let mut division = Division::new(count, |cell| tags[cell % domains]);
        sets.iter().for_each(|set| division.split(set));
        let (class, next) = division.numbered();
        let mut witnesses: Vec<Option<Witness>> = vec![None; count];
        for (cell, class) in class.iter().enumerate() {
            let witness = &mut witnesses[*class as usize];
            if witness.is_none() {
                let domain = (cell % domains).checked_sub(1).map(|domain| self.domains[domain].clone());
                *witness = Some((self.witness(self.groups[cell / domains]), domain));
            }
        }
        Subjects {
            literals: self.literals.clone(),
            groups: self.groups.clone(),
            domains: self.domains.clone(),
            classes: class.into_iter().map(ClassId).collect(),
            class_count: next,
            witnesses: witnesses.into_iter().flatten().collect(),
        }
    }

    /// A program of the group.
    fn witness(&self, (path, name): (Option<u32>, Option<u32>)) -> Vec<u8> {
        if let Some(path) = path {
            return match &self.literals[path as usize] {
                SubjectLiteral::Path(text) | SubjectLiteral::Name(text) => text.clone(),
            };
        }
        let base = match name.map(|name| &self.literals[name as usize]) {
            Some(SubjectLiteral::Path(text) | SubjectLiteral::Name(text)) => text.clone(),
            None => {
                let taken = |name: &Vec<u8>| self.id(&SubjectLiteral::Name(name.clone())).is_some();
                numbered(b"program").find(|name| !taken(name)).unwrap_or_default()
            }
        };
        let taken = |path: &Vec<u8>| self.id(&SubjectLiteral::Path(path.clone())).is_some();
        numbered(b"/opt")
            .map(|dir| [&dir, b"/".as_slice(), &base].concat())
            .find(|path| !taken(path))
            .unwrap_or(base)
    }
}

/// `stem`, `stem1`, `stem2`, …
fn numbered(stem: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    std::iter::once(stem.to_vec()).chain((1_u64..).map(move |n| [stem, n.to_string().as_bytes()].concat()))
}

/// Edges by the node at one of their ends.
fn by_end(edges: &[Edge], end: impl Fn(&Edge) -> &NodeKey) -> HashMap<NodeKey, Vec<usize>> {
    let mut by_end: HashMap<NodeKey, Vec<usize>> = HashMap::default();
    for (number, edge) in edges.iter().enumerate() {
        by_end.entry(end(edge).clone()).or_default().push(number);
    }
    by_end
}

/// What stands after the last `/`.
pub(super) fn base_name(text: &[u8]) -> &[u8] {
    text.rsplit(|byte| *byte == b'/').next().unwrap_or(text)
}
