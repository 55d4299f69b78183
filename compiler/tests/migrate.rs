//! `boesfsc migrate`: every policy that compiles has an explicit form, which decides every request alike.

mod explicit;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use boesfs_compiler::migrate::{Renaming, migrate};
use boesfs_compiler::pipeline::Limits;
use boesfs_compiler::{Op, Policy, Request, Verdict};
use boesfs_grammar::Source;
use explicit::{check_final, lenient, migrated};

const BOESFS: &str = "\
# who may do what
[request_definition]
r = sub, obj, act, args # what is asked
[policy_definition]
p = sub, obj, act, args
[role_definition]
g = _, _
a = _, _; _, _
[policy_effect]
e = !some(where (p.eft == deny))
[matchers]
m = g(r.sub, p.sub) && r.obj == p.obj && a(r.act, p.act; r.args, p.args)
[policy]
# keys
#@ id=keys
p, shells, /srv/keys/, look, dir, deny # below only
p, /bin/cat, /srv/a, open, file, deny
#@ id=odd
p, bash, /srv//b, look, file, deny
hello
g, /bin/bash, shells
# looking
a, look, read, (007, 0)
a, look, open, (4)
a, look, iterate, (*) # lists
";

const EXPLICIT: &str = "\
# who may do what
[request_definition]
r = sub, obj, act, args # what is asked

[policy_definition]
p = sub, scope, obj, act, args, eft

[role_definition]
g = _, _

[policy_effect]
e = nearest(!some(where (p.eft == deny)))

[matchers]
m = g(r.sub, p.sub) \\
    && (p.scope == \"file\" && r.obj == p.obj || p.scope == \"dir\" && under(r.obj, p.obj)) \\
    && r.act == p.act \\
    && r.args == p.args

[options]
subject = entry

[policy]
# keys
";

#[test]
fn what_boesfs_implies_is_written_out() {
    let migrated = migrated(&[BOESFS]).expect("an explicit form");
    let text = String::from_utf8_lossy(&migrated.text);
    let start = text.find("#@ id=keys").expect("the rule");
    assert_eq!(&text[..start], EXPLICIT, "{text}");
    for said in [
        "p, shells, dir, /srv/keys, read, (7, 0), deny",
        "#@ id=keys-2\np, shells, dir, /srv/keys, open, (4), deny",
        "#@ id=keys-3\np, shells, dir, /srv/keys, iterate exec, *, deny # below only",
        "p, cat, file, /srv/a, open exec, *, deny",
        "# was id=odd\n# matches nothing: p, bash, /srv//b, look, file, deny",
        "# matches nothing: hello",
        "g, bash, shells",
        "# looking",
        "# lists",
    ] {
        assert!(text.contains(said), "no `{said}` in\n{text}");
    }
    check_final("everything", &migrated);
}

#[test]
fn two_files_become_one() {
    let model = "# the model\n[request_definition]\nr = sub, obj, act\n[policy_definition]\np = sub, obj, act\n\
        [policy_effect]\ne = some(where (p.eft == allow))\n[matchers]\n\
        m = r.sub == p.sub && keyMatch(r.obj, p.obj) && r.act == p.act\n";
    let migrated = migrated(&["# the rules\np, cat, /etc/*, read # all\n", model]).expect("an explicit form");
    let text = String::from_utf8_lossy(&migrated.text);
    let expected = "# the model\n[request_definition]\nr = sub, obj, act\n\n[policy_definition]\np = sub, obj, act, eft\n\n\
        [policy_effect]\ne = some(where (p.eft == allow))\n\n[matchers]\n\
        m = r.sub == p.sub && keyMatch(r.obj, p.obj) && r.act == p.act\n\n[options]\nsubject = exe\n\n\
        [policy]\n# the rules\np, cat, /etc/*, read, allow # all\n";
    assert_eq!(text, expected);
}

const PLAIN: &str = "[request_definition]\nr = sub, obj, act\n[policy_definition]\np = sub, obj, act\n\
    [policy_effect]\ne = some(where (p.eft == allow))\n[matchers]\n\
    m = r.sub == p.sub && r.obj == p.obj && r.act == p.act\n[policy]\n\
    p, alice, data1, GET\np, bob, data2, write\n";

#[test]
fn words_are_renamed_as_said_and_refused_if_nothing_is_said() {
    let refused = migrated(&[PLAIN]).expect_err("words").to_string();
    assert!(refused.contains("--map-objects"), "{refused}");
    let form = |objects: Option<&str>, actions: &[(&str, &str)]| {
        let actions = actions.iter().map(|(word, ops)| ((*word).to_owned(), (*ops).to_owned())).collect();
        let renaming = Renaming { objects: objects.map(str::to_owned), actions };
        migrate(vec![Source::new("policy", PLAIN)], &lenient(), &Limits::default(), &renaming)
    };
    let refused = form(Some("/srv"), &[]).expect_err("a word").to_string();
    assert!(refused.contains("--map-act GET="), "{refused}");
    let migrated = form(Some("/srv/"), &[("GET", "@base @read")]).expect("an explicit form");
    let text = String::from_utf8_lossy(&migrated.text).into_owned();
    assert!(text.contains("p, alice, /srv/data1, @base @read, allow\n"), "{text}");
    let refused =
        form(Some("/srv"), &[("GET", "write")]).expect_err("two words for one operation").to_string();
    assert!(refused.contains("would both stand for `write`"), "{refused}");
    let refused = form(Some("/srv"), &[("GET", "raed")]).expect_err("no operation").to_string();
    assert!(refused.contains("`raed`"), "{refused}");
    let policy = Policy::options().allow("all").parse(text).expect("a policy");
    let asked =
        |sub: &[u8], obj: &[u8], op| policy.evaluate(&Request::new(sub, obj, op).expect("a request")).verdict;
    assert_eq!(asked(b"/bin/alice", b"/srv/data1", Op::Read), Verdict::Allow);
    assert_eq!(asked(b"/bin/alice", b"/srv/data2", Op::Read), Verdict::Deny);
    assert_eq!(asked(b"/bin/bob", b"/srv/data2", Op::Write), Verdict::Allow);
}

#[test]
fn the_examples_have_an_explicit_form() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies/examples");
    let mut count = 0;
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "conf") {
            continue;
        }
        let text = fs::read_to_string(&path).expect("a policy");
        let name = path.display().to_string();
        let form = migrated(&[&text]).unwrap_or_else(|error| panic!("{name}: {error}"));
        check_final(&name, &form);
        for comment in text.lines().filter(|line| line.starts_with('#') && !line.starts_with("#@")) {
            assert!(String::from_utf8_lossy(&form.text).contains(comment), "{name}: lost {comment}");
        }
        count += 1;
    }
    assert!(count >= 10, "only {count} examples");
}

/// What is wrong with broken policies is said, and nothing panics.
#[test]
fn broken_policies_are_refused() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/diagnostics");
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension == "conf") {
            let source = Source::new("policy", fs::read(&path).expect("a policy"));
            let form = migrate(vec![source], &lenient(), &Limits::default(), &Renaming::default());
            if let Ok(form) = form {
                check_final(&path.display().to_string(), &form);
            }
        }
    }
}

fn boesfsc(dir: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_boesfsc")).args(args).current_dir(dir).output().expect("boesfsc runs")
}

#[test]
fn nothing_is_written_of_what_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = |name: &str| dir.path().join(name);
    fs::write(path("plain.conf"), PLAIN).expect("a policy");
    let output = boesfsc(dir.path(), &["migrate", "plain.conf", "-o", "new.conf"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--map-objects"));
    assert!(!path("new.conf").exists());
    let mapped =
        ["migrate", "plain.conf", "-o", "new.conf", "--map-objects", "/srv", "--map-act", "GET=read"];
    let output = boesfsc(dir.path(), &mapped);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(fs::read_to_string(path("new.conf")).expect("a policy").contains("/srv/data1"));
    fs::write(path("broken.conf"), "[policy]\np, a\n").expect("a policy");
    let output = boesfsc(dir.path(), &["migrate", "broken.conf", "--format", "json"]);
    assert_eq!(output.status.code(), Some(1));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(json["version"], 1);
}
