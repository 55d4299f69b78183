//! `regexMatch` and what Casbin builds on it, by translation to a published engine.

use ::regex::bytes;

/// The byte an expression's character classes take beside characters: any that is not ASCII.
const LONE_BYTE: &str = r"(?-u:[\x80-\xFF])";

/// How much memory one expression may compile to.
const SIZE_LIMIT: usize = 1 << 28;

/// An unanchored search over bytes: `\d`, `\w` and `\s` are ASCII, and a class that takes the replacement character
/// takes a byte that is not UTF-8.
#[derive(Debug)]
pub(super) struct Search(bytes::Regex);

impl Search {
    /// The search for `expression`, if it is one.
    pub(super) fn new(expression: &str) -> Option<Self> {
        bytes::RegexBuilder::new(&translate(expression)).size_limit(SIZE_LIMIT).build().ok().map(Self)
    }

    pub(super) fn is_match(&self, text: &[u8]) -> bool {
        self.0.is_match(text)
    }
}

/// `expression` with each class made ASCII and widened to lone bytes.
fn translate(expression: &str) -> String {
    let characters: Vec<char> = expression.chars().collect();
    let mut translated = String::new();
    let mut i = 0;
    while i < characters.len() {
        let (length, class) = match characters[i] {
            '.' => (1, Some(".".to_owned())),
            '[' => class(&characters[i..]),
            '\\' => match characters.get(i + 1) {
                Some(letter @ ('p' | 'P')) => property(&characters[i..], *letter),
                Some(letter) => (2, ascii_class(*letter).map(str::to_owned)),
                None => (1, None),
            },
            _ => (1, None),
        };
        match class {
            Some(class) if takes_replacement_character(&class) => {
                translated.push_str(&format!("(?:{class}|{LONE_BYTE})"));
            }
            Some(class) => translated.push_str(&class),
            None => translated.extend(&characters[i..i + length]),
        }
        i += length;
    }
    translated
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

/// A `\p{…}` or `\pL` at the start.
fn property(characters: &[char], letter: char) -> (usize, Option<String>) {
    let length = match characters.get(2) {
        Some('{') => characters.iter().position(|c| *c == '}').map(|end| end + 1),
        Some(_) => Some(3),
        None => None,
    };
    match length {
        Some(length) => (length, Some(characters[..length].iter().collect())),
        None => (2, Some(format!("\\{letter}"))),
    }
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

fn takes_replacement_character(class: &str) -> bool {
    ::regex::Regex::new(class).is_ok_and(|class| class.is_match("\u{FFFD}"))
}
