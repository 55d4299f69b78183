//! Inputs on which a fuzz target once failed, and its seeds, on the stable toolchain.

use std::collections::HashMap;
use std::path::Path;
use std::{fs, io};

use boesfs_fuzz::Fate;

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

/// Some thousand changes to images, drawn: with those of [`image_changed`] all that can become of one is seen.
#[test]
fn changed_images_are_refused_or_read_alike() {
    let mut seen = HashMap::new();
    let mut state = 1u64;
    for _ in 0..1_000 {
        let data: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            (state >> 56) as u8
        })
        .take(24)
        .collect();
        *seen.entry(boesfs_fuzz::image_changed(&data)).or_insert(0) += 1;
    }
    let share = |fate| seen.get(&fate).copied().unwrap_or(0);
    for (fate, least) in [(Fate::Refused, 500), (Fate::Same, 5), (Fate::Other, 20)] {
        assert!(share(fate) >= least, "{fate:?}: {seen:?}");
    }
}

#[test]
fn image_changed() {
    replay("image_changed", |data| {
        let _ = boesfs_fuzz::image_changed(data);
    });
}
