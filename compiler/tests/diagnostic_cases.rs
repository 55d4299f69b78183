//! What goes wrong most when policies are written by hand, each as a policy with the exact answer; and what `--fix`
//! makes of it, where the mend is sure.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use boesfs_compiler::diagnostic::human::{Colour, render};
use boesfs_compiler::fix::mend;
use boesfs_compiler::model::Settings;
use boesfs_compiler::pipeline::{Limits, Outcome, Stage, run};
use boesfs_grammar::Source;

/// A case: its name, the code it is about, and whether `--fix` mends it.
type Case = (&'static str, &'static str, bool);

/// What can go wrong, and the cases that show it.
const ROWS: &[(&str, &[Case])] = &[
    ("unknown section", &[("section-unknown", "E0102", true), ("section-unknown-far", "E0102", false)]),
    ("unclosed section header", &[("section-unclosed", "E0101", true)]),
    ("misspelt operation", &[("operation-misspelt", "E0301", true), ("operation-unknown", "E0301", false)]),
    (
        "wrong arity",
        &[
            ("arity-missing", "E0302", false),
            ("arity-no-eft", "E0302", false),
            ("arity-surplus", "E0302", false),
            ("arity-unquoted-comma", "E0302", true),
            ("arity-unquoted-braces", "E0302", true),
            ("arity-unquoted-tight", "E0302", true),
            ("arity-tuple-without-parentheses", "E0302", false),
        ],
    ),
    ("unreachable rule", &[("rule-unreachable", "W0401", true)]),
    ("conflicting rules", &[("rules-conflicting", "W0404", false)]),
    ("undefined role", &[("role-undefined", "W0316", false), ("role-unused", "W0314", false)]),
    ("role cycle", &[("role-cycle", "E0330", false)]),
    ("role depth", &[("role-deep", "W0317", false)]),
    (
        "matcher not compilable",
        &[
            ("matcher-attribute", "E0401", false),
            ("matcher-key-get", "E0401", false),
            ("matcher-assignment", "E0125", true),
        ],
    ),
    (
        "path not absolute or not normal",
        &[
            ("path-relative", "E0320", false),
            ("path-not-normal", "E0320", true),
            ("path-parent", "E0320", false),
        ],
    ),
    (
        "pattern that never matches, or not as it looks",
        &[
            ("pattern-impossible", "W0402", false),
            ("pattern-text-after-star", "W0318", false),
            ("pattern-second-star", "W0318", true),
            ("pattern-live-dot", "W0319", true),
            ("pattern-unanchored", "W0407", false),
        ],
    ),
    ("duplicate rule", &[("rule-duplicate", "W0403", true)]),
    (
        "marks, line ends, bytes that are not text, characters that look like others",
        &[
            ("bytes-byte-order-mark", "N0102", true),
            ("bytes-carriage-returns", "E0301", true),
            ("bytes-not-utf8", "E0108", false),
            ("bytes-nul", "E0107", false),
            ("bytes-bidi", "W0315", false),
            ("bytes-confusable", "W0322", false),
        ],
    ),
    (
        "input that is too large",
        &[
            ("limit-bytes", "E0120", false),
            ("limit-rules", "E0122", false),
            ("limit-definitions", "E0126", false),
            ("limit-nesting", "E0121", false),
            ("limit-states", "E0504", false),
            ("limit-expression", "E0504", false),
        ],
    ),
];

/// The limits a case is checked within.
fn limits(case: &str) -> (Settings, Limits) {
    let (mut settings, mut limits) = (Settings::default(), Limits::default());
    match case {
        "limit-bytes" => settings.limits.bytes = 100,
        "limit-rules" => settings.limits.rules = 1,
        "limit-definitions" => settings.limits.definitions = 9,
        "limit-nesting" => settings.limits.nesting = 4,
        "limit-states" => limits.automaton.states = 10,
        "limit-expression" => limits.automaton.states = 10_000,
        _ => {}
    }
    (settings, limits)
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/diagnostic_cases")
}

fn check(case: &str, text: Vec<u8>) -> Outcome {
    let (settings, limits) = limits(case);
    run(vec![Source::new(format!("{case}.conf"), text)], &settings, &limits, Stage::Dfa)
}

fn said(outcome: &Outcome) -> String {
    let answer = render(&outcome.diagnostics, &outcome.tree.sources, usize::MAX, Colour::Never);
    let lines: Vec<&str> = answer.lines().map(str::trim_end).collect();
    lines.join("\n") + "\n"
}

fn finds(outcome: &Outcome, code: &str) -> bool {
    outcome.diagnostics.iter().any(|found| found.code == code)
}

/// Compares `file` with what it should hold, or writes it.
fn golden(file: &Path, holds: &[u8], wrong: &mut Vec<String>) {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(file, holds).expect("a writable case");
    } else if fs::read(file).unwrap_or_default() != holds {
        wrong.push(format!("{}:\n{}", file.display(), String::from_utf8_lossy(holds)));
    }
}

#[test]
fn each_is_answered_and_what_is_sure_is_mended() {
    let mut wrong = Vec::new();
    for (row, cases) in ROWS {
        for (case, code, mends) in *cases {
            let text = fs::read(folder().join(case).with_extension("conf")).expect("a readable case");
            let outcome = check(case, text.clone());
            if !finds(&outcome, code) {
                wrong.push(format!("{row}: {case} has no {code}\n{}", said(&outcome)));
            }
            golden(&folder().join(case).with_extension("txt"), said(&outcome).as_bytes(), &mut wrong);
            let (settings, limits) = limits(case);
            let mended = mend(outcome, &settings, &limits, Stage::Dfa).outcome;
            let now = mended.tree.sources[0].bytes.clone();
            if *mends {
                let again = check(case, now.clone());
                if !again.is_sound() || finds(&again, code) {
                    let now = String::from_utf8_lossy(&now);
                    wrong.push(format!("{case}: this is not mended:\n{now}\n{}", said(&again)));
                }
                golden(&folder().join(case).with_extension("fixed"), &now, &mut wrong);
            } else if now != text {
                wrong.push(format!("{case}: is mended:\n{}", String::from_utf8_lossy(&now)));
            }
        }
    }
    assert!(wrong.is_empty(), "UPDATE_GOLDEN=1 accepts what is exact:\n{}", wrong.join("\n"));
}

#[test]
fn every_file_is_a_case_and_every_case_a_file() {
    let cases = ROWS.iter().flat_map(|(_, cases)| *cases);
    let mut wanted = BTreeSet::new();
    for (case, _, mends) in cases {
        wanted.extend([format!("{case}.conf"), format!("{case}.txt")]);
        wanted.extend(mends.then(|| format!("{case}.fixed")));
    }
    let entries = fs::read_dir(folder()).expect("the cases");
    let files: BTreeSet<String> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    assert_eq!(files, wanted);
}
