//! Every case on every engine that needs no sandbox, and that the cases are enough.

use std::collections::HashSet;

use boesfs_abi::op::{Coverage, OPS, Op};
use boesfs_abi::verdict::Verdict;
use boesfs_testbench::case::{self, Expected};
use boesfs_testbench::engine::{PURE, RealPlane};
use boesfs_testbench::{provokable, suite};

fn pure() -> Vec<String> {
    PURE.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn pure_engines_pass_every_case() {
    let cases = case::embedded().unwrap();
    assert!(cases.len() >= 40, "only {} cases", cases.len());
    let report = suite::run(&cases, &pure());
    print!("{report}");
    assert_eq!(report.failed(), 0, "{report}");
    for (engine, tally) in report.rows() {
        let may_be_absent = engine == "bpf" && !tally.skipped.is_empty();
        assert!(tally.passed > 0 || may_be_absent, "{engine} has answered nothing");
    }
}

#[test]
fn every_example_is_run_by_a_case() {
    let cases = case::embedded().unwrap();
    for example in case::examples().filter(|name| name.ends_with(".conf") && *name != "demo.conf") {
        let text = case::example(example).unwrap();
        assert!(cases.iter().any(|case| case.source.policy == text), "no case runs {example}");
    }
}

#[test]
fn every_operation_is_denied_and_allowed_on_each_plane_that_enforces_it() {
    let cases = case::embedded().unwrap();
    for plane in [RealPlane::Fuse, RealPlane::Lsm] {
        let mut seen: HashSet<(Op, Verdict)> = HashSet::new();
        for case in cases.iter().filter(|case| case.name.starts_with(suite::PLANES)) {
            let Expected::Decides(asked) = &case.expected else { continue };
            for asked in asked {
                let Ok(question) = &asked.question else { continue };
                if provokable(&question.request, plane) {
                    seen.insert((question.request.op(), asked.verdict));
                }
            }
        }
        for spec in &OPS {
            if let Coverage::Unenforceable(_) = plane.coverage(spec.op) {
                continue;
            }
            for verdict in [Verdict::Allow, Verdict::Deny] {
                assert!(
                    seen.contains(&(spec.op, verdict)),
                    "no case provokes a {verdict} of {} on {}",
                    spec.name,
                    plane.name()
                );
            }
        }
    }
}

/// The policy that the documentation leads to is the one that all engines are asked about.
#[test]
fn the_policy_of_the_coding_agents_page_is_a_case() {
    let project = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let read = |file: &str| std::fs::read_to_string(project.join(file)).expect("the file can be read");
    let page = read("docs/coding-agent.md");
    let (_, rest) = page.split_once("```conf agent.conf\n").expect("the page shows the policy");
    let (shown, _) = rest.split_once("```").expect("the block ends");
    assert_eq!(shown, read("testbench/cases/agents/guarded-repository/policy.conf"));
}
