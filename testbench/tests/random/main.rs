//! Random policies and requests near their rules, over all pure engines.
//!
//! A policy is drawn as structure and printed as text, so that grammar and resolver are part of what is tested, and so
//! that what is left after shrinking is a policy a person can read. `PROPTEST_CASES` says how many are drawn.

mod boesfs_shape;
mod casbin_shape;
mod full;
mod many;

use std::cell::Cell;

use boesfs_abi::request::Request;
use boesfs_compiler::reference::Reference;
use boesfs_fuzz::requests_near;
use boesfs_testbench::engine::PURE;
use boesfs_testbench::policy::{Policy, PolicySource};
use boesfs_testbench::question::Question;
use boesfs_testbench::suite::agree;
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

/// Requests put to each policy.
const REQUESTS: usize = 60;
/// Policies drawn of each shape, unless the environment says otherwise.
const CASES: u32 = 160;

/// A policy, printed as it is written.
#[derive(Clone)]
struct Text(String);

impl std::fmt::Debug for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "\n{}", self.0)
    }
}

/// One word of a list.
fn one_of(words: &'static [&'static str]) -> impl Strategy<Value = &'static str> + Clone {
    proptest::sample::select(words)
}

/// Requests drawn near the rules, more often than not such as a rule decides.
fn questions(policy: &Policy, seed: u64) -> Vec<Question> {
    let reference = Reference::new(policy.model());
    let drawn = requests_near(policy.model(), 4 * REQUESTS, seed);
    let by_rule = |request: &Request| reference.decide(request).rule.is_some();
    let (mut decided, mut others): (Vec<Request>, Vec<Request>) = drawn.into_iter().partition(by_rule);
    decided.truncate(REQUESTS * 2 / 3);
    others.truncate(REQUESTS - decided.len());
    decided.into_iter().chain(others).map(Question::decision).collect()
}

/// Policies with a seed for the requests put to them.
fn check(policies: impl Strategy<Value = Text>, mut runner: TestRunner) {
    let (asked, by_rule, denied) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let left_out = std::cell::RefCell::new(Vec::new());
    let result = runner.run(&(policies, proptest::num::u64::ANY), |(text, seed)| {
        let policy = Policy::compile(&PolicySource::whole("random", &text.0))
            .map_err(|refused| TestCaseError::fail(format!("refused: {refused}")))?;
        let questions = questions(&policy, seed);
        let agreement = agree(&policy, &questions, &PURE).map_err(TestCaseError::fail)?;
        asked.set(asked.get() + agreement.asked);
        by_rule.set(by_rule.get() + agreement.by_rule);
        denied.set(denied.get() + agreement.denied);
        *left_out.borrow_mut() = agreement.left_out;
        Ok(())
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
    let share = |count: u64| count * 100 / asked.get().max(1);
    println!(
        "{} requests, {} % decided by a rule, {} % denied",
        asked.get(),
        share(by_rule.get()),
        share(denied.get())
    );
    println!("left out: {:?}", left_out.borrow());
    assert!(share(by_rule.get()) >= 30, "requests are drawn too far from the rules");
}

fn config() -> Config {
    let drawn = Config::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { drawn.cases } else { CASES };
    Config { cases, failure_persistence: None, max_shrink_iters: 2_000, ..drawn }
}

fn drawn() -> TestRunner {
    TestRunner::new(config())
}

/// The same policies every time.
fn fixed(seed: u8) -> TestRunner {
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
    TestRunner::new_with_rng(Config { cases: 40, ..config() }, rng)
}

#[test]
fn engines_agree_on_policies_in_casbin_shape() {
    check(casbin_shape::policy(), drawn());
}

#[test]
fn engines_agree_on_policies_in_boesfs_shape() {
    check(boesfs_shape::policy(), drawn());
}

#[test]
fn engines_agree_on_the_same_policies_every_time() {
    for seed in [1, 2, 3] {
        check(casbin_shape::policy(), fixed(seed));
        check(boesfs_shape::policy(), fixed(seed));
    }
}
