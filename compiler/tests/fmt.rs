//! `boesfsc fmt`: whole policies keep what they decide, and files are replaced or left alone.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use boesfs_compiler::model::Settings;
use boesfs_compiler::pipeline::{Limits, Stage, run};
use boesfs_grammar::{Source, format};

fn boesfsc(dir: &Path, args: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_boesfsc"))
        .args(args)
        .current_dir(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("boesfsc runs");
    child.stdin.take().expect("an input").write_all(input).expect("input is read");
    child.wait_with_output().expect("boesfsc ends")
}

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "conf"))
        .collect();
    files.sort();
    files
}

/// The id of the policy's image, if it has one.
fn id(bytes: &[u8]) -> Option<String> {
    let sources = vec![Source::new("policy", bytes)];
    let outcome = run(sources, &Settings::default(), &Limits::default(), Stage::LAST);
    outcome.packed.map(|packed| packed.image.id_hex())
}

#[test]
fn a_policy_keeps_its_image() {
    let mut compared = 0;
    for path in files("../policies/examples").into_iter().chain(files("tests/diagnostics")) {
        let bytes = fs::read(&path).expect("a policy");
        let limits = boesfs_grammar::Limits::default();
        let Ok(text) = format(&Source::new("policy", bytes.clone()), &limits) else { continue };
        assert_eq!(id(&text), id(&bytes), "{}", path.display());
        assert_eq!(format(&Source::new("policy", text.clone()), &limits), Ok(text), "{}", path.display());
        compared += 1;
    }
    assert!(compared > 30, "only {compared} policies were formatted");
}

#[test]
fn the_examples_are_in_canonical_form() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies/examples");
    let output = boesfsc(&examples, &["fmt", "--check", "."], b"");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

const UGLY: &str = "[policy]\np,a , b #x\n";
const PRETTY: &str = "[policy]\np, a, b #x\n";

#[test]
fn files_are_replaced_and_stay_what_they_are() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("policy.conf");
    fs::write(&file, UGLY).expect("a policy");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).expect("permissions");
    fs::create_dir(dir.path().join("sub")).expect("a directory");
    let link = dir.path().join("sub/link.conf");
    symlink("../policy.conf", &link).expect("a link");
    symlink("..", dir.path().join("sub/loop")).expect("a link");
    fs::write(dir.path().join("other.conf"), "key = value\n").expect("a file that is no policy");

    let output = boesfsc(dir.path(), &["fmt", "--check", "."], b"");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "./policy.conf\n./sub/link.conf\n");
    let output = boesfsc(dir.path(), &["fmt", "--diff", "policy.conf"], b"");
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&output.stdout).contains("-p,a , b #x\n+p, a, b #x\n"));
    assert_eq!(fs::read_to_string(&file).expect("a file"), UGLY, "nothing is changed so far");

    // Only root can give a file to somebody else; everybody else formats a file of their own.
    let own = fs::metadata(&file).expect("a file");
    let (uid, gid) = if own.uid() == 0 { (12345, 54321) } else { (own.uid(), own.gid()) };
    chown(&file, Some(uid), Some(gid)).expect("an owner");
    assert_eq!(boesfsc(dir.path(), &["fmt", "sub/link.conf"], b"").status.code(), Some(0));
    let own = fs::metadata(&file).expect("a file");
    assert_eq!((own.uid(), own.gid()), (uid, gid));
    assert_eq!(fs::read_to_string(&file).expect("a file"), PRETTY);
    assert_eq!(fs::metadata(&file).expect("a file").permissions().mode() & 0o777, 0o640);
    assert!(fs::symlink_metadata(&link).expect("a link").is_symlink());
    assert_eq!(boesfsc(dir.path(), &["fmt", "--check", "."], b"").status.code(), Some(0));
}

#[test]
fn errors_and_streams() {
    let dir = tempfile::tempdir().expect("a directory");
    let broken = "[policy]\np, \"a\n";
    fs::write(dir.path().join("broken.conf"), broken).expect("a policy");
    fs::write(dir.path().join("fine.conf"), UGLY).expect("a policy");
    let output = boesfsc(dir.path(), &["fmt", "broken.conf", "fine.conf"], b"");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("E0109"));
    assert_eq!(fs::read_to_string(dir.path().join("broken.conf")).expect("a file"), broken);
    assert_eq!(fs::read_to_string(dir.path().join("fine.conf")).expect("a file"), PRETTY);

    let output = boesfsc(dir.path(), &["fmt", "-"], UGLY.as_bytes());
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(0), PRETTY.as_bytes()));
    assert_eq!(boesfsc(dir.path(), &["fmt", "--check", "-"], UGLY.as_bytes()).status.code(), Some(1));
    assert_eq!(boesfsc(dir.path(), &["fmt", "missing.conf"], b"").status.code(), Some(3));
    assert_eq!(boesfsc(dir.path(), &["fmt"], b"").status.code(), Some(2));
    // As `check` does: where nothing is found nothing was looked at.
    fs::create_dir(dir.path().join("empty")).expect("a directory");
    for args in [&["fmt", "--check", "empty"][..], &["fmt", "empty"], &["check", "empty"]] {
        let output = boesfsc(dir.path(), args, b"");
        assert_eq!(output.status.code(), Some(3), "{args:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("no policies are below"), "{output:?}");
    }
}
