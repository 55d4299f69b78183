//! `boesfs run` starts nothing under an image that cannot be used, and says why.

#[path = "../../abi/tests/support/bad_images.rs"]
mod bad_images;

use std::fs;
use std::process::Command;

#[test]
fn nothing_runs_under_a_bad_image() {
    let dir = tempfile::tempdir().unwrap();
    let (policy, trace) = (dir.path().join("bad.bin"), dir.path().join("trace"));
    let image = include_bytes!("../../abi/tests/images/casbin.bin");
    for bad in bad_images::bad_images(image) {
        fs::write(&policy, &bad.file).unwrap();
        for plane in ["auto", "fuse", "lsm"] {
            let mut command = Command::new(env!("CARGO_BIN_EXE_boesfs"));
            command.args(["run", "--plane", plane, "--outside", "allow"]).arg(&policy);
            let ran = command.args(["--", "touch"]).arg(&trace).output().unwrap();
            let said = String::from_utf8_lossy(&ran.stderr);
            assert_eq!(
                (ran.status.code(), ran.stdout.as_slice()),
                (Some(125), &[][..]),
                "{}: {said}",
                bad.name
            );
            assert!(said.contains(bad.words), "{} on {plane}: {said}", bad.name);
            assert!(!trace.exists(), "{} on {plane}: the command has run", bad.name);
        }
    }
}
