//! `boesfsc test`: what suites may say, what is said about them, and what passes.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use boesfs_compiler::suite::Suite;
use boesfs_grammar::Source;
use serde_json::Value;

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
#@ id=all
p, dev, /**, *, *, allow
#@ id=no-large-reads
p, dev, /srv/secret/**, read, (>100), deny
#@ id=hidden
p, dev, /srv/hidden, lookup, *, deny
";

struct Workplace {
    dir: tempfile::TempDir,
}

struct Said {
    status: i32,
    out: String,
    err: String,
}

impl Workplace {
    fn new(suite: &str) -> Self {
        let at = Self { dir: tempfile::tempdir().expect("a temporary directory") };
        at.write("policy.conf", POLICY);
        at.write("policy.test.ron", suite);
        at
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.dir.path().join(name), text).expect("a written file");
    }

    fn test(&self, args: &[&str]) -> Said {
        let output = Command::new(env!("CARGO_BIN_EXE_boesfsc"))
            .arg("test")
            .args(args)
            .current_dir(self.dir.path())
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
}

#[test]
fn a_report_takes_the_place_of_nothing_that_was_read_and_is_whole() {
    let at = Workplace::new(&suite(r#"(name: "x", obj: "/srv/f", expect: allow)"#));
    for name in ["policy.conf", "policy.test.ron"] {
        let before = fs::read(at.dir.path().join(name)).expect("a file");
        let said = at.test(&["policy.conf", "--junit", name]);
        assert_eq!(said.status, 2, "{}", said.err);
        assert!(said.err.contains("would replace the input"), "{}", said.err);
        assert_eq!(fs::read(at.dir.path().join(name)).expect("a file"), before);
    }
    assert_eq!(at.test(&["policy.conf", "--junit", "no/such/x.xml"]).status, 3);
    assert_eq!(at.test(&["policy.conf", "--junit", "x.xml"]).status, 0);
}

#[test]
fn a_folder_that_cannot_be_read_is_named_and_the_rest_is_tested() {
    let at = Workplace::new(&suite(r#"(name: "x", obj: "/srv/f", expect: allow)"#));
    let found = boesfs_compiler::suite::suites_below(&at.dir.path().join("nowhere"));
    assert_eq!(found.errors[0].0, at.dir.path().join("nowhere"));
    let closed = at.dir.path().join("closed");
    fs::create_dir(&closed).expect("a folder");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).expect("a mode");
    let readable = fs::read_dir(&closed).is_ok();
    let said = at.test(&["."]);
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).expect("a mode");
    assert!(said.out.contains("1 passed, 0 failed"), "{}", said.out);
    // Root reads it all the same.
    assert_eq!(said.status, if readable { 0 } else { 3 });
    assert_eq!(said.err.contains("`closed` cannot be read"), !readable, "{}", said.err);
}

fn suite(tests: &str) -> String {
    format!("(defaults: (sub: \"/bin/bash\", act: \"read\"), tests: [{tests}])")
}

#[test]
fn decisions_rules_and_calls_are_compared() {
    let at = Workplace::new(&suite(
        r#"
        (name: "reads", obj: "/srv/f", expect: allow, effective: allow, rule: "all"),
        (name: "many", act: ["read", "write"], obj: ["/a", "/b"], expect: allow),
        (name: "large", obj: "/srv/secret/f", requests: [
            (args: [101, 0], expect: deny, rule: 16),
            (args: ["100", "0"], expect: allow, rule: "all"),
            (expect: deny, rule: "no-large-reads"),
        ]),
        (name: "others", sub: "/bin/zsh", obj: "/srv/f", expect: deny, rule: "default"),
        (name: "hidden", obj: "/srv/hidden/f", expect: allow, effective: deny, stopped_by: ("lookup", "/srv/hidden")),
        (name: "outside", obj: "/srv/hidden/f", dir: "/home", effective: allow),
        "#,
    ));
    let said = at.test(&["policy.conf", "--threshold", "100"]);
    assert_eq!(
        said.out,
        "policy.test.ron: policy.conf
  ok    reads (1 request)
  ok    many (4 requests)
  ok    large (3 requests)
  ok    others (1 request)
  ok    hidden (1 request)
  ok    outside (1 request)
6 passed, 0 failed
",
        "{}",
        said.err
    );
    assert_eq!(said.status, 0);
}

#[test]
fn a_wrong_answer_shows_what_decided_and_what_nearly_did() {
    let at = Workplace::new(&suite(r#"(name: "x", obj: "/srv/secret/f", args: [50, 0], expect: deny)"#));
    let said = at.test(&[]);
    assert_eq!(said.status, 1);
    for part in [
        "FAIL  x (1 of 1 request)",
        "`read` of `/srv/secret/f` by `/bin/bash` with (50, 0): expected deny, the decision is allow",
        "policy.test.ron:1:53",
        "this decides: allow",
        "near miss: policy.conf:16 would deny, but the arguments are (len 50, offset 0) and it has `(>100)`",
        "0 passed, 1 failed",
    ] {
        assert!(said.out.contains(part), "`{part}` is missing:\n{}", said.out);
    }
    let json = at.test(&["--format", "json"]);
    let json: Value = serde_json::from_str(&json.out).expect("JSON on the output stream");
    let failure = &json["suites"][0]["tests"][0]["failures"][0];
    assert_eq!(json["version"], 1);
    assert_eq!(failure["decision"], "allow");
    assert_eq!(failure["rule"]["id"], "all");
    assert_eq!(failure["mistakes"][0], "expected deny, the decision is allow");
}

#[test]
fn mistakes_in_a_suite_are_told_at_their_place() {
    for (tests, place, message, help) in [
        ("(nam: \"x\")", "nam:", "unknown field `nam`", "did you mean `name`?"),
        ("(name: \"x\", act: \"raed\")", "raed", "unknown operation `raed`", "did you mean `read`?"),
        (
            "(name: \"x\", act: \"@write\")",
            "@write",
            "unknown operation `@write`",
            "`@write` stands for write",
        ),
        ("(name: \"x\", kind: \"dri\")", "dri", "unknown kind `dri`", "did you mean `dir`?"),
        ("(name: \"x\", expect: Deny)", "Deny", "unknown word `Deny`", "did you mean `deny`?"),
        ("(name: \"x\", obj: \"/\")", "(name", "nothing is expected of the request", "`expect: allow`"),
        ("(name: \"x\", expect: deny)", "(name", "the request has no `obj`", "in `defaults`"),
        ("(name: \"x\", obj: \"a\", expect: deny)", "obj:", "object `a` is not an absolute, normal path", ""),
        ("(name: \"x\", obj: [], expect: deny)", "], expect", "the list is empty, so nothing is asked", ""),
        ("(name: \"x\", obj: \"/\", args: [1, 2, 3], expect: deny)", "args:", "operation `read` takes 2", ""),
        ("(name: \"x\", obj: \"/\", dir: \"a/\", expect: deny)", "(name", "`dir` is not an absolute", ""),
        ("(obj: \"/\", expect: deny)", "(obj", "the test has no name", "write `name:"),
        ("(name: \"x\", requests: [])", "(name", "`x` asks nothing", ""),
        ("(name: \"x\" obj: 1)", "obj: 1", "not RON: expected comma", ""),
        ("", "(defaults", "the file has no tests", "add one to"),
        (
            "(name: \"x\", obj: \"/\", expect: deny, rule: \"hiden\")",
            "(name",
            "the policy has no rule `hiden`",
            "did you mean `hidden`?",
        ),
        (
            "(name: \"x\", obj: \"/\", expect: deny, rule: 3)",
            "(name",
            "the policy has no rule on line 3",
            "the nearest rule is on line 14",
        ),
        (
            "(name: \"x\", obj: \"/\", expect: allow), (name: \"x\", obj: \"/a\", expect: allow)",
            "(name: \"x\", obj: \"/a",
            "two tests are called `x`",
            "",
        ),
    ] {
        let at = Workplace::new(&suite(tests));
        let said = at.test(&["policy.conf"]);
        assert_eq!(said.status, 1, "{tests}\n{}", said.err);
        let column = suite(tests).find(place).expect("a place in the suite") + 1;
        for part in [format!("policy.test.ron:1:{column}\n"), message.to_owned(), help.to_owned()] {
            assert!(said.err.contains(&part), "{tests}: `{part}` is missing:\n{}", said.err);
        }
    }
}

#[test]
fn what_no_test_decides_by_is_told_with_a_request() {
    let at = Workplace::new(&suite(r#"(name: "x", obj: "/srv/secret/f", args: [50, 0], expect: allow)"#));
    let said = at.test(&["--coverage"]);
    assert_eq!(said.status, 0);
    assert!(said.out.contains("policy.conf: 1 of 3 rules decided a tested request (33 %)\n"), "{}", said.out);
    assert!(said.out.contains("line 16, never matched: p, dev, /srv/secret/**"), "{}", said.out);
    // Each request that is proposed passes, and together they reach every rule.
    let proposed: Vec<&str> = said.out.lines().filter_map(|line| line.trim().strip_prefix("try (")).collect();
    assert_eq!(proposed.len(), 2, "{}", said.out);
    let tests: Vec<String> =
        proposed.iter().enumerate().map(|(number, test)| format!("(name: \"{number}\", {test}")).collect();
    let more = format!("(name: \"x\", obj: \"/srv/f\", expect: allow), {}", tests.join(", "));
    at.write("policy.test.ron", &suite(&more));
    let said = at.test(&["--threshold", "100"]);
    assert_eq!(said.status, 0, "{}{}", said.out, said.err);
}

#[test]
fn too_little_coverage_fails() {
    let at = Workplace::new(&suite(r#"(name: "x", obj: "/srv/f", expect: allow)"#));
    assert_eq!(at.test(&["--threshold", "33"]).status, 0);
    let said = at.test(&["--threshold", "34"]);
    assert_eq!(said.status, 1);
    assert!(said.out.contains("(33 %), the threshold is 34 %"), "{}", said.out);
    assert_eq!(at.test(&["--threshold", "101"]).status, 2);
}

#[test]
fn suites_name_their_policy() {
    let at = Workplace::new(&suite(r#"(name: "x", obj: "/srv/f", expect: allow)"#));
    let (model, rules) = POLICY.split_once("[policy]\n").expect("a policy section");
    fs::create_dir(at.dir.path().join("two")).expect("a folder");
    at.write("two/model.conf", model);
    at.write("two/rules.csv", rules);
    let other = r#"(policy: "rules.csv", model: "model.conf", tests: [
        (name: "y", sub: "/bin/bash", act: "read", obj: "/srv/f", expect: allow)])"#;
    at.write("two/any.test.ron", other);
    let said = at.test(&[]);
    assert_eq!(said.status, 0, "{}", said.err);
    assert!(said.out.contains("two/any.test.ron: two/rules.csv\n  ok    y"), "{}", said.out);
    assert!(said.out.ends_with("2 passed, 0 failed\n"), "{}", said.out);
    assert_eq!(at.test(&["two/any.test.ron"]).status, 0);
    assert!(at.test(&["--filter", "y"]).out.ends_with("1 passed, 0 failed\n"));
    assert_eq!(at.test(&["--filter", "z"]).status, 2);
    // Nothing to run is not a success.
    fs::create_dir(at.dir.path().join("empty")).expect("a folder");
    assert_eq!(at.test(&["empty"]).status, 3);
    assert_eq!(at.test(&["two/rules.csv"]).status, 3);
    at.write("lost.test.ron", &suite(r#"(name: "x", obj: "/srv/f", expect: allow)"#));
    assert_eq!(at.test(&["lost.test.ron"]).status, 3);
}

#[test]
fn a_policy_with_errors_fails_its_tests() {
    let at = Workplace::new(&suite(r#"(name: "x", obj: "/srv/f", expect: allow)"#));
    at.write("policy.conf", &POLICY.replace("lookup", "lokup"));
    let said = at.test(&["--junit", "report.xml"]);
    assert_eq!(said.status, 1);
    assert!(said.err.contains("unknown operation `lokup`"), "{}", said.err);
    let report = fs::read_to_string(at.dir.path().join("report.xml")).expect("a report");
    assert!(report.contains("errors=\"1\""), "{report}");
    assert!(report.contains("unknown operation `lokup`"), "{report}");
}

#[test]
fn junit_has_a_case_for_each_test() {
    let tests = r#"(name: "good", obj: "/a", expect: allow), (name: "bad <&>", obj: "/a", expect: deny)"#;
    let at = Workplace::new(&suite(tests));
    let said = at.test(&["--junit", "report.xml"]);
    assert_eq!(said.status, 1);
    let report = fs::read_to_string(at.dir.path().join("report.xml")).expect("a report");
    for part in [
        "tests=\"2\"",
        "failures=\"1\"",
        "<testcase name=\"good\" classname=\"policy.test.ron\" assertions=\"1\"/>",
        "name=\"bad &lt;&amp;&gt;\"",
        "expected deny, the decision is allow",
    ] {
        assert!(report.contains(part), "`{part}` is missing:\n{report}");
    }
    assert_eq!(at.test(&["--junit", "no/such/report.xml"]).status, 3);
}

/// Every prefix of a suite, and every suite with a byte left out or another in its place, is read or refused at places
/// that exist.
#[test]
fn no_suite_is_without_an_answer() {
    let text = r#"// c
(policy: "p.conf", allow: ["all"], use: "p2", defaults: (sub: "/ä", act: ["read", "write"]), tests: [
    (name: "ü", obj: [b"/\xff", "/\u{e4}"], args: ["?", -1], uid: 4, kind: "dir", expect: deny, rule: "x"), /* d */
    (name: r"y", requests: [(obj: "/a", stopped_by: ("lookup", "/")), (obj: "/b", rule: 3)]),
])"#;
    let bytes = text.as_bytes();
    let mut inputs: Vec<Vec<u8>> = (0..bytes.len()).map(|end| bytes[..end].to_vec()).collect();
    for at in 0..bytes.len() {
        inputs.push([&bytes[..at], &bytes[at + 1..]].concat());
        for byte in *b"\"()[],:\\/\n\x00\xff9a" {
            let mut changed = bytes.to_vec();
            changed[at] = byte;
            inputs.push(changed);
        }
    }
    let whole = Suite::read(Source::new("", text));
    assert!(whole.is_ok(), "{whole:?}");
    for input in inputs {
        let length = input.len();
        let shown = String::from_utf8_lossy(&input).into_owned();
        let Err(found) = Suite::read(Source::new("", input)) else { continue };
        assert!(!found.is_empty(), "{shown}");
        for label in found.iter().flat_map(|problem| &problem.labels) {
            let (start, end) = (label.span.start, label.span.end);
            assert!(start <= end && end as usize <= length, "{start}..{end} of {length}: {shown}");
        }
    }
}

#[test]
fn deep_and_large_suites_are_refused() {
    let deep = format!("(tests: {}", "[".repeat(1_000_000));
    assert!(Suite::read(Source::new("", deep)).is_err());
    let deep = format!("(tests: [(name: {}", "(".repeat(1_000_000));
    assert!(Suite::read(Source::new("", deep)).is_err());
    let names = (0..400).map(|number| format!("\"/{number}\"")).collect::<Vec<_>>().join(",");
    let wide =
        format!("(tests: [(name: \"x\", act: \"read\", expect: deny, sub: [{names}], obj: [{names}])])");
    let found = Suite::read(Source::new("", wide)).expect_err("too many requests");
    assert_eq!(found[0].message, "the test asks more than 100000 requests");
    let names = (0..300).map(|number| format!("\"/{number}\"")).collect::<Vec<_>>().join(",");
    let test = |number: usize| {
        format!("(name: \"{number}\", act: \"read\", expect: deny, sub: [{names}], obj: [{names}]),")
    };
    let many: String = (0..20).map(test).collect();
    let found = Suite::read(Source::new("", format!("(tests: [{many}])"))).expect_err("too many requests");
    assert_eq!(found[0].message, "the tests ask more than 1000000 requests");
}

#[test]
fn a_suite_of_mistakes_is_read_up_to_a_limit() {
    let text = format!("(tests: [{}])", "(sub: \"/a\", expect: Deny),\n".repeat(20_000));
    let found = Suite::read(Source::new("", text)).expect_err("mistakes");
    assert_eq!(found.len(), 1001);
    assert_eq!(found[1000].message, "no test from here on was read");
}
