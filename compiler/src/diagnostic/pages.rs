//! What `--explain` prints: a page for each code. Those of lints stand beside their lint.

use crate::lint::LINTS;

/// A page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// The code it is about.
    pub code: &'static str,
    /// Its text: Markdown, first a heading with the code and a title.
    pub text: &'static str,
}

impl Page {
    /// What stands behind the code in the heading.
    #[must_use]
    pub fn title(&self) -> &'static str {
        let heading = self.text.lines().next().unwrap_or_default();
        heading.split_once(": ").map_or(heading, |(_, title)| title)
    }
}

macro_rules! pages {
    ($($code:ident)+) => {
        /// The pages of errors and notes, by code.
        static PAGES: &[Page] = &[$(Page {
            code: stringify!($code),
            text: include_str!(concat!("pages/", stringify!($code), ".md")),
        }),+];
    };
}

pages! {
    E0301
}

/// Every page, by code.
pub fn all() -> impl Iterator<Item = Page> {
    let lints = LINTS.iter().map(|lint| Page { code: lint.code, text: lint.page });
    PAGES.iter().copied().chain(lints)
}

/// The page of a code, in any case of letters, or of the lint of that name.
#[must_use]
pub fn page(of: &str) -> Option<Page> {
    let lint = LINTS.iter().find(|lint| lint.name == of).map(|lint| lint.code);
    all().find(|page| page.code.eq_ignore_ascii_case(lint.unwrap_or(of)))
}
