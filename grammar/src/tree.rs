//! The syntax tree: what was written and where, faithful and unjudged.

use std::borrow::Cow;
use std::ops::Range;

use crate::source::{Source, Span};

/// A policy as written. Nothing is dropped but comments; nothing is bound or typed.
#[derive(Clone, Debug, Default)]
pub struct SyntaxTree {
    /// The policy, and after it the model of a two-file policy.
    pub sources: Vec<Source>,
    /// The section headers, in the order of their sources.
    pub sections: Vec<Section>,
    /// The `key = value` lines of the model sections and of `[options]`.
    pub definitions: Vec<Definition>,
    /// The policy lines.
    pub lines: Vec<Line>,
    /// Sections in which a line could not be read as `key = value`: what seems missing may be there.
    pub broken: Vec<SectionKind>,
    pub(crate) cells: Vec<Cell>,
    pub(crate) annotations: Vec<Annotation>,
}

/// One `[name]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// What it holds; `None` is a section that does not exist, already reported.
    pub kind: Option<SectionKind>,
    /// The section its name was perhaps meant to be, if it does not exist.
    pub meant: Option<SectionKind>,
    /// The name, without brackets.
    pub span: Span,
}

/// The sections of the language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SectionKind {
    /// `[request_definition]`
    Request,
    /// `[policy_definition]`
    Policy,
    /// `[role_definition]`
    Role,
    /// `[policy_effect]`
    Effect,
    /// `[matchers]`
    Matchers,
    /// `[policy]`
    Rules,
    /// `[options]`
    Options,
}

impl SectionKind {
    /// All sections, in the usual order.
    pub const ALL: [Self; 7] =
        [Self::Request, Self::Policy, Self::Role, Self::Effect, Self::Matchers, Self::Rules, Self::Options];

    /// The name between brackets.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Request => "request_definition",
            Self::Policy => "policy_definition",
            Self::Role => "role_definition",
            Self::Effect => "policy_effect",
            Self::Matchers => "matchers",
            Self::Rules => "policy",
            Self::Options => "options",
        }
    }

    /// The section called `name`, if there is one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// A name with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// The characters.
    pub text: String,
    /// Where they stand.
    pub span: Span,
}

/// One `key = value`.
#[derive(Clone, Debug)]
pub struct Definition {
    /// The section it stands in; never [`SectionKind::Rules`].
    pub section: SectionKind,
    /// What is left of `=`.
    pub key: Word,
    /// What is right of it; `None` if that has been reported as malformed.
    pub value: Option<Value>,
    /// From the key to the end of the value.
    pub span: Span,
}

/// What stands right of `=`.
#[derive(Clone, Debug)]
pub enum Value {
    /// Field names of a request or policy definition.
    Names(Vec<Word>),
    /// Places (`_`) of a role definition, by group between semicolons.
    Places(Vec<Vec<Span>>, Span),
    /// Tokens of an effect.
    Tokens(Vec<Word>),
    /// A matcher.
    Matcher(Expr),
    /// The text of an option.
    Text(Word),
}

/// One line of the `[policy]` section or of a policy file.
#[derive(Clone, Debug)]
pub struct Line {
    /// The whole line without surrounding blanks and comment.
    pub span: Span,
    /// Line in its file, from 1.
    pub line: u32,
    pub(crate) cells: Range<u32>,
    pub(crate) annotations: Range<u32>,
}

/// One field between commas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Its bytes without surrounding blanks; with quotes, if it has them.
    pub span: Span,
    /// Whether it stands in quotes.
    pub quoted: bool,
}

/// One `key=value` of a `#@` comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Annotation {
    /// What is left of `=`.
    pub key: Word,
    /// What is right of it, without quotes.
    pub value: Word,
}

/// A matcher or a part of one.
#[derive(Clone, Debug)]
pub struct Expr {
    /// What it says.
    pub kind: ExprKind,
    /// Where it stands.
    pub span: Span,
}

/// The forms of a matcher.
#[derive(Clone, Debug)]
pub enum ExprKind {
    /// `"…"` or `'…'`: the bytes between the quotes.
    Text(Vec<u8>),
    /// A number as written.
    Number(String),
    /// A bare word, `true` and `false` among them.
    Word(String),
    /// `r.sub`, `r.args.len`: the names between the dots.
    Field(Vec<Word>),
    /// `f(x, y)`; the place of the first semicolon among the separators, if there is one.
    Call(Word, Vec<Expr>, Option<usize>),
    /// `!x`
    Not(Box<Expr>),
    /// `x && y && …`
    And(Vec<Expr>),
    /// `x || y || …`
    Or(Vec<Expr>),
    /// `x == y` and its kin.
    Compare(Comparison, Box<Expr>, Box<Expr>),
    /// `x in (…)`, `x in […]`
    In(Box<Expr>, Vec<Expr>),
}

/// A comparison operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `==`
    Eq,
    /// `!=`
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
}

impl Comparison {
    /// Its spelling.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Eq => "==",
            Self::Ne => "!=",
            Self::Lt => "<",
            Self::Le => "<=",
            Self::Gt => ">",
            Self::Ge => ">=",
        }
    }
}

impl SyntaxTree {
    /// The fields of `line`, its type (`p`, `g`, …) among them. Never empty.
    #[must_use]
    pub fn cells(&self, line: &Line) -> &[Cell] {
        &self.cells[line.cells.start as usize..line.cells.end as usize]
    }

    /// What the `#@` comments before `line` say.
    #[must_use]
    pub fn annotations(&self, line: &Line) -> &[Annotation] {
        &self.annotations[line.annotations.start as usize..line.annotations.end as usize]
    }

    /// The bytes at `span` as they stand in the source.
    #[must_use]
    pub fn bytes(&self, span: Span) -> &[u8] {
        &self.sources[usize::from(span.file)].bytes[span.start as usize..span.end as usize]
    }

    /// The bytes that `cell` means: without its quotes, a doubled quote being one.
    #[must_use]
    pub fn text(&self, cell: Cell) -> Cow<'_, [u8]> {
        let bytes = self.bytes(cell.span);
        if !cell.quoted {
            return Cow::Borrowed(bytes);
        }
        let inner = &bytes[1..bytes.len() - 1];
        if !inner.contains(&b'"') {
            return Cow::Borrowed(inner);
        }
        let mut text = Vec::with_capacity(inner.len());
        let mut bytes = inner.iter();
        while let Some(byte) = bytes.next() {
            text.push(*byte);
            if *byte == b'"' {
                bytes.next();
            }
        }
        Cow::Owned(text)
    }
}
