//! Random policies, small enough for a small universe.

use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop_oneof};
use proptest::sample::select;

/// A policy's text.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    pub(crate) head: String,
    pub(crate) rules: Vec<String>,
    pub(crate) tail: Vec<String>,
}

impl Text {
    pub(crate) fn whole(&self) -> String {
        format!("{}[policy]\n{}\n{}\n", self.head, self.rules.join("\n"), self.tail.join("\n"))
    }
}

const PATTERNS: &[&str] = &[
    "/a",
    "/a/b",
    "/a/**",
    "/a/*",
    "/**/.env",
    "/**/*.txt",
    "/ab",
    "/a*",
    "/b/.env",
    "/**",
    "/a/b/**",
    "/[ab]",
];
const LITERALS: &[&str] = &["/", "/a", "/a/b", "/b", "/ab", "/a/b/c"];
const ACTS: &[(&str, &str)] = &[
    ("read", "*"),
    ("read", "\"(5, *)\""),
    ("read", "\"(1..10, !=7)\""),
    ("write", "\"(*, >4)\""),
    ("*", "*"),
    ("@base", "*"),
    ("read write", "\"(&3, *)\""),
    ("open", "\"(&1)\""),
    ("rename", "\"(/a/**)\""),
    ("symlink", "\"(/a)\""),
    ("setattr", "\"(*, 0)\""),
    ("setattr", "\"(*, !=1)\""),
    ("llseek", "\"(<0, *)\""),
    ("exec", "*"),
    ("lookup", "*"),
];
const EFFECTS: &[&str] = &[
    "some(where (p.eft == allow))",
    "!some(where (p.eft == deny))",
    "some(where (p.eft == allow)) && !some(where (p.eft == deny))",
    "priority(p.eft) || deny",
    "priority(p.eft) || allow",
];
const SUBJECTS: &[&str] = &["/bin/a", "a", "role", "b", "/usr/c"];

fn rule(objects: &'static [&'static str]) -> impl Strategy<Value = String> {
    (select(SUBJECTS), select(objects), select(ACTS), select(&["allow", "deny"][..]))
        .prop_map(|(sub, obj, (act, args), eft)| format!("p, {sub}, {obj}, {act}, {args}, {eft}"))
}

fn casbin() -> impl Strategy<Value = Text> {
    let by_pattern = (
        select(&["pathMatch(r.obj, p.obj)", "keyMatch(r.obj, p.obj)", "globMatch(r.obj, p.obj)"][..]),
        vec(rule(PATTERNS), 1..6),
    );
    let by_literal = (
        select(&["r.obj == p.obj", "under(r.obj, p.obj)", "within(r.obj, p.obj)"][..]),
        vec(rule(LITERALS), 1..6),
    );
    let objects = prop_oneof![by_pattern, by_literal];
    let caller = select(&["", " && (r.uid != 0 || p.eft == \"deny\")", " && r.kind != \"dir\""][..]);
    let edges = vec((select(&["/bin/a", "b", "/opt/a"][..]), select(&["role", "top"][..])), 0..3);
    (select(EFFECTS), objects, caller, edges, any::<bool>()).prop_map(
        |(effect, (object, rules), caller, edges, roles)| {
            let caller = if caller.contains("eft") { " && r.uid < 1000" } else { caller };
            let subject = if roles { "g(r.sub, p.sub)" } else { "r.sub == p.sub" };
            let head = format!(
                "[request_definition]\nr = sub, obj, act, args, uid, kind\n[policy_definition]\np = sub, obj, act, args, \
                 eft\n[role_definition]\ng = _, _\n[policy_effect]\ne = {effect}\n[matchers]\nm = {subject} && \
                 {object} && r.act == p.act && r.args == p.args{caller}\n"
            );
            let tail = edges.into_iter().map(|(member, role)| format!("g, {member}, {role}")).collect();
            Text { head, rules, tail }
        },
    )
}

fn boesfs() -> impl Strategy<Value = Text> {
    let acts = &[
        ("read", "(5, 0)"),
        ("read", "*"),
        ("open", "*"),
        ("open", "(1)"),
        ("setattr", "*"),
        ("*", "*"),
        ("lookup", "*"),
        ("symlink", "(/a)"),
    ][..];
    let rule =
        (select(&["a", "b", "/bin/a"][..]), select(LITERALS), select(acts), any::<bool>(), any::<bool>())
            .prop_map(|(sub, obj, (act, args), dir, deny)| {
                let (dir, eft) = (if dir { "dir" } else { "file" }, if deny { "deny" } else { "allow" });
                format!("p, {sub}, {obj}, {act}, {args}, {dir}, {eft}")
            });
    (select(&EFFECTS[..3]), vec(rule, 1..6)).prop_map(|(effect, rules)| {
        let head = format!(
            "[request_definition]\nr = sub, obj, act, args\n[policy_definition]\np = sub, obj, act, args\n[policy_effect]\ne \
             = {effect}\n[matchers]\nm = r.sub == p.sub && r.obj == p.obj && r.act == p.act && r.args == p.args\n"
        );
        Text { head, rules, tail: Vec::new() }
    })
}

/// Policies of both shapes.
pub(crate) fn policy() -> impl Strategy<Value = Text> {
    prop_oneof![3 => casbin(), 1 => boesfs()]
}
