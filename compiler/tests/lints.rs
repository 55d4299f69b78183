//! What lints say of random policies, checked by the reference evaluator: witnesses are what they are said to be, and
//! removing what never decides changes no decision.

use boesfs_abi::op::Op;
use boesfs_abi::request::{ArgValue, Request};
use boesfs_abi::verdict::Verdict;
use boesfs_compiler::diagnostic::Applicability;
use boesfs_compiler::lint::witnesses;
use boesfs_compiler::model::{Allow, Settings};
use boesfs_compiler::pipeline::{Limits, Outcome, Stage, run};
use boesfs_compiler::reference::Reference;
use boesfs_grammar::Source;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

const SUBJECTS: [&str; 4] = ["/bin/a", "/bin/b", "/bin/c", "/a/b"];
const PATHS: [&str; 14] = [
    "/", "/a", "/b", "/ab", "/a/a", "/a/b", "/a/b/a", "/b/a", "/b/ab", "/a/ab", "/ab/b", "/b/a/b", "/a/x",
    "/x",
];
const OPS: [Op; 7] = [Op::Lookup, Op::Open, Op::Read, Op::Write, Op::Unlink, Op::Create, Op::Exec];

fn line(nearest: bool) -> impl Strategy<Value = String> {
    let sub = select(&["/bin/a", "/bin/b", "any", "role", "/a/b"][..]);
    let literal = select(&PATHS[..]).prop_map(str::to_owned);
    let pattern =
        select(&["/a/**", "\"{/,/**}\"", "/*", "/**/b", "\"/a{,/**}\"", "/[ab]/*", "/a//b", "/b/**"][..]);
    let pattern = pattern.prop_map(str::to_owned);
    let path = if nearest { literal.boxed() } else { prop_oneof![literal, pattern].boxed() };
    let act = select(
        &["*", "read", "@base", "@read @write", "write", "@modify", "lookup open", "@use", "exec"][..],
    );
    let args = select(&["*", "*", "(<5)", "(3..9)", "(>=5)", "(&1)", "(4, 0)"][..]);
    let eft = select(&["allow", "deny"][..]);
    (0..3, sub, path, act, args, eft).prop_map(|(priority, sub, path, act, args, eft)| {
        let args = if act == "read" || act == "write" { args } else { "*" };
        let args = if args.contains(',') && !args.starts_with('(') {
            format!("\"{args}\"")
        } else {
            args.to_owned()
        };
        format!("p, {priority}, {sub}, {path}, {act}, {args}, {eft}\n")
    })
}

fn policy() -> impl Strategy<Value = String> {
    let effects = [
        "some(where (p.eft == allow)) && !some(where (p.eft == deny))",
        "!some(where (p.eft == deny))",
        "some(where (p.eft == allow))",
        "priority(p.eft) || deny",
        "priority(p.eft) || allow",
        "subjectPriority(p.eft) || deny",
        "nearest(!some(where (p.eft == deny)))",
        "nearest(some(where (p.eft == allow)) && !some(where (p.eft == deny)))",
    ];
    select(effects.to_vec()).prop_flat_map(|effect| {
        let nearest = effect.starts_with("nearest");
        vec(line(nearest), 1..8).prop_map(move |lines| {
            let path = if nearest { "within(r.obj, p.obj)" } else { "pathMatch(r.obj, p.obj)" };
            format!(
                "[request_definition]\nr = sub, obj, act, args\n\n[policy_definition]\np = priority, sub, obj, act, args, eft\n\n\
                 [role_definition]\ng = _, _\n\n[policy_effect]\ne = {effect}\n\n[matchers]\n\
                 m = (p.sub == \"any\" || g(r.sub, p.sub)) && {path} && r.act == p.act && r.args == p.args\n\n\
                 [policy]\n{}g, /bin/b, role\n",
                lines.concat()
            )
        })
    })
}

fn checked(text: &[u8]) -> Outcome {
    let settings = Settings { allow: Allow::All, ..Settings::default() };
    run(vec![Source::new("policy", text)], &settings, &Limits::default(), Stage::Dfa)
}

/// Requests of a small world, every argument known.
fn requests() -> impl Iterator<Item = Request> {
    SUBJECTS.into_iter().flat_map(|sub| {
        PATHS.into_iter().flat_map(move |path| {
            OPS.into_iter().flat_map(move |op| {
                let lengths: &[u64] =
                    if matches!(op, Op::Read | Op::Write) { &[0, 4, 5, 9, 12] } else { &[0] };
                lengths.iter().map(move |len| {
                    let args = op.spec().args.iter().zip(0..);
                    let args = args.map(|(_, place)| ArgValue::Number(if place == 0 { *len } else { 0 }));
                    let request =
                        Request::new(sub.as_bytes(), path.as_bytes(), op).expect("a canonical path");
                    request.with_args(args.collect()).expect("numbers")
                })
            })
        })
    })
}

/// The policy without the rules that lints offer to remove.
fn without_idle(outcome: &Outcome) -> Vec<u8> {
    let mut edits: Vec<_> = outcome
        .diagnostics
        .iter()
        .flat_map(|found| &found.fixes)
        .filter(|fix| fix.applicability == Applicability::MachineApplicable && fix.title == "remove the rule")
        .flat_map(|fix| &fix.edits)
        .collect();
    edits.sort_by_key(|edit| std::cmp::Reverse(edit.span.start));
    let mut text = outcome.tree.sources[0].bytes.clone();
    for edit in edits {
        text.splice(edit.span.start as usize..edit.span.end as usize, edit.text.iter().copied());
    }
    text
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn witnesses_show_what_is_said(text in policy()) {
        let outcome = checked(text.as_bytes());
        let (Some(model), Some(rules), Some(dfa)) = (&outcome.model, &outcome.rules, &outcome.dfa) else {
            return Err(TestCaseError::fail(format!("{:?}", outcome.diagnostics)));
        };
        let reference = Reference::new(model);
        for witness in witnesses(&outcome.tree, model, rules, dfa) {
            let decision = reference.decide(&witness.request);
            let about = format!("{witness:?}\n{decision:?}\n{text}");
            if let Some(decider) = witness.decider {
                prop_assert_eq!(decision.rule, Some(decider), "{}", about);
            }
            match witness.lint {
                "shadowed-rule" | "conflicting-rules" | "tied-priority" => {
                    let alone = reference.decide_by(&witness.request, [witness.rule]);
                    prop_assert_eq!(alone.rule, Some(witness.rule), "{}", about);
                }
                "hidden-by-star" | "inert-exception" => prop_assert_eq!(decision.verdict, Verdict::Deny, "{}", about),
                "unreachable-allow" => {
                    prop_assert_eq!(decision.verdict, Verdict::Allow, "{}", about);
                    let effective = reference.effective(b"/", &witness.request);
                    prop_assert_eq!(effective.verdict, Verdict::Deny, "{}", about);
                }
                "replaceable" | "freed-by-nearest" | "deny-by-program" | "writable-subject" => {
                    prop_assert_eq!(decision.verdict, Verdict::Allow, "{}", about);
                }
                other => prop_assert!(false, "unknown witness of {}", other),
            }
        }
    }

    #[test]
    fn what_never_decides_may_go(text in policy()) {
        let outcome = checked(text.as_bytes());
        let Some(model) = &outcome.model else {
            return Err(TestCaseError::fail(format!("{:?}", outcome.diagnostics)));
        };
        let shorter = checked(&without_idle(&outcome));
        let less = shorter.model.as_ref().expect("a policy with fewer rules");
        let (before, after) = (Reference::new(model), Reference::new(less));
        let rules_of = |codes: &[&str]| -> Vec<usize> { outcome
            .diagnostics
            .iter()
            .filter(|found| codes.contains(&found.code))
            .filter_map(|found| model.rules.iter().position(|rule| {
                rule.span.start <= found.span().start && found.span().end <= rule.span.end
            }))
            .collect() };
        let idle = rules_of(&["W0401", "W0402", "W0403", "W0404", "W0405"]);
        let unreachable = rules_of(&["W0407"]);
        for request in requests() {
            let (one, other) = (before.decide(&request), after.decide(&request));
            prop_assert_eq!(one.verdict, other.verdict, "{:?}\n{}", request, text);
            let decides = one.rule.is_some_and(|rule| idle.contains(&rule));
            let got_to = one.rule.is_some_and(|rule| unreachable.contains(&rule));
            let calls = matches!(request.op(), Op::Read | Op::Open | Op::Unlink | Op::Create | Op::Lookup);
            if got_to && calls && one.verdict == Verdict::Allow {
                let effective = before.effective(b"/", &request);
                prop_assert_eq!(effective.verdict, Verdict::Deny, "{:?} gets to a rule\n{}", request, text);
            }
            prop_assert!(!decides, "{:?} is decided by a rule that was said not to\n{}", request, text);
        }
    }
}
