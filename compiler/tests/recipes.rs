//! The recipes for other repositories: the workflow and the hooks are read, and the very commands in them are run on a
//! repository of policies made here.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

const POLICY: &str = "\
[request_definition]
r = sub, obj, act

[policy_definition]
p = path, act, eft

[policy_effect]
e = some(where (p.eft == allow)) && !some(where (p.eft == deny))

[matchers]
m = pathMatch(r.obj, p.path) && r.act == p.act

[policy]
p, \"{/,/**}\", @base @read, allow
p, /srv/**/*.key, read, deny
";

const SUITE: &str = r#"(
    defaults: (sub: "/bin/cat"),
    tests: [(name: "keys are closed", act: "read", obj: "/srv/a.key", expect: deny)],
)
"#;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn yaml(path: &str) -> Value {
    let text = fs::read_to_string(root().join(path)).expect(path);
    serde_saphyr::from_str(&text).expect(path)
}

/// A repository with one commit of sound policies.
struct Repository {
    dir: tempfile::TempDir,
}

impl Repository {
    fn new() -> Self {
        let this = Self { dir: tempfile::tempdir().expect("a temporary directory") };
        fs::create_dir_all(this.path("repository/policies")).expect("a folder");
        fs::create_dir(this.path("temp")).expect("a folder");
        this.write("policies/service.conf", POLICY);
        this.write("policies/with a blank.conf", POLICY);
        this.write("policies/service.test.ron", SUITE);
        this.git(&["init", "--quiet"]);
        this.commit();
        this
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path("repository").join(name), text).expect("a written file");
    }

    fn git(&self, args: &[&str]) {
        let output = Command::new("git")
            .args(["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"])
            .args(args)
            .current_dir(self.path("repository"))
            .output()
            .expect("git runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    fn commit(&self) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", "policies"]);
    }

    /// Runs `script` as the workflow's shell does, with our boesfsc on the PATH.
    fn run(&self, script: &str, env: &[(&str, &str)]) -> Output {
        let program = Path::new(env!("CARGO_BIN_EXE_boesfsc"));
        let mut path = program.parent().expect("a folder").as_os_str().to_owned();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        Command::new("bash")
            .args(["--noprofile", "--norc", "-eo", "pipefail", "-c", script])
            .current_dir(self.path("repository"))
            .env("PATH", path)
            .env("RUNNER_TEMP", self.path("temp"))
            .env("GITHUB_STEP_SUMMARY", self.path("summary"))
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .output()
            .expect("bash runs")
    }
}

/// The workflow's steps that run a script, by name, without the one that installs boesfsc.
fn steps() -> Vec<(String, String)> {
    let workflow = yaml(".github/workflows/boesfs-policies.yml");
    assert!(workflow["on"]["workflow_call"]["inputs"]["files"]["default"].is_string());
    let job = &workflow["jobs"]["policies"];
    for name in ["FILES", "MODEL", "BASE"] {
        assert!(job["env"][name].is_string(), "{name}");
    }
    let steps = job["steps"].as_array().expect("steps");
    let scripts = steps.iter().filter_map(|step| {
        let script = step["run"].as_str()?;
        // What is put into a script by the service can be anything; it comes by the environment.
        assert!(!script.contains("${{"), "{script}");
        Some((step["name"].as_str()?.to_owned(), script.to_owned()))
    });
    let mut scripts: Vec<(String, String)> = scripts.collect();
    let install = scripts.remove(0);
    assert_eq!(install.0, "Install boesfsc");
    assert!(install.1.contains("cargo install --locked"));
    scripts
}

/// Which steps fail, and what all of them print.
fn run_all(at: &Repository, env: &[(&str, &str)]) -> (Vec<String>, String) {
    let (mut failed, mut printed) = (Vec::new(), String::new());
    for (name, script) in steps() {
        let output = at.run(&script, env);
        printed.push_str(&String::from_utf8_lossy(&output.stdout));
        printed.push_str(&String::from_utf8_lossy(&output.stderr));
        if !output.status.success() {
            failed.push(name);
        }
    }
    assert!(!printed.contains("panicked") && !printed.contains("unexpected argument"), "{printed}");
    (failed, printed)
}

const ENV: [(&str, &str); 3] = [("FILES", "policies/*.conf"), ("MODEL", ""), ("BASE", "HEAD^")];

#[test]
fn the_workflow_passes_what_is_sound_and_tells_what_changed() {
    let at = Repository::new();
    at.write("policies/service.conf", &POLICY.replace("*.key", "*.pem"));
    at.write("policies/service.test.ron", &SUITE.replace("a.key", "a.pem"));
    at.write("policies/new.conf", POLICY);
    at.commit();
    let (failed, printed) = run_all(&at, &ENV);
    assert_eq!(failed, Vec::<String>::new(), "{printed}");
    let summary = fs::read_to_string(at.path("summary")).expect("a summary");
    assert!(summary.contains("### policies/service.conf") && !summary.contains("new.conf"), "{summary}");
    assert!(summary.contains("key") && summary.contains("pem"), "{summary}");
}

#[test]
fn each_step_of_the_workflow_finds_its_fault() {
    let at = Repository::new();
    at.write("policies/service.conf", &POLICY.replace("read, deny", "raed, deny"));
    at.commit();
    assert_eq!(run_all(&at, &ENV).0, ["Mistakes", "Tests", "Differences"]);
    at.write("policies/service.conf", &POLICY.replace("p, /srv", "p,   /srv"));
    at.commit();
    assert_eq!(run_all(&at, &[ENV[0], ENV[1], ("BASE", "HEAD")]).0, ["Form"]);
    at.write("policies/service.conf", &POLICY.replace("deny\n", "allow\n"));
    at.commit();
    assert_eq!(run_all(&at, &[ENV[0], ENV[1], ("BASE", "HEAD")]).0, ["Tests"]);
}

#[test]
fn the_workflow_takes_a_model() {
    let at = Repository::new();
    let (model, rules) = POLICY.split_once("\n[policy]\n").expect("a section");
    at.git(&["rm", "--quiet", "-r", "."]);
    fs::create_dir_all(at.path("repository/policies")).expect("a folder");
    at.write("policies/model.conf", model);
    at.write("policies/service.csv", rules);
    at.commit();
    at.write("policies/service.csv", &rules.replace("deny", "allow"));
    at.commit();
    let env = [("FILES", "policies/*.csv"), ("MODEL", "policies/model.conf"), ("BASE", "HEAD^")];
    let (failed, printed) = run_all(&at, &env);
    assert_eq!(failed, Vec::<String>::new(), "{printed}");
    assert!(printed.contains("### policies/service.csv"), "{printed}");
}

#[test]
fn the_hooks_run_on_the_files_they_are_given() {
    let at = Repository::new();
    let hooks = yaml(".pre-commit-hooks.yaml");
    let hooks = hooks.as_array().expect("hooks");
    assert_eq!(hooks.len(), 3);
    let files =
        ["policies/service.conf", "policies/with a blank.conf", "policies/service.test.ron", "README.md"];
    at.write("README.md", "no policy");
    // pre-commit gives a hook the staged files that its pattern takes, as arguments.
    let run = |hook: &Value| {
        let pattern = regex::Regex::new(hook["files"].as_str().expect("a pattern")).expect("a pattern");
        let mut script = hook["entry"].as_str().expect("a command").to_owned();
        let taken: Vec<&&str> = files.iter().filter(|file| pattern.is_match(file)).collect();
        assert!(!taken.is_empty() && !taken.contains(&&"README.md"));
        for file in taken {
            script.push_str(&format!(" '{file}'"));
        }
        at.run(&script, &[])
    };
    for hook in hooks {
        let output = run(hook);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    // Form: the file is mended, which pre-commit sees; a mistake and a failed test are statuses.
    at.write("policies/service.conf", &POLICY.replace("p, /srv", "p,   /srv"));
    assert!(run(&hooks[1]).status.success());
    assert_eq!(fs::read_to_string(at.path("repository/policies/service.conf")).expect("a file"), POLICY);
    at.write("policies/service.conf", &POLICY.replace("read, deny", "raed, deny"));
    assert_eq!(run(&hooks[0]).status.code(), Some(1));
    at.write("policies/service.conf", &POLICY.replace("deny\n", "allow\n"));
    assert_eq!(run(&hooks[2]).status.code(), Some(1));
}
