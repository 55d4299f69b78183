//! What lints ask of a policy's automaton: which rules decide anything, and requests that show what a rule does.

use hashbrown::HashMap;
use std::cell::OnceCell;

use boesfs_abi::layout::{FIELD_GID, FIELD_KIND, FIELD_UID, NO_RULE, Test};
use boesfs_abi::op::{ArgType, Op, OpSet};
use boesfs_abi::plane::Plane;
use boesfs_abi::request::{ArgValue, Request};
use boesfs_abi::verdict::{Effect, Verdict};
use boesfs_grammar::Span;

use super::reach::Reach;
use crate::automaton::{Cell, Compiled, Decision, Example, Inputs, SetId, Witnesses, decided_ops, domain};
use crate::diagnostic::Diagnostic;
use crate::model::{Compat, Model};
use crate::rules::{RuleSet, Term};
use crate::shown::shown;

/// How many sets of languages and how many classes a rule is tried in.
const TRIED: usize = 4;

/// A policy with its automaton.
pub(super) struct Automaton<'a> {
    pub(super) model: &'a Model,
    pub(super) rules: &'a RuleSet,
    pub(super) compiled: &'a Compiled,
    /// The planes the policy is meant for; none if that was not said.
    pub(super) targets: &'a [Plane],
    pub(super) reach: Reach<'a>,
    /// Which rules decide some request.
    pub(super) decides: Vec<bool>,
    /// Which path languages hold a canonical path.
    pub(super) inhabited: Vec<bool>,
    by_atom: OnceCell<Vec<Vec<u32>>>,
    texts: OnceCell<Vec<Option<Vec<u8>>>>,
    idle: OnceCell<Vec<Idle>>,
}

/// A rule that decides nothing.
#[derive(Clone, Debug)]
pub(super) struct Idle {
    pub(super) rule: usize,
    pub(super) why: Why,
}

/// Why a rule decides nothing.
#[derive(Clone, Debug)]
pub(super) enum Why {
    /// It says what an earlier rule says.
    Repeats(usize),
    /// No request matches it.
    Impossible,
    /// Other rules decide every request that it matches.
    Covered {
        /// Rules that do, as far as was tried; in file order.
        by: Vec<usize>,
        /// A request that it matches.
        request: Request,
        /// The rule that decides the request.
        decider: usize,
    },
}

impl<'a> Automaton<'a> {
    pub(super) fn new(
        model: &'a Model,
        rules: &'a RuleSet,
        compiled: &'a Compiled,
        targets: &'a [Plane],
    ) -> Self {
        let languages = &compiled.languages;
        let inputs = if model.options.compat == Compat::Boesfs { Inputs::Paths } else { Inputs::All };
        let reach = Reach::new(&languages.dfa, languages.sets.len(), inputs);
        let mut inhabited = vec![false; rules.atoms.len()];
        let mut rows = vec![false; compiled.rows.len()];
        let mut row_count = 0;
        for label in reach.labels() {
            for atom in languages.sets.get(SetId(label)) {
                inhabited[*atom as usize] = true;
            }
            let row = compiled.row_of_set[label as usize] as usize;
            row_count += usize::from(!std::mem::replace(&mut rows[row], true));
        }
        let mut cells = vec![false; compiled.cells.len()];
        let mut differing = vec![0usize; compiled.class_count as usize];
        for row in compiled.rows.rows().filter(|row| rows[*row as usize]) {
            for (class, cell) in compiled.rows.differences(row) {
                cells[*cell as usize] = true;
                differing[*class as usize] += 1;
            }
        }
        for class in 0..compiled.class_count {
            if differing[class as usize] < row_count {
                cells[compiled.rows.base(class) as usize] = true;
            }
        }
        let mut decides = vec![false; rules.rules.len()];
        let ops = decided_ops(compiled.shape);
        for (cell, _) in compiled.cells.iter().zip(cells).filter(|(_, reached)| *reached) {
            for rule in deciders(cell, ops) {
                decides[rule] = true;
            }
        }
        Self {
            model,
            rules,
            compiled,
            targets,
            reach,
            decides,
            inhabited,
            by_atom: OnceCell::new(),
            texts: OnceCell::new(),
            idle: OnceCell::new(),
        }
    }

    /// What `request` gets.
    pub(super) fn decide(&self, request: &Request) -> Option<Decision> {
        self.compiled.decide(request)
    }

    /// Whether `class` is allowed `op` on `path` by whatever arguments.
    pub(super) fn allows(&self, class: u32, op: Op, path: &[u8]) -> bool {
        let cell = self.cell(class, path);
        !cell.deny.contains(op) && !cell.depend.contains(op)
    }

    /// What `class` may do at `path`.
    pub(super) fn cell(&self, class: u32, path: &[u8]) -> &'a Cell {
        let paths = &self.compiled.paths;
        self.compiled.cell(paths.label(paths.walk(path)), class)
    }

    /// The rule that decides `op` at `path` for `class`, if it is a rule and one for all arguments.
    pub(super) fn decider(&self, class: u32, op: Op, path: &[u8]) -> Option<usize> {
        let cell = self.cell(class, path);
        let rule = cell.rules[op as usize];
        (!cell.depend.contains(op) && rule != NO_RULE).then_some(rule as usize)
    }

    /// A request by `class`, as people see it.
    pub(super) fn request(&self, class: u32, op: Op, path: &[u8]) -> Option<Request> {
        let (subject, domain) = self.rules.subjects.witnesses.get(class as usize)?;
        let request = match self.model.options.compat {
            Compat::Boesfs => Request::new(subject, path, op).ok()?,
            Compat::CasbinRs | Compat::CasbinGo => Request::of_text(subject, path, op),
        };
        Some(match domain {
            Some(domain) => request.in_domain(domain),
            None => request,
        })
    }

    /// The sets of path languages that some path lies in, by language.
    fn by_atom(&self) -> &[Vec<u32>] {
        self.by_atom.get_or_init(|| {
            let mut by_atom = vec![Vec::new(); self.rules.atoms.len()];
            for label in self.reach.labels() {
                for atom in self.compiled.languages.sets.get(SetId(label)) {
                    by_atom[*atom as usize].push(label);
                }
            }
            by_atom
        })
    }

    /// Some sets of languages whose paths match `term`, at most [`TRIED`].
    fn sets(&self, term: &Term) -> Vec<u32> {
        let sets = &self.compiled.languages.sets;
        let matches = |label: &u32| {
            let set = sets.get(SetId(*label));
            term.paths.iter().all(|test| set.binary_search(&test.atom.0).is_ok() == test.holds)
        };
        let by_atom = self.by_atom();
        let rarest = term
            .paths
            .iter()
            .filter(|test| test.holds)
            .map(|test| &by_atom[test.atom.0 as usize])
            .min_by_key(|labels| labels.len());
        match rarest {
            Some(labels) => labels.iter().copied().filter(matches).take(TRIED).collect(),
            None => self.reach.labels().filter(matches).take(TRIED).collect(),
        }
    }

    /// Paths that match `term`, at most [`TRIED`].
    fn paths(&self, term: &Term) -> Vec<Vec<u8>> {
        self.sets(term).into_iter().map(|label| self.reach.path(label)).collect()
    }

    /// A path that matches `term`, if one does.
    pub(super) fn path(&self, term: &Term) -> Option<Vec<u8>> {
        self.sets(term).first().map(|label| self.reach.path(*label))
    }

    /// Requests that match `rule`, with every argument known where one counts.
    pub(super) fn requests(&self, rule: usize) -> Vec<Request> {
        let mut requests = Vec::new();
        for term in &self.rules.rules[rule].terms {
            for path in self.paths(term) {
                for class in term.classes.iter().take(TRIED) {
                    for op in self.asked(term.ops).iter() {
                        let Some(request) = self.request(class.0, op, &path) else { continue };
                        let depends = self.cell(class.0, &path).depend.contains(op);
                        if depends || !term.tests.is_empty() {
                            let tests: Vec<Test> =
                                term.tests.iter().map(|test| self.compiled.texts.wire(test)).collect();
                            requests.extend(self.with_values(request, &tests));
                        } else {
                            requests.push(request);
                        }
                    }
                }
            }
        }
        requests
    }

    /// The operations of `ops` that are decided in their own name.
    pub(super) fn asked(&self, ops: OpSet) -> OpSet {
        let ops = ops.iter().fold(OpSet::EMPTY, |ops, op| ops.with(op.decided_as()));
        ops.intersection(decided_ops(self.compiled.shape))
    }

    /// `request` with values that pass `tests`, if there are any.
    fn with_values(&self, mut request: Request, tests: &[Test]) -> Option<Request> {
        let op = request.op();
        let classes = &self.compiled.texts.classes;
        let example = |field: u8| {
            let mut set = domain(op, field, classes);
            let mut tested = false;
            for test in tests.iter().filter(|test| test.field == field) {
                set.as_mut()?.restrict(test, classes);
                tested = true;
            }
            Some(if tested { Some(set?.example()?) } else { None })
        };
        if tests.iter().any(|test| domain(op, test.field, classes).is_none()) {
            // A condition on an argument that the operation does not have is false; its opposite holds.
            let misplaced = |test: &&Test| domain(op, test.field, classes).is_none();
            if tests.iter().filter(misplaced).any(|test| test.holds == 1) {
                return None;
            }
        }
        let mut args = Vec::new();
        for (place, spec) in (0u8..).zip(op.spec().args) {
            let value = match example(place)? {
                Some(Example::Number(number)) => ArgValue::Number(number),
                Some(Example::Text(class)) => ArgValue::Bytes(self.text(class)?),
                Some(Example::Absent) => ArgValue::Absent,
                Some(Example::Kind(_)) => return None,
                None => match spec.ty {
                    ArgType::Unsigned | ArgType::Signed => ArgValue::Number(0),
                    ArgType::Path => ArgValue::Bytes(b"/".to_vec()),
                    ArgType::Text => ArgValue::Bytes(b"x".to_vec()),
                },
            };
            args.push(value);
        }
        let id = |field| match example(field) {
            Some(Some(Example::Number(number))) => u32::try_from(number).ok().map(Some),
            Some(_) => Some(Some(1000)),
            None => None,
        };
        request.uid = id(FIELD_UID)?;
        request.gid = id(FIELD_GID)?;
        request.kind = match example(FIELD_KIND)? {
            Some(Example::Kind(kind)) => Some(kind),
            _ => Some(boesfs_abi::request::Kind::File),
        };
        request.with_args(args).ok()
    }

    /// A text of an argument's class.
    fn text(&self, class: u32) -> Option<Vec<u8>> {
        let texts = self.texts.get_or_init(|| {
            let mut texts = vec![None; self.compiled.texts.classes.count as usize];
            let Some(dfa) = &self.compiled.texts.dfa else { return texts };
            for inputs in [Inputs::Paths, Inputs::All] {
                let witnesses = Witnesses::explore(dfa, inputs);
                for (state, number) in witnesses.states() {
                    texts[dfa.label(state) as usize].get_or_insert_with(|| witnesses.input(number));
                }
            }
            texts
        });
        texts.get(class as usize)?.clone()
    }

    /// Rules that the effect looks at and that decide nothing.
    pub(super) fn idle(&self) -> &[Idle] {
        self.idle.get_or_init(|| self.find_idle())
    }

    fn find_idle(&self) -> Vec<Idle> {
        let mut idle = Vec::new();
        if self.decides.iter().all(|decides| *decides) {
            return idle;
        }
        let model = self.model;
        let suspects: Vec<usize> = (0..model.rules.len())
            .filter(|rule| !self.decides[*rule])
            .filter(|rule| !model.rules[*rule].inert && model.effect.base.looks_at(model.rules[*rule].eft))
            .collect();
        if suspects.is_empty() {
            return idle;
        }
        type Said<'r> = (Vec<&'r [u8]>, Effect, Option<bool>, Option<i64>);
        let said = |rule: usize| -> Said<'_> {
            let rule = &model.rules[rule];
            let scope = rule.scope.map(|scope| scope == crate::model::Scope::File);
            (rule.fields.iter().map(|field| field.text.as_slice()).collect(), rule.eft, scope, rule.priority)
        };
        let mut first: HashMap<Said<'_>, usize> = HashMap::new();
        for rule in 0..model.rules.len() {
            first.entry(said(rule)).or_insert(rule);
        }
        // The automaton knows operations only.
        let words: Vec<Span> =
            model.words().iter().filter(|word| word.code == "E0318").map(Diagnostic::span).collect();
        let holds_words = |all: Span| {
            let next = words.partition_point(|word| (word.file, word.start) < (all.file, all.start));
            words.get(next).is_some_and(|word| word.file == all.file && word.end <= all.end)
        };
        let in_matcher = holds_words(model.matcher.span);
        for rule in suspects {
            let before = first.get(&said(rule)).copied().filter(|before| *before != rule);
            let why = match before {
                Some(before) => Some(Why::Repeats(before)),
                None if in_matcher || holds_words(model.rules[rule].span) => None,
                None => self.why(rule),
            };
            idle.extend(why.map(|why| Idle { rule, why }));
        }
        idle
    }

    /// Why `rule` decides nothing; `None` if it only makes an entry, under `nearest`.
    fn why(&self, rule: usize) -> Option<Why> {
        let terms = &self.rules.rules[rule].terms;
        if self.model.effect.nearest && (terms.is_empty() || terms.iter().any(|term| term.ops.is_empty())) {
            return None;
        }
        let mut by = Vec::new();
        let mut shown = None;
        let requests = self.requests(rule);
        if requests.is_empty() {
            return (!self.model.effect.nearest).then_some(Why::Impossible);
        }
        for request in requests {
            // The default decides where, under `nearest`, a nearer entry stands.
            let decider = self.decide(&request)?.rule?.0 as usize;
            if !by.contains(&decider) {
                by.push(decider);
            }
            shown.get_or_insert((request, decider));
        }
        by.sort_unstable();
        let (request, decider) = shown?;
        Some(Why::Covered { by, request, decider })
    }

    /// Whether a rule of another effect decides what `rule` says.
    pub(super) fn is_contradicted(&self, rule: usize, by: &[usize]) -> bool {
        by.iter().any(|other| self.model.rules[*other].eft != self.model.rules[rule].eft)
    }

    /// What a request comes to, for people.
    pub(super) fn verdict(&self, request: &Request) -> &'static str {
        match self.decide(request).map(|decision| decision.verdict) {
            Some(Verdict::Allow) => "allowed",
            Some(Verdict::Deny) | None => "denied",
        }
    }
}

/// The rules that decide some request for one of `ops` in `cell`.
pub(super) fn deciders(cell: &Cell, ops: OpSet) -> impl Iterator<Item = usize> + '_ {
    let always = ops.difference(cell.depend).iter().map(|op| cell.rules[op as usize]);
    let lines = cell.denies.iter().chain(&cell.allows);
    let sometimes =
        lines.filter(move |line| !line.ops.intersection(ops).is_empty()).map(|line| line.outcome.rule);
    always.chain(sometimes).filter(|rule| *rule != NO_RULE).map(|rule| rule as usize)
}

/// `request` for people.
pub(super) fn spelt(request: &Request) -> String {
    let mut text = format!("`{}` of `{}` by `{}`", request.op(), shown(request.obj()), shown(request.sub()));
    let values: Vec<String> = request
        .args()
        .iter()
        .zip(request.op().spec().args)
        .map(|(value, spec)| match (value, spec.ty) {
            (ArgValue::Number(number), ArgType::Signed) => number.cast_signed().to_string(),
            (ArgValue::Number(number), _) => number.to_string(),
            (ArgValue::Bytes(bytes), _) => shown(bytes),
            (ArgValue::Absent, _) => "absent".to_owned(),
            (ArgValue::Unknown, _) => "?".to_owned(),
        })
        .collect();
    if values.iter().any(|value| value != "?") {
        text.push_str(&format!(" with `({})`", values.join(", ")));
    }
    for (name, value) in [("uid", request.uid), ("gid", request.gid)] {
        if let Some(value) = value {
            text.push_str(&format!(", {name} {value}"));
        }
    }
    if let Some(kind) = request.kind {
        text.push_str(&format!(", kind `{}`", kind.name()));
    }
    if let Some(dom) = request.dom() {
        text.push_str(&format!(", domain `{}`", shown(dom)));
    }
    text
}
