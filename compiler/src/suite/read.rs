//! Text to [`Suite`], with every mistake at its place.

use std::collections::HashMap;

use boesfs_abi::request::is_canonical;
use boesfs_abi::verdict::Verdict;
use boesfs_grammar::{Source, Span};
use ron::error::{Error, SpannedError};
use ron::extensions::Extensions;
use ron::value::RawValue;
use serde::Deserialize;

use super::fields::{Act, Bytes, Fields, File, OneOrMore};
use super::{Ask, Expected, Suite, Test};
use crate::ask::{Question, QuestionError};
use crate::diagnostic::{Diagnostic, suggestion};

/// Requests that one test may ask: lists multiply.
const MOST_ASKS: usize = 100_000;
/// Requests that all tests of a suite may ask.
const MOST_IN_ALL: usize = 1_000_000;
/// Mistakes after which the rest of a suite is not read.
const MOST_MISTAKES: usize = 1000;

impl Suite {
    /// The suite in `source`.
    ///
    /// # Errors
    /// Every mistake in it; their spans have [`Suite::FILE`] as their file.
    pub fn read(source: Source) -> Result<Self, Vec<Diagnostic>> {
        let whole = span(0, source.bytes.len());
        let text = match std::str::from_utf8(&source.bytes) {
            Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text),
            Err(error) => {
                let at = error.valid_up_to();
                return Err(vec![mistake("a test file is UTF-8, this byte is not", span(at, at + 1))]);
            }
        };
        let reader = Reader { source: &source, text, found: Vec::new(), counted: (0, 1) };
        let file = parse::<File<'_>>(text)
            .map_err(|error| vec![reader.syntax(&error, text, reader.offset(text), "field")])?;
        let (tests, mut found) = reader.tests(&file);
        if tests.is_empty() && found.is_empty() {
            found.push(mistake("the file has no tests", whole).help("add one to `tests: [ … ]`"));
        }
        if !found.is_empty() {
            return Err(found);
        }
        let File { policy, model, allow, select, .. } = file;
        Ok(Self { policy, model, allow, select, tests, source })
    }
}

fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, SpannedError> {
    ron::Options::default().with_default_extension(Extensions::IMPLICIT_SOME).from_str(text)
}

fn span(start: usize, end: usize) -> Span {
    let narrow = |offset: usize| u32::try_from(offset).unwrap_or(u32::MAX);
    Span { file: Suite::FILE, start: narrow(start), end: narrow(end) }
}

fn mistake(message: impl Into<String>, span: Span) -> Diagnostic {
    Diagnostic::error("", message, span)
}

/// A value between commas, without the blanks and comments around it.
fn trimmed(raw: &RawValue) -> &str {
    raw.trim().get_ron()
}

struct Reader<'a> {
    source: &'a Source,
    text: &'a str,
    found: Vec<Diagnostic>,
    /// A place up to which lines have been counted, and the number of its line.
    counted: (usize, u32),
}

impl<'a> Reader<'a> {
    /// Where `part`, a piece of the text, begins in the source.
    fn offset(&self, part: &str) -> usize {
        let dropped = self.source.bytes.len() - self.text.len();
        part.as_ptr().addr() - self.text.as_ptr().addr() + dropped
    }

    fn span_of(&self, part: &str) -> Span {
        let start = self.offset(part);
        span(start, start + part.len())
    }

    fn tests(mut self, file: &File<'a>) -> (Vec<Test>, Vec<Diagnostic>) {
        let mut defaults = Fields::default();
        if let Some(raw) = file.defaults {
            let text = trimmed(raw);
            match parse::<Fields<'a>>(text) {
                Ok(fields) => {
                    for (field, given) in
                        [("name", fields.name.is_some()), ("requests", fields.requests.is_some())]
                    {
                        if given {
                            let problem = mistake(format!("`{field}` has no default"), self.span_of(text));
                            self.found.push(problem.label("given here"));
                        }
                    }
                    defaults = fields;
                }
                Err(error) => self.refuse(&error, text, "field"),
            }
        }
        let mut tests: Vec<Test> = Vec::new();
        let mut names: HashMap<String, Span> = HashMap::new();
        let mut asked = 0;
        for raw in &file.tests {
            let text = trimmed(raw);
            if self.found.len() >= MOST_MISTAKES {
                let problem = mistake("no test from here on was read", self.first_line(text));
                self.found.push(problem.label(format!("{MOST_MISTAKES} mistakes stand before it")));
                break;
            }
            let Some(test) = self.test(text, &defaults) else { continue };
            asked += test.asks.len();
            if asked > MOST_IN_ALL {
                self.found.push(
                    mistake(format!("the tests ask more than {MOST_IN_ALL} requests"), self.first_line(text))
                        .help("divide them: a suite for each part of the policy"),
                );
                break;
            }
            if let Some(other) = names.insert(test.name.clone(), test.span) {
                self.found.push(
                    mistake(format!("two tests are called `{}`", test.name), self.first_line(text))
                        .label("the second")
                        .secondary(self.first_line_at(other), "the first"),
                );
            }
            tests.push(test);
        }
        (tests, self.found)
    }

    fn test(&mut self, text: &'a str, defaults: &Fields<'a>) -> Option<Test> {
        let fields = self.fields(text)?;
        let Some(name) = fields.name.clone().filter(|name| !name.trim().is_empty()) else {
            self.found
                .push(mistake("the test has no name", self.first_line(text)).help("write `name: \"…\"`"));
            return None;
        };
        let fields = fields.within(defaults);
        let mut asks = Vec::new();
        match &fields.requests {
            None => self.asks(&fields, text, &mut asks),
            Some(rows) if rows.is_empty() => {
                let problem = mistake(format!("`{name}` asks nothing"), self.first_line(text));
                self.found.push(problem.label("`requests` is empty"));
            }
            Some(rows) => {
                for row in rows {
                    let text = trimmed(row);
                    let Some(row) = self.fields(text) else { continue };
                    if row.requests.is_some() || row.name.is_some() {
                        let field = if row.name.is_some() { "name" } else { "requests" };
                        let problem = mistake(format!("a request has no `{field}`"), self.first_line(text));
                        self.found.push(problem.help("make it a test of its own"));
                        continue;
                    }
                    self.asks(&row.within(&fields), text, &mut asks);
                }
            }
        }
        let line = self.line_of(text);
        Some(Test { name, span: self.span_of(text), line, asks })
    }

    /// The number of the line on which `text` begins, which is not before the text that was last asked for.
    fn line_of(&mut self, text: &str) -> u32 {
        let (from, line) = self.counted;
        let at = self.offset(text);
        let further = self.source.bytes[from..at].iter().filter(|byte| **byte == b'\n').count();
        self.counted = (at, line.saturating_add(u32::try_from(further).unwrap_or(u32::MAX)));
        self.counted.1
    }

    fn fields(&mut self, text: &'a str) -> Option<Fields<'a>> {
        match parse::<Fields<'a>>(text) {
            Ok(fields) => Some(fields),
            Err(error) => {
                self.refuse(&error, text, "field");
                None
            }
        }
    }

    /// Every request that `fields` mean.
    fn asks(&mut self, fields: &Fields<'a>, text: &str, asks: &mut Vec<Ask>) {
        let start = self.first_line(text);
        let (Some(subs), Some(acts), Some(objs)) = (&fields.sub, &fields.act, &fields.obj) else {
            let missing: Vec<&str> =
                [("sub", fields.sub.is_none()), ("act", fields.act.is_none()), ("obj", fields.obj.is_none())]
                    .into_iter()
                    .filter_map(|(name, missing)| missing.then_some(name))
                    .collect();
            let problem = mistake(format!("the request has no `{}`", missing.join("` and no `")), start);
            self.found.push(problem.help("give it here, in the test, or in `defaults`"));
            return;
        };
        let expected = Expected {
            decision: fields.expect.map(Verdict::from),
            effective: fields.effective.map(Verdict::from),
            rule: fields.rule.clone(),
            stopped_by: fields.stopped_by.as_ref().map(|(act, path)| (act.0, path.0.clone())),
        };
        if expected == Expected::default() {
            self.found.push(
                mistake("nothing is expected of the request", start)
                    .help("add `expect: allow` or `expect: deny`"),
            );
            return;
        }
        let dir = fields.dir.as_ref().map_or_else(|| b"/".to_vec(), |dir| dir.0.clone());
        if !is_canonical(&dir) {
            let dir = String::from_utf8_lossy(&dir).into_owned();
            self.found.push(mistake(format!("`dir` is not an absolute, normal path: `{dir}`"), start));
            return;
        }
        let count = subs.0.len().saturating_mul(acts.0.len()).saturating_mul(objs.0.len());
        if asks.len().saturating_add(count) > MOST_ASKS {
            self.found.push(
                mistake(format!("the test asks more than {MOST_ASKS} requests"), start)
                    .help("its lists are asked in every combination: divide it"),
            );
            return;
        }
        for (sub, act, obj) in combinations(subs, acts, objs) {
            match question(fields, sub, act, obj).request() {
                Ok(request) => {
                    asks.push(Ask { request, dir: dir.clone(), expected: expected.clone(), span: start });
                }
                Err(error) => {
                    let at = self.value_of(text, error.field()).unwrap_or(start);
                    let (message, help) = match error {
                        QuestionError::Operation { word, help } => {
                            (format!("unknown operation `{word}`"), help)
                        }
                        QuestionError::Kind { word, help } => (format!("unknown kind `{word}`"), help),
                        error @ (QuestionError::Subject(..) | QuestionError::Request(_)) => {
                            (error.to_string(), None)
                        }
                    };
                    self.found.push(mistake(message, at).maybe_help(help));
                    return;
                }
            }
        }
    }

    /// The place of the field called `name` in `text`, as far as it is plain.
    fn value_of(&self, text: &str, name: &str) -> Option<Span> {
        let key = format!("{name}:");
        let before = |at: usize| text[..at].chars().next_back();
        let at = text.match_indices(&key).map(|(at, _)| at).find(|at| {
            !before(*at).is_some_and(|before| before.is_alphanumeric() || matches!(before, '_' | '"' | '/'))
        })?;
        let start = self.offset(text) + at;
        let len = text[at..].find('\n').unwrap_or(text.len() - at).min(key.len());
        Some(span(start, start + len))
    }

    /// The first line of `text` that says something: where what is about all of it is shown.
    fn first_line(&self, text: &str) -> Span {
        self.first_line_at(self.span_of(text))
    }

    fn first_line_at(&self, place: Span) -> Span {
        let mut start = place.start as usize;
        for line in self.source.bytes[start..place.end as usize].split_inclusive(|byte| *byte == b'\n') {
            let blank = line.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            let said = line.trim_ascii();
            if !matches!(said, b"" | b"(") {
                return span(start + blank, start + blank + said.len());
            }
            start += line.len();
        }
        place
    }

    fn refuse(&mut self, error: &SpannedError, text: &str, what: &str) {
        let problem = self.syntax(error, text, self.offset(text), what);
        self.found.push(problem);
    }

    /// What RON's reader says about `text`, which begins at `base`.
    fn syntax(&self, error: &SpannedError, text: &str, base: usize, what: &str) -> Diagnostic {
        let (mut start, end) = (offset_of(text, &error.span.start), offset_of(text, &error.span.end));
        let piece = &text[start.min(end)..end];
        start = end - piece.trim_start().len().min(end);
        let at = span(base + start, base + end);
        let words = |names: &'static [&'static str]| names.iter().copied();
        match &error.code {
            Error::NoSuchStructField { expected, found, .. } => {
                mistake(format!("unknown {what} `{found}`"), at)
                    .label(format!("not a {what}"))
                    .maybe_meant(suggestion(found, words(expected), "the fields"))
            }
            Error::NoSuchEnumVariant { expected, found, .. } => {
                mistake(format!("unknown word `{found}`"), at)
                    .label("`allow` or `deny` stands here")
                    .maybe_meant(suggestion(found, words(expected), "the words"))
            }
            Error::MissingStructField { field, .. } => mistake(format!("`{field}` is missing"), at),
            Error::DuplicateStructField { field, .. } => mistake(format!("`{field}` stands here twice"), at),
            Error::InvalidValueForType { expected, found } => {
                mistake(format!("{expected} stands here, not {found}"), at)
            }
            Error::Message(message) => match message.split_once('\n') {
                Some((message, help)) => mistake(message, at).help(help),
                None => mistake(message.clone(), at),
            },
            other => {
                let mut message = other.to_string();
                if let Some(first) = message.get(..1) {
                    message = first.to_lowercase() + &message[1..];
                }
                mistake(format!("not RON: {}", message.trim_end_matches('.')), at)
            }
        }
    }
}

/// The byte of `text` at a reader's line and column, which counts characters.
fn offset_of(text: &str, position: &ron::error::Position) -> usize {
    let mut start = 0;
    for line in text.split_inclusive('\n').take(position.line.saturating_sub(1)) {
        start += line.len();
    }
    let rest = &text[start..];
    let within = rest.char_indices().nth(position.col.saturating_sub(1)).map_or(rest.len(), |(at, _)| at);
    start + within
}

fn combinations<'f>(
    subs: &'f OneOrMore<Bytes>,
    acts: &'f OneOrMore<Act>,
    objs: &'f OneOrMore<Bytes>,
) -> impl Iterator<Item = (&'f Bytes, &'f Act, &'f Bytes)> {
    subs.0
        .iter()
        .flat_map(move |sub| acts.0.iter().flat_map(move |act| objs.0.iter().map(move |obj| (sub, act, obj))))
}

fn question(fields: &Fields<'_>, sub: &Bytes, act: &Act, obj: &Bytes) -> Question {
    Question {
        sub: sub.0.clone(),
        obj: obj.0.clone(),
        act: act.0.name().to_owned(),
        args: fields.args.iter().flatten().map(|arg| arg.0.clone().into_bytes()).collect(),
        uid: fields.uid,
        gid: fields.gid,
        kind: fields.kind.map(|kind| kind.0.name().to_owned()),
        dom: fields.dom.as_ref().map(|dom| dom.0.clone()),
    }
}
