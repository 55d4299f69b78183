//! The command line as others rely on it: exit statuses, streams, JSON, and files that are whole or not there.

use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

const POLICY: &str = "\
[request_definition]
r = sub, obj, act, args
[policy_definition]
p = sub, obj, act, args, eft
[role_definition]
g = _, _
[policy_effect]
e = some(where (p.eft == allow)) && !some(where (p.eft == deny))
[matchers]
m = g(r.sub, p.sub) && pathMatch(r.obj, p.obj) && r.act == p.act && r.args == p.args
[policy]
g, /bin/bash, dev
p, dev, /**, *, *, allow
#@ id=no-large-reads
p, dev, /srv/secret/**, read, (>100), deny
p, dev, /srv/hidden, lookup, *, deny
";

struct Workplace {
    dir: tempfile::TempDir,
}

impl Workplace {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        fs::write(dir.path().join("policy.conf"), POLICY).expect("a policy");
        Self { dir }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path().join(name), text).expect("a written file");
    }

    fn run(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_boesfsc"))
            .args(args)
            .current_dir(self.path())
            .stdin(Stdio::null())
            .output()
            .expect("boesfsc runs")
    }

    fn status(&self, args: &[&str]) -> i32 {
        let output = self.run(args);
        let status = output.status.code().expect("an exit status");
        let panicked = String::from_utf8_lossy(&output.stderr).contains("panicked");
        assert!(!panicked, "{}", String::from_utf8_lossy(&output.stderr));
        status
    }

    fn json(&self, args: &[&str]) -> Value {
        let output = self.run(args);
        serde_json::from_slice(&output.stdout).expect("JSON on the output stream")
    }
}

const READ: [&str; 8] =
    ["eval", "policy.conf", "--sub", "/bin/bash", "--act", "read", "--obj", "/srv/secret/f"];

#[test]
fn a_sound_policy_is_fine() {
    let at = Workplace::new();
    let output = at.run(&["check", "policy.conf"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(output.stdout, b"policy.conf: ok, 3 rules\n");
    assert_eq!(output.stderr, b"");
}

#[test]
fn diagnostics_go_to_the_error_stream() {
    let at = Workplace::new();
    at.write("bad.conf", &POLICY.replace("read", "raed"));
    let output = at.run(&["check", "bad.conf"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(output.stdout, b"");
    assert!(String::from_utf8_lossy(&output.stderr).contains("did you mean `read`?"));
}

#[test]
fn two_files_are_one_policy() {
    let at = Workplace::new();
    let (model, rules) = POLICY.split_once("[policy]\n").expect("a policy section");
    at.write("model.conf", model);
    at.write("policy.csv", rules);
    assert_eq!(at.status(&["check", "--model", "model.conf", "policy.csv"]), 0);
    assert_eq!(at.status(&["check", "policy.csv"]), 1);
    assert_eq!(at.status(&["check", "--model", "policy.conf", "policy.csv"]), 1);
}

#[test]
fn exit_statuses_are_as_promised() {
    let at = Workplace::new();
    assert_eq!(at.status(&["check"]), 2);
    assert_eq!(at.status(&["check", "policy.conf", "--allow", "no-such-lint"]), 2);
    assert_eq!(at.status(&["check", "missing.conf"]), 3);
    assert_eq!(at.status(&["eval", ".", "--sub", "a", "--obj", "/b", "--act", "read"]), 3);
    assert_eq!(at.status(&["check", "policy.conf", "--max-bytes", "10"]), 3);
    assert_eq!(at.status(&["check", "policy.conf", "--max-rules", "1"]), 3);
    assert_eq!(at.status(&READ), 4);
    let mut known = READ.to_vec();
    known.extend(["--args", "(100,0)"]);
    assert_eq!(at.status(&known), 0);
    let mut wrong = READ.to_vec();
    wrong.extend(["--args", "(x)"]);
    assert_eq!(at.status(&wrong), 2);
    assert_eq!(at.status(&["eval", "policy.conf", "--sub", "a", "--obj", "/b//c", "--act", "read"]), 2);
    assert_eq!(at.status(&["eval", "policy.conf", "--sub", "a", "--obj", "/b", "--act", "raed"]), 2);
    assert_eq!(at.status(&["eval", "policy.conf"]), 2);
    let help = String::from_utf8(at.run(&["--help"]).stdout).expect("text");
    for status in ["0  fine", "1  ", "2  ", "3  ", "4  "] {
        assert!(help.contains(status), "{help}");
    }
}

#[test]
fn every_engine_gives_the_same_answer() {
    let at = Workplace::new();
    let mut answers = Vec::new();
    for engine in ["reference", "dfa", "image"] {
        let mut args = READ.to_vec();
        args.extend(["--engine", engine, "--args", "(4096,0)", "--format", "json"]);
        answers.push(at.json(&args));
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[1], answers[2]);
    assert_eq!(
        answers[0],
        json!({
            "version": 1,
            "decision": "deny",
            "effective": "deny",
            "rule": {"id": "no-large-reads", "file": "policy.conf", "line": 15},
            "stopped_by": null,
        })
    );
}

#[test]
fn the_answer_names_the_rule_and_what_nearly_decided() {
    let at = Workplace::new();
    let output =
        at.run(&["eval", "policy.conf", "--sub", "/bin/bash", "--obj", "/srv/secret/f", "--act", "write"]);
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(text.contains("policy.conf:13: p, dev, /**, *, *, allow"), "{text}");
    assert!(text.contains("near miss: policy.conf:15 decides read"), "{text}");
}

#[test]
fn the_effective_decision_counts_when_asked_for() {
    let at = Workplace::new();
    let below = ["eval", "policy.conf", "--sub", "/bin/bash", "--obj", "/srv/hidden/f", "--act", "getattr"];
    assert_eq!(at.status(&below), 0);
    let with = |more: &[&'static str]| [below.as_slice(), more].concat();
    assert_eq!(at.status(&with(&["--effective"])), 4);
    let answer = at.json(&with(&["--format", "json"]));
    assert_eq!(answer["effective"], "deny");
    assert_eq!(answer["stopped_by"]["act"], "lookup");
    assert_eq!(answer["stopped_by"]["obj"], "/srv/hidden");
    // The protected directory itself is not looked up, and what is outside it is not judged.
    assert_eq!(at.status(&with(&["--effective", "--dir", "/srv/hidden"])), 0);
    let outside = at.json(&with(&["--dir", "/home", "--format", "json"]));
    assert_eq!(outside["effective"], "allow");
    assert_eq!(outside["outside"], true);
}

#[test]
fn requests_are_answered_line_by_line() {
    let at = Workplace::new();
    at.write(
        "requests",
        concat!(
            r#"{"sub":"/bin/bash","obj":"/srv/secret/f","act":"read","args":["4096","0"],"expect":"deny"}"#,
            "\n",
            r#"{"sub":"/bin/bash","obj":"srv","act":"read"}"#,
            "\n\n",
            r#"{"sub":"/bin/sh","obj":"/srv","act":"read","uid":0,"kind":"file"}"#,
            "\n",
        ),
    );
    let output = at.run(&["eval", "policy.conf", "--requests", "requests"]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).expect("text");
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[0]["rule"]["id"], "no-large-reads");
    assert!(lines[1]["error"].is_string());
    assert_eq!(lines[2]["decision"], "deny");
    assert_eq!(lines[2]["rule"], Value::Null);
}

#[test]
fn a_request_may_be_escaped_as_events_are() {
    let at = Workplace::new();
    let ask = |obj: &str, more: &str| {
        let line = format!(r#"{{"sub":"/bin/bash","obj":"{obj}","act":"read","args":[1,0]{more}}}"#);
        at.write("requests", &line);
        let output = at.run(&["eval", "policy.conf", "--requests", "requests"]);
        String::from_utf8(output.stdout).expect("text")
    };
    let escaped = r#","escaped":true"#;
    assert!(ask(r"/a\\\\b\\xff", escaped).contains(r#""decision":"allow""#));
    // Without the word a backslash is itself.
    assert!(ask(r"/a\\xff", "").contains(r#""decision":"allow""#));
    assert!(ask(r"/a\\z", escaped).contains("`obj` is not escaped"));
    assert!(ask(r"/a\\x2f\\x2fb", escaped).contains("error"), "it is a path when it was read");
    assert!(ask("/a", r#","escaped":1"#).contains("`escaped` is neither true nor false"));
    let explained = |obj: &str| {
        at.write("requests", &format!(r#"{{"sub":"/bin/bash","obj":"{obj}","act":"read"{escaped}}}"#));
        at.run(&["explain", "policy.conf", "--requests", "requests"])
    };
    assert!(String::from_utf8_lossy(&explained(r"/a\\xff").stdout).contains(r"`/a\xff`"));
    assert_eq!(explained(r"/a\\").status.code(), Some(1));
}

#[test]
fn a_subject_is_a_program() {
    let at = Workplace::new();
    assert_eq!(at.status(&["build", "policy.conf", "-o", "policy.bin"]), 0);
    let entry = POLICY.replace("[matchers]", "[options]\nsubject = entry\n[matchers]");
    at.write("entry.conf", &entry);
    let ask =
        |policy: &str, sub: &str| at.status(&["eval", policy, "--sub", sub, "--obj", "/a", "--act", "read"]);
    for policy in ["policy.conf", "policy.bin"] {
        for sub in ["", "a/b", "../sh", "/bin/../bin/sh", "/bin//sh", "/bin/sh/", "/"] {
            assert_eq!(ask(policy, sub), 2, "{policy} {sub}");
        }
        assert_eq!(ask(policy, "sh"), 4);
    }
    // The program a sandbox was started with is called as it was started.
    assert_eq!(ask("entry.conf", "./tool"), 4);
    assert_eq!(ask("entry.conf", ""), 2);
    at.write("requests", r#"{"sub":"../sh","obj":"/a","act":"read"}"#);
    let output = at.run(&["eval", "policy.conf", "--requests", "requests"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("`../sh` is no program"), "{output:?}");
}

#[test]
fn what_does_not_change_is_not_watched() {
    let at = Workplace::new();
    for args in [["watch", "--explain", "E0301"].as_slice(), &["watch", "-"], &["watch", "--model", "-", "a"]]
    {
        assert_eq!(at.status(args), 2, "{args:?}");
    }
}

#[test]
fn notes_show_names_as_they_are() {
    let at = Workplace::new();
    at.write("named.conf", &POLICY.replace("/srv/hidden, lookup", "\"/srv/größe\", lookup"));
    let text = String::from_utf8(at.run(&["check", "named.conf", "--warn", "all"]).stderr).expect("text");
    assert!(!text.contains("\\x"), "{text}");
    at.write(
        "allows.conf",
        &POLICY.replace("p, dev, /**, *, *, allow", "p, dev, \"/srv/größe/a\", read, *, allow"),
    );
    let text = String::from_utf8(at.run(&["check", "allows.conf"]).stderr).expect("text");
    assert!(text.contains("/srv/größe/a` by"), "{text}");
}

#[test]
fn the_reason_of_a_rule_is_told_to_who_reads_decisions() {
    let at = Workplace::new();
    at.write(
        "why.conf",
        &POLICY.replace("id=no-large-reads", "id=no-large-reads reason=\"too much for a log\""),
    );
    assert_eq!(at.status(&["build", "why.conf", "-o", "why.bin"]), 0);
    let asked = ["--sub", "/bin/bash", "--obj", "/srv/secret/f", "--act", "read", "--args", "(4096,0)"];
    for (command, policy) in [("eval", "why.conf"), ("eval", "why.bin"), ("explain", "why.conf")] {
        let args = [&[command, policy][..], &asked].concat();
        let text = String::from_utf8(at.run(&args).stdout).expect("text");
        assert!(text.contains("reason: too much for a log"), "{text}");
        let json = at.json(&[&args[..], &["--format", "json"]].concat());
        assert_eq!(json["rule"]["reason"], "too much for a log", "{json}");
    }
}

#[test]
fn what_went_wrong_is_json_as_well() {
    let at = Workplace::new();
    let value = at.json(&["build", "missing.conf", "-o", "x", "--format", "json"]);
    assert_eq!((&value["version"], value["error"].is_string()), (&json!(1), true));
    at.write("requests", "{\"sub\":\"/bin/sh\",\"obj\":\"/a\",\"act\":\"read\"}\n{}\n");
    let output = at.run(&["explain", "policy.conf", "--requests", "requests", "--format", "json"]);
    let text = String::from_utf8(output.stdout).expect("text");
    let versions =
        text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON")["version"].clone());
    assert_eq!(versions.collect::<Vec<_>>(), [json!(1), json!(1)]);
}

#[test]
fn help_that_cannot_be_written_is_no_help() {
    let at = Workplace::new();
    for args in [["--help"].as_slice(), &["--version"], &["check", "--help"]] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("a full device");
        let mut command = Command::new(env!("CARGO_BIN_EXE_boesfsc"));
        let status = command.args(args).current_dir(at.path()).stdout(full).status();
        assert_eq!(status.expect("boesfsc runs").code(), Some(3), "{args:?}");
    }
    assert_eq!(at.status(&["--version"]), 0);
    assert_eq!(at.status(&["--nonsense"]), 2);
}

#[test]
fn a_key_that_is_there_twice_is_an_error() {
    let at = Workplace::new();
    at.write("requests", r#"{"sub":"/bin/sh","obj":"/a","obj":"/b","act":"read"}"#);
    let output = at.run(&["eval", "policy.conf", "--requests", "requests"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("the key `obj` is there twice"), "{output:?}");
}

#[test]
fn a_stripped_image_does_not_say_which_rule_decides() {
    let at = Workplace::new();
    assert_eq!(at.status(&["build", "policy.conf", "-o", "bare.bin", "--strip"]), 0);
    let ask = |sub: &str| {
        let args = [
            "eval",
            "bare.bin",
            "--sub",
            sub,
            "--obj",
            "/srv/secret/f",
            "--act",
            "read",
            "--args",
            "(4096,0)",
        ];
        let json = at.json(&[&args[..], &["--format", "json"]].concat());
        (String::from_utf8(at.run(&args).stdout).expect("text"), json)
    };
    let (text, json) = ask("/bin/bash");
    assert!(text.contains("a rule decides, which the image does not name"), "{text}");
    assert_eq!((&json["rule"], &json["unnamed_rule"]), (&Value::Null, &true.into()));
    let (text, json) = ask("/bin/other");
    assert!(text.contains("no rule decides, the effect's default does"), "{text}");
    assert_eq!(json.get("unnamed_rule"), None);
}

#[test]
fn the_name_of_a_policy_can_be_told_again() {
    let at = Workplace::new();
    let name = OsStr::from_bytes(b"odd\\\xff.conf");
    fs::write(at.path().join(name), POLICY).expect("a policy");
    let output = Command::new(env!("CARGO_BIN_EXE_boesfsc"))
        .args(["check", "--format", "json"])
        .arg(name)
        .current_dir(at.path())
        .output()
        .expect("boesfsc runs");
    let value: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(value["policies"][0]["policy"], r"odd\\\xff.conf");
}

#[test]
fn an_expectation_that_fails_is_a_failure() {
    let at = Workplace::new();
    let line = |expect: &str| format!(r#"{{"sub":"/bin/bash","obj":"/a","act":"read","expect":"{expect}"}}"#);
    at.write("good", &line("allow"));
    at.write("bad", &line("deny"));
    assert_eq!(at.status(&["eval", "policy.conf", "--requests", "good"]), 0);
    assert_eq!(at.status(&["eval", "policy.conf", "--requests", "bad"]), 1);
    assert_eq!(at.status(&["eval", "policy.conf", "--requests", "missing"]), 3);
}

#[test]
fn requests_may_come_from_standard_input() {
    let at = Workplace::new();
    let mut child = Command::new(env!("CARGO_BIN_EXE_boesfsc"))
        .args(["eval", "policy.conf", "--requests", "-"])
        .current_dir(at.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("boesfsc runs");
    let mut input = child.stdin.take().expect("its input");
    input.write_all(br#"{"sub":"/bin/bash","obj":"/a","act":"read"}"#).expect("a written request");
    drop(input);
    let output = child.wait_with_output().expect("its output");
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&output.stdout).contains(r#""decision":"allow""#));
}

#[test]
fn an_image_stands_in_for_its_policy() {
    let at = Workplace::new();
    assert_eq!(at.status(&["build", "policy.conf", "-o", "policy.bin"]), 0);
    assert_eq!(at.status(&["check", "policy.bin"]), 0);
    let mut args = READ.to_vec();
    args[1] = "policy.bin";
    assert_eq!(at.status(&args), 4);
    assert_eq!(at.status(&["inspect", "policy.bin"]), 0);
    assert_eq!(at.status(&["inspect", "policy.bin", "--stage", "image"]), 0);
    assert_eq!(at.status(&["inspect", "policy.bin", "--stage", "model"]), 2);
    assert_eq!(at.status(&["build", "policy.bin", "-o", "again.bin"]), 2);
    let bytes = fs::read(at.path().join("policy.bin")).expect("the image");
    at.write("unreadable", "");
    fs::write(at.path().join("cut.bin"), &bytes[..bytes.len() / 2]).expect("half an image");
    assert_eq!(at.status(&["check", "cut.bin"]), 3);
    assert_eq!(at.status(&["build", "policy.conf", "-o", "again.bin"]), 0);
    assert_eq!(bytes, fs::read(at.path().join("again.bin")).expect("the image"), "not deterministic");
}

#[test]
fn an_image_may_be_written_as_constants() {
    let place = Workplace::new();
    for (name, form, begins) in
        [("my-policy.h", "header", "/* Policy "), ("p.rs", "rust", "// A policy"), ("p.json", "json", "{")]
    {
        assert_eq!(place.status(&["build", "policy.conf", "-o", name, "--emit", form]), 0, "{form}");
        let text = fs::read_to_string(place.path().join(name)).expect("constants");
        assert!(text.starts_with(begins), "{text}");
    }
    let header = fs::read_to_string(place.path().join("my-policy.h")).expect("a header");
    assert!(
        header.contains("#define MY_POLICY_BLOB_LEN ") && header.contains("my_policy_classes[]"),
        "{header}"
    );
    let said: Value =
        serde_json::from_str(&fs::read_to_string(place.path().join("p.json")).expect("JSON")).expect("JSON");
    assert_eq!(place.status(&["build", "policy.conf", "-o", "policy.bin"]), 0);
    let image = place.json(&["inspect", "policy.bin", "--format", "json"]);
    assert_eq!((&said["id"], &said["version"]), (&image["id"], &json!(1)));
    assert_eq!(place.status(&["build", "policy.conf", "-o", "x", "--emit", "pascal"]), 2);
}

#[test]
fn nothing_is_written_for_a_policy_with_errors() {
    let at = Workplace::new();
    at.write("bad.conf", &POLICY.replace("read", "raed"));
    at.write("policy.bin", "what was there");
    assert_eq!(at.status(&["build", "bad.conf", "-o", "policy.bin"]), 1);
    assert_eq!(fs::read(at.path().join("policy.bin")).expect("the old file"), b"what was there");
    assert_eq!(at.status(&["build", "policy.conf", "-o", "no/such/dir/policy.bin"]), 3);
    assert_eq!(at.status(&["build", "policy.conf", "-o", "."]), 3);
    let left: Vec<String> = fs::read_dir(at.path())
        .expect("the directory")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with('.'))
        .collect();
    assert!(left.is_empty(), "left behind: {left:?}");
}

#[test]
fn an_image_may_go_to_the_standard_output() {
    let at = Workplace::new();
    assert_eq!(at.status(&["build", "policy.conf", "-o", "policy.bin"]), 0);
    let image = fs::read(at.path().join("policy.bin")).expect("an image");
    let piped = at.run(&["build", "policy.conf", "-o", "-"]);
    assert_eq!(piped.stdout, image);
    assert!(String::from_utf8_lossy(&piped.stderr).starts_with("-: "), "{piped:?}");
    assert!(!at.path().join("-").exists());
    let file = fs::File::create(at.path().join("so.bin")).expect("a file");
    let status = Command::new(env!("CARGO_BIN_EXE_boesfsc"))
        .args(["build", "policy.conf", "--format", "json", "-o", "/proc/self/fd/1"])
        .current_dir(at.path())
        .stdout(file)
        .status();
    assert!(status.expect("boesfsc runs").success());
    assert_eq!(fs::read(at.path().join("so.bin")).expect("an image"), image);
    let file = fs::File::create(at.path().join("se.bin")).expect("a file");
    let status = Command::new(env!("CARGO_BIN_EXE_boesfsc"))
        .args(["build", "policy.conf", "-o", "/proc/self/fd/2"])
        .current_dir(at.path())
        .stdout(Stdio::null())
        .stderr(file)
        .status();
    assert!(status.expect("boesfsc runs").success());
    assert_eq!(fs::read(at.path().join("se.bin")).expect("an image"), image);
    let migrated = at.run(&["migrate", "policy.conf", "-o", "-"]);
    assert_eq!(migrated.stdout, at.run(&["migrate", "policy.conf"]).stdout);
    assert!(!at.path().join("-").exists());
}

#[test]
fn what_cannot_be_written_is_named_as_it_was_given() {
    let at = Workplace::new();
    let output = at.run(&["build", "policy.conf", "-o", "no/such/policy.bin"]);
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "error: `no/such/policy.bin` cannot be written: No such file or directory (os error 2)\n"
    );
}

#[test]
fn nesting_above_what_can_be_read_is_refused() {
    let at = Workplace::new();
    assert_eq!(at.status(&["check", "policy.conf", "--max-nesting", "200"]), 0);
    let output = at.run(&["check", "policy.conf", "--max-nesting", "201"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("at most 200 can be read"), "{output:?}");
}

#[test]
fn an_image_is_told_where_text_is_needed() {
    let at = Workplace::new();
    assert_eq!(at.status(&["build", "policy.conf", "-o", "policy.bin"]), 0);
    let mut asked = READ.to_vec();
    asked[1] = "policy.bin";
    asked.extend(["--use", "p2"]);
    for args in [&["migrate", "policy.bin"][..], &["fmt", "policy.bin"], &asked] {
        let output = at.run(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("`policy.bin` is an image: "), "{output:?}");
    }
}

#[test]
fn a_denied_lint_can_be_allowed() {
    let at = Workplace::new();
    at.write(
        "old.conf",
        "[request_definition]\nr = sub, obj, act\n[policy_definition]\np = sub, obj, act\n\
         [policy_effect]\ne = !some(where (p.eft == deny))\n\
         [matchers]\nm = r.sub == p.sub && r.obj == p.obj && r.act == p.act\n\
         [policy]\np, bash, /srv//a, read, file, deny\n",
    );
    assert_eq!(at.status(&["check", "old.conf"]), 1);
    assert_eq!(at.status(&["build", "old.conf", "-o", "old.bin"]), 1);
    assert_eq!(at.status(&["check", "old.conf", "--allow", "abnormal-path"]), 0);
    assert_eq!(at.status(&["check", "old.conf", "--allow", "inert-rule"]), 1);
    assert_eq!(at.status(&["build", "old.conf", "-o", "old.bin", "--allow", "all"]), 0);
}

#[test]
fn every_stage_can_be_printed() {
    let at = Workplace::new();
    for stage in ["tree", "model", "rules", "dfa", "image"] {
        let output = at.run(&["inspect", "policy.conf", "--stage", stage]);
        assert_eq!(output.status.code(), Some(0), "{stage}");
        assert!(!output.stdout.is_empty(), "{stage}");
        let value = at.json(&["inspect", "policy.conf", "--stage", stage, "--format", "json"]);
        assert_eq!(value["version"], 1);
        assert_eq!(value["stage"], stage);
    }
}

#[test]
fn json_says_where_and_what() {
    let at = Workplace::new();
    at.write("bad.conf", &POLICY.replace("read", "raed"));
    let value = at.json(&["check", "bad.conf", "policy.conf", "missing.conf", "--format", "json"]);
    assert_eq!(value["version"], 1);
    let found = &value["policies"][0]["diagnostics"][0];
    assert_eq!(found["code"], "E0301");
    assert_eq!(found["severity"], "error");
    assert_eq!(found["labels"][0]["line"], 15);
    assert_eq!(found["labels"][0]["column"], 25);
    assert_eq!(value["policies"][1]["ok"], true);
    assert!(value["policies"][2]["error"].is_string());
}
