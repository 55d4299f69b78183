//! What is wrong with a text, before anybody asks what it means.

use crate::source::Span;

/// One thing wrong (or odd) at one place. Parsing goes on after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// `E0xxx` for an error, `N0xxx` for a note.
    pub code: &'static str,
    /// What is wrong: lowercase, no period, the author's words in backticks.
    pub message: String,
    /// Where.
    pub span: Span,
    /// A few words beside the place.
    pub label: String,
    /// What to do.
    pub help: Option<String>,
    /// A change that does it: as an order, where, and what to write there instead. Boxed, since few have one.
    pub instead: Option<Box<(String, Span, String)>>,
    /// How many more of its kind there are that are not kept.
    pub more: usize,
}

/// How many errors of one code are kept; the others are counted.
const KEPT: usize = 10_000;

/// What is wrong with a text so far: of each code the first [`KEPT`], so that a file that is not a policy at all
/// does not become many times its size.
#[derive(Default)]
pub(crate) struct Errors {
    kept: Vec<SyntaxError>,
    /// For each code how many are kept, and the last of them.
    counts: Vec<(&'static str, usize, usize)>,
}

impl Errors {
    pub(crate) fn push(&mut self, error: SyntaxError) {
        let place = self.counts.iter().position(|(code, ..)| *code == error.code).unwrap_or_else(|| {
            self.counts.push((error.code, 0, 0));
            self.counts.len() - 1
        });
        let (_, count, last) = &mut self.counts[place];
        if *count == KEPT {
            self.kept[*last].more += 1;
            return;
        }
        *count += 1;
        *last = self.kept.len();
        self.kept.push(error);
    }

    pub(crate) fn into_vec(self) -> Vec<SyntaxError> {
        self.kept
    }
}

impl SyntaxError {
    pub(crate) fn new(code: &'static str, message: impl Into<String>, span: Span) -> Self {
        Self { code, message: message.into(), span, label: String::new(), help: None, instead: None, more: 0 }
    }

    pub(crate) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// What to write at `span` instead: that is sure to be meant.
    pub(crate) fn instead(mut self, title: impl Into<String>, span: Span, text: impl Into<String>) -> Self {
        self.instead = Some(Box::new((title.into(), span, text.into())));
        self
    }

    /// Whether the text may be used in spite of it.
    #[must_use]
    pub fn is_note(&self) -> bool {
        self.code.starts_with('N')
    }
}
