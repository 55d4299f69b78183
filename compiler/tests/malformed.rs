//! Large input that is no policy: answered in time and memory that go with its size, whatever it holds.
//!
//! The sizes are those that the program is to bear divided by ten, and so are memory and the limit of patterns; the program under test is not
//! optimised, so that the time is generous and only growth that is not linear breaks it.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};

const SIZE: usize = 1_000_000;
const TIME: Duration = Duration::from_secs(20);
const MEMORY_KIB: i64 = 300 << 10;

const HEAD: &str = "[request_definition]\nr = sub, obj, act\n[policy_definition]\np = sub, obj, act, eft\n\
    [role_definition]\ng = _, _\n[policy_effect]\ne = some(where (p.eft == allow))\n\
    [matchers]\nm = g(r.sub, p.sub) && pathMatch(r.obj, p.obj) && r.act == p.act\n";

/// `before`, then `piece` until it is large enough, then `after`.
fn filled(before: &str, piece: &[u8], after: &str) -> Vec<u8> {
    let mut text = before.as_bytes().to_vec();
    while text.len() + after.len() < SIZE {
        text.extend_from_slice(piece);
    }
    text.extend_from_slice(after.as_bytes());
    text
}

fn inputs() -> Vec<(&'static str, Vec<u8>)> {
    let rules = format!("{HEAD}[policy]\n");
    let of = |piece: &[u8]| filled(&rules, piece, "");
    let pattern = format!("{rules}p, /bin/sh, /");
    let end = ", read, allow\n";
    let mut chain = rules.clone();
    for link in 0.. {
        if chain.len() >= SIZE {
            break;
        }
        chain.push_str(&format!("g, r{link}, r{}\n", link + 1));
    }
    vec![
        ("operations", of(b"p, /bin/sh, /a, raed, allow\n")),
        ("few fields", of(b"p\n")),
        ("no text", of(b"\xff\n")),
        ("zeros", of(b"\0\n")),
        ("unknown lines", of(b"x, y\n")),
        ("annotations", of(b"#@ id=a\n")),
        ("one annotation", filled(&format!("{rules}#@ id="), b"x", "")),
        ("quotes", of(b"\"")),
        ("parentheses", of(b"p, (\n")),
        ("commas", of(b",")),
        ("unquoted commas", of(b"p, /bin/sh, /a,b, read, allow\n")),
        ("stars", filled(&pattern, b"*a", end)),
        ("lines of stars", of(format!("p, /bin/sh, /{}{end}", "*a".repeat(1000)).as_bytes())),
        ("braces", filled(&pattern, b"{a", end)),
        ("chain", chain.into_bytes()),
        ("sections", filled("", b"[matcher]\n", "")),
        ("options", filled("[options]\n", b"x = y\n", "")),
        ("keys", filled(HEAD, b"m = true\n", "")),
        ("columns", filled("[policy_definition]\np = sub", b", sub", "\n")),
        ("alternatives", filled("[matchers]\nm = ", b"||", "\n")),
        ("nesting", filled("[matchers]\nm = ", b"(", "\n")),
        ("continued", filled("[matchers]\nm = ", b"\\\n", "\n")),
        ("one line", filled("", b"a", "")),
        ("line ends", filled("", b"\r\n", "")),
    ]
}

#[test]
fn is_answered_in_time_and_memory() {
    let folder = tempfile::tempdir().expect("a directory");
    let file = folder.path().join("policy.conf");
    let config = ["--no-config", "--max-errors", "20", "--max-pattern-states", "100000"];
    for (what, text) in inputs() {
        fs::write(&file, text).expect("a writable file");
        for command in ["check", "fmt"] {
            let mut program = Command::new(env!("CARGO_BIN_EXE_boesfsc"));
            program.arg(command).arg(&file);
            if command == "check" {
                program.args(config);
            } else {
                program.arg("--check");
            }
            let start = Instant::now();
            let output = program.output().expect("the program runs");
            let took = start.elapsed();
            let said = String::from_utf8_lossy(&output.stderr);
            let said = &said[said.ceil_char_boundary(said.len().saturating_sub(500))..];
            assert!(
                output.status.code().is_some_and(|code| (0..=3).contains(&code)),
                "{command} {what}: {said}"
            );
            assert!(took < TIME, "{command} {what} took {took:?}: {said}");
            // The most of any child so far.
            let most = getrusage(UsageWho::RUSAGE_CHILDREN).expect("usage").max_rss();
            assert!(most < MEMORY_KIB, "{command} {what} took {most} KiB: {said}");
        }
    }
}
