//! Subjects and domains: the finitely many a policy tells apart, and roles closed over them.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use hashbrown::HashMap;

use crate::model::{Model, Shape};
use crate::rules::{ClassId, SubjectLiteral, Subjects};

use super::mentions::Mentions;

/// A set of (group, domain) cells.
pub(super) type Cells = Rc<Vec<u64>>;

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
    domains: Vec<Vec<u8>>,
    roles: BTreeSet<&'m [u8]>,
    graph: Option<usize>,
    column: Option<usize>,
    domain_column: Option<usize>,
    edges: Vec<Vec<Edge>>,
    by_member: Vec<HashMap<NodeKey, Vec<usize>>>,
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
            domains: mentions.domains.iter().map(|domain| domain.to_vec()).collect(),
            roles,
            graph: mentions.of_programs.first().copied(),
            column: mentions.column,
            domain_column: mentions.domain_column,
            edges: Vec::new(),
            by_member: Vec::new(),
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
        for edges in &table.edges {
            let mut by_member: HashMap<NodeKey, Vec<usize>> = HashMap::default();
            for (number, edge) in edges.iter().enumerate() {
                by_member.entry(edge.member.clone()).or_default().push(number);
            }
            table.by_member.push(by_member);
        }
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
            return self.cells(|_, _| false);
        }
        let id = self.id(&self.literal(text));
        let cells = self.cells(|(path, name), _| id.is_some() && (path == id || name == id));
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
        let place = self.domains.iter().position(|domain| domain == text).map(|place| place + 1);
        let cells = self.cells(|_, domain| Some(domain) == place);
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
        let mut by_domain: Vec<BTreeSet<u32>> = Vec::new();
        for place in 0..=self.domains.len() {
            let here = self.domain_at(domain, place);
            if place > 0 && *domain != DomainOf::Request {
                by_domain.push(by_domain[0].clone());
                continue;
            }
            let nodes = self.reachable(graph, text, here.as_deref(), direction);
            let programs = nodes.iter().filter(|(role, _)| !role);
            by_domain.push(programs.filter_map(|(_, text)| self.id(&self.literal(text))).collect());
        }
        let cells = self.cells(|(path, name), domain| {
            [path, name].into_iter().flatten().any(|literal| by_domain[domain].contains(&literal))
        });
        self.keep(target, text, &cells);
        cells
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
        self.cells(|_, domain| domain == place)
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
        let mut neighbours: HashMap<&NodeKey, Vec<&NodeKey>> = HashMap::default();
        for edge in &self.edges[graph] {
            if self.model.roles[graph].has_domain
                && (edge.domain.is_none() || edge.domain.as_deref() != domain)
            {
                continue;
            }
            let (from, to) = match direction {
                Direction::Up => (&edge.member, &edge.role),
                Direction::Down => (&edge.role, &edge.member),
            };
            neighbours.entry(from).or_default().push(to);
        }
        let mut seen = BTreeSet::from([self.key(text)]);
        let mut open: Vec<NodeKey> = seen.iter().cloned().collect();
        while let Some(node) = open.pop() {
            for next in neighbours.get(&node).into_iter().flatten() {
                if seen.insert((*next).clone()) {
                    open.push((*next).clone());
                }
            }
        }
        seen
    }

    pub(super) fn every_cell(&self) -> Cells {
        self.cells(|_, _| true)
    }

    pub(super) fn complement(&self, cells: &Cells) -> Cells {
        let every = self.every_cell();
        Rc::new(every.iter().zip(cells.iter()).map(|(every, cells)| every & !cells).collect())
    }

    fn cells(&self, holds: impl Fn((Option<u32>, Option<u32>), usize) -> bool) -> Cells {
        let domains = self.domain_count();
        let mut words = vec![0; (self.groups.len() * domains).div_ceil(64)];
        for (group, literals) in self.groups.iter().enumerate() {
            for domain in (0..domains).filter(|domain| holds(*literals, *domain)) {
                let cell = group * domains + domain;
                words[cell / 64] |= 1_u64 << (cell % 64);
            }
        }
        Rc::new(words)
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
        let mut class: Vec<u32> = vec![0; count];
        let mut next = renumber(&mut class, |cell| u64::try_from(tags[cell % domains]).unwrap_or(u64::MAX));
        for set in sets {
            if usize::try_from(next).unwrap_or(usize::MAX) == count {
                break;
            }
            next = renumber(&mut class, |cell| set[cell / 64] >> (cell % 64) & 1);
        }
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

/// Splits classes by `tag`, numbers them by their first cell, and returns how many there are.
fn renumber(class: &mut [u32], tag: impl Fn(usize) -> u64) -> u32 {
    let mut ids: HashMap<(u32, u64), u32> = HashMap::default();
    let mut next = 0;
    for (cell, class) in class.iter_mut().enumerate() {
        *class = *ids.entry((*class, tag(cell))).or_insert_with(|| {
            next += 1;
            next - 1
        });
    }
    next
}

/// What stands after the last `/`.
pub(super) fn base_name(text: &[u8]) -> &[u8] {
    text.rsplit(|byte| *byte == b'/').next().unwrap_or(text)
}
