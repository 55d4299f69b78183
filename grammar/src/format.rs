//! A source to its canonical text: one way to write each policy.
//!
//! Every comment is kept, in order; the syntax tree of the result is that of the source but for its spans. One blank
//! line stands before a section, never more than one elsewhere; fields are separated by `, `; a field is quoted only
//! if it has to be; a matcher wider than [`WIDTH`] is broken at its outermost `||`, or `&&`. A byte order mark
//! and carriage returns go.

use pest::iterators::Pair;

use crate::error::{Errors, SyntaxError};
use crate::logical::Lines;
use crate::parse::{Parsed, parse};
use crate::pest_error::run;
use crate::policy::Rule;
use crate::source::{Limits, Source, Span, byte_order_marks};
use crate::tree::{Cell, Definition, SectionKind, SyntaxTree, Value};

/// The widest line a matcher is written on, in bytes.
const WIDTH: usize = 110;

/// The canonical text of `source`: a policy in one file, a model, or the rules beside a model. Formatting it again
/// changes nothing.
///
/// # Errors
/// What [`parse`] finds wrong. Text that is not understood is not rearranged.
pub fn format(source: &Source, limits: &Limits) -> Result<Vec<u8>, Vec<SyntaxError>> {
    let mut sources = vec![source.clone()];
    if !has_sections(&source.bytes) {
        sources.push(Source::new("model", Vec::new()));
    }
    let Parsed { tree, errors } = parse(sources, limits);
    let errors: Vec<SyntaxError> = errors.into_iter().filter(|error| !error.is_note()).collect();
    if !errors.is_empty() {
        return Err(errors);
    }
    Ok(Printer::new(&tree).print())
}

/// Whether a section begins anywhere: else the source is the rules of a two-file policy.
fn has_sections(bytes: &[u8]) -> bool {
    bytes[byte_order_marks(bytes)..]
        .split(|byte| *byte == b'\n')
        .any(|line| line.trim_ascii_start().starts_with(b"["))
}

struct Printer<'t> {
    tree: &'t SyntaxTree,
    bytes: &'t [u8],
    out: Vec<u8>,
    /// A blank line is due before the next line.
    gap: bool,
    /// The line written last is a comment of its own.
    after_comment: bool,
}

impl<'t> Printer<'t> {
    fn new(tree: &'t SyntaxTree) -> Self {
        let bytes = tree.sources.first().map_or(&[][..], |source| source.bytes.as_slice());
        Self { tree, bytes, out: Vec::with_capacity(bytes.len()), gap: false, after_comment: false }
    }

    fn print(mut self) -> Vec<u8> {
        let mut lines = Lines::new(self.bytes, byte_order_marks(self.bytes));
        let (mut sections, mut definitions) = (self.tree.sections.iter(), self.tree.definitions.iter());
        let mut rules = self.tree.lines.iter().peekable();
        let mut annotations = self.tree.annotations.iter().peekable();
        let mut section = None;
        while let Some((start, end)) = lines.next() {
            let line = &self.bytes[start..end];
            let text = line.trim_ascii();
            let at = start + (line.len() - line.trim_ascii_start().len());
            if text.is_empty() {
                self.gap = !self.out.is_empty();
            } else if text.starts_with(b"#@") {
                let mut said = b"#@".to_vec();
                while let Some(next) = annotations.next_if(|next| (next.key.span.start as usize) < end) {
                    said.push(b' ');
                    said.extend_from_slice(next.key.text.as_bytes());
                    said.push(b'=');
                    said.extend_from_slice(self.tree.bytes(next.value.span));
                }
                self.comment(&said);
            } else if text[0] == b'#' {
                self.comment(text);
            } else if let Some(rule) = rules.next_if(|rule| rule.span.start as usize == at) {
                let cells = self.tree.cells(rule);
                let mut fields = Vec::new();
                for (index, cell) in cells.iter().enumerate() {
                    if index > 0 {
                        fields.extend_from_slice(b", ");
                    }
                    self.cell(*cell, &mut fields);
                }
                let after = cells.last().map_or(at, |cell| cell.span.end as usize);
                self.line(&fields, self.bytes[after..end].trim_ascii());
            } else if text[0] == b'[' {
                section = sections.next().and_then(|section| section.kind);
                self.gap |= !self.after_comment && !self.out.is_empty();
                let close = text.iter().position(|byte| *byte == b']').map_or(text.len(), |close| close + 1);
                let name = section.map_or("", SectionKind::name);
                self.line(format!("[{name}]").as_bytes(), text[close..].trim_ascii());
            } else if let (Some(definition), Some(section)) = (definitions.next(), section) {
                let logical = lines.logical((at, end), 0, section, &mut Errors::default());
                self.definition(definition, at, &logical);
            }
        }
        self.out
    }

    /// A comment on a line of its own.
    fn comment(&mut self, text: &[u8]) {
        self.line(text, b"");
        self.after_comment = true;
    }

    /// `text`, and the comment that stands behind it, if there is one.
    fn line(&mut self, text: &[u8], comment: &[u8]) {
        if std::mem::take(&mut self.gap) {
            self.out.push(b'\n');
        }
        let text = text.trim_ascii_end();
        if self.out.is_empty() && byte_order_marks(text) > 0 {
            // Else what is part of a word would be the file's mark.
            self.out.push(b' ');
        }
        self.out.extend_from_slice(text);
        if !comment.is_empty() {
            self.out.extend_from_slice(if text.is_empty() { b"" } else { b" " });
            self.out.extend_from_slice(comment);
        }
        self.out.push(b'\n');
        self.after_comment = false;
    }

    fn cell(&self, cell: Cell, out: &mut Vec<u8>) {
        let text = self.tree.text(cell);
        if cell.quoted && is_plain(&text) {
            out.extend_from_slice(&text);
        } else if !cell.quoted && text.starts_with(b"#") {
            // The blank before it would make it a comment.
            out.push(b'"');
            out.extend(text.iter().flat_map(|byte| [*byte].repeat(1 + usize::from(*byte == b'"'))));
            out.push(b'"');
        } else {
            out.extend_from_slice(self.tree.bytes(cell.span));
        }
    }

    /// The definition whose logical line is `logical` and begins at byte `at`.
    fn definition(&mut self, definition: &Definition, at: usize, logical: &[u8]) {
        let written = &self.bytes[at..at + logical.len()];
        let mut comments: Vec<&[u8]> = Vec::new();
        let mut from = 0;
        for line in written.split(|byte| *byte == b'\n') {
            // A comment is what has been blanked from its `#` on.
            let hash = (from..from + line.len()).find(|at| written[*at] == b'#' && logical[*at] == b' ');
            comments.extend(hash.map(|hash| written[hash..from + line.len()].trim_ascii()));
            from += line.len() + 1;
        }
        let value = match &definition.value {
            Some(Value::Names(names)) => {
                names.iter().map(|name| name.text.as_str()).collect::<Vec<_>>().join(", ")
            }
            Some(Value::Places(groups, _)) => {
                groups.iter().map(|places| vec!["_"; places.len()].join(", ")).collect::<Vec<_>>().join("; ")
            }
            Some(Value::Tokens(words)) => {
                let words: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
                let text = spaced(words.iter().copied());
                // Of an effect that there is not, two tokens may together be a third.
                if effect_tokens(&text) == words { text } else { words.join(" ") }
            }
            Some(Value::Matcher(_)) => {
                let text = String::from_utf8_lossy(logical);
                let matcher = text.split_once('=').map_or("", |(_, matcher)| matcher);
                let indent = definition.key.text.len() + 3;
                broken(&tokens(matcher), indent)
            }
            Some(Value::Text(word)) => word.text.trim().to_owned(),
            None => String::new(),
        };
        // A blank before a `#` would make it a comment.
        let gap = if value.starts_with('#') { "" } else { " " };
        // What ends in a mark that is part of it takes another, and an empty line to go on with.
        let end = if value.ends_with('\\') { " \\\n" } else { "" };
        let text = format!("{} ={gap}{value}{end}", definition.key.text);
        match comments.as_slice() {
            [comment] if !text.contains('\n') => self.line(text.as_bytes(), comment),
            _ => {
                for comment in comments {
                    match comment.strip_prefix(b"#@") {
                        // On a line of its own it would be an annotation.
                        Some(said) => self.comment(&[b"# @", said].concat()),
                        None => self.comment(comment),
                    }
                }
                self.line(text.as_bytes(), b"");
            }
        }
        if !end.is_empty() {
            self.out.push(b'\n');
        }
    }
}

/// Whether `text` means the same without quotes wherever it stands.
fn is_plain(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|byte| byte.is_ascii_alphanumeric() || b"/._-+@:*?".contains(byte))
}

/// The tokens of a matcher or effect that has been parsed.
fn tokens(text: &str) -> Vec<&str> {
    let bytes = text.as_bytes();
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let len = match bytes[at] {
            b' ' | b'\t' | b'\r' | b'\n' => {
                at += 1;
                continue;
            }
            quote @ (b'"' | b'\'') => {
                2 + bytes[at + 1..].iter().position(|byte| *byte == quote).unwrap_or(bytes.len() - at - 2)
            }
            b'&' | b'|' | b'=' => 2,
            b'!' | b'<' | b'>' if bytes.get(at + 1) == Some(&b'=') => 2,
            byte if is_word(byte) => bytes[at..].iter().take_while(|byte| is_word(**byte)).count(),
            _ => 1,
        };
        tokens.push(&text[at..at + len]);
        at += len;
    }
    tokens
}

/// The tokens of an effect, none if it has others than an effect can have.
fn effect_tokens(text: &str) -> Vec<&str> {
    let pairs = run(Rule::effect, text, Span::default()).into_iter().flatten().flat_map(Pair::into_inner);
    pairs.filter(|pair| pair.as_rule() == Rule::effect_token).map(|pair| pair.as_str()).collect()
}

fn is_operator(token: &str) -> bool {
    matches!(token, "&&" | "||" | "==" | "!=" | "<" | "<=" | ">" | ">=" | "in")
}

/// Tokens with one blank around operators and after commas, and none within parentheses.
fn spaced<'a>(tokens: impl Iterator<Item = &'a str>) -> String {
    let mut out = String::new();
    let mut last = "";
    for token in tokens {
        let word = |token: &str| token.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        let apart = is_operator(token)
            || is_operator(last)
            || matches!(last, "," | ";" | "where")
            || word(token) && word(last);
        if apart && !out.is_empty() {
            out.push(' ');
        }
        out.push_str(token);
        last = token;
    }
    out
}

/// The matcher of `tokens`, on as many lines as it needs; all but the first begin with `indent` blanks.
fn broken(tokens: &[&str], indent: usize) -> String {
    let line = spaced(tokens.iter().copied());
    if indent + line.len() <= WIDTH {
        return line;
    }
    let mut depth = 0_usize;
    let mut breaks: [Vec<usize>; 2] = [Vec::new(), Vec::new()];
    for (at, token) in tokens.iter().enumerate() {
        match *token {
            "(" | "[" => depth += 1,
            ")" | "]" => depth = depth.saturating_sub(1),
            "||" if depth == 0 => breaks[0].push(at),
            "&&" if depth == 0 => breaks[1].push(at),
            _ => {}
        }
    }
    let [or, and] = breaks;
    let breaks = if or.is_empty() { and } else { or };
    let mut parts = Vec::new();
    let mut from = 0;
    for at in breaks.into_iter().chain([tokens.len()]) {
        parts.push(spaced(tokens[from..at].iter().copied()));
        from = at;
    }
    parts.join(&format!(" \\\n{}", " ".repeat(indent)))
}
