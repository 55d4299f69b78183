//! A small universe of requests, and what the reference evaluator says of it.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};

use boesfs_abi::op::{ArgType, Op, OpSet};
use boesfs_abi::request::{ArgValue, Request};
use boesfs_abi::subjects::{SubjectLiteral, base_name};
use boesfs_abi::verdict::Verdict;
use boesfs_compiler::compare::{Comparison, Limits, Part, PatternTerm, Program, Side, compare};
use boesfs_compiler::model::{Allow, Settings};
use boesfs_compiler::pipeline::{self, Outcome, Stage};
use boesfs_compiler::reference::Reference;
use boesfs_grammar::Source;

const SUBJECTS: &[&str] = &["/bin/a", "/opt/a", "/bin/b", "/usr/c", "/x/y"];
const PATHS: &[&str] =
    &["/", "/a", "/ab", "/a/b", "/a/b/c", "/a/x.txt", "/b", "/b/.env", "/a/.env/q", "/c/d/e/f", "/a/ab"];
const OPS: &[Op] = &[
    Op::Lookup,
    Op::Open,
    Op::Read,
    Op::Write,
    Op::Create,
    Op::Unlink,
    Op::Rename,
    Op::Symlink,
    Op::Setattr,
    Op::Exec,
    Op::Ioctl,
    Op::Llseek,
];
const NUMBERS: &[u64] = &[0, 1, 5, 7, 11, u64::MAX];
const UIDS: &[u32] = &[0, 1, 1000];

/// A policy that compiles.
pub(crate) fn compiled(text: &str) -> Option<Outcome> {
    let settings = Settings { allow: Allow::All, ..Settings::default() };
    let source = Source::new("policy".to_owned(), text.as_bytes().to_vec());
    let outcome = pipeline::run(vec![source], &settings, &pipeline::Limits::default(), Stage::LAST);
    (outcome.is_sound() && outcome.packed.is_some()).then_some(outcome)
}

/// The image of an outcome, to be compared.
pub(crate) fn side<'o>(outcome: &'o Outcome, name: &str) -> Side<'o> {
    Side { image: &outcome.packed.as_ref().expect("an image").image, files: vec![name.to_owned()] }
}

fn values(ty: ArgType) -> Vec<ArgValue> {
    match ty {
        ArgType::Unsigned | ArgType::Signed => NUMBERS.iter().map(|n| ArgValue::Number(*n)).collect(),
        ArgType::Path => [&b"/a"[..], b"/a/b", b"/b"].map(|text| ArgValue::Bytes(text.to_vec())).to_vec(),
        ArgType::Text => {
            [&b"/a"[..], b"../x", b"", b"/a//b"].map(|text| ArgValue::Bytes(text.to_vec())).to_vec()
        }
    }
}

/// Every request of the universe.
pub(crate) fn requests() -> Vec<Request> {
    let mut all = Vec::new();
    for sub in SUBJECTS {
        for path in PATHS {
            for op in OPS {
                let specs = op.spec().args;
                // Each argument with each value, the others fixed.
                let mut tuples =
                    vec![specs.iter().map(|spec| values(spec.ty)[0].clone()).collect::<Vec<_>>()];
                for (place, spec) in specs.iter().enumerate() {
                    for value in values(spec.ty) {
                        let mut tuple = tuples[0].clone();
                        tuple[place] = value;
                        tuples.push(tuple);
                    }
                    if *op == Op::Setattr {
                        let mut tuple = tuples[0].clone();
                        tuple[place] = ArgValue::Absent;
                        tuples.push(tuple);
                    }
                }
                for (number, tuple) in tuples.into_iter().enumerate() {
                    let request = Request::new(sub.as_bytes(), path.as_bytes(), *op).expect("a request");
                    let mut request = request.with_args(tuple).expect("a request");
                    request.uid = Some(UIDS[number % UIDS.len()]);
                    request.gid = Some(0);
                    request.kind = Some(boesfs_abi::request::Kind::ALL[number % 3]);
                    all.push(request);
                }
            }
        }
    }
    all
}

/// What the rules say.
pub(crate) struct Oracle<'o> {
    reference: Reference<'o>,
}

impl<'o> Oracle<'o> {
    pub(crate) fn new(outcome: &'o Outcome) -> Self {
        Self { reference: Reference::new(outcome.model.as_ref().expect("a model")) }
    }

    pub(crate) fn verdict(&self, request: &Request) -> Verdict {
        self.reference.decide(request).verdict
    }
}

/// Whether a request lies in a part, as far as subjects, operations and paths go.
pub(crate) struct Membership {
    literals: BTreeSet<Vec<u8>>,
    /// For each pattern the paths of the universe that it takes.
    patterns: RefCell<HashMap<String, BTreeSet<Vec<u8>>>>,
}

impl Membership {
    pub(crate) fn new(outcomes: &[&Outcome]) -> Self {
        let mut literals = BTreeSet::new();
        for outcome in outcomes {
            for literal in &outcome.packed.as_ref().expect("an image").image.subjects().literals {
                match literal {
                    SubjectLiteral::Path(text) | SubjectLiteral::Name(text) => literals.insert(text.clone()),
                };
            }
        }
        Self { literals, patterns: RefCell::default() }
    }

    pub(crate) fn holds(&self, part: &Part, request: &Request) -> bool {
        let sub = request.sub();
        let program = if self.literals.contains(sub) {
            Program::Path(sub.to_vec())
        } else if self.literals.contains(base_name(sub)) {
            Program::Name(base_name(sub).to_vec())
        } else {
            Program::Other
        };
        part.subjects.iter().any(|who| who.program == program && who.domain.is_none())
            && part.ops.contains(request.op().decided_as())
            && part.paths.terms.iter().any(|term| self.takes(term, request.obj()))
    }

    fn takes(&self, term: &PatternTerm, path: &[u8]) -> bool {
        self.matches(&term.pattern, path)
            && term.also.as_ref().is_none_or(|also| self.matches(also, path))
            && !term.except.iter().any(|term| self.takes(term, path))
    }

    /// The reference evaluator's own matching of the pattern, as it is printed.
    fn matches(&self, pattern: &str, path: &[u8]) -> bool {
        let mut patterns = self.patterns.borrow_mut();
        let taken = patterns.entry(pattern.to_owned()).or_insert_with(|| {
            let (function, text) = match pattern.split_once('(') {
                Some((function, rest)) if function.chars().all(char::is_alphanumeric) => {
                    (function, rest.strip_suffix(')').expect("a parenthesis"))
                }
                _ => ("pathMatch", pattern),
            };
            let text = text.replace('"', "\"\"");
            let policy = format!(
                "[request_definition]\nr = obj\n[policy_definition]\np = obj\n[policy_effect]\ne = some(where (p.eft == \
                 allow))\n[matchers]\nm = {function}(r.obj, p.obj)\n[policy]\np, \"{text}\"\n"
            );
            let policy =
                compiled(&policy).unwrap_or_else(|| panic!("`{pattern}` is no pattern:\n{policy}"));
            let oracle = Oracle::new(&policy);
            let takes = |path: &&&str| {
                let request = Request::new(b"/x", path.as_bytes(), Op::Read).expect("a request");
                oracle.verdict(&request) == Verdict::Allow
            };
            PATHS.iter().filter(takes).map(|path| path.as_bytes().to_vec()).collect()
        });
        taken.contains(path)
    }
}

/// A policy and what the reference evaluator says of each request of the universe.
pub(crate) struct Judged {
    pub(crate) outcome: Outcome,
    verdicts: Vec<Verdict>,
}

impl Judged {
    pub(crate) fn new(outcome: Outcome, universe: &[Request]) -> Self {
        let oracle = Oracle::new(&outcome);
        let verdicts = universe.iter().map(|request| oracle.verdict(request)).collect();
        Self { outcome, verdicts }
    }
}

/// Compares both policies, and the comparison with what the reference evaluator says of the universe. Whether they
/// differ.
pub(crate) fn checked(old: &Outcome, new: &Outcome, universe: &[Request]) -> Comparison {
    let judged = |outcome: &Outcome| Judged::new(outcome.clone(), universe);
    compared(&judged(old), &judged(new), universe)
}

/// The same of policies that were judged before.
pub(crate) fn compared(before: &Judged, after: &Judged, universe: &[Request]) -> Comparison {
    let (old, new) = (&before.outcome, &after.outcome);
    let limits = Limits { findings: usize::MAX, parts: usize::MAX, ..Limits::default() };
    let comparison = compare(&side(old, "old"), &side(new, "new"), false, limits).expect("within limits");
    let oracles = (Oracle::new(old), Oracle::new(new));
    let parts: Vec<&Part> = comparison.changes.iter().flat_map(|change| &change.parts).collect();
    for part in &parts {
        let verdicts = (oracles.0.verdict(&part.witness), oracles.1.verdict(&part.witness));
        let said = (part.old.expect("an old answer").verdict, part.new.verdict);
        assert_eq!(verdicts, said, "{:?}\n{}", part.witness, comparison.human());
        assert_ne!(said.0, said.1);
    }
    let membership = Membership::new(&[old, new]);
    for (number, request) in universe.iter().enumerate() {
        let differs = before.verdicts[number] != after.verdicts[number];
        let mut within = parts.iter().filter(|part| membership.holds(part, request));
        if differs {
            assert!(within.next().is_some(), "{request:?} is in no part of\n{}", comparison.human());
        } else {
            let sure = |part: &&&Part| part.paths.exact && part.conditions.is_empty();
            let wrong = within.find(sure);
            assert!(wrong.is_none(), "{request:?} gets the same, but is in {wrong:?}");
        }
    }
    comparison
}

/// Operations that some request of the universe is about.
pub(crate) fn ops() -> OpSet {
    OPS.iter().fold(OpSet::EMPTY, |ops, op| ops.with(*op))
}
