//! Sources to the syntax tree, line by line: each broken line is reported and left out, and the next one is read.

use crate::annotation::annotations;
use crate::definition::definition;
use crate::error::{Errors, SyntaxError};
use crate::expression;
use crate::logical::Lines;
use crate::pest_error::run;
use crate::policy::Rule;
use crate::rule_line;
use crate::source::{Limits, Source, Span, byte_order_marks, narrow};
use crate::tree::{Expr, Line, Section, SectionKind, SyntaxTree};

/// What was read, and what was wrong with it. The tree lacks what is reported as an error.
#[derive(Clone, Debug, Default)]
pub struct Parsed {
    /// The policy as written.
    pub tree: SyntaxTree,
    /// Errors and notes, in the order of the sources.
    pub errors: Vec<SyntaxError>,
}

/// The syntax tree of `sources`: one policy, or a policy and its model (in that order; more are ignored).
#[must_use]
pub fn parse(sources: Vec<Source>, limits: &Limits) -> Parsed {
    let mut parser = Parser { limits, tree: SyntaxTree::default(), errors: Errors::default() };
    match sources.as_slice() {
        [] => {}
        [policy] => parser.source(policy, 0, Form::Whole),
        [policy, model, ..] => {
            parser.source(model, 1, Form::Model);
            parser.source(policy, 0, Form::Rules);
        }
    }
    let Parser { mut tree, errors, .. } = parser;
    tree.sources = sources;
    Parsed { tree, errors: errors.into_vec() }
}

/// The matcher in `text`, a field of a rule, which stands at `span`.
///
/// # Errors
/// What is wrong with it, at its place if `text` stands there as it is (not if quotes were doubled).
pub fn parse_matcher(text: &str, span: Span, limits: &Limits) -> Result<Expr, SyntaxError> {
    expression::matcher(text, span, limits)
}

/// What a source may hold.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Everything: the one-file form.
    Whole,
    /// All sections but `[policy]`.
    Model,
    /// Policy lines without a header.
    Rules,
}

/// Where the lines belong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// No header yet.
    Outside,
    /// No header yet, and that has been said.
    Skipping,
    /// In this section.
    In(SectionKind),
}

struct Parser<'a> {
    limits: &'a Limits,
    tree: SyntaxTree,
    errors: Errors,
}

impl Parser<'_> {
    fn source(&mut self, source: &Source, file: u16, form: Form) {
        let bytes = source.bytes.as_slice();
        let limit = self.limits.bytes.min(Limits::MAX_BYTES);
        if bytes.len() > limit {
            let message = format!("the source has {} bytes, the limit is {limit}", bytes.len());
            self.errors.push(
                SyntaxError::new("E0120", message, Span { file, start: 0, end: 0 })
                    .help("raise the limit with `--max-bytes`"),
            );
            return;
        }
        let start = byte_order_marks(bytes);
        if start > 0 {
            self.errors.push(
                SyntaxError::new(
                    "N0102",
                    "the file begins with a byte order mark, which is ignored",
                    Span { file, start: 0, end: narrow(start) },
                )
                .help("save the file as UTF-8 without a mark")
                .instead("remove the mark", Span { file, start: 0, end: narrow(start) }, ""),
            );
        }
        let mut lines = Lines::new(bytes, start);
        let mut state = if form == Form::Rules { State::In(SectionKind::Rules) } else { State::Outside };
        let mut pending = self.tree.annotations.len();
        let mut model_lines = 0_usize;
        while let Some((start, end)) = lines.next() {
            let line = &bytes[start..end];
            let text = line.trim_ascii();
            let at = start + (line.len() - line.trim_ascii_start().len());
            let span = Span { file, start: narrow(at), end: narrow(at + text.len()) };
            if text.is_empty() {
                continue;
            }
            let is_header = text[0] == b'[' && form != Form::Rules;
            let is_rule = state == State::In(SectionKind::Rules) && text[0] != b'#' && !is_header;
            if !self.readable(text, span, is_rule) {
                if is_header {
                    // A header, whichever it was: what follows belongs to no section that is known.
                    self.tree.broken.extend(SectionKind::ALL);
                    state = State::Skipping;
                } else if let State::In(section) = state {
                    self.tree.broken.push(section);
                }
                continue;
            }
            if let Some(comment) = text.strip_prefix(b"#") {
                if let Some(said) = comment.strip_prefix(b"@") {
                    self.annotation(said, span.part(2, said.len()), state, pending);
                }
                continue;
            }
            let defines = matches!(state, State::In(section) if section != SectionKind::Rules);
            if defines || text[0] == b'[' {
                model_lines += 1;
                if model_lines > self.limits.definitions {
                    self.too_many_definitions(span);
                    return;
                }
            }
            if text[0] == b'[' && self.header(text, span, form, &mut state) {
                self.dangling(pending);
                pending = self.tree.annotations.len();
                continue;
            }
            match state {
                State::In(SectionKind::Rules) => {
                    let number = lines.number;
                    let Some(annotated) = self.rule(text, span, number, pending) else { return };
                    if annotated {
                        pending = self.tree.annotations.len();
                    }
                }
                State::In(section) => {
                    let text = lines.logical((at, end), file, section, &mut self.errors);
                    let further = &bytes[end..lines.at().min(bytes.len())];
                    let place = Span { file, start: narrow(end), end: narrow(end + further.len()) };
                    if self.readable(further, place, false) {
                        self.definition(&text, span, section);
                    } else {
                        self.tree.broken.push(section);
                    }
                }
                State::Skipping => {}
                State::Outside => {
                    state = State::Skipping;
                    self.errors.push(
                        SyntaxError::new("E0103", "the line stands before any section", span)
                            .label("no section yet")
                            .help("begin with `[request_definition]`; a policy file without sections needs `--model`"),
                    );
                }
            }
        }
        self.dangling(pending);
    }

    fn too_many_definitions(&mut self, span: Span) {
        // What was not read any more is not missing.
        self.tree.broken.extend(SectionKind::ALL);
        let message = format!("more than {} headers and definitions", self.limits.definitions);
        self.errors.push(
            SyntaxError::new("E0126", message, span)
                .label("this is one line too many")
                .help("rules stand below `[policy]`; raise the limit with `--max-definitions`"),
        );
    }

    /// Whether `text` holds no NUL and is UTF-8; of a policy line, whose quoted fields may hold any byte, only the first.
    fn readable(&mut self, text: &[u8], span: Span, is_rule: bool) -> bool {
        if let Some(at) = text.iter().position(|b| *b == 0) {
            let byte = span.part(at, 1);
            let message = format!("a NUL byte at byte {} of the file", byte.start);
            self.errors.push(
                SyntaxError::new("E0107", message, byte)
                    .label("here")
                    .help("remove it: no path and no name can hold one"),
            );
            return false;
        }
        if is_rule {
            return true;
        }
        match std::str::from_utf8(text) {
            Ok(_) => true,
            Err(error) => {
                self.not_utf8(text, error.valid_up_to(), span);
                false
            }
        }
    }

    fn not_utf8(&mut self, line: &[u8], at: usize, span: Span) {
        let byte = span.part(at, 1);
        let message = format!("byte {:#04x} at byte {} of the file is not UTF-8", line[at], byte.start);
        self.errors.push(
            SyntaxError::new("E0108", message, byte)
                .label("here")
                .help("save the file as UTF-8; a path that is not must stand in quotes"),
        );
    }

    /// Takes what an annotation says; those from `pending` on are of the same rule.
    fn annotation(&mut self, said: &[u8], span: Span, state: State, pending: usize) {
        if state != State::In(SectionKind::Rules) {
            if state != State::Skipping {
                self.errors.push(not_before_a_rule(span.part(0, 0).to(span)));
            }
            return;
        }
        let start = self.tree.annotations.get(pending).map_or(span.start, |first| first.key.span.start);
        let len = (span.end - start) as usize;
        if len > self.limits.line {
            let error = rule_line::too_long(len, span, self.limits);
            self.errors.push(if len > said.len() {
                error.label("with the annotations above")
            } else {
                error
            });
            return;
        }
        let text = std::str::from_utf8(said).expect("INVARIANT: annotations were checked to be UTF-8");
        if let Err(error) = annotations(text, span, &mut self.tree.annotations) {
            self.errors.push(error);
        }
    }

    /// Reports annotations from `pending` on, which no line follows.
    fn dangling(&mut self, pending: usize) {
        if let Some(first) = self.tree.annotations.get(pending) {
            let last = self.tree.annotations.last().map_or(first.value.span, |last| last.value.span);
            self.errors.push(not_before_a_rule(first.key.span.to(last)));
            self.tree.annotations.truncate(pending);
        }
    }

    /// Takes `line` as a section header; false if it is a policy line after all.
    fn header(&mut self, line: &[u8], span: Span, form: Form, state: &mut State) -> bool {
        let is_comment = |pair: &[u8]| matches!(pair, b" #" | b"\t#");
        let line = &line[..line.windows(2).position(is_comment).unwrap_or(line.len())];
        let text = match std::str::from_utf8(line) {
            Ok(text) => text.to_owned(),
            Err(_) if form == Form::Rules => return false,
            Err(error) => {
                self.not_utf8(line, error.valid_up_to(), span);
                self.tree.broken.extend(SectionKind::ALL);
                *state = State::Skipping;
                return true;
            }
        };
        let name = run(Rule::header, &text, span).map(|mut pairs| {
            let header = pairs.next().and_then(|header| header.into_inner().next());
            let name = header.expect("INVARIANT: a header has a name");
            (name.as_str().to_owned(), crate::pest_error::span_of(&name, span))
        });
        let (name, at) = match name {
            Ok(found) => found,
            Err(_) if form == Form::Rules => return false,
            Err(error) => {
                let open = text.trim_start_matches('[').trim();
                let kind = SectionKind::from_name(open.trim_end_matches(']').trim());
                let error = error.help("a section header reads `[matchers]`");
                self.errors.push(match kind.filter(|_| !text.contains(']')) {
                    Some(kind) => {
                        let header = format!("[{}]", kind.name());
                        error.instead(
                            format!("write `{header}`"),
                            span.part(0, text.trim_end().len()),
                            header,
                        )
                    }
                    None => error,
                });
                self.tree.sections.push(Section { kind, meant: None, span });
                *state = kind.map_or(State::Skipping, State::In);
                return true;
            }
        };
        let kind = SectionKind::from_name(&name);
        if form == Form::Rules {
            let Some(kind) = kind else { return false };
            self.beside_model(kind, at, "the policy file beside `--model` has no sections");
            *state = if kind == SectionKind::Rules { State::In(kind) } else { State::Skipping };
            return true;
        }
        if form == Form::Model && kind == Some(SectionKind::Rules) {
            self.beside_model(
                SectionKind::Rules,
                at,
                "the model has no `[policy]` section: rules are in the policy file",
            );
            *state = State::Skipping;
            return true;
        }
        let mut meant = None;
        if kind.is_none() {
            meant = SectionKind::ALL.into_iter().find(|kind| resembles(&name, kind.name()));
            let names: Vec<String> =
                SectionKind::ALL.iter().map(|kind| format!("`[{}]`", kind.name())).collect();
            let error =
                SyntaxError::new("E0102", format!("unknown section `{name}`"), at).label("not a section");
            self.errors.push(match meant {
                Some(kind) => error.help(format!("did you mean `{}`?", kind.name())).instead(
                    format!("write `{}`", kind.name()),
                    at,
                    kind.name(),
                ),
                None => error.help(format!("the sections are {}", names.join(", "))),
            });
        }
        self.tree.sections.push(Section { kind, meant, span: at });
        *state = kind.map_or(State::Skipping, State::In);
        true
    }

    fn beside_model(&mut self, kind: SectionKind, span: Span, message: &str) {
        self.errors.push(SyntaxError::new("E0110", message, span).label("not beside `--model`").help(
            if kind == SectionKind::Rules {
                "remove the header, or pass the file alone, with the model's sections in it"
            } else {
                "move the section to the model, or pass the file without `--model`"
            },
        ));
    }

    /// Takes `line` as a policy line, and whether the annotations from `pending` on are its: they are a rule's, so
    /// that a role line may stand between. `None` if there are too many lines.
    fn rule(&mut self, line: &[u8], span: Span, number: u32, pending: usize) -> Option<bool> {
        if self.tree.lines.len() >= self.limits.rules {
            self.errors.push(
                SyntaxError::new("E0122", format!("more than {} policy lines", self.limits.rules), span)
                    .label("this is one line too many")
                    .help("raise the limit with `--max-rules`"),
            );
            return None;
        }
        let first = self.tree.cells.len();
        if let Err(error) = rule_line::cells(line, span, self.limits, &mut self.tree.cells) {
            self.errors.push(error);
            self.tree.cells.truncate(first);
            self.tree.annotations.truncate(pending);
            return Some(true);
        }
        if let Some(at) = self.foreign_byte(line, span, first) {
            self.not_utf8(line, at, span);
            self.tree.cells.truncate(first);
            self.tree.annotations.truncate(pending);
            return Some(true);
        }
        let kind = &self.tree.cells[first].span;
        let kind = &line[(kind.start - span.start) as usize..(kind.end - span.start) as usize];
        let is_rule = kind.strip_prefix(b"p").is_some_and(|suffix| suffix.iter().all(u8::is_ascii_digit));
        let end = self.tree.cells.last().map_or(span.start, |cell| cell.span.end);
        let behind = line[(end - span.start) as usize..].trim_ascii_start();
        if behind.starts_with(b"#@") {
            let at = span.part(line.len() - behind.len(), behind.len());
            self.errors.push(
                SyntaxError::new("E0112", "the annotation does not stand alone on its line", at)
                    .label("annotates nothing")
                    .help("write it on a line of its own above the rule"),
            );
        }
        self.tree.lines.push(Line {
            span: Span { end, ..span },
            line: number,
            cells: narrow(first)..narrow(self.tree.cells.len()),
            annotations: narrow(if is_rule { pending } else { self.tree.annotations.len() })
                ..narrow(self.tree.annotations.len()),
        });
        Some(is_rule)
    }

    /// The first byte of `line` that is not UTF-8 and stands in no quoted cell (from `first` on).
    fn foreign_byte(&self, line: &[u8], span: Span, first: usize) -> Option<usize> {
        if line.is_ascii() || std::str::from_utf8(line).is_ok() {
            return None;
        }
        let mut start = 0;
        for cell in self.tree.cells[first..].iter().filter(|cell| cell.quoted) {
            let (from, end) = (cell.span.start - span.start, cell.span.end - span.start);
            if let Err(error) = std::str::from_utf8(&line[start..from as usize]) {
                return Some(start + error.valid_up_to());
            }
            start = end as usize;
        }
        std::str::from_utf8(&line[start..]).err().map(|error| start + error.valid_up_to())
    }

    fn definition(&mut self, bytes: &[u8], span: Span, section: SectionKind) {
        if bytes.len() > self.limits.line {
            self.errors.push(rule_line::too_long(bytes.len(), span, self.limits));
            self.tree.broken.push(section);
            return;
        }
        match std::str::from_utf8(bytes) {
            Ok(text) => match definition(text, span, section, self.limits, &mut self.errors) {
                Some(found) => self.tree.definitions.push(found),
                None => self.tree.broken.push(section),
            },
            Err(error) => {
                self.not_utf8(bytes, error.valid_up_to(), span);
                self.tree.broken.push(section);
            }
        }
    }
}

fn not_before_a_rule(span: Span) -> SyntaxError {
    SyntaxError::new("E0112", "the annotation stands before no rule", span)
        .label("annotates nothing")
        .help("write `#@ …` on a line of its own above a `p` line")
}

/// Whether `name` is so close to `known` that it was probably meant: at most a third of it differs.
fn resembles(name: &str, known: &str) -> bool {
    let name = name.to_lowercase();
    edit_distance(name.as_bytes(), known.as_bytes()) * 3 <= known.len()
}

/// How many bytes must be inserted, removed, replaced or swapped with their neighbour to make `a` into `b`.
#[must_use]
pub fn edit_distance(a: &[u8], b: &[u8]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 0..a.len() {
        let mut row = vec![i + 1];
        for j in 0..b.len() {
            let replaced = last[j] + usize::from(a[i] != b[j]);
            let mut best = replaced.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}
