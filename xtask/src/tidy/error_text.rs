//! How error messages are written: lowercase, without a period, so that they can stand inside one another.

use super::Finding;
use regex::Regex;
use std::path::Path;

pub(super) fn check(path: &Path, source: &str) -> Vec<Finding> {
    let attribute = Regex::new(r#"#\[\s*error\(\s*"((?:[^"\\]|\\.)*)""#)
        .expect("INVARIANT: the pattern is a regular expression");
    attribute
        .captures_iter(source)
        .filter_map(|captures| {
            let text = captures.get(1)?;
            let message = complaint(text.as_str())?.to_owned();
            let line = source[..text.start()].matches('\n').count() + 1;
            Some(Finding { path: path.into(), line, message })
        })
        .collect()
}

fn complaint(text: &str) -> Option<&'static str> {
    let mut letters = text.chars();
    // Names such as BPF or ELF keep their capitals.
    let capital =
        letters.next().is_some_and(char::is_uppercase) && letters.next().is_some_and(char::is_lowercase);
    if text.is_empty() {
        Some("an error message that says nothing")
    } else if capital {
        Some("an error message begins in lowercase")
    } else if text.ends_with('.') && !text.ends_with("..") {
        Some("an error message has no period at its end")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capitals_and_periods_are_found() {
        let source = "#[error(\"Bad {0}\")]\n#[error(\n  \"bad.\"\n)]\n#[error(\"\")]\n#[error(\"BPF is off\")]\n\
                      #[error(\"dfa needs {needed} states\")]\n#[error(transparent)]";
        let lines: Vec<_> =
            check(Path::new("a.rs"), source).into_iter().map(|finding| finding.line).collect();
        assert_eq!(lines, [1, 3, 5]);
    }
}
