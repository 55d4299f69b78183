//! The grammar: policy text to a faithful syntax tree with spans. Knows no operation, hook or kernel.
//!
//! The language itself is in `policy.pest`. Lines are cut out first ([`parse()`]), so that one broken line does not
//! hide the next one's errors, and so that nesting and length are bounded before the parser recurses.

mod annotation;
mod definition;
mod error;
mod expression;
mod format;
mod logical;
mod parse;
mod pest_error;
mod rule_line;
mod source;
mod tree;

pub use error::SyntaxError;
pub use format::format;
pub use parse::{Parsed, edit_distance, parse, parse_matcher};
pub use source::{Limits, Source, Span, byte_order_marks};
pub use tree::{
    Annotation, Cell, Comparison, Definition, Expr, ExprKind, Line, Section, SectionKind, SyntaxTree, Value,
    Word,
};

/// The parser pest derives from the grammar. `Rule` stays inside this crate: messages speak the author's language.
mod policy {
    #[derive(pest_derive::Parser)]
    #[grammar = "src/policy.pest"]
    pub(crate) struct Policy;
}
