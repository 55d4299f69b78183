//! Words that stand for something unfinished, hidden or unsafe.

use super::Finding;
use super::code::code_only;
use regex::Regex;
use std::path::Path;

/// Where code counts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    Everywhere,
    Tests,
}

/// Patterns over code without comments and literals, and why each is not wanted.
const WORDS: [(&str, Scope, &str); 7] = [
    (r"#\[\s*ignore\b", Scope::Everywhere, "an ignored test is a silent skip"),
    (r"#\[\s*should_panic\b", Scope::Everywhere, "say what fails and how: test for the error"),
    (r"\b(?:todo|unimplemented)!", Scope::Everywhere, "unfinished"),
    (r"\bdbg!", Scope::Everywhere, "left over from looking for a mistake"),
    (r"#!?\[\s*(?:cfg_attr\([^]]*\b)?allow\s*\(", Scope::Everywhere, "`expect` the lint, with a reason"),
    (r"\bsleep\s*\(", Scope::Tests, "a test that waits by the clock fails by the clock"),
    (
        r"\bexpect\s*\(\s*[a-z_:]+(?:\s*,\s*[a-z_:]+)*\s*\)\s*\]",
        Scope::Everywhere,
        "an `expect` without a reason",
    ),
];

/// The only files and folders with `unsafe`: the door to system calls, the plain-old-data macro, and the C decision code's callers.
const UNSAFE: [&str; 5] = [
    "runtime/src/sys.rs",
    "runtime/src/sys",
    "abi/src/pod.rs",
    "ebpf/src/native.rs",
    "testbench/src/engine/native.rs",
];

pub(super) fn check(path: &Path, source: &str) -> Vec<Finding> {
    let code = code_only(source);
    let tests_from = if path.components().any(|part| part.as_os_str() == "tests") {
        0
    } else {
        code.find("#[cfg(test)]").unwrap_or(code.len())
    };
    let mut findings = Vec::new();
    let mut add = |offset: usize, message: &str| {
        let line = code[..offset].matches('\n').count() + 1;
        findings.push(Finding { path: path.into(), line, message: message.into() });
    };
    for (pattern, scope, why) in WORDS {
        let from = if scope == Scope::Tests { tests_from } else { 0 };
        for found in regex(pattern).find_iter(&code[from..]) {
            add(from + found.start(), &format!("`{}`: {why}", found.as_str().trim_end()));
        }
    }
    if !UNSAFE.iter().any(|allowed| path.starts_with(allowed)) {
        for found in regex(r"\bunsafe\s*(?:\{|fn|impl|extern|trait|\()").find_iter(&code) {
            add(found.start(), "`unsafe` outside the files that may have it");
        }
    }
    findings
}

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("INVARIANT: the patterns of this file are regular expressions")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str, source: &str) -> Vec<usize> {
        check(Path::new(path), source).into_iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn each_word_is_found_in_code_only() {
        for source in [
            "#[ignore]",
            "#[ignore = \"slow\"]",
            "#[should_panic]",
            "fn f() { todo!() }",
            "#[allow(dead_code)]",
            "#![allow(dead_code)]",
            "#[expect(dead_code)]",
            "#[expect(clippy::a, clippy::b)]",
            "unsafe { f() }",
            "unsafe impl Pod for X {}",
        ] {
            assert_eq!(lines("a/src/lib.rs", &format!("\n{source}")), [2], "{source}");
        }
        for source in [
            "// todo!()",
            "f(\"#[ignore]\")",
            "#[expect(dead_code, reason = \"r\")]",
            "x.expect(INVARIANT)",
            "deny(unsafe_code)",
        ] {
            assert!(lines("a/src/lib.rs", source).is_empty(), "{source}");
        }
    }

    #[test]
    fn waiting_is_for_code_and_unsafe_for_its_files() {
        assert!(lines("a/src/lib.rs", "sleep(d)").is_empty());
        assert_eq!(lines("a/src/lib.rs", "#[cfg(test)]\nmod tests { sleep(d) }"), [2]);
        assert_eq!(lines("a/tests/b.rs", "sleep(d)"), [1]);
        assert!(lines("runtime/src/sys.rs", "unsafe { f() }").is_empty());
        assert!(lines("runtime/src/sys/bpf.rs", "unsafe { f() }").is_empty());
        assert_eq!(lines("runtime/src/system.rs", "unsafe { f() }"), [1]);
    }
}
