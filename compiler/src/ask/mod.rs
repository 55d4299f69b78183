//! One request to one engine: the decision, and beside it the effective one.
//!
//! What asks is a command, a test or a program that uses the library; how the engines decide is not known here.

use crate::automaton::Compiled;
use crate::model::{Model, SubjectMode};
use crate::pipeline;
use crate::reference::Reference;
use crate::shown::shown;
use boesfs_abi::image::ValidImage;
use boesfs_abi::judge::{Caller, Judge};
use boesfs_abi::op::{Op, OpSet};
use boesfs_abi::request::{Request, is_canonical};
use boesfs_abi::verdict::{Reason, Verdict};
use serde_json::{Value, json};

mod question;

pub use question::{Question, QuestionError, list_values, question_json};
pub(crate) use question::{argument_words, known_argument_words};

/// What answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineKind {
    /// The evaluator that reads rules one by one.
    Reference,
    /// The automaton in memory.
    Dfa,
    /// The image, packed and read back.
    Image,
}

/// What answers, made ready.
enum Engine<'p> {
    Reference(Reference<'p>, &'p Model),
    Dfa(&'p Compiled, &'p Model),
    Image(&'p ValidImage, Option<&'p Model>),
}

/// Who is asked, and within which directory.
pub struct Panel<'p> {
    engine: Engine<'p>,
    judge: Judge<'p>,
    /// The names of the policy and of its model.
    files: Vec<String>,
}

/// The rule that decided.
#[derive(Clone, Debug)]
pub struct Decider {
    /// Index into [`Model::rules`]; `None` if only an image is at hand.
    pub index: Option<usize>,
    /// What `#@ id=` said, else its line.
    pub id: String,
    /// The name of its source.
    pub file: String,
    /// Line in that source, from 1.
    pub line: u32,
    /// The line as written.
    pub text: String,
    /// What `#@ reason=` said.
    pub reason: Option<String>,
}

impl Decider {
    fn json(&self) -> Value {
        let mut value = json!({"id": self.id, "file": self.file, "line": self.line});
        if let (Some(object), Some(reason)) = (value.as_object_mut(), &self.reason) {
            object.insert("reason".to_owned(), reason.as_str().into());
        }
        value
    }
}

/// The answer to one request.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Whether the request is allowed, exactly as asked.
    pub decision: Verdict,
    /// The rule that decided; `None` if a default did.
    pub rule: Option<Decider>,
    /// Denied only because something about the request is unknown.
    pub unknown: bool,
    /// A rule decided, and the image does not say which: it was stripped.
    pub unnamed: bool,
    /// What a system call may do.
    pub effective: Effective,
}

/// A rule that almost decided.
#[derive(Clone, Debug)]
pub struct NearMiss {
    /// What it decides for the same subject and object.
    ops: OpSet,
    rule: Decider,
}

impl NearMiss {
    /// The near miss as a person reads it.
    #[must_use]
    pub fn human(&self) -> String {
        let NearMiss { ops, rule } = self;
        let names: Vec<&str> = ops.iter().map(Op::name).collect();
        let names = match names.as_slice() {
            [first, second, _, rest @ ..] => format!("{first}, {second} and {} more", rest.len() + 1),
            few => few.join(", "),
        };
        format!("near miss: {}:{} decides {names}: {}\n", rule.file, rule.line, rule.text)
    }
}

/// The effective decision.
#[derive(Clone, Debug)]
pub struct Effective {
    /// Whether the call may go on.
    pub verdict: Verdict,
    /// What stops it, if that is something else than the decision itself.
    pub stopped_by: Option<(Op, Vec<u8>, Reason)>,
    /// The object lies outside the protected directory.
    pub outside: bool,
}

impl<'p> Panel<'p> {
    /// The engine `wanted` over a policy that passed all stages.
    #[must_use]
    pub fn of_text(outcome: &'p pipeline::Outcome, wanted: EngineKind, dir: &[u8]) -> Option<Self> {
        let (model, dfa, packed) = (outcome.model.as_ref()?, outcome.dfa.as_ref()?, outcome.packed.as_ref()?);
        let engine = match wanted {
            EngineKind::Reference => Engine::Reference(Reference::new(model), model),
            EngineKind::Dfa => Engine::Dfa(dfa, model),
            EngineKind::Image => Engine::Image(&packed.image, Some(model)),
        };
        let files = outcome.tree.sources.iter().map(|source| source.name.clone()).collect();
        Some(Self { engine, judge: Judge::new(&packed.image, dir), files })
    }

    /// An image as it is.
    #[must_use]
    pub fn of_image(image: &'p ValidImage, dir: &[u8]) -> Self {
        let files = vec!["policy".to_owned(), "model".to_owned()];
        Self { engine: Engine::Image(image, None), judge: Judge::new(image, dir), files }
    }

    /// The policy, unless only an image is at hand.
    #[must_use]
    pub fn model(&self) -> Option<&'p Model> {
        match self.engine {
            Engine::Reference(_, model) | Engine::Dfa(_, model) => Some(model),
            Engine::Image(_, model) => model,
        }
    }

    /// What `question` means here.
    ///
    /// # Errors
    /// [`QuestionError`] if it is no request.
    pub fn request(&self, question: &Question) -> Result<Request, QuestionError> {
        match self.model() {
            // Under `compat` subjects are mere words.
            Some(model) if model.takes_words() => {}
            Some(model) => question.check_subject(model.options.subject)?,
            None => question.check_subject(self.subject_mode())?,
        }
        match self.model() {
            Some(model) => question.request_of(model),
            None => question.request(),
        }
    }

    /// What the image takes a subject for.
    fn subject_mode(&self) -> SubjectMode {
        if self.judge.image().entry_subject() { SubjectMode::Entry } else { SubjectMode::Exe }
    }

    /// Asks.
    #[must_use]
    pub fn ask(&self, request: &Request) -> Answer {
        let (decision, rule, unknown) = self.decide(request);
        let image = self.judge.image();
        if !is_canonical(request.obj()) || self.model().is_some_and(|model| model.word.is_some()) {
            // No system call asks about words.
            let effective = Effective { verdict: decision, stopped_by: None, outside: false };
            return Answer { decision, rule, unknown, unnamed: false, effective };
        }
        let mut effective = self.effective(request);
        // A denial is not said twice: not by the decision, and by the effective one for the same reason.
        effective.stopped_by = effective.stopped_by.filter(|(op, path, reason)| {
            let same = path == request.obj() && image.asked_as(*op).0 == image.asked_as(request.op()).0;
            let plain = matches!(reason, Reason::Rule | Reason::Default | Reason::UnknownArgs);
            decision == Verdict::Allow || !same || !plain
        });
        let unnamed = rule.is_none() && self.is_unnamed(request);
        Answer { decision, rule, unknown, unnamed, effective }
    }

    /// Whether a rule decides `request` that the image does not name.
    fn is_unnamed(&self, request: &Request) -> bool {
        let Engine::Image(image, None) = &self.engine else { return false };
        image.debug().is_none()
            && matches!(image.decide_request(request).reason, Reason::Rule | Reason::UnknownArgs)
    }

    /// Rules that do not decide `request` but the same question about other operations, or other arguments.
    #[must_use]
    pub fn near_misses(&self, request: &Request, answer: &Answer) -> Vec<NearMiss> {
        const MOST: usize = 3;
        let mut found: Vec<NearMiss> = Vec::new();
        if self.model().is_some_and(|model| model.word.is_some()) {
            return found;
        }
        let asked = request.op().decided_as();
        let others = std::iter::once(asked).chain(OpSet::ALL.iter());
        for op in others.filter(|op| op.decided_as() == *op) {
            let Ok(mut other) = Request::new(request.sub(), request.obj(), op) else { continue };
            if let Some(dom) = request.dom() {
                other = other.in_domain(dom);
            }
            (other.uid, other.gid, other.kind) = (request.uid, request.gid, request.kind);
            let (_, Some(rule), _) = self.decide(&other) else { continue };
            let is = |known: &Decider| known.file == rule.file && known.line == rule.line;
            if answer.rule.as_ref().is_some_and(is) {
                continue;
            }
            match found.iter().position(|miss| is(&miss.rule)) {
                Some(miss) => found[miss].ops = found[miss].ops.with(op),
                None if found.len() < MOST => found.push(NearMiss { ops: OpSet::EMPTY.with(op), rule }),
                None => {}
            }
        }
        found
    }

    /// The effective decision: by the rules themselves if they are asked, else by the image.
    #[must_use]
    pub fn effective(&self, request: &Request) -> Effective {
        if let Engine::Reference(reference, _) = &self.engine {
            let found = reference.effective(self.judge.dir(), request);
            let reason = found.reason;
            return Effective {
                verdict: found.verdict,
                stopped_by: found.stopped_by.map(|(op, path)| (op, path, reason)),
                outside: found.outside,
            };
        }
        let class = self.judge.image().class_of(request.sub(), request.dom());
        let caller = Caller { class, uid: request.uid, gid: request.gid };
        let found = self.judge.ask(&caller, request.obj(), request.kind, request.op(), request.args());
        Effective {
            verdict: found.verdict,
            stopped_by: (!found.allowed()).then_some((found.op, found.path, found.reason)),
            outside: found.outside,
        }
    }

    /// The decision, the rule that decided, and whether it is denied only because something is unknown.
    #[must_use]
    pub fn decide(&self, request: &Request) -> (Verdict, Option<Decider>, bool) {
        match &self.engine {
            Engine::Reference(reference, model) => {
                let decision = reference.decide(request);
                (decision.verdict, decision.rule.map(|rule| self.decider(model, rule)), decision.unknown)
            }
            Engine::Dfa(dfa, model) => match dfa.decide(request) {
                Some(decision) => (
                    decision.verdict,
                    decision.rule.map(|rule| self.decider(model, rule.0 as usize)),
                    decision.unknown,
                ),
                None => (Verdict::Deny, None, false),
            },
            Engine::Image(image, model) => {
                let decision = image.decide_request(request);
                let index = decision.at.and_then(|at| image.rule_index(request.obj(), at));
                let rule = match (index, model) {
                    (Some(index), Some(model)) => Some(self.decider(model, index as usize)),
                    (Some(_), None) => {
                        decision.at.and_then(|at| image.rule(request.obj(), at)).map(|info| Decider {
                            index: None,
                            id: info.id.to_owned(),
                            file: self.file(info.file),
                            line: info.line,
                            text: info.text.to_owned(),
                            reason: Some(info.reason.to_owned()).filter(|reason| !reason.is_empty()),
                        })
                    }
                    (None, _) => None,
                };
                (decision.verdict, rule, decision.reason == Reason::UnknownArgs)
            }
        }
    }

    fn decider(&self, model: &Model, index: usize) -> Decider {
        let rule = &model.rules[index];
        Decider {
            index: Some(index),
            id: rule.annotations.id.clone().unwrap_or_else(|| rule.line.to_string()),
            file: self.file(rule.file),
            line: rule.line,
            text: rule.text.to_string(),
            reason: rule.annotations.reason.as_deref().map(str::to_owned),
        }
    }

    fn file(&self, index: u32) -> String {
        self.files.get(index as usize).cloned().unwrap_or_default()
    }
}

impl Answer {
    /// The verdict that counts.
    #[must_use]
    pub fn verdict(&self, which: Which) -> Verdict {
        match which {
            Which::Decision => self.decision,
            Which::Effective => self.effective.verdict,
        }
    }

    /// The answer as a program reads it.
    #[must_use]
    pub fn json(&self) -> Value {
        let mut value = json!({
            "decision": self.decision.to_string(),
            "effective": self.effective.verdict.to_string(),
            "rule": self.rule.as_ref().map(Decider::json),
            "stopped_by": self.effective.stopped_by.as_ref().map(|(op, path, reason)| json!({
                "act": op.name(),
                "obj": shown(path),
                "reason": reason.name(),
            })),
        });
        if let Some(object) = value.as_object_mut() {
            if self.unknown {
                object.insert("unknown_args".to_owned(), true.into());
            }
            if self.unnamed {
                object.insert("unnamed_rule".to_owned(), true.into());
            }
            if self.effective.outside {
                object.insert("outside".to_owned(), true.into());
            }
        }
        value
    }

    /// The answer as a person reads it.
    #[must_use]
    pub fn human(&self) -> String {
        let why = match &self.rule {
            Some(rule) => format!("{}:{}: {}", rule.file, rule.line, rule.text),
            None if self.unnamed => "a rule decides, which the image does not name".to_owned(),
            None => "no rule decides, the effect's default does".to_owned(),
        };
        let reason = self.rule.as_ref().and_then(|rule| rule.reason.as_ref());
        let reason = reason.map_or_else(String::new, |reason| format!("\n           reason: {reason}"));
        let unknown =
            if self.unknown { "\n           some value of what is not known is denied" } else { "" };
        let verdict = self.effective.verdict;
        let effective = match (&self.effective.stopped_by, self.effective.outside) {
            (Some((op, path, reason)), _) => {
                format!("{verdict}, stopped by {op} of {} ({})", shown(path), reason.name())
            }
            (None, true) => format!("{verdict}, outside `--dir`"),
            (None, false) => verdict.to_string(),
        };
        format!("decision:  {}\n           {why}{reason}{unknown}\neffective: {effective}\n", self.decision)
    }
}

/// Which of the two verdicts counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The decision about one operation on one object.
    Decision,
    /// What a system call may do.
    Effective,
}
