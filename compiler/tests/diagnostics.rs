//! What the compiler says, word for word: each `.conf` beside the `.txt` it is answered by.

use std::fs;
use std::path::Path;

use boesfs_compiler::diagnostic::human::{Colour, render};
use boesfs_compiler::model::Settings;
use boesfs_compiler::pipeline::{Limits, Stage, run};
use boesfs_grammar::Source;

/// The answer to the policy in `path`, beside which a `.model` may lie.
fn answer(path: &Path) -> String {
    let read = |path: &Path| {
        let name = path.file_name().expect("a file").to_string_lossy().into_owned();
        Source::new(name, fs::read(path).expect("a readable case"))
    };
    let mut sources = vec![read(path)];
    let model = path.with_extension("model");
    if model.exists() {
        sources.push(read(&model));
    }
    let outcome = run(sources, &Settings::default(), &Limits::default(), Stage::LAST);
    let answer = render(&outcome.diagnostics, &outcome.tree.sources, usize::MAX, Colour::Never);
    assert_eq!(
        outcome.is_sound(),
        outcome.packed.is_some(),
        "{}: neither an image nor an error, or both",
        path.display()
    );
    let lines: Vec<&str> = answer.lines().map(str::trim_end).collect();
    lines.join("\n") + "\n"
}

#[test]
fn golden() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/diagnostics");
    let mut paths: Vec<_> = fs::read_dir(folder)
        .expect("the cases")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "conf"))
        .collect();
    paths.sort();
    assert!(paths.len() >= 20, "cases are missing");
    let mut wrong = Vec::new();
    for path in paths {
        let expected = path.with_extension("txt");
        let answer = answer(&path);
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&expected, answer).expect("a writable case");
        } else if fs::read_to_string(&expected).unwrap_or_default() != answer {
            wrong.push(format!("{}:\n{answer}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "UPDATE_GOLDEN=1 accepts these:\n{}", wrong.join("\n"));
}

#[test]
fn messages_are_written_alike() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/diagnostics");
    for entry in fs::read_dir(folder).expect("the cases") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "conf") {
            continue;
        }
        let source = Source::new("policy", fs::read(&path).expect("a readable case"));
        for diagnostic in run(vec![source], &Settings::default(), &Limits::default(), Stage::LAST).diagnostics
        {
            let message = &diagnostic.message;
            let first = message.chars().next().expect("a message");
            assert!(!first.is_uppercase() || message.starts_with("NUL"), "{message}");
            assert!(!message.ends_with('.'), "{message}");
            assert!(!message.contains("illegal") && !message.contains("invalid"), "{message}");
            assert!(!diagnostic.labels.is_empty(), "{message}");
        }
    }
}
