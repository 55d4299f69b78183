//! The compiler: policy text in, image out. No unsafe, no kernel, no root.
//!
//! One direction: [`model`] binds names and types, [`rules`] reduces rules to normal form, `automaton` makes one
//! byte automaton of all paths, `image` packs it. `reference` judges the model as it stands and shares no matching
//! code with the rest.

pub mod ask;
pub mod automaton;
pub mod diagnostic;
pub mod explain;
pub mod image;
pub mod lint;
pub mod model;
pub mod pipeline;
pub mod reference;
pub mod rules;
pub mod sources;
pub mod suite;
pub mod validate;

pub use sources::{LoadError, Sources};
