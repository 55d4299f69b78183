//! Diagnostics for people, with the lines they speak of.

use std::fmt::Write as _;

use boesfs_grammar::Source;
use codespan_reporting::diagnostic as shown;
use codespan_reporting::term;

use super::excerpt::Excerpts;
use super::{Diagnostic, Severity};

/// Bytes of a message that is shown whole.
const MESSAGE: usize = 2000;

/// Whether the text is for a terminal that shows colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// With escape sequences.
    Always,
    /// Plain.
    Never,
}

/// The text of at most `most` of `diagnostics` over `sources`, and a last line that counts all of them.
#[must_use]
pub fn render(diagnostics: &[Diagnostic], sources: &[Source], most: usize, colour: Colour) -> String {
    let shown = &diagnostics[..diagnostics.len().min(most)];
    let mut text = render_only(shown, sources, colour);
    text.push_str(&tally(diagnostics, most));
    text
}

/// The text of `diagnostics` over `sources`, and nothing else.
#[must_use]
pub fn render_only(diagnostics: &[Diagnostic], sources: &[Source], colour: Colour) -> String {
    let mut marks: Vec<Vec<usize>> = vec![Vec::new(); sources.len()];
    for label in diagnostics.iter().flat_map(|diagnostic| &diagnostic.labels) {
        if let Some(marks) = marks.get_mut(usize::from(label.span.file)) {
            marks.extend([label.span.start as usize, label.span.end as usize]);
        }
    }
    let mut files = Excerpts::default();
    for (source, mut marks) in sources.iter().zip(marks) {
        marks.sort_unstable();
        files.add(escaped(&source.name), sanitized(&source.bytes), &marks);
    }
    let config = term::Config { tab_width: 4, ..term::Config::default() };
    let mut text = String::new();
    for diagnostic in diagnostics {
        let shown = shown(diagnostic, sources.len(), &files);
        let mut buffer = termcolor(colour);
        if term::emit_to_write_style(&mut buffer, &config, &files, &shown).is_ok() {
            text.push_str(&String::from_utf8_lossy(buffer.as_slice()));
        } else {
            let _ = writeln!(text, "{}: {}", diagnostic.severity.name(), brief(&diagnostic.message));
        }
    }
    text
}

fn termcolor(colour: Colour) -> term::termcolor::Buffer {
    match colour {
        Colour::Always => term::termcolor::Buffer::ansi(),
        Colour::Never => term::termcolor::Buffer::no_color(),
    }
}

/// How many of each severity there are, and how many were not shown.
fn tally(diagnostics: &[Diagnostic], most: usize) -> String {
    let counted = |severity: Severity, word: &str| {
        let these = diagnostics.iter().filter(|d| d.severity == severity);
        let count: usize = these.map(|d| 1 + d.more).sum();
        (count > 0).then(|| format!("{count} {word}{}", if count == 1 { "" } else { "s" }))
    };
    let parts: Vec<String> =
        [(Severity::Error, "error"), (Severity::Warning, "warning"), (Severity::Note, "note")]
            .into_iter()
            .filter_map(|(severity, word)| counted(severity, word))
            .collect();
    if parts.is_empty() {
        return String::new();
    }
    let shown = diagnostics.len().min(most);
    let all: usize = diagnostics.iter().map(|d| 1 + d.more).sum();
    let hidden = all - shown;
    if hidden > 0 && shown < diagnostics.len() {
        let which = if all == diagnostics.len() { "all" } else { "the first of each code" };
        let most = diagnostics.len();
        format!("{}; {hidden} not shown, `--max-errors {most}` shows {which}\n", parts.join(", "))
    } else if hidden > 0 {
        format!("{}; {hidden} not kept\n", parts.join(", "))
    } else {
        format!("{}\n", parts.join(", "))
    }
}

fn shown(diagnostic: &Diagnostic, count: usize, files: &Excerpts) -> shown::Diagnostic<usize> {
    let severity = match diagnostic.severity {
        Severity::Error => shown::Severity::Error,
        Severity::Warning => shown::Severity::Warning,
        Severity::Note => shown::Severity::Note,
    };
    let labels = diagnostic
        .labels
        .iter()
        .filter(|label| usize::from(label.span.file) < count)
        .map(|label| {
            let style = if label.primary { shown::LabelStyle::Primary } else { shown::LabelStyle::Secondary };
            let file = usize::from(label.span.file);
            let range = files.shown(file, label.span.start as usize..label.span.end as usize);
            shown::Label::new(style, file, range).with_message(brief(&label.text))
        })
        .collect();
    let mut notes: Vec<String> =
        diagnostic.notes.iter().map(|note| format!("note: {}", brief(note))).collect();
    notes.extend(diagnostic.others().map(|others| format!("note: {others}")));
    notes.extend(diagnostic.helps.iter().map(|help| format!("help: {}", brief(help))));
    if let Some(lint) = diagnostic.lint {
        notes.push(match diagnostic.severity {
            Severity::Error => format!("note: lint `{lint}` denies; `--allow {lint}` makes it a warning"),
            Severity::Warning | Severity::Note => format!("note: lint `{lint}`"),
        });
    }
    let coded = if diagnostic.code.is_empty() {
        shown::Diagnostic::new(severity)
    } else {
        shown::Diagnostic::new(severity).with_code(diagnostic.code)
    };
    coded.with_message(brief(&diagnostic.message)).with_labels(labels).with_notes(notes)
}

/// The source as text of the same length: what is not UTF-8, and what would move a terminal's cursor or reorder its
/// line, is shown as `?`.
fn sanitized(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    let is_plain = |byte: &u8| matches!(byte, b' '..=b'~' | b'\n' | b'\t');
    for piece in bytes.chunk_by(|one, next| is_plain(one) == is_plain(next)) {
        match str::from_utf8(piece) {
            Ok(plain) if piece.first().is_some_and(is_plain) => text.push_str(plain),
            _ => sanitize(piece, &mut text),
        }
    }
    text
}

fn sanitize(bytes: &[u8], text: &mut String) {
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\n' | '\t' => text.push(c),
                '\r' => text.push(' '),
                '\u{feff}' => text.push_str("   "),
                c if hidden(c) => text.extend(std::iter::repeat_n('?', c.len_utf8())),
                c => text.push(c),
            }
        }
        text.extend(std::iter::repeat_n('?', chunk.invalid().len()));
    }
}

/// `text` as it is shown: escaped, and without the middle of what fills more than a screen.
fn brief(text: &str) -> String {
    if text.len() <= MESSAGE {
        return escaped(text);
    }
    let head = &text[..text.floor_char_boundary(MESSAGE / 2)];
    let tail = &text[text.ceil_char_boundary(text.len() - MESSAGE / 10)..];
    format!("{}…{}", escaped(head), escaped(tail))
}

/// `text` with control and reordering characters escaped.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c != '\n' && hidden(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

/// Whether `c` would move a terminal's cursor, reorder its line or show nothing.
pub(crate) fn hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}
