//! Random rule sets and requests near them.

use boesfs_abi::op::{ArgType, Op, OpSet};
use boesfs_abi::request::{ArgValue, Kind, Request};
use boesfs_abi::verdict::{Audit, Effect, Errno, Verdict};
use boesfs_compiler::model::{
    Annotations, BaseEffect, Compat, Moves, Options, PolicyEffect, Shape, SubjectMode,
};
use boesfs_compiler::rules::{
    AtomId, ClassId, Condition, Entry, PathAtom, PathTest, Regex, Rule, RuleId, RuleSet, SubjectLiteral,
    Subjects, Term, Test, TestField, TextId,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

const PATHS: [&str; 12] =
    ["/", "/a", "/b", "/ab", "/a/a", "/a/b", "/a/b/a", "/b/a", "/b/ab", "/a/ab", "/ab/b", "/b/a/b"];

/// The subjects of the classes.
pub(crate) const SUBJECTS: [&str; 3] = ["/other", "/bin/x", "y"];

/// A literal language over the small alphabet, or a pattern.
pub(crate) fn atom() -> impl Strategy<Value = PathAtom> {
    let path = || select(&PATHS[..]).prop_map(|path| path.as_bytes().to_vec());
    prop_oneof![
        3 => path().prop_map(PathAtom::Literal),
        2 => path().prop_map(PathAtom::Below),
        1 => path().prop_map(PathAtom::Prefix),
        2 => regex().prop_map(|regex| PathAtom::Pattern(Box::new(regex))),
    ]
}

fn regex() -> impl Strategy<Value = Regex> {
    let byte = |b: u8| Regex::Bytes(vec![(b, b)]);
    let leaf = prop_oneof![
        4 => select(&b"/ab"[..]).prop_map(byte),
        1 => Just(Regex::Bytes(vec![(0, b'/' - 1), (b'/' + 1, 255)])),
        1 => Just(Regex::Bytes(vec![(b'a', b'z')])),
        1 => Just(Regex::any()),
        1 => Just(Regex::Start),
        1 => Just(Regex::End),
        1 => Just(Regex::Empty),
        1 => Just(Regex::Never),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            3 => vec(inner.clone(), 1..4).prop_map(Regex::Concat),
            1 => vec(inner.clone(), 1..3).prop_map(Regex::Alternate),
            1 => (inner, 0u32..3, proptest::option::of(0u32..3))
                .prop_map(|(of, min, extra)| Regex::Repeat {
                    of: Box::new(of),
                    min,
                    max: extra.map(|extra| min + extra),
                }),
        ]
    })
}

/// A language of texts so small that six bytes show every combination.
fn text() -> impl Strategy<Value = PathAtom> {
    let text = || select(&["/", "/a", "/a/b", "a", "b", "/ab"][..]).prop_map(|text| text.as_bytes().to_vec());
    prop_oneof![
        3 => text().prop_map(PathAtom::Literal),
        1 => select(&["/a", "/"][..]).prop_map(|dir| PathAtom::Below(dir.as_bytes().to_vec())),
        1 => text().prop_map(PathAtom::Prefix),
        1 => text().prop_map(|text| {
            let tail = text.into_iter().map(|b| Regex::Bytes(vec![(b, b)]));
            PathAtom::Pattern(Box::new(Regex::Concat(std::iter::once(Regex::any()).chain(tail).collect())))
        }),
    ]
}

fn test(texts: usize) -> impl Strategy<Value = Test> {
    let number = || {
        prop_oneof![
            (0u64..16, 0u64..16).prop_map(|(a, b)| Condition::Between(a.min(b), a.max(b))),
            (0u64..16).prop_map(|a| Condition::Between(a, u64::MAX)),
            (0u64..8).prop_map(Condition::AnyBit),
        ]
    };
    let pair = prop_oneof![
        4 => (select(&[TestField::Arg(0), TestField::Arg(1)][..]), number()),
        1 => (Just(TestField::Uid), number()),
        1 => (Just(TestField::Kind), (0u8..128).prop_map(Condition::KindIn)),
        2 => (Just(TestField::Arg(0)), (0..texts as u32).prop_map(|t| Condition::Text(TextId(t)))),
    ];
    (pair, any::<bool>()).prop_map(|((field, condition), holds)| Test { field, condition, holds })
}

fn ops() -> impl Strategy<Value = OpSet> {
    let some = [
        Op::Lookup,
        Op::Lookup2,
        Op::Open,
        Op::Read,
        Op::Write,
        Op::Link,
        Op::Symlink,
        Op::Setattr,
        Op::Unlink,
        Op::Exec,
        Op::Ioctl,
    ];
    prop_oneof![
        1 => Just(OpSet::ALL),
        4 => subsequence(some.to_vec(), 1..5).prop_map(|ops| OpSet::of(&ops)),
    ]
}

fn term(atoms: Vec<PathAtom>, texts: usize, nearest: bool) -> impl Strategy<Value = Term> {
    let count = atoms.len() as u32;
    let paths = vec((0..count, any::<bool>()), 0..3);
    let tests = prop_oneof![2 => Just(Vec::new()), 3 => vec(test(texts), 1..3)];
    (subsequence(vec![0, 1, 2], 1..=3), paths, ops(), tests, 0u8..8).prop_map(
        move |(classes, mut paths, ops, tests, empty)| {
            let mut entry = Entry::Everywhere;
            if nearest {
                // One positive literal condition, as the language has it under `nearest`.
                let at = paths.first().map_or(0, |path| path.0) as usize;
                let shift = (0..atoms.len()).map(|i| (at + i) % atoms.len());
                let literal = shift.clone().find_map(|at| match &atoms[at] {
                    PathAtom::Literal(_) => Some((at, Entry::File)),
                    PathAtom::Below(dir) => Some((at, Entry::Dir(dir.len() as u32))),
                    PathAtom::Prefix(_) | PathAtom::Pattern(_) => None,
                });
                paths.clear();
                if let Some((at, found)) = literal {
                    paths.push((at as u32, true));
                    entry = found;
                }
            }
            let mut paths: Vec<PathTest> =
                paths.into_iter().map(|(atom, holds)| PathTest { atom: AtomId(atom), holds }).collect();
            paths.sort();
            paths.dedup();
            let ops = if nearest && empty == 0 { OpSet::EMPTY } else { ops };
            Term { classes: classes.into_iter().map(ClassId).collect(), paths, ops, tests, entry }
        },
    )
}

fn effect() -> impl Strategy<Value = PolicyEffect> {
    let base =
        prop_oneof![Just(BaseEffect::SomeAllow), Just(BaseEffect::NoDeny), Just(BaseEffect::AllowAndNoDeny)];
    let priority = prop_oneof![
        Just(BaseEffect::Priority(Verdict::Allow)),
        Just(BaseEffect::Priority(Verdict::Deny)),
        Just(BaseEffect::SubjectPriority(Verdict::Deny)),
    ];
    prop_oneof![
        4 => (base, any::<bool>()).prop_map(|(base, nearest)| PolicyEffect { base, nearest }),
        2 => priority.prop_map(|base| PolicyEffect { base, nearest: false }),
    ]
}

/// A rule set over three classes.
pub(crate) fn rule_set() -> impl Strategy<Value = RuleSet> {
    let parts = (effect(), vec(atom(), 1..6), vec(text(), 1..4), any::<bool>());
    parts
        .prop_flat_map(|(effect, mut atoms, mut texts, boesfs)| {
            atoms.sort();
            atoms.dedup();
            texts.sort();
            texts.dedup();
            let rule = (
                any::<bool>(),
                vec(term(atoms.clone(), texts.len(), effect.nearest), 0..3),
                select(&[Audit::Deny, Audit::Always, Audit::Never][..]),
                proptest::option::of(select(&[Errno::Perm, Errno::Rofs][..])),
            );
            (Just((effect, atoms, texts, boesfs)), vec(rule, 0..7), any::<prop::sample::Index>())
        })
        .prop_map(|((effect, atoms, texts, boesfs), rules, turn)| {
            let rules: Vec<Rule> = rules
                .into_iter()
                .map(|(deny, terms, audit, errno)| Rule {
                    eft: if deny { Effect::Deny } else { Effect::Allow },
                    terms,
                    annotations: Annotations { audit, errno, ..Annotations::default() }.into(),
                    file: 0,
                    line: 1,
                    text: "".into(),
                })
                .collect();
            let ordered = matches!(effect.base, BaseEffect::SubjectPriority(_)) && !rules.is_empty();
            let order = ordered.then(|| {
                (0..3)
                    .map(|class| {
                        let mut order: Vec<RuleId> = (0..rules.len() as u32).map(RuleId).collect();
                        let by = turn.index(rules.len());
                        order.rotate_left((by + class) % rules.len());
                        order.into()
                    })
                    .collect()
            });
            RuleSet {
                shape: if boesfs { Shape::Boesfs } else { Shape::Casbin },
                effect,
                rules,
                atoms,
                texts,
                subjects: subjects(),
                order,
                options: Options {
                    subject: SubjectMode::Exe,
                    moves: Moves::NoGain,
                    kill_after: None,
                    anonymous_exec: Effect::Deny,
                    compat: Compat::Boesfs,
                },
            }
        })
}

/// Three classes: everybody else, the program `/bin/x`, programs called `y`.
pub(crate) fn subjects() -> Subjects {
    Subjects {
        literals: vec![SubjectLiteral::Path(b"/bin/x".to_vec()), SubjectLiteral::Name(b"y".to_vec())],
        groups: vec![(None, None), (None, Some(1)), (Some(0), None)],
        domains: Vec::new(),
        classes: vec![ClassId(0), ClassId(2), ClassId(1)],
        class_count: 3,
        witnesses: SUBJECTS.iter().map(|sub| (sub.as_bytes().to_vec(), None)).collect(),
    }
}

/// A request with the number of its subject's class.
pub(crate) fn request() -> impl Strategy<Value = (Request, u32)> {
    let op = select(boesfs_abi::op::OPS.map(|spec| spec.op).to_vec());
    let path = prop_oneof![select(&PATHS[..]), select(&["/c", "/a/c", "/b/b/b", "/a/a/a"][..])];
    (op, path, 0..3u32).prop_flat_map(|(op, path, class)| {
        let args: Vec<BoxedStrategy<ArgValue>> = op
            .spec()
            .args
            .iter()
            .map(|spec| {
                let known = match spec.ty {
                    ArgType::Unsigned | ArgType::Signed => {
                        prop_oneof![0u64..32, Just(u64::MAX)].prop_map(ArgValue::Number).boxed()
                    }
                    ArgType::Path => {
                        select(&PATHS[..]).prop_map(|p| ArgValue::Bytes(p.as_bytes().to_vec())).boxed()
                    }
                    ArgType::Text => select(&["", "a", "b", "/a", "/a/b", "ab", "/"][..])
                        .prop_map(|p| ArgValue::Bytes(p.as_bytes().to_vec()))
                        .boxed(),
                };
                let absent = if op == Op::Setattr { ArgValue::Absent } else { ArgValue::Unknown };
                prop_oneof![3 => known, 2 => Just(ArgValue::Unknown), 1 => Just(absent)].boxed()
            })
            .collect();
        let uid = proptest::option::of(0u32..20);
        let kind = proptest::option::of(select(Kind::ALL.to_vec()));
        (args, uid, proptest::option::of(0u32..3), kind).prop_map(move |(args, uid, gid, kind)| {
            let subject = SUBJECTS[class as usize].as_bytes();
            let mut request =
                Request::new(subject, path.as_bytes(), op).and_then(|r| r.with_args(args)).expect("it fits");
            (request.uid, request.gid, request.kind) = (uid, gid, kind);
            (request, class)
        })
    })
}
