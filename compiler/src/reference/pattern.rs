//! The path functions of LANGUAGE §6, each as plainly as its description.

use crate::model::{Compat, PathFunction};

use super::regex::Search;

/// A path function with its pattern.
#[derive(Debug)]
pub(super) enum Pattern {
    /// A pattern in which nothing stands for more than itself.
    Exactly(Vec<u8>),
    /// `keyMatch`: what stands before the first `*`.
    StartsWith(Vec<u8>),
    /// `under`
    Under(Vec<u8>),
    /// `within`
    Within(Vec<u8>),
    /// `pathMatch` and `globMatch`: one of the patterns that braces stand for.
    Glob(Vec<Vec<Token>>),
    /// The functions that are regular expressions underneath.
    Search {
        /// The expression.
        search: Option<Search>,
        /// Whether the path is cut at its first `?`, as `keyMatch5` does.
        cut_query: bool,
    },
}

/// A part of a glob.
#[derive(Clone, Debug)]
pub(super) enum Token {
    /// This byte.
    Byte(u8),
    /// One byte that is no `/`.
    One,
    /// One byte of a class, or one outside it; `/` only if classes of this function may take it.
    Class { ranges: Vec<(u8, u8)>, negated: bool, takes_slash: bool },
    /// Any bytes that are no `/`.
    Star,
    /// Any bytes.
    Everything,
    /// Nothing, or any bytes that end in `/`.
    Directories,
    /// Nothing, or `/` and any bytes.
    Descendants,
    /// Nothing, `/`, or any bytes that begin and end in one.
    Subdirectories,
}

/// How a glob is read.
struct Dialect {
    /// What negates a class.
    negations: &'static [u8],
    /// Whether classes take `/` as any other byte.
    slash_in_class: bool,
    /// Whether `\` makes what follows it a member.
    escape_in_class: bool,
    /// Whether a part of braces may be empty though others are not.
    empty_parts: bool,
    /// Whether a pattern that ends in `/**` or `/**/` takes the directory itself too.
    ends_at_directory: bool,
}

const PATH: Dialect = Dialect {
    negations: b"!",
    slash_in_class: false,
    escape_in_class: true,
    empty_parts: true,
    ends_at_directory: false,
};

const GLOB: Dialect = Dialect { negations: b"!^", slash_in_class: true, ..PATH };

const RS_GLOB: Dialect = Dialect { escape_in_class: false, empty_parts: false, ..GLOB };

const GO_GLOB: Dialect = Dialect { ends_at_directory: true, ..GLOB };

impl Pattern {
    pub(super) fn new(function: PathFunction, text: &[u8], compat: Compat) -> Self {
        let search = |expression: Option<String>, cut_query| Self::Search {
            search: expression.and_then(|expression| Search::new(&expression, compat)),
            cut_query,
        };
        let go = compat == Compat::CasbinGo;
        match function {
            PathFunction::KeyMatch => match text.iter().position(|byte| *byte == b'*') {
                None => Self::Exactly(text.to_vec()),
                Some(star) => Self::StartsWith(text[..star].to_vec()),
            },
            PathFunction::Under => Self::Under(text.to_vec()),
            PathFunction::Within => Self::Within(text.to_vec()),
            PathFunction::PathMatch => {
                Self::glob(expand_braces(text, &PATH).iter().map(|text| path_tokens(text)).collect())
            }
            PathFunction::GlobMatch => {
                let dialect = match compat {
                    Compat::Boesfs => &GLOB,
                    Compat::CasbinRs => &RS_GLOB,
                    Compat::CasbinGo => &GO_GLOB,
                };
                let patterns = expand_braces(text, dialect);
                Self::glob(patterns.iter().map(|text| glob_tokens(text, dialect)).collect())
            }
            PathFunction::RegexMatch => search(utf8(text), false),
            PathFunction::KeyMatch2 => {
                let name = if go { ":[^/]+" } else { ":[^/]*" };
                search(utf8(text).map(|text| key_expression(&text, name)), false)
            }
            PathFunction::KeyMatch3 => {
                let name = if go { r"\{[^/]+\}" } else { r"\{[^/]*\}" };
                search(utf8(text).map(|text| key_expression(&text, name)), false)
            }
            PathFunction::KeyMatch5 => {
                let name = if go { r"\{[^/]+\}" } else { r"\{[^/]+?\}" };
                search(utf8(text).map(|text| key_expression(&text, name)), true)
            }
        }
    }

    /// One of these; most patterns of a large policy are mere paths.
    fn glob(alternatives: Vec<Vec<Token>>) -> Self {
        let byte = |token: &Token| if let Token::Byte(byte) = token { Some(*byte) } else { None };
        if let [tokens] = alternatives.as_slice()
            && let Some(text) = tokens.iter().map(byte).collect()
        {
            return Self::Exactly(text);
        }
        Self::Glob(alternatives)
    }

    pub(super) fn matches(&self, path: &[u8]) -> bool {
        match self {
            Self::Exactly(text) => path == text,
            Self::StartsWith(text) => path.starts_with(text),
            Self::Under(dir) => is_under(path, dir),
            Self::Within(dir) => path == dir || is_under(path, dir),
            Self::Glob(alternatives) => alternatives.iter().any(|tokens| glob_matches(tokens, path)),
            Self::Search { search, cut_query } => {
                let end = path.iter().position(|byte| *cut_query && *byte == b'?').unwrap_or(path.len());
                search.as_ref().is_some_and(|search| search.is_match(&path[..end]))
            }
        }
    }
}

/// Whether `pattern` matches the whole of `text` as `pathMatch` does.
pub(super) fn path_match(pattern: &[u8], text: &[u8]) -> bool {
    expand_braces(pattern, &PATH).iter().any(|pattern| glob_matches(&path_tokens(pattern), text))
}

/// Whether `path` lies strictly below `dir`, by whole components.
pub(super) fn is_under(path: &[u8], dir: &[u8]) -> bool {
    if dir == b"/" {
        return path.len() > 1 && path[0] == b'/';
    }
    path.len() > dir.len() + 1 && path.starts_with(dir) && path[dir.len()] == b'/'
}

fn utf8(text: &[u8]) -> Option<String> {
    String::from_utf8(text.to_vec()).ok()
}

/// The expression that Casbin makes of a `keyMatch2`, `3` or `5` pattern, whose names look like `name`.
fn key_expression(text: &str, name: &str) -> String {
    let name = ::regex::Regex::new(name).expect("INVARIANT: the expressions for names are constants");
    format!("^{}$", name.replace_all(&text.replace("/*", "/.*"), "[^/]+"))
}

/// Whether `tokens` match the whole of `text`: `here[i]` says whether the tokens from this one on match `text[i..]`,
/// `next[i]` the same of those that follow it.
fn glob_matches(tokens: &[Token], text: &[u8]) -> bool {
    // What stands before the first wildcard and behind the last is told apart at once.
    let plain = |token: &Token| if let Token::Byte(byte) = token { Some(*byte) } else { None };
    let begin: Vec<u8> = tokens.iter().map_while(plain).collect();
    let Some(text) = text.strip_prefix(begin.as_slice()) else { return false };
    let tokens = &tokens[begin.len()..];
    let mut end: Vec<u8> = tokens.iter().rev().map_while(plain).collect();
    end.reverse();
    let Some(text) = text.strip_suffix(end.as_slice()) else { return false };
    let tokens = &tokens[..tokens.len() - end.len()];
    let end = text.len();
    let mut next = vec![false; end + 1];
    next[end] = true;
    for token in tokens.iter().rev() {
        let mut here = vec![false; end + 1];
        for i in (0..=end).rev() {
            let byte = text.get(i).copied();
            let takes_byte = |accepted: bool| byte.is_some() && accepted && next[i + 1];
            here[i] = match token {
                Token::Byte(wanted) => takes_byte(byte == Some(*wanted)),
                Token::One => takes_byte(byte != Some(b'/')),
                Token::Class { ranges, negated, takes_slash } => takes_byte(byte.is_some_and(|byte| {
                    let member = ranges.iter().any(|(low, high)| (*low..=*high).contains(&byte));
                    (byte != b'/' || *takes_slash) && member != *negated
                })),
                Token::Star => next[i] || byte.is_some_and(|byte| byte != b'/') && here[i + 1],
                Token::Everything => next[i] || byte.is_some() && here[i + 1],
                Token::Directories => next[i] || (i..end).any(|slash| text[slash] == b'/' && next[slash + 1]),
                Token::Subdirectories => {
                    let slash = |at: usize| text[at] == b'/' && next[at + 1];
                    next[i] || byte == Some(b'/') && (i..end).any(slash)
                }
                Token::Descendants => next[i] || byte == Some(b'/') && next[i..].contains(&true),
            };
        }
        next = here;
    }
    next[0]
}

/// The tokens of a `pathMatch` pattern without braces.
fn path_tokens(text: &[u8]) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut i = 0;
    while i < text.len() {
        let after_slash = i > 0 && text[i - 1] == b'/';
        if after_slash && text[i..].starts_with(b"**/") {
            tokens.push(Token::Directories);
            i += 3;
        } else if text[i..].starts_with(b"**") {
            tokens.push(Token::Everything);
            i += 2;
        } else {
            i += simple_token(&text[i..], &PATH, &mut tokens);
        }
    }
    tokens
}

/// The tokens of a `globMatch` pattern without braces. `**` is special only as a whole component.
fn glob_tokens(text: &[u8], dialect: &Dialect) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut i = 0;
    while i < text.len() {
        let starts_component = i == 0 || text[i - 1] == b'/';
        let at_directory = dialect.ends_at_directory && matches!(tokens.last(), Some(Token::Byte(b'/')));
        if at_directory && &text[i..] == b"**/" {
            tokens.pop();
            tokens.push(Token::Subdirectories);
            i += 3;
        } else if starts_component && text[i..].starts_with(b"**/") {
            tokens.push(Token::Directories);
            i += 3;
        } else if starts_component && &text[i..] == b"**" {
            if at_directory {
                tokens.pop();
                tokens.push(Token::Descendants);
            } else {
                tokens.push(Token::Everything);
            }
            i += 2;
        } else {
            i += simple_token(&text[i..], dialect, &mut tokens);
        }
    }
    tokens
}

/// Takes one token that both functions know, and returns how many bytes it took.
fn simple_token(text: &[u8], dialect: &Dialect, tokens: &mut Vec<Token>) -> usize {
    match text {
        [b'\\', escaped, ..] => {
            tokens.push(Token::Byte(*escaped));
            2
        }
        [b'*', ..] => {
            tokens.push(Token::Star);
            1
        }
        [b'?', ..] => {
            tokens.push(Token::One);
            1
        }
        [b'[', ..] => match class_length(text, dialect) {
            Some(length) => {
                tokens.push(class(&text[1..length - 1], dialect));
                length
            }
            None => {
                tokens.push(Token::Byte(b'['));
                1
            }
        },
        [byte, ..] => {
            tokens.push(Token::Byte(*byte));
            1
        }
        [] => 0,
    }
}

/// How long the class is that `text` begins with, brackets included. A `]` that stands first is a member.
fn class_length(text: &[u8], dialect: &Dialect) -> Option<usize> {
    let mut i = 1;
    if text.get(i).is_some_and(|byte| dialect.negations.contains(byte)) {
        i += 1;
    }
    let first = i;
    while i < text.len() {
        match text[i] {
            b']' if i > first => return Some(i + 1),
            b'\\' if dialect.escape_in_class => i += 2,
            _ => i += 1,
        }
    }
    None
}

fn class(members: &[u8], dialect: &Dialect) -> Token {
    let negated = members.first().is_some_and(|byte| dialect.negations.contains(byte));
    let mut bytes = Vec::new();
    let mut rest = &members[usize::from(negated)..];
    while let Some((first, tail)) = rest.split_first() {
        let escaped = dialect.escape_in_class && *first == b'\\' && !tail.is_empty();
        bytes.push((if escaped { tail[0] } else { *first }, escaped));
        rest = &tail[usize::from(escaped)..];
    }
    let mut ranges = Vec::new();
    let mut i = 0;
    while i < bytes.len() {
        if i + 2 < bytes.len() && bytes[i + 1] == (b'-', false) {
            ranges.push((bytes[i].0, bytes[i + 2].0));
            i += 3;
        } else {
            ranges.push((bytes[i].0, bytes[i].0));
            i += 1;
        }
    }
    Token::Class { ranges, negated, takes_slash: dialect.slash_in_class }
}

/// How many times braces are opened before a pattern is given up; lowering refuses it long before.
const MOST_BRACES: usize = 1 << 20;

/// The patterns that `text` stands for, one for each way through its braces; none, if they are too many.
fn expand_braces(text: &[u8], dialect: &Dialect) -> Vec<Vec<u8>> {
    let mut expanded = Vec::new();
    let mut open_patterns = vec![text.to_vec()];
    for _ in 0..MOST_BRACES {
        let Some(text) = open_patterns.pop() else { return expanded };
        let Some((open, commas, close)) = first_braces(&text, dialect) else {
            expanded.push(text);
            continue;
        };
        let ends: Vec<usize> = commas.into_iter().chain([close]).collect();
        let starts = [open].into_iter().chain(ends.iter().copied()).map(|before| before + 1);
        let mut parts: Vec<&[u8]> = starts.zip(&ends).map(|(start, end)| &text[start..*end]).collect();
        if !dialect.empty_parts && parts.iter().any(|part| !part.is_empty()) {
            parts.retain(|part| !part.is_empty());
        }
        open_patterns
            .extend(parts.into_iter().map(|part| [&text[..open], part, &text[close + 1..]].concat()));
    }
    Vec::new()
}

/// The first `{` that has its `}`, the commas between them that belong to it, and that `}`.
fn first_braces(text: &[u8], dialect: &Dialect) -> Option<(usize, Vec<usize>, usize)> {
    let mut i = 0;
    while i < text.len() {
        match text[i] {
            b'\\' => i += 2,
            b'[' => i += class_length(&text[i..], dialect).unwrap_or(1),
            b'{' => match braces_at(text, i, dialect) {
                Some((commas, close)) => return Some((i, commas, close)),
                None => i += 1,
            },
            _ => i += 1,
        }
    }
    None
}

fn braces_at(text: &[u8], open: usize, dialect: &Dialect) -> Option<(Vec<usize>, usize)> {
    let mut depth = 0;
    let mut commas = Vec::new();
    let mut i = open;
    while i < text.len() {
        match text[i] {
            b'\\' => i += 1,
            b'[' => i += class_length(&text[i..], dialect).unwrap_or(1) - 1,
            b'{' => depth += 1,
            b',' if depth == 1 => commas.push(i),
            b'}' if depth == 1 => return Some((commas, i)),
            b'}' => depth -= 1,
            _ => {}
        }
        i += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(function: PathFunction, pattern: &str, yes: &[&str], no: &[&str]) {
        let compiled = Pattern::new(function, pattern.as_bytes(), Compat::Boesfs);
        for path in yes {
            assert!(compiled.matches(path.as_bytes()), "{function:?} {pattern} should match {path}");
        }
        for path in no {
            assert!(!compiled.matches(path.as_bytes()), "{function:?} {pattern} should not match {path}");
        }
    }

    #[test]
    fn path_match() {
        let check = |pattern, yes: &[&str], no: &[&str]| check(PathFunction::PathMatch, pattern, yes, no);
        check("/a/**", &["/a/b", "/a/b/c"], &["/a", "/ab"]);
        check("/a/**/b", &["/a/b", "/a/x/b", "/a/x/y/b"], &["/ab", "/a/xb"]);
        check("/**/.env", &["/.env", "/a/.env"], &["/a.env"]);
        check("/a/*", &["/a/b", "/a/.b"], &["/a", "/a/b/c"]);
        check("/a?c", &["/abc"], &["/a/c", "/ac"]);
        check("/[a-c]x", &["/ax", "/cx"], &["/dx", "/x"]);
        check("/a[!b]c", &["/axc"], &["/abc", "/a/c"]);
        check("/{a,b/{c,d}}/x", &["/a/x", "/b/c/x", "/b/d/x"], &["/b/x"]);
        check(r"/\*", &["/*"], &["/a"]);
        check("/a**z", &["/az", "/a/q/z"], &["/a"]);
        check("/?", &["/a"], &["/é"]);
    }

    #[test]
    fn glob_match() {
        let check = |pattern, yes: &[&str], no: &[&str]| check(PathFunction::GlobMatch, pattern, yes, no);
        check("/a/**", &["/a/b", "/a/b/c"], &["/a"]);
        check("/a**", &["/a", "/ab"], &["/a/b"]);
        check("/a/**/b", &["/a/b", "/a/x/b"], &["/ab"]);
        check("/a[!.]b", &["/a/b", "/axb"], &["/a.b"]);
        check("/a[+-0]b", &["/a/b", "/a.b"], &["/axb"]);
        let go = Pattern::new(PathFunction::GlobMatch, b"/a/**", Compat::CasbinGo);
        assert!(go.matches(b"/a") && go.matches(b"/a/b") && !go.matches(b"/ab"));
        let go = Pattern::new(PathFunction::GlobMatch, b"/a/**/", Compat::CasbinGo);
        assert!(go.matches(b"/a") && go.matches(b"/a/") && go.matches(b"/a/b/") && !go.matches(b"/a/b"));
        let rs = Pattern::new(PathFunction::GlobMatch, b"/a{,b}", Compat::CasbinRs);
        assert!(rs.matches(b"/ab") && !rs.matches(b"/a"));
        let rs = Pattern::new(PathFunction::GlobMatch, br"/[\]]", Compat::CasbinRs);
        assert!(rs.matches(br"/\]") && !rs.matches(b"/]"));
    }

    #[test]
    fn key_matches() {
        check(PathFunction::KeyMatch, "/foo*", &["/foo", "/foobar/x"], &["/fo"]);
        check(PathFunction::KeyMatch, "/a/*/secret", &["/a/x"], &["/a"]);
        check(PathFunction::KeyMatch2, "/a/:id", &["/a/x"], &["/a", "/a/x/y"]);
        check(PathFunction::KeyMatch2, "/a/*", &["/a/x/y"], &["/a", "/a/x\ny"]);
        check(PathFunction::KeyMatch2, "/a.txt", &["/aXtxt", "/a.txt"], &["/a.txtx"]);
        check(PathFunction::KeyMatch2, "/a|b", &["/axyz", "/x/b"], &["/xa"]);
        check(PathFunction::KeyMatch3, "/a/{id}/x", &["/a/1/x"], &["/a/x"]);
        check(PathFunction::KeyMatch5, "/a/{id}", &["/a/1", "/a/1?q/x"], &["/a?/1"]);
        check(PathFunction::RegexMatch, r"\d+", &["/a1"], &["/a", "/a١"]);
        check(PathFunction::RegexMatch, "^/.$", &["/a", "/é"], &["/ab", "/\n"]);
        let go = Pattern::new(PathFunction::KeyMatch3, b"/{a/{b}", Compat::CasbinGo);
        assert!(go.matches(b"/{a/x") && !go.matches(b"/a/x"));
        let go = Pattern::new(PathFunction::RegexMatch, br"^/a{2}{\x{62}{$", Compat::CasbinGo);
        assert!(go.matches(b"/aa{b{"));
        let invalid = Pattern::new(PathFunction::RegexMatch, b"^/[^a]$", Compat::Boesfs);
        assert!(invalid.matches(b"/\xff") && !invalid.matches(b"/a"));
    }
}
