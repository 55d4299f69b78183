//! What the command line offers beside its work: completions, manual pages, and watching files.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

const POLICY: &str = "\
[request_definition]
r = sub, obj, act
[policy_definition]
p = path, act, eft
[policy_effect]
e = !some(where (p.eft == deny))
[matchers]
m = pathMatch(r.obj, p.path) && r.act == p.act
[policy]
p, /srv/**, read, deny
";

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_boesfsc")).args(args).output().expect("boesfsc runs")
}

/// The commands that the help lists.
fn commands() -> Vec<String> {
    let help = String::from_utf8(run(&["--help"]).stdout).expect("text");
    let (_, list) = help.split_once("Commands:\n").expect("commands");
    let lines = list.lines().take_while(|line| !line.is_empty());
    let names = lines.filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next());
    let names: Vec<String> = names.filter(|name| *name != "help").map(str::to_owned).collect();
    assert!(names.len() >= 10, "{help}");
    names
}

#[test]
fn completions_know_every_command() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = run(&["completions", shell]);
        assert_eq!(output.status.code(), Some(0));
        let script = String::from_utf8(output.stdout).expect("text");
        for command in commands() {
            assert!(script.contains(&command), "{shell}: {command}");
        }
    }
    assert_eq!(run(&["completions", "dos"]).status.code(), Some(2));
}

#[test]
fn the_bash_script_parses() {
    let mut bash = Command::new("bash").arg("-n").stdin(Stdio::piped()).spawn().expect("bash runs");
    let script = run(&["completions", "bash"]).stdout;
    bash.stdin.take().expect("a pipe").write_all(&script).expect("bash reads");
    assert!(bash.wait().expect("an end").success());
}

/// The command lines of the examples in the help of `command`, without what is done with their output.
fn examples(command: &str) -> Vec<String> {
    let help = String::from_utf8(run(&[command, "--help"]).stdout).expect("text");
    let (_, examples) = help.split_once("Examples:\n").expect("examples");
    let cut = |line: &str| {
        let line = line.trim();
        let end = ["   ", " | ", " > ", " && "].iter().filter_map(|mark| line.find(mark)).min();
        line[..end.unwrap_or(line.len())].to_owned()
    };
    examples.lines().filter(|line| line.trim_start().starts_with("boesfsc ")).map(cut).collect()
}

/// Whatever comes of them, for their files are not all there: they are command lines that are understood.
#[test]
fn the_examples_of_the_help_can_be_run() {
    const ROLES: &str = "\
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
p, builders, /srv/**, read, *, deny
g, /bin/bash, builders
";
    let folder = tempfile::tempdir().expect("a folder");
    let (model, rules) = ROLES.split_once("[policy]\n").expect("rules");
    for (name, text) in [
        ("policy.conf", ROLES),
        ("old.conf", ROLES),
        ("new.conf", ROLES),
        ("model.conf", model),
        ("policy.csv", rules),
    ] {
        fs::write(folder.path().join(name), text).expect("a file");
    }
    let path = Path::new(env!("CARGO_BIN_EXE_boesfsc")).parent().expect("a folder").display().to_string();
    // The others wait, or write where the system keeps such files.
    let elsewhere = ["watch", "lsp", "completions", "man"];
    for command in commands().iter().filter(|command| !elsewhere.contains(&command.as_str())) {
        let examples = examples(command);
        assert!(!examples.is_empty(), "{command} has no examples");
        for example in examples {
            let mut shell = Command::new("/bin/sh");
            shell.args(["-c", &example]).current_dir(folder.path()).stdin(Stdio::null());
            let output = shell.env("PATH", &path).output().expect("a shell runs");
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(matches!(output.status.code(), Some(0 | 1 | 3 | 4)), "{example}: {said}");
        }
    }
}

#[test]
fn every_command_has_a_manual_page() {
    let folder = tempfile::tempdir().expect("a folder");
    let pages = folder.path().join("man1");
    assert_eq!(run(&["man", &pages.display().to_string()]).status.code(), Some(0));
    let main = fs::read_to_string(pages.join("boesfsc.1")).expect("the main page");
    assert_eq!(String::from_utf8(run(&["man"]).stdout).expect("text"), main);
    for command in commands() {
        let page = fs::read_to_string(pages.join(format!("boesfsc-{command}.1"))).expect(&command);
        assert!(page.contains("Examples:"), "{command}");
        assert!(main.contains(&command.replace('-', "\\-")), "{command}");
    }
    fs::write(folder.path().join("file"), "").expect("a file");
    assert_eq!(run(&["man", &folder.path().join("file").display().to_string()]).status.code(), Some(3));
}

/// A running `watch`, with the lines it prints.
struct Watched {
    child: Child,
    lines: Receiver<String>,
}

impl Watched {
    fn new(folder: &Path, args: &[&str]) -> Self {
        // One pipe for both streams: of two, nobody could tell which line came first.
        let (out, into) = std::io::pipe().expect("a pipe");
        // Who runs the tests in the background may have interrupts ignored, and what they start inherits that.
        let child = Command::new("env")
            .args(["--default-signal=INT", env!("CARGO_BIN_EXE_boesfsc"), "watch"])
            .args(args)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(into.try_clone().expect("a pipe"))
            .stderr(into)
            .spawn()
            .expect("boesfsc starts");
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self { child, lines }
    }

    /// The lines up to one with `word` in it.
    fn until(&self, word: &str) -> Vec<String> {
        let mut seen = Vec::new();
        loop {
            match self.lines.recv_timeout(Duration::from_secs(60)) {
                Ok(line) => {
                    seen.push(line);
                    if seen[seen.len() - 1].contains(word) {
                        return seen;
                    }
                }
                Err(_) => panic!("no `{word}` in {seen:?}"),
            }
        }
    }

    fn interrupt(mut self) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-INT", &pid]).status().expect("kill runs");
        assert!(sent.success());
        let status = self.child.wait().expect("an end");
        assert!(status.code() == Some(130) || status.signal() == Some(2), "{status}");
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // A test that fails leaves nothing running.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn watching_sees_every_way_to_save() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("policy.conf");
    fs::write(&path, POLICY).expect("a file");
    let watched = Watched::new(folder.path(), &["policy.conf"]);
    watched.until("ok, 1 rule");
    // Written in place.
    fs::write(&path, POLICY.replace("read", "raed")).expect("a file");
    let seen = watched.until("did you mean `read`?");
    assert_eq!(seen.iter().filter(|line| line.contains("changed: policy.conf")).count(), 1, "{seen:?}");
    // Another file in its place, as editors do; the same again is no change.
    let other = folder.path().join(".policy.conf.new");
    for text in
        [format!("{POLICY}p, /x, open, deny\n"), format!("{POLICY}p, /x, open, deny\n"), POLICY.to_owned()]
    {
        fs::write(&other, text).expect("a file");
        fs::rename(&other, &path).expect("a replaced file");
    }
    let seen = watched.until("ok, 1 rule");
    assert!(seen.iter().filter(|line| line.contains("changed")).count() <= 2, "{seen:?}");
    // Removed and made again.
    fs::remove_file(&path).expect("a removed file");
    watched.until("does not exist");
    fs::write(&path, POLICY).expect("a file");
    watched.until("ok, 1 rule");
    watched.interrupt();
}

#[test]
fn both_files_and_the_settings_count() {
    let folder = tempfile::tempdir().expect("a folder");
    let (model, rules) = POLICY.split_once("[policy]\n").expect("a section");
    fs::write(folder.path().join("model.conf"), model).expect("a file");
    fs::write(folder.path().join("rules.csv"), rules).expect("a file");
    let watched = Watched::new(folder.path(), &["--model", "model.conf", "rules.csv"]);
    watched.until("ok, 1 rule");
    fs::write(folder.path().join("model.conf"), model.replace("pathMatch", "pathMtch")).expect("a file");
    watched.until("changed: model.conf");
    watched.until("did you mean `pathMatch`?");
    fs::write(folder.path().join("model.conf"), model).expect("a file");
    watched.until("ok, 1 rule");
    fs::write(folder.path().join("boesfsc.toml"), "").expect("a file");
    watched.until("changed: boesfsc.toml");
    watched.until("ok, 1 rule");
    watched.interrupt();
}

#[test]
fn a_command_runs_after_what_is_sound() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("policy.conf");
    fs::write(&path, POLICY.replace("read", "raed")).expect("a file");
    let watched = Watched::new(folder.path(), &["policy.conf", "--exec", "echo sound so far"]);
    let before = watched.until("did you mean `read`?");
    assert!(before.iter().all(|line| !line.contains("sound so far")), "{before:?}");
    fs::write(&path, POLICY).expect("a file");
    let seen = watched.until("sound so far");
    assert!(seen.iter().any(|line| line.contains("ok, 1 rule")), "{seen:?}");
    watched.interrupt();
}
