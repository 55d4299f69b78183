//! Where lints put what they find.

use std::collections::HashMap;

use boesfs_abi::request::Request;
use boesfs_grammar::{Annotation, Line, Span, SyntaxTree};

use super::Lint;
use crate::diagnostic::{Applicability, Diagnostic, Edit, Fix};
use crate::model::{CompareOp, Expr, Model, Node, Operand, PathFunction, RequestField, Settings};

/// How many findings of one lint are listed; the others are counted.
const LISTED: usize = 1000;

/// A request that shows what a lint says of a rule.
#[derive(Clone, Debug)]
pub struct Witness {
    /// The lint's name.
    pub lint: &'static str,
    /// Index of the rule the finding is about.
    pub rule: usize,
    /// The request.
    pub request: Request,
    /// The rule that decides it, where the finding names it.
    pub decider: Option<usize>,
}

/// What lints look at, and what they found so far.
pub(super) struct Findings<'a> {
    pub(super) tree: &'a SyntaxTree,
    pub(super) model: &'a Model,
    out: Vec<Diagnostic>,
    witnesses: Vec<Witness>,
    counts: HashMap<&'static str, (usize, Span)>,
}

/// A pattern for paths, where it stands.
pub(super) struct Pattern<'m> {
    pub(super) function: PathFunction,
    pub(super) text: &'m [u8],
    pub(super) span: Span,
    /// The rule whose field it is; `None` if it stands in the matcher.
    pub(super) rule: Option<usize>,
}

impl Pattern<'_> {
    /// Where `len` bytes of the pattern stand, `offset` bytes into it; the whole field if it is not written as it is
    /// meant.
    pub(super) fn part(&self, offset: usize, len: usize) -> Span {
        if (self.span.end - self.span.start) as usize == self.text.len() {
            self.span.part(offset, len)
        } else {
            self.span
        }
    }

    /// Whether the text stands between quotes or is otherwise not written as it is meant, so that no part can be
    /// replaced.
    pub(super) fn is_plain(&self) -> bool {
        (self.span.end - self.span.start) as usize == self.text.len()
    }

    /// The text for people.
    pub(super) fn shown(&self) -> String {
        String::from_utf8_lossy(self.text).into_owned()
    }
}

impl<'a> Findings<'a> {
    pub(super) fn new(tree: &'a SyntaxTree, model: &'a Model) -> Self {
        Self { tree, model, out: Vec::new(), witnesses: Vec::new(), counts: HashMap::new() }
    }

    /// Adds a finding about no rule.
    pub(super) fn push(&mut self, found: Diagnostic) {
        let (count, span) = self.counts.entry(found.lint.unwrap_or_default()).or_default();
        *count += 1;
        if *count <= LISTED {
            self.out.push(found);
        } else if *count == LISTED + 1 {
            *span = found.span();
        }
    }

    /// Adds a finding about a rule, unless the rule allows it.
    pub(super) fn on_rule(&mut self, rule: usize, found: Diagnostic) {
        if !self.allows(rule, found.lint.unwrap_or_default()) {
            self.push(found);
        }
    }

    /// Whether no more findings of `lint` are listed, so that their words need not be found.
    pub(super) fn is_full(&self, lint: &'static Lint) -> bool {
        self.counts.get(lint.name).is_some_and(|(count, _)| *count > LISTED)
    }

    /// Counts a finding about a rule, unless the rule allows it.
    pub(super) fn count(&mut self, lint: &'static Lint, rule: usize) {
        if !self.allows(rule, lint.name) {
            self.counts.entry(lint.name).or_default().0 += 1;
        }
    }

    /// Says that `lint` did not look at everything.
    pub(super) fn cut(&mut self, lint: &'static Lint, what: String) {
        self.out.push(
            Diagnostic::note(
                "N0402",
                format!("`{}` did not look at everything: {what}", lint.name),
                self.model.matcher.span,
            )
            .because("the effort of a lint is limited, so that checking stays fast"),
        );
    }

    /// Whether `rule` says `#@ allow=` of `lint`.
    pub(super) fn allows(&self, rule: usize, lint: &str) -> bool {
        self.model.rules[rule].annotations.allow.iter().any(|name| name == lint)
    }

    /// Keeps a request that shows what `lint` says of `rule`.
    pub(super) fn witness(
        &mut self,
        lint: &'static Lint,
        rule: usize,
        request: &Request,
        decider: Option<usize>,
    ) {
        self.witnesses.push(Witness { lint: lint.name, rule, request: request.clone(), decider });
    }

    /// The requests that were kept.
    pub(super) fn into_witnesses(self) -> Vec<Witness> {
        self.witnesses
    }

    /// The change that removes the line at `span` and what annotates it.
    pub(super) fn removal(&self, span: Span) -> Option<Fix> {
        let (_, said) = self.line(span)?;
        let bytes = &self.tree.sources.get(usize::from(span.file))?.bytes;
        let mut lines: Vec<Span> = Vec::new();
        for span in said.iter().map(|one| one.key.span).chain([span]) {
            let start =
                bytes[..span.start as usize].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            let end = bytes[span.end as usize..].iter().position(|byte| *byte == b'\n');
            let end = end.map_or(bytes.len(), |at| span.end as usize + at + 1);
            let line =
                Span { file: span.file, start: u32::try_from(start).ok()?, end: u32::try_from(end).ok()? };
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
        let edits = lines.into_iter().map(|span| Edit { span, text: Vec::new() }).collect();
        Some(Fix {
            title: "remove the rule".to_owned(),
            edits,
            applicability: Applicability::MachineApplicable,
        })
    }

    /// What was found, errors of allowed lints made warnings.
    pub(super) fn finish(mut self, settings: &Settings) -> Vec<Diagnostic> {
        let mut cut: Vec<_> = self.counts.into_iter().filter(|(_, (count, _))| *count > LISTED).collect();
        cut.sort_unstable_by_key(|(lint, _)| *lint);
        for (lint, (count, span)) in cut {
            let more = count - LISTED;
            self.out.push(
                Diagnostic::note("N0401", format!("`{lint}` finds {more} more from here on"), span)
                    .because(format!("{LISTED} findings of one lint are listed")),
            );
        }
        settings.allow.apply(&mut self.out);
        self.out
    }

    /// The policy line that holds `span`, and its annotations.
    pub(super) fn line(&self, span: Span) -> Option<(&'a Line, &'a [Annotation])> {
        let tree = self.tree;
        let at =
            tree.lines.partition_point(|line| (line.span.file, line.span.end) <= (span.file, span.start));
        let line =
            tree.lines.get(at).filter(|line| line.span.file == span.file && line.span.start <= span.start)?;
        Some((line, tree.annotations(line)))
    }

    /// Adds what `finds` says of each pattern for paths, unless its rule allows it.
    pub(super) fn each_pattern(&mut self, finds: impl Fn(&Model, &Pattern<'_>) -> Option<Diagnostic>) {
        let mut all = Vec::new();
        self.patterns(|pattern| all.extend(finds(self.model, pattern).map(|one| (pattern.rule, one))));
        for (rule, one) in all {
            match rule {
                Some(rule) => self.on_rule(rule, one),
                None => self.push(one),
            }
        }
    }

    /// Whether `column` is compared with the object's path in a way that takes a plain path for itself.
    pub(super) fn takes_paths(&self, column: usize) -> bool {
        let mut takes = false;
        visit(&self.model.matcher, &mut |node| {
            takes |= match &node.expr {
                Expr::Compare(CompareOp::Eq, Operand::Request(RequestField::Obj), Operand::Field(other)) => {
                    *other == column
                }
                Expr::Path { function, pattern: Operand::Field(other), .. } => {
                    *other == column && *function != PathFunction::Under
                }
                _ => false,
            };
        });
        takes
    }

    /// Calls `with` with every pattern for paths.
    pub(super) fn patterns(&self, mut with: impl FnMut(&Pattern<'a>)) {
        let model = self.model;
        let mut columns = Vec::new();
        visit(&model.matcher, &mut |node| {
            let Expr::Path { function, pattern, .. } = &node.expr else { return };
            match pattern {
                Operand::Field(column) => columns.push((*function, *column)),
                Operand::Text { text, .. } => {
                    with(&Pattern { function: *function, text, span: node.span, rule: None });
                }
                Operand::Request(_) | Operand::Number(_) | Operand::Kind(_) => {}
            }
        });
        let evals = has_eval(&model.matcher);
        for (index, rule) in model.rules.iter().enumerate() {
            for (function, column) in &columns {
                let field = &rule.fields[*column];
                with(&Pattern {
                    function: *function,
                    text: &field.text,
                    span: field.span,
                    rule: Some(index),
                });
            }
            if !evals {
                continue;
            }
            for eval in rule.fields.iter().filter_map(|field| field.eval.as_deref()) {
                visit(eval, &mut |node| {
                    let Expr::Path { function, pattern, .. } = &node.expr else { return };
                    let (text, span): (&[u8], Span) = match pattern {
                        Operand::Field(column) => (&rule.fields[*column].text, rule.fields[*column].span),
                        Operand::Text { text, .. } => (text, node.span),
                        Operand::Request(_) | Operand::Number(_) | Operand::Kind(_) => return,
                    };
                    with(&Pattern { function: *function, text, span, rule: Some(index) });
                });
            }
        }
    }
}

/// Calls `with` with `node` and every part of it, fields that hold expressions left out.
pub(super) fn visit<'m>(node: &'m Node, with: &mut impl FnMut(&'m Node)) {
    with(node);
    match &node.expr {
        Expr::And(parts) | Expr::Or(parts) => parts.iter().for_each(|part| visit(part, with)),
        Expr::Not(inner) => visit(inner, with),
        Expr::Const(_)
        | Expr::Compare(..)
        | Expr::In(..)
        | Expr::Role { .. }
        | Expr::Path { .. }
        | Expr::Args(_)
        | Expr::ActionRole(_)
        | Expr::Eval(_) => {}
    }
}

fn has_eval(node: &Node) -> bool {
    let mut found = false;
    visit(node, &mut |node| found |= matches!(node.expr, Expr::Eval(_)));
    found
}
