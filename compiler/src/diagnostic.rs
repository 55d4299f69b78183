//! What the compiler has to say to the author of a policy: one mistake, one diagnostic, at its place.
//!
//! The data is here; [`human`] and [`json`] turn it into text.

mod excerpt;
pub mod human;
pub mod json;
pub mod pages;
pub mod place;
pub mod report;

use std::collections::HashMap;

use boesfs_grammar::{Span, SyntaxError};

pub use crate::lint::{LINTS, Lint, lint};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Probably not what was meant.
    Warning,
    /// Nothing is built.
    Error,
}

impl Severity {
    /// The word in front of the message.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// A place and a few words beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// The words; may be empty.
    pub text: String,
    /// Whether this is the place itself, or one that contributes to it.
    pub primary: bool,
}

/// One thing to say.
///
/// The message says what is wrong: lowercase, no period, the author's words in backticks. What to do is a help.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// `E0xxx`, `W0xxx` or `N0xxx`; never reused.
    pub code: &'static str,
    /// The name after `--allow`, if it is a lint.
    pub lint: Option<&'static str>,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong.
    pub message: String,
    /// Where; the first is the place itself.
    pub labels: Vec<Label>,
    /// What to do.
    pub helps: Vec<String>,
    /// What else is worth knowing.
    pub notes: Vec<String>,
    /// Changes of the text that mend it; any one of them does.
    pub fixes: Vec<Fix>,
    /// How many more of its code there are that are not kept ([`abridge`]).
    pub more: usize,
}

/// How many findings of one code and severity are kept.
const KEPT: usize = 10_000;

/// Of each code and severity keeps the first 10 000 of `found` and counts the others at the last one kept, so that
/// what is wrong with a large text does not fill the memory. At least one of each code stays, so that a policy with
/// errors is never taken for one without.
pub fn abridge(found: &mut Vec<Diagnostic>) {
    let mut counts: HashMap<(&'static str, Severity), usize> = HashMap::new();
    let mut surplus: HashMap<(&'static str, Severity), usize> = HashMap::new();
    found.retain(|diagnostic| {
        let key = (diagnostic.code, diagnostic.severity);
        let count = counts.entry(key).or_default();
        *count += 1;
        if *count > KEPT {
            *surplus.entry(key).or_default() += 1 + diagnostic.more;
        }
        *count <= KEPT
    });
    for diagnostic in found.iter_mut().rev() {
        if surplus.is_empty() {
            break;
        }
        if let Some(more) = surplus.remove(&(diagnostic.code, diagnostic.severity)) {
            diagnostic.more += more;
        }
    }
}

/// Abridges findings now and then while they are gathered, so that all of it costs no more than looking at each
/// finding twice.
#[derive(Debug)]
pub struct Gauge {
    next: usize,
}

impl Default for Gauge {
    fn default() -> Self {
        Self { next: 2 * KEPT }
    }
}

impl Gauge {
    /// Abridges `found` if it has become twice as long as it was left.
    pub fn look(&mut self, found: &mut Vec<Diagnostic>) {
        if found.len() >= self.next {
            abridge(found);
            self.next = 2 * found.len().max(KEPT);
        }
    }
}

/// How sure it is that a [`Fix`] is what the author wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applicability {
    /// It says what was meant: `--fix` applies it.
    MachineApplicable,
    /// It is a guess: an editor offers it.
    MaybeIncorrect,
}

/// A change of the text that mends a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fix {
    /// What it does, as an order: "write `read`".
    pub title: String,
    /// The pieces of text it replaces; they do not overlap.
    pub edits: Vec<Edit>,
    /// How sure it is.
    pub applicability: Applicability,
}

/// New text for a piece of a source; an empty span is an insertion before its byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// What is replaced.
    pub span: Span,
    /// By what: bytes, as paths are.
    pub text: Vec<u8>,
}

impl Diagnostic {
    /// An error at `span`.
    pub fn error(code: &'static str, message: impl Into<String>, span: Span) -> Self {
        Self::new(code, None, Severity::Error, message.into(), span)
    }

    /// A note at `span`.
    pub fn note(code: &'static str, message: impl Into<String>, span: Span) -> Self {
        Self::new(code, None, Severity::Note, message.into(), span)
    }

    /// A finding of `lint` at `span`, as a warning.
    pub fn warning(lint: &'static Lint, message: impl Into<String>, span: Span) -> Self {
        Self::new(lint.code, Some(lint.name), Severity::Warning, message.into(), span)
    }

    /// A finding of `lint` at `span`, as an error that may be allowed.
    pub fn denied(lint: &'static Lint, message: impl Into<String>, span: Span) -> Self {
        Self::new(lint.code, Some(lint.name), Severity::Error, message.into(), span)
    }

    fn new(
        code: &'static str,
        lint: Option<&'static str>,
        severity: Severity,
        message: String,
        span: Span,
    ) -> Self {
        let labels = vec![Label { span, text: String::new(), primary: true }];
        Self {
            code,
            lint,
            severity,
            message,
            labels,
            helps: Vec::new(),
            notes: Vec::new(),
            fixes: Vec::new(),
            more: 0,
        }
    }

    /// The diagnostic with words beside its place.
    #[must_use]
    pub fn label(mut self, text: impl Into<String>) -> Self {
        self.labels[0].text = text.into();
        self
    }

    /// The diagnostic with another place that contributes to it.
    #[must_use]
    pub fn secondary(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label { span, text: text.into(), primary: false });
        self
    }

    /// The diagnostic with advice.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.helps.push(text.into());
        self
    }

    /// The diagnostic with advice, if there is any.
    #[must_use]
    pub fn maybe_help(mut self, text: Option<String>) -> Self {
        self.helps.extend(text);
        self
    }

    /// The diagnostic with what the word at its place was meant to be, and the change that writes it.
    #[must_use]
    pub fn maybe_meant(self, meant: Option<Meant>) -> Self {
        let Some(Meant { word, help, instead }) = meant else { return self };
        let span = self.span();
        // What is quoted, or longer than the word, is not replaced by a word.
        let exact = (span.end - span.start) as usize == word.len();
        match instead.filter(|_| exact) {
            Some(instead) => self.help(help).fix(format!("write `{instead}`"), span, instead),
            None => self.help(help),
        }
    }

    /// The diagnostic with the advice to write `path`, if that is known, where `written` stands. A path with `..` may
    /// have been meant otherwise.
    #[must_use]
    pub fn maybe_write(self, path: Option<String>, written: &[u8]) -> Self {
        let Some(path) = path else { return self };
        let span = self.span();
        if written.windows(2).any(|pair| pair == b"..") {
            return self.help(format!("write `{path}`")).suggest(format!("write `{path}`"), span, path);
        }
        self.write(&path)
    }

    /// The diagnostic with the advice to write `instead` at its place, and the change that does it.
    #[must_use]
    pub fn write(self, instead: &str) -> Self {
        let span = self.span();
        self.help(format!("write `{instead}`")).fix(format!("write `{instead}`"), span, instead)
    }

    /// The diagnostic with background.
    #[must_use]
    pub fn because(mut self, text: impl Into<String>) -> Self {
        self.notes.push(text.into());
        self
    }

    /// The diagnostic with a change that says what was meant: `text` instead of what stands at `span`.
    #[must_use]
    pub fn fix(self, title: impl Into<String>, span: Span, text: impl Into<Vec<u8>>) -> Self {
        let edits = vec![Edit { span, text: text.into() }];
        self.change(Fix { title: title.into(), edits, applicability: Applicability::MachineApplicable })
    }

    /// The diagnostic with a change that may be what is wanted.
    #[must_use]
    pub fn suggest(self, title: impl Into<String>, span: Span, text: impl Into<Vec<u8>>) -> Self {
        let edits = vec![Edit { span, text: text.into() }];
        self.change(Fix { title: title.into(), edits, applicability: Applicability::MaybeIncorrect })
    }

    /// The diagnostic with a change of the text.
    #[must_use]
    pub fn change(mut self, fix: Fix) -> Self {
        self.fixes.push(fix);
        self
    }

    /// Whether it says that a limit was hit.
    #[must_use]
    pub fn is_limit(&self) -> bool {
        matches!(self.code, "E0120" | "E0121" | "E0122" | "E0123" | "E0124" | "E0126")
            || matches!(
                self.code,
                "E0501"
                    | "E0502"
                    | "E0503"
                    | "E0504"
                    | "E0505"
                    | "E0506"
                    | "E0507"
                    | "E0508"
                    | "E0509"
                    | "E0510"
            )
    }

    /// The diagnostic at `span` instead, if it has one place, and one that its changes are about.
    #[must_use]
    pub(crate) fn moved(mut self, span: Span) -> Self {
        for place in self.labels.iter_mut().map(|label| &mut label.span) {
            *place = span;
        }
        for edit in self.fixes.iter_mut().flat_map(|fix| &mut fix.edits) {
            edit.span = span;
        }
        self
    }

    /// That there are more like it which are not kept, if so.
    #[must_use]
    pub fn others(&self) -> Option<String> {
        (self.more > 0).then(|| format!("{} more findings of {} are counted, not kept", self.more, self.code))
    }

    /// The place itself.
    #[must_use]
    pub fn span(&self) -> Span {
        self.labels[0].span
    }
}

impl From<SyntaxError> for Diagnostic {
    fn from(error: SyntaxError) -> Self {
        let severity = if error.is_note() { Severity::Note } else { Severity::Error };
        let mut diagnostic = Self::new(error.code, None, severity, error.message, error.span)
            .label(error.label)
            .maybe_help(error.help);
        diagnostic.more = error.more;
        match error.instead.map(|instead| *instead) {
            Some((title, span, text)) => diagnostic.fix(title, span, text),
            None => diagnostic,
        }
    }
}

/// The one of `known` that `word` was probably meant to be: at most a third of it differs.
pub fn closest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    known
        .into_iter()
        .filter_map(|name| {
            let most = name.len().max(word.len()).max(3) / 3;
            // So much must be added or removed at least.
            if lower.len().abs_diff(name.len()) > most {
                return None;
            }
            let distance = boesfs_grammar::edit_distance(lower.as_bytes(), name.as_bytes());
            (distance <= most).then_some((distance, name))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// What a word that is not known was meant to be, or may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meant {
    /// What stands there.
    pub word: String,
    /// Advice.
    pub help: String,
    /// What to write instead, if that is sure enough.
    pub instead: Option<String>,
}

impl Meant {
    /// That `word` was meant to be `instead`.
    #[must_use]
    pub fn to_be(word: &str, instead: &str) -> Self {
        let help = format!("did you mean `{instead}`?");
        Self { word: word.to_owned(), help, instead: Some(instead.to_owned()) }
    }
}

/// What `word` was meant to be, if [`closest`] finds something, else the list of what there is.
pub fn suggestion<'a>(
    word: &str,
    known: impl IntoIterator<Item = &'a str> + Clone,
    plural: &str,
) -> Option<Meant> {
    if let Some(name) = closest(word, known.clone()) {
        return Some(Meant::to_be(word, name));
    }
    let names: Vec<String> = known.into_iter().map(|name| format!("`{name}`")).collect();
    let help = format!("{plural} are {}", names.join(", "));
    (!names.is_empty()).then(|| Meant { word: word.to_owned(), help, instead: None })
}
