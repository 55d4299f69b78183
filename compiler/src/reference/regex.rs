//! `regexMatch` and what Casbin builds on it, by translation to a published engine.

use std::borrow::Cow;

use crate::model::Compat;

/// How much memory one expression may compile to.
const SIZE_LIMIT: usize = 1 << 28;

/// An unanchored search.
#[derive(Debug)]
pub(super) struct Search(::regex::Regex);

impl Search {
    /// The search for `expression`, if it is one. `\d`, `\w` and `\s` are Unicode's in casbin-rs, else ASCII; a `{`
    /// that begins no count is itself in Go.
    pub(super) fn new(expression: &str, compat: Compat) -> Option<Self> {
        let translated = match compat {
            Compat::Boesfs => translate(expression),
            Compat::CasbinRs => expression.to_owned(),
            Compat::CasbinGo => translate(&plain_braces(expression)),
        };
        ::regex::RegexBuilder::new(&translated).size_limit(SIZE_LIMIT).build().ok().map(Self)
    }

    pub(super) fn is_match(&self, text: &[u8]) -> bool {
        self.0.is_match(&decoded(text))
    }
}

/// The characters of `text`: each byte that is no part of a well-formed sequence is one, U+FFFD.
fn decoded(text: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(text) {
        return text.into();
    }
    let mut characters = String::new();
    for chunk in text.utf8_chunks() {
        characters.push_str(chunk.valid());
        characters.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    characters.into()
}

/// `expression` with each class made ASCII.
fn translate(expression: &str) -> String {
    let characters: Vec<char> = expression.chars().collect();
    let mut translated = String::new();
    let mut i = 0;
    while i < characters.len() {
        let (length, class) = match (characters[i], characters.get(i + 1)) {
            ('[', _) => class(&characters[i..]),
            ('\\', Some(letter)) => (2, ascii_class(*letter).map(str::to_owned)),
            _ => (1, None),
        };
        match class {
            Some(class) => translated.push_str(&class),
            None => translated.extend(&characters[i..i + length]),
        }
        i += length;
    }
    translated
}

/// `expression` with `\{` for each `{` that is neither a count's nor an escape's.
fn plain_braces(expression: &str) -> String {
    let kept = ::regex::Regex::new(r"\\[pPx]\{[^}]*\}|(?s:\\.)|\{[0-9]+(?:,[0-9]*)?\}|\{")
        .expect("INVARIANT: the expression is a constant");
    kept.replace_all(expression, |found: &::regex::Captures<'_>| match &found[0] {
        "{" => r"\{".to_owned(),
        whole => whole.to_owned(),
    })
    .into_owned()
}

/// The bracketed class at the start, brackets within brackets included: its length, and itself with ASCII classes.
fn class(characters: &[char]) -> (usize, Option<String>) {
    let mut text = String::new();
    let mut depth = 0;
    let mut first = false;
    let mut i = 0;
    while i < characters.len() {
        let character = characters[i];
        if character == '\\' && i + 1 < characters.len() {
            match ascii_class(characters[i + 1]) {
                Some(class) => text.push_str(class),
                None => text.extend([character, characters[i + 1]]),
            }
            i += 2;
            first = false;
            continue;
        }
        text.push(character);
        i += 1;
        match character {
            '[' => {
                depth += 1;
                first = true;
                if characters.get(i) == Some(&'^') {
                    text.push('^');
                    i += 1;
                }
            }
            ']' if !first => {
                depth -= 1;
                if depth == 0 {
                    return (i, Some(text));
                }
            }
            _ => first = false,
        }
    }
    (1, None)
}

fn ascii_class(letter: char) -> Option<&'static str> {
    Some(match letter {
        'd' => "[0-9]",
        'D' => "[^0-9]",
        'w' => "[0-9A-Za-z_]",
        'W' => "[^0-9A-Za-z_]",
        's' => r"[\t\n\v\f\r ]",
        'S' => r"[^\t\n\v\f\r ]",
        _ => return None,
    })
}
