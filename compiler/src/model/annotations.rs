//! `#@` comments to [`Annotations`].

use boesfs_abi::verdict::{Audit, Errno, Level};
use boesfs_grammar::{Annotation, Word};

use super::Annotations;
use crate::diagnostic::{Diagnostic, LINTS, lint, suggestion};

pub(super) const KEYS: [&str; 6] = ["id", "level", "audit", "errno", "reason", "allow"];

/// What `said` means. Several `allow=` add up; anything else may stand once.
pub(super) fn annotations(said: &[Annotation], out: &mut Vec<Diagnostic>) -> Annotations {
    let mut annotations = Annotations::default();
    for (index, Annotation { key, value }) in said.iter().enumerate() {
        if key.text != "allow"
            && let Some(first) = said[..index].iter().find(|other| other.key.text == key.text)
        {
            out.push(
                Diagnostic::error("E0341", format!("`{}` stands twice for one rule", key.text), key.span)
                    .label("again here")
                    .secondary(first.key.span, "first here")
                    .help("remove one of them"),
            );
            continue;
        }
        match key.text.as_str() {
            "id" => annotations.id = Some(value.text.clone()),
            "reason" => annotations.reason = Some(value.text.clone()),
            "level" => {
                let words = [("event", Level::Event), ("warning", Level::Warning), ("alert", Level::Alert)];
                annotations.level = pick(value, &words, out).unwrap_or_default();
            }
            "audit" => {
                let words = [("deny", Audit::Deny), ("always", Audit::Always), ("never", Audit::Never)];
                annotations.audit = pick(value, &words, out).unwrap_or_default();
            }
            "errno" => {
                let words = [Errno::Acces, Errno::Perm, Errno::Noent, Errno::Rofs].map(|e| (e.name(), e));
                annotations.errno = pick(value, &words, out);
            }
            "allow" => match lint(&value.text) {
                Some(lint) => annotations.allow.push(lint.name.to_owned()),
                None => out.push(unknown_lint(value)),
            },
            other => out.push(
                Diagnostic::error("E0340", format!("unknown annotation `{other}`"), key.span)
                    .label("not an annotation")
                    .maybe_meant(suggestion(other, KEYS, "the annotations")),
            ),
        }
    }
    annotations
}

fn unknown_lint(value: &Word) -> Diagnostic {
    Diagnostic::error("E0343", format!("unknown lint `{}`", value.text), value.span)
        .label("not a lint")
        .maybe_meant(suggestion(&value.text, LINTS.iter().map(|lint| lint.name), "the lints"))
}

fn pick<T: Copy>(value: &Word, words: &[(&str, T)], out: &mut Vec<Diagnostic>) -> Option<T> {
    let found = words.iter().find(|(word, _)| *word == value.text).map(|(_, meaning)| *meaning);
    if found.is_none() {
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        out.push(
            Diagnostic::error("E0342", format!("unknown value `{}`", value.text), value.span)
                .label(format!("expected one of `{}`", known.join("`, `")))
                .maybe_meant(suggestion(&value.text, known, "the values")),
        );
    }
    found
}
