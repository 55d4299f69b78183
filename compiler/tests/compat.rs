//! Plain Casbin policies: words as objects and actions, to check and to evaluate, but not to build.

use std::path::Path;
use std::process::{Command, Output};

const MODEL: &str = "[request_definition]\nr = sub, obj, act\n[policy_definition]\np = sub, obj, act\n\
    [role_definition]\ng = _, _\ng2 = _, _\n[policy_effect]\ne = some(where (p.eft == allow))\n\
    [matchers]\nm = g(r.sub, p.sub) && keyMatch(r.obj, p.obj) && g2(r.act, p.act)\n";
const POLICY: &str = "p, alice, data*, GET\np, staff, report, change\np, staff, /srv/*, read\n\
    g, bob, staff\ng2, POST, change\ng2, PUT, change\n";

fn boesfsc(dir: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_boesfsc"))
        .args(arguments)
        .current_dir(dir)
        .output()
        .expect("boesfsc runs")
}

fn policy() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join("model.conf"), MODEL).expect("a file");
    std::fs::write(dir.path().join("policy.csv"), POLICY).expect("a file");
    dir
}

const FILES: [&str; 3] = ["--model", "model.conf", "policy.csv"];

#[test]
fn words_are_decided_by_every_engine() {
    let dir = policy();
    let cases = [
        ("alice", "data1", "GET", 0),
        ("alice", "data1", "POST", 4),
        ("alice", "dat", "GET", 4),
        ("bob", "report", "PUT", 0),
        ("bob", "report", "change", 0),
        ("bob", "report", "GET", 4),
        ("bob", "/srv/x", "read", 0),
        ("bob", "/srv/x", "statfs", 4),
        ("carol", "report", "PUT", 4),
    ];
    for engine in ["reference", "dfa", "image"] {
        for (sub, obj, act, status) in cases {
            let mut arguments = vec!["eval", "--compat", "casbin-rs", "--engine", engine];
            arguments.extend(FILES);
            arguments.extend(["--sub", sub, "--obj", obj, "--act", act]);
            let output = boesfsc(dir.path(), &arguments);
            assert_eq!(output.status.code(), Some(status), "{engine}: {sub} {act} {obj}: {output:?}");
        }
    }
}

#[test]
fn requests_of_many_words_come_from_a_file() {
    let dir = policy();
    let lines = "{\"sub\":\"alice\",\"obj\":\"data9\",\"act\":\"GET\",\"expect\":\"allow\"}\n\
        {\"sub\":\"bob\",\"obj\":\"report\",\"act\":\"POST\",\"expect\":\"allow\"}\n\
        {\"sub\":\"bob\",\"obj\":\"report\",\"act\":\"read\",\"expect\":\"deny\"}\n";
    std::fs::write(dir.path().join("requests"), lines).expect("a file");
    let mut arguments = vec!["eval", "--compat", "casbin-go", "--requests", "requests"];
    arguments.extend(FILES);
    let output = boesfsc(dir.path(), &arguments);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn words_are_checked_but_not_built() {
    let dir = policy();
    let plain = MODEL.replace("g2(r.act, p.act)", "r.act == p.act");
    std::fs::write(dir.path().join("model.conf"), plain).expect("a file");
    for (command, status) in [("check", 0), ("build", 1)] {
        let mut arguments = vec![command, "--compat", "casbin-rs"];
        arguments.extend(FILES);
        if command == "build" {
            arguments.extend(["-o", "image"]);
        }
        let output = boesfsc(dir.path(), &arguments);
        assert_eq!(output.status.code(), Some(status), "{command}: {output:?}");
    }
    assert!(!dir.path().join("image").exists());
}

#[test]
fn without_compat_words_are_refused() {
    let dir = policy();
    let plain = MODEL.replace("g2(r.act, p.act)", "r.act == p.act");
    std::fs::write(dir.path().join("model.conf"), plain).expect("a file");
    let mut arguments = vec!["check"];
    arguments.extend(FILES);
    let output = boesfsc(dir.path(), &arguments);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("E0301"), "{output:?}");
}

#[test]
fn words_are_explained_by_their_own_names() {
    let dir = policy();
    let explain = |sub: &str, obj: &str, act: &str| {
        let mut arguments = vec!["explain", "--compat", "casbin-go"];
        arguments.extend(FILES);
        arguments.extend(["--sub", sub, "--obj", obj, "--act", act]);
        let output = boesfsc(dir.path(), &arguments);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        String::from_utf8(output.stdout).expect("text")
    };
    let allowed = explain("bob", "report", "PUT");
    assert!(allowed.contains("`PUT` of `report` by `bob` is allowed"), "{allowed}");
    assert!(allowed.contains("`PUT` is `change`"), "{allowed}");
    let denied = explain("alice", "data1", "PUT");
    assert!(denied.contains("`PUT` of `data1` by `alice` is denied"), "{denied}");
    assert!(denied.contains("no `g2` line gives `PUT` the role `GET`"), "{denied}");
    assert!(explain("bob", "/srv/x", "read").contains("`read` of `/srv/x` by `bob` is allowed"));
}

#[test]
fn no_rule_about_words_is_called_impossible() {
    let dir = policy();
    let policy =
        "p, alice, data1, GET\np, alice, data1, read\np, alice, data1, read GET\np, alice, data1, GET\n";
    std::fs::write(dir.path().join("policy.csv"), policy).expect("a file");
    let model =
        MODEL.replace("keyMatch(r.obj, p.obj) && g2(r.act, p.act)", "r.obj == p.obj && r.act == p.act");
    std::fs::write(dir.path().join("model.conf"), model).expect("a file");
    let mut arguments = vec!["check", "--compat", "casbin-rs"];
    arguments.extend(FILES);
    let output = boesfsc(dir.path(), &arguments);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!text.contains("W0405"), "{text}");
    assert!(
        !text.contains("W0401") && text.matches("W0403").count() == 1,
        "only the last repeats another: {text}"
    );
}
