//! `build` of a policy that did not change does nothing, and believes nobody but itself.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::{Command, Output};

const POLICY: &str = "[request_definition]\nr = sub, obj, act\n[policy_definition]\np = sub, obj, act, eft\n[policy_effect]\n\
    e = some(where (p.eft == allow)) && !some(where (p.eft == deny))\n[matchers]\n\
    m = r.sub == p.sub && pathMatch(r.obj, p.obj) && r.act == p.act\n[policy]\n\
    #@ allow=writable-subject\np, /bin/a, \"{/,/**}\", *, allow\np, /bin/a, /srv/**/*.key, read, deny\n";

/// Runs `boesfsc build` in `dir`, whose cache is its own.
fn build(dir: &Path, more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_boesfsc"))
        .current_dir(dir)
        .env("XDG_CACHE_HOME", dir.join("cache"))
        .args(["build", "--no-config", "policy.conf", "-o", "policy.bin"])
        .args(more)
        .output()
        .expect("boesfsc runs")
}

/// What a build that succeeds says.
fn said(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn is_unchanged(output: &Output) -> bool {
    said(output).starts_with("policy.bin: unchanged, ")
}

fn folder(policy: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    fs::write(dir.path().join("policy.conf"), policy).expect("a policy");
    dir
}

/// Which file it is, and when it was written.
fn identity(path: &Path) -> (u64, i64, i64) {
    let metadata = fs::metadata(path).expect("a file");
    (metadata.ino(), metadata.mtime(), metadata.mtime_nsec())
}

fn entries(dir: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(dir.join("cache/boesfsc")).expect("a cache");
    entries.map(|entry| entry.expect("an entry").path()).collect()
}

#[test]
fn an_unchanged_policy_is_left_alone() {
    let dir = folder(POLICY);
    let image = dir.path().join("policy.bin");
    assert!(!is_unchanged(&build(dir.path(), &[])));
    let first = identity(&image);
    assert!(is_unchanged(&build(dir.path(), &[])));
    assert!(is_unchanged(&build(dir.path(), &["--no-cache"])), "the same bytes are not written twice");
    assert_eq!(identity(&image), first);
    let told = said(&build(dir.path(), &["--format", "json"]));
    let told: serde_json::Value = serde_json::from_str(&told).expect("JSON");
    assert_eq!(told["unchanged"], true);
    assert_eq!(told["validated"]["complete"], true);
}

#[test]
fn what_is_not_what_was_built_is_built() {
    let dir = folder(POLICY);
    let image = dir.path().join("policy.bin");
    build(dir.path(), &[]);
    let good = fs::read(&image).expect("an image");
    for damage in ["damaged", "missing", "another's"] {
        match damage {
            "damaged" => {
                let mut bytes = good.clone();
                bytes[100] ^= 1;
                fs::write(&image, bytes).expect("written");
            }
            "missing" => fs::remove_file(&image).expect("removed"),
            _ => {
                let other = folder(&POLICY.replace("*.key", "*.pem"));
                build(other.path(), &[]);
                fs::copy(other.path().join("policy.bin"), &image).expect("copied");
            }
        }
        assert!(!is_unchanged(&build(dir.path(), &[])), "{damage}");
        assert_eq!(fs::read(&image).expect("an image"), good, "{damage}");
    }
    assert!(!is_unchanged(&build(dir.path(), &["--strip"])), "other options are another build");
    fs::write(dir.path().join("policy.conf"), POLICY.replace("*.key", "*.pem")).expect("a policy");
    assert!(!is_unchanged(&build(dir.path(), &[])), "another text is another build");
}

#[test]
fn a_cache_that_others_can_write_to_is_none() {
    let dir = folder(POLICY);
    build(dir.path(), &[]);
    let [entry] = entries(dir.path()).try_into().expect("one entry");
    // What stands in the cache is as if somebody else had put it there, for another image.
    let other = folder(&POLICY.replace("*.key", "*.pem"));
    build(other.path(), &[]);
    let [foreign] = entries(other.path()).try_into().expect("one entry");
    fs::copy(foreign, &entry).expect("copied");
    fs::copy(other.path().join("policy.bin"), dir.path().join("policy.bin")).expect("copied");
    assert!(is_unchanged(&build(dir.path(), &[])), "one's own cache is believed");
    for open in [&entry, &dir.path().join("cache/boesfsc")] {
        let mode = fs::metadata(open).expect("there").permissions().mode();
        fs::copy(other.path().join("policy.bin"), dir.path().join("policy.bin")).expect("copied");
        fs::copy(entries(other.path())[0].clone(), &entry).expect("copied");
        fs::set_permissions(open, fs::Permissions::from_mode(mode | 0o022)).expect("opened");
        assert!(!is_unchanged(&build(dir.path(), &[])), "{}", open.display());
        fs::set_permissions(open, fs::Permissions::from_mode(mode & !0o022)).expect("closed");
    }
}

#[test]
fn warnings_are_said_again() {
    let dir = folder(&POLICY.replace("/srv/**/*.key, read", "/srv/**/*.key, read read"));
    let first = build(dir.path(), &[]);
    assert!(String::from_utf8_lossy(&first.stderr).contains("warning"), "{first:?}");
    let again = build(dir.path(), &[]);
    assert_eq!(again.stderr, first.stderr);
    assert!(is_unchanged(&again), "but the same bytes are not written again");
}
