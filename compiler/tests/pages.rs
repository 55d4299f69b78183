//! The pages of `--explain`: each example is answered as the page says, and its fixed form has no such finding.

use std::fs;
use std::path::Path;

use boesfs_abi::plane::Plane;
use boesfs_compiler::diagnostic::Applicability;
use boesfs_compiler::diagnostic::human::{Colour, render};
use boesfs_compiler::lint::LINTS;
use boesfs_compiler::model::Settings;
use boesfs_compiler::pipeline::{Limits, Outcome, Stage, run};
use boesfs_grammar::Source;

/// The text of the first block of `language` after `from`, and where it stands.
fn block<'p>(page: &'p str, from: &str, language: &str) -> (&'p str, std::ops::Range<usize>) {
    let after = page.find(from).unwrap_or_else(|| panic!("no `{from}` in {page}")) + from.len();
    let fence = format!("```{language}\n");
    let start =
        after + page[after..].find(&fence).unwrap_or_else(|| panic!("no {fence} in {page}")) + fence.len();
    let end = start + page[start..].find("```").expect("the end of the block");
    (&page[start..end], start..end)
}

fn check(text: &[u8], settings: &Settings) -> Outcome {
    run(vec![Source::new("policy.conf", text)], settings, &Limits::default(), Stage::Dfa)
}

/// What the page's `Options:` line says; `--target` is all that makes a difference to lints.
fn settings(page: &str) -> Settings {
    let targets = page.lines().find_map(|line| line.strip_prefix("Options: --target ")).unwrap_or_default();
    let targets = targets.split(',').filter(|name| !name.is_empty());
    let plane = |name| Plane::ALL.into_iter().find(|plane| plane.name() == name).expect("a plane");
    Settings { targets: targets.map(plane).collect(), ..Settings::default() }
}

/// The text of `outcome` with every change applied that is sure to be meant by a finding of `code`.
fn mended(outcome: &Outcome, code: &str) -> Option<Vec<u8>> {
    let fixes = outcome.diagnostics.iter().filter(|found| found.code == code).flat_map(|found| {
        found.fixes.iter().find(|fix| fix.applicability == Applicability::MachineApplicable)
    });
    let mut edits: Vec<_> = fixes.flat_map(|fix| &fix.edits).collect();
    edits.sort_by_key(|edit| std::cmp::Reverse(edit.span.start));
    let mut text = outcome.tree.sources[0].bytes.clone();
    for edit in &edits {
        text.splice(edit.span.start as usize..edit.span.end as usize, edit.text.iter().copied());
    }
    (!edits.is_empty()).then_some(text)
}

#[test]
fn lints_have_pages_that_are_true() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lint");
    let mut wrong = Vec::new();
    for lint in LINTS {
        let path = folder.join(lint.name.replace('-', "_")).with_extension("md");
        let page = fs::read_to_string(&path).expect("a page");
        assert!(page.starts_with(&format!("# {}: {}\n", lint.code, lint.name)), "{}", path.display());
        assert!(page.contains("\nLevel: "), "{}", path.display());
        let (example, _) = block(&page, "## Example", "conf");
        let settings = settings(&page);
        let outcome = check(example.as_bytes(), &settings);
        let answer = render(&outcome.diagnostics, &outcome.tree.sources, usize::MAX, Colour::Never);
        let answer: Vec<&str> = answer.lines().map(str::trim_end).collect();
        let answer = answer.join("\n") + "\n";
        let (expected, at) = block(&page, "## Example", "text");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            let mut page = page.clone();
            page.replace_range(at, &answer);
            fs::write(&path, page).expect("a writable page");
        } else if expected != answer {
            wrong.push(format!("{}: UPDATE_GOLDEN=1 accepts\n{answer}", path.display()));
        }
        let finds = |outcome: &Outcome| outcome.diagnostics.iter().any(|found| found.code == lint.code);
        if !finds(&outcome) {
            wrong.push(format!("{}: the example has no finding\n{answer}", path.display()));
        }
        let mut forms = vec![block(&page, "## Fixed", "conf").0.as_bytes().to_vec()];
        forms.extend(mended(&outcome, lint.code));
        for form in forms {
            let outcome = check(&form, &settings);
            if finds(&outcome) || !outcome.is_sound() {
                let said = render(&outcome.diagnostics, &outcome.tree.sources, usize::MAX, Colour::Never);
                let form = String::from_utf8_lossy(&form);
                wrong.push(format!("{}: this is not mended:\n{form}\n{said}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn codes_and_names_of_lints_are_one_each() {
    let mut codes: Vec<&str> = LINTS.iter().map(|lint| lint.code).collect();
    assert!(codes.is_sorted(), "{codes:?}");
    codes.dedup();
    assert_eq!(codes.len(), LINTS.len());
    assert!(LINTS.len() >= 15);
}
