//! Translation validation: the image, read back from its bytes, answers as the rules do.
//!
//! Asked are a shortest canonical path to every state of the image's automaton together with every combination of path
//! languages that occurs there (so that a state which should be two is found), and the rules' own literal paths; for
//! each every subject class and every operation, and where fields of the request matter, values on both sides of every
//! test. The image and the reference evaluator must give the same verdict, rule, error and event. This stage trusts
//! the decoder and the reference; of what compiled the policy it uses the languages' automaton, to find paths.

mod sample;
mod sights;
mod spread;
mod walks;
mod who;

use std::borrow::Cow;
use std::collections::{BTreeSet, HashSet};
use std::fmt;

use boesfs_abi::decide::Fields;
use boesfs_abi::image::{ClassId, Named, State, ValidImage};
use boesfs_abi::op::{OPS, Op, OpSet};
use boesfs_abi::request::{ArgValue, Request};
use boesfs_abi::verdict::{Audit, Errno, Reason, Verdict};

use crate::automaton::{Dfa, Inputs, Labelled, Witnesses};
use crate::jobs::in_chunks;
use crate::model::Model;
use crate::reference::{self, Alike, Index, Reference};

pub(crate) use sample::Samples;
use sights::Sights;
use spread::spread;
use walks::{Both, Spot};
pub(crate) use walks::{ImageWalk, NamedWalk};
use who::Who;
pub(crate) use who::everybody;

/// How much may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    /// Rules that may be asked if that is all there is to ask: each question to the reference evaluator asks those that
    /// can match its path.
    pub complete: u64,
    /// Rules that may be asked otherwise: then places and classes are sampled. One half goes to one place of each row
    /// and each combination of languages, the rest to the other places, both at equal distances.
    pub sampled: u64,
    /// States of the languages' automaton up to which each is looked at. Of a larger one a sample of nodes is asked
    /// about, and of the rules' literal paths.
    pub states: usize,
    /// Rules that may be looked at to find which places are alike: patterns of which any might match anywhere are all
    /// looked at in every place. Of what needs more a sample is asked about, as of a larger automaton.
    pub looks: u64,
}

impl Default for Effort {
    fn default() -> Self {
        Self { complete: 12_000_000, sampled: 3_000_000, states: 4_000_000, looks: 40_000_000 }
    }
}

impl Effort {
    /// Everything is asked, however long it takes.
    pub const ALL: Self = Self { complete: u64::MAX, sampled: u64::MAX, states: usize::MAX, looks: u64::MAX };
}

/// What was asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Combinations of states of the image's automata and a state of the languages' automaton that one canonical path
    /// leads to, and literal paths beside these; states of the languages' automaton, where it is too large to look at
    /// each.
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
    Prepared::new(model).validate(image, languages, effort)
}

/// What validation has to know of the rules, which it can be told before there is an image.
#[derive(Debug)]
pub struct Prepared<'m> {
    model: &'m Model,
    index: Index<'m>,
    asked: Asking<'m>,
}

/// The rules, ready to be asked.
#[derive(Debug)]
enum Asking<'m> {
    /// Also whether they see two paths alike.
    Alike(Alike<'m>),
    /// For themselves.
    Alone(Reference<'m>),
}

impl<'m> Prepared<'m> {
    /// What has to be known of `model`.
    #[must_use]
    pub fn new(model: &'m Model) -> Self {
        let index = Index::new(model);
        let asked = Alike::new(model).map_or_else(|| Asking::Alone(Reference::new(model)), Asking::Alike);
        Self { model, index, asked }
    }

    /// As [`validate`].
    ///
    /// # Errors
    /// The first [`Mismatch`].
    pub fn validate(
        &self,
        image: &ValidImage,
        languages: &Labelled,
        effort: Effort,
    ) -> Result<Report, Box<Mismatch>> {
        let Self { model, index, asked } = self;
        let who = everybody(image);
        let (alike, reference) = match asked {
            Asking::Alike(alike) => (Some(alike), alike.reference()),
            Asking::Alone(reference) => (None, reference),
        };
        let shared = Shared { image, named: image.named(), model, index, alike, reference, who: &who };
        shared.run(&languages.dfa, effort)
    }
}

/// A path to ask about, and the state it leads to.
struct Place {
    state: State,
    path: PlacePath,
    /// How many rules can match there.
    rules: u64,
}

/// Where a path leads: the state that decides, and the row that names rules.
#[derive(Clone, Copy)]
struct Reached {
    state: State,
    row: u32,
}

/// How the path of a place is known.
enum PlacePath {
    Witness(usize),
    Literal(Vec<u8>),
}

/// Who is asked at a place.
#[derive(Clone, Copy)]
enum Asked {
    /// Every subject there is.
    Everybody,
    /// One subject for each cell.
    EachCell,
    /// One subject of each class.
    EachClass,
}

/// What all questions share.
#[derive(Clone, Copy)]
struct Shared<'a> {
    image: &'a ValidImage,
    named: Named<'a>,
    model: &'a Model,
    index: &'a Index<'a>,
    alike: Option<&'a Alike<'a>>,
    reference: &'a Reference<'a>,
    who: &'a [Who],
}

/// One thread's questions.
struct Validation<'a> {
    shared: Shared<'a>,
    samples: Samples<'a>,
    report: Report,
}

impl<'a> Shared<'a> {
    /// Asks about a sample, without looking at every state.
    fn run_sampled(self, languages: &Dfa, effort: Effort) -> Result<Report, Box<Mismatch>> {
        let start = self.image.path_start();
        let classes = self.who.iter().filter(|who| who.first).count() as u64;
        let each = (OPS.len() as u64).saturating_mul(classes).max(1);
        let count = usize::try_from(effort.sampled / each / 2).unwrap_or(usize::MAX);
        let place = |path: Vec<u8>| Place {
            state: self.image.walk(start, &path),
            rules: self.index.rules_at(&path).len() as u64,
            path: PlacePath::Literal(path),
        };
        let literals = self.index.paths();
        let stride = literals.len().div_ceil(count.max(1)).max(1);
        let literals = literals.into_iter().step_by(stride).map(|path| place(path.into_owned())).collect();
        let literals = sampled(literals, classes, effort.sampled / 2);
        let nodes =
            sampled(spread(languages, count).into_iter().map(place).collect(), classes, effort.sampled / 2);
        let mut report = Report { places: languages.state_count(), ..Report::default() };
        let none = Witnesses::none();
        report.add(self.ask_all(&literals, Asked::EachClass, &none)?);
        report.add(self.ask_all(&nodes, Asked::EachClass, &none)?);
        Ok(report)
    }

    /// How many rules are looked at to tell what is seen at all `spots`, from what it is at some of them.
    fn looks(self, spots: &[(Spot, usize)], witnesses: &Witnesses<Spot>) -> u64 {
        const TRIED: usize = 1000;
        let stride = spots.len().div_ceil(TRIED).max(1);
        let tried = spots.iter().step_by(stride);
        let looks: usize =
            tried.map(|(_, number)| self.index.rules_at(&witnesses.input(*number)).len()).sum();
        (looks as u64).saturating_mul(stride as u64)
    }

    fn run(self, languages: &Dfa, effort: Effort) -> Result<Report, Box<Mismatch>> {
        if languages.state_count() > effort.states {
            return self.run_sampled(languages, effort);
        }
        let start = self.image.path_start();
        let named = self.named;
        let both = Both { languages, image: ImageWalk { image: self.image, start }, named: NamedWalk(named) };
        let witnesses = Witnesses::explore(&both, Inputs::Paths);

        let mut combinations = HashSet::new();
        let (mut first, mut rest) = (Vec::new(), Vec::new());
        let mut report = Report { complete: true, ..Report::default() };
        let sights = Sights::new(self);
        let mut met = hashbrown::HashSet::new();
        let spots: Vec<(Spot, usize)> = witnesses.states().collect();
        if self.looks(&spots, &witnesses) > effort.looks {
            return self.run_sampled(languages, effort);
        }
        let new = sights.new_among(&spots, &mut met, |(spot, number)| {
            let at = Reached { state: spot.state, row: named.label(spot.named) };
            (at, Cow::Owned(witnesses.input(*number)))
        });
        report.places = spots.len();
        report.places_asked = spots.len() - new.len();
        for (place, rules) in new {
            let (Spot { language, state, named: of_rules }, number) = spots[place];
            let combination = (languages.label(language), self.image.label(state), named.label(of_rules));
            let list = if combinations.insert(combination) { &mut first } else { &mut rest };
            list.push(Place { state, path: PlacePath::Witness(number), rules });
        }
        drop(spots);
        let mut literals = self.index.paths();
        let new = sights.new_among(&literals, &mut met, |path| {
            let state = self.image.walk(start, path);
            let row = named.label(named.walk(named.start(), path));
            (Reached { state, row }, Cow::Borrowed(path))
        });
        report.places += literals.len();
        report.places_asked += literals.len() - new.len();
        rest.extend(new.into_iter().map(|(place, rules)| {
            let path = std::mem::take(&mut literals[place]).into_owned();
            Place { state: self.image.walk(start, &path), path: PlacePath::Literal(path), rules }
        }));
        drop((met, literals));
        let classes = self.who.iter().filter(|who| who.first).count() as u64;
        let everybody = self.who.len() as u64;
        let asked = if needed(&first, everybody).saturating_add(needed(&rest, classes)) <= effort.complete {
            Asked::Everybody
        } else {
            // One place of each combination is asked at least once for each cell.
            report.complete = false;
            first = sampled(first, 1, effort.sampled / 2);
            let left = effort.sampled.saturating_sub(needed(&first, 1));
            rest = sampled(rest, classes, left);
            Asked::EachCell
        };
        let witnesses = &witnesses;
        report.add(self.ask_all(&first, asked, witnesses)?);
        report.add(self.ask_all(&rest, Asked::EachClass, witnesses)?);
        Ok(report)
    }

    /// Asks about `places` on as many threads as there are to use. The first difference in their order is the answer, so
    /// that it depends on nothing else.
    fn ask_all(
        self,
        places: &[Place],
        asked: Asked,
        witnesses: &Witnesses<Spot>,
    ) -> Result<Report, Box<Mismatch>> {
        // A thread makes its own tables, which small policies are not worth.
        let chunks = in_chunks(places, SMALL, |places| {
            let samples = Samples::new(self.image);
            let mut validation = Validation { shared: self, samples, report: Report::default() };
            places.iter().try_for_each(|place| validation.ask_at(place, asked, witnesses))?;
            Ok(validation.report)
        });
        chunks.into_iter().try_fold(Report::default(), |mut report, chunk: Result<Report, Box<Mismatch>>| {
            report.add(chunk?);
            Ok(report)
        })
    }
}

/// Places that one thread asks about sooner than two.
const SMALL: usize = 1_000;

/// How many rules are asked if `subjects` are asked about every operation at `places`.
fn needed(places: &[Place], subjects: u64) -> u64 {
    let rules: u64 = places.iter().map(|place| place.rules).sum();
    rules.saturating_mul(subjects).saturating_mul(OPS.len() as u64)
}

/// As many of `places`, at equal distances, as `subjects` can be asked about for `left` rules.
fn sampled(places: Vec<Place>, subjects: u64, left: u64) -> Vec<Place> {
    let stride = needed(&places, subjects).div_ceil(left.max(1)).max(1);
    places.into_iter().step_by(usize::try_from(stride).unwrap_or(usize::MAX)).collect()
}

impl Report {
    fn add(&mut self, other: Self) {
        self.places_asked += other.places_asked;
        self.questions += other.questions;
        self.rules += other.rules;
    }
}

impl Validation<'_> {
    fn ask_at(
        &mut self,
        place: &Place,
        asked: Asked,
        witnesses: &Witnesses<Spot>,
    ) -> Result<(), Box<Mismatch>> {
        let witness;
        let path: &[u8] = match &place.path {
            PlacePath::Witness(number) => {
                witness = witnesses.input(*number);
                &witness
            }
            PlacePath::Literal(path) => path,
        };
        let shared = self.shared;
        let rules = shared.index.rules_at(path);
        let named = shared.named;
        let at = Reached { state: place.state, row: named.label(named.walk(named.start(), path)) };
        let mut cells = BTreeSet::new();
        self.report.places_asked += 1;
        for (number, who) in shared.who.iter().enumerate() {
            let ask = match asked {
                Asked::Everybody => true,
                Asked::EachClass => who.first,
                Asked::EachCell => {
                    cells.insert(shared.image.cell_at(place.state, who.class).map(|(cell, _)| cell))
                }
            };
            if ask {
                self.ask(at, path, &rules, number)?;
            }
        }
        Ok(())
    }

    /// Asks every operation of one subject on one path, which `rules` are all that can match.
    fn ask(&mut self, place: Reached, path: &[u8], rules: &[usize], who: usize) -> Result<(), Box<Mismatch>> {
        let Who { subject, domain, class, .. } = &self.shared.who[who];
        let mut asking =
            Request::new(subject, path, Op::Open).expect("INVARIANT: witnesses are canonical paths");
        if let Some(domain) = domain {
            asking = asking.in_domain(domain);
        }
        for op in OPS.iter().map(|spec| spec.op) {
            asking = asking.about(op);
            self.compare(&asking, *class, place, rules)?;
            let (asked, keeps_args) = self.shared.image.asked_as(op);
            let Some((number, cell)) = self.shared.image.cell_at(place.state, *class) else { continue };
            if OpSet::from_bits(cell.depend).contains(asked) {
                let points = self.samples.of(number, &cell, asked);
                for point in points.iter() {
                    let mut request = asking.clone();
                    (request.uid, request.gid, request.kind) = (point.uid, point.gid, point.kind);
                    if keeps_args {
                        request = request.with_args(point.args.clone()).expect("INVARIANT: values are typed");
                    }
                    self.compare(&request, *class, place, rules)?;
                }
            }
        }
        Ok(())
    }

    fn compare(
        &mut self,
        request: &Request,
        class: ClassId,
        place: Reached,
        rules: &[usize],
    ) -> Result<(), Box<Mismatch>> {
        let wanted = if rules.is_empty() {
            // No rule can match, whatever else the request holds.
            let verdict = self.shared.model.effect.base.default_verdict();
            reference::Decision { verdict, rule: None, unknown: false }
        } else {
            self.report.questions += 1;
            self.report.rules += rules.len() as u64;
            self.shared.reference.decide_by(request, rules.iter().copied())
        };
        let fields = Fields { uid: request.uid, gid: request.gid, kind: request.kind, ..Fields::UNKNOWN }
            .with_args(self.shared.image, request.args());
        let have = self.shared.image.decide(place.state, class, request.op(), &fields);

        let expected = self.answer(&wanted, request.op());
        let denied = have.verdict == Verdict::Deny;
        let rule = have.at.and_then(|at| self.shared.named.decider(place.row, at)).map(|rule| rule as usize);
        let answer = Answer {
            verdict: have.verdict,
            rule: if self.shared.image.debug().is_some() { rule } else { expected.rule },
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
        let annotations = decision.rule.map(|rule| &self.shared.model.rules[rule].annotations);
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
