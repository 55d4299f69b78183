//! Translation validation: the image, read back from its bytes, answers as the rules do.
//!
//! Asked are a shortest canonical path to every state of the image's automaton together with every combination of path
//! languages that occurs there (so that a state which should be two is found), and the rules' own literal paths; for
//! each every subject class and every operation, and where fields of the request matter, values on both sides of every
//! test. The image and the reference evaluator must give the same verdict, rule, error and event. This stage trusts
//! the decoder and the reference; of what compiled the policy it uses the languages' automaton, to find paths.

mod sample;
mod who;

use std::collections::{BTreeSet, HashSet};
use std::fmt;

use boesfs_abi::decide::Fields;
use boesfs_abi::image::{State, ValidImage};
use boesfs_abi::op::{OPS, Op, OpSet};
use boesfs_abi::request::{ArgValue, Request};
use boesfs_abi::verdict::{Audit, Errno, Reason, Verdict};

use crate::automaton::{Dfa, Inputs, Labelled, StateId, Walk, Witnesses};
use crate::model::Model;
use crate::reference::{self, Index, Reference};

pub(crate) use sample::Samples;
use who::Who;
pub(crate) use who::everybody;

/// How much may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    /// Rules that may be asked: each question to the reference evaluator asks those that can match its path. If all
    /// questions would ask more, places and classes are sampled: one half goes to one place of each row and each
    /// combination of languages, the rest to the other places, both at equal distances.
    pub rules: u64,
}

impl Default for Effort {
    fn default() -> Self {
        Self { rules: 3_000_000 }
    }
}

impl Effort {
    /// Everything is asked, however long it takes.
    pub const ALL: Self = Self { rules: u64::MAX };
}

/// What was asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Pairs of a state of the image and a state of the languages' automaton that one canonical path leads to, and
    /// literal paths beside these.
    pub places: usize,
    /// How many of them were asked about, for some class at least.
    pub places_asked: usize,
    /// Questions to the reference evaluator.
    pub questions: u64,
    /// Rules asked in these.
    pub rules: u64,
    /// Whether all there is was asked.
    pub complete: bool,
}

/// What a request gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Allow or deny.
    pub verdict: Verdict,
    /// The deciding rule, unless a default decided or the image is stripped.
    pub rule: Option<usize>,
    /// The error of a denial.
    pub errno: Errno,
    /// Whether it is reported.
    pub report: bool,
    /// Denied only because of what is not known of the request.
    pub unknown: bool,
}

/// A request to which image and rules give different answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The request.
    pub request: Request,
    /// What the rules say.
    pub rules: Answer,
    /// What the image says.
    pub image: Answer,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.verdict)?;
        if self.verdict == Verdict::Deny {
            write!(f, " with {}", self.errno.name())?;
        }
        match self.rule {
            Some(rule) => write!(f, " by rule {}", rule + 1)?,
            None => f.write_str(" by default")?,
        }
        if self.unknown {
            f.write_str(" for some value of what is unknown")?;
        }
        f.write_str(if self.report { ", reported" } else { ", not reported" })
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let request = &self.request;
        let (sub, obj) = (request.sub().escape_ascii(), request.obj().escape_ascii());
        write!(f, "`{}` by `{sub}` on `{obj}`", request.op())?;
        for (spec, value) in request.op().spec().args.iter().zip(request.args()) {
            match value {
                ArgValue::Unknown => {}
                ArgValue::Absent => write!(f, ", no {}", spec.name)?,
                ArgValue::Number(number) => write!(f, ", {} {number}", spec.name)?,
                ArgValue::Bytes(bytes) => write!(f, ", {} `{}`", spec.name, bytes.escape_ascii())?,
            }
        }
        for (name, value) in [("uid", request.uid), ("gid", request.gid)] {
            if let Some(value) = value {
                write!(f, ", {name} {value}")?;
            }
        }
        if let Some(kind) = request.kind {
            write!(f, ", kind {}", kind.name())?;
        }
        if let Some(dom) = request.dom() {
            write!(f, ", in domain `{}`", dom.escape_ascii())?;
        }
        write!(f, ": the rules say {}, the image says {}", self.rules, self.image)
    }
}

impl std::error::Error for Mismatch {}

/// Asks `image` and the rules of `model` the same questions. `languages` is the automaton of the rules' path languages
/// ([`crate::automaton::Compiled::languages`]).
///
/// # Errors
/// The first [`Mismatch`].
pub fn validate(
    image: &ValidImage,
    model: &Model,
    languages: &Labelled,
    effort: Effort,
) -> Result<Report, Box<Mismatch>> {
    Validation {
        image,
        model,
        languages: &languages.dfa,
        reference: Reference::new(model),
        index: Index::new(model),
        who: everybody(image),
        samples: Samples::new(image),
        report: Report { complete: true, ..Report::default() },
        effort,
    }
    .run()
}

/// How the path of a place is known.
enum Place {
    Witness(usize),
    Literal(Vec<u8>),
}

struct Validation<'a> {
    image: &'a ValidImage,
    model: &'a Model,
    languages: &'a Dfa,
    reference: Reference<'a>,
    index: Index,
    who: Vec<Who>,
    samples: Samples<'a>,
    report: Report,
    effort: Effort,
}

/// The automaton of an image from one of its starts.
pub(crate) struct ImageWalk<'a> {
    pub(crate) image: &'a ValidImage,
    pub(crate) start: State,
}

impl Walk for ImageWalk<'_> {
    type State = State;

    fn start(&self) -> State {
        self.start
    }

    fn listed(&self, state: State, bytes: &mut Vec<u8>) {
        bytes.extend(self.image.edges(state).0.into_iter().map(|(byte, _)| byte));
    }

    fn step(&self, state: State, byte: u8) -> State {
        self.image.step(state, byte)
    }
}

/// The languages' automaton and the image's side by side.
struct Both<'a> {
    languages: &'a Dfa,
    image: ImageWalk<'a>,
}

impl Walk for Both<'_> {
    type State = (StateId, State);

    fn start(&self) -> Self::State {
        (self.languages.start(), self.image.start)
    }

    fn listed(&self, (language, state): Self::State, bytes: &mut Vec<u8>) {
        bytes.extend(self.languages.edges(language).map(|edge| edge.byte));
        self.image.listed(state, bytes);
        bytes.sort_unstable();
        bytes.dedup();
    }

    fn step(&self, (language, state): Self::State, byte: u8) -> Self::State {
        (self.languages.next(language, byte), self.image.step(state, byte))
    }
}

impl Validation<'_> {
    fn run(mut self) -> Result<Report, Box<Mismatch>> {
        let start = self.image.path_start();
        let both = Both { languages: self.languages, image: ImageWalk { image: self.image, start } };
        let witnesses = Witnesses::explore(&both, Inputs::Paths);

        let mut combinations = HashSet::new();
        let (mut first, mut rest) = (Vec::new(), Vec::new());
        let mut seen: HashSet<Vec<u8>> = HashSet::new();
        for ((language, state), number) in witnesses.states() {
            let path = witnesses.input(number);
            let rules = self.index.rules_at(&path);
            let new = combinations.insert((self.languages.label(language), self.image.label(state)));
            let list = if new { &mut first } else { &mut rest };
            list.push((state, Place::Witness(number), rules.len() as u64));
            if !rules.is_empty() {
                seen.insert(path);
            }
        }
        for path in self.index.paths() {
            if !seen.contains(&path) {
                let state = self.image.walk(start, &path);
                let rules = self.index.rules_at(&path).len() as u64;
                rest.push((state, Place::Literal(path), rules));
            }
        }
        drop(seen);
        self.report.places = first.len() + rest.len();
        let path_of = |place| match place {
            Place::Witness(number) => witnesses.input(number),
            Place::Literal(path) => path,
        };
        let classes = self.who.iter().filter(|who| who.first).count() as u64;
        // One place of each combination is asked for everybody, or at least once for each cell.
        let half = self.effort.rules / 2;
        let stride = self.stride(&first, 1, half);
        for (state, place, _) in first.into_iter().step_by(stride) {
            let path = path_of(place);
            let rules = self.index.rules_at(&path);
            let mut cells = BTreeSet::new();
            self.report.places_asked += 1;
            for who in 0..self.who.len() {
                let cell = self.image.cell_at(state, self.who[who].class).map(|(cell, _)| cell);
                let new = cells.insert(cell);
                if new || self.report.rules < half {
                    self.ask(state, &path, &rules, who)?;
                } else {
                    self.report.complete = false;
                }
            }
        }
        // All others are asked for one member of each class.
        let stride = self.stride(&rest, classes, self.effort.rules.saturating_sub(self.report.rules));
        for (state, place, _) in rest.into_iter().step_by(stride) {
            let path = path_of(place);
            let rules = self.index.rules_at(&path);
            self.report.places_asked += 1;
            for who in 0..self.who.len() {
                if self.who[who].first {
                    self.ask(state, &path, &rules, who)?;
                }
            }
        }
        Ok(self.report)
    }

    /// Every how many of `places` can be asked by `classes` subjects for `left` rules.
    fn stride(&mut self, places: &[(State, Place, u64)], classes: u64, left: u64) -> usize {
        let rules: u64 = places.iter().map(|(_, _, rules)| rules).sum();
        let needed = rules.saturating_mul(classes * OPS.len() as u64);
        let stride = needed.div_ceil(left.max(1)).max(1);
        self.report.complete &= stride == 1;
        usize::try_from(stride).unwrap_or(usize::MAX)
    }

    /// Asks every operation of one subject on one path, which `rules` are all that can match.
    fn ask(&mut self, state: State, path: &[u8], rules: &[usize], who: usize) -> Result<(), Box<Mismatch>> {
        let Who { subject, domain, class, .. } = self.who[who].clone();
        for op in OPS.iter().map(|spec| spec.op) {
            let mut request =
                Request::new(&subject, path, op).expect("INVARIANT: witnesses are canonical paths");
            if let Some(domain) = &domain {
                request = request.in_domain(domain);
            }
            self.compare(&request, state, rules)?;
            let (asked, keeps_args) = self.image.asked_as(op);
            let Some((number, cell)) = self.image.cell_at(state, class) else { continue };
            if OpSet::from_bits(cell.depend).contains(asked) {
                let points = self.samples.of(number, &cell, asked);
                for point in points.iter() {
                    let mut request = request.clone();
                    (request.uid, request.gid, request.kind) = (point.uid, point.gid, point.kind);
                    if keeps_args {
                        request = request.with_args(point.args.clone()).expect("INVARIANT: values are typed");
                    }
                    self.compare(&request, state, rules)?;
                }
            }
        }
        Ok(())
    }

    fn compare(&mut self, request: &Request, state: State, rules: &[usize]) -> Result<(), Box<Mismatch>> {
        let wanted = if rules.is_empty() {
            // No rule can match, whatever else the request holds.
            let verdict = self.model.effect.base.default_verdict();
            reference::Decision { verdict, rule: None, unknown: false }
        } else {
            self.report.questions += 1;
            self.report.rules += rules.len() as u64;
            self.reference.decide_by(request, rules.iter().copied())
        };
        let fields = Fields { uid: request.uid, gid: request.gid, kind: request.kind, ..Fields::UNKNOWN }
            .with_args(self.image, request.args());
        let class = self.image.class_of(request.sub(), request.dom());
        let have = self.image.decide(state, class, request.op(), &fields);

        let expected = self.answer(&wanted, request.op());
        let denied = have.verdict == Verdict::Deny;
        let rule = have.at.and_then(|at| self.image.rule_index(at)).map(|rule| rule as usize);
        let answer = Answer {
            verdict: have.verdict,
            rule: if self.image.debug().is_some() { rule } else { expected.rule },
            errno: if denied { have.errno } else { Errno::default() },
            report: have.report,
            // The image gives this reason also where no value is allowed.
            unknown: have.reason == Reason::UnknownArgs && wanted.unknown,
        };
        if answer != expected {
            return Err(Box::new(Mismatch { request: request.clone(), rules: expected, image: answer }));
        }
        Ok(())
    }

    /// What the reference's decision comes to, with the rule's annotations.
    fn answer(&self, decision: &reference::Decision, op: Op) -> Answer {
        let annotations = decision.rule.map(|rule| &self.model.rules[rule].annotations);
        let denied = decision.verdict == Verdict::Deny;
        let default = if op.decided_as() == Op::Lookup { Errno::Noent } else { Errno::Acces };
        let errno = annotations.and_then(|annotations| annotations.errno).unwrap_or(default);
        Answer {
            verdict: decision.verdict,
            rule: decision.rule,
            errno: if denied { errno } else { Errno::default() },
            report: match annotations.map_or(Audit::Deny, |annotations| annotations.audit) {
                Audit::Deny => denied,
                Audit::Always => true,
                Audit::Never => false,
            },
            unknown: decision.unknown,
        }
    }
}
