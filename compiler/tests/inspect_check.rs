//! `inspect --check`: an image verified without its source.

use std::fs;
use std::mem::offset_of;
use std::path::Path;
use std::process::Command;

use boesfs_abi::image::{Parts, Release, RuleInfo, SecretKey, ValidImage, decode, encode, sign, strip};
use boesfs_abi::layout::PolicyHeader;
use boesfs_abi::verdict::Effect;
use boesfs_compiler::Policy;
use boesfs_compiler::image::check;
use serde_json::Value;

const CASBIN: &[u8] = include_bytes!("../../abi/tests/images/casbin.bin");

/// What is found wrong with `image`, by name.
fn wrong(image: &ValidImage) -> Vec<(&'static str, String)> {
    check(image).into_iter().filter_map(|line| Some((line.name, line.found.err()?))).collect()
}

fn parts() -> Parts {
    let image = decode(CASBIN).expect("an image");
    Parts {
        blob: image.blob().to_vec(),
        subjects: image.subjects().clone(),
        literals: image.literals().to_vec(),
        debug: image.debug().cloned(),
    }
}

/// What is found wrong with the image of `casbin.conf` after a change that leaves it one.
fn found(change: impl FnOnce(&mut Parts)) -> Vec<(&'static str, String)> {
    let mut parts = parts();
    change(&mut parts);
    wrong(&decode(&encode(&parts).expect("still an image")).expect("an image"))
}

#[test]
fn what_is_compiled_holds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies/examples");
    let mut count = 0;
    for entry in fs::read_dir(folder).expect("the examples") {
        let path = entry.expect("an example").path();
        if path.extension().is_none_or(|extension| extension != "conf") {
            continue;
        }
        let policy =
            Policy::options().allow("all").parse(fs::read(&path).expect("a policy")).expect("a policy");
        let file = policy.compile().expect("an image").as_bytes().to_vec();
        for file in [strip(&file).expect("an image"), file] {
            assert_eq!(wrong(&decode(&file).expect("an image")), [], "{}", path.display());
        }
        count += 1;
    }
    assert!(count > 8, "{count} examples");
}

#[test]
fn a_header_that_says_more_than_is_so_is_wrong() {
    for field in [
        offset_of!(PolicyHeader, may_deny),
        offset_of!(PolicyHeader, may_depend),
        offset_of!(PolicyHeader, tests_args),
    ] {
        let found = found(|parts| {
            let free = (0..20).find(|bit| parts.blob[field + bit / 8] >> (bit % 8) & 1 == 0).expect("a bit");
            parts.blob[field + free / 8] |= 1 << (free % 8);
        });
        assert!(matches!(found.as_slice(), [("header", _)]), "{field}: {found:?}");
    }
}

#[test]
fn a_gain_that_is_none_is_wrong() {
    let gains = decode(CASBIN).expect("an image").header().gains_off as usize;
    for bit in [0, 5] {
        let found = found(|parts| parts.blob[gains + 4] ^= 1 << bit);
        assert!(matches!(found.as_slice(), [("gains", _)]), "{found:?}");
    }
}

#[test]
fn a_rule_that_does_not_say_what_is_decided_is_wrong() {
    let found = found(|parts| {
        let debug = parts.debug.as_mut().expect("a debug section");
        let turned = debug.rules.iter().map(|rule| RuleInfo {
            effect: if rule.effect == Effect::Deny { Effect::Allow } else { Effect::Deny },
            ..rule
        });
        debug.rules = turned.collect();
        parts.literals.clear();
    });
    assert!(matches!(found.as_slice(), [("rules", _)]), "{found:?}");
    let literal = self::found(|parts| parts.literals[0].rule += 1_000);
    assert!(matches!(literal.as_slice(), [("rules", _)]), "{literal:?}");
    let path = self::found(|parts| parts.literals[0].path.push(b'/'));
    assert!(matches!(path.as_slice(), [("rules", _)]), "{path:?}");
}

/// Status, standard output and standard error.
fn boesfsc(dir: &Path, line: &str) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_boesfsc"));
    let output = command.args(line.split(' ')).current_dir(dir).output().expect("boesfsc runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn the_status_says_whether_all_holds() {
    let dir = tempfile::tempdir().expect("a directory");
    let write = |name: &str, bytes: &[u8]| fs::write(dir.path().join(name), bytes).expect("a file");
    write("fine.bin", CASBIN);
    let key = SecretKey::generate().expect("a key");
    let release = Release::new("web", 7).expect("a release");
    write("signed.bin", &sign(CASBIN, &key, &release).expect("an image"));
    let mut other = parts();
    other.blob[offset_of!(PolicyHeader, may_deny) + 2] |= 8;
    write("wrong.bin", &encode(&other).expect("an image"));
    write("cut.bin", &CASBIN[..CASBIN.len() - 8]);
    write("policy.conf", include_bytes!("../../abi/tests/images/casbin.conf"));

    let (status, out, err) = boesfsc(dir.path(), "inspect fine.bin --check");
    assert_eq!((status, err.as_str()), (Some(0), ""), "{out}");
    assert!(out.contains("\nsignature   none\n"), "{out}");
    assert!(
        boesfsc(dir.path(), "inspect signed.bin --check").1.contains("holds, of `web` revision 7 by key ")
    );

    let (status, out, _) = boesfsc(dir.path(), "inspect wrong.bin --check");
    assert_eq!(status, Some(1));
    assert!(out.contains("\nheader      wrong: "), "{out}");
    let (status, out, _) = boesfsc(dir.path(), "inspect wrong.bin --check --format json");
    let value: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((status, &value["version"], &value["ok"]), (Some(1), &1.into(), &false.into()));
    let header = value["checks"].as_array().expect("checks").iter().find(|line| line["name"] == "header");
    assert_eq!(header.expect("a line")["ok"], false);

    for (line, wanted) in [
        ("inspect cut.bin --check", 3),
        ("inspect missing.bin --check", 3),
        ("inspect policy.conf --check", 2),
        ("inspect fine.bin --check --stage image", 2),
        ("inspect fine.bin --check --at /", 2),
    ] {
        let (status, out, err) = boesfsc(dir.path(), line);
        assert_eq!((status, out.as_str()), (Some(wanted), ""), "{line}: {err}");
        assert!(err.starts_with("error: "), "{line}: {err}");
    }
}
