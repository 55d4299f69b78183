//! A [`RuleSet`] read as it is written, term by term: what lowering is tested by.

use std::collections::BTreeSet;

use boesfs_abi::op::Op;
use boesfs_abi::request::{ArgValue, Request};
use boesfs_abi::verdict::{Effect, Verdict};

use super::{
    ClassId, Condition, Entry, PathAtom, Regex, RuleId, RuleSet, SubjectLiteral, Term, Test, TestField,
};
use crate::model::{BaseEffect, Shape};

/// Decides a request in which nothing that matters is unknown.
pub(crate) fn decide(rules: &RuleSet, request: &Request) -> (Verdict, Option<usize>) {
    let class = class_of(rules, request);
    let file_order: Vec<RuleId> = (0..).map(RuleId).take(rules.rules.len()).collect();
    let order = rules.order.as_ref().map_or(&file_order[..], |orders| &orders[class.0 as usize]);
    let standing = |term: &&Term| {
        term.classes.contains(&class)
            && term
                .paths
                .iter()
                .all(|test| atom_matches(&rules.atoms[test.atom.0 as usize], request.obj()) == test.holds)
    };
    let nearest = rules
        .rules
        .iter()
        .flat_map(|rule| &rule.terms)
        .filter(standing)
        .map(|term| nearness(term.entry))
        .max();
    let applies = |id: &RuleId| {
        rules.rules[id.0 as usize]
            .terms
            .iter()
            .filter(standing)
            .any(|term| Some(nearness(term.entry)) == nearest && asked(rules, term, request))
    };
    let matching: Vec<usize> = order.iter().filter(|id| applies(id)).map(|id| id.0 as usize).collect();
    let first = |eft: Effect| matching.iter().copied().find(|rule| rules.rules[*rule].eft == eft);
    match rules.effect.base {
        BaseEffect::SomeAllow => match first(Effect::Allow) {
            Some(rule) => (Verdict::Allow, Some(rule)),
            None => (Verdict::Deny, None),
        },
        BaseEffect::NoDeny => match first(Effect::Deny) {
            Some(rule) => (Verdict::Deny, Some(rule)),
            None => (Verdict::Allow, None),
        },
        BaseEffect::AllowAndNoDeny => match (first(Effect::Deny), first(Effect::Allow)) {
            (Some(rule), _) => (Verdict::Deny, Some(rule)),
            (None, Some(rule)) => (Verdict::Allow, Some(rule)),
            (None, None) => (Verdict::Deny, None),
        },
        BaseEffect::Priority(default) | BaseEffect::SubjectPriority(default) => match matching.first() {
            Some(rule) => (rules.rules[*rule].eft.into(), Some(*rule)),
            None => (default, None),
        },
    }
}

fn nearness(entry: Entry) -> u32 {
    match entry {
        Entry::Everywhere => 0,
        Entry::Dir(length) => length,
        Entry::File => u32::MAX,
    }
}

fn class_of(rules: &RuleSet, request: &Request) -> ClassId {
    let subjects = &rules.subjects;
    let base = request.sub().rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    let place = |wanted: SubjectLiteral| {
        subjects
            .literals
            .iter()
            .position(|literal| *literal == wanted)
            .and_then(|place| u32::try_from(place).ok())
    };
    let key =
        (place(SubjectLiteral::Path(request.sub().to_vec())), place(SubjectLiteral::Name(base.to_vec())));
    let group =
        subjects.groups.iter().position(|group| *group == key).expect("every combination has a group");
    let domain = request.dom().and_then(|dom| subjects.domains.iter().position(|name| name == dom));
    subjects.classes[group * (subjects.domains.len() + 1) + domain.map_or(0, |domain| domain + 1)]
}

fn asked(rules: &RuleSet, term: &Term, request: &Request) -> bool {
    let op = match (rules.shape, request.op()) {
        (Shape::Boesfs, Op::Exec) => Op::Open,
        (Shape::Boesfs, Op::Ioctl) => Op::Setattr,
        (Shape::Casbin | Shape::Boesfs, op) => op,
    };
    term.ops.contains(op) && term.tests.iter().all(|test| passes(rules, test, request) == test.holds)
}

fn passes(rules: &RuleSet, test: &Test, request: &Request) -> bool {
    let value = match test.field {
        TestField::Arg(place) => request.args()[usize::from(place)].clone(),
        TestField::Uid => ArgValue::Number(request.uid.expect("known").into()),
        TestField::Gid => ArgValue::Number(request.gid.expect("known").into()),
        TestField::Kind => ArgValue::Number(request.kind.expect("known") as u64),
    };
    match (test.condition, value) {
        (_, ArgValue::Unknown) => panic!("{test:?} of an unknown value"),
        (_, ArgValue::Absent) => false,
        (Condition::Between(low, high), ArgValue::Number(number)) => (low..=high).contains(&number),
        (Condition::AnyBit(mask), ArgValue::Number(number)) => number & mask != 0,
        (Condition::KindIn(mask), ArgValue::Number(kind)) => mask >> kind & 1 == 1,
        (Condition::Text(id), ArgValue::Bytes(text)) => atom_matches(&rules.texts[id.0 as usize], &text),
        (condition, value) => panic!("{condition:?} is no test of {value:?}"),
    }
}

pub(crate) fn atom_matches(atom: &PathAtom, text: &[u8]) -> bool {
    match atom {
        PathAtom::Literal(literal) => text == literal,
        PathAtom::Below(dir) if dir == b"/" => text.len() > 1 && text[0] == b'/',
        PathAtom::Below(dir) => {
            text.strip_prefix(dir.as_slice()).is_some_and(|rest| rest.len() > 1 && rest[0] == b'/')
        }
        PathAtom::Prefix(prefix) => text.starts_with(prefix),
        PathAtom::Pattern(regex) => ends(regex, text, &BTreeSet::from([0])).contains(&text.len()),
    }
}

/// Where the bytes stand that are no part of a character.
fn lone_bytes(text: &[u8]) -> BTreeSet<usize> {
    let mut lone = BTreeSet::new();
    let mut at = 0;
    for chunk in text.utf8_chunks() {
        at += chunk.valid().len();
        lone.extend(at..at + chunk.invalid().len());
        at += chunk.invalid().len();
    }
    lone
}

/// Where matches of `regex` end that begin at one of `starts`.
fn ends(regex: &Regex, text: &[u8], starts: &BTreeSet<usize>) -> BTreeSet<usize> {
    match regex {
        Regex::Empty => starts.clone(),
        Regex::Never => BTreeSet::new(),
        Regex::Bytes(ranges) => starts
            .iter()
            .filter(|at| {
                text.get(**at)
                    .is_some_and(|byte| ranges.iter().any(|(low, high)| (low..=high).contains(&byte)))
            })
            .map(|at| at + 1)
            .collect(),
        Regex::Lone(ranges) => lone_bytes(text)
            .into_iter()
            .filter(|at| starts.contains(at))
            .filter(|at| ranges.iter().any(|(low, high)| (low..=high).contains(&&text[*at])))
            .map(|at| at + 1)
            .collect(),
        Regex::Concat(parts) => parts.iter().fold(starts.clone(), |starts, part| ends(part, text, &starts)),
        Regex::Alternate(parts) => parts.iter().flat_map(|part| ends(part, text, starts)).collect(),
        Regex::Repeat { of, min, max } => {
            let mut now = starts.clone();
            for _ in 0..*min {
                now = ends(of, text, &now);
            }
            let mut reached = now.clone();
            let mut left = max.map(|max| max - min);
            while !now.is_empty() && left != Some(0) {
                now = ends(of, text, &now).difference(&reached).copied().collect();
                reached.extend(&now);
                left = left.map(|left| left - 1);
            }
            reached
        }
        Regex::Start => starts.iter().copied().filter(|at| *at == 0).collect(),
        Regex::End => starts.iter().copied().filter(|at| *at == text.len()).collect(),
    }
}
