//! What stands where: every token of a policy with its meaning, for hover, navigation, renaming and colours.

use std::collections::{BTreeSet, HashMap};

use boesfs_abi::op::{GROUPS, Op};
use boesfs_grammar::{
    Cell, Definition, Expr, ExprKind, Limits, Line, SectionKind, Span, SyntaxTree, Value, parse_matcher,
};

use super::columns::{Columns, Use, columns, is_graph, meanings, walk};

/// What a token is. Two tokens that are equal speak of the same thing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum What {
    /// A section's name.
    Section(SectionKind),
    /// `e`, `m`: the key of an effect or a matcher.
    Key(SectionKind),
    /// A policy type, `p`, `p2`: its definition, and the start of its lines.
    PolicyType(String),
    /// A request definition's key, `r`.
    RequestType(String),
    /// A role relation: its definition, its lines and its calls.
    Relation(String),
    /// A field of the request.
    RequestField(String),
    /// An argument of an operation, after `r.args.`.
    Argument(String),
    /// A column: its type's name and its own.
    Column(String, String),
    /// A function of the matcher.
    Function(String),
    /// A whole effect.
    Effect(String),
    /// A member or role of a relation, or a program.
    Subject(String, String),
    /// An operation.
    Operation(Op),
    /// A group of operations, or another word for operations.
    Group(String),
    /// An action role.
    ActionRole(String),
    /// A literal path.
    Path,
    /// A pattern of this function.
    Pattern(String),
    /// A tuple.
    Tuple,
    /// A domain.
    Domain(String),
    /// `allow` or `deny`.
    Eft(String),
    /// `file` or `dir`.
    Scope(String),
    /// `true`, `false`.
    Constant,
    /// A number.
    Number,
    /// Any other text.
    Text,
    /// An option's key.
    Option(String),
    /// An option's value: key and value.
    OptionValue(String, String),
    /// An annotation's key.
    Annotation(String),
    /// An annotation's value: key and value.
    AnnotationValue(String, String),
}

/// A token and what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Where it stands; a quoted text with its quotes.
    pub span: Span,
    /// What it is.
    pub what: What,
    /// Whether the thing is defined here.
    pub defines: bool,
}

/// One `g` line: member, role and domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edge {
    /// Who has the role.
    pub member: String,
    /// The role.
    pub role: String,
    /// Where, if the line says so.
    pub domain: Option<String>,
}

/// Every token of a policy.
#[derive(Clone, Debug, Default)]
pub struct Index {
    /// The tokens by file and place. Tokens within others follow them.
    pub marks: Vec<Mark>,
    /// The columns of each policy type.
    pub types: HashMap<String, Columns>,
    /// The role lines of each relation.
    pub edges: HashMap<String, Vec<Edge>>,
    /// The action roles.
    pub action_roles: BTreeSet<String>,
    /// Text that may speak of columns or roles and could not be indexed (an expression with doubled quotes).
    pub opaque: Vec<Span>,
}

impl Index {
    /// The tokens of `tree`.
    #[must_use]
    pub fn new(tree: &SyntaxTree) -> Self {
        let action_roles = tree
            .lines
            .iter()
            .filter_map(|line| match tree.cells(line) {
                [kind, role, _, ..] if tree.bytes(kind.span) == b"a" => Some(text(tree, *role)),
                _ => None,
            })
            .collect();
        let mut builder =
            Builder { tree, index: Self { types: columns(tree), action_roles, ..Self::default() } };
        for section in &tree.sections {
            if let Some(kind) = section.kind {
                builder.mark(section.span, What::Section(kind), true);
            }
        }
        for definition in &tree.definitions {
            builder.definition(definition);
        }
        for line in &tree.lines {
            builder.line(line);
        }
        let mut index = builder.index;
        index.marks.sort_by_key(|mark| (mark.span.file, mark.span.start, std::cmp::Reverse(mark.span.end)));
        index
    }

    /// The smallest token at byte `offset` of `file`; one that begins there goes before one that ends there.
    #[must_use]
    pub fn at(&self, file: u16, offset: u32) -> Option<&Mark> {
        self.marks
            .iter()
            .filter(|mark| mark.span.file == file && mark.span.start <= offset && offset <= mark.span.end)
            .min_by_key(|mark| (offset == mark.span.end, mark.span.end - mark.span.start))
    }

    /// Every token that speaks of `what`.
    pub fn all<'i>(&'i self, what: &'i What) -> impl Iterator<Item = &'i Mark> {
        self.marks.iter().filter(move |mark| mark.what == *what)
    }

    /// Whether `name` is a role of `relation`.
    #[must_use]
    pub fn is_role(&self, relation: &str, name: &str) -> bool {
        self.edges.get(relation).is_some_and(|edges| edges.iter().any(|edge| edge.role == name))
    }
}

/// The text of `cell`; bytes that are no text are replaced.
fn text(tree: &SyntaxTree, cell: Cell) -> String {
    String::from_utf8_lossy(&tree.text(cell)).into_owned()
}

struct Builder<'t> {
    tree: &'t SyntaxTree,
    index: Index,
}

impl Builder<'_> {
    fn mark(&mut self, span: Span, what: What, defines: bool) {
        self.index.marks.push(Mark { span, what, defines });
    }

    fn definition(&mut self, definition: &Definition) {
        let key = &definition.key;
        let what = match definition.section {
            SectionKind::Request => What::RequestType(key.text.clone()),
            SectionKind::Policy => What::PolicyType(key.text.clone()),
            SectionKind::Role => What::Relation(key.text.clone()),
            SectionKind::Options => What::Option(key.text.clone()),
            section @ (SectionKind::Effect | SectionKind::Matchers | SectionKind::Rules) => {
                What::Key(section)
            }
        };
        self.mark(key.span, what, true);
        match &definition.value {
            Some(Value::Names(names)) => {
                for name in names {
                    let what = match definition.section {
                        SectionKind::Request => What::RequestField(name.text.clone()),
                        _ => What::Column(key.text.clone(), name.text.clone()),
                    };
                    self.mark(name.span, what, true);
                }
            }
            Some(Value::Tokens(tokens)) => {
                if let (Some(first), Some(last)) = (tokens.first(), tokens.last()) {
                    let span = first.span.to(last.span);
                    let text = String::from_utf8_lossy(self.tree.bytes(span)).into_owned();
                    self.mark(span, What::Effect(text), false);
                }
            }
            Some(Value::Matcher(matcher)) => {
                let suffix = key.text.get(1..).unwrap_or_default();
                let policy = format!("p{suffix}");
                let policy = if self.index.types.contains_key(&policy) { policy } else { "p".to_owned() };
                self.matcher(matcher, &policy);
            }
            Some(Value::Text(word)) => {
                let what = What::OptionValue(key.text.clone(), word.text.clone());
                self.mark(word.span, what, false);
            }
            Some(Value::Places(..)) | None => {}
        }
    }

    /// The tokens of a matcher, whose `p` is the policy type `policy`.
    fn matcher(&mut self, matcher: &Expr, policy: &str) {
        let mut uses: HashMap<Span, Use> = HashMap::new();
        walk(matcher, &mut |expr| {
            meanings(expr, &mut |operand, what, _| {
                uses.insert(operand.span, what);
            });
        });
        let mut found: Vec<&Expr> = Vec::new();
        walk(matcher, &mut |expr| found.push(expr));
        for expr in found {
            match &expr.kind {
                ExprKind::Text(bytes) => {
                    let text = String::from_utf8_lossy(bytes).into_owned();
                    match uses.get(&expr.span) {
                        Some(Use::Action) => self.action(&text, expr.span.part(1, bytes.len())),
                        Some(what) => self.value(expr.span, text, &what.clone()),
                        None => self.mark(expr.span, What::Text, false),
                    }
                }
                ExprKind::Number(_) => self.mark(expr.span, What::Number, false),
                ExprKind::Word(word) if matches!(word.as_str(), "true" | "false") => {
                    self.mark(expr.span, What::Constant, false);
                }
                ExprKind::Field(words) => {
                    let head = words[0].text.as_str();
                    let what = match words.as_slice() {
                        [_, name] if head.starts_with('r') => {
                            Some((name, What::RequestField(name.text.clone())))
                        }
                        [_, _, name] if head.starts_with('r') => {
                            Some((name, What::Argument(name.text.clone())))
                        }
                        [_, name] if head.starts_with('p') => {
                            let of = if head == "p" { policy } else { head };
                            Some((name, What::Column(of.to_owned(), name.text.clone())))
                        }
                        _ => None,
                    };
                    if let Some((name, what)) = what {
                        self.mark(name.span, what, false);
                    }
                    if words.len() == 3 {
                        self.mark(words[1].span, What::RequestField(words[1].text.clone()), false);
                    }
                }
                ExprKind::Call(name, ..) => {
                    let what = if is_graph(&name.text) {
                        What::Relation(name.text.clone())
                    } else {
                        What::Function(name.text.clone())
                    };
                    self.mark(name.span, what, false);
                }
                _ => {}
            }
        }
    }

    fn line(&mut self, line: &Line) {
        let tree = self.tree;
        for annotation in tree.annotations(line) {
            let (key, value) = (annotation.key.text.clone(), annotation.value.text.clone());
            self.mark(annotation.key.span, What::Annotation(key.clone()), false);
            self.mark(annotation.value.span, What::AnnotationValue(key, value), false);
        }
        let cells = tree.cells(line);
        let kind = text(tree, cells[0]);
        if is_graph(&kind) {
            self.role_line(cells, &kind);
        } else if kind == "a" {
            self.mark(cells[0].span, What::Relation(kind), false);
            if let [role, act, rest @ ..] = &cells[1..] {
                self.mark(role.span, What::ActionRole(text(tree, *role)), true);
                self.cell(*act, &Use::Action, "p");
                for tuple in rest {
                    self.mark(tuple.span, What::Tuple, false);
                }
            }
        } else if kind.starts_with('p') {
            let uses: Vec<Use> = match self.index.types.get(&kind) {
                Some(of) => of.columns.iter().map(|(_, what)| what.clone()).collect(),
                None => Vec::new(),
            };
            self.mark(cells[0].span, What::PolicyType(kind.clone()), false);
            for (place, cell) in cells[1..].iter().enumerate() {
                let what = match place.checked_sub(uses.len()) {
                    None => uses[place].clone(),
                    Some(0) => Use::Scope,
                    Some(1) => Use::Eft,
                    Some(_) => Use::Value,
                };
                self.cell(*cell, &what, &kind);
            }
        }
    }

    fn role_line(&mut self, cells: &[Cell], relation: &str) {
        let tree = self.tree;
        self.mark(cells[0].span, What::Relation(relation.to_owned()), false);
        let [member, role, rest @ ..] = &cells[1..] else { return };
        self.mark(member.span, What::Subject(relation.to_owned(), text(tree, *member)), false);
        self.mark(role.span, What::Subject(relation.to_owned(), text(tree, *role)), true);
        let domain = rest.first().map(|domain| text(tree, *domain));
        if let (Some(cell), Some(name)) = (rest.first(), &domain) {
            self.mark(cell.span, What::Domain(name.clone()), false);
        }
        let edge = Edge { member: text(tree, *member), role: text(tree, *role), domain };
        self.index.edges.entry(relation.to_owned()).or_default().push(edge);
    }

    fn cell(&mut self, cell: Cell, what: &Use, policy: &str) {
        let plain = text(self.tree, cell);
        // Where quotes are doubled, places within the text are not places within the cell.
        let inner = if cell.quoted { cell.span.start + 1 } else { cell.span.start };
        let faithful = !cell.quoted || self.tree.bytes(cell.span).len() == plain.len() + 2;
        let span = Span {
            start: inner,
            end: if cell.quoted { cell.span.end - 1 } else { cell.span.end },
            ..cell.span
        };
        match what {
            Use::Action if faithful => self.action(&plain, span),
            Use::Expression if faithful => match parse_matcher(&plain, span, &Limits::default()) {
                Ok(matcher) => self.matcher(&matcher, policy),
                Err(_) => self.mark(cell.span, What::Text, false),
            },
            Use::Action | Use::Expression => {
                self.mark(cell.span, What::Text, false);
                self.index.opaque.push(cell.span);
            }
            _ => self.value(cell.span, plain, what),
        }
    }

    fn value(&mut self, span: Span, text: String, what: &Use) {
        let what = match what {
            Use::Subject(relation) => What::Subject(relation.clone(), text),
            Use::Path => What::Path,
            Use::Pattern(function) => What::Pattern(function.clone()),
            Use::Tuple => What::Tuple,
            Use::Domain => What::Domain(text),
            Use::Eft => What::Eft(text),
            Use::Scope => What::Scope(text),
            Use::Action | Use::Expression | Use::Value => {
                let number = text.parse::<i64>().is_ok();
                if number { What::Number } else { What::Text }
            }
        };
        self.mark(span, what, false);
    }

    /// The words of an action, which stand at `span` as they are.
    fn action(&mut self, text: &str, span: Span) {
        for word in text.split([' ', '\t']).filter(|word| !word.is_empty()) {
            let offset = word.as_ptr() as usize - text.as_ptr() as usize;
            let what = if self.index.action_roles.contains(word) {
                What::ActionRole(word.to_owned())
            } else if let Some(op) = Op::from_name(word) {
                What::Operation(op)
            } else if GROUPS.iter().any(|(name, _)| *name == word)
                || matches!(word, "*" | "any" | "none" | "default")
            {
                What::Group(word.to_owned())
            } else {
                What::Text
            };
            self.mark(span.part(offset, word.len()), what, false);
        }
    }
}
