//! Comparisons and queries against the reference evaluator: every request of a small universe, every witness.

mod commands;
mod edits;
mod equal;
mod policy;
mod queries;
mod universe;
