//! The conformance files, where they are: beside the workspace.

use std::path::{Path, PathBuf};

use boesfs_testbench::engine::PURE;
use boesfs_testbench::{conformance, suite};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/conformance")
}

fn check(file: &str) {
    let path = folder().join(file);
    if !path.exists() {
        println!("skipped: `{}` is not there", path.display());
        return;
    }
    let cases = conformance::read(&path).expect("a conformance file has the form");
    assert!(!cases.is_empty());
    let engines: Vec<String> = PURE.iter().map(|name| (*name).to_owned()).collect();
    let report = suite::run(&cases, &engines);
    print!("{report}");
    assert_eq!(report.failed(), 0, "{report}");
}

#[test]
fn policies_written_in_boesfs_form() {
    check("boesfs-vectors.json");
}

#[test]
fn policies_of_boesfs() {
    check("boesfs-original.json");
}

#[test]
fn inputs_that_boesfs_parsed() {
    check("boesfs-parse.json");
}

#[test]
fn policies_on_which_casbins_agree() {
    check("casbin-vectors.json");
}

#[test]
fn the_rest_of_the_language() {
    check("language-vectors.json");
}
