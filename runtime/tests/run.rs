//! `boesfs run` and `boesfs probe` from outside, on the fuse plane.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

#[path = "support/image.rs"]
mod image;
mod support;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use boesfs_abi::image::{Release, SecretKey, sign};
use boesfs_abi::op::Op;
use image::{LINE, RULE, denying, denying_file};
use nix::sys::signal::{Signal, kill};
use nix::unistd::geteuid;
use serde_json::Value;
use support::{Ready, Said, said};

/// A directory with a policy that denies something at `guarded`, and a protected directory that holds it.
struct Place {
    dir: tempfile::TempDir,
    policy: PathBuf,
}

impl Place {
    fn denying(ops: &[Op]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().canonicalize().unwrap();
        let protected = path.join("protected");
        fs::create_dir(&protected).unwrap();
        fs::write(protected.join("guarded"), "guarded\n").unwrap();
        fs::write(protected.join("free"), "free\n").unwrap();
        let policy = denying_file(&path, ops, &protected.join("guarded"));
        Self { dir, policy }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().canonicalize().unwrap()
    }

    fn protected(&self) -> PathBuf {
        self.path().join("protected")
    }

    fn events(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.path().join("events")).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// `boesfs run` on the fuse plane over the protected directory, with events, up to the command.
    fn run(&self, options: &[&str]) -> Command {
        let mut command = boesfs();
        command.args(["run", "--plane", "fuse", "--dir"]).arg(self.protected()).arg("--events");
        command.arg(self.path().join("events")).args(options).arg(&self.policy).arg("--");
        command.current_dir(self.protected());
        command
    }

    fn script(&self, options: &[&str], line: &str) -> Said {
        said(self.run(options).args(["sh", "-c", line]))
    }
}

fn boesfs() -> Command {
    Command::new(env!("CARGO_BIN_EXE_boesfs"))
}

#[test]
fn a_denied_call_fails_and_is_told_with_its_rule() {
    let place = Place::denying(&[Op::Open]);
    let ran = place.script(&["--name", "place"], "cat free; cat guarded; exit 5");
    assert_eq!((ran.status, ran.out.as_str()), (5, "free\n"), "{}", ran.err);
    assert_eq!(ran.err, "cat: guarded: Permission denied\n");
    let [event] = &place.events()[..] else { panic!("{:?}", place.events()) };
    assert_eq!(event["op"], "open");
    assert_eq!(event["path"], place.protected().join("guarded").to_str().unwrap());
    assert_eq!(event["verdict"], "deny");
    assert_eq!(event["errno"], "EACCES");
    assert_eq!(event["level"], "warning");
    assert_eq!(event["sandbox"], "place");
    assert_eq!(event["plane"], "fuse");
    assert_eq!(event["generation"], 1);
    assert_eq!(event["uid"], geteuid().as_raw());
    assert_eq!(event["rule"], serde_json::json!({"id": "no-entry", "line": LINE, "text": RULE}));
    assert!(event["sub"].as_str().unwrap().ends_with("/cat"), "{event}");
    assert!(event["reason"].is_null());
}

#[test]
fn exit_status_and_signals_pass() {
    let place = Place::denying(&[Op::Write]);
    assert_eq!(place.script(&[], "exit 0").status, 0);
    assert_eq!(place.script(&[], "exit 42").status, 42);
    assert_eq!(place.script(&[], "kill -KILL $$").status, 137);
    assert_eq!(said(place.run(&[]).arg("no-such-command")).status, 127);
    assert_eq!(said(place.run(&[]).arg(place.protected().join("free"))).status, 126);
    let waiting = "trap 'exit 33' TERM; echo ready; sleep 1000 & wait";
    let sandbox = Ready::start(place.run(&[]).args(["sh", "-c", waiting]));
    kill(sandbox.pid(), Signal::SIGTERM).unwrap();
    assert_eq!(sandbox.end(), 33);
    let sandbox = Ready::start(place.run(&[]).args(["sh", "-c", "echo ready; exec sleep 1000"]));
    kill(sandbox.pid(), Signal::SIGKILL).unwrap();
    assert_eq!(sandbox.end(), 137);
}

#[test]
fn killed_at_any_moment_nothing_stays() {
    let place = Place::denying(&[Op::Open]);
    // From before the first clone to after the exec; what has to hold does not depend on where each falls.
    for milliseconds in 0..60 {
        let began = std::time::Instant::now();
        let mut command = boesfs();
        command.args(["run", "--plane", "fuse"]).arg(&place.policy).args(["--", "sleep", "1000"]);
        let mut child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
        while began.elapsed() < std::time::Duration::from_millis(milliseconds) {
            std::thread::yield_now();
        }
        child.kill().unwrap();
        // The output is held open by what still runs.
        std::io::Read::read_to_end(child.stdout.as_mut().unwrap(), &mut Vec::new()).unwrap();
        child.wait().unwrap();
    }
}

#[test]
fn the_sandbox_dies_at_its_kill_limit() {
    let place = Place::denying(&[Op::Open]);
    let line = "cat guarded; echo first; cat guarded; echo second; cat guarded; echo third";
    let ran = place.script(&["--kill-after", "2"], line);
    assert_eq!((ran.status, ran.out.as_str()), (137, "first\n"), "{}", ran.err);
    assert!(ran.err.ends_with("boesfs: killed at its kill limit of 2 denials\n"), "{}", ran.err);
    let events = place.events();
    let said: Vec<_> =
        events.iter().map(|event| (event["verdict"].as_str(), event["reason"].as_str())).collect();
    assert_eq!(said, [(Some("deny"), None), (Some("deny"), None), (Some("kill"), Some("kill-limit"))]);
}

#[test]
fn the_kill_limit_counts_over_all_processes() {
    let place = Place::denying(&[Op::Open]);
    let line = "for i in 1 2 3 4 5 6 7 8; do (while :; do cat guarded; done) & done; wait";
    let ran = place.script(&["--kill-after", "20"], line);
    assert_eq!(ran.status, 137);
    let denied = place.events().iter().filter(|event| event["verdict"] == "deny").count();
    assert_eq!(denied, 20);
}

#[test]
fn hidden_names_do_not_count() {
    let place = Place::denying(&[Op::Lookup]);
    let ran = place.script(&["--kill-after", "1"], "cat guarded; cat guarded; ls; exit 3");
    assert_eq!((ran.status, ran.out.as_str()), (3, "free\n"), "{}", ran.err);
}

#[test]
fn the_exec_of_the_command_itself_is_not_asked() {
    let place = Place::denying(&[Op::Exec, Op::Open, Op::Read]);
    let tool = place.protected().join("guarded");
    fs::copy("/bin/true", &tool).unwrap();
    fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).unwrap();
    let ran = said(place.run(&[]).arg(&tool));
    assert_eq!((ran.status, ran.err.as_str()), (0, ""));
    assert_eq!(place.script(&[], "./guarded").status, 126);
}

#[test]
fn the_whole_root_can_be_protected() {
    let place = Place::denying(&[Op::Open]);
    let guarded = place.protected().join("guarded");
    let mut command = boesfs();
    command.args(["run", "--plane", "fuse"]).arg(&place.policy).args(["--", "sh", "-c"]);
    command
        .arg("pwd; cat free; cat guarded; ls -d /proc/self /dev/null /sys/kernel; echo $(cat /proc/1/comm)");
    let ran = said(command.current_dir(place.protected()));
    let cwd = place.protected();
    assert_eq!(
        ran.out,
        format!("{}\nfree\n/dev/null\n/proc/self\n/sys/kernel\nboesfs\n", cwd.display()),
        "{} {}",
        ran.err,
        guarded.display()
    );
    assert_eq!(ran.err, "cat: guarded: Permission denied\n");
}

#[test]
fn a_policy_that_denies_outside_is_refused_unless_told() {
    let place = Place::denying(&[Op::Open]);
    let elsewhere = place.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let run = |options: &[&str]| {
        let mut command = boesfs();
        command.args(["run", "--plane", "fuse", "--dir"]).arg(&elsewhere).args(options).arg(&place.policy);
        said(command.arg("--").arg("cat").arg(place.protected().join("guarded")))
    };
    let refused = run(&[]);
    assert_eq!((refused.status, refused.out.as_str()), (125, ""));
    for part in ["protected/guarded", "elsewhere", "line 7", RULE, "--outside allow"] {
        assert!(refused.err.contains(part), "{part}: {}", refused.err);
    }
    let ran = run(&["--outside", "allow"]);
    assert_eq!((ran.status, ran.out.as_str()), (0, "guarded\n"), "{}", ran.err);
}

#[test]
fn a_deny_rule_through_a_link_is_refused() {
    let place = Place::denying(&[Op::Open]);
    symlink("protected", place.path().join("alias")).unwrap();
    let policy = denying_file(&place.path(), &[Op::Open], &place.path().join("alias/guarded"));
    let ran = said(boesfs().args(["run", "--plane", "fuse"]).arg(policy).args(["--", "true"]));
    assert_eq!(ran.status, 125);
    let leads = place.protected().join("guarded");
    assert!(ran.err.contains(leads.to_str().unwrap()) && ran.err.contains("symbolic link"), "{}", ran.err);
}

#[test]
fn bad_input_is_refused_before_anything_runs() {
    let place = Place::denying(&[Op::Open]);
    let file = |name: &str, bytes: &[u8]| {
        let path = place.path().join(name);
        fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let good = denying(&[Op::Open], &place.protected().join("guarded"));
    let policy = place.policy.to_str().unwrap();
    let mut damaged = good.clone();
    *damaged.last_mut().unwrap() ^= 1;
    let missing = place.path().join("missing");
    let missing = missing.to_str().unwrap();
    let plain = place.protected().join("free");
    let plain = plain.to_str().unwrap();
    let nowhere = format!("{missing}/events");
    let dots = ".".repeat(86);
    let mut cases: Vec<(Vec<String>, &str)> = [
        (vec![missing], "No such file or directory"),
        (vec![place.dir.path().to_str().unwrap()], "Is a directory"),
        (vec![&file("empty", b"")], "truncated"),
        (
            vec![&file("text", b"this is no image, but text that is long enough for a header")],
            "not a policy image",
        ),
        (vec![&file("damaged", &damaged)], "damaged"),
        (vec!["--dir", missing, policy], "No such file or directory"),
        (vec!["--dir", plain, policy], "is not a directory"),
        (vec!["--name", "", policy], "name"),
        (vec!["--name", &dots, policy], "cannot be a sandbox's name"),
        (vec!["--dir", "etc", "--outside", "allow", policy], "`etc` is not an absolute path"),
        (vec!["--dir", ".", policy], "`.` is not an absolute path"),
        (vec!["--dir", "/proc", "--outside", "allow", policy], "which every sandbox has of its own"),
        (vec!["--root", missing, policy], "No such file or directory"),
        (vec!["--root", plain, policy], "ot a directory"),
        (vec!["--events", &nowhere, policy], "cannot write events"),
        (vec!["--kill-after", "0", policy], "kill-after"),
        (vec!["--outside", "perhaps", policy], "perhaps"),
        (vec!["--format", "json", policy], "--dry-run"),
        (vec![], "required"),
    ]
    .into_iter()
    .map(|(args, complaint)| (args.into_iter().map(str::to_owned).collect(), complaint))
    .collect();
    for length in (0..good.len()).step_by(61) {
        cases.push((vec![file(&format!("cut-{length}"), &good[..length])], "policy"));
    }
    for (args, complaint) in cases {
        let ran = said(boesfs().args(["run", "--plane", "fuse"]).args(&args).args(["--", "echo", "ran"]));
        assert_eq!((ran.status, ran.out.as_str()), (125, ""), "{args:?}: {}", ran.err);
        assert!(ran.err.contains(complaint) && !ran.err.contains("panicked"), "{args:?}: {}", ran.err);
    }
    assert_eq!(said(boesfs().arg("bogus")).status, 2);
}

/// Runs `line` as root of a mount namespace of its own.
fn with_mounts(line: &str) -> Said {
    let user: &[&str] = if geteuid().is_root() { &[] } else { &["--user", "--map-root-user"] };
    said(Command::new("unshare").args(user).args(["--mount", "sh", "-e", "-c", line]))
}

#[test]
fn without_fuse_there_is_no_fuse_plane() {
    let place = Place::denying(&[Op::Open]);
    let run = format!(
        "exec {} run --plane fuse {} -- echo ran",
        env!("CARGO_BIN_EXE_boesfs"),
        place.policy.display()
    );
    for mount in ["mount -t tmpfs none /dev", "mount --bind /dev/null /dev/fuse"] {
        let ran = with_mounts(&format!("{mount}; {run}"));
        assert_eq!((ran.status, ran.out.as_str()), (125, ""), "{mount}: {}", ran.err);
        assert!(ran.err.contains("fuse plane"), "{}", ran.err);
    }
}

#[test]
fn the_fuse_plane_is_never_permissive() {
    let ran = Place::denying(&[Op::Open]).script(&["--permissive"], "echo ran");
    assert_eq!((ran.status, ran.out.as_str()), (125, ""), "{}", ran.err);
    assert!(ran.err.contains("cannot be permissive"), "{}", ran.err);
}

#[test]
fn the_fuse_plane_folds_no_events() {
    let place = Place::denying(&[Op::Open]);
    let refused = place.script(&["--event-rate", "5"], "echo ran");
    assert_eq!((refused.status, refused.out.as_str()), (125, ""), "{}", refused.err);
    assert!(refused.err.contains("cannot fold events"), "{}", refused.err);
    let ran = place.script(&["--event-rate", "0"], "for i in 1 2 3; do cat guarded; done; echo ran");
    assert_eq!((ran.status, ran.out.as_str(), place.events().len()), (0, "ran\n", 3), "{}", ran.err);
}

#[test]
fn an_older_kernel_is_no_place_for_the_lsm_plane() {
    let place = Place::denying(&[Op::Open]);
    // As the kernel itself shows an older one to programs that cannot read today's numbers.
    let mut command = Command::new("setarch");
    command.args(["--uname-2.6", env!("CARGO_BIN_EXE_boesfs"), "run", "--plane", "lsm"]);
    let ran = said(command.arg(&place.policy).args(["--", "echo", "ran"]));
    assert_eq!((ran.status, ran.out.as_str()), (125, ""), "{}", ran.err);
    assert!(ran.err.contains("the kernel is 2.6.") && ran.err.contains("needs 6.1"), "{}", ran.err);
}

#[test]
fn another_root_can_be_protected_in_part_and_whole() {
    let place = Place::denying(&[Op::Open]);
    let root = place.path().join("root");
    fs::create_dir(&root).unwrap();
    let (root, protected, policy) = (root.display(), place.protected(), place.policy.display());
    let protected = protected.display();
    for dir in [protected.to_string(), "/".to_owned()] {
        let ran = with_mounts(&format!(
            "mount --rbind / {root}; cd {root}{protected}; \
             exec {} run --plane fuse --root {root} --dir {dir} {policy} \
             -- sh -c 'pwd; cat free; cat guarded; ls {root}; ls -d /proc/self'",
            env!("CARGO_BIN_EXE_boesfs")
        ));
        assert_eq!(ran.out, format!("{protected}\nfree\n/proc/self\n"), "{dir}: {}", ran.err);
        assert_eq!(ran.err, "cat: guarded: Permission denied\n", "{dir}");
    }
}

#[test]
fn a_user_without_privileges_can_enforce() {
    let place = Place::denying(&[Op::Open]);
    let all = fs::Permissions::from_mode(0o777);
    for dir in [place.path(), place.protected()] {
        fs::set_permissions(dir, all.clone()).unwrap();
    }
    let program = place.path().join("boesfs");
    fs::copy(env!("CARGO_BIN_EXE_boesfs"), &program).unwrap();
    let (path, cwd) = (place.path(), place.protected());
    let (path, cwd) = (path.display(), cwd.display());
    let run = format!(
        "cd {cwd}; exec $drop {path}/boesfs run --plane fuse --dir {cwd} --events {path}/events {path}/policy.bin \
         -- sh -c 'cat free; cat guarded; echo > made; id -u; exit 4'"
    );
    // Root drops to somebody else, for whom the device is opened as distributions do.
    let ran = if geteuid().is_root() {
        with_mounts(&format!(
            "mknod -m 666 {path}/fuse c 10 229; mount --bind {path}/fuse /dev/fuse; \
             drop='setpriv --reuid 65534 --regid 65534 --clear-groups'; {run}"
        ))
    } else {
        said(Command::new("sh").args(["-c", &format!("drop=; {run}")]))
    };
    let user = if geteuid().is_root() { 65534 } else { geteuid().as_raw() };
    assert_eq!((ran.status, ran.out), (4, format!("free\n{user}\n")), "{}", ran.err);
    assert_eq!(place.events().len(), 1);
    assert_eq!(place.events()[0]["uid"], user);
    let made = fs::metadata(place.protected().join("made")).unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&made), user);
}

#[test]
fn nothing_runs_whose_revision_cannot_be_written_down() {
    let place = Place::denying(&[Op::Unlink]);
    let key = SecretKey::generate().unwrap();
    let (signed, trusted) = (place.path().join("signed"), place.path().join("key.pub"));
    let image = fs::read(&place.policy).unwrap();
    fs::write(&signed, sign(&image, &key, &Release::new("web", 1).unwrap()).unwrap()).unwrap();
    fs::write(&trusted, key.public().to_pem()).unwrap();
    let full = place.path().join("full");
    fs::create_dir(&full).unwrap();
    let ran = with_mounts(&format!(
        "mount -t tmpfs -o size=4k none {full}; echo taken >{full}/room; ls {full}; \
         {} run --plane fuse --dir {} --trust {} --ledger {full}/ledger {} -- echo ran || echo status $?; ls {full}",
        env!("CARGO_BIN_EXE_boesfs"),
        place.protected().display(),
        trusted.display(),
        signed.display(),
        full = full.display(),
    ));
    assert_eq!((ran.status, ran.out.as_str()), (0, "room\nstatus 125\nledger.lock\nroom\n"), "{}", ran.err);
    assert!(ran.err.starts_with("boesfs: cannot write down the revision: ledger"), "{}", ran.err);
}

/// Runs `line` where nobody else has sandboxes. In it `run NAME` is a sandbox that goes on, and `await` waits until it does.
fn alone(place: &Place, line: &str) -> Said {
    let path = place.path();
    let run = format!(
        "run() {{ exec boesfs run --plane fuse --dir {0}/protected --name \"$1\" {0}/policy.bin -- \
         sh -c 'echo >{0}/ready; exec sleep 1000'; }}",
        path.display()
    );
    with_mounts(&format!(
        "mount -t tmpfs none /run; mkfifo {0}/ready; PATH={1}:$PATH; {run}; await() {{ until read -r x <{0}/ready; do :; done; }}; {line}",
        path.display(),
        Path::new(env!("CARGO_BIN_EXE_boesfs")).parent().unwrap().display()
    ))
}

#[test]
fn kill_ends_a_sandbox_and_not_its_supervisor() {
    let place = Place::denying(&[Op::Open]);
    let ran = alone(&place, "run it & await; boesfs kill it; wait $! || echo $?; boesfs ps; ls -A /run");
    let [status, head] = ran.out.lines().collect::<Vec<_>>()[..] else { panic!("{ran:?}") };
    assert_eq!((ran.status, status), (0, "137"), "{}", ran.err);
    assert!(head.starts_with("NAME "), "{head}");
    assert_eq!(ran.err, "boesfs: the sandbox was killed\n");
}

#[test]
fn a_name_is_one_line_of_the_list() {
    let place = Place::denying(&[Op::Open]);
    let name = r#""$(printf 'a\nb \033[31m')""#;
    let ran =
        alone(&place, &format!("run {name} & await; boesfs ps; boesfs ps --format json; boesfs kill {name}"));
    let (table, json) = ran.out.split_once('{').unwrap();
    let [_, row] = table.lines().collect::<Vec<_>>()[..] else { panic!("{table}") };
    assert!(row.starts_with(r"a\x0ab \x1b[31m  fuse "), "{row}");
    let list: Value = serde_json::from_str(&format!("{{{json}")).unwrap();
    assert_eq!(list["sandboxes"][0]["name"], "a\nb \x1b[31m");
}

#[test]
fn who_has_no_list_is_told_so() {
    let place = Place::denying(&[Op::Open]);
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let program = place.path().join("boesfs");
    fs::copy(env!("CARGO_BIN_EXE_boesfs"), &program).unwrap();
    let image = place.policy.to_str().unwrap();
    for args in [&["ps"][..], &["kill", "it"], &["rm", "it"], &["reload", "it", image], &["gc"]] {
        let mut command = Command::new("setpriv");
        if geteuid().is_root() {
            command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]);
        }
        let ran = said(command.arg(&program).args(args));
        assert_eq!((ran.status, ran.out.as_str()), (1, ""), "{args:?}: {}", ran.err);
        assert!(ran.err.starts_with("boesfs: only root has a list of sandboxes"), "{args:?}: {}", ran.err);
    }
}

#[test]
fn what_a_killed_supervisor_leaves_is_cleared_away() {
    let place = Place::denying(&[Op::Open]);
    let killed = |name: &str| {
        format!(
            "run {name} & await; kill -9 $!; wait $! || :; until boesfs ps | grep -q ' gone '; do :; done; "
        )
    };
    let names = "boesfs ps | awk '{ print $1, $4 }'";
    let ran = alone(
        &place,
        &[
            &killed("one"),
            "mv /run/boesfs /run/kept; ",
            &killed("two"),
            "mv /run/kept/sandboxes/one /run/boesfs/sandboxes; rm -r /run/kept; boesfs rm one; ",
            names,
            "; run three & await; ",
            names,
            "; boesfs rm three || echo $?; boesfs rm --force three; ls -A /run",
        ]
        .concat(),
    );
    let list = "NAME STATE\ntwo gone\nNAME STATE\nthree running\n1\n";
    assert_eq!((ran.status, ran.out.as_str()), (0, list), "{}", ran.err);
}

/// Compares `actual` with the file `name`; writes it with `UPDATE_GOLDEN=1`.
fn golden(name: &str, actual: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plans").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, actual).unwrap();
    }
    assert_eq!(actual, fs::read_to_string(&path).unwrap(), "{name} (UPDATE_GOLDEN=1 writes it anew)");
}

#[test]
fn a_dry_run_prints_the_plan() {
    let place = Place::denying(&[Op::Open]);
    let root = place.path().join("root");
    fs::create_dir_all(root.join("proc")).unwrap();
    fs::create_dir_all(root.join("data")).unwrap();
    let (root, protected) = (root.to_str().unwrap().to_owned(), place.protected());
    let protected = protected.to_str().unwrap();
    for (name, options) in [
        ("below.txt", vec!["--dir", protected]),
        ("whole.txt", vec![]),
        ("other-root.txt", vec!["--root", &root, "--dir", "/data", "--outside", "allow"]),
        ("whole-other-root.txt", vec!["--root", &root]),
        ("below.json", vec!["--dir", protected, "--format", "json", "--name", "name", "--kill-after", "3"]),
    ] {
        let mut command = boesfs();
        command.args(["run", "--plane", "fuse", "--dry-run"]).args(options).arg(&place.policy);
        let ran = said(command.args(["--", "echo", "ran"]).current_dir(place.protected()));
        assert_eq!((ran.status, ran.err.as_str()), (0, ""), "{name}");
        let mut text = ran.out.replace(place.path().to_str().unwrap(), "PLACE");
        // Which ids there are is the caller's affair, and what the policy's path hashes to the test's.
        if let Some(line) = text.lines().find(|line| line.contains("map users")).map(str::to_owned) {
            text = text.replace(&line, "supervisor  map users … and groups … to themselves");
        }
        if name.ends_with(".json") {
            let mut plan: Value = serde_json::from_str(&text).unwrap();
            plan["policy"] = "…".into();
            plan["steps"][1]["supervisor"]["map-ids"] = "…".into();
            text = serde_json::to_string_pretty(&plan).unwrap() + "\n";
        }
        golden(name, &text);
    }
    assert!(!place.path().join("events").exists());
}

#[test]
fn verbose_says_which_plane() {
    let place = Place::denying(&[Op::Open]);
    let ran = place.script(&["-v"], "cat guarded 2>/dev/null; true");
    assert!(ran.err.contains("taking the fuse plane") && ran.err.ends_with("1 events\n"), "{}", ran.err);
}

#[test]
fn no_directory_goes_in_as_a_standard_descriptor() {
    let place = Place::denying(&[Op::Open]);
    let dir = || fs::File::open(place.protected()).unwrap();
    let file = place.path().join("input");
    fs::write(&file, "input\n").unwrap();
    let cat = || place.run(&[]).arg("cat").stdin(fs::File::open(&file).unwrap()).output().unwrap();
    assert_eq!(cat().stdout, b"input\n");
    let refused = |what: &str, command: &mut Command| {
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(125), "{what}");
        String::from_utf8(output.stderr).unwrap()
    };
    let touch = || {
        let mut command = place.run(&[]);
        command.arg("touch").arg(place.protected().join("ran"));
        command
    };
    for (what, said) in [
        ("standard input", refused("input", touch().stdin(dir()))),
        ("standard output", refused("output", touch().stdout(dir()))),
    ] {
        let line = format!(
            "boesfs: the {what} is a directory, from which files could be reached beside the policy: give it `/dev/null`\n"
        );
        assert_eq!(said, line);
    }
    refused("error", touch().stderr(dir()));
    assert!(!place.protected().join("ran").exists());
}

#[test]
fn events_can_go_to_the_standard_output() {
    let place = Place::denying(&[Op::Open]);
    let mut command = boesfs();
    command
        .args(["run", "--plane", "fuse", "--events", "-", "--dir"])
        .arg(place.protected())
        .arg(&place.policy);
    let ran = said(command.args(["--", "cat"]).arg(place.protected().join("guarded")));
    let event: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(event["op"], "open");
}

#[test]
fn probe_tells_what_auto_would_take_and_why_not_the_other() {
    let report: Value =
        serde_json::from_str(&said(boesfs().args(["probe", "--format", "json"])).out).unwrap();
    assert_eq!(report["version"], 1);
    for plane in report["planes"].as_array().unwrap() {
        assert_eq!(plane["available"].as_bool().unwrap(), plane["reason"].is_null(), "{plane}");
    }
    let human = said(boesfs().arg("probe"));
    assert_eq!(human.status, 0);
    let auto = report["auto"].as_str().map_or("refuses".to_owned(), |plane| format!("takes {plane}"));
    assert!(human.out.contains(&auto), "{}", human.out);
    for name in
        ["kernel", "bpf lsm", "btf", "bpffs", "cgroup2", "user namespaces", "fuse", "seccomp", "lsm plane"]
    {
        assert!(human.out.contains(name), "{name}: {}", human.out);
    }
}

#[test]
fn only_what_is_trusted_and_not_older_runs() {
    let place = Place::denying(&[Op::Unlink]);
    let (key, stranger) = (SecretKey::generate().unwrap(), SecretKey::generate().unwrap());
    let file = |name: &str, bytes: &[u8]| {
        let path = place.path().join(name);
        fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let signed = |key: &SecretKey, revision, ops: &[Op]| {
        let image = denying(ops, &place.protected().join("guarded"));
        sign(&image, key, &Release::new("web", revision).unwrap()).unwrap()
    };
    let trusted = file("key.pub", key.public().to_pem().as_bytes());
    let ledger = place.path().join("ledger").to_str().unwrap().to_owned();
    let second = file("2", &signed(&key, 2, &[Op::Unlink]));
    let run = |policy: &str, options: &[&str]| {
        let mut command = boesfs();
        command.args(["run", "--plane", "fuse", "--dir"]).arg(place.protected()).args(options);
        said(command.args([policy, "--", "echo", "ran"]))
    };
    let (trust, remember) = (["--trust", &trusted], ["--trust", &trusted, "--ledger", &ledger]);
    let dry = [&remember[..], &["--dry-run"]].concat();
    let newer = file("9", &signed(&key, 9, &[Op::Unlink]));
    for (policy, options) in
        [(&second, &trust[..]), (&second, &remember), (&second, &remember), (&newer, &dry)]
    {
        let ran = run(policy, options);
        assert_eq!(ran.status, 0, "{options:?}: {}", ran.err);
    }
    let tool = place.protected().join("free").to_str().unwrap().to_owned();
    let nowhere = format!("{tool}/events");
    // What does not come to run is not written down: the older revision that is next would be refused.
    for (policy, options, command, status) in [
        (&newer, vec!["--events", &nowhere], "echo", 125),
        (&newer, vec!["--permissive"], "echo", 125),
        (&newer, vec![], "no-such-command", 127),
        (&newer, vec![], &tool, 126),
        (&second, vec![], "true", 0),
    ] {
        let mut sandbox = boesfs();
        sandbox.args(["run", "--plane", "fuse", "--dir"]).arg(place.protected()).args(remember);
        let ran = said(sandbox.args(options).args([policy, "--", command]));
        assert_eq!(ran.status, status, "{command}: {}", ran.err);
    }
    let mut forged = fs::read(&second).unwrap();
    *forged.last_mut().unwrap() ^= 1;
    let broken = file("broken", b"{");
    let refused: Vec<(String, Vec<&str>, &str)> = vec![
        (place.policy.to_str().unwrap().to_owned(), trust.to_vec(), "is not signed"),
        (file("foreign", &signed(&stranger, 3, &[Op::Unlink])), trust.to_vec(), "signed by another key"),
        (file("forged", &forged), vec![], "damaged or forged"),
        (file("1", &signed(&key, 1, &[Op::Unlink])), remember.to_vec(), "revision 2 has run before"),
        (file("1", &signed(&key, 1, &[Op::Unlink])), dry.clone(), "revision 2 has run before"),
        (
            file("twice", &signed(&key, 2, &[Op::Rmdir])),
            remember.to_vec(),
            "another policy has run as revision 2",
        ),
        (second.clone(), vec!["--trust", "/missing"], "cannot read key"),
        (second.clone(), vec!["--trust", &broken], "not an ed25519 public key"),
        (second.clone(), vec!["--trust", &trusted, "--ledger", &broken], "ledger"),
        (second.clone(), vec!["--ledger", &ledger], "--trust"),
    ];
    for (policy, options, complaint) in refused {
        let ran = run(&policy, &options);
        assert_eq!((ran.status, ran.out.as_str()), (125, ""), "{options:?}: {}", ran.err);
        assert!(ran.err.contains(complaint), "{options:?}: {}", ran.err);
    }
}
