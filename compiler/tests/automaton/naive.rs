//! A slow evaluator of rule sets that shares nothing with the automaton.

use std::collections::BTreeSet;

use boesfs_abi::op::{ArgType, Op};
use boesfs_abi::request::{ArgValue, Kind, Request, is_canonical};
use boesfs_abi::verdict::{Effect, Verdict};
use boesfs_compiler::model::{BaseEffect, Shape};
use boesfs_compiler::rules::{Condition, Entry, PathAtom, Regex, RuleSet, Term, Test, TestField};

/// Verdict, deciding rule, and whether some completion of a denied request is allowed.
pub(crate) type Answer = (Verdict, Option<u32>, bool);

/// Whether `input` lies in `atom`.
pub(crate) fn lies_in(atom: &PathAtom, input: &[u8]) -> bool {
    match atom {
        PathAtom::Literal(bytes) => bytes == input,
        PathAtom::Prefix(bytes) => input.starts_with(bytes),
        PathAtom::Below(dir) => {
            let dir = if dir == b"/" { b"" } else { dir.as_slice() };
            input.strip_prefix(dir).is_some_and(|rest| rest.len() > 1 && rest[0] == b'/')
        }
        PathAtom::Pattern(regex) => ends(regex, input, &BTreeSet::from([0])).contains(&input.len()),
    }
}

/// Whether the byte at `at` is part of a well-formed character.
fn in_character(input: &[u8], at: usize) -> bool {
    (at.saturating_sub(3)..=at).any(|start| {
        (at + 1..=input.len().min(start + 4))
            .any(|end| std::str::from_utf8(&input[start..end]).is_ok_and(|text| text.chars().count() == 1))
    })
}

/// Where matches of `regex` that begin at one of `starts` can end.
fn ends(regex: &Regex, input: &[u8], starts: &BTreeSet<usize>) -> BTreeSet<usize> {
    match regex {
        Regex::Empty => starts.clone(),
        Regex::Never => BTreeSet::new(),
        Regex::Start => starts.iter().copied().filter(|at| *at == 0).collect(),
        Regex::End => starts.iter().copied().filter(|at| *at == input.len()).collect(),
        Regex::Bytes(ranges) => starts
            .iter()
            .filter(|at| input.get(**at).is_some_and(|b| ranges.iter().any(|(l, h)| l <= b && b <= h)))
            .map(|at| at + 1)
            .collect(),
        Regex::Lone(ranges) => starts
            .iter()
            .filter(|at| input.get(**at).is_some_and(|b| ranges.iter().any(|(l, h)| l <= b && b <= h)))
            .filter(|at| !in_character(input, **at))
            .map(|at| at + 1)
            .collect(),
        Regex::Concat(parts) => parts.iter().fold(starts.clone(), |at, part| ends(part, input, &at)),
        Regex::Alternate(parts) => parts.iter().flat_map(|part| ends(part, input, starts)).collect(),
        Regex::Repeat { of, min, max } => {
            let mut found = BTreeSet::new();
            let mut at = starts.clone();
            for round in 0.. {
                if round >= *min {
                    found.extend(at.iter().copied());
                }
                let next = ends(of, input, &at);
                let done = round > *min && next.is_subset(&found) || next.is_empty();
                if max.is_some_and(|max| round >= max) || done {
                    break;
                }
                at = next;
            }
            if max.is_some_and(|max| max < *min) { BTreeSet::new() } else { found }
        }
    }
}

/// Decides `request`, whose subject is in `class`, trying every completion that can make a difference where numbers in
/// tests are below 16 and masks below 8.
pub(crate) fn decide(rules: &RuleSet, request: &Request, class: u32) -> Answer {
    let (op, keeps) = match (rules.shape, request.op().decided_as()) {
        (Shape::Boesfs, Op::Exec) => (Op::Open, false),
        (Shape::Boesfs, Op::Ioctl) => (Op::Setattr, false),
        (_, op) => (op, true),
    };
    let candidates = candidates(rules, request.obj(), class, op);
    let tested = |field: TestField| {
        candidates.iter().any(|(_, term)| term.tests.iter().any(|test| test.field == field))
    };
    let mut choices: Vec<Vec<ArgValue>> = Vec::new();
    for (place, spec) in op.spec().args.iter().enumerate() {
        let given = if keeps { request.args()[place].clone() } else { ArgValue::Unknown };
        choices.push(match given {
            ArgValue::Unknown if !tested(TestField::Arg(place as u8)) => vec![ArgValue::Unknown],
            ArgValue::Unknown => completions(op, spec.ty),
            known => vec![known],
        });
    }
    let number = |value: Option<u32>, field| match value {
        Some(value) => vec![ArgValue::Number(value.into())],
        None if tested(field) => (0..32).chain([u32::MAX]).map(|n| ArgValue::Number(n.into())).collect(),
        None => vec![ArgValue::Number(0)],
    };
    choices.push(number(request.uid, TestField::Uid));
    choices.push(number(request.gid, TestField::Gid));
    choices.push(match request.kind {
        Some(kind) => vec![ArgValue::Number(kind as u64)],
        None => Kind::ALL.iter().map(|kind| ArgValue::Number(*kind as u64)).collect(),
    });

    let mut at = vec![0; choices.len()];
    let (mut denied, mut allowed): (Option<usize>, Option<usize>) = (None, None);
    loop {
        let values: Vec<&ArgValue> = choices.iter().zip(&at).map(|(values, at)| &values[*at]).collect();
        let place = candidates
            .iter()
            .position(|(_, term)| term.tests.iter().all(|test| holds(rules, test, &values)))
            .unwrap_or(candidates.len());
        let slot =
            if verdict(rules, &candidates, place) == Verdict::Deny { &mut denied } else { &mut allowed };
        *slot = Some(slot.map_or(place, |first| first.min(place)));
        let Some(next) = (0..at.len()).find(|field| at[*field] + 1 < choices[*field].len()) else { break };
        at[next] += 1;
        at[..next].fill(0);
    }
    let place = denied.or(allowed).expect("some completion was tried");
    let rule = candidates.get(place).map(|(rule, _)| *rule);
    (verdict(rules, &candidates, place), rule, denied.is_some() && allowed.is_some())
}

fn verdict(rules: &RuleSet, candidates: &[(u32, &Term)], place: usize) -> Verdict {
    match candidates.get(place) {
        Some((rule, _)) => rules.rules[*rule as usize].eft.into(),
        None => rules.effect.base.default_verdict(),
    }
}

fn completions(op: Op, ty: ArgType) -> Vec<ArgValue> {
    let mut values: Vec<ArgValue> = match ty {
        ArgType::Unsigned | ArgType::Signed => (0..32).chain([u64::MAX]).map(ArgValue::Number).collect(),
        ArgType::Path => {
            all_texts().into_iter().filter(|text| is_canonical(text)).map(ArgValue::Bytes).collect()
        }
        ArgType::Text => all_texts().into_iter().map(ArgValue::Bytes).collect(),
    };
    if op == Op::Setattr {
        values.push(ArgValue::Absent);
    }
    values
}

/// Every text up to six bytes of a small alphabet.
fn all_texts() -> Vec<Vec<u8>> {
    let mut texts = vec![Vec::new()];
    let mut from = 0;
    for _ in 0..6 {
        let to = texts.len();
        for at in from..to {
            for byte in *b"/ab" {
                let mut text: Vec<u8> = texts[at].clone();
                text.push(byte);
                texts.push(text);
            }
        }
        from = to;
    }
    texts
}

/// The terms that count for a path, class and operation, in the order in which the effect consults them.
fn candidates<'r>(rules: &'r RuleSet, path: &[u8], class: u32, op: Op) -> Vec<(u32, &'r Term)> {
    let mut found: Vec<(u32, &Term)> = Vec::new();
    for (rule, id) in rules.rules.iter().zip(0u32..) {
        if !rules.effect.base.looks_at(rule.eft) {
            continue;
        }
        for term in &rule.terms {
            let here = term.classes.iter().any(|c| c.0 == class)
                && term.paths.iter().all(|t| lies_in(&rules.atoms[t.atom.0 as usize], path) == t.holds);
            if here {
                found.push((id, term));
            }
        }
    }
    if rules.effect.nearest {
        let deepest = found.iter().filter_map(|(_, term)| match term.entry {
            Entry::Dir(depth) => Some(depth),
            Entry::File | Entry::Everywhere => None,
        });
        let deepest = deepest.max();
        let has_file = found.iter().any(|(_, term)| term.entry == Entry::File);
        found.retain(|(_, term)| match term.entry {
            Entry::File => true,
            Entry::Dir(depth) => !has_file && Some(depth) == deepest,
            Entry::Everywhere => !has_file && deepest.is_none(),
        });
    }
    found.retain(|(_, term)| term.ops.iter().any(|o| o.decided_as() == op));
    match rules.effect.base {
        BaseEffect::SomeAllow | BaseEffect::NoDeny => {}
        BaseEffect::AllowAndNoDeny => {
            found.sort_by_key(|(rule, _)| rules.rules[*rule as usize].eft == Effect::Allow);
        }
        BaseEffect::Priority(_) | BaseEffect::SubjectPriority(_) => {
            if let Some(order) = &rules.order {
                found.sort_by_key(|(rule, _)| order[class as usize].iter().position(|r| r.0 == *rule));
            }
        }
    }
    found
}

/// Whether `test` holds; `values` are the arguments, then uid, gid and kind.
fn holds(rules: &RuleSet, test: &Test, values: &[&ArgValue]) -> bool {
    let args = values.len() - 3;
    let value = match test.field {
        TestField::Arg(place) if usize::from(place) < args => values[usize::from(place)],
        TestField::Arg(_) => &ArgValue::Absent,
        TestField::Uid => values[args],
        TestField::Gid => values[args + 1],
        TestField::Kind => values[args + 2],
    };
    let condition = match (test.condition, value) {
        (Condition::Between(low, high), ArgValue::Number(n)) => low <= *n && *n <= high,
        (Condition::AnyBit(mask), ArgValue::Number(n)) => n & mask != 0,
        (Condition::KindIn(kinds), ArgValue::Number(n)) => kinds >> n & 1 == 1,
        (Condition::Text(text), ArgValue::Bytes(bytes)) => lies_in(&rules.texts[text.0 as usize], bytes),
        _ => false,
    };
    condition == test.holds
}
