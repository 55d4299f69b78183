//! The grammar: policy text to a faithful syntax tree with spans. Knows no operation, hook or kernel.

mod source;

pub use source::Span;
