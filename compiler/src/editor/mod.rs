//! For editors: what stands at a place of a policy, what may stand there, and the language server that says so.
//!
//! [`server`] speaks the protocol; everything else is about a policy's text and knows no protocol. Nothing here
//! judges a policy: findings come from the stages, and the words of the language from the tables they read by.

mod columns;
pub mod completion;
pub mod hover;
pub mod index;
pub mod lines;
pub mod phrase;
pub mod rename;
pub mod server;
pub mod textmate;
pub mod vocabulary;

pub use columns::{Columns, Use};
