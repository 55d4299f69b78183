//! Policies in BoesFS's shape.

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any};

use super::{Text, one_of};

const SUBJECTS: &[&str] = &["/bin/bash", "bash", "python3", "/usr/bin/python3", "shells", "tools"];
const PATHS: &[&str] =
    &["/", "/a", "/ab", "/a/b", "/a/b/c", "/a/bc", "/a/b/c/d", "/src", "/src/x.txt", "/src/.git", "/b/a"];
const ACTS: &[(&str, &[&str])] = &[
    ("read", &["(100, 0)", "(*, 7)", "(*, *)", "(4096)", "*", "(0100, 0)"]),
    ("write", &["(5, 0)", "(*, *)", "*"]),
    ("lookup", &["*", "(0)"]),
    ("open", &["(0)", "(577)", "*"]),
    ("create", &["(33188)", "*"]),
    ("unlink", &["*", "(*)"]),
    ("mkdir", &["(493)", "*"]),
    ("rename", &["(/a/b)", "(/src/new)", "*"]),
    ("link", &["(/a/bc)", "*"]),
    ("symlink", &["(/a)", "(/src/x.txt)", "*"]),
    ("setattr", &["(33188, 0, 0)", "(*, 0)", "*"]),
    ("getattr", &["*"]),
    ("iterate", &["*"]),
    ("llseek", &["(0, 1)", "*"]),
    ("mmap", &["(*, *, 1)", "*"]),
    ("statfs", &["*"]),
    ("fsync", &["(1)", "*"]),
    ("lookup2", &["*"]),
    ("mknod", &["(*, 0)", "*"]),
    ("rmdir", &["*"]),
    ("*", &["*"]),
    ("default", &["*"]),
];
const EFFECTS: &[&str] = &[
    "some(where (p.eft == allow))",
    "!some(where (p.eft == deny))",
    "some(where (p.eft == allow)) && !some(where (p.eft == deny))",
];
const ACTION_ROLES: &[&str] = &["touch", "look", "nothing-of-it"];

#[derive(Clone, Debug)]
struct Rule {
    sub: &'static str,
    path: &'static str,
    act: usize,
    tuple: proptest::sample::Index,
    role: &'static str,
    dir: bool,
    deny: bool,
}

fn rule() -> impl Strategy<Value = Rule> {
    (
        one_of(SUBJECTS),
        one_of(PATHS),
        0..ACTS.len(),
        any::<proptest::sample::Index>(),
        one_of(ACTION_ROLES),
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(|(sub, path, act, tuple, role, dir, deny)| Rule {
            sub,
            path,
            act,
            tuple,
            role,
            dir,
            deny,
        })
}

/// What is declared and compared.
#[derive(Clone, Copy, Debug)]
struct Layout {
    sub: bool,
    obj: bool,
    act: bool,
    args: bool,
    roles: bool,
    action_roles: bool,
}

fn layout() -> impl Strategy<Value = Layout> {
    let often = || proptest::bool::weighted(0.85);
    (often(), often(), often(), any::<bool>(), any::<bool>(), proptest::bool::weighted(0.25)).prop_map(
        |(sub, obj, act, args, roles, action_roles)| {
            // A definition declares something.
            let act = act || (!sub && !obj);
            Layout {
                sub,
                obj,
                act,
                args: args && act,
                roles: roles && sub,
                action_roles: action_roles && act && args,
            }
        },
    )
}

pub(super) fn policy() -> impl Strategy<Value = Text> {
    let edges = vec((one_of(&["bash", "/bin/bash", "python3"]), one_of(&["shells", "tools"])), 0..4);
    let members =
        vec((one_of(&["touch", "look"]), 0..ACTS.len() - 2, any::<proptest::sample::Index>()), 1..6);
    (one_of(EFFECTS), layout(), vec(rule(), 1..9), edges, members, Just(())).prop_map(
        |(effect, layout, rules, edges, members, ())| text(effect, layout, &rules, &edges, &members),
    )
}

fn text(
    effect: &str,
    layout: Layout,
    rules: &[Rule],
    edges: &[(&str, &str)],
    members: &[(&str, usize, proptest::sample::Index)],
) -> Text {
    let columns: Vec<&str> =
        [("sub", layout.sub), ("obj", layout.obj), ("act", layout.act), ("args", layout.args)]
            .into_iter()
            .filter_map(|(name, declared)| declared.then_some(name))
            .collect();
    let columns = columns.join(", ");
    let mut text = format!("[request_definition]\nr = {columns}\n\n[policy_definition]\np = {columns}\n\n");
    if layout.roles || layout.action_roles {
        text += "[role_definition]\n";
        if layout.roles {
            text += "g = _, _\n";
        }
        if layout.action_roles {
            text += "a = _, _; _, _\n";
        }
        text += "\n";
    }
    text += &format!("[policy_effect]\ne = {effect}\n\n");
    let conditions: Vec<&str> = [
        (layout.sub && layout.roles).then_some("g(r.sub, p.sub)"),
        (layout.sub && !layout.roles).then_some("r.sub == p.sub"),
        layout.obj.then_some("r.obj == p.obj"),
        (layout.act && !layout.action_roles).then_some("r.act == p.act"),
        (layout.args && !layout.action_roles).then_some("r.args == p.args"),
        layout.action_roles.then_some("a(r.act, p.act; r.args, p.args)"),
    ]
    .into_iter()
    .flatten()
    .collect();
    text += &format!("[matchers]\nm = {}\n\n[policy]\n", conditions.join(" && "));
    for rule in rules {
        let (act, tuples) = ACTS[rule.act];
        let mut fields = Vec::new();
        if layout.sub {
            fields.push(rule.sub);
        }
        if layout.obj {
            fields.push(rule.path);
        }
        if layout.action_roles {
            fields.push(rule.role);
        } else if layout.act {
            fields.push(act);
            if layout.args {
                fields.push(*rule.tuple.get::<&str>(tuples));
            }
        }
        fields.push(if rule.dir { "dir" } else { "file" });
        fields.push(if rule.deny { "deny" } else { "allow" });
        text += &format!("p, {}\n", fields.join(", "));
    }
    if layout.roles {
        for (member, role) in edges {
            text += &format!("g, {member}, {role}\n");
        }
    }
    if layout.action_roles {
        for (role, act, tuple) in members {
            let (act, tuples) = ACTS[*act];
            text += &format!("a, {role}, {act}, {}\n", tuple.get(tuples));
        }
    }
    Text(text)
}
