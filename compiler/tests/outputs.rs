//! What `check` tells other programs, how seriously it takes lints, and what it mends.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

const HEAD: &str = "[request_definition]\nr = sub, obj, act\n[policy_definition]\np = sub, obj, act, eft\n\
    [policy_effect]\ne = some(where (p.eft == allow))\n[matchers]\n\
    m = r.sub == p.sub && r.obj == p.obj && r.act == p.act\n";
/// A warning: the program is named by its base name.
const WARNS: &str = "[policy]\n#@ allow=unreachable-allow\np, cat, /srv/a, read, allow\n";
const FAILS: &str = "[policy]\n#@ allow=unreachable-allow\np, /bin/cat, /srv/a, raed, allow\n";

struct Project(tempfile::TempDir);

impl Project {
    fn new() -> Self {
        let project = Self(tempfile::tempdir().expect("a directory"));
        project.write("warns.conf", &format!("{HEAD}{WARNS}"));
        project.write("fails.conf", &format!("{HEAD}{FAILS}"));
        project
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path().join(name), text).expect("a written file");
    }

    fn run(&self, args: &[&str]) -> Output {
        self.feed(args, b"")
    }

    fn feed(&self, args: &[&str], input: &[u8]) -> Output {
        let mut child = Command::new(env!("CARGO_BIN_EXE_boesfsc"))
            .args(args)
            .current_dir(self.path())
            .env_remove("CLICOLOR_FORCE")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("boesfsc runs");
        child.stdin.take().expect("an input").write_all(input).expect("input is read");
        child.wait_with_output().expect("boesfsc ends")
    }

    fn status(&self, args: &[&str]) -> i32 {
        self.run(args).status.code().expect("an exit status")
    }

    fn out(&self, args: &[&str]) -> String {
        String::from_utf8(self.run(args).stdout).expect("text")
    }

    fn err(&self, args: &[&str]) -> String {
        String::from_utf8(self.run(args).stderr).expect("text")
    }
}

#[test]
fn levels_are_given_by_the_command_line() {
    let at = Project::new();
    assert_eq!(at.status(&["check", "warns.conf"]), 0);
    assert!(at.err(&["check", "warns.conf"]).contains("W0311"));
    assert_eq!(at.err(&["check", "--allow", "base-name", "warns.conf"]), "");
    assert_eq!(at.err(&["check", "--allow", "w0311", "warns.conf"]), "");
    assert_eq!(at.status(&["check", "--deny", "base-name", "warns.conf"]), 1);
    assert_eq!(at.status(&["check", "--deny", "warnings", "warns.conf"]), 1);
    assert_eq!(at.status(&["check", "--deny", "all", "--allow", "base-name", "warns.conf"]), 0);
    assert_eq!(at.status(&["check", "--allow", "base-name", "--deny", "base-name", "warns.conf"]), 1);
    assert_eq!(at.status(&["check", "--deny", "unused-role", "warns.conf"]), 0);
    assert_eq!(at.status(&["check", "--deny", "base-nmae", "warns.conf"]), 2);
    assert!(at.err(&["check", "--deny", "base-nmae", "warns.conf"]).contains("did you mean `base-name`?"));
    assert_eq!(at.status(&["build", "--deny", "all", "warns.conf", "-o", "warns.bin"]), 1);
    assert!(!at.path().join("warns.bin").exists(), "a denied lint is in the way of a build");
}

#[test]
fn levels_are_given_by_the_project() {
    let at = Project::new();
    fs::create_dir_all(at.path().join("sub/deep")).expect("directories");
    fs::rename(at.path().join("warns.conf"), at.path().join("sub/deep/warns.conf")).expect("a move");
    at.write("boesfsc.toml", "[lints]\nall = \"deny\"\n");
    let policy = "sub/deep/warns.conf";
    assert_eq!(at.status(&["check", policy]), 1);
    assert_eq!(at.status(&["check", "--allow", "all", policy]), 0, "the command line wins");
    assert_eq!(at.status(&["check", "--no-config", policy]), 0);
    at.write("sub/boesfsc.toml", "[lints]\nbase-name = \"allow\"\nall = \"deny\"\n");
    assert_eq!(at.status(&["check", policy]), 0, "the nearest counts, and a name before all");
    assert_eq!(at.status(&["check", "--config", "boesfsc.toml", policy]), 1);
    assert_eq!(at.status(&["check", "--config", "missing.toml", policy]), 3);

    for (text, said) in [
        ("[lints]\nbase-nmae = \"deny\"\n", "did you mean `base-name`?"),
        ("[lints]\nbase-name = \"forbid\"\n", "E0701"),
        ("[lint]\n", "E0701"),
        ("[lints\n", "E0701"),
        ("[[policy]]\nmodel = \"m\"\n", "E0701"),
    ] {
        at.write("sub/boesfsc.toml", text);
        assert_eq!(at.status(&["check", policy]), 3, "{text}");
        let err = at.err(&["check", policy]);
        assert!(err.contains(said), "{text}: {err}");
    }
}

#[test]
fn directories_hold_policies_and_pairs() {
    let at = Project::new();
    fs::create_dir(at.path().join("two")).expect("a directory");
    at.write("two/model.conf", HEAD);
    at.write("two/rules.csv", "p, /bin/cat, /srv/a, read, allow\n");
    at.write("boesfsc.toml", "[[policy]]\nmodel = \"two/model.conf\"\npolicy = \"two/rules.csv\"\n");
    at.write("notes.conf", "colour = blue\n");
    symlink(".", at.path().join("again")).expect("a link");
    fs::remove_file(at.path().join("fails.conf")).expect("a file");
    let out = at.run(&["check", "."]);
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}{}", String::from_utf8_lossy(&out.stderr));
    assert!(lines.iter().all(|line| line.ends_with(": ok, 1 rule")), "{text}");
    assert!(text.contains("two/rules.csv"), "{text}");
    assert_eq!(at.status(&["check", "two/rules.csv"]), 0, "a pair is known by its rules");
    fs::create_dir(at.path().join("empty")).expect("a directory");
    assert_eq!(at.status(&["check", "empty"]), 3);
}

#[test]
fn the_standard_input_is_a_policy() {
    let at = Project::new();
    let output = at.feed(&["check", "-"], format!("{HEAD}{FAILS}").as_bytes());
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("-:11:"));
}

/// The schema that the standard's committee publishes, as a package of the test's dependencies carries it.
fn sarif_schema() -> Value {
    let metadata = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--offline", "--filter-platform"])
        .arg(format!("{}-unknown-linux-gnu", std::env::consts::ARCH))
        .arg("--manifest-path")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"))
        .output()
        .expect("the metadata of this package");
    let metadata: Value = serde_json::from_slice(&metadata.stdout).expect("metadata");
    let packages = metadata["packages"].as_array().expect("packages");
    let package = packages.iter().find(|package| package["name"] == "serde-sarif").expect("the package");
    let manifest = PathBuf::from(package["manifest_path"].as_str().expect("a path"));
    let schema = manifest.with_file_name("src").join("schema.json");
    let mut schema: Value =
        serde_json::from_str(&fs::read_to_string(schema).expect("the schema")).expect("JSON");
    // A pattern of the published schema is no regular expression that engines agree on; nothing here has that property.
    let language = &mut schema["definitions"]["run"]["properties"]["language"];
    language.as_object_mut().expect("a property").remove("pattern");
    let language = &mut schema["definitions"]["toolComponent"]["properties"]["language"];
    language.as_object_mut().expect("a property").remove("pattern");
    schema
}

#[test]
fn sarif_is_what_its_schema_says() {
    let at = Project::new();
    at.write("odd name%.conf", &format!("{HEAD}[policy]\np, \"/bin/é\", /srv/a, raed, allow\n"));
    let args = ["check", "--format", "sarif", "warns.conf", "fails.conf", "odd name%.conf", "missing.conf"];
    let log: Value = serde_json::from_str(&at.out(&args)).expect("JSON");
    let schema = jsonschema::validator_for(&sarif_schema()).expect("a schema");
    let errors: Vec<String> =
        schema.iter_errors(&log).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{}", errors.join("\n"));
    serde_json::from_value::<serde_sarif::sarif::Sarif>(log.clone()).expect("a log");

    let run = &log["runs"][0];
    let results = run["results"].as_array().expect("results");
    let codes: Vec<&str> = results.iter().filter_map(|result| result["ruleId"].as_str()).collect();
    assert_eq!(codes, ["W0311", "E0301", "E0301"]);
    for result in results {
        let index = usize::try_from(result["ruleIndex"].as_u64().expect("an index")).expect("a small index");
        assert_eq!(run["tool"]["driver"]["rules"][index]["id"], result["ruleId"]);
    }
    let place = &results[2]["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "odd%20name%25.conf");
    assert_eq!(place["region"]["startLine"], 10);
    // `p, "/bin/é", /srv/a, ` has 21 characters.
    assert_eq!(place["region"]["startColumn"], 22);
    assert_eq!(run["invocations"][0]["executionSuccessful"], false);
    assert_eq!(at.status(&args), 3);
    assert_eq!(at.status(&["build", "warns.conf", "-o", "x", "--format", "sarif"]), 2);
}

#[test]
fn github_shows_findings_beside_lines() {
    let at = Project::new();
    at.write("a,b:c.conf", &format!("{HEAD}{FAILS}"));
    let out = at.out(&["check", "--format", "github", "a,b:c.conf", "warns.conf"]);
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines.len(), 2, "{out}");
    assert!(
        lines[0]
            .starts_with("::error file=a%2Cb%3Ac.conf,line=11,endLine=11,col=22,endColumn=26,title=E0301::"),
        "{out}"
    );
    assert!(lines[0].ends_with("%0Ahelp: did you mean `read`?"), "{out}");
    assert!(lines[1].starts_with("::warning file=warns.conf,line=11,"), "{out}");
}

#[test]
fn junit_counts_what_failed() {
    let at = Project::new();
    let out = at.out(&["check", "--format", "junit", "fails.conf", "warns.conf", "missing.conf"]);
    let report = quick_junit::Report::deserialize_from_str(&out).expect("a report");
    let counts: Vec<(String, usize, usize, usize)> = report
        .test_suites
        .iter()
        .map(|suite| (suite.name.to_string(), suite.tests, suite.failures, suite.errors))
        .collect();
    let named = |name: &str, tests, failures, errors| (name.to_owned(), tests, failures, errors);
    assert_eq!(
        counts,
        [named("fails.conf", 1, 1, 0), named("warns.conf", 1, 0, 0), named("missing.conf", 1, 0, 1)]
    );
}

#[test]
fn what_is_sure_to_be_meant_is_mended() {
    let at = Project::new();
    let diff = at.out(&["check", "--fix", "--diff", "fails.conf"]);
    assert!(
        diff.contains("-p, /bin/cat, /srv/a, raed, allow\n+p, /bin/cat, /srv/a, read, allow\n"),
        "{diff}"
    );
    assert!(fs::read_to_string(at.path().join("fails.conf")).expect("a file").contains("raed"));
    symlink("fails.conf", at.path().join("link.conf")).expect("a link");
    assert_eq!(at.status(&["check", "--fix", "link.conf"]), 0);
    assert!(fs::read_to_string(at.path().join("fails.conf")).expect("a file").contains("read"));
    assert!(fs::symlink_metadata(at.path().join("link.conf")).expect("a link").is_symlink());
    assert_eq!(at.status(&["check", "fails.conf"]), 0);
    let fixed = at.feed(&["check", "--fix", "-"], format!("{HEAD}{FAILS}").as_bytes());
    assert_eq!(
        String::from_utf8_lossy(&fixed.stdout),
        format!("{HEAD}{}-: ok, 1 rule\n", FAILS.replace("raed", "read"))
    );
    assert_eq!(at.status(&["check", "--diff", "fails.conf"]), 2);
}

#[test]
fn codes_are_explained() {
    let at = Project::new();
    assert!(at.out(&["check", "--explain", "e0301"]).starts_with("# E0301: unknown operation\n"));
    assert!(at.out(&["check", "--explain", "base-name"]).starts_with("# W0311: base-name\n"));
    assert!(at.out(&["check", "--explain", "all"]).contains("E0301  unknown operation\n"));
    assert_eq!(at.status(&["check", "--explain", "E9999"]), 2);
    assert!(at.err(&["check", "--explain", "base-nmae"]).contains("did you mean `base-name`?"));
}
