//! `regexMatch` and Casbin's `keyMatch2`, `3` and `5` to regular expressions over bytes.

use regex_syntax::ast::{self, Ast, ClassPerlKind, ClassSet, ClassSetItem};
use regex_syntax::hir::{
    Class, ClassUnicode, ClassUnicodeRange, Hir, HirKind, Look, translate::TranslatorBuilder,
};
use regex_syntax::utf8::Utf8Sequences;

use crate::model::Compat;
use crate::rules::Regex;

use super::bytes::{ByteSet, alternate, byte, concat, literal, optional};

/// How deep an expression may nest.
const NEST_LIMIT: u32 = 200;

/// How a text is read. A byte that is no part of a well-formed UTF-8 sequence is one character, U+FFFD, as Go's regular
/// expressions have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    /// Byte by byte, where it makes no difference what is a character.
    Bytes,
    /// By whole characters from the start on, so that it is known which bytes are part of none.
    Characters,
}

/// The paths in which `expression` is found. The error says why it cannot be compiled.
pub(super) fn search(expression: &[u8], compat: Compat) -> Result<Regex, String> {
    let hir = parse(std::str::from_utf8(expression).map_err(|_| "it is not UTF-8".to_owned())?, compat)?;
    let reading = if tells_lone_bytes(&hir, true) { Reading::Characters } else { Reading::Bytes };
    Ok(unanchored(&convert(&hir, reading)?, reading))
}

/// The paths that `expression` is found in after they are cut at their first `?`.
pub(super) fn search_before_query(expression: &[u8], compat: Compat) -> Result<Regex, String> {
    let before = search(expression, compat)?;
    if has_anchor(&before) {
        return Err("it has anchors inside".to_owned());
    }
    let query = concat(vec![byte(b'?'), Regex::any()]);
    Ok(concat(vec![without_question_marks(before), optional(query)]))
}

/// What Casbin's `keyMatch2` makes of `pattern`: `:name` is one component. With `go`, a lone `:` is itself.
pub(super) fn colon_names(pattern: &[u8], go: bool) -> Vec<u8> {
    key_pattern(pattern, |rest| {
        let name = rest.strip_prefix(b":")?;
        let length = name.iter().position(|b| *b == b'/').unwrap_or(name.len());
        (length > 0 || !go).then_some(1 + length)
    })
}

/// What Casbin's `keyMatch3` and `5` make of `pattern`: `{name}` is one component, up to the last `}` in it if
/// `greedy`. Unless names may be `empty`, `{}` is itself.
pub(super) fn brace_names(pattern: &[u8], greedy: bool, empty: bool) -> Vec<u8> {
    key_pattern(pattern, |rest| {
        let name = rest.strip_prefix(b"{")?;
        let component = name.split(|b| *b == b'/').next().unwrap_or(name);
        let named = |close: &usize| component[*close] == b'}' && (*close > 0 || empty);
        let mut closes = (0..component.len()).filter(named);
        let close = if greedy { closes.next_back() } else { closes.next() };
        close.map(|close| close + 2)
    })
}

fn key_pattern(pattern: &[u8], name: impl Fn(&[u8]) -> Option<usize>) -> Vec<u8> {
    let mut starred = Vec::with_capacity(pattern.len() + 8);
    for (i, b) in pattern.iter().enumerate() {
        if *b == b'*' && i > 0 && pattern[i - 1] == b'/' {
            starred.push(b'.');
        }
        starred.push(*b);
    }
    let mut expression = b"^".to_vec();
    let mut at = 0;
    while at < starred.len() {
        match name(&starred[at..]) {
            Some(length) => {
                expression.extend(b"[^/]+");
                at += length;
            }
            None => {
                expression.push(starred[at]);
                at += 1;
            }
        }
    }
    expression.push(b'$');
    expression
}

fn parse(expression: &str, compat: Compat) -> Result<Hir, String> {
    let expression = &match compat {
        Compat::CasbinGo => escape_lone_braces(expression),
        Compat::Boesfs | Compat::CasbinRs => expression.to_owned(),
    };
    let mut parser = ast::parse::ParserBuilder::new().nest_limit(NEST_LIMIT).build();
    let mut tree = parser.parse(expression).map_err(|error| error.kind().to_string())?;
    if compat != Compat::CasbinRs {
        make_ascii(&mut tree);
    }
    let mut translator = TranslatorBuilder::new().utf8(true).build();
    translator.translate(expression, &tree).map_err(|error| error.kind().to_string())
}

/// `expression` with a backslash before each `{` that counts nothing: to Go it is itself.
fn escape_lone_braces(expression: &str) -> String {
    let mut escaped = String::with_capacity(expression.len());
    let mut rest = expression;
    while let Some(at) = rest.find(['\\', '{']) {
        let (before, found) = rest.split_at(at);
        escaped.push_str(before);
        let length = if found.starts_with('{') {
            if !counts(found) {
                escaped.push('\\');
            }
            1
        } else {
            escape_length(found)
        };
        escaped.push_str(&found[..length]);
        rest = &found[length..];
    }
    escaped.push_str(rest);
    escaped
}

/// Whether `text` begins with `{n}`, `{n,}` or `{n,m}`.
fn counts(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let Some((inner, _)) = text[1..].split_once('}') else { return false };
    match inner.split_once(',') {
        None => digits(inner),
        Some((least, most)) => digits(least) && (most.is_empty() || digits(most)),
    }
}

/// How long the escape is that `text` begins with, the braces of `\p{…}` and `\x{…}` included.
fn escape_length(text: &str) -> usize {
    let Some(letter) = text[1..].chars().next() else { return 1 };
    let length = 1 + letter.len_utf8();
    match text[length..].find('}') {
        Some(close) if matches!(letter, 'p' | 'P' | 'x') && text[length..].starts_with('{') => {
            length + close + 1
        }
        _ => length,
    }
}

/// Replaces `\d`, `\w`, `\s` and their opposites by ASCII classes.
fn make_ascii(tree: &mut Ast) {
    match tree {
        Ast::ClassPerl(class) => *tree = Ast::ClassBracketed(Box::new(ascii(class))),
        Ast::ClassBracketed(class) => make_set_ascii(&mut class.kind),
        Ast::Repetition(repetition) => make_ascii(&mut repetition.ast),
        Ast::Group(group) => make_ascii(&mut group.ast),
        Ast::Alternation(alternation) => alternation.asts.iter_mut().for_each(make_ascii),
        Ast::Concat(concat) => concat.asts.iter_mut().for_each(make_ascii),
        Ast::Empty(_)
        | Ast::Flags(_)
        | Ast::Literal(_)
        | Ast::Dot(_)
        | Ast::Assertion(_)
        | Ast::ClassUnicode(_) => {}
    }
}

fn make_set_ascii(set: &mut ClassSet) {
    match set {
        ClassSet::Item(item) => make_item_ascii(item),
        ClassSet::BinaryOp(operation) => {
            make_set_ascii(&mut operation.lhs);
            make_set_ascii(&mut operation.rhs);
        }
    }
}

fn make_item_ascii(item: &mut ClassSetItem) {
    match item {
        ClassSetItem::Perl(class) => *item = ClassSetItem::Bracketed(Box::new(ascii(class))),
        ClassSetItem::Bracketed(class) => make_set_ascii(&mut class.kind),
        ClassSetItem::Union(union) => union.items.iter_mut().for_each(make_item_ascii),
        ClassSetItem::Empty(_)
        | ClassSetItem::Literal(_)
        | ClassSetItem::Range(_)
        | ClassSetItem::Ascii(_)
        | ClassSetItem::Unicode(_) => {}
    }
}

fn ascii(class: &ast::ClassPerl) -> ast::ClassBracketed {
    let ranges: &[(char, char)] = match class.kind {
        ClassPerlKind::Digit => &[('0', '9')],
        ClassPerlKind::Word => &[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')],
        ClassPerlKind::Space => &[('\t', '\r'), (' ', ' ')],
    };
    let end = |c| ast::Literal { span: class.span, kind: ast::LiteralKind::Verbatim, c };
    let items = ranges
        .iter()
        .map(|(low, high)| {
            ClassSetItem::Range(ast::ClassSetRange { span: class.span, start: end(*low), end: end(*high) })
        })
        .collect();
    ast::ClassBracketed {
        span: class.span,
        negated: class.negated,
        kind: ClassSet::Item(ClassSetItem::Union(ast::ClassSetUnion { span: class.span, items })),
    }
}

/// Whether `hir` counts characters in such a way that it matters which bytes are part of none. `whole`: what follows
/// begins with a whole character, or counts nothing.
fn tells_lone_bytes(hir: &Hir, whole: bool) -> bool {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => false,
        HirKind::Literal(text) => {
            std::str::from_utf8(&text.0).is_ok_and(|text| text.contains(char::REPLACEMENT_CHARACTER))
        }
        HirKind::Class(Class::Unicode(class)) => takes_replacement_character(class),
        HirKind::Class(Class::Bytes(_)) => false,
        HirKind::Repetition(repetition) => {
            let endless = repetition.max.is_none() && repetition.min <= u32::from(whole);
            !(endless && bytewise(&repetition.sub).is_some()) && tells_lone_bytes(&repetition.sub, false)
        }
        HirKind::Capture(capture) => tells_lone_bytes(&capture.sub, whole),
        HirKind::Alternation(parts) => parts.iter().any(|part| tells_lone_bytes(part, whole)),
        HirKind::Concat(parts) => (0..parts.len()).any(|at| {
            let whole = parts.get(at + 1).map_or(whole, begins_ascii);
            tells_lone_bytes(&parts[at], whole)
        }),
    }
}

/// Whether all that `hir` matches begins with a character of ASCII, or ends the text.
fn begins_ascii(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Literal(text) => text.0.first().is_some_and(u8::is_ascii),
        HirKind::Class(Class::Unicode(class)) => class.is_ascii(),
        HirKind::Look(Look::End) => true,
        HirKind::Capture(capture) => begins_ascii(&capture.sub),
        _ => false,
    }
}

fn convert(hir: &Hir, reading: Reading) -> Result<Regex, String> {
    let each = |parts: &[Hir]| parts.iter().map(|part| convert(part, reading)).collect::<Result<_, _>>();
    Ok(match hir.kind() {
        HirKind::Empty => Regex::Empty,
        HirKind::Literal(text) => match std::str::from_utf8(&text.0) {
            Ok(text) if text.contains(char::REPLACEMENT_CHARACTER) => concat(text.chars().map(one).collect()),
            _ => concat(literal(&text.0).collect()),
        },
        HirKind::Class(class) => class_regex(class),
        HirKind::Look(Look::Start) => Regex::Start,
        HirKind::Look(Look::End) => Regex::End,
        HirKind::Look(
            Look::WordAscii
            | Look::WordAsciiNegate
            | Look::WordUnicode
            | Look::WordUnicodeNegate
            | Look::WordStartAscii
            | Look::WordEndAscii
            | Look::WordStartUnicode
            | Look::WordEndUnicode
            | Look::WordStartHalfAscii
            | Look::WordEndHalfAscii
            | Look::WordStartHalfUnicode
            | Look::WordEndHalfUnicode,
        ) => return Err("word boundaries do not compile".to_owned()),
        HirKind::Look(Look::StartLF | Look::EndLF | Look::StartCRLF | Look::EndCRLF) => {
            return Err("line anchors do not compile, only those of the whole path".to_owned());
        }
        HirKind::Repetition(repetition) => {
            let endless = repetition.max.is_none() && repetition.min <= 1;
            let of = match bytewise(&repetition.sub).filter(|_| endless && reading == Reading::Bytes) {
                Some(set) => set.regex(),
                None => convert(&repetition.sub, reading)?,
            };
            Regex::Repeat { of: Box::new(of), min: repetition.min, max: repetition.max }
        }
        HirKind::Capture(capture) => convert(&capture.sub, reading)?,
        HirKind::Concat(parts) => concat(each(parts)?),
        HirKind::Alternation(parts) => alternate(each(parts)?),
    })
}

/// The bytes of a class that takes every character beyond ASCII, and so every byte there: repeated without end, its
/// characters and lone bytes are just these bytes.
fn bytewise(hir: &Hir) -> Option<ByteSet> {
    let class = match hir.kind() {
        HirKind::Class(Class::Unicode(class)) => class,
        HirKind::Capture(capture) => return bytewise(&capture.sub),
        _ => return None,
    };
    let last = class.ranges().last()?;
    if last.start() > '\u{80}' || last.end() < char::MAX {
        return None;
    }
    let mut set = ByteSet::EMPTY;
    set.insert(0x80, 0xFF);
    for range in class.ranges() {
        let (low, high) = (u32::from(range.start()), u32::from(range.end()).min(0x7F));
        if let (Ok(low), Ok(high)) = (u8::try_from(low), u8::try_from(high))
            && low <= high
        {
            set.insert(low, high);
        }
    }
    Some(set)
}

fn class_regex(class: &Class) -> Regex {
    match class {
        Class::Bytes(class) => {
            let mut set = ByteSet::EMPTY;
            class.ranges().iter().for_each(|range| set.insert(range.start(), range.end()));
            set.regex()
        }
        Class::Unicode(class) => {
            let mut single = ByteSet::EMPTY;
            let mut sequences: Vec<Vec<(u8, u8)>> = Vec::new();
            for range in class.ranges() {
                for sequence in Utf8Sequences::new(range.start(), range.end()) {
                    match sequence.as_slice() {
                        [only] => single.insert(only.start, only.end),
                        several => {
                            sequences.push(several.iter().map(|part| (part.start, part.end)).collect());
                        }
                    }
                }
            }
            let sequences: Vec<&[(u8, u8)]> = sequences.iter().map(Vec::as_slice).collect();
            let mut parts = alternatives(&sequences);
            if takes_replacement_character(class) {
                parts.push(Regex::Lone(vec![(0x80, 0xFF)]));
            }
            parts.push(single.regex());
            alternate(parts)
        }
    }
}

/// One of `sequences`, which are in order. Those that begin alike share what they begin with: a search would else be in
/// hundreds of places of a large class at once.
fn alternatives(sequences: &[&[(u8, u8)]]) -> Vec<Regex> {
    let mut ends = ByteSet::EMPTY;
    let mut parts = Vec::new();
    let mut rest = sequences;
    while let Some([first, others @ ..]) = rest.first() {
        let count = rest.iter().take_while(|sequence| sequence[0] == *first).count();
        let (group, after) = rest.split_at(count);
        if others.is_empty() {
            ends.insert(first.0, first.1);
        } else {
            let tails: Vec<&[(u8, u8)]> = group.iter().map(|sequence| &sequence[1..]).collect();
            parts.push(concat(vec![Regex::Bytes(vec![*first]), alternate(alternatives(&tails))]));
        }
        rest = after;
    }
    if ends != ByteSet::EMPTY {
        parts.push(ends.regex());
    }
    parts
}

/// This character.
fn one(character: char) -> Regex {
    let range = ClassUnicodeRange::new(character, character);
    class_regex(&Class::Unicode(ClassUnicode::new([range])))
}

/// Any characters.
fn any_characters() -> Regex {
    let every = ClassUnicode::new([ClassUnicodeRange::new('\0', char::MAX)]);
    Regex::Repeat { of: Box::new(class_regex(&Class::Unicode(every))), min: 0, max: None }
}

/// A byte that is not UTF-8 counts as the character that stands for it elsewhere.
fn takes_replacement_character(class: &ClassUnicode) -> bool {
    class.ranges().iter().any(|range| (range.start()..=range.end()).contains(&char::REPLACEMENT_CHARACTER))
}

/// Whole paths that `regex` is found in: anchors at its edges are spent, others stay.
fn unanchored(regex: &Regex, reading: Reading) -> Regex {
    if let Regex::Alternate(parts) = regex {
        return alternate(parts.iter().map(|part| unanchored(part, reading)).collect());
    }
    let mut parts = match regex {
        Regex::Concat(parts) => parts.clone(),
        part => vec![part.clone()],
    };
    let starts = parts.iter().take_while(|part| **part == Regex::Start).count();
    parts.drain(..starts);
    let ends = parts.iter().rev().take_while(|part| **part == Regex::End).count();
    parts.truncate(parts.len() - ends);
    if starts == 0 {
        parts.insert(
            0,
            match reading {
                Reading::Bytes => Regex::any(),
                Reading::Characters => any_characters(),
            },
        );
    }
    if ends == 0 {
        parts.push(Regex::any());
    }
    concat(parts)
}

fn has_anchor(regex: &Regex) -> bool {
    match regex {
        Regex::Start | Regex::End => true,
        Regex::Concat(parts) | Regex::Alternate(parts) => parts.iter().any(has_anchor),
        Regex::Repeat { of, .. } => has_anchor(of),
        Regex::Empty | Regex::Never | Regex::Bytes(_) | Regex::Lone(_) => false,
    }
}

fn without_question_marks(regex: Regex) -> Regex {
    match regex {
        Regex::Bytes(ranges) => {
            let mut set = ByteSet::EMPTY;
            ranges.iter().for_each(|(low, high)| set.insert(*low, *high));
            set.remove(b'?');
            set.regex()
        }
        Regex::Concat(parts) => concat(parts.into_iter().map(without_question_marks).collect()),
        Regex::Alternate(parts) => alternate(parts.into_iter().map(without_question_marks).collect()),
        Regex::Repeat { of, min, max } => match without_question_marks(*of) {
            Regex::Never if min == 0 => Regex::Empty,
            Regex::Never => Regex::Never,
            of => Regex::Repeat { of: Box::new(of), min, max },
        },
        other @ (Regex::Empty | Regex::Never | Regex::Lone(_) | Regex::Start | Regex::End) => other,
    }
}
