//! Many small policies of the whole language on all processors: random requests, and one for each state of the automaton
//! and each class of subjects.
//!
//! `BOESFS_POLICIES` says how many are drawn (1 000 if not given, 10 000 by `cargo xtask test`), `BOESFS_SEED` which. What fails is shrunk and written
//! to `tests/random/regressions/`, whose files are asked again every time.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use boesfs_abi::op::Op;
use boesfs_abi::request::{Kind, Request};
use boesfs_compiler::automaton::{Inputs, Witnesses};
use boesfs_compiler::reference::Reference;
use boesfs_compiler::rules::TestField;
use boesfs_fuzz::{requests_at, requests_near};
use boesfs_testbench::engine::PURE;
use boesfs_testbench::policy::{Policy, PolicySource};
use boesfs_testbench::question::{Judged, Question};
use boesfs_testbench::suite::agree;
use proptest::prelude::any;
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use super::{Text, boesfs_shape, full};

/// Policies drawn, unless the environment says otherwise.
const POLICIES: u64 = 1_000;
/// The seed, unless the environment says otherwise.
const SEED: u64 = 20_240_601;
/// Random requests put to each policy.
const REQUESTS: usize = 30;
/// Requests made from the automaton, at most; then each so many-th.
const DERIVED: usize = 240;

/// How often it is tried to draw one of them that a rule decides.
const TRIES: u64 = 6;

/// What was asked of all policies.
#[derive(Default)]
struct Tally {
    policies: AtomicU64,
    asked: AtomicU64,
    by_rule: AtomicU64,
    denied: AtomicU64,
}

fn number(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} is `{text}`, not a number")),
        Err(_) => default,
    }
}

/// A path to each state, for a program of each class; with the operation and values, of several tried, of which a rule
/// speaks, if one does.
fn derived(policy: &Policy, reference: &Reference<'_>, seed: u64) -> Vec<Request> {
    let witnesses = Witnesses::explore(&policy.compiled().paths, Inputs::Paths);
    let paths: Vec<Vec<u8>> = witnesses.states().map(|(_, number)| witnesses.input(number)).collect();
    let callers = &policy.rules().subjects.witnesses;
    let step = (paths.len() * callers.len()).div_ceil(DERIVED).max(1);
    let from = usize::try_from(seed % step as u64).unwrap_or(0);
    let tries: Vec<Vec<Request>> = (0..TRIES)
        .map(|round| {
            let requests = requests_at(policy.model(), &paths, callers, seed.wrapping_add(round));
            requests.into_iter().skip(from).step_by(step).collect()
        })
        .collect();
    let Some((first, others)) = tries.split_first() else { return Vec::new() };
    let by_rule = |request: &&Request| reference.decide(request).rule.is_some();
    first
        .iter()
        .enumerate()
        .map(|(place, request)| {
            let others = others.iter().filter_map(|requests| requests.get(place));
            std::iter::once(request).chain(others).find(by_rule).unwrap_or(request).clone()
        })
        .collect()
}

/// Requests near the rules, more often than not such as a rule decides.
fn near(policy: &Policy, reference: &Reference<'_>, seed: u64) -> Vec<Request> {
    let drawn = requests_near(policy.model(), 6 * REQUESTS, seed);
    let by_rule = |request: &Request| reference.decide(request).rule.is_some();
    let (mut decided, mut others): (Vec<Request>, Vec<Request>) = drawn.into_iter().partition(by_rule);
    decided.truncate(REQUESTS * 2 / 3);
    others.truncate(REQUESTS - decided.len());
    decided.into_iter().chain(others).collect()
}

/// Whether reference and image both judge whole calls like this one exactly: what a move gives to whom is only looked
/// for by the one where it depends on more than program, operation and arguments, and proved by the other.
fn judged_exactly(policy: &Policy, request: &Request) -> bool {
    let moves = matches!(request.op(), Op::Rename | Op::Link);
    let fields = [TestField::Uid, TestField::Gid, TestField::Kind];
    let terms = || policy.rules().rules.iter().flat_map(|rule| &rule.terms);
    let by_caller = || terms().flat_map(|term| &term.tests).any(|test| fields.contains(&test.field));
    !moves || request.kind == Some(Kind::File) && !by_caller()
}

fn questions(policy: &Policy, seed: u64) -> Vec<Question> {
    let reference = Reference::new(policy.model());
    let mut requests = near(policy, &reference, seed);
    requests.extend(derived(policy, &reference, seed));
    let whole = requests.iter().filter(|request| judged_exactly(policy, request)).step_by(8).cloned();
    let dirs: [&[u8]; 2] = [b"/", b"/a"];
    let whole: Vec<Question> = whole
        .zip(dirs.into_iter().cycle())
        .map(|(request, dir)| Question { request, judged: Judged::Effective { dir: dir.to_vec() } })
        .collect();
    requests.into_iter().map(Question::decision).chain(whole).collect()
}

fn ask(text: &str, seed: u64, tally: &Tally) -> Result<(), String> {
    let policy = Policy::compile(&PolicySource::whole("random", text))
        .map_err(|refused| format!("refused: {refused}"))?;
    let agreement = agree(&policy, &questions(&policy, seed), &PURE)?;
    tally.policies.fetch_add(1, Ordering::Relaxed);
    tally.asked.fetch_add(agreement.asked, Ordering::Relaxed);
    tally.by_rule.fetch_add(agreement.by_rule, Ordering::Relaxed);
    tally.denied.fetch_add(agreement.denied, Ordering::Relaxed);
    Ok(())
}

fn policies() -> impl Strategy<Value = Text> {
    proptest::prop_oneof![4 => full::policy(), 1 => boesfs_shape::policy()]
}

fn regressions() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/random/regressions")
}

/// Draws `cases` policies by `seed`; the error says what the smallest one found gets.
fn work(cases: u32, seed: [u8; 32], tally: &Tally) -> Result<(), String> {
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 600, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed));
    let outcome = runner.run(&(policies(), any::<u64>()), |(text, seed)| {
        ask(&text.0, seed, tally).map_err(TestCaseError::fail)
    });
    match outcome {
        Ok(()) => Ok(()),
        Err(TestError::Fail(reason, (text, seed))) => {
            let file = regressions().join(format!("{seed:016x}.conf"));
            let kept = std::fs::create_dir_all(regressions())
                .and_then(|()| std::fs::write(&file, format!("# seed {seed}\n{}", text.0)));
            let kept = match kept {
                Ok(()) => format!("kept in {}", file.display()),
                Err(error) => format!("not kept: {error}"),
            };
            Err(format!("{reason}\n{}\nseed {seed}, {kept}", text.0))
        }
        Err(TestError::Abort(reason)) => Err(format!("given up: {reason}")),
    }
}

#[test]
fn engines_agree_on_many_policies_of_the_whole_language() {
    let (policies, seed) = (number("BOESFS_POLICIES", POLICIES), number("BOESFS_SEED", SEED));
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get) as u64;
    println!("{policies} policies by seed {seed}: BOESFS_POLICIES and BOESFS_SEED say others");
    let tally = Tally::default();
    // The policies are dealt out in lots of one seed each, so that the same are drawn however many workers there are.
    const LOT: u64 = 100;
    let next = AtomicU64::new(0);
    let failures: BTreeSet<String> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..workers)
            .map(|_| {
                scope.spawn(|| {
                    loop {
                        let lot = next.fetch_add(1, Ordering::Relaxed);
                        let left = policies.saturating_sub(lot * LOT).min(LOT);
                        if left == 0 {
                            return None;
                        }
                        let mut bytes = [0; 32];
                        bytes[..8].copy_from_slice(&seed.to_le_bytes());
                        bytes[8..16].copy_from_slice(&lot.to_le_bytes());
                        if let Err(failure) = work(u32::try_from(left).unwrap_or(u32::MAX), bytes, &tally) {
                            next.store(u64::MAX / LOT / 2, Ordering::Relaxed);
                            return Some(failure);
                        }
                    }
                })
            })
            .collect();
        workers
            .into_iter()
            .filter_map(|worker| worker.join().expect("a worker that does not panic"))
            .collect()
    });
    assert!(failures.is_empty(), "{}", failures.into_iter().collect::<Vec<_>>().join("\n\n"));
    let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
    let share = |count: &AtomicU64| of(count) * 100 / of(&tally.asked).max(1);
    println!(
        "{} policies, {} requests, {} % decided by a rule, {} % denied",
        of(&tally.policies),
        of(&tally.asked),
        share(&tally.by_rule),
        share(&tally.denied)
    );
    assert_eq!(of(&tally.policies), policies);
    assert!(share(&tally.by_rule) >= 30, "requests are drawn too far from the rules");
}

#[test]
fn engines_agree_where_they_once_did_not() {
    for file in std::fs::read_dir(regressions()).expect("the folder of regressions") {
        let file = file.expect("an entry of the folder");
        let text = std::fs::read_to_string(file.path()).expect("a policy");
        let seed = text.lines().next().and_then(|line| line.strip_prefix("# seed ")?.parse().ok());
        let seed = seed.unwrap_or_else(|| panic!("{} begins with no seed", file.path().display()));
        if let Err(difference) = ask(&text, seed, &Tally::default()) {
            panic!("{}: {difference}", file.path().display());
        }
    }
}
