//! Many at once.

use std::fs;
use std::path::Path;
use std::thread;

use crate::mounted::{Case, PLAIN, Test};

/// The tests of this file.
pub(crate) const TESTS: &[Test] = &[("eight_threads_at_once", eight_threads_at_once)];

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
