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
    E0101 E0102 E0103 E0104 E0105 E0106 E0107 E0108 E0109 E0110 E0111 E0112 E0120 E0121 E0122 E0123
    E0124 E0125 E0126 E0201 E0202 E0203 E0204 E0205 E0206 E0207 E0208 E0209 E0301 E0302 E0303 E0304 E0305
    E0306 E0307 E0308 E0310 E0311 E0312 E0313 E0314 E0315 E0316 E0317 E0318 E0319 E0320 E0321 E0330
    E0331 E0340 E0341 E0342 E0343 E0401 E0402 E0403 E0404 E0405 E0406 E0407 E0408 E0501 E0502 E0503
    E0504 E0505 E0506 E0507 E0508 E0509 E0510 E0601 E0701 E0702 N0101 N0102 N0301 N0302 N0303 N0304 N0401
    N0402
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
