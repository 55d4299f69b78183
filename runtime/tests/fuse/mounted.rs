//! Runs a test inside a mount.
//!
//! Three processes take part, all of them this test binary: the *runner* (the test as cargo runs it) starts the
//! *server*, which enters namespaces of its own, mounts and serves, and starts the *body* in them.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use boesfs_abi::image::ClassId;
use boesfs_runtime::events::{self, Packet};
use boesfs_runtime::fuse::{Labels, Subjects};
use libtest_mimic::{Arguments, Trial};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::mount::MoveMountFlags;

use crate::policy::Rules;

const ROLE: &str = "BOESFS_TEST_ROLE";
const NAME: &str = "BOESFS_TEST_NAME";
const PLACE: &str = "BOESFS_TEST_PLACE";

/// A test: what is there before, what is denied, what is done inside, and what is so afterwards.
pub(crate) struct Case {
    pub(crate) rules: fn() -> Rules,
    /// Gets the protected directory before it is covered.
    pub(crate) before: fn(&Path),
    /// Gets the protected directory in the sandbox's namespaces, before it is covered.
    pub(crate) beneath: fn(&Path),
    /// Gets the mount. Runs in a process of its own.
    pub(crate) inside: fn(&Path),
    /// Gets the protected directory, uncovered, and the events, one JSON object each.
    pub(crate) after: fn(&Path, &[String]),
    /// What becomes of the server.
    pub(crate) server: Fate,
    /// The ids there are in the sandbox, as a line of `uid_map`.
    pub(crate) ids: &'static str,
}

/// How a server ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// After the body.
    Outlives,
    /// By the body's hand.
    IsKilled,
}

/// A case in which nothing is denied or checked afterwards.
pub(crate) const PLAIN: Case = Case {
    rules: Rules::none,
    before: |_| {},
    beneath: |_| {},
    inside: |_| {},
    after: |_, _| {},
    server: Fate::Outlives,
    ids: "0 0 4294967295",
};

/// A test's name and what makes the case.
pub(crate) type Test = (&'static str, fn() -> Case);

/// Runs `tests` as the arguments say, or the one that this process plays a part in.
pub(crate) fn main(tests: &[Test]) {
    let Ok(role) = std::env::var(ROLE) else {
        let trial = |(name, case): &Test| {
            let (name, case) = (*name, *case);
            Trial::test(name, move || {
                case().run_outside(name);
                Ok(())
            })
        };
        libtest_mimic::run(&Arguments::from_args(), tests.iter().map(trial).collect()).exit();
    };
    let name = std::env::var(NAME).unwrap();
    let (_, case) = tests.iter().find(|(known, _)| *known == name).unwrap();
    match role.as_str() {
        "server" => case().serve(),
        "body" => {
            let shown = rustix::fs::statfs(place()).unwrap().f_type;
            assert_eq!(shown, FUSE_SUPER_MAGIC, "the mount is what is tested");
            (case().inside)(&place());
        }
        other => panic!("unknown role {other}"),
    }
}

impl Case {
    fn run_outside(&self, name: &str) {
        let temp = tempfile::tempdir().unwrap();
        fs::set_permissions(temp.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let dir = temp.path().join("dir");
        fs::create_dir(&dir).unwrap();
        (self.before)(&dir);
        let mut server =
            again("server", name, &dir).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(server.stdout.take().unwrap());
        let mut seen = Vec::new();
        let mut line = String::new();
        while output.read_line(&mut line).unwrap() > 0 {
            let said = line.trim_end();
            if said == UNSHARED {
                let map = self.ids;
                fs::write(format!("/proc/{}/uid_map", server.id()), map).unwrap();
                fs::write(format!("/proc/{}/gid_map", server.id()), map).unwrap();
                server.stdin.take().unwrap().write_all(b"go\n").unwrap();
            } else if let Some(event) = said.strip_prefix(EVENT) {
                seen.push(event.to_owned());
            } else {
                println!("{said}");
            }
            line.clear();
        }
        let status = server.wait().unwrap();
        match self.server {
            Fate::Outlives => assert!(status.success(), "the server or the body failed; events: {seen:#?}"),
            Fate::IsKilled => assert_eq!(status.signal(), Some(libc::SIGKILL)),
        }
        (self.after)(&dir, &seen);
    }

    fn serve(&self) {
        unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS).unwrap();
        println!("{UNSHARED}");
        let mut go = String::new();
        std::io::stdin().read_line(&mut go).unwrap();
        nix::sys::prctl::set_dumpable(false).unwrap();

        let dir = place();
        (self.beneath)(&dir);
        let tree = rustix::fs::open(&dir, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).unwrap();
        let shown = dir.as_os_str().as_bytes().to_vec();
        let (session, cover) = boesfs_runtime::fuse::mount(tree, shown).unwrap();
        let (denials, channel) = events::channel(None).unwrap();
        let labels = Labels { sandbox: "test".into(), policy: "00".into(), generation: 1 };
        let rules = (self.rules)();
        let subjects = match rules.classes.is_empty() {
            true => Subjects::Entry { name: b"/bin/test".to_vec(), class: ClassId(0) },
            false => Subjects::Exe,
        };
        let covered = dir.join(COVERED);
        let covered = if covered.is_dir() { vec![covered] } else { Vec::new() };
        let served = session.serve(Box::new(rules.under(&dir)), subjects, labels, denials, &covered).unwrap();
        rustix::mount::move_mount(cover.as_fd(), "", CWD, &dir, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
            .unwrap();
        for place in &covered {
            mount(Some("tmpfs"), place, Some("tmpfs"), MsFlags::empty(), None::<&str>).unwrap();
        }
        served.arm();

        let name = std::env::var(NAME).unwrap();
        let mut body = again("body", &name, &dir).spawn().unwrap();
        let status = body.wait().unwrap();
        while let Some(packet) = channel.receive().unwrap() {
            if let Packet::Line(line) = packet {
                print!("{EVENT}{}", String::from_utf8(line).unwrap());
            }
        }
        umount2(&dir, MntFlags::MNT_DETACH).unwrap();
        assert!(status.success(), "the body failed: {status}");
    }
}

const FUSE_SUPER_MAGIC: i64 = 0x6573_5546;

/// If the protected directory has one of this name, something is mounted over it in the sandbox.
pub(crate) const COVERED: &str = "covered";

const UNSHARED: &str = "unshared";
const EVENT: &str = "event ";

fn place() -> PathBuf {
    PathBuf::from(std::env::var_os(PLACE).unwrap())
}

/// This binary once more, for the test `name` in the role `role`.
fn again(role: &str, name: &str, dir: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.env(ROLE, role).env(NAME, name).env(PLACE, dir);
    command
}

/// What events say, as `verdict op path` with the path below the mount.
pub(crate) fn told(events: &[String]) -> Vec<String> {
    let told = |event: &String| {
        let event: serde_json::Value = serde_json::from_str(event).unwrap();
        let path = event["path"].as_str().unwrap();
        let path = path.split_once("/dir").map_or(path, |(_, below)| below);
        format!("{} {} {path}", event["verdict"].as_str().unwrap(), event["op"].as_str().unwrap())
    };
    events.iter().map(told).collect()
}
