//! Policies in the whole language: every effect, relation, path function, tuple and field, what `eval` holds, types
//! with fallbacks, and options. Each rule has a condition of its own, so that one policy mixes them.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::{Index, select};

use super::Text;

const SUBJECTS: &[&str] =
    &["/usr/bin/git", "git", "/opt/git", "/bin/sh", "sh", "dev", "ops", "all", "*", "*", "/bin/dev"];
const PATHS: &[&str] =
    &["/", "/a", "/ab", "/a/b", "/a/b/c", "/src", "/src/x.txt", "/src/.git", "/b/a", "keys"];
const DOMAINS: &[&str] = &["d1", "d2", "*"];

/// Operations with tuples that fit them.
const TUPLES: &[(&str, &[&str])] = &[
    (
        "read",
        &[
            "(100)",
            "(0..99, *)",
            "(*, -10..10)",
            "(!=4096, >=0)",
            "*",
            "(0x10, 0o17)",
            "(>=18446744073709551615)",
        ],
    ),
    ("write", &["(*, <0)", "(&0xff, !=7)", "(*)", "(<=5, -9223372036854775808..-1)"]),
    ("read write", &["(>100, 0)", "(5)", "(*, &1)"]),
    ("create mkdir", &["(<=0o100644)", "(&0o22)"]),
    ("mknod", &["(*, 0)", "(&0o60000, >=256)"]),
    ("rename link", &["(/a/b)", "(/a/**)", "(/[ab]/*)"]),
    ("symlink", &["(../x)", "(/a*)", "(*)"]),
    ("setattr", &["(!=5, 0)", "(*, *, 1000..2000)", "(&0o4000)"]),
    ("llseek", &["(>=10, 1)", "(-1)"]),
    ("mmap", &["(*, *, &4)", "(*, *, 3, 1)", "(4096, !=0)"]),
    ("ioctl", &["(0x5401)", "(!=0x5401)"]),
    ("open", &["(&0x3)", "(0)", "(!=0)"]),
    ("fsync", &["(1)"]),
    ("*", &["*"]),
    ("@read @meta", &["*"]),
    ("mine", &["*", "(*)"]),
    ("mine unlink", &["*"]),
    ("light", &["*"]),
    ("lookup", &["(0)", "*"]),
    ("lookup2", &["*"]),
    ("exec", &["(*)"]),
    ("none", &["*"]),
    ("@base", &["*"]),
    ("@use", &["*"]),
];

/// Conditions that a rule holds as text; single quotes, so that the field can be quoted.
const CONDITIONS: &[&str] = &[
    "true",
    "true",
    "true",
    "true",
    "true",
    "true",
    "true",
    "true",
    "pathMatch(r.obj, '/a/**')",
    "pathMatch(r.obj, '/**/{b,.git}{,/**}')",
    "!pathMatch(r.obj, '/[!a]*')",
    "pathMatch(r.obj, '/\\\\**')",
    "keyMatch(r.obj, '/a*')",
    "keyMatch2(r.obj, '/:x/b')",
    "keyMatch2(r.obj, '/a.b')",
    "keyMatch3(r.obj, '/a/{x}/*')",
    "keyMatch5(r.obj, '/{x}')",
    "globMatch(r.obj, '/*/b')",
    "globMatch(r.obj, '/a/**')",
    "regexMatch(r.obj, '^/.{1,2}$')",
    "regexMatch(r.obj, 'b|x.txt$')",
    "regexMatch(r.obj, '^/[^a]')",
    "regexMatch(r.act, '^(read|write)$')",
    "under(r.obj, '/a') || r.obj == '/src'",
    "within(r.obj, '/a/b') && r.obj != '/a/b/c'",
    "r.args.len > 5",
    "r.args.offset in (0, -1, 7)",
    "!(r.args.mode == 420)",
    "r.args.new_path != '/a/b' || r.act == 'link'",
    "r.args.target == '../x'",
    "r.uid != 0 && r.gid <= 1000",
    "r.kind in ('dir', 'symlink')",
    "r.kind != 'file'",
    "r.dom == 'd1'",
    "!(r.dom == p.dom)",
    "g3(r.sub, 'ops', r.dom)",
    "g3(r.sub, p.sub, p.dom)",
    "g2(r.obj, 'keys')",
    "g4(r.act, 'reader')",
    "g5(r.kind, 'named')",
    "r.act != '@modify'",
    "r.sub in ('/bin/sh', 'git')",
    "p.obj == '/a' || r.uid == 0",
    "p.level > 2 && r.act != 'read'",
    "r.act == 'light'",
    "r.act in ('light', 'unlink')",
];

const MATCHERS: &[&str] = &[
    "SUB && OBJ && r.act == p.act && r.args == p.args && DOM && eval(p.when)",
    "SUB && OBJ && r.act == p.act && r.args == p.args && eval(p.when)",
    "SUB && (OBJ && r.act == p.act || eval(p.when) && r.args == p.args && r.act == p.act)",
    "(SUB || r.uid == 0) && OBJ && !(r.act != p.act) && r.args == p.args && eval(p.when)",
    "a(r.act, p.act; r.args, p.args) && SUB && OBJ && eval(p.when)",
    "eval(p.when) && SUB && r.act in (p.act, 'fsync') && (r.args == p.args || r.act == 'fsync')",
];
const SUBJECT_TESTS: &[&str] = &[
    "r.sub == p.sub",
    "g(r.sub, p.sub)",
    "(g(r.sub, p.sub) || p.sub == '*')",
    "(g(r.sub, p.sub) || p.sub == '*')",
    "(p.sub == '*' || r.sub == p.sub)",
    "r.sub != p.sub",
    "g3(r.sub, p.sub, r.dom)",
    "(g3(r.sub, p.sub, p.dom) || g(r.sub, p.sub))",
];
const PATH_TESTS: &[&str] = &[
    "keyMatch(r.obj, p.obj)",
    "within(r.obj, p.path)",
    "under(r.obj, p.path)",
    "r.obj == p.path",
    "(r.obj == p.path || g2(r.obj, p.obj))",
    "!under(r.obj, p.path)",
];
const DOMAIN_TESTS: &[&str] = &["r.dom == p.dom", "(r.dom == p.dom || p.dom == '*')", "r.dom != p.dom"];
const NEAREST: &[&str] = &[
    "SUB && within(r.obj, p.path) && r.act == p.act && r.args == p.args",
    "SUB && r.obj == p.path && r.act == p.act && r.args == p.args && r.uid != 0",
    "SUB && (under(r.obj, p.path) || r.obj == '/a/b') && DOM && r.act == p.act && r.args == p.args",
    "SUB && r.act == p.act && r.args == p.args && DOM",
    "SUB && DOM && r.obj in (p.path, '/src') && !(r.act == p.act) && r.args.len != 5",
];
const PLAIN: &[&str] = &[
    "some(where (p.eft == allow))",
    "!some(where (p.eft == deny))",
    "some(where (p.eft == allow)) && !some(where (p.eft == deny))",
];
const ORDERED: &[&str] =
    &["priority(p.eft) || deny", "priority(p.eft) || allow", "subjectPriority(p.eft) || deny"];

/// Roles of programs, alone and in domains, of objects, of operations and of kinds.
const EDGES: &[&str] = &[
    "g, /usr/bin/git, dev",
    "g, git, ops",
    "g, /bin/sh, dev",
    "g, sh, all",
    "g, dev, ops",
    "g, ops, all",
    "g2, /a/b, keys",
    "g2, /src, keys",
    "g2, keys, vault",
    "g3, git, ops, d1",
    "g3, /bin/sh, dev, d2",
    "g3, dev, ops, d1",
    "g3, dev, ops, d2",
    "g4, read, reader",
    "g4, lookup2, reader",
    "g4, write, reader",
    "g5, dir, named",
    "g5, fifo, named",
];
const MEMBERS: &[&str] = &[
    "a, mine, read, (5)",
    "a, mine, @make, (*)",
    "a, mine, write, (*, <0)",
    "a, light, @read",
    "a, light, light fsync",
    "a, iterate, light, (*)",
];

#[derive(Clone, Debug)]
struct Rule {
    priority: i8,
    level: u8,
    sub: &'static str,
    path: &'static str,
    dom: &'static str,
    act: &'static str,
    tuple: &'static str,
    when: &'static str,
    deny: bool,
}

fn rule() -> impl Strategy<Value = Rule> {
    let act = (select(TUPLES), any::<Index>()).prop_map(|((act, tuples), at)| (act, *at.get(tuples)));
    (
        -2_i8..4,
        0_u8..5,
        select(SUBJECTS),
        select(PATHS),
        select(DOMAINS),
        act,
        select(CONDITIONS),
        any::<bool>(),
    )
        .prop_map(|(priority, level, sub, path, dom, (act, tuple), when, deny)| Rule {
            priority,
            level,
            sub,
            path,
            dom,
            act,
            tuple,
            when,
            deny,
        })
}

fn effect() -> impl Strategy<Value = (String, bool)> {
    prop_oneof![
        3 => select(PLAIN).prop_map(|effect| (effect.to_owned(), false)),
        3 => select(ORDERED).prop_map(|effect| (effect.to_owned(), false)),
        2 => select(PLAIN).prop_map(|effect| (format!("nearest({effect})"), true)),
    ]
}

/// A matcher with its holes filled in.
fn matcher(nearest: bool) -> impl Strategy<Value = String> {
    let forms = if nearest { NEAREST } else { MATCHERS };
    (select(forms), select(SUBJECT_TESTS), select(PATH_TESTS), select(DOMAIN_TESTS))
        .prop_map(|(form, sub, obj, dom)| form.replace("SUB", sub).replace("OBJ", obj).replace("DOM", dom))
}

pub(super) fn policy() -> impl Strategy<Value = Text> {
    let effect = effect().prop_flat_map(|(effect, nearest)| (Just(effect), matcher(nearest)));
    let options = option::of(select(
        &["moves = judged", "subject = entry", "compat = casbin-go", "compat = casbin-rs"][..],
    ));
    (
        effect,
        any::<bool>(),
        any::<bool>(),
        vec(rule(), 1..7),
        proptest::sample::subsequence(EDGES, 0..EDGES.len()),
        any::<bool>(),
        options,
    )
        .prop_map(|((effect, matcher), column, second, rules, edges, roles, option)| {
            let options: Vec<&str> = option.into_iter().chain(second.then_some("use = p2")).collect();
            text(
                &effect,
                &matcher,
                column && effect.starts_with("priority"),
                second,
                &rules,
                &edges,
                roles,
                &options,
            )
        })
}

#[expect(clippy::too_many_arguments, reason = "the parts of a policy, each drawn by itself")]
fn text(
    effect: &str,
    matcher: &str,
    by_column: bool,
    second: bool,
    rules: &[Rule],
    edges: &[&str],
    roles: bool,
    options: &[&str],
) -> Text {
    let p = if second { "p2" } else { "p" };
    let mut text = String::from(
        "[request_definition]\nr = sub, obj, act, args, dom, uid, gid, kind\n\n[policy_definition]\n",
    );
    if second {
        text += "p = sub, eft\n";
    }
    let priority = if by_column { "priority, " } else { "" };
    text += &format!("{p} = {priority}sub, obj, path, dom, level, act, args, when, eft\n\n");
    text += "[role_definition]\ng = _, _\ng2 = _, _\ng3 = _, _, _\ng4 = _, _\ng5 = _, _\na = _, _; _, _\n\n";
    text += "[policy_effect]\n";
    // The type in use falls back to the unnumbered request, and to what else is not its own.
    if second {
        text += "e = some(where (p.eft == allow))\ne2 = ";
    } else {
        text += "e = ";
    }
    text += &format!("{effect}\n\n[matchers]\n");
    if second {
        text += &format!("m = r.sub == p.sub\nm2 = {}\n", matcher.replace("p.", "p2."));
    } else {
        text += &format!("m = {matcher}\n");
    }
    if !options.is_empty() {
        text += &format!("\n[options]\n{}\n", options.join("\n"));
    }
    text += "\n[policy]\n";
    if second {
        text += "p, /bin/sh, allow\n";
    }
    for line in MEMBERS.iter().filter(|_| roles) {
        text += &format!("{line}\n");
    }
    for rule in rules {
        let Rule { priority, level, sub, path, dom, act, tuple, when, deny } = rule;
        let priority = if by_column { format!("{priority}, ") } else { String::new() };
        let eft = if *deny { "deny" } else { "allow" };
        let when = if second { when.replace("p.", "p2.") } else { (*when).to_owned() };
        // A word of the policy's own is one where it is defined; one with tuples only in `a(…)`.
        let word = |text: &str| {
            let text = if matcher.starts_with("a(") && roles {
                text.to_owned()
            } else {
                text.replace("mine", "read")
            };
            if roles { text } else { text.replace("light", "iterate") }
        };
        let (when, act) = (word(&when), word(act));
        let place = if path.starts_with('/') { *path } else { "/a/b" };
        let pattern = match level {
            0 => format!("{path}*"),
            1 if *path != "/" => format!("{path}/*"),
            _ => (*path).to_owned(),
        };
        text += &format!(
            "{p}, {priority}{sub}, {pattern}, {place}, {dom}, {level}, {act}, {tuple}, \"{when}\", {eft}\n"
        );
    }
    for edge in edges {
        text += &format!("{edge}\n");
    }
    Text(text)
}
