//! The page of what the ancestor could do and where it went wrong names tests that are there.

use std::fs;
use std::path::Path;

use boesfs_testbench::escape;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
/// Rows of the page's tables: features, and difficulties by number.
const FEATURES: [&str; 8] = [
    "a directory is protected",
    "a root directory of its own",
    "an agent manages",
    "its policies",
    "a log",
    "kills",
    "another policy while the sandbox runs",
    "limits of memory",
];
const DIFFICULTIES: usize = 22;

fn read(path: &str) -> Result<String, String> {
    fs::read_to_string(Path::new(ROOT).join(path)).map_err(|error| format!("{path}: {error}"))
}

/// The rows of the table below the heading `heading`, cells without their space.
fn rows<'a>(page: &'a str, heading: &str) -> Vec<Vec<&'a str>> {
    let (_, table) = page.split_once(&format!("\n## {heading}\n")).expect("a heading");
    let table = table.split("\n## ").next().unwrap_or_default();
    let rows = table.lines().filter(|line| line.starts_with("| ") && !line.contains("shown by"));
    rows.map(|row| row.trim_matches('|').split(" | ").map(str::trim).collect()).collect()
}

/// The tests that a row names, in its last cell.
fn named<'a>(row: &[&'a str]) -> Vec<&'a str> {
    let cell: &'a str = row.last().expect("a cell");
    cell.split('`').skip(1).step_by(2).collect()
}

/// Whether the test called `name` is there.
fn is_there(name: &str, attempts: &[String]) -> Result<(), String> {
    let missing = || format!("there is no {name}");
    if let Some(case) = name.strip_prefix("case ") {
        return read(&format!("testbench/cases/{case}/case.ron")).map(drop);
    }
    if let Some(attempt) = name.strip_prefix("attempt ") {
        return if attempts.iter().any(|known| known == attempt) { Ok(()) } else { Err(missing()) };
    }
    if let Some(step) = name.strip_prefix("step ") {
        let steps = read("xtask/src/suite/mod.rs")?;
        return if steps.contains(&format!("    (\"{step}\", |")) { Ok(()) } else { Err(missing()) };
    }
    let (file, function) = name.split_once("::").ok_or_else(|| format!("{name} names no test"))?;
    let text = read(file)?;
    let found = if Path::new(file).extension().is_some_and(|extension| extension == "sh") {
        // A function of a script, and that it is called.
        let called = text.lines().find(|line| line.starts_with("for NAME in ")).unwrap_or_default();
        text.contains(&format!("\n{function}() {{\n"))
            && called
                .split(|other: char| !other.is_alphanumeric() && other != '_')
                .any(|word| word == function)
    } else {
        // A test of the standard harness, or one in the list of a file that has another.
        let definition = format!("fn {function}(");
        let at = text.find(&definition).ok_or_else(missing)?;
        text[..at].trim_end().ends_with("#[test]") || text.contains(&format!("(\"{function}\", {function})"))
    };
    if found { Ok(()) } else { Err(missing()) }
}

#[test]
fn every_row_names_tests_that_are_there() {
    let page = read("docs/parity.md").expect("the page");
    let mut attempts: Vec<String> =
        escape::attempts().expect("the prober's list").into_iter().map(|attempt| attempt.name).collect();
    // It is made beside the table.
    attempts.push("kill-limit".to_owned());
    let (features, difficulties) = (rows(&page, "What it could do"), rows(&page, "Where it went wrong"));
    assert_eq!(features.len(), FEATURES.len());
    for (row, feature) in features.iter().zip(FEATURES) {
        assert!(row[0].contains(feature), "{} is not `{feature}`", row[0]);
    }
    let numbers: Vec<String> = difficulties.iter().map(|row| row[0].to_owned()).collect();
    assert_eq!(numbers, (1..=DIFFICULTIES).map(|number| number.to_string()).collect::<Vec<_>>());
    for row in features.iter().chain(&difficulties) {
        let named = named(row);
        assert!(!named.is_empty(), "`{}` names no test", row[0]);
        for name in named {
            is_there(name, &attempts).unwrap_or_else(|missing| panic!("{}: {missing}", row[0]));
        }
    }
}

#[test]
fn what_is_not_there_is_missed() {
    for name in [
        "case boesfs/no-such-case",
        "attempt no-such-attempt",
        "step no such step",
        "runtime/tests/run.rs::no_such_test",
        "runtime/tests/run.rs::boesfs",
        "runtime/tests/no-such-file.rs::test",
        "xtask/src/suite/shared_engine.sh::nothing_left",
        "words",
    ] {
        assert!(is_there(name, &[]).is_err(), "{name}");
    }
}
