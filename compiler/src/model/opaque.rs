//! Plain Casbin policies: objects and actions that are mere words (LANGUAGE §1, `compat`).
//!
//! A word that is no operation is not given a number of its own: there are as many as people write. A model is made for
//! one of them at a time, in which [`STAND_IN`] means that word and nothing else; every other word is no operation.
//! So all that decides sees operations only.

use boesfs_abi::op::Op;
use boesfs_abi::request::is_canonical;
use boesfs_grammar::Span;

use super::action::action;
use super::{Compat, Expr, Model, Node, Operand, RequestField};
use crate::diagnostic::Diagnostic;

/// The operation that means the word a model was made for. It takes no arguments.
pub const STAND_IN: Op = Op::Statfs;

/// The words an action may hold.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Vocabulary<'a> {
    /// Whether any word is one.
    pub(super) open: bool,
    /// The word that [`STAND_IN`] means.
    pub(super) word: Option<&'a str>,
}

impl Model {
    /// Whether a request may hold words that are neither paths nor operations.
    #[must_use]
    pub fn takes_words(&self) -> bool {
        self.options.compat != Compat::Boesfs
    }

    /// What `op` is called in this policy.
    #[must_use]
    pub fn op_name(&self, op: Op) -> &str {
        match &self.word {
            Some(word) if op == STAND_IN => word,
            _ => op.name(),
        }
    }

    /// The operation called `name` in this policy.
    #[must_use]
    pub fn op_named(&self, name: &str) -> Option<Op> {
        match &self.word {
            Some(word) if word == name => Some(STAND_IN),
            Some(_) => Op::from_name(name).filter(|op| *op != STAND_IN),
            None => Op::from_name(name),
        }
    }

    /// Why no image may be written: each object that is no path, and each action that is no operation.
    #[must_use]
    pub fn words(&self) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        if self.takes_words() {
            self.words_of(&self.matcher, &mut found);
            for rule in &self.rules {
                for field in &rule.fields {
                    if field.ops.is_some() {
                        self.unknown_actions(&field.text, field.span, &mut found);
                    }
                    if let Some(inner) = &field.eval {
                        self.words_of(inner, &mut found);
                    }
                }
            }
        }
        found.sort_by_key(|diagnostic| (diagnostic.span().file, diagnostic.span().start));
        found.dedup_by_key(|diagnostic| diagnostic.span());
        found
    }

    fn words_of(&self, node: &Node, found: &mut Vec<Diagnostic>) {
        match &node.expr {
            Expr::Not(inner) => self.words_of(inner, found),
            Expr::And(parts) | Expr::Or(parts) => parts.iter().for_each(|part| self.words_of(part, found)),
            Expr::Compare(_, left, right) => {
                self.words_in(left, right, node.span, found);
                self.words_in(right, left, node.span, found);
            }
            Expr::In(left, list) => list.iter().for_each(|item| self.words_in(left, item, node.span, found)),
            Expr::Const(_)
            | Expr::Role { .. }
            | Expr::Path { .. }
            | Expr::Args(_)
            | Expr::ActionRole(_)
            | Expr::Eval(_) => {}
        }
    }

    /// What `operand` holds that is nothing `field` can be.
    fn words_in(&self, field: &Operand, operand: &Operand, at: Span, found: &mut Vec<Diagnostic>) {
        match (field, operand) {
            (Operand::Request(RequestField::Obj), Operand::Text { text, .. }) => no_path(text, at, found),
            (Operand::Request(RequestField::Obj), Operand::Field(column)) => {
                for field in self.rules.iter().map(|rule| &rule.fields[*column]) {
                    no_path(&field.text, field.span, found);
                }
            }
            (Operand::Request(RequestField::Act), Operand::Text { text, .. }) => {
                self.unknown_actions(text, at, found);
            }
            _ => {}
        }
    }

    fn unknown_actions(&self, text: &[u8], at: Span, found: &mut Vec<Diagnostic>) {
        let meaning = action(text, self.shape, &self.action_roles, Vocabulary::default());
        for (_, word) in meaning.unknown {
            found.push(
                Diagnostic::error("E0318", format!("`{word}` is no operation of a file"), at)
                    .label("only `compat` takes it, to check and to evaluate")
                    .help("write the operations it stands for, or define it with `a` lines"),
            );
        }
    }
}

fn no_path(text: &[u8], at: Span, found: &mut Vec<Diagnostic>) {
    if !is_canonical(text) {
        let shown = String::from_utf8_lossy(text);
        found.push(
            Diagnostic::error("E0319", format!("`{shown}` is no path of a file"), at)
                .label("only `compat` takes it, to check and to evaluate")
                .help("write an absolute, normal path"),
        );
    }
}
