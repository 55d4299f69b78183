//! Images that cannot be used, and disks that are full: what is said, the status, and what is left behind.

#[path = "../../abi/tests/support/bad_images.rs"]
mod bad_images;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use bad_images::bad_images;

fn boesfsc(dir: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_boesfsc"))
        .current_dir(dir)
        .args(arguments)
        .output()
        .expect("boesfsc runs")
}

#[test]
fn no_command_takes_a_bad_image() {
    let dir = tempfile::tempdir().expect("a directory");
    for bad in bad_images(include_bytes!("../../abi/tests/images/casbin.bin")) {
        // What has not the magic of an image is taken for the text of a policy.
        if bad.name == "other magic" {
            continue;
        }
        fs::write(dir.path().join("bad.bin"), &bad.file).expect("a file");
        let eval = ["eval", "bad.bin", "--sub", "/bin/a", "--obj", "/srv/a", "--act", "read"];
        for arguments in [&["inspect", "bad.bin"][..], &eval, &["verify", "bad.bin", "--key", "none"]] {
            let output = boesfsc(dir.path(), arguments);
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(3), "{} {arguments:?}: {said}", bad.name);
            assert!(output.stdout.is_empty(), "{} {arguments:?}", bad.name);
            if arguments[0] != "verify" {
                assert!(said.contains(bad.words), "{} {arguments:?}: {said}", bad.name);
                assert_eq!(said.lines().count(), 1, "{said}");
            }
        }
    }
}

const POLICY: &str = "[request_definition]\nr = sub, obj, act\n[policy_definition]\np = obj, act, eft\n[policy_effect]\n\
    e = !some(where (p.eft == deny))\n[matchers]\nm = r.obj == p.obj && r.act == p.act\n[policy]\n\
    p, /srv/a, write, deny\n";

/// A file may grow to one block of 512 bytes: as on a full disk, the write comes half through.
#[test]
fn a_full_disk_leaves_what_was_there() {
    let dir = tempfile::tempdir().expect("a directory");
    fs::write(dir.path().join("policy.conf"), POLICY).expect("a policy");
    for before in [None, Some(&b"the older image"[..])] {
        if let Some(before) = before {
            fs::write(dir.path().join("policy.bin"), before).expect("a file");
        }
        let output = Command::new("sh")
            .current_dir(dir.path())
            .args(["-c", "trap '' XFSZ; ulimit -f 1; exec \"$0\" build policy.conf -o policy.bin"])
            .arg(env!("CARGO_BIN_EXE_boesfsc"))
            .output()
            .expect("a shell runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(3), "{said}");
        assert!(said.contains("`policy.bin` cannot be written: "), "{said}");
        assert_eq!(fs::read(dir.path().join("policy.bin")).ok().as_deref(), before);
        let mut names: Vec<String> = fs::read_dir(dir.path())
            .expect("a directory")
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        let wanted: &[&str] =
            if before.is_some() { &["policy.bin", "policy.conf"] } else { &["policy.conf"] };
        assert_eq!(names, wanted, "nothing else is left behind");
    }
}
