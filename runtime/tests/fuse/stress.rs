//! Many at once.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use nix::mount::{MsFlags, mount};

use crate::mounted::{Case, PLAIN, Test};

/// The tests of this file.
pub(crate) const TESTS: &[Test] = &[
    ("eight_threads_at_once", eight_threads_at_once),
    ("what_is_removed_leaves_nothing", what_is_removed_leaves_nothing),
];

const THREADS: usize = 8;
const ROUNDS: usize = 60;

fn eight_threads_at_once() -> Case {
    Case {
        before: |dir| fs::create_dir(dir.join("shared")).unwrap(),
        inside: |dir| {
            thread::scope(|scope| {
                for number in 0..THREADS {
                    scope.spawn(move || (0..ROUNDS).for_each(|round| work(dir, number, round)));
                }
            });
            let mut left: Vec<_> = fs::read_dir(dir).unwrap().map(|name| name.unwrap().file_name()).collect();
            left.sort();
            assert_eq!(left, ["shared"]);
            assert_eq!(fs::read_dir(dir.join("shared")).unwrap().count(), THREADS);
        },
        after: |dir, _| {
            for number in 0..THREADS {
                let last = fs::read(dir.join(format!("shared/{number}"))).unwrap();
                assert_eq!(last, contents(number, ROUNDS - 1));
            }
        },
        ..PLAIN
    }
}

fn contents(number: usize, round: usize) -> Vec<u8> {
    format!("thread {number}, round {round}; ").repeat(500).into_bytes()
}

/// A tree of its own is made, filled, moved about and removed; one file ends among those of the others.
fn work(dir: &Path, number: usize, round: usize) {
    let own = dir.join(format!("own-{number}-{round}"));
    let deep = own.join("a/b");
    fs::create_dir_all(&deep).unwrap();
    let text = contents(number, round);
    fs::write(deep.join("f"), &text).unwrap();
    fs::hard_link(deep.join("f"), own.join("link")).unwrap();
    let held = fs::File::open(deep.join("f")).unwrap();
    fs::rename(own.join("a"), own.join("z")).unwrap();
    assert_eq!(fs::read(own.join("z/b/f")).unwrap(), text);
    assert_eq!(held.metadata().unwrap().len(), text.len() as u64);
    fs::rename(own.join("link"), dir.join(format!("shared/{number}"))).unwrap();
    for name in fs::read_dir(dir.join("shared")).unwrap() {
        let path = name.unwrap().path();
        assert!(fs::metadata(&path).unwrap().is_file());
    }
    fs::remove_dir_all(&own).unwrap();
}

/// How often a thread makes and removes its files, and how many they are: all in all a quarter of a million requests.
const CYCLES: usize = 40;
const FILES: usize = 64;
/// What the server may grow by once it has settled: its allocator keeps some room.
const GROWTH: usize = 4 << 20;

/// How long the server may take to hear of what was closed.
const PATIENCE: Duration = Duration::from_secs(30);

fn what_is_removed_leaves_nothing() -> Case {
    Case {
        // A file system of its own, on which nobody else makes files.
        beneath: |dir| mount(Some("tmpfs"), dir, Some("tmpfs"), MsFlags::empty(), Some("size=64M")).unwrap(),
        inside: |dir| {
            let all = |cycles: usize| {
                thread::scope(|scope| {
                    for number in 0..THREADS {
                        scope.spawn(move || (0..cycles).for_each(|_| make_and_remove(dir, number)));
                    }
                });
            };
            let free = || {
                let found = rustix::fs::statvfs(dir).unwrap();
                (found.f_bfree, found.f_ffree)
            };
            let at_first = free();
            all(CYCLES / 8);
            let settled = resident_of_server();
            all(CYCLES);
            // The kernel tells the server of a file's last close only after that has returned.
            let patience = Instant::now() + PATIENCE;
            while free() != at_first {
                assert!(Instant::now() < patience, "free blocks and inodes: {:?}, not {at_first:?}", free());
                thread::yield_now();
            }
            let now = resident_of_server();
            assert!(now <= settled + GROWTH, "the server has grown from {settled} to {now} bytes");
        },
        ..PLAIN
    }
}

fn make_and_remove(dir: &Path, number: usize) {
    let own = dir.join(format!("cycle-{number}"));
    fs::create_dir(&own).unwrap();
    for file in 0..FILES {
        let (path, moved) = (own.join(format!("f{file}")), own.join(format!("g{file}")));
        fs::write(&path, [7; 5000]).unwrap();
        // Removed while it is open.
        let held = fs::File::open(&path).unwrap();
        fs::rename(&path, &moved).unwrap();
        fs::remove_file(&moved).unwrap();
        drop(held);
    }
    fs::remove_dir(&own).unwrap();
}

/// Bytes of memory that the server has, which is this process's parent.
fn resident_of_server() -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", std::os::unix::process::parent_id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}
