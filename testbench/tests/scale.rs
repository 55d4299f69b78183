//! How the compiler grows with a policy: by what it makes, and by processor time only where that is far from its bound.

use boesfs_abi::image::decode;
use boesfs_compiler::Policy;
use boesfs_compiler::model::Settings;
use boesfs_compiler::pipeline::{Limits, Outcome, Stage, run};
use boesfs_grammar::Source;
use boesfs_testbench::synthetic::{Form, Synthetic};
use rustix::time::{ClockId, clock_gettime};

fn made(form: Form, rules: usize, until: Stage) -> Outcome {
    let source = Source::new("policy.conf", Synthetic::new(form, rules).text());
    run(vec![source], &Settings::default(), &Limits::default(), until)
}

/// Everything that is made of a policy, counted.
fn work(form: Form, rules: usize) -> usize {
    let outcome = made(form, rules, Stage::Dfa);
    assert!(outcome.is_sound(), "{:?}", outcome.diagnostics.first());
    let rules = outcome.rules.expect("sound");
    let compiled = outcome.dfa.expect("sound");
    let of_rules: usize = rules.rules.iter().map(|rule| rule.terms.len()).sum();
    let sets = &compiled.languages.sets;
    let rows: usize = compiled.rows.rows().map(|row| compiled.rows.differences(row).len()).sum();
    of_rules
        + rules.atoms.len()
        + sets.items()
        + compiled.languages.dfa.node_count()
        + compiled.languages.dfa.edge_count()
        + compiled.paths.node_count()
        + compiled.paths.edge_count()
        + rows
        + compiled.cells.len()
}

#[test]
fn work_is_linear() {
    for form in [Form::Tree, Form::Random, Form::Mixed(10)] {
        let (small, large) = (work(form, 1_000), work(form, 10_000));
        // A slope of 1.1 through the logarithms.
        let bound = small * 126 / 10;
        assert!(large <= bound, "{form}: {small} for 1000 rules, {large} for 10000");
    }
}

/// What a decision costs is how many nodes its path reads: a turn of the walk each, in the kernel as elsewhere.
#[test]
fn a_walk_reads_few_nodes() {
    for (form, rules, most) in [(Form::Tree, 10, 4), (Form::Tree, 1_000, 9), (Form::Random, 1_000, 9)] {
        let text = Synthetic::new(form, rules).text();
        let image =
            Policy::options().allow("all").parse(text.as_str()).expect("sound").compile().expect("sound");
        let image = decode(image.as_bytes()).expect("an image");
        for line in text.lines().filter(|line| line.starts_with("p, ")) {
            let path = line.split(", ").nth(2).expect("a rule has a path");
            let (mut state, mut read) = (image.path_start(), 1);
            for byte in path.bytes() {
                let next = image.step(state, byte);
                read += usize::from(next.node != state.node);
                state = next;
            }
            assert!(read <= most, "{form}, {rules} rules: {path} reads {read} nodes");
        }
    }
}

#[test]
fn many_subjects_do_not_multiply_with_many_rules() {
    let cells = |subjects| {
        let policy = Synthetic { subjects, ..Synthetic::new(Form::Tree, 2_000) };
        let source = Source::new("policy.conf", policy.text());
        let outcome = run(vec![source], &Settings::default(), &Limits::default(), Stage::Dfa);
        assert!(outcome.is_sound(), "{:?}", outcome.diagnostics.first());
        let compiled = outcome.dfa.expect("sound");
        compiled.rows.rows().map(|row| compiled.rows.differences(row).len()).sum::<usize>()
    };
    assert_eq!(cells(3), cells(500));
}

#[test]
fn patterns_that_multiply_are_named_in_time() {
    let source = Source::new("policy.conf", Synthetic::new(Form::Adversarial, 64).text());
    // A tenth of what is given by default, so that a build without optimisation is soon there.
    let mut limits = Limits::default();
    limits.automaton.set_items /= 10;
    let outcome = run(vec![source], &Settings::default(), &limits, Stage::Dfa);
    let error = outcome.diagnostics.iter().find(|found| found.is_limit()).expect("a limit is hit");
    assert_eq!(error.code, "E0504");
    assert!(outcome.tree.bytes(error.span()).starts_with(b"p, "), "the worst rule is named");
}

#[test]
fn a_large_policy_is_checked_in_time() {
    let source = Source::new("policy.conf", Synthetic::new(Form::Tree, 100_000).text());
    let before = clock_gettime(ClockId::ThreadCPUTime);
    let outcome = run(vec![source], &Settings::default(), &Limits::default(), Stage::Dfa);
    let after = clock_gettime(ClockId::ThreadCPUTime);
    assert!(outcome.is_sound());
    let milliseconds = (after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1_000_000;
    // Five times what it may take, and what an unoptimised build adds.
    let bound = if cfg!(debug_assertions) { 50_000 } else { 2_500 };
    assert!(milliseconds < bound, "{milliseconds} ms");
}
