//! Policies in Casbin's shape.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Just, Strategy, any, prop_oneof};

use super::{Text, one_of};

const SUBJECTS: &[&str] = &["/usr/bin/git", "/opt/git", "git", "/bin/sh", "sh", "dev", "ops", "all", "*"];
const PATHS: &[&str] = &[
    "/",
    "/a",
    "/ab",
    "/a/b",
    "/a/b/c",
    "/a/bc",
    "/src",
    "/src/x.txt",
    "/src/.git",
    "/src/.git/hooks",
    "/b/a",
];
const ACTS: &[&str] = &[
    "read",
    "write",
    "lookup",
    "open",
    "*",
    "@base",
    "@read",
    "@modify",
    "@use",
    "read write",
    "@meta exec",
    "unlink",
    "rename",
    "mkdir",
    "lookup2",
    "iterate @write",
];
/// Operations with tuples that fit them.
const TUPLES: &[(&str, &str)] = &[
    ("read", "(100)"),
    ("read", "(0..99, *)"),
    ("read", "(*, -10..10)"),
    ("read", "(!=4096, >=0)"),
    ("write", "(*, <0)"),
    ("read write", "(>100, 0)"),
    ("write", "(&0xff, !=7)"),
    ("create", "(&0o22)"),
    ("create mkdir", "(<=0o100644)"),
    ("mknod", "(*, 0)"),
    ("rename", "(/a/**)"),
    ("rename link", "(/a/b)"),
    ("link", "(/[ab]/*)"),
    ("symlink", "(../x)"),
    ("symlink", "(/a*)"),
    ("setattr", "(!=5, 0)"),
    ("setattr", "(*, *, 1000..2000)"),
    ("llseek", "(>=10, 1)"),
    ("mmap", "(*, *, &4)"),
    ("mmap", "(*, *, 3, 1)"),
    ("ioctl", "(0x5401)"),
    ("fsync", "(1)"),
    ("open", "(&0x3)"),
    ("unlink", "*"),
    ("*", "*"),
    ("lookup", "(0)"),
    ("getattr", "(*)"),
];

/// How a rule's path is compared, with texts that fit.
#[derive(Clone, Copy, Debug)]
struct PathTest {
    condition: &'static str,
    texts: &'static [&'static str],
    /// Whether it makes an entry under `nearest`.
    entry: bool,
}

const PATH_TESTS: &[PathTest] = &[
    PathTest { condition: "r.obj == p.obj", texts: PATHS, entry: true },
    PathTest { condition: "under(r.obj, p.obj)", texts: PATHS, entry: true },
    PathTest { condition: "within(r.obj, p.obj)", texts: PATHS, entry: true },
    PathTest { condition: "!within(r.obj, p.obj)", texts: PATHS, entry: false },
    PathTest { condition: "(under(r.obj, p.obj) || r.obj == \"/src/x.txt\")", texts: PATHS, entry: true },
    PathTest { condition: "(within(r.obj, p.obj) && r.obj != \"/a/b\")", texts: PATHS, entry: false },
    PathTest {
        condition: "keyMatch(r.obj, p.obj)",
        texts: &["/a*", "/a/*", "/src/*", "/a/*/c", "*", "/ab", "/src/.git*"],
        entry: false,
    },
    PathTest {
        condition: "keyMatch2(r.obj, p.obj)",
        texts: &["/a/*", "/:x/b", "/src/:file", "/a/:x/c", "/src/x.txt"],
        entry: false,
    },
    PathTest {
        condition: "keyMatch3(r.obj, p.obj)",
        texts: &["/a/*", "/{x}/b", "/src/{file}", "/a/{x}/c"],
        entry: false,
    },
    PathTest {
        condition: "keyMatch5(r.obj, p.obj)",
        texts: &["/a/*", "/{x}/b", "/src/{file}", "/a/{x}/c"],
        entry: false,
    },
    PathTest {
        condition: "pathMatch(r.obj, p.obj)",
        texts: &[
            "/**",
            "/a/*",
            "/**/*.txt",
            "\"/**/.git/hooks{,/**}\"",
            "/?/b",
            "/[ab]/**",
            "/[!a]*",
            "\"/{a,src}/**\"",
            "/a/**/c",
            "/s*c/?.txt",
            "\"{/,/**}\"",
        ],
        entry: false,
    },
    PathTest {
        condition: "regexMatch(r.obj, p.obj)",
        texts: &["^/a", "txt$", "/b", "^/(a|src)/[^/]+$", "\"^/.{1,3}$\"", "git"],
        entry: false,
    },
    PathTest {
        condition: "globMatch(r.obj, p.obj)",
        texts: &["/a/*", "/*/b", "/src/*.txt", "/[ab]/*"],
        entry: false,
    },
];

const SUBJECT_TESTS: &[&str] = &[
    "r.sub == p.sub",
    "g(r.sub, p.sub)",
    "(r.sub == p.sub || p.sub == \"*\")",
    "(g(r.sub, p.sub) || p.sub == \"*\")",
    "r.sub != p.sub",
    "(p.sub == \"*\" || r.sub in (\"/bin/sh\", \"git\"))",
];
const ACT_TESTS: &[&str] =
    &["r.act == p.act", "r.act in (p.act)", "(r.act == p.act || r.act == \"exec\")", "!(r.act != p.act)"];
const ARG_TESTS: &[&str] = &[
    "r.args == p.args",
    "(r.act != \"write\" || r.args.offset >= 100)",
    "r.args.len > 4095",
    "!(r.args.mode == 420)",
    "(r.args.len in (1, 2, 100) || r.args == p.args)",
];
const CALLER_TESTS: &[&str] = &[
    "r.uid != 0",
    "(r.uid < 1000 || r.gid == 100)",
    "r.kind == \"file\"",
    "r.kind in (\"dir\", \"symlink\")",
    "!(r.kind == \"dir\" && r.uid == 0)",
];
const EFFECTS: &[(&str, bool)] = &[
    ("some(where (p.eft == allow))", true),
    ("!some(where (p.eft == deny))", true),
    ("some(where (p.eft == allow)) && !some(where (p.eft == deny))", true),
    ("priority(p.eft) || deny", false),
    ("priority(p.eft) || allow", false),
    ("subjectPriority(p.eft) || deny", false),
];
const ROLES: &[&str] = &["/usr/bin/git", "git", "/bin/sh", "sh", "dev", "ops", "all"];

#[derive(Clone, Debug)]
struct Rule {
    priority: i8,
    sub: &'static str,
    path: proptest::sample::Index,
    act: &'static str,
    tuple: (&'static str, &'static str),
    deny: bool,
}

fn rule() -> impl Strategy<Value = Rule> {
    (
        -2_i8..4,
        one_of(SUBJECTS),
        any::<proptest::sample::Index>(),
        one_of(ACTS),
        proptest::sample::select(TUPLES),
        any::<bool>(),
    )
        .prop_map(|(priority, sub, path, act, tuple, deny)| Rule {
            priority,
            sub,
            path,
            act,
            tuple,
            deny,
        })
}

#[derive(Clone, Debug)]
struct Matcher {
    subject: Option<&'static str>,
    path: Option<PathTest>,
    act: Option<&'static str>,
    args: Option<&'static str>,
    caller: Option<&'static str>,
}

fn matcher() -> impl Strategy<Value = Matcher> {
    let often = |words| option::weighted(0.85, one_of(words));
    let seldom = |words| option::weighted(0.2, one_of(words));
    (
        often(SUBJECT_TESTS),
        option::weighted(0.9, proptest::sample::select(PATH_TESTS)),
        often(ACT_TESTS),
        seldom(ARG_TESTS),
        seldom(CALLER_TESTS),
    )
        .prop_map(|(subject, path, act, args, caller)| Matcher { subject, path, act, args, caller })
}

/// Edges from an earlier name to a later one, so that there is no cycle.
fn edges() -> impl Strategy<Value = Vec<(usize, usize)>> {
    let edge = (0..ROLES.len() - 1).prop_flat_map(|from| (Just(from), from + 1..ROLES.len()));
    vec(edge, 0..8)
}

pub(super) fn policy() -> impl Strategy<Value = Text> {
    let effect = (proptest::sample::select(EFFECTS), prop_oneof![3 => Just(false), 1 => Just(true)]);
    (effect, any::<bool>(), matcher(), vec(rule(), 0..10), edges()).prop_map(
        |((effect, nearest), column, matcher, rules, edges)| {
            text(effect, nearest, column, &matcher, &rules, &edges)
        },
    )
}

fn text(
    (effect, may_be_nearest): (&str, bool),
    nearest: bool,
    column: bool,
    matcher: &Matcher,
    rules: &[Rule],
    edges: &[(usize, usize)],
) -> Text {
    let nearest = nearest && may_be_nearest && matcher.path.is_some_and(|path| path.entry);
    let by_column = column && effect.starts_with("priority");
    let tuples = matcher.args.is_some_and(|test| test.contains("p.args"));
    // A tuple must fit every operation its rule matches, so the rule must say which.
    let act = if tuples { Some("r.act == p.act") } else { matcher.act };
    let conditions: Vec<&str> =
        [matcher.subject, matcher.path.map(|path| path.condition), act, matcher.args, matcher.caller]
            .into_iter()
            .flatten()
            .collect();
    let mut text = String::from("[request_definition]\nr = sub, obj, act, args, uid, gid, kind\n\n");
    let priority = if by_column { "priority, " } else { "" };
    let args = if tuples { ", args" } else { "" };
    text += &format!("[policy_definition]\np = {priority}sub, obj, act{args}, eft\n\n");
    text += "[role_definition]\ng = _, _\n\n";
    let effect = if nearest { format!("nearest({effect})") } else { effect.to_owned() };
    text += &format!("[policy_effect]\ne = {effect}\n\n");
    let conditions = if conditions.is_empty() { "true".to_owned() } else { conditions.join(" && ") };
    text += &format!("[matchers]\nm = {conditions}\n\n[policy]\n");
    for rule in rules {
        let path = matcher.path.map_or("/a", |path| *rule.path.get::<&str>(path.texts));
        let (act, tuple) = if tuples { rule.tuple } else { (rule.act, "") };
        let priority = if by_column { format!("{}, ", rule.priority) } else { String::new() };
        let tuple = if tuples { format!(", {tuple}") } else { String::new() };
        let eft = if rule.deny { "deny" } else { "allow" };
        text += &format!("p, {priority}{}, {path}, {act}{tuple}, {eft}\n", rule.sub);
    }
    for (member, role) in edges {
        text += &format!("g, {}, {}\n", ROLES[*member], ROLES[*role]);
    }
    Text(text)
}
