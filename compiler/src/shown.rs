//! Bytes as text that can be told again: names may hold any bytes, but JSON and terminals take text alone.

use std::fmt::Write as _;

/// A name or path as text: `\` is doubled, and what is not UTF-8 or is a control character is `\xHH` for each byte.
#[must_use]
pub fn shown(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for ch in chunk.valid().chars() {
            match ch {
                '\\' => text.push_str("\\\\"),
                ch if ch.is_control() => spell(ch.encode_utf8(&mut [0; 4]).as_bytes(), &mut text),
                ch => text.push(ch),
            }
        }
        spell(chunk.invalid(), &mut text);
    }
    text
}

/// The bytes that [`shown`] made `text` of, and escapes that it would not have made; `None` if a `\` begins none.
#[must_use]
pub fn told(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        bytes.extend(before.as_bytes());
        rest = match after.strip_prefix('\\') {
            Some(after) => {
                bytes.push(b'\\');
                after
            }
            None => {
                let digits = after.strip_prefix('x')?.get(..2)?;
                if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                    return None;
                }
                bytes.push(u8::from_str_radix(digits, 16).ok()?);
                &after[3..]
            }
        };
    }
    bytes.extend(rest.as_bytes());
    Some(bytes)
}

/// Policy text as text. There `\` means something, so it stays as it is written; what is not UTF-8 is `\xHH`, and only
/// where a run of `\` stands before such a byte, or before text that looks like one, each of the run is doubled.
#[must_use]
pub fn written(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        let valid = chunk.valid();
        for (at, ch) in valid.char_indices() {
            text.push(ch);
            if ch != '\\' {
                continue;
            }
            let rest = valid[at..].trim_start_matches('\\');
            let before_byte = rest.is_empty() && !chunk.invalid().is_empty();
            if before_byte || is_spelt(rest) {
                text.push('\\');
            }
        }
        spell(chunk.invalid(), &mut text);
    }
    text
}

/// Whether `text` begins as a byte's escape goes on after its `\`.
fn is_spelt(text: &str) -> bool {
    let digit = |byte: &u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte);
    matches!(text.as_bytes(), [b'x', first, second, ..] if digit(first) && digit(second))
}

fn spell(bytes: &[u8], text: &mut String) {
    for byte in bytes {
        write!(text, "\\x{byte:02x}").expect("INVARIANT: writing to a string cannot fail");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::collection::vec;
    use proptest::prelude::{Just, Strategy, prop_assert_eq, prop_oneof, proptest};

    /// Bytes of which escapes are made, and some that need one.
    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        let byte = proptest::sample::select(&b"\\\\\\xxff0a/\xff\xc3\xa4\x01\n"[..]);
        vec(prop_oneof![3 => byte, 1 => Just(b'\\')], 0..24)
    }

    /// What [`written`] made `text` of.
    fn read(text: &str) -> Vec<u8> {
        let (mut bytes, mut rest) = (Vec::new(), text);
        while let Some(at) = rest.find('\\') {
            let after = rest[at..].trim_start_matches('\\');
            let run = rest.len() - at - after.len();
            bytes.extend(&rest.as_bytes()[..at]);
            rest = after;
            if !is_spelt(after) {
                bytes.extend(vec![b'\\'; run]);
                continue;
            }
            bytes.extend(vec![b'\\'; run / 2]);
            if run % 2 == 1 {
                bytes.push(u8::from_str_radix(&after[1..3], 16).expect("two digits"));
                rest = &after[3..];
            }
        }
        bytes.extend(rest.as_bytes());
        bytes
    }

    #[test]
    fn bytes_are_shown_as_in_events() {
        assert_eq!(shown("/srv/größe".as_bytes()), "/srv/größe");
        assert_eq!(shown(b"/srv/\xfe\\x\x01"), r"/srv/\xfe\\x\x01");
        assert_eq!(told(r"/srv/\xfe\\x\x01").as_deref(), Some(&b"/srv/\xfe\\x\x01"[..]));
        for malformed in [r"\", r"\x", r"\xf", r"\xfg", r"\x+1", r"\n", r"\xä"] {
            assert_eq!(told(malformed), None, "{malformed}");
        }
    }

    #[test]
    fn policy_text_keeps_its_backslashes() {
        assert_eq!(written(br"p, a, \.conf$, \\n"), r"p, a, \.conf$, \\n");
        assert_eq!(written(b"/a\xff\\\xff\\xff"), r"/a\xff\\\xff\\xff");
    }

    proptest! {
        #[test]
        fn what_is_shown_is_told_again(bytes in bytes()) {
            prop_assert_eq!(told(&shown(&bytes)), Some(bytes.clone()));
            prop_assert_eq!(read(&written(&bytes)), bytes);
        }
    }
}
