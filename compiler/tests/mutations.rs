//! Policies with bytes changed, cut or swapped: each is answered by a model or by an error, never by a panic.

use std::fs;
use std::path::Path;

use boesfs_compiler::diagnostic::Severity;
use boesfs_compiler::fix::{apply as applied, mend};
use boesfs_compiler::model::Settings;
use boesfs_compiler::pipeline::{Limits, Outcome, Stage, run};
use boesfs_grammar::Source;
use proptest::prelude::*;
use proptest::sample::Index;

/// The policies of the golden tests.
fn policies() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/diagnostics");
    let mut paths: Vec<_> = fs::read_dir(folder)
        .expect("the cases")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "conf"))
        .collect();
    paths.sort();
    paths.into_iter().map(|path| fs::read(path).expect("a case")).collect()
}

#[derive(Clone, Debug)]
enum Change {
    /// One byte becomes another.
    Set(Index, u8),
    /// Some bytes are gone.
    Cut(Index, usize),
    /// Two lines change places.
    Swap(Index, Index),
    /// A piece is put in.
    Put(Index, &'static str),
}

const PIECES: [&str; 24] = [
    "\"",
    "(",
    ")",
    ",",
    "#",
    "#@ id=x\n",
    "\\\n",
    "p, ",
    "g, ",
    "a, x, read, (1)\n",
    "!",
    "&&",
    "||",
    "==",
    "r.act",
    "p.sub",
    "eval(p.sub)",
    "[policy]\n",
    "e = ",
    "nearest(",
    "*",
    "@use",
    "a = _, _; _, _\n",
    "\u{202e}",
];

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        (any::<Index>(), 1..20_usize).prop_map(|(at, len)| Change::Cut(at, len)),
        (any::<Index>(), any::<Index>()).prop_map(|(a, b)| Change::Swap(a, b)),
        (any::<Index>(), proptest::sample::select(PIECES.to_vec()))
            .prop_map(|(at, piece)| Change::Put(at, piece)),
    ]
}

fn apply(text: &mut Vec<u8>, change: &Change) {
    if text.is_empty() {
        return;
    }
    match change {
        Change::Set(at, byte) => {
            let at = at.index(text.len());
            text[at] = *byte;
        }
        Change::Cut(at, len) => {
            let at = at.index(text.len());
            let end = (at + len).min(text.len());
            text.drain(at..end);
        }
        Change::Swap(a, b) => {
            let mut lines: Vec<Vec<u8>> = text.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
            let (a, b) = (a.index(lines.len()), b.index(lines.len()));
            lines.swap(a, b);
            *text = lines.join(&b'\n');
        }
        Change::Put(at, piece) => {
            let at = at.index(text.len());
            text.splice(at..at, piece.bytes());
        }
    }
}

/// The codes of its errors, each as often as it stands.
fn errors(outcome: &Outcome) -> Vec<&'static str> {
    let errors = outcome.diagnostics.iter().filter(|found| found.severity == Severity::Error);
    let mut codes: Vec<&str> = errors.map(|found| found.code).collect();
    codes.sort_unstable();
    codes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn mending_makes_nothing_worse_and_ends(
        which in any::<Index>(),
        changes in proptest::collection::vec(change(), 1..4),
    ) {
        let policies = policies();
        let mut text = policies[which.index(policies.len())].clone();
        for change in &changes {
            apply(&mut text, change);
        }
        let (settings, limits) = (Settings::default(), Limits::default());
        let check = |text: Vec<u8>| run(vec![Source::new("policy", text)], &settings, &limits, Stage::Rules);
        let before = check(text);
        let wrong = errors(&before);
        let mended = mend(before, &settings, &limits, Stage::Rules);
        let after = errors(&mended.outcome);
        prop_assert!(after.len() <= wrong.len(), "{:?} became {:?}", wrong, after);
        // Nothing is left to do, or what is left would add errors.
        let sources = mended.outcome.tree.sources.clone();
        let (again, done) = applied(&mended.outcome.diagnostics, &sources);
        if !done.is_empty() {
            let worse = errors(&check(again[0].bytes.clone()));
            prop_assert!(worse.len() > after.len(), "{:?} is left", done);
        }
        let twice = mend(check(sources[0].bytes.clone()), &settings, &limits, Stage::Rules);
        prop_assert_eq!(&twice.outcome.tree.sources[0].bytes, &sources[0].bytes);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn changed_policies_are_answered(
        which in any::<Index>(),
        changes in proptest::collection::vec(change(), 0..6),
    ) {
        let policies = policies();
        let mut text = policies[which.index(policies.len())].clone();
        for change in &changes {
            apply(&mut text, change);
        }
        let outcome = run(vec![Source::new("policy", text)], &Settings::default(), &Limits::default(), Stage::Rules);
        prop_assert_eq!(outcome.is_sound(), outcome.rules.is_some());
        for diagnostic in &outcome.diagnostics {
            for label in &diagnostic.labels {
                let len = outcome.tree.sources[usize::from(label.span.file)].bytes.len();
                prop_assert!(label.span.start <= label.span.end && label.span.end as usize <= len, "{:?}", diagnostic);
            }
        }
    }
}

#[test]
fn the_deepest_matcher_fits_the_stack_of_a_thread() {
    let mut settings = Settings::default();
    settings.limits.nesting = boesfs_grammar::Limits::MAX_NESTING;
    let depth = boesfs_grammar::Limits::MAX_NESTING / 2;
    let matcher = format!("{}r.act == p.act{}", "!(true && ".repeat(depth), ")".repeat(depth));
    let policy = format!(
        "[request_definition]\nr = sub, obj, act\n[policy_definition]\np = sub, obj, act, eft\n\
         [policy_effect]\ne = some(where (p.eft == allow))\n[matchers]\nm = {matcher}\n\
         [policy]\np, /bin/sh, /a, read, allow\n"
    );
    let outcome = run(vec![Source::new("policy", policy)], &settings, &Limits::default(), Stage::LAST);
    let messages: Vec<&str> = outcome.diagnostics.iter().map(|d| d.message.as_str()).collect();
    assert!(outcome.packed.is_some(), "{messages:?}");
}
