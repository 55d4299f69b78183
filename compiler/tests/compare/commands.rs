//! The commands from outside: what they print and how they end.

use std::path::Path;
use std::process::Command;

const HEAD: &str = "[request_definition]\nr = sub, obj, act\n[policy_definition]\np = sub, obj, act, eft\n\
                    [role_definition]\ng = _, _\n[policy_effect]\ne = some(where (p.eft == allow)) && !some(where \
                    (p.eft == deny))\n[matchers]\nm = g(r.sub, p.sub) && pathMatch(r.obj, p.obj) && r.act == \
                    p.act\n";

/// What the program prints, and its exit status.
fn boesfsc(dir: &Path, args: &[&str]) -> (String, i32) {
    let output = Command::new(env!("CARGO_BIN_EXE_boesfsc"))
        .args(args)
        .current_dir(dir)
        .output()
        .expect("boesfsc runs");
    let text = [output.stdout, output.stderr].concat();
    (
        String::from_utf8(text).expect("boesfsc prints text"),
        output.status.code().expect("boesfsc ends by itself"),
    )
}

fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    let rules = "p, tools, /srv/**, read, allow\np, /bin/vi, /srv/*.txt, write, allow\ng, /bin/cat, tools\n";
    let write = |name: &str, text: String| std::fs::write(dir.path().join(name), text).expect("a file");
    write("old.conf", format!("{HEAD}[policy]\n{rules}"));
    write("new.conf", format!("{HEAD}[policy]\n{}", rules.replace("/srv/**", "/srv/a/**")));
    write("model.conf", HEAD.to_owned());
    write("rules.csv", rules.to_owned());
    write("broken.conf", "[matcher]\n".to_owned());
    dir
}

#[test]
fn diff_and_equivalent_end_as_ci_expects() {
    let dir = folder();
    let run = |args: &[&str]| boesfsc(dir.path(), args);
    assert_eq!(run(&["diff", "old.conf", "old.conf"]).1, 0);
    let (text, status) = run(&["diff", "old.conf", "new.conf"]);
    assert_eq!(status, 1, "{text}");
    assert!(text.contains("allow -> deny: read"), "{text}");
    assert!(text.contains("/srv/** except /srv/a/**"), "{text}");
    assert!(text.contains("old.conf:12: p, tools, /srv/**, read, allow"), "{text}");
    assert_eq!(run(&["diff", "old.conf", "new.conf", "--exit-zero"]).1, 0);
    assert_eq!(run(&["equivalent", "old.conf", "new.conf"]).1, 1);
    assert_eq!(run(&["diff", "old.conf", "absent.conf"]).1, 3);
    assert_eq!(run(&["diff", "old.conf", "broken.conf"]).1, 1);
    assert_eq!(run(&["diff", "old.conf"]).1, 2);
    let (text, status) = run(&["diff", "old.conf", "new.conf", "--max-pairs", "10"]);
    assert_eq!(status, 3, "{text}");
    assert!(text.contains("10") && text.contains("--max-pairs"), "{text}");
}

#[test]
fn images_and_two_files_stand_in_for_a_policy() {
    let dir = folder();
    let run = |args: &[&str]| boesfsc(dir.path(), args);
    assert_eq!(run(&["build", "old.conf", "-o", "old.bin"]).1, 0);
    assert_eq!(run(&["build", "old.conf", "-o", "bare.bin", "--strip"]).1, 0);
    for image in ["old.bin", "bare.bin"] {
        assert_eq!(run(&["equivalent", image, "old.conf"]).1, 0);
        let (text, status) = run(&["diff", image, "new.conf"]);
        assert_eq!(status, 1);
        assert!(text.contains("/srv/** except /srv/a/**"), "{text}");
    }
    assert!(run(&["diff", "bare.bin", "new.conf"]).0.contains("not named by the image"));
    assert_eq!(run(&["equivalent", "old.conf", "rules.csv", "--model-new", "model.conf"]).1, 0);
    assert_eq!(run(&["equivalent", "rules.csv", "rules.csv", "--model", "model.conf"]).1, 0);
}

#[test]
fn witnesses_of_a_diff_are_requests_that_eval_takes() {
    let dir = folder();
    let (text, _) = boesfsc(dir.path(), &["diff", "old.conf", "new.conf", "--format", "json"]);
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["version"], 1);
    let part = &value["changes"][0]["parts"][0];
    for (policy, side) in [("old.conf", "old"), ("new.conf", "new")] {
        let mut request = part["witness"].clone();
        request["expect"] = part[side]["decision"].clone();
        std::fs::write(dir.path().join("requests"), format!("{request}\n")).unwrap();
        let (text, status) = boesfsc(dir.path(), &["eval", policy, "--requests", "requests"]);
        assert_eq!(status, 0, "{text}");
    }
}

#[test]
fn witnesses_that_are_no_text_are_escaped_and_asked_again() {
    let dir = folder();
    let effect = "some(where (p.eft == allow)) && !some(where (p.eft == deny))";
    let head =
        HEAD.replace(effect, "!some(where (p.eft == deny))").replace("g(r.sub, p.sub)", "r.sub == p.sub");
    let rules =
        b"[policy]\np, \"/bin/\xff\", \"/u\xfe/a\", read, deny\np, /bin/a, \"/b/\\\\x\", write, deny\n\
        p, \"/bin/\x01\", /c, exec, deny\n";
    std::fs::write(dir.path().join("odd.conf"), [head.as_bytes(), rules].concat()).unwrap();
    let (text, status) = boesfsc(dir.path(), &["build", "odd.conf", "-o", "odd.bin", "--allow", "all"]);
    assert_eq!(status, 0, "{text}");
    let query = ["query", "odd.bin", "--verdict", "deny", "--format", "json", "--allow", "all"];
    let value: serde_json::Value = serde_json::from_str(&boesfsc(dir.path(), &query).0).unwrap();
    let mut requests = String::new();
    for part in value["answers"].as_array().unwrap().iter().map(|answer| &answer["parts"][0]) {
        let mut request = part["witness"].clone();
        request["expect"] = "deny".into();
        requests.push_str(&format!("{request}\n"));
    }
    assert_eq!(requests.lines().count(), 3, "{requests}");
    std::fs::write(dir.path().join("requests"), &requests).unwrap();
    for policy in ["odd.bin", "odd.conf"] {
        let args = ["eval", policy, "--requests", "requests", "--allow", "all"];
        let (text, status) = boesfsc(dir.path(), &args);
        assert_eq!(status, 0, "{requests}{text}");
    }
    assert!(requests.contains(r#""escaped":true"#) && requests.contains(r"/u\\xfe/a"), "{requests}");
    assert!(requests.contains(r#""obj":"/b/\\x""#), "what is text is as it is: {requests}");
    // The text of a rule keeps its own backslashes.
    assert_eq!(value["answers"][1]["rules"][0]["text"], r#"p, /bin/a, "/b/\\x", write, deny"#);
    assert_eq!(value["answers"][0]["rules"][0]["text"], r#"p, "/bin/\xff", "/u\xfe/a", read, deny"#);
}

#[test]
fn queries_expect() {
    let dir = folder();
    let run = |args: &[&str]| boesfsc(dir.path(), args);
    let (text, status) = run(&["query", "old.conf", "--sub", "tools", "--act", "@read"]);
    assert_eq!(status, 0);
    assert!(text.contains("who   /bin/cat") && text.contains("where /srv/**"), "{text}");
    assert_eq!(run(&["query", "old.conf", "--act", "write", "--obj", "/etc/**"]).1, 1);
    assert_eq!(run(&["query", "old.conf", "--act", "write", "--obj", "/etc/**", "--expect", "none"]).1, 0);
    assert_eq!(run(&["query", "old.conf", "--act", "write", "--obj", "/srv/**", "--expect", "none"]).1, 1);
    assert_eq!(run(&["query", "old.conf", "--act", "reed"]).1, 2);
    let (text, _) = run(&["query", "old.conf", "--sub", "/bin/other"]);
    assert!(text.starts_with("none"), "{text}");
}

#[test]
fn a_query_about_no_path_is_refused() {
    let dir = folder();
    assert_eq!(boesfsc(dir.path(), &["build", "old.conf", "-o", "old.bin"]).1, 0);
    for pattern in ["etc/**", "/etc/", "//etc/**", "/etc/../etc/**", "", "*", "/etc/**/"] {
        for policy in ["old.conf", "old.bin"] {
            let (text, status) =
                boesfsc(dir.path(), &["query", policy, "--obj", pattern, "--expect", "none"]);
            assert_eq!(status, 2, "{pattern}: {text}");
            assert!(text.contains(&format!("no path matches `{pattern}`")), "{text}");
        }
    }
    for pattern in ["/", "/**", "**", "/etc/.", "/{etc,}"] {
        let status = boesfsc(dir.path(), &["query", "old.conf", "--obj", pattern, "--verdict", "any"]).1;
        assert_eq!(status, if pattern == "/etc/." { 2 } else { 0 }, "{pattern}");
    }
}

#[test]
fn a_word_that_the_policy_does_not_have_is_said() {
    let dir = folder();
    let run = |args: &[&str]| boesfsc(dir.path(), args);
    let (text, status) = run(&["query", "old.conf", "--sub", "tols", "--expect", "none"]);
    assert_eq!(status, 0, "{text}");
    assert!(text.contains("note: nothing in the policy is called `tols`: did you mean `tools`?"), "{text}");
    assert!(run(&["query", "old.conf", "--sub", "cat"]).0.contains("taken as a program's base name"));
    assert_eq!(run(&["build", "old.conf", "-o", "old.bin"]).1, 0);
    assert!(run(&["query", "old.bin", "--sub", "tools"]).0.contains("an image has no roles"));
    for known in ["tools", "/bin/cat", "/bin/other"] {
        let (text, _) = run(&["query", "old.conf", "--sub", known]);
        assert!(!text.contains("note:"), "{text}");
    }
}

#[test]
fn graphs_are_dot_or_svg_and_bounded() {
    let dir = folder();
    let run = |args: &[&str]| boesfsc(dir.path(), args);
    for what in ["roles", "automaton", "classes"] {
        let (dot, status) = run(&["graph", "old.conf", "--what", what]);
        assert!(status == 0 && dot.starts_with("digraph") && dot.ends_with("}\n"), "{dot}");
        let (svg, status) = run(&["graph", "old.conf", "--what", what, "--output", "svg"]);
        assert!(status == 0 && svg.contains("<svg"), "{svg}");
    }
    assert!(run(&["graph", "old.conf", "--what", "roles"]).0.contains("\"/bin/cat\""));
    let (text, status) = run(&["graph", "old.conf", "--what", "automaton", "--max-nodes", "2"]);
    assert!(status == 3 && text.contains("--max-nodes"), "{text}");
}
