//! Random policies and requests near their rules: the terms decide as the reference does, and what is unknown denies
//! whenever some completion is denied.

use boesfs_abi::op::{ArgType, OPS, Op};
use boesfs_abi::request::{ArgValue, Kind, Request};
use boesfs_abi::verdict::Verdict;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::model;
use crate::reference::Reference;
use crate::rules::{Condition, Limits, Test, TestField, evaluate, lower};

const SUBJECTS: [&str; 8] =
    ["/bin/sh", "/usr/bin/git", "/usr/local/bin/git", "git", "sh", "dev", "ops", "/opt/dev"];
const OBJECTS: [&str; 14] = [
    "/",
    "/a",
    "/a/b",
    "/a/b/c",
    "/ab",
    "/a/x.txt",
    "/b",
    "/b/a",
    "/*",
    "/a/*",
    "/a/**",
    "/**/b",
    "\"/{a,b}/*\"",
    "keys",
];
const ACTIONS: [&str; 14] = [
    "mine",
    "mine write",
    "read",
    "write",
    "open",
    "lookup",
    "lookup2",
    "*",
    "@read",
    "@modify",
    "exec",
    "ioctl",
    "read write",
    "llseek",
];
const TUPLES: [&str; 13] = [
    "(/a/*)",
    "(/**/b)",
    "(/[ab]**)",
    "*",
    "(*)",
    "(5)",
    "(<5)",
    "(>=100)",
    "(!=5)",
    "(&6)",
    "(*,<0)",
    "(*,-5..5)",
    "(/a/b)",
];

const ATOMS: [&str; 37] = [
    "g4(r.act, \"reader\")",
    "r.uid != 5",
    "r.kind != \"dir\"",
    "r.sub == p.sub",
    "r.sub == p.sub",
    "g(r.sub, p.sub)",
    "g(r.sub, \"ops\")",
    "r.sub in (\"/bin/sh\", \"git\")",
    "r.sub != \"/bin/sh\"",
    "r.obj == p.obj",
    "r.obj == \"/a/b\"",
    "under(r.obj, \"/a\")",
    "within(r.obj, \"/a\")",
    "under(r.obj, \"/\")",
    "keyMatch(r.obj, p.obj)",
    "keyMatch(r.obj, p.obj)",
    "pathMatch(r.obj, p.obj)",
    "pathMatch(r.obj, p.obj)",
    "regexMatch(r.obj, \"b$|^/a.\")",
    "keyMatch2(r.obj, \"/a/:x\")",
    "g2(r.obj, p.obj)",
    "r.act == p.act",
    "r.act == p.act",
    "r.act == p.act",
    "r.act != \"@modify\"",
    "r.act in (\"read\", \"lookup2\")",
    "r.dom == \"d1\"",
    "g3(r.sub, p.sub, r.dom)",
    "r.args.len > 5",
    "r.args.offset <= -5",
    "r.args.flags != 5",
    "r.args.mode == 5",
    "r.args.new_path == \"/a/b\"",
    "r.args.target != \"/a/b\"",
    "r.uid >= 5",
    "r.kind in (\"dir\", \"fifo\")",
    "p.obj == \"/a\"",
];

const EFFECTS: [&str; 6] = [
    "some(where (p.eft == allow))",
    "!some(where (p.eft == deny))",
    "some(where (p.eft == allow)) && !some(where (p.eft == deny))",
    "priority(p.eft) || deny",
    "priority(p.eft) || allow",
    "subjectPriority(p.eft) || deny",
];

const NEAREST: [&str; 3] = [
    "nearest(some(where (p.eft == allow)))",
    "nearest(!some(where (p.eft == deny)))",
    "nearest(some(where (p.eft == allow)) && !some(where (p.eft == deny)))",
];

const NEAREST_MATCHERS: [&str; 5] = [
    "g(r.sub, p.sub) && within(r.obj, p.obj) && r.act == p.act",
    "r.sub == p.sub && (r.obj == p.obj || under(r.obj, \"/a\")) && r.act == p.act && r.args.len != 5",
    "(r.sub == p.sub || r.uid == 5) && under(r.obj, p.obj) && r.act == p.act",
    "r.sub == p.sub && r.act == p.act",
    "(p.sub == \"git\" && r.obj in (p.obj, \"/a/b\") || p.sub != \"git\" && under(r.obj, \"/\")) && !(r.act == p.act)",
];

const ROLES: &str = "g, git, dev\ng, /bin/sh, ops\ng, dev, ops\ng2, /a/b, keys\ng2, /b, keys\n\
                     g3, git, ops, d1\ng3, /bin/sh, dev, d2\n\
                     g4, read, reader\ng4, lookup2, reader\na, mine, read, (5)\na, mine, @make, (*)\n";

fn formula() -> impl Strategy<Value = String> {
    let leaf = select(&ATOMS[..]).prop_map(str::to_owned);
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            3 => prop::collection::vec(inner.clone(), 2..5).prop_map(|parts| format!("({})", parts.join(" && "))),
            2 => prop::collection::vec(inner.clone(), 2..4).prop_map(|parts| format!("({})", parts.join(" || "))),
            1 => inner.prop_map(|part| format!("!({part})")),
        ]
    })
}

fn with_tuple() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => formula(),
        1 => formula().prop_map(|rest| format!("r.act == p.act && r.args == p.args && {rest}")),
        1 => formula().prop_map(|rest| format!("!(r.args == p.args) && {rest}")),
        1 => Just("g(r.sub, p.sub) && keyMatch(r.obj, p.obj) && r.act == p.act && r.args == p.args".to_owned()),
    ]
}

fn casbin() -> impl Strategy<Value = String> {
    let rule = (
        select(vec!["-1", "0", "3"]),
        select(&SUBJECTS[..]),
        select(&OBJECTS[..]),
        select(&ACTIONS[..]),
        select(&TUPLES[..]),
        select(vec!["allow", "deny"]),
    );
    let matching = prop_oneof![
        3 => (with_tuple(), select(&EFFECTS[..])),
        1 => (select(&NEAREST_MATCHERS[..]).prop_map(str::to_owned), select(&NEAREST[..])),
    ];
    (matching, prop::collection::vec(rule, 0..8)).prop_map(|((matcher, effect), rules)| {
        let tuples = matcher.contains("p.args");
        let priority = effect.starts_with("priority");
        let mut text = String::from("[request_definition]\nr = sub, obj, act, args, dom, uid, kind\n");
        text += &format!(
            "[policy_definition]\np = {}sub, obj, act{}, eft\n[role_definition]\ng = _, _\ng2 = _, _\ng3 = _, _, _\ng4 = _, _\na = _, _; _, _\n",
            if priority { "priority, " } else { "" },
            if tuples { ", args" } else { "" }
        );
        text += &format!("[policy_effect]\ne = {effect}\n[matchers]\nm = {matcher}\n[policy]\n{ROLES}");
        for (level, sub, obj, act, tuple, eft) in rules {
            let level = if priority { format!("{level}, ") } else { String::new() };
            // A tuple must fit each of its operations; where it is drawn, they are few.
            let (act, tuple) = match (tuples, tuple) {
                (false, _) => (act, String::new()),
                (true, "*" | "(*)") => (act, format!(", {tuple}")),
                (true, "(/a/b)" | "(/a/*)" | "(/**/b)" | "(/[ab]**)") => ("link", format!(", {tuple}")),
                (true, "(<5)") => ("llseek", format!(", {tuple}")),
                (true, "(&6)") => ("open", format!(", {tuple}")),
                (true, _) => ("read write", format!(", {tuple}")),
            };
            text += &format!("p, {level}{sub}, {obj}, {act}{tuple}, {eft}\n");
        }
        text
    })
}

fn boesfs() -> impl Strategy<Value = String> {
    let rule = (
        select(vec!["git", "/bin/sh", "R", "zsh"]),
        select(vec!["/", "/a", "/a/b", "/a/b/c", "/ab", "/b"]),
        select(vec!["read", "write", "open", "lookup", "setattr", "default", "*"]),
        select(vec!["(*)", "(5,*)", "(*,5)", "(5)"]),
        select(vec!["file", "dir"]),
        select(vec!["allow", "deny"]),
    );
    let matcher = select(vec![
        ("sub, obj, act", "r.sub == p.sub && r.obj == p.obj && r.act == p.act"),
        ("sub, obj, act", "g(r.sub, p.sub) && r.obj == p.obj && r.act == p.act"),
        ("sub, obj", "r.sub == p.sub && r.obj == p.obj"),
        ("obj, act", "r.obj == p.obj && r.act == p.act"),
        ("sub, obj, act, args", "r.sub == p.sub && r.obj == p.obj && r.act == p.act && r.args == p.args"),
    ]);
    (matcher, select(&EFFECTS[..3]), prop::collection::vec(rule, 1..8)).prop_map(
        |((columns, matcher), effect, rules)| {
            let mut text = format!(
                "[request_definition]\nr = {columns}\n[policy_definition]\np = {columns}\n[role_definition]\n\
                 g = _, _\n[policy_effect]\ne = {effect}\n[matchers]\nm = {matcher}\n[policy]\ng, git, R\ng, R, S\n"
            );
            for (sub, obj, act, tuple, scope, eft) in rules {
                let mut line = vec!["p"];
                for column in columns.split(", ") {
                    line.push(match column {
                        "sub" => sub,
                        "obj" => obj,
                        "act" => if columns.contains("args") { "read" } else { act },
                        _ => tuple,
                    });
                }
                line.extend([scope, eft]);
                text += &format!("{}\n", line.join(", "));
            }
            text
        },
    )
}

/// Numbers near those the policies test.
const NUMBERS: [i64; 12] = [0, 4, 5, 6, 7, 99, 100, -4, -5, -6, i64::MAX, i64::MIN];
const IDS: [u32; 5] = [0, 4, 5, 6, u32::MAX];

fn value(ty: ArgType, op: Op, draw: Index) -> ArgValue {
    if op == Op::Setattr && draw.index(5) == 0 {
        return ArgValue::Absent;
    }
    match ty {
        ArgType::Unsigned | ArgType::Signed => {
            ArgValue::Number(NUMBERS[draw.index(NUMBERS.len())].cast_unsigned())
        }
        ArgType::Path | ArgType::Text => ArgValue::Bytes([&b"/a/b"[..], b"/c"][draw.index(2)].to_vec()),
    }
}

#[derive(Clone, Debug)]
struct Asked {
    request: Request,
    draws: Vec<Index>,
}

impl Asked {
    /// The request with other values where `these` says so.
    fn redrawn(&self, draws: &[Index], these: impl Fn(usize) -> bool) -> Request {
        let old = &self.request;
        let mut request = Request::new(old.sub(), old.obj(), old.op()).unwrap();
        let args = old.op().spec().args.iter().enumerate().map(|(i, spec)| {
            if these(i) { value(spec.ty, old.op(), draws[i]) } else { old.args()[i].clone() }
        });
        request = request.with_args(args.collect()).unwrap();
        if let Some(dom) = old.dom() {
            request = request.in_domain(dom);
        }
        request.uid = if these(4) { Some(IDS[draws[4].index(IDS.len())]) } else { old.uid };
        request.gid = old.gid;
        request.kind = if these(5) { Some(Kind::ALL[draws[5].index(7)]) } else { old.kind };
        request
    }

    /// The request without those values.
    fn blanked(&self, these: impl Fn(usize) -> bool) -> Request {
        let old = &self.request;
        let mut request = Request::new(old.sub(), old.obj(), old.op()).unwrap();
        let blank = |(i, value): (usize, &ArgValue)| if these(i) { ArgValue::Unknown } else { value.clone() };
        request = request.with_args(old.args().iter().enumerate().map(blank).collect()).unwrap();
        if let Some(dom) = old.dom() {
            request = request.in_domain(dom);
        }
        request.uid = old.uid.filter(|_| !these(4));
        request.gid = old.gid;
        request.kind = old.kind.filter(|_| !these(5));
        request
    }
}

fn draws() -> impl Strategy<Value = Vec<Index>> {
    prop::collection::vec(any::<Index>(), 6)
}

fn asked() -> impl Strategy<Value = Asked> {
    let objects = vec!["/", "/a", "/a/b", "/a/b/c", "/ab", "/a/x.txt", "/b", "/b/a", "/c", "/*"];
    let doms = select(vec![None, Some("d1"), Some("d2"), Some("zz")]);
    (select(&SUBJECTS[..]), select(objects), 0..OPS.len(), doms, draws()).prop_map(
        |(sub, obj, op, dom, draws)| {
            let mut request = Request::new(sub.as_bytes(), obj.as_bytes(), OPS[op].op).unwrap();
            if let Some(dom) = dom {
                request = request.in_domain(dom.as_bytes());
            }
            request.gid = Some(0);
            let asked = Asked { request, draws };
            let request = asked.redrawn(&asked.draws, |_| true);
            Asked { request, ..asked }
        },
    )
}

/// Whether `op` has a value of the type that `test` is of.
fn fits(op: Op, test: &Test) -> bool {
    let TestField::Arg(place) = test.field else { return true };
    let numbers = matches!(test.condition, Condition::Between(..) | Condition::AnyBit(_));
    op.spec().args.get(usize::from(place)).is_some_and(|arg| match arg.ty {
        ArgType::Unsigned | ArgType::Signed => numbers,
        ArgType::Path | ArgType::Text => !numbers,
    })
}

fn agree(policy: &str, requests: &[Asked], others: &[Vec<Index>]) -> Result<(), TestCaseError> {
    let Ok(model) = model(None, policy) else { return Ok(()) };
    let rules = lower(&model, &Limits::default());
    prop_assert!(rules.is_ok(), "{policy}\n{:?}", rules.err());
    let rules = rules.unwrap();
    for term in rules.rules.iter().flat_map(|rule| &rule.terms) {
        for (op, test) in term.ops.iter().flat_map(|op| term.tests.iter().map(move |test| (op, test))) {
            prop_assert!(fits(op, test), "{policy}\n{op} has no {test:?}");
        }
    }
    let reference = Reference::new(&model);
    let boesfs = model.shape == crate::model::Shape::Boesfs;
    for asked in requests {
        if boesfs && matches!(asked.request.op(), Op::Exec | Op::Ioctl) {
            continue;
        }
        let decision = reference.decide(&asked.request);
        prop_assert!(!decision.unknown);
        prop_assert_eq!(
            evaluate::decide(&rules, &asked.request),
            (decision.verdict, decision.rule),
            "{}\n{:?}\n{:#?}",
            policy,
            asked.request,
            rules
        );
        let these = |i: usize| asked.draws[i].index(2) == 0;
        let blanked = asked.blanked(these);
        let open = reference.decide(&blanked);
        for draws in others {
            let completed = asked.redrawn(draws, these);
            let closed = reference.decide(&completed);
            let denied = closed.verdict == Verdict::Deny;
            prop_assert!(
                !denied || open.verdict == Verdict::Deny,
                "{}\n{:?} is allowed\n{:?} is denied",
                policy,
                blanked,
                completed
            );
            prop_assert!(
                denied || open.verdict == Verdict::Allow || open.unknown,
                "{}\n{:?} is denied, not for want of knowledge\n{:?} is allowed",
                policy,
                blanked,
                completed
            );
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn casbin_policies(
        policy in casbin(),
        requests in prop::collection::vec(asked(), 12),
        others in prop::collection::vec(draws(), 4),
    ) {
        agree(&policy, &requests, &others)?;
    }

    #[test]
    fn boesfs_policies(
        policy in boesfs(),
        requests in prop::collection::vec(asked(), 12),
        others in prop::collection::vec(draws(), 4),
    ) {
        agree(&policy, &requests, &others)?;
    }
}

#[test]
fn most_random_policies_are_policies() {
    use proptest::strategy::ValueTree as _;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut taken = [0, 0];
    let mut refused = Vec::new();
    for _ in 0..200 {
        for (kind, policy) in [(0, casbin().boxed()), (1, boesfs().boxed())] {
            match model(None, &policy.new_tree(&mut runner).unwrap().current()) {
                Ok(_) => taken[kind] += 1,
                Err(messages) => refused.extend(messages),
            }
        }
    }
    assert!(taken[0] > 120 && taken[1] > 120, "{taken:?} of 200 each: {refused:#?}");
}
