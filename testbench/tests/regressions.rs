//! Inputs on which a fuzz target once failed, and its seeds, on the stable toolchain.

use std::path::Path;
use std::{fs, io};

fn replay(target: &str, body: fn(&[u8])) {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    let regressions = Path::new("regressions").join(target);
    let mut count = 0;
    for folder in ["seeds", "regressions"] {
        let folder = fuzz.join(folder).join(target);
        let mut files: Vec<_> = match fs::read_dir(&folder) {
            Ok(entries) => entries.map(|entry| entry.expect("the folder can be read").path()).collect(),
            // No input has failed yet.
            Err(error) if error.kind() == io::ErrorKind::NotFound && folder.ends_with(&regressions) => {
                continue;
            }
            Err(error) => panic!("{}: {error}", folder.display()),
        };
        files.sort();
        for file in files {
            println!("{}", file.display());
            body(&fs::read(&file).expect("the input can be read"));
            count += 1;
        }
    }
    assert!(count > 0, "nothing to replay for {target}");
}

#[test]
fn parse() {
    replay("parse", boesfs_fuzz::parse);
}

#[test]
fn compile_vs_reference() {
    replay("compile_vs_reference", boesfs_fuzz::compile_vs_reference);
}

#[test]
fn image_decode() {
    replay("image_decode", boesfs_fuzz::image_decode);
}

#[test]
fn suite() {
    replay("suite", boesfs_fuzz::suite);
}

#[test]
fn fmt_round_trip() {
    replay("fmt_round_trip", boesfs_fuzz::fmt_round_trip);
}
