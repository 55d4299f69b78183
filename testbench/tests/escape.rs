//! The attempts to escape, the list they come from, and the page that tells of them.

use std::fs;
use std::path::Path;

use boesfs_testbench::escape::{self, Attempt};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/security-model.md");
const BEGIN: &str =
    "<!-- attempts: written by UPDATE_DOCS=1 cargo test -p boesfs-testbench --test escape -->\n";
const END: &str = "<!-- end of attempts -->";

fn attempts() -> Vec<Attempt> {
    escape::attempts().expect("the prober lists its attempts")
}

#[test]
fn the_page_lists_the_attempts() {
    let text = fs::read_to_string(PAGE).unwrap();
    let (before, rest) = text.split_once(BEGIN).expect("the page has no mark where the attempts begin");
    let (listed, after) = rest.split_once(END).expect("the page has no mark where they end");
    let table = format!("\n{}\n", escape::page(&attempts()));
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(PAGE, [before, BEGIN, &table, END, after].concat()).unwrap();
    } else {
        assert!(listed == table, "docs/security-model.md is stale: {}", BEGIN.trim());
    }
}

#[test]
fn every_row_of_the_list_has_a_test() {
    assert_eq!(escape::missing(&attempts()), Vec::<u32>::new());
}

#[test]
fn at_least_twenty_are_our_own() {
    let own = attempts().iter().filter(|attempt| attempt.row.is_none()).count();
    assert!(own >= 20, "{own}");
}

#[test]
fn names_are_unique_and_exceptions_have_reasons() {
    let attempts = attempts();
    let mut names: Vec<&str> = attempts.iter().map(|attempt| attempt.name.as_str()).collect();
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count);
    for attempt in &attempts {
        assert_eq!(attempt.why.is_empty(), !attempt.is_exception(), "{}", attempt.name);
    }
}

#[test]
fn tests_elsewhere_exist() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    for (file, function) in escape::elsewhere() {
        let text = fs::read_to_string(root.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert!(text.contains(&format!("fn {function}(")), "{file} has no test {function}");
    }
}
