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
}

impl SyntaxError {
    pub(crate) fn new(code: &'static str, message: impl Into<String>, span: Span) -> Self {
        Self { code, message: message.into(), span, label: String::new(), help: None, instead: None }
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
