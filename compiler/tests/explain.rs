//! `boesfsc explain`: the rule and the roles behind an answer, and what nearly decided.

use std::fs;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

const POLICY: &str = "\
[request_definition]
r = sub, obj, act, args, uid
[policy_definition]
p = sub, obj, act, args, eft
[role_definition]
g = _, _
[policy_effect]
e = some(where (p.eft == allow)) && !some(where (p.eft == deny))
[matchers]
m = g(r.sub, p.sub) && pathMatch(r.obj, p.obj) && r.act == p.act && r.args == p.args && !(r.uid == 0)
[policy]
g, /bin/bash, dev
g, dev, staff
#@ id=all
p, staff, /**, @read @base, *, allow
#@ id=no-large-reads
p, dev, /srv/secret/**, read, (>100), deny
p, dev, /srv/hidden, lookup, *, deny
";

struct Said {
    status: i32,
    out: String,
    err: String,
}

fn explain(policy: &str, args: &[&str]) -> Said {
    let dir = tempfile::tempdir().expect("a temporary directory");
    fs::write(dir.path().join("policy.conf"), policy).expect("a policy");
    let lines = "{\"sub\":\"/bin/bash\",\"obj\":\"/f\",\"act\":\"read\",\"uid\":5}\n\n{\"sub\":1}\n\
                 {\"sub\":\"/bin/bash\",\"obj\":\"/f\",\"act\":\"raed\"}\n";
    fs::write(dir.path().join("requests.jsonl"), lines).expect("requests");
    let output = Command::new(env!("CARGO_BIN_EXE_boesfsc"))
        .args(["explain", "policy.conf"])
        .args(args)
        .current_dir(dir.path())
        .stdin(Stdio::null())
        .output()
        .expect("boesfsc runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let said = Said {
        status: output.status.code().expect("an exit status"),
        out: text(&output.stdout),
        err: text(&output.stderr),
    };
    assert!(!said.err.contains("panicked"), "{}", said.err);
    said
}

fn as_json(policy: &str, sub: &str, act: &str, obj: &str, more: &[&str]) -> Value {
    let mut args = vec!["--sub", sub, "--act", act, "--obj", obj, "--format", "json"];
    args.extend(more);
    let said = explain(policy, &args);
    assert_eq!(said.status, 0, "{}", said.err);
    serde_json::from_str(&said.out).expect("JSON on the output stream")
}

#[test]
fn the_rule_and_its_roles_are_shown_where_they_stand() {
    let args =
        ["--sub", "/bin/bash", "--act", "read", "--obj", "/srv/secret/f", "--args", "(50,0)", "--uid", "5"];
    let said = explain(POLICY, &args);
    assert_eq!(said.status, 0);
    assert_eq!(
        said.out,
        "\
note: `read` of `/srv/secret/f` by `/bin/bash` with (50, 0), uid 5 is allowed
   ┌─ policy.conf:15:1
   │
12 │ g, /bin/bash, dev
   │ ----------------- `/bin/bash` is `dev`
13 │ g, dev, staff
   │ ------------- `dev` is `staff`
14 │ #@ id=all
15 │ p, staff, /**, @read @base, *, allow
   │ ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ this rule decides
   │
   = note: effective: allow

note: line 17 would deny
   ┌─ policy.conf:17:1
   │
17 │ p, dev, /srv/secret/**, read, (>100), deny
   │ ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ but the arguments are (len 50, offset 0) and it has `(>100)`

"
    );
}

#[test]
fn each_condition_that_is_missing_has_its_words() {
    let near = |sub: &str, act: &str, obj: &str, more: &[&str]| {
        let value = as_json(POLICY, sub, act, obj, more);
        let first = &value["near"][0];
        (first["rule"]["line"].clone(), first["field"].clone(), first["why"].clone())
    };
    for (sub, act, obj, more, line, field, why) in [
        ("/bin/bash", "write", "/f", "5", 15, "act", "it is for `@read @base`, not for `write`"),
        ("/bin/zsh", "read", "/f", "5", 15, "sub", "no `g` line gives `/bin/zsh` the role `staff`"),
        ("/bin/bash", "read", "/f", "0", 15, "uid", "`uid` is 0, which it excludes"),
        ("/bin/bash", "read", "/srv/se", "5", 17, "obj", "`/srv/se` does not match `/srv/secret/**`"),
    ] {
        let got = near(sub, act, obj, &["--uid", more]);
        assert_eq!(got, (json!(line), json!(field), json!(why)), "{act} {obj}");
    }
}

#[test]
fn rules_that_match_and_do_not_decide_say_why() {
    let value = as_json(POLICY, "/bin/bash", "read", "/srv/secret/f", &["--args", "(500,0)", "--uid", "5"]);
    assert_eq!(value["rule"]["id"], "no-large-reads");
    assert_eq!(value["others"][0]["rule"]["id"], "all");
    assert_eq!(value["others"][0]["why"], "the deny on line 17 outweighs it");

    let priority = POLICY.replace(
        "e = some(where (p.eft == allow)) && !some(where (p.eft == deny))",
        "e = priority(p.eft) || deny",
    );
    let value =
        as_json(&priority, "/bin/bash", "read", "/srv/secret/f", &["--args", "(500,0)", "--uid", "5"]);
    assert_eq!(value["rule"]["id"], "all");
    assert_eq!(value["others"][0]["why"], "the rule on line 15 has priority");
}

#[test]
fn the_effective_decision_says_what_stops_it() {
    let value = as_json(POLICY, "/bin/bash", "read", "/srv/hidden/f", &["--args", "(1,0)", "--uid", "5"]);
    assert_eq!((&value["decision"], &value["effective"]), (&json!("allow"), &json!("deny")));
    assert_eq!(value["stopped_by"], json!({"act": "lookup", "obj": "/srv/hidden", "reason": "hidden"}));
    assert_eq!(
        value["why_effective"][1],
        "the way to the object is closed: lookup of `/srv/hidden` is denied, so it is as if it were not there"
    );
    let no_open = POLICY.replace("@read @base", "@read lookup");
    let value = as_json(&no_open, "/bin/bash", "read", "/f", &["--args", "(1,0)", "--uid", "5"]);
    assert_eq!(value["why_effective"][1], "read goes through a descriptor, and every open of `/f` is denied");
}

#[test]
fn a_rule_about_a_directory_is_one_about_what_lies_below() {
    let policy = "\
[request_definition]
r = sub, obj, act
[policy_definition]
p = sub, obj, act
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = r.sub == p.sub && r.obj == p.obj && r.act == p.act
[policy]
p, bash, /srv, read, dir, allow
p, bash, /srv/a, write, dir, allow
";
    let value = as_json(policy, "/bin/bash", "read", "/srv/f", &[]);
    assert_eq!((&value["decision"], &value["rule"]["line"]), (&json!("allow"), &json!(10)));
    // A nearer entry without the operation is final.
    let value = as_json(policy, "/bin/bash", "read", "/srv/a/f", &[]);
    assert_eq!((&value["decision"], &value["rule"]), (&json!("deny"), &Value::Null));
    assert_eq!(value["others"][0]["rule"]["line"], 10);
    assert_eq!(value["near"][0]["why"], "it is for `write`, not for `read`");
    let value = as_json(policy, "/bin/bash", "read", "/srv", &[]);
    assert_eq!(value["near"][0]["why"], "it is for what lies below `/srv`, not for `/srv`");
}

#[test]
fn a_file_of_requests_is_explained_line_by_line() {
    let said = explain(POLICY, &["--requests", "requests.jsonl", "--format", "json"]);
    assert_eq!(said.status, 1);
    let lines: Vec<Value> =
        said.out.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[0]["decision"], "allow");
    assert_eq!(lines[1]["error"], "`sub` is not a string");
    assert_eq!(lines[2]["error"], "unknown operation `raed`, did you mean `read`?");
}

#[test]
fn what_cannot_be_explained_is_wrong_usage() {
    for args in [
        &["--sub", "a", "--obj", "/b", "--act", "@read"][..],
        &["--sub", "a", "--obj", "b", "--act", "read"],
        &["--sub", "a", "--obj", "/b"],
        &["--sub", "a", "--obj", "/b", "--act", "read", "--dir", "x/"],
    ] {
        assert_eq!(explain(POLICY, args).status, 2, "{args:?}");
    }
    let group = explain(POLICY, &["--sub", "a", "--obj", "/b", "--act", "@read"]);
    assert!(group.err.contains("`@read` stands for read, iterate, mmap"), "{}", group.err);
    let broken = explain("[policy]\n", &["--sub", "a", "--obj", "/b", "--act", "read"]);
    assert_eq!(broken.status, 1);
}
