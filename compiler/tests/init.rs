//! `boesfsc init`: starters check without a finding, and their tests pass with every rule used.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use boesfs_compiler::starters::STARTERS;

fn boesfsc(dir: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_boesfsc")).args(args).current_dir(dir).output().expect("boesfsc runs")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn starters_check_and_test() {
    for starter in STARTERS {
        let dir = tempfile::tempdir().expect("a directory");
        let file = format!("{}.conf", starter.name);
        let output = boesfsc(dir.path(), &["init", starter.name]);
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        let output = boesfsc(dir.path(), &["check", &file, "--format", "json"]);
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert!(!json.to_string().contains("\"severity\""), "{}: {json}", starter.name);
        assert_eq!(output.status.code(), Some(0));
        let output = boesfsc(dir.path(), &["test", &file, "--coverage", "--threshold", "100"]);
        assert_eq!(output.status.code(), Some(0), "{}: {}", starter.name, said(&output));
        let output = boesfsc(dir.path(), &["fmt", "--check", &file]);
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        let output = boesfsc(dir.path(), &["build", &file, "-o", "policy.bin"]);
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    }
}

#[test]
fn nothing_is_overwritten_unasked() {
    let dir = tempfile::tempdir().expect("a directory");
    let (policy, tests) = (dir.path().join("p.conf"), dir.path().join("p.test.ron"));
    fs::write(&tests, "mine").expect("a file");
    let init = ["init", "function", "-o", "p.conf"];
    let output = boesfsc(dir.path(), &init);
    assert_eq!(output.status.code(), Some(3));
    assert!(
        said(&output).contains("`p.test.ron` exists already; `--force` replaces it"),
        "{}",
        said(&output)
    );
    assert!(!policy.exists());
    assert_eq!(fs::read_to_string(&tests).expect("a file"), "mine");
    let output = boesfsc(dir.path(), &[init.as_slice(), &["--force"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(fs::read_to_string(&tests).expect("a file").contains("tests:"));
    assert_eq!(boesfsc(dir.path(), &["init", "palace"]).status.code(), Some(2));
    assert_eq!(boesfsc(dir.path(), &["init", "function", "-o", "no/such/p.conf"]).status.code(), Some(3));
}
